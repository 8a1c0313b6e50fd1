"""Carries out the mesh's wishes: find, dial, hang up. Decides nothing but whether who answered is whom we looked for. (SCP-04 §1.3)"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from swarmchat.addresses import Address
from swarmchat.discovery.finder import Finder
from swarmchat.errors import LinkError
from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import LAN_INSTANCES_MAX
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.link import Link
from swarmchat.links.peers import LinkClass
from swarmchat.runtime import Runtime
from swarmchat.swarm.mesh import Dial, HangUp, Mesh, Probe, Stray, Target, WakeAt, Wish, stray

_log = logging.getLogger(__name__)

_ACCOUNT_CHARS = 40
_DEVICE_CHARS = 64


class Connector:
    """The shell around a Mesh. `run` owns the dials."""

    def __init__(
        self,
        mesh: Mesh,
        finder: Finder,
        links: ConnectionManager,
        runtime: Runtime,
        account_of: Callable[[DeviceId], AccountId | None],
    ) -> None:
        self.mesh = mesh
        self._finder = finder
        self._links = links
        self._runtime = runtime
        self._account_of = account_of
        self._wishes: deque[Wish] = deque()
        self._wake = asyncio.Event()
        self._wake_at: float | None = None
        self._dials: dict[Target, asyncio.Task[None]] = {}
        self._probed: set[DeviceId] = set()
        self._errors: dict[Target, str] = {}
        self._revealed: dict[Stray, AccountId] = {}  # strays that said who they are

    # --- what is known

    def last_error(self, target: Target) -> str | None:
        """Why the last dial of a target failed."""
        return self._errors.get(target)

    def strays(self, sought: frozenset[AccountId]) -> list[Stray]:
        """The unknown LAN instances that may be one of the accounts sought. (SCP-05 §2.2)"""
        if not sought:
            return []
        found = [stray(sighting.instance) for sighting in self._finder.strangers()]
        return [name for name in found if self._revealed.get(name) in {None, *sought}]

    # --- what happens

    def wants(self, targets: Iterable[Target]) -> None:
        """Be linked with exactly these."""
        wanted = list(targets)
        self._do(self.mesh.wants(wanted, self._runtime.monotonic()))
        for gone in self._errors.keys() - self.mesh.targets:
            del self._errors[gone]

    def link_up(self, link: Link) -> None:
        """A link stands, whoever dialled."""
        self.mesh.link_up(link.peer.device, link.peer.account, self._runtime.monotonic())
        self._errors.pop(link.peer.device, None)
        self._errors.pop(link.peer.account, None)
        if link.dialled:
            self._finder.worked(link.peer.device, link.address)

    def link_down(self, link: Link, reason: str, *, useful: bool) -> None:
        """A link is gone; `useful`: both sides had something to say."""
        if link.dialled:  # it was good until now, also where the clock was set forward by months meanwhile
            self._finder.worked(link.peer.device, link.address)
        if link.peer.device in self.mesh.targets:
            self._errors[link.peer.device] = reason
        self._do(self.mesh.link_down(link.peer.device, self._runtime.monotonic(), useful=useful))

    def sighted(self, target: Target) -> None:
        """It was seen, or a new address is known: try at once. What is known of an account helps to each of its devices."""
        now = self._runtime.monotonic()
        owned = [name for name in sorted(self.mesh.targets) if len(name) == _DEVICE_CHARS]
        for device in [DeviceId(name) for name in owned if self._account_of(DeviceId(name)) == target]:
            self._do(self.mesh.sighted(device, now))
        self._do(self.mesh.sighted(target, now))

    def hinted(self, target: Target) -> None:
        """Others say where it is: try once, now."""
        self._do(self.mesh.hinted(target, self._runtime.monotonic()))

    def network_changed(self) -> None:
        """All back-off is void."""
        self._do(self.mesh.network_changed(self._runtime.monotonic()))

    async def run(self) -> None:
        """Carry out wishes until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    while self._wishes:
                        self._carry_out(self._wishes.popleft(), tasks)
                    await self._sleep()
        finally:
            self._dials.clear()

    # --- inside

    def _do(self, wishes: list[Wish]) -> None:
        self._wishes.extend(wishes)
        self._wake.set()

    def _carry_out(self, wish: Wish, tasks: asyncio.TaskGroup) -> None:
        match wish:
            case Dial(target):
                self._dials[target] = tasks.create_task(self._dial(target))
            case HangUp(target):
                dial = self._dials.pop(target, None)
                if dial is not None:
                    dial.cancel()
                if len(target) == _DEVICE_CHARS and (link := self._links.link(DeviceId(target))) is not None:
                    link.close("it is not wanted any more")
            case Probe(device):
                if device not in self._probed and (link := self._links.link(device)) is not None:
                    self._probed.add(device)
                    tasks.create_task(self._probe(link))
            case WakeAt(time_s):
                self._wake_at = time_s if self._wake_at is None else min(self._wake_at, time_s)

    async def _probe(self, link: Link) -> None:
        device = link.peer.device
        try:
            if not await self._links.prove(link):
                self._do(self.mesh.sighted(device, self._runtime.monotonic()))
        finally:
            self._probed.discard(device)

    async def _dial(self, target: Target) -> None:
        try:
            link = await self._reach(target)
        except LinkError as error:
            self._errors[target] = str(error)
            _log.debug("dial of %s: %s", target, error)
            self._do(self.mesh.failed(target, self._runtime.monotonic()))
        else:
            self._errors.pop(target, None)
            if self._links.link(link.peer.device) is None:  # gone again before we heard of it
                self._do(self.mesh.failed(target, self._runtime.monotonic()))
                return
            self.mesh.link_up(link.peer.device, link.peer.account, self._runtime.monotonic(), dialled=target)
        finally:
            if self._dials.get(target) is asyncio.current_task():
                del self._dials[target]

    async def _reach(self, target: Target) -> Link:
        if len(target) == _DEVICE_CHARS:
            device = DeviceId(target)
            known = self._finder.addresses(device, self._account_of(device))
            return await self._links.dial(device, _some([candidate.address for candidate in known]))
        if len(target) == _ACCOUNT_CHARS:
            account = AccountId(target)
            known = self._finder.addresses(account)
            link = await self._links.dial(None, _some([candidate.address for candidate in known]))
            if link.peer.account != account:
                self._let_go(link)
                raise LinkError(f"another account answers there: {link.peer.account}")
            return link
        name = cast(Stray, target)
        seen = [each for each in self._finder.strangers() if stray(each.instance) == name]
        link = await self._links.dial(None, _some([address for each in seen for address in each.addresses]))
        self._revealed[name] = link.peer.account
        while len(self._revealed) > LAN_INSTANCES_MAX:
            del self._revealed[next(iter(self._revealed))]
        if self._let_go(link):
            raise LinkError(f"it is {link.peer.account}, whom nobody here looks for")
        return link

    def _let_go(self, link: Link) -> bool:
        """Close a link that led to a stranger; whether it did."""
        if link.link_class is LinkClass.STRANGER and link.peer.account not in self.mesh.targets:
            link.close("not whom we looked for")
            return True
        return False

    async def _sleep(self) -> None:
        delay_s = None if self._wake_at is None else max(0.0, self._wake_at - self._runtime.monotonic())
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            self._wake_at = None
            self._do(self.mesh.tick(self._runtime.monotonic()))


def _some(addresses: Sequence[Address]) -> Sequence[Address]:
    if not addresses:
        raise LinkError("no address is known")
    return addresses
