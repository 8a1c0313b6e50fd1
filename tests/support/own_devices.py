"""What all devices of one account must come to hold alike. (SCP-04 §7)"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from swarmchat.account.records import ConversationState
from swarmchat.account.state import State


def shared(state: State) -> State:
    """The state without what each device knows for itself: what it has cloned or erased, tried, counted, and hints."""
    gone = ConversationState.REMOVED
    known = {
        where: replace(
            each,
            state=gone if each.state is gone else ConversationState.ACTIVE,
            title="",
            mode=0,
            members=(),
            hosts=(),
            refused=(),
        )
        for where, each in state.conversations.items()
    }
    waiting = {key: replace(each, delivered_ms=0, tried_ms=0) for key, each in state.invitations.items()}
    return replace(
        state,
        conversations=MappingProxyType(known),
        invitations=MappingProxyType(waiting),
        arrivals=MappingProxyType({}),
    )


def difference(one: State, other: State) -> str | None:
    """What two devices do not hold alike; None when they are in step."""
    mine, theirs = shared(one), shared(other)
    for name in mine.__slots__:
        left, right = getattr(mine, name), getattr(theirs, name)
        if left != right:
            keys = sorted(str(key) for key in {*left, *right} if left.get(key) != right.get(key))
            return f"{name}: {[(key[:50], left.get(key), right.get(key)) for key in keys[:3]]}"
    return None
