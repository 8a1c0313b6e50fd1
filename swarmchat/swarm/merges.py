"""What follows here from what our user did on another device of his: as if he had done it here. (SCP-04 §7.4a)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from swarmchat.account.records import ConversationState
from swarmchat.account.state import State
from swarmchat.ids import AccountId, ConversationId
from swarmchat.swarm.events import (
    ContactChanged,
    ConversationAdded,
    ConversationRemoved,
    Event,
    PreferenceChanged,
    RequestAdded,
    RequestRemoved,
)
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.postman import Postman
from swarmchat.swarm.rooms import Rooms


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to be done after a merge, each sorted."""

    events: tuple[Event, ...] = ()  # what the user is told
    moved: tuple[ConversationId, ...] = ()  # taken up, or left, on another device
    invited: tuple[AccountId, ...] = ()  # whom this device invites too, from now on
    settings: bool = False


def effects(before: State, after: State) -> Effects:
    """What a merge has changed that anybody would notice. Pure."""
    answered = sorted(before.requests.keys() - after.requests.keys())
    events: list[Event] = [RequestRemoved(key, before.requests[key].offer.conversation) for key in answered]
    for key in sorted(after.requests.keys() - before.requests.keys()):
        offer = after.requests[key].offer
        events.append(RequestAdded(key, offer.conversation, offer.sender, offer.kind))
    people = sorted({*before.contacts, *after.contacts}) if before.contacts is not after.contacts else []
    events += [ContactChanged(account) for account in people if before.contact(account) != after.contact(account)]
    moved: list[ConversationId] = []
    for conversation in sorted(after.conversations):
        was, known = before.conversations.get(conversation), after.conversations[conversation]
        if was is known:
            continue
        if known.state is ConversationState.SYNCING and (was is None or was.is_gone):
            events.append(ConversationAdded(conversation))
            moved.append(conversation)
        elif known.state is ConversationState.REMOVED and was is not None and not was.is_gone:
            events.append(ConversationRemoved(conversation))
            moved.append(conversation)
    for liked in sorted({*before.preferences, *after.preferences}):
        where, _, name = liked.partition("/")
        here = after.conversations.get(ConversationId(where))
        if before.preferences.get(liked) != after.preferences.get(liked) and here is not None and not here.is_gone:
            events.append(PreferenceChanged(ConversationId(where), name, after.preferences.get(liked)))
    new = {
        invitation.account
        for key, invitation in after.invitations.items()
        if key not in before.invitations or before.invitations[key].commit != invitation.commit
    }
    return Effects(tuple(events), tuple(moved), tuple(sorted(new)), settings=before.settings != after.settings)


class Merges:
    """Carries them out. `followed`: the settings of the account are others."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        postman: Postman,
        reevaluate: Callable[[], None],
        sighted: Callable[[AccountId], None],
        followed: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._postman = postman
        self._reevaluate = reevaluate
        self._sighted = sighted
        self._followed = followed

    def merged(self, before: State, after: State) -> None:
        """The merge is durable: a crash from here on costs events and nothing else, for the state says what is to be done."""
        found, chores = effects(before, after), self._parts.chores
        for event in found.events:
            self._parts.tell(event)
        for conversation in found.moved:
            chores.add(f"take up {conversation}", partial(self._rooms.follow, conversation))
        if found.settings:
            self._followed()
        self._reevaluate()
        for account in found.invited:
            self._sighted(account)
            chores.add(f"mail to {account}", partial(self._postman.deliver, account))
