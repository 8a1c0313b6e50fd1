"""Cards, hosts and revocation lists as they are found in the DHT, judged, and given to the finder. (SCP-05 §1.4, §1.10)

Whoever knows an id can put under its keys what he likes; so what is read is bounded, and nothing counts but what is signed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from swarmchat.addresses import Address
from swarmchat.crypto.certificates import Certificate, CertificateError
from swarmchat.crypto.revocation import RevocationList
from swarmchat.crypto.veil import VeilError, unveil
from swarmchat.discovery import cards
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import Purpose, blinded_key, reading
from swarmchat.discovery.cards import Card, CardFault
from swarmchat.discovery.directory import Directory, Found
from swarmchat.ids import AccountId, ConversationId
from swarmchat.limits import CARDS_FOUND_AT_ONCE, CARDS_FOUND_PER_S, CRL_AGAIN_S, CRL_READ_MAX
from swarmchat.swarm.allowance import Allowance
from swarmchat.swarm.parts import Parts

_log = logging.getLogger(__name__)

Name = AccountId | ConversationId


@dataclass(slots=True)
class _Watched:
    """What one id costs us, and what ends the watching, by bucket."""

    allowance: Allowance = field(default_factory=lambda: Allowance(CARDS_FOUND_AT_ONCE, CARDS_FOUND_PER_S))
    stops: dict[int, Callable[[], None]] = field(default_factory=dict)


class CardWatch:
    """`seen`: a card is newer than what was known, its owner is there; `found_host`: somebody says it has a conversation."""

    def __init__(
        self,
        parts: Parts,
        directory: Directory,
        where: Callable[[], Sequence[Address]],
        *,
        seen: Callable[[Card], None],
        found_host: Callable[[ConversationId, Card], None],
        revoked: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._directory = directory
        self._where = where
        self._seen = seen
        self._found_host = found_host
        self._revoked = revoked
        self._watched: dict[tuple[Purpose, Name], _Watched] = {}
        self._listed: dict[AccountId, float] = {}  # when the revocation list of an account was asked for
        self._reading = 0
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own what is asked of the directory, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            self.look((), ())

    def look(self, accounts: Iterable[AccountId], conversations: Iterable[ConversationId]) -> None:
        """Watch the cards of exactly these accounts, and the hosts of these conversations, in the buckets of now."""
        wanted: set[tuple[Purpose, Name]] = {(Purpose.PRESENCE, account) for account in accounts}
        wanted |= {(Purpose.HOSTS, conversation) for conversation in conversations}
        buckets = reading(self._parts.runtime.now())
        for name in sorted(self._watched.keys() - wanted):
            for stop in self._watched.pop(name).stops.values():
                stop()
        for name in sorted(wanted):
            watched = self._watched.setdefault(name, _Watched())
            for number in sorted(watched.stops.keys() - set(buckets)):
                watched.stops.pop(number)()
            for number in buckets:
                if number not in watched.stops:
                    key = blinded_key(name[0], bytes.fromhex(name[1]), number)
                    watched.stops[number] = self._directory.watch(key, partial(self._found, name, number))

    # --- inside

    def _found(self, name: tuple[Purpose, Name], number: int, found: Found) -> None:
        watched, now = self._watched.get(name), self._parts.runtime.now()
        if watched is None or not watched.allowance.take(self._parts.runtime.monotonic()):
            return
        purpose, whose = name
        payload = _unveiled(found, purpose, whose, number)
        card = cards.parse(payload) if payload is not None else None
        if not isinstance(card, Card) or card.device_id == self._parts.account.device or not self._leads(card):
            return
        owner = card.account_id
        if self._parts.state.is_blocked(owner):
            return
        asked = AccountId(whose) if purpose is Purpose.PRESENCE else None
        revoked = self._parts.access.revoked(owner)
        if cards.check(card, now=now, revoked=revoked, asked=asked) is not None:
            return
        is_new = all(each.device_id != card.device_id for each in self._parts.finder.devices(owner))
        fault = self._parts.finder.saw_card(card, revoked=revoked, source=Source.DHT)
        if fault not in {None, CardFault.SUPERSEDED}:
            return
        self._ask_for_list(card.account, is_new=is_new)
        if purpose is Purpose.HOSTS:
            if now < card.online_until:
                self._found_host(ConversationId(whose), card)
        elif fault is None:
            self._seen(card)

    def _leads(self, card: Card) -> bool:
        """A card that names loopback is for who has nothing else himself."""
        if not any(address.is_loopback for address in card.addresses or ()):
            return True
        return all(address.is_loopback for address in self._where())

    def _ask_for_list(self, account: Certificate, *, is_new: bool) -> None:
        """The account may have withdrawn a device: look, when one shows up that was not known, and now and then."""
        now, owner = self._parts.runtime.monotonic(), account.account_id
        last = self._listed.get(owner)
        if self._tasks is None or self._reading >= CRL_READ_MAX:
            return
        if last is not None and now - last < (CRL_AGAIN_S if is_new else 6 * CRL_AGAIN_S):
            return
        self._listed = {each: when for each, when in self._listed.items() if now - when < 6 * CRL_AGAIN_S}
        self._listed[owner] = now
        self._reading += 1
        self._tasks.create_task(self._read_list(account))

    async def _read_list(self, account: Certificate) -> None:
        owner = account.account_id
        try:
            lists: list[RevocationList] = []
            for number in reading(self._parts.runtime.now()):
                key = blinded_key(Purpose.CRL, bytes.fromhex(owner), number)
                for found in (await self._directory.get(key))[:CARDS_FOUND_AT_ONCE]:
                    lists += _listed_by(found, account, number)
        finally:
            self._reading -= 1
        news = [self._parts.access.note_revoked(listed) for listed in lists]
        if any(news):
            _log.info("%s has withdrawn devices", owner)
            self._parts.finder.drop_revoked(owner, self._parts.access.revoked(owner))
            self._revoked()


def _unveiled(found: Found, purpose: Purpose, whose: str, number: int) -> bytes | None:
    try:
        return unveil(found.data, bytes.fromhex(whose), purpose=purpose, bucket=number, key=found.key)
    except VeilError:
        return None


def _listed_by(found: Found, account: Certificate, number: int) -> list[RevocationList]:
    """Only what the account itself has signed counts."""
    payload = _unveiled(found, Purpose.CRL, account.account_id, number)
    if payload is None:
        return []
    try:
        return [RevocationList.from_der(payload, account)]
    except CertificateError:
        return []
