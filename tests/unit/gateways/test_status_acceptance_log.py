"""The acceptance list of Status, as far as the log is concerned: each test bears the number of its line."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import (
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    React,
)
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways import bindings
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import events
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import fold_strictly
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.wire import ApplicationMetadataMessage, MembershipUpdateMessage
from tests.support.builders import ALICE, BOB, CAROL, DAVE
from tests.support.commitlogs import must, pull, writer
from tests.support.status_rooms import StatusRoom, key, secret, wrappers


def clocks(log: CommitLog) -> dict[str, int]:
    ledger = Ledger(log.conversation)
    ledger.follow(log, len(log.history))
    return {commit: ledger.clock(number) for number, commit in enumerate(log.history.ids)}


def strictly(wrapper: bytes) -> None:
    """Clients take this list of events, all of it."""
    outer = ApplicationMetadataMessage.decode(wrapper)
    assert isinstance(outer, ApplicationMetadataMessage)
    message = MembershipUpdateMessage.decode(outer.payload)
    assert isinstance(message, MembershipUpdateMessage)
    read = [events.read(raw, message.chat_id) for raw in message.events]
    good = [one for one in read if isinstance(one, SignedEvent)]
    assert len(good) == len(read)
    assert not isinstance(fold_strictly(message.chat_id, good), Refused)


def test_14_a_commit_has_the_same_clock_on_nodes_that_merged_in_different_order(tmp_path: Path) -> None:
    """Three forks, pulled in each order; every ancestor has a smaller clock."""
    base = StatusRoom.opened(tmp_path, BOB, CAROL)
    forks = [base.copy(tmp_path / f"{name}.git") for name in "abc"]
    for number, (room, who) in enumerate(zip(forks, (ALICE, BOB, CAROL), strict=True)):
        room.now = base.now + 7 * (3 - number)  # the clocks of their writers disagree
        for text in "xy":
            room.write(who, Post(f"{who.name} {text}"))
    seen = []
    for order in permutations(range(3)):
        merged = base.copy(tmp_path / f"{order}.git")
        for number in order:
            pull(merged.log, forks[number].log)
        merged.now = base.now + 30
        for extra in ("one", "two"):
            must(merged.log.append(Post(extra), writer(ALICE), now=merged.now))
        seen.append((merged.log, clocks(merged.log)))
    first, known = seen[0]
    assert any(first.history.is_merge(number) for number in range(len(first.history)))
    for log, found in seen:
        assert found == known
        for number, commit in enumerate(log.history.ids):
            assert all(found[log.history.id(parent)] < found[commit] for parent in log.history.parents(number))
    assert len({tuple(log.history.ids) for log, _ in seen}) > 1, "the nodes took the commits in different orders"


def test_15_the_chat_before_exports_nothing_more_once_an_admin_was_banned(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB, CAROL)
    room.write(ALICE, Promote(BOB.id))
    old = room.write(CAROL, Post("old"))
    before = room.follow().chats[0]
    for voter in (ALICE, BOB):
        room.write(voter, CastVote("promote", CAROL.id))
    room.write(BOB, Promote(CAROL.id))
    for voter in (ALICE, CAROL):
        room.write(voter, CastVote("ban", BOB.id))
    banned = room.write(CAROL, Ban(BOB.id))
    assert room.note(banned) is None
    assert room.reasons()[banned] == "ban-of-admin"
    assert room.due(ALICE).again_s is not None
    assert room.tend(CAROL) is not None
    assert room.due(ALICE).extra is None
    after = room.follow().chats[0]
    assert (before.generation, after.generation) == (0, 1)
    assert before.id != after.id
    assert after.id.endswith(key(CAROL))
    new = room.write(ALICE, Post("new"))
    exported = room.export()
    assert exported.report.chat == after
    assert room.reasons(exported)[old] == "frozen"
    assert wrappers(exported)[1:] == (room.one(new).envelope.raw,)
    assert set(room.group.members) == {key(ALICE), key(CAROL)} == set(room.group.admins)
    strictly(wrappers(exported)[0])


def test_16_new_types_leave_the_tree_alone_and_members_act_as_the_law_knows(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    text = room.write(BOB, Post("hi"))
    room.write(ALICE, React("\u2764", text))
    room.write(BOB, Edit("ho", text))
    room.title(ALICE, title="Lab")
    room.write(ALICE, Add(CAROL.id))
    room.write(CAROL, Join(CAROL.id))
    room.bind(CAROL)
    assert room.tend(ALICE) is not None
    room.write(ALICE, Promote(BOB.id))
    room.write(CAROL, Leave(CAROL.id))
    types = set()
    for commit in room.log.history.ids:
        parsed = room.log.commit(commit)
        assert isinstance(parsed, Commit)
        if isinstance(parsed.action, Other):
            types.add(parsed.action.type)
            assert parsed.parent is not None
            parent = room.log.commit(parsed.parent)
            assert parsed.tree == parent.tree, parsed.body["type"]
        elif parsed.body["type"] == "member":
            assert parsed.body["action"] in {"add", "join", "remove", "kick", "promote", "demote", "ban", "unban"}
    assert types == {"application/status-bridge", "application/status-event", "application/status-identity"}
    assert not any("status" in path or "foreign" in path for path in room.log.roster.files)


@pytest.mark.parametrize("later", ["rename", "removal"])
def test_17_a_rename_beside_a_removal_does_not_block_the_export(tmp_path: Path, later: str) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    room.write(ALICE, Promote(BOB.id))  # who is no admin changes no profile here
    other = room.copy(tmp_path / "bob.git")
    room.now, other.now = (room.now, room.now + 10) if later == "rename" else (room.now + 10, room.now)
    room.write(BOB, Demote(BOB.id))
    room.write(ALICE, Kick(BOB.id))
    renamed = other.title(BOB.on(2), title="Bob's")
    pull(room.log, other.log)
    exported = room.export()
    strictly(wrappers(exported)[0])
    dropped = [(one.commit, one.reason) for one in exported.report.dropped]
    assert dropped == ([(renamed, "not-a-member")] if later == "rename" else [])
    assert room.group.name == ("" if later == "rename" else "Bob's")
    text = room.write(ALICE, Post("and on it goes"))
    assert room.one(text)
    strictly(wrappers(room.export())[1])


def test_18_a_second_binding_or_one_with_a_wrong_proof_changes_nothing(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB)
    other = Secret(b"\7" * 32)
    before = room.fold().group
    room.bind(BOB, other)
    conversation = room.log.conversation
    for body in (
        bindings.body(conversation, CAROL.id, secret(BOB)),  # of another account
        {**bindings.body(conversation, BOB.id, other), "body": key(CAROL)},
        {"uri": BOB.id, "body": key(BOB), "status": {"proof": "AAAA"}},
    ):
        wrong = room.write(BOB, Other(bindings.BINDING), extra=body)
        assert room.follow().fault(room.log.history.number(wrong)) == "bad-proof"
    assert room.follow().key_of(BOB.id) == secret(BOB).public
    assert room.fold().group == before
    assert room.due(ALICE).extra is None
    assert room.one(room.write(BOB, Post("still me"))).author == secret(BOB).public


def test_18_a_key_that_another_has_bound_before_is_nobody_elses(tmp_path: Path) -> None:
    room = StatusRoom.opened(tmp_path, BOB, DAVE)
    room.write(ALICE, Add(CAROL.id))
    room.write(CAROL, Join(CAROL.id))
    mine = room.bind(CAROL, secret(DAVE))
    first = room.follow().bindings.of(DAVE.id) or room.follow().bindings.of(CAROL.id)
    assert first is not None
    assert room.follow().account_of(secret(DAVE).public) == first.account
    assert (first.account == CAROL.id) == (first.commit == mine)
