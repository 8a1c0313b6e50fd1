"""Try mutants fast: pytest collects once, and every mutant gets a fork in which the functions of its module are exchanged.

Only the tests that reach the changed line are run, the quickest first, until one fails.
"""

from __future__ import annotations

import ast
import gc
import importlib
import itertools
import os
import pickle
import select
import signal
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.operators import Mutant, mutants

PATIENCE_S = 5.0  # CPU time on top of three times what a test takes unchanged and traced: then it is an endless loop


@dataclass
class Outcome:
    """What became of the mutants of one module."""

    module: str
    killed: int = 0
    endless: int = 0  # of the killed
    survived: list[Mutant] = field(default_factory=list)
    unreached: list[Mutant] = field(default_factory=list)  # of the survivors: no test comes there

    @property
    def total(self) -> int:
        """How many there were."""
        return self.killed + len(self.survived)


@dataclass
class _Test:
    item: pytest.Item
    seconds: float
    lines: frozenset[tuple[str, int]]  # module, line


class Laboratory:
    """A pytest plugin that tries mutants instead of running the tests, `jobs` at a time."""

    def __init__(
        self, modules: list[str], told: Callable[[str, Mutant, str], None], wanted: list[str], jobs: int, stride: int
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._modules = modules
        self._told = told
        self._wanted = wanted
        self._jobs = jobs
        self._stride = stride
        self._noticed: Counter[tuple[str, str]] = Counter()  # by function and test

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        tests = self._unchanged(session)
        loaded = [importlib.import_module(name) for name in self._modules]
        gathered = [_functions(module) for module in loaded]
        gc.collect()
        gc.freeze()  # what is looked through in a fork is copied
        for name, module, functions in zip(self._modules, loaded, gathered, strict=True):
            self.outcomes.append(self._module(name, Path(str(module.__file__)).read_text(), functions, tests))
        return True

    def _module(self, name: str, source: str, functions: list[FunctionType], tests: list[_Test]) -> Outcome:
        self._check_the_check(name, functions, source, tests)
        outcome = Outcome(name)
        running: list[tuple[Mutant, _Fork]] = []
        for mutant in itertools.islice(mutants(source), 0, None, self._stride):
            if self._wanted and not any(text in str(mutant) for text in self._wanted):
                continue
            lines = {(name, line) for line in (mutant.statement, *mutant.lines)}
            found = [one for one in tests if not one.lines.isdisjoint(lines)]
            if not found:
                outcome.unreached.append(mutant)
                self._enter(outcome, mutant, "unreached")
                continue
            if len(running) == self._jobs:
                self._finish(outcome, running)
            running.append((mutant, self._start(name, functions, mutant, found)))
        while running:
            self._finish(outcome, running)
        return outcome

    def _finish(self, outcome: Outcome, running: list[tuple[Mutant, _Fork]]) -> None:
        done = select.select([fork.reading for _, fork in running], [], [])[0][0]
        place = next(place for place, (_, fork) in enumerate(running) if fork.reading == done)
        mutant, fork = running.pop(place)
        self._enter(outcome, mutant, self._fate(mutant, fork.answer()))

    def _enter(self, outcome: Outcome, mutant: Mutant, fate: str) -> None:
        outcome.killed += fate in ("killed", "endless")
        outcome.endless += fate == "endless"
        if fate in ("survived", "unreached"):
            outcome.survived.append(mutant)
        self._told(outcome.module, mutant, fate)

    def _check_the_check(self, name: str, functions: list[FunctionType], source: str, tests: list[_Test]) -> None:
        """What is put in place of the module without a mistake must go unnoticed, or every kill means nothing."""
        same = Mutant(range(1), 0, "", "nothing", ast.parse(source))
        quick = [one for one in tests if one.seconds < 0.2 and any(module == name for module, _ in one.lines)]
        fate = self._fate(same, self._start(name, functions, same, quick).answer())
        assert fate == "survived", f"{name} exchanged for itself: {fate}"

    def _unchanged(self, session: pytest.Session) -> list[_Test]:
        """The tests that pass as things are, what they take, and where they come by."""
        files = {str(importlib.import_module(name).__file__): name for name in self._modules}

        def measure() -> list[tuple[int, bool, float, frozenset[tuple[str, int]]]]:
            rows = []
            for number, item in enumerate(session.items):
                lines: set[tuple[str, int]] = set()

                def called(frame: FrameType, _what: str, _value: Any, lines: set[tuple[str, int]] = lines) -> Any:
                    name = files.get(frame.f_code.co_filename)
                    if name is None:
                        return None

                    def line(frame: FrameType, what: str, _value: Any) -> Any:
                        if what == "line":
                            lines.add((name, frame.f_lineno))
                        return line

                    return line

                started = time.process_time()
                sys.settrace(called)
                passed = _passes(item)
                sys.settrace(None)
                rows.append((number, passed, time.process_time() - started, frozenset(lines)))
            return rows

        rows = pickle.loads(_Fork(lambda: pickle.dumps(measure()), 1_800.0).answer() or pickle.dumps([]))
        failing = [session.items[number].nodeid for number, passed, *_ in rows if not passed]
        if failing or not rows:
            print(f"not used, since they fail unchanged: {', '.join(failing) or 'all'}", file=sys.stderr)
        return [_Test(session.items[number], taken, lines) for number, passed, taken, lines in rows if passed]

    def _start(self, name: str, functions: list[FunctionType], mutant: Mutant, tests: list[_Test]) -> _Fork:
        code = compile(mutant.tree, str(functions[0].__code__.co_filename), "exec")
        own = f"test_{name.rpartition('.')[2]}.py"

        def turn(test: _Test) -> tuple[int, bool, float]:  # what noticed a mistake near by, the module's own, the quick
            return -self._noticed[mutant.function, test.item.nodeid], own not in test.item.nodeid, test.seconds

        def attempt() -> bytes:
            _exchange(functions, code)
            for one in sorted(tests, key=turn):
                signal.setitimer(signal.ITIMER_PROF, PATIENCE_S + 3 * one.seconds)
                if not _passes(one.item):
                    return one.item.nodeid.encode()
            return b"-"

        return _Fork(attempt, PATIENCE_S)

    def _fate(self, mutant: Mutant, answer: bytes | None) -> str:
        assert answer != b"", f"the attempt itself broke: {mutant}"
        if answer is None:
            return "endless"
        if answer == b"-":
            return "survived"
        self._noticed[mutant.function, answer.decode()] += 1
        return "killed"


def _passes(item: pytest.Item) -> bool:
    return all(not report.failed for report in runtestprotocol(item, log=False, nextitem=None))


class _Fork:
    """What `work` gives, in a process of its own that has `patience` seconds of CPU time."""

    def __init__(self, work: Callable[[], bytes], patience: float) -> None:
        self.reading, writing = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(writing)
            return
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process
            signal.setitimer(signal.ITIMER_PROF, patience)
            answer = work()
            while answer:
                answer = answer[os.write(writing, answer) :]
        finally:
            os._exit(0)

    def answer(self) -> bytes | None:
        """Wait for it: empty when the process broke, None when its time was over."""
        parts = []
        while part := os.read(self.reading, 1 << 20):
            parts.append(part)
        os.close(self.reading)
        _, status = os.waitpid(self._child, 0)
        return None if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF else b"".join(parts)


def _functions(module: types.ModuleType) -> list[FunctionType]:
    found = (one for one in gc.get_objects() if isinstance(one, FunctionType))
    return [function for function in found if function.__globals__ is module.__dict__]


def _exchange(functions: list[FunctionType], code: CodeType) -> None:
    """Give the functions of a module the code of the mutant; who imported them has the same function objects."""
    new = {(one.co_qualname, one.co_firstlineno): one for one in _codes(code)}
    for function in functions:
        twin = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if twin is not None and twin.co_freevars == function.__code__.co_freevars:
            function.__code__ = twin


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)
