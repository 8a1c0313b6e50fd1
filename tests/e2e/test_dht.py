"""Real processes that find each other over the DHT alone: a public node, and daemons that were told nothing but it. (SCP-05 §1.8)"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.dht_seeds import keep
from tests.support.process import PATIENCE_S, NodeProcess, found_room, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@contextmanager
def public_node(folder: Path, number: int, *options: str) -> Iterator[tuple[str, str]]:
    """`dht serve` with key `number`; by what name others call it, and where its metrics are."""
    keep(folder, number)
    command = [sys.executable, "-m", "swarmchat", "dht", "serve", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        [*command, "--metrics", "127.0.0.1:0", "--state", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            name = process.stdout.readline().strip()
            told = ""
            while "/metrics" not in told:
                line = process.stderr.readline()
                assert line, told
                told += line
            found = re.search(r"http://\S+", told)
            assert found
            yield name, found[0]
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, rest
            assert "Traceback" not in told + rest
        finally:
            process.kill()


@contextmanager
def daemons(folder: Path, *names: str, options: tuple[str, ...]) -> Iterator[tuple[NodeProcess, ...]]:
    """Daemons whose DHT has its key already."""
    options = ("--listen", "127.0.0.1:0", "--no-lan", *options)
    made = tuple(NodeProcess(folder / name.lower(), name, options=options) for name in names)
    try:
        for number, node in enumerate(made):
            node.did("account", "create", "--name", node.name)
            keep(node.home, number + 1)
            node.start()
        yield made
    finally:
        for node in made:
            if node.process is not None:
                node.kill()


def metrics(place: str) -> dict[str, float]:
    with urllib.request.urlopen(place, timeout=10) as answer:
        rows = (line.rsplit(" ", 1) for line in answer.read().decode().splitlines())
    return {name: float(value) for name, value in rows}


def test_two_who_know_an_account_id_and_a_public_node_have_a_conversation(tmp_path: Path) -> None:
    with public_node(tmp_path / "public", 0) as (name, numbers):
        assert re.fullmatch(r"127\.0\.0\.1:\d+#[0-9a-f]{40}", name)
        with daemons(tmp_path, "Ann", "Ben", options=("--bootstrap", name)) as (ann, ben):
            for node in (ann, ben):
                node.until(lambda node=node: node.call("dht.status")["state"] == "connected")
            room = found_room(ann, ben)
            ann.call("message.send", conversation=room, text="over the DHT")
            same(room, ann, ben)
            assert ann.linked(ben)

            def sources() -> set[str]:  # who was dialled learns where the other is a moment later
                (peer,) = ann.call("peer.list")
                return {one["source"] for one in peer["known"]} & {"dht", "link", "card"}

            assert ann.until(sources)
            shown = ann.cli("dht", "status")
            assert shown.status == 0
            assert "connected" in shown.out
            assert name in shown.out
            (found,) = (one for one in ann.did("doctor") if one["check"] == "dht")
            assert found["state"] == "ok"
            assert metrics(numbers)["swarmchat_dht_records"] >= 2
            assert (ann.stop(), ben.stop()) == (0, 0)


def test_a_daemon_without_a_way_in_says_so_and_opens_nothing(tmp_path: Path) -> None:
    with daemons(tmp_path, "Ann", options=()) as (ann,):
        status = ann.did("daemon", "status")["dht"]
        assert (status["state"], "no bootstrap node is named" in status["found"]) == ("waiting", True)
        assert "--bootstrap" in status["hint"]
        (found,) = (one for one in ann.did("doctor") if one["check"] == "dht")
        assert (found["state"], found["hint"]) == ("warning", status["hint"])
        assert "hint: name one with --bootstrap" in ann.cli("daemon", "status").out
        assert ann.did("dht", "status")["listen"] == []


def test_a_public_node_keeps_its_name_and_a_folder_serves_one_only(tmp_path: Path) -> None:
    with public_node(tmp_path / "public", 0) as (name, _):
        second = NodeProcess(tmp_path / "x", "x").cli(
            "dht", "serve", "--host", "127.0.0.1", "--port", "0", "--state", str(tmp_path / "public")
        )
        assert second.status == 1
        assert "error:" in second.err
    port = name.partition("#")[0].rpartition(":")[2]
    with public_node(tmp_path / "public", 0, "--port", port) as (again, _):
        assert again == name


def test_on_a_network_without_internet_the_nodes_in_sight_are_the_dht(tmp_path: Path) -> None:
    made = tuple(NodeProcess(tmp_path / name, name, options=("--listen", "127.0.0.1:0")) for name in ("Ann", "Ben"))
    try:
        for number, node in enumerate(made):
            node.did("account", "create", "--name", node.name)
            keep(node.home, number)
            node.start()
        for node, other in zip(made, reversed(made), strict=True):
            wanted = other.until(lambda other=other: other.call("dht.status")["id"])

            def is_seen(node: NodeProcess = node, wanted: str = wanted) -> bool:
                sources = [one["source"] for one in node.call("dht.status")["nodes"] if one["id"] == wanted]
                return sources == ["lan"]  # not yet where the other saw this one first, and asked it

            assert node.until(is_seen)
    finally:
        for node in made:
            if node.process is not None:
                node.kill()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--host", "nowhere.example"), 1, "not an IP address"),
        (("--host", "192.0.2.99"), 1, "cannot listen on UDP port 0 of 192.0.2.99"),
        (("--bootstrap", "nonsense"), 2, "'nonsense' is not host:port"),
        (("--metrics", "127.0.0.1"), 2, "is not host:port"),
        (("--port", "70000"), 2, "--port"),
    ],
)
def test_a_public_node_that_cannot_be_says_why_before_it_looks_for_a_key(
    tmp_path: Path, options: tuple[str, ...], status: int, words: str
) -> None:
    node = NodeProcess(tmp_path / "x", "x")
    outcome = node.cli("dht", "serve", "--port", "0", "--state", str(tmp_path / "public"), *options)
    assert (outcome.status, words in outcome.err) == (status, True), outcome.err
    assert "looking for the key" not in outcome.err
    assert not (tmp_path / "public" / "dht.json").exists()
