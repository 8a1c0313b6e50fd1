"""What of a conversation goes out to Status, what does not, and why."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.conversation.actions import Add, CastVote, Demote, Edit, Join, Kick, Leave, Other, Post, Promote, React
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import envelopes, events, notes, reading
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.export import Exported, Fault, export
from swarmchat.gateways.status.fold import fold_strictly
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.mapping import Why
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    EventType,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    PayloadType,
)
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, Person
from tests.support.commitlogs import pull
from tests.support.status_rooms import StatusRoom, key, secret, wrappers


def listed(exported: Exported) -> MembershipUpdateMessage:
    """The list of all events, which is the first wrapper."""
    wrapper = ApplicationMetadataMessage.decode(wrappers(exported)[0])
    assert isinstance(wrapper, ApplicationMetadataMessage)
    assert wrapper.type == PayloadType.MEMBERSHIP_UPDATE_MESSAGE
    message = MembershipUpdateMessage.decode(wrapper.payload)
    assert isinstance(message, MembershipUpdateMessage)
    return message


def folds(exported: Exported) -> None:
    """Clients take the whole list."""
    message = listed(exported)
    read = [events.read(raw, message.chat_id) for raw in message.events]
    assert all(not isinstance(one, Refused) for one in read)
    assert not isinstance(fold_strictly(message.chat_id, read), Refused)  # type: ignore[arg-type]


def story(room: StatusRoom) -> None:
    text = room.write(ALICE, Post("one"))
    room.write(BOB, React("\u2764", text))
    room.title(ALICE, title="Lab", color="#112233")
    room.write(BOB, Post("two", text))
    room.write(ALICE, Edit("uno", text))
    room.write(ALICE, Promote(BOB.id))


def test_the_file_holds_all_events_and_then_what_was_said_by_clock(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    story(room)
    exported = room.export()
    assert wrappers(exported)[0] == exported.events
    folds(exported)
    assert list(listed(exported).events) == [signed.raw for signed in room.fold().events]
    assert exported.report.events == len(room.fold().events)
    said = [envelopes.read(raw) for raw in wrappers(exported)[1:]]
    assert all(isinstance(one, Envelope) for one in said)
    assert exported.report.sayings == len(said) == 4
    clocks = [
        room.one(commit).entity.clock
        for commit in room.log.history.ids
        if room.follow().message_of(room.log.history.number(commit)) is not None
    ]
    assert clocks == sorted(clocks)
    assert not exported.report.dropped


def test_without_an_attester_nobodys_key_is_needed_and_two_nodes_export_the_same_bytes(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    other = room.copy(tmp_path / "other.git")
    story(room)
    other.now = room.now
    other.write(BOB, Post("meanwhile"))
    pull(room.log, other.log)
    room.write(ALICE, Post("after"))
    pull(other.log, room.log)
    assert list(room.log.history.ids) != list(other.log.history.ids), "they took the commits in another order"
    first, second = room.export(), other.export()
    assert first.report == second.report
    assert wrappers(first) == wrappers(second)


def test_a_conversation_that_is_not_open_has_nothing_to_export(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path)
    assert export(Ledger(room.log.conversation), room.log, (), now_ms=1) == Refused(Fault.NO_CHAT)


def test_what_came_before_what_nobody_signed_and_what_has_no_form_is_told_with_its_commit(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    before = room.write(ALICE, Post("before"))
    room.open(ALICE)
    unbound = room.write(BOB, Post("unbound"))
    room.bind(BOB)
    stranger = room.write(BOB, Post("not in the chat"))
    room.tend(ALICE)
    unsigned = room.write(BOB, Post("unsigned"), signs=False)
    vote = room.write(ALICE, CastVote("ban", BOB.id))
    added = room.write(ALICE, Add(CAROL.id))
    else_ = room.write(ALICE, Other("application/x-else"))
    about = room.write(ALICE, React("\u2764", unsigned))
    emptied = room.title(ALICE, title="Lab", description="this")
    assert room.reasons() == {
        **dict.fromkeys(list(room.log.history.ids)[1:3], Why.BEFORE),
        before: Why.BEFORE,
        unbound: Why.NOT_BOUND,
        stranger: Why.RULES,
        unsigned: Why.NOT_SIGNED,
        vote: Why.VOTE,
        added: Why.KEY_UNKNOWN,
        else_: Why.OTHER_TYPE,
        about: Why.MESSAGE_UNKNOWN,
        emptied: Why.DESCRIPTION,
    }
    assert room.group.name == "Lab", "its name is told all the same"


def test_an_add_whose_key_came_later_is_no_loss_once_it_was_told(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    added = room.write(ALICE, Add(CAROL.id))
    room.write(CAROL, Join(CAROL.id))
    room.bind(CAROL)
    assert room.reasons()[added] == Why.NOT_SIGNED
    room.tend(ALICE)
    assert added not in room.reasons()


def test_what_a_member_forges_is_told_and_goes_nowhere(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    honest = room.write(ALICE, Post("honest"))
    note = room.log.commit(honest).body["status"]  # type: ignore[union-attr]
    forged = {
        room.write(
            BOB, Post("honest"), extra={"status": note}
        ): "forged",  # the events are the same, the key is not his
        room.write(ALICE, Post("another text"), extra={"status": note}): "disagrees",
        room.write(ALICE, Post("honest"), extra={"status": note | {"id": "0x" + "0" * 64}}): "wrong-id",
        room.write(ALICE, Post("honest"), extra={"status": note | {"signature": 7}}): "malformed",
        room.write(ALICE, Post("honest"), extra={"status": {"events": ["AAAA"]}}): "event-too-short",
        room.write(ALICE, Post("honest"), extra={"status": {"envelope": "AAAA", "id": note["id"]}}): "bad-field",
        room.write(ALICE, Other(notes.BRIDGE), extra={"body": "else", "status": {"events": []}}): "bad-chat",
    }
    exported = room.export()
    assert {commit: room.reasons(exported).get(commit) for commit in forged} == forged
    assert exported.report.sayings == 1


def test_an_event_that_says_something_else_than_its_commit_does_not_count(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    honest = room.write(ALICE, Promote(BOB.id))
    note = room.log.commit(honest).body["status"]  # type: ignore[union-attr]
    wrong = room.write(ALICE, Add(CAROL.id), extra={"status": note})
    assert room.reasons()[wrong] == "disagrees"
    assert sum(told.number == room.log.history.number(wrong) for told in room.follow().told) == 0


def test_whom_an_event_names_that_does_not_count_is_not_remembered(tmp_path: Path) -> None:
    room, far = StatusRoom.opened(tmp_path, BOB), Secret(b"\x0e" * 32).public
    event = MembershipUpdateEvent(clock=room.now * 1000, type=EventType.MEMBERS_ADDED, members=(far.legacy,))
    signed = events.sign(event, room.follow().chats[0].id, secret(BOB))
    note = {"status": notes.of_events([signed])}
    room.write(BOB, Post("names are cheap"), extra=note)
    assert not room.follow().is_foreign(far.uri)
    room.write(BOB, Other(notes.EVENT), extra=note)
    assert room.follow().is_foreign(far.uri)


def test_an_attester_signs_what_others_left_unsigned_where_status_lets_an_admin(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    promoted = room.write(ALICE, Promote(BOB.id), signs=False)
    demoted = room.write(BOB, Demote(BOB.id), signs=False)
    kicked = room.write(ALICE, Kick(BOB.id), signs=False)
    assert {room.reasons()[one] for one in (promoted, kicked)} == {Why.NOT_SIGNED}
    exported = room.export(ALICE)
    folds(exported)
    assert exported.report.attested == 2
    assert room.reasons(exported).keys() >= {demoted}
    wrapper = envelopes.read(wrappers(exported)[0])
    assert isinstance(wrapper, Envelope)
    assert wrapper.author == secret(ALICE).public
    assert [(one.commit, one.reason) for one in exported.report.dropped] == [(kicked, "target-is-admin")]
    assert exported.report.events == room.export().report.events + 1


def test_what_an_attester_may_not_do_there_is_dropped_and_told(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    promoted = room.write(ALICE, Promote(BOB.id), signs=False)
    exported = room.export(BOB)
    folds(exported)
    assert [(one.commit, one.reason) for one in exported.report.dropped] == [(promoted, "not-an-admin")]


def test_who_left_unsigned_is_taken_out_by_an_attesting_admin(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(BOB, Leave(BOB.id), signs=False)
    exported = room.export(ALICE)
    folds(exported)
    assert exported.report.attested == 1
    assert key(BOB) in room.group.members
    assert exported.report.dropped == ()


@pytest.mark.parametrize("attested", [False, True])
def test_what_was_imported_twice_goes_out_once(tmp_path: Path, attested: bool) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    text = room.write(ALICE, Post("once"))
    envelope = room.one(text).envelope
    room.write(BOB, Post("once"), extra={"status": notes.of_envelopes([envelope])})
    assert room.export(ALICE if attested else None).report.sayings == 1


def brought(room: StatusRoom, who: Person, kind: EventType, **fields: Any) -> CommitId:
    """An event in a commit of its own."""
    event = MembershipUpdateEvent(clock=(room.now + 1) * 1000, type=kind, **fields)
    signed = events.sign(event, room.follow().chats[0].id, secret(who))
    return room.write(who, Other(notes.EVENT), extra={"status": notes.of_events([signed])})


def test_pictures_do_not_take_the_room_that_it_takes_to_remove_somebody(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    picture = bytes(limits.STATUS_EVENT_BYTES_MAX - 100)  # four of them are more than pictures may take
    shown = [brought(room, BOB, EventType.IMAGE_CHANGED, image=picture) for _ in range(5)]
    faults = [room.follow().fault(room.log.history.number(one)) for one in shown]
    assert faults == [None, None, None, "too-big", "too-big"]
    kicked = room.write(ALICE, Kick(BOB.id))
    assert room.note(kicked) is not None
    assert key(BOB) not in room.group.members
    room.one(room.write(ALICE, Post("and on")))
    assert len(wrappers(room.export())[0]) <= limits.STATUS_EVENTS_BYTES_MAX + 1_000


@pytest.fixture
def filled(tmp_path: Path) -> StatusRoom:
    """A chat with some 2 MiB of events, and ten texts after them."""
    room = StatusRoom.opened(tmp_path, BOB)
    for number in range(3):
        brought(room, BOB, EventType.IMAGE_CHANGED, image=bytes([number]) * (limits.STATUS_EVENT_BYTES_MAX - 100))
    for number in range(10):
        room.write(ALICE, Post(f"text {number}"))
    return room


def test_an_export_holds_one_copy_of_the_events_however_many_texts_carry_them(filled: StatusRoom) -> None:
    tracemalloc.start()
    try:
        exported = filled.export()
        sizes = [len(piece) for _, piece in exported.pieces()]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sizes) == 11
    assert sum(sizes) > 11 * limits.STATUS_EVENT_BYTES_MAX * 2
    assert peak < 8 * max(sizes)


def test_what_was_found_out_about_a_text_is_not_found_out_again(
    filled: StatusRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = filled.export()

    def again(*parts: bytes) -> bytes:
        raise AssertionError("hashed again")

    monkeypatch.setattr(reading, "keccak256", again)
    second = filled.export()
    assert second.report == first.report
    assert wrappers(second) == wrappers(first)


def test_a_filled_chat_is_looked_at_in_pieces(filled: StatusRoom) -> None:
    ledger, places = filled.follow(), [0]
    while (place := reading.look_at(ledger, filled.log, places[-1])) is not None:
        places.append(place)
    assert len(places) == 4  # 3 texts a piece
    assert places == sorted(set(places))
    assert all(ledger.proof(number) is not None for number in ledger.speaking)
    assert reading.look_at(ledger, filled.log, 0) is None  # it is known by now


def test_a_text_that_is_forged_is_found_out_once_and_told_each_time(filled: StatusRoom) -> None:
    note = filled.note(filled.main)
    assert note is not None
    said = {"status": notes.of_spoken(note.spoken, str(note.id))}
    forged = filled.write(BOB, Post("text 9"), extra=said)
    for _ in range(2):
        assert filled.reasons()[forged] == "forged"
