"""The index follows the logs: edits that are hidden and shown again, histories of any length, disks that refuse. (SCP-08 §3.4)"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat.commitlog.writing import Pending
from swarmchat.conversation.actions import Edit, Post
from swarmchat.conversation.timeline import Timeline
from swarmchat.errors import NotFoundError, StorageError, SwarmchatError
from swarmchat.ids import CommitId, ConversationId
from swarmchat.index.query import parse
from swarmchat.index.search import Scope, SearchIndex
from swarmchat.node import indexing
from swarmchat.node.indexing import Indexing, Library, Size
from swarmchat.node.view import View
from swarmchat.runtime import Runtime, SystemRuntime
from swarmchat.swarm.events import ConversationRemoved, MessageAdded
from tests.support.builders import ALICE, BOB, CAROL, DAVE, NOW
from tests.support.commitlogs import writer
from tests.support.partitions import Side, found


class Shelf:
    """A library of logs, of which some may refuse."""

    def __init__(self, path: Path, *sides: Side, runtime: Runtime | None = None) -> None:
        self.sides = {side.log.conversation: side for side in sides}
        self.faults: list[SwarmchatError] = []
        self.refuses: SwarmchatError | None = None
        self.unlisted = 0  # so often what is there cannot be told
        library = Library(self.view, self.size, self.all, lambda where, fault: self.faults.append(fault))
        self.index = SearchIndex(path / "search.sqlite")
        self.indexing = Indexing(self.index, library, runtime or SystemRuntime())

    async def view(self, conversation: ConversationId) -> View:
        if self.refuses is not None:
            raise self.refuses
        if conversation not in self.sides:
            raise NotFoundError("gone")
        log = self.sides[conversation].log
        return View(log, Timeline(log.history))

    async def size(self, conversation: ConversationId) -> Size:
        history = (await self.view(conversation)).history
        return Size(len(history), history)

    async def all(self) -> list[ConversationId]:
        if self.unlisted:
            self.unlisted -= 1
            raise StorageError("the folder cannot be read")
        return sorted(self.sides)

    def found(self, text: str) -> list[str]:
        asyncio.run(self.indexing.caught_up(self.sides))
        hits = self.index.find(parse(text), Scope(list(self.sides)), 10_000)
        return [self.sides[hit.conversation].log.history.id(hit.number) for hit in hits]


def test_an_edit_that_is_hidden_does_not_speak_and_speaks_again_after_an_unban(tmp_path: Path) -> None:
    group = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    said = group.say(DAVE, "the first words")
    north, south = group.forks("north", "south")
    shelf = Shelf(tmp_path, group)
    south.write(DAVE, Edit("other words", said), now=NOW - 200)
    group.hears(south)
    assert (shelf.found("first"), shelf.found("other")) == ([], [said])
    north.ban(DAVE.id, ALICE, BOB)
    group.hears(north)
    assert (shelf.found("first"), shelf.found("other")) == ([said], [])
    group.unban(DAVE.id, ALICE, CAROL)
    assert (shelf.found("first"), shelf.found("other")) == ([], [said])


def test_a_history_is_taken_in_by_parts_and_each_message_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_STEP", 7)
    monkeypatch.setattr(indexing, "_STILL_MAX", 3)
    group = found(tmp_path, ALICE, BOB)
    said = [group.say(ALICE, f"boat {number}") for number in range(30)]
    for number in (0, 15, 29):
        group.write(ALICE, Edit(f"ship {number}", said[number]))
    shelf = Shelf(tmp_path, group)
    assert len(shelf.found("boat")) == 27
    assert set(shelf.found("ship")) == {said[0], said[15], said[29]}
    assert asyncio.run(shelf.indexing.behind()) == 0
    group.say(ALICE, "boat 30")
    assert asyncio.run(shelf.indexing.behind()) == 1


def test_who_has_taken_in_everything_asks_no_history_again(tmp_path: Path) -> None:
    group = found(tmp_path, ALICE, BOB)
    said = group.say(ALICE, "boat")
    shelf = Shelf(tmp_path, group)
    steps: list[object] = []
    stepping = shelf.indexing._step

    def step(conversation: ConversationId, view: View, count: int) -> bool:
        steps.append(conversation)
        return stepping(conversation, view, count)

    shelf.indexing._step = step  # type: ignore[method-assign]
    assert shelf.found("boat") == shelf.found("boat") == [said]
    assert len(steps) == 1
    shelf.index.clear()
    assert shelf.found("boat") == [said]
    group.say(ALICE, "ship")
    assert len(shelf.found("ship")) == 1
    assert len(steps) == 3


def test_a_conversation_that_comes_while_the_gone_ones_are_forgotten_stays(tmp_path: Path) -> None:
    group = found(tmp_path, ALICE, BOB)
    said = group.say(ALICE, "boat")
    shelf = Shelf(tmp_path, group)
    came, shelf.sides = shelf.sides, {}

    async def run() -> None:
        comings: list[asyncio.Task[None]] = []

        async def all_() -> list[ConversationId]:
            known = sorted(shelf.sides)
            if not comings:
                shelf.sides = came
                comings.append(asyncio.create_task(shelf.indexing._bring_forward(group.log.conversation, None)))
                await asyncio.wait(comings, timeout=0.3)
            return known

        shelf.indexing._library = dataclasses.replace(shelf.indexing._library, all=all_)
        await shelf.indexing.caught_up([])
        await comings[0]

    asyncio.run(run())
    assert shelf.found("boat") == [said]


def test_nothing_is_held_of_a_conversation_that_is_gone(tmp_path: Path) -> None:
    group = found(tmp_path, ALICE, BOB)
    group.say(ALICE, "boat")
    shelf = Shelf(tmp_path, group)
    shelf.found("boat")
    assert list(shelf.indexing._level) == [group.log.conversation]
    shelf.sides = {}
    shelf.indexing.note(ConversationRemoved(group.log.conversation))
    asyncio.run(shelf.indexing.caught_up([]))
    assert not shelf.indexing._level  # nor its history


def test_what_comes_is_taken_in_by_itself_a_moment_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_S", "_CALM_S", "_PAUSE_S", "_AGAIN_S"):
        monkeypatch.setattr(indexing, name, 0.0)
    group = found(tmp_path, ALICE, BOB)
    group.say(ALICE, "boat")
    shelf = Shelf(tmp_path, group)

    async def story() -> None:
        running = asyncio.ensure_future(shelf.indexing.run())
        await until(lambda: shelf.index.count() == 1)
        shelf.indexing.note(added(group, group.say(ALICE, "boat")))
        await until(lambda: shelf.index.count() == 2)
        shelf.sides.clear()
        shelf.indexing.note(ConversationRemoved(group.log.conversation))
        await until(lambda: shelf.index.count() == 0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(story(), 20))


class Talk(SystemRuntime):
    """A clock that only sleeping moves on; somebody says something every tenth of a second until he stops."""

    def __init__(self, stops_at: float) -> None:
        self.at = 0.0
        self.stops_at = stops_at
        self.says: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, delay_s: float) -> None:
        end = self.at + delay_s
        while self.at + 0.1 < min(end, self.stops_at):
            self.at += 0.1
            self.says()
        self.at = end
        await asyncio.sleep(0)


def taken_in_while_somebody_talks(path: Path, stops_at: float, until_s: float) -> list[tuple[float, int]]:
    """When the index took in how many commits of a conversation of 100 texts, at its own pace."""
    group = found(path, ALICE, BOB)
    group.log.append_all([writer_of(f"boat {number}") for number in range(100)])
    talk = Talk(stops_at)
    shelf = Shelf(path, group, runtime=talk)
    news = added(group, group.log.history.id(len(group.log.history) - 1))
    talk.says = lambda: shelf.indexing.note(news)
    taken: list[tuple[float, int]] = []
    stepping = shelf.indexing._step

    def step(conversation: ConversationId, view: View, count: int) -> bool:
        done = stepping(conversation, view, count)
        taken.append((talk.at, count))
        return done

    shelf.indexing._step = step  # type: ignore[method-assign]

    async def story() -> None:
        running = asyncio.ensure_future(shelf.indexing.run())
        await until(lambda: talk.at > until_s or running.done() or (bool(taken) and shelf.index.count() == 100))
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(story(), 20))
    assert shelf.index.count() == 100
    return taken


def test_while_somebody_talks_nothing_is_taken_in(tmp_path: Path) -> None:
    taken = taken_in_while_somebody_talks(tmp_path, stops_at=20.0, until_s=60.0)
    assert taken[0][0] >= 20.0 + indexing._CALM_S - 0.2
    assert len(taken) == 4


def test_after_half_a_minute_it_is_taken_in_though_somebody_talks_on_by_small_steps(tmp_path: Path) -> None:
    taken = taken_in_while_somebody_talks(tmp_path, stops_at=1_000.0, until_s=60.0)
    assert indexing._GIVES_WAY_S <= taken[0][0] - indexing._FIRST_S < indexing._GIVES_WAY_S + 1
    assert taken[-1][0] < taken[0][0] + 1
    assert len(taken) == 4
    assert {count for _, count in taken} == {indexing._SMALL_STEP}


def test_a_log_that_cannot_be_read_costs_itself_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = found(tmp_path / "one", ALICE, BOB), found(tmp_path / "other", CAROL, BOB)
    one.say(ALICE, "boat one")
    said = other.say(CAROL, "boat two")
    shelf = Shelf(tmp_path, one, other)

    def refuse(commit: object) -> None:
        raise StorageError("damaged")

    monkeypatch.setattr(one.log, "commit", refuse)
    assert shelf.found("boat") == [said]
    assert [fault.message for fault in shelf.faults] == ["damaged"]
    shelf.refuses = StorageError("no log opens")
    other.say(CAROL, "boat three")
    assert shelf.found("boat") == [said]


def test_a_disk_that_does_not_say_what_is_there_ends_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_S", "_CALM_S", "_PAUSE_S", "_AGAIN_S"):
        monkeypatch.setattr(indexing, name, 0.0)
    group = found(tmp_path, ALICE, BOB)
    group.say(ALICE, "boat")
    shelf = Shelf(tmp_path, group)
    shelf.unlisted = 4
    asyncio.run(asyncio.wait_for(running_until(shelf, lambda: shelf.index.count() == 1), 20))
    assert shelf.unlisted == 0


def test_a_disk_that_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_S", "_CALM_S", "_PAUSE_S", "_AGAIN_S"):
        monkeypatch.setattr(indexing, name, 0.0)
    group = found(tmp_path, ALICE, BOB)
    group.say(ALICE, "boat")
    shelf = Shelf(tmp_path, group)
    taking, refused = shelf.index.take, []

    def take(*arguments: object) -> bool:
        if len(refused) < 2:
            refused.append(arguments)
            raise StorageError("full")
        return taking(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shelf.index, "take", take)
    asyncio.run(asyncio.wait_for(running_until(shelf, lambda: shelf.index.count() == 1), 20))
    assert len(refused) == 2


def test_who_writes_is_not_held_up_by_a_long_history_that_is_taken_in(tmp_path: Path) -> None:
    group = found(tmp_path, ALICE, BOB)
    group.log.append_all([writer_of(f"boat {number}") for number in range(300)])
    shelf = Shelf(tmp_path, group)
    held: list[int] = []
    reading = group.log.commit

    def commit(name: object) -> object:
        held[-1] += 1
        return reading(name)  # type: ignore[arg-type]

    still = group.log.still

    def counted() -> contextlib.AbstractContextManager[None]:
        held.append(0)
        return still()

    group.log.still, group.log.commit = counted, commit  # type: ignore[method-assign,assignment]
    assert len(shelf.found("boat")) == 300
    assert max(held) <= indexing._STILL_MAX


def added(side: Side, said: CommitId) -> MessageAdded:
    fact = side.log.history[said].fact
    assert fact.account is not None
    assert fact.device is not None
    return MessageAdded(side.log.conversation, said, fact.type, fact.account, fact.device, fact.time)


def writer_of(text: str) -> Pending:
    return Pending(Post(text), writer(ALICE), NOW)


async def running_until(shelf: Shelf, holds: Callable[[], bool]) -> None:
    """Let it take in what is there; what ends it is raised."""
    running = asyncio.ensure_future(shelf.indexing.run())
    await until(lambda: running.done() or holds())
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what is waited for is in a file
        await asyncio.sleep(0.01)


def test_what_was_said_apart_is_found_after_the_sides_have_met(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB).forks("north", "south")
    said = north.say(ALICE, "one boat")
    answer = south.say(BOB, "two boats")
    shelf = Shelf(tmp_path, north)
    assert shelf.found("boat") == [said]
    north.write(ALICE, Edit("one ship", said))
    north.hears(south)
    assert (shelf.found("boat"), shelf.found("ship")) == ([answer], [said])
