"""Typing and read marks over links: told, heard, and never put into a commit. (SCP-04 §6)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.swarm import messages
from swarmchat.swarm.events import MemberChanged, MessageAdded, ReadMarked, TypingChanged
from swarmchat.swarm.messages import Read, SyncMessage
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.presence import Typing, TypingSeen
from swarmchat.swarm.replicator import Replicator


class Presences:
    """The shell around the Typing of each conversation, and the door to the read marks."""

    def __init__(
        self,
        parts: Parts,
        listeners: Callable[[ConversationId], list[tuple[AccountId, DeviceId]]],
        post: Callable[[DeviceId, SyncMessage], None],
    ) -> None:
        self._parts = parts
        self._listeners = listeners
        self._post = post
        self._typing: dict[ConversationId, Typing] = {}
        self._owners: dict[DeviceId, AccountId] = {}  # of those seen typing
        self._reads: dict[tuple[ConversationId, DeviceId], Read] = {}  # heard, not noted yet: the furthest of each
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Notice who stopped typing without saying so, until cancelled."""
        while True:
            self._wake.clear()
            now = self._parts.runtime.monotonic()
            for conversation, typing in list(self._typing.items()):
                self._tell(conversation, typing.tick(now))
            deadlines = [at for typing in self._typing.values() if (at := typing.deadline()) is not None]
            try:
                async with asyncio.timeout(max(0.0, min(deadlines) - now) if deadlines else None):
                    await self._wake.wait()
            except TimeoutError:
                pass

    # --- ours

    async def read(self, replicator: Replicator, commit: CommitId) -> None:
        """Our user has read up to `commit`: noted here, and told to all if the user wants it, else to own devices."""
        me, conversation = self._parts.account, replicator.conversation
        at_ms = self._parts.now_ms
        if not await self._mark(replicator, me.device, commit, at_ms):
            return
        self._parts.tell(ReadMarked(conversation, me.id, me.device, commit, at_ms))
        for account, device in self._told(conversation):
            if account == me.id or self._parts.settings.send_read_receipts:
                self._post(device, Read(conversation, commit, at_ms))

    def typing(self, conversation: ConversationId, on: bool) -> None:
        """Our user types, or stopped; members and own devices are told if he wants it."""
        typing = self._typing.setdefault(conversation, Typing())
        if self._parts.settings.send_typing and typing.say(on, self._parts.runtime.monotonic()):
            for _, device in self._told(conversation):
                self._post(device, messages.Typing(conversation, on))

    # --- theirs

    def heard(
        self, account: AccountId, device: DeviceId, message: Read | messages.Typing, replicator: Replicator
    ) -> None:
        """A device says how far its user has read, or that he types; of members and own devices only."""
        conversation = replicator.conversation
        if account != self._parts.account.id and not self._parts.access.is_member(account, conversation):
            return
        match message:
            case Read():
                self._read(account, device, replace(message, at_ms=min(message.at_ms, self._parts.now_ms)), replicator)
            case messages.Typing(on=on):
                self._owners[device] = account
                typing = self._typing.setdefault(conversation, Typing())
                self._tell(conversation, typing.heard(device, on, self._parts.runtime.monotonic()))
                self._wake.set()

    def noticed(self, event: MessageAdded | MemberChanged) -> None:
        """Who wrote or went has stopped typing."""
        typing = self._typing.get(event.conversation)
        if typing is None:
            return
        if isinstance(event, MessageAdded):
            self._tell(event.conversation, typing.stopped(event.device))
        elif event.role in {"left", "banned"}:
            for device in sorted(self._owners):
                if event.device == device or (event.device is None and self._owners[device] == event.account):
                    self._tell(event.conversation, typing.stopped(device))

    def gone(self, device: DeviceId) -> None:
        """Its link is gone."""
        for conversation, typing in list(self._typing.items()):
            self._tell(conversation, typing.stopped(device))
        self._owners.pop(device, None)

    # --- inside

    def _told(self, conversation: ConversationId) -> list[tuple[AccountId, DeviceId]]:
        """The linked devices of members, ours among them; nobody while we are none: who is only invited learns nothing of it."""
        mine, access = self._parts.account.id, self._parts.access
        if not access.is_member(mine, conversation):
            return []
        return [each for each in self._listeners(conversation) if access.is_member(each[0], conversation)]

    def _read(self, account: AccountId, device: DeviceId, read: Read, replicator: Replicator) -> None:
        history, key = replicator.log.history, (read.conversation, device)
        entry, before = history.get(read.commit), self._reads.get(key)
        if entry is None or (before is not None and history[before.commit].seq >= entry.seq):
            return
        self._reads[key] = read

        async def note() -> None:
            furthest = self._reads.pop(key)
            if await self._mark(replicator, device, furthest.commit, furthest.at_ms):
                self._parts.tell(ReadMarked(read.conversation, account, device, furthest.commit, furthest.at_ms))

        self._parts.chores.add(f"read {read.conversation} {device}", note)

    async def _mark(self, replicator: Replicator, device: DeviceId, commit: CommitId, at_ms: int) -> bool:
        entry = replicator.log.history.get(commit)
        if entry is None:
            return False
        return await self._parts.runtime.offload(
            lambda: self._parts.receipts.mark_read(
                replicator.conversation, device, commit, position=entry.seq, time_ms=at_ms
            )
        )

    def _tell(self, conversation: ConversationId, seen: list[TypingSeen]) -> None:
        for each in seen:
            account = self._owners.get(each.device)
            if account is not None:
                self._parts.tell(TypingChanged(conversation, account, each.device, each.on))
