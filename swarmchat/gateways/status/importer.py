"""Writes what an import lacks, in order and never twice: one that was broken off goes on when it is run again. (SCP-09 §3.9)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from swarmchat import disk, limits
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Action, Add, Edit, FileWithdrawal, Initial, Other, Post, React
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.rules.authorship import Author
from swarmchat.crypto.secp256k1 import Key
from swarmchat.errors import NotFoundError, RefusedError, UserError
from swarmchat.gateways import bindings, protobuf
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import asking, importing, notes, pairs, reading, streams
from swarmchat.gateways.status.aside import Asked
from swarmchat.gateways.status.fold import Fault, Group
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.pairs import Pair
from swarmchat.gateways.status.sayings import NOWHERE
from swarmchat.gateways.status.steps import Fate, Here, Placed, Plan, Row, Step, Why
from swarmchat.gateways.status.store import Store
from swarmchat.gateways.status.streams import Stream
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.node.node import Node
from swarmchat.swarm.write_queue import Intent

_AT_ONCE: Final = 64  # commits that share one sync of the disk
_TOLD_EVERY: Final = 1_000  # commits
_UNREADABLE: Final[Mapping[str, str]] = {  # in words; what is not named here is told by its code
    streams.Fault.EMPTY: "it is empty",
    streams.Fault.NO_CHAT: "no message in it says of which chat it is",
    protobuf.Fault.CUT_SHORT: "it is cut short",
    protobuf.Fault.TOO_BIG: "it names a message larger than any may be",
    protobuf.Fault.BAD_NUMBER: "where the length of a message has to stand is none",
}
_IN_PARTS: Final = "hand it over in parts: each message stands after its length, and what is here already is skipped"

_log = logging.getLogger(__name__)


class Ledgers(Protocol):
    """What the gateway knows of each log, and keeps beside them."""

    store: Store

    def ledger(self, log: CommitLog) -> Ledger:
        """All that a log says for Status; in a worker, under its lock. StorageError."""
        ...

    async def look_at_all(self, log: CommitLog) -> None:
        """Find out about all that was said there, in pieces between which others may write. StorageError."""
        ...

    def let_in(self, log: CommitLog) -> Callable[[Asked], bool]:
        """Tells whether who asks is in the conversation, or was added since; in a worker, under its lock. StorageError."""
        ...


@dataclass(slots=True)
class Report:
    """What an import came to. `others` hold the same chat, and stay as they are."""

    plan: Plan
    conversation: ConversationId | None
    others: tuple[ConversationId, ...]
    written: int = 0
    rows: list[Row] = field(default_factory=list)


class Importer:
    """Of one node; one import at a time, for two of one file would write all of it twice."""

    def __init__(self, node: Node, ledgers: Ledgers) -> None:
        self._node = node
        self._ledgers = ledgers
        self._turn = asyncio.Lock()

    async def run(self, path: Path, *, dry_run: bool) -> Report:
        """Write what a file holds and this node lacks; with `dry_run` say only what that would be.

        UserError for a file that holds no chat, or a one-to-one of others, RefusedError where the chat's conversation cannot be written to, StorageError.
        """
        async with self._turn:
            return await self._take(await self._node.runtime.offload(self._read, path), dry_run=dry_run)

    async def begin(self, key: Key) -> ConversationId:
        """Open the one-to-one with the holder of a key, as if a file without messages came; it is made where there is none.

        RefusedError where the key is our own, or it is open. StorageError.
        """
        own = (await self._node.swarm.own.ensure_status_key()).public
        pair = pairs.of(own, key)
        if pair is None:
            raise RefusedError(pairs.ALONE[0], hint=pairs.ALONE[1], data={"reason": "alone"})
        async with self._turn:
            report = await self._take(Stream(pair.id, (), (), (), pair), dry_run=False)
        assert report.conversation is not None, "made where there was none"
        if not report.written:
            raise RefusedError(
                "the one-to-one with this key is open for Status already",
                hint=f"swarmchat status show {report.conversation}",
                data={"reason": "open", "conversation": report.conversation},
            )
        return report.conversation

    async def _take(self, stream: Stream, *, dry_run: bool) -> Report:
        found = await self._holding(stream)
        where = found[0] if found else None
        plan = await self._plan(stream, where)
        report = Report(plan, where, tuple(found[1:]), rows=list(plan.rows))
        if plan.steps and not dry_run:
            await self._write(report, stream)
        if plan.group is not None and report.conversation is not None and not dry_run:
            log = await self._node.swarm.log(report.conversation)
            await self._node.runtime.offload(self._keep_aside, log, stream, plan, plan.group)
        return report

    # --- looking

    def _read(self, path: Path) -> Stream:
        data = disk.read_bounded(path, limits.STATUS_STREAM_BYTES_MAX, pipes=False, hint=_IN_PARTS)
        if data is None:
            raise NotFoundError(
                f"there is no file {path}",
                hint="`swarmchat status export CONV` writes one, on the node of anybody who is in it",
            )
        wrappers = streams.split(data)
        stream = wrappers if isinstance(wrappers, Refused) else streams.read(wrappers, self._now_ms(), self._own())
        if isinstance(stream, Refused):
            raise _unreadable(path, stream)
        return stream

    def _own(self) -> Key | None:
        secret = self._node.swarm.own.status_key()
        return None if secret is None else secret.public

    async def _holding(self, stream: Stream) -> list[ConversationId]:
        """The conversations that hold a chat, the one that counts first. RefusedError for one that is not ours to write to."""
        found = []
        for where in sorted(self._node.keeper.state.conversations):
            if self._node.swarm.state_of(where) != "ready":
                continue
            log = await self._node.swarm.log(where)
            if stream.pair is not None:
                rank = await self._node.runtime.offload(self._pair_rank, log, stream.pair)
            else:
                rank = 0 if await self._node.runtime.offload(self._holds, log, stream.chat_id) else None
            if rank is not None:
                found.append((rank, where))
        return [where for _, where in sorted(found)]

    def _holds(self, log: CommitLog, chat: str) -> bool:
        with log.still():
            if log.is_empty or not log.roster.is_joined(self._node.account.id):
                return False
            root = log.commit(log.history.root.id)
            said = notes.read(root.body) if isinstance(root, Commit) else None
            if said is not None and said.chat is not None:
                return said.chat == chat or any(one.id == chat for one in self._ledgers.ledger(log).chats)
            if not log.history.has_type(notes.BRIDGE):
                return False
            return any(one.id == chat for one in self._ledgers.ledger(log).chats)

    def _pair_rank(self, log: CommitLog, pair: Pair) -> int | None:
        """0 for the one-to-one of these keys, 1 where it could be opened as theirs, None for all else."""
        me = self._node.account.id
        with log.still():
            two = None if log.is_empty or not log.roster.is_joined(me) else pairs.two_of(log.history)
            if two is None:
                return None
            other = two[0] if two[1] == me else two[1]
            foreign = next((key for key in pair.keys if key.uri == other), None)
            if foreign is None and not log.history.has_type(bindings.BINDING):
                return None
            ledger = self._ledgers.ledger(log)
            if ledger.chats:
                return 0 if ledger.chats[0].pair == pair else None
            mine = ledger.key_of(me) if ledger.has_claimed(me) else self._own()
            theirs = ledger.key_of(other) if ledger.has_claimed(other) else foreign
            return 1 if mine is not None and theirs is not None and pairs.of(mine, theirs) == pair else None

    async def _plan(self, stream: Stream, where: ConversationId | None) -> Plan:
        here = None
        if where is not None:
            log = await self._node.swarm.log(where)
            await self._ledgers.look_at_all(log)
            here = await self._node.runtime.offload(self._look, log, stream)
        account = self._node.account
        me = Author(account.id, account.device, b"", b"")  # no rule that is asked here looks at certificates
        plan = await self._node.runtime.offload(importing.plan, stream, here, me, self._own(), self._now_ms())
        if isinstance(plan, Refused) and stream.pair is not None:
            raise UserError(
                "it is a one-to-one of two others: neither key is that of this account",
                hint="`swarmchat status identity` shows the key, and takes that of a Status account",
                data={"reason": streams.Fault.OTHER_CHAT},
            )
        if isinstance(plan, Refused):
            raise UserError(
                f"its events make no chat: {plan.reason}", hint=_no_chat(plan.reason), data={"reason": plan.reason}
            )
        return plan

    def _look(self, log: CommitLog, stream: Stream) -> Here:
        chat = stream.chat_id
        with log.still():
            ledger = self._ledgers.ledger(log)
            if stream.pair is not None:
                return here_between(ledger, log, stream.pair, self._node.account.id)
            if not ledger.chats or ledger.chats[0].id != chat:
                raise RefusedError(
                    "this chat is closed: the conversation goes on in a newer one",
                    hint="swarmchat status show CONV names it",
                    data={"conversation": log.conversation},
                )
            return here(ledger, log, chat)

    # --- beside the log

    def _keep_aside(self, log: CommitLog, stream: Stream, plan: Plan, group: Group) -> None:
        """Remember who asks to be let in, and which events had no effect."""
        now_ms, store, where = self._now_ms(), self._ledgers.store, log.conversation
        found, no_more = asking.ignored(plan.rows, stream.events, now_ms)
        store.note_ignored(where, found, no_more)
        members, admins = group.members, group.admins
        with log.still():
            let_in = self._ledgers.let_in(log)

            def is_in(asked: Asked) -> bool:
                return Key(asked.key).legacy in members or let_in(asked)

            store.revise(where, lambda known: asking.revised(known, stream.said, admins, is_in, now_ms))

    # --- writing

    async def _write(self, report: Report, stream: Stream) -> None:
        steps = list(report.plan.steps)
        where = report.conversation
        key = (await self._node.swarm.own.ensure_status_key()).public
        if where is None:
            where = await self._found(steps.pop(0))
            report.conversation, report.written = where, 1
        commits = {} if report.plan.founds else await self._placed(where, stream)
        _log.info(
            "%s: %d commits are written of a chat of Status, signed for it by %s", where, len(steps), key.compressed
        )
        waiting: list[Step] = []
        for step in steps:
            if len(waiting) == _AT_ONCE or (step.about and any(one.id == step.about for one in waiting)):
                await self._write_all(where, waiting, commits, report)
                waiting = []
            waiting.append(step)
        await self._write_all(where, waiting, commits, report)

    async def _found(self, root: Step) -> ConversationId:
        assert isinstance(root.action, Initial), "a plan that founds begins with the root"
        return await self._node.swarm.create(
            root.action.mode, invited=root.action.invited, extra={notes.KEY: root.status}
        )

    async def _placed(self, where: ConversationId, stream: Stream) -> dict[str, CommitId]:
        log = await self._node.swarm.log(where)
        found = await self._node.runtime.offload(self._look, log, stream)
        return {placed.said.envelope.id: placed.commit for placed in found.said if placed.counts}

    async def _write_all(
        self, where: ConversationId, steps: Sequence[Step], commits: dict[str, CommitId], report: Report
    ) -> None:
        """Write these; what the law refuses after all is kept in commits that change nothing."""
        intents = [self._intent(where, step, commits) for step in steps]
        if not intents:
            return
        refused: list[tuple[Step, Rejection]] = []
        for step, outcome in zip(steps, await self._node.swarm.append_at_once(where, intents), strict=True):
            if isinstance(outcome, Rejection):
                refused.append((step, outcome))
                continue
            self._count(report)
            if step.id and not step.is_kept:
                commits[step.id] = outcome.new[-1]
        for step, rejection in refused:
            await self._keep(where, step, rejection, report)

    def _intent(self, where: ConversationId, step: Step, commits: Mapping[str, CommitId]) -> Intent:
        if step.binds:
            secret = self._node.swarm.own.status_key()
            assert secret is not None, "made before anything is written"
            return Intent(step.action, extra=bindings.body(where, self._node.account.id, secret))
        extra = {**step.more, notes.KEY: step.status}
        action = _about(step.action, commits.get(step.about)) if step.about else step.action
        return Intent(action or Other(notes.EVENT), step.profile, extra)

    async def _keep(self, where: ConversationId, step: Step, rejection: Rejection, report: Report) -> None:
        fate = Fate.IGNORED
        if not (step.is_kept or step.binds or "of" in step.status):
            extra = {notes.KEY: step.status}
            (outcome,) = await self._node.swarm.append_at_once(where, [Intent(Other(notes.EVENT), extra=extra)])
            if not isinstance(outcome, Rejection):
                fate = Fate.KEPT
                self._count(report)
        report.rows.append(Row(type(step.action).__name__.lower(), step.id, fate, Why.LAW, rejection.detail))

    def _count(self, report: Report) -> None:
        report.written += 1
        if report.written % _TOLD_EVERY == 0:
            _log.info("%s: %d of %d commits", report.conversation, report.written, len(report.plan.steps))

    def _now_ms(self) -> int:
        return int(self._node.runtime.now() * 1000)


def here(ledger: Ledger, log: CommitLog, chat: str) -> Here:
    """What a log holds of a chat. Under its lock; StorageError."""
    history = log.history
    said = [one for one in _placed(ledger, log) if one.said.entity.chat_id == chat]
    told = [one for one in ledger.told if one.chat.id == chat]
    imported = [one.signed.id for one in told if _stands_for(log.commit(history.id(one.number)))]
    controls = [entry.fact.control for entry in history.controls]
    added = {control.action.uri for control in controls if control is not None and isinstance(control.action, Add)}
    return Here(
        log.roster,
        tuple(one.signed for one in told),
        tuple(said),
        {key: owner for owner, key in ledger.bindings.all().items()},
        frozenset(imported),
        frozenset(added | log.roster.joined | log.roster.invited | set(history.accounts)),
        history.has_type(bindings.BINDING),
    )


def here_between(ledger: Ledger, log: CommitLog, pair: Pair, me: AccountId) -> Here:
    """What a log holds of a one-to-one of ours. Under its lock; StorageError."""
    said = [one for one in _placed(ledger, log) if pairs.spoken_in(one.said.author, one.said.entity) == pair]
    mine = ledger.key_of(me) if ledger.has_claimed(me) else None
    return Here(log.roster, said=tuple(said), is_open=ledger.is_bridged, mine=mine)


def _placed(ledger: Ledger, log: CommitLog) -> list[Placed]:
    """All that holds of what was said in a log."""
    history = log.history
    said: list[Placed] = []
    for number in ledger.speaking:
        commit = log.commit(history.id(number))
        author = history.entry(number).fact.account
        assert isinstance(commit, Commit), "what says something is no merge"
        assert author is not None, "nor nobody's"
        found = reading.said(ledger, number, commit, author)
        counts = commit.action != Other(notes.EVENT)
        for place, one in enumerate(() if isinstance(found, Refused) else found):
            said.append(Placed(one, commit.id, author, counts and place == 0))
    return said


def _stands_for(commit: object) -> bool:
    return isinstance(commit, Commit) and isinstance(commit.action, Initial | Add)


def _about(action: Action, target: CommitId | None) -> Action | None:
    """The action about the commit of its message; None where there is none, and it is nothing without."""
    match action:
        case Post(reply_to=answered) if answered == NOWHERE:
            return replace(action, reply_to=target)
        case React() | Edit() | FileWithdrawal():
            return None if target is None else replace(action, target=target)
        case _:
            return action


def _no_chat(reason: str) -> str:
    """What helps where events make no chat."""
    if reason == Fault.WRONG_CREATOR:
        return "the chat id ends with its creator's key, and somebody else signed CHAT_CREATED: ask for another copy of the file"
    return "a file needs all group events, from CHAT_CREATED on: `swarmchat status export CONV` writes them"


def _unreadable(path: Path, refused: Refused) -> UserError:
    about = f" ({refused.about})" if refused.about else ""
    why = _UNREADABLE.get(refused.reason, refused.reason)
    return UserError(
        f"{path} holds no chat of Status that can be read: {why}{about}",
        hint="a file of `swarmchat status export`, or messages as clients send them, each after its length",
        data={"reason": refused.reason},
    )
