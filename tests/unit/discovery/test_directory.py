"""What may stand under a key of the DHT at all. (SCP-05 §1.2)"""

from __future__ import annotations

from typing import Any

import pytest

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.directory import Entry

KEY = DhtKey(bytes(20))


@pytest.mark.parametrize(
    "fields",
    [
        {"salt": bytes(limits.DHT_SALT_BYTES_MAX)},
        {"data": bytes(limits.DHT_DATA_BYTES_MAX)},
        {"ttl_s": 1},
        {"ttl_s": limits.DHT_TTL_MAX_S},
        {"bits": 0},
        {"bits": limits.DHT_WORK_BITS_MAX},
    ],
)
def test_an_entry_may_reach_each_bound(fields: dict[str, Any]) -> None:
    Entry(**{"key": KEY, "salt": b"", "data": b"", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"key": DhtKey(bytes(19))},
        {"key": DhtKey(bytes(21))},
        {"salt": bytes(limits.DHT_SALT_BYTES_MAX + 1)},
        {"data": bytes(limits.DHT_DATA_BYTES_MAX + 1)},
        {"ttl_s": 0},
        {"ttl_s": limits.DHT_TTL_MAX_S + 1},
        {"bits": -1},
        {"bits": limits.DHT_WORK_BITS_MAX + 1},
    ],
)
def test_an_entry_beyond_a_bound_is_a_mistake_of_ours(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a DHT"):
        Entry(**{"key": KEY, "salt": b"", "data": b"", **fields})
