"""`tail` and `events`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

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


def test_tail_says_what_it_has_missed() -> None:
    node = FakeCommands()
    node.live = [{"type": "gap", "data": {"from": 3, "to": 9}}]
    assert "events 3–9 are no longer kept" in swarmchat("tail", "-n", "0", node=node).err


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
