"""Texts, reactions and pictures in the words of both sides. Pure. (SCP-09 §3.8)"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from swarmchat import limits
from swarmchat.conversation.actions import Action, Edit, FileOffer, FileWithdrawal, Other, Post, React
from swarmchat.gateways.status import notes
from swarmchat.gateways.status.wire import (
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    Entity,
    GroupChatInvitation,
    MembershipUpdateMessage,
    Payload,
    ReactionType,
)

_EMOJI: Final[Mapping[ReactionType, str]] = {
    ReactionType.LOVE: "\u2764",
    ReactionType.THUMBS_UP: "\U0001f44d",
    ReactionType.THUMBS_DOWN: "\U0001f44e",
    ReactionType.LAUGH: "\U0001f602",
    ReactionType.SAD: "\U0001f622",
    ReactionType.ANGRY: "\U0001f621",
}
_REACTIONS: Final[Mapping[str, ReactionType]] = {emoji: kind for kind, emoji in _EMOJI.items()} | {
    "\U0001f606": ReactionType.LAUGH,
    "\U0001f620": ReactionType.ANGRY,
}
_VARIANTS: Final = re.compile("[\ufe0f\U0001f3fb-\U0001f3ff]")  # in colour; the tone of a skin
_DISPLAY_NAME: Final = re.compile(r"[A-Za-z0-9_ -]{5,24}")
_SPOKEN: Final = frozenset({ContentType.TEXT_PLAIN, ContentType.EMOJI, ContentType.STATUS})
_CALLED: Final[Mapping[int, str]] = {
    ContentType.STICKER: "sticker",
    ContentType.IMAGE: "picture",
    ContentType.COMMUNITY: "community",
}


def emoji_of(reaction: int) -> str | None:
    """The emoji of a reaction; None for one that nobody knows."""
    return _EMOJI.get(ReactionType(reaction)) if reaction in _EMOJI else None


def reaction_of(emoji: str) -> ReactionType | None:
    """The reaction that an emoji stands for, of whatever colour; None for all that Status has no reaction for."""
    return _REACTIONS.get(_VARIANTS.sub("", emoji))


def text_of(message: ChatMessage) -> str:
    """What is read of a message: its text, or in brackets what it is."""
    content = message.content_type
    if content in _SPOKEN:
        return message.text
    told = _CALLED.get(content, f"content of kind {content}")
    if content == ContentType.AUDIO and message.audio is not None:
        told = f"audio {message.audio.duration_ms / 1000:.1f} s"
    return f"[{told}] {message.text}" if message.text.strip() else f"[{told}]"


def pieces(text: str) -> list[str]:
    """A text in messages that clients take."""
    size = limits.STATUS_TEXT_CHARS_MAX
    return [text[start : start + size] for start in range(0, len(text), size)]


def display_name(name: str) -> str:
    """A name as a message may carry it; nothing where Status would not have it."""
    return name if _DISPLAY_NAME.fullmatch(name) and not name.isspace() else ""


def of_file(offer: FileOffer) -> str:
    """What people read of a file that stays here."""
    return f"{offer.name} ({offer.size} bytes)"


def entity_of(message: Payload) -> Entity | None:
    """What is said in a wrapper; None where it holds group events alone."""
    if isinstance(message, MembershipUpdateMessage):
        return message.message or message.emoji_reaction
    return message


def agrees(action: Action, said: list[Entity]) -> bool:
    """Whether that is what such a commit says; nothing is no contradiction."""
    match action:
        case Other(notes.EVENT):
            return not any(isinstance(entity, GroupChatInvitation) for entity in said)
        case Post(body):
            return _texts(said) in (None, body)
        case FileOffer():
            return all(isinstance(entity, ChatMessage) for entity in said)
        case React(body):
            return all(_is_reaction(entity, body) for entity in said)
        case Edit(body):
            return all(_is_change(entity, body) for entity in said)
        case FileWithdrawal():
            return all(isinstance(entity, DeleteMessage) for entity in said)
        case _:
            return not said


def _texts(said: list[Entity]) -> str | None:
    """The text of messages that are pieces of one; None where nothing is said."""
    found = [text_of(entity) if isinstance(entity, ChatMessage) else "\0" for entity in said]
    return "".join(found) if found else None


def _is_reaction(entity: Entity, body: str) -> bool:
    match entity:
        case EmojiReaction():
            return not entity.retracted and emoji_of(entity.type) is not None and reaction_of(body) == entity.type
        case ChatMessage():
            return entity.content_type == ContentType.EMOJI and entity.text == body
        case _:
            return False


def _is_change(entity: Entity, body: str) -> bool:
    match entity:
        case EditMessage():
            return entity.text == body != ""
        case DeleteMessage():
            return body == ""
        case EmojiReaction(retracted=True):
            return body == ""
        case EmojiReaction():
            return _is_reaction(entity, body)
        case _:
            return False
