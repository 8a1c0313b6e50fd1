"""A commit told apart from another one: what is made is git's format, what is read is believed in nothing. (SCP-04 §4.7)"""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmchat.commitlog.deltas import Base, DeltaError, applied, sizes

BASE = b"a long enough text to copy from, and to go on with"
MAX = 1 << 20


def commit(number: int, body: str = "the boats come in at four", author: str = "Ann <7043f6>") -> bytes:
    """What a message looks like."""
    dice = random.Random(number)
    key = random.Random(author).randbytes(60)
    armour = base64.encodebytes(key + dice.randbytes(64)).decode().replace("\n", "\n ").strip()
    return (
        f"tree {'ac3ca3c3' * 5}\nparent {dice.randbytes(20).hex()}\n"
        f"author {author} {1_795_282_568 + number} +0000\ncommitter {author} {1_795_282_568 + number} +0000\n"
        f"gpgsig -----BEGIN SSH SIGNATURE-----\n {armour}\n -----END SSH SIGNATURE-----\n\n"
        f'{{"body":"message {number}: {body}","type":"text/plain"}}'
    ).encode()


def test_of_a_message_only_what_is_its_own_remains() -> None:
    base = Base(b"", commit(0))
    for number in range(1, 50):
        raw = commit(number)
        delta = base.delta(raw)
        assert applied(delta, base.raw, MAX) == raw
        assert sizes(delta) == (len(base.raw), len(raw))
        own = 40 + 12 + 88 + 8  # the parent, the time, the signature, the number
        assert len(delta) < own + 60 < len(raw) / 2


def test_lines_that_were_added_or_left_out_move_nothing_else() -> None:
    base, raw = commit(0), commit(1)
    more = raw.replace(b"\nauthor", b"\nparent " + b"1" * 40 + b"\nauthor")
    fewer = raw.replace(b" -----END SSH SIGNATURE-----\n", b"")
    for changed in (more, fewer):
        delta = Base(b"", base).delta(changed)
        assert applied(delta, base, MAX) == changed
        assert len(delta) < 260


LINE = st.binary(max_size=40).map(lambda line: line.replace(b"\r", b"\n"))
TEXT = st.one_of(st.binary(max_size=600), st.lists(LINE, max_size=12).map(b"\n".join))


@given(TEXT, TEXT)
def test_whatever_two_texts_are_one_is_made_of_the_other(base: bytes, raw: bytes) -> None:
    delta = Base(b"", base).delta(raw)
    assert applied(delta, base, len(raw)) == raw
    assert sizes(delta) == (len(base), len(raw))
    assert len(raw) <= len(base) + len(delta), "no byte of the base is copied twice: batches are counted by that"


@given(TEXT, st.data())
def test_a_text_with_a_part_changed_is_made_of_the_former(base: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(base)))
    end = data.draw(st.integers(start, len(base)))
    raw = base[:start] + data.draw(st.binary(max_size=300)) + base[end:]
    delta = Base(b"", base).delta(raw)
    assert applied(delta, base, len(raw)) == raw
    assert len(raw) <= len(base) + len(delta)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 16_383, 16_384, 65_535, 65_536, 65_537, 200_000])
def test_lengths_and_places_of_any_size_are_written_and_read(size: int) -> None:
    same, other = b"s" * size, random.Random(size).randbytes(size).replace(b"\n", b"x").replace(b"\r", b"x")
    for base, raw in ((same, same + b"!"), (b"!", other), (other + b"\n" + same, b"new\n" + other + b"\n" + same)):
        assert applied(Base(b"", base).delta(raw), base, MAX) == raw


def test_a_copy_without_a_length_is_of_64_kib() -> None:
    base = random.Random(1).randbytes(0x10000)
    assert applied(b"\x80\x80\x04\x80\x80\x04\x80", base, MAX) == base


@pytest.mark.parametrize(
    ("delta", "sentence"),
    [
        (bytes((len(BASE) + 1, 1, 0x90, 1)), "another base"),
        (bytes((len(BASE), 1, 0x91, len(BASE), 1)), "behind the end"),
        (bytes((len(BASE), 1, 0x9F, 1, 0, 0, 0x7F, 1)), "behind the end"),
        (bytes((len(BASE), 1, 0)), "unknown form"),
        (bytes((len(BASE), 5, 5)) + b"xx", "cut off"),
        (bytes((len(BASE), 5, 0x91)), "cut off"),
        (bytes((len(BASE), 1, 2)) + b"xx", "more than"),
        (bytes((len(BASE), 3, 2)) + b"xx", "less than"),
        (b"\xff" * 20, "unknown form"),
        (b"", "cut off"),
        (bytes((len(BASE),)), "cut off"),
        (bytes((len(BASE), 0x81, 0x80, 0x80, 1)), "makes over"),
    ],
)
def test_a_false_delta_is_told(delta: bytes, sentence: str) -> None:
    with pytest.raises(DeltaError, match=sentence):
        applied(delta, BASE, 1 << 21)


def test_what_a_delta_makes_is_bounded_at_its_edge() -> None:
    delta = Base(b"", BASE).delta(BASE + b"!")
    assert applied(delta, BASE, len(BASE) + 1) == BASE + b"!"
    with pytest.raises(DeltaError, match="over"):
        applied(delta, BASE, len(BASE))


@given(st.binary(max_size=60), st.integers(0, 60), st.binary(max_size=3))
def test_a_damaged_delta_makes_what_it_says_or_nothing(tail: bytes, at: int, patch: bytes) -> None:
    delta = bytearray(Base(b"", BASE).delta(BASE[:20] + b"other" + BASE[25:]) + tail)
    delta[at : at + len(patch)] = patch
    try:
        made = applied(bytes(delta), BASE, 4096)
    except DeltaError:
        return
    assert len(made) == sizes(bytes(delta))[1] <= 4096
