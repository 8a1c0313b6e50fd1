"""The raw graph of a repository, read from git alone: when rows are lost, or when nothing is to be believed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from swarmchat.commitlog.shelf import Objects
from swarmchat.commitlog.trees import COMMIT
from swarmchat.ids import CommitId

_PARENTS = re.compile(rb"tree [0-9a-f]{40}\n((?:parent [0-9a-f]{40}\n)*)")
_PARENTS_MAX = 64  # twice what a merge may have; whoever has more is refused by the law


def parents_of(raw: bytes) -> tuple[CommitId, ...]:
    """The parents that a commit object names; none where it is no commit object."""
    found = _PARENTS.match(raw)
    names = found[1].split()[1 : 2 * _PARENTS_MAX : 2] if found else []
    return tuple(CommitId(name.decode()) for name in names)


def oldest_first(
    repository: Objects, tips: Iterable[CommitId], known: Callable[[CommitId], bool] = lambda commit: False
) -> Iterator[tuple[CommitId, bytes]]:
    """All commits reachable from `tips` and not `known`, parents before children; MissingObjectError."""
    done: set[CommitId] = set()
    for tip in sorted(set(tips)):
        if tip in done or known(tip):
            continue
        stack: list[tuple[CommitId, list[CommitId]]] = [(tip, _open_parents(repository, tip, done, known))]
        opened = {tip}
        while stack:
            commit, waiting = stack[-1]
            if waiting:
                parent = waiting.pop()
                if parent not in done and parent not in opened:
                    opened.add(parent)
                    stack.append((parent, _open_parents(repository, parent, done, known)))
                continue
            stack.pop()
            done.add(commit)
            yield commit, repository.read(COMMIT, bytes.fromhex(commit))


def _open_parents(
    repository: Objects, commit: CommitId, done: set[CommitId], known: Callable[[CommitId], bool]
) -> list[CommitId]:
    parents = parents_of(repository.read(COMMIT, bytes.fromhex(commit)))
    return [parent for parent in reversed(parents) if parent not in done and not known(parent)]
