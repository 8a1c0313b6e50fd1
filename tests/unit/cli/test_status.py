"""`swarmchat status …` against a pretended node."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import click
import pytest

from swarmchat import limits
from swarmchat.cli.session import Session
from swarmchat.errors import RefusedError
from tests.support.fake_commands import ANSWERS, FIRST, FakeCommands
from tests.support.fake_door import Terminal, swarmchat

WORDS = "abandon " * 11 + "about"
SECRET = "6d" * 32


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


def identity(*words: str, node: FakeCommands | None = None) -> tuple[list[tuple[str, Any]], Any]:
    made = node or FakeCommands()
    outcome = swarmchat("status", "identity", *words, node=made)
    return made.calls, outcome


def test_both_forms_the_uri_and_who_knows_another_key_are_shown() -> None:
    shown = ANSWERS["status.identity"]
    _, outcome = identity()
    for part in (
        shown["key"],
        shown["compressed"],
        shown["account"],
        "in 1 conversation\n",
        f"{FIRST[:8]} knows this account by 0x04ab",
    ):
        assert part in outcome.out
    assert outcome.err == ""


def test_words_come_from_standard_input_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one line or on many."""
    for said in (f"{WORDS}\n", WORDS, WORDS.replace(" ", "\n")):
        stdin(monkeypatch, said.encode())
        calls, outcome = identity("--phrase")
        assert (outcome.status, calls) == (0, [("status.identity", {"phrase": WORDS})])
        assert "about" not in outcome.out + outcome.err


def test_the_passphrase_is_the_second_line_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, f"{WORDS}\n né st \n".encode())
    calls, _ = identity("--phrase", "--passphrase")
    assert calls == [("status.identity", {"phrase": WORDS, "passphrase": " né st "})]
    stdin(monkeypatch, f"{WORDS}\n".encode())
    calls, outcome = identity("--phrase", "--passphrase")
    assert (outcome.status, calls) == (2, [])
    assert "second line" in outcome.err


@pytest.mark.parametrize("said", [b"\xff", b"zoo " * (2 * limits.PHRASE_CHARS_MAX + 2)])
def test_standard_input_that_cannot_be_a_phrase_is_refused(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    stdin(monkeypatch, said)
    calls, outcome = identity("--phrase")
    assert (outcome.status, calls) == (2, [])
    assert outcome.err.startswith("error: standard input is ")


def test_at_a_terminal_words_are_asked_for_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []
    answers = iter([WORDS, "secret"])

    def prompt(text: str, *, hide_input: bool, **_: Any) -> str:
        asked.append((text, hide_input))
        return next(answers)

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(Session, "may_ask", property(lambda session: True))
    monkeypatch.setattr("click.prompt", prompt)
    calls, _ = identity("--phrase", "--passphrase")
    assert calls == [("status.identity", {"phrase": WORDS, "passphrase": "secret"})]
    assert asked == [("Recovery phrase", True), ("Passphrase", True)]


def test_nobody_is_asked_with_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    calls, outcome = identity("--phrase", "--no-input")
    assert (outcome.status, calls) == (1, [])
    assert "recovery phrase is needed and there is nobody to ask" in outcome.err
    assert "standard input" in outcome.err


def test_a_key_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    for said, secret in ((f"{SECRET}\n", SECRET), (f"  0x{SECRET}\r\n", f"0x{SECRET}"), ("nonsense", "nonsense")):
        file.write_text(said)
        calls, outcome = identity("--key-file", str(file))
        assert (outcome.status, calls) == (0, [("status.identity", {"secret": secret})])
        assert secret not in outcome.out + outcome.err


@pytest.mark.parametrize("said", ["6d" * 34, "\n" * 100, f"{SECRET}\n{SECRET}\n"])
def test_a_file_that_holds_no_key_is_refused_unrepeated(tmp_path: Path, said: str) -> None:
    file = tmp_path / "key"
    file.write_text(said)
    calls, outcome = identity("--key-file", str(file))
    assert (outcome.status, calls) == (2, [])
    assert "holds no key" in outcome.err
    assert "6d6d" not in outcome.err


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    calls, outcome = identity("--key-file", str(tmp_path / "none"))
    assert (outcome.status, calls) == (2, [])
    assert "cannot read the key from" in outcome.err


def test_what_is_wrong_with_a_key_file_is_said_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "long").write_text(SECRET * 2)
    for name, why in (
        ("none", "No such file"),
        (".", "Is a directory"),
        ("loop", "symbolic links"),
        ("long", "holds no key"),
    ):
        _, outcome = identity("--key-file", str(tmp_path / name))
        assert why in outcome.err
        assert "64 hex digits on one line" in outcome.err


@pytest.mark.parametrize("said", [b"\xff", b"x" * 100_000, b"one line\n"])
def test_what_is_wrong_with_standard_input_is_said_with_a_hint(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    stdin(monkeypatch, said)
    calls, outcome = identity("--phrase", "--passphrase")
    assert (outcome.status, calls) == (2, [])
    assert "second" in outcome.err


@pytest.mark.parametrize(
    "words",
    [("--phrase", "--key-file", "/x"), ("--phrase", "--export", "/x"), ("--key-file", "/x", "--export", "/y"), ("--passphrase",),
     ("--passphrase", "--export", "/x"), ("--phrase", "abandon"), ("--secret", SECRET)],
)  # fmt: skip
def test_what_does_not_go_together_or_would_show_a_secret_is_no_command(words: tuple[str, ...]) -> None:
    calls, outcome = identity(*words)
    assert (outcome.status, calls) == (2, [])


def node_that_asks(first: list[Any]) -> FakeCommands:
    """It refuses the first time."""
    node = FakeCommands()

    async def answer(**params: Any) -> Any:
        first.append(params)
        if not params.get("replace"):
            raise RefusedError("known by another key", hint="`--yes`", data={"bound": [FIRST, FIRST]})
        return ANSWERS["status.identity"] | {"state": "set"}

    node.answers["status.identity"] = answer
    return node


@pytest.mark.parametrize("agreed", [True, False])
def test_before_a_key_that_conversations_know_is_replaced_one_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, agreed: bool
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return agreed

    monkeypatch.setattr(Session, "may_ask", property(lambda session: True))
    monkeypatch.setattr(click, "confirm", confirm)
    said: list[Any] = []
    (tmp_path / "key").write_text(SECRET)
    _, outcome = identity("--key-file", str(tmp_path / "key"), node=node_that_asks(said))
    assert len(asked) == 1
    assert asked[0].startswith("2 conversations will go on knowing this account by the old key")
    assert said == [{"secret": SECRET}, {"secret": SECRET, "replace": True}][: 1 + agreed]
    assert (outcome.status == 0) is agreed
    assert ("keep that one" in outcome.err) is agreed


def test_where_nobody_can_be_asked_the_refusal_says_what_to_add(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    said: list[Any] = []
    _, outcome = identity("--key-file", str(tmp_path / "key"), node=node_that_asks(said))
    assert (outcome.status, len(said)) == (4, 1)
    assert "--yes" in outcome.err
    _, outcome = identity("--key-file", str(tmp_path / "key"), "--yes", node=node_that_asks(said))
    assert outcome.status == 0


def test_what_is_written_into_a_file_is_not_shown() -> None:
    _, outcome = identity("--export", "/x/key")
    assert outcome.out == "/tmp/key\n"
    assert "speaks as this account" in outcome.err


def test_an_import_says_what_it_wrote_and_beside_it_what_it_left_out() -> None:
    outcome = swarmchat("status", "import", "/x/boats")
    assert outcome.out.endswith("  grown: 4 commits, 6 of the file known already\n")
    assert outcome.err.splitlines() == [
        "kept, without effect: 2 times nothing-changes-here",
        "not understood: message 3 –: bad-clock: 0",
        f"{FIRST} holds the same chat, and stays as it is",
    ]


def test_an_import_that_would_make_a_conversation_says_so() -> None:
    node = FakeCommands()
    node.answers["status.import"] |= {"conversation": None, "state": "planned"}
    outcome = swarmchat("status", "import", "/x/boats", "--dry-run", node=node)
    assert outcome.out.startswith("a new conversation  planned: 4 commits")


def test_a_chat_is_shown_with_who_has_no_account_and_what_is_not_told() -> None:
    lines = swarmchat("status", "show", "boats").out.splitlines()
    assert lines[3] == "told     3 group events, 7 messages"
    assert [line.split()[0] for line in lines[5:8]] == ["ROLE", "admin", "member"]
    assert lines[7].endswith("– (on Status only)")
    assert lines[-3:] == [
        f"not told: {FIRST[:8]} vote",
        "not told: 1200 times before-the-chat",
        f"dropped, for clients would refuse it: {FIRST[:8]} not-a-member",
    ]


def test_a_one_to_one_is_shown_without_roles_and_rules() -> None:
    node = FakeCommands()
    shown = node.answers["status.show"]
    members = [row | {"role": None} for row in shown["members"]]
    shown |= {"rules": None, "creator": None, "members": members, "events": 0}
    shown |= {"missing": [], "dropped": [], "counts": [], "requests": []}
    lines = swarmchat("status", "show", "Ben", node=node).out.splitlines()
    assert lines[0].startswith("chat     ")
    assert lines[1:3] == ["told     7 messages", ""]
    assert lines[3].split() == ["NAME", "KEY", "ACCOUNT"]
    assert len(lines) == 6


def test_a_one_to_one_that_waits_for_the_key_of_the_other_says_so() -> None:
    node = FakeCommands()
    node.answers["status.bridge"] |= {"chat": None}
    told = swarmchat("status", "bridge", "Ben", node=node).out
    assert told.endswith("is open for Status: what is said counts once the other's device has said which key is his\n")


def test_for_each_reason_a_report_has_one_line_and_json_has_all() -> None:
    """Of a conversation that was old when it was opened each commit had a line."""
    node = FakeCommands()
    ids = [f"{number:040x}" for number in range(1_000)]
    node.answers["status.show"] |= {
        "missing": [{"commit": one, "reason": "before-the-chat", "about": ""} for one in ids],
        "dropped": [],
        "more": 200,
        "counts": [
            {"fate": "missing", "reason": "before-the-chat", "count": 1_199},
            {"fate": "missing", "reason": "vote", "count": 1},
        ],
    }
    lines = swarmchat("status", "show", "boats", node=node).out.splitlines()
    assert lines[-2:] == ["not told: 1199 times before-the-chat", "not told: vote"]
    shown = json.loads(swarmchat("status", "show", "boats", "--json", node=node).out)
    assert [one["commit"] for one in shown["missing"]] == ids


def test_who_asks_to_be_let_in_is_shown_with_the_chat_and_alone() -> None:
    asked = ANSWERS["status.requests"][0]
    shown = swarmchat("status", "show", "boats").out.splitlines()
    at = shown.index("asking to be let in:")
    assert shown[at + 2].split()[:2] == ["Carol", asked["compressed"]]
    assert shown[at + 2].endswith("may I sail?")
    (header, row) = swarmchat("status", "requests").out.splitlines()
    assert header.split()[0] == "CONVERSATION"
    assert "may I sail?" in row
    node = FakeCommands()
    node.answers["status.requests"] = []
    assert "nobody on Status asks" in swarmchat("status", "requests", "boats", node=node).err
    assert node.calls == [("status.requests", {"conversation": "boats"})]
    node.answers["status.show"] |= {"requests": []}
    assert "asking" not in swarmchat("status", "show", "boats", node=node).out


def test_what_somebody_asks_cannot_harm_a_terminal() -> None:
    node = FakeCommands()
    node.answers["status.requests"] = [
        {**ANSWERS["status.requests"][0], "text": "\x1b[2Jhi\nyou\u202e", "name": "\x9b"}
    ]
    out = swarmchat("status", "requests", node=node).out
    assert r"\x1b[2Jhi\x0ayou\u202e" in out
    assert r"\x9b" in out
    assert len(out.splitlines()) == 2


def test_events_without_effect_are_shown_where_that_is_asked_for() -> None:
    assert "IGNORED" not in swarmchat("status", "show", "boats").out
    lines = swarmchat("status", "show", "boats", "--ignored").out.splitlines()
    assert lines[-1].split() == ["NAME_CHANGED", "0xcdcdcd", "0x04" + "7e" * 7, "not-a-member"]
    node = FakeCommands()
    node.answers["status.show"] |= {"ignored": []}
    assert "no event was ignored" in swarmchat("status", "show", "boats", "--ignored", node=node).out
    assert json.loads(swarmchat("status", "show", "boats", "--json").out)["ignored"]


def test_who_asks_is_let_in_or_declined() -> None:
    assert swarmchat("status", "accept", "boats", "Carol").out.startswith(ANSWERS["status.accept"]["account"][:8])
    assert swarmchat("status", "decline", "boats", "Carol").out.endswith(" is declined\n")


def test_the_list_of_requests_says_that_somebody_on_status_asks() -> None:
    node = FakeCommands()
    assert (
        "somebody on Status asks to be let in: swarmchat status requests" in swarmchat("request", "list", node=node).err
    )
    node.answers["status.requests"] = ANSWERS["status.requests"] * 2
    assert "2 people on Status ask" in swarmchat("request", "list", node=node).err
    node.answers["status.requests"] = []
    assert "Status" not in swarmchat("request", "list", node=node).err
    node.calls.clear()
    swarmchat("request", "list", "--json", node=node)
    assert node.calls == [("request.list", {})]


def test_an_export_names_what_is_not_in_it() -> None:
    outcome = swarmchat("status", "export", "boats", "--out", "/x/boats")
    assert outcome.out == "/tmp/boats.status: 3 group events, 7 messages, 4096 bytes\n"
    assert outcome.err.splitlines() == [
        "goes on in /tmp/boats.2.status: take them in one after the other",
        f"not told: {FIRST[:8]} vote",
        "not told: 1200 times before-the-chat",
        f"dropped, for clients would refuse it: {FIRST[:8]} not-a-member",
    ]


def test_a_member_without_account_is_listed_with_the_gateway() -> None:
    node = FakeCommands()
    node.answers["member.list"] = [
        row | ({"gateway": "status", "name": name} if row["role"] == "invited" else {})
        for name in ("Benji B", "")
        for row in ANSWERS["member.list"]
    ]
    out = swarmchat("member", "list", "boats", node=node).out
    assert "Benji B (status)" in out
    assert "– (status)" in out
    assert out.count("(status)") == 2


def test_an_import_says_where_those_who_ask_wait() -> None:
    node = FakeCommands()
    assert "status requests" not in swarmchat("status", "import", "/x/boats", node=node).err
    node.answers["status.import"] |= {
        "told": [],
        "counts": [{"fate": "ignored", "reason": "join-request", "count": 2}],
    }
    assert swarmchat("status", "import", "/x/boats", node=node).err.splitlines()[:2] == [
        "left out: 2 times join-request",
        "who asks to be let in waits for an answer: swarmchat status requests",
    ]
    assert "answer" not in swarmchat("status", "import", "/x/boats", "--dry-run", node=node).err
    most, full = limits.STATUS_REQUESTS_PER_CONVERSATION_MAX, "no more can wait than do now"
    for count, is_full in ((most - 1, False), (most, True)):
        node.answers["status.requests"] = ANSWERS["status.requests"] * count
        assert (full in swarmchat("status", "import", "/x/boats", node=node).err) is is_full
    node.answers["status.requests"] = []  # he was declined
    assert "answer" not in swarmchat("status", "import", "/x/boats", node=node).err
