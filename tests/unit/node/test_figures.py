"""Figures in the text format of Prometheus."""

from __future__ import annotations

import re
from pathlib import Path

from swarmchat.node import figures
from swarmchat.node.figures import FIGURES, page


def test_help_stands_before_the_first_of_a_name() -> None:
    shown = page({'swarmchat_conversations{state="a"}': 1, 'swarmchat_conversations{state="b"}': 2.0, "other": 0.5})
    assert shown == (
        f"# HELP swarmchat_conversations {FIGURES['swarmchat_conversations'].summary}\n"
        "# TYPE swarmchat_conversations gauge\n"
        'swarmchat_conversations{state="a"} 1\nswarmchat_conversations{state="b"} 2\nother 0.5\n'
    )


def test_every_figure_that_the_code_counts_is_in_the_table_and_only_those() -> None:
    root = Path(figures.__file__).parents[1]
    source = (root / "node/figures.py").read_text() + (root / "api/http/app.py").read_text()
    counted = set(re.findall(r'f?[\'"]((?:swarmchat|process)_[a-z_]+)(?:\{\{[a-z]+=|[\'"]: (?!Figure))', source))
    assert counted == FIGURES.keys()
