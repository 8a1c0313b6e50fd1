"""Names of things: parsed once at the border, never bare strings behind it. (SCP-01 §1.3, SCP-02 §1.2)"""

from __future__ import annotations

import re
from typing import NewType

AccountId = NewType("AccountId", str)  # 40 hex: SHA-1 of the account key's SubjectPublicKeyInfo
DeviceId = NewType("DeviceId", str)  # 64 hex: SHA-256 of the device key's SubjectPublicKeyInfo
CommitId = NewType("CommitId", str)  # 40 hex: git's name of a commit
ConversationId = NewType("ConversationId", str)  # 40 hex: the id of the root commit
TreeId = NewType("TreeId", str)  # 40 hex: git's name of a tree
BlobId = NewType("BlobId", str)  # 40 hex: git's name of a blob

_HEX40 = re.compile(r"[0-9a-f]{40}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


def account_id(text: str) -> AccountId:
    """Parse an account id: 40 lower-case hex digits, else ValueError."""
    return AccountId(_match(_HEX40, text, "an account id is 40 lower-case hex digits"))


def device_id(text: str) -> DeviceId:
    """Parse a device id: 64 lower-case hex digits, else ValueError."""
    return DeviceId(_match(_HEX64, text, "a device id is 64 lower-case hex digits"))


def commit_id(text: str) -> CommitId:
    """Parse a commit id: 40 lower-case hex digits, else ValueError."""
    return CommitId(_match(_HEX40, text, "a commit id is 40 lower-case hex digits"))


def conversation_id(text: str) -> ConversationId:
    """Parse a conversation id: 40 lower-case hex digits, else ValueError."""
    return ConversationId(_match(_HEX40, text, "a conversation id is 40 lower-case hex digits"))


def target_id(text: str) -> AccountId | DeviceId:
    """Parse what a ballot may be about: an account (40 hex) or a device (64 hex), else ValueError."""
    return device_id(text) if len(text) == 64 else account_id(text)


def is_device(target: AccountId | DeviceId) -> bool:
    """Whether the target of a ballot is a device; the two kinds differ in length."""
    return len(target) == 64


def raw(name: str) -> bytes:
    """The id as bytes, as it travels on links."""
    return bytes.fromhex(name)


def _match(pattern: re.Pattern[str], text: str, message: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(message)
    return text
