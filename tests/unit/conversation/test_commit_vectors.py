"""The commits in `tests/vectors/commits.json`, judged as another implementation would: from the file alone."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest

from swarmchat.conversation import commit as commits
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.judge import Verdict, judge
from swarmchat.ids import CommitId, ConversationId
from tests.support.builders import object_id, tree_id
from tests.support.vectors import FOLDER

VECTORS: Any = json.loads((FOLDER / "commits.json").read_text(encoding="utf-8"))
BLOBS = {name: base64.b64decode(content) for name, content in VECTORS["blobs"].items()}


def test_blobs_are_named_by_their_content() -> None:
    assert all(object_id("blob", content) == name for name, content in BLOBS.items())


@pytest.mark.parametrize("told", VECTORS["conversations"], ids=lambda told: told["about"])
def test_each_commit_is_accepted_or_refused_as_the_vector_says(told: Any) -> None:
    """CM-04"""
    history, rosters = History(), dict[CommitId, Roster]()
    for vector in told["commits"]:
        raw = base64.b64decode(vector["commit"])
        assert object_id("commit", raw) == vector["id"]
        changes = {path: None if name is None else BLOBS[name] for path, name in vector["changes"].items()}
        commit = commits.parse(CommitId(vector["id"]), raw)
        outcome: object = commit
        if isinstance(commit, Commit):
            before = None if commit.parent is None else rosters[commit.parent]
            past = Past(history, commit.parent)
            outcome = judge(commit, changes, before, past, conversation=ConversationId(told["conversation"]))
        if isinstance(outcome, Verdict):
            assert vector["refused"] is None
            assert isinstance(commit, Commit)
            assert commit.tree == tree_id(outcome.after.files)
            history.add(outcome.fact)
            rosters[commit.id] = outcome.after
        else:
            assert isinstance(outcome, Rejection)
            expected = {"reason": outcome.reason.code, "rule": outcome.rule, "path": outcome.path}
            assert vector["refused"] == expected


def test_the_vectors_hold_every_reason_of_the_law_and_much_that_is_accepted() -> None:
    met = Counter(
        vector["refused"]["reason"] if vector["refused"] else "accepted"
        for told in VECTORS["conversations"]
        for vector in told["commits"]
    )
    left_out = {Reason.MISSING_OBJECT, Reason.UNKNOWN_PARENT, Reason.REFUSED_PARENT, Reason.TOO_BIG}
    left_out |= {reason for reason in Reason if reason.code.startswith("jami-")}  # unit/commitlog/test_jami.py
    assert set(met) == {"accepted"} | {reason.code for reason in Reason} - {reason.code for reason in left_out}
    assert met["accepted"] > 50
