"""What is said in a chat — messages, reactions, edits, deletions, requests to be let in: which of them are taken. (SCP-09 §3.6)"""

from __future__ import annotations

import enum
import re
from collections.abc import Container
from typing import Final

from swarmchat import limits
from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import clock
from swarmchat.gateways.status.wire import (
    AudioType,
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    Entity,
    GroupChatInvitation,
    ImageFormat,
    InvitationState,
    MessageType,
    ReactionType,
)


class Fault(enum.StrEnum):
    """Why something that was said is not taken."""

    BAD_CLOCK = "bad-clock"
    NO_TIMESTAMP = "no-timestamp"
    NO_CHAT_ID = "no-chat-id"
    NO_MESSAGE_ID = "no-message-id"
    BAD_MESSAGE_TYPE = "bad-message-type"
    BAD_CONTENT_TYPE = "bad-content-type"
    BLANK_TEXT = "blank-text"
    TEXT_TOO_LONG = "text-too-long"
    NO_CONTENT = "no-content"  # of a sticker, a picture, a recording
    BAD_DISPLAY_NAME = "bad-display-name"
    BAD_REACTION = "bad-reaction"
    BAD_STATE = "bad-state"
    NOT_THE_AUTHOR = "not-the-author"


_SYSTEM: Final = frozenset({MessageType.UNKNOWN, MessageType.SYSTEM_MESSAGE_PRIVATE_GROUP})
_LOCAL: Final = frozenset(  # a client says these to its own user
    {
        ContentType.UNKNOWN,
        ContentType.TRANSACTION_COMMAND,
        ContentType.SYSTEM_MESSAGE_CONTENT_PRIVATE_GROUP,
        ContentType.SYSTEM_MESSAGE_GAP,
        ContentType.SYSTEM_MESSAGE_PINNED_MESSAGE,
        ContentType.SYSTEM_MESSAGE_MUTUAL_EVENT_SENT,
        ContentType.SYSTEM_MESSAGE_MUTUAL_EVENT_ACCEPTED,
        ContentType.SYSTEM_MESSAGE_MUTUAL_EVENT_REMOVED,
    }
)
_WORDLESS: Final = frozenset({ContentType.IMAGE, ContentType.DISCORD_MESSAGE, ContentType.BRIDGE_MESSAGE})
_STATES: Final = frozenset({InvitationState.REQUEST, InvitationState.REJECTED, InvitationState.APPROVED})
_DISPLAY_NAME: Final = re.compile(r"[A-Za-z0-9_ -]{5,24}")


def fault(entity: Entity, now_ms: int) -> Refused | None:
    """What is wrong with something that came in; None when it is taken."""
    if not clock.is_acceptable(entity.clock, now_ms):
        return Refused(Fault.BAD_CLOCK, str(entity.clock))
    if not entity.chat_id:
        return Refused(Fault.NO_CHAT_ID)
    match entity:
        case ChatMessage():
            return _message_fault(entity)
        case EmojiReaction():
            return _reaction_fault(entity)
        case EditMessage():
            return _target_fault(entity) or _text_fault(entity.text, entity.content_type)
        case DeleteMessage():
            return _target_fault(entity)
        case GroupChatInvitation():
            return None if entity.state in _STATES else Refused(Fault.BAD_STATE, str(entity.state))


def change_fault(
    change: EditMessage | DeleteMessage, author: Key, target: Key, admins: Container[str]
) -> Refused | None:
    """Whether this author may edit or delete a message by `target`: his own, and as an admin (keys as `0x04…`) delete any.

    Who deletes speaks for nobody else: `deleted_by` is empty or the author.
    """
    if isinstance(change, EditMessage):
        allowed = author == target
    else:
        allowed = (author == target or author.legacy in admins) and change.deleted_by in {"", author.legacy}
    return None if allowed else Refused(Fault.NOT_THE_AUTHOR, author.compressed)


def reaction_id(author: Key, reaction: EmojiReaction) -> str:
    """`0x` and 64 digits: one for each author, message and feeling; of those with one id the greatest clock counts."""
    return "0x" + keccak256(f"{author.legacy}{reaction.message_id}{reaction.type}".encode()).hex()


def _message_fault(message: ChatMessage) -> Refused | None:
    if not message.timestamp:
        return Refused(Fault.NO_TIMESTAMP)
    if message.message_type in _SYSTEM:
        return Refused(Fault.BAD_MESSAGE_TYPE, str(message.message_type))
    if message.content_type in _LOCAL:
        return Refused(Fault.BAD_CONTENT_TYPE, str(message.content_type))
    if message.display_name and not _DISPLAY_NAME.fullmatch(message.display_name):
        return Refused(Fault.BAD_DISPLAY_NAME)
    if not _has_content(message):
        return Refused(Fault.NO_CONTENT, str(message.content_type))
    return _text_fault(message.text, message.content_type)


def _has_content(message: ChatMessage) -> bool:
    """Whether what the message says it is stands in it."""
    match message.content_type:
        case ContentType.STICKER:
            return message.sticker is not None and bool(message.sticker.hash)
        case ContentType.IMAGE:
            image = message.image
            return image is not None and bool(image.payload) and image.format != ImageFormat.UNKNOWN
        case ContentType.AUDIO:
            audio = message.audio
            return audio is not None and bool(audio.payload) and audio.type != AudioType.UNKNOWN
        case _:
            return True


def _text_fault(text: str, content_type: int) -> Refused | None:
    if len(text) > limits.STATUS_TEXT_CHARS_MAX:
        return Refused(Fault.TEXT_TOO_LONG)
    if not text.strip() and content_type not in _WORDLESS:
        return Refused(Fault.BLANK_TEXT)
    return None


def _reaction_fault(reaction: EmojiReaction) -> Refused | None:
    if not reaction.message_id:
        return Refused(Fault.NO_MESSAGE_ID)
    if reaction.message_type == MessageType.UNKNOWN:
        return Refused(Fault.BAD_MESSAGE_TYPE, str(reaction.message_type))
    if reaction.type == ReactionType.UNKNOWN:
        return Refused(Fault.BAD_REACTION, str(reaction.type))
    return None


def _target_fault(change: EditMessage | DeleteMessage) -> Refused | None:
    if not change.message_id:
        return Refused(Fault.NO_MESSAGE_ID)
    if change.message_type in _SYSTEM:
        return Refused(Fault.BAD_MESSAGE_TYPE, str(change.message_type))
    return None
