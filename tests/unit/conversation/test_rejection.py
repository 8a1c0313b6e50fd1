"""Reasons are stable codes; a rejection tells people and programs why."""

from __future__ import annotations

import re

from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import CommitId


def test_codes_are_unique_and_each_names_its_rule() -> None:
    codes = [reason.code for reason in Reason]
    assert len(set(codes)) == len(codes)
    assert all(code == reason.name.lower().replace("_", "-") for code, reason in zip(codes, Reason, strict=True))
    assert all(re.fullmatch(r"SCP-02 §\d+(\.\d+)?", reason.rule) for reason in Reason)


def test_a_rejection_reads_as_a_sentence() -> None:
    assert str(Rejection(Reason.BAD_ADD, "banned", "invited/x")) == "SCP-02 §5.2 bad-add (invited/x): banned"
    assert str(Rejection(Reason.BAD_ADD)) == "SCP-02 §5.2 bad-add"
    assert Rejection(Reason.BAD_ADD).rule == "SCP-02 §5.2"


def test_a_rejection_can_be_told_of_a_commit() -> None:
    commit = CommitId("0" * 40)
    assert Rejection(Reason.BAD_ADD, "d", "p").of(commit) == Rejection(Reason.BAD_ADD, "d", "p", commit)
