"""The key with Status among all else that is written into the account's file of a running node. (SCP-09 §2.1)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat import disk
from swarmchat.account.account import Account
from swarmchat.account.store import AccountStore
from swarmchat.errors import StorageError
from tests.support.loopback import Living, Loopback, play

WANTED = b"\7" * 32


def on_disk(node: Living) -> Account:
    return AccountStore(node.node.home, node.node.runtime.entropy).load()


def test_what_changes_the_account_meanwhile_costs_no_key_and_the_key_costs_none_of_it(tmp_path: Path) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        own = node.swarm.own
        made, _, _ = await asyncio.gather(own.ensure_status_key(), node.node.rename("Anna"), own.ensure_status_key())
        kept = on_disk(node)
        assert (kept.name, kept.status_key) == ("Anna", node.node.account.status_key)
        assert kept.status_key is not None
        assert kept.status_key.secret == made.raw
        await node.node.rename("Anne")
        assert on_disk(node) == node.node.account
        assert on_disk(node).status_key == kept.status_key

    play(tmp_path, story)


def test_nobody_is_told_of_a_key_that_is_not_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        own, whole = node.swarm.own, disk.write_whole

        def full(path: Path, data: bytes) -> None:
            if path.name == "account.json":
                raise StorageError("no space left")
            whole(path, data)

        with monkeypatch.context() as patched:
            patched.setattr(disk, "write_whole", full)
            for asked in (own.ensure_status_key(), own.set_status_key(WANTED)):
                with pytest.raises(StorageError):
                    await asked
        assert own.status_key() is None
        assert on_disk(node).status_key is None
        assert (await own.set_status_key(WANTED)).raw == WANTED
        assert on_disk(node).status_key == node.node.account.status_key

    play(tmp_path, story)


def test_asking_again_writes_nothing(tmp_path: Path) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        own = node.swarm.own
        await own.set_status_key(WANTED)
        written = (node.node.home.data / "account.json").stat().st_mtime_ns
        await own.ensure_status_key()
        await own.set_status_key(WANTED)
        assert (node.node.home.data / "account.json").stat().st_mtime_ns == written

    play(tmp_path, story)
