"""The bench's conversations: a home filled with N messages, made once and copied; two daemons, of which one cloned it from the other."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from swarmchat.account.account import Account
from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from swarmchat.api.client import Client
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Admission, Pending, Writer
from swarmchat.conversation.actions import Post
from swarmchat.errors import UnreachableError
from swarmchat.ids import ConversationId
from swarmchat.node.offline import open_commands
from swarmchat.runtime import SystemRuntime
from tests.support.bench.measure import cpu_s, rss_mib
from tests.support.bench.relay import Relay
from tests.support.process import PATIENCE_S, NodeProcess

TITLE = "Harbour"
_BATCH = 2_000
_LONG_S = 600.0  # a clone of 100,000 on a busy machine; only a broken program waits this long


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    messages: int = 10_000
    few: int = 1_000
    many: int | None = None
    clones: int = 3  # repetitions, each with a fresh node
    posts: int = 200  # live messages, appends one by one
    pipelined: int = 4_000
    starts: int = 5  # of processes
    rooms: int = 10  # of a daemon at rest
    rest_s: float = 20.0
    fsyncs: int = 100
    handshakes: int = 100
    idle_links: int = 200
    group: int = 8  # nodes
    burst: int = 400  # messages that one of them sends at once
    link_mib: int = 256
    dht_nodes: tuple[int, ...] = (200, 1_000)
    dht_gets: int = 120
    dht_puts: int = 40
    dht_search_s: float = 5.0
    searched: int = 100_000


USUAL = Sizes()
FULL = Sizes(many=100_000, idle_links=1_000, link_mib=512)
SMALL = Sizes(
    200, 50, None, 1, 8, 64, 1, 2, 0.2, 5, 4, 8, 3, 8, 4, (12,), 6, 3, 0.2, 500
)  # for the tests: every row, as little as shows that it works


def text(index: int) -> str:
    """About 60 bytes, each another."""
    return f"message {index:6}: the boats come in at four with the tide, not before"


@dataclass(frozen=True)
class Filled:
    """A home with one conversation of many messages, written by its own account; nobody runs in it."""

    path: Path
    conversation: ConversationId

    @property
    def home(self) -> Home:
        return Home.locate(self.path, {})

    @cached_property
    def account(self) -> Account:
        return AccountStore(self.home, SystemRuntime().entropy).load()

    def log(self) -> CommitLog:
        return CommitLog.open(self.home.conversations / f"{self.conversation}.git", self.conversation)

    def pending(self, index: int) -> Pending:
        """Message number `index`, to be appended."""
        mine = self.account
        writer = Writer(
            mine.id, mine.device, mine.device_key, mine.certificate.pem, mine.device_certificate.pem, mine.name
        )
        return Pending(Post(text(index)), writer, int(time.time()))


@dataclass(frozen=True, slots=True)
class Clone:
    """What one clone cost: seconds until the newest page could be read, CPU and peak memory either side, bytes on the wire."""

    took_s: float
    served_cpu_s: float
    taken_cpu_s: float
    served_peak_mib: float
    taken_peak_mib: float
    wire_bytes: int
    commits: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two running daemons, linked through a relay that counts, in step on a conversation."""

    ann: NodeProcess
    ben: NodeProcess
    relay: Relay
    conversation: str
    clones: tuple[Clone, ...]


class Lab:
    """Makes what the rows need, keeps it for the next row, and ends all of it."""

    def __init__(self, folder: Path, sizes: Sizes, say: Callable[[str], None] = lambda line: None) -> None:
        self.folder = folder
        self.sizes = sizes
        self._say = say
        self._stack = ExitStack()
        self._filled: dict[int, Filled] = {}
        self._pairs: dict[int, Pair] = {}
        self._copies = 0

    def close(self) -> None:
        self._stack.close()

    def until_closed(self, node: NodeProcess) -> NodeProcess:
        """Start a daemon; it is killed with the lab, unless it was stopped before."""
        self._stack.callback(_end, node)
        return node.start()

    def fresh(self, name: str) -> NodeProcess:
        """A node with an account; not started."""
        self._copies += 1
        node = NodeProcess(self.folder / f"{name.lower()}{self._copies}", name)
        _offline(node, "account.create", name=name)
        return node

    def copy(self, messages: int) -> Filled:
        """A filled home of one's own."""
        made = self._fill(messages)
        self._copies += 1
        path = self.folder / f"copy{self._copies}"
        shutil.copytree(made.path, path, ignore=shutil.ignore_patterns("control.sock", "daemon.out"))
        return Filled(path, made.conversation)

    def rooms(self, count: int) -> NodeProcess:
        """A node with so many conversations; not started."""
        node = self.fresh("Ida")
        for index in range(count):
            _offline(node, "conversation.create", title=f"Room {index}")
        return node

    def _fill(self, messages: int) -> Filled:
        if messages in self._filled:
            return self._filled[messages]
        self._say(f"writing {messages:,} messages")
        node = self.fresh("Ann")
        conversation = ConversationId(_offline(node, "conversation.create", title=TITLE)["id"])
        made = self._filled[messages] = Filled(node.home, conversation)
        log = made.log()
        for start in range(0, messages, _BATCH):
            items = [made.pending(index) for index in range(start, min(messages, start + _BATCH))]
            assert all(isinstance(outcome, Admission) for outcome in log.append_all(items))
        log.rollup()
        log.close()
        return made

    def pair(self, messages: int, *, clones: int = 1) -> Pair:
        """Ann has the messages; Ben after Ben clones them from her; the last one stays."""
        if messages in self._pairs:
            return self._pairs[messages]
        made = self.copy(messages)
        ann = self.until_closed(NodeProcess(made.path, "Ann"))
        room = str(made.conversation)
        found: list[Clone] = []
        while True:
            ben = self.until_closed(self.fresh("Ben"))
            relay = self._stack.enter_context(Relay(ann.listen))
            self._say(f"cloning {messages:,} messages, {len(found) + 1} of {clones}")
            found.append(_cloned(ann, ben, relay, room, messages))
            if len(found) == clones:
                break
            ben.stop()
        pair = self._pairs[messages] = Pair(ann, ben, relay, room, tuple(found))
        return pair


def _end(node: NodeProcess) -> None:
    if node.process is not None:
        node.kill()


def _offline(node: NodeProcess, method: str, **parameters: object) -> Any:
    """One verb in a home without a daemon; quicker than a process for it."""
    with open_commands(Home.locate(node.home, {})) as offline:
        return offline.call(method, parameters)


def _cloned(ann: NodeProcess, ben: NodeProcess, relay: Relay, room: str, messages: int) -> Clone:
    assert ann.process is not None
    assert ben.process is not None
    ann.call("member.invite", conversation=room, accounts=[ben.account])
    ben.call("peer.add", account=ann.account, address=str(relay.address))
    ben.until(lambda: ben.call("request.list"))
    before = cpu_s(ann.process.pid), cpu_s(ben.process.pid), relay.total
    started = time.perf_counter()
    with Client.connect(Home.locate(ben.home, {}).socket) as door:
        state = door.call("request.accept", request=room, timeout=_LONG_S, timeout_s=_LONG_S)["state"]
        page = door.call("message.list", conversation=room, limit=50, timeout_s=PATIENCE_S)
    took_s = time.perf_counter() - started
    done = Clone(
        took_s,
        cpu_s(ann.process.pid) - before[0],
        cpu_s(ben.process.pid) - before[1],
        rss_mib(ann.process.pid, peak=True),
        rss_mib(ben.process.pid, peak=True),
        relay.total - before[2],
        messages,
    )
    assert state == "ready", state
    assert any(line["body"] == text(messages - 1) for line in page)
    ann.until(lambda: ann.roles(room).get(ben.account) == "member")
    return done


class Watcher:
    """Follows a node's events and notes when each message was told."""

    def __init__(self, node: NodeProcess) -> None:
        self._door = Client.connect(Home.locate(node.home, {}).socket)
        self._events = self._door.events()
        self._seen: dict[str, float] = {}
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._door._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._door.close()

    def seen_at(self, message: str) -> float:
        """When (perf_counter, s) the node told of the message; waits for it."""
        with self._news:
            assert self._news.wait_for(lambda: message in self._seen, PATIENCE_S), f"{message} never came"
            return self._seen[message]

    def _follow(self) -> None:
        with suppress(UnreachableError):  # how the stream ends
            for event in self._events:
                now = time.perf_counter()
                if event["type"] == "message.added":
                    with self._news:
                        self._seen[event["data"]["id"]] = now
                        self._news.notify_all()


def pipelined(home: Home, conversation: str, count: int, clients: int = 4) -> tuple[float, list[str]]:
    """Have `count` messages sent by several clients that wait for no answer before the next call: seconds, and their ids."""

    def client() -> None:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(home.socket))
            calls = [
                {
                    "jsonrpc": "2.0",
                    "id": index,
                    "method": "message.send",
                    "params": {"conversation": conversation, "text": text(index)},
                }
                for index in range(count // clients)
            ]
            lines = b"".join(json.dumps(call).encode() + b"\n" for call in calls)
            writing = threading.Thread(target=door.sendall, args=(lines,))
            writing.start()
            with door.makefile("rb") as answers:
                answered = [json.loads(answers.readline()) for _ in calls]
            writing.join()
            failed.extend(answer for answer in answered if "result" not in answer)
            sent.extend(answer["result"]["id"] for answer in answered if "result" in answer)

    failed: list[object] = []
    sent: list[str] = []
    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    return time.perf_counter() - started, sent
