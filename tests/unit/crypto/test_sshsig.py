from __future__ import annotations

import base64

import pytest

from swarmchat.crypto import sshsig
from tests.support.certs import ALICE, BOB

KEY = ALICE.device_key
PAYLOAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello\n"
ARMOUR = sshsig.sign(KEY, PAYLOAD)


def rewrap(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = "".join(text[at : at + 70] + "\n" for at in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----"


BLOB = base64.b64decode("".join(ARMOUR.split("\n")[1:-1]))


def test_a_signature_verifies_for_its_payload_and_key_only() -> None:
    assert sshsig.verify(ARMOUR, PAYLOAD, KEY.public)
    assert not sshsig.verify(ARMOUR, PAYLOAD + b"\n", KEY.public)
    assert not sshsig.verify(ARMOUR, PAYLOAD, BOB.device_key.public)
    assert sshsig.sign(KEY, PAYLOAD) == ARMOUR


def test_the_armour_has_the_shape_that_git_writes() -> None:
    lines = ARMOUR.split("\n")
    assert (lines[0], lines[-1]) == ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
    assert [len(line) for line in lines[1:-1]] == [70, 70, 70, 22]
    assert rewrap(BLOB) == ARMOUR
    assert len(ARMOUR) == sshsig.ARMOUR_CHARS


def test_an_armour_is_taken_apart_into_key_and_signature() -> None:
    key, signature = sshsig.parse(ARMOUR)
    assert key == KEY.public
    assert key.verify(signature, sshsig.signed_bytes(PAYLOAD))
    assert sshsig.signed_bytes(PAYLOAD).startswith(b"SSHSIG\0\0\0\3git\0\0\0\0\0\0\0\6sha512\0\0\0\x40")


@pytest.mark.parametrize(
    "armour",
    [
        "",
        ARMOUR + "\n",
        ARMOUR[:-1],
        ARMOUR.replace("\n", "\r\n"),
        ARMOUR.replace("\n", " "),
        ARMOUR.replace("SSH", "PGP"),
        ARMOUR.replace("=", ""),
        ARMOUR[:60] + "\n" + ARMOUR[60:100] + ARMOUR[101:],
        ARMOUR[:40] + "é" + ARMOUR[41:],
        ARMOUR[:40] + "=" + ARMOUR[41:],
        rewrap(BLOB + b"\0"),
        rewrap(BLOB[:-1]),
        rewrap(BLOB.replace(b"git", b"gif")),
        rewrap(BLOB.replace(b"sha512", b"sha256")),
        rewrap(BLOB.replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2")),
        rewrap(BLOB[:120].replace(b"ed25519", b"ed25518") + BLOB[120:]),
        rewrap(BLOB[:33] + (1).to_bytes(32, "little") + BLOB[65:]),
    ],
)
def test_another_spelling_or_kind_is_refused(armour: str) -> None:
    assert armour != ARMOUR
    with pytest.raises(ValueError):
        sshsig.parse(armour)
    assert not sshsig.verify(armour, PAYLOAD, KEY.public)


def test_an_allowed_signers_line_names_device_namespace_and_key() -> None:
    device, options, kind, blob = sshsig.allowed_signers_line(KEY.public.device_id, KEY.public).split(" ")
    assert (device, options, kind) == (KEY.public.device_id, 'namespaces="git"', "ssh-ed25519")
    assert base64.b64decode(blob) == b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + KEY.public.raw
