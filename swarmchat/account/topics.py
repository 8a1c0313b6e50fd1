"""The kinds of things that own devices share, one by one: what travels of each, how it is read, and put into a state. Pure. (SCP-04 §7.1)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from swarmchat import limits
from swarmchat.account.preferences import has_setting, is_preference, is_setting
from swarmchat.account.records import (
    Contact,
    ConversationState,
    Declined,
    Invitation,
    KnownConversation,
    OwnDevice,
    Request,
)
from swarmchat.account.requests import with_request
from swarmchat.account.state import State
from swarmchat.account.statefile import (
    declined_to_json,
    invitations_to_json,
    read_account,
    read_invitation,
    read_mode,
    read_refusal,
    read_request,
    requests_to_json,
)
from swarmchat.account.strict import Fields
from swarmchat.ids import account_id, commit_id, conversation_id, device_id

Value = Any  # of JSON
Asked = TypeVar("Asked", Request, Declined, Invitation)


class Draft:
    """A state that is being changed a thousand times: each mapping is copied once, and frozen at the end."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._maps: dict[str, dict[Any, Any]] = {}

    def __getitem__(self, source: str) -> dict[Any, Any]:
        if source not in self._maps:
            self._maps[source] = dict(getattr(self._state, source))
        return self._maps[source]

    def frozen(self) -> State:
        """The state; this draft is not used after."""
        maps: dict[str, Any] = {source: MappingProxyType(held) for source, held in self._maps.items()}
        return replace(self._state, **maps)


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of shared thing: what travels of it (`value`), what of that makes it another (`gist`), and back."""

    name: str
    source: str  # the mapping of State that holds it
    value: Callable[[Any], Value]  # of what the mapping holds; None: nothing to be said of it
    read: Callable[[str, Value], Any]  # ValueError
    put: Callable[[Draft, str, Any], None]
    gist: Callable[[Any], Value] | None = None
    # Whether there may be one of this name, as far as this version knows.
    has: Callable[[str], bool] = lambda name: True


# --- contacts: four words about one account that are said apart


def _contact(change: Callable[[Contact, Any], Contact]) -> Callable[[Draft, str, Any], None]:
    def put(draft: Draft, name: str, value: Any) -> None:
        account, contacts = account_id(name), draft["contacts"]
        if account not in contacts and len(contacts) >= limits.CONTACTS_MAX:
            return
        new = change(contacts.get(account) or Contact(account), value)
        if new == Contact(account):
            contacts.pop(account, None)
        else:
            contacts[account] = new

    return put


def _standing(contact: Contact) -> Value:
    times = (contact.added_ms, contact.removed_ms, contact.confirmed_ms)
    if not any(times) and contact.conversation is None:
        return None
    return [*times, contact.conversation]


def _read_standing(name: str, value: Value) -> Contact:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"contact/{name}: not four values")
    fields = Fields(
        dict(zip(("added", "removed", "confirmed", "conversation"), value, strict=True)),
        f"contact/{name}",
        ("added", "removed", "confirmed", "conversation"),
    )
    return Contact(
        account_id(name),
        added_ms=fields.number("added"),
        removed_ms=fields.number("removed"),
        confirmed_ms=fields.number("confirmed"),
        conversation=fields.optional("conversation", conversation_id),
    )


def _stand(old: Contact, told: Contact | None) -> Contact:
    told = told or Contact(old.account)
    return replace(
        old,
        added_ms=told.added_ms,
        removed_ms=told.removed_ms,
        confirmed_ms=told.confirmed_ms,
        conversation=told.conversation,
    )


# --- single values


def _text(limit: int) -> Callable[[str, Value], str]:
    def read(name: str, value: Value) -> str:
        return Fields({"text": value}, name, ("text",)).text("text", limit)

    return read


def _time(name: str, value: Value) -> int:
    return Fields({"time": value}, name, ("time",)).number("time")


def _read_setting(name: str, value: Value) -> str | bool:
    if not is_setting(name, value):
        raise ValueError(f"setting/{name}: there is none such")
    return _text(limits.DISPLAY_NAME_CHARS_MAX)(name, value) if isinstance(value, str) else bool(value)


def _read_preference(name: str, value: Value) -> str:
    if not is_preference(name):
        raise ValueError("preference: not of a conversation")
    return _text(limits.PREFERENCE_CHARS_MAX)(name, value)


# --- requests and answers


def _named(topic: str, read: Callable[[Value, str], Asked]) -> Callable[[str, Value], Asked]:
    """Reads what has its name inside, too: it must be that of the key."""

    def named(name: str, value: Value) -> Asked:
        record = read(value, f"{topic}/{name}")
        if record.id != name:
            raise ValueError(f"{topic}/{name}: of another")
        return record

    return named


def _put_request(draft: Draft, name: str, request: Request | None) -> None:
    requests = draft["requests"]
    requests.pop(name, None)
    if request is not None:
        kept = with_request(State(requests=requests), request).requests  # the oldest goes where there is no place
        for key in requests.keys() - kept.keys():
            del requests[key]
        requests[request.id] = request


def _put_declined(draft: Draft, name: str, record: Declined | None) -> None:
    kept = draft["declined"]
    kept.pop(name, None)
    if record is not None:
        kept[name] = record
    while len(kept) > limits.DECLINED_MAX:
        del kept[min(kept, key=lambda other: (kept[other].asked_ms, other))]


def _invitation_gist(held: Invitation) -> Value:
    return invitations_to_json([replace(held, delivered_ms=0, tried_ms=0)])[0]


def _put_invitation(draft: Draft, name: str, told: Invitation | None) -> None:
    held = draft["invitations"]
    old = held.pop(name, None)
    if told is None or (old is None and len(held) >= limits.INVITATIONS_MAX):
        return
    if old is not None and old.commit == told.commit:
        told = replace(told, delivered_ms=old.delivered_ms, tried_ms=old.tried_ms)
    held[name] = told


# --- conversations

_CONVERSATION_KEYS: Final = ("gone", "added", "removed", "invited_by", "invitation", "title", "mode", "members")


def _conversation_gist(known: KnownConversation) -> Value:
    """What makes it another; title, mode and members every device reads in the conversation itself."""
    gone = known.state is ConversationState.REMOVED
    return [gone, known.added_ms, known.removed_ms, known.invited_by, known.invitation]


def _conversation_value(known: KnownConversation) -> Value:
    members = list(known.members)
    return [*_conversation_gist(known), known.title, known.mode, members]


def _read_conversation(name: str, value: Value) -> KnownConversation:
    if not isinstance(value, list) or len(value) != len(_CONVERSATION_KEYS):
        raise ValueError(f"conversation/{name}: not {len(_CONVERSATION_KEYS)} values")
    where = f"conversation/{name}"
    fields = Fields(dict(zip(_CONVERSATION_KEYS, value, strict=True)), where, _CONVERSATION_KEYS)
    return KnownConversation(
        conversation_id(name),
        fields.text("title", limits.TITLE_CHARS_MAX),
        read_mode(fields),
        ConversationState.REMOVED if fields.flag("gone") else ConversationState.SYNCING,
        added_ms=fields.number("added"),
        removed_ms=fields.number("removed"),
        invited_by=fields.optional("invited_by", account_id),
        invitation=fields.optional("invitation", commit_id),
        members=tuple(fields.each("members", limits.CLONE_MEMBERS_MAX, read_account)),
    )


def _put_conversation(draft: Draft, name: str, told: KnownConversation | None) -> None:
    """A conversation is taken up here, or is gone here, when another own device says so."""
    if told is None:
        return  # a conversation that was known is never unknown again
    held = draft["conversations"]
    old = held.get(name)
    if old is None:
        if len(held) >= limits.CONVERSATIONS_KNOWN_MAX:
            return
        new = told
    elif _is_taken_up(old, told):
        new = told
    else:
        new = replace(
            old,
            state=told.state if told.state is ConversationState.REMOVED else old.state,
            added_ms=told.added_ms,
            removed_ms=told.removed_ms,
            invited_by=told.invited_by,
            invitation=told.invitation,
        )
    held[name] = new


def _is_taken_up(old: KnownConversation, told: KnownConversation) -> bool:
    """Whether what is gone here was taken up elsewhere; what only this device erased, after that."""
    if told.state is ConversationState.REMOVED:
        return False
    was_erased = old.state is ConversationState.ERASED and told.added_ms > old.added_ms
    return old.state is ConversationState.REMOVED or was_erased


# --- own devices


def _device(change: Callable[[OwnDevice, Any], OwnDevice]) -> Callable[[Draft, str, Any], None]:
    def put(draft: Draft, name: str, value: Any) -> None:
        device, held = device_id(name), draft["devices"]
        old = held.get(device)
        if old is not None or len(held) < limits.OWN_DEVICES_MAX:
            held[device] = change(old or OwnDevice(device, name="", added_ms=0), value)

    return put


def _read_device(name: str, value: Value) -> tuple[int, bool]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"device/{name}: not two values")
    fields = Fields({"added": value[0], "may_link": value[1]}, f"device/{name}", ("added", "may_link"))
    return fields.number("added"), fields.flag("may_link")


def _introduce(old: OwnDevice, told: tuple[int, bool] | None) -> OwnDevice:
    added_ms, may_link = told or (0, False)
    return replace(old, added_ms=added_ms, may_link=may_link)


# --- the flat ones


def _flat(source: str) -> Callable[[Draft, str, Any], None]:
    def put(draft: Draft, name: str, value: Any) -> None:
        held = draft[source]
        held.pop(name, None)
        if value is not None:
            held[name] = value

    return put


def _put_preference(draft: Draft, name: str, value: str | None) -> None:
    held = draft["preferences"]
    if value is not None and name not in held:
        there = sum(key.startswith(name.partition("/")[0]) for key in held)
        if there >= limits.PREFERENCES_MAX:
            return
    _flat("preferences")(draft, name, value)


Change = Callable[[Any, Any], Any]


def _field(
    name: str,
    source: str,
    field: str,
    read: Callable[[str, Value], Any],
    into: Callable[[Change], Callable[[Draft, str, Any], None]],
    empty: str | int,
) -> Topic:
    """One field of what the mapping holds, said apart from the others; `empty`: nothing to be said of it."""
    put = into(lambda old, told: replace(old, **{field: told or empty}))
    return Topic(name, source, lambda held: getattr(held, field) or None, read, put)


_ALL: Final = (
    Topic("contact", "contacts", _standing, _read_standing, _contact(_stand)),
    _field("block", "contacts", "banned_ms", _time, _contact, 0),
    _field("name", "contacts", "name", _text(limits.DISPLAY_NAME_CHARS_MAX), _contact, ""),
    _field("note", "contacts", "note", _text(limits.NOTE_CHARS_MAX), _contact, ""),
    Topic(
        "conversation", "conversations", _conversation_value, _read_conversation, _put_conversation, _conversation_gist
    ),
    Topic(
        "declined",
        "declined",
        lambda held: declined_to_json([held])[0],
        _named("declined", read_refusal),
        _put_declined,
    ),
    Topic(
        "request", "requests", lambda held: requests_to_json([held])[0], _named("request", read_request), _put_request
    ),
    Topic("invitation", "invitations", _invitation_gist, _named("invitation", read_invitation), _put_invitation),
    Topic("device", "devices", lambda held: [held.added_ms, held.may_link], _read_device, _device(_introduce)),
    _field("device-name", "devices", "name", _text(limits.DISPLAY_NAME_CHARS_MAX), _device, ""),
    _field("device-revoked", "devices", "revoked_ms", _time, _device, 0),
    Topic("setting", "settings", lambda held: held, _read_setting, _flat("settings"), has=has_setting),
    Topic("preference", "preferences", lambda held: held, _read_preference, _put_preference),
)
TOPICS: Final = {topic.name: topic for topic in _ALL}
BY_SOURCE: Final = {
    source: tuple(topic for topic in _ALL if topic.source == source) for source in dict.fromkeys(t.source for t in _ALL)
}
