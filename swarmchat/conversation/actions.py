"""All that a commit can say, and its JSON. (SCP-02 §2.2, §3)"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from swarmchat import limits
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.tree import BallotKind, Mode
from swarmchat.ids import AccountId, CommitId, DeviceId, account_id, commit_id, target_id

RULES_VERSION = 1
Body = Mapping[str, Any]  # the JSON object of a commit, unknown keys included


@dataclass(frozen=True, slots=True)
class Initial:
    """The root: mode, a nonce so that two rooms differ, and in mode 0 the other person."""

    mode: Mode
    nonce: str
    invited: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Invite an account."""

    uri: AccountId


@dataclass(frozen=True, slots=True)
class Join:
    """Enter: one's own account."""

    uri: AccountId


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave (`remove` on the wire): one's own account."""

    uri: AccountId


@dataclass(frozen=True, slots=True)
class Kick:
    """Take a member or an invitation away; may be added again."""

    uri: AccountId


@dataclass(frozen=True, slots=True)
class Promote:
    """Make a member an admin: alone by a sole admin, else as resolution of a ballot."""

    uri: AccountId


@dataclass(frozen=True, slots=True)
class Demote:
    """Become a member again: one's own account."""

    uri: AccountId


@dataclass(frozen=True, slots=True)
class Ban:
    """Resolve a ballot: an account or a device is banned."""

    uri: AccountId | DeviceId


@dataclass(frozen=True, slots=True)
class Unban:
    """Resolve a ballot: an account or a device comes back to where it was."""

    uri: AccountId | DeviceId


@dataclass(frozen=True, slots=True)
class CastVote:
    """One vote in a ballot."""

    kind: BallotKind
    uri: AccountId | DeviceId


@dataclass(frozen=True, slots=True)
class UpdateProfile:
    """A new `profile.vcf`."""


@dataclass(frozen=True, slots=True)
class UpdateDevice:
    """Housekeeping alone: a renewed certificate, a new device, a revocation list."""


@dataclass(frozen=True, slots=True)
class Post:
    """A message, perhaps in reply to another commit."""

    body: str
    reply_to: CommitId | None = None


@dataclass(frozen=True, slots=True)
class React:
    """A reaction to a commit."""

    body: str
    target: CommitId


@dataclass(frozen=True, slots=True)
class Edit:
    """A new text for one's own message; an empty one deletes it. Names the first commit, never an earlier edit."""

    body: str
    target: CommitId


@dataclass(frozen=True, slots=True)
class FileOffer:
    """A file on offer; its bytes are never in git."""

    name: str
    size: int
    sha3: str
    tid: str
    reply_to: CommitId | None = None


@dataclass(frozen=True, slots=True)
class FileWithdrawal:
    """A file offer is taken back (`edit` with an empty `tid`)."""

    target: CommitId


@dataclass(frozen=True, slots=True)
class Other:
    """A type this version knows nothing of: kept, shown as unknown, changes no file."""

    type: str


Action = (
    Initial
    | Add
    | Join
    | Leave
    | Kick
    | Promote
    | Demote
    | Ban
    | Unban
    | CastVote
    | UpdateProfile
    | UpdateDevice
    | Post
    | React
    | Edit
    | FileOffer
    | FileWithdrawal
    | Other
)

TEXT = "text/plain"
FILE = "application/data-transfer+json"
PROFILE = "application/update-profile"
DEVICE = "application/update-device"
EDITABLE_TYPES = frozenset({TEXT, FILE})

_MEMBER_ACTIONS: Mapping[str, type[Add | Join | Leave | Kick | Promote | Demote | Ban | Unban]] = {
    "add": Add,
    "join": Join,
    "remove": Leave,
    "kick": Kick,
    "promote": Promote,
    "demote": Demote,
    "ban": Ban,
    "unban": Unban,
}
_MEMBER_WORDS = {kind: word for word, kind in _MEMBER_ACTIONS.items()}
_TYPE = re.compile(r"[!-~]{1,128}")
_NONCE = re.compile(r"[0-9a-f]{32}")
_SHA3 = re.compile(r"[0-9a-f]{128}")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_INTEGER_CHARS_MAX = 20  # of a signed 64-bit integer; more is not even converted


class _FaultError(ValueError):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def parse(message: bytes) -> tuple[Action, Body] | Rejection:
    """Read a commit message: the action and the whole JSON object, or why it is refused. (SCP-02 §2.2, §3)"""
    try:
        body = _json_object(message)
        return _action(body), body
    except _FaultError as fault:
        return fault.rejection


def read_object(message: bytes) -> Body | Rejection:
    """The JSON object of a message, as strict as for any commit, whatever it says. (SCP-02 §2.2)"""
    try:
        return _json_object(message)
    except _FaultError as fault:
        return fault.rejection


def message(action: Action, extra: Mapping[str, object] | None = None) -> bytes:
    """Write the commit message of an action: compact JSON, keys sorted, UTF-8, no newline. `extra` adds unknown keys.

    Raises ValueError for a lone surrogate or a number that JSON has not; sizes are judged by who reads it (`parse`).
    """
    fields = dict(extra or {}) | _fields(action)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def type_of(action: Action) -> str:
    """The `type` of an action on the wire."""
    return cast(str, _fields(action)["type"])


def _fields(action: Action) -> dict[str, object]:
    match action:
        case Initial(mode, nonce, invited):
            root: dict[str, object] = {"type": "initial", "mode": mode, "rules": RULES_VERSION, "nonce": nonce}
            return root | ({"invited": invited} if invited is not None else {})
        case Add(uri) | Join(uri) | Leave(uri) | Kick(uri) | Promote(uri) | Demote(uri) | Ban(uri) | Unban(uri):
            member: dict[str, object] = {"type": "member", "action": _MEMBER_WORDS[type(action)], "uri": uri}
            return member
        case CastVote(kind, uri):
            return {"type": "vote", "kind": kind, "uri": uri}
        case UpdateProfile():
            return {"type": PROFILE}
        case UpdateDevice():
            return {"type": DEVICE}
        case Post(body, reply_to):
            post: dict[str, object] = {"type": TEXT, "body": body}
            return post | ({"reply-to": reply_to} if reply_to is not None else {})
        case React(body, target):
            return {"type": TEXT, "body": body, "react-to": target}
        case Edit(body, target):
            return {"type": TEXT, "body": body, "edit": target}
        case FileOffer(name, size, sha3, tid, reply_to):
            offer: dict[str, object] = {
                "type": FILE,
                "displayName": name,
                "totalSize": size,
                "sha3sum": sha3,
                "tid": tid,
            }
            return offer | ({"reply-to": reply_to} if reply_to is not None else {})
        case FileWithdrawal(target):
            return {"type": FILE, "edit": target, "tid": ""}
        case Other(name):
            return {"type": name}


def _action(body: Body) -> Action:
    kind = body.get("type")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise _FaultError(Reason.MALFORMED_ACTION, "`type` is missing or no printable ASCII of 1 to 128 characters")
    match kind:
        case "initial":
            return _initial(body)
        case "member":
            word = body.get("action")
            if not isinstance(word, str) or word not in _MEMBER_ACTIONS:
                raise _FaultError(Reason.MALFORMED_ACTION, "`action` of a member commit is none that exists")
            build = _MEMBER_ACTIONS[word]
            return build(_target(body) if build in (Ban, Unban) else _account(body, "uri"))  # type: ignore[arg-type]
        case "vote":
            ballot = body.get("kind")
            if ballot not in ("ban", "unban", "promote"):
                raise _FaultError(Reason.MALFORMED_ACTION, "`kind` of a vote is ban, unban or promote")
            return CastVote(cast(BallotKind, ballot), _target(body))
        case "application/update-profile":
            return UpdateProfile()
        case "application/update-device":
            return UpdateDevice()
        case "text/plain":
            return _text(body)
        case "application/data-transfer+json":
            return _file(body)
        case _:
            return Other(kind)


def _initial(body: Body) -> Initial:
    mode, nonce = body.get("mode"), body.get("nonce")
    if type(mode) is not int or mode not in (0, 1, 2, 3):
        raise _FaultError(Reason.BAD_INITIAL, "`mode` is 0, 1, 2 or 3")
    if type(body.get("rules")) is not int or body["rules"] != RULES_VERSION:
        raise _FaultError(Reason.BAD_INITIAL, f"`rules` is not {RULES_VERSION}: made by a newer or another program")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise _FaultError(Reason.BAD_INITIAL, "`nonce` is 32 lower-case hex digits")
    if mode != 0 and "invited" in body:
        raise _FaultError(Reason.BAD_INITIAL, "only a one-to-one conversation names its guest in the root")
    return Initial(cast(Mode, mode), nonce, _account(body, "invited") if "invited" in body else None)


def _text(body: Body) -> Post | React | Edit:
    text = _string(body, "body", limits.BODY_BYTES_MAX)
    relations = [key for key in ("reply-to", "react-to", "edit") if key in body]
    match relations:
        case []:
            return Post(text)
        case ["reply-to"]:
            return Post(text, _commit(body, "reply-to"))
        case ["react-to"]:
            return React(text, _commit(body, "react-to"))
        case ["edit"]:
            return Edit(text, _commit(body, "edit"))
        case _:
            raise _FaultError(Reason.MALFORMED_ACTION, "reply-to, react-to and edit exclude each other")


def _file(body: Body) -> FileOffer | FileWithdrawal:
    if "edit" in body:
        if body.get("tid") != "" or "reply-to" in body or "react-to" in body:
            raise _FaultError(
                Reason.MALFORMED_ACTION, "a file offer is taken back with an empty `tid` and nothing else"
            )
        return FileWithdrawal(_commit(body, "edit"))
    if "react-to" in body:
        raise _FaultError(Reason.MALFORMED_ACTION, "a file is no reaction")
    size, sha3 = body.get("totalSize"), body.get("sha3sum")
    if type(size) is not int or size < 0:
        raise _FaultError(Reason.MALFORMED_ACTION, "`totalSize` is a number of bytes")
    if not isinstance(sha3, str) or not _SHA3.fullmatch(sha3):
        raise _FaultError(Reason.MALFORMED_ACTION, "`sha3sum` is 128 lower-case hex digits")
    name, tid = _string(body, "displayName", limits.BODY_BYTES_MAX), _string(body, "tid", 64)
    return FileOffer(name, size, sha3, tid, _commit(body, "reply-to") if "reply-to" in body else None)


def _string(body: Body, key: str, limit: int) -> str:
    text = body.get(key)
    if not isinstance(text, str):
        raise _FaultError(Reason.MALFORMED_ACTION, f"`{key}` is missing or no text")
    if len(text) > limit or len(text.encode()) > limit:
        raise _FaultError(Reason.TOO_BIG, f"`{key}` is over {limit} bytes")
    return text


def _account(body: Body, key: str) -> AccountId:
    try:
        return account_id(cast(str, body.get(key)))
    except ValueError as fault:
        raise _FaultError(Reason.MALFORMED_ACTION, f"`{key}`: {fault}") from None


def _commit(body: Body, key: str) -> CommitId:
    try:
        return commit_id(cast(str, body.get(key)))
    except ValueError as fault:
        raise _FaultError(Reason.MALFORMED_ACTION, f"`{key}`: {fault}") from None


def _target(body: Body) -> AccountId | DeviceId:
    uri = body.get("uri")
    try:
        return target_id(uri if isinstance(uri, str) else "")
    except ValueError:
        raise _FaultError(Reason.MALFORMED_ACTION, "`uri` is an account id (40 hex) or a device id (64 hex)") from None


# --- JSON as strict as the page asks


def _json_object(text: bytes) -> Body:
    if len(text) > limits.MESSAGE_BYTES_MAX:
        raise _FaultError(Reason.TOO_BIG, f"the message is over {limits.MESSAGE_BYTES_MAX} bytes")
    if not text.startswith(b"{") or not text.endswith(b"}"):
        raise _FaultError(Reason.MALFORMED_MESSAGE, "the message is no JSON object from its first byte to its last")
    try:
        body = _DECODER.decode(text.decode())
    except _FaultError:
        raise
    except (ValueError, RecursionError) as fault:
        raise _FaultError(Reason.MALFORMED_MESSAGE, f"no strict JSON: {type(fault).__name__}") from None
    if text.count(b"{") + text.count(b"[") > limits.JSON_DEPTH_MAX and _depth(body) > limits.JSON_DEPTH_MAX:
        raise _FaultError(Reason.MALFORMED_MESSAGE, f"deeper than {limits.JSON_DEPTH_MAX}")
    if _SURROGATE_ESCAPE.search(text):
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _FaultError(Reason.MALFORMED_MESSAGE, "a lone surrogate") from None
    return cast(Body, body)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _FaultError(Reason.MALFORMED_MESSAGE, "a key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _FaultError(Reason.MALFORMED_MESSAGE, f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_CHARS_MAX or not -(2**63) <= (number := int(digits)) < 2**63:
        raise _FaultError(Reason.MALFORMED_MESSAGE, "an integer of more than 64 bits")
    return number


def _real(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise _FaultError(Reason.MALFORMED_MESSAGE, "a number beyond all bounds")
    return number


def _depth(value: object, seen: int = 1) -> int:
    if seen > limits.JSON_DEPTH_MAX + 1:
        return seen
    inner: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    depths = [_depth(item, seen + 1) for item in inner if isinstance(item, (dict, list))]
    return max(depths, default=seen)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer, parse_float=_real
)

Relation = Literal["reply", "reaction", "edit"]


def relation(action: Action) -> tuple[Relation, CommitId] | None:
    """The commit that an action speaks about, and how."""
    match action:
        case Post(reply_to=target) | FileOffer(reply_to=target):
            return None if target is None else ("reply", target)
        case React(target=target):
            return "reaction", target
        case Edit(target=target) | FileWithdrawal(target=target):
            return "edit", target
        case _:
            return None
