"""Data sync as one of a node's gateways: what is written carries its message, and what is due from this device is written. (SCP-09 §4.5)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from swarmchat import limits
from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Pending
from swarmchat.conversation.actions import Action, Add, Other
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import SwarmchatError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.links.channel import Channel
from swarmchat.node import views
from swarmchat.node.node import Node
from swarmchat.node.views import JsonObject

if TYPE_CHECKING:
    from swarmchat.crypto.secp256k1 import Key
    from swarmchat.gateways.datasync.ledger import Ledger
    from swarmchat.gateways.datasync.logs import Logs
    from swarmchat.gateways.datasync.payload import PeerId
    from swarmchat.gateways.datasync.service import Service
    from swarmchat.gateways.hub import Contents

BRIDGE: Final = "application/mvds-bridge"  # as in `mapping`, which is loaded for conversations that have one
_FIELD: Final = "mvds"
_PATIENCE_S: Final = 5.0  # for each admin that comes before us

T = TypeVar("T")
_log = logging.getLogger(__name__)


class DatasyncGateway:
    """The `Gateway` of data sync. What it needs is loaded when a conversation is opened for it."""

    name = "mvds"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._made: Logs | None = None
        self._service: Service | None = None
        self._served = asyncio.Event()
        self._starting = asyncio.Lock()
        self._invitees: dict[tuple[ConversationId, AccountId], Key] = {}
        self._noticed: dict[ConversationId, float] = {}  # since when somebody waits for an invitation
        self.attesting = asyncio.Lock()  # held by who passes on what others said: once is enough
        self._waited_for = asyncio.Event()  # some of those; nothing wakes up where there are none

    # --- see `hub.Gateway`

    def is_open(self, log: Contents) -> bool:
        """See Gateway."""
        return log.history.has_type(BRIDGE)

    def annotate(self, log: CommitLog, here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
        """See Gateway."""
        if item.extra is not None and _FIELD in item.extra:
            return {}
        secret = self._node.swarm.own.status_key()
        if secret is None:
            return {}
        from swarmchat.gateways.datasync import speaking  # noqa: PLC0415 - for conversations that are opened for it

        ledger = self.logs.ledger(log)
        invitee = None
        if isinstance(item.action, Add):
            invitee = self._invitees.get((log.conversation, item.action.uri))
            if invitee is not None and invitee.uri == item.action.uri:
                self.logs.note_foreign(log.conversation, invitee.uri)
        return speaking.spoken(ledger, here, item, parent, secret, invitee)

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        """See Gateway."""
        return self._made is not None and account in self._made.foreign(conversation)

    def credit(self, log: CommitLog | ArchivedLog, commit: Commit) -> JsonObject | None:
        """See Gateway."""
        if isinstance(log, ArchivedLog) or _FIELD not in commit.body or not self.is_open(log):
            return None
        ledger = self.logs.ledger(log)
        said = ledger.said_by(commit.id)
        if said is None or said.is_own or said.client.sender is None:
            return None
        key = said.client.sender
        return {
            "gateway": "mvds",
            "account": ledger.account_of(key),
            "key": key.legacy,
            "name": "",
            "time": views.time(said.message.timestamp),
        }

    def foreign(self, log: CommitLog) -> Mapping[AccountId, str]:
        """See Gateway. Data sync knows keys and no names."""
        return dict.fromkeys(sorted(self.logs.ledger(log).foreign), "")

    async def tend(self, conversation: ConversationId) -> None:
        """See Gateway."""
        log = await self._node.swarm.log(conversation)
        me = self._node.account.id
        if log.roster.is_joined(me):
            await self._introduce(log)
        else:
            await self.look(log, lambda ledger: None)  # what others say is handed on all the same
        if self._service is not None:
            await self._service.catch_up(conversation)

    async def serve(self, channel: Channel) -> bool:
        """See Gateway."""
        if channel.name != "mvds":
            return False
        service = await self.service()
        await service.serve_channel(channel)
        return True

    def forget(self, conversation: ConversationId) -> None:
        """See Gateway."""
        self._noticed.pop(conversation, None)
        if self._made is not None:
            self._made.forget(conversation)

    async def run(self) -> None:
        """See Gateway."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._remind())
            where = self._node.config.mvds_listen
            if where is not None:
                try:
                    await (await self.service()).listen(where)
                except SwarmchatError as fault:
                    _log.warning("data sync is not served on %s: %s", where, fault)
            await self._served.wait()
            assert self._service is not None
            await self._service.run()

    def close(self) -> None:
        """See Gateway."""
        if self._service is not None:
            self._service.close()

    # --- what the verbs ask

    @property
    def logs(self) -> Logs:
        """The ledgers of the conversations that are opened for it."""
        if self._made is None:
            from swarmchat.gateways.datasync.logs import Logs  # noqa: PLC0415 - see above

            self._made = Logs(self._clients)
        return self._made

    @property
    def serving(self) -> Service | None:
        """The service, if it was started."""
        return self._service

    async def service(self) -> Service:
        """The service; begun when it is first asked for. RefusedError, StorageError."""
        async with self._starting:
            if self._service is None:
                from swarmchat.gateways.datasync.service import Service  # noqa: PLC0415 - see above

                await self._node.swarm.own.ensure_status_key()
                service = await self._node.runtime.offload(lambda: Service(self._node, self.logs))
                for conversation in sorted(self._node.keeper.state.conversations):
                    if self._node.swarm.state_of(conversation) == "ready":
                        log = await self._node.swarm.log(conversation)
                        if self.is_open(log):
                            await self.look(log, lambda ledger: None)
                            await service.catch_up(conversation)
                self._service = service
                self._served.set()
            return self._service

    async def look(self, log: CommitLog, ask: Callable[[Ledger], T]) -> T:
        """Ask the ledger of a log something, in a worker. StorageError."""

        def locked() -> T:
            self.logs.prepare(log)
            with log.still():
                return ask(self.logs.ledger(log))

        return await self._node.runtime.offload(locked)

    def expect(self, conversation: ConversationId, key: Key) -> None:
        """Somebody without an account is about to be invited: by this key."""
        if len(self._invitees) >= limits.DATASYNC_CLIENTS_MAX:
            self._invitees.pop(next(iter(self._invitees)))
        self._invitees[conversation, key.uri] = key

    async def bind(self, log: CommitLog) -> bool:
        """Tie our key to our account in a conversation, if that is not done; whether it is now. RefusedError, StorageError."""
        from swarmchat.gateways import bindings  # noqa: PLC0415 - see above

        me, secret = self._node.account.id, await self._node.swarm.own.ensure_status_key()
        if await self.look(log, lambda ledger: ledger.bindings.of(me)) is not None:
            return True
        return await self._write(log.conversation, Other(bindings.BINDING), bindings.body(log.conversation, me, secret))

    # --- what is due from this device

    async def _introduce(self, log: CommitLog) -> None:
        """Bind our key; let in who has bound his, if that is for us to do; come in ourselves."""
        from swarmchat.gateways.datasync import speaking  # noqa: PLC0415 - see above

        node, conversation, me = self._node, log.conversation, self._node.account.id
        if not await self.bind(log):
            return
        roster = log.roster
        due = await self.look(log, lambda ledger: speaking.due(ledger, roster, me))
        for said in due.own:
            await self._write(conversation, Other(speaking.EVENT), said)
        if not due.invitations:
            self._noticed.pop(conversation, None)
            return
        since = self._noticed.setdefault(conversation, node.runtime.monotonic())
        self._waited_for.set()
        if node.runtime.monotonic() >= since + due.rank * _PATIENCE_S:
            for said in due.invitations:
                await self._write(conversation, Other(speaking.EVENT), said)

    async def _write(self, conversation: ConversationId, action: Action, said: Mapping[str, object]) -> bool:
        outcome = await self._node.swarm.append(conversation, action, extra=said)
        if isinstance(outcome, Rejection):
            _log.warning("data sync of %s: %s", conversation, outcome)
        return not isinstance(outcome, Rejection)

    async def _remind(self) -> None:
        """Where somebody still waits to be let in, those who come before us do not do it."""
        while True:
            await self._waited_for.wait()
            await self._node.runtime.sleep(_PATIENCE_S)
            if not self._noticed:
                self._waited_for.clear()
            for conversation in sorted(self._noticed):
                try:
                    await self.tend(conversation)
                except SwarmchatError as fault:
                    self._noticed.pop(conversation, None)
                    _log.warning("data sync of %s: %s", conversation, fault)

    def _clients(self) -> Collection[PeerId]:
        return () if self._service is None else self._service.clients
