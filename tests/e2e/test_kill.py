"""kill -9 at seeded moments, while messages are acknowledged and received: nothing acknowledged is lost, the next start works."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from swarmchat.errors import SwarmchatError
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SEED = 20261121
MOMENTS = 20


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        fixed = (*ben.options[:1], str(ben.listen), *ben.options[2:])
        ben.stop()
        ben.options = fixed  # the same port at every start, so that Ann finds him again
        ben.start()
        acknowledged: list[str] = []
        for moment in range(MOMENTS):
            ben.until(lambda: ben.linked(ann))
            busy = threading.Thread(target=_send_some, args=(ann, room, f"ann {moment}", 8, []))
            busy.start()
            killer = threading.Timer(dice.uniform(0.0, 0.15), ben.process.kill)  # type: ignore[union-attr]
            killer.start()
            _send_some(ben, room, f"ben {moment}", 40, acknowledged)
            killer.join()
            busy.join()
            ben.kill()
            ben.start()
            kept = set(ben.texts(room))
            assert set(acknowledged) <= kept, f"lost at moment {moment}: {sorted(set(acknowledged) - kept)}"
        same(room, ann, ben)
        assert set(acknowledged) <= set(ann.texts(room))
        assert len(ann.texts(room)) >= MOMENTS * 8
        for node in (ann, ben):
            assert node.did("verify", room)["valid"]


def _send_some(node: NodeProcess, room: str, prefix: str, count: int, acknowledged: list[str]) -> None:
    with suppress(SwarmchatError):  # the daemon dies in the middle of this
        for number in range(count):
            node.call("message.send", conversation=room, text=f"{prefix} {number}")
            acknowledged.append(f"{prefix} {number}")
