"""Reaching whom no link reaches, over the DHT: whose cards are watched, what is mailed to whom, who is told where we are. (SCP-05 §1, SCP-06 §2–§6)

`look` compares what is wanted with what is done, whenever something happened and every half minute. What can be decided without
asking others is decided by the machines beside it: `lookout`, `holders`, `notices`, `wants`, `outbox`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from swarmchat.account.records import ConversationState, Invitation
from swarmchat.addresses import Address
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.roster import Roster
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.cards import Card
from swarmchat.discovery.directory import Directory
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import (
    DHT_GATHER_S,
    DHT_HOSTED_AFTER_S,
    DHT_HOSTED_MAX,
    DHT_LOOKED_AFTER_S,
    DHT_SOUGHT_MAX,
    DHT_TTL_MAX_S,
    DHT_WATCH_TURN_S,
    HEEDED_MAX,
    HELD_PER_CONVERSATION_MAX,
    HOSTS_ADDED_MAX,
    INVITATION_KEPT_S,
    INVITATION_RESEND_S,
    NOTICE_HEADS_MAX,
    PRESENT_MAX,
    REPLIES_WAITING_MAX,
    REPLY_WAITS_S,
    WANT_TTL_S,
)
from swarmchat.swarm.access import MODE_PAIR, MODE_PUBLIC
from swarmchat.swarm.announcer import Announcer
from swarmchat.swarm.card_watch import CardWatch
from swarmchat.swarm.courier import Courier
from swarmchat.swarm.holders import held, inviters, is_mine
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.lookout import in_turns, watched
from swarmchat.swarm.mail import Ask, Here, Letter, Mail, Notice, Revoked, TrustAnswer, Want
from swarmchat.swarm.mesh import Target
from swarmchat.swarm.notices import Notices
from swarmchat.swarm.outbox import Posting
from swarmchat.swarm.own_cards import OwnCards
from swarmchat.swarm.parts import Audience, Parts
from swarmchat.swarm.rooms import Rooms
from swarmchat.swarm.wants import Wants

People = Mapping[DeviceId, AccountId]


class Secretary(Protocol):
    """Who reads and writes our mail: the Postman."""

    async def receive_sealed(self, sender: Sender, letter: Letter) -> None:
        """A letter came out of our mailbox."""
        ...

    def written(self, invitation: Invitation) -> Mail | None:
        """What an invitation of ours says."""
        ...

    def passed_on(self, conversation: ConversationId, add: Entry) -> Mail | None:
        """What an invitation by another member says."""
        ...


@dataclass(frozen=True, slots=True)
class Ties:
    """How it reaches the links."""

    linked: Callable[[], People]
    targets: Callable[[], frozenset[Target]]
    hinted: Callable[[DeviceId], None]
    reevaluate: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Held:
    invitee: AccountId
    nearer: tuple[DeviceId, ...]
    inviter: AccountId
    add: Entry


class Outreach:
    """`where`: our own addresses now, as others may know them. Without `run` nothing goes out and nothing comes in."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        secretary: Secretary,
        own: OwnCards,
        where: Callable[[], Sequence[Address]],
        directory: Directory,
        ties: Ties,
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._secretary = secretary
        self._where = where
        self._ties = ties
        self._announcer = Announcer(parts, own, directory)
        self._cards = CardWatch(
            parts, directory, where, seen=self._seen, found_host=self._found_host, revoked=ties.reevaluate
        )
        self._courier = Courier(parts, directory, secretary.receive_sealed)
        self._notices = Notices()
        self._wants = Wants(parts.runtime.random, lambda device: bool(parts.finder.addresses(device)))
        self._present: OrderedDict[DeviceId, tuple[AccountId, int]] = OrderedDict()  # whose, and until when (unix s)
        self._posted: dict[tuple[ConversationId, DeviceId], float] = {}  # invitations, when last
        self._held: dict[ConversationId, tuple[Roster, frozenset[AccountId], list[_Held]]] = {}
        self._replies: OrderedDict[tuple[AccountId, DeviceId | None, str], tuple[Mail, float]] = OrderedDict()
        self._heeded: OrderedDict[AccountId, float] = OrderedDict()  # until when
        self._alone: dict[ConversationId, float] = {}  # since when nobody of it is linked
        self._stirred = asyncio.Event()

    # --- what happens

    def stir(self) -> None:
        """Links, rosters, contacts, invitations or our addresses may have changed: see soon what is to be done."""
        self._stirred.set()

    def wrote(self, conversation: ConversationId) -> None:
        """We wrote something: members whom we want to be linked with and are not are to hear of it. (SCP-05 §1.5)"""
        replicator = self._rooms.get(conversation)
        if replicator is None or replicator.log.is_empty:
            return
        wanted = [DeviceId(name) for name in self._ties.targets() - self._ties.linked().keys() if len(name) == 64]
        if wanted:
            heads, roster, present = replicator.log.heads, replicator.log.roster, dict(self._present_devices())
            notice = Notice(conversation, heads[0], heads[:NOTICE_HEADS_MAX], self._parts.account.device)
            owners = {device: roster.owner(device) or present.get(device) for device in wanted}
            self._notices.news(notice, sorted(each for each, who in owners.items() if who and roster.is_joined(who)))
        self.stir()

    def reply(self, to: Sender, mail: Mail) -> None:
        """Answer a letter as soon as the card of its writer is known."""
        self._wait(to.account, to.device, mail)

    def tell(self, account: AccountId, mail: Mail) -> None:
        """The same to all devices of an account that are there."""
        self._wait(account, None, mail)

    def heed(self, sender: Sender) -> None:
        """A member has news and is not linked: look where it is. It is dialled only if it is wanted anyway. (SCP-05 §1.5)"""
        self._heeded.pop(sender.account, None)
        self._heeded[sender.account] = self._now + REPLY_WAITS_S
        if len(self._heeded) > HEEDED_MAX:
            self._heeded.popitem(last=False)
        self.stir()

    def whereabouts_for(self, asker: Sender) -> Here | None:
        """What is answered to who asks where we are; None for who may not know, and above 10 a minute. (SCP-05 §1.12)"""
        parts, audience = self._parts, self._parts.settings.addresses
        if audience is Audience.NONE or parts.state.is_blocked(asker.account):
            return None
        is_ours = asker.account == parts.account.id or parts.state.is_contact(asker.account)
        if not is_ours and (audience is Audience.CONTACTS or not parts.access.may_locate(asker.account, asker.device)):
            return None
        where = tuple(self._where())
        return Here(where) if where and self._wants.may_answer(self._now) else None

    def located(self, sender: Sender, addresses: Sequence[Address]) -> None:
        """A device says where it listens: believed if it was asked; what it says costs dials at most."""
        if not self._wants.expects(sender.device, self._now):
            return
        here_alone = all(address.is_loopback for address in self._where())
        told = [address for address in addresses if address.may_travel and (here_alone or not address.is_loopback)]
        self._parts.finder.told(sender.device, told, Source.DHT)
        if told:
            self._ties.hinted(sender.device)

    # --- life

    async def run(self) -> None:
        """Keep looking until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._cards.run())
                tasks.create_task(self._courier.run())
                while True:
                    self._stirred.clear()
                    self.look()
                    await self._pause()
        finally:
            self._announcer.close()

    def look(self) -> None:
        """Do what is to be done now."""
        if self._parts.access.is_revoked:
            self._announcer.close()
            self._cards.look((), ())
            return
        linked = self._ties.linked()
        self._forget()
        for device in sorted(linked):
            self._notices.over(device)
            self._courier.withdraw(device)
        self._courier.look()
        away = {device: account for device, account in self._present_devices() if device not in linked}
        mine = self._of_others(linked)
        self._cards.look(self._watched(linked, {each.invitee for _, each in mine}), self._sought())
        self._announcer.tell(self._hosted(linked))
        self._invite(linked, away)
        self._pass_on(mine, away)
        for device, notice in self._notices.take(away.__contains__, self._now):
            self._post(Sender(away[device], device), notice)
        self._ask_about_leaving(away)
        targets, access = self._ties.targets(), self._parts.access
        to_ask = [each for each, owner in away.items() if each in targets and access.is_located_by(owner)]
        for device in self._wants.take(to_ask, self._now):
            self._post(Sender(away[device], device), Want())
        self._answer()

    async def _pause(self) -> None:
        wake_at = self._wants.wake_at()
        delay_s = DHT_LOOKED_AFTER_S
        if wake_at is not None:
            delay_s = min(delay_s, max(DHT_GATHER_S, wake_at - self._now))
        try:
            async with asyncio.timeout(delay_s):
                await self._stirred.wait()
        except TimeoutError:
            return
        await self._parts.runtime.sleep(DHT_GATHER_S)

    # --- what the directory shows

    def _seen(self, card: Card) -> None:
        """A card says that a device is there, or was in the last ten minutes."""
        if card.online_until <= self._parts.runtime.now():
            return
        known = self._present.pop(card.device_id, None)
        if known is None or known[1] < card.online_until:
            self._wants.shown(card.device_id, self._now)
        self._present[card.device_id] = card.account_id, card.online_until
        if len(self._present) > PRESENT_MAX:
            self._present.popitem(last=False)
        if known is None:
            self._ties.reevaluate()  # the device may be one that is wanted, and that nobody knew
        if card.addresses:
            self._ties.hinted(card.device_id)
        self.stir()

    def _found_host(self, conversation: ConversationId, card: Card) -> None:
        """Somebody who knows the id of what we want to clone says that he has it. What he gives is judged like any other."""
        access, account = self._parts.access, card.account_id
        is_new = self._parts.finder.saw_host(conversation, card, Source.DHT)
        if is_new and account not in access.sources_of(conversation):
            added = {host.account for host in self._parts.finder.hosts(conversation)}
            if len(added & access.sources_of(conversation)) < HOSTS_ADDED_MAX:
                access.add_source(conversation, account)
                self._ties.reevaluate()
        self._seen(card)

    def _present_devices(self) -> Iterator[tuple[DeviceId, AccountId]]:
        now = self._parts.runtime.now()
        for device, (account, until) in self._present.items():
            if now < until and not self._parts.state.is_blocked(account):
                yield device, account

    # --- whom to look for

    def _watched(self, linked: People, invited: set[AccountId]) -> frozenset[AccountId]:
        parts, here = self._parts, set(linked.values())
        first = {contact.account for contact in parts.state.contacts.values() if contact.active} | invited
        first |= {invitation.account for invitation in parts.state.ours_to_send()}
        first |= set(parts.access.heirs.values())
        rest: set[AccountId] = set()
        for conversation, roster in parts.access.rosters.items():
            if parts.access.is_ours(conversation):
                (rest if here & roster.joined - {parts.account.id} else first).update(roster.joined)
        # Of these another device may be meant than the one that is linked.
        awaited = parts.access.sources | {account for account, _, _ in self._replies} | self._heeded.keys()
        turn = int(self._now // DHT_WATCH_TURN_S)
        waited_for = self._others((first - here) | awaited)
        return watched(waited_for, self._others(rest - here), turn) | {parts.account.id}

    def _others(self, accounts: Iterable[AccountId]) -> set[AccountId]:
        state = self._parts.state
        return {each for each in accounts if each != self._parts.account.id and not state.is_blocked(each)}

    def _sought(self) -> tuple[ConversationId, ...]:
        """What is to be cloned: also where somebody is linked it could come from, for he may not have it."""
        return in_turns(self._parts.access.expected, DHT_SOUGHT_MAX, int(self._now // DHT_WATCH_TURN_S))

    def _hosted(self, linked: People) -> list[ConversationId]:
        """Public conversations, and those that nobody else who is linked has; at most 32."""
        parts, here, now = self._parts, set(linked.values()), self._now
        public, alone = [], {}
        for conversation, roster in sorted(parts.access.rosters.items()):
            known = parts.state.conversations.get(conversation)
            if known is None or known.state is not ConversationState.ACTIVE or not roster.is_joined(parts.account.id):
                continue
            if roster.mode == MODE_PUBLIC:
                public.append(conversation)
            elif not here & roster.joined:
                alone[conversation] = self._alone.get(conversation, now)
        self._alone = alone
        long = [each for each, since in alone.items() if now - since >= DHT_HOSTED_AFTER_S]
        return [*public, *long][:DHT_HOSTED_MAX]

    # --- mail

    def _invite(self, linked: People, away: People) -> None:
        """Our own invitations, to those devices of who is invited that are there, where none of them is linked. (SCP-05 §1.11)"""
        waiting = self._parts.state.invitations
        here, there = set(linked.values()), set(away.values())
        for _, invitation in sorted(waiting.items()):
            account = invitation.account
            if account in there and account not in here and (mail := self._secretary.written(invitation)) is not None:
                self._send_on(invitation.conversation, account, away, mail)

    def _pass_on(self, mine: list[tuple[ConversationId, _Held]], away: People) -> None:
        there = set(away.values())
        for conversation, each in mine:
            if each.invitee in there and (mail := self._secretary.passed_on(conversation, each.add)) is not None:
                self._send_on(conversation, each.invitee, away, mail)

    def _ask_about_leaving(self, away: People) -> None:
        """Whoever does not speak with us of what we left may know why; to be asked where no link leads to him. (SCP-06 §7)"""
        if not any(self._is_departed(conversation) for conversation in self._parts.state.conversations):
            return
        for account in sorted(set(away.values())):
            for question in self._rooms.questions(account):
                self._send_on(question.conversation, account, away, question)

    def _is_departed(self, conversation: ConversationId) -> bool:
        known = self._parts.state.conversations[conversation]
        return known.state is ConversationState.REMOVED and self._rooms.get(conversation) is not None

    def _send_on(self, conversation: ConversationId, account: AccountId, away: People, mail: Mail) -> None:
        for device in sorted(device for device, owner in away.items() if owner == account):
            last = self._posted.get((conversation, device))
            if last is None or self._now - last >= INVITATION_RESEND_S:
                self._posted[conversation, device] = self._now
                self._post(Sender(account, device), mail)

    def _of_others(self, linked: People) -> list[tuple[ConversationId, _Held]]:
        """The invitations by other members that it is this device's turn to send. (SCP-05 §1.11)"""
        parts, found = self._parts, []
        here = set(linked.values())
        sent = {(each.conversation, each.account) for each in parts.state.invitations.values()}
        for conversation, roster in sorted(parts.access.rosters.items()):
            if roster.mode == MODE_PAIR or not roster.invited or not roster.is_joined(parts.account.id):
                self._held.pop(conversation, None)
                continue
            for each in self._holdings(conversation, roster):
                inviter = roster.devices_of(each.inviter)
                young = parts.runtime.now() < each.add.fact.time + INVITATION_KEPT_S
                is_free = each.invitee not in here and (conversation, each.invitee) not in sent
                if young and is_free and is_mine(each.nearer, inviter, linked):
                    found.append((conversation, each))
        for gone in self._held.keys() - parts.access.rosters.keys():
            del self._held[gone]
        return found

    def _holdings(self, conversation: ConversationId, roster: Roster) -> list[_Held]:
        known, replicator = self._held.get(conversation), self._rooms.get(conversation)
        bridge = self._parts.bridge  # which learns who is foreign a moment after the roster did
        foreign = frozenset(each for each in roster.invited if bridge.is_foreign(conversation, each))
        if known is not None and known[0] is roster and known[1] == foreign:
            return known[2]
        mine = self._parts.account
        chosen = held(mine.device, conversation, roster, foreign)
        adds = inviters(replicator.log.history.controls, roster.invited - foreign) if replicator is not None else {}
        holdings = []
        for invitee, add in sorted(adds.items()):
            author = add.fact.account
            if author is not None and (invitee in chosen or author == mine.id):  # or another device of ours invited
                holdings.append(_Held(invitee, chosen.get(invitee, ()), author, add))
        self._held[conversation] = roster, foreign, holdings[:HELD_PER_CONVERSATION_MAX]
        return self._held[conversation][2]

    def _wait(self, account: AccountId, device: DeviceId | None, mail: Mail) -> None:
        name = account, device, _topic(mail)
        self._replies.pop(name, None)
        self._replies[name] = mail, self._now + REPLY_WAITS_S
        if len(self._replies) > REPLIES_WAITING_MAX:
            self._replies.popitem(last=False)
        self.stir()

    def _answer(self) -> None:
        """Replies whose cards are known now; the sealing key of a card of last week still opens. (SCP-05 §1.3)"""
        for name, (mail, _) in list(self._replies.items()):
            account, device, _ = name
            known = [card.device_id for card in self._parts.finder.devices(account)]
            to = [each for each in known if each == device] if device else known
            for each in to:
                self._post(Sender(account, each), mail)
            if to:
                del self._replies[name]

    def _post(self, to: Sender, mail: Mail) -> None:
        ttl_s = WANT_TTL_S if isinstance(mail, Want | Here) else DHT_TTL_MAX_S
        self._courier.post(Posting(to, _topic(mail), mail, ttl_s))

    # --- inside

    @property
    def _now(self) -> float:
        return self._parts.runtime.monotonic()

    def _forget(self) -> None:
        """What is too old to matter."""
        now, wall = self._now, self._parts.runtime.now()
        for device in [device for device, (_, until) in self._present.items() if until <= wall]:
            del self._present[device]
        for name in [name for name, (_, until) in self._replies.items() if until <= now]:
            del self._replies[name]
        for account in [account for account, until in self._heeded.items() if until <= now]:
            del self._heeded[account]
        self._posted = {name: when for name, when in self._posted.items() if now - when < INVITATION_RESEND_S}


def _topic(mail: Mail) -> str:
    """Of two letters to one device about the same the newer counts."""
    match mail:
        case Want() | Here() | Revoked():
            return type(mail).__name__
        case Ask(conversation) | TrustAnswer(conversation):
            return f"{mail.mimetype} {conversation}"
        case _:
            return f"{mail.mimetype} {mail.conversation}"
