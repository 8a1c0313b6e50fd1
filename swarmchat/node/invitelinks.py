"""Invitation links: `swarm:<conversation>?from=<account>&at=<host:port>…`. (SCP-06 §3)"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.errors import UsageError
from swarmchat.ids import AccountId, ConversationId, account_id, conversation_id

_SCHEME = "swarm:"


@dataclass(frozen=True, slots=True)
class InviteLink:
    """What a link says: the conversation, perhaps who gave it and where they listen (≤ 16 addresses)."""

    conversation: ConversationId
    inviter: AccountId | None = None
    addresses: tuple[Address, ...] = ()

    def __str__(self) -> str:
        parts = [] if self.inviter is None else [f"from={self.inviter}"]
        parts.extend(f"at={quote(str(address), safe=':[]')}" for address in self.addresses)
        return f"{_SCHEME}{self.conversation}" + (f"?{'&'.join(parts)}" if parts else "")


def parse_link(text: str) -> InviteLink:
    """Read a link; UsageError names what is wrong. Unknown parameters are ignored."""
    if len(text) > limits.LINK_CHARS_MAX or not text.startswith(_SCHEME):
        raise UsageError("an invitation link begins with swarm: and has at most 4,096 characters")
    name, _, query = text.removeprefix(_SCHEME).partition("?")
    try:
        where = conversation_id(name)
        fields = parse_qsl(query, strict_parsing=bool(query), max_num_fields=64)
        inviters = [account_id(value) for key, value in fields if key == "from"]
        addresses = [Address.parse(value) for key, value in fields if key == "at"]
    except ValueError as fault:
        raise UsageError(f"not an invitation link: {fault}") from None
    if len(inviters) > 1:
        raise UsageError("not an invitation link: `from` stands twice")
    return InviteLink(where, inviters[0] if inviters else None, tuple(addresses[: limits.ADDRESSES_PER_DEVICE_MAX]))
