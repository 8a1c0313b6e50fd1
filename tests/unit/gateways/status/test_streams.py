from dataclasses import replace

import pytest

from swarmchat import limits
from swarmchat.gateways.protobuf import delimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import envelopes, streams
from swarmchat.gateways.status.streams import Fault, Stream
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    ChatMessage,
    EventType,
    MembershipUpdateMessage,
    PayloadType,
)
from tests.support.status_streams import ANN, BEGAN_MS, BEN, CAT, Group, lively

NOW_MS = BEGAN_MS + 3_600_000


def _read(data: bytes, now_ms: int = NOW_MS) -> Stream:
    wrappers = streams.split(data)
    assert not isinstance(wrappers, Refused), wrappers
    stream = streams.read(wrappers, now_ms)
    assert not isinstance(stream, Refused), stream
    return stream


def _founded() -> Group:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    return group


def _unsigned(message: MembershipUpdateMessage) -> bytes:
    return ApplicationMetadataMessage(payload=message.encode(), type=PayloadType.MEMBERSHIP_UPDATE_MESSAGE).encode()


def test_a_file_holds_each_event_and_each_saying_once() -> None:
    group = lively()
    stream = _read(delimited([*group.wrappers(), *group.wrappers()]))
    assert stream.chat_id == group.id
    assert [one.raw for one in stream.events] == [one.raw for one in group.events]
    assert [one.envelope.raw for one in stream.said] == [one.raw for one in group.said]
    assert not stream.bad


def test_one_bare_message_is_a_file() -> None:
    group = _founded()
    said = group.says(BEN, "ahoy")
    assert [one.envelope.raw for one in _read(said.raw).said] == [said.raw]


def test_an_unsigned_list_of_events_is_taken_for_each_event_is_signed() -> None:
    group = _founded()
    bare = _unsigned(MembershipUpdateMessage(chat_id=group.id, events=tuple(one.raw for one in group.events)))
    assert len(_read(bare).events) == 2
    assert len(_read(delimited([bare, group.says(BEN, "ahoy").raw])).said) == 1


def test_an_unsigned_saying_is_refused() -> None:
    group = _founded()
    said = group.says(BEN, "ahoy").message
    assert isinstance(said, MembershipUpdateMessage)
    stream = _read(delimited([group.update().raw, _unsigned(said)]))
    assert not stream.said
    assert [(one.place, one.reason) for one in stream.bad] == [(2, envelopes.Fault.NOT_SIGNED)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff", "message-cut-short"),
        (b"", envelopes.Fault.NOT_SIGNED),
        (ApplicationMetadataMessage(signature=bytes(65), payload=b"", type=3).encode(), envelopes.Fault.BAD_SIGNATURE),
        (ApplicationMetadataMessage(signature=bytes(65), payload=b"", type=99).encode(), envelopes.Fault.UNKNOWN_TYPE),
    ],
)
def test_a_message_that_is_none_costs_itself_alone(raw: bytes, reason: str) -> None:
    group = _founded()
    group.says(BEN, "ahoy")
    first, second = group.wrappers()
    stream = _read(delimited([raw, first, raw, second, raw]))
    assert (len(stream.events), len(stream.said)) == (2, 1)
    assert [(one.place, one.reason) for one in stream.bad] == [(1, reason), (3, reason), (5, reason)]


def test_messages_of_another_chat_are_left_out_though_they_come_first() -> None:
    group, other = _founded(), Group(uuid=bytes(16))
    other.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    alien = other.says(ANN, "elsewhere")
    stream = _read(delimited([alien.raw, *group.wrappers()]))
    assert stream.chat_id == group.id
    assert [(one.place, one.reason) for one in stream.bad] == [(1, Fault.OTHER_CHAT)]


def test_a_report_repeats_no_more_than_a_line_of_what_a_stranger_wrote() -> None:
    alien = envelopes.sign(MembershipUpdateMessage(chat_id="x" * 1_000_000, events=(b"x" * 66,)), BEN)
    (bad,) = _read(delimited([*_founded().wrappers(), alien.raw])).bad
    assert (bad.reason, bad.about) == (Fault.OTHER_CHAT, "x" * 200)


def test_a_saying_about_another_chat_than_its_wrapper_is_refused() -> None:
    group = _founded()
    message = group.says(BEN, "ahoy").message
    assert isinstance(message, MembershipUpdateMessage)
    assert message.message is not None
    forged = envelopes.sign(replace(message, message=replace(message.message, chat_id="x")), BEN)
    assert [one.reason for one in _read(delimited([group.update().raw, forged.raw])).bad] == [Fault.OTHER_CHAT]


def test_a_clock_two_minutes_ahead_is_taken_and_one_more_is_not() -> None:
    for ahead, taken in ((120_000, 1), (120_001, 0)):
        group = _founded()
        group.says(BEN, "soon", clock=NOW_MS + ahead)
        stream = _read(group.file())
        assert len(stream.said) == taken
        assert [one.reason for one in stream.bad] == ["bad-clock"] * (1 - taken)


def test_an_event_from_too_far_ahead_refuses_the_message_that_it_came_in() -> None:
    group = _founded()
    before = group.wrappers()
    group.does(BEN, EventType.NAME_CHANGED, name="Ships", clock=NOW_MS + 120_001)
    stream = _read(delimited([*before, *group.wrappers()]))
    assert len(stream.events) == 2
    assert [(one.place, one.reason) for one in stream.bad] == [(2, "bad-clock")]


def test_a_saying_whose_events_clients_refuse_is_refused_with_them() -> None:
    group = _founded()
    before = group.update().raw
    group.does(CAT, EventType.NAME_CHANGED, name="Mine")
    group.says(CAT, "ahoy")
    stream = _read(delimited([before, group.said[0].raw]))
    assert (len(stream.events), len(stream.said)) == (2, 0)
    assert [one.reason for one in stream.bad] == ["not-a-member"]


def test_a_saying_without_events_is_refused() -> None:
    group = _founded()
    message = ChatMessage(clock=1, timestamp=1, text="x", chat_id=group.id, message_type=3, content_type=1)
    bare = envelopes.sign(MembershipUpdateMessage(chat_id=group.id, message=message), BEN)
    assert [one.reason for one in _read(delimited([group.update().raw, bare.raw])).bad] == [Fault.WITHOUT_EVENTS]


def test_so_many_events_are_looked_at_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_EVENTS_MAX", 3)
    group = _founded()
    group.does(BEN, EventType.NAME_CHANGED, name="Ships")
    three = group.update().raw
    group.does(BEN, EventType.NAME_CHANGED, name="Boats")
    stream = _read(delimited([three, group.update().raw]))
    assert len(stream.events) == 3
    assert [one.reason for one in stream.bad] == ["too-many-events"]


def test_a_file_that_names_no_chat_is_refused() -> None:
    for data in (b"", b"\x00", delimited([b"\xff"]), b"\x05ab"):
        wrappers = streams.split(data)
        assert isinstance(wrappers if isinstance(wrappers, Refused) else streams.read(wrappers, NOW_MS), Refused), data


def test_so_many_messages_are_read_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_STREAM_MESSAGES_MAX", 2)
    assert not isinstance(streams.split(delimited([b"", b""])), Refused)
    assert isinstance(streams.split(delimited([b"", b"", b""])), Refused)


def test_a_file_that_names_very_many_chats_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    class Names(str):
        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return super().__eq__(other)

        def __ne__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return super().__ne__(other)

        __hash__ = str.__hash__

    event = _founded().events[0].raw
    count = 300
    opened = [MembershipUpdateMessage(chat_id=Names(f"chat {number}"), events=(event,)) for number in range(count)]
    monkeypatch.setattr(streams, "_opened", lambda _: opened.pop(0))
    assert streams.read([b""] * count, NOW_MS) is not None
    assert looked < 20 * count
