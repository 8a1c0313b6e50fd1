"""The messages that Status clients exchange, as tables of protocol buffers. (SCP-09 §3.2)

Numbers that a client newer than this page sends stay what they are: the enumerations name numbers, they do not bound them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from swarmchat.gateways.protobuf import BOOL, BYTES, ENUM, INT32, STRING, UINT32, UINT64, Field, Message


class MessageType(enum.IntEnum):
    """In what kind of chat something was said."""

    UNKNOWN = 0
    ONE_TO_ONE = 1
    PUBLIC_GROUP = 2
    PRIVATE_GROUP = 3
    SYSTEM_MESSAGE_PRIVATE_GROUP = 4
    COMMUNITY_CHAT = 5
    SYSTEM_MESSAGE_GAP = 6


class ContentType(enum.IntEnum):
    """What a chat message is."""

    UNKNOWN = 0
    TEXT_PLAIN = 1
    STICKER = 2
    STATUS = 3
    EMOJI = 4
    TRANSACTION_COMMAND = 5
    SYSTEM_MESSAGE_CONTENT_PRIVATE_GROUP = 6
    IMAGE = 7
    AUDIO = 8
    COMMUNITY = 9
    SYSTEM_MESSAGE_GAP = 10
    CONTACT_REQUEST = 11
    DISCORD_MESSAGE = 12
    IDENTITY_VERIFICATION = 13
    SYSTEM_MESSAGE_PINNED_MESSAGE = 14
    SYSTEM_MESSAGE_MUTUAL_EVENT_SENT = 15
    SYSTEM_MESSAGE_MUTUAL_EVENT_ACCEPTED = 16
    SYSTEM_MESSAGE_MUTUAL_EVENT_REMOVED = 17
    BRIDGE_MESSAGE = 18


class EventType(enum.IntEnum):
    """What a group event does."""

    UNKNOWN = 0
    CHAT_CREATED = 1
    NAME_CHANGED = 2
    MEMBERS_ADDED = 3
    MEMBER_JOINED = 4
    MEMBER_REMOVED = 5
    ADMINS_ADDED = 6
    ADMIN_REMOVED = 7
    COLOR_CHANGED = 8
    IMAGE_CHANGED = 9


class ReactionType(enum.IntEnum):
    """The six feelings there are."""

    UNKNOWN = 0
    LOVE = 1
    THUMBS_UP = 2
    THUMBS_DOWN = 3
    LAUGH = 4
    SAD = 5
    ANGRY = 6


class ImageFormat(enum.IntEnum):
    """How a picture is coded."""

    UNKNOWN = 0
    PNG = 1
    JPEG = 2
    WEBP = 3
    GIF = 4


class AudioType(enum.IntEnum):
    """How a recording is coded."""

    UNKNOWN = 0
    AAC = 1
    AMR = 2


class InvitationState(enum.IntEnum):
    """How far a request to be let in has come."""

    UNKNOWN = 0
    REQUEST = 1
    REJECTED = 2
    APPROVED = 3


class PayloadType(enum.IntEnum):
    """What a signed wrapper holds."""

    CHAT_MESSAGE = 1
    MEMBERSHIP_UPDATE_MESSAGE = 3
    EMOJI_REACTION = 22
    GROUP_CHAT_INVITATION = 23
    EDIT_MESSAGE = 29
    DELETE_MESSAGE = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class StickerMessage(Message):
    """A picture out of a pack, by its hash."""

    hash: Annotated[str, Field(1, STRING)] = ""
    pack: Annotated[int, Field(2, INT32)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMessage(Message):
    """A picture; of those sent at once each names the album."""

    payload: Annotated[bytes, Field(1, BYTES)] = b""
    format: Annotated[int, Field(2, ENUM)] = ImageFormat.UNKNOWN
    album_id: Annotated[str, Field(3, STRING)] = ""
    width: Annotated[int, Field(4, UINT32)] = 0
    height: Annotated[int, Field(5, UINT32)] = 0
    album_images_count: Annotated[int, Field(6, UINT32)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioMessage(Message):
    """A recording."""

    payload: Annotated[bytes, Field(1, BYTES)] = b""
    type: Annotated[int, Field(2, ENUM)] = AudioType.UNKNOWN
    duration_ms: Annotated[int, Field(3, UINT64)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage(Message):
    """Something said. What is about contacts, links and shards (15 … 18) stays among the unknown fields."""

    clock: Annotated[int, Field(1, UINT64)] = 0
    timestamp: Annotated[int, Field(2, UINT64)] = 0
    text: Annotated[str, Field(3, STRING)] = ""
    response_to: Annotated[str, Field(4, STRING)] = ""
    ens_name: Annotated[str, Field(5, STRING)] = ""
    chat_id: Annotated[str, Field(6, STRING)] = ""
    message_type: Annotated[int, Field(7, ENUM)] = MessageType.UNKNOWN
    content_type: Annotated[int, Field(8, ENUM)] = ContentType.UNKNOWN
    sticker: Annotated[StickerMessage | None, Field(9, StickerMessage, oneof="payload")] = None
    image: Annotated[ImageMessage | None, Field(10, ImageMessage, oneof="payload")] = None
    audio: Annotated[AudioMessage | None, Field(11, AudioMessage, oneof="payload")] = None
    community: Annotated[bytes | None, Field(12, BYTES, oneof="payload")] = None
    grant: Annotated[bytes, Field(13, BYTES)] = b""
    display_name: Annotated[str, Field(14, STRING)] = ""
    customization_color: Annotated[int, Field(19, UINT32)] = 0
    discord_message: Annotated[bytes | None, Field(99, BYTES, oneof="payload")] = (
        None  # a message that is not looked into
    )
    bridge_message: Annotated[bytes | None, Field(100, BYTES, oneof="payload")] = None  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class EmojiReaction(Message):
    """A feeling about a message, or its end."""

    clock: Annotated[int, Field(1, UINT64)] = 0
    chat_id: Annotated[str, Field(2, STRING)] = ""
    message_id: Annotated[str, Field(3, STRING)] = ""
    message_type: Annotated[int, Field(4, ENUM)] = MessageType.UNKNOWN
    type: Annotated[int, Field(5, ENUM)] = ReactionType.UNKNOWN
    retracted: Annotated[bool, Field(6, BOOL)] = False
    grant: Annotated[bytes, Field(7, BYTES)] = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage(Message):
    """A new text for a message."""

    clock: Annotated[int, Field(1, UINT64)] = 0
    text: Annotated[str, Field(2, STRING)] = ""
    chat_id: Annotated[str, Field(3, STRING)] = ""
    message_id: Annotated[str, Field(4, STRING)] = ""
    grant: Annotated[bytes, Field(5, BYTES)] = b""
    message_type: Annotated[int, Field(6, ENUM)] = MessageType.UNKNOWN
    content_type: Annotated[int, Field(7, ENUM)] = ContentType.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMessage(Message):
    """The end of a message."""

    clock: Annotated[int, Field(1, UINT64)] = 0
    chat_id: Annotated[str, Field(2, STRING)] = ""
    message_id: Annotated[str, Field(3, STRING)] = ""
    grant: Annotated[bytes, Field(4, BYTES)] = b""
    message_type: Annotated[int, Field(5, ENUM)] = MessageType.UNKNOWN
    deleted_by: Annotated[str, Field(6, STRING)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChatInvitation(Message):
    """A request to be let into a group, and the answer."""

    clock: Annotated[int, Field(1, UINT64)] = 0
    chat_id: Annotated[str, Field(2, STRING)] = ""
    introduction_message: Annotated[str, Field(3, STRING)] = ""
    state: Annotated[int, Field(4, ENUM)] = InvitationState.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipUpdateEvent(Message):
    """One step in the life of a group; who took it says its signature alone."""

    clock: Annotated[int, Field(1, UINT64)] = 0
    members: Annotated[tuple[str, ...], Field(2, STRING, repeated=True)] = ()
    name: Annotated[str, Field(3, STRING)] = ""
    type: Annotated[int, Field(4, ENUM)] = EventType.UNKNOWN
    color: Annotated[str, Field(5, STRING)] = ""
    image: Annotated[bytes, Field(6, BYTES)] = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipUpdateMessage(Message):
    """The signed events of a group, all of them, and perhaps something said in it."""

    chat_id: Annotated[str, Field(1, STRING)] = ""
    events: Annotated[tuple[bytes, ...], Field(2, BYTES, repeated=True)] = ()
    message: Annotated[ChatMessage | None, Field(3, ChatMessage, oneof="chat_entity")] = None
    emoji_reaction: Annotated[EmojiReaction | None, Field(4, EmojiReaction, oneof="chat_entity")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationMetadataMessage(Message):
    """The signed wrapper around each of the others."""

    signature: Annotated[bytes, Field(1, BYTES)] = b""
    payload: Annotated[bytes, Field(2, BYTES)] = b""
    type: Annotated[int, Field(3, UINT32)] = 0


Entity = ChatMessage | EmojiReaction | EditMessage | DeleteMessage | GroupChatInvitation
Payload = MembershipUpdateMessage | Entity

PAYLOADS: Final[Mapping[PayloadType, type[Payload]]] = {
    PayloadType.CHAT_MESSAGE: ChatMessage,
    PayloadType.MEMBERSHIP_UPDATE_MESSAGE: MembershipUpdateMessage,
    PayloadType.EMOJI_REACTION: EmojiReaction,
    PayloadType.GROUP_CHAT_INVITATION: GroupChatInvitation,
    PayloadType.EDIT_MESSAGE: EditMessage,
    PayloadType.DELETE_MESSAGE: DeleteMessage,
}
