"""Known addresses of devices and accounts, with source and age; last good first. Pure: `now` is given. (SCP-05 §2.4, §4)"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Self

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.ids import AccountId, DeviceId, account_id, device_id

Owner = AccountId | DeviceId  # they differ in length


class Source(enum.StrEnum):
    """Where an address was learnt."""

    STATIC = "static"  # typed by the user
    LAN = "lan"
    LINK = "link"  # told, or used, on a link
    CARD = "card"
    DHT = "dht"  # a card, or an answer to a question, that came that way


_RANK = {Source.STATIC: 0, Source.LAN: 1, Source.LINK: 2, Source.CARD: 3, Source.DHT: 4}
_KEYS = {"owner", "address", "source", "seen_s", "good_s", "until_s"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address to try; times in seconds since 1970, 0 = never."""

    address: Address
    source: Source
    seen_s: int  # last heard of
    good_s: int = 0  # last link that authenticated there
    until_s: int = 0  # not to be used from then on; 0 = no such time

    @property
    def last_s(self) -> int:
        """When it was last seen or good."""
        return max(self.seen_s, self.good_s)


class AddressBook:
    """At most 16 addresses an owner, 10,000 owners. What the user typed goes last, and never by age."""

    def __init__(self) -> None:
        self._owners: dict[Owner, dict[Address, Candidate]] = {}

    def saw(self, owner: Owner, address: Address, source: Source, *, now: float, until: float | None = None) -> bool:
        """An address was heard of; True if it is new for this owner. One without a port is not an address.

        Where it was known, the better source stays; `until` (of a card) bounds its use.
        """
        if not 0 < address.port <= 65535 or not _writable(address):
            return False
        known = self._owners.setdefault(owner, {})
        old = known.get(address)
        until_s = 0 if until is None else max(int(until), 1)
        if old is not None:
            better = source if _RANK[source] <= _RANK[old.source] else old.source
            until_s = 0 if not old.until_s or not until_s else max(old.until_s, until_s)
            known[address] = replace(old, source=better, seen_s=max(old.seen_s, int(now)), until_s=until_s)
            return False
        known[address] = Candidate(address, source, seen_s=max(int(now), 0), until_s=until_s)
        if len(known) > limits.ADDRESSES_PER_DEVICE_MAX:
            del known[_least(known.values()).address]
        self._drop_owners(keep=owner)
        return address in known

    def worked(self, owner: Owner, address: Address, *, now: float) -> None:
        """A link with this owner authenticated at this address."""
        self.saw(owner, address, Source.LINK, now=now)
        known = self._owners.get(owner, {})
        if address in known:
            known[address] = replace(known[address], good_s=max(int(now), 1), until_s=0)

    def lost(self, owner: Owner, address: Address, source: Source) -> None:
        """A source no longer shows the address: forgotten, unless a link once stood there or another source named it."""
        found = self._owners.get(owner, {}).get(address)
        if found is not None and found.source is source and not found.good_s:
            self.forget(owner, address)

    def forget(self, owner: Owner, address: Address | None = None) -> bool:
        """Remove one address, or all, whatever the source (`peer remove`); False when there was none."""
        known = self._owners.get(owner)
        if known is None or (address is not None and address not in known):
            return False
        if address is not None:
            del known[address]
        if address is None or not known:
            del self._owners[owner]
        return True

    def candidates(self, *owners: Owner, now: float) -> list[Candidate]:
        """What to try for a device (and its account): the last good first, then what the user typed, then the latest heard of.

        Only one good address goes before: ports change with every start, and those of last week must not delay today's.
        """
        found: dict[Address, Candidate] = {}
        for owner in owners:
            for address, candidate in self._owners.get(owner, {}).items():
                if _usable(candidate, now) and (address not in found or found[address].last_s < candidate.last_s):
                    found[address] = candidate
        ordered = sorted(found.values(), key=_order)
        best = max(ordered, key=lambda candidate: candidate.good_s, default=None)
        if best is not None and best.good_s:
            ordered.remove(best)
            ordered.insert(0, best)
        return ordered

    def for_others(self, owner: Owner, *, now: float) -> list[Candidate]:
        """What may be told to others: nothing that means something on one cable only, nothing the user typed and never worked."""
        return [
            candidate
            for candidate in self.candidates(owner, now=now)
            if not candidate.address.is_link_local and (candidate.good_s or candidate.source is not Source.STATIC)
        ]

    def owners(self) -> list[Owner]:
        """All devices and accounts with an address, sorted."""
        return sorted(self._owners)

    def prune(self, *, now: float) -> None:
        """Forget what has not been seen or good for 90 days, and cards that ran out."""
        for owner in self.owners():
            kept = {address: value for address, value in self._owners[owner].items() if _usable(value, now)}
            if kept:
                self._owners[owner] = kept
            else:
                del self._owners[owner]

    def to_json(self) -> bytes:
        """The book as a JSON document, equal for equal books."""
        rows = [
            {
                "owner": owner,
                "address": str(candidate.address),
                "source": candidate.source.value,
                "seen_s": candidate.seen_s,
                "good_s": candidate.good_s,
                "until_s": candidate.until_s,
            }
            for owner in self.owners()
            for _, candidate in sorted(self._owners[owner].items())
        ]
        return json.dumps({"version": 1, "addresses": rows}, indent=0).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Back again; ValueError for anything that `to_json` does not write. The caller starts an empty book then."""
        try:
            document = json.loads(data)
        except RecursionError:
            raise ValueError("address book: nested too deeply") from None
        if not isinstance(document, dict) or document.keys() != {"version", "addresses"} or document["version"] != 1:
            raise ValueError("address book: not of a version known here")
        if not isinstance(document["addresses"], list):
            raise ValueError("address book: no list of addresses")  # noqa: TRY004 - a damaged file is a ValueError
        book = cls()
        for row in document["addresses"]:
            owner, candidate = _read(row)
            known = book._owners.setdefault(owner, {})
            if candidate.address in known or len(known) >= limits.ADDRESSES_PER_DEVICE_MAX:
                raise ValueError(f"address book: too many rows of {owner}")
            known[candidate.address] = candidate
        if len(book._owners) > limits.ADDRESS_OWNERS_MAX:
            raise ValueError("address book: too many owners")
        return book

    def _drop_owners(self, keep: Owner) -> None:
        while len(self._owners) > limits.ADDRESS_OWNERS_MAX:
            del self._owners[min(self._owners.keys() - {keep}, key=self._owner_worth)]

    def _owner_worth(self, owner: Owner) -> tuple[bool, int, Owner]:
        known = self._owners[owner].values()
        typed = any(candidate.source is Source.STATIC for candidate in known)
        return typed, max((candidate.last_s for candidate in known), default=0), owner


def _order(candidate: Candidate) -> tuple[bool, int, int, Address]:
    """Smaller is tried earlier."""
    return candidate.source is not Source.STATIC, -candidate.last_s, _RANK[candidate.source], candidate.address


def _least(candidates: Collection[Candidate]) -> Candidate:
    """Which one goes when there are too many: the longest unheard of; not the last good one, nor what the user typed."""
    best = max(candidates, key=lambda candidate: candidate.good_s)
    return min(
        candidates,
        key=lambda one: (
            one.source is Source.STATIC,
            one is best and one.good_s > 0,
            one.last_s,
            -_RANK[one.source],
            one.address,
        ),
    )


def _usable(candidate: Candidate, now: float) -> bool:
    if candidate.source is Source.STATIC:
        return True
    fresh = candidate.last_s + limits.ADDRESS_KEPT_S > now
    return fresh and (not candidate.until_s or now < candidate.until_s)


def _writable(address: Address) -> bool:
    try:
        return Address.parse(str(address)) == address
    except ValueError:
        return False


def _read(row: object) -> tuple[Owner, Candidate]:
    if not isinstance(row, dict) or row.keys() != _KEYS:
        raise ValueError("address book: a row has other fields")
    owner, text, source = row["owner"], row["address"], row["source"]
    times = [row[key] for key in ("seen_s", "good_s", "until_s")]
    if not all(isinstance(value, str) for value in (owner, text, source)):
        raise ValueError("address book: a row has a field that is no text")
    if not all(type(value) is int and 0 <= value < 2**53 for value in times):
        raise ValueError("address book: a row has a time out of bounds")
    parse: Callable[[str], Owner] = device_id if len(owner) == 64 else account_id
    return parse(owner), Candidate(Address.parse(text), Source(source), *times)
