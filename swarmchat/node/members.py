"""The verbs of membership and ballots. (SCP-08 §2.1)"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swarmchat.conversation.actions import Action, Add, Ban, CastVote, Demote, Kick, Promote, Unban
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules import planning
from swarmchat.conversation.tree import BallotKind
from swarmchat.errors import UsageError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.node import views
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, Verbs, account
from swarmchat.node.view import View

Target = AccountId | DeviceId
_PREFIX_DIGITS = 20  # more hex than this is meant as a whole id
Planned = tuple[Action, ...] | Rejection


class MemberVerbs(Verbs):
    """Everything about who is in a conversation."""

    async def member_list(self, *, conversation: str, local: bool = False) -> list[JsonObject]:
        """Who is in it, by role then id; with `local` also up to where each has read."""
        where = await self._readable(conversation)

        def look(view: View) -> list[JsonObject]:
            foreign = view.foreign()
            rows = [
                row | foreign.get(row["id"], {})
                for row in views.members(view.roster, view.history, view.timeline, view.log.commit)
            ]
            if not local:
                return rows
            marks = self._node.read_marks(view.log)
            told = {account: views.read_mark(mark) for account, mark in marks.items()}
            return [row | {"read": told.get(row["id"])} for row in rows]

        return await self._look(where, look)

    async def member_invite(self, *, conversation: str, accounts: list[str]) -> list[JsonObject]:
        """Add accounts and send them invitations: all or none."""
        where = await self._conversation(conversation)
        wanted = [await self._anybody(where, text) for text in accounts]
        if len(set(wanted)) != len(wanted):
            raise UsageError("an account stands twice")
        roster = await self._look(where, lambda view: view.roster)
        again = [who for who in wanted if roster.is_invited(who)]
        commits = dict(
            zip([who for who in wanted if who not in again], await self._added(where, wanted, again), strict=True)
        )
        standing = {who: await self._invitation(where, who) for who in again}
        return [{"id": who, "state": "invited", "commit": commits.get(who) or standing[who]} for who in wanted]

    async def member_ban(
        self, *, conversation: str, target: str, device: bool = False, dry_run: bool = False, at: str | None = None
    ) -> JsonObject:
        """Vote to ban, and resolve the ballot when more than half agree."""
        where = await self._conversation(conversation)
        whom = await self._target(where, target, device=device)
        top = None if at is None else await self._message_in(where, at)
        return await self._ballot(
            where, "ban", whom, lambda roster, me: planning.plan_ban(roster, me, whom), dry_run=dry_run, at=top
        )

    async def member_unban(
        self, *, conversation: str, target: str, device: bool = False, dry_run: bool = False
    ) -> JsonObject:
        """Vote to unban, and resolve the ballot when more than half agree."""
        where = await self._conversation(conversation)
        whom = await self._target(where, target, device=device)
        return await self._ballot(
            where, "unban", whom, lambda roster, me: planning.plan_unban(roster, me, whom), dry_run=dry_run
        )

    async def member_promote(self, *, conversation: str, target: str, dry_run: bool = False) -> JsonObject:
        """Make somebody an admin: at once as sole admin, else by ballot."""
        where = await self._conversation(conversation)
        whom = await self._account_in(where, target)
        return await self._ballot(
            where, "promote", whom, lambda roster, me: planning.plan_promote(roster, me, whom), dry_run=dry_run
        )

    async def member_kick(self, *, conversation: str, target: str) -> JsonObject:
        """Remove somebody without a ballot, where the mode allows it."""
        where = await self._conversation(conversation)
        whom = await self._account_in(where, target)
        commit = self._admitted(await self._node.swarm.append(where, Kick(whom)))
        return {"target": whom, "state": "left", "commits": [commit]}

    async def member_demote(self, *, conversation: str) -> JsonObject:
        """Step down from admin."""
        where = await self._conversation(conversation)
        me = self._node.account.id
        commit = self._admitted(await self._node.swarm.append(where, Demote(me)))
        return {"target": me, "state": "member", "commits": [commit]}

    async def member_votes(self, *, conversation: str) -> list[JsonObject]:
        """The open ballots."""
        return await self._look(await self._readable(conversation), lambda view: views.open_ballots(view.roster))

    # --- inside

    async def _anybody(self, where: ConversationId, text: str) -> AccountId:
        """Somebody who need not be known here: a whole id, or the name or prefix of a contact or of somebody in it."""
        try:
            return account(text)
        except UsageError:
            if len(text) > _PREFIX_DIGITS and set(text.lower()) <= set("0123456789abcdef"):
                raise UsageError(f"an account id has 40 digits, {text!r} has {len(text)}") from None
            known = await self._names_in(where)
            for contact in self._node.keeper.state.contacts.values():
                if contact.active:
                    known.setdefault(contact.account, []).append(contact.name)
            return resolve(text, known, "contact")

    async def _added(
        self, where: ConversationId, wanted: Sequence[AccountId], again: Sequence[AccountId]
    ) -> list[CommitId]:
        new = [who for who in wanted if who not in again]
        fault = await self._look(where, lambda view: _cannot_add(view, new, self._node.account.id))
        if fault is not None:
            self._admitted(fault)
        return self._all_admitted(await self._node.swarm.invite(where, new)) if new else []

    async def _invitation(self, where: ConversationId, who: AccountId) -> CommitId:
        def find(view: View) -> CommitId:
            adds = [e for e in view.history.controls if e.fact.control and e.fact.control.action == Add(who)]
            return max(adds, key=lambda entry: view.timeline.rank(entry.id)).id if adds else view.history.root.id

        return await self._look(where, find)

    async def _target(self, where: ConversationId, text: str, *, device: bool) -> Target:
        if device:
            return await self._device_in(where, text)
        return await self._account_in(where, text)

    async def _ballot(
        self,
        where: ConversationId,
        kind: BallotKind,
        target: Target,
        plan: Callable[[Roster, AccountId], Planned],
        *,
        dry_run: bool,
        at: CommitId | None = None,
    ) -> JsonObject:
        def before(view: View) -> Roster:
            return view.roster if at is None else view.log.roster_at(at)

        roster = await self._look(where, before)
        actions = self._permitted(plan(roster, self._node.account.id))
        if dry_run:
            commits: list[CommitId] = []
            state = "planned"
        else:
            commits = await self._in_a_row(where, actions, at)
            state = "resolved" if any(isinstance(action, Ban | Unban | Promote) for action in actions) else "voted"
        ballot = views.ballot(roster, kind, target)
        voters = sorted({*ballot["voters"], *(self._node.account.id for act in actions if isinstance(act, CastVote))})
        return ballot | {"voters": voters, "state": state, "commits": commits}

    async def _in_a_row(self, where: ConversationId, actions: Sequence[Action], at: CommitId | None) -> list[CommitId]:
        if at is None:
            return self._all_admitted(await self._node.swarm.append_all(where, actions))
        commits: list[CommitId] = []
        for action in actions:
            at = self._admitted(await self._node.swarm.append(where, action, at=at))
            commits.append(at)
        return commits


def _cannot_add(view: View, accounts: Sequence[AccountId], me: AccountId) -> Rejection | None:
    """Whether the law refuses one of these invitations, asked before the first is written."""
    for who in accounts:
        if view.roster.is_banned(who):
            return Rejection(Reason.BAD_ADD, f"{who[:12]} is banned here")
        if view.roster.is_joined(who):
            return Rejection(Reason.BAD_ADD, "you are in it already" if who == me else f"{who[:12]} is in it already")
    return None
