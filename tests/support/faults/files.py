"""What must hold of the search index, and of files that are written for people, whatever becomes of the writer. (SCP-08 §2.9, §3.4)"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from swarmchat import disk
from swarmchat.errors import StorageError
from swarmchat.index.query import parse
from swarmchat.index.search import Line, Scope, SearchIndex, Taken
from tests.support.accounts import account, commit, conversation

Say = Callable[[str], None]

ROOM = conversation(1)
_MANY = 40
_PIECES = 20


# --- the search index


def index(folder: Path) -> SearchIndex:
    found = SearchIndex(folder / "search")
    found.count()
    return found


def prepare_index(folder: Path) -> None:
    made = index(folder)
    take(made, folder, lambda word: None)
    made.close()


def prepare_old_index(folder: Path) -> None:
    prepare_index(folder)
    with closing(sqlite3.connect(folder / "search")) as file, file:
        file.execute("PRAGMA user_version = 99")


def take(found: SearchIndex, _folder: Path, say: Say) -> None:
    """Some more, and one that stands there already otherwise."""
    taken = found.taken(ROOM)
    start = taken.commits if taken else 0
    lines = [Line(number, account(1), number, f"boat {number}") for number in range(start, start + _MANY)]
    if start:
        lines.append(Line(0, account(1), 0, f"boat 0, as of {start}"))
    if not found.take(ROOM, taken, lines, Taken(start + _MANY, commit(start))):
        raise StorageError("begun anew", hint="take all in again")
    say(str(start + _MANY))


def take_anew(_nobody: None, folder: Path, say: Say) -> None:
    found = SearchIndex(folder / "search")
    try:
        take(found, folder, say)
    finally:
        found.close()


def check_index(folder: Path, said: Sequence[str]) -> None:
    """What is told to be taken in is there, and nothing else."""
    found = index(folder)
    taken = found.taken(ROOM)
    begun_anew = any(folder.glob("search.damaged-*"))
    assert begun_anew or not said or (taken is not None and taken.commits >= int(said[-1]))
    hits = found.find(parse("boat"), Scope([ROOM]), 10_000)
    numbers = sorted(hit.number for hit in hits)
    assert numbers == list(range(taken.commits if taken else 0)), f"of {taken} there are {numbers}; told {said}"
    if taken is not None and taken.commits > _MANY:
        (first,) = found.find(parse('"boat 0, as of"'), Scope([ROOM]), 10)
        assert first.number == 0
    take(found, folder, lambda word: None)
    found.close()
    with closing(sqlite3.connect(folder / "search")) as file, file:
        file.execute("INSERT INTO gram (gram, rank) VALUES ('integrity-check', 1)")


# --- files for people


def write_new(_nobody: None, folder: Path, say: Say) -> None:
    path = folder / f"out {len(list(folder.glob('out *')))}"
    with disk.new_file(path) as file:
        for _ in range(_PIECES):
            file.write(b"boat " * 2_000)
    say(path.name)


def check_new(folder: Path, said: Sequence[str]) -> None:
    assert all((folder / name).exists() for name in said)
    for path in folder.glob("out *"):
        assert path.read_bytes() == b"boat " * 2_000 * _PIECES, f"{path} is torn"
    write_new(None, folder, lambda word: None)
