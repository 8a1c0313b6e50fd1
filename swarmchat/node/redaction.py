"""Making a report fit to be shown to strangers: names, ids, addresses and texts give way to stand-ins. Pure. (SCP-08 §2.7)

The same thing has the same stand-in within one report, so that one can still be followed through it; the key they are made
with is in no report, so nobody can try names or ids against them.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_STAND_IN_DIGITS: Final = 8
_LETTERS: Final = str.maketrans("0123456789abcdef", "ghijkmnpqrstuvwx")  # so that no stand-in looks like an id
_PREFIX: Final = 8  # digits of an id that people see; both forms get the same stand-in
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{8,}(?![0-9A-Za-z])")
_DECIMAL_LONGEST: Final = 19  # more digits are no number
_TOKEN: Final = re.compile(r"(?<![\w+/=-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{24,}")
_NAMES: Final = frozenset({"name", "title", "description", "note"})  # keys whose text is somebody's own as a whole
_QUOTED: Final = re.compile(r"'[^'\n]+'|\"[^\"\n]+\"|‹[^›\n]+›|«[^»\n]+»|“[^”\n]+”")
_V4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\.\d)")
_V6: Final = re.compile(r"(?<![\w.])[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?(?![\w:])")
_STARTS_MAX: Final = 4
_HOST: Final = re.compile(r"(?<![\w/.-])(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,}(?=:\d{1,5}(?!\d))")
_PATH: Final = re.compile(r"(?<![\w.~>])/(?:[^\s'\",:;()\[\]]+)")
_CODE: Final = re.compile(r'^(\s*)File "([^"]*)", line (\d+)(, in .*)?$')
_RAISED: Final = re.compile(r"^((?:\s*[|+-]\s)*\s*(?:[A-Za-z_]\w*\.)*[A-Z]\w*): .*$")
_OURS: Final = ("/swarmchat/", "/site-packages/", "/lib/python")  # what lies behind these is the same everywhere


class Redactor:
    """One report's stand-ins. `key`: 32 fresh random bytes, kept nowhere. `names`: what people called things; `places`: folder → what to write instead."""

    def __init__(self, key: bytes, names: Iterable[str] = (), places: Mapping[str, str] | None = None) -> None:
        self._key = key
        self._places = dict(sorted((places or {}).items(), key=lambda one: -len(one[0])))
        known = sorted({name for name in names if name.strip()}, key=lambda name: (-len(name), name))
        spelled = [form for name in known for form in dict.fromkeys((name, json.dumps(name)[1:-1], ascii(name)[1:-1]))]
        self._names = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in spelled)) if spelled else None

    def text(self, text: str) -> str:
        """A sentence of the program, with what is somebody's own replaced."""
        for place, instead in self._places.items():
            text = text.replace(place, instead)
        if self._names is not None:
            text = self._names.sub(lambda found: self._stand_in("name", found[0]), text)
        text = _HEX.sub(self._hex, text)
        text = _TOKEN.sub(lambda found: self._stand_in("token", found[0]), text)
        text = _V6.sub(self._address, text)
        text = _V4.sub(self._address, text)
        text = _HOST.sub(lambda found: found[0] if found[0].endswith(".py") else self._stand_in("host", found[0]), text)
        return _PATH.sub(self._path, text)

    def value(self, value: Any) -> Any:
        """JSON with every text in it redacted as `said`; keys stay."""
        match value:
            case str():
                return self.said(value)
            case list():
                return [self.value(one) for one in value]
            case dict():
                return {key: self.named(one) if key in _NAMES else self.value(one) for key, one in value.items()}
            case _:
                return value

    def named(self, value: Any) -> Any:
        """A stand-in for what is a name as a whole; nothing for nothing."""
        return self._stand_in("name", value) if isinstance(value, str) and value else self.value(value)

    def said(self, text: str) -> str:
        """A sentence that others may have had a word in: what is quoted in it is left out too."""
        return self.text(_QUOTED.sub("'…'", text))

    def log_lines(self, lines: Iterable[str]) -> list[str]:
        """Lines of our log, as text or JSON; of tracebacks the places stay and what was raised loses its words."""
        return [self._log_line(line) for line in lines]

    def _log_line(self, line: str) -> str:
        if line.startswith("{"):
            try:
                told = json.loads(line)
            except ValueError:
                told = None
            if isinstance(told, dict):
                return json.dumps({key: self._log_value(one) for key, one in told.items()}, ensure_ascii=False)
        if found := _CODE.match(line):
            indent, path, number, within = found.groups()
            return f'{indent}File "{self._tail(path)}", line {number}{within or ""}'
        if found := _RAISED.match(line):
            return f"{found[1]}: …"
        return self.said(line)

    def _log_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            return self.value(value)
        return "\n".join(self._log_line(line) if "\n" in value else self.said(line) for line in value.split("\n"))

    def _hex(self, found: re.Match[str]) -> str:
        text = found[0].lower()
        if text.isdecimal() and len(text) <= _DECIMAL_LONGEST:
            return found[0]
        return self._stand_in("id", text[:_PREFIX])

    def _address(self, found: re.Match[str]) -> str:
        """An address in what looks like one, which a colon, a full stop or a word before it may have been taken for part of."""
        text = found[0]
        starts = [0, *(at + 1 for at, char in enumerate(text) if char == ":")][:_STARTS_MAX]
        for start in starts:
            for end in dict.fromkeys((len(text), len(text.rstrip(".")), len(text.rstrip(":.")))):
                try:
                    address = ipaddress.ip_address(text[start:end].partition("%")[0])
                except ValueError:
                    continue
                if address.is_unspecified or address.is_loopback:
                    return text
                kind = "link-local" if address.is_link_local else "private" if address.is_private else "public"
                return text[:start] + self._stand_in(f"{kind}-v{address.version}", text[start:end]) + text[end:]
        return text

    def _path(self, found: re.Match[str]) -> str:
        return self._tail(found[0]) if any(mark in found[0] for mark in _OURS) else self._stand_in("path", found[0])

    def _tail(self, path: str) -> str:
        for mark in _OURS:
            if mark in path:
                return mark.strip("/") + "/" + path.rpartition(mark)[2]
        return self._stand_in("path", path)

    def _stand_in(self, kind: str, text: str) -> str:
        digest = hmac.digest(self._key, f"{kind} {text}".encode(errors="surrogatepass"), hashlib.sha256)
        return f"<{kind} {digest.hex()[:_STAND_IN_DIGITS].translate(_LETTERS)}>"
