from __future__ import annotations

import pytest

from swarmchat.limits import (
    HANDSHAKE_FAILURES_PER_MINUTE,
    HANDSHAKE_SILENCE_S,
    HANDSHAKE_SOURCES_MAX,
    HANDSHAKES_MAX,
    HANDSHAKES_PER_SOURCE_MAX,
    STRANGER_LINKS_MAX,
    STRANGER_LINKS_PER_SOURCE_MAX,
)
from swarmchat.links.admission import HandshakeGate, StrangerQuota, source_of


def fail(gate: HandshakeGate, source: str, now: float) -> bool:
    if not gate.admit(source, now):
        return False
    gate.done(source, now, failed=True)
    return True


def test_sixteen_of_one_source_and_sixty_four_of_all_shake_hands_at_once() -> None:
    gate = HandshakeGate()
    sources = [f"10.0.0.{number}" for number in range(5)]
    admitted = [gate.admit(source, 0.0) for source in sources for _ in range(HANDSHAKES_PER_SOURCE_MAX)]
    assert admitted == [True] * HANDSHAKES_MAX + [False] * HANDSHAKES_PER_SOURCE_MAX
    gate.done(sources[0], 0.0, failed=False)
    assert not gate.admit(sources[1], 0.0)  # that one has sixteen
    assert gate.admit(sources[4], 0.0)


def test_the_tenth_failure_in_a_minute_silences_that_source_alone_for_a_minute() -> None:
    gate = HandshakeGate()
    for second in range(HANDSHAKE_FAILURES_PER_MINUTE):
        assert fail(gate, "10.0.0.1", float(second))
    last = HANDSHAKE_FAILURES_PER_MINUTE - 1.0
    assert not gate.admit("10.0.0.1", last)
    assert not gate.admit("10.0.0.1", last + HANDSHAKE_SILENCE_S - 0.1)
    assert gate.admit("10.0.0.2", last)
    assert gate.admit("10.0.0.1", last + HANDSHAKE_SILENCE_S)


def test_ten_failures_in_more_than_a_minute_silence_nobody() -> None:
    gate = HandshakeGate()
    assert all(fail(gate, "10.0.0.1", number * 6.7) for number in range(100))


def test_successes_silence_nobody() -> None:
    gate = HandshakeGate()
    for _ in range(100):
        assert gate.admit("10.0.0.1", 0.0)
        gate.done("10.0.0.1", 0.0, failed=False)


def test_what_is_remembered_of_sources_is_bounded() -> None:
    gate = HandshakeGate()
    for number in range(HANDSHAKE_SOURCES_MAX + 100):
        fail(gate, str(number), 0.0)
    assert len(gate._failures) == HANDSHAKE_SOURCES_MAX


def test_four_strangers_of_one_source_and_sixty_four_of_all() -> None:
    quota = StrangerQuota()
    admitted = [quota.admit(f"s{number}") for number in range(17) for _ in range(STRANGER_LINKS_PER_SOURCE_MAX)]
    assert admitted.count(True) == STRANGER_LINKS_MAX
    quota.done("s3")
    quota.done("s4")
    assert [quota.admit("s5"), quota.admit("s3"), quota.admit("s3")] == [False, True, False]


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("memory", "memory"),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(host: str, source: str) -> None:
    assert source_of(host) == source
