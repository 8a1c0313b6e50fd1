"""Carries out a search: asks whom the lookup names, fetches the records that did not fit into an answer. (SCP-05 §1.16, §1.19)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.calls import Call, Heard
from swarmchat.discovery.dht.lookup import Harvest, Lookup
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.wire import Answer, Method, Peer, Request
from swarmchat.runtime import Runtime


class Fetching:
    """Takes the records out of answers, and fetches in parts those that are named by digest; each from one holder at a time."""

    def __init__(self, protocol: Protocol, harvest: Harvest, runtime: Runtime, idle: Callable[[], None]) -> None:
        self._protocol = protocol
        self._harvest = harvest
        self._runtime = runtime
        self._idle = idle
        self._calls: set[Call] = set()
        self._holders: dict[bytes, list[tuple[Peer, int]]] = {}  # who else has what is on its way
        self._again: dict[bytes, int] = {}  # how often a peer was asked for what had no room
        self._cancelled = False

    @property
    def busy(self) -> bool:
        """Whether something is on its way."""
        return bool(self._calls)

    def take(self, peer: Peer, answer: Answer) -> None:
        """What one holder answered."""
        for raw in answer.records[: limits.DHT_LIST_MAX]:
            self._harvest.offer(raw, self._runtime.now())
        for digest, size in answer.more[: limits.DHT_LIST_MAX]:
            self._want(peer, digest, size)
        if answer.left and self._again.get(peer.id, 0) < limits.DHT_AGAIN_MAX:
            self._again[peer.id] = self._again.get(peer.id, 0) + 1
            coming = [*(digest for digest, _ in answer.more), *self._harvest.digests]
            have = tuple(dict.fromkeys(coming))[: limits.DHT_LIST_MAX]
            request = Request(Method.GET, self._protocol.asker(peer.address), self._harvest.key, have=have)
            self._ask(peer, request, partial(self._more, peer))

    def fetch(self, peer: Peer, digest: bytes, size: int) -> None:
        """Fetch one record from a holder."""
        self._want(peer, digest, size)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._cancelled = True
        for call in self._calls:
            self._protocol.forget(call)
        self._calls.clear()

    def _more(self, peer: Peer, heard: Heard | None) -> None:
        if heard is not None:
            self.take(peer, heard.answer)

    def _want(self, peer: Peer, digest: bytes, size: int) -> None:
        if not self._harvest.claim(digest):
            if digest in self._holders:
                self._holders[digest].append((peer, size))
            return
        self._holders.setdefault(digest, [])
        state = _Parts(digest, -(-size // limits.DHT_PART_BYTES))
        for index in range(state.count):
            request = Request(
                Method.PART, self._protocol.asker(peer.address), self._harvest.key, digest=digest, index=index
            )
            self._ask(peer, request, partial(self._part, state, index))

    def _part(self, state: _Parts, index: int, heard: Heard | None) -> None:
        state.heard += 1
        if heard is not None and heard.answer.part:
            state.parts[index] = heard.answer.part
        if state.heard < state.count:
            return
        if len(state.parts) == state.count:
            whole = b"".join(state.parts[one] for one in range(state.count))
            self._harvest.offer(whole, self._runtime.now())
            if self._harvest.holds(state.digest):
                self._holders.pop(state.digest, None)
                return
        self._harvest.release(state.digest)
        others = self._holders.pop(state.digest, [])
        if others:
            (peer, size), *rest = others
            self._holders[state.digest] = rest
            self._want(peer, state.digest, size)

    def _ask(self, peer: Peer, request: Request, done: Callable[[Heard | None], None]) -> None:
        if self._cancelled:
            return

        def over(heard: Heard | None) -> None:
            self._calls.discard(call)
            done(heard)
            if not self._calls:
                self._idle()

        call = self._protocol.ask(peer.address, request, over, expect=peer.id)
        self._calls.add(call)


@dataclass(slots=True)
class _Parts:
    """One record on its way."""

    digest: bytes
    count: int
    parts: dict[int, bytes] = field(default_factory=dict)
    heard: int = 0


class Search:
    """One lookup on one socket; with a harvest the records are read on the way."""

    def __init__(
        self,
        protocol: Protocol,
        target: bytes,
        seeds: Sequence[Peer],
        runtime: Runtime,
        *,
        width: int,
        alpha: int,
        harvest: Harvest | None = None,
    ) -> None:
        self._protocol = protocol
        self._target = DhtKey(target)
        self._method = Method.FIND if harvest is None else Method.GET
        self._lookup = Lookup(target, protocol.source_node.id, seeds, width=width, alpha=alpha)
        self._fetching = None if harvest is None else Fetching(protocol, harvest, runtime, self._step)
        self._calls: dict[bytes, Call] = {}
        self._over: asyncio.Future[None] | None = None

    @property
    def queries(self) -> int:
        """How many nodes were asked."""
        return self._lookup.queries

    async def run(self) -> list[Peer]:
        """The nearest nodes that answered, nearest first. A caller that is cancelled leaves nothing behind."""
        self._over = asyncio.get_running_loop().create_future()
        try:
            self._step()
            await self._over
        finally:
            for call in self._calls.values():
                self._protocol.forget(call)
            if self._fetching is not None:
                self._fetching.cancel()
        return self._lookup.found

    def _step(self) -> None:
        if self._over is None or self._over.done():
            return
        for peer in self._lookup.wanted():
            request = Request(self._method, self._protocol.asker(peer.address), self._target)
            self._calls[peer.id] = self._protocol.ask(
                peer.address,
                request,
                partial(self._heard, peer),
                expect=peer.id,
                slow=partial(self._slow, peer.id),
            )
        if self._lookup.finished and not (self._fetching is not None and self._fetching.busy):
            self._over.set_result(None)

    def _heard(self, peer: Peer, heard: Heard | None) -> None:
        self._calls.pop(peer.id, None)
        if heard is None or heard.answer.refused:
            self._lookup.failed(peer.id)
        else:
            self._lookup.answered(peer.id, heard.answer.peers[: limits.DHT_BUCKET_CONTACTS])
            if self._fetching is not None:
                self._fetching.take(peer, heard.answer)
        self._step()

    def _slow(self, node_id: bytes, lost: bool) -> None:
        if lost:
            self._lookup.slow(node_id)
        else:
            self._lookup.late(node_id)
        self._step()
