"""Where a device can be reached: address book, LAN, links and cards in one place. (SCP-05 §4)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Sequence

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import AddressBook, Candidate, Owner, Source
from swarmchat.discovery.cards import Card, CardBox, CardFault
from swarmchat.discovery.sightings import Sighting
from swarmchat.ids import AccountId, DeviceId, is_device
from swarmchat.runtime import Runtime


class Finder:
    """Takes in what each source says, and gives it out: at once, and as a stream that goes on with what is learnt later."""

    def __init__(self, runtime: Runtime, book: AddressBook, cards: CardBox) -> None:
        self._runtime = runtime
        self._book = book
        self._cards = cards
        self._lan: dict[str, Sighting] = {}
        self._waiting: dict[Owner, set[asyncio.Event]] = {}

    # --- what is known

    def addresses(self, owner: Owner, account: AccountId | None = None) -> list[Candidate]:
        """What to try for a device now, and for its account (`peer add`), the likeliest first; or for an account alone."""
        owners: list[Owner] = [owner] if account is None else [owner, account]
        return self._book.candidates(*owners, now=self._runtime.now())

    def listed(self) -> list[AccountId]:
        """The accounts with an address given by hand, sorted: dialled whoever of their devices answers. (SCP-05 §2.4)"""
        now = self._runtime.now()
        accounts = [AccountId(owner) for owner in self._book.owners() if not is_device(owner)]
        return sorted(
            account
            for account in accounts
            if any(candidate.source is Source.STATIC for candidate in self._book.candidates(account, now=now))
        )

    def devices(self, account: AccountId) -> list[Card]:
        """The devices of an account, by their cards, the newest card first."""
        return self._cards.of_account(account, now=self._runtime.now())

    def strangers(self) -> list[Sighting]:
        """LAN instances that nobody here knows, ≤ 32: dialled while an invitation waits. (SCP-05 §2.2)"""
        unknown = [self._lan[name] for name in sorted(self._lan) if self._lan[name].device is None]
        return unknown[: limits.LAN_DIALS_MAX]

    def on_lan(self, device: DeviceId) -> bool:
        """Whether the LAN shows the device now."""
        return any(sighting.device == device for sighting in self._lan.values())

    # --- streams

    async def find(self, device: DeviceId, account: AccountId | None = None) -> AsyncIterator[Candidate]:
        """The addresses known now, then each new one as it is learnt; never ends by itself. One that left and came back is new."""
        told: set[Address] = set()
        wake = asyncio.Event()
        owners: list[Owner] = [device] if account is None else [device, account]
        self._watch(owners, wake)
        try:
            while True:
                wake.clear()
                found = self.addresses(device, account)
                told &= {candidate.address for candidate in found}
                for candidate in found:
                    if candidate.address not in told:
                        told.add(candidate.address)
                        yield candidate
                await wake.wait()
        finally:
            self._unwatch(owners, wake)

    async def find_devices(self, account: AccountId) -> AsyncIterator[Card]:
        """The cards known now, then each newer one; never ends by itself."""
        told: set[bytes] = set()
        wake = asyncio.Event()
        self._watch([account], wake)
        try:
            while True:
                wake.clear()
                found = self.devices(account)
                told &= {card.data for card in found}
                for card in found:
                    if card.data not in told:
                        told.add(card.data)
                        yield card
                await wake.wait()
        finally:
            self._unwatch([account], wake)

    # --- what the sources say

    def saw_lan(self, sighting: Sighting) -> bool:
        """The LAN showed an instance, or that it is gone; True if a known device has (re)appeared: dial it."""
        old = self._lan.pop(sighting.instance, None)
        if old is not None and old.device is not None:
            for address in old.addresses:
                self._book.lost(old.device, address, Source.LAN)
        if sighting.gone:
            return False
        if old is None and len(self._lan) >= limits.LAN_INSTANCES_MAX:
            return False
        self._lan[sighting.instance] = sighting
        if sighting.device is None:
            return False
        self.learnt(sighting.device, sighting.addresses, Source.LAN)
        return old is None or (old.device, old.addresses) != (sighting.device, sighting.addresses)

    def saw_card(self, card: Card, *, revoked: Container[bytes] = frozenset()) -> CardFault | None:
        """A card came in a hello or from elsewhere; why it was not believed, or None."""
        now = self._runtime.now()
        fault = self._cards.add(card, now=now, revoked=revoked)
        if fault is None:
            if card.addresses is not None:
                self._forget_said(card.device_id, card.addresses)
            for address in card.addresses_at(now):
                self._book.saw(card.device_id, address, Source.CARD, now=now, until=card.online_until)
            self._wake(card.device_id)
            self._wake(card.account_id)
        return fault

    def told(self, device: DeviceId, addresses: Sequence[Address]) -> None:
        """The device said on its own link where it listens: kept as long as what a link proved, unless it says otherwise."""
        self._forget_said(device, addresses)
        self.learnt(device, addresses, Source.LINK)

    def learnt(self, owner: Owner, addresses: Iterable[Address], source: Source) -> bool:
        """Somebody said where an owner is; True if one of the addresses is new."""
        now = self._runtime.now()
        new = [address for address in addresses if self._book.saw(owner, address, source, now=now)]
        if new:
            self._wake(owner)
        return bool(new)

    def worked(self, device: DeviceId, address: Address) -> None:
        """A link with the device authenticated at this address."""
        self._book.worked(device, address, now=self._runtime.now())

    def forget(self, owner: Owner, address: Address | None = None) -> bool:
        """The user takes an address back (`peer remove`)."""
        return self._book.forget(owner, address)

    # --- inside

    def _forget_said(self, device: DeviceId, still: Sequence[Address]) -> None:
        """It listens elsewhere now: what it said before and no link has proved would only be dialled in vain."""
        for candidate in self._book.candidates(device, now=self._runtime.now()):
            if candidate.address not in still:
                for source in (Source.CARD, Source.LINK):
                    self._book.lost(device, candidate.address, source)

    def _watch(self, owners: list[Owner], wake: asyncio.Event) -> None:
        for owner in owners:
            self._waiting.setdefault(owner, set()).add(wake)

    def _unwatch(self, owners: list[Owner], wake: asyncio.Event) -> None:
        for owner in owners:
            self._waiting[owner].discard(wake)
            if not self._waiting[owner]:
                del self._waiting[owner]

    def _wake(self, owner: Owner) -> None:
        for wake in self._waiting.get(owner, ()):
            wake.set()
