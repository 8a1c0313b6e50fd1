"""What of a chat stands in no log: who asks to be let in, and events that had no effect. (SCP-09 §3.12)"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.StrEnum):
    """What became of a request to be let in."""

    WAITING = "waiting"
    DECLINED = "declined"  # by our user; who asks again is heard after a day
    SETTLED = "settled"  # an admin answered it elsewhere, or who asks is in


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody's request to be let in: of each key the newest. Times in ms.

    `name` is what he calls himself and may be empty; both it and `text` are bounded, and a stranger's words.
    """

    key: bytes  # 65: `Key.raw`
    name: str
    text: str
    clock: int
    received_ms: int
    state: State = State.WAITING
    answered_ms: int = 0  # what was signed before that is no new request


@dataclass(frozen=True, slots=True)
class Ignored:
    """A signed group event without effect: its id, what it is, who signed it (65 bytes), and why. Times in ms."""

    id: str
    what: str
    author: bytes
    reason: str
    clock: int
    noted_ms: int
