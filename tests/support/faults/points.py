"""Every call of a write path fails in every way, one after the other, each in a process of its own.

Run as a program, in a process with the shim before libc: `python -m tests.support.faults.points`; prints a JSON line for each
write path and kind, and one for each point that was not survived.
"""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from swarmchat.errors import StorageError
from tests.support.faults.shim import Class, Kind, Shim
from tests.support.faults.writepaths import WRITE_PATHS, WritePath


class Way(NamedTuple):
    """One way in which a call fails, and the calls that can fail so."""

    name: str
    kind: Kind
    error: int
    counted: Class
    fitting: Class


WAYS = (
    Way("kill", Kind.KILL, 0, Class.CHANGE, Class.CHANGE),
    Way("torn write", Kind.TORN, 0, Class.CHANGE, Class.WRITE),
    Way("short write", Kind.SHORT, 0, Class.CHANGE, Class.WRITE),
    Way("ENOSPC once", Kind.REFUSE, errno.ENOSPC, Class.SPACE, Class.SPACE),
    Way("ENOSPC", Kind.REFUSE_ON, errno.ENOSPC, Class.SPACE, Class.SPACE),
    Way("EIO once", Kind.REFUSE, errno.EIO, Class.CHANGE, Class.CHANGE),
    Way("EIO", Kind.REFUSE_ON, errno.EIO, Class.CHANGE, Class.CHANGE),
    Way("EIO reading", Kind.REFUSE, errno.EIO, Class.READ, Class.READ),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was counted."""

    number: int
    classes: Class
    name: str
    path: str


class Bench:
    """A folder in memory in which one write path after the other is put to the test."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template"
        self.place = folder / "home"
        self.shim = Shim(self.place)

    def prepare(self, path: WritePath) -> None:
        """Make what the write path begins with; in a child, so that this process stays as it is, but for `limits`."""
        for folder in (self._template, self.place):
            shutil.rmtree(folder, ignore_errors=True)
        self.place.mkdir()
        status, said = self._child(lambda say: path.prepare(self.place))
        assert status == 0, said
        self.place.rename(self._template)

    def calls(self, path: WritePath, counted: Class) -> list[Call]:
        """The calls of the write path when nothing fails; and it must do what it is for."""
        reader, writer = os.pipe()
        self._fresh()

        def counting(say: Callable[[str], None]) -> None:
            os.set_blocking(writer, True)
            subject = path.open(self.place)
            with self.shim.armed(0, Kind.COUNT, classes=counted, names=writer):
                path.act(subject, self.place, say)

        pid = self._spawn(counting, pass_on=writer)
        os.close(writer)
        with os.fdopen(reader) as lines:
            found = [line.rstrip("\n").split("\t") for line in lines]
        status, said = self._reaped(pid)
        assert status == 0, f"{path.name} fails without a fault:\n{said}"
        assert said, f"{path.name} acknowledges nothing"
        assert found, f"{path.name} writes nothing"
        status, fault = self._child(lambda say: path.check(self.place, said))
        assert status == 0, f"{path.name} fails without a fault:\n{fault}"
        return [Call(int(number), Class(int(classes)), name, where) for number, classes, name, where in found]

    def point(self, path: WritePath, way: Way, number: int) -> str | None:
        """One point; why it was not survived."""
        self._fresh()
        faults: list[str] = []

        def failing(say: Callable[[str], None]) -> None:
            subject = path.open(self.place)
            with self.shim.armed(number, way.kind, way.error, classes=way.counted):
                try:
                    path.act(subject, self.place, say)
                except StorageError as error:
                    if not error.hint:
                        raise AssertionError(f"an error without a hint: {error.message}") from error
            path.again(subject, self.place, say)

        status, said = self._child(failing)
        killed = way.kind in (Kind.KILL, Kind.TORN) and status == -signal.SIGKILL
        if status != 0 and not killed:
            faults.append("in the process that met it: " + "\n".join(said[-1:]))
            said = said[:-1]
        status, fault = self._child(lambda say: path.check(self.place, said))
        if status:
            faults.append("afterwards: " + "\n".join(fault))
        return "\n".join(faults) or None

    # --- inside

    def _fresh(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self._template, self.place)

    def _child(self, work: Callable[[Callable[[str], None]], None]) -> tuple[int, list[str]]:
        return self._reaped(self._spawn(work))

    def _spawn(self, work: Callable[[Callable[[str], None]], None], *, pass_on: int = -1) -> tuple[int, int]:
        """A child that does the work; what it says comes through a pipe, at once, so that a kill loses nothing of it."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            return pid, reader
        status = 1
        try:
            os.close(reader)
            work(lambda word: _tell(writer, word))
            status = 0
        except BaseException:  # noqa: BLE001 - told, and judged by who started us
            _tell(writer, "".join(traceback.format_exc().splitlines(keepends=True)[-14:]))
        finally:
            os._exit(status)

    def _reaped(self, child: tuple[int, int]) -> tuple[int, list[str]]:
        pid, reader = child
        with os.fdopen(reader) as words:
            said = [json.loads(line) for line in words]
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), said


def _tell(descriptor: int, word: str) -> None:
    os.write(descriptor, json.dumps(word).encode() + b"\n")


def chosen(calls: Sequence[Call], way: Way, every: int, dice: random.Random) -> list[int]:
    """The numbers at which this way strikes: all, or every k-th from a random one on."""
    counted = [call for call in calls if call.classes & way.counted]
    fitting = [number for number, call in enumerate(counted, 1) if call.classes & way.fitting]
    return fitting[dice.randrange(every) :: every] if every > 1 else fitting


def run(paths: Sequence[WritePath], every: Callable[[WritePath], int], seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the table, and failures, as they come."""
    dice = random.Random(seed)
    memory = Path("/dev/shm")
    gc.freeze()  # the children share all of this
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        bench = Bench(Path(folder).resolve())
        for path in paths:
            bench.prepare(path)
            calls = bench.calls(path, Class.CHANGE | Class.READ)
            for way in WAYS:
                numbers = chosen(calls, way, every(path), dice)
                lost = 0
                for number in numbers:
                    fault = bench.point(path, way, number)
                    if fault is not None:
                        lost += 1
                        counted = [call for call in calls if call.classes & way.counted]
                        at = counted[number - 1]
                        where = f"{at.name} {at.path.removeprefix(str(bench.place))}"
                        yield {"lost": path.name, "way": way.name, "number": number, "call": where, "fault": fault}
                yield {"path": path.name, "way": way.name, "tried": len(numbers), "survived": len(numbers) - lost}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="write paths with this in their name; repeatable"
    )
    parser.add_argument("--every", type=int, default=1, metavar="K", help="every K-th point of a write path")
    parser.add_argument("--every-dear", type=int, metavar="K", help="of those that cost much; K as above if not given")
    parser.add_argument(
        "--all-of", action="append", default=[], metavar="NAME", help="all points of this one all the same"
    )
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    dear = wanted.every if wanted.every_dear is None else wanted.every_dear
    paths = [path for path in WRITE_PATHS if not wanted.only or any(name in path.name for name in wanted.only)]

    def every(path: WritePath) -> int:
        if any(name in path.name for name in wanted.all_of):
            return 1
        return int(dear if path.dear else wanted.every)

    failed = False
    for row in run(paths, every, wanted.seed):
        failed |= "lost" in row
        print(json.dumps(row), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
