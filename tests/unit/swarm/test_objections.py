"""Why a clone does not become ours. (SCP-06 §5, §9)"""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.account.records import ConversationState, KnownConversation
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.swarm.objections import Cause, to_history, to_joining, to_roster

ANN, ME = AccountId("a" * 40), AccountId("e" * 40)
HERE = DeviceId("1" * 64)
ADD, ROOT, TOP = CommitId("d" * 40), CommitId("f" * 40), CommitId("0" * 40)
INVITED = KnownConversation(
    ConversationId("c" * 40), "", 2, ConversationState.SYNCING, 1, invited_by=ANN, invitation=ADD
)


def roster(*files: str, mode: int = 2) -> Roster:
    return Roster(mode, {f"admins/{ANN}.crt": b"", **dict.fromkeys(files, b"")})  # type: ignore[arg-type]


def cause(known: KnownConversation, found: Roster, *, any_mode: bool = False) -> Cause | None:
    objection = to_roster(known, found, (ME, HERE), any_mode=any_mode)
    return objection and objection.cause


def test_what_the_invitation_said_is_joined() -> None:
    assert cause(INVITED, roster(f"invited/{ME}")) is None


def test_another_mode_than_the_invitation_said_waits_for_the_user() -> None:
    found = roster(f"invited/{ME}", mode=1)
    objection = to_roster(INVITED, found, (ME, HERE), any_mode=False)
    assert objection is not None
    assert (objection.cause, objection.rule) == (Cause.OTHER_MODE, "SCP-06 §9")
    assert objection.text == "it is admin-invites, and the invitation said private"
    assert cause(INVITED, found, any_mode=True) is None


def test_without_an_invitation_no_mode_was_promised() -> None:
    assert cause(replace(INVITED, invitation=None, mode=3), roster(f"invited/{ME}")) is None


@pytest.mark.parametrize("any_mode", [False, True])
def test_only_a_public_one_is_joined_uninvited(any_mode: bool) -> None:
    assert cause(INVITED, roster(), any_mode=any_mode) is Cause.NOT_INVITED
    assert cause(replace(INVITED, mode=3), roster(mode=3), any_mode=any_mode) is None


def test_where_the_invitation_has_not_come_what_was_refused_is_to_blame() -> None:
    refused = Rejection(Reason.BAD_SIGNATURE, "the signature does not hold", commit=TOP)
    objection = to_roster(INVITED, roster(), (ME, HERE), any_mode=False, refused=[refused])
    assert objection is not None
    assert (objection.cause, objection.commit, objection.rule) == (Cause.INVALID, TOP, Reason.BAD_SIGNATURE.rule)
    assert to_roster(INVITED, roster(f"invited/{ME}"), (ME, HERE), any_mode=False, refused=[refused]) is None


@pytest.mark.parametrize("banned", [f"banned/members/{ME}.crt", f"banned/devices/{HERE}.crt"])
def test_who_is_banned_is_told_so_before_all_else(banned: str) -> None:
    assert cause(INVITED, roster(banned, mode=3), any_mode=True) is Cause.BANNED


def test_the_commit_that_the_others_fell_with_is_blamed() -> None:
    fell = Rejection(Reason.REFUSED_PARENT, "built on it", commit=TOP)
    first = Rejection(Reason.BAD_SIGNATURE, "the signature does not hold", commit=ROOT)
    for refusals in ((fell, first), (first, fell), (first,)):
        objection = to_history(refusals)
        assert objection is not None
        assert (objection.cause, objection.commit) == (Cause.INVALID, ROOT)
        assert objection.rule == Reason.BAD_SIGNATURE.rule
        assert "the signature does not hold" in objection.text
    alone = to_history([fell])
    assert alone is not None
    assert alone.commit == TOP
    assert to_history([]) is None


def test_a_join_that_the_law_refuses_is_told_with_its_rule() -> None:
    objection = to_joining(Rejection(Reason.GROUP_FULL, "there are 10,000"))
    assert (objection.cause, objection.rule) == (Cause.FORBIDDEN, Reason.GROUP_FULL.rule)
    assert "there are 10,000" in objection.text
