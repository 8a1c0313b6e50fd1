"""What is kept of chats beside the logs: bounded, over restarts, and nothing where there is nothing. (SCP-09 §3.12)"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.gateways.status.aside import Asked, Ignored, State
from swarmchat.gateways.status.store import Store
from swarmchat.ids import ConversationId

HERE, THERE = ConversationId("a" * 40), ConversationId("b" * 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = Store(path)
    yield made
    made.close()


def asked(number: int, state: State = State.WAITING) -> Asked:
    return Asked(b"\x04" + number.to_bytes(64), "Cathy", "hi", 2**53 + number, number, state, number)


def event(number: int, reason: str = "not-a-member", at: int | None = None) -> Ignored:
    author = b"\x04" + bytes(64)
    return Ignored(f"0x{number:064x}", "NAME_CHANGED", author, reason, number, number if at is None else at)


def adding(*found: Asked) -> Callable[[list[Asked]], Iterable[Asked]]:
    return lambda known: found


def test_nothing_is_made_where_nothing_is_kept(store: Store, path: Path) -> None:
    assert (store.requests(HERE), store.ignored(HERE)) == ([], [])
    store.revise(HERE, adding())
    store.note_ignored(HERE, [], {"0x00"})
    store.keep_only([])
    assert not path.exists()


def test_what_is_kept_is_there_after_a_restart(store: Store, path: Path) -> None:
    store.revise(HERE, adding(asked(2, State.DECLINED), asked(1)))
    store.note_ignored(HERE, [event(2), event(1)])
    store.close()
    again = Store(path)
    assert again.requests(HERE) == [asked(1), asked(2, State.DECLINED)]
    assert again.ignored(HERE) == [event(1), event(2)]
    assert (again.requests(THERE), again.ignored(THERE)) == ([], [])
    again.close()


def test_a_change_is_made_of_what_is_there(store: Store) -> None:
    store.revise(HERE, adding(asked(1), asked(2)))
    store.revise(THERE, adding(asked(1)))
    seen: list[Asked] = []

    def change(known: list[Asked]) -> list[Asked]:
        seen.extend(known)
        return [asked(1, State.SETTLED)]

    store.revise(HERE, change)
    assert seen == [asked(1), asked(2)]
    assert store.requests(HERE) == [asked(1, State.SETTLED), asked(2)]
    assert store.requests(THERE) == [asked(1)]


def test_of_the_requests_of_a_conversation_who_came_last_finds_no_room(store: Store) -> None:
    most = limits.STATUS_REQUESTS_PER_CONVERSATION_MAX
    store.revise(THERE, adding(asked(0)))
    store.revise(HERE, adding(*map(asked, range(most))))
    assert len(store.requests(HERE)) == most
    store.revise(HERE, adding(asked(most)))
    assert store.requests(HERE) == [asked(number) for number in range(most)]
    assert store.requests(THERE) == [asked(0)]


def test_who_was_answered_gives_way_to_who_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_REQUESTS_PER_CONVERSATION_MAX", 4)
    answered = [asked(1, State.DECLINED), asked(2, State.SETTLED), asked(3, State.SETTLED)]
    store.revise(HERE, adding(*answered, asked(4)))
    for new, stays in ((5, [1, 3, 4, 5]), (6, [1, 4, 5, 6]), (7, [4, 5, 6, 7]), (8, [4, 5, 6, 7])):
        store.revise(HERE, adding(asked(new)))
        assert [one.clock - 2**53 for one in store.requests(HERE)] == stays


def test_of_all_requests_who_came_last_finds_no_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_REQUESTS_MAX", 3)
    store.revise(HERE, adding(asked(1), asked(2)))
    store.revise(THERE, adding(asked(3)))
    assert store.requests(HERE) == [asked(1), asked(2)]
    store.revise(THERE, adding(asked(4)))
    assert (store.requests(HERE), store.requests(THERE)) == ([asked(1), asked(2)], [asked(3)])


def test_of_the_ignored_events_the_oldest_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_IGNORED_PER_CONVERSATION_MAX", 3)
    monkeypatch.setattr(limits, "STATUS_IGNORED_MAX", 4)
    store.note_ignored(HERE, map(event, range(1, 4)))
    assert len(store.ignored(HERE)) == 3
    store.note_ignored(HERE, [event(4)])
    assert store.ignored(HERE) == [event(2), event(3), event(4)]
    store.note_ignored(THERE, [event(5)])
    assert len(store.ignored(HERE)) == 3
    store.note_ignored(THERE, [event(6)])
    assert (store.ignored(HERE), store.ignored(THERE)) == ([event(3), event(4)], [event(5), event(6)])
    store.note_ignored(THERE, map(event, range(100)))
    assert [one.clock for one in store.ignored(THERE)] == [97, 98, 99], "of one file the last"


def test_an_event_that_counts_after_all_is_ignored_no_more_and_one_heard_again_keeps_its_time(store: Store) -> None:
    store.note_ignored(HERE, [event(1), event(2)])
    store.note_ignored(THERE, [event(1)])
    store.note_ignored(HERE, [event(2, "not-created", at=99)], {event(1).id})
    assert store.ignored(HERE) == [event(2, "not-created", at=2)]
    assert store.ignored(THERE) == [event(1)]


def test_of_conversations_that_are_gone_nothing_stays(store: Store) -> None:
    for where in (HERE, THERE):
        store.revise(where, adding(asked(1)))
        store.note_ignored(where, [event(1)])
    store.keep_only([THERE])
    assert (store.requests(HERE), store.ignored(HERE)) == ([], [])
    assert (store.requests(THERE), store.ignored(THERE)) == ([asked(1)], [event(1)])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE requests SET state = 'king'",
        "UPDATE requests SET key = x'04'",
        "UPDATE requests SET key = 'me'",
        "UPDATE ignored SET author = 'me'",
    ],
)
def test_a_row_that_nobody_wrote_has_the_file_begun_anew_and_that_is_said_once(
    store: Store, path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.revise(HERE, adding(asked(1)))
    store.note_ignored(HERE, [event(1)])
    store.close()
    with sqlite3.connect(path) as file:
        file.execute(change)
    file.close()
    again = Store(path)
    assert not (again.requests(HERE) and again.ignored(HERE))
    assert (again.requests(HERE), again.ignored(HERE)) == ([], [])
    assert [record.getMessage().count("begun anew") for record in caplog.records] == [1]
    again.revise(HERE, adding(asked(1)))
    assert again.requests(HERE) == [asked(1)]
    again.close()
