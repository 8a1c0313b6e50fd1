from __future__ import annotations

from swarmchat import limits
from swarmchat.account.records import Host
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import Candidate, Source
from swarmchat.node.hosts import hosts
from tests.support.accounts import device

ANN, BEN, CEM = device(1), device(2), device(3)


def at(number: int, *, host: str = "192.0.2.1", seen_s: int = 100, good_s: int = 0) -> Candidate:
    return Candidate(Address(host, number), Source.LINK, seen_s, good_s)


def test_every_device_has_a_place_before_one_has_two() -> None:
    told = {ANN: [at(port) for port in range(1, 20)], BEN: [at(30), at(31)]}
    found = hosts([ANN, BEN, CEM], told)
    assert len(found) == limits.CLONE_HOSTS_MAX
    assert found[:4] == tuple(
        Host(*each)
        for each in ((ANN, at(1).address), (BEN, at(30).address), (ANN, at(2).address), (BEN, at(31).address))
    )
    assert {host.device for host in found[4:]} == {ANN}


def test_where_a_link_stood_goes_first_and_this_machine_last() -> None:
    told = {
        ANN: [at(1, host="127.0.0.1", good_s=900)],
        BEN: [at(2, seen_s=800)],
        CEM: [at(3, seen_s=1, good_s=1)],
    }
    assert [host.device for host in hosts(told, told)] == [CEM, BEN, ANN]


def test_of_equals_the_one_heard_of_last_and_then_the_lower_id_goes_first() -> None:
    told = {CEM: [at(3)], BEN: [at(2)], ANN: [at(1, seen_s=99)]}
    assert [host.device for host in hosts(told, told)] == [*sorted([BEN, CEM]), ANN]


def test_only_devices_of_the_conversation_are_named() -> None:
    assert hosts([BEN], {ANN: [at(1)], BEN: []}) == ()
