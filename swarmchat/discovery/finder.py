"""Where a device can be reached, and who has a conversation: address book, LAN, links, cards and DHT in one place. (SCP-05 §4)"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import AddressBook, Candidate, Owner, Source
from swarmchat.discovery.cards import Card, CardBox, CardFault
from swarmchat.discovery.sightings import Sighting
from swarmchat.ids import AccountId, ConversationId, DeviceId, is_device
from swarmchat.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Host:
    """A device that says it has a conversation: where that was said, and when last (seconds since 1970). Nobody vouches for it."""

    device: DeviceId
    account: AccountId
    source: Source
    seen_s: int


class Finder:
    """Takes in what each source says, and gives it out: at once, and as a stream that goes on with what is learnt later."""

    def __init__(self, runtime: Runtime, book: AddressBook, cards: CardBox) -> None:
        self._runtime = runtime
        self._book = book
        self._cards = cards
        self._lan: dict[str, Sighting] = {}
        self._over_dht: OrderedDict[DeviceId, None] = OrderedDict()  # whose card came that way
        self._hosts: OrderedDict[ConversationId, dict[DeviceId, Host]] = OrderedDict()
        self._waiting: dict[str, set[asyncio.Event]] = {}

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

    def card_source(self, device: DeviceId) -> Source:
        """How the card of a device came: from the DHT, or by a link; what was kept over a restart counts as the latter."""
        return Source.DHT if device in self._over_dht else Source.CARD

    def strangers(self) -> list[Sighting]:
        """LAN instances that nobody here knows, ≤ 32: dialled while an invitation waits. (SCP-05 §2.2)"""
        unknown = [self._lan[name] for name in sorted(self._lan) if self._lan[name].device is None]
        return unknown[: limits.LAN_DIALS_MAX]

    def on_lan(self, device: DeviceId) -> bool:
        """Whether the LAN shows the device now."""
        return any(sighting.device == device for sighting in self._lan.values())

    def hosts(self, conversation: ConversationId) -> list[Host]:
        """Who is known to have a conversation: first where a link stood last, then who is on the LAN, then the latest heard of."""
        now = self._runtime.now()

        def order(host: Host) -> tuple[int, bool, int, DeviceId]:
            good_s = max((each.good_s for each in self._book.candidates(host.device, now=now)), default=0)
            return -good_s, not self.on_lan(host.device), -host.seen_s, host.device

        return sorted(self._hosts.get(conversation, {}).values(), key=order)

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

    async def find_hosts(self, conversation: ConversationId) -> AsyncIterator[Host]:
        """Those known now, then each new one; never ends by itself."""
        told: set[DeviceId] = set()
        wake = asyncio.Event()
        self._watch([conversation], wake)
        try:
            while True:
                wake.clear()
                for host in self.hosts(conversation):
                    if host.device not in told:
                        told.add(host.device)
                        yield host
                await wake.wait()
        finally:
            self._unwatch([conversation], wake)

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

    def saw_card(
        self, card: Card, *, revoked: Container[bytes] = frozenset(), source: Source = Source.CARD
    ) -> CardFault | None:
        """A card came in a hello or from the DHT; why it was not believed, or None.

        One from the DHT that says no addresses does not take the place of one whose addresses still count.
        """
        now = self._runtime.now()
        if source is Source.DHT and card.addresses is None:
            known = next((each for each in self.devices(card.account_id) if each.device_id == card.device_id), None)
            if known is not None and known.addresses_at(now) and known.seal == card.seal:
                return CardFault.SUPERSEDED
        fault = self._cards.add(card, now=now, revoked=revoked)
        if fault is None:
            self._over_dht.pop(card.device_id, None)
            if source is Source.DHT:
                self._over_dht[card.device_id] = None
                if len(self._over_dht) > limits.CARDS_MAX:
                    self._over_dht.popitem(last=False)
            if card.addresses is not None:
                self._forget_said(card.device_id, card.addresses)
            for address in card.addresses_at(now):
                self._book.saw(card.device_id, address, source, now=now, until=card.online_until)
            self._wake(card.device_id)
            self._wake(card.account_id)
        return fault

    def drop_revoked(self, account: AccountId, revoked: Container[bytes]) -> None:
        """The account has withdrawn devices: their cards lead nobody any more."""
        self._cards.drop(account, revoked)

    def saw_host(self, conversation: ConversationId, card: Card, source: Source) -> bool:
        """A believed card stands among the hosts of a conversation; True if its device is a new one. At most 32, for 64 conversations."""
        hosts = self._hosts.setdefault(conversation, {})
        self._hosts.move_to_end(conversation)
        if len(self._hosts) > limits.HOSTS_CONVERSATIONS_MAX:
            self._hosts.popitem(last=False)
        is_new = card.device_id not in hosts
        if is_new and len(hosts) >= limits.HOSTS_PER_CONVERSATION_MAX:
            del hosts[min(hosts, key=lambda device: (hosts[device].seen_s, device))]
        hosts[card.device_id] = Host(card.device_id, card.account_id, source, int(self._runtime.now()))
        if is_new:
            self._wake(conversation)
        return is_new

    def told(self, device: DeviceId, addresses: Sequence[Address], source: Source = Source.LINK) -> None:
        """The device itself said where it listens: kept as long as what a link proved, unless it says otherwise."""
        self._forget_said(device, addresses)
        self.learnt(device, addresses, source)

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
                for source in (Source.CARD, Source.LINK, Source.DHT):
                    self._book.lost(device, candidate.address, source)

    def _watch(self, owners: Sequence[str], wake: asyncio.Event) -> None:
        for owner in owners:
            self._waiting.setdefault(owner, set()).add(wake)

    def _unwatch(self, owners: Sequence[str], wake: asyncio.Event) -> None:
        for owner in owners:
            self._waiting[owner].discard(wake)
            if not self._waiting[owner]:
                del self._waiting[owner]

    def _wake(self, owner: str) -> None:
        for wake in self._waiting.get(owner, ()):
            wake.set()
