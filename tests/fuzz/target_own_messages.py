"""What another device of one account says on channel `device`, merged into a state, and that state on a disk. (SCP-04 §7)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgpack

from swarmchat.account import preferences, requests, sharing, strict
from swarmchat.account.records import ConversationState, OwnDevice, RequestKind, Stamp
from swarmchat.account.sharing import Entry
from swarmchat.account.state import State
from swarmchat.account.statefile import state_from_json, state_to_json
from swarmchat.account.statuskey import StatusKey
from swarmchat.links.frames import FrameError, decode_map
from swarmchat.swarm import own_status_key
from swarmchat.swarm.merges import effects
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.own_messages import Delta, Have, Other, decode, encode
from tests.support.accounts import account, ask, commit, conversation, device, invite

NOW = 1_750_000_000_000
HERE, THERE = device(1), device(2)
HELD = StatusKey(2, b"\7" * 32)
TOKENS = (
    *(
        b"\xa1t",
        b"have",
        b"delta",
        b"seen",
        b"crl",
        b"entries",
        b"more",
        b"marks",
        b"\xc4\x20",
        b"\xc0",
        b"\xc2",
        b"\xc3",
    ),
    *(f"{topic}/".encode() for topic in ("contact", "block", "name", "note", "conversation", "declined", "request")),
    *(
        f"{topic}/".encode()
        for topic in ("invitation", "device", "device-name", "device-revoked", "setting", "preference")
    ),
    *(b"\xaastatus-key", b"\xaageneration", b"\xa6secret"),
    *(b"send_typing", b"\xd9\x28", b"\xd9\x40", b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"),
)


def _known() -> State:
    """A state with one of everything."""
    state, _ = State().add_contact(account(1), conversation=conversation(1), name="Bob", now_ms=NOW)
    state, _ = state.describe_contact(account(1), note="from work")
    state, _ = state.block(account(2), now_ms=NOW)
    state, _ = state.add_conversation(conversation(5), title="Garden", mode=2, invited_by=account(1), now_ms=NOW)
    state, _ = state.invite(account(3), conversation(5), kind=RequestKind.GROUP, commit=commit(6), now_ms=NOW)
    state, _ = requests.receive(state, invite(3, conv=3), shared=True, now_ms=NOW)
    state, _ = requests.receive(state, ask(4, conv=4, at_ms=NOW), shared=False, now_ms=NOW)
    state, _ = requests.decline(state, state.pending()[1].id, now_ms=NOW)
    state, _ = state.add_device(OwnDevice(THERE, "laptop", NOW, may_link=True))
    state, _ = preferences.prefer(state, conversation(5), "colour", "red")
    return sharing.completed(
        preferences.with_setting(preferences.with_setting(state, "send_typing", False), "name", "Ann"), device=THERE
    )


def seeds() -> Iterator[bytes]:
    """One of every message, and each kind of entry alone."""
    state = _known()
    entries = sharing.delta(state, {})
    gone, _ = state.remove_conversation(conversation(5), now_ms=NOW + 1)
    later = sharing.stamped(state, gone, device=THERE, now_ms=NOW + 1)
    messages = [
        Have({}),
        Have(state.seen, b"a list"),
        Delta(tuple(entries), state.seen),
        Delta((), {HERE: 9}, more=False),
        Delta(tuple(sharing.delta(later, state.seen)), later.seen),
        *(Delta((each,), {}, more=True) for each in entries),
        *(Delta((replace(each, value=None),), {}, more=True) for each in entries),
        Delta((Entry("weather/today", ["sunny", {"at": 1}], Stamp(NOW, THERE, 77)),), {}, more=True),
    ]
    for message in messages:
        yield msgpack.packb(encode(message))
    yield msgpack.packb({"t": "marks", "of": [1, 2]})
    for key in (HELD, StatusKey(2**53 - 1, b"\1" * 32)):
        yield msgpack.packb(own_status_key.encode(key))


def run(data: bytes) -> None:
    """Read or refused; merged whole or not at all; what was merged is read from the disk again, and told again as it is."""
    try:
        message = decode(decode_map(data))
        if isinstance(message, Other):
            if message.kind == own_status_key.KIND:
                _agree(own_status_key.decode(message.fields))
            return
    except (FrameError, MessageError):
        return
    match message:
        case Have():
            assert decode(encode(message)) == message
        case Delta():
            _merge(message)


def _agree(told: StatusKey) -> None:
    assert own_status_key.decode(own_status_key.encode(told)) == told
    assert told.merged(HELD) == HELD.merged(told), "who told and who heard hold other keys"
    assert told.merged(HELD) in {told, HELD}


def _merge(piece: Delta) -> None:
    for before in (State(), sharing.completed(_known(), device=HERE)):
        try:
            after = sharing.merged(before, piece.entries, device=HERE, now_ms=NOW)
            if not piece.more:
                after = sharing.adopted(after, piece.seen, device=HERE)
        except ValueError:
            continue
        after = sharing.stamped(before, after, device=HERE, now_ms=NOW)
        effects(before, after)
        assert state_from_json(strict.decode(strict.encode(state_to_json(after)))) == after, "not what was written"
        for known in after.conversations.values():
            assert known.state in set(ConversationState)
        told = sharing.delta(after, {})
        fresh = sharing.merged(State(), told, device=THERE, now_ms=NOW)
        assert {entry.key: entry.value for entry in sharing.delta(fresh, {})} == {
            entry.key: entry.value for entry in told
        }, "told again, it is something else"
