from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.directory import Directory, Entry
from swarmchat.node import checkup
from swarmchat.node.config import Config
from swarmchat.node.dht import DhtPart, DhtStatus, hosts
from swarmchat.runtime import SystemRuntime

KEY = DhtKey(bytes(20))
NAMED = (Entrance(Address("node.example", 4222)),)


def part(folder: Path, **settings: Any) -> DhtPart:
    return DhtPart(folder, Config(**{"lan_enabled": False} | settings), SystemRuntime(), lambda port: None)


@pytest.mark.parametrize(
    ("settings", "state", "words", "finding"),
    [
        ({"dht_enabled": False}, "off", "switched off", "ok"),
        ({}, "waiting", "no bootstrap node is named, and the local network is not looked at", "warning"),
        ({"lan_enabled": True}, "joining", "no bootstrap node is named, and the local network shows none", "warning"),
        ({"dht_bootstrap": NAMED}, "joining", "no bootstrap node has answered yet: node.example:4222", "warning"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence_with_a_hint(
    tmp_path: Path, settings: dict[str, Any], state: str, words: str, finding: str
) -> None:
    found = part(tmp_path, **settings).status
    assert (found.state, words in found.found, "\n" in found.found) == (state, True, False)
    assert (found.hint is None) is (state == "off")
    assert checkup.of_dht(found).state == finding


def test_of_a_node_that_has_only_just_asked_nothing_is_missing_yet(tmp_path: Path) -> None:
    asking = part(tmp_path, dht_bootstrap=NAMED)
    asking._begun = asking._runtime.monotonic()
    assert asking.status == DhtStatus("joining", "asking node.example:4222")
    asking._begun -= limits.DHT_FIRST_ANSWER_S
    assert asking.status.hint is not None


def test_without_a_way_in_nothing_is_opened_and_nothing_written(tmp_path: Path) -> None:
    async def story() -> None:
        waiting = part(tmp_path)
        running = asyncio.get_running_loop().create_task(waiting.run())
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert not running.done()
        assert (waiting.dht, waiting.port, waiting.connected) == (None, None, False)
        waiting.network_changed()
        assert await waiting.put(Entry(KEY, b"", b"x")) == 0
        assert await waiting.get(KEY) == []
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(story())
    assert list(tmp_path.iterdir()) == []


def test_who_switched_it_off_has_none_whatever_is_heard(tmp_path: Path) -> None:
    async def story() -> None:
        off = part(tmp_path, dht_enabled=False, dht_bootstrap=NAMED, lan_enabled=True)
        off.met(Address("192.0.2.1", 4222), Source.LAN)
        await asyncio.wait_for(off.run(), 5)
        assert off.dht is None

    asyncio.run(story())


@pytest.mark.parametrize(
    ("listen", "wanted"),
    [
        (("0.0.0.0:0", "[::]:0"), ["0.0.0.0", "::"]),
        (("[::1]:4000", "127.0.0.1:0", "192.0.2.1:1"), ["127.0.0.1", "::1"]),
        (("[::1]:0",), ["::1"]),
        (("host.example:4000",), ["0.0.0.0", "::"]),
        (("host.example:4000", "127.0.0.1:1"), ["127.0.0.1"]),
    ],
)
def test_it_hears_where_links_are_accepted(listen: tuple[str, ...], wanted: list[str]) -> None:
    assert hosts(map(Address.parse, listen)) == wanted


def test_it_is_a_directory_before_there_is_one(tmp_path: Path) -> None:
    directory: Directory = part(tmp_path)
    end = directory.watch(KEY, lambda found: None)
    end()
    end()
    directory.publish("card", lambda now: None)
    directory.withdraw("card")
    directory.withdraw("nothing")
    assert not directory.connected
