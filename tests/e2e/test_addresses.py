"""Real daemons that were told little of each other: ports that stay, addresses that go round. (SCP-05 §1.12, §2.4b)"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.process import NodeProcess, found_room, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


def both_write(room: str, one: NodeProcess, other: NodeProcess, text: str) -> None:
    for node in (one, other):
        node.call("message.send", conversation=room, text=f"{text}, says {node.name}")
    same(room, one, other)


def test_two_who_know_only_the_third_talk_on_when_she_has_gone(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cem") as (ann, ben, cem):
        for guest in (ben, cem):
            ann.call("peer.add", account=guest.account, address=str(guest.listen))
        room = found_room(ann, ben, cem)
        ben.until(lambda: ben.linked(cem), 10)
        assert ann.stop() == 0
        both_write(room, ben, cem, "without her")
        listens = ben.listen
        ben.stop()
        cem.call("message.send", conversation=room, text="he is away")
        ben.start()
        assert ben.listen == listens
        cem.until(lambda: cem.linked(ben), 15)
        both_write(room, ben, cem, "and he is back")


def test_who_was_given_one_address_finds_a_restarted_daemon_again(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", options=("--listen", "127.0.0.1:0", "--no-lan", "--addresses", "none")) as made:
        ann, ben = made
        ann.call("peer.add", account=ben.account, address=str(ben.listen))
        room = found_room(ann, ben)
        for end in (ben.stop, ben.kill):
            end()
            ben.start()
            ann.until(lambda: ann.linked(ben), 15)
            both_write(room, ann, ben, "again")


def test_a_port_that_another_program_took_is_replaced(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        before = ann.listen
        ann.stop()
        with socket.create_server((before.host, before.port)):
            ann.start()
            after = ann.listen
            assert after.port != before.port
            assert f"not on {before} as before" in ann.output()
        ann.stop()
        ann.start()
        assert ann.listen == after
