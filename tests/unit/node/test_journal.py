"""What is written down, and what only passes by those who watch. (SCP-08 §3.3)"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmchat.index.events import EventLog
from swarmchat.limits import EVENTS_PASSING_MAX
from swarmchat.node.journal import Journal
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm.events import ContactChanged, TypingChanged
from tests.support.accounts import account, conversation, device

ROOM, BOB = conversation(1), account(2)


def typing(number: int) -> TypingChanged:
    return TypingChanged(ROOM, BOB, device(number), on=True)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(EventLog(tmp_path / "events.sqlite"), SystemRuntime())
    yield journal
    journal.close()


def test_typing_is_never_stored_and_reaches_who_waits(journal: Journal) -> None:
    async def story() -> None:
        place, passing = await journal.wait(-1)
        assert (place, passing) == (0, [])
        waiting = asyncio.get_running_loop().create_task(journal.wait(0, place))
        await asyncio.sleep(0)
        assert not waiting.done()
        journal.record(typing(1))
        place, passing = await waiting
        assert (place, [one["id"] for one in passing], passing[0]["type"]) == (1, [None], "typing")
        assert passing[0]["data"] == {"conversation": ROOM, "account": BOB, "device": device(1), "on": True}

    asyncio.run(story())
    journal.flush()
    assert journal.read(0, 10) == {"events": [], "gap": None, "last": 0}


def test_who_was_not_there_is_not_told_what_passed(journal: Journal) -> None:
    journal.record(typing(1))
    journal.record(ContactChanged(BOB))
    journal.flush()
    assert asyncio.run(journal.wait(0)) == (1, [])
    assert asyncio.run(journal.wait(0, 1)) == (1, [])


def test_who_is_slow_gets_the_newest_of_what_passed(journal: Journal) -> None:
    for number in range(EVENTS_PASSING_MAX + 1):
        journal.record(typing(number))
    place, passing = asyncio.run(journal.wait(0, 0))
    assert (place, len(passing)) == (EVENTS_PASSING_MAX + 1, EVENTS_PASSING_MAX)
    assert passing[0]["data"]["device"] == device(1)
    assert asyncio.run(journal.wait(0, place - 1))[1] == passing[-1:]
