"""What is on disk of one conversation and what is known of it, always in step. (SCP-04 §4.3, §4.5)

A small step is written to the steps file, which makes it durable, and then believed. Later, many at once, and for a step that
is too big for that file at once, in this order: objects, durably; then, inside one transaction of the rows, the refs; then the
steps file begins anew. Whatever fails leaves steps, rows, refs and memory as they were; objects that nothing refers to do no
harm. A crash is mended when the log is opened next: what a ref or a step names and no row knows is judged anew.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from swarmchat import disk, limits
from swarmchat.commitlog.files import DamageError, Files, refusals
from swarmchat.commitlog.graph import oldest_first, parents_of
from swarmchat.commitlog.judging import Judging, Outcome
from swarmchat.commitlog.ledger import Judged, Ledger, Provisional
from swarmchat.commitlog.repository import HEADS, MAIN, Repository
from swarmchat.commitlog.shelf import Objects, Shelf
from swarmchat.commitlog.staging import Staging
from swarmchat.commitlog.steps import FILE_NAME as STEPS
from swarmchat.commitlog.steps import Object, Step, Steps
from swarmchat.commitlog.tips import Tip, tip_of
from swarmchat.commitlog.trees import COMMIT
from swarmchat.commitlog.verdicts import FILE_NAME, DamagedError, Verdicts
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation import roster as rosters
from swarmchat.conversation.entries import Fact
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId, ConversationId, TreeId

COUNTS: Final = "counts"  # in `Admission.effect_changed`: what did not count does now
CLONE_AGAIN: Final = "look into it with `swarmchat verify`, or remove the conversation and clone it again"

_LOST: Final = "lost"  # a file of the repository: ids of commits that stood here and cannot, one a line (SCP-04 §4.5a)

Row = tuple[Fact, TreeId, Sequence[int]]
Contents = Callable[[], Sequence[Object]]  # the objects of a step, asked for once all of them are staged


class Store:
    """The repository, the rows and the memory of one conversation. Everything is to be asked under `lock`."""

    def __init__(self, path: Path, conversation: ConversationId, files: Files, *, accept_old_forks: bool) -> None:
        self.lock = threading.RLock()
        self.path = path
        self.conversation = conversation
        self.accept_old_forks = accept_old_forks
        self.files = files
        self.repository = Repository(path, files)
        self.shelf = Shelf()
        self.ledger = Ledger()
        self.tip: Tip | None = None
        self.users = 0  # ingests and audits under way: the object store must not lose what they count on
        self.rests = 0  # how often it let go of all files
        self.rolled: set[str] = set()  # packs that a roll-up wrote, by name: they are as small as they get
        self.lost: frozenset[CommitId] = frozenset()  # what a damaged disk took; others are asked for it
        self._verdicts = Verdicts(path / FILE_NAME, conversation)
        self._refused: set[CommitId] = set()
        self._refs: Mapping[str, CommitId] = {}  # as they stand in git
        self._steps = Steps(path / STEPS, files)
        self.noted: frozenset[CommitId] = (
            frozenset()
        )  # commits of steps that the last run left behind, or of rows not believed
        self._rows: list[Row] = []  # of the steps that are in the steps file only

    def rest(self) -> None:
        """Let go of all files until the next use; a disk that refuses leaves the steps where they are."""
        self.rests += 1
        with suppress(StorageError):
            self.put_away()
            self._steps.remove()
        self._steps.close()
        self.repository.rest()
        self._verdicts.rest()

    def doze(self) -> None:
        """Let go of what costs memory while nobody asks: a daemon holds many that only wait. Nothing is brought into git for it."""
        self._verdicts.rest()

    # --- opening

    def recover(self) -> None:
        """Bring memory, rows and refs in step after a start, however the last run ended. DamageError: to be repaired; StorageError."""
        self.repository.empty_quarantine()
        steps = self._steps.read()
        for step in steps:
            self.repository.hold(step.objects)
            self.noted |= {CommitId(oid.hex()) for kind, oid, _ in step.objects if kind == COMMIT}
        if not steps and not self._steps.is_usable:
            self._steps.remove()
        self._load()
        self._refs = self.repository.refs()
        self._load_lost()
        self._catch_up(steps)
        if any(self.knows(commit) for commit in self.lost):
            raise DamageError(f"a repair of {self.path} was broken off")
        if self.tip is None and (self.repository.pack_files() or self.repository.loose_objects()):
            raise DamageError(f"{self.path} has lost all that says what stands there")

    def _load(self) -> None:
        try:
            self.ledger = Ledger(*self._verdicts.load())
            self._refused = self._verdicts.refused()
            self._check_rows()
        except DamagedError:
            self._forget_rows()

    def _forget_rows(self) -> None:
        self._verdicts.rest()
        Verdicts.remove(self.path / FILE_NAME)
        self._verdicts = Verdicts(self.path / FILE_NAME, self.conversation)
        self.ledger, self._refused = Ledger(), set()

    def _load_lost(self) -> None:
        with refusals(self.path / _LOST, "read"):
            text = (self.path / _LOST).read_text("ascii", "replace") if (self.path / _LOST).exists() else ""
        self.lost = frozenset(CommitId(line) for line in text.splitlines() if re.fullmatch("[0-9a-f]{40}", line))

    def note_lost(self, commits: Iterable[CommitId]) -> None:
        """Exactly these are lost from here on, durably. StorageError."""
        lost = frozenset(commits)
        if lost != self.lost:
            disk.write_whole(self.path / _LOST, "".join(f"{commit}\n" for commit in sorted(lost)).encode())
        self.lost = lost

    def begin_anew(self, staging: Staging, outcome: Outcome) -> None:
        """Believe what was judged from the root on, and nothing else; the refusals of before stay. StorageError."""
        merged = self.tip.merged if self.tip else ()
        try:
            refused = self.refusals()
        except StorageError:
            refused = ()  # who is refused is judged again when somebody sends it
        self._forget_rows()
        self._rows = []
        self.shelf = Shelf()
        self.tip = None
        here = self._continued(staging, outcome.accepted)
        if not here.added:
            self.repository.move_refs({})
            self._refs = {}
            return
        tip = self.tip_of(here, staging, [commit for commit in merged if commit in here.history])
        self.record(here, tip, (*refused, *outcome.rejected), staging.written)

    def _check_rows(self) -> None:
        history = self.ledger.history
        if len(history) and history.root.id != CommitId(self.conversation):
            raise DamagedError("rows of another conversation")
        if not all(self.repository.has(bytes.fromhex(head)) for head in history.heads):
            self.noted |= {entry.id for entry in history.entries}
            raise DamagedError("rows of commits that are not here")

    def _catch_up(self, steps: Sequence[Step]) -> None:
        mains = {step.main for step in steps[-1:]} | ({self._refs[MAIN]} if MAIN in self._refs else set())
        behind_main = set().union(*map(self._ordinary_behind, sorted(mains)))
        named = {commit for name, commit in self._refs.items() if name.startswith(HEADS)} | behind_main
        named.update(head for step in steps for head in step.heads)
        staging = Staging(self.repository)
        judging = self.judging(staging)
        for commit, raw in oldest_first(self.repository, named, self.knows):
            judging.consider(commit, raw)
        outcome = judging.outcome()
        here = self._continued(staging, outcome.accepted)
        if not len(here.history):
            if named:
                raise StorageError(f"{self.path} holds another conversation, or nothing valid", hint=CLONE_AGAIN)
            return
        known = [commit for commit in behind_main if commit in here.history]
        tip = self.tip_of(here, staging, here.history.ordinary_heads(known))
        self._remember(outcome.rejected)
        if steps:
            self.repository.hold(staging.written())
            self._rows += _rows(here)
            self._believe(here, tip)
            with suppress(StorageError):  # a full disk is no reason to show nothing: the file stands
                self.put_away()
                self._steps.remove()
        elif here.added or _refs_of(tip) != self._refs:
            self._store(_rows(here), _refs_of(tip), staging.written())
            self._believe(here, tip)
        else:
            self._believe(here, tip)

    def _ordinary_behind(self, main: CommitId) -> set[CommitId]:
        """The ordinary commits that a ref stands for, canonical merges of which no row speaks looked through."""
        found: set[CommitId] = set()
        waiting = [main]
        while waiting:
            commit = waiting.pop()
            if commit in found or self.knows(commit):
                found.add(commit)
                continue
            parents = parents_of(self.repository.read(COMMIT, bytes.fromhex(commit)))
            if len(parents) > 1:
                waiting.extend(parents)
            else:
                found.add(commit)
        return found

    # --- asking

    def knows(self, commit: CommitId) -> bool:
        """Whether the commit was accepted."""
        return commit in self.ledger.history

    def refuses(self, commit: CommitId) -> bool:
        """Whether a commit was refused; may be asked without the lock, as what is being written is not yet so."""
        return commit in self._refused

    def refusal(self, commit: CommitId) -> Rejection | None:
        """Why a commit was refused; None for one that was not."""
        return self._verdicts.refusal(commit) if self.refuses(commit) else None

    def refusals(self) -> tuple[Rejection, ...]:
        """All refusals ever, by commit."""
        return self._verdicts.refusals()

    @property
    def named(self) -> frozenset[CommitId]:
        """The ordinary heads that the refs named when the log was opened, or since."""
        return frozenset(commit for name, commit in self._refs.items() if name.startswith(HEADS))

    def judging(self, objects: Objects) -> Judging:
        """Judges on top of what is accepted now, with objects that are not stored yet."""
        return Judging(self.conversation, Provisional(self.ledger, objects, self.shelf), self.refusal)

    def tip_of(self, here: Provisional, staging: Staging, merged_before: Iterable[CommitId]) -> Tip:
        """Where the conversation will stand with what is in `here`."""
        return tip_of(here, staging, merged_before, accept_old_forks=self.accept_old_forks)

    # --- growing

    def land(
        self,
        judging: Judging,
        outcome: Outcome,
        staging: Staging,
        contents: Contents,
        wanted: Iterable[CommitId] = (),
    ) -> Admission:
        """Take in what was judged; `contents` gives its objects, those that `staging` was given included. StorageError.

        `wanted` are commits that our own user wrote on an old fork, which is agreement enough to merge it.
        """
        here, rejected = judging.provisional, outcome.rejected
        if len(outcome.accepted) != len(here.added) or here.size != len(self.ledger.history):
            here = self._continued(staging, outcome.accepted)
        before = self.tip
        if not here.added:
            self.record(here, before, rejected, tuple)
            return self.admission((), rejected, before, before, here)
        after = self.tip_of(here, staging, (*before.merged, *wanted) if before else ())
        new = tuple(judged.fact.id for judged in here.added if judged.fact.account is not None)
        admission = self.admission(new, rejected, before, after, here)
        self.record(here, after, rejected, contents)
        return admission

    def record(self, here: Provisional, tip: Tip | None, rejected: Sequence[Rejection], contents: Contents) -> None:
        """Make durable what `here` adds and where it stands then, and believe it. StorageError: nothing changed."""
        fresh = [each for each in rejected if each.commit is not None and each.commit not in self._refused]
        if tip is None or not (here.added or tip != self.tip):
            self._remember(fresh)
            return
        objects = contents()
        if self._note(here, tip, objects):
            with suppress(StorageError):  # the step stands; what is not remembered is refused again
                self._remember(fresh)
        else:
            self.put_away()
            self._store(_rows(here), _refs_of(tip), objects, fresh)
        self._believe(here, tip)

    def put_away(self) -> None:
        """Have the object store, the rows and the refs take over what only the steps file holds. StorageError: nothing changed."""
        if not (self._steps.is_empty and self._steps.is_usable):
            refs = self._refs if self.tip is None else _refs_of(self.tip)
            self.repository.store_held()
            self._store(self._rows, refs, ())
            self.repository.let_go()
            self._rows = []
            self._steps.restart()

    @property
    def waiting(self) -> int:
        """How many commits are in the steps file only."""
        return len(self._rows)

    def admission(
        self,
        new: Sequence[CommitId],
        rejected: Sequence[Rejection],
        before: Tip | None,
        after: Tip | None,
        here: Provisional,
    ) -> Admission:
        """What a step from one tip to another comes to, for observers."""
        nobody = rosters.empty(here.mode if len(here.history) else 0)
        return Admission(
            tuple(new),
            tuple(rejected),
            after.heads if after else (),
            before.roster if before else nobody,
            after.roster if after else nobody,
            _changed_effects(here, before, after),
        )

    # --- inside

    def _continued(self, staging: Staging, accepted: Iterable[Judged]) -> Provisional:
        here = Provisional(self.ledger, staging, self.shelf)
        for judged in accepted:
            here.add(judged)
        return here

    def _note(self, here: Provisional, tip: Tip, objects: Sequence[Object]) -> bool:
        """Write a step to the steps file; False when it does not belong there. StorageError: it did not happen."""
        size = self._steps.size_of(tip.heads, objects)
        if self.tip is None or len(here.added) > limits.STEP_COMMITS_MAX or size > limits.STEPS_FILE_BYTES:
            return False
        if not (self._steps.is_usable and self._steps.has_room(size)):
            self.put_away()
        if not self._steps.is_usable:
            self._steps.remove()
        if not self._steps.is_usable:
            return False
        self._steps.add(tip.main, tip.heads, objects)
        self.repository.hold(objects)
        self._rows += _rows(here)
        return True

    def _store(
        self,
        rows: Iterable[Row],
        refs: Mapping[str, CommitId],
        objects: Sequence[Object],
        rejected: Sequence[Rejection] = (),
    ) -> None:
        """Bring objects, rows and refs onto the disk, each in its own place."""
        self.repository.write(objects)
        self._record(rows, rejected, refs)
        self._refs = refs

    def _believe(self, here: Provisional, tip: Tip) -> None:
        self.ledger.grow(here)
        self.tip = tip

    def _remember(self, rejected: Sequence[Rejection]) -> None:
        if rejected:
            self._record((), rejected, self._refs)

    def _record(self, rows: Iterable[Row], rejected: Sequence[Rejection], refs: Mapping[str, CommitId]) -> None:
        moved = False
        try:
            with self._verdicts.recording(rows, rejected):
                if refs != self._refs:
                    moved = True
                    self.repository.move_refs(refs)
        except StorageError:
            if moved:
                with suppress(StorageError):  # else the next start judges what the refs reach
                    self.repository.move_refs(self._refs)
            raise
        self._refused.update(each.commit for each in rejected if each.commit is not None)


def _rows(here: Provisional) -> Iterator[Row]:
    history = here.history
    for each in here.added:
        yield each.fact, each.tree, [history.number(parent) for parent in each.fact.parents]


def _refs_of(tip: Tip) -> Mapping[str, CommitId]:
    return {MAIN: tip.main, **{HEADS + head: head for head in tip.heads}}


def _changed_effects(here: Provisional, before: Tip | None, after: Tip | None) -> Mapping[CommitId, str]:
    if before is None or after is None or _controls(here, before) == _controls(here, after):
        return {}
    changed = here.settler.changed_fates(before.merged, after.merged)
    return {commit: COUNTS if fate is None else fate.code for commit, fate in changed.items()}


def _controls(here: Provisional, tip: Tip) -> int:
    mask = 0
    for head in tip.merged:
        mask |= here.history[head].control_mask
    return mask
