"""What all verbs share: the node, and the way from what people type to ids. (SCP-08 §2.1)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from swarmchat.account.records import ConversationState, KnownConversation
from swarmchat.addresses import Address
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import NotFoundError, ReadOnlyError, RefusedError, StorageError, UsageError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId, account_id
from swarmchat.node import views
from swarmchat.node.naming import resolve
from swarmchat.node.node import Node
from swarmchat.node.view import View
from swarmchat.swarm.access import MODE_PAIR

T = TypeVar("T")
JsonObject = dict[str, Any]

_HINTS = {
    "last-admin": "make somebody else an admin first: swarmchat promote CONV WHO, or leave --dissolve",
    "no-quorum": "more than half of the admins must vote: swarmchat votes CONV",
    "not-a-member": "you are not, or no longer, in this conversation",
    "banned": "you are banned from this conversation; its admins can unban you by vote",
}


class Verbs:
    """The base of all groups of verbs."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def _conversation(self, text: str) -> ConversationId:
        """A conversation that this node takes part in; ReadOnlyError for an archived one."""
        where = await self._readable(text)
        self._must_be_writable(where)
        return where

    def _must_be_writable(self, where: ConversationId) -> None:
        """ReadOnlyError for an archived one."""
        if self._is_archived(where):
            raise ReadOnlyError(
                "it is archived: an imported history can be read and is never written to",
                hint=f"read it with: swarmchat log {where[:12]}; talk with these people in a conversation of your own",
                data={"rule": "SCP-02 §9.18", "conversation": where},
            )

    async def _readable(self, text: str) -> ConversationId:
        """A conversation of this node, archived ones included."""
        known = self._known()
        with suppress(NotFoundError):
            return resolve(text, {one.id: self._names_kept(one) for one in known}, "conversation")
        archived = await self._node.runtime.offload(self._node.archives.list)
        with suppress(NotFoundError):
            return resolve(text, {one.id: [] for one in archived}, "conversation")
        titles = {one.id: [title] if (title := await self._title(one)) else [] for one in known}
        titles |= {one.id: [one.title] if one.title else [] for one in archived}
        return resolve(text, titles, "conversation")

    def _is_archived(self, conversation: ConversationId) -> bool:
        return self._node.is_archived(conversation)

    def _known(self) -> list[KnownConversation]:
        state = self._node.keeper.state
        shown = [one for one in state.conversations.values() if not one.is_gone]
        return sorted(shown, key=lambda one: (one.added_ms, one.id))

    def _names_kept(self, known: KnownConversation) -> list[str]:
        contacts = self._node.keeper.state.contacts.values()
        called = [one.name for one in contacts if one.active and one.conversation == known.id]
        return [name for name in (known.title, *called) if name]

    async def _title(self, known: KnownConversation) -> str:
        if known.state is ConversationState.SYNCING:
            return known.title
        return await self._look(known.id, lambda view: self._title_in(view, known))

    def _title_in(self, view: View, known: KnownConversation) -> str:
        """Its title; a 1:1 without one is called as its other side is called."""
        title = views.profile(view.roster).title or known.title
        if title or view.roster.mode != MODE_PAIR:
            return title
        others = {*view.roster.joined, *view.roster.invited, *view.history.accounts} - {self._node.account.id}
        for other in sorted(others):
            return self._node.keeper.state.contact(other).name or view.names()[other][0]
        return ""

    async def _look(self, conversation: ConversationId, read: Callable[[View], T]) -> T:
        """Read in a worker, with the log held still."""
        view = await self._node.view(conversation)

        def locked() -> T:
            with view.log.still():
                return read(view)

        try:
            return await self._node.runtime.offload(locked)
        except StorageError as error:
            self._node.swarm.met(conversation, error)
            raise

    async def _names_in(self, conversation: ConversationId) -> dict[AccountId, list[str]]:
        """What the people of a conversation are called; nobody, while it is still being cloned."""
        known = self._node.keeper.state.conversations.get(conversation)
        if known is not None and known.state is ConversationState.SYNCING:
            return {}
        return await self._look(conversation, View.names)

    async def _account_in(self, conversation: ConversationId, text: str) -> AccountId:
        names = await self._names_in(conversation)
        for contact in self._node.keeper.state.contacts.values():
            names.setdefault(contact.account, [])
            if contact.name:
                names[contact.account].append(contact.name)
        return resolve(text, names, "account")

    async def _device_in(self, conversation: ConversationId, text: str) -> DeviceId:
        def devices(view: View) -> dict[DeviceId, list[str]]:
            banned = (DeviceId(target) for target, place in view.roster.banned.items() if place == "devices")
            return {device: [] for device in (*view.roster.devices, *banned)}

        return resolve(text, await self._look(conversation, devices), "device")

    async def _message_in(self, conversation: ConversationId, text: str) -> CommitId:
        whole = CommitId(text.strip().lower())
        history = (await self._node.view(conversation)).history
        number = history.find(whole)
        if number is not None and not history.is_merge(number):
            return whole  # as programs name it: no reason to look through a long history

        def commits(view: View) -> dict[CommitId, list[str]]:
            history = view.history
            return {history.id(number): [] for number in range(len(history)) if not history.is_merge(number)}

        return resolve(text, await self._look(conversation, commits), "message")

    def _admitted(self, outcome: Admission | Rejection) -> CommitId:
        """The commit that was just written, or the law's refusal as an error that people can read."""
        return self._permitted(outcome).new[-1]

    def _permitted(self, outcome: T | Rejection) -> T:
        """What the law permitted, or its refusal as an error that people can read."""
        if isinstance(outcome, Rejection):
            raise refused(outcome)
        return outcome

    def _all_admitted(self, outcomes: Iterable[Admission | Rejection]) -> list[CommitId]:
        return [self._admitted(outcome) for outcome in outcomes]


def refused(rejection: Rejection) -> RefusedError:
    """A refusal of the law as an error that people can read."""
    return RefusedError(
        rejection.detail or rejection.reason.code.replace("-", " "),
        hint=_HINTS.get(rejection.reason.code),
        data={"rule": rejection.rule, "reason": rejection.reason.code, "path": rejection.path},
    )


def account(text: str) -> AccountId:
    """A whole account id as typed; UsageError with a sentence."""
    try:
        return account_id(text.strip().lower())
    except ValueError as fault:
        raise UsageError(f"{text!r}: {fault}", hint="`swarmchat account show` prints it at the other's") from None


def peer_address(text: str) -> Address:
    """Where somebody listens, as typed; UsageError with a sentence."""
    try:
        address = Address.parse(text)
    except ValueError as fault:
        raise UsageError(str(fault), hint="for example 192.0.2.7:4000 or [2001:db8::7]:4000") from None
    if not address.port:
        raise UsageError("port 0 is nowhere to be reached")
    return address


def moment(text: str) -> float:
    """A time as typed, seconds since 1970; UsageError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no ISO 8601 time", hint="for example 2026-11-21T08:00:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def absolute(path: str) -> Path:
    """A path of this machine that does not depend on who says it; UsageError."""
    found = Path(path)
    if not found.is_absolute() or "\0" in path:
        raise UsageError(
            f"{path!r} is no absolute path", hint="the node does not stand where you do: give it from / on"
        )
    return found
