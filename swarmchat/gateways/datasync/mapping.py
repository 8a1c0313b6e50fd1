"""What a client message is as a commit, and a commit as a client message; what is neither says why. Pure. (SCP-09 §4.5)

A message of somebody who has no account is written by the device that takes it in. Nothing that he says may make that
device say or change anything of its own: what he changes must be his, and no type of a gateway is written for him.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from swarmchat.conversation import actions
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    Edit,
    FileOffer,
    FileWithdrawal,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    React,
    UpdateProfile,
)
from swarmchat.conversation.rejection import Rejection
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.datasync import messages
from swarmchat.gateways.datasync.messages import Body, Content
from swarmchat.gateways.datasync.payload import ID_BYTES, GroupId, MessageId
from swarmchat.ids import AccountId, CommitId
from swarmchat.limits import BODY_BYTES_MAX

FIELD: Final = "mvds"  # of a commit's JSON
ABOUT: Final = "of"  # of the JSON in a POST: the message that `edit` or `react-to` is about, for who knows no commits
BRIDGE: Final = "application/mvds-bridge"  # opens a conversation for data sync
EVENT: Final = "application/mvds-event"  # says nothing but what its message says
_OWN: Final = frozenset({BRIDGE, EVENT, BINDING})
_WORDS: Final = {Content.STICKER: "sticker", Content.STATUS: "status", Content.COMMAND: "command"}
_ACCOUNT_CHARS: Final = 40


class Why(StrEnum):
    """Why something has no counterpart."""

    NO_COUNTERPART = "no-counterpart"  # votes, promotions, devices, the first commit
    OF_A_GATEWAY = "of-a-gateway"  # written for this one or another
    NO_KEY = "no-key"  # nobody here knows the key of the account
    TOO_BIG = "too-big"
    RECEIPT = "receipt"  # an ACK stands in no log
    NOT_READABLE = "not-readable"
    NOT_THEIRS = "not-theirs"  # it changes what another has written
    NOT_ALLOWED = "not-allowed"  # the law of the conversation does not let the device that takes it in


@dataclass(frozen=True, slots=True)
class Unmappable:
    """It has no counterpart."""

    reason: Why


@dataclass(frozen=True, slots=True)
class Plan:
    """A commit to be written: the action, and what its JSON says besides."""

    action: Action
    extra: Mapping[str, object]


class Scene(Protocol):
    """What importing asks of the conversation."""

    def commit_of(self, message: MessageId) -> CommitId | None:
        """The commit that is this message."""

    def account_of(self, key: Key) -> AccountId:
        """Whose key it is; nobody's stands for itself."""

    def is_theirs(self, commit: CommitId) -> bool:
        """Whether the sender said this, and our account wrote it for him: then it can be changed for him."""

    def may_add(self, account: AccountId) -> bool:
        """Whether the sender, and our account, may invite that one."""

    def may_kick(self, account: AccountId) -> bool:
        """Whether the sender, and our account, may put that one out."""


# --- from a commit


def exported(
    action: Action,
    said: Mapping[str, Any],
    group: GroupId,
    me: Key,
    key_of: Callable[[AccountId], Key | None],
    profile: bytes | None = None,
    message_of: Callable[[CommitId], MessageId | None] = lambda _: None,
) -> Body | Unmappable:
    """What a commit of ours says in the group; `said` is what its JSON has beside the action.

    `message_of`: the message that a commit is; who has no commits is told by it what was edited or reacted to.
    """
    match action:
        case Post(body):
            return messages.text_post(body)
        case React(target=target) | Edit(target=target) | FileWithdrawal(target=target):
            about = message_of(target)
            told = {} if about is None else {ABOUT: about.hex()}
            return messages.commit_post(actions.message(action, told).decode())
        case FileOffer():
            return messages.commit_post(actions.message(action).decode())
        case UpdateProfile() if profile is not None:
            vcf = {"type": actions.PROFILE, "vcf": base64.b64encode(profile).decode()}
            return messages.commit_post(json.dumps(vcf, sort_keys=True, separators=(",", ":")))
        case Add(uri):
            key = key_of(uri)
            return Unmappable(Why.NO_KEY) if key is None else messages.Invite(key, group)
        case Join():
            return messages.Join(me, group)
        case Leave():
            return messages.Leave(me, group)
        case Kick(uri) | Ban(uri) if len(uri) == _ACCOUNT_CHARS:
            key = key_of(AccountId(uri))
            return Unmappable(Why.NO_KEY) if key is None else messages.Kick(key, group)
        case Other(kind) if kind == EVENT:
            return _intended(said, group, me, key_of)
        case Other(kind):
            if kind in _OWN or kind.startswith("application/status-bridge"):
                return Unmappable(Why.OF_A_GATEWAY)
            return messages.commit_post(actions.message(action, said).decode())
        case _:
            return Unmappable(Why.NO_COUNTERPART)


def intention(word: str, about: AccountId | None = None) -> dict[str, str]:
    """What the JSON of an `EVENT` says so that `exported` makes a message of it: `join`, or `invite` with an account."""
    return {"body": word} | ({} if about is None else {"uri": about})


def _intended(
    said: Mapping[str, Any], group: GroupId, me: Key, key_of: Callable[[AccountId], Key | None]
) -> Body | Unmappable:
    if said.get("body") == "join":
        return messages.Join(me, group)
    key = key_of(AccountId(str(said.get("uri")))) if said.get("body") == "invite" else None
    return Unmappable(Why.NO_KEY) if key is None else messages.Invite(key, group)


# --- to a commit


def imported(body: Body, scene: Scene) -> Plan | Unmappable:
    """The commit that a valid message becomes. What has no form of its own is an `EVENT`; an ACK nothing at all."""
    match body:
        case messages.Post():
            return _said(body, scene)
        case messages.Join():
            return event("join")
        case messages.Leave():
            return event("leave")
        case messages.Invite(invitee):
            account = scene.account_of(invitee)
            return Plan(Add(account), {}) if scene.may_add(account) else event("invite", Why.NOT_ALLOWED)
        case messages.Kick(target):
            account = scene.account_of(target)
            return Plan(Kick(account), {}) if scene.may_kick(account) else event("kick", Why.NOT_ALLOWED)
        case messages.Ack():
            return Unmappable(Why.RECEIPT)


def event(word: str, why: Why | None = None) -> Plan:
    """A commit that keeps a message and says no more than it."""
    return Plan(Other(EVENT), {"body": word} | ({} if why is None else {"reason": why}))


def _said(post: messages.Post, scene: Scene) -> Plan:
    match post.content:
        case Content.COMMIT:
            return _of_commit(post, scene)
        case Content.EMOJI if post.data[ID_BYTES:]:
            target, emoji = scene.commit_of(MessageId(post.data[:ID_BYTES])), _text(post.data[ID_BYTES:])
            if target is not None and emoji is not None:
                return Plan(React(emoji, target), {})
    text = _shown(post)
    if text is None:
        return event("post", Why.NOT_READABLE)
    return Plan(Post(text), {}) if len(text.encode()) <= BODY_BYTES_MAX else event("post", Why.TOO_BIG)


def _shown(post: messages.Post) -> str | None:
    if post.content in _WORDS:
        return " ".join(filter(None, [f"[{_WORDS[post.content]}]", post.text]))
    return None if post.content is Content.OPAQUE else post.text


def _of_commit(post: messages.Post, scene: Scene) -> Plan:
    action = _action(post)
    match action:
        case None:
            return event("post", Why.NOT_READABLE)
        case Post() | React() | FileOffer():
            return Plan(action, {})
        case Edit(target=target) | FileWithdrawal(target=target):
            return Plan(action, {}) if scene.is_theirs(target) else event("post", Why.NOT_THEIRS)
        case _:
            return event("post", Why.NO_COUNTERPART)


# --- both


def agrees(
    action: Action, said: Mapping[str, Any], body: Body, scene: Scene, owns: Callable[[Key, AccountId], bool]
) -> bool:
    """Whether a commit says what the message in it says: else somebody puts words into another's mouth.

    `owns`: whether a key stands for an account there.
    """
    match body, action:
        case _, Other(kind) if kind == EVENT:
            return True
        case messages.Invite(), Other(kind) if kind == BRIDGE:
            return True
        case messages.Invite(invitee), Add(uri):
            return owns(invitee, uri)
        case (messages.Join(), Join()) | (messages.Leave(), Leave()):
            return True
        case messages.Kick(target), Kick(uri) | Ban(uri):
            return owns(target, AccountId(uri))
        case messages.Post(), UpdateProfile():
            return isinstance(_action(body), UpdateProfile)
        case messages.Post(), Other():
            told = [
                {key: value for key, value in said.items() if key not in out} for out in ({FIELD}, {FIELD, "status"})
            ]
            return body.content is Content.COMMIT and _json(body) in told
        case messages.Post(), Post(text) if body.content is not Content.COMMIT:
            return _shown(body) == text or _plain(body, scene) == Post(text)
        case messages.Post(), _:
            return _plain(body, scene) == action
        case _:
            return False


def _plain(post: messages.Post, scene: Scene) -> Action | None:
    if post.content is Content.COMMIT:
        return _action(post)
    return _said(post, scene).action


def _action(post: messages.Post) -> Action | None:
    if post.content is not Content.COMMIT:
        return None
    found = actions.parse(post.data)
    return None if isinstance(found, Rejection) else found[0]


def _json(post: messages.Post) -> object:
    found = actions.read_object(post.data)
    return None if isinstance(found, Rejection) else found


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
