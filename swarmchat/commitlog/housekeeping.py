"""Many small files become one pack, and commits in it deltas. (SCP-04 §4.7)

What is to be done is told under the log's lock, and done there; the copying between them, which may take seconds, holds up
nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.commitlog.copying import Copies, Entry
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.repository import Draft, Repository
from swarmchat.commitlog.store import Store
from swarmchat.commitlog.trees import COMMIT
from swarmchat.ids import CommitId


def roll_up(store: Store) -> bool:
    """Copy loose objects, packs that came in whole and the small packs into one, when it is due; whether that was done. StorageError.

    Nothing is done where somebody else counts on the object store as it is, before or after the copying, nor when the store was
    told to rest meanwhile.
    """
    with store.lock:
        plan = _planned(store)
        if plan is None:
            return False
        store.users += 1
        rests = store.rests
    try:
        draft, dropped = _copied(store, plan, lambda: store.rests == rests)
    except _BrokenOffError:
        return False
    finally:
        with store.lock:
            store.users -= 1
    with store.lock:
        if store.users or store.rests != rests:
            if draft is not None:
                store.repository.drop(draft)
            return False
        needed = {oid for oid in dropped if not _is_superseded(store, oid)}  # since
        new = store.repository.replace(draft, plan.packs, {*plan.loose} - needed)
        if new is not None:
            store.rolled.add(new.name)
        return True


@dataclass(frozen=True, slots=True)
class _Plan:
    packs: Sequence[PackFile]
    loose: Sequence[bytes]
    superseded: Sequence[bytes]  # of them; if commits, merges that nobody needs any more


class _BrokenOffError(Exception):
    """The copying is not wanted any more."""


def _planned(store: Store) -> _Plan | None:
    if store.users:
        return None  # they may count on objects that no ref reaches yet
    store.put_away()
    loose, packs = store.repository.loose_objects(), store.repository.pack_files()
    plain = [pack for pack in packs if pack.path.name not in store.rolled and pack.is_plain]
    scattered = len(loose) + sum(pack.count for pack in plain)
    if scattered <= limits.LOOSE_OBJECTS_MAX and len(packs) <= limits.PACKS_MAX:
        return None
    small = small_ones([pack for pack in packs if pack not in plain], scattered)
    return _Plan([*plain, *small], loose, [oid for oid in loose if _is_superseded(store, oid)])


def _is_superseded(store: Store, oid: bytes) -> bool:
    """Whether nobody needs this object, if it is a commit: no row knows it, nothing refers to it and nobody has lost it."""
    commit = CommitId(oid.hex())
    merges = {merge.id for merge in store.tip.merges} if store.tip else set()
    return not (store.knows(commit) or commit in merges or commit in store.lost)


def _copied(store: Store, plan: _Plan, is_wanted: Callable[[], bool]) -> tuple[Draft | None, Sequence[bytes]]:
    """The new pack, if there is anything for it, and the commits that were left out. Without the lock."""
    repository = Repository(store.path, store.files)  # of our own, so that others need not wait
    try:
        dropped = [oid for oid in plan.superseded if repository.kind_of(oid) == COMMIT]
        loose = sorted(set(plan.loose) - set(dropped))
        copies = Copies(plan.packs, loose, repository.read_any)
        if not len(copies):
            return None, dropped
        path = repository.incoming / "roll-up.pack"
        store.files.remove(path)  # one that could not be removed when it failed
        store.files.remove(path.with_suffix(".idx"))
        return repository.draft(path, len(copies), _while(copies, is_wanted)), dropped
    finally:
        repository.rest()


def _while(copies: Iterable[Entry], is_wanted: Callable[[], bool]) -> Iterable[Entry]:
    for entry in copies:
        if not is_wanted():
            raise _BrokenOffError
        yield entry


def small_ones(packs: list[PackFile], loose: int) -> list[PackFile]:
    """The packs to be copied together with so many loose objects: those that are not twice as big as all smaller ones.

    So each object is copied a number of times that grows with the logarithm of the history, not with the history. At least
    so many that no more than `limits.PACKS_MAX` are left.
    """
    chosen: list[PackFile] = []
    together = loose
    least = len(packs) + 1 - limits.PACKS_MAX
    for pack in sorted(packs, key=lambda pack: (pack.count, pack.path.name)):
        if len(chosen) >= least and pack.count > 2 * together:
            break
        chosen.append(pack)
        together += pack.count
    return chosen
