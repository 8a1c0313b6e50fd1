"""Who has a message and who has read it: pure, from what devices told of themselves. (SCP-04 §6.1)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.node.views import Status


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the devices of a conversation told: the heads each holds, and up to where each has read."""

    history: History
    roster: Roster
    me: AccountId
    heads: Mapping[DeviceId, Iterable[CommitId]]
    read: Mapping[DeviceId, CommitId]

    def holders(self, commit: CommitId) -> dict[DeviceId, AccountId]:
        """The devices of others that have the commit: behind a head they told, or behind what they wrote themselves."""
        devices = self.heads.keys() | self.roster.devices.keys()
        known = {device: (*self.heads.get(device, ()), *self.history.newest_of(device)) for device in devices}
        return self._reached(commit, known)

    def status(self, commit: CommitId) -> Status:
        """The accounts that have the commit, and those that have read up to it."""
        read = self._reached(commit, {device: (mark,) for device, mark in self.read.items()})
        return Status(frozenset(self.holders(commit).values()) | frozenset(read.values()), frozenset(read.values()))

    def _reached(self, commit: CommitId, heads: Mapping[DeviceId, Iterable[CommitId]]) -> dict[DeviceId, AccountId]:
        wanted = self.history[commit]
        found: dict[DeviceId, AccountId] = {}
        for device in sorted(heads):
            owner = self.roster.owner(device)
            if owner is None or owner == self.me or not self.roster.is_joined(owner):
                continue
            entries = [entry for head in heads[device] if (entry := self.history.get(head)) is not None]
            if any(self.history.reaches(entry, wanted) for entry in entries):
                found[device] = owner
        return found
