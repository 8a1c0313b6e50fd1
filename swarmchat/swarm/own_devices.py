"""Channel `device`: the devices of one account keep in step what they share of its state. (SCP-04 §7)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from swarmchat.account import sharing
from swarmchat.account.state import State
from swarmchat.errors import LinkError, SwarmchatError
from swarmchat.ids import DeviceId
from swarmchat.limits import SYNC_OUTBOX_MAX, SYNC_RETRY_MAX_S, SYNC_RETRY_MIN_S
from swarmchat.links.channel import DEVICE, Channel
from swarmchat.links.frames import Message
from swarmchat.links.link import Link
from swarmchat.swarm import own_messages
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.own_messages import Delta, Exchange, Have, Other
from swarmchat.swarm.parts import Parts

_log = logging.getLogger(__name__)

_FLUSH_S = 1.0
_FLUSH_LOOK_S = 0.01


class Kind(Protocol):
    """Another kind of message between own devices, and the part of this node that it is for."""

    def opening(self, device: DeviceId) -> Iterable[Message]:
        """What a device is told when the channel with it opens."""
        ...

    async def heard(self, device: DeviceId, fields: Message) -> None:
        """One message of this kind, judged by nobody yet; PeerError ends the channel, StorageError too."""
        ...


class _Talk:
    """What is said on one channel that is open."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.exchange = Exchange(channel.link.peer.device)
        self.outbox: list[Message] = []
        self.wake = asyncio.Event()


class OwnDevices:
    """All linked devices of our account. `merged` is told of each merge, before and after; `listed` of their revocation list."""

    def __init__(self, parts: Parts, merged: Callable[[State, State], None], listed: Callable[[bytes], None]) -> None:
        self._parts = parts
        self._merged = merged
        self._listed = listed
        self._talks: dict[DeviceId, _Talk] = {}
        self._kinds: dict[str, Kind] = {}
        parts.shared = self.stir

    # --- what others ask

    @property
    def linked(self) -> tuple[DeviceId, ...]:
        """The own devices with which the channel is open, sorted."""
        return tuple(sorted(self._talks))

    def add(self, kind: str, part: Kind) -> None:
        """Messages with this `t` are for that part."""
        self._kinds[kind] = part

    def post(self, device: DeviceId, message: Message) -> None:
        """Say something to a device, if the channel with it is open."""
        talk = self._talks.get(device)
        if talk is not None and len(talk.outbox) < SYNC_OUTBOX_MAX:
            talk.outbox.append(message)
            talk.wake.set()

    def stir(self) -> None:
        """What is shared has changed: it goes out."""
        for talk in self._talks.values():
            talk.wake.set()

    def relisted(self) -> None:
        """Our revocation list is another: it goes out."""
        for talk in self._talks.values():
            talk.exchange.owe()
            talk.wake.set()

    async def relisted_flushed(self, devices: Iterable[DeviceId]) -> None:
        """The same, and wait until these, whose links go now, have read it: at most 1 s."""
        self.relisted()
        talks = [talk for device in sorted(devices) if (talk := self._talks.get(device)) is not None]
        try:
            async with asyncio.timeout(_FLUSH_S), asyncio.TaskGroup() as tasks:
                for talk in talks:
                    tasks.create_task(self._flushed(talk))
        except TimeoutError:
            pass

    # --- its life on a link

    async def keep(self, link: Link) -> None:
        """Have the channel open on a link that we dialled, until the link is over; where it broke, again."""
        wait_s = SYNC_RETRY_MIN_S
        while link.is_open:
            try:
                channel, _ = await link.open_channel(DEVICE)
                await self._talk(channel)
            except SwarmchatError as error:
                _log.info("device channel with %s: %s", link.peer.device, error)
            try:
                async with asyncio.timeout(wait_s):
                    await link.closed
            except TimeoutError:
                wait_s = min(wait_s * 2, SYNC_RETRY_MAX_S)

    async def serve(self, channel: Channel) -> None:
        """The other opened it."""
        await channel.accept()
        await self._talk(channel)

    async def _talk(self, channel: Channel) -> None:
        device = channel.link.peer.device
        talk = self._talks[device] = _Talk(channel)
        for kind in sorted(self._kinds):
            talk.outbox.extend(self._kinds[kind].opening(device))
        try:
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(self._speak(channel, talk))
                await self._listen(channel, talk)
                speaking.cancel()
        except ExceptionGroup as group:
            expected, others = group.split(SwarmchatError)
            if expected is None or others is not None:
                raise
            raise expected.exceptions[0] from None
        finally:
            if self._talks.get(device) is talk:
                del self._talks[device]
            channel.close()

    # --- inside

    async def _flushed(self, talk: _Talk) -> None:
        while not talk.channel.closed and (talk.exchange.owes or talk.channel.unsent):
            await self._parts.runtime.sleep(_FLUSH_LOOK_S)
        with contextlib.suppress(LinkError):
            await talk.channel.link.ping()  # it answers in turn: what went before has come

    async def _speak(self, channel: Channel, talk: _Talk) -> None:
        while True:
            talk.wake.clear()
            revocations = self._parts.account.revocations
            for message in talk.exchange.due(self._parts.state, revocations.der if revocations else None):
                await channel.send(own_messages.encode(message))
            outbox, talk.outbox = talk.outbox, []
            for fields in outbox:
                await channel.send(fields)
            await talk.wake.wait()

    async def _listen(self, channel: Channel, talk: _Talk) -> None:
        device = channel.link.peer.device
        while (fields := await channel.receive()) is not None:
            message = own_messages.decode(fields)
            match message:
                case Have(revoked=revoked):
                    if revoked is not None:
                        self._listed(revoked)
                    talk.exchange.heard(message)
                case Delta():
                    await self._take(message)
                    talk.exchange.heard(message)
                case Other(kind) if kind in self._kinds:
                    await self._kinds[kind].heard(device, fields)
                case Other():
                    pass  # of a later version
            talk.wake.set()

    async def _take(self, piece: Delta) -> None:
        """Make a piece durable, and the vector with the last; MessageError and nothing of it for one that is none."""
        parts = self._parts

        def step(state: State) -> tuple[State, tuple[State, State]]:
            after = sharing.merged(state, piece.entries, device=parts.account.device, now_ms=parts.now_ms)
            if not piece.more:
                after = sharing.adopted(after, piece.seen, device=parts.account.device)
            return after, (state, after)

        try:
            before, after = await parts.change(step)
        except ValueError as error:
            raise MessageError(f"delta: {error}") from None
        if after is not before:
            self._merged(before, after)
