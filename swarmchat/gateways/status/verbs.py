"""The verbs of Status: a conversation opened for it, carried there and back as a file, and shown as clients see it. (SCP-09 §3.7–§3.10)

What needs keys and events is imported with the first verb that is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from swarmchat import disk
from swarmchat.errors import RefusedError, UserError
from swarmchat.ids import ConversationId
from swarmchat.node.verbs import JsonObject, Verbs, absolute
from swarmchat.node.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarmchat.commitlog.log import CommitLog
    from swarmchat.conversation.history import History
    from swarmchat.crypto.secp256k1 import Key
    from swarmchat.gateways.status.export import Attester, Exported
    from swarmchat.gateways.status.gateway import StatusGateway
    from swarmchat.gateways.status.importer import Importer

_TOLD_MAX: Final = 1_000  # lines of a report
_NOT_OPEN: Final = ("this conversation is not open for Status", "an admin opens it with: swarmchat status bridge CONV")
_WAITS: Final = (
    "it is open for Status, and nothing can be said there before the key of the other is known",
    "the other's device says it by itself, once it is in the conversation and has heard of this",
)


class StatusVerbs(Verbs):
    """Conversations that are told to Status. `status` is the gateway."""

    status: StatusGateway
    _imports: Importer | None = None

    async def status_bridge(self, *, conversation: str) -> JsonObject:
        """Open a conversation for Status, or one with a key: from now on what is written there is signed for it as well."""
        from swarmchat.gateways.status.opening import open_for  # noqa: PLC0415 - see above

        key = _key(conversation)
        if key is not None:
            where = await self._importer().begin(key)
            commit = (await self._node.swarm.log(where)).main
        else:
            where = await self._conversation(conversation)
            self._must_be_ready(where)
            commit = await open_for(self._node, self.status, where)
        chats = await self._look(where, lambda view: self.status.ledger(view.log).chats)  # type: ignore[arg-type]
        return {  # a one-to-one is no chat before the key of the other is known
            "conversation": where,
            "commit": commit,
            "chat": chats[0].shown_to(self._node.account.id) if chats else None,
            "generation": chats[0].generation if chats else 0,
        }

    async def status_export(
        self, *, conversation: str, path: str, mode: str | None = None, force: bool = False
    ) -> JsonObject:
        """Write all that Status is told of a conversation into a new file, whole or not at all."""
        where = await self._conversation(conversation)
        self._must_be_ready(where)
        target, how = absolute(path), mode or "skip"
        attester = await self._attester(where) if how == "attest" else None
        log = await self._node.swarm.log(where)
        await self.status.look_at_all(log)
        history, done = await self._look(where, lambda view: (view.history, self._exported(view, attester)))

        def write() -> int:
            written = 0
            with disk.new_file(target, force=force) as file:
                stream = done.stream()
                while (piece := self._next_of(stream, log, history)) is not None:
                    written += file.write(piece)
            return written

        size, report = await self._node.runtime.offload(write), done.report
        return {
            "conversation": where,
            "path": str(target),
            "mode": how,
            "bytes": size,
            "chat": report.chat.shown_to(self._node.account.id),
            "generation": report.chat.generation,
            "events": report.events,
            "attested": report.attested,
            "messages": report.sayings,
            **_left_out(done),
        }

    async def status_import(self, *, path: str, dry_run: bool = False) -> JsonObject:
        """Take in what a file of Status messages holds and this node lacks; with `dry_run` say only what that would be."""
        report = await self._importer().run(absolute(path), dry_run=dry_run)
        plan = report.plan
        state = "planned" if dry_run else "made" if plan.founds else "grown" if report.written else "unchanged"
        told = [
            {"what": row.what, "id": row.id or None, "fate": row.fate, "reason": row.reason, "about": row.about}
            for row in report.rows[:_TOLD_MAX]
        ]
        return {
            "conversation": report.conversation,
            "chat": plan.chat_id,
            "state": state,
            "commits": len(plan.steps) if dry_run else report.written,
            "known": plan.known,
            "told": told,
            "more": len(report.rows) - len(told),
            "others": list(report.others),
        }

    async def status_show(self, *, conversation: str) -> JsonObject:
        """A conversation as clients of Status see it, and what they do not hear of."""
        from swarmchat.gateways.status.showing import shown  # noqa: PLC0415 - see above

        where = await self._conversation(conversation)
        self._must_be_ready(where)

        def look(view: View) -> JsonObject:
            done = self._exported(view, None)
            ledger = self.status.ledger(view.log)  # type: ignore[arg-type]
            return shown(ledger, view, done.report.chat, self._node.account.id, self._now_ms()) | _left_out(done)

        await self.status.look_at_all(await self._node.swarm.log(where))
        return {"conversation": where} | await self._look(where, look)

    # --- inside

    def _exported(self, view: View, attester: Attester | None) -> Exported:
        from swarmchat.gateways.refusal import Refused  # noqa: PLC0415 - see above
        from swarmchat.gateways.status.export import Fault, export  # noqa: PLC0415

        ledger = self.status.ledger(view.log)  # type: ignore[arg-type]
        done = export(ledger, view.log, view.timeline.order(), attester, now_ms=self._now_ms())
        if not isinstance(done, Refused):
            return done
        if done.reason == Fault.NO_CHAT and ledger.is_bridged:
            raise RefusedError(_WAITS[0], hint=_WAITS[1], data={"reason": done.reason})
        if done.reason == Fault.NO_CHAT:
            raise RefusedError(_NOT_OPEN[0], hint=_NOT_OPEN[1], data={"reason": done.reason})
        raise UserError(
            f"clients of Status would not take it: {done.reason} ({done.about})", data={"reason": done.reason}
        )

    def _next_of(self, stream: Iterator[bytes], log: CommitLog, history: History) -> bytes | None:
        """The next piece of an export; None at the end. RefusedError when the log was begun anew meanwhile."""
        with log.still():
            if log.history is not history:
                raise RefusedError("the conversation was repaired meanwhile", hint="export it again")
            self.status.ledger(log)  # it may have followed a commit that came to nothing
            return next(stream, None)

    async def _attester(self, where: ConversationId) -> Attester:
        from swarmchat.gateways.status.export import Attester  # noqa: PLC0415 - see above

        me = self._node.account.id
        if not await self._look(where, lambda view: view.roster.is_admin(me)):
            raise RefusedError("only an admin vouches for what others did", hint="export it without --attest")
        return Attester(me, await self._node.swarm.own.ensure_status_key())

    def _must_be_ready(self, where: ConversationId) -> None:
        state = self._node.swarm.state_of(where)
        if state != "ready":
            raise RefusedError(f"you are not in it: it is {state}")

    def _now_ms(self) -> int:
        return int(self._node.runtime.now() * 1000)

    def _importer(self) -> Importer:
        if self._imports is None:
            from swarmchat.gateways.status.importer import Importer  # noqa: PLC0415 - see above

            self._imports = Importer(self._node, self.status)
        return self._imports


def _key(text: str) -> Key | None:
    """The key of Status that somebody names; None for a conversation."""
    from swarmchat.crypto.secp256k1 import Key  # noqa: PLC0415 - see above

    try:
        return Key.parse(text)
    except ValueError:
        return None


def _left_out(done: Exported) -> JsonObject:
    """What is not in an export: commits that Status does not hear of, and events that clients would refuse."""
    report = done.report
    missing = [{"commit": one.commit, "reason": str(one.reason), "about": one.about} for one in report.missing]
    dropped = [{"commit": one.commit, "id": one.id, "reason": str(one.reason)} for one in report.dropped]
    return {
        "missing": missing[:_TOLD_MAX],
        "dropped": dropped[:_TOLD_MAX],
        "more": max(0, len(missing) - _TOLD_MAX) + max(0, len(dropped) - _TOLD_MAX),
    }
