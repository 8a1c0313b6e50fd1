"""What a member passes on of another's words: what the log bears out, once, in his own name, and of nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Other, Post, React
from swarmchat.conversation.commit import Commit
from swarmchat.gateways.datasync import messages
from swarmchat.gateways.datasync.attesting import Claim, attested, claim, intention, target
from swarmchat.gateways.datasync.ledger import Said
from swarmchat.gateways.datasync.mapping import EVENT
from swarmchat.gateways.datasync.payload import MessageId
from swarmchat.gateways.datasync.relaying import Fault, considered
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import AccountId, CommitId
from swarmchat.limits import DATASYNC_ATTESTED_BYTES_MAX
from tests.support.builders import ALICE, BOB
from tests.unit.gateways import test_datasync_ledger as logs
from tests.unit.gateways.test_datasync_ledger import ALICES, FAR, SECRETS, carried, ledger_of, message, said, write

log = logs.log
CLAIMED = {"type": "text/plain", "body": "x", "by": "ab" * 20, "commit": "cd" * 20}


def commit(log: CommitLog, one: CommitId) -> Commit:
    found = log.commit(one)
    assert isinstance(found, Commit)
    return found


def passed_on(log: CommitLog, text: CommitId) -> Said | None:
    """What a commit of Alice says that passes on another."""
    event = said(log, ALICE, Other(EVENT), **intention(text))
    return ledger_of(log).said_by(event)


def test_a_text_without_a_message_is_passed_on_with_whose_it_is_and_no_key_of_a_gateway(log: CommitLog) -> None:
    text = write(log, BOB, Post("from before"), mvds="nonsense", status={"x": "y"}, other="stays")
    found = passed_on(log, text)
    assert found is not None
    assert isinstance(found.body, messages.Post)
    assert json.loads(found.body.text or "") == {
        "type": "text/plain",
        "body": "from before",
        "other": "stays",
        "by": BOB.id,
        "commit": text,
        "at": str(commit(log, text).time),
    }
    assert (found.sender, found.is_own) == (ALICES, True)
    ledger = ledger_of(log)
    assert ledger.attested() == {text}
    assert ledger.fold.verdict(found.message.id) is None
    said(log, ALICE, Post("next"))
    following = ledger_of(log).newest(1)[0]
    assert following.client.previous == found.message.id


def test_what_speaks_for_itself_or_is_no_text_or_is_not_there_is_not_passed_on(log: CommitLog) -> None:
    spoken = said(log, BOB, Post("with a message"))
    silent = write(log, BOB, Post("without"))
    reaction = write(log, BOB, React("👍", silent))
    for one in (spoken, reaction, CommitId("ef" * 20)):
        assert passed_on(log, one) is None
    assert passed_on(log, silent) is not None


@pytest.mark.parametrize("change", [{"body": "what he never said"}, {"by": ALICE.id}, {"at": "1"}, {"more": "x"}])
def test_words_that_the_commit_does_not_bear_out_are_as_if_they_were_not_there(
    log: CommitLog, change: dict[str, str]
) -> None:
    text = write(log, BOB, Post("what he said"))
    honest = attested(commit(log, text), BOB.id)
    assert honest is not None
    secret, previous = SECRETS[ALICE.id], ledger_of(log).previous(ALICES, log.heads[0])
    lie = messages.commit_post(json.dumps(json.loads(honest.text or "") | change))
    false = write(log, ALICE, Other(EVENT), **intention(text), **carried(lie, secret, previous))
    true = write(log, ALICE, Other(EVENT), **intention(text), **carried(honest, secret, previous))
    ledger = ledger_of(log)
    assert [ledger.said_by(one) is not None for one in (false, true)] == [False, True]


def test_only_an_event_of_its_signer_after_the_text_passes_it_on(log: CommitLog) -> None:
    before = log.heads[0]
    text = write(log, BOB, Post("what he said"))
    honest = attested(commit(log, text), BOB.id)
    assert honest is not None
    by_alice = carried(honest, SECRETS[ALICE.id], ledger_of(log).previous(ALICES, text))
    others: list[CommitId] = [
        write(log, ALICE, Post("what he said"), **by_alice),  # as her own words
        write(log, ALICE, Other(EVENT), body="post", **by_alice),  # as an event of another kind
        write(log, BOB, Other(EVENT), **intention(text), **by_alice),  # by another's device
        write(log, ALICE, Other(EVENT), at=before, **intention(text), **by_alice),  # before it
    ]
    ledger = ledger_of(log)
    assert [ledger.said_by(one) for one in others] == [None] * 4


def test_who_has_no_git_passes_nothing_on(log: CommitLog) -> None:
    body = messages.commit_post(json.dumps(CLAIMED))
    found = considered(ledger_of(log), log.roster, ALICE.id, message(log, FAR, body))
    assert isinstance(found, Refused)
    assert found.reason == Fault.NOT_ALLOWED


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (CLAIMED, True),
        (CLAIMED | {"more": 1}, True),
        (CLAIMED | {"by": "AB" * 20}, False),
        (CLAIMED | {"by": 5}, False),
        (CLAIMED | {"commit": "cd" * 19}, False),
        (CLAIMED | {"commit": None}, False),
        (CLAIMED | {"type": "application/x"}, False),
        ({"type": "text/plain", "body": "x"}, False),
    ],
)
def test_a_claim_names_an_account_and_a_commit(told: dict[str, Any], wanted: bool) -> None:
    found = claim(messages.commit_post(json.dumps(told)))
    assert found == (Claim(AccountId("ab" * 20), CommitId("cd" * 20)) if wanted else None)


def test_other_posts_claim_nothing() -> None:
    assert claim(messages.text_post(json.dumps(CLAIMED))) is None
    assert claim(messages.Ack(message=MessageId(bytes(32)))) is None
    assert claim(messages.Post(messages.Content.COMMIT, b"no json")) is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"body": "attest"},
        {"body": "join", "of": "ab" * 20},
        {"body": "attest", "of": "ab"},
        {"body": "attest", "of": 7},
    ],
)
def test_an_event_that_names_no_commit_passes_nothing_on(told: dict[str, Any]) -> None:
    assert target(told) is None
    assert target(intention(CommitId("ab" * 20))) == "ab" * 20


def test_of_a_very_long_text_nothing_is_passed_on(log: CommitLog) -> None:
    one = write(log, BOB, Post("short"), filling="")
    fits = attested(commit(log, one), BOB.id)
    assert fits is not None
    room = DATASYNC_ATTESTED_BYTES_MAX - len((fits.text or "").encode())
    for more, wanted in ((0, True), (1, False)):
        longer = write(log, BOB, Post("short"), filling="x" * (room + more))
        assert (attested(commit(log, longer), BOB.id) is not None) is wanted
        assert (passed_on(log, longer) is not None) is wanted
