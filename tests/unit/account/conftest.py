from __future__ import annotations

import pytest

from swarmchat import limits


@pytest.fixture(autouse=True)
def cheap_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The costs are tested where sealing is; here they would only take time."""
    monkeypatch.setattr(limits, "ARGON2_TIME", 1)
    monkeypatch.setattr(limits, "ARGON2_MEMORY_KIB", 64)
