"""Ids of group chats: a uuid and the key of who made the chat. (SCP-09 §3.4)"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final

from swarmchat.crypto.secp256k1 import Key
from swarmchat.ids import ConversationId

UUID_BYTES: Final = 16
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def made(entropy: bytes, creator: Key) -> str:
    """A new chat id out of 16 random bytes, six bits of which make them a uuid of version 4."""
    return f"{uuid.UUID(bytes=entropy, version=4)}-{creator.legacy}"


def of_conversation(conversation: ConversationId, generation: int, creator: Key) -> str:
    """The chat id that a conversation of ours has, the same for everybody; each generation (0, 1 …) has another."""
    told = b"\0".join((b"swarmchat-status-chat-id", conversation.encode(), str(generation).encode()))
    return made(hashlib.sha256(told).digest()[:UUID_BYTES], creator)


def is_by(chat_id: str, creator: Key, *, strict_55: bool = False) -> bool:
    """Whether the creator of this chat is that key: something, then the key, letter for letter.

    With `strict_55` also in the order of 55/STATUS-1TO1-CHAT, which no client writes: the key with or without its `0x`, `-`, a uuid.
    """
    if chat_id.endswith(creator.legacy) and chat_id != creator.legacy:
        return True
    key, _, rest = chat_id.partition("-")
    return strict_55 and key in {creator.legacy, creator.legacy[2:]} and _UUID.fullmatch(rest) is not None
