"""The last word to devices that a conversation is no longer spoken of with: it goes out before their links go. (SCP-06 §7)

Who is removed learns it from those who are linked with it, as far as the commit that removed it and no further; who finds
itself removed says that it knows. Either takes a second at most: the links may wait so long and no longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from swarmchat.errors import StorageError
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import FAREWELL_S, PUSH_PACK_BYTES_MAX
from swarmchat.swarm.leaving import last_word
from swarmchat.swarm.messages import Got, News, SyncMessage, announced
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.session import Heads

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Farewell:
    """What one device is told last: the way to these heads, or, without `since`, that we too have what it has."""

    account: AccountId
    device: DeviceId
    heads: Heads
    since: Heads | None


@dataclass(frozen=True, slots=True)
class _Awaited:
    heads: Heads
    answered: asyncio.Event


class Farewells:
    """Says them, and keeps the class of those accounts for so long."""

    def __init__(
        self,
        parts: Parts,
        post: Callable[[DeviceId, SyncMessage], None],
        account_of: Callable[[DeviceId], AccountId | None],
        flushed: Callable[[DeviceId], Awaitable[None]],
        reevaluate: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._post = post
        self._account_of = account_of
        self._flushed = flushed
        self._reevaluate = reevaluate
        self._awaited: dict[tuple[ConversationId, DeviceId], _Awaited] = {}

    def begin(self, replicator: Replicator) -> list[Farewell]:
        """The roster has just changed: whom to tell what. Their links stay until `say` is through, which must follow."""
        access, conversation = self._parts.access, replicator.conversation
        found = []
        for device in replicator.session.linked:
            account = self._account_of(device)
            if account is None or access.is_common(account, device, conversation):
                continue
            farewell = self._farewell(replicator, account, device)
            if farewell is not None:
                found.append(farewell)
        for account in {farewell.account for farewell in found}:
            access.part(account, over=False)
        return found

    async def say(self, replicator: Replicator, farewells: Sequence[Farewell]) -> None:
        """Tell them, and let go."""
        try:
            async with asyncio.timeout(FAREWELL_S), asyncio.TaskGroup() as tasks:
                for farewell in farewells:
                    tasks.create_task(self._say(replicator, farewell))
        except TimeoutError:
            _log.info("not all who are no longer of %s have answered", replicator.conversation)
        for account in {farewell.account for farewell in farewells}:
            self._parts.access.part(account, over=True)
        self._reevaluate()

    def answered(self, conversation: ConversationId, device: DeviceId, message: SyncMessage) -> bool:
        """Whether the message says that a device has taken in its farewell."""
        awaited = self._awaited.get((conversation, device))
        if awaited is None or not isinstance(message, News | Got) or not set(awaited.heads) <= set(message.heads):
            return False
        awaited.answered.set()
        return True

    def _farewell(self, replicator: Replicator, account: AccountId, device: DeviceId) -> Farewell | None:
        history, roster = replicator.log.history, replicator.log.roster
        is_in_it = roster.is_joined(account) or roster.is_invited(account)
        if is_in_it and not roster.is_banned(device):  # it is we who are out
            heads = announced(replicator.log.heads)
        else:
            word = last_word(history, account, device)
            if word is None:
                return None  # settle reads the group anew; no single commit says so
            heads = (word,)
        if replicator.dag.covers(replicator.session.heads_of(device), heads):
            return Farewell(account, device, heads, None)
        return Farewell(account, device, heads, replicator.base_of(device))

    async def _say(self, replicator: Replicator, farewell: Farewell) -> None:
        conversation, since = replicator.conversation, farewell.since
        if since is None:
            self._post(farewell.device, Got(conversation, farewell.heads))
            await self._flushed(farewell.device)
            return
        log, heads = replicator.log, farewell.heads
        try:
            pack = await self._parts.runtime.offload(lambda: log.small_pack(since, PUSH_PACK_BYTES_MAX, wants=heads))
        except StorageError as error:
            _log.warning("no last word about %s: %s", conversation, error)
            return
        if pack is None:
            return  # it is far behind, and may not fetch any more
        key, awaited = (conversation, farewell.device), _Awaited(heads, asyncio.Event())
        self._awaited[key] = awaited
        try:
            self._post(farewell.device, News(conversation, heads, since, pack))
            await awaited.answered.wait()
        finally:
            if self._awaited.get(key) is awaited:
                del self._awaited[key]
