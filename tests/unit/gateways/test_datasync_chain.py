"""Which of a sender's messages is his last, in whatever order they are found."""

from __future__ import annotations

from itertools import permutations

from swarmchat.gateways.datasync.chain import Chain
from swarmchat.gateways.datasync.payload import MessageId

A, B, C, D = (MessageId(bytes(31) + bytes([number])) for number in range(4))


def test_what_is_found_in_any_order_has_the_same_end() -> None:
    said = [(A, 5, None), (B, 5, A), (C, 5, B)]  # within one second
    for order in permutations(said):
        chain = Chain()
        for each in order:
            before = chain.last
            assert chain.find(*each) == (chain.last != before)
        assert chain.last == C


def test_of_two_ends_the_later_counts_and_what_is_composed_is_the_end() -> None:
    chain = Chain()
    assert chain.find(B, 7, A)
    assert not chain.find(C, 6, A)
    assert chain.last == B
    chain.compose(D, 1, C)  # by a clock that was put back
    assert chain.last == D


def test_what_is_taken_back_was_never_said() -> None:
    chain = Chain()
    chain.compose(A, 5, None)
    chain.take_back(A)
    assert chain.last is None
    chain.find(B, 3, None)
    chain.compose(A, 5, B)
    chain.take_back(A)
    assert chain.last == B
