"""What strangers send: the valid part enters, nothing else leaves a trace."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog import judging
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.packs import PackFault, Scanner
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from swarmchat.conversation import tree as layout
from swarmchat.conversation.actions import Add, Join, Kick, Leave, Other, Post
from swarmchat.conversation.commit import Merge, merge_bytes
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import CommitId, TreeId
from tests.support.builders import ALICE, BOB, CAROL, EVE, NOW
from tests.support.commitlogs import (
    Object,
    clone,
    entry,
    forged,
    group,
    must,
    objects_of,
    packed,
    posts,
    pull,
    raw_pack,
    stored,
    writer,
)
from tests.support.commitlogs import post as say

MANY = limits.LOOSE_OBJECTS_PER_BATCH + 4


@pytest.fixture
def log(tmp_path: Path) -> CommitLog:
    return group(tmp_path, BOB)


def row(mode: bytes, name: bytes, oid: bytes) -> bytes:
    return mode + b" " + name + b"\0" + oid


def line(log: CommitLog, count: int, parent: CommitId | None = None) -> tuple[list[Object], CommitId]:
    """Valid messages by Bob, one after the other."""
    objects: list[Object] = []
    parent = parent or log.heads[0]
    for number in range(count):
        parent, new = forged(log, BOB, Post(f"honest {number}"), parent=parent)
        objects += new
    return objects, parent


def refused_whole(log: CommitLog, data: bytes, words: str) -> None:
    """A transport fault: nothing at all is kept, not even a memory."""
    before = stored(log), log.heads, log.main, log.roster, log.refusals()
    with pytest.raises(PackFault, match=words):
        log.admit(data)
    assert (stored(log), log.heads, log.main, log.roster, log.refusals()) == before


def refused_commit(log: CommitLog, objects: Sequence[Object], reason: Reason, path: str | None = None) -> Rejection:
    """An invalid commit: remembered, and nothing of it is stored."""
    before = stored(log), log.heads, log.main, log.roster
    admission = log.admit(packed(objects))
    assert admission.new == ()
    rejection = admission.rejected[0]
    assert rejection.reason is reason, str(rejection)
    assert path is None or rejection.path == path
    assert (stored(log), log.heads, log.main, log.roster) == before
    assert rejection.commit is not None
    assert log.refusal(rejection.commit) == rejection
    return rejection


# --- invalid commits


def test_a_stranger_who_signs_is_refused(log: CommitLog) -> None:
    """ME-21"""
    _, objects = forged(log, EVE, Post("let me in"))
    refused_commit(log, objects, Reason.NO_DEVICE)


def test_a_broken_signature_is_refused(log: CommitLog) -> None:
    _, objects = forged(log, BOB, Post("I never said that"), damaged=True)
    refused_commit(log, objects, Reason.BAD_SIGNATURE)


def test_a_signature_by_another_key_is_refused(log: CommitLog) -> None:
    """R-09"""
    _, objects = forged(log, BOB, Post("Bob, says Eve"), signer=EVE)
    refused_commit(log, objects, Reason.BAD_SIGNATURE)


def test_words_that_are_no_json_are_refused(log: CommitLog) -> None:
    _, objects = forged(log, BOB, b"hello")
    refused_commit(log, objects, Reason.MALFORMED_MESSAGE)


def test_another_spelling_of_a_commit_is_refused(log: CommitLog) -> None:
    _, ((kind, _, raw),) = forged(log, BOB, Post("hi"))
    for other in (
        raw.replace(b"+0000", b"+0100"),
        raw.replace(b"\ncommitter ", b"\nencoding UTF-8\ncommitter "),
        raw + b"\n",
        b"not a commit",
    ):
        fresh = objects_of((kind, other))
        refused_commit(log, fresh, Reason.MALFORMED_MESSAGE if other.endswith(b"}\n") else Reason.MALFORMED_COMMIT)


def test_a_second_root_is_refused(log: CommitLog) -> None:
    _, ((_, _, raw),) = forged(log, BOB, Post("hi"))
    orphan = raw.replace(b"parent %s\n" % log.heads[0].encode(), b"")
    refused_commit(log, objects_of((COMMIT, orphan)), Reason.WRONG_ROOT)


def test_the_root_of_another_conversation_is_refused(log: CommitLog, tmp_path: Path) -> None:
    other = group(tmp_path, name="other.git", mode=2)
    pack = other.pack(None, ())
    assert pack is not None
    before = stored(log)
    admission = log.admit(b"".join(pack.chunks))
    assert [each.reason for each in admission.rejected] == [Reason.WRONG_ROOT]
    assert stored(log) == before
    empty = CommitLog.prepare(tmp_path / "empty.git", log.conversation)
    pack = other.pack(None, ())
    assert pack is not None
    assert [each.reason for each in empty.admit(b"".join(pack.chunks)).rejected] == [Reason.WRONG_ROOT]
    assert empty.is_empty


def test_a_change_that_the_action_does_not_cause_is_refused(log: CommitLog) -> None:
    _, objects = forged(log, BOB, Post("and by the way"), changes={layout.member(BOB.id): None})
    refused_commit(log, objects, Reason.BAD_HOUSEKEEPING, layout.member(BOB.id))
    _, objects = forged(log, BOB, Post("and by the way"), changes={layout.invited(CAROL.id): b""})
    refused_commit(log, objects, Reason.UNEXPECTED_CHANGE, layout.invited(CAROL.id))


def test_throwing_everybody_out_is_refused(log: CommitLog) -> None:
    empty = objects_of((TREE, b""))
    _, objects = forged(log, BOB, Leave(BOB.id), tree=TreeId(empty[0][1].hex()))
    refused_commit(log, [*empty, *objects], Reason.UNEXPECTED_CHANGE)


def tree_with(log: CommitLog, *rows: bytes) -> tuple[Object, TreeId]:
    """The root tree of the log with more rows, wherever they sort."""
    store = log._store
    raw = store.repository.read(TREE, bytes.fromhex(store.ledger.tree_of(log.heads[0])))
    found = objects_of((TREE, b"".join((*rows[:-1], raw, rows[-1])) if len(rows) > 1 else raw + rows[0]))[0]
    return found, TreeId(found[1].hex())


EMPTY_BLOB = object_id(BLOB, b"")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (b"..", b"40000"),
        (b".git", b"40000"),
        (b"profile.vcf", b"120000"),
        (b"profile.vcf", b"160000"),
        (b"profile.vcf", b"100755"),
        (b"zzz", b"100644"),
        (b"admins", b"40000"),
    ],
)
def test_trees_that_no_conversation_has_make_the_commit_invalid(log: CommitLog, name: bytes, mode: bytes) -> None:
    blob = objects_of((BLOB, b"evil"))[0]
    found, tree = tree_with(log, row(mode, name, blob[1]))
    _, objects = forged(log, ALICE, Post("look"), tree=tree)
    refused_commit(log, [blob, found, *objects], Reason.MALFORMED_TREE)


def test_a_tree_with_an_empty_folder_is_a_second_spelling_and_refused(log: CommitLog) -> None:
    empty = objects_of((TREE, b""))[0]
    found, tree = tree_with(log, row(b"40000", b"votes", empty[1]))
    _, objects = forged(log, ALICE, Post("same roster, other tree"), tree=tree)
    refused_commit(log, [empty, found, *objects], Reason.MALFORMED_TREE, "votes")


def test_a_refused_commit_is_refused_again_without_being_judged(
    log: CommitLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, objects = forged(log, BOB, Kick(ALICE.id))
    first = refused_commit(log, objects, Reason.BAD_REMOVAL)
    monkeypatch.setattr(judging, "judge", None)
    assert log.admit(packed(objects)).rejected == (first,)
    log.close()
    reopened = CommitLog.open(log.path, log.conversation)
    assert reopened.refusal(commit) == first
    assert reopened.refusals() == (first,)
    assert reopened.admit(packed(objects)).rejected == (first,)
    _, child = forged(log, BOB, Post("on top"), parent=commit, tree=log._store.ledger.tree_of(log.heads[0]))
    assert reopened.admit(packed(child)).rejected[0].reason is Reason.REFUSED_PARENT


# --- partial acceptance (SCP-02 §7.2)


@pytest.mark.parametrize("honest", [2, MANY])
def test_valid_siblings_enter_beside_an_invalid_commit_and_its_descendants(log: CommitLog, honest: int) -> None:
    base = log.heads[0]
    good, good_head = line(log, honest)
    bad, bad_objects = forged(log, BOB, Add(CAROL.id), changes={layout.invited(CAROL.id): b""})
    child, child_objects = forged(log, BOB, Post("on top of it"), parent=bad, tree=_tree_of(bad_objects))
    repository = log._store.repository
    shared = [each for each in bad_objects if not repository.has(each[1])]
    admission = log.admit(packed([*good[:1], *shared, *good[1:], *child_objects]), [good_head, child])
    assert len(admission.new) == honest
    assert [(each.commit, each.reason) for each in admission.rejected] == [
        (bad, Reason.BAD_ADD),
        (child, Reason.REFUSED_PARENT),
    ]
    assert log.heads == (good_head,)
    assert log.history.is_ancestor(base, good_head)
    assert not any(repository.has(oid) for _, oid, _ in [*shared, *child_objects])
    assert not any(name.startswith("incoming") for name in stored(log))
    assert CommitLog.open(log.path, log.conversation).verify().valid


def _tree_of(objects: Sequence[Object]) -> TreeId:
    return TreeId(next(raw[5:45].decode() for kind, _, raw in objects if kind == COMMIT))


def test_a_broken_signature_in_the_middle_takes_only_its_descendants(log: CommitLog) -> None:
    good, good_head = line(log, 3)
    start = CommitId(good[1][1].hex())
    bad, bad_objects = forged(log, BOB, Post("forged"), parent=start, damaged=True)
    later, later_objects = forged(log, BOB, Post("after"), parent=bad, tree=_tree_of(bad_objects))
    admission = log.admit(packed([*good, *bad_objects, *later_objects]))
    assert log.heads == (good_head,)
    assert [(each.commit, each.reason) for each in admission.rejected] == [
        (bad, Reason.BAD_SIGNATURE),
        (later, Reason.REFUSED_PARENT),
    ]


def test_a_merge_on_which_only_invalid_commits_are_built_does_not_enter(log: CommitLog, tmp_path: Path) -> None:
    other = clone(log, tmp_path / "b.git")
    base = log.heads[0]
    say(other, ALICE, "left", at=base)
    say(other, BOB, "right", at=base)
    merge = other.main
    assert merge is not None
    raw = other._store.repository.read(COMMIT, bytes.fromhex(merge))
    pack = other.pack(None, log.locator())
    assert pack is not None
    log.admit(b"".join(pack.chunks))
    _, bad_objects = forged(log, BOB, Kick(ALICE.id), parent=log.heads[0])
    text = bad_objects[0][2].replace(b"parent " + log.heads[0].encode(), b"parent " + merge.encode())
    admission = log.admit(packed([*objects_of((COMMIT, raw)), *objects_of((COMMIT, text))]))
    assert admission.new == ()
    assert len(admission.rejected) == 1
    assert not log.knows(merge)


def test_of_very_many_invalid_commits_the_first_and_the_heads_are_remembered_and_valid_ones_enter(
    log: CommitLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_REMEMBERED", 8)
    good, good_head = line(log, 3)
    bad, bad_objects = forged(log, BOB, Kick(ALICE.id))
    tops, top = [], bad
    for number in range(40):  # all of them fall with the first
        top, objects = forged(log, BOB, Post(f"on it {number}"), parent=top)
        tops += objects
    wrong, wrong_objects = forged(log, BOB, Kick(ALICE.id), extra={"n": 1})
    admission = log.admit(packed([*bad_objects, *tops, *good, *wrong_objects]), [top, good_head, wrong])
    assert log.heads == (good_head,)
    assert len(admission.rejected) == 8 + 2
    assert admission.rejected[0].commit == bad
    assert {each.commit: each.reason for each in admission.rejected[8:]} == {
        top: Reason.REFUSED_PARENT,
        wrong: Reason.BAD_REMOVAL,
    }
    reopened = CommitLog.open(log.path, log.conversation)
    assert len(reopened.refusals()) == 10
    assert reopened.refusal(wrong) is not None
    again = reopened.admit(packed([*bad_objects, *tops]), [top])
    assert (again.new, len(again.rejected)) == ((), 10 - 1)
    assert len(reopened.refusals()) == 10


def test_commits_that_are_not_remembered_are_still_not_built_upon(
    log: CommitLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_REMEMBERED", 1)
    _, first = forged(log, BOB, Kick(ALICE.id))
    second, second_objects = forged(log, BOB, Post("unsigned, nearly"), damaged=True)
    child, child_objects = forged(log, BOB, Post("on it"), parent=second)
    admission = log.admit(packed([*first, *second_objects, *child_objects]))
    assert admission.new == ()
    assert [each.reason for each in admission.rejected] == [Reason.BAD_REMOVAL, Reason.REFUSED_PARENT]
    assert not log.knows(child)


# --- a pack that is cut off (SCP-04 §3.2)


@pytest.mark.parametrize("count", [3, MANY])
def test_of_a_pack_that_is_cut_what_has_come_whole_and_is_valid_is_kept(log: CommitLog, count: int) -> None:
    before = log.heads[0]
    objects, _ = line(log, count)
    bad, bad_objects = forged(log, BOB, Kick(ALICE.id))
    added, add_objects = forged(log, ALICE, Add(CAROL.id), changes={layout.invited(CAROL.id): b""})
    everything = [*objects[:2], *bad_objects, *objects[2:], *add_objects]
    data, known = packed(everything), 0
    for end in range(0, len(packed(everything[:-1])), 50):
        with log.ingest() as ingest:
            for start in range(0, end, 100):
                ingest.feed(data[start : min(start + 100, end)])
            admission = ingest.cut()
        known += len(admission.new)
        assert {each.commit for each in admission.rejected} <= {bad}
        assert not any("incoming" in name for name in stored(log))
        assert sum(log.knows(CommitId(oid.hex())) for _, oid, _ in objects) == known
    assert known == count
    assert log.refusal(bad) is not None
    assert not log._store.repository.has(bytes.fromhex(bad))
    assert not any(log._store.repository.has(oid) for _, oid, _ in add_objects[1:])  # nobody uses them yet
    assert log.history.is_ancestor(before, log.heads[0])
    assert log.admit(data).new == (added,)
    assert CommitLog.open(log.path, log.conversation).verify().valid


def test_a_cut_ingest_is_over(log: CommitLog) -> None:
    with log.ingest() as ingest:
        assert ingest.cut().new == ()
        with pytest.raises(ValueError, match="over"):
            ingest.cut()
        with pytest.raises(ValueError, match="over"):
            ingest.feed(b"PACK")


# --- faults of the transport


def test_an_unknown_parent_is_a_fault_and_no_verdict(log: CommitLog) -> None:
    commit, objects = forged(log, BOB, Post("hi"))
    orphan = objects[0][2].replace(log.heads[0].encode(), b"1" * 40)
    refused_whole(log, packed(objects_of((COMMIT, orphan))), "not here")
    assert log.refusal(commit) is None


def test_a_child_before_its_parent_is_a_fault(log: CommitLog) -> None:
    objects, _ = line(log, 2)
    refused_whole(log, packed(objects[::-1]), "not here")


def test_a_missing_tree_or_blob_is_a_fault(log: CommitLog) -> None:
    changes = {layout.invited(CAROL.id): b""}
    _, objects = forged(log, ALICE, Add(CAROL.id), changes=changes)
    for missing in range(len(objects) - 1):
        if log._store.repository.has(objects[missing][1]):
            continue
        refused_whole(log, packed(objects[:missing] + objects[missing + 1 :]), "not here|not in")
    assert len(log.admit(packed(objects)).new) == 1


def test_a_missing_tree_is_a_fault_even_when_its_content_was_seen_before(log: CommitLog) -> None:
    _, objects = forged(log, ALICE, Add(CAROL.id), changes={layout.invited(CAROL.id): b""})
    refused_whole(log, packed(objects) + b"spoilt", "after the pack")
    refused_whole(log, packed(objects[-1:]), "not here|not in")


def test_a_tree_after_the_commit_that_uses_it_is_a_fault(log: CommitLog) -> None:
    _, objects = forged(log, ALICE, Add(CAROL.id), changes={layout.invited(CAROL.id): b""})
    refused_whole(log, packed([objects[-1], *objects[:-1]]), "not here|not in")


@pytest.mark.parametrize("count", [1, MANY])
def test_a_smuggled_blob_is_a_fault(log: CommitLog, count: int) -> None:
    objects, _ = line(log, count)
    refused_whole(log, packed([*objects_of((BLOB, b"warez" * 1000)), *objects]), "no commit uses")
    refused_whole(log, packed([*objects, *objects_of((TREE, b""))]), "no commit uses")


def test_an_object_of_another_kind_than_its_place_is_a_fault(log: CommitLog) -> None:
    blob = objects_of((BLOB, b"no tree"))
    _, objects = forged(log, ALICE, Post("x"), tree=TreeId(blob[0][1].hex()))
    refused_whole(log, packed([*blob, *objects]), "another kind")


@pytest.mark.parametrize("count", [1, MANY])
def test_a_truncated_pack_is_a_fault(log: CommitLog, count: int) -> None:
    """GT-04"""
    data = packed(line(log, count)[0])
    for cut in (3, 12, len(data) // 2, len(data) - 1):
        refused_whole(log, data[:cut], "ends early")


def test_deltas_bombs_and_lies_are_faults_after_honest_objects_too(log: CommitLog) -> None:
    objects, _ = line(log, MANY)
    good = [entry(kind, raw) for kind, _, raw in objects]
    for evil, words in (
        (entry(6, b"delta"), "type 6"),
        (entry(BLOB, bytes(20_000_000), size=9), "past its size"),
        (entry(BLOB, b"x", size=limits.PROFILE_BYTES_MAX + 1), "object of"),
        (good[0], "twice"),
    ):
        refused_whole(log, raw_pack(*good, evil), words)


def test_a_merge_that_nobody_built_on_is_a_fault(log: CommitLog, tmp_path: Path) -> None:
    other = clone(log, tmp_path / "b.git")
    base = log.heads[0]
    say(other, ALICE, "left", at=base)
    say(other, BOB, "right", at=base)
    pack = other.pack(None, log.locator())
    assert pack is not None
    assert other.main is not None
    merge = other._store.repository.read(COMMIT, bytes.fromhex(other.main))
    log.admit(b"".join(pack.chunks))
    refused_whole(log, packed(objects_of((COMMIT, merge))), "a merge that no commit")


def test_a_merge_with_another_tree_than_settled_is_refused(log: CommitLog, tmp_path: Path) -> None:
    """An evil merge: it takes one side's tree and so drops the other side's kick."""
    base = log.heads[0]
    must(log.append(Kick(BOB.id), writer(ALICE), now=NOW, at=base))
    side, objects = forged(log, BOB, Post("meanwhile"), parent=base)
    log.admit(packed(objects))
    heads = tuple(sorted(log.heads))
    merge = objects_of((COMMIT, merge_bytes(log._store.ledger.tree_of(side), heads, NOW)))
    name = CommitId(merge[0][1].hex())
    _, reply = forged(log, BOB, Post("I am back"), parent=side)
    text = reply[0][2].replace(b"parent " + side.encode(), b"parent " + name.encode())
    admission = log.admit(packed([*merge, *objects_of((COMMIT, text))]))
    assert [each.reason for each in admission.rejected] == [Reason.BAD_MERGE, Reason.REFUSED_PARENT]
    assert isinstance(log.commit(log.main), Merge)  # type: ignore[arg-type]


def test_more_commits_than_a_batch_may_have_are_a_fault(log: CommitLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_COMMITS_MAX", 20)
    refused_whole(log, packed(line(log, 21)[0]), "over 20 commits")
    assert len(log.admit(packed(line(log, 20)[0])).new) == 20


# --- heads


def test_the_pack_ends_in_exactly_what_was_announced(log: CommitLog) -> None:
    objects, head = line(log, 3)
    data = packed(objects)
    for heads in ([], [log.heads[0]], [head, CommitId("e" * 40)], [CommitId(objects[0][1].hex())]):
        with pytest.raises(PackFault, match="announced"):
            log.admit(data, heads)
    known = log.heads[0]
    assert len(log.admit(data, [head, known]).new) == 3


def test_a_head_that_is_refused_need_not_come_again(log: CommitLog) -> None:
    bad, bad_objects = forged(log, BOB, Kick(ALICE.id))
    log.admit(packed(bad_objects))
    objects, head = line(log, 1)
    assert log.admit(packed(objects), [head, bad]).new == (head,)


def test_what_is_known_already_is_no_news(log: CommitLog) -> None:
    objects, head = line(log, MANY)
    assert len(log.admit(packed(objects)).new) == MANY
    before = stored(log)
    admission = log.admit(packed(objects), [head])
    assert (admission.new, admission.rejected, admission.heads) == ((), (), (head,))
    assert stored(log) == before


# --- on the way


@pytest.mark.parametrize("count", [3, MANY])
def test_any_pieces_give_the_same(tmp_path: Path, count: int) -> None:
    source = group(tmp_path, BOB, CAROL)
    source.append_all([Pending(Post(str(n)), writer(BOB), NOW) for n in range(count)])
    pack = source.pack(None, ())
    assert pack is not None
    data = b"".join(pack.chunks)
    dice = random.Random(count)
    for turn, sizes in enumerate(((1,), (7,), (0, 1, 300, 5000), (100_000,))):
        copy = CommitLog.prepare(tmp_path / f"{turn}.git", source.conversation)
        with copy.ingest() as ingest:
            at = 0
            while at < len(data):
                size = dice.choice(sizes)
                ingest.feed(data[at : at + size])
                at += size
            assert ingest.progress == (pack.objects, pack.objects)
            admission = ingest.finish(pack.heads)
        assert admission.new == tuple(e.id for e in source.history.entries if not e.is_merge)
        assert (copy.heads, copy.main, copy.roster) == (source.heads, source.main, source.roster)


def test_progress_is_told_by_the_header(log: CommitLog) -> None:
    data = packed(line(log, MANY)[0])
    with log.ingest() as ingest:
        assert ingest.progress == (0, None)
        ingest.feed(data[:12])
        assert ingest.progress == (0, MANY)
        ingest.feed(data[12:])
        assert ingest.progress == (MANY, MANY)


def test_nothing_stands_before_the_end_and_nothing_after_giving_up(log: CommitLog) -> None:
    """R-15"""
    data = packed(line(log, MANY)[0])
    before, heads = stored(log), log.heads
    with log.ingest() as ingest:
        ingest.feed(data)
        assert log.heads == heads
        assert any(name.startswith("incoming/") for name in stored(log))
    assert (stored(log), log.heads) == (before, heads)
    with pytest.raises(ValueError, match="over"):
        ingest.feed(b"")
    with pytest.raises(ValueError, match="over"):
        ingest.finish()


def test_two_pulls_and_our_own_words_at_the_same_time(log: CommitLog) -> None:
    """R-16: Both packs bring the same commits and some of their own, and we write meanwhile."""
    shared, middle = line(log, MANY)
    left_head, left = forged(log, BOB, Post("left"), parent=middle)
    right_head, right = forged(log, BOB, Post("right"), parent=middle)
    one, two = log.ingest(), log.ingest()
    one.feed(packed([*shared, *left]))
    two.feed(packed([*shared, *right]))
    ours = say(log, ALICE, "meanwhile")
    assert len(one.finish([left_head]).new) == MANY + 1
    second = two.finish([right_head])
    assert second.new == (right_head,)
    assert log.heads == tuple(sorted({left_head, right_head, ours}))
    assert log.verify().valid
    assert CommitLog.open(log.path, log.conversation).main == log.main


def test_a_large_group_is_cloned_though_its_trees_outgrow_the_memory_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = group(tmp_path, BOB, CAROL, EVE)
    must(source.append(Leave(EVE.id), writer(EVE), now=NOW))
    must(source.append(Add(EVE.id), writer(ALICE), now=NOW))
    must(source.append(Join(EVE.id), writer(EVE), now=NOW))
    monkeypatch.setattr(limits, "STAGED_TREE_BYTES_MAX", 1)
    monkeypatch.setattr(limits, "ROSTER_FILES_KEPT_MAX", 1)
    monkeypatch.setattr(limits, "TREE_ENTRIES_KEPT_MAX", 1)
    copy = clone(source, tmp_path / "b.git")
    assert (copy.roster, copy.heads) == (source.roster, source.heads)


def test_few_objects_may_not_be_huge(log: CommitLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """C-23, C-24"""
    monkeypatch.setattr(limits, "STAGED_TREE_BYTES_MAX", 1000)
    _, objects = forged(log, BOB, Post("x" * 2000))
    refused_whole(log, packed(objects), "too much")


def test_unknown_types_travel_on(log: CommitLog, tmp_path: Path) -> None:
    commit, objects = forged(log, BOB, Other("application/from-the-future"), extra={"deep": {"er": [1, 2]}})
    assert log.admit(packed(objects)).new == (commit,)
    copy = clone(log, tmp_path / "b.git")
    assert copy.commit(commit).body["deep"] == {"er": [1, 2]}  # type: ignore[union-attr]


def test_a_rejection_names_commit_rule_and_path(log: CommitLog) -> None:
    commit, objects = forged(log, BOB, Post("x"), changes={layout.admin(BOB.id): BOB.certificate.pem})
    rejection = refused_commit(log, objects, Reason.UNEXPECTED_CHANGE, layout.admin(BOB.id))
    assert rejection.commit == commit
    assert rejection.rule == "SCP-02 §5"


def test_the_valid_part_of_a_clone_enters(tmp_path: Path) -> None:
    source = group(tmp_path, BOB)
    good = say(source, BOB, "fine")
    pack = source.pack(None, ())
    assert pack is not None
    bad, bad_objects = forged(source, BOB, Kick(ALICE.id), parent=good)
    everything = [(each.packed.kind, each.packed.oid, each.raw) for each in Scanner().feed(b"".join(pack.chunks))]
    copy = CommitLog.prepare(tmp_path / "b.git", source.conversation)
    admission = copy.admit(packed([*everything, *bad_objects]), [bad])
    assert copy.heads == (good,)
    assert [each.commit for each in admission.rejected] == [bad]
    assert posts(copy) == ["fine"]
    assert pull(copy, source) is None
