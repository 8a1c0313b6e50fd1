"""SSHSIG, the signature format that stock git writes and verifies. (SCP-01 §2.1; PROTOCOL.sshsig of OpenSSH)

All fields have fixed lengths here, so an armour is 173 bytes in one layout, and any other spelling is refused.
"""

from __future__ import annotations

import base64
import hashlib
from binascii import b2a_base64
from typing import Final

from swarmchat.crypto.keys import KEY_BYTES, SIGNATURE_BYTES, PrivateKey, PublicKey
from swarmchat.ids import DeviceId

NAMESPACE: Final = "git"
_KEY_TYPE: Final = b"ssh-ed25519"
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----\n"
_END: Final = "-----END SSH SIGNATURE-----"
_LINE: Final = 70


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _key_blob(key: PublicKey) -> bytes:
    return _string(_KEY_TYPE) + _string(key.raw)


# What stands before the key, between key and signature, and in front of the digest that is signed.
_PURPOSE: Final = _string(NAMESPACE.encode()) + _string(b"") + _string(b"sha512")
_HEAD: Final = (
    b"SSHSIG\0\0\0\1"
    + (4 + len(_KEY_TYPE) + 4 + KEY_BYTES).to_bytes(4, "big")
    + _string(_KEY_TYPE)
    + KEY_BYTES.to_bytes(4, "big")
)
_MIDDLE: Final = (
    _PURPOSE
    + (4 + len(_KEY_TYPE) + 4 + SIGNATURE_BYTES).to_bytes(4, "big")
    + _string(_KEY_TYPE)
    + SIGNATURE_BYTES.to_bytes(4, "big")
)
_KEY_AT: Final = len(_HEAD)
_MIDDLE_AT: Final = _KEY_AT + KEY_BYTES
_SIGNATURE_AT: Final = _MIDDLE_AT + len(_MIDDLE)
_BLOB_BYTES: Final = _SIGNATURE_AT + SIGNATURE_BYTES


def _armour(blob: bytes) -> str:
    text = b2a_base64(blob, newline=False).decode("ascii")
    return _BEGIN + "\n".join([text[at : at + _LINE] for at in range(0, len(text), _LINE)]) + "\n" + _END


ARMOUR_CHARS: Final = len(_armour(bytes(_BLOB_BYTES)))


def sign(key: PrivateKey, payload: bytes) -> str:
    """The armour exactly as git writes it into `gpgsig`, without a final line feed; always the same for the same payload."""
    return _armour(_HEAD + key.public.raw + _MIDDLE + key.sign(signed_bytes(payload)))


def parse(armour: str) -> tuple[PublicKey, bytes]:
    """The key and the 64-byte signature of an armour; ValueError for anything but the one spelling of SCP-01 §2.1."""
    if len(armour) != ARMOUR_CHARS or not armour.isascii() or not armour.startswith(_BEGIN):
        raise ValueError("not an SSH signature in git's spelling")
    blob = base64.b64decode(armour[len(_BEGIN) : -len(_END)].replace("\n", ""), validate=True)
    if len(blob) != _BLOB_BYTES or _armour(blob) != armour:  # 172 to 174 bytes make an armour of this length
        raise ValueError("an SSH signature in another spelling than git's")
    if not blob.startswith(_HEAD) or blob[_MIDDLE_AT:_SIGNATURE_AT] != _MIDDLE:
        raise ValueError("an SSH signature of another kind than ssh-ed25519, git, sha512")
    return PublicKey.from_raw(blob[_KEY_AT:_MIDDLE_AT]), blob[_SIGNATURE_AT:]


def signed_bytes(payload: bytes) -> bytes:
    """What Ed25519 signs for this payload."""
    return b"SSHSIG" + _PURPOSE + _string(hashlib.sha512(payload).digest())


def verify(armour: str, payload: bytes, key: PublicKey) -> bool:
    """Whether this armour is the signature of `payload` by `key`; a broken armour is simply false."""
    try:
        signer, signature = parse(armour)
    except ValueError:
        return False
    return signer == key and key.verify(signature, signed_bytes(payload))


def allowed_signers_line(device: DeviceId, key: PublicKey) -> str:
    """The device's line of a file for `gpg.ssh.allowedSignersFile`, without a final line feed."""
    return f'{device} namespaces="{NAMESPACE}" ssh-ed25519 {base64.b64encode(_key_blob(key)).decode("ascii")}'
