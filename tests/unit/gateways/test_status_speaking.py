"""What is signed for Status when a commit is written, and what is not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.conversation.actions import (
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    FileOffer,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.profile import Profile, write
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import envelopes, export, reading
from swarmchat.gateways.status.mapping import Why
from swarmchat.gateways.status.wire import (
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    EventType,
    MembershipUpdateMessage,
    ReactionType,
)
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL
from tests.support.status_rooms import StatusRoom, key, secret, wrappers

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()


def kinds(room: StatusRoom, commit: CommitId) -> list[int]:
    """The types of the events of a commit."""
    return [told.signed.event.type for told in room.follow().told if room.log.history.id(told.number) == commit]


def update(raw: bytes) -> MembershipUpdateMessage:
    """What is in a wrapper of a group."""
    envelope = envelopes.read(raw)
    assert isinstance(envelope, envelopes.Envelope)
    assert isinstance(envelope.message, MembershipUpdateMessage)
    return envelope.message


def test_a_text_is_a_message_with_all_that_happened_before_and_named_by_its_very_bytes(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    commit = room.write(BOB, Post("moin"))
    said = room.one(commit)
    message = update(said.envelope.raw)
    assert message.events == tuple(signed.raw for signed in room.fold().events)
    assert isinstance(said.entity, ChatMessage)
    assert (said.entity.text, said.entity.content_type) == ("moin", ContentType.TEXT_PLAIN)
    assert said.entity.chat_id == room.follow().chats[0].id
    assert said.author == secret(BOB).public
    note = room.note(commit)
    assert note is not None
    assert note.id == said.envelope.id == envelopes.message_id(said.author, said.envelope.raw)
    assert note.clock == said.entity.clock == room.ledger.clock(room.log.history.number(commit))


def test_a_later_event_does_not_change_what_an_older_message_was(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    commit = room.write(BOB, Post("moin"))
    before = room.one(commit).envelope.raw
    room.title(ALICE, title="Later")
    assert room.one(commit).envelope.raw == before


def test_a_reply_names_what_it_replies_to_and_does_without_where_that_was_not_signed(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    unsigned = room.write(ALICE, Post("aside"), signs=False)
    first = room.write(ALICE, Post("one"))
    for target, answered in ((first, room.one(first).envelope.id), (unsigned, "")):
        entity = room.one(room.write(BOB, Post("re", target))).entity
        assert isinstance(entity, ChatMessage)
        assert entity.response_to == answered


def test_a_text_over_4096_characters_goes_in_pieces_and_the_first_has_its_id(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    size = limits.STATUS_TEXT_CHARS_MAX
    whole, over = room.write(ALICE, Post("é" * size)), room.write(ALICE, Post("é" * size + "x"))
    room.one(whole)
    said = room.said(over)
    assert not isinstance(said, Refused)
    assert [len(one.entity.text) for one in said] == [size, 1]  # type: ignore[union-attr]
    assert room.follow().message_of(room.log.history.number(over)) == said[0].envelope.id
    last = room.ledger.clock(room.log.history.number(over))
    assert [one.entity.clock for one in said] == [last - 1, last]
    edit = room.write(ALICE, Edit("short", over))
    assert room.note(edit) is None
    assert room.unmapped[-1].reason is Why.SPLIT
    gone = room.said(room.write(ALICE, Edit("", over)))
    assert not isinstance(gone, Refused)
    assert [one.entity.message_id for one in gone] == [one.envelope.id for one in said]  # type: ignore[union-attr]


def test_a_reaction_is_a_feeling_or_a_message_that_is_an_emoji(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    text = room.write(ALICE, Post("moin"))
    target = room.one(text).envelope.id
    for emoji, kind in (("\u2764\ufe0f", ReactionType.LOVE), ("\U0001f44d\U0001f3fd", ReactionType.THUMBS_UP)):
        entity = room.one(room.write(BOB, React(emoji, text))).entity
        assert isinstance(entity, EmojiReaction)
        assert (entity.type, entity.message_id, entity.retracted) == (kind, target, False)
    fox = room.write(BOB, React("\U0001f98a", text))
    entity = room.one(fox).entity
    assert isinstance(entity, ChatMessage)
    assert (entity.content_type, entity.text, entity.response_to) == (ContentType.EMOJI, "\U0001f98a", target)


def test_a_reaction_taken_back_is_retracted_and_one_made_another_has_no_form(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    text = room.write(ALICE, Post("moin"))
    love = room.write(ALICE, React("\u2764", text))
    first, ended = room.one(love).entity, room.one(room.write(ALICE, Edit("", love))).entity
    assert isinstance(first, EmojiReaction)
    assert isinstance(ended, EmojiReaction)
    assert ended.retracted
    assert (ended.type, ended.message_id) == (first.type, first.message_id)
    assert ended.clock > first.clock
    assert room.note(room.write(ALICE, Edit("\U0001f44d", love))) is None
    assert room.unmapped[-1].reason is Why.REACTION_CHANGED
    fox = room.write(ALICE, React("\U0001f98a", text))
    assert isinstance(room.one(room.write(ALICE, Edit("", fox))).entity, DeleteMessage)


def test_an_edit_and_a_deletion_name_the_first_message(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    text = room.write(BOB, Post("moni"))
    target = room.one(text).envelope.id
    edit = room.one(room.write(BOB, Edit("moin", text))).entity
    assert isinstance(edit, EditMessage)
    assert (edit.text, edit.message_id) == ("moin", target)
    gone = room.one(room.write(BOB, Edit("", text))).entity
    assert isinstance(gone, DeleteMessage)
    assert gone.message_id == target


def test_what_speaks_about_something_unsigned_has_no_form(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    unsigned = room.write(ALICE, Post("aside"), signs=False)
    for action in (React("\u2764", unsigned), Edit("beside", unsigned)):
        assert room.note(room.write(ALICE, action)) is None
        assert room.unmapped[-1].reason is Why.MESSAGE_UNKNOWN


def test_a_file_is_told_by_its_name_and_size(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    offer = room.write(ALICE, FileOffer("map.pdf", 4_711, "0" * 128, "1"))
    entity = room.one(offer).entity
    assert isinstance(entity, ChatMessage)
    assert entity.text == "map.pdf (4711 bytes)"


@pytest.mark.parametrize("text", ["", " \n "], ids=["empty", "blank"])
def test_a_blank_text_has_no_form(tmp_path: Path, text: str) -> None:
    room = StatusRoom.opened(tmp_path)
    assert room.note(room.write(ALICE, Post(text))) is None
    assert room.unmapped[-1].reason is Why.RULES


def test_a_changed_profile_is_name_colour_picture_in_this_order_with_clocks_that_end_in_its_own(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    both = write(Profile(title="Lab", description="all of it", color="#00ff00", photo=PNG))
    commit = room.write(ALICE, UpdateProfile(), profile=both)
    assert kinds(room, commit) == [EventType.NAME_CHANGED, EventType.COLOR_CHANGED, EventType.IMAGE_CHANGED]
    last = room.ledger.clock(room.log.history.number(commit))
    clocks = [told.signed.event.clock for told in room.ledger.told][-3:]
    assert clocks == [last - 2, last - 1, last]
    group = room.group
    assert (group.name, group.color, group.image) == ("Lab", "#00ff00", b"\x89PNG\r\n\x1a\n....")
    emptied = room.write(ALICE, UpdateProfile(), profile=write(Profile(title="Lab", description="all of it")))
    assert kinds(room, emptied) == []
    assert room.unmapped[-1].reason is Why.EMPTIED
    described = room.write(ALICE, UpdateProfile(), profile=write(Profile(title="Lab")))
    assert kinds(room, described) == []
    assert room.unmapped[-1].reason is Why.DESCRIPTION


def test_members_come_rise_step_down_and_go(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    assert kinds(room, room.write(ALICE, Promote(BOB.id))) == [EventType.ADMINS_ADDED]
    assert kinds(room, room.write(BOB, Demote(BOB.id))) == [EventType.ADMIN_REMOVED]
    assert kinds(room, room.write(ALICE, Kick(BOB.id))) == [EventType.MEMBER_REMOVED]
    assert key(BOB) not in room.group.members
    assert kinds(room, room.write(ALICE, Add(BOB.id))) == [EventType.MEMBERS_ADDED]
    assert kinds(room, room.write(BOB, Join(BOB.id))) == [EventType.MEMBER_JOINED]
    assert kinds(room, room.write(BOB, Leave(BOB.id))) == [EventType.MEMBER_REMOVED]
    assert list(room.group.members) == [key(ALICE)]
    room.export()


def test_a_ban_removes_a_member_and_its_end_adds_him(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    assert room.note(room.write(ALICE, CastVote("ban", BOB.id))) is None
    assert room.unmapped[-1].reason is Why.VOTE
    assert kinds(room, room.write(ALICE, Ban(BOB.id))) == [EventType.MEMBER_REMOVED]
    room.write(ALICE, CastVote("unban", BOB.id))
    assert kinds(room, room.write(ALICE, Unban(BOB.id))) == [EventType.MEMBERS_ADDED]
    assert key(BOB) in room.group.members


def test_nothing_is_signed_with_a_key_that_is_not_bound_at_the_parent(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    assert room.note(room.write(ALICE, Post("early"))) is None
    assert room.unmapped[-1].reason is Why.BEFORE
    bridge = room.open(ALICE)
    assert room.note(room.write(BOB, Post("unbound"))) is None
    assert room.unmapped[-1].reason is Why.NOT_BOUND
    room.bind(BOB)
    assert room.note(room.write(BOB, Post("beside the binding"), at=bridge)) is None
    assert room.unmapped[-1].reason is Why.NOT_BOUND


def test_who_is_no_member_there_yet_says_nothing_there(tmp_path: Path) -> None:
    room = StatusRoom.of(tmp_path, BOB)
    room.open(ALICE)
    room.bind(BOB)
    assert room.note(room.write(BOB, Post("too early"))) is None
    assert (room.unmapped[-1].reason, room.unmapped[-1].about) == (Why.RULES, reading.Fault.NOT_A_MEMBER)
    room.tend(ALICE)
    room.one(room.write(BOB, Post("now")))


def test_who_is_added_before_his_key_is_known_is_told_of_by_who_added_him_once_it_is(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    assert room.note(room.write(ALICE, Add(CAROL.id))) is None
    assert room.unmapped[-1].reason is Why.KEY_UNKNOWN
    room.write(CAROL, Join(CAROL.id))
    assert room.due(ALICE).extra is None
    room.bind(CAROL)
    assert room.tend(ALICE) is not None
    assert key(CAROL) in room.group.members
    assert room.due(ALICE).extra is None


def test_another_admin_tells_of_him_when_a_minute_has_gone(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Promote(BOB.id))
    room.write(ALICE, Add(CAROL.id))
    room.write(CAROL, Join(CAROL.id))
    room.bind(CAROL)
    due = room.due(BOB)
    assert due.extra is None
    assert due.again_s == pytest.approx(60)
    room.now += 59
    assert room.due(BOB).extra is None
    room.now += 1
    assert room.due(BOB).extra is not None


def test_who_was_removed_in_status_is_not_added_again_unasked(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    found = room.write(ALICE, Kick(BOB.id))
    room.write(ALICE, Add(BOB.id), signs=False)
    room.write(BOB, Join(BOB.id), signs=False)
    assert found
    assert room.due(ALICE).extra is None


def test_an_event_that_clients_would_refuse_is_not_signed(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Promote(BOB.id), signs=False)  # an admin here, and none there
    room.write(BOB, Add(CAROL.id))
    title = room.title(BOB, title="Ours")
    assert kinds(room, title) == [EventType.NAME_CHANGED]
    assert room.note(room.write(BOB, Demote(BOB.id))) is None
    assert room.unmapped[-1].reason is Why.RULES


def far_ahead(room: StatusRoom, write: Callable[[], CommitId]) -> CommitId:
    """What somebody writes whose clock is a year ahead."""
    room.now += 365 * 86_400
    commit = write()
    room.now -= 365 * 86_400
    return commit


def test_a_commit_from_the_future_costs_nobody_his_words(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    ahead = far_ahead(room, lambda: room.write(BOB, Post("tomorrow")))
    text = room.write(ALICE, Post("today"))
    note = room.note(text)
    assert note is not None
    assert note.clock is None, "it would not be after its parent's"
    assert room.one(text).entity.clock == room.now * 1000 + 7
    title = room.title(ALICE, title="Today")
    assert kinds(room, title) == [EventType.NAME_CHANGED]
    assert room.group.name == "Today"
    exported = room.export()
    assert room.reasons(exported)[ahead] == "bad-clock"
    assert room.one(text).envelope.raw in wrappers(exported)


def test_an_event_from_the_future_travels_with_nobody_elses_words(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Promote(BOB.id))
    ahead = far_ahead(room, lambda: room.title(BOB, title="Tomorrow"))
    raw = next(told.signed.raw for told in room.follow().told if room.log.history.id(told.number) == ahead)
    message = update(room.one(room.write(ALICE, Post("today"))).envelope.raw)
    assert raw not in message.events
    exported = room.export()
    assert [(one.commit, one.reason) for one in exported.report.dropped] == [(ahead, "bad-clock")]
    room.now += 366 * 86_400
    assert not room.export().report.dropped


def test_events_from_the_future_are_not_compared_with_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Promote(BOB.id))
    for title in ("Tomorrow", "Next week", "Next year"):
        far_ahead(room, lambda title=title: room.title(BOB, title=title))  # type: ignore[misc]
    compared = 0

    def equals(one: object, other: object) -> bool:
        nonlocal compared
        compared += 1
        return one is other

    monkeypatch.setattr(export._Found, "__eq__", equals)
    assert len(room.export().report.dropped) == 3
    assert not compared, "a chat has room for 8,192 of them"


def test_a_clock_that_is_stated_too_high_is_not_believed(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    for ahead_ms, is_believed in ((120_000, True), (240_002, False)):
        stated = (room.now + 1) * 1000 + ahead_ms
        commit = room.write(ALICE, Post("far"), extra={"status": {"clock": str(stated)}})
        assert (room.follow().clock(room.log.history.number(commit)) == stated) is is_believed


def test_a_type_that_nobody_knows_has_no_form(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path)
    assert room.note(room.write(ALICE, Other("application/x-else"))) is None
    assert room.unmapped[-1].reason is Why.OTHER_TYPE
    assert room.note(room.write(ALICE, UpdateDevice(), revocations=ALICE.revoking(ALICE.on(2)))) is None
    assert room.unmapped[-1].reason is Why.DEVICE
