"""Devices that are banned by the group or revoked by their owner. (SCP-02 §4, §5.6, §6.4)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.conversation.actions import Add, Leave, Post, UpdateDevice
from swarmchat.conversation.rejection import Reason
from tests.support.builders import ALICE, BOB, CAROL, DAVE, DAY, EVE, NOW
from tests.support.partitions import everywhere, found, says

LAPTOP, PHONE = DAVE, DAVE.on(2)


def test_a_banned_device_is_out_and_the_other_of_its_owner_goes_on(tmp_path: Path) -> None:
    """BS-01"""
    founded = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE], mode=2)
    founded.say(PHONE, "from my phone")
    north, south = founded.forks("north", "south")
    ban = north.ban(PHONE.device, ALICE, BOB)
    stolen = south.write(PHONE, Add(EVE.id))
    unseen = south.say(PHONE, "give me your money")
    mine = south.say(LAPTOP, "my phone was stolen", at=founded.log.heads[0])
    after = everywhere(north, south)
    named = f"device {PHONE.device[:12]} of dave"
    assert after.log.roster.banned == {PHONE.device: "devices"}
    assert after.log.roster.devices_of(DAVE.id) == (LAPTOP.device,)
    assert after.log.roster.is_joined(DAVE.id)
    assert not after.log.roster.is_invited(EVE.id)
    assert after.hidden == {stolen, unseen}
    says(after.told(ban), "in force", None, f"bob banned {named}, with the votes of alice, bob (2 of 3 admins)")
    says(
        after.told(stolen),
        "void",
        "SCP-02 §6.4 (d)",
        "dave invited",
        f"{named} was banned at the same time, and that ban counts",
        f"because of {ban[:12]}: bob banned {named}",
    )
    says(
        after.told(unseen),
        "hidden",
        "SCP-02 §8.2",
        f"at the same time {ban[:12]}: bob banned {named}",
        "it is not shown",
    )
    says(after.told(mine), "none", None, "dave wrote a message")
    after.refuses(Reason.BANNED, PHONE, Post("hello?"))
    brought = {f"devices/{PHONE.device}.crt": PHONE.device_certificate.pem}
    sent = after.receives(PHONE, Post("hello?"), parent=ban, changes=brought)
    says(
        after.told(sent), "refused", "SCP-02 §4.3", "refused (banned at banned/devices/", "the writing device is banned"
    )
    unban = after.unban(PHONE.device, ALICE, CAROL)
    assert not after.log.roster.banned
    assert after.log.roster.devices_of(DAVE.id) == tuple(sorted((LAPTOP.device, PHONE.device)))
    after.say(PHONE, "found it again")
    says(
        everywhere(after, north).told(unban),
        "in force",
        None,
        f"carol unbanned {named}, with the votes of alice, carol",
    )


def test_the_first_word_of_a_new_device_may_be_a_vote(tmp_path: Path) -> None:
    """ME-37: a device that never wrote bans an invitation; who was away takes it from another."""
    founded = found(tmp_path, DAVE, members=[BOB])
    founded.write(LAPTOP, Add(EVE.id))
    north, south = founded.forks("north", "south")
    before = len(north.log.history)
    ban = north.ban(EVE.id, PHONE)
    assert len(north.log.history) == before + 2
    south.say(BOB, "I was away")
    after = everywhere(north, south)
    assert after.log.roster.banned == {EVE.id: "invited"}
    assert after.log.roster.devices_of(DAVE.id) == tuple(sorted((LAPTOP.device, PHONE.device)))
    says(after.told(ban), "in force", None, "dave banned", "with the votes of dave (1 of 1 admins)")


def test_a_leave_from_a_device_that_is_banned_beside_it_takes_nobody_along(tmp_path: Path) -> None:
    founded = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    founded.say(PHONE, "from my phone")
    north, south = founded.forks("north", "south")
    ban = north.ban(PHONE.device, ALICE, BOB)
    leave = south.write(PHONE, Leave(DAVE.id))
    after = everywhere(north, south)
    assert after.log.roster.is_joined(DAVE.id)
    says(
        after.told(leave),
        "without effect",
        "SCP-02 §6.4 (e)",
        f"device {PHONE.device[:12]} of dave is banned by the time its turn comes",
        f"because of {ban[:12]}: bob banned device {PHONE.device[:12]} of dave",
    )


def test_what_a_revoked_device_writes_later_is_refused_and_what_it_wrote_earlier_stands(tmp_path: Path) -> None:
    side = found(tmp_path, ALICE, BOB, members=[DAVE])
    earlier = side.say(PHONE, "from my phone")
    copy = side.fork("copy")
    revocation = side.write(LAPTOP, UpdateDevice(), revocations=DAVE.revoking(PHONE))
    refusal = side.refuses(Reason.BAD_CHAIN, PHONE, Post("it still works"))
    assert (refusal.rule, refusal.detail) == ("SCP-02 §4.2", "from the device to its account: revoked")
    sent = side.receives(PHONE, Post("it still works"))
    child = side.receives(BOB, Post("an answer"), parent=sent)
    beside = copy.say(PHONE, "I do not know yet")
    after = everywhere(side, copy)
    assert after.hidden == {beside}
    says(after.told(earlier), "in force", None, "dave wrote a message and brought a device or a certificate with it")
    says(after.told(revocation), "in force", None, "dave renewed certificates or revocations")
    says(after.told(beside), "hidden", "SCP-02 §8.2", "nobody else had seen it before that revocation")
    says(
        side.told(sent),
        "refused",
        "SCP-02 §4.2",
        f"refused (bad-chain at devices/{PHONE.device}.crt): from the device to its account: revoked",
        "nothing of it was kept",
    )
    says(side.told(child), "refused", "SCP-02 §7.2", f"built on {sent[:12]}, which was refused")
    after.refuses(Reason.BAD_CHAIN, PHONE, Post("now I know"))
    after.say(LAPTOP, "and I go on")


def test_a_device_that_is_revoked_beside_its_first_message_does_not_enter(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, members=[DAVE]).forks("north", "south")
    revocation = north.write(LAPTOP, UpdateDevice(), revocations=DAVE.revoking(PHONE))
    first = south.say(PHONE, "hello from my new phone")
    after = everywhere(north, south)
    assert after.log.roster.devices_of(DAVE.id) == (LAPTOP.device,)
    says(
        after.told(first),
        "without effect",
        "SCP-02 §6.4 (e)",
        "dave wrote a message and brought a device or a certificate with it",
        "dave revoked the device it brought at the same time, so that does not enter",
        f"because of {revocation[:12]}: dave renewed certificates or revocations",
    )
    assert after.hidden == {first}  # nobody else had seen it: it may be new and dated back
    after.refuses(Reason.BAD_CHAIN, PHONE, Post("again"))


def test_two_lists_beside_each_other_revoke_the_devices_of_both(tmp_path: Path) -> None:
    founded = found(tmp_path, ALICE, BOB, members=[DAVE])
    tablet = DAVE.on(3)
    founded.say(PHONE, "phone")
    founded.say(tablet, "tablet")
    north, south = founded.forks("north", "south")
    north.write(LAPTOP, UpdateDevice(), revocations=DAVE.revoking(PHONE))
    south.write(LAPTOP, UpdateDevice(), revocations=DAVE.revoking(tablet))
    after = everywhere(north, south)
    for revoked in (PHONE, tablet):
        after.refuses(Reason.BAD_CHAIN, revoked, Post("still here"))


def test_a_renewed_certificate_stands_on_all_nodes_and_of_two_the_later(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, members=[DAVE]).forks("north", "south")
    sooner, later = DAVE.renewed(account=True), DAVE.renewed(now=NOW + 2 * DAY, account=True)
    north.write(sooner, UpdateDevice())
    south.write(later, UpdateDevice(), now=NOW + 2 * DAY)
    after = everywhere(north, south)
    assert after.log.roster.certificate(DAVE.id) == later.certificate.pem
    assert after.log.roster.files[f"devices/{DAVE.device}.crt"] == later.device_certificate.pem
