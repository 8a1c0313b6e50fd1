"""The commits of one conversation as its session sees them. (SCP-04 §2)"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from swarmchat.commitlog.log import CommitLog
from swarmchat.ids import CommitId, ConversationId
from swarmchat.swarm.session import Heads


class LogDag:
    """What the session may ask of a commit log."""

    def __init__(self, log: CommitLog, barren: Callable[[ConversationId], Iterable[CommitId]]) -> None:
        self._log = log
        self._barren = barren

    @property
    def heads(self) -> Heads:
        """The ordinary heads, sorted."""
        return self._log.heads

    def knows(self, commit: CommitId) -> bool:
        """Whether it is accepted here."""
        return self._log.knows(commit)

    def refuses(self, commit: CommitId) -> bool:
        """Whether it was judged invalid."""
        return self._log.refusal(commit) is not None or commit in self._barren(self._log.conversation)

    def covers(self, have: Iterable[CommitId], heads: Iterable[CommitId]) -> bool:
        """Whether each of `heads` is one of `have` or an ancestor of one."""
        history, had = self._log.history, set(have)
        entries = [entry for commit in had if (entry := history.get(commit)) is not None]
        wanted = [history.get(head) for head in heads]
        return all(
            entry is not None and (entry.id in had or any(history.reaches(each, entry) for each in entries))
            for entry in wanted
        )
