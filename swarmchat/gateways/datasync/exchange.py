"""A data-sync machine among its connections: what comes goes into it, what it wants done is done, and it ticks. (SCP-09 §4.6)"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

from swarmchat.errors import SwarmchatError
from swarmchat.gateways.datasync.effects import Confirmed, Deliver, Effect, GivenUp, Ignored, Send
from swarmchat.gateways.datasync.machine import Machine
from swarmchat.gateways.datasync.payload import MessageId, Payload, PeerId
from swarmchat.gateways.datasync.session import Session
from swarmchat.gateways.refusal import Refused
from swarmchat.runtime import Runtime


class Outcome(enum.Enum):
    """What became of a message that was delivered."""

    TAKEN = enum.auto()  # it is durable
    NOTED = enum.auto()  # it is durable, and for nobody else
    REFUSED = enum.auto()
    DROPPED = enum.auto()  # it cannot be judged now
    PASSED = enum.auto()  # it was ephemeral


class Side(Protocol):
    """Whose machine it is."""

    async def delivered(self, effect: Deliver) -> Outcome:
        """A message came; what is taken is durable. Raises nothing that a peer could cause."""

    async def heard(self, peer: PeerId, payload: Payload) -> None:
        """What a peer sent, before the machine is given it. Raises as `delivered` does."""

    def told(self, effect: Confirmed | GivenUp | Ignored) -> None:
        """Something to know. Quick."""


class Exchange:
    """The machine's calls are made in workers, one at a time: behind it stand files."""

    def __init__(self, machine: Machine, side: Side, runtime: Runtime) -> None:
        self.machine = machine
        self._side = side
        self._runtime = runtime
        self._sessions: dict[PeerId, Session] = {}
        self._gone: set[PeerId] = set()  # of whom the machine is told before it is asked the next thing
        self._turn = asyncio.Lock()
        self._somebody = asyncio.Event()

    @property
    def peers(self) -> tuple[PeerId, ...]:
        """Who is connected, sorted."""
        return tuple(sorted(self._sessions))

    async def run(self) -> None:
        """Tick while anybody is connected, until cancelled. StorageError."""
        while True:
            await self._somebody.wait()
            await self._runtime.sleep(self.machine.schedule.tick_s)
            if self._sessions:
                await self.do(lambda: self.machine.tick(self._runtime.now()))

    async def attend(self, session: Session, greet: Callable[[], Awaitable[None]]) -> Refused | None:
        """Hold the dialogue until it ends; why it was ended, if that was not by the peer. An older one with the same peer ends.

        `greet` is awaited when the peer is in. OSError, SwarmchatError: the wire broke, or the disk refuses.
        """
        older = self._sessions.get(session.peer)
        self._sessions[session.peer] = session
        self._somebody.set()
        if older is not None:
            older.close()
        try:
            await self.tell(lambda: self.machine.online(session.peer))
            await greet()
            return await session.run(lambda payload: self._received(session.peer, payload))
        finally:
            session.close()
            if self._sessions.get(session.peer) is session:
                del self._sessions[session.peer]
                self._gone.add(session.peer)
                if not self._sessions:
                    self._somebody.clear()

    async def tell(self, tell: Callable[[], None]) -> None:
        """Tell the machine something that it wants nothing done for. StorageError."""

        def told() -> tuple[Effect, ...]:
            tell()
            return ()

        await self._ask(told)

    async def do(self, ask: Callable[[], Iterable[Effect]]) -> None:
        """Ask the machine something, and do what it wants done. StorageError."""
        waiting: deque[Effect] = deque(await self._ask(ask))
        try:
            while waiting:
                await self._carry_out(waiting)
        except (OSError, SwarmchatError):
            for effect in waiting:
                if isinstance(effect, Deliver):  # else it were on its way for ever
                    await self.tell(partial(self.machine.dropped, effect.message.id))
            raise

    async def _carry_out(self, waiting: deque[Effect]) -> None:
        effect = waiting.popleft()
        match effect:
            case Send(peer, payload):
                if (session := self._sessions.get(peer)) is not None:
                    session.send(payload)
            case Deliver(message):
                outcome = await self._side.delivered(effect)
                waiting.extend(await self._settle(outcome, message.id))
            case _:
                self._side.told(effect)

    def close(self) -> None:
        """End all dialogues."""
        for session in self._sessions.values():
            session.close()

    async def _settle(self, outcome: Outcome, message: MessageId) -> Iterable[Effect]:
        machine = self.machine
        match outcome:
            case Outcome.TAKEN:
                return await self._ask(lambda: machine.taken(message))
            case Outcome.NOTED:
                return await self._ask(lambda: machine.noted(message))
            case Outcome.REFUSED:
                return await self._ask(lambda: machine.refused(message))
            case Outcome.DROPPED:
                await self.tell(lambda: machine.dropped(message))
                return ()
            case Outcome.PASSED:
                return ()

    async def _ask(self, ask: Callable[[], Iterable[Effect]]) -> Iterable[Effect]:
        async with self._turn:
            gone, self._gone = self._gone - self._sessions.keys(), set()
            return await self._runtime.offload(self._asked, gone, ask)

    def _asked(self, gone: Iterable[PeerId], ask: Callable[[], Iterable[Effect]]) -> Iterable[Effect]:
        for peer in gone:
            self.machine.offline(peer)
        return ask()

    async def _received(self, peer: PeerId, payload: Payload | Refused) -> None:
        if isinstance(payload, Refused):
            self._side.told(Ignored(peer, payload))
        else:
            await self._side.heard(peer, payload)
            await self.do(lambda: self.machine.receive(peer, payload, self._runtime.now()))
