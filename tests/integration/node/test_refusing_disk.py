"""A disk that refuses costs a running node what it cannot write, and not the node. (SCP-04 §4.5, SCP-08 §3.3)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat import disk, limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import Source
from swarmchat.errors import StorageError
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.index.events import EventLog
from swarmchat.node import journal as journals
from swarmchat.node import node as nodes
from swarmchat.node.journal import Journal
from swarmchat.node.offline import open_commands
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm.events import LinkUp, PeerOnline
from tests.support import accounts

ROOM = ConversationId("c" * 40)


def person(number: int) -> PeerOnline:
    return PeerOnline(AccountId(f"{number:040x}"))


class Full(EventLog):
    """Refuses while `full`."""

    full = True

    def append_all(self, *args, **named):  # type: ignore[no-untyped-def]
        if self.full:
            raise StorageError("no space", hint="free some")
        return super().append_all(*args, **named)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def test_events_that_a_full_disk_refuses_are_written_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journals, "_AGAIN_S", 0.01)
    log = Full(tmp_path / "events.sqlite")
    journal = Journal(log, SystemRuntime())

    async def story() -> None:
        running = asyncio.get_running_loop().create_task(journal.run())
        journal.record(person(1))
        journal.note_told(ROOM, 7)
        await until(lambda: len(caplog.records) >= 2)
        journal.record(person(2))
        assert journal.read(0, 10)["events"] == []
        log.full = False
        await asyncio.wait_for(journal.wait(1), 20)
        assert [one["data"]["account"][-1] for one in journal.read(0, 10)["events"]] == ["1", "2"]
        assert journal.told(ROOM) == 7
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(story())
    journal.close()


@pytest.mark.parametrize(("more", "told"), [(0, 7), (1, None)])
def test_of_events_that_wait_too_many_the_oldest_are_left_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, told: int | None
) -> None:
    monkeypatch.setattr(limits, "EVENTS_WAITING_MAX", 3)
    log = Full(tmp_path / "events.sqlite")
    journal = Journal(log, SystemRuntime())
    for number in range(3 + more):
        journal.record(person(number))
    journal.note_told(ROOM, 7)
    with pytest.raises(StorageError):
        journal.flush()
    log.full = False
    journal.flush()
    kept = [one["data"]["account"][-1] for one in journal.read(0, 10)["events"]]
    assert kept == [str(number) for number in range(more, 3 + more)]
    assert journal.told(ROOM) == told
    journal.close()


def test_hints_are_kept_a_moment_after_a_link_and_a_disk_that_refuses_them_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nodes, "_SAVE_AFTER_S", 0.01)
    refused: list[Path] = []

    def refuse(path: Path, data: bytes) -> None:
        refused.append(path)
        raise StorageError("no space", hint="free some")

    with open_commands(accounts.home(tmp_path / "home")) as offline:
        offline.call("conversation.list", {})
        node = offline._node
        assert node is not None
        place = tmp_path / "home" / "addresses.json"
        device, address = DeviceId("d" * 64), Address("192.0.2.1", 4000)
        other = Address("192.0.2.2", 4000)

        async def story() -> None:
            keeping = asyncio.get_running_loop().create_task(node._keep_hints())
            link = LinkUp(AccountId("a" * 40), device, "tcp", address)
            node.finder.learnt(device, [address], Source.LINK)
            await asyncio.sleep(0.05)
            assert not place.exists() or str(address) not in place.read_text(), "once a minute is enough without a link"
            node._observe(link)
            await until(lambda: place.exists() and str(address) in place.read_text())
            with monkeypatch.context() as full:
                full.setattr(disk, "write_whole", refuse)
                node.finder.learnt(device, [other], Source.LINK)
                node._observe(link)
                await until(lambda: refused)
                await until(lambda: any("are not kept" in record.message for record in caplog.records))
            assert not keeping.done()
            node._observe(link)
            await until(lambda: str(other) in place.read_text())
            keeping.cancel()
            await asyncio.wait([keeping])

        asyncio.run(story())
