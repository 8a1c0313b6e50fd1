"""The verbs of Status: a conversation opened for it, carried there and back as a file, and shown as clients see it. (SCP-09 §3.7–§3.10)

What needs keys and events is imported with the first verb that is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from swarmchat import disk, limits
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Add
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.effects import effects
from swarmchat.errors import NotFoundError, RefusedError, UserError
from swarmchat.gateways.status.aside import Asked, Ignored, State
from swarmchat.ids import AccountId, ConversationId
from swarmchat.node import views
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, Verbs, absolute
from swarmchat.node.view import View

if TYPE_CHECKING:
    from swarmchat.conversation.history import History
    from swarmchat.crypto.secp256k1 import Key
    from swarmchat.gateways.status.export import Attester, Exported
    from swarmchat.gateways.status.gateway import StatusGateway
    from swarmchat.gateways.status.importer import Importer

_TOLD_MAX: Final = 1_000  # lines of a report
_NOT_OPEN: Final = (
    "this conversation is not open for Status",
    "an admin of it, or either of the two of a one-to-one, opens it with: swarmchat status bridge CONV",
)
_WAITS: Final = (
    "it is open for Status, and nothing can be said there before the key of the other is known",
    "the other's device says it by itself, once it is in the conversation and has heard of this",
)
_SILENT: Final = (
    "there is nothing to export: nothing was said there yet that Status hears of",
    "`swarmchat status show CONV` says what it does not hear of, and why",
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
            where = await self._conversation_or_key(conversation)
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
        """Write all that Status is told of a conversation into a new file, or into several; whole or not at all."""
        where = await self._conversation(conversation)
        self._must_be_ready(where)
        target, how = absolute(path), mode or "skip"
        attester = await self._attester(where) if how == "attest" else None
        log = await self._node.swarm.log(where)
        await self.status.look_at_all(log)
        history, done = await self._look(where, lambda view: (view.history, self._exported(view, attester)))
        if done.events is None and not done.said:
            raise RefusedError(_SILENT[0], hint=_SILENT[1], data={"reason": "empty"})

        pieces, report = self._pieces(done, log, history), done.report
        size, files = await self._node.runtime.offload(_write, target, pieces, force)
        return {
            "conversation": where,
            "path": str(target),
            "files": [str(file) for file in files],
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
            "counts": _counts([(row.fate, row.reason) for row in report.rows]),
            "others": list(report.others),
        }

    async def status_show(self, *, conversation: str) -> JsonObject:
        """A conversation as clients of Status see it, and what they do not hear of."""
        from swarmchat.gateways.status.showing import shown  # noqa: PLC0415 - see above

        where = await self._conversation(conversation)
        self._must_be_ready(where)

        def look(view: View) -> JsonObject:
            done = self._exported(view, None)
            log = self._log_of(view)
            chat, called = done.report.chat, self.status.called(log)
            return {
                **shown(self.status.ledger(log), view, chat, called, self._node.account.id, self._now_ms()),
                "messages": done.report.sayings,
                **_left_out(done),
                "requests": self._waiting(view),
                "ignored": [_ignored(one) for one in self.status.store.ignored(where)],
            }

        await self.status.look_at_all(await self._node.swarm.log(where))
        return {"conversation": where} | await self._look(where, look)

    async def status_requests(self, *, conversation: str | None = None) -> list[JsonObject]:
        """Who asks to be let into conversations that this account may add people to."""
        chosen = None if conversation is None else await self._conversation(conversation)
        if chosen is not None:
            self._must_be_ready(chosen)
        rows: list[JsonObject] = []
        for where in [known.id for known in self._known()] if chosen is None else [chosen]:
            if self._node.swarm.state_of(where) == "ready" and self.status.is_open(await self._node.swarm.log(where)):
                rows += [row for row in await self._look(where, self._waiting) if row["may_add"]]
        return rows

    async def status_accept(self, *, conversation: str, key: str) -> JsonObject:
        """Let somebody in who asks: the account that his key belongs to here, else one that stands for the key alone."""
        where, row = await self._asking(conversation, key)
        account = AccountId(row["account"])
        if row["bound"]:
            (commit,) = self._all_admitted(await self._node.swarm.invite(where, [account]))
        else:
            await self._must_be_told(where, row["key"])
            commit = self._admitted(await self._node.swarm.append(where, Add(account)))
        await self.status.settle(where)
        return {"conversation": where, "key": row["key"], "account": account, "state": "invited", "commit": commit}

    async def status_decline(self, *, conversation: str, key: str) -> JsonObject:
        """Decline a request; nobody is told. Who asks again is heard after a day."""
        from swarmchat.gateways.status import asking  # noqa: PLC0415 - see above

        where, row = await self._asking(conversation, key)
        raw = bytes.fromhex(row["key"][2:])

        def decline(known: list[Asked]) -> list[Asked]:
            return [asking.declined(one, self._now_ms()) for one in known if one.key == raw]

        await self._node.runtime.offload(self.status.store.revise, where, decline)
        return {
            "conversation": where,
            "key": row["key"],
            "account": row["account"],
            "state": "declined",
            "commit": None,
        }

    # --- inside

    def _waiting(self, view: View) -> list[JsonObject]:
        """Who waits to be let in. In a worker, under the log's lock."""
        from swarmchat.crypto.secp256k1 import Key  # noqa: PLC0415 - see above

        log, me, rows = self._log_of(view), self._node.account, []
        let_in = self.status.let_in(log)
        author = Author(me.id, me.device, b"", b"")  # the rule that is asked looks at no certificates
        for one in self.status.store.requests(log.conversation):
            if one.state is not State.WAITING or let_in(one):
                continue
            key = Key(one.key)
            account = self.status.ledger(log).account_of(key)
            rows.append(
                {
                    "conversation": log.conversation,
                    "key": key.legacy,
                    "compressed": key.compressed,
                    "account": account,
                    "bound": account != key.uri,
                    "name": one.name or self.status.called(log).get(key.legacy, ""),
                    "text": one.text,
                    "at": views.time(one.received_ms / 1000),
                    "may_add": not isinstance(effects(Add(account), author, log.roster), Rejection),
                }
            )
        return rows

    async def _asking(self, conversation: str, text: str) -> tuple[ConversationId, JsonObject]:
        """The request that `text` means: by key, foreign uri or account, a prefix of one, or name. NotFoundError, AmbiguousError."""
        where = await self._conversation(conversation)
        self._must_be_ready(where)
        log = await self._node.swarm.log(where)
        rows = await self._look(where, self._waiting) if self.status.is_open(log) else []
        wanted, names = text.strip(), {}
        for row in rows:
            called = [row["key"], row["compressed"], *filter(None, [row["name"]])]
            if len(wanted) >= limits.ID_PREFIX_MIN and any(one.startswith(wanted) for one in called[:2]):
                called.append(
                    wanted
                )  # else who takes the beginning of another's key for a name would be let in for him
            names[row["account"]] = called
        try:
            found = resolve(text, names, "request")
        except NotFoundError as nothing:
            hint = f"swarmchat status requests {where[:12]}"
            raise NotFoundError(f"nobody {text!r} asks to be let in there", hint=hint) from nothing
        return where, next(row for row in rows if row["account"] == found)

    async def _must_be_told(self, where: ConversationId, key: str) -> None:
        """RefusedError where who is let in would not be named by his key: nobody could tell who that is."""
        from swarmchat.gateways.status import tending  # noqa: PLC0415 - see above
        from swarmchat.gateways.status.mapping import Unmappable  # noqa: PLC0415
        from swarmchat.gateways.status.speaking import events_note  # noqa: PLC0415
        from swarmchat.gateways.status.wire import EventType, MembershipUpdateEvent  # noqa: PLC0415

        secret = await self._node.swarm.own.ensure_status_key()
        event = MembershipUpdateEvent(type=EventType.MEMBERS_ADDED, members=(key,))

        def look(view: View) -> str | None:
            log = self._log_of(view)
            ledger = self.status.ledger(log)
            places = tending.parents(log, log.main, log.heads)
            number = max(places, key=lambda place: (ledger.clock(place), log.history.id(place)))
            if not ledger.bindings.is_bound(self._node.account.id, secret.public, log.history.id(number)):
                return "not-bound"
            found = events_note(ledger, number, (event,), secret, self._now_ms())
            return str(found.about or found.reason) if isinstance(found, Unmappable) else None

        if (fault := await self._look(where, look)) is not None:
            raise RefusedError(
                f"this account cannot add anybody in that chat of Status: {fault}",
                hint="who is a member there can: `swarmchat status show CONV` names them",
                data={"reason": fault},
            )

    def _log_of(self, view: View) -> CommitLog:
        assert isinstance(view.log, CommitLog), "asked of conversations that are ready"
        return view.log

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
            f"clients of Status would not take it: {done.reason} ({done.about})",
            hint="its chat is full: begin another conversation, and open that one",
            data={"reason": done.reason},
        )

    def _pieces(self, done: Exported, log: CommitLog, history: History) -> Iterator[tuple[int, bytes]]:
        """Those of an export, each made under the log's lock. RefusedError when the log was begun anew meanwhile."""
        pieces = done.pieces()
        while True:
            with log.still():
                if log.history is not history:
                    raise RefusedError("the conversation was repaired meanwhile", hint="export it again")
                self.status.ledger(log)  # it may have followed a commit that came to nothing
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    async def _attester(self, where: ConversationId) -> Attester:
        from swarmchat.gateways.status.export import Attester  # noqa: PLC0415 - see above

        me = self._node.account.id
        if not await self._look(where, lambda view: view.roster.is_admin(me)):
            raise RefusedError("only an admin vouches for what others did", hint="export it without --attest")
        return Attester(me, await self._node.swarm.own.ensure_status_key())

    async def _conversation_or_key(self, text: str) -> ConversationId:
        """The conversation; UsageError, not that there is none, for what was to be a key."""
        from swarmchat.gateways.keys import is_meant, parsed  # noqa: PLC0415 - see above

        try:
            return await self._conversation(text)
        except NotFoundError:
            if is_meant(text):
                parsed(text, "who is on Status finds his own in his profile: all of it is needed")
            raise

    def _must_be_ready(self, where: ConversationId) -> None:
        state = self._node.swarm.state_of(where)
        if state != "ready":
            raise RefusedError(f"you are not in it: it is {state}", hint="only who is in it can do that")

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
        return Key.parse(text.strip())
    except ValueError:
        return None


def _ignored(one: Ignored) -> JsonObject:
    return {
        "id": one.id,
        "what": one.what,
        "author": "0x" + one.author.hex(),
        "reason": one.reason,
        "at": views.time(one.noted_ms / 1000),
    }


def _left_out(done: Exported) -> JsonObject:
    """What is not in an export: commits that Status does not hear of, and events that clients would refuse."""
    report = done.report
    missing = [{"commit": one.commit, "reason": str(one.reason), "about": one.about} for one in report.missing]
    dropped = [{"commit": one.commit, "id": one.id, "reason": str(one.reason)} for one in report.dropped]
    return {
        "missing": missing[:_TOLD_MAX],
        "dropped": dropped[:_TOLD_MAX],
        "more": max(0, len(missing) - _TOLD_MAX) + max(0, len(dropped) - _TOLD_MAX),
        "counts": _counts(
            [*(("missing", one["reason"]) for one in missing), *(("dropped", one["reason"]) for one in dropped)]
        ),
    }


def _counts(found: Iterable[tuple[str, str]]) -> list[JsonObject]:
    """How many there are of each fate and reason, in the order in which they first come."""
    counts = Counter((str(fate), str(reason)) for fate, reason in found)
    return [{"fate": fate, "reason": reason, "count": count} for (fate, reason), count in counts.items()]


def _write(target: Path, pieces: Iterable[tuple[int, bytes]], force: bool) -> tuple[int, list[Path]]:
    """How many bytes went into which files: all of them, or none. UserError, StorageError.

    All are written before the first has its name. What `force` replaced by then stays as it is: the old one is gone.
    """
    size, files, named = 0, [], []

    @contextmanager
    def draft(file: Path) -> Iterator[BinaryIO]:
        with disk.new_file(file, force=force) as out:
            yield out
        named.append(file)

    try:
        with ExitStack() as drafts:
            for number, parts in groupby(pieces, key=itemgetter(0)):
                files.append(numbered(target, number))
                out = drafts.enter_context(draft(files[-1]))
                size += sum(out.write(part) for _, part in parts)
    except BaseException:
        for file in [] if force else named:
            file.unlink(missing_ok=True)
        raise
    return size, files


def numbered(path: Path, number: int) -> Path:
    """The name of a further file of an export: `chat.status`, `chat.2.status`, `chat.3.status`."""
    return path if not number else path.with_name(f"{path.stem}.{number + 1}{path.suffix}")
