"""Who can use the page: by keyboard alone, on a phone, in the dark, with a screen reader (axe). (SCP-08 §4)"""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.browser import Seat, seat
from tests.support.process import NodeProcess

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


def no_findings(taken: Seat, where: str) -> None:
    """Nothing serious or critical by axe."""
    found = Axe().run(taken.page).response["violations"]
    bad = [one for one in found if one["impact"] in {"serious", "critical"}]
    words = [f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in bad]
    assert not words, f"{where}: " + "\n".join(words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_view(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess, scheme: str
) -> None:
    told = ann.call("message.send", conversation=harbour, text="**bold** `code` [link](https://example.net)\n> quoted")
    ann.call("message.send", conversation=harbour, text="answer", reply_to=told["id"])
    ann.call("message.react", conversation=harbour, message=told["id"], reaction="👍")
    ben.call("message.send", conversation=harbour, text="fine words")
    with seat(browser, ann, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce") as a:  # axe is injected
        link = ann.call("web.link")["link"]
        a.page.goto(link.split("#")[0])
        no_findings(a, "without a token")
        a.log_in()
        no_findings(a, "list")
        a.open("Harbour")
        a.sees("fine words")
        no_findings(a, "conversation")
        for tab in ("Members", "Sync", "Graph", "About"):
            expect(a.panel(tab).locator("> *").first).to_be_visible()
            no_findings(a, tab)
        a.page.keyboard.press("Escape")
        a.page.get_by_role("textbox", name="Message to").press("Escape")
        a.page.locator(".room-title").click()
        a.page.keyboard.press("?")
        no_findings(a, "shortcuts")
        a.page.keyboard.press("Escape")
        for name in ("contacts", "mesh", "sync", "devices", "doctor", "settings"):
            a.page.evaluate(f"location.hash = '#/{name}'")
            expect(a.page.locator(".page-body > *").first).to_be_visible()
            no_findings(a, name)


def test_everything_of_a_chat_is_done_by_keyboard_alone(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess
) -> None:
    ben.call("message.send", conversation=harbour, text="can you do it without a mouse?")
    ann.until(lambda: "can you do it without a mouse?" in ann.texts(harbour))
    with seat(browser, ann) as a:
        a.log_in()
        keys = a.page.keyboard
        focused = a.page.locator(":focus")
        row = a.page.locator(".conversation", has_text="Harbour")
        for _ in range(40):
            keys.press("Tab")
            if row.evaluate("row => row === document.activeElement"):
                break
        expect(row).to_be_focused()
        assert row.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
        keys.press("Enter")
        expect(a.page.get_by_role("textbox", name="Message to")).to_be_focused()
        a.sees("can you do it without a mouse?")
        keys.type("watch me")
        keys.press("Shift+Enter")
        keys.type("second line")
        keys.press("Enter")
        a.sees("watch me")
        keys.press("ArrowUp")
        expect(a.page.locator(".about-line")).to_contain_text("Editing")
        keys.press("Escape")
        keys.press("Alt+l")
        expect(focused).to_contain_text("watch me")
        keys.press("ArrowUp")
        expect(focused).to_contain_text("can you do it without a mouse?")
        keys.press("r")
        expect(a.page.locator(".about-line")).to_contain_text("Replying to Ben")
        keys.type("as you see")
        keys.press("Enter")
        expect(a.sees("as you see").locator(".quote")).to_be_visible()
        keys.press("Alt+l")
        keys.press("x")
        expect(a.dialog().get_by_role("button", name="React with 👍")).to_be_focused()
        keys.press("Enter")
        expect(a.message("as you see").locator(".reaction")).to_contain_text("👍")
        keys.press("Alt+l")
        keys.press("Delete")
        a.dialog().wait_for()
        keys.press("Escape")
        expect(a.dialog()).to_have_count(0)
        keys.press("Alt+m")
        expect(a.page.get_by_role("tab", name="Members")).to_be_focused()
        keys.press("ArrowRight")
        expect(a.page.get_by_role("tab", name="Sync")).to_be_focused()
        keys.press("Escape")
        expect(a.page.locator(".panel")).to_be_hidden()
        keys.press("Alt+l")
        keys.press("?")
        expect(a.dialog()).to_contain_text("edit your last message")
        keys.press("Escape")
        keys.press("/")
        expect(a.page.get_by_role("searchbox")).to_be_focused()


def test_on_a_phone_one_thing_is_shown_at_a_time_and_nothing_overflows(
    browser: Any, harbour: str, ann: NodeProcess
) -> None:
    ann.call("message.send", conversation=harbour, text="https://example.net/" + "a" * 300)
    with seat(browser, ann, **PHONE) as a:

        def fits() -> None:
            assert a.page.evaluate("document.documentElement.scrollWidth") <= 360

        a.log_in()
        expect(a.page.locator(".main")).to_be_hidden()
        fits()
        a.page.locator(".conversation", has_text="Harbour").tap()
        expect(a.page.locator(".sidebar")).to_be_hidden()
        a.page.get_by_role("textbox", name="Message to").fill("from a small screen")
        a.page.get_by_role("button", name="Send").tap()
        row = a.sees("from a small screen")
        fits()
        row.locator(".body").tap()
        expect(row.locator(".actions")).to_have_css("opacity", "1")
        a.page.get_by_role("button", name=re.compile("Members and votes")).tap()
        for tab in ("Members", "Sync", "Graph", "About"):
            a.page.get_by_role("tab", name=tab).tap()
            expect(a.page.locator(".panel-body > *").first).to_be_visible()
            fits()
        a.page.get_by_role("button", name="Close (Esc)").tap()
        a.page.get_by_role("button", name="Back to the conversations").tap()
        expect(a.page.locator(".sidebar")).to_be_visible()
        a.page.locator(".conversation", has_text="Harbour").tap()
        expect(a.page.locator(".sidebar")).to_be_hidden()
        a.page.go_back()
        expect(a.page.locator(".sidebar")).to_be_visible()
        a.page.get_by_role("link", name="Node").tap()
        expect(a.page.locator(".mesh-picture")).to_be_visible()
        fits()


def test_on_a_phone_no_tab_is_cut_off_and_no_name_is_broken_by_the_buttons_beside_it(
    browser: Any, ann: NodeProcess
) -> None:
    nobody = "ab" * 20
    ann.call("contact.add", account=nobody, name="Captain Haddock")
    try:
        with seat(browser, ann, **PHONE) as a:
            a.log_in()
            a.page.get_by_role("link", name="Contacts").tap()
            name = a.page.locator(f"[data-account='{nobody}'] .name")
            expect(name).to_have_text("Captain Haddock")
            assert name.evaluate("name => name.getClientRects().length") == 1
            a.page.locator(".icon-button[aria-label='Back']").tap()
            a.page.get_by_role("link", name="Node").tap()
            expect(a.page.locator(".page > .tabs .tab").last).to_have_text("Settings")
            assert a.page.locator(".page > .tabs .tab").last.evaluate("tab => tab.getBoundingClientRect().right") <= 360
    finally:
        ann.call("contact.remove", contact=nobody)


def test_the_colours_follow_the_system(browser: Any, ann: NodeProcess) -> None:
    found = []
    for scheme in ("light", "dark"):
        with seat(browser, ann, color_scheme=scheme) as a:
            a.log_in()
            found.append(a.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert found == ["rgb(255, 255, 255)", "rgb(16, 21, 27)"]


def test_a_new_message_is_announced_to_screen_readers(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess
) -> None:
    with seat(browser, ann) as a:
        ann.call("message.send", conversation=harbour, text="listen")
        a.log_in().open("Harbour")
        a.sees("listen")
        ben.call("message.send", conversation=harbour, text="hear, hear")
        expect(a.page.locator("#announcer")).to_have_text("Ben: hear, hear")
