"""Whatever stands in a settings file, a change of one key changes that key and nothing else. (SCP-08 §1.4)"""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarmchat.errors import UserError
from swarmchat.node.config import SETTINGS, flat
from swarmchat.node.settings import edited

_TOP = [
    "name = 'Ann'  # me",
    "# a remark",
    "",
    "log.level = 'info'",
    "lan = { enabled = true }",
    "listen = [\n  '127.0.0.1:0', # one\n]",
    "unknown = 3",
    "dht.port = 7\r",
]
_TABLES = [
    "[lan] # at home\nenabled = false",
    "[log]\n# how much\nlevel = 'debug' # loud\nformat = 'json'",
    "[dht]\nport = 1\n\nbootstrap = ['h:1']",
    "[other.deep]\nx = [1, 2]\n",
    "[[many]]\nx = 1\n[[many]]\nx = 2",
]
_VALUES: dict[str, Any] = {"listen": ["[::1]:5"], "dht.bootstrap": ["x:2"], "dht.port": 9, "name": "Ben"}


@given(
    st.lists(st.sampled_from(_TOP), unique=True),
    st.lists(st.sampled_from(_TABLES), unique=True),
    st.sampled_from(sorted(SETTINGS)),
    st.booleans(),
)
def test_one_key_changes_and_comments_and_all_else_stay(
    top: list[str], tables: list[str], key: str, away: bool
) -> None:
    text = "\n".join([*top, *tables, ""])
    try:
        before = flat(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return  # the same table twice
    value = None if away else _VALUES.get(key, True if SETTINGS[key].schema == {"type": "boolean"} else "info")
    try:
        after = edited(text, key, value)
    except UserError:
        return
    assert dict(flat(tomllib.loads(after))) == {name: one for name, one in before if name != key} | (
        {} if away else {key: value}
    )
    last = key.rpartition(".")[2]
    kept = [line.strip() for line in text.splitlines() if last not in line and key.partition(".")[0] not in line]
    left = iter([line.strip() for line in after.splitlines()])
    if key != "listen":  # its own value has lines of its own
        assert all(line in left for line in kept), (text, after)
