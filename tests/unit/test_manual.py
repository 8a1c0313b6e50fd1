"""The man pages say what the commands say, and a reader of man pages understands them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from swarmchat.cli.main import SECTIONS
from swarmchat.node.config import SETTINGS
from tests.support import manual

ROOT = Path(__file__).resolve().parents[2]
PAGES = manual.pages()


def test_every_command_and_every_setting_stands_on_a_page() -> None:
    text = "".join(PAGES.values()).replace("\\-", "-")
    for section in SECTIONS.values():
        for name in section:
            assert f"swarmchat {name}" in text
    assert all(key in PAGES["man5/swarmchat-config.5"] for key in SETTINGS)
    assert "--reply-to" in text


def test_the_wheel_has_them_where_man_looks() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["shared-data"] == {"docs/man": "share/man"}
    assert {one.split("/")[0] for one in PAGES} == {"man1", "man5"}


def test_text_is_no_request() -> None:
    assert manual._text(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert manual._text("'tis \\fB -x") == "\\&'tis \\efB \\-x"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not on this machine")
def test_groff_has_nothing_to_say_against_them() -> None:
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    for name, text in PAGES.items():
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-rLL=100n", "-P-cbou"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=environ,
        )
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith(name.split("/")[1].rpartition(".")[0].upper()), name
