from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest

from swarmchat.cli.graphs import Node, as_text, commits, layout, to_dot, to_svg, to_text
from swarmchat.cli.terminal import plain


def node(name: str, *parents: str, author: str = "Ann", kind: str = "text/plain") -> Node:
    return Node(name * 8, tuple(parent * 8 for parent in parents), kind, author)


def test_a_line_is_a_line() -> None:
    assert to_text([node("b", "a"), node("a", kind="initial")]).splitlines() == [
        "●  bbbbbbbb  text/plain  Ann",
        "●  aaaaaaaa  initial     Ann",
    ]


def test_a_merge_forks_below_and_its_branches_join_above_their_parent() -> None:
    told = to_text([node("d", "b", "c", author=""), node("c", "a"), node("b", "a"), node("a")]).splitlines()
    assert [line[:3] for line in told] == ["○  ", "├─╮", "│ ●", "● │", "├─╯", "●  "]
    assert told[0].endswith("merge")


def test_three_branches_and_two_roots() -> None:
    nodes = [node("e", "b", "c", "d", author=""), node("d", "a"), node("c", "a"), node("b", "a"), node("a"), node("x")]
    told = [line[:5].rstrip() for line in to_text(nodes).splitlines()]
    assert told == ["○", "├─┬─╮", "│ │ ●", "│ ● │", "● │ │", "├─┴─╯", "●", "●"]


def test_parents_that_are_not_drawn_are_no_lines() -> None:
    assert to_text([node("b", "a")]) == "●  bbbbbbbb  text/plain  Ann"
    assert to_dot([node("b", "a")]).count("->") == 0


def test_nothing_is_an_empty_drawing() -> None:
    assert to_text([]) == ""
    assert to_dot([]).startswith("digraph")
    ElementTree.fromstring(to_svg([], title="Nothing"))


def random_history(seed: int, size: int = 60) -> list[Node]:
    dice = random.Random(seed)
    names = [f"{number:040x}" for number in range(size)]
    nodes = []
    for number, name in enumerate(names):
        count = min(number, dice.choice([1, 1, 1, 2, 3, 5]))
        parents = sorted(dice.sample(names[max(0, number - 8) : number], min(count, number, 8)))
        nodes.append(Node(name, tuple(parents), "text/plain", "" if len(parents) > 1 else "Ann"))
    return nodes[::-1]


@pytest.mark.parametrize("seed", range(20))
def test_every_parent_is_reached_from_its_child_in_any_history(seed: int) -> None:
    rows = layout(random_history(seed))
    for number, row in enumerate(rows):
        assert {parent for parent, _ in row.parent_lanes} == set(row.node.parents)
        for parent, lane in row.parent_lanes:
            below = next(later for later in rows[number + 1 :] if later.node.id == parent)
            assert lane == below.lane or lane in below.joins
            between = rows[number + 1 : rows.index(below)]
            assert all(other.lane != lane for other in between), "another commit stands in the way of the line"
    assert sorted(row.node.id for row in rows) == sorted(node.id for node in random_history(seed))


@pytest.mark.parametrize("seed", range(20))
def test_every_history_becomes_a_well_formed_picture_and_text(seed: int) -> None:
    nodes = random_history(seed)
    picture = ElementTree.fromstring(to_svg(nodes, title="Seed"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{space}circle")) == len(nodes)
    assert len(picture.findall(f"{space}path")) == sum(len(node.parents) for node in nodes)
    text = to_text(nodes).splitlines()
    assert sum("●" in line or "○" in line for line in text) == len(nodes)


def test_names_of_strangers_break_out_of_no_format() -> None:
    evil = '"];<script>&\x1b[2J\\'
    graph = {"commits": [{"id": "a" * 40, "parents": [], "type": evil, "author": "b" * 40}]}
    nodes = commits(graph, lambda _account: plain(evil))
    picture = ElementTree.fromstring(to_svg(nodes, title=evil.replace("\x1b", "")))
    assert "<script>" not in to_svg(nodes, title="x")
    assert picture is not None
    assert "\x1b" not in to_text(nodes) + to_dot(nodes)
    label = to_dot(nodes).split('label="', 1)[1]
    assert '\\"];<script>' in label


def test_the_same_drawing_from_the_api_and_a_table_of_names() -> None:
    graph = {"commits": [{"id": "a" * 40, "parents": [], "type": "initial", "author": "b" * 40}]}
    assert as_text(graph, {"b" * 40: "Ben"}) == "●  aaaaaaaa  initial  Ben"
    assert as_text(graph, {}) == "●  aaaaaaaa  initial  bbbbbbbb"
