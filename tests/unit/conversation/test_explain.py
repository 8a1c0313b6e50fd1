"""Every fate and every refusal has a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from swarmchat.conversation import explain
from swarmchat.conversation import roster as rosters
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Initial,
    Join,
    Kick,
    Leave,
    Post,
    Promote,
    Unban,
    UpdateDevice,
    UpdateProfile,
    type_of,
)
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules import settled
from swarmchat.conversation.rules.settled import Edge, Fate, Precedence, Tally
from swarmchat.ids import AccountId, CommitId, DeviceId

ANN, BEN = AccountId("a" * 40), AccountId("b" * 40)
PHONE = DeviceId("a" * 64)
ROOT, LEFT, RIGHT, MERGE = (CommitId(digit * 40) for digit in "1234")


def called(who: str) -> str:
    return {"a": "Ann", "b": "Ben"}[who[0]]


@dataclass
class Law:
    """What a log would answer."""

    fates: Mapping[CommitId, Fate] = field(default_factory=dict)
    first: Precedence | None = None

    def fate(self, commit: CommitId) -> Fate | None:
        return self.fates.get(commit)

    def precedence(self, one: CommitId, other: CommitId) -> Precedence:
        assert self.first is not None
        return self.first

    def roster_at(self, commit: CommitId) -> Roster:
        ballot = {f"admins/{who}.crt": b"" for who in (ANN, BEN)} | {f"votes/ban/admins/{BEN}/{ANN}": b""}
        return rosters.empty(1).with_changes(ballot)


def control(action: Action) -> Control:
    votes = frozenset({ROOT}) if isinstance(action, Ban | Unban | Promote) else frozenset()
    return Control(action, {}, frozenset({ANN, BEN}), votes, frozenset({ANN}), frozenset())


def tell(
    action: Action, *, beside: Mapping[CommitId, CommitId | None] | None = None, law: Law | None = None
) -> explain.Explanation:
    return explain.accepted(history(action), LEFT, law or Law(), beside=beside or {}, called=called)


def history(action: Action) -> History:
    return History(
        [
            Fact(ROOT, (), ANN, DeviceId("a" * 64), 0, "initial", None, control(Initial(1, "0" * 32))),
            Fact(LEFT, (ROOT,), ANN, DeviceId("a" * 64), 0, type_of(action), None, control(action)),
            Fact(RIGHT, (ROOT,), BEN, DeviceId("b" * 64), 0, "text/plain", None, control(Leave(BEN))),
            Fact(MERGE, (LEFT, RIGHT), None, None, 0, "merge"),
        ]
    )


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Add(BEN), "Ann invited Ben"),
        (Join(ANN), "Ann joined"),
        (Kick(BEN), "Ann removed Ben"),
        (Promote(BEN), "Ann made Ben an admin, with the votes of Ann (1 of 2 admins)"),
        (Demote(ANN), "Ann stepped down from admin"),
        (Ban(BEN), "Ann banned Ben, with the votes of Ann (1 of 2 admins)"),
        (Unban(BEN), "Ann unbanned Ben, with the votes of Ann (1 of 2 admins)"),
        (CastVote("ban", BEN), "Ann voted to ban Ben: 1 of 2 votes then"),
        (UpdateProfile(), "Ann changed the profile"),
        (UpdateDevice(), "Ann renewed certificates or revocations"),
        (Post("x"), "Ann wrote a message and brought a device or a certificate with it"),
    ],
)
def test_every_deed_has_words(action: Action, words: str) -> None:
    told = tell(action)
    assert (told.valid, told.effect, told.rule) == (True, "in force", None)
    assert told.because == (words, "1 change to the roster happened at the same time")


@pytest.mark.parametrize("code", [value for name, value in vars(settled).items() if name.isupper()])
def test_every_fate_has_words_and_a_rule(code: str) -> None:
    fate = Fate(code, RIGHT, tally=Tally(frozenset(), frozenset({ANN}), ()) if code == settled.NOT_AUTHORISED else None)
    told = tell(Add(BEN), law=Law({LEFT: fate}))
    assert told.effect in ("void", "without effect")
    assert told.rule is not None
    assert told.rule.startswith("SCP-02 §6.4")
    assert len(told.because) > 2
    if code != settled.NOT_AUTHORISED:
        assert told.because[-1] == f"because of {RIGHT[:12]}: Ben left"


def test_a_fate_that_is_a_reason_names_its_rule_and_what_it_says() -> None:
    told = tell(Kick(BEN), law=Law({LEFT: Fate(Reason.BAD_REMOVAL.code, RIGHT, "only members are kicked")}))
    assert (told.effect, told.rule) == ("without effect", "SCP-02 §5.4")
    assert told.because[-2].endswith("no longer is when its turn comes: only members are kicked")
    assert told.because[-1] == f"because of {RIGHT[:12]}: Ben left"


def banned_beside(action: Action) -> History:
    """Ann bans Ben, and beside it Ben does something."""
    facts = [
        Fact(ROOT, (), ANN, DeviceId("a" * 64), 0, "initial", None, control(Initial(1, "0" * 32))),
        Fact(LEFT, (ROOT,), ANN, DeviceId("a" * 64), 0, "member", None, control(Ban(BEN))),
        Fact(RIGHT, (ROOT,), BEN, DeviceId("b" * 64), 0, "member", None, control(action)),
    ]
    return History(facts)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (
            Precedence(LEFT, Edge.VOTERS, frozenset({ANN, BEN}), frozenset({ANN})),
            "more of its voters were admins where the two lines parted and wrote nothing on the other line:"
            " 2 (Ann, Ben) against 1 (Ann)",
        ),
        (
            Precedence(LEFT, Edge.VOTERS, frozenset({ANN}), frozenset()),
            "more of its voters were admins where the two lines parted and wrote nothing on the other line:"
            " 1 (Ann) against none",
        ),
        (
            Precedence(LEFT, Edge.UNDIVIDED, frozenset(), frozenset({BEN})),
            "as many of its voters count, and none of them wrote on both lines, as Ben did",
        ),
        (
            Precedence(LEFT, Edge.SENIORITY, frozenset({ANN}), frozenset({BEN})),
            "the voters of both weigh the same, and of them all its voter Ann has been an admin for longest,"
            " longer than Ben",
        ),
        (
            Precedence(LEFT, Edge.ID, frozenset(), frozenset()),
            "nothing else tells the two apart, and its id is the lower one",
        ),
    ],
    ids=lambda value: value.edge.value if isinstance(value, Precedence) else "",
)
def test_what_puts_one_ban_before_another_has_words_on_both_sides(first: Precedence, words: str) -> None:
    graph = banned_beside(Ban(ANN))
    tally = Tally(frozenset(), frozenset({ANN, BEN}), ((BEN, LEFT),))
    law = Law({RIGHT: Fate(settled.NOT_AUTHORISED, LEFT, tally=tally)}, first)
    lost = explain.accepted(graph, RIGHT, law, beside={}, called=called)
    assert (lost.effect, lost.rule) == ("void", "SCP-02 §6.4 (b)")
    assert lost.because[2:] == (
        "of its votes 0 are left, and of 2 admins it takes 2",
        f"the vote of Ben does not count: at the same time {LEFT[:12]}: Ann banned Ben, with the votes of Ann (1 of 2 admins)",
        f"that ban goes first: {words}",
    )
    won = explain.accepted(graph, LEFT, law, beside={}, called=called)
    assert (won.effect, won.rule) == ("in force", "SCP-02 §6.4 (c)")
    assert won.because[2:] == (
        f"at the same time {RIGHT[:12]}: Ben banned Ann, with the votes of Ann (1 of 2 admins); that ban is void",
        f"this ban goes first: {words}",
    )


def test_bans_in_a_circle_have_words() -> None:
    tally = Tally(frozenset(), frozenset({ANN, BEN}), ((ANN, None), (BEN, LEFT)))
    after = Precedence(RIGHT, Edge.ID, frozenset(), frozenset())  # by precedence the other one goes first
    law = Law({RIGHT: Fate(settled.NOT_AUTHORISED, LEFT, tally=tally)}, after)
    told = explain.accepted(banned_beside(Ban(ANN)), RIGHT, law, beside={}, called=called)
    assert told.because[3] == "Ann is no admin where it was written, once what is void is left out"
    assert "in a circle" in told.because[-1]
    won = explain.accepted(banned_beside(Ban(ANN)), LEFT, law, beside={}, called=called)
    assert won.because[-1].endswith("that ban is void")


def test_a_promotion_that_takes_votes_from_a_ban_has_words() -> None:
    tally = Tally(frozenset({ANN}), frozenset({ANN, BEN}), ((BEN, LEFT),))
    law = Law({RIGHT: Fate(settled.NOT_AUTHORISED, LEFT, tally=tally)})
    graph = banned_beside(Ban(ANN))
    promoted = History(
        Fact(LEFT, (ROOT,), ANN, PHONE, 0, "member", None, control(Promote(BEN))) if entry.id == LEFT else entry.fact
        for entry in graph.entries
    )
    told = explain.accepted(promoted, RIGHT, law, beside={}, called=called)
    assert told.because[2:] == (
        "of its votes 1 is left (Ann), and of 2 admins it takes 2",
        f"the vote of Ben does not count: with it {LEFT[:12]}: Ann made Ben an admin, with the votes of Ann (1 of 2 admins)",
    )


def test_an_only_change_says_that_nothing_was_beside_it() -> None:
    alone = History([Fact(ROOT, (), ANN, PHONE, 0, "initial", None, control(Initial(1, "0" * 32)))])
    told = explain.accepted(alone, ROOT, Law(), beside={}, called=called)
    assert told.because == ("Ann began the conversation", "nothing happened to the roster at the same time")


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Fact(LEFT, (ROOT,), ANN, PHONE, 0, "text/plain"), "Ann wrote a message"),
        (Fact(LEFT, (ROOT,), ANN, PHONE, 0, "text/plain", ("reply", ROOT)), "Ann wrote a message"),
        (Fact(LEFT, (ROOT,), ANN, PHONE, 0, "text/plain", ("edit", ROOT)), "Ann edited a message"),
        (Fact(LEFT, (ROOT,), ANN, PHONE, 0, "text/plain", ("reaction", ROOT)), "Ann reacted to a message"),
        (Fact(LEFT, (ROOT,), ANN, PHONE, 0, "any/thing"), "Ann wrote a commit of type any/thing"),
    ],
)
def test_what_changes_no_file_has_words(fact: Fact, words: str) -> None:
    plain = History([Fact(ROOT, (), ANN, PHONE, 0, "initial"), fact])
    told = explain.accepted(plain, LEFT, Law(), beside={}, called=called)
    assert told.because == (words, "it changes no file, so nothing can take its effect away")
    assert (told.effect, told.rule) == ("none", None)


def test_a_message_beside_the_ban_of_its_author_is_hidden_or_vouched_for() -> None:
    graph = banned_beside(Add(ANN))
    text = CommitId("5" * 40)
    seen = CommitId("6" * 40)
    graph.add(Fact(text, (ROOT,), BEN, DeviceId("b" * 64), 0, "text/plain"))
    graph.add(Fact(seen, (text,), ANN, DeviceId("a" * 64), 0, "text/plain"))
    hidden = explain.accepted(graph, text, Law(), beside={LEFT: None}, called=called)
    assert (hidden.effect, hidden.rule) == ("hidden", "SCP-02 §8.2")
    assert hidden.because[1:] == (
        f"at the same time {LEFT[:12]}: Ann banned Ben, with the votes of Ann (1 of 2 admins)",
        "it is not shown: nobody else had seen it before that ban, so it may be new and dated back",
    )
    shown = explain.accepted(graph, text, Law(), beside={LEFT: seen}, called=called)
    assert (shown.effect, shown.rule) == ("none", "SCP-02 §8.2")
    assert shown.because[-1] == f"it is shown: Ann had seen it and not that ban when writing {seen[:12]}"


def test_merges_and_refused_ones_are_told_apart() -> None:
    told = explain.accepted(history(Add(BEN)), MERGE, Law(), beside={}, called=called)
    assert told.rule == "SCP-02 §6.2"
    told = explain.refused(LEFT, Rejection(Reason.BAD_VOTE, "you voted already", "votes/x"))
    assert (told.valid, told.rule, told.effect) == (False, "SCP-02 §5.5", "refused")
    assert told.because[0] == "refused (bad-vote at votes/x): you voted already"
