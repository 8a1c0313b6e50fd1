"""Settings of a node: `config.toml`, checked once, frozen, handed down. (SCP-08 §1.4)"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmchat import disk, limits
from swarmchat.addresses import Address
from swarmchat.errors import UserError
from swarmchat.swarm.swarm import Audience

if TYPE_CHECKING:
    from swarmchat.discovery.dht.joining import Entrance

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Config:
    """What a node may be told; the defaults are what a person needs who tells it nothing."""

    listen: tuple[Address, ...] = (Address("0.0.0.0", 0), Address("::", 0))  # noqa: S104 - a peer is reached from outside
    name: str | None = None  # display name written into commits; None: the account's
    lan_enabled: bool = True
    dht_enabled: bool = True
    dht_port: int = 0  # UDP; 0: any, kept over restarts
    dht_bootstrap: tuple[Entrance, ...] = ()  # nodes of the DHT to begin with; none is built in (SCP-05 §1.8)
    addresses: Audience = Audience.MEMBERS  # who is told where we listen (SCP-05 §1.12)
    send_read_receipts: bool | None = None  # None: as the account says
    send_typing: bool | None = None
    accept_old_forks: bool = False  # SCP-02 §6.4 g
    log_level: str = "info"
    log_format: str = "text"


def load(path: Path, given: Mapping[str, object] | None = None) -> Config:
    """Read `config.toml`; a missing file is the defaults. `given`: dotted keys of the command line, which win over the file.

    UserError names the key, the fault and the nearest key.
    """
    table = read(path)
    for key, value in (given or {}).items():
        *folders, name = key.split(".")
        place: dict[str, Any] = table
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return parse(table, str(path))


def read(path: Path) -> dict[str, Any]:
    """The TOML table of a settings file, unchecked; empty when there is none. UserError, StorageError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as fault:
        raise disk.refusal(fault, path, "read") from fault
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"{path} is no valid TOML: {fault}") from fault


def parse(table: Mapping[str, Any], source: str) -> Config:
    """Check the settings of a TOML table; `source` is named in errors."""
    fields: dict[str, Any] = {}
    for key, value in _flat(table):
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(_KEYS))}"
            raise UserError(f"{source}: there is no setting {key}", hint=hint)
        field, read = _KEYS[key]
        try:
            fields[field] = read(value)
        except ValueError as fault:
            raise UserError(f"{source}: {key}: {fault}") from None
    return Config(**fields)


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found.extend(_flat(value, f"{prefix}{key}."))
        else:
            found.append((prefix + key, value))
    return found


def _addresses(value: Any) -> tuple[Address, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError('a list of addresses is wanted, as in ["0.0.0.0:0", "[::]:0"]')
    return tuple(Address.parse(text) for text in texts)


def _port(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 65535:
        raise ValueError("a port from 0 to 65535 is wanted; 0 means any")
    return value


def _entrances(value: Any) -> tuple[Entrance, ...]:
    from swarmchat.discovery.dht.joining import Entrance  # noqa: PLC0415 - 2 MB for who names one

    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError('a list is wanted, as in ["node.example:4222", "192.0.2.7:4222#ID"]')
    if len(texts) > limits.DHT_BOOTSTRAP_MAX:
        raise ValueError(f"at most {limits.DHT_BOOTSTRAP_MAX} nodes are named")
    return tuple(Entrance.parse(text) for text in texts)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > limits.DISPLAY_NAME_CHARS_MAX:
        raise ValueError(f"a name of 1 to {limits.DISPLAY_NAME_CHARS_MAX} characters is wanted")
    return value.strip()


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is wanted")  # noqa: TRY004 - shown to people as a wrong setting
    return value


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is wanted")
        return str(value)

    return read


_KEYS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "listen": ("listen", _addresses),
    "name": ("name", _name),
    "lan.enabled": ("lan_enabled", _yes_or_no),
    "dht.enabled": ("dht_enabled", _yes_or_no),
    "dht.port": ("dht_port", _port),
    "dht.bootstrap": ("dht_bootstrap", _entrances),
    "dht.addresses": ("addresses", lambda value: Audience(_one_of(tuple(Audience))(value))),
    "send_read_receipts": ("send_read_receipts", _yes_or_no),
    "send_typing": ("send_typing", _yes_or_no),
    "accept_old_forks": ("accept_old_forks", _yes_or_no),
    "log.level": ("log_level", _one_of(LOG_LEVELS)),
    "log.format": ("log_format", _one_of(LOG_FORMATS)),
}
