"""What the devices of one account share of its state: stamped changes, deltas by version vector, merging. Pure. (SCP-04 §7)

Each thing that is shared has a key, `topic/id`, and the stamp of its last change. The later stamp counts, so all devices
that know the same changes hold the same, whatever way and order these came in. A change that a later one replaced need not
travel. What a device has of others is one number for each of them, the vector; a delta is what lies beyond it.

Values are what JSON and msgpack know; None: there is no such thing any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from swarmchat import limits
from swarmchat.account import requests
from swarmchat.account.records import (
    ConversationState,
    Stamp,
)
from swarmchat.account.state import State
from swarmchat.account.topics import BY_SOURCE, TOPICS, Draft, Topic, Value
from swarmchat.ids import ConversationId, DeviceId

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


def digest(state: State) -> bytes:
    """32 bytes, the same for all who hold the same: of each thing that there is, its key and who changed it when."""
    total = 0
    for key, stamp in state.stamps.items():
        if _value(state, key) is not None:  # what is no more is forgotten some day, by each at another time
            line = f"{key} {stamp.time_ms} {stamp.device}".encode()
            total += int.from_bytes(hashlib.sha256(line).digest(), "big")
    return (total % 2**256).to_bytes(32, "big")


def merged(state: State, entries: Iterable[Entry], *, device: DeviceId, now_ms: int) -> State:
    """The state with what came from another own device; ValueError for what is none, and then nothing is taken.

    A request that was declined or taken up, here or there, waits no more, in whatever order that is heard. Topics and
    settings of a later version are left out.
    """
    draft = Draft(state)
    for entry in entries:
        topic, name = _split(entry.key)
        if topic is None:
            continue
        value = None if entry.value is None else topic.read(name, entry.value)
        stamps = draft["stamps"]
        old = stamps.get(entry.key)
        if old is None or old < entry.stamp:
            stamps[entry.key] = entry.stamp
            topic.put(draft, name, value)
    taken = draft.frozen()
    if len(taken.stamps) > limits.STAMPS_MAX:
        raise ValueError("more is shared than there can be")
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


def _changed(before: State, after: State) -> list[str]:
    """The keys of what differs, in the order of topics and ids."""
    keys: list[str] = []
    for source, topics in BY_SOURCE.items():
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
    for source, topics in BY_SOURCE.items():
        for name, held in sorted(getattr(state, source).items()):
            for topic in topics:
                yield f"{topic.name}/{name}", topic.value(held)


def _value(state: State, key: str) -> Value:
    topic, name = _split(key)
    assert topic is not None, "only what is known is stamped"
    held = getattr(state, topic.source).get(name)
    return None if held is None else topic.value(held)


def _split(key: str) -> tuple[Topic | None, str]:
    kind, _, name = key.partition("/")
    topic = TOPICS.get(kind)
    return (topic if topic is not None and topic.has(name) else None), name


def _with_stamps(state: State, fresh: Mapping[str, Stamp], seen: Vector) -> State:
    stamps = {**state.stamps, **fresh}
    is_due = any(stamp.number % limits.STAMPS_EMPTY_LOOK == 0 for stamp in fresh.values())
    many = is_due and len(stamps) > limits.STAMPS_EMPTY_MAX
    empty = [key for key in stamps if _value(state, key) is None] if many else []
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

    answered = {key for key, request in state.requests.items() if requests.answer_to(state, request.offer) is not None}
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


def _kept(mapping: Mapping[Any, Any], keep: Callable[[Any], bool]) -> Mapping[Any, Any]:
    return MappingProxyType({key: value for key, value in mapping.items() if keep(key)})
