"""The newest common ancestors of two commits, as the definition says. (SCP-02 §9.16)"""

from __future__ import annotations

import random

import pytest

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.jami.bases import TooFarError, merge_bases
from swarmchat.ids import CommitId


def told(shape: dict[str, str]) -> History:
    """A history from `{"child": "its parents"}`, one letter each, parents before children."""
    history = History()
    for name, parents in shape.items():
        history.add(Fact(CommitId(name), tuple(CommitId(one) for one in parents), None, None, 0, "x"))
    return history


def by_definition(history: History, one: CommitId, other: CommitId) -> tuple[CommitId, ...]:
    both = [
        entry
        for entry in history.entries
        if history.reaches(history[one], entry) and history.reaches(history[other], entry)
    ]
    newest = [a for a in both if not any(b is not a and history.reaches(b, a) for b in both)]
    return tuple(sorted(entry.id for entry in newest))


def bases(history: History, one: str, other: str) -> str:
    return "".join(merge_bases(history, CommitId(one), CommitId(other), steps_max=99)[0])


def test_a_fork_a_line_and_a_criss_cross() -> None:
    history = told({"a": "", "b": "a", "c": "a", "d": "bc", "e": "cb", "f": "d", "z": ""})
    assert bases(history, "b", "c") == "a"
    assert bases(history, "a", "f") == "a"
    assert bases(history, "f", "f") == "f"
    assert bases(history, "f", "e") == "bc"
    assert bases(history, "f", "z") == ""


def test_any_history_as_the_definition_says() -> None:
    for seed in range(60):
        dice = random.Random(seed)
        names = [chr(0x100 + number) for number in range(18)]
        shape = {names[0]: ""}
        for number, name in enumerate(names[1:], 1):
            shape[name] = "".join(sorted(set(dice.choices(names[:number], k=dice.choice((1, 1, 2))))))
        history = told(shape)
        for _ in range(20):
            one, other = CommitId(dice.choice(names)), CommitId(dice.choice(names))
            found, _ = merge_bases(history, one, other, steps_max=99)
            assert found == by_definition(history, one, other), (seed, one, other)


def test_the_walk_ends_where_the_two_differ_no_longer_and_at_its_bound() -> None:
    line = {chr(0x100 + number): chr(0xFF + number) if number else "" for number in range(50)}
    tip = chr(0x100 + 49)
    history = told({**line, "x": tip, "y": tip})
    one, other = CommitId("x"), CommitId("y")
    assert merge_bases(history, one, other, steps_max=3) == ((tip,), 3)
    with pytest.raises(TooFarError):
        merge_bases(history, one, other, steps_max=2)
