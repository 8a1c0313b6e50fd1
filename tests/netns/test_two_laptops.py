"""Two laptops on one cable: no internet, no router, no configured peer; LAN discovery alone. (SCP-05 §2)"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.cables import NEEDS, available, one_cable
from tests.support.dht_seeds import keep
from tests.support.process import NodeProcess, found_room, same

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180), pytest.mark.skipif(not available(), reason=NEEDS)]

IN_STEP_S = 3.0  # after the cable is back


def test_they_find_each_other_talk_are_unplugged_and_agree_again(tmp_path: Path) -> None:
    with one_cable(2) as (left, right):
        ann = NodeProcess(tmp_path / "ann", "Ann", left.prefix, options=())
        ben = NodeProcess(tmp_path / "ben", "Ben", right.prefix, options=())
        try:
            for number, node in enumerate((ann, ben)):
                node.did("account", "create", "--name", node.name)
                keep(node.home, number)  # no time is lost with looking for one
                node.start()
            room = found_room(ann, ben)
            ann.did("send", room, "from ann")
            ben.did("send", room, "from ben")
            same(room, ann, ben)
            right.unplug()
            for node in (ann, ben):
                node.did("send", room, f"{node.name} alone")
            assert ann.view(room) != ben.view(room)
            right.plug()
            plugged = time.monotonic()
            same(room, ann, ben)
            took = time.monotonic() - plugged
            print(f"in step {took:.2f} s after the cable was back")
            assert took < IN_STEP_S
            assert sorted(ann.texts(room)) == ["Ann alone", "Ben alone", "from ann", "from ben"]
            right.unplug()
            for node in (ann, ben):
                node.until(lambda node=node: not node.call("daemon.status")["links"])  # long enough for both to notice
                node.did("send", room, f"{node.name} alone again")
            right.plug()
            plugged = time.monotonic()
            same(room, ann, ben)
            took = time.monotonic() - plugged
            print(f"in step {took:.2f} s after the cable was back from a long cut")
            assert took < IN_STEP_S
            assert ann.cli("--json", "log", room).out == ben.cli("--json", "log", room).out
            assert ann.cli("--json", "member", "list", room).out == ben.cli("--json", "member", "list", room).out
            assert all(node.cli("verify", room).status == 0 for node in (ann, ben))
        finally:
            for node in (ann, ben):
                if node.process is not None:
                    node.kill()
