"""What other swarm programs let pass, sent to ours: refused by number, nothing of it kept, valid commits beside it taken. (SCP-02 §7.2)

The page `docs/reference/weaknesses.md` tells which test stands for which weakness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.packs import PackFault
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation import tree as layout
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Edit,
    Join,
    Kick,
    Leave,
    Post,
    React,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.commit import Commit, merge_bytes, parse
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.crypto.certificates import Certificate, issue_account, issue_device
from swarmchat.ids import CommitId, TreeId
from tests.support.builders import ALICE, BOB, CAROL, DAVE, DAY, EVE, NOW, Person
from tests.support.commitlogs import Object, clone, forged, object_ids, objects_of, packed, post, refs
from tests.support.partitions import Side, everywhere, found, without_admins

MANY = limits.LOOSE_OBJECTS_PER_BATCH + 4
Forged = tuple[CommitId, list[Object]]


@pytest.fixture
def side(tmp_path: Path) -> Side:
    """Alice is admin; Bob and Carol are members; Bob has written."""
    side = found(tmp_path, ALICE, members=[BOB, CAROL])
    side.say(BOB, "good morning")
    return side


def refused(side: Side, bad: Forged, reason: Reason, path: str | None = None, *, honest: int = 1) -> Rejection:
    """The forged commit comes with honest ones beside it and one on top of it. Only the honest ones are kept."""
    log = side.log
    before, objects, pointers = log.heads, object_ids(log), refs(log)
    commit, evil = bad
    line: list[Object] = []
    good = log.heads[0]
    for number in range(honest):
        good, new = forged(log, ALICE, Post(f"honest {number} beside {commit[:8]}"), parent=good, time=NOW + 1)
        line += new
    top, above = forged(log, ALICE, Post("on top of it"), parent=commit, tree=_tree(evil), time=NOW + 1)
    evil = [each for each in evil if each[1].hex() not in objects]
    admission = log.admit(packed([*line, *evil, *above]), [good, top])
    assert [(each.commit, each.reason) for each in admission.rejected] == [
        (commit, reason),
        (top, Reason.REFUSED_PARENT),
    ], [str(each) for each in admission.rejected]
    rejection = admission.rejected[0]
    assert path is None or rejection.path == path, rejection.path
    assert len(admission.new) == honest
    assert log.heads == tuple(sorted({*before[1:], good}))
    assert object_ids(log) == objects | {oid.hex() for _, oid, _ in line} | {log.main}
    assert set(refs(log).values()) - set(pointers.values()) == {good, log.main}
    told = log.refusal(commit)
    assert told is not None
    assert told.rule.startswith("SCP-02 §")
    assert log.verify().valid
    return rejection


def _tree(objects: Sequence[Object]) -> TreeId:
    return TreeId(next(raw[5:45].decode() for kind, _, raw in objects if kind == COMMIT))


def by(
    who: Person, action: Action | bytes, changes: Mapping[str, bytes | None] | None = None, **more: Any
) -> Callable[[CommitLog], Forged]:
    """What a modified program of this person sends."""
    return lambda log: forged(log, who, action, changes=changes, **more)


def vouched_by_eve_for(victim: Person) -> bytes:
    """A certificate of Eve's device that says it is of the victim's account, signed by Eve."""
    impostor = issue_account(EVE.account_key, now=NOW, entropy=bytes(16))
    own = issue_device(EVE.account_key, impostor, EVE.device_key.public, now=NOW)
    body = own.der.replace(EVE.id.encode(), victim.id.encode())
    return Certificate.from_der(body.replace(bytes.fromhex(EVE.id), bytes.fromhex(victim.id))).pem


def papers(who: Person) -> dict[str, bytes | None]:
    return {layout.device(who.device): who.device_certificate.pem}


# --- 1: who certifies a device


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (by(EVE, Post("as Alice"), {layout.device(EVE.device): vouched_by_eve_for(ALICE)}), Reason.BAD_CHAIN),
        (by(BOB, Post("a gift"), {layout.device(EVE.device): vouched_by_eve_for(ALICE)}), Reason.UNEXPECTED_CHANGE),
        (by(BOB, UpdateDevice(), {layout.device(EVE.device): vouched_by_eve_for(BOB)}), Reason.UNEXPECTED_CHANGE),
        (by(BOB, Post("my other one"), papers(BOB.on(2))), Reason.UNEXPECTED_CHANGE),
        (by(EVE, Post("x"), {layout.device(EVE.device): BOB.device_certificate.pem}), Reason.NO_DEVICE),
        (by(BOB.on(2), Post("x"), {layout.device(BOB.on(2).device): b"no certificate"}), Reason.BAD_CHAIN),
    ],
    ids=["self-made", "brought by another", "for oneself by another", "not the writing one", "another name", "none"],
)
def test_w01_a_device_is_certified_by_its_account_and_named_by_its_key(
    side: Side, forge: Callable[[CommitLog], Forged], reason: Reason
) -> None:
    """C-09, C-20"""
    refused(side, forge(side.log), reason)


# --- 2, 3, 4, 5: what a commit changes


@pytest.mark.parametrize("victim", ["admins", "devices", "profile"])
def test_w02_an_edit_changes_no_file(side: Side, victim: str) -> None:
    own = next(entry.id for entry in reversed(side.log.history.entries) if entry.fact.type == "text/plain")
    changes: dict[str, dict[str, bytes | None]] = {
        "admins": {layout.admin(BOB.id): BOB.certificate.pem},
        "devices": {layout.device(ALICE.device): None},
        "profile": {layout.PROFILE: b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Bob's\r\nEND:VCARD\r\n"},
    }
    ((path, _),) = changes[victim].items()
    refused(side, forged(side.log, BOB, Edit("better", own), changes=changes[victim]), Reason.UNEXPECTED_CHANGE, path)


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (
            by(BOB, Leave(CAROL.id), {layout.member(CAROL.id): None, layout.device(CAROL.device): None}),
            Reason.BAD_REMOVAL,
        ),
        (by(BOB, Leave(BOB.id), {layout.admin(BOB.id): BOB.certificate.pem}), Reason.UNEXPECTED_CHANGE),
        (
            by(
                BOB,
                Leave(BOB.id),
                {
                    layout.member(BOB.id): None,
                    layout.device(BOB.device): None,
                    layout.admin(BOB.id): BOB.certificate.pem,
                },
            ),
            Reason.UNEXPECTED_CHANGE,
        ),
        (
            by(BOB, Kick(CAROL.id), {layout.member(CAROL.id): None, layout.device(CAROL.device): None}),
            Reason.BAD_REMOVAL,
        ),
    ],
    ids=["of another", "as a way up", "as a way up and out", "a kick by a member"],
)
def test_w03_one_leaves_for_oneself_and_takes_only_away(
    side: Side, forge: Callable[[CommitLog], Forged], reason: Reason
) -> None:
    refused(side, forge(side.log), reason)


BINARY = bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (by(ALICE, Add(DAVE.id), {layout.invited(DAVE.id): BINARY}), Reason.UNEXPECTED_CHANGE),
        (by(BOB, Post("hi"), {layout.PROFILE: BINARY}), Reason.UNEXPECTED_CHANGE),
        (by(ALICE, UpdateProfile(), {layout.PROFILE: BINARY}), Reason.BAD_PROFILE),
        (by(BOB, Post("hi"), {layout.admin(BOB.id): BINARY}), Reason.UNEXPECTED_CHANGE),
        (by(BOB, Post("hi"), {layout.member(BOB.id): BINARY}), Reason.BAD_HOUSEKEEPING),
        (by(BOB, Post("hi"), {layout.revocations(BOB.id): BINARY}), Reason.BAD_REVOCATIONS),
    ],
    ids=["invitation", "profile", "profile by an admin", "another's place", "own certificate", "list"],
)
def test_w04_binary_files_are_seen(side: Side, forge: Callable[[CommitLog], Forged], reason: Reason) -> None:
    refused(side, forge(side.log), reason)


@pytest.mark.parametrize(
    "path",
    [
        f"invited/{DAVE.id} | 1",
        f"invited/{DAVE.id}\n",
        f"invited/{DAVE.id}\ninvited/{EVE.id}",
        f"invited/{DAVE.id.upper()}",
        f"invited/{DAVE.id}.crt",
        f"members/{DAVE.id}",
        "members/ | 2 +-",
        f"devices/../admins/{DAVE.id}.crt",
        f"Admins/{BOB.id}.crt",
        "votes/kick/members/x/y",
        "hooks/post-receive",
        ".gitmodules",
        "\u00e9.txt",
    ],
)
def test_w05_names_that_no_conversation_has_are_refused(side: Side, path: str) -> None:
    refused(side, forged(side.log, BOB, Post("look"), changes={path: b""}), Reason.MALFORMED_TREE)


# --- 6: branches behind heads


def test_w06_what_hides_behind_a_merge_is_judged_and_told(side: Side) -> None:
    log = side.log
    old = log.history.entries[-3].id
    commit, objects = forged(log, BOB, Post("I was here"), parent=old, damaged=True)
    base = log.heads[0]
    merge = objects_of((COMMIT, merge_bytes(log._store.ledger.tree_of(base), tuple(sorted((base, commit))), NOW)))
    name = CommitId(merge[0][1].hex())
    crown, crowned = forged(log, BOB, Post("look at me"), parent=name, tree=log._store.ledger.tree_of(base))
    before = object_ids(log)
    admission = log.admit(packed([*objects, *merge, *crowned]), [crown])
    assert [(each.commit, each.reason) for each in admission.rejected] == [
        (commit, Reason.BAD_SIGNATURE),
        (name, Reason.REFUSED_PARENT),
        (crown, Reason.REFUSED_PARENT),
    ]
    assert (log.heads, object_ids(log)) == ((base,), before)


def test_w06_an_honest_branch_behind_the_head_is_taken_and_told(side: Side) -> None:
    old = side.log.history.entries[-2].id
    commit, objects = forged(side.log, CAROL, Post("written long ago, without a network"), parent=old)
    admission = side.log.admit(packed(objects))
    assert admission.new == (commit,)
    assert set(side.log.heads) > {commit}


# --- 7: roots


@pytest.mark.parametrize("honest", [1, MANY])
def test_w07_a_second_root_is_refused(side: Side, honest: int) -> None:
    log = side.log
    _, ((_, _, raw),) = forged(log, ALICE, Post("the true beginning"))
    other = raw.replace(b"parent %s\n" % log.heads[0].encode(), b"")
    second = objects_of((COMMIT, other))
    refused(side, (CommitId(second[0][1].hex()), second), Reason.WRONG_ROOT, honest=honest)


# --- 8: ballots


def test_w08_a_quorum_is_counted_in_the_tree_before_the_resolution(tmp_path: Path) -> None:
    side = found(tmp_path, ALICE, BOB, members=[CAROL])
    side.vote("ban", CAROL.id, ALICE)
    votes = f"votes/ban/members/{CAROL.id}/{ALICE.id}"
    changes: dict[str, bytes | None] = {
        layout.member(CAROL.id): None,
        layout.device(CAROL.device): None,
        f"banned/members/{CAROL.id}.crt": CAROL.certificate.pem,
        votes: None,
    }
    refused(side, forged(side.log, ALICE, Ban(CAROL.id), changes=changes), Reason.NO_QUORUM)
    side.say(BOB, "half is not enough")
    side.vote("ban", CAROL.id, BOB)
    assert side.log.roster.is_joined(CAROL.id)


def test_w08_a_group_whose_admins_have_all_left_is_cloned_with_its_old_bans(tmp_path: Path) -> None:
    side, _ = without_admins(tmp_path, DAVE)
    assert not side.log.roster.admins
    copy = clone(side.log, tmp_path / "newcomer.git")
    assert (copy.heads, copy.roster, copy.refusals()) == (side.log.heads, side.log.roster, ())


# --- 10: a check that trips


def test_w10_who_deletes_the_certificate_he_writes_with_is_refused_and_heard_on(side: Side) -> None:
    gone: dict[str, bytes | None] = {layout.device(BOB.device): None}
    refused(side, forged(side.log, BOB, Post("where am I"), changes=gone), Reason.NO_DEVICE)
    refused(
        side, forged(side.log, BOB, Post("and they"), changes={layout.member(BOB.id): None}), Reason.BAD_HOUSEKEEPING
    )
    post(side.log, BOB, "still here")


# --- 11: revocation


@pytest.mark.parametrize("mine", [True, False])
def test_w11_a_revoked_device_writes_nothing_more_and_lists_are_of_their_owner(side: Side, mine: bool) -> None:
    phone = BOB.on(2)
    side.say(phone, "from my phone")
    if mine:
        side.write(BOB, UpdateDevice(), revocations=BOB.revoking(phone))
        refused(side, forged(side.log, phone, Post("still works")), Reason.BAD_CHAIN)
        refused(side, forged(side.log, phone, Leave(BOB.id)), Reason.BAD_CHAIN)
    else:
        theirs = EVE.revoking(phone)
        for owner in (BOB, CAROL):
            path = layout.revocations(owner.id)
            who = CAROL
            reason = Reason.BAD_REVOCATIONS if owner is CAROL else Reason.UNEXPECTED_CHANGE
            refused(side, forged(side.log, who, UpdateDevice(), changes={path: theirs}), reason, path)
        refused(
            side, forged(side.log, BOB, UpdateDevice(), changes={f"CRLs/{BOB.id}/1.crl": theirs}), Reason.MALFORMED_TREE
        )
        side.say(phone, "nobody but Bob takes it from me")


# --- 12: times


def test_w12_backdating_does_not_outwit_an_expiry(side: Side) -> None:
    end = BOB.device_certificate.not_after
    side.write(BOB.renewed(now=NOW + DAY), Post("renewed"), now=end + 100)
    back: dict[str, bytes | None] = papers(BOB)
    refused(side, forged(side.log, BOB, Post("with the old one"), changes=back, time=end + 100), Reason.BAD_CHAIN)
    refused(side, forged(side.log, BOB, Post("with the old one, dated back"), time=NOW), Reason.CLOCK_RAN_BACK)


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (0, Reason.BAD_CHAIN),
        (1, Reason.BAD_CHAIN),
        (BOB.device_certificate.not_before - 1, Reason.BAD_CHAIN),
        (BOB.device_certificate.not_after + 1, Reason.BAD_CHAIN),
        (4_102_444_800, Reason.BAD_CHAIN),
        (999_999_999_999, Reason.BAD_CHAIN),
        (1_000_000_000_000, Reason.MALFORMED_COMMIT),
        (2**63, Reason.MALFORMED_COMMIT),
    ],
)
def test_w12_a_time_at_which_no_certificate_holds_is_refused(tmp_path: Path, time: int, reason: Reason) -> None:
    side = found(tmp_path, ALICE, members=[CAROL], mode=3)
    changes: dict[str, bytes | None] = {layout.member(BOB.id): BOB.certificate.pem, **papers(BOB)}
    refused(side, forged(side.log, BOB, Join(BOB.id), changes=changes, time=time), reason)


def test_w12_a_far_future_within_a_certificate_freezes_nobody_and_drags_no_clock_along(side: Side) -> None:
    future = BOB.device_certificate.not_after
    commit, objects = forged(side.log, BOB, Post("from the future"), time=future)
    assert side.log.admit(packed(objects)).new == (commit,)
    answer = side.say(ALICE, "we live today", now=NOW + 60)
    assert side.log.history[answer].fact.time == NOW + 60
    refused(side, forged(side.log, BOB, Post("and back again"), time=NOW + 120), Reason.CLOCK_RAN_BACK)
    again = side.say(CAROL, "so do I", now=NOW + 61)
    assert side.log.history[again].fact.time == NOW + 61


# --- 13, 15: what one speaks about


@pytest.mark.parametrize("kind", ["edit", "reaction"])
@pytest.mark.parametrize("where", ["refused", "beside", "nowhere", "itself later"])
def test_w13_w15_edits_and_reactions_name_accepted_ancestors(side: Side, kind: str, where: str) -> None:
    log = side.log
    base = log.heads[0]
    target = CommitId("e" * 40)
    if where == "refused":
        target, objects = forged(log, BOB, Post("not signed so"), damaged=True)
        log.admit(packed(objects))
        assert log.refusal(target)
        assert not log.knows(target)
    elif where == "beside":
        target = side.say(BOB, "on another branch", at=log.history.entries[-2].id)
    elif where == "itself later":
        target = side.say(BOB, "later")
    action = Edit("better", target) if kind == "edit" else React("!", target)
    at = base if where in ("beside", "itself later") else log.heads[0]
    commit, objects = forged(log, BOB, action, parent=at)
    before = object_ids(log)
    admission = log.admit(packed(objects), [commit])
    assert [(each.commit, each.reason) for each in admission.rejected] == [(commit, Reason.BAD_REFERENCE)]
    assert object_ids(log) == before


def test_w13_nothing_refused_is_known_or_served(side: Side, tmp_path: Path) -> None:
    commit, objects = forged(side.log, BOB, Kick(CAROL.id))
    refused(side, (commit, objects), Reason.BAD_REMOVAL)
    assert commit not in side.log.locator()
    copy = clone(side.log, tmp_path / "copy.git")
    assert not copy.knows(commit)
    assert object_ids(copy) == object_ids(side.log)
    assert copy.refusals() == ()


def test_w15_only_own_messages_are_edited_and_no_edit_is(side: Side) -> None:
    """C-45"""
    said = side.say(BOB, "mine")
    refused(side, forged(side.log, CAROL, Edit("hers", said)), Reason.BAD_REFERENCE)
    edited = side.write(BOB, Edit("mine, better", said))
    refused(side, forged(side.log, BOB, Edit("an edit of an edit", edited)), Reason.BAD_REFERENCE)
    refused(side, forged(side.log, BOB, Edit("of the root", side.log.history.root.id)), Reason.BAD_REFERENCE)


# --- 14: add and vote


@pytest.mark.parametrize(
    ("uri", "path", "reason"),
    [
        (DAVE, f"banned/invited/{DAVE.id}", Reason.UNEXPECTED_CHANGE),
        (DAVE, f"banned/admins/{DAVE.id}.crt", Reason.UNEXPECTED_CHANGE),
        (DAVE, layout.member(DAVE.id), Reason.UNEXPECTED_CHANGE),
        (DAVE, layout.invited(EVE.id), Reason.UNEXPECTED_CHANGE),
        (CAROL, layout.invited(CAROL.id), Reason.BAD_ADD),
        (ALICE, layout.invited(ALICE.id), Reason.BAD_ADD),
        (EVE, layout.invited(EVE.id), Reason.BAD_ADD),
        (BOB, layout.invited(BOB.id), Reason.BAD_ADD),
    ],
    ids=["banned/invited", "banned/admins", "member", "another", "is member", "oneself", "is invited", "is banned"],
)
def test_w14_only_who_stands_nowhere_is_added_and_only_as_invited(
    side: Side, uri: Person, path: str, reason: Reason
) -> None:
    if uri is EVE:
        side.write(ALICE, Add(EVE.id))
    if uri is BOB:
        side.ban(BOB.id, ALICE)
    refused(side, forged(side.log, ALICE, Add(uri.id), changes={path: b""}), reason)


def test_w14_modes_bind(tmp_path: Path) -> None:
    side = found(tmp_path, ALICE, members=[BOB])
    refused(side, forged(side.log, BOB, Add(DAVE.id), changes={layout.invited(DAVE.id): b""}), Reason.BAD_ADD)
    walks_in: dict[str, bytes | None] = {layout.member(DAVE.id): DAVE.certificate.pem, **papers(DAVE)}
    refused(side, forged(side.log, DAVE, Join(DAVE.id), changes=walks_in), Reason.BAD_JOIN)


@pytest.mark.parametrize(
    "path",
    [
        f"votes/ban/members/{BOB.id}/{ALICE.id}",
        f"votes/unban/members/{CAROL.id}/{ALICE.id}",
        f"votes/ban/admins/{CAROL.id}/{ALICE.id}",
        f"votes/ban/members/{CAROL.id}/{BOB.id}",
    ],
)
def test_w14_a_vote_is_about_whom_it_names_and_in_ones_own_name(side: Side, path: str) -> None:
    refused(side, forged(side.log, ALICE, CastVote("ban", CAROL.id), changes={path: b""}), Reason.UNEXPECTED_CHANGE)


def test_w14_a_device_is_unbanned_by_vote(tmp_path: Path) -> None:
    """BS-01"""
    side = found(tmp_path, ALICE, BOB, members=[CAROL])
    side.ban(CAROL.device, ALICE, BOB)
    refused(side, forged(side.log, CAROL, Post("it is me")), Reason.NO_DEVICE)
    side.unban(CAROL.device, ALICE, BOB)
    side.say(CAROL, "here again")


# --- 16: sizes


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (by(BOB, Post("x" * (limits.BODY_BYTES_MAX + 1))), Reason.TOO_BIG),
        (by(BOB, Post("x"), extra={"more": "x" * limits.MESSAGE_BYTES_MAX}), Reason.TOO_BIG),
        (
            by(
                ALICE,
                UpdateProfile(),
                {layout.PROFILE: b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:" + b"x" * 129 + b"\r\nEND:VCARD\r\n"},
            ),
            Reason.BAD_PROFILE,
        ),
    ],
    ids=["body", "message", "profile"],
)
def test_w16_what_is_too_big_is_refused(side: Side, forge: Callable[[CommitLog], Forged], reason: Reason) -> None:
    refused(side, forge(side.log), reason)


def test_w16_an_object_over_its_bound_is_not_even_inflated(side: Side) -> None:
    """C-23, C-24"""
    before = object_ids(side.log)
    for bad in (
        forged(side.log, ALICE, UpdateProfile(), changes={layout.PROFILE: b"x" * (limits.PROFILE_BYTES_MAX + 1)}),
        forged(side.log, BOB, Post("x"), extra={"more": "x" * limits.COMMIT_BYTES_MAX}),
    ):
        with pytest.raises(PackFault, match="bytes"):
            side.log.admit(packed(bad[1]))
    assert object_ids(side.log) == before
    assert side.log.refusals() == ()


# --- 18, 19: merges


def two_heads(side: Side) -> tuple[CommitId, CommitId]:
    base = side.log.heads[0]
    one, other = side.say(BOB, "left", at=base), side.write(ALICE, Add(DAVE.id), at=base)
    return (one, other) if one < other else (other, one)


def _merged(
    side: Side, parents: Sequence[CommitId], tree: TreeId, time: int, spoil: Callable[[bytes], bytes]
) -> Forged:
    """A forged merge, and somebody's word on top of it, without which no merge comes."""
    merge = objects_of((COMMIT, spoil(merge_bytes(tree, tuple(parents), time))))
    name = CommitId(merge[0][1].hex())
    _, crown = forged(side.log, BOB, Post("on it"), parent=name, tree=tree)
    return name, [*merge, *crown]


def _signed(side: Side, raw: bytes) -> bytes:
    _, ((_, _, model),) = forged(side.log, BOB, Post("x"))
    signature = model[model.index(b"\ngpgsig ") : model.index(b"\n\n")]
    return raw.replace(b"\n\n", signature + b"\n\n", 1)


@pytest.mark.parametrize(
    "how",
    [
        "another tree",
        "parents turned round",
        "a parent twice",
        "a third parent",
        "an ancestor as parent",
        "another time",
        "another message",
        "a name",
        "signed",
        "one parent",
    ],
)
def test_w18_w19_a_merge_is_the_one_that_everybody_computes(side: Side, how: str) -> None:
    log = side.log
    base = log.heads[0]
    heads = two_heads(side)
    main = log.main
    assert main is not None
    tree = log._store.ledger.tree_of(main) if log.knows(main) else TreeId(_raw_tree(log, main))
    time = max(log.history[head].fact.time for head in heads)
    parents: Sequence[CommitId] = heads
    spoil: Callable[[bytes], bytes] = bytes
    reason = Reason.BAD_MERGE
    match how:
        case "another tree":
            tree = log._store.ledger.tree_of(heads[0] if log._store.ledger.tree_of(heads[0]) != tree else heads[1])
        case "parents turned round":
            parents = heads[::-1]
        case "a parent twice":
            parents = (heads[0], heads[0])
        case "a third parent":
            parents = sorted((*heads, base))
        case "an ancestor as parent":
            parents = sorted((heads[0], base))
        case "another time":
            time += 1
        case "another message":
            spoil = lambda raw: raw + b"\n"  # noqa: E731
        case "a name":
            spoil = lambda raw: raw.replace(b"author swarmchat", b"author bob")  # noqa: E731
        case "signed":
            spoil = lambda raw: _signed(side, raw)  # noqa: E731
        case _:
            parents = heads[:1]
    name, objects = _merged(side, parents, tree, time, spoil)
    before, pointers = object_ids(log), refs(log)
    good, beside = forged(log, CAROL, Post("honest"), parent=heads[0])
    admission = log.admit(packed([*objects[:-1], *beside, objects[-1]]))
    found = admission.rejected[0]
    assert found.commit == name
    assert found.reason in {reason, Reason.MALFORMED_COMMIT}, str(found)
    assert [each.reason for each in admission.rejected[1:]] == [Reason.REFUSED_PARENT]
    assert admission.new == (good,)
    assert object_ids(log) - before <= {good, log.main, *_new_trees(log, before)}
    assert not any(log._store.repository.has(oid) for _, oid, _ in objects)
    assert refs(log)["refs/heads/main"] == log.main != pointers["refs/heads/main"]
    assert log.verify().valid


def _raw_tree(log: CommitLog, merge: CommitId) -> str:
    return log._store.repository.read(COMMIT, bytes.fromhex(merge))[5:45].decode()


def _new_trees(log: CommitLog, before: set[str]) -> set[str]:
    """Objects that our own merge of the honest heads brought."""
    assert log.main is not None
    return {_raw_tree(log, log.main)} - before


def test_w19_a_merge_that_nobody_wrote_upon_is_not_taken_from_anybody(side: Side, tmp_path: Path) -> None:
    copy = side.fork("copy")
    two_heads(side)
    copy.hears(side)
    assert side.log.main == copy.log.main  # each made it, nobody sent it
    assert side.log.main is not None
    raw = side.log._store.repository.read(COMMIT, bytes.fromhex(side.log.main))
    alone = clone(copy.log, tmp_path / "third.git")
    before = object_ids(alone)
    with pytest.raises(PackFault, match="merge"):
        alone.admit(packed(objects_of((COMMIT, raw))))
    assert object_ids(alone) == before


# --- 20, 22 and the rest are consequences of settle: see tests/integration/consequences


# --- words (SCP-02 §2.2)

PLAIN = b'{"body":"x","type":"text/plain"%s}'


@pytest.mark.parametrize(
    "words",
    [
        b'{"body":"a","body":"b","type":"text/plain"}',
        b'{"type":"text/plain","body":"a","type":"text/plain"}',
        b'{"body":"a","\\u0062ody":"b","type":"text/plain"}',
        PLAIN % b',"x":{"a":1,"a":1}',
        PLAIN % b',"x":[{"y":{"a":1,"a":2}}]',
        PLAIN % b',"x":NaN',
        PLAIN % b',"x":[-Infinity]',
        PLAIN % b',"x":1e999',
        PLAIN % b',"x":9223372036854775808',
        PLAIN % b',"x":-9223372036854775809',
        PLAIN % (b',"x":' + b"9" * 5_000),
        PLAIN % (b',"x":' + b"[" * 8 + b"]" * 8),
        PLAIN % (b',"x":' + b"[" * 50_000 + b"]" * 50_000),
        PLAIN % b',"x":"\\ud800"',
        PLAIN % b',"x":"\\udc00\\ud800"',
        PLAIN % b',"\\ud800":1',
        PLAIN % b',"x":"\xed\xa0\x80"',
        PLAIN % b',"x":"\xc0\xaf"',
        PLAIN % b',"x":"\xff"',
        b"\xef\xbb\xbf" + PLAIN % b"",
        PLAIN % b"" + b"\n",
    ],
)
def test_words_that_two_readers_could_read_differently_are_refused(side: Side, words: bytes) -> None:
    refused(side, forged(side.log, BOB, words), Reason.MALFORMED_MESSAGE)


def test_letters_that_look_alike_are_kept_to_the_byte_and_are_two_keys(side: Side) -> None:
    words = '{"body":"cafe\u0301 caf\u00e9","type":"text/plain","e\u0301":1,"\u00e9":2}'.encode()
    commit, objects = forged(side.log, BOB, words)
    assert side.log.admit(packed(objects)).new == (commit,)
    kept = parse(commit, side.log._store.repository.read(COMMIT, bytes.fromhex(commit)))
    assert isinstance(kept, Commit)
    assert kept.body["body"] == "cafe\u0301 caf\u00e9"


@pytest.mark.parametrize("name", [b"", b" bob", b"b<ob", b"bo\nb", b"b\x00b", b"\xff", b"b\xe2\x80\xa8", b"b" * 129])
def test_names_that_confuse_are_refused(side: Side, name: bytes) -> None:
    _, ((_, _, raw),) = forged(side.log, BOB, Post("x"))
    other = raw.replace(b"author bob <", b"author " + name + b" <").replace(
        b"committer bob <", b"committer " + name + b" <"
    )
    found = objects_of((COMMIT, other))
    bad = CommitId(found[0][1].hex()), found
    before = object_ids(side.log)
    (rejection,) = side.log.admit(packed(found)).rejected
    assert rejection.reason in {Reason.BAD_NAME, Reason.MALFORMED_COMMIT}
    assert rejection.commit == bad[0]
    assert object_ids(side.log) == before


# --- certificates over the years


def test_an_expired_device_is_out_until_it_renews_in_the_same_breath(side: Side) -> None:
    end = BOB.device_certificate.not_after
    refused(side, forged(side.log, BOB, Post("late"), time=end + 1), Reason.BAD_CHAIN)
    renewed = BOB.renewed(now=end)
    path = layout.device(BOB.device)
    commit, objects = forged(
        side.log, BOB, Post("renewed"), changes={path: renewed.device_certificate.pem}, time=end + 1
    )
    assert side.log.admit(packed(objects)).new == (commit,)
    assert side.log.roster.files[path] == renewed.device_certificate.pem


def test_a_renewal_is_of_the_same_key_and_later(side: Side) -> None:
    path = layout.device(BOB.device)
    later = BOB.renewed(now=NOW + 2 * DAY)
    side.write(later, UpdateDevice(), now=NOW + 2 * DAY)
    sooner = BOB.renewed(now=NOW + DAY).device_certificate.pem
    when = NOW + 2 * DAY + 1
    for content, reason in (
        (sooner, Reason.BAD_HOUSEKEEPING),
        (BOB.on(2).device_certificate.pem, Reason.NO_DEVICE),
        (vouched_by_eve_for(BOB), Reason.NO_DEVICE),
    ):
        refused(side, forged(side.log, BOB, UpdateDevice(), changes={path: content}, time=when), reason)
    theirs: dict[str, bytes | None] = {layout.device(CAROL.device): CAROL.renewed(now=when).device_certificate.pem}
    refused(side, forged(side.log, BOB, UpdateDevice(), changes=theirs, time=when), Reason.UNEXPECTED_CHANGE)


def test_an_expired_account_is_not_brought_back_by_its_own_renewal(side: Side) -> None:
    end = BOB.certificate.not_after
    renewed = BOB.renewed(now=end, account=True)
    changes: dict[str, bytes | None] = {
        layout.member(BOB.id): renewed.certificate.pem,
        layout.device(BOB.device): renewed.device_certificate.pem,
    }
    refused(side, forged(side.log, renewed, UpdateDevice(), changes=changes, time=end + 1), Reason.BAD_CHAIN)


# --- votes, ids and branches that were meant to win


def test_a_voter_who_votes_on_both_sides_makes_no_two_results(tmp_path: Path) -> None:
    """Bob votes to ban Dave with Alice, and in a partition to make Dave an admin with Carol."""
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    north.ban(DAVE.id, ALICE, BOB)
    south.promote(DAVE, BOB, CAROL)
    after = everywhere(north, south)
    assert after.log.roster.is_banned(DAVE.id) != after.log.roster.is_admin(DAVE.id)
    assert after.log.roster.admins >= {ALICE.id, BOB.id, CAROL.id}


def test_two_votes_of_one_voter_beside_each_other_count_once(tmp_path: Path) -> None:
    """Bob casts his vote twice, on two branches, to pass for two."""
    founded = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    north, south = founded.forks("north", "south")
    north.vote("ban", DAVE.id, BOB)
    south.vote("ban", DAVE.id, BOB)
    after = everywhere(north, south)
    vote = f"votes/ban/members/{DAVE.id}/{BOB.id}"
    assert [path for path in after.log.roster.files if path.startswith("votes/")] == [vote]
    after.refuses(Reason.NO_QUORUM, BOB, Ban(DAVE.id))
    assert after.log.roster.is_joined(DAVE.id)


def test_an_id_that_was_ground_wins_no_tie(tmp_path: Path) -> None:
    """Carol and Bob ban Alice while Alice and Bob ban Carol; Carol tries ids until hers is the lowest."""
    founded = found(tmp_path, ALICE, BOB, CAROL)
    north, south = founded.forks("north", "south")
    honest = north.ban(CAROL.id, ALICE, BOB)
    south.vote("ban", ALICE.id, BOB)
    south.vote("ban", ALICE.id, CAROL)
    files = south.log.roster.files
    changes: dict[str, bytes | None] = {path: None for path in files if path.startswith("votes/ban/admins/")}
    changes |= {
        layout.admin(ALICE.id): None,
        layout.device(ALICE.device): None,
        f"banned/admins/{ALICE.id}.crt": ALICE.certificate.pem,
    }
    ground = min(
        (forged(south.log, CAROL, Ban(ALICE.id), changes=changes, extra={"n": n}) for n in range(1_500)),
        key=lambda found: found[0],
    )
    assert ground[0] < honest
    assert ground[0].startswith("00")
    assert south.log.admit(packed(ground[1])).new == (ground[0],)
    after = everywhere(north, south)
    assert after.log.roster.banned == {CAROL.id: "admins"}
    assert after.log.roster.is_admin(ALICE.id)
