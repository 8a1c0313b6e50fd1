"""One-to-ones: whose something is, what is signed in one, and what is not taken. (SCP-09 §3.11)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.conversation.actions import Add, Edit, FileOffer, Leave, Other, Post, React, UpdateProfile
from swarmchat.conversation.profile import Profile, write
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import entities, envelopes, notes, pairs, reading, streams, tending
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.mapping import Unmappable, Why
from swarmchat.gateways.status.streams import Stream
from swarmchat.gateways.status.wire import (
    ChatMessage,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    Entity,
    EventType,
    GroupChatInvitation,
    MembershipUpdateMessage,
    MessageType,
    ReactionType,
)
from tests.support.builders import ALICE, BOB, CAROL
from tests.support.status_pairs import Between
from tests.support.status_rooms import StatusRoom, key, secret, wrappers
from tests.support.status_streams import ANN, BEGAN_MS, BEN, CAT, Group

NOW_MS = BEGAN_MS + 3_600_000


def text(who: Secret = BEN, **changed: Any) -> Envelope:
    """Something that Ben says to Ann, unless it is changed."""
    said = ChatMessage(
        clock=BEGAN_MS,
        timestamp=1,
        text="hi",
        chat_id=ANN.public.legacy,
        message_type=MessageType.ONE_TO_ONE,
        content_type=1,
    )
    return envelopes.sign(replace(said, **changed), who)


def spoken(said: Envelope) -> pairs.Pair | None:
    return pairs.spoken_in(said.author, said.message)


# --- whose it is


def test_a_message_is_said_in_the_one_to_one_of_its_author_and_whom_it_names() -> None:
    pair = spoken(text())
    assert pair == pairs.of(ANN.public, BEN.public) == pairs.of(BEN.public, ANN.public)
    assert pair is not None
    assert pair == spoken(text(ANN, chat_id=BEN.public.legacy))
    assert (pair.other(ANN.public), pair.other(BEN.public)) == (BEN.public, ANN.public)
    assert pair.id == "+".join(sorted((ANN.public.compressed, BEN.public.compressed)))


@pytest.mark.parametrize(
    "changed",
    [
        {"chat_id": BEN.public.legacy},  # to oneself
        {"chat_id": ANN.public.legacy.upper()},
        {"chat_id": "0x" + ANN.public.legacy[2:].upper()},
        {"chat_id": ANN.public.compressed},
        {"chat_id": "0x04" + "0" * 128},  # no point of the curve
        {"chat_id": ""},
        {"chat_id": f"uuid-{ANN.public.legacy}"},
        {"message_type": MessageType.PRIVATE_GROUP},
        {"message_type": MessageType.PUBLIC_GROUP},
        {"message_type": 0},
    ],
)
def test_a_message_that_names_nobody_else_as_clients_do_is_in_no_one_to_one(changed: dict[str, Any]) -> None:
    assert spoken(text(**changed)) is None


def test_what_belongs_to_a_group_is_in_no_one_to_one_whatever_it_names() -> None:
    inside = ChatMessage(clock=1, chat_id=ANN.public.legacy, message_type=MessageType.ONE_TO_ONE)
    for message in (
        MembershipUpdateMessage(chat_id=ANN.public.legacy, message=inside),
        GroupChatInvitation(clock=1, chat_id=ANN.public.legacy, state=1),
    ):
        assert pairs.spoken_in(BEN.public, message) is None


# --- files


def read(chat: Between | bytes, own: Secret | None = ANN, now_ms: int = NOW_MS) -> Stream:
    wrappers = streams.split(chat if isinstance(chat, bytes) else chat.file())
    assert not isinstance(wrappers, Refused)
    found = streams.read(wrappers, now_ms, None if own is None else own.public)
    assert isinstance(found, Stream), found
    return found


def lively() -> Between:
    chat = Between(ANN, BEN)
    asked = chat.says(ANN, "who sails?")
    answer = chat.says(BEN, "I do", answers=asked)
    chat.feels(ANN, answer, ReactionType.LOVE)
    chat.edits(BEN, answer, "we do")
    chat.deletes(ANN, asked)
    return chat


def test_a_file_of_a_one_to_one_holds_what_both_said_once() -> None:
    chat = lively()
    stream = read(chat.file() + chat.file())
    assert stream.pair == pairs.of(ANN.public, BEN.public)
    assert [one.envelope.raw for one in stream.said] == [one.raw for one in chat.said]
    assert (stream.events, stream.bad) == ((), ())
    assert [one.envelope for one in read(chat.said[0].raw).said] == [chat.said[0]]  # one bare message


def test_of_several_one_to_ones_that_counts_which_we_are_in_and_of_those_the_most_told() -> None:
    chat = lively()
    chat.between(CAT, ANN).says(CAT, "psst")
    chat.between(CAT, BEN).says(CAT, "psst")
    assert read(chat).pair == read(chat, None).pair == pairs.of(ANN.public, BEN.public)
    assert [one.place for one in read(chat).bad] == [6, 7]
    assert {one.reason for one in read(chat).bad} == {"other-chat"}
    assert read(chat, CAT).pair == pairs.of(CAT.public, ANN.public)


def test_a_group_that_a_file_makes_goes_before_a_one_to_one() -> None:
    group, chat = Group(), lively()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    stream = read(chat.file() + group.file())
    assert (stream.chat_id, stream.pair) == (group.id, None)
    assert {one.reason for one in stream.bad} == {"other-chat"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (text(CAT), "other-chat"),  # a third key
        (text(chat_id=CAT.public.legacy), "other-chat"),
        (text(chat_id=BEN.public.legacy), "other-chat"),
        (text(message_type=MessageType.PRIVATE_GROUP), "other-chat"),
        (text(message_type=MessageType.COMMUNITY_CHAT), "other-chat"),
        (envelopes.sign(MembershipUpdateMessage(chat_id=ANN.public.legacy), BEN), "other-chat"),
        (
            envelopes.sign(
                MembershipUpdateMessage(chat_id=ANN.public.legacy, message=text().message),  # type: ignore[arg-type]
                BEN,
            ),
            "other-chat",
        ),
        (envelopes.sign(GroupChatInvitation(clock=1, chat_id=ANN.public.legacy, state=1), BEN), "other-chat"),
        (text(clock=0), "bad-clock"),
        (text(clock=NOW_MS + limits.STATUS_CLOCK_AHEAD_MS_MAX + 1), "bad-clock"),
        (text(text=" "), "blank-text"),
        (text(content_type=10), "bad-content-type"),
    ],
)
def test_what_is_bad_in_a_file_costs_itself(bad: Envelope, reason: str) -> None:
    chat = lively()
    chat.said.insert(1, bad)
    stream = read(chat)
    assert [(one.place, one.reason) for one in stream.bad] == [(2, reason)]
    assert len(stream.said) == 5


def test_the_furthest_clock_is_taken() -> None:
    chat = Between(ANN, BEN)
    chat.says(BEN, "soon", clock=NOW_MS + limits.STATUS_CLOCK_AHEAD_MS_MAX)
    assert len(read(chat).said) == 1


def test_a_one_to_one_type_inside_of_a_group_is_not_taken() -> None:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    group.says(ANN, "to all")
    group.says(ANN, "to one", message_type=MessageType.ONE_TO_ONE)
    reaction = EmojiReaction(
        clock=1, chat_id=group.id, message_id="0x01", message_type=MessageType.ONE_TO_ONE, type=ReactionType.LOVE
    )
    group.said.append(envelopes.sign(reaction, ANN))
    stream = read(group.file())
    assert len(stream.said) == 1
    assert [one.reason for one in stream.bad] == [entities.Fault.BAD_MESSAGE_TYPE] * 2


# --- in the log


def test_it_is_a_chat_once_it_was_opened_and_both_keys_are_known_in_whatever_order(tmp_path: Path) -> None:
    for number, order in enumerate(("bridge alice bob", "bob alice bridge", "alice bridge bob")):
        room = StatusRoom.between(tmp_path / str(number))
        deeds: dict[str, Any] = {
            "bridge": lambda: room.bridge(BOB),  # noqa: B023
            "alice": lambda: room.bind(ALICE),  # noqa: B023
            "bob": lambda: room.bind(BOB),  # noqa: B023
        }
        for deed in order.split():
            assert not room.follow().chats
            deeds[deed]()
        (chat,) = room.follow().chats
        assert (chat.shown_to(ALICE.id), chat.shown_to(BOB.id)) == (key(BOB), key(ALICE))
        assert room.follow().chat_at(len(room.log.history) - 1) == chat
        assert room.follow().chat_at(len(room.log.history) - 2) is None


def test_what_came_together_in_a_merge_is_known_after_it(tmp_path: Path) -> None:
    room = StatusRoom.between(tmp_path)
    base = room.bridge(ALICE)
    room.bind(ALICE, at=base)
    room.bind(BOB, at=base)
    assert room.follow().chats
    assert room.write(ALICE, Post("after the merge")) == room.main
    assert isinstance(room.one(room.main).entity, ChatMessage)


def test_who_has_no_account_is_known_by_what_opened_it(tmp_path: Path) -> None:
    room = StatusRoom.between(tmp_path)
    room.bind(ALICE)
    room.bridge(ALICE, body=CAT.public.legacy)
    assert room.follow().fault(len(room.log.history) - 1) == "bad-chat"  # she is none of the two
    assert not room.follow().is_bridged


@pytest.mark.parametrize("body", ["", "x", 7, 0, ["0x04"], {}, "0x04" + "0" * 128, "é" * 300, "uuid-" + key(BOB)])
def test_what_opens_nothing_is_told(tmp_path: Path, body: Any) -> None:
    room = StatusRoom.between(tmp_path)
    room.bind(ALICE)
    room.bind(BOB)
    room.bridge(BOB, body=body)
    ledger = room.follow()
    assert not ledger.chats
    assert ledger.fault(len(room.log.history) - 1) == "bad-chat"
    assert not tending.must_bind(ledger, room.log.roster, CAROL.id)


def test_a_key_of_both_makes_no_chat(tmp_path: Path) -> None:
    room = StatusRoom.between(tmp_path)
    room.bridge(ALICE)
    room.bind(ALICE, CAT)
    room.bind(BOB, CAT)
    assert not room.follow().chats
    room.write(ALICE, Post("to whom?"))
    assert room.unmapped == [Unmappable(Why.BEFORE)]


def test_each_kind_of_saying_is_signed_to_the_other(tmp_path: Path) -> None:
    room = StatusRoom.opened_between(tmp_path)
    asked = room.write(ALICE, Post("who sails?"))
    answer = room.write(BOB, Post("I do", asked))
    liked = room.write(ALICE, React("\u2764", answer))
    odd = room.write(ALICE, React("🦆", answer))
    changed = room.write(BOB, Edit("we do", answer))
    unliked = room.write(ALICE, Edit("", liked))
    offer = room.write(BOB, FileOffer("map.png", 3, "0" * 128, "1"))
    gone = room.write(BOB, Edit("", answer))
    kinds: list[tuple[Any, type[Entity]]] = [
        (asked, ChatMessage),
        (answer, ChatMessage),
        (liked, EmojiReaction),
        (odd, ChatMessage),
        (changed, EditMessage),
        (unliked, EmojiReaction),
        (offer, ChatMessage),
        (gone, DeleteMessage),
    ]
    for commit, kind in kinds:
        said = room.one(commit)
        by = said.author.legacy
        assert isinstance(said.entity, kind)
        assert {by, said.entity.chat_id} == {key(ALICE), key(BOB)}
        assert said.envelope.message is said.entity
        assert said.entity.message_type == MessageType.ONE_TO_ONE  # type: ignore[union-attr]
    assert room.one(answer).entity.response_to == room.one(asked).envelope.id  # type: ignore[union-attr]
    assert not room.unmapped
    exported = room.export()
    assert wrappers(exported) == tuple(room.one(commit).envelope.raw for commit, _ in kinds)
    assert (exported.report.events, exported.report.sayings) == (0, 8)
    assert read(b"".join(piece for _, piece in exported.pieces()), secret(BOB), room.now * 1000).bad == ()


def test_a_long_text_goes_in_pieces_and_is_deleted_piece_by_piece(tmp_path: Path) -> None:
    room = StatusRoom.opened_between(tmp_path)
    long = room.write(BOB, Post("x" * (limits.STATUS_TEXT_CHARS_MAX + 1)))
    said = room.said(long)
    assert not isinstance(said, Refused)
    assert [len(one.entity.text) for one in said] == [limits.STATUS_TEXT_CHARS_MAX, 1]  # type: ignore[union-attr]
    gone = room.said(room.write(BOB, Edit("", long)))
    assert not isinstance(gone, Refused)
    assert [one.entity.message_id for one in gone] == [one.envelope.id for one in said]  # type: ignore[union-attr]
    assert len(wrappers(room.export())) == 4


def test_what_there_are_no_words_for_between_two_is_told_with_its_reason(tmp_path: Path) -> None:
    room = StatusRoom.between(tmp_path)
    before = room.write(ALICE, Post("before"))
    room.bridge(ALICE)
    room.bind(ALICE)
    early = room.write(ALICE, Post("nobody's key"))
    room.bind(BOB)
    titled = room.write(ALICE, UpdateProfile(), profile=write(Profile(title="Us")))
    blank = room.write(ALICE, Post(" "))
    unsigned = room.write(ALICE, Post("hidden"), signs=False)
    stray = room.write(BOB, React("\u2764", early))
    left = room.write(BOB, Leave(BOB.id))
    again = room.write(ALICE, Add(BOB.id))
    reasons = room.reasons()
    assert {one: reasons[one] for one in (before, early, titled, blank, unsigned, stray, left, again)} == {
        before: Why.BEFORE,
        early: Why.BEFORE,
        titled: Why.ONE_TO_ONE,
        blank: Why.RULES,
        unsigned: Why.NOT_SIGNED,
        stray: Why.MESSAGE_UNKNOWN,
        left: Why.ONE_TO_ONE,
        again: Why.ONE_TO_ONE,
    }
    assert [one.reason for one in room.unmapped] == [
        Why.BEFORE,
        Why.BEFORE,
        Why.ONE_TO_ONE,
        Why.RULES,
        Why.MESSAGE_UNKNOWN,
        Why.ONE_TO_ONE,
        Why.ONE_TO_ONE,
    ]
    assert room.reasons(room.export(ALICE)) == reasons  # there is nothing to vouch for


def test_who_has_bound_another_key_signs_nothing(tmp_path: Path) -> None:
    room = StatusRoom.between(tmp_path)
    room.bridge(ALICE)
    room.bind(ALICE)
    room.bind(BOB, CAT)
    assert room.follow().chats
    said = room.write(BOB, Post("who am I?"))
    assert room.note(said) is None
    assert room.unmapped == [Unmappable(Why.NOT_BOUND)]
    assert room.reasons()[said] == Why.NOT_SIGNED


def test_nothing_is_due_between_two(tmp_path: Path) -> None:
    room = StatusRoom.between(tmp_path)
    assert not tending.must_bind(room.follow(), room.log.roster, BOB.id)
    room.bridge(ALICE)
    for who in (ALICE, BOB):
        assert tending.must_bind(room.follow(), room.log.roster, who.id)
        room.bind(who)
        assert not tending.must_bind(room.follow(), room.log.roster, who.id)
    assert room.due(ALICE) == room.due(BOB) == tending.Due()


def noted(room: StatusRoom, *said: Envelope) -> Any:
    """What a commit of Bob's comes to that has these envelopes."""
    return room.said(room.write(BOB, Post("hi"), extra={notes.KEY: notes.of_envelopes(said)}))


def test_a_commit_that_says_what_another_signed_is_taken_for_his(tmp_path: Path) -> None:
    room = StatusRoom.opened_between(tmp_path)
    (said,) = noted(room, text(secret(ALICE), chat_id=key(BOB)))
    assert said.author == secret(ALICE).public


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (text(CAT, chat_id=key(ALICE)), "other-chat"),
        (text(secret(BOB), chat_id=key(BOB)), "other-chat"),
        (text(secret(BOB), chat_id=CAT.public.legacy), "other-chat"),
        (text(secret(BOB), chat_id=key(ALICE), message_type=MessageType.PRIVATE_GROUP), "other-chat"),
        (
            envelopes.sign(
                MembershipUpdateMessage(
                    chat_id=key(ALICE),
                    message=text(secret(BOB), chat_id=key(ALICE)).message,  # type: ignore[arg-type]
                ),
                secret(BOB),
            ),
            "other-chat",
        ),
        (text(secret(BOB), chat_id=key(ALICE), text="ho"), "disagrees"),
        (text(secret(BOB), chat_id=key(ALICE), clock=2**63), "bad-clock"),
    ],
)
def test_what_is_not_of_this_one_to_one_is_not_handed_on(tmp_path: Path, bad: Envelope, reason: str) -> None:
    room = StatusRoom.opened_between(tmp_path)
    found = noted(room, bad)
    assert isinstance(found, Refused)
    assert found.reason == reason
    assert room.reasons()[room.main] == reason
    assert not wrappers(room.export())


def test_the_form_of_a_group_does_not_count_between_two(tmp_path: Path) -> None:
    room = StatusRoom.opened_between(tmp_path)
    said = text(secret(BOB), chat_id=key(ALICE))
    spoken = notes.Spoken(said.message.encode(), said.raw[2:67])
    commit = room.write(BOB, Post("hi"), extra={notes.KEY: notes.of_spoken([spoken], said.id)})
    assert room.said(commit) == Refused(reading.Fault.OTHER_CHAT)
    group = Group()
    event = group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    commit = room.write(BOB, Other(notes.EVENT), extra={notes.KEY: notes.of_events([event])})
    assert room.follow().fault(room.log.history.number(commit)) == "disagrees"
    assert not room.follow().told
    assert room.reasons()[commit] == "disagrees"


def test_a_one_to_one_type_in_the_log_of_a_group_is_not_handed_on(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    chat = room.follow().chats[0].id
    reaction = EmojiReaction(
        clock=1,
        chat_id=chat,
        message_id=room.one(room.write(BOB, Post("hi"))).envelope.id,
        message_type=MessageType.ONE_TO_ONE,
        type=ReactionType.LOVE,
    )
    note = notes.of_envelopes([envelopes.sign(reaction, secret(BOB))])
    commit = room.write(BOB, React("\u2764", room.main), extra={notes.KEY: note})
    assert room.said(commit) == Refused(entities.Fault.BAD_MESSAGE_TYPE)
