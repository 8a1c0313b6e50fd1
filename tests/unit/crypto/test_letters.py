from __future__ import annotations

import pytest

from swarmchat.crypto.exchange import exchange_public
from swarmchat.crypto.letters import OVERHEAD_BYTES, LetterError, open_letter, seal_letter
from swarmchat.crypto.padding import pad
from tests.support import hpke

PRIVATE, PREVIOUS, OTHER = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
PUBLIC = exchange_public(PRIVATE)
DEVICE, KEY = bytes(range(32)), bytes(range(20))
INFO = b"swarmchat/seal/1mailbox\0" + DEVICE + KEY


def sealed(payload: bytes = b"hello") -> bytes:
    return seal_letter(payload, PUBLIC, purpose="mailbox", device=DEVICE, key=KEY)


def opened(
    letter: bytes, *privates: bytes, purpose: str = "mailbox", device: bytes = DEVICE, key: bytes = KEY
) -> bytes:
    return open_letter(letter, privates or (PRIVATE,), purpose=purpose, device=device, key=key)


def test_the_second_opinion_agrees_with_the_rfc() -> None:
    # RFC 9180, A.2.1: base mode, first encryption
    private = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    one_time = bytes.fromhex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600")
    info, aad, payload = b"Ode on a Grecian Urn", b"Count-0", b"Beauty is truth, truth beauty"
    expected = bytes.fromhex(
        "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    assert hpke.seal(payload, exchange_public(private), one_time, info, aad) == expected
    assert hpke.unseal(expected, private, info, aad) == payload


def test_a_letter_is_the_hpke_of_the_specification() -> None:
    assert hpke.unseal(sealed(), PRIVATE, INFO) == pad(b"hello")
    assert opened(hpke.seal(pad(b"hello"), PUBLIC, OTHER, INFO)) == b"hello"


def test_a_letter_opens_and_is_another_each_time() -> None:
    letters = {sealed() for _ in range(4)}
    assert len(letters) == 4
    assert {opened(letter) for letter in letters} == {b"hello"}


@pytest.mark.parametrize(("length", "size"), [(0, 256), (254, 256), (255, 512), (3582, 3584)])
def test_its_length_says_little(length: int, size: int) -> None:
    letter = sealed(bytes(length))
    assert len(letter) == size + OVERHEAD_BYTES
    assert opened(letter) == bytes(length)


def test_a_larger_payload_is_refused() -> None:
    with pytest.raises(ValueError, match="3582"):
        sealed(bytes(3583))


def test_the_previous_key_still_opens() -> None:
    assert opened(sealed(), PREVIOUS, PRIVATE) == b"hello"
    assert opened(sealed(), PRIVATE, PREVIOUS) == b"hello"
    for wrong in ((PREVIOUS,), (PREVIOUS, OTHER)):
        with pytest.raises(LetterError, match="another key"):
            opened(sealed(), *wrong)
    with pytest.raises(LetterError, match="another key"):
        open_letter(sealed(), (), purpose="mailbox", device=DEVICE, key=KEY)


def test_a_letter_counts_for_its_purpose_device_and_key_only() -> None:
    letter = sealed()
    for other in ({"purpose": "ice"}, {"device": bytes(32)}, {"key": bytes(20)}):
        with pytest.raises(LetterError):
            opened(letter, **other)  # type: ignore[arg-type] - one of three


def test_a_damaged_letter_does_not_open() -> None:
    letter = sealed()
    for at in (0, 31, 32, 100, len(letter) - 1):
        with pytest.raises(LetterError):
            opened(letter[:at] + bytes([letter[at] ^ 1]) + letter[at + 1 :])
    for other in (b"", letter[:-1], letter + b"\0", bytes(len(letter)), bytes(48)):
        with pytest.raises(LetterError):
            opened(other)


def test_wrong_padding_inside_is_no_letter() -> None:
    with pytest.raises(LetterError, match="padded"):
        opened(hpke.seal(bytes(255) + b"\1", PUBLIC, OTHER, INFO))


@pytest.mark.parametrize("recipient", [b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)])
def test_nothing_is_sealed_to_what_is_no_key(recipient: bytes) -> None:
    with pytest.raises(ValueError):  # zero and one are points of small order
        seal_letter(b"", recipient, purpose="mailbox", device=DEVICE, key=KEY)


@pytest.mark.parametrize(
    "binding",
    [{"purpose": "a\0", "device": DEVICE, "key": KEY}, {"purpose": "a", "device": b"", "key": KEY},
     {"purpose": "a", "device": DEVICE, "key": b""}],
)  # fmt: skip
def test_what_a_letter_is_bound_to_is_unambiguous(binding: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="bound"):
        seal_letter(b"", PUBLIC, **binding)  # type: ignore[arg-type]
