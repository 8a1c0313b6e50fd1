"""The row about finding what was said: the worst questions, what the index weighs, what keeping it costs. (SCP-08 §3.4)"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path

from swarmchat.ids import AccountId, CommitId, ConversationId, account_id, commit_id, conversation_id
from swarmchat.index.query import parse
from swarmchat.index.search import Line, Scope, SearchIndex, Taken
from swarmchat.node.offline import open_commands
from tests.support.bench.lab import Lab
from tests.support.bench.measure import Figure, at_most, p50, timed_ms

_SOURCE = "issue 6"
_GOAL = at_most(50, _SOURCE)
_ROOMS = 10
_WORDS = 20_000
_BATCH = 1_024
_TIMES = 7
_PAGE = 21
_SYLLABLES = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]


def search(lab: Lab) -> Iterator[Figure]:
    """Questions of every kind to an index of as many messages as a busy group writes in years; and through the verbs of a node."""
    yield from _index(lab.folder / "search.sqlite", lab.sizes.searched)
    yield from _node(lab, lab.sizes.messages)


def _index(path: Path, count: int) -> Iterator[Figure]:
    dice = random.Random(6)
    words = ["".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(_WORDS)]
    weights = list(accumulate(1 / (place + 3) for place in range(_WORDS)))  # as words are in any language
    texts = [
        " ".join(dice.choices(words, cum_weights=weights, k=dice.randint(3, 20))).capitalize() for _ in range(count)
    ]
    rooms = [conversation_id(f"{number:040x}") for number in range(_ROOMS)]
    people = [account_id(f"{number:040x}") for number in range(50)]
    index = SearchIndex(path)
    began = time.process_time()
    for at, room in enumerate(rooms):
        _fill(index, room, texts[at::_ROOMS], people)
    took_s = time.process_time() - began
    mute, last = account_id("f" * 40), index.taken(rooms[0])
    assert last is not None
    assert index.take(
        rooms[0], last, [Line(last.commits, mute, 1_700_000_000, "hm")], last._replace(commits=last.commits + 1)
    )
    yield Figure(
        f"search: taken in, {count:,} messages", took_s / count * 1e6, "µs/message", None, "CPU, without reading them"
    )
    common, second, rare = (max(words[low:high], key=len) for low, high in ((0, 20), (20, 40), (15_000, 15_200)))
    pair = " ".join(texts[count // 2].split()[:2])
    questions = {
        "a common word": (common, Scope(rooms)),
        "two common words": (f"{common} {second}", Scope(rooms)),
        "a rare word": (rare, Scope(rooms)),
        "a phrase": (f'"{pair}"', Scope(rooms)),
        "two letters": ("ba", Scope(rooms)),
        "two letters that stand nowhere": ("zq", Scope(rooms)),
        "a word that stands nowhere": ("submarine", Scope(rooms)),
        "common syllables that stand nowhere together": ("bababababa", Scope(rooms)),
        "a common word by who wrote nothing with it": (common, Scope(rooms, account=mute)),
        "a common word in the smallest conversation": (common, Scope(rooms[-1:])),
    }
    for what, (text, scope) in questions.items():
        yield Figure(f"search: {what}, p50", _asked(index, text, scope), "ms", _GOAL)
    yield Figure(
        "search: with --case, nothing fits, p50", _asked(index, common.upper(), Scope(rooms), case=True), "ms", _GOAL
    )
    index.close()
    yield Figure(
        "search: on disk",
        path.stat().st_size / count,
        "bytes/message",
        None,
        f"{sum(map(len, texts)) / count:.3g} of text",
    )


def _fill(index: SearchIndex, room: ConversationId, texts: list[str], people: list[AccountId]) -> None:
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        lines = [
            Line(number, people[number % len(people)], 1_700_000_000 + 300 * number, text)
            for number, text in enumerate(part, start)
        ]
        assert index.take(room, index.taken(room), lines, Taken(start + len(part), _commit(start)))


def _commit(number: int) -> CommitId:
    return commit_id(f"{number:040x}")


def _asked(index: SearchIndex, text: str, scope: Scope, *, case: bool = False) -> float:
    return p50([timed_ms(lambda: index.find(parse(text, case=case), scope, _PAGE)) for _ in range(_TIMES)])


def _node(lab: Lab, count: int) -> Iterator[Figure]:
    with open_commands(lab.copy(count).home) as node:
        node.call("conversation.list", {})
        first_ms = timed_ms(lambda: node.call("search", {"text": "boats"}))
        yield Figure(f"search: the first on {count:,}, index made", count / first_ms * 1e3, "messages/s")
        for what, text in (
            ("every message fits", "boats tide"),
            ("one fits", f'"{count // 2}:"'),
            ("none fits", "submarine"),
        ):
            took = p50([timed_ms(partial(node.call, "search", {"text": text})) for _ in range(_TIMES)])
            yield Figure(f"search: {what}, {count:,} by a node, p50", took, "ms", _GOAL)
