"""The verbs of whole conversations: create, list, show, set, join, leave, purge. (SCP-08 §2.1)"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from swarmchat import limits
from swarmchat.account.records import ConversationState, KnownConversation
from swarmchat.conversation import profile as profiles
from swarmchat.conversation.actions import UpdateProfile
from swarmchat.conversation.profile import Profile, ProfileError
from swarmchat.conversation.tree import Mode
from swarmchat.errors import NotFoundError, RefusedError, UsageError, VerificationError
from swarmchat.ids import ConversationId
from swarmchat.node import views
from swarmchat.node.invitelinks import parse_link
from swarmchat.node.verbs import JsonObject, Verbs, View, account


class ConversationVerbs(Verbs):
    """Everything about whole conversations."""

    async def conversation_create(self, *, title: str | None = None, mode: str | None = None) -> JsonObject:
        """Start a conversation with oneself as admin."""
        word = mode or "private"
        where = await self._node.swarm.create(cast(Mode, views.MODE_NUMBERS[word]), title=_line(title or "", "title"))
        return {"id": where, "title": title or "", "mode": word}

    async def conversation_list(self) -> list[JsonObject]:
        """The conversations of this node, in the order in which they came."""
        return [await self._row(known) for known in self._known()]

    async def conversation_show(self, *, conversation: str) -> JsonObject:
        """One conversation."""
        return await self._page(await self._conversation(conversation))

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
        """Clone and join by link or id; returns at once, or waits `timeout` seconds. `any_mode`: one that is here, as it is."""
        if any_mode:
            where = await self._conversation(conversation)
            await self._node.swarm.confirm_mode(where)
        elif conversation.startswith("swarm:"):
            link = parse_link(conversation)
            where = link.conversation
            await self._node.swarm.join(where, inviter=link.inviter, addresses=link.addresses)
        else:
            where = await self._offered(conversation)
        return await self.joined(where, timeout)

    async def joined(self, where: ConversationId, timeout: float | None) -> JsonObject:
        """How far the joining of a conversation is, after `timeout` seconds at most."""
        if timeout:
            await self._node.swarm.settled(where, timeout)
        state = self._node.swarm.state_of(where)
        why = self._node.swarm.refusal(where)
        if why is not None and (await self._node.swarm.log(where)).is_empty:
            raise VerificationError(
                f"the history of this conversation is invalid; nothing of it was kept: {why}",
                hint="`swarmchat events` has the commit and the rule",
                data={"conversation": where},
            )
        if why is not None:
            raise RefusedError(
                f"not joined: {why}",
                hint=f"`swarmchat join {where[:8]} --any-mode` takes it in the mode it has, `swarmchat leave` drops it",
                data={"rule": "SCP-06 §5", "conversation": where},
            )
        return {"id": where, "state": state}

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

    async def conversation_purge(self, *, conversation: str) -> JsonObject:
        """Erase history and files of a conversation here."""
        where = await self._conversation(conversation)
        self._node.forget_timeline(where)
        await self._node.swarm.purge(where)
        return {"id": where, "state": "purged"}

    # --- inside

    async def _offered(self, text: str) -> ConversationId:
        pending = {request.offer.conversation: request for request in self._node.keeper.state.pending()}
        wanted = text.strip().lower()
        fits = [one for one in pending if len(wanted) >= limits.ID_PREFIX_MIN and one.startswith(wanted)]
        if len(fits) == 1:
            return await self._node.swarm.accept(pending[fits[0]].id)
        try:
            where = ConversationId(account(text))  # 40 hex, as an account id
        except UsageError:
            raise NotFoundError(
                f"no invitation to {text!r} waits here",
                hint="`swarmchat request list` shows those that do; a public one is joined by its link or whole id",
            ) from None
        await self._node.swarm.join(where)
        return where

    async def _row(self, known: KnownConversation) -> JsonObject:
        row = {
            "id": known.id,
            "title": known.title,
            "mode": views.MODE_WORDS[known.mode],
            "state": self._node.swarm.state_of(known.id),
            "members": 0,
            "last": None,
        }
        if known.state is ConversationState.SYNCING:
            return row

        def look(view: View) -> JsonObject:
            newest = view.timeline.page(1, hidden=view.hidden())
            return {
                "title": self._title_in(view, known),
                "mode": views.MODE_WORDS[view.roster.mode],
                "members": len(view.roster.joined),
                "last": views.time(view.history[newest[0].commit].fact.time) if newest else None,
            }

        return row | await self._look(known.id, look)

    async def _page(self, where: ConversationId) -> JsonObject:
        known = self._node.keeper.state.conversations[where]
        row = await self._row(known) | {"refused": self._node.swarm.refusal(where)}
        if known.state is ConversationState.SYNCING:
            empty: JsonObject = {
                "description": "",
                "color": None,
                "image": False,
                "role": None,
                "heads": [],
                "held": [],
            }
            return row | empty | {"created": views.time(known.added_ms / 1000)}

        def look(view: View) -> JsonObject:
            profile = views.profile(view.roster)
            return {
                "description": profile.description,
                "color": profile.color,
                "image": profile.photo is not None,
                "role": views.role(view.roster, view.history, self._node.account.id),
                "created": views.time(view.history.root.fact.time),
                "heads": list(view.history.heads),
                "held": list(view.log.held),
            }

        return row | await self._look(where, look)


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
