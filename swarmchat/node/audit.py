"""The verbs that look closely: verify, explain, graph, sync, events. (SCP-02 §6.5, SCP-08 §2.1)"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from swarmchat.account.store import AccountStore
from swarmchat.commitlog import foreign
from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.audit import FORMAT, Report
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation import explain
from swarmchat.conversation.rules import ballots
from swarmchat.crypto.sshsig import allowed_signers_line
from swarmchat.errors import AmbiguousError, NotFoundError, StorageError, SwarmchatError, UsageError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.node import checkup, views
from swarmchat.node.checkup import Finding
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, Verbs
from swarmchat.node.view import View

_GRAPH_DEFAULT = 1_000
_EVENTS_DEFAULT = 1_000
_FAULTS_TOLD = 5
_ANSWER_S = 1.0  # this machine answers itself at once, or a firewall drops what comes


class AuditVerbs(Verbs):
    """Everything that proves or shows how it stands."""

    async def verify(self, *, conversation: str, allowed_signers: bool = False) -> JsonObject:
        """Judge a whole history again, from nothing: one of this node, or a repository at a path."""
        if is_path(conversation):
            report = await self._node.runtime.offload(foreign.verify, Path(conversation))
        else:
            where = await self._readable(conversation)
            log: CommitLog | ArchivedLog
            if self._is_archived(where):
                log = await self._node.runtime.offload(self._node.archives.open, where)
            else:
                log = await self._node.swarm.log(where)
            report = await self._node.runtime.offload(log.verify)
        return verdict(report, allowed_signers=allowed_signers)

    async def doctor(self, *, repair: bool = False) -> list[JsonObject]:
        """Look at everything that can be wrong on this machine; with `repair` set right what can be."""
        node = self._node
        store = AccountStore(node.home, node.runtime.entropy)
        found = await node.runtime.offload(lambda: list(checkup.of_home(node.home, store)))
        dht_offsets_s = () if node.dht.dht is None else node.dht.dht.clock_offsets_s
        linked = [link.clock_offset_s for link in node.swarm.links.links]
        found.append(checkup.of_clock(node.runtime.now(), linked, dht_offsets_s))
        if node.account.is_revoked:
            found.append(checkup.of_revoked())
        if node.listens:
            listens = " ".join(map(str, node.listens))
            found.append(Finding("listening", "this node", "ok", listens))
            problem = node.lan_problem
            found.append(Finding("lan", "this node", "warning" if problem else "ok", problem or "no problem"))
            found.append(checkup.of_dht(node.dht.status))
            found += await self._reached()
        found += [each for each in (checkup.of_http(node.config),) if each is not None]
        found.append(await self._searchable())
        for one in self._known():
            found.append(await self._checked(one.id, repair=repair))
        return [asdict(each) for each in found]

    async def _reached(self) -> list[Finding]:
        """Where others may dial, and whether they get through as far as that can be known from here."""
        node = self._node
        told = [address for address in node.whereabouts() if not address.is_loopback]
        refused = await node.runtime.offload(checkup.unanswered, told, _ANSWER_S)
        found = [checkup.of_ports(node.listens, told, refused)]
        dht = node.dht.dht
        if dht is not None and dht.connected:
            ports = [address.port for address in node.listens]
            found += [one for one in (checkup.of_reach(dht.reached, node.dht.port, ports),) if one is not None]
        return found

    async def _searchable(self) -> Finding:
        try:
            return checkup.of_search(await self._node.indexing.behind())
        except SwarmchatError as error:
            return Finding("index", "search", "fault", error.message, error.hint or "swarmchat index rebuild")

    async def _checked(self, where: ConversationId, *, repair: bool) -> Finding:
        """A conversation's history, judged again with every file it lies in."""
        if self._is_archived(where):
            return Finding("history", where, "ok", "an archive: `swarmchat verify` judges it")
        try:
            log = await self._node.swarm.log(where)
            if repair:
                await self._node.swarm.repair(where)
            report = await self._node.runtime.offload(log.verify)
        except StorageError as error:
            return Finding("history", where, "fault", error.message, error.hint)
        if not report.valid and not log.is_empty:
            faults = "; ".join(str(one.detail or one.reason.code) for one in report.rejections[:_FAULTS_TOLD])
            return Finding("history", where, "fault", faults, "swarmchat doctor --repair")
        if log.lost:
            told = f"commits lost to a damaged disk, for which members are asked: {len(log.lost)}"
            return Finding("history", where, "warning", told, "stay linked with somebody who has them: swarmchat peers")
        return Finding("history", where, "ok", f"{report.commits} commits, all valid")

    async def explain(self, *, commit: str, conversation: str | None = None) -> JsonObject:
        """Why a commit is valid or not, and whether it still has an effect."""
        where, name = await self._commit(commit, conversation)
        found = await self._look(where, lambda view: explained(view, name))
        return {
            "commit": found.commit,
            "valid": found.valid,
            "rule": found.rule,
            "effect": found.effect,
            "because": list(found.because),
        }

    async def graph(self, *, conversation: str, limit: int | None = None) -> JsonObject:
        """The commits with their parents, newest first."""
        where = await self._readable(conversation)
        return await self._look(where, lambda view: views.graph(view.history, limit or _GRAPH_DEFAULT))

    async def sync_status(self, *, conversation: str | None = None) -> list[JsonObject]:
        """How far each device is, by conversation."""
        where = None if conversation is None else await self._conversation(conversation)
        return [
            {
                "conversation": row.conversation,
                "device": row.device,
                "behind": row.behind,
                "ahead": row.ahead,
                "as_of": views.maybe_time(row.as_of),
                "missing": [
                    {"head": one.head, "devices": list(one.devices), "for_s": round(one.for_s)} for one in row.missing
                ],
            }
            for row in self._node.swarm.status.sync(where)
        ]

    async def events_list(self, *, since: int | None = None, limit: int | None = None) -> JsonObject:
        """Events after `since`, oldest first."""
        return self._node.journal.read(since or 0, limit or _EVENTS_DEFAULT)

    async def events_wait(self, *, after: int, passed: int | None = None) -> tuple[int, list[JsonObject]]:
        """Return when an event with a greater id exists, or one that is never stored has passed."""
        return await self._node.journal.wait(after, passed)

    # --- inside

    async def _commit(self, text: str, conversation: str | None) -> tuple[ConversationId, CommitId]:
        if conversation:
            places = [await self._readable(conversation)]
        else:
            archived = await self._node.runtime.offload(self._node.archives.list)
            places = [*(one.id for one in self._known()), *(one.id for one in archived)]
        found: dict[CommitId, ConversationId] = {}
        for where in places:
            names = await self._look(
                where,
                lambda view: [
                    *view.history.ids,
                    *(one.commit for one in view.log.refusals() if one.commit),
                ],
            )
            try:
                found[resolve(text, {name: [] for name in names}, "commit")] = where
            except NotFoundError:
                continue
        if not found:
            raise NotFoundError(f"no commit {text!r} here, and none of that name was refused")
        if len(found) > 1:
            raise AmbiguousError(
                f"{text!r} fits {len(found)} commits", hint="write more of the id", data={"candidates": sorted(found)}
            )
        return next((where, name) for name, where in found.items())


def explained(view: View, commit: CommitId) -> explain.Explanation:
    """Why a commit is valid or not, and whether it still counts, with the names that people use."""
    if isinstance(view.log, ArchivedLog):
        return explain.archived(view.history, commit)
    refusal = view.log.refusal(commit)
    if refusal is not None:
        return explain.refused(commit, refusal)
    names = view.names()

    def called(who: AccountId | DeviceId) -> str:
        if len(who) == 64:
            owner = ballots.owner(DeviceId(who), view.roster)
            return f"device {who[:12]}" + (f" of {called(owner)}" if owner else "")
        known = names.get(AccountId(who), [""])[0]
        return known or who[:12]

    return explain.accepted(view.history, commit, view.log, beside=view.witnesses(commit), called=called)


def is_path(text: str) -> bool:
    """Whether a conversation to be verified is named by the place of a repository."""
    return "/" in text or text.startswith(".")


def verdict(report: Report, *, allowed_signers: bool = False) -> JsonObject:
    """What came of judging a whole history."""
    if allowed_signers and report.form != FORMAT:
        raise UsageError(
            "stock git cannot check these signatures: Jami keeps them in a header of its own",
            hint="swarmchat verify checks them",
        )
    shown: JsonObject = {
        "id": report.conversation,
        "format": report.form,
        "valid": report.valid,
        "commits": report.commits,
        "merges": report.merges,
        "heads": list(report.heads),
        "roster": views.standing(report.roster) if report.roster else {},
        "rejections": [
            {"commit": one.commit, "rule": one.rule, "reason": str(one.detail or one.reason.code), "path": one.path}
            for one in report.rejections
        ],
    }
    if allowed_signers:
        signers = sorted(report.signers.items())
        shown["allowed_signers"] = [allowed_signers_line(device, key) for device, key in signers]
    return shown
