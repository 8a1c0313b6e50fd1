"""The verbs of whole conversations: create, list, show, set, join, leave, purge. (SCP-08 §2.1)"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Final, cast

from swarmchat.account import preferences
from swarmchat.account.records import ConversationState, KnownConversation
from swarmchat.commitlog.archives import Summary
from swarmchat.conversation import profile as profiles
from swarmchat.conversation.actions import UpdateProfile
from swarmchat.conversation.profile import Profile, ProfileError
from swarmchat.conversation.tree import MODE_WORDS, Mode
from swarmchat.errors import NotFoundError, RefusedError, UsageError, UserError, VerificationError
from swarmchat.ids import ConversationId
from swarmchat.node import views
from swarmchat.node.invitelinks import InviteLink, parse_link
from swarmchat.node.naming import resolve
from swarmchat.node.unread import unread
from swarmchat.node.verbs import JsonObject, Verbs, absolute, account
from swarmchat.node.view import View
from swarmchat.swarm.access import MODE_PUBLIC
from swarmchat.swarm.objections import Cause, Objection

ARCHIVED: Final = "archived"  # the state of an imported history


class ConversationVerbs(Verbs):
    """Everything about whole conversations."""

    async def conversation_create(self, *, title: str | None = None, mode: str | None = None) -> JsonObject:
        """Start a conversation with oneself as admin."""
        word = mode or "private"
        where = await self._node.swarm.create(cast(Mode, views.MODE_NUMBERS[word]), title=_line(title or "", "title"))
        return {"id": where, "title": title or "", "mode": word}

    async def conversation_list(self) -> list[JsonObject]:
        """The conversations of this node, in the order in which they came."""
        archived = await self._node.runtime.offload(self._node.archives.list)
        return [*[await self._row(known) for known in self._known()], *map(_archived_row, archived)]

    async def conversation_show(self, *, conversation: str) -> JsonObject:
        """One conversation."""
        where = await self._readable(conversation)
        return await (self._archived_page(where) if self._is_archived(where) else self._page(where))

    async def conversation_import(self, *, path: str) -> JsonObject:
        """Keep the history of a repository that Jami made, to be read: judged whole first. (SCP-02 §9.18)"""
        summary, new = await self._node.runtime.offload(self._node.archives.bring, absolute(path))
        self._node.forget_timeline(summary.id)
        told = {"state": ARCHIVED, "commits": summary.commits, "merges": summary.merges, "new": new}
        row = _archived_row(summary)
        return {key: row[key] for key in ("id", "title", "mode", "members")} | told

    async def conversation_set(
        self,
        *,
        conversation: str,
        title: str | None = None,
        description: str | None = None,
        image: str | None = None,
        color: str | None = None,
    ) -> JsonObject:
        """Change the profile; None leaves a field as it is, an empty string removes it."""
        where = await self._conversation(conversation)
        present = await self._look(where, lambda view: views.profile(view.roster))
        wanted = _changed(present, title, description, image, color)
        if wanted != present:
            try:
                content = profiles.write(wanted)
            except ProfileError as fault:
                raise UsageError(str(fault)) from None
            self._admitted(await self._node.swarm.append(where, UpdateProfile(), profile=content))
        return await self._page(where)

    async def conversation_join(
        self, *, conversation: str, timeout: float | None = None, any_mode: bool = False
    ) -> JsonObject:
        """Clone and join by link or id; returns at once, or waits `timeout` seconds."""
        if conversation.startswith("swarm:"):
            link = parse_link(conversation)
            where = link.conversation
            await self._node.swarm.people.join(where, inviter=link.inviter, addresses=link.addresses)
        else:
            where = await self._offered(conversation)
        return await self.joined(where, timeout, any_mode=any_mode)

    async def conversation_link(self, *, conversation: str) -> JsonObject:
        """The link by which others find and join it: anybody where it is public, else who is invited. (SCP-06 §3)"""
        where = await self._conversation(conversation)
        state = self._node.swarm.state_of(where)
        if state != "ready":
            raise RefusedError(f"you are not in it: it is {state}", hint="only who is in it can let others in")
        mode = await self._look(where, lambda view: view.roster.mode)
        at = self._node.whereabouts()
        link = InviteLink(where, self._node.account.id, at)
        return {"id": where, "link": str(link), "public": mode == MODE_PUBLIC, "addresses": [str(one) for one in at]}

    async def joined(self, where: ConversationId, timeout: float | None, *, any_mode: bool) -> JsonObject:
        """How far the joining of a conversation is, after `timeout` seconds at most; an error when it will not become ours."""
        swarm = self._node.swarm
        if any_mode:
            await swarm.confirm_mode(where)
        if timeout:
            await swarm.settled(where, timeout)
        objection = swarm.objection(where)
        if objection is not None:
            raise refusal(where, objection)
        known = self._node.keeper.state.conversations.get(where)
        if known is not None and known.is_gone:
            raise RefusedError("the invitation was taken back", hint="ask for another")
        return {"id": where, "state": swarm.state_of(where)}

    def taken_up(self, text: str) -> ConversationId:
        """A conversation that was accepted and is not ours yet. NotFoundError, AmbiguousError."""
        coming = {one.id: [one.title] for one in self._known() if one.state is ConversationState.SYNCING}
        return resolve(text, coming, "conversation on its way")

    async def conversation_leave(
        self, *, conversation: str, promote: str | None = None, dissolve: bool = False
    ) -> JsonObject:
        """Leave; the last admin promotes somebody first or dissolves the group."""
        where = await self._conversation(conversation)
        heir = None if promote is None else await self._account_in(where, promote)
        outcome = await self._node.swarm.leave(where, promote=heir, dissolve=dissolve)
        if outcome is not None:
            self._admitted(outcome)
        return {"id": where, "state": self._node.swarm.state_of(where)}

    async def conversation_merge_forks(self, *, conversation: str) -> JsonObject:
        """Let old forks that were held back into the conversation. (SCP-02 §6.4 g)"""
        where = await self._conversation(conversation)
        held = await self._look(where, lambda view: view.log.held)
        if held:
            await self._node.swarm.merge_old_forks(where)
        return {"id": where, "merged": list(held)}

    async def conversation_prefs(
        self, *, conversation: str, values: list[str] | None = None, unset: list[str] | None = None
    ) -> JsonObject:
        """What I want of a conversation, on all my devices."""
        where = await self._conversation(conversation)
        told = [text.partition("=") for text in values or ()]
        for text, (_, equals, _) in zip(values or (), told, strict=True):
            if not equals:
                raise UsageError(f"{text}: KEY=VALUE is wanted")
        for key, _, value in told:
            await self._node.swarm.own.prefer(where, key, value)
        for key in unset or ():
            await self._node.swarm.own.prefer(where, key, None)
        return {"id": where, "prefs": dict(preferences.of(self._node.keeper.state, where))}

    async def conversation_purge(self, *, conversation: str) -> JsonObject:
        """Erase history and files of a conversation here."""
        where = await self._readable(conversation)
        self._node.forget_timeline(where)
        await self._node.indexing.forget(where)
        if self._is_archived(where):
            await self._node.runtime.offload(self._node.archives.remove, where)
        else:
            await self._node.swarm.purge(where)
        return {"id": where, "state": "purged"}

    # --- inside

    async def _offered(self, text: str) -> ConversationId:
        pending = {request.offer.conversation: request for request in self._node.keeper.state.pending()}
        titles = {one: [request.offer.title] if request.offer.title else [] for one, request in pending.items()}
        with contextlib.suppress(NotFoundError):
            return await self._node.swarm.people.accept(pending[resolve(text, titles, "invitation")].id)
        with contextlib.suppress(NotFoundError):
            return self.taken_up(text)
        try:
            where = ConversationId(account(text))  # 40 hex, as an account id
        except UsageError:
            raise NotFoundError(
                f"no invitation to {text!r} waits here",
                hint="`swarmchat request list` shows those that do; a public one is joined by its link or whole id",
            ) from None
        await self._node.swarm.people.join(where)
        return where

    async def _row(self, known: KnownConversation) -> JsonObject:
        row = {
            "id": known.id,
            "title": known.title,
            "mode": MODE_WORDS[known.mode],
            "state": self._node.swarm.state_of(known.id),
            "members": 0,
            "last": None,
            "unread": 0,
        }
        if known.state is ConversationState.SYNCING:
            return row

        def look(view: View) -> JsonObject:
            me, unseen = self._node.account.id, view.hidden()
            newest, mark = view.timeline.page(1, hidden=unseen), self._node.read_marks(view.log).get(me)
            return {
                "title": self._title_in(view, known),
                "mode": MODE_WORDS[view.roster.mode],
                "members": len(view.roster.joined),
                "last": views.time(view.history[newest[0].commit].fact.time) if newest else None,
                "unread": unread(view.history, me, None if mark is None else mark.commit, unseen, view.passed_on()),
            }

        return row | await self._look(known.id, look)

    async def _archived_page(self, where: ConversationId) -> JsonObject:
        row = _archived_row(await self._node.runtime.offload(self._node.archives.summary, where))
        return row | await self._look(where, self._told) | {"refused": None}

    async def _page(self, where: ConversationId) -> JsonObject:
        known = self._node.keeper.state.conversations[where]
        row = await self._row(known)
        if known.state is ConversationState.SYNCING:
            empty: JsonObject = {
                "description": "",
                "color": None,
                "image": False,
                "role": None,
                "heads": [],
                "held": [],
                "read": [],
                "refused": _refused(known.id, self._node.swarm.objection(known.id)),
            }
            return row | empty | {"created": views.time(known.added_ms / 1000)}

        return row | await self._look(where, self._told) | {"refused": None}

    def _told(self, view: View) -> JsonObject:
        profile = views.profile(view.roster)
        return {
            "description": profile.description,
            "color": profile.color,
            "image": profile.photo is not None,
            "role": views.role(view.roster, view.history, self._node.account.id),
            "created": views.time(view.history.root.fact.time),
            "heads": list(view.history.heads),
            "held": list(view.log.held),
            "read": self._marks(view),
        }

    def _marks(self, view: View) -> list[JsonObject]:
        """Up to where each has read, as far as they told."""
        marks = self._node.read_marks(view.log)
        return [{"account": who, **views.read_mark(marks[who])} for who in sorted(view.roster.joined & marks.keys())]


def _archived_row(archived: Summary) -> JsonObject:
    return {
        "id": archived.id,
        "title": archived.title,
        "mode": MODE_WORDS[archived.mode],
        "state": ARCHIVED,
        "members": archived.members,
        "last": views.maybe_time(archived.last),
        "unread": 0,
    }


def refusal(where: ConversationId, objection: Objection) -> UserError:
    """Why a conversation does not become ours, as an error that says what can be done."""
    facts = {"conversation": where, "cause": objection.cause.value, "rule": objection.rule, "commit": objection.commit}
    hint = _hint(where, objection.cause)
    if objection.cause is Cause.INVALID:
        return VerificationError(
            f"its history is invalid, and nothing valid of it invites you: {_blamed(objection)}", hint=hint, data=facts
        )
    return RefusedError(f"it was not joined: {objection.text}", hint=hint, data=facts)


def _refused(where: ConversationId, objection: Objection | None) -> JsonObject | None:
    if objection is None:
        return None
    return {
        "cause": objection.cause.value,
        "text": _blamed(objection),
        "rule": objection.rule,
        "commit": objection.commit,
        "hint": _hint(where, objection.cause),
    }


def _blamed(objection: Objection) -> str:
    return objection.text if objection.commit is None else f"commit {objection.commit[:12]} breaks {objection.text}"


def _hint(where: ConversationId, cause: Cause) -> str:
    match cause:
        case Cause.INVALID:
            return f"another history is fetched when a member has one; give it up with: swarmchat conversation purge {where[:8]}"
        case Cause.OTHER_MODE:
            return f"if you agree: swarmchat join {where[:8]} --any-mode; if not: swarmchat leave {where[:8]}"
        case Cause.NOT_INVITED:
            return "ask a member for an invitation"
        case Cause.BANNED:
            return "its members can unban you by vote"
        case Cause.FORBIDDEN:
            return f"give it up with: swarmchat leave {where[:8]}"


def _changed(
    present: Profile, title: str | None, description: str | None, image: str | None, color: str | None
) -> Profile:
    wanted = present
    if title is not None:
        wanted = replace(wanted, title=_line(title, "title"))
    if description is not None:
        wanted = replace(wanted, description=description)
    if image is not None:
        wanted = replace(wanted, photo=image or None)
    if color is not None:
        wanted = replace(wanted, color=color or None)
    return wanted


def _line(text: str, what: str) -> str:
    if any(character < " " or character == "\x7f" for character in text):
        raise UsageError(f"a {what} is one line without control characters")
    return text.strip()
