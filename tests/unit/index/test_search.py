from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from swarmchat.errors import StorageError
from swarmchat.ids import ConversationId
from swarmchat.index.folding import FORM
from swarmchat.index.query import parse
from swarmchat.index.search import Line, Place, Scope, SearchIndex, Taken
from tests.support.accounts import account, commit, conversation

ONE, TWO, THREE = conversation(1), conversation(2), conversation(3)
ALL = (ONE, TWO, THREE)
ANN, BEN = account(1), account(2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.sqlite"


@pytest.fixture
def index(path: Path) -> SearchIndex:
    return SearchIndex(path)


def take(index: SearchIndex, where: ConversationId, *texts: str, start: int = 0, time: int = 1_000) -> None:
    lines = [Line(start + at, ANN, time + at, text) for at, text in enumerate(texts)]
    put(index, where, lines, Taken(start + len(texts), commit(start + len(texts))))


def put(index: SearchIndex, where: ConversationId, lines: list[Line], upto: Taken) -> None:
    assert index.take(where, index.taken(where), lines, upto)


def found(index: SearchIndex, text: str, *, limit: int = 100, **scope: object) -> list[tuple[ConversationId, int]]:
    wanted = Scope(**{"conversations": ALL, **scope})  # type: ignore[arg-type]
    return [(hit.conversation, hit.number) for hit in index.find(parse(text), wanted, limit)]


def test_what_was_taken_is_found_the_newest_first(index: SearchIndex) -> None:
    take(index, ONE, "the boats", "no boat", "Boat!")
    take(index, TWO, "boats again", time=1_001)
    assert found(index, "boat") == [(ONE, 2), (TWO, 0), (ONE, 1), (ONE, 0)]
    assert found(index, "boat", limit=2) == [(ONE, 2), (TWO, 0)]
    assert found(index, "boat", limit=0) == []


@pytest.mark.parametrize("text", ["bo", "b", "bo at", "o t"])
def test_what_is_too_short_for_the_index_is_found_all_the_same(index: SearchIndex, text: str) -> None:
    take(index, ONE, "boat", "ship")
    assert found(index, text) == [(ONE, 0)]


def test_trigrams_that_stand_apart_are_no_hit(index: SearchIndex) -> None:
    take(index, ONE, "abcd bcde", "abcde")
    assert found(index, "abcde") == [(ONE, 1)]


def test_what_is_asked_for_is_narrowed(index: SearchIndex) -> None:
    put(index, ONE, [Line(0, ANN, 10, "boat"), Line(1, BEN, 20, "boat"), Line(2, ANN, 30, "boat")], Taken(3, commit(3)))
    take(index, TWO, "boat")
    assert found(index, "boat", conversations=[ONE]) == [(ONE, 2), (ONE, 1), (ONE, 0)]
    assert found(index, "boat", conversations=[ONE], account=ANN) == [(ONE, 2), (ONE, 0)]
    assert found(index, "boat", account=account(9)) == []
    assert found(index, "boat", conversations=[ONE], since=20) == [(ONE, 2), (ONE, 1)]
    assert found(index, "boat", conversations=[ONE], until=20) == [(ONE, 0)]
    assert found(index, "boat", conversations=[]) == []


def test_pages_go_on_where_the_last_ended(index: SearchIndex) -> None:
    put(index, ONE, [Line(number, ANN, 5, f"boat {number}") for number in range(5)], Taken(5, commit(5)))
    first = found(index, "boat", limit=2)
    place = index.place(*first[-1])
    assert place is not None
    assert found(index, "boat", limit=2, before=place) == [(ONE, 2), (ONE, 1)]
    assert index.place(ONE, 99) is None
    assert index.place(TWO, 0) is None


def test_a_new_version_stands_for_the_old_one_and_an_empty_one_for_nothing(index: SearchIndex) -> None:
    take(index, ONE, "helo", "boat")
    put(index, ONE, [Line(0, ANN, 1_000, "hello"), Line(1, ANN, 1_001, "")], Taken(3, commit(3)))
    assert found(index, "hello") == [(ONE, 0)]
    assert found(index, "helo") == []
    assert found(index, "boat") == []
    assert index.count() == 1
    assert _whole(index)


def test_how_far_it_is_stands_with_the_texts(index: SearchIndex) -> None:
    assert index.taken(ONE) is None
    upto = Taken(2, commit(2), (commit(7), commit(8)))
    put(index, ONE, [Line(0, ANN, 1, "boat")], upto)
    index.close()
    assert SearchIndex(index.path).taken(ONE) == upto


def test_nothing_is_taken_in_on_top_of_what_is_not_there(index: SearchIndex) -> None:
    """A read error that SQLite calls damage: the file was begun anew, and what came next was put into the empty one."""
    take(index, ONE, "boat")
    there = index.taken(ONE)
    for after in (None, Taken(2, commit(2)), Taken(1, commit(1), (commit(3),))):
        assert not index.take(ONE, after, [Line(1, ANN, 5, "ship")], Taken(2, commit(2)))
    assert (index.taken(ONE), found(index, "ship")) == (there, [])


def test_what_is_forgotten_is_gone_and_the_others_stay(index: SearchIndex) -> None:
    for where in ALL:
        take(index, where, "boat", *["ship"] * 5_000)
    index.forget(ONE)
    assert (index.taken(ONE), found(index, "boat")) == (None, [(THREE, 0), (TWO, 0)])
    index.keep_only([TWO])
    assert (index.taken(THREE), found(index, "boat")) == (None, [(TWO, 0)])
    assert index.count() == 5_001
    assert _whole(index)
    take(index, ONE, "boat")
    assert (ONE, 0) in found(index, "boat")


def test_nothing_is_made_to_forget_what_was_never_there(index: SearchIndex) -> None:
    index.forget(ONE)
    index.keep_only([])
    assert not index.path.exists()


def test_blocks_of_many_conversations_are_searched_together_and_one_by_one(index: SearchIndex) -> None:
    many = [conversation(number) for number in range(100)]
    for at, where in enumerate(many):
        take(index, where, "rare" if at % 10 == 0 else "common", *["common"] * 30, time=10_000 - 100 * at)
    assert found(index, "rare", conversations=many) == [(many[at], 0) for at in range(0, 100, 10)]
    assert found(index, "common", conversations=many, limit=3) == [(many[0], 30), (many[0], 29), (many[0], 28)]
    assert found(index, "common", conversations=many[50:], limit=1) == [(many[50], 30)]


def test_a_claimed_time_beyond_all_sense_is_no_fault(index: SearchIndex) -> None:
    put(index, ONE, [Line(0, ANN, 2**80, "late boat"), Line(1, ANN, -5, "early boat")], Taken(2, commit(2)))
    assert found(index, "boat") == [(ONE, 0), (ONE, 1)]
    assert index.place(ONE, 1) == Place(0, index.find(parse("early"), Scope(ALL), 1)[0].place.id)


@pytest.mark.parametrize(
    "text",
    [
        'a"b',
        "a*b",
        "NEAR(a b)",
        "-abc",
        "abc OR def",
        "a:b:c",
        "^abc",
        "'; DROP TABLE x",
        "%_%",
        "\\abc",
        "(((",
        "{abc}",
    ],
)
def test_no_sign_has_a_meaning(index: SearchIndex, text: str) -> None:
    take(index, ONE, text, "something else")
    assert found(index, text.replace('"', " ")) == [(ONE, 0)]
    take(index, ONE, text.replace('"', "”"), start=2)
    found(index, text)


def test_case_counts_when_asked(index: SearchIndex) -> None:
    take(index, ONE, "The Möwe", "the mowe", "THE MO\u0308WE")
    scope = Scope(ALL)
    assert [hit.number for hit in index.find(parse("The Möwe", case=True), scope, 9)] == [0]
    assert [hit.number for hit in index.find(parse("MÖWE", case=True), scope, 9)] == [2]
    assert [hit.number for hit in index.find(parse("mowe", case=True), scope, 9)] == [1]
    assert len(index.find(parse("mowe"), scope, 9)) == 3


# --- the file


def test_the_file_is_for_its_owner_alone(index: SearchIndex) -> None:
    take(index, ONE, "boat")
    assert stat.S_IMODE(index.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b"no database at all", b""])
def test_a_damaged_file_is_begun_anew(index: SearchIndex, damage: bytes) -> None:
    take(index, ONE, "boat")
    index.close()
    index.path.write_bytes(damage)
    again = SearchIndex(index.path)
    assert again.taken(ONE) is None
    take(again, ONE, "boat")
    assert found(again, "boat") == [(ONE, 0)]


def test_damage_that_shows_later_is_begun_anew_then(index: SearchIndex) -> None:
    take(index, ONE, *[f"boat {number} and some more words" for number in range(3_000)])
    index.close()
    raw = bytearray(index.path.read_bytes())
    raw[8_192:] = b"\xa5" * (len(raw) - 8_192)
    index.path.write_bytes(raw)
    again = SearchIndex(index.path)
    assert found(again, "boat") == []
    assert again.taken(ONE) is None


@pytest.mark.parametrize(
    "change", ["PRAGMA user_version = 99", "PRAGMA user_version = 0", "UPDATE form SET folding = 'of old'"]
)
def test_a_file_of_another_version_is_begun_anew(index: SearchIndex, change: str) -> None:
    take(index, ONE, "boat")
    index.close()
    with closing(sqlite3.connect(index.path)) as file, file:
        file.execute(change)
    again = SearchIndex(index.path)
    assert again.taken(ONE) is None
    again.close()
    with closing(sqlite3.connect(index.path)) as file:
        assert file.execute("SELECT folding FROM form").fetchall() == [(FORM,)]


def test_cleared_it_is_empty(index: SearchIndex) -> None:
    take(index, ONE, "boat")
    index.clear()
    assert (index.taken(ONE), index.count()) == (None, 0)


def test_a_disk_that_refuses_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        SearchIndex(tmp_path / "nowhere" / "search.sqlite").count()


def _whole(index: SearchIndex) -> bool:
    """FTS5 compares what it knows with the texts."""
    index.close()
    with closing(sqlite3.connect(index.path)) as file, file:
        file.execute("INSERT INTO gram (gram, rank) VALUES ('integrity-check', 1)")
    return True
