"""Letters judged as they come. (SCP-06 §2–§6, §9)"""

from __future__ import annotations

import pytest

from swarmchat.account import requests
from swarmchat.account.records import ConversationState, RequestKind
from swarmchat.account.state import State
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import (
    ASKS_PER_PEER_MAX,
    MAIL_AGE_MAX_S,
    MAIL_AHEAD_MAX_S,
    MAIL_SEEN_MAX,
    MAIL_SEEN_S,
    REPUTATIONS_MAX,
    REQUESTS_PER_HOUR_PER_SENDER,
)
from swarmchat.swarm.access import Access
from swarmchat.swarm.invitations import (
    Answer,
    AskFor,
    Confirm,
    Confirmed,
    Fetch,
    Known,
    Mailroom,
    Outcome,
    Sender,
    TakeBack,
    TakenUp,
    Tell,
    Turned,
    Withdrawn,
    due,
    joined,
)
from swarmchat.swarm.mail import Ask, Letter, Mail, Notice, SwarmInvite, TrustAnswer, TrustRequest, Withdrawal


def account(number: int) -> AccountId:
    return AccountId(f"{number:040x}")


def conversation(number: int) -> ConversationId:
    return ConversationId(f"{number:040x}")


ME, ANN, BEN = account(1), account(2), account(3)
HERE, PHONE = DeviceId("1" * 64), DeviceId("2" * 64)
ROOM, ADD = conversation(0xC), CommitId("a" * 40)
NOW = 1_790_000_000
FROM_ANN = Sender(ANN, PHONE)


class Desk:
    """A mailroom with its state."""

    def __init__(self) -> None:
        self.state = State()
        self.access = Access(ME, HERE, self.state)
        self.room = Mailroom(self.access)

    def take(self, mail: Mail, *, sender: Sender = FROM_ANN, written: float = 0, now: float = NOW) -> list[Outcome]:
        self.state, outcomes = self.room.receive(self.state, sender, Letter(mail, int(now + written)), now)
        self.access.state = self.state
        return outcomes

    def joined(self, *who: AccountId, invited: tuple[AccountId, ...] = ()) -> None:
        files = {f"members/{each}.crt": b"" for each in (ME, *who)} | {f"invited/{each}": b"" for each in invited}
        self.access.set_roster(ROOM, Roster(1, files))


def invite(number: int = 0xC, commit: CommitId = ADD) -> SwarmInvite:
    return SwarmInvite(conversation(number), commit, 1, "Garden", "", 2, NOW * 1000)


def test_an_invitation_becomes_a_request() -> None:
    desk = Desk()
    (told,) = desk.take(invite())
    assert isinstance(told, Tell)
    assert (told.request.offer.sender, told.request.offer.title, told.dropped) == (ANN, "Garden", ())
    assert desk.state.pending() == (told.request,)


def test_a_trust_request_becomes_a_request() -> None:
    desk = Desk()
    (told,) = desk.take(TrustRequest(ROOM, ADD, "Ann", NOW * 1000))
    assert isinstance(told, Tell)
    assert (told.request.offer.kind, told.request.offer.name) == (RequestKind.CONTACT, "Ann")


def test_what_a_contact_offers_is_taken_up_by_itself() -> None:
    desk = Desk()
    desk.state, _ = desk.state.add_contact(ANN, conversation=None, now_ms=1)
    (done,) = desk.take(TrustRequest(ROOM, ADD, "Ann", NOW * 1000))
    assert isinstance(done, TakenUp)
    assert desk.state.pending() == ()
    assert desk.state.conversations[ROOM].invited_by == ANN
    (known,) = desk.take(TrustRequest(ROOM, ADD, "Ann", NOW * 1000), now=NOW + 600)
    assert isinstance(known, Known)


def test_who_asked_takes_it_back_and_nobody_else_does() -> None:
    desk = Desk()
    desk.take(TrustRequest(ROOM, CommitId(ROOM), "Ann", NOW * 1000))
    assert desk.take(Withdrawal(ROOM), sender=Sender(BEN, DeviceId("3" * 64))) == []
    (request,) = desk.state.pending()
    assert desk.take(Withdrawal(ROOM)) == [Withdrawn(request, ROOM)]
    assert (desk.state.pending(), desk.state.declined) == ((), {})
    assert desk.take(Withdrawal(ROOM), now=NOW + 1) == []
    desk.take(invite())
    (request,) = desk.state.pending()
    assert desk.take(Withdrawal(ROOM), now=NOW + 2) == [Withdrawn(request, ROOM)], "a group is taken back as well"


def test_what_was_accepted_and_is_not_here_is_taken_back_and_nothing_else() -> None:
    desk = Desk()
    for number, mail in ((0xC, TrustRequest(ROOM, CommitId(ROOM), "Ann", NOW * 1000)), (0xD, invite(0xD))):
        desk.take(mail)
        desk.state, _ = requests.accept(desk.state, desk.state.pending()[0].id, now_ms=NOW * 1000)
        assert (
            desk.take(Withdrawal(conversation(number)), sender=Sender(BEN, DeviceId("3" * 64)), now=NOW + number) == []
        )
    assert desk.take(Withdrawal(conversation(0xD))) == [Withdrawn(None, conversation(0xD))]
    before = desk.state
    desk.joined(ANN)
    assert desk.take(Withdrawal(ROOM)) == [], "it is here: it is left by a commit"
    desk.access.drop(ROOM)
    desk.state = before
    assert desk.take(Withdrawal(ROOM), now=NOW + 5) == [Withdrawn(None, ROOM)]
    assert desk.state.conversations[ROOM].state is ConversationState.REMOVED


def test_who_takes_up_what_is_no_more_is_told_so() -> None:
    desk = Desk()
    desk.state, _ = desk.state.add_conversation(ROOM, title="", mode=0, now_ms=1)
    desk.state, _ = desk.state.remove_conversation(ROOM, now_ms=2)
    assert desk.take(TrustAnswer(ROOM)) == [TakeBack(ROOM)]
    desk.state, _ = desk.state.block(ANN, now_ms=3)
    assert desk.take(TrustAnswer(ROOM), now=NOW + 1) == []


def test_the_same_invitation_sent_again_is_nothing_new() -> None:
    desk = Desk()
    desk.take(invite())
    assert desk.take(invite(), now=NOW + 600) == []
    assert len(desk.state.pending()) == 1


@pytest.mark.parametrize(
    ("written", "taken"),
    [(-MAIL_AGE_MAX_S, True), (-MAIL_AGE_MAX_S - 1, False), (MAIL_AHEAD_MAX_S, True), (MAIL_AHEAD_MAX_S + 1, False)],
)
def test_mail_too_old_or_from_the_future_is_dropped(written: float, taken: bool) -> None:
    assert bool(Desk().take(invite(), written=written)) is taken


@pytest.mark.parametrize("ahead", [-90_000, 600, 90_000])
def test_who_lives_by_another_clock_is_heard_on_a_link(ahead: int) -> None:
    desk = Desk()
    letter = Letter(invite(), NOW + ahead)
    assert desk.room.receive(desk.state, FROM_ANN, letter, NOW)[1] == []
    assert desk.room.receive(desk.state, FROM_ANN, letter, NOW, ahead=ahead)[1] != []


def test_a_letter_is_read_once_in_48_hours() -> None:
    desk = Desk()
    desk.joined(ANN)
    letter = Letter(Ask(ROOM), NOW)
    read = [desk.room.receive(desk.state, FROM_ANN, letter, NOW + late)[1] for late in (0, 1, MAIL_AGE_MAX_S)]
    assert [bool(outcomes) for outcomes in read] == [True, False, False]
    other = desk.room.receive(desk.state, Sender(ANN, DeviceId("3" * 64)), letter, NOW)[1]
    assert other  # another device of the same account, in the same second: found by whole nodes


def test_letters_remembered_are_bounded_and_forgotten() -> None:
    desk = Desk()
    for number in range(MAIL_SEEN_MAX + 5):
        desk.take(Ask(conversation(number)))
    assert len(desk.room._seen) == MAIL_SEEN_MAX
    desk.take(Ask(ROOM), now=NOW + MAIL_SEEN_S)
    assert len(desk.room._seen) == 1


def test_a_blocked_sender_changes_nothing() -> None:
    desk = Desk()
    desk.state, _ = desk.state.block(ANN, now_ms=1)
    before = desk.state
    desk.joined(ANN)
    for mail in (invite(), TrustRequest(ROOM, ADD, "", 1), Ask(ROOM), TrustAnswer(ROOM)):
        assert desk.take(mail) == []
    assert desk.state is before


def test_one_sender_makes_at_most_ten_requests_an_hour() -> None:
    desk = Desk()
    taken = [desk.take(invite(number)) for number in range(1, REQUESTS_PER_HOUR_PER_SENDER + 2)]
    assert [bool(outcomes) for outcomes in taken] == [True] * REQUESTS_PER_HOUR_PER_SENDER + [False]


def test_what_was_declined_is_not_asked_again() -> None:
    desk = Desk()
    (told,) = desk.take(invite())
    assert isinstance(told, Tell)
    desk.state, _ = requests.decline(desk.state, told.request.id, now_ms=NOW * 1000)
    assert desk.take(invite(), now=NOW + 600) == []
    later = NOW + 86_400
    assert desk.take(invite(commit=CommitId("b" * 40)), now=later)  # invited anew, a day later


def test_an_answer_confirms_a_contact_once_and_makes_none() -> None:
    desk = Desk()
    assert desk.take(TrustAnswer(ROOM)) == []
    desk.state, _ = desk.state.add_contact(ANN, conversation=ROOM, now_ms=1)
    assert desk.take(TrustAnswer(ROOM), now=NOW + 1) == [Confirmed(ANN, ROOM)]
    assert desk.take(TrustAnswer(ROOM), now=NOW + 2) == []


def test_who_is_in_it_gets_an_invitation_when_asking_and_nobody_else() -> None:
    desk = Desk()
    desk.joined(ANN)
    assert desk.take(Ask(ROOM)) == [Answer(ROOM, FROM_ANN)]
    stranger = Sender(BEN, DeviceId("3" * 64))
    assert desk.take(Ask(ROOM), sender=stranger) == [Turned(ROOM, BEN)], (
        "he hears something only if he was invited once"
    )
    assert desk.take(Ask(conversation(9))) == []


def test_what_was_accepted_before_names_another_source() -> None:
    desk = Desk()
    (told,) = desk.take(invite())
    assert isinstance(told, Tell)
    desk.state, _ = requests.accept(desk.state, told.request.id, now_ms=NOW * 1000)
    assert desk.take(invite(), sender=Sender(BEN, PHONE), now=NOW + 1) == [
        Known(ROOM, Sender(BEN, PHONE), contact=False)
    ]


def test_an_unknown_conversation_is_asked_for_once_an_hour() -> None:
    desk = Desk()
    assert desk.room.mentioned(desk.state, FROM_ANN, ROOM, NOW) == [AskFor(ROOM, FROM_ANN)]
    assert desk.room.mentioned(desk.state, FROM_ANN, ROOM, NOW + 3_599) == []
    assert desk.room.mentioned(desk.state, FROM_ANN, ROOM, NOW + 3_600) == [AskFor(ROOM, FROM_ANN)]


def test_what_is_known_pending_or_declined_is_not_asked_for() -> None:
    desk = Desk()
    (told,) = desk.take(invite())
    assert desk.room.mentioned(desk.state, FROM_ANN, ROOM, NOW) == []
    assert isinstance(told, Tell)
    declined, _ = requests.decline(desk.state, told.request.id, now_ms=1)
    assert desk.room.mentioned(declined, FROM_ANN, ROOM, NOW) == []
    known, _ = State().add_conversation(ROOM, title="", mode=1, state=ConversationState.REMOVED, now_ms=1)
    assert desk.room.mentioned(known, FROM_ANN, ROOM, NOW) == []


def test_what_we_were_removed_from_is_asked_for_when_somebody_speaks_of_it_with_us() -> None:
    desk = Desk()
    known, _ = State().add_conversation(ROOM, title="", mode=1, now_ms=1)
    desk.access.set_roster(ROOM, Roster(1, {f"members/{ANN}.crt": b"", f"members/{ME}.crt": b""}))
    assert desk.room.mentioned(known, FROM_ANN, ROOM, NOW) == []
    desk.access.set_roster(ROOM, Roster(1, {f"members/{ANN}.crt": b""}))
    left, _ = known.remove_conversation(ROOM, now_ms=2)
    assert desk.room.mentioned(left, FROM_ANN, ROOM, NOW) == []  # that was our own will
    assert desk.room.mentioned(known, FROM_ANN, ROOM, NOW) == [AskFor(ROOM, FROM_ANN)]
    assert desk.room.mentioned(known, FROM_ANN, ROOM, NOW + 1) == []


def test_questions_to_one_device_are_bounded_and_so_are_the_devices_remembered() -> None:
    desk = Desk()
    assert not desk.room.has_asked_enough(FROM_ANN.device, NOW)
    asked = [desk.room.mentioned(desk.state, FROM_ANN, conversation(n), NOW) for n in range(ASKS_PER_PEER_MAX + 1)]
    assert desk.room.has_asked_enough(FROM_ANN.device, NOW + 3_599)
    assert not desk.room.has_asked_enough(FROM_ANN.device, NOW + 3_600)
    assert [bool(each) for each in asked] == [True] * ASKS_PER_PEER_MAX + [False]
    for number in range(REPUTATIONS_MAX + 3):
        desk.room.mentioned(desk.state, Sender(ANN, DeviceId(f"{number:064x}")), ROOM, NOW)
    assert len(desk.room._asked) == REPUTATIONS_MAX


def test_a_notice_of_ours_is_fetched_and_one_of_something_unknown_asked_for() -> None:
    desk = Desk()
    notice = Notice(ROOM, ADD, (), PHONE)
    assert desk.take(notice) == [AskFor(ROOM, FROM_ANN)]
    desk.joined(ANN)
    assert desk.take(notice, now=NOW + 1) == [Confirm(ROOM, ADD, FROM_ANN), Fetch(ROOM, (ADD,), FROM_ANN)]


def test_a_notice_of_who_is_a_stranger_about_what_is_here_may_be_that_of_one_who_left() -> None:
    desk = Desk()
    desk.joined(BEN)
    assert desk.take(Notice(ROOM, ADD, (), PHONE)) == [Confirm(ROOM, ADD, FROM_ANN)]
    desk.joined(ANN, BEN)
    assert desk.take(Notice(ROOM, ADD, (), PHONE), now=NOW + 1) == [
        Confirm(ROOM, ADD, FROM_ANN),
        Fetch(ROOM, (ADD,), FROM_ANN),
    ]


def test_a_notice_in_the_name_of_another_device_is_dropped() -> None:
    assert Desk().take(Notice(ROOM, ADD, (ADD,), HERE)) == []


def test_our_invitations_wait_until_the_other_joined() -> None:
    """RQ-22"""
    desk = Desk()
    desk.joined(invited=(ANN, BEN))
    for who in (ANN, BEN):
        desk.state, _ = desk.state.invite(who, ROOM, kind=RequestKind.GROUP, commit=ADD, now_ms=NOW * 1000)
    assert [each.account for each in due(desk.state, ANN, NOW)] == [ANN]
    assert joined(desk.state, desk.access, lambda *_: True) == (desk.state, [])
    desk.joined(ANN, invited=(BEN,))
    desk.state, over = joined(desk.state, desk.access, lambda *_: True)
    assert [each.account for each in over] == [ANN]
    assert [each.account for each in desk.state.invitations.values()] == [BEN]
