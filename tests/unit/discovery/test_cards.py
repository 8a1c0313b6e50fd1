from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import issue_device
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import device_prefix
from swarmchat.discovery.cards import Card, CardBox, CardFault, build, check, parse
from tests.support.certs import ALICE, BOB, DAY, NOW, Identity

SEAL = bytes(range(32))
HOME = Address("192.0.2.7", 4000)


def card(
    who: Identity = ALICE, *, now: int = NOW, addresses: list[Address] | None = None, key: PrivateKey | None = None
) -> Card:
    return build(
        account=who.account,
        device=who.device,
        key=key or who.device_key,
        seal=SEAL,
        seal_previous=None,
        now=now,
        addresses=addresses,
    )


def second_device(number: int) -> Identity:
    """A further device of Alice."""
    key = PrivateKey.from_seed(bytes([number]) * 32)
    return Identity(
        ALICE.account_key, ALICE.account, key, issue_device(ALICE.account_key, ALICE.account, key.public, now=NOW)
    )


def read(data: bytes) -> Card:
    found = parse(data)
    assert isinstance(found, Card), found
    return found


def forged(sign: bool = True, **changes: Any) -> bytes:
    """Alice's card with other fields, signed by her key."""
    fields = msgpack.unpackb(card().data[1:-66])
    fields |= changes
    body = msgpack.packb({key: value for key, value in fields.items() if value is not ...})
    return b"\x92" + body + b"\xc4\x40" + (ALICE.device_key.sign(b"swarmchat/card/1" + body) if sign else bytes(64))


def test_a_card_is_read_back_and_believed() -> None:
    made = card(addresses=[HOME])
    assert read(made.data) == made
    assert check(made, now=NOW) is None
    assert (made.account_id, made.device_id) == (ALICE.account.account_id, ALICE.device.device_id)
    assert msgpack.unpackb(made.data)[0]["v"] == 1
    assert len(made.data) <= limits.CARD_BYTES_MAX


def test_a_card_tells_eight_addresses_and_none_of_one_cable() -> None:
    many = [
        Address("fe80::1%eth0", 4000),
        Address("169.254.1.1", 4000),
        *(Address("192.0.2.7", port) for port in range(1, 20)),
    ]
    assert card(addresses=many).addresses == tuple(many[2:10])
    assert read(card(addresses=many).data).addresses == tuple(many[2:10])
    assert read(forged(addr=["[fe80::1%eth0]:4000", "192.0.2.7:0", "192.0.2.7:4000"])).addresses == (HOME,)


@pytest.mark.parametrize(
    "text",
    [
        "[::ffff:169.254.1.1]:4000", "0.0.0.0:4000", "[::]:4000", "224.0.0.251:4000", "[ff02::1]:4000", "localhost:22",
        "home.example:4000", "[fd00::1%eth0]:4000", "2130706433:4000", "127.1:4000",
    ],
)  # fmt: skip
def test_a_card_can_name_nothing_but_the_address_of_one_host(text: str) -> None:
    assert card(addresses=[Address.parse(text), HOME]).addresses == (HOME,)
    assert read(forged(addr=[text, str(HOME)])).addresses == (HOME,)


def test_addresses_count_until_the_device_stops_being_online() -> None:
    made = card(addresses=[HOME])
    assert made.addresses_at(NOW + 599) == (HOME,)
    assert made.addresses_at(NOW + 600) == ()
    assert card().addresses_at(NOW) == ()


@pytest.mark.parametrize(
    ("made", "now", "fault"),
    [
        (NOW, NOW - limits.CARD_AHEAD_S, None),
        (NOW, NOW - limits.CARD_AHEAD_S - 1, CardFault.AHEAD),
        (NOW, NOW + 14 * DAY - 1, None),
        (NOW, NOW + 14 * DAY, CardFault.OLD),
    ],
)
def test_a_card_is_believed_for_fourteen_days(made: int, now: int, fault: CardFault | None) -> None:
    assert check(card(now=made), now=now) is fault


@pytest.mark.parametrize(
    ("online", "fault"), [(0, None), (600, None), (601, CardFault.ONLINE_TOO_LONG), (-1, CardFault.ONLINE_TOO_LONG)]
)
def test_nobody_is_online_for_longer_than_ten_minutes(online: int, fault: CardFault | None) -> None:
    assert check(read(forged(online_until=NOW + online)), now=NOW) is fault


def test_a_card_of_another_account_than_asked_is_refused() -> None:
    assert check(card(), now=NOW, asked=ALICE.account.account_id) is None
    assert check(card(), now=NOW, asked=BOB.account.account_id) is CardFault.ACCOUNT


def test_a_card_that_the_device_did_not_sign_is_refused() -> None:
    assert check(read(forged(sign=False)), now=NOW) is CardFault.SIGNATURE
    assert check(card(key=BOB.device_key), now=NOW) is CardFault.SIGNATURE
    body = card().data[1:-66]
    bare = b"\x92" + body + b"\xc4\x40" + ALICE.device_key.sign(body)
    assert check(read(bare), now=NOW) is CardFault.SIGNATURE, "signed without the context"


def test_a_device_of_another_account_or_a_revoked_one_is_refused() -> None:
    assert check(read(forged(account=BOB.account.der)), now=NOW) is CardFault.CHAIN
    assert check(card(), now=NOW, revoked={device_prefix(ALICE.device.device_id)}) is CardFault.CHAIN


def test_every_changed_bit_is_noticed() -> None:
    data = card(addresses=[HOME]).data
    for place in range(len(data)):
        changed = bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]])
        found = parse(changed)
        assert isinstance(found, CardFault) or check(found, now=NOW) is not None, place


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2}, {"v": True}, {"v": ...}, {"surprise": 1}, {"account": b""}, {"account": "x"}, {"device": None},
        {"account": ALICE.device.der, "device": ALICE.account.der}, {"seal": bytes(31)}, {"seal": None}, {"seal": "x" * 32},
        {"seal_prev": bytes(33)}, {"made": -1}, {"made": 1.0}, {"made": None}, {"made": 2**53}, {"online_until": True},
        {"addr": "192.0.2.7:4000"}, {"addr": [1]}, {"addr": ["nowhere"]}, {"addr": ["192.0.2.7:4000"] * 9}, {"addr": {}},
        {"addr": ["h" * 300 + ":1"]}, {"addr": [[[[[]]]]]},
    ],
)  # fmt: skip
def test_a_card_with_another_form_is_refused(changes: dict[str, Any]) -> None:
    assert parse(forged(**changes)) is CardFault.FORM


def test_a_key_given_twice_is_refused() -> None:
    body = card().data[1:-66]
    assert body[0] == 0x88
    twice = b"\x89" + body[1:] + msgpack.packb("v") + msgpack.packb(1)
    assert parse(b"\x92" + twice + card().data[-66:]) is CardFault.FORM


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"", lambda data: b"\x92", lambda data: data[:-1], lambda data: data + b"\0", lambda data: data[1:],
        lambda data: b"\x93" + data[1:] + b"\xc0", lambda data: data + bytes(5000), lambda data: b"\x92" + b"\x91" * 900 + data[-66:],
        lambda data: b"\x92\xd6\xff\0\0\0\0" + data[-66:], lambda data: b"\x92\x81\xc1\xc0" + data[-66:],
    ],
)  # fmt: skip
def test_bytes_that_are_no_card_are_refused(spoil: Callable[[bytes], bytes]) -> None:
    assert parse(spoil(card().data)) is CardFault.FORM


def test_the_box_keeps_the_newest_of_each_device() -> None:
    box = CardBox()
    old, new = card(now=NOW), card(now=NOW + 1)
    assert box.add(new, now=NOW) is None
    assert box.add(old, now=NOW) is CardFault.SUPERSEDED
    assert box.add(new, now=NOW) is CardFault.SUPERSEDED
    assert box.add(card(BOB, key=ALICE.device_key), now=NOW) is CardFault.SIGNATURE
    assert box.of_account(ALICE.account.account_id, now=NOW) == [new]
    assert box.of_account(BOB.account.account_id, now=NOW) == []
    newer = card(now=NOW + 2)
    assert box.add(newer, now=NOW) is None
    assert box.of_account(ALICE.account.account_id, now=NOW) == [newer]
    assert box.of_account(ALICE.account.account_id, now=NOW + 2 + 14 * DAY) == []


def test_sixteen_devices_of_an_account_and_the_oldest_card_goes() -> None:
    box = CardBox()
    cards = [card(second_device(number), now=NOW + number) for number in range(1, 18)]
    for one in cards[1:]:
        assert box.add(one, now=NOW) is None
    assert box.add(cards[0], now=NOW) is CardFault.FULL
    late = card(now=NOW + 100)
    assert box.add(late, now=NOW) is None
    assert box.of_account(ALICE.account.account_id, now=NOW) == [late, *cards[:1:-1]]


def test_the_box_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CARDS_MAX", 2)
    box = CardBox()
    assert box.add(card(ALICE, now=NOW), now=NOW) is None
    assert box.add(card(BOB, now=NOW + 1), now=NOW) is None
    assert box.add(card(ALICE, now=NOW + 2), now=NOW) is None
    assert box.add(card(second_device(1), now=NOW + 3), now=NOW) is None
    assert box.of_account(BOB.account.account_id, now=NOW) == []
    assert len(box.of_account(ALICE.account.account_id, now=NOW)) == 2


def test_cards_are_dropped_by_account_and_by_revocation() -> None:
    box = CardBox()
    other = card(second_device(1))
    for one in (card(), other, card(BOB)):
        assert box.add(one, now=NOW) is None
    box.drop(ALICE.account.account_id, {device_prefix(ALICE.device.device_id)})
    assert box.of_account(ALICE.account.account_id, now=NOW) == [other]
    box.drop(ALICE.account.account_id)
    assert box.of_account(ALICE.account.account_id, now=NOW) == []
    assert box.of_account(BOB.account.account_id, now=NOW) == [card(BOB)]


def test_the_box_is_kept_over_a_restart_and_judged_anew() -> None:
    box = CardBox()
    for one in (card(addresses=[HOME]), card(BOB, now=NOW + DAY)):
        assert box.add(one, now=NOW + DAY) is None
    again = CardBox.load(box.dump(), now=NOW + DAY)
    assert again.dump() == box.dump()
    later = CardBox.load(box.dump(), now=NOW + 14 * DAY)
    assert later.of_account(ALICE.account.account_id, now=NOW) == []
    assert later.of_account(BOB.account.account_id, now=NOW) == [card(BOB, now=NOW + DAY)]
    revoked = {BOB.account.account_id: {device_prefix(BOB.device.device_id)}}
    assert (
        CardBox.load(box.dump(), now=NOW + DAY, revocations=revoked).of_account(BOB.account.account_id, now=NOW) == []
    )
    assert CardBox.load(CardBox().dump(), now=NOW).dump() == CardBox().dump()


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"\x91\x01", b"\x91" * 2000, b"\x90\x90"])
def test_what_is_no_dump_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        CardBox.load(data, now=NOW)


def test_a_dump_with_a_broken_card_keeps_the_others() -> None:
    data = msgpack.packb([b"junk", card().data])
    assert CardBox.load(data, now=NOW).of_account(ALICE.account.account_id, now=NOW) == [card()]
