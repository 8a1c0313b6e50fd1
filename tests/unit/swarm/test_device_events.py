"""What is told of own devices. (SCP-08 §3.3)"""

from __future__ import annotations

from dataclasses import replace

from swarmchat.account.records import OwnDevice
from swarmchat.ids import DeviceId
from swarmchat.swarm.events import DeviceChanged, of_devices
from tests.support.accounts import device

THIS, OTHER = device(1), device(2)
DESK, LAPTOP = OwnDevice(THIS, "desk", 1), OwnDevice(OTHER, "laptop", 2)


def known(*devices: OwnDevice) -> dict[DeviceId, OwnDevice]:
    return {one.id: one for one in devices}


def test_a_new_device_is_told_of_and_this_one_is_not() -> None:
    assert of_devices({}, known(DESK, LAPTOP), THIS) == [DeviceChanged(OTHER, "laptop", "linked")]


def test_a_name_and_a_revocation_are_told_of_this_one_too() -> None:
    before = known(DESK, LAPTOP)
    assert of_devices(before, known(replace(DESK, name="table"), LAPTOP), THIS) == [
        DeviceChanged(THIS, "table", "linked")
    ]
    gone = known(DESK, replace(LAPTOP, revoked_ms=5))
    assert of_devices(before, gone, THIS) == [DeviceChanged(OTHER, "laptop", "revoked")]
    assert of_devices(gone, known(DESK, replace(LAPTOP, revoked_ms=9)), THIS) == []


def test_what_nobody_sees_is_not_told_of() -> None:
    before = known(DESK, LAPTOP)
    assert of_devices(before, before, THIS) == []
    assert of_devices(before, known(DESK, replace(LAPTOP, may_link=True, added_ms=7)), THIS) == []
