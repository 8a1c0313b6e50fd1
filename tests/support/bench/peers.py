"""What other programs reach in the same stories, and the table that puts ours beside them.

They were measured in November 2026 on a machine of two shared cores whose one core hashed 1.5 GB/s (Debian 12, Python 3.11, Node 20.20; loopback;
medians of 3 to 5 runs; messages of about 60 bytes of text). Machines differ, so ours is shown twice: as measured, and as it would be at that pace.
Fsync does not scale with hashing; hypercore, cabal, autobase and SSB do not wait for the disk when they append.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.support.bench.measure import Figure, number

PEERS_GB_S = 1.5  # how fast one core of the machine hashed on which the others were measured
PEERS = ("hypercore", "autobase", "cabal", "SSB", "Synapse", "Jami")


@dataclass(frozen=True, slots=True)
class Topic:
    """One story that several programs were measured in; `rate`: more is better, and it grows with the machine."""

    name: str
    what: str
    unit: str
    peers: Mapping[str, float]
    rate: bool = False
    fixed: bool = False  # bytes: the same on every machine

    def value(self, figure: Figure) -> float:
        """The figure in the unit of the topic."""
        return 1_000 / figure.value if self.rate and figure.unit == "ms" else figure.value

    def at(self, value: float, gb_s: float) -> float:
        """The value as it would be where the others were measured."""
        if self.fixed:
            return value
        pace = PEERS_GB_S / gb_s
        return value * pace if self.rate else value / pace

    def best(self) -> str:
        """The peer that does it best."""
        choose = max if self.rate else min
        return choose(self.peers, key=lambda name: self.peers[name])

    def times(self, value: float) -> float:
        """How many times better than the best of the others; under 1: worse."""
        best = self.peers[self.best()]
        return value / best if self.rate else best / value


TOPICS = {
    topic.name: topic
    for topic in (
        Topic(
            "clone",
            "clone, check and index 10,000",
            "messages/s",
            {"hypercore": 3_810, "autobase": 3_370, "cabal": 2_860, "SSB": 4_100, "Jami": 630},
            rate=True,
        ),
        Topic(
            "append",
            "append one by one, 10,000 behind it",
            "messages/s",
            {"hypercore": 2_140, "autobase": 200, "cabal": 2_030, "SSB": 8_720, "Synapse": 32.8, "Jami": 12.1},
            rate=True,
        ),
        Topic(
            "live p50",
            "live, one message to a linked member, p50",
            "ms",
            {"hypercore": 3.7, "autobase": 15, "cabal": 3.8, "SSB": 198, "Synapse": 35, "Jami": 73.6},
        ),
        Topic(
            "live p95",
            "the same, p95",
            "ms",
            {"hypercore": 7.6, "autobase": 25, "cabal": 8.0, "SSB": 356, "Synapse": 50, "Jami": 126.9},
        ),
        Topic("group", "group of 8: the last member has it, p50", "ms", {"Synapse": 96}),
        Topic("group rate", "group of 8: all have them", "messages/s", {"Synapse": 14.1}, rate=True),
        Topic("wire", "on the wire for a live message", "bytes", {"Jami": 18_900}, fixed=True),
        Topic("cut", "in step again after a cut link", "s", {"Jami": 18.6}),
        Topic(
            "open",
            "open 10,000 and read the last page",
            "ms",
            {"hypercore": 39, "autobase": 64, "cabal": 555, "SSB": 320},
        ),
        Topic("idle", "resident memory at rest", "MiB", {"Synapse": 118, "Jami": 61.7}, fixed=True),
        Topic(
            "memory",
            "peak memory of the cloning side, 10,000",
            "MiB",
            {"hypercore": 106, "autobase": 127, "cabal": 114, "SSB": 122, "Jami": 525},
            fixed=True,
        ),
        Topic(
            "disk",
            "on disk for each of 10,000 messages",
            "bytes",
            {"hypercore": 2_346, "autobase": 4_214, "cabal": 301, "SSB": 692, "Synapse": 10_060},
            fixed=True,
        ),
    )
}


def compared(figures: Iterable[Figure], gb_s: float) -> list[str]:
    """A Markdown table: each topic that was measured here, ours as measured and at the others' pace, and theirs."""
    lines = [
        f"| | unit | here | at {PEERS_GB_S} GB/s | {' | '.join(PEERS)} | best of the others |",
        "|---" * (len(PEERS) + 5) + "|",
    ]
    for figure in figures:
        if figure.topic is None:
            continue
        topic = TOPICS[figure.topic]
        value = topic.value(figure)
        scaled = topic.at(value, gb_s)
        theirs = [number(topic.peers[name]) if name in topic.peers else "" for name in PEERS]
        verdict = f"{topic.best()}: ours is {number(topic.times(scaled))} times as good"
        cells = [topic.what, topic.unit, number(value), number(scaled), *theirs, verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
