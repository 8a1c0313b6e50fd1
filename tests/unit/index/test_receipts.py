from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.index.receipts import Held, ReadMark, Receipts
from tests.support.accounts import commit, conversation, device

ONE, TWO = conversation(1), conversation(2)
BOB, EVE = device(1), device(2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "receipts.sqlite"


def test_heads_are_kept_for_each_device_and_conversation(path: Path) -> None:
    receipts = Receipts(path)
    assert receipts.heads(ONE, BOB) is None
    assert receipts.set_heads(ONE, BOB, [commit(2), commit(1), commit(1)], time_ms=5)
    assert receipts.set_heads(ONE, EVE, [], time_ms=6)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(2)}), 5)
    assert receipts.all_heads(ONE) == {BOB: Held(frozenset({commit(1), commit(2)}), 5), EVE: Held(frozenset(), 6)}
    assert receipts.all_heads(TWO) == {}
    receipts.close()


def test_the_same_heads_again_are_not_written(path: Path) -> None:
    receipts = Receipts(path)
    receipts.set_heads(ONE, BOB, [commit(1), commit(2)], time_ms=5)
    assert not receipts.set_heads(ONE, BOB, [commit(2), commit(1)], time_ms=9)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(2)}), 5)
    assert receipts.set_heads(ONE, BOB, [commit(3)], time_ms=9)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(3)}), 9)
    receipts.close()


def test_a_read_mark_moves_forward_only(path: Path) -> None:
    receipts = Receipts(path)
    assert receipts.read_mark(ONE, BOB) is None
    assert receipts.mark_read(ONE, BOB, commit(5), position=5, time_ms=1)
    assert not receipts.mark_read(ONE, BOB, commit(4), position=4, time_ms=2)
    assert not receipts.mark_read(ONE, BOB, commit(6), position=5, time_ms=2)
    assert receipts.read_mark(ONE, BOB) == ReadMark(commit(5), 5, 1)
    assert receipts.mark_read(ONE, BOB, commit(6), position=6, time_ms=3)
    assert receipts.read_marks(ONE) == {BOB: ReadMark(commit(6), 6, 3)}
    assert receipts.read_marks(TWO) == {}
    receipts.close()


def test_a_restart_loses_nothing_and_forgetting_forgets_one_conversation(path: Path) -> None:
    receipts = Receipts(path)
    for where in (ONE, TWO):
        receipts.set_heads(where, BOB, [commit(1)], time_ms=1)
        receipts.mark_read(where, BOB, commit(1), position=1, time_ms=1)
    receipts.close()
    receipts = Receipts(path)
    receipts.forget(ONE)
    assert (receipts.heads(ONE, BOB), receipts.read_mark(ONE, BOB)) == (None, None)
    assert receipts.heads(TWO, BOB) is not None
    assert receipts.read_mark(TWO, BOB) is not None
    receipts.close()


def test_a_damaged_file_is_begun_anew(path: Path) -> None:
    path.write_bytes(b"junk" * 1000)
    receipts = Receipts(path)
    assert receipts.rebuilt is not None
    assert receipts.set_heads(ONE, BOB, [commit(1)], time_ms=1)
    receipts.close()
