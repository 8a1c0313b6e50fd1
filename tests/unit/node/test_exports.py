"""Hostile names, titles and texts in every form of an export: nothing breaks out. (SCP-08 §2.9)"""

from __future__ import annotations

import json
import mailbox
import tempfile
from collections.abc import Callable
from email.header import decode_header, make_header
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmchat.node.exports.document import Document, Form, written
from swarmchat.node.exports.forms import FORMS
from swarmchat.node.exports.page import POLICY
from tests.support.fake_commands import ALICE, BOB, CAROL, FIRST, LATER, NOON, PHONE, ROOM, ROOT, SECOND, THIRD, message

HOSTILE = [
    "</p><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style></head><body onload=x>",
    "<!-- --> ]]> &lt; &#0;",
    "a\r\nBcc: everybody@example.org\r\n\r\nFrom mallory Sat Jan  1 00:00:00 2000",
    "\nFrom here on\n>From there\nFrom ",
    "\x1b[2J\x00\u202eevil\u2066",
    '"}],"messages":[]}\n{"x":"',
    "=?utf-8?q?not_encoded?=",
    "x" * 3_000,
    "\u2028line\u2029end",
    "// # > \n===\n## deleted",
]


def document(title: str = "Boats", name: str = "Bob", description: str = "about boats") -> Document:
    told = {
        "id": ROOM,
        "title": title,
        "description": description,
        "mode": "private",
        "created": NOON,
        "heads": [THIRD],
    }
    members = [
        {"id": ALICE, "name": "Alice", "role": "admin", "devices": [PHONE], "revoked": []},
        {"id": BOB, "name": name, "role": "member", "devices": [], "revoked": []},
        {"id": CAROL, "name": "", "role": "invited", "devices": [], "revoked": []},
    ]
    return Document(told, members)


def lines(body: str = "hi\nthere", reaction: str = "👍") -> list[dict[str, Any]]:
    given = [
        {"id": SECOND, "author": ALICE, "reaction": reaction, "time": LATER},
        {"id": FIRST, "author": CAROL, "reaction": reaction, "time": LATER},
    ]
    return [
        message(ROOT, type="initial", body={"mode": 2}),
        message(FIRST, body="hello", edits=[{"id": SECOND, "time": LATER, "body": "hello"}]),
        message(THIRD, author=BOB, body=body, reply_to=FIRST, reactions=given),
        message(SECOND, author=BOB, body=""),
        message("ab" * 20, type="member", body={"action": "add", "uri": CAROL}),
        message("ac" * 20, type="application/data-transfer+json", body={"displayName": body, "totalSize": 5}),
    ]


def export(form: str, told: list[dict[str, Any]] | None = None, **head: str) -> str:
    return b"".join(written(FORMS[form](), document(**head), lines() if told is None else told)).decode()


class Tags(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def mails(text: str) -> list[mailbox.mboxMessage]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "box"
        path.write_text(text, encoding="utf-8", newline="")
        box = mailbox.mbox(path, create=False)
        try:
            return list(box)
        finally:
            box.close()


# --- text


def test_a_text_reads_like_a_log() -> None:
    assert export("text") == (
        "Boats\n=====\n\nabout boats\n"
        f"conversation  {ROOM}  (private)\n"
        f"created       {NOON}\n"
        f"heads         {THIRD}\n"
        f"admin         {ALICE}  Alice\n"
        f"member        {BOB}  Bob\n"
        f"invited       {CAROL}\n\n"
        f"{NOON}  c0ffee333333  · Alice started the conversation (private)\n"
        f"{NOON}  f1f1f1f1f1f1  Alice\n    hello\n    (edited {LATER})\n"
        f"{NOON}  f3f3f3f3f3f3  Bob\n    > Alice: hello\n    hi\n    there\n    [👍 ca201222, Alice]\n"
        f"{NOON}  f2f2f2f2f2f2  Bob\n    (deleted)\n"
        f"{NOON}  abababababab  · Alice invited ca201222\n"
        f"{NOON}  acacacacacac  · Alice sent the file hi\\x0athere (5 bytes)\n"
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_in_a_text_no_stranger_writes_a_line_of_the_program(hostile: str) -> None:
    shown = export("text", lines(hostile, hostile), title=hostile, name=hostile, description="")
    ours = export("text", lines("x", "x"), title="x", name="x", description="")
    assert not any(char < " " and char != "\n" for char in shown)
    outdented = [row for row in shown.splitlines() if row and not row.startswith("    ")]
    assert len(outdented) == len([row for row in ours.splitlines() if row and not row.startswith("    ")])


# --- json


def test_json_is_one_document_with_everything() -> None:
    told = json.loads(export("json"))
    assert told["format"] == "swarmchat-export/1"
    assert told["conversation"] == document().conversation
    assert told["members"] == document().members
    assert told["messages"] == lines()
    assert json.loads(export("json", []))["messages"] == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_json_gives_back_what_was_written_and_cannot_harm_a_terminal(hostile: str) -> None:
    shown = export("json", lines(hostile), title=hostile, name=hostile)
    told = json.loads(shown)
    assert (told["conversation"]["title"], told["members"][1]["name"]) == (hostile, hostile)
    assert told["messages"][2]["body"] == hostile
    assert not any((char < " " and char != "\n") or char in "\u202e\u2028" for char in shown)


# --- html


def test_a_page_shows_everything_and_links_answers() -> None:
    page = Tags(export("html"))
    for words in (
        "Boats",
        "about boats",
        "hello",
        "hi\nthere",
        "(deleted)",
        "Alice invited ca201222",
        "👍 ca201222, Alice",
    ):
        assert words in page.text
    anchors = {attributes.get("id") for _, attributes in page.tags} - {None}
    assert anchors == {f"m-{line['id']}" for line in lines()}
    assert {"href": f"#m-{FIRST}"} in [attributes for tag, attributes in page.tags if tag == "a"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_on_a_page_every_text_is_text(hostile: str) -> None:
    page = Tags(export("html", lines(hostile, hostile), title=hostile, name=hostile, description=hostile))
    plain = Tags(export("html", lines("x", "x"), title="x", name="x", description="x"))
    assert page.tags == plain.tags
    assert not {"script", "img", "iframe", "link", "object", "form"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_a_page_forbids_all_that_it_does_not_need() -> None:
    page = Tags(export("html"))
    metas = [attributes for tag, attributes in page.tags if tag == "meta"]
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in metas
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in POLICY
    assert not any({"src", "style"} & attributes.keys() for _, attributes in page.tags)


# --- mbox


def test_a_mailbox_has_a_mail_for_each_line_and_threads() -> None:
    box = mails(export("mbox"))
    assert [str(make_header(decode_header(mail["Subject"]))) for mail in box] == [
        "Alice started the conversation (private)",
        "hello",
        "Re: hello",
        "(deleted)",
        "Alice invited ca201222",
        "Alice sent the file hi\\x0athere (5 bytes)",
    ]
    first, hello, answer, *_ = box
    assert answer["In-Reply-To"] == answer["References"] == hello["Message-ID"]
    assert answer["From"] == f'"Bob" <{BOB}@account.swarmchat.invalid>'
    assert answer["Date"] == "Fri, 20 Nov 2026 12:00:00 +0000"
    assert answer.get_payload(decode=True).decode() == "hi\nthere\n[👍 ca201222, Alice]\n"
    assert first["Auto-Submitted"] == "auto-generated"
    assert f"member: Bob {BOB}" in first.get_payload(decode=True).decode()
    assert answer.get_from() == f"{BOB}@account.swarmchat.invalid Fri Nov 20 12:00:00 2026"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_becomes_a_header_or_another_mail(hostile: str) -> None:
    text = export("mbox", lines(hostile, hostile), title=hostile, name=hostile, description=hostile)
    assert text.isascii()
    assert max(map(len, text.splitlines())) < 998
    box, plain = mails(text), mails(export("mbox", lines("x", "x"), title="x", name="x", description="x"))
    assert [mail.keys() for mail in box] == [mail.keys() for mail in plain]
    assert [mail["Message-ID"] for mail in box] == [mail["Message-ID"] for mail in plain]
    (answer,) = (mail for mail in box if THIRD in mail["Message-ID"])
    body = answer.get_payload(decode=True).decode()
    assert "From mallory" not in hostile or "From mallory" in body
    assert "\nFrom here on\n>From there\nFrom \n" in body or "From here on" not in hostile
    assert answer["From"].endswith(f"<{BOB}@account.swarmchat.invalid>")


# --- all of them


@pytest.mark.parametrize("form", FORMS.values())
@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=20))
def test_no_text_can_stop_an_export(form: Callable[[], Form], body: str, name: str, reaction: str) -> None:
    told = document(title=name, name=name, description=body)
    assert b"".join(written(form(), told, lines(body, reaction)))
