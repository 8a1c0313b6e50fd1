"""What may differ between networks, nodes and tests; everybody else uses what stands here. (SCP-05 §1.14–§1.20)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat import limits


@dataclass(frozen=True, slots=True)
class DhtSettings:
    """`client`: True never to serve, False to serve at once, None to find out. Nodes of two `network`s do not hear each other.

    `puzzle_bits` and `work_bits` are asked of others; seconds for the intervals, bytes for the store.
    """

    network: str = "swarmchat"
    client: bool | None = None
    home: bool = True  # private addresses are private; False where one machine plays the world
    contacts: int = limits.DHT_BUCKET_CONTACTS
    alpha: int = limits.DHT_ALPHA
    replicas: int = limits.DHT_REPLICAS
    puzzle_bits: int = limits.DHT_PUZZLE_BITS
    work_bits: int = limits.DHT_WORK_BITS
    requests_per_s: float = limits.DHT_REQUESTS_PER_S
    requests_burst: float = limits.DHT_REQUESTS_BURST
    put_every_s: float = limits.DHT_PUT_EVERY_S
    put_again_s: float = limits.DHT_PUT_AGAIN_S
    renew_s: float = limits.DHT_RENEW_S
    renew_client_s: float = limits.DHT_RENEW_CLIENT_S
    storage_bytes: int = limits.DHT_STORAGE_BYTES_MAX
    tick_s: float = limits.DHT_TICK_S
    neighbours_s: float = limits.DHT_NEIGHBOURS_S
