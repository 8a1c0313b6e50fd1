"""What this account knows of others: contacts, requests, conversations, invitations, own devices. Pure. (SCP-06)

A State is a value: each function returns the next State and an outcome, so that a disk that refuses leaves the old one in
force. Times are milliseconds since 1970 and come in as `now_ms`. Everything a stranger can make grow is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

from swarmchat import limits
from swarmchat.account.mappings import frozen, with_item, without
from swarmchat.account.records import (
    Contact,
    ConversationState,
    Declined,
    Host,
    Invitation,
    KnownConversation,
    OwnDevice,
    Request,
    RequestId,
    RequestKind,
    Stamp,
    request_id,
)
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId

Setting = str | bool


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
        for each in self.declined_contact(account):
            declined = without(declined, each.id)
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
        state = self._with_contact(new).refuse(self.asking(account), now_ms=now_ms)
        waiting = {
            key: value
            for key, value in self.invitations.items()
            if value.account != account or value.kind is not RequestKind.CONTACT
        }
        return replace(state, invitations=frozen(waiting)), new

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
            return replace(self, contacts=without(self.contacts, account)), True
        return self._with_contact(new), True

    # --- requests (SCP-06 §4)

    def pending(self) -> tuple[Request, ...]:
        """All requests that wait for the user, oldest first."""
        return tuple(sorted(self.requests.values(), key=lambda request: (request.received_ms, request.id)))

    def asking(self, account: AccountId) -> tuple[Request, ...]:
        """The pending requests of an account to be a contact."""
        kind = RequestKind.CONTACT
        return tuple(each for each in self.pending() if each.offer.sender == account and each.offer.kind is kind)

    def declined_contact(self, account: AccountId) -> tuple[Declined, ...]:
        """That it is a contact was declined: such a request names the root of the conversation, an invitation names an `add`."""
        found = (self.declined[key] for key in sorted(self.declined))
        return tuple(each for each in found if (each.sender, str(each.commit)) == (account, each.conversation))

    def refuse(self, gone: Iterable[Request], *, now_ms: int) -> Self:
        """Exactly these pending requests are declined; the last 1,000 are remembered."""
        requests, declined = self.requests, self.declined
        for request in gone:
            offer = request.offer
            requests = without(requests, request.id)
            declined = with_item(
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
            declined = without(declined, min(declined, key=lambda key: (declined[key].asked_ms, key)))
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
        known = with_item(self.conversations, conversation, new)
        return replace(self, conversations=known, requests=frozen(requests)), new

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
        return replace(self, conversations=with_item(self.conversations, conversation, new)), new

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
        known = with_item(self.conversations, conversation, new)
        return (
            replace(self, conversations=known, invitations=frozen(waiting), preferences=frozen(liked)),
            new,
        )

    def erase_conversation(self, conversation: ConversationId) -> tuple[Self, KnownConversation | None]:
        """Nothing of it is on this device any more; other own devices keep theirs. None when unknown, left or erased before."""
        old = self.conversations.get(conversation)
        if old is None or old.is_gone:
            return self, None
        new = replace(old, state=ConversationState.ERASED)
        return replace(self, conversations=with_item(self.conversations, conversation, new)), new

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
        return replace(self, conversations=with_item(self.conversations, conversation, new)), new

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
        return replace(self, invitations=with_item(self.invitations, key, new)), new

    def tried(self, account: AccountId, conversation: ConversationId, *, delivered: bool, now_ms: int) -> Self:
        """An invitation was sent; `delivered` when a device of the other confirmed to have read it."""
        key = request_id(account, conversation)
        old = self.invitations.get(key)
        if old is None:
            return self
        new = replace(old, tried_ms=now_ms, delivered_ms=now_ms if delivered else old.delivered_ms)
        return replace(self, invitations=with_item(self.invitations, key, new))

    def settle_invitation(self, account: AccountId, conversation: ConversationId) -> tuple[Self, Invitation | None]:
        """The other joined or declined, or we withdrew; returns what waited."""
        key = request_id(account, conversation)
        old = self.invitations.get(key)
        return (self, None) if old is None else (replace(self, invitations=without(self.invitations, key)), old)

    def expire_invitations(self, *, now_ms: int) -> tuple[Self, tuple[Invitation, ...]]:
        """Forget those older than 30 days; returns them."""
        gone = {key: value for key, value in self.invitations.items() if now_ms >= value.expires_ms}
        if not gone:
            return self, ()
        kept = {key: value for key, value in self.invitations.items() if key not in gone}
        return replace(self, invitations=frozen(kept)), tuple(gone[key] for key in sorted(gone))

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
        return replace(self, devices=with_item(self.devices, device.id, device)), True

    def with_device(self, device: OwnDevice) -> Self:
        """The state in which it is known; what a known one may do is said anew, its name and revocation stay. No place: itself."""
        old = self.devices.get(device.id)
        if old is None:
            return self.add_device(device)[0]
        new = replace(old, may_link=device.may_link)
        return self if new == old else replace(self, devices=with_item(self.devices, device.id, new))

    def rename_device(self, device: DeviceId, name: str) -> tuple[Self, OwnDevice | None]:
        """Call a device otherwise; None when it is unknown."""
        old = self.devices.get(device)
        if old is None:
            return self, None
        new = replace(old, name=name[: limits.DISPLAY_NAME_CHARS_MAX])
        return replace(self, devices=with_item(self.devices, device, new)), new

    def revoke_device(self, device: DeviceId, *, now_ms: int) -> tuple[Self, OwnDevice | None]:
        """Mark a device as revoked; None when unknown or revoked before."""
        old = self.devices.get(device)
        if old is None or old.revoked_ms:
            return self, None
        new = replace(old, revoked_ms=max(now_ms, 1))
        return replace(self, devices=with_item(self.devices, device, new)), new

    # --- inside

    def _with_contact(self, contact: Contact) -> Self:
        return replace(self, contacts=with_item(self.contacts, contact.account, contact))
