from __future__ import annotations

from swarmchat import limits
from swarmchat.discovery.dht.clocks import Clocks


def test_a_network_has_one_voice_and_five_are_asked_for() -> None:
    clocks = Clocks()
    for number in range(limits.DHT_CLOCKS_MIN - 1):
        clocks.told(f"8.{number}.8.8", 1_000.0 + number, 1_000.0)
    for number in range(50):
        clocks.told(f"8.0.8.{number}", 9_000.0, 1_000.0)
    assert clocks.offsets_s == []
    clocks.told("9.9.9.9", 990.0, 1_000.0)
    assert clocks.offsets_s == [-10.0, 1.0, 2.0, 3.0, 8_000.0]


def test_the_last_of_so_many_networks_are_remembered() -> None:
    clocks = Clocks()
    for number in range(limits.DHT_TELLERS_MAX + 5):
        clocks.told(f"8.{number}.8.8", float(number), 0.0)
    assert clocks.offsets_s == [float(number) for number in range(5, limits.DHT_TELLERS_MAX + 5)]
