"""Whose devices are, and when a link with them stood last. (SCP-04 §6.4)"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarmchat.errors import StorageError
from swarmchat.index.receipt_rows import How, Seen
from swarmchat.index.receipts import Receipts
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm import lastseen
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.parts import Chores
from tests.support.accounts import account, device

BOB, EVE = account(1), account(2)


def parts(receipts: Any) -> Any:
    return SimpleNamespace(runtime=SystemRuntime(), receipts=receipts, chores=Chores(), now_ms=7)


def test_what_was_seen_is_there_after_a_restart(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts.sqlite")

    async def story() -> None:
        shared = parts(receipts)
        seen = LastSeen(shared)
        await seen.load()
        seen.heard(BOB, device(1), How.LINKED)
        seen.heard(EVE, device(2), How.LOST)
        seen.heard(BOB, device(1), How.BYE)
        await shared.chores.drain()
        again = LastSeen(shared)
        assert again.owner(device(1)) is None
        await again.load()
        assert (again.owner(device(1)), again.owner(device(3))) == (BOB, None)
        assert again.get(device(1)) == Seen(BOB, 7, How.BYE)
        assert again.devices_of(EVE) == {device(2)}

    asyncio.run(story())
    receipts.close()


def test_of_too_many_the_one_not_heard_of_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lastseen, "SEEN_DEVICES_MAX", 2)
    seen = LastSeen(parts(None))
    for number in (1, 2, 1, 3):
        seen.heard(BOB, device(number), How.LINKED)
    assert seen.devices_of(BOB) == {device(1), device(3)}


def test_a_disk_that_refuses_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_new: object) -> None:
        raise StorageError("full")

    seen = LastSeen(parts(SimpleNamespace(set_seen=refuse)))
    seen.heard(BOB, device(1), How.LINKED)
    asyncio.run(seen.save())
    assert seen.owner(device(1)) == BOB
    assert "full" in caplog.text
    asyncio.run(seen.save())  # nothing new
    assert len(caplog.records) == 1
