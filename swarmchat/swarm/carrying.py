"""Conversations that come in a file: judged like what a peer sends, and joined where they invite us. (SCP-04 §9)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from swarmchat.commitlog.carried import Carried, Header
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.packs import PackFault
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import RefusedError, VerificationError
from swarmchat.ids import ConversationId
from swarmchat.swarm import objections
from swarmchat.swarm.access import MODE_PUBLIC
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.rooms import Rooms

_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file brought: so many ordinary commits that were not here, and what was refused."""

    conversation: ConversationId
    new: int
    refused: tuple[Rejection, ...]


class Carrier:
    """Takes bundles in."""

    def __init__(self, parts: Parts, rooms: Rooms, join: Callable[[ConversationId], Awaitable[None]]) -> None:
        self._parts = parts
        self._rooms = rooms
        self._join = join

    async def bring(self, carried: Carried) -> Brought:
        """Take in a file. VerificationError: nothing of it is valid; RefusedError: it is not for us, or for who has more. StorageError."""
        header = carried.header
        known = self._parts.state.conversations.get(header.conversation)
        if known is None or known.is_gone:
            await self._parts.runtime.offload(self._try, carried)
            await self._join(header.conversation)
        replicator = self._rooms.room(header.conversation)
        self._must_build_on(header, replicator.log)
        brought = await self._take(carried, replicator)
        log = replicator.log
        if brought.refused and not brought.new and log.is_empty:
            raise _invalid(brought.refused)
        if not log.is_empty and log.roster.is_invited(self._parts.account.id):
            await self._join(header.conversation)  # removed, and invited again
        await self._parts.chores.drain()
        return brought

    # --- inside

    async def _take(self, carried: Carried, replicator: Replicator) -> Brought:
        new = 0
        refused: list[Rejection] = []
        try:
            for pack in carried.packs():
                admission = await replicator.take_in(pack)
                new += len(admission.new)
                refused += admission.rejected
        except PackFault as fault:
            raise _no_pack(fault, new) from fault
        return Brought(replicator.conversation, new, tuple(refused))

    def _try(self, carried: Carried) -> None:
        """See whether what the file holds is a conversation that we may be in, in a log that is gone afterwards."""
        header = carried.header
        with self._parts.catalog.trial(header.conversation) as log:
            self._must_build_on(header, log)
            refused: list[Rejection] = []
            try:
                for pack in carried.packs():
                    with log.ingest() as ingest:
                        for piece in pack:
                            ingest.feed(piece)
                        refused += ingest.finish().rejected
            except PackFault as fault:
                raise _no_pack(fault, 0) from fault
            if log.is_empty:
                raise _invalid(refused)
            self._must_invite(log)

    def _must_invite(self, log: CommitLog) -> None:
        me, roster = self._parts.account.id, log.roster
        facts = {"conversation": log.conversation}
        if roster.is_banned(me) or roster.is_banned(self._parts.account.device):
            raise RefusedError("you are banned there", hint="its members can unban you by vote", data=facts)
        if roster.is_joined(me) or roster.is_invited(me) or roster.mode == MODE_PUBLIC:
            return
        raise RefusedError(
            "nothing in it invites you",
            hint=f"let a member do: swarmchat invite {log.conversation[:8]} {me}, and export it again",
            data=facts,
        )

    def _must_build_on(self, header: Header, log: CommitLog) -> None:
        lacking = [commit for commit in header.since if not log.knows(commit)]
        if not lacking:
            return
        named = " ".join(commit[:12] for commit in lacking[:_NAMED_MAX]) + (" …" if len(lacking) > _NAMED_MAX else "")
        since = "".join(f" --since {head}" for head in log.heads[:_NAMED_MAX])
        raise RefusedError(
            f"it goes on from commits that are not here: {named}",
            hint=f"have it exported again: swarmchat bundle export {header.conversation[:8]} FILE{since}",
            data={"conversation": header.conversation, "missing": lacking, "heads": list(log.heads)},
        )


def _invalid(refused: list[Rejection] | tuple[Rejection, ...]) -> VerificationError:
    fault = objections.to_history(refused)
    if fault is None:
        return VerificationError("it holds no commit")
    blamed = f"commit {fault.commit[:12]} breaks " if fault.commit else ""
    return VerificationError(
        f"nothing of it is valid: {blamed}{fault.text}", data={"rule": fault.rule, "commit": fault.commit}
    )


def _no_pack(fault: PackFault, new: int) -> VerificationError:
    kept = f"; {new} commits that stand before that were taken in" if new else ", and nothing of it was kept"
    return VerificationError(f"it is no honest bundle: {fault.message}{kept}")
