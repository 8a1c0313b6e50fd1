"""A browser for all of these tests, and three nodes that know each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import NEEDS, PATIENCE_MS, Seat, available, chromium, seat, with_door
from tests.support.process import NodeProcess, found_room, introduce, nodes


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not available():
        pytest.skip(NEEDS)
    from playwright.sync_api import expect  # noqa: PLC0415 - as above

    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def people(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, ...]]:
    """Ann, Ben and Cem, linked."""
    with nodes(tmp_path_factory.mktemp("people"), "Ann", "Ben", "Cem") as made:
        introduce(*made)
        yield made


@pytest.fixture(scope="session")
def harbour(people: tuple[NodeProcess, ...]) -> str:
    """A conversation of all three. Most tests share it: a sender may ask somebody only so often an hour (SCP-06 §9)."""
    return found_room(*people, title="Harbour")


@pytest.fixture
def ann(people: tuple[NodeProcess, ...]) -> NodeProcess:
    return people[0]


@pytest.fixture
def ben(people: tuple[NodeProcess, ...]) -> NodeProcess:
    return people[1]


@pytest.fixture
def cem(people: tuple[NodeProcess, ...]) -> NodeProcess:
    return people[2]


@contextmanager
def alone(browser: Any, folder: Path, name: str = "Dora", **context: Any) -> Iterator[Seat]:
    """Somebody with a node of her own, whose page keeps its address when the node is started again."""
    node = with_door(NodeProcess(folder / name.lower(), name))
    try:
        node.did("account", "create", "--name", name)
        node.start()
        with seat(browser, node, **context) as taken:
            yield taken.log_in()
    finally:
        if node.process is not None:
            node.kill()
