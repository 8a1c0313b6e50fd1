"""Why something from outside was not taken. (SCP-09 §1.3)"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """A stable code out of the vocabulary of whoever refused, and for people what it was about; nothing else was kept."""

    reason: str
    about: str = ""
