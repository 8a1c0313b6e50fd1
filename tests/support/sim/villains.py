"""A member with real keys who keeps to no rule: forges, equivocates, floods, backdates, lies and withholds. (SCP-04 §4, threat model)"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from swarmchat.addresses import Address
from swarmchat.commitlog.log import Admission
from swarmchat.commitlog.writing import Writer
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Action, Post, Promote, UpdateProfile
from swarmchat.conversation.commit import merge_bytes
from swarmchat.errors import LinkError, NotFoundError, SwarmchatError
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.links.channel import Channel
from swarmchat.links.link import Link
from swarmchat.links.peers import Identity
from swarmchat.swarm.mail import Notice
from swarmchat.swarm.messages import Got, Hello, News, PackRequest, Shared, encode
from tests.support.builders import person
from tests.support.commitlogs import Object, objects_of, writer
from tests.support.rogue import Rogue, giving, refusing
from tests.support.sim.choices import MOVES, choose, picked
from tests.support.sim.directory import PORT
from tests.support.sim.machines import Life, Machine
from tests.support.sim.network import NamingSecurity
from tests.support.sim.runtime import SimRuntime

if TYPE_CHECKING:
    from tests.support.sim.world import World

PATIENCE_S = 20.0  # it waits so long for anybody, at most
FLOOD = 40  # heads at once
LIBRARY = 12  # of its forgeries it keeps so many, to show them again

FORGERIES = ("smuggle", "usurp", "steal", "foreign signature", "scribble", "false merge", "child of false", "orphan")
TRICKS = (
    "equivocate",
    "flood",
    "backdate",
    "far future",
    "fork",
    "withhold",
    "garbage",
    "lie",
    "repeat",
    "false notice",
    "rubbish pack",
    "hang up",
)


class _Rogue(Rogue):
    """Keeps the `sync` channels that others open, to talk on them too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opened: dict[Link, Channel] = {}

    async def _serve(self, channel: Channel) -> None:
        if channel.name == "sync":
            self.opened[channel.link] = channel
        try:
            await super()._serve(channel)
        finally:
            if self.opened.get(channel.link) is channel:
                del self.opened[channel.link]


class Villain:
    """See the module. Every forgery goes into `world.forged`: nobody may keep one."""

    def __init__(self, world: World, machine: Machine) -> None:
        self.machine = machine
        self.host = machine.host
        self.device: DeviceId = machine.account.device
        self.finder = self  # what the LAN tells goes nowhere: it knows where everybody is
        self._world = world
        self._runtime = SimRuntime(f"{world.seed} {machine.number} villain", skew_s=machine.skew_s)
        self._dice = random.Random(f"villain {world.seed} {machine.number}")
        self._rogue = _Rogue(
            machine.account,
            machine.folder / "villain",
            self._runtime,
            carrier=world.network.carrier(self.host),
            security=self._security,
        )
        self._links: dict[str, tuple[Link, Channel]] = {}
        self._shown: list[tuple[list[Object], list[CommitId]]] = []  # what it forged lately

    # --- as the LAN sees it (directory.Listens)

    def known(self, _device: DeviceId) -> bool:
        return False

    def sighted(self, _device: DeviceId | None, _name: str, _address: Address) -> None:
        pass

    def saw_lan(self, _sighting: object) -> None:
        pass

    # --- its life

    async def up(self) -> None:
        """It listens."""
        self._rogue.serve_pack = self._serve
        await self._rogue.up()
        await self._rogue.manager.listen([Address(self.host, PORT)])

    async def down(self) -> None:
        """It is gone."""
        for link, _ in self._links.values():
            link.close("done")
        await self._rogue.down()

    async def join(self, friend: Life, where: ConversationId) -> None:
        """An honest member at first."""
        for _ in range(5):
            link = await self._dialled(friend)
            with suppress(LinkError):  # a slow disk may take longer than an answer may
                await self._rogue.join(link, where)
                link.close("joined")
                await link.closed
                return
            link.close("asked again")
        raise AssertionError(f"{self.machine} does not come in")

    async def _dialled(self, friend: Life) -> Link:
        """A link; of two that both sides begin at once one may be hung up."""
        for _ in range(5):
            with suppress(LinkError):
                return await self._rogue.manager.dial(None, [Address(friend.host, PORT)])
            await asyncio.sleep(1.0)
        raise AssertionError(f"{self.machine} does not come in")

    async def act(self, where: ConversationId, targets: Sequence[Life], picks: tuple[int, int]) -> str | None:
        """One trick on one of the targets; its name if it was played."""
        one, two = picks
        kind = (*FORGERIES, *TRICKS)[one % (len(FORGERIES) + len(TRICKS))]
        target = picked(targets, two)
        if target is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return kind if await self._play(kind, where, target, targets, two) else None
        except (SwarmchatError, OSError, TimeoutError, AssertionError):  # the door is shut, or a cable is cut
            self._links.pop(target.host, None)
            return None

    async def _play(self, kind: str, where: ConversationId, target: Life, targets: Sequence[Life], number: int) -> bool:
        link, channel = await self._line(target, where)
        rogue, log = self._rogue, self._rogue.log(where)
        if number % 3:
            await rogue.fetch(link, where)
        if kind in FORGERIES:
            return await self._forge(kind, where, channel, number)
        joined = next(iter(log.history.by_account(self.machine.account.id))).id
        commits = [entry.id for entry in log.history.entries if not entry.is_merge]
        commits = commits[commits.index(joined) :]  # what came before, it had no right to build on
        now = int(self._runtime.now())
        old = picked(commits, number) or log.heads[0]
        match kind:
            case "equivocate":
                one = self._write(where, Post(f"to one {number}"), old, now)
                two = self._write(where, Post(f"to another {number}"), old, now)
                await self._tell(channel, where, one)
                other = picked([each for each in targets if each is not target], number)
                if other is not None:
                    _, channel = await self._line(other, where)
                await self._tell(channel, where, two)
                return bool(one and two)
            case "flood":
                made = [self._write(where, Post(f"flood {number} {n}"), old, now) for n in range(FLOOD)]
                return await self._tell(channel, where, [each for found in made for each in found])
            case "backdate":
                made = self._write(where, Post(f"long ago {number}"), joined, now - 400 * 86_400)
                return await self._tell(channel, where, made)
            case "far future":
                made = self._write(where, Post(f"in years {number}"), old, now + 3 * 365 * 86_400)
                return await self._tell(channel, where, made)
            case "fork":
                return await self._tell(channel, where, self._fork(where, old, number, now))
            case "withhold":
                made = self._write(where, Post(f"nobody gets it {number}"), old, now)
                rogue.serve_pack = refusing
                await channel.send(encode(News(where, (*made, CommitId(self._dice.randbytes(20).hex())), None, None)))
            case "garbage":
                rogue.open_raw(link, self._dice.randbytes(1 + number % 5000))
                self._links.pop(target.host, None)
            case "lie":
                heads = tuple(sorted(CommitId(self._dice.randbytes(20).hex()) for _ in range(1 + number % 8)))
                await channel.send(encode(Got(where, heads)))
                await channel.send(encode(News(where, heads, None, None)))
            case "repeat":
                for objects, heads in self._shown[-3:]:
                    for _ in range(3):
                        await rogue.push(channel, where, objects, heads)
                return bool(self._shown)
            case "false notice":
                nowhere = ConversationId(self._dice.randbytes(20).hex())
                await rogue.write(link, Notice(nowhere, log.heads[0], log.heads[:4], self.device))
            case "rubbish pack":
                rogue.serve_pack = giving(self._dice.randbytes(2_000), log.heads)
                await channel.send(encode(News(where, (CommitId(self._dice.randbytes(20).hex()),), None, None)))
            case _:
                link.close("rude")
                self._links.pop(target.host, None)
        return True

    # --- what it writes

    def _write(self, where: ConversationId, action: Action, at: CommitId, now: int) -> tuple[CommitId, ...]:
        """Lawful in its own past, wherever that is."""
        outcome = self._rogue.log(where).append(action, self._writer, now=now, at=at)
        return outcome.new if isinstance(outcome, Admission) else ()

    def _fork(self, where: ConversationId, at: CommitId, number: int, now: int) -> list[CommitId]:
        """A lawful move on an old commit: votes on both sides, friends promoted, the others banned."""
        log, made = self._rogue.log(where), []
        move = choose(
            MOVES[number % len(MOVES)],
            (number, number // 7),
            roster=log.roster_at(at),
            history=log.history,
            me=self.machine.account.id,
            device=self.device,
            everybody=sorted({machine.account.id for machine in self._world.machines}),
        )
        for action in move.actions if move is not None and move.profile is None else ():
            new = self._write(where, action, at, now)
            if not new:
                break
            made.extend(new)
            at = new[-1]
        return made

    async def _forge(self, kind: str, where: ConversationId, channel: Channel, number: int) -> bool:
        """What the law refuses, on a head that everybody has."""
        rogue, log = self._rogue, self._rogue.log(where)
        mine, stranger = rogue.person, person("mallory's friend")
        parent = picked(log.heads, number)
        assert parent is not None
        roster = log.roster_at(parent)
        own = (
            {}
            if tree.device(mine.device) in roster.files
            else {tree.device(mine.device): self._writer.device_certificate}
        )
        make: Callable[..., tuple[CommitId, list[Object]]] = rogue.forge
        match kind:
            case "smuggle":
                smuggled = {**own, "members/" + "e" * 40 + ".crt": mine.certificate.pem}
                commit, objects = make(where, Post("smuggled"), parent=parent, changes=smuggled)
            case "usurp":
                crown = {**own, tree.admin(mine.id): mine.certificate.pem}
                commit, objects = make(where, Promote(mine.id), parent=parent, changes=crown)
            case "steal":
                commit, objects = make(where, Post("stolen"), parent=parent, changes=own, signer=stranger)
            case "foreign signature":
                commit, objects = make(where, Post("damaged"), parent=parent, changes=own, damaged=True)
            case "scribble":
                commit, objects = make(
                    where, UpdateProfile(), parent=parent, changes={**own, tree.PROFILE: self._dice.randbytes(20)}
                )
            case "orphan":
                nowhere = CommitId(self._dice.randbytes(20).hex())
                commit, objects = make(where, Post("orphan"), parent=nowhere)
            case _:
                parents = tuple(sorted(entry.id for entry in log.history.entries if not entry.is_merge)[-2:])
                if len(parents) < 2:
                    return False
                false = objects_of((1, merge_bytes(log.commit(parents[0]).tree, parents, int(self._runtime.now()))))
                commit, objects = CommitId(false[0][1].hex()), false
                if kind == "child of false":
                    self._world.forged.add(commit)
                    folder = log.commit(parents[0]).tree
                    commit, child = make(where, Post("on sand"), parent=commit, tree=folder)
                    objects = [*false, *child]
        self._world.forged.add(commit)
        self._shown = [*self._shown[1 - LIBRARY :], (objects, [commit])]
        if number % 2:
            rogue.serve_pack = giving(objects, [commit])
            await channel.send(encode(News(where, (commit,), None, None)))
        else:
            await rogue.push(channel, where, objects, [commit])
        return True

    # --- inside

    @property
    def _writer(self) -> Writer:
        return writer(self._rogue.person)

    def _security(self, identity: Identity) -> NamingSecurity:
        return NamingSecurity(identity, self._runtime.now, lambda _account: frozenset())

    async def _serve(self, channel: Channel, request: PackRequest) -> None:
        """What it has of what it is asked for."""
        try:
            await self._rogue._give(channel, request)
        except NotFoundError:
            await refusing(channel, request)

    async def _line(self, target: Life, where: ConversationId) -> tuple[Link, Channel]:
        """A link with `sync` open, the one that stands if there is one."""
        if target.host in self._links:
            link, channel = self._links[target.host]
            if link.is_open:
                return link, channel
        self._rogue.serve_pack = self._serve
        link = await self._rogue.manager.dial(target.device, [Address(target.host, PORT)])
        common = Shared(where, self._rogue.log(where).heads)
        channel = self._rogue.opened.get(link)
        if channel is None:
            channel = await self._rogue.sync(link, common)
        else:
            await channel.send(encode(Hello((common,))))
        self._links[target.host] = link, channel
        return link, channel

    async def _tell(self, channel: Channel, where: ConversationId, commits: Sequence[CommitId]) -> bool:
        """Push lawful commits to one alone."""
        if not commits:
            return False
        log = self._rogue.log(where)
        base = [parent for parent in log.history[commits[0]].fact.parents if parent not in commits]
        pack = log.pack(commits, base)
        if pack is None:
            return False
        self._world.lawful.update(commits)
        await self._rogue.push(channel, where, b"".join(pack.chunks), commits, since=base)
        return True
