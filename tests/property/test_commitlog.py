"""Random lives of a group over several nodes: whatever happens, they end up with the same history, main and roster."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.log import Admission, CommitLog
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
    UpdateProfile,
)
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.tree import Mode
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, NOW, Person, person
from tests.support.commitlogs import clone, writer

PEOPLE = [ALICE, *map(person, ("bob", "carol", "dave"))]
_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
        yield Path(name)


def something(dice: random.Random, me: Person) -> tuple[Action, bytes | None]:
    other = dice.choice(PEOPLE).id
    profile = f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{dice.randrange(99)}\r\nEND:VCARD\r\n".encode()
    kinds: list[tuple[Action, bytes | None]] = [
        (Post(f"{me.name} {dice.random()}"), None),
        (Post("the same words"), None),
        (Add(other), None),
        (Join(me.id), None),
        (Leave(me.id), None),
        (Kick(other), None),
        (Promote(other), None),
        (Demote(me.id), None),
        (CastVote("ban", other), None),
        (CastVote("promote", other), None),
        (Ban(other), None),
        (UpdateProfile(), profile),
    ]
    return dice.choices(kinds, weights=(30, 6, 8, 12, 1, 1, 3, 1, 4, 3, 3, 2))[0]


def exchange(dice: random.Random, to: CommitLog, source: CommitLog, *, whole: bool) -> Admission | None:
    """A pull of all heads or of some, in pieces of any size."""
    wants: list[CommitId] | None = None
    if not whole and dice.random() < 0.4 and source.heads:
        wants = dice.sample(source.heads, dice.randint(1, len(source.heads)))
    pack = source.pack(wants, to.locator(), stored=dice.random() < 0.2)
    if pack is None:
        return None
    data = b"".join(pack.chunks)
    with to.ingest() as ingest:
        at = 0
        while at < len(data):
            size = dice.choice((1, 50, 1000, 100_000))
            ingest.feed(data[at : at + size])
            at += size
        admission = ingest.finish(pack.heads)
    assert admission.rejected == ()
    return admission


def reopened(dice: random.Random, log: CommitLog) -> CommitLog:
    log.close()
    if dice.random() < 0.3:
        for path in log.path.glob("verdicts.sqlite3*"):
            path.unlink()
    again = CommitLog.open(log.path, log.conversation)
    assert (again.heads, again.main, again.roster, again.held) == (log.heads, log.main, log.roster, log.held)
    return again


@pytest.mark.parametrize("seed", range(12))
def test_nodes_that_have_heard_of_each_other_agree(folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 30)
    monkeypatch.setattr(limits, "PACKS_MAX", 2)
    monkeypatch.setattr(limits, "ROSTER_FILES_KEPT_MAX", dice.choice((1, 100, 10_000)))
    mode: Mode = dice.choice((1, 2, 3))
    first = CommitLog.create(folder / "0.git", writer(ALICE), Initial(mode, f"{seed:032x}"), now=NOW)
    for other in PEOPLE[1:3]:
        for action, who in ((Add(other.id), ALICE), (Join(other.id), other)):
            assert isinstance(first.append(action, writer(who), now=NOW), Admission)
    logs = [first, *(clone(first, folder / f"{n}.git") for n in (1, 2))]
    accepted = refused = 0
    for turn in range(160):
        place = dice.randrange(len(logs))
        log = logs[place]
        match dice.choices(("write", "pull", "reopen", "rollup"), weights=(10, 5, 1, 1))[0]:
            case "write":
                who = dice.choice(PEOPLE)
                action, profile = something(dice, who)
                parents = [entry.id for entry in log.history.entries if not entry.is_merge]
                at = dice.choice(parents[-8:]) if dice.random() < 0.2 else None
                before = log.heads, log.main, log.roster
                result = log.append(action, writer(who), now=NOW + turn, profile=profile, at=at)
                if isinstance(result, Rejection):
                    refused += 1
                    assert (log.heads, log.main, log.roster) == before
                else:
                    accepted += 1
                    assert (result.heads, result.after) == (log.heads, log.roster)
            case "pull":
                exchange(dice, log, dice.choice(logs), whole=False)
            case "reopen":
                logs[place] = reopened(dice, log)
            case _:
                log.rollup()
    for _ in range(2):
        for log in logs:
            for other in logs:
                exchange(dice, log, other, whole=True)
    assert accepted > 20
    assert refused > 0
    first = logs[0]
    for log in logs[1:]:
        assert {e.id for e in log.history.entries} == {e.id for e in first.history.entries}
        assert (log.heads, log.main, log.roster) == (first.heads, first.main, first.roster)
    late = CommitLog.prepare(folder / "late.git", first.conversation)
    exchange(dice, late, logs[dice.randrange(3)], whole=True)
    assert (late.heads, late.main, late.roster) == (first.heads, first.main, first.roster)
    report = late.verify()
    assert report.valid, report.rejections
    assert (report.heads, report.roster) == (late.heads, late.roster)
