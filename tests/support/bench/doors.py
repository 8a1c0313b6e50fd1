"""The row about the ways in: commands as processes, calls and events over HTTP. (SCP-08 §3.2)"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
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
    stream, heard, late = door.events(), dict[str, float](), list[float]()

    def listen() -> None:
        for event in stream:
            if event["type"] == "message.added":
                written = datetime.fromisoformat(
                    event["time"]
                ).timestamp()  # right after the commit, cut to milliseconds
                late.append((time.time() - written) * 1e3)
                heard[event["data"]["id"]] = time.perf_counter()
                if len(heard) == count:
                    return

    listening = Thread(target=listen, daemon=True)
    listening.start()
    began: dict[str, float] = {}
    for _ in range(count):
        start = time.perf_counter()
        sent: Any = door.call("message.send", conversation=room, text="who hears it")
        began[sent["id"]] = start
        time.sleep(0.01)  # each alone: no batch hides what one costs
    listening.join(_PATIENCE_S)
    note = f"p95 {p95(late):.2g} ms"
    yield Figure("from an event's time to a stream that has it, p50", p50(late), "ms", at_most(5, _SOURCE), note)
    whole = [(heard[one] - start) * 1e3 for one, start in began.items()]
    yield Figure("from a call over HTTP to a stream that has its event, commit included, p50", p50(whole), "ms")


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "swarmchat", *arguments], cwd=ROOT, check=True, capture_output=True)
