"""The verbs of other people and machines: requests, contacts, peers. (SCP-06, SCP-08 §2.1)"""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress

from swarmchat.account.records import Contact, Request, RequestId
from swarmchat.discovery.addressbook import Candidate
from swarmchat.errors import NotFoundError, UsageError
from swarmchat.ids import AccountId, DeviceId
from swarmchat.node import views
from swarmchat.node.conversations import ConversationVerbs
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, account, peer_address
from swarmchat.swarm.attendance import Presence, best


class PeopleVerbs(ConversationVerbs):
    """Everything about requests, contacts and peers."""

    # --- requests

    async def request_list(self) -> list[JsonObject]:
        """Invitations and contact requests that wait for me."""
        return [_request(one) for one in self._node.keeper.state.pending()]

    async def request_accept(self, *, request: str, timeout: float | None = None, any_mode: bool = False) -> JsonObject:
        """Accept: clone, check, join; or go on with one that was accepted before."""
        try:
            waiting = self._request(request)
        except NotFoundError as nothing:
            try:
                where = self.taken_up(request)
            except NotFoundError:
                raise nothing from None
        else:
            where = await self._node.swarm.people.accept(waiting.id)
        return await self.joined(where, timeout, any_mode=any_mode)

    async def request_decline(self, *, request: str) -> JsonObject:
        """Decline this one."""
        found = self._request(request)
        await self._node.swarm.people.decline(found.id)
        return {"id": found.id, "state": "declined"}

    async def request_block(self, *, request: str) -> JsonObject:
        """Decline and block the sender."""
        found = self._request(request, of_one=True)
        await self._node.swarm.people.block(found.offer.sender)
        return {"id": found.id, "state": "blocked"}

    # --- contacts

    async def contact_add(
        self, *, account: str, name: str | None = None, addresses: list[str] | None = None
    ) -> JsonObject:
        """Make the one-to-one conversation and ask the other for trust."""
        who = _whole(account)
        if who == self._node.account.id:
            raise UsageError("that is you", hint="ask the other for what `swarmchat account show` prints")
        known = [peer_address(text) for text in addresses or ()]
        return self._contact_row(await self._node.swarm.people.add_contact(who, name=name or "", addresses=known))

    async def contact_list(self) -> list[JsonObject]:
        """My contacts, blocked ones too."""
        contacts = self._node.keeper.state.contacts.values()
        shown = [one for one in sorted(contacts, key=lambda one: one.account) if one.active or one.blocked]
        gone = self._node.swarm.people.gone()
        return [self._contact_row(one, gone) for one in shown]

    async def contact_show(self, *, contact: str) -> JsonObject:
        """One contact."""
        who = self._contact(contact)
        found = self._node.keeper.state.contacts[who]
        return self._contact_row(found) | {
            "added": views.from_ms(found.added_ms),
            "note": found.note,
            "addresses": [str(address) for address in self._node.addresses_of(who)],
            "devices": sorted(self._node.devices_of(who)),
        }

    async def contact_remove(self, *, contact: str) -> JsonObject:
        """Remove a contact and the conversation with it."""
        return self._contact_row(await self._node.swarm.people.remove_contact(self._contact(contact)))

    async def contact_block(self, *, contact: str) -> JsonObject:
        """Block somebody, known or not; they cannot tell."""
        who = self._contact(contact, anybody=True)
        if who == self._node.account.id:
            raise UsageError("that is you", hint="to be rid of a device of yours: swarmchat device revoke ID")
        await self._node.swarm.people.block(who)
        return self._contact_row(self._node.keeper.state.contacts[who])

    async def contact_unblock(self, *, contact: str) -> JsonObject:
        """Unblock."""
        who = self._contact(contact)
        await self._node.swarm.people.unblock(who)
        return self._contact_row(self._node.keeper.state.contacts.get(who) or Contact(who))

    async def presence(self, *, contact: str | None = None) -> list[JsonObject]:
        """Who is there, as of when, and by what that is known: contacts, or one account. (SCP-04 §6.4)"""
        contacts = self._node.keeper.state.contacts
        if contact is None:
            wanted = sorted(one.account for one in contacts.values() if one.active and not one.blocked)
        else:
            wanted = [await self._known_account(contact)]
        return [self._attendance(who, contacts.get(who) or Contact(who)) for who in wanted]

    # --- peers

    async def peer_list(self) -> list[JsonObject]:
        """The devices this node wants links to, and how it goes."""
        return [
            {
                "account": row.account,
                "device": row.device,
                "state": "barred" if row.barred else row.state,
                "address": None if row.address is None else str(row.address),
                "path": row.path,
                "since": views.maybe_time(row.since),
                "last_error": row.last_error,
                "known": [_heard(one) for one in self._node.heard_of(row.device, row.account)],
                "barred": row.barred,
                "presence": self._peer(row.account, row.device),
            }
            for row in self._node.swarm.status.peers()
        ]

    async def peer_add(self, *, account: str, address: str) -> JsonObject:
        """Remember where an account listens."""
        who = await self._known_account(account)
        await self._node.add_address(who, peer_address(address))
        return self._addresses(who)

    async def peer_remove(self, *, account: str, address: str | None = None) -> JsonObject:
        """Forget an address of an account, or all that were given by hand."""
        who = await self._known_account(account)
        if not await self._node.remove_addresses(who, None if address is None else peer_address(address)):
            raise NotFoundError(f"no such address of {who[:12]} was given by hand", hint="swarmchat peers")
        return self._addresses(who)

    # --- inside

    def _request(self, text: str, *, of_one: bool = False) -> Request:
        """The request that `text` means, by its own name, its conversation or its sender; of several who bring the same invitation any, unless it is about one of them."""
        pending = {request.id: request for request in self._node.keeper.state.pending()}
        names: dict[RequestId, list[str]] = {}
        told = set[tuple[str, ...]]()
        for one in pending.values():
            what = (one.id,) if of_one else one.offer.invitation
            offer = one.offer
            called = {(name, *what) for name in (offer.title or offer.name, offer.conversation, offer.sender)} - told
            told |= called
            names[one.id] = [name for name, *_ in called]
        try:
            return pending[resolve(text, names, "request")]
        except NotFoundError:
            contact = self._node.keeper.state.contact
            conversations: dict[str, list[str]] = {one.offer.conversation: [] for one in pending.values()}
            senders: dict[str, list[str]] = {
                one.offer.sender: [contact(one.offer.sender).name] for one in pending.values()
            }
            for begun in (conversations, senders):  # its id, or my word for the sender
                with suppress(NotFoundError):
                    return self._request(resolve(text, begun, "request"), of_one=of_one)
            raise

    def _contact_row(self, contact: Contact, gone: Container[AccountId] | None = None) -> JsonObject:
        row = _contact(contact, self._node.swarm.people.gone() if gone is None else gone)
        return row | {"presence": _presence(best(self._node.swarm.attendance.devices_of(contact.account).values()))}

    def _attendance(self, who: AccountId, contact: Contact) -> JsonObject:
        devices = self._node.swarm.attendance.devices_of(who)
        shown = [{"id": device, **_presence(one)} for device, one in devices.items()]
        return {"id": who, "name": contact.name, **_presence(best(devices.values())), "devices": shown}

    def _peer(self, who: AccountId | None, device: DeviceId | None) -> JsonObject:
        if who is None:
            return _presence(Presence())
        attendance = self._node.swarm.attendance
        if device is None:
            return _presence(best(attendance.devices_of(who).values()))
        return _presence(attendance.device(who, device))

    def _contact(self, text: str, *, anybody: bool = False) -> AccountId:
        contacts = {one.account: [one.name] for one in self._node.keeper.state.contacts.values()}
        try:
            return resolve(text, contacts, "contact")
        except NotFoundError:
            if anybody and len(text.strip()) == 40:
                return account(text)
            raise

    async def _known_account(self, text: str) -> AccountId:
        if len(text.strip()) == 40:
            return account(text)
        names: dict[AccountId, list[str]] = {}
        for contact in self._node.keeper.state.contacts.values():
            names.setdefault(contact.account, []).append(contact.name)
        for known in self._known():
            for who, called in (await self._names_in(known.id)).items():
                names.setdefault(who, []).extend(called)
        names.pop(self._node.account.id, None)
        return resolve(text, names, "account")

    def _addresses(self, who: AccountId) -> JsonObject:
        return {"account": who, "addresses": [str(address) for address in self._node.addresses_of(who)]}


def _whole(text: str) -> AccountId:
    return account(text)


def _heard(candidate: Candidate) -> JsonObject:
    return {
        "address": str(candidate.address),
        "source": candidate.source,
        "heard": views.from_ms(candidate.seen_s * 1000),
        "good": views.from_ms(candidate.good_s * 1000),
    }


def _request(request: Request) -> JsonObject:
    offer = request.offer
    return {
        "id": request.id,
        "kind": "contact" if offer.kind == "contact" else "conversation",
        "conversation": offer.conversation,
        "from": offer.sender,
        "title": offer.title or offer.name,
        "at": views.time(request.received_ms / 1000),
    }


def _presence(presence: Presence) -> JsonObject:
    return {"state": presence.state, "as_of": views.maybe_time(presence.as_of), "source": presence.source}


def _contact(contact: Contact, gone: Container[AccountId]) -> JsonObject:
    state = "blocked" if contact.blocked else "removed" if not contact.active else "waiting"
    if contact.active and not contact.blocked and contact.confirmed_ms:
        state = "left" if contact.account in gone else "confirmed"
    return {"id": contact.account, "name": contact.name, "state": state, "conversation": contact.conversation}
