"""Signatures are checked in batches; those that do not hold are named once."""

from __future__ import annotations

from swarmchat.commitlog.signatures import BATCH, Signatures
from swarmchat.ids import CommitId
from tests.support.builders import ALICE

KEY = ALICE.device_key
GOOD = (KEY.public.raw, KEY.sign(b"data"), b"data")
BAD = (KEY.public.raw, KEY.sign(b"other"), b"data")


def test_broken_ones_are_named_once_and_only_after_they_were_checked() -> None:
    signatures = Signatures()
    signatures.add(CommitId("a"), GOOD)
    signatures.add(CommitId("b"), BAD)
    assert list(signatures.broken_so_far()) == []
    signatures.wait()
    assert list(signatures.broken_so_far()) == ["b"]
    assert list(signatures.broken_so_far()) == []


def test_full_batches_are_checked_beside_the_caller() -> None:
    signatures = Signatures()
    for number in range(2 * BATCH + 5):
        signatures.add(CommitId(str(number)), BAD if number in (0, BATCH, 2 * BATCH + 4) else GOOD)
    signatures.wait()
    assert sorted(signatures.broken_so_far()) == sorted(["0", str(BATCH), str(2 * BATCH + 4)])


def test_cancelled_ones_are_forgotten() -> None:
    signatures = Signatures()
    for number in range(BATCH + 1):
        signatures.add(CommitId(str(number)), BAD)
    signatures.cancel()
    signatures.wait()
    assert list(signatures.broken_so_far()) == []
