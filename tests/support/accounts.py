"""States and accounts for tests; ids are made of one digit repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from swarmchat.account import requests
from swarmchat.account.account import create
from swarmchat.account.home import Home
from swarmchat.account.records import Offer, RequestKind
from swarmchat.account.requests import Verdict
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.ids import (
    AccountId,
    CommitId,
    ConversationId,
    DeviceId,
    account_id,
    commit_id,
    conversation_id,
    device_id,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW = 1_000 * DAY_MS  # ms


def account(number: int) -> AccountId:
    return account_id(f"{number:040x}")


def device(number: int) -> DeviceId:
    return device_id(f"{number:064x}")


def conversation(number: int) -> ConversationId:
    return conversation_id(f"{number:040x}")


def commit(number: int) -> CommitId:
    return commit_id(f"{number:040x}")


def seeded(seed: int = 0) -> Callable[[int], bytes]:
    """Entropy that is the same in every run."""
    count = 0

    def entropy(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(length)

    return entropy


def invite(sender: int = 1, conv: int = 1, add: int = 1, *, at_ms: int = 0, title: str = "Garden") -> Offer:
    return Offer(
        account(sender), RequestKind.GROUP, conversation(conv), commit(add), at_ms, title=title, mode=2, members=3
    )


def ask(sender: int = 1, conv: int = 1, *, at_ms: int = 0) -> Offer:
    return Offer(account(sender), RequestKind.CONTACT, conversation(conv), commit(conv), at_ms, name="Bob")


def home(folder: Path) -> Home:
    """A home in a folder, with an account in it."""
    made = Home.locate(folder, {})
    made.prepare()
    AccountStore(made, bytes).create(create(name="me", now=1_790_000_000, entropy=seeded()), State())
    return made


def received(state: State, offer: Offer, now_ms: int = NOW, *, shared: bool = False) -> tuple[State, Verdict]:
    """The state after an offer, and what became of it."""
    state, outcome = requests.receive(state, offer, shared=shared, now_ms=now_ms)
    return state, outcome.verdict
