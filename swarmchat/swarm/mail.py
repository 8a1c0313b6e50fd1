"""Mail between accounts, as values and as maps: requests, invitations, questions, notices. (SCP-06 §9)

The sender is never in the body: it is the account that the link or the signature proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

import msgpack

from swarmchat import ids
from swarmchat.addresses import Address
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.limits import (
    ADDRESS_CHARS_MAX,
    CARD_ADDRESSES_MAX,
    DESCRIPTION_CHARS_MAX,
    MAIL_BODY_BYTES_MAX,
    NOTICE_HEADS_MAX,
    REQUEST_NAME_CHARS_MAX,
    TITLE_CHARS_MAX,
)
from swarmchat.swarm.messages import MessageError

T = TypeVar("T")
Body = Mapping[str, Any]

_TIME_MS_MAX: Final = 2**53 - 1
_MEMBERS_MAX: Final = 10**9
_MODE_MAX: Final = 3
_MIMETYPE_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class TrustRequest:
    """Be my contact: here is our 1:1 conversation."""

    mimetype: ClassVar[str] = "application/trust-request"
    conversation: ConversationId
    commit: CommitId  # its root
    name: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class TrustAnswer:
    """Yes; a refusal is never told."""

    mimetype: ClassVar[str] = "application/trust-answer"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """I ask you no more: that 1:1 is gone, or you are not invited to that group any more."""

    mimetype: ClassVar[str] = "application/withdrawn"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class SwarmInvite:
    """You were added to a group by `commit`; joining is the answer."""

    mimetype: ClassVar[str] = "application/swarm-invite"
    conversation: ConversationId
    commit: CommitId
    mode: int
    title: str
    description: str
    members: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ask:
    """You speak of a conversation that I do not know: invite me, if I am in it. (SCP-06 §6)"""

    mimetype: ClassVar[str] = "application/invite"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class Notice:
    """There is news: fetch from the device that signed this. (SCP-05 §1.5)"""

    mimetype: ClassVar[str] = "application/im-gitmessage-id"
    conversation: ConversationId
    commit: CommitId
    heads: tuple[CommitId, ...]
    device: DeviceId


@dataclass(frozen=True, slots=True)
class Want:
    """Where do you listen? (SCP-05 §1.12)"""

    mimetype: ClassVar[str] = "application/ice"


@dataclass(frozen=True, slots=True)
class Here:
    """The answer: there. What may not travel is left out."""

    mimetype: ClassVar[str] = "application/ice"
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """Your account has revoked you: here is its list. (SCP-01 §3.3)"""

    mimetype: ClassVar[str] = "application/revoked"
    listed: bytes  # DER; it proves itself


Mail = TrustRequest | TrustAnswer | Withdrawal | SwarmInvite | Ask | Notice | Want | Here | Revoked


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail with the second its writer sealed it, as it travels on channel `invite` and inside a mailbox message."""

    mail: Mail
    written_s: int


def encode(mail: Mail) -> Body:
    """The body that travels, ids in lower-case hex; what is too long for people is cut, so that it always fits."""
    match mail:
        case TrustRequest(conversation, commit, name, at_ms):
            return {
                "conversation": conversation,
                "commit": commit,
                "name": name[:REQUEST_NAME_CHARS_MAX],
                "at": at_ms,
            }
        case TrustAnswer(conversation):
            return {"conversation": conversation, "accepted": True}
        case SwarmInvite(conversation, commit, mode, title, description, members, at_ms):
            return {
                "conversation": conversation,
                "commit": commit,
                "mode": mode,
                "title": title[:TITLE_CHARS_MAX],
                "description": _cut(description, MAIL_BODY_BYTES_MAX // 2)[:DESCRIPTION_CHARS_MAX],
                "members": members,
                "at": at_ms,
            }
        case Ask(conversation) | Withdrawal(conversation):
            return {"conversation": conversation}
        case Notice(conversation, commit, heads, device):
            return {
                "id": conversation,
                "commit": commit,
                "heads": list(heads[:NOTICE_HEADS_MAX]),
                "deviceId": device,
            }
        case Revoked(listed):
            return {"list": listed}
        case Want():
            return {"kind": "want"}
        case Here(addresses):
            told = [str(address) for address in addresses if address.may_travel]
            return {"kind": "here", "addr": told[:CARD_ADDRESSES_MAX]}


def decode(mimetype: object, body: object) -> Mail | None:
    """Read a body: None for a type of a later version; raises MessageError."""
    if not isinstance(mimetype, str) or len(mimetype) > _MIMETYPE_CHARS_MAX:
        raise MessageError("mimetype: a text")
    if not isinstance(body, dict) or len(_packed(body)) > MAIL_BODY_BYTES_MAX:
        raise MessageError(f"body: a map of at most {MAIL_BODY_BYTES_MAX} bytes")
    match mimetype:
        case TrustRequest.mimetype:
            return TrustRequest(
                _conversation(body), _commit(body), _text(body, "name", REQUEST_NAME_CHARS_MAX), _time(body)
            )
        case TrustAnswer.mimetype:
            if body.get("accepted") is not True:
                raise MessageError("accepted: true, else there is no answer")
            return TrustAnswer(_conversation(body))
        case Withdrawal.mimetype:
            return Withdrawal(_conversation(body))
        case SwarmInvite.mimetype:
            return SwarmInvite(
                _conversation(body),
                _commit(body),
                _number(body, "mode", _MODE_MAX),
                _text(body, "title", TITLE_CHARS_MAX),
                _text(body, "description", DESCRIPTION_CHARS_MAX),
                _number(body, "members", _MEMBERS_MAX),
                _time(body),
            )
        case Ask.mimetype:
            return Ask(_conversation(body))
        case Notice.mimetype:
            return _notice(body)
        case Revoked.mimetype:
            listed = body.get("list")
            if not isinstance(listed, bytes) or not listed:
                raise MessageError("list: bytes")
            return Revoked(listed)
        case Want.mimetype:
            return _whereabouts(body)
        case _:
            return None


def letter_fields(letter: Letter) -> dict[str, Any]:
    """The fields of the opening of an `invite` channel, beside `c` and `v`."""
    return {"mimetype": letter.mail.mimetype, "body": dict(encode(letter.mail)), "ts": letter.written_s}


def read_letter(fields: Mapping[str, Any]) -> Letter | None:
    """Read an opening: None for a type of a later version; raises MessageError."""
    written_s = _number(fields, "ts", _TIME_MS_MAX)
    mail = decode(fields.get("mimetype"), fields.get("body"))
    return None if mail is None else Letter(mail, written_s)


def fingerprint(letter: Letter) -> bytes:
    """Names a letter against replay: 32 bytes, the same for the same bytes written in the same second."""
    return hashlib.sha256(_packed([letter.mail.mimetype, encode(letter.mail), letter.written_s])).digest()


# --- pieces


def _notice(body: Body) -> Notice:
    commit = _commit(body)
    heads = body.get("heads", [commit])
    if not isinstance(heads, list) or len(heads) > NOTICE_HEADS_MAX:
        raise MessageError(f"heads: at most {NOTICE_HEADS_MAX} ids")
    conversation = _parsed(ids.conversation_id, body, "id")
    return Notice(conversation, commit, tuple(map(_head, heads)), _parsed(ids.device_id, body, "deviceId"))


def _whereabouts(body: Body) -> Want | Here | None:
    """None for the offers and answers of ICE itself, which this version does not know."""
    match body.get("kind"):
        case "want":
            return Want()
        case "here":
            addr = body.get("addr")
            if not isinstance(addr, list) or len(addr) > CARD_ADDRESSES_MAX:
                raise MessageError(f"addr: at most {CARD_ADDRESSES_MAX} addresses")
            addresses = tuple(_parsed(_address, {"addr": text}, "addr") for text in addr)
            return Here(tuple(address for address in addresses if address.may_travel))
        case str():
            return None
        case _:
            raise MessageError("kind: a text")


def _address(text: object) -> Address:
    if not isinstance(text, str) or len(text) > ADDRESS_CHARS_MAX:
        raise ValueError(f"an address of at most {ADDRESS_CHARS_MAX} characters")
    return Address.parse(text)


def _head(value: object) -> CommitId:
    return _parsed(ids.commit_id, {"heads": value}, "heads")


def _packed(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, no character cut in two."""
    return text.encode()[:limit].decode(errors="ignore")


def _parsed(parse: Callable[[str], T], body: Body, key: str) -> T:
    value = body.get(key)
    try:
        return parse(value)  # type: ignore[arg-type]  # the parsers refuse what is no text
    except ValueError as error:
        raise MessageError(f"{key}: {error}") from error


def _conversation(body: Body) -> ConversationId:
    return _parsed(ids.conversation_id, body, "conversation")


def _commit(body: Body) -> CommitId:
    return _parsed(ids.commit_id, body, "commit")


def _text(body: Body, key: str, limit: int) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or len(value) > limit:
        raise MessageError(f"{key}: a text of at most {limit} characters")
    return value


def _number(body: Body, key: str, limit: int) -> int:
    value = body.get(key)
    if type(value) is not int or not 0 <= value <= limit:
        raise MessageError(f"{key}: a number from 0 to {limit}")
    return value


def _time(body: Body) -> int:
    return _number(body, "at", _TIME_MS_MAX)
