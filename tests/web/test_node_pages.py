"""What the page shows of the law and of the node: ballots, the graph, the mesh, sync, doctor, devices. (SCP-08 §4)"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import seat
from tests.support.process import NodeProcess, found_room, same

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]


def test_a_ban_is_voted_on_and_resolves(browser: Any, ann: NodeProcess, ben: NodeProcess, cem: NodeProcess) -> None:
    room = found_room(ann, ben, cem, title="Jury")
    ann.call("member.promote", conversation=room, target=ben.account)
    same(room, ann, ben, cem)
    with seat(browser, ann) as a, seat(browser, ben) as b:
        a.log_in().open("Jury")
        b.log_in().open("Jury")
        hers, his = a.panel("Members"), b.panel("Members")
        hers.locator(f"[data-account='{cem.account}']").get_by_role("button", name="Ban").click()
        expect(a.dialog()).to_contain_text("It needs 2 votes; with yours it has 1.")
        a.dialog().get_by_role("button", name="Vote").click()
        ballot = his.locator(f".ballot[data-target='{cem.account}']")
        expect(ballot).to_contain_text("1 of 2 votes that it needs: Ann")
        expect(hers.locator(".ballot")).to_contain_text("You have voted.")
        ballot.get_by_role("button", name="Vote for it").click()
        expect(b.dialog()).to_contain_text("With yours that is reached")
        b.dialog().get_by_role("button", name="Vote").click()
        for page, panel in ((a.page, hers), (b.page, his)):
            expect(panel.locator(".ballot")).to_have_count(0)
            expect(page.locator(".system", has_text="Cem was banned")).to_be_visible()
            banned = panel.locator("section", has=page.get_by_role("heading", name=re.compile("Banned")))
            expect(banned.locator(f"[data-account='{cem.account}']")).to_be_visible()


def test_what_a_removed_member_wrote_meanwhile_is_folded(
    browser: Any, ann: NodeProcess, ben: NodeProcess, cem: NodeProcess
) -> None:
    room = found_room(ann, ben, cem, title="Folded")
    before = cem.call("message.send", conversation=room, text="before")["id"]
    same(room, ann, ben, cem)
    cem.call("message.send", conversation=room, text="written beside the ban")
    same(room, ann, ben, cem)
    with seat(browser, ann) as a:
        a.log_in().open("Folded")
        a.sees("written beside the ban")
        ann.call("member.ban", conversation=room, target=cem.account, at=before)
        fold = a.page.locator(".fold button")
        expect(fold).to_contain_text("1 hidden, by somebody who was removed")
        expect(a.message("written beside the ban")).to_have_count(0)
        fold.click()
        a.sees("written beside the ban")
        expect(a.message("before")).to_be_visible()


def test_the_commit_graph_is_drawn_with_its_forks(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess
) -> None:
    room = harbour
    for number in range(3):
        ann.call("message.send", conversation=room, text=f"a{number}")
        ben.call("message.send", conversation=room, text=f"b{number}")
    same(room, ann, ben)
    commits = ann.call("graph", conversation=room)["commits"]
    with seat(browser, ann) as a:
        a.log_in().open("Harbour")
        panel = a.panel("Graph")
        expect(panel.locator("svg .commit")).to_have_count(len(commits))
        edges = sum(len(commit["parents"]) for commit in commits)
        expect(panel.locator("svg .edge")).to_have_count(edges)
        ben.call("message.send", conversation=room, text="one more")
        expect(panel.locator("svg .commit")).to_have_count(len(ann.call("graph", conversation=room)["commits"]))


def test_mesh_sync_doctor_and_devices(browser: Any, harbour: str, ann: NodeProcess) -> None:
    with seat(browser, ann) as a:
        a.log_in()
        a.page.get_by_role("link", name="Node").click()
        expect(a.page.locator(".mesh-line.linked")).not_to_have_count(0)
        row = a.page.locator(".rows .row", has_text="Ben")
        expect(row).to_contain_text("by tcp 127.0.0.1:")
        expect(row).to_contain_text("linked")
        row.locator("summary").click()
        a.page.evaluate(
            """async () => {
              const drawn = document.querySelector('.mesh-picture');
              while (drawn.isConnected) await new Promise(requestAnimationFrame);  // until it is drawn again
            }"""
        )
        expect(row.locator("details li").first).to_be_visible()
        a.page.get_by_role("link", name="Sync").click()
        deck = a.page.locator(".page-body > section", has=a.page.get_by_role("heading", name="Harbour"))
        expect(deck.locator(".row", has_text="Ben")).to_contain_text("in step")
        a.page.get_by_role("link", name="Doctor").click()
        expect(a.page.locator(".row", has_text="history").first).to_contain_text("all valid")
        a.page.get_by_role("link", name="Devices").click()
        device = a.page.locator(".row", has_text="this node")
        device.get_by_role("button", name="Rename").click()
        a.dialog().get_by_label("Name").fill("Ann's bench")
        a.dialog().get_by_role("button", name="Rename").click()
        expect(device).to_contain_text("Ann's bench")


def test_a_new_device_that_is_not_mine_is_refused_at_once(browser: Any, ann: NodeProcess) -> None:
    """The other machine hears of it, as from the command line; the node's answers about it are stood in for."""
    answers: list[bool] = []

    def stand_in(route: Any) -> None:
        asked = json.loads(route.request.post_data)
        calls = {one["method"]: one for one in (asked if isinstance(asked, list) else [asked])}
        found = {"pairing": "p1", "device": "d" * 64, "name": "Somebody's tablet", "address": "127.0.0.1:1"}
        if call := calls.get("device.add"):
            route.fulfill(json={"jsonrpc": "2.0", "id": call["id"], "result": found})
        elif call := calls.get("device.confirm"):
            answers.append(call["params"]["accept"])
            route.fulfill(json={"jsonrpc": "2.0", "id": call["id"], "result": {"state": "refused"}})
        else:
            route.continue_()

    with seat(browser, ann) as a:
        a.page.route("**/api/v1/rpc", stand_in)
        a.log_in()
        a.page.goto(a.page.url.split("#")[0] + "#/devices")
        for way in ("Cancel", "It is mine"):
            a.page.get_by_role("button", name="Link a device").click()
            a.dialog().get_by_label("Code that the new machine shows").fill("swarm-link:x")
            a.dialog().get_by_role("button", name="Find it").click()
            asked = a.dialog().filter(has_text="Is this your new device?")
            with a.page.expect_response(lambda answer: "device.confirm" in (answer.request.post_data or "")):
                asked.get_by_role("button", name=way).click()
            expect(a.dialog()).to_have_count(0)
    assert answers == [False, True]


def test_settings_are_kept_by_the_account_and_the_theme_by_the_page(browser: Any, cem: NodeProcess) -> None:
    with seat(browser, cem) as c:
        c.log_in()
        c.page.goto(c.page.url.split("#")[0] + "#/settings")
        receipts = c.page.get_by_label("How far I have read")
        expect(receipts).to_be_checked()
        receipts.uncheck()
        cem.until(lambda: not cem.call("account.show")["read_receipts"])
        receipts.check()
        cem.until(lambda: cem.call("account.show")["read_receipts"])
        c.page.get_by_label("Dark").check()
        dark = c.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        c.page.reload()
        c.page.locator(".brand").wait_for()
        assert c.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
        c.page.get_by_label("Light", exact=True).check()
        assert c.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != dark


def test_leaving_asks_first_and_closes_the_conversation(browser: Any, ann: NodeProcess, ben: NodeProcess) -> None:
    room = found_room(ann, ben, title="Ferry")
    with seat(browser, ben) as b:
        b.log_in().open("Ferry")
        b.panel("About").get_by_role("button", name="Leave").click()
        b.dialog().get_by_role("button", name="Leave").click()
        ann.until(lambda: ann.roles(room)[ben.account] == "left")
        expect(b.page.get_by_role("textbox", name="Message to")).to_have_count(0)
