from __future__ import annotations

import json
from datetime import UTC, timedelta, timezone

import pytest

from swarmchat.cli.terminal import Names, Palette, clock, counted, lines, padded, plain, short, table, to_json, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb\nc\td", "a\\x0db\\x0ac\\x09d"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069\u2028", "\\u2066x\\u2069\\u2028"),
        ("\ud800", "\\ud800"),
        ("👩\u200d🚀 né 日本", "👩\u200d🚀 né 日本"),
    ],
)
def test_what_could_move_the_cursor_or_turn_the_text_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_message_keeps_its_lines_and_nothing_else() -> None:
    assert lines("one\r\ntwo\n\n\tthree\x1b") == ["one", "two", "", "    three\\x1b"]


def test_json_is_readable_exact_and_harmless() -> None:
    value = {"text": "né\x1b\x9b\u202e\u2028\ud800日\n"}
    written = to_json(value)
    assert json.loads(written) == value
    assert "né" in written
    assert plain(written) == written


def test_width_counts_cells_not_characters() -> None:
    assert width("abc") == 3
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert width("\x1b[1mbold\x1b[0m") == 4
    assert padded("日", 4) == "日  "


def test_a_table_stands_in_columns() -> None:
    assert table([("a", "日本", "x"), ("bbb", "c", "")], header=("1", "2", "3")) == [
        "1    2     3",
        "a    日本  x",
        "bbb  c",
    ]
    assert table([], header=("1",)) == []


def test_times_are_local_to_the_second() -> None:
    assert clock("2026-11-20T12:00:00.999Z", UTC) == "2026-11-20 12:00:00"
    assert clock("2026-11-20T23:30:00.000Z", timezone(timedelta(hours=1))) == "2026-11-21 00:30:00"
    assert clock(None) == "–"
    assert clock("\x1b[2J") == "\\x1b[2J"
    assert clock("9999-12-31T23:59:59.999Z", timezone(timedelta(hours=1))) == "9999-12-31T23:59:59.999Z"


def test_colours_are_there_only_when_wanted() -> None:
    assert Palette(on=True)("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"
    assert Palette(on=False)("x", "bold", "red") == "x"


def test_an_id_is_short() -> None:
    assert short("a11ce000" + "0" * 32) == "a11ce000"
    assert short(None) == "–"


def test_people_are_called_by_name_and_by_id_where_a_name_is_missing_or_shared() -> None:
    names = Names(
        [
            {"id": "a" * 40, "name": "Ann"},
            {"id": "b" * 40, "name": "Ann"},
            {"id": "c" * 40, "name": "Cem\x1b"},
            {"id": "d" * 40, "name": ""},
        ]
    )
    assert names("a" * 40) == "Ann (aaaaaaaa)"
    assert names("c" * 40) == "Cem\\x1b"
    assert names("d" * 40) == "dddddddd"
    assert names("e" * 40) == "eeeeeeee"
    assert names(None) == "–"


def test_my_word_for_a_contact_goes_before_what_people_call_themselves() -> None:
    members = [
        {"id": "a" * 40, "name": "Captain"},
        {"id": "b" * 40, "name": "Ben"},
        {"id": "c" * 40, "name": "Cem"},
    ]
    names = Names(members, [{"id": "b" * 40, "name": "Captain\x1b"}, {"id": "c" * 40, "name": ""}])
    assert [names(one * 40) for one in "abc"] == ["Captain", "Captain\\x1b", "Cem"]
    names = Names(members, [{"id": "b" * 40, "name": "Captain"}])
    assert [names(one * 40) for one in "ab"] == ["Captain (aaaaaaaa)", "Captain (bbbbbbbb)"]


def test_one_thing_is_no_things() -> None:
    assert [counted(number, "fault") for number in (0, 1, 2)] == ["0 faults", "1 fault", "2 faults"]
