"""The rule of SCP-02 §6.4 once more, as plainly as it can be said: no git, no certificates, no shortcut, no memo but whole answers.

People are names, devices are `name.number`, an action is a tuple. Every question is answered from the root, by the words of
the page. The real `settle` must agree with it on every history, so nothing of `swarmchat` is used here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Act = tuple[Any, ...]
# ("add", x) ("join",) ("leave",) ("kick", x) ("promote", x) ("demote",) ("vote", kind, x) ("ban", x) ("unban", x) ("profile", text)
# ("text", any) ("renew", n) ("renew-account", n) ("revoke", number, frozenset of devices)

LATE = {"ban": 1, "kick": 1, "leave": 2, "demote": 2}


class RefusedError(Exception):
    """The law does not let this commit in."""


@dataclass(frozen=True)
class Standing:
    """A roster in names, for comparison."""

    admins: frozenset[str]
    members: frozenset[str]
    invited: frozenset[str]
    banned: frozenset[tuple[str, str]]
    devices: frozenset[str]
    votes: frozenset[tuple[str, str, str, str]]
    profile: str | None
    renewals: frozenset[tuple[str, int]]  # of the certificates that stand or are banned
    lists: frozenset[tuple[str, int]]

    @property
    def joined(self) -> frozenset[str]:
        return self.admins | self.members

    @property
    def out(self) -> frozenset[str]:
        """Who is banned, wherever from."""
        return frozenset(target for target, _ in self.banned)


@dataclass
class Room:
    """What the tree of one commit holds."""

    mode: int
    admins: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    invited: set[str] = field(default_factory=set)
    devices: dict[str, int] = field(default_factory=dict)  # device -> renewal
    banned: dict[str, str] = field(default_factory=dict)
    votes: set[tuple[str, str, str, str]] = field(default_factory=set)
    profile: str | None = None
    certificates: dict[str, int] = field(default_factory=dict)  # account joined or banned, device banned -> renewal
    lists: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def copy(self) -> Room:
        return Room(
            self.mode, set(self.admins), set(self.members), set(self.invited), dict(self.devices), dict(self.banned),
            set(self.votes), self.profile, dict(self.certificates), dict(self.lists),
        )  # fmt: skip

    @property
    def joined(self) -> set[str]:
        return self.admins | self.members

    def place(self, target: str) -> str | None:
        for place in ("admins", "members", "invited", "devices"):
            if target in getattr(self, place):
                return place
        return None

    def standing(self) -> Standing:
        renewals = {**self.certificates, **self.devices}
        return Standing(
            frozenset(self.admins), frozenset(self.members), frozenset(self.invited), frozenset(self.banned.items()),
            frozenset(self.devices), frozenset(self.votes), self.profile, frozenset(renewals.items()),
            frozenset((account, number) for account, (number, _) in self.lists.items()),
        )  # fmt: skip

    # --- ballots

    def electorate(self, kind: str, target: str) -> set[str]:
        if kind != "promote":
            return set(self.admins)
        if self.admins:
            return self.admins - {target}
        return self.members - {target} if self.mode == 1 else set()

    def ballot_place(self, kind: str, target: str) -> str | None:
        if kind == "unban":
            return self.banned.get(target)
        place = self.place(target)
        return place if kind == "ban" or place == "members" else None

    def voters(self, kind: str, target: str) -> set[str]:
        place = self.ballot_place(kind, target)
        cast = {voter for k, p, t, voter in self.votes if (k, p, t) == (kind, place, target)}
        return cast & self.electorate(kind, target)

    def promotes_alone(self, who: str, target: str) -> bool:
        if self.admins:
            return self.admins == {who}
        return self.mode == 1 and who == target and self.members == {who}

    # --- what goes

    def forget_votes(self, target: str) -> None:
        self.votes = {vote for vote in self.votes if vote[2] != target}

    def depart(self, account: str) -> None:
        for place in (self.admins, self.members, self.invited):
            place.discard(account)
        self.certificates.pop(account, None)
        own = {device for device in self.devices if owner(device) == account}
        for device in own:
            del self.devices[device]
        self.votes = {vote for vote in self.votes if vote[3] != account and vote[2] not in own | {account}}

    def land(self, target: str, place: str, renewal: int) -> None:
        if place == "devices":
            self.devices.pop(target, None)
            self.forget_votes(target)
        else:
            self.depart(target)
        self.banned[target] = place
        self.certificates[target] = renewal

    # --- §5

    def act(self, who: str, device: str, act: Act, *, again: bool = False) -> None:
        """Carry out, or raise RefusedError; `again` asks neither for the quorum nor what place the author holds."""
        kind, target = act[0], act[1] if len(act) > 1 else None
        if self.mode == 0:
            need(kind not in ("kick", "promote", "demote", "vote", "ban", "unban"), "not in this mode")
        match kind:
            case "add":
                need(again or who in (self.admins if self.mode == 1 else self.joined), "who may add")
                need(target != who and not self.place(target) and target not in self.banned, "whom to add")
                self.invited.add(target)
            case "join":
                need(who not in self.joined and (who in self.invited or self.mode == 3), "join")
                self.invited.discard(who)
                self.members.add(who)
                self.certificates[who] = 0
                self.devices[device] = 0
                self.forget_votes(who)
            case "leave":
                need(who in self.joined, "leave")
                need(self.mode == 0 or self.admins != {who} or self.joined | self.invited == {who}, "last admin")
                self.depart(who)
            case "kick":
                need((again or who in self.admins) and self.place(target) in ("members", "invited"), "kick")
                need(again or self.mode == 1 or len(self.admins) == 1, "needs a ballot")
                self.depart(target)
            case "promote":
                need(target in self.members, "promote")
                if not again and not self.promotes_alone(who, target):
                    need(who in self.electorate("promote", target), "who may promote")
                    need(self.has_quorum("promote", target), "quorum")
                self.members.discard(target)
                self.admins.add(target)
                self.forget_votes(target)
            case "demote":
                need(who in self.admins and self.admins != {who}, "demote")
                self.admins.discard(who)
                self.members.add(who)
                self.forget_votes(who)
            case "vote":
                _, ballot, about = act
                place = self.ballot_place(ballot, about)
                need(place is not None, "nowhere")
                need(who in self.electorate(ballot, about) and who != about, "who may vote")
                need("." not in about or owner(about) != who, "own device")
                need((ballot, place, about, who) not in self.votes, "voted already")
                self.votes.add((ballot, place, about, who))
            case "ban":
                place = self.place(target)
                need(place is not None and who in self.admins and target not in (who, device), "ban")
                need(self.has_quorum("ban", target), "quorum")
                self.land(target, place, self.renewal(target))
            case "unban":
                need(target in self.banned and (again or who in self.admins), "unban")
                need(again or self.has_quorum("unban", target), "quorum")
                self.forget_votes(target)
                place = self.banned.pop(target)
                renewal = self.certificates.pop(target)
                if place == "devices":
                    if owner(target) in self.joined:
                        self.devices[target] = renewal
                else:
                    getattr(self, place).add(target)
                    if place != "invited":
                        self.certificates[target] = renewal
            case "profile":
                need(again or self.mode == 0 or who in self.admins, "profile")
                need(again or self.profile != target, "the same profile")
                self.profile = target

    def renewal(self, target: str) -> int:
        return self.devices.get(target, self.certificates.get(target, 0))

    def has_quorum(self, kind: str, target: str) -> bool:
        return 2 * len(self.voters(kind, target)) > len(self.electorate(kind, target))


@dataclass(eq=False)
class Node:
    """A commit."""

    index: int
    id: str
    parents: tuple[Node, ...]
    who: str
    device: str
    act: Act
    past: int  # mask of its ancestors
    room: Room
    control: bool
    merge: bool = False
    admins: frozenset[str] = frozenset()  # at the parent
    votes: frozenset[int] = frozenset()
    voters: frozenset[str] = frozenset()
    landed: tuple[str, int] | None = None  # of a ban: the type of its ballot, and the renewal of the certificate
    device_renewal: int | None = None
    account_renewal: int | None = None
    revocations: tuple[int, bytes, frozenset[str]] | None = None

    def __repr__(self) -> str:
        return f"<{self.id[:6]} {self.device} {self.act}>"


@dataclass(frozen=True)
class Outcome:
    """What a set of commits comes to."""

    room: Room
    accepted: frozenset[str]
    void: frozenset[str]
    seniority: tuple[str, ...]


class Model:
    """All commits of one conversation."""

    def __init__(
        self,
        mode: int = 1,
        creator: str = "A0",
        guest: str | None = None,
        *,
        digest: Callable[..., bytes] | None = None,
    ) -> None:
        self.nodes: list[Node] = []
        self.by_id: dict[str, Node] = {}
        self.mode = mode
        self.first_two = {creator, guest}
        self._digest = digest or (lambda *what: hashlib.sha256(repr(what).encode()).digest())
        self._settled: dict[int, Outcome] = {}
        self._precedence: dict[tuple[int, int], bool] = {}
        room = Room(mode, {creator}, invited={guest} - {None}, devices={f"{creator}.1": 0}, certificates={creator: 0})
        act = ("initial", mode, guest)
        self.root = self._take(Node(0, name((), creator, 1, act, 0), (), creator, f"{creator}.1", act, 0, room, True))

    # --- writing

    def write(self, parent: Node, who: str, act: Act, device: int = 1, salt: object = 0) -> Node:
        """Judge and take in; raises RefusedError."""
        known = self.by_id.get(name((parent.id,), who, device, act, salt))
        if known:
            return known
        before, own = parent.room, f"{who}.{device}"
        past = parent.past | 1 << parent.index
        need(who in before.joined or act[0] == "join", "not joined")
        need(who not in before.banned and own not in before.banned, "banned")
        revoked = {d for n in self.of(past) if n.revocations and n.who == who for d in n.revocations[2]}
        need(own not in revoked, "revoked")
        if act[0] == "add" and self.mode == 0:
            need(act[1] in self.first_two, "one to one")
        need(own in before.devices or act[0] != "leave", "who leaves takes the device away")
        room = before.copy()
        room.act(who, own, act)
        node = Node(
            len(self.nodes), name((parent.id,), who, device, act, salt), (parent,), who, own, act, past, room, False,
            admins=frozenset(before.admins),
        )  # fmt: skip
        self._keep_house(node, before, room)
        if act[0] in ("ban", "unban", "promote"):
            kind, target = act[0], act[1]
            if kind != "promote" or not before.promotes_alone(who, target):
                counting = before.voters(kind, target)
                node.votes = self._newest_votes(past, kind, target, counting)
                node.voters = frozenset(counting)
            if kind == "ban":
                node.landed = room.banned[target], before.renewal(target)
        node.control = room != before
        return self._take(node)

    def _keep_house(self, node: Node, before: Room, room: Room) -> None:
        kind, own = node.act[0], node.device
        if kind == "leave":
            return
        if own not in before.devices:
            node.device_renewal = room.devices[own] = node.act[1] if kind == "renew" else 0
        elif kind == "renew":
            need(node.act[1] > before.devices[own], "no later certificate")
            node.device_renewal = room.devices[own] = node.act[1]
        if kind == "join":
            node.account_renewal = 0
        if kind == "demote" or act_on_oneself(node):
            node.account_renewal = before.certificates[node.who]
        if kind == "renew-account":
            need(node.act[1] > before.certificates[node.who], "no later certificate")
            node.account_renewal = room.certificates[node.who] = node.act[1]
        if kind == "revoke":
            _, number, devices = node.act
            former = before.lists.get(node.who)
            need(former is None or number > former[0], "no later list")
            need(all(devices >= n.revocations[2] for n in self._lists_standing(node, former)), "an entry is missing")
            digest = self._digest(node.who, number, devices)
            node.revocations = number, digest, devices
            room.lists[node.who] = number, digest

    def _lists_standing(self, node: Node, former: tuple[int, bytes] | None) -> list[Node]:
        return [n for n in self.of(node.past) if n.revocations and n.who == node.who and n.revocations[:2] == former]

    def _newest_votes(self, past: int, kind: str, target: str, counting: set[str]) -> frozenset[int]:
        cast = [n for n in self.of(past) if n.act == ("vote", kind, target) and n.who in counting]
        return frozenset(v.index for v in cast if not any(w.who == v.who and w.past >> v.index & 1 for w in cast))

    def merge(self, *heads: Node) -> Node:
        """The canonical merge; one head is itself."""
        chosen = tuple(sorted(set(heads), key=lambda node: node.id))
        if len(chosen) == 1:
            return chosen[0]
        key = name(tuple(node.id for node in chosen), "", 0, ("merge",), 0)
        if key in self.by_id:
            return self.by_id[key]
        past = self.mask(chosen)
        room = self.outcome(past).room
        return self._take(Node(len(self.nodes), key, chosen, "", "", ("merge",), past, room, False, merge=True))

    def _take(self, node: Node) -> Node:
        self.nodes.append(node)
        self.by_id[node.id] = node
        return node

    # --- the graph

    def of(self, mask: int) -> list[Node]:
        return [node for node in self.nodes if mask >> node.index & 1]

    def controls(self, mask: int) -> list[Node]:
        return [node for node in self.of(mask) if node.control]

    @staticmethod
    def mask(nodes: Iterable[Node]) -> int:
        mask = 0
        for node in nodes:
            mask |= node.past | 1 << node.index
        return mask

    def heads(self, nodes: Iterable[Node]) -> list[Node]:
        ordinary = [node for node in nodes if not node.merge]
        behind = 0
        for node in ordinary:
            behind |= node.past
        return [node for node in ordinary if not behind >> node.index & 1]

    # --- settle

    def settle(self, *heads: Node) -> Standing:
        return self.outcome(self.mask(heads)).room.standing()

    def outcome(self, mask: int) -> Outcome:
        """(a)–(e), always from the root; the memo holds whole answers."""
        controls = self.controls(mask)
        key = sum(1 << node.index for node in controls)
        if key not in self._settled:
            accepted, void = self._decide(controls)
            room, _, seniority = self.replay(controls, void)
            self._settled[key] = Outcome(
                room, frozenset(n.id for n in accepted), frozenset(self.nodes[i].id for i in void), seniority
            )
        return self._settled[key]

    def _decide(self, controls: list[Node]) -> tuple[list[Node], set[int]]:
        bans = [node for node in controls if node.act[0] == "ban"]
        accepted: list[Node] = []
        forced: set[int] = set()
        refused: set[int] = set()
        inside = sum(1 << ban.index for ban in bans)

        def authorised(ban: Node, beside: Iterable[Node] = ()) -> bool:
            first = [
                other
                for other in [*accepted, *beside]
                if concurrent(other, ban) and (other.index in forced or self.precedes(other, ban))
            ]
            voided = {n.index for n in controls if any(self.voids(other, n) for other in first)}
            behind = [other for other in [*accepted, *beside] if ban.past >> other.index & 1]
            gone = voided | {n.index for n in controls if any(self.voids(other, n) for other in behind)}
            room, _, _ = self.replay([n for n in controls if ban.past >> n.index & 1], voided | refused)
            electorate = set(room.admins)
            voters = (ban.voters & room.admins) - {other.act[1] for other in first if not self.spent(other, ban)}
            if ban.act[1] not in ban.admins:
                for node in controls:
                    if (
                        node.act == ("promote", ban.act[1]) and concurrent(node, ban) and node.index not in gone
                        and not (node.votes and node.votes <= gone)
                    ):  # fmt: skip
                        unknown = {self.nodes[vote].who for vote in node.votes if not ban.past >> vote & 1}
                        known = {one for n in controls if ban.past >> n.index & 1 for one in n.admins} - ban.admins
                        if 2 * len(unknown & node.voters) <= len(node.admins) if node.votes else node.who in known:
                            continue
                        electorate |= node.admins
                        voters -= unknown if node.votes else {node.who}
            return 2 * len(voters) > len(electorate)

        for group in groups(bans):
            undecided = list(group)
            while undecided:
                free = [
                    ban
                    for ban in undecided
                    if authorised(ban) == authorised(ban, [other for other in undecided if other is not ban])
                ]
                chosen = min(free or undecided, key=lambda ban: ((ban.past & inside).bit_count(), ban.id))
                undecided.remove(chosen)
                if authorised(chosen):
                    accepted.append(chosen)
                    if not free:
                        forced.add(chosen.index)
                else:
                    refused.add(chosen.index)
        return accepted, refused | {n.index for n in controls if any(self.voids(ban, n) for ban in accepted)}

    def voids(self, ban: Node, node: Node) -> bool:
        """(d)"""
        return (
            node.act[0] not in ("ban", "leave", "demote")
            and not node.votes
            and ban.act[1] in (node.who, node.device)
            and concurrent(ban, node)
            and not self.spent(ban, node)
        )

    def spent(self, ban: Node, behind: Node) -> bool:
        """Whether, for whoever wrote `behind`, the votes of the ban were used up by other resolutions of the ballot."""
        used = {
            vote
            for other in self.of(behind.past & ~ban.past)
            if other.act == ban.act and concurrent(other, ban)
            for vote in other.votes
        }
        left = {self.nodes[vote].who for vote in ban.votes - used} & ban.voters
        return bool(used) and 2 * len(left) <= len(ban.admins)

    def precedes(self, one: Node, other: Node) -> bool:
        """(c)"""
        key = one.index, other.index
        if key not in self._precedence:
            common = (one.past | 1 << one.index) & (other.past | 1 << other.index)
            base = self.outcome(common)

            def rank(ban: Node, rival: Node) -> tuple[object, ...]:
                elsewhere = {n.who for n in self.of(rival.past & ~(ban.past | 1 << ban.index))}
                voters = ban.voters & base.room.admins
                silent = voters - elsewhere
                senior = min((base.seniority.index(voter) for voter in voters), default=len(base.seniority))
                return -len(silent), silent != voters, senior, ban.id

            self._precedence[key] = rank(one, other) < rank(other, one)
        return self._precedence[key]

    def replay(self, controls: list[Node], void: set[int]) -> tuple[Room, set[int], tuple[str, ...]]:
        """(e)"""
        kept = [node for node in controls if node.index not in void]
        room = Room(self.mode)
        spent: dict[int, list[Node]] = {}
        profiles: list[Node] = []
        ineffective: set[int] = set()
        gave_up: list[tuple[Node, str, bool]] = []  # leave, demote and kick: who, and whether as admin
        cast: set[int] = set()
        seniority: list[str] = []
        for node in kahn(kept):
            before = set(room.admins)
            if node.act[0] == "initial":
                room = self.root.room.copy()
            elif not self._again(node, room, kept, spent, profiles, gave_up, cast):
                ineffective.add(node.index)
            if (
                node.act[0] != "initial"
                and node.who in room.joined
                and not {node.who, node.device} & room.banned.keys()
            ):
                self._house_again(node, room, kept, controls)
            seniority += sorted(room.admins - before - set(seniority))
        last = [p for p in profiles if not any(q.past >> p.index & 1 for q in profiles)]
        if last:
            room.profile = max(last, key=lambda node: node.id).act[1]
        return room, ineffective, tuple(seniority)

    def _again(
        self,
        node: Node,
        room: Room,
        kept: list[Node],
        spent: dict[int, list[Node]],
        profiles: list[Node],
        gave_up: list[tuple[Node, str, bool]],
        cast: set[int],
    ) -> bool:
        kind = node.act[0]
        used = {vote for vote in node.votes if any(concurrent(by, node) for by in spent.get(vote, ()))}
        if kind == "ban":
            target, (place, renewal) = node.act[1], node.landed
            unspent = {self.nodes[vote].who for vote in node.votes - used}
            if 2 * len(unspent & node.voters) <= len(node.admins):
                return False
            for vote in node.votes:
                spent.setdefault(vote, []).append(node)
            if target in room.banned:
                return False
            room.land(target, place, renewal)
            return True
        if node.votes:
            if used or not node.votes & cast:
                return False
        elif not self._may_still(node, room, gave_up):
            return False
        elif kind == "vote" and not self._is_there(node, room):
            cast.add(node.index)
            return False
        if kind == "kick" and any(n.act == ("promote", node.act[1]) and concurrent(n, node) for n in kept):
            return False
        leaver = {"leave": node.who, "demote": node.who, "kick": node.act[1] if kind == "kick" else None}.get(kind)
        held = room.place(leaver) if leaver else None
        try:
            room.act(node.who, node.device, node.act, again=True)
        except RefusedError:
            if kind == "vote" and (*node.act[1:], node.who) in {
                (k, t, v) for k, p, t, v in room.votes if p == room.ballot_place(k, t)
            }:
                cast.add(node.index)
            return False
        if kind == "vote":
            cast.add(node.index)
        if held in ("admins", "members"):
            gave_up.append((node, leaver, held == "admins"))
        for vote in node.votes:
            spent.setdefault(vote, []).append(node)
        if kind == "profile":
            profiles.append(node)
        return True

    def _may_still(self, node: Node, room: Room, gave_up: list[tuple[Node, str, bool]]) -> bool:
        """Whether the author holds the place by which he acted, or gave it up on a line that the act did not know of."""
        kind, who = node.act[0], node.who
        if {who, node.device} & room.banned.keys():
            return False
        if kind == "join":
            return True
        for_admins = kind in ("kick", "promote", "unban", "vote", "demote") or (
            (kind == "add" and self.mode == 1) or (kind == "profile" and self.mode != 0)
        )
        as_admin = for_admins and who in node.admins
        if (
            self._is_there(node, room)
            if kind == "vote"
            else who in room.admins or (who in room.members and not as_admin)
        ):
            return True
        return any(
            gone == who and concurrent(taker, node) and (was_admin or not as_admin)
            for taker, gone, was_admin in gave_up
        )

    def _is_there(self, node: Node, room: Room) -> bool:
        """Whether a voter holds the place by which he votes."""
        return node.who in room.admins or (node.who in room.members and node.who not in node.admins)

    def _house_again(self, node: Node, room: Room, kept: list[Node], controls: list[Node]) -> None:
        if node.account_renewal is not None:
            room.certificates[node.who] = max(room.certificates[node.who], node.account_renewal)
        if node.device_renewal is not None:
            withdrawn = any(
                n.revocations and n.who == node.who and node.device in n.revocations[2] and concurrent(n, node)
                for n in controls
            )
            renewal = node.device_renewal
            if withdrawn:
                if room.devices.get(node.device) == renewal:
                    del room.devices[node.device]
            else:
                room.devices[node.device] = max(renewal, room.devices.get(node.device, 0))
        if node.revocations:
            room.lists[node.who] = max(node.revocations[:2], room.lists.get(node.who, (0, b"")))


def name(parents: tuple[str, ...], who: str, device: int, act: Act, salt: object) -> str:
    """The id of a commit; as any hash, no one's choice, but grindable by `salt`."""
    shown = tuple(sorted(part) if isinstance(part, frozenset) else part for part in act)
    return hashlib.sha1(repr((parents, who, device, shown, salt)).encode()).hexdigest()


def owner(device: str) -> str:
    return device.partition(".")[0]


def act_on_oneself(node: Node) -> bool:
    """A promotion of oneself, alone in a group without admins."""
    return node.act == ("promote", node.who)


def need(condition: object, why: str) -> None:
    if not condition:
        raise RefusedError(why)


def concurrent(one: Node, other: Node) -> bool:
    return one is not other and not one.past >> other.index & 1 and not other.past >> one.index & 1


def groups(bans: list[Node]) -> list[list[Node]]:
    """Bans that a chain of concurrent ones connects, oldest group first."""
    left, found = list(bans), []
    while left:
        group = [left.pop(0)]
        for ban in group:
            near = [other for other in left if concurrent(other, ban)]
            group += near
            left = [other for other in left if other not in near]
        found.append(group)
    return sorted(found, key=lambda group: sum(1 for ban in bans if group[0].past >> ban.index & 1))


def kahn(nodes: list[Node]) -> list[Node]:
    left, order = list(nodes), []
    while left:
        inside = sum(1 << node.index for node in left)
        ready = [node for node in left if not node.past & inside]
        chosen = min(ready, key=lambda node: (LATE.get(node.act[0], 0), node.id))
        left.remove(chosen)
        order.append(chosen)
    return order
