"""The verbs that look for what was said. (SCP-08 §3.4)"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import ceil

from swarmchat.account.records import ConversationState
from swarmchat.errors import NotFoundError, StorageError, SwarmchatError
from swarmchat.ids import AccountId, CommitId, ConversationId, account_id
from swarmchat.index.query import Query, parse
from swarmchat.index.search import Hit, Place, Scope
from swarmchat.node import views
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, Verbs, moment
from swarmchat.node.view import View

_HITS_DEFAULT = 20


class SearchVerbs(Verbs):
    """Looking for texts, and the index that makes it quick."""

    async def search(
        self,
        *,
        text: str,
        conversation: str | None = None,
        from_: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        context: int | None = None,
        case: bool = False,
        hidden: bool = False,
    ) -> JsonObject:
        """The newest texts in which all words occur; the index is brought up to date first."""
        query = parse(text, case=case)
        places = await self._node.readable() if conversation is None else [await self._readable(conversation)]
        scope = Scope(
            places,
            None if from_ is None else await self._author(from_, places),
            None if since is None else ceil(moment(since)),
            None if until is None else ceil(moment(until)),
        )
        await self._node.indexing.caught_up(places)
        if before is not None:
            scope = Scope(places, scope.account, scope.since, scope.until, await self._place(before, places))
        count = _HITS_DEFAULT if limit is None else limit
        begun = self._node.indexing.index.begun
        kept = await self._visible(query, scope, count + 1, context or 0, hidden=hidden)
        if begun != self._node.indexing.index.begun:  # it turned out to be damaged, and is empty now
            await self._node.indexing.caught_up(places)
            kept = await self._visible(query, scope, count + 1, context or 0, hidden=hidden)
        return {"hits": kept[:count], "more": len(kept) > count}

    async def index_rebuild(self, *, conversation: str | None = None) -> JsonObject:
        """Make the search index anew, of one conversation or of all."""
        where = None if conversation is None else [await self._readable(conversation)]
        await self._node.indexing.rebuild(where)
        return {
            "conversations": len(where or await self._node.readable()),
            "messages": await self._node.runtime.offload(self._node.indexing.index.count),
        }

    # --- inside

    async def _visible(self, query: Query, scope: Scope, count: int, context: int, *, hidden: bool) -> list[JsonObject]:
        """So many hits that are to be seen, newest first, fetched until there are enough."""
        kept: list[JsonObject] = []
        while True:
            wanted = count - len(kept)
            hits = await self._node.runtime.offload(self._node.indexing.index.find, query, scope, wanted)
            kept += await self._shown_all(query, hits, context, hidden=hidden)
            if len(hits) < wanted or len(kept) >= count:
                return kept
            scope = Scope(scope.conversations, scope.account, scope.since, scope.until, hits[-1].place)

    async def _shown_all(self, query: Query, hits: Sequence[Hit], context: int, *, hidden: bool) -> list[JsonObject]:
        """All that is shown of those that still fit and are to be seen, in the order in which they were found."""
        shown: dict[Hit, JsonObject | None] = {}
        for where in sorted({hit.conversation for hit in hits}):
            here = [hit for hit in hits if hit.conversation == where]

            def read(view: View, here: list[Hit] = here) -> list[JsonObject | None]:
                unseen = view.hidden()
                return [_shown(view, query, hit, context, unseen, hidden=hidden) for hit in here]

            try:
                shown.update(zip(here, await self._look(where, read), strict=True))
            except SwarmchatError:  # gone or damaged meanwhile: it costs its own hits
                continue
        return [row for hit in hits if (row := shown.get(hit)) is not None]

    async def _author(self, text: str, places: Sequence[ConversationId]) -> AccountId:
        with suppress(ValueError):
            return account_id(text.strip().lower())
        names: dict[AccountId, list[str]] = {self._node.account.id: [self._node.account.name]}
        for contact in self._node.keeper.state.contacts.values():
            names.setdefault(contact.account, []).extend([contact.name] if contact.name else [])
        for where in places:
            try:
                for who, called in (await self._names_in(where)).items():
                    names.setdefault(who, []).extend(called)
            except SwarmchatError:
                continue  # of one that is damaged nobody is known
        return resolve(text, {who: [name for name in called if name] for who, called in names.items()}, "account")

    async def _place(self, text: str, places: Sequence[ConversationId]) -> Place:
        """Where the text stands that a page ended with."""
        for where in places:
            known = self._node.keeper.state.conversations.get(where)
            if known is not None and known.state is ConversationState.SYNCING:
                continue
            try:
                commit = await self._message_in(where, text)
                number = (await self._node.view(where)).history.number(commit)
            except (NotFoundError, StorageError):
                continue
            place = await self._node.runtime.offload(self._node.indexing.index.place, where, number)
            if place is not None:
                return place
        raise NotFoundError(f"no text {text!r} here", hint="name the last hit of the page before")


def _shown(
    view: View, query: Query, hit: Hit, context: int, unseen: frozenset[CommitId], *, hidden: bool
) -> JsonObject | None:
    if hit.number >= len(view.history):
        return None
    commit = view.history.id(hit.number)
    if commit in unseen and not hidden:
        return None
    item = view.timeline.item(commit, unseen)
    message = views.message(item, view.history, view.log.commit, credit=view.credit)
    body = message["body"]
    if not isinstance(body, str) or not query.fits(body):
        return None
    around = [view.timeline.page(context, before=commit, hidden=unseen) if context else []]
    around.append(view.timeline.following(commit, context, unseen) if context else [])
    before, after = (
        [views.message(one, view.history, view.log.commit, credit=view.credit) for one in side] for side in around
    )
    return {
        "conversation": hit.conversation,
        "message": message,
        "snippet": [{"text": part, "match": match} for part, match in query.marked(body)],
        "before": before,
        "after": after,
    }
