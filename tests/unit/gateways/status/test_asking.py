"""Who asks to be let into a chat of Status: which requests wait, and what settles them. (SCP-09 §3.12)"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest

from swarmchat import limits
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.status import asking
from swarmchat.gateways.status.aside import Asked, State
from swarmchat.gateways.status.steps import Fate, Row
from swarmchat.gateways.status.streams import Stream, read
from swarmchat.gateways.status.wire import EventType, InvitationState
from tests.support.status_streams import ANN, BEGAN_MS, BEN, CAT, Group

NOW = BEGAN_MS + 60_000
DAY_MS = int(limits.INVITATION_AGAIN_S * 1000)
REJECTED, APPROVED = InvitationState.REJECTED, InvitationState.APPROVED
EVE = Secret(bytes(31) + b"\x07")


def chat() -> Group:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    return group


def stream(group: Group, now: int = NOW) -> Stream:
    found = read(group.wrappers(), now)
    assert isinstance(found, Stream)
    return found


def revised(
    group: Group, known: Iterable[Asked] = (), members: Collection[Secret] = (ANN, BEN), now: int = NOW
) -> list[Asked]:
    inside = {one.public.raw for one in members}
    return asking.revised(known, stream(group, now).said, {ANN.public.legacy}, lambda asked: asked.key in inside, now)


def test_a_request_waits_with_its_words_and_the_name_that_who_asks_goes_by() -> None:
    group = chat()
    group.says(CAT, "before", display_name="Cathy")
    request = group.asks(CAT, "  may I sail? ")
    (found,) = revised(group)
    assert found == Asked(CAT.public.raw, "Cathy", "may I sail?", group.clock, NOW)
    assert found.state is State.WAITING
    assert request.author == CAT.public


def test_a_member_who_asks_counts_for_nothing_and_who_is_in_waits_no_more() -> None:
    group = chat()
    group.asks(BEN, "me too")
    assert revised(group) == []
    group.asks(CAT, "hi")
    (waiting,) = revised(group)
    (settled,) = revised(chat(), [waiting], members=(ANN, BEN, CAT))
    assert (settled.state, settled.answered_ms) == (State.SETTLED, NOW)
    assert revised(group, [settled], members=(ANN, BEN, CAT)) == []


def test_the_newest_words_count_and_an_older_request_says_nothing_new() -> None:
    group = chat()
    group.asks(CAT, "one", clock=BEGAN_MS + 5_000)
    group.asks(CAT, "two", clock=BEGAN_MS + 6_000)
    group.asks(CAT, "old", clock=BEGAN_MS + 4_000)
    (found,) = revised(group)
    assert (found.text, found.clock, found.received_ms) == ("two", BEGAN_MS + 6_000, NOW)
    assert revised(group, [found], now=NOW + 5) == []
    late = chat()
    late.asks(CAT, "equal", clock=found.clock)
    assert revised(late, [found]) == []
    later = chat()
    later.asks(CAT, "three", clock=found.clock + 1)
    (again,) = revised(later, [found], now=NOW + 5)
    assert (again.text, again.received_ms) == ("three", NOW), "it waits since it first came"


@pytest.mark.parametrize("answer", [REJECTED, APPROVED])
def test_an_answer_by_an_admin_settles_the_request_with_its_words(answer: InvitationState) -> None:
    group = chat()
    group.asks(CAT, "may I?")
    group.asks(EVE, "let me in")
    group.asks(ANN, "may I?", state=answer)
    found = {one.key: one.state for one in revised(group)}
    assert found == {CAT.public.raw: State.SETTLED, EVE.public.raw: State.WAITING}


@pytest.mark.parametrize("who", [BEN, CAT, EVE])
def test_an_answer_by_anybody_else_settles_nothing(who: Secret) -> None:
    group = chat()
    group.asks(CAT, "may I?")
    group.asks(who, "may I?", state=REJECTED)
    assert [one.state for one in revised(group)] == [State.WAITING]


def test_an_answer_that_may_be_meant_for_two_settles_neither() -> None:
    group = chat()
    group.asks(CAT)
    group.asks(EVE)
    group.asks(ANN, state=REJECTED)
    assert {one.state for one in revised(group)} == {State.WAITING}


def test_an_answer_settles_nothing_that_was_asked_after_it() -> None:
    group = chat()
    group.asks(ANN, "hi", state=REJECTED, clock=BEGAN_MS + 9_000)
    group.asks(CAT, "hi", clock=BEGAN_MS + 9_000)
    (found,) = revised(group)
    assert found.state is State.WAITING


def test_who_was_answered_there_may_ask_again_with_a_greater_clock_than_the_answer() -> None:
    group = chat()
    asked_at, answered_at = BEGAN_MS + 5_000, BEGAN_MS + 9_000
    group.asks(CAT, "hi", clock=asked_at)
    group.asks(ANN, "hi", state=REJECTED, clock=answered_at)
    (settled,) = revised(group)
    for clock, waits in ((answered_at, []), (answered_at + 1, [State.WAITING])):
        again = chat()
        again.asks(CAT, "please", clock=clock)
        assert [one.state for one in revised(again, [settled])] == waits


@pytest.mark.parametrize(("after_ms", "is_heard"), [(DAY_MS - 1, False), (DAY_MS, True)])
def test_who_was_declined_is_heard_again_a_day_after_he_asked(after_ms: int, is_heard: bool) -> None:
    group = chat()
    group.asks(CAT, "hi")
    (waiting,) = revised(group)
    no = asking.declined(waiting, NOW + 1_000)
    assert revised(group, [no], now=NOW + DAY_MS) == [], "the very request that was declined"
    again = chat()
    again.asks(CAT, "please", clock=NOW + 1_001)
    found = revised(again, [no], now=NOW + after_ms)
    assert [(one.text, one.state, one.received_ms) for one in found] == (
        [("please", State.WAITING, NOW + after_ms)] if is_heard else []
    )


def test_what_was_signed_before_it_was_declined_is_no_new_request() -> None:
    group = chat()
    group.asks(CAT, "hi")
    (waiting,) = revised(group)
    no = asking.declined(waiting, NOW + 1_000)
    late = chat()
    late.asks(CAT, "hi again", clock=NOW + 1_000)
    assert revised(late, [no], now=NOW + DAY_MS) == []


def test_of_long_words_the_beginning_is_kept_and_an_answer_still_finds_them() -> None:
    group = chat()
    words = "x" * limits.STATUS_REQUEST_CHARS_MAX
    group.asks(CAT, words + "y")
    (found,) = revised(group)
    assert found.text == words
    group.asks(ANN, words + "y", state=REJECTED)
    assert [one.state for one in revised(group)] == [State.SETTLED]


def test_what_was_answered_stays_answered_when_it_is_heard_of_that_who_asked_is_in() -> None:
    no = asking.declined(Asked(CAT.public.raw, "", "", 1, 1), 5)
    assert asking.settled(no, 9) == no


def test_events_without_effect_are_told_apart_from_those_that_count() -> None:
    group = chat()
    strange = group.does(CAT, EventType.NAME_CHANGED, name="mine")
    rows = [
        Row("NAME_CHANGED", strange.id, Fate.IGNORED, "not-a-member"),
        Row("CHAT_CREATED", group.events[0].id, Fate.KEPT, "unchanged"),
        Row("message 3", "0x" + "00" * 32, Fate.IGNORED, "not-a-member"),
    ]
    (found,), no_more = asking.ignored(rows, group.events, NOW)
    assert (found.id, found.what, found.reason) == (strange.id, "NAME_CHANGED", "not-a-member")
    assert (Key(found.author), found.clock, found.noted_ms) == (CAT.public, strange.event.clock, NOW)
    assert no_more == {one.id for one in group.events[:2]}


def strangers(count: int, first: int = 1_000) -> list[Secret]:
    return [Secret(number.to_bytes(32)) for number in range(first, first + count)]


def test_who_waits_is_put_out_by_no_number_of_fresh_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_REQUESTS_PER_CONVERSATION_MAX", 3)
    group = chat()
    group.asks(CAT, "may I?")
    (honest,) = revised(group)
    flood = chat()
    for who in strangers(9):
        flood.asks(who, "me", clock=BEGAN_MS + 1)
    found = revised(flood, [honest], now=NOW + 1)
    assert len(found) == 2, "and no more are held than are kept"
    assert honest.key not in {one.key for one in found}, "it is not changed"


def test_who_was_answered_gives_way_first_who_was_settled_before_who_was_declined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STATUS_REQUESTS_PER_CONVERSATION_MAX", 3)
    people = strangers(6)
    one, two, three, *fresh = [Asked(who.public.raw, "", "hi", BEGAN_MS, BEGAN_MS) for who in people]
    known = [asking.declined(one, NOW - 9), asking.settled(two, NOW), three]
    group = chat()
    for who in people[3:]:
        group.asks(who, "me")
    assert [each.key for each in revised(group, known)] == [each.key for each in fresh[:2]]
    again = chat()
    again.asks(people[3], "me")
    again.asks(people[0], "once more")
    assert [each.key for each in revised(again, known)] == [fresh[0].key], "who was declined is remembered"


def test_as_many_answers_as_requests_are_not_compared_one_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    text = asking._text

    class Words(str):
        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    monkeypatch.setattr(asking, "_text", lambda request: Words(text(request)))
    monkeypatch.setattr(limits, "STATUS_REQUESTS_PER_CONVERSATION_MAX", 5)
    group = chat()
    for number, who in enumerate(strangers(60)):
        group.asks(who, f"{number}")
    for number in range(60):
        group.asks(ANN, f"no {number}", state=REJECTED)
    assert len(revised(group)) == 5
    assert looked <= 2 * 5 * 60
