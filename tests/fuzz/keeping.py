"""Choose which inputs are kept: few and small ones that together reach all that all of them reach."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import swarmchat
from tests.fuzz import targets

KEPT_BYTES_MAX = 80_000  # for each target; the replay is part of every test run
_PACKAGE = str(Path(swarmchat.__file__).parent)

Step = tuple[str, int, int]  # file, line before, line


def keep(name: str, found: Path, *, fresh: bool = False) -> str:
    """Add to the kept corpus what of `found` leads to new steps through the code; `fresh`: choose anew among both."""
    target, folder = targets.load(name), targets.CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    old = {path: path.read_bytes() for path in targets.kept(name)}
    new = {data for path in found.glob("*") if len(data := path.read_bytes()) <= KEPT_BYTES_MAX}
    reached: set[Step] = set()
    chosen: list[bytes] = []
    if fresh:
        new |= set(old.values())
    else:
        chosen = sorted(old.values())
        for data in chosen:
            reached |= steps(target, data)
    room = KEPT_BYTES_MAX - sum(map(len, chosen))
    for data in _smallest_first(new - set(chosen)):
        if len(data) > room:
            break
        added = steps(target, data) - reached
        if added:
            reached |= added
            chosen.append(data)
            room -= len(data)
    for path in old:
        path.unlink()
    for data in chosen:
        (folder / targets.label(data)).write_bytes(data)
    return f"{len(chosen)} inputs, {sum(map(len, chosen)):,} bytes, {len(reached):,} steps"


def steps(target: targets.Target, data: bytes) -> set[Step]:
    """The steps from line to line inside the package that an input makes."""
    taken: set[Step] = set()

    def called(frame: FrameType, _what: str, _value: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE):
            return None
        last = 0

        def line(frame: FrameType, what: str, _value: Any) -> Any:
            nonlocal last
            if what == "line":
                taken.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(called)
    try:
        target.run(data)
    finally:
        sys.settrace(before)
    return taken


def _smallest_first(inputs: Iterable[bytes]) -> list[bytes]:
    return sorted(inputs, key=lambda data: (len(data), data))
