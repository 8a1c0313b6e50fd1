"""What another device of one account says of receipts on channel `device`, and the file that keeps it. (SCP-04 §7.7)"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import msgpack

from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.index.receipt_rows import Cursor, HeldRow, MarkRow
from swarmchat.index.receipts import Receipts
from swarmchat.limits import MARKS_PAGE_ROWS, MARKS_ROW_HEADS
from swarmchat.links.frames import FrameError, decode_map
from swarmchat.swarm.marks import Have, Rows, Told, decode, encode
from swarmchat.swarm.messages import MessageError
from tests.fuzz.recipe import folder

NOW = 1_750_000_000_000
HERE, THERE, THIRD = (DeviceId(f"{number:02x}" * 32) for number in (1, 2, 3))
WHERE, WHO, COMMIT = ConversationId("c0" * 20), AccountId("aa" * 20), CommitId("a1" * 20)
TOKENS = (
    *(b"\xa1t", b"marks", b"have", b"epoch", b"change", b"rows", b"\x95", b"\x96", b"\xc0", b"\x90"),
    *(b"\xc4\x10", b"\xc4\x14", b"\xc4\x20", b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"),
)


def seeds() -> Iterator[bytes]:
    """Both questions, and every kind of row."""
    upto = Cursor("0f" * 16, 9)
    mark, held = MarkRow(WHERE, THIRD, COMMIT, NOW), HeldRow(WHERE, THIRD, None, (COMMIT,), NOW)
    rows = [
        Told(mark, WHO),
        Told(mark, None),
        Told(held, WHO),
        Told(HeldRow(WHERE, THIRD, THIRD, (), NOW), None),
        Told(HeldRow(WHERE, HERE, HERE, (COMMIT,) * MARKS_ROW_HEADS, 0), WHO),
    ]
    pages = [(), tuple(rows), *((one,) for one in rows)]
    messages: list[Have | Rows] = [Have(None), Have(upto), *(Rows(upto, page) for page in pages)]
    for message in messages:
        yield msgpack.packb(encode(message))


def run(data: bytes) -> None:
    """Read or refused; told again it is the same; what is kept of it is bounded, and none of it is about this device."""
    try:
        message = decode(decode_map(data), THERE)
    except (FrameError, MessageError):
        return
    match message:
        case Have():
            assert decode(encode(message), THERE) == message
        case Rows(_, rows):
            again = decode(encode(message), THERE)
            assert isinstance(again, Rows)
            assert [_sorted(each) for each in again.rows] == [_sorted(each) for each in rows]
            _keep([told.row for told in rows if isinstance(told.row, HeldRow)])


def _sorted(told: Told) -> Told:
    """Heads are a set, told in their order."""
    row = told.row
    if isinstance(row, MarkRow):
        return told
    return Told(HeldRow(row.conversation, row.device, row.origin, tuple(sorted(row.heads)), row.time_ms), told.account)


@cache
def _receipts() -> Receipts:
    return Receipts(folder("marks") / "receipts.sqlite")


def _keep(rows: list[HeldRow]) -> None:
    receipts = _receipts()
    receipts.take(rows, this=HERE)
    assert not receipts.take(rows, this=HERE) or len({row.time_ms for row in rows}) > 1, "the same is new twice"
    page = receipts.since(None, MARKS_PAGE_ROWS)
    assert all(HERE not in {row.device, getattr(row, "origin", None)} for row in page.rows)
    for row in rows:
        receipts.forget(row.conversation)
    assert not receipts.since(None, MARKS_PAGE_ROWS).rows
