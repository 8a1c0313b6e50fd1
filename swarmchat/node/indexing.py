"""Takes what people see into the search index: a moment after it was admitted, and what a process that died left out. (SCP-08 §3.4)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from swarmchat.conversation.history import History
from swarmchat.errors import NotFoundError, StorageError, SwarmchatError
from swarmchat.ids import CommitId, ConversationId
from swarmchat.index.search import Line, SearchIndex, Taken
from swarmchat.node import views
from swarmchat.node.view import View
from swarmchat.runtime import Runtime
from swarmchat.swarm.events import (
    ConversationReady,
    ConversationRemoved,
    EffectChanged,
    Event,
    MessageAdded,
    MessageHidden,
    MessageUpdated,
)

_CALM_S: Final = 1.0  # after what was said last: the index waits, and what is said meanwhile is taken in together
_GIVES_WAY_S: Final = 30.0  # at most: then what there is then is taken in, however much is said meanwhile
_FIRST_S: Final = 5.0  # a node that starts has other things to do
_PAUSE_S: Final = 0.06  # after each small step, when nobody waits for it: what people do meanwhile goes before
_AGAIN_S: Final = 30.0  # after the disk refused
_STILL_MAX: Final = 16  # commits read while the log is held still: who writes waits so long, about 1 ms
_STEP: Final = 1_024  # commits of one write, while somebody waits
_SMALL_STEP: Final = 32  # and else: some 3 ms in which other threads of Python wait for this one
_TEXT: Final = "text/plain"

_log = logging.getLogger(__name__)


class Size(NamedTuple):
    """How long a history is, told without looking into it; None stands for one that is not open."""

    commits: int
    history: History | None


@dataclass(frozen=True, slots=True)
class Library:
    """Where the conversations are."""

    view: Callable[[ConversationId], Awaitable[View]]  # NotFoundError, StorageError
    size: Callable[[ConversationId], Awaitable[Size]]  # NotFoundError, StorageError
    all: Callable[[], Awaitable[list[ConversationId]]]  # that are to be read; StorageError
    met: Callable[[ConversationId, SwarmchatError], None]


class Indexing:
    """Keeps the index in step with the logs. One event loop; two that bring it forward at once do no harm."""

    def __init__(self, index: SearchIndex, library: Library, runtime: Runtime) -> None:
        self.index = index
        self._library = library
        self._runtime = runtime
        self._changed: set[ConversationId] = set()
        self._said_at = -_CALM_S  # when there was news last
        self._stale = True  # what is gone may still be in the index
        self._level: dict[ConversationId, Size] = {}  # what was taken in whole, of an index begun so many times:
        self._begun = index.begun
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()

    def note(self, event: Event) -> None:
        """Something happened: perhaps there is more to take in."""
        match event:
            case MessageAdded() | MessageUpdated() | MessageHidden() | EffectChanged() | ConversationReady():
                self._changed.add(event.conversation)
                self._said_at = self._runtime.monotonic()
            case ConversationRemoved():
                self._stale = True
            case _:
                return
        self._news.set()

    async def run(self) -> None:
        """Take in what comes until cancelled, at first what came while no node ran."""
        await self._runtime.sleep(_FIRST_S)
        is_behind = True  # in what nobody told of
        while True:
            self._news.clear()
            changed, self._changed = self._changed, set()  # what is said from now on is for the next time
            due = self._runtime.monotonic() + _GIVES_WAY_S
            try:
                if is_behind:
                    changed.update(await self._library.all())
                await self._tidy()
                await self._calm(due)
                for conversation in sorted(changed):
                    await self._bring_forward(conversation, due)
            except StorageError as fault:  # it costs a while, and not the node
                _log.warning("the search index is behind: %s", fault.message)
                is_behind = True
                await self._runtime.sleep(_AGAIN_S)
                continue
            is_behind = False
            await self._news.wait()

    async def caught_up(self, conversations: Iterable[ConversationId]) -> None:
        """Return when all that is here of these is taken in. StorageError where the index cannot be written."""
        await self._tidy()
        for conversation in conversations:
            await self._bring_forward(conversation, None)

    async def forget(self, conversation: ConversationId) -> None:
        """Nothing of it is left in the index. StorageError."""
        async with self._turn:
            self._level.pop(conversation, None)
            await self._runtime.offload(self.index.forget, conversation)

    async def rebuild(self, conversations: list[ConversationId] | None) -> None:
        """Make these parts of the index anew, or all of it. StorageError."""
        async with self._turn:
            if conversations is None:
                await self._runtime.offload(self.index.clear)
            for conversation in conversations or ():
                self._level.pop(conversation, None)
                await self._runtime.offload(self.index.forget, conversation)
        await self.caught_up(await self._library.all() if conversations is None else conversations)

    async def behind(self) -> int:
        """How many commits are not taken in yet, of all conversations that can be read. StorageError."""
        missing = 0
        for conversation in await self._library.all():
            taken = await self._runtime.offload(self.index.taken, conversation)
            try:
                size = await self._library.size(conversation)
            except SwarmchatError:
                continue  # what cannot be read is not missing here
            missing += max(0, size.commits - (taken.commits if taken else 0))
        return missing

    # --- inside

    async def _tidy(self) -> None:
        if self._stale:
            self._stale = False
            try:
                async with (
                    self._turn
                ):  # a conversation that comes meanwhile is taken in after this, and not forgotten by it
                    kept = frozenset(await self._library.all())
                    self._level = {one: size for one, size in self._level.items() if one in kept}
                    await self._runtime.offload(self.index.keep_only, kept)
            except StorageError:
                self._stale = True
                raise

    async def _calm(self, due: float) -> None:
        """Wait until nobody has said anything for a while, not beyond `due`: the moments in which people talk are theirs."""
        while (left := min(self._said_at + _CALM_S, due) - self._runtime.monotonic()) > 0:
            await self._runtime.sleep(left)

    async def _bring_forward(self, conversation: ConversationId, due: float | None) -> None:
        """Take in all that is there, at once or, with `due`, by and by: until then it gives way to who talks.

        What cannot be read costs this conversation alone. StorageError: the index cannot be written.
        """
        if self._begun != self.index.begun:
            self._level, self._begun = {}, self.index.begun
        try:
            size = await self._library.size(conversation)
            if self._level.get(conversation) == size:
                return
            if size.history is None:  # an archive, which takes long to open
                taken = await self._runtime.offload(self.index.taken, conversation)
                if taken is not None and taken.commits == size.commits:
                    self._note_level(conversation, size)
                    return
            view = await self._library.view(conversation)
        except StorageError as fault:
            _log.info("%s cannot be searched: %s", conversation, fault.message)
            return
        except NotFoundError:
            return  # gone meanwhile
        while True:
            async with self._turn:
                count = _STEP if due is None else _SMALL_STEP
                if await self._runtime.offload(self._step, conversation, view, count):
                    break
            if due is not None:
                await self._runtime.sleep(_PAUSE_S)
                await self._calm(due)
        self._note_level(conversation, size)

    def _note_level(self, conversation: ConversationId, size: Size) -> None:
        if self._begun == self.index.begun:
            self._level[conversation] = size

    def _step(self, conversation: ConversationId, view: View, count: int) -> bool:
        """Take in so many commits; whether that was all."""
        taken = self.index.taken(conversation)
        with view.log.still():
            is_other = taken is not None and not _continues(view.history, taken)
        if is_other:  # the history was read anew, in another order
            self.index.forget(conversation)
            taken = None
        try:
            lines, upto = self._read(view, taken, count)
        except SwarmchatError as fault:
            _log.info("%s cannot be searched: %s", conversation, fault.message)
            self._library.met(conversation, fault)
            return True
        if upto is None or upto == taken:
            return True
        return self.index.take(conversation, taken, lines, upto) and upto.commits >= len(view.history)

    def _read(self, view: View, taken: Taken | None, count: int) -> tuple[list[Line], Taken | None]:
        start = at = taken.commits if taken else 0
        unheard = taken.unheard if taken else ()
        lines: dict[int, Line] = {}
        while True:
            with view.log.still():
                history, hidden = view.history, view.hidden()
                now = tuple(sorted(commit for commit in hidden if _edited(history, commit) is not None))
                stop = min(len(history), at + _STILL_MAX, start + count)
                touched = _touched(history, range(at, stop))
                touched.update(_targets(history, set(now).symmetric_difference(unheard), stop))
                lines.update((number, _line(view, number, hidden)) for number in sorted(touched))
                at, unheard = stop, now
                if at == len(history) or at == start + count:
                    return list(lines.values()), Taken(at, history.id(at - 1), unheard) if at else None


def _continues(history: History, taken: Taken) -> bool:
    return taken.commits <= len(history) and history.id(taken.commits - 1) == taken.tip


def _touched(history: History, numbers: range) -> set[int]:
    """The texts among these commits, and those that these commits edit."""
    found: set[int] = set()
    for number in numbers:
        relation = history.relation(number)
        if relation is None or relation[0] == "reply":
            if not history.is_merge(number) and history.entry(number).fact.type == _TEXT:
                found.add(number)
        elif relation[0] == "edit":
            found.update(_targets(history, [history.id(number)], numbers.stop))
    return found


def _targets(history: History, edits: Collection[CommitId], stop: int) -> Iterator[int]:
    """The texts before `stop` that these edits speak about."""
    for commit in edits:
        target = _edited(history, commit)
        if target is not None and target < stop:
            relation = history.relation(target)
            if history.entry(target).fact.type == _TEXT and (relation is None or relation[0] == "reply"):
                yield target


def _edited(history: History, commit: CommitId) -> int | None:
    number = history.find(commit)
    relation = None if number is None else history.relation(number)
    return None if relation is None or relation[0] != "edit" else history.find(relation[1])


def _line(view: View, number: int, hidden: Collection[CommitId]) -> Line:
    """The newest version of a text that is shown; hidden edits do not speak."""
    fact = view.history.entry(number).fact
    assert fact.account is not None, "a text is somebody's"
    text = views.text_of(view.timeline.item(fact.id, hidden), view.log.commit)
    return Line(number, fact.account, fact.time, text)
