from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from swarmchat.cli.entries import EntryView
from swarmchat.cli.terminal import Names, Palette
from tests.support.fake_commands import ALICE, BOB, FIRST, LATER, PHONE, SECOND, THIRD, message

NAMES = Names([{"id": ALICE, "name": "Alice"}, {"id": BOB, "name": "Bob"}])


def shown(*entries: dict[str, Any], me: str | None = None, now: str = "2026-11-21T12:00:00.000Z") -> list[str]:
    view = EntryView(NAMES, Palette(on=False), me=me, zone=UTC, now=lambda: datetime.fromisoformat(now).timestamp())
    view.expect(entries)
    return [line for entry in entries for line in view.lines(entry)]


def test_a_day_has_one_heading() -> None:
    assert shown(message(), message(SECOND, body="two"), message(THIRD, time="2026-11-21T00:00:00.000Z")) == [
        "Fri 20 Nov 2026",
        "12:00  f1f1f1f1  Alice  hello",
        "12:00  f2f2f2f2  Alice  two",
        "Sat 21 Nov 2026",
        "00:00  f3f3f3f3  Alice  hello",
    ]


@pytest.mark.parametrize(("now", "mark"), [("2026-11-20T11:55:00.000Z", " "), ("2026-11-20T11:54:59.000Z", "!")])
def test_what_claims_to_be_over_five_minutes_ahead_is_shown_with_a_mark(now: str, mark: str) -> None:
    assert shown(message(), now=now)[1] == f"12:00{mark} f1f1f1f1  Alice  hello"


def test_lines_replies_and_reactions_stand_under_each_other() -> None:
    reactions = [
        {"id": "01" * 20, "author": ALICE, "reaction": "👍", "time": LATER},
        {"id": "02" * 20, "author": ALICE, "reaction": "❤", "time": LATER},
        {"id": "03" * 20, "author": BOB, "reaction": "👍", "time": LATER},
    ]
    answer = message(SECOND, author=BOB, reply_to=FIRST, body="yes\nno", reactions=reactions)
    assert shown(message(), answer)[2:] == [
        "12:00  f2f2f2f2  Bob    ↪ Alice: hello",
        "                        yes",
        "                        no",
        "                        👍 Alice, Bob   ❤ Alice",
    ]


def test_an_answer_to_what_is_not_shown_names_its_id() -> None:
    assert shown(message(SECOND, reply_to=FIRST))[1].endswith("↪ f1f1f1f1")


def test_who_speaks_through_another_stands_before_him() -> None:
    far = {"gateway": "mvds", "account": "fa" * 20, "key": "0x04" + "ab" * 64, "name": ""}
    named = {**far, "name": "Far\x07away"}
    reactions = [{"id": "01" * 20, "author": BOB, "reaction": "👍", "time": LATER, "via": named}]
    entry = message(via=far, reactions=reactions)
    assert shown(entry)[1:] == [
        "12:00  f1f1f1f1  fafafafa via Alice  hello",
        "                                     👍 Far\\x07away via Bob",
    ]
    page = EntryView(NAMES, Palette(on=False), zone=UTC).page(entry)
    assert f"key     {far['key']}" in page
    assert any(line.startswith("from    fafafafa via Alice") for line in page)


def test_edited_deleted_and_hidden_are_marked() -> None:
    edits = [{"id": SECOND, "time": LATER, "body": "x"}]
    assert shown(message(edits=edits))[1].endswith("hello (edited)")
    assert shown(message(edits=edits, body=""))[1].endswith("Alice  (deleted)")
    assert shown(message(hidden=True))[1].endswith("hello (hidden)")


@pytest.mark.parametrize(("state", "mark"), [("written", "·"), ("sent", "✓"), ("read", "✓✓")])
def test_own_messages_say_how_far_they_came(state: str, mark: str) -> None:
    status = {"state": state, "sent": [], "read": []}
    assert shown(message(status=status), me=ALICE)[1].endswith(f"hello {mark}")
    assert shown(message(status=status), me=BOB)[1].endswith("hello")


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        ("initial", {"mode": 3}, "started the conversation (public)"),
        ("initial", {"mode": 77}, "started the conversation (77)"),
        ("member", {"action": "add", "uri": BOB}, "invited Bob"),
        ("member", {"action": "join", "uri": ALICE}, "joined"),
        ("member", {"action": "ban", "uri": PHONE}, "banned the device d1d1d1d1"),
        ("member", {"action": "\x1b[2J"}, "\\x1b[2J"),
        ("vote", {"kind": "unban", "uri": BOB}, "voted to unban Bob"),
        ("application/update-profile", {}, "changed the profile"),
        (
            "application/data-transfer+json",
            {"displayName": "a\nb", "totalSize": "7"},
            "sent the file a\\x0ab (7 bytes)",
        ),
        ("application/x-strange", {"k": "v\x9b"}, 'application/x-strange {"k":"v\\u009b"}'),
        ("application/x-strange", None, "application/x-strange null"),
        ("member", "no object", "None"),
    ],
)
def test_what_the_group_did_is_a_sentence(kind: str, body: Any, sentence: str) -> None:
    assert shown(message(type=kind, body=body))[1] == f"12:00  f1f1f1f1  · Alice {sentence}"


def test_hostile_text_stays_in_its_place() -> None:
    evil = "\x1b[2J\x1b]0;title\x07 \u202e"
    reaction = {"id": SECOND, "author": BOB, "reaction": evil, "time": LATER}
    told = shown(message(body=evil, reactions=[reaction]), message(SECOND, reply_to=FIRST))
    assert not any(char in line for line in told for char in "\x1b\x07\u202e")


def test_a_message_alone_shows_its_ids_and_who_has_it() -> None:
    entry = message(
        reply_to=THIRD,
        hidden=True,
        edits=[{"id": SECOND, "time": LATER, "body": "hello"}],
        reactions=[{"id": THIRD, "author": BOB, "reaction": "👍", "time": LATER}],
        status={"state": "sent", "sent": [BOB], "read": []},
    )
    page = EntryView(NAMES, Palette(on=False), zone=UTC).page(entry)
    assert f"id      {FIRST}" in page
    assert f"answers {THIRD}" in page
    assert "    2026-11-20 12:05:00  f2f2f2f2" in page
    assert "    👍  Bob  2026-11-20 12:05:00" in page
    assert "    sent to Bob" in page
    assert any(line.startswith("hidden") for line in page)
