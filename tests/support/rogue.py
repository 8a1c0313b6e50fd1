"""Somebody with real keys who keeps to no rule: raw access to every channel, commits forged at will."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.addresses import Address
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Action, Join
from swarmchat.crypto.certificates import issue_device
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.links.channel import Channel
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.frames import Message
from swarmchat.links.link import Link
from swarmchat.links.peers import Identity, LinkClass, Peer
from swarmchat.links.streams import Carrier, Security
from swarmchat.runtime import Runtime
from swarmchat.swarm.mail import Letter, Mail, letter_fields, read_letter
from swarmchat.swarm.messages import (
    Hello,
    News,
    PackAnswer,
    PackRequest,
    Shared,
    SyncMessage,
    decode,
    encode,
    pack_answer_fields,
    pack_request_fields,
    read_pack_answer,
    read_pack_request,
)
from tests.support.builders import Person
from tests.support.commitlogs import Object, forged, must, packed, writer
from tests.support.sim.network import NamingSecurity
from tests.support.sim.runtime import SimRuntime
from tests.support.swarms import World, account_of

END = bytes(4)
PackServer = Callable[[Channel, PackRequest], Awaitable[None]]


class Anything:
    """A policy that forbids nothing."""

    def classify(self, _peer: Peer) -> LinkClass:
        return LinkClass.MEMBER

    def revoked(self, _account: AccountId) -> Container[bytes]:
        return frozenset()

    def may_open(self, _link: Link, _opening: Message) -> None:
        return None


class Rogue:
    """One device; `heard` is what peers said on `sync`, `asked` what they wanted of packs, `mail` what they wrote.

    `serve_pack` answers what is asked of it; without one it is given what the own log has.
    """

    _boots = itertools.count(1)

    def __init__(
        self,
        account: Account,
        folder: Path,
        runtime: Runtime,
        *,
        carrier: Carrier,
        security: Callable[[Identity], Security] | None = None,
    ) -> None:
        assert account.account_key is not None
        folder.mkdir(parents=True, exist_ok=True)
        self.account = account
        self.person = Person(
            account.name, account.account_key, account.certificate, account.device_key, account.device_certificate
        )
        self.heard: list[SyncMessage] = []
        self.asked: list[PackRequest] = []
        self.mail: list[Mail] = []
        self.serve_pack: PackServer | None = None
        self.logs: dict[ConversationId, CommitLog] = {}
        self._folder = folder
        self._runtime = runtime
        self._identity = Identity(
            account.device_key,
            account.device_certificate,
            account.certificate,
            f"rogue{next(Rogue._boots):03d}".encode()[-8:],
        )
        self._parts: dict[str, Any] = {"carrier": carrier}
        if security is not None:
            self._parts["security"] = security(self._identity)
        self._reading: set[asyncio.Task[None]] = set()

    @classmethod
    def new(cls, name: str, folder: Path, runtime: Runtime, *, carrier: Carrier) -> Rogue:
        """With an account of its own."""
        mine = accounts.create(name=name, now=int(runtime.now()), entropy=runtime.entropy)
        return cls(mine, folder, runtime, carrier=carrier)

    async def up(self) -> Rogue:
        self.manager = ConnectionManager(
            self._identity,
            self._runtime,
            policy=Anything(),
            on_channel=self._serve,
            on_link_up=lambda _link: None,
            on_link_down=lambda _link, _reason: None,
            **self._parts,
        )
        self._task = asyncio.create_task(self.manager.run())
        await asyncio.sleep(0)
        return self

    async def down(self) -> None:
        await self.manager.close()
        await self._task
        for task in self._reading:
            task.cancel()
        for log in self.logs.values():
            log.close()

    @asynccontextmanager
    async def linked(self, address: Address) -> AsyncIterator[Link]:
        """A link with whoever listens there, closed at the end if it still stands."""
        link = await self.manager.dial(None, [address])
        try:
            yield link
        finally:
            if not link.is_over:
                link.close("done")
            await link.closed

    # --- as everybody does

    async def sync(self, link: Link, *shared: Shared) -> Channel:
        """Open `sync` and say hello; what comes is put into `heard`."""
        channel = await self.mute(link)
        await channel.send(encode(Hello(shared)))
        return channel

    async def mute(self, link: Link) -> Channel:
        """`sync`, and not a word."""
        for _ in range(50):  # who has just become a member is let in a moment later
            try:
                channel, _ = await link.open_channel("sync")
            except PeerError:
                await self._runtime.sleep(0.02)
            else:
                break
        else:
            raise AssertionError("sync was refused")
        task = asyncio.create_task(self._read(channel))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        return channel

    async def fetch(self, link: Link, where: ConversationId, want: Sequence[CommitId] | None = None) -> None:
        """Pull honestly into the own log."""
        log = self.log(where)
        request = PackRequest(where, log.locator(), None if want is None else tuple(want), ())
        channel, fields = await link.open_channel("pack", **pack_request_fields(request))
        answer = read_pack_answer(fields)
        if answer.objects:
            with log.ingest() as ingest:
                while length := int.from_bytes(await channel.receive_exactly(4), "big"):
                    ingest.feed(await channel.receive_exactly(length))
                ingest.finish(answer.heads)
        channel.close()

    async def join(self, link: Link, where: ConversationId) -> None:
        """Clone, write the join, tell it: an honest member from now on."""
        await self.fetch(link, where)
        log = self.log(where)
        before = log.heads
        must(log.append(Join(self.account.id), writer(self.person), now=int(self._runtime.now())))
        pack = log.small_pack(before, 65_536)
        assert pack is not None
        channel = await self.sync(link, Shared(where, before))
        await channel.send(encode(News(where, log.heads, before, pack)))

    def log(self, where: ConversationId) -> CommitLog:
        """The own copy, perhaps empty."""
        if where not in self.logs:
            self.logs[where] = CommitLog.prepare(self._folder / f"{where}.git", where)
        return self.logs[where]

    async def write(self, link: Link, mail: Mail, *, written_s: int | None = None) -> Message:
        """One mail; the answer."""
        letter = Letter(mail, int(self._runtime.now()) if written_s is None else written_s)
        channel, answer = await link.open_channel("invite", **letter_fields(letter))
        channel.close()
        return answer

    # --- as nobody should

    def forge(self, where: ConversationId, action: Action | bytes, **options: Any) -> tuple[CommitId, list[Object]]:
        """A commit that the law was not asked about, by default as this rogue and now."""
        options.setdefault("time", int(self._runtime.now()))
        who = options.pop("who", self.person)
        return forged(self.log(where), who, action, **options)

    async def push(
        self,
        channel: Channel,
        where: ConversationId,
        pack: bytes | Sequence[Object],
        heads: Iterable[CommitId],
        *,
        since: Sequence[CommitId] | None = None,
    ) -> None:
        """`news` with a pack inside."""
        data = pack if isinstance(pack, bytes) else packed(pack)
        base = self.log(where).heads if since is None else tuple(since)
        await channel.send(encode(News(where, tuple(heads), base, data)))

    def open_raw(self, link: Link, data: bytes) -> None:
        """A stream that begins with these bytes, whatever they are."""
        link._pump.send(link._pump.open(bulk=False), data)

    def heard_of(self, kind: type[SyncMessage]) -> list[Any]:
        return [message for message in self.heard if isinstance(message, kind)]

    # --- what peers open

    async def _read(self, channel: Channel) -> None:
        try:
            while (fields := await channel.receive()) is not None:
                if (message := decode(fields)) is not None:
                    self.heard.append(message)
        except (LinkError, PeerError):
            pass

    async def _serve(self, channel: Channel) -> None:
        match channel.name:
            case "pack":
                request = read_pack_request(channel.opening)
                self.asked.append(request)
                await (self.serve_pack or self._give)(channel, request)
            case "invite":
                letter = read_letter(channel.opening)
                if letter is not None:
                    self.mail.append(letter.mail)
                await channel.accept()
            case _:
                await channel.accept()
                await self._read(channel)

    async def _give(self, channel: Channel, request: PackRequest) -> None:
        pack = self.log(request.conversation).pack(request.want, request.have)
        if pack is None:
            await channel.accept(**pack_answer_fields(PackAnswer((), 0)))
            return
        await give(channel, b"".join(pack.chunks), pack.heads, pack.objects)


@asynccontextmanager
async def simulated(world: World, name: str, host: str = "10.9.9.9") -> AsyncIterator[Rogue]:
    """A rogue in virtual time, on a host of his own, with the account of that name."""
    runtime = SimRuntime(f"rogue {name}")
    one = Rogue(
        account_of(name),
        world.folder / f"rogue-{name}",
        runtime,
        carrier=world.network.carrier(host),
        security=lambda identity: NamingSecurity(identity, runtime.now, Anything().revoked),
    )
    await one.up()
    try:
        yield one
    finally:
        await one.down()


def other_device(who: Person, *, now: int) -> Person:
    """The same account on a device that was certified at another time."""
    one = who.on(2)
    certificate = issue_device(who.account_key, who.certificate, one.device_key.public, now=now)
    return replace(one, device_certificate=certificate)


async def give(channel: Channel, data: bytes, heads: Iterable[CommitId], objects: int = 1) -> None:
    """Answer a `pack` channel with these bytes, whatever they are."""
    await channel.accept(**pack_answer_fields(PackAnswer(tuple(heads), objects)))
    for start in range(0, len(data), 65_536):
        piece = data[start : start + 65_536]
        await channel.send_bytes(len(piece).to_bytes(4, "big") + piece)
    await channel.send_bytes(END)


def giving(data: bytes | Sequence[Object], heads: Iterable[CommitId], objects: int = 1) -> PackServer:
    """Serve always the same."""
    found = data if isinstance(data, bytes) else packed(data)

    async def serve(channel: Channel, _request: PackRequest) -> None:
        await give(channel, found, heads, objects)

    return serve


async def refusing(channel: Channel, _request: PackRequest) -> None:
    """Has nothing of what it announced."""
    await channel.refuse("gone")
