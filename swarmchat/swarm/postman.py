"""Mail over links: invitations and requests out, again until they are answered; what comes in, on links or sealed, judged and acted on. (SCP-06)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from swarmchat.account.records import ConversationState, Invitation, Request, RequestKind, request_id
from swarmchat.addresses import Address
from swarmchat.conversation import profile
from swarmchat.conversation.actions import Add
from swarmchat.conversation.entries import Entry
from swarmchat.errors import LinkError, PeerError, StorageError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.limits import FAREWELL_S
from swarmchat.links.channel import Channel
from swarmchat.links.link import Link
from swarmchat.swarm import invitations
from swarmchat.swarm.access import MODE_PAIR
from swarmchat.swarm.events import ContactChanged, ConversationAdded, ConversationRemoved, RequestAdded, RequestRemoved
from swarmchat.swarm.invitations import (
    Answer,
    AskFor,
    Confirm,
    Confirmed,
    Fetch,
    Known,
    Located,
    Mailroom,
    Outcast,
    Outcome,
    Sender,
    TakeBack,
    TakenUp,
    Tell,
    Turned,
    Wanted,
    Withdrawn,
)
from swarmchat.swarm.mail import (
    Ask,
    Here,
    Letter,
    Mail,
    Notice,
    SwarmInvite,
    TrustAnswer,
    TrustRequest,
    Withdrawal,
    letter_fields,
    read_letter,
)
from swarmchat.swarm.messages import Got, MessageError
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.rooms import Rooms

_log = logging.getLogger(__name__)

Reply = Callable[[Mail], Awaitable[object]]


class Absent(Protocol):
    """Those who are not linked, as far as anything reaches them: the Outreach."""

    def reply(self, to: Sender, mail: Mail) -> None:
        """Answer one device."""
        ...

    def tell(self, account: AccountId, mail: Mail) -> None:
        """Mail to all devices of an account."""
        ...

    def heed(self, sender: Sender) -> None:
        """It has news."""
        ...

    def whereabouts_for(self, asker: Sender) -> Here | None:
        """What is answered to who asks where we are."""
        ...

    def located(self, sender: Sender, addresses: Sequence[Address]) -> None:
        """It says where it listens."""
        ...


class Postman:
    """The shell around the Mailroom. `absent`: how to reach who is not linked, if there is any way."""

    absent: Absent | None = None
    outcast: Callable[[bytes], None] = staticmethod(lambda listed: None)  # a revocation list that is said to name us

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        links_of: Callable[[AccountId], tuple[Link, ...]],
        reevaluate: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._links_of = links_of
        self._reevaluate = reevaluate
        self._mailroom = Mailroom(parts.access)

    # --- out

    async def send(self, link: Link, mail: Mail) -> bool:
        """Hand one mail over; whether the other end has read it."""
        letter = Letter(mail, int(self._parts.runtime.now()))
        try:
            channel, _ = await link.open_channel("invite", **letter_fields(letter))
        except (LinkError, PeerError) as error:
            _log.info("mail to %s: %s", link.peer.device, error)
            return False
        channel.close()
        return True

    async def deliver(self, account: AccountId) -> None:
        """Send what waits for an account to the devices of it that are linked."""
        parts = self._parts
        for invitation in invitations.due(parts.state, account, parts.runtime.now()):
            links = self._links_of(account)
            mail = self.written(invitation)
            if not links or mail is None:
                continue
            delivered = False
            for link in links:
                delivered = await self.send(link, mail) or delivered
            if delivered:  # else the next link tries again at once: it broke, or nobody listened
                await self._note(invitation)
        for known in list(parts.state.conversations.values()):
            if known.state is ConversationState.SYNCING and known.invited_by == account:
                kind = RequestKind.CONTACT if known.mode == MODE_PAIR else RequestKind.GROUP
                if known.id not in parts.access.rosters:  # it may hold no more, and only the inviter can say so
                    await self.accepted(known.id, account, kind)

    async def accepted(self, conversation: ConversationId, inviter: AccountId, kind: RequestKind) -> None:
        """Tell the linked devices of an inviter that we took it up; it also makes them open `sync` again at once."""
        await self._tell(inviter, TrustAnswer(conversation) if kind is RequestKind.CONTACT else Ask(conversation))

    async def withdraw(self, account: AccountId, conversation: ConversationId) -> None:
        """What we invited an account to holds no more. If it does not hear of it within a second, it learns it when it accepts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._tell(account, Withdrawal(conversation))

    async def take_up(self, request: Request) -> None:
        """What the state has accepted is cloned from now on, and its sender told."""
        offer = request.offer
        self._parts.tell(ConversationAdded(offer.conversation))
        if offer.kind is RequestKind.CONTACT:
            self._parts.tell(ContactChanged(offer.sender))
        await self._rooms.clones.expect(offer.conversation)
        await self.accepted(offer.conversation, offer.sender, offer.kind)

    async def expire(self) -> None:
        """Invitations of ours older than 30 days wait no more."""
        now_ms = self._parts.now_ms
        if await self._parts.change(lambda state: state.expire_invitations(now_ms=now_ms)):
            self._reevaluate()

    # --- in

    async def receive(self, channel: Channel) -> None:
        """A peer brings mail. `ok` means that it was read and nothing else. (SCP-06 §9)"""
        try:
            letter = read_letter(channel.opening)
        except MessageError as error:
            await channel.refuse(error.peer_code, str(error))
            return
        await channel.accept()
        channel.close()
        if letter is None:
            return
        peer = channel.link.peer
        sender = Sender(peer.account, peer.device)
        now = self._parts.runtime.now()
        ahead = channel.link.clock_offset_s  # a clock that is wrong must not make somebody mute
        outcomes = await self._parts.change(
            lambda state: self._mailroom.receive(state, sender, letter, now, ahead=ahead)
        )
        for outcome in outcomes:
            await self._act(outcome, partial(self.send, channel.link))

    async def receive_sealed(self, sender: Sender, letter: Letter) -> None:
        """A letter came out of our mailbox; its writer is proved, and may be gone by now. StorageError: try again. (SCP-06 §9)"""
        now = self._parts.runtime.now()
        try:
            outcomes = await self._parts.change(lambda state: self._mailroom.receive(state, sender, letter, now))
        except StorageError:
            self._mailroom.forget(sender, letter)
            raise
        for outcome in outcomes:
            match outcome:
                case Fetch():
                    self._look_for(outcome)
                case Confirm(conversation, commit):
                    told = Got(conversation, (commit,))
                    self._rooms.answered(sender.device, told, sender.account)  # if we left: that it knows
                    if not self._parts.access.is_member(sender.account, conversation):  # else a link tells
                        await self._act(outcome, partial(self._answer, sender))
                case _:
                    await self._act(outcome, partial(self._answer, sender))

    async def mentioned(self, link: Link, conversations: Sequence[ConversationId]) -> None:
        """A peer's hello speaks of conversations that are not known here: ask. (SCP-06 §6)"""
        sender = Sender(link.peer.account, link.peer.device)
        now = self._parts.runtime.now()
        for conversation in conversations:
            if self._mailroom.has_asked_enough(sender.device, now):
                return
            for outcome in self._mailroom.mentioned(self._parts.state, sender, conversation, now):
                await self._act(outcome, partial(self.send, link))

    # --- inside

    async def _tell(self, account: AccountId, mail: Mail) -> None:
        links = self._links_of(account)
        for link in links:
            await self.send(link, mail)
        if not links and self.absent is not None:
            self.absent.tell(account, mail)

    async def _answer(self, to: Sender, mail: Mail) -> None:
        """On the link with the device, if one stands by now; else the way its letter came."""
        for link in self._links_of(to.account):
            if link.peer.device == to.device:
                await self.send(link, mail)
                return
        if self.absent is not None:
            self.absent.reply(to, mail)

    async def _act(self, outcome: Outcome, reply: Reply) -> None:
        match outcome:
            case Tell(request, dropped):
                for gone in dropped:
                    self._parts.tell(RequestRemoved(gone.id, gone.offer.conversation))
                offer = request.offer
                self._parts.tell(RequestAdded(request.id, offer.conversation, offer.sender, offer.kind))
            case TakenUp(request):
                await self.take_up(request)
            case Withdrawn(request, conversation):
                if request is not None:
                    self._parts.tell(RequestRemoved(request.id, conversation))
                else:
                    await self._rooms.erase(conversation)
                    self._parts.tell(ConversationRemoved(conversation))
            case Turned(conversation, asker):
                if self._rooms.has_invited(asker, conversation):
                    await reply(Withdrawal(conversation))
            case TakeBack(conversation):
                await reply(Withdrawal(conversation))
            case Confirmed(account, _):
                self._parts.tell(ContactChanged(account))
            case Answer(conversation, asker):
                if (mail := self._invitation_to(asker.account, conversation)) is not None:
                    await reply(mail)
            case AskFor(conversation, _):
                await reply(Ask(conversation))
            case Fetch(conversation, heads, sender):
                replicator = self._rooms.get(conversation)
                if replicator is not None and sender.device not in replicator.session.linked:
                    replicator.hello(sender.device, heads, told=None)  # else `sync` tells, and newer
                elif replicator is not None and replicator.session.closed:
                    self._rooms.answered(sender.device, Got(conversation, heads), sender.account)  # what we had asked
            case Confirm(conversation, commit, sender):
                if self._rooms.wrote(sender.account, conversation, commit):
                    await reply(Notice(conversation, commit, (commit,), self._parts.account.device))
            case Known(conversation, sender, contact):
                await self._known(conversation, sender, reply, contact=contact)
            case Outcast(listed):
                self.outcast(listed)
            case Wanted(sender):
                if self.absent is not None and (here := self.absent.whereabouts_for(sender)) is not None:
                    await reply(here)
            case Located(sender, addresses):
                if self.absent is not None:
                    self.absent.located(sender, addresses)

    def _look_for(self, news: Fetch) -> None:
        """A sealed notice may be older than what a link has told since: it leads to who is not linked, if a member. (SCP-05 §1.5)"""
        sender = news.sender
        is_linked = any(link.peer.device == sender.device for link in self._links_of(sender.account))
        is_member = self._parts.access.is_member(sender.account, news.conversation)
        if self.absent is not None and is_member and not is_linked:
            self.absent.heed(sender)

    async def _known(self, conversation: ConversationId, sender: Sender, reply: Reply, *, contact: bool) -> None:
        """It was accepted before: whoever offers it can be cloned from, and is told again."""
        known = self._parts.state.conversations.get(conversation)
        if known is None or known.is_gone:
            return
        if contact and known.invited_by == sender.account:
            await reply(TrustAnswer(conversation))
        if known.state is ConversationState.SYNCING:
            self._parts.access.add_source(conversation, sender.account)
            self._reevaluate()

    async def _note(self, invitation: Invitation) -> None:
        who, where, now_ms = invitation.account, invitation.conversation, self._parts.now_ms
        await self._parts.change(lambda state: (state.tried(who, where, delivered=True, now_ms=now_ms), None))

    def written(self, invitation: Invitation) -> Mail | None:
        """What an invitation of ours says; None while its conversation is not here."""
        if invitation.kind is RequestKind.CONTACT:
            return TrustRequest(
                invitation.conversation, invitation.commit, self._parts.account.name, invitation.created_ms
            )
        return self._swarm_invite(invitation.conversation, invitation.commit, invitation.created_ms)

    def _invitation_to(self, asker: AccountId, conversation: ConversationId) -> Mail | None:
        """For who asks: it names the newest `add` of the asker, for a founder the root; of a 1:1 our request again."""
        replicator = self._rooms.get(conversation)
        if replicator is None or replicator.log.is_empty:
            return None
        if replicator.log.roster.mode == MODE_PAIR:
            return self._trust_request_to(asker, conversation)
        history = replicator.log.history
        adds = (e.id for e in reversed(history.controls) if e.fact.control and e.fact.control.action == Add(asker))
        return self._swarm_invite(conversation, next(adds, history.root.id), self._parts.now_ms)

    def _trust_request_to(self, asker: AccountId, conversation: ConversationId) -> Mail | None:
        """The very request that waits, so that two on their way are one; else as of when the user added the contact."""
        waiting = self._parts.state.invitations.get(request_id(asker, conversation))
        if waiting is not None:
            return self.written(waiting)
        contact = self._parts.state.contact(asker)
        if not contact.active:
            return None
        return TrustRequest(conversation, CommitId(conversation), self._parts.account.name, contact.added_ms)

    def passed_on(self, conversation: ConversationId, add: Entry) -> Mail | None:
        """What an invitation by another member says: the same each time, so that it is one request. (SCP-05 §1.11)"""
        return self._swarm_invite(conversation, add.id, add.fact.time * 1000)

    def _swarm_invite(self, conversation: ConversationId, commit: CommitId, at_ms: int) -> SwarmInvite | None:
        replicator = self._rooms.get(conversation)
        if replicator is None or replicator.log.is_empty:
            return None
        roster = replicator.log.roster
        page = profile.shown(roster.profile)
        return SwarmInvite(conversation, commit, roster.mode, page.title, page.description, len(roster.joined), at_ms)
