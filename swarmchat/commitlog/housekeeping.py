"""Many small files become one pack. (SCP-04 §4.7)"""

from __future__ import annotations

from swarmchat import limits
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.store import Store
from swarmchat.commitlog.trees import COMMIT


def roll_up(store: Store) -> bool:
    """Copy loose objects and the small packs into one, when there are too many of either; whether that was due."""
    if store.users:
        return False  # they may count on objects that no ref reaches yet
    store.put_away()
    repository = store.repository
    loose, packs = repository.loose_objects(), repository.pack_files()
    if len(loose) <= limits.LOOSE_OBJECTS_MAX and len(packs) <= limits.PACKS_MAX:
        return False
    kept = {*(merge.id for merge in store.tip.merges), *store.lost} if store.tip else set(store.lost)
    dropped = [
        oid
        for oid in loose
        if repository.kind_of(oid) == COMMIT and not store.knows(oid.hex()) and oid.hex() not in kept  # type: ignore[arg-type]
    ]
    repository.roll_up(small_ones(packs, len(loose)), sorted(set(loose) - set(dropped)), dropped)
    return True


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
