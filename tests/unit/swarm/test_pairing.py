from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from spake2 import SPAKE2_A

from swarmchat import limits
from swarmchat.account.account import Account, create
from swarmchat.account.archive import document
from swarmchat.account.state import State
from swarmchat.account.statuskey import StatusKey
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import issue_device
from swarmchat.crypto.keys import PrivateKey
from swarmchat.ids import DeviceId
from swarmchat.swarm.pairing import (
    Candidate,
    ExistingDevice,
    Failed,
    Fault,
    Grant,
    Installation,
    Linked,
    Message,
    NewDevice,
    Offer,
    Say,
    is_known,
)
from tests.support.accounts import account, conversation, device, seeded

WALL = 1_750_000_000
WORDS, WRONG = "acid-zoom-stew-oasis-crisp-cable", "acid-zoom-stew-oasis-crisp-bacon"
T = DeviceId("ee" * 32)
EXPORTER, ANOTHER = b"x" * 32, b"y" * 32
AT = (Address("192.0.2.7", 4000), Address("2001:db8::7", 4000))


@pytest.fixture
def ann() -> Account:
    return create(name="Ann", now=WALL, entropy=seeded())


@pytest.fixture
def state() -> State:
    state, _ = State().add_contact(account(1), conversation=conversation(1), name="Bob", now_ms=WALL * 1000)
    return state


def offer(ann: Account) -> Offer:
    return Offer(ann.id, ann.name, "desk")


def existing(
    ann: Account, words: str = WORDS, *, exporter: bytes = EXPORTER, now: float = 0, seed: int = 1
) -> ExistingDevice:
    return ExistingDevice(
        words, us=ann.device, other=T, exporter=exporter, offer=offer(ann), now=now, entropy=seeded(seed)
    )


def waiting(words: str = WORDS, *, now: float = 0) -> NewDevice:
    return NewDevice(words, us=T, now=now, entropy=seeded(2))


def said(move: object) -> Message:
    """What a side wants to say, or says before it hangs up."""
    found = move.message if isinstance(move, Say) else move.tell if isinstance(move, Failed) else None
    assert found is not None, move
    return found


def proved(
    old: ExistingDevice, new: NewDevice, ann: Account, *, exporter: bytes = EXPORTER, now: float = 1
) -> Offer | Failed:
    """Messages 1 to 3, as far as they go."""
    first = said(new.open(ann.device, exporter, now))
    assert new.receive(old.begin(), now) is None
    confirm = said(old.receive(first, now))
    answer = new.receive(confirm, now)
    if isinstance(answer, Failed):
        assert answer.tell is not None
        told = old.receive(answer.tell, now)
        assert isinstance(told, Failed)
        return told
    move = old.receive(said(answer), now)
    shown = new.receive(said(move), now)
    assert isinstance(shown, Offer)
    return shown


def asked(old: ExistingDevice, new: NewDevice, ann: Account, name: str = "laptop") -> Candidate:
    """Messages 1 to 4."""
    assert isinstance(proved(old, new, ann), Offer)
    candidate = old.receive(new.agree(name), 2)
    assert isinstance(candidate, Candidate)
    return candidate


def granted(
    old: ExistingDevice, new: NewDevice, ann: Account, state: State, *, with_key: bool = False, name: str = "laptop"
) -> tuple[Grant, bytes]:
    """Messages 1 to 5."""
    candidate = asked(old, new, ann, name)
    assert ann.account_key is not None
    certificate = issue_device(ann.account_key, ann.certificate, candidate.key, now=WALL)
    data = document(ann, state, (), with_key=with_key)
    grant = new.receive(old.grant(certificate, len(data), AT), 3)
    assert isinstance(grant, Grant)
    return grant, data


# --- the whole of it


@pytest.mark.parametrize("with_key", [False, True])
def test_a_device_is_linked(ann: Account, state: State, with_key: bool) -> None:
    """L-02, L-03: both sides agree, and the new device is one of the account."""
    old, new = existing(ann), waiting()
    grant, data = granted(old, new, ann, state, with_key=with_key)
    assert (grant.document_bytes, grant.addresses) == (len(data), AT)
    made = new.install(data, WALL + 100)
    assert isinstance(made, Installation)
    assert (made.account.id, made.account.name, made.existing) == (ann.id, "Ann", ann.device)
    assert made.account.device not in {ann.device, T}
    assert made.account.may_link is with_key
    assert made.state.contacts == state.contacts
    shown = {one.id: (one.name, one.may_link) for one in made.state.devices.values()}
    assert shown == {made.account.device: ("laptop", with_key), ann.device: ("desk", True)}
    assert isinstance(old.receive(new.done(), 4), Linked)
    assert new.is_over(4), "the words are used up"


@pytest.mark.parametrize("with_key", [False, True])
def test_the_new_device_is_given_the_key_with_status(ann: Account, state: State, with_key: bool) -> None:
    """It is the account's, whether or not the device may link others."""
    ann = replace(ann, status_key=StatusKey(2, b"\7" * 32))
    new = waiting()
    _, data = granted(existing(ann), new, ann, state, with_key=with_key)
    made = new.install(data, WALL + 100)
    assert isinstance(made, Installation)
    assert made.account.status_key == ann.status_key


def test_the_new_device_shows_whose_it_would_become(ann: Account) -> None:
    assert proved(existing(ann), waiting(), ann) == Offer(ann.id, "Ann", "desk")


def test_the_existing_device_is_told_key_and_name_of_the_new_one(ann: Account) -> None:
    new = waiting()
    candidate = asked(existing(ann), new, ann, name="laptop")
    assert candidate.name == "laptop"
    assert not is_known(candidate, ann)


def test_a_key_that_the_account_has_or_has_withdrawn_is_noticed(ann: Account) -> None:
    revoked = PrivateKey.from_seed(b"r" * 32).public
    after = ann.with_revocations(ann.revoke(revoked.device_id, now=WALL))
    assert is_known(Candidate(revoked, ""), after)
    assert is_known(Candidate(ann.device_key.public, ""), after)
    assert not is_known(Candidate(PrivateKey.from_seed(b"s" * 32).public, ""), after)


# --- words


def test_the_existing_device_shows_first_that_it_knows_the_words(ann: Account) -> None:
    """So each caller learns about one guess and no more."""
    old, new = existing(ann), waiting()
    first = said(new.open(ann.device, EXPORTER, 1))
    assert set(first) == {"n", "spake"}
    assert new.receive(old.begin(), 1) is None  # says nothing yet that a guess could be held against
    assert set(said(old.receive(first, 1))) == {"n", "confirm"}


def test_wrong_words_once_and_then_the_right_ones(ann: Account, state: State) -> None:
    """L-04: one wrong, then the right one."""
    new = waiting()
    assert proved(existing(ann, WRONG), new, ann) == Failed(Fault.AUTH, None, 2)
    new.closed()
    _, data = granted(existing(ann, seed=7), new, ann, state)
    assert isinstance(new.install(data, WALL), Installation)


def test_after_three_wrong_tries_the_words_are_worth_nothing(ann: Account) -> None:
    """L-05: asked again twice, over after the third; the right words come too late."""
    new = waiting()
    for left in (2, 1, 0):
        assert not new.is_over(1)
        assert proved(existing(ann, WRONG, seed=left + 5), new, ann) == Failed(Fault.AUTH, None, left)
        new.closed()
    assert new.is_over(1)
    assert new.open(ann.device, EXPORTER, 1) == Failed(Fault.REFUSED, {"error": "refused"})


def test_a_second_guess_in_one_try_is_not_heard(ann: Account) -> None:
    old, new = existing(ann, WRONG), waiting()
    first = said(new.open(ann.device, EXPORTER, 1))
    new.receive(old.begin(), 1)
    confirm = said(old.receive(first, 1))
    assert isinstance(new.receive(confirm, 1), Failed)
    again = new.receive(confirm, 1)
    assert isinstance(again, Failed)
    assert again.fault is Fault.BAD_MESSAGE
    assert new.tries_left == 2


def test_who_sits_between_two_sessions_is_noticed_though_the_words_are_right(ann: Account) -> None:
    """He passes every message on as it is; but the two TLS sessions export other bytes."""
    new = waiting()
    assert proved(existing(ann, exporter=ANOTHER), new, ann, exporter=EXPORTER) == Failed(Fault.AUTH, None, 2)
    assert not new.is_proved


def test_a_new_device_that_does_not_know_the_words_is_noticed(ann: Account) -> None:
    """It may claim to be content with any confirmation; it cannot make its own."""
    old = existing(ann)
    liar = waiting(WRONG)
    old.begin()
    old.receive(said(liar.open(ann.device, EXPORTER, 1)), 1)
    move = old.receive({"n": 2, "confirm": bytes(32)}, 1)
    assert move == Failed(Fault.AUTH, {"error": "auth"})


def test_the_confirmations_of_the_two_sides_differ(ann: Account) -> None:
    """What E said is no answer to E."""
    old, new = existing(ann), waiting()
    old.begin()
    confirm = said(old.receive(said(new.open(ann.device, EXPORTER, 1)), 1))
    assert old.receive(confirm, 1) == Failed(Fault.AUTH, {"error": "auth"})


def test_a_message_1_that_comes_back_is_not_taken(ann: Account) -> None:
    old, new = existing(ann), waiting()
    own = said(new.open(ann.device, EXPORTER, 1))
    for reflected in (own, {"n": 1, "spake": b"A" + own["spake"][1:]}):
        new.closed()
        new.open(ann.device, EXPORTER, 1)
        move = new.receive(reflected, 1)
        if move is None:  # a point like another: the confirmation shows that nobody knows its secret
            move = new.receive({"n": 2, "confirm": bytes(32)}, 1)
        assert isinstance(move, Failed)
    assert isinstance(old.receive(old.begin(), 1), Failed)


def test_what_was_said_once_is_worth_nothing_another_time(ann: Account) -> None:
    """A recorded caller, played again on another link with the same exporter even."""
    new = waiting()
    old = existing(ann)
    begin = old.begin()
    confirm = said(old.receive(said(new.open(ann.device, EXPORTER, 1)), 1))
    assert new.receive(begin, 1) is None
    assert isinstance(new.receive(confirm, 1), Say)
    new.closed()
    new.open(ann.device, EXPORTER, 1)
    assert new.receive(begin, 1) is None
    move = new.receive(confirm, 1)
    assert isinstance(move, Failed)
    assert move.fault is Fault.AUTH


def test_the_key_is_that_of_these_two_devices(ann: Account) -> None:
    """The words shown to one device are no proof to another: idA and idB are part of the key."""
    new = waiting()
    assert isinstance(proved(existing(ann), new, ann), Offer)
    new.closed()
    old = existing(ann, seed=9)
    first = said(new.open(device(4), EXPORTER, 1))  # the same words, and another device calls
    new.receive(old.begin(), 1)
    move = new.receive(said(old.receive(first, 1)), 1)
    assert isinstance(move, Failed)
    assert move.fault is Fault.AUTH


# --- one at a time, and in time


def test_a_second_caller_is_told_that_somebody_is_being_talked_with(ann: Account) -> None:
    new = waiting()
    assert isinstance(new.open(ann.device, EXPORTER, 1), Say)
    assert new.open(device(4), ANOTHER, 1) == Failed(Fault.BUSY, {"error": "busy"})
    new.closed()
    assert isinstance(new.open(device(4), ANOTHER, 1), Say)


def test_a_caller_that_does_not_show_the_words_makes_room_after_twenty_seconds(ann: Account) -> None:
    new = waiting()
    new.open(ann.device, EXPORTER, 10)
    assert new.expired(29.9) is None
    assert new.expired(30) == Failed(Fault.TIMEOUT, {"error": "timeout"})
    assert new.receive({"n": 1, "spake": bytes(33)}, 30) == Failed(Fault.TIMEOUT, {"error": "timeout"})


def test_who_has_shown_them_has_the_rest_of_the_five_minutes(ann: Account) -> None:
    old, new = existing(ann), waiting()
    proved(old, new, ann, now=1)
    assert new.expired(299.9) is None
    assert old.expired(299.9) is None
    assert new.expired(300) is not None
    assert old.expired(300) is not None
    assert old.receive(new.agree("laptop"), 300) == Failed(Fault.TIMEOUT, {"error": "timeout"})


def test_after_five_minutes_nobody_is_talked_with(ann: Account) -> None:
    new = waiting(now=100)
    assert not new.is_over(399.9)
    assert new.is_over(400)
    assert new.open(ann.device, EXPORTER, 400) == Failed(Fault.REFUSED, {"error": "refused"})


def test_thirty_two_callers_are_enough(ann: Account) -> None:
    new = waiting()
    for _ in range(limits.PAIRING_CALLERS_MAX):
        assert isinstance(new.open(ann.device, EXPORTER, 1), Say)
        new.closed()
    assert new.open(ann.device, EXPORTER, 1) == Failed(Fault.REFUSED, {"error": "refused"})


# --- no


def test_the_user_of_the_new_device_says_no(ann: Account) -> None:
    old, new = existing(ann), waiting()
    proved(old, new, ann)
    assert old.receive(new.refuse(), 2) == Failed(Fault.REFUSED)
    assert new.is_over(2)


def test_the_user_of_the_existing_device_says_no(ann: Account) -> None:
    old, new = existing(ann), waiting()
    asked(old, new, ann)
    assert new.receive(old.refuse(), 3) == Failed(Fault.REFUSED)


@pytest.mark.parametrize(
    ("told", "understood"),
    [
        ({"error": "auth", "left": 2}, Failed(Fault.AUTH, None, 2)),
        ({"error": "auth", "left": 4}, Failed(Fault.AUTH)),
        ({"error": "auth", "left": True}, Failed(Fault.AUTH)),
        ({"error": "timeout"}, Failed(Fault.TIMEOUT)),
        ({"error": "busy"}, Failed(Fault.BUSY)),
        ({"error": "no such word"}, Failed(Fault.REFUSED)),
        ({"error": 7}, Failed(Fault.REFUSED)),
    ],
)
def test_an_error_is_understood_at_any_time(ann: Account, told: Message, understood: Failed) -> None:
    old, new = existing(ann), waiting()
    new.open(ann.device, EXPORTER, 1)
    assert old.receive(told, 1) == understood
    assert new.receive(told, 1) == understood
    assert new.tries_left == 3, "what the caller says of himself costs nothing"


# --- every message, wrong in every way

POINT = SPAKE2_A(b"x", entropy_f=seeded(4)).start()[1:]
BAD: dict[int, list[Message]] = {
    1: [
        {},
        {"n": 2, "confirm": bytes(32)},
        {"n": 1},
        {"n": 1, "spake": "text"},
        {"n": 1, "spake": b""},
        {"n": 1, "spake": bytes(33)},
        {"n": 1, "spake": b"S" + POINT},
        {"n": 1, "spake": b"B" + bytes(32)},
        {"n": 1, "spake": b"B" + b"\xff" * 32},
        {"n": 1, "spake": b"B" + POINT + b"x"},
        {"n": True, "spake": b"B" + bytes(32)},
    ],
    2: [
        {},
        {"n": 1, "spake": b"B" + POINT},
        {"n": 2},
        {"n": 2, "confirm": "x" * 32},
        {"n": 2, "confirm": bytes(31)},
        {"n": 2, "confirm": bytes(33)},
    ],
    3: [
        {},
        {"n": 4},
        {"n": 3, "account": bytes(20), "name": "Ann"},
        {"n": 3, "account": bytes(19), "name": "Ann", "device": "desk"},
        {"n": 3, "account": "0" * 40, "name": "Ann", "device": "desk"},
        {"n": 3, "account": bytes(20), "name": 7, "device": "desk"},
        {"n": 3, "account": bytes(20), "name": "A" * 129, "device": "desk"},
        {"n": 3, "account": bytes(20), "name": "Ann\n", "device": "de\x1bsk"},
        {"n": 3, "account": bytes(20), "name": "Ann", "device": "d" * 129},
    ],
    6: [{}, {"n": 6}, {"n": 6, "ok": 1}, {"n": 6, "ok": False}, {"n": 4, "ok": True}],
}


def at_stage(number: int, ann: Account, state: State) -> ExistingDevice | NewDevice:
    """A side that waits for message `number`; for 1 and 2 there are two."""
    old, new = existing(ann), waiting()
    if number == 4:
        proved(old, new, ann)
        return old
    if number == 5:
        asked(old, new, ann)
        return new
    if number == 6:
        granted(old, new, ann, state)
        return old
    first = said(new.open(ann.device, EXPORTER, 1))
    if number == 1:
        return new
    new.receive(old.begin(), 1)
    if number == 3:
        new.receive(said(old.receive(first, 1)), 1)
    return new


@pytest.mark.parametrize(
    ("number", "wrong"), [(number, wrong) for number, wrongs in BAD.items() for wrong in wrongs], ids=str
)
def test_a_message_that_is_not_the_one_ends_it(ann: Account, state: State, number: int, wrong: Message) -> None:
    side = at_stage(number, ann, state)
    assert side.receive(wrong, 2) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})
    dead = side.receive(wrong, 2)
    assert isinstance(dead, Failed), "after a fault nothing is heard any more"


@pytest.mark.parametrize(("number", "wrong"), [(number, wrong) for number in (1, 2) for wrong in BAD[number]], ids=str)
def test_the_existing_device_is_as_strict_with_messages_1_and_2(ann: Account, number: int, wrong: Message) -> None:
    old, new = existing(ann), waiting()
    old.begin()
    if number == 2:
        old.receive(said(new.open(ann.device, EXPORTER, 1)), 1)
    assert old.receive(wrong, 2) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


def changed(ann: Account, change: Callable[[Message], Message]) -> object:
    """What the existing device makes of a message 4 that is not quite right."""
    old, new = existing(ann), waiting()
    proved(old, new, ann)
    return old.receive(change(new.agree("laptop")), 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda said: {"n": 4},
        lambda said: said | {"n": 5},
        lambda said: said | {"spki": said["spki"][:-1]},
        lambda said: said | {"spki": PrivateKey.from_seed(b"z" * 32).public.spki},  # of somebody else
        lambda said: said | {"proof": said["proof"][:-1]},
        lambda said: said | {"proof": bytes(64)},
        lambda said: said | {"name": "n" * 129},
        lambda said: said | {"name": b"laptop"},
        lambda said: said | {"name": "lap\ntop"},
    ],
)
def test_a_key_that_is_not_proved_or_named_rightly_is_not_taken(
    ann: Account, change: Callable[[Message], Message]
) -> None:
    assert changed(ann, change) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


def test_a_device_without_a_name_and_one_with_the_longest_are_taken(ann: Account) -> None:
    nameless = changed(ann, lambda said: {key: value for key, value in said.items() if key != "name"})
    longest = changed(ann, lambda said: said | {"name": "n" * 128})
    assert [one.name for one in (nameless, longest) if isinstance(one, Candidate)] == ["", "n" * 128]


def test_the_proof_of_another_session_is_none(ann: Account) -> None:
    other, elsewhere = existing(ann, exporter=ANOTHER), waiting()
    proved(other, elsewhere, ann, exporter=ANOTHER)
    assert changed(ann, lambda _: elsewhere.agree("laptop")) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


@pytest.mark.parametrize(
    "change",
    [
        {"n": 4},
        {"cert": b"no certificate"},
        {"cert": None},
        {"archive": 0},
        {"archive": -1},
        {"archive": True},
        {"archive": limits.PAIRING_DOCUMENT_BYTES_MAX + 1},
        {"at": "192.0.2.7:4000"},
        {"at": ["192.0.2.7:4000"] * 17},
        {"at": ["x" * 301]},
        {"at": ["nowhere"]},
        {"at": [7]},
    ],
)
def test_a_grant_that_is_not_one_ends_it(ann: Account, change: dict[str, Any]) -> None:
    old, new = existing(ann), waiting()
    candidate = asked(old, new, ann)
    assert ann.account_key is not None
    good = old.grant(issue_device(ann.account_key, ann.certificate, candidate.key, now=WALL), 1000, AT)
    assert new.receive(good | change, 3) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


def test_a_document_of_the_greatest_size_is_awaited_and_addresses_of_one_cable_are_left_out(ann: Account) -> None:
    old, new = existing(ann), waiting()
    candidate = asked(old, new, ann)
    assert ann.account_key is not None
    certificate = issue_device(ann.account_key, ann.certificate, candidate.key, now=WALL)
    good = old.grant(certificate, limits.PAIRING_DOCUMENT_BYTES_MAX)
    grant = new.receive(good | {"at": ["169.254.1.1:4000", "192.0.2.7:4000", "192.0.2.8:0"]}, 3)
    assert grant == Grant(certificate, limits.PAIRING_DOCUMENT_BYTES_MAX, (Address("192.0.2.7", 4000),))


# --- what message 5 brought, judged before anything is written


def refused(ann: Account, state: State, data: bytes | None, *, at: int = WALL, **change: Any) -> None:
    old, new = existing(ann), waiting()
    candidate = asked(old, new, ann)
    issuer = change.get("issuer", ann)
    key = change.get("key", candidate.key)
    certificate = issue_device(issuer.account_key, issuer.certificate, key, now=WALL)
    whole = document(ann, state, (), with_key=False) if data is None else data
    new.receive(old.grant(certificate, len(whole)), 3)
    assert new.install(whole, at) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


def test_what_is_no_document_is_not_installed(ann: Account, state: State) -> None:
    refused(ann, state, b"{}")
    refused(ann, state, b"\xff" * 100)


def test_an_account_that_was_not_shown_is_not_installed(ann: Account, state: State) -> None:
    eve = create(name="Eve", now=WALL, entropy=seeded(8))
    refused(ann, state, document(eve, state, (), with_key=False), issuer=eve)


def test_a_certificate_of_another_account_is_not_installed(ann: Account, state: State) -> None:
    refused(ann, state, None, issuer=create(name="Eve", now=WALL, entropy=seeded(8)))


def test_a_certificate_for_another_key_is_not_installed(ann: Account, state: State) -> None:
    refused(ann, state, None, key=PrivateKey.from_seed(b"z" * 32).public)


def test_a_certificate_that_is_not_valid_yet_is_not_installed(ann: Account, state: State) -> None:
    refused(ann, state, None, at=WALL - 2 * limits.NOT_BEFORE_SLACK_S)


def test_a_device_that_was_withdrawn_before_it_was_one_is_not_installed(ann: Account, state: State) -> None:
    old, new = existing(ann), waiting()
    candidate = asked(old, new, ann)
    assert ann.account_key is not None
    certificate = issue_device(ann.account_key, ann.certificate, candidate.key, now=WALL)
    after = ann.with_revocations(ann.revoke(candidate.key.device_id, now=WALL))
    data = document(after, state, (), with_key=False)
    new.receive(old.grant(certificate, len(data)), 3)
    assert new.install(data, WALL) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


def test_a_foreign_account_key_is_not_installed(ann: Account, state: State) -> None:
    eve = create(name="Eve", now=WALL, entropy=seeded(8))
    mine = document(ann, state, (), with_key=True)
    assert ann.account_key is not None
    assert eve.account_key is not None
    data = mine.replace(base64.b64encode(ann.account_key.seed), base64.b64encode(eve.account_key.seed))
    assert data != mine
    refused(ann, state, data)


def test_the_confirmation_is_an_hmac_over_side_and_exporter(ann: Account) -> None:
    """SCP-01 §3.2, computed here by hand from the package alone."""
    theirs = SPAKE2_A(WORDS.encode(), idA=bytes.fromhex(ann.device), idB=bytes.fromhex(T), entropy_f=seeded(3))
    new = waiting()
    begin = {"n": 1, "spake": theirs.start()}
    key = theirs.finish(said(new.open(ann.device, EXPORTER, 1))["spake"])
    new.receive(begin, 1)
    move = new.receive({"n": 2, "confirm": hmac.digest(key, b"E" + EXPORTER, "sha256")}, 1)
    assert move == Say({"n": 2, "confirm": hmac.digest(key, b"N" + EXPORTER, "sha256")})


def test_the_keys_are_not_printed(ann: Account, state: State) -> None:
    old, new = existing(ann), waiting()
    _, data = granted(old, new, ann, state, with_key=True)
    made = new.install(data, WALL)
    assert isinstance(made, Installation)
    shown = repr(made)
    assert repr(made.account.device_key.seed) not in shown
    assert "PrivateKey" not in shown
