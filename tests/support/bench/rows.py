"""The rows: each measures one promise of the spec and gives the figures. (SCP-04 §8, SCP-03 §11)"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation.timeline import Timeline
from swarmchat.ids import ConversationId
from swarmchat.node.offline import open_commands
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm import transfer
from swarmchat.swarm.messages import PackRequest
from tests.support.bench import dhts, doors, groups, searching, wires
from tests.support.bench.lab import Clone, Filled, Lab, Pair, Watcher, pipelined, text
from tests.support.bench.measure import (
    Figure,
    at_least,
    at_most,
    cpu_s,
    fsync_ms,
    p50,
    p95,
    rss_mib,
    sha256_gb_s,
    timed_ms,
)
from tests.support.bench.peer import ROOT, Helper, helper
from tests.support.linked import LinkedNode, identity
from tests.support.process import NodeProcess

Row = Callable[[Lab], Iterator[Figure]]
_PEERS = "peers measured beside"  # what other programs reach on the same machine
_WARMING = 5  # messages before those that count
_GAP_S = 0.02  # between live messages, as the other programs were measured


def machine(lab: Lab) -> Iterator[Figure]:
    """How fast, and how busy, this machine is."""
    yield Figure("sha256 of 64 KiB blocks, one thread", sha256_gb_s(), "GB/s")
    yield Figure("one fsync after 4 KiB, p50", fsync_ms(lab.folder, lab.sizes.fsyncs), "ms")


# --- cloning


def clone(lab: Lab) -> Iterator[Figure]:
    """Invitation accepted until the newest page is read: cloned, validated, indexed, by daemons over loopback TLS."""
    for messages, goal in ((lab.sizes.few, None), (lab.sizes.messages, at_least(8_000))):
        clones = lab.pair(messages, clones=lab.sizes.clones).clones
        rates = [each.commits / each.took_s for each in clones]
        served, taken = _per_commit(clones, "served_cpu_s"), _per_commit(clones, "taken_cpu_s")
        what = f"clone of {messages:,}"
        note, topic = f"{p50([each.took_s for each in clones]):.3g} s", "clone" if goal else None
        yield Figure(what, p50(rates), "messages/s", goal, note, topic)
        yield Figure(f"{what}: CPU of the serving side", served, "µs/commit", at_most(15) if goal else None)
        yield Figure(f"{what}: CPU of the cloning side", taken, "µs/commit")
        yield Figure(f"{what}: bytes on the wire", clones[-1].wire_bytes / messages, "bytes/message")
        if goal:
            peak = p50([each.taken_peak_mib for each in clones])
            yield Figure(f"{what}: peak memory, cloning", peak, "MiB", topic="memory")


def _per_commit(clones: tuple[Clone, ...], name: str) -> float:
    return p50([float(getattr(each, name)) / each.commits * 1e6 for each in clones])


def many(lab: Lab) -> Iterator[Figure]:
    """A long history: only when it is asked for."""
    if lab.sizes.many is None:
        return
    count = lab.sizes.many
    pair = lab.pair(count)
    (one,) = pair.clones
    yield Figure(f"clone of {count:,}", one.took_s, "s", at_most(15 * count / 100_000))
    yield Figure(f"clone of {count:,}: CPU of the serving side", _per_commit(pair.clones, "served_cpu_s"), "µs/commit")
    yield Figure(f"clone of {count:,}: CPU of the cloning side", _per_commit(pair.clones, "taken_cpu_s"), "µs/commit")
    yield Figure(f"clone of {count:,}: peak memory, serving", one.served_peak_mib, "MiB", at_most(200))
    yield Figure(f"clone of {count:,}: peak memory, cloning", one.taken_peak_mib, "MiB", at_most(200))


# --- one more


def pulled(lab: Lab) -> Iterator[Figure]:
    """One new commit on a history, fetched by request over a standing link and admitted durably."""
    for count in _histories(lab):
        made = lab.copy(count)
        with helper("packs", str(made.path), made.conversation) as server:
            took, cpu, whole_s = asyncio.run(_pulls(lab, made, server))
        yield Figure(f"+1 on {count:,}, pulled, p50", p50(took), "ms", at_most(5), f"p95 {p95(took):.3g} ms")
        yield Figure(f"+1 on {count:,}, pulled: CPU of the serving side", cpu, "ms")
        yield Figure(f"clone of {count:,} by logs alone, without nodes", count / whole_s, "messages/s")


async def _pulls(lab: Lab, made: Filled, server: Helper) -> tuple[list[float], float, float]:
    runtime = SystemRuntime()
    node = LinkedNode(identity(2))
    log = CommitLog.prepare(lab.folder / f"{made.path.name}-pulled.git", made.conversation)
    try:
        async with node.running():
            link = await node.manager.dial(made.account.device, [server.address])

            async def pull() -> float:
                request = PackRequest(made.conversation, log.locator(), None)
                started = time.perf_counter()
                admission = await transfer.fetch(link, log, request, runtime, lambda received, total: None)
                took_s = time.perf_counter() - started
                assert admission is not None
                assert admission.new
                return took_s

            whole_s = await pull()
            took, cpu = [], []
            for _ in range(lab.sizes.posts):
                heads = await asyncio.to_thread(server.ask, "post")
                before = cpu_s(server.pid)
                took.append(await pull() * 1e3)
                cpu.append((cpu_s(server.pid) - before) * 1e3)
                assert list(log.heads) == heads
            return took, p50(cpu), whole_s
    finally:
        log.close()


def live(lab: Lab) -> Iterator[Figure]:
    """A message sent at one daemon until an event of the other tells of it, both at rest before."""
    for count in _histories(lab):
        pair = lab.pair(count, clones=lab.sizes.clones if count == lab.sizes.messages else 1)
        told, answered, cpu, wire = _posts(lab, pair)
        usual = count == lab.sizes.messages
        goal, late = (at_most(4), at_most(8, _PEERS)) if usual else (None, None)
        topics = ("live p50", "live p95", "wire") if usual else (None, None, None)
        note = "send called until the other's event is read"
        yield Figure(f"live on {count:,}, p50", p50(told), "ms", goal, note, topics[0])
        passed_by = "" if wire else "bytes not counted: the two dialled each other at once, past the relay"
        yield Figure(f"live on {count:,}, p95", p95(told), "ms", late, passed_by, topics[1])
        yield Figure(f"live on {count:,}: send answered (durable), p50", p50(answered), "ms")
        yield Figure(f"live on {count:,}: CPU of the sending node", cpu[0], "ms/message")
        yield Figure(f"live on {count:,}: CPU of the receiving node", cpu[1], "ms/message")
        if wire:
            yield Figure(f"live on {count:,}: bytes on the wire, both ways", wire, "bytes/message", topic=topics[2])


def _posts(lab: Lab, pair: Pair) -> tuple[list[float], list[float], tuple[float, float], float]:
    ann, ben = pair.ann, pair.ben
    assert ann.process is not None
    assert ben.process is not None
    pids = ann.process.pid, ben.process.pid
    told: list[float] = []
    answered: list[float] = []
    count = lab.sizes.posts
    with Watcher(ben) as watcher:

        def post(index: int) -> None:
            started = time.perf_counter()
            sent = ann.call("message.send", conversation=pair.conversation, text=text(index))["id"]
            answered.append((time.perf_counter() - started) * 1e3)
            told.append((watcher.seen_at(sent) - started) * 1e3)
            time.sleep(_GAP_S)

        for index in range(_WARMING):
            post(index)
        before, bytes_before = [cpu_s(pid) for pid in pids], pair.relay.total
        for index in range(count):
            post(index)
        cpu = [(cpu_s(pid) - was) / count * 1e3 for pid, was in zip(pids, before, strict=True)]
    wire = (pair.relay.total - bytes_before) / count
    return told[_WARMING:], answered[_WARMING:], (cpu[0], cpu[1]), wire


def _histories(lab: Lab) -> list[int]:
    return [lab.sizes.messages, *([lab.sizes.many] if lab.sizes.many else [])]


# --- writing


def append(lab: Lab) -> Iterator[Figure]:
    """Writing, durable: by the log alone, and through the daemon's door."""
    made, sizes = lab.copy(lab.sizes.messages), lab.sizes
    log = made.log()
    synced = fsync_ms(made.path, sizes.fsyncs)
    took = [timed_ms(lambda index=index: _append(log, made, [index])) for index in range(sizes.posts)]  # type: ignore[misc]
    synced = min(synced, fsync_ms(made.path, sizes.fsyncs))
    goal = at_most(1.5 * synced + 1)
    yield Figure("append one by one, the log alone, p50", p50(took), "ms", goal, f"one fsync takes {synced:.3g} ms")
    whole = timed_ms(lambda: _append(log, made, range(sizes.pipelined)))
    yield Figure("append in one batch, the log alone", sizes.pipelined / whole * 1e3, "messages/s")
    log.close()
    node = lab.until_closed(NodeProcess(made.path, "Ann"))
    assert node.process is not None
    room, pid = made.conversation, node.process.pid
    took = [
        timed_ms(lambda: node.call("message.send", conversation=room, text="one by one")) for _ in range(sizes.posts)
    ]
    yield Figure("send one by one, through the door, p50", p50(took), "ms", goal, topic="append")
    used = cpu_s(pid)
    took_s, _ = pipelined(made.home, room, sizes.pipelined)
    note = f"4 clients with up to 16 calls each; CPU {(cpu_s(pid) - used) / sizes.pipelined * 1e3:.2g} ms a message"
    yield Figure("send pipelined, through the door", sizes.pipelined / took_s, "messages/s", at_least(2_000), note)
    node.stop()


def _append(log: CommitLog, made: Filled, indices: range | list[int]) -> None:
    assert all(isinstance(outcome, Admission) for outcome in log.append_all([made.pending(index) for index in indices]))


# --- opening


def opening(lab: Lab) -> Iterator[Figure]:
    """A conversation that nobody has open: the newest page, in a fresh process; its files are in the system's cache."""
    made, starts = lab.copy(lab.sizes.messages), range(lab.sizes.starts)
    what = f"open {lab.sizes.messages:,}, read the last 50"
    runs = [json.loads(_output("-m", "tests.support.bench.rows", str(made.path), made.conversation)) for _ in starts]
    took = p50([run["wall_ms"] for run in runs])
    yield Figure(what, took, "ms", at_most(50, _PEERS), "start of Python not counted", "open")
    yield Figure(f"{what}: CPU", p50([run["cpu_ms"] for run in runs]), "ms")
    shot = ("-m", "swarmchat", "--home", str(made.path), "log", made.conversation, "-n", "50")
    yield Figure(f"{what}: one command, no daemon", p50([timed_ms(lambda: _output(*shot)) for _ in starts]), "ms")
    node, started = NodeProcess(made.path, "Ann"), time.perf_counter()
    lab.until_closed(node)
    yield Figure(
        f"daemon with {lab.sizes.messages:,} messages: start until its door is open", time.perf_counter() - started, "s"
    )
    assert node.process is not None
    first = timed_ms(lambda: node.call("message.list", conversation=made.conversation, limit=50))
    again = [timed_ms(lambda: node.call("message.list", conversation=made.conversation, limit=50)) for _ in starts]
    yield Figure("read the last 50 from a daemon, first time", first, "ms")
    yield Figure("read the last 50 from a daemon, again, p50", p50(again), "ms")
    yield Figure(f"idle daemon with {lab.sizes.messages:,} messages read", rss_mib(node.process.pid), "MiB")
    node.stop()


def _open(path: str, conversation: str) -> None:
    """What the fresh process does: print how long it took to open and read."""
    home = Filled(Path(path), ConversationId(conversation)).home
    wall, cpu = time.perf_counter(), time.process_time()
    with open_commands(home) as offline:
        page = offline.call("message.list", {"conversation": conversation, "limit": 50})
        took = {"wall_ms": (time.perf_counter() - wall) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}
    assert len(page) == 50
    print(json.dumps(took))


def _output(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


# --- resting


def idle(lab: Lab) -> Iterator[Figure]:
    """A daemon with an account and conversations, and nobody linked."""
    for rooms in (0, lab.sizes.rooms):
        node = lab.rooms(rooms)
        started = time.perf_counter()
        lab.until_closed(node)
        opened_s = time.perf_counter() - started
        assert node.process is not None
        pid = node.process.pid
        time.sleep(lab.sizes.rest_s / 10)  # what a start leaves behind
        used = cpu_s(pid)
        time.sleep(lab.sizes.rest_s)
        resting = (cpu_s(pid) - used) / lab.sizes.rest_s * 1e3
        goal = bool(rooms)
        what = f"idle daemon, {rooms} conversations"
        yield Figure(what, rss_mib(pid), "MiB", at_most(60, _PEERS) if goal else None)
        yield Figure(f"{what}: CPU", resting, "ms/s", at_most(2, _PEERS) if goal else None)
        yield Figure(f"{what}: start until its door is open", opened_s, "s")
        node.stop()


# --- keeping


def disk(lab: Lab) -> Iterator[Figure]:
    """What a message takes on the disk once the conversation was rolled up."""
    for count in _histories(lab):
        made = lab.copy(count)
        folder = made.home.conversations / f"{made.conversation}.git"
        sizes: dict[str, int] = {}
        for path in folder.rglob("*"):
            if path.is_file():
                kind = path.suffix or "the rest"
                sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
        parts = ", ".join(f"{kind} {size / count:.3g}" for kind, size in sorted(sizes.items()) if size > count)
        yield Figure(
            f"disk, {count:,} messages", sum(sizes.values()) / count, "bytes/message", at_most(450, _PEERS), parts
        )


def flat(lab: Lab) -> Iterator[Figure]:
    """What one message costs in histories of different lengths; by the log alone, without nodes."""
    for count in (lab.sizes.few, *_histories(lab)):
        made = lab.copy(count)
        log = made.log()
        yield Figure(f"one of {count:,}: cloned", _cloned_alone(lab, made, log) / count * 1e6, "µs CPU")
        took = [timed_ms(partial(_append, log, made, [index])) for index in range(lab.sizes.posts)]
        yield Figure(f"one on {count:,}: appended, p50", p50(took), "ms")
        copy = CommitLog.prepare(lab.folder / f"{made.path.name}-live.git", made.conversation)
        copy.admit(_whole(log))
        took = []
        for index in range(lab.sizes.posts):
            _append(log, made, [index])
            news = log.small_pack(copy.heads, 65_536)
            assert news is not None
            took.append(timed_ms(partial(copy.admit, news, log.heads)))
        yield Figure(f"one on {count:,}: admitted live, p50", p50(took), "ms")
        log.close()
        copy.close()
        yield Figure(f"one of {count:,}: opened and a page read", timed_ms(partial(_page, made)) / count * 1e3, "µs")


def _cloned_alone(lab: Lab, made: Filled, log: CommitLog) -> float:
    pack = _whole(log)
    used = time.process_time()
    copy = CommitLog.prepare(lab.folder / f"{made.path.name}-whole.git", made.conversation)
    copy.admit(pack)
    copy.close()
    return time.process_time() - used


def _whole(log: CommitLog) -> bytes:
    pack = log.pack(None, ())
    assert pack is not None
    return b"".join(pack.chunks)


def _page(made: Filled) -> None:
    log = made.log()
    Timeline(log.history).page(50)
    log.close()


ROWS: dict[str, Row] = {
    "machine": machine,
    "clone": clone,
    "pulled": pulled,
    "live": live,
    "group": groups.group,
    "cut": groups.cut,
    "append": append,
    "open": opening,
    "links": wires.links,
    "idle": idle,
    "disk": disk,
    "flat": flat,
    "many": many,
    "dht": dhts.dht,
    "search": searching.search,
    "http": doors.http,
}

if __name__ == "__main__":
    _open(*sys.argv[1:])
