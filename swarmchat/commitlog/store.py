"""What is on disk of one conversation and what is known of it, always in step. (SCP-04 §4.3, §4.5)

Order of every step: objects, durably; then, inside one transaction of the rows, the refs; then the memory. Whatever fails
leaves rows, refs and memory as they were; objects that nothing refers to do no harm. A crash between refs and rows is
mended when the log is opened next: what a ref reaches and no row knows is judged anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from swarmchat.commitlog.files import Files
from swarmchat.commitlog.graph import oldest_first, parents_of
from swarmchat.commitlog.judging import Judging, Outcome
from swarmchat.commitlog.ledger import Judged, Ledger, Provisional
from swarmchat.commitlog.repository import HEADS, MAIN, DamagedObjectError, MissingObjectError, Repository
from swarmchat.commitlog.shelf import Objects, Shelf
from swarmchat.commitlog.staging import Staging
from swarmchat.commitlog.tips import Tip, tip_of
from swarmchat.commitlog.trees import COMMIT
from swarmchat.commitlog.verdicts import FILE_NAME, DamagedError, Verdicts
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation import roster as rosters
from swarmchat.conversation.history import Fact
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId, ConversationId, TreeId

COUNTS: Final = "counts"  # in `Admission.effect_changed`: what did not count does now
CLONE_AGAIN: Final = "look into it with `swarmchat verify`, or remove the conversation and clone it again"

Row = tuple[Fact, TreeId, Sequence[int]]


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
        self._verdicts = Verdicts(path / FILE_NAME, conversation)
        self._refused: set[CommitId] = set()
        self._refs: Mapping[str, CommitId] = {}

    def rest(self) -> None:
        """Let go of all files until the next use."""
        self.repository.rest()
        self._verdicts.rest()

    # --- opening

    def recover(self) -> None:
        """Bring memory, rows and refs in step after a start, however the last run ended. StorageError when git itself is damaged."""
        self.repository.empty_quarantine()
        self._load()
        self._refs = self.repository.refs()
        try:
            self._catch_up()
        except (MissingObjectError, DamagedObjectError) as error:
            raise StorageError(error.message, hint=CLONE_AGAIN) from error

    def _load(self) -> None:
        try:
            self.ledger = Ledger(*self._verdicts.load())
            self._refused = self._verdicts.refused()
            self._check_rows()
        except DamagedError:
            self._verdicts.rest()
            Verdicts.remove(self.path / FILE_NAME)
            self._verdicts = Verdicts(self.path / FILE_NAME, self.conversation)
            self.ledger, self._refused = Ledger(), set()

    def _check_rows(self) -> None:
        history = self.ledger.history
        if len(history) and history.root.id != CommitId(self.conversation):
            raise DamagedError("rows of another conversation")
        if not all(self.repository.has(bytes.fromhex(head)) for head in history.heads):
            raise DamagedError("rows of commits that are not here")

    def _catch_up(self) -> None:
        main = self._refs.get(MAIN)
        behind_main = self._ordinary_behind(main) if main else set()
        named = {commit for name, commit in self._refs.items() if name.startswith(HEADS)} | behind_main
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
        self.record(here, tip, outcome.rejected, lambda: self.repository.write(staging.written()))

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

    def refusal(self, commit: CommitId) -> Rejection | None:
        """Why a commit was refused; None for one that was not."""
        return self._verdicts.refusal(commit) if commit in self._refused else None

    def refusals(self) -> tuple[Rejection, ...]:
        """All refusals ever, by commit."""
        return self._verdicts.refusals()

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
        keep: Callable[[], None],
        wanted: Iterable[CommitId] = (),
    ) -> Admission:
        """Take in what was judged; `keep` makes its objects durable, those that `staging` was given included. StorageError.

        `wanted` are commits that our own user wrote on an old fork, which is agreement enough to merge it.
        """
        here, rejected = judging.provisional, outcome.rejected
        if len(outcome.accepted) != len(here.added) or here.size != len(self.ledger.history):
            here = self._continued(staging, outcome.accepted)
        before = self.tip
        if not here.added:
            self.record(here, before, rejected, lambda: None)
            return self.admission((), rejected, before, before, here)
        after = self.tip_of(here, staging, (*before.merged, *wanted) if before else ())
        new = tuple(judged.fact.id for judged in here.added if judged.fact.account is not None)
        admission = self.admission(new, rejected, before, after, here)
        self.record(here, after, rejected, keep)
        return admission

    def record(
        self, here: Provisional, tip: Tip | None, rejected: Sequence[Rejection], keep: Callable[[], None]
    ) -> None:
        """Make durable what `here` adds, and believe it."""
        if here.added:
            keep()
        refs = self._refs if tip is None else {MAIN: tip.main, **{HEADS + head: head for head in tip.heads}}
        fresh = [each for each in rejected if each.commit is not None and each.commit not in self._refused]
        if here.added or fresh:
            history = here.history
            rows = (
                (each.fact, each.tree, [history.number(parent) for parent in each.fact.parents]) for each in here.added
            )
            self._record(rows, fresh, refs)
        elif refs != self._refs:
            keep()
            self.repository.move_refs(refs)
        self.ledger.grow(here)
        self._refused.update(each.commit for each in fresh if each.commit is not None)
        self._refs = refs
        self.tip = tip

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
