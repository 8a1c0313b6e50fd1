"""How a thin peer takes itself to stand, whatever order the words about it come in; without a connection. (SCP-09 §4.7)"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.addresses import Address
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync import messages
from swarmchat.gateways.datasync.effects import Confirmed, Deliver
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Metadata, Payload, PeerId
from swarmchat.gateways.datasync.thin import ThinPeer
from swarmchat.gateways.datasync.thinstore import ThinStore
from swarmchat.gateways.datasync.wishes import Wishes
from swarmchat.runtime import SystemRuntime

GROUP = GroupId(b"g" * 32)
ADMIN, FAR = Secret((1).to_bytes(32)), Secret((7).to_bytes(32))
NODE = PeerId(ADMIN.public.raw)


class Told:
    """A thin peer, what it told, and what its node gives it."""

    def __init__(self, folder: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self.store = ThinStore(folder / "thin.sqlite")
        self.peer = ThinPeer(FAR, self.store, SystemRuntime(), Wishes(Address("localhost", 1)), self.events.append)
        self.peer._node = NODE
        self._last: MessageId | None = None
        self._time = 1_750_000_000

    def of(self, event: str) -> int:
        return len([one for one in self.events if one["event"] == event])

    def made(self, body: messages.Body, *parents: MessageId) -> Message:
        """What the admin says next."""
        self._time += 1
        client = messages.write_client(messages.sign(body, self._last, ADMIN))
        message = Message(GROUP, self._time, client, Metadata(parents))
        self._last = message.id
        return message

    async def given(self, *brought: Message) -> list[Message]:
        """What the node sends; which of it the client is ready to hear."""
        effects = self.peer._exchange.machine.receive(NODE, Payload(messages=brought), 0.0)
        heard = [effect for effect in effects if isinstance(effect, Deliver)]
        for effect in heard:
            await self.peer._exchange._settle(await self.peer.delivered(effect), effect.message.id)
        return [effect.message for effect in heard]

    def confirmed(self) -> None:
        """The node acknowledges all."""
        for message in list(self.peer._unconfirmed):
            self.peer.told(Confirmed(NODE, message))

    async def came_in(self) -> Message:
        """Asked in, and in; what asked it in."""
        invite = self.made(messages.Invite(FAR.public, GROUP))
        await self.given(invite)
        self.confirmed()
        assert self.peer._is_in
        return invite


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    one = Told(tmp_path)
    yield one
    one.store.close()


def played(story: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await story()

    asyncio.run(main())


def test_a_kick_that_comes_after_the_invitation_that_ended_it_puts_nobody_out(told: Told) -> None:
    async def story() -> None:
        kick = told.made(messages.Kick(FAR.public, GROUP))
        invite = told.made(messages.Invite(FAR.public, GROUP), kick.id)
        await told.given(kick)  # it knows of no group, so this says nothing
        assert not told.events
        await told.given(invite)
        told.confirmed()
        await told.given(kick)
        assert told.peer._is_in
        assert not told.of("kicked")

    played(story)


def test_an_invitation_that_its_own_join_named_asks_nobody_in_again(told: Told) -> None:
    async def story() -> None:
        invite = told.made(messages.Invite(FAR.public, GROUP))
        join = Message(
            GROUP,
            1_750_000_009,
            messages.write_client(messages.sign(messages.Join(FAR.public, GROUP), None, FAR)),
            Metadata((invite.id,)),
        )
        await told.given(join)
        assert told.peer._is_in
        await told.given(invite)
        assert told.peer._is_in
        assert not told.of("invited")

    played(story)


def test_who_is_put_out_right_after_a_text_that_he_never_gets_hears_of_it_at_once(told: Told) -> None:
    """The node gives him that text no more: who is out may not have it."""

    async def story() -> None:
        invite = await told.came_in()
        text = told.made(messages.text_post("you never see this"), invite.id)
        kick = told.made(messages.Kick(FAR.public, GROUP), text.id)
        assert await told.given(kick) == [kick]
        assert told.of("kicked") == 1

    played(story)


def test_who_was_put_out_and_asked_in_while_he_was_away_comes_in_again(told: Told) -> None:
    """Of the KICK he hears no more: who is invited may have nothing but the INVITE."""

    async def story() -> None:
        invite = await told.came_in()
        kick = told.made(messages.Kick(FAR.public, GROUP), invite.id)
        again = told.made(messages.Invite(FAR.public, GROUP), kick.id)
        assert await told.given(again) == [again]
        assert told.of("invited") == 2
        (join,) = told.peer._unconfirmed.values()
        assert messages.moves(join, FAR.public)
        told.confirmed()
        assert told.peer._is_in

    played(story)


def test_what_it_said_before_the_end_that_it_knows_is_not_found_once_more(told: Told) -> None:
    """Some of it comes after the next start: where much is lost, or it was ended meanwhile."""

    def own(body: messages.Body, previous: MessageId | None) -> Message:
        client = messages.write_client(messages.sign(body, previous, FAR))
        return Message(GROUP, 1_750_000_000 + (previous is not None), client, Metadata())

    async def story() -> None:
        join = own(messages.Join(FAR.public, GROUP), None)
        await told.given(own(messages.text_post("the end"), join.id))
        assert told.of("found") == 1
        again = ThinPeer(
            FAR, told.store, SystemRuntime(), Wishes(Address("localhost", 1)), (events := list[dict[str, Any]]()).append
        )
        await again.delivered(Deliver(join, NODE))
        assert not [one for one in events if one["event"] == "found"]

    played(story)


@pytest.mark.parametrize("is_in_time", [False, True])
def test_its_own_words_under_another_time_are_nothing_that_it_said(told: Told, is_in_time: bool) -> None:
    """A signature covers no time: whoever hands on our words could have us follow what is in no log."""

    async def story() -> None:
        await told.came_in()
        await told.peer._say("once")
        if is_in_time:
            told.confirmed()
        chain = told.peer._chain
        once = told.peer._held.get(chain.last) if chain.last is not None else None
        assert once is not None
        await told.given(Message(GROUP, once.timestamp + 60, once.body, Metadata()))
        assert chain.last == once.id
        assert not told.of("found") + told.of("shared")
        assert len(told.peer._unconfirmed) == (not is_in_time), "nothing is said a second time"

    played(story)


def test_who_is_put_out_says_that_he_heard_of_it(told: Told) -> None:
    async def story() -> None:
        invite = await told.came_in()
        kick = told.made(messages.Kick(FAR.public, GROUP), invite.id)
        await told.given(kick)
        heads = told.peer._held
        acks = [one for one in heads._messages.values() if messages.read_client(one.body).type is messages.Type.ACK]  # type: ignore[union-attr]
        assert [one.parents for one in acks] == [(kick.id,)]

    played(story)
