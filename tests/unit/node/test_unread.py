"""What is unread: messages of others after the mark, and nothing else. (SCP-04 §6.1)"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from swarmchat.conversation.actions import Relation
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.history import History
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.limits import UNREAD_MAX, UNREAD_PASSED_ON_MAX
from swarmchat.node.deeds import OF_GATEWAYS
from swarmchat.node.unread import unread

ANN, BEN = AccountId("a" * 40), AccountId("b" * 40)
DEVICES = {ANN: DeviceId("a" * 64), BEN: DeviceId("b" * 64)}
CONTROL = Control(None, None, frozenset(), frozenset(), frozenset(), frozenset())  # type: ignore[arg-type]


def commit(number: int) -> CommitId:
    return CommitId(f"{number:040x}")


def history(*rows: tuple[AccountId, str] | tuple[AccountId, str, tuple[Relation, CommitId]]) -> History:
    """A history in which one commit follows the other, numbered from 0."""
    made = History()
    for number, (account, kind, *relation) in enumerate(rows):
        parents = (commit(number - 1),) if number else ()
        control = CONTROL if kind in {"member", "vote"} else None
        made.add(Fact(commit(number), parents, account, DEVICES[account], 1, kind, *relation or [None], control))  # type: ignore[arg-type]
    return made


TEXT = "text/plain"


def test_messages_of_others_after_the_mark_count() -> None:
    """C-34"""
    talk = history((BEN, TEXT), (BEN, TEXT), (ANN, TEXT), (BEN, TEXT), (BEN, "application/data-transfer+json"))
    assert [unread(talk, ANN, commit(number), ()) for number in range(5)] == [3, 2, 2, 1, 0]


def test_edits_reactions_deeds_and_what_is_hidden_do_not_and_replies_do() -> None:
    root = commit(0)
    talk = history(
        (ANN, TEXT),
        (BEN, TEXT, ("reply", root)),
        (BEN, TEXT, ("edit", root)),
        (BEN, TEXT, ("react", root)),
        (BEN, "member"),
        (BEN, "vote"),
        (BEN, TEXT),
        (ANN, TEXT, ("edit", root)),
    )
    assert unread(talk, ANN, root, ()) == 2
    assert unread(talk, ANN, root, {commit(6)}) == 1
    assert unread(talk, ANN, root, {commit(2), commit(6), commit(0), commit(99)}) == 1


@pytest.mark.parametrize("kind", OF_GATEWAYS)
def test_what_gateways_write_by_themselves_is_no_message(kind: str) -> None:
    talk = history((ANN, TEXT), (BEN, kind), (BEN, TEXT), (ANN, kind), (BEN, kind))
    assert [unread(talk, ANN, commit(number), ()) for number in range(5)] == [1, 1, 0, 0, 0]


def test_what_we_only_passed_on_counts_and_nothing_else_of_ours() -> None:
    root = commit(0)
    talk = history((ANN, TEXT), (ANN, TEXT), (BEN, TEXT), (ANN, TEXT, ("edit", root)), (ANN, "member"), (ANN, TEXT))
    asked: list[list[CommitId]] = []

    def passed_on(commits: Sequence[CommitId]) -> int:
        asked.append(list(commits))
        return len(commits)

    assert [unread(talk, ANN, mark, (), passed_on) for mark in (None, root, commit(1), commit(5))] == [3, 3, 2, 0]
    assert unread(talk, ANN, root, {commit(5), commit(2)}, passed_on) == 1
    assert asked == [[commit(1), commit(5)]] * 2 + [[commit(5)], [], [commit(1)]]


@pytest.mark.parametrize("more", [0, 1])
def test_of_our_own_commits_so_many_are_looked_at(more: int) -> None:
    talk, asked = history(*[(ANN, TEXT)] * (UNREAD_PASSED_ON_MAX + more)), []

    def passed_on(commits: Sequence[CommitId]) -> int:
        asked.append(len(commits))
        return len(commits)

    assert unread(talk, ANN, commit(0), (), passed_on) == asked[0] == UNREAD_PASSED_ON_MAX - 1 + more
    longer = history(*[(ANN, TEXT)] * (UNREAD_PASSED_ON_MAX + 2), *[(BEN, TEXT)] * (UNREAD_MAX - UNREAD_PASSED_ON_MAX))
    assert unread(longer, ANN, commit(0), (), passed_on) == UNREAD_MAX
    assert asked[1] == UNREAD_PASSED_ON_MAX


def test_a_first_message_of_a_new_device_is_a_message_though_it_changes_the_tree() -> None:
    made = History()
    made.add(Fact(commit(0), (), ANN, DEVICES[ANN], 1, TEXT))
    made.add(Fact(commit(1), (commit(0),), BEN, DEVICES[BEN], 1, TEXT, None, CONTROL))
    assert unread(made, ANN, commit(0), ()) == 1


def test_without_a_mark_what_was_there_before_we_came_is_not_unread() -> None:
    talk = history((BEN, TEXT), (BEN, TEXT), (ANN, "member"), (BEN, TEXT))
    assert unread(talk, ANN, None, ()) == 1
    assert unread(talk, ANN, CommitId("f" * 40), ()) == 1, "a mark whose commit a repair took away"
    assert unread(history((BEN, TEXT), (BEN, TEXT)), ANN, None, ()) == 2


@pytest.mark.parametrize("more", [0, 1])
def test_it_is_counted_so_far_and_no_further(more: int) -> None:
    talk = history((ANN, TEXT), *[(BEN, TEXT)] * (UNREAD_MAX + more))
    assert unread(talk, ANN, commit(0), ()) == UNREAD_MAX
    assert unread(talk, ANN, commit(1), ()) == UNREAD_MAX - 1 + more
