"""Whoever knows an id can write under its keys what he likes: it costs him work, and us little. (SCP-05 §1.10–§1.12, SCP-06 §9)"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from swarmchat.account.account import Account
from swarmchat.addresses import Address
from swarmchat.crypto.letters import seal_letter
from swarmchat.crypto.veil import veil
from swarmchat.discovery import cards
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import DhtKey, Purpose, blinded_key, writing
from swarmchat.discovery.cards import Card
from swarmchat.discovery.directory import Entry, Found
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import (
    CARDS_FOUND_AT_ONCE,
    DHT_WATCHED_MAX,
    HEEDED_MAX,
    HOSTS_ADDED_MAX,
    HOSTS_PER_CONVERSATION_MAX,
    MAIL_OF_STRANGERS_HOUR,
    MAILBOX_OPENED_AT_ONCE,
    REPLIES_WAITING_MAX,
    REPLY_WAITS_S,
    WANTS_ANSWERED_PER_MINUTE,
)
from swarmchat.swarm import sealed
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Here, Letter, Mail, Notice, SwarmInvite, TrustRequest, Want
from swarmchat.swarm.parts import Audience
from tests.support.sim.dht import SimDht, right_time
from tests.support.swarms import House, World, account_of, play

EVE = account_of("eve")
NOWHERE = ConversationId("c" * 40)
FAR = Address("192.0.2.66", 4000)


class Villain:
    """Somebody who knows every id, and writes into the DHT without a node."""

    def __init__(self, dht: SimDht, account: Account = EVE) -> None:
        self.dht = dht
        self.account = account
        self._count = 0

    def put(self, key: bytes, data: bytes, *, salt: bytes | None = None, writer: int | None = None) -> int:
        self._count += 1
        who = (self._count if writer is None else writer).to_bytes(32, "big")
        entry = Entry(key, self._count.to_bytes(4, "big") if salt is None else salt, data)  # type: ignore[arg-type]
        return self.dht.store("evil", who, entry, int(right_time()))

    def card(
        self,
        *,
        account: Account | None = None,
        device: Account | None = None,
        age_s: int = 0,
        where: Sequence[Address] | None = (FAR,),
    ) -> Card:
        """A card as this account would sign it, or with the certificates of others and this one's key."""
        mine = self.account
        return cards.build(
            account=(account or mine).certificate,
            device=(device or mine).device_certificate,
            key=mine.device_key,
            seal=mine.sealing.public,
            seal_previous=None,
            now=int(right_time()) - age_s,
            addresses=where,
        )

    def show(self, account: AccountId, data: bytes, purpose: Purpose = Purpose.PRESENCE) -> int:
        """Under the presence key of an account."""
        number, name = writing(right_time()), bytes.fromhex(account)
        key = blinded_key(purpose, name, number)
        return self.put(key, veil(data, name, purpose=purpose, bucket=number, key=key, nonce=bytes(12)))

    def letter(self, to: House, mail: Mail, *, age_s: int = 0, written_to: DeviceId | None = None) -> bytes:
        mine = self.account
        return sealed.write(
            Letter(mail, int(right_time()) - age_s),
            account=mine.certificate,
            device=mine.device_certificate,
            key=mine.device_key,
            to=written_to or to.account.device,
        )

    def mail(self, to: House, plain: bytes, *, writer: int | None = None) -> int:
        device = bytes.fromhex(to.account.device)
        key = blinded_key(Purpose.MAILBOX, device, writing(right_time()))
        data = seal_letter(plain, to.account.sealing.public, purpose=Purpose.MAILBOX, device=device, key=key)
        return self.put(key, data, writer=writer)


def evil(world: World) -> Villain:
    world.dht = SimDht(world.network)
    world.dht.hosts.append("evil")
    return Villain(world.dht)


def request(number: int = 0) -> TrustRequest:
    where = f"{number:040x}"
    return TrustRequest(ConversationId(where), CommitId(where), "Eve", 1 + number)


async def waiting_for_bob(world: World) -> tuple[Villain, House, Account]:
    """Somebody evil, and Alice who looks for the cards of Bob; of him there is nothing but his keys."""
    villain, bob = evil(world), account_of("bob")
    alice = await world.house("alice", tells=True)
    await alice.swarm.people.add_contact(bob.id)
    await asyncio.sleep(1.0)
    return villain, alice, bob


def test_a_forged_card_an_old_one_and_one_of_somebody_else_lead_nobody_anywhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain, alice, bob = await waiting_for_bob(world)
        forged = villain.card(account=bob, device=bob)
        mixed = villain.card(account=bob)  # bob's account, eve's device
        own = villain.card()  # true, and not of the account asked about
        broken = bytearray(Villain(villain.dht, bob).card().data)
        broken[100] ^= 1
        old = Villain(villain.dht, bob).card(age_s=15 * 86_400)
        ahead = Villain(villain.dht, bob).card(age_s=-400)
        for data in (forged.data, mixed.data, own.data, bytes(broken), old.data, ahead.data, b"", b"x" * 3_000):
            assert villain.show(bob.id, data)
        await asyncio.sleep(30.0)
        assert alice.finder.devices(bob.id) == []
        assert alice.finder.devices(EVE.id) == []
        assert alice.finder.addresses(bob.device) == []

    play(tmp_path, story)


def test_a_card_rolled_back_changes_nothing_and_one_of_last_week_says_no_address(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain, alice, bob = await waiting_for_bob(world)
        by_bob = Villain(villain.dht, bob)
        week = by_bob.card(age_s=7 * 86_400)
        villain.show(bob.id, week.data)
        await asyncio.sleep(2.0)
        assert [card.data for card in alice.finder.devices(bob.id)] == [week.data]
        assert alice.finder.addresses(bob.device) == []
        now = by_bob.card(where=(Address("192.0.2.1", 1),))
        villain.show(bob.id, now.data)
        await asyncio.sleep(2.0)
        villain.show(bob.id, by_bob.card(age_s=100, where=(FAR,)).data)
        await asyncio.sleep(2.0)
        assert [card.data for card in alice.finder.devices(bob.id)] == [now.data]
        (candidate,) = alice.finder.addresses(bob.device)
        assert (candidate.address, candidate.source) == (Address("192.0.2.1", 1), Source.DHT)

    play(tmp_path, story)


def test_a_card_that_names_loopback_is_not_for_who_is_reached_otherwise(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain, alice, bob = await waiting_for_bob(world)
        villain.show(bob.id, Villain(villain.dht, bob).card(where=(Address("127.0.0.1", 22),)).data)
        await asyncio.sleep(2.0)
        assert alice.finder.addresses(bob.device) == []

    play(tmp_path, story)


def test_a_flood_of_cards_is_not_judged_without_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain, alice, bob = await waiting_for_bob(world)
        by_bob = Villain(villain.dht, bob)
        watch = alice.swarm._outreach._cards  # type: ignore[union-attr]
        judged = 0

        def leads(card: Card) -> bool:
            nonlocal judged
            judged += 1
            return True

        watch._leads = leads  # type: ignore[method-assign]
        for age_s in range(60, 0, -1):
            villain.show(bob.id, by_bob.card(age_s=age_s).data)
        await asyncio.sleep(1.0)
        assert CARDS_FOUND_AT_ONCE <= judged <= CARDS_FOUND_AT_ONCE + 2
        await asyncio.sleep(120.0)
        late = by_bob.card()
        villain.show(bob.id, late.data)
        await asyncio.sleep(2.0)
        assert alice.finder.devices(bob.id) == [late], "and he is found as soon as it is over"

    play(tmp_path, story)


def test_a_revoked_device_is_found_out_by_the_list_of_its_account(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain, alice, bob = await waiting_for_bob(world)
        thief = account_of("bob", 2)
        listed = bob.revoke(thief.device, now=int(right_time()))
        false = EVE.revoke(bob.device, now=int(right_time()))
        for der in (false.der, b"rubbish", listed.der):
            villain.show(bob.id, der, Purpose.CRL)
        villain.show(bob.id, Villain(villain.dht, thief).card().data)
        await asyncio.sleep(5.0)
        assert alice.finder.devices(bob.id) == []
        villain.show(bob.id, Villain(villain.dht, thief).card(age_s=-1).data)
        villain.show(bob.id, Villain(villain.dht, bob).card().data)
        await asyncio.sleep(5.0)
        assert [card.device_id for card in alice.finder.devices(bob.id)] == [bob.device]

    play(tmp_path, story)


def test_a_letter_counts_once_for_whom_it_was_written_and_when_it_was_written(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        alice, bob = await world.house("alice", tells=True), await world.house("bob", net="10.1", tells=True)
        await asyncio.sleep(1.0)
        true = villain.letter(bob, request())
        villain.mail(bob, villain.letter(bob, request(1), age_s=-200))  # from the future
        villain.mail(bob, villain.letter(bob, request(2), age_s=90_000))  # of the day before yesterday
        villain.mail(bob, villain.letter(bob, request(3), written_to=alice.account.device))
        villain.mail(bob, true)
        await asyncio.sleep(5.0)
        villain.mail(bob, true)  # sealed afresh: the same letter
        await asyncio.sleep(5.0)
        assert [each.offer.at_ms for each in bob.keeper.state.pending()] == [1]
        assert len(bob.seen("request.added")) == 1
        villain.mail(alice, true)
        await asyncio.sleep(5.0)
        assert alice.keeper.state.pending() == ()

    play(tmp_path, story)


def test_a_record_moved_to_the_mailbox_of_another_opens_nowhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await asyncio.sleep(1.0)
        device = bytes.fromhex(bob.account.device)
        number = writing(right_time())
        here, earlier = (blinded_key(Purpose.MAILBOX, device, each) for each in (number, number - 1))
        plain = villain.letter(bob, request())
        for purpose, key in (("mailbox", earlier), ("ice", here)):
            data = seal_letter(plain, bob.account.sealing.public, purpose=purpose, device=device, key=key)
            assert villain.put(here, data)
        await asyncio.sleep(5.0)
        assert bob.keeper.state.pending() == ()

    play(tmp_path, story)


def test_who_is_blocked_gets_no_answer_and_cannot_tell(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await bob.swarm.people.block(EVE.id)
        await asyncio.sleep(1.0)
        villain.show(EVE.id, villain.card().data)
        puts = villain.dht.puts
        for mail in (request(), Want(), Notice(NOWHERE, CommitId("a" * 40), (), EVE.device)):
            villain.mail(bob, villain.letter(bob, mail))
        await asyncio.sleep(60.0)
        assert bob.keeper.state.pending() == ()
        assert villain.dht.puts == puts + 3, "nothing was put but the letters"

    play(tmp_path, story)


def test_a_stranger_is_not_told_where_we_are_and_his_answers_do_not_count(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await asyncio.sleep(1.0)
        puts = villain.dht.puts
        villain.mail(bob, villain.letter(bob, Want()))
        villain.mail(bob, villain.letter(bob, Here((FAR,))))
        await asyncio.sleep(60.0)
        assert villain.dht.puts == puts + 2
        assert bob.finder.addresses(EVE.device) == []

    play(tmp_path, story)


def test_a_contact_that_asks_without_end_is_answered_ten_times_a_minute(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await bob.swarm.people.add_contact(EVE.id)
        villain.show(EVE.id, villain.card(where=None).data)
        await asyncio.sleep(1.0)
        outreach = bob.swarm._outreach
        assert outreach is not None
        ask, answered = outreach.whereabouts_for, list[Here]()

        def whereabouts_for(asker: Sender) -> Here | None:
            here = ask(asker)
            answered.extend([here] if here else [])
            return here

        outreach.whereabouts_for = whereabouts_for  # type: ignore[method-assign]
        for number in range(40):
            villain.mail(bob, villain.letter(bob, Want(), age_s=number))
        await asyncio.sleep(5.0)
        assert len(answered) == WANTS_ANSWERED_PER_MINUTE
        assert outreach._courier._outbox._waiting.keys() <= {(EVE.device, "Here")}

    play(tmp_path, story)


def test_nobody_is_told_an_address_that_the_settings_keep_for_others(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        evil(world)
        bob = await world.house("bob", tells=True)
        alice = await world.house("alice", net="10.1", tells=True)
        where = await world.room(bob, alice)
        outreach = bob.swarm._outreach
        assert outreach is not None
        asker = Sender(alice.account.id, alice.account.device)
        for audience, told in (
            (Audience.MEMBERS, True),
            (Audience.ALL, True),
            (Audience.CONTACTS, False),
            (Audience.NONE, False),
        ):
            bob.swarm._parts.settings = replace(bob.swarm._parts.settings, addresses=audience)
            assert (outreach.whereabouts_for(asker) is not None) == told, audience
        await bob.swarm.people.add_contact(alice.account.id)
        bob.swarm._parts.settings = replace(bob.swarm._parts.settings, addresses=Audience.CONTACTS)
        assert outreach.whereabouts_for(asker) == Here((bob.address,))
        await bob.swarm.people.block(alice.account.id)
        assert outreach.whereabouts_for(asker) is None
        assert bob.swarm.state_of(where) == "ready"

    play(tmp_path, story)


def test_a_flood_of_rubbish_costs_a_bounded_number_of_tries_and_mail_still_comes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await asyncio.sleep(1.0)
        outreach = bob.swarm._outreach
        assert outreach is not None
        courier = outreach._courier
        really, tries = courier._opened, 0

        def opened(key: DhtKey, found: Found) -> sealed.Opened | None:
            nonlocal tries
            tries += 1
            return really(key, found)

        courier._opened = opened  # type: ignore[method-assign]
        device = bytes.fromhex(bob.account.device)
        start = asyncio.get_running_loop().time()
        for number in range(1_000):
            key = blinded_key(Purpose.MAILBOX, device, writing(right_time()))
            villain.dht.records.pop(key, None)  # as if there were room for all
            villain.put(key, number.to_bytes(304, "big"))
        await asyncio.sleep(2.0)
        lasted = asyncio.get_running_loop().time() - start
        assert MAILBOX_OPENED_AT_ONCE <= tries <= MAILBOX_OPENED_AT_ONCE + 4 * lasted + 1
        await asyncio.sleep(30.0)
        villain.mail(bob, villain.letter(bob, request()))
        await asyncio.sleep(5.0)
        assert len(bob.keeper.state.pending()) == 1

    play(tmp_path, story)


def test_a_flood_of_requests_of_many_strangers_is_bounded_by_the_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await asyncio.sleep(1.0)
        for number in range(MAIL_OF_STRANGERS_HOUR + 40):
            key = blinded_key(Purpose.MAILBOX, bytes.fromhex(bob.account.device), writing(right_time()))
            villain.dht.records.pop(key, None)
            by = Villain(villain.dht, account_of(f"stranger {number % 20}"))
            by._count = number * 1_000
            by.mail(
                bob, by.letter(bob, SwarmInvite(ConversationId(f"{number:040x}"), CommitId("a" * 40), 1, "x", "", 1, 1))
            )
            await asyncio.sleep(0.5)
        assert len(bob.seen("request.added")) <= MAIL_OF_STRANGERS_HOUR
        assert len(bob.keeper.state.pending()) <= 100

    play(tmp_path, story)


def test_a_notice_of_a_stranger_makes_nobody_dial(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        alice, bob = await world.house("alice", tells=True), await world.house("bob", net="10.1", tells=True)
        where = await world.room(alice, bob, mode=3)
        villain.show(EVE.id, villain.card().data)
        villain.mail(bob, villain.letter(bob, Notice(where, CommitId("a" * 40), (), EVE.device)))
        await asyncio.sleep(60.0)
        assert EVE.id not in {whose for _, whose in bob.swarm._outreach._cards._watched}  # type: ignore[union-attr]
        assert EVE.device not in bob.swarm._connector.mesh.targets
        assert bob.finder.devices(EVE.id) == []

    play(tmp_path, story)


def test_invented_hosts_of_what_is_to_be_cloned_cost_eight_accounts_and_nothing_is_taken_from_them(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        alice, bob = await world.house("alice", tells=True), await world.house("bob", net="10.1", tells=True)
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await alice.down()
        await bob.accept_all()
        await asyncio.sleep(1.0)
        number, name = writing(right_time()), bytes.fromhex(where)
        key = blinded_key(Purpose.HOSTS, name, number)
        for each in range(40):
            card = Villain(villain.dht, account_of(f"stranger {each}")).card()
            villain.put(key, veil(card.data, name, purpose=Purpose.HOSTS, bucket=number, key=key, nonce=bytes(12)))
        await asyncio.sleep(120.0)
        sources = bob.swarm._parts.access.sources_of(where)
        assert len(sources - {alice.account.id}) == HOSTS_ADDED_MAX
        assert len(bob.finder.hosts(where)) <= HOSTS_PER_CONVERSATION_MAX
        await alice.up()
        assert await bob.swarm.settled(where, 200.0) == "ready"

    play(tmp_path, story)


def test_a_host_record_of_whoever_does_not_know_the_id_is_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        villain = evil(world)
        bob = await world.house("bob", tells=True)
        await bob.swarm.people.join(NOWHERE)
        await asyncio.sleep(1.0)
        number = writing(right_time())
        key = blinded_key(Purpose.HOSTS, bytes.fromhex(NOWHERE), number)
        other = bytes.fromhex("d" * 40)
        villain.put(
            key, veil(villain.card().data, other, purpose=Purpose.HOSTS, bucket=number, key=key, nonce=bytes(12))
        )
        villain.put(key, villain.card().data)
        await asyncio.sleep(30.0)
        assert bob.finder.hosts(NOWHERE) == []

    play(tmp_path, story)


def test_what_waits_for_others_is_bounded(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        evil(world)
        bob = await world.house("bob", tells=True)
        outreach = bob.swarm._outreach
        assert outreach is not None
        for number in range(200):
            sender = Sender(AccountId(f"{number:040x}"), DeviceId(f"{number:064x}"))
            outreach.reply(sender, Want())
            outreach.heed(sender)
        await asyncio.sleep(5.0)
        assert len(outreach._replies) == REPLIES_WAITING_MAX
        assert len(outreach._heeded) == HEEDED_MAX
        presence = [purpose for purpose, _ in outreach._cards._watched if purpose is Purpose.PRESENCE]
        assert len(presence) <= DHT_WATCHED_MAX + 1
        await asyncio.sleep(REPLY_WAITS_S + 60.0)
        assert not outreach._replies
        assert not outreach._heeded

    play(tmp_path, story)
