"""One notice for each conversation and device waits, the newest. (SCP-05 §1.5)"""

from __future__ import annotations

from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.limits import NOTICE_EVERY_S, NOTICES_WAITING_MAX
from swarmchat.swarm.mail import Notice
from swarmchat.swarm.notices import Notices

ROOM, OTHER = ConversationId("c" * 40), ConversationId("d" * 40)
BOB = DeviceId("b" * 64)


def notice(letter: str, room: ConversationId = ROOM) -> Notice:
    return Notice(room, CommitId(letter * 40), (CommitId(letter * 40),), DeviceId("e" * 64))


def anybody(_: DeviceId) -> bool:
    return True


def test_the_newest_replaces_what_waits() -> None:
    notices = Notices()
    notices.news(notice("1"), [BOB])
    notices.news(notice("2"), [BOB])
    notices.news(notice("3", OTHER), [BOB])
    assert notices.take(anybody, 0.0) == [(BOB, notice("2")), (BOB, notice("3", OTHER))]
    assert notices.take(anybody, 0.0) == []


def test_it_waits_until_the_other_is_there() -> None:
    notices = Notices()
    notices.news(notice("1"), [BOB])
    assert notices.take(lambda device: False, 0.0) == []
    assert notices.take(anybody, 100.0) == [(BOB, notice("1"))]


def test_a_burst_of_news_is_two_notices() -> None:
    notices = Notices()
    sent = []
    for number in range(9):
        notices.news(notice(str(number)), [BOB])
        sent += notices.take(anybody, float(number))
    assert sent == [(BOB, notice("0"))]
    assert notices.take(anybody, NOTICE_EVERY_S - 1) == []
    assert notices.take(anybody, NOTICE_EVERY_S) == [(BOB, notice("8"))]


def test_who_is_linked_hears_it_there() -> None:
    notices = Notices()
    notices.news(notice("1"), [BOB, DeviceId("a" * 64)])
    notices.over(BOB)
    assert [device for device, _ in notices.take(anybody, 0.0)] == [DeviceId("a" * 64)]


def test_what_waits_is_bounded_and_the_oldest_goes() -> None:
    notices = Notices()
    devices = [DeviceId(f"{number:064x}") for number in range(NOTICES_WAITING_MAX + 1)]
    notices.news(notice("1"), devices)
    assert [device for device, _ in notices.take(anybody, 0.0)] == devices[1:]


def test_news_make_a_notice_the_newest_of_all() -> None:
    notices = Notices()
    others = [DeviceId(f"{number:064x}") for number in range(NOTICES_WAITING_MAX)]
    notices.news(notice("1"), others)
    notices.news(notice("2"), others[:1])
    notices.news(notice("1"), [BOB])
    kept = [device for device, _ in notices.take(anybody, 0.0)]
    assert others[0] in kept
    assert others[1] not in kept


def test_each_device_has_its_own_minute() -> None:
    notices, ann = Notices(), DeviceId("a" * 64)
    for device, now in ((ann, 0.0), (BOB, 30.0)):
        notices.news(notice("1"), [device])
        assert len(notices.take(anybody, now)) == 1
    notices.news(notice("2"), [ann, BOB])
    assert notices.take(anybody, NOTICE_EVERY_S) == [(ann, notice("2"))]
    assert notices.take(anybody, 29.0 + NOTICE_EVERY_S) == []
    assert notices.take(anybody, 30.0 + NOTICE_EVERY_S) == [(BOB, notice("2"))]
