"""The accepted commits with their trees, and a provisional continuation of them. (SCP-02 §7)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarmchat.commitlog.shelf import Objects, Shelf
from swarmchat.commitlog.trees import COMMIT, Folder, rebuild
from swarmchat.conversation.actions import Initial
from swarmchat.conversation.branch import Branch
from swarmchat.conversation.commit import Commit, Merge, parse
from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.settling import Settler
from swarmchat.conversation.tree import Mode
from swarmchat.ids import CommitId, TreeId


@dataclass(frozen=True, slots=True)
class Judged:
    """One valid commit and its tree."""

    fact: Fact
    tree: TreeId


@dataclass(slots=True)
class Ledger:
    """The accepted commits and the tree of each, by its number. Both grow only."""

    history: History = field(default_factory=History)
    trees: list[TreeId] = field(default_factory=list)

    def add(self, judged: Judged) -> None:
        """Take in an accepted commit whose parents are here; a known one changes nothing."""
        if judged.fact.id not in self.history:
            self.history.add(judged.fact)
            self.trees.append(judged.tree)

    def grow(self, here: Provisional) -> None:
        """Take in all that `here` adds; it is not to be added to any more."""
        if here.size or len(self.history):
            for judged in here.added:
                self.add(judged)
        else:  # nothing to continue: what was judged is all there is, and need not stand in memory twice
            self.history.take_over(here.history)
            self.trees.extend([judged.tree for judged in here.added])

    def tree_of(self, commit: CommitId) -> TreeId:
        """The tree of an accepted commit; KeyError."""
        return self.trees[self.history.number(commit)]


class Provisional:
    """A ledger as it stands, and commits that may enter it. Answers about all of them; changes nothing there."""

    def __init__(self, ledger: Ledger, objects: Objects, shelf: Shelf) -> None:
        self.objects = objects
        self.shelf = shelf
        self.size = len(ledger.history)
        self.history: History = Branch(ledger.history) if self.size else History()
        self.added: list[Judged] = []
        self._ledger = ledger
        self._settler: Settler | None = None

    def add(self, judged: Judged) -> None:
        """Take in one more; a known one changes nothing."""
        if judged.fact.id not in self.history:
            self.history.add(judged.fact)
            self.added.append(judged)

    @property
    def mode(self) -> Mode:
        """The mode that the root fixed."""
        return mode_of(self.history)

    def tree_of(self, commit: CommitId) -> TreeId:
        """The tree of one of the commits; KeyError."""
        number = self.history.number(commit)
        return self._ledger.trees[number] if number < self.size else self.added[number - self.size].tree

    def commit(self, commit: CommitId) -> Commit | Merge:
        """One of the commits, parsed; MissingObjectError."""
        parsed = parse(commit, self.objects.read(COMMIT, bytes.fromhex(commit)))
        assert not isinstance(parsed, Rejection), "what is accepted can be parsed"
        return parsed

    def load(self, oid: bytes, path: str) -> Folder:
        """The folder at `path` with this id; TreeFaultError, MissingObjectError."""
        return self.shelf.folder(self.objects, oid, path)

    def roster_at(self, commit: CommitId) -> Roster:
        """The roster of one of the commits."""
        return self.shelf.roster(self.objects, self.tree_of(commit), self.mode)

    def tree_id(self, roster: Roster, near: TreeId, put: Callable[[int, bytes], bytes]) -> TreeId:
        """The tree that a roster renders to; its folders that differ from the known tree `near` are given to `put`."""
        changes = self.shelf.roster(self.objects, near, self.mode).difference(roster)
        if not changes:
            return near
        tree = TreeId(rebuild(bytes.fromhex(near), changes, self.load, put).hex())
        self.shelf.keep(tree, roster)
        return tree

    @property
    def settler(self) -> Settler:
        """Settles sets of the commits."""
        if self._settler is None:
            self._settler = Settler(self.history, self.roster_at)
        return self._settler


def mode_of(history: History) -> Mode:
    """The mode of a conversation, from its root."""
    control = history.root.fact.control
    assert control is not None
    assert isinstance(control.action, Initial)
    return control.action.mode
