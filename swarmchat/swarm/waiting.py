"""Waiting until something holds of the swarm: asked again whenever a device has more or a conversation another state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.swarm.replicator import Replicator


class Waiting:
    """Who waits takes the present change; each change has a fresh one."""

    def __init__(self) -> None:
        self._change = asyncio.Event()

    def moved(self) -> None:
        """Something changed: look again."""
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it holds, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    change = self._change
                    if holds():
                        return
                    await change.wait()
        except TimeoutError:
            pass

    async def delivered(
        self,
        replicator: Replicator,
        me: AccountId,
        commit: CommitId,
        enough: Callable[[frozenset[AccountId]], bool],
        timeout_s: float,
    ) -> dict[DeviceId, AccountId]:
        """Wait until enough other accounts have a commit, or the time is over; the devices that had it meanwhile.

        A device that had it once counts, though it may name heads since then that are not here yet.
        """
        found: dict[DeviceId, AccountId] = {}

        def reached() -> bool:
            found.update(_holders(replicator, me, commit))
            return enough(frozenset(found.values()))

        if not reached():
            await self.until(reached, timeout_s)
        return found


def _holders(replicator: Replicator, me: AccountId, commit: CommitId) -> dict[DeviceId, AccountId]:
    devices = {device: who for device, who in replicator.log.roster.devices.items() if who != me}
    dag = replicator.dag
    return {device: who for device, who in devices.items() if dag.covers(replicator.held_by(device), (commit,))}
