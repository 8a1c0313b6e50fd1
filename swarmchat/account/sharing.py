"""What the devices of one account share of its state: stamped changes, deltas by version vector, merging. Pure. (SCP-04 §7)

Each thing that is shared has a key, `topic/id`, and the stamp of its last change. The later stamp counts, so all devices
that know the same changes hold the same, whatever way and order these came in. A change that a later one replaced need not
travel. What a device has of others is one number for each of them, the vector; a delta is what lies beyond it.

Values are what JSON and msgpack know; None: there is no such thing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from swarmchat import limits
from swarmchat.account.records import (
    Contact,
    ConversationState,
    Declined,
    Invitation,
    KnownConversation,
    OwnDevice,
    Request,
    RequestId,
    Stamp,
    request_id,
)
from swarmchat.account.state import State, is_preference, is_setting
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
from swarmchat.ids import ConversationId, DeviceId, account_id, commit_id, conversation_id, device_id

Value = Any  # of JSON
Vector = Mapping[DeviceId, int]

_NEVER: Final = 1  # ms; the stamp of what was here before anything was stamped: any change is later


@dataclass(frozen=True, slots=True)
class Entry:
    """One shared thing as it travels."""

    key: str
    value: Value
    stamp: Stamp


def stamped(before: State, after: State, *, device: DeviceId, now_ms: int) -> State:
    """`after`, in which what `device` changed since `before` bears its stamp, later than the one it replaces.

    What bears another stamp than before came from elsewhere, and keeps it.
    """
    fresh: dict[str, Stamp] = {}
    number = after.seen.get(device, 0)
    for key in _changed(before, after):
        old = before.stamps.get(key)
        if after.stamps.get(key) != old:
            continue
        number += 1
        fresh[key] = Stamp(now_ms if old is None else max(now_ms, old.time_ms + 1), device, number)
    return _with_stamps(after, fresh, {device: number}) if fresh else after


def completed(state: State, *, device: DeviceId) -> State:
    """The state in which everything that is shared bears a stamp: what never had one, that of before any change."""
    fresh: dict[str, Stamp] = {}
    number = state.seen.get(device, 0)
    for key, value in _values(state):
        if value is not None and key not in state.stamps:
            number += 1
            fresh[key] = Stamp(_NEVER, device, number)
    return _with_stamps(state, fresh, {device: number}) if fresh else state


def delta(state: State, have: Vector, *, asker: DeviceId | None = None) -> list[Entry]:
    """What somebody lacks who has `have`, each device's changes in their order.

    An `asker` who knows fewer changes of its own than we do is a disk that was put back: it gets all of them, for what it
    changed since bears numbers that were used before.
    """
    if asker is not None and have.get(asker, 0) < state.seen.get(asker, 0):
        have = {device: number for device, number in have.items() if device != asker}
    lacking = [(stamp, key) for key, stamp in state.stamps.items() if stamp.number > have.get(stamp.device, 0)]
    lacking.sort(key=lambda pair: (pair[0].device, pair[0].number))
    return [Entry(key, _value(state, key), stamp) for stamp, key in lacking]


def merged(state: State, entries: Iterable[Entry], *, device: DeviceId, now_ms: int) -> State:
    """The state with what came from another own device; ValueError for what is none, and then nothing is taken.

    A request that was declined or taken up, here or there, waits no more, in whatever order that is heard. Topics of a
    later version are left out.
    """
    taken, stamps = state, dict(state.stamps)
    for entry in entries:
        topic, name = _split(entry.key)
        if topic is None:
            continue
        value = None if entry.value is None else topic.read(name, entry.value)
        old = stamps.get(entry.key)
        if old is None or old < entry.stamp:
            stamps[entry.key] = entry.stamp
            taken = topic.put(taken, name, value)
    taken = replace(taken, stamps=MappingProxyType(stamps))
    return stamped(taken, _tidied(taken), device=device, now_ms=now_ms)


def adopted(state: State, vector: Vector, *, device: DeviceId) -> State:
    """The state once all of a delta is in: what its sender had seen, we have. ValueError for more devices than there can be.

    Knows the sender more changes of us than we do, this disk was put back: our own get numbers that nobody has seen.
    """
    claimed = vector.get(device, 0)
    if claimed > state.seen.get(device, 0):
        state = _renumbered(state, device=device, begin=claimed + 1)
    seen = dict(state.seen)
    for other, number in vector.items():
        seen[other] = max(number, seen.get(other, 0))
    if len(seen) > limits.OWN_DEVICES_MAX:
        raise ValueError("a vector of too many devices")
    return state if seen == state.seen else replace(state, seen=MappingProxyType(seen))


def _renumbered(state: State, *, device: DeviceId, begin: int) -> State:
    mine = sorted((stamp.number, key) for key, stamp in state.stamps.items() if stamp.device == device)
    fresh = {key: replace(state.stamps[key], number=number) for number, (_, key) in enumerate(mine, start=begin)}
    return _with_stamps(state, fresh, {device: begin + len(fresh) - 1})


# --- topics


@dataclass(frozen=True, slots=True)
class _Topic:
    """One kind of shared thing: what travels of it (`value`), what of that makes it another (`gist`), and back."""

    name: str
    source: str  # the mapping of State that holds it
    value: Callable[[Any], Value]  # of what the mapping holds; None: nothing to be said of it
    read: Callable[[str, Value], Any]  # ValueError
    put: Callable[[State, str, Any], State]
    gist: Callable[[Any], Value] | None = None


def _changed(before: State, after: State) -> list[str]:
    """The keys of what differs, in the order of topics and ids."""
    keys: list[str] = []
    for source, topics in _BY_SOURCE.items():
        old, new = getattr(before, source), getattr(after, source)
        if old is new:
            continue
        moved = sorted(name for name in {*old, *new} if old.get(name) is not new.get(name))
        for topic in topics:
            gist = topic.gist or topic.value
            for name in moved:
                was, now = old.get(name), new.get(name)
                if (None if was is None else gist(was)) != (None if now is None else gist(now)):
                    keys.append(f"{topic.name}/{name}")
    return keys


def _values(state: State) -> Iterator[tuple[str, Value]]:
    for source, topics in _BY_SOURCE.items():
        for name, held in sorted(getattr(state, source).items()):
            for topic in topics:
                yield f"{topic.name}/{name}", topic.value(held)


def _value(state: State, key: str) -> Value:
    topic, name = _split(key)
    assert topic is not None, "only what is known is stamped"
    held = getattr(state, topic.source).get(name)
    return None if held is None else topic.value(held)


def _split(key: str) -> tuple[_Topic | None, str]:
    topic, _, name = key.partition("/")
    return _TOPICS.get(topic), name


def _with_stamps(state: State, fresh: Mapping[str, Stamp], seen: Vector) -> State:
    stamps = {**state.stamps, **fresh}
    empty = [key for key in stamps if _value(state, key) is None] if len(stamps) > limits.STAMPS_EMPTY_MAX else []
    if len(empty) > limits.STAMPS_EMPTY_MAX:
        empty.sort(key=lambda key: stamps[key])
        for key in empty[: len(empty) - limits.STAMPS_EMPTY_MAX]:
            del stamps[key]
    return replace(state, stamps=MappingProxyType(stamps), seen=MappingProxyType({**state.seen, **seen}))


def _tidied(state: State) -> State:
    """Without the requests that were declined or taken up elsewhere, and without what hangs on a conversation that is gone."""

    def is_gone(conversation: str) -> bool:
        known = state.conversations.get(ConversationId(conversation))
        return known is not None and known.state is ConversationState.REMOVED

    answered = {key for key, request in state.requests.items() if state.answer_to(request.offer) is not None}
    invited = {key for key, invitation in state.invitations.items() if is_gone(invitation.conversation)}
    preferred = {key for key in state.preferences if is_gone(key.partition("/")[0])}
    if not answered and not invited and not preferred:
        return state
    return replace(
        state,
        requests=_kept(state.requests, lambda key: key not in answered),
        invitations=_kept(state.invitations, lambda key: key not in invited),
        preferences=_kept(state.preferences, lambda key: key not in preferred),
    )


# --- contacts: four words about one account that are said apart


def _contact(change: Callable[[Contact, Any], Contact]) -> Callable[[State, str, Any], State]:
    def put(state: State, name: str, value: Any) -> State:
        account = account_id(name)
        if account not in state.contacts and len(state.contacts) >= limits.CONTACTS_MAX:
            return state
        new = change(state.contact(account), value)
        contacts = dict(state.contacts)
        if new == Contact(account):
            contacts.pop(account, None)
        else:
            contacts[account] = new
        return replace(state, contacts=MappingProxyType(contacts))

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


def _read_request(name: str, value: Value) -> Request:
    request = read_request(value, f"request/{name}")
    if request.id != name:
        raise ValueError(f"request/{name}: of another")
    return request


def _put_request(state: State, name: str, request: Request | None) -> State:
    key = RequestId(name)
    kept = _kept(state.requests, lambda other: other != key)
    state = replace(state, requests=kept)
    return state if request is None else state.with_request(request)


def _read_declined(name: str, value: Value) -> Declined:
    record = read_refusal(value, f"declined/{name}")
    if request_id(record.sender, record.conversation) != name:
        raise ValueError(f"declined/{name}: of another")
    return record


def _put_declined(state: State, name: str, record: Declined | None) -> State:
    key = RequestId(name)
    kept = dict(state.declined)
    kept.pop(key, None)
    if record is not None:
        kept[key] = record
    while len(kept) > limits.DECLINED_MAX:
        del kept[min(kept, key=lambda other: (kept[other].asked_ms, other))]
    return replace(state, declined=MappingProxyType(kept))


def _invitation_gist(held: Invitation) -> Value:
    return invitations_to_json([replace(held, delivered_ms=0, tried_ms=0)])[0]


def _read_invitation(name: str, value: Value) -> Invitation:
    invitation = read_invitation(value, f"invitation/{name}")
    if request_id(invitation.account, invitation.conversation) != name:
        raise ValueError(f"invitation/{name}: of another")
    return invitation


def _put_invitation(state: State, name: str, told: Invitation | None) -> State:
    key = RequestId(name)
    old = state.invitations.get(key)
    if told is None:
        return replace(state, invitations=_kept(state.invitations, lambda other: other != key))
    if old is None and len(state.invitations) >= limits.INVITATIONS_MAX:
        return state
    if old is not None and old.commit == told.commit:
        told = replace(told, delivered_ms=old.delivered_ms, tried_ms=old.tried_ms)
    return replace(state, invitations=MappingProxyType({**state.invitations, key: told}))


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


def _put_conversation(state: State, name: str, told: KnownConversation | None) -> State:
    """A conversation is taken up here, or is gone here, when another own device says so."""
    if told is None:
        return state  # a conversation that was known is never unknown again
    where = ConversationId(name)
    old = state.conversations.get(where)
    if old is None:
        if len(state.conversations) >= limits.CONVERSATIONS_KNOWN_MAX:
            return state
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
    return replace(state, conversations=MappingProxyType({**state.conversations, where: new}))


def _is_taken_up(old: KnownConversation, told: KnownConversation) -> bool:
    """Whether what is gone here was taken up elsewhere; what only this device erased, after that."""
    if told.state is ConversationState.REMOVED:
        return False
    was_erased = old.state is ConversationState.ERASED and told.added_ms > old.added_ms
    return old.state is ConversationState.REMOVED or was_erased


# --- own devices


def _device(change: Callable[[OwnDevice, Any], OwnDevice]) -> Callable[[State, str, Any], State]:
    def put(state: State, name: str, value: Any) -> State:
        device = device_id(name)
        old = state.devices.get(device)
        if old is None and len(state.devices) >= limits.OWN_DEVICES_MAX:
            return state
        new = change(old or OwnDevice(device, name="", added_ms=0), value)
        return replace(state, devices=MappingProxyType({**state.devices, device: new}))

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


def _flat(source: str) -> Callable[[State, str, Any], State]:
    def put(state: State, name: str, value: Any) -> State:
        held = dict(getattr(state, source))
        held.pop(name, None)
        if value is not None:
            held[name] = value
        return replace(state, **{source: MappingProxyType(held)})

    return put


def _put_preference(state: State, name: str, value: str | None) -> State:
    there = sum(key.startswith(name.partition("/")[0]) for key in state.preferences)
    if value is not None and name not in state.preferences and there >= limits.PREFERENCES_MAX:
        return state
    return _flat("preferences")(state, name, value)


def _kept(mapping: Mapping[Any, Any], keep: Callable[[Any], bool]) -> Mapping[Any, Any]:
    return MappingProxyType({key: value for key, value in mapping.items() if keep(key)})


_ALL: Final = (
    _Topic("contact", "contacts", _standing, _read_standing, _contact(_stand)),
    _Topic(
        "block",
        "contacts",
        lambda contact: contact.banned_ms or None,
        _time,
        _contact(lambda old, told: replace(old, banned_ms=told or 0)),
    ),
    _Topic(
        "name",
        "contacts",
        lambda contact: contact.name or None,
        _text(limits.DISPLAY_NAME_CHARS_MAX),
        _contact(lambda old, told: replace(old, name=told or "")),
    ),
    _Topic(
        "note",
        "contacts",
        lambda contact: contact.note or None,
        _text(limits.NOTE_CHARS_MAX),
        _contact(lambda old, told: replace(old, note=told or "")),
    ),
    _Topic(
        "conversation", "conversations", _conversation_value, _read_conversation, _put_conversation, _conversation_gist
    ),
    _Topic("declined", "declined", lambda held: declined_to_json([held])[0], _read_declined, _put_declined),
    _Topic("request", "requests", lambda held: requests_to_json([held])[0], _read_request, _put_request),
    _Topic("invitation", "invitations", _invitation_gist, _read_invitation, _put_invitation),
    _Topic("device", "devices", lambda held: [held.added_ms, held.may_link], _read_device, _device(_introduce)),
    _Topic(
        "device-name",
        "devices",
        lambda held: held.name or None,
        _text(limits.DISPLAY_NAME_CHARS_MAX),
        _device(lambda old, told: replace(old, name=told or "")),
    ),
    _Topic(
        "device-revoked",
        "devices",
        lambda held: held.revoked_ms or None,
        _time,
        _device(lambda old, told: replace(old, revoked_ms=told or 0)),
    ),
    _Topic("setting", "settings", lambda held: held, _read_setting, _flat("settings")),
    _Topic("preference", "preferences", lambda held: held, _read_preference, _put_preference),
)
_TOPICS: Final = {topic.name: topic for topic in _ALL}
_BY_SOURCE: Final = {
    source: tuple(topic for topic in _ALL if topic.source == source) for source in dict.fromkeys(t.source for t in _ALL)
}
