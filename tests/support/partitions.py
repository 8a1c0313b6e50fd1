"""A group that is out of touch: sides that each write on a log of their own on disk, and what they come to in any order of arrival."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from swarmchat.commitlog.files import OBJECT_MODE, Files, NewFile
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Action, Add, CastVote, Initial, Join, Leave, Post
from swarmchat.conversation.explain import Explanation
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.rules import planning
from swarmchat.conversation.timeline import Timeline
from swarmchat.conversation.tree import BallotKind, Mode
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.node.audit import explained
from swarmchat.node.view import View
from tests.support.builders import ALICE, BOB, CAROL, NONCE, NOW, Person, person
from tests.support.commitlogs import forged, must, packed, pull, writer

Target = AccountId | DeviceId
GRACE = person("grace")


class _Unsynced(NewFile):
    def sync(self) -> None:
        """No power cut is expected here."""


class QuickFiles(Files):
    """The disk, without waiting for it."""

    def create(self, path: Path, mode: int = OBJECT_MODE) -> NewFile:
        file = super().create(path, mode)
        return _Unsynced(path, file._handle)

    def sync_folder(self, path: Path) -> None:
        """See above."""


@dataclass
class Side:
    """One log, and who writes there."""

    log: CommitLog
    now: int = NOW

    def write(self, who: Person, action: Action, **options: Any) -> CommitId:
        """Write what must be accepted; the commit."""
        revocations = options.pop("revocations", None)
        options.setdefault("now", self.now)
        return must(self.log.append(action, writer(who, revocations=revocations), **options)).new[0]

    def say(self, who: Person, text: str, **options: Any) -> CommitId:
        return self.write(who, Post(text), **options)

    def refuses(self, reason: Reason, who: Person, action: Action, **options: Any) -> Rejection:
        """Try to write what must be refused for this reason."""
        refusal = self.log.append(action, writer(who), now=self.now, **options)
        assert isinstance(refusal, Rejection), f"accepted: {action}"
        assert refusal.reason is reason, str(refusal)
        return refusal

    def receives(self, who: Person, action: Action, **options: Any) -> CommitId:
        """A modified program sends a commit that ours would not write, and it must be refused; its id."""
        commit, objects = forged(self.log, who, action, **options)
        admission = self.log.admit(packed(objects))
        assert [refusal.commit for refusal in admission.rejected] == [commit]
        assert not self.log.knows(commit)
        return commit

    def bring(self, *guests: Person, by: Person) -> CommitId:
        for guest in guests:
            self.write(by, Add(guest.id))
            joined = self.write(guest, Join(guest.id))
        return joined

    def ban(self, target: Target, *voters: Person) -> CommitId:
        """Each does what is planned for him; the last one resolves, and that commit is given."""
        return self._ballot(lambda me: planning.plan_ban(self.log.roster, me.id, target, device=me.device), voters)

    def unban(self, target: Target, *voters: Person) -> CommitId:
        return self._ballot(lambda me: planning.plan_unban(self.log.roster, me.id, target), voters)

    def promote(self, target: Person, *voters: Person) -> CommitId:
        return self._ballot(lambda me: planning.plan_promote(self.log.roster, me.id, target.id), voters)

    def vote(self, kind: BallotKind, target: Target, *voters: Person) -> CommitId:
        """Votes alone, whether they suffice or not."""
        return [self.write(voter, CastVote(kind, target)) for voter in voters][-1]

    def fork(self, name: str) -> Side:
        """Another node that has heard all of this, and hears nothing more."""
        copy = Side(_empty(self.log.path.with_name(f"{name}.git"), self.log), self.now)
        copy.hears(self)
        return copy

    def forks(self, *names: str) -> tuple[Side, ...]:
        return tuple(self.fork(name) for name in names)

    def hears(self, other: Side) -> None:
        pull(self.log, other.log)

    def told(self, commit: CommitId) -> Explanation:
        """What `swarmchat explain` says."""
        with self.log.still():
            return explained(View(self.log, Timeline(self.log.history)), commit)

    @property
    def hidden(self) -> frozenset[CommitId]:
        return View(self.log, Timeline(self.log.history)).hidden()

    def _ballot(self, plan: Callable[[Person], tuple[Action, ...] | Rejection], voters: Iterable[Person]) -> CommitId:
        written: list[CommitId] = []
        for voter in voters:
            planned = plan(voter)
            assert not isinstance(planned, Rejection), str(planned)
            written += [self.write(voter, action) for action in planned]
        return written[-1]


def found(folder: Path, *admins: Person, members: Iterable[Person] = (), mode: Mode = 1, now: int = NOW) -> Side:
    """A conversation that the first admin began; the others were voted admins by those before them."""
    first = admins[0]
    root = Initial(mode, NONCE)
    side = Side(CommitLog.create(folder / "founded.git", writer(first), root, now=now, files=QuickFiles()), now)
    for one in (*admins[1:], *members):
        side.bring(one, by=first)
    for count, one in enumerate(admins[1:], 1):
        side.promote(one, *admins[: 1 if count == 1 else count // 2 + 1])
    assert side.log.roster.admins == {admin.id for admin in admins}
    return side


def without_admins(folder: Path, *members: Person, now: int = NOW) -> tuple[Side, dict[str, CommitId]]:
    """A group whose last admins went crosswise, and the commits by which each went.

    In one partition a member had left before two of three admins banned the third; in the other these two leave, each from
    another device. In the replay a leave comes late, and so does what had to wait for one: by the ids, the two have left before
    the ban lands on who was the last admin then.
    """
    north, south = found(folder, ALICE, BOB, CAROL, members=[GRACE, *members], now=now).forks("north", "south")
    leaves = ((ALICE, Leave(ALICE.id)), (CAROL, Leave(CAROL.id)))
    south, (alice, carol) = _with_ids(south, leaves, lambda ids: max(ids) < "8", now)
    north, (grace,) = _with_ids(north, ((GRACE, Leave(GRACE.id)),), lambda ids: min(ids) > max(alice, carol), now)
    bob = north.ban(BOB.id, ALICE, CAROL)
    return everywhere(north, south), {"alice": alice, "carol": carol, "grace": grace, "bob": bob}


def _with_ids(
    side: Side, acts: Sequence[tuple[Person, Action]], wanted: Callable[[Sequence[CommitId]], bool], now: int
) -> tuple[Side, Sequence[CommitId]]:
    """The side once these have acted, at a second at which their commits have ids as wanted."""
    for later in range(100):
        tried = side.fork(f"{side.log.path.stem} {later}")
        ids = [tried.write(person, action, now=now + later) for person, action in acts]
        if wanted(ids):
            return tried, ids
    raise AssertionError("no commits of a hundred seconds have such ids")


def everywhere(*sides: Side) -> Side:
    """All nodes hear of all sides, each in another order, and agree to the last word; one of them is given."""
    first = sides[0].log
    folder = Path(mkdtemp(dir=first.path.parent, prefix="everywhere "))
    nodes = []
    for count, order in enumerate(list(permutations(sides))[:4]):
        node = _empty(folder / f"order {count}.git", first)
        for side in order:
            pull(node, side.log)
        nodes.append(node)
    nodes += [_commit_by_commit(folder / f"grain {seed}.git", sides, random.Random(seed)) for seed in range(2)]
    for side in (*sides, *reversed(sides)):
        for other in sides:
            pull(side.log, other.log)
    nodes[0].close()
    restarted = CommitLog.open(nodes[0].path, first.conversation, files=QuickFiles())
    shown = _shown(restarted)
    for node in (*nodes, *(side.log for side in sides)):
        assert _shown(node) == shown, node.path.name
    checked = subprocess.run(
        ["git", "-C", str(restarted.path), "fsck", "--strict", "--no-dangling"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout + checked.stderr
    return Side(restarted, sides[0].now)


def says(told: Explanation, effect: str, rule: str | None, *words: str) -> None:
    """The explanation has this effect, this rule, and these sentences (or parts of them) in this order."""
    assert (told.effect, told.rule) == (effect, rule), told
    left = list(told.because)
    for word in words:
        while left and word not in left[0]:
            left.pop(0)
        assert left, f"not said, or not in this order: {word!r} in {told.because}"


def _empty(path: Path, log: CommitLog) -> CommitLog:
    return CommitLog.prepare(path, log.conversation, files=QuickFiles())


def _commit_by_commit(path: Path, sides: Iterable[Side], dice: random.Random) -> CommitLog:
    """A node that every commit reaches alone, children after their parents and nothing else in order."""
    sources = {
        entry.id: (side.log, tuple(side.log.history.ordinary_parents(entry)))
        for side in sides
        for entry in side.log.history.entries
        if not entry.is_merge
    }
    node = _empty(path, next(log for log, _ in sources.values()))
    waiting = dict(sources)
    while waiting:
        ready = sorted(commit for commit, (_, parents) in waiting.items() if not any(one in waiting for one in parents))
        commit = dice.choice(ready)
        log, parents = waiting.pop(commit)
        pack = log.pack([commit], node.heads)
        assert pack is not None
        admission = node.admit(b"".join(pack.chunks), [commit])
        assert admission.new == (commit,), parents
    return node


def _shown(log: CommitLog) -> dict[str, Any]:
    """What must be equal on all nodes, whatever came first."""
    side, report = Side(log), log.verify()
    assert (report.valid, report.rejections, report.heads) == (True, (), log.heads)
    assert report.roster == log.roster
    order = list(Timeline(log.history).order())
    return {
        "heads": log.heads,
        "main": log.main,
        "held": log.held,
        "roster": dict(log.roster.files),
        "order": order,
        "hidden": side.hidden,
        "told": [side.told(commit) for commit in order],
    }
