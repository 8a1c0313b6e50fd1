"""What a node writes for Status without anybody asking: a chat opened anew, members whose key came late. Pure. (SCP-09 §3.7)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from swarmchat.conversation import profile as profiles
from swarmchat.conversation.actions import Action, Add, Ban, Promote
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.status import chat_ids, clock, events, mapping, notes
from swarmchat.gateways.status.fold import Group, fold
from swarmchat.gateways.status.ledger import Chat, Ledger, Source
from swarmchat.gateways.status.mapping import Unmappable, Why
from swarmchat.gateways.status.speaking import Note, events_note
from swarmchat.gateways.status.wire import EventType, MembershipUpdateEvent
from swarmchat.ids import AccountId, CommitId, ConversationId

GRACE_S: Final = 60  # who did what calls for an event is waited for, before another admin writes it
_COLORS: Final = ("#fa6565", "#887af9", "#fe8f59", "#7cda00", "#51d0f0", "#d37ef4")  # that clients draw from


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be written: the commit's type and its other keys. `again_s`: look once more then."""

    kind: str = ""
    extra: Note | None = None
    about: str = ""  # the same for what would have the same effect
    again_s: float | None = None


def must_bind(ledger: Ledger, roster: Roster, account: AccountId) -> bool:
    """Whether the account is in the conversation and has never said here which key it has."""
    return roster.is_joined(account) and not ledger.has_claimed(account)


def parents(here: Source, main: CommitId | None, heads: Sequence[CommitId]) -> list[int]:
    """The commits that ours may come after: `main`, or while that is a merge nobody built on, the heads."""
    number = None if main is None else here.history.find(main)
    return [number] if number is not None else [here.history.number(head) for head in heads]


def due(
    ledger: Ledger, here: Source, number: int, roster: Roster, account: AccountId, secret: Secret, now_ms: int
) -> Due:
    """What this account is to write after that commit, or when to look again. The ledger has followed `here`."""
    chat = ledger.chat_at(number)
    if chat is None or not ledger.bindings.is_bound(account, secret.public, here.history.id(number)):
        return Due()
    told = [one.signed for one in ledger.told if one.chat is chat]
    group = fold(chat.id, [one for one in told if clock.is_acceptable(one.event.clock, now_ms)]).group
    bans = list(_bans(ledger, here, roster, group)) if roster.is_admin(account) else []
    if bans:
        left = _left_s(bans, account, now_ms)
        if left > 0:
            return Due(again_s=left)
        opened = opening(ledger, here, number, account, secret, now_ms)
        return Due(notes.BRIDGE, opened, f"a chat after {chat.id}")
    late = _late(ledger, here, roster, chat, group, account, secret.public)
    ready = [one for one in late if _left_s([one.cause], account, now_ms) <= 0]
    found = _events(ready)
    noted = events_note(ledger, number, found, secret, now_ms) if found else Unmappable(Why.NOT_SIGNED)
    if not isinstance(noted, Unmappable):
        return Due(notes.EVENT, {notes.KEY: noted}, f"{chat.id} {found}")
    waiting = [_left_s([one.cause], account, now_ms) for one in late if one not in ready]
    return Due(again_s=min(waiting) if waiting else None)


def opening(ledger: Ledger, here: Source, number: int, account: AccountId, secret: Secret, now_ms: int) -> Note:
    """The keys of a commit after that one which opens a chat, the next one where there is one: all that stands, signed by us."""
    before = ledger.chat_at(number)
    generation = 0 if before is None else before.generation + 1
    chat = chat_ids.of_conversation(ledger.conversation, generation, secret.public)
    made = _snapshot(ledger, here, number, account, secret.public)
    last = ledger.clock(number)
    clocks = clock.bids((last,), now_ms, len(made))
    stated: int | None = clocks[-1]
    if not clock.is_acceptable(clocks[-1], now_ms):  # nobody's clock keeps others from a chat
        clocks, stated = clock.bids((), now_ms, len(made)), None
    signed = [events.sign(replace(event, clock=at), chat, secret) for event, at in zip(made, clocks, strict=True)]
    return {"body": chat, notes.KEY: notes.of_events(signed, stated)}


def color_of(conversation: ConversationId, content: bytes | None) -> str:
    """The colour of a chat: clients want one, so one that has none gets that which its id says."""
    return profiles.shown(content).color or _COLORS[bytes.fromhex(conversation)[0] % len(_COLORS)]


@dataclass(frozen=True, slots=True)
class _Cause:
    """Who did what calls for an event, and since when (s) the event can be written."""

    account: AccountId | None
    since: int


@dataclass(frozen=True, slots=True)
class _Late:
    """A key that Status has not heard of, or not as admin."""

    key: Key
    is_new: bool
    is_admin: bool
    cause: _Cause


def _left_s(causes: list[_Cause], account: AccountId, now_ms: int) -> float:
    """How long the account leaves it to others."""
    if any(cause.account == account for cause in causes):
        return 0.0
    return min(cause.since for cause in causes) + GRACE_S - now_ms / 1000


def _bans(ledger: Ledger, here: Source, roster: Roster, group: Group) -> Iterator[_Cause]:
    """The bans of admins of the chat, whom nobody can remove there."""
    for text in group.admins:
        try:
            who = ledger.account_of(Key.parse(text))
        except ValueError:
            continue  # an event made an admin of what is no key
        if roster.is_banned(who):
            yield _cause(here.history, Ban(who), 0)


def _late(
    ledger: Ledger, here: Source, roster: Roster, chat: Chat, group: Group, me: AccountId, mine: Key
) -> list[_Late]:
    """Members here whom the chat never heard of as such: their key was not known when they were added, or made admins."""
    if mine.legacy not in group.members or not roster.is_joined(me):
        return []
    added, raised = _named(ledger, chat)
    found: list[_Late] = []
    for account, key in ledger.bindings.all().items():
        if not roster.is_joined(account):
            continue
        is_new = key.legacy not in group.members and key.legacy not in added
        is_admin = (
            roster.is_admin(account)
            and mine.legacy in group.admins
            and key.legacy not in group.admins
            and key.legacy not in raised
            and (is_new or key.legacy in group.members)
        )
        if not (is_new or is_admin):
            continue
        since = here.history.time(ledger.number_bound(account))
        action: Action = Add(account) if is_new else Promote(account)
        cause = _cause(here.history, action, since)
        if cause.account is None or not roster.is_joined(cause.account):
            cause = _Cause(chat.account, cause.since)
        if roster.is_admin(me) or cause.account == me:
            found.append(_Late(key, is_new, is_admin, cause))
    return found


def _named(ledger: Ledger, chat: Chat) -> tuple[set[str], set[str]]:
    """Whom events of the chat ever added, or removed, and whom they ever made an admin, or no admin any more."""
    added: set[str] = set()
    raised: set[str] = set()
    for told in ledger.told:
        if told.chat is chat:
            event = told.signed.event
            if event.type in {EventType.MEMBERS_ADDED, EventType.MEMBER_REMOVED}:
                added.update(event.members)
            elif event.type in {EventType.ADMINS_ADDED, EventType.ADMIN_REMOVED}:
                raised.update(event.members)
    return added, raised


def _events(late: list[_Late]) -> list[MembershipUpdateEvent]:
    new = tuple(sorted(one.key.legacy for one in late if one.is_new))
    admins = tuple(sorted(one.key.legacy for one in late if one.is_admin))
    found = []
    if new:
        found.append(MembershipUpdateEvent(type=EventType.MEMBERS_ADDED, members=new))
    if admins:
        found.append(MembershipUpdateEvent(type=EventType.ADMINS_ADDED, members=admins))
    return found


def _cause(history: History, action: Action, since: int) -> _Cause:
    """Who did this last."""
    for entry in reversed(history.controls):
        if _did(entry, action):
            return _Cause(entry.fact.account, max(since, entry.fact.time))
    return _Cause(None, since)


def _did(entry: Entry, action: Action) -> bool:
    return entry.fact.control is not None and entry.fact.control.action == action


def _snapshot(ledger: Ledger, here: Source, number: int, account: AccountId, mine: Key) -> list[MembershipUpdateEvent]:
    roster = here.roster_at(here.history.id(number))
    before = ledger.fold_at(number)
    shown = profiles.shown(roster.profile)
    members: set[str] = set()
    admins: set[str] = set()
    for who in sorted(roster.joined | roster.invited):
        key = ledger.key_at(number, who)
        if key is None or who == account or key == mine:
            continue
        is_foreign = key.uri == who
        if not roster.is_joined(who) and not is_foreign:
            continue
        if is_foreign and before is not None and key.legacy not in before.group.members:
            continue  # it left there, and here nobody saw to it
        members.add(key.legacy)
        if roster.is_admin(who) or (is_foreign and before is not None and key.legacy in before.group.admins):
            admins.add(key.legacy)
    made = [
        MembershipUpdateEvent(
            type=EventType.CHAT_CREATED, name=shown.title, color=color_of(ledger.conversation, roster.profile)
        )
    ]
    if members:
        made.append(MembershipUpdateEvent(type=EventType.MEMBERS_ADDED, members=tuple(sorted(members))))
    if admins:
        made.append(MembershipUpdateEvent(type=EventType.ADMINS_ADDED, members=tuple(sorted(admins))))
    if shown.photo:
        made.append(MembershipUpdateEvent(type=EventType.IMAGE_CHANGED, image=mapping.picture(shown.photo)))
    return made
