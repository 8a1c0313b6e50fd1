"""Commit logs that trade packs in any order, written to by members who may be honest or not; no network, no loop. (SCP-02 §6, §7)

The quickest place to see whether the same commits give everybody the same conversation.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from swarmchat.commitlog.libgit2 import object_id as git_id
from swarmchat.commitlog.log import Admission, CommitLog, Writer
from swarmchat.commitlog.packs import PackFaultError, encode, write_whole
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE, Node
from swarmchat.commitlog.trees import encode as encode_tree
from swarmchat.conversation import actions, tree
from swarmchat.conversation.actions import Action, Add, Initial, Join, Post, Promote, UpdateDevice, UpdateProfile
from swarmchat.conversation.commit import Draft, merge_bytes, sealed
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.planning import plan_promote
from swarmchat.conversation.timeline import Timeline
from swarmchat.conversation.tree import Mode
from swarmchat.crypto import sshsig
from swarmchat.ids import CommitId, ConversationId, TreeId
from tests.support.builders import NONCE, NOW, Person, person
from tests.support.commitlogs import drop
from tests.support.sim import oracles
from tests.support.sim.choices import MOVES, choose, picked
from tests.support.sim.disks import CutFiles, PowerCutError
from tests.support.sim.loop import Trace

NAMES = ("alice", "bob", "carol", "dave", "erin")
PLAYERS = (("alice", 1), ("alice", 2), ("bob", 1), ("carol", 1), ("dave", 1), ("erin", 1))
FORGERIES = ("smuggle", "usurp", "steal", "foreign signature", "scribble", "false merge", "child of false")
WEIGHTS = {
    "post": 14,
    "edit": 4,
    "react": 4,
    "invite": 9,
    "join": 12,
    "leave": 1,
    "kick": 2,
    "promote": 7,
    "demote": 1,
    "vote": 8,
    "ban": 6,
    "ban device": 2,
    "unban": 8,
    "profile": 2,
    "revoke": 1,
    "fork": 8,
    "forge": 5,
    "pull": 34,
    "push": 12,
    "restart": 3,
    "power cut": 4,
}
assert set(MOVES) < set(WEIGHTS)

Step = dict[str, Any]
Script = dict[str, Any]


def script(seed: int) -> Script:
    """A random script: who does what, in which order. Everything in it is small numbers and words, so that it can be kept as JSON."""
    dice = random.Random(f"logs {seed}")
    kinds, weights = zip(*sorted(WEIGHTS.items()), strict=True)
    steps: list[Step] = []
    for _ in range(dice.randint(30, 60)):
        step: Step = {
            "do": dice.choices(kinds, weights)[0],
            "by": dice.randrange(len(PLAYERS)),
            "picks": [dice.randrange(1000), dice.randrange(1000)],
        }
        if step["do"] == "fork":
            step["move"] = dice.choice([move for move in MOVES if move != "join"])
        steps.append(step)
    return {
        "world": "logs",
        "seed": seed,
        "mode": dice.choices((1, 2, 3), (5, 3, 2))[0],
        "joined": dice.choice((3, 4, 5)),
        "admins": dice.choices((1, 2, 3, 4), (1, 2, 3, 2))[0],
        "steps": steps,
    }


def play(script: Mapping[str, Any], folder: Path, *, trace: Trace, counts: Counter[str]) -> None:
    """Play one script to its end in a folder of its own; AssertionError says what is wrong."""
    Logs(folder, script, trace, counts).play()


@dataclass
class Player:
    """One device and its log."""

    number: int
    who: Person
    log: CommitLog
    revocations: bytes | None = None

    @property
    def writer(self) -> Writer:
        who = self.who
        return Writer(
            who.id,
            who.device,
            who.device_key,
            who.certificate.pem,
            who.device_certificate.pem,
            who.name,
            self.revocations,
        )


@dataclass
class Logs:
    """The players of one script. `counts` tells what really happened."""

    folder: Path
    script: Mapping[str, Any]
    trace: Trace = field(default_factory=Trace)
    counts: Counter[str] = field(default_factory=Counter)
    written: dict[CommitId, Person] = field(default_factory=dict)  # ordinary commits that some log acknowledged
    forged: set[CommitId] = field(default_factory=set)
    players: list[Player] = field(default_factory=list)
    now: int = NOW

    def play(self) -> None:
        """Set up, do every step, settle, and check."""
        self._open()
        try:
            for number, step in enumerate(self.script["steps"]):
                self.trace.note(self.now, f"{number}: {step}")
                self._step(step)
            self._settle()
            self._check()
        finally:
            for player in self.players:
                player.log.close()

    # --- the cast

    def _open(self) -> None:
        people = [person(name).on(number) if number > 1 else person(name) for name, number in PLAYERS]
        self.everybody = [person(name).id for name in NAMES]
        mode: Mode = self.script["mode"]
        creator = Player(0, people[0], None)  # type: ignore[arg-type]
        creator.log = CommitLog.create(self.folder / "0", creator.writer, Initial(mode, NONCE), now=self.now)
        self.conversation: ConversationId = creator.log.conversation
        self.written[creator.log.heads[0]] = creator.who
        self.players = [creator]
        for number, who in enumerate(people[1:], start=1):
            log = CommitLog.prepare(self.folder / str(number), self.conversation)
            self.players.append(Player(number, who, log))
        for player in self.players[1:]:
            self._bring(creator, player)
        admins = [creator]
        for player in self.players[1:]:
            roster = creator.log.roster
            joined = roster.is_joined(player.who.id) and not roster.is_admin(player.who.id)
            if joined and len(admins) < self.script["admins"]:
                self._make_admin(admins, player)

    def _bring(self, creator: Player, player: Player) -> None:
        """One more is in, on the device that joins; a second device only gets a copy."""
        if player.who.name in NAMES[: self.script["joined"]] and not creator.log.roster.is_joined(player.who.id):
            self._write(creator, Add(player.who.id))
            self._pull(player, creator)
            self._write(player, Join(player.who.id))
            self._pull(creator, player)
        else:
            self._pull(player, creator)

    def _make_admin(self, admins: list[Player], player: Player) -> None:
        """With as many votes as it takes."""
        for admin in admins:
            for other in self.players:
                if other is not admin:
                    self._pull(admin, other)
            if not admin.log.roster.is_admin(player.who.id):
                plan = plan_promote(admin.log.roster, admin.who.id, player.who.id)
                assert not isinstance(plan, Rejection), plan
                for action in plan:
                    self._write(admin, action)
        admins.append(player)
        for one in admins:
            for other in admins:
                if one is not other:
                    self._pull(one, other)

    def _write(self, player: Player, action: Action) -> None:
        outcome = player.log.append(action, player.writer, now=self.now)
        assert not isinstance(outcome, Rejection), outcome
        self.written[outcome.new[0]] = player.who

    # --- steps

    def _step(self, step: Step) -> None:
        player = self.players[step["by"] % len(self.players)]
        one, two = step["picks"]
        self.now += one % 60
        match step["do"]:
            case "pull":
                self._pull(player, self._other(player, one))
            case "push":
                self._push(player, self._other(player, one), two)
            case "restart":
                player.log.close()
                player.log = CommitLog.open(self.folder / str(player.number), self.conversation)
                self.counts["restart"] += 1
            case "power cut":
                self._cut_power(player, one, two)
            case "revoke":
                self._revoke(player)
            case "fork":
                commits = [entry.id for entry in player.log.history.entries if not entry.is_merge]
                self._move(player, step["move"], (one, two), at=picked(commits, one * 7 + two))
            case "forge":
                self._forge(player, self._other(player, one), FORGERIES[two % len(FORGERIES)], one)
            case "join":
                asked = [p for p in self.players if not p.log.is_empty and p.log.roster.is_invited(p.who.id)]
                guest = picked(asked, one)
                if guest is not None:
                    self._move(guest, "join", (one, two))
            case move:
                self._move(player, move, (one, two))

    def _cut_power(self, player: Player, one: int, two: int) -> None:
        """The power goes in the middle of what the log writes, after `two` changes to the disk."""
        path = self.folder / str(player.number)
        known = {entry.id for entry in player.log.history.entries}
        player.log.close()
        files = CutFiles(1 + two % 20, random.Random(one))
        try:
            player.log = CommitLog.open(path, self.conversation, files=files)
            if one % 2:
                self._pull(player, self._other(player, one))
            else:
                self._move(player, "post", (one, two))
            player.log.close()
        except PowerCutError:
            self.counts["power cut"] += 1
            drop(player.log)
        player.log = CommitLog.open(path, self.conversation)
        there = {entry.id: entry for entry in player.log.history.entries}
        assert known <= there.keys(), "a power cut took what was there before"
        for commit, entry in there.items():
            if not entry.is_merge:
                self.written.setdefault(commit, player.who)  # it was not acknowledged, and is there all the same

    def _other(self, player: Player, number: int) -> Player:
        others = [other for other in self.players if other is not player]
        return others[number % len(others)]

    def _move(self, player: Player, kind: str, picks: tuple[int, int], at: CommitId | None = None) -> None:
        log, who = player.log, player.who
        roster = log.roster if at is None else log.roster_at(at)
        move = choose(
            kind, picks, roster=roster, history=log.history, me=who.id, device=who.device, everybody=self.everybody
        )
        if move is None:
            return
        for action in move.actions:
            outcome = log.append(action, player.writer, now=self.now, profile=move.profile, at=at)
            if isinstance(outcome, Rejection):
                self.counts["refused here"] += 1
                return
            (commit,) = outcome.new
            self.written[commit] = who
            self.counts["fork" if at else kind] += 1
            at = at and commit

    def _pull(self, player: Player, source: Player) -> None:
        if source.log.is_empty:
            return
        pack = source.log.pack(None, player.log.heads)
        if pack is not None:
            self._admit(player, b"".join(pack.chunks))
            self.counts["pull"] += 1

    def _push(self, player: Player, target: Player, number: int) -> None:
        """One head alone, so that the target sees another part of the history than the rest."""
        head = picked(player.log.heads, number)
        if head is None:
            return
        pack = player.log.pack([head], target.log.heads)
        if pack is not None:
            self._admit(target, b"".join(pack.chunks))
            self.counts["push"] += 1

    def _admit(self, player: Player, pack: bytes) -> Admission:
        heads = player.log.heads
        admission = player.log.admit(pack)
        for rejection in admission.rejected:
            assert rejection.commit in self.forged, f"an honest commit is refused: {rejection}"
        if len(admission.heads) > 1 and admission.heads != heads:
            self.counts["merge"] += 1
        self.counts["effect changed"] += bool(admission.effect_changed)
        return admission

    def _revoke(self, player: Player) -> None:
        """The account takes one of its own devices out: alice's first the second, the second the first."""
        rival = next((p for p in self.players if p.who.id == player.who.id and p is not player), None)
        if rival is None:
            return
        player.revocations = player.who.revoking(rival.who)
        outcome = player.log.append(UpdateDevice(), player.writer, now=self.now)
        if not isinstance(outcome, Rejection):
            self.written[outcome.new[0]] = player.who
            self.counts["revoke"] += 1

    # --- commits that break the law

    def _forge(self, player: Player, target: Player, kind: str, number: int) -> None:
        """An unlawful commit on one of the target's own heads, so that nothing but the law can refuse it."""
        log, who = target.log, player.who
        parent = log.heads[number % len(log.heads)]
        roster = log.roster_at(parent)
        old = log.commit(parent).tree
        action: Action = Post("forged")
        changes: dict[str, bytes | None] = {}
        if tree.device(who.device) not in roster.files:
            changes[tree.device(who.device)] = who.device_certificate.pem
        signer, other = who, False
        match kind:
            case "smuggle":  # a text that also makes a member
                changes["members/" + "e" * 40 + ".crt"] = who.certificate.pem
            case "usurp":  # an admin without a ballot
                action = Promote(who.id)
                changes[tree.admin(who.id)] = who.certificate.pem
            case "steal":  # another's signature
                signer = target.who if target.who.device != who.device else self._other(target, number).who
                signer = signer if signer.device != who.device else person("mallory")
            case "foreign signature":  # his own signature, of something else
                other = True
            case "scribble":  # a profile that is none
                action = UpdateProfile()
                changes[tree.PROFILE] = b"scribble"
            case "false merge" | "child of false":
                self._forge_merge(player, target, kind, roster)
                return
        raw, objects = _commit(who, signer, parent, roster, changes, action, old, self.now, other=other)
        self._present(target, [*objects, raw], [raw])
        self.counts[f"forge: {kind}"] += 1

    def _forge_merge(self, player: Player, target: Player, kind: str, roster: Roster) -> None:
        """A merge that is not the canonical one, and a lawful-looking text on it."""
        log = target.log
        parents = [entry.id for entry in log.history.entries if not entry.is_merge][-2:]
        if len(parents) < 2:
            return
        old = log.commit(parents[0]).tree
        merge = merge_bytes(old, tuple(sorted(parents)), self.now)
        raw, objects = _commit(player.who, player.who, _id(merge), roster, {}, Post("on sand"), old, self.now)
        if kind == "child of false":
            self._present(target, [*objects, merge, raw], [merge, raw])
            self.counts["forge: child of false"] += 1
            return
        heads = log.heads
        with pytest.raises(PackFaultError, match="no commit of the pack is built on"):
            log.admit(_pack([merge]))
        assert log.heads == heads
        self.counts["forge"] += 1
        self.counts["forge: false merge"] += 1

    def _present(self, target: Player, objects: list[bytes | tuple[int, bytes]], commits: list[bytes]) -> None:
        forged = {_id(raw) for raw in commits}
        self.forged |= forged
        before = target.log.heads
        admission = self._admit(target, _pack(objects))
        assert forged == {rejection.commit for rejection in admission.rejected}, f"accepted: {forged}"
        assert target.log.heads == before
        self.counts["forge"] += 1

    # --- the end

    def _settle(self) -> None:
        """Everybody pulls from everybody until nothing is new: two rounds are enough for any order."""
        for _ in range(2):
            for player in self.players:
                for source in self.players:
                    if source is not player:
                        self._pull(player, source)

    def _check(self) -> None:
        first = self.players[0].log
        expected = _view(first)
        for player in self.players:
            log = player.log
            assert log.heads == first.heads, f"player {player.number} has other heads"
            assert log.roster == first.roster, f"player {player.number} has another roster"
            assert log.main == first.main, f"player {player.number} has another main"
            assert _view(log) == expected, f"player {player.number} sees another timeline"
            known = {entry.id for entry in log.history.entries if not entry.is_merge}
            assert known == set(self.written), "what was written is not what is there"
            assert not self.forged & {entry.id for entry in log.history.entries}
            oracles.stored(log, self.folder / str(player.number))
        oracles.clone(first, self.folder / "again")


def _view(log: CommitLog) -> list[CommitId]:
    return list(Timeline(log.history).order())


def _pack(objects: list[bytes | tuple[int, bytes]]) -> bytes:
    whole = [(COMMIT, each) if isinstance(each, bytes) else each for each in objects]
    return write_whole([(kind, git_id(kind, raw), encode(kind, raw)) for kind, raw in whole])


def _id(raw: bytes) -> CommitId:
    return CommitId(git_id(COMMIT, raw).hex())


def _commit(
    who: Person,
    signer: Person,
    parent: CommitId,
    roster: Roster,
    changes: Mapping[str, bytes | None],
    action: Action,
    old: TreeId,
    now: int,
    *,
    other: bool = False,
) -> tuple[bytes, list[bytes | tuple[int, bytes]]]:
    """A signed commit with any tree, and the blobs and trees that it brings."""
    files = {**roster.files, **changes}
    objects, root = _tree({path: content for path, content in files.items() if content is not None})
    draft = Draft(parent, who.name, who.device, now, actions.message(action, {}))
    new = TreeId(root.hex())
    payload = draft.payload(new)
    raw = sealed(payload, sshsig.sign(signer.device_key, payload + b" " if other else payload))
    return raw, [] if new == old else list(objects)


def _tree(files: Mapping[str, bytes]) -> tuple[list[tuple[int, bytes]], bytes]:
    objects: dict[bytes, tuple[int, bytes]] = {}

    def put(kind: int, raw: bytes) -> bytes:
        oid = git_id(kind, raw)
        objects.setdefault(oid, (kind, raw))
        return oid

    def folder(inner: Mapping[str, Any]) -> bytes:
        nodes = {
            name: Node(put(BLOB, content), is_folder=False)
            if isinstance(content, bytes)
            else Node(folder(content), is_folder=True)
            for name, content in inner.items()
        }
        return put(TREE, encode_tree(nodes))

    nested: dict[str, Any] = {}
    for path, content in sorted(files.items()):
        *folders, name = path.split("/")
        here = nested
        for each in folders:
            here = here.setdefault(each, {})
        here[name] = content
    root = folder(nested)
    return list(objects.values()), root
