"""Two laptops that know each other's address and look for nobody on the LAN: a cable is noticed all the same. (SCP-03 §7)"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.cables import NEEDS, available, one_cable
from tests.support.process import NodeProcess, found_room, same

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180), pytest.mark.skipif(not available(), reason=NEEDS)]

IN_STEP_S = 3.0  # after the cable is back
TCP_WAITS_S = 7.0  # cut so long, TCP sends again only 12.6 s after it began; whoever waits for that is late


def test_without_discovery_a_cable_that_is_back_is_used_at_once(tmp_path: Path) -> None:
    with one_cable(2) as (left, right):
        ann = NodeProcess(tmp_path / "ann", "Ann", left.prefix, options=("--no-lan",))
        ben = NodeProcess(tmp_path / "ben", "Ben", right.prefix, options=("--no-lan",))
        try:
            for node in (ann, ben):
                node.did("account", "create", "--name", node.name)
                node.start()
            ann.did("peer", "add", ben.account, f"169.254.7.2:{ben.listen.port}")
            ben.did("peer", "add", ann.account, f"169.254.7.1:{ann.listen.port}")
            room = found_room(ann, ben)
            right.unplug()
            cut = time.monotonic()
            for node in (ann, ben):
                node.did("send", room, f"{node.name} alone")
            ann.until(lambda: time.monotonic() - cut > TCP_WAITS_S)
            right.plug()
            took = same(room, ann, ben)
            print(f"in step {took:.2f} s after the cable was back, static addresses")
            assert took < IN_STEP_S
            right.unplug()
            for node in (ann, ben):
                node.until(lambda node=node: not node.call("daemon.status")["links"])  # long enough for both to notice
                node.did("send", room, f"{node.name} alone again")
            right.plug()
            took = same(room, ann, ben)
            print(f"in step {took:.2f} s after the cable was back from a long cut, static addresses")
            assert took < IN_STEP_S
            assert sorted(ann.texts(room)) == ["Ann alone", "Ann alone again", "Ben alone", "Ben alone again"]
        finally:
            for node in (ann, ben):
                if node.process is not None:
                    node.kill()
