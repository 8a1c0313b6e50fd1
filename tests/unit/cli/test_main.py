from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from swarmchat import __version__
from swarmchat.cli.main import SECTIONS, program, run
from swarmchat.errors import (
    AmbiguousError,
    DeliveryTimeout,
    NotFoundError,
    PasswordNeededError,
    RefusedError,
    StorageError,
    SwarmchatError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from tests.support.fake_commands import FakeCommands
from tests.support.fake_door import FakeDoor, swarmchat


@pytest.mark.parametrize(
    ("family", "status"),
    [
        (SwarmchatError, 1),
        (StorageError, 1),
        (PasswordNeededError, 1),
        (UsageError, 2),
        (AmbiguousError, 2),
        (NotFoundError, 3),
        (RefusedError, 4),
        (UnreachableError, 5),
        (DeliveryTimeout, 6),
        (VerificationError, 7),
    ],
)
def test_the_exit_status_tells_the_kind_of_error(family: type[SwarmchatError], status: int) -> None:
    node = FakeCommands()
    node.answers["account.show"] = family("so it is", hint="do this", data={"path": "x"})
    outcome = swarmchat("account", "show", node=node)
    assert (outcome.status, outcome.out, outcome.err) == (status, "", "error: so it is\nhint: do this\n")
    told = swarmchat("account", "show", "--json", node=node)
    assert told.status == status
    body = {"code": family.code, "message": "so it is", "hint": "do this", "data": {"path": "x"}}
    assert json.loads(told.err) == {"error": body}


def test_an_error_in_the_words_is_told_in_json_too() -> None:
    outcome = swarmchat("send", "--json")
    error = json.loads(outcome.err)["error"]
    assert (outcome.status, error["code"], error["hint"]) == (2, "usage", "swarmchat send --help")
    assert swarmchat("send", "boats", "--", "--json").err == ""


def test_candidates_are_listed_and_nothing_in_an_error_harms_the_terminal() -> None:
    node = FakeCommands()
    node.answers["account.show"] = AmbiguousError("two\x1b[2J", data={"candidates": ["a\x1b", "b"]})
    assert swarmchat("account", "show", node=node).err == "error: two\\x1b[2J\n  a\\x1b\n  b\n"


def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    node = FakeCommands()

    async def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    node.answers["account.show"] = interrupted
    outcome = swarmchat("account", "show", node=node)
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "")


def test_a_bug_is_a_sentence_and_a_traceback_only_when_asked() -> None:
    node = FakeCommands()
    node.answers["account.show"] = ZeroDivisionError("x / 0")
    outcome = swarmchat("account", "show", node=node)
    assert (outcome.status, outcome.err.splitlines()[0]) == (1, "error: a bug in swarmchat: ZeroDivisionError: x / 0")
    assert "Traceback" not in outcome.err
    assert "Traceback" in swarmchat("-v", "account", "show", node=node).err


def test_an_error_that_ended_a_group_of_tasks_is_still_that_error() -> None:
    node = FakeCommands()
    inner = ExceptionGroup("inner", [NotFoundError("no such address")])
    node.answers["account.show"] = ExceptionGroup("outer", [ValueError("beside it"), inner])
    outcome = swarmchat("account", "show", node=node)
    assert (outcome.status, outcome.err) == (3, "error: no such address\n")


def test_a_reader_that_has_gone_is_no_error() -> None:
    class Pipe(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    status = run(
        ["account", "show"], environ={}, out=Pipe(), err=io.StringIO(), make_door=lambda *_: FakeDoor(FakeCommands())
    )
    assert status == 0
    done = subprocess.run(
        f"{sys.executable} -m swarmchat --help | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_version_in_words_and_json() -> None:
    assert swarmchat("--version").out == f"swarmchat {__version__}\n"
    assert json.loads(swarmchat("--version", "--json").out) == {"version": __version__}


def test_every_command_of_the_help_exists_and_explains_itself() -> None:
    for section in SECTIONS.values():
        for name, entry in section.items():
            command = program.get_command(None, name)  # type: ignore[arg-type]
            assert command is not None
            assert command.help, name
            assert entry.summary


def test_the_help_loads_no_command_and_no_library_of_the_node() -> None:
    code = (
        "import sys, io\n"
        "from swarmchat.cli.main import run\n"
        "run(['--help'], environ={}, out=io.StringIO(), err=io.StringIO())\n"
        "heavy = [m for m in sys.modules if m.split('.')[0] in {'pygit2', 'cryptography', 'rich', 'asyncio', 'sqlite3', 'OpenSSL'}"
        " or m.startswith('swarmchat.cli.messages')]\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_daemon_loads_nothing_that_only_some_command_needs() -> None:
    """Each of these stays in its memory for as long as it runs; together they are 3 MB."""
    code = (
        "import sys, swarmchat.daemon, swarmchat.cli.daemon\n"
        "print([m for m in ('pycparser', 'cffi', 'html', 'email.header', 'importlib.resources', 'difflib', 'swarmchat.node.debugbundle',"
        " 'swarmchat.node.exports.forms', 'swarmchat.cli.demo', 'rich', 'textual', 'zeroconf', 'kademlia',"
        " 'coincurve', 'Crypto', 'mnemonic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("environ", "words", "terminal", "coloured"),
    [
        ({}, (), True, True),
        ({}, (), False, False),
        ({"NO_COLOR": "1"}, (), True, False),
        ({"TERM": "dumb"}, (), True, False),
        ({"NO_COLOR": "1"}, ("--color", "always"), False, True),
        ({}, ("--color", "never"), True, False),
    ],
)
def test_colour_only_where_it_is_wanted(
    environ: dict[str, str], words: tuple[str, ...], terminal: bool, coloured: bool
) -> None:
    outcome = swarmchat("member", "list", "boats", *words, environ=environ, terminal=terminal)
    assert ("\x1b[" in outcome.out) is coloured


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_for_each_shell(shell: str) -> None:
    assert "_SWARMCHAT_COMPLETE" in swarmchat("completion", shell).out
