"""What a stranger writes is shown and nothing more: no script runs, no markup becomes nodes, nothing leaves its place. (SCP-08 §4)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from swarmchat.gateways.status.wire import EventType
from tests.support.browser import seat
from tests.support.process import NodeProcess, found_room, same
from tests.support.status_streams import ANN, Group

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)><b id=injected>bold</b>"
TEXTS = [
    MARKUP,
    "[click](javascript:alert(1)) [data](data:text/html,<script>alert(2)</script>) [ok](https://example.net/a)",
    "[vb](vbscript:x) [f](file:///etc/passwd) javascript:alert(1) [x](java\tscript:alert(1)) [b](blob:https://x/1)",
    "**<i onmouseover=alert(1)>** `<script>` > <style>*{display:none}</style>",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "safe \u202egnp.exe\u202c and \u2066isolated\u2069 and \x1b[31m red \x00",
    "".join(letter + "\u0301\u0310\u0325\u0336" * 60 for letter in "zalgo comes"),
    "\u05d0\u05d1\u05d2 mixed \u0627\u0644 text",
    "*" * 3000 + "[" * 3000 + "_" * 3000 + "`" * 3001,
    "> " * 2000 + "deep",
    "W" * 65_000,
]


def test_hostile_texts_execute_nothing_and_stay_in_their_place(
    browser: Any, ann: NodeProcess, ben: NodeProcess
) -> None:
    room = found_room(ann, ben, title="Hostile")
    for text in TEXTS:
        ben.call("message.send", conversation=room, text=text)
    target = ben.log(room)[-1]["id"]
    ben.call("message.react", conversation=room, message=target, reaction="<b id=injected>x</b>")
    ben.call("message.send", conversation=room, text="the last one", reply_to=ben.log(room)[-len(TEXTS)]["id"])
    same(room, ann, ben)
    with seat(browser, ann) as a:
        a.log_in().open("Hostile")
        a.sees("the last one")
        page = a.page
        assert (
            page.locator("#injected, .messages script, .messages style, .messages img, .messages svg[onload]").count()
            == 0
        )
        assert (
            page.locator(".messages [onerror], .messages [onload], .messages [onmouseover], .messages iframe").count()
            == 0
        )
        expect(page.locator(".message .body", has_text="<img src=x").first).to_contain_text(MARKUP)
        links = page.locator(".messages a")
        ways = links.evaluate_all("all => all.map((one) => [one.protocol, one.rel, one.target].join(' '))")
        assert set(ways) == {"https: noopener noreferrer _blank"}
        assert links.evaluate_all("all => all.map((one) => one.textContent)") == ["ok", "https://x/1"]
        told = page.locator(".message .body", has_text="safe").first.inner_text()
        assert "U+202E" in told
        assert "U+2066" in told
        assert "U+001B" in told
        assert not set("\u202e\u2066\x1b") & set(told)
        piled = page.locator(".message .body", has_text="comes").or_(page.locator(".message .body").nth(6)).first
        assert sum(sign in "\u0301\u0310\u0325\u0336" for sign in piled.inner_text()) <= 4 * 11
        wide = page.evaluate(
            "document.querySelector('.scroller').scrollWidth - document.querySelector('.scroller').clientWidth"
        )
        assert wide <= 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Show all 65,000 characters").click()
        assert len(page.locator(".verbatim").inner_text()) == 65_000
        assert page.evaluate(
            "document.querySelector('.scroller').scrollWidth <= document.querySelector('.scroller').clientWidth"
        )


def test_what_came_from_status_is_text_of_who_said_it_and_not_mine(
    browser: Any, ann: NodeProcess, tmp_path: Path
) -> None:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="<b id=injected>Boats</b>")
    group.says(ANN, "<img src=x onerror=alert(1)> ahoy", display_name="Captain")
    path = tmp_path / "group.status"
    path.write_bytes(group.file())
    ann.call("status.import", path=str(path))
    with seat(browser, ann) as a:
        a.log_in().open("Boats")
        a.sees("ahoy")
        expect(a.page.locator(".message.theirs .byline .name")).to_have_text("Captain via Ann")
        assert a.page.locator(".message.mine").count() == 0
        assert a.page.locator("#injected, .messages img, .messages [onerror]").count() == 0


def test_hostile_names_and_titles_are_text(browser: Any, ben: NodeProcess, cem: NodeProcess) -> None:
    name = "<b id=injected>Cem</b>\u202e"
    cem.call("account.set", name=name)
    title = '"><img src=x onerror=alert(1)>'
    try:
        room = str(cem.call("conversation.create", title=title)["id"])
        cem.call("message.send", conversation=room, text="who am I?")
        cem.call("conversation.set", conversation=room, description=MARKUP[:500])
        cem.call("member.invite", conversation=room, accounts=[ben.account])
        with seat(browser, ben) as a:
            a.log_in()
            request = a.page.locator(".request", has_text="onerror")
            request.get_by_role("button", name="Accept").click()
            row = a.sees("who am I?")
            expect(row.locator(".name")).to_contain_text(
                "b id=injectedCem/b⟨U+202E⟩"
            )  # a commit's name has no angle brackets
            for tab in ("Members", "Sync", "Graph", "About"):
                expect(a.panel(tab).locator("> *").first).to_be_visible()
            expect(a.page.locator(".panel .facts")).to_contain_text("<img src=x")
            a.page.goto(a.page.url.split("#")[0] + "#/mesh")
            expect(a.page.locator(".mesh-picture")).to_be_visible()
            assert a.page.locator("#injected, main img").count() == 0
    finally:
        cem.call("account.set", name="Cem")


def test_a_name_that_somebody_takes_elsewhere_stays_there(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess, cem: NodeProcess
) -> None:
    cem.call("message.send", conversation=harbour, text="as ever")
    same(harbour, ann, ben, cem)
    cem.call("account.set", name="Ann")
    try:
        room = found_room(cem, ben, title="Masks")
        with seat(browser, ben) as a:
            a.log_in().open("Masks")
            cem.call("message.send", conversation=room, text="guess who")
            expect(a.sees("guess who").locator(".name")).to_have_text("Ann")
            a.open("Harbour")
            expect(a.sees("as ever").locator(".name")).to_have_text("Cem")
            expect(a.panel("Members").locator(f"[data-account='{cem.account}'] .name")).to_have_text("Cem")
            cem.call("account.set", name="Cemal")
            cem.call("message.send", conversation=room, text="it was me")
            a.open("Masks")
            a.sees("it was me")
            expect(a.sees("guess who").locator(".name")).to_have_text("Cemal")
    finally:
        cem.call("account.set", name="Cem")


def test_the_page_is_served_with_the_strict_policy_and_asks_no_other_host(browser: Any, ann: NodeProcess) -> None:
    with seat(browser, ann) as a:
        asked: list[str] = []
        a.page.on("request", lambda request: asked.append(request.url))
        with a.page.expect_response(lambda answer: answer.request.is_navigation_request()) as answered:
            a.log_in()
        own = a.page.url.split("#")[0]
        assert asked
        assert all(url.startswith(own) for url in asked)
        token = ann.call("web.link")["link"].partition("token=")[2]
        assert not any(token in url.partition("#")[0] for url in asked)
        policy = answered.value.header_value("content-security-policy")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        a.page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s); }"
        )
        assert a.page.evaluate("window.ran") is None
        assert a.page.evaluate("window.violations.length") == 1
        a.page.evaluate("window.violations = []")
        a.complaints.clear()
