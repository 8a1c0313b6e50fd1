"""What the commits of one conversation say for Status, taken in as they come: chats, keys, events, ids, clocks. Pure. (SCP-09 §3.5, §3.7)

What is asked about a commit depends on that commit and its ancestors alone, or on the set of all commits: never on the
order in which they came here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from swarmchat import limits
from swarmchat.conversation.actions import Initial, Other
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways import bindings
from swarmchat.gateways.bindings import BINDING, Binding, Bindings
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import agreement, chat_ids, clock, events, notes, pairs
from swarmchat.gateways.status.chats import Chat, Heard, Told
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Fold, fold
from swarmchat.gateways.status.notes import Note
from swarmchat.gateways.status.wire import EventType
from swarmchat.ids import AccountId, CommitId, ConversationId

_ID_BYTES = 32
_FOLDS_KEPT_MAX = 8  # each may hold 3 MiB
_PROOFS_KEPT_MAX = 65_536  # some 400 bytes each


Proof = tuple[tuple[Key, str], ...]  # of all that a commit says in the group: by whose key, and its id


class Source(Protocol):
    """Where commits are read: a log, or what may come on top of it."""

    @property
    def history(self) -> History:
        """All commits there."""
        ...

    def commit(self, commit: CommitId) -> Commit | Merge:
        """One of them, parsed. StorageError."""
        ...

    def roster_at(self, commit: CommitId) -> Roster:
        """The roster after one of them. StorageError."""
        ...


class Ledger:
    """Of one conversation. To be used under the lock of its log."""

    def __init__(self, conversation: ConversationId) -> None:
        self.conversation = conversation
        self.bindings = Bindings(conversation, self._is_ancestor)
        self._here: Source | None = None
        self._settled = 0
        self._tail: list[CommitId] = []  # commits from `_settled` on: they may come to nothing
        self._clocks = array("Q")
        self._chats: list[Chat] = []  # the one that counts first
        self._two: tuple[AccountId, AccountId] | None = None  # of a one-to-one
        self._bridges: list[
            tuple[int, Key | None]
        ] = []  # what opened it; the key of the other, where he has no account
        self._claims: dict[AccountId, list[tuple[int, Key]]] = {}  # proofs that hold, without another before them
        self._claimants: list[tuple[int, AccountId]] = []
        self._bound: list[tuple[int, Binding]] = []
        self._told: list[Told] = []
        self._heard: dict[CommitId, Heard] = {}  # by the commit that opened the chat
        self._faults: dict[int, str] = {}  # rising
        self._named: list[tuple[int, AccountId]] = []
        self._keys: dict[AccountId, Key] = {}
        self._ids = bytearray()
        self._id_numbers = array("I")
        self._proofs: dict[int, Proof | Refused] = {}
        self._folds: dict[tuple[CommitId, tuple[int, ...] | int], Fold] = {}

    # --- growing

    def follow(self, here: Source, settled: int) -> None:
        """Take in all commits of `here`; those from number `settled` on may still come to nothing. StorageError.

        What was taken in of commits that are not in `here` is forgotten.
        """
        history, kept = here.history, self._settled
        for commit in self._tail:
            if kept >= len(history) or history.id(kept) != commit:
                break
            kept += 1
        self._truncate(kept)
        self._here = here
        self._two = pairs.two_of(history) if len(history) else None
        for number in range(kept, len(history)):
            self._take(number)
        self._settled = settled
        self._tail = [history.id(number) for number in range(settled, len(history))]

    def _take(self, number: int) -> None:
        history, clocks = self._source.history, self._clocks
        before = [clocks[parent] for parent in history.parents(number)]
        commit = None if history.is_merge(number) else self._source.commit(history.id(number))
        note = notes.read(commit.body) if isinstance(commit, Commit) else None
        clocks.append(clock.of_commit(history.time(number), note.clock if note else None, before))
        if note is not None and isinstance(commit, Commit):
            self._take_note(number, commit, note)

    def _take_note(self, number: int, commit: Commit, note: Note) -> None:
        author = self._source.history.entry(number).fact.account
        assert author is not None, "only merges are nobody's"
        if not note.is_whole:
            self._faults[number] = "malformed"
        if isinstance(commit.action, Other) and commit.action.type == BINDING:
            self._take_binding(number, commit, author)
        if self._two is not None:
            self._take_bridge(number, commit, note, self._two)
        else:
            for signed in self._take_chat(number, commit, author, note):
                self._tell(number, commit, signed)
        if note.id is not None and (note.spoken or note.envelopes):
            self._ids += bytes.fromhex(note.id[2:])
            self._id_numbers.append(number)

    def _take_binding(self, number: int, commit: Commit, author: AccountId) -> None:
        key = bindings.read(self.conversation, author, commit.body)
        if key is None:
            self._faults[number] = "bad-proof"
            return
        if not self.claims_at(number, author):
            self._claims.setdefault(author, []).append((number, key))
            self._claimants.append((number, author))
        binding = self.bindings.take(commit.id, author, commit.body)
        if binding is not None:
            self._bound.append((number, binding))

    def _take_bridge(self, number: int, commit: Commit, note: Note, two: tuple[AccountId, AccountId]) -> None:
        if note.events:
            self._faults[number] = "disagrees"  # there is no group
        found = pairs.bridge(commit, note, two)
        if isinstance(found, Refused):
            self._faults[number] = found.reason
        elif found is not None and not self._bridged_at(number, found.key):
            self._bridges.append((number, found.key))
            if found.key is not None:
                self._name(number, found.key)

    def _bridged_at(self, number: int, key: Key | None = None) -> bool:
        """Whether a one-to-one is open after that commit, or was opened with that key."""
        return any((key is None or known == key) and self._reaches(number, at) for at, known in self._bridges)

    def _take_chat(self, number: int, commit: Commit, author: AccountId, note: Note) -> list[SignedEvent]:
        """The events of a commit, read for the chat that they are about; that chat first, if the commit opens one."""
        opens = isinstance(commit.action, Other) and commit.action.type == notes.BRIDGE
        named = commit.body.get("body") if opens else note.chat if isinstance(commit.action, Initial) else None
        if not opens and named is None:
            chat = self.chat_at(number)
            return [] if chat is None else self._read(number, note, chat.id)
        if not isinstance(named, str) or not 0 < len(named) <= limits.STATUS_CHAT_ID_CHARS_MAX:
            self._faults[number] = "bad-chat"
            return []
        read = self._read(number, note, named)
        before = self.chat_at(number)
        generation = 0 if before is None else before.generation + 1
        if not self._may_open(number, commit, author, named, generation, read):
            self._faults[number] = "bad-chat"
            return []
        chat = Chat(number, commit.id, generation, named, read[0].author, author, self._clocks[number])
        insort(self._chats, chat, key=lambda one: one.rank)
        self._heard[chat.commit] = Heard()
        return read

    def _may_open(
        self, number: int, commit: Commit, author: AccountId, chat: str, generation: int, read: list[SignedEvent]
    ) -> bool:
        if not read or read[0].event.type != EventType.CHAT_CREATED:
            return False
        creator = read[0].author
        if commit.parent is None:
            return isinstance(commit.action, Initial) and commit.action.mode != 0 and chat_ids.is_by(chat, creator)
        return (
            chat == chat_ids.of_conversation(self.conversation, generation, creator)
            and creator in self.claims_at(number, author)
            and (roster := self._source.roster_at(commit.parent)).is_admin(author)
            and roster.mode != 0
        )

    def _read(self, number: int, note: Note, chat: str) -> list[SignedEvent]:
        found = []
        for raw in note.events:
            signed = events.read(raw, chat)
            if isinstance(signed, Refused):
                self._faults[number] = signed.reason
            else:
                found.append(signed)
        return found

    def _tell(self, number: int, commit: Commit, signed: SignedEvent) -> None:
        chat = self.chat_at(number)
        if not self.has_room(number, [signed.raw]):
            self._faults[number] = "too-big"
            return
        if chat is None or not agreement.agrees(commit.action, signed, lambda who: self.claims_at(number, who)):
            self._faults[number] = "disagrees"
            return
        for key in (signed.author, *agreement.members(signed)):
            self._name(number, key)
        told = Told(number, chat, signed)
        self._told.append(told)
        self._heard[chat.commit].add(told)

    def _name(self, number: int, key: Key) -> None:
        if key.uri not in self._keys:
            self._keys[key.uri] = key
            self._named.append((number, key.uri))

    def _truncate(self, size: int) -> None:
        """Forget all commits from number `size` on."""
        for number in range(size, len(self._clocks)):
            self._proofs.pop(number, None)
        del self._clocks[size:]
        self._bridges = [bridge for bridge in self._bridges if bridge[0] < size]
        while self._claimants and self._claimants[-1][0] >= size:
            account = self._claimants.pop()[1]
            self._claims[account].pop()
            if not self._claims[account]:
                del self._claims[account]
        while self._bound and self._bound[-1][0] >= size:
            self.bindings.drop(self._bound.pop()[1])
        while self._told and self._told[-1].number >= size:
            self._heard[self._told.pop().chat.commit].drop()
            self._folds.clear()
        self._chats = [chat for chat in self._chats if chat.number < size]
        self._heard = {chat.commit: self._heard[chat.commit] for chat in self._chats}
        while self._named and self._named[-1][0] >= size:
            del self._keys[self._named.pop()[1]]
        while self._faults and next(reversed(self._faults)) >= size:
            self._faults.popitem()
        kept = bisect_left(self._id_numbers, size)
        del self._id_numbers[kept:]
        del self._ids[kept * _ID_BYTES :]

    # --- asking about one commit: the answer is the same for ever

    def __len__(self) -> int:
        return len(self._clocks)

    def number_of(self, commit: CommitId) -> int | None:
        """The number of a commit, here and now."""
        return self._source.history.find(commit)

    def clock(self, number: int) -> int:
        """clock(c), ms: greater than those of all its ancestors."""
        return self._clocks[number]

    def fault(self, number: int) -> str | None:
        """What is wrong with what the commit says for Status; it is not exported."""
        return self._faults.get(number)

    def chat_at(self, number: int) -> Chat | None:
        """The chat that a commit after this one is about: the newest generation among it and its ancestors.

        A one-to-one is one once it was opened and the key of each of the two is known, in whatever order that came.
        """
        if self._two is not None:
            if not self._bridged_at(number):
                return None
            one, other = (self._pair_key_at(number, account) for account in self._two)
            return self._between(one, other)
        return next((chat for chat in self._chats if self._reaches(number, chat.number)), None)

    def fold_at(self, number: int, until_ms: int | None = None) -> Fold | None:
        """What the events of that chat in this commit and its ancestors come to, as clients have it; None before there is a chat.

        Without those that who hears of them at `until_ms` would not take: clients refuse a list with one event of a clock too
        far ahead, and nobody's clock costs others their words. The group is not to be changed. Commits after each other that
        tell of nothing in between have the same object.
        """
        chat = self.chat_at(number)
        if chat is None:
            return None
        heard = self._heard_of(chat)
        count = heard.count(number)
        if self._has_all(number, heard, until_ms):
            return self._folded(chat, count, heard.told[:count])
        told = self._reached(number, heard.told[:count], until_ms)
        return self._folded(chat, tuple([id(one) for one in told]), told)

    def fold_of(self, chat: Chat, until_ms: int) -> Fold:
        """What all events of a chat that are here come to for who hears of them at `until_ms`; not to be changed."""
        heard = self._heard_of(chat)
        if clock.is_acceptable(heard.latest[-1], until_ms):
            return self._folded(chat, len(heard.told), heard.told)
        told = [one for one in heard.told if clock.is_acceptable(one.signed.event.clock, until_ms)]
        return self._folded(chat, tuple([id(one) for one in told]), told)

    def has_room(self, number: int, raws: Sequence[bytes]) -> bool:
        """Whether the chat after that commit has room for these events: all of them travel with every message."""
        chat = self.chat_at(number)
        if chat is None:
            return events.have_room(0, 0, raws)
        heard = self._heard_of(chat)
        count = heard.count(number)
        has_room = events.have_room(count, heard.sizes[count], raws)
        if has_room or self._has_all(number, heard, None):
            return has_room
        told = self._reached(number, heard.told[:count], None)
        return events.have_room(len(told), sum(len(one.signed.raw) for one in told), raws)

    def claims_at(self, number: int, account: AccountId) -> list[Key]:
        """The keys that an account has proved to hold, in this commit or its ancestors: one, or of each fork one."""
        return [key for claim, key in self._claims.get(account, ()) if self._reaches(number, claim)]

    def key_at(self, number: int, account: AccountId) -> Key | None:
        """The key by which who writes after this commit may name an account: that which it bound, else that of a foreign member."""
        binding = self.bindings.of(account)
        if binding is None:
            return self._keys.get(account)
        bound = self._source.history.number(binding.commit)
        return binding.key if self._reaches(number, bound) else None

    def proof(self, number: int) -> Proof | Refused | None:
        """What was found out about what that commit says in the group; None if nobody has looked yet."""
        return self._proofs.get(number)

    def note_proof(self, number: int, found: Proof | Refused) -> None:
        """Keep that: to find it out takes all bytes of the group's events. Of very many the oldest is forgotten."""
        if len(self._proofs) >= _PROOFS_KEPT_MAX:
            del self._proofs[next(iter(self._proofs))]
        self._proofs[number] = found

    # --- asking about all that is here

    @property
    def chats(self) -> list[Chat]:
        """All chats, the one that counts first; not to be changed."""
        if self._two is None:
            return self._chats
        one, other = (self.key_of(account) for account in self._two)
        chat = self._between(one, other) if self._bridges else None
        return [] if chat is None else [chat]

    @property
    def is_bridged(self) -> bool:
        """Whether a one-to-one was opened, be the keys of the two known or not."""
        return bool(self._bridges)

    @property
    def told(self) -> list[Told]:
        """All events that agree with the commit that brought them, in the order of their commits; not to be changed."""
        return self._told

    def has_claimed(self, account: AccountId) -> bool:
        """Whether the account has proved to hold a key, be it one that does not count."""
        return account in self._claims

    def number_bound(self, account: AccountId) -> int:
        """The commit that binds the key of an account which has one; AssertionError."""
        binding = self.bindings.of(account)
        assert binding is not None, "only asked for who has bound a key"
        return self._source.history.number(binding.commit)

    def key_of(self, account: AccountId) -> Key | None:
        """The key that events name an account by: that which it bound, else that of a foreign member."""
        binding = self.bindings.of(account)
        return self._keys.get(account) if binding is None else binding.key

    def account_of(self, key: Key) -> AccountId:
        """Whose key it is; the foreign uri where it is nobody's here."""
        return self.bindings.owner(key) or key.uri

    @property
    def foreign(self) -> Mapping[AccountId, Key]:
        """The keys that events name, by their foreign uris; not to be changed."""
        return self._keys

    def is_foreign(self, account: AccountId) -> bool:
        """Whether that account is the foreign uri of a key that some event names."""
        return account in self._keys

    @property
    def speaking(self) -> Iterator[int]:
        """The commits that say that something is said in them, rising."""
        return iter(self._id_numbers)

    def speaking_from(self, number: int) -> Iterator[int]:
        """Those of them from that number on."""
        return islice(self._id_numbers, bisect_left(self._id_numbers, number), None)

    def message_of(self, number: int) -> str | None:
        """The id that a commit gives to what it says first; whether that is true tells who rebuilds it."""
        place = bisect_left(self._id_numbers, number)
        if place == len(self._id_numbers) or self._id_numbers[place] != number:
            return None
        return "0x" + self._ids[place * _ID_BYTES : (place + 1) * _ID_BYTES].hex()

    # --- inside

    def _heard_of(self, chat: Chat) -> Heard:
        return self._heard[chat.commit] if chat.pair is None else Heard()  # there are no events between two

    def _has_all(self, number: int, heard: Heard, until_ms: int | None) -> bool:
        """Whether who hears of that commit at `until_ms` takes every event that is here in it and before it."""
        count = heard.count(number)
        return count == 0 or (
            self._source.history.floor(number) > min(heard.told[count - 1].number, number - 1)
            and (until_ms is None or clock.is_acceptable(heard.latest[count], until_ms))
        )

    def _reached(self, number: int, told: list[Told], until_ms: int | None) -> list[Told]:
        """Those of these events that are in that commit or its ancestors. One walk, whatever their number."""
        history = self._source.history
        floor, seen, stack = history.floor(number), {number}, [number]
        while stack:
            fresh = {each for each in history.parents(stack.pop()) if each >= floor} - seen
            seen |= fresh
            stack += fresh
        return [
            one
            for one in told
            if (one.number < floor or one.number in seen)
            and (until_ms is None or clock.is_acceptable(one.signed.event.clock, until_ms))
        ]

    def _folded(self, chat: Chat, name: tuple[int, ...] | int, told: Sequence[Told]) -> Fold:
        known = self._folds.get((chat.commit, name))
        if known is None:
            if len(self._folds) >= _FOLDS_KEPT_MAX:
                self._folds.pop(next(iter(self._folds)))
            known = self._folds[chat.commit, name] = fold(chat.id, [one.signed for one in told])
        return known

    def _pair_key_at(self, number: int, account: AccountId) -> Key | None:
        """The key of one of the two, after that commit: what he has proved, of forks the least; else what a bridge names."""
        history = self._source.history
        claims = [(history.id(at), key) for at, key in self._claims.get(account, ()) if self._reaches(number, at)]
        if claims:
            return min(claims, key=lambda claim: claim[0])[1]
        named = [key for at, key in self._bridges if key is not None and self._reaches(number, at)]
        return next((key for key in named if key.uri == account), None)

    def _between(self, one: Key | None, other: Key | None) -> Chat | None:
        pair = pairs.of(one, other) if one is not None and other is not None else None
        if pair is None or one is None or self._two is None:
            return None
        return Chat(0, self._source.history.root.id, 0, pair.id, one, self._two[0], self._clocks[0], pair)

    @property
    def _source(self) -> Source:
        assert self._here is not None, "followed first"
        return self._here

    def _reaches(self, number: int, target: int) -> bool:
        history = self._source.history
        return number == target or (
            target < number
            and (target < history.floor(number) or history.is_ancestor(history.id(target), history.id(number)))
        )

    def _is_ancestor(self, older: CommitId, newer: CommitId) -> bool:
        return self._source.history.is_ancestor(older, newer)
