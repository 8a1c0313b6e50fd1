"""What this account knows of others: contacts, requests, conversations, invitations, own devices. Pure. (SCP-06)

A State is a value: each function returns the next State and an outcome, so that a disk that refuses leaves the old one in
force. Times are milliseconds since 1970 and come in as `now_ms`. Everything a stranger can make grow is bounded.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self, TypeVar

from swarmchat import limits
from swarmchat.account.records import (
    Contact,
    ConversationState,
    Declined,
    Host,
    Invitation,
    KnownConversation,
    Offer,
    OwnDevice,
    Request,
    RequestId,
    RequestKind,
    Stamp,
    request_id,
)
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId

K = TypeVar("K")
V = TypeVar("V")

Setting = str | bool

_HOUR_MS = 3_600_000


class Verdict(enum.StrEnum):
    """What became of an offer that came in."""

    NEW = "new"
    UPDATED = "updated"  # pending before; it names another commit or text now
    DUPLICATE = "duplicate"
    KNOWN = "known"  # the conversation is here already, or this very invitation was taken up before
    BLOCKED = "blocked"
    DECLINED = "declined"
    TOO_SOON = "too-soon"  # a new invitation, less than 24 h after the one declined
    TOO_MANY = "too-many"  # more than 10 an hour of this sender
    TAKEN_UP = "taken-up"  # by a contact: our user had asked for the same, so nobody is asked


@dataclass(frozen=True, slots=True)
class Received:
    """The verdict on an offer; `request` if it is pending or taken up now, `dropped`: older ones that had to go for it."""

    verdict: Verdict
    request: Request | None = None
    dropped: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """All of it. Mappings are read-only and keyed by the ids inside their values."""

    contacts: Mapping[AccountId, Contact] = field(default_factory=lambda: MappingProxyType({}))
    requests: Mapping[RequestId, Request] = field(default_factory=lambda: MappingProxyType({}))
    declined: Mapping[RequestId, Declined] = field(default_factory=lambda: MappingProxyType({}))
    arrivals: Mapping[AccountId, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    conversations: Mapping[ConversationId, KnownConversation] = field(default_factory=lambda: MappingProxyType({}))
    invitations: Mapping[RequestId, Invitation] = field(default_factory=lambda: MappingProxyType({}))
    devices: Mapping[DeviceId, OwnDevice] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, Setting] = field(
        default_factory=lambda: MappingProxyType({})
    )  # of the account, on all devices
    preferences: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # by "conversation/name"
    stamps: Mapping[str, Stamp] = field(default_factory=lambda: MappingProxyType({}))  # of what own devices share
    seen: Mapping[DeviceId, int] = field(default_factory=lambda: MappingProxyType({}))  # so many changes of each device

    # --- contacts (SCP-06 §1, §2, §8)

    def contact(self, account: AccountId) -> Contact:
        """What is known of an account; an empty Contact for a stranger."""
        return self.contacts.get(account) or Contact(account)

    def is_contact(self, account: AccountId) -> bool:
        """Whether the account is an active contact."""
        return self.contact(account).active

    def is_blocked(self, account: AccountId) -> bool:
        """Whether we blocked the account."""
        return self.contact(account).blocked

    def add_contact(
        self, account: AccountId, *, conversation: ConversationId | None, name: str = "", now_ms: int
    ) -> tuple[Self, Contact | None]:
        """The user adds a contact (again): whom he had blocked is not any more, and that he declined to be one is taken back.

        None instead of the Contact when there are 10,000 already.
        """
        old = self.contact(account)
        if account not in self.contacts and len(self.contacts) >= limits.CONTACTS_MAX:
            return self, None
        both = [one for one in (old.conversation if old.active else None, conversation) if one]
        new = replace(
            old,
            added_ms=old.added_ms if old.active else max(now_ms, old.removed_ms + 1),
            banned_ms=0,
            conversation=min(both, default=old.conversation),  # two 1:1s: the lower id is used (SCP-06 §2)
            name=name[: limits.DISPLAY_NAME_CHARS_MAX] or old.name,
        )
        declined = self.declined
        for each in self._declined_contact(account):
            declined = _without(declined, request_id(each.sender, each.conversation))
        return replace(self._with_contact(new), declined=declined), new

    def use_pair(self, account: AccountId, conversation: ConversationId | None) -> tuple[Self, Contact | None]:
        """Which one-to-one with a contact is in use, None for none; None when nothing changed or it is no contact."""
        old = self.contact(account)
        if not old.active or old.conversation == conversation:
            return self, None
        new = replace(old, conversation=conversation)
        return self._with_contact(new), new

    def remove_contact(self, account: AccountId, *, now_ms: int) -> tuple[Self, Contact | None]:
        """The user removes a contact, and declines what it asks; None when it is none. Its 1:1 is removed by `remove_conversation`."""
        old = self.contact(account)
        if not old.active:
            return self, None
        new = replace(old, removed_ms=max(now_ms, old.added_ms), confirmed_ms=0)
        state = self._with_contact(new).refuse(self._asking(account), now_ms=now_ms)
        waiting = {
            key: value
            for key, value in self.invitations.items()
            if value.account != account or value.kind is not RequestKind.CONTACT
        }
        return replace(state, invitations=_frozen(waiting)), new

    def confirm_contact(self, account: AccountId, *, now_ms: int) -> tuple[Self, Contact | None]:
        """The other accepted; None when it is no active contact or was confirmed before."""
        old = self.contact(account)
        if not old.active or old.confirmed_ms:
            return self, None
        new = replace(old, confirmed_ms=now_ms)
        return self._with_contact(new), new

    def describe_contact(
        self,
        account: AccountId,
        *,
        name: str | None = None,
        note: str | None = None,
        conversation: ConversationId | None = None,
    ) -> tuple[Self, Contact | None]:
        """Change the name, the note or which 1:1 is in use; None when nothing changed or the account is unknown."""
        old = self.contacts.get(account)
        if old is None:
            return self, None
        new = replace(
            old,
            name=old.name if name is None else name[: limits.DISPLAY_NAME_CHARS_MAX],
            note=old.note if note is None else note[: limits.NOTE_CHARS_MAX],
            conversation=conversation or old.conversation,
        )
        return (self, None) if new == old else (self._with_contact(new), new)

    def block(self, account: AccountId, *, now_ms: int) -> tuple[Self, tuple[Request, ...]]:
        """Hear nothing of an account any more; returns its pending requests, which are gone. (SCP-06 §4, §8)"""
        old = self.contact(account)
        blocked = self._with_contact(replace(old, banned_ms=old.banned_ms or max(now_ms, 1)))
        gone = tuple(request for request in self.pending() if request.offer.sender == account)
        return blocked.refuse(gone, now_ms=now_ms), gone

    def unblock(self, account: AccountId) -> tuple[Self, bool]:
        """Hear of it again; False when it was not blocked. What was between us continues."""
        old = self.contact(account)
        if not old.blocked:
            return self, False
        new = replace(old, banned_ms=0)
        if new == Contact(account):
            return replace(self, contacts=_without(self.contacts, account)), True
        return self._with_contact(new), True

    # --- requests (SCP-06 §4)

    def pending(self) -> tuple[Request, ...]:
        """All requests that wait for the user, oldest first."""
        return tuple(sorted(self.requests.values(), key=lambda request: (request.received_ms, request.id)))

    def receive(self, offer: Offer, *, shared: bool, now_ms: int, outside: bool = False) -> tuple[Self, Received]:
        """Judge an offer that came in. The caller answers `{"ok":true}` whatever the verdict: a sender learns nothing.

        `outside`: the conversation is here and we are not in it any more, or not yet.
        """
        if self.is_blocked(offer.sender):
            return self, Received(Verdict.BLOCKED)
        verdict = self._of_known(offer, outside=outside) or self._of_declined(offer, now_ms)
        if verdict:
            return self, Received(verdict)
        key = request_id(offer.sender, offer.conversation)
        old, is_wanted = self.requests.get(key), self._is_wanted(offer, now_ms)
        if not is_wanted and old is not None and (old.offer == offer or offer.at_ms < old.offer.at_ms):
            return self, Received(Verdict.DUPLICATE, old)
        recent = tuple(time for time in self.arrivals.get(offer.sender, ()) if now_ms - _HOUR_MS < time <= now_ms)
        if len(recent) >= limits.REQUESTS_PER_HOUR_PER_SENDER:
            return self, Received(Verdict.TOO_MANY)
        older = self._asking(offer.sender) if offer.kind is RequestKind.CONTACT and old is None else ()
        if any(offer.at_ms < each.offer.at_ms for each in older):
            return self, Received(Verdict.DUPLICATE)
        state = self._counted(offer.sender, (*recent, now_ms), now_ms)
        new = Request(offer, received_ms=old.received_ms if old else now_ms, shared=shared)
        if is_wanted:
            taken, request = replace(state, requests=_with(state.requests, key, new)).accept(key, now_ms=now_ms)
            if request is not None:
                return taken, Received(Verdict.TAKEN_UP, request)
        if old is not None:
            return state.with_request(new), Received(Verdict.UPDATED, new)
        for each in older:  # somebody asks once to be a contact: the newest counts
            state = replace(state, requests=_without(state.requests, each.id))
        state = state.with_request(new)
        dropped = tuple(each for each in self.pending() if each.id not in state.requests)
        return state, Received(Verdict.NEW, new, dropped)

    def with_request(self, request: Request) -> Self:
        """The state in which this one waits too; the oldest of its half goes where that is full."""
        dropped = None if request.id in self.requests else self._oldest_of_full_half(shared=request.shared)
        kept = self.requests if dropped is None else _without(self.requests, dropped.id)
        return replace(self, requests=_with(kept, request.id, request))

    def answer_to(self, offer: Offer) -> Verdict | None:
        """What was answered to an offer, by whichever own device: BLOCKED, KNOWN, DECLINED; None while it is open."""
        if self.is_blocked(offer.sender):
            return Verdict.BLOCKED
        return self._of_known(offer, outside=True) or self._of_declined(offer, 0)

    def accept(self, request: RequestId, *, now_ms: int) -> tuple[Self, Request | None]:
        """The user accepts: the conversation is *syncing* from the inviter on; None when there is no such request.

        Other requests for the same conversation are settled by it too. Also None when there is no place for one more.
        """
        found = self.requests.get(request)
        if found is None or not self._has_place(found.offer):
            return self, None
        offer = found.offer
        kept = {key: value for key, value in self.requests.items() if value.offer.conversation != offer.conversation}
        state = replace(self, requests=_frozen(kept), declined=_without(self.declined, request))
        state, _ = state.add_conversation(
            offer.conversation,
            title=offer.title,
            mode=offer.mode,
            state=ConversationState.SYNCING,
            invited_by=offer.sender,
            invitation=offer.commit,
            now_ms=now_ms,
        )
        if offer.kind is RequestKind.CONTACT:
            name = state.contact(offer.sender).name or offer.name  # the user's own word for somebody stands
            state, _ = state.add_contact(offer.sender, conversation=offer.conversation, name=name, now_ms=now_ms)
            state, _ = state.confirm_contact(offer.sender, now_ms=now_ms)
        return state, found

    def decline(self, request: RequestId, *, now_ms: int) -> tuple[Self, Request | None]:
        """The user declines: remembered for this invitation, also over a restart; None when there is no such request.

        Others who brought the same invitation, as its holders do (SCP-05 §1.11), are declined with it.
        """
        found = self.requests.get(request)
        if found is None:
            return self, None
        gone = (each for each in self.pending() if each.offer.invitation == found.offer.invitation)
        return self.refuse(gone, now_ms=now_ms), found

    def take_back(self, sender: AccountId, conversation: ConversationId) -> tuple[Self, Request | None]:
        """Who asked asks no more; what waited, if anything did. The same question may come again."""
        found = self.requests.get(request_id(sender, conversation))
        if found is None:
            return self, None
        return replace(self, requests=_without(self.requests, found.id)), found

    def refuse(self, gone: Iterable[Request], *, now_ms: int) -> Self:
        """Exactly these pending requests are declined; the last 1,000 are remembered."""
        requests, declined = self.requests, self.declined
        for request in gone:
            offer = request.offer
            requests = _without(requests, request.id)
            declined = _with(
                declined,
                request.id,
                Declined(
                    offer.sender,
                    offer.conversation,
                    offer.commit,
                    declined_ms=max(now_ms, offer.at_ms),
                    asked_ms=request.received_ms,
                ),
            )
        while len(declined) > limits.DECLINED_MAX:
            declined = _without(declined, min(declined, key=lambda key: (declined[key].asked_ms, key)))
        return replace(self, requests=requests, declined=declined)

    # --- conversations (SCP-06 §5, §7)

    def add_conversation(
        self,
        conversation: ConversationId,
        *,
        title: str,
        mode: int,
        now_ms: int,
        state: ConversationState = ConversationState.ACTIVE,
        invited_by: AccountId | None = None,
        invitation: CommitId | None = None,
        members: Iterable[AccountId] = (),
        hosts: Iterable[Host] = (),
    ) -> tuple[Self, KnownConversation | None]:
        """A conversation made here, accepted, or heard of again; None when 10,000 are known already."""
        old = self.conversations.get(conversation)
        if old is None and len(self.conversations) >= limits.CONVERSATIONS_KNOWN_MAX:
            return self, None
        new = KnownConversation(
            conversation,
            title[: limits.TITLE_CHARS_MAX],
            mode,
            state,
            added_ms=max(now_ms, old.removed_ms + 1) if old else now_ms,
            removed_ms=old.removed_ms if old else 0,
            invited_by=invited_by,
            invitation=invitation,
            members=tuple(members)[: limits.CLONE_MEMBERS_MAX],
            hosts=tuple(hosts)[: limits.CLONE_HOSTS_MAX],
        )
        requests = {key: value for key, value in self.requests.items() if value.offer.conversation != conversation}
        known = _with(self.conversations, conversation, new)
        return replace(self, conversations=known, requests=_frozen(requests)), new

    def change_conversation(
        self,
        conversation: ConversationId,
        *,
        title: str | None = None,
        mode: int | None = None,
        state: ConversationState | None = None,
        members: Iterable[AccountId] | None = None,
        hosts: Iterable[Host] | None = None,
    ) -> tuple[Self, KnownConversation | None]:
        """Note what changed in one that is known; None when nothing did. Leaving goes through `remove_conversation`."""
        old = self.conversations.get(conversation)
        if old is None:
            return self, None
        new = replace(
            old,
            title=old.title if title is None else title[: limits.TITLE_CHARS_MAX],
            mode=old.mode if mode is None else mode,
            state=old.state if state is None else state,
            members=old.members if members is None else tuple(members)[: limits.CLONE_MEMBERS_MAX],
            hosts=old.hosts if hosts is None else tuple(hosts)[: limits.CLONE_HOSTS_MAX],
        )
        if new == old:
            return self, None
        return replace(self, conversations=_with(self.conversations, conversation, new)), new

    def remove_conversation(
        self, conversation: ConversationId, *, now_ms: int
    ) -> tuple[Self, KnownConversation | None]:
        """Left or removed: not shown again, not even after a restart; None when unknown or removed before. (SCP-06 §7)"""
        old = self.conversations.get(conversation)
        if old is None or old.state is ConversationState.REMOVED:
            return self, None
        new = replace(old, state=ConversationState.REMOVED, removed_ms=max(now_ms, old.added_ms))
        waiting = {key: value for key, value in self.invitations.items() if value.conversation != conversation}
        liked = {key: value for key, value in self.preferences.items() if not key.startswith(f"{conversation}/")}
        known = _with(self.conversations, conversation, new)
        return (
            replace(self, conversations=known, invitations=_frozen(waiting), preferences=_frozen(liked)),
            new,
        )

    def erase_conversation(self, conversation: ConversationId) -> tuple[Self, KnownConversation | None]:
        """Nothing of it is on this device any more; other own devices keep theirs. None when unknown, left or erased before."""
        old = self.conversations.get(conversation)
        if old is None or old.is_gone:
            return self, None
        new = replace(old, state=ConversationState.ERASED)
        return replace(self, conversations=_with(self.conversations, conversation, new)), new

    def prefer(self, conversation: ConversationId, name: str, value: str | None) -> tuple[Self, bool]:
        """What the user wants of a conversation on all own devices, say its colour; None takes it back.

        False when the conversation is unknown or has 32 preferences. ValueError for a name or value out of bounds.
        """
        key = f"{conversation}/{name}"
        if not is_preference(key) or (value is not None and len(value) > limits.PREFERENCE_CHARS_MAX):
            raise ValueError("a preference has a name of letters, digits, - and _, and a short text")
        if value is None:
            return replace(self, preferences=_without(self.preferences, key)), True
        there = sum(other.startswith(f"{conversation}/") for other in self.preferences)
        known = self.conversations.get(conversation)
        if known is None or known.is_gone:
            return self, False
        if key not in self.preferences and there >= limits.PREFERENCES_MAX:
            return self, False
        return replace(self, preferences=_with(self.preferences, key, value)), True

    def preferences_of(self, conversation: ConversationId) -> Mapping[str, str]:
        """The preferences of one conversation, by name."""
        begin = f"{conversation}/"
        return {
            key.removeprefix(begin): self.preferences[key] for key in sorted(self.preferences) if key.startswith(begin)
        }

    def set(self, name: str, value: Setting | None) -> Self:
        """A setting of the account, on all own devices; None takes it back. ValueError for one that there is not."""
        if value is not None and not is_setting(name, value):
            raise ValueError(f"{name} cannot be that")
        kept = _without(self.settings, name) if value is None else _with(self.settings, name, value)
        return replace(self, settings=kept)

    def refuse_heads(
        self, conversation: ConversationId, heads: Iterable[CommitId]
    ) -> tuple[Self, KnownConversation | None]:
        """Remember heads whose history was invalid, so that they are not tried again; None when all were known. (SCP-06 §5)"""
        old = self.conversations.get(conversation)
        if old is None:
            return self, None
        refused = (*old.refused, *sorted(set(heads) - set(old.refused)))[-limits.REFUSED_HEADS_MAX :]
        if refused == old.refused:
            return self, None
        new = replace(old, refused=refused)
        return replace(self, conversations=_with(self.conversations, conversation, new)), new

    # --- invitations that we sent (SCP-06 §2, §3)

    def invite(
        self, account: AccountId, conversation: ConversationId, *, kind: RequestKind, commit: CommitId, now_ms: int
    ) -> tuple[Self, Invitation | None]:
        """An invitation waits for delivery; a newer one for the same person and conversation replaces it.

        None when 5,000 wait already.
        """
        key = request_id(account, conversation)
        if key not in self.invitations and len(self.invitations) >= limits.INVITATIONS_MAX:
            return self, None
        new = Invitation(conversation, account, kind, commit, created_ms=now_ms)
        return replace(self, invitations=_with(self.invitations, key, new)), new

    def tried(self, account: AccountId, conversation: ConversationId, *, delivered: bool, now_ms: int) -> Self:
        """An invitation was sent; `delivered` when a device of the other confirmed to have read it."""
        key = request_id(account, conversation)
        old = self.invitations.get(key)
        if old is None:
            return self
        new = replace(old, tried_ms=now_ms, delivered_ms=now_ms if delivered else old.delivered_ms)
        return replace(self, invitations=_with(self.invitations, key, new))

    def settle_invitation(self, account: AccountId, conversation: ConversationId) -> tuple[Self, Invitation | None]:
        """The other joined or declined, or we withdrew; returns what waited."""
        key = request_id(account, conversation)
        old = self.invitations.get(key)
        return (self, None) if old is None else (replace(self, invitations=_without(self.invitations, key)), old)

    def expire_invitations(self, *, now_ms: int) -> tuple[Self, tuple[Invitation, ...]]:
        """Forget those older than 30 days; returns them."""
        gone = {key: value for key, value in self.invitations.items() if now_ms >= value.expires_ms}
        if not gone:
            return self, ()
        kept = {key: value for key, value in self.invitations.items() if key not in gone}
        return replace(self, invitations=_frozen(kept)), tuple(gone[key] for key in sorted(gone))

    def ours_to_send(self) -> Iterator[Invitation]:
        """Those that this device can send: not of what its user erased here, which is another own device's to send."""
        for value in self.invitations.values():
            known = self.conversations.get(value.conversation)
            if known is None or not known.is_gone:
                yield value

    def due_invitations(self, *, now_ms: int, account: AccountId | None = None) -> tuple[Invitation, ...]:
        """Those to be sent now (to one account): not tried for 10 min, not expired; oldest first. (SCP-05 §1.11)"""
        resend_ms = int(limits.INVITATION_RESEND_S * 1000)
        due = [
            value
            for value in self.ours_to_send()
            if account in {None, value.account}
            and now_ms < value.expires_ms
            and not now_ms - resend_ms < value.tried_ms <= now_ms
        ]
        return tuple(sorted(due, key=lambda value: (value.created_ms, value.conversation, value.account)))

    # --- own devices (SCP-01 §3)

    def add_device(self, device: OwnDevice) -> tuple[Self, bool]:
        """A device of this account; False when it is known or there are 16 that are not revoked."""
        in_use = sum(not known.revoked_ms for known in self.devices.values())
        if (
            device.id in self.devices
            or in_use >= limits.DEVICES_PER_ACCOUNT_MAX
            or len(self.devices) >= limits.OWN_DEVICES_MAX
        ):
            return self, False
        return replace(self, devices=_with(self.devices, device.id, device)), True

    def with_device(self, device: OwnDevice) -> Self:
        """The state in which it is known; what a known one may do is said anew, its name and revocation stay. No place: itself."""
        old = self.devices.get(device.id)
        if old is None:
            return self.add_device(device)[0]
        new = replace(old, may_link=device.may_link)
        return self if new == old else replace(self, devices=_with(self.devices, device.id, new))

    def rename_device(self, device: DeviceId, name: str) -> tuple[Self, OwnDevice | None]:
        """Call a device otherwise; None when it is unknown."""
        old = self.devices.get(device)
        if old is None:
            return self, None
        new = replace(old, name=name[: limits.DISPLAY_NAME_CHARS_MAX])
        return replace(self, devices=_with(self.devices, device, new)), new

    def revoke_device(self, device: DeviceId, *, now_ms: int) -> tuple[Self, OwnDevice | None]:
        """Mark a device as revoked; None when unknown or revoked before."""
        old = self.devices.get(device)
        if old is None or old.revoked_ms:
            return self, None
        new = replace(old, revoked_ms=max(now_ms, 1))
        return replace(self, devices=_with(self.devices, device, new)), new

    # --- inside

    def _with_contact(self, contact: Contact) -> Self:
        return replace(self, contacts=_with(self.contacts, contact.account, contact))

    def _has_place(self, offer: Offer) -> bool:
        known = offer.conversation in self.conversations
        contact = offer.kind is RequestKind.GROUP or offer.sender in self.contacts
        return (known or len(self.conversations) < limits.CONVERSATIONS_KNOWN_MAX) and (
            contact or len(self.contacts) < limits.CONTACTS_MAX
        )

    def _of_known(self, offer: Offer, *, outside: bool) -> Verdict | None:
        known = self.conversations.get(offer.conversation)
        if known is None:
            return None
        if known.state is ConversationState.ACTIVE and outside and offer.commit != known.invitation:
            return None  # removed by the others, and invited again
        if not known.is_gone:
            return Verdict.KNOWN
        since_ms = max(known.removed_ms, known.added_ms if known.state is ConversationState.ERASED else 0)
        news = offer.at_ms > since_ms if offer.kind is RequestKind.CONTACT else offer.commit != known.invitation
        return None if news else Verdict.KNOWN

    def _of_declined(self, offer: Offer, now_ms: int) -> Verdict | None:
        record = self.declined.get(request_id(offer.sender, offer.conversation))
        records = () if record is None else (record,)
        if offer.kind is RequestKind.CONTACT:  # to be a contact is one question, in whatever conversation it is asked
            records = (*records, *self._declined_contact(offer.sender))
            news = all(offer.at_ms > each.declined_ms for each in records)
        else:
            news = all(offer.commit != each.commit for each in records)
        if not news:
            return Verdict.DECLINED
        again_ms = int(limits.INVITATION_AGAIN_S * 1000)
        is_soon = any(each.asked_ms <= now_ms < each.asked_ms + again_ms for each in records)
        return Verdict.TOO_SOON if is_soon else None

    def _declined_contact(self, account: AccountId) -> tuple[Declined, ...]:
        """That it is a contact was declined: such a request names the root of the conversation, an invitation names an `add`."""
        found = (self.declined[key] for key in sorted(self.declined))
        return tuple(each for each in found if (each.sender, str(each.commit)) == (account, each.conversation))

    def _asking(self, account: AccountId) -> tuple[Request, ...]:
        """The pending requests of an account to be a contact."""
        kind = RequestKind.CONTACT
        return tuple(each for each in self.pending() if each.offer.sender == account and each.offer.kind is kind)

    def _is_wanted(self, offer: Offer, now_ms: int) -> bool:
        """Whether nobody need be asked: a contact offers a one-to-one, and not one that we left since he is one. (SCP-06 §2)"""
        contact, known = self.contact(offer.sender), self.conversations.get(offer.conversation)
        if not (offer.kind is RequestKind.CONTACT and contact.active):
            return False
        if known is not None and not (known.state is ConversationState.REMOVED and known.removed_ms < contact.added_ms):
            return False
        day_ms = int(limits.INVITATION_AGAIN_S * 1000)
        taken = sum(
            each.invited_by == offer.sender and each.mode == 0 and now_ms - day_ms < each.added_ms
            for each in self.conversations.values()
        )
        return taken < limits.PAIRS_TAKEN_UP_MAX

    def _oldest_of_full_half(self, *, shared: bool) -> Request | None:
        half = [request for request in self.pending() if request.shared == shared]
        places = limits.REQUESTS_FROM_SHARED if shared else limits.REQUESTS_MAX - limits.REQUESTS_FROM_SHARED
        return half[0] if len(half) >= places else None

    def _counted(self, sender: AccountId, times: tuple[int, ...], now_ms: int) -> Self:
        live = {who: when for who, when in self.arrivals.items() if now_ms - _HOUR_MS < when[-1] <= now_ms}
        live[sender] = times
        while len(live) > limits.REQUEST_SENDERS_MAX:
            del live[min(live.keys() - {sender}, key=lambda who: (live[who][-1], who))]
        return replace(self, arrivals=_frozen(live))


_SETTINGS: Mapping[str, type] = MappingProxyType({"name": str, "send_read_receipts": bool, "send_typing": bool})
_PREFERENCE = re.compile(r"[0-9a-f]{40}/[A-Za-z0-9_-]{1,32}")


def is_setting(name: str, value: object) -> bool:
    """Whether an account has such a setting, and it can have that value."""
    kind = _SETTINGS.get(name)
    if kind is None or not isinstance(value, kind):
        return False
    return not isinstance(value, str) or len(value) <= limits.DISPLAY_NAME_CHARS_MAX


def is_preference(key: str) -> bool:
    """Whether it is "conversation/name"."""
    return _PREFERENCE.fullmatch(key) is not None


def _frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**mapping, key: value})


def _without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    return MappingProxyType({other: value for other, value in mapping.items() if other != key})
