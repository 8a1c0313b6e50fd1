"""The key that a recovery phrase of Status stands for. (SCP-09 §2.4; BIP-39, BIP-32, EIP-1581)

Loads the list of words; nothing imports it before somebody has a phrase.
"""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Iterable
from functools import cache
from typing import Final

from mnemonic import Mnemonic

from swarmchat import limits
from swarmchat.crypto.scalars import ORDER, SECRET_BYTES
from swarmchat.crypto.secp256k1 import Secret

WORDS: Final = (12, 15, 18, 21, 24)
_HARDENED: Final = 0x80000000
_CHAT_KEY: Final = (43 + _HARDENED, 60 + _HARDENED, 1581 + _HARDENED, _HARDENED, 0)  # m/43'/60'/1581'/0'/0
_ALIKE: Final = 0.6  # of 1; a word less alike is no slip of the pen


def secret_of(phrase: str, passphrase: str = "") -> Secret:
    """The key of the account that Status would recover from these words, in any case and spacing.

    ValueError that says what is wrong, and which word by its place: what was typed unseen is not repeated.
    """
    if len(phrase) > limits.PHRASE_CHARS_MAX or len(passphrase) > limits.PHRASE_CHARS_MAX:
        raise ValueError(f"a recovery phrase and its passphrase have at most {limits.PHRASE_CHARS_MAX} characters each")
    words = Mnemonic.normalize_string(phrase).lower().split()
    if len(words) not in WORDS:
        raise ValueError(f"a recovery phrase has 12, 15, 18, 21 or 24 words, and this one {len(words)}")
    known = _english()
    for place, word in enumerate(words, 1):
        if word not in known.wordlist:
            raise ValueError(f"word {place} is not on the list of words{_nearest(word, known.wordlist)}")
    text = " ".join(words)
    if not known.check(text):
        raise ValueError("all words are on the list, but their checksum is wrong: one is another, or their order")
    return Secret(derived(Mnemonic.to_seed(text, passphrase), _CHAT_KEY))


def derived(seed: bytes, path: Iterable[int]) -> bytes:
    """The private key at a path below the master key of a seed; from 2^31 on an index is hardened. (BIP-32)

    ValueError where there is none: one path in 2^127.
    """
    key, chain = _halves(b"Bitcoin seed", seed)
    Secret(key)
    for index in path:
        parent = b"\0" + key if index >= _HARDENED else Secret(key).public.point
        left, chain = _halves(chain, parent + index.to_bytes(4))
        number = (int.from_bytes(left) + int.from_bytes(key)) % ORDER
        if int.from_bytes(left) >= ORDER or not number:
            raise ValueError("there is no key at this place")
        key = number.to_bytes(SECRET_BYTES)
    return key


def _halves(key: bytes, data: bytes) -> tuple[bytes, bytes]:
    digest = hmac.digest(key, data, "sha512")
    return digest[:32], digest[32:]


def _nearest(word: str, words: list[str]) -> str:
    found = difflib.get_close_matches(word[:16], words, 1, _ALIKE)
    return f"; did you mean {found[0]}?" if found else ""


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")
