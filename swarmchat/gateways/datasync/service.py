"""Data sync of a node: its machine between the logs and whoever is connected. (SCP-09 §4.5, §4.6)"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from swarmchat.addresses import Address
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import RefusedError, SwarmchatError, UserError, in_words
from swarmchat.gateways.datasync import receipts, relaying, session
from swarmchat.gateways.datasync.effects import Confirmed, Deliver, GivenUp, Ignored
from swarmchat.gateways.datasync.exchange import Exchange, Outcome
from swarmchat.gateways.datasync.hello import NONCE_BYTES, UNBOUND, Handshake
from swarmchat.gateways.datasync.ledger import Said
from swarmchat.gateways.datasync.logs import Logs, joins, moved_by
from swarmchat.gateways.datasync.machine import Machine, Mode
from swarmchat.gateways.datasync.messages import Invite, Join, causes
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Payload, PeerId, group_of
from swarmchat.gateways.datasync.receipts import Receipt
from swarmchat.gateways.datasync.relaying import Fault, Known, Relay
from swarmchat.gateways.datasync.room import Rank, Ranks, Room, Seat, source_of
from swarmchat.gateways.datasync.schedule import CHANNEL, trial
from swarmchat.gateways.datasync.session import ChannelWire, StreamWire, Wire
from swarmchat.gateways.datasync.standing import Standing
from swarmchat.gateways.datasync.store import Store
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import ConversationId
from swarmchat.limits import DATASYNC_FIRST_MESSAGES, DATASYNC_STRANGER_S
from swarmchat.node.node import Node

if TYPE_CHECKING:
    from swarmchat.links.channel import Channel

_LOOKS: Final = 10  # at who waits in a crowded room, in the time that he may
_PASSED_MAX: Final = 4_096  # messages that the machine knows from its peers, until the log tells of them again

_log = logging.getLogger(__name__)


class Service:
    """The `Side` of the machine. Opens `datasync.sqlite`: made in a worker. StorageError."""

    def __init__(self, node: Node, logs: Logs) -> None:
        self.counters: Counter[str] = Counter()
        self.clients: frozenset[PeerId]
        self._node = node
        self._logs = logs
        self._store = Store(node.home.data / "datasync.sqlite")
        self.clients = self._store.clients()
        machine = Machine(
            records=self._store,
            messages=receipts.Shelf(logs, self._store),
            groups=logs,
            dice=lambda sides: int(node.runtime.random() * sides),
            schedule=CHANNEL,
            causes=causes,
        )
        self._exchange = Exchange(machine, self, node.runtime)
        self._turns: dict[ConversationId, asyncio.Lock] = {}
        self._passed: dict[MessageId, None] = {}
        self._greeted: set[tuple[PeerId, ConversationId]] = set()
        self._tails: dict[PeerId, dict[MessageId, ConversationId]] = {}  # its own last messages, as it was offered them
        self._server: asyncio.Server | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._wires: set[Wire] = set()  # over TCP
        self._room = Room()
        self._seats: dict[Seat, Wire] = {}
        self._is_crowded = asyncio.Event()
        self.address: Address | None = None

    # --- running

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._clear())
            try:
                while True:
                    try:
                        await self._exchange.run()
                    except SwarmchatError as fault:  # a disk that refuses costs what was to be sent now
                        _log.warning("data sync: %s", fault)
                        await self._node.runtime.sleep(self.tick_s)
            finally:
                self._tasks = None
                self.stop_listening()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    async def listen(self, where: Address, tick_s: float | None = None) -> Address:
        """Accept peers over TCP; where they really find us. `tick_s` is for trials. RefusedError if it listens already, UserError."""
        if self._server is not None:
            raise RefusedError(
                f"data sync is served on {self.address} already", hint="swarmchat gateway mvds serve --stop"
            )
        try:
            self._server = await asyncio.start_server(self._accept, where.host, where.port)
        except OSError as fault:
            raise unbound(where, fault) from None
        host, port, *_ = self._server.sockets[0].getsockname()
        self.address = Address(host, port)
        if tick_s is not None:
            self._exchange.machine.schedule = trial(tick_s)
        _log.info("data sync is served on %s", self.address)
        return self.address

    def stop_listening(self) -> bool:
        """Accept nobody any more, and end what came over TCP; whether there was anything to end."""
        server, self._server, self.address = self._server, None, None
        if server is None:
            return False
        server.close()
        for wire in self._wires:
            wire.close()
        return True

    @property
    def peers(self) -> tuple[PeerId, ...]:
        """Who is connected."""
        return self._exchange.peers

    @property
    def tick_s(self) -> float:
        """How often is sent what is due."""
        return self._exchange.machine.schedule.tick_s

    async def receipts_of(self, group: GroupId) -> list[tuple[MessageId, PeerId]]:
        """What was acknowledged in a group and by whom, the oldest first. StorageError."""
        return await self._node.runtime.offload(self._store.receipts_of, group)

    def metrics(self) -> dict[str, int]:
        """What was counted since the start, by its name."""
        return {f"swarmchat_datasync_{name}_total": count for name, count in sorted(self.counters.items())}

    # --- peers

    async def serve_channel(self, channel: Channel) -> None:
        """Hold the dialogue of a channel that a peer opened."""
        await channel.accept()
        await self._serve(ChannelWire(channel), channel.link.exporter(session.EXPORTER_LABEL), "a link", None)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")  # None: it has gone already
        wire = StreamWire(reader, writer)
        if self._tasks is None or not name:
            wire.close()
            return
        self._wires.add(wire)
        self._tasks.create_task(self._serve(wire, UNBOUND, str(name), source_of(name[0])))

    async def _serve(self, wire: Wire, binding: bytes, where: str, source: str | None) -> None:
        """Hold a dialogue; nothing that it does to us is an error of ours."""
        now = self._node.runtime.monotonic
        seat, gone = self._room.enter(source, now())
        self._seats[seat] = wire
        self._send_away(gone)
        try:
            secret = await self._node.swarm.own.ensure_status_key()
            nonce = self._node.runtime.entropy(NONCE_BYTES)
            tick_ms = int(1000 * self.tick_s)
            handshake = Handshake(secret, nonce, binding=binding, mode=Mode.INTERACTIVE.value, tick_ms=tick_ms)
            shaken = await session.shake(wire, handshake)
            if isinstance(shaken, Refused):
                self._refuse(Refused(shaken.reason, f"{where} {shaken.about}".strip()))
                return
            peer = shaken.peer
            ranks = await self._ranks()
            out = self._room.prove(seat, peer, ranks, now())
            if out is None:
                self._refuse(Refused("busy", where))
                return
            self._send_away(out)
            if self._room.is_crowded:
                self._is_crowded.set()
            self.counters["sessions"] += 1
            ended = await self._exchange.attend(shaken, lambda: self._greet(peer))
            if ended is not None:
                self._refuse(ended)
        except (OSError, SwarmchatError) as fault:
            _log.info("data sync with %s: %s", where, fault)
        except Exception:  # noqa: BLE001 - a fault of ours costs this peer, not the node
            _log.exception("data sync with %s broke off", where)
        finally:
            self._tails = {one: tails for one, tails in self._tails.items() if one in self._exchange.peers}
            self._wires.discard(wire)
            self._seats.pop(seat, None)
            self._room.leave(seat)
            wire.close()

    def _send_away(self, seats: list[Seat]) -> None:
        """They give way to others."""
        for seat in seats:
            self.counters[f"gave_way_{seat.rank.name.lower()}"] += 1
            if (wire := self._seats.pop(seat, None)) is not None:
                wire.close()

    async def _ranks(self) -> Ranks:
        members, invited = await self._node.runtime.offload(self._logs.people)

        def rank(peer: PeerId) -> Rank:
            return Rank.MEMBER if peer in members else Rank.INVITED if peer in invited else Rank.STRANGER

        return rank

    async def _clear(self) -> None:
        """While it is crowded, nobody waits for ever to be invited."""
        while True:
            await self._is_crowded.wait()
            await self._node.runtime.sleep(DATASYNC_STRANGER_S / _LOOKS)
            try:
                ranks = await self._ranks()
            except SwarmchatError as fault:  # it is looked at again
                _log.warning("data sync: %s", fault)
                continue
            self._send_away(self._room.overdue(ranks, self._node.runtime.monotonic()))
            if not self._room.is_crowded:
                self._is_crowded.clear()

    async def _greet(self, peer: PeerId) -> None:
        """Tell a peer what it may not have heard of: once for each group, for its records tell the rest."""
        groups = await self._node.runtime.offload(self._logs.groups_of, peer)
        if groups:
            await self._note_client(peer)
        for conversation in groups:
            if not (await self._is_in(peer, conversation) and await self._offer_tail(peer, conversation)):
                await self._offer(peer, conversation)

    async def _offer(self, peer: PeerId, conversation: ConversationId) -> None:
        """Its newest messages to who is in a group; the invitation to who is not yet."""
        if (peer, conversation) in self._greeted:
            return

        def found() -> tuple[bool, list[MessageId]]:
            with self._logs.held(conversation) as book:
                if book is None:
                    return False, []
                ledger = book[1]
                if peer in ledger.fold.standing.members:
                    newest = ledger.newest(DATASYNC_FIRST_MESSAGES)
                    past = [one.message.id for one in newest if moved_by(one) != peer]
                    return True, past  # who is in needs no word of how he came in or was out before
                invites = (one for one in reversed(ledger.newest(ledger.size)) if isinstance(one.body, Invite))
                return False, [one.message.id for one in invites if moved_by(one) == peer][:1]

        is_in, messages = await self._node.runtime.offload(found)
        if is_in:
            self._greeted.add((peer, conversation))
        machine = self._exchange.machine
        await self._exchange.tell(lambda: machine.offer(peer, messages))

    async def _is_in(self, peer: PeerId, conversation: ConversationId) -> bool:
        standing = await self._node.runtime.offload(self._logs.standing, group_of(conversation))
        return standing is not None and peer in standing.members

    async def _offer_tail(self, peer: PeerId, conversation: ConversationId) -> bool:
        """To a peer what it said last, if it has spoken: who has lost it asks for it, and can go on from there.

        Before the rest: who knows no more who he is cannot tell what that means for him.
        """

        def found() -> MessageId | None:
            with self._logs.held(conversation) as book:
                return None if book is None else book[1].last_of(peer)

        tail = await self._node.runtime.offload(found)
        if tail is None:
            return False
        others = {one: where for one, where in self._tails.get(peer, {}).items() if where != conversation}
        self._tails[peer] = {**others, tail: conversation}
        await self._exchange.tell(lambda: self._exchange.machine.offer(peer, [tail]))
        return True

    async def _withdraw(self, conversation: ConversationId, peer: PeerId) -> None:
        """Who is in is not sent what asked him in or put him out before: it came late, and were news to who forgot it."""

        def over() -> list[MessageId]:
            with self._logs.held(conversation) as book:
                if book is None or peer not in book[1].fold.standing.members:
                    return []
                return [one.message.id for one in book[1].newest(book[1].size) if moved_by(one) == peer]

        found = await self._node.runtime.offload(over)
        await self._exchange.tell(lambda: self._exchange.machine.withdraw(peer, found))

    async def _note_client(self, peer: PeerId) -> None:
        now = int(self._node.runtime.now())
        await self._node.runtime.offload(self._store.note_client, peer, now)
        self.clients = await self._node.runtime.offload(self._store.clients)

    # --- the log

    async def catch_up(self, conversation: ConversationId) -> None:
        """Pass on what is new in a log, and what is there to who came in. StorageError."""
        store = self._store
        count = await self._node.runtime.offload(store.looked_through, conversation)

        secret = self._node.swarm.own.status_key() if self.clients else None  # else nobody hears of a receipt

        def news() -> tuple[list[Said], list[Receipt], int, Standing]:
            with self._logs.held(conversation) as book:
                if book is None:
                    return [], [], count, Standing()
                ledger = book[1]
                said = ledger.since(count if count <= ledger.size else 0)  # what was damaged is shorter for a while
                seen = [] if secret is None else [receipts.made(ledger, one, secret) for one in said]
                made = [each for each in seen if each is not None]
                return said, made, ledger.size, ledger.fold.standing

        said, made, size, standing = await self._node.runtime.offload(news)
        gone = {each for each in self._greeted if each[1] == conversation and each[0] not in standing.members}
        self._greeted -= gone
        here = [peer for peer in self._exchange.peers if peer in standing.members | standing.invited]
        for peer in here:
            if peer not in self.clients:
                await self._note_client(peer)
        machine = self._exchange.machine
        for peer in sorted({one.sender for one in said if isinstance(one.body, Join)}):
            await self._withdraw(conversation, peer)
        for one in said:
            message, over = one.message, {moved_by(one)} & standing.members  # he is in: it is over
            if message.id not in self._passed:
                to = set(await self._node.runtime.offload(self._logs.members, message.group)) - over
                await self._exchange.do(partial(machine.publish, message, to))
            self._passed.pop(message.id, None)
        for receipt in made:
            await self._note(receipt)
            await self._exchange.do(lambda receipt=receipt: machine.publish(receipt.message))  # type: ignore[misc]
        for peer in here:
            await self._offer(peer, conversation)
        if size != count:
            await self._node.runtime.offload(store.note_looked_through, conversation, size)

    # --- see `exchange.Side`

    async def delivered(self, effect: Deliver) -> Outcome:
        """See Side: a message becomes a commit, once."""
        message = effect.message
        conversation = self._logs.conversation_of(message.group)
        if message.ephemeral:
            return Outcome.PASSED
        if conversation is None:
            return Outcome.DROPPED
        async with self._turns.setdefault(conversation, asyncio.Lock()):
            try:
                return await self._relay(conversation, message, effect.sender)
            except SwarmchatError as fault:
                _log.warning("data sync of %s: %s", conversation, fault)
                return Outcome.DROPPED

    async def heard(self, peer: PeerId, payload: Payload) -> None:
        """See Side: who asks for what he himself said last has lost the rest too, and is offered the newest once more."""
        self._room.heard(peer, self._node.runtime.monotonic())
        tails = self._tails.get(peer, {})
        for wanted in payload.requests:
            if (conversation := tails.pop(wanted, None)) is not None:
                self.counters["forgetful"] += 1
                self._greeted.discard((peer, conversation))
                await self._offer(peer, conversation)
        for known in payload.acks:
            if (conversation := tails.pop(known, None)) is not None:
                await self._offer(peer, conversation)

    def told(self, effect: Confirmed | GivenUp | Ignored) -> None:
        """See Side."""
        match effect:
            case Confirmed():
                self.counters["confirmed"] += 1
            case GivenUp():
                self.counters["given_up"] += 1
            case Ignored(_, why):
                self._refuse(why)

    async def _relay(self, conversation: ConversationId, message: Message, peer: PeerId) -> Outcome:
        me = self._node.account.id

        def consider() -> Known | Relay | Receipt | Refused | None:
            with self._logs.held(conversation) as book:
                return None if book is None else relaying.considered(book[1], book[0].roster, me, message)

        found = await self._node.runtime.offload(consider)
        match found:
            case None:
                return Outcome.DROPPED
            case Known():
                return Outcome.TAKEN
            case Receipt():
                await self._note(found)
                self.counters["receipts"] += 1
                return Outcome.NOTED
            case Refused():
                self._refuse(found)
                if not await self._node.runtime.offload(relaying.is_unsaid, message, found.reason, peer):
                    return Outcome.REFUSED
                await self._offer_tail(peer, conversation)
                return Outcome.DROPPED
            case Relay(plan, otherwise):
                outcome = await self._node.swarm.append(conversation, plan.action, extra=plan.extra)
                if isinstance(outcome, Rejection):
                    outcome = await self._node.swarm.append(conversation, otherwise.action, extra=otherwise.extra)
                if isinstance(outcome, Rejection):
                    self._refuse(Refused(outcome.reason.code, message.id.hex()))
                    is_his = await self._node.runtime.offload(relaying.is_unsaid, message, Fault.NOT_A_MEMBER, peer)
                    return Outcome.DROPPED if is_his else Outcome.REFUSED  # another node may be let
        if joins(message, peer):
            await self._withdraw(conversation, peer)
        self.counters["relayed"] += 1
        self._passed[message.id] = None
        if len(self._passed) > _PASSED_MAX:
            self._passed.pop(next(iter(self._passed)))
        return Outcome.TAKEN

    async def _note(self, receipt: Receipt) -> None:
        await self._node.runtime.offload(self._store.note_receipt, receipt.message, receipt.target, receipt.sender)

    def _refuse(self, why: Refused) -> None:
        self.counters[f"refused_{why.reason.replace('-', '_')}"] += 1
        _log.info("data sync: %s %s", why.reason, why.about)


def unbound(where: Address, fault: OSError) -> UserError:
    """Why nobody can call there, with what to choose instead."""
    why, hint = in_words(fault), "choose another port; 0 takes any that is free"
    if fault.errno in {errno.EADDRNOTAVAIL, None}:  # asyncio of 3.13 drops the number of this one
        why, hint = "this machine has no such address", "127.0.0.1 is always there; 0.0.0.0 is all that it has"
    elif fault.errno == errno.EACCES:
        hint = "choose a port above 1023; 0 takes any that is free"
    return UserError(f"cannot listen on {where}: {why}", hint=hint)
