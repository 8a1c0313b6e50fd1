"""The archive: the account carried to another machine, under a password. (SCP-01 §4)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from swarmchat import limits
from swarmchat.account import strict
from swarmchat.account.account import Account, Entropy, display_name, new_device
from swarmchat.account.records import ConversationState, Host, KnownConversation, OwnDevice
from swarmchat.account.state import State
from swarmchat.account.statefile import (
    contacts_to_json,
    declined_to_json,
    devices_to_json,
    hosts_to_json,
    invitations_to_json,
    read_account,
    read_contacts,
    read_declined,
    read_devices,
    read_host,
    read_invitations,
    read_mode,
    read_preferences,
    read_requests,
    read_settings,
    read_sharing,
    requests_to_json,
    sharing_to_json,
)
from swarmchat.account.store import (
    from_base64,
    read_certificate,
    read_key,
    read_status_key,
    status_key_to_json,
    to_base64,
)
from swarmchat.account.strict import Fields
from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import RevocationList
from swarmchat.crypto.sealing import SealError, SealFault, open_archive, seal_archive
from swarmchat.errors import PasswordNeededError, RefusedError, UsageError, VerificationError
from swarmchat.ids import AccountId, CommitId, ConversationId, account_id, commit_id, conversation_id

_VERSION = 3
_KEYS = (
    *("version", "account_key", "certificate", "revocations", "name", "settings", "contacts", "requests", "declined"),
    *("conversations", "invitations", "devices", "preferences", "sharing", "status_key"),
)
_SINCE_3: Mapping[str, object] = MappingProxyType({"status_key": None})
_CONVERSATION_KEYS = (
    *("id", "title", "mode", "added", "removed"),
    *("invited_by", "invitation", "members", "hosts"),
)


@dataclass(frozen=True, slots=True)
class ArchivedConversation:
    """Enough to find and clone a conversation again; its history is not in the archive."""

    id: ConversationId
    title: str
    mode: int
    added_ms: int = 0
    removed_ms: int = 0  # 0 = never; removed and added again later: less than `added_ms`
    invited_by: AccountId | None = None
    invitation: CommitId | None = None
    members: tuple[AccountId, ...] = ()  # ≤ 64, admins first
    hosts: tuple[Host, ...] = ()  # ≤ 8

    @classmethod
    def of(cls, known: KnownConversation) -> Self:
        """What the state knows of it."""
        gone = known.state is ConversationState.REMOVED
        return cls(
            known.id,
            known.title,
            known.mode,
            added_ms=known.added_ms,
            removed_ms=max(known.removed_ms, known.added_ms, 1) if gone else known.removed_ms,
            invited_by=known.invited_by,
            invitation=known.invitation,
            members=known.members,
            hosts=known.hosts,
        )

    @property
    def is_removed(self) -> bool:
        """Whether it was left and not taken up again."""
        return 0 < self.removed_ms >= self.added_ms


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """What an archive holds, for `account import --check`."""

    id: AccountId
    name: str
    contacts: int
    requests: int
    conversations: int


def export_archive(
    account: Account,
    state: State,
    conversations: Iterable[ArchivedConversation],
    password: str,
    *,
    entropy: Entropy,
) -> bytes:
    """The archive's bytes. `conversations` says better than the state which members and hosts there are now.

    RefusedError without the account key, UsageError for an empty password. Takes a fifth of a second: offload it.
    """
    if account.account_key is None:
        raise RefusedError(
            "this device does not hold the account key, so it cannot export the account",
            hint="export on a device that `swarmchat device list` shows as holding the account key",
        )
    try:
        data = document(account, state, conversations, with_key=True)
        return seal_archive(data, password, salt=entropy(16), nonce=entropy(12))
    except ValueError as error:
        raise UsageError(f"the account was not exported: {error}") from None


def document(account: Account, state: State, conversations: Iterable[ArchivedConversation], *, with_key: bool) -> bytes:
    """The account as it travels: sealed in an archive, or to a new device over a link that both have proved (SCP-01 §3.2).

    Without the device's own keys; with the account key only if asked for, and held here.
    """
    listed = {known.id: ArchivedConversation.of(known) for known in state.conversations.values()}
    listed |= {conversation.id: conversation for conversation in conversations}
    fields = {
        "version": _VERSION,
        "account_key": to_base64(account.account_key.seed) if with_key and account.account_key else None,
        "certificate": account.certificate.pem.decode("ascii"),
        "revocations": to_base64(account.revocations.der) if account.revocations else None,
        "name": account.name,
        "settings": dict(sorted(state.settings.items())),
        "contacts": contacts_to_json(state.contacts.values()),
        "requests": requests_to_json(state.requests.values()),
        "declined": declined_to_json(state.declined.values()),
        "conversations": [_to_json(conversation) for _, conversation in sorted(listed.items())],
        "invitations": invitations_to_json(state.invitations.values()),
        "devices": devices_to_json(state.devices.values()),
        "preferences": dict(sorted(state.preferences.items())),
        "sharing": sharing_to_json(state.stamps, state.seen),
        "status_key": status_key_to_json(account.status_key),
    }
    return strict.encode(fields)


def import_archive(
    data: bytes, password: str, *, now: int, entropy: Entropy, device_name: str = ""
) -> tuple[Account, State]:
    """The account on a new device of its own, and its state with every conversation waiting to be cloned again.

    PasswordNeededError (wrong password), VerificationError (not an archive, damaged). Writes nothing. `now` in seconds.
    """
    content, account_key = _open(data, password)
    try:
        account = new_device(
            name=content.name,
            certificate=content.certificate,
            account_key=account_key,
            revocations=content.revocations,
            now=now,
            entropy=entropy,
            status_key=content.status_key,
        )
    except ValueError as error:
        raise VerificationError(f"the archive is damaged: {error}", hint="nothing was written") from None
    device = OwnDevice(account.device, name=device_name, added_ms=now * 1000, may_link=True)
    return account, content.state([device], now_ms=now * 1000)


def check(data: bytes, password: str) -> ArchiveSummary:
    """Read an archive without installing it; raises as `import_archive`."""
    content, _ = _open(data, password)
    return ArchiveSummary(
        id=content.certificate.account_id,
        name=content.name,
        contacts=sum(contact.active for contact in content.contacts.values()),
        requests=len(content.requests),
        conversations=sum(not conversation.is_removed for conversation in content.conversations),
    )


class Content:
    """What `document` wrote, read again: every value within its bound, nothing beside them. ValueError.

    Version 2, from before accounts had a key with Status, is read as well.
    """

    def __init__(self, data: bytes) -> None:
        found = strict.decode(data)
        if isinstance(found, dict) and found.get("version") == 2 and not found.keys() & _SINCE_3.keys():
            found = {**found, **_SINCE_3, "version": _VERSION}
        fields = Fields(found, "archive", _KEYS)
        if fields.number("version") != _VERSION:
            raise ValueError(f"version {fields.number('version')} is not known here")
        self.account_key: PrivateKey | None = fields.optional("account_key", read_key)
        self.certificate: Certificate = fields.parsed("certificate", read_certificate, limits.CERTIFICATE_BYTES_MAX)
        if not self.certificate.is_ca:
            raise ValueError("the certificate is not that of an account")
        if self.account_key is not None and self.certificate.key != self.account_key.public:
            raise ValueError("the certificate is not that of the account key")
        self.revocations = fields.optional(
            "revocations",
            lambda text: RevocationList.from_der(from_base64(text), self.certificate),
            limits.REVOCATION_LIST_BYTES_MAX * 2,
        )
        try:
            self.name = display_name(fields.text("name", limits.DISPLAY_NAME_CHARS_MAX))
        except UsageError as error:
            raise fields.wrong("name", error.message) from None
        self.settings = read_settings(fields)
        self.contacts = read_contacts(fields)
        self.requests = read_requests(fields)
        self.declined = read_declined(fields)
        self.conversations = fields.each("conversations", limits.CONVERSATIONS_KNOWN_MAX, _read)
        if len({conversation.id for conversation in self.conversations}) != len(self.conversations):
            raise ValueError("a conversation is listed twice")
        self.invitations = read_invitations(fields)
        self.devices = read_devices(fields)
        self.preferences = read_preferences(fields)
        self.stamps, self.seen = read_sharing(fields)
        self.status_key = read_status_key(fields, "archive")

    def state(self, devices: Iterable[OwnDevice], *, now_ms: int) -> State:
        """What a device knows that begins with it: every conversation waits to be cloned. `devices` are known besides."""
        known = {conversation.id: _restored(conversation, now_ms) for conversation in self.conversations}
        return State(
            contacts=self.contacts,
            requests=self.requests,
            declined=self.declined,
            conversations=MappingProxyType(known),
            invitations=self.invitations,
            devices=MappingProxyType({**self.devices, **{device.id: device for device in devices}}),
            settings=self.settings,
            preferences=self.preferences,
            stamps=self.stamps,
            seen=self.seen,
        )


def _open(data: bytes, password: str) -> tuple[Content, PrivateKey]:
    try:
        content = Content(open_archive(data, password))
        if content.account_key is None:
            raise ValueError("an archive has the account key")  # noqa: TRY301 - said as what else is wrong with it
    except SealError as error:
        if error.code is SealFault.WRONG_PASSWORD:
            raise PasswordNeededError(
                f"the archive does not open: {error}", hint="nothing was written; try again"
            ) from None
        raise VerificationError(f"the archive does not open: {error}", hint="nothing was written") from None
    except ValueError as error:
        raise VerificationError(f"the archive is damaged: {error}", hint="nothing was written") from None
    return content, content.account_key


def _restored(conversation: ArchivedConversation, now_ms: int) -> KnownConversation:
    return KnownConversation(
        conversation.id,
        conversation.title,
        conversation.mode,
        ConversationState.REMOVED if conversation.is_removed else ConversationState.SYNCING,
        added_ms=conversation.added_ms or (0 if conversation.is_removed else now_ms),
        removed_ms=conversation.removed_ms,
        invited_by=conversation.invited_by,
        invitation=conversation.invitation,
        members=conversation.members,
        hosts=conversation.hosts,
    )


def _to_json(conversation: ArchivedConversation) -> dict[str, object]:
    return {
        "id": conversation.id,
        "title": conversation.title[: limits.TITLE_CHARS_MAX],
        "mode": conversation.mode,
        "added": conversation.added_ms,
        "removed": conversation.removed_ms,
        "invited_by": conversation.invited_by,
        "invitation": conversation.invitation,
        "members": list(conversation.members[: limits.CLONE_MEMBERS_MAX]),
        "hosts": hosts_to_json(conversation.hosts[: limits.CLONE_HOSTS_MAX]),
    }


def _read(value: object, where: str) -> ArchivedConversation:
    fields = Fields(value, where, _CONVERSATION_KEYS)
    return ArchivedConversation(
        id=fields.parsed("id", conversation_id),
        title=fields.text("title", limits.TITLE_CHARS_MAX),
        mode=read_mode(fields),
        added_ms=fields.number("added"),
        removed_ms=fields.number("removed"),
        invited_by=fields.optional("invited_by", account_id),
        invitation=fields.optional("invitation", commit_id),
        members=tuple(fields.each("members", limits.CLONE_MEMBERS_MAX, read_account)),
        hosts=tuple(fields.each("hosts", limits.CLONE_HOSTS_MAX, read_host)),
    )
