"""What a damaged disk has left of a history: kept as far as it is whole, and joined again with what others send. (SCP-02 §7.5, SCP-04 §4.5a)

A commit whose object, tree or ancestor is damaged cannot stand: it and what is built on it is *lost*, and noted as that.
The intact objects among them stay in the store. Others are asked for what is missing as for anything that is not here; when
it has come, the intact ones stand again without a journey, our own included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from swarmchat.commitlog.damage import Damage, survey
from swarmchat.commitlog.files import DamageError
from swarmchat.commitlog.graph import parents_of
from swarmchat.commitlog.judging import Judging, UnknownParentError
from swarmchat.commitlog.ledger import Ledger, Provisional
from swarmchat.commitlog.repository import Repository
from swarmchat.commitlog.shelf import Shelf
from swarmchat.commitlog.staging import Staging
from swarmchat.commitlog.store import Store
from swarmchat.commitlog.trees import COMMIT
from swarmchat.commitlog.writing import Admission
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId


@dataclass(frozen=True, slots=True)
class Repaired:
    """The damaged files, now put aside, and the commits that cannot stand until others send what is missing; both sorted."""

    damage: tuple[Damage, ...]
    lost: tuple[CommitId, ...]


def repair(store: Store) -> Repaired:
    """Put damaged files aside and judge the rest again from the root; under the lock. StorageError: try again.

    What was known, or where that is gone too every commit that is here, stands again or is lost.
    """
    if store.users:
        raise StorageError(f"{store.path} is being read or written", hint="try again in a moment")
    store.put_away()
    repository = store.repository
    found = survey(repository)
    found.put_aside(repository, store.files)
    here = {CommitId(oid.hex()) for oid, kind in found.objects.items() if kind == COMMIT}
    known = {entry.id for entry in store.ledger.history.entries} | store.noted
    staging = Staging(repository)
    judging = Judging(store.conversation, Provisional(Ledger(), staging, Shelf()), store.refusal)
    parents = _stand(judging, repository, here & (known | store.lost) if known else here)
    outcome = judging.outcome()
    wanted = known | store.lost | store.named | {commit for commit in parents if len(parents[commit]) < 2}
    wanted |= {parent for theirs in parents.values() for parent in theirs}
    # In this order: after a crash in between, the next opening finds that what is noted as lost is known, and begins again.
    store.note_lost(
        {each for each in wanted if each not in judging.provisional.history and not judging.rejection(each)}
    )
    store.begin_anew(staging, outcome)
    return Repaired(tuple(sorted(found.damage, key=lambda one: one.path)), tuple(sorted(store.lost)))


def reclaim(store: Store, admission: Admission) -> Admission:
    """Let what was lost and is intact stand again on what has just come; gives the admission of all. StorageError."""
    if not store.lost or not admission.new:
        return admission
    repository = store.repository
    left = {commit for commit in store.lost if not store.knows(commit)}
    staging = Staging(repository)
    judging = Judging(store.conversation, Provisional(store.ledger, staging, store.shelf), store.refusal)
    _stand(judging, repository, {commit for commit in left if repository.has(bytes.fromhex(commit))})
    outcome = judging.outcome()
    if outcome.accepted:
        more = store.land(judging, outcome, staging, staging.written)
        effects = {**admission.effect_changed, **more.effect_changed}
        admission = replace(more, new=(*admission.new, *more.new), before=admission.before, effect_changed=effects)
    with suppress(StorageError):  # it is found out again when the log is opened next
        store.note_lost({each for each in left if not store.knows(each) and not judging.rejection(each)})
    return admission


def _stand(
    judging: Judging, repository: Repository, candidates: Iterable[CommitId]
) -> dict[CommitId, tuple[CommitId, ...]]:
    """Judge those of the candidates whose ancestors are all there, parents first; the parents of all of them."""
    parents = {commit: parents_of(repository.read(COMMIT, bytes.fromhex(commit))) for commit in sorted(candidates)}
    known = judging.provisional.history
    missing = {commit: {one for one in theirs if one not in known} for commit, theirs in parents.items()}
    children: dict[CommitId, list[CommitId]] = defaultdict(list)
    for commit, theirs in missing.items():
        for parent in theirs:
            children[parent].append(commit)
    ready = [commit for commit, theirs in missing.items() if not theirs]
    while ready:
        commit = ready.pop()
        try:
            judging.consider(commit, repository.read(COMMIT, bytes.fromhex(commit)))
        except (DamageError, UnknownParentError):
            continue  # it cannot stand, nor what is built on it
        for child in children[commit]:
            missing[child].discard(commit)
            if not missing[child]:
                ready.append(child)
    return parents
