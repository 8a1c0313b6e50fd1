"""One socket of a node: datagrams in and out, nothing that arrives may raise or close it. (SCP-05 §1.9, §1.14–§1.16)"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NoReturn

from kademlia.node import Node
from kademlia.protocol import KademliaProtocol

from swarmchat import limits
from swarmchat.crypto.keys import KEY_BYTES, signed_by
from swarmchat.discovery.dht.admission import Meter
from swarmchat.discovery.dht.calls import Call, Calls, Heard
from swarmchat.discovery.dht.clocks import Clocks
from swarmchat.discovery.dht.counters import Counters
from swarmchat.discovery.dht.hosts import Endpoint, pack, prefix
from swarmchat.discovery.dht.identity import NodeKey, node_id, solves
from swarmchat.discovery.dht.reach import Reach
from swarmchat.discovery.dht.routing import Table
from swarmchat.discovery.dht.serving import Now, Served, Serving
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.wire import (
    TRANSACTION_BYTES,
    Frame,
    Method,
    Peer,
    Request,
    WireFault,
    answer_body,
    answer_datagram,
    frame,
    network_id,
    parse_answer,
    parse_request,
    request_datagram,
    signed_part,
)
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)


class Protocol(KademliaProtocol):  # type: ignore[misc] # the package is untyped
    """Asks and answers on one socket. Serving, meter, reach, clocks and counters are shared by the sockets of a node.

    Of the package's protocol nothing is left but its place in asyncio: what it would do with a datagram is never reached.
    """

    router: Table

    def __init__(
        self,
        key: NodeKey,
        settings: DhtSettings,
        serving: Serving,
        runtime: Runtime,
        *,
        meter: Meter,
        reach: Reach,
        clocks: Clocks,
        counters: Counters,
        tell: Callable[[Served], None],
    ) -> None:
        node = Node(key.id)
        super().__init__(node, serving.storage, settings.contacts)
        self.router = Table(self, settings.contacts, node)
        self.calls = Calls()
        self.port = 0
        self.gone = asyncio.Event()  # the socket is closed
        self._key = key
        self._settings = settings
        self._network = network_id(settings.network)
        self._serving = serving
        self._runtime = runtime
        self._meter = meter
        self._reach = reach
        self._clocks = clocks
        self._counters = counters
        self._tell = tell
        self._tokens: OrderedDict[Endpoint, bytes] = OrderedDict()
        self._pinging: set[Endpoint] = set()
        self._pings = Meter(limits.DHT_PINGS_BACK_PER_S, limits.DHT_PINGS_BACK_BURST)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._closed = False

    def __getattr__(self, name: str) -> NoReturn:
        """The package takes every unknown name for a remote call; here it is a mistake."""
        raise AttributeError(name)

    # --- questions out

    def ask(
        self,
        address: Endpoint,
        request: Request,
        done: Callable[[Heard | None], None],
        *,
        expect: bytes | None = None,
        slow: Callable[[bool], None] | None = None,
        tries: int = limits.DHT_TRIES,
    ) -> Call:
        """Send a request; `done` hears what came of it, once, unless `forget` comes first. `expect`: the id that has to answer."""
        now = self._runtime.monotonic()
        transaction = self._runtime.entropy(TRANSACTION_BYTES)
        datagram = request_datagram(self._network, transaction, request)
        call = Call(transaction, address, datagram, expect, done, slow, tries, now)
        if self._closed:
            asyncio.get_running_loop().call_soon(done, None)
            return call
        self.calls.begin(call)
        self._counters.add("rpc_sent_total", 1, request.method.name.lower())
        self._reach.sent(address, now)
        self._send(datagram, address)
        self._arm(call.deadline, now)
        return call

    async def asked(
        self, address: Endpoint, request: Request, *, expect: bytes | None = None, tries: int = limits.DHT_TRIES
    ) -> Heard | None:
        """Send a request and wait for its answer; None: nobody, or nonsense. A caller that is cancelled leaves nothing behind."""
        waiting: asyncio.Future[Heard | None] = asyncio.get_running_loop().create_future()
        call = self.ask(address, request, partial(_settle, waiting), expect=expect, tries=tries)
        try:
            return await waiting
        finally:
            self.forget(call)

    def forget(self, call: Call) -> None:
        """Nobody waits for this answer any more."""
        self.calls.forget(call)

    def asker(self, address: Endpoint) -> bytes:
        """What we call ourselves to this address: our id, or nothing as long as we are a client there."""
        return self._key.id if self._reach.serves(address[0], self._runtime.monotonic()) else b""

    @property
    def serves_any(self) -> bool:
        """Whether we are a node to anybody whom this socket reaches."""
        now = self._runtime.monotonic()
        return any(self._reach.serves(one.ip, now) for one in self.router.contacts())

    def token(self, address: Endpoint) -> bytes:
        """The last token that this address gave us; empty if none."""
        return self._tokens.get(address, b"")

    def close(self) -> None:
        """Close the socket; who waits for an answer hears None."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for call in self.calls.clear():
            call.done(None)
        if self.transport is not None:
            self.transport.close()

    # --- what asyncio calls

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A datagram, of anybody, with anything in it."""
        try:
            self._received(data, (addr[0], addr[1]))
        except Exception:  # noqa: BLE001 - what raises here would reach asyncio, which closes the socket for some of it
            self._counters.add("datagrams_dropped_total", 1, "mistake")
            _log.warning("DHT: a datagram was not understood", exc_info=True)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens where we sent to; the request's time-out tells as much."""
        self._counters.add("datagrams_dropped_total", 1, "refused")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by us or by what the system thinks of it."""
        self.gone.set()

    # --- inside

    def _received(self, data: bytes, source: Endpoint) -> None:
        self._counters.add("rx_bytes_total", len(data))
        read = frame(data, self._network)
        fault = WireFault.SCOPE if "%" in source[0] else read
        if isinstance(fault, WireFault) or isinstance(read, WireFault):
            self._drop(str(fault))
        elif read.is_answer:
            self._answered(read, source)
        else:
            self._requested(read, source)

    def _answered(self, read: Frame, source: Endpoint) -> None:
        call = self.calls.awaited(read.transaction, source)
        if call is None:
            return self._drop("unexpected")
        public, signature = read.seal[:KEY_BYTES], read.seal[KEY_BYTES:]
        found = node_id(public)
        if (call.expect is not None and found != call.expect) or not solves(public, self._settings.puzzle_bits):
            return self._drop("id")
        if not signed_by(public, signature, signed_part(self._network, read.transaction, read.body)):
            return self._drop("signature")
        now = self._runtime.monotonic()
        took = self.calls.answered(call, now)
        if took is not None:
            self._counters.add("rpc_rtt_seconds_sum", took)
            self._counters.add("rpc_rtt_seconds_count")
        answer = parse_answer(read.body)
        if answer is None:
            self._drop("nonsense")
            self.router.failed(found)
            return call.done(None)
        if answer.client:
            self.router.left(found)
        else:
            self.router.answered(found, source, now)
        if answer.token:
            self._tokens[source] = answer.token
            self._tokens.move_to_end(source)
            if len(self._tokens) > limits.DHT_TOKENS_KEPT_MAX:
                self._tokens.popitem(last=False)
        if answer.you is not None:
            self._reach.seen_as(answer.you, source, self.port, now)
        if answer.now:
            self._clocks.told(source[0], answer.now, self._runtime.now())
        return call.done(Heard(Peer(found, source), answer))

    def _requested(self, read: Frame, source: Endpoint) -> None:
        now = Now(self._runtime.now(), self._runtime.monotonic())
        if not self._meter.take(prefix(source[0]), now.steady):
            return self._drop("rate")
        request = parse_request(read.body)
        if request is None:
            return self._drop(WireFault.BODY)
        self._counters.add("rpc_served_total", 1, request.method.name.lower())
        self._reach.heard(source, now.steady)
        serves = self._reach.serves(source[0], now.steady)
        served = self._serving.serve(request, source, read.size, self.router, now, serves=serves)
        body = answer_body(served.answer if serves else replace(served.answer, client=True))
        signature = self._key.sign(signed_part(self._network, read.transaction, body))
        self._send(answer_datagram(self._network, read.transaction, body, self._key.public + signature), source)
        if request.asker:
            self._ping_back(request.asker, source, now.steady)
        if served.news is not None or served.knock is not None or served.ping is not None:
            self._tell(served)
        return None

    def _ping_back(self, asker: bytes, source: Endpoint, now: float) -> None:
        """Nobody enters the table by what he says: neighbours are asked to prove themselves, others now and then. Once, with
        a datagram for which the answer left room: together they are no more than three times the request."""
        if source in self._pinging or len(self._pinging) >= limits.DHT_PINGS_BACK_MAX:
            return
        if not self.router.wants(asker, source):
            return
        if not self.router.is_near(asker) and not self._pings.take(None, now):
            return
        self._pinging.add(source)

        def proven(heard: Heard | None) -> None:
            self._pinging.discard(source)

        self.ask(source, Request(Method.PING, self.asker(source)), proven, expect=asker, tries=1)

    def _send(self, data: bytes, address: Endpoint) -> None:
        if self.transport is None or self.transport.is_closing():
            return None
        try:
            pack(address)
        except ValueError:  # asyncio closes the socket for what is no address, and raises nothing
            return self._drop("unsent")
        self._counters.add("tx_bytes_total", len(data))
        self.transport.sendto(data, address)
        return None

    def _drop(self, reason: str) -> None:
        self._counters.add("datagrams_dropped_total", 1, reason)

    def _arm(self, due: float, now: float) -> None:
        """Wake at `due`; a timer that comes before it looks again."""
        if self._closed or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._runtime.monotonic()
        slow, again, over = self.calls.due(now)
        for call in again:
            self._counters.add("rpc_retransmits_total")
            self._send(call.datagram, call.address)
            if call.slow is not None:
                call.slow(True)
        for call in slow:
            if call.slow is not None:
                call.slow(False)
        for call in over:
            self._counters.add("rpc_timeouts_total")
            if call.expect is not None:
                self.router.failed(call.expect)
            call.done(None)
        due = self.calls.next_due
        if due is not None:
            self._arm(due, now)


def _settle(waiting: asyncio.Future[Heard | None], heard: Heard | None) -> None:
    if not waiting.done():
        waiting.set_result(heard)
