"""Status in the conversations of one node: what it writes is signed for Status as well, and what is due there is written. (SCP-09 §3.7)

What needs keys and events is imported when a conversation is first seen that is told to Status: a node without one pays for
nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Pending
from swarmchat.conversation.actions import Add, Other
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.errors import StorageError, SwarmchatError
from swarmchat.gateways.status import aside
from swarmchat.gateways.status.store import Store
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.links.channel import Channel
from swarmchat.node import views
from swarmchat.node.node import Node
from swarmchat.node.verbs import refused
from swarmchat.node.views import JsonObject

if TYPE_CHECKING:
    from swarmchat.crypto.secp256k1 import Key, Secret
    from swarmchat.gateways.hub import Contents
    from swarmchat.gateways.status.ledger import Ledger, Source
    from swarmchat.gateways.status.tending import Due

_BRIDGE: Final = "application/status-bridge"
_EVENT: Final = "application/status-event"
_UNASKED: Final = (_BRIDGE, _EVENT)
_OURS: Final = (_EVENT, "application/status-identity")  # one of them is in what came from Status
_AGAIN_S_MIN: Final = 1.0
_DEVICE_TURN_S: Final = 5.0  # the devices of an account write what is due one after the other, by their ids
_LATE_MS_MAX: Final = 60_000  # the clock that a commit states may be so much after its own time

_log = logging.getLogger(__name__)


class StatusGateway:
    """See `gateways.hub.Gateway`. `store` keeps what stands in no log."""

    name = "status"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._ledgers: dict[ConversationId, tuple[History, Ledger]] = {}
        self._from_status: dict[ConversationId, bool] = {}
        self._again: dict[ConversationId, float] = {}  # when to tend it, by the monotonic clock
        self._written: set[tuple[ConversationId, str]] = set()  # what was written unasked, in this life
        self._seen: dict[tuple[ConversationId, str], float] = {}  # when something unasked was first due
        self._stir = asyncio.Event()
        self._gone = True  # whether conversations may be gone of which the store holds something
        self._called: dict[ConversationId, tuple[History, int, dict[str, str]]] = {}  # up to how many commits
        self.store = Store(node.home.data / "status.sqlite")

    # --- what is asked by the node

    def is_open(self, log: Contents) -> bool:
        """See Gateway."""
        history = log.history
        if not any(history.has_type(kind) for kind in (_BRIDGE, *_OURS)):
            return False
        if history.has_type(_BRIDGE):
            return True
        known = self._from_status.get(log.conversation)
        if known is None:
            root = log.commit(history.root.id)
            status = root.body.get("status") if isinstance(root, Commit) else None
            known = self._from_status[log.conversation] = isinstance(status, dict) and "chat" in status
        return known

    def annotate(self, log: CommitLog, here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
        """See Gateway."""
        secret = self._node.swarm.own.status_key()
        if secret is None or "status" in (item.extra or {}):
            return {}
        from swarmchat.gateways.status import speaking  # noqa: PLC0415 - see above

        ledger, now_ms = self._followed(log, here, here.size), self._now_ms(item.now)
        if isinstance(item.action, Other) and item.action.type in _UNASKED:
            due = self._due_at(ledger, here, here.history.number(parent), here.roster_at(parent), secret, now_ms)
            return due.extra if due.extra is not None and due.kind == item.action.type else {}
        askers = self._askers(log.conversation) if isinstance(item.action, Add) else {}
        wish = speaking.Wish(item.action, item.writer.account, item.writer.name, parent, item.profile, now_ms, askers)
        found = speaking.spoken(ledger, here, wish, secret)
        if isinstance(found, dict):
            return {"status": found}
        if found is not None:
            _log.debug("%s: Status does not hear of it: %s", log.conversation, found.reason)
        return {}

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        """See Gateway. Of a conversation that was not tended yet nothing is known."""
        known = self._ledgers.get(conversation)
        return known is not None and known[1].is_foreign(account)

    def credit(self, log: CommitLog | ArchivedLog, commit: Commit) -> JsonObject | None:
        """See Gateway."""
        status = commit.body.get("status")
        if not isinstance(status, dict) or "envelope" not in status:
            return None
        if not isinstance(log, CommitLog) or not self.is_open(log):
            return None
        return self._credit(log, commit)

    def foreign(self, log: CommitLog) -> Mapping[AccountId, str]:
        """See Gateway."""
        ledger, called = self.ledger(log), self.called(log)
        return {account: called.get(key.legacy, "") for account, key in ledger.foreign.items()}

    async def tend(self, conversation: ConversationId) -> None:
        """See Gateway."""
        log, own = await self._node.swarm.log(conversation), self._node.swarm.own
        await self.settle(conversation)
        if await self._node.runtime.offload(self._must_bind, log):
            if own.status_key() is None and (left_s := self._left_s(log, "key")) > 0:
                self._look_again(conversation, left_s)  # two keys made at once would cost one of them its binding
                return
            await self.bind(conversation)
        secret = own.status_key()
        if secret is None:
            return
        due = await self._node.runtime.offload(self._due, log, secret)
        while due.extra is not None and (conversation, due.about) not in self._written:
            if (left_s := self._left_s(log, due.about)) > 0:
                due = replace(due, extra=None, again_s=left_s)
                break
            self._written.add((conversation, due.about))  # a second time would not help
            try:
                await self.write(conversation, due.kind)  # what it says is found where it is written
            except SwarmchatError:
                self._written.discard((conversation, due.about))  # with room on the disk it would
                raise
            due = await self._node.runtime.offload(self._due, log, secret)
        if due.again_s is not None:
            self._look_again(conversation, due.again_s)

    async def serve(self, channel: Channel) -> bool:
        """See Gateway."""
        return False

    def forget(self, conversation: ConversationId) -> None:
        """See Gateway."""
        self._ledgers.pop(conversation, None)
        self._from_status.pop(conversation, None)
        self._again.pop(conversation, None)
        self._called.pop(conversation, None)
        self._gone = True
        self._stir.set()
        self._written = {one for one in self._written if one[0] != conversation}
        self._seen = {one: at for one, at in self._seen.items() if one[0] != conversation}

    async def run(self) -> None:
        """See Gateway: tend again what waits for others."""
        while True:
            if self._gone:
                await self._forget_gone()
            now = self._node.runtime.monotonic()
            for conversation in sorted(one for one, at in self._again.items() if at <= now):
                del self._again[conversation]
                try:
                    await self.tend(conversation)
                except SwarmchatError as fault:
                    _log.warning("%s: %s", conversation, fault)
            self._stir.clear()
            first = min(self._again.values(), default=None)
            try:
                async with asyncio.timeout(None if first is None else first - self._node.runtime.monotonic()):
                    await self._stir.wait()
            except TimeoutError:
                pass

    def close(self) -> None:
        """See Gateway."""
        self._ledgers.clear()
        self.store.close()

    # --- for the verbs

    def ledger(self, log: CommitLog) -> Ledger:
        """What the log says for Status; to be asked for, and used, in a worker under its lock. StorageError."""
        return self._followed(log, log, len(log.history))

    async def look_at_all(self, log: CommitLog) -> None:
        """Find out about all that was said there, in pieces between which others may write. StorageError."""
        from swarmchat.gateways.status import reading  # noqa: PLC0415 - see above

        def look(first: int) -> int | None:
            with log.still():
                return reading.look_at(self.ledger(log), log, first)

        place: int | None = 0
        while place is not None:
            place = await self._node.runtime.offload(look, place)

    async def settle(self, conversation: ConversationId) -> None:
        """Who asked to be let in there and is in now waits no more. What is kept beside the log keeps nothing from being written in it."""
        log = await self._node.swarm.log(conversation)
        try:
            await self._node.runtime.offload(self._settle, log)
        except StorageError as fault:
            _log.warning("who asks to be let into %s: %s", conversation, fault)

    def called(self, log: CommitLog) -> Mapping[str, str]:
        """What people without account call themselves there, by their keys as `0x04…`; in a worker under the log's lock. StorageError."""
        from swarmchat.gateways.status.showing import called  # noqa: PLC0415 - see above

        ledger = self.ledger(log)
        history, size, names = self._called.get(log.conversation, (None, 0, {}))
        if history is not log.history:
            size, names = 0, {}
        if size < len(log.history):
            names = names | called(ledger, log, size)
            self._called[log.conversation] = log.history, len(log.history), names
        return names

    def let_in(self, log: CommitLog) -> Callable[[aside.Asked], bool]:
        """Tells whether who asks is in the conversation, or was added since; in a worker under the log's lock. StorageError."""
        from swarmchat.crypto.secp256k1 import Key  # noqa: PLC0415 - see above

        ledger, roster = self.ledger(log), log.roster
        added: dict[AccountId, int] = {}  # the clock of the last time
        for entry in log.history.controls:
            if entry.fact.control is not None and isinstance(action := entry.fact.control.action, Add):
                added[action.uri] = max(added.get(action.uri, 0), ledger.clock(entry.seq))

        def is_let_in(asked: aside.Asked) -> bool:
            account = ledger.account_of(Key(asked.key))
            return roster.is_joined(account) or roster.is_invited(account) or added.get(account, 0) > asked.clock

        return is_let_in

    def _left_s(self, log: CommitLog, about: str) -> float:
        """How long this device leaves something to the other devices of its account; from when it first saw that it is due."""
        now = self._node.runtime.monotonic()
        since = self._seen.setdefault((log.conversation, about), now)
        mine, known = self._node.account, self._node.keeper.state.devices
        devices = sorted({mine.device, *known, *log.roster.devices_of(mine.id)})
        place = devices.index(mine.device)
        return since + place * _DEVICE_TURN_S - now

    def _look_again(self, conversation: ConversationId, after_s: float) -> None:
        self._again[conversation] = self._node.runtime.monotonic() + max(after_s, _AGAIN_S_MIN)
        self._stir.set()

    async def bind(self, conversation: ConversationId) -> None:
        """Say there which key this account has, which is made if there is none. RefusedError, StorageError."""
        secret = await self._node.swarm.own.ensure_status_key()
        from swarmchat.gateways import bindings  # noqa: PLC0415 - see above

        await self.write(conversation, bindings.BINDING, bindings.body(conversation, self._node.account.id, secret))

    async def write(
        self,
        conversation: ConversationId,
        kind: str,
        extra: Mapping[str, object] | None = None,
        at: CommitId | None = None,
    ) -> CommitId:
        """Write a commit of a gateway's type. RefusedError, StorageError."""
        outcome = await self._node.swarm.append(conversation, Other(kind), extra=extra, at=at)
        if isinstance(outcome, Rejection):
            raise refused(outcome)
        return outcome.new[-1]

    # --- inside, in workers

    def _followed(self, log: CommitLog, here: CommitLog | Provisional, settled: int) -> Ledger:
        from swarmchat.gateways.status.ledger import Ledger  # noqa: PLC0415 - see above

        known = self._ledgers.get(log.conversation)
        if known is None or known[0] is not log.history:  # a repair begins it anew
            known = self._ledgers[log.conversation] = log.history, Ledger(log.conversation)
        known[1].follow(here, settled)
        return known[1]

    def _askers(self, conversation: ConversationId) -> dict[AccountId, Key]:
        from swarmchat.crypto.secp256k1 import Key  # noqa: PLC0415 - see above

        try:
            keys = [Key(one.key) for one in self.store.requests(conversation)]
        except StorageError as fault:  # as if nobody had asked: see `settle`
            _log.warning("who asks to be let into %s: %s", conversation, fault)
            return {}
        return {key.uri: key for key in keys}

    def _settle(self, log: CommitLog) -> None:
        """Who asked and is in now waits no more."""
        if not any(one.state is aside.State.WAITING for one in self.store.requests(log.conversation)):
            return
        from swarmchat.gateways.status import asking  # noqa: PLC0415 - see above

        with log.still():
            let_in, now_ms = self.let_in(log), self._now_ms(None)

            def settle(known: list[aside.Asked]) -> list[aside.Asked]:
                return [asking.settled(one, now_ms) for one in known if let_in(one)]

            self.store.revise(log.conversation, settle)

    async def _forget_gone(self) -> None:
        """Nothing is kept about conversations that are not here any more."""
        self._gone = False
        try:
            known = self._node.keeper.state.conversations
            await self._node.runtime.offload(self.store.keep_only, {one for one in known if not known[one].is_gone})
        except SwarmchatError as fault:
            _log.warning("what was kept of conversations that are gone: %s", fault)

    def _must_bind(self, log: CommitLog) -> bool:
        from swarmchat.gateways.status import tending  # noqa: PLC0415 - see above

        with log.still():
            return tending.must_bind(self.ledger(log), log.roster, self._node.account.id)

    def _due(self, log: CommitLog, secret: Secret) -> Due:
        from swarmchat.gateways.status import tending  # noqa: PLC0415 - see above

        with log.still():
            ledger, now_ms = self.ledger(log), self._now_ms(None)
            places = tending.parents(log, log.main, log.heads)
            found = [self._due_at(ledger, log, number, log.roster, secret, now_ms) for number in places]
            waiting = [one for one in found if one.again_s is not None]
            return next((one for one in found if one.extra is not None), waiting[0] if waiting else tending.Due())

    def _due_at(self, ledger: Ledger, here: Source, number: int, roster: Roster, secret: Secret, now_ms: int) -> Due:
        from swarmchat.gateways.status import tending  # noqa: PLC0415 - see above

        return tending.due(ledger, here, number, roster, self._node.account.id, secret, now_ms)

    def _credit(self, log: CommitLog, commit: Commit) -> JsonObject | None:
        from swarmchat.gateways.refusal import Refused  # noqa: PLC0415 - see above
        from swarmchat.gateways.status import reading, words  # noqa: PLC0415
        from swarmchat.gateways.status.wire import ChatMessage  # noqa: PLC0415

        entry = log.history.get(commit.id)
        if entry is None or entry.fact.account is None:
            return None
        ledger = self.ledger(log)
        said = reading.said(ledger, entry.seq, commit, entry.fact.account)
        if isinstance(said, Refused) or not said or said[0].author in ledger.claims_at(entry.seq, entry.fact.account):
            return None
        first, entity = said[0], said[0].entity
        shown = {
            "gateway": "status",
            "account": ledger.account_of(first.author),
            "key": first.author.legacy,
            "name": "",
        }
        if isinstance(entity, ChatMessage):
            shown |= {"name": words.display_name(entity.display_name), "time": views.time(entity.timestamp / 1000)}
        return shown

    def _now_ms(self, asked_s: int | None) -> int:
        """The wall clock, ms; for a commit that was asked for then, near to that."""
        now = int(self._node.runtime.now() * 1000)
        return now if asked_s is None else min(max(now, asked_s * 1000), asked_s * 1000 + _LATE_MS_MAX)
