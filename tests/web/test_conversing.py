"""Talking on the page: what one types there reaches the other's page, and the other way round. (SCP-08 §4)"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import seat
from tests.support.process import NodeProcess, same
from tests.web.conftest import alone

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]


def test_the_printed_link_logs_in_and_its_token_leaves_the_address_bar(browser: Any, ann: NodeProcess) -> None:
    printed = ann.cli("web")
    assert printed.status == 0, printed.err
    with seat(browser, ann) as a:
        a.log_in(printed.out.strip())
        expect(a.page.locator(".brand")).to_contain_text("Ann")
        assert "token" not in a.page.url
        assert a.page.evaluate("document.cookie") == ""
        a.page.reload()
        expect(a.page.locator(".brand")).to_contain_text("Ann")


def test_create_invite_accept_and_write_to_each_other(browser: Any, ann: NodeProcess, ben: NodeProcess) -> None:
    with seat(browser, ann) as a, seat(browser, ben) as b:
        a.log_in()
        b.log_in()
        a.page.get_by_role("button", name=re.compile("New conversation")).click()
        a.dialog().get_by_role("button", name=re.compile("New conversation")).click()
        a.dialog().get_by_label("Title").fill("Regatta")
        a.dialog().get_by_role("button", name="Create").click()
        a.page.locator(".room-title", has_text="Regatta").wait_for()
        members = a.panel("Members")
        members.get_by_role("button", name="Invite somebody").click()
        a.dialog().get_by_label("Account id").fill(ben.account)
        a.dialog().get_by_role("button", name="Invite").click()
        request = b.page.locator(".request", has_text="Regatta")
        request.get_by_role("button", name="Accept").click()
        b.page.locator(".room-title", has_text="Regatta").wait_for()
        expect(members.locator(f"[data-account='{ben.account}']")).to_contain_text("Ben")
        a.write("who brings the buoys?")
        b.sees("who brings the buoys?")
        b.write("I do")
        a.sees("I do")
        b.page.get_by_role("textbox", name="Message to").fill("one\ntwo")
        b.page.keyboard.press("Enter")
        assert a.sees("two").locator(".body br").count() == 1


def test_reply_react_edit_and_delete_are_seen_by_the_other(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess
) -> None:
    ann.call("message.send", conversation=harbour, text="the pier is open")
    with seat(browser, ann) as a, seat(browser, ben) as b:
        a.log_in().open("Harbour")
        b.log_in().open("Harbour")
        b.does(b.sees("the pier is open"), "Reply")
        expect(b.page.locator(".about-line")).to_contain_text("Replying to Ann")
        b.write("since when?")
        answer = a.sees("since when?")
        expect(answer.locator(".quote")).to_contain_text("the pier is open")
        answer.locator(".quote").click()
        expect(a.message("the pier is open")).to_be_focused()

        b.does(b.sees("the pier is open"), "React")
        b.dialog().get_by_role("button", name="React with 🎉").click()
        expect(a.message("the pier is open").locator(".reaction")).to_contain_text("🎉")
        b.message("the pier is open").locator(".reaction").click()
        expect(a.message("the pier is open").locator(".reaction")).to_have_count(0)
        b.does(b.sees("the pier is open"), "React")
        b.dialog().get_by_label("Another emoji").fill("aye")
        b.page.keyboard.press("Enter")
        expect(a.message("the pier is open").locator(".reaction")).to_contain_text("aye")

        a.does(a.sees("the pier is open"), "Edit")
        a.write("the pier is open again")
        expect(b.sees("the pier is open again").locator(".edited")).to_be_visible()
        b.message("the pier is open again").locator(".edited").click()
        expect(b.dialog().locator(".versions li")).to_have_count(2)
        b.page.keyboard.press("Escape")

        a.does(a.sees("the pier is open again"), "Delete")
        a.dialog().get_by_role("button", name="Delete").click()
        expect(b.message("This message was deleted")).to_be_visible()
        expect(b.sees("since when?").locator(".quote")).to_contain_text("deleted")


def test_what_was_begun_is_there_again_after_an_edit(browser: Any, harbour: str, ann: NodeProcess) -> None:
    ann.call("message.send", conversation=harbour, text="to be edited")
    with seat(browser, ann) as a:
        a.log_in().open("Harbour")
        field = a.page.get_by_role("textbox", name="Message to")
        field.fill("half a thought")
        for ends in ("Escape", "Enter"):
            a.does(a.sees("to be edited"), "Edit")
            expect(field).to_have_value("to be edited")
            field.press(ends)
            expect(field).to_have_value("half a thought")
        a.write("the whole thought")
        expect(field).to_have_value("")


def test_how_far_a_message_came_is_shown(browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess) -> None:
    ben.call("message.read", conversation=harbour)
    with seat(browser, ann) as a:
        a.log_in().open("Harbour")
        a.write("did it arrive?")
        expect(a.sees("did it arrive?").locator(".mark")).to_have_class(re.compile("sent|read"))
        with seat(browser, ben) as b:
            b.log_in()
            row = b.page.locator(".conversation", has_text="Harbour")
            expect(row.locator(".count")).to_have_text("1")
            expect(row).to_contain_text("did it arrive?")
            b.open("Harbour")
            b.sees("did it arrive?")
            expect(row.locator(".count")).to_have_count(0)
            expect(a.message("did it arrive?").locator(".mark")).to_have_class(re.compile("read"))
        a.message("did it arrive?").locator(".mark").click()
        expect(a.dialog().locator(".row", has_text="Ben")).to_contain_text("has read it")


def test_what_comes_while_one_reads_further_up_is_read_when_it_is_in_sight(
    browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess
) -> None:
    for number in range(30):
        ann.call("message.send", conversation=harbour, text=f"line {number}\n\nand what it says")
    same(harbour, ann, ben)
    with seat(browser, ann) as a:
        marks: list[str] = []

        def keep(request: Any) -> None:
            asked = json.loads(request.post_data or "[]")
            calls = asked if isinstance(asked, list) else [asked]
            marks.extend(call["params"]["message"] for call in calls if call["method"] == "message.read")

        a.page.on("request", keep)
        a.log_in().open("Harbour")
        a.sees("line 29")
        newest = a.page.get_by_role("button", name="Newest messages")
        a.page.locator(".scroller").evaluate(  # what is drawn in the same frame takes one back to the end
            """async (scroller) => {
              while (document.querySelector('.latest').hidden) {
                scroller.scrollTop = scroller.scrollHeight / 4;
                await new Promise(requestAnimationFrame);
              }
            }"""
        )
        sent = ben.call("message.send", conversation=harbour, text="far below")["id"]
        expect(a.page.locator("#announcer")).to_have_text("Ben: far below")
        unread = a.page.locator(".conversation", has_text="Harbour").locator(".count")
        expect(unread).to_have_text("1")
        assert sent not in marks
        newest.click()
        expect(unread).to_have_count(0)
        assert sent in marks


def test_typing_is_shown_while_somebody_types(browser: Any, harbour: str, ann: NodeProcess, ben: NodeProcess) -> None:
    with seat(browser, ann) as a, seat(browser, ben) as b:
        a.log_in().open("Harbour")
        b.log_in().open("Harbour")
        b.page.get_by_role("textbox", name="Message to").press_sequentially("hm")
        expect(a.page.locator(".typing")).to_contain_text("Ben types")
        b.page.keyboard.press("Enter")
        a.sees("hm")
        expect(a.page.locator(".typing")).to_have_text("")


def test_search_finds_and_goes_to_a_message_further_back(browser: Any, ann: NodeProcess) -> None:
    room = str(ann.call("conversation.create", title="Archive")["id"])
    wanted = ann.call("message.send", conversation=room, text="the harbour master keeps the xylophone")["id"]
    for number in range(150):
        ann.call("message.send", conversation=room, text=f"line {number}")
    with seat(browser, ann) as a:
        a.log_in().open("Archive")
        a.sees("line 149")
        expect(a.page.locator(f"[data-id='{wanted}']")).to_have_count(0)
        a.page.get_by_role("searchbox", name="Search").fill("xylophone")
        hit = a.page.locator(".hit")
        expect(hit.locator("mark")).to_have_text("xylophone")
        hit.click()
        expect(a.page.locator(f"[data-id='{wanted}']")).to_be_focused()
        expect(a.page.locator(f"[data-id='{wanted}']")).to_be_in_viewport()
        a.page.get_by_role("button", name="Newest messages").click()
        expect(a.message("line 149")).to_be_in_viewport()


def test_a_contact_is_asked_accepts_and_both_see_who_is_there(browser: Any, ann: NodeProcess, cem: NodeProcess) -> None:
    with seat(browser, ann) as a, seat(browser, cem) as c:
        a.log_in()
        c.log_in()
        a.page.get_by_role("link", name="Contacts").click()
        a.page.get_by_role("button", name="Add a contact").click()
        a.dialog().get_by_label("Account id").fill(cem.account)
        a.dialog().get_by_label("Your name for them").fill("Captain Cem")
        a.dialog().get_by_role("button", name="Ask them").click()
        a.page.locator(".room-title", has_text="Captain Cem").wait_for()
        a.write("ahoy")
        c.page.locator(".request", has_text="wants to be a contact").get_by_role("button", name="Accept").click()
        c.sees("ahoy")
        a.page.get_by_role("link", name="Contacts").click()
        row = a.page.locator(f"[data-account='{cem.account}']")
        expect(row).to_contain_text("Captain Cem")
        expect(row).to_contain_text("linked")


def test_an_invitation_can_be_declined(browser: Any, ann: NodeProcess, ben: NodeProcess) -> None:
    room = str(ann.call("conversation.create", title="Not for me")["id"])
    ann.call("member.invite", conversation=room, accounts=[ben.account])
    with seat(browser, ben) as b:
        b.log_in()
        request = b.page.locator(".request", has_text="Not for me")
        request.get_by_role("button", name="Decline").click()
        expect(request).to_have_count(0)
    assert all(one["conversation"] != room for one in ben.call("request.list"))


def test_a_link_joins_a_public_conversation(browser: Any, ann: NodeProcess, tmp_path: Path) -> None:
    room = str(ann.call("conversation.create", title="Open deck", mode="public")["id"])
    link = ann.call("conversation.link", conversation=room)["link"]
    with alone(browser, tmp_path) as d:
        d.page.keyboard.press("Alt+n")
        d.dialog().get_by_role("button", name=re.compile("Join by a link")).click()
        d.dialog().get_by_label("Link").fill(link)
        d.dialog().get_by_role("button", name="Join", exact=True).click()
        d.page.locator(".room-title", has_text="Open deck").wait_for()
        d.write("came by the link")
        d.sees("came by the link")
        ann.until(lambda: "came by the link" in ann.texts(room))
