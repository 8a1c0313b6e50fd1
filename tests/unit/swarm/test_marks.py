"""What own devices say of receipts: as it travels, strictly parsed, and whose turn it is. (SCP-04 §7.7)"""

from __future__ import annotations

from typing import Any

import pytest

from swarmchat.index.receipt_rows import Cursor, HeldRow, MarkRow
from swarmchat.limits import MARKS_PAGE_ROWS, MARKS_ROW_HEADS
from swarmchat.swarm.marks import Exchange, Have, Rows, Told, decode, encode
from swarmchat.swarm.messages import MessageError
from tests.support.accounts import account, commit, conversation, device

SPEAKER, BOB = device(9), device(1)
HERE = Cursor("ab" * 16, 7)
ROOM = conversation(1)


def test_what_is_said_is_understood() -> None:
    rows = (
        Told(MarkRow(ROOM, BOB, commit(3), 5), account(1)),
        Told(HeldRow(ROOM, BOB, device(2), (commit(1), commit(2)), 6), None),
    )
    for message in (Have(None), Have(HERE), Rows(HERE, rows), Rows(Cursor("00" * 16, 0), ())):
        assert decode(encode(message), SPEAKER) == message


def test_an_origin_that_is_not_named_is_the_speaker() -> None:
    said = Rows(HERE, (Told(HeldRow(ROOM, BOB, None, (commit(1),), 6), None),))
    (told,) = decode(encode(said), SPEAKER).rows  # type: ignore[union-attr]
    assert told.row == HeldRow(ROOM, BOB, SPEAKER, (commit(1),), 6)


def test_of_many_heads_so_many_travel() -> None:
    heads = tuple(commit(number) for number in range(MARKS_ROW_HEADS + 1))
    said = encode(Rows(HERE, (Told(HeldRow(ROOM, BOB, None, heads, 6), None),)))
    assert decode(said, SPEAKER).rows[0].row.heads == heads[:-1]  # type: ignore[union-attr]


ROW: list[Any] = [bytes(20), bytes(32), None, 5, bytes(20)]
HELD: list[Any] = [bytes(20), bytes(32), bytes(20), 5, None, [bytes(20)]]


def rows(*found: Any, **other: Any) -> dict[str, Any]:
    return {"t": "marks", "epoch": bytes(16), "change": 1, "rows": list(found)} | other


@pytest.mark.parametrize(
    "fields",
    [
        {"t": "marks"},
        {"t": "marks", "have": 5},
        {"t": "marks", "have": [bytes(16)]},
        {"t": "marks", "have": [bytes(15), 1]},
        {"t": "marks", "have": ["ab" * 16, 1]},
        {"t": "marks", "have": [bytes(16), -1]},
        {"t": "marks", "have": [bytes(16), 2**53]},
        {"t": "marks", "have": [bytes(16), True]},
        rows(epoch=None),
        rows(change=None),
        rows(rows=None),
        rows(rows={}),
        rows(*[ROW] * (MARKS_PAGE_ROWS + 1)),
        rows({}),
        rows(ROW[:4]),
        rows([*HELD, 1]),
        *(rows([*ROW[:at], "x", *ROW[at + 1 :]]) for at in range(5)),
        *(rows([*HELD[:at], "x", *HELD[at + 1 :]]) for at in range(6)),
        rows([*HELD[:5], [bytes(19)]]),
        rows([*HELD[:5], [bytes(20)] * (MARKS_ROW_HEADS + 1)]),
        rows([*HELD[:3], -1, *HELD[4:]]),
    ],
)
def test_anything_else_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        decode(fields, SPEAKER)


def test_at_the_edge_of_the_bounds_it_is_taken() -> None:
    decode(rows(*[ROW] * MARKS_PAGE_ROWS), SPEAKER)
    decode(rows([*HELD[:5], [bytes(20)] * MARKS_ROW_HEADS]), SPEAKER)
    decode({"t": "marks", "have": [bytes(16), 2**53 - 1], "later": 1}, SPEAKER)


def test_one_page_at_a_time_and_none_before_it_was_asked_for() -> None:
    exchange = Exchange()
    assert not exchange.may_send
    exchange.asked(None)
    assert exchange.may_send
    exchange.sent()
    assert not exchange.may_send
    exchange.asked(HERE)
    assert (exchange.may_send, exchange.theirs) == (True, HERE)
