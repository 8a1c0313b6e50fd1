"""A history that Jami made, judged from its objects alone; every bound is checked before it is passed. (SCP-02 §9)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from swarmchat import limits
from swarmchat.commitlog.audit import Report
from swarmchat.commitlog.graph import oldest_first
from swarmchat.commitlog.ledger import Judged, Ledger, Provisional
from swarmchat.commitlog.libgit2 import CollisionError, object_id
from swarmchat.commitlog.repository import DamagedObjectError, MissingObjectError
from swarmchat.commitlog.shelf import Objects, Shelf
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE, TreeFaultError
from swarmchat.conversation.jami.bases import TooFarError, merge_bases
from swarmchat.conversation.jami.commit import JamiCommit, parse
from swarmchat.conversation.jami.judge import Verdict, judge, judge_merge
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId, ConversationId

JAMI: Final = "jami"
Progress = Callable[[int], None]  # commits judged so far

_PROGRESS_EVERY: Final = 256
_BYTES_MAX: Final[Mapping[int, int]] = {
    COMMIT: limits.COMMIT_BYTES_MAX,
    TREE: limits.TREE_BYTES_MAX,
    BLOB: limits.JAMI_BLOB_BYTES_MAX,
}


class Source(Objects, Protocol):
    """Where somebody's history is read from: a repository or a bundle."""

    def size(self, oid: bytes) -> int: ...
    def refs(self) -> dict[str, CommitId]: ...
    def rest(self) -> None: ...


class LimitError(StorageError):
    """More than a reader of somebody's history puts up with."""


class Bounded:
    """The objects of a source, each no larger than it may be, all together no more than is read; remembers which were."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._bytes = 0
        self._commits = 0
        self.seen: dict[bytes, int] = {}  # id -> kind

    def read(self, kind: int, oid: bytes) -> bytes:
        """The content of an object whose id was computed anew; LimitError, MissingObjectError, DamagedObjectError."""
        if oid not in self.seen:
            self._count(kind, oid)
        raw = self._source.read(kind, oid)
        try:
            whole = object_id(kind, raw) == oid
        except CollisionError:
            whole = False
        if not whole:
            raise DamagedObjectError(f"object {oid.hex()} is not what its id says")
        return raw

    def has(self, oid: bytes) -> bool:
        """Whether the object is there."""
        return self._source.has(oid)

    def _count(self, kind: int, oid: bytes) -> None:
        size = self._source.size(oid)
        if size > _BYTES_MAX[kind]:
            raise LimitError(f"object {oid.hex()} has {size} bytes, over {_BYTES_MAX[kind]}")
        self.seen[oid] = kind
        self._bytes += size
        self._commits += kind == COMMIT
        if self._bytes > limits.JAMI_BYTES_MAX:
            raise LimitError(f"a history of over {limits.JAMI_BYTES_MAX} bytes")
        if self._commits > limits.JAMI_COMMITS_MAX:
            raise LimitError(f"a history of over {limits.JAMI_COMMITS_MAX} commits")
        if len(self.seen) > limits.JAMI_OBJECTS_MAX:
            raise LimitError(f"a history of over {limits.JAMI_OBJECTS_MAX} objects")


@dataclass(frozen=True, slots=True)
class Audited:
    """What was judged: the report, the valid history with the rosters along it, and the objects that were read."""

    report: Report
    here: Provisional
    objects: Mapping[bytes, int]


def audit(
    source: Source,
    tip: CommitId,
    conversation: ConversationId | None = None,
    progress: Progress | None = None,
    *,
    check_signatures: bool = True,
) -> Audited:
    """Judge all that `tip` reaches; `conversation` is what it claims to be, None takes the root it has.

    Without `check_signatures` it is a copy of our own whose signatures were checked when it was taken in.
    """
    objects = Bounded(source)
    judging = _Judging(objects, conversation, check_signatures=check_signatures)
    try:
        for count, (commit, raw) in enumerate(oldest_first(objects, (tip,)), 1):
            judging.consider(commit, raw)
            if progress is not None and count % _PROGRESS_EVERY == 0:
                progress(count)
    except (MissingObjectError, DamagedObjectError) as error:
        judging.rejected[None] = Rejection(Reason.MISSING_OBJECT, error.message)
    except LimitError as error:
        judging.rejected[None] = Rejection(Reason.JAMI_LIMIT, error.message)
    here = judging.here
    merges = sum(1 for judged in here.added if judged.fact.account is None)
    report = Report(
        not judging.rejected,
        judging.conversation,
        len(here.added) - merges,
        merges,
        here.history.heads,
        here.roster_at(tip) if tip in here.history else None,
        tuple(judging.rejected.values()),
        {},
        form=JAMI,
    )
    return Audited(report, here, objects.seen)


class _Judging:
    """Judges commits in an order with parents first."""

    def __init__(self, objects: Objects, conversation: ConversationId | None, *, check_signatures: bool) -> None:
        self.here = Provisional(Ledger(), objects, Shelf())
        self.rejected: dict[CommitId | None, Rejection] = {}
        self.conversation = conversation
        self._check_signatures = check_signatures
        self._steps = limits.JAMI_MERGE_STEPS_MAX

    def consider(self, commit: CommitId, raw: bytes) -> None:
        """Judge one commit whose parents were considered before."""
        if self.conversation is None:
            self.conversation = ConversationId(commit)
        outcome = self._judged(commit, raw)
        if isinstance(outcome, Rejection):
            self.rejected[commit] = outcome

    def _judged(self, commit: CommitId, raw: bytes) -> Rejection | None:
        parsed = parse(commit, raw)
        if isinstance(parsed, Rejection):
            return parsed
        refused = next((parent for parent in parsed.parents if parent not in self.here.history), None)
        if refused is not None:
            return Rejection(Reason.REFUSED_PARENT, f"built on {refused[:12]}, which was refused", commit=commit)
        try:
            verdict = self._merged(parsed) if parsed.is_merge else self._ordinary(parsed)
        except TreeFaultError as error:
            return Rejection(Reason.JAMI_TREE, error.detail, error.path, commit)
        if isinstance(verdict, Rejection):
            return verdict
        self.here.add(Judged(verdict.fact, parsed.tree))
        self.here.shelf.keep(parsed.tree, verdict.after)
        return None

    def _ordinary(self, commit: JamiCommit) -> Verdict | Rejection:
        here = self.here
        assert self.conversation is not None, "taken from the first commit"
        parent = commit.parents[0] if commit.parents else None
        before = None if parent is None else here.roster_at(parent)
        changes = self._changes(parent, commit)
        past = Past(here.history, parent)
        return judge(
            commit, changes, before, past, conversation=self.conversation, check_signature=self._check_signatures
        )

    def _merged(self, commit: JamiCommit) -> Verdict | Rejection:
        here = self.here
        one, other = commit.parents
        try:
            bases, steps = merge_bases(here.history, one, other, steps_max=self._steps)
        except TooFarError:
            raise LimitError("merges of sides that went apart for too long, too often") from None
        self._steps -= steps
        return judge_merge(
            commit,
            here.roster_at(one),
            self._changes(one, commit),
            here.roster_at(other),
            [here.roster_at(base) for base in bases],
            Past(here.history, one),
            check_signature=self._check_signatures,
        )

    def _changes(self, parent: CommitId | None, commit: JamiCommit) -> Changes:
        old = None if parent is None else self.here.tree_of(parent)
        return {} if old == commit.tree else self.here.shelf.changes(self.here.objects, old, commit.tree)
