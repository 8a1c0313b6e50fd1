"""When something is missing: the token, the daemon, events that were dropped. (SCP-08 §3.3, §4)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import seat
from tests.support.process import NodeProcess
from tests.web.conftest import alone

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]


def test_without_a_token_the_page_says_how_to_get_one_and_takes_it(browser: Any, ann: NodeProcess) -> None:
    link = ann.call("web.link")["link"]
    with seat(browser, ann) as a:
        a.page.goto(link.split("#")[0])
        expect(a.page.get_by_role("heading", level=1)).to_have_text("Open this page with its link")
        expect(a.page.locator("pre")).to_have_text("swarmchat web")
        a.page.get_by_label("Link or token").fill("not a link")
        a.page.get_by_role("button", name="Open").click()
        expect(a.page.get_by_role("alert").first).to_have_text("There is no token in that.")
        a.page.get_by_label("Link or token").fill(link)
        a.page.get_by_role("button", name="Open").click()
        expect(a.page.locator(".brand")).to_contain_text("Ann")


def test_a_wrong_token_is_told_and_forgotten(browser: Any, ann: NodeProcess) -> None:
    link = ann.call("web.link")["link"]
    with seat(browser, ann) as a:
        a.page.goto(link.split("#")[0] + "#token=ThisIsNotTheTokenOfThisNode")
        expect(a.page.get_by_role("heading", level=1)).to_have_text("The node does not know this token")
        assert a.page.evaluate("sessionStorage.length") == 0


def test_a_daemon_that_is_killed_and_started_again_loses_nothing_on_the_page(browser: Any, tmp_path: Path) -> None:
    with alone(browser, tmp_path) as d:
        node = d.node
        room = str(node.call("conversation.create", title="Log book")["id"])
        node.call("message.send", conversation=room, text="before")
        d.open("Log book")
        d.sees("before")
        d.page.get_by_role("textbox", name="Message to").fill("half a sentence")
        node.kill()
        expect(d.page.locator(".banner")).to_contain_text("The node is away")
        d.page.keyboard.press("Enter")
        expect(d.page.locator(".toast").first).to_be_visible()
        expect(d.page.get_by_role("textbox", name="Message to")).to_have_value("half a sentence")
        sent = node.cli("send", "Log book", "written while the daemon was away")
        assert sent.status == 0, sent.err
        node.start()
        d.sees("written while the daemon was away")
        expect(d.page.locator(".banner")).to_be_hidden()
        d.page.get_by_role("textbox", name="Message to").press("Enter")
        d.sees("half a sentence")
        node.call("message.send", conversation=room, text="and on it goes")
        d.sees("and on it goes")
        assert d.page.locator(".message").count() == 4


def test_a_page_that_is_opened_while_the_daemon_is_away_comes_up_by_itself(browser: Any, tmp_path: Path) -> None:
    with alone(browser, tmp_path) as d:
        d.page.route("**/api/v1/**", lambda route: route.abort())
        d.page.reload()
        expect(d.page.get_by_role("heading", level=1)).to_have_text("The node is away")
        d.page.unroute("**/api/v1/**")
        expect(d.page.locator(".brand")).to_contain_text("Dora")


def test_a_gap_in_the_events_loads_what_is_shown_again(browser: Any, ann: NodeProcess) -> None:
    room = str(ann.call("conversation.create", title="Gap")["id"])
    with seat(browser, ann) as a:
        streams: list[Any] = []

        def stand_in(route: Any) -> None:
            if "text/event-stream" not in (route.request.headers.get("accept") or ""):
                route.continue_()
                return
            streams.append(route)
            if len(streams) == 2:  # the first ends with nothing told; the second tells of a gap
                body = 'id: 900\nevent: gap\ndata: {"from": 1, "to": 900}\n\n'
                route.fulfill(status=200, content_type="text/event-stream", body=body)
            elif len(streams) == 1:
                held.append(route)
            else:
                route.abort()

        held: list[Any] = []
        a.page.route("**/api/v1/events*", stand_in)
        a.page.goto(ann.call("web.link")["link"])
        a.open("Gap")
        ann.call("message.send", conversation=room, text="nobody told the page of this")
        held[0].abort()
        a.sees("nobody told the page of this")


def test_a_node_without_search_shows_no_field_for_it(browser: Any, ann: NodeProcess) -> None:
    def without(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(
            response=answer,
            body=answer.text()
            .replace('"name":"search"', '"name":"other"')
            .replace('"name": "search"', '"name": "other"'),
        )

    with seat(browser, ann) as a:
        a.page.route("**/api/v1/rpc", without)
        a.log_in()
        expect(a.page.get_by_role("searchbox")).to_have_count(0)
