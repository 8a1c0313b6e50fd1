"""Who is told where whom is: our own card and addresses, and cards of members handed on to members. (SCP-05 §1.10, §1.12)

A card is signed by its device, so who hands it on can neither change nor invent one; what it says may still be a lie, and costs dials.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from swarmchat.addresses import Address
from swarmchat.crypto.revocation import device_prefix
from swarmchat.discovery import cards
from swarmchat.discovery.cards import Card, CardFault
from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import (
    CARD_DIAL_EVERY_S,
    CARDS_PER_HELLO_MAX,
    CARDS_REPEATED_MAX,
    CARDS_SPREAD_S,
    CARDS_SPREAD_TO,
    CARDS_TAKEN_AT_ONCE,
    CARDS_TAKEN_PER_S,
)
from swarmchat.swarm.allowance import Allowance
from swarmchat.swarm.dialogue import Dialogue, Introduction
from swarmchat.swarm.own_cards import OwnCards
from swarmchat.swarm.parts import Audience, Parts

_REPEATED_MIN = 4


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a hello taught: devices not known before, and devices with new addresses, to be dialled now."""

    devices: frozenset[DeviceId] = frozenset()
    dial: frozenset[DeviceId] = frozenset()


@dataclass(slots=True)
class _Told:
    """What one peer knows by us or has told us, on the channel that is open."""

    judged: Allowance = field(default_factory=lambda: Allowance(CARDS_TAKEN_AT_ONCE, CARDS_TAKEN_PER_S))  # of its cards
    where: tuple[Address, ...] = ()  # our own addresses
    dht: int | None = None  # the port of our node of the DHT
    begun: bool = False  # it was handed a card of somebody else
    cards: dict[DeviceId, tuple[int, tuple[Address, ...]]] = field(default_factory=dict)  # made, and its addresses


class Introductions:
    """`where`: our own addresses now, as `whereabouts` gives them; `run` owns no peer, it only makes dialogues greet."""

    def __init__(
        self,
        parts: Parts,
        own: OwnCards,
        where: Callable[[], Sequence[Address]],
        dialogues: Callable[[], Iterable[Dialogue]],
    ) -> None:
        self._parts = parts
        self._own = own
        self._where = where
        self._dialogues = dialogues
        self._told: dict[Dialogue, _Told] = {}
        self._dialled: dict[DeviceId, float] = {}  # when a card last voided a back-off
        self._has_cards = False  # somebody has told where he is
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Rosters, contacts or our own addresses may have changed: see soon whom to tell."""
        self._stirred.set()

    def over(self, dialogue: Dialogue) -> None:
        """Its channel is closed: what was told may not have come."""
        self._told.pop(dialogue, None)

    async def run(self) -> None:
        """Tell what changed between two hellos, until cancelled."""
        while True:
            await self._stirred.wait()
            await self._parts.runtime.sleep(CARDS_SPREAD_S * (0.5 + self._parts.runtime.random()))
            self._stirred.clear()
            self._spread()

    # --- telling

    def greeting(self, dialogue: Dialogue) -> Introduction:
        """What the hello that goes out now says."""
        told = self._of(dialogue)
        told.where, told.dht = self._for(dialogue, tuple(self._where())), self._port_for(dialogue)
        handed = self._chosen(dialogue, told)
        told.begun = told.begun or bool(handed)
        told.cards.update((card.device_id, _gist(card)) for card in handed)
        others = tuple(card.data for card in handed)
        own = self._own.now()
        if self._parts.settings.addresses is Audience.CONTACTS:
            return Introduction(own.plain, told.where, others, told.dht)  # a card would be handed on
        return Introduction(own.full if told.where else own.plain, (), others, told.dht)

    def _spread(self) -> None:
        """Make those greet who should hear something before the next hello is due."""
        talking = [dialogue for dialogue in self._dialogues() if dialogue.talked]
        where = tuple(self._where())
        news: dict[Dialogue, list[Card]] = {}
        known: Counter[DeviceId] = Counter()  # how many peers know where a device is
        for dialogue in talking if self._has_cards else ():
            shown, told = list(self._shown(dialogue)), self._of(dialogue)
            news[dialogue] = [card for card in shown if _is_new(card, told)]
            known.update(card.device_id for card in shown if not _is_new(card, told))
        for dialogue in sorted(talking, key=lambda _: self._parts.runtime.random()):
            fresh, told = news.get(dialogue, []), self._of(dialogue)
            is_due = bool(fresh) and not told.begun
            is_due = is_due or any(known[card.device_id] < CARDS_SPREAD_TO for card in fresh)
            if is_due:
                known.update(card.device_id for card in fresh)
            if is_due or self._for(dialogue, where) != told.where or self._port_for(dialogue) != told.dht:
                dialogue.greet()

    def _for(self, dialogue: Dialogue, where: tuple[Address, ...]) -> tuple[Address, ...]:
        """Which of our addresses the peer may know; loopback leads nobody but who is on this machine to us."""
        if not self._may_know(dialogue.account):
            return ()
        return tuple(address for address in where if dialogue.link.address.is_loopback or not address.is_loopback)

    def _port_for(self, dialogue: Dialogue) -> int | None:
        """The port of our node of the DHT, for who may know where we are: the host is that of the link."""
        return self._parts.way.port() if self._may_know(dialogue.account) else None

    def _may_know(self, account: AccountId) -> bool:
        parts, audience = self._parts, self._parts.settings.addresses
        if audience is Audience.NONE or parts.state.is_blocked(account):
            return False
        if audience is Audience.ALL or account == parts.account.id or parts.state.is_contact(account):
            return True
        return audience is Audience.MEMBERS and bool(parts.access.joined_with(account))

    def _chosen(self, dialogue: Dialogue, told: _Told) -> list[Card]:
        """At most 64: those that tell the peer something new, then some that only say that it is still so."""
        if not self._has_cards:
            return []
        dice = self._parts.runtime.random
        shown = sorted(self._shown(dialogue), key=lambda _: dice())
        fresh = [card for card in shown if _is_new(card, told)]
        again = [card for card in shown if not _is_new(card, told) and card.made > told.cards[card.device_id][0]]
        repeated = max(_REPEATED_MIN, CARDS_REPEATED_MAX // max(1, len(self._told)))
        return [*fresh, *again[:repeated]][:CARDS_PER_HELLO_MAX]

    def _shown(self, dialogue: Dialogue) -> Iterable[Card]:
        """The cards that say where somebody is who is joined in one conversation with the peer and us."""
        parts, now = self._parts, self._parts.runtime.now()
        rosters = [each for each in parts.access.joined_with(dialogue.account) if not each.is_banned(dialogue.device)]
        for owner in sorted(frozenset[AccountId]().union(*(roster.joined for roster in rosters))):
            for card in parts.finder.devices(owner):
                device = card.device_id
                if device in {dialogue.device, parts.account.device} or not card.addresses_at(now):
                    continue
                if device_prefix(device) in parts.access.revoked(owner) or not _fits(card, dialogue):
                    continue
                if any(roster.is_joined(owner) and not roster.is_banned(device) for roster in rosters):
                    yield card

    # --- being told

    def take(self, dialogue: Dialogue, said: Introduction) -> Learnt:
        """Believe what holds; what does not is dropped without a word."""
        devices: set[DeviceId] = set()
        dial: set[DeviceId] = set()
        if said.card is not None:
            self._take_own(dialogue, said.card, devices)
        if said.addresses:
            told = [address for address in said.addresses if address.may_travel]
            self._parts.finder.told(dialogue.device, [each for each in told if _leads(each, dialogue)])
        if said.dht is not None:
            self._parts.way.met(Address(dialogue.link.address.host, said.dht))
        for data in said.cards:
            self._take_other(dialogue, data, devices, dial)
        if devices or dial:
            self.stir()
        return Learnt(frozenset(devices), frozenset(dial))

    def _take_own(self, dialogue: Dialogue, data: bytes, devices: set[DeviceId]) -> None:
        card = self._read(dialogue, data)
        if card is None or card.device_id != dialogue.device:
            return
        before = self._known(card)
        fault = self._judged(card)
        if fault is None and (before is None or before.addresses != card.addresses):
            devices.add(card.device_id)
        if fault in {None, CardFault.SUPERSEDED} and card.addresses is not None:
            self._parts.finder.told(card.device_id, card.addresses)

    def _take_other(self, dialogue: Dialogue, data: bytes, devices: set[DeviceId], dial: set[DeviceId]) -> None:
        card = self._read(dialogue, data)
        if card is None or not self._is_of_common(card, dialogue):
            return
        before = self._known(card)
        if before is None or before.made < card.made:
            had = {candidate.address for candidate in self._parts.finder.addresses(card.device_id)}
            if self._judged(card) is not None:
                return
            if before is None or before.addresses != card.addresses:
                devices.add(card.device_id)
            if not had.issuperset(card.addresses_at(self._parts.runtime.now())) and self._may_dial(card.device_id):
                dial.add(card.device_id)
        self._of(dialogue).cards[card.device_id] = _gist(card)

    def _read(self, dialogue: Dialogue, data: bytes) -> Card | None:
        """A card that may be looked at closer: the peer has not sent too many, and it would not lead us to ourselves."""
        if not self._of(dialogue).judged.take(self._parts.runtime.monotonic()):
            return None
        card = cards.parse(data)
        return card if isinstance(card, Card) and _fits(card, dialogue) else None

    def _judged(self, card: Card) -> CardFault | None:
        fault = self._parts.finder.saw_card(card, revoked=self._parts.access.revoked(card.account_id))
        if fault in {None, CardFault.SUPERSEDED} and card.addresses:
            self._has_cards = True
        return fault

    def _is_of_common(self, card: Card, dialogue: Dialogue) -> bool:
        """Whether its owner is joined in one conversation with who hands it on and us."""
        owner, device = card.account_id, card.device_id
        if device == self._parts.account.device or self._parts.state.is_blocked(owner):
            return False
        return any(
            roster.is_joined(owner) and not roster.is_banned(device) and not roster.is_banned(dialogue.device)
            for roster in self._parts.access.joined_with(dialogue.account)
        )

    def _may_dial(self, device: DeviceId) -> bool:
        now = self._parts.runtime.monotonic()
        self._dialled = {each: when for each, when in self._dialled.items() if now < when + CARD_DIAL_EVERY_S}
        return self._dialled.setdefault(device, now) == now

    def _known(self, card: Card) -> Card | None:
        known = self._parts.finder.devices(card.account_id)
        return next((each for each in known if each.device_id == card.device_id), None)

    def _of(self, dialogue: Dialogue) -> _Told:
        return self._told.setdefault(dialogue, _Told())


def _gist(card: Card) -> tuple[int, tuple[Address, ...]]:
    return card.made, card.addresses or ()


def _is_new(card: Card, told: _Told) -> bool:
    """Whether the peer does not know that the device is there."""
    made, where = told.cards.get(card.device_id, (0, ()))
    return card.made > made and card.addresses != where


def _fits(card: Card, dialogue: Dialogue) -> bool:
    """A card goes whole or not at all: one that names loopback only to and from who is on this machine."""
    return all(_leads(address, dialogue) for address in card.addresses or ())


def _leads(address: Address, dialogue: Dialogue) -> bool:
    return dialogue.link.address.is_loopback or not address.is_loopback
