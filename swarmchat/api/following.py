"""A place among the events: what comes after it, the explicit gap, and what is never stored. (SCP-08 §3.1a, §3.3)

It keeps no queue: it is a number in the durable log, and a place among the few events that are never stored. So a slow
reader is behind and costs nothing.
"""

from __future__ import annotations

from typing import Self

from swarmchat import limits
from swarmchat.api.methods import Commands
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import UsageError


class Follower:
    """What one reader has had so far."""

    def __init__(self, commands: Commands, since: int, passed: int) -> None:
        self._commands = commands
        self.since = since  # the newest stored event that it has had
        self._passed = passed

    @classmethod
    async def begin(cls, commands: Commands, since: int | None) -> Self:
        """Stand after event `since`, or after the newest. Raises UsageError for one that has not happened."""
        newest = int((await commands.events_list(limit=1))["last"])
        place = newest if since is None else since
        if place > newest:
            raise UsageError(f"the newest event is {newest}, {place} has not happened", data={"last": newest})
        passed, _ = await commands.events_wait(after=-1)  # at once: where we are among those never stored
        return cls(commands, place, passed)

    async def next(self, limit: int = limits.API_EVENTS_PER_PUSH) -> list[tuple[str, JsonObject]]:
        """Wait for what comes next: pairs of `event` or `event.gap` and what it says, at least one.

        Cancelled, it loses nothing: the next call gives the same. Raises what the log raises.
        """
        while True:
            if said := await self.now(limit):
                return said
            passed, passing = await self._commands.events_wait(after=self.since, passed=self._passed)
            self._passed = passed
            if passing:
                return [("event", event) for event in passing]

    async def now(self, limit: int = limits.API_EVENTS_PER_PUSH) -> list[tuple[str, JsonObject]]:
        """What is stored after this place already; perhaps nothing."""
        page = await self._commands.events_list(since=self.since, limit=limit)
        said: list[tuple[str, JsonObject]] = []
        if page["gap"]:
            said.append(("event.gap", page["gap"]))
            self.since = int(page["gap"]["to"])
        if page["events"]:
            said += [("event", event) for event in page["events"]]
            self.since = int(page["events"][-1]["id"])
        return said
