"""Whole nodes of one account: what its user does on one device is done on all of them. (SCP-04 §7)"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.account.records import ConversationState
from swarmchat.account.state import State
from swarmchat.conversation.actions import Join
from swarmchat.crypto.revocation import device_prefix
from swarmchat.errors import LinkError, PeerError, RefusedError, StorageError
from swarmchat.ids import ConversationId, DeviceId
from swarmchat.limits import INVITATIONS_CHECKED_S, OWN_LEAVE_AWAITED_S
from swarmchat.swarm.mail import Revoked
from tests.support.own_devices import shared
from tests.support.rogue import simulated
from tests.support.sim.dht import SimDht
from tests.support.sim.runtime import EPOCH
from tests.support.swarms import House, World, account_of, play


async def two(world: World, name: str = "bob") -> tuple[House, House]:
    """Two devices of one account that have met."""
    one, two = await world.house(name), await world.house(name, 2)
    await one.knows(two)
    await world.until(lambda: in_step(one, two))
    return one, two


def in_step(*houses: House) -> bool:
    states = [shared(house.keeper.state) for house in houses]
    return all(state == states[0] for state in states) and len(states[0].devices) >= len(houses)


def is_here(house: House, where: ConversationId) -> bool:
    return house.swarm.state_of(where) == "ready"


# --- one acts, the other has it


def test_a_group_made_on_one_device_is_cloned_by_the_other(tmp_path: Path) -> None:
    """SY-02"""

    async def story(world: World) -> None:
        one, other = await two(world)
        where = await one.swarm.create(2, title="Garden")
        await world.until(lambda: is_here(other, where), 5.0)
        assert other.seen("conversation.added")
        assert other.seen("conversation.ready")
        await other.post(where, "from the other")
        await world.until(lambda: world.level(where, one, other))
        joins = [
            entry
            for entry in one.catalog.open(where).history.controls
            if entry.fact.control and isinstance(entry.fact.control.action, Join)
        ]
        assert not joins, "who is in it by its other device joins no second time"

    play(tmp_path, story)


def test_left_on_one_device_is_gone_on_the_other_and_the_group_hears_it_from_either(tmp_path: Path) -> None:
    """SY-06"""

    async def story(world: World) -> None:
        one, other = await two(world)
        alice = await world.house("alice")
        where = await world.room(alice, one)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.knows(alice)
        await world.until(lambda: other.linked(alice))
        await other.swarm.leave(where)
        await world.until(lambda: one.keeper.state.conversations[where].state is ConversationState.REMOVED, 5.0)
        assert len(one.seen("conversation.removed")) == len(other.seen("conversation.removed")) == 1
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(one.account.id), 10.0)
        await world.until(
            lambda: where not in one.catalog.list() and where not in other.catalog.list(), 3 * INVITATIONS_CHECKED_S
        )
        assert in_step(one, other)

    play(tmp_path, story)


def test_dissolved_on_one_device_is_gone_on_the_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(one, alice)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.knows(alice)
        await world.until(lambda: other.linked(alice))
        await one.swarm.leave(where, dissolve=True)
        await world.until(lambda: other.keeper.state.conversations[where].state is ConversationState.REMOVED, 5.0)
        await world.until(lambda: not alice.catalog.open(where).roster.joined, 10.0)
        await world.until(
            lambda: where not in one.catalog.list() and where not in other.catalog.list(), 3 * INVITATIONS_CHECKED_S
        )

    play(tmp_path, story)


# --- revoking


async def revoke(house: House, *devices: DeviceId) -> None:
    """`device revoke`."""
    for device in devices:
        account = house.swarm.account
        house.swarm.own.renewed(account.with_revocations(account.revoke(device, now=int(house.runtime.now()))))
        await house.swarm.own.relisted()


def test_a_device_revoked_by_one_is_refused_by_the_other_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        lost = account_of("bob", 3).device
        await revoke(one, lost)
        await world.until(lambda: device_prefix(lost) in other.swarm.account.revoked, 5.0)
        assert one.swarm.account.revocations == other.swarm.account.revocations

    play(tmp_path, story)


def test_two_that_revoke_different_devices_at_once_end_on_one_list_of_both(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        world.network.partition([[one.host], [other.host]])
        await world.until(lambda: not one.linked(other), 60.0)
        third, fourth, fifth = (account_of("bob", number).device for number in (3, 4, 5))
        await revoke(one, third)
        await revoke(other, fourth, fifth)
        world.network.heal()
        await world.until(lambda: len(one.swarm.account.revoked) == len(other.swarm.account.revoked) == 3, 400.0)
        numbers = {house.swarm.account.revocations.number for house in (one, other)}  # type: ignore[union-attr]
        assert numbers == {3}
        writes = one.keeper.writes + other.keeper.writes
        await asyncio.sleep(60)
        assert one.keeper.writes + other.keeper.writes == writes, "and then there is peace"

    play(tmp_path, story)


def test_a_device_that_was_off_when_it_was_revoked_is_told_by_the_first_that_refuses_its_link(tmp_path: Path) -> None:
    """Its own account's other device is off for good; a member of a common group knows the list from there."""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(alice, one)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.post(where, "from the other")
        await world.until(lambda: world.level(where, alice, one, other))
        await other.knows(alice)
        await other.down()
        await revoke(one, other.account.device)
        await world.until(lambda: world.level(where, alice, one))
        await one.down()
        alice.events.clear()
        await other.up()
        await world.until(lambda: other.swarm.account.is_revoked, 30.0)
        assert other.seen("account.revoked")
        await asyncio.sleep(30)
        assert not alice.linked(other)
        assert not other.swarm.links.links
        assert not alice.seen("link.up"), "to whoever refuses it, it never had a link"

    play(tmp_path, story)


def test_a_device_that_was_off_when_it_was_revoked_is_told_by_its_sibling(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        await other.knows(one)
        await other.down()
        await revoke(one, other.account.device)
        await other.up()
        await world.until(lambda: other.swarm.account.is_revoked, 30.0)
        await asyncio.sleep(30)
        assert not one.linked(other)

    play(tmp_path, story)


def test_nobody_is_made_to_believe_that_he_was_revoked(tmp_path: Path) -> None:
    """A list that the account did not sign, and one that names others, change nothing."""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        forged = account_of("mallory").revoke(alice.account.device, now=int(EPOCH))
        others = account_of("alice").revoke(account_of("alice", 2).device, now=int(EPOCH))
        async with simulated(world, "mallory") as mallory, mallory.linked(alice.address) as link:
            for listed in (forged.der, b"rubbish"):
                await mallory.write(link, Revoked(listed))
            await asyncio.sleep(5)
            assert alice.swarm.account.revocations is None
            await mallory.write(link, Revoked(others.der))
            await world.until(lambda: alice.swarm.account.revocations == others, 5.0)
        assert not alice.swarm.account.is_revoked

    play(tmp_path, story)


def test_a_revoked_device_that_calls_is_told_and_can_open_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        lost = account_of("bob").device
        key = account_of("bob", 2)
        listed = key.revoke(lost, now=int(EPOCH) + 60)
        alice.swarm._parts.access.note_revoked(listed)
        async with simulated(world, "bob") as stolen, stolen.linked(alice.address) as link:
            for channel in ("sync", "invite", "pack", "device", "signal"):
                with pytest.raises((PeerError, LinkError)):
                    await link.open_channel(channel, id=bytes.fromhex(where))
            await asyncio.sleep(1.5)
            assert link.is_over
            assert [mail.listed for mail in stolen.mail if isinstance(mail, Revoked)] == [listed.der]

    play(tmp_path, story)


def test_a_revoked_device_says_so_writes_nothing_dials_nobody_and_can_be_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        where = await one.swarm.create(1)
        await world.until(lambda: is_here(other, where), 5.0)
        said = await one.post(where, "before")
        await world.until(lambda: world.level(where, one, other))
        await revoke(one, other.account.device)
        await world.until(lambda: other.swarm.account.is_revoked, 5.0)
        assert [event.device for event in other.seen("account.revoked")] == [other.account.device]  # type: ignore[union-attr]
        with pytest.raises(RefusedError, match="revoked"):
            await other.post(where, "after")
        with pytest.raises(RefusedError, match="revoked"):
            await other.swarm.people.add_contact(account_of("carol").id)
        assert (await other.swarm.log(where)).knows(said)
        assert other.swarm.state_of(where) == "ready"
        await world.until(lambda: not one.linked(other) and not other.swarm.links.links, 5.0)
        await asyncio.sleep(600)
        assert not other.swarm.links.links
        assert not other.swarm.status.peers()
        await other.down()
        other.account = other.swarm.account
        await other.up()
        await asyncio.sleep(60)
        assert not other.swarm.links.links
        assert not other.seen("account.revoked")[1:], "it is said once"

    play(tmp_path, story)


# --- what the user chose


def test_settings_of_the_account_are_followed_by_all_devices_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(alice, one)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.knows(alice)
        await one.swarm.own.set("name", "Bobby")
        await one.swarm.own.set("send_typing", False)
        await one.swarm.own.set("send_read_receipts", False)
        await world.until(lambda: in_step(one, other), 5.0)
        await world.until(lambda: other.swarm.account.name == "Bobby", 5.0)
        assert other.seen("account.changed")
        said = await other.post(where, "under the new name")
        assert other.catalog.open(where).commit(said).name == "Bobby"  # type: ignore[union-attr]
        await world.until(lambda: world.level(where, alice, one, other))
        alice.events.clear()
        await other.swarm.typing(where, on=True)
        await other.swarm.read(where, said)
        await asyncio.sleep(5)
        assert not alice.seen("typing")
        assert not alice.seen("read")
        await one.swarm.own.set("send_typing", True)
        await world.until(lambda: in_step(one, other), 5.0)
        await asyncio.sleep(1)
        await other.swarm.typing(where, on=False)
        await other.swarm.typing(where, on=True)
        await world.until(lambda: bool(alice.seen("typing")), 5.0)

    play(tmp_path, story)


def test_what_is_preferred_on_one_device_is_told_on_the_other(tmp_path: Path) -> None:
    """C-40, C-41, C-42"""

    async def story(world: World) -> None:
        one, other = await two(world)
        where = await one.swarm.create(1)
        await world.until(lambda: is_here(other, where), 5.0)
        await one.swarm.own.prefer(where, "colour", "red")
        await world.until(lambda: in_step(one, other), 5.0)
        await other.swarm.own.prefer(where, "colour", None)
        await world.until(lambda: in_step(one, other), 5.0)
        for house in (one, other):
            told = [(each.name, each.value) for each in house.seen("conversation.prefs")]  # type: ignore[union-attr]
            assert told == [("colour", "red"), ("colour", None)]

    play(tmp_path, story)


# --- apart, and together again


def test_three_devices_that_met_by_turns_hold_the_same(tmp_path: Path) -> None:
    """What the first told the second reaches the third, which has never been linked with the first."""

    async def story(world: World) -> None:
        one, other = await two(world)
        third = await world.house("bob", 3)
        world.network.partition([[one.host], [other.host, third.host]])
        await world.until(lambda: not one.linked(other), 60.0)
        where = await one.swarm.create(1)
        await one.swarm.people.block(account_of("mallory").id)
        await other.swarm.own.set("name", "Bobby")
        world.network.partition([[one.host, other.host], [third.host]])
        await world.until(lambda: in_step(one, other) and is_here(other, where), 400.0)
        world.network.partition([[one.host], [other.host, third.host]])
        await third.knows(other)
        await world.until(lambda: in_step(other, third) and is_here(third, where), 400.0)
        assert third.keeper.state.is_blocked(account_of("mallory").id)
        assert third.swarm.account.name == "Bobby"
        await third.swarm.people.unblock(account_of("mallory").id)
        world.network.heal()
        await third.knows(one)
        await world.until(lambda: in_step(one, other, third), 400.0)
        assert not one.keeper.state.is_blocked(account_of("mallory").id)

    play(tmp_path, story)


def test_who_comes_back_after_a_month_has_everything_and_what_he_did_counts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        garden = await world.room(alice, one)
        await world.until(lambda: is_here(other, garden), 10.0)
        world.network.partition([[alice.host, one.host], [other.host]])
        await world.until(lambda: not one.linked(other), 60.0)
        await other.swarm.own.prefer(garden, "colour", "green")
        harbour = await other.swarm.create(1, title="Harbour")
        await other.down()
        await alice.down()
        await one.down()
        await asyncio.sleep(32 * 86_400)
        await one.up()
        for week in range(5):
            await one.swarm.own.set("name", f"Bob of week {week}")
            await one.swarm.people.add_contact(account_of(f"friend {week}").id)
        attic = await one.swarm.create(1)
        await one.swarm.leave(garden)
        world.network.heal()
        await alice.up()
        await other.up()
        await world.until(lambda: in_step(one, other) and is_here(other, attic) and is_here(one, harbour), 900.0)
        assert other.swarm.account.name == "Bob of week 4"
        assert len([each for each in other.keeper.state.contacts.values() if each.active]) == 5
        assert other.swarm.state_of(garden) == "closed"

    play(tmp_path, story)


def test_a_crash_between_two_pieces_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DELTA_ENTRIES_MAX", 3)

    async def story(world: World) -> None:
        one = await world.house("bob")
        for number in range(20):
            await one.swarm.people.block(account_of(f"number {number}").id)
        where = await one.swarm.create(1)
        other = await world.house("bob", 2)
        change, pieces = other.keeper.change, 0

        async def full(step: Any) -> Any:
            nonlocal pieces
            pieces += 1
            if pieces > 3:
                raise StorageError("the disk is full")
            return await change(step)

        other.keeper.change = full  # type: ignore[method-assign]
        await one.knows(other)
        await world.until(lambda: pieces > 3)
        some = len(other.keeper.state.contacts)
        assert 0 < some < 20
        assert one.account.device not in other.keeper.state.seen, "it has not all of it"
        await other.down()
        other.keeper.change = change  # type: ignore[method-assign]
        await other.up()
        await world.until(lambda: in_step(one, other) and is_here(other, where), 120.0)
        assert len(other.keeper.state.contacts) == 20

    play(tmp_path, story)


def test_both_write_at_once_and_end_on_the_same(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        where = await one.swarm.create(1)
        await world.until(lambda: is_here(other, where), 5.0)
        for number in range(30):
            await asyncio.gather(
                one.swarm.own.set("name", f"one {number}"),
                other.swarm.own.set("name", f"other {number}"),
                one.swarm.own.prefer(where, f"k{number % 5}", f"one {number}"),
                other.swarm.own.prefer(where, f"k{number % 3}", f"other {number}"),
                one.swarm.people.block(account_of(f"number {number % 4}").id),
                other.swarm.people.unblock(account_of(f"number {number % 4}").id),
            )
        await world.until(lambda: in_step(one, other), 10.0)
        await world.until(lambda: one.swarm.account.name == other.swarm.account.name, 5.0)
        writes = one.keeper.writes + other.keeper.writes
        await asyncio.sleep(30)
        assert one.keeper.writes + other.keeper.writes == writes, "and then there is peace"

    play(tmp_path, story)


# --- gone from one device


def test_a_contact_removed_where_its_conversation_was_purged_is_left_by_the_other_device(tmp_path: Path) -> None:
    """Nothing is here to write a leave into; the other device, which has it, does so without being started anew."""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        pair = (await one.swarm.people.add_contact(alice.account.id, addresses=[alice.address])).conversation
        assert pair is not None
        await other.knows(alice)
        await world.until(lambda: bool(alice.keeper.state.pending()))
        await alice.accept_all()
        await world.until(lambda: is_here(other, pair) and world.level(pair, alice, one, other))
        await one.swarm.purge(pair)
        await one.swarm.people.remove_contact(alice.account.id)
        await world.until(
            lambda: not alice.catalog.open(pair).roster.is_joined(one.account.id), 3 * INVITATIONS_CHECKED_S
        )
        await world.until(lambda: pair not in other.catalog.list(), 3 * INVITATIONS_CHECKED_S)
        await world.until(lambda: in_step(one, other))
        assert one.keeper.state.conversations[pair].state is ConversationState.REMOVED

    play(tmp_path, story)


def test_what_is_purged_on_one_device_stays_on_the_other_and_nobody_hears_of_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(alice, one)
        await world.until(lambda: is_here(other, where), 10.0)
        heads = await alice.heads(where)
        await one.swarm.purge(where)
        assert where not in one.catalog.list()
        await one.down()
        await one.up()
        await asyncio.sleep(3 * INVITATIONS_CHECKED_S)
        assert where not in one.catalog.list(), "nor is it fetched again"
        assert is_here(other, where)
        assert (await alice.heads(where), in_step(one, other)) == (heads, True)
        await one.swarm.people.join(where)  # the user wants it after all: the other device has it
        await world.until(lambda: is_here(one, where), 60.0)
        assert in_step(one, other)

    play(tmp_path, story)


def test_the_other_device_brings_the_leaving_to_the_group_when_the_first_is_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(alice, one)
        await other.knows(alice)
        await world.until(lambda: is_here(other, where), 10.0)
        await alice.down()
        await one.swarm.leave(where)
        await world.until(lambda: other.keeper.state.conversations[where].state is ConversationState.REMOVED, 5.0)
        await asyncio.sleep(5)
        await one.down()
        await alice.up()
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(one.account.id), 60.0)
        await world.until(lambda: where not in other.catalog.list(), 3 * INVITATIONS_CHECKED_S)

    play(tmp_path, story)


def test_what_one_device_left_before_it_had_it_the_other_leaves_after_an_hour(tmp_path: Path) -> None:
    """There is no commit to wait for: nobody else can tell the group."""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await alice.swarm.create(1)
        await one.knows(alice)
        await other.knows(alice)
        await alice.knows(one)
        await alice.swarm.invite(where, [one.account.id])
        await world.until(lambda: bool(one.keeper.state.pending() and other.keeper.state.pending()))
        world.network.partition([[alice.host, other.host], [one.host]])
        await world.until(lambda: not one.linked(alice) and not one.linked(other), 60.0)
        for house in (one, other):
            await house.accept_all()
        await world.until(lambda: is_here(other, where), 60.0)
        await other.post(where, "I am in")
        await asyncio.sleep(1)
        state, _ = one.keeper.state.remove_conversation(where, now_ms=one.swarm._parts.now_ms)
        await one.swarm._parts.change(lambda _: (state, None))  # it left what it had not got yet
        await one.swarm._rooms.erase(where)
        world.network.heal()
        await world.until(lambda: other.swarm.state_of(where) == "closed", 400.0)
        assert other.seen("conversation.removed")
        await asyncio.sleep(600)
        assert alice.catalog.open(where).roster.is_joined(one.account.id)
        await world.until(
            lambda: not alice.catalog.open(where).roster.is_joined(one.account.id), 2 * OWN_LEAVE_AWAITED_S
        )
        await world.until(lambda: where not in other.catalog.list(), 5 * INVITATIONS_CHECKED_S)

    play(tmp_path, story)


# --- a device that sends what is none


@pytest.mark.parametrize(
    "message",
    [
        {"t": "have", "v": 1, "seen": 5},
        {"t": "have", "v": 1, "seen": {}, "crl": b"rubbish"},
        {"t": "delta", "entries": [["setting/name", 5, 1, bytes(32), 1]], "seen": {}, "more": False},
        {
            "t": "delta",
            "entries": [["setting/name", "Eve", 9, bytes(32), 1], ["setting/send_typing", "no", 9, bytes(32), 2]],
            "seen": {},
            "more": False,
        },
        {"t": "delta", "entries": [], "seen": {f"{n:064x}": 1 for n in range(1, 65)}, "more": False},
        {"no": "kind"},
    ],
)
def test_a_message_that_is_none_costs_the_channel_and_changes_nothing(tmp_path: Path, message: dict[str, Any]) -> None:
    async def story(world: World) -> None:
        other = await world.house("bob", 2)
        async with simulated(world, "bob") as himself, himself.linked(other.address) as link:
            channel, _ = await link.open_channel("device")
            before = other.keeper.state
            await channel.send({"t": "of a later version", "x": 1})
            await channel.send(message)
            with contextlib.suppress(LinkError):
                while await channel.receive() is not None:
                    pass
            assert channel.ended
            assert other.keeper.state == before
            assert not link.is_over
            again, _ = await link.open_channel("device")
            heard = await again.receive()
            assert heard is not None
            assert heard["t"] == "have"
            again.close()

    play(tmp_path, story)


def test_nobody_but_an_own_device_may_open_the_channel_and_only_who_dialled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        await bob.down()
        async with simulated(world, "bob") as himself, himself.linked(alice.address) as link:
            with pytest.raises(PeerError, match="forbidden"):
                await link.open_channel("device")

    play(tmp_path, story)


def test_a_device_that_meets_nobody_finds_in_the_dht_that_it_was_revoked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.dht = SimDht(world.network)
        one = await world.house("bob", net="10.1", tells=True)
        other = await world.house("bob", 2, net="10.2", tells=True)
        await world.until(lambda: one.linked(other) and in_step(one, other), 120.0)
        await other.down()
        await revoke(one, other.account.device)
        await asyncio.sleep(30)
        await one.down()
        await other.up()
        await world.until(lambda: other.swarm.account.is_revoked, 300.0)
        assert other.seen("account.revoked")
        assert not other.seen("link.up")[1:]
        await asyncio.sleep(60)
        puts = world.dht.puts
        await asyncio.sleep(3_600)
        assert world.dht.puts == puts, "and it puts nothing there any more"

    play(tmp_path, story)


def test_a_disk_that_is_full_at_the_start_keeps_nothing_from_being_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = await world.house("bob")
        where = await one.swarm.create(1)
        said = await one.post(where, "before")
        await one.down()
        one.keeper.state = State(conversations=one.keeper.state.conversations)  # nothing is stamped, no device is noted
        change = one.keeper.change

        async def full(step: Any) -> Any:
            raise StorageError("the disk is full")

        one.keeper.change = full  # type: ignore[method-assign]
        await one.up()
        assert is_here(one, where)
        assert (await one.swarm.log(where)).knows(said)
        one.keeper.change = change  # type: ignore[method-assign]

    play(tmp_path, story)


@pytest.mark.parametrize("more", [1, 6])
def test_a_disk_that_was_put_back_to_an_older_state_gets_back_what_it_had_said(tmp_path: Path, more: int) -> None:
    """Also where it has said more since than it had before, under the same numbers."""

    async def story(world: World) -> None:
        one, other = await two(world)
        backup = one.keeper.state
        for number in range(3):
            await one.swarm.people.block(account_of(f"before {number}").id)
        await world.until(lambda: in_step(one, other))
        world.network.partition([[one.host], [other.host]])
        await one.down()
        one.keeper.state = backup
        await one.up()
        for number in range(more):
            await one.swarm.people.block(account_of(f"after {number}").id)
        world.network.heal()
        await world.until(lambda: len(other.keeper.state.contacts) == len(one.keeper.state.contacts) == 3 + more, 600.0)
        await world.until(lambda: one.keeper.state.contacts == other.keeper.state.contacts, 10.0)

    play(tmp_path, story)
