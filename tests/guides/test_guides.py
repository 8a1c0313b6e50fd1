"""Every guide is run as it stands: each command typed at real terminals, what the screen shows compared with the page.

The convention, and what is arranged for the run, stand in docs/guide/README.md. A command that only reads is typed again for a
while when the screen does not show yet what the page says, as a person would. A command must succeed, unless the page asks
for its exit status next (`$ echo $?`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.cables import NEEDS, Laptop, available, one_cable
from tests.support.terminals import PATIENCE_S, READS, ROOT, Person, Terminal, pause
from tests.support.transcript import Done, PageError, Saved, Screen, Seen, Step, Typed, steps

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PAGES = sorted(
    path for path in [*(ROOT / "docs/guide").glob("*.md"), ROOT / "docs/hacking.md"] if path.name != "README.md"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_guide_is_true(page: Path, tmp_path: Path) -> None:
    plan = steps(page.read_text())
    assert plan, f"{page.name} has nothing to run"
    by_hand = any(isinstance(step, Done) for step in plan)
    if by_hand and not available():
        pytest.skip(f"{page.name} pulls cables: {NEEDS}")
    if shutil.which("curl") is None and any(isinstance(step, Typed) and "curl " in step.command for step in plan):
        pytest.skip(f"{page.name} types curl, which is not installed")
    with _people(tmp_path, plan, by_hand=by_hand) as (people, laptops):
        guide = _Guide(people, laptops, plan)
        for number, step in enumerate(plan):
            try:
                guide.take(number)
            except (AssertionError, PageError) as fault:
                pytest.fail(f"{page.relative_to(ROOT)}:{step.line}: {fault}", pytrace=False)


@contextmanager
def _people(folder: Path, plan: list[Step], *, by_hand: bool) -> Iterator[tuple[dict[str, Person], dict[str, Laptop]]]:
    names = sorted({_person(step.terminal) for step in plan if not isinstance(step, Done)})
    with ExitStack() as stack:
        serves = any(isinstance(step, Typed) and "dht serve" in step.command for step in plan)
        laptops = dict(zip(names, stack.enter_context(one_cable(len(names))), strict=True)) if by_hand else {}
        people = {}
        for name in names:
            cable = {"prefix": laptops[name].prefix, "config": None} if by_hand else {}
            people[name] = Person(folder, name, **cable)
            if serves or by_hand:
                people[name].has_dht_key(names.index(name))
            stack.callback(people[name].leave)
        yield people, laptops


def _person(terminal: str) -> str:
    return terminal.partition("-")[0]


class _Guide:
    def __init__(self, people: dict[str, Person], laptops: dict[str, Laptop], plan: list[Step]) -> None:
        self._people = people
        self._laptops = laptops
        self._plan = plan
        self._screen = Screen()

    def take(self, number: int) -> None:
        step = self._plan[number]
        match step:
            case Typed(running=True):
                self._terminal(step).type(self._screen.command(step.command))
                self._watch(step)
            case Typed(interrupted=True):
                self._terminal(step).type(self._screen.command(step.command))
                self._watch(step)
                self._interrupt(step)
            case Typed():
                self._type(step, may_fail=self._asks_for_status(number + 1))
            case Seen():
                self._watch(step)
                if step.interrupted:
                    self._interrupt(step)
            case Saved():
                person = self._people[_person(step.terminal)]
                (person.folder / step.name).write_text(step.text)
            case Done():
                self._by_hand(step.deed)

    def _type(self, step: Typed, *, may_fail: bool) -> None:
        command = self._screen.command(step.command)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            terminal = self._terminal(step)
            terminal.type(command)
            output, status = terminal.finish()
            right = self._screen.shows(output, step.shown) and (status == 0 or may_fail)
            if right or not READS.match(command) or time.monotonic() > deadline:
                break
            pause()
        assert right, _difference(command, step.shown, output, status)

    def _watch(self, step: Typed | Seen) -> None:
        def matches(text: str) -> int | None:
            return self._screen.begins(text, step.shown)

        instead = self._terminal(step).watch(matches)
        what = step.command if isinstance(step, Typed) else "what runs"
        assert instead is None, _difference(what, step.shown, instead or "", None)

    def _interrupt(self, step: Typed | Seen) -> None:
        terminal = self._terminal(step)
        terminal.interrupt()
        output, status = terminal.finish()
        assert not output.strip(), f"after Ctrl-C it said: {output}"
        assert status in {0, 130}, f"Ctrl-C ended it with status {status}"

    def _by_hand(self, deed: str) -> None:
        verb, _, name = deed.partition(" ")
        laptop = self._laptops[name.lower()]
        deeds: dict[str, Callable[[], None]] = {"unplug": laptop.unplug, "plug": laptop.plug}
        deeds[verb]()

    def _asks_for_status(self, number: int) -> bool:
        after = self._plan[number] if number < len(self._plan) else None
        return isinstance(after, Typed) and after.command == "echo $?"

    def _terminal(self, step: Typed | Seen) -> Terminal:
        return self._people[_person(step.terminal)].terminal(step.terminal)


def _difference(command: str, wanted: tuple[str, ...], output: str, status: int | None) -> str:
    ended = "" if status is None else f", exit status {status}"
    told = "\n".join(f"    {line}" for line in wanted) or "    (nothing)"
    shown = "\n".join(f"    {line}" for line in output.rstrip().splitlines()) or "    (nothing)"
    return f"$ {command}\n  the page says:\n{told}\n  the screen shows{ended}:\n{shown}"
