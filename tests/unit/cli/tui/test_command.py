"""`swarmchat tui` begins only where it can be seen."""

from __future__ import annotations

import subprocess
import sys

from tests.support.fake_door import swarmchat


def test_without_a_terminal_it_says_what_to_take_instead() -> None:
    for words in (("tui",), ("tui", "--json")):
        outcome = swarmchat(*words)
        assert (outcome.status, "swarmchat tail" in outcome.err) == (2, True)


def test_who_does_not_use_it_does_not_load_it() -> None:
    code = "import sys, swarmchat.cli.main, swarmchat.cli.tui.command; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
