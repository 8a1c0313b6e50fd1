"""Chats of Status that a conversation is told in, and the events of each. Pure. (SCP-09 §3.7, §3.11)"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.pairs import Pair
from swarmchat.ids import AccountId, CommitId

_UNTIMELY = 2**64 - 1  # as which the clock 0 counts, that nobody takes


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat of Status that the conversation is told in, and the commit that opened it; of two with one generation the lesser counts.

    A one-to-one has a pair, and stands for the whole conversation from its first commit on.
    """

    number: int = field(compare=False)  # of the commit, here
    commit: CommitId
    generation: int
    id: str
    creator: Key
    account: AccountId  # who opened it; of a chat that came from Status, who brought it here
    clock: int
    pair: Pair | None = None

    @property
    def rank(self) -> tuple[int, int, CommitId]:
        """The least counts."""
        return -self.generation, self.clock, self.commit

    def id_by(self, key: Key) -> str:
        """The chat id that the holder of this key writes; in a one-to-one his key is one of the two."""
        return self.id if self.pair is None else self.pair.other(key).legacy

    def shown_to(self, account: AccountId) -> str:
        """The chat id as an account that is in it knows the chat."""
        if self.pair is None:
            return self.id
        return (self.pair.other(self.creator) if account == self.account else self.creator).legacy


@dataclass(frozen=True, slots=True)
class Told:
    """A group event and the commit that brought it."""

    number: int
    chat: Chat
    signed: SignedEvent


@dataclass(slots=True)
class Heard:
    """The events of one chat in the order of their commits; of the first so many of them how many bytes, and the latest clock."""

    told: list[Told] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("Q", (0,)))
    latest: array[int] = field(default_factory=lambda: array("Q", (0,)))

    def add(self, told: Told) -> None:
        self.told.append(told)
        self.sizes.append(self.sizes[-1] + len(told.signed.raw))
        self.latest.append(max(self.latest[-1], told.signed.event.clock or _UNTIMELY))

    def drop(self) -> None:
        """The last one comes to nothing."""
        self.told.pop()
        self.sizes.pop()
        self.latest.pop()

    def count(self, number: int) -> int:
        """How many are in that commit and those before it."""
        return bisect_right(self.told, number, key=lambda told: told.number)
