"""The row about the ways in: commands as processes, calls and events over HTTP. (SCP-08 §3.2)"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from threading import Thread
from typing import Any

from swarmchat.api.bots import Node, connect
from tests.support.bench.lab import Lab
from tests.support.bench.measure import Figure, at_most, p50, p95, rss_mib, timed_ms
from tests.support.bench.peer import ROOT
from tests.support.process import NodeProcess

_SOURCE = "issue 6"
_PATIENCE_S = 30.0


def http(lab: Lab) -> Iterator[Figure]:
    """A program from its start to its end, and the same things asked by who stays connected."""
    made, sizes = lab.copy(lab.sizes.messages), lab.sizes
    node = NodeProcess(made.path, "Ann", options=("--listen", "127.0.0.1:0", "--no-lan", "--no-dht"))
    lab.until_closed(node)
    assert node.process is not None
    pid, room = node.process.pid, made.conversation
    starts = range(max(sizes.starts, 5))
    home = ("--home", str(made.path))
    took = [timed_ms(partial(_run, "--help")) for _ in starts]
    yield Figure("`swarmchat --help`, a process, p50", p50(took), "ms", at_most(150, _SOURCE))
    took = [timed_ms(partial(_run, *home, "send", room, "from a process")) for _ in starts]
    yield Figure("`swarmchat send` to a daemon, a process, p50", p50(took), "ms", at_most(250, _SOURCE))
    before = rss_mib(pid)
    link = str(node.call("web.link")["link"])
    with connect(link) as door:
        door.call("account.show")
        yield Figure(
            "opening HTTP takes", rss_mib(pid) - before, "MiB", note="of a daemon that was asked a page before"
        )
        page = partial(door.call, "message.list", conversation=room, limit=50)
        page()
        took = [timed_ms(page) for _ in starts]
        yield Figure(f"the last 50 of {sizes.messages:,} over HTTP, p50", p50(took), "ms", at_most(50, _SOURCE))
        took = [
            timed_ms(partial(door.call, "message.send", conversation=room, text="over HTTP"))
            for _ in range(sizes.posts)
        ]
        yield Figure("send over HTTP, a connection each, p50", p50(took), "ms")
        yield from _heard(door, room, sizes.posts)
    node.stop()


def _heard(door: Node, room: str, count: int) -> Iterator[Figure]:
    stream, heard = door.events(), dict[str, float]()

    def listen() -> None:
        for event in stream:
            if event["type"] == "message.added":
                heard[event["data"]["id"]] = time.perf_counter()
                if len(heard) == count:
                    return

    listening = Thread(target=listen, daemon=True)
    listening.start()
    answered: dict[str, tuple[float, float]] = {}
    for _ in range(count):
        began = time.perf_counter()
        sent: Any = door.call("message.send", conversation=room, text="who hears it")
        answered[sent["id"]] = (began, time.perf_counter())
        time.sleep(0.01)  # each alone: no batch hides what one costs
    listening.join(_PATIENCE_S)
    after = [(heard[one] - told) * 1e3 for one, (_, told) in answered.items()]
    whole = [(heard[one] - began) * 1e3 for one, (began, _) in answered.items()]
    note = f"after the answer to the sender: p50 {p50(after):.2g} ms, p95 {p95(after):.2g} ms"
    yield Figure(
        "send over HTTP until a stream has the event, commit included, p50", p50(whole), "ms", at_most(5, _SOURCE), note
    )


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "swarmchat", *arguments], cwd=ROOT, check=True, capture_output=True)
