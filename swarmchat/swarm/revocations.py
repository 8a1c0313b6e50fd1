"""The revocation list of our own account: heard from wherever it comes, put in force, told to all. (SCP-01 §3.3)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from swarmchat.account.state import State
from swarmchat.conversation import tree
from swarmchat.conversation.actions import UpdateDevice
from swarmchat.conversation.rejection import Rejection
from swarmchat.crypto.certificates import CertificateError
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.errors import RefusedError, StorageError
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import INVITATIONS_CHECKED_S, MAIL_BODY_BYTES_MAX
from swarmchat.swarm.events import AccountRevoked
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.parts import AccountKeeper, Parts
from swarmchat.swarm.rooms import Rooms

_log = logging.getLogger(__name__)

_LIST_ROOM = 16  # bytes of a mail's body beside a revocation list


class Revocations:
    """`changed`: who may do what is another; `told`: own devices are to hear of it, those that are revoked before their links go."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        keeper: AccountKeeper,
        *,
        changed: Callable[[], None],
        told: Callable[[frozenset[DeviceId]], Awaitable[None]],
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._keeper = keeper
        self._changed = changed
        self._told = told
        self._heard: dict[bytes, RevocationList] = {}
        self._refused: set[tuple[ConversationId, bytes | None, bytes]] = set()
        self._wake = asyncio.Event()
        self._said = parts.account.is_revoked  # that this device is on the list
        parts.access.heard_own_list = self.heard
        parts.access.own_list(parts.account.revoked, is_revoked=parts.account.is_revoked)

    async def run(self) -> None:
        """Put in force what was heard, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._weigh()
            except StorageError as error:
                _log.warning("a revocation list of ours cannot be kept: %s", error)
                await self._parts.runtime.sleep(INVITATIONS_CHECKED_S)
                self._wake.set()

    # --- what is heard

    def told_by_own(self, data: bytes) -> None:
        """Another own device has this list; MessageError for what is none of our account."""
        try:
            self._note(data)
        except CertificateError as error:
            raise MessageError(f"have: crl: {error}") from None

    def told_by_anybody(self, data: bytes) -> None:
        """Somebody who refuses our links says why; what our account did not sign is left out."""
        try:
            self._note(data)
        except CertificateError as error:
            _log.info("a revocation list that is none: %s", error)

    def heard(self, listed: RevocationList) -> None:
        """A list that our account signed, from an own device, a conversation, the DHT."""
        mine = self._parts.account
        if mine.reconciled(listed, now=int(self._parts.runtime.now())) != mine.revocations:
            self._heard[listed.der] = listed
            self._wake.set()

    # --- what is in force

    async def in_force(self, *, made_here: bool = True) -> int:
        """The account has another list, durable: act by it; to how many conversations it was told. StorageError.

        One that was made elsewhere its maker tells, and a commit of each own device would say the same: `publish` is for what
        he has not told in a minute.
        """
        parts, now_ms = self._parts, self._parts.now_ms
        mine = parts.account
        await self._told(frozenset(each for each in parts.state.devices if device_prefix(each) in mine.revoked))
        parts.access.own_list(mine.revoked, is_revoked=mine.is_revoked)

        def marked(state: State) -> tuple[State, None]:
            for device in sorted(state.devices):
                if device_prefix(device) in mine.revoked:
                    state, _ = state.revoke_device(device, now_ms=now_ms)
            return state, None

        if mine.is_revoked and not self._said:
            self._said = True
            parts.tell(AccountRevoked(mine.id, mine.device))
        try:
            await parts.change(marked)
            return await self.publish() if made_here else 0  # what a full disk keeps from being written: every minute
        finally:
            self._changed()

    async def publish(self) -> int:
        """Bring our list to every conversation that has an older one; to how many. (SCP-01 §3.3)"""
        mine, told = self._parts.account, 0
        if mine.revocations is None or mine.is_revoked:
            return 0
        for replicator in self._rooms.all():
            if self._rooms.state_of(replicator.conversation) != "ready":
                continue
            theirs = replicator.log.roster.files.get(tree.revocations(mine.id))
            key = (replicator.conversation, theirs, mine.revocations.der)
            if theirs == mine.revocations.der or key in self._refused:
                continue
            if isinstance(await replicator.append(UpdateDevice()), Rejection):
                self._refused.add(key)  # theirs is newer
            else:
                told += 1
        return told

    def reason(self, account: AccountId, device: DeviceId) -> bytes | None:
        """The list by which a device is revoked, for a mail to it; None when there is none that fits into one."""
        proof = self._parts.access.proof(account, device)
        mine = self._parts.account.revocations
        if proof is None and mine is not None and account == self._parts.account.id:
            proof = mine
        return proof.der if proof is not None and len(proof.der) <= MAIL_BODY_BYTES_MAX - _LIST_ROOM else None

    def must_be_ours(self) -> None:
        """RefusedError where this device is no longer one of its account."""
        if self._parts.account.is_revoked:
            raise RefusedError(
                "this device was revoked by its account: what is here can be read, and nothing written",
                hint="link it again as a new device, in another home: `swarmchat --home DIRECTORY link`",
            )

    # --- inside

    def _note(self, data: bytes) -> None:
        """Whoever stands on it is refused from now on, whether or not it comes into force."""
        mine = self._parts.account
        if mine.revocations is not None and data == mine.revocations.der:
            return
        if self._parts.access.note_revoked(RevocationList.from_der(data, mine.certificate)):  # which tells `heard`
            self._changed()

    async def _weigh(self) -> None:
        """Take what was heard, and say so; who holds the account key issues what contains two lists that differ."""
        while self._heard:
            _, listed = self._heard.popitem()
            mine = self._parts.account
            better = mine.reconciled(listed, now=int(self._parts.runtime.now()))
            if better is None or better == mine.revocations:
                continue
            try:
                await self._keeper.relist(better)
            except StorageError:
                self._heard[listed.der] = listed
                raise
            _log.warning("another revocation list of ours is in force, number %d", better.number)
            await self.in_force(made_here=better != listed)
