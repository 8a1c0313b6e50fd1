from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.addresses import Address
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.errors import StorageError, UserError
from swarmchat.node.config import Config, load, parse
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
