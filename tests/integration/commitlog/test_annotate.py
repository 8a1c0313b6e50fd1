"""What is written can carry a foreign form of itself, made once it is known what the commit comes after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Ban, Initial, Other, Post
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, NOW
from tests.support.commitlogs import clone, group, must, post, pull, writer


class Notes:
    """Says of each commit what it was asked with."""

    def __init__(self, said: Mapping[str, object] | None = None, fault: Exception | None = None) -> None:
        self.asked: list[tuple[CommitId, bool]] = []
        self._said = said
        self._fault = fault

    def __call__(self, here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
        self.asked.append((parent, parent in here.history and not isinstance(here.commit(parent), Rejection)))
        if self._fault is not None:
            raise self._fault
        return {"after": parent} if self._said is None else self._said


def pending(text: str, notes: Notes, **fields: Any) -> Pending:
    return Pending(Post(text), writer(ALICE), NOW, annotate=notes, **fields)


def body(log: CommitLog, commit: CommitId) -> Mapping[str, Any]:
    found = log.commit(commit)
    assert isinstance(found, Commit)
    return found.body


def test_a_commit_says_beside_its_own_words_what_it_was_annotated_with(tmp_path: Path) -> None:
    log, notes = group(tmp_path, BOB), Notes()
    before = log.main
    commit = must(log.append_all([pending("hi", notes)])[0]).new[0]
    assert body(log, commit) == {"type": "text/plain", "body": "hi", "after": before}


def test_the_second_of_a_batch_is_annotated_on_top_of_the_first(tmp_path: Path) -> None:
    log, notes = group(tmp_path, BOB), Notes()
    first, second = (must(each).new[0] for each in log.append_all([pending("a", notes), pending("b", notes)]))
    assert body(log, second)["after"] == first
    assert all(is_there for _, is_there in notes.asked)


def test_where_heads_meet_the_merge_is_there_when_the_annotation_is_asked_for(tmp_path: Path) -> None:
    log = group(tmp_path / "a", BOB)
    other = clone(log, tmp_path / "b.git")
    post(log, ALICE, "here")
    post(other, BOB, "there")
    pull(log, other)
    notes = Notes()
    commit = must(log.append_all([pending("both", notes)])[0]).new[0]
    (parent, is_there) = notes.asked[0]
    assert is_there
    assert log.history[commit].fact.parents == (parent,)
    assert log.history[parent].is_merge


def test_what_the_caller_and_the_action_say_goes_before_the_annotation(tmp_path: Path) -> None:
    log, notes = group(tmp_path), Notes({"body": "another", "status": 1, "mvds": 2})
    commit = must(log.append_all([pending("mine", notes, extra={"status": "given"})])[0]).new[0]
    assert body(log, commit) == {"type": "text/plain", "body": "mine", "status": "given", "mvds": 2}


def test_an_annotation_that_cannot_be_read_writes_nothing(tmp_path: Path) -> None:
    log = group(tmp_path)
    before = log.heads
    with pytest.raises(StorageError):
        log.append_all([pending("hi", Notes(fault=StorageError("the disk refuses")))])
    assert log.heads == before
    post(log, ALICE, "it goes on")


@pytest.mark.parametrize(("spare", "is_kept"), [(0, True), (-1, False)])
def test_an_annotation_that_would_make_a_commit_too_big_is_left_out(tmp_path: Path, spare: int, is_kept: bool) -> None:
    log = group(tmp_path)
    room = limits.MESSAGE_BYTES_MAX - len(actions.message(Post("hi"), {"status": ""}))
    notes = Notes({"status": "x" * (room - spare)})
    commit = must(log.append_all([pending("hi", notes)])[0]).new[0]
    assert ("status" in body(log, commit)) is is_kept
    assert body(log, commit)["body"] == "hi"


def test_a_commit_that_the_law_refuses_before_it_is_sealed_is_not_annotated(tmp_path: Path) -> None:
    log, notes = group(tmp_path, BOB), Notes()
    item = replace(pending("", notes), action=Ban(BOB.id))
    assert isinstance(log.append_all([item])[0], Rejection)
    assert notes.asked == []


def test_a_root_says_what_its_maker_adds(tmp_path: Path) -> None:
    log = CommitLog.create(
        tmp_path / "a.git", writer(ALICE), Initial(2, "0" * 32), now=NOW, extra={"status": {"chat": "x"}, "mode": 9}
    )
    assert body(log, log.history.root.id)["status"] == {"chat": "x"}
    assert body(log, log.history.root.id)["mode"] == 2


def test_a_type_is_known_to_a_history_without_looking_at_its_commits(tmp_path: Path) -> None:
    log = group(tmp_path)
    kind = "application/status-bridge"
    assert not log.history.has_type(kind)
    must(log.append(Other(kind), writer(ALICE), now=NOW))
    assert log.history.has_type(kind)
