"""`search` as people read it."""

from __future__ import annotations

from tests.support.fake_commands import BOB, LAPTOP, ROOM, SECOND, THIRD, FakeCommands, message
from tests.support.fake_door import swarmchat


def hit(commit: str, *pieces: tuple[str, bool], conversation: str = ROOM, **other: object) -> dict[str, object]:
    return {
        "conversation": conversation,
        "message": message(commit),
        "snippet": [{"text": text, "match": match} for text, match in pieces],
        "before": [],
        "after": [],
        **other,
    }


def said(*hits: dict[str, object], more: bool = False) -> FakeCommands:
    node = FakeCommands()
    node.answers["search"] = {"hits": list(hits), "more": more}
    return node


def test_what_was_looked_for_stands_out() -> None:
    node = said(hit(SECOND, ("the ", False), ("boat", True), ("s", False)))
    outcome = swarmchat("--color", "always", "search", "boat", node=node)
    assert "the \x1b[1;33mboat\x1b[0ms" in outcome.out
    assert swarmchat("search", "boat", node=node).out.split("  ")[-2:] == ["Alice", "the boats\n"]


def test_the_text_of_a_stranger_cannot_reach_the_terminal() -> None:
    node = said(hit(SECOND, ("\x1b[2J", False), ("\u202eboat", True)))
    out = swarmchat("search", "boat", node=node).out
    assert "\\x1b[2J\\u202eboat" in out


def test_conversations_have_headings_when_there_are_several() -> None:
    one = hit(SECOND, ("boat", True))
    other = hit(THIRD, ("boat", True), conversation="e" * 40)
    assert "──" not in swarmchat("search", "boat", node=said(one)).out
    out = swarmchat("search", "boat", node=said(one, other)).out
    assert "── Boats\n" in out
    assert f"── {'e' * 8}\n" in out


def test_lines_around_a_hit_are_lines_of_the_log() -> None:
    after = [message(THIRD, author=BOB, device=LAPTOP, body="hi")]
    outcome = swarmchat("search", "boat", "-C", "1", node=said(hit(SECOND, ("boat", True), after=after)))
    assert outcome.out.splitlines()[-1].endswith("Bob  hi")


def test_nothing_found_and_more_to_find_are_said_beside_the_data() -> None:
    nothing = swarmchat("search", "boat", node=said())
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "nothing found\n")
    assert (
        f"--before {SECOND[:8]}" in swarmchat("search", "boat", node=said(hit(SECOND, ("boat", True)), more=True)).err
    )


def test_without_words_it_is_wrong_usage() -> None:
    assert swarmchat("search").status == 2
