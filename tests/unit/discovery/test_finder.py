from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import issue_device
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.addressbook import AddressBook, Source
from swarmchat.discovery.cards import Card, CardBox, CardFault, build
from swarmchat.discovery.finder import Finder
from swarmchat.discovery.lan import Sighting
from swarmchat.ids import ConversationId
from swarmchat.runtime import SystemRuntime
from tests.support.accounts import account, device
from tests.support.certs import ALICE, NOW

T = TypeVar("T")
BOB = device(1)
ONE, TWO = Address("192.0.2.1", 4000), Address("192.0.2.2", 4000)


class Clock(SystemRuntime):
    def now(self) -> float:
        return float(NOW)


def make_finder() -> Finder:
    return Finder(Clock(), AddressBook(), CardBox())


def sighting(name: str, *addresses: Address, known: bool = True, gone: bool = False) -> Sighting:
    return Sighting(name, "0" * 16, BOB if known else None, addresses, gone=gone)


def alices_card(now: int = NOW, address: Address | None = ONE, *, seal: bytes = bytes(32)) -> Card:
    return build(
        account=ALICE.account,
        device=ALICE.device,
        key=ALICE.device_key,
        seal=seal,
        seal_previous=None,
        now=now,
        addresses=None if address is None else [address],
    )


async def soon(stream: AsyncIterator[T]) -> T:
    async with asyncio.timeout(5):
        return await anext(stream)


def test_what_a_device_says_replaces_what_it_said_and_not_what_a_link_has_proved() -> None:
    finder, three = make_finder(), Address("192.0.2.3", 4000)
    finder.told(BOB, [ONE, TWO])
    finder.worked(BOB, ONE)
    finder.learnt(BOB, [Address("192.0.2.9", 1)], Source.STATIC)
    finder.told(BOB, [three])
    assert {candidate.address for candidate in finder.addresses(BOB)} == {ONE, three, Address("192.0.2.9", 1)}


def test_a_newer_card_replaces_the_addresses_of_the_one_before() -> None:
    finder = make_finder()
    assert finder.saw_card(alices_card()) is None
    assert finder.saw_card(alices_card(NOW + 5, TWO)) is None
    assert finder.saw_card(alices_card(NOW + 1, ONE)) is CardFault.SUPERSEDED
    assert [candidate.address for candidate in finder.addresses(ALICE.device.device_id)] == [TWO]


def test_a_stream_gives_what_is_known_and_then_what_is_learnt() -> None:
    async def run() -> None:
        finder = make_finder()
        finder.learnt(BOB, [ONE], Source.LINK)
        stream = finder.find(BOB)
        assert (await soon(stream)).address == ONE
        waiting = asyncio.ensure_future(soon(stream))
        await asyncio.sleep(0)
        finder.learnt(device(2), [TWO], Source.LINK)
        finder.learnt(BOB, [ONE], Source.LINK)
        await asyncio.sleep(0)
        assert not waiting.done()
        assert finder.saw_lan(sighting("a", TWO))
        found = await waiting
        assert (found.address, found.source) == (TWO, Source.LAN)
        await stream.aclose()  # type: ignore[attr-defined]
        assert finder._waiting == {}

    asyncio.run(run())


def test_a_stream_hears_of_the_account_too() -> None:
    async def run() -> None:
        finder = make_finder()
        stream = finder.find(BOB, account(1))
        waiting = asyncio.ensure_future(soon(stream))
        await asyncio.sleep(0)
        finder.learnt(account(1), [ONE], Source.STATIC)
        assert (await waiting).source is Source.STATIC
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_the_cards_of_an_account_come_as_a_stream() -> None:
    async def run() -> None:
        finder = make_finder()
        stream = finder.find_devices(ALICE.account.account_id)
        waiting = asyncio.ensure_future(soon(stream))
        await asyncio.sleep(0)
        assert finder.saw_card(alices_card()) is None
        assert await waiting == alices_card()
        assert finder.saw_card(alices_card(NOW + 5, TWO)) is None
        assert await soon(stream) == alices_card(NOW + 5, TWO)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_a_card_that_is_believed_gives_addresses() -> None:
    finder = make_finder()
    assert finder.saw_card(alices_card(NOW - 15 * 86_400)) is CardFault.OLD
    assert finder.addresses(ALICE.device.device_id) == []
    assert finder.saw_card(alices_card()) is None
    (found,) = finder.addresses(ALICE.device.device_id)
    assert (found.address, found.source, found.until_s) == (ONE, Source.CARD, NOW + 600)
    assert [card.device_id for card in finder.devices(ALICE.account.account_id)] == [ALICE.device.device_id]


def test_an_old_but_believed_card_gives_no_address() -> None:
    finder = make_finder()
    assert finder.saw_card(alices_card(NOW - 600)) is None
    assert finder.addresses(ALICE.device.device_id) == []


def test_a_device_that_leaves_the_lan_and_comes_back_is_to_be_dialled_again() -> None:
    finder = make_finder()
    assert finder.saw_lan(sighting("a", ONE))
    assert not finder.saw_lan(sighting("a", ONE))
    assert finder.on_lan(BOB)
    finder.worked(BOB, ONE)
    assert not finder.saw_lan(sighting("a", ONE, gone=True))
    assert not finder.on_lan(BOB)
    assert [candidate.address for candidate in finder.addresses(BOB)] == [ONE], "it was good: worth a try"
    assert finder.saw_lan(sighting("b", ONE))


def test_an_address_that_the_lan_no_longer_shows_is_not_tried() -> None:
    finder = make_finder()
    finder.saw_lan(sighting("a", ONE))
    finder.saw_lan(sighting("a", TWO))
    assert [candidate.address for candidate in finder.addresses(BOB)] == [TWO]
    finder.saw_lan(sighting("a", TWO, gone=True))
    assert finder.addresses(BOB) == []


def test_strangers_are_listed_up_to_a_bound_until_they_are_known() -> None:
    finder = make_finder()
    for number in range(40):
        assert not finder.saw_lan(sighting(f"{number:02}", ONE, known=False))
    assert len(finder.strangers()) == limits.LAN_DIALS_MAX
    assert finder.saw_lan(sighting("00", ONE))
    assert "00" not in {stranger.instance for stranger in finder.strangers()}


def test_what_the_user_takes_back_is_gone() -> None:
    finder = make_finder()
    finder.learnt(BOB, [ONE, TWO], Source.STATIC)
    assert finder.forget(BOB, ONE)
    assert [candidate.address for candidate in finder.addresses(BOB)] == [TWO]


def test_a_card_of_the_dht_without_addresses_does_not_displace_one_that_says_where_to_dial() -> None:
    finder = make_finder()
    told = alices_card(NOW - 100)
    assert finder.saw_card(told) is None
    assert finder.saw_card(alices_card(NOW, None), source=Source.DHT) is CardFault.SUPERSEDED
    assert finder.devices(ALICE.account.account_id) == [told]
    rekeyed = alices_card(NOW, None, seal=b"k" * 32)
    assert finder.saw_card(rekeyed, source=Source.DHT) is None, "letters are sealed to the new key"
    assert finder.devices(ALICE.account.account_id) == [rekeyed]
    assert [each.address for each in finder.addresses(ALICE.device.device_id)] == [ONE], "and the address still counts"


def test_a_card_of_the_dht_takes_the_place_of_one_whose_addresses_are_over() -> None:
    finder = make_finder()
    assert finder.saw_card(alices_card(NOW - limits.CARD_ONLINE_S)) is None
    plain = alices_card(NOW, None)
    assert finder.saw_card(plain, source=Source.DHT) is None
    assert finder.devices(ALICE.account.account_id) == [plain]


def test_an_address_of_the_dht_is_known_as_such_and_a_better_source_stays() -> None:
    finder = make_finder()
    finder.saw_card(alices_card(), source=Source.DHT)
    (found,) = finder.addresses(ALICE.device.device_id)
    assert (found.address, found.source, found.until_s) == (ONE, Source.DHT, NOW + limits.CARD_ONLINE_S)
    finder.told(ALICE.device.device_id, [TWO], Source.DHT)
    assert {(each.address, each.source) for each in finder.addresses(ALICE.device.device_id)} == {(TWO, Source.DHT)}
    finder.learnt(ALICE.device.device_id, [TWO], Source.LINK)
    finder.told(ALICE.device.device_id, [TWO], Source.DHT)
    assert [each.source for each in finder.addresses(ALICE.device.device_id)] == [Source.LINK]


HERE = ConversationId("c" * 40)


def card_of(number: int, now: int = NOW) -> Card:
    key = PrivateKey.from_seed(number.to_bytes(32, "big"))
    certificate = issue_device(ALICE.account_key, ALICE.account, key.public, now=NOW)
    return build(
        account=ALICE.account, device=certificate, key=key, seal=bytes(32), seal_previous=None, now=now, addresses=None
    )


def test_hosts_come_in_the_order_in_which_they_are_worth_a_try() -> None:
    finder = make_finder()
    plain, on_lan, good = card_of(1), card_of(2), card_of(3)
    for card in (plain, on_lan, good):
        assert finder.saw_host(HERE, card, Source.DHT)
        assert not finder.saw_host(HERE, card, Source.DHT)
    finder.worked(good.device_id, ONE)
    finder.saw_lan(Sighting("x", "0" * 16, on_lan.device_id, (TWO,), gone=False))
    assert [host.device for host in finder.hosts(HERE)] == [good.device_id, on_lan.device_id, plain.device_id]
    host = finder.hosts(HERE)[0]
    assert (host.account, host.source, host.seen_s) == (ALICE.account.account_id, Source.DHT, NOW)
    assert finder.hosts(ConversationId("d" * 40)) == []


def test_the_hosts_of_a_conversation_come_as_a_stream() -> None:
    async def run() -> None:
        finder = make_finder()
        one, two = card_of(1), card_of(2)
        finder.saw_host(HERE, one, Source.DHT)
        stream = finder.find_hosts(HERE)
        assert (await soon(stream)).device == one.device_id
        waiting = asyncio.ensure_future(soon(stream))
        await asyncio.sleep(0)
        finder.saw_host(HERE, one, Source.DHT)  # told before
        finder.saw_host(ConversationId("d" * 40), card_of(3), Source.DHT)
        finder.saw_host(HERE, two, Source.DHT)
        assert (await waiting).device == two.device_id
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_hosts_are_bounded_in_one_conversation_and_in_all() -> None:
    finder = make_finder()
    for number in range(limits.HOSTS_PER_CONVERSATION_MAX + 2):
        finder.saw_host(HERE, card_of(number + 1), Source.DHT)
    assert len(finder.hosts(HERE)) == limits.HOSTS_PER_CONVERSATION_MAX
    for number in range(limits.HOSTS_CONVERSATIONS_MAX):
        finder.saw_host(ConversationId(f"{number:040x}"), card_of(1), Source.DHT)
    assert finder.hosts(HERE) == []


def test_a_stream_of_hosts_goes_on_with_what_is_found_later() -> None:
    async def run() -> None:
        finder = make_finder()
        finder.saw_host(HERE, card_of(1), Source.DHT)
        stream = finder.find_hosts(HERE)
        assert (await soon(stream)).device == card_of(1).device_id
        waiting = asyncio.ensure_future(soon(stream))
        await asyncio.sleep(0)
        finder.saw_host(HERE, card_of(1), Source.DHT)
        await asyncio.sleep(0)
        assert not waiting.done()
        finder.saw_host(HERE, card_of(2), Source.DHT)
        assert (await waiting).device == card_of(2).device_id
        await stream.aclose()  # type: ignore[attr-defined]
        assert finder._waiting == {}

    asyncio.run(run())
