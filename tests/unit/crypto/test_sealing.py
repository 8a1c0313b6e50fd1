from __future__ import annotations

import base64
import json

import pytest

from swarmchat import limits
from swarmchat.crypto import sealing
from swarmchat.crypto.sealing import SealError, SealFault, open_archive, seal_archive
from tests.support.archives import DOCUMENT, NONCE, SALT, cheap_archive

LINE = cheap_archive().split(b"\n")[1] + b"\n"


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal_archive(DOCUMENT, "correct horse", salt=SALT, nonce=NONCE)


@pytest.fixture
def no_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("derived a key before refusing")

    monkeypatch.setattr(sealing, "_derive", refuse)


def code(sealed: bytes, password: str = "pw") -> SealFault:
    with pytest.raises(SealError) as caught:
        open_archive(sealed, password)
    return caught.value.code


def test_what_was_sealed_opens_with_the_password_only(sealed: bytes) -> None:
    assert open_archive(sealed, "correct horse") == DOCUMENT
    assert code(sealed, "Correct horse") is SealFault.WRONG_PASSWORD


def test_the_header_is_what_the_page_says(sealed: bytes) -> None:
    magic, line, ciphertext = sealed.split(b"\n", 2)
    assert magic == b"swarmchat-archive-1"
    assert json.loads(line) == {
        "kdf": "argon2id", "t": 3, "m": 65536, "p": 4,
        "salt": base64.b64encode(SALT).decode(), "nonce": base64.b64encode(NONCE).decode(),
    }  # fmt: skip
    assert len(ciphertext) == len(DOCUMENT) + 16


def test_an_archive_made_by_the_words_of_the_page_opens() -> None:
    assert open_archive(cheap_archive(), "pw") == DOCUMENT
    assert open_archive(cheap_archive(b""), "pw") == b""


def test_the_two_unicode_spellings_of_a_password_are_one() -> None:
    composed = cheap_archive(password="\u00e9t\u00e9")
    assert open_archive(composed, "e\u0301te\u0301") == DOCUMENT


def test_a_password_that_is_no_text_is_wrong_and_cannot_seal() -> None:
    assert code(cheap_archive(), "\ud800") is SealFault.WRONG_PASSWORD
    assert code(cheap_archive(), "") is SealFault.WRONG_PASSWORD
    for password in ("", "\ud800"):
        with pytest.raises(ValueError):
            seal_archive(b"", password, salt=SALT, nonce=NONCE)


def test_both_lines_are_authenticated() -> None:
    forged = cheap_archive().replace(b'"t":1', b'"t":2')
    assert code(forged) is SealFault.WRONG_PASSWORD


@pytest.mark.parametrize(("t", "m", "p"), [(11, 65536, 4), (3, 1048577, 4), (3, 65536, 17), (9999999999, 8, 1)])
@pytest.mark.usefixtures("no_derivation")
def test_a_costly_archive_is_refused_before_deriving(t: int, m: int, p: int) -> None:
    assert code(cheap_archive(t=t, m=m, p=p)) is SealFault.TOO_COSTLY


def test_the_greatest_costs_are_still_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    def note(_password: str, _salt: bytes, time_cost: int, memory_kib: int, lanes: int) -> bytes:
        asked.append((time_cost, memory_kib, lanes))
        return bytes(32)

    monkeypatch.setattr(sealing, "_derive", note)
    assert code(cheap_archive(t=10, m=1048576, p=16)) is SealFault.WRONG_PASSWORD
    assert asked == [(10, 1048576, 16)]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        LINE[:-1],
        LINE[:-1] + b" \n",
        LINE[:-1] + b"\r\n",
        LINE.replace(b'"t":1', b'"t":01'),
        LINE.replace(b'"t":1', b'"t":0'),
        LINE.replace(b'"t":1', b'"t":-1'),
        LINE.replace(b'"t":1', b'"t":1.0'),
        LINE.replace(b'"t":1', b'"t":' + b"9" * 5000),
        LINE.replace(b'"p":1', b'"p":2'),  # Argon2 takes at least 8 KiB a lane
        LINE.replace(b'"m":8', b'"m":7'),
        LINE.replace(b"argon2id", b"argon2i"),
        LINE.replace(b'"t":1,"m":8', b'"m":8,"t":1'),
        LINE.replace(b'"t":1', b'"x":1,"t":1'),
        LINE.replace(b"Dw==", b"Dx=="),  # the same salt, spelled with loose bits
        LINE.replace(b"AAEC", b"A EC"),
        b"[" * 10_000 + b"\n",
    ],
)
@pytest.mark.usefixtures("no_derivation")
def test_a_second_line_of_another_shape_is_refused_before_deriving(line: bytes) -> None:
    sealed = b"swarmchat-archive-1\n" + line + bytes(64)
    assert line != LINE
    assert code(sealed) is SealFault.DAMAGED


@pytest.mark.parametrize(
    "sealed",
    [b"", b"swarmchat-archive-1", b"swarmchat-archive-1\n", b"swarmchat-archive-2\n" + LINE + bytes(64), b"\0" * 100],
)
@pytest.mark.usefixtures("no_derivation")
def test_what_is_no_archive_is_refused(sealed: bytes) -> None:
    assert code(sealed) is SealFault.DAMAGED


def test_an_archive_cut_anywhere_gives_nothing() -> None:
    whole = cheap_archive()
    shortest = len(whole) - len(DOCUMENT)
    for end in range(len(whole)):
        assert code(whole[:end]) is (SealFault.DAMAGED if end < shortest else SealFault.WRONG_PASSWORD)


def test_sizes_are_bounded_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_BYTES_MAX", len(cheap_archive()))
    assert open_archive(cheap_archive(), "pw") == DOCUMENT
    assert code(cheap_archive(DOCUMENT + b"x")) is SealFault.DAMAGED
    monkeypatch.setattr(sealing, "_derive", lambda *_: bytes(32))
    overhead = len(seal_archive(b"", "pw", salt=SALT, nonce=NONCE))
    monkeypatch.setattr(limits, "ARCHIVE_BYTES_MAX", overhead + 10)
    assert len(seal_archive(bytes(10), "pw", salt=SALT, nonce=NONCE)) == overhead + 10
    with pytest.raises(ValueError, match="too large"):
        seal_archive(bytes(11), "pw", salt=SALT, nonce=NONCE)


@pytest.mark.parametrize(
    ("salt", "nonce"), [(SALT[:-1], NONCE), (SALT + b"\0", NONCE), (SALT, NONCE[:-1]), (SALT, NONCE + b"\0")]
)
@pytest.mark.usefixtures("no_derivation")
def test_salt_and_nonce_have_their_lengths(salt: bytes, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes of salt"):
        seal_archive(b"", "pw", salt=salt, nonce=nonce)
