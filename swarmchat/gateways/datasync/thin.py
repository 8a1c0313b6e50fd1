"""A client without git, certificates and account: one key, one group, one connection to a node of it. (SCP-09 §4.7)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Final

from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.errors import UserError
from swarmchat.gateways.datasync import messages, session, telling
from swarmchat.gateways.datasync.chain import Chain
from swarmchat.gateways.datasync.effects import Confirmed, Deliver, GivenUp, Ignored
from swarmchat.gateways.datasync.exchange import Exchange, Outcome
from swarmchat.gateways.datasync.group import Fault as GroupFault
from swarmchat.gateways.datasync.group import Group
from swarmchat.gateways.datasync.hello import NONCE_BYTES, Handshake
from swarmchat.gateways.datasync.hello import Fault as HelloFault
from swarmchat.gateways.datasync.machine import Machine, Mode
from swarmchat.gateways.datasync.messages import (
    Ack,
    Invite,
    Join,
    Kick,
    Leave,
    Type,
    read_body,
    read_client,
    sign,
    write_client,
)
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Metadata, Payload, PeerId
from swarmchat.gateways.datasync.records import Kind as RecordKind
from swarmchat.gateways.datasync.records import MemoryMessages
from swarmchat.gateways.datasync.session import StreamWire
from swarmchat.gateways.datasync.standing import Fault as StandingFault
from swarmchat.gateways.datasync.standing import Law
from swarmchat.gateways.datasync.telling import Event
from swarmchat.gateways.datasync.thinstore import ThinStore
from swarmchat.gateways.datasync.wishes import Losses, Wishes, Word
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import BODY_BYTES_MAX, DATASYNC_PARENTS_MAX
from swarmchat.runtime import Runtime

_STEPS_BACK: Final = 4
_RETRY_S: Final = 0.2
_RETRY_MAX_S: Final = 5.0
_SHORT_S: Final = 30.0  # a connection that the node ends before that, again and again, is ended for our key's sake
_SHORTS_MAX: Final = 8
# What a message is judged by that lacks here what it follows in the log: of what was before us we are offered the newest,
# and nobody tells us what our own messages follow there. The node that sent it had all of it, and judged.
_FOR_LACK: Final = frozenset(
    {
        GroupFault.PREVIOUS_MISSING,
        StandingFault.NOT_FOUNDED,
        StandingFault.NOT_A_MEMBER,
        StandingFault.NOT_INVITED,
    }
)


class ThinPeer:
    """The `Side`, `Groups` and `Messages` of its machine. `tell` is given what happens, as it happens."""

    def __init__(
        self, secret: Secret, store: ThinStore, runtime: Runtime, wishes: Wishes, tell: Callable[[Event], None]
    ) -> None:
        self._secret, self._store, self._runtime, self._wishes, self._tell = secret, store, runtime, wishes, tell
        self._group = store.group
        self._held = MemoryMessages(lambda message: _read(message).type is Type.ACK)
        self._kept: list[Message] = []
        self._fold = Group(GroupId(bytes(32)), Law())
        self._admins: frozenset[PeerId] = frozenset()
        self._back: dict[MessageId, int] = {}  # how far behind what was offered it was asked for
        self._past: set[MessageId] = set()  # what was asked for so: others follow it that we may have
        self._ended: set[MessageId] = set()  # what a word about how we stand names, and is after
        self._untold: dict[MessageId, Message] = {}
        self._unconfirmed: dict[MessageId, Message] = {}
        self._chain = Chain()  # our own
        self._signatures: set[bytes] = set()  # of it
        self._last_confirmed: MessageId | None = None  # of those that a node has for good
        self._is_in = self._is_asked = False
        self._entered = asyncio.Event()
        self._over = asyncio.Event()
        self._all_said = False
        self._fault: UserError | None = None  # what ends it
        self._has_met = False  # somebody to speak with, since it connected last
        self._began = int(runtime.now())
        self._said_so: set[str] = set()  # of what is said once
        self._node: PeerId | None = None
        self._loses = Losses(wishes.loss, wishes.seed)
        machine = Machine(
            records=store,
            messages=self._held,
            groups=self,
            dice=lambda sides: int(runtime.random() * sides),
            mode=Mode.BATCH,
            schedule=wishes.schedule,
            causes=self._awaited,
        )
        self._exchange = Exchange(machine, self, runtime)
        for kept in store.kept():
            self._take_up(
                kept.message, confirmed=kept.confirmed or not kept.mine, composed=kept.mine, is_news=kept.is_news
            )
            if kept.mine and not kept.confirmed:
                self._unconfirmed[kept.message.id] = kept.message
            if not kept.told:
                self._untold[kept.message.id] = kept.message
        self._enter_if_in()

    # --- running

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Stay connected, say what `lines` brings, until it leaves, or all is said that was to be said. StorageError.

        UserError: another client uses the same key.
        """
        self._tell({"event": "key", "key": self._secret.public.legacy, "short": self._secret.public.compressed})
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._exchange.run()),
                tasks.create_task(self._stay_connected()),
                tasks.create_task(self._listen(lines)),
            ]
            self._show()
            await self._over.wait()
            for task in running:
                task.cancel()
        self._exchange.close()
        if self._fault is not None:
            raise self._fault

    async def _stay_connected(self) -> None:
        patience, shorts = _RETRY_S, 0
        while True:
            since, self._has_met = self._runtime.monotonic(), False
            try:
                await self._connect()
            except OSError as fault:
                code = "broken" if self._has_met else "unreachable"
                self._tell(
                    {"event": "disconnected", "reason": telling.why_away(fault, self._wishes.node), "code": code}
                )
            shorts = shorts + 1 if self._has_met else 0
            if self._has_met and self._runtime.monotonic() - since >= _SHORT_S:
                patience, shorts = _RETRY_S, 0
            if shorts >= _SHORTS_MAX and self._is_in:
                self._fault = UserError(
                    f"the node ended {shorts} connections, each before {_SHORT_S:.0f} s: another client uses this key",
                    hint="end the other one, or give this one a key of its own with --key-file",
                )
            if self._fault is not None:
                self._over.set()
            await self._runtime.sleep(patience * (0.5 + self._runtime.random()))
            patience = min(2 * patience, _RETRY_MAX_S)

    async def _connect(self) -> None:
        """One connection, to its end. OSError, StorageError."""
        where = self._wishes.node
        reader, writer = await asyncio.open_connection(where.host, where.port)
        wire = StreamWire(reader, writer)
        try:
            nonce, tick_ms = self._runtime.entropy(NONCE_BYTES), int(1000 * self._wishes.schedule.tick_s)
            handshake = Handshake(self._secret, nonce, mode=Mode.BATCH.value, tick_ms=tick_ms)
            shaken = await session.shake(wire, handshake, loses=self._loses)
            if isinstance(shaken, Refused):
                reason = f"{shaken.reason} {shaken.about}".strip()
                self._tell({"event": "disconnected", "reason": reason, "code": shaken.reason})
                if shaken.reason == HelloFault.OWN_KEY:
                    self._fault = UserError(
                        "that key is the node's own", hint="a client needs a key of its own: give another --key-file"
                    )
                return
            self._has_met, self._node = True, shaken.peer
            self._tell({"event": "connected", "node": Key(shaken.peer).compressed, "in": self._is_in})
            ended = await self._exchange.attend(shaken, self._send_again)
            reason = "the node hung up" if ended is None else ended.reason
            self._tell({"event": "disconnected", "reason": reason, "code": "broken" if ended is None else ended.reason})
        finally:
            self._node = None
            wire.close()

    async def _send_again(self) -> None:
        """What no node has confirmed, and what a crash kept from being sent at all."""
        for message in list(self._unconfirmed.values()):
            await self._publish(message)
        await self._join_if_asked()

    async def _publish(self, message: Message) -> None:
        to = () if self._node is None else (self._node,)
        await self._exchange.do(lambda: self._exchange.machine.publish(message, to))

    # --- what the user says

    async def _listen(self, lines: AsyncIterator[str]) -> None:
        await self._entered.wait()
        async for line in lines:
            if self._is_in:
                await self._say(line)
            else:
                self._tell({"event": "refused", "text": line, "reason": "put out of the group"})
        self._all_said = True
        self._end_if_done()

    async def _say(self, line: str) -> None:
        if line == Word.LEAVE:
            await self._compose(Leave(self._secret.public, self._group))
        elif line.startswith("/") and not line.startswith("//"):
            self._tell(
                {"event": "refused", "text": line, "reason": "a line with / is a command: /leave, or // for a text"}
            )
        elif line:
            text = line.removeprefix("/")
            if len(text.encode()) > BODY_BYTES_MAX:
                self._tell({"event": "refused", "text": text[:80], "reason": f"more than {BODY_BYTES_MAX} bytes"})
                return
            message = await self._compose(messages.text_post(text))
            self._tell({"event": "posted", "id": message.id.hex(), "text": text})

    async def _compose(self, body: messages.Body) -> Message:
        """Say something: it is kept before it is sent, so that a second run sends the same and not another."""
        assert self._group is not None
        enters = isinstance(body, Join)  # it must not wait for what is taken from members alone
        client = write_client(sign(body, self._last_confirmed if enters else self._chain.last, self._secret))
        heads = self._held.heads(self._group)
        parents = [each for each in heads if not (enters and each in self._unconfirmed)][:DATASYNC_PARENTS_MAX]
        message = Message(self._group, int(self._runtime.now()), client, Metadata(tuple(parents)))
        await self._runtime.offload(lambda: self._store.keep(message, mine=True))
        self._unconfirmed[message.id] = message
        self._take_up(message, confirmed=False, composed=True)
        await self._publish(message)
        return message

    async def _acknowledge(self, message: Message) -> None:
        """Say that we saw who came in or went. It is not kept, and nothing we say goes on from it: it may be lost."""
        said, mine = _read(message), self._secret.public
        body, previous = read_body(said), self._last_confirmed
        if not isinstance(body, Join | Leave | Kick) or said.sender == mine or previous is None:
            return
        if self._is_in or (isinstance(body, Kick) and body.target == mine):
            client = write_client(sign(Ack(message.id), previous, self._secret))
            await self._publish(Message(message.group, message.timestamp, client, Metadata((message.id,))))

    # --- see `exchange.Side`

    async def delivered(self, effect: Deliver) -> Outcome:
        """See Side."""
        message = effect.message
        if message.ephemeral:
            return Outcome.PASSED
        client = read_client(message.body)
        if isinstance(client, Refused) or isinstance(read_body(client), Refused):
            return Outcome.REFUSED
        if self._group is None:
            self._group = message.group
            await self._runtime.offload(self._store.set_group, message.group)
        mine = client.sender == self._secret.public and client.type is not Type.ACK
        taken_back = mine and await self._take_back()
        if mine and client.signature in self._signatures:
            return Outcome.REFUSED  # our words with another time: no node with a log takes what would follow them
        is_news = not self._is_over(message)
        await self._runtime.offload(lambda: self._store.keep(message, mine=False, is_news=is_news))
        self._untold[message.id] = message
        was_in, end = self._is_in, self._chain.last
        self._take_up(message, confirmed=True, is_news=is_news)
        if mine:
            self._find(message, is_end=self._chain.last != end)
        if taken_back:  # who asked us in knew that we were out
            self._is_in, self._is_asked = False, True
        await self._acknowledge(message)
        if was_in and not self._is_in:
            self._entered.clear()
            self._tell({"event": "kicked"})
        self._enter_if_in()
        await self._join_if_asked()
        self._show()
        return Outcome.TAKEN

    async def heard(self, peer: PeerId, payload: Payload) -> None:
        """See Side."""

    def told(self, effect: Confirmed | GivenUp | Ignored) -> None:
        """See Side."""
        match effect:
            case Confirmed(_, message) if message in self._unconfirmed:
                sent = self._unconfirmed.pop(message)
                self._store.note_confirmed(message)
                self._last_confirmed = message
                self._tell({"event": "delivered", "id": message.hex()})
                said = _read(sent)
                self._note(said, confirmed=True)
                self._enter_if_in()
                if isinstance(read_body(said), Leave):  # one of an earlier run ends nothing: he may be invited again
                    self._tell({"event": "left"})
                    self._over.set()
                self._end_if_done()
            case Ignored(_, why):
                self._tell({"event": "ignored", "reason": why.reason, "about": why.about})
            case _:
                pass

    # --- see `records.Groups`

    def members(self, group: GroupId) -> Collection[PeerId]:
        """See Groups: what comes from the node goes nowhere else."""
        return ()

    def reads(self, peer: PeerId, message: Message) -> bool:
        """See Groups: the node has all of it."""
        return message.group == self._group

    def writes(self, peer: PeerId, message: Message) -> bool:
        """See Groups: what is of our group; before there is one, whatever we are sent: what asks us in, or of one that we are in."""
        if self._group is not None:
            return message.group == self._group
        client = read_client(message.body)
        if isinstance(client, Refused):
            return False
        body = read_body(client)
        return not isinstance(body, Refused) and not (isinstance(body, Kick) and body.target == self._secret.public)

    # --- what we said and do not know

    async def _take_back(self) -> bool:
        """We have spoken before, so our first word here is none: no node takes it. Whether we asked to come in by it."""
        first = [each for each in self._unconfirmed.values() if _read(each).previous is None]
        for message in first:
            await self._runtime.offload(self._store.take_back, message.id)
            await self._exchange.tell(partial(self._held.remove, message.id))
            del self._unconfirmed[message.id]
            self._chain.take_back(message.id)
            self._signatures.discard(_read(message).signature)
            self._kept.remove(message)
        if first:
            self._begin_anew()
        return bool(first)

    def _find(self, message: Message, *, is_end: bool) -> None:
        """Say it once that we said more than we knew of; and that somebody does so now, with our key."""
        event = "shared" if message.timestamp > self._began else "found"
        if event not in self._said_so and (is_end or event == "shared"):  # what came before the end is no news
            self._said_so.add(event)
            self._tell({"event": event, "id": message.id.hex()})

    def _is_over(self, message: Message) -> bool:
        """Whether it put us out or asked us in before what we have: then that is how we stand, and not this.

        What waited for us at a node can come after what ended it.
        """
        was_behind = message.id in self._past
        self._past.discard(message.id)
        return (was_behind or message.id in self._ended) and messages.moves(message, self._secret.public)

    # --- inside

    def _awaited(self, message: Message) -> list[MessageId]:
        """What a message follows and comes too: what was offered, and few steps behind that, for offers may be lost.

        Not all of a long history, and nothing of it before we are in.
        Nor does what puts us out or asks us in wait: what it follows we may not have any more, or not yet.
        """
        back, node = self._back.pop(message.id, 0), self._node
        if not self._is_in or node is None or messages.moves(message, self._secret.public):
            return []
        lacking = [each for each in messages.causes(message) if not self._held.has(each)]
        promised = [each for each in lacking if self._store.get(node, each, RecordKind.REQUEST) is not None]
        if back >= _STEPS_BACK:
            return promised
        near = [each for each in lacking if each in message.parents and each not in promised]  # the node has those
        self._back.update((each, back + 1) for each in near)
        self._past.update(near)
        return [*promised, *near]

    def _take_up(self, message: Message, *, confirmed: bool, composed: bool = False, is_news: bool = True) -> None:
        self._held.add(message)
        self._kept.append(message)
        last = said = _read(message)
        if said.type is not Type.POST and messages.moves(message, self._secret.public):
            self._ended.update(message.parents)
        if said.sender == self._secret.public and said.type is not Type.ACK:
            self._signatures.add(said.signature)
            place = message.id, message.timestamp, said.previous
            if composed:
                self._chain.compose(*place)
            else:
                is_news = self._chain.find(*place)
                found = None if self._chain.last is None else self._held.get(self._chain.last)
                last = said if found is None else _read(found)
            if confirmed:
                self._last_confirmed = self._chain.last
        admins = self._admins
        if said.type in {Type.KICK, Type.INVITE} and said.sender is not None:
            admins |= {PeerId(said.sender.raw)}  # the node has judged who might
        if len(self._kept) == 1 or admins != self._admins:
            self._admins = admins
            self._begin_anew()
        else:
            self._fold.add(message)
        if is_news:
            self._note(last, confirmed=confirmed)

    def _begin_anew(self) -> None:
        self._fold = Group(self._group or GroupId(bytes(32)), Law(admins=self._admins))
        for each in self._kept:
            self._fold.add(each)

    def _note(self, said: messages.ClientMessage, *, confirmed: bool) -> None:
        """What a message means for whether we are in: the last we heard, for what others follow comes first."""
        body, mine = read_body(said), self._secret.public
        if isinstance(body, Invite) and body.invitee == mine:
            self._is_in, self._is_asked = False, True  # nobody asks in who is in: that we were put out is not told then
        elif isinstance(body, Kick) and body.target == mine:
            self._is_in = self._is_asked = False
        elif said.sender == mine and not isinstance(body, Ack):
            if isinstance(body, Join | Leave):
                self._is_asked = False
            if confirmed or isinstance(body, Leave):
                self._is_in = not isinstance(body, Leave)

    def _enter_if_in(self) -> None:
        if self._is_in and not self._entered.is_set():
            self._entered.set()
            self._tell({"event": "joined", "group": "" if self._group is None else self._group.hex()})

    async def _join_if_asked(self) -> None:
        if self._is_asked and not self._is_in:
            self._is_asked = False
            self._tell({"event": "invited", "group": "" if self._group is None else self._group.hex()})
            await self._compose(Join(self._secret.public, self._group))

    def _show(self) -> None:
        """Tell of what counts and was not told of."""
        for message in list(self._untold.values()):
            if self._counts(message.id):
                event = telling.event(message, _read(message), self._secret.public, self._held.get)
                if event is not None:
                    self._tell(event)
                self._store.note_told(message.id)
                del self._untold[message.id]

    def _counts(self, message: MessageId) -> bool:
        try:
            verdict = self._fold.verdict(message)
        except KeyError:
            return False
        return verdict is None or verdict.reason in _FOR_LACK

    def _end_if_done(self) -> None:
        if self._wishes.once and self._all_said and not self._unconfirmed:
            self._over.set()


def _read(message: Message) -> messages.ClientMessage:
    client = read_client(message.body)
    assert not isinstance(client, Refused), "what was kept was read"
    return client
