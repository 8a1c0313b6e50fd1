"""The one door into the repository of a conversation: append, admit, give, ask. (SCP-02 §6–§7, SCP-04 §3–§5)

What we write is judged like what strangers send. Objects are durable before a ref names them, refs before a call returns;
whatever fails on the way leaves the log as it was. Thread-safe by one lock; synchronous, so callers off-load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from swarmchat import limits
from swarmchat.commitlog import housekeeping, serving
from swarmchat.commitlog import repair as repairing
from swarmchat.commitlog.audit import Progress, Report, audit, with_damage
from swarmchat.commitlog.files import DamageError, Files
from swarmchat.commitlog.ingest import Ingest
from swarmchat.commitlog.ledger import Ledger, Provisional, mode_of
from swarmchat.commitlog.repair import Repaired
from swarmchat.commitlog.repository import Located, Repository
from swarmchat.commitlog.serving import Pack
from swarmchat.commitlog.shelf import Recent, Shelf
from swarmchat.commitlog.staging import Staging
from swarmchat.commitlog.store import CLONE_AGAIN, Store
from swarmchat.commitlog.tips import Tip
from swarmchat.commitlog.trees import COMMIT, Folder
from swarmchat.commitlog.writing import Admission, Pending, Writer, found, write
from swarmchat.conversation.actions import Action, Initial
from swarmchat.conversation.commit import Commit, Merge, parse
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.settled import Fate, Precedence
from swarmchat.conversation.rules.settling import Settler
from swarmchat.conversation.tree import Mode
from swarmchat.errors import NotFoundError, RefusedError, StorageError
from swarmchat.ids import CommitId, ConversationId

__all__ = ["Admission", "CommitLog", "Pack", "Pending", "Report", "Writer"]

_COMMIT_BYTES_MIN = 256  # ids, times and the signature alone take more in a pack


class CommitLog:
    """One conversation on disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._settler: Settler | None = None
        self._commits: Recent[CommitId, Commit | Merge] = Recent(limits.COMMITS_KEPT_MAX, lambda commit: 1)

    # --- opening

    @classmethod
    def create(
        cls,
        path: Path,
        writer: Writer,
        root: Initial,
        *,
        now: int,
        extra: Mapping[str, object] | None = None,
        files: Files | None = None,
    ) -> CommitLog:
        """A new conversation at `path`, which appears there only when it is whole. RefusedError, StorageError.

        `extra` adds keys to the JSON of its first commit.
        """
        files = files or Files()
        draft = path.with_name(f".{path.name}.draft")
        files.remove_tree(draft)
        repository = Repository.create(draft, files)
        staging = Staging(repository)
        commit = found(Provisional(Ledger(), staging, Shelf()), staging, writer, root, now, extra)
        if isinstance(commit, Rejection):
            raise _refused(commit)
        conversation = ConversationId(commit)
        store = Store(draft, conversation, files, accept_old_forks=False)
        judging = store.judging(staging)
        judging.consider(commit, staging.read(COMMIT, bytes.fromhex(commit)))
        outcome = judging.outcome()
        if outcome.rejected:
            raise _refused(outcome.rejected[0])
        try:
            store.land(judging, outcome, staging, staging.written)
        finally:
            store.rest()
        files.rename(draft, path)
        files.sync_folder(path.parent)
        return cls.open(path, conversation, files=files)

    @classmethod
    def prepare(
        cls, path: Path, conversation: ConversationId, *, files: Files | None = None, accept_old_forks: bool = False
    ) -> CommitLog:
        """An empty log at `path`, to be cloned into; one that is there already is opened. StorageError."""
        files = files or Files()
        if not path.exists():
            Repository.create(path, files)
        return cls.open(path, conversation, files=files, accept_old_forks=accept_old_forks)

    @classmethod
    def open(
        cls, path: Path, conversation: ConversationId, *, files: Files | None = None, accept_old_forks: bool = False
    ) -> CommitLog:
        """The log at `path`; what a crash left undone is finished or undone first, what is damaged repaired. NotFoundError, StorageError."""
        store = Store(path, conversation, files or Files(), accept_old_forks=accept_old_forks)
        try:
            try:
                store.recover()
            except DamageError:
                repairing.repair(store)
        except BaseException:
            store.rest()
            raise
        store.doze()
        return cls(store)

    def close(self) -> None:
        """Bring everything into git (SCP-04 §4.3a) and let go of all files. A later call opens them again, so whoever still holds the log may use it."""
        with self._store.lock:
            self._store.rest()

    # --- asking

    @property
    def path(self) -> Path:
        """The repository."""
        return self._store.path

    @property
    def conversation(self) -> ConversationId:
        """The id of the root commit."""
        return self._store.conversation

    @property
    def is_empty(self) -> bool:
        """Whether nothing was admitted yet: prepared, and not cloned."""
        return self._store.tip is None

    @property
    def history(self) -> History:
        """All accepted commits, merges that somebody built on included. Not to be changed."""
        return self._store.ledger.history

    @property
    def mode(self) -> Mode:
        """The mode that the root fixed; NotFoundError while the log is empty."""
        self._tip()
        return mode_of(self.history)

    @property
    def heads(self) -> tuple[CommitId, ...]:
        """All ordinary heads, sorted: what is announced. (SCP-02 §6.1)"""
        tip = self._store.tip
        return tip.heads if tip else ()

    @property
    def merged(self) -> tuple[CommitId, ...]:
        """The ordinary heads behind `main`, sorted."""
        tip = self._store.tip
        return tip.merged if tip else ()

    @property
    def held(self) -> tuple[CommitId, ...]:
        """Heads that `main` leaves out: old forks that nobody agreed to (SCP-02 §6.4 g), and those beyond the first 1,024."""
        tip = self._store.tip
        return tip.held if tip else ()

    @property
    def main(self) -> CommitId | None:
        """The commit of `refs/heads/main`: the one head, or the canonical merge of all. (SCP-02 §6.3)"""
        tip = self._store.tip
        return tip.main if tip else None

    @property
    def roster(self) -> Roster:
        """The settled roster of `main`; NotFoundError while the log is empty."""
        return self._tip().roster

    @property
    def lost(self) -> frozenset[CommitId]:
        """Commits that stood here until the disk was damaged, and that nobody has sent since. (SCP-04 §4.5a)"""
        return self._store.lost

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing changes while inside: for who reads several things that must fit together."""
        with self._store.lock:
            yield

    def knows(self, commit: CommitId) -> bool:
        """Whether the commit was accepted."""
        return self._store.knows(commit)

    def refusal(self, commit: CommitId) -> Rejection | None:
        """Why a commit was refused; None for one that was not, and that is told at once, whoever is writing."""
        if not self._store.refuses(commit):
            return None
        with self._store.lock:
            return self._store.refusal(commit)

    def refusals(self) -> tuple[Rejection, ...]:
        """All refusals ever, by commit."""
        with self._store.lock:
            return self._store.refusals()

    def fate(self, commit: CommitId) -> Fate | None:
        """Why an accepted commit does not count in `main`; None when it does, or when it changes no file. NotFoundError."""
        with self._store.lock:
            self._require(commit)
            return self._settling().fate(commit, self.merged)

    def precedence(self, one: CommitId, other: CommitId) -> Precedence:
        """Which of two concurrent bans goes before the other, and by what. (SCP-02 §6.4 c) NotFoundError."""
        with self._store.lock:
            self._require(one)
            self._require(other)
            return self._settling().precedence(one, other)

    def commit(self, commit: CommitId) -> Commit | Merge:
        """An accepted commit, or that of `main`, read from git. NotFoundError, StorageError."""
        with self._store.lock:
            known = self._commits.get(commit)
            if known is None:
                if commit != self.main:
                    self._require(commit)
                parsed = parse(commit, self._store.repository.read(COMMIT, bytes.fromhex(commit)))
                if isinstance(parsed, Rejection):
                    raise StorageError(f"commit {commit} of {self.path} is damaged", hint=CLONE_AGAIN)
                known = parsed
                self._commits.put(commit, known)
            return known

    def roster_at(self, commit: CommitId) -> Roster:
        """The roster of an accepted commit, or of `main`. NotFoundError, StorageError."""
        store = self._store
        with store.lock:
            if store.tip and commit == store.tip.main:
                return store.tip.roster
            self._require(commit)
            return store.shelf.roster(store.repository, store.ledger.tree_of(commit), self.mode)

    def since(self, count: int) -> Admission:
        """What all commits after the first `count` brought, as if they had been admitted at once; at least one came before."""
        store, history = self._store, self.history
        with store.lock:
            new = [history[history.id(number)] for number in range(count, len(history))]
            older = {head for entry in new for head in history.ordinary_parents(entry)} | set(self.heads)
            heads = history.ordinary_heads(head for head in older if history.number(head) < count)
            before = self._settling().settle(heads).roster
            ordinary = tuple(entry.id for entry in new if not entry.is_merge)
            return Admission(ordinary, (), self.heads, before, self.roster, {})

    def locator(self) -> tuple[CommitId, ...]:
        """What to say we have: heads, then ever older ordinary commits, at most 64. (SCP-04 §3.1)"""
        with self._store.lock:
            return serving.locator(self.history)

    # --- giving

    def pack(self, wants: Iterable[CommitId] | None, haves: Iterable[CommitId], *, stored: bool = False) -> Pack | None:
        """What is reachable from `wants` (None: the heads) and not from `haves`, unknown ones of which are skipped.

        None when there is nothing new; NotFoundError for a want that is no accepted ordinary commit. One batch at most
        (SCP-02 §10): `Pack.heads` says how far it goes. `stored` leaves the entries uncompressed.
        """
        store = self._store
        with store.lock:
            wanted = self.heads if wants is None else tuple(wants)
            for want in wanted:
                if self._require(want).is_merge:
                    raise NotFoundError(f"{want} is a merge: ask for what is built on it")
            missing = self.history.numbers_missing(wanted, haves)
            if not missing:
                return None
            locate = partial(store.repository.locate, stored=stored)
            places, heads = serving.plan(store.ledger, missing, self._folder, locate)
        return Pack(len(places), places.size, heads, serving.stream(places, partial(self._fetch, stored=stored)))

    def small_pack(
        self, since: Iterable[CommitId], limit: int, *, wants: Iterable[CommitId] | None = None
    ) -> bytes | None:
        """A pack of what is behind `wants` (None: the heads) and who has `since` lacks; None: nothing, or over `limit` bytes."""
        with self._store.lock:
            missing = self.history.numbers_missing(self.heads if wants is None else wants, since)
            if not missing or len(missing) * _COMMIT_BYTES_MIN > limit:
                return None
            places, _ = serving.plan(self._store.ledger, missing, self._folder, self._store.repository.locate)
        if places.stored > limit:
            return None
        data = b"".join(serving.stream(places, self._fetch))
        return data if len(data) <= limit else None

    def pack_at_hand(self, since: Iterable[CommitId], limit: int) -> tuple[tuple[CommitId, ...], bytes | None] | None:
        """The heads and the small pack up to them, if that costs neither waiting nor reading; None if it may."""
        store = self._store
        if not store.lock.acquire(blocking=False):
            return None
        try:
            newest = len(self.history) - limits.AT_HAND_COMMITS_MAX
            numbers = [self.history.find(commit) for commit in since]
            if not numbers or any(number is None or number < newest for number in numbers):
                return None
            missing = self.history.missing(self.heads, since)
            if not all(store.repository.holds(bytes.fromhex(entry.id)) for entry in missing):
                return None
            return self.heads, self.small_pack(since, limit)
        finally:
            store.lock.release()

    # --- taking

    def ingest(self) -> Ingest:
        """Take a pack in pieces: `with log.ingest() as ingest: ingest.feed(…); ingest.finish(heads)`. (SCP-04 §4)"""
        return Ingest(self._store)

    def admit(self, pack: bytes, expected_heads: Iterable[CommitId] | None = None) -> Admission:
        """Take a whole pack. PackFault when it is none, StorageError: nothing of it is kept then."""
        with self.ingest() as ingest:
            ingest.feed(pack)
            return ingest.finish(expected_heads)

    def merge_old_forks(self) -> Admission:
        """The user agrees to heads that were held back as old forks, these and later ones. (SCP-02 §6.4 g) StorageError."""
        store = self._store
        with store.lock:
            before = self._tip()
            store.accept_old_forks = True
            staging = Staging(store.repository)
            here = Provisional(store.ledger, staging, store.shelf)
            after = store.tip_of(here, staging, before.merged)
            store.record(here, after, (), staging.written)
            return store.admission((), (), before, after, here)

    # --- writing

    def append(
        self,
        action: Action,
        writer: Writer,
        *,
        now: int,
        profile: bytes | None = None,
        extra: Mapping[str, object] | None = None,
        at: CommitId | None = None,
    ) -> Admission | Rejection:
        """Write one commit on `main`, or on the accepted commit `at`; durable when this returns. NotFoundError, StorageError."""
        return self.append_all([Pending(action, writer, now, profile, extra, at)])[0]

    def append_all(self, items: Sequence[Pending]) -> list[Admission | Rejection]:
        """Write several commits, each on the `main` that those before it made, with one sync for all. NotFoundError, StorageError."""
        store = self._store
        with store.lock:
            tip = self._tip()
            staging = Staging(store.repository)
            judging = store.judging(staging)
            here = judging.provisional
            results: list[Admission | Rejection] = []
            wanted: list[CommitId] = []
            for item in items:
                commit = write(judging, staging, tip, item)
                if isinstance(commit, Rejection):
                    results.append(commit)
                    continue
                if item.at is not None:
                    wanted.append(commit)
                before, tip = tip, store.tip_of(here, staging, (*tip.merged, *wanted))
                results.append(store.admission((commit,), (), before, tip, here))
            outcome = replace(
                judging.outcome(), rejected=()
            )  # of our own we keep no memory: nothing was sent to anybody
            if outcome.accepted:
                store.land(judging, outcome, staging, staging.written, wanted)
            return results

    # --- keeping house

    @property
    def waiting(self) -> int:
        """How many commits are durable and not in git yet. (SCP-04 §4.3a)"""
        return self._store.waiting

    def put_away(self) -> None:
        """Bring all that is durable into git, where any git sees it. To be called when idle. StorageError."""
        with self._store.lock:
            self._store.put_away()

    def rollup(self) -> bool:
        """Copy many small files into one pack, when it is due (SCP-04 §4.7); whether it was. To be called when idle, holds up nobody. StorageError."""
        return housekeeping.roll_up(self._store)

    def verify(self, progress: Progress | None = None) -> Report:
        """Judge all again from the root, from the objects alone; `progress` is told how many commits were judged so far."""
        store = self._store
        with store.lock:
            store.put_away()
            store.users += 1
            tips = list(store.repository.refs().values())
        repository = Repository(self.path, store.files)  # of our own, so that others need not wait
        try:
            return with_damage(audit(repository, tips, self.conversation, progress), repository, self.knows)
        finally:
            repository.rest()
            with store.lock:
                store.users -= 1

    def repair(self) -> Repaired:
        """Put aside what is damaged; what cannot stand without it is lost until others send it. StorageError: try again."""
        with self._store.lock:
            repaired = repairing.repair(self._store)
            self._settler = None
            self._commits = Recent(limits.COMMITS_KEPT_MAX, lambda commit: 1)
            return repaired

    # --- inside

    def _tip(self) -> Tip:
        if self._store.tip is None:
            raise NotFoundError("nothing of this conversation is here yet")
        return self._store.tip

    def _require(self, commit: CommitId) -> Entry:
        entry = self.history.get(commit)
        if entry is None:
            raise NotFoundError(f"no commit {commit} in this conversation")
        return entry

    def _folder(self, oid: bytes, path: str) -> Folder:
        return self._store.shelf.folder(self._store.repository, oid, path)

    def _fetch(self, place: Located, *, stored: bool = False) -> bytes:
        if place.pack is not None:
            return self._store.repository.entry(place, stored=stored)
        with self._store.lock:
            return self._store.repository.entry(place, stored=stored)

    def _settling(self) -> Settler:
        if self._settler is None:
            self._settler = Settler(self.history, self.roster_at)
        return self._settler


def _refused(rejection: Rejection) -> RefusedError:
    return RefusedError(
        rejection.detail or rejection.reason.code,
        data={
            "rule": rejection.rule,
            "code": rejection.reason.code,
            "commit": rejection.commit,
            "path": rejection.path,
        },
    )
