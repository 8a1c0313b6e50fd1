"""Going by our own hand: what is written for it, and who is served until somebody else has it. (SCP-06 §7)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from swarmchat.account.records import ConversationState
from swarmchat.conversation.rejection import Rejection
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import HANDED_OVER_AFTER_S, OWN_LEAVE_AWAITED_S
from swarmchat.swarm import leaving
from swarmchat.swarm.mail import Notice
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.write_queue import Outcome


class Departures:
    """The conversations of one account that it leaves, or has left and still hands over."""

    def __init__(
        self,
        parts: Parts,
        get: Callable[[ConversationId], Replicator | None],
        erase: Callable[[ConversationId], Awaitable[None]],
        reevaluate: Callable[[], None],
        unsure: Callable[[ConversationId, DeviceId], None],
    ) -> None:
        self._parts = parts
        self._get = get
        self._erase = erase
        self._reevaluate = reevaluate
        self._unsure = unsure
        # A leave of ours, and who had it: the heads that it names later do not show it any more.
        self._told: dict[ConversationId, set[tuple[CommitId, DeviceId]]] = {}
        self._awaited: dict[
            ConversationId, float
        ] = {}  # what another own device left, since when its commits are awaited

    async def write(self, replicator: Replicator, promote: AccountId | None, *, dissolve: bool) -> Outcome | None:
        """Write the commits of leaving, all or none; None when there was nothing to write. StorageError."""
        parts, log, conversation = self._parts, replicator.log, replicator.conversation
        me = parts.account.id
        if log.is_empty or not log.roster.is_joined(me):
            return None
        actions = leaving.steps(log.roster, me, parts.account.device, promote, dissolve=dissolve)
        if (fault := leaving.objection(actions, parts.writer().author, log.roster)) is not None:
            return fault
        # First, so that the conversation is spoken of all the while: they are to hear of it, and we that they have.
        parts.access.set_heirs(conversation, leaving.removed_by(actions, log.roster))
        try:
            outcomes = await replicator.append_at_once(actions)
        except BaseException:
            parts.access.set_heirs(conversation, None)
            raise
        if isinstance(outcomes[-1], Rejection):  # somebody was quicker
            parts.access.set_heirs(conversation, None)
            self._reevaluate()
            return next(each for each in outcomes if isinstance(each, Rejection))
        return outcomes[-1]

    async def go(self, conversation: ConversationId) -> bool:
        """Mark it as left, unless it is (False); what others may still lack of ours is served to them."""
        now_ms = self._parts.now_ms
        removed = await self._parts.change(lambda state: state.remove_conversation(conversation, now_ms=now_ms))
        await self.stay_behind(conversation)
        return removed is not None

    async def stay_behind(self, conversation: ConversationId) -> None:
        """Serve what others may still lack of ours, or erase at once if there is nobody or nothing."""
        parts, replicator = self._parts, self._get(conversation)
        if replicator is None:
            return
        me, log = parts.account.id, replicator.log
        is_shut_out = not log.is_empty and (log.roster.is_banned(me) or log.roster.is_banned(parts.account.device))
        if not is_shut_out and not log.is_empty and log.roster.joined > {me} and self._has_others():
            await self._await_leave(replicator)
            return
        self._awaited.pop(conversation, None)
        replicator.session.closed = True
        if is_shut_out or not leaving.has_left(log, me):
            await self._erase(conversation)  # of who was removed nobody takes anything
            return
        held = await parts.runtime.offload(parts.receipts.all_heads, conversation)
        told = {device: each.heads for device, each in held.items()}
        heirs = await parts.runtime.offload(leaving.heirs, log, me, told)
        if self._get(conversation) is not replicator:
            return  # somebody has answered meanwhile, and it is erased
        members = {device: owner for device, owner in log.roster.devices.items() if log.roster.is_joined(owner)}
        concerned = {**members, **heirs}.items()
        served = {owner for device, owner in concerned if self.is_told(replicator, device, told.get(device, ()))}
        waiting = {device: owner for device, owner in heirs.items() if owner not in served}
        if not waiting and (served or not members):
            await self._erase(conversation)
            return
        parts.access.set_heirs(conversation, waiting)
        self._reevaluate()
        for device, _ in concerned:
            self.ask_if_unsure(replicator, device)

    def _has_others(self) -> bool:
        """Whether another device of our account may have left."""
        mine = self._parts.account
        return any(not each.revoked_ms and each.id != mine.device for each in self._parts.state.devices.values())

    async def _await_leave(self, replicator: Replicator) -> None:
        """Another own device left, and its commits have not come here yet: they do, or after an hour this one writes its own."""
        now = self._parts.runtime.monotonic()  # by no clock of another
        if now - self._awaited.setdefault(replicator.conversation, now) >= OWN_LEAVE_AWAITED_S:
            await self.write(replicator, None, dissolve=False)  # once it is admitted, this is taken up again

    def ask_if_unsure(self, replicator: Replicator, device: DeviceId) -> None:
        """Ask a device whose heads came after ours, and which we do not fetch, whether the commit by which we went is behind them."""
        if not all(map(replicator.log.knows, replicator.session.heads_of(device))):
            self._unsure(replicator.conversation, device)

    def is_told(self, replicator: Replicator, device: DeviceId, told: Iterable[CommitId] = ()) -> bool:
        """Whether the device has ever said, or as `told` before, that it has the commit by which we went."""
        me, log = self._parts.account.id, replicator.log
        leave = None if log.is_empty or log.roster.is_joined(me) else leaving.leave_of(log, me)
        if leave is None:
            return False
        known = self._told.setdefault(replicator.conversation, set())
        if replicator.has(device, leave, told):
            known.add((leave, device))
        return (leave, device) in known

    def forget(self, conversation: ConversationId) -> None:
        """Nothing of it is here any more."""
        self._told.pop(conversation, None)
        self._awaited.pop(conversation, None)

    def has_left(self, conversation: ConversationId) -> bool:
        """Whether we went, as the log says it; the state may not know yet."""
        replicator = self._get(conversation)
        return replicator is not None and leaving.has_left(replicator.log, self._parts.account.id)

    async def taken(self, conversation: ConversationId, account: AccountId) -> None:
        """It has our last commits. A member tells the others; of those we removed each must have come for itself."""
        replicator, access = self._get(conversation), self._parts.access
        if replicator is None:
            return
        heirs = access.heirs_of(conversation)
        missing = {device: owner for device, owner in heirs.items() if owner != account}
        if missing:
            access.set_heirs(conversation, missing)
            self._reevaluate()
        elif heirs or replicator.log.roster.is_joined(account):
            await self._erase(conversation)

    def questions(self, account: AccountId) -> list[Notice]:
        """What to ask an account to whom we are nobody any more: whether it has the commits by which we went."""
        parts, found = self._parts, []
        for conversation, known in sorted(parts.state.conversations.items()):
            replicator = self._get(conversation) if known.state is ConversationState.REMOVED else None
            leave = leaving.leave_of(replicator.log, parts.account.id) if replicator is not None else None
            if replicator is None or leave is None:
                continue
            if account in parts.access.heirs_of(conversation).values() or replicator.log.roster.is_joined(account):
                found.append(Notice(conversation, leave, (leave,), parts.account.device))
        return found

    def expired(self) -> list[ConversationId]:
        """What was left 30 days ago, and nobody took."""
        now_ms = self._parts.now_ms
        return [
            conversation
            for conversation, known in sorted(self._parts.state.conversations.items())
            if known.state is ConversationState.REMOVED
            and self._get(conversation) is not None
            and (now_ms - known.removed_ms) / 1000 >= HANDED_OVER_AFTER_S
        ]
