"""Whatever people do in a group of Status, an import has one place for each of it, and asks nothing that the law refuses. (SCP-09 §3.9)"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.conversation.actions import Initial, UpdateProfile
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster, empty
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.effects import effects
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes, streams
from swarmchat.gateways.status.fold import fold
from swarmchat.gateways.status.importing import plan
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.steps import Fate, Here, Placed, Plan
from swarmchat.gateways.status.streams import Stream
from swarmchat.gateways.status.wire import EventType
from swarmchat.gateways.status.words import entity_of
from swarmchat.ids import AccountId, CommitId, DeviceId
from tests.support.status_streams import ANN, BEGAN_MS, BEN, CAT, PNG, Group

NOW_MS = BEGAN_MS + 3_600_000
ME = Author(AccountId("a" * 40), DeviceId("d" * 64), b"mine", b"device")
PEOPLE = (ANN, BEN, CAT)
KINDS = [kind for kind in EventType if kind not in {EventType.UNKNOWN, EventType.CHAT_CREATED}]

who = st.integers(0, 2)
clocks = st.one_of(st.none(), st.integers(BEGAN_MS, BEGAN_MS + 20_000))
deeds: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("event"), who, st.sampled_from(KINDS), st.lists(who, max_size=2), clocks),
    st.tuples(st.just("text"), who, st.just(None), st.just([]), clocks),
    st.tuples(
        st.sampled_from(["react", "retract", "edit", "delete"]), who, st.just(None), who.map(lambda n: [n]), clocks
    ),
)


def _group(done: list[Any]) -> Group:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public, clock=BEGAN_MS + 1_500)
    for word, number, kind, targets, clock in done:
        one = PEOPLE[number]
        said: list[Any] = [*group.said] or ["0x" + "ab" * 32]
        about = said[targets[0] % len(said)] if targets else said[0]
        if word == "event":
            members = [PEOPLE[target].public for target in targets]
            group.does(one, kind, *members, clock=clock, name="Ships", color="#7cda00", image=PNG)
        elif word == "text":
            group.says(one, "ahoy", clock=clock)
        elif word in {"react", "retract"}:
            group.feels(one, about, 1, retracted=word == "retract", clock=clock)
        elif word == "edit":
            group.edits(one, about, "aye", clock=clock)
        else:
            group.deletes(one, about, clock=clock)
    return group


def _stream(group: Group) -> Stream:
    stream = streams.read(group.wrappers(), NOW_MS)
    assert not isinstance(stream, Refused), stream
    return stream


def _plan(stream: Stream, here: Here | None = None) -> Plan:
    found = plan(stream, here, ME, None, NOW_MS)
    assert not isinstance(found, Refused), found
    return found


def _after(found: Plan, roster: Roster) -> Roster:
    """The roster after all steps; every one of them is lawful, and speaks of what stands before it."""
    there: set[str] = set()
    for step in found.steps:
        before = empty(2) if isinstance(step.action, Initial) else roster
        outcome = effects(step.action, ME, before, profile=step.profile)
        assert not isinstance(outcome, Rejection), (step.action, outcome)
        assert (step.profile is not None) == isinstance(step.action, UpdateProfile)
        roster = outcome.after
        assert not step.about or step.about in there, step
        if step.id and not step.is_kept:
            there.add(step.id)
    return roster


@given(st.lists(deeds, max_size=14))
@settings(max_examples=60)
def test_each_thing_has_one_place_and_every_step_is_lawful(done: list[Any]) -> None:
    group = _group(done)
    stream = _stream(group)
    found = _plan(stream)
    counted = fold(group.id, group.events).events
    _after(found, empty(2))
    carried = Counter(raw for step in found.steps for raw in step.status.get("events", []))  # type: ignore[attr-defined]
    assert carried == Counter(notes.encoded(one.raw) for one in counted)
    said = Counter(step.id for step in found.steps if step.id)
    left_out = {row.id for row in found.rows if row.fate is Fate.IGNORED}
    assert said == Counter(one.envelope.id for one in stream.said if one.envelope.id not in left_out)
    assert sum(row.fate is Fate.BAD for row in found.rows) == len(stream.bad)


@given(st.lists(deeds, max_size=14))
@settings(max_examples=40)
def test_what_stands_there_already_is_planned_no_second_time(done: list[Any]) -> None:
    group = _group(done)
    stream = _stream(group)
    found = _plan(stream)
    written = {step.id: not step.is_kept for step in found.steps if step.id}
    placed = []
    for number, one in enumerate(stream.said):
        if one.envelope.id in written:
            assert entity_of(one.envelope.message) == one.entity
            commit = CommitId(f"{number:040x}")
            placed.append(Placed(Said(one.envelope, one.entity), commit, ME.account, written[one.envelope.id]))
    roster = _after(found, empty(2))
    ever = frozenset({ME.account, *(one.public.uri for one in PEOPLE)})
    here = Here(roster, fold(group.id, group.events).events, tuple(placed), ever=ever, is_open=True)
    assert _plan(stream, here).steps == ()
