from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swarmchat.addresses import Address
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.errors import SettingsError, StorageError, UserError
from swarmchat.node.config import SETTINGS, Config, json_schema, load, parse, plain
from swarmchat.swarm.parts import Audience


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "config.toml") == Config()


def test_all_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        'listen = ["127.0.0.1:4000", "[::1]:4000"]\nname = " Ann "\nsend_read_receipts = false\nsend_typing = false\n'
        'accept_old_forks = true\n[lan]\nenabled = false\n[dht]\naddresses = "none"\nenabled = false\n'
        f'port = 4223\nbootstrap = ["node.example:4222", "[2001:db8::7]:4222#{"ab" * 20}"]\n[log]\nlevel = "debug"\nformat = "json"\n'
    )
    listen = (Address("127.0.0.1", 4000), Address("::1", 4000))
    named = (Entrance(Address("node.example", 4222)), Entrance(Address("2001:db8::7", 4222), NodeId(b"\xab" * 20)))
    assert load(path) == Config(
        listen, "Ann", False, False, 4223, named, Audience.NONE, False, False, True, "debug", "json"
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"lisen": ["x:1"]}, "no setting lisen"),
        ({"lan": {"on": True}}, "no setting lan.on"),
        ({"listen": ["nonsense"]}, "listen: 'nonsense' is not host:port"),
        ({"listen": []}, "a list of addresses"),
        ({"api": {"http": 7777}}, "an address is wanted"),
        ({"api": {"http": "7777"}}, "is not host:port"),
        ({"api": {"http": "node.example:7777"}}, "is a name; an IP address is wanted"),
        ({"api": {"hosts": ["a b"]}}, "has no valid host"),
        ({"api": {"hosts": ["h"] * 101}}, "a list of host names"),
        ({"api": {"hosts": [5]}}, "a list of host names"),
        ({"listen": [5]}, "a list of addresses"),
        ({"api": {"tls_key": "key.pem"}}, "the absolute path of a file"),
        ({"name": "  "}, "a name of 1 to"),
        ({"name": "x" * 129}, "a name of 1 to"),
        ({"lan": {"enabled": 1}}, "true or false"),
        ({"log": {"level": "loud"}}, "one of debug, info"),
        ({"dht": {"addresses": "some"}}, "one of contacts, members, all, none is wanted"),
        ({"dht": {"enabled": "yes"}}, "true or false"),
        ({"dht": {"port": -1}}, "a port from 0 to 65535"),
        ({"dht": {"port": 65536}}, "a port from 0 to 65535"),
        ({"dht": {"port": True}}, "a port from 0 to 65535"),
        ({"dht": {"bootstrap": [4222]}}, "a list is wanted"),
        ({"dht": {"bootstrap": ["h"]}}, "dht.bootstrap: 'h' is not host:port"),
        ({"dht": {"bootstrap": ["h:0"]}}, "has no port"),
        ({"dht": {"bootstrap": ["h:1#ab"]}}, "40 hex digits"),
        ({"dht": {"bootstrap": ["h:1#" + "zz" * 20]}}, "dht.bootstrap: "),
        ({"dht": {"bootstrap": ["h:1"] * 65}}, "at most 64"),
        ({"dht": {"addresses": ["all"]}}, "one of contacts, members, all, none is wanted"),
    ],
)
def test_a_wrong_setting_is_named(table: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(table, "config.toml")


def test_where_http_is_answered_is_an_address_and_names_are_compared_in_lower_case() -> None:
    found = parse(
        {"api": {"http": "[::1]:7777", "hosts": ["Node.Example.", "b"], "tls_key": "/k", "tls_certificate": "/c"}}, "x"
    )
    assert (found.api_http, found.api_hosts) == (Address("::1", 7777), ("node.example", "b"))
    assert (found.api_tls_certificate, found.api_tls_key) == ("/c", "/k")
    assert (found.api_tls, Config().api_tls) == ((Path("/c"), Path("/k")), None)
    assert parse({"api": {"http": "localhost:0"}}, "x").api_http == Address("localhost", 0)


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        parse({"lisen": ["x:1"]}, "config.toml")
    assert caught.value.hint == "did you mean listen?"


def test_broken_toml_and_an_unreadable_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_bytes(b"= \xff")
    with pytest.raises(UserError, match="no valid TOML"):
        load(tmp_path / "broken.toml")
    with pytest.raises(StorageError, match="cannot read"):
        load(tmp_path)


def test_no_bootstrap_node_is_built_in() -> None:
    assert (Config().dht_enabled, Config().dht_port, Config().dht_bootstrap) == (True, 0, ())
    assert parse({"dht": {"bootstrap": []}}, "config.toml").dht_bootstrap == ()
    assert parse({"dht": {"bootstrap": "h:1"}}, "config.toml").dht_bootstrap == (Entrance(Address("h", 1)),)


@pytest.mark.parametrize(("given", "lacking"), [("certificate", "key"), ("key", "certificate")])
def test_one_half_of_what_https_needs_is_a_wrong_setting_and_no_plain_http(given: str, lacking: str) -> None:
    config = parse({"api": {f"tls_{given}": "/x"}}, "x")
    with pytest.raises(SettingsError, match=f"api.tls_{given} is of no use without api.tls_{lacking}"):
        _ = config.api_tls


def test_every_field_of_the_settings_has_one_key() -> None:
    fields = [one.field for one in SETTINGS.values()]
    assert sorted(fields) == sorted(Config.__dataclass_fields__)


def test_the_defaults_may_stand_in_the_file_and_change_nothing() -> None:
    table: dict[str, Any] = {}
    for one in SETTINGS.values():
        *folders, name = one.key.split(".")
        place = table
        for folder in folders:
            place = place.setdefault(folder, {})
        if one.default is not None:
            place[name] = one.default
    assert parse(table, "config.toml") == Config()


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("listen", ["127.0.0.1:0"], []),
        ("dht.bootstrap", ["h:1"] * 64, ["h:1"] * 65),
        ("dht.port", 65535, 65536),
        ("dht.port", 0, -1),
        ("name", "x" * 128, "x" * 129),
        ("name", "x", ""),
        ("log.level", "error", "loud"),
        ("dht.addresses", "all", "some"),
        ("lan.enabled", False, 1),
    ],
)
def test_the_schema_says_of_a_value_what_reading_it_says(key: str, good: Any, bad: Any) -> None:
    schema: Any = json_schema()
    for name in key.split("."):
        schema = schema["properties"][name]
    setting = SETTINGS[key]
    assert plain(setting.read(good)) == good
    assert fits(good, schema)
    with pytest.raises(ValueError, match=r"wanted|at most"):
        setting.read(bad)
    assert not fits(bad, schema)


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """The few words of JSON Schema that ours has."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    match schema["type"]:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
        case "array":
            low, high = schema.get("minItems", 0), schema.get("maxItems", 10**6)
            return (
                isinstance(value, list)
                and low <= len(value) <= high
                and all(fits(one, schema["items"]) for one in value)
            )
        case "string":
            low, high = schema.get("minLength", 0), schema.get("maxLength", 10**6)
            return isinstance(value, str) and low <= len(value) <= high and value in schema.get("enum", [value])
    raise AssertionError(schema)
