"""Somebody's repository or bundle, read only: what made it, and whether it is valid. (SCP-02 §9.1)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarmchat.commitlog import jami
from swarmchat.commitlog.audit import Progress, Report, audit
from swarmchat.commitlog.bundles import Bundle
from swarmchat.commitlog.files import Files
from swarmchat.commitlog.graph import parents_of
from swarmchat.commitlog.jami import Source
from swarmchat.commitlog.repository import MAIN, DamagedObjectError, MissingObjectError, Repository
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation.jami.commit import is_jami
from swarmchat.ids import CommitId, ConversationId

_NAMED = re.compile(r"([0-9a-f]{40})(?:\.git|\.bundle)?")
_BRANCH = "refs/heads/"


def verify(path: Path, progress: Progress | None = None) -> Report:
    """Judge a history by the law of whoever made it, without changing it; NotFoundError when there is none at `path`."""
    with opened(path) as source:
        tip = jami_tip(source)
        if tip is not None:
            return jami.audit(source, tip, claimed(path), progress).report
        return audit(source, source.refs().values(), None, progress)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The objects and refs at a path: a bare repository, a work tree, or a file that is a bundle."""
    source: Source = Bundle(path) if path.is_file() else Repository.foreign(path, Files())
    try:
        yield source
    finally:
        source.rest()


def jami_tip(source: Source) -> CommitId | None:
    """The newest commit of a history that Jami made; None where somebody else made it, or nobody can tell.

    It is that of `main`, or of the only branch: what Jami keeps of others' branches it may have refused itself.
    """
    branches = {name: commit for name, commit in source.refs().items() if name.startswith(_BRANCH)}
    tip = branches.get(MAIN) or (next(iter(branches.values())) if len(branches) == 1 else None)
    if tip is None:
        return None
    try:
        return tip if is_jami(_root(source, tip)) else None
    except (MissingObjectError, DamagedObjectError):
        return None


def claimed(path: Path) -> ConversationId | None:
    """The conversation that the name of a repository claims it to be: Jami names the folder by the first commit."""
    name = path.parent.name if path.name == ".git" else path.name
    found = _NAMED.fullmatch(name)
    return ConversationId(found[1]) if found else None


def _root(source: Source, tip: CommitId) -> bytes:
    raw = source.read(COMMIT, bytes.fromhex(tip))
    while parents := parents_of(raw):
        raw = source.read(COMMIT, bytes.fromhex(parents[0]))
    return raw
