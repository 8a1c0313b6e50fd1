"""The ancestors of one commit, as the law sees them. (SCP-02 §4)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.ids import AccountId, CommitId, DeviceId


@dataclass(frozen=True, slots=True)
class Past:
    """What the law may ask about the ancestors of a commit: those of `parent`, itself included; nothing for the root."""

    history: History
    parent: CommitId | None

    def find(self, commit: CommitId) -> Fact | None:
        """The commit, if it is the parent or one of its ancestors."""
        if self.parent is None:
            return None
        entry = self.history.get(commit)
        if entry is None or not self.history.reaches(self.history[self.parent], entry):
            return None
        return entry.fact

    def latest_time(self, device: DeviceId) -> int | None:
        """The greatest time that the device claimed before. (SCP-02 §4.2)"""
        return None if self.parent is None else self.history.latest_time(device, self.parent)

    def revoked(self, account: AccountId) -> frozenset[bytes]:
        """The account's devices that are revoked here, as id prefixes. (SCP-02 §4.6)"""
        return frozenset() if self.parent is None else self.history.revoked(account, self.parent)
