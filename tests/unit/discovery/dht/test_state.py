from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.discovery.dht.state import State, load, save

WHOLE = State(bytes(range(32)), 2**62, (("127.0.0.1", 4222), ("2001:db8::1", 65535)))


def test_state_is_read_as_it_was_saved_and_is_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "dht.json"
    save(file, WHOLE)
    assert load(file) == WHOLE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_so_many_contacts_are_kept(tmp_path: Path) -> None:
    many = tuple((f"8.8.{number // 250}.{number % 250}", 1) for number in range(limits.DHT_CONTACTS_KEPT_MAX + 9))
    save(tmp_path / "dht.json", State(bytes(32), 0, many))
    kept = load(tmp_path / "dht.json")
    assert kept is not None
    assert kept.addresses == many[: limits.DHT_CONTACTS_KEPT_MAX]


def test_nothing_was_saved(tmp_path: Path) -> None:
    assert load(tmp_path / "dht.json") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        json.dumps({"v": 2}),
        json.dumps({"v": 1, "seed": "00", "seq": 0, "addresses": []}),
        json.dumps({"v": 1, "seed": "zz" * 32, "seq": 0, "addresses": []}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": -1, "addresses": []}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": True, "addresses": []}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": 0, "addresses": {}}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": 0, "addresses": [["host.example", 1]]}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": 0, "addresses": [["127.0.0.1", 70000]]}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": 0, "addresses": [["127.0.0.1", "1"]]}),
        json.dumps({"v": 1, "seed": "00" * 32, "seq": 0, "addresses": [5]}),
        " " * (limits.DHT_STATE_BYTES_MAX + 1),
    ],
    ids=lambda text: text[:60],
)
def test_what_is_no_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "dht.json").write_text(text)
    assert load(tmp_path / "dht.json") is None
