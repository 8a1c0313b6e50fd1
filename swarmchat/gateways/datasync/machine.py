"""Data sync between peers that may be away: what is offered, asked for, sent and acknowledged, and when again. (SCP-09 §4.2)

Does no I/O; `now` and the dice are given. What is to be done comes back as effects. A message is acknowledged only when
whoever holds this machine says what became of it: nothing is confirmed that a crash could lose.

Whatever a peer can make grow is counted against that peer.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import takewhile

from swarmchat.gateways.datasync.effects import Confirmed, Deliver, Effect, Fault, GivenUp, Ignored, Send
from swarmchat.gateways.datasync.payload import Draft, GroupId, Message, MessageId, Metadata, Payload, PeerId
from swarmchat.gateways.datasync.records import Groups, Kind, Messages, Record, Records
from swarmchat.gateways.datasync.schedule import CHANNEL, Dice, Schedule
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import (
    DATASYNC_ACKS_PER_PEER_MAX,
    DATASYNC_EPHEMERAL_BYTES_MAX,
    DATASYNC_EPHEMERAL_PER_PEER_MAX,
    DATASYNC_EPHEMERAL_REMEMBERED_MAX,
    DATASYNC_HELD_BYTES_PER_PEER_MAX,
    DATASYNC_HELD_PER_PEER_MAX,
    DATASYNC_HELD_S,
    DATASYNC_MESSAGE_BYTES_MAX,
    DATASYNC_PARENTS_MAX,
    DATASYNC_RECORDS_PER_PEER_MAX,
    DATASYNC_REFUSED_PER_PEER_MAX,
    DATASYNC_REQUESTS_PER_PEER_MAX,
)


class Mode(Enum):
    """How a message goes to peers that did not ask for it."""

    INTERACTIVE = 1  # it is offered first
    BATCH = 2  # it is sent at once


class Resolution(Enum):
    """What becomes of a message whose parents are not here."""

    EVENTUAL = "eventual"  # it is delivered at once
    CONSISTENT = "consistent"  # it waits for them


# Times as many as may be held may be on their way in: the others have been delivered, and wait for our own side.
_UNSETTLED = 2


class Machine:
    """One peer of all its groups. Methods return what is to be done, in this order."""

    def __init__(
        self,
        *,
        records: Records,
        messages: Messages,
        groups: Groups,
        dice: Dice,
        mode: Mode = Mode.INTERACTIVE,
        schedule: Schedule = CHANNEL,
        resolution: Resolution = Resolution.CONSISTENT,
        causes: Callable[[Message], Iterable[MessageId]] = lambda message: message.parents,
    ) -> None:
        """`causes` names what a message follows; by default what its metadata says."""
        self._records, self._messages, self._groups = records, messages, groups
        self._dice, self._mode, self._resolution = dice, mode, resolution
        self.schedule = schedule  # may be another from now on
        self._causes = causes
        self._online: dict[PeerId, _Line] = {}
        self._arrivals: dict[MessageId, _Arrival] = {}
        self._waiting: defaultdict[MessageId, set[MessageId]] = defaultdict(set)  # by what they wait for
        self._brought: defaultdict[PeerId, _Account] = defaultdict(_Account)
        self._refused: Counter[MessageId] = Counter()  # on how many accounts it stands

    # --- peers

    def online(self, peer: PeerId) -> None:
        """A peer is connected: what waits for it is due."""
        self._online.setdefault(peer, _Line())
        epoch = self._records.epoch
        self._records.hasten(peer, lambda: self.schedule.online(epoch, self._dice))

    def offline(self, peer: PeerId) -> None:
        """It is not any more. What it was owed it will ask for again; what was ephemeral is over."""
        self._online.pop(peer, None)

    # --- what comes

    def receive(self, peer: PeerId, payload: Payload, now: float) -> list[Effect]:
        """A payload came from a peer; `now` in seconds."""
        effects: list[Effect] = []
        for acked in payload.acks:
            effects += self._acked(peer, acked)
        for wanted in payload.requests:
            effects += self._requested(peer, wanted)
        offered = [*payload.offers, *(each for offer in payload.group_offers for each in offer.messages)]
        for each in offered:
            effects += self._offered(peer, each)
        try:
            for message in payload.messages:
                effects += self._brings(peer, message, now)
        except Exception:  # the disk refuses: nobody hears of these, so they are not on their way in either
            for effect in effects:
                if isinstance(effect, Deliver):
                    self.dropped(effect.message.id)
            raise
        return effects

    def taken(self, message: MessageId) -> list[Effect]:
        """What was delivered is kept for good: it is acknowledged, goes on to others, and lets through what waited for it."""
        arrival = self._arrivals.get(message)
        if arrival is None:
            return []
        return self._here(arrival.message, self._groups.members(arrival.message.group))

    def noted(self, message: MessageId) -> list[Effect]:
        """What was delivered is kept, and goes on to nobody."""
        arrival = self._arrivals.get(message)
        return [] if arrival is None else self._here(arrival.message, ())

    def refused(self, message: MessageId) -> list[Effect]:
        """What was delivered is not wanted: its sender gets an ACK, so that he does not send it again, and that is all.

        Others who bring it are heard anew: what its id does not cover may be another thing with them.
        """
        arrival = self._leaves(message)
        if arrival is None:
            return []
        refused = self._brought[arrival.sender].refused
        refused[message] = None
        self._refused[message] += 1
        if len(refused) > DATASYNC_REFUSED_PER_PEER_MAX:
            oldest, _ = refused.popitem(last=False)
            self._refused[oldest] -= 1
            if not self._refused[oldest]:
                del self._refused[oldest]
        arrival.bringers = {arrival.sender}
        return self._settled(arrival)

    def dropped(self, message: MessageId) -> None:
        """What was delivered can be neither taken nor refused now: it is as if it never came, and comes again."""
        self._leaves(message)

    # --- what goes

    def compose(self, group: GroupId, timestamp: int, body: bytes, *, ephemeral: bool = False) -> Message:
        """A message after all that is here of its group; `timestamp` in seconds."""
        parents = self._messages.heads(group)[:DATASYNC_PARENTS_MAX]
        return Message(group, timestamp, body, Metadata(parents, ephemeral))

    def publish(self, message: Message, to: Iterable[PeerId] | None = None) -> list[Effect]:
        """A message of our own, or one that came another way; it goes to these peers, by default to all of its group.

        ValueError if it is over DATASYNC_MESSAGE_BYTES_MAX, or over DATASYNC_EPHEMERAL_BYTES_MAX and ephemeral.
        """
        if message.size > (DATASYNC_EPHEMERAL_BYTES_MAX if message.ephemeral else DATASYNC_MESSAGE_BYTES_MAX):
            raise ValueError(f"the message is too long to be sent: {message.size} bytes")
        peers = self._groups.members(message.group) if to is None else to
        if message.ephemeral:
            self._pass_on(message, peers)
            return []
        return self._here(message, peers)

    def offer(self, peer: PeerId, messages: Iterable[MessageId]) -> None:
        """Tell a peer of messages that are here; which of them it may have is asked when they go."""
        for message in messages:
            self._add(Kind.OFFER, peer, message, None)

    def withdraw(self, peer: PeerId, messages: Iterable[MessageId]) -> None:
        """What is here is not for that peer any more, unless he asks for it."""
        for message in messages:
            self._records.remove(peer, message, Kind.OFFER, Kind.MESSAGE)

    def tick(self, now: float) -> list[Effect]:
        """One epoch is over: what is due goes out, one payload for each peer that is online."""
        effects: list[Effect] = []
        epoch = self._records.epoch
        for peer in sorted(self._online):
            draft = Draft()
            effects += self._fill(draft, peer, epoch)
            if payload := draft.payload():
                effects.append(Send(peer, payload))
        self._records.epoch = epoch + 1
        return [*effects, *self._overdue(now)]  # when the disk refuses no more: what is let go must be heard of

    # --- one item of a payload

    def _acked(self, peer: PeerId, message: MessageId) -> list[Effect]:
        asked = self._records.remove(peer, message, Kind.REQUEST)
        return self._confirmed(peer, message) or ([] if asked else [_ignored(peer, Fault.UNKNOWN_MESSAGE, message)])

    def _requested(self, peer: PeerId, message: MessageId) -> list[Effect]:
        held = self._messages.get(message)
        if held is None or not self._groups.reads(peer, held):  # one answer, so that nobody learns what is here
            return [_ignored(peer, Fault.UNKNOWN_MESSAGE, message)]
        self._records.remove(peer, message, Kind.OFFER)
        return self._add(Kind.MESSAGE, peer, message, held.group)

    def _offered(self, peer: PeerId, message: MessageId) -> list[Effect]:
        if arrival := self._arrivals.get(message):
            arrival.bringers.add(peer)
            return []
        if self._is_refused(peer, message):
            return self._owe(peer, message)
        if not self._messages.has(message):
            return self._ask(peer, message)
        held = self._messages.get(message)
        if held is None or not self._groups.reads(peer, held):
            return [_ignored(peer, Fault.NOT_A_MEMBER, message)]
        return [*self._confirmed(peer, message), *self._owe(peer, message)]

    def _brings(self, peer: PeerId, message: Message, now: float) -> list[Effect]:
        if not self._groups.writes(peer, message):
            return [_ignored(peer, Fault.NOT_A_MEMBER, message.id)]
        if message.ephemeral:
            return self._brings_ephemeral(peer, message)
        self._records.remove(peer, message.id, Kind.REQUEST)
        effects = self._confirmed(peer, message.id)
        if self._messages.has(message.id) or self._is_refused(peer, message.id):
            return [*effects, *self._owe(peer, message.id)]
        if arrival := self._arrivals.get(message.id):
            arrival.bringers.add(peer)
            if not arrival.missing or self._missing(message):
                return effects
            self._leaves(message.id)  # with other parents, which are here: those of the first copy may be nobody's
        return [*effects, *self._arrives(peer, message, now)]

    def _brings_ephemeral(self, peer: PeerId, message: Message) -> list[Effect]:
        if message.size > DATASYNC_EPHEMERAL_BYTES_MAX:
            return [_ignored(peer, Fault.TOO_BIG, message.id)]
        seen = self._brought[peer].ephemeral
        if message.id in seen:
            return []
        seen[message.id] = None
        if len(seen) > DATASYNC_EPHEMERAL_REMEMBERED_MAX:
            seen.popitem(last=False)
        self._pass_on(message, (each for each in self._groups.members(message.group) if each != peer))
        return [Deliver(message, peer)]

    def _confirmed(self, peer: PeerId, message: MessageId) -> list[Effect]:
        """The peer has it: what we wanted to send it is done."""
        return [Confirmed(peer, message)] if self._records.remove(peer, message, Kind.OFFER, Kind.MESSAGE) else []

    # --- messages on their way in

    def _arrives(self, peer: PeerId, message: Message, now: float) -> list[Effect]:
        """A message that is new here: it is delivered, or held until its parents are; not if its peer has too many held."""
        account = self._brought[peer]
        if account.is_over(_UNSETTLED, message.size):
            return [_ignored(peer, Fault.TOO_MANY, message.id)]
        may_wait = self._resolution is Resolution.CONSISTENT and not account.is_over(1, message.size)
        arrival = _Arrival(message, peer, now, {peer}, self._missing(message))
        effects: list[Effect] = []
        for cause in sorted(arrival.missing - self._arrivals.keys()):
            effects += self._ask(peer, cause)
        self._arrivals[message.id] = arrival
        account.count(arrival, 1)
        for cause in arrival.missing:
            self._waiting[cause].add(message.id)
        if not (arrival.missing and may_wait):
            effects += self._release(arrival)
        return effects

    def _missing(self, message: Message) -> set[MessageId]:
        """What it follows and is neither taken nor refused."""
        causes = set(self._causes(message)) - {message.id}
        return {cause for cause in causes if not self._messages.has(cause) and cause not in self._refused}

    def _is_refused(self, peer: PeerId, message: MessageId) -> bool:
        """Whether this very peer brought it, and it was not wanted."""
        return peer in self._brought and message in self._brought[peer].refused

    def _release(self, arrival: _Arrival) -> list[Effect]:
        """Deliver it, whatever it waits for."""
        self._waits_no_more(arrival)
        return [Deliver(arrival.message, arrival.sender)]

    def _leaves(self, message: MessageId) -> _Arrival | None:
        """Forget that it is on its way in."""
        arrival = self._arrivals.pop(message, None)
        if arrival is not None:
            self._waits_no_more(arrival)
            self._brought[arrival.sender].count(arrival, -1)
        return arrival

    def _waits_no_more(self, arrival: _Arrival) -> None:
        for cause in arrival.missing:
            self._waiting[cause].discard(arrival.message.id)
            if not self._waiting[cause]:
                del self._waiting[cause]
        arrival.missing.clear()

    def _here(self, message: Message, peers: Iterable[PeerId]) -> list[Effect]:
        """A message is kept for good: tell who brought it, those who have not got it, and those that wait for it."""
        arrival = self._leaves(message.id) or _Arrival(message, PeerId(b""), 0.0, set())
        self._messages.add(message)
        self._records.answered(message.id)
        kind = Kind.MESSAGE if self._mode is Mode.BATCH else Kind.OFFER
        for peer in sorted(set(peers) - arrival.bringers):
            other = Kind.OFFER if kind is Kind.MESSAGE else Kind.MESSAGE
            if self._records.get(peer, message.id, other) is None:
                self._add(kind, peer, message.id, message.group)
        return self._settled(arrival)

    def _settled(self, arrival: _Arrival) -> list[Effect]:
        """Acknowledge what is decided, and deliver what waited for nothing else."""
        effects: list[Effect] = []
        for peer in sorted(arrival.bringers):
            effects += self._owe(peer, arrival.message.id)
        for child in sorted(self._waiting.pop(arrival.message.id, ())):
            waiting = self._arrivals[child]
            waiting.missing.discard(arrival.message.id)
            if not waiting.missing:
                effects += self._release(waiting)
        return effects

    def _overdue(self, now: float) -> list[Effect]:
        """What waited too long for its parents goes on without them."""
        old = takewhile(
            lambda each: now - each.since >= DATASYNC_HELD_S, self._arrivals.values()
        )  # in the order they came
        late = [arrival for arrival in old if arrival.missing]
        return [effect for arrival in late for effect in self._release(arrival)]

    # --- what goes to one peer

    def _fill(self, draft: Draft, peer: PeerId, epoch: int) -> list[Effect]:
        """Put into the draft what is due for a peer: what it is owed, its records, and what is ephemeral."""
        line = self._online[peer]
        while line.acks and draft.ack(next(iter(line.acks))):
            line.acks.popitem(last=False)
        effects: list[Effect] = []
        for record in self._records.due(peer, epoch, draft.room):
            wanted = self._put(draft, record)
            if wanted is None:
                self._records.remove(peer, record.message, record.kind)
            elif not wanted:
                break  # it stays due
            else:
                effects += self._sent(record, epoch)
        while line.passing and draft.message(line.passing[next(iter(line.passing))]):
            line.passing.popitem(last=False)
        return effects

    def _put(self, draft: Draft, record: Record) -> bool | None:
        """Whether there was room for it; None if nobody needs it any more."""
        if record.kind is Kind.REQUEST:
            return None if self._messages.has(record.message) else draft.request(record.message)
        message = self._messages.get(record.message)
        if message is None or not self._groups.reads(record.peer, message):
            return None
        return draft.offer(message.id) if record.kind is Kind.OFFER else draft.message(message)

    def _sent(self, record: Record, epoch: int) -> list[Effect]:
        count = record.send_count + 1
        if self.schedule.dropped_after is not None and count > self.schedule.dropped_after:
            self._records.remove(record.peer, record.message, record.kind)
            return [GivenUp(record.peer, record.message, record.kind)]
        due = self.schedule.next(count, epoch, self._dice)
        self._records.put(replace(record, send_count=count, send_epoch=due))
        return []

    def _ask(self, peer: PeerId, message: MessageId) -> list[Effect]:
        if self._records.count(peer, Kind.REQUEST) >= DATASYNC_REQUESTS_PER_PEER_MAX:
            return [_ignored(peer, Fault.TOO_MANY, message)]
        return self._add(Kind.REQUEST, peer, message, None)

    def _add(self, kind: Kind, peer: PeerId, message: MessageId, group: GroupId | None) -> list[Effect]:
        """A new record, unless there is one of its kind."""
        if self._records.get(peer, message, kind) is not None:
            return []
        if self._records.count(peer) >= DATASYNC_RECORDS_PER_PEER_MAX:
            return [_ignored(peer, Fault.TOO_MANY, message)]
        self._records.put(Record(kind, peer, message, group, 0, self._records.epoch + 1))
        return []

    def _owe(self, peer: PeerId, message: MessageId) -> list[Effect]:
        """The next payload acknowledges it; where too much is owed, the peer sends it again."""
        line = self._online.get(peer)
        if line is None or message in line.acks:
            return []
        if len(line.acks) >= DATASYNC_ACKS_PER_PEER_MAX:
            return [_ignored(peer, Fault.TOO_MANY, message)]
        line.acks[message] = None
        return []

    def _pass_on(self, message: Message, peers: Iterable[PeerId]) -> None:
        """Something ephemeral goes once to who is there now; of too many the oldest are lost."""
        for peer in peers:
            line = self._online.get(peer)
            if line is None or not self._groups.reads(peer, message):
                continue
            line.passing[message.id] = message
            if len(line.passing) > DATASYNC_EPHEMERAL_PER_PEER_MAX:
                line.passing.popitem(last=False)


@dataclass(slots=True)
class _Line:
    """What only a connection knows."""

    acks: OrderedDict[MessageId, None] = field(default_factory=OrderedDict)
    passing: OrderedDict[MessageId, Message] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class _Arrival:
    """A message that is neither taken nor refused yet."""

    message: Message
    sender: PeerId  # whose account it is on
    since: float
    bringers: set[PeerId]
    missing: set[MessageId] = field(default_factory=set)  # what it waits for


@dataclass(slots=True)
class _Account:
    """What one peer brought and is not settled, and what was refused of it."""

    arrivals: int = 0
    size: int = 0  # of them, in bytes
    refused: OrderedDict[MessageId, None] = field(default_factory=OrderedDict)
    ephemeral: OrderedDict[MessageId, None] = field(default_factory=OrderedDict)

    def is_over(self, share: int, more: int) -> bool:
        """Whether with one more message, of so many bytes, it is over `share` times the bound of what is held."""
        return (
            self.arrivals >= share * DATASYNC_HELD_PER_PEER_MAX
            or self.size + more > share * DATASYNC_HELD_BYTES_PER_PEER_MAX
        )

    def count(self, arrival: _Arrival, sign: int) -> None:
        """One came (1) or is settled (-1)."""
        self.arrivals += sign
        self.size += sign * arrival.message.size


def _ignored(peer: PeerId, fault: Fault, message: MessageId) -> Ignored:
    return Ignored(peer, Refused(fault, message.hex()))
