"""Whose key is whose: what a member proves, and who was first."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways import bindings
from swarmchat.gateways.bindings import Bindings
from swarmchat.ids import AccountId, CommitId, ConversationId

HERE = ConversationId("c0" * 20)
ALICE, BOB = AccountId("a1" * 20), AccountId("b0" * 20)
RED, BLUE = Secret(b"\1" * 32), Secret(b"\2" * 32)
ONE, TWO, THREE = (CommitId(f"{number:040x}") for number in (1, 2, 3))


def nothing_before(_older: CommitId, _newer: CommitId) -> bool:
    return False


def by_number(older: CommitId, newer: CommitId) -> bool:
    """All in one line."""
    return older < newer


def said(account: AccountId = ALICE, secret: Secret = RED, **changed: Any) -> dict[str, Any]:
    return dict(bindings.body(HERE, account, secret)) | {"type": bindings.BINDING} | changed


def test_a_proof_yields_the_key_that_it_speaks_of() -> None:
    assert bindings.read(HERE, ALICE, said()) == RED.public


@pytest.mark.parametrize(
    "wrong",
    [
        {"uri": BOB},
        {"uri": None},
        {"body": BLUE.public.legacy},
        {"body": RED.public.legacy.upper()},
        {"status": None},
        {"status": {"proof": 7}},
        {"status": {"proof": "not base64!"}},
        {"status": {"proof": base64.b64encode(bytes(65)).decode()}},
        {"status": {"proof": "A" * 10_000}},
    ],
    ids=str,
)
def test_18_what_proves_nothing_binds_nothing(wrong: dict[str, Any]) -> None:
    assert bindings.read(HERE, ALICE, said(**wrong)) is None


def test_18_a_proof_of_another_conversation_or_account_binds_nothing() -> None:
    assert bindings.read(ConversationId("c1" * 20), ALICE, said()) is None
    assert bindings.read(HERE, BOB, said(account=ALICE)) is None
    assert bindings.read(HERE, BOB, said(account=ALICE, uri=BOB)) is None


def test_18_a_second_binding_of_an_account_has_no_effect() -> None:
    known = Bindings(HERE, by_number)
    assert known.take(ONE, ALICE, said()) is not None
    assert known.take(TWO, ALICE, said(secret=BLUE)) is None
    assert known.all() == {ALICE: RED.public}
    assert known.owner(BLUE.public) is None


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
def test_of_two_that_did_not_know_of_each_other_the_least_commit_counts(order: tuple[CommitId, CommitId]) -> None:
    known, secrets = Bindings(HERE, nothing_before), {ONE: RED, TWO: BLUE}
    for commit in order:
        known.take(commit, ALICE, said(secret=secrets[commit]))
    binding = known.of(ALICE)
    assert binding is not None
    assert binding.key == RED.public


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
def test_a_key_is_one_accounts(order: tuple[CommitId, CommitId]) -> None:
    known, accounts = Bindings(HERE, nothing_before), {ONE: BOB, TWO: ALICE}
    for commit in order:
        known.take(commit, accounts[commit], said(account=accounts[commit]))
    assert known.owner(RED.public) == BOB
    assert known.of(ALICE) is None
    assert known.all() == {BOB: RED.public}


def test_a_key_may_sign_only_on_top_of_its_binding() -> None:
    known = Bindings(HERE, by_number)
    known.take(TWO, ALICE, said())
    assert known.is_bound(ALICE, RED.public, TWO)
    assert known.is_bound(ALICE, RED.public, THREE)
    assert not known.is_bound(ALICE, RED.public, ONE)
    assert not known.is_bound(ALICE, BLUE.public, THREE)
    assert not known.is_bound(BOB, RED.public, THREE)


def test_a_binding_of_a_commit_that_came_to_nothing_leaves_no_trace() -> None:
    known = Bindings(HERE, by_number)
    binding = known.take(ONE, ALICE, said())
    assert binding is not None
    known.drop(binding)
    assert known.all() == {}
    assert known.take(TWO, ALICE, said(secret=BLUE)) is not None
    assert known.all() == {ALICE: BLUE.public}
