"""A pack on its way in: quarantined, scanned and judged while it arrives, stored when it is whole. (SCP-02 §7, SCP-04 §4)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from swarmchat import limits
from swarmchat.commitlog.files import NewFile
from swarmchat.commitlog.graph import parents_of
from swarmchat.commitlog.judging import Outcome, UnknownParentError
from swarmchat.commitlog.packs import Packed, PackFaultError, Scanned, Scanner
from swarmchat.commitlog.repair import reclaim
from swarmchat.commitlog.repository import MissingObjectError
from swarmchat.commitlog.staging import PackStaging, entries_at
from swarmchat.commitlog.steps import Object
from swarmchat.commitlog.store import Store
from swarmchat.commitlog.trees import COMMIT, TreeFaultError, additions
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation.commit import Merge
from swarmchat.ids import CommitId


class Ingest:
    """One pack for one log. A context manager: what was not finished is forgotten at its end, and nothing of it is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scanner = Scanner()
        self._table: list[Packed] = []
        self._ends: set[CommitId] = set()  # commits of the pack that none of its commits is built on
        self._merges: set[CommitId] = set()
        self._unused: set[bytes] = set()  # trees and blobs that no commit has used yet
        self._small: list[Scanned] | None = []  # all of them, while there are few: then there is no file
        self._small_bytes = 0
        self._commits = 0
        self._head = b""
        self._file: NewFile | None = None
        with store.lock:
            self._staging = PackStaging(store.repository)
            self._judging = store.judging(self._staging)
            store.users += 1
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def progress(self) -> tuple[int, int | None]:
        """Objects seen, and objects in all once the pack has said so."""
        return self._scanner.done, self._scanner.total

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, as many as there are; PackFault, StorageError: the ingest is over then."""
        if not self._open:
            raise ValueError("this ingest is over")
        with self._store.lock, self._faults():
            found = self._scanner.feed(chunk)
            self._quarantine(chunk)
            self._judging.refuse_broken()
            for scanned in found:
                self._take(scanned)

    def finish(self, expected_heads: Iterable[CommitId] | None = None) -> Admission:
        """Store what is valid. With `expected_heads` the pack must end in exactly those of them that were not here.

        PackFault when the pack is not whole or another than announced, StorageError: nothing of it is kept then.
        """
        if not self._open:
            raise ValueError("this ingest is over")
        with self._faults():
            if not self._scanner.complete:
                raise PackFaultError("the pack ends early")
            if self._ends & self._merges:
                raise PackFaultError("a merge that no commit of the pack is built on")
            self._judging.wait()
            with self._store.lock:
                if expected_heads is not None:
                    self._compare(frozenset(expected_heads))
                outcome = self._judging.outcome(self._named_ends())
                if self._unused and not outcome.rejected:
                    raise PackFaultError("objects that no commit uses")
                whole = not outcome.rejected
                admission = self._store.land(self._judging, outcome, self._staging, lambda: self._keep(outcome, whole))
                admission = reclaim(self._store, admission)
        self.close()
        return admission

    def cut(self) -> Admission:
        """Store what has come so far and is valid, and do without the rest: a strict pack is complete up to each of its commits.

        StorageError: nothing of it is kept then. (SCP-04 §3.2)
        """
        if not self._open:
            raise ValueError("this ingest is over")
        with self._faults():
            self._judging.wait()
            with self._store.lock:
                outcome = self._judging.outcome(self._named_ends())
                admission = self._store.land(
                    self._judging, outcome, self._staging, lambda: self._keep(outcome, whole=False)
                )
                admission = reclaim(self._store, admission)
        self.close()
        return admission

    def close(self) -> None:
        """Forget what was not finished; twice is once."""
        if not self._open:
            return
        self._open = False
        self._judging.cancel()
        with self._store.lock:
            self._store.users -= 1
            if self._file is not None:
                self._file.close()
                self._store.repository.discard(self._file.path)

    # --- inside

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What shows only while judging, and is the fault of who sent the pack."""
        try:
            yield
        except UnknownParentError as error:
            self.close()
            raise PackFaultError(str(error)) from None
        except MissingObjectError as error:
            self.close()
            raise PackFaultError(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _quarantine(self, chunk: bytes) -> None:
        """Once it is clear that there are many objects, all bytes go to a file that git never looks at."""
        if self._file is not None:
            self._file.write(chunk)
            return
        if self._small is None:
            return
        total = self._scanner.total
        if total is None or total < limits.LOOSE_OBJECTS_PER_BATCH:
            self._head += chunk if total is None else b""
            return
        repository = self._store.repository
        self._file = self._store.files.create(repository.quarantine())
        self._staging.file = self._file.path
        self._file.write(self._head + chunk)
        self._head, self._small = b"", None

    def _take(self, scanned: Scanned) -> None:
        packed, raw = scanned
        if self._small is None:
            self._table.append(packed)
        else:
            self._small.append(scanned)
            self._small_bytes += len(raw)
            if self._small_bytes > limits.STAGED_TREE_BYTES_MAX:
                raise PackFaultError("too much in too few objects")
        if packed.kind != COMMIT:
            self._staging.add(packed, raw)
            self._unused.add(packed.oid)
            return
        self._commits += 1
        if self._commits > limits.BATCH_COMMITS_MAX:
            raise PackFaultError(f"over {limits.BATCH_COMMITS_MAX} commits in one pack")
        commit = CommitId(packed.oid.hex())
        parsed = self._judging.consider(commit, raw)
        self._ends.difference_update(parents_of(raw) if parsed is None else parsed.parents)
        self._ends.add(commit)
        if isinstance(parsed, Merge):
            self._merges.add(commit)
        if self._unused and raw.startswith(b"tree "):
            with suppress(TreeFaultError, ValueError):  # of a commit that is refused for it
                self._use(bytes.fromhex(raw[5:45].decode("ascii", "replace")), "")

    def _use(self, tree: bytes, path: str) -> None:
        if tree not in self._unused:
            return
        self._unused.discard(tree)
        for name, node in self._judging.provisional.load(tree, path).items():
            if node.is_folder:
                self._use(node.oid, f"{path}/{name}" if path else name)
            else:
                self._unused.discard(node.oid)

    def _compare(self, expected: frozenset[CommitId]) -> None:
        if self._ends - expected:
            raise PackFaultError("the pack ends in commits that were not announced")
        for head in sorted(expected - self._ends):
            if not self._store.knows(head) and self._store.refusal(head) is None:
                raise PackFaultError(f"{head} was announced and is not in the pack")

    def _named_ends(self) -> list[CommitId]:
        return sorted(self._ends)[: limits.WANTED_HEADS_MAX]

    def _keep(self, outcome: Outcome, whole: bool) -> Sequence[Object]:
        """The objects of the valid part. Those of a big pack are stored now: the `whole` as it came, else without what is refused."""
        repository = self._store.repository
        if self._small is not None:
            contents = {scanned.packed.oid: scanned for scanned in self._small}
            wanted = contents if whole else self._wanted(outcome)
            objects = [(contents[oid].packed.kind, oid, contents[oid].raw) for oid in wanted]
            return [*objects, *self._staging.written()]
        assert self._file is not None
        if not whole:
            places = {packed.oid: packed for packed in self._table}
            rows = [places[oid] for oid in self._wanted(outcome)]
            repository.write_pack(len(rows), entries_at(self._file.path, rows))
        else:
            trailer = self._scanner.trailer
            assert trailer is not None
            repository.adopt(self._file, self._table, trailer)
        return self._staging.written()

    def _wanted(self, outcome: Outcome) -> dict[bytes, None]:
        """The objects of the pack that accepted commits need, in the order of a strict pack."""
        here = self._judging.provisional
        seen: set[bytes] = set()
        wanted: dict[bytes, None] = {}
        for judged in outcome.accepted:
            parents = judged.fact.parents
            base = bytes.fromhex(here.tree_of(parents[0])) if parents else None
            for _, oid in additions(base, bytes.fromhex(judged.tree), here.load, seen):
                if self._staging.is_packed(oid):
                    wanted[oid] = None
            wanted[bytes.fromhex(judged.fact.id)] = None
        return wanted
