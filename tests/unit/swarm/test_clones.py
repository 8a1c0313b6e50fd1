"""How long who writes waits for a conversation that was accepted just now."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from swarmchat.ids import AccountId, ConversationId
from swarmchat.limits import WRITE_PATIENCE_S
from swarmchat.swarm.clones import Clones

HERE, ANN, BEN = ConversationId("a" * 40), AccountId("b" * 40), AccountId("c" * 40)
ACCEPTED_MS = 1_000_000


def clones(age_ms: float) -> Clones:
    parts: Any = SimpleNamespace(
        now_ms=ACCEPTED_MS + age_ms,
        state=SimpleNamespace(conversations={HERE: SimpleNamespace(added_ms=ACCEPTED_MS)}),
        access=SimpleNamespace(sources_of=lambda _: frozenset({ANN})),
    )
    nothing: Any = None
    return Clones(parts, nothing, nothing, nothing, nothing)


@pytest.mark.parametrize(("more", "waits"), [(-1, True), (0, False)])
def test_it_is_coming_for_so_long_after_it_was_accepted_though_nobody_is_linked(more: int, waits: bool) -> None:
    young_or_old = clones(WRITE_PATIENCE_S * 1000 + more)
    assert young_or_old.is_coming(HERE, []) is waits
    assert young_or_old.is_coming(HERE, [BEN]) is waits, "who does not have it brings nothing"
    assert young_or_old.is_coming(HERE, [ANN]), "from who is linked and has it"
