"""What own devices say to each other on channel `device`, as values and as maps, and whose turn it is to say what. Pure. (SCP-04 §7)

Strict and bounded: what another device sends is one of these values, a message of another kind, or a MessageError that costs
the channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from swarmchat import ids, limits
from swarmchat.account import sharing
from swarmchat.account.records import Stamp
from swarmchat.account.sharing import Entry, Vector
from swarmchat.account.state import State
from swarmchat.account.topics import Value
from swarmchat.ids import DeviceId
from swarmchat.links.frames import Message
from swarmchat.swarm.messages import MessageError

_NUMBER_MAX: Final = 2**53 - 1
_DEVICE_BYTES: Final = 32
_DIGEST_BYTES: Final = 32
_ENTRY_COST: Final = 64  # bytes of an entry beside key and value


@dataclass(frozen=True, slots=True)
class Have:
    """What the speaker has of each device's changes, durable; `revoked`: its account's revocation list, as DER; `digest` of all it holds."""

    seen: Vector
    revoked: bytes | None = None
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """Entries that the listener lacks; once the last piece (not `more`) is durable, it has all that the speaker had `seen`."""

    entries: tuple[Entry, ...]
    seen: Vector
    more: bool = False


@dataclass(frozen=True, slots=True)
class Other:
    """A message of another kind: of another part of this node, or of a later version."""

    kind: str
    fields: Message


OwnMessage = Have | Delta | Other


def encode(message: Have | Delta) -> Message:
    """The map that travels."""
    match message:
        case Have(seen, revoked, digest):
            told = {key: value for key, value in (("crl", revoked), ("sum", digest)) if value is not None}
            return {"t": "have", "v": 1, "seen": dict(seen), **told}
        case Delta(entries, seen, more):
            rows = [
                [each.key, each.value, each.stamp.time_ms, ids.raw(each.stamp.device), each.stamp.number]
                for each in entries
            ]
            return {"t": "delta", "entries": rows, "seen": dict(seen), "more": more}


def decode(fields: Message) -> OwnMessage:
    """The message of a map; MessageError for one that is none. Unknown keys are left out, values are judged by who merges them."""
    match fields.get("t"):
        case "have":
            revoked = fields.get("crl")
            if revoked is not None and not (
                isinstance(revoked, bytes) and 0 < len(revoked) <= limits.REVOCATION_LIST_BYTES_MAX
            ):
                raise MessageError("have: crl")
            digest = fields.get("sum")
            if digest is not None and not (isinstance(digest, bytes) and len(digest) == _DIGEST_BYTES):
                raise MessageError("have: sum")
            return Have(_vector(fields.get("seen")), revoked, digest)
        case "delta":
            rows, more = fields.get("entries"), fields.get("more")
            if not isinstance(rows, list) or len(rows) > limits.DELTA_ENTRIES_MAX or not isinstance(more, bool):
                raise MessageError("delta: entries")
            return Delta(tuple(map(_entry, rows)), _vector(fields.get("seen")), more)
        case str(kind):
            return Other(kind, fields)
        case _:
            raise MessageError("no kind of message")


def pieces(entries: Sequence[Entry], seen: Vector) -> Iterator[Delta]:
    """A delta as it travels: so many entries and bytes in each that a state with them is written and merged at once."""
    piece: list[Entry] = []
    bytes_left = limits.DELTA_BYTES
    for entry in entries:
        cost = _ENTRY_COST + len(entry.key) + _weight(entry.value)
        if piece and (bytes_left < cost or len(piece) >= limits.DELTA_ENTRIES_MAX):
            yield Delta(tuple(piece), seen, more=True)
            piece, bytes_left = [], limits.DELTA_BYTES
        piece.append(entry)
        bytes_left -= cost
    yield Delta(tuple(piece), seen)


class Exchange:
    """Whose turn it is with one other device: `have` at the beginning and after each delta, one delta on its way at a time."""

    def __init__(self, peer: DeviceId) -> None:
        self._peer = peer
        self._theirs: Vector | None = None  # None: it has said nothing yet
        self._sent: Vector | None = None  # on its way: until its `have` covers this
        self.owes = True  # our `have` is to be said
        self._claim: Have | None = None  # what it said last of all it holds
        self._told_all = False

    def heard(self, message: Have | Delta) -> None:
        """It has said so; a delta when its piece is durable here."""
        match message:
            case Have(seen):
                self._theirs, self._claim = seen, message
                if self._sent is not None and _covers(seen, self._sent):
                    self._sent = None
            case Delta(_, seen, more) if not more:
                self.owes = True
                if self._theirs is not None:
                    self._theirs = MappingProxyType({**self._theirs, **seen})  # it has what it tells
            case _:
                pass

    def owe(self) -> None:
        """There is another revocation list: it is to be told."""
        self.owes = True

    def due(self, state: State, revoked: bytes | None) -> Iterator[Have | Delta]:
        """What is to be said now, in this order."""
        if self.owes:
            self.owes = False
            yield Have(state.seen, revoked, sharing.digest(state))
        if self._theirs is None or self._sent is not None:
            return
        if not _covers(self._theirs, state.seen):
            self._sent = state.seen
            yield from pieces(sharing.delta(state, self._theirs, asker=self._peer), state.seen)
        elif self._is_apart(state):
            self._told_all = True
            yield from pieces(sharing.delta(state, {}), state.seen)

    def _is_apart(self, state: State) -> bool:
        """Whether both have seen the same changes and hold other things: numbers were used twice by a disk that was put back.

        Then each tells the other all, once on a channel.
        """
        claim = self._claim
        if self._told_all or claim is None or claim.digest is None or claim.seen != state.seen:
            return False
        self._claim = None  # once is enough: a digest of ten thousand contacts takes a while
        return claim.digest != sharing.digest(state)


def _covers(theirs: Vector, ours: Vector) -> bool:
    return all(theirs.get(device, 0) >= number for device, number in ours.items())


def _vector(value: object) -> Vector:
    if not isinstance(value, dict) or len(value) > limits.OWN_DEVICES_MAX:
        raise MessageError("seen: no vector")
    try:
        return MappingProxyType({ids.device_id(device): _number(number) for device, number in value.items()})
    except ValueError as error:
        raise MessageError(f"seen: {error}") from None


def _entry(row: object) -> Entry:
    match row:
        case [str(key), value, time_ms, bytes(device), number] if len(key) <= limits.STAMP_KEY_CHARS_MAX:
            if len(device) != _DEVICE_BYTES:
                raise MessageError("delta: no device")
            return Entry(key, value, Stamp(_number(time_ms), DeviceId(device.hex()), _number(number)))
        case _:
            raise MessageError("delta: no entry")


def _weight(value: Value) -> int:
    """About so many bytes it takes."""
    match value:
        case str():
            return len(value.encode()) + 5
        case list():
            return sum(map(_weight, value)) + 5
        case dict():
            return sum(_weight(key) + _weight(held) for key, held in value.items()) + 5
        case _:
            return 9


def _number(value: object) -> int:
    if type(value) is not int or not 0 < value <= _NUMBER_MAX:
        raise MessageError("no number")
    return value
