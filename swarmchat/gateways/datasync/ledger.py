"""What the commits of one conversation say in its group of data sync: the same on every node that has the same commits. Pure. (SCP-09 §4.5)

It grows with the accepted history, in the order in which this node came to know it, and no answer depends on that order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from swarmchat.conversation.actions import Add, Initial, Join, Leave, Other, UpdateProfile
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.bindings import BINDING, Binding, Bindings
from swarmchat.gateways.datasync import attesting, messages
from swarmchat.gateways.datasync.carriage import carried
from swarmchat.gateways.datasync.group import Group
from swarmchat.gateways.datasync.mapping import BRIDGE, EVENT, FIELD, agrees
from swarmchat.gateways.datasync.messages import ClientMessage, Type, read_body
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, PeerId, group_of
from swarmchat.gateways.datasync.standing import Kind, Law
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.limits import DATASYNC_PARENTS_MAX

_KINDS: Final = (Kind.GROUP, Kind.GROUP, Kind.MEMBERS, Kind.PUBLIC)  # by mode
_FOR_ONESELF: Final = (Join, Leave, UpdateProfile)  # what nobody writes for another
_SILENT: Final = frozenset({"initial", "vote", "application/update-device"})

Read = Callable[[CommitId], Commit | Merge]
RosterAt = Callable[[CommitId], Roster]


@dataclass(frozen=True, slots=True)
class Said:
    """A message as a commit carries it."""

    number: int
    commit: CommitId
    message: Message
    client: ClientMessage
    body: messages.Body
    sender: PeerId
    author: AccountId  # of the commit
    is_own: bool  # its sender's key is that of the commit's author


@dataclass(slots=True)
class _Undo:
    """What one commit added."""

    said: Said | None = None
    opening: bool = False
    foreign: Key | None = None


class Ledger:
    """Of one conversation. Not thread-safe: asked under the log's lock."""

    def __init__(self, conversation: ConversationId) -> None:
        self.conversation = conversation
        self.group: GroupId = group_of(conversation)
        self.bindings = Bindings(conversation, self._is_ancestor)
        self._history = History()
        self._fronts: list[tuple[int, ...]] = []  # by number: the nearest commits with a message, itself included
        self._undo: list[_Undo] = []
        self._by_id: dict[MessageId, list[Said]] = {}  # none of one id has another among its ancestors
        self._at: dict[int, Said] = {}  # by number, also those that do not count
        self._by_sender: defaultdict[PeerId, list[int]] = defaultdict(list)
        self._signatures: dict[bytes, MessageId] = {}
        self._openings: list[int] = []
        self._foreign: dict[AccountId, Key] = {}
        self._deciders: Counter[PeerId] = Counter()  # who said what only an admin might
        self._order: list[Said] = []  # what counts, in the order in which it came
        self._bound: list[tuple[int, Binding]] = []
        self._looked_for = 0  # so many commits were looked at for bindings
        self._fold: Group | None = None
        self._fold_law = Law()
        self._folded = 0

    # --- growing

    def grow(self, history: History, read: Read, roster_at: RosterAt, count_max: int | None = None) -> None:
        """Take in the accepted commits that are new, or so many of them. StorageError; what was taken in before it stands."""
        self._history = history
        new = range(self._looked_for, len(history))
        self._looked_for = len(history)
        rivals = [self._bind(number, read) for number in new]
        if any(rivals):  # who says what may be another now
            self._begin_anew()
        end = len(history) if count_max is None else min(len(history), len(self._fronts) + count_max)
        for number in range(len(self._fronts), end):
            self._take(number, read, roster_at)

    @contextmanager
    def staged(self, history: History, read: Read, roster_at: RosterAt) -> Iterator[None]:
        """Inside, commits that are not accepted yet are there as well; nothing of them stays."""
        before, size, looked_for = self._history, len(self._fronts), self._looked_for
        try:
            self.grow(history, read, roster_at)
            yield
        finally:
            while len(self._fronts) > size:
                self._untake()
            if self._folded > len(self._order):
                self._fold = None  # it knows what is gone
            while self._bound and self._bound[-1][0] >= size:
                _, binding = self._bound.pop()
                self.bindings.drop(binding)
                if self._rivals(binding):
                    self._begin_anew()
            self._history, self._looked_for = before, looked_for

    @property
    def size(self) -> int:
        """How many commits were taken in."""
        return len(self._fronts)

    @property
    def count(self) -> int:
        """How many messages count."""
        return len(self._order)

    # --- asking

    @property
    def opening(self) -> Said | None:
        """The commit that opened it: of several the first, else the one with the least id."""
        found = [self._at[number] for number in self._openings]
        first = [one for one in found if not any(self._is_ancestor(other.commit, one.commit) for other in found)]
        return min(first, key=lambda one: one.commit, default=None)

    def is_open_at(self, parent: CommitId) -> bool:
        """Whether a commit on top of `parent` comes after the one that opened it."""
        opening = self.opening
        return opening is not None and (opening.commit == parent or self._is_ancestor(opening.commit, parent))

    def said(self, message: MessageId) -> Said | None:
        """The commit of a message that counts: of several the one that no other comes before, else the one with the least id."""
        found = self._by_id.get(message)
        return found[0] if found else None

    def has(self, message: MessageId) -> bool:
        """Whether a commit of that message was taken in. The one question that may be asked without the lock, at any time."""
        return bool(self._by_id.get(message))

    def said_by(self, commit: CommitId) -> Said | None:
        """What a commit says here."""
        number = self._history.find(commit)
        return None if number is None else self._at.get(number)

    def is_replayed(self, client: ClientMessage, message: MessageId) -> bool:
        """Whether the same signature stands under another id."""
        return self._signatures.get(client.signature, message) != message

    def since(self, count: int) -> list[Said]:
        """What the commits after the first `count` say, and counts, in the order in which they came."""
        place = bisect_left(self._order, count, key=lambda one: one.number)
        return self._order[place:]

    def newest(self, count: int) -> list[Said]:
        """The last `count` of all, oldest first."""
        return self._order[-count:]

    def parents(self, parent: CommitId) -> tuple[MessageId, ...]:
        """The messages that one in a commit on top of `parent` follows, sorted."""
        return self._ids(self._fronts[self._history.number(parent)])

    def parents_of_heads(self, heads: Iterable[CommitId]) -> tuple[MessageId, ...]:
        """The same for one in a commit that comes after all of these."""
        return self._ids(self._front([self._history.number(head) for head in heads]))

    def previous(self, sender: PeerId, parent: CommitId) -> MessageId | None:
        """What its sender said last before a commit on top of `parent`."""
        for number in reversed(self._by_sender.get(sender, ())):
            one = self._at[number]
            if one.commit == parent or self._is_ancestor(one.commit, parent):
                return one.message.id
        return None

    def has_spoken(self, sender: PeerId) -> bool:
        """Whether anything of that sender is here."""
        return bool(self._by_sender.get(sender))

    def last_of(self, sender: PeerId) -> MessageId | None:
        """What that sender said last, of what came here; nothing of his comes after it."""
        spoken = self._by_sender.get(sender)
        return self._at[spoken[-1]].message.id if spoken else None

    def key_of(self, account: AccountId) -> Key | None:
        """The key that stands for an account here, its own or a foreign one."""
        binding = self.bindings.of(account)
        return self._foreign.get(account) if binding is None else binding.key

    def account_of(self, key: Key) -> AccountId:
        """The account that a key stands for; nobody's stands for itself."""
        return self.bindings.owner(key) or key.uri

    @property
    def foreign(self) -> frozenset[AccountId]:
        """The accounts that are nothing but a key."""
        return frozenset(self._foreign)

    # --- the scene of a mapping

    def commit_of(self, message: MessageId) -> CommitId | None:
        """See `mapping.Scene`."""
        found = self.said(message)
        return None if found is None else found.commit

    def is_theirs(self, commit: CommitId) -> bool:
        """See `mapping.Scene`: of no sender in particular, nothing is."""
        return False

    def may_add(self, account: AccountId) -> bool:
        """See `mapping.Scene`."""
        return False

    def may_kick(self, account: AccountId) -> bool:
        """See `mapping.Scene`."""
        return False

    # --- who is in it

    @property
    def fold(self) -> Group:
        """The group with all that counts here; its answers hold until the ledger grows."""
        law = self._law()
        if self._fold is None or self._fold_law != law or self._folded > len(self._order):
            self._fold, self._fold_law, self._folded = Group(self.group, law), law, 0
        for one in self._order[self._folded :]:
            self._fold.add(one.message)
        self._folded = len(self._order)
        return self._fold

    def _law(self) -> Law:
        opening = self.opening
        return Law(self.kind, None if opening is None else opening.sender, frozenset(self._deciders))

    @property
    def kind(self) -> Kind:
        """Who comes in how: by the mode of the conversation."""
        return _KINDS[self._mode]

    @property
    def is_public(self) -> bool:
        """Whether anybody may come in."""
        return self.kind is Kind.PUBLIC

    @property
    def _mode(self) -> int:
        control = self._history.root.fact.control
        return control.action.mode if control is not None and isinstance(control.action, Initial) else 0

    # --- inside

    def _bind(self, number: int, read: Read) -> bool:
        """Take in a binding; whether others that are here may be no more what they were."""
        fact = self._history.entry(number).fact
        if fact.type != BINDING or fact.account is None:
            return False
        commit = read(fact.id)
        taken = self.bindings.take(fact.id, fact.account, commit.body) if isinstance(commit, Commit) else None
        if taken is None:
            return False
        rivals = self._rivals(taken)
        self._bound.append((number, taken))
        return rivals

    def _rivals(self, binding: Binding) -> bool:
        """Whether another of the same account or key is here."""
        return any(one.account == binding.account or one.key == binding.key for _, one in self._bound)

    def _begin_anew(self) -> None:
        while self._fronts:
            self._untake()
        self._fold = None

    def _take(self, number: int, read: Read, roster_at: RosterAt) -> None:
        history, undo = self._history, _Undo()
        front = self._front(history.parents(number))
        fact = history.entry(number).fact
        if fact.account is not None and fact.type not in _SILENT:
            commit = read(fact.id)
            assert isinstance(commit, Commit), "a merge is one in the history as well"
            said = self._spoken(number, commit, fact.account, front, read, roster_at)
            if said is not None:
                undo.said = said
                self._enter(said)
                front = (number,)
                if isinstance(commit.action, Other) and commit.action.type == BRIDGE:
                    undo.opening = True
                    self._openings.append(number)
                if isinstance(said.body, messages.Invite) and isinstance(commit.action, Add):
                    undo.foreign = self._meet(commit.action.uri, said.body.invitee)
        self._fronts.append(front)
        self._undo.append(undo)

    def _untake(self) -> None:
        self._fronts.pop()
        undo = self._undo.pop()
        if undo.foreign is not None:
            del self._foreign[undo.foreign.uri]
        if undo.opening:
            self._openings.pop()
        if undo.said is not None:
            self._leave(undo.said)

    def _meet(self, account: AccountId, key: Key) -> Key | None:
        if account != key.uri or account in self._foreign:
            return None
        self._foreign[account] = key
        return key

    def _enter(self, said: Said) -> None:
        known = self._by_id.setdefault(said.message.id, [])
        if not any(self._is_ancestor(one.commit, said.commit) for one in known):
            known.append(said)
            known.sort(key=lambda one: one.commit)
            if known[0] is said:
                self._order.append(said)
            if known[0] is said and len(known) > 1:
                self._reorder()
        if self._is_decision(said):
            self._deciders[said.sender] += 1
        self._at[said.number] = said
        self._by_sender[said.sender].append(said.number)
        self._signatures.setdefault(said.client.signature, said.message.id)

    def _leave(self, said: Said) -> None:
        known = self._by_id[said.message.id]
        if said in known:
            known.remove(said)
        if self._order and self._order[-1] is said:
            self._order.pop()
        if not known:
            del self._by_id[said.message.id]
            self._signatures.pop(said.client.signature, None)
        else:
            self._reorder()
        if self._is_decision(said):
            self._deciders[said.sender] -= 1
            self._deciders += Counter()  # without those that are none any more
        self._by_sender[said.sender].pop()
        del self._at[said.number]

    def _is_decision(self, said: Said) -> bool:
        """Whether only an admin could say it where it stands."""
        return said.client.type is Type.KICK or (said.client.type is Type.INVITE and self.kind is Kind.GROUP)

    def _reorder(self) -> None:
        """Of two commits with one message the other one counts now."""
        self._order = sorted((found[0] for found in self._by_id.values()), key=lambda one: one.number)
        self._fold = None

    def _spoken(
        self, number: int, commit: Commit, author: AccountId, front: tuple[int, ...], read: Read, roster_at: RosterAt
    ) -> Said | None:
        """The message in a commit, if the commit may carry it: else it is as if there were none."""
        found = carried(self.group, commit.body.get(FIELD), self._ids(front))
        if found is None or commit.parent is None:
            return None
        message, client = found
        body, key = read_body(client), client.sender
        if isinstance(body, Refused | messages.Ack) or key is None:
            return None
        is_own = self.bindings.is_bound(author, key, commit.parent)
        if not is_own and isinstance(commit.action, _FOR_ONESELF):
            return None
        if not agrees(commit.action, commit.body, body, self, lambda one, who: self._stands_for(one, who, commit)):
            return None
        if not self._has_authority(number, commit, key, body, roster_at):
            return None
        if attesting.claim(body) is not None and not (is_own and self._bears_out(commit, body, read)):
            return None
        return Said(number, commit.id, message, client, body, PeerId(key.raw), author, is_own)

    def _bears_out(self, commit: Commit, body: messages.Body, read: Read) -> bool:
        """Whether it passes on what stands in a commit before it that carries no message, and says no more."""
        is_event = isinstance(commit.action, Other) and commit.action.type == EVENT
        wanted = attesting.target(commit.body) if is_event else None
        found = None if wanted is None else self.unsaid(wanted, read)
        return (
            wanted is not None
            and found is not None
            and self._is_ancestor(wanted, commit.id)
            and attesting.bears_out(body, *found)
        )

    def unsaid(self, commit: CommitId, read: Read) -> tuple[Commit, AccountId] | None:
        """A commit that is here and carries no message, and its author's account; else None. StorageError."""
        number = self._history.find(commit)
        if number is None or number in self._at or number >= len(self._fronts):
            return None
        author, found = self._history.entry(number).fact.account, read(commit)
        return None if author is None or not isinstance(found, Commit) else (found, author)

    def attested(self) -> frozenset[CommitId]:
        """The commits that somebody has passed on."""
        claims = (attesting.claim(one.body) for one in self._order)
        return frozenset(found.commit for found in claims if found is not None)

    def _stands_for(self, key: Key, account: AccountId, commit: Commit) -> bool:
        return key.uri == account or (commit.parent is not None and self.bindings.is_bound(account, key, commit.parent))

    def _has_authority(self, number: int, commit: Commit, key: Key, body: messages.Body, roster_at: RosterAt) -> bool:
        """Whether who says it might decide it where the commit stands: an admin puts out and opens, and invites unless anybody may."""
        opens = isinstance(commit.action, Other) and commit.action.type == BRIDGE
        if not (opens or isinstance(body, messages.Kick | messages.Invite)):
            return True
        if isinstance(body, messages.Invite) and not opens and self.kind is not Kind.GROUP:
            return True
        assert commit.parent is not None
        who = self.bindings.owner(key)
        control = self._history.entry(number).fact.control
        admins = roster_at(commit.parent).admins if control is None else control.admins
        if who is None or who not in admins or not self.bindings.is_bound(who, key, commit.parent):
            return False
        return not opens or (isinstance(body, messages.Invite) and body.invitee == key)

    def _front(self, parents: Sequence[int]) -> tuple[int, ...]:
        if len(parents) == 1:
            return self._fronts[parents[0]]
        found = sorted({number for parent in parents for number in self._fronts[parent]})
        if len(found) < 2:
            return tuple(found)
        ids = [self._history.id(number) for number in found]
        return tuple(
            number
            for number, one in zip(found, ids, strict=True)
            if not any(self._is_ancestor(one, other) for other in ids)
        )

    def _ids(self, numbers: Iterable[int]) -> tuple[MessageId, ...]:
        return tuple(sorted({self._at[number].message.id for number in numbers})[:DATASYNC_PARENTS_MAX])

    def _is_ancestor(self, one: CommitId, other: CommitId) -> bool:
        return self._history.is_ancestor(one, other)
