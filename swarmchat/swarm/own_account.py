"""Our own account, as its user changes it on this device: settings, devices, who it is. (SCP-01 §3, SCP-04 §7)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from swarmchat.account import sharing
from swarmchat.account.account import Account
from swarmchat.account.records import OwnDevice
from swarmchat.account.state import Setting, State
from swarmchat.addresses import Address
from swarmchat.discovery.directory import Directory
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import NOT_BEFORE_SLACK_S
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.link import Link
from swarmchat.swarm.choices import Choices
from swarmchat.swarm.own_status_key import OwnStatusKey
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.revocations import Revocations

if TYPE_CHECKING:
    from swarmchat.crypto.secp256k1 import Secret
    from swarmchat.swarm.linking import Linking


class OwnAccount:
    """`load`: everything is open when it returns. What is written needs a device that is not revoked: RefusedError."""

    def __init__(
        self,
        parts: Parts,
        choices: Choices,
        revocations: Revocations,
        status: OwnStatusKey,
        links: ConnectionManager,
        directory: Directory | None,
        *,
        load: Callable[[], Awaitable[None]],
        links_of: Callable[[AccountId], Sequence[Link]],
        where: Callable[[], Sequence[Address]],
        recheck_lan: Callable[[], None],
        reevaluate: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._choices = choices
        self._revocations = revocations
        self._status = status
        self._links = links
        self._directory = directory
        self._load = load
        self._links_of = links_of
        self._where = where
        self._recheck_lan = recheck_lan
        self._reevaluate = reevaluate

    # --- what its user wants

    async def set(self, name: str, value: Setting) -> None:
        """A setting of the account, on all its devices: `name`, `send_read_receipts`, `send_typing`. UsageError, StorageError."""
        await self._load()
        self._revocations.must_be_ours()
        await self._choices.set(name, value)

    async def prefer(self, conversation: ConversationId, name: str, value: str | None) -> None:
        """What our user wants of a conversation, on all his devices; None takes it back. UserError, StorageError."""
        await self._load()
        self._revocations.must_be_ours()
        await self._choices.prefer(conversation, name, value)

    # --- who it is

    def renewed(self, account: Account) -> None:
        """`account`, as it is on the disk, is another: its sealing keys, say, which our next cards tell. (SCP-05 §1.3)"""
        self._parts.account = account

    async def relisted(self) -> int:
        """Our account has another revocation list: say so in every conversation; in how many. (SCP-01 §3.3) StorageError."""
        await self._load()
        told = await self._revocations.in_force()
        await self._parts.chores.drain()
        return told

    def must_be_ours(self) -> None:
        """RefusedError where this device is no longer one of its account. (SCP-01 §3.3)"""
        self._revocations.must_be_ours()

    # --- its key with Status (SCP-09 §2.1)

    def status_key(self) -> Secret | None:
        """The key in force, None where none was made yet; cheap, from any thread."""
        return self._status.now()

    async def ensure_status_key(self) -> Secret:
        """The same, made now if there was none; durable, and told to all own devices. RefusedError, StorageError."""
        await self._load()
        self._revocations.must_be_ours()
        return await self._status.ensure()

    async def set_status_key(self, secret: bytes) -> Secret:
        """The key is this one from now on, on all own devices; the very same changes nothing. ValueError, RefusedError, StorageError."""
        await self._load()
        self._revocations.must_be_ours()
        return await self._status.set(secret)

    # --- its devices

    async def devices(self) -> frozenset[DeviceId]:
        """The devices of our account that the rosters and links know, this one included."""
        await self._load()
        me = self._parts.account
        rosters = self._parts.access.rosters.values()
        linked = {link.peer.device for link in self._links_of(me.id)}
        return frozenset({me.device, *linked, *(device for roster in rosters for device in roster.devices_of(me.id))})

    async def rename_device(self, device: OwnDevice, name: str) -> bool:
        """Call a device of ours `name`, also one that is known from its links alone; False when no more can be noted. UserError, StorageError."""
        await self._load()
        self._revocations.must_be_ours()

        def renamed(state: State) -> tuple[State, bool]:
            known, _ = state.add_device(device)
            after, found = known.rename_device(device.id, name)
            return after, found is not None

        return await self._parts.change(renamed)

    async def note_this_device(self) -> None:
        """What own devices share bears stamps, and this one is among them. (SCP-04 §7)"""
        mine = self._parts.account
        made_ms = (mine.device_certificate.not_before + NOT_BEFORE_SLACK_S) * 1000
        this = OwnDevice(mine.device, "", made_ms, may_link=mine.may_link)

        def step(state: State) -> tuple[State, None]:
            return sharing.completed(state.with_device(this), device=mine.device), None

        await self._parts.change(step)

    @property
    def linking(self) -> Linking:
        """Makes other devices devices of this account. RefusedError where this one was revoked. (SCP-01 §3.2)"""
        self._revocations.must_be_ours()
        return self._linking

    @cached_property
    def _linking(self) -> Linking:
        from swarmchat.swarm.linking import Linking  # noqa: PLC0415 - SPAKE2 is for who links a device

        return Linking(
            self._parts,
            self._links,
            self._directory,
            where=self._where,
            recheck_lan=self._recheck_lan,
            reevaluate=self._reevaluate,
        )
