"""All commit logs of this node, in one folder: `<conversation id>.git` each. (SCP-08 §1.1)"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from swarmchat import limits
from swarmchat.commitlog.files import Files, refusals
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Writer
from swarmchat.conversation.actions import Initial
from swarmchat.errors import NotFoundError
from swarmchat.ids import ConversationId, conversation_id

_SUFFIX = ".git"
_GOING = ".removed"


class Catalog:
    """Opens each log once and gives the same one to all who ask; at most a few dozen hold files open at a time.

    Thread-safe. Opening waits for the disk, so callers off-load.
    """

    def __init__(self, folder: Path, files: Files | None = None, *, accept_old_forks: bool = False) -> None:
        self._folder = folder
        self._accept_old_forks = accept_old_forks
        self._files = files or Files()
        self._lock = threading.RLock()
        self._trials = 0
        self._logs: OrderedDict[ConversationId, CommitLog] = OrderedDict()
        self._files.make_folder(folder)
        with refusals(folder, "read"):
            left = sorted(path for path in folder.iterdir() if path.name.startswith("."))
        for path in left:  # halves of a creation or removal that a crash ended
            self._files.remove_tree(path)

    def list(self) -> tuple[ConversationId, ...]:
        """All conversations that are here, empty ones included, sorted."""
        with self._lock, refusals(self._folder, "read"):
            names = [path.name.removesuffix(_SUFFIX) for path in self._folder.iterdir() if path.suffix == _SUFFIX]
        return tuple(sorted(found for found in map(_parsed, names) if found is not None))

    def path(self, conversation: ConversationId) -> Path:
        """Where the repository of a conversation is, or would be."""
        return self._folder / f"{conversation}{_SUFFIX}"

    def open(self, conversation: ConversationId) -> CommitLog:
        """The log of a conversation; NotFoundError, StorageError."""
        with self._lock:
            log = self._logs.get(conversation)
            if log is None:
                path = self.path(conversation)
                if not path.is_dir():
                    raise NotFoundError(f"no conversation {conversation} here")
                log = CommitLog.open(path, conversation, files=self._files, accept_old_forks=self._accept_old_forks)
            return self._used(log)

    def create(
        self, writer: Writer, root: Initial, *, now: int, extra: Mapping[str, object] | None = None
    ) -> CommitLog:
        """A new conversation; RefusedError, StorageError."""
        with self._lock:
            draft = self._folder / ".new"
            self._files.remove_tree(draft)
            log = CommitLog.create(draft, writer, root, now=now, extra=extra, files=self._files)
            log.close()
            path = self.path(log.conversation)
            self._files.rename(draft, path)
            self._files.sync_folder(self._folder)
            return self.open(log.conversation)

    def prepare(self, conversation: ConversationId) -> CommitLog:
        """An empty log to be cloned into, or the one that is there. StorageError."""
        with self._lock:
            log = self._logs.get(conversation) or CommitLog.prepare(
                self.path(conversation), conversation, files=self._files, accept_old_forks=self._accept_old_forks
            )
            return self._used(log)

    @contextmanager
    def trial(self, conversation: ConversationId) -> Iterator[CommitLog]:
        """An empty log to look at what somebody offers; it is gone afterwards, at the latest with the next start. StorageError."""
        with self._lock:
            self._trials += 1
            path = self._folder / f".{conversation}.trial{self._trials}"
        self._files.remove_tree(path)
        log = CommitLog.prepare(path, conversation, files=self._files)
        try:
            yield log
        finally:
            log.close()
            self._files.remove_tree(path)

    def remove(self, conversation: ConversationId) -> None:
        """Remove a conversation from this disk; one that is not here is no fault. StorageError."""
        with self._lock:
            log = self._logs.pop(conversation, None)
            if log is not None:
                log.close()
            path = self.path(conversation)
            if path.exists():
                going = self._folder / f".{conversation}{_GOING}"
                self._files.remove_tree(going)
                self._files.rename(path, going)  # gone in one step, whatever happens to the rest
                self._files.sync_folder(self._folder)
                self._files.remove_tree(going)

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for log in self._logs.values():
                log.close()
            self._logs.clear()

    def _used(self, log: CommitLog) -> CommitLog:
        self._logs[log.conversation] = log
        self._logs.move_to_end(log.conversation)
        for idle in list(self._logs.values())[: -limits.OPEN_LOGS_MAX]:
            idle.close()  # it opens its files again when somebody asks it; what it knows stays in memory
        return log


def _parsed(name: str) -> ConversationId | None:
    try:
        return conversation_id(name)
    except ValueError:
        return None
