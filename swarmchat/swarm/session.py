"""One conversation kept in step with the linked devices: what to announce, fetch, answer. (SCP-04 §2, §3.2, §4.3)

Inputs are facts with the time at which they happened; `poll` gives what is to be done now, `deadline` when to poll again.
The machine does no I/O, knows no commits beyond what its Dag answers, and holds for each device nothing but the heads it
named last, so that nothing a device says can make it grow.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from swarmchat.ids import CommitId, DeviceId
from swarmchat.limits import (
    BACKOFF_FLOOR_S,
    HEAD_MISSING_AFTER_S,
    INVITATIONS_CHECKED_S,
    NEWS_RETRY_S,
    PEERS_PER_SESSION_MAX,
    PULL_TURN_S,
    PULLS_PER_CONVERSATION_MAX,
    PUSHES_QUEUED_MAX,
    RELAY_JITTER_S,
    RELAY_PATIENCE_S,
    WANTED_HEADS_MAX,
)
from swarmchat.swarm.reputation import Reputation
from swarmchat.swarm.standing import Push, Standing, ceiling_s, given_up_at
from swarmchat.swarm.wishes import Acknowledge, Announce, Heads, Missing, Pull, TakePush, Wish

__all__ = ["Acknowledge", "Announce", "Dag", "Heads", "Missing", "Pull", "Reputation", "Session", "TakePush", "Wish"]


class Dag(Protocol):
    """What the machine asks of the commit log: quick, and never wrong about what was accepted."""

    @property
    def heads(self) -> Heads:
        """The ordinary heads, sorted."""
        ...

    def knows(self, commit: CommitId) -> bool:
        """Whether the commit is accepted here."""
        ...

    def refuses(self, commit: CommitId) -> bool:
        """Whether the commit was judged invalid: it is not fetched again. (SCP-04 §4.3)"""
        ...

    def covers(self, have: Iterable[CommitId], heads: Iterable[CommitId]) -> bool:
        """Whether each of `heads` is one of `have` or an ancestor of one; what is not known here is skipped in `have`."""
        ...


class Session:
    """The sync machine of one conversation."""

    def __init__(self, dag: Dag, reputation: Reputation, jitter: Callable[[], float]) -> None:
        self.closed = False  # left: what is ours is still announced and served, nothing is taken in (SCP-06 §7)
        self._dag = dag
        self._reputation = reputation
        self._jitter = jitter  # 0.0 ≤ x < 1.0
        self._peers: dict[DeviceId, Standing] = {}
        self._first_seen: dict[CommitId, float] = {}
        self._pushes: deque[Push] = deque()
        self._taking: Push | None = None

    # --- what is known

    @property
    def linked(self) -> tuple[DeviceId, ...]:
        """The devices in step with us now, sorted."""
        return tuple(sorted(device for device, peer in self._peers.items() if peer.linked))

    def is_level(self, now: float) -> bool:
        """Whether all that linked devices announced is here.

        Beside one of whom we have all, those hold up nobody who were asked and did not give, or from whom a minute did not
        bring it: else a member who names heads that do not exist would keep everybody from joining.
        """
        if self._taking is not None:
            return False
        linked = [peer for peer in self._peers.values() if peer.linked]
        ahead = [peer for peer in linked if peer.lacking]
        if not ahead:
            return not any(peer.asked is not None for peer in linked)
        if not any(peer.heads and not peer.lacking for peer in linked):
            return False
        return all(peer.failures or now >= given_up_at(peer) for peer in ahead)

    def heads_of(self, device: DeviceId) -> Heads:
        """The heads a device named last."""
        peer = self._peers.get(device)
        return peer.heads if peer else ()

    def base_of(self, device: DeviceId) -> Heads:
        """What a device has for certain once it has read what was sent to it, as far as it is known here."""
        peer = self._peers.get(device)
        return tuple(head for head in peer.since if self._dag.knows(head)) if peer else ()

    def missing(self, now: float) -> tuple[Missing, ...]:
        """Heads announced over a minute ago that nobody gave us."""
        sources: dict[CommitId, list[DeviceId]] = {}
        for device, peer in sorted(self._peers.items()):
            for head in peer.lacking:
                sources.setdefault(head, []).append(device)
        return tuple(
            Missing(head, tuple(devices), now - self._first_seen[head])
            for head, devices in sorted(sources.items())
            if now - self._first_seen[head] >= HEAD_MISSING_AFTER_S
        )

    # --- facts

    def hello(self, device: DeviceId, heads: Heads, now: float, *, told: Heads | None) -> None:
        """The device says that it shares the conversation, and its heads; `told`: ours in our last hello to it."""
        peer = self._peers.get(device)
        if peer is None or not peer.linked:
            if peer is None and not self._make_room():
                return
            fresh = Standing(told=told, since=heads, asked_at=now)  # who comes later queues behind who waits
            if peer is not None:
                fresh.failures, fresh.behind_since = peer.failures, peer.behind_since
                fresh.spoilt, fresh.push_at, fresh.asked_at = peer.spoilt, peer.push_at, peer.asked_at
            peer = self._peers[device] = fresh
        elif told is not None and peer.awaited is None:
            peer.told = told
        self._named(device, peer, heads, now)
        self._mark(peer, now + self._jitter() * RELAY_JITTER_S)

    def probe(self, device: DeviceId) -> None:
        """The device may have it and does not say so: an empty log asks it for all. (mode 3, SCP-03 §2b)"""
        if device not in self._peers and not self._make_room():
            return
        peer = self._peers.setdefault(device, Standing())
        peer.linked = peer.probed = True

    def unlinked(self, device: DeviceId) -> None:
        """The link is gone, or the conversation is no longer common: it is told nothing and asked for nothing."""
        peer = self._peers.get(device)
        if peer is None:
            return
        self._peers[device] = Standing(
            linked=False,
            heads=peer.heads,
            lacking=peer.lacking,
            failures=peer.failures,
            pull_at=peer.pull_at,
            behind_since=peer.behind_since,
            spoilt=peer.spoilt,
            push_at=peer.push_at,
            asked_at=peer.asked_at,
        )
        self._pushes = deque(push for push in self._pushes if push.device != device)

    def forget(self, device: DeviceId) -> None:
        """The device is no longer of this conversation."""
        if self._peers.pop(device, None) is not None:
            self._pushes = deque(push for push in self._pushes if push.device != device)
            self._prune()

    def news(
        self, device: DeviceId, heads: Heads, now: float, *, since: Heads | None = None, pack: bytes | None = None
    ) -> None:
        """The device announced its heads, perhaps with the commits."""
        peer = self._linked_peer(device)
        if peer is None:
            return
        self._named(device, peer, heads, now)
        peer.owed = True
        if (
            pack is not None
            and since is not None
            and peer.lacking
            and now >= peer.push_at
            and self._may_take(device, now)
        ):
            queued = [push for push in self._pushes if push.device == device]
            base = {*since} - {head for push in (*queued, self._taking) if push for head in push.heads}
            if all(self._dag.knows(commit) for commit in base) and len(self._pushes) < PUSHES_QUEUED_MAX:
                self._pushes.append(Push(device, heads, pack))
        self._mark(peer, now + self._jitter() * RELAY_JITTER_S)

    def got(self, device: DeviceId, heads: Heads, now: float) -> None:
        """The device has admitted something; these are its heads now."""
        peer = self._linked_peer(device)
        if peer is None:
            return
        self._named(device, peer, heads, now)
        self._mark(peer, now + self._jitter() * RELAY_JITTER_S)

    def fetched(self, device: DeviceId) -> None:
        """The device fetches from us: it depends on being told at once."""
        if (peer := self._peers.get(device)) is not None:
            peer.patient = peer.relayed = False

    def wrote(self, now: float) -> None:
        """Our own hand moved our heads: tell everybody at once, with the commits."""
        for peer in self._peers.values():
            self._mark(peer, now, push=True)

    def announced(self, devices: Iterable[DeviceId], heads: Heads, *, carried: bool, now: float) -> None:
        """`news` with these heads went out; `carried`: with the commits inside."""
        for device in devices:
            peer = self._linked_peer(device)
            if peer is None:
                continue
            peer.announcing = False
            peer.told = heads
            if carried:
                peer.since = heads
            if peer.awaited is None:
                peer.awaited_until, peer.repeated = now + NEWS_RETRY_S, False
            peer.awaited, peer.relayed = heads, not carried
            self._mark(peer, now, push=carried)
            self._settle(peer)

    def took(self, now: float, *, refused: bool, failed: bool = False) -> None:
        """The pack of the last TakePush is through; `refused`: a commit was invalid, `failed`: the pack itself was not whole."""
        assert self._taking is not None, "a push is taken before it is through"
        device, self._taking = self._taking.device, None
        peer = self._peers.get(device)
        if peer is not None:
            peer.spoilt = peer.spoilt + 1 if failed else 0
            if failed:  # they are taken one at a time: who pushes rubbish must not hold up the others
                peer.push_at = now + ceiling_s(peer.spoilt)
                self._pushes = deque(push for push in self._pushes if push.device != device)
        self._arrived(device, now, refused=refused, failed=failed)

    def began(self, device: DeviceId, now: float) -> None:
        """Its pull has got its turn."""
        if (peer := self._peers.get(device)) is not None:
            peer.stays_until = now + PULL_TURN_S

    def gives_way(self, device: DeviceId, now: float) -> bool:
        """Whether its pull has had its time, and another device waits for the place or has what it was asked for. (SCP-04 §3.2)"""
        peer = self._peers.get(device)
        if peer is None or peer.asked is None or now < peer.stays_until:
            return False
        peer.stays_until = now + 1.0  # bytes come oftener than it pays to look
        others = [each.asked for each in self._peers.values() if each.asked is not None and each is not peer]
        elsewhere = self._coming(others)
        full = len(others) + 1 >= PULLS_PER_CONVERSATION_MAX
        for name, other in self._peers.items():
            wanted = other.lacking - elsewhere
            if wanted and (full or wanted & peer.asked) and self._is_ready(name, other, now):
                return True
        return False

    def pulled(
        self,
        device: DeviceId,
        now: float,
        *,
        refused: bool = False,
        failed: bool = False,
        grew: bool = False,
        stuck: bool = False,
    ) -> None:
        """A pull is over; `refused`: a commit was invalid, `failed`: the line or the pack broke, `grew`: it brought commits.

        `stuck`: it failed by our own disk, which no device is to wait for longer than a minute.

        What grew and is not all is a batch of a long history: the next follows at once. (SCP-02 §10)
        """
        peer = self._peers.get(device)
        asked = peer.asked if peer else None
        if peer is not None:
            peer.asked, peer.stays_until = None, math.inf
        self._arrived(device, now, refused=refused, failed=failed)
        if peer is None:
            return
        if failed or (not grew and asked and asked & peer.lacking):
            peer.failures += 1
            wait_s = max(BACKOFF_FLOOR_S, ceiling_s(peer.failures) * self._jitter())
            peer.pull_at = now + (min(wait_s, INVITATIONS_CHECKED_S) if stuck else wait_s)
        else:
            peer.failures, peer.pull_at = 0, now

    def shrunk(self, now: float) -> None:
        """Commits were lost here: what devices named may be missing again. (SCP-04 §4.5a)"""
        for device, peer in sorted(self._peers.items()):
            self._named(device, peer, peer.heads, now)

    # --- what is to be done

    def poll(self, now: float) -> list[Wish]:
        """What is to be done now; each wish is given once."""
        return [*self._take(), *self._pulls(now), *self._acknowledgements(), *self._announcements(now)]

    def deadline(self, now: float) -> float | None:
        """When to poll again if nothing happens before."""
        times = []
        for device, peer in self._peers.items():
            if not peer.linked:
                continue
            if peer.announce_at is not None and not peer.announcing:
                times.append(peer.announce_at)
            if peer.awaited is not None:
                times.append(peer.awaited_until)
            if peer.lacking and peer.asked is None and peer.pull_at > now and self._may_take(device, now):
                times.append(peer.pull_at)
            if peer.lacking and not peer.failures and given_up_at(peer) > now:
                times.append(given_up_at(peer))
        return min(times, default=None)

    # --- inside: what we were told

    def _linked_peer(self, device: DeviceId) -> Standing | None:
        peer = self._peers.get(device)
        return peer if peer and peer.linked else None

    def _make_room(self) -> bool:
        if len(self._peers) < PEERS_PER_SESSION_MAX:
            return True
        gone = next((device for device, peer in self._peers.items() if not peer.linked), None)
        if gone is not None:
            self.forget(gone)
        return gone is not None

    def _named(self, device: DeviceId, peer: Standing, heads: Heads, now: float) -> None:
        peer.heads = heads[:WANTED_HEADS_MAX]
        peer.lacking = self._lacked(peer.heads)
        for head in peer.lacking:
            self._first_seen.setdefault(head, now)
        if not peer.lacking:
            peer.behind_since = None
        elif peer.behind_since is None:
            peer.behind_since = now
        self._settle(peer)
        if peer.awaited is None:
            peer.since = peer.heads
        self._prune()

    def _settle(self, peer: Standing) -> None:
        """It has what it was told of, or it has not yet."""
        if peer.awaited is not None and self._dag.covers(peer.heads, peer.awaited):
            peer.awaited, peer.patient = None, peer.relayed

    def _lacked(self, heads: Iterable[CommitId]) -> frozenset[CommitId]:
        if self.closed:
            return frozenset()
        return frozenset(head for head in heads if not self._dag.knows(head) and not self._dag.refuses(head))

    def _prune(self) -> None:
        if self._first_seen:
            lacking = frozenset().union(*(peer.lacking for peer in self._peers.values()))
            for head in self._first_seen.keys() - lacking:
                del self._first_seen[head]

    def _arrived(self, device: DeviceId, now: float, *, refused: bool, failed: bool) -> None:
        if refused:
            self._reputation.invalid(device, now)
        for other, peer in self._peers.items():
            if peer.lacking:
                before, peer.lacking = peer.lacking, self._lacked(peer.lacking)
                # It named what came from another now: it too must hear that we have it, or it counts us behind for minutes.
                peer.owed = peer.owed or peer.lacking != before
                if not peer.lacking:
                    peer.behind_since = None
            if other == device:
                peer.owed = peer.owed or not failed
            else:
                self._mark(peer, now + self._relay_after_s(peer))
        self._prune()

    def _relay_after_s(self, peer: Standing) -> float:
        """How long to wait before passing on: in a full mesh all have it from the author, and need not be told by each other."""
        jitter = self._jitter()
        return RELAY_PATIENCE_S * (1 + jitter) if peer.patient else RELAY_JITTER_S * jitter

    def _may_take(self, device: DeviceId, now: float) -> bool:
        return not self.closed and not self._reputation.barred(device, now)

    # --- inside: what we do

    def _mark(self, peer: Standing, at: float, *, push: bool = False) -> None:
        """Announce to the peer at that time, unless it has all or was told."""
        if not peer.linked or peer.told == self._dag.heads or self._dag.covers(peer.heads, self._dag.heads):
            return
        peer.announce_at = at if peer.announce_at is None else min(peer.announce_at, at)
        peer.push = peer.push or push

    def _take(self) -> list[Wish]:
        while self._taking is None and self._pushes:
            push = self._pushes.popleft()
            if self._lacked(push.heads):
                self._taking = push
                return [TakePush(push.device, push.heads, push.pack)]
        return []

    def _pulls(self, now: float) -> list[Wish]:
        running = [peer.asked for peer in self._peers.values() if peer.asked is not None]
        coming = self._coming(running)
        free = PULLS_PER_CONVERSATION_MAX - len(running)
        wishes: list[Wish] = []
        for device, peer in sorted(self._peers.items(), key=lambda item: (item[1].asked_at, item[0])):
            wanted = peer.lacking - coming
            if free <= 0:
                break
            if not (wanted or peer.probed) or not self._is_ready(device, peer, now):
                continue
            peer.asked, peer.asked_at = wanted, now
            coming |= wanted
            free -= 1
            # Who names as many heads as a message holds may have more.
            everything = peer.probed or len(peer.heads) >= WANTED_HEADS_MAX
            peer.probed = False
            wishes.append(Pull(device, None if everything else tuple(sorted(wanted))))
        return wishes

    def _coming(self, asked: Iterable[Iterable[CommitId]]) -> frozenset[CommitId]:
        """What pulls were asked for, or will come by pushes."""
        return frozenset().union(*asked, *(push.heads for push in (*self._pushes, self._taking) if push))

    def _is_ready(self, device: DeviceId, peer: Standing, now: float) -> bool:
        return peer.linked and peer.asked is None and now >= peer.pull_at and self._may_take(device, now)

    def _acknowledgements(self) -> list[Wish]:
        due = [
            device
            for device, peer in sorted(self._peers.items())
            if peer.linked and not peer.lacking and (peer.owed or self._is_misled(peer))
        ]
        for device in due:
            self._peers[device].owed = False
            if not self._peers[device].announcing:
                self._peers[device].told = self._dag.heads  # our `got` names them
        return [Acknowledge(tuple(due))] if due else []

    def _is_misled(self, peer: Standing) -> bool:
        """It has all and holds us for behind: what we said of ourselves last, in a hello perhaps, has been overtaken."""
        if peer.told is None or peer.told == self._dag.heads or peer.announcing:
            return False
        return self._dag.covers(peer.heads, self._dag.heads)

    def _announcements(self, now: float) -> list[Wish]:
        groups: dict[Heads | None, list[DeviceId]] = {}
        for device, peer in sorted(self._peers.items()):
            if not peer.linked:
                continue
            self._repeat(peer, now)
            if peer.announce_at is None or peer.announcing or now < peer.announce_at:
                continue
            push, peer.announce_at, peer.push = peer.push, None, False
            if peer.told == self._dag.heads or self._dag.covers(peer.heads, self._dag.heads):
                continue
            whole = push and bool(peer.since) and all(self._dag.knows(head) for head in peer.since)
            groups.setdefault(peer.since if whole else None, []).append(device)
            peer.announcing = True
        return [Announce(tuple(devices), since) for since, devices in groups.items()]

    def _repeat(self, peer: Standing, now: float) -> None:
        """No covering `got` in 10 s: once more; after that anti-entropy finds it. (SCP-04 §2.1)"""
        if peer.awaited is None or now < peer.awaited_until:
            return
        if peer.repeated:
            peer.awaited = None
            return
        peer.repeated, peer.awaited_until = True, now + NEWS_RETRY_S
        peer.told, peer.since = None, peer.heads
        self._mark(peer, now, push=True)
