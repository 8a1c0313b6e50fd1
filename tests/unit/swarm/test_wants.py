"""When a device is asked where it listens, and how long its answer counts. (SCP-05 §1.12)"""

from __future__ import annotations

from itertools import pairwise

from swarmchat.ids import DeviceId
from swarmchat.limits import WANT_ANSWER_S, WANT_EVERY_MAX_S, WANTS_ANSWERED_PER_MINUTE, WANTS_OPEN_MAX
from swarmchat.swarm.wants import Wants

BOB = DeviceId("b" * 64)


def wants(*, dialled: bool = True) -> Wants:
    return Wants(lambda: 0.5, lambda device: dialled)


def times(box: Wants, until: float) -> list[float]:
    """When BOB is asked, if he is there all the time and says nothing."""
    asked, now = list[float](), 0.0
    while now <= until:
        if box.take([BOB], now):
            asked.append(now)
        wake_at = box.wake_at()
        assert wake_at is not None
        now = max(wake_at, now + 0.001)
    return asked


def test_a_device_is_asked_once_what_is_known_was_dialled_and_then_ever_more_seldom() -> None:
    asked = times(wants(), 4_000.0)
    gaps = [after - before for before, after in pairwise(asked)]
    assert asked[0] == 2.0
    assert [round(gap) for gap in gaps[:5]] == [60, 120, 240, 480, 600]
    assert all(gap <= WANT_EVERY_MAX_S for gap in gaps)


def test_a_device_of_which_no_address_is_known_is_asked_at_once() -> None:
    box = wants(dialled=False)
    assert box.take([BOB], 7.0) == [BOB]
    assert box.take([BOB], 8.0) == []
    box.shown(BOB, 9.0)
    assert box.take([BOB], 9.0) == [BOB]


def test_a_new_card_is_a_reason_to_ask_again_and_no_more_than_once() -> None:
    box = wants()
    times(box, 950.0)
    box.shown(BOB, 1_000.0)
    assert box.take([BOB], 1_001.0) == []
    assert box.take([BOB], 1_002.0) == [BOB]
    assert box.take([BOB], 1_003.0) == []


def test_who_is_linked_and_lost_again_is_asked_like_a_new_one() -> None:
    box = wants()
    times(box, 900.0)
    assert box.take([], 1_000.0) == []
    assert box.wake_at() is None
    assert box.take([BOB], 1_100.0) == []
    assert box.take([BOB], 1_102.0) == [BOB]


def test_an_answer_counts_for_who_was_asked_and_not_for_ever() -> None:
    box = wants()
    assert not box.expects(BOB, 0.0)
    box.take([BOB], 0.0)
    assert box.take([BOB], 2.0) == [BOB]
    assert box.expects(BOB, 2.0 + WANT_ANSWER_S - 1)
    assert not box.expects(BOB, 2.0 + WANT_ANSWER_S)


def test_open_questions_are_bounded() -> None:
    box = wants()
    devices = [DeviceId(f"{number:064x}") for number in range(WANTS_OPEN_MAX + 5)]
    box.take(devices, 0.0)
    assert len(box.take(devices, 2.0)) == len(devices)
    assert sum(box.expects(device, 2.0) for device in devices) == WANTS_OPEN_MAX


def test_questions_are_answered_ten_times_a_minute_whoever_asks() -> None:
    box = wants()
    assert sum(box.may_answer(0.0) for _ in range(50)) == WANTS_ANSWERED_PER_MINUTE
    assert sum(box.may_answer(60.0) for _ in range(50)) == WANTS_ANSWERED_PER_MINUTE
    assert box.may_answer(66.1)
    assert not box.may_answer(66.2)


def test_it_wakes_for_the_first_of_all() -> None:
    box, ann = wants(), DeviceId("a" * 64)
    box.take([BOB], 0.0)
    box.take([BOB, ann], 1.5)
    assert box.wake_at() == 2.0
    assert box.take([BOB, ann], 2.0) == [BOB]
    assert box.wake_at() == 3.5


def test_who_was_asked_first_is_the_first_whose_answer_counts_no_more() -> None:
    box, ann = wants(dialled=False), DeviceId("a" * 64)
    assert box.take([ann], 0.0) == [ann]
    assert box.take([BOB], 100.0) == [BOB]
    assert box.take([ann], 200.0) == [ann], "asked again"
    box.take([], 100.0 + WANT_ANSWER_S)
    assert not box.expects(BOB, 100.0 + WANT_ANSWER_S)
    assert box.expects(ann, 100.0 + WANT_ANSWER_S)
    assert list(box._asked) == [ann], "what is over is not kept"
