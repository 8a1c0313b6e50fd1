"""A key of Status or data sync as people type it. (SCP-09 §2.5)"""

from __future__ import annotations

from swarmchat.crypto.secp256k1 import Key
from swarmchat.errors import UsageError


def parsed(text: str, hint: str) -> Key:
    """The key that somebody typed, spaces around it or not; UsageError that says how one is written, and `hint`."""
    try:
        return Key.parse(text.strip())
    except ValueError as fault:
        raise UsageError(f"{text!r}: {fault}", hint=hint) from None


def is_meant(text: str) -> bool:
    """Whether a text that is no name of anything here was to be a key, whole or not."""
    return text.strip().startswith(("zQ3s", "0x", "0X"))
