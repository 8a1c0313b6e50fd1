"""The vCard of a conversation: title, description, picture, colour. (SCP-02 §1.1, §5.7; RFC 6350)

Written as vCard 4.0; read as 4.0, strictly, and as the 2.1 that Jami writes. A picture is data in the file, never an address
that a reader would fetch: that would tell a stranger who reads, and from where.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from swarmchat import limits

_LINE = re.compile(
    r"(?:[A-Za-z0-9-]{1,64}\.)?(?P<name>[A-Za-z0-9_-]{1,64})"  # Jami has names with underscores
    r'(?P<parameters>(?:;[A-Za-z0-9-]{1,64}(?:=(?:"[^"]*"|[^";:])*)?)*)(?P<value>:.*)?',
    re.DOTALL,
)
_DATA_URI = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_UNESCAPED = {"\\": "\\", ",": ",", ";": ";", "n": "\n", "N": "\n"}
_TO_ESCAPE = re.compile(r"[\\,;\n]")
_FOLD_BYTES = 75  # RFC 6350 §3.2
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))


class ProfileError(ValueError):
    """Not a vCard of a conversation."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a conversation shows of itself; `photo` is a `data:` URI, `color` is `#rrggbb`."""

    title: str = ""
    description: str = ""
    photo: str | None = None
    color: str | None = None


def shown(content: bytes | None) -> Profile:
    """What a conversation with this profile shows of itself; nothing where a foreign repository holds what we would not write."""
    if content is None:
        return Profile()
    try:
        return parse(content)
    except ProfileError:
        return Profile()


def parse(content: bytes) -> Profile:
    """Read a vCard 4.0, or 2.1 as Jami writes it; raises ProfileError for what is malformed, ambiguous or too big."""
    if len(content) > limits.PROFILE_BYTES_MAX:
        raise ProfileError(f"the profile is over {limits.PROFILE_BYTES_MAX} bytes")
    try:
        text = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ProfileError("the profile is no UTF-8") from None
    if "\r" in text or "\0" in text:
        raise ProfileError("a control character in the profile")
    lines = re.sub(r"\n[ \t]", "", text).rstrip("\n").split("\n")
    if len(lines) < 3 or lines[0].upper() != "BEGIN:VCARD" or lines[-1].upper() != "END:VCARD":
        raise ProfileError("no vCard from its first line to its last")
    match lines[1].upper():
        case "VERSION:4.0":
            return _parse_4_0(lines[2:-1])
        case "VERSION:2.1":
            return _parse_2_1(lines[2:-1])
        case _:
            raise ProfileError("no vCard of version 4.0 or 2.1")


def picture(data: bytes) -> str:
    """A picture as `Profile.photo` holds it; ProfileError for a kind that nobody would show."""
    kind = _kind(data)
    if kind is None:
        raise ProfileError("the picture is no png, jpeg, gif or webp")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def read_loosely(content: bytes) -> Profile:
    """What can be shown of the vCard of an archive, which Jami writes without escapes and bounds: never an error. (SCP-02 §9.14)"""
    try:
        return parse(content)
    except ProfileError:
        pass
    found: dict[str, str] = {}
    for line in content[: limits.PROFILE_BYTES_MAX].decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.upper(), "".join(one for one in value if not _is_control(one)))
    return Profile(
        found.get("FN", "")[: limits.TITLE_CHARS_MAX], found.get("DESCRIPTION", "")[: limits.DESCRIPTION_CHARS_MAX]
    )


def write(profile: Profile) -> bytes:
    """The vCard 4.0 of a profile; raises ProfileError for what `parse` would refuse."""
    lines = ["BEGIN:VCARD", "VERSION:4.0", f"FN:{_escaped(profile.title)}"]
    if profile.description:
        lines.append(f"NOTE:{_escaped(profile.description)}")
    if profile.photo is not None:
        lines.append(f"PHOTO:{profile.photo}")
    if profile.color is not None:
        lines.append(f"X-COLOR:{profile.color}")
    lines.append("END:VCARD")
    try:
        content = b"".join(_folded(line) for line in lines)
    except UnicodeEncodeError:
        raise ProfileError("a lone surrogate in the profile") from None
    if parse(content) != profile:
        raise ProfileError("the profile cannot be written so that it reads the same")
    return content


def _parse_4_0(lines: list[str]) -> Profile:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = _property(line)
        if value is None:
            raise ProfileError(f"{name} has no value")
        _once(found, name, value)
    if "FN" not in found:
        raise ProfileError("a vCard 4.0 has a FN")
    photo, color = found.get("PHOTO"), found.get("X-COLOR")
    if photo is not None:
        encoded = _DATA_URI.fullmatch(photo)
        if encoded is None:
            raise ProfileError("PHOTO is no data URI of a png, jpeg, gif or webp picture")
        _decoded(encoded[1])
    if color is not None and not _COLOR.fullmatch(color):
        raise ProfileError("X-COLOR is no #rrggbb")
    return Profile(
        _title(_unescaped(found["FN"])),
        _description(_unescaped(found.get("NOTE", ""))),
        photo,
        None if color is None else color.lower(),
    )


def _parse_2_1(lines: list[str]) -> Profile:
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            continue  # Jami leaves one after some properties
        name, parameters, value = _property(line)
        if value is None and name != "PHOTO":
            raise ProfileError(f"{name} has no value")
        if name == "PHOTO" and value and "BASE64" not in parameters.upper():
            raise ProfileError("PHOTO is not in base64")
        _once(found, name, value or "")
    return Profile(
        _title(found.get("FN", "")),
        _description(found.get("DESCRIPTION", "")),
        _picture(found["PHOTO"]) if found.get("PHOTO") else None,
    )


def _property(line: str) -> tuple[str, str, str | None]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProfileError("a line that is no property")
    value: str | None = found["value"]
    return found["name"].upper(), found["parameters"], None if value is None else value[1:]


def _once(found: dict[str, str], name: str, value: str) -> None:
    if name in ("BEGIN", "END", "VERSION"):
        raise ProfileError(f"{name} inside the vCard")
    if name in found and name in ("FN", "NOTE", "DESCRIPTION", "PHOTO", "X-COLOR"):
        raise ProfileError(f"{name} stands twice")
    found[name] = value


def _title(text: str) -> str:
    if len(text) > limits.TITLE_CHARS_MAX:
        raise ProfileError(f"the title is over {limits.TITLE_CHARS_MAX} characters")
    if any(_is_control(character) for character in text):
        raise ProfileError("a control character in the title")
    return text


def _description(text: str) -> str:
    if len(text) > limits.DESCRIPTION_CHARS_MAX:
        raise ProfileError(f"the description is over {limits.DESCRIPTION_CHARS_MAX} characters")
    if any(_is_control(character) and character != "\n" for character in text):
        raise ProfileError("a control character in the description")
    return text


def _picture(encoded: str) -> str | None:
    """The data URI of a picture whose kind only its first bytes tell; None for a kind that nobody would show."""
    kind = _kind(_decoded(encoded))
    return None if kind is None else f"data:image/{kind};base64,{encoded}"


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ProfileError("the picture is no base64") from None


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character < "\xa0" or character in "\u2028\u2029"


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(lambda found: "\\n" if found[0] == "\n" else "\\" + found[0], text)


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        if found[1] not in _UNESCAPED:
            raise ProfileError("an escape that vCard does not know")
        return _UNESCAPED[found[1]]

    return _ESCAPE.sub(character, text)


def _folded(line: str) -> bytes:
    """A line in pieces of at most 75 bytes that cut no character; every further piece begins with a blank."""
    data = line.encode()
    pieces, start, room = [], 0, _FOLD_BYTES
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end])
        start, room = end, _FOLD_BYTES - 1
    pieces.append(data[start:])
    return b"\r\n ".join(pieces) + b"\r\n"
