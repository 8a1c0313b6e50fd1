"""Thin data-sync peers and full nodes, a process each. (SCP-09 §4.5–§4.7)"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import NodeProcess, found_room, introduce, nodes, same
from tests.support.thin_process import ThinProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SEED = 20261122
TICK_MS = "2"  # so that 50 % of loss costs seconds and not minutes: what is lost is sent again after 90 ticks
LOSS = ("--loss", "0.5", "--tick-ms", TICK_MS)


@contextmanager
def thins(folder: Path, *names: str, options: tuple[str, ...] = ("--tick-ms", TICK_MS)) -> Iterator[Any]:
    """Thin peers that are not started yet; ended, whatever happens. Each loses other payloads."""
    made = [ThinProcess(folder, name, *options, "--seed", str(SEED + at)) for at, name in enumerate(names)]
    try:
        yield made
    finally:
        for thin in made:
            if thin.is_up:
                thin.kill()


def serve(node: NodeProcess, listen: str = "127.0.0.1:0") -> str:
    return str(node.did("gateway", "mvds", "serve", "--listen", listen, "--tick-ms", TICK_MS)["listen"])


def opened(founder: NodeProcess, *guests: NodeProcess) -> str:
    """A conversation whose members are all in its group."""
    introduce(founder, *guests)
    room = found_room(founder, *guests)
    founder.did("gateway", "mvds", "open", room)
    founder.until(lambda: len(members(founder, room)) == 1 + len(guests))
    return room


def members(node: NodeProcess, room: str) -> list[dict[str, Any]]:
    (row,) = [one for one in node.call("mvds.status")["conversations"] if one["conversation"] == room]
    return [one for one in row["members"] if one["state"] == "member"]


def by_id(node: NodeProcess, room: str) -> dict[str, str]:
    """The texts that came over data sync: key of who said it, by text."""
    return {
        line["body"]: line["via"]["key"] for line in node.log(room) if line.get("via") and line["type"] == "text/plain"
    }


def test_two_thin_peers_chat_with_two_nodes_though_half_of_all_payloads_is_lost(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    with nodes(tmp_path / "nodes", "Ann", "Ben") as (ann, ben), thins(tmp_path, "afar", "away", options=LOSS) as peers:
        room = opened(ann, ben)
        afar, away = peers
        afar.start(serve(ann))
        away.start(serve(ben))
        for peer in peers:
            ann.did("gateway", "mvds", "invite", room, peer.key)
            peer.until(lambda peer=peer: peer.of("joined"))
        said: dict[str, list[str]] = {}
        for peer in peers:
            said[peer.name] = [f"{peer.name} says {count}" for count in range(6)]
            peer.say(*said[peer.name])
        said["Ann"] = [str(ann.did("send", room, f"ann says {count}") and f"ann says {count}") for count in range(3)]
        everything = sorted(text for texts in said.values() for text in texts)
        for peer, other in ((afar, away), (away, afar)):
            wanted = set(said[other.name]) | set(said["Ann"])
            peer.until(lambda peer=peer, wanted=wanted: wanted <= set(peer.texts))
            peer.until(lambda peer=peer: len(peer.of("delivered")) == 7)  # its JOIN too
            assert {one["text"]: one["id"] for one in peer.of("message") if one["text"] in other.posted} == other.posted
        same(room, ann, ben)
        for node in (ann, ben):
            assert sorted(node.texts(room)) == everything
            assert by_id(node, room) == {text: peer.key for peer in peers for text in said[peer.name]}
            assert node.did("verify", room)["valid"] is True
        for peer in peers:
            assert peer.stop() == 0


def test_nothing_is_lost_or_doubled_when_the_thin_peer_and_its_node_are_killed_in_the_middle(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    with nodes(tmp_path / "nodes", "Ann", "Ben") as (ann, ben), thins(tmp_path, "afar", "away", options=LOSS) as peers:
        room = opened(ann, ben)
        afar, away = peers
        address = serve(ann)
        afar.start(address)
        away.start(serve(ben))
        for peer in peers:
            ann.did("gateway", "mvds", "invite", room, peer.key)
            peer.until(lambda peer=peer: peer.of("joined"))
        wanted = []
        for turn in range(3):
            texts = [f"turn {turn}, {count}" for count in range(4)]
            afar.say(*texts)
            afar.until(lambda texts=texts: set(texts) <= set(afar.posted))  # so much was promised
            wanted += texts
            if turn == 1:
                afar.kill()
                afar.start(address)
            else:
                ann.kill()
                ann.start()
                serve(ann, address)
        away.until(lambda: set(wanted) <= set(away.texts))
        afar.until(lambda: {one["id"] for one in afar.of("delivered")} >= set(afar.posted.values()))
        same(room, ann, ben)
        for node in (ann, ben):
            assert sorted(node.texts(room)) == sorted(wanted)
            assert node.did("verify", room)["valid"] is True
        assert sorted(away.texts) == sorted(wanted)
        ids = {one["text"]: one["id"] for one in away.of("message")}
        assert ids == afar.posted
