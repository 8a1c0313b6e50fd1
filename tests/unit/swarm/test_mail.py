"""Mail bodies: read back as written, bounded, strict. (SCP-06 §9)"""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from swarmchat.addresses import Address
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.limits import DESCRIPTION_CHARS_MAX, MAIL_BODY_BYTES_MAX, REQUEST_NAME_CHARS_MAX, TITLE_CHARS_MAX
from swarmchat.swarm.mail import (
    Ask,
    Here,
    Letter,
    Mail,
    Notice,
    Revoked,
    SwarmInvite,
    TrustAnswer,
    TrustRequest,
    Want,
    Withdrawal,
    decode,
    encode,
    fingerprint,
    letter_fields,
    read_letter,
)
from swarmchat.swarm.messages import MessageError

WHERE, A = ConversationId("c" * 40), CommitId("a" * 40)
INVITE = SwarmInvite(WHERE, A, 1, "Garden", "who waters when", 3, 1_790_000_000_000)

EACH: list[Mail] = [
    TrustRequest(WHERE, A, "Alice", 7),
    TrustAnswer(WHERE),
    Withdrawal(WHERE),
    INVITE,
    Ask(WHERE),
    Notice(WHERE, A, (A, CommitId("b" * 40)), DeviceId("d" * 64)),
    Want(),
    Revoked(b"a list"),
    Here(()),
    Here((Address("192.0.2.7", 4000), Address("2001:db8::7", 65_535))),
]


@pytest.mark.parametrize("mail", EACH)
def test_mail_is_read_as_it_was_written(mail: Mail) -> None:
    assert decode(mail.mimetype, dict(encode(mail))) == mail
    assert read_letter({"c": "invite", "v": 1, **letter_fields(Letter(mail, 5))}) == Letter(mail, 5)


def test_a_notice_without_heads_names_its_commit() -> None:
    body = dict(encode(Notice(WHERE, A, (), DeviceId("d" * 64))))
    del body["heads"]
    assert decode(Notice.mimetype, body) == Notice(WHERE, A, (A,), DeviceId("d" * 64))


def test_an_answer_says_no_more_addresses_than_a_card_and_none_that_may_not_travel() -> None:
    many = tuple(Address("192.0.2.7", port) for port in range(1, 12))
    assert decode(Here.mimetype, dict(encode(Here(many)))) == Here(many[:8])
    assert encode(Here((Address("fe80::1", 4000), Address("host.example", 4000))))["addr"] == []
    assert decode(Here.mimetype, {"kind": "here", "addr": ["[fe80::1]:4000", "192.0.2.7:0"]}) == Here(())


@pytest.mark.parametrize("addr", [None, "x", ["x"] * 9, [7], ["192.0.2.7"], ["1.2.3.4:99999"], ["a" * 301]])
def test_an_answer_with_anything_else_for_addresses_is_refused(addr: object) -> None:
    with pytest.raises(MessageError):
        decode(Here.mimetype, {"kind": "here", "addr": addr})


@pytest.mark.parametrize("listed", [None, "text", b"", 5])
def test_a_revocation_list_is_bytes(listed: object) -> None:
    with pytest.raises(MessageError):
        decode(Revoked.mimetype, {"list": listed})


def test_offers_of_ice_are_of_a_later_version_and_a_nameless_kind_is_a_fault() -> None:
    assert decode(Want.mimetype, {"kind": "offer", "sdp": "x"}) is None
    for body in ({}, {"kind": 7}):
        with pytest.raises(MessageError):
            decode(Want.mimetype, body)


def test_a_type_of_a_later_version_is_no_error() -> None:
    assert decode("application/wave", {}) is None
    assert read_letter({"mimetype": "application/wave", "body": {}, "ts": 0}) is None


def test_the_longest_invitation_in_any_script_fits() -> None:
    """RQ-26"""
    long = SwarmInvite(WHERE, A, 2, "字" * 500, "🌳" * 5_000, 10**9, 2**53 - 1)
    body = encode(long)
    assert len(msgpack.packb(body)) <= MAIL_BODY_BYTES_MAX
    read = decode(SwarmInvite.mimetype, dict(body))
    assert isinstance(read, SwarmInvite)
    assert read.title == "字" * TITLE_CHARS_MAX
    assert read.description
    assert set(read.description) == {"🌳"}


@pytest.mark.parametrize(
    ("mimetype", "body"),
    [
        (7, {}),
        ("x" * 65, {}),
        (Ask.mimetype, None),
        (Ask.mimetype, {}),
        (Ask.mimetype, {"conversation": "C" * 40}),
        (Ask.mimetype, {"conversation": bytes(20)}),
        (Ask.mimetype, {"conversation": WHERE, "padding": "x" * MAIL_BODY_BYTES_MAX}),
        (TrustAnswer.mimetype, {"conversation": WHERE, "accepted": False}),
        (TrustAnswer.mimetype, {"conversation": WHERE}),
        (TrustRequest.mimetype, {**encode(EACH[0]), "name": "x" * (REQUEST_NAME_CHARS_MAX + 1)}),
        (TrustRequest.mimetype, {**encode(EACH[0]), "at": -1}),
        (TrustRequest.mimetype, {**encode(EACH[0]), "at": "now"}),
        (SwarmInvite.mimetype, {**encode(INVITE), "mode": 4}),
        (SwarmInvite.mimetype, {**encode(INVITE), "title": "x" * (TITLE_CHARS_MAX + 1)}),
        (SwarmInvite.mimetype, {**encode(INVITE), "description": "x" * (DESCRIPTION_CHARS_MAX + 1)}),
        (SwarmInvite.mimetype, {**encode(INVITE), "members": True}),
        (Notice.mimetype, {**encode(EACH[4]), "heads": [A] * 9}),
        (Notice.mimetype, {**encode(EACH[4]), "heads": ["x"]}),
        (Notice.mimetype, {**encode(EACH[4]), "deviceId": "d" * 40}),
    ],
)
def test_what_is_no_mail_is_refused(mimetype: object, body: Any) -> None:
    with pytest.raises(MessageError):
        decode(mimetype, body)


def test_a_letter_without_its_time_is_refused() -> None:
    with pytest.raises(MessageError):
        read_letter({"mimetype": Ask.mimetype, "body": dict(encode(Ask(WHERE)))})


def test_the_same_words_at_another_second_are_another_letter() -> None:
    assert fingerprint(Letter(Ask(WHERE), 1)) == fingerprint(Letter(Ask(WHERE), 1))
    assert len({fingerprint(Letter(mail, second)) for mail in EACH for second in (1, 2)}) == 2 * len(EACH)
