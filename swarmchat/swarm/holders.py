"""Which invitations of others this device keeps sending while the inviter is away. Pure. (SCP-05 §1.11)"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest

from swarmchat.conversation.actions import Add
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import HELD_PER_CONVERSATION_MAX, HOLDERS


def holders(conversation: ConversationId, invitee: AccountId, devices: Iterable[DeviceId]) -> tuple[DeviceId, ...]:
    """The 3 devices nearest to the invitation, by XOR to SHA-256(conversation ‖ invitee), the nearest first."""
    place = _place(conversation, invitee)
    return tuple(nsmallest(HOLDERS, devices, key=lambda device: int(device, 16) ^ place))


def held(
    me: DeviceId, conversation: ConversationId, roster: Roster, foreign: Collection[AccountId] = frozenset()
) -> dict[AccountId, tuple[DeviceId, ...]]:
    """The invited for whom this device is a holder, each with the holders nearer than it; at most 64, those nearest to it.

    `foreign` are those whose account nobody has. (SCP-09 §1.6)
    """
    invited = roster.invited.difference(foreign)
    if not invited:
        return {}
    mine = int(me, 16)
    near = nsmallest(HELD_PER_CONVERSATION_MAX, invited, key=lambda invitee: mine ^ _place(conversation, invitee))
    devices = [
        device for device, owner in roster.devices.items() if roster.is_joined(owner) and not roster.is_banned(device)
    ]
    found = {}
    for invitee in near:
        chosen = holders(conversation, invitee, devices)
        if me in chosen:
            found[invitee] = chosen[: chosen.index(me)]
    return found


def inviters(controls: Sequence[Entry], invited: Collection[AccountId]) -> dict[AccountId, Entry]:
    """The newest commit that added each of the invited."""
    found: dict[AccountId, Entry] = {}
    for entry in reversed(controls):
        if len(found) == len(invited):
            break
        action = entry.fact.control.action if entry.fact.control is not None else None
        if isinstance(action, Add) and action.uri in invited:
            found.setdefault(action.uri, entry)
    return found


def is_mine(nearer: Collection[DeviceId], inviters: Collection[DeviceId], linked: Collection[DeviceId]) -> bool:
    """Whether it is this device's turn: neither a device of the inviter nor a nearer holder is linked with it.

    Who is linked with one of these leaves it to him, so that the invited is asked once and not four times.
    """
    return not any(device in linked for device in (*nearer, *inviters))


def _place(conversation: ConversationId, invitee: AccountId) -> int:
    return int.from_bytes(hashlib.sha256(bytes.fromhex(conversation) + bytes.fromhex(invitee)).digest(), "big")
