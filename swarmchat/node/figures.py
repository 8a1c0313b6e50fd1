"""What a running node counts, for Prometheus: the names with their meaning, and their text format. (SCP-08 §3.2)"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from swarmchat import __version__

if TYPE_CHECKING:
    from swarmchat.node.node import Node

_NAME: Final = re.compile(r"[a-z_]+")


class Figure(NamedTuple):
    """One name: what Prometheus calls its kind, and what it counts."""

    kind: str
    summary: str


FIGURES: Final[Mapping[str, Figure]] = MappingProxyType(
    {
        "swarmchat_info": Figure("gauge", "1; its label says the version"),
        "swarmchat_ready": Figure("gauge", "1 when links are accepted and the state is loaded, else 0"),
        "swarmchat_revoked": Figure("gauge", "1 when this device is no longer one of its account"),
        "swarmchat_links": Figure("gauge", "links that stand"),
        "swarmchat_conversations": Figure("gauge", "conversations of this node, by state"),
        "swarmchat_commits": Figure("gauge", "commits of all conversations, as far as events tell of them"),
        "swarmchat_requests": Figure("gauge", "invitations and contact requests that wait"),
        "swarmchat_contacts": Figure("gauge", "contacts"),
        "swarmchat_events_total": Figure("counter", "the number of the newest event"),
        "swarmchat_dht_connected": Figure("gauge", "1 when the DHT answers"),
        "swarmchat_http_requests_total": Figure("counter", "HTTP requests answered, by status"),
        "swarmchat_http_streams": Figure("gauge", "HTTP clients that wait for events"),
        "swarmchat_http_cut_total": Figure("counter", "HTTP clients that were hung up on because they did not read"),
        "process_cpu_seconds_total": Figure("counter", "processor time, user and system"),
        "process_resident_memory_bytes": Figure("gauge", "memory in use"),
        "process_open_fds": Figure("gauge", "open file descriptors"),
        "process_start_time_seconds": Figure("gauge", "when the node began, in seconds since 1970"),
    }
)


async def of(node: Node, *, is_ready: bool) -> dict[str, float]:
    """The figures of a node now, those of its DHT too (SCP-05 §1.22)."""
    state = node.keeper.state
    by_state = Counter(str(known.state) for known in state.conversations.values())
    commits = await node.runtime.offload(lambda: sum(node.journal.told(one) or 0 for one in list(state.conversations)))
    dht = node.dht.dht
    found: dict[str, float] = {
        f'swarmchat_info{{version="{__version__}"}}': 1,
        "swarmchat_ready": int(is_ready),
        "swarmchat_revoked": int(node.account.is_revoked),
        "swarmchat_links": len(node.swarm.links.links),
        **{f'swarmchat_conversations{{state="{name}"}}': count for name, count in sorted(by_state.items())},
        "swarmchat_commits": commits,
        "swarmchat_requests": len(state.requests),
        "swarmchat_contacts": len(state.contacts),
        "swarmchat_events_total": node.journal.last,
        "swarmchat_dht_connected": int(dht is not None and node.dht.connected),
        "process_start_time_seconds": node.started,
        **_process(),
    }
    return found | (dht.metrics() if dht is not None else {})


def page(figures: Mapping[str, float]) -> str:
    """The text format, version 0.0.4, names with their help where they stand in the table."""
    lines: list[str] = []
    last = ""
    for name, value in figures.items():
        match = _NAME.match(name)
        bare = match[0] if match else name
        if bare != last and bare in FIGURES:
            lines += [f"# HELP {bare} {FIGURES[bare].summary}", f"# TYPE {bare} {FIGURES[bare].kind}"]
        last = bare
        lines.append(f"{name} {int(value) if value == int(value) else repr(value)}")
    return "\n".join(lines) + "\n"


def _process() -> dict[str, float]:
    used = os.times()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "process_cpu_seconds_total": round(used.user + used.system, 2),
        "process_resident_memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "process_open_fds": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }
