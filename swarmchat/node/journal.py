"""The node's events, numbered and durable, for whoever observes it. (SCP-08 §3.3)"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from swarmchat import limits
from swarmchat.errors import StorageError, UsageError
from swarmchat.ids import ConversationId
from swarmchat.index.events import EventLog, Gap
from swarmchat.node import views
from swarmchat.runtime import Runtime
from swarmchat.swarm import events
from swarmchat.swarm.events import ConversationRemoved, Delivered, Event, TypingChanged

JsonObject = dict[str, Any]

_AT_ONCE_MAX = 64  # events that are written without leaving the event loop
_AGAIN_S = 10.0  # after the disk refused
_log = logging.getLogger(__name__)


class Journal:
    """Takes every event of the swarm, writes batches of them down and wakes who waits. One event loop.

    An event is written a moment after it happened, not before: nobody who sends or receives waits for this disk. Readers
    see what is written only. With the events stands how many commits of a conversation they tell of: what a process that
    died had not told is told at the next start. Typing is never written: it passes by those who watch just then.
    """

    def __init__(self, log: EventLog, runtime: Runtime) -> None:
        self._log = log
        self._runtime = runtime
        self._waiting: list[tuple[str, Mapping[str, object]]] = []
        self._told: dict[str, int | None] = {}
        self._last = log.last
        self._passing: deque[JsonObject] = deque(maxlen=limits.EVENTS_PASSING_MAX)
        self._passed = 0  # how many ever did
        self._work = asyncio.Event()
        self._news = asyncio.Event()

    def record(self, event: Event) -> None:
        """Take an event; it is on the disk with the next batch."""
        if isinstance(event, Delivered):
            return  # for those who wait inside; `sync status` says it to people
        if isinstance(event, TypingChanged):
            self._pass(event)
            return
        if isinstance(event, ConversationRemoved):
            self._told[event.conversation] = None
        self._waiting.append((event.type, events.data(event)))
        self._work.set()

    def told(self, conversation: ConversationId) -> int | None:
        """How many commits of a conversation the events tell of; None for one of which none was told."""
        return self._log.told(conversation)

    def note_told(self, conversation: ConversationId, commits: int) -> None:
        """What was recorded before tells of so many commits; written with it."""
        self._told[conversation] = commits
        self._work.set()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                if len(self._waiting) <= _AT_ONCE_MAX and not self._log.is_unsafe:
                    self.flush()  # nothing is synced: it costs less than the way into a thread and back
                else:
                    await self._runtime.offload(self.flush)
            except StorageError as fault:  # it costs a while, and not the node
                _log.warning("events are not written down: %s", fault.message)
                await self._runtime.sleep(_AGAIN_S)
                self._work.set()
                continue
            self._wake()

    def flush(self) -> None:
        """Write what waits, in one go; raises StorageError, and then it goes on waiting, the newest 10,000 of it."""
        told, self._told = self._told, {}  # first: another thread may add to both meanwhile
        batch, self._waiting = self._waiting, []
        if batch or told:
            try:
                written = self._log.append_all(batch, time_ms=self._now_ms(), told=told)
            except StorageError:
                waiting = [*batch, *self._waiting]
                self._waiting = waiting[-limits.EVENTS_WAITING_MAX :]
                self._told = (
                    told | self._told if len(waiting) == len(self._waiting) else {}
                )  # else the next start tells
                raise
            self._last = written[-1].id if written else self._last
        if self._log.is_unsafe:
            self._log.checkpoint()

    def read(self, since: int, limit: int) -> JsonObject:
        """The events after `since`, oldest first, and what retention has dropped of them."""
        last = self._last
        if since > last:
            raise UsageError(
                f"the newest event is {last}; {since} has not happened",
                hint="a log that was begun anew counts from elsewhere: read the state again, then follow from the newest",
                data={"last": last},
            )
        if since == last:
            return {"events": [], "gap": None, "last": last}
        found = self._log.read(since, limit)
        gap = None
        if isinstance(found, Gap):
            gap = {"from": since + 1, "to": found.resume}
            found = self._log.read(found.resume, limit)
        rows = [] if isinstance(found, Gap) else found
        shown = [
            {"id": one.id, "time": views.time(one.time_ms / 1000), "type": one.type, "data": one.data} for one in rows
        ]
        return {"events": shown, "gap": gap, "last": self._last}

    def counts(self) -> dict[str, int]:
        """How many events of each type are written down. Blocking: offload."""
        return self._log.counts()

    @property
    def last(self) -> int:
        """The number of the newest event that is written; 0 when there is none."""
        return self._last

    async def wait(self, after: int, passed: int | None = None) -> tuple[int, list[JsonObject]]:
        """Return when an event with a greater id than `after` exists, or one that is not stored passed the place `passed` (None: now).

        The place now, and what passed since: at most the last 256.
        """
        place = self._passed if passed is None else passed
        while self._last <= after and self._passed == place:
            await self._news.wait()
        missed = min(self._passed - place, len(self._passing))
        return self._passed, list(self._passing)[len(self._passing) - missed :]

    def close(self) -> None:
        """Write what waits and close the file."""
        self.flush()
        self._log.prune(now_ms=self._now_ms())
        self._log.close()

    def _pass(self, event: TypingChanged) -> None:
        shown = {"id": None, "time": views.time(self._runtime.now()), "type": event.type, "data": events.data(event)}
        self._passing.append(shown)
        self._passed += 1
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _now_ms(self) -> int:
        return int(self._runtime.now() * 1000)
