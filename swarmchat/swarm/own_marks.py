"""Receipts among own devices: what one was told, all know. The `marks` of channel `device`. (SCP-04 §7.7)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial

from swarmchat.errors import StorageError
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.index.receipt_rows import Cursor, HeldRow, MarkRow
from swarmchat.limits import MARKS_PAGE_ROWS, MARKS_SHARED_AFTER_S
from swarmchat.links.frames import Message
from swarmchat.swarm import marks
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.marks import Exchange, Have, Rows, Told
from swarmchat.swarm.own_devices import OwnDevices
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.readmarks import ReadMarks
from swarmchat.swarm.replicator import Replicator

_log = logging.getLogger(__name__)


class OwnMarks:
    """Tells linked own devices what was noted here, and notes what they tell. `run` lives as long as the node."""

    def __init__(
        self,
        parts: Parts,
        own: OwnDevices,
        read: ReadMarks,
        seen: LastSeen,
        room: Callable[[ConversationId], Replicator | None],
    ) -> None:
        self._parts = parts
        self._own = own
        self._read = read
        self._seen = seen
        self._room = room
        self._taken: dict[DeviceId, Cursor] = {}  # of theirs, here
        self._exchanges: dict[DeviceId, Exchange] = {}
        self._news = asyncio.Event()
        own.add(marks.KIND, self)

    async def load(self) -> None:
        """What earlier runs had taken. StorageError."""
        self._taken = await self._parts.runtime.offload(self._parts.receipts.cursors)

    async def run(self) -> None:
        """Tell what is new, at its pace, until cancelled; what a disk refuses to give is told with the next news."""
        while True:
            await self._news.wait()
            await self._parts.runtime.sleep(MARKS_SHARED_AFTER_S)
            self._news.clear()
            for device in self._own.linked:
                try:
                    await self._send(device)
                except StorageError as error:
                    _log.warning("receipts are not told to %s: %s", device, error)

    def stir(self) -> None:
        """Something was noted."""
        if self._own.linked:
            self._news.set()

    def begin_anew(self) -> None:
        """There is a conversation of which nothing was taken yet: own devices are asked for all once more."""
        self._taken.clear()
        self._parts.chores.add("ask for receipts", self._forget)
        for device in self._own.linked:
            self._own.post(device, marks.encode(Have(None)))

    # --- Kind

    def opening(self, device: DeviceId) -> Iterable[Message]:
        """Up to where its changes were taken."""
        self._exchanges[device] = Exchange()
        return [marks.encode(Have(self._taken.get(device)))]

    async def heard(self, device: DeviceId, fields: Message) -> None:
        """What it has of ours, or what is new there. MessageError, StorageError."""
        match marks.decode(fields, device):
            case Have(upto):
                self._exchanges.setdefault(device, Exchange()).asked(upto)
                await self._send(device)
            case Rows(upto, rows):
                await self._take(rows)
                self._taken[device] = upto
                await self._parts.runtime.offload(self._parts.receipts.set_cursor, device, upto)
                self._own.post(device, marks.encode(Have(upto)))

    # --- inside

    async def _send(self, device: DeviceId) -> None:
        """A page of what it lacks, if it waits for one and there is any. StorageError, and then it waits on."""
        exchange = self._exchanges.get(device)
        if exchange is None or not exchange.may_send:
            return
        exchange.sent()
        theirs, receipts = exchange.theirs, self._parts.receipts
        try:
            page = await self._parts.runtime.offload(receipts.since, theirs, MARKS_PAGE_ROWS)
        except StorageError:
            exchange.asked(theirs)
            raise
        if page.upto == theirs:
            exchange.asked(theirs)
            return
        rows = [
            Told(row, self._owner(row))
            for row in page.rows
            if row.device != device and not (isinstance(row, HeldRow) and row.origin == device)
        ]
        self._own.post(device, marks.encode(Rows(page.upto, tuple(rows))))

    async def _take(self, rows: Iterable[Told]) -> None:
        parts, this = self._parts, self._parts.account.device
        own = parts.state.devices.keys() | self._seen.devices_of(parts.account.id)
        held: list[HeldRow] = []
        for told in rows:
            row, replicator = told.row, self._room(told.row.conversation)
            account = self._owner(row) or told.account
            if replicator is None or account is None or row.device == this:
                continue
            is_here = not replicator.log.is_empty
            if is_here and account != parts.account.id and not parts.access.is_member(account, row.conversation):
                continue
            self._seen.learnt(account, row.device)
            if isinstance(row, MarkRow):
                await self._read.learnt(replicator, account, row.device, row.commit, row.time_ms)
            elif row.origin in own:
                held.append(row)
        if held:
            new = await parts.runtime.offload(partial(parts.receipts.take, held, this=this))
            if new:
                self.stir()  # a third device may not have heard of it

    def _owner(self, row: HeldRow | MarkRow) -> AccountId | None:
        replicator = self._room(row.conversation)
        known = None if replicator is None or replicator.log.is_empty else replicator.log.roster.owner(row.device)
        return known or self._seen.owner(row.device)

    async def _forget(self) -> None:
        await self._parts.runtime.offload(self._parts.receipts.forget_cursors)
