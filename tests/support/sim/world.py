"""A swarm of whole nodes in virtual time: real logs on a disk, real links over simulated wires, people who act, and things that go wrong.

A script (a plain JSON value) says who does what and when; all else follows from its seed. See `script` and `World`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmchat.account.records import ConversationState, Host
from swarmchat.addresses import Address
from swarmchat.commitlog.log import Admission, CommitLog
from swarmchat.conversation.actions import Add, Post
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import NotFoundError, SwarmchatError
from swarmchat.ids import CommitId, ConversationId
from tests.support.sim import loop as sim
from tests.support.sim import oracles, rest, scripts
from tests.support.sim.choices import choose, picked
from tests.support.sim.dht import SimDht
from tests.support.sim.directory import PORT, Directory
from tests.support.sim.loop import START_S
from tests.support.sim.machines import Life, Machine, account_of
from tests.support.sim.network import Network
from tests.support.sim.runtime import EPOCH
from tests.support.sim.scripts import Script, Step
from tests.support.sim.villains import Villain

SETTLE_S = 240.0  # of virtual time, until all must be in step again: less than the 5 minutes of anti-entropy, so that it hides nothing
SETTLE_ABROAD_S = 900.0  # where only a DHT leads to others: mail that nobody took up is sent again after ten minutes
LOOK_EVERY = 8  # steps between two looks at the order of every timeline
LIMIT_S = 2 * 86_400.0
HANG_UP_S = 60.0  # until links that nobody wants any more are gone


def script(seed: int) -> Script:
    """A random script."""
    return scripts.swarm(seed)


def play(script: Mapping[str, Any], folder: Path, *, trace: sim.Trace, counts: Counter[str]) -> None:
    """Play one script to its end in a folder of its own; AssertionError says what is wrong."""

    async def main() -> None:
        await World(folder, script, trace, counts).play()

    sim.run(main, trace=trace, limit_s=LIMIT_S)


class _Complaints(logging.Handler):
    """What the code itself calls an error is one."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.faults.append(f"logged: {self.format(record)}")


class World:
    """See the module. `counts` tells what really happened, `faults` what must not have."""

    tasks: asyncio.TaskGroup

    def __init__(self, folder: Path, script: Mapping[str, Any], trace: sim.Trace, counts: Counter[str]) -> None:
        self.script = script
        self.seed = script["seed"]
        self.trace = trace
        self.network = Network(self.seed, trace, loss=script.get("loss", 0.0))
        self.directory = Directory(self.network, works=script.get("lan", True))
        self.dht = SimDht(self.network) if script.get("dht") else None
        self.counts = counts
        self.faults: list[str] = []
        self.conversations: list[ConversationId] = []  # the group, then those of two
        self.acknowledged: dict[CommitId, tuple[Machine, ConversationId]] = {}
        self.forged: set[CommitId] = set()  # by villains
        self.lawful: set[CommitId] = set()  # by villains too
        self.orders: dict[tuple[Machine, ConversationId], list[CommitId]] = {}  # as last seen
        self.dice = random.Random(f"world {self.seed}")
        hostile, clocks, slow = script.get("hostile", ()), script.get("clocks", ()), script.get("slow", ())
        self.machines = [
            Machine(
                number,
                account_of(name, device, script.get("made", 1)),
                folder / f"{number}-0",
                stubborn=script.get("stubborn") == number,
                hostile=number in hostile,
                skew_s=float(clocks[number]) if number < len(clocks) else 0.0,
                is_slow=number in slow,
            )
            for number, (name, device) in enumerate(script["cast"])
        ]
        self.villains: list[Villain] = []

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
                    if number % LOOK_EVERY == 0:
                        await oracles.no_flip(self)
                await self._calm_down()
                await self._settle()
                for machine in self.machines:
                    await self._stop(machine)
                for villain in self.villains:
                    await villain.down()
            oracles.disks(self)
            if self.dht is not None:
                self.counts["put in the DHT"] += self.dht.puts
            self.counts["virtual seconds"] += int(asyncio.get_running_loop().time() - START_S)
            assert not self.faults, "\n".join(self.faults)
        finally:
            logger.removeHandler(complaints)

    def note(self, what: str) -> None:
        """Into the trace."""
        self.trace.note(asyncio.get_running_loop().time(), what)

    @property
    def honest(self) -> list[Machine]:
        """The machines on which our node runs."""
        return [machine for machine in self.machines if not machine.hostile]

    @property
    def lives(self) -> list[Life]:
        """The nodes that run, by machine."""
        return [machine.life for machine in self.machines if machine.life is not None]

    # --- the beginning

    async def _set_up(self) -> None:
        for machine in self.honest:
            await self._boot(machine)
        creator, others = self.machines[0], self.machines[1:]
        assert creator.life is not None
        group = await creator.life.swarm.create(self.script["mode"], title="simulated")
        self.conversations.append(group)
        self._acknowledge(creator, group, (await creator.life.swarm.log(group)).heads)
        guests = [machine for machine in others if machine.account.id != creator.account.id]
        names = list(dict.fromkeys(machine.account.name for machine in guests))
        first = names[: len(names) - self.script["late"]]
        for machine in self.machines:
            if machine.hostile and machine.account.name in first:
                await self._let_in(machine, creator, group)
        invited = sorted({m.account.id for m in guests if m.account.name in first and not m.hostile})
        for outcome in await creator.life.swarm.invite(group, invited):
            assert isinstance(outcome, Admission), outcome
            self._acknowledge(creator, group, outcome.new)
        for account in invited:
            devices = [machine for machine in guests if machine.account.id == account]
            await self._until(lambda devices=devices: any(m.saved.pending() for m in devices), f"{devices[0]} is asked")
            for machine in devices:
                await self._accept(machine)
        for machine in others:
            in_it = machine.account.id in {creator.account.id, *invited}
            if in_it and group not in machine.saved.conversations:
                await self._bring_device(machine, group)

    async def _let_in(self, machine: Machine, creator: Machine, group: ConversationId) -> None:
        """A villain is a member like others at first."""
        assert creator.life is not None
        (outcome,) = await creator.life.swarm.append_all(group, [Add(machine.account.id)])
        assert isinstance(outcome, Admission), outcome
        villain = Villain(self, machine)
        await villain.up()
        self.villains.append(villain)
        await villain.join(creator.life, group)
        self.directory.came(villain)

    async def _bring_device(self, machine: Machine, group: ConversationId) -> None:
        """A second device of somebody who is in: it knows the conversation from the archive and fetches it."""
        self.counts["second device"] += 1
        sibling = next(m for m in self.machines if m is not machine and m.account.id == machine.account.id)
        await self._stop(machine)
        if group in machine.saved.conversations:  # its sibling has told it meanwhile
            await self._boot(machine)
            return
        machine.saved, _ = machine.saved.add_conversation(
            group,
            title="",
            mode=self.script["mode"],
            now_ms=int(EPOCH * 1000),
            state=ConversationState.SYNCING,
            members=tuple(sorted({other.account.id for other in self.machines})),
            hosts=(Host(sibling.account.device, Address(sibling.host, PORT)),),
        )
        await self._boot(machine)

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        waited = 0.0
        limit_s = 120.0 if self.script.get("lan", True) else 300.0  # what is lost in a DHT is heard a minute later
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
                if machine.life is not None:
                    self._crash(machine, "crash", silently=bool(two % 2))
            case "crash while writing":
                self._crash_while_writing(machine, changes=1 + one % 12, silently=bool(two % 2))
            case "restart":
                if machine.life is not None:
                    await self._stop(machine)
                    await self._boot(machine)
                    self.counts["restart"] += 1
            case "power cut":
                if machine.life is not None:
                    self._crash_while_writing(machine, changes=1 + one % 12, silently=True, power=True)
            case "boot":
                off = [each for each in self.honest if each.life is None]
                if off:
                    await self._boot(off[one % len(off)])
            case "cut" | "stall" as trouble:
                self._trouble(trouble, one, two)
            case "skew":
                self._set(machine, "skew", skew_s=(one - 500) / 5.0)  # the law allows 300 s between two starts
            case "clock":
                self._set(machine, "clock", skew_s=float(scripts.CLOCKS_S[one % len(scripts.CLOCKS_S)]))
            case "slow disk":
                self._set(machine, "slow disk", is_slow=not machine.is_slow)
            case "full disk":
                self._set(machine, "full disk", is_full=True)
            case "room on disk":
                full = picked([each for each in self.honest if each.is_full], one)
                if full is not None:
                    self._set(full, "room on disk", is_full=False)
            case "second line":
                self._dial_again(machine, one)
            case "rogue":
                villain = picked(self.villains, one)
                if villain is not None:
                    self.tasks.create_task(self._let_act(villain, (one, two)), name=f"{villain.machine} acts")
            case "accept":
                asked = [each for each in self.machines if each.life is not None and each.saved.pending()]
                guest = picked(asked, one) or machine
                self._begin(guest.life, "accept", (one, two))
            case act:
                self._begin(machine.life, act, (one, two))

    def _set(self, machine: Machine, kind: str, **fields: Any) -> None:
        """The clock or the disk of a machine is another from now on."""
        if not machine.hostile:
            for name, value in fields.items():
                setattr(machine, name, value)
            machine.adjust()
            self.counts[kind] += 1

    def _dial_again(self, machine: Machine, number: int) -> None:
        """It dials somebody with whom it is linked: two links with one device, for a moment."""
        life = machine.life
        link = picked(life.swarm.links.links, number) if life is not None else None
        other = next(
            (each for each in self.honest if link is not None and each.account.device == link.peer.device), None
        )
        if life is None or other is None:
            return

        async def dial() -> None:
            with contextlib.suppress(SwarmchatError, OSError, asyncio.CancelledError):
                await life.swarm.links._attempt(other.account.device, Address(other.host, PORT))
                self.counts["second line"] += 1

        task = self.tasks.create_task(dial(), name=f"{machine} dials {other} again")
        life.work.add(task)
        task.add_done_callback(life.work.discard)

    async def _let_act(self, villain: Villain, picks: tuple[int, int]) -> None:
        trick = await villain.act(self.conversations[0], self.lives, picks)
        if trick is not None:
            self.counts[f"rogue: {trick}"] += 1

    def _begin(self, life: Life | None, act: str, picks: tuple[int, int]) -> None:
        """Somebody starts to do something; the world does not wait for it."""
        if life is None:
            return

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
        one, two = picks
        if act == "accept":
            await self._accept(life.machine)
            return
        if act == "contact":
            await self._add_contact(life, one)
            return
        if act in {"decline", "forget", "block", "unblock", "setting"}:
            await self._change_account(life, act, (one, two))
            return
        # The group three times of four, as long as there are others.
        where = self.conversations[0] if two % 4 else self.conversations[one % len(self.conversations)]
        log = await oracles.log_of(life, where)
        if log is None:
            return
        if log.roster.is_banned(life.machine.account.id) or log.roster.is_banned(life.device):
            await self._act_banned(life, where, log, picks)
            return
        match act:
            case "revoke":
                await self._revoke(life)
            case "purge":  # what nobody else has yet is gone, as he wants it
                self.acknowledged = {
                    commit: known for commit, known in self.acknowledged.items() if known != (life.machine, where)
                }
                await life.swarm.purge(where)
                self._done(life, act)
            case "read":
                await life.swarm.read(where, log.heads[one % len(log.heads)])
                self._done(life, act)
            case "prefer":
                await life.swarm.own.prefer(where, f"key{one % 3}", None if one % 4 == 0 else f"{one}")
                self._done(life, act)
            case "typing":
                await life.swarm.typing(where, bool(one % 2))
                self._done(life, act)
            case "leave" | "dissolve":
                outcome = await life.swarm.leave(where, dissolve=act == "dissolve")
                if isinstance(outcome, Admission):
                    self._done(life, act, where, outcome.new)
            case _:
                await self._move(life, where, log, act, picks)

    async def _move(self, life: Life, where: ConversationId, log: CommitLog, kind: str, picks: tuple[int, int]) -> None:
        me = life.machine.account
        everybody = sorted({machine.account.id for machine in self.machines})
        move = choose(
            kind, picks, roster=log.roster, history=log.history, me=me.id, device=me.device, everybody=everybody
        )
        if move is None:
            return
        if kind == "invite":
            outcomes = await life.swarm.invite(where, [each.uri for each in move.actions if isinstance(each, Add)])
        elif move.profile is not None:
            outcomes = [await life.swarm.append(where, move.actions[0], profile=move.profile)]
        else:
            outcomes = await life.swarm.append_all(where, move.actions)
        for outcome in outcomes:
            if isinstance(outcome, Rejection):
                self.counts["refused here"] += 1
            else:
                self._done(life, kind, where, outcome.new)

    async def _act_banned(self, life: Life, where: ConversationId, log: CommitLog, picks: tuple[int, int]) -> None:
        """A banned one can only write into the past, where it was a member; nobody takes it."""
        if life.machine.stubborn:
            commits = [entry.id for entry in log.history.entries if not entry.is_merge]
            outcome = await life.swarm.append(where, Post(f"still here {picks}"), at=picked(commits, picks[0]))
            if isinstance(outcome, Admission):
                self._done(life, "backdate")

    async def _accept(self, machine: Machine) -> None:
        life = machine.life
        if life is None:
            return
        for request in machine.saved.pending():
            if request.id in machine.saved.requests:  # of two to one conversation, by inviter and holder, one is enough
                with contextlib.suppress(NotFoundError):  # another device of his was quicker
                    await life.swarm.people.accept(request.id)
                    self._done(life, "accept")

    async def _add_contact(self, life: Life, number: int) -> None:
        """A conversation of two begins."""
        others = sorted({machine.account.id for machine in self.machines} - {life.machine.account.id})
        contact = await life.swarm.people.add_contact(others[number % len(others)])
        if contact.conversation is not None and contact.conversation not in self.conversations:
            self.conversations.append(contact.conversation)
            self._done(life, "contact")

    async def _change_account(self, life: Life, act: str, picks: tuple[int, int]) -> None:
        """What a person does that no other person sees; his other devices are to follow."""
        (one, two), state, swarm = picks, life.machine.saved, life.swarm
        others = sorted({machine.account.id for machine in self.machines} - {life.machine.account.id})
        contacts = [who for who in others if state.is_contact(who)]
        blocked = [who for who in others if state.is_blocked(who)]
        match act:
            case "setting" if one % 2:
                await swarm.own.set("send_typing", bool(two % 2))
            case "setting":
                await swarm.own.set("name", f"{life.machine.account.name} {two}")
            case "decline" if (request := picked(state.pending(), one)) is not None:
                await swarm.people.decline(request.id)
            case "forget" if (who := picked(contacts, one)) is not None:
                await swarm.people.remove_contact(who)
            case "block":
                await swarm.people.block(others[one % len(others)])
            case "unblock" if (who := picked(blocked, one)) is not None:
                await swarm.people.unblock(who)
            case _:
                return
        self._done(life, act)

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
        life.swarm.own.renewed(revoked)
        await life.swarm.own.relisted()
        self._done(life, "revoke")

    def _done(
        self, life: Life, kind: str, where: ConversationId | None = None, commits: Sequence[CommitId] = ()
    ) -> None:
        if not life.dead:
            self.counts[kind] += 1
            if where is not None:
                self._acknowledge(life.machine, where, commits)

    def _acknowledge(self, machine: Machine, where: ConversationId, commits: Sequence[CommitId]) -> None:
        for commit in commits:
            self.acknowledged[commit] = (machine, where)

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
        pair = picked(self.network.standing(), one)
        if pair is None:
            return
        if kind == "cut":
            self.network.cut(pair)
        else:
            self.network.stall(pair, 0.5 + two % 60)
        self.counts[kind] += 1

    async def _boot(self, machine: Machine) -> None:
        machine.lives += 1
        machine.folder.mkdir(parents=True, exist_ok=True)
        machine.life = life = Life(self, machine)
        machine.adjust()
        self.note(f"{machine} starts")
        await life.up()
        if not life.dead:
            self.directory.came(life)

    async def _stop(self, machine: Machine) -> None:
        """As a user stops it."""
        life, machine.life = machine.life, None
        if life is not None:
            self.directory.left(life, saying_so=True)
            await life.stop()

    def _crash(self, machine: Machine, kind: str, *, silently: bool, power: bool = False) -> None:
        """The process is gone; what its disk holds at this moment is all that is left."""
        life, machine.life = machine.life, None
        assert life is not None
        machine.save_disk(life.files.unsafe if power else {}, self.dice)
        self.directory.left(life, saying_so=False)
        self.network.unplug(machine.host, silently=silently)
        life.kill()
        self.note(f"{machine} crashes")
        self.counts[kind] += 1

    def _crash_while_writing(self, machine: Machine, *, changes: int, silently: bool, power: bool = False) -> None:
        """It will crash between two changes to its files, whenever that is."""
        life = machine.life

        def crash() -> None:
            if machine.life is life and life is not None:
                self._crash(machine, "power cut" if power else "crash while writing", silently=silently, power=power)

        if life is not None:
            life.files.arm(changes, crash)

    # --- the end

    async def _calm_down(self) -> None:
        """Nothing goes wrong any more."""
        for life in self.lives:
            life.files.arm(0, lambda: None)
        if self.network.partitioned:
            self._heal()
        self.network.loss = 0.0
        for machine in self.honest:
            machine.is_slow = machine.is_full = False
            machine.adjust()
            if machine.life is None:
                await self._boot(machine)

    async def _settle(self) -> None:
        waited = 0.0
        limit_s = SETTLE_S if self.script.get("lan", True) else SETTLE_ABROAD_S
        while (difference := await oracles.difference(self)) is not None:
            assert not self.faults, "\n".join(self.faults)
            assert waited < limit_s, f"after {waited:g} s of calm: {difference}"
            self.note(f"not settled: {difference}")
            await asyncio.sleep(5.0)
            waited += 5.0
        self.note(f"settled after {waited:g}")
        self.counts["seconds to settle"] += int(waited)
        await asyncio.sleep(HANG_UP_S)
        await oracles.settled(self)
        await oracles.no_flip(self)
        await rest.at_rest(self)
        await rest.receipts(self)
        oracles.invariants(self)
