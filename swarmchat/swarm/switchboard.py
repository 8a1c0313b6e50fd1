"""Links as they come and go, and what is said on them: each message to the part it concerns. (SCP-03 §4, SCP-04 §2)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from swarmchat.addresses import Address
from swarmchat.errors import SwarmchatError
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.index.receipt_rows import How
from swarmchat.limits import BYE_S, NOTICE_HEADS_MAX
from swarmchat.links.channel import Channel
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.link import Link
from swarmchat.links.peers import LinkClass
from swarmchat.swarm.access import MODE_PUBLIC
from swarmchat.swarm.aims import aims
from swarmchat.swarm.connector import Connector
from swarmchat.swarm.dialogue import Dialogue, Introduction
from swarmchat.swarm.events import LinkDown, LinkUp, PeerOffline, PeerOnline
from swarmchat.swarm.introductions import Introductions
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.mail import Ask, Notice
from swarmchat.swarm.messages import (
    Bad,
    Bye,
    Got,
    Hello,
    News,
    Read,
    Shared,
    SyncMessage,
    Typing,
)
from swarmchat.swarm.own_cards import OwnCards
from swarmchat.swarm.own_devices import OwnDevices
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.postman import Postman
from swarmchat.swarm.presences import Presences
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.rooms import Rooms
from swarmchat.swarm.serving import Serving

_log = logging.getLogger(__name__)


class Switchboard:
    """The Host of all dialogues, and what the connection manager tells."""

    def __init__(self, parts: Parts, own: OwnCards, where: Callable[[], Sequence[Address]]) -> None:
        self._parts = parts
        self._dialogues: dict[Link, Dialogue] = {}
        self._by_device: dict[DeviceId, Dialogue] = {}
        self._announced: set[Link] = set()  # the observer was told that it stands
        self._introductions = Introductions(parts, own, where, self._by_device.values)
        self._tasks: asyncio.TaskGroup | None = None
        self.stir: Callable[[], None] = lambda: None  # links, or what is wanted, may have changed
        self._known: frozenset[DeviceId] = frozenset()

    def connect(
        self,
        rooms: Rooms,
        own_devices: OwnDevices,
        postman: Postman,
        presences: Presences,
        seen: LastSeen,
        links: ConnectionManager,
        connector: Connector,
        recheck_lan: Callable[[], None],
    ) -> None:
        """Give it the parts that themselves need it; once, before anything happens."""
        self._rooms = rooms
        self._serving = Serving(rooms)
        self._own_devices = own_devices
        self._postman = postman
        self._presences = presences
        self._seen = seen
        self._links = links
        self._connector = connector
        self._recheck_lan = recheck_lan

    async def run(self) -> None:
        """Own the dialogues until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._introductions.run())
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    # --- what others ask

    @property
    def known_devices(self) -> frozenset[DeviceId]:
        """The devices that a LAN sighting may be of."""
        return self._known

    def linked(self) -> dict[DeviceId, AccountId]:
        """The devices with a link, and whose they are."""
        return {device: dialogue.account for device, dialogue in self._by_device.items()}

    def post(self, device: DeviceId, message: SyncMessage) -> None:
        """Say something to a device, if it is linked and listens."""
        dialogue = self._by_device.get(device)
        if dialogue is not None:
            dialogue.post(message)

    def link(self, device: DeviceId) -> Link | None:
        """The link with a device."""
        dialogue = self._by_device.get(device)
        return dialogue.link if dialogue else None

    def links_of(self, account: AccountId) -> tuple[Link, ...]:
        """The links with an account's devices."""
        return tuple(
            self._by_device[device].link
            for device in sorted(self._by_device)
            if self._by_device[device].account == account
        )

    def account_of(self, device: DeviceId) -> AccountId | None:
        """Whose device it is, by its link or by a roster."""
        dialogue = self._by_device.get(device)
        if dialogue is not None:
            return dialogue.account
        owners = (roster.owner(device) for roster in self._parts.access.rosters.values())
        return next((owner for owner in owners if owner is not None), None)

    def listeners(self, conversation: ConversationId) -> list[tuple[AccountId, DeviceId]]:
        """The devices that a conversation is spoken of with now, and whose they are."""
        replicator = self._rooms.get(conversation)
        linked = replicator.session.linked if replicator else ()
        return [(self._by_device[device].account, device) for device in linked if device in self._by_device]

    async def flushed(self, device: DeviceId) -> None:
        """Wait until what was said to a device has reached it, at most 1 s."""
        dialogue = self._by_device.get(device)
        if dialogue is not None:
            await dialogue.flushed()

    async def notify(self, conversation: ConversationId) -> None:
        """Tell linked members who do not speak of a conversation with us that there is news: fetch it. (SCP-05 §1.5)"""
        replicator = self._rooms.get(conversation)
        if replicator is None or replicator.log.is_empty:
            return
        heads = replicator.log.heads
        notice = Notice(conversation, heads[0], heads[:NOTICE_HEADS_MAX], self._parts.account.device)
        for _, dialogue in sorted(self._by_device.items()):
            speaks = dialogue.talked and conversation in dialogue.mentioned
            if not speaks and replicator.log.roster.is_joined(dialogue.account):
                await self._postman.send(dialogue.link, notice)

    async def ask(self, conversation: ConversationId) -> None:
        """Have a linked member tell which invitation of ours stands. (SCP-06 §6)"""
        members = self._parts.access.rosters[conversation].joined
        for _, dialogue in sorted(self._by_device.items()):
            if dialogue.account in members and await self._postman.send(dialogue.link, Ask(conversation)):
                return

    async def farewell(self, code: str) -> None:
        """Tell everybody that we go; who does not take it in a moment learns it by the end of the link."""
        talking = [dialogue for _, dialogue in sorted(self._by_device.items()) if dialogue.talked]
        for dialogue in talking:
            dialogue.post(Bye(code))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BYE_S), asyncio.TaskGroup() as tasks:
                for dialogue in talking:
                    tasks.create_task(dialogue.flushed())

    def reevaluate(self) -> None:
        """Rosters, contacts, requests or devices changed: who may do what, whom we want, what is common."""
        self._aim()
        self._links.reclassify()
        self._introductions.stir()
        self.stir()
        for dialogue in list(self._dialogues.values()):
            self._announce(dialogue.link)
            access = self._parts.access
            common = set(access.common(dialogue.account, dialogue.device))
            if common - dialogue.told.keys():
                dialogue.greet()
            elif common:
                dialogue.try_again()
            if dialogue.talked:
                self._match(dialogue, anew=False)
            if not self.may_talk(dialogue):
                dialogue.hush()
            self._ask_silent(dialogue)

    def moved(self) -> None:
        """Our own addresses may be others now."""
        self._introductions.stir()
        self.stir()

    # --- what the connection manager tells

    def link_up(self, link: Link) -> None:
        """A link stands."""
        if link.link_class is LinkClass.PAIRING:
            return  # whoever is linking a device dialled it, and talks there alone
        peer = link.peer
        dialogue = Dialogue(link, self._parts.runtime, self)
        self._dialogues[link] = self._by_device[peer.device] = dialogue
        self._connector.link_up(link)
        self.stir()
        self._announce(link)
        self._ask_silent(dialogue)
        if self._tasks is not None:
            self._spawn(dialogue.run())
            self._spawn(self._postman.deliver(peer.account))
            if link.dialled and peer.account == self._parts.account.id:
                self._spawn(self._own_devices.keep(link))

    def link_down(self, link: Link, reason: str) -> None:
        """It is gone, or another takes its place at once."""
        peer = link.peer
        dialogue = self._dialogues.pop(link, None)
        if dialogue is None:
            return
        dialogue.end()
        self.stir()
        if self._by_device.get(peer.device) is dialogue:
            del self._by_device[peer.device]
        self.silent(dialogue)
        self._connector.link_down(link, reason, useful=dialogue.was_useful)
        if link in self._announced:
            self._announced.discard(link)
            self._seen.heard(peer.account, peer.device, How.BYE if dialogue.said_bye else How.LOST)
            self._parts.tell(LinkDown(peer.account, peer.device, reason))
            if not self._is_online(peer.account):
                self._parts.tell(PeerOffline(peer.account))

    async def serve(self, channel: Channel) -> None:
        """A channel that a peer opened and may have."""
        match channel.name:
            case "sync":
                dialogue = self._dialogues.get(channel.link)
                if dialogue is None:
                    await channel.refuse("not-here", "this link is not the one")
                else:
                    await dialogue.serve(channel)
            case "pack":
                was_served = await self._serving.serve(channel)
                if was_served and (dialogue := self._dialogues.get(channel.link)) is not None:
                    dialogue.try_again()  # it may have fetched what makes us one of its members
            case "device":
                await self._own_devices.serve(channel)
            case "mvds":
                await self._parts.bridge.serve(channel)
            case "invite":
                await self._postman.receive(channel)
                if (dialogue := self._dialogues.get(channel.link)) is not None:
                    dialogue.try_again()  # who writes may have taken us up just now
            case _:
                await channel.refuse("unknown-channel", channel.name)

    # --- Host

    def greeting(self, dialogue: Dialogue) -> tuple[list[Shared], Introduction]:
        """What is common with the peer now, and who is where."""
        shared = []
        for conversation in self._parts.access.common(dialogue.account, dialogue.device):
            replicator = self._rooms.get(conversation)
            if replicator is not None:
                shared.append(Shared(conversation, replicator.log.heads))
        return shared, self._introductions.greeting(dialogue)

    def introduced(self, dialogue: Dialogue, said: Introduction) -> None:
        """The peer said who is where."""
        learnt = self._introductions.take(dialogue, said)
        if learnt.devices:
            self._aim()
        for device in sorted(learnt.dial):
            self._connector.hinted(device)

    def greeted(self, dialogue: Dialogue) -> None:
        """The peer said hello."""
        self._match(dialogue, anew=True)
        self._presences.greeted(dialogue.device, dialogue.mentioned.keys())
        self._ask_about_leaving(dialogue)
        known, access = self._parts.state.conversations, self._parts.access
        if unknown := sorted(one for one in dialogue.mentioned if one not in known or access.is_outside(one)):
            self._spawn(self._postman.mentioned(dialogue.link, unknown))

    def may_talk(self, dialogue: Dialogue) -> bool:
        """Whether we have anything to say to the peer on `sync`."""
        return self._parts.access.is_in_step(dialogue.account, dialogue.device)

    def heard(self, dialogue: Dialogue, message: SyncMessage) -> bool:
        """Hand a message to the part it concerns; False when its conversation is not common."""
        if isinstance(message, Bye | Hello):
            return True
        conversation = message.conversation
        replicator = self._rooms.get(conversation)
        if replicator is None or not self._parts.access.is_common(dialogue.account, dialogue.device, conversation):
            if isinstance(message, News) and self._parts.access.is_outside(conversation):
                self._spawn(self._postman.mentioned(dialogue.link, [conversation]))  # we may be invited again
                known = [head for head in message.heads if self._rooms.wrote(dialogue.account, conversation, head)]
                if known:
                    dialogue.post(Got(conversation, tuple(known)))  # from another who told us of it before
            return self._rooms.answered(dialogue.device, message)
        match message:
            case News(heads=heads):
                self._ensure(dialogue, replicator, heads)
                replicator.news(dialogue.device, message)
            case Got(heads=heads):
                self._ensure(dialogue, replicator, heads)
                replicator.got(dialogue.device, heads)
            case Bad(commit=commit, code=code, rule=rule):
                _log.info("%s refused %s of %s: %s %s", dialogue.device, commit, conversation, code, rule)
            case Read() | Typing():
                self._presences.heard(dialogue.account, dialogue.device, message, replicator)
        return True

    def silent(self, dialogue: Dialogue) -> None:
        """A dialogue is over: nothing is common with that device until it says hello again."""
        self._introductions.over(dialogue)
        if self._by_device.get(dialogue.device, dialogue) is not dialogue:
            return  # a better link has taken over
        for replicator in self._rooms.all():
            replicator.unlinked(dialogue.device)
        self._presences.gone(dialogue.device)

    def _ask_silent(self, dialogue: Dialogue) -> None:
        """Who dialled us and to whom we are nobody opens no `sync` that it could refuse us either."""
        if not dialogue.talked and not dialogue.link.dialled:
            self.refused(dialogue)

    def refused(self, dialogue: Dialogue) -> None:
        """To the peer we are a stranger; a public conversation it gives even so."""
        for conversation in self._parts.access.common(dialogue.account, dialogue.device):
            replicator = self._rooms.get(conversation)
            if replicator is not None and self._parts.access.is_expected(conversation):
                replicator.probe(dialogue.device)
        self._ask_about_leaving(dialogue)

    def ask_behind(self, conversation: ConversationId, device: DeviceId) -> None:
        """What it names has come after we left, and we do not fetch it: whether our leaving is behind it, only it can tell."""
        dialogue = self._by_device.get(device)
        if dialogue is None:
            return
        for question in self._rooms.questions(dialogue.account):
            if question.conversation == conversation:
                self._ask_once(dialogue, question)

    # --- inside

    def _ask_about_leaving(self, dialogue: Dialogue) -> None:
        """Who does not speak with us of what we left may know why: ask, once on a link. (SCP-06 §7)"""
        for question in self._rooms.questions(dialogue.account):
            if question.conversation not in dialogue.mentioned:
                self._ask_once(dialogue, question)

    def _ask_once(self, dialogue: Dialogue, question: Notice) -> None:
        if question.conversation not in dialogue.asked:
            dialogue.asked.add(question.conversation)
            self._spawn(self._ask(dialogue.link, question))

    async def _ask(self, link: Link, question: Notice) -> None:
        await self._postman.send(link, question)

    def _announce(self, link: Link) -> None:
        """Tell the observer of a link, once, unless a stranger made it: his coming and going is no news. (SCP-08 §3.3)"""
        if link in self._announced or link.link_class is LinkClass.STRANGER:
            return
        first = not self._is_online(link.peer.account)
        self._announced.add(link)
        self._seen.heard(link.peer.account, link.peer.device, How.LINKED)
        self._parts.tell(LinkUp(link.peer.account, link.peer.device, link.path, link.address))
        if first:
            self._parts.tell(PeerOnline(link.peer.account))

    def _is_online(self, account: AccountId) -> bool:
        return any(link.peer.account == account for link in self._announced)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A disk or peer that refuses costs this piece of work, not the node."""
        try:
            await work
        except SwarmchatError as error:
            _log.warning("%s", error)

    def _match(self, dialogue: Dialogue, *, anew: bool) -> None:
        """Bring the sessions in line with what both sides hold for common now; `anew`: the peer said so just now."""
        common = set(self._parts.access.common(dialogue.account, dialogue.device))
        for replicator in self._rooms.all():
            conversation = replicator.conversation
            is_linked = dialogue.device in replicator.session.linked
            if conversation in common and conversation in dialogue.mentioned:
                if anew or not is_linked:
                    heads = dialogue.mentioned[conversation]
                    replicator.hello(dialogue.device, heads, told=dialogue.told.get(conversation))
            elif conversation not in common:
                if is_linked:
                    dialogue.told.pop(conversation, None)  # if it is common again one day, that is to be said anew
                replicator.forget(dialogue.device)
            else:
                if is_linked and anew:
                    replicator.unlinked(dialogue.device)
                if self._is_open_to_all(conversation):
                    replicator.probe(dialogue.device)

    def _is_open_to_all(self, conversation: ConversationId) -> bool:
        """Whether a clone is awaited of what anybody may have: who has it does not name it to who is not of it."""
        known = self._parts.state.conversations.get(conversation)
        return known is not None and known.mode == MODE_PUBLIC and self._parts.access.is_expected(conversation)

    def _ensure(self, dialogue: Dialogue, replicator: Replicator, heads: tuple[Any, ...]) -> None:
        """Who speaks of a conversation holds it for common, hello or not."""
        if dialogue.device not in replicator.session.linked:
            replicator.hello(dialogue.device, heads, told=dialogue.told.get(replicator.conversation))

    def _aim(self) -> None:
        mine, access, state = self._parts.account, self._parts.access, self._parts.state
        found = aims(
            (mine.id, mine.device),
            access,
            state,
            carded=self._carded,
            linked={device: dialogue.account for device, dialogue in self._by_device.items()},
            listed=self._parts.finder.listed(),
        )
        self._connector.wants({*found.targets, *self._connector.strays(found.sought)})
        known = frozenset(DeviceId(target) for target in found.targets if len(target) == 64)
        if known != self._known:
            self._known = known
            self._recheck_lan()

    def _carded(self, account: AccountId) -> list[DeviceId]:
        return [card.device_id for card in self._parts.finder.devices(account)]
