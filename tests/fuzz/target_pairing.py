"""What is said where a device is linked, at every stage and on both sides, the document, and the code that is typed. (SCP-01 §3.2)"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from swarmchat import limits
from swarmchat.account.account import create
from swarmchat.account.archive import document
from swarmchat.account.state import State
from swarmchat.account.statuskey import StatusKey
from swarmchat.errors import UsageError
from swarmchat.ids import DeviceId
from swarmchat.links.frames import FrameDecoder, FrameError, encode
from swarmchat.swarm.pairing import Candidate, ExistingDevice, Failed, Fault, Grant, Installation, NewDevice, Offer, Say
from swarmchat.swarm.pairing_code import parse_code
from tests.fuzz.recipe import Recipe
from tests.support.accounts import seeded

WORDS, WALL, EXPORTER = "acid-zoom-stew-oasis-crisp-cable", 1_750_000_000, bytes(32)
ANN = replace(create(name="Ann", now=WALL, entropy=seeded()), status_key=StatusKey(1, b"\7" * 32))
T = DeviceId("ee" * 32)
TOKENS = (
    *(b"\xa1n", b"\xa5spake", b"\xa7confirm", b"\xa7account", b"\xa4name", b"\xa6device", b"\xa4spki", b"\xa5proof", b"\xa4cert"),
    *(b"\xa7archive", b"\xa2at", b"\xa2ok", b"\xa5error", b"\xa4left", b"\xa4auth", b"\xc4\x14", b"\xc4\x20", b"\xc4\x21"),
    *(b"swarm-link:", b"?at=", b"acid-", b'"account_key":null', b'"devices":[', b'"sharing":{', b'"status_key":null', b'"generation":'),
)  # fmt: skip
_NEW, _EXISTING, _DOCUMENT, _CODE = range(4)
_STAGES = 4


@cache
def _prepared(stage: int) -> tuple[ExistingDevice, NewDevice, tuple[bytes, ...]]:
    """Both sides after so many steps, and what was said on the way, as it travelled."""
    old = ExistingDevice(
        WORDS, us=ANN.device, other=T, exporter=EXPORTER, offer=Offer(ANN.id, "Ann", "desk"), now=0, entropy=seeded(1)
    )
    new = NewDevice(WORDS, us=T, now=0, entropy=seeded(2))
    first = new.open(ANN.device, EXPORTER, 0)
    assert isinstance(first, Say)
    said, move = [first.message, old.begin()], None
    if stage >= 1:
        new.receive(said[1], 0)
        move = old.receive(said[0], 0)
    for hearer in (new, old) if stage >= 2 else ():
        assert isinstance(move, Say)
        said.append(move.message)
        move = hearer.receive(move.message, 0)
    if stage >= 3:
        assert isinstance(move, Say)
        said.append(move.message)
        new.receive(move.message, 0)
        said.append(new.agree("laptop"))
        assert isinstance(old.receive(said[-1], 0), Candidate)
        said.append(old.grant(ANN.device_certificate, 1000))
    return old, new, tuple(map(encode, said))


def _at(stage: int, *, new: bool) -> ExistingDevice | NewDevice:
    """A copy of a prepared side, to be spoilt."""
    kept = _prepared(stage)[1 if new else 0]
    side = copy.copy(kept)
    side._spake = copy.copy(kept._spake)
    side._next = getattr(side, kept._next.__name__)
    return side


def seeds() -> Iterator[bytes]:
    """Every message to every stage of both sides, a document, a code."""
    for stage in range(_STAGES):
        said = _prepared(_STAGES - 1)[2]
        for which in (_NEW, _EXISTING):
            yield bytes((which, stage)) + b"".join(said)
            yield from (bytes((which, stage)) + message for message in said)
            yield bytes((which, stage)) + encode({"n": 6, "ok": True})
            yield bytes((which, stage)) + encode({"error": "auth", "left": 2})
    yield bytes((_DOCUMENT,)) + document(ANN, State(), (), with_key=False)
    yield bytes((_DOCUMENT,)) + document(ANN, State(), (), with_key=True)
    yield bytes((_CODE,)) + f"swarm-link:{T}:{WORDS}?at=192.0.2.7:4000&at=[2001:db8::7]:4000".encode()


def run(data: bytes) -> None:
    """A value comes back; no stage is jumped, no more than one try is spent, nothing is installed that was not shown."""
    recipe = Recipe(data)
    match recipe.u8() % 4:
        case 0 | 1 as which:
            _talk(_at(recipe.u8() % _STAGES, new=which == _NEW), recipe.rest())
        case 2:
            _install(recipe.rest())
        case _:
            _code(recipe.rest().decode(errors="replace"))


def _talk(side: ExistingDevice | NewDevice, data: bytes) -> None:
    try:
        messages = FrameDecoder().receive(data)
    except FrameError:
        return
    over = False
    for message in messages[:8]:
        move = side.receive(message, 1)
        assert not over or isinstance(move, Failed), "something came of it after it was over"
        over = over or isinstance(move, Failed)
        if isinstance(move, Failed):
            assert move.tell is None or move.tell["error"] in set(Fault)
        if isinstance(move, Grant):
            assert 0 < move.document_bytes <= limits.PAIRING_DOCUMENT_BYTES_MAX
            assert len(move.addresses) <= limits.ADDRESSES_PER_DEVICE_MAX
        if isinstance(move, Offer | Candidate):
            assert len(move.name) <= limits.DISPLAY_NAME_CHARS_MAX
    assert not isinstance(side, NewDevice) or side.tries_left >= limits.PAIRING_TRIES_MAX - 1


def _install(data: bytes) -> None:
    side = _at(_STAGES - 1, new=True)
    assert isinstance(side, NewDevice)
    assert side._device_key is not None
    side._device_key = ANN.device_key  # of which there is a certificate
    grant = {"n": 5, "cert": ANN.device_certificate.der, "archive": max(len(data), 1), "at": []}
    assert isinstance(side.receive(grant, 1), Grant)
    made = side.install(data, WALL)
    if isinstance(made, Installation):
        assert made.account.id == ANN.id
        assert made.account.account_key in (None, ANN.account_key)
        assert {made.account.device, ANN.device} <= made.state.devices.keys()


def _code(text: str) -> None:
    try:
        code = parse_code(text)
    except UsageError:
        return
    assert parse_code(str(code)) == code
