"""What a member might do next, drawn from what its own log shows: the moves of every simulated world.

A move is named by its kind and two numbers that pick among what is possible; the same roster and numbers give the same move, and
a move that is not possible here and now is None. So any part of a script is a script, and a failing one can be shrunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from swarmchat.conversation import profile
from swarmchat.conversation.actions import (
    TEXT,
    Action,
    Add,
    CastVote,
    Demote,
    Edit,
    Join,
    Kick,
    Leave,
    Post,
    React,
    UpdateProfile,
)
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.planning import plan_ban, plan_promote, plan_unban
from swarmchat.ids import AccountId, DeviceId

T = TypeVar("T")

MOVES = (
    "post",
    "edit",
    "react",
    "invite",
    "join",
    "leave",
    "kick",
    "promote",
    "demote",
    "vote",
    "ban",
    "ban device",
    "unban",
    "profile",
)


@dataclass(frozen=True, slots=True)
class Move:
    """Commits to write in this order, and the new profile if one of them is about it."""

    actions: tuple[Action, ...]
    profile: bytes | None = None


def choose(
    kind: str,
    picks: tuple[int, int],
    *,
    roster: Roster,
    history: History,
    me: AccountId,
    device: DeviceId,
    everybody: Sequence[AccountId],
) -> Move | None:
    """The move of that kind that `picks` names, for `me` on `device`; None when there is none."""
    one, two = picks
    others = sorted(roster.joined - {me})
    match kind:
        case "post":
            return Move((Post(f"post {one} {two}"),))
        case "edit":
            mine = [e.id for e in history.by_account(me) if e.fact.type == TEXT and e.fact.relation is None]
            return _move(mine, one, lambda target: Edit(f"edit {two}" if two % 4 else "", target))
        case "react":
            texts = [e.id for e in history.entries if e.fact.type == TEXT and e.fact.relation is None]
            return _move(texts[-8:], one, lambda target: React("+1" if two % 2 else "-1", target))
        case "invite":
            gone = [a for a in everybody if roster.place_of(a) is None and not roster.is_banned(a)]
            return _move(gone, one, Add)
        case "join":
            return Move((Join(me),)) if roster.is_invited(me) else None
        case "leave":
            return Move((Leave(me),))
        case "kick":
            return _move([*others, *sorted(roster.invited)], one, Kick)
        case "promote":
            return _plan([a for a in others if not roster.is_admin(a)], one, lambda a: plan_promote(roster, me, a))
        case "demote":
            return Move((Demote(me),)) if roster.is_admin(me) else None
        case "vote":
            ballot = ("ban", "promote", "unban")[two % 3]
            candidates = sorted(roster.banned) if ballot == "unban" else [*others, *sorted(roster.invited)]
            return _move(candidates, one, lambda target: CastVote(ballot, target))  # type: ignore[arg-type]
        case "ban":
            return _plan(
                [*others, *sorted(roster.invited)], one, lambda target: plan_ban(roster, me, target, device=device)
            )
        case "ban device":
            devices = [d for d in sorted(roster.devices) if d != device]
            return _plan(devices, one, lambda target: plan_ban(roster, me, target, device=device))
        case "unban":
            return _plan(sorted(roster.banned), one, lambda target: plan_unban(roster, me, target))
        case "profile":
            return Move((UpdateProfile(),), profile.write(profile.Profile(title=f"title {one} {two}")))
        case _:
            raise ValueError(f"no such move: {kind}")


def picked(options: Sequence[T], number: int) -> T | None:
    """One of the options, always the same for a number."""
    return options[number % len(options)] if options else None


def _move(options, number, make):  # type: ignore[no-untyped-def]
    target = picked(options, number)
    return None if target is None else Move((make(target),))


def _plan(options, number, plan):  # type: ignore[no-untyped-def]
    target = picked(options, number)
    if target is None:
        return None
    actions = plan(target)
    return None if isinstance(actions, Rejection) else Move(tuple(actions))
