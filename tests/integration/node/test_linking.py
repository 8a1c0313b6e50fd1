"""Linking a device with somebody at the other end who is not what he should be, over real links. (SCP-01 §3.2)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.account.account import new_device
from swarmchat.account.archive import document
from swarmchat.account.home import Home
from swarmchat.account.records import OwnDevice
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import issue_device
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from swarmchat.errors import (
    DeliveryTimeout,
    LinkError,
    NotFoundError,
    PeerError,
    RefusedError,
    StorageError,
    SwarmchatError,
)
from swarmchat.ids import DeviceId
from swarmchat.links.channel import Channel
from swarmchat.links.frames import encode
from swarmchat.links.tcp import TcpCarrier
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.commands import NodeCommands
from swarmchat.node.config import Config
from swarmchat.node.newcomer import Newcomer, Wishes
from swarmchat.node.node import Node, Parts
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm.pairing import EXPORTER_LABEL, Candidate, ExistingDevice, NewDevice, Offer, Say
from swarmchat.swarm.pairing_code import PairingCode, parse_code
from tests.support.accounts import device
from tests.support.linked import LinkedNode, account, eventually, identity

WORDS, OTHERS = "acid-zoom-stew-oasis-crisp-cable", "acid-zoom-stew-oasis-crisp-bacon"
CONFIG = Config(listen=(Address("127.0.0.1", 0),), lan_enabled=False, dht_enabled=False)


class Clock(SystemRuntime):
    """The machine's own, which a test puts forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


# --- the existing device, and who claims to be a new one


class Existing:
    """A running node with an account, and its verbs."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        home = Home(folder, folder / "config.toml", folder, folder / "socket")
        home.prepare()
        accounts = AccountVerbs(home, self.clock)
        if not accounts.store.exists():
            accounts.create("Ann", None)
        self.node = Node(home, CONFIG, accounts.store, accounts.store.load(), Parts(self.clock, TcpCarrier()))
        self.verbs = NodeCommands(self.node, accounts, 1, lambda: None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Existing]:
        up = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.node.run(up.set))
            await up.wait()
            try:
                yield self
            finally:
                task.cancel()
        self.node.close()

    @property
    def account(self) -> Any:
        return self.node.account

    def devices(self) -> set[str]:
        return set(self.node.keeper.state.devices) - {self.account.device}

    async def is_as_before(self, other: LinkedNode) -> None:
        """Nothing was noted, nobody is linked, the next code may come."""
        assert self.devices() == set()
        assert self.node.swarm.surroundings.known_devices() == frozenset()
        await eventually(lambda: self.node.swarm.links.link(DeviceId(other.device)) is None)
        assert self.node.finder.addresses(DeviceId(other.device)) == []


Talk = Callable[[Channel], Awaitable[None]]


def add(tmp_path: Path, talk: Talk, then: Callable[[Existing, LinkedNode, str], Awaitable[None]]) -> None:
    """An existing device, a claimed new one that talks so, and its code."""

    async def run() -> None:
        other = LinkedNode(identity(7, now=int(SystemRuntime().now())), on_channel=talk)
        async with Existing(tmp_path).running() as mine, other.running() as address:
            code = str(PairingCode(DeviceId(other.device), WORDS, (address,)))
            await then(mine, other, code)

    asyncio.run(run())


def machine(channel: Channel, words: str = WORDS) -> NewDevice:
    """The honest machine on this channel."""
    us = identity(7, now=int(SystemRuntime().now())).device.device_id
    return NewDevice(words, us=us, now=0, entropy=SystemRuntime().entropy)


async def honest(channel: Channel, *, until: int, words: str = WORDS) -> NewDevice:
    """Do what a new device does, until message `until` was said."""
    side = machine(channel, words)
    move: object = side.open(channel.link.peer.device, channel.link.exporter(EXPORTER_LABEL), 0)
    await channel.accept()
    while True:
        if isinstance(move, Say):
            await channel.send(move.message)
            if move.message["n"] == until:
                return side
        elif isinstance(move, Offer):
            await channel.send(side.agree("laptop"))
            if until == 4:
                return side
        elif move is not None:
            return side
        said = await channel.receive()
        if said is None:
            return side
        move = side.receive(said, 0)


@pytest.mark.parametrize(
    ("code", "reason"), [("busy", "busy"), ("forbidden", "refused"), ("unknown-channel", "refused")]
)
def test_a_new_device_that_does_not_take_the_channel(tmp_path: Path, code: str, reason: str) -> None:
    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        other.policy.refused["pairing"] = code
        with pytest.raises(RefusedError) as caught:
            await mine.verbs.device_add(code=shown)
        assert caught.value.data == {"reason": reason}
        await mine.is_as_before(other)

    async def talk(channel: Channel) -> None:
        raise AssertionError("it was refused")

    add(tmp_path, talk, then)


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("said", [{}, {"n": 1, "spake": b"B" * 33}, {"n": 5, "cert": b""}, {"error": 7}, None])
def test_a_new_device_that_says_something_else_or_nothing_more(
    tmp_path: Path, stage: int, said: dict[str, Any] | None
) -> None:
    async def talk(channel: Channel) -> None:
        if stage:
            await honest(channel, until=stage)
        else:
            await channel.accept()
        if said is not None:
            await channel.send(said)
            await channel.receive()

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        for _ in range(2):  # the first leaves nothing behind that would be in the way of the second
            with pytest.raises(SwarmchatError) as caught:
                await mine.verbs.device_add(code=shown)
            assert isinstance(caught.value, LinkError if said is None else RefusedError)
            await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_bytes_that_are_no_message_cost_the_link(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        await channel.accept()
        await channel.send_bytes(b"\x00\x00\x00\x02\xff\xff")
        await channel.receive()

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        with pytest.raises((RefusedError, LinkError)):
            await mine.verbs.device_add(code=shown)
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_a_new_device_that_claims_to_know_the_words(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        side = machine(channel, OTHERS)
        first = side.open(channel.link.peer.device, channel.link.exporter(EXPORTER_LABEL), 0)
        assert isinstance(first, Say)
        await channel.accept()
        await channel.send(first.message)
        await channel.receive()
        await channel.receive()
        await channel.send({"n": 2, "confirm": bytes(32)})
        told.append(await channel.receive())

    told: list[object] = []

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        with pytest.raises(RefusedError) as caught:
            await mine.verbs.device_add(code=shown)
        assert caught.value.data["reason"] == "auth"
        assert "begin anew" in str(caught.value.hint)
        await eventually(lambda: told == [{"error": "auth"}])
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_a_device_that_is_being_linked_gets_nothing_but_that(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        for name in ("sync", "pack", "invite", "device", "signal", "pairing"):
            with pytest.raises(PeerError) as caught:
                await channel.link.open_channel(name)
            refused[name] = caught.value.peer_code
        await channel.refuse("refused")

    refused: dict[str, str] = {}

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        with pytest.raises(RefusedError):
            await mine.verbs.device_add(code=shown)
        assert set(refused.values()) == {"forbidden"}
        assert len(refused) == 6
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_a_key_that_is_a_device_already_is_not_taken(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        side = await honest(channel, until=2)
        offer = side.receive((await channel.receive()) or {}, 0)
        assert isinstance(offer, Offer)
        side._entropy = lambda count: stolen[0]
        await channel.send(side.agree("laptop"))
        await channel.receive()

    stolen: list[bytes] = []

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        stolen.append(mine.account.device_key.seed)
        with pytest.raises(RefusedError, match="a key that this account has"):
            await mine.verbs.device_add(code=shown)
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_an_account_with_sixteen_devices_says_so_before_anybody_is_called(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        await channel.refuse("forbidden")

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        for number in range(1, limits.DEVICES_PER_ACCOUNT_MAX - 1):
            await mine.node.swarm.own.rename_device(OwnDevice(device(number), "", 1), f"number {number}")
        with pytest.raises(SwarmchatError) as caught:
            await mine.verbs.device_add(code=shown, timeout=0)  # the sixteenth has a place
        assert "at most" not in caught.value.message
        await other.until("down")
        other.diary.clear()
        await mine.node.swarm.own.rename_device(OwnDevice(device(20), "", 1), "the sixteenth")
        with pytest.raises(RefusedError, match="at most 16 devices"):
            await mine.verbs.device_add(code=shown)
        assert other.diary == []
        await mine.verbs.device_revoke(device="the sixteenth")
        with pytest.raises(SwarmchatError) as caught:
            await mine.verbs.device_add(code=shown)
        assert "at most" not in caught.value.message
        assert other.diary

    add(tmp_path, talk, then)


def test_a_device_that_was_revoked_links_and_names_nobody(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        raise AssertionError("nobody is called")

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        key = mine.account.account_key
        prefixes = {device_prefix(mine.account.device)}
        mine.node.swarm._parts.account = mine.account.with_revocations(
            issue_revocations(key, mine.account.certificate, prefixes, number=1, now=int(mine.clock.now()))
        )
        for asked in (mine.verbs.device_add(code=shown), mine.verbs.device_rename(name="desk")):
            with pytest.raises(RefusedError, match="was revoked by its account"):
                await asked

    add(tmp_path, talk, then)


def test_what_is_no_code_of_another_device_is_refused_at_once(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        raise AssertionError("nobody is called")

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        with pytest.raises(RefusedError, match="this very device"):
            await mine.verbs.device_add(code=str(PairingCode(mine.account.device, WORDS)))

    add(tmp_path, talk, then)


def test_a_code_whose_device_is_nowhere_is_given_up_after_the_time_that_was_asked_for(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        raise AssertionError("nobody is called")

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        with pytest.raises(DeliveryTimeout, match="neither the local network nor the DHT"):
            await mine.verbs.device_add(code=f"swarm-link:{'e' * 64}:{WORDS}", timeout=0)
        elsewhere = shown.replace(other.device, "e" * 64)
        with pytest.raises(DeliveryTimeout, match="another device answers"):
            await mine.verbs.device_add(code=elsewhere, timeout=0)
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_who_asks_and_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    """The client of the local API hangs up while the new device's user thinks."""

    async def talk(channel: Channel) -> None:
        await honest(channel, until=2)
        talking.set()
        await channel.receive()
        with pytest.raises(LinkError):
            await channel.receive()

    talking = asyncio.Event()

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        asking = asyncio.create_task(mine.verbs.device_add(code=shown))
        await talking.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_one_at_a_time_and_only_what_was_asked_is_answered(tmp_path: Path) -> None:
    opened, looked = asyncio.Event(), asyncio.Event()

    async def talk(channel: Channel) -> None:
        opened.set()
        await looked.wait()
        await honest(channel, until=4)
        await channel.receive()

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        asking = asyncio.create_task(mine.verbs.device_add(code=shown))
        await opened.wait()
        with pytest.raises(RefusedError) as caught:
            await mine.verbs.device_add(code=shown)
        assert caught.value.data == {"reason": "busy"}
        looked.set()
        asked = await asking
        assert [(row["device"], row["state"]) for row in await mine.verbs.peer_list()] == [(other.device, "pairing")]
        with pytest.raises(NotFoundError):
            await mine.verbs.device_confirm(pairing="0" * 16, accept=True)
        assert (await mine.verbs.device_confirm(pairing=asked["pairing"], accept=False))["state"] == "refused"
        with pytest.raises(NotFoundError):
            await mine.verbs.device_confirm(pairing=asked["pairing"], accept=True)
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_five_minutes_are_over_while_our_user_thinks(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        await honest(channel, until=4)
        await channel.receive()

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        asked = await mine.verbs.device_add(code=shown)
        mine.clock.ahead += limits.PAIRING_LINK_S
        with pytest.raises(NotFoundError):
            await mine.verbs.device_confirm(pairing=asked["pairing"], accept=True)
        await mine.is_as_before(other)

    add(tmp_path, talk, then)


def test_a_device_that_hangs_up_while_our_user_thinks_is_no_longer_in_the_way(tmp_path: Path) -> None:
    async def talk(channel: Channel) -> None:
        await honest(channel, until=4)

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        first = await mine.verbs.device_add(code=shown)
        (link,) = other.manager.links
        await eventually(lambda: not link.channels)
        await link.ping()
        second = await mine.verbs.device_add(code=shown)
        assert first["pairing"] != second["pairing"]
        assert first["device"] != second["device"]

    add(tmp_path, talk, then)


@pytest.mark.parametrize("last", [None, {"n": 6, "ok": False}])
def test_a_last_word_that_does_not_come_is_told_with_the_id_that_can_be_revoked(
    tmp_path: Path, last: dict[str, Any] | None
) -> None:
    async def talk(channel: Channel) -> None:
        await honest(channel, until=4)
        grant = await channel.receive()
        assert grant is not None
        await channel.receive_exactly(grant["archive"])
        if last is not None:
            await channel.send(last)
            await channel.receive()

    async def then(mine: Existing, other: LinkedNode, shown: str) -> None:
        asked = await mine.verbs.device_add(code=shown)
        with pytest.raises(SwarmchatError) as caught:
            await mine.verbs.device_confirm(pairing=asked["pairing"], accept=True)
        assert caught.value.data["device"] == asked["device"]
        await mine.is_as_before(other)
        revoked = await mine.verbs.device_revoke(device=asked["device"])
        assert revoked["id"] == asked["device"]
        assert revoked["may_link"] is None
        assert bytes.fromhex(asked["device"])[:16] in mine.account.revoked

    add(tmp_path, talk, then)


# --- the new device, and who claims to have the account


class New:
    """`swarmchat link` in this process; `events` are what it tells."""

    def __init__(self, folder: Path, *, answer: bool = True) -> None:
        self.home = Home(folder, folder / "config.toml", folder, folder / "socket")
        self.home.prepare()
        self.clock = Clock()
        self.events: list[dict[str, Any]] = []
        self.asked: list[Offer] = []
        self.answer: asyncio.Event | bool = answer

        async def ask(offer: Offer) -> bool:
            self.asked.append(offer)
            if isinstance(self.answer, asyncio.Event):
                await self.answer.wait()
                return True
            return self.answer

        wishes = Wishes("laptop", None, ask, self.events.append)
        self.newcomer = Newcomer(self.home, CONFIG, self.clock, TcpCarrier(), wishes)

    @property
    def code(self) -> PairingCode:
        return parse_code(self.events[0]["code"])

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    @property
    def is_empty(self) -> bool:
        return not [path.name for path in self.home.data.iterdir() if path.suffix == ".json"]


Visit = Callable[[New, LinkedNode], Awaitable[None]]


def visited(tmp_path: Path, visit: Visit, *, answer: bool = True) -> tuple[New, dict[str, Any] | BaseException]:
    """Show a code, have it visited, and what it came to."""

    async def run() -> tuple[New, dict[str, Any] | BaseException]:
        new = New(tmp_path, answer=answer)
        caller = LinkedNode(identity(8, now=int(new.clock.now())))
        async with caller.running(), asyncio.TaskGroup() as tasks:

            async def linking() -> dict[str, Any] | SwarmchatError:
                try:
                    return await new.newcomer.run()
                except SwarmchatError as error:
                    return error

            running = tasks.create_task(linking())
            await eventually(lambda: bool(new.events))
            try:
                await visit(new, caller)
                async with asyncio.timeout(15):
                    return new, await asyncio.shield(running)
            finally:
                running.cancel()

    return asyncio.run(run())


async def call(new: New, caller: LinkedNode) -> Channel:
    """A channel `pairing` with the new device."""
    link = await caller.manager.dial(new.code.device, new.code.addresses)
    channel, _ = await link.open_channel("pairing")
    return channel


def existing(channel: Channel, new: New, words: str | None = None) -> ExistingDevice:
    """The honest machine of a caller."""
    me = identity(8, now=int(new.clock.now()))
    return ExistingDevice(
        words or new.code.words,
        us=me.device.device_id,
        other=new.code.device,
        exporter=channel.link.exporter(EXPORTER_LABEL),
        offer=Offer(me.account.account_id, "Eve", "desk"),
        now=0,
        entropy=new.clock.entropy,
    )


async def talked(channel: Channel, side: ExistingDevice) -> object:
    """Say what there is to say, until something else than that comes."""
    await channel.send(side.begin())
    while True:
        said = await channel.receive()
        if said is None:
            return None
        move = side.receive(said, 0)
        if isinstance(move, Say):
            await channel.send(move.message)
        else:
            return move


async def end(new: New, caller: LinkedNode) -> None:
    """Use the code up, so that it ends."""
    while new.newcomer._side.tries_left:
        channel = await call(new, caller)
        await talked(channel, existing(channel, new, OTHERS))
        channel.close()
        await eventually(lambda: new.newcomer._talking is None)


def test_a_stranger_gets_no_other_channel_and_a_second_one_has_to_wait(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        link = await caller.manager.dial(new.code.device, new.code.addresses)
        for name in ("sync", "pack", "invite", "device", "signal"):
            with pytest.raises(PeerError) as caught:
                await link.open_channel(name)
            assert caught.value.peer_code == "forbidden"
        first = await call(new, caller)
        second = LinkedNode(identity(9, now=int(new.clock.now())))
        async with second.running():
            with pytest.raises(PeerError) as caught:
                await call(new, second)
            assert caught.value.peer_code == "busy"
            with pytest.raises(PeerError) as caught:
                await call(new, caller)
            assert caught.value.peer_code == "busy"
            first.close()
            await eventually(lambda: new.newcomer._talking is None)
            await call(new, second)
        await eventually(lambda: new.newcomer._talking is None)
        await end(new, caller)

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, RefusedError)
    assert new.is_empty


def test_three_wrong_tries_end_it(tmp_path: Path) -> None:
    """L-05: and no more can be had by beginning a fourth before the third is judged."""

    async def visit(new: New, caller: LinkedNode) -> None:
        await end(new, caller)
        with pytest.raises((PeerError, LinkError)):
            await call(new, caller)

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, RefusedError)
    assert [event["left"] for event in new.told("failed")] == [2, 1, 0]
    assert outcome.data == {"reason": "auth"}
    assert new.is_empty
    assert new.asked == []


def test_who_does_not_show_the_words_in_twenty_seconds_makes_room(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel = await call(new, caller)
        assert (await channel.receive() or {})["n"] == 1
        new.clock.ahead += limits.PAIRING_PROOF_S
        assert (await channel.receive() or {})["error"] == "timeout"
        await eventually(lambda: new.newcomer._talking is None)
        assert new.newcomer._side.tries_left == 3
        await end(new, caller)

    assert isinstance(visited(tmp_path, visit)[1], RefusedError)


def test_after_five_minutes_it_is_over(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        new.clock.ahead += limits.PAIRING_LINK_S

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, DeliveryTimeout)
    assert new.is_empty


def test_five_minutes_are_over_while_the_user_of_the_new_device_thinks(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        new.answer = asyncio.Event()
        channel = await call(new, caller)
        side = existing(channel, new)
        talking = asyncio.create_task(talked(channel, side))
        await eventually(lambda: bool(new.asked))
        new.clock.ahead += limits.PAIRING_LINK_S
        await asyncio.wait([talking])

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, DeliveryTimeout)
    assert new.is_empty


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00\x00\x02\xff\xff",
        encode({"n": 2}),
        encode({"n": 1, "spake": b"A" + b"\xff" * 32}),
        encode({"error": 1}),
    ],
)
def test_a_caller_that_says_nonsense_costs_no_try(tmp_path: Path, said: bytes) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel = await call(new, caller)
        await channel.send_bytes(said)
        if not channel.closed:
            channel.close()
        await eventually(lambda: new.newcomer._talking is None)
        assert new.newcomer._side.tries_left == 3
        await end(new, caller)

    assert isinstance(visited(tmp_path, visit)[1], RefusedError)


async def flood(channel: Channel) -> None:
    """More than a stranger may."""
    for _ in range(100):
        await channel.send_bytes(bytes(64_000))


def test_a_stranger_that_sends_much_loses_its_link(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel = await call(new, caller)
        with pytest.raises(LinkError):
            await flood(channel)
        await eventually(lambda: new.newcomer._talking is None)
        await end(new, caller)

    assert isinstance(visited(tmp_path, visit)[1], RefusedError)


async def candidate(new: New, caller: LinkedNode) -> tuple[Channel, ExistingDevice, Candidate]:
    """The user of the new device has agreed to a stranger who knows the words."""
    channel = await call(new, caller)
    side = existing(channel, new)
    move = await talked(channel, side)
    assert isinstance(move, Candidate)
    return channel, side, move


def test_a_grant_that_does_not_hold_ends_it_and_nothing_is_written(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel, side, _ = await candidate(new, caller)
        await channel.send(side.grant(caller.identity.device, 100))
        await channel.send_bytes(b"x" * 100)
        assert (await channel.receive() or {})["error"] == "bad-message"
        channel.close()

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, RefusedError)
    assert new.is_empty
    assert new.told("proved")
    assert new.told("agreed")


def test_a_document_that_is_cut_off_leaves_the_code_good_and_nothing_written(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel, side, _ = await candidate(new, caller)
        await channel.send(side.grant(caller.identity.device, 100_000))
        await channel.send_bytes(b"x" * 70_000)
        channel.link.close("the cable is pulled")
        await eventually(lambda: bool(new.told("lost")))
        assert new.is_empty
        await end(new, caller)

    assert isinstance(visited(tmp_path, visit)[1], RefusedError)


def test_the_other_user_says_no(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel, side, _ = await candidate(new, caller)
        await channel.send(side.refuse())
        await channel.receive()

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, RefusedError)
    assert "did not agree" in outcome.message
    assert new.is_empty


def test_our_user_says_no(tmp_path: Path) -> None:
    async def visit(new: New, caller: LinkedNode) -> None:
        channel = await call(new, caller)
        move = await talked(channel, existing(channel, new))
        assert "refused" in str(move)
        channel.close()

    new, outcome = visited(tmp_path, visit, answer=False)
    assert isinstance(outcome, RefusedError)
    assert "you said no" in outcome.message
    assert new.is_empty


def test_a_disk_that_refuses_leaves_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("no space left")

    async def visit(new: New, caller: LinkedNode) -> None:
        monkeypatch.setattr(new.newcomer._store, "save", full)
        channel, side, found = await candidate(new, caller)
        now = int(new.clock.now())
        key, certificate = account(8, now=now)
        eve = new_device(
            name="Eve", certificate=certificate, account_key=key, revocations=None, now=now, entropy=new.clock.entropy
        )
        data = document(eve, State(), (), with_key=False)
        await channel.send(side.grant(issue_device(key, certificate, found.key, now=now), len(data)))
        await channel.send_bytes(data)
        assert await channel.receive() is None

    new, outcome = visited(tmp_path, visit)
    assert isinstance(outcome, StorageError)
    assert new.is_empty


def test_who_relays_between_two_sessions_is_noticed_though_the_words_are_right(tmp_path: Path) -> None:
    """Ann was shown a code with the words of her new device, and with the device of somebody who sits in between."""

    async def run() -> None:
        new = New(tmp_path / "new")

        async def relay(channel: Channel) -> None:
            there = await call(new, between)
            await channel.accept()

            async def carry(source: Channel, target: Channel) -> None:
                while (said := await source.receive()) is not None:
                    carried.append(said)
                    await target.send(said)
                target.close()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(carry(channel, there))
                tasks.create_task(carry(there, channel))

        carried: list[dict[str, Any]] = []
        between = LinkedNode(identity(7, now=int(new.clock.now())), on_channel=relay)
        async with Existing(tmp_path / "old").running() as mine, between.running() as address:
            async with asyncio.TaskGroup() as tasks:
                linking = tasks.create_task(new.newcomer.run())
                await eventually(lambda: bool(new.events))
                swapped = PairingCode(DeviceId(between.device), new.code.words, (address,))
                with pytest.raises(RefusedError) as caught:
                    await mine.verbs.device_add(code=str(swapped))
                linking.cancel()
            assert caught.value.data == {"reason": "auth", "left": 2}
            assert [said.get("n") for said in carried] == [1, 1, 2, None], "no word of the account was said"
            assert new.asked == []
            assert new.is_empty
            await mine.is_as_before(between)

    asyncio.run(run())
