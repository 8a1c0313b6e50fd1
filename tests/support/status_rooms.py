"""Conversations on disk that are told to Status, without a node around them: who writes signs as a node would."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarmchat import limits
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.conversation.actions import Action, Initial, Join, Other, UpdateProfile
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.profile import Profile, write
from swarmchat.conversation.timeline import Timeline
from swarmchat.conversation.tree import Mode
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways import bindings
from swarmchat.gateways.protobuf import undelimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes, reading, speaking, tending
from swarmchat.gateways.status.export import Attester, Exported, export
from swarmchat.gateways.status.fold import Fold, Group, fold
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.mapping import Unmappable
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, NOW, Person
from tests.support.commitlogs import clone, group, must, writer


def secret(who: Person) -> Secret:
    """The key that somebody has with Status, always the same."""
    return Secret(hashlib.sha256(f"status {who.name}".encode()).digest())


def key(who: Person) -> str:
    return secret(who).public.legacy


def wrappers(exported: Exported) -> tuple[bytes, ...]:
    """What stands in the file of an export."""
    found = undelimited(b"".join(piece for _, piece in exported.pieces()), limits.STATUS_STREAM_MESSAGES_MAX)
    assert not isinstance(found, Refused), found
    return found


@dataclass
class StatusRoom:
    """One node's copy of Alice's conversation, and the time there (s)."""

    log: CommitLog
    now: int = NOW + 1_000
    ledger: Ledger = field(init=False)
    unmapped: list[Unmappable] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.log.conversation)

    @classmethod
    def of(cls, folder: Path, *others: Person, mode: Mode = 1) -> StatusRoom:
        return cls(group(folder, *others, mode=mode))

    @classmethod
    def opened(cls, folder: Path, *others: Person, mode: Mode = 1) -> StatusRoom:
        """Alice has opened it, everybody has bound a key and is in the chat."""
        room = cls.of(folder, *others, mode=mode)
        room.open(ALICE)
        for other in others:
            room.bind(other)
        if others:
            assert room.tend(ALICE) is not None
        return room

    @classmethod
    def between(cls, folder: Path, other: Person = BOB) -> StatusRoom:
        """A one-to-one of Alice with somebody who has joined, open for nothing."""
        log = CommitLog.create(folder / "a.git", writer(ALICE), Initial(0, "0" * 32, other.id), now=NOW)
        must(log.append(Join(other.id), writer(other), now=NOW))
        return cls(log)

    @classmethod
    def opened_between(cls, folder: Path) -> StatusRoom:
        """The same with Bob, open for Status; both have bound a key."""
        room = cls.between(folder)
        room.bridge(ALICE)
        room.bind(ALICE)
        room.bind(BOB)
        return room

    def copy(self, path: Path) -> StatusRoom:
        """Another node's."""
        return StatusRoom(clone(self.log, path), self.now)

    # --- writing

    def write(
        self,
        who: Person,
        action: Action,
        *,
        profile: bytes | None = None,
        extra: Mapping[str, object] | None = None,
        at: CommitId | None = None,
        signs: bool = True,
        revocations: bytes | None = None,
    ) -> CommitId:
        self.now += 1
        annotate = self._annotator(who) if signs and extra is None else None
        (outcome,) = self.log.append_all(
            [Pending(action, writer(who, revocations=revocations), self.now, profile, extra, at, annotate)]
        )
        return must(outcome).new[0]

    def _annotator(self, who: Person):  # type: ignore[no-untyped-def]
        def annotate(here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
            self.ledger.follow(here, here.size)
            wish = speaking.Wish(item.action, who.id, who.name, parent, item.profile, self.now * 1000 + 7)
            found = speaking.spoken(self.ledger, here, wish, secret(who))
            if isinstance(found, Unmappable):
                self.unmapped.append(found)
            return {"status": found} if isinstance(found, dict) else {}

        return annotate

    def bind(self, who: Person, key: Secret | None = None, at: CommitId | None = None) -> CommitId:
        body = bindings.body(self.log.conversation, who.id, key or secret(who))
        return self.write(who, Other(bindings.BINDING), extra=body, at=at)

    def open(self, who: Person) -> CommitId:
        self.bind(who)
        ledger = self.follow()
        number = self.log.history.number(self.main)
        note = tending.opening(ledger, self.log, number, who.id, secret(who), self.now * 1000)
        return self.write(who, Other(notes.BRIDGE), extra=note)

    def bridge(self, who: Person, at: CommitId | None = None, **more: object) -> CommitId:
        """Open a one-to-one."""
        return self.write(who, Other(notes.BRIDGE), extra={notes.KEY: {}, **more}, at=at)

    def tend(self, who: Person) -> CommitId | None:
        """Write what is due from somebody, if anything is."""
        for number in self._places():
            due = self._due_at(number, who)
            if due.extra is not None:
                return self.write(who, Other(due.kind), extra=due.extra, at=self.log.history.id(number))
        return None

    def due(self, who: Person) -> tending.Due:
        """What is due from somebody where there is one head."""
        (number,) = self._places()
        return self._due_at(number, who)

    def _places(self) -> list[int]:
        return tending.parents(self.log, self.main, self.log.heads)

    def _due_at(self, number: int, who: Person) -> tending.Due:
        ledger, now_ms = self.follow(), self.now * 1000
        return tending.due(ledger, self.log, number, self.log.roster, who.id, secret(who), now_ms)

    def title(self, who: Person, **fields: str) -> CommitId:
        return self.write(who, UpdateProfile(), profile=write(Profile(**fields)))

    # --- looking

    def follow(self) -> Ledger:
        self.ledger.follow(self.log, len(self.log.history))
        return self.ledger

    @property
    def main(self) -> CommitId:
        assert self.log.main is not None
        return self.log.main

    def note(self, commit: CommitId) -> notes.Note | None:
        parsed = self.log.commit(commit)
        assert isinstance(parsed, Commit)
        return notes.read(parsed.body)

    def said(self, commit: CommitId) -> tuple[reading.Said, ...] | Refused:
        entry, parsed = self.log.history[commit], self.log.commit(commit)
        assert isinstance(parsed, Commit)
        assert entry.fact.account is not None
        return reading.said(self.follow(), entry.seq, parsed, entry.fact.account)

    def one(self, commit: CommitId) -> reading.Said:
        """The one thing that a commit says."""
        said = self.said(commit)
        assert not isinstance(said, Refused), said
        assert len(said) == 1
        return said[0]

    def fold(self) -> Fold:
        """What the chat that counts has come to."""
        ledger = self.follow()
        chat = ledger.chats[0]
        return fold(chat.id, [told.signed for told in ledger.told if told.chat is chat])

    @property
    def group(self) -> Group:
        return self.fold().group

    def export(self, attester: Person | None = None) -> Exported:
        order = Timeline(self.log.history).order()
        by = None if attester is None else Attester(attester.id, secret(attester))
        found = export(self.follow(), self.log, order, by, now_ms=self.now * 1000)
        assert isinstance(found, Exported), found
        return found

    def reasons(self, exported: Exported | None = None) -> dict[CommitId, str]:
        """Why commits are not in an export."""
        return {one.commit: one.reason for one in (exported or self.export()).report.missing}
