"""A pulled cable leaves links behind that look alive: a sighting or a change of the network asks them. (SCP-03 §7)"""

from __future__ import annotations

from swarmchat.ids import AccountId, DeviceId
from swarmchat.swarm.mesh import Dial, Mesh, Probe

ME, BEN, CEM = (DeviceId(letter * 64) for letter in "abc")
BENS = AccountId("b" * 40)


def linked_mesh() -> Mesh:
    mesh = Mesh(ME, lambda: 0.0)
    mesh.wants([BEN, CEM], now=0.0)
    mesh.link_up(BEN, BENS, now=0.0)
    return mesh


def test_a_sighting_of_a_linked_device_asks_its_link() -> None:
    assert Probe(BEN) in linked_mesh().sighted(BEN, now=5.0)


def test_a_sighting_of_another_asks_nobody() -> None:
    mesh = linked_mesh()
    mesh.failed(CEM, now=1.0)
    assert mesh.sighted(CEM, now=1.1) == [Dial(CEM)]


def test_a_change_of_the_network_asks_every_link_and_forgets_back_off() -> None:
    mesh = linked_mesh()
    mesh.failed(CEM, now=1.0)
    assert mesh.network_changed(now=1.1) == [Probe(BEN), Dial(CEM)]
