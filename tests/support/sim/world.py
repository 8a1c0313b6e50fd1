"""A swarm of whole nodes in virtual time: real logs on a disk, real links over simulated wires, people who act, and things that go wrong.

A script (a plain JSON value) says who does what and when; all else follows from its seed. See `script` and `World`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.account.records import ConversationState, Host
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.log import Admission, CommitLog
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.tree import Mode
from swarmchat.discovery.addressbook import AddressBook
from swarmchat.discovery.cards import CardBox
from swarmchat.discovery.finder import Finder
from swarmchat.errors import SwarmchatError
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.index.receipts import Receipts
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.peers import Identity
from swarmchat.swarm.events import Event
from swarmchat.swarm.swarm import Swarm
from tests.support.sim import loop as sim
from tests.support.sim import oracles
from tests.support.sim.choices import choose
from tests.support.sim.directory import PORT, Directory
from tests.support.sim.network import NamingSecurity, Network
from tests.support.sim.runtime import EPOCH, SimRuntime

T = TypeVar("T")

NAMES = ("alice", "bob", "carol", "dave")
SETTLE_S = 1800.0  # of virtual time, until all must be in step again: anti-entropy and back-off are 5 minutes each

WEIGHTS = {
    # what people do
    "post": 20,
    "edit": 4,
    "react": 4,
    "invite": 6,
    "accept": 6,
    "leave": 1,
    "kick": 1,
    "promote": 7,
    "demote": 1,
    "vote": 4,
    "ban": 4,
    "ban device": 2,
    "unban": 3,
    "profile": 2,
    "revoke": 1,
    "read": 2,
    "typing": 2,
    # what goes wrong
    "partition": 4,
    "heal": 4,
    "crash": 3,
    "restart": 2,
    "boot": 6,
    "cut": 2,
    "stall": 2,
    "skew": 1,
}
WAITS = (0.0, 0.001, 0.01, 0.05, 0.2, 1.0, 3.0, 12.0, 45.0)

Step = dict[str, Any]
Script = dict[str, Any]


def script(seed: int) -> Script:
    """A random script. Everything in it is small numbers and words."""
    dice = random.Random(f"swarm {seed}")
    kinds, weights = zip(*sorted(WEIGHTS.items()), strict=True)
    cast = [[name, 1] for name in NAMES[: dice.choices((3, 4), (2, 1))[0]]]
    for name, _ in list(cast):
        if dice.random() < 0.3 and len(cast) < 6:
            cast.append([name, 2])
    steps: list[Step] = [
        {
            "do": dice.choices(kinds, weights)[0],
            "by": dice.randrange(60),
            "picks": [dice.randrange(1000), dice.randrange(1000)],
            "wait": dice.choice(WAITS),
        }
        for _ in range(dice.randint(25, 45))
    ]
    mode = dice.choices((1, 2, 3), (5, 2, 1))[0]
    late = int(dice.random() < 0.4)  # one account is not invited at first
    return {"world": "swarm", "seed": seed, "mode": mode, "late": late, "cast": cast, "steps": steps}


@cache
def account_of(name: str, number: int) -> Account:
    """Device `number` of an account; the same account for the same name."""
    now = int(EPOCH) - 86_400
    first = accounts.create(name=name, now=now, entropy=random.Random(f"account {name}").randbytes)
    if number == 1:
        return first
    assert first.account_key is not None
    return accounts.new_device(
        name=name,
        certificate=first.certificate,
        account_key=first.account_key,
        revocations=None,
        now=now,
        entropy=random.Random(f"device {name} {number}").randbytes,
    )


class MemoryKeeper:
    """A StateKeeper whose disk is the machine's `saved`."""

    def __init__(self, machine: Machine, runtime: SimRuntime) -> None:
        self._machine = machine
        self._runtime = runtime
        self._turn = asyncio.Lock()
        self.state: State = machine.saved

    async def change(self, step: Callable[[State], tuple[State, T]]) -> T:
        async with self._turn:
            state, outcome = step(self.state)
            if state is not self.state:
                await self._runtime.offload(self._save, state)
                self.state = state
            return outcome

    def _save(self, state: State) -> None:
        self._machine.saved = state


@dataclass(eq=False)
class Machine:
    """A device, switched on (`life`) or off."""

    number: int
    account: Account
    folder: Path  # the disk
    saved: State = field(default_factory=State)  # also on the disk
    life: Life | None = None
    lives: int = 0
    skew_s: float = 0.0

    @property
    def host(self) -> str:
        return f"10.0.0.{self.number + 1}"

    def __str__(self) -> str:
        return f"{self.account.name}/{self.number}"


class Life:
    """One run of a node on a machine, from start to stop or crash."""

    def __init__(self, world: World, machine: Machine) -> None:
        self.machine = machine
        self.host = machine.host
        self.device: DeviceId = machine.account.device
        self.runtime = SimRuntime(f"{world.seed} {machine.number} {machine.lives}", skew_s=machine.skew_s)
        self.events: list[Event] = []
        self.work: set[asyncio.Task[None]] = set()  # what people do on it just now
        self._world = world
        self.catalog = Catalog(machine.folder / "conversations")
        self.receipts = Receipts(machine.folder / "receipts.sqlite")
        self.finder = Finder(self.runtime, AddressBook(), CardBox())
        account = machine.account
        self._identity = Identity(
            account.device_key, account.device_certificate, account.certificate, self.runtime.entropy(8)
        )
        self.swarm = Swarm(
            account,
            MemoryKeeper(machine, self.runtime),
            self.catalog,
            self.runtime,
            links=self._links,
            finder=self.finder,
            receipts=self.receipts,
            observer=self._observe,
        )
        self.swarm.recheck_lan = lambda: asyncio.get_running_loop().call_soon(world.directory.recognise, self)  # type: ignore[assignment]
        self.task: asyncio.Task[None] = world.tasks.create_task(self._run(), name=f"life of {machine}")

    @property
    def dead(self) -> bool:
        """Killed: what it still does counts for nothing."""
        return self.runtime.dead

    def known(self, device: DeviceId) -> bool:
        return device in set(self.swarm.known_devices())

    def sighted(self, device: DeviceId | None, name: str, address: Address) -> None:
        if self.swarm.ready.is_set():
            self.swarm.sighted(device, name, (address,))

    async def up(self) -> None:
        """Wait until it listens."""
        await self.swarm.ready.wait()
        await self.swarm.links.listen([Address(self.host, PORT)])

    async def stop(self) -> None:
        """As a user stops it."""
        for task in sorted(self.work, key=hash):
            task.cancel()
        await self.swarm.close()
        await self.task
        self.catalog.close()
        self.receipts.close()

    async def _run(self) -> None:
        try:
            await self.swarm.run()
        except BaseException as error:
            if not self.dead:
                self._world.faults.append(f"the node of {self.machine} fell over: {error!r}")
                raise

    def _links(self, **wiring: Any) -> ConnectionManager:
        security = NamingSecurity(self._identity, self.runtime.now, wiring["policy"].revoked)
        carrier = self._world.network.carrier(self.host)
        return ConnectionManager(self._identity, self.runtime, carrier=carrier, security=security, **wiring)

    def _observe(self, event: Event) -> None:
        if not self.dead:
            self.events.append(event)
            self._world.note(f"{self.machine} {event.type} {getattr(event, 'id', '')}")


class _Complaints(logging.Handler):
    """What the code itself calls an error is one."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.faults.append(f"logged: {self.format(record)}")


class World:
    """See the module. `counts` tells what really happened, `faults` what must not have."""

    def __init__(self, folder: Path, script: Mapping[str, Any], trace: sim.Trace, counts: Counter[str]) -> None:
        self.script = script
        self.seed = script["seed"]
        self.trace = trace
        self.network = Network(self.seed, trace)
        self.directory = Directory(self.network)
        self.counts = counts
        self.faults: list[str] = []
        self.acknowledged: dict[CommitId, tuple[Machine, float]] = {}
        self.machines = [
            Machine(number, account_of(name, device), folder / f"{number}-0")
            for number, (name, device) in enumerate(script["cast"])
        ]
        self.tasks: asyncio.TaskGroup
        self.conversation: ConversationId
        self._dice = random.Random(f"world {self.seed}")

    # --- the play

    async def play(self) -> None:
        """Set up, do every step, heal, settle, check, stop."""
        complaints = _Complaints(self)
        logger = logging.getLogger("swarmchat")
        logger.addHandler(complaints)
        try:
            async with asyncio.TaskGroup() as self.tasks:
                await self._set_up()
                for number, step in enumerate(self.script["steps"]):
                    self.note(f"step {number} {step}")
                    await self._step(step)
                    await asyncio.sleep(step["wait"])
                    oracles.invariants(self)
                await self._calm_down()
                await self._settle()
                for machine in self.machines:
                    await self._stop(machine)
            oracles.disks(self)
            assert not self.faults, "\n".join(self.faults)
        finally:
            logger.removeHandler(complaints)

    def note(self, what: str) -> None:
        """Into the trace."""
        self.trace.note(asyncio.get_running_loop().time(), what)

    @property
    def lives(self) -> list[Life]:
        """The nodes that run, by machine."""
        return [machine.life for machine in self.machines if machine.life is not None]

    async def log(self, life: Life) -> CommitLog | None:
        """The log of the conversation on a node, if it has it."""
        try:
            log = await life.swarm.log(self.conversation)
        except SwarmchatError:
            return None
        return None if log.is_empty else log

    # --- the beginning

    async def _set_up(self) -> None:
        for machine in self.machines:
            await self._boot(machine)
        creator, others = self.machines[0], self.machines[1:]
        assert creator.life is not None
        mode: Mode = self.script["mode"]
        self.conversation = await creator.life.swarm.create(mode, title="simulated")
        self._acknowledge(creator, (await creator.life.swarm.log(self.conversation)).heads)
        guests = [machine for machine in others if machine.account.id != creator.account.id]
        names = [name for name in NAMES if any(m.account.name == name for m in guests)]
        first = names[: len(names) - self.script["late"]]
        accounts_invited = sorted({machine.account.id for machine in guests if machine.account.name in first})
        for outcome in await creator.life.swarm.invite(self.conversation, accounts_invited):
            assert isinstance(outcome, Admission), outcome
            self._acknowledge(creator, outcome.new)
        for account in accounts_invited:
            devices = [machine for machine in guests if machine.account.id == account]
            await self._until(lambda devices=devices: any(m.saved.pending() for m in devices), f"{devices[0]} is asked")
            for machine in devices:
                await self._accept(machine)
        for machine in self.machines:
            in_it = machine is creator or machine.account.id in {creator.account.id, *accounts_invited}
            if in_it and self.conversation not in machine.saved.conversations:
                await self._bring_device(machine)

    async def _bring_device(self, machine: Machine) -> None:
        """A second device of somebody who is in: it knows the conversation from the archive and fetches it."""
        self.counts["second device"] += 1
        sibling = next(m for m in self.machines if m is not machine and m.account.id == machine.account.id)
        await self._stop(machine)
        machine.saved, _ = machine.saved.add_conversation(
            self.conversation,
            title="",
            mode=self.script["mode"],
            now_ms=int(EPOCH * 1000),
            state=ConversationState.SYNCING,
            members=tuple(sorted({other.account.id for other in self.machines})),
            hosts=(Host(sibling.account.device, Address(sibling.host, PORT)),),
        )
        await self._boot(machine)

    async def _until(self, holds: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
        waited = 0.0
        while not holds():
            assert waited < limit_s, f"after {limit_s:g} s still not: {what}"
            assert not self.faults, "\n".join(self.faults)
            await asyncio.sleep(0.25)
            waited += 0.25

    # --- steps

    async def _step(self, step: Step) -> None:
        one, two = step["picks"]
        machine = self.machines[step["by"] % len(self.machines)]
        match step["do"]:
            case "partition":
                self._partition(one)
            case "heal":
                if self.network.partitioned:
                    self._heal()
                    self.counts["heal"] += 1
            case "crash":
                await self._crash(machine, silently=bool(two % 2))
            case "restart":
                if machine.life is not None:
                    await self._stop(machine)
                    await self._boot(machine)
                    self.counts["restart"] += 1
            case "boot":
                off = [m for m in self.machines if m.life is None]
                if off:
                    await self._boot(off[one % len(off)])
            case "cut" | "stall" as trouble:
                self._trouble(trouble, one, two)
            case "skew":
                machine.skew_s = (one - 500) / 5.0  # within 100 s: the law allows 300 between two starts
                if machine.life is not None:
                    machine.life.runtime.skew_s = machine.skew_s
                self.counts["skew"] += 1
            case "accept":
                asked = [m for m in self.machines if m.life is not None and m.saved.pending()]
                if asked:
                    life = asked[one % len(asked)].life
                    assert life is not None
                    self._begin(life, "accept", (one, two))
            case act:
                if machine.life is not None:
                    self._begin(machine.life, act, (one, two))

    def _begin(self, life: Life, act: str, picks: tuple[int, int]) -> None:
        """Somebody starts to do something; the world does not wait for it."""

        async def doing() -> None:
            try:
                await self._act(life, act, picks)
            except SwarmchatError as error:
                if not life.dead:
                    self.counts["refused here"] += 1
                    self.note(f"{life.machine} is refused: {error}")
            except Exception as error:
                if not life.dead:
                    self.faults.append(f"{life.machine} {act} {picks}: {error!r}")
                    raise

        task = self.tasks.create_task(doing(), name=f"{act} by {life.machine}")
        life.work.add(task)
        task.add_done_callback(life.work.discard)

    async def _act(self, life: Life, act: str, picks: tuple[int, int]) -> None:
        machine, swarm = life.machine, life.swarm
        if act == "accept":
            await self._accept(machine)
            return
        log = await self.log(life)
        if log is None or log.roster.is_banned(machine.account.id):
            return
        if act == "revoke":
            await self._revoke(life)
        elif act == "read":
            if log.heads:
                await swarm.read(self.conversation, log.heads[picks[0] % len(log.heads)])
                self._done(life, act)
        elif act == "typing":
            await swarm.typing(self.conversation, bool(picks[0] % 2))
            self._done(life, act)
        elif act == "leave":
            outcome = await swarm.leave(self.conversation)
            if isinstance(outcome, Admission):
                self._done(life, act, outcome.new)
        else:
            await self._move(life, log, act, picks)

    async def _move(self, life: Life, log: CommitLog, kind: str, picks: tuple[int, int]) -> None:
        me = life.machine.account
        everybody = sorted({machine.account.id for machine in self.machines})
        move = choose(
            kind, picks, roster=log.roster, history=log.history, me=me.id, device=me.device, everybody=everybody
        )
        if move is None:
            return
        if kind == "invite":
            outcomes = await life.swarm.invite(self.conversation, [action.uri for action in move.actions])  # type: ignore[union-attr]
        elif move.profile is not None:
            (action,) = move.actions
            outcomes = [await life.swarm.append(self.conversation, action, profile=move.profile)]
        else:
            outcomes = await life.swarm.append_all(self.conversation, move.actions)
        for outcome in outcomes:
            if isinstance(outcome, Rejection):
                self.counts["refused here"] += 1
            else:
                self._done(life, kind, outcome.new)

    async def _accept(self, machine: Machine) -> None:
        life = machine.life
        if life is None:
            return
        for request in machine.saved.pending():
            await life.swarm.accept(request.id)
            self._done(life, "accept")

    async def _revoke(self, life: Life) -> None:
        """An account takes away its other device."""
        account = life.swarm.account
        rival = next(
            (m for m in self.machines if m.account.id == account.id and m.account.device != account.device), None
        )
        if rival is None:
            return
        revoked = account.with_revocations(account.revoke(rival.account.device, now=int(life.runtime.now())))
        life.machine.account = revoked
        await life.swarm.revoke(revoked, rival.account.device)
        self._done(life, "revoke")

    def _done(self, life: Life, kind: str, commits: Sequence[CommitId] = ()) -> None:
        if not life.dead:
            self.counts[kind] += 1
            self._acknowledge(life.machine, commits)

    def _acknowledge(self, machine: Machine, commits: Sequence[CommitId]) -> None:
        for commit in commits:
            self.acknowledged[commit] = (machine, asyncio.get_running_loop().time())

    # --- what goes wrong

    def _partition(self, number: int) -> None:
        dice = random.Random(number)
        groups: list[list[str]] = [[], []]
        for machine in self.machines:
            groups[dice.randrange(2)].append(machine.host)
        if all(groups):
            self.network.partition(groups)
            self.counts["partition"] += 1

    def _heal(self) -> None:
        self.network.heal()
        self.directory.look_again()

    def _trouble(self, kind: str, one: int, two: int) -> None:
        standing = self.network.standing()
        if not standing:
            return
        pair = standing[one % len(standing)]
        if kind == "cut":
            self.network.cut(pair)
        else:
            self.network.stall(pair, 0.5 + two % 60)
        self.counts[kind] += 1

    async def _boot(self, machine: Machine) -> None:
        assert machine.life is None or machine.life.task.done()
        machine.lives += 1
        machine.folder.mkdir(parents=True, exist_ok=True)
        machine.life = Life(self, machine)
        self.note(f"{machine} starts")
        await machine.life.up()
        self.directory.came(machine.life)

    async def _stop(self, machine: Machine) -> None:
        """As a user stops it."""
        life, machine.life = machine.life, None
        if life is not None:
            self.directory.left(life, saying_so=True)
            await life.stop()

    async def _crash(self, machine: Machine, *, silently: bool) -> None:
        """The process is gone in the middle of whatever it did; what its disk holds at this moment is all that is left."""
        life = machine.life
        if life is None:
            return
        folder = machine.folder.with_name(f"{machine.number}-{machine.lives}")
        shutil.copytree(machine.folder, folder, ignore=shutil.ignore_patterns("*-shm"))
        machine.folder = folder
        machine.life = None
        self.directory.left(life, saying_so=False)
        life.runtime.kill()
        self.network.unplug(machine.host, silently=silently)
        self.note(f"{machine} crashes")
        self.counts["crash"] += 1
        for task in (*sorted(life.work, key=hash), life.task):
            task.cancel()
        await asyncio.wait({*life.work, life.task})

    # --- the end

    async def _calm_down(self) -> None:
        """Nothing goes wrong any more."""
        if self.network.partitioned:
            self._heal()
        for machine in self.machines:
            if machine.life is None:
                await self._boot(machine)

    async def _settle(self) -> None:
        waited = 0.0
        while (difference := await oracles.difference(self)) is not None:
            assert not self.faults, "\n".join(self.faults)
            assert waited < SETTLE_S, f"after {waited:g} s of calm: {difference}"
            self.note(f"not settled: {difference}")
            await asyncio.sleep(5.0)
            waited += 5.0
        self.note(f"settled after {waited:g}")
        self.counts["seconds to settle"] += int(waited)
        await asyncio.sleep(60.0)  # what hangs up, hangs up
        await oracles.settled(self)
        oracles.invariants(self)


def play(script: Mapping[str, Any], folder: Path, *, trace: sim.Trace, counts: Counter[str]) -> None:
    """Play one script to its end in a folder of its own; AssertionError says what is wrong."""

    async def main() -> None:
        await World(folder, script, trace, counts).play()

    sim.run(main, trace=trace, limit_s=86_400.0)
