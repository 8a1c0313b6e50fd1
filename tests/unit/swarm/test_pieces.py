"""How the pieces of a pack that comes in scraps are handed over. (SCP-04 §3.1, §3.2)"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from swarmchat.limits import PULL_GATHER_S
from swarmchat.swarm import transfer


class Scraps:
    """A channel and a clock: each scrap comes `apart_s` after the one before."""

    def __init__(self, scraps: list[bytes], apart_s: float) -> None:
        self._scraps = list(scraps)
        self._lengths = [sum(map(len, scraps)).to_bytes(4, "big"), bytes(4)]
        self._apart_s = apart_s
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    async def receive_exactly(self, count: int) -> bytes:
        assert count == 4
        return self._lengths.pop(0)

    async def receive_bytes(self, _most: int) -> bytes:
        self._now += self._apart_s
        return self._scraps.pop(0)


def handed_over(scraps: list[bytes], apart_s: float) -> list[bytes]:
    peer: Any = Scraps(scraps, apart_s)

    async def all_of() -> list[bytes]:
        return [piece async for piece in transfer._pieces(peer, transfer.PLAIN, peer)]

    return asyncio.run(all_of())


@pytest.mark.parametrize(
    ("apart_s", "pieces"),
    [
        (0.0, [b"abcd"]),
        (PULL_GATHER_S / 4, [b"abcd"]),  # the last one makes it whole at that very moment
        (PULL_GATHER_S / 2, [b"ab", b"cd"]),
        (PULL_GATHER_S, [b"a", b"b", b"c", b"d"]),
    ],
)
def test_scraps_are_gathered_until_the_piece_is_whole_or_a_quarter_of_a_second_is_over(
    apart_s: float, pieces: list[bytes]
) -> None:
    assert handed_over([b"a", b"b", b"c", b"d"], apart_s) == pieces


def test_just_less_than_the_time_is_not_over() -> None:
    assert handed_over([b"a", b"b", b"c"], PULL_GATHER_S / 2 - 0.001) == [b"abc"]
