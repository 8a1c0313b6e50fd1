from __future__ import annotations

import pytest

from swarmchat.ids import DeviceId
from swarmchat.links.tiebreak import Claim, Verdict, decide

LESS, GREATER = DeviceId("1" * 64), DeviceId("2" * 64)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ((LESS, 1), (GREATER, 1), Verdict.NEW),
        ((GREATER, 1), (LESS, 9), Verdict.OLD),
        ((GREATER, 1), (GREATER, 2), Verdict.NEW),
        ((GREATER, 2), (GREATER, 1), Verdict.OLD),
        ((LESS, 1), (LESS, 2), Verdict.NEW),
    ],
)
def test_the_greater_device_then_the_later_dial_stays(
    old: tuple[DeviceId, int], new: tuple[DeviceId, int], verdict: Verdict
) -> None:
    assert decide(Claim(*old, b"boot"), Claim(*new, b"boot"), greater=GREATER) is verdict


def test_a_peer_that_was_restarted_has_only_its_new_link_whatever_the_ranks() -> None:
    old, new = Claim(GREATER, 9, b"before"), Claim(LESS, 1, b"after")
    assert decide(old, new, greater=GREATER) is Verdict.RESTARTED
