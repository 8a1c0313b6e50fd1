"""Two links with one device: which of them stays. Both ends decide alone and alike. (SCP-03 §5)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from swarmchat.ids import DeviceId


@dataclass(frozen=True, slots=True)
class Claim:
    """What both ends know of one link: who dialled it with which number, and the peer's `boot` when it came up."""

    dialler: DeviceId
    dial: int
    boot: bytes


class Verdict(Enum):
    """What becomes of the link that was there, and of the one that came."""

    RESTARTED = auto()  # the peer was restarted: the old link is dead, close it at once
    NEW = auto()  # the old one drains
    OLD = auto()  # the new one drains


def decide(old: Claim, new: Claim, *, greater: DeviceId) -> Verdict:
    """Which of two links with one peer stays; `greater` is the greater of the two device ids."""
    if old.boot != new.boot:
        return Verdict.RESTARTED
    return Verdict.NEW if rank(new, greater) > rank(old, greater) else Verdict.OLD


def rank(claim: Claim, greater: DeviceId) -> tuple[bool, int]:
    """The higher one stays: dialled by the greater device id, then the later dial."""
    return claim.dialler == greater, claim.dial
