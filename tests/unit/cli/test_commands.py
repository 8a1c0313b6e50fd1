"""Every command of the table reaches its method, with the parameters that its words mean."""

# ruff: noqa: ASYNC240
from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from swarmchat.api.schema import METHODS, OF_THE_DOOR
from swarmchat.cli.session import Session
from swarmchat.errors import DeliveryTimeout, RefusedError
from tests.support.fake_commands import (
    ALICE,
    ANSWERS,
    BOB,
    FIRST,
    LAPTOP,
    LATER,
    NOON,
    PHONE,
    ROOM,
    THIRD,
    FakeCommands,
    message,
)
from tests.support.fake_door import swarmchat

COMMANDS: list[tuple[str, str, dict[str, Any]]] = [
    ("account create --name Al", "account.create", {"name": "Al"}),
    ("account show", "account.show", {}),
    ("account export /x/a --password-file PW", "account.export", {"path": "/x/a", "password": "secret"}),
    ("account import /x/a --password-file PW", "account.import", {"path": "/x/a", "password": "secret"}),
    (
        "account import /x/a --check --password-file PW",
        "account.import",
        {"path": "/x/a", "password": "secret", "check": True},
    ),
    ("account set-password --new-password-file PW", "account.set_password", {"password": "secret"}),
    ("account set-password --remove", "account.set_password", {}),
    ("status identity", "status.identity", {}),
    ("status identity --yes", "status.identity", {"replace": True}),
    ("status identity --export /x/key", "status.identity_export", {"path": "/x/key"}),
    ("gateway mvds open Boats", "mvds.open", {"conversation": "Boats"}),
    ("gateway mvds invite Boats zQ3sh1", "mvds.invite", {"conversation": "Boats", "key": "zQ3sh1"}),
    ("gateway mvds attest Boats", "mvds.attest", {"conversation": "Boats"}),
    ("gateway mvds attest Boats --limit 9", "mvds.attest", {"conversation": "Boats", "limit": 9}),
    ("gateway mvds serve --listen 127.0.0.1:0", "mvds.serve", {"listen": "127.0.0.1:0"}),
    ("gateway mvds serve --stop", "mvds.serve", {"stop": True}),
    (
        "gateway mvds serve --listen [::1]:0 --tick-ms 5",
        "mvds.serve",
        {"listen": "[::1]:0", "tick_ms": 5},
    ),
    ("gateway mvds status", "mvds.status", {}),
    ("status bridge boats", "status.bridge", {"conversation": "boats"}),
    (
        "status export boats --out /x/boats",
        "status.export",
        {"conversation": "boats", "path": "/x/boats"},
    ),
    ("status export boats -o /x/boats", "status.export", {"conversation": "boats", "path": "/x/boats"}),
    (
        "status export boats --out /x/boats --attest --force",
        "status.export",
        {"conversation": "boats", "path": "/x/boats", "mode": "attest", "force": True},
    ),
    (
        "status export boats",
        "status.export",
        {"conversation": "boats", "path": str(Path("00010203.status").absolute())},
    ),
    ("status import /x/boats", "status.import", {"path": "/x/boats"}),
    ("status import /x/boats --dry-run", "status.import", {"path": "/x/boats", "dry_run": True}),
    ("status show boats", "status.show", {"conversation": "boats"}),
    ("status requests", "status.requests", {}),
    ("status requests boats", "status.requests", {"conversation": "boats"}),
    ("status accept boats 0x04ab", "status.accept", {"conversation": "boats", "key": "0x04ab"}),
    ("status decline boats zQ3sh", "status.decline", {"conversation": "boats", "key": "zQ3sh"}),
    ("daemon status", "daemon.status", {}),
    ("conversation create -t T --mode public", "conversation.create", {"title": "T", "mode": "public"}),
    ("create", "conversation.create", {}),
    ("create 'Boats and sails'", "conversation.create", {"title": "Boats and sails"}),
    ("conversation list", "conversation.list", {}),
    ("conversation show boats", "conversation.show", {"conversation": "boats"}),
    (
        "conversation set boats --title '' --color '#112233'",
        "conversation.set",
        {"conversation": "boats", "title": "", "color": "#112233"},
    ),
    ("conversation set boats --image ''", "conversation.set", {"conversation": "boats", "image": ""}),
    ("join swarm:abcd --timeout 5", "conversation.join", {"conversation": "swarm:abcd", "timeout": 5.0}),
    (
        "conversation join c0ffee --any-mode --timeout 5",
        "conversation.join",
        {"conversation": "c0ffee", "timeout": 5.0, "any_mode": True},
    ),
    ("conversation link boats", "conversation.link", {"conversation": "boats"}),
    ("conversation link boats --qr", "conversation.link", {"conversation": "boats"}),
    ("leave boats --promote bob", "conversation.leave", {"conversation": "boats", "promote": "bob"}),
    ("conversation leave boats --dissolve --yes", "conversation.leave", {"conversation": "boats", "dissolve": True}),
    ("conversation merge-forks boats --yes", "conversation.merge_forks", {"conversation": "boats"}),
    ("conversation import /x/r.bundle", "conversation.import", {"path": "/x/r.bundle"}),
    (
        "account set --name Al --read-receipts off --typing on",
        "account.set",
        {"name": "Al", "read_receipts": "off", "typing": "on"},
    ),
    ("conversation prefs boats", "conversation.prefs", {"conversation": "boats"}),
    (
        "conversation prefs boats colour=red bell=off --unset sound --unset x",
        "conversation.prefs",
        {"conversation": "boats", "values": ["colour=red", "bell=off"], "unset": ["sound", "x"]},
    ),
    ("conversation purge boats --yes", "conversation.purge", {"conversation": "boats"}),
    ("member list boats", "member.list", {"conversation": "boats"}),
    ("invite boats x y", "member.invite", {"conversation": "boats", "accounts": ["x", "y"]}),
    ("ban boats bob", "member.ban", {"conversation": "boats", "target": "bob"}),
    (
        "member ban boats d2d2 --device --dry-run --at f1f1",
        "member.ban",
        {"conversation": "boats", "target": "d2d2", "device": True, "dry_run": True, "at": "f1f1"},
    ),
    ("unban boats bob --device", "member.unban", {"conversation": "boats", "target": "bob", "device": True}),
    ("kick boats bob", "member.kick", {"conversation": "boats", "target": "bob"}),
    ("promote boats bob --dry-run", "member.promote", {"conversation": "boats", "target": "bob", "dry_run": True}),
    ("demote boats", "member.demote", {"conversation": "boats"}),
    ("votes boats", "member.votes", {"conversation": "boats"}),
    ("send boats hi", "message.send", {"conversation": "boats", "text": "hi"}),
    (
        "message send boats hi --reply-to f1f1 --wait 2 --timeout 3",
        "message.send",
        {"conversation": "boats", "text": "hi", "reply_to": "f1f1", "wait": "2", "timeout": 3.0},
    ),
    ("send boats -- -v", "message.send", {"conversation": "boats", "text": "-v"}),
    ("edit boats f1f1 new", "message.edit", {"conversation": "boats", "message": "f1f1", "text": "new"}),
    ("delete boats f1f1", "message.delete", {"conversation": "boats", "message": "f1f1"}),
    ("react boats f1f1 👍", "message.react", {"conversation": "boats", "message": "f1f1", "reaction": "👍"}),
    (
        "react boats f1f1 👍 --remove",
        "message.react",
        {"conversation": "boats", "message": "f1f1", "reaction": "👍", "remove": True},
    ),
    ("message show boats f1f1 --local", "message.show", {"conversation": "boats", "message": "f1f1", "local": True}),
    ("search hello", "search", {"text": "hello"}),
    ("search two words", "search", {"text": "two words"}),
    (
        "search 'a \"b c\"' --in boats --from bob --since 2026-01-01 --until 2026-02-01 -n 5 -C 2 --before f1f1 --case --hidden",
        "search",
        {
            "text": 'a "b c"',
            "conversation": "boats",
            "from_": "bob",
            "since": "2026-01-01",
            "until": "2026-02-01",
            "limit": 5,
            "before": "f1f1",
            "context": 2,
            "case": True,
            "hidden": True,
        },
    ),
    ("export boats -o /x/b", "export", {"conversation": "boats", "path": "/x/b", "format": "text"}),
    (
        "export boats --format html -o /x/b --force",
        "export",
        {"conversation": "boats", "path": "/x/b", "format": "html", "force": True},
    ),
    ("bundle export boats /x/b", "bundle.export", {"conversation": "boats", "path": "/x/b"}),
    (
        "bundle export boats /x/b --since d2d2 --since f1f1 --force",
        "bundle.export",
        {"conversation": "boats", "path": "/x/b", "since": ["d2d2", "f1f1"], "force": True},
    ),
    ("bundle import /x/b", "bundle.import", {"path": "/x/b"}),
    ("index rebuild", "index.rebuild", {}),
    ("index rebuild boats", "index.rebuild", {"conversation": "boats"}),
    ("message read boats", "message.read", {"conversation": "boats"}),
    ("message read boats f1f1", "message.read", {"conversation": "boats", "message": "f1f1"}),
    ("message typing boats", "message.typing", {"conversation": "boats", "on": True}),
    ("message typing boats --off", "message.typing", {"conversation": "boats", "on": False}),
    ("message history boats f1f1", "message.history", {"conversation": "boats", "message": "f1f1"}),
    (
        "log boats -n 5 --before f1f1 --since 2026-01-01 --hidden",
        "message.list",
        {"conversation": "boats", "limit": 5, "before": "f1f1", "since": "2026-01-01", "hidden": True, "local": True},
    ),
    ("request list", "request.list", {}),
    ("accept abcd --timeout 9", "request.accept", {"request": "abcd", "timeout": 9.0}),
    (
        "request accept abcd --any-mode --timeout 9",
        "request.accept",
        {"request": "abcd", "timeout": 9.0, "any_mode": True},
    ),
    ("request decline abcd", "request.decline", {"request": "abcd"}),
    ("request block abcd", "request.block", {"request": "abcd"}),
    (
        f"contact add {BOB} --name B --address h:1 --address h:2",
        "contact.add",
        {"account": BOB, "name": "B", "addresses": ["h:1", "h:2"]},
    ),
    ("contact list", "contact.list", {}),
    ("contact show bob", "contact.show", {"contact": "bob"}),
    ("contact remove bob", "contact.remove", {"contact": "bob"}),
    ("contact block bob", "contact.block", {"contact": "bob"}),
    ("contact unblock bob", "contact.unblock", {"contact": "bob"}),
    ("dht status", "dht.status", {}),
    ("peers", "peer.list", {}),
    ("peer list", "peer.list", {}),
    ("peer add bob h:1", "peer.add", {"account": "bob", "address": "h:1"}),
    ("peer remove bob", "peer.remove", {"account": "bob"}),
    ("device list", "device.list", {}),
    ("device rename pocket", "device.rename", {"name": "pocket"}),
    ("device rename pocket d2d2", "device.rename", {"name": "pocket", "device": "d2d2"}),
    ("device revoke d2d2 --yes", "device.revoke", {"device": "d2d2"}),
    ("presence", "presence", {}),
    ("presence bob", "presence", {"contact": "bob"}),
    (
        "message show boats f1f1 --delivery",
        "message.show",
        {"conversation": "boats", "message": "f1f1", "delivery": True},
    ),
    ("verify boats", "verify", {"conversation": "boats"}),
    ("verify /x/r.git --allowed-signers", "verify", {"conversation": "/x/r.git", "allowed_signers": True}),
    ("doctor --repair", "doctor", {"repair": True}),
    ("explain f1f1 --in boats", "explain", {"commit": "f1f1", "conversation": "boats"}),
    ("graph boats -n 7", "graph", {"conversation": "boats", "limit": 7}),
    ("web", "web.link", {}),
    ("token add bot --scope send", "token.add", {"name": "bot", "scope": "send"}),
    ("token add bot", "token.add", {"name": "bot", "scope": "read"}),
    ("token list", "token.list", {}),
    ("token remove bot", "token.remove", {"name": "bot"}),
    ("config show", "config.show", {}),
    ("config get log.level", "config.get", {"key": "log.level"}),
    ("config set log.level debug", "config.set", {"key": "log.level", "values": ["debug"]}),
    (
        "config set listen 127.0.0.1:0 [::1]:0",
        "config.set",
        {"key": "listen", "values": ["127.0.0.1:0", "[::1]:0"]},
    ),
    ("config unset log.level", "config.unset", {"key": "log.level"}),
    ("config path", "config.path", {}),
    ("config schema", "config.schema", {}),
    ("debug bundle /x/b.zip", "debug.bundle", {"path": "/x/b.zip"}),
    ("sync status boats", "sync.status", {"conversation": "boats"}),
]


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("secret\nsecond line\n")
    return str(path)


@pytest.mark.parametrize(("line", "method", "params"), COMMANDS, ids=[line for line, _, _ in COMMANDS])
def test_a_command_calls_its_method(line: str, method: str, params: dict[str, Any], password: str) -> None:
    words = [password if word == "PW" else word for word in shlex.split(line)]
    node = FakeCommands()
    outcome = swarmchat(*words, node=node)
    assert outcome.status == 0, outcome
    assert (method, params) in node.calls
    assert outcome.out.endswith("\n")


@pytest.mark.parametrize(("line", "method", "params"), COMMANDS, ids=[line for line, _, _ in COMMANDS])
def test_its_json_is_the_result_of_the_method(line: str, method: str, params: dict[str, Any], password: str) -> None:
    words = [password if word == "PW" else word for word in shlex.split(line)]
    json_first = swarmchat("--json", *words)
    assert json_first.status == 0, json_first
    assert json.loads(json_first.out) == ANSWERS[method]
    assert json_first.out.count("\n") == 1
    assert json_first.err == ""
    if "--" not in words:
        assert swarmchat(*words, "--json").out == json_first.out


def test_every_method_has_a_command() -> None:
    elsewhere = {"daemon.stop", "events.list", "device.add", "device.confirm"}  # tested below and in test_daemon
    assert {method for _, method, _ in COMMANDS} | elsewhere == METHODS.keys() - OF_THE_DOOR


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "member nonsense",
        "send",
        "create --mode secret",
        "send boats hi --wait everybody",
        "send boats hi --wait 0",
        "send boats hi --timeout 3",
        "conversation set boats",
        "leave boats --promote bob --dissolve",
        "account set-password --remove --new-password-file x",
        "verify --allowed-signers",
        "log boats -n 0",
        "log boats --no-such-option",
        "send boats " + "x" * 65_537,
    ],
)
def test_words_that_make_no_sense_end_with_status_2_and_call_nothing(line: str) -> None:
    node = FakeCommands()
    outcome = swarmchat(*line.split(), node=node)
    assert outcome.status == 2
    assert outcome.err
    assert node.calls == []


def test_a_new_password_that_nobody_can_type_is_asked_for_by_its_own_option() -> None:
    """--password-file would name the old one."""
    node = FakeCommands()
    outcome = swarmchat("account", "set-password", node=node)
    assert outcome.status == 1
    assert "hint: give it with --new-password-file" in outcome.err
    assert node.calls == []


@pytest.mark.parametrize(
    ("changed", "notes"),
    [
        ({"public": True}, []),
        ({}, ["only who is invited"]),
        ({"public": True, "addresses": []}, ["no address"]),
    ],
)
def test_a_link_alone_is_printed_and_beside_it_for_whom_it_is_good(changed: dict[str, Any], notes: list[str]) -> None:
    node = FakeCommands()
    node.answers["conversation.link"] = ANSWERS["conversation.link"] | changed
    outcome = swarmchat("conversation", "link", "boats", node=node)
    assert outcome.out == f"swarm:{ROOM}?from={ALICE}&at=192.0.2.7:4000\n"
    assert len(outcome.err.splitlines()) == len(notes)
    assert all(note in outcome.err for note in notes)


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


@pytest.mark.parametrize("words", [("send", "boats", "-"), ("send", "boats")])
def test_a_message_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    stdin(monkeypatch, "né\ntwo\n".encode())
    node = FakeCommands()
    assert swarmchat(*words, node=node).status == 0
    assert node.calls[0][1]["text"] == "né\ntwo"


def test_standard_input_that_is_not_utf_8_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"\xff")
    assert swarmchat("send", "boats").status == 2


def test_a_message_that_nobody_had_in_time_is_written_all_the_same() -> None:
    node = FakeCommands()
    node.answers["message.send"] = DeliveryTimeout(
        "nobody has it yet", data={"id": FIRST, "conversation": ROOM, "time": NOON}
    )
    outcome = swarmchat("send", "boats", "hi", "--wait", "any", "--timeout", "0", node=node)
    assert (outcome.status, outcome.out) == (6, FIRST + "\n")
    assert "nobody has it yet" in outcome.err


def test_who_has_a_message_is_told_by_name() -> None:
    node = FakeCommands()
    node.answers["message.send"]["received"] = [{"account": BOB, "device": LAPTOP}]
    assert swarmchat("send", "boats", "hi", "--wait", "any", node=node).out == f"{FIRST}\nreceived by Bob (d2d2d2d2)\n"


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("voted", "voted to ban Bob: 1 of 2 votes (f3f3f3f3)"),
        ("resolved", "Bob is banned (f3f3f3f3)"),
        ("planned", "would vote to ban Bob: 1 of 2 votes; nothing was written"),
    ],
)
def test_a_ballot_says_what_came_of_it(state: str, sentence: str) -> None:
    node = FakeCommands()
    node.answers["member.ban"]["state"] = state
    assert swarmchat("ban", "boats", "bob", node=node).out == sentence + "\n"


def test_nobody_demotes_another() -> None:
    node = FakeCommands()
    assert swarmchat("demote", "boats", "bob", node=node).status == 4
    assert swarmchat("demote", "boats", "Alice", node=node).status == 0
    assert swarmchat("demote", "boats", ALICE[:6], node=node).status == 0


def test_an_invalid_history_is_shown_and_ends_with_status_7() -> None:
    node = FakeCommands()
    rejection = {"commit": THIRD, "rule": "SCP-02 §5.4", "reason": "not an admin", "path": "admins/x"}
    node.answers["verify"] |= {"valid": False, "rejections": [rejection]}
    outcome = swarmchat("verify", "boats", node=node)
    assert outcome.status == 7
    assert "NOT VALID" in outcome.out
    assert "f3f3f3f3  SCP-02 §5.4: not an admin (admins/x)" in outcome.out
    told = swarmchat("verify", "--json", node=node)
    assert told.status == 7
    assert json.loads(told.out)[0]["rejections"] == [rejection]
    assert json.loads(told.err)["error"]["code"] == "verification_failed"


def test_a_relative_path_is_made_whole_for_the_daemon() -> None:
    node = FakeCommands()
    swarmchat("verify", "./r.git", node=node)
    assert node.calls[0][1]["conversation"] == str(Path("r.git").absolute())


def test_allowed_signers_are_nothing_but_their_lines() -> None:
    node = FakeCommands()
    node.answers["verify"]["allowed_signers"] = ["a ssh-ed25519 AAAA", "b ssh-ed25519 BBBB"]
    outcome = swarmchat("verify", "boats", "--allowed-signers", node=node)
    assert outcome.out == "a ssh-ed25519 AAAA\nb ssh-ed25519 BBBB\n"


def test_a_graph_in_every_form() -> None:
    assert swarmchat("graph", "boats").out.splitlines()[0] == "●  f3f3f3f3  text/plain  Bob"
    assert swarmchat("graph", "boats", "--format", "dot", "--json").out.startswith("digraph")
    assert swarmchat("graph", "boats", "--format", "svg").out.startswith("<svg")
    assert json.loads(swarmchat("graph", "boats", "--json").out) == ANSWERS["graph"]


def test_a_picture_becomes_a_data_uri_and_anything_else_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 10)
    node = FakeCommands()
    assert swarmchat("conversation", "set", "boats", "--image", str(picture), node=node).status == 0
    assert node.calls[0][1]["image"].startswith("data:image/png;base64,iVBORw0K")
    picture.write_bytes(b"GIF89a")
    assert swarmchat("conversation", "set", "boats", "--image", str(picture)).status == 2
    picture.write_bytes(b"\xff\xd8\xff" + b"x" * 200_000)
    assert "too large" in swarmchat("conversation", "set", "boats", "--image", str(picture)).err
    assert swarmchat("conversation", "set", "boats", "--image", str(tmp_path / "none")).status == 2


@pytest.mark.parametrize(
    ("may_link", "told"),
    [
        (True, "That device had the account key. If somebody else has it now, the account is compromised"),
        (None, "It is not known here whether that device had the account key. If somebody else has it now"),
        (False, "It never had the account key"),
    ],
)
def test_revoking_a_device_says_what_its_thief_can_do_and_what_helps(may_link: bool | None, told: str) -> None:
    node = FakeCommands()
    node.answers["device.revoke"]["may_link"] = may_link
    outcome = swarmchat("device", "revoke", "d2d2", "--yes", node=node)
    assert told in outcome.err
    assert ("make a new account" in outcome.err) is (may_link is not False)


def test_the_devices_are_listed_with_who_holds_the_account_key() -> None:
    node = FakeCommands()
    (mine,) = node.answers["device.list"]
    node.answers["device.list"] = [
        mine,
        mine | {"id": LAPTOP, "name": "laptop", "this": False, "may_link": False},
        mine | {"id": "e" * 64, "name": "", "this": False, "revoked": True, "may_link": None, "since": None},
    ]
    header, *rows = swarmchat("device", "list", node=node).out.splitlines()
    assert re.split(r"  +", header) == ["DEVICE", "NAME", "STATE", "ACCOUNT KEY", "SINCE"]
    assert [re.split(r"  +", row)[1:4] for row in rows] == [
        ["phone", "this one", "holds it"],
        ["laptop", "linked", "–"],
        ["–", "revoked", "not known"],
    ]


def test_adding_a_device_finds_it_and_then_makes_it_one_of_mine() -> None:
    node = FakeCommands()
    line = "device add swarm-link:x --may-link --at 192.0.2.7:4000 --at [::1]:5 --timeout 7 --yes"
    outcome = swarmchat(*line.split(), node=node)
    assert node.calls == [
        (
            "device.add",
            {"code": "swarm-link:x", "may_link": True, "addresses": ["192.0.2.7:4000", "[::1]:5"], "timeout": 7.0},
        ),
        ("device.confirm", {"pairing": "0123456789abcdef", "accept": True}),
    ]
    assert outcome.out == f"{LAPTOP}  laptop  linked\n"
    assert "laptop at 192.0.2.7:4000 knows the words" in outcome.err


def test_adding_a_device_asks_before_anything_else_whether_there_is_somebody_to_ask() -> None:
    node = FakeCommands()
    outcome = swarmchat("device", "add", "swarm-link:x", node=node)
    assert outcome.status == 1
    assert "--yes" in outcome.err
    assert node.calls == []


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_a_device_that_is_not_mine_after_all_is_refused(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(Session, "may_ask", property(lambda session: True))

    def asked(*_args: Any, **_options: Any) -> bool:
        if not answer:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(click, "confirm", asked)
    node = FakeCommands()
    outcome = swarmchat("device", "add", "swarm-link:x", node=node)
    assert outcome.status == 130
    assert node.calls[-1] == ("device.confirm", {"pairing": "0123456789abcdef", "accept": False})


def test_wrong_words_are_told_with_the_tries_that_are_left() -> None:
    node = FakeCommands()
    node.answers["device.add"] = RefusedError("the words are not those", hint="2 tries are left", data={"left": 2})
    outcome = swarmchat("device", "add", "swarm-link:x", "--yes", node=node)
    assert outcome.status == 4
    assert "2 tries are left" in outcome.err


def test_who_sent_invalid_commits_is_shown_as_barred() -> None:
    lines = swarmchat("peers").out.splitlines()
    assert ["barred" in line for line in lines] == [False, False, True]


def test_peers_say_by_what_and_how_long_ago_a_device_was_heard_of() -> None:
    lines = swarmchat("peers").out.splitlines()
    assert re.search(r"  lan \d+ d, static  ", lines[1] + "  ")
    assert "KNOWN BY" in lines[0]


def test_presence_says_how_long_ago_and_by_what_and_names_devices_where_asked() -> None:
    (line,) = swarmchat("presence").out.splitlines()
    assert re.fullmatch(r"Bob  away \d+ d ago \(link\)", line.strip())
    assert [row.split()[0] for row in swarmchat("presence", "bob").out.splitlines()] == ["Bob", "d2d2d2d2"]
    assert re.search(r"confirmed  c0ffee33 +away \d+ d ago \(link\)", swarmchat("contact", "list").out)
    node = FakeCommands()
    node.answers["presence"] = []
    assert "contact add" in swarmchat("presence", node=node).err


def test_how_far_a_message_came_is_told_for_each_device() -> None:
    node = FakeCommands()
    devices = [
        {"device": LAPTOP, "sent_at": NOON, "read_at": LATER},
        {"device": PHONE, "sent_at": None, "read_at": LATER},
    ]
    delivery = [{"account": BOB, "name": "Bob", "state": "read", "devices": devices}]
    node.answers["message.show"] = message() | {"delivery": delivery}
    told = swarmchat("message", "show", "boats", "f1f1", "--delivery", node=node).out.splitlines()
    at = told.index("delivery")
    assert told[at + 1] == "    Bob  read"
    assert re.fullmatch(r" {8}d2d2d2d2  sent \S+ \S+  read \S+ \S+", told[at + 2])
    assert re.fullmatch(r" {8}d1d1d1d1  read \S+ \S+", told[at + 3])


def test_up_to_where_members_have_read_is_shown_where_asked() -> None:
    node = FakeCommands()
    rows = node.answers["member.list"]
    rows[0]["read"] = {"commit": FIRST, "time": NOON}
    for row in rows[1:]:
        row["read"] = None
    told = swarmchat("member", "list", "boats", "--local", node=node).out.splitlines()
    assert node.calls == [("member.list", {"conversation": "boats", "local": True})]
    assert told[0].endswith("READ")
    assert "f1f1f1f1 " in told[1]
    assert told[2].rstrip().endswith("–")


def test_more_than_can_be_counted_is_shown_as_more() -> None:
    node = FakeCommands()
    node.answers["conversation.list"][0]["unread"] = 999
    assert swarmchat("conversation", "list", node=node).out.splitlines()[1].endswith(" 999")
    node.answers["conversation.list"][0]["unread"] = 1_000
    assert swarmchat("conversation", "list", node=node).out.splitlines()[1].endswith(" 1000+")


def test_the_dht_says_how_it_stands_and_what_is_missing() -> None:
    outcome = swarmchat("dht", "status")
    assert "connected: 3 nodes known, on UDP port 4222" in outcome.out
    assert "keeps records for others" in outcome.out
    assert re.search(r"cdcdcdcd  192.0.2.9:4222  bootstrap  \d+ d", outcome.out)
    assert "hint" not in outcome.out + outcome.err
    found = swarmchat("daemon", "status").out
    assert "no bootstrap node has answered yet: h:1" in found
    assert "hint: see whether it runs" in found


def test_what_cannot_be_undone_needs_a_yes() -> None:
    for line in ("conversation purge boats", "device revoke d2d2"):
        node = FakeCommands()
        outcome = swarmchat(*line.split(), node=node)
        assert outcome.status == 1
        assert "--yes" in outcome.err
        assert node.calls == []


def test_an_archive_goes_to_standard_output_and_comes_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    node = FakeCommands()
    seen: list[bytes] = []

    async def export(*, path: str, password: str) -> Any:
        assert (Path(path).parent.stat().st_mode & 0o777, password) == (0o700, "secret")
        Path(path).write_bytes(b"sealed\x00\xff")
        return ANSWERS["account.export"]

    async def take(*, path: str, password: str) -> Any:
        assert Path(path).stat().st_mode & 0o777 == 0o600
        seen.append(Path(path).read_bytes())
        return ANSWERS["account.import"]

    node.answers |= {"account.export": export, "account.import": take}
    sink = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr("sys.stdout", sink)
    assert swarmchat("account", "export", "-", "--password-file", password, node=node).status == 0
    data = sink.buffer.getvalue()  # type: ignore[attr-defined]
    assert data == b"sealed\x00\xff"
    stdin(monkeypatch, data)
    assert swarmchat("account", "import", "-", "--password-file", password, node=node).status == 0
    assert seen == [data]
    assert not Path(node.calls[-1][1]["path"]).parent.exists()


def test_a_refusal_names_its_rule() -> None:
    node = FakeCommands()
    node.answers["member.kick"] = RefusedError("only an admin removes somebody", data={"rule": "SCP-02 §5.4"})
    outcome = swarmchat("kick", "boats", "bob", node=node)
    assert outcome.status == 4
    assert outcome.err == "error: only an admin removes somebody\n  rule: SCP-02 §5.4\n"


def test_an_account_shows_what_it_tells_others_and_whether_it_was_revoked() -> None:
    node = FakeCommands()
    assert "tells    how far I have read" in swarmchat("account", "show", node=node).out
    node.answers["account.show"] = ANSWERS["account.show"] | {"revoked": True, "read_receipts": False}
    shown = swarmchat("account", "show", node=node).out
    assert "revoked  by its account" in shown
    assert "tells    neither how far I have read nor that I type" in shown


def test_the_status_of_a_daemon_on_a_revoked_device_says_so() -> None:
    node = FakeCommands()
    assert "revoked" not in swarmchat("daemon", "status", node=node).out
    node.answers["daemon.status"] = ANSWERS["daemon.status"] | {"revoked": True}
    assert "this device, by its account" in swarmchat("daemon", "status", node=node).out


def test_members_are_listed_with_the_devices_they_have_withdrawn() -> None:
    bob = next(line for line in swarmchat("member", "list", "boats").out.splitlines() if "Bob" in line)
    assert "(revoked)" in bob


def test_preferences_are_shown_one_a_line() -> None:
    assert swarmchat("conversation", "prefs", "boats").out == "bell=off\ncolour=#336699\n"
