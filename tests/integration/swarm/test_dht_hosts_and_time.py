"""Who has a conversation, what happens at the edge of an hour, and a DHT that says nothing. (SCP-05 §1.3, §1.4, §4)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat.conversation.actions import Add
from swarmchat.crypto.padding import SIZES
from swarmchat.discovery import cards
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import DhtKey, Purpose, blinded_key, reading
from swarmchat.discovery.directory import Entry, Found
from swarmchat.ids import AccountId, ConversationId
from swarmchat.limits import DHT_CARD_BITS, DHT_HOSTED_AFTER_S, DHT_HOSTED_MAX, DHT_WORK_BITS
from swarmchat.swarm.mail import Ask
from swarmchat.swarm.parts import Audience, NoBridge, Settings
from tests.support.sim.dht import SimDht, right_time
from tests.support.sim.runtime import EPOCH
from tests.support.swarms import House, World, account_of, play


def over_the_dht(world: World) -> SimDht:
    world.dht = SimDht(world.network)
    return world.dht


async def there(world: World, *names: str) -> list[House]:
    return [await world.house(name, net=f"10.{number}", tells=True) for number, name in enumerate(names)]


def hosts_of(dht: SimDht, conversation: ConversationId) -> int:
    """How many records say that somebody has it."""
    keys = [blinded_key(Purpose.HOSTS, bytes.fromhex(conversation), each) for each in reading(right_time())]
    return sum(len(dht.seen_from("nobody", key)) for key in keys)


async def moved(house: House, settings: Settings | None = None) -> None:
    """Off, and on again elsewhere, with nothing known of where others are."""
    await house.move()
    house.settings = settings or house.settings
    await house.up()


def test_a_public_room_is_joined_by_its_id_where_a_host_tells_everybody_where_it_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dht = over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await alice.swarm.create(3, title="square")
        await moved(alice, Settings(addresses=Audience.ALL))
        await world.until(lambda: hosts_of(dht, where) == 1)
        await bob.swarm.people.join(where)
        assert await bob.swarm.settled(where, 60.0) == "ready"
        (host,) = bob.finder.hosts(where)
        assert (host.account, host.source) == (alice.account.id, Source.DHT)
        assert EPOCH <= host.seen_s <= right_time()

    play(tmp_path, story)


def test_with_addresses_for_members_only_the_id_of_a_public_room_leads_no_stranger_to_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dht = over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await alice.swarm.create(3)
        await world.until(lambda: hosts_of(dht, where) == 1)
        await bob.swarm.people.join(where)
        assert await bob.swarm.settled(where, 120.0) == "syncing"
        assert [host.account for host in bob.finder.hosts(where)] == [alice.account.id]

    play(tmp_path, story)


def test_who_is_alone_in_a_conversation_says_that_he_has_it_and_no_longer_when_another_is_linked(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        dht = over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await world.room(alice, bob)
        await asyncio.sleep(2 * DHT_HOSTED_AFTER_S)
        assert hosts_of(dht, where) == 0
        await bob.down()
        took = await world.until(lambda: hosts_of(dht, where) == 1, 120.0)
        assert took >= DHT_HOSTED_AFTER_S - 5.0
        await bob.up()
        await world.until(lambda: alice.linked(bob))
        await asyncio.sleep(700.0)
        assert hosts_of(dht, where) == 0, "what is not put again fades"

    play(tmp_path, story)


def test_so_many_conversations_are_hosted_and_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        (alice,) = await there(world, "alice")
        for _ in range(DHT_HOSTED_MAX + 2):
            await alice.swarm.create(1)
        public = await alice.swarm.create(3)
        await asyncio.sleep(3 * DHT_HOSTED_AFTER_S)
        assert alice.directory is not None
        hosted = [name for name in alice.directory._published if name.startswith("hosts ")]
        assert len(hosted) == DHT_HOSTED_MAX
        assert f"hosts {public}" in hosted

    play(tmp_path, story)


@pytest.mark.parametrize("before_s", [200.0, 60.0, 1.0, 0.0, -1.0, -60.0])
def test_an_invitation_comes_through_at_the_edge_of_an_hour_where_clocks_differ(
    tmp_path: Path, before_s: float
) -> None:
    """The inviter's clock is 50 s ahead, the other's 50 s behind."""

    async def story(world: World) -> None:
        over_the_dht(world)
        edge = (int(right_time()) // 3_600 + 1) * 3_600
        await asyncio.sleep(edge - before_s - right_time())
        alice, bob = await there(world, "alice", "bob")
        for house, skew_s in ((alice, 50.0), (bob, -50.0)):
            house.swarm._parts.runtime.skew_s = skew_s  # type: ignore[attr-defined]
            await house.swarm.surroundings.peer_added(house.account.id)  # look again
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()), 400.0)
        await bob.accept_all()
        assert await bob.swarm.settled(where, 400.0) == "ready"

    play(tmp_path, story)


def test_for_hours_the_mailbox_and_the_cards_are_those_of_the_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        await asyncio.sleep(5 * 3_600.0)
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [bob.account.id])
        took = await world.until(lambda: bool(bob.keeper.state.pending()))
        assert took < 5.0
        outreach = alice.swarm._outreach
        assert outreach is not None
        assert len(outreach._courier._stops) <= 2
        assert all(len(each.stops) <= 2 for each in outreach._cards._watched.values())

    play(tmp_path, story)


class Mute:
    """A directory that answers nothing, ever."""

    connected = True

    def __init__(self) -> None:
        self.asked = 0

    async def put(self, entry: Entry) -> int:
        self.asked += 1
        await asyncio.get_running_loop().create_future()
        return 0

    async def get(self, key: DhtKey) -> list[Found]:
        self.asked += 1
        await asyncio.get_running_loop().create_future()
        return []

    def watch(self, key: DhtKey, found: Callable[[Found], None]) -> Callable[[], None]:
        return lambda: None

    def publish(self, name: str, make: Callable[[float], Entry | None]) -> None:
        assert make(right_time()) is not None

    def withdraw(self, name: str) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_directory_that_says_nothing_holds_nothing_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        mute = Mute()
        world.dht = SimDht(world.network)
        world.dht.at = lambda host, runtime: mute  # type: ignore[method-assign, assignment, return-value]
        alice, bob = await there(world, "alice", "bob")
        where = await world.room(alice, bob)
        outreach = alice.swarm._outreach
        assert outreach is not None
        card = bob.swarm._outreach._announcer._own.now()  # type: ignore[union-attr]
        alice.finder.saw_card(cards.parse(card.full))  # type: ignore[arg-type]
        await alice.swarm.people.add_contact(account_of("carol").id)
        outreach.tell(bob.account.id, Ask(where))
        await asyncio.sleep(3_600.0)
        await bob.post(where, "still here")
        await world.until(lambda: world.level(where, alice, bob))
        assert mute.asked > 0

    play(tmp_path, story)


def test_devices_of_one_account_find_each_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        phone = await world.house("alice", 2, net="10.7", tells=True)
        where = await world.room(alice, bob)
        await asyncio.sleep(5.0)
        assert {card.device_id for card in alice.finder.devices(alice.account.id)} == {phone.account.device}
        await world.until(lambda: alice.linked(phone))
        assert where

    play(tmp_path, story)


def test_two_contacts_whose_request_is_withdrawn_are_left_alone(tmp_path: Path) -> None:
    """The holder stops as soon as who was invited is not any more."""

    async def story(world: World) -> None:
        dht = over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        outreach = alice.swarm._outreach
        assert outreach is not None
        await alice.swarm.purge(where)
        await asyncio.sleep(60.0)
        puts = dht.puts
        await asyncio.sleep(240.0)
        assert dht.puts - puts <= 4, "cards are put, and no letters"
        assert bob.account.id not in {whose for _, whose in outreach._cards._watched}

    play(tmp_path, story)


def test_nobody_looks_for_who_takes_part_without_an_account(tmp_path: Path) -> None:
    """SCP-09 §1.6; whoever is invited with an account is looked for beside it."""

    class Foreign(NoBridge):
        def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
            return account == far

    far = AccountId("f0" * 20)

    async def story(world: World) -> None:
        over_the_dht(world)
        (alice,) = await there(world, "alice")
        away = account_of("bob", 1).id
        alice.swarm.attach(Foreign())
        where = await alice.swarm.create(1)
        await alice.swarm.append(where, Add(far))
        await alice.swarm.append(where, Add(away))
        await asyncio.sleep(60.0)
        outreach = alice.swarm._outreach
        assert outreach is not None
        watched = {whose for _, whose in outreach._cards._watched}
        assert away in watched
        assert far not in watched

    play(tmp_path, story)


def test_who_turns_out_to_have_no_account_is_looked_for_no_longer(tmp_path: Path) -> None:
    """SCP-09 §1.6: a gateway looks at a commit a moment after the roster knows whom it adds."""

    class Late(NoBridge):
        knows = False

        def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
            return self.knows and account == far

    far = AccountId("f0" * 20)

    async def story(world: World) -> None:
        over_the_dht(world)
        (alice,) = await there(world, "alice")
        bridge = Late()
        alice.swarm.attach(bridge)
        where = await alice.swarm.create(1)
        await alice.swarm.append(where, Add(far))
        await asyncio.sleep(60.0)
        outreach = alice.swarm._outreach
        assert outreach is not None
        assert far in {whose for _, whose in outreach._cards._watched}
        bridge.knows = True
        await asyncio.sleep(60.0)
        assert far not in {whose for _, whose in outreach._cards._watched}

    play(tmp_path, story)


def test_what_is_put_says_nothing_to_who_does_not_know_the_id_and_shows_work(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dht = over_the_dht(world)
        dht.hosts.append("nobody")
        (alice,) = await there(world, "alice")
        public = await alice.swarm.create(3, title="square")
        mine = alice.account
        lost = account_of("alice", 2).device
        alice.swarm.own.renewed(mine.with_revocations(mine.revoke(lost, now=int(right_time()))))
        await alice.swarm.own.relisted()
        await asyncio.sleep(5.0)
        (number,) = reading(right_time())
        names = {Purpose.PRESENCE: mine.id, Purpose.CRL: mine.id, Purpose.HOSTS: public}
        keys = {purpose: blinded_key(purpose, bytes.fromhex(name), number) for purpose, name in names.items()}
        assert dht.records.keys() == set(keys.values())
        for purpose, key in keys.items():
            (record,) = dht.records[key].values()
            assert record.bits == (DHT_CARD_BITS if purpose is Purpose.PRESENCE else DHT_WORK_BITS)
            assert record.found.salt == bytes.fromhex(mine.device)[:16]
            assert len(record.found.data) - 28 in SIZES
            for secret in (mine.certificate.der, mine.device_certificate.der, bytes.fromhex(mine.id)):
                assert secret not in record.found.data

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("audience", "told"), [(Audience.ALL, True), (Audience.MEMBERS, False), (Audience.NONE, False)]
)
def test_a_card_in_the_dht_says_where_we_are_only_if_everybody_may_know(
    tmp_path: Path, audience: Audience, told: bool
) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        await moved(alice, Settings(addresses=audience))
        await bob.swarm.people.add_contact(alice.account.id)
        await world.until(lambda: bool(bob.finder.devices(alice.account.id)))
        (card,) = bob.finder.devices(alice.account.id)
        assert card.addresses == ((alice.address,) if told else None)

    play(tmp_path, story)
