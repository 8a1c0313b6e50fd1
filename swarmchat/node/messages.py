"""The verbs of messages: send, edit, delete, react, show, list. (SCP-08 §2.1, §2.2)"""

from __future__ import annotations

from swarmchat import limits
from swarmchat.conversation.actions import EDITABLE_TYPES, Action, Edit, Post, React
from swarmchat.conversation.commit import Commit
from swarmchat.errors import DeliveryTimeout, RefusedError, UsageError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.node import views
from swarmchat.node.delivery import Arrival
from swarmchat.node.verbs import JsonObject, Verbs, moment
from swarmchat.node.view import View

_LINES_DEFAULT = 50


class MessageVerbs(Verbs):
    """Everything about single messages."""

    async def message_send(
        self,
        *,
        conversation: str,
        text: str,
        reply_to: str | None = None,
        wait: str | None = None,
        timeout: float | None = None,
    ) -> JsonObject:
        """Write a message; durable when it returns. `wait` waits until others have it."""
        where = await self._conversation(conversation)
        enough = await self._enough(where, wait)
        target = None if reply_to is None else await self._message_in(where, reply_to)
        sent = await self._write(where, Post(_text(text), target))
        if enough is None:
            return sent
        return await self._delivered(where, sent, enough, timeout)

    async def message_edit(self, *, conversation: str, message: str, text: str) -> JsonObject:
        """Replace the text of an own message."""
        where, target = await self._own(conversation, message)
        if not text:
            raise UsageError("an empty text deletes", hint="swarmchat delete CONV MESSAGE")
        if await self._look(where, lambda view: self._is_carried(view, target)):
            raise RefusedError(
                "somebody without an account said that; you only carried it here",
                hint="swarmchat delete CONV MESSAGE takes it away",
                data={"rule": "SCP-09 §1.5", "commit": target},
            )
        return await self._write(where, Edit(_text(text), target))

    async def message_delete(self, *, conversation: str, message: str) -> JsonObject:
        """Empty an own message; all versions stay in the history."""
        where, target = await self._own(conversation, message)
        return await self._write(where, Edit("", target))

    async def message_react(
        self, *, conversation: str, message: str, reaction: str, remove: bool = False
    ) -> JsonObject:
        """React to a message, or take the same reaction back."""
        where = await self._conversation(conversation)
        target = await self._first(where, await self._message_in(where, message))
        if not reaction.strip():
            raise UsageError("an empty reaction says nothing")
        if not remove:
            return await self._write(where, React(reaction, target))
        return await self._write(where, Edit("", await self._my_reaction(where, target, reaction)))

    async def message_show(
        self, *, conversation: str, message: str, local: bool = False, delivery: bool = False
    ) -> JsonObject:
        """One message; with `delivery` how far it came with each member, device by device."""
        where = await self._readable(conversation)
        target = await self._first(where, await self._message_in(where, message))
        return await self._look(where, lambda view: self._shown(view, target, local=local, delivery=delivery))

    async def message_read(self, *, conversation: str, message: str | None = None) -> JsonObject:
        """Say that the user has read up to a message, the newest if none is named; forward only. (SCP-04 §6.1)"""
        where = await self._conversation(conversation)
        if message is None:
            target = (await self._look(where, lambda view: view.timeline.page(1, hidden=view.hidden())))[-1].commit
        else:
            target = await self._message_in(where, message)
        await self._node.swarm.read(where, target)
        return {"id": target, "conversation": where}

    async def message_typing(self, *, conversation: str, on: bool = True) -> JsonObject:
        """Say that the user types, or stopped. (SCP-04 §6.2)"""
        where = await self._conversation(conversation)
        await self._node.swarm.typing(where, on)
        return {"conversation": where, "on": on}

    async def message_history(self, *, conversation: str, message: str) -> list[JsonObject]:
        """All versions of a message, oldest first."""
        where = await self._readable(conversation)
        target = await self._first(where, await self._message_in(where, message))
        return await self._look(where, lambda view: views.versions(view.timeline.item(target), view.log.commit))

    async def message_list(
        self,
        *,
        conversation: str,
        limit: int | None = None,
        before: str | None = None,
        since: str | None = None,
        hidden: bool = False,
        local: bool = False,
    ) -> list[JsonObject]:
        """The newest lines, oldest first; with `hidden` the hidden ones instead."""
        where = await self._readable(conversation)
        end = None if before is None else await self._message_in(where, before)
        start = None if since is None else moment(since)
        count = _LINES_DEFAULT if limit is None else limit

        def page(view: View) -> list[JsonObject]:
            unseen = view.hidden()
            items = view.timeline.page(
                count,
                before=end,
                hidden=unseen,
                with_hidden=hidden,
                wanted=lambda entry: (not hidden or entry.id in unseen) and (start is None or entry.fact.time >= start),
            )
            told = self._node.delivery(view.log) if local else None
            return [
                views.message(
                    item,
                    view.history,
                    view.log.commit,
                    None if told is None else told.status(item.commit),
                    view.credit,
                )
                for item in items
            ]

        return await self._look(where, page)

    # --- inside

    async def _write(self, where: ConversationId, action: Action) -> JsonObject:
        commit = self._admitted(await self._node.swarm.append(where, action))
        log = await self._node.swarm.log(where)
        return {"id": commit, "conversation": where, "time": views.time(log.history[commit].fact.time)}

    def _shown(self, view: View, target: CommitId, *, local: bool, delivery: bool) -> JsonObject:
        item = view.timeline.item(target, view.hidden())
        told = self._node.delivery(view.log)
        shown = views.message(item, view.history, view.log.commit, told.status(target) if local else None, view.credit)
        if not delivery:
            return shown
        reached = told.reached(target, self._node.account.device, self._node.moments(view.log.conversation))
        return shown | {
            "delivery": [
                {
                    "account": one.account,
                    "name": views.name(one.account, view.history, view.timeline, view.log.commit),
                    "state": one.state,
                    "devices": [_arrival(arrival) for arrival in one.arrivals],
                }
                for one in reached
            ]
        }

    async def _own(self, conversation: str, message: str) -> tuple[ConversationId, CommitId]:
        where = await self._conversation(conversation)
        target = await self._first(where, await self._message_in(where, message))
        fact = await self._look(where, lambda view: view.history[target].fact)
        if fact.account != self._node.account.id:
            raise RefusedError("only the author can change a message", data={"rule": "SCP-02 §3", "commit": target})
        if fact.type not in EDITABLE_TYPES:
            raise RefusedError(
                f"a commit of type {fact.type} cannot be changed", data={"rule": "SCP-02 §3", "commit": target}
            )
        return where, target

    async def _first(self, where: ConversationId, commit: CommitId) -> CommitId:
        """The message itself where an edit of it was named: people copy the id that they see."""
        relation = await self._look(where, lambda view: view.history[commit].fact.relation)
        return relation[1] if relation is not None and relation[0] == "edit" else commit

    async def _my_reaction(self, where: ConversationId, target: CommitId, reaction: str) -> CommitId:
        def find(view: View) -> CommitId | None:
            for made in view.timeline.item(target).reactions:
                commit = view.log.commit(made.commit)
                mine = view.history[made.commit].fact.account == self._node.account.id
                is_it = isinstance(commit, Commit) and commit.body.get("body") == reaction
                if mine and not made.edits and is_it and not self._is_carried(view, made.commit):
                    return made.commit
            return None

        found = await self._look(where, find)
        if found is None:
            raise UsageError(f"you have not reacted with {reaction!r} to this message")
        return found

    def _is_carried(self, view: View, target: CommitId) -> bool:
        """Whether the author of a commit speaks for somebody else in it."""
        commit = view.log.commit(target)
        return isinstance(commit, Commit) and view.credit(commit) is not None

    async def _enough(self, where: ConversationId, wait: str | None) -> int | None:
        """How many other accounts must have the message."""
        if wait is None:
            return None
        others = await self._look(where, lambda view: len(view.roster.joined - {self._node.account.id}))
        if not others:
            raise UsageError("there is nobody else to wait for", hint="leave out --wait")
        if wait == "any":
            return 1
        if wait == "all":
            return others
        if not wait.isascii() or not wait.isdigit() or not 1 <= int(wait) <= others:
            raise UsageError(f"--wait is any, all or a number from 1 to {others}")
        return int(wait)

    async def _delivered(
        self, where: ConversationId, sent: JsonObject, enough: int, timeout: float | None
    ) -> JsonObject:
        patience = limits.DELIVERY_WAIT_S if timeout is None else timeout

        def reached(accounts: frozenset[AccountId]) -> bool:
            return len(accounts) >= enough

        got = await self._node.swarm.delivered(where, CommitId(sent["id"]), reached, patience)
        accounts = frozenset(got.values())
        sent["received"] = [{"account": who, "device": device} for device, who in sorted(got.items())]
        if not reached(accounts):
            raise DeliveryTimeout(
                f"written, but within {patience:g} s only {len(accounts)} of {enough} had it",
                hint="it goes on by itself; `swarmchat sync status` shows who has what",
                data=sent,
            )
        return sent


def _arrival(arrival: Arrival) -> JsonObject:
    seconds = [None if at is None else at / 1000 for at in (arrival.sent_ms, arrival.read_ms)]
    sent, read = map(views.maybe_time, seconds)
    return {"device": arrival.device, "sent_at": sent, "read_at": read}


def _text(text: str) -> str:
    if len(text.encode()) > limits.BODY_BYTES_MAX:
        raise UsageError(f"a message has at most {limits.BODY_BYTES_MAX // 1024} KiB", hint="send it as a file")
    if not text:
        raise UsageError("an empty message says nothing")
    return text
