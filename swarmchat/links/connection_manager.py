"""At most one link with each device, whoever dialled. (SCP-03 §2b, §5, §6, §10)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Protocol

from swarmchat import __version__
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import ChainFault, check_chain
from swarmchat.errors import LinkError, PeerError, StorageError
from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import (
    DIAL_CANDIDATES_MAX,
    FUTURE_TOLERANCE_S,
    HANDSHAKES_MAX,
    OUTCAST_LINK_S,
    PROBE_TIMEOUT_S,
)
from swarmchat.links.admission import HandshakeGate, StrangerQuota, source_of
from swarmchat.links.channel import Channel
from swarmchat.links.dialling import race
from swarmchat.links.frames import Message, Preface
from swarmchat.links.link import Link, LinkHooks, LinkTimes
from swarmchat.links.peers import Identity, LinkClass, Peer
from swarmchat.links.streams import ByteStream, Carrier, Listener, Security
from swarmchat.links.tiebreak import Verdict, decide
from swarmchat.links.tls import TlsSecurity
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)
_AGENT = f"swarmchat/{__version__}"


class LinkPolicy(Protocol):
    """Who may do what: known to those above, asked here. All pure and quick."""

    def classify(self, peer: Peer) -> LinkClass | None:
        """The highest class that fits; None: no link with it."""
        ...

    def revoked(self, account: AccountId) -> Container[bytes]:
        """The 16-byte id prefixes of that account's revoked devices, as far as known."""
        ...

    def may_open(self, link: Link, opening: Message) -> str | None:
        """None if the peer may have the channel that `opening` asks for, else the error code of SCP-03 §4a."""
        ...


class ConnectionManager:
    """Dials, listens, keeps one link with each device, and closes links that nobody wants. `run` owns all its tasks.

    `on_outcast`: a device that its account has revoked called; it may be told, for a second, and has no link. `on_channel` serves a channel that a peer opened and may have: it answers (`channel.accept`), talks and returns; the
    channel is closed after it. `on_link_up` and `on_link_down` come in turns for each device.
    """

    def __init__(
        self,
        identity: Identity,
        runtime: Runtime,
        *,
        carrier: Carrier,
        policy: LinkPolicy,
        on_channel: Callable[[Channel], Awaitable[None]],
        on_link_up: Callable[[Link], None],
        on_link_down: Callable[[Link, str], None],
        on_outcast: Callable[[Link], Awaitable[None]] | None = None,
        security: Security | None = None,
        times: LinkTimes | None = None,
    ) -> None:
        self._identity = identity
        self._us = identity.device.device_id
        self._runtime = runtime
        self._carrier = carrier
        self._policy = policy
        self._on_channel = on_channel
        self._on_link_up = on_link_up
        self._on_link_down = on_link_down
        self._on_outcast = on_outcast
        self._security = security or TlsSecurity(
            identity, now=runtime.now, revoked=policy.revoked, dismisses=on_outcast is not None
        )
        self._times = times or LinkTimes()
        self._hooks = LinkHooks(self._up, self._going, self._over, policy.may_open, self._serve)
        self._gate = HandshakeGate()
        self._strangers = StrangerQuota()
        self._dials = 0
        self._dialling = asyncio.Semaphore(HANDSHAKES_MAX)
        self._by_device: dict[DeviceId, Link] = {}
        self._all: dict[Link, asyncio.Task[None]] = {}  # with those that shake hands or drain, and their watch
        self._shaking: dict[Link, str] = {}  # callers whose handshake runs, by source
        self._counted: dict[Link, str] = {}  # strangers who called, by source
        self._doubted: set[Link] = set()
        self._listeners: list[Listener] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._closing = asyncio.Event()

    # --- running

    async def run(self) -> None:
        """Hold all tasks of the links until `close`, or until cancelled; run once. Dialling and listening need it running."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await self._closing.wait()
            finally:  # also when cancelled: nothing may be started in a group that ends
                await self.close()

    async def close(self) -> None:
        """Stop listening, end all links; `run` returns when their handlers have."""
        self._closing.set()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for link in list(self._all):
            link.close("this node goes away")

    # --- what is there

    @property
    def links(self) -> tuple[Link, ...]:
        """The one link of each device that we are linked with, by device id."""
        return tuple(link for _, link in sorted(self._by_device.items()))

    def link(self, device: DeviceId) -> Link | None:
        """The link with a device, if there is one."""
        return self._by_device.get(device)

    def links_of(self, account: AccountId) -> tuple[Link, ...]:
        """The links with an account's devices, by device id."""
        return tuple(link for link in self.links if link.peer.account == account)

    # --- what can be asked

    async def listen(self, addresses: Sequence[Address]) -> list[Address]:
        """Take callers at these addresses; where we listen now. OSError if one cannot be had."""
        bound = []
        for address in addresses:
            listener = await self._carrier.listen(address, self._called)
            self._listeners.append(listener)
            bound.append(listener.address)
        return bound

    async def dial(self, device: DeviceId | None, addresses: Sequence[Address]) -> Link:
        """The link with `device` (None: whoever answers), dialled at up to 16 addresses, the best first, unless it is there.

        LinkError with the reason of each address if none works.
        """
        if device is not None and (link := self._by_device.get(device)):
            return link
        link = await race(addresses[:DIAL_CANDIDATES_MAX], lambda address: self._attempt(device, address))
        return self._by_device.get(link.peer.device, link)  # two addresses may have led to it: the tie-break decided

    async def prove(self, link: Link) -> bool:
        """Whether a link still carries anything: one that does not answer at once is closed.

        TCP would find out by itself, but a minute late: it waits longer after each loss.
        """
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await link.ping()
        except TimeoutError:
            link.close("it carries nothing any more")
            return False
        except LinkError:
            pass  # it broke meanwhile: `on_link_down` has said so
        return True

    def reclassify(self) -> None:
        """Rosters, contacts or revocations changed: judge every link and open channel again; close what has no class any more."""
        for link in [link for link in self._all if link.is_up and not link.is_over]:
            reason = self._judge(link)
            if reason is not None:
                link.close(reason)
            else:
                link.judge_channels()

    # --- dialling and being dialled

    async def _attempt(self, device: DeviceId | None, address: Address) -> Link:
        async with self._dialling:
            try:
                async with asyncio.timeout(self._times.handshake_s):
                    stream = await self._carrier.dial(address)
            except TimeoutError:
                raise LinkError(f"no answer in {self._times.handshake_s:g} s") from None
            self._dials += 1
            link = self._begin(stream, device, dial=self._dials)
            if link is None:
                raise LinkError("this node takes no links")
            try:
                await link.up()
            except LinkError:
                if device is not None and (better := self._by_device.get(device)):
                    return better
                raise
            except asyncio.CancelledError:
                if not link.is_up:  # once up, the tie-break alone decides: it may be the one that stays
                    link.close("another address was quicker")
                raise
        return link

    def _called(self, stream: ByteStream) -> None:
        source = source_of(stream.remote.host)
        if not self._gate.admit(source, self._runtime.monotonic()):
            stream.abort()
            return
        self._begin(stream, None, dial=None, source=source)

    def _begin(
        self, stream: ByteStream, device: DeviceId | None, *, dial: int | None, source: str | None = None
    ) -> Link | None:
        if self._tasks is None or self._closing.is_set():
            stream.abort()
            return None
        endpoint = self._security.endpoint(server=dial is None, device=device)
        preface = Preface(_AGENT, self._identity.boot, int(self._runtime.now()), dial)
        link = Link(stream, endpoint, preface, self._runtime, self._hooks, times=self._times)
        if source is not None:
            self._shaking[link] = source
        self._all[link] = self._tasks.create_task(link.watch())
        link.start()
        return link

    # --- what links tell

    def _up(self, link: Link) -> None:
        reason = self._judge(link)
        self._shaken(link, failed=link.link_class is LinkClass.REVOKED)
        if reason is not None:
            link.close(reason)
            return
        if link.link_class is LinkClass.REVOKED:
            assert self._tasks is not None, "who has a link runs"
            self._tasks.create_task(self._dismiss(link))
            return
        device = link.peer.device
        old = self._by_device.get(device)
        if old is not None:
            match decide(old.claim(self._us), link.claim(self._us), greater=max(self._us, device)):
                case Verdict.OLD:
                    link.drain()
                    self._doubt(old)
                    return
                case Verdict.NEW:
                    self._unlist(old, "another link with it is better")
                    old.drain()
                case Verdict.RESTARTED:
                    old.close("the peer was restarted")
        self._by_device[device] = link
        _log.info("link up with %s over %s", device, link.path)
        if abs(link.clock_offset_s) > FUTURE_TOLERANCE_S:
            _log.warning("the clocks of %s and of this machine are %+.0f s apart", device, link.clock_offset_s)
        self._on_link_up(link)

    async def _dismiss(self, link: Link) -> None:
        """Tell a revoked device that it is one, if it listens, and hang up."""
        assert self._on_outcast is not None, "else nobody has that class"
        try:
            async with asyncio.timeout(OUTCAST_LINK_S):
                await self._on_outcast(link)
        except (TimeoutError, LinkError, PeerError) as error:
            _log.info("%s, which was revoked, was not told: %s", link.peer.device, error)
        finally:
            link.close("its certificate does not hold: revoked")

    def _doubt(self, link: Link) -> None:
        """Its peer came by another link: who has this one does not dial, so perhaps it is lost there. (SCP-03 §5)"""
        assert self._tasks is not None, "who has a link runs"
        if link not in self._doubted and not self._closing.is_set():
            self._doubted.add(link)
            self._tasks.create_task(self._settle_doubt(link))

    async def _settle_doubt(self, link: Link) -> None:
        try:
            await self.prove(link)
        finally:
            self._doubted.discard(link)

    def _going(self, link: Link) -> None:
        self._unlist(link, "the peer goes away")

    def _over(self, link: Link, reason: str) -> None:
        self._shaken(link, failed=link.blamed)
        self._forget_stranger(link)
        watch = self._all.pop(link, None)
        if watch is not None:
            watch.cancel()
        self._unlist(link, reason)

    def _unlist(self, link: Link, reason: str) -> None:
        if link.is_up and self._by_device.get(link.peer.device) is link:
            del self._by_device[link.peer.device]
            _log.info("link down with %s: %s", link.peer.device, reason)
            self._on_link_down(link, reason)

    def _shaken(self, link: Link, *, failed: bool) -> None:
        source = self._shaking.pop(link, None)
        if source is not None:
            self._gate.done(source, self._runtime.monotonic(), failed=failed)

    # --- who may stay

    def _judge(self, link: Link) -> str | None:
        """Set the link's class; why it may not stay, if so."""
        peer = link.peer
        fault = check_chain(
            peer.certificate,
            peer.account_certificate,
            at=self._runtime.now(),
            revoked=self._policy.revoked(peer.account),
        )
        if fault is ChainFault.REVOKED and self._may_be_told(link):
            link.link_class = LinkClass.REVOKED
            return self._count_stranger(link)
        if fault is not None:
            return f"its certificate does not hold: {fault.value}"
        was, link.link_class = link.link_class, self._policy.classify(peer)
        if link.link_class is None:
            return "no link is wanted with it"
        if link.link_class is LinkClass.STRANGER and was not in {None, LinkClass.STRANGER}:
            return "nothing is shared with it any more"  # SCP-03 §2b: a ban, a leave, a contact removed
        if link.link_class is not LinkClass.STRANGER or link.dialled:
            self._forget_stranger(link)
            return None
        return self._count_stranger(link)

    def _may_be_told(self, link: Link) -> bool:
        """Whether a device called that was revoked before; one that is revoked while it has a link loses that at once."""
        return self._on_outcast is not None and not link.dialled and link.link_class in {None, LinkClass.REVOKED}

    def _count_stranger(self, link: Link) -> str | None:
        if link not in self._counted:
            source = source_of(link.address.host)
            if not self._strangers.admit(source):
                return "too many strangers"
            self._counted[link] = source
        return None

    def _forget_stranger(self, link: Link) -> None:
        source = self._counted.pop(link, None)
        if source is not None:
            self._strangers.done(source)

    # --- channels

    def _serve(self, channel: Channel) -> None:
        assert self._tasks is not None, "who has a link runs"
        if self._closing.is_set():
            channel.reset()
        else:
            self._tasks.create_task(self._served(channel))

    async def _served(self, channel: Channel) -> None:
        try:
            await self._on_channel(channel)
        except (LinkError, PeerError) as error:
            _log.info("channel %s of %s: %s", channel.name, channel.link.peer.device, error)
            channel.reset()
        except StorageError as error:  # a full disk is no fault of ours, and the peer asks again
            _log.warning("channel %s of %s: %s", channel.name, channel.link.peer.device, error)
            channel.reset()
        except Exception:  # noqa: BLE001 - a handler's fault costs its channel, not the node
            _log.exception("channel %s of %s broke its handler", channel.name, channel.link.peer.device)
            channel.reset()
        finally:
            channel.close()
