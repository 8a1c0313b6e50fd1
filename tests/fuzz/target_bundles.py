"""Files that claim to carry a conversation. (SCP-04 §9)"""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from swarmchat import limits
from swarmchat.commitlog.carried import MAGIC, Carried, CarriedError, Header
from swarmchat.ids import CommitId, ConversationId
from tests.fuzz.recipe import Recipe

TOKENS = (
    MAGIC,
    b'{"conversation":"',
    b'","heads":["',
    b'"],"since":[',
    b'],"commits":1}\n',
    b"\0\0\0\0",
    b"\0\0\0\x04PACK",
    b"\0\x04\0\0",
    b"c" * 40,
)
_RAW, _SEALED, _BODY = range(3)
_FOLDER = tempfile.TemporaryDirectory(prefix="swarmchat-fuzz-")
_PATH = Path(_FOLDER.name) / "bundle"


def _header(heads: int = 1, since: int = 0) -> bytes:
    commits = tuple(CommitId(f"{number:040x}") for number in range(max(heads, since)))
    return Header(ConversationId("c" * 40), commits[:heads], commits[:since], 3).line()


def _pieces(*packs: tuple[bytes, ...]) -> bytes:
    told = [[struct.pack(">I", len(piece)) + piece for piece in pack] for pack in packs]
    return b"".join(b"".join(pack) + bytes(4) for pack in told) + bytes(4)


def seeds() -> Iterator[bytes]:
    """Files of every shape, whole and without what the target seals."""
    bodies = [
        _header() + _pieces((b"PACK", b"more")),
        _header(3, 2) + _pieces((b"PACK",), (b"PACK",)),
        _header(0) + _pieces(),
        json.dumps({"conversation": "c" * 40, "heads": [], "since": [], "commits": 1, "more": {}}).encode() + b"\n",
    ]
    for body in bodies:
        yield bytes((_RAW,)) + MAGIC + body + hashlib.sha256(MAGIC + body).digest()
        yield bytes((_SEALED,)) + MAGIC + body
        yield bytes((_BODY,)) + body


def run(data: bytes) -> None:
    """A bundle or the declared refusal; what is read is bounded and stands in the file as it came out."""
    recipe = Recipe(data)
    way = recipe.u8() % 3
    told = recipe.rest()
    if way == _BODY:
        told = MAGIC + told
    if way != _RAW:
        told += hashlib.sha256(told).digest()
    _PATH.write_bytes(told)
    try:
        with Carried(_PATH) as found:
            assert len(found.header.heads) <= limits.BUNDLE_COMMITS_NAMED_MAX
            assert len(found.header.since) <= limits.BUNDLE_COMMITS_NAMED_MAX
            packs = [tuple(pack) for pack in found.packs()]
    except CarriedError:
        return
    assert all(0 < len(piece) <= limits.PACK_PIECE_BYTES_MAX for pack in packs for piece in pack)
    assert _pieces(*packs) in told
    assert Header(**json.loads(found.header.line())).line() == found.header.line()
