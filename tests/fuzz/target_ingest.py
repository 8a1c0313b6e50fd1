"""Packs of commits that a member with a changed program sends to a log on disk. (SCP-02 §7, SCP-04 §4)"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from swarmchat.commitlog.audit import verify
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.packs import PackFaultError, encode
from swarmchat.commitlog.trees import COMMIT, Folder, TreeFaultError, parse, rebuild
from swarmchat.conversation import actions, tree
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    Join,
    Kick,
    Leave,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.commit import Draft, merge_bytes, sealed
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.tree import Vote
from swarmchat.crypto import sshsig
from swarmchat.ids import CommitId, TreeId
from tests.fuzz.recipe import Recipe, folder, patched, piece
from tests.support.builders import ALICE, BOB, CAROL, DAVE, NOW, Person
from tests.support.commitlogs import group, must, post, raw_pack, stored, writer

TOKENS = (b'{"type":"text/plain","body":"', b'"react-to":"', b'"edit":"', b"\xff\xff", b"\0\0\0\1")
_PEOPLE = (ALICE, BOB, CAROL, DAVE)
_PROFILE = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Lab\r\nEND:VCARD\r\n"
_FIRST = 9  # where the first new commit stands in the list of parents: after the head and the eight of the history
_PLACES: list[Path] = []
_OPEN: list[CommitLog] = []


def _paths(who: Person, voter: Person) -> tuple[str, ...]:
    standing = (tree.member(who.id), tree.admin(who.id), tree.invited(who.id), tree.device(who.device))
    places = ("members", "invited", "admins")
    votes = [tree.vote(Vote(kind, place, who.id, voter.id)) for kind in ("ban", "promote") for place in places]  # type: ignore[arg-type]
    held = (tree.banned("members", who.id), tree.banned("invited", who.id), tree.banned("devices", who.device))
    return (tree.PROFILE, *standing, *votes, *held, tree.revocations(who.id), "README", "admins/x", "banned/admins")


def _contents(who: Person) -> tuple[bytes | None, ...]:
    pems = (who.certificate.pem, who.device_certificate.pem, who.renewed().device_certificate.pem)
    return (None, b"", *pems, who.renewed(account=True).certificate.pem, _PROFILE, who.revoking(who.on(2)))


def _action(recipe: Recipe, who: Person, target: CommitId) -> Action | bytes:
    other = _PEOPLE[recipe.u8() % 4]
    account, device = other.id, other.device
    match recipe.u8() % 18:
        case 0:
            return recipe.piece()
        case 1:
            return Post(recipe.piece().decode("latin-1"), target)
        case 2:
            return React("+1", target)
        case 3:
            return Edit("other words", target)
        case 4:
            return Leave(who.id)
        case 5:
            return Join(who.id)
        case 6:
            return Demote(who.id)
        case 7:
            return UpdateProfile()
        case 8:
            return UpdateDevice()
        case 9:
            return CastVote("ban", device)
        case 10:
            return Ban(device)
        case number:
            kinds = (Add, Kick, Promote, Ban, Unban, Join)
            return CastVote("ban", account) if number == 17 else kinds[number - 11](account)


def _step(
    who: int, kind: int, *changes: tuple[int, int, int], other: int = 0, place: int = 0, said: bytes | None = None
) -> bytes:
    """One commit of a recipe; a change is whose file, which, and its content."""
    words = b"" if said is None else piece(said)
    return bytes((who, place, 0, other, kind)) + words + bytes((len(changes),)) + b"".join(map(bytes, changes))


def _steps(*steps: bytes) -> bytes:
    return bytes((len(steps) - 1,)) + b"".join(steps)


def seeds() -> Iterator[bytes]:
    """All that members do, honestly; lines that build on each other and forks; each again with a pack that is spoilt."""
    say, answer = _step(0, 1, said=b"words"), _step(1, 2)
    invite, join = _step(0, 11, (3, 3, 1), other=3), _step(3, 5, (3, 3, 0), (3, 1, 2), (3, 4, 3), place=_FIRST)
    profile, renew, revoke = _step(0, 7, (0, 0, 6)), _step(1, 8, (1, 4, 4)), _step(1, 8, (1, 14, 7))
    vote = _step(0, 17, (1, 5, 1), other=1)
    ban = _step(0, 14, (1, 5, 0), (1, 1, 0), (1, 4, 0), (1, 11, 2), other=1, place=_FIRST)
    unban = _step(0, 15, (1, 11, 0), (1, 1, 2), other=1, place=_FIRST + 1)
    kick, leave = _step(0, 12, (2, 1, 0), (2, 4, 0), other=2), _step(2, 4, (2, 1, 0), (2, 4, 0))
    promote = _step(0, 13, (1, 1, 0), (1, 2, 2), other=1)
    demote = _step(1, 6, (1, 2, 0), (1, 1, 2), place=_FIRST)
    late, orphan, merge = (
        _step(0, 1, said=b"more", place=_FIRST),
        _step(1, 1, said=b"x", place=255),
        _step(0, 1, said=b"m", place=249),
    )
    scripts = [
        *(_steps(one) for one in (say, answer, profile, renew, revoke, kick, leave, promote, orphan, merge)),
        *(
            _steps(invite, join),
            _steps(vote, ban, unban),
            _steps(promote, demote),
            _steps(say, answer),
            _steps(say, merge),
        ),
        *(_steps(kick, leave, profile), _steps(vote, leave, say, late), _steps(_step(0, 0, said=b"{}"), late)),
    ]
    for script in scripts:
        yield bytes((0, 0, 0)) + script
    for number, script in enumerate(scripts):
        yield bytes((1 + number % 6, number, 99 + number)) + script + b"\0\0\7\3abc"


def run(data: bytes) -> None:
    """PackFaultError and nothing changed, or an Admission that holds: again opened, and judged again from the objects alone."""
    recipe = Recipe(data)
    log = _log()
    before = (log.heads, log.main, len(log.history), stored(log))
    pack, ends = _pack(recipe, log)
    try:
        admission = log.admit(pack, ends)
    except PackFaultError:
        assert (log.heads, log.main, len(log.history), stored(log)) == before, "a refused pack left something"
        return
    try:
        for commit in admission.new:
            assert log.knows(commit)
            assert log.refusal(commit) is None
            log.commit(commit)
        for rejection in admission.rejected:
            assert rejection.commit is not None
            assert not log.knows(rejection.commit)
            assert log.refusal(rejection.commit) is not None
        if admission.new:
            _holds(log)
        elif admission.rejected:
            assert (log.heads, log.main, len(log.history)) == before[:3]
            assert stored(log) == before[3], "something of refused commits was kept"
    finally:
        _reset()


def _holds(log: CommitLog) -> None:
    report = log.verify()
    assert report.valid, report.rejections
    assert report.heads == log.heads
    assert report.roster == log.roster
    state = (log.heads, log.main, log.roster, len(log.history))
    log.close()
    again = CommitLog.open(log.path, log.conversation)
    try:
        assert (again.heads, again.main, again.roster, len(again.history)) == state
        pack = again.pack(None, ())
        assert pack is not None
        twin = CommitLog.prepare(log.path.with_name("twin.git"), log.conversation)
        try:
            twin.admit(b"".join(pack.chunks), pack.heads)
            assert (twin.heads, twin.main, twin.roster) == state[:3], "a clone stands elsewhere"
        finally:
            twin.close()
    finally:
        again.close()


def _log() -> CommitLog:
    """Alice's group with Bob and Carol, as it was before anybody sent anything."""
    if not _PLACES:
        _PLACES.append(folder("ingest"))
        log = group(_PLACES[0], BOB, CAROL, name="base.git")
        post(log, BOB, "words of Bob", now=NOW + 1)
        post(log, ALICE, "words of Alice", now=NOW + 2)
        must(log.append(Post("again"), writer(CAROL), now=NOW + 3))
        log.close()
    if not _OPEN:
        base, work = _PLACES[0] / "base.git", _PLACES[0] / "work.git"
        conversation = verify(base).conversation
        assert conversation is not None
        shutil.copytree(base, work)
        _OPEN.append(CommitLog.open(work, conversation))
    return _OPEN[0]


def _reset() -> None:
    for log in _OPEN:
        log.close()
    _OPEN.clear()
    for name in ("work.git", "twin.git"):
        shutil.rmtree(_PLACES[0] / name, ignore_errors=True)


def _pack(recipe: Recipe, log: CommitLog) -> tuple[bytes, list[CommitId] | None]:
    """Some commits, each by anybody, on anything, changing anything; then the pack as the recipe spoils it."""
    spoil, at, by = recipe.u8(), recipe.u8(), recipe.u8()
    store = log._store
    new: dict[bytes, tuple[int, bytes]] = {}
    commits = [*log.heads, *(entry.id for entry in log.history.entries)]
    trees = {commit: store.ledger.tree_of(commit) for commit in commits}
    ends: list[CommitId] = []

    def load(oid: bytes, path: str) -> Folder:
        return parse(new[oid][1], path) if oid in new else store.shelf.folder(store.repository, oid, path)

    def put(kind: int, raw: bytes) -> bytes:
        oid = object_id(kind, raw)
        if not store.repository.has(oid):
            new.setdefault(oid, (kind, raw))
        return oid

    for _ in range(1 + recipe.u8() % 4):
        who, place = _PEOPLE[recipe.u8() % 4], recipe.u8()
        parent = commits[place % len(commits)] if place < 250 else CommitId("ab" * 20)
        action = _action(recipe, who, commits[recipe.u8() % len(commits)])
        changes: dict[str, bytes | None] = {}
        for _ in range(recipe.u8() % 8):
            about, path, content = _PEOPLE[recipe.u8() % 4], recipe.u8(), recipe.u8()
            paths, contents = _paths(about, who), _contents(about)
            changes[paths[path % len(paths)]] = contents[content % len(contents)]
        top = trees.get(parent, trees[commits[0]])
        try:
            top = TreeId(rebuild(bytes.fromhex(top), changes, load, put).hex()) if changes else top
        except TreeFaultError:
            continue  # built on a tree that is none
        message = action if isinstance(action, bytes) else _said(action)
        payload = Draft(parent, who.name, who.device, NOW + 10 + place % 7, message).payload(top)
        raw = sealed(payload, sshsig.sign(who.device_key, payload))
        if place == 249:
            raw = merge_bytes(top, tuple(sorted(log.heads)) + tuple(sorted(ends)), NOW)
        commit = CommitId(put(COMMIT, raw).hex())
        commits.append(commit)
        trees[commit] = top
        ends = [*(end for end in ends if end != parent), commit]
    entries = [encode(kind, raw) for kind, raw in new.values()]
    return _spoiled(entries, recipe, spoil, at, by), None if spoil & 64 else sorted(set(ends))


def _said(action: Action) -> bytes:
    message = actions.message(action)
    return message if not isinstance(actions.parse(message), Rejection) else b"{}"


def _spoiled(entries: list[bytes], recipe: Recipe, spoil: int, at: int, by: int) -> bytes:
    place, other = at % max(len(entries), 1), by % max(len(entries), 1)
    match spoil & 7:
        case 1 if entries:
            del entries[place]
        case 2 if entries:
            entries[place], entries[other] = entries[other], entries[place]
        case 3 if entries:
            entries.append(entries[place])
        case 4 if entries:
            entries[place] = patched(entries[place], recipe)
        case 5:
            pack = raw_pack(*entries)
            return pack[: len(pack) * by // 256]
        case 6:
            pack = patched(raw_pack(*entries)[:-20], recipe)
            return pack + hashlib.sha1(pack).digest()
    return raw_pack(*entries)
