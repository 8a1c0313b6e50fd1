"""How the conversations of this device reach its links and each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.links.link import Link
from swarmchat.swarm.messages import SyncMessage


@dataclass(frozen=True, slots=True)
class Lines:
    """What a conversation may ask of the rest of the swarm."""

    post: Callable[[DeviceId, SyncMessage], None]
    link: Callable[[DeviceId], Link | None]
    account_of: Callable[[DeviceId], AccountId | None]
    reevaluate: Callable[[], None]  # who may do what has changed
    flushed: Callable[[DeviceId], Awaitable[None]]  # what was posted to it has come there
    notify: Callable[[ConversationId], Awaitable[None]]  # members who do not know that we are one
    withdraw: Callable[[AccountId, ConversationId], Awaitable[None]]  # tell it that our invitation holds no more
    ask: Callable[[ConversationId], Awaitable[None]]  # a member for an invitation to what is here
    moved: Callable[[ConversationId], None]  # a device has more, or a conversation another state
    unsure: Callable[[ConversationId, DeviceId], None]  # its heads do not tell whether it knows that we left
