"""Who may come in over HTTP: the owner's token in a file of the home, and others of which only hashes are kept. (SCP-08 §3.2)

A token is 256 random bits, so a plain hash of it gives nothing away and guessing it is hopeless.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from swarmchat import disk, limits
from swarmchat.account.home import Home
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UserError
from swarmchat.node import views

OWNER: Final = "api-token"  # the name of the token that lies in the file of that name
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOKEN_BYTES: Final = 32


class Scope(StrEnum):
    """What a token is good for; each includes those before it."""

    READ = "read"  # what changes nothing
    SEND = "send"  # and writing messages
    ADMIN = "admin"  # everything, as who has the control socket

    def covers(self, wanted: Scope) -> bool:
        """Whether who has this may do what wants that."""
        order = list(Scope)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token without its secret."""

    name: str
    scope: Scope
    sha256: str  # 64 hex digits
    created: str  # ISO 8601


class Tokens:
    """The tokens of one home. Changing them blocks: offload; `credential` and `holds` touch no disk."""

    def __init__(self, home: Home, now: Callable[[], float], entropy: Callable[[int], bytes]) -> None:
        self._file = home.data / "tokens.json"
        self._owner_file = home.data / OWNER
        self._now = now
        self._entropy = entropy
        self._known: dict[str, Credential] | None = None
        self._turn = threading.RLock()  # two changes at once must not lose one

    def open(self) -> None:
        """Read them all, and make the owner's if there is none. StorageError when the disk refuses."""
        self.owner()
        self._load()

    def owner(self) -> str:
        """The owner's token, made at first use. UserError when its file holds something else."""
        with self._turn:
            return self._owner()

    def _owner(self) -> str:
        raw = disk.read_bounded(self._owner_file, limits.TOKEN_FILE_BYTES_MAX)
        token = self._fresh() if raw is None else raw.decode("ascii", "replace").strip()
        if not _TOKEN.fullmatch(token):
            raise UserError(
                f"{self._owner_file} holds no token", hint="remove the file: a new token is made at its next use"
            )
        if raw is None:
            disk.write_whole(self._owner_file, f"{token}\n".encode())
        known = self._load()
        self._known = known | {OWNER: Credential(OWNER, Scope.ADMIN, _hash(token), "")}
        return token

    def add(self, name: str, scope: str) -> dict[str, object]:
        """Make a token; its secret is in the answer and nowhere else."""
        if not _NAME.fullmatch(name) or len(name) > limits.TOKEN_NAME_CHARS_MAX:
            raise UserError(
                f"{name!r} is no name for a token",
                hint=f"letters, digits, '.', '_' and '-', at most {limits.TOKEN_NAME_CHARS_MAX}",
            )
        with self._turn:
            known = self._load()
            if name in known or name == OWNER:
                raise RefusedError(f"there is a token {name} already", hint=f"swarmchat token remove {name}")
            if len(known) >= limits.TOKENS_MAX:
                raise RefusedError(f"there are {limits.TOKENS_MAX} tokens already", hint="swarmchat token remove NAME")
            token = self._fresh()
            made = Credential(name, Scope(scope), _hash(token), views.time(self._now()))
            self._keep(known | {name: made})
        return {"name": name, "scope": scope, "created": made.created, "token": token}

    def listed(self) -> list[dict[str, object]]:
        """All of them, without their secrets, by name; the owner's too, if it was ever used."""
        known = dict(self._load())
        if self._owner_file.exists():
            known[OWNER] = Credential(OWNER, Scope.ADMIN, "", "")
        return [
            {"name": one.name, "scope": one.scope.value, "created": one.created or None}
            for one in sorted(known.values(), key=lambda one: one.name)
        ]

    def remove(self, name: str) -> dict[str, object]:
        """Good for nothing from now on; the owner's is made anew at its next use."""
        with self._turn:
            self._remove(name)
        return {"name": name, "state": "removed"}

    def _remove(self, name: str) -> None:
        known = dict(self._load())
        if name == OWNER:
            if not self._owner_file.exists():
                raise NotFoundError(f"there is no token {name}", hint="it is made at its first use: swarmchat web")
            try:
                self._owner_file.unlink()
            except OSError as error:
                raise disk.refusal(error, self._owner_file, "remove") from error
            known.pop(OWNER, None)
            self._known = known
        elif name in known:
            del known[name]
            self._keep(known)
        else:
            raise NotFoundError(f"there is no token {name}", hint="swarmchat token list")

    def credential(self, token: str) -> Credential | None:
        """Whose token this is, or None; how long it takes says nothing of the secrets."""
        digest = _hash(token)
        found = None
        for one in (self._known or {}).values():
            if hmac.compare_digest(one.sha256, digest):
                found = one
        return found

    def holds(self, credential: Credential) -> bool:
        """Whether a credential that was let in has not been removed since."""
        return (self._known or {}).get(credential.name) == credential

    def _fresh(self) -> str:
        return base64.urlsafe_b64encode(self._entropy(_TOKEN_BYTES)).rstrip(b"=").decode()

    def _load(self) -> dict[str, Credential]:
        if self._known is None:
            raw = disk.read_bounded(self._file, limits.TOKENS_FILE_BYTES_MAX)
            self._known = {} if raw is None else self._parsed(raw)
        return self._known

    def _parsed(self, raw: bytes) -> dict[str, Credential]:
        try:
            rows: Any = json.loads(raw)["tokens"]
            found = [
                Credential(str(row["name"]), Scope(row["scope"]), str(row["sha256"]), str(row["created"]))
                for row in rows
            ]
        except (ValueError, KeyError, TypeError):
            raise StorageError(
                f"{self._file} is damaged", hint="remove the file and make the tokens anew: swarmchat token add"
            ) from None
        return {one.name: one for one in found[: limits.TOKENS_MAX]}

    def _keep(self, known: dict[str, Credential]) -> None:
        rows = [asdict(one) for name, one in sorted(known.items()) if name != OWNER]
        disk.write_whole(self._file, json.dumps({"version": 1, "tokens": rows}, indent=1).encode() + b"\n")
        self._known = known


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
