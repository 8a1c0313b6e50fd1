"""`swarmchat gateway mvds …` against a pretended node, and the files of a thin peer."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swarmchat.cli import thinpeer
from swarmchat.errors import StorageError, UsageError, UserError
from swarmchat.gateways.datasync.payload import group_of
from swarmchat.gateways.datasync.schedule import CHANNEL, trial
from swarmchat.gateways.datasync.thinstore import ThinStore
from swarmchat.gateways.datasync.wishes import Losses
from tests.support.fake_commands import ANSWERS, ROOM, FakeCommands
from tests.support.fake_door import swarmchat


def mvds(*words: str, **answers: Any) -> Any:
    return swarmchat("gateway", "mvds", *words, node=FakeCommands(answers) if answers else FakeCommands())


def test_open_and_invite_say_what_comes_next() -> None:
    opened = mvds("open", "Boats")
    assert opened.out == f"open for data sync as group {'9a' * 32}\n"
    assert "gateway mvds invite CONV KEY" in opened.err
    invited = mvds("invite", "Boats", "zQ3sh1")
    assert invited.out == f"invited, here under the id {ANSWERS['mvds.invite']['account']}\n"
    assert "gateway mvds serve" in invited.err


def test_what_was_passed_on_and_left_out_is_counted() -> None:
    done = mvds("attest", "Boats", "--limit", "3")
    assert done.out == "passed on 3 texts\n"
    assert done.err == "left out 1 text: changed since, said through a gateway, or very long\n"
    node = FakeCommands()
    node.answers["mvds.attest"] = {"conversation": ROOM, "attested": 1, "left_out": 0}
    all_of_it = swarmchat("gateway", "mvds", "attest", "Boats", node=node)
    assert (all_of_it.out, all_of_it.err) == ("passed on 1 text\n", "")
    opened = mvds("open", "Boats", "--attest")
    assert opened.out == f"open for data sync as group {'9a' * 32}\n"
    assert opened.err.startswith("passed on 3 texts\nleft out 1 text")
    assert mvds("attest", "Boats", "--limit", "201").status == 2


@pytest.mark.parametrize("words", [(), ("--listen", "127.0.0.1:0", "--stop")])
def test_serve_is_told_one_thing(words: tuple[str, ...]) -> None:
    outcome = mvds("serve", *words)
    assert outcome.status == 2
    assert "either --listen HOST:PORT or --stop" in outcome.err


def test_status_shows_who_takes_part() -> None:
    lines = mvds("status").out.splitlines()
    assert lines[1] == "listens    127.0.0.1:4100"
    assert lines[2] == "connected  1 peer"
    assert lines[4] == f"{ROOM[:8]}  12 messages"
    assert lines[5] == "  0x04cacacacaca…  member  without account  connected"
    assert lines[6] == "  join  0x04cacacacaca…  confirmed by 1"


@pytest.mark.parametrize(
    ("connect", "wanted"),
    [("127.0.0.1", "port"), ("nowhere:99999", "")],
)
def test_an_address_that_is_none_is_a_mistake_of_the_words(connect: str, wanted: str, tmp_path: Path) -> None:
    outcome = mvds("peer", "--connect", connect, "--key-file", str(tmp_path / "k"))
    assert outcome.status == 2
    assert wanted in outcome.err
    assert not (tmp_path / "k").exists()


# --- the files of a thin peer


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = thinpeer._secret(path, lambda count: b"\5" * count)
    assert made.raw == b"\5" * 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert thinpeer._secret(path, lambda count: b"\6" * count).public == made.public


@pytest.mark.parametrize("content", [b"", b"xyz\n", b"00" * 32, b"05" * 31, b"\xff" * 64])
def test_a_file_that_holds_no_key_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(UserError, match="holds no key"):
        thinpeer._secret(path, lambda count: b"\5" * count)
    assert path.read_bytes() == content


def test_what_is_wrong_with_a_key_file_is_said_without_python_and_with_a_hint(tmp_path: Path) -> None:
    """It said `non-hexadecimal number found in fromhex() arg`, and of a file that is too long no hint."""
    path = tmp_path / "key"
    for content in (b"xyz\n", b"\xff" * 64, b"5" * 81):
        path.write_bytes(content)
        with pytest.raises((UserError, StorageError)) as refused:
            thinpeer._secret(path, lambda count: b"\5" * count)
        assert "fromhex" not in str(refused.value)
        assert "codec" not in str(refused.value)
        assert refused.value.hint is not None
        assert "64 hex digits" in refused.value.hint


def test_two_processes_are_not_one_peer(tmp_path: Path) -> None:
    held = thinpeer._held(tmp_path / "lock")
    with held, pytest.raises(UserError, match="another process"), thinpeer._held(tmp_path / "lock"):
        pytest.fail("both hold it")
    with thinpeer._held(tmp_path / "lock"):
        pass  # it was let go of


def test_the_group_is_named_by_itself_or_by_its_conversation_and_stays(tmp_path: Path) -> None:
    store = ThinStore(tmp_path / "s.sqlite")
    thinpeer._choose(store, None)
    assert store.group is None
    with pytest.raises(UsageError, match="neither a group"):
        thinpeer._choose(store, "abc")
    thinpeer._choose(store, ROOM)
    assert store.group == group_of(ROOM)
    thinpeer._choose(store, group_of(ROOM).hex().upper())
    with pytest.raises(UserError, match="another group"):
        thinpeer._choose(store, "00" * 32)
    store.close()


def test_what_lies_there_of_another_key_is_said(tmp_path: Path) -> None:
    output = Said()
    thinpeer._tell_of_others(output, tmp_path, "a.sqlite")  # type: ignore[arg-type]
    (tmp_path / "a.sqlite").touch()
    thinpeer._tell_of_others(output, tmp_path, "a.sqlite")  # type: ignore[arg-type]
    assert output.notes == []
    thinpeer._tell_of_others(output, tmp_path, "b.sqlite")  # type: ignore[arg-type]
    assert "of another key" in output.notes[0]


class Said:
    """What people are told."""

    json = False

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.mark.parametrize(
    ("code", "hint"), [("unreachable", "tried again"), ("no-hello", "no port of data sync"), ("broken", None)]
)
def test_why_nobody_answers_is_said_once_with_a_hint(code: str, hint: str | None) -> None:
    output = Said()
    told = thinpeer._Told(output)  # type: ignore[arg-type]
    away = {"event": "disconnected", "reason": "Connection refused", "code": code}
    told(away)
    told(away)
    assert output.notes[0] == "disconnected: Connection refused"
    assert len(output.notes) == (1 if hint is None else 2)
    assert hint is None or hint in output.notes[1]
    told({"event": "connected", "node": "zQ3sh", "in": True})
    told(away)
    assert output.notes.count("disconnected: Connection refused") == 2


def test_who_is_in_no_group_is_told_what_he_waits_for() -> None:
    output = Said()
    told = thinpeer._Told(output)  # type: ignore[arg-type]
    told({"event": "connected", "node": "zQ3sh", "in": False})
    assert [note for note in output.notes if "swarmchat gateway mvds invite CONV KEY" in note]
    output.notes.clear()
    told({"event": "connected", "node": "zQ3sh", "in": True})
    assert output.notes == ["connected to the node of zQ3sh"]


def test_only_a_trial_has_another_tick() -> None:
    assert thinpeer._schedule(None) is CHANNEL
    assert thinpeer._schedule(5) == trial(0.005)
    dice = lambda sides: sides - 1  # noqa: E731
    assert trial(0.005).next(9, 0, dice) == trial(0.005).next(3, 0, dice) < CHANNEL.next(9, 0, dice)


def test_losses_are_the_share_that_was_asked_for_and_the_same_with_the_same_seed() -> None:
    lost = [[loses() for _ in range(4_000)] for loses in (Losses(0.5, 1), Losses(0.5, 1), Losses(0.5, 2))]
    assert lost[0] == lost[1] != lost[2]
    assert 1_800 < sum(lost[0]) < 2_200
    assert not any(Losses(0.0, 1)() for _ in range(100))


def test_a_thin_peer_loads_neither_git_nor_certificates_nor_a_node() -> None:
    look = (
        "import sys, swarmchat.cli.thinpeer;"
        "print([m for m in sys.modules if m.split('.')[0] in ('pygit2', 'OpenSSL', 'cryptography', 'nacl', 'zeroconf')"
        " or m.startswith(('swarmchat.node', 'swarmchat.swarm', 'swarmchat.commitlog', 'swarmchat.account'))])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
