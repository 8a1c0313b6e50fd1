"""What the new device shows and the existing one is given: `swarm-link:<device>:<six words>?at=<host:port>…`. Pure. (SCP-01 §3.2)"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from urllib.parse import parse_qsl, quote

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.errors import UsageError
from swarmchat.ids import DeviceId, device_id

_SCHEME = "swarm-link:"
_FORM = "it reads swarm-link:, 64 hex digits, a colon and six words with dashes between them"


@dataclass(frozen=True, slots=True)
class PairingCode:
    """The temporary device that waits, the words that it shows, and perhaps where it listens (≤ 16 addresses)."""

    device: DeviceId
    words: str  # with dashes between them: the password of SPAKE2
    addresses: tuple[Address, ...] = ()

    def __str__(self) -> str:
        query = "&".join(f"at={quote(str(address), safe=':[]')}" for address in self.addresses)
        return f"{_SCHEME}{self.device}:{self.words}" + (f"?{query}" if query else "")


def parse_code(text: str) -> PairingCode:
    """Read a code as typed or scanned; UsageError names what is wrong, so that a slip of the finger costs no try.

    Unknown parameters are ignored, the case of letters and blanks between the words do not matter.
    """
    if len(text) > limits.LINK_CHARS_MAX:
        raise UsageError(f"a code has at most {limits.LINK_CHARS_MAX:,} characters")
    said, _, query = text.strip().partition("?")
    said = said.lower()
    name, colon, words = said.removeprefix(_SCHEME).partition(":")
    if not said.startswith(_SCHEME) or not colon:
        raise UsageError("this is no code of a new device", hint=f"{_FORM}: `swarmchat link` shows it")
    try:
        fields = parse_qsl(query, strict_parsing=bool(query), max_num_fields=64)
        device = device_id(name)
        addresses = [Address.parse(value) for key, value in fields if key == "at"]
    except ValueError as fault:
        raise UsageError(f"this is no code of a new device: {fault}", hint=_FORM) from None
    if not all(address.port for address in addresses):
        raise UsageError("this is no code of a new device: port 0 is nowhere to be reached")
    return PairingCode(device, _checked(words), tuple(addresses[: limits.ADDRESSES_PER_DEVICE_MAX]))


def draw_words(entropy: Callable[[int], bytes]) -> str:
    """Six words of the list, each as likely as any other, with dashes between them: 62 bits."""
    words = word_list()
    fair = 65_536 - 65_536 % len(words)
    drawn: list[str] = []
    while len(drawn) < limits.PAIRING_WORDS:
        number = int.from_bytes(entropy(2), "big")
        if number < fair:
            drawn.append(words[number % len(words)])
    return "-".join(drawn)


@lru_cache(maxsize=1)
def word_list() -> tuple[str, ...]:
    """The short list of the EFF, but for the one word that has a dash itself: 1,295."""
    text = resources.files("swarmchat.swarm").joinpath("eff_short_wordlist.txt").read_text("ascii")
    return tuple(line for line in text.splitlines() if line.isalpha())


def _checked(text: str) -> str:
    words = re.split(r"[-\s]+", text.strip())
    if len(words) != limits.PAIRING_WORDS:
        raise UsageError(f"a code has {limits.PAIRING_WORDS} words, this one has {len(words)}", hint=_FORM)
    known = word_list()
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word[:64], known, n=1)
            raise UsageError(
                f"{word[:64]!r} is none of the words that codes are made of",
                hint=f"did you mean {near[0]}?" if near else _FORM,
            )
    return "-".join(words)
