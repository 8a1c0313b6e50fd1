"""How the log of one conversation grows, what that means to who watches, and how far it was told. (SCP-08 §3.3)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Admission, Pending
from swarmchat.conversation import hiding
from swarmchat.ids import CommitId, DeviceId
from swarmchat.swarm import facts
from swarmchat.swarm.events import Event, MessageHidden
from swarmchat.swarm.parts import Witness
from swarmchat.swarm.write_queue import Outcome


class Teller:
    """Lets a log grow, makes events of what it admits, and notes with the witness to which commit all are told."""

    def __init__(self, log: CommitLog, witness: Witness | None) -> None:
        self._log = log
        self._witness = witness
        self._hidden: frozenset[CommitId] | None = None  # as last told; None: nothing was told since the start
        self._told_to = len(log.history)  # all before the commit of this number was told, and these
        self._told: set[int] = set()

    # --- growing: each reads and writes much, for a worker. StorageError

    def append_all(self, items: Sequence[Pending]) -> tuple[list[Outcome], list[list[Event]]]:
        """Write commits; what became of each, and its events."""
        outcomes = self._log.append_all(items)
        return outcomes, [self.describe(each, None) if isinstance(each, Admission) else [] for each in outcomes]

    def merge_old_forks(self) -> tuple[Admission, list[Event]]:
        """Let the old forks that were held back into `main`, and the events of it."""
        admission = self._log.merge_old_forks()
        return admission, self.describe(admission, None)

    def admit(self, pack: bytes, heads: Sequence[CommitId], source: DeviceId) -> tuple[Admission, list[Event]]:
        """Take a pack that a device pushed, and the events of it. PackFault."""
        admission = self._log.admit(pack, heads)
        return admission, self.describe(admission, source)

    def ingest(self, pack: Iterable[bytes]) -> tuple[Admission, list[Event]]:
        """Take a pack that came in a file, and the events of it; a clone is told as one thing: conversation.ready. PackFault."""
        cloning = self._log.is_empty
        with self._log.ingest() as ingest:
            for piece in pack:
                ingest.feed(piece)
            admission = ingest.finish()
        if cloning:
            return admission, list(facts.refusals(self._log.conversation, admission.rejected, None))
        return admission, self.describe(admission, None)

    # --- telling

    def describe(self, admission: Admission, source: DeviceId | None) -> list[Event]:
        """The events of an admission; `source`: the device it came from. Reads much: for a worker."""
        told = facts.of_admission(self._log.conversation, admission, self._log.history, self._log.commit, source=source)
        return [*told, *(MessageHidden(self._log.conversation, commit) for commit in self._newly_hidden(admission))]

    def note_told(self, commits: Iterable[CommitId]) -> None:
        """The events of these were told."""
        if self._witness is None:
            return
        history = self._log.history
        self._told.update(history.number(commit) for commit in commits)
        while self._told_to < len(history):
            if self._told_to not in self._told and not history[history.id(self._told_to)].is_merge:
                break  # of another admission, which is told in a moment
            self._told.discard(self._told_to)
            self._told_to += 1
        self._witness.note_told(self._log.conversation, self._told_to)

    def untold(self) -> int | None:
        """The number of the first commit of which a process that died had not told; None if it had told of all."""
        told = None if self._witness is None else self._witness.told(self._log.conversation)
        return told if told is not None and told < len(self._log.history) else None

    def missed(self, first: int) -> list[Event]:
        """The events of that commit and all after it. Reads much: for a worker. StorageError."""
        return self.describe(self._log.since(first), None)

    def caught_up(self, there: int) -> None:
        """All before the commit of that number was told."""
        if self._witness is not None and self._witness.told(self._log.conversation) != there:
            self._witness.note_told(self._log.conversation, there)

    def _newly_hidden(self, admission: Admission) -> list[CommitId]:
        """What a ban, or a late message of somebody banned, has put out of sight. (SCP-02 §8.2)"""
        with self._log.still():
            now = self._hidden_now()
        before = now.difference(admission.new) if self._hidden is None else self._hidden
        self._hidden = now
        return sorted(now - before)

    def _hidden_now(self) -> frozenset[CommitId]:
        history, roster = self._log.history, self._log.roster
        taken = hiding.removals(history, roster, lambda ban: self._log.fate(ban) is None)
        return hiding.hidden(history, roster, taken, self._log.roster_at)
