"""From the commits of a conversation to the signed messages of its chat, and what of it Status does not hear. Pure. (SCP-09 §3.10)"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from swarmchat import limits
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    Kick,
    Leave,
    Promote,
    Unban,
    UpdateProfile,
)
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.protobuf import delimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import clock, envelopes, events, mapping, notes, reading
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import fold
from swarmchat.gateways.status.ledger import Ledger, Source
from swarmchat.gateways.status.mapping import Speaker, Unmappable, Why
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    EventType,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    PayloadType,
)
from swarmchat.ids import AccountId, CommitId


class Fault(enum.StrEnum):
    """Why there is no export, or why a commit is not in it, beside what `mapping.Why` and others say."""

    NO_CHAT = "no-chat"
    TOO_BIG = "too-big"
    FROZEN = "frozen"  # it was said in a chat that another one came after


@dataclass(frozen=True, slots=True)
class Attester:
    """Who signs what nobody has signed: an account with its key."""

    account: AccountId
    secret: Secret


@dataclass(frozen=True, slots=True)
class Missing:
    """A commit that Status does not hear of, or not of all of it."""

    commit: CommitId
    reason: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A signed event that clients would refuse, and everything with it: it is left out. `id` as clients name it."""

    commit: CommitId
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is in the export and what is not, in the order of the conversation."""

    chat: Chat
    events: int
    attested: int
    sayings: int
    missing: tuple[Missing, ...]
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """One chat: first a wrapper with all events, of a one-to-one none, then what was said by clock."""

    events: bytes | None
    said: tuple[Said, ...]
    report: Report

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """What is written, each wrapper after its length, with the number of the file that it goes into, from 0.

        Each file begins with the events, and is as large as one may be that is imported. (SCP-09 §3.9) A piece is made under
        the log's lock, when it is asked for.
        """
        events = b"" if self.events is None else delimited([self.events])
        number, size, messages = 0, len(events), min(len(events), 1)
        if events:
            yield number, events
        for one in self.said:
            piece = delimited([one.envelope.raw])
            if size + len(piece) > limits.STATUS_STREAM_BYTES_MAX or messages == limits.STATUS_STREAM_MESSAGES_MAX:
                number, size, messages = number + 1, len(events), min(len(events), 1)
                if events:
                    yield number, events
            size, messages = size + len(piece), messages + 1
            yield number, piece


def export(
    ledger: Ledger,
    here: Source,
    order: Iterable[CommitId],
    attester: Attester | None = None,
    *,
    now_ms: int,
) -> Exported | Refused:
    """All that Status is told of a conversation, in its newest chat. The ledger has followed `here`; `order` is that of display.

    Without an attester only what was signed when it was written: two nodes with the same commits give the same bytes.
    Events and sayings whose clock no client would take at `now_ms` are left out.
    """
    chats = ledger.chats
    if not chats:
        return Refused(Fault.NO_CHAT)
    walk = _Walk(ledger, here, chats[0], attester, now_ms)
    for commit in order:
        walk.take(commit)
    return walk.finished()


@dataclass(frozen=True, slots=True)
class _Found:
    commit: CommitId
    signed: SignedEvent


@dataclass(slots=True)
class _Walk:
    ledger: Ledger
    here: Source
    chat: Chat
    attester: Attester | None
    now_ms: int
    found: list[_Found] = field(default_factory=list)
    attested: int = 0
    said: dict[str, Said] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    _added: dict[str, int] | None = None

    def take(self, commit: CommitId) -> None:
        """The next commit."""
        history = self.here.history
        number = history.number(commit)
        parsed, account = self.here.commit(commit), history.entry(number).fact.account
        assert isinstance(parsed, Commit), "merges have no place in the order"
        assert account is not None, "only merges are nobody's"
        note = notes.read(parsed.body)
        if (fault := self.ledger.fault(number)) is not None:
            self._miss(commit, fault)
        elif note is not None and (note.events or note.envelopes or note.spoken):
            self._take_noted(number, parsed, account)
        elif (note is None or note.of is None) and not mapping.is_of_gateways(parsed.action):
            self._take_unsigned(number, parsed, account)

    def finished(self) -> Exported | Refused:
        """What all of it comes to."""
        if self.chat.pair is not None:
            return self._exported(None, 0, ())
        for told in self.ledger.told:
            if told.chat is self.chat:
                self.found.append(_Found(self.here.history.id(told.number), told.signed))
        timely = [one.signed for one in self.found if self._is_timely(one.signed.event.clock)]
        ahead = [one for one in self.found if not self._is_timely(one.signed.event.clock)]
        folded = fold(self.chat.id, timely)
        commits = {one.signed.raw: one.commit for one in sorted(self.found, key=lambda one: one.commit, reverse=True)}
        dropped = [Dropped(commits[one.event.raw], one.event.id, one.reason) for one in folded.ignored]
        dropped += [Dropped(one.commit, one.signed.id, events.Fault.BAD_CLOCK) for one in ahead]
        listed = MembershipUpdateMessage(chat_id=self.chat.id, events=tuple([one.raw for one in folded.events]))
        raw = listed.encode()
        if len(folded.events) > limits.STATUS_EVENTS_MAX or len(raw) > limits.PROTOBUF_BYTES_MAX:
            return Refused(Fault.TOO_BIG, f"{len(folded.events)} events, {len(raw)} bytes")
        if self.attester is None:  # nobody's word is needed for what everybody signed
            first = ApplicationMetadataMessage(payload=raw, type=PayloadType.MEMBERSHIP_UPDATE_MESSAGE).encode()
        else:
            first = envelopes.sign(listed, self.attester.secret).raw
        return self._exported(first, len(folded.events), tuple(dropped))

    # --- inside

    def _exported(self, first: bytes | None, count: int, dropped: tuple[Dropped, ...]) -> Exported:
        sayings = tuple(sorted(self.said.values(), key=lambda one: one.order))
        report = Report(self.chat, count, self.attested, len(sayings), tuple(self.missing), dropped)
        return Exported(first, sayings, report)

    def _take_noted(self, number: int, commit: Commit, account: AccountId) -> None:
        """What was signed when it was written. The events are taken from the ledger."""
        if self.ledger.chat_at(number) != self.chat:
            self._miss(commit.id, Fault.FROZEN)
            return
        said = reading.said(self.ledger, number, commit, account)
        if isinstance(said, Refused):
            self._miss(commit.id, said.reason, said.about)
            return
        self.said |= {one.envelope.id: one for one in said if self._is_timely(one.entity.clock)}
        if not all(self._is_timely(one.entity.clock) for one in said):
            self._miss(commit.id, events.Fault.BAD_CLOCK)
        if isinstance(commit.action, UpdateProfile):
            for reason in mapping.profile_events(*self._profiles(commit))[1]:
                self._miss(commit.id, reason)

    def _take_unsigned(self, number: int, commit: Commit, account: AccountId) -> None:
        assert commit.parent is not None, "the first commit is a gateway's own"
        parent = self.here.history.number(commit.parent)
        profiles = self._profiles(commit) if isinstance(commit.action, UpdateProfile) else (None, None)
        found = mapping.events_of(commit.action, account, self._key, *profiles)
        if isinstance(found, Unmappable):
            self._miss(commit.id, found.reason, found.about)
        elif self.ledger.chat_at(parent) is None:
            self._miss(commit.id, Why.BEFORE)
        elif self._is_known(commit.action, number):
            pass  # its key came later, and so did the event
        elif found is not None and self.chat.pair is None and self._may_attest(commit.action, account):
            self._attest(number, commit, found)
        else:
            unsigned = self._unsigned(parent, commit.action, account, found)
            self._miss(commit.id, unsigned.reason, unsigned.about)

    def _unsigned(
        self, parent: int, action: Action, account: AccountId, found: tuple[MembershipUpdateEvent, ...] | None
    ) -> Unmappable:
        """Why a commit that could have been signed was not."""
        keys, folded = self.ledger.claims_at(parent, account), self.ledger.fold_at(parent)
        chat = self.ledger.chat_at(parent)
        assert chat is not None, "asked before"
        assert folded is not None, "there is a chat"
        if not keys:
            return Unmappable(Why.NOT_BOUND)
        if found is not None and chat.pair is not None:
            return Unmappable(Why.ONE_TO_ONE)
        if found is not None:
            return mapping.group_fault(mapping.copied(folded.group), keys[0], found) or Unmappable(Why.NOT_SIGNED)
        if chat.pair is not None and keys[0] not in chat.pair.keys:
            return Unmappable(Why.NOT_BOUND)  # a device of his bound another key beside
        speaker = Speaker(self.ledger, self.here, parent, chat, account, keys[0], "", self.ledger.clock(parent))
        said = speaker.says(action)
        if said is None:
            return Unmappable(Why.OTHER_TYPE)
        if isinstance(said, Unmappable):
            return said
        if not reading.may_speak(chat, folded, keys[0]):
            return Unmappable(Why.RULES, reading.Fault.NOT_A_MEMBER)
        return next((fault for one in said if (fault := speaker.fault(one))), Unmappable(Why.NOT_SIGNED))

    def _may_attest(self, action: Action, account: AccountId) -> bool:
        if self.attester is None:
            return False
        return account == self.attester.account or isinstance(
            action, Add | Unban | Promote | Kick | Ban | UpdateProfile | Leave
        )

    def _attest(self, number: int, commit: Commit, found: tuple[MembershipUpdateEvent, ...]) -> None:
        assert self.attester is not None, "asked before"
        last = self.ledger.clock(number)
        if isinstance(commit.action, Add | Unban | Promote):
            last = max(last, self._bound_at(AccountId(commit.action.uri)))
        if not self._is_timely(last):
            self._miss(commit.id, Why.CLOCK_AHEAD)
            return
        for event, at in zip(found, clock.shares(last, len(found)), strict=True):
            signed = events.sign(replace(event, clock=at), self.chat.id, self.attester.secret)
            self.found.append(_Found(commit.id, signed))
            self.attested += 1

    def _bound_at(self, account: AccountId) -> int:
        """The clock of the commit that bound an account's key; 0 for a foreign member, whose key was there first."""
        bound = self.ledger.bindings.of(account)
        return 0 if bound is None else self.ledger.clock(self.here.history.number(bound.commit))

    def _is_known(self, action: Action, number: int) -> bool:
        """Whether an event at that time or later adds whom this commit adds."""
        if not isinstance(action, Add | Unban):
            return False
        if self._added is None:
            self._added = {}
            for told in self.ledger.told:
                if told.chat is self.chat and told.signed.event.type == EventType.MEMBERS_ADDED:
                    for member in told.signed.event.members:
                        self._added[member] = max(self._added.get(member, 0), told.signed.event.clock)
        key = self._key(AccountId(action.uri))
        return key is not None and self._added.get(key.legacy, 0) >= self.ledger.clock(number)

    def _key(self, account: AccountId) -> Key | None:
        return self.ledger.key_of(account)

    def _profiles(self, commit: Commit) -> tuple[bytes | None, bytes | None]:
        assert commit.parent is not None, "the first commit changes no profile"
        return self.here.roster_at(commit.parent).profile, self.here.roster_at(commit.id).profile

    def _is_timely(self, at: int) -> bool:
        return clock.is_acceptable(at, self.now_ms)

    def _miss(self, commit: CommitId, reason: str, about: str = "") -> None:
        self.missing.append(Missing(commit, reason, about))
