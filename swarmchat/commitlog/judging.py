"""Commits judged one after the other on top of an accepted history: what we write, what strangers send, what is verified. (SCP-02 §7)

Nothing here is stored. `outcome` says what may enter, and why the rest may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.commitlog.ledger import Judged, Provisional
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.repository import MissingObjectError
from swarmchat.commitlog.signatures import Signatures
from swarmchat.commitlog.trees import TreeFaultError, additions
from swarmchat.conversation.commit import Commit, Merge, parse
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes
from swarmchat.conversation.rules.judge import judge, signature_item
from swarmchat.conversation.rules.merging import judge_merge
from swarmchat.ids import CommitId, ConversationId, TreeId

_REMEMBERED = limits.REJECTIONS_REMEMBERED_MAX


class UnknownParentError(Exception):
    """A commit came before its parent, or without it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was judged: the valid commits, parents first, and the refusals to remember, in the order of judging."""

    accepted: tuple[Judged, ...]
    rejected: tuple[Rejection, ...]


class Judging:
    """Judges commits in an order with parents first. Not for two threads at once."""

    def __init__(
        self,
        conversation: ConversationId,
        provisional: Provisional,
        refusal: Callable[[CommitId], Rejection | None] = lambda commit: None,
        *,
        remembers_all: bool = False,
    ) -> None:
        self.provisional = provisional
        self._conversation = conversation
        self._refusal = refusal  # what was judged and refused before
        self._remembers_all = remembers_all
        self._rejected: dict[CommitId, Rejection] = {}
        self._beyond: dict[CommitId, Reason] = {}  # refused as well; only these words are kept of it
        self._signatures = Signatures()
        self._present: set[bytes] = set()  # objects that are known to be staged or stored

    # --- judging

    def consider(self, commit: CommitId, raw: bytes) -> Commit | Merge | None:
        """Judge one commit object whose id was computed; gives it parsed, None if it is known or cannot be parsed.

        UnknownParentError when its parent is neither accepted, nor refused, nor earlier; MissingObjectError when its tree is
        not whole: nobody can tell then whether it is valid.
        """
        if commit in self.provisional.history:
            return None
        if fault := self._refusal(commit):
            self.refuse(fault)
            return None
        parsed = parse(commit, raw)
        if isinstance(parsed, Rejection):
            self.refuse(parsed)
            return None
        for parent in parsed.parents:
            if self._is_refused(parent) or self._refusal(parent):
                self.refuse(_built_on(parent, commit))
                return parsed
            if parent not in self.provisional.history:
                raise UnknownParentError(f"{commit} is built on {parent}, which is not here")
        try:
            fault = self._judge(parsed) if isinstance(parsed, Commit) else self._judge_merge(parsed)
        except TreeFaultError as error:
            fault = Rejection(Reason.MALFORMED_TREE, error.detail, error.path, commit)
        if fault:
            self.refuse(fault)
        return parsed

    def refuse(self, rejection: Rejection) -> None:
        """Refuse a commit. After the first 1,024 the words are forgotten, unless this one `remembers_all`."""
        assert rejection.commit is not None
        if self._is_refused(rejection.commit):
            return
        if self._remembers_all or len(self._rejected) < _REMEMBERED:
            self._rejected[rejection.commit] = rejection
        else:
            self._beyond[rejection.commit] = rejection.reason

    def refuse_broken(self) -> None:
        """Refuse those whose signature is known not to hold by now, so that nothing more is judged on top of them."""
        for commit in self._signatures.broken_so_far():
            self.refuse(Rejection(Reason.BAD_SIGNATURE, "the signature does not hold", commit=commit))

    def wait(self) -> None:
        """Let all signatures be checked; needs no lock on the log."""
        self._signatures.wait()

    def cancel(self) -> None:
        """Give up."""
        self._signatures.cancel()

    def rejection(self, commit: CommitId) -> Rejection | None:
        """Why a commit that was considered is refused."""
        if reason := self._beyond.get(commit):
            return Rejection(reason, commit=commit)
        return self._rejected.get(commit)

    def outcome(self, ends: Iterable[CommitId] = (), *, keep_merges: bool = False) -> Outcome:
        """What may enter. Merges that no valid ordinary commit is built on do not (SCP-02 §6.3), but for `keep_merges`.

        A refused one of `ends` is always remembered: it is what would be asked for again. (SCP-04 §4.3)
        """
        self.wait()
        self.refuse_broken()
        standing: list[Judged] = []
        for judged in self.provisional.added:
            if self._is_refused(judged.fact.id):
                continue
            refused = next((parent for parent in judged.fact.parents if self._is_refused(parent)), None)
            if refused is not None:
                self.refuse(_built_on(refused, judged.fact.id))
                continue
            standing.append(judged)
        needed: set[CommitId] = set()
        kept: list[Judged] = []
        for judged in reversed(standing):
            if keep_merges or judged.fact.account is not None or judged.fact.id in needed:
                needed.update(judged.fact.parents)
                kept.append(judged)
        kept.reverse()
        for end in ends:
            if reason := self._beyond.pop(end, None):
                self._rejected[end] = Rejection(reason, commit=end)
        return Outcome(tuple(kept), tuple(self._rejected.values()))

    # --- inside

    def _is_refused(self, commit: CommitId) -> bool:
        return commit in self._rejected or commit in self._beyond

    def _judge(self, commit: Commit) -> Rejection | None:
        here = self.provisional
        before, old = None, None
        if commit.parent is not None:
            old = here.tree_of(commit.parent)
            before = here.shelf.roster(here.objects, old, here.mode)
        changes: Changes = {}
        if commit.tree != old:
            self._require(old, commit.tree)
            changes = here.shelf.changes(here.objects, old, commit.tree)
        past = Past(here.history, commit.parent)
        verdict = judge(commit, changes, before, past, conversation=self._conversation, check_signature=False)
        if isinstance(verdict, Rejection):
            return verdict
        item = signature_item(commit, verdict)
        if isinstance(item, Rejection):
            return item
        self._signatures.add(commit.id, item)
        here.add(Judged(verdict.fact, commit.tree))
        if changes:
            here.shelf.keep(commit.tree, verdict.after)
        return None

    def _judge_merge(self, merge: Merge) -> Rejection | None:
        here = self.provisional
        base = here.tree_of(merge.parents[0])
        merged = judge_merge(merge, here.settler, lambda roster: here.tree_id(roster, base, object_id))
        if isinstance(merged, Rejection):
            return merged
        self._require(base, merge.tree)
        here.add(Judged(merged.fact, merge.tree))
        here.shelf.keep(merge.tree, merged.roster)
        return None

    def _require(self, old: TreeId | None, new: TreeId) -> None:
        """All that `new` has and `old` has not is staged or stored; what is only remembered on the shelf does not count."""
        here = self.provisional
        for _, oid in additions(
            None if old is None else bytes.fromhex(old), bytes.fromhex(new), here.load, self._present
        ):
            if not here.objects.has(oid):
                raise MissingObjectError(f"object {oid.hex()} of a tree is not here")


def _built_on(parent: CommitId, commit: CommitId) -> Rejection:
    return Rejection(Reason.REFUSED_PARENT, f"built on {parent[:12]}, which was refused", commit=commit)
