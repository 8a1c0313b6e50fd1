"""A commit log: what is written stands, merges itself, and travels to others."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog import serving
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.packs import Scanner
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation.actions import Add, Ban, CastVote, Edit, Initial, Join, Kick, Post, UpdateProfile
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.timeline import Timeline
from swarmchat.errors import NotFoundError, RefusedError, StorageError
from swarmchat.ids import CommitId, ConversationId
from tests.support.builders import ALICE, BOB, CAROL, NOW, person
from tests.support.commitlogs import clone, group, must, post, posts, pull, stored, writer


def test_a_new_conversation_is_named_by_its_root(tmp_path: Path) -> None:
    log = CommitLog.create(tmp_path / "a.git", writer(ALICE), Initial(2, "0" * 32), now=NOW)
    assert log.heads == (log.conversation,)
    assert log.main == log.conversation
    assert (log.mode, log.roster.admins, log.is_empty) == (2, {ALICE.id}, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.git"]


def test_a_root_against_the_law_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as refusal:
        CommitLog.create(tmp_path / "a.git", writer(ALICE), Initial(2, "0" * 32), now=NOW + 50 * 365 * 86_400)
    assert refusal.value.data["rule"].startswith("SCP-02 §4")  # type: ignore[union-attr]
    assert not (tmp_path / "a.git").exists()


def test_what_is_appended_is_the_new_head_and_the_parent_of_the_next(tmp_path: Path) -> None:
    """R-02"""
    log = group(tmp_path, BOB)
    first = post(log, ALICE, "one")
    second = post(log, BOB, "two")
    commit = log.commit(second)
    assert isinstance(commit, Commit)
    assert (commit.parent, log.heads, log.main) == (first, (second,), second)
    assert posts(log) == ["one", "two"]


def test_who_asks_about_a_commit_that_was_never_refused_waits_for_no_writer(tmp_path: Path) -> None:
    """The loop asks it of each head that is announced, while a worker may hold the log until the disk has synced."""
    log = group(tmp_path, BOB)
    told: list[Rejection | None] = []
    with log.still():
        asking = threading.Thread(target=lambda: told.append(log.refusal(CommitId("1" * 40))))
        asking.start()
        asking.join(10)
        assert told == [None]


def test_an_admission_tells_what_changed(tmp_path: Path) -> None:
    log = group(tmp_path)
    before = log.roster
    admission = must(log.append(Add(BOB.id), writer(ALICE), now=NOW))
    assert admission.before == before
    assert admission.after == log.roster
    assert admission.after.is_invited(BOB.id)
    assert (admission.new, admission.heads, admission.rejected) == (log.heads, log.heads, ())


def test_what_the_law_refuses_is_a_value_and_leaves_nothing(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    files, heads = stored(log), log.heads
    refusal = log.append(Add(CAROL.id), writer(BOB), now=NOW)
    assert isinstance(refusal, Rejection)
    assert refusal.reason is Reason.BAD_ADD
    assert isinstance(log.append(Post("hello"), writer(CAROL), now=NOW), Rejection)
    assert (stored(log), log.heads) == (files, heads)


def test_a_batch_goes_on_after_a_refusal(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    results = log.append_all(
        [
            Pending(Post("one"), writer(ALICE), NOW),
            Pending(Kick(ALICE.id), writer(BOB), NOW),
            Pending(Add(CAROL.id), writer(ALICE), NOW),
            Pending(Join(CAROL.id), writer(CAROL), NOW),
        ]
    )
    assert [isinstance(result, Rejection) for result in results] == [False, True, False, False]
    assert log.roster.joined == {ALICE.id, BOB.id, CAROL.id}
    assert log.heads == must(results[-1]).new
    assert must(results[2]).after.invited == {CAROL.id}
    assert must(results[3]).before == must(results[2]).after


def test_many_commits_of_one_batch_become_one_pack(tmp_path: Path) -> None:
    log = group(tmp_path)
    log.append_all([Pending(Post(str(n)), writer(ALICE), NOW) for n in range(40)])
    log.put_away()
    assert len(list((log.path / "objects" / "pack").glob("*.pack"))) == 1
    assert posts(log) == [str(n) for n in range(40)]


def test_the_same_words_twice_in_a_second_are_two_messages(tmp_path: Path) -> None:
    log = group(tmp_path)
    root = log.heads[0]
    assert post(log, ALICE, "hi", at=root) != post(log, ALICE, "hi", at=root)
    assert len(log.heads) == 2


def test_unknown_parents_and_questions_about_unknown_commits_are_not_found(tmp_path: Path) -> None:
    log = group(tmp_path)
    nowhere = CommitId("f" * 40)
    with pytest.raises(NotFoundError):
        log.append(Post("x"), writer(ALICE), now=NOW, at=nowhere)
    for ask in (log.commit, log.roster_at, log.fate, lambda commit: log.pack([commit], ())):
        with pytest.raises(NotFoundError):
            ask(nowhere)
    assert log.refusal(nowhere) is None
    assert not log.knows(nowhere)


def test_a_name_is_written_byte_for_byte(tmp_path: Path) -> None:
    log = group(tmp_path)
    name = 'Dr. "X", a;b.'
    named = must(log.append(Post("hi"), replace(writer(ALICE), name=name), now=NOW)).new[0]
    commit = log.commit(named)
    assert isinstance(commit, Commit)
    assert commit.name == name


# --- time (SCP-02 §2.3)


@pytest.mark.parametrize(("ahead", "expected"), [(0, 0), (100, 100), (300, 300), (301, 0)])
def test_time_follows_a_parent_that_is_not_too_far_ahead(tmp_path: Path, ahead: int, expected: int) -> None:
    log = group(tmp_path, BOB)
    post(log, BOB, "my clock runs ahead", now=NOW + ahead)
    mine = log.commit(post(log, ALICE, "mine does not", now=NOW))
    assert mine.time == NOW + expected


def test_a_device_whose_own_clock_ran_ahead_can_still_write(tmp_path: Path) -> None:
    log = group(tmp_path)
    post(log, ALICE, "from 2026", now=NOW + 10_000)
    mine = log.commit(post(log, ALICE, "clock corrected", now=NOW))
    assert mine.time == NOW + 10_000 - limits.DEVICE_CLOCK_BACK_S


# --- concurrency


def test_concurrent_commits_are_merged_alike_on_both_sides(tmp_path: Path) -> None:
    """R-04"""
    alice = group(tmp_path, BOB)
    bob = clone(alice, tmp_path / "b.git")
    post(alice, ALICE, "from alice")
    post(bob, BOB, "from bob")
    pull(alice, bob)
    pull(bob, alice)
    assert alice.heads == bob.heads
    assert len(alice.heads) == 2
    assert alice.main == bob.main
    merge = alice.commit(alice.main)  # type: ignore[arg-type]
    assert isinstance(merge, Merge)
    assert merge.parents == alice.heads
    assert not alice.knows(merge.id)  # nobody built on it yet
    reply = alice.commit(post(alice, ALICE, "after both"))
    assert reply.parents == (merge.id,)
    assert alice.heads == (reply.id,)
    assert alice.knows(merge.id)
    pull(bob, alice)
    assert (bob.main, bob.heads) == (alice.main, alice.heads)
    assert sorted(posts(bob)) == sorted(posts(alice)) == ["after both", "from alice", "from bob"]


def test_main_of_more_than_32_heads_is_a_merge_of_merges(tmp_path: Path) -> None:
    log = group(tmp_path)
    base = log.heads[0]
    log.append_all([Pending(Post(str(n)), writer(ALICE), NOW, at=base) for n in range(70)])
    assert len(log.heads) == 70
    top = log.commit(log.main)  # type: ignore[arg-type]
    assert isinstance(top, Merge)
    assert len(top.parents) == 3
    copy = clone(log, tmp_path / "b.git")
    assert (copy.main, copy.heads) == (log.main, log.heads)
    last = post(log, ALICE, "all together")
    assert log.heads == (last,)
    pull(copy, log)
    assert (copy.main, copy.heads) == (last, (last,))
    reopened = CommitLog.open(copy.path, copy.conversation)
    assert reopened.heads == (last,)


def test_heads_beyond_the_limit_join_with_the_next_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MERGED_HEADS_MAX", 3)
    log = group(tmp_path)
    base = log.heads[0]
    for n in range(4):
        post(log, ALICE, str(n), at=base)
    assert len(log.heads) == 4
    assert log.held == log.heads[3:]
    assert log.merged == log.heads[:3]
    last = post(log, ALICE, "next")
    assert len(log.heads) == 2
    assert log.held == ()
    assert last in log.merged


def test_concurrent_membership_settles_and_says_what_no_longer_counts(tmp_path: Path) -> None:
    alice = group(tmp_path, BOB)
    bob = clone(alice, tmp_path / "b.git")
    must(alice.append(Add(CAROL.id), writer(ALICE), now=NOW))
    must(alice.append(Kick(BOB.id), writer(ALICE), now=NOW))
    must(bob.append(Post("still here"), writer(BOB), now=NOW))
    pull(bob, alice)
    admission = pull(alice, bob)
    assert alice.roster == bob.roster
    assert not alice.roster.is_joined(BOB.id)
    assert alice.roster.is_invited(CAROL.id)
    assert admission is not None
    assert admission.before == admission.after == alice.roster


def test_the_effect_of_older_commits_can_change(tmp_path: Path) -> None:
    """Alice bans Bob while Bob invites Dave: his invitation counted, and no longer does."""
    dave = person("dave")
    alice = group(tmp_path, BOB, mode=2)
    bob = clone(alice, tmp_path / "b.git")
    invitation = must(bob.append(Add(dave.id), writer(BOB), now=NOW)).new[0]
    vote = must(alice.append(CastVote("ban", BOB.id), writer(ALICE), now=NOW))
    ban = must(alice.append(Ban(BOB.id), writer(ALICE), now=NOW))
    assert vote.effect_changed == ban.effect_changed == {}
    admission = pull(bob, alice)
    assert admission is not None
    assert list(admission.effect_changed) == [invitation]
    fate = bob.fate(invitation)
    assert fate is not None
    assert (fate.code, fate.by) == (admission.effect_changed[invitation], ban.new[0])
    assert bob.fate(ban.new[0]) is None
    assert not bob.roster.is_invited(dave.id)
    assert bob.roster.is_banned(BOB.id)


def test_old_bans_are_still_told_when_later_commits_stand_on_everything(tmp_path: Path) -> None:
    """Bob wrote beside his ban; a control commit merges both: the ban is as old as can be, and still hides what he wrote."""
    alice = group(tmp_path, BOB, mode=2)
    bob = clone(alice, tmp_path / "b.git")
    must(alice.append(CastVote("ban", BOB.id), writer(ALICE), now=NOW))
    ban = must(alice.append(Ban(BOB.id), writer(ALICE), now=NOW)).new[0]
    hidden = post(bob, BOB, "beside my ban")
    pull(alice, bob)
    must(alice.append(Add(CAROL.id), writer(ALICE), now=NOW))
    must(alice.append(Join(CAROL.id), writer(CAROL), now=NOW))
    assert alice.fate(ban) is None
    timeline = Timeline(alice.history)
    assert timeline.hidden(alice.roster, lambda ban: alice.fate(ban) is None, alice.roster_at) == {hidden}


# --- old forks (SCP-02 §6.4 g)


def old_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CommitLog, CommitLog]:
    monkeypatch.setattr(limits, "OLD_FORK_CONTROL_COMMITS", 3)
    alice = group(tmp_path, BOB, mode=2)
    late = clone(alice, tmp_path / "late.git")
    for n in range(4):
        must(alice.append(Add(person(f"guest {n}").id), writer(ALICE), now=NOW))
    must(late.append(Add(person("friend").id), writer(BOB), now=NOW))
    return alice, late


def test_control_commits_of_an_old_fork_wait_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, late = old_fork(tmp_path, monkeypatch)
    main, roster = alice.main, alice.roster
    pull(alice, late)
    assert alice.held == late.heads
    assert set(alice.heads) == {main, *late.heads}
    assert (alice.main, alice.roster, alice.merged) == (main, roster, (main,))
    reopened = CommitLog.open(alice.path, alice.conversation)
    assert (reopened.held, reopened.main) == (late.heads, main)
    following = post(reopened, ALICE, "we go on")
    assert reopened.commit(following).parents == (main,)
    assert reopened.held == late.heads
    agreed = reopened.merge_old_forks()
    assert reopened.held == ()
    assert agreed.after == reopened.roster
    assert reopened.roster.is_invited(person("friend").id)
    assert reopened.merged == reopened.heads
    again = CommitLog.open(alice.path, alice.conversation)
    assert (again.held, again.main) == ((), reopened.main)


def test_a_user_may_agree_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, late = old_fork(tmp_path, monkeypatch)
    alice = CommitLog.open(alice.path, alice.conversation, accept_old_forks=True)
    pull(alice, late)
    assert alice.held == ()
    assert alice.roster.is_invited(person("friend").id)


def test_texts_of_an_old_fork_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OLD_FORK_CONTROL_COMMITS", 3)
    alice = group(tmp_path, BOB, mode=2)
    late = clone(alice, tmp_path / "late.git")
    for n in range(4):
        must(alice.append(Add(person(f"guest {n}").id), writer(ALICE), now=NOW))
    post(late, BOB, "was offline")
    pull(alice, late)
    assert alice.held == ()
    assert "was offline" in posts(alice)


def test_what_our_own_user_writes_on_an_old_commit_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OLD_FORK_CONTROL_COMMITS", 3)
    alice = group(tmp_path, BOB, mode=2)
    old = alice.heads[0]
    for n in range(5):
        must(alice.append(Add(person(f"guest {n}").id), writer(ALICE), now=NOW))
    must(alice.append(Add(CAROL.id), writer(ALICE), now=NOW, at=old))
    assert alice.held == ()
    assert alice.roster.is_invited(CAROL.id)
    assert CommitLog.open(alice.path, alice.conversation).held == ()


# --- giving


def scanned(data: bytes) -> list[tuple[int, bytes]]:
    scanner = Scanner()
    found = scanner.feed(data)
    assert scanner.complete
    return [(each.packed.kind, each.packed.oid) for each in found]


def test_a_pack_holds_what_is_missing_parents_first_and_trees_before_their_commit(tmp_path: Path) -> None:
    log = group(tmp_path, BOB, CAROL)
    have = log.heads
    post(log, ALICE, "text")
    must(
        log.append(
            UpdateProfile(), writer(ALICE), now=NOW, profile=b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nEND:VCARD\r\n"
        )
    )
    pack = log.pack(None, have)
    assert pack is not None
    found = scanned(b"".join(pack.chunks))
    assert len(found) == pack.objects
    assert [kind for kind, _ in found] == [1, 3, 2, 1]
    assert pack.heads == log.heads
    whole = log.pack(None, ())
    assert whole is not None
    commits = [oid.hex() for kind, oid in scanned(b"".join(whole.chunks)) if kind == COMMIT]
    assert commits == [entry.id for entry in log.history.entries]


def test_there_is_no_pack_without_news_and_unknown_haves_are_skipped(tmp_path: Path) -> None:
    log = group(tmp_path)
    assert log.pack(None, log.heads) is None
    assert log.pack((), ()) is None
    pack = log.pack(log.heads, [CommitId("f" * 40)])
    assert pack is not None
    assert pack.heads == log.heads


def test_a_merge_is_not_served_as_a_head(tmp_path: Path) -> None:
    log = group(tmp_path)
    base = log.heads[0]
    post(log, ALICE, "a", at=base)
    post(log, ALICE, "b", at=base)
    merge = log.main
    assert merge is not None
    post(log, ALICE, "c")
    with pytest.raises(NotFoundError, match="merge"):
        log.pack([merge], ())


def test_a_pack_of_stored_entries_is_admitted_as_well(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    log.append_all([Pending(Post(str(n)), writer(ALICE), NOW) for n in range(30)])
    post(log, ALICE, "loose")
    pack = log.pack(None, (), stored=True)
    assert pack is not None
    data = b"".join(pack.chunks)
    assert b'"body":"loose"' in data
    copy = CommitLog.prepare(tmp_path / "b.git", log.conversation)
    copy.admit(data, pack.heads)
    assert copy.roster == log.roster


def test_a_history_over_one_batch_is_served_in_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB, CAROL)
    base = log.heads[0]
    for n in range(10):
        post(log, ALICE, f"a{n}", at=base)
        post(log, BOB, f"b{n}", at=base)
        base = post(log, CAROL, f"c{n}")
    monkeypatch.setattr(limits, "BATCH_COMMITS_MAX", 7)
    copy = CommitLog.prepare(tmp_path / "b.git", log.conversation)
    rounds = 0
    while copy.heads != log.heads:
        assert pull(copy, log) is not None
        rounds += 1
    assert rounds >= 5
    assert (copy.main, copy.roster) == (log.main, log.roster)


def test_bytes_bound_a_batch_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)
    for n in range(20):
        post(log, ALICE, f"{n} " + "ab" * 200)
    missing = log.history.numbers_missing(log.heads, ())
    store = log._store
    places, heads = serving.plan(store.ledger, missing, log._folder, store.repository.locate, bytes_max=3000)
    assert sum(place.size for place in places) <= 3000
    assert log.knows(heads[0])
    assert heads != log.heads


def test_a_small_pack_is_complete_or_not_given(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    copy = clone(log, tmp_path / "b.git")
    since = log.heads
    assert log.small_pack(since, 65_536) is None
    for n in range(5):
        post(log, ALICE, str(n))
    data = log.small_pack(since, 65_536)
    assert data is not None
    assert log.small_pack(since, len(data)) == data
    assert log.small_pack(since, len(data) - 1) is None
    assert log.small_pack(since, 100) is None
    assert len(copy.admit(data).new) == 5
    assert copy.heads == log.heads


def test_a_small_pack_as_far_as_a_commit_has_nothing_of_what_came_after(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    copy = clone(log, tmp_path / "b.git")
    since = log.heads
    wanted = post(log, ALICE, "the last word")
    after = post(log, ALICE, "not for all")
    data = log.small_pack(since, 65_536, wants=(wanted,))
    assert data is not None
    assert copy.admit(data, (wanted,)).new == (wanted,)
    assert not copy.knows(after)
    assert log.small_pack((wanted,), 65_536, wants=(wanted,)) is None


def test_a_locator_names_heads_and_ever_older_commits(tmp_path: Path) -> None:
    log = group(tmp_path)
    log.append_all([Pending(Post(str(n)), writer(ALICE), NOW) for n in range(200)])
    names = log.locator()
    order = [entry.id for entry in log.history.entries]
    places = [order.index(name) for name in names]
    assert places[0] == 200
    assert places[-1] == 0
    assert places == sorted(places, reverse=True)
    assert len(names) <= 10
    for n in range(80):
        post(log, ALICE, f"fork {n}", at=order[0])
    assert len(log.locator()) <= limits.HAVES_MAX


def test_an_empty_log_waits_to_be_cloned_into(tmp_path: Path) -> None:
    source = group(tmp_path)
    log = CommitLog.prepare(tmp_path / "b.git", source.conversation)
    assert (log.is_empty, log.heads, log.main, log.locator(), log.pack(None, ())) == (True, (), None, (), None)
    for ask in (lambda: log.roster, lambda: log.mode, lambda: log.append(Post("x"), writer(ALICE), now=NOW)):
        with pytest.raises(NotFoundError):
            ask()
    assert CommitLog.prepare(tmp_path / "b.git", source.conversation).is_empty
    admission = pull(log, source)
    assert admission is not None
    assert admission.before.joined == frozenset()
    assert log.roster == source.roster


def test_an_edit_of_a_strangers_message_is_refused(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    target = post(log, ALICE, "mine")
    refusal = log.append(Edit("yours", target), writer(BOB), now=NOW)
    assert isinstance(refusal, Rejection)
    assert refusal.reason is Reason.BAD_REFERENCE


def test_another_conversation_is_not_opened(tmp_path: Path) -> None:
    log = group(tmp_path)
    log.close()
    with pytest.raises(StorageError, match="another conversation"):
        CommitLog.open(log.path, ConversationId("a" * 40))
    with pytest.raises(NotFoundError):
        CommitLog.open(tmp_path / "nothing.git", log.conversation)
    assert CommitLog.open(log.path, log.conversation).heads == log.heads


def test_a_closed_log_opens_its_files_again(tmp_path: Path) -> None:
    log = group(tmp_path)
    log.close()
    log.close()
    assert log.verify().valid
    post(log, ALICE, "back")
    assert posts(log) == ["back"]
