"""`tail` and `events`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from swarmchat.cli.following import followed
from swarmchat.errors import UnreachableError, UsageError
from tests.support.fake_commands import ALICE, BOB, FIRST, NOON, ROOM, SECOND, FakeCommands, message
from tests.support.fake_door import swarmchat


def event(number: int, kind: str, **data: Any) -> dict[str, Any]:
    return {"id": number, "time": NOON, "type": kind, "data": data}


def test_tail_shows_the_last_messages_and_then_each_new_one_once() -> None:
    node = FakeCommands()
    node.answers["message.list"] = [message()]
    shown = {FIRST: message(), SECOND: message(SECOND, author=BOB, body="new")}

    async def show(*, message: str, **_: Any) -> Any:
        return shown[message]

    node.answers["message.show"] = show
    node.live = [
        event(1, "message.added", conversation=ROOM, id=FIRST),
        event(2, "message.added", conversation=ROOM, id=SECOND),
        event(3, "typing", conversation=ROOM, account=BOB),
        event(4, "peer.online", account=BOB),
        event(5, "message.added", conversation="e" * 40, id="d" * 40),
    ]
    outcome = swarmchat("tail", "boats", node=node)
    assert outcome.status == 130
    assert [line.split("  ", 1)[1] for line in outcome.out.splitlines()[1:]] == [
        "f1f1f1f1  Alice  hello",
        "f2f2f2f2  Bob    new",
    ]


def test_tail_shows_a_message_again_when_it_changed() -> None:
    node = FakeCommands()
    node.answers["message.list"] = [message()]
    reaction = {"id": SECOND, "author": ALICE, "reaction": "👍", "time": NOON}
    node.answers["message.show"] = message(reactions=[reaction])
    node.live = [event(1, "reaction.added", conversation=ROOM, message=FIRST, author=ALICE, reaction="👍")]
    outcome = swarmchat("tail", "boats", "--json", node=node)
    assert [json.loads(line)["reactions"] for line in outcome.out.splitlines()] == [[], [reaction]]


def test_tail_calls_people_by_the_name_that_they_took_meanwhile() -> None:
    node = FakeCommands()
    node.answers["message.list"] = [message()]
    lists = iter(["Bob", "Robert", "Robert"])

    async def members(**_: Any) -> Any:
        return [{"id": BOB, "name": next(lists), "role": "member", "devices": [], "revoked": []}]

    async def show(*, message: str, **_: Any) -> Any:
        return shown[message]

    shown = {one: message(one, author=BOB, body="aye") for one in (SECOND, "ab" * 20)}
    node.answers |= {"member.list": members, "message.show": show, "contact.list": []}
    node.live = [
        event(1, "message.added", conversation=ROOM, id=SECOND),
        event(2, "contact.changed", account=BOB),
        event(3, "message.added", conversation=ROOM, id="ab" * 20),
    ]
    said = [line.split() for line in swarmchat("tail", "boats", "-n", "0", node=node).out.splitlines()[1:]]
    assert [words[2] for words in said] == ["Bob", "Robert"]


def test_tail_says_what_it_has_missed() -> None:
    node = FakeCommands()
    node.live = [{"type": "gap", "data": {"from": 3, "to": 9}}]
    assert "events 3–9 are no longer kept" in swarmchat("tail", "-n", "0", node=node).err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-n", "2"), [4, 5]),
        (("-n", "9"), [1, 2, 3, 4, 5]),
        (("-n", "2", "--since", "1"), [2, 3]),
        (("-n", "2", "--since", "0"), [1, 2]),
    ],
)
def test_so_many_events_are_the_newest_unless_it_is_said_since_when(options: tuple[str, ...], told: list[int]) -> None:
    node = FakeCommands()
    for _ in range(5):
        asyncio.run(node.happen("message.added", conversation=ROOM))
    lines = swarmchat("events", "--json", *options, node=node).out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == told


def test_events_are_one_a_line_and_end_where_told() -> None:
    node = FakeCommands()
    for _ in range(3):
        asyncio.run(node.happen("message.added", conversation=ROOM, text="a b"))
    told = swarmchat("events", "--json", node=node).out.splitlines()
    assert [json.loads(line)["id"] for line in told] == [1, 2, 3]
    assert len(swarmchat("events", "--since", "1", "-n", "1", node=node).out.splitlines()) == 1
    line = swarmchat("events", "--since", "2", node=node).out
    assert line.endswith(f'  message.added  conversation={ROOM} text="a b"\n')


def test_a_gap_in_the_events_is_told() -> None:
    node = FakeCommands()
    node.dropped = 4
    asyncio.run(node.happen("typing"))
    first, second = swarmchat("events", "--json", node=node).out.splitlines()
    assert json.loads(first) == {"type": "gap", "data": {"from": 1, "to": 4}}
    assert json.loads(second)["id"] == 5
    assert "are no longer kept" in swarmchat("events", node=node).out


def test_events_can_be_followed() -> None:
    node = FakeCommands()
    node.live = [event(7, "link.up"), event(8, "link.down")]
    assert swarmchat("events", "--follow", node=node).status == 130
    limited = swarmchat("events", "--follow", "-n", "1", "--json", node=node)
    assert (limited.status, json.loads(limited.out)["id"]) == (0, 7)


class Line:
    """A daemon that goes away and comes back: each part is one life of its stream of events."""

    def __init__(self, *lives: list[dict[str, Any]] | Exception, newest: int = 0) -> None:
        self.lives = list(lives)
        self.newest = newest
        self.asked: list[int | None] = []

    def call(self, method: str, /, **_: Any) -> Any:
        return {"last": self.newest, "events": [], "gap": None} if method == "events.list" else {}

    def events(self, since: int | None = None) -> Iterator[dict[str, Any]]:
        self.asked.append(since)
        life = self.lives.pop(0)
        if isinstance(life, Exception):
            raise life
        return self._live(life)

    def _live(self, life: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        yield from life
        if not self.lives:
            raise KeyboardInterrupt
        raise UnreachableError("the daemon went away")


def follow(line: Line, since: int | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    told: list[str] = []
    seen: list[dict[str, Any]] = []
    stream = followed(line, since, pause=lambda _: None, told=told.append)
    with contextlib.suppress(KeyboardInterrupt):
        for one in stream:
            seen.append(one)  # noqa: PERF402 - what came before the end is wanted
    return seen, told


def test_a_daemon_that_went_away_is_waited_for_and_asked_for_what_happened_meanwhile() -> None:
    first, passing, second = event(7, "a"), {"id": None, "type": "typing"}, event(8, "b")
    line = Line([first, passing], UnreachableError("none"), UnreachableError("none"), [second], [], newest=6)
    seen, told = follow(line)
    assert seen == [first, passing, second]
    assert line.asked == [6, 7, 7, 7, 8]
    assert told == ["the daemon went away; waiting for it", "the daemon is back"] * 2


def test_a_daemon_that_began_its_events_anew_and_goes_away_again_at_once_is_waited_for() -> None:
    class Hasty(Line):
        left = 2

        def call(self, method: str, /, **params: Any) -> Any:
            self.left -= method == "events.list"
            if method == "events.list" and self.left == 0:
                raise UnreachableError("gone again")
            return super().call(method, **params)

    line = Hasty([], UsageError("not yet"), UsageError("not yet"), [event(4, "a")], newest=3)
    assert [one["type"] for one in follow(line)[0]] == ["gap", "a"]


def test_after_a_gap_it_goes_on_behind_the_gap() -> None:
    gap = {"type": "gap", "data": {"from": 3, "to": 9}}
    line = Line([gap], [event(10, "a")])
    assert follow(line, 2)[0] == [gap, event(10, "a")]
    assert line.asked == [2, 9]


def test_events_that_are_numbered_anew_are_a_gap_too() -> None:
    line = Line([event(50, "a")], UsageError("the newest event is 4"), [event(5, "b")], newest=4)
    assert follow(line, 49)[0] == [event(50, "a"), {"type": "gap", "data": {"from": 5, "to": 50}}, event(5, "b")]
    assert line.asked == [49, 50, 4]


def test_without_a_daemon_nothing_is_followed() -> None:
    with pytest.raises(UnreachableError):
        followed(Line(UnreachableError("none")), 3, pause=lambda _: None, told=lambda _: None)


def test_tail_begins_where_it_is_told() -> None:
    node = FakeCommands()
    swarmchat("tail", "boats", "--since", "2026-01-01", node=node)
    assert ("message.list", {"conversation": ROOM, "limit": 10_000, "since": "2026-01-01", "local": True}) in node.calls
    node = FakeCommands()
    swarmchat("tail", "boats", "--since", "2026-01-01", "-n", "3", "--json", node=node)
    assert ("message.list", {"conversation": ROOM, "limit": 3, "since": "2026-01-01"}) in node.calls
