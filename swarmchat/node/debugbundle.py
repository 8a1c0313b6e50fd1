"""The debug bundle: how a node stands, in one file that can be shown to others. (SCP-08 §2.7)

Nothing is sent anywhere. No key, no text of a message, no title and no name is ever asked for or goes in; ids, addresses and
paths give way to stand-ins, and a part in which an id is found all the same is left out.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import os
import platform
import pwd
import re
import resource
import socket
import sqlite3
import stat
import tarfile
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarmchat import __version__, disk
from swarmchat.account.home import Home
from swarmchat.account.state import State
from swarmchat.errors import SwarmchatError, UsageError
from swarmchat.node.redaction import Redactor

_LOG_BYTES_MAX: Final = 1024 * 1024
_LOG_LINES_MAX: Final = 2_000
_FILES_COUNTED_MAX: Final = 50_000  # of repositories: a bundle is made in seconds
_JSON_BYTES_MAX: Final = 64 * 1024 * 1024
_ID: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{40,}(?![0-9A-Za-z])")
_ZIP_BEGINS_S: Final = 315_532_800  # the format knows no time before 1980, which a clock that was never set may say
_ENDINGS: Final = (".zip", ".tar.gz", ".tgz")

ABOUT: Final[Mapping[str, str]] = {
    "versions": "this program, Python, the system, the libraries",
    "doctor": "what doctor finds",
    "settings": "config.toml, each key",
    "daemon": "daemon status",
    "dht": "dht status",
    "peers": "the devices this node links with, and how that goes",
    "sync": "how far each device is, by conversation",
    "conversations": "state, members and unread of each conversation, without titles",
    "counts": "how many contacts, requests and devices there are, and events of each type",
    "storage": "sizes, modes and schema versions of the files of the home",
    "log": "the last lines of the daemon's log",
}
Asked = Mapping[str, Callable[[], Awaitable[Any]]]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle."""

    name: str
    about: str
    data: bytes


async def answers(asked: Asked) -> dict[str, Any]:
    """What each verb says; where it refuses, its error instead: a bundle is wanted most when much is broken."""
    found: dict[str, Any] = {}
    for name, verb in asked.items():
        try:
            found[name] = await verb()
        except SwarmchatError as error:
            found[name] = {"error": error.code, "message": error.message}
    return found


def words(state: State) -> set[str]:
    """What the state of an account calls people and things by: it must show nowhere."""
    found = {text for one in state.contacts.values() for text in (one.name, one.note)}
    found |= {text for one in state.requests.values() for text in (one.offer.name, one.offer.title)}
    found |= {one.title for one in state.conversations.values()}
    return found | {one.name for one in state.devices.values()}


def write(
    path: Path, home: Home, key: bytes, now_s: float, found: Mapping[str, Any], names: Iterable[str] | None
) -> dict[str, Any]:
    """Write the bundle into a file that must not exist yet; `found`: what `answers` gave. Blocking.

    `names`: what people called things, which must not show; None when it is not known: then the log is left out.

    UsageError for an ending that is no archive's, UserError when the file exists, StorageError.
    """
    if not path.name.endswith(_ENDINGS):
        raise UsageError(f"{path.name} is neither .zip nor .tar.gz", hint="the ending says which it becomes")
    made = parts(home, key, found, names)
    pack = _zip if path.name.endswith(".zip") else _tar
    data = pack(made, max(int(now_s), _ZIP_BEGINS_S))
    disk.write_new(path, data)
    files = [{"name": one.name, "bytes": len(one.data), "about": one.about} for one in made]
    return {"path": str(path), "bytes": len(data), "files": files}


def parts(home: Home, key: bytes, found: Mapping[str, Any], names: Iterable[str] | None) -> list[Part]:
    """The files of a bundle, redacted."""
    redactor = Redactor(key, [*(names or ()), *_machine_names()], _places(home))
    found = {"versions": _versions(), **found, "storage": _storage(home)}
    ids = {each[:8] for each in _ID.findall(json.dumps(found, default=str))}
    made = []
    for name, about in ABOUT.items():
        if name == "log" and names is None:
            part = Part("log.txt", f"left out: not known which names are in it ({about})", b"left out\n")
        elif name == "log":
            text = "\n".join(redactor.log_lines(_log(home.log_file)))
            part = Part("log.txt", about, text.encode(errors="backslashreplace"))
        elif name in found:
            shown = redactor.value(_shaped(name, found[name]))
            part = Part(f"{name}.json", about, json.dumps(shown, indent=1, ensure_ascii=False).encode(errors="replace"))
        else:
            continue
        if any(each.encode() in part.data for each in ids):
            part = Part(part.name, f"left out: it named an id ({about})", b"left out\n")
        made.append(part)
    return [Part("README.txt", "what this is", _readme(made).encode()), *made]


def _shaped(name: str, value: Any) -> Any:
    """Only what is meant to be in it, where an answer has more."""
    match name, value:
        case "conversations", list():
            return [{key: one[key] for key in one if key != "title"} for one in value]
        case "settings", {"settings": list(rows)}:
            return [{key: row[key] for key in row if key != "summary"} for row in rows]
        case _:
            return value


def _readme(made: Iterable[Part]) -> str:
    told = [
        "This is how a swarmchat node stood. It was made by `swarmchat debug bundle`; it was sent to nobody.",
        "",
        *(f"{one.name:20} {one.about}" for one in made),
        "",
        "No key, message, title or name is in it. Ids, addresses, names and paths have become stand-ins such as <id gkmxwthj>:",
        "the same thing has the same stand-in in this bundle, and another one in the next.",
    ]
    return "\n".join(told) + "\n"


def _machine_names() -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from {socket.gethostname(), socket.gethostname().partition(".")[0]}
    with contextlib.suppress(KeyError):
        found = pwd.getpwuid(os.getuid())
        yield from (found.pw_name, found.pw_gecos.partition(",")[0])


def _places(home: Home) -> dict[str, str]:
    places = {str(home.socket.parent): "RUN", str(home.state): "STATE", str(home.config_file.parent): "CONFIG"}
    places |= {str(home.data.resolve()): "HOME", str(home.data): "HOME"}
    with contextlib.suppress(KeyError):
        places.setdefault(pwd.getpwuid(os.getuid()).pw_dir, "~")
    return {place: instead for place, instead in places.items() if place != "/"}


def _versions() -> dict[str, Any]:
    from swarmchat.commitlog.audit import FORMAT  # noqa: PLC0415 - git, only for who makes a bundle

    libraries = {}
    for wanted in importlib.metadata.requires("swarmchat") or []:
        name = re.split(r"[^A-Za-z0-9._-]", wanted, maxsplit=1)[0]
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            libraries[name] = importlib.metadata.version(name)
    return {
        "swarmchat": __version__,
        "rules": FORMAT,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "sqlite": sqlite3.sqlite_version,
        "processors": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "open_files": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "libraries": libraries,
    }


def _storage(home: Home) -> dict[str, Any]:
    files = []
    with contextlib.suppress(OSError):
        for path in sorted(home.data.iterdir()):
            with contextlib.suppress(OSError):
                found = path.lstat()
                row: dict[str, Any] = {"file": path.name, "mode": stat.filemode(found.st_mode), "bytes": found.st_size}
                version = _schema_version(path) if stat.S_ISREG(found.st_mode) else None
                files.append(row if version is None else row | {"schema": version})
    left = _FILES_COUNTED_MAX
    repositories = []
    for folder in (home.conversations, home.archives):
        for path in sorted(folder.glob("*.git")):
            sizes = []
            for each in path.rglob("*"):
                if not left:
                    break
                left -= 1
                with contextlib.suppress(OSError):
                    sizes.append(each.lstat().st_size)
            repositories.append(
                {
                    "repository": path.stem,
                    "in": folder.name,
                    "files": len(sizes),
                    "bytes": sum(sizes),
                    "whole": left > 0,
                }
            )
    return {"files": files, "repositories": repositories}


def _schema_version(path: Path) -> int | None:
    """The version that a file of ours says it is written in."""
    try:
        if path.suffix == ".sqlite":
            with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                return int(connection.execute("PRAGMA user_version").fetchone()[0])
        if path.suffix == ".json":
            document = json.loads(disk.read_bounded(path, _JSON_BYTES_MAX) or b"")
            return int(document["version"])
    except (sqlite3.Error, ValueError, KeyError, TypeError, SwarmchatError, RecursionError):
        return None
    return None


def _log(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            begin = file.seek(max(0, size - _LOG_BYTES_MAX))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ["there is no log file: a daemon in the foreground writes to standard error, a unit to the journal"]
    return lines[1 if begin else 0 :][-_LOG_LINES_MAX:]


def _zip(made: Iterable[Part], now_s: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in made:
            entry = zipfile.ZipInfo(f"swarmchat-debug/{part.name}", time.gmtime(now_s)[:6])
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, part.data)
    return out.getvalue()


def _tar(made: Iterable[Part], now_s: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for part in made:
            entry = tarfile.TarInfo(f"swarmchat-debug/{part.name}")  # of user and group 0 without names
            entry.size, entry.mode, entry.mtime = len(part.data), 0o600, now_s
            archive.addfile(entry, io.BytesIO(part.data))
    return out.getvalue()
