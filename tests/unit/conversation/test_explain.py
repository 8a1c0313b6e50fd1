"""Every fate and every refusal has a sentence."""

from __future__ import annotations

import pytest

from swarmchat.conversation import explain
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
)
from swarmchat.conversation.history import Control, Fact, History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.rules import settled
from swarmchat.conversation.rules.settled import Fate
from swarmchat.ids import AccountId, CommitId, DeviceId

ANN, BEN = AccountId("a" * 40), AccountId("b" * 40)
ROOT, LEFT, RIGHT, MERGE = (CommitId(digit * 40) for digit in "1234")


def called(who: str) -> str:
    return {"a": "Ann", "b": "Ben"}[who[0]]


def control(action: Action) -> Control:
    return Control(action, {}, frozenset({ANN}), frozenset(), frozenset({ANN}), frozenset())


def history(action: Action) -> History:
    return History(
        [
            Fact(ROOT, (), ANN, DeviceId("a" * 64), 0, "initial", None, control(Initial(1, "0" * 32))),
            Fact(LEFT, (ROOT,), ANN, DeviceId("a" * 64), 0, "member", None, control(action)),
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
        (Promote(BEN), "Ann made Ben an admin, with the votes of Ann"),
        (Demote(ANN), "Ann stepped down from admin"),
        (Ban(BEN), "Ann banned Ben, with the votes of Ann"),
        (Unban(BEN), "Ann unbanned Ben, with the votes of Ann"),
        (CastVote("ban", BEN), "Ann voted to ban Ben"),
        (UpdateProfile(), "Ann changed the profile"),
        (UpdateDevice(), "Ann renewed certificates or revocations"),
        (Post("x"), "Ann wrote a message and brought a device or a certificate with it"),
    ],
)
def test_every_deed_has_words(action: Action, words: str) -> None:
    told = explain.accepted(history(action), LEFT, None, hidden=False, called=called)
    assert (told.valid, told.effect, told.rule) == (True, "in force", None)
    assert told.because == (words, "1 change to the roster happened at the same time")


@pytest.mark.parametrize("code", [value for name, value in vars(settled).items() if name.isupper()])
def test_every_fate_has_words_and_a_rule(code: str) -> None:
    told = explain.accepted(history(Add(BEN)), LEFT, Fate(code, RIGHT), hidden=False, called=called)
    assert told.effect in ("void", "without effect")
    assert told.rule is not None
    assert told.rule.startswith("SCP-02 §6.4")
    assert told.because[-1] == f"because of {RIGHT[:12]}: Ben left"


def test_a_fate_that_is_a_reason_names_its_rule() -> None:
    told = explain.accepted(history(Kick(BEN)), LEFT, Fate(Reason.BAD_REMOVAL.code), hidden=False, called=called)
    assert (told.effect, told.rule) == ("without effect", "SCP-02 §5.4")
    assert "no longer is" in told.because[-1]


def test_an_only_change_says_that_nothing_was_beside_it() -> None:
    told = explain.accepted(
        History([Fact(ROOT, (), ANN, None, 0, "initial", None, control(Initial(1, "0" * 32)))]),
        ROOT,
        None,
        hidden=False,
        called=called,
    )
    assert told.because == ("Ann began the conversation", "nothing happened to the roster at the same time")


def test_texts_merges_hidden_and_refused_ones_are_told_apart() -> None:
    said = Fact(LEFT, (ROOT,), ANN, None, 0, "text/plain")
    plain = History([Fact(ROOT, (), ANN, None, 0, "initial"), said])
    assert explain.accepted(plain, LEFT, None, hidden=False, called=called).effect == "none"
    assert explain.accepted(plain, LEFT, None, hidden=True, called=called).rule == "SCP-02 §8.2"
    assert explain.accepted(history(Add(BEN)), MERGE, None, hidden=False, called=called).rule == "SCP-02 §6.2"
    told = explain.refused(LEFT, Rejection(Reason.BAD_VOTE, "you voted already", "votes/x"))
    assert (told.valid, told.rule, told.effect) == (False, "SCP-02 §5.5", "refused")
    assert told.because[0] == "refused (bad-vote at votes/x): you voted already"
