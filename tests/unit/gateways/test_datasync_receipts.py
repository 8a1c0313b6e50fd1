"""Acknowledgements come out of the log alone, nothing goes on from them, and what is kept of a peer's is little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Kick, Post
from swarmchat.gateways.datasync import messages
from swarmchat.gateways.datasync.group import Group
from swarmchat.gateways.datasync.ledger import Ledger, Said
from swarmchat.gateways.datasync.messages import read_body, read_client, sign, write_client
from swarmchat.gateways.datasync.payload import Message, MessageId, Metadata, PeerId
from swarmchat.gateways.datasync.receipts import Fault, Receipt, Shelf, made
from swarmchat.gateways.datasync.records import MemoryMessages
from swarmchat.gateways.datasync.relaying import considered
from swarmchat.gateways.datasync.standing import Law
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_RECEIPT_BYTES_MAX
from tests.support.builders import ALICE, BOB
from tests.unit.gateways import test_datasync_ledger as logs
from tests.unit.gateways.test_datasync_ledger import ALICES, BOBS, FAR, FARS, FARTHER, SECRETS, ledger_of, relayed, said

log = logs.log


def join_of(ledger: Ledger, who: PeerId) -> Said:
    (found,) = [one for one in ledger.since(0) if isinstance(one.body, messages.Join) and one.sender == who]
    return found


def brought(ledger: Ledger, log: CommitLog, target: MessageId, secret: Any = FAR, time: int = 5) -> Any:
    """What becomes of an ACK that a peer brings."""
    previous = ledger.previous(PeerId(secret.public.raw), log.heads[0])
    client = write_client(sign(messages.Ack(target), previous, secret))
    return considered(ledger, log.roster, ALICE.id, Message(ledger.group, time, client))


def test_each_device_of_an_account_makes_the_same_one_and_whatever_was_said_since_changes_nothing(
    log: CommitLog,
) -> None:
    ledger = ledger_of(log)
    target = join_of(ledger, FARS)
    receipt = made(ledger, target, SECRETS[ALICE.id])
    assert receipt is not None
    assert (receipt.target, receipt.sender) == (target.message.id, ALICES)
    said(log, ALICE, Post("and on it goes"))
    later = ledger_of(log)
    assert made(later, join_of(later, FARS), SECRETS[ALICE.id]) == receipt
    of_bob = made(later, join_of(later, FARS), SECRETS[BOB.id])
    assert of_bob is not None
    assert of_bob.message.id != receipt.message.id


def test_it_counts_for_others_and_what_its_maker_says_next_does_not_name_it(log: CommitLog) -> None:
    ledger = ledger_of(log)
    receipt = made(ledger, join_of(ledger, FARS), SECRETS[ALICE.id])
    assert receipt is not None
    last = ledger.previous(ALICES, log.heads[0])
    commit = said(log, ALICE, Post("next"))
    following = ledger_of(log)
    text = following.said_by(commit)
    assert text is not None
    assert text.client.previous == last
    assert receipt.message.id not in text.message.parents
    group = Group(ledger.group, Law(ledger.kind, ALICES, frozenset({ALICES})))
    for one in [*(each.message for each in following.since(0)), receipt.message]:
        group.add(one)
    assert group.verdict(receipt.message.id) is None
    assert group.verdict(text.message.id) is None


def test_nobody_acknowledges_himself_or_a_text_or_what_was_before_him(log: CommitLog) -> None:
    commit = said(log, BOB, Post("a text"))
    ledger = ledger_of(log)
    text = ledger.said_by(commit)
    assert text is not None
    assert made(ledger, text, SECRETS[ALICE.id]) is None
    assert made(ledger, join_of(ledger, BOBS), SECRETS[BOB.id]) is None
    assert made(ledger, join_of(ledger, BOBS), FAR) is None, "he came later"
    assert made(ledger, join_of(ledger, FARS), FARTHER) is None, "he is not in it"


def test_a_member_and_who_went_with_it_confirm_what_they_saw(log: CommitLog) -> None:
    ledger = ledger_of(log)
    joined = brought(ledger, log, join_of(ledger, BOBS).message.id)
    assert isinstance(joined, Receipt)
    assert (joined.target, joined.sender) == (join_of(ledger, BOBS).message.id, FARS)
    assert joined.message.parents == (joined.target,), "nothing is kept that its id does not cover"
    out = said(log, ALICE, Kick(FAR.public.uri))
    ledger = ledger_of(log)
    kicked = ledger.said_by(out)
    assert kicked is not None
    assert isinstance(brought(ledger, log, kicked.message.id), Receipt)
    late = brought(ledger, log, join_of(ledger, BOBS).message.id)
    assert isinstance(late, Refused)
    assert late.reason == Fault.NOT_A_MEMBER


def test_what_confirms_nothing_is_refused_by_name(log: CommitLog) -> None:
    commit = said(log, ALICE, Post("a text"))
    text = ledger_of(log).said_by(commit)
    assert text is not None
    for target in (text.message.id, MessageId(bytes(32))):
        refused = brought(ledger_of(log), log, target)
        assert isinstance(refused, Refused)
        assert refused.reason == Fault.OF_NOTHING


@pytest.mark.parametrize("more", [0, 1])
def test_so_much_is_kept_of_one_and_no_more(log: CommitLog, more: int) -> None:
    ledger = ledger_of(log)
    target, previous = join_of(ledger, BOBS).message.id, ledger.previous(FARS, log.heads[0])
    client = write_client(sign(messages.Ack(target), previous, FAR))
    filling = DATASYNC_RECEIPT_BYTES_MAX + more - len(client) - 4  # field 100, which nobody knows, and its length
    padded = client + bytes((0xA2, 0x06, 0x80 | filling & 0x7F, filling >> 7)) + bytes(filling)
    assert len(padded) == DATASYNC_RECEIPT_BYTES_MAX + more
    found = considered(ledger, log.roster, ALICE.id, Message(ledger.group, 5, padded))
    assert isinstance(found, Refused if more else Receipt)


def test_a_receipt_stands_beside_what_the_logs_have_and_nothing_follows_it(log: CommitLog) -> None:
    ledger = ledger_of(log)
    target = join_of(ledger, FARS)
    receipt = made(ledger, target, SECRETS[ALICE.id])
    assert receipt is not None
    held = MemoryMessages()
    held.add(target.message)
    shelf = Shelf(held, _Kept(receipt.message))
    assert (shelf.get(receipt.message.id), shelf.get(target.message.id)) == (receipt.message, target.message)
    assert shelf.has(receipt.message.id)
    assert not shelf.has(MessageId(bytes(32)))
    assert shelf.heads(ledger.group) == (target.message.id,)


def test_a_thin_peer_writes_its_next_message_beside_an_ack_and_not_after_it(log: CommitLog) -> None:
    ledger = ledger_of(log)
    target = join_of(ledger, FARS)
    receipt = made(ledger, target, SECRETS[ALICE.id])
    assert receipt is not None
    held = MemoryMessages(lambda message: isinstance(_body(message), messages.Ack))
    for one in (target.message, receipt.message):
        held.add(one)
    assert held.has(receipt.message.id)
    assert held.heads(ledger.group) == (target.message.id,)
    odd = replace(receipt.message, metadata=Metadata((MessageId(bytes(32)),)))
    assert odd.id == receipt.message.id, "what it names is under no signature"


def test_who_comes_in_again_confirms_only_what_was_after_he_first_spoke(log: CommitLog) -> None:
    relayed(log, ALICE, FAR, messages.Leave(FAR.public, ledger_of(log).group))
    ledger = ledger_of(log)
    left = ledger.newest(1)[0]
    receipt = made(ledger, left, SECRETS[BOB.id])
    assert receipt is not None
    client = read_client(receipt.message.body)
    assert not isinstance(client, Refused)
    before = ledger.said(client.previous) if client.previous is not None else None
    assert before is not None
    assert (before.sender, before.number < left.number) == (BOBS, True)


class _Kept:
    def __init__(self, *kept: Message) -> None:
        self._kept = {each.id: each for each in kept}

    def receipt(self, message: MessageId) -> Message | None:
        return self._kept.get(message)


def _body(message: Message) -> object:
    client = read_client(message.body)
    return None if isinstance(client, Refused) else read_body(client)
