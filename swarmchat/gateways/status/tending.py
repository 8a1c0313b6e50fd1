"""What a node writes for Status without anybody asking: a chat opened anew, members whose key came late. Pure. (SCP-09 §3.7)"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from swarmchat.conversation import profile as profiles
from swarmchat.conversation.actions import Action, Add, Ban, Promote
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.status import chat_ids, clock, events, mapping, notes
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.fold import Fold, Group
from swarmchat.gateways.status.ledger import Ledger, Source
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
    """Whether the account is in the conversation, which is told to Status, and has never said here which key it has."""
    is_told = roster.mode != 0 or ledger.is_bridged
    return is_told and roster.is_joined(account) and not ledger.has_claimed(account)


def parents(here: Source, main: CommitId | None, heads: Sequence[CommitId]) -> list[int]:
    """The commits that ours may come after: `main`, or while that is a merge nobody built on, the heads."""
    number = None if main is None else here.history.find(main)
    return [number] if number is not None else [here.history.number(head) for head in heads]


def due(
    ledger: Ledger, here: Source, number: int, roster: Roster, account: AccountId, secret: Secret, now_ms: int
) -> Due:
    """What this account is to write after that commit, or when to look again. The ledger has followed `here`."""
    chat = ledger.chat_at(number)
    if chat is None or chat.pair is not None:  # nothing is due between two
        return Due()
    if not ledger.bindings.is_bound(account, secret.public, here.history.id(number)):
        return Due()
    folded = ledger.fold_of(chat, now_ms)
    bans = _bans(ledger, here, roster, folded.group) if roster.is_admin(account) else []
    if bans:
        left = _left_s(bans, account, now_ms)
        if left > 0:
            return Due(again_s=left)
        opened = opening(ledger, here, number, account, secret, now_ms)
        return Due(notes.BRIDGE, opened, f"a chat after {chat.id}")
    late = _late(ledger, here, roster, chat, folded, account, secret.public)
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
    timely = [cause.since for cause in causes if clock.is_acceptable(cause.since * 1000, now_ms)]
    return (
        min(timely) + GRACE_S - now_ms / 1000 if len(timely) == len(causes) else 0.0
    )  # nobody is waited for till then


def _bans(ledger: Ledger, here: Source, roster: Roster, group: Group) -> list[_Cause]:
    """The bans of admins of the chat, whom nobody can remove there."""
    banned: list[Action] = []
    for text in group.admins:
        try:
            who = ledger.account_of(Key.parse(text))
        except ValueError:
            continue  # an event made an admin of what is no key
        if roster.is_banned(who):
            banned.append(Ban(who))
    done = _done(here.history, banned)
    return [_Cause(done[ban].account, done[ban].since) if ban in done else _Cause(None, 0) for ban in banned]


def _late(
    ledger: Ledger, here: Source, roster: Roster, chat: Chat, folded: Fold, me: AccountId, mine: Key
) -> list[_Late]:
    """Members here whom the chat never heard of as such: their key was not known when they were added, or made admins."""
    group = folded.group
    if mine.legacy not in group.members or not roster.is_joined(me):
        return []
    added, raised = _named(folded)
    found: dict[AccountId, tuple[Key, bool, bool]] = {}
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
        if is_new or is_admin:
            found[account] = key, is_new, is_admin
    calls: dict[AccountId, Action] = {who: Add(who) if found[who][1] else Promote(who) for who in found}
    done = _done(here.history, calls.values())
    late = []
    for account, (key, is_new, is_admin) in found.items():
        bound = here.history.time(ledger.number_bound(account))
        cause = done.get(calls[account], _Cause(None, bound))
        if cause.account is None or not roster.is_joined(cause.account):
            cause = _Cause(chat.account, bound)
        if roster.is_admin(me) or cause.account == me:
            late.append(_Late(key, is_new, is_admin, _Cause(cause.account, max(cause.since, bound))))
    return late


def _named(folded: Fold) -> tuple[set[str], set[str]]:
    """Whom events of the chat ever added, or removed, and whom they ever made an admin, or no admin any more."""
    added: set[str] = set()
    raised: set[str] = set()
    for signed in folded.events:
        event = signed.event
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


def _done(history: History, wanted: Collection[Action]) -> dict[Action, _Cause]:
    """Who did each of these last, and when."""
    left, found = set(wanted), {}
    for entry in reversed(history.controls) if left else ():
        control = entry.fact.control
        if control is not None and control.action in left:
            found[control.action] = _Cause(entry.fact.account, entry.fact.time)
            left.discard(control.action)
            if not left:
                break
    return found


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
    chat = ledger.chat_at(number)
    if chat is not None and before is not None and _is_nowhere(ledger, roster, chat.creator):
        creator = chat.creator.legacy  # of an imported chat: no event added him, so no commit did
        members.update({creator} & before.group.members.keys())
        admins.update({creator} & before.group.admins.keys())
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


def _is_nowhere(ledger: Ledger, roster: Roster, key: Key) -> bool:
    """Whether a key is nobody's who stands in the tree."""
    who = ledger.account_of(key)
    return who == key.uri and who not in roster.joined | roster.invited and not roster.is_banned(who)
