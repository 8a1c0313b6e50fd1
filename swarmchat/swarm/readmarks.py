"""How far people have read: noted, told to whoever may know, and kept until the commit is here. (SCP-04 §6.1)"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace

from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.index.receipt_rows import ReadMark, WaitingMark
from swarmchat.limits import MARKS_AT_ONCE, MARKS_WAITING_MAX
from swarmchat.swarm.events import ReadMarked
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.messages import Read
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator

_SECOND_S = 1.0
Waiting = dict[DeviceId, WaitingMark]


class ReadMarks:
    """The marks of all conversations. That of our user is the furthest of his devices'."""

    def __init__(
        self,
        parts: Parts,
        seen: LastSeen,
        room: Callable[[ConversationId], Replicator | None],
        post: Callable[[DeviceId, Read], None],
    ) -> None:
        self._parts = parts
        self._seen = seen
        self._room = room
        self._post = post
        self._ours: dict[ConversationId, ReadMark] = {}
        self._waiting: dict[ConversationId, Waiting] = {}
        self._heard: dict[tuple[ConversationId, DeviceId], Read] = {}  # not noted yet: the furthest of each
        self._told: dict[DeviceId, dict[ConversationId, CommitId]] = {}  # on the channel that is open
        self._owed: dict[DeviceId, deque[ConversationId]] = {}
        self._paid_at = -_SECOND_S

    async def load(self) -> None:
        """What earlier runs knew; after the conversations. StorageError."""
        parts = self._parts
        for waits in await parts.runtime.offload(parts.receipts.waiting):
            self._waiting.setdefault(waits.conversation, {})[waits.device] = waits
        for where, marks in (await parts.runtime.offload(parts.receipts.marks_of, self._own_devices())).items():
            for mark in marks:
                self._advance(where, mark)
        for where in sorted(self._waiting):
            self.moved(where)

    # --- ours

    async def read(self, replicator: Replicator, commit: CommitId) -> None:
        """Our user has read up to `commit`: noted, unless he was further, on this or another device; and told."""
        parts, conversation = self._parts, replicator.conversation
        number, at_ms = replicator.log.history.find(commit), parts.now_ms
        known = self._ours.get(conversation)
        if number is None or (known is not None and self._place(conversation, known) >= number):
            return
        device = parts.account.device
        if await self._mark(replicator, device, commit, at_ms):
            parts.tell(ReadMarked(conversation, parts.account.id, device, commit, at_ms))
            for linked in replicator.session.linked:
                self._tell(linked, conversation)

    def greeted(self, device: DeviceId, common: Collection[ConversationId]) -> None:
        """The device has said hello and holds these for common: it is told how far our user is in each."""
        owed = [where for where in sorted(common) if where in self._ours]
        if owed:
            self._owed[device] = deque(owed)

    def pay(self, now: float) -> float | None:
        """Tell each device a second's share of what it is owed; when to do so again, None while nothing is."""
        if now < self._paid_at + _SECOND_S:
            return self._paid_at + _SECOND_S if self._owed else None
        for device in sorted(self._owed):
            owed = self._owed[device]
            said = 0
            while owed and said < MARKS_AT_ONCE:
                said += self._tell(device, owed.popleft())
            if not owed:
                del self._owed[device]
            self._paid_at = now
        return self._paid_at + _SECOND_S if self._owed else None

    def gone(self, device: DeviceId) -> None:
        """Its channel is over."""
        self._told.pop(device, None)
        self._owed.pop(device, None)

    # --- theirs

    def heard(self, account: AccountId, device: DeviceId, read: Read, replicator: Replicator) -> None:
        """A device of a member, or our own, says how far its user has read; not beyond the present moment."""
        read = replace(read, at_ms=min(read.at_ms, self._parts.now_ms))
        history, key = replicator.log.history, (read.conversation, device)
        number, before = history.find(read.commit), self._heard.get(key)
        if number is None:
            self._await(WaitingMark(read.conversation, device, read.commit, read.at_ms))
            return
        if before is not None and history.number(before.commit) >= number:
            return
        self._heard[key] = read

        async def note() -> None:
            furthest = self._heard.pop(key)
            await self._noted(replicator, account, device, furthest.commit, furthest.at_ms)

        self._parts.chores.add(f"read {read.conversation} {device}", note)

    async def learnt(
        self, replicator: Replicator, account: AccountId, device: DeviceId, commit: CommitId, at_ms: int
    ) -> None:
        """An own device was told so by a device of a member, or ours."""
        conversation, at_ms = replicator.conversation, min(at_ms, self._parts.now_ms)
        if replicator.log.history.find(commit) is None:
            self._await(WaitingMark(conversation, device, commit, at_ms))
        elif account == self._parts.account.id or self._parts.access.is_member(account, conversation):
            await self._noted(replicator, account, device, commit, at_ms)

    # --- what happens

    def moved(self, conversation: ConversationId) -> None:
        """It may have grown: what waited for a commit that is here now counts."""
        replicator = self._room(conversation)
        if conversation not in self._waiting or replicator is None or replicator.log.is_empty:
            return
        if any(mark.commit in replicator.log.history for mark in self._waiting[conversation].values()):
            self._parts.chores.add(f"marks {conversation}", lambda: self._take_up(replicator))

    def removed(self, conversation: ConversationId) -> None:
        """It is shown no more."""
        self._ours.pop(conversation, None)
        self._waiting.pop(conversation, None)

    # --- inside

    def _tell(self, device: DeviceId, conversation: ConversationId) -> bool:
        """Tell a device our user's mark if it may know it and does not yet; whether anything was said."""
        mark, parts, replicator = self._ours.get(conversation), self._parts, self._room(conversation)
        if mark is None or replicator is None or device not in replicator.session.linked:
            return False
        account, me = self._seen.owner(device), parts.account.id
        if account is None or not parts.access.is_member(me, conversation):
            return False
        if account != me and not (parts.settings.send_read_receipts and parts.access.is_member(account, conversation)):
            return False
        told = self._told.setdefault(device, {})
        if told.get(conversation) == mark.commit:
            return False
        told[conversation] = mark.commit
        self._post(device, Read(conversation, mark.commit, mark.time_ms))
        return True

    def _await(self, mark: WaitingMark) -> None:
        waiting = self._waiting.setdefault(mark.conversation, {})
        if waiting.get(mark.device, mark).commit == mark.commit and mark.device in waiting:
            return
        waiting.pop(mark.device, None)
        waiting[mark.device] = mark
        if len(waiting) > MARKS_WAITING_MAX:
            del waiting[next(iter(waiting))]

        async def keep() -> None:
            newest = self._waiting.get(mark.conversation, {}).get(mark.device)
            if newest is not None:
                await self._parts.runtime.offload(self._parts.receipts.await_commit, newest)

        self._parts.chores.add(f"await {mark.conversation} {mark.device}", keep)

    async def _take_up(self, replicator: Replicator) -> None:
        conversation, parts = replicator.conversation, self._parts
        waiting = self._waiting.get(conversation, {})
        here = [mark for mark in waiting.values() if mark.commit in replicator.log.history]
        for mark in here:
            if waiting.get(mark.device) == mark:
                del waiting[mark.device]
            await parts.runtime.offload(parts.receipts.awaited, mark)
            account = self._owner(replicator, mark.device)
            if account is not None and (account == parts.account.id or parts.access.is_member(account, conversation)):
                await self._noted(replicator, account, mark.device, mark.commit, mark.time_ms)
        if not waiting:
            self._waiting.pop(conversation, None)

    async def _noted(
        self, replicator: Replicator, account: AccountId, device: DeviceId, commit: CommitId, at_ms: int
    ) -> None:
        """Told to who watches if the account is further by it, not only one of its devices."""
        conversation, receipts = replicator.conversation, self._parts.receipts
        number = replicator.log.history.find(commit)
        marks = await self._parts.runtime.offload(receipts.read_marks, conversation)
        theirs = [mark for each, mark in marks.items() if self._owner(replicator, each) == account]
        known = max((self._place(conversation, mark) for mark in theirs), default=-1)
        if await self._mark(replicator, device, commit, at_ms) and number is not None and number > known:
            self._parts.tell(ReadMarked(conversation, account, device, commit, at_ms))

    async def _mark(self, replicator: Replicator, device: DeviceId, commit: CommitId, at_ms: int) -> bool:
        conversation, number = replicator.conversation, replicator.log.history.find(commit)
        if number is None:
            return False  # a repair took it away meanwhile
        mark, receipts = ReadMark(commit, number, at_ms), self._parts.receipts
        forward = await self._parts.runtime.offload(
            lambda: receipts.mark_read(conversation, device, commit, position=number, time_ms=at_ms)
        )
        if forward and device in self._own_devices():
            self._advance(conversation, mark)
        return forward

    def _advance(self, conversation: ConversationId, mark: ReadMark) -> None:
        known = self._ours.get(conversation)
        if known is None or self._place(conversation, known) < self._place(conversation, mark):
            self._ours[conversation] = mark

    def _place(self, conversation: ConversationId, mark: ReadMark) -> int:
        """In the order of admission as it is now: a repair may have numbered anew."""
        replicator = self._room(conversation)
        number = None if replicator is None else replicator.log.history.find(mark.commit)
        return mark.position if number is None else number

    def _owner(self, replicator: Replicator, device: DeviceId) -> AccountId | None:
        mine = self._parts.account
        known = replicator.log.roster.owner(device) or self._seen.owner(device)
        return mine.id if device == mine.device else known

    def _own_devices(self) -> frozenset[DeviceId]:
        mine = self._parts.account
        return self._seen.devices_of(mine.id) | {mine.device}
