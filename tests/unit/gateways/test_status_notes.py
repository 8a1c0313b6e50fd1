"""The key `status` of a commit: written as it is read, and read strictly, for strangers write it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.crypto.secp256k1 import SIGNATURE_BYTES
from swarmchat.gateways.status import envelopes, events, notes
from swarmchat.gateways.status.notes import Note, Spoken
from swarmchat.gateways.status.wire import EmojiReaction, EventType, MembershipUpdateEvent, MessageType, ReactionType
from tests.support.status_vectors import SECRETS

ID = "0x" + "ab" * 32
ALL = notes.encoded(b"raw")


def test_what_is_written_is_read() -> None:
    event = events.sign(MembershipUpdateEvent(clock=1, type=EventType.CHAT_CREATED), "chat", SECRETS["A"])
    assert notes.read({"status": notes.of_events([event], 7)}) == Note(events=(event.raw,), clock=7)
    reaction = EmojiReaction(
        clock=1, chat_id="chat", message_id=ID, message_type=MessageType.PRIVATE_GROUP, type=ReactionType.LOVE
    )
    said = envelopes.sign(reaction, SECRETS["A"])
    for count in (1, 2):
        found = notes.read({"status": notes.of_envelopes([said] * count)})
        assert found == Note(envelopes=(said.raw,) * count, id=said.id)
        spoken = Spoken(b"message", b"s" * SIGNATURE_BYTES)
        assert notes.read({"status": notes.of_spoken([spoken] * count, ID, 9)}) == Note(
            spoken=(spoken,) * count, id=ID, clock=9
        )


@pytest.mark.parametrize("body", [{}, {"status": None}, {"status": "x"}, {"status": []}, {"status": 7}], ids=str)
def test_a_commit_without_the_key_has_no_note(body: dict[str, Any]) -> None:
    assert notes.read(body) is None


@pytest.mark.parametrize(
    "status",
    [
        {"events": "x"},
        {"events": [7]},
        {"events": ["?"]},
        {"events": ["é"]},
        {"events": [ALL] * (limits.STATUS_COMMIT_EVENTS_MAX + 1)},
        {"envelope": None},
        {"envelope": ALL, "more": [ALL] * limits.STATUS_COMMIT_PARTS_MAX},
        {"message": ALL},
        {"message": ALL, "signature": ALL},
        {"message": ALL, "signature": notes.encoded(b"s" * 65), "parts": [7]},
        {"message": ALL, "signature": notes.encoded(b"s" * 65), "parts": [{}] * limits.STATUS_COMMIT_PARTS_MAX},
        {"id": "0x" + "AB" * 32},
        {"id": ID + "0"},
        {"id": 7},
        {"of": ""},
        {"chat": ""},
        {"chat": "x" * (limits.STATUS_CHAT_ID_CHARS_MAX + 1)},
    ],
    ids=lambda status: str(status)[:40],
)
def test_a_part_that_cannot_be_read_is_left_out_and_said_to_be(status: dict[str, Any]) -> None:
    found = notes.read({"status": status})
    assert found is not None
    assert not found.is_whole
    assert (found.id, found.chat, found.of) == (None, None, None)


@pytest.mark.parametrize("clock", [7, None, "", "-1", "01", "1.0", "٣", str(2**64), " 1"], ids=repr)
def test_a_clock_that_is_none_is_not_stated(clock: object) -> None:
    found = notes.read({"status": {"clock": clock}})
    assert found is not None
    assert found.clock is None


def test_at_their_bounds_lists_are_read() -> None:
    found = notes.read({"status": {"events": [ALL] * limits.STATUS_COMMIT_EVENTS_MAX}})
    assert found is not None
    assert found.is_whole
    assert len(found.events) == limits.STATUS_COMMIT_EVENTS_MAX


names = st.sampled_from(
    ["events", "envelope", "more", "message", "signature", "parts", "id", "clock", "chat", "of", "x"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(ALL) | st.just(ID)
pairs = st.dictionaries(names, leaves, max_size=3)
values = leaves | pairs | st.lists(leaves | pairs, max_size=3)


@given(st.dictionaries(names, values, max_size=6))
def test_whatever_stands_there_is_a_note(status: dict[str, Any]) -> None:
    assert isinstance(notes.read({"status": status}), Note)
