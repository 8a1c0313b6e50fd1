"""Settings of a node: `config.toml`, checked once, frozen, handed down. (SCP-08 §1.4)"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from swarmchat import disk, limits
from swarmchat.addresses import Address
from swarmchat.errors import NotFoundError, SettingsError
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
    api_http: Address | None = None  # where HTTP is answered; None: only once somebody asks for the web page
    api_hosts: tuple[str, ...] = ()  # names by which this node is called over HTTP, beside the loopback ones
    api_tls_certificate: str | None = None
    api_tls_key: str | None = None
    mvds_listen: Address | None = (
        None  # where data-sync peers are answered over TCP; None: on links alone (SCP-09 §4.6)
    )

    @property
    def api_tls(self) -> tuple[Path, Path] | None:
        """Certificate and key for HTTPS; None: HTTP is answered without. SettingsError where one is given alone."""
        if self.api_tls_certificate is not None and self.api_tls_key is not None:
            return Path(self.api_tls_certificate), Path(self.api_tls_key)
        if self.api_tls_certificate is None and self.api_tls_key is None:
            return None
        given, lacking = ("key", "certificate") if self.api_tls_certificate is None else ("certificate", "key")
        raise SettingsError(
            f"api.tls_{given} is of no use without api.tls_{lacking}",
            hint=f"swarmchat config set api.tls_{lacking} FILE, or: swarmchat config unset api.tls_{given}",
        )


def load(path: Path, given: Mapping[str, object] | None = None) -> Config:
    """Read `config.toml`; a missing file is the defaults. `given`: dotted keys of the command line, which win over the file.

    SettingsError names the key, the fault and the nearest key.
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
    """The TOML table of a settings file, unchecked; empty when there is none. SettingsError, StorageError."""
    return read_both(path)[0]


def read_both(path: Path) -> tuple[dict[str, Any], str]:
    """The same with the text that it was read from."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, ""
    except OSError as fault:
        raise disk.refusal(fault, path, "read") from fault
    try:
        text = data.decode()
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path} is no valid TOML: {fault}", hint="mend it by hand, or move it away") from fault


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of `config.toml`: the field of `Config` it fills, what it means, its JSON Schema, and how its value is checked.

    `read` raises ValueError with what is wanted.
    """

    key: str  # "lan.enabled"
    field: str
    summary: str
    schema: Mapping[str, Any]
    read: Callable[[Any], object]

    @property
    def takes_list(self) -> bool:
        """Whether several values may be given."""
        return "anyOf" in self.schema

    @property
    def default(self) -> Any:
        """What holds where nothing is set, as it would stand in the file; None: the account decides."""
        return plain(getattr(Config(), self.field))


def plain(value: object) -> Any:
    """A value of `Config` as it stands in the file: text, number, boolean, list of texts; None where nothing stands."""
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return value if value is None or isinstance(value, bool | int) else str(value)


def find(key: str) -> Setting:
    """The setting of that name; NotFoundError names the nearest."""
    if key not in SETTINGS:
        raise NotFoundError(f"there is no setting {key}", hint=_nearest(key))
    return SETTINGS[key]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `config.toml`."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.toml of swarmchat",
        **_folder(),
    }
    for setting in SETTINGS.values():
        *folders, name = setting.key.split(".")
        place = schema["properties"]
        for folder in folders:
            place = place.setdefault(folder, _folder())["properties"]
        default = {} if setting.default is None else {"default": setting.default}
        place[name] = {"description": setting.summary, **setting.schema, **default}
    return schema


def _folder() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _nearest(key: str) -> str:
    import difflib  # noqa: PLC0415 - for who mistyped

    near = difflib.get_close_matches(key, SETTINGS, n=1)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(SETTINGS))}"


def parse(table: Mapping[str, Any], source: str) -> Config:
    """Check the settings of a TOML table; `source` is named in errors."""
    fields: dict[str, Any] = {}
    for key, value in flat(table):
        if key not in SETTINGS:
            raise SettingsError(f"{source}: there is no setting {key}", hint=_nearest(key))
        setting = SETTINGS[key]
        try:
            fields[setting.field] = setting.read(value)
        except ValueError as fault:
            raise SettingsError(f"{source}: {key}: {fault}") from None
    return Config(**fields)


def flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """The values of a TOML table by their dotted keys, in the order of the file."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found.extend(flat(value, f"{prefix}{key}."))
        else:
            found.append((prefix + key, value))
    return found


def _texts(value: Any, wanted: str) -> list[str]:
    """A list of texts, or one text alone."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(wanted)
    return texts


def _addresses(value: Any) -> tuple[Address, ...]:
    texts = _texts(value or None, 'a list of addresses is wanted, as in ["0.0.0.0:0", "[::]:0"]')
    return tuple(Address.parse(text) for text in texts)


def _port(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 65535:
        raise ValueError("a port from 0 to 65535 is wanted; 0 means any")
    return value


def _entrances(value: Any) -> tuple[Entrance, ...]:
    from swarmchat.discovery.dht.joining import Entrance  # noqa: PLC0415 - 2 MB for who names one

    texts = _texts(value, 'a list is wanted, as in ["node.example:4222", "192.0.2.7:4222#ID"]')
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


def _http(value: Any) -> Address:
    if not isinstance(value, str):
        raise ValueError("an address is wanted, as in 127.0.0.1:7777")  # noqa: TRY004 - shown as a wrong setting
    address = Address.parse(value)
    if address.host != "localhost" and not address.is_literal:
        raise ValueError(f"{address.host} is a name; an IP address is wanted, as in 127.0.0.1:7777")
    return address


def _host_names(value: Any) -> tuple[str, ...]:
    texts = _texts(value, 'a list of host names is wanted, as in ["node.example"]')
    if len(texts) > limits.API_PARAM_ITEMS_MAX:
        raise ValueError(f"a list of host names is wanted, at most {limits.API_PARAM_ITEMS_MAX}")
    return tuple(Address.parse(f"{text}:0").host.lower().removesuffix(".") for text in texts)


def _file(value: Any) -> str:
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise ValueError("the absolute path of a file is wanted")
    return value


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is wanted")
        return str(value)

    return read


def _text(**bounds: Any) -> dict[str, Any]:
    return {"type": "string", **bounds}


def _list(**bounds: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "array", "items": {"type": "string"}, **bounds}, {"type": "string"}]}


_BOOLEAN: Mapping[str, Any] = {"type": "boolean"}

_TABLE = (
    Setting("listen", "listen", "where links are accepted, as HOST:PORT; port 0 is any", _list(minItems=1), _addresses),
    Setting(
        "name",
        "name",
        "display name written into commits, in place of the account's",
        _text(minLength=1, maxLength=limits.DISPLAY_NAME_CHARS_MAX),
        _name,
    ),
    Setting("lan.enabled", "lan_enabled", "find others on the local network", _BOOLEAN, _yes_or_no),
    Setting("dht.enabled", "dht_enabled", "find others over the DHT", _BOOLEAN, _yes_or_no),
    Setting(
        "dht.port",
        "dht_port",
        "UDP port of the DHT; 0 is any, kept over restarts",
        {"type": "integer", "minimum": 0, "maximum": 65535},
        _port,
    ),
    Setting(
        "dht.bootstrap",
        "dht_bootstrap",
        "nodes of the DHT to begin with, as HOST:PORT or HOST:PORT#ID",
        _list(maxItems=limits.DHT_BOOTSTRAP_MAX),
        _entrances,
    ),
    Setting(
        "dht.addresses",
        "addresses",
        "who is told where this node listens",
        _text(enum=[str(one) for one in Audience]),
        lambda value: Audience(_one_of(tuple(Audience))(value)),
    ),
    Setting(
        "send_read_receipts",
        "send_read_receipts",
        "tell members how far I have read, in place of what the account says",
        _BOOLEAN,
        _yes_or_no,
    ),
    Setting(
        "send_typing",
        "send_typing",
        "tell members that I type, in place of what the account says",
        _BOOLEAN,
        _yes_or_no,
    ),
    Setting(
        "accept_old_forks",
        "accept_old_forks",
        "merge forks that are older than 100 decisions without asking",
        _BOOLEAN,
        _yes_or_no,
    ),
    Setting("api.http", "api_http", "where the API and the web page are answered, as HOST:PORT", _text(), _http),
    Setting(
        "api.hosts",
        "api_hosts",
        "names by which this node may be called over HTTP, beside localhost",
        _list(maxItems=limits.API_PARAM_ITEMS_MAX),
        _host_names,
    ),
    Setting(
        "api.tls_certificate",
        "api_tls_certificate",
        "certificate (PEM) for HTTPS; wanted where others can reach api.http",
        _text(),
        _file,
    ),
    Setting("api.tls_key", "api_tls_key", "the key (PEM) of that certificate", _text(), _file),
    Setting(
        "gateways.mvds_listen",
        "mvds_listen",
        "where data-sync peers are answered over TCP, as HOST:PORT",
        _text(),
        _http,
    ),
    Setting("log.level", "log_level", "the least that is logged", _text(enum=list(LOG_LEVELS)), _one_of(LOG_LEVELS)),
    Setting(
        "log.format",
        "log_format",
        "how it is logged: lines for people, or a JSON object a line",
        _text(enum=list(LOG_FORMATS)),
        _one_of(LOG_FORMATS),
    ),
)

SETTINGS: Mapping[str, Setting] = MappingProxyType({one.key: one for one in _TABLE})
