"""Whatever is typed and whatever was written: no text raises, and what contains the words is found. (SCP-08 §3.4)"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.errors import UsageError
from swarmchat.index.query import Query, parse
from swarmchat.index.search import Line, Scope, SearchIndex, Taken
from tests.support.accounts import account, commit, conversation

ROOM = conversation(1)
ANN = account(1)
SIGNS = st.text(alphabet="ab\"*-^(){}:+\\%_' \n\0Äßéİσςŉǰΐỗﬃ각か\u0301\u0308\u00ad\ufe0f\u200d\ud800", max_size=30)
TEXTS = st.one_of(SIGNS, st.text(max_size=60))


def parsed(text: str, *, case: bool = False) -> Query | None:
    try:
        return parse(text, case=case)
    except UsageError:
        return None


@given(TEXTS, TEXTS, st.booleans())
def test_no_question_and_no_text_raises_and_what_is_marked_is_the_text(asked: str, text: str, case: bool) -> None:
    query = parsed(asked, case=case)
    if query is None:
        return
    pieces = query.marked(text)
    assert all(part for part, _ in pieces)
    if query.fits(text):
        assert any(match for _, match in pieces)


@given(TEXTS, st.data(), st.booleans())
def test_a_part_of_a_text_is_found_in_it(text: str, data: st.DataObject, case: bool) -> None:
    shown = text.replace('"', "'")
    words = shown.split()
    if not words:
        return
    chosen = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=4))
    query = parsed(" ".join(chosen), case=case)
    assert query is None or query.fits(shown)


@settings(max_examples=60)
@given(st.lists(TEXTS, min_size=1, max_size=8), TEXTS, st.booleans())
def test_the_index_finds_exactly_what_fits(texts: list[str], asked: str, case: bool) -> None:
    questions = [asked, *texts, *(text[1:4] for text in texts)]
    with tempfile.TemporaryDirectory() as folder:
        index = SearchIndex(Path(folder) / "search.sqlite")
        lines = [Line(number, ANN, 100 - number, text) for number, text in enumerate(texts)]
        index.take(ROOM, None, lines, Taken(len(texts), commit(1)))
        for question in questions:
            query = parsed(question, case=case)
            if query is not None:
                hits = [hit.number for hit in index.find(query, Scope([ROOM]), 100)]
                assert hits == [number for number, text in enumerate(texts) if query.fits(text)], question
        index.close()
