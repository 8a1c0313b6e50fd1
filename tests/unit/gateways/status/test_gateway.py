"""What Status writes into a conversation, and what the law says of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.errors import RefusedError
from swarmchat.gateways.status.gateway import StatusGateway
from swarmchat.ids import ConversationId


def test_a_commit_that_the_law_refuses_is_refused_with_a_hint_as_any_other_is() -> None:
    """It said `SCP-02 §4.2 not-a-member`."""

    async def append(*_: object, **__: object) -> Rejection:
        return Rejection(Reason.NOT_A_MEMBER)

    gateway: Any = SimpleNamespace(_node=SimpleNamespace(swarm=SimpleNamespace(append=append)))
    with pytest.raises(RefusedError, match=r"^not a member$") as refused:
        asyncio.run(StatusGateway.write(gateway, ConversationId("a" * 40), "application/x"))
    assert "no longer" in str(refused.value.hint)
    assert refused.value.data["rule"] == "SCP-02 §4.2"
