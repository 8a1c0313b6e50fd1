"""Who is what to us, and may open which channel. (SCP-03 §2b)"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from swarmchat.account.records import ConversationState, RequestKind
from swarmchat.account.state import State
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.tree import Mode
from swarmchat.crypto.revocation import RevocationList, device_prefix, issue_revocations
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId, raw
from swarmchat.links.link import Link
from swarmchat.links.peers import LinkClass, Peer
from swarmchat.swarm.access import Access, candidates
from tests.support.builders import NOW, person


def account(number: int) -> AccountId:
    return AccountId(f"{number:040x}")


def device(number: int) -> DeviceId:
    return DeviceId(f"{number:064x}")


ME, ANN, BEN, CAT, DAN = map(account, range(1, 6))
HERE, PHONE = device(1), device(9)
ROOM, OTHER = ConversationId("c" * 40), ConversationId("d" * 40)


def roster(
    *,
    mode: Mode = 1,
    joined: tuple[AccountId, ...] = (ME, ANN),
    invited: tuple[AccountId, ...] = (),
    banned: tuple[AccountId, ...] = (),
    banned_devices: tuple[DeviceId, ...] = (),
) -> Roster:
    files = {f"members/{who}.crt": b"" for who in joined}
    files |= {f"invited/{who}": b"" for who in invited}
    files |= {f"banned/members/{who}.crt": b"" for who in banned}
    files |= {f"banned/devices/{name}.crt": b"" for name in banned_devices}
    return Roster(mode, files)


def access(state: State | None = None, **rosters: Roster) -> Access:
    found = Access(ME, HERE, state or State())
    if "room" in rosters:
        found.set_roster(ROOM, rosters["room"])
    if "other" in rosters:
        found.set_roster(OTHER, rosters["other"])
    return found


def opening(channel: str, conversation: ConversationId | None = None) -> dict[str, Any]:
    return {"c": channel, "v": 1} | ({} if conversation is None else {"id": raw(conversation)})


def peer(who: AccountId, name: DeviceId = PHONE) -> Peer:
    return cast(Peer, SimpleNamespace(account=who, device=name))


def link(who: AccountId, name: DeviceId = PHONE) -> Link:
    return cast(Link, SimpleNamespace(peer=peer(who, name)))


def contact_of(who: AccountId, *, blocked: bool = False) -> State:
    state, _ = State().add_contact(who, conversation=None, now_ms=1)
    return state.block(who, now_ms=2)[0] if blocked else state


def test_the_classes_from_the_highest_to_the_lowest() -> None:
    found = access(contact_of(CAT), room=roster(joined=(ME, ANN), invited=(BEN,)))
    assert found.standing(ME, device(2)) is LinkClass.OWN
    assert found.standing(ANN, device(9)) is LinkClass.MEMBER
    assert found.standing(BEN, device(9)) is LinkClass.INVITEE
    assert found.standing(CAT, device(9)) is LinkClass.CONTACT
    assert found.standing(DAN, device(9)) is LinkClass.STRANGER


def test_the_highest_class_that_fits_counts() -> None:
    found = access(contact_of(ANN), room=roster(invited=(ANN,), joined=(ME,)), other=roster(joined=(ME, ANN)))
    assert found.standing(ANN, device(9)) is LinkClass.MEMBER


def test_who_is_banned_in_one_conversation_is_member_by_another() -> None:
    found = access(room=roster(joined=(ME,), banned=(ANN,)), other=roster(joined=(ME, ANN)))
    assert found.classify(peer(ANN)) is LinkClass.MEMBER
    assert not found.is_common(ANN, device(9), ROOM)
    assert found.is_common(ANN, device(9), OTHER)


def test_who_is_banned_and_nothing_else_gets_no_link() -> None:
    found = access(room=roster(joined=(ME,), banned=(ANN,)))
    assert found.standing(ANN, device(9)) is LinkClass.STRANGER
    assert found.classify(peer(ANN)) is None
    assert found.classify(peer(DAN)) is LinkClass.STRANGER


def test_a_banned_device_is_refused_and_the_other_devices_of_its_account_are_not() -> None:
    """BS-01"""
    found = access(room=roster(banned_devices=(device(7),)))
    assert found.classify(peer(ANN, device(7))) is None
    assert found.classify(peer(ANN, device(8))) is LinkClass.MEMBER
    assert not found.may_pull(ANN, device(7), ROOM)


def test_who_is_blocked_sees_what_a_stranger_sees() -> None:
    """T-02"""
    found = access(contact_of(ANN, blocked=True), room=roster())
    assert found.classify(peer(ANN)) is LinkClass.STRANGER
    for channel in ("sync", "pack", "invite", "file"):
        mine = found.may_open(link(ANN), opening(channel, ROOM))
        assert mine == access(room=roster(joined=(ME,))).may_open(link(DAN), opening(channel, ROOM))


@pytest.mark.parametrize(
    ("who", "channel", "where", "answer"),
    [
        (ANN, "sync", None, None),
        (BEN, "sync", None, None),
        (CAT, "sync", None, None),
        (DAN, "sync", None, "forbidden"),
        (CAT, "mvds", None, None),
        (DAN, "mvds", None, "forbidden"),
        (DAN, "invite", None, None),
        (ANN, "pack", ROOM, None),
        (BEN, "pack", ROOM, None),
        (CAT, "pack", ROOM, "unknown-conversation"),
        (DAN, "pack", ROOM, "unknown-conversation"),
        (ANN, "pack", OTHER, "unknown-conversation"),
        (ANN, "pack", None, "bad-message"),
        (ANN, "file", ROOM, "unknown-channel"),
        (ANN, "pairing", None, "unknown-channel"),
        (ANN, "wave", None, "unknown-channel"),
    ],
)
def test_the_table_of_channels(who: AccountId, channel: str, where: ConversationId | None, answer: str | None) -> None:
    found = access(contact_of(CAT), room=roster(invited=(BEN,)))
    assert found.may_open(link(who), opening(channel, where)) == answer


def test_an_opening_whose_id_is_none_is_refused() -> None:
    assert access(room=roster()).may_open(link(ANN), {"c": "pack", "v": 1, "id": 7}) == "bad-message"


def test_a_public_history_is_given_to_everybody_but_the_banned() -> None:
    found = access(contact_of(CAT, blocked=True), room=roster(mode=3, banned=(BEN,)))
    assert found.may_open(link(DAN), opening("pack", ROOM)) is None
    assert found.may_open(link(CAT), opening("pack", ROOM)) is None
    assert found.may_open(link(BEN), opening("pack", ROOM)) == "unknown-conversation"
    assert found.may_open(link(DAN), opening("sync")) == "forbidden"


def test_only_common_conversations_are_spoken_of() -> None:
    """BS-02"""
    found = access(room=roster(invited=(BEN,)), other=roster(joined=(ME,)))
    assert found.common(ANN, device(9)) == (ROOM,)
    assert found.common(BEN, device(9)) == (ROOM,)
    assert found.common(ME, device(2)) == (ROOM, OTHER)
    assert found.common(DAN, device(9)) == ()


def test_a_conversation_that_banned_us_is_spoken_of_with_nobody() -> None:
    found = access(room=roster(joined=(ANN,), banned=(ME,)))
    assert found.common(ANN, device(9)) == ()
    assert not found.is_ours(ROOM)
    assert found.classify(peer(ANN)) is LinkClass.STRANGER


def test_what_was_accepted_is_fetched_from_its_sources() -> None:
    """RQ-23"""
    state, _ = State().add_conversation(
        ROOM, title="", mode=1, state=ConversationState.SYNCING, invited_by=ANN, members=[BEN], now_ms=1
    )
    found = access(state)
    found.set_sources(ROOM, candidates(state.conversations[ROOM]))
    assert found.standing(ANN, device(9)) is LinkClass.INVITEE
    assert found.standing(BEN, device(9)) is LinkClass.INVITEE
    assert found.common(ANN, device(9)) == (ROOM,)
    assert not found.may_pull(ANN, device(9), ROOM)  # there is nothing to be had here
    found.add_source(ROOM, CAT)
    assert found.is_common(CAT, device(9), ROOM)
    found.add_source(OTHER, DAN)
    assert found.standing(DAN, device(9)) is LinkClass.STRANGER
    found.clear_sources(ROOM)
    assert found.standing(ANN, device(9)) is LinkClass.STRANGER


def test_what_we_left_is_still_handed_over() -> None:
    state, _ = State().add_conversation(ROOM, title="", mode=1, now_ms=1)
    state, _ = state.remove_conversation(ROOM, now_ms=2)
    found = access(state, room=roster(joined=(ANN,)))
    assert found.standing(ANN, device(9)) is LinkClass.MEMBER
    assert found.may_pull(ANN, device(9), ROOM)
    found.drop(ROOM)
    assert found.standing(ANN, device(9)) is LinkClass.STRANGER


def test_who_left_is_heard_out_before_its_links_go() -> None:
    found = access(room=roster(joined=(ME,)))
    found.part(ANN, over=False)
    assert found.is_in_step(ANN, device(9))
    assert not found.is_common(ANN, device(9), ROOM)
    found.part(ANN, over=True)
    assert not found.is_in_step(ANN, device(9))


def test_who_goes_from_two_conversations_is_let_go_after_both() -> None:
    found = access()
    found.part(ANN, over=False)
    found.part(ANN, over=False)
    found.part(ANN, over=True)
    assert found.is_parting(ANN)
    assert found.standing(ANN, device(9)) is LinkClass.INVITEE
    found.part(ANN, over=True)
    assert not found.is_parting(ANN)
    assert found.standing(ANN, device(9)) is LinkClass.STRANGER


def test_who_is_parting_and_blocked_is_a_stranger() -> None:
    found = access(contact_of(ANN, blocked=True))
    found.part(ANN, over=False)
    assert found.standing(ANN, device(9)) is LinkClass.STRANGER


def test_those_whom_we_removed_when_we_dissolved_the_group_fetch_the_rest_until_they_have_it() -> None:
    found = access(room=roster(joined=()))
    assert not found.is_ours(ROOM)
    found.set_heirs(ROOM, {device(9): ANN})
    assert found.is_ours(ROOM)
    assert found.standing(ANN, device(8)) is LinkClass.INVITEE  # also on a device that was not known
    assert found.common(ANN, device(8)) == (ROOM,)
    assert found.may_pull(ANN, device(8), ROOM)
    assert not found.may_pull(BEN, device(8), ROOM)
    assert not found.is_member(ANN, ROOM)
    found.state = contact_of(ANN, blocked=True)
    assert not found.may_pull(ANN, device(8), ROOM)
    found.state = State()
    found.set_heirs(ROOM, {})
    assert found.is_ours(ROOM)
    assert found.standing(ANN, device(8)) is LinkClass.STRANGER
    assert not found.may_pull(ANN, device(8), ROOM)
    found.set_heirs(ROOM, None)
    assert not found.is_ours(ROOM)
    found.set_heirs(ROOM, {device(9): ANN})
    found.drop(ROOM)
    assert found.heirs == {}
    assert found.common(ANN, device(8)) == ()


def test_a_banned_heir_fetches_nothing() -> None:
    found = access(room=roster(joined=(), banned=(ANN,)))
    found.set_heirs(ROOM, {device(9): ANN})
    assert not found.may_pull(ANN, device(9), ROOM)
    assert not found.is_common(ANN, device(9), ROOM)


def test_only_what_changes_who_may_do_what_is_a_change() -> None:
    found = access(room=roster())
    assert not found.set_roster(ROOM, roster())
    assert not found.set_roster(ROOM, roster().with_changes({"profile.vcf": b"x"}))
    assert found.set_roster(ROOM, roster(joined=(ME, ANN, BEN)))
    assert found.standing(BEN, device(9)) is LinkClass.MEMBER
    assert found.set_roster(ROOM, roster(joined=(ME,)))
    assert found.standing(BEN, device(9)) is LinkClass.STRANGER


def test_an_invitation_is_given_to_the_joined_and_invited_who_ask() -> None:
    """BS-02"""
    found = access(room=roster(invited=(BEN,)))
    assert found.may_ask(ANN, ROOM)
    assert found.may_ask(BEN, ROOM)
    assert not found.may_ask(DAN, ROOM)
    assert not found.may_ask(ANN, OTHER)


def test_a_revocation_list_in_a_roster_counts_on_every_link() -> None:
    ann = person("ann")
    revoked = issue_revocations(ann.account_key, ann.certificate, [device_prefix(PHONE)], number=1, now=NOW)
    here = Roster(1, {f"members/{ann.id}.crt": ann.certificate.pem})
    found = access(room=here)
    assert device_prefix(PHONE) not in found.revoked(ann.id)
    assert found.set_roster(ROOM, here.with_changes({f"CRLs/{ann.id}": revoked.der}))
    assert device_prefix(PHONE) in found.revoked(ann.id)
    found.drop(ROOM)
    assert device_prefix(PHONE) in found.revoked(ann.id)  # for ever


def test_a_list_that_its_account_did_not_sign_revokes_nothing() -> None:
    ann, ben = person("ann"), person("ben")
    forged = issue_revocations(ben.account_key, ben.certificate, [device_prefix(PHONE)], number=1, now=NOW)
    files = {f"members/{ann.id}.crt": ann.certificate.pem, f"CRLs/{ann.id}": forged.der}
    assert device_prefix(PHONE) not in access(room=Roster(1, files)).revoked(ann.id)


def test_our_own_revocations_count_at_once() -> None:
    found = access(room=roster())
    found.own_list(frozenset({b"x" * 16}), is_revoked=False)
    assert b"x" * 16 in found.revoked(ME)
    assert b"x" * 16 not in found.revoked(ANN)


def test_where_we_are_is_told_to_who_is_joined_or_invited_where_we_are_joined() -> None:
    found = access(room=roster(joined=(ME, ANN), invited=(BEN,), banned=(CAT,), banned_devices=(PHONE,)))
    assert found.may_locate(ANN, device(2))
    assert found.may_locate(BEN, device(2))
    assert not found.may_locate(ANN, PHONE)
    assert not found.may_locate(CAT, device(2))
    assert not found.may_locate(DAN, device(2))


def test_where_we_are_is_no_business_of_a_room_in_which_we_are_only_invited() -> None:
    found = access(room=roster(joined=(ANN,), invited=(ME,)))
    assert not found.may_locate(ANN, PHONE)


def test_where_we_are_is_told_to_whom_an_accepted_conversation_is_cloned_from() -> None:
    found = access()
    found.set_sources(ROOM, [ANN])
    assert found.expected == (ROOM,)
    assert found.sources_of(ROOM) == {ANN}
    assert found.may_locate(ANN, PHONE)
    assert not found.may_locate(BEN, PHONE)
    found.clear_sources(ROOM)
    assert not found.may_locate(ANN, PHONE)
    assert (found.expected, found.sources_of(ROOM)) == ((), frozenset())


def test_where_we_are_is_never_told_to_who_is_blocked() -> None:
    found = access(contact_of(ANN, blocked=True), room=roster(joined=(ME, ANN)))
    found.set_sources(OTHER, [ANN])
    assert not found.may_locate(ANN, PHONE)


def test_a_revocation_list_read_elsewhere_counts_beside_those_of_the_rosters() -> None:
    found = access()
    ann = person("ann")

    def listed(number: int, *devices: DeviceId) -> RevocationList:
        prefixes = [device_prefix(device) for device in devices]
        return issue_revocations(ann.account_key, ann.certificate, prefixes, number=number, now=NOW)

    other = DeviceId("f" * 64)
    assert not found.note_revoked(listed(1))
    assert found.note_revoked(listed(2, PHONE))
    assert not found.note_revoked(listed(3, PHONE))
    assert found.note_revoked(listed(4, other))
    assert all(device_prefix(name) in found.revoked(ann.id) for name in (PHONE, other))
    assert device_prefix(PHONE) not in found.revoked(BEN)


def test_it_makes_sense_to_ask_who_is_joined_where_we_are_of_it_and_no_longer_when_we_went() -> None:
    found = access(room=roster(joined=(ME, ANN), invited=(BEN,)))
    assert [found.is_located_by(who) for who in (ME, ANN, BEN, CAT)] == [True, True, False, False]
    found.set_roster(ROOM, roster(joined=(ANN,), invited=(ME,)))
    assert found.is_located_by(ANN)
    found.set_roster(ROOM, roster(joined=(ANN,)))
    assert not found.is_located_by(ANN)
    found.set_sources(OTHER, [CAT])
    assert found.is_located_by(CAT)


def test_it_makes_sense_to_ask_contacts_and_whom_we_have_invited() -> None:
    state, _ = contact_of(CAT).invite(DAN, ROOM, kind=RequestKind.GROUP, commit=CommitId("a" * 40), now_ms=1)
    found = access(state)
    assert [found.is_located_by(who) for who in (CAT, DAN, ANN)] == [True, True, False]


def test_the_device_that_is_being_linked_has_a_class_of_its_own_and_may_open_nothing() -> None:
    found = access(contact_of(CAT), room=roster(joined=(ME, ANN)))
    found.pairing = device(7)
    assert found.classify(peer(DAN, device(7))) is LinkClass.PAIRING
    for channel in ("sync", "pack", "invite", "device", "pairing", "file"):
        assert found.may_open(link(DAN, device(7)), opening(channel, ROOM)) == "forbidden"
    assert not found.is_in_step(DAN, device(7))
    assert found.classify(peer(DAN, device(8))) is LinkClass.STRANGER
    assert found.may_open(link(DAN, device(8)), opening("invite")) is None


def test_whoever_is_more_than_a_stranger_stays_what_he_is_though_a_code_names_his_device() -> None:
    found = access(contact_of(CAT), room=roster(joined=(ME, ANN)))
    for who, what in ((ANN, LinkClass.MEMBER), (CAT, LinkClass.CONTACT), (ME, LinkClass.OWN)):
        found.pairing = device(7)
        assert found.classify(peer(who, device(7))) is what
        assert found.may_open(link(who, device(7)), opening("sync")) is None
