"""What must hold in every simulated world: at every step, when all is calm again, and on the disks that are left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations, product
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from swarmchat import limits
from swarmchat.account.records import ConversationState
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation import hiding, tree
from swarmchat.conversation.actions import Ban, Unban
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.timeline import Timeline
from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.errors import NotFoundError, StorageError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.links.peers import LinkClass
from swarmchat.swarm import leaving
from tests.support import own_devices
from tests.support.sim.network import HIGH

if TYPE_CHECKING:
    from tests.support.sim.world import Life, World

UNSENT_MAX = (
    limits.CHANNEL_UNSENT_HIGH + 1024 * 1024 + 4096
)  # a sender waits above the first; the last message may be 1 MiB

ON_THE_WAY_MAX = HIGH + limits.YAMUX_FRAME_BYTES_MAX + 4096  # a link writes while its stream is not congested


def invariants(world: World) -> None:
    """At every moment: queues are within their limits, and nothing went wrong unseen."""
    assert not world.faults, "\n".join(world.faults)
    for pair in world.network.standing():
        for stream in pair:
            assert stream.unarrived <= ON_THE_WAY_MAX, f"{stream.unarrived} bytes wait in a stream of {stream.host}"
    for life in world.lives:
        links = life.swarm.links.links
        devices = [link.peer.device for link in links]
        assert len(devices) == len(set(devices)), f"{life.machine} has two links with one device"
        for link in links:
            for channel in link.channels:
                assert channel.unsent <= UNSENT_MAX, f"{life.machine}: {channel.unsent} bytes wait on {channel.name}"


# --- when all is calm


async def log_of(life: Life, conversation: ConversationId) -> CommitLog | None:
    """The log of a conversation on a node, if it has anything of it."""
    try:
        log = await life.swarm.log(conversation)
    except NotFoundError:
        return None
    return None if log.is_empty else log


async def difference(world: World) -> str | None:
    """What two devices of joined members, who both think so, do not agree upon yet; None when all is in step."""
    for conversation in world.conversations:
        found = await _difference(world, conversation)
        if found is not None:
            return f"{conversation[:8]}: {found}"
    return _unanswered(world) or await _still_served(world) or _apart(world) or _untold(world)


async def _difference(world: World, conversation: ConversationId) -> str | None:
    logs: list[tuple[Life, CommitLog | None]] = []
    for life in world.lives:
        try:
            logs.append((life, await log_of(life, conversation)))
        except StorageError as error:
            return f"{life.machine} has not opened it: {error}"
    for life, log in logs:
        if log is None and life.swarm.state_of(conversation) == "syncing" and _wanted(life, logs):
            return f"{life.machine} has not got the conversation"
    for (one, log), (other, its_log) in _pairs({life: log for life, log in logs if log is not None}):
        if log.heads != its_log.heads:
            return (
                f"{one.machine} has heads {_short(log.heads)} and {other.machine} has {_short(its_log.heads)};"
                f" {one.machine} is linked with {_links(one)}, {other.machine} with {_links(other)}"
            )
        unsure = _unsure(conversation, one, other) or _unsure(conversation, other, one)
        if unsure:
            return unsure
    return None


def _pairs(logs: Mapping[Life, CommitLog]) -> Iterator[tuple[tuple[Life, CommitLog], tuple[Life, CommitLog]]]:
    """The pairs of nodes that are in the conversation, each by both rosters."""
    for (one, log), (other, its_log) in combinations(logs.items(), 2):
        if _agree_to_talk(one, log, other, its_log):
            yield (one, log), (other, its_log)


def _unsure(conversation: ConversationId, one: Life, other: Life) -> str | None:
    """What one node thinks of another that is in step with it, and is wrong."""
    rows = [row for row in one.swarm.status.sync(conversation) if row.device == other.device]
    if not rows:
        return None  # the device never wrote, so the rosters do not name it
    (row,) = rows
    right = row.linked and not row.barred and not row.missing and (row.behind, row.ahead) == (0, 0)
    return None if right else f"{one.machine} says of {other.machine}: {row}"


def _unanswered(world: World) -> str | None:
    """An invitation that did not reach any device of who is invited."""
    for life in world.lives:
        for invitation in life.machine.saved.ours_to_send():
            guests = [
                each
                for each in world.lives
                if each.machine.account.id == invitation.account
                and not each.swarm._parts.access.is_outlawed(life.machine.account.id, life.device)
                and not _shuts_out(each, life)
                and not _shuts_out(life, each)
            ]
            reached = invitation.delivered_ms or any(
                invitation.conversation in guest.machine.saved.conversations
                or any(each.offer.conversation == invitation.conversation for each in guest.machine.saved.pending())
                or any(each.conversation == invitation.conversation for each in guest.machine.saved.declined.values())
                for guest in guests
            )
            if guests and not reached:
                return f"{life.machine} has not reached {guests[0].machine} with an invitation"
    return None


async def _still_served(world: World) -> str | None:
    """Something left that lies here still, although everybody who was to have it has it. (SCP-06 §7)"""
    for life, conversation in product(world.lives, world.conversations):
        known, replicator = life.machine.saved.conversations.get(conversation), life.swarm._rooms.get(conversation)
        if known is None or known.state is not ConversationState.REMOVED or replicator is None:
            continue
        me, log = life.machine.account.id, replicator.log
        leave = leaving.leave_of(log, me)
        heirs = set(life.swarm._parts.access.heirs_of(conversation).values())
        having = {other.machine.account.id for other in world.lives if await _took(other, life, conversation, leave)}
        enough = heirs <= having if heirs else bool(having & log.roster.joined - {me})
        if enough:
            return f"{conversation[:8]}: {life.machine} has left, they know it, and it is not erased"
    return None


async def _took(other: Life, life: Life, conversation: ConversationId, leave: CommitId | None) -> bool:
    """Whether the other has the leaving, and would talk about it with whom it is a stranger to."""
    log = await log_of(other, conversation)
    strangers = not other.swarm._parts.access.is_outlawed(life.machine.account.id, life.device)
    mutual = not _shuts_out(other, life) and not _shuts_out(life, other)
    return log is not None and leave is not None and log.knows(leave) and strangers and mutual


async def settled(world: World) -> None:
    """Everything that must hold once `difference` finds nothing."""
    world.counts["knows that it was revoked"] += sum(life.swarm.account.is_revoked for life in world.lives)
    world.counts["own devices in step"] += len(list(_siblings(world)))
    for conversation in world.conversations:
        logs = {life: log for life in world.lives if (log := await log_of(life, conversation)) is not None}
        _same(world, conversation, logs)
        for life, log in logs.items():
            _no_banned_peer(life, conversation, log.roster)
    for life in world.lives:
        _told_once(life)


def _same(world: World, conversation: ConversationId, logs: Mapping[Life, CommitLog]) -> None:
    orders = {life: list(Timeline(log.history).order()) for life, log in logs.items()}
    for life, order in orders.items():
        assert len(order) == len(set(order)), f"{life.machine} shows a commit twice"
    for life, log in logs.items():
        _honest_only(world, life, log)
        _no_way_back(life, log)
    hidden = {life: _hidden(log) for life, log in logs.items()}
    for (one, log), (other, its_log) in _pairs(logs):
        world.counts["pair in step"] += 1
        who = f"{one.machine} and {other.machine}"
        assert log.heads == its_log.heads, f"{who} have other heads"
        assert log.roster == its_log.roster, f"{who} have other rosters"
        assert log.main == its_log.main, f"{who} have another main"
        assert orders[one] == orders[other], f"{who} see another order"
        assert hidden[one] == hidden[other], f"{who} hide other messages"
        fates = [(entry.id, log.fate(entry.id)) for entry in log.history.controls]
        assert all(its_log.fate(commit) == fate for commit, fate in fates), f"{who} see other effects"
        shown = set(orders[one])
        for commit, (author, where) in sorted(world.acknowledged.items()):
            if where == conversation and author in (one.machine, other.machine):
                assert commit in shown, f"{author} was told that {commit} is written, and {who} lack it"
    world.counts["hidden"] += max((len(each) for each in hidden.values()), default=0)
    longest = max(logs.values(), key=lambda log: len(log.history), default=None)
    if longest is not None:
        world.counts["merge"] += sum(entry.is_merge for entry in longest.history.entries)


def _hidden(log: CommitLog) -> frozenset[CommitId]:
    taken = hiding.removals(log.history, log.roster, lambda ban: log.fate(ban) is None)
    return hiding.hidden(log.history, log.roster, taken, log.roster_at)


def _told_once(life: Life) -> None:
    for told in life.machine.told.values():
        twice = [commit for commit, times in told.items() if times > 1]
        assert not twice, f"{life.machine} told of {twice} more than once"


async def no_flip(world: World) -> None:
    """The order of two messages that were shown together is for ever: also while half of the swarm is away. (SCP-02 §8.1)"""
    for life, conversation in product(world.lives, world.conversations):
        try:
            log = await log_of(life, conversation)
        except StorageError:  # its disk is full; once it has room `difference` does not let that pass
            continue
        if log is None:
            continue
        with log.still():
            order = list(Timeline(log.history).order())
        known = set(order)
        before = [commit for commit in world.orders.get((life.machine, conversation), ()) if commit in known]
        kept = set(before)
        assert before == [commit for commit in order if commit in kept], (
            f"{life.machine} shows what it had in another order"
        )
        world.orders[life.machine, conversation] = order


def _honest_only(world: World, life: Life, log: CommitLog) -> None:
    """What is refused a villain forged, and what it forged is nowhere."""
    refused = {rejection.commit: rejection for rejection in log.refusals()}
    unjust = [str(refused[commit]) for commit in sorted(refused.keys() - world.forged)]
    assert not unjust, f"{life.machine} refuses what is lawful: {unjust}"
    kept = [commit for commit in sorted(world.forged) if log.knows(commit)]
    assert not kept, f"{life.machine} has kept what was forged: {kept}"
    world.counts["forgery refused"] += len(refused)


def _no_way_back(life: Life, log: CommitLog) -> None:
    """Whoever a ban that counts has put out is in again only by an unban that does not come before it."""
    history, roster = log.history, log.roster
    counts = [
        (entry, entry.fact.control.action)
        for entry in history.controls
        if entry.fact.control and log.fate(entry.id) is None
    ]
    unbans = [(entry, action.uri) for entry, action in counts if isinstance(action, Unban)]
    for ban, action in counts:
        if not isinstance(action, Ban) or not (roster.is_joined(action.uri) or action.uri in roster.devices):
            continue
        undone = any(uri == action.uri and not history.reaches(ban, unban) for unban, uri in unbans)
        assert undone, f"{life.machine}: {action.uri} is in although {ban.id} has banned it"


def _no_banned_peer(life: Life, conversation: ConversationId, roster: Roster) -> None:
    access, state = life.swarm._parts.access, life.machine.saved
    if life.machine.stubborn:
        return
    for link in life.swarm.links.links:
        peer = link.peer
        if peer.account == life.machine.account.id:
            continue
        name = f"{life.machine} is linked with {peer.account[:6]}/{peer.device[:6]} as {link.link_class}"
        if roster.is_banned(peer.account) or roster.is_banned(peer.device):
            life._world.counts["link with a banned one"] += 1
            assert conversation not in access.common(peer.account, peer.device), f"{name}, who is banned"
            if not access.common(peer.account, peer.device) and not state.is_contact(peer.account):
                assert link.link_class is LinkClass.STRANGER, f"{name}, who is banned"
        assert device_prefix(peer.device) not in revoked(roster, peer.account), f"{name}, which is revoked"


def _agree_to_talk(one: Life, log: CommitLog, other: Life, its_log: CommitLog) -> bool:
    """Whether each is, for both, a device of a joined member, and one has ever heard of the other."""
    if _shuts_out(one, other) or _shuts_out(other, one):
        return False
    if other.device not in log.roster.devices and one.device not in its_log.roster.devices:
        return False
    return all(
        _counts(roster, life.machine.account.id, life.device)
        for roster in (log.roster, its_log.roster)
        for life in (one, other)
    )


def _apart(world: World) -> str | None:
    """Two linked devices of one account that do not hold alike what they share. (SCP-04 §7)"""
    for one, other in _siblings(world):
        if other.device not in one.swarm._own_devices.linked or one.device not in other.swarm._own_devices.linked:
            return f"{one.machine} and {other.machine} of one account are linked, and do not talk"
        found = own_devices.difference(one.machine.saved, other.machine.saved)
        if found is not None:
            return f"{one.machine} and {other.machine} of one account are not in step: {found}"
    return None


def _untold(world: World) -> str | None:
    """A revoked device that does not know it, although it dials one who does. (SCP-01 §3.3)"""
    for life, other in permutations(world.lives, 2):
        prefix, account = device_prefix(life.device), life.machine.account.id
        if prefix not in other.swarm._parts.access.revoked(account) or life.swarm.account.is_revoked:
            continue
        dials = other.device in life.swarm.surroundings.known_devices() and not life.machine.saved.is_blocked(
            other.machine.account.id
        )
        if dials:
            return f"{life.machine} was revoked, as {other.machine} knows, and has not heard of it"
    return None


def _siblings(world: World) -> Iterator[tuple[Life, Life]]:
    for one, other in combinations(world.lives, 2):
        linked = other.device in {link.peer.device for link in one.swarm.links.links}
        if one.machine.account.id == other.machine.account.id and linked:
            yield one, other


def _shuts_out(one: Life, other: Life) -> bool:
    """Whether one takes the other's device for revoked, by any conversation or by its own hand; or has blocked it."""
    account = other.machine.account.id
    listed = one.swarm._parts.access.revoked(account)
    is_out = one.swarm.account.is_revoked  # and so talks with nobody
    return is_out or device_prefix(other.device) in listed or one.machine.saved.is_blocked(account)


def _counts(roster: Roster, account: AccountId, device: DeviceId) -> bool:
    return (
        roster.is_joined(account)
        and not roster.is_banned(account)
        and not roster.is_banned(device)
        and device_prefix(device) not in revoked(roster, account)
    )


def _wanted(life: Life, logs: list[tuple[Life, CommitLog | None]]) -> bool:
    """Whether somebody of whom the device has heard has the conversation and would give it."""
    me, sources = life.machine.account.id, life.swarm._parts.access.sources
    return any(
        log is not None
        and other.machine.account.id in sources
        and (log.roster.is_invited(me) or log.roster.is_joined(me))
        and not log.roster.is_banned(life.device)
        and device_prefix(life.device) not in revoked(log.roster, me)
        and log.roster.is_joined(other.machine.account.id)
        and not _shuts_out(life, other)
        and not _shuts_out(other, life)
        for other, log in logs
    )


def revoked(roster: Roster, account: AccountId) -> frozenset[bytes]:
    """The revoked devices of an account, as its list in the roster says."""
    der, pem = roster.files.get(tree.revocations(account)), roster.certificate(account)
    if der is None or pem is None:
        return frozenset()
    return RevocationList.from_der(der, Certificate.from_pem(pem)).revoked


def _short(heads: tuple[CommitId, ...]) -> str:
    return "{" + ", ".join(head[:8] for head in heads) + "}"


def _links(life: Life) -> list[str]:
    return [f"{link.peer.account[:6]}/{link.peer.device[:6]} {link.link_class}" for link in life.swarm.links.links]


# --- on the disks


def disks(world: World) -> None:
    """What is left when everybody has gone home: whole, judged right, and nothing that was refused.

    Of those who have the same, one is judged anew from the root on, and cloned.
    """
    seen: set[tuple[CommitId, ...]] = set()
    for machine, conversation in product(world.honest, world.conversations):
        path = machine.folder / "conversations" / f"{conversation}.git"
        if not path.exists():
            continue
        log = CommitLog.open(path, conversation)
        try:
            if not log.is_empty:
                reached(log, path)
                if log.heads not in seen:
                    seen.add(log.heads)
                    judged_anew(log, path)
                    clone(log, machine.folder / f"clone-{conversation}")
        finally:
            log.close()


def stored(log: CommitLog, path: Path) -> None:
    """Both: what the refs reach, and what judging comes to."""
    reached(log, path)
    judged_anew(log, path)


def reached(log: CommitLog, path: Path) -> None:
    """The refs reach what was accepted, and nothing else."""
    log.put_away()
    reachable = set(_reachable(path))
    known = {entry.id for entry in log.history.entries}
    assert known <= reachable, f"{path.name}: accepted and not reachable: {sorted(known - reachable)}"
    refused = {rejection.commit for rejection in log.refusals()}
    assert not refused & reachable, f"{path.name}: refused and reachable: {sorted(refused & reachable)}"
    strange = {commit for commit in reachable - known if not _is_merge(path, commit)}
    assert not strange, f"{path.name}: reachable and never judged: {sorted(strange)}"


def judged_anew(log: CommitLog, path: Path) -> None:
    """Judging all of it again comes to the same."""
    report = log.verify()
    assert report.valid, f"{path.name}: {report.rejections}"
    assert report.heads == log.heads, f"{path.name}: judged again, it has the heads {report.heads}"
    assert report.roster == log.roster, f"{path.name}: judged again, it has another roster"


def clone(log: CommitLog, folder: Path) -> None:
    """A fresh clone of it sees the same."""
    again = CommitLog.prepare(folder, log.conversation)
    try:
        whole = log.pack(None, ())
        assert whole is not None
        admission = again.admit(b"".join(whole.chunks))
        assert not admission.rejected, f"a fresh clone refuses {admission.rejected}"
        assert again.heads == log.heads, "a fresh clone has other heads"
        assert again.roster == log.roster, "a fresh clone has another roster"
        assert again.main == log.main, "a fresh clone has another main"
        assert list(Timeline(again.history).order()) == list(Timeline(log.history).order()), "and another order"
    finally:
        again.close()


def _reachable(path: Path) -> Iterator[CommitId]:
    repository = pygit2.Repository(str(path))
    todo = [repository.references[name].target for name in repository.references]
    seen = set()
    while todo:
        oid = todo.pop()
        if oid not in seen:
            seen.add(oid)
            yield CommitId(str(oid))
            todo.extend(repository[oid].parent_ids)


def _is_merge(path: Path, commit: CommitId) -> bool:
    """Whether the commit is a merge: `main` may be one that nobody built upon, and so is no part of the history."""
    return len(pygit2.Repository(str(path))[commit].parent_ids) > 1
