"""Histories drawn by hand: commits are named by a letter, parents first."""

from __future__ import annotations

from collections.abc import Iterable

from swarmchat.conversation.actions import Ban, Relation, UpdateDevice
from swarmchat.conversation.entries import Control, Fact
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import AccountId, CommitId, DeviceId

ANN, BEN, CEM = (AccountId(letter * 40) for letter in "abc")


def named(letter: str) -> CommitId:
    return CommitId(f"{ord(letter):02x}" * 20)


def letter(commit: CommitId) -> str:
    return chr(int(commit[:2], 16))


def fact(
    name: str,
    parents: str = "",
    *,
    time: int = 0,
    by: AccountId | None = ANN,
    about: tuple[Relation, str] | None = None,
    ban: AccountId | DeviceId | None = None,
    revoked: Iterable[DeviceId] = (),
) -> Fact:
    """One commit; `parents`: a letter each; `by` None is a merge."""
    lists = frozenset(device_prefix(device) for device in revoked)
    action = Ban(ban) if ban is not None else UpdateDevice() if lists else None
    control = None if action is None else Control(action, {}, frozenset(), frozenset(), frozenset(), lists)
    return Fact(
        named(name),
        tuple(named(parent) for parent in parents),
        by,
        None if by is None else DeviceId(by[0] * 64),
        time,
        "text/plain",
        None if about is None else (about[0], named(about[1])),
        control,
    )
