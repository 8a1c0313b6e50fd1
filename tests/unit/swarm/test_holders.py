"""Who keeps an invitation while the inviter is away: every device computes the same, and one of them acts. (SCP-05 §1.11)"""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import cast

from swarmchat.conversation.actions import Add, Join
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import HELD_PER_CONVERSATION_MAX, HOLDERS
from swarmchat.swarm.holders import held, holders, inviters, is_mine
from tests.support.swarms import account_of

WHERE = ConversationId("c" * 40)
NAMES = ("alice", "bob", "carol", "dave", "erin")
CAST = [account_of(name) for name in NAMES]
DEVICES = [account.device for account in CAST]
GUEST = AccountId("9" * 40)


def roster(*invited: AccountId, banned: tuple[DeviceId, ...] = ()) -> Roster:
    files: dict[str, bytes] = {}
    for account in CAST:
        files[f"members/{account.id}.crt"] = account.certificate.pem
        files[f"devices/{account.device}.crt"] = account.device_certificate.pem
    for guest in invited:
        files[f"invited/{guest}"] = b""
    for device in banned:
        files[f"banned/devices/{device}.crt"] = b""
    return Roster(2, files)


def test_the_holders_are_the_three_nearest_by_xor() -> None:
    place = int.from_bytes(hashlib.sha256(bytes.fromhex(WHERE) + bytes.fromhex(GUEST)).digest(), "big")
    by_distance = sorted(DEVICES, key=lambda device: int(device, 16) ^ place)
    assert holders(WHERE, GUEST, reversed(DEVICES)) == tuple(by_distance[:HOLDERS])


def test_all_devices_agree_who_holds_and_in_which_order() -> None:
    page = roster(GUEST)
    chosen = holders(WHERE, GUEST, DEVICES)
    for device in DEVICES:
        expected = {GUEST: chosen[: chosen.index(device)]} if device in chosen else {}
        assert held(device, WHERE, page) == expected


def test_a_banned_device_holds_nothing() -> None:
    first, *_ = holders(WHERE, GUEST, DEVICES)
    left = [device for device in DEVICES if device != first]
    page = roster(GUEST, banned=(first,))
    assert held(first, WHERE, page) == {}
    assert held(holders(WHERE, GUEST, left)[0], WHERE, page) == {GUEST: ()}


def test_nobody_holds_for_who_is_not_invited_any_more() -> None:
    assert held(DEVICES[0], WHERE, roster()) == {}


def test_a_device_holds_so_many_and_no_more() -> None:
    guests = [AccountId(f"{number:040x}") for number in range(5 * HELD_PER_CONVERSATION_MAX)]
    page = roster(*guests)
    assert all(len(held(device, WHERE, page)) <= HELD_PER_CONVERSATION_MAX for device in DEVICES)


def test_who_has_no_account_takes_nobodys_place() -> None:
    foreign = frozenset(AccountId(f"{number:040x}") for number in range(5 * HELD_PER_CONVERSATION_MAX))
    page, alone = roster(GUEST, *foreign), roster(GUEST)
    for device in DEVICES:
        assert held(device, WHERE, page, foreign) == held(device, WHERE, alone)


def test_it_is_ones_turn_when_nobody_before_is_linked() -> None:
    near, inviter = (DeviceId("1" * 64),), (DeviceId("2" * 64),)
    assert is_mine(near, inviter, ())
    assert is_mine(near, inviter, {DeviceId("3" * 64)})
    assert not is_mine(near, inviter, set(near))
    assert not is_mine(near, inviter, set(inviter))


def entry(action: object | None, number: int) -> Entry:
    control = None if action is None else SimpleNamespace(action=action)
    return cast(Entry, SimpleNamespace(fact=SimpleNamespace(control=control), seq=number))


def test_the_inviter_is_who_added_last() -> None:
    other = AccountId("8" * 40)
    controls = [
        entry(Add(GUEST), 0),
        entry(Add(other), 1),
        entry(Join(GUEST), 2),
        entry(Add(GUEST), 3),
        entry(Join(GUEST), 4),
        entry(None, 5),
        entry(Add(AccountId("7" * 40)), 6),
    ]
    found = inviters(controls, {GUEST, other})
    assert {account: each.seq for account, each in found.items()} == {GUEST: 3, other: 1}
    assert inviters(controls, {AccountId("6" * 40)}) == {}
    assert inviters(controls, set()) == {}


def test_who_only_is_invited_or_has_gone_holds_nothing() -> None:
    stranger = account_of("frank")
    page = roster(GUEST)
    files = {path: page.files[path] for path in page}
    files[f"devices/{stranger.device}.crt"] = stranger.device_certificate.pem
    with_stranger = Roster(2, files)
    assert held(stranger.device, WHERE, with_stranger) == {}
    for device in DEVICES:
        assert held(device, WHERE, with_stranger) == held(device, WHERE, page)
