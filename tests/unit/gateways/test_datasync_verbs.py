"""What is shown of data sync."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.messages import Type
from swarmchat.gateways.datasync.payload import MessageId, PeerId
from swarmchat.gateways.datasync.verbs import _receipts
from swarmchat.limits import DATASYNC_RECEIPTS_SHOWN_MAX as MOST

ANN = PeerId(Secret(b"\1" * 32).public.raw)


@pytest.mark.parametrize("more", [0, 1])
def test_of_many_receipts_the_newest_are_shown_newest_first(more: int) -> None:
    ids = [MessageId(number.to_bytes(32)) for number in range(MOST + more)]
    said: dict[MessageId, Any] = {
        one: SimpleNamespace(
            number=number,
            message=SimpleNamespace(id=one),
            commit=f"{number:040x}",
            client=SimpleNamespace(type=Type.JOIN),
            body=None,
            sender=ANN,
        )
        for number, one in enumerate(ids)
    }
    ledger: Any = SimpleNamespace(said=said.get)
    shown = _receipts(ledger, [(one, ANN) for one in ids])
    assert [row["message"] for row in shown] == [one.hex() for one in reversed(ids[more:])]
    assert len(shown) == MOST
