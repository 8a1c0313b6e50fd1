"""`swarmchat link`: this machine, which has no account, becomes a device of one that a device elsewhere holds. (SCP-01 §3.2)

For five minutes there is a temporary account with one device, which is never stored. Whoever calls is a stranger who may open
one channel, until he has shown that he knows the words.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from swarmchat import disk, limits
from swarmchat.account import account as accounts
from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from swarmchat.addresses import Address
from swarmchat.crypto.veil import NONCE_BYTES, veil
from swarmchat.discovery import cards
from swarmchat.discovery.addressbook import AddressBook, Source
from swarmchat.discovery.blinding import Purpose, blinded_key, writing
from swarmchat.discovery.directory import Entry
from swarmchat.discovery.interfaces import Watcher
from swarmchat.discovery.whereabouts import whereabouts
from swarmchat.errors import DeliveryTimeout, LinkError, PeerError, RefusedError, SwarmchatError, UserError
from swarmchat.ids import AccountId, raw
from swarmchat.links.channel import Channel
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.frames import Message
from swarmchat.links.link import Link
from swarmchat.links.peers import Identity, LinkClass, Peer
from swarmchat.links.streams import Carrier
from swarmchat.node.accounts import counted
from swarmchat.node.config import Config
from swarmchat.node.dht import DhtPart
from swarmchat.runtime import Runtime
from swarmchat.swarm.linking import CHANNEL
from swarmchat.swarm.pairing import EXPORTER_LABEL, Failed, Fault, Grant, Installation, NewDevice, Offer, Say
from swarmchat.swarm.pairing_code import PairingCode, draw_words

if TYPE_CHECKING:
    from swarmchat.discovery.lan import Lan

JsonObject = dict[str, Any]

_ADDRESSES_SHOWN: Final = 3  # in the code: a longer one is a finer drawing
_LOOK_S: Final = 0.5
_HANGS_UP_S: Final = 5.0  # the existing device, after it was told that all is here

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user of the new machine wants: its name, a password for its keys, and how to be asked and told.

    `ask` gets account, name and the other device's name; `tell` gets one map for each thing that happens, by `event`.
    """

    name: str
    password: str | None
    ask: Callable[[Offer], Awaitable[bool]]
    tell: Callable[[JsonObject], None]


class Newcomer:
    """One code, from when it is shown until this machine is a device or nobody can use the code any more."""

    def __init__(self, home: Home, config: Config, runtime: Runtime, carrier: Carrier, wishes: Wishes) -> None:
        self._config = config
        self._runtime = runtime
        self._wishes = wishes
        self._name = accounts.display_name(wishes.name)
        self._store = AccountStore(home, runtime.entropy)
        self._book_file = home.data / "addresses.json"
        if self._store.exists():
            raise RefusedError(
                "there is an account in this home already",
                hint="`swarmchat account show` prints it; use --home DIR for another one",
            )
        self._temporary = accounts.create(name="", now=int(runtime.now()), entropy=runtime.entropy)
        self._words = draw_words(runtime.entropy)
        self._side = NewDevice(self._words, us=self._temporary.device, now=runtime.monotonic(), entropy=runtime.entropy)
        mine = self._temporary
        identity = Identity(mine.device_key, mine.device_certificate, mine.certificate, runtime.entropy(8))
        self._proved: Link | None = None
        self._links = ConnectionManager(
            identity,
            runtime,
            carrier=carrier,
            policy=self,
            on_channel=self._serve,
            on_link_up=lambda link: None,
            on_link_down=lambda link, reason: None,
        )
        self._watcher = Watcher(runtime)
        self._listens: tuple[Address, ...] = ()
        self._talking: Channel | None = None
        self._end: asyncio.Future[JsonObject | SwarmchatError] | None = None

    # --- its life

    async def run(self) -> JsonObject:
        """Show the code and wait; what this machine is now: {"id", "device", "name", "conversations", "contacts"}.

        RefusedError (a user said no, three wrong tries), DeliveryTimeout, UserError, StorageError: the home is as it was.
        """
        outcome = await self._wait()
        if isinstance(outcome, SwarmchatError):
            raise outcome
        return outcome

    async def _wait(self) -> JsonObject | SwarmchatError:
        end: asyncio.Future[JsonObject | SwarmchatError] = asyncio.get_running_loop().create_future()
        self._end = end
        async with self._linking():
            self._listens, faults = await self._listen()
            if not self._listens:
                return UserError(
                    f"cannot listen for links on {'; '.join(faults)}",
                    hint="choose another address with --listen, or port 0 for any free one",
                )
            async with self._showing():
                self._show()
                while not end.done():
                    await asyncio.wait({end}, timeout=_LOOK_S)
                    self._look_after()
                return end.result()

    def _show(self) -> None:
        code = PairingCode(self._temporary.device, self._words, self._where()[:_ADDRESSES_SHOWN])
        self._wishes.tell(
            {
                "event": "waiting",
                "code": str(code),
                "device": code.device,
                "words": self._words,
                "listen": [str(address) for address in self._listens],
                "seconds": int(limits.PAIRING_LINK_S),
            }
        )

    @asynccontextmanager
    async def _linking(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self._links.run())
            await asyncio.sleep(0)  # noqa: TID251 - it runs from its first turn on
            try:
                yield
            finally:
                await self._links.close()
                await running

    @asynccontextmanager
    async def _showing(self) -> AsyncIterator[None]:
        """On the LAN, and in the DHT where a way into it is named."""
        async with asyncio.TaskGroup() as tasks:
            with tempfile.TemporaryDirectory(prefix="swarmchat-") as folder:
                parts = [tasks.create_task(self._watcher.run())]
                if self._config.lan_enabled:
                    parts.append(tasks.create_task(self._lan().run()))
                if self._config.dht_enabled and self._config.dht_bootstrap:
                    dht = DhtPart(Path(folder), self._config, self._runtime, lambda port: None)
                    dht.publish("pairing", self._entry)
                    parts.append(tasks.create_task(dht.run()))
                try:
                    yield
                finally:
                    for part in parts:
                        part.cancel()
                    await asyncio.wait(parts)

    async def _listen(self) -> tuple[tuple[Address, ...], list[str]]:
        """Where callers are taken, and what is wrong with the other addresses of the settings."""
        bound: list[Address] = []
        faults: list[str] = []
        for address in self._config.listen:
            try:
                bound.extend(await self._links.listen([address]))
            except OSError as error:
                faults.append(f"{address}: {error.strerror or error}")
        return tuple(bound), faults

    def _lan(self) -> Lan:
        from swarmchat.discovery.lan import Lan  # noqa: PLC0415 - 3 MB for who has a LAN

        return Lan(
            self._runtime,
            device=self._temporary.device,
            listens=self._listens,
            known=tuple,
            on_sighting=lambda sighting: None,
            watcher=self._watcher,
        )

    def _where(self) -> tuple[Address, ...]:
        return whereabouts(self._listens, [one.host for one in self._watcher.found])

    def _entry(self, now: float) -> Entry:
        """The temporary device's card, under its own id. (SCP-05 §1.3)"""
        mine, number = self._temporary, writing(now)
        card = cards.build(
            account=mine.certificate,
            device=mine.device_certificate,
            key=mine.device_key,
            seal=mine.sealing.public,
            seal_previous=None,
            now=int(now),
            addresses=self._where(),
        )
        key = blinded_key(Purpose.PAIRING, raw(mine.device), number)
        data = veil(
            card.data,
            raw(mine.device),
            purpose=Purpose.PAIRING,
            bucket=number,
            key=key,
            nonce=self._runtime.entropy(NONCE_BYTES),
        )
        return Entry(key, raw(mine.device)[: limits.DHT_SALT_BYTES_MAX], data)

    def _look_after(self) -> None:
        """Hang up on who takes too long; end when the code is of no use any more."""
        now = self._now
        if self._talking is not None:
            if self._side.is_busy and self._side.expired(now) is not None and not self._talking.closed:
                self._talking.refuse_now(str(Fault.TIMEOUT))
        elif self._side.is_over(now):
            self._over(self._used_up())

    def _used_up(self) -> SwarmchatError:
        again = "begin anew, and type the words as they are shown: swarmchat link"
        if self._side.tries_left <= 0:
            told = "wrong words came three times: the code is worth nothing any more"
            return RefusedError(told, hint=again, data={"reason": str(Fault.AUTH)})
        if self._side.callers_left <= 0:
            told = "too many have called without showing the words: the code is worth nothing any more"
            return RefusedError(told, hint=again, data={"reason": str(Fault.BUSY)})
        return DeliveryTimeout("nobody has linked this device in five minutes", hint="begin anew: swarmchat link")

    def _over(self, outcome: JsonObject | SwarmchatError) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(outcome)

    # --- LinkPolicy

    def classify(self, peer: Peer) -> LinkClass | None:
        """A stranger, within the bounds of strangers; who has shown the words has five minutes."""
        proved = self._proved
        return LinkClass.PAIRING if proved is not None and proved.peer == peer else LinkClass.STRANGER

    def revoked(self, account: AccountId) -> Container[bytes]:
        """Of nobody is anything known."""
        return frozenset()

    def may_open(self, link: Link, opening: Message) -> str | None:
        """One channel, for one at a time, while the code is of use."""
        if opening.get("c") != CHANNEL or self._side.is_over(self._now):
            return "forbidden"
        other = self._talking is not None and self._talking.link is not link  # an open channel is judged again
        return "busy" if other else None

    # --- the channel

    async def _serve(self, channel: Channel) -> None:
        if self._talking is not None:  # two opened it in the same turn
            await channel.refuse("busy")
            return
        self._talking = channel
        try:
            await self._talk(channel)
        except (LinkError, PeerError) as error:
            _log.info("pairing: %s", error)
            self._wishes.tell({"event": "lost"})
        except SwarmchatError as error:  # our disk, or our user
            self._over(error)
        finally:
            self._talking = self._proved = None
            self._side.closed()

    async def _talk(self, channel: Channel) -> None:
        link = channel.link
        move: Say | Offer | Grant | Failed | None = self._side.open(
            link.peer.device, link.exporter(EXPORTER_LABEL), self._now
        )
        if isinstance(move, Failed):
            await channel.refuse(str(move.fault))
            return
        await channel.accept()
        while True:
            match move:
                case Say(message):
                    await channel.send(message)
                    self._note_proof(link)
                case Offer():
                    if not await self._asked(channel, move):
                        return
                case Grant(document_bytes=size):
                    await self._take(channel, await channel.receive_exactly(size))
                    return
                case Failed():
                    await self._failed(channel, move)
                    return
                case None:
                    pass
            said = await channel.receive()
            if said is None:
                raise LinkError("the other device hung up")
            move = self._side.receive(said, self._now)

    def _note_proof(self, link: Link) -> None:
        if self._side.is_proved and self._proved is None:
            self._proved = link
            self._links.reclassify()
            self._wishes.tell({"event": "proved", "address": str(link.address)})

    async def _asked(self, channel: Channel, offer: Offer) -> bool:
        """Ask our user, and hear meanwhile whether the other side gives up; whether it goes on."""
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer(offer))
            hearing = tasks.create_task(self._hear(channel))
            await asyncio.wait({answering, hearing}, return_when=asyncio.FIRST_COMPLETED)
            answering.cancel()
            hearing.cancel()
        if not answering.cancelled():
            if answering.result():
                await channel.send(self._side.agree(self._name))
                self._wishes.tell({"event": "agreed"})
                return True
            await channel.send(self._side.refuse())
            await self._flush(channel)
            raise RefusedError("this device was not linked: you said no", hint="begin anew: swarmchat link")
        fault = hearing.result()
        if isinstance(fault, LinkError):
            raise fault
        await self._failed(channel, fault)
        return False

    async def _answer(self, offer: Offer) -> bool:
        self._wishes.tell({"event": "offer", "account": offer.account, "name": offer.name, "device_name": offer.device})
        return await self._wishes.ask(offer)

    async def _hear(self, channel: Channel) -> Failed | LinkError:
        """Whatever comes while our user thinks ends it."""
        try:
            said = await channel.receive()
        except (LinkError, PeerError) as error:
            return LinkError(error.message)
        move = None if said is None else self._side.receive(said, self._now)
        return move if isinstance(move, Failed) else LinkError("the other device hung up")

    async def _take(self, channel: Channel, document: bytes) -> None:
        made = self._side.install(document, int(self._runtime.now()))
        if isinstance(made, Failed):
            await self._failed(channel, made)
            return
        await self._runtime.offload(self._write, made)
        with suppress(LinkError):  # then the other side learns of this device by its links
            await channel.send(self._side.done())
            await self._flush(channel)
        self._over(
            {
                "id": made.account.id,
                "device": made.account.device,
                "name": made.account.name,
                "device_name": self._name,
                "may_link": made.account.may_link,
            }
            | counted(made.state)
        )

    def _write(self, made: Installation) -> None:
        book = AddressBook()
        for address in made.addresses:
            book.saw(made.existing, address, Source.LINK, now=self._runtime.now())
        try:
            disk.write_whole(self._book_file, book.to_json())
            self._store.create(made.account, made.state, self._wishes.password)
        except SwarmchatError:
            with suppress(OSError):
                self._book_file.unlink(missing_ok=True)
            raise

    async def _failed(self, channel: Channel, failed: Failed) -> None:
        if failed.tell is not None and not channel.closed:
            await channel.send(failed.tell)
            await self._flush(channel)
        told: JsonObject = {"event": "failed", "reason": str(failed.fault)}
        self._wishes.tell(told if failed.tries_left is None else told | {"left": failed.tries_left})
        if self._side.is_proved and failed.fault is Fault.REFUSED:
            raise RefusedError("the other device did not agree", hint="begin anew: swarmchat link")
        if failed.fault is Fault.BAD_MESSAGE and self._side.is_proved:
            raise RefusedError(
                "what the other device sent is not this protocol, or does not hold",
                hint="is it the same version of swarmchat, and are both clocks right?",
            )

    async def _flush(self, channel: Channel) -> None:
        """Wait until the other side has read what was said and hangs up, 5 s at most."""
        try:
            async with asyncio.timeout(_HANGS_UP_S):
                while await channel.receive() is not None:
                    pass
        except (TimeoutError, LinkError, PeerError):
            pass

    @property
    def _now(self) -> float:
        return self._runtime.monotonic()
