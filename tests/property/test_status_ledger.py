"""The ledger answers the same however commits came here, and forgets without a trace those that came to nothing."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.conversation.actions import Add, Edit, Kick, Other, Post, Promote, React
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways import bindings
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import clock, envelopes, events, notes, streams, tending
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import fold_strictly
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    ChatMessage,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    MessageType,
)
from tests.support.builders import ALICE, BOB, CAROL, DAVE, Person
from tests.support.commitlogs import pull
from tests.support.status_rooms import StatusRoom, key, secret, wrappers

PEOPLE = (ALICE, BOB, CAROL)


def group_step(room: StatusRoom, dice: random.Random) -> None:
    """Somebody does something, honest or not."""
    who = dice.choice(PEOPLE)
    room.now += dice.choice((0, 1, 30))
    posts = [entry.id for entry in room.log.history.entries if entry.fact.type == "text/plain"]
    match dice.randrange(10):
        case 0:
            room.bind(who, Secret(bytes([dice.randrange(1, 4)]) * 32) if dice.random() < 0.3 else secret(who))
        case 1:
            chat_anew(room, dice.choice(PEOPLE))
        case 2 if room.log.roster.is_admin(ALICE.id):
            room.title(ALICE, title=f"Title {dice.random()}")
        case 3 if not room.log.roster.is_invited(DAVE.id):
            room.write(who if room.log.roster.is_admin(who.id) else ALICE, Add(DAVE.id))
        case 4 if room.log.roster.is_invited(DAVE.id):
            room.write(ALICE, Kick(DAVE.id))
        case 5:
            room.tend(ALICE)
        case 6 if posts:
            room.write(who, React("\u2764", dice.choice(posts)))
        case 7:  # a clock of the liar's choice, and the note of another commit
            note: dict[str, Any] = {"clock": str(room.now * 1000 + dice.randrange(-5_000, 200_000))}
            room.write(who, Post("lie"), extra={"status": note})
        case 8 if not room.log.roster.is_admin(BOB.id) and list(room.log.roster.admins) == [ALICE.id]:
            room.write(ALICE, Promote(BOB.id))
        case _:
            room.write(who, Post(f"text {dice.randrange(99)}"))


def chat_anew(room: StatusRoom, who: Person) -> None:
    """Somebody opens the next chat, whether he may or not."""
    number = room.log.history.find(room.main)
    if number is None:
        return
    opened = tending.opening(room.follow(), room.log, number, who.id, secret(who), room.now * 1000)
    room.write(who, Other(notes.BRIDGE), extra=opened)


def answers(room: StatusRoom) -> dict[str, object]:
    """All that can be asked, by the names of commits."""
    ledger, history = Ledger(room.log.conversation), room.log.history
    ledger.follow(room.log, len(history))
    found: dict[str, object] = {}
    for number, commit in enumerate(history.ids):
        chat, fold = ledger.chat_at(number), ledger.fold_at(number)
        found[commit] = (
            ledger.clock(number),
            ledger.fault(number),
            chat and (chat.commit, chat.generation, chat.id, chat.clock),
            fold and (fold.group, [one.raw for one in fold.events], [one.reason for one in fold.ignored]),
            ledger.message_of(number),
            [sorted(key.legacy for key in ledger.claims_at(number, who.id)) for who in PEOPLE],
        )
    found["chats"] = [(chat.commit, chat.generation) for chat in ledger.chats]
    found["told"] = sorted((history.id(told.number), told.signed.raw, told.chat.id) for told in ledger.told)
    found["keys"] = [ledger.key_of(who.id) for who in (*PEOPLE, DAVE)]
    found["bound"] = ledger.bindings.all()
    return found


def state(ledger: Ledger) -> dict[str, object]:
    """All that a ledger remembers."""
    kept = {name: value for name, value in vars(ledger).items() if name not in ("_here", "_folds", "bindings")}
    return kept | {"bindings": ledger.bindings.all()}


def step_between(room: StatusRoom, dice: random.Random) -> None:
    """One of two in a one-to-one does something, honest or not."""
    who = dice.choice((ALICE, BOB))
    room.now += dice.choice((0, 1, 30))
    posts = [entry.id for entry in room.log.history.entries if entry.fact.type == "text/plain"]
    match dice.randrange(6):
        case 0:
            room.bind(who, Secret(bytes([dice.randrange(1, 3)]) * 32) if dice.random() < 0.3 else secret(who))
        case 1:
            body = dice.choice((None, None, None, key(BOB), "x", 7))
            room.bridge(who, **({} if body is None else {"body": body}))
        case 2 if posts:
            room.write(who, React("\u2764", dice.choice(posts)))
        case 3 if room.follow().speaking:
            said = envelopes.sign(
                ChatMessage(
                    clock=room.now * 1000,
                    timestamp=1,
                    text="lie",
                    chat_id=dice.choice((key(ALICE), key(BOB), "x")),
                    message_type=dice.choice((MessageType.ONE_TO_ONE, MessageType.PRIVATE_GROUP)),
                    content_type=1,
                ),
                dice.choice((secret(ALICE), secret(BOB), secret(CAROL))),
            )
            room.write(who, Post("lie"), extra={"status": notes.of_envelopes([said])})
        case _:
            room.write(who, Post(f"text {dice.randrange(99)}"))


def forks(folder: Path, dice: random.Random, is_pair: bool | None = None) -> list[StatusRoom]:
    """Three copies that went on alone, and heard of each other now and then; of a group or of a one-to-one."""
    if dice.random() < 0.5 if is_pair is None else is_pair:
        found = StatusRoom.between(folder) if dice.random() < 0.3 else StatusRoom.opened_between(folder)
        base, step = found, step_between
    else:
        base, step = StatusRoom.opened(folder, BOB, CAROL), group_step
    for _ in range(3):
        step(base, dice)
    rooms = [base.copy(folder / f"{name}.git") for name in "xyz"]
    for _ in range(12):
        room = dice.choice(rooms)
        if dice.random() < 0.15:
            pull(room.log, dice.choice(rooms).log)
        step(room, dice)
    return rooms


@settings(max_examples=8)
@given(st.integers(0, 10**9))
def test_the_answers_do_not_depend_on_the_order_in_which_commits_came(seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        rooms = forks(Path(folder), dice)
        rooms[0].now = rooms[1].now = rooms[2].now = max(room.now for room in rooms)
        there = rooms[0].copy(Path(folder) / "there.git")
        here = rooms[2].copy(Path(folder) / "here.git")
        for number in (1, 2):
            pull(there.log, rooms[number].log)
        for number in (1, 0):
            pull(here.log, rooms[number].log)
        ours, theirs = answers(there), answers(here)
        known = set(there.log.history.ids) & set(here.log.history.ids)
        assert len(known) >= len(rooms[0].log.history)
        both = {name for name in ours if name in known or not set(name) <= set("0123456789abcdef")}
        assert {name: ours[name] for name in both} == {name: theirs[name] for name in both}
        if ours["chats"]:
            assert (wrappers(there.export()), there.export().report) == (wrappers(here.export()), here.export().report)


@settings(max_examples=8)
@given(st.integers(0, 10**9), st.integers(-200_000, 10_000_000))
def test_a_text_carries_the_events_of_its_ancestors_and_no_others(seed: int, ahead_ms: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        rooms = forks(Path(folder), dice)
        for other in rooms[1:]:
            pull(rooms[0].log, other.log)
        ledger, history = rooms[0].follow(), rooms[0].log.history
        for until in (None, rooms[0].now * 1000 + ahead_ms):
            for number in range(len(history)):
                chat, fold = ledger.chat_at(number), ledger.fold_at(number, until)
                told = [
                    one.signed.raw
                    for one in ledger.told
                    if one.chat is chat
                    and (one.number == number or history.is_ancestor(history.id(one.number), history.id(number)))
                    and (until is None or clock.is_acceptable(one.signed.event.clock, until))
                ]
                assert (chat is None) == (fold is None)
                if fold is not None:
                    found = [*fold.events, *(one.event for one in fold.ignored)]
                    assert sorted({one.raw for one in found}) == sorted(set(told))


@settings(max_examples=8)
@given(st.integers(0, 10**9))
def test_what_came_to_nothing_leaves_no_trace(seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        rooms = forks(Path(folder), dice)
        settled = min(
            next((n for n, (a, b) in enumerate(zip(r.log.history.ids, s.log.history.ids, strict=False)) if a != b), 1)
            for r in rooms
            for s in rooms
            if r is not s
        )
        ledger = Ledger(rooms[0].log.conversation)
        for _ in range(6):
            room = dice.choice(rooms)
            ledger.follow(room.log, settled)
            fresh = Ledger(room.log.conversation)
            fresh.follow(room.log, settled)
            assert state(ledger) == state(fresh)


def hostile(room: StatusRoom, dice: random.Random) -> dict[str, Any]:
    """A note that a liar puts together out of true and false parts."""
    ledger = room.follow()
    told = [told.signed.raw for told in ledger.told]
    event = MembershipUpdateEvent(
        clock=dice.choice((0, 1, room.now * 1000, 2**64 - 1)),
        type=dice.randrange(12),
        members=tuple(
            dice.choices((key(BOB), key(DAVE), "", "0x04", "é" * 132, key(ALICE).upper()), k=dice.randrange(3))
        ),
        name=dice.choice(("", "x" * 5_000, "\0")),
        color=dice.choice(("", "no colour")),
        image=bytes(dice.randrange(9)),
    )
    raws = [*told, events.sign(event, ledger.chats[0].id, secret(dice.choice(PEOPLE))).raw, b"", bytes(70)]
    bent = bytearray(dice.choice(raws) or b"x")
    bent[dice.randrange(len(bent))] ^= 1 << dice.randrange(8)
    parts = [notes.encoded(raw) for raw in (*raws, bytes(bent))]
    others = [
        entry.body["status"]
        for entry in map(room.log.commit, room.log.history.ids)
        if isinstance(entry, Commit) and isinstance(entry.body.get("status"), dict)
    ]
    found: dict[str, Any] = dict(dice.choice(others)) if dice.random() < 0.5 else {}
    for name in dice.sample(("events", "envelope", "more", "message", "signature", "id", "parts", "of", "clock"), 3):
        found[name] = dice.choice(
            (
                dice.choice(parts),
                dice.choices(parts, k=dice.randrange(3)),
                [{"message": dice.choice(parts), "signature": dice.choice(parts)}],
                "0x" + "0" * 64,
                str(2**64 - 1),
                None,
                7,
            )
        )
    return found


@settings(max_examples=8)
@given(st.integers(0, 10**9))
def test_whatever_a_liar_writes_there_is_an_answer_and_the_export_is_one_that_clients_take(seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        room = StatusRoom.opened(Path(folder), BOB, CAROL)
        text = room.write(BOB, Post("true"))
        for _ in range(16):
            action = dice.choice(
                (
                    Post("true"),
                    React("\u2764", text),
                    Edit("", text),
                    Add(DAVE.id),
                    Other(notes.BRIDGE),
                    Other(notes.EVENT),
                    Other(bindings.BINDING),
                )
            )
            extra: dict[str, Any] = {"status": hostile(room, dice)}
            if action == Other(notes.BRIDGE):
                extra["body"] = dice.choice((room.follow().chats[0].id, "x", "", 7, "é" * 300))
            who = ALICE if isinstance(action, Add) else BOB if isinstance(action, Edit) else dice.choice(PEOPLE)
            if not (isinstance(action, Add) and room.log.roster.is_invited(DAVE.id)):
                room.write(who, action, extra=extra)
        answers(room)
        for who in PEOPLE:
            room.due(who)
        assert isinstance(room.one(room.write(ALICE, Post("and true"))).entity, ChatMessage)
        for attester in (None, ALICE):
            wrapper = ApplicationMetadataMessage.decode(wrappers(room.export(attester))[0])
            assert isinstance(wrapper, ApplicationMetadataMessage)
            update = MembershipUpdateMessage.decode(wrapper.payload)
            assert isinstance(update, MembershipUpdateMessage)
            read = [one for raw in update.events if isinstance(one := events.read(raw, update.chat_id), SignedEvent)]
            assert len(read) == len(update.events)
            assert not isinstance(fold_strictly(update.chat_id, read), Refused)
            assert all(clock.is_acceptable(one.event.clock, room.now * 1000) for one in read)


@settings(max_examples=8)
@given(st.integers(0, 10**9))
def test_whatever_one_of_two_writes_the_export_holds_what_the_two_said_to_each_other_and_nothing_else(
    seed: int,
) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        rooms = forks(Path(folder), dice, is_pair=True)
        for other in rooms[1:]:
            pull(rooms[0].log, other.log)
        rooms[0].now = max(room.now for room in rooms)
        chats = rooms[0].follow().chats
        if not chats or not (found := wrappers(rooms[0].export())):
            return
        stream = streams.read(found, rooms[0].now * 1000)
        assert isinstance(stream, streams.Stream)
        assert (stream.pair, stream.bad, stream.events) == (chats[0].pair, (), ())
        assert [one.envelope.raw for one in stream.said] == list(found)
