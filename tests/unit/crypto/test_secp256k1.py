from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key, Secret, recover
from tests.support.status_vectors import SECRETS, VECTORS

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
A = SECRETS["A"]
DIGEST = keccak256(b"said")
SIGNATURE = A.sign(DIGEST)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_key_has_the_forms_of_the_vectors(name: str) -> None:
    key, told = SECRETS[name].public, VECTORS["keys"][name]
    assert (key.legacy, key.compressed, key.uri) == (told["pub"], told["compressed"], told["foreign_uri"])


def test_the_published_pair_of_forms_is_one_key() -> None:
    told = VECTORS["compressed_key"]
    assert Key.parse(told["legacy"]) == Key.parse(told["compressed"])
    assert Key.parse(told["compressed"]).legacy == told["legacy"]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_an_event_of_the_vectors_is_signed_and_its_author_found(case: dict[str, Any]) -> None:
    digest, signature = bytes.fromhex(case["digest_hex"]), bytes.fromhex(case["signature_hex"])
    secret = SECRETS[case["signer"]]
    assert keccak256(case["chat_id"].encode(), bytes.fromhex(case["payload_hex"])) == digest
    assert secret.sign(digest) == signature
    assert recover(digest, signature) == secret.public


def test_the_other_form_of_a_signature_is_nobodys() -> None:
    r, s, v = SIGNATURE[:32], int.from_bytes(SIGNATURE[32:64]), SIGNATURE[64]
    assert s <= ORDER // 2
    assert recover(DIGEST, r + (ORDER - s).to_bytes(32) + bytes([v ^ 1])) is None


def test_s_counts_up_to_half_of_the_order() -> None:
    r, half = SIGNATURE[:32], ORDER // 2
    assert recover(DIGEST, r + half.to_bytes(32) + b"\0") is not None
    assert recover(DIGEST, r + (half + 1).to_bytes(32) + b"\0") is None


@pytest.mark.parametrize(
    "signature",
    [b"", SIGNATURE[:-1], SIGNATURE + b"\0", SIGNATURE[:64] + b"\x02", SIGNATURE[:64] + b"\x1b", bytes(65),
     bytes(32) + SIGNATURE[32:], SIGNATURE[:32] + bytes(32) + b"\0", b"\xff" * 64 + b"\0", ORDER.to_bytes(32) + SIGNATURE[32:],
     (5).to_bytes(32) + SIGNATURE[32:]],
    ids=["empty", "short", "long", "v=2", "v=27", "zeros", "r=0", "s=0", "ones", "r=order", "r of no point"],
)  # fmt: skip
def test_what_nobody_can_have_signed_has_no_author(signature: bytes) -> None:
    assert recover(DIGEST, signature) is None


@given(st.integers(0, 65 * 8 - 1))
def test_one_bit_of_a_signature_makes_another_author_or_none(bit: int) -> None:
    flipped = (int.from_bytes(SIGNATURE) ^ 1 << bit).to_bytes(65)
    assert recover(DIGEST, flipped) != A.public


@given(st.integers(0, 32 * 8 - 1))
def test_one_bit_of_a_digest_makes_another_author_or_none(bit: int) -> None:
    flipped = (int.from_bytes(DIGEST) ^ 1 << bit).to_bytes(32)
    assert recover(flipped, SIGNATURE) != A.public


@given(st.binary(max_size=70))
def test_recovering_from_any_bytes_raises_nothing(data: bytes) -> None:
    found = recover(DIGEST, data)
    assert found is None or Key.read(found.raw) == found


@given(st.integers(1, ORDER - 1))
def test_both_forms_of_a_key_lead_back_to_it(number: int) -> None:
    key = Secret(number.to_bytes(32)).public
    assert Key.parse(key.legacy) == Key.parse(key.compressed) == Key.read(key.raw) == key
    assert len(key.compressed) == 49


def test_hex_is_read_in_either_case_and_written_in_lower() -> None:
    key = A.public
    assert Key.parse("0X" + key.legacy[2:].upper()) == key
    assert Key.parse("0x" + key.legacy[2:].upper()).legacy == key.legacy


LEGACY, COMPRESSED = A.public.legacy, A.public.compressed


@pytest.mark.parametrize(
    "text",
    ["", "0x", "z", "zQ3", LEGACY[2:], LEGACY[:-2], LEGACY + "00", LEGACY[:-1] + "g", LEGACY[:-1] + "9", "0x02" + LEGACY[4:],
     "0x06" + LEGACY[4:], "0x04" + "00" * 64, "0x04" + " " + LEGACY[4:], LEGACY[:-2] + " 28", "0x" + LEGACY[4:66], LEGACY[:-1] + "８",
     COMPRESSED[1:], COMPRESSED + "1", COMPRESSED[:-1], "Z" + COMPRESSED[1:], "z" + "1" * 48, "z" + "z" * 48, COMPRESSED[:-1] + "0",
     COMPRESSED[:-1] + "l", COMPRESSED[:-1] + "ß", COMPRESSED[:5] + " " + COMPRESSED[6:], "z6Mk" + COMPRESSED[4:]],
)  # fmt: skip
def test_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Key.parse(text)


def test_the_right_form_about_a_point_off_the_curve_is_refused() -> None:
    raw = bytearray(A.public.raw)
    raw[-1] ^= 1
    with pytest.raises(ValueError):
        Key.read(bytes(raw))
    with pytest.raises(ValueError):
        Key.parse("0x" + raw.hex())


@given(st.text(max_size=140))
def test_any_text_is_a_key_or_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        Key.parse(text)


@pytest.mark.parametrize("raw", [b"", bytes(32), b"\1" * 31, b"\1" * 33, ORDER.to_bytes(32), b"\xff" * 32])
def test_a_number_that_is_no_secret_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Secret(raw)


def test_the_least_and_the_greatest_secret_are_accepted() -> None:
    least, greatest = Secret((1).to_bytes(32)), Secret((ORDER - 1).to_bytes(32))
    assert least.public.raw[1:33] == greatest.public.raw[1:33]  # n - 1 is -1: the same point mirrored
    assert least.public != greatest.public


def test_a_secret_does_not_show_itself() -> None:
    assert A.raw.hex() not in repr(A)
    assert str(int.from_bytes(A.raw)) not in repr(A)


def test_signing_twice_gives_the_same_bytes() -> None:
    assert A.sign(DIGEST) == A.sign(DIGEST)
