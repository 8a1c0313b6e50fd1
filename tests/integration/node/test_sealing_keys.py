"""The key that letters are sealed to changes every week in a running node, and never without being on the disk. (SCP-05 §1.3)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.account.home import Home
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.crypto.letters import open_letter, seal_letter
from swarmchat.errors import StorageError
from swarmchat.links.tcp import TcpCarrier
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.commands import NodeCommands
from swarmchat.node.config import Config
from swarmchat.node.node import Node, Parts
from swarmchat.runtime import SystemRuntime

WEEK = limits.SEALING_KEY_AGE_S
START = limits.BUILT_S + 86_400


class Clock(SystemRuntime):
    """A wall clock that a test sets; the hour between two looks at the key is over when the test says so."""

    def __init__(self) -> None:
        self.at = float(START)
        self.looked = asyncio.Event()  # the node has looked, and waits
        self.next = asyncio.Event()

    def now(self) -> float:
        return self.at

    async def sleep(self, delay_s: float) -> None:
        if delay_s != limits.SEALING_KEY_CHECKED_S:
            return await super().sleep(delay_s)
        self.looked.set()
        await self.next.wait()
        self.next.clear()
        return None

    async def look_again(self, at: float) -> None:
        self.at = at
        self.looked.clear()
        self.next.set()
        await asyncio.wait_for(self.looked.wait(), 10)


class House:
    """A node in its home, whose settings call it by another name than its file."""

    def __init__(self, folder: Path, clock: Clock, password: str | None = None) -> None:
        home = Home(folder, folder / "config.toml", folder, folder / "socket")
        home.prepare()
        verbs = AccountVerbs(home, clock)
        self.store = verbs.store
        self.password = password
        if self.store.exists():
            account = self.store.load(password)
        else:
            account = accounts.create(name="Ann", now=START, entropy=clock.entropy)
            self.store.create(account, State(), password)
        config = Config(listen=(Address("127.0.0.1", 0),), lan_enabled=False, name="Ann's laptop")
        self.node = Node(home, config, self.store, account, Parts(clock, TcpCarrier()))
        self.verbs = NodeCommands(self.node, verbs, 1, None)

    async def __aenter__(self) -> House:
        up = asyncio.Event()
        self.task = asyncio.create_task(self.node.run(up.set))
        await up.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        self.node.close()

    def on_disk(self) -> Account:
        return self.store.load(self.password)


def letter(account: Account) -> bytes:
    return seal_letter(b"hi", account.sealing.public, purpose="mailbox", device=bytes(32), key=bytes(20))


def opens(account: Account, sealed: bytes) -> bool:
    try:
        return (
            open_letter(sealed, account.sealing.privates, purpose="mailbox", device=bytes(32), key=bytes(20)) == b"hi"
        )
    except ValueError:
        return False


@pytest.mark.parametrize("password", [None, "secret"])
def test_the_sealing_key_changes_weekly_and_both_open_over_a_restart(tmp_path: Path, password: str | None) -> None:
    async def story() -> None:
        clock = Clock()
        async with House(tmp_path / "ann", clock, password) as house:
            first = house.node.account
            await clock.look_again(START + WEEK - 1)
            assert house.node.account is first
            await clock.look_again(START + WEEK)
            second = house.node.account
            assert second.sealing.previous == first.sealing.current
            assert house.on_disk().sealing == second.sealing
            assert house.on_disk().name == "Ann"
            assert opens(second, letter(first))
        async with House(tmp_path / "ann", clock, password) as house:
            assert all(opens(house.node.account, letter(one)) for one in (first, second))
            await clock.look_again(START + 2 * WEEK)
            third = house.node.account
            assert opens(third, letter(second))
            assert not opens(third, letter(first))

    asyncio.run(story())


def test_a_key_that_the_disk_refuses_is_told_to_nobody_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        clock = Clock()
        async with House(tmp_path / "ann", clock) as house:
            first = house.node.account

            def refuse(account: Account) -> None:
                raise StorageError("cannot write: there is no space left")

            with monkeypatch.context() as patched:
                patched.setattr(house.store, "save", refuse)
                await clock.look_again(START + WEEK)
            assert house.node.account is first
            assert "no space left" in caplog.text
            await clock.look_again(START + WEEK + 3_600)
            assert house.on_disk().sealing == house.node.account.sealing != first.sealing

    asyncio.run(story())


def test_a_clock_that_is_not_set_changes_no_key(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with House(tmp_path / "ann", clock) as house:
            first = house.node.account
            await clock.look_again(0.0)
            assert house.node.account is first

    asyncio.run(story())


def test_a_password_set_while_the_key_changes_loses_neither(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with House(tmp_path / "ann", clock) as house:
            _, _ = await asyncio.gather(
                house.verbs.account_set_password(password="secret"), clock.look_again(START + WEEK)
            )
            assert house.store.identity().sealed
            assert AccountVerbs(house.node.home, clock).store.load("secret").sealing == house.node.account.sealing
            assert house.node.account.sealing.previous is not None

    asyncio.run(story())
