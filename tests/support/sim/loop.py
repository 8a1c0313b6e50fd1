"""An event loop whose clock jumps to the next timer instead of waiting: hours pass in a moment, and the same seed gives the same run.

It has no sockets and no threads; who asks for one is told so. "Every task waits and no timer is set" is a `Deadlock`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import itertools
from asyncio import base_events
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

START_S = 1_000.0  # not 0: a time that is missing must not look like one
TURNS_MAX = 200_000  # turns of the loop within one instant of virtual time; more is a livelock


class Deadlock(AssertionError):  # noqa: N818 - it is what it is called
    """Every task waits and no timer is set: nobody would ever wake up."""


class Livelock(AssertionError):  # noqa: N818
    """The loop turns and turns and no time passes."""


class SimTask(asyncio.Task[Any]):
    """A task that hashes by its number, so that sets of tasks have the same order in every process."""

    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(SimTask._numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class Trace:
    """What happened, in order: a running hash, and the lines themselves if `keep`."""

    def __init__(self, *, keep: bool = False) -> None:
        self.lines: list[str] = []
        self.count = 0
        self._keep = keep
        self._hash = hashlib.sha256()

    def note(self, time_s: float, what: str) -> None:
        """One thing happened."""
        line = f"{time_s:.6f} {what}"
        self.count += 1
        self._hash.update(line.encode() + b"\n")
        if self._keep:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """Hex; the same for the same run."""
        return self._hash.hexdigest()


class _Clock:
    """Stands where asyncio has its selector: `select` lets the time pass at once."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.pass_time(timeout)
        return []


class SimLoop(base_events.BaseEventLoop):
    """See the module. `faults` holds what nobody caught."""

    def __init__(self, trace: Trace | None = None) -> None:
        super().__init__()
        self.trace = trace or Trace()
        self.faults: list[str] = []
        self.turns = 0
        self._time = START_S
        self._instant_turns = 0
        self._clock_resolution = 1e-9
        self._selector = _Clock(self)
        self.set_task_factory(lambda loop, work, **named: SimTask(work, loop=loop, **named))
        self.set_exception_handler(self._fault)

    # --- time

    def time(self) -> float:
        """Virtual seconds."""
        return self._time

    def pass_time(self, timeout: float | None) -> None:
        """Nothing is to be done for `timeout` seconds (None: for ever)."""
        self.turns += 1
        if timeout is None:
            raise Deadlock("every task waits and no timer is set:\n" + "\n".join(waiting(self)))
        if timeout > 0:
            # The timer's own time, not `now + timeout`: sums of floats would leave it a hair in the future.
            self._time = max(self._time, self._scheduled[0].when())  # type: ignore[attr-defined]
            self._instant_turns = 0
            return
        self._instant_turns += 1
        if self._instant_turns > TURNS_MAX:
            raise Livelock(f"{TURNS_MAX} turns and no time passed:\n" + "\n".join(waiting(self)))

    def calm(self, seconds: float) -> None:
        """Let what was cancelled end, for so long."""
        self._instant_turns = 0
        self.call_later(seconds, self.stop)
        with contextlib.suppress(Livelock):
            self.run_forever()

    # --- what a simulation must not do

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.faults.append(f"a thread, or an asynchronous generator that nobody closed: {args}")
        raise AssertionError("a simulation has one thread")

    def run_in_executor(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a simulation has no threads: use Runtime.offload")

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a simulation asks no name server")

    async def create_connection(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a simulation has no sockets")

    async def create_server(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a simulation has no sockets")

    async def create_datagram_endpoint(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a simulation has no sockets")

    # ---

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        pass

    def _fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.faults.append(f"{context['message']}: {error!r}" if error is not None else context["message"])


def waiting(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Each task that is not done, and the lines it waits in, for people; in the order they began."""
    tasks = sorted((task for task in asyncio.all_tasks(loop)), key=hash)
    return [f"  {task.get_name()}: {_where(task)}" for task in tasks]


def _where(task: asyncio.Task[Any]) -> str:
    """The chain of coroutines that the task waits in, innermost last."""
    places: list[str] = []
    work: Any = task.get_coro()
    while work is not None and len(places) < 24:
        frame = getattr(work, "cr_frame", None) or getattr(work, "gi_frame", None) or getattr(work, "ag_frame", None)
        if frame is not None:
            name = frame.f_code.co_filename.rpartition("/")[2]
            places.append(f"{name}:{frame.f_lineno} {frame.f_code.co_name}")
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None) or getattr(work, "ag_await", None)
    return " > ".join(places)


def run(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    trace: Trace | None = None,
    limit_s: float | None = None,
    loop: SimLoop | None = None,
) -> T:
    """Run `main()` in virtual time, at most `limit_s` virtual seconds, in a fresh `loop`; its result.

    AssertionError when a task is left, or an exception went unseen; Deadlock; Livelock; TimeoutError.
    """
    SimTask._numbers = itertools.count()
    gc.freeze()  # what was there before is no business of the collection below
    loop = loop or SimLoop(trace)

    async def within() -> T:
        async with asyncio.timeout(limit_s):
            return await main()

    try:
        result = loop.run_until_complete(within())
        left = waiting(loop)
        assert not left, "tasks are left:\n" + "\n".join(left)
        loop.run_until_complete(loop.shutdown_asyncgens())
        gc.collect()  # a task or future that died unseen tells it only now
        assert not loop.faults, "nobody saw:\n" + "\n".join(loop.faults)
        return result
    finally:
        _drop(loop)
        loop.close()
        gc.unfreeze()


def _drop(loop: SimLoop) -> None:
    """After a failure: end what is left, quietly, so that the next run starts clean."""
    for _ in range(3):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            break
        for task in sorted(tasks, key=hash):
            task.cancel()
        loop.calm(60.0)
    loop.faults.clear()
