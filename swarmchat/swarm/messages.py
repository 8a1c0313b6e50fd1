"""What devices say to each other on `sync` and `pack`, as values and as maps. (SCP-04 §2.1, §3.1)

Strict and bounded: what a peer sends is one of these values, or a MessageError that costs the peer its link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from swarmchat import ids
from swarmchat.addresses import Address
from swarmchat.errors import PeerError
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import (
    BAD_TEXT_CHARS_MAX,
    CARD_ADDRESSES_MAX,
    CARD_BYTES_MAX,
    CARDS_PER_HELLO_MAX,
    HAVES_MAX,
    PUSH_PACK_BYTES_MAX,
    SYNC_FRAME_BYTES_MAX,
    WANTED_HEADS_MAX,
)

Fields = Mapping[str, Any]
T = TypeVar("T")

_ID_BYTES: Final = 20
_TIME_MS_MAX: Final = 2**53 - 1
_OBJECTS_MAX: Final = 2**32 - 1
_CODE_CHARS_MAX: Final = 32
_ENCODINGS_MAX: Final = 8
_HEAD_COST: Final = _ID_BYTES + 2  # an id with its msgpack header
_ENTRY_COST: Final = 48  # a conversation of a hello, without its heads
_ADDRESS_CHARS_MAX: Final = 300
_HELLO_ROOM: Final = SYNC_FRAME_BYTES_MAX - CARD_BYTES_MAX - CARD_ADDRESSES_MAX * (_ADDRESS_CHARS_MAX + 8) - 1_024
_CARD_COST: Final = 8  # the msgpack header of a card that is handed on, and a little

DEFLATE: Final = "deflate"
PLAIN: Final = "none"


class MessageError(PeerError):
    """The map is no message of this protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("bad-message", message)


@dataclass(frozen=True, slots=True)
class Shared:
    """One conversation of a hello, with the speaker's ordinary heads: none while it is being cloned."""

    id: ConversationId
    heads: tuple[CommitId, ...]


@dataclass(frozen=True, slots=True)
class Hello:
    """What the speaker believes is common; `more`: another follows at once."""

    conversations: tuple[Shared, ...]
    card: bytes | None = None  # SCP-05 §1.10
    more: bool = False
    addresses: tuple[Address, ...] = ()  # of the speaker, for the listener alone (SCP-05 §1.12)
    cards: tuple[bytes, ...] = ()  # of others, handed on as they were signed
    dht: int | None = None  # UDP port of the speaker's node of the DHT (SCP-05 §1.8)


@dataclass(frozen=True, slots=True)
class News:
    """All ordinary heads of the speaker; `pack` is complete for who has `since`."""

    conversation: ConversationId
    heads: tuple[CommitId, ...]
    since: tuple[CommitId, ...] | None = None
    pack: bytes | None = None


@dataclass(frozen=True, slots=True)
class Got:
    """The speaker's ordinary heads after admission."""

    conversation: ConversationId
    heads: tuple[CommitId, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """The speaker refused a commit; for information only."""

    conversation: ConversationId
    commit: CommitId
    code: str
    rule: str


@dataclass(frozen=True, slots=True)
class Read:
    """The speaker's user has read up to `commit`, at `at_ms` since 1970."""

    conversation: ConversationId
    commit: CommitId
    at_ms: int


@dataclass(frozen=True, slots=True)
class Typing:
    """The speaker's user is typing, or stopped."""

    conversation: ConversationId
    on: bool


@dataclass(frozen=True, slots=True)
class Bye:
    """The speaker goes."""

    code: str


SyncMessage = Hello | News | Got | Bad | Read | Typing | Bye


def encode(message: SyncMessage) -> dict[str, Any]:
    """The map that travels."""
    match message:
        case Hello(conversations, card, more, addresses, cards, dht):
            convs = [{"id": ids.raw(shared.id), "heads": _raws(shared.heads)} for shared in conversations]
            fields: dict[str, Any] = {"t": "hello", "convs": convs, "more": more}
            said = {"card": card, "addr": [str(address) for address in addresses], "cards": list(cards), "dht": dht}
            return fields | {key: value for key, value in said.items() if value}
        case News(conversation, heads, since, pack):
            fields = {"t": "news", "id": ids.raw(conversation), "heads": _raws(heads)}
            carried = {} if since is None or pack is None else {"since": _raws(since), "pack": pack}
            return fields | carried
        case Got(conversation, heads):
            return {"t": "got", "id": ids.raw(conversation), "heads": _raws(heads)}
        case Bad(conversation, commit, code, rule):
            return {"t": "bad", "id": ids.raw(conversation), "commit": ids.raw(commit), "code": code, "rule": rule}
        case Read(conversation, commit, at_ms):
            return {"t": "read", "id": ids.raw(conversation), "commit": ids.raw(commit), "at": at_ms}
        case Typing(conversation, on):
            return {"t": "typing", "id": ids.raw(conversation), "on": on}
        case Bye(code):
            return {"t": "bye", "code": code}


def decode(fields: Fields) -> SyncMessage | None:
    """Read a map: None for a type of a later version (ignored and counted, SCP-03 §4a); raises MessageError."""
    match _text(fields, "t", _CODE_CHARS_MAX):
        case "hello":
            return _hello(fields)
        case "news":
            since = _opt(fields, "since", lambda value: _heads(value, "since"))
            pack = _opt(fields, "pack", lambda value: _bin(value, "pack", PUSH_PACK_BYTES_MAX))
            if pack is not None and since is None:
                raise MessageError("news: a pack without `since` is complete for nobody")
            return News(
                _conversation(fields), _heads(fields.get("heads"), "heads"), None if pack is None else since, pack
            )
        case "got":
            return Got(_conversation(fields), _heads(fields.get("heads"), "heads"))
        case "bad":
            code, rule = _text(fields, "code", BAD_TEXT_CHARS_MAX), _text(fields, "rule", BAD_TEXT_CHARS_MAX)
            return Bad(_conversation(fields), _commit(fields.get("commit"), "commit"), code, rule)
        case "read":
            return Read(
                _conversation(fields), _commit(fields.get("commit"), "commit"), _number(fields, "at", _TIME_MS_MAX)
            )
        case "typing":
            return Typing(_conversation(fields), _flag(fields, "on"))
        case "bye":
            return Bye(_text(fields, "code", _CODE_CHARS_MAX))
        case _:
            return None


def hellos(
    conversations: Iterable[Shared],
    card: bytes | None,
    *,
    addresses: tuple[Address, ...] = (),
    cards: tuple[bytes, ...] = (),
    dht: int | None = None,
) -> list[Hello]:
    """As few hellos as fit into 1 MiB each, sorted by id, `more` on all but the last; one even for nothing common.

    The first carries the card, the addresses (at most 8), the cards of others (at most 64) and the port of the DHT.
    """
    pages: list[list[Shared]] = [[]]
    room = _HELLO_ROOM - sum(len(each) + _CARD_COST for each in cards)
    for shared in sorted(conversations, key=lambda each: each.id):
        entry = Shared(shared.id, announced(shared.heads))
        cost = _ENTRY_COST + _HEAD_COST * len(entry.heads)
        if cost > room:
            pages.append([])
            room = _HELLO_ROOM
        room -= cost
        pages[-1].append(entry)
    last = len(pages) - 1
    first = Hello(tuple(pages[0]), card, more=last > 0, addresses=addresses, cards=cards, dht=dht)
    return [first, *(Hello(tuple(pages[number]), more=number < last) for number in range(1, last + 1))]


def announced(heads: Iterable[CommitId]) -> tuple[CommitId, ...]:
    """Heads as one message can name them: sorted, the first 1,024; who is told so many pulls all (`want` nil)."""
    return tuple(sorted(heads))[:WANTED_HEADS_MAX]


# --- the pack channel (SCP-04 §3.1)


@dataclass(frozen=True, slots=True)
class PackRequest:
    """The opening of a `pack` channel; `want` None: all that the other has."""

    conversation: ConversationId
    have: tuple[CommitId, ...]
    want: tuple[CommitId, ...] | None
    encodings: tuple[str, ...] = (DEFLATE,)


@dataclass(frozen=True, slots=True)
class PackAnswer:
    """What follows on the channel; 0 objects: nothing new, and no piece follows."""

    heads: tuple[CommitId, ...]
    objects: int
    encoding: str = PLAIN


def pack_request_fields(request: PackRequest) -> dict[str, Any]:
    """The fields of the opening, beside `c` and `v`."""
    return {
        "id": ids.raw(request.conversation),
        "have": _raws(request.have),
        "want": None if request.want is None else _raws(request.want),
        "enc": list(request.encodings),
    }


def read_pack_request(fields: Fields) -> PackRequest:
    """Read an opening; raises MessageError."""
    encodings = fields.get("enc", [])
    if not isinstance(encodings, list) or len(encodings) > _ENCODINGS_MAX or not all(_is_word(e) for e in encodings):
        raise MessageError("enc: a list of names")
    return PackRequest(
        _conversation(fields),
        _heads(fields.get("have"), "have", HAVES_MAX),
        _opt(fields, "want", lambda value: _heads(value, "want")),
        tuple(encodings),
    )


def pack_answer_fields(answer: PackAnswer) -> dict[str, Any]:
    """The fields of the answer, beside `ok` and `v`."""
    return {"heads": _raws(answer.heads), "objects": answer.objects, "enc": answer.encoding}


def read_pack_answer(fields: Fields) -> PackAnswer:
    """Read an answer; raises MessageError."""
    encoding = fields.get("enc", PLAIN)
    if not isinstance(encoding, str) or encoding not in {PLAIN, DEFLATE}:
        raise MessageError("enc: none or deflate")
    return PackAnswer(_heads(fields.get("heads"), "heads"), _number(fields, "objects", _OBJECTS_MAX), encoding)


def conversation_of(fields: Fields) -> ConversationId | None:
    """The conversation that an opening names under `id`; None when it names none; raises MessageError."""
    return _conversation(fields) if "id" in fields else None


# --- pieces


def _hello(fields: Fields) -> Hello:
    convs = fields.get("convs")
    if not isinstance(convs, list):
        raise MessageError("convs: a list")
    conversations = []
    for entry in convs:
        if not isinstance(entry, dict):
            raise MessageError("convs: a list of maps")
        conversations.append(Shared(_conversation(entry), _heads(entry.get("heads"), "heads")))
    if len({shared.id for shared in conversations}) != len(conversations):
        raise MessageError("convs: a conversation stands twice")
    card = _opt(fields, "card", lambda value: _bin(value, "card", CARD_BYTES_MAX))
    more = _flag(fields, "more") if "more" in fields else False
    addresses, cards = _addresses(fields.get("addr", [])), _cards(fields.get("cards", []))
    return Hello(tuple(conversations), card, more, addresses, cards, _opt(fields, "dht", _port))


def _port(value: object) -> int:
    if type(value) is not int or not 0 < value <= 65535:
        raise MessageError("dht: a port")
    return value


def _addresses(value: object) -> tuple[Address, ...]:
    if not isinstance(value, list) or len(value) > CARD_ADDRESSES_MAX:
        raise MessageError(f"addr: a list of at most {CARD_ADDRESSES_MAX} addresses")
    try:
        return tuple(Address.parse(text) for text in value if _is_text(text, _ADDRESS_CHARS_MAX))
    except ValueError as error:
        raise MessageError(f"addr: {error}") from None


def _cards(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > CARDS_PER_HELLO_MAX:
        raise MessageError(f"cards: a list of at most {CARDS_PER_HELLO_MAX} cards")
    return tuple(_bin(item, "cards", CARD_BYTES_MAX) for item in value)


def _is_text(value: object, limit: int) -> bool:
    if not isinstance(value, str) or len(value) > limit:
        raise ValueError(f"a text of at most {limit} characters")
    return True


def _raws(commits: Iterable[CommitId]) -> list[bytes]:
    return [ids.raw(commit) for commit in commits]


def _opt(fields: Fields, key: str, read: Callable[[Any], T]) -> T | None:
    value = fields.get(key)
    return None if value is None else read(value)


def _conversation(fields: Fields) -> ConversationId:
    return ConversationId(_id(fields.get("id"), "id"))


def _commit(value: object, key: str) -> CommitId:
    return CommitId(_id(value, key))


def _id(value: object, key: str) -> str:
    if not isinstance(value, bytes) or len(value) != _ID_BYTES:
        raise MessageError(f"{key}: an id of {_ID_BYTES} bytes")
    return value.hex()


def _heads(value: object, key: str, limit: int = WANTED_HEADS_MAX) -> tuple[CommitId, ...]:
    if not isinstance(value, list) or len(value) > limit:
        raise MessageError(f"{key}: a list of at most {limit} ids")
    heads = tuple(_commit(item, key) for item in value)
    if len(set(heads)) != len(heads):
        raise MessageError(f"{key}: an id stands twice")
    return heads


def _bin(value: object, key: str, limit: int) -> bytes:
    if not isinstance(value, bytes) or len(value) > limit:
        raise MessageError(f"{key}: at most {limit} bytes")
    return value


def _text(fields: Fields, key: str, limit: int) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or len(value) > limit:
        raise MessageError(f"{key}: a text of at most {limit} characters")
    return value


def _number(fields: Fields, key: str, limit: int) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 <= value <= limit:
        raise MessageError(f"{key}: a number from 0 to {limit}")
    return value


def _flag(fields: Fields, key: str) -> bool:
    value = fields.get(key)
    if not isinstance(value, bool):
        raise MessageError(f"{key}: true or false")
    return value


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _CODE_CHARS_MAX
