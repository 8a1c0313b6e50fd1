"""Every byte of what valid commits are made of, changed: refused, or part of nothing; and nothing of it is kept. (SCP-02 §2, §7.2)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.packs import PackFault, Scanner
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation.actions import Add, Join, Post
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import Object, forged, object_ids, objects_of, packed, refs, stored
from tests.support.partitions import Side, found

MASKS = (0x01, 0x20, 0x80)  # the lowest bit, the case of a letter, what makes it no ASCII


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return found(tmp_path, ALICE, members=[BOB])


def flips(raw: bytes, masks: Sequence[int] = MASKS) -> Iterator[bytes]:
    for at in range(len(raw)):
        for mask in masks:
            yield raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :]


def never_enters(log: CommitLog, objects: Sequence[Object], wanted: CommitId) -> str:
    """What comes of the pack: the rule by which its commit is refused, or `fault` when it is no pack that means anything."""
    try:
        admission = log.admit(packed(objects), [wanted])
    except PackFault:
        return "fault"
    assert admission.new == ()
    (first, *_) = admission.rejected
    assert wanted in {each.commit for each in admission.rejected}
    assert not log.knows(wanted)
    return first.rule


def keeps(log: CommitLog) -> tuple[object, ...]:
    return object_ids(log), refs(log), log.heads, stored(log)


def commit_of(objects: Sequence[Object]) -> CommitId:
    return CommitId(next(oid.hex() for kind, oid, _ in objects if kind == COMMIT))


def test_no_changed_byte_of_a_text_enters(side: Side) -> None:
    log = side.log
    commit, ((kind, _, raw),) = forged(log, BOB, Post("grüß dich, Ålice"))
    before = keeps(log)
    outcomes = [never_enters(log, found, commit_of(found)) for found in (objects_of((kind, one)) for one in flips(raw))]
    assert len(outcomes) == len(MASKS) * len(raw)
    assert keeps(log) == before
    assert {"SCP-02 §2.1", "SCP-02 §2.2", "SCP-02 §4.5", "fault"} <= set(outcomes)
    assert log.admit(packed(objects_of((kind, raw)))).new == (commit,)


def test_no_changed_byte_of_a_join_and_its_files_enters(side: Side) -> None:
    """The commit, each folder and each certificate that it brings."""
    log = side.log
    side.write(ALICE, Add(CAROL.id))
    copy = side.fork("copy")
    joined = copy.write(CAROL, Join(CAROL.id))
    pack = copy.log.pack([joined], log.heads)
    assert pack is not None
    whole = _objects(b"".join(pack.chunks))
    assert len(whole) > 5
    before, tried = keeps(log), 0
    for number, (kind, _, raw) in enumerate(whole):
        for one in flips(raw, MASKS if kind == COMMIT else MASKS[tried % 3 : tried % 3 + 1]):
            changed = objects_of((kind, one))[0]
            rest = [*whole[:number], changed, *whole[number + 1 :]]
            never_enters(log, rest, CommitId(changed[1].hex()) if kind == COMMIT else joined)
            tried += 1
    assert tried > 2_000
    assert keeps(log) == before
    assert log.admit(packed(whole), [joined]).new == (joined,)


def test_no_changed_byte_of_a_file_enters_though_all_ids_are_right(side: Side) -> None:
    """The same, with folders and commit made for the changed certificate and signed by who joins."""
    log = side.log
    side.write(ALICE, Add(CAROL.id))
    path, certificate = f"members/{CAROL.id}.crt", CAROL.certificate.pem
    device = {f"devices/{CAROL.device}.crt": CAROL.device_certificate.pem, f"invited/{CAROL.id}": None}
    before = keeps(log)
    for number, one in enumerate(flips(certificate, MASKS[:1])):
        commit, objects = forged(log, CAROL, Join(CAROL.id), changes={**device, path: one}, extra={"n": number})
        objects = [each for each in objects if not log._store.repository.has(each[1])]
        assert never_enters(log, objects, commit).startswith("SCP-02 §4"), number
    assert keeps(log) == before


def test_no_changed_byte_of_a_merge_enters(side: Side) -> None:
    log = side.log
    base = log.heads[0]
    side.say(BOB, "left", at=base)
    side.write(ALICE, Add(CAROL.id), at=base)
    copy = side.fork("copy")
    crown = copy.say(BOB, "on both")
    pack = copy.log.pack([crown], log.heads)
    assert pack is not None
    data = b"".join(pack.chunks)
    *beneath, (_, _, merge), (_, _, top) = _objects(data)
    assert merge.split(b"\n\n", 1)[1].startswith(b"Merge\n")
    name = objects_of((COMMIT, merge))[0][1].hex().encode()
    before = keeps(log)
    outcomes = []
    for one in flips(merge):
        changed = objects_of((COMMIT, one))[0]
        above = objects_of((COMMIT, top.replace(name, changed[1].hex().encode())))[0]
        outcomes.append(never_enters(log, [*beneath, changed, above], CommitId(above[1].hex())))
    assert len(outcomes) == len(MASKS) * len(merge)
    assert {"SCP-02 §2.1", "SCP-02 §6.2", "fault"} <= set(outcomes)
    assert keeps(log) == before
    assert log.admit(data, [crown]).new == (crown,)


def test_no_changed_byte_of_a_pack_enters(side: Side) -> None:
    log = side.log
    commit, objects = forged(log, ALICE, Add(CAROL.id), changes={f"invited/{CAROL.id}": b""}, time=NOW + 1)
    data = packed([each for each in objects if not log._store.repository.has(each[1])])
    before = (*keeps(log), log.refusals())
    for one in flips(data):
        with pytest.raises(PackFault):
            log.admit(one, [commit])
    assert (*keeps(log), log.refusals()) == before
    assert log.admit(data, [commit]).new == (commit,)


def _objects(pack: bytes) -> list[Object]:
    return [(each.packed.kind, each.packed.oid, each.raw) for each in Scanner().feed(pack)]
