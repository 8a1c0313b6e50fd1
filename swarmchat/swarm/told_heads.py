"""The heads that devices told of one conversation, on their way to the disk. (SCP-04 §6.1)"""

from __future__ import annotations

import logging
from collections.abc import Callable

from swarmchat.errors import StorageError
from swarmchat.ids import ConversationId, DeviceId
from swarmchat.index.receipts import Receipts
from swarmchat.limits import RECEIPTS_STORED_AFTER_S
from swarmchat.runtime import Runtime
from swarmchat.swarm.session import Heads

_log = logging.getLogger(__name__)


class ToldHeads:
    """Those of all devices at once, soon, and one time after the other: who tells faster than the disk writes is told last."""

    def __init__(
        self, conversation: ConversationId, receipts: Receipts, runtime: Runtime, stored: Callable[[], None]
    ) -> None:
        self._conversation = conversation
        self._receipts = receipts
        self._runtime = runtime
        self._stored = stored
        self._waiting: dict[DeviceId, Heads] = {}
        self._store_at: float | None = None
        self._storing = False

    @property
    def is_busy(self) -> bool:
        """Whether something is not on the disk yet."""
        return bool(self._waiting) or self._storing

    @property
    def deadline(self) -> float | None:
        """When to store; None while nothing waits, and while the last are being written."""
        return None if self._storing else self._store_at

    def note(self, device: DeviceId, heads: Heads) -> None:
        """A device named other heads than before."""
        self._waiting[device] = heads
        if self._store_at is None:
            self._store_at = self._runtime.monotonic() + RECEIPTS_STORED_AFTER_S

    def is_due(self) -> bool:
        """Whether to `store` now; whoever is told so does it."""
        due = self._store_at is not None and self._runtime.monotonic() >= self._store_at
        if not due or self._storing:
            return False
        self._storing, self._store_at = True, None
        return True

    async def store(self) -> None:
        """Write what waits; a disk that refuses has them when they are told again."""
        told, self._waiting = self._waiting, {}
        time_ms = int(self._runtime.now() * 1000)
        try:
            await self._runtime.offload(lambda: self._receipts.set_heads(self._conversation, told, time_ms=time_ms))
        except StorageError as error:
            _log.warning("the receipts of %s are not stored: %s", self._conversation, error)
        finally:
            self._storing = False
            self._stored()
