"""Typing and read marks over links: told, heard, and never put into a commit. (SCP-04 §6)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.swarm import messages
from swarmchat.swarm.events import MemberChanged, MessageAdded, TypingChanged
from swarmchat.swarm.messages import Read, SyncMessage
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.presence import Typing, TypingSeen
from swarmchat.swarm.readmarks import ReadMarks
from swarmchat.swarm.replicator import Replicator


class Presences:
    """The shell around the Typing of each conversation, and what comes in about the read marks."""

    def __init__(
        self,
        parts: Parts,
        marks: ReadMarks,
        listeners: Callable[[ConversationId], list[tuple[AccountId, DeviceId]]],
        post: Callable[[DeviceId, SyncMessage], None],
    ) -> None:
        self.marks = marks
        self._parts = parts
        self._listeners = listeners
        self._post = post
        self._typing: dict[ConversationId, Typing] = {}
        self._owners: dict[DeviceId, AccountId] = {}  # of those seen typing
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Notice who stopped typing without saying so, and tell read marks at their pace, until cancelled."""
        while True:
            self._wake.clear()
            now = self._parts.runtime.monotonic()
            pay_at = self.marks.pay(now)
            for conversation, typing in list(self._typing.items()):
                self._tell(conversation, typing.tick(now))
            deadlines = [at for typing in self._typing.values() if (at := typing.deadline()) is not None]
            if pay_at is not None:
                deadlines.append(pay_at)
            try:
                async with asyncio.timeout(max(0.0, min(deadlines) - now) if deadlines else None):
                    await self._wake.wait()
            except TimeoutError:
                pass

    # --- ours

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
                self.marks.heard(account, device, message, replicator)
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

    def greeted(self, device: DeviceId, common: Collection[ConversationId]) -> None:
        """A device said hello and holds these conversations for common."""
        self.marks.greeted(device, common)
        self._wake.set()

    def gone(self, device: DeviceId) -> None:
        """Its link is gone."""
        self.marks.gone(device)
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

    def _tell(self, conversation: ConversationId, seen: list[TypingSeen]) -> None:
        for each in seen:
            account = self._owners.get(each.device)
            if account is not None:
                self._parts.tell(TypingChanged(conversation, account, each.device, each.on))
