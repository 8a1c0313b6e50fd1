"""What the commits of a conversation say for data sync: the same in whatever order they came, and no more than they may."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.conversation.actions import Action, Add, Kick, Leave, Other, Post, Promote
from swarmchat.conversation.history import History
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways import bindings
from swarmchat.gateways.datasync import messages, speaking
from swarmchat.gateways.datasync.carriage import field
from swarmchat.gateways.datasync.ledger import Ledger
from swarmchat.gateways.datasync.mapping import BRIDGE, EVENT, FIELD
from swarmchat.gateways.datasync.messages import sign, write_client
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, PeerId
from swarmchat.gateways.datasync.relaying import Fault, Known, Relay, considered, is_unsaid
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, NOW, Person
from tests.support.commitlogs import clone, group, must, pull, writer

SECRETS = {ALICE.id: Secret(b"\1" * 32), BOB.id: Secret(b"\2" * 32)}
FAR, FARTHER = Secret(b"\3" * 32), Secret(b"\4" * 32)
ALICES, BOBS, FARS = (PeerId(one.public.raw) for one in (*SECRETS.values(), FAR))
_times = itertools.count(NOW)


def ledger_of(log: CommitLog) -> Ledger:
    found = Ledger(log.conversation)
    found.grow(log.history, log.commit, log.roster_at)
    return found


def write(log: CommitLog, who: Person, action: Action, at: CommitId | None = None, **extra: Any) -> CommitId:
    """A commit as it is."""
    return must(log.append(action, writer(who), now=next(_times), extra=extra, at=at)).new[-1]


def said(log: CommitLog, who: Person, action: Action, at: CommitId | None = None, **extra: Any) -> CommitId:
    """A commit with what its author's node says for data sync beside it."""
    ledger = ledger_of(log)

    def annotate(here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
        return speaking.spoken(ledger, here, item, parent, SECRETS[who.id], FAR.public)

    item = Pending(action, writer(who), next(_times), None, extra, at, annotate)
    return must(log.append_all([item])[0]).new[-1]


def relayed(log: CommitLog, who: Person, secret: Secret, body: messages.Body) -> CommitId:
    """What a thin peer says, taken in by somebody's node."""
    found = considered(ledger_of(log), log.roster, who.id, message(log, secret, body))
    assert isinstance(found, Relay), found
    return write(log, who, found.plan.action, **found.plan.extra)


def message(log: CommitLog, secret: Secret, body: messages.Body, previous: MessageId | None = None) -> Message:
    ledger = ledger_of(log)
    last = previous or ledger.previous(PeerId(secret.public.raw), log.heads[0])
    return Message(ledger.group, next(_times), write_client(sign(body, last, secret)))


def bound(log: CommitLog, *people: Person) -> None:
    for who in people:
        write(log, who, Other(bindings.BINDING), **bindings.body(log.conversation, who.id, SECRETS[who.id]))


@pytest.fixture
def log(tmp_path: Path) -> CommitLog:
    """Alice's conversation with Bob, both in its group, and one without account."""
    log = group(tmp_path, BOB)
    bound(log, ALICE, BOB)
    write(log, ALICE, Other(BRIDGE), **speaking.founding(ledger_of(log), SECRETS[ALICE.id], NOW))
    for extra in speaking.due(ledger_of(log), log.roster, ALICE.id).invitations:
        said(log, ALICE, Other(EVENT), **extra)
    for extra in speaking.due(ledger_of(log), log.roster, BOB.id).own:
        said(log, BOB, Other(EVENT), **extra)
    said(log, ALICE, Add(FAR.public.uri))
    relayed(log, BOB, FAR, messages.Join(FAR.public, ledger_of(log).group))
    return log


def ids(ledger: Ledger) -> set[MessageId]:
    return {one.message.id for one in ledger.since(0)}


def test_members_come_in_one_after_the_other_and_the_foreign_one_under_his_key(log: CommitLog) -> None:
    ledger = ledger_of(log)
    assert ledger.fold.standing.members == {ALICES, BOBS, FARS}
    assert ledger.fold.standing.owner == ALICES
    assert ledger.foreign == {FAR.public.uri}
    assert (ledger.key_of(FAR.public.uri), ledger.key_of(BOB.id)) == (FAR.public, SECRETS[BOB.id].public)
    assert (ledger.account_of(FAR.public), ledger.account_of(SECRETS[BOB.id].public)) == (FAR.public.uri, BOB.id)
    assert not speaking.due(ledger, log.roster, ALICE.id).invitations
    assert not speaking.due(ledger, log.roster, BOB.id).own


def test_each_message_follows_the_nearest_that_came_before_it_and_its_senders_last(log: CommitLog) -> None:
    first, second = said(log, ALICE, Post("one")), said(log, BOB, Post("two"))
    plain = write(log, ALICE, Post("without"))
    third = said(log, ALICE, Post("three"))
    ledger = ledger_of(log)
    one, two, three = (ledger.said_by(commit) for commit in (first, second, third))
    assert one is not None
    assert two is not None
    assert three is not None
    assert ledger.said_by(plain) is None
    assert two.message.parents == (one.message.id,)
    assert three.message.parents == (two.message.id,)
    assert three.client.previous == one.message.id
    assert (one.is_own, one.sender, one.author) == (True, ALICES, ALICE.id)


def test_forks_are_followed_together_and_every_node_says_the_same(log: CommitLog, tmp_path: Path) -> None:
    other = clone(log, tmp_path / "b.git")
    left = [said(log, ALICE, Post(f"left {count}")) for count in range(2)]
    right = [said(other, BOB, Post(f"right {count}")) for count in range(2)]
    pull(log, other)
    pull(other, log)
    last = said(log, ALICE, Post("after both"))
    pull(other, log)
    mine, theirs = ledger_of(log), ledger_of(other)
    found = {one.message.id: one.message for one in mine.since(0)}
    assert found == {one.message.id: one.message for one in theirs.since(0)}
    heads = [mine.said_by(left[1]), mine.said_by(right[1])]
    after = mine.said_by(last)
    assert after is not None
    assert set(after.message.parents) == {one.message.id for one in heads if one is not None}
    assert mine.fold.standing == theirs.fold.standing


def test_of_two_commits_with_one_message_one_counts_the_same_everywhere(log: CommitLog, tmp_path: Path) -> None:
    other = clone(log, tmp_path / "b.git")
    text = message(log, FAR, messages.text_post("hello from afar"))
    for here, who in ((log, ALICE), (other, BOB)):
        found = considered(ledger_of(here), here.roster, who.id, text)
        assert isinstance(found, Relay)
        write(here, who, found.plan.action, **found.plan.extra)
    pull(log, other)
    pull(other, log)
    chosen = []
    for here in (log, other):
        ledger = ledger_of(here)
        kept = ledger.said(text.id)
        assert kept is not None
        assert [one.message.id for one in ledger.since(0)].count(text.id) == 1
        assert considered(ledger, here.roster, ALICE.id, text) == Known()
        chosen.append(kept.commit)
    both = [one for one in log.heads if one in other.heads]
    assert chosen == [min(both)] * 2


def test_what_is_staged_is_gone_again(log: CommitLog) -> None:
    ledger = ledger_of(log)
    before, size, fold = ids(ledger), ledger.size, ledger.fold.standing
    commit = said(log, ALICE, Post("new"))
    with ledger.staged(log.history, log.commit, log.roster_at):
        assert ledger.said_by(commit) is not None
        assert ledger.size == size + 1
    assert (ids(ledger), ledger.size, ledger.fold.standing) == (before, size, fold)
    assert ledger.said_by(commit) is None
    ledger.grow(log.history, log.commit, log.roster_at)
    assert ids(ledger) == ids(ledger_of(log))


def test_taken_in_one_by_one_or_at_once_it_is_the_same(log: CommitLog) -> None:
    said(log, ALICE, Post("x"))
    relayed(log, BOB, FAR, messages.text_post("y"))
    said(log, ALICE, Kick(FAR.public.uri))
    whole, pieces = ledger_of(log), Ledger(log.conversation)
    history = History()
    for entry in log.history.entries:
        history.add(entry.fact)
        pieces.grow(history, log.commit, log.roster_at)
        assert pieces.opening is None or pieces.fold.standing.owner == ALICES
    assert ids(pieces) == ids(whole)
    assert pieces.fold.standing == whole.fold.standing
    assert FARS in whole.fold.standing.kicked


# --- what does not count


def carried(body: messages.Body, secret: Secret, previous: MessageId | None = None) -> dict[str, object]:
    return {FIELD: field(next(_times), write_client(sign(body, previous, secret)))}


@pytest.mark.parametrize(
    "broken",
    [
        "x",
        {},
        {"ts": 1, "m": "QQ=="},
        {"ts": "01", "m": "QQ=="},
        {"ts": "1e3", "m": "QQ=="},
        {"ts": str(2**63), "m": "QQ=="},
        {"ts": "1", "m": "Q"},
        {"ts": "1", "m": "QQ==" * 200_000},
        {"ts": "1"},
    ],
)
def test_what_is_no_message_is_as_if_it_were_not_there(log: CommitLog, broken: object) -> None:
    before = ids(ledger_of(log))
    commit = write(log, ALICE, Post("text"), **{FIELD: broken})
    ledger = ledger_of(log)
    assert ledger.said_by(commit) is None
    assert ids(ledger) == before


def test_nobody_puts_words_into_anothers_mouth(log: CommitLog) -> None:
    text = carried(messages.text_post("what he said"), FAR)
    lie = write(log, BOB, Post("what he never said"), **text)
    join = write(log, BOB, Post("x"), **carried(messages.Join(FAR.public, ledger_of(log).group), FAR))
    truth = write(log, BOB, Post("what he said"), **carried(messages.text_post("what he said"), FAR))
    ledger = ledger_of(log)
    assert [ledger.said_by(commit) is not None for commit in (lie, join, truth)] == [False, False, True]


def test_who_is_no_admin_puts_nobody_out_and_opens_nothing(log: CommitLog) -> None:
    target = ledger_of(log).group
    by_bob = carried(messages.Kick(FAR.public, target), SECRETS[BOB.id])
    commit = write(log, BOB, Other(EVENT), body="kick", **by_bob)
    opened = write(log, BOB, Other(BRIDGE), **carried(messages.Invite(SECRETS[BOB.id].public, target), SECRETS[BOB.id]))
    asked = write(log, BOB, Other(EVENT), **carried(messages.Invite(FARTHER.public, target), SECRETS[BOB.id]))
    ledger = ledger_of(log)
    assert [ledger.said_by(one) for one in (commit, opened, asked)] == [None, None, None]
    assert ledger.fold.standing.members == {ALICES, BOBS, FARS}
    kick = said(log, ALICE, Kick(FAR.public.uri))
    ledger = ledger_of(log)
    assert ledger.said_by(kick) is not None
    assert FARS in ledger.fold.standing.kicked


def test_the_first_that_opened_it_owns_the_group(log: CommitLog) -> None:
    first = ledger_of(log).opening
    again = write(log, ALICE, Other(BRIDGE), **speaking.founding(ledger_of(log), SECRETS[ALICE.id], NOW + 9))
    assert first is not None
    assert ledger_of(log).opening == first
    assert first.commit != again


# --- what is taken in


def test_what_a_peer_brings_is_refused_by_name(log: CommitLog) -> None:
    ledger = ledger_of(log)
    alices, fars = ledger.previous(ALICES, log.heads[0]), ledger.previous(FARS, log.heads[0])
    here = ledger.group
    cases: list[tuple[messages.Body, Secret, MessageId | None, Fault]] = [
        (messages.text_post("x"), FARTHER, None, Fault.NOT_A_MEMBER),
        (messages.Join(FARTHER.public, here), FARTHER, None, Fault.NOT_INVITED),
        (messages.Leave(FAR.public, here), FAR, MessageId(b"?" * 32), Fault.LOST_PREVIOUS),
        (messages.Join(FAR.public, here), FAR, MessageId(b"?" * 32), Fault.LOST_PREVIOUS),
        (messages.text_post("x"), FAR, alices, Fault.FOREIGN_PREVIOUS),
        (messages.Leave(FAR.public, GroupId(b"o" * 32)), FAR, fars, Fault.OTHER_GROUP),
        (messages.Kick(SECRETS[BOB.id].public, here), FAR, fars, Fault.NOT_ALLOWED),
        (messages.Invite(FARTHER.public, here), FAR, fars, Fault.NOT_ALLOWED),
        (messages.Ack(fars or MessageId(b"")), FAR, alices, Fault.FOREIGN_PREVIOUS),
        (messages.Ack(fars or MessageId(b"")), FAR, None, Fault.NO_PREVIOUS),
    ]
    for body, secret, previous, fault in cases:
        client = write_client(sign(body, previous, secret))
        found = considered(ledger, log.roster, ALICE.id, Message(here, 5, client))
        assert isinstance(found, Refused), body
        assert found.reason == fault, body
    first = Message(here, 5, write_client(sign(messages.text_post("x"), None, FAR)))
    refused = considered(ledger, log.roster, ALICE.id, first)
    assert isinstance(refused, Refused)
    assert refused.reason == Fault.NO_PREVIOUS


def test_a_member_who_comes_in_once_more_changes_nothing_and_what_he_says_next_counts(log: CommitLog) -> None:
    """His client was asked in by a word that came late; if his JOIN were refused, what he says next would follow nothing."""
    before = ledger_of(log).fold.standing
    commits = [
        relayed(log, ALICE, FAR, messages.Join(FAR.public, ledger_of(log).group)),
        relayed(log, ALICE, FAR, messages.text_post("next")),
    ]
    ledger = ledger_of(log)
    again, text = (ledger.said_by(commit) for commit in commits)
    assert again is not None
    assert text is not None
    refused = ledger.fold.verdict(again.message.id)
    assert refused is not None
    assert refused.reason == "already-a-member"
    assert ledger.fold.verdict(text.message.id) is None
    assert ledger.fold.standing == before


def test_only_who_wrote_it_is_kept_waiting_for_an_ack_of_what_is_refused(log: CommitLog) -> None:
    ledger = ledger_of(log)
    fars = ledger.previous(FARS, log.heads[0])
    text = Message(ledger.group, 5, write_client(sign(messages.text_post("x"), fars, FAR)))
    ack = Message(ledger.group, 5, write_client(sign(messages.Ack(fars or MessageId(b"")), fars, FAR)))
    assert is_unsaid(text, Fault.NOT_A_MEMBER, FARS)
    assert not is_unsaid(text, Fault.NOT_A_MEMBER, ALICES)
    assert not is_unsaid(text, Fault.NOT_ALLOWED, FARS)
    assert not is_unsaid(text, Fault.REPLAYED, FARS)
    assert not is_unsaid(ack, Fault.NOT_A_MEMBER, FARS)
    assert is_unsaid(ack, Fault.NO_PREVIOUS, FARS)
    assert not is_unsaid(Message(ledger.group, 5, b"none"), Fault.NO_PREVIOUS, FARS)


def test_a_signature_with_another_time_is_a_copy(log: CommitLog) -> None:
    text = message(log, FAR, messages.text_post("once"))
    found = considered(ledger_of(log), log.roster, ALICE.id, text)
    assert isinstance(found, Relay)
    write(log, ALICE, found.plan.action, **found.plan.extra)
    copy = Message(text.group, text.timestamp + 1, text.body)
    refused = considered(ledger_of(log), log.roster, ALICE.id, copy)
    assert isinstance(refused, Refused)
    assert refused.reason == Fault.REPLAYED


def test_when_the_owner_has_left_nothing_is_taken_in_or_said_any_more(log: CommitLog) -> None:
    must(log.append(Promote(BOB.id), writer(ALICE), now=next(_times)))
    left = said(log, ALICE, Leave(ALICE.id))
    ledger = ledger_of(log)
    assert ledger.said_by(left) is not None
    assert ledger.fold.standing.dissolved
    late = considered(ledger, log.roster, BOB.id, message(log, FAR, messages.text_post("late")))
    assert isinstance(late, Refused)
    assert late.reason == Fault.OVER
    assert ledger_of(log).said_by(said(log, BOB, Post("too late"))) is None


def test_the_owner_may_leave_from_outside_and_the_conversation_goes_on_without_messages(log: CommitLog) -> None:
    left = relayed(log, BOB, SECRETS[ALICE.id], messages.Leave(SECRETS[ALICE.id].public, ledger_of(log).group))
    ledger = ledger_of(log)
    assert ledger.said_by(left) is not None
    assert ledger.fold.standing.dissolved
    assert log.roster.is_joined(ALICE.id), "his account is a member as before"
    later = said(log, BOB, Post("with git"))
    assert log.knows(later)
    assert ledger_of(log).said_by(later) is None


def test_a_long_log_is_looked_through_piece_by_piece(log: CommitLog) -> None:
    for count in range(5):
        said(log, ALICE, Post(f"{count}"))
    whole, pieces = ledger_of(log), Ledger(log.conversation)
    sizes = []
    while not sizes or sizes[-1] < len(log.history):
        pieces.grow(log.history, log.commit, log.roster_at, 3)
        sizes.append(pieces.size)
    assert sizes[:2] == [3, 6]
    assert ids(pieces) == ids(whole)
    assert pieces.fold.standing == whole.fold.standing


def test_who_claims_a_key_later_changes_the_same_for_everybody(log: CommitLog, tmp_path: Path) -> None:
    """Two accounts with one key: whose it is depends on no order, though one node knew of the first alone for a while."""
    other = clone(log, tmp_path / "b.git")
    shared = Secret(b"\7" * 32)
    for here, who in ((log, ALICE), (other, BOB)):
        write(here, who, Other(bindings.BINDING), **bindings.body(here.conversation, who.id, shared))
    early = ledger_of(log)
    pull(log, other)
    pull(other, log)
    early.grow(log.history, log.commit, log.roster_at)
    owners = {ledger.account_of(shared.public) for ledger in (early, ledger_of(log), ledger_of(other))}
    assert len(owners) == 1
    assert ids(early) == ids(ledger_of(other))
    assert early.fold.standing == ledger_of(other).fold.standing
