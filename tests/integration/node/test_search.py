"""What was said is found: offline, as the conversation grows, after a crash, with a damaged index. (SCP-08 §3.4)"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.errors import NotFoundError, UsageError
from swarmchat.index.search import SearchIndex
from swarmchat.node.offline import Offline, open_commands
from tests.support import accounts
from tests.support.jami import ALICE, BOB, CAROL, PHONE, group


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return accounts.home(tmp_path / "home")


@pytest.fixture
def node(home: Home) -> Iterator[Offline]:
    with open_commands(home) as opened:
        yield opened


def room(node: Offline, title: str = "Harbour") -> str:
    return str(node.call("conversation.create", {"title": title})["id"])


def say(node: Offline, where: str, text: str) -> str:
    return str(node.call("message.send", {"conversation": where, "text": text})["id"])


def hits(node: Offline, text: str, **more: Any) -> list[dict[str, Any]]:
    return list(node.call("search", {"text": text, **more})["hits"])


def ids(node: Offline, text: str, **more: Any) -> list[str]:
    return [hit["message"]["id"] for hit in hits(node, text, **more)]


def test_texts_are_searched_by_words_phrases_author_and_time(node: Offline) -> None:
    """C-39"""
    where = room(node)
    first = say(node, where, "The boats come in at four with the tide")
    second = say(node, where, "no Möwe in sight")
    assert ids(node, "BOAT tide") == [first]
    assert ids(node, '"in at four"') == [first]
    assert ids(node, "mowe") == [second]
    assert set(ids(node, "in")) == {first, second}
    assert ids(node, "submarine") == []
    assert ids(node, "boats", conversation="Harbour", from_=node.call("account.show", {})["id"][:8]) == [first]
    assert ids(node, "boats", until="2001-01-01T00:00:00Z") == []
    assert ids(node, "boats", since="2001-01-01") == [first]
    (hit,) = hits(node, "boats")
    assert hit["conversation"] == where
    assert hit["message"] == node.call("message.show", {"conversation": where, "message": first})
    assert [part["text"] for part in hit["snippet"] if part["match"]] == ["boats"]


def test_the_newest_version_is_found_and_what_is_deleted_is_gone(node: Offline) -> None:
    where = room(node)
    message = say(node, where, "helo")
    assert ids(node, "helo") == [message]
    edit = node.call("message.edit", {"conversation": where, "message": message, "text": "hello"})["id"]
    assert (ids(node, "helo"), ids(node, "hello")) == ([], [message])
    node.call("message.react", {"conversation": where, "message": message, "reaction": "hello"})
    assert ids(node, "hello") == [message]
    node.call("message.delete", {"conversation": where, "message": edit})
    assert ids(node, "hello") == []


def test_pages_and_context(node: Offline) -> None:
    where, other = room(node), room(node, "Quay")
    said = [say(node, where, f"boat {number}") for number in range(5)]
    apart = say(node, other, "a boat elsewhere")
    everything = ids(node, "boat")
    assert set(everything) == {*said, apart}
    page = node.call("search", {"text": "boat", "limit": 2})
    assert page["more"]
    assert [hit["message"]["id"] for hit in page["hits"]] == everything[:2]
    rest = node.call("search", {"text": "boat", "limit": 4, "before": everything[1]})
    assert [hit["message"]["id"] for hit in rest["hits"]] == everything[2:]
    assert not rest["more"]
    (hit,) = hits(node, '"boat 2"', context=2)
    assert [one["id"] for one in hit["before"]] == said[:2]
    assert [one["id"] for one in hit["after"]] == said[3:]
    (hit,) = hits(node, '"boat 4"', context=1)
    assert ([one["id"] for one in hit["before"]], hit["after"]) == ([said[3]], [])
    with pytest.raises(NotFoundError):
        node.call("search", {"text": "boat", "before": "f" * 40})


@pytest.mark.parametrize("text", ["", "  ", '""', "\u0301"])
def test_nothing_is_no_question(node: Offline, text: str) -> None:
    with pytest.raises(UsageError):
        node.call("search", {"text": text})


def test_what_is_no_time_is_said_so(node: Offline) -> None:
    with pytest.raises(UsageError):
        node.call("search", {"text": "boat", "since": "yesterday"})
    for far in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        assert hits(node, "boat", since=far) == []


def test_nobody_of_that_name_is_an_error_and_not_an_empty_list(node: Offline) -> None:
    room(node)
    with pytest.raises(NotFoundError):
        node.call("search", {"text": "boat", "from_": "Nemo"})


def test_what_a_process_that_died_had_not_taken_in_is_found_by_the_next(home: Home) -> None:
    with open_commands(home) as node:
        where = room(node)
        first = say(node, where, "boat one")
        assert ids(node, "boat") == [first]
        second = say(node, where, "boat two")
        node.call("message.edit", {"conversation": where, "message": first, "text": "ship one"})
    with open_commands(home) as node:
        assert ids(node, "boat") == [second]
        assert ids(node, "ship") == [first]


def test_a_damaged_index_is_made_anew(home: Home) -> None:
    with open_commands(home) as node:
        where = room(node)
        said = say(node, where, "boat")
        assert ids(node, "boat") == [said]
    (home.data / "search.sqlite").write_bytes(b"nothing of the kind" * 1_000)
    with open_commands(home) as node:
        assert ids(node, "boat") == [said]
        found = [one for one in node.call("doctor", {}) if one["check"] == "index"]
        assert {(Path(one["about"]).name, one["state"]) for one in found} >= {
            ("search.sqlite", "ok"),
            ("search", "ok"),
            ("search.sqlite.damaged-1", "warning"),
        }


def test_damage_that_a_search_meets_is_made_up_for_before_it_answers(home: Home) -> None:
    with open_commands(home) as node:
        where = room(node)
        said = [say(node, where, f"boat {number} and more words") for number in range(300)]
        assert len(ids(node, "boat", limit=200)) == 200
        assert node._node is not None
        node._node.indexing.index.close()
        path = home.data / "search.sqlite"
        raw = path.read_bytes()
        path.write_bytes(raw[:8_192] + b"\xa5" * (len(raw) - 8_192))
        assert set(ids(node, "boat", limit=200)) <= set(said)
        assert len(ids(node, "boat", limit=200)) == 200
        assert path.with_name("search.sqlite.damaged-1").exists()


def test_the_index_is_rebuilt_when_somebody_asks(home: Home) -> None:
    with open_commands(home) as node:
        where, other = room(node), room(node, "Quay")
        said = [say(node, where, "boat"), say(node, other, "boat")]
        assert node.call("index.rebuild", {}) == {"conversations": 2, "messages": 2}
        index = SearchIndex(home.data / "search.sqlite")
        taken = index.taken(where)  # type: ignore[arg-type]
        assert taken is not None
        assert index.take(where, taken, [], taken._replace(commits=1))  # type: ignore[arg-type]
        index.close()
        assert node.call("index.rebuild", {"conversation": "Quay"}) == {"conversations": 1, "messages": 2}
        assert set(ids(node, "boat")) == set(said)


def test_an_index_of_another_history_is_noticed(home: Home) -> None:
    with open_commands(home) as node:
        where = room(node)
        said = say(node, where, "boat")
        assert ids(node, "boat") == [said]
        index = SearchIndex(home.data / "search.sqlite")
        taken = index.taken(where)  # type: ignore[arg-type]
        assert taken is not None
        assert index.take(where, taken, [], taken._replace(tip=accounts.commit(9), commits=2))  # type: ignore[arg-type]
        index.close()
        assert ids(node, "boat") == [said]


def test_what_is_purged_or_left_is_in_the_index_no_more(home: Home) -> None:
    index = SearchIndex(home.data / "search.sqlite")
    with open_commands(home) as node:
        where, other = room(node), room(node, "Quay")
        say(node, where, "boat")
        say(node, other, "boat")
        assert len(ids(node, "boat")) == 2
        node.call("conversation.purge", {"conversation": where})
        assert index.count() == 1
        node.call("conversation.leave", {"conversation": other})
        assert ids(node, "boat") == []
        assert index.count() == 0
    index.close()


def test_an_archive_is_searched_too_and_what_is_hidden_only_when_asked(node: Offline, tmp_path: Path) -> None:
    story = group()
    fork = story.main
    beside = story.text(BOB, "nobody had seen this boat", at=fork)
    story.vote(PHONE, "ban", "members", BOB.uri, at=fork)
    ban = story.resolve(ALICE, "ban", "members", BOB.uri)
    story.merge(CAROL, ban, beside, base=fork)
    story.text(CAROL, "a boat afterwards")
    archive = node.call("conversation.import", {"path": str(story.save(tmp_path / "boats", bare=False))})["id"]
    (hit,) = hits(node, "boat")
    assert (hit["conversation"], hit["message"]["author"]) == (archive, CAROL.uri)
    both = hits(node, "boat", hidden=True)
    assert {one["message"]["hidden"] for one in both} == {True, False}
    assert node.call("search", {"text": "boat", "limit": 1})["more"] is False
    node.call("conversation.purge", {"conversation": archive})
    assert hits(node, "boat") == []


def test_an_archive_that_is_damaged_costs_itself_and_no_other_search(home: Home, tmp_path: Path) -> None:
    story = group()
    story.text(CAROL, "an old boat")
    with open_commands(home) as node:
        archive = node.call("conversation.import", {"path": str(story.save(tmp_path / "boats", bare=False))})["id"]
        here = say(node, room(node), "a boat")
        assert len(ids(node, "boat")) == 2
    folder = home.archives / f"{archive}.git"
    shutil.rmtree(folder)
    folder.mkdir()
    with open_commands(home) as node:
        there = say(node, room(node, "Quay"), "a ship")
        assert (ids(node, "boat"), ids(node, "ship")) == ([here], [there])
        assert ids(node, "boat", before=here) == []
