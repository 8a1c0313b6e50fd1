"""Searching while others write, and a file that a running daemon takes in, with real processes. (SCP-08 §3.4, SCP-04 §9)"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from swarmchat.account.home import Home
from swarmchat.api.client import Client
from swarmchat.ids import ConversationId
from swarmchat.index.query import parse
from swarmchat.index.search import Scope, SearchIndex
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WRITERS, TEXTS = 3, 40


def test_commands_search_while_the_daemon_writes_and_nothing_is_missed(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        room = ann.did("create", "Harbour")["id"]
        failed: list[BaseException] = []

        def write(who: int) -> None:
            try:
                with Client.connect(Home.locate(ann.home, {}).socket) as door:
                    for number in range(TEXTS):
                        door.call("message.send", conversation=room, text=f"boat {who} {number}")
            except BaseException as error:  # noqa: BLE001 - told by the test
                failed.append(error)

        writers = [threading.Thread(target=write, args=(who,)) for who in range(WRITERS)]
        for writer in writers:
            writer.start()
        counts = [len(ann.did("search", "boat", "-n", "200")["hits"]) for _ in range(4)]
        for writer in writers:
            writer.join()
        assert not failed
        assert counts == sorted(counts)
        found = ann.did("search", "boat", "-n", "200")["hits"]
        assert {hit["message"]["body"] for hit in found} == {
            f"boat {who} {number}" for who in range(WRITERS) for number in range(TEXTS)
        }
        assert ann.did("search", "boat 1 7", "--in", "Harbour", "--from", "Ann", "-n", "1")["hits"]
        ann.kill()
        offline = ann.did("search", '"boat 2 39"')["hits"]
        assert [hit["message"]["body"] for hit in offline] == ["boat 2 39"]
        ann.start()
        assert ann.did("search", '"boat 2 39"')["hits"] == offline


def test_what_others_say_is_in_the_index_without_anybody_searching(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        ann.did("send", "Harbour", "the tide is out")
        same(room, ann, ben)
        ben.until(lambda: _index(ben) == "all that is here can be found")
        ben.kill()
        index = SearchIndex(Home.locate(ben.home, {}).data / "search.sqlite")
        assert len(index.find(parse("tide"), Scope([ConversationId(room)]), 9)) == 1
        index.close()


def test_what_comes_by_file_goes_on_over_links(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cat") as made:
        ann, ben, cat = made
        introduce(*made)
        room = found_room(*made)
        same(room, *made)
        ann.stop()
        ann.did("send", "Harbour", "written on the island")
        stick = tmp_path / "stick"
        device = _device(ben)
        done = ann.did("bundle", "export", "Harbour", str(stick), "--since", device)
        assert done["commits"] >= 1
        taken = ben.did("bundle", "import", str(stick))
        assert (taken["state"], taken["refused"]) == ("ready", [])
        cat.until(lambda: "written on the island" in cat.texts(room))
        same(room, ben, cat)
        again = ben.cli("--json", "bundle", "import", str(tmp_path / "nowhere"))
        assert (again.status, again.error["code"]) == (3, "not_found")


def _index(node: NodeProcess) -> str:
    (told,) = (one["found"] for one in node.call("doctor") if one["check"] == "index" and one["about"] == "search")
    return str(told)


def _device(node: NodeProcess) -> str:
    return str(node.call("account.show")["device"])
