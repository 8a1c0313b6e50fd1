from __future__ import annotations

import json

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import AddressBook, Source
from tests.support.accounts import account, device

NOW = 1_750_000_000
DAY = 86_400
BOB = device(1)


def at(number: int) -> Address:
    return Address("192.0.2.1", 4000 + number)


def addresses(book: AddressBook, *owners: object, now: float = NOW) -> list[Address]:
    return [candidate.address for candidate in book.candidates(*(owners or (BOB,)), now=now)]  # type: ignore[arg-type]


def test_an_address_is_new_once() -> None:
    book = AddressBook()
    assert book.saw(BOB, at(1), Source.CARD, now=NOW)
    assert not book.saw(BOB, at(1), Source.LAN, now=NOW + 5)
    (found,) = book.candidates(BOB, now=NOW)
    assert (found.source, found.seen_s, found.good_s) == (Source.LAN, NOW + 5, 0)
    assert not book.saw(BOB, at(1), Source.CARD, now=NOW + 1)
    assert book.candidates(BOB, now=NOW) == [found], "the better source and the later time stay"


def test_the_last_good_is_first_then_what_was_typed_then_the_latest() -> None:
    book = AddressBook()
    book.saw(BOB, at(1), Source.LINK, now=NOW - 50)
    book.saw(BOB, at(2), Source.STATIC, now=NOW - 500)
    book.saw(BOB, at(3), Source.LAN, now=NOW - 1)
    book.worked(BOB, at(4), now=NOW - 3000)
    book.worked(BOB, at(5), now=NOW - 2000)
    assert addresses(book) == [at(5), at(2), at(3), at(1), at(4)]


def test_ports_of_last_week_do_not_delay_todays() -> None:
    book = AddressBook()
    for number in range(10):
        book.worked(BOB, at(number), now=NOW - DAY + number)
    book.saw(BOB, at(99), Source.LAN, now=NOW)
    assert addresses(book)[:2] == [at(9), at(99)]


def test_sixteen_addresses_and_the_longest_unheard_of_goes() -> None:
    book = AddressBook()
    for number in range(16):
        assert book.saw(BOB, at(number), Source.LINK, now=NOW + number)
    assert book.saw(BOB, at(16), Source.LINK, now=NOW + 100)
    assert set(addresses(book)) == {at(number) for number in range(1, 17)}


def test_a_flood_displaces_neither_the_last_good_nor_what_was_typed() -> None:
    book = AddressBook()
    book.saw(BOB, at(900), Source.STATIC, now=NOW - DAY)
    book.worked(BOB, at(901), now=NOW - DAY)
    for number in range(100):
        book.saw(BOB, at(number), Source.CARD, now=NOW + number)
    assert len(addresses(book)) == 16
    assert addresses(book)[:2] == [at(901), at(900)]


def test_what_is_typed_finds_a_place_among_sixteen_good_ones() -> None:
    book = AddressBook()
    for number in range(16):
        book.worked(BOB, at(number), now=NOW + number)
    assert book.saw(BOB, at(99), Source.STATIC, now=NOW - DAY)
    assert at(99) in addresses(book)


def test_the_owner_longest_unheard_of_goes_and_never_for_one_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESS_OWNERS_MAX", 3)
    book = AddressBook()
    book.saw(device(0), at(0), Source.STATIC, now=NOW - DAY)
    for number in range(1, 5):
        book.saw(device(number), at(number), Source.LINK, now=NOW + number)
    assert book.owners() == [device(0), device(3), device(4)]


def test_an_address_of_a_card_counts_until_its_time_and_for_ever_once_it_was_good() -> None:
    book = AddressBook()
    book.saw(BOB, at(1), Source.CARD, now=NOW, until=NOW + 600)
    book.saw(BOB, at(1), Source.CARD, now=NOW + 300, until=NOW + 900)
    assert addresses(book, now=NOW + 899) == [at(1)]
    assert addresses(book, now=NOW + 900) == []
    book.worked(BOB, at(1), now=NOW + 100)
    assert addresses(book, now=NOW + 900) == [at(1)]


def test_after_ninety_days_only_what_was_typed_is_left() -> None:
    book = AddressBook()
    book.saw(BOB, at(1), Source.STATIC, now=NOW)
    book.worked(BOB, at(2), now=NOW)
    book.saw(device(2), at(3), Source.LAN, now=NOW)
    end = NOW + limits.ADDRESS_KEPT_S
    assert set(addresses(book, now=end - 1)) == {at(1), at(2)}
    assert addresses(book, now=end) == [at(1)]
    book.prune(now=end)
    assert book.owners() == [BOB]


def test_an_account_and_its_device_are_asked_together() -> None:
    book = AddressBook()
    book.saw(account(1), at(1), Source.STATIC, now=NOW)
    book.saw(BOB, at(1), Source.LAN, now=NOW + 5)
    book.saw(BOB, at(2), Source.LAN, now=NOW)
    assert set(addresses(book, BOB, account(1))) == {at(1), at(2)}
    assert addresses(book, account(1)) == [at(1)]
    assert addresses(book, account(2)) == []


def test_others_are_told_nothing_of_one_cable_nor_what_was_only_typed() -> None:
    book = AddressBook()
    book.saw(BOB, Address("fe80::1%eth0", 4000), Source.LAN, now=NOW)
    book.saw(BOB, Address("169.254.7.7", 4000), Source.LAN, now=NOW)
    book.saw(BOB, Address("home.example", 4000), Source.STATIC, now=NOW)
    book.saw(BOB, at(1), Source.LINK, now=NOW)
    assert [one.address for one in book.for_others(BOB, now=NOW)] == [at(1)]
    assert len(addresses(book)) == 4, "here they are all tried"
    book.worked(BOB, Address("home.example", 4000), now=NOW)
    told = [one.address for one in book.for_others(BOB, now=NOW)]
    assert told == [Address("home.example", 4000), at(1)]


def test_what_a_source_no_longer_shows_is_forgotten_unless_it_was_good_or_typed() -> None:
    book = AddressBook()
    book.saw(BOB, at(1), Source.LAN, now=NOW)
    book.saw(BOB, at(2), Source.STATIC, now=NOW)
    book.saw(BOB, at(2), Source.LAN, now=NOW)
    book.saw(BOB, at(3), Source.LAN, now=NOW)
    book.worked(BOB, at(3), now=NOW)
    for number in range(5):
        book.lost(BOB, at(number), Source.LAN)
    assert set(addresses(book)) == {at(2), at(3)}


def test_the_user_takes_back_one_address_or_all() -> None:
    book = AddressBook()
    book.saw(BOB, at(1), Source.STATIC, now=NOW)
    book.saw(BOB, at(2), Source.STATIC, now=NOW)
    assert not book.forget(BOB, at(3))
    assert not book.forget(device(2))
    assert book.forget(BOB, at(1))
    assert addresses(book) == [at(2)]
    assert book.forget(BOB)
    assert book.owners() == []


@pytest.mark.parametrize(
    "bad", [Address("192.0.2.1", 0), Address("192.0.2.1", 65536), Address("", 1), Address("a b", 1)]
)
def test_what_is_no_address_is_not_kept(bad: Address) -> None:
    book = AddressBook()
    assert not book.saw(BOB, bad, Source.LINK, now=NOW)
    book.worked(BOB, bad, now=NOW)
    assert book.owners() == []


def row(**changes: object) -> dict[str, object]:
    return {
        "owner": BOB,
        "address": "192.0.2.1:4000",
        "source": "lan",
        "seen_s": 1,
        "good_s": 0,
        "until_s": 0,
    } | changes


def document(*rows: object) -> bytes:
    return json.dumps({"version": 1, "addresses": rows}).encode()


def test_a_document_within_its_bounds_is_read() -> None:
    book = AddressBook.from_json(document(*(row(address=f"192.0.2.1:{port}") for port in range(1, 17))))
    assert AddressBook.from_json(book.to_json()).candidates(BOB, now=2) == book.candidates(BOB, now=2)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"version":2,"addresses":[]}', b'{"version":1,"addresses":{}}',
        document(1), document({}), document(row(), row()), document(row(surprise=1)), document(row(owner="x")),
        document(row(owner=1)), document(row(address="x")), document(row(address=None)), document(row(source="dream")),
        document(row(seen_s=-1)), document(row(seen_s=True)), document(row(good_s=1.5)), document(row(until_s=2**53)),
        document(*(row(address=f"192.0.2.1:{port}") for port in range(1, 18))),
    ],
)  # fmt: skip
def test_a_damaged_document_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        AddressBook.from_json(data)
