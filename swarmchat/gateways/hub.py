"""All gateways of one node: which conversations they are opened for, and what is to be written there without anybody asking. (SCP-09 §1)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Annotate, Pending
from swarmchat.conversation.actions import Edit, FileOffer, FileWithdrawal, Post, React
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.history import History
from swarmchat.errors import StorageError, SwarmchatError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.links.channel import Channel
from swarmchat.node.node import Node
from swarmchat.node.unread import PassedOn
from swarmchat.node.views import JsonObject
from swarmchat.swarm.events import (
    ConversationReady,
    ConversationRemoved,
    Event,
    MessageAdded,
    MessageUpdated,
    ReactionAdded,
    ReactionRemoved,
)

_WORDS: Final = ("status", "mvds")  # the keys under which commits keep what was said elsewhere
_TEND_AFTER_S: Final = 0.2  # of news: what comes together is looked at once

_log = logging.getLogger(__name__)


class Contents(Protocol):
    """What is in a conversation."""

    @property
    def conversation(self) -> ConversationId:
        """Which one it is."""

    @property
    def history(self) -> History:
        """All that is there."""

    def commit(self, commit: CommitId) -> Commit | Merge:
        """One of those. StorageError."""


class Gateway(Protocol):
    """One foreign vocabulary, and its name for people: `status`, `mvds`."""

    name: str

    def is_open(self, log: Contents) -> bool:
        """Whether it is opened for a conversation. Quick: in the loop."""
        ...

    def annotate(self, log: CommitLog, here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
        """The keys that a commit about to be written gets; in a worker, under the log's lock. StorageError."""
        ...

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        """Whether that account stands for somebody who takes part through this gateway alone. Quick: in the loop."""
        ...

    def credit(self, log: CommitLog | ArchivedLog, commit: Commit) -> JsonObject | None:
        """Who really says what a commit says; None for its author. In a worker, under the log's lock."""
        ...

    def foreign(self, log: CommitLog) -> Mapping[AccountId, str]:
        """Who takes part in a conversation that it is opened for through it alone, and what they call themselves; bounded, printable, may be empty. In a worker, under the log's lock; StorageError."""
        ...

    async def tend(self, conversation: ConversationId) -> None:
        """Write what is due from this device in a conversation that it is opened for. SwarmchatError."""
        ...

    async def serve(self, channel: Channel) -> bool:
        """Hold the dialogue of a channel that a peer opened; False for one that is not its own."""
        ...

    def forget(self, conversation: ConversationId) -> None:
        """It is gone."""
        ...

    async def run(self) -> None:
        """Serve until cancelled."""
        ...

    def close(self) -> None:
        """Close every file."""
        ...


def _is_carried(item: Pending) -> bool:
    """Whether somebody's words come through a gateway: signed in another one they would be the words of who carries them."""
    says = isinstance(item.action, Post | React | Edit | FileOffer | FileWithdrawal)
    return says and any(key in (item.extra or {}) for key in _WORDS)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A conversation with what is about to be written."""

    conversation: ConversationId
    here: Provisional

    @property
    def history(self) -> History:
        """See Contents."""
        return self.here.history

    def commit(self, commit: CommitId) -> Commit | Merge:
        """See Contents."""
        return self.here.commit(commit)


class Hub:
    """The `Gateways` of a node."""

    def __init__(self, node: Node, gateways: Sequence[Gateway]) -> None:
        self._node = node
        self._gateways = gateways
        self._dirty: set[ConversationId] = set()
        self._news = asyncio.Event()
        self._passed_on: dict[ConversationId, dict[CommitId, bool]] = {}  # as last asked: it takes signatures to tell

    # --- see `swarm.parts.Bridge`

    def annotator(self, log: CommitLog) -> Annotate | None:
        """See Bridge."""
        if log.is_empty:
            return None

        def annotate(here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
            found: dict[str, object] = {}
            if _is_carried(item):
                return found
            ahead = _Ahead(log.conversation, here)  # it may have been opened while this waited, or right before it
            for gateway in self._gateways:
                if gateway.is_open(ahead):
                    found |= gateway.annotate(log, here, item, parent)
            return found

        return annotate

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        """See Bridge."""
        return any(gateway.is_foreign(conversation, account) for gateway in self._gateways)

    async def serve(self, channel: Channel) -> None:
        """See Bridge."""
        for gateway in self._gateways:
            if await gateway.serve(channel):
                return
        await channel.refuse("unknown-channel", channel.name)

    # --- see `node.gateways.Gateways`

    def credit(self, log: CommitLog | ArchivedLog, commit: Commit) -> JsonObject | None:
        """See Gateways."""
        for gateway in self._gateways:
            if (found := gateway.credit(log, commit)) is not None:
                return found
        return None

    def foreign(self, log: CommitLog | ArchivedLog) -> Mapping[AccountId, JsonObject]:
        """See Gateways."""
        found: dict[AccountId, JsonObject] = {}
        if isinstance(log, ArchivedLog) or log.is_empty:
            return found
        for gateway in self._gateways:
            if not gateway.is_open(log):
                continue
            for account, name in gateway.foreign(log).items():
                if account not in found or (name and not found[account]["name"]):
                    found[account] = {"gateway": gateway.name, "name": name}
        return found

    def passed_on(self, log: CommitLog | ArchivedLog) -> PassedOn | None:
        """See Gateways."""
        if isinstance(log, ArchivedLog) or log.is_empty or not any(one.is_open(log) for one in self._gateways):
            return None

        def count(commits: Sequence[CommitId]) -> int:
            known = self._passed_on.get(log.conversation, {})
            found = {one: known[one] if one in known else self._is_passed_on(log, one) for one in commits}
            self._passed_on[log.conversation] = found
            return sum(found.values())

        return count

    def _is_passed_on(self, log: CommitLog, commit: CommitId) -> bool:
        try:
            parsed = log.commit(commit)
            return isinstance(parsed, Commit) and self.credit(log, parsed) is not None
        except StorageError:  # what is damaged costs a count, and not the list of conversations
            return False

    def note(self, event: Event) -> None:
        """See Gateways."""
        match event:
            case ConversationRemoved(conversation):
                self._dirty.discard(conversation)
                self._passed_on.pop(conversation, None)
                for gateway in self._gateways:
                    gateway.forget(conversation)
            case MessageAdded() | MessageUpdated() | ReactionAdded() | ReactionRemoved() | ConversationReady():
                self._dirty.add(event.conversation)
                self._news.set()
            case _:
                pass

    async def run(self) -> None:
        """See Gateways."""
        async with asyncio.TaskGroup() as tasks:
            for gateway in self._gateways:
                tasks.create_task(gateway.run())
            self._dirty.update(self._node.keeper.state.conversations)
            while True:
                await self._node.runtime.sleep(_TEND_AFTER_S)
                self._news.clear()
                dirty, self._dirty = self._dirty, set()
                for conversation in sorted(dirty):
                    await self.tend(conversation)
                if not self._dirty:
                    await self._news.wait()

    def close(self) -> None:
        """See Gateways."""
        for gateway in self._gateways:
            gateway.close()

    async def tend(self, conversation: ConversationId) -> None:
        """Write what is due from this device. What refuses costs one gateway this conversation, until there is news of it."""
        for gateway in self._gateways:
            try:
                if self._node.swarm.state_of(conversation) != "ready":
                    return
                if gateway.is_open(await self._node.swarm.log(conversation)):
                    await gateway.tend(conversation)
            except SwarmchatError as fault:
                _log.warning("gateways of %s: %s", conversation, fault)
            except Exception:  # noqa: BLE001 - what others wrote there costs no node, which would meet it again at its next start
                _log.exception("gateways of %s: a fault of ours", conversation)
