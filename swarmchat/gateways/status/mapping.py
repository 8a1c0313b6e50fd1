"""From what a commit does to what Status says for it, and what Status has no words for. Pure. (SCP-09 §3.8)"""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from swarmchat.conversation import profile as profiles
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    FileOffer,
    FileWithdrawal,
    Initial,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import entities, reading, words
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Fault, Group, Rules
from swarmchat.gateways.status.ledger import Ledger, Source
from swarmchat.gateways.status.wire import (
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    EventType,
    MembershipUpdateEvent,
    MessageType,
)
from swarmchat.ids import AccountId, CommitId, DeviceId, is_device


class Why(enum.StrEnum):
    """Why Status hears nothing of a commit, or not all."""

    BEFORE = "before-the-chat"  # it was not opened yet
    NOT_BOUND = "not-bound"  # its author has bound no key before
    NOT_SIGNED = "not-signed"  # it could have been, and its author did not
    ONE_TO_ONE = "one-to-one"  # which is no group: nothing happens in it but what is said
    VOTE = "vote"
    DEVICE = "device"
    DESCRIPTION = "description"  # or another part of a profile that Status has not
    EMPTIED = "emptied"  # a name, colour or picture taken away
    KEY_UNKNOWN = "key-unknown"  # of the person it is about
    BAN_OF_ADMIN = "ban-of-admin"
    RULES = "rules"  # clients would not take it
    MESSAGE_UNKNOWN = "message-unknown"  # what it speaks about was not said there
    NOT_THE_AUTHOR = "not-the-author"
    SPLIT = "split"  # an edit of, or to, a text over 4,096 characters
    REACTION_CHANGED = "reaction-changed"
    CLOCK_AHEAD = "clock-ahead"  # the clocks of those before are so far ahead that clients would take nothing
    TOO_BIG = "too-big"
    OTHER_TYPE = "other-type"


@dataclass(frozen=True, slots=True)
class Unmappable:
    """What Status has no words for."""

    reason: Why
    about: str = ""


Entity = ChatMessage | EmojiReaction | EditMessage | DeleteMessage
KeyOf = Callable[[AccountId], Key | None]


def events_of(
    action: Action, author: AccountId, key_of: KeyOf, before: bytes | None, after: bytes | None
) -> tuple[MembershipUpdateEvent, ...] | Unmappable | None:
    """The group events of a commit, without clocks; None for one that is about no group. `before`, `after`: the profiles."""
    match action:
        case CastVote():
            return Unmappable(Why.VOTE)
        case UpdateDevice():
            return Unmappable(Why.DEVICE)
        case UpdateProfile():
            events, missing = profile_events(before, after)
            return events or Unmappable(missing[0] if missing else Why.DESCRIPTION)
        case Join():
            return (MembershipUpdateEvent(type=EventType.MEMBER_JOINED),)
        case Add(uri) | Unban(uri):
            return _about(EventType.MEMBERS_ADDED, uri, key_of)
        case Leave() | Demote():
            kind = EventType.MEMBER_REMOVED if isinstance(action, Leave) else EventType.ADMIN_REMOVED
            return _about(kind, author, key_of)
        case Kick(uri) | Ban(uri):
            return _about(EventType.MEMBER_REMOVED, uri, key_of)
        case Promote(uri):
            return _about(EventType.ADMINS_ADDED, uri, key_of)
        case _:
            return None


def _about(
    kind: EventType, target: AccountId | DeviceId, key_of: KeyOf
) -> tuple[MembershipUpdateEvent, ...] | Unmappable:
    if is_device(target):
        return Unmappable(Why.DEVICE)
    key = key_of(AccountId(target))
    if key is None:
        return Unmappable(Why.KEY_UNKNOWN, target)
    return (MembershipUpdateEvent(type=kind, members=(key.legacy,)),)


def profile_events(
    before: bytes | None, after: bytes | None
) -> tuple[tuple[MembershipUpdateEvent, ...], tuple[Why, ...]]:
    """Name, colour, picture, in this order, where they changed; and why a change is none for Status."""
    old, new = profiles.shown(before), profiles.shown(after)
    rows = (
        (old.title, new.title, MembershipUpdateEvent(type=EventType.NAME_CHANGED, name=new.title)),
        (old.color, new.color, MembershipUpdateEvent(type=EventType.COLOR_CHANGED, color=new.color or "")),
        (old.photo, new.photo, MembershipUpdateEvent(type=EventType.IMAGE_CHANGED, image=picture(new.photo))),
    )
    events = [event for was, now, event in rows if now and was != now]
    missing = [Why.EMPTIED for was, now, _ in rows if was and not now]
    if old.description != new.description:
        missing.append(Why.DESCRIPTION)
    return tuple(events), tuple(missing)


def picture(photo: str | None) -> bytes:
    """The bytes of a picture that stands in a profile as a data URI."""
    return base64.b64decode(photo.partition(",")[2]) if photo else b""


def group_fault(group: Group, author: Key, events: Sequence[MembershipUpdateEvent]) -> Unmappable | None:
    """Why clients would refuse one of these events by that author; else the group is changed by them."""
    for event in events:
        signed = SignedEvent(b"", event, author)
        fault = group.fault(signed, Rules.STATUS_GO)
        if fault is not None:
            return Unmappable(Why.BAN_OF_ADMIN if fault is Fault.TARGET_IS_ADMIN else Why.RULES, fault)
        group.apply(signed, Rules.STATUS_GO)
    return None


def copied(group: Group) -> Group:
    """A group of one's own."""
    return replace(group, members=dict(group.members), admins=dict(group.admins), joined=set(group.joined))


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says something after which commit, and what that is on top of."""

    ledger: Ledger
    here: Source
    number: int  # of the parent
    chat: Chat
    account: AccountId
    key: Key
    name: str
    now_ms: int

    def says(self, action: Action) -> tuple[Entity, ...] | Unmappable | None:
        """What is said by an action, without clocks; None for one that says nothing."""
        match action:
            case Post(body, reply_to):
                return self._texts(words.pieces(body), reply_to)
            case FileOffer():
                return self._texts([words.of_file(action)], action.reply_to)
            case React(body, target):
                return self._reaction(body, target)
            case Edit(body, target):
                return self._change(body, target)
            case FileWithdrawal(target):
                return self._change("", target)
            case _:
                return None

    def fault(self, entity: Entity) -> Unmappable | None:
        """Why clients would refuse it, its clock left aside."""
        refused = entities.fault(replace(entity, clock=self.now_ms), self.now_ms)
        return None if refused is None else Unmappable(Why.RULES, refused.reason)

    def _texts(self, texts: list[str], reply_to: CommitId | None) -> tuple[Entity, ...]:
        answered = self._message_of(reply_to) or ""
        first, *more = texts or [""]
        return self._text(first, answered), *[self._text(text) for text in more]

    def _text(self, text: str, answered: str = "", kind: ContentType = ContentType.TEXT_PLAIN) -> ChatMessage:
        return ChatMessage(
            timestamp=self.now_ms,
            text=text,
            response_to=answered,
            chat_id=self._id,
            message_type=self._kind,
            content_type=kind,
            display_name=words.display_name(self.name),
        )

    def _reaction(self, body: str, target: CommitId) -> tuple[Entity, ...] | Unmappable:
        message = self._message_of(target)
        if message is None:
            return Unmappable(Why.MESSAGE_UNKNOWN, target)
        kind = words.reaction_of(body)
        if kind is None:
            return (self._text(body, message, ContentType.EMOJI),)
        return (EmojiReaction(chat_id=self._id, message_id=message, message_type=self._kind, type=kind),)

    def _change(self, body: str, target: CommitId) -> tuple[Entity, ...] | Unmappable:
        number = self.ledger.number_of(target)
        commit = None if number is None else self.here.commit(target)
        said = reading.said(self.ledger, number, commit, self.account) if isinstance(commit, Commit) and number else ()
        if isinstance(said, Refused) or not said:
            return Unmappable(Why.MESSAGE_UNKNOWN, target)
        if any(one.author != self.key for one in said):
            return Unmappable(Why.NOT_THE_AUTHOR, target)
        first = said[0].entity
        if isinstance(first, EmojiReaction):
            if body and words.reaction_of(body) != first.type:
                return Unmappable(Why.REACTION_CHANGED)
            return (replace(first, retracted=not body),)
        if not body:
            return tuple([self._deletion(one.envelope.id) for one in said])
        if len(said) > 1 or len(words.pieces(body)) > 1:
            return Unmappable(Why.SPLIT)
        kind = first.content_type if isinstance(first, ChatMessage) else ContentType.TEXT_PLAIN
        return (
            EditMessage(
                text=body,
                chat_id=self._id,
                message_id=said[0].envelope.id,
                message_type=self._kind,
                content_type=kind,
            ),
        )

    def _deletion(self, message: str) -> DeleteMessage:
        return DeleteMessage(chat_id=self._id, message_id=message, message_type=self._kind)

    @property
    def _id(self) -> str:
        return self.chat.id_by(self.key)

    @property
    def _kind(self) -> MessageType:
        return MessageType.PRIVATE_GROUP if self.chat.pair is None else MessageType.ONE_TO_ONE

    def _message_of(self, commit: CommitId | None) -> str | None:
        number = None if commit is None else self.ledger.number_of(commit)
        return None if number is None else self.ledger.message_of(number)


def is_of_gateways(action: Action) -> bool:
    """Whether a commit is a gateway's own, or the first: nobody misses it in Status."""
    return isinstance(action, Initial) or (isinstance(action, Other) and action.type.startswith("application/status-"))
