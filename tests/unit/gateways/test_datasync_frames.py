"""Frames of data sync at their bounds, in any pieces."""

from __future__ import annotations

import pytest

from swarmchat.gateways.datasync.frames import Fault, Frames, frame
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_FRAME_BYTES_MAX


def test_frames_come_out_as_they_went_in_whatever_the_pieces() -> None:
    bodies = [b"x", b"y" * 300, bytes(DATASYNC_FRAME_BYTES_MAX)]
    stream = b"".join(map(frame, bodies))
    for size in (1, 3, 70_000, len(stream)):
        frames, found = Frames(), []
        for at in range(0, len(stream) if size > 1 else 400, size):
            frames.feed(stream[at : at + size])
            while (body := frames.next()) is not None:
                found.append(body)
        assert found == (bodies if size > 1 else bodies[:2])


@pytest.mark.parametrize("length", [0, DATASYNC_FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_wrong_length_is_refused_at_once_and_for_good(length: int) -> None:
    frames = Frames()
    frames.feed(frame(b"before") + length.to_bytes(4))
    assert frames.next() == b"before"
    refused = frames.next()
    assert isinstance(refused, Refused)
    assert refused.reason == Fault.BAD_FRAME
    frames.feed(frame(b"after"))
    assert frames.next() == refused


@pytest.mark.parametrize("size", [0, DATASYNC_FRAME_BYTES_MAX + 1])
def test_nothing_that_nobody_would_read_is_written(size: int) -> None:
    with pytest.raises(ValueError, match="1 to"):
        frame(bytes(size))
