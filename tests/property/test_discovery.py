from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import AddressBook, Source
from swarmchat.discovery.cards import Card, CardFault, build, check, parse
from tests.support.accounts import account, device
from tests.support.certs import ALICE, NOW

owners = st.integers(0, 3).map(device) | st.integers(0, 1).map(account)
hosts = st.sampled_from(["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "host.example", "169.254.1.1"])
addresses = st.builds(Address, hosts, st.integers(0, 20))
times = st.integers(0, 2**40)
steps = st.one_of(
    st.tuples(st.just("saw"), owners, addresses, st.sampled_from(Source), times, st.none() | times),
    st.tuples(st.just("worked"), owners, addresses, times),
    st.tuples(st.just("lost"), owners, addresses, st.sampled_from(Source)),
    st.tuples(st.just("forget"), owners, st.none() | addresses),
    st.tuples(st.just("prune"), times),
)


def step(book: AddressBook, what: tuple[Any, ...]) -> None:
    match what:
        case ("saw", owner, address, source, now, until):
            book.saw(owner, address, source, now=now, until=until)
        case ("worked", owner, address, now):
            book.worked(owner, address, now=now)
        case ("lost", owner, address, source):
            book.lost(owner, address, source)
        case ("forget", owner, address):
            book.forget(owner, address)
        case ("prune", now):
            book.prune(now=now)


@given(st.lists(steps, max_size=60), times)
def test_the_book_is_bounded_ordered_and_read_back(happenings: list[tuple[Any, ...]], now: int) -> None:
    book = AddressBook()
    for what in happenings:
        step(book, what)
    for owner in book.owners():
        found = book.candidates(owner, now=now)
        assert len(found) <= limits.ADDRESSES_PER_DEVICE_MAX
        assert len({candidate.address for candidate in found}) == len(found)
        if found:
            assert found[0].good_s == max(candidate.good_s for candidate in found)
        assert not any(one.address.is_link_local for one in book.for_others(owner, now=now))
    again = AddressBook.from_json(book.to_json())
    assert again.to_json() == book.to_json()
    assert again.candidates(*book.owners(), now=now) == book.candidates(*book.owners(), now=now)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_book_do_anything_but_refuse(data: bytes) -> None:
    try:
        AddressBook.from_json(data)
    except ValueError:
        return
    raise AssertionError("junk was read as a book")


CARD = build(
    account=ALICE.account, device=ALICE.device, key=ALICE.device_key, seal=bytes(32), seal_previous=bytes(32), now=NOW,
    addresses=[Address("192.0.2.1", 4000)],
)  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from([ALICE.account.der, ALICE.device.der]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=4),
    max_leaves=10,
)
fields = st.fixed_dictionaries(
    dict.fromkeys(("v", "account", "device", "seal", "seal_prev", "made", "online_until", "addr"), values)
)


@given(st.binary(max_size=5000) | st.binary(max_size=2000).map(lambda body: b"\x92" + body + CARD.data[-66:]))
def test_bytes_of_a_stranger_are_no_card_and_no_traceback(data: bytes) -> None:
    assert parse(data) is CardFault.FORM


@settings(max_examples=200)
@given(values | fields, st.booleans())
def test_a_map_of_a_stranger_is_no_card_and_no_traceback(body: object, signed: bool) -> None:
    packed = msgpack.packb(body)
    signature = ALICE.device_key.sign(b"swarmchat/card/1" + packed) if signed else bytes(64)
    found = parse(b"\x92" + packed + b"\xc4\x40" + signature)
    assert isinstance(found, CardFault) or isinstance(check(found, now=NOW), CardFault)


@given(st.data())
def test_a_card_with_some_bytes_changed_is_never_believed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(CARD.data) - 1))
    piece = data.draw(st.binary(min_size=0, max_size=8))
    length = data.draw(st.integers(0, 8))
    changed = CARD.data[:place] + piece + CARD.data[place + length :]
    found = parse(changed)
    if changed != CARD.data:
        assert not isinstance(found, Card) or check(found, now=NOW) is not None
