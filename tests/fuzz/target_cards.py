"""What discovery hears from anybody: cards, services on the LAN, addresses, invitation links. (SCP-05 §1.10, §2; SCP-06 §3)"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import msgpack
from zeroconf.asyncio import AsyncServiceInfo

from swarmchat.addresses import Address
from swarmchat.discovery.cards import Card, CardBox, CardFault, build, check, parse
from swarmchat.discovery.lan import SERVICE, read_service
from swarmchat.errors import UsageError
from swarmchat.limits import CARD_ADDRESSES_MAX, LAN_ADDRESSES_MAX
from swarmchat.node.invitelinks import parse_link
from tests.fuzz.recipe import Recipe
from tests.support.builders import ALICE, BOB, NOW, Person

TOKENS = (
    *(
        b"\x92\x88",
        b"\xc4\x40",
        b"\xa1v\x01",
        b"\xa7account",
        b"\xa6device",
        b"\xa4seal",
        b"\xa9seal_prev",
        b"\xa4made",
    ),
    *(
        b"\xaconline_until",
        b"\xa4addr",
        b"\xc0",
        b"192.0.2.7:4000",
        b"[fe80::1%25eth0]:1",
        b"[::ffff:1.2.3.4]:9",
        b"\x02v=1",
    ),
    *(
        b"\x12d=0123456789abcdef",
        b"\x08dht=4000",
        b"swarm:",
        b"?from=",
        b"&at=",
        b"%5B::1%5D:80",
        b"\xd6\xff",
        b"127.0.0.1",
    ),
)
_RAW, _SIGNED, _BOX, _SERVICE, _ADDRESS, _LINK = range(6)
_HOMES = [Address("192.0.2.7", 4000), Address("2001:db8::7", 4001), Address("127.0.0.1", 9)]


def _card(who: Person, addresses: list[Address] | None, now: int = NOW) -> Card:
    return build(
        account=who.certificate,
        device=who.device_certificate,
        key=who.device_key,
        seal=bytes(range(32)),
        seal_previous=bytes(32) if addresses else None,
        now=now,
        addresses=addresses,
    )


def seeds() -> Iterator[bytes]:
    """Cards with and without addresses, a box of them, services, addresses and links of every form."""
    for card in (_card(ALICE, _HOMES), _card(BOB, None), _card(ALICE, [], NOW + 9)):
        yield bytes((_RAW,)) + card.data
        yield bytes((_SIGNED,)) + card.data[1:-66]
    box = CardBox()
    for card in (_card(ALICE, _HOMES), _card(BOB, None)):
        box.add(card, now=NOW)
    yield bytes((_BOX,)) + box.dump()
    yield bytes((_SERVICE, 1, 16, 0)) + b"\x03v=1\x12d=0123456789abcdef\x08dht=4000"
    yield bytes((_SERVICE, 2, 1, 1)) + b"\x03v=1\x12d=0123456789abcdef\x01v\x02=x\x00"
    for text in ("192.0.2.7:4000", "[fe80::1%eth0]:1", "name.example.:80", "[::ffff:127.0.0.1]:9", "a:0", "[::]:65535"):
        yield bytes((_ADDRESS,)) + text.encode()
    yield bytes((_LINK,)) + f"swarm:{'ab' * 20}?from={ALICE.id}&at=192.0.2.7:4000&at=[2001:db8::1]:9&x=y".encode()
    yield bytes((_LINK,)) + f"swarm:{'ab' * 20}".encode()


def run(data: bytes) -> None:
    """A value or the declared refusal; what is read is written back the same."""
    recipe = Recipe(data)
    match recipe.u8() % 6:
        case 0:
            _judged(recipe.rest())
        case 1:
            body = recipe.rest()
            _judged(b"\x92" + body + b"\xc4\x40" + ALICE.device_key.sign(b"swarmchat/card/1" + body))
        case 2:
            _box(recipe.rest())
        case 3:
            _service(recipe)
        case 4:
            _address(recipe.rest().decode("utf-8", "replace"))
        case _:
            _link(recipe.rest().decode("utf-8", "replace"))


def _judged(data: bytes) -> None:
    card = parse(data)
    if isinstance(card, CardFault):
        return
    assert card.data == data
    assert len(card.addresses or ()) <= CARD_ADDRESSES_MAX
    assert all(address.may_travel for address in card.addresses or ())
    fault = check(card, now=NOW)
    check(card, now=2**53, asked=BOB.id)
    box = CardBox()
    assert box.add(card, now=NOW) == fault
    if fault is None:
        assert card.account_id in (ALICE.id, BOB.id), "a card of somebody whose keys nobody has"
        assert [one.data for one in CardBox.load(box.dump(), now=NOW).of_account(card.account_id, now=NOW)] == [data]
        fields = msgpack.unpackb(data[1:-66])
        assert fields["device"] == card.device.der


def _box(data: bytes) -> None:
    try:
        box = CardBox.load(data, now=NOW)
    except ValueError:
        return
    assert CardBox.load(box.dump(), now=NOW).dump() == box.dump()


def _service(recipe: Recipe) -> None:
    count, port, loopback = recipe.u8() % 20, recipe.u8() * 257, bool(recipe.u8() & 1)
    addresses = [recipe.take(16 if recipe.u8() & 1 else 4) for _ in range(count)]
    whole = [one for one in addresses if len(one) in (4, 16)]
    info = AsyncServiceInfo(
        SERVICE, f"x.{SERVICE}", addresses=whole, port=port, properties=recipe.rest(), server="x.local."
    )
    sighting = read_service("x", info, loopback=loopback)
    if sighting is not None:
        assert 1 <= len(sighting.addresses) <= LAN_ADDRESSES_MAX
        for address in sighting.addresses:
            ip = ipaddress.ip_address(address.host)
            assert not ip.is_multicast
            assert not ip.is_unspecified
            assert loopback or not ip.is_loopback
            assert Address.parse(str(address)) == address


def _address(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address
    assert 0 <= address.port <= 65_535
    assert not (address.may_travel and address.is_link_local)
    assert isinstance(address.is_loopback, bool)


def _link(text: str) -> None:
    try:
        link = parse_link(text)
    except UsageError:
        return
    assert parse_link(str(link)) == link
