from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from swarmchat.addresses import Address
from swarmchat.node.ports import Ports

FOUR, SIX = Address("0.0.0.0", 0), Address("::", 0)


class Machine:
    """Gives out ports from 40,000 on, and none twice."""

    def __init__(self, *taken: int) -> None:
        self.taken = {("0.0.0.0", port) for port in taken}
        self.next = 40_000

    async def listen(self, addresses: Sequence[Address]) -> list[Address]:
        (asked,) = addresses
        if not asked.port:
            self.next += 1
        place = asked.host, asked.port or self.next
        if place in self.taken:
            raise OSError(98, "Address already in use")
        self.taken.add(place)
        return [Address(*place)]


def start(path: Path, machine: Machine, *addresses: Address) -> list[int]:
    async def run() -> list[int]:
        ports = Ports(path)
        bound = [each for address in addresses for each in await ports.listen(address, machine.listen)]
        ports.save()
        return [each.port for each in bound]

    return asyncio.run(run())


def test_the_ports_of_the_first_start_are_those_of_the_next(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = start(path, Machine(), FOUR, SIX, FOUR)
    assert first == [40_001, 40_002, 40_003]
    again = Machine()
    again.next = 50_000
    assert start(path, again, FOUR, SIX, FOUR) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_port_that_somebody_took_is_replaced_for_good(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ports.json"
    start(path, Machine(), FOUR, SIX)
    other = Machine(40_001)
    other.next = 50_000
    with caplog.at_level(logging.WARNING):
        assert start(path, other, FOUR, SIX) == [50_001, 40_002]
    assert "not on 0.0.0.0:40001 as before (Address already in use)" in caplog.text
    assert start(path, Machine(), FOUR, SIX) == [50_001, 40_002]


def test_a_port_that_the_user_chose_is_neither_kept_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    assert start(path, Machine(), Address("0.0.0.0", 4100)) == [4100]
    assert not path.exists()
    with pytest.raises(OSError, match="in use"):
        start(path, Machine(4100), Address("0.0.0.0", 4100))


def test_a_family_that_is_missing_today_keeps_its_port(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    start(path, Machine(), FOUR, SIX)
    assert start(path, Machine(), FOUR) == [40_001]
    assert start(path, Machine(), FOUR, SIX) == [40_001, 40_002]


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "nonsense", "[" * 9_000, '{"version": 2, "ports": {}}', '{"version": 1, "ports": []}',
        '{"version": 1, "ports": {"0.0.0.0": 4}}', '{"version": 1, "ports": {"0.0.0.0": [0]}}',
        '{"version": 1, "ports": {"0.0.0.0": [65536]}}', '{"version": 1, "ports": {"0.0.0.0": [true]}}', " " * 70_000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_begun_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    assert start(path, Machine(), FOUR) == [40_001]
    assert json.loads(path.read_text())["ports"] == {"0.0.0.0": [40_001]}


def test_a_disk_that_refuses_costs_only_the_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert start(tmp_path / "missing" / "ports.json", Machine(), FOUR) == [40_001]
    assert "the ports are not kept" in caplog.text
