"""One commit of our own: planned by the functions that judge it, signed, and judged like a stranger's. (SCP-02 §2, SCP-04 §5)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from swarmchat import limits
from swarmchat.commitlog.judging import Judging
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.staging import Staging
from swarmchat.commitlog.tips import Tip
from swarmchat.commitlog.trees import COMMIT, rebuild
from swarmchat.conversation import actions
from swarmchat.conversation import roster as rosters
from swarmchat.conversation.actions import Action, Initial
from swarmchat.conversation.commit import Draft, display_name, sealed
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.planning import changes_for
from swarmchat.crypto import sshsig
from swarmchat.crypto.keys import PrivateKey
from swarmchat.errors import NotFoundError
from swarmchat.ids import AccountId, CommitId, DeviceId, TreeId


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: account and device with their certificates (PEM), the device's key, the display name, the newest own CRL (DER)."""

    account: AccountId
    device: DeviceId
    key: PrivateKey
    certificate: bytes
    device_certificate: bytes
    name: str
    revocations: bytes | None = None

    @property
    def author(self) -> Author:
        """As the law sees it."""
        return Author(self.account, self.device, self.certificate, self.device_certificate)


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit to be written. `now` in seconds; `extra` adds keys to its JSON; `at` names the parent, None is `main`.

    `annotate` adds more of them once the parent is chosen.
    """

    action: Action
    writer: Writer
    now: int
    profile: bytes | None = None
    extra: Mapping[str, object] | None = None
    at: CommitId | None = None
    annotate: Annotate | None = None


Annotate = Callable[[Provisional, Pending, CommitId], Mapping[str, object]]
"""What a commit that comes after that parent says besides: a foreign form of it. Under the log's lock; StorageError."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a call brought: new ordinary commits, parents first, and refusals; heads and settled rosters before and after.

    `effect_changed` names older commits that count otherwise now: the code why not, or `counts`.
    """

    new: tuple[CommitId, ...]
    rejected: tuple[Rejection, ...]
    heads: tuple[CommitId, ...]
    before: Roster
    after: Roster
    effect_changed: Mapping[CommitId, str]


def found(
    here: Provisional,
    staging: Staging,
    writer: Writer,
    root: Initial,
    now: int,
    extra: Mapping[str, object] | None = None,
) -> CommitId | Rejection:
    """Stage the first commit of a conversation."""
    before = rosters.empty(root.mode)
    changes = changes_for(root, writer.author, before, Past(here.history, None))
    if isinstance(changes, Rejection):
        return changes
    tree = TreeId(rebuild(None, changes, here.load, staging.put).hex())
    return _seal(staging, Pending(root, writer, now, extra=extra), None, now, tree)


def write(judging: Judging, staging: Staging, tip: Tip, item: Pending) -> CommitId | Rejection:
    """Stage one commit and have it judged; NotFoundError when `at` is no accepted commit. A refused one leaves nothing staged."""
    here = judging.provisional
    parent = _parent(judging, tip, item.at)
    mark = staging.mark
    changes = changes_for(
        item.action,
        item.writer.author,
        here.roster_at(parent),
        Past(here.history, parent),
        profile=item.profile,
        revocations=item.writer.revocations,
    )
    if isinstance(changes, Rejection):
        return changes
    tree = here.tree_of(parent)
    if changes:
        tree = TreeId(rebuild(bytes.fromhex(tree), changes, here.load, staging.put).hex())
    if item.annotate is not None:
        item = _annotated(item, item.annotate(here, item, parent))
    time = _time(judging, parent, item)
    commit = _seal(staging, item, parent, time, tree)
    while commit in here.history:  # the same words on the same parent in the same second: another message all the same
        time += 1
        commit = _seal(staging, item, parent, time, tree)
    judging.consider(commit, staging.read(COMMIT, bytes.fromhex(commit)))
    rejection = judging.rejection(commit)
    if rejection:
        staging.undo(mark)
        return rejection
    return commit


def _annotated(item: Pending, notes: Mapping[str, object]) -> Pending:
    """With the annotation, unless that would make too much of it: what people write is worth more."""
    if not notes:
        return item
    extra = {**notes, **(item.extra or {})}
    fits = len(actions.message(item.action, extra)) <= limits.MESSAGE_BYTES_MAX
    return replace(item, extra=extra) if fits else item


def _parent(judging: Judging, tip: Tip, at: CommitId | None) -> CommitId:
    if at is not None:
        if at not in judging.provisional.history:
            raise NotFoundError(f"no commit {at} in this conversation")
        return at
    for merge in tip.merges:
        judging.consider(merge.id, merge.raw)
    return tip.main


def _time(judging: Judging, parent: CommitId, item: Pending) -> int:
    """Not before the parent, unless its author's clock runs ahead; never so far back that our own device would be refused."""
    history = judging.provisional.history
    time, theirs = item.now, history[parent].fact.time
    if theirs <= item.now + limits.FUTURE_TOLERANCE_S:  # SCP-02 §2.3
        time = max(time, theirs)
    ours = history.latest_time(item.writer.device, parent)
    return time if ours is None else max(time, ours - limits.DEVICE_CLOCK_BACK_S)  # SCP-02 §4.2


def _seal(staging: Staging, item: Pending, parent: CommitId | None, time: int, tree: TreeId) -> CommitId:
    writer = item.writer
    draft = Draft(
        parent, display_name(writer.name, writer.device), writer.device, time, actions.message(item.action, item.extra)
    )
    payload = draft.payload(tree)
    raw = sealed(payload, sshsig.sign(writer.key, payload))
    return CommitId(staging.put(COMMIT, raw).hex())
