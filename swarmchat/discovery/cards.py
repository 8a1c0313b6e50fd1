"""Device cards: from an account id to its devices, their certificates, sealing keys and addresses. Pure. (SCP-05 §1.10)

A card is msgpack `[card, sig]`; `sig` is the device key's over "swarmchat/card/1" and the bytes of `card` as they came, so
anybody can hand a card on, and nobody can change it.
"""

from __future__ import annotations

import enum
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import msgpack

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import Certificate, CertificateError, check_chain
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import AccountId, DeviceId

_CONTEXT = b"swarmchat/card/1"
_KEYS = {"v", "account", "device", "seal", "seal_prev", "made", "online_until", "addr"}
_SIGNATURE = b"\xc4\x40"  # msgpack: 64 bytes follow
_TAIL_BYTES = len(_SIGNATURE) + 64
_PAIR = b"\x92"  # msgpack: an array of two


class CardFault(enum.StrEnum):
    """Why a card is not believed."""

    FORM = "form"
    ACCOUNT = "account"  # of another account than the one asked about
    CHAIN = "chain"
    SIGNATURE = "signature"
    OLD = "old"
    AHEAD = "ahead"
    ONLINE_TOO_LONG = "online-too-long"
    SUPERSEDED = "superseded"  # a newer one of this device is known
    FULL = "full"  # 16 newer devices of this account are known


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it was read or built; `data` is what travels. Reading proves its form only: `check` judges it."""

    account: Certificate
    device: Certificate
    seal: bytes  # X25519 public key, 32 bytes
    seal_previous: bytes | None
    made: int  # seconds since 1970
    online_until: int
    addresses: tuple[Address, ...] | None  # None = not told here (SCP-05 §1.12)
    data: bytes

    @property
    def account_id(self) -> AccountId:
        """Whose device this is."""
        return self.account.account_id

    @property
    def device_id(self) -> DeviceId:
        """Which device."""
        return self.device.device_id

    def addresses_at(self, now: float) -> tuple[Address, ...]:
        """The addresses that still count; none after `online_until`."""
        return self.addresses or () if now < self.online_until else ()


def build(
    *,
    account: Certificate,
    device: Certificate,
    key: PrivateKey,
    seal: bytes,
    seal_previous: bytes | None,
    now: int,
    addresses: Sequence[Address] | None,
) -> Card:
    """A signed card of this device, online for ten minutes from `now` (seconds); the first 8 addresses that may travel."""
    listed = None
    if addresses is not None:
        listed = tuple(address for address in addresses if address.may_travel)[: limits.CARD_ADDRESSES_MAX]
    online_until = now + limits.CARD_ONLINE_S
    body: bytes = msgpack.packb(
        {
            "v": 1,
            "account": account.der,
            "device": device.der,
            "seal": seal,
            "seal_prev": seal_previous,
            "made": now,
            "online_until": online_until,
            "addr": None if listed is None else [str(address) for address in listed],
        }
    )
    data = _PAIR + body + _SIGNATURE + key.sign(_CONTEXT + body)
    return Card(account, device, seal, seal_previous, now, online_until, listed, data)


def parse(data: bytes) -> Card | CardFault:
    """Read a card that anybody may have made; FORM for anything but the exact form."""
    if len(data) > limits.CARD_BYTES_MAX or data[:1] != _PAIR or data[-_TAIL_BYTES:-64] != _SIGNATURE:
        return CardFault.FORM
    try:
        body = msgpack.unpackb(
            data[1:-_TAIL_BYTES],
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_unique,
            max_array_len=limits.CARD_ADDRESSES_MAX,
            max_map_len=len(_KEYS),
        )
        return _read(body, data)
    except (ValueError, CertificateError, RecursionError):
        return CardFault.FORM


def check(
    card: Card, *, now: float, revoked: Container[bytes] = frozenset(), asked: AccountId | None = None
) -> CardFault | None:
    """The first reason not to believe a card now, or None. `revoked` as in `check_chain`; `asked` when an id was looked up."""
    if asked is not None and card.account_id != asked:
        return CardFault.ACCOUNT
    if check_chain(card.device, card.account, at=now, revoked=revoked) is not None:
        return CardFault.CHAIN
    if card.made > now + limits.CARD_AHEAD_S:
        return CardFault.AHEAD
    if card.made <= now - limits.CARD_AGE_MAX_S:
        return CardFault.OLD
    if not card.made <= card.online_until <= card.made + limits.CARD_ONLINE_S:
        return CardFault.ONLINE_TOO_LONG
    if not card.device.key.verify(card.data[-64:], _CONTEXT + card.data[1:-_TAIL_BYTES]):
        return CardFault.SIGNATURE
    return None


class CardBox:
    """The newest believed card of each device: at most 16 an account, 10,000 in all, none older than 14 days."""

    def __init__(self) -> None:
        self._accounts: dict[AccountId, dict[DeviceId, Card]] = {}
        self._count = 0

    def add(self, card: Card, *, now: float, revoked: Container[bytes] = frozenset()) -> CardFault | None:
        """Keep a card if it holds and is newer than what is known of its device; else why not."""
        fault = check(card, now=now, revoked=revoked)
        if fault is not None:
            return fault
        devices = self._accounts.get(card.account_id, {})
        known = devices.get(card.device_id)
        if known is not None and known.made >= card.made:
            return CardFault.SUPERSEDED
        if known is None and len(devices) >= limits.DEVICES_PER_ACCOUNT_MAX:
            oldest = min(devices.values(), key=_age)
            if _age(card) < _age(oldest):
                return CardFault.FULL
            self._remove(oldest)
        elif known is not None:
            self._remove(known)
        if self._count >= limits.CARDS_MAX:
            self._remove(min((one for of in self._accounts.values() for one in of.values()), key=_age))
        self._accounts.setdefault(card.account_id, {})[card.device_id] = card
        self._count += 1
        return None

    def of_account(self, account: AccountId, *, now: float) -> list[Card]:
        """The cards of an account's devices, the newest first."""
        cards = self._accounts.get(account, {}).values()
        return sorted((card for card in cards if card.made > now - limits.CARD_AGE_MAX_S), key=_age, reverse=True)

    def drop(self, account: AccountId, revoked: Container[bytes] | None = None) -> None:
        """Forget the cards of an account's revoked devices; without `revoked`, all of them."""
        for card in list(self._accounts.get(account, {}).values()):
            if revoked is None or device_prefix(card.device_id) in revoked:
                self._remove(card)

    def dump(self) -> bytes:
        """All cards, to be kept over a restart."""
        cards = (card for _, of in sorted(self._accounts.items()) for _, card in sorted(of.items()))
        data: bytes = msgpack.packb([card.data for card in cards])
        return data

    @classmethod
    def load(cls, data: bytes, *, now: float, revocations: Mapping[AccountId, Container[bytes]] | None = None) -> Self:
        """Back again, each card judged anew; what does not hold any more is left out. ValueError if it is no dump."""
        box = cls()
        try:
            rows = msgpack.unpackb(data, raw=False, max_array_len=limits.CARDS_MAX)
        except RecursionError:
            raise ValueError("the cards are nested too deeply") from None
        if not isinstance(rows, list) or not all(isinstance(row, bytes) for row in rows):
            raise ValueError("these are not cards")
        for row in rows:
            card = parse(row)
            if isinstance(card, Card):
                box.add(card, now=now, revoked=(revocations or {}).get(card.account_id, frozenset()))
        return box

    def _remove(self, card: Card) -> None:
        devices = self._accounts[card.account_id]
        del devices[card.device_id]
        self._count -= 1
        if not devices:
            del self._accounts[card.account_id]


def _age(card: Card) -> tuple[int, DeviceId]:
    return card.made, card.device_id


def _read(body: object, data: bytes) -> Card:
    if not isinstance(body, dict) or body.keys() != _KEYS or type(body["v"]) is not int or body["v"] != 1:
        raise ValueError("a card has other fields")
    account, device, seal, seal_previous = body["account"], body["device"], body["seal"], body["seal_prev"]
    made, online_until, addr = body["made"], body["online_until"], body["addr"]
    if not isinstance(account, bytes) or not isinstance(device, bytes):
        raise ValueError("a card has no certificates")  # noqa: TRY004 - hostile data is a ValueError everywhere
    if not _is_key(seal) or not (seal_previous is None or _is_key(seal_previous)):
        raise ValueError("a card has no sealing key")
    if not all(type(value) is int and 0 <= value < 2**53 for value in (made, online_until)):
        raise ValueError("a card has a time out of bounds")
    certificates = Certificate.from_der(account), Certificate.from_der(device)
    if not certificates[0].is_ca or certificates[1].is_ca:
        raise ValueError("a card has its certificates the wrong way round")
    return Card(*certificates, seal, seal_previous, made, online_until, _read_addresses(addr), data)


def _read_addresses(addr: object) -> tuple[Address, ...] | None:
    if addr is None:
        return None
    if not isinstance(addr, list) or len(addr) > limits.CARD_ADDRESSES_MAX:
        raise ValueError("a card has too many addresses")
    addresses = [Address.parse(text) for text in addr if isinstance(text, str) and len(text) <= 300]
    if len(addresses) != len(addr):
        raise ValueError("a card has an address that is none")
    return tuple(address for address in addresses if address.may_travel)


def _is_key(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _unique(pairs: Iterable[tuple[object, object]]) -> dict[object, object]:
    rows = list(pairs)
    body = dict(rows)
    if len(body) != len(rows):
        raise ValueError("a key is given twice")
    return body
