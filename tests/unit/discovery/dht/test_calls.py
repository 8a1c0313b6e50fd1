from __future__ import annotations

from swarmchat import limits
from swarmchat.discovery.dht.calls import Call, Calls

HERE, THERE = ("127.0.0.1", 1), ("127.0.0.1", 2)


def call(name: bytes = b"12345678", begun: float = 0.0, tries: int = 3) -> Call:
    return Call(name, HERE, b"data", None, lambda heard: None, None, tries, begun)


def test_a_request_is_sent_three_times_and_then_over() -> None:
    calls, one = Calls(), call()
    calls.begin(one)
    first = limits.DHT_RTO_FIRST_S
    assert calls.next_due == first
    assert calls.due(first - 0.01) == ([], [], [])
    assert calls.due(first) == ([], [one], [])
    assert calls.due(first * 2.4) == ([], [], [])
    assert calls.due(first * 2.5) == ([], [one], [])
    assert calls.due(first * 5) == ([], [], [one])
    assert len(calls) == 0
    assert calls.next_due is None
    assert calls.awaited(one.transaction, HERE) is None


def test_a_request_may_be_sent_once_only() -> None:
    calls, one = Calls(), call(tries=1)
    calls.begin(one)
    assert calls.due(1.0) == ([], [], [one])


def test_only_the_asked_address_answers() -> None:
    calls, one = Calls(), call()
    calls.begin(one)
    assert calls.awaited(one.transaction, THERE) is None
    assert calls.awaited(b"87654321", HERE) is None
    assert calls.awaited(one.transaction, HERE) is one


def test_answers_teach_the_time_out_within_its_bounds() -> None:
    calls = Calls()
    one = call()
    calls.begin(one)
    assert calls.answered(one, 0.01) == 0.01
    assert calls.rto_s == limits.DHT_RTO_MIN_S
    for number in range(20):
        slow = call(number.to_bytes(8, "big"))
        calls.begin(slow)
        calls.answered(slow, 5.0)
    assert calls.rto_s == limits.DHT_RTO_MAX_S


def test_an_answer_to_what_was_sent_twice_teaches_nothing() -> None:
    calls, one = Calls(), call()
    calls.begin(one)
    calls.due(1.0)
    assert calls.answered(one, 1.1) is None
    assert calls.rto_s == limits.DHT_RTO_FIRST_S


def test_what_is_forgotten_is_neither_sent_again_nor_over() -> None:
    calls, one, other = Calls(), call(), call(b"other678")
    calls.begin(one)
    calls.begin(other)
    calls.forget(one)
    assert calls.due(9.0) == ([], [other], [])
    assert calls.clear() == [other]
    assert calls.due(99.0) == ([], [], [])


def test_who_is_late_is_told_of_before_anything_is_sent_again() -> None:
    calls, one = Calls(), call()
    one.slow = lambda lost: None
    calls.begin(one)
    assert calls.next_due == limits.DHT_SLOW_FIRST_S
    assert calls.due(limits.DHT_SLOW_FIRST_S) == ([one], [], [])
    assert calls.next_due == limits.DHT_RTO_FIRST_S
    assert calls.due(limits.DHT_RTO_FIRST_S) == ([], [one], [])
    assert calls.due(99.0) == ([], [one], [])
    assert calls.due(999.0) == ([], [], [one])


def test_what_is_late_is_learnt_from_the_answers() -> None:
    calls = Calls()
    for number in range(50):
        one = call(number.to_bytes(8, "big"))
        calls.begin(one)
        calls.answered(one, 0.1)
    assert 0.1 <= calls.slow_s < 0.11 < calls.rto_s
    quick = Calls()
    one = call()
    quick.begin(one)
    quick.answered(one, 0.001)
    assert quick.slow_s == limits.DHT_SLOW_MIN_S
