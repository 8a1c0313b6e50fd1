"""What is asked of a thin peer, and for trials what it is to lose. (SCP-09 §4.7)"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from swarmchat.addresses import Address
from swarmchat.gateways.datasync.schedule import CHANNEL, Schedule


class Word(StrEnum):
    """What the user can say beside a text."""

    LEAVE = "/leave"


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where the node is, how often is sent what is due, and for trials what share of payloads is lost, by which seed."""

    node: Address
    schedule: Schedule = CHANNEL
    loss: float = 0.0
    seed: int = 0
    once: bool = False  # end when there is nothing more to say and all of it was delivered


class Losses:
    """Tells of one payload after the other whether it is lost: a share of them, the same with the same seed."""

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._seed, self._count = share, seed, 0

    def __call__(self) -> bool:
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()
        return int.from_bytes(digest[:6]) < self._share * 2**48
