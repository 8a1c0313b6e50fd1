"""When a link with each device stood last, and whose it is: kept over restarts. (SCP-04 §6.4)"""

from __future__ import annotations

import asyncio
import logging

from swarmchat.errors import StorageError
from swarmchat.ids import AccountId, DeviceId
from swarmchat.index.receipt_rows import How, Seen
from swarmchat.limits import SEEN_DEVICES_MAX
from swarmchat.swarm.parts import Parts

_log = logging.getLogger(__name__)


class LastSeen:
    """At most 10,000 devices; who was not heard of longest goes first. `load` before all else."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._seen: dict[DeviceId, Seen] = {}  # the last heard of last
        self._unsaved: set[DeviceId] = set()
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """What earlier runs knew. StorageError."""
        self._seen = await self._parts.runtime.offload(self._parts.receipts.seen) | self._seen

    def heard(self, account: AccountId, device: DeviceId, how: How) -> None:
        """A link with it stands, or stood until now."""
        self._seen.pop(device, None)
        self._seen[device] = Seen(account, self._parts.now_ms, how)
        if len(self._seen) > SEEN_DEVICES_MAX:
            del self._seen[next(iter(self._seen))]
        self._unsaved.add(device)
        self._parts.chores.add("devices seen", self.save)

    def learnt(self, account: AccountId, device: DeviceId) -> None:
        """An own device says whose it is; no link of ours ever stood with it, as far as we know."""
        if device not in self._seen and len(self._seen) < SEEN_DEVICES_MAX:
            self._seen = {device: Seen(account, 0, How.LOST), **self._seen}
            self._unsaved.add(device)
            self._parts.chores.add("devices seen", self.save)

    async def save(self) -> None:
        """Write down what is new; a disk that refuses costs no more than that."""
        async with self._turn:  # who ends the node waits for what is being written
            unsaved, self._unsaved = self._unsaved, set()
            new = {device: self._seen[device] for device in unsaved if device in self._seen}
            if not new:
                return
            try:
                await self._parts.runtime.offload(self._parts.receipts.set_seen, new)
            except StorageError as fault:
                _log.warning("when devices were seen is not stored: %s", fault.message)

    def owner(self, device: DeviceId) -> AccountId | None:
        """Whose a device is."""
        seen = self._seen.get(device)
        return None if seen is None else seen.account

    def get(self, device: DeviceId) -> Seen | None:
        """When a device was heard of last."""
        return self._seen.get(device)

    def devices_of(self, account: AccountId) -> frozenset[DeviceId]:
        """The devices of an account that a link ever stood with."""
        return frozenset(device for device, seen in self._seen.items() if seen.account == account)
