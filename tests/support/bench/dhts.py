"""The rows about the DHT, beside the stock kademlia package in the same run. (SCP-05 §1)"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.support.bench.lab import Lab
from tests.support.bench.measure import Figure, Goal, at_least, at_most
from tests.support.bench.peer import ROOT

_SOURCE = "SCP-05 §1"
_CHURN_FROM = 100  # nodes; in a smaller network half of the nodes are no majority, and the stock package takes minutes
_PHASES = {
    "get": "no churn",
    "get lossy": "20 % of datagrams lost",
    "get 10": "10 % killed at once",
    "get 30": "30 % killed at once",
    "get 50": "50 % killed at once",
}
_GET = {"get": at_most(0.3, _SOURCE), "get 50": at_most(1.3, _SOURCE)}


def dht(lab: Lab) -> Iterator[Figure]:
    """Networks in one process on loopback: what is found, how soon, what a node costs."""
    sizes = lab.sizes
    for nodes in sizes.dht_nodes:
        numbers = [nodes, sizes.dht_gets, sizes.dht_puts, int(nodes >= _CHURN_FROM)]
        ours, stock = (_measured(kind, "measure", *numbers) for kind in ("ours", "stock"))
        yield from _compared(nodes, ours, stock)
        push = Figure("", ours["push"] * 1e3, "ms", at_most(60, _SOURCE), "from the begin of the put to the callback")
        yield Figure(f"dht {nodes:,}: push, p50", push.value, push.unit, push.goal, push.note)
        yield Figure(
            f"dht {nodes:,}: memory of a node at rest",
            ours["kb"],
            "kB",
            at_most(300, _SOURCE),
            f"stock {stock['kb']:.0f}",
        )
    nodes = min(100, *sizes.dht_nodes)
    ours, stock = (_searched(kind, nodes, sizes.dht_search_s) for kind in ("ours", "stock"))
    note = f"{ours['cpu_ms']:.2g} ms of its CPU each; stock {stock['rate']:.0f}, {stock['cpu_ms']:.2g} ms"
    yield Figure(f"dht {nodes:,}: searches of one node", ours["rate"], "a second", at_least(200, _SOURCE), note)


def _compared(nodes: int, ours: dict[str, Any], stock: dict[str, Any]) -> Iterator[Figure]:
    for phase, words in _PHASES.items():
        if phase not in ours:
            continue
        found, theirs = ours[phase], stock[phase]
        yield Figure(
            f"dht {nodes:,}: gets that succeed, {words}",
            100 * found["good"],
            "%",
            at_least(100, _SOURCE),
            f"stock {100 * theirs['good']:.0f}",
        )
        yield _seconds(f"dht {nodes:,}: read of all replicas, {words}, p50", found, theirs, _GET.get(phase))
        put = phase.replace("get", "put")
        if put in ours:
            goal = at_most(1.5, _SOURCE) if put in {"put", "put 50"} else None
            yield _seconds(f"dht {nodes:,}: put, {words}, p50", ours[put], stock[put], goal)


def _seconds(what: str, ours: dict[str, float], stock: dict[str, float], goal: Goal | None) -> Figure:
    note = f"p95 {ours['p95']:.2g}; stock p50 {stock['p50']:.2g}, p95 {stock['p95']:.2g}"
    if ours["good"] < 1 or stock["good"] < 1:
        note += f"; done {100 * ours['good']:.0f} %, stock {100 * stock['good']:.0f} %"
    return Figure(what, ours["p50"], "s", goal, note)


def _measured(kind: str, *arguments: object) -> dict[str, Any]:
    done = subprocess.run(_command(kind, *arguments), capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _searched(kind: str, nodes: int, seconds: float) -> dict[str, Any]:
    """A network in one process, who searches it in another."""
    with subprocess.Popen(
        _command(kind, "serve", nodes), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as network:
        assert network.stdout is not None
        port = int(network.stdout.readline())
        return _measured(kind, "search", port, seconds)


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.support.bench.dht_network", *map(str, arguments)]
