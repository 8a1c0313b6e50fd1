"""Whose fault is it: the families of errors, and the exit status of each. (SCP-08 §2.3)

    SwarmchatError
    ├── UserError            the person who typed can cure it
    │   ├── UsageError       2   arguments that make no sense
    │   ├── NotFoundError    3   nothing of that name here
    │   ├── RefusedError     4   the rules do not permit it
    │   ├── UnreachableError 5   no daemon answers
    │   ├── DeliveryTimeout  6   not delivered yet
    │   ├── VerificationError 7  a history is not what it claims
    │   └── SettingsError    8   a setting is wrong
    ├── PeerError            a peer broke the protocol: costs that peer only
    ├── LinkError            the line broke: tried again
    └── StorageError         the disk refused

A commit that does not enter is never an error: it is a `conversation.rules.rejection.Rejection`, a value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar


class SwarmchatError(Exception):
    """An error with a sentence for people, a stable code for programs and, where there is one, a hint."""

    code: ClassVar[str] = "failure"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, data: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = dict(data or {})


class UserError(SwarmchatError):
    """The person at the keyboard can cure this."""


class PasswordNeededError(UserError):
    """The account is sealed and no password, or a wrong one, was given."""

    code = "password_needed"


class UsageError(UserError):
    """The arguments make no sense."""

    code = "usage"
    exit_status = 2


class AmbiguousError(UsageError):
    """A prefix or name fits several things; `data["candidates"]` lists them."""

    code = "ambiguous"


class NotFoundError(UserError):
    """Nothing of that name is here."""

    code = "not_found"
    exit_status = 3


class RefusedError(UserError):
    """The rules of the conversation do not permit this; `data` has `rule` and, where there is one, `commit` and `path`."""

    code = "refused"
    exit_status = 4


class ReadOnlyError(RefusedError):
    """What it is about cannot be written to: an imported history, a conversation one has left."""

    code = "read_only"


class UnreachableError(UserError):
    """No daemon answers."""

    code = "unreachable"
    exit_status = 5


class DeliveryTimeout(UserError):  # noqa: N818 - "timeout" is what people call it
    """It is written, but not delivered within the time given."""

    code = "timeout"
    exit_status = 6


class VerificationError(UserError):
    """A history, archive or file is not what it claims to be."""

    code = "verification_failed"
    exit_status = 7


class SettingsError(UserError):
    """A setting is wrong, or the file of the settings: starting again changes nothing."""

    code = "settings"
    exit_status = 8


class PeerError(SwarmchatError):
    """A peer broke the protocol; `code` is what SCP-03 §4a calls it. Costs that peer only."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.peer_code = code


class LinkError(SwarmchatError):
    """A link or dial failed; it is tried again."""

    code = "link"


class StorageError(SwarmchatError):
    """The disk refused: no space, read-only, damaged."""

    code = "storage"


def in_words(error: Exception) -> str:
    """What is wrong, for people: of an error of the system its name alone, without number, address or call."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
