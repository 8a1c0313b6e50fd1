"""Which key is whose in a conversation: what members said of themselves, and proved. Pure. (SCP-09 §2.3)"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import SIGNATURE_BYTES, Key, Secret, recover
from swarmchat.ids import AccountId, CommitId, ConversationId

BINDING = "application/status-identity"
_CONTEXT = b"swarmchat-status-identity\0"

IsAncestor = Callable[[CommitId, CommitId], bool]


@dataclass(frozen=True, slots=True)
class Binding:
    """One commit that counts."""

    commit: CommitId
    account: AccountId
    key: Key


def body(conversation: ConversationId, account: AccountId, secret: Secret) -> dict[str, object]:
    """What a commit of type `BINDING` says beside its type."""
    proof = secret.sign(_digest(conversation, account))
    return {
        "uri": account,
        "body": secret.public.legacy,
        "status": {"proof": base64.b64encode(proof).decode()},
    }


def read(conversation: ConversationId, author: AccountId, said: Mapping[str, Any]) -> Key | None:
    """The key that a commit of type `BINDING` by this author proves; None for one that proves nothing."""
    status = said.get("status")
    proof = status.get("proof") if isinstance(status, dict) else None
    if said.get("uri") != author or not isinstance(proof, str) or len(proof) > 2 * SIGNATURE_BYTES:
        return None
    try:
        signature = base64.b64decode(proof, validate=True)
    except (binascii.Error, ValueError):
        return None
    key = recover(_digest(conversation, author), signature)
    return key if key is not None and key.legacy == said.get("body") else None


class Bindings:
    """The bindings of one conversation, taken in as its commits come, parents first."""

    def __init__(self, conversation: ConversationId, is_ancestor: IsAncestor) -> None:
        self._conversation = conversation
        self._is_ancestor = is_ancestor
        self._first: dict[AccountId, list[Binding]] = {}  # none of an account has another among its ancestors
        self._claimants: dict[Key, set[AccountId]] = {}  # by each key that stands in `_first`, and perhaps others

    def take(self, commit: CommitId, author: AccountId, said: Mapping[str, Any]) -> Binding | None:
        """Take in a commit of type `BINDING`; the binding, if it may count one day."""
        key = read(self._conversation, author, said)
        known = self._first.get(author, [])
        if key is None or any(self._is_ancestor(one.commit, commit) for one in known):
            return None
        binding = Binding(commit, author, key)
        self._first[author] = sorted([*known, binding], key=lambda one: one.commit)
        self._claimants.setdefault(key, set()).add(author)
        return binding

    def drop(self, binding: Binding) -> None:
        """Forget one that was taken in of a commit that came to nothing."""
        self._first[binding.account].remove(binding)
        if not self._first[binding.account]:
            del self._first[binding.account]

    def of(self, account: AccountId) -> Binding | None:
        """The binding of an account that counts."""
        found = self._first.get(account)
        if not found:
            return None
        return found[0] if self.owner(found[0].key) == account else None

    def owner(self, key: Key) -> AccountId | None:
        """Whose key it is."""
        firsts = [self._first[account][0] for account in self._claimants.get(key, ()) if account in self._first]
        claims = [first for first in firsts if first.key == key]
        return min(claims, key=lambda one: one.commit).account if claims else None

    def is_bound(self, account: AccountId, key: Key, at: CommitId) -> bool:
        """Whether a commit on top of `at` finds the key bound to the account: then the account may sign in it."""
        binding = self.of(account)
        return (
            binding is not None
            and binding.key == key
            and (binding.commit == at or self._is_ancestor(binding.commit, at))
        )

    def all(self) -> dict[AccountId, Key]:
        """The keys that count, by account."""
        found = {account: self.of(account) for account in sorted(self._first)}
        return {account: binding.key for account, binding in found.items() if binding is not None}


def _digest(conversation: ConversationId, account: AccountId) -> bytes:
    return keccak256(_CONTEXT, conversation.encode(), b"\0", account.encode())
