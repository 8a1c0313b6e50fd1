"""The door between the swarm and the DHT: what is put under a key, what is found there. (SCP-05 §1)

Behind it stands the DHT, or a table in memory (simulations), or nothing that ever answers; the swarm cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey


@dataclass(frozen=True, slots=True)
class Entry:
    """What we want to stand under a key; `data` is sealed or veiled already. ValueError beyond the bounds of a record.

    `salt` tells our entries under one key apart, `bits` is the work that shows we mean it.
    """

    key: DhtKey
    salt: bytes
    data: bytes
    ttl_s: int = limits.DHT_TTL_MAX_S
    bits: int = limits.DHT_WORK_BITS

    def __post_init__(self) -> None:
        if len(self.key) != limits.DHT_KEY_BYTES:
            raise ValueError("a DHT key has 20 bytes")
        if len(self.salt) > limits.DHT_SALT_BYTES_MAX or len(self.data) > limits.DHT_DATA_BYTES_MAX:
            raise ValueError("a DHT entry holds 16 bytes of salt and 3,840 of data at most")
        if not 1 <= self.ttl_s <= limits.DHT_TTL_MAX_S or not 0 <= self.bits <= limits.DHT_WORK_BITS_MAX:
            raise ValueError("a DHT entry lives 1 to 600 s and shows at most 24 bits of work")


@dataclass(frozen=True, slots=True)
class Found:
    """One value read under a key: its form, age and work hold, but nobody vouches for what it says.

    `writer` is a pseudonym (32 bytes): another one for each key, so it says no more than "the same as a moment ago".
    """

    key: DhtKey
    salt: bytes
    data: bytes
    created_s: int
    writer: bytes


class Directory(Protocol):
    """Values under keys, kept for minutes by strangers. None of it raises for what the network does."""

    async def put(self, entry: Entry) -> int:
        """Store once; how many replicas hold it (0: nobody answered, or a newer value of ours stands there)."""
        ...

    async def get(self, key: DhtKey) -> list[Found]:
        """The union over the replicas, the newest of each writer and salt."""
        ...

    def watch(self, key: DhtKey, found: Callable[[Found], None]) -> Callable[[], None]:
        """Tell what stands under the key and what comes later, each value once; returns what ends it."""
        ...

    def publish(self, name: str, make: Callable[[float], Entry | None]) -> None:
        """Put what `make(now)` gives, now and every 300 s ± 10 %; again in 15 s where nobody took it.

        None: nothing this time. A name that is there already gets the new `make`, and is put at once.
        """
        ...

    def withdraw(self, name: str) -> None:
        """Publish no longer; what was put fades within its ttl. An unknown name is no mistake."""
        ...

    @property
    def connected(self) -> bool:
        """Whether any node of the DHT answers at present."""
        ...
