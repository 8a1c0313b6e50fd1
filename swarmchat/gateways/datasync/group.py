"""One group of data sync: which of its messages count, who is in it, what is shown. (SCP-09 §4.4)

Two questions. Whether a message counts depends on what it follows and on nothing else, so it is answered once and for all
those who have it and what it follows. Who is in the group now is what all that count come to, in the order (depth, id).

Whether a POST is shown whose sender was put out meanwhile depends on what follows it too: somebody else must have seen it
before he had seen the KICK. That answer may turn from no to yes as messages come, never back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from swarmchat.gateways.datasync.messages import (
    Ack,
    Body,
    ClientMessage,
    Join,
    Kick,
    Leave,
    Post,
    named,
    read_body,
    read_client,
)
from swarmchat.gateways.datasync.order import arranged
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, PeerId
from swarmchat.gateways.datasync.standing import Law, Standing, step
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_IDLE_BYTES_PER_PEER_MAX, DATASYNC_IDLE_MESSAGES_PER_PEER_MAX


class Fault(StrEnum):
    """Why a message is not kept, or does not count whatever the standing of its sender."""

    WRONG_GROUP = "wrong-group"  # it is, or says that it is, of another one
    EPHEMERAL = "ephemeral"  # it is no part of a history
    TOO_MANY = "too-many"  # of those that a peer brought and that do not count
    PREVIOUS_MISSING = "previous-missing"  # what it follows is not here yet
    PREVIOUS_OF_ANOTHER = "previous-of-another"  # it names a message of somebody else as its sender's last one
    PREVIOUS_EMPTY = "previous-empty"  # it says that it is its sender's first, and is not
    NAMES_NO_GROUP = "names-no-group"  # a JOIN may leave that out only as its sender's first message
    ACK_OF_NOTHING = "ack-of-nothing"  # what it acknowledges is no JOIN, LEAVE or KICK that counts
    REPLAYED = "replayed"  # it counts already, under another id
    KICKED = "kicked"  # its sender was put out, and nobody else saw it before


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the group, read."""

    id: MessageId
    message: Message
    client: ClientMessage
    body: Body
    sender: PeerId


class Group:
    """Takes messages in any order. Does no I/O; has no clock."""

    def __init__(self, group: GroupId, law: Law) -> None:
        self._group, self._law = group, law
        self._nodes: dict[MessageId, _Node] = {}
        self._followers: defaultdict[MessageId, set[MessageId]] = defaultdict(set)  # also of what is not here
        self._signatures: defaultdict[bytes, list[_Node]] = defaultdict(list)
        self._effective: list[_Node] = []  # what changes the standing and counts; a bit in a mask is a place in here
        self._standings: dict[int, Standing] = {}  # by which of those have been
        self._authors: dict[PeerId, int] = {}  # each with his bit
        self._heads: set[MessageId] = set()
        self._idle: Counter[PeerId] = Counter()
        self._idle_bytes: Counter[PeerId] = Counter()
        self._judged = True
        self._against: defaultdict[PeerId, int] = defaultdict(int)  # the bits of the KICKs of each, where they count
        self._kicks = 0  # all of them
        self._seen: defaultdict[MessageId, int] | None = defaultdict(int)  # despite which KICKs somebody followed it

    # --- in

    def add(self, message: Message, via: PeerId | None = None) -> Refused | None:
        """Keep a message that a peer brought (None: our own); why it is not kept, if so. Whether it counts: `verdict`.

        A message that does not say what it follows is taken to follow all that is here now.
        """
        if message.id in self._nodes:
            return None
        entry = self._read(message)
        if isinstance(entry, Refused):
            return entry
        known = message.id in self._followers  # something names it that came before it
        claimed = message.parents if message.metadata or known else self.heads()
        node = _Node(entry, named(entry.client), tuple(each for each in claimed if each != message.id), via)
        late = known or not self._judged
        if not late:
            self._judge(node, node.names() & self._nodes.keys())
        if (late or node.fault is not None) and self._has_too_many(via, message.size):
            return Refused(Fault.TOO_MANY)
        self._judged = not late
        self._keep(node)
        return None

    # --- out

    @property
    def standing(self) -> Standing:
        """Who is in the group, after all that is here."""
        self._arrange()
        return self._standing((1 << len(self._effective)) - 1)

    def verdict(self, message: MessageId) -> Refused | None:
        """Why a message that is kept does not count; None if it does, and a POST is shown. KeyError if it is not kept."""
        self._arrange()
        node = self._nodes[message]
        if node.fault is not None:
            return node.fault
        if self._is_hidden(node):
            return Refused(Fault.KICKED)
        return None if self._is_the_one(node) else Refused(Fault.REPLAYED)

    def entries(self) -> list[Entry]:
        """All that is kept, each after what it follows: by (depth, id)."""
        self._arrange()
        return [node.entry for node in self._in_order()]

    def shown(self) -> list[Entry]:
        """The POSTs that count."""
        return [entry for entry in self.entries() if isinstance(entry.body, Post) and self.verdict(entry.id) is None]

    def heads(self) -> tuple[MessageId, ...]:
        """What counts and nothing else that counts follows directly: the parents of the next message."""
        self._arrange()
        return tuple(sorted(self._heads))

    # --- one message

    def _read(self, message: Message) -> Entry | Refused:
        if message.group != self._group:
            return Refused(Fault.WRONG_GROUP)
        if message.ephemeral:
            return Refused(Fault.EPHEMERAL)
        client = read_client(message.body)
        if isinstance(client, Refused):
            return client
        body = read_body(client)
        if isinstance(body, Refused):
            return body
        assert client.sender is not None
        return Entry(message.id, message, client, body, PeerId(client.sender.raw))

    def _keep(self, node: _Node) -> None:
        self._nodes[node.entry.id] = node
        self._signatures[node.entry.client.signature].append(node)
        for each in node.names():
            self._followers[each].add(node.entry.id)
        if self._judged:
            self._settle(node)

    def _settle(self, node: _Node) -> None:
        """Note what the judgement of a message that is kept means for the whole; nothing that is judged follows it."""
        if node.fault is None:
            self._heads.difference_update(node.follows)
            self._heads.add(node.entry.id)
            if isinstance(node.entry.body, Kick):
                self._against[PeerId(node.entry.body.target.raw)] |= node.bit
                self._kicks |= node.bit
                self._seen = None
        if self._seen is not None:
            self._vouch([node], self._seen)
        if node.fault is not None and node.via is not None:
            self._idle[node.via] += 1
            self._idle_bytes[node.via] += node.entry.message.size

    def _has_too_many(self, via: PeerId | None, more: int) -> bool:
        return via is not None and (
            self._idle[via] >= DATASYNC_IDLE_MESSAGES_PER_PEER_MAX
            or self._idle_bytes[via] + more > DATASYNC_IDLE_BYTES_PER_PEER_MAX
        )

    def _arrange(self) -> None:
        """Judge anew after something came late that others had named."""
        if self._judged:
            return
        self._judged = True
        for state in (self._effective, self._standings, self._heads, self._idle, self._idle_bytes, self._against):
            state.clear()
        self._kicks, self._seen = 0, None
        for node in self._nodes.values():
            node.bit = 0
        order = arranged(
            {each: node.signed for each, node in self._nodes.items()},
            {each: node.claimed for each, node in self._nodes.items()},
        )
        for each, follows in order.items():
            self._judge(self._nodes[each], follows)
            self._settle(self._nodes[each])

    def _judge(self, node: _Node, follows: Iterable[MessageId]) -> None:
        """Whether it counts, by what it follows; all of that is judged."""
        before = [self._nodes[each] for each in follows]
        node.depth = 1 + max((each.depth for each in before), default=-1)
        node.follows = tuple(each.entry.id for each in before)
        node.mask = node.authors = 0
        for each in before:
            node.mask |= each.mask | each.bit
            node.authors |= each.authors | each.author
        node.bit = node.author = 0
        outcome = self._outcome(node)
        node.fault = outcome if isinstance(outcome, Refused) else None
        if isinstance(outcome, Refused):
            return
        node.author = self._authors.setdefault(node.entry.sender, 1 << len(self._authors))
        if not isinstance(node.entry.body, Ack | Post):
            node.bit = 1 << len(self._effective)
            self._effective.append(node)
            self._standings[node.mask | node.bit] = outcome  # it is deeper than all that it follows

    def _outcome(self, node: _Node) -> Standing | Refused:
        """What the group is after a message and all that it follows."""
        entry = node.entry
        if refused := self._chain_fault(node) or self._body_fault(entry):
            return refused
        if any(other.bit & node.mask for other in self._signatures.get(entry.client.signature, ())):
            return Refused(Fault.REPLAYED)
        standing = self._standing(node.mask)
        if isinstance(entry.body, Ack):
            if refused := self._ack_fault(entry.body):
                return refused
            if self._removed_by(entry.body) == entry.sender:
                return standing
        return step(self._law, standing, entry.sender, entry.body)

    def _chain_fault(self, node: _Node) -> Refused | None:
        """What is wrong with the message that it names as its sender's last one: that binds it to its group and place."""
        previous = node.entry.client.previous
        if previous is None:
            known = node.authors & self._authors.get(node.entry.sender, 0)
            return Refused(Fault.PREVIOUS_EMPTY) if known else None
        held = self._nodes.get(previous)
        if held is None:
            return Refused(Fault.PREVIOUS_MISSING, previous.hex())
        return Refused(Fault.PREVIOUS_OF_ANOTHER, previous.hex()) if held.entry.sender != node.entry.sender else None

    def _body_fault(self, entry: Entry) -> Refused | None:
        body = entry.body
        if isinstance(body, Ack | Post):
            return None
        if body.group not in {None, self._group}:
            return Refused(Fault.WRONG_GROUP)
        if isinstance(body, Join) and body.group is None and entry.client.previous is not None:
            return Refused(Fault.NAMES_NO_GROUP)
        return None

    def _ack_fault(self, ack: Ack) -> Refused | None:
        target = self._nodes.get(ack.message)
        if target is None:
            return Refused(Fault.PREVIOUS_MISSING, ack.message.hex())
        sound = target.fault is None and isinstance(target.entry.body, Join | Leave | Kick)
        return None if sound else Refused(Fault.ACK_OF_NOTHING)

    def _removed_by(self, ack: Ack) -> PeerId | None:
        """Who went with what is acknowledged."""
        entry = self._nodes[ack.message].entry
        match entry.body:
            case Leave():
                return entry.sender
            case Kick():
                return PeerId(entry.body.target.raw)
            case _:
                return None

    # --- the whole

    def _standing(self, mask: int) -> Standing:
        """What those messages come to; each that is not allowed any more where it stands has no effect."""
        if mask not in self._standings:
            standing, signatures = Standing(), set[bytes]()
            for node in sorted(_of(self._effective, mask), key=_by_place):
                outcome = step(self._law, standing, node.entry.sender, node.entry.body)
                if node.entry.client.signature not in signatures and isinstance(outcome, Standing):
                    standing = outcome
                    signatures.add(node.entry.client.signature)
            self._standings[mask] = standing
        return self._standings[mask]

    def _in_order(self) -> list[_Node]:
        return sorted(self._nodes.values(), key=_by_place)

    def _is_the_one(self, node: _Node) -> bool:
        """Whether of the messages with its signature that count it is the one to count."""
        copies = self._signatures[node.entry.client.signature]
        if len(copies) == 1:
            return True
        counting = [each for each in copies if each.fault is None and not self._is_hidden(each)]
        return node is min(counting, key=lambda each: (not self._is_named(each), *_by_place(each)))

    def _is_named(self, node: _Node) -> bool:
        """Whether its sender went on from it: then it is the one he wrote, and not a copy with another time."""
        followers = (self._nodes[each] for each in self._followers.get(node.entry.id, ()))
        return any(each.entry.client.previous == node.entry.id and each.fault is None for each in followers)

    def _is_hidden(self, node: _Node) -> bool:
        """Whether it is a POST beside a KICK of its sender that nobody else had seen before he had seen that KICK."""
        return isinstance(node.entry.body, Post) and bool(self._unseen_despite(node, self._witnessed()))

    def _unseen_despite(self, node: _Node, seen: Mapping[MessageId, int]) -> int:
        """The KICKs of its sender that it does not follow, and despite which nobody else followed it."""
        return self._against.get(node.entry.sender, 0) & ~node.mask & ~seen.get(node.entry.id, 0)

    def _witnessed(self) -> Mapping[MessageId, int]:
        """For each message the KICKs despite which somebody who counts followed it."""
        if self._seen is None:
            self._seen = defaultdict(int)
            self._vouch(self._in_order(), self._seen)
        return self._seen

    def _vouch(self, nodes: list[_Node], seen: defaultdict[MessageId, int]) -> None:
        """Have these say of what they follow, and all that it follows, which KICKs they do not follow themselves; the last first.

        Nobody speaks against a KICK of himself, nor does who is hidden by one; a KICK itself says that what it follows was
        before it. Who is not hidden any more because of what is said speaks then.
        """
        while nodes and self._kicks:
            node = nodes.pop()
            said = seen[node.entry.id]
            if node.fault is None:
                said |= node.bit & self._kicks
                if not self._unseen_despite(node, seen):
                    said |= self._kicks & ~node.mask & ~self._against.get(node.entry.sender, 0)
            for each in node.follows:
                if said & ~seen[each]:
                    seen[each] |= said
                    nodes.append(self._nodes[each])


@dataclass(slots=True)
class _Node:
    entry: Entry
    signed: tuple[MessageId, ...]  # what its client message names
    claimed: tuple[MessageId, ...]  # what its metadata names, signed by nobody
    via: PeerId | None
    depth: int = 0  # one more than the deepest that it follows
    follows: tuple[MessageId, ...] = ()
    mask: int = 0  # which of the effective messages it follows, through others too
    bit: int = 0  # its own; none if it changes no standing, or does not count
    authors: int = 0  # who wrote something that counts and that it follows
    author: int = 0
    fault: Refused | None = None

    def names(self) -> set[MessageId]:
        """All that it says it follows."""
        return {*self.signed, *self.claimed}


def _of(nodes: list[_Node], mask: int) -> Iterator[_Node]:
    while mask:
        lowest = mask & -mask
        yield nodes[lowest.bit_length() - 1]
        mask ^= lowest


def _by_place(node: _Node) -> tuple[int, MessageId]:
    return node.depth, node.entry.id
