"""Dialogues with the mesh: whom to be linked with, and when to try again. (SCP-04 §1, SCP-03 §7)"""

from __future__ import annotations

from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import (
    BACKOFF_FLOOR_S,
    BACKOFF_MAX_S,
    FULL_MESH_DEVICES_MAX,
    LINK_LASTED_S,
    MESH_PER_BUCKET,
    MESH_RANDOM_DEVICES,
    MESH_TARGETS_MAX,
)
from swarmchat.swarm.mesh import Dial, HangUp, Mesh, WakeAt, stray, wanted


def device(number: int) -> DeviceId:
    return DeviceId(f"{number:064x}")


def account(number: int) -> AccountId:
    return AccountId(f"{number:040x}")


ME, ALICE, BOB = device(0), device(1), device(2)
ANN, BEN = account(1), account(2)
LAN = stray("node-7")


def mesh() -> Mesh:
    return Mesh(ME, lambda: 0.5)


def test_what_is_wanted_is_dialled_once() -> None:
    """RT-11"""
    machine = mesh()
    assert machine.wants([ALICE, BOB, ME], now=0.0) == [Dial(ALICE), Dial(BOB)]
    assert machine.tick(now=1.0) == []
    machine.link_up(ALICE, ANN, 2.0)
    assert machine.wants([ALICE, BOB], now=3.0) == []


def test_a_banned_device_is_hung_up_and_forgotten() -> None:
    machine = mesh()
    machine.wants([ALICE, BOB], now=0.0)
    machine.link_up(BOB, BEN, 0.0)
    assert machine.wants([ALICE], now=5.0) == [HangUp(BOB)]
    assert machine.link_down(BOB, now=5.1) == []
    assert machine.due_at(BOB) is None


def test_a_dial_that_is_no_longer_wanted_is_given_up() -> None:
    machine = mesh()
    machine.wants([ALICE], now=0.0)
    assert machine.wants([], now=1.0) == [HangUp(ALICE)]
    assert machine.failed(ALICE, now=2.0) == []


def test_a_link_that_somebody_else_dialled_and_nobody_wants_here_is_left_alone() -> None:
    machine = mesh()
    machine.link_up(BOB, BEN, 0.0)
    assert machine.wants([ALICE], now=1.0) == [Dial(ALICE)]
    assert BOB in machine.linked


def test_failures_back_off() -> None:
    machine = mesh()
    machine.wants([BOB], now=0.0)
    assert machine.failed(BOB, now=10.0) == [WakeAt(10.5)]
    assert machine.tick(now=10.4) == [WakeAt(10.5)]
    assert machine.tick(now=10.5) == [Dial(BOB)]
    assert machine.failed(BOB, now=11.0) == [WakeAt(12.0)]


def test_back_off_ends_at_five_minutes_and_never_at_nothing() -> None:
    machine = Mesh(ME, lambda: 0.999)
    machine.wants([BOB], now=0.0)
    for _ in range(30):
        machine.failed(BOB, now=0.0)
        machine._dialing.add(BOB)
    assert machine.due_at(BOB) == BACKOFF_MAX_S * 0.999
    quick = Mesh(ME, lambda: 0.0)
    quick.wants([BOB], now=0.0)
    assert quick.failed(BOB, now=0.0) == [WakeAt(BACKOFF_FLOOR_S)]


def test_a_link_that_lasted_begins_its_back_off_anew() -> None:
    machine = mesh()
    machine.wants([BOB], now=0.0)
    machine.failed(BOB, now=0.0)
    machine.link_up(BOB, BEN, 1.0)
    assert machine.link_down(BOB, now=1.0 + LINK_LASTED_S) == [WakeAt(11.5)]


def test_a_link_that_ended_at_once_or_was_of_no_use_counts_as_a_failure() -> None:
    for lasted_s, useful in ((LINK_LASTED_S - 0.1, True), (LINK_LASTED_S, False)):
        machine = mesh()
        machine.wants([BOB], now=0.0)
        machine.failed(BOB, now=0.0)
        machine.link_up(BOB, BEN, 1.0)
        assert machine.link_down(BOB, now=1.0 + lasted_s, useful=useful) == [WakeAt(1.0 + lasted_s + 1.0)]


def test_a_sighting_ends_the_waiting() -> None:
    machine = mesh()
    machine.wants([BOB], now=0.0)
    machine.failed(BOB, now=0.0)
    assert machine.sighted(BOB, now=0.1) == [Dial(BOB)]
    assert machine.failed(BOB, now=0.2) == [WakeAt(0.7)]  # the first failure again


def test_a_sighting_of_what_is_not_wanted_is_nothing() -> None:
    assert mesh().sighted(BOB, now=0.0) == []


def test_what_somebody_says_of_an_address_is_tried_once_and_ends_no_back_off() -> None:
    one = mesh()
    one.wants([device(2)], 0.0)
    for _ in range(5):
        one.failed(device(2), 0.0)
        one.tick(one.due_at(device(2)) or 0.0)
    one.failed(device(2), 100.0)
    before = one.due_at(device(2)) or 0.0
    assert before > 110.0
    assert Dial(device(2)) in one.hinted(device(2), 101.0)
    one.failed(device(2), 102.0)
    assert (one.due_at(device(2)) or 0.0) - 102.0 > before - 100.0  # twice as long as before, not as at the first time
    assert one.hinted(device(9), 103.0) == [WakeAt(one.due_at(device(2)) or 0.0)]


def test_a_change_of_the_network_ends_all_waiting() -> None:
    machine = mesh()
    machine.wants([ALICE, BOB], now=0.0)
    machine.failed(ALICE, now=0.0)
    machine.failed(BOB, now=0.0)
    assert machine.network_changed(now=0.1) == [Dial(ALICE), Dial(BOB)]


def test_an_account_is_met_by_any_of_its_devices() -> None:
    machine = mesh()
    assert machine.wants([ANN], now=0.0) == [Dial(ANN)]
    machine.link_up(ALICE, ANN, 1.0, dialled=ANN)
    assert machine.tick(now=2.0) == []
    machine.link_up(BOB, ANN, 3.0)
    assert machine.link_down(ALICE, now=4.0) == []  # the other device is still there
    assert machine.link_down(BOB, now=60.0) == [WakeAt(60.5)]


def test_a_link_with_a_device_of_a_wanted_account_is_not_hung_up() -> None:
    machine = mesh()
    machine.wants([ALICE, ANN], now=0.0)
    machine.link_up(ALICE, ANN, 1.0)
    assert machine.wants([ANN], now=2.0) == []


def test_a_stray_that_turned_out_to_be_somebody_is_not_dialled_while_the_link_stands() -> None:
    machine = mesh()
    assert machine.wants([LAN], now=0.0) == [Dial(LAN)]
    machine.link_up(ALICE, ANN, 1.0)
    machine.link_up(ALICE, ANN, 1.0, dialled=LAN)
    assert machine.tick(now=2.0) == []
    assert machine.wants([LAN, BOB], now=3.0) == [Dial(BOB)]
    assert machine.link_down(ALICE, now=30.0) == [WakeAt(30.5)]


def test_targets_beyond_the_bound_are_left_out() -> None:
    machine = mesh()
    assert len(machine.wants(map(device, range(1, MESH_TARGETS_MAX + 5)), now=0.0)) == MESH_TARGETS_MAX


def roster(size: int, *, banned: bool = False) -> Roster:
    found = Roster(1, {f"members/{ANN}.crt": b""})
    index = found._looked_at
    index.devices = {device(number): ANN for number in range(1, size + 1)}
    if banned:
        index.banned = {device(1): "devices"}
    return found


def test_up_to_128_devices_all_are_wanted() -> None:
    size = FULL_MESH_DEVICES_MAX
    assert wanted(ME, roster(size), {}) == frozenset(map(device, range(1, size + 1)))
    assert len(wanted(ME, roster(size + 1), {})) < size


def test_devices_of_those_not_joined_and_banned_devices_are_not_wanted() -> None:
    assert wanted(ME, roster(2, banned=True), {device(9): BEN}) == {device(2)}
    assert wanted(ME, roster(2), {device(9): ANN}) == {device(1), device(2), device(9)}


def test_beyond_128_devices_two_of_each_bucket_and_four_by_dice_are_wanted() -> None:
    many = roster(1_000)
    chosen = wanted(ME, many, {}, seed=b"one")
    by_bucket: dict[int, int] = {}
    for name in chosen:
        bucket = int(name, 16).bit_length()
        by_bucket[bucket] = by_bucket.get(bucket, 0) + 1
    assert len(chosen) <= MESH_PER_BUCKET * 10 + MESH_RANDOM_DEVICES
    assert all(by_bucket[bucket] >= min(MESH_PER_BUCKET, 2 ** (bucket - 1)) for bucket in range(1, 11))
    assert wanted(ME, many, {}, seed=b"one") == chosen
    assert wanted(ME, many, {}, seed=b"two") != chosen
