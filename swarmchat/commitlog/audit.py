"""A history judged all over again, from its objects alone. (SCP-02 §9)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from swarmchat.commitlog.damage import survey
from swarmchat.commitlog.files import Files
from swarmchat.commitlog.graph import oldest_first
from swarmchat.commitlog.judging import Judging
from swarmchat.commitlog.ledger import Ledger, Provisional
from swarmchat.commitlog.repository import DamagedObjectError, MissingObjectError, Repository
from swarmchat.commitlog.shelf import Objects, Shelf
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.keys import PublicKey
from swarmchat.ids import CommitId, ConversationId, DeviceId

Progress = Callable[[int], None]  # commits judged so far
FORMAT: Final = "swarmchat"  # the rules of this project, as `verify` names them
_PROGRESS_EVERY = 256


@dataclass(frozen=True, slots=True)
class Report:
    """What a history is worth: whether all of it is valid, what it holds, where it stands, and what was refused and why."""

    valid: bool
    conversation: ConversationId | None
    commits: int  # valid ordinary commits
    merges: int
    heads: tuple[CommitId, ...]
    roster: Roster | None  # settled, of all heads; None when nothing is valid
    rejections: tuple[Rejection, ...]
    signers: Mapping[DeviceId, PublicKey]  # every device that ever stood in the history
    form: str = FORMAT  # whose rules it was judged by


def verify(path: Path, conversation: ConversationId | None = None, progress: Progress | None = None) -> Report:
    """Judge all that the refs of a repository reach, bare or with a work tree, without changing it.

    `conversation` is what it claims to be; None takes the root it has. NotFoundError when there is no repository.
    """
    repository = Repository.foreign(path, Files())
    try:
        report = audit(repository, repository.refs().values(), conversation, progress)
        return with_damage(report, repository, lambda commit: False)
    finally:
        repository.rest()


def audit(
    repository: Objects,
    tips: Iterable[CommitId],
    conversation: ConversationId | None,
    progress: Progress | None = None,
) -> Report:
    """Judge all that `tips` reach."""
    here = Provisional(Ledger(), repository, Shelf())
    judging: Judging | None = None
    damage: list[Rejection] = []
    tips = sorted(set(tips))
    try:
        for count, (commit, raw) in enumerate(oldest_first(repository, tips), 1):
            if judging is None:
                root = conversation or ConversationId(commit)
                judging = Judging(root, here, remembers_all=True)
            _consider(judging, commit, raw)
            if progress is not None and count % _PROGRESS_EVERY == 0:
                progress(count)
    except (MissingObjectError, DamagedObjectError) as error:
        damage.append(Rejection(Reason.MISSING_OBJECT, error.message))
    if judging is None:
        return Report(not damage, conversation, 0, 0, (), None, tuple(damage), {})
    outcome = judging.outcome(keep_merges=True)
    rejections = (*outcome.rejected, *damage)
    final = Provisional(Ledger(), repository, here.shelf)
    for judged in outcome.accepted:
        final.add(judged)
    heads = final.history.heads
    merges = sum(1 for judged in outcome.accepted if judged.fact.account is None)
    return Report(
        not rejections,
        ConversationId(final.history.root.id) if len(final.history) else conversation,
        len(outcome.accepted) - merges,
        merges,
        heads,
        final.settler.settle(heads).roster if heads else None,
        rejections,
        _signers(final.history),
    )


def with_damage(report: Report, repository: Repository, known: Callable[[CommitId], bool]) -> Report:
    """The same, with every damaged file of the object store named; `known` tells commits from other objects. StorageError."""
    found = tuple(
        Rejection(
            Reason.MISSING_OBJECT,
            f"{one.path} is damaged: {one.what}",
            one.path,
            CommitId(one.oid) if one.oid is not None and known(CommitId(one.oid)) else None,
        )
        for one in survey(repository, strays=not report.valid).damage
    )
    return replace(report, valid=report.valid and not found, rejections=(*report.rejections, *found))


def _signers(history: History) -> dict[DeviceId, PublicKey]:
    found: dict[DeviceId, PublicKey] = {}
    for entry in history.controls:
        for path, content in entry.fact.control.changes.items() if entry.fact.control else ():
            if path.startswith("devices/") and content is not None:
                certificate = Certificate.from_pem(content)
                found[certificate.device_id] = certificate.key
    return found


def _consider(judging: Judging, commit: CommitId, raw: bytes) -> None:
    try:
        judging.consider(commit, raw)
    except (MissingObjectError, DamagedObjectError) as error:
        judging.refuse(Rejection(Reason.MISSING_OBJECT, error.message, commit=commit))
