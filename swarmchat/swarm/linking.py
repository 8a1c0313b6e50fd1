"""The existing device's side of linking a second one: find it, prove the words, and make it one of the account. (SCP-01 §3.2)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

from swarmchat import limits
from swarmchat.account.records import OwnDevice
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import issue_device
from swarmchat.crypto.veil import VeilError, unveil
from swarmchat.discovery import cards
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import Purpose, blinded_key, reading
from swarmchat.discovery.cards import Card
from swarmchat.discovery.directory import Directory, Found
from swarmchat.errors import DeliveryTimeout, LinkError, NotFoundError, PeerError, RefusedError, UserError
from swarmchat.ids import DeviceId, raw
from swarmchat.links.channel import Channel
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.link import Link
from swarmchat.swarm.pairing import (
    EXPORTER_LABEL,
    Candidate,
    ExistingDevice,
    Failed,
    Fault,
    Linked,
    Offer,
    Say,
    is_known,
)
from swarmchat.swarm.pairing_code import PairingCode
from swarmchat.swarm.parts import Parts

CHANNEL: Final = "pairing"
_LOOK_AGAIN_S: Final = 1.0  # what the LAN and the DHT have shown meanwhile
_FLUSH_LOOK_S: Final = 0.01
_PIECE_BYTES: Final = 64 * limits.KIB

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A new device has proved that it knows the words and its user has agreed: ours is asked now."""

    id: str  # of this pairing, 16 hex digits
    device: DeviceId
    name: str
    address: Address


@dataclass(slots=True)
class _Pairing:
    asked: Asked
    candidate: Candidate
    side: ExistingDevice
    channel: Channel
    until: float
    may_link: bool
    this: OwnDevice  # as the new one was told


class Linking:
    """One pairing at a time: `add` a code, then `confirm` what it led to."""

    def __init__(
        self,
        parts: Parts,
        links: ConnectionManager,
        directory: Directory | None,
        *,
        where: Callable[[], Sequence[Address]],
        recheck_lan: Callable[[], None],
        reevaluate: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._links = links
        self._directory = directory
        self._where = where
        self._recheck_lan = recheck_lan
        self._reevaluate = reevaluate
        self._busy = False
        self._open: _Pairing | None = None

    # --- what the user asks

    async def add(
        self,
        code: PairingCode,
        *,
        may_link: bool,
        name: str,
        in_use: Collection[DeviceId],
        timeout_s: float | None = None,
    ) -> Asked:
        """Find the device that shows this code and have it and its user agree.

        `name`: what this device is called; `in_use`: the devices of the account that are not revoked, as far as known.
        One that waits for `confirm` is given up for it: whoever asked for that went away, or has thought better of it.
        RefusedError (no account key here, 16 devices, busy, wrong words: `data["left"]` tries are left), DeliveryTimeout,
        LinkError.
        """
        self._permit(code, in_use)
        self._give_way()
        self._busy = True
        self._parts.access.pairing = code.device  # its link has the class `pairing`, and the LAN may show it
        self._recheck_lan()
        try:
            async with asyncio.timeout(limits.PAIRING_LINK_S):
                link = await self._reach(code, limits.PAIRING_REACH_S if timeout_s is None else timeout_s)
                self._open = await self._talk(link, code, may_link=may_link, name=name)
        except TimeoutError:
            _give_up(Failed(Fault.TIMEOUT))
        except LinkError as error:
            raise LinkError(
                f"the link with the new device broke: {error.message}",
                hint="nothing was handed over; type the code again if `swarmchat link` still runs there, else begin anew there",
            ) from None
        finally:
            self._busy = False
            if self._open is None:
                self._end()
        return self._open.asked

    async def confirm(self, pairing: str, document: Callable[[bool], bytes] | None) -> OwnDevice | None:
        """Our user's answer: `document(with the account key)` is what the new device is given, None: no.

        The device, once it has said that it has everything; None when refused. NotFoundError, RefusedError, LinkError.
        """
        found = self._present()
        if found is None or found.asked.id != pairing:
            raise NotFoundError("no device waits for that answer any more", hint="begin anew: swarmchat link")
        self._open, self._busy = None, True
        try:
            if document is None:
                await found.channel.send(found.side.refuse())
                await self._part(found.channel)
                return None
            data = await self._parts.runtime.offload(document, found.may_link)
            if len(data) > limits.PAIRING_DOCUMENT_BYTES_MAX:
                raise RefusedError("the account's state is too large to be handed over")
            async with asyncio.timeout(max(found.until - self._now, 0.0)):
                await self._grant(found, data)
        except TimeoutError:
            raise _unsure(found.asked, "five minutes are over") from None
        finally:
            self._busy = False
            found.channel.close()
            self._end()
        return await self._note(found)

    # --- before

    def _permit(self, code: PairingCode, in_use: Collection[DeviceId]) -> None:
        parts = self._parts
        if parts.account.account_key is None:
            holders = [
                one.name or one.id[:12] for one in parts.state.devices.values() if one.may_link and not one.revoked_ms
            ]
            where = f": {', '.join(sorted(holders))}" if holders else ""
            raise RefusedError(
                "this device does not hold the account key, so it cannot link others",
                hint=f"do it on a device that `swarmchat device list` shows as holding it{where}",
            )
        if self._busy:
            raise RefusedError(
                "a device is being linked already",
                hint="answer for that one on the new device, or wait: it is over after five minutes",
                data={"reason": str(Fault.BUSY)},
            )
        if code.device == parts.account.device:
            raise RefusedError("this code is that of this very device")
        if len(in_use) >= limits.DEVICES_PER_ACCOUNT_MAX:
            raise RefusedError(
                f"an account has at most {limits.DEVICES_PER_ACCOUNT_MAX} devices",
                hint="revoke one that is not used any more: swarmchat device revoke ID",
            )

    def _present(self) -> _Pairing | None:
        found = self._open
        if found is not None and (found.channel.closed or found.channel.ended or self._now >= found.until):
            self._give_way()
        return self._open

    def _give_way(self) -> None:
        """What waits for an answer waits no more, and the new device may be added again."""
        found, self._open = self._open, None
        if found is not None:
            found.channel.close()
            self._end()

    # --- finding

    async def _reach(self, code: PairingCode, timeout_s: float) -> Link:
        stops = self._watch(code.device)
        until, fault = self._now + timeout_s, LinkError("neither the local network nor the DHT shows it")
        try:
            while True:
                known = [each.address for each in self._parts.finder.addresses(code.device)]
                addresses = list(dict.fromkeys((*code.addresses, *known)))
                if addresses:
                    try:
                        return await self._links.dial(code.device, addresses)
                    except LinkError as error:
                        fault = error
                if self._now + _LOOK_AGAIN_S > until:
                    raise DeliveryTimeout(
                        f"the new device was not reached: {fault.message}",
                        hint="is `swarmchat link` still running there? Name where it listens with --at HOST:PORT",
                        data=fault.data,
                    )
                await self._parts.runtime.sleep(_LOOK_AGAIN_S)
        finally:
            for stop in stops:
                stop()

    def _watch(self, device: DeviceId) -> list[Callable[[], None]]:
        """Take its card from the DHT, where it puts one under its own id."""
        if self._directory is None:
            return []
        stops = []
        for number in reading(self._parts.runtime.now()):
            key = blinded_key(Purpose.PAIRING, raw(device), number)
            stops.append(self._directory.watch(key, partial(self._found, device, number)))
        return stops

    def _found(self, device: DeviceId, number: int, found: Found) -> None:
        now = self._parts.runtime.now()
        try:
            payload = unveil(found.data, raw(device), purpose=Purpose.PAIRING, bucket=number, key=found.key)
        except VeilError:
            return
        card = cards.parse(payload)
        if isinstance(card, Card) and card.device_id == device and cards.check(card, now=now) is None:
            self._parts.finder.learnt(device, card.addresses_at(now), Source.DHT)

    # --- talking

    async def _talk(self, link: Link, code: PairingCode, *, may_link: bool, name: str) -> _Pairing:
        mine, entropy = self._parts.account, self._parts.runtime.entropy
        try:
            channel, _ = await link.open_channel(CHANNEL)
        except PeerError as error:
            fault = Fault.BUSY if error.peer_code == "busy" else Fault.REFUSED
            _give_up(Failed(fault))
        side = ExistingDevice(
            code.words,
            us=mine.device,
            other=code.device,
            exporter=link.exporter(EXPORTER_LABEL),
            offer=Offer(mine.id, mine.name, name),
            now=self._now,
            entropy=entropy,
        )
        until = self._now + limits.PAIRING_LINK_S
        try:
            await channel.send(side.begin())
            move = await self._hear(channel, side)
        except BaseException:
            channel.close()
            raise
        assert isinstance(move, Candidate), "a pairing leads to a candidate or fails"
        if is_known(move, mine):
            channel.close()
            raise RefusedError("the new device offers a key that this account has or has withdrawn")
        asked = Asked(entropy(8).hex(), move.key.device_id, move.name, link.address)
        this = OwnDevice(mine.device, name, self._parts.now_ms, may_link=True)
        return _Pairing(asked, move, side, channel, until, may_link, this)

    async def _hear(self, channel: Channel, side: ExistingDevice) -> Candidate | Linked:
        """Talk until something is reached; RefusedError and the like with what the other side says."""
        while True:
            try:
                message = await channel.receive()
            except PeerError:
                message = {}  # no message at all
            if message is None:
                raise LinkError("the new device hung up")
            move = side.receive(message, self._now)
            match move:
                case Say(answer):
                    await channel.send(answer)
                case Failed(tell=tell):
                    if tell is not None and not channel.closed:
                        await channel.send(tell)
                        await self._part(channel)
                    _give_up(move)
                case Candidate() | Linked():
                    return move
                case None:
                    pass

    async def _grant(self, found: _Pairing, data: bytes) -> None:
        mine, now = self._parts.account, int(self._parts.runtime.now())
        if mine.account_key is None:
            raise RefusedError("this device does not hold the account key any more")
        certificate = issue_device(mine.account_key, mine.certificate, found.candidate.key, now=now)
        try:
            await found.channel.send(found.side.grant(certificate, len(data), tuple(self._where())))
            for begin in range(0, len(data), _PIECE_BYTES):
                await found.channel.send_bytes(data[begin : begin + _PIECE_BYTES])
            await self._hear(found.channel, found.side)
        except (LinkError, UserError) as error:
            raise _unsure(found.asked, error.message) from None

    async def _note(self, found: _Pairing) -> OwnDevice:
        device = OwnDevice(found.asked.device, found.asked.name, self._parts.now_ms, may_link=found.may_link)
        await self._parts.change(partial(_noted, device=device, this=found.this))
        _log.info("linked the device %s (%s)", device.id, device.name)
        self._reevaluate()
        return device

    # --- inside

    @property
    def _now(self) -> float:
        return self._parts.runtime.monotonic()

    def _end(self) -> None:
        """Nothing is left of the temporary device: no link, no address."""
        device, self._parts.access.pairing = self._parts.access.pairing, None
        self._links.reclassify()
        if device is not None:
            self._parts.finder.forget(device)
            self._recheck_lan()

    async def _part(self, channel: Channel) -> None:
        """Hang up when what was said has reached the other end, 1 s later at most."""
        try:
            async with asyncio.timeout(limits.FAREWELL_S):
                while not channel.closed and channel.unsent:
                    await self._parts.runtime.sleep(_FLUSH_LOOK_S)
                await channel.link.ping()  # it answers in turn: what went before has come
        except (TimeoutError, LinkError):
            pass
        finally:
            channel.close()


def _noted(state: State, *, device: OwnDevice, this: OwnDevice) -> tuple[State, None]:
    """The new device is one of ours; and this one has the name that the new one was told, if it had none."""
    known, _ = state.add_device(device)
    known, _ = known.add_device(this)
    if not known.devices[this.id].name:
        known, _ = known.rename_device(this.id, this.name)
    return known, None


def _unsure(asked: Asked, why: str) -> LinkError:
    """The certificate was sent, and the last word did not come: it may be a device or not."""
    return LinkError(
        f"the new device did not say that it has everything: {why}",
        hint=f"if it has, it shows in `swarmchat device list` once it is linked; if not, begin anew. It is {asked.device}",
        data={"device": asked.device},
    )


def _give_up(failed: Failed) -> NoReturn:
    """Say it as people can read it."""
    data = {"reason": str(failed.fault)} | ({} if failed.tries_left is None else {"left": failed.tries_left})
    match failed.fault:
        case Fault.AUTH:
            left = failed.tries_left
            again = f"type the code as it is shown; {left} {'try is' if left == 1 else 'tries are'} left"
            raise RefusedError(
                "the words are not those that the new device shows, or somebody sits in between",
                hint=again if left else "the code is worth nothing any more; begin anew: swarmchat link",
                data=data,
            )
        case Fault.REFUSED:
            raise RefusedError(
                "the new device refuses: its user said no, or the code is used up",
                hint="begin anew there: swarmchat link",
                data=data,
            )
        case Fault.BUSY:
            raise RefusedError(
                "the new device is talking with somebody else", hint="try again in half a minute", data=data
            )
        case Fault.TIMEOUT:
            raise DeliveryTimeout("it took longer than five minutes", hint="begin anew: swarmchat link", data=data)
        case Fault.BAD_MESSAGE:
            raise RefusedError(
                "what the new device says is not this protocol", hint="is it the same version of swarmchat?", data=data
            )
