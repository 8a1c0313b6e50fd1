"""Who proves what to whom before anything is said."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.hello import Fault, Handshake, Hello
from swarmchat.gateways.refusal import Refused

ANNA, BERT, EVE = (Secret(bytes((each,)) * 32) for each in (1, 2, 3))
BINDING = b"b" * 32


def side(secret: Secret, nonce: bytes, binding: bytes = BINDING) -> Handshake:
    return Handshake(secret, nonce * 32, binding=binding, mode=1, tick_ms=300)


def refusal(answer: object) -> str:
    assert isinstance(answer, Refused)
    return answer.reason


def shaken(one: Handshake, other: Handshake) -> list[bytes | Refused | None]:
    """What each says in turn, to the end."""
    first, second = other.receive(one.first()), one.receive(other.first())
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    return [one.receive(first), other.receive(second)]


def test_both_know_each_other_after_two_frames_each_way() -> None:
    anna, bert = side(ANNA, b"a"), side(BERT, b"b")
    assert shaken(anna, bert) == [None, None]
    assert (anna.peer, bert.peer) == (BERT.public, ANNA.public)


def test_the_proof_is_over_the_others_nonce_both_keys_and_the_tls_in_this_order() -> None:
    anna, bert = side(ANNA, b"a"), side(BERT, b"b")
    answer = anna.receive(bert.first())
    assert isinstance(answer, bytes)
    said = b"swarmchat-mvds-hello\0" + b"b" * 32 + ANNA.public.raw + BERT.public.raw + BINDING
    assert Hello.decode(answer) == Hello(
        peer_id=ANNA.public.raw,
        nonce=b"a" * 32,
        proof=ANNA.sign(hashlib.sha256(said).digest()),
        mode=1,
        tick_ms=300,
    )


def test_who_answers_with_the_proof_at_once_is_believed() -> None:
    anna, bert = side(ANNA, b"a"), side(BERT, b"b")
    answer = anna.receive(bert.first())
    assert isinstance(answer, bytes)
    assert isinstance(bert.receive(answer), bytes)
    assert bert.peer == ANNA.public


def test_another_connection_another_proof() -> None:
    anna, bert = side(ANNA, b"a"), side(BERT, b"b", b"c" * 32)
    assert [refusal(answer) for answer in shaken(anna, bert)] == [Fault.BAD_PROOF, Fault.BAD_PROOF]
    assert anna.peer is None
    assert bert.peer is None


def test_nobody_can_claim_a_key_or_repeat_a_proof() -> None:
    bert = side(BERT, b"b")
    bert.receive(Hello(peer_id=ANNA.public.raw, nonce=b"e" * 32).encode())
    digest = hashlib.sha256(b"swarmchat-mvds-hello\0" + b"b" * 32 + ANNA.public.raw + BERT.public.raw + BINDING)
    assert refusal(bert.receive(Hello(proof=EVE.sign(digest.digest())).encode())) == Fault.BAD_PROOF
    old, answer = side(BERT, b"o"), side(ANNA, b"a").receive(side(BERT, b"b").first())
    assert isinstance(answer, bytes)
    assert refusal(old.receive(answer)) == Fault.BAD_PROOF


def test_our_own_proofs_are_nothing_to_us() -> None:
    """Else a stranger could hold two dialogues with us, and be us in one by what we said in the other."""
    assert refusal(side(BERT, b"b").receive(side(BERT, b"c").first())) == Fault.OWN_KEY


@pytest.mark.parametrize(
    "change",
    [
        {"peer_id": b""},
        {"peer_id": bytes(65)},
        {"peer_id": ANNA.public.raw[:64]},
        {"nonce": b""},
        {"nonce": bytes(31)},
        {"nonce": bytes(33)},
    ],
)
def test_a_hello_without_key_or_nonce_is_none(change: dict[str, bytes]) -> None:
    said = replace(Hello(peer_id=ANNA.public.raw, nonce=b"a" * 32), **change)  # type: ignore[arg-type]
    bert = side(BERT, b"b")
    assert refusal(bert.receive(said.encode())) == Fault.BAD_HELLO
    assert refusal(bert.receive(b"\xff")) == Fault.BAD_HELLO


def test_the_second_hello_brings_a_proof_and_nothing_new() -> None:
    for second, fault in (
        (Hello(peer_id=ANNA.public.raw, nonce=b"a" * 32), Fault.BAD_PROOF),
        (Hello(peer_id=EVE.public.raw, nonce=b"a" * 32, proof=bytes(65)), Fault.BAD_HELLO),
        (Hello(peer_id=ANNA.public.raw, nonce=b"z" * 32, proof=bytes(65)), Fault.BAD_HELLO),
    ):
        bert = side(BERT, b"b")
        assert isinstance(bert.receive(side(ANNA, b"a").first()), bytes)
        assert refusal(bert.receive(second.encode())) == fault
