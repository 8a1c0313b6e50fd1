"""Which devices this node should be linked with, and when to try again: the DRT. (SCP-04 §1, SCP-03 §7)

A *target* is what can be dialled: a device; an account whose devices are not known yet (somebody invited, or a static
address); or a stray, a node on the LAN that says no name and may be the one an invitation waits for (SCP-05 §2.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NewType

from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import (
    BACKOFF_FLOOR_S,
    BACKOFF_MAX_S,
    BACKOFF_MIN_S,
    FULL_MESH_DEVICES_MAX,
    LINK_LASTED_S,
    MESH_PER_BUCKET,
    MESH_RANDOM_DEVICES,
    MESH_TARGETS_MAX,
)

Stray = NewType("Stray", str)  # "lan:" and the instance's name; no id begins so
Target = DeviceId | AccountId | Stray


@dataclass(frozen=True, slots=True)
class Dial:
    """Try to link with the target; `link_up` or `failed` must follow."""

    target: Target


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the link with the device, or give up the dial to the target."""

    target: Target


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call `tick` at this time (seconds, the clock of `now`)."""

    time_s: float


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask on the link with the device whether it still carries anything; if not, close it and say `sighted`."""

    device: DeviceId


Wish = Dial | HangUp | WakeAt | Probe


def stray(name: str) -> Stray:
    """The target for an unknown instance on the LAN."""
    return Stray(f"lan:{name}")


def wanted(
    me: DeviceId, roster: Roster, devices: Mapping[DeviceId, AccountId], *, seed: bytes = b""
) -> frozenset[DeviceId]:
    """The devices of one conversation to be linked with; `devices` are known from elsewhere, cards and links.

    Full mesh up to 128; beyond, the 2 nearest of each XOR bucket and 4 that `seed` chooses, so that two nodes seldom
    choose the same. (SCP-04 §1.1)
    """
    swarm = {device for device, owner in {**devices, **roster.devices}.items() if roster.is_joined(owner)}
    swarm = {device for device in swarm if not roster.is_banned(device)} - {me}
    if len(swarm) <= FULL_MESH_DEVICES_MAX:
        return frozenset(swarm)
    mine = int(me, 16)
    buckets: dict[int, list[tuple[int, DeviceId]]] = {}
    for device in swarm:
        distance = mine ^ int(device, 16)
        buckets.setdefault(distance.bit_length(), []).append((distance, device))
    near = {device for bucket in buckets.values() for _, device in sorted(bucket)[:MESH_PER_BUCKET]}
    by_dice = sorted(swarm - near, key=lambda device: hashlib.sha256(seed + bytes.fromhex(device)).digest())
    return frozenset(near.union(by_dice[:MESH_RANDOM_DEVICES]))


class Mesh:
    """Links with exactly what is wanted, and backs off from what cannot be had. Does no I/O; `now` is given.

    Links that others dialled and that are not wanted here are left alone: what they may do, and whether they stay, is
    the access policy's business (SCP-03 §2b).
    """

    def __init__(self, me: DeviceId, jitter: Callable[[], float]) -> None:
        self._me = me
        self._jitter = jitter  # 0.0 ≤ x < 1.0
        self._wanted: frozenset[Target] = frozenset()
        self._linked: dict[DeviceId, AccountId] = {}
        self._since: dict[DeviceId, float] = {}
        self._met: dict[Stray, DeviceId] = {}  # strays that turned out to be somebody
        self._dialing: set[Target] = set()
        self._failures: dict[Target, int] = {}
        self._due: dict[Target, float] = {}

    @property
    def linked(self) -> Mapping[DeviceId, AccountId]:
        """The devices with a link, and their accounts."""
        return self._linked

    @property
    def targets(self) -> frozenset[Target]:
        """What is wanted."""
        return self._wanted

    def is_dialing(self, target: Target) -> bool:
        """Whether a dial is under way."""
        return target in self._dialing

    def due_at(self, target: Target) -> float | None:
        """When a target in back-off is tried again."""
        return self._due.get(target)

    def wants(self, targets: Iterable[Target], now: float) -> list[Wish]:
        """The rosters, contacts or invitations changed: be linked with exactly these (the first 2,048 by name)."""
        before = self._wanted
        self._wanted = frozenset(sorted(set(targets) - {self._me})[:MESH_TARGETS_MAX])
        for gone in (self._failures.keys() | self._due.keys()) - self._wanted:
            self._failures.pop(gone, None)
            self._due.pop(gone, None)
        for name in self._met.keys() - self._wanted:
            del self._met[name]
        given_up = sorted(self._dialing - self._wanted)
        self._dialing.difference_update(given_up)
        dropped = sorted(device for device in self._linked if device in before and not self._serves(device))
        for device in dropped:
            del self._linked[device]
            self._since.pop(device, None)
        return [*(HangUp(target) for target in (*given_up, *dropped)), *self.tick(now)]

    def link_up(self, device: DeviceId, account: AccountId, now: float, *, dialled: Target | None = None) -> None:
        """A link stands, whoever dialled; `dialled`: the target that led to it, if we did."""
        self._linked[device] = account
        self._since.setdefault(device, now)
        met: set[Target] = {device, account} if dialled is None else {device, account, dialled}
        for target in met:
            self._dialing.discard(target)
            self._due.pop(target, None)
        if dialled is not None and dialled in self._wanted and dialled not in {device, account}:
            self._met[Stray(dialled)] = device

    def link_down(self, device: DeviceId, now: float, *, useful: bool = True) -> list[Wish]:
        """A link broke. One that lasted and was `useful` was no failure: the next dial comes soon."""
        account = self._linked.pop(device, None)
        lasted = useful and now - self._since.pop(device, now) >= LINK_LASTED_S
        broken: list[Target] = [device, *sorted(name for name, met in self._met.items() if met == device)]
        if account is not None and account not in self._linked.values():
            broken.append(account)
        for target in broken:
            self._met.pop(Stray(target), None)
            if lasted:
                self._failures.pop(target, None)
            self._back_off(target, now)
        return self.tick(now)

    def failed(self, target: Target, now: float) -> list[Wish]:
        """A dial failed, or no address is known."""
        if target in self._dialing:
            self._dialing.discard(target)
            self._back_off(target, now)
        return self.tick(now)

    def sighted(self, target: Target, now: float) -> list[Wish]:
        """It was seen on the LAN or in the DHT, or a new address became known: try at once. (SCP-03 §7)

        A link that stands already may be one that a pulled cable left behind: it is asked.
        """
        self._failures.pop(target, None)
        self._due.pop(target, None)
        old = [Probe(DeviceId(target))] if target in self._linked else []
        return [*old, *self.tick(now)]

    def hinted(self, target: Target, now: float) -> list[Wish]:
        """Somebody says where it is: try at once, and go on backing off after, for he may be lying. (SCP-05 §1.12)"""
        self._due.pop(target, None)
        return self.tick(now)

    def network_changed(self, now: float) -> list[Wish]:
        """The host's addresses or links changed: all back-off is void, every link must show that it still carries. (SCP-03 §7)"""
        self._failures.clear()
        self._due.clear()
        return [*(Probe(device) for device in sorted(self._linked)), *self.tick(now)]

    def tick(self, now: float) -> list[Wish]:
        """Dial what is due; say when to come back."""
        idle = {target for target in self._wanted if not self._is_met(target)} - self._dialing
        ready = sorted(target for target in idle if self._due.get(target, now) <= now)
        self._dialing.update(ready)
        waiting = [self._due[target] for target in idle.difference(ready)]
        return [*(Dial(target) for target in ready), *([WakeAt(min(waiting))] if waiting else [])]

    # --- inside

    def _is_met(self, target: Target) -> bool:
        return target in self._linked or target in self._met or target in self._linked.values()

    def _serves(self, device: DeviceId) -> bool:
        if device in self._wanted or self._linked[device] in self._wanted:
            return True
        return any(met == device for met in self._met.values())

    def _back_off(self, target: Target, now: float) -> None:
        if target not in self._wanted:
            return
        failures = self._failures[target] = self._failures.get(target, 0) + 1
        ceiling_s = min(BACKOFF_MIN_S * 2 ** min(failures - 1, 16), BACKOFF_MAX_S)
        self._due[target] = now + max(BACKOFF_FLOOR_S, ceiling_s * self._jitter())
