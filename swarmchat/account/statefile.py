"""The State as a JSON document and back; strict, so that a damaged file is never half loaded. (SCP-01 §4.1, SCP-06)"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from swarmchat import limits
from swarmchat.account import strict
from swarmchat.account.preferences import is_preference, is_setting
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
)
from swarmchat.account.state import Setting, State
from swarmchat.account.strict import Fields
from swarmchat.addresses import Address
from swarmchat.ids import AccountId, DeviceId, account_id, commit_id, conversation_id, device_id

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

VERSION = 2
_MODE_MAX = 3
_SINCE_2: Mapping[str, object] = MappingProxyType(
    {"settings": {}, "preferences": {}, "sharing": {"devices": [], "seen": [], "stamps": []}}
)
_STAMP_KEYS = ("key", "time", "device", "number")
_ENTRIES_MAX = 100_000  # of one list in the file; what a stranger can add is bounded far lower where it is added


def state_to_json(state: State) -> dict[str, object]:
    """The document of a state; `state_from_json` gives back an equal one."""
    return {
        "version": VERSION,
        "contacts": contacts_to_json(state.contacts.values()),
        "requests": requests_to_json(state.requests.values()),
        "declined": declined_to_json(state.declined.values()),
        "arrivals": [{"sender": who, "times_ms": list(when)} for who, when in sorted(state.arrivals.items())],
        "conversations": [_conversation_to_json(value) for _, value in sorted(state.conversations.items())],
        "invitations": invitations_to_json(state.invitations.values()),
        "devices": devices_to_json(state.devices.values()),
        "settings": dict(sorted(state.settings.items())),
        "preferences": dict(sorted(state.preferences.items())),
        "sharing": sharing_to_json(state.stamps, state.seen),
    }


def state_from_json(document: object) -> State:
    """The state of a document; ValueError that names the place for anything not exactly as written by `state_to_json`.

    Version 1, from before own devices shared anything, is read as well.
    """
    if isinstance(document, dict) and document.get("version") == 1 and not document.keys() & _SINCE_2.keys():
        document = {**document, **_SINCE_2, "version": VERSION}
    fields = Fields(
        document,
        "state",
        (
            *("version", "contacts", "requests", "declined", "arrivals", "conversations", "invitations", "devices"),
            *("settings", "preferences", "sharing"),
        ),
    )
    if fields.number("version") != VERSION:
        raise ValueError(f"state: version {fields.number('version')} is not known here")
    stamps, seen = read_sharing(fields)
    arrivals = fields.each("arrivals", limits.REQUEST_SENDERS_MAX, _read_arrivals)
    return State(
        contacts=read_contacts(fields),
        requests=read_requests(fields),
        declined=read_declined(fields),
        arrivals=MappingProxyType(
            {who: times for who, (_, times) in _keyed(arrivals, lambda pair: pair[0], "arrivals").items()}
        ),
        conversations=_keyed(
            fields.each("conversations", limits.CONVERSATIONS_KNOWN_MAX, _read_conversation),
            lambda value: value.id,
            "conversations",
        ),
        invitations=read_invitations(fields),
        devices=read_devices(fields),
        settings=read_settings(fields),
        preferences=read_preferences(fields),
        stamps=stamps,
        seen=seen,
    )


def contacts_to_json(contacts: Iterable[Contact]) -> list[dict[str, object]]:
    """The contacts, by account; shared with the archive."""
    return [
        {
            "account": contact.account,
            "added_ms": contact.added_ms,
            "removed_ms": contact.removed_ms,
            "confirmed_ms": contact.confirmed_ms,
            "banned_ms": contact.banned_ms,
            "conversation": contact.conversation,
            "name": contact.name,
            "note": contact.note,
        }
        for contact in sorted(contacts, key=lambda contact: contact.account)
    ]


def read_contacts(fields: Fields) -> Mapping[AccountId, Contact]:
    """The field `contacts`, else ValueError."""
    return _keyed(fields.each("contacts", _ENTRIES_MAX, _read_contact), lambda value: value.account, "contacts")


def requests_to_json(requests: Iterable[Request]) -> list[dict[str, object]]:
    """The pending requests, by id; shared with the archive."""
    return [
        {
            "sender": request.offer.sender,
            "kind": request.offer.kind.value,
            "conversation": request.offer.conversation,
            "commit": request.offer.commit,
            "at_ms": request.offer.at_ms,
            "name": request.offer.name,
            "title": request.offer.title,
            "description": request.offer.description,
            "mode": request.offer.mode,
            "members": request.offer.members,
            "received_ms": request.received_ms,
            "shared": request.shared,
        }
        for request in sorted(requests, key=lambda request: request.id)
    ]


def read_requests(fields: Fields) -> Mapping[RequestId, Request]:
    """The field `requests`, else ValueError."""
    found = fields.each("requests", limits.REQUESTS_MAX, read_request)
    return _keyed(found, lambda value: value.id, "requests")


def declined_to_json(declined: Iterable[Declined]) -> list[dict[str, object]]:
    """What was declined; shared with the archive."""
    return [
        {
            "sender": record.sender,
            "conversation": record.conversation,
            "commit": record.commit,
            "declined_ms": record.declined_ms,
            "asked_ms": record.asked_ms,
        }
        for record in sorted(declined, key=lambda record: (record.sender, record.conversation))
    ]


def read_declined(fields: Fields) -> Mapping[RequestId, Declined]:
    """The field `declined`, else ValueError."""
    found = fields.each("declined", limits.DECLINED_MAX, read_refusal)
    return _keyed(found, lambda value: value.id, "declined")


def hosts_to_json(hosts: Iterable[Host]) -> list[dict[str, str]]:
    """Hosts as the archive spells them (SCP-01 §4.1)."""
    return [{"device": host.device, "addr": str(host.address)} for host in hosts]


def read_host(value: object, where: str) -> Host:
    """One host, else ValueError."""
    fields = Fields(value, where, ("device", "addr"))
    return Host(fields.parsed("device", device_id), fields.parsed("addr", Address.parse))


def read_account(value: object, where: str) -> AccountId:
    """One account id, else ValueError."""
    return strict.string(value, where, account_id)


def read_mode(fields: Fields) -> int:
    """The field `mode`, 0 … 3, else ValueError."""
    return fields.number("mode", _MODE_MAX)


def _read_contact(value: object, where: str) -> Contact:
    keys = ("account", "added_ms", "removed_ms", "confirmed_ms", "banned_ms", "conversation", "name", "note")
    fields = Fields(value, where, keys)
    return Contact(
        account=fields.parsed("account", account_id),
        added_ms=fields.number("added_ms"),
        removed_ms=fields.number("removed_ms"),
        confirmed_ms=fields.number("confirmed_ms"),
        banned_ms=fields.number("banned_ms"),
        conversation=fields.optional("conversation", conversation_id),
        name=fields.text("name", limits.DISPLAY_NAME_CHARS_MAX),
        note=fields.text("note", limits.NOTE_CHARS_MAX),
    )


def read_request(value: object, where: str) -> Request:
    """One pending request, else ValueError."""
    keys = (
        *("sender", "kind", "conversation", "commit", "at_ms", "name", "title", "description"),
        *("mode", "members", "received_ms", "shared"),
    )
    fields = Fields(value, where, keys)
    offer = Offer(
        sender=fields.parsed("sender", account_id),
        kind=fields.parsed("kind", RequestKind),
        conversation=fields.parsed("conversation", conversation_id),
        commit=fields.parsed("commit", commit_id),
        at_ms=fields.number("at_ms"),
        name=fields.text("name", limits.REQUEST_NAME_CHARS_MAX),
        title=fields.text("title", limits.TITLE_CHARS_MAX),
        description=fields.text("description", limits.DESCRIPTION_CHARS_MAX),
        mode=read_mode(fields),
        members=fields.number("members"),
    )
    return Request(offer, received_ms=fields.number("received_ms"), shared=fields.flag("shared"))


def read_refusal(value: object, where: str) -> Declined:
    """One that was declined, else ValueError."""
    fields = Fields(value, where, ("sender", "conversation", "commit", "declined_ms", "asked_ms"))
    return Declined(
        sender=fields.parsed("sender", account_id),
        conversation=fields.parsed("conversation", conversation_id),
        commit=fields.parsed("commit", commit_id),
        declined_ms=fields.number("declined_ms"),
        asked_ms=fields.number("asked_ms"),
    )


def _read_arrivals(value: object, where: str) -> tuple[AccountId, tuple[int, ...]]:
    fields = Fields(value, where, ("sender", "times_ms"))
    times = fields.each("times_ms", limits.REQUESTS_PER_HOUR_PER_SENDER, _read_time)
    if not times:
        raise fields.wrong("times_ms", "empty")
    return fields.parsed("sender", account_id), tuple(times)


def _read_time(value: object, where: str) -> int:
    return Fields({"time": value}, where, ("time",)).number("time")


def _conversation_to_json(value: KnownConversation) -> dict[str, object]:
    return {
        "id": value.id,
        "title": value.title,
        "mode": value.mode,
        "state": value.state.value,
        "added_ms": value.added_ms,
        "removed_ms": value.removed_ms,
        "invited_by": value.invited_by,
        "invitation": value.invitation,
        "members": list(value.members),
        "hosts": hosts_to_json(value.hosts),
        "refused": list(value.refused),
    }


def _read_conversation(value: object, where: str) -> KnownConversation:
    keys = (
        *("id", "title", "mode", "state", "added_ms", "removed_ms"),
        *("invited_by", "invitation", "members", "hosts", "refused"),
    )
    fields = Fields(value, where, keys)
    return KnownConversation(
        id=fields.parsed("id", conversation_id),
        title=fields.text("title", limits.TITLE_CHARS_MAX),
        mode=read_mode(fields),
        state=fields.parsed("state", ConversationState),
        added_ms=fields.number("added_ms"),
        removed_ms=fields.number("removed_ms"),
        invited_by=fields.optional("invited_by", account_id),
        invitation=fields.optional("invitation", commit_id),
        members=tuple(fields.each("members", limits.CLONE_MEMBERS_MAX, read_account)),
        hosts=tuple(fields.each("hosts", limits.CLONE_HOSTS_MAX, read_host)),
        refused=tuple(
            fields.each("refused", limits.REFUSED_HEADS_MAX, lambda item, at: strict.string(item, at, commit_id))
        ),
    )


def invitations_to_json(invitations: Iterable[Invitation]) -> list[dict[str, object]]:
    """The invitations that we sent, by conversation and account."""
    return [
        {
            "conversation": value.conversation,
            "account": value.account,
            "kind": value.kind.value,
            "commit": value.commit,
            "created_ms": value.created_ms,
            "delivered_ms": value.delivered_ms,
            "tried_ms": value.tried_ms,
        }
        for value in sorted(invitations, key=lambda value: (value.conversation, value.account))
    ]


def read_invitations(fields: Fields) -> Mapping[RequestId, Invitation]:
    """The field `invitations`, else ValueError."""
    found = fields.each("invitations", limits.INVITATIONS_MAX, read_invitation)
    return _keyed(found, lambda value: value.id, "invitations")


def read_invitation(value: object, where: str) -> Invitation:
    """One invitation that we sent, else ValueError."""
    keys = ("conversation", "account", "kind", "commit", "created_ms", "delivered_ms", "tried_ms")
    fields = Fields(value, where, keys)
    return Invitation(
        conversation=fields.parsed("conversation", conversation_id),
        account=fields.parsed("account", account_id),
        kind=fields.parsed("kind", RequestKind),
        commit=fields.parsed("commit", commit_id),
        created_ms=fields.number("created_ms"),
        delivered_ms=fields.number("delivered_ms"),
        tried_ms=fields.number("tried_ms"),
    )


def devices_to_json(devices: Iterable[OwnDevice]) -> list[dict[str, object]]:
    """The devices of this account, by id."""
    return [
        {
            "id": value.id,
            "name": value.name,
            "added_ms": value.added_ms,
            "revoked_ms": value.revoked_ms,
            "may_link": value.may_link,
        }
        for value in sorted(devices, key=lambda value: value.id)
    ]


def read_devices(fields: Fields) -> Mapping[DeviceId, OwnDevice]:
    """The field `devices`, else ValueError."""
    found = fields.each("devices", limits.OWN_DEVICES_MAX, _read_device)
    return _keyed(found, lambda value: value.id, "devices")


def read_settings(fields: Fields) -> Mapping[str, Setting]:
    """The field `settings` of the account, else ValueError."""
    found = fields.value("settings")
    if not isinstance(found, dict) or not all(is_setting(name, value) for name, value in found.items()):
        raise fields.wrong("settings", "not the settings of an account")
    return MappingProxyType({name: strict.plain(value, f"settings.{name}") for name, value in found.items()})


def read_preferences(fields: Fields) -> Mapping[str, str]:
    """The field `preferences`, by "conversation/name", else ValueError."""
    found = fields.value("preferences")
    if not isinstance(found, dict) or len(found) > _ENTRIES_MAX or not all(is_preference(key) for key in found):
        raise fields.wrong("preferences", "not those of conversations")
    named = {key: Fields(found, "preferences", found).text(key, limits.PREFERENCE_CHARS_MAX) for key in found}
    return MappingProxyType(named)


def sharing_to_json(stamps: Mapping[str, Stamp], seen: Mapping[DeviceId, int]) -> dict[str, object]:
    """The stamps, each device named once; shared with the archive."""
    devices = sorted({*seen, *(stamp.device for stamp in stamps.values())})
    places = {device: place for place, device in enumerate(devices)}
    return {
        "devices": devices,
        "seen": [seen.get(device, 0) for device in devices],
        "stamps": [[key, stamp.time_ms, places[stamp.device], stamp.number] for key, stamp in sorted(stamps.items())],
    }


def read_sharing(fields: Fields) -> tuple[Mapping[str, Stamp], Mapping[DeviceId, int]]:
    """The field `sharing`: the stamps and what was seen, else ValueError."""
    inner = Fields(fields.value("sharing"), "sharing", ("devices", "seen", "stamps"))
    devices = inner.each("devices", limits.OWN_DEVICES_MAX, lambda item, at: strict.string(item, at, device_id))
    seen = inner.each("seen", limits.OWN_DEVICES_MAX, _read_time)
    if len(seen) != len(devices) or len(set(devices)) != len(devices):
        raise inner.wrong("seen", "not one for each device")

    def read(item: object, where: str) -> tuple[str, Stamp]:
        if not isinstance(item, list) or len(item) != 4:
            raise ValueError(f"{where}: not four values")
        row = Fields(dict(zip(_STAMP_KEYS, item, strict=True)), where, _STAMP_KEYS)
        place = row.number("device", max(0, len(devices) - 1))
        if not devices:
            raise row.wrong("device", "unknown")
        return row.text("key", limits.STAMP_KEY_CHARS_MAX), Stamp(
            row.number("time"), devices[place], row.number("number")
        )

    stamps = _keyed(inner.each("stamps", limits.STAMPS_MAX, read), lambda pair: pair[0], "stamps")
    vector = {device: number for device, number in zip(devices, seen, strict=True) if number}
    return MappingProxyType({key: stamp for key, (_, stamp) in stamps.items()}), MappingProxyType(vector)


def _read_device(value: object, where: str) -> OwnDevice:
    fields = Fields(value, where, ("id", "name", "added_ms", "revoked_ms", "may_link"))
    return OwnDevice(
        id=fields.parsed("id", device_id),
        name=fields.text("name", limits.DISPLAY_NAME_CHARS_MAX),
        added_ms=fields.number("added_ms"),
        revoked_ms=fields.number("revoked_ms"),
        may_link=fields.flag("may_link"),
    )


def _keyed(values: Iterable[V], key: Callable[[V], K], where: str) -> Mapping[K, V]:
    keyed: dict[K, V] = {}
    for value in values:
        if key(value) in keyed:
            raise ValueError(f"{where}: {key(value)} stands there twice")
        keyed[key(value)] = value
    return MappingProxyType(keyed)
