"""SCP-02 §5.7: the vCard of a conversation."""

from __future__ import annotations

import base64

import pytest

from swarmchat import limits
from swarmchat.conversation.profile import Profile, ProfileError, parse, shown, write

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest of a picture").decode()
PHOTO = f"data:image/png;base64,{PNG}"


def card(*lines: str, version: str = "4.0", end: str = "\r\n") -> bytes:
    return end.join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""]).encode()


FULL = Profile('Größe; a,b\\n "x"', "first\nsecond; \\third, " + "long " * 50, PHOTO, "#12ab9f")


def test_what_is_written_is_read_back() -> None:
    for profile in (Profile(), Profile("x"), FULL, Profile("a: b", ":"), Profile(" blank ", " ")):
        assert parse(write(profile)) == profile


def test_it_is_a_vcard_of_version_4_with_folded_lines() -> None:
    written = write(FULL)
    assert written.startswith(
        b'BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Gr\xc3\xb6\xc3\x9fe\\; a\\,b\\\\n "x"\r\nNOTE:first\\nsecond'
    )
    assert written.endswith(b"X-COLOR:#12ab9f\r\nEND:VCARD\r\n")
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))


@pytest.mark.parametrize("shift", range(5))
def test_folding_cuts_no_character(shift: int) -> None:
    profile = Profile("x" * shift + "👋é" * 50)
    written = write(profile)
    assert parse(written) == profile
    for line in written.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()


def test_nothing_but_the_title_is_written_when_nothing_else_is_there() -> None:
    assert write(Profile("t")) == card("FN:t")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (card("FN:t", end="\n"), Profile("t")),
        (card("FN:t").rstrip(), Profile("t")),
        (card("FN:t") + b"\r\n\r\n", Profile("t")),
        (b"begin:vcard\nversion:4.0\nfn:t\nend:vcard", Profile("t")),
        (card("item1.FN;LANGUAGE=de;X=\"a:b;c\":t", "N:;;;;", "TEL:+1", "TEL:+2"), Profile("t")),
        (card("FN:a\r\n b\r\n\tc"), Profile("abc")),
        (card("FN:a\\,b\\;c\\\\n", "NOTE:x\\ny\\Nz"), Profile("a,b;c\\n", "x\ny\nz")),
        (card("FN:t", "X-COLOR:#AABBCC"), Profile("t", color="#aabbcc")),
        (card("FN:t", f"PHOTO:{PHOTO}"), Profile("t", photo=PHOTO)),
    ],
)  # fmt: skip
def test_a_vcard_of_version_4_is_read(content: bytes, expected: Profile) -> None:
    assert parse(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"BEGIN:VCARD\nVERSION:2.1\nFN:a,b\\n\nDESCRIPTION:x;y\nPHOTO;ENCODING=BASE64\nEND:VCARD", Profile("a,b\\n", "x;y")),
        (card("FN:t", f"PHOTO;ENCODING=BASE64:{PNG}", "", version="2.1"), Profile("t", photo=PHOTO)),
        (card("PHOTO;TYPE=JPEG;ENCODING=BASE64:/9j/", version="2.1"), Profile(photo="data:image/jpeg;base64,/9j/")),
        (card("PHOTO;ENCODING=BASE64:R0lGODlh", version="2.1"), Profile(photo="data:image/gif;base64,R0lGODlh")),
        (card("PHOTO;ENCODING=BASE64:UklGRgAAAABXRUJQ", version="2.1"), Profile(photo="data:image/webp;base64,UklGRgAAAABXRUJQ")),
        (card("PHOTO;ENCODING=BASE64:PHN2Zz4=", version="2.1"), Profile()),
        (card("PHOTO;ENCODING=BASE64:", version="2.1"), Profile()),
        (card("RDV_ACCOUNT:x", "", "RDV_DEVICE:y", "", "PHOTO", version="2.1"), Profile()),
        (card(version="2.1"), Profile()),
    ],
)  # fmt: skip
def test_a_vcard_of_jami_is_read(content: bytes, expected: Profile) -> None:
    assert parse(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no vCard",
        b"BEGIN:VCARD\nEND:VCARD",
        b"BEGIN:VCARD\nVERSION:4.0\nFN:t",
        b"\xef\xbb\xbf" + card("FN:t"),
        card("FN:t") + b"x",
        card("FN:t") + card("FN:t"),
        card("FN:t", version="3.0"),
        card("VERSION:4.0", "FN:t", version="4.0"),
        card("BEGIN:VCARD", "FN:t"),
        card("FN:t", "END:VCARD"),
        card(),
        card("NOTE:n"),
        card("FN:a", "FN:b"),
        card("FN:t", "NOTE:a", "note:b"),
        card("FN:t", f"PHOTO:{PHOTO}", f"PHOTO:{PHOTO}"),
        card("FN:t", "X-COLOR:#aabbcc", "X-COLOR:#aabbcc"),
        card("FN"),
        card("FN:t", ""),
        card("FN:t", "no property"),
        card("FN:t", ";A=b:c"),
        card("FN:a\\"),
        card("FN:a\\x"),
        card("FN:a\\nb"),
        card("FN:a\tb"),
        card("FN:t", "NOTE:a\tb"),
        card("FN:t", "NOTE:a\u2028b"),
        card("FN:a\rb"),
        card("FN:a\0b"),
        card("FN:\x85"),
        b"BEGIN:VCARD\nVERSION:4.0\nFN:\xff\nEND:VCARD",
        card("FN:t", "X-COLOR:red"),
        card("FN:t", "X-COLOR:#12345"),
        card("FN:t", "PHOTO:http://tracker.example/pixel.png"),
        card("FN:t", "PHOTO:data:image/svg+xml;base64,AAAA"),
        card("FN:t", "PHOTO:data:image/png,AAAA"),
        card("FN:t", "PHOTO:data:image/png;base64,"),
        card("FN:t", "PHOTO:data:image/png;base64,AAA"),
        card("PHOTO:AAAA", version="2.1"),
        card("PHOTO;ENCODING=BASE64:A", version="2.1"),
        card("PHOTO;ENCODING=BASE64:????", version="2.1"),
        card("FN", version="2.1"),
        card("FN:a", "FN:b", version="2.1"),
    ],
)
def test_what_is_malformed_or_ambiguous_is_refused(content: bytes) -> None:
    with pytest.raises(ProfileError):
        parse(content)


def test_titles_and_descriptions_are_bounded() -> None:
    fits = Profile("ü" * limits.TITLE_CHARS_MAX, "ü" * limits.DESCRIPTION_CHARS_MAX)
    assert parse(write(fits)) == fits
    for over in (Profile("ü" * (limits.TITLE_CHARS_MAX + 1)), Profile("t", "ü" * (limits.DESCRIPTION_CHARS_MAX + 1))):
        with pytest.raises(ProfileError):
            write(over)


def test_a_profile_is_bounded_in_all() -> None:
    padding = limits.PROFILE_BYTES_MAX - len(card("FN:t", "X-PAD:"))
    fits = card("FN:t", "X-PAD:" + "x" * padding)
    assert len(fits) == limits.PROFILE_BYTES_MAX
    assert parse(fits) == Profile("t")
    with pytest.raises(ProfileError):
        parse(card("FN:t", "X-PAD:" + "x" * (padding + 1)))


@pytest.mark.parametrize(
    "profile",
    [
        Profile("a\nb"),
        Profile("a\rb"),
        Profile("t", "a\r\nb"),
        Profile("\ud800"),
        Profile("t", photo="https://example.org/x.png"),
        Profile("t", photo=""),
        Profile("t", color="blue"),
        Profile("t", color="#AABBCC"),
        Profile("t", photo=PHOTO + "\r\nFN:injected"),
    ],
)
def test_what_would_not_read_the_same_is_not_written(profile: Profile) -> None:
    with pytest.raises(ProfileError):
        write(profile)


def test_a_conversation_without_a_profile_or_with_one_that_we_would_not_write_shows_nothing() -> None:
    assert shown(None) == shown(b"no vCard") == Profile()
    assert shown(write(Profile(title="Garden"))) == Profile(title="Garden")
