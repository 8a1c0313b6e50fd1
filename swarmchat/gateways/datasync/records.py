"""What a data-sync machine keeps and asks: its records, the messages one has, who is in which group. (SCP-09 §4.2)

The classes here hold it in memory; a node keeps it on disk behind the same protocols.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, PeerId


class Kind(IntEnum):
    """What a record wants sent."""

    OFFER = 0
    REQUEST = 1
    MESSAGE = 2


@dataclass(frozen=True, slots=True)
class Record:
    """Something to be sent to a peer until it answers; one for each peer, message and kind."""

    kind: Kind
    peer: PeerId
    message: MessageId
    group: GroupId | None  # not known of what was only offered
    send_count: int
    send_epoch: int  # in which it is due


class Records(Protocol):
    """The records, and the epoch; both outlive the process, the epoch may lag behind."""

    epoch: int

    def put(self, record: Record) -> None:
        """Take it in; it takes the place of the one with its peer, message and kind."""

    def get(self, peer: PeerId, message: MessageId, kind: Kind) -> Record | None:
        """The one there is."""

    def remove(self, peer: PeerId, message: MessageId, *kinds: Kind) -> bool:
        """Forget those of these kinds, or of all if none is named; whether there were any."""

    def answered(self, message: MessageId) -> None:
        """Forget every REQUEST of it, at all peers."""

    def due(self, peer: PeerId, epoch: int, limit: int) -> list[Record]:
        """Those of a peer whose `send_epoch` has come, by (send_epoch, kind, message), `limit` at most."""

    def count(self, peer: PeerId, *kinds: Kind) -> int:
        """How many there are of these kinds, or of all if none is named."""

    def hasten(self, peer: PeerId, epochs: Callable[[], int]) -> None:
        """None of the peer's is due later than the epoch that is asked anew for each."""


class Messages(Protocol):
    """The messages that one has."""

    def get(self, message: MessageId) -> Message | None:
        """The message, if it is here."""

    def has(self, message: MessageId) -> bool:
        """Whether it is here."""

    def add(self, message: Message) -> None:
        """It is here from now on; a second time changes nothing."""

    def heads(self, group: GroupId) -> tuple[MessageId, ...]:
        """Those of a group that no other names as a parent, sorted."""


class Groups(Protocol):
    """Who may see and touch what."""

    def members(self, group: GroupId) -> Collection[PeerId]:
        """To whom a new message of the group goes; not oneself."""

    def reads(self, peer: PeerId, message: Message) -> bool:
        """Whether this peer may have it: a member, and who is invited the INVITE that names him."""

    def writes(self, peer: PeerId, message: Message) -> bool:
        """Whether it may come from this peer: from a member, and from who is invited his JOIN."""


class MemoryRecords:
    """Records in memory."""

    def __init__(self) -> None:
        self.epoch = 0
        self._of_peer: defaultdict[PeerId, dict[tuple[MessageId, Kind], Record]] = defaultdict(dict)
        self._counts: Counter[tuple[PeerId, Kind]] = Counter()
        self._soonest: dict[PeerId, int] = {}  # no record of the peer is due before

    def put(self, record: Record) -> None:
        self._counts[record.peer, record.kind] += (record.message, record.kind) not in self._of_peer[record.peer]
        self._of_peer[record.peer][record.message, record.kind] = record
        self._soonest[record.peer] = min(self._soonest.get(record.peer, record.send_epoch), record.send_epoch)

    def get(self, peer: PeerId, message: MessageId, kind: Kind) -> Record | None:
        return self._of_peer[peer].get((message, kind)) if peer in self._of_peer else None

    def remove(self, peer: PeerId, message: MessageId, *kinds: Kind) -> bool:
        found = [self._removed(peer, message, kind) for kind in kinds or Kind]
        return any(found)

    def answered(self, message: MessageId) -> None:
        for peer in self._of_peer:
            self._removed(peer, message, Kind.REQUEST)

    def due(self, peer: PeerId, epoch: int, limit: int) -> list[Record]:
        if self._soonest.get(peer, epoch + 1) > epoch:
            return []
        records = self.of(peer)
        self._soonest[peer] = records[0].send_epoch if records else epoch + 1
        return [record for record in records[:limit] if record.send_epoch <= epoch]

    def count(self, peer: PeerId, *kinds: Kind) -> int:
        return sum(self._counts[peer, kind] for kind in kinds or Kind)

    def hasten(self, peer: PeerId, epochs: Callable[[], int]) -> None:
        for record in self.of(peer):
            self.put(replace(record, send_epoch=min(record.send_epoch, epochs())))

    def of(self, peer: PeerId) -> list[Record]:
        """All of a peer's, as they come due."""
        return sorted(self._of_peer.get(peer, {}).values(), key=_by_epoch)

    def _removed(self, peer: PeerId, message: MessageId, kind: Kind) -> bool:
        if self._of_peer.get(peer, {}).pop((message, kind), None) is None:
            return False
        self._counts[peer, kind] -= 1
        return True


class MemoryMessages:
    """Messages in memory."""

    def __init__(self, is_aside: Callable[[Message], bool] = lambda message: False) -> None:
        """`is_aside`: of which nothing follows that it is here, and which follows nothing in what `heads` says."""
        self._is_aside = is_aside
        self._messages: dict[MessageId, Message] = {}
        self._parents: set[MessageId] = set()
        self._heads: defaultdict[GroupId, set[MessageId]] = defaultdict(set)

    def get(self, message: MessageId) -> Message | None:
        return self._messages.get(message)

    def has(self, message: MessageId) -> bool:
        return message in self._messages

    def add(self, message: Message) -> None:
        if message.id in self._messages:
            return
        self._messages[message.id] = message
        if self._is_aside(message):
            return
        self._parents.update(message.parents)
        heads = self._heads[message.group]
        heads.difference_update(message.parents)
        if message.id not in self._parents:
            heads.add(message.id)

    def remove(self, message: MessageId) -> None:
        """It is here no more."""
        if self._messages.pop(message, None) is None:
            return
        self._parents = {parent for each in self._messages.values() for parent in each.parents}
        self._heads.clear()
        for each in self._messages.values():
            if each.id not in self._parents:
                self._heads[each.group].add(each.id)

    def heads(self, group: GroupId) -> tuple[MessageId, ...]:
        return tuple(sorted(self._heads.get(group, ())))


def _by_epoch(record: Record) -> tuple[int, Kind, MessageId]:
    return record.send_epoch, record.kind, record.message
