"""The rows about more than one other: a message in a group until the last member is told of it, and a link that breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from swarmchat.account.home import Home
from tests.support.bench.lab import Lab, Watcher, pipelined, text
from tests.support.bench.measure import Figure, at_least, at_most, cpu_s, p50, p95
from tests.support.process import NodeProcess, found_room, introduce, same

_GOAL = "a goal of ours"
_WARMING = 3
_GAP_S = 0.05


def group(lab: Lab) -> Iterator[Figure]:
    """Daemons that are all linked: one sends, until the last of the others is told; then all it can, at once."""
    sizes = lab.sizes
    members = [lab.until_closed(lab.fresh(f"Member{number}")) for number in range(sizes.group)]
    introduce(*members)
    room = found_room(*members)
    for member in members:
        member.until(lambda member=member: all(member.linked(other) for other in members if other is not member))
    sender, others = members[0], members[1:]
    what = f"group of {sizes.group}"
    with ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(member)) for member in others]
        used = [_cpu_s(member) for member in members]
        took = [_post(sender, watchers, room, text(index)) for index in range(_WARMING + sizes.posts)][_WARMING:]
        cpu = [(_cpu_s(member) - was) / len(took) * 1e3 for member, was in zip(members, used, strict=True)]
        goal = at_most(15, _GOAL)
        yield Figure(f"{what}: live, the last member is told, p50", p50(took), "ms", goal, f"p95 {p95(took):.3g} ms")
        yield Figure(f"{what}: CPU of a message, all nodes", sum(cpu), "ms/message", None, f"sender {cpu[0]:.2g} ms")
        started = time.perf_counter()
        _, sent = pipelined(Home.locate(sender.home, {}), room, sizes.burst)
        ended = max(watcher.seen_at(each) for watcher in watchers for each in sent)
        yield Figure(
            f"{what}: messages one sends at once until all are told",
            sizes.burst / (ended - started),
            "messages/s",
            at_least(200, _GOAL),
        )
    same(room, *members)
    for member in members:
        member.stop()


def _post(sender: NodeProcess, watchers: list[Watcher], room: str, words: str) -> float:
    started = time.perf_counter()
    sent = sender.call("message.send", conversation=room, text=words)["id"]
    took = (max(watcher.seen_at(sent) for watcher in watchers) - started) * 1e3
    time.sleep(_GAP_S)
    return took


def _cpu_s(node: NodeProcess) -> float:
    assert node.process is not None
    return cpu_s(node.process.pid)


def cut(lab: Lab) -> Iterator[Figure]:
    """The link breaks, both write at once: until either is told of the other's words."""
    pair = lab.pair(lab.sizes.few)
    took = []
    with Watcher(pair.ann) as anns, Watcher(pair.ben) as bens:
        for index in range(lab.sizes.starts):
            pair.relay.cut()
            started = time.perf_counter()
            hers = pair.ann.call("message.send", conversation=pair.conversation, text=f"{index}: are you there?")["id"]
            his = pair.ben.call("message.send", conversation=pair.conversation, text=f"{index}: I was gone")["id"]
            took.append(max(bens.seen_at(hers), anns.seen_at(his)) - started)
    note = f"the longest {max(took):.3g} s; TCP connections closed, and accepted again at once"
    yield Figure("in step again after a broken link, p50", p50(took), "s", at_most(3, _GOAL), note)
