"""The full-screen client by its keys, before a pretended node: what is on the screen and what the node is asked. (SCP-08 §2.8)"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from swarmchat.api.methods import invoke
from swarmchat.cli.tui.app import Chat
from swarmchat.cli.tui.line import Line
from swarmchat.cli.tui.pages import on_thread
from swarmchat.cli.tui.parts import Composer
from swarmchat.errors import RefusedError, UnreachableError
from tests.support.fake_commands import BOB, FIRST, LATER, NOON, ROOM, SECOND, THIRD, FakeCommands, message

OTHER = "0be4" * 10


class FakeWay:
    """What `SocketWay` is to a real daemon. Its events are what a test puts in."""

    def __init__(self, node: FakeCommands, happening: queue.Queue[Any]) -> None:
        self._node = node
        self._happening = happening

    def call(self, method: str, /, **params: Any) -> Any:
        return asyncio.run(invoke(self._node, method, params))

    def events(self, since: int | None = None) -> Iterator[dict[str, Any]]:
        while (event := self._happening.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
        raise UnreachableError("hung up")

    def hang_up(self) -> None:
        self._happening.put(None)

    def close(self) -> None:
        pass


class Desk:
    """The client, the node it talks to, and the hands at its keys."""

    def __init__(self, node: FakeCommands, app: Chat, pilot: Pilot[None], happening: queue.Queue[Any]) -> None:
        self.node = node
        self.app = app
        self.pilot = pilot
        self.happening = happening

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*({" ": "space", "-": "minus", "+": "plus"}.get(key, key) for key in text))

    async def until(self, holds: Callable[[], Any]) -> None:
        for _ in range(400):
            if holds():
                return
            await self.pilot.pause(0.01)
        raise AssertionError(f"in vain; asked {self.node.calls[-5:]}, on the screen: {self.screen()}")

    async def sees(self, text: str) -> None:
        await self.until(lambda: text in self.screen())

    def screen(self) -> str:
        told = []
        for screen in self.app.screen_stack:
            told += [str(widget.render()) for widget in screen.query(Static)]
            for options in screen.query(OptionList):
                told += [str(options.get_option_at_index(at).prompt) for at in range(options.option_count)]
        told += [note.message for note in self.app._notifications]
        return "\n".join(told)

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.node.calls if name == method]

    async def highlight(self, commit: str) -> None:
        entries = self.app.query_one("#entries", OptionList)
        entries.highlighted = entries.get_option_index(commit)
        entries.focus()
        await self.pilot.pause()


def play(
    scene: Callable[[Desk], Awaitable[None]], node: FakeCommands | None = None, size: tuple[int, int] = (100, 30)
) -> None:
    made = node or FakeCommands()

    async def run() -> None:
        happening: queue.Queue[Any] = queue.Queue()
        app = Chat(Line(lambda: FakeWay(made, happening)))
        async with app.run_test(size=size) as pilot:
            desk = Desk(made, app, pilot, happening)
            await desk.sees("hello")
            await scene(desk)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_conversations_messages_and_who_is_behind_are_on_the_screen() -> None:
    node = FakeCommands()
    node.answers["conversation.list"] = [
        *node.answers["conversation.list"],
        {
            **node.answers["conversation.list"][0],
            "id": OTHER,
            "title": "",
            "unread": 1000,
            "last": NOON,
            "state": "syncing",
        },
    ]

    async def scene(desk: Desk) -> None:
        await desk.sees("1 linked, all in step")
        for text in (
            "Boats",
            "0be40be4 (1000+) – syncing",
            "hi\n",
            "↪ Alice: hello",
            "👍 Alice",
            "Alice  |  Boats",
            "1 request (F3)",
        ):
            await desk.sees(text)

    play(scene, node)


def test_a_contact_is_called_by_my_word_for_him() -> None:
    node = FakeCommands()
    node.answers["contact.list"][0]["name"] = "Captain Bob"

    async def scene(desk: Desk) -> None:
        await desk.sees("Captain Bob  ")
        await desk.press("f2")
        await desk.sees("member   Captain Bob  b0b")

    play(scene, node)


def test_messages_that_come_late_are_not_shown_in_the_conversation_that_was_opened_meanwhile() -> None:
    node = FakeCommands()
    node.answers["conversation.list"].append({**node.answers["conversation.list"][0], "id": OTHER, "title": "Quay"})

    async def scene(desk: Desk) -> None:
        asked, held = desk.app.ask, []

        async def ask(method: str, /, **params: Any) -> Any:
            answer = await asked(method, **params)
            if method == "message.list" and params["conversation"] == ROOM:
                desk.app._show(OTHER)
            if method == "message.list" and params["conversation"] == OTHER:
                held.append(list(desk.app._entries))
            return answer

        desk.app.ask = ask
        desk.app._freshen("entries")
        await desk.until(lambda: held)
        assert held == [[]]

    play(scene, node)


def test_what_strangers_write_is_neither_markup_nor_an_escape() -> None:
    node = FakeCommands()
    evil = "[bold red]x[/] [link=http://e]y[/link] [@click=app.quit]z[/] \x1b[2J \u202e [/nonsense]"
    node.answers["message.list"] = [message(body=f"hello {evil}")]
    node.answers["member.list"][0]["name"] = evil
    node.answers["conversation.list"][0]["title"] = evil
    node.answers["request.list"][0]["title"] = evil
    node.answers["account.show"]["name"] = evil
    shown = evil.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")

    async def scene(desk: Desk) -> None:
        await desk.sees(f"hello {shown}")
        for key in ("f2", "escape", "f3", "escape"):
            await desk.press(key)
        assert desk.screen().count(shown) >= 4
        assert "\x1b" not in desk.screen()

    play(scene, node)


def test_what_i_write_is_sent_with_enter_and_a_line_begun_with_ctrl_j() -> None:
    async def scene(desk: Desk) -> None:
        await desk.type("one")
        await desk.press("ctrl+j")
        await desk.type("two")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("message.send"))
        assert desk.asked("message.send") == [{"conversation": ROOM, "text": "one\ntwo"}]
        await desk.until(lambda: not desk.app.query_one(Composer).text)
        assert desk.asked("message.typing") == [{"conversation": ROOM}]
        await desk.press("enter", "space", "enter")  # nothing is no message
        assert len(desk.asked("message.send")) == 1

    play(scene)


def test_what_could_not_be_sent_stays_and_says_why() -> None:
    node = FakeCommands()
    node.answers["message.send"] = RefusedError("you are [not] a member", hint="ask somebody")

    async def scene(desk: Desk) -> None:
        await desk.type("hey")
        await desk.press("enter")
        await desk.sees("you are [not] a member\nask somebody")
        assert desk.app.query_one(Composer).text == "hey"

    play(scene, node)


def test_a_message_is_answered_changed_deleted_and_reacted_to_by_its_keys() -> None:
    async def scene(desk: Desk) -> None:
        await desk.highlight(THIRD)
        await desk.press("r")
        await desk.sees("answer to: hi")
        await desk.type("yes")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("message.send"))
        assert desk.asked("message.send") == [{"conversation": ROOM, "text": "yes", "reply_to": THIRD}]
        await desk.until(lambda: "answer to" not in desk.screen())

        await desk.highlight(FIRST)
        await desk.press("e")
        await desk.sees("change: hello")
        await desk.type("!")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("message.edit"))
        assert desk.asked("message.edit") == [{"conversation": ROOM, "message": FIRST, "text": "hello!"}]

        await desk.highlight(FIRST)
        await desk.press("d", "n")
        await desk.press("d")
        await desk.sees("Delete: hello?")
        assert desk.asked("message.delete") == []
        await desk.press("y")
        await desk.until(lambda: desk.asked("message.delete"))

        await desk.highlight(THIRD)
        await desk.press("plus")
        await desk.type("ok")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("message.react"))
        await desk.press("minus")
        await desk.type("ok")
        await desk.press("enter")
        await desk.until(lambda: len(desk.asked("message.react")) == 2)
        asked = {"conversation": ROOM, "message": THIRD, "reaction": "ok"}
        assert desk.asked("message.react") == [asked, asked | {"remove": True}]

        await desk.press("enter")
        await desk.sees(f"id      {FIRST}")

    play(scene)


def test_the_message_of_another_is_not_changed() -> None:
    async def scene(desk: Desk) -> None:
        await desk.highlight(THIRD)
        await desk.press("e")
        await desk.sees("somebody else's")
        await desk.press("d")
        assert len(desk.app.screen_stack) == 1

    play(scene)


def test_giving_up_an_answer_or_a_change_is_escape() -> None:
    async def scene(desk: Desk) -> None:
        await desk.highlight(FIRST)
        await desk.press("e")
        await desk.sees("change: hello")
        await desk.press("escape")
        assert "change: hello" not in desk.screen()
        assert desk.app.query_one(Composer).text == ""

    play(scene)


def test_news_are_shown_as_they_come_and_typing_too() -> None:
    async def scene(desk: Desk) -> None:
        before = len(desk.asked("message.list"))
        desk.happening.put(
            {"id": 1, "time": NOON, "type": "message.added", "data": {"conversation": OTHER, "id": SECOND}}
        )
        await desk.until(lambda: len(desk.asked("conversation.list")) >= 2)
        assert len(desk.asked("message.list")) == before
        desk.node.answers["message.list"].append(message("ab" * 20, author=BOB, body="brand new", time=LATER))
        desk.happening.put(
            {"id": 2, "time": NOON, "type": "message.added", "data": {"conversation": ROOM, "id": "ab" * 20}}
        )
        await desk.sees("brand new")
        desk.happening.put(
            {"id": None, "time": NOON, "type": "typing", "data": {"conversation": ROOM, "account": BOB, "on": True}}
        )
        await desk.sees("Bob types…")
        desk.happening.put(
            {"id": None, "time": NOON, "type": "typing", "data": {"conversation": ROOM, "account": BOB, "on": False}}
        )
        await desk.until(lambda: "Bob types…" not in desk.screen())
        desk.happening.put({"type": "gap", "data": {"from": 3, "to": 9}})
        asked = len(desk.asked("account.show"))
        await desk.until(lambda: len(desk.asked("account.show")) > asked)

    play(scene)


def test_who_reads_the_newest_is_upright_and_who_reads_back_is_left_there() -> None:
    node = FakeCommands()
    node.answers["message.list"] = [message(f"{n:040x}", body=f"hello {n}") for n in range(40)]

    async def scene(desk: Desk) -> None:
        entries = desk.app.query_one("#entries", OptionList)
        assert entries.highlighted == 39
        await desk.highlight(f"{7:040x}")
        node.answers["message.list"].append(message(f"{40:040x}", body="hello 40"))
        desk.happening.put({"id": 2, "time": NOON, "type": "message.added", "data": {"conversation": ROOM, "id": "x"}})
        await desk.sees("hello 40")
        assert entries.highlighted == 7
        await desk.highlight(f"{40:040x}")
        node.answers["message.list"].append(message(f"{41:040x}", body="hello 41"))
        desk.happening.put({"id": 3, "time": NOON, "type": "message.added", "data": {"conversation": ROOM, "id": "x"}})
        await desk.sees("hello 41")
        assert entries.highlighted == 41
        await desk.press("o")
        await desk.until(lambda: {"conversation": ROOM, "limit": 400, "local": True} in desk.asked("message.list"))

    play(scene, node)


def test_what_is_unread_is_read_when_it_is_on_the_screen() -> None:
    node = FakeCommands()
    node.answers["conversation.list"][0]["unread"] = 2

    async def scene(desk: Desk) -> None:
        await desk.until(lambda: desk.asked("message.read"))
        node.answers["conversation.list"][0]["unread"] = 0
        assert desk.asked("message.read")[0] == {"conversation": ROOM}

    play(scene, node)


def test_a_member_without_account_is_shown_with_the_gateway() -> None:
    node = FakeCommands()
    node.answers["member.list"][2] |= {"name": "Benji B", "gateway": "status"}

    async def scene(desk: Desk) -> None:
        await desk.press("f2")
        await desk.sees("invited  Benji B  ca201222  on status")

    play(scene, node)


def test_members_votes_and_what_can_be_done_about_them() -> None:
    async def scene(desk: Desk) -> None:
        await desk.press("f2")
        await desk.sees("Members and votes of Boats")
        await desk.sees("admin    Alice (me)")
        await desk.sees("ballot to ban Bob: 1 of 2 votes (Alice)")
        await desk.press("down", "b")
        await desk.sees("Vote to ban Bob?")
        assert desk.asked("member.ban") == [{"conversation": ROOM, "target": BOB, "dry_run": True}]
        await desk.press("y")
        await desk.sees("voted to ban Bob: 1 of 2 votes")
        assert desk.asked("member.ban")[1:] == [{"conversation": ROOM, "target": BOB}]
        await desk.press("i")
        await desk.type("c")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("member.invite"))
        assert desk.asked("member.invite") == [{"conversation": ROOM, "accounts": ["c"]}]
        await desk.press("k", "y")
        await desk.until(lambda: desk.asked("member.kick"))
        await desk.press("d", "n")
        assert desk.asked("member.demote") == []
        await desk.press("escape")
        assert len(desk.app.screen_stack) == 1

    play(scene)


@pytest.mark.parametrize(("keys", "method"), [("a", "accept"), ("d", "decline"), ("by", "block")])
def test_requests_are_answered(keys: str, method: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.press("f3")
        await desk.sees("b0b11111 invites to Boats")
        for key in keys:
            await desk.press(key)
        await desk.until(lambda: desk.asked(f"request.{method}"))
        assert desk.asked(f"request.{method}") == [{"request": "abcd1234"}]

    play(scene)


def test_contacts_are_added_turned_and_opened() -> None:
    async def scene(desk: Desk) -> None:
        await desk.press("f4")
        await desk.sees("Bob  confirmed  away")
        await desk.press("a")
        await desk.type("b")
        await desk.press("enter")
        await desk.sees("My name for them")
        await desk.press("escape")
        await desk.until(lambda: desk.asked("contact.add"))
        assert desk.asked("contact.add") == [{"account": "b"}]
        await desk.press("b", "y")
        await desk.until(lambda: desk.asked("contact.block"))
        await desk.press("enter")
        await desk.until(lambda: len(desk.app.screen_stack) == 1)

    play(scene)


def test_a_hit_of_a_search_is_shown_where_it_stands() -> None:
    async def scene(desk: Desk) -> None:
        await desk.press("f5")
        await desk.type("hello")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("search"))
        assert desk.asked("search") == [{"text": "hello"}]
        hit = desk.node.answers["search"]["hits"][0]
        await desk.sees("".join(piece["text"] for piece in hit["snippet"]))
        await desk.press("enter")
        await desk.until(lambda: len(desk.app.screen_stack) == 1)
        entries = desk.app.query_one("#entries", OptionList)
        at = entries.get_option_index(hit["message"]["id"])
        await desk.until(lambda: entries.highlighted == at and entries.has_focus)

    play(scene)


def test_how_the_node_stands_and_the_keys_can_be_read() -> None:
    async def scene(desk: Desk) -> None:
        await desk.press("f8")
        await desk.sees("process 4711")
        await desk.sees("d2d2d2d2 of b0b11111: linked")
        await desk.sees("unreachable – no address is known")
        await desk.press("escape", "f1")
        await desk.sees("F2 members and votes")
        await desk.press("escape")

    play(scene)


def test_a_conversation_is_begun_and_joined() -> None:
    async def scene(desk: Desk) -> None:
        await desk.press("ctrl+n")
        await desk.type("Sails")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("conversation.create") == [{"title": "Sails"}])
        await desk.press("ctrl+r")
        await desk.type("abcd")
        await desk.press("enter")
        await desk.until(lambda: desk.asked("conversation.join") == [{"conversation": "abcd"}])

    play(scene)


def test_a_daemon_that_goes_and_comes_is_told_of() -> None:
    async def scene(desk: Desk) -> None:
        desk.happening.put(UnreachableError("the daemon went away"))
        await desk.sees("the daemon went away; waiting for it")
        asked = len(desk.asked("account.show"))
        await desk.until(lambda: "waiting for it" not in desk.screen())
        assert len(desk.asked("account.show")) > asked

    play(scene)


def test_a_daemon_that_goes_while_there_is_news_to_fetch_is_told_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(desk: Desk) -> None:
        away = UnreachableError("the daemon went away")

        def gone(way: FakeWay, method: str, /, **params: Any) -> Any:
            raise away

        monkeypatch.setattr(FakeWay, "call", gone)
        desk.happening.put({"id": 1, "type": "message.added", "data": {"conversation": ROOM}})
        desk.happening.put(away)
        await desk.sees("the daemon went away; waiting for it")

    play(scene)


def test_it_can_be_used_on_a_small_terminal_and_ends_with_ctrl_q() -> None:
    async def scene(desk: Desk) -> None:
        await desk.type("x")
        await desk.press("ctrl+q")
        await desk.until(lambda: not desk.app.is_running)

    play(scene, size=(60, 16))


def test_what_is_asked_after_the_end_is_an_error_with_a_name() -> None:
    line = Line(lambda: FakeWay(FakeCommands(), queue.Queue()))
    line.close()
    with pytest.raises(UnreachableError, match="hung up"):
        asyncio.run(on_thread(line)("account.show"))
