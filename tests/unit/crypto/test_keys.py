from __future__ import annotations

import hashlib
import pickle
from unittest import mock

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from swarmchat.crypto import keys
from swarmchat.crypto.keys import PrivateKey, PublicKey, public_of, signed_by, verify_batch

# RFC 8032 §7.1, test 2
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493


def test_the_key_and_signature_of_rfc_8032() -> None:
    key = PrivateKey.from_seed(SEED)
    assert key.public.raw == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert key.public.verify(SIGNATURE, b"\x72")
    assert not key.public.verify(SIGNATURE, b"\x73")


def test_ids_are_hashes_of_the_subject_public_key_info_that_other_software_writes() -> None:
    key = PrivateKey.from_seed(SEED)
    spki = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    assert key.public.spki == spki
    assert len(spki) == 44
    assert key.public.account_id == hashlib.sha1(spki).hexdigest()
    assert key.public.device_id == hashlib.sha256(spki).hexdigest()


def test_pkcs8_is_what_other_software_writes() -> None:
    assert PrivateKey.from_seed(SEED).pkcs8 == Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PrivateKey.from_seed(bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        PublicKey.from_raw(b"\x09" * length)


def test_spki_is_read_back_and_nothing_else() -> None:
    key = PublicKey.from_raw(PUBLIC)
    assert PublicKey.from_spki(key.spki) == key
    for wrong in (
        key.spki + b"\0",
        key.spki[:-1],
        b"\x31" + key.spki[1:],
        key.spki.replace(b"\x65\x70", b"\x65\x6e"),
        b"",
    ):
        with pytest.raises(ValueError):
            PublicKey.from_spki(wrong)


def _double(y: int) -> int:
    """y of twice the point (the affine law of RFC 8032 §5.1, where x² follows from y²)."""
    d = -121665 * pow(121666, -1, P) % P
    x2 = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    return (y * y + x2) * pow((1 - d * x2 * y * y) % P, -1, P) % P


def test_keys_of_small_order_are_refused_however_their_sign_bit_stands() -> None:
    order_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
    points = [order_8, P - order_8, _double(order_8), _double(_double(order_8)), _double(_double(_double(order_8)))]
    assert points[2:] == [0, P - 1, 1]
    for y in points:
        for sign in (0, 1 << 255):
            with pytest.raises(ValueError, match="can sign"):
                PublicKey.from_raw((y | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("y", [P, P + 1, P + 3, 2**255 - 1])
def test_a_second_spelling_of_a_point_is_refused(y: int) -> None:
    with pytest.raises(ValueError, match="can sign"):
        PublicKey.from_raw(y.to_bytes(32, "little"))


def test_the_identity_point_as_a_key_verifies_nothing() -> None:
    # R = A = the identity and S = 0 satisfies the equation for every message
    forged = (1).to_bytes(32, "little") + bytes(32)
    assert not PublicKey((1).to_bytes(32, "little")).verify(forged, b"anything")


def test_a_signature_has_one_spelling() -> None:
    key = PublicKey.from_raw(PUBLIC)
    scalar = int.from_bytes(SIGNATURE[32:], "little") + ORDER
    assert not key.verify(SIGNATURE[:32] + scalar.to_bytes(32, "little"), b"\x72")


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE + b"\0"])
def test_a_signature_of_another_length_is_false_not_an_error(signature: bytes) -> None:
    assert not PublicKey.from_raw(PUBLIC).verify(signature, b"\x72")


def test_a_batch_answers_item_by_item_and_travels_between_processes() -> None:
    good = (PUBLIC, SIGNATURE, b"\x72")
    items = [good, (PUBLIC, SIGNATURE, b"\x73"), (b"short", SIGNATURE, b"\x72"), (bytes(32), SIGNATURE, b"\x72"), good]
    function, argument = pickle.loads(pickle.dumps((verify_batch, items)))
    assert function(argument) == [True, False, False, False, True]
    assert verify_batch([]) == []


# Made with the seed above by the affine law: R (or the key) moved by a point of order 8, or R the identity.
TWISTED = bytes.fromhex("2ad7189ff2c500908ea7f468279fccdfdcb78ae4164feed7c5535bdc99531ca6")  # PUBLIC moved
CRAFTED = {
    "R moved: the equation holds eight times over only": (
        PUBLIC,
        "b15bf26424d1b69dd33b7a9e57db5de4a2aadea4a2a051efd9bfd6af74165d2b"
        "25e73d62d418813377393f7eaf620b39e9ea3746848089feb8010d810aaaf00a",
        False,
    ),
    "R is the identity: holds, which libsodium alone would not say": (
        PUBLIC,
        "0100000000000000000000000000000000000000000000000000000000000000"
        "675d054595fa17cb6a44e3ada6ca385e55667e41a63fdab0ac22d10000354002",
        True,
    ),
    "a moved key, and a hash that eight divides: holds": (
        TWISTED,
        "770b13cf8186db3be66b11f929bef538d48f39151262215ec58dd74d78201620"
        "69ef4a1c69450fb092e315aa6c5847d01a4161404bdb86fb946acd62fb30b809",
        True,
    ),
    "a moved key, and another hash: holds eight times over only": (
        TWISTED,
        "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572"
        "b0e63e213a4821428ba44c44c54059321b47ffddef95e413e543ae0c5a357e09",
        False,
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_one_and_many_at_once_give_the_same_answer_to_crafted_signatures(name: str) -> None:
    raw, signature, holds = CRAFTED[name]
    assert PublicKey.from_raw(raw).verify(bytes.fromhex(signature), b"r") is holds
    assert verify_batch([(raw, bytes.fromhex(signature), b"r")]) == [holds]


def test_a_library_that_takes_more_is_not_asked() -> None:
    keys._quick.cache_clear()
    with mock.patch("nacl.bindings.crypto_sign_open", return_value=b"r"):
        assert verify_batch([(PUBLIC, SIGNATURE, b"\x73"), (PUBLIC, SIGNATURE, b"\x72")]) == [False, True]
    keys._quick.cache_clear()
    with mock.patch("swarmchat.crypto.keys._verify", return_value=False):  # nobody else is asked
        assert verify_batch([(PUBLIC, SIGNATURE, b"\x72")]) == [True]


def test_a_private_key_does_not_show_its_seed() -> None:
    shown = repr(PrivateKey.from_seed(SEED))
    assert SEED.hex() not in shown
    assert repr(SEED) not in shown


def test_libsodium_alone_says_what_a_raw_key_signed() -> None:
    key = PrivateKey.from_seed(bytes([5]) * 32)
    signature = key.sign(b"data")
    assert signed_by(key.public.raw, signature, b"data")
    assert not signed_by(key.public.raw, signature, b"date")
    assert not signed_by(key.public.raw, bytes(64), b"data")
    assert not signed_by(key.public.raw, signature[:63], b"data")
    assert not signed_by(key.public.raw, signature + b"\0", b"data")
    assert not signed_by(key.public.raw + b"\0", signature, b"data")
    assert not signed_by(bytes(32), signature, b"data")
    assert not signed_by(b"\1" + bytes(31), b"\1" + bytes(63), b"data")  # a point of small order signs anything


def test_the_quick_way_from_seed_to_public_key_gives_the_same() -> None:
    for number in range(20):
        seed = bytes([number]) * 32
        assert public_of(seed) == PrivateKey.from_seed(seed).public.raw
