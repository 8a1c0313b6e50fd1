"""Sealing a document with a password: the archive, and keys at rest. (SCP-01 §4.2, §4.3)"""

from __future__ import annotations

import base64
import re
import unicodedata
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from swarmchat import limits

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KEY_BYTES: Final = 32
_MAGIC: Final = b"swarmchat-archive-1\n"
_PARAMETERS: Final = re.compile(
    rb'\{"kdf":"argon2id","t":([1-9][0-9]{0,9}),"m":([1-9][0-9]{0,9}),"p":([1-9][0-9]{0,9}),'
    rb'"salt":"([A-Za-z0-9+/]{22}==)","nonce":"([A-Za-z0-9+/]{16})"\}\n'
)
_HEADER_BYTES_MAX: Final = len(_MAGIC) + 160


class SealFault(StrEnum):
    """Why an archive does not open."""

    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a name, not a password
    DAMAGED = "damaged"
    TOO_COSTLY = "too_costly"


class SealError(ValueError):
    """An archive did not open; nothing of its content was returned. `code` says why."""

    def __init__(self, code: SealFault, message: str) -> None:
        super().__init__(message)
        self.code = code


def seal_archive(document: bytes, password: str, *, salt: bytes, nonce: bytes) -> bytes:
    """The document, readable with the password only; `salt` 16 and `nonce` 12 unpredictable bytes, never used twice.

    Raises ValueError for an empty or unencodable password, a salt or nonce of another length, or a document that makes
    the whole pass `limits.ARCHIVE_BYTES_MAX`. Takes 64 MiB and about a fifth of a second: offload it.
    """
    if not password:
        raise ValueError("an archive is sealed with a password; this one is empty")
    if len(salt) != SALT_BYTES or len(nonce) != NONCE_BYTES:
        raise ValueError("an archive takes 16 bytes of salt and 12 of nonce")
    header = _header(limits.ARGON2_TIME, limits.ARGON2_MEMORY_KIB, limits.ARGON2_LANES, salt, nonce)
    if len(header) + len(document) + _TAG_BYTES > limits.ARCHIVE_BYTES_MAX:
        raise ValueError("the document is too large for an archive")
    key = _derive(password, salt, limits.ARGON2_TIME, limits.ARGON2_MEMORY_KIB, limits.ARGON2_LANES)
    return header + AESGCM(key).encrypt(nonce, document, header)


def open_archive(sealed: bytes, password: str) -> bytes:
    """The document of a sealed archive; raises SealError, and then no byte of the document has been given out.

    A wrong password and a changed ciphertext cannot be told apart: both are `WRONG_PASSWORD`.
    """
    if len(sealed) > limits.ARCHIVE_BYTES_MAX:
        raise SealError(SealFault.DAMAGED, "this is larger than an archive can be")
    if not sealed.startswith(_MAGIC):
        raise SealError(SealFault.DAMAGED, "this is not a swarmchat archive, or of a version that is not known here")
    match = _PARAMETERS.match(sealed, len(_MAGIC), _HEADER_BYTES_MAX)
    if match is None:
        raise SealError(SealFault.DAMAGED, "the second line of the archive is broken")
    time_cost, memory_kib, lanes = int(match[1]), int(match[2]), int(match[3])
    if (
        time_cost > limits.ARGON2_TIME_MAX
        or memory_kib > limits.ARGON2_MEMORY_KIB_MAX
        or lanes > limits.ARGON2_LANES_MAX
    ):
        raise SealError(SealFault.TOO_COSTLY, "opening this archive would cost more time or memory than is allowed")
    salt, nonce = base64.b64decode(match[4]), base64.b64decode(match[5])
    header = sealed[: match.end()]
    if memory_kib < 8 * lanes or header != _header(time_cost, memory_kib, lanes, salt, nonce):
        raise SealError(SealFault.DAMAGED, "the second line of the archive is broken")
    if len(sealed) < len(header) + _TAG_BYTES:
        raise SealError(SealFault.DAMAGED, "the archive is cut off")
    try:
        key = _derive(password, salt, time_cost, memory_kib, lanes)
        return AESGCM(key).decrypt(nonce, sealed[len(header) :], header)
    except (InvalidTag, UnicodeEncodeError):
        raise SealError(SealFault.WRONG_PASSWORD, "the password is wrong, or the archive is damaged") from None


def _header(time_cost: int, memory_kib: int, lanes: int, salt: bytes, nonce: bytes) -> bytes:
    salt_text, nonce_text = base64.b64encode(salt).decode("ascii"), base64.b64encode(nonce).decode("ascii")
    return _MAGIC + (
        f'{{"kdf":"argon2id","t":{time_cost},"m":{memory_kib},"p":{lanes},"salt":"{salt_text}","nonce":"{nonce_text}"}}\n'
    ).encode("ascii")


def _derive(password: str, salt: bytes, time_cost: int, memory_kib: int, lanes: int) -> bytes:
    # One password has several spellings in Unicode, and keyboards differ in which they type.
    secret = unicodedata.normalize("NFC", password).encode("utf-8")
    kdf = Argon2id(salt=salt, length=_KEY_BYTES, iterations=time_cost, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(secret)
