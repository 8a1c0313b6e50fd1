"""Three hosts in three networks: no cable in common, no address given, one node of the DHT that all were told of. (SCP-05 §1, SCP-06 §2–§6)"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cables import NEEDS, available
from tests.support.process import NodeProcess, same
from tests.support.routes import Site, routed

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400), pytest.mark.skipif(not available(), reason=NEEDS)]

PORT = 4222
FOUND_S = 120.0  # a key is looked for first, and what was missed is heard a minute later


@contextmanager
def public_node(site: Site, folder: Path) -> Iterator[str]:
    """`swarmchat dht serve` on a host; where it is."""
    folder.mkdir()
    with (folder / "out").open("wb") as log:
        process = subprocess.Popen(
            [
                *site.prefix,
                *(sys.executable, "-m", "swarmchat", "dht", "serve", "--state", str(folder / "state")),
                *("--host", site.address, "--port", str(PORT)),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield f"{site.address}:{PORT}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(20) == 0, (folder / "out").read_text()
            finally:
                process.kill()


def test_an_account_id_is_enough_and_a_third_member_goes_on_where_the_inviter_stopped(tmp_path: Path) -> None:
    with routed(4) as (middle, *sites), public_node(middle, tmp_path / "public") as bootstrap:
        made = [
            NodeProcess(tmp_path / name.lower(), name, site.prefix, options=("--bootstrap", bootstrap))
            for name, site in zip(("Ann", "Ben", "Cat"), sites, strict=True)
        ]
        ann, ben, cat = made
        try:
            for node in made:
                node.did("account", "create", "--name", node.name)
            ben_id, cat_id = ben.account, cat.account
            ann.start()
            room = ann.did("conversation", "create", "--title", "over the hills")["id"]
            ann.did("member", "invite", room, ben_id)
            ann.until(lambda: ann.call("daemon.status")["dht"]["state"] == "connected", FOUND_S)

            began = time.monotonic()
            ben.start()
            ben.until(lambda: ben.call("request.list"), FOUND_S)
            print(f"asked {time.monotonic() - began:.1f} s after the start")
            (request,) = ben.call("request.list")
            ben.did("request", "accept", request["id"])
            ben.until(
                lambda: room in [each["id"] for each in ben.call("conversation.list") if each["state"] == "ready"],
                FOUND_S,
            )
            print(f"joined {time.monotonic() - began:.1f} s after the start")
            ann.did("send", room, "from ann")
            ben.did("send", room, "from ben")
            same(room, ann, ben)

            ann.did("member", "invite", room, cat_id)
            same(room, ann, ben)
            cat.start()
            cat.until(lambda: cat.call("request.list"), FOUND_S)
            assert ann.stop() == 0
            (request,) = [each for each in cat.call("request.list") if each["conversation"] == room]
            cat.did("request", "accept", request["id"])
            cat.until(
                lambda: room in [each["id"] for each in cat.call("conversation.list") if each["state"] == "ready"],
                FOUND_S,
            )
            cat.did("send", room, "from cat")
            same(room, ben, cat)
            assert sorted(cat.texts(room)) == ["from ann", "from ben", "from cat"]
            assert cat.linked(ben)
        finally:
            for node in made:
                if node.process is not None:
                    node.kill()
