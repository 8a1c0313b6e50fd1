"""What is written for Status without anybody asking: by whom, when, and that twice does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Add, Ban, CastVote, Initial, Join, Kick, Leave, Other, Post, Promote
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.status import chat_ids, events, notes, tending
from swarmchat.gateways.status.wire import EventType, MembershipUpdateEvent
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import pull, writer
from tests.support.status_rooms import StatusRoom, key, secret


def admins(room: StatusRoom) -> None:
    """Bob and Carol become admins as well."""
    room.write(ALICE, Promote(BOB.id))
    for voter in (ALICE, BOB):
        room.write(voter, CastVote("promote", CAROL.id))
    room.write(BOB, Promote(CAROL.id))


def banned(room: StatusRoom) -> None:
    """Bob is banned by Carol."""
    for voter in (ALICE, CAROL):
        room.write(voter, CastVote("ban", BOB.id))
    room.write(CAROL, Ban(BOB.id))


def test_a_member_binds_a_key_once_and_nobody_else_does(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    room.open(ALICE)
    assert tending.must_bind(room.follow(), room.log.roster, BOB.id)
    assert not tending.must_bind(room.follow(), room.log.roster, ALICE.id)
    assert not tending.must_bind(room.follow(), room.log.roster, CAROL.id)
    room.bind(BOB)
    assert not tending.must_bind(room.follow(), room.log.roster, BOB.id)


def test_who_binds_a_key_of_another_does_not_try_for_ever(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Add(CAROL.id))
    room.write(CAROL, Join(CAROL.id))
    room.bind(CAROL, secret(BOB))
    assert not tending.must_bind(room.follow(), room.log.roster, CAROL.id)


def test_what_opens_a_conversation_tells_all_that_stands(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB, CAROL)
    room.title(ALICE, title="Lab", color="#123456")
    room.write(ALICE, Promote(BOB.id))
    room.bind(BOB)
    room.open(ALICE)
    told = room.follow().told
    assert [one.signed.event.type for one in told] == [
        EventType.CHAT_CREATED,
        EventType.MEMBERS_ADDED,
        EventType.ADMINS_ADDED,
    ]
    group = room.group
    assert (group.name, group.color) == ("Lab", "#123456")
    assert set(group.members) == {key(ALICE), key(BOB)} == set(group.admins), "nobody knows Carol's key yet"


def test_a_chat_that_has_no_colour_gets_the_one_of_its_conversation(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    assert room.group.color == tending.color_of(room.log.conversation, None)
    assert {tending.color_of(f"{first:02x}" + "0" * 38, None) for first in range(12)} == {  # type: ignore[arg-type]
        "#fa6565",
        "#887af9",
        "#fe8f59",
        "#7cda00",
        "#51d0f0",
        "#d37ef4",
    }


def test_an_admin_whose_key_comes_late_is_told_of_as_member_and_admin(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    room.open(ALICE)
    room.write(ALICE, Promote(BOB.id))
    room.bind(BOB)
    room.tend(ALICE)
    assert list(room.group.admins) == [key(ALICE), key(BOB)]
    assert room.due(ALICE).extra is None
    assert room.due(BOB).extra is None


def test_nobody_writes_for_who_has_left_again(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    room.open(ALICE)
    room.bind(BOB)
    room.write(BOB, Leave(BOB.id))
    assert room.due(ALICE) == tending.Due()


def test_two_devices_that_write_the_same_do_no_harm(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    room.open(ALICE)
    room.bind(BOB)
    other = room.copy(tmp_path / "other.git")
    other.now += 1
    assert room.tend(ALICE) is not None
    assert other.tend(ALICE.on(2)) is not None
    pull(room.log, other.log)
    pull(other.log, room.log)
    assert room.group == other.group
    assert set(room.group.members) == {key(ALICE), key(BOB)}
    assert not room.export().report.dropped
    assert room.tend(ALICE) is None


def test_two_devices_that_bind_one_key_bind_it(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    room.open(ALICE)
    other = room.copy(tmp_path / "other.git")
    other.now += 1
    one, two = room.bind(BOB), other.bind(BOB.on(2))
    pull(room.log, other.log)
    binding = room.follow().bindings.of(BOB.id)
    assert binding is not None
    assert binding.commit == min(one, two)
    assert sum(entry.fact.type == BINDING for entry in room.log.history.entries) == 3


def test_15_of_two_chats_opened_beside_each_other_one_counts_everywhere(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB, CAROL)
    admins(room)
    banned(room)
    other = room.copy(tmp_path / "other.git")
    other.now += 60
    assert room.due(ALICE).again_s == pytest.approx(60)
    late, early = other.tend(ALICE), room.tend(CAROL)
    beside = other.write(ALICE, Post("beside"))
    pull(room.log, other.log)
    pull(other.log, room.log)
    assert [chat.commit for chat in room.follow().chats][:2] == [early, late]
    assert room.follow().chats == other.follow().chats
    assert room.reasons()[beside] == "frozen"
    room.now = other.now + 1
    assert room.tend(ALICE) is None
    text = room.write(ALICE, Post("together"))
    assert room.one(text).entity.chat_id == room.follow().chats[0].id
    assert set(room.group.members) == {key(ALICE), key(CAROL)}


def test_a_chat_is_opened_by_an_admin_with_his_own_key_and_the_next_generation(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    number = room.log.history.number(room.main)
    by_member = tending.opening(room.follow(), room.log, number, BOB.id, secret(BOB), room.now * 1000)
    for who, extra in (
        (BOB, by_member),  # who is no admin
        (ALICE, by_member),  # with the key of another
        (ALICE, room.log.commit(room.follow().chats[0].commit).body),  # again the same
        (ALICE, {**by_member, "body": "0x04"}),
        (ALICE, {**by_member, "body": 7}),
    ):
        said = {name: value for name, value in extra.items() if name != "type"}
        wrong = room.write(who, Other(notes.BRIDGE), extra=said)
        assert room.follow().fault(room.log.history.number(wrong)) == "bad-chat"
    assert len(room.follow().chats) == 1


def test_who_is_removed_as_clients_do_it_leads_to_no_other_chat(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Kick(BOB.id))
    assert room.due(ALICE) == tending.Due()


def from_status(folder: Path) -> tuple[StatusRoom, Secret, Secret]:
    """A conversation that Alice brought here: of somebody who made the chat, and of somebody who is in it."""
    maker, guest = Secret(b"\x0a" * 32), Secret(b"\x0b" * 32)
    chat = chat_ids.made(bytes(16), maker.public)
    made = events.sign(MembershipUpdateEvent(clock=1, type=EventType.CHAT_CREATED, name="Far"), chat, maker)
    added = events.sign(
        MembershipUpdateEvent(clock=2, type=EventType.MEMBERS_ADDED, members=(guest.public.legacy,)), chat, maker
    )
    root = {"status": {**notes.of_events([made]), "chat": chat}}
    log = CommitLog.create(folder / "far.git", writer(ALICE), Initial(2, "0" * 32), now=NOW, extra=root)
    room = StatusRoom(log)
    room.bind(ALICE)
    room.write(ALICE, Add(maker.public.uri), extra={"status": {"of": made.id}})
    room.write(ALICE, Add(guest.public.uri), extra={"status": notes.of_events([added])})
    return room, maker, guest


def test_a_conversation_that_came_from_status_is_told_in_the_chat_it_came_from(tmp_path: Path) -> None:
    room, maker, guest = from_status(tmp_path)
    (chat,) = room.follow().chats
    assert (chat.generation, chat.creator, chat.account) == (0, maker.public, ALICE.id)
    assert set(room.group.members) == {maker.public.legacy, guest.public.legacy}
    assert room.follow().is_foreign(guest.public.uri)
    assert room.follow().key_of(guest.public.uri) == guest.public
    assert room.note(room.write(ALICE, Post("I only brought it"))) is None
    assert room.due(ALICE) == tending.Due(), "Alice is no member there, and adds nobody"
    exported = room.export()
    assert exported.report.events == 2
    assert not exported.report.dropped


def test_15_who_was_banned_of_those_who_have_no_account_is_not_in_the_next_chat_and_the_others_are(
    tmp_path: Path,
) -> None:
    room, maker, guest = from_status(tmp_path)
    room.write(ALICE, CastVote("ban", maker.public.uri))
    room.write(ALICE, Ban(maker.public.uri))
    assert room.tend(ALICE) is not None
    chat = room.follow().chats[0]
    assert (chat.generation, chat.creator) == (1, secret(ALICE).public)
    assert set(room.group.members) == {key(ALICE), guest.public.legacy}
    assert list(room.group.admins) == [key(ALICE)]
    assert room.due(ALICE) == tending.Due()
    room.one(room.write(ALICE, Post("now I speak")))


def test_what_clients_would_ignore_keeps_nobody_out(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB, CAROL)
    room.open(ALICE)
    room.bind(CAROL)
    room.tend(ALICE)
    lie = MembershipUpdateEvent(clock=room.now * 1000, type=EventType.MEMBERS_ADDED, members=(key(BOB),))
    signed = events.sign(lie, room.follow().chats[0].id, secret(BOB))  # who is no member there
    room.write(CAROL, Other(notes.EVENT), extra={"status": notes.of_events([signed])})
    room.bind(BOB)
    assert room.tend(ALICE) is not None
    assert key(BOB) in room.group.members


def test_nobody_is_waited_for_whose_clock_is_a_year_ahead(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB, CAROL)
    admins(room)
    room.now += 365 * 86_400
    banned(room)
    room.now -= 365 * 86_400
    assert room.due(ALICE).extra is not None
