"""Whole nodes in this process, with homes on disk and real links over loopback; what must hold after every attack."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.account.home import Home
from swarmchat.account.records import Request
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.addresses import Address
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.tree import Mode
from swarmchat.gateways.commands import GatewayCommands
from swarmchat.ids import ConversationId
from swarmchat.links.tcp import TcpCarrier
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.config import Config
from swarmchat.node.node import Node, Parts
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm import session
from tests.support.rogue import Rogue

PATIENCE_S = 10.0  # only a broken program waits so long
LOOPBACK = Address("127.0.0.1", 0)
TASKS_MAX = 200  # of a few nodes at rest; a hundred attacks must not leave a hundred tasks

JsonObject = dict[str, Any]


class Living:
    """One node, its door, and what it said."""

    def __init__(self, folder: Path, name: str, account: Account | None = None) -> None:
        self.name = name
        home = Home(folder, folder / "config.toml", folder, folder / "socket")
        home.prepare()
        runtime = SystemRuntime()
        store = AccountStore(home, runtime.entropy)
        account = account or accounts.create(name=name, now=int(runtime.now()), entropy=runtime.entropy)
        store.create(account, State())
        config = Config(listen=(LOOPBACK,), lan_enabled=False)
        self.node = Node(home, config, store, account, Parts(runtime, TcpCarrier()))
        self.door = GatewayCommands(self.node, AccountVerbs(home, runtime), os.getpid(), None)
        self.account = account
        self.swarm = self.node.swarm
        self._task: asyncio.Task[None] | None = None

    async def up(self) -> Living:
        up = asyncio.Event()
        self._task = asyncio.create_task(self.node.run(up.set))
        await up.wait()
        return self

    async def down(self) -> None:
        assert self._task is not None
        fault = self._task.exception() if self._task.done() else None
        self._task.cancel()
        await asyncio.wait([self._task])
        self.node.close()
        if fault is not None:
            raise fault

    @property
    def address(self) -> Address:
        return self.node.listens[0]

    @property
    def state(self) -> State:
        return self.node.keeper.state

    def waiting(self) -> tuple[Request, ...]:
        """The requests that wait for this user."""
        return self.state.pending()

    def log(self, where: ConversationId) -> CommitLog:
        return self.node.catalog.open(where)

    async def texts(self, where: ConversationId) -> list[str]:
        lines = await self.door.message_list(conversation=where, limit=10_000)
        return [line["body"] for line in lines if line["type"] == "text/plain"]

    async def say(self, where: ConversationId, text: str) -> str:
        return str((await self.door.message_send(conversation=where, text=text))["id"])

    async def events(self, kind: str) -> list[JsonObject]:
        found = await self.node.runtime.offload(self._flushed)
        return [event["data"] for event in found if event["type"] == kind]

    def _flushed(self) -> list[JsonObject]:
        self.node.journal.flush()
        return self.node.journal.read(0, 1_000_000)["events"]  # type: ignore[no-any-return]


class Loopback:
    """The nodes of one story."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Living] = []
        self.rogues: list[Rogue] = []

    async def node(self, name: str) -> Living:
        node = await Living(self.folder / name, name).up()
        self.nodes.append(node)
        return node

    async def twin(self, node: Living) -> Living:
        """Another device of the same account, which knows where the first one is."""
        mine, runtime = node.account, SystemRuntime()
        assert mine.account_key is not None
        device = accounts.new_device(
            name=mine.name,
            certificate=mine.certificate,
            account_key=mine.account_key,
            revocations=None,
            now=int(runtime.now()),
            entropy=runtime.entropy,
        )
        twin = await Living(self.folder / f"{node.name}-{len(self.nodes)}", node.name, device).up()
        self.nodes.append(twin)
        await twin.node.add_address(mine.id, node.address)
        return twin

    async def rogue(self, name: str) -> Rogue:
        """Somebody who is nothing to anybody yet."""
        rogue = Rogue.new(name, self.folder / f"rogue-{name}", SystemRuntime(), carrier=TcpCarrier())
        await rogue.up()
        self.rogues.append(rogue)
        return rogue

    async def until(self, holds: Callable[[], object], within_s: float = PATIENCE_S) -> float:
        """Wait for what nobody tells; the seconds that took."""
        start = asyncio.get_running_loop().time()
        while not holds():
            await asyncio.sleep(0.003)
            assert asyncio.get_running_loop().time() - start < within_s, "it did not come about"
        return asyncio.get_running_loop().time() - start

    async def room(
        self, founder: Living, *guests: Living, rogues: Iterable[Rogue] = (), mode: Mode = 1
    ) -> ConversationId:
        """A conversation in which all of them are joined; rogues join as everybody does, and are not linked after it."""
        where = await founder.swarm.create(mode)
        for guest in guests:
            await self.bring(founder, guest, where)
        for rogue in rogues:
            await self.bring_rogue(founder, rogue, where)
        await self.until(lambda: level(where, founder, *guests))
        return where

    async def bring(self, founder: Living, guest: Living, where: ConversationId) -> None:
        await founder.node.add_address(guest.account.id, guest.address)
        await founder.swarm.invite(where, [guest.account.id])
        await self.until(lambda: any(r.offer.conversation == where for r in guest.state.pending()))
        for request in guest.state.pending():
            await guest.swarm.people.accept(request.id)
        assert await guest.swarm.settled(where, PATIENCE_S) == "ready"

    async def bring_rogue(self, founder: Living, rogue: Rogue, where: ConversationId) -> None:
        await founder.swarm.invite(where, [rogue.account.id])
        async with rogue.linked(founder.address) as link:
            await rogue.join(link, where)
            await self.until(lambda: founder.log(where).roster.is_joined(rogue.account.id))
        await self.until(lambda: founder.swarm.links.link(rogue.account.device) is None)

    # --- what must hold whatever was done

    async def unharmed(self, where: ConversationId, *nodes: Living, within_s: float = 5.0) -> None:
        """They talk, agree, verify, and hold nothing half done."""
        for number, node in enumerate(nodes):
            said = f"{node.name} after the attack, {number}"
            commit = await node.say(where, said)
            await self.until(lambda: all(other.log(where).knows(commit) for other in nodes), within_s)  # noqa: B023
        await self.until(lambda: level(where, *nodes))
        for node in nodes:
            assert (await node.door.verify(conversation=where))["valid"] is True
            incoming = node.log(where).path / "incoming"
            await self.until(lambda: not list(incoming.glob("*")))  # noqa: B023
            assert not list(node.node.home.conversations.glob(".*"))
        self.bounded()

    def bounded(self) -> None:
        """Nothing that a peer can fill is above its bound, and no tasks pile up."""
        assert len(asyncio.all_tasks()) < TASKS_MAX, sorted(task.get_name() for task in asyncio.all_tasks())
        for node in self.nodes:
            assert len(node.swarm._parts.chores._waiting) < 64
            for replicator in node.swarm._rooms.all():
                assert len(replicator.session._pushes) <= session.PUSHES_QUEUED_MAX
                assert len(replicator.session._peers) <= session.PEERS_PER_SESSION_MAX


def level(where: ConversationId, *nodes: Living) -> bool:
    """Whether all hold the same heads."""
    return len({node.log(where).heads for node in nodes}) == 1


class _Watch(logging.Handler):
    """Collects what no peer may cause: warnings with a traceback, errors."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.faults: list[str] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.exc_info or record.levelno >= logging.ERROR:
            self.faults.append(f"{record.name}: {record.getMessage()} {record.exc_info or ''}")


def play(folder: Path, story: Callable[[Loopback], Coroutine[Any, Any, None]]) -> list[str]:
    """Run a story; every node goes down at its end, and none may have logged an error or left one unseen. The log lines."""
    watch = _Watch()
    root = logging.getLogger()
    before = root.level
    root.addHandler(watch)
    root.setLevel(logging.INFO)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: watch.faults.append(str(context)))
        world = Loopback(folder)
        try:
            await story(world)
        finally:
            for rogue in world.rogues:
                await rogue.down()
            for node in world.nodes:
                await node.down()

    try:
        asyncio.run(main())
        gc.collect()  # a task that died unseen tells it only now
    finally:
        root.removeHandler(watch)
        root.setLevel(before)
    assert not watch.faults, "\n".join(watch.faults)
    return watch.lines
