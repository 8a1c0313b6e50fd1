from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from swarmchat import limits
from swarmchat.crypto.phrase import WORDS, derived, secret_of
from swarmchat.crypto.secp256k1 import Secret

H = 2**31
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ABOUT = "abandon " * 11 + "about"
ZOO = "zoo " * 11 + "wrong"
LONG = "abandon " * 23 + "art"


def private_key(written: str) -> bytes:
    """The 32 bytes of an `xprv…`."""
    number = 0
    for letter in written:
        number = number * 58 + ALPHABET.index(letter)
    raw, checksum = number.to_bytes(82)[:-4], number.to_bytes(82)[-4:]
    assert hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4] == checksum, "not what was published"
    return raw[-32:]


# the published vectors of BIP-32: 1, 2, 3 (leading zeros kept), 4 (leading zeros in a child)
ONE, TWO = (
    "000102030405060708090a0b0c0d0e0f",
    "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
)
THREE = "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be"
FOUR = "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678"


@pytest.mark.parametrize(
    ("seed", "path", "written"),
    [(ONE, (), "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"),
     (ONE, (H,), "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"),
     (ONE, (H, 1), "xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs"),
     (ONE, (H, 1, H + 2), "xprv9z4pot5VBttmtdRTWfWQmoH1taj2axGVzFqSb8C9xaxKymcFzXBDptWmT7FwuEzG3ryjH4ktypQSAewRiNMjANTtpgP4mLTj34bhnZX7UiM"),
     (ONE, (H, 1, H + 2, 2), "xprvA2JDeKCSNNZky6uBCviVfJSKyQ1mDYahRjijr5idH2WwLsEd4Hsb2Tyh8RfQMuPh7f7RtyzTtdrbdqqsunu5Mm3wDvUAKRHSC34sJ7in334"),
     (ONE, (H, 1, H + 2, 2, 10**9), "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76"),
     (TWO, (), "xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtALGdso3pGz6ssrdK4PFmM8NSpSBHNqPqm55Qn3LqFtT2emdEXVYsCzC2U"),
     (TWO, (0,), "xprv9vHkqa6EV4sPZHYqZznhT2NPtPCjKuDKGY38FBWLvgaDx45zo9WQRUT3dKYnjwih2yJD9mkrocEZXo1ex8G81dwSM1fwqWpWkeS3v86pgKt"),
     (THREE, (), "xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtHHs7pXeTzjuxBrCmmhgC6"),
     (THREE, (H,), "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L"),
     (FOUR, (), "xprv9s21ZrQH143K48vGoLGRPxgo2JNkJ3J3fqkirQC2zVdk5Dgd5w14S7fRDyHH4dWNHUgkvsvNDCkvAwcSHNAQwhwgNMgZhLtQC63zxwhQmRv"),
     (FOUR, (H,), "xprv9vB7xEWwNp9kh1wQRfCCQMnZUEG21LpbR9NPCNN1dwhiZkjjeGRnaALmPXCX7SgjFTiCTT6bXes17boXtjq3xLpcDjzEuGLQBM5ohqkao9G"),
     (FOUR, (H, H + 1), "xprv9xJocDuwtYCMNAo3Zw76WENQeAS6WGXQ55RCy7tDJ8oALr4FWkuVoHJeHVAcAqiZLE7Je3vZJHxspZdFHfnBEjHqU5hG1Jaj32dVoS6XLT1")],
)  # fmt: skip
def test_published_keys_are_derived(seed: str, path: tuple[int, ...], written: str) -> None:
    assert derived(bytes.fromhex(seed), path) == private_key(written)


CHAT, WALLET = (43 + H, 60 + H, 1581 + H, H, 0), (44 + H, 60 + H, H, 0, 0)


def test_the_keys_that_status_tests_its_own_app_with_come_out() -> None:
    """It publishes the digest of the master key, and the key at the chat's path below that of the wallet."""
    seed = bytes(Mnemonic.to_seed("destroy end torch puzzle develop note wise island disease chaos kind bus"))
    master = Secret(derived(seed, ())).public
    assert hashlib.sha256(master.raw).hexdigest() == "6827f3d1e21ae723a24e0dcbac1853b5ed4d651c821a2326492ce8f2367ec905"
    below = Secret(derived(seed, (*WALLET, *CHAT))).public
    assert below.legacy == (
        "0x04ca1446090fa458f42a54307fb191daf132d295bd364a691a5434e1b5717e4cf3"
        "116e66b1f5188dd18f1b74fe70fe77cff02e5d6c279f3834f47176563393be1c"
    )
    assert below.uri == "64829fa755b9fda0c7ece27434970807aecc8c79"


@pytest.mark.parametrize("passphrase", ["", "TREZOR"])
def test_the_key_of_a_phrase_is_that_at_the_path_of_chats(passphrase: str) -> None:
    seed = bytes(Mnemonic.to_seed(ABOUT, passphrase))
    assert secret_of(ABOUT, passphrase).raw == derived(seed, CHAT)


def test_the_address_of_a_well_known_wallet_comes_out() -> None:
    """Words, seed and five levels at once, by another path."""
    seed = bytes(Mnemonic.to_seed(ABOUT))
    assert seed.hex().startswith("5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1")
    key = Secret(derived(seed, WALLET))
    assert key.public.uri == "9858effd232b4033e47d90003d41ec34ecaeda94"


def test_a_passphrase_makes_it_another_key_and_is_spelt_in_one_way() -> None:
    assert len({secret_of(ABOUT, word).raw for word in ("", "TREZOR", "trezor")}) == 3
    assert secret_of(ABOUT, "caf\u00e9").raw == secret_of(ABOUT, "cafe\u0301").raw


def test_case_and_spaces_make_no_difference() -> None:
    assert secret_of("\n  " + ABOUT.upper().replace(" ", " \t\u3000")).raw == secret_of(ABOUT).raw


@pytest.mark.parametrize("count", WORDS)
def test_every_length_there_is_is_taken(count: int) -> None:
    phrase = Mnemonic("english").to_mnemonic(bytes(range(count * 4 // 3)))
    assert len(phrase.split()) == count
    secret_of(phrase)


@pytest.mark.parametrize("count", [0, 1, 11, 13, 14, 25, 36])
def test_another_count_of_words_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"12, 15, 18, 21 or 24 words, and this one {count}$"):
        secret_of("abandon " * count)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("abandom", "abandon"), ("wronng", "wrong"), ("zooo", "zoo"), ("zebbra", "zebra")]
)
def test_a_word_that_is_none_is_named_by_its_place_and_the_nearest_is_offered(wrong: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"^word 4 is not on the list of words; did you mean {meant}\\?$") as caught:
        secret_of(f"zoo zoo zoo {wrong}" + " zoo" * 8)
    assert wrong not in str(caught.value).replace(meant, "")


@pytest.mark.parametrize("word", ["12345678", "\x1b[31m", "ы" * 16, "q" * 800])
def test_a_word_that_is_like_no_other_is_named_by_its_place_alone(word: str) -> None:
    with pytest.raises(ValueError, match=r"^word 12 is not on the list of words$"):
        secret_of("zoo " * 11 + word)


def test_words_in_another_order_do_not_fit_their_checksum() -> None:
    secret_of(ZOO)
    with pytest.raises(ValueError, match="checksum"):
        secret_of("wrong " + "zoo " * 11)
    with pytest.raises(ValueError, match="checksum"):
        secret_of("abandon " * 12)


def test_a_phrase_may_be_so_long_and_no_longer() -> None:
    padded = ABOUT + " " * (limits.PHRASE_CHARS_MAX - len(ABOUT))
    assert secret_of(padded, "x" * limits.PHRASE_CHARS_MAX).raw != secret_of(ABOUT).raw
    for phrase, word in ((padded + " ", ""), (ABOUT, "x" * (limits.PHRASE_CHARS_MAX + 1))):
        with pytest.raises(ValueError, match="at most 1024 characters"):
            secret_of(phrase, word)


@given(st.text(max_size=200))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"words|checksum"):
        secret_of(text)


@given(st.lists(st.sampled_from(["zoo", "abandon", "art", "wrong", "\ud800", "x"]), min_size=12, max_size=12))
def test_any_words_are_a_phrase_or_a_value_error(words: list[str]) -> None:
    try:
        assert secret_of(" ".join(words)).public.legacy
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either will do


def test_a_passphrase_that_no_keyboard_types_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        secret_of(ABOUT, "\ud800")
