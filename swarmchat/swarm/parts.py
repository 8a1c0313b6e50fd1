"""What all parts of one account's swarm share, and the work that must not be done where it is noticed."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from swarmchat.account import sharing
from swarmchat.account.account import Account
from swarmchat.account.records import OwnDevice
from swarmchat.account.state import State
from swarmchat.account.statuskey import StatusKey
from swarmchat.addresses import Address
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Annotate, Writer
from swarmchat.crypto.revocation import RevocationList
from swarmchat.discovery.finder import Finder
from swarmchat.errors import SwarmchatError
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.index.receipts import Receipts
from swarmchat.links.channel import Channel
from swarmchat.runtime import Runtime
from swarmchat.swarm.access import Access
from swarmchat.swarm.events import Event, of_devices

T = TypeVar("T")
Chore = Callable[[], Awaitable[object]]

_log = logging.getLogger(__name__)


class StateKeeper(Protocol):
    """Keeps the account's State on disk."""

    @property
    def state(self) -> State:
        """What is on disk."""
        ...

    async def change(self, step: Callable[[State], tuple[State, T]]) -> T:
        """Take one step; durable when it returns, nothing is written for the very same State. StorageError: the old one stands."""
        ...


class Witness(Protocol):
    """Keeps, with the events that were told, how many commits of a conversation they tell of. (SCP-08 §3.3)"""

    def told(self, conversation: ConversationId) -> int | None:
        """So many; None for a conversation of which none was told."""
        ...

    def note_told(self, conversation: ConversationId, commits: int) -> None:
        """All that was told before tells of so many."""
        ...


class AccountKeeper(Protocol):
    """Keeps the account itself on disk; what is durable is in force in the swarm when these return. StorageError: nothing has changed."""

    async def relist(self, listed: RevocationList) -> None:
        """The account has this revocation list."""
        ...

    async def rename(self, name: str) -> None:
        """It is called so."""
        ...

    async def rekey_status(self, step: Callable[[StatusKey | None], StatusKey]) -> StatusKey:
        """Its key with Status is what a pure `step` makes of the one it holds; the one in force then."""
        ...


class Bridge(Protocol):
    """Foreign vocabularies that conversations of this node are told in as well. (SCP-09)"""

    def annotator(self, log: CommitLog) -> Annotate | None:
        """What adds the foreign form to commits that are about to be written; None where there is surely none. Quick: in the loop."""
        ...

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        """Whether that account stands for somebody who has none: nobody looks for it. Quick: in the loop."""
        ...

    async def serve(self, channel: Channel) -> None:
        """A peer opened the channel `mvds`."""
        ...


class NoBridge:
    """There is none."""

    def annotator(self, log: CommitLog) -> Annotate | None:
        """Nothing."""
        return None

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        """Nobody."""
        return False

    async def serve(self, channel: Channel) -> None:
        """Refuse it."""
        await channel.refuse("unknown-channel", channel.name)


class Audience(enum.StrEnum):
    """Who is told where this node listens, own devices included. (SCP-05 §1.12)"""

    CONTACTS = "contacts"  # and nobody hands it on
    MEMBERS = "members"  # contacts, and joined members of common conversations
    ALL = "all"  # everybody who is linked
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose to tell others: how far he has read, that he types, where he is. (SCP-04 §6, SCP-05 §1.12)"""

    send_read_receipts: bool = True
    send_typing: bool = True
    addresses: Audience = Audience.MEMBERS

    def chosen(self, state: State, fixed: Fixed) -> Settings:
        """What is in force: what this device's own settings say, else what the account says, else these."""
        return replace(
            self,
            send_read_receipts=_first(fixed.send_read_receipts, state, "send_read_receipts", self.send_read_receipts),
            send_typing=_first(fixed.send_typing, state, "send_typing", self.send_typing),
        )


@dataclass(frozen=True, slots=True)
class Fixed:
    """What the settings of this device alone say; None: as the account says, on all its devices."""

    name: str | None = None
    send_read_receipts: bool | None = None
    send_typing: bool | None = None


class Chores:
    """Work that a fact calls for and that waits: a synchronous callback leaves it here, the next who may wait does it.

    One at a time, in order; of two with one name the first is enough.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Chore] = OrderedDict()
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()

    def add(self, name: str, chore: Chore) -> None:
        """Have it done soon."""
        self._waiting.setdefault(name, chore)
        self._wake.set()

    async def drain(self) -> None:
        """Do all that waits. A disk, link or peer that refuses costs that chore alone."""
        async with self._turn:
            while self._waiting:
                name, chore = self._waiting.popitem(last=False)
                try:
                    await chore()
                except SwarmchatError as error:
                    _log.warning("%s: %s", name, error)

    async def run(self) -> None:
        """Do them as they come, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.drain()


@dataclass(frozen=True, slots=True)
class DhtWay:
    """What peers are told of our node of the DHT, its UDP port, and who hears where theirs are. (SCP-05 §1.8)"""

    port: Callable[[], int | None] = lambda: None
    met: Callable[[Address], None] = lambda address: None


@dataclass(slots=True)
class Parts:
    """One account's own things; `account` is replaced when it revokes a device."""

    account: Account
    keeper: StateKeeper
    catalog: Catalog
    runtime: Runtime
    finder: Finder
    receipts: Receipts
    tell: Callable[[Event], None]
    settings: Settings
    access: Access
    chores: Chores = field(default_factory=Chores)
    witness: Witness | None = None
    way: DhtWay = DhtWay()
    bridge: Bridge = field(default_factory=NoBridge)
    shared: Callable[[], None] = lambda: None  # what own devices share has changed
    _devices: Mapping[DeviceId, OwnDevice] = field(init=False)  # as the observer knows them
    _writer: tuple[Account, Writer] | None = field(default=None, init=False)  # of which account

    def __post_init__(self) -> None:
        self._devices = self.keeper.state.devices

    @property
    def state(self) -> State:
        """The account's state."""
        return self.keeper.state

    @property
    def now_ms(self) -> int:
        """The wall clock, ms since 1970."""
        return int(self.runtime.now() * 1000)

    async def change(self, step: Callable[[State], tuple[State, T]]) -> T:
        """Change the state, on disk and for the policy of the links; what own devices share is stamped as ours. (SCP-04 §7)"""

        def stamping(state: State) -> tuple[State, T]:
            after, outcome = step(state)
            return sharing.stamped(state, after, device=self.account.device, now_ms=self.now_ms), outcome

        stamps = self.state.stamps
        try:
            return await self.keeper.change(stamping)
        finally:
            self.access.state = self.keeper.state
            self._tell_of_devices()
            if self.state.stamps is not stamps:
                self.shared()

    def _tell_of_devices(self) -> None:
        before, self._devices = self._devices, self.state.devices
        if before is not self._devices:
            for event in of_devices(before, self._devices, self.account.device):
                self.tell(event)

    def writer(self) -> Writer:
        """Who writes commits here; the same until the account is another."""
        mine = self.account
        if self._writer is None or self._writer[0] is not mine:
            writer = Writer(
                mine.id,
                mine.device,
                mine.device_key,
                mine.certificate.pem,
                mine.device_certificate.pem,
                mine.name,
                mine.revocations.der if mine.revocations else None,
            )
            self._writer = mine, writer
        return self._writer[1]


class InMemory:
    """An AccountKeeper whose account lives as long as the swarm."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def relist(self, listed: RevocationList) -> None:
        """See AccountKeeper."""
        self._parts.account = replace(self._parts.account, revocations=listed)

    async def rename(self, name: str) -> None:
        """See AccountKeeper."""
        self._parts.account = self._parts.account.renamed(name)

    async def rekey_status(self, step: Callable[[StatusKey | None], StatusKey]) -> StatusKey:
        """See AccountKeeper."""
        key = step(self._parts.account.status_key)
        self._parts.account = replace(self._parts.account, status_key=key)
        return key


def _first(here: bool | None, state: State, name: str, otherwise: bool) -> bool:
    told = state.settings.get(name)
    return here if here is not None else told if isinstance(told, bool) else otherwise
