"""What an import is made of: what is here of a chat, the commits to be written, and what is told of the rest. (SCP-09 §3.9)"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from swarmchat import limits
from swarmchat.conversation.actions import Action, Other
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.status import notes
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Group
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.streams import Bad
from swarmchat.ids import AccountId, CommitId

_JSON_BYTES_A_CHARACTER: Final = 6  # of a control character
_ROOM_BYTES: Final = 1_024  # for all else that stands in a commit


class Why(enum.StrEnum):
    """Why something has no commit of its own kind, or none at all."""

    LAW = "refused-by-the-law"
    OTHERS = "others"  # a one-to-one of two, none of whom is us
    NO_KEY = "no-key"  # what stands for a member is no key
    CREATED_ANEW = "created-anew"  # after everybody had left
    NOBODY_NEW = "nobody-new"
    NOT_HERE = "not-in-the-conversation"
    NOTHING_CHANGES = "nothing-changes-here"  # who has no account joins nothing
    LEAVES_BY_HAND = "leaves-by-hand"  # the user's own key left there; here he says so himself
    FOREIGN_ADMIN = "foreign-admin"  # who has no account can be no admin
    NOT_OURS = "not-ours"  # only the account itself can do it, or edit what it wrote
    BAD_PROFILE = "bad-profile"  # the profile cannot hold such a name, colour or picture
    UNCHANGED = "unchanged"
    NOT_A_MEMBER = "not-a-member"
    UNKNOWN_MESSAGE = "unknown-message"
    NOT_EDITABLE = "not-editable"
    SUPERSEDED = "superseded"  # by one with a greater clock
    NOTHING_TO_RETRACT = "nothing-to-retract"
    NO_SUCH_EMOJI = "no-such-emoji"
    JOIN_REQUEST = "join-request"  # admins add who asks
    TOO_BIG = "too-big"


class Fate(enum.StrEnum):
    """What became of something that is told of."""

    KEPT = "kept"  # in the log, for whoever it is handed on to, and without effect there
    IGNORED = "ignored"  # not in the log
    BAD = "bad"  # not even understood


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: what it is, how others name it, what became of it, and why."""

    what: str
    id: str
    fate: Fate
    reason: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit to be written: its action, the profile it makes, and its keys beside (`status` and others).

    `about` names the message that the action speaks about, whose commit may not be written yet; `id` the message that it is itself.
    `row` is what is told of it. `binds`: the commit that ties the own key to the own account.
    """

    action: Action
    status: Mapping[str, object]
    profile: bytes | None = None
    more: Mapping[str, object] = field(default_factory=dict)
    about: str = ""
    id: str = ""
    row: Row | None = None
    binds: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether it only keeps what no other commit says."""
        return self.action == Other(notes.EVENT)


@dataclass(frozen=True, slots=True)
class Placed:
    """Something said that stands in the log: its commit, whose commit that is, and whether it does there what it says."""

    said: Said
    commit: CommitId
    account: AccountId
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Here:
    """What is here of a chat.

    `owners`: whose account a key is; `imported`: ids of events that the root or an invitation stands for; `ever`: all who were
    ever in it; `is_open`: whether anybody has said there which key he has, so that every device does so by itself; of a one-to-one,
    whether it was opened. `mine`: of a one-to-one, the key that we have bound there.
    """

    roster: Roster
    events: tuple[SignedEvent, ...] = ()
    said: tuple[Placed, ...] = ()
    owners: Mapping[Key, AccountId] = field(default_factory=dict)
    imported: frozenset[str] = frozenset()
    ever: frozenset[AccountId] = frozenset()
    is_open: bool = False
    mine: Key | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that an import would write, in order, and what is told. `known`: how much of the file is here already.

    `founds`: the first step is the root of a new conversation. `group`: what the chat is after all events; None: a one-to-one.
    """

    chat_id: str
    steps: tuple[Step, ...]
    rows: tuple[Row, ...]
    known: int
    founds: bool
    group: Group | None = None


def told_bad(bad: Bad) -> Row:
    """The line for a message that was not taken."""
    return Row(f"message {bad.place}", "", Fate.BAD, bad.reason, bad.about)


def event_note(signed: SignedEvent, now_ms: int) -> dict[str, object]:
    """What a commit says of the event that it stands for."""
    return notes.of_events([signed], _stated(signed.event.clock, now_ms))


def said_note(said: Said, now_ms: int) -> dict[str, object]:
    """What a commit says of the message that it stands for."""
    return notes.of_envelopes([said.envelope], _stated(said.entity.clock, now_ms))


def fits(said: Said) -> bool:
    """Whether a commit has room for a message with its wrapper."""
    text = len(getattr(said.entity, "text", "")) * _JSON_BYTES_A_CHARACTER
    return len(said.envelope.raw) * 4 // 3 + text + _ROOM_BYTES <= limits.MESSAGE_BYTES_MAX


def _stated(clock: int, now_ms: int) -> int | None:
    """What came in from ahead is stated, so that what is written next comes after it; all else is behind its commit anyway."""
    return clock if clock >= now_ms else None
