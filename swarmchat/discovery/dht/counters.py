"""What a node counts, under the names that Prometheus reads. (SCP-05 §1.22)"""

from __future__ import annotations

from collections import Counter
from typing import Final

_PREFIX: Final = "swarmchat_dht_"
_LABELS: Final = {
    "rpc_sent_total": "method",
    "rpc_served_total": "method",
    "lookup_seconds_sum": "op",
    "lookup_seconds_count": "op",
    "puts_refused_total": "reason",
    "records_rejected_total": "reason",
    "notifications_total": "direction",
    "datagrams_dropped_total": "reason",
    "contacts": "family",
    "subscriptions": "role",
}


class Counters:
    """Sums that only grow; a name and, where the name has one, the value of its label."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, amount: float = 1, label: str = "") -> None:
        """Add to one sum."""
        self._sums[name, label] += amount  # type: ignore[assignment] # seconds are summed as well

    def total(self, name: str, label: str = "") -> float:
        """One sum as it stands."""
        return self._sums[name, label]

    def rendered(self, gauges: dict[tuple[str, str], float]) -> dict[str, float]:
        """All sums and these present values, by their full names, sorted."""
        return {_full(name, label): value for (name, label), value in sorted({**self._sums, **gauges}.items())}


def _full(name: str, label: str) -> str:
    return f'{_PREFIX}{name}{{{_LABELS[name]}="{label}"}}' if label else _PREFIX + name
