import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.conversation import profile as profiles
from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Action,
    Add,
    Demote,
    Edit,
    FileOffer,
    FileWithdrawal,
    Initial,
    Kick,
    Other,
    Post,
    Promote,
    React,
    UpdateProfile,
)
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes, streams
from swarmchat.gateways.status.importing import plan
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.sayings import Sayings
from swarmchat.gateways.status.steps import Fate, Here, Placed, Plan, Step, Why
from swarmchat.gateways.status.wire import ContentType, EventType
from swarmchat.gateways.status.words import entity_of
from swarmchat.ids import AccountId, CommitId, DeviceId
from tests.support.status_streams import ANN, BEGAN_MS, BEN, CAT, PNG, Group, lively

NOW_MS = BEGAN_MS + 3_600_000
ME = Author(AccountId("a" * 40), DeviceId("d" * 64), b"mine", b"device")
OTHER = AccountId("b" * 40)
MINE = Secret(bytes(range(1, 33)))


def _planned(group: Group, here: Here | None = None, *, own: Secret | None = MINE, now_ms: int = NOW_MS) -> Plan:
    wrappers = streams.split(group.file())
    assert not isinstance(wrappers, Refused)
    stream = streams.read(wrappers, now_ms)
    assert not isinstance(stream, Refused), stream
    found = plan(stream, here, ME, None if own is None else own.public, now_ms)
    assert not isinstance(found, Refused), found
    return found


def _founded(*members: Secret) -> Group:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats", color="#FE8F59")
    if members:
        group.does(ANN, EventType.MEMBERS_ADDED, *(one.public for one in members))
    return group


def _roster(
    *, admins: Iterable[str] = (ME.account,), members: Iterable[str] = (), invited: Iterable[str] = ()
) -> Roster:
    files = {tree.admin(AccountId(one)): b"x" for one in admins}
    files |= {tree.member(AccountId(one)): b"x" for one in members}
    files |= {tree.invited(AccountId(one)): b"" for one in invited}
    return Roster(2, files)


def _here(group: Group, roster: Roster, *, account: AccountId = ME.account, **more: Any) -> Here:
    """As it is after all of a group was imported by that account."""
    placed = []
    for number, envelope in enumerate(group.said):
        entity = entity_of(envelope.message)
        assert entity is not None
        placed.append(Placed(Said(envelope, entity), CommitId(f"{number:040x}"), account))
    fields: dict[str, Any] = {
        "events": tuple(group.events),
        "said": tuple(placed),
        "ever": frozenset({*roster.joined, *roster.invited}),
        "is_open": True,
        **more,
    }
    return Here(roster, **fields)


def _actions(found: Plan) -> list[Action]:
    return [step.action for step in found.steps]


def _reasons(found: Plan) -> list[tuple[str, Fate, str]]:
    return [(row.what, row.fate, row.reason) for row in found.rows]


def _last(found: Plan) -> Step:
    return found.steps[-1]


# --- a chat that is new here


def test_a_new_chat_is_a_conversation_in_which_any_member_may_add() -> None:
    group = _founded()
    root, binding, profile = _planned(group).steps
    assert isinstance(root.action, Initial)
    assert root.action.mode == 2
    assert root.status == {"chat": group.id, "events": [notes.encoded(group.events[0].raw)]}
    assert binding.action == Other(BINDING)
    assert binding.binds
    assert profile.action == UpdateProfile()
    assert profile.status == {"of": group.events[0].id}
    assert profiles.parse(profile.profile or b"") == profiles.Profile(title="Boats", color="#fe8f59")


def test_a_chat_without_name_and_colour_has_no_profile() -> None:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED)
    assert [type(one) for one in _actions(_planned(group))] == [Initial, Other]


def test_a_name_that_the_profile_cannot_hold_is_told_and_the_colour_is_taken() -> None:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="x" * 129, color="#7cda00")
    found = _planned(group)
    assert profiles.parse(_last(found).profile or b"") == profiles.Profile(color="#7cda00")
    assert _reasons(found) == [("CHAT_CREATED", Fate.KEPT, Why.BAD_PROFILE)]


def test_each_new_member_is_an_invitation_and_the_first_carries_the_event() -> None:
    group = _founded(BEN, CAT)
    first, second = _planned(group).steps[-2:]
    assert (first.action, second.action) == (Add(BEN.public.uri), Add(CAT.public.uri))
    assert first.status == {"events": [notes.encoded(group.events[1].raw)]}
    assert second.status == {"of": group.events[1].id}


def test_every_kind_of_event_and_saying_has_its_commit() -> None:
    found = _planned(lively())
    assert [type(one).__name__ for one in _actions(found)] == [
        "Initial",
        "Other",
        "UpdateProfile",
        "Add",
        "Add",
        "Other",
        "Post",
        "Post",
        "UpdateProfile",
        "UpdateProfile",
        "UpdateProfile",
        "Other",
        "React",
        "React",
        "Edit",
        "Edit",
        "Post",
        "Edit",
        "FileOffer",
        "Post",
        "Kick",
        "Add",
        "Kick",
        "Other",
        "Post",
    ]
    assert _reasons(found) == [
        ("MEMBER_JOINED", Fate.KEPT, Why.NOTHING_CHANGES),
        ("ADMINS_ADDED", Fate.KEPT, Why.FOREIGN_ADMIN),
        ("ADMIN_REMOVED", Fate.KEPT, Why.FOREIGN_ADMIN),
    ]


def test_events_that_make_no_chat_are_refused() -> None:
    group = Group()
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    wrappers = streams.split(group.update().raw)
    assert not isinstance(wrappers, Refused)
    stream = streams.read(wrappers, NOW_MS)
    assert not isinstance(stream, Refused)
    assert plan(stream, None, ME, None, NOW_MS) == Refused("not-created")


# --- what is here already


def test_a_second_import_writes_nothing() -> None:
    group = lively()
    found = _planned(group, _here(group, _roster(invited=[BEN.public.uri])))
    assert not found.steps
    assert found.known == len(group.events) + len(group.said)
    assert not found.rows


def test_an_import_that_ended_after_the_root_goes_on() -> None:
    group = _founded(BEN)
    here = Here(_roster(), (group.events[0],), imported=frozenset({group.events[0].id}))
    assert [type(one) for one in _actions(_planned(group, here))] == [Other, UpdateProfile, Add]


def test_an_import_that_ended_between_the_commits_of_one_event_goes_on() -> None:
    group = _founded(BEN, CAT)
    roster = _roster(invited=[BEN.public.uri])
    here = _here(group, roster, imported=frozenset({one.id for one in group.events}))
    assert Add(CAT.public.uri) in _actions(_planned(group, here))


def test_who_was_removed_since_is_not_added_again_by_an_old_event() -> None:
    group = _founded(BEN, CAT)
    imported = frozenset({one.id for one in group.events})
    here = _here(group, _roster(), imported=imported, ever=frozenset({BEN.public.uri, CAT.public.uri}))
    assert not [one for one in _actions(_planned(group, here)) if isinstance(one, Add)]


def test_members_of_an_event_that_no_import_wrote_are_not_added() -> None:
    group = _founded(BEN, CAT)
    assert not _planned(group, _here(group, _roster())).steps


# --- single events


@pytest.mark.parametrize(
    ("what", "fields", "profile"),
    [
        (EventType.NAME_CHANGED, {"name": "Ships"}, profiles.Profile("Ships", "about", None, "#fe8f59")),
        (EventType.COLOR_CHANGED, {"color": "#7CDA00"}, profiles.Profile("Boats", "about", None, "#7cda00")),
        (
            EventType.IMAGE_CHANGED,
            {"image": PNG},
            profiles.Profile("Boats", "about", profiles.picture(PNG), "#fe8f59"),
        ),
    ],
)
def test_a_change_of_the_profile_changes_that_alone(
    what: EventType, fields: dict[str, Any], profile: profiles.Profile
) -> None:
    group = _founded()
    before = profiles.write(profiles.Profile("Boats", "about", None, "#fe8f59"))
    here = _here(group, Roster(2, {**_roster().files, tree.PROFILE: before}))
    group.does(ANN, what, **fields)
    step = _last(_planned(group, here))
    assert step.action == UpdateProfile()
    assert profiles.parse(step.profile or b"") == profile


@pytest.mark.parametrize(
    ("what", "fields", "why"),
    [
        (EventType.NAME_CHANGED, {"name": "a\nb"}, Why.BAD_PROFILE),
        (EventType.NAME_CHANGED, {"name": "Boats"}, Why.UNCHANGED),
        (EventType.COLOR_CHANGED, {"color": "blue"}, Why.BAD_PROFILE),
        (EventType.IMAGE_CHANGED, {"image": b"BM" + bytes(30)}, Why.BAD_PROFILE),
        (EventType.IMAGE_CHANGED, {"image": PNG + bytes(limits.STATUS_IMAGE_BYTES_MAX)}, Why.BAD_PROFILE),
    ],
)
def test_what_the_profile_cannot_hold_is_kept_beside(what: EventType, fields: dict[str, Any], why: Why) -> None:
    group = _founded()
    group.does(ANN, what, **fields)
    found = _planned(group)
    assert _last(found).action == Other(notes.EVENT)
    assert _last(found).status == {"events": [notes.encoded(group.events[-1].raw)]}
    assert _reasons(found) == [(what.name, Fate.KEPT, why)]


def test_only_admins_change_the_profile_here_so_a_member_keeps_the_event() -> None:
    group = _founded()
    here = _here(group, _roster(admins=[OTHER], members=[ME.account]))
    group.does(ANN, EventType.NAME_CHANGED, name="Ships")
    found = _planned(group, here)
    assert _last(found).action == Other(notes.EVENT)
    assert _reasons(found) == [("NAME_CHANGED", Fate.KEPT, Why.LAW)]


def test_who_bound_a_key_is_added_by_that_account() -> None:
    group = _founded()
    here = _here(group, _roster(), owners={BEN.public: OTHER})
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    assert _actions(_planned(group, here)) == [Add(OTHER)]


@pytest.mark.parametrize("spelled", ["Ben", "", BEN.public.legacy.upper(), BEN.public.compressed])
def test_a_member_that_no_client_would_spell_so_is_nobody(spelled: str) -> None:
    group = _founded()
    group.does(ANN, EventType.MEMBERS_ADDED, spelled)
    assert _reasons(_planned(group)) == [("MEMBERS_ADDED", Fate.KEPT, Why.NO_KEY)]


def test_members_who_are_here_need_no_invitation() -> None:
    group = _founded(BEN)
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    assert _reasons(_planned(group)) == [("MEMBERS_ADDED", Fate.KEPT, Why.NOBODY_NEW)]


def test_who_is_banned_here_is_not_added() -> None:
    group = _founded()
    roster = Roster(2, {**_roster().files, tree.banned("members", BEN.public.uri): b"x"})
    here = _here(group, roster)
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    found = _planned(group, here)
    assert _reasons(found) == [("MEMBERS_ADDED", Fate.KEPT, Why.LAW)]
    assert "banned" in found.rows[0].about


@pytest.mark.parametrize("who", [ANN, BEN])
def test_who_leaves_or_is_removed_is_removed_here(who: Secret) -> None:
    group = _founded(BEN)
    group.does(who, EventType.MEMBER_REMOVED, BEN.public)
    assert _last(_planned(group)).action == Kick(BEN.public.uri)


def test_where_two_admins_would_have_to_vote_a_removal_is_kept() -> None:
    group = _founded(BEN)
    here = _here(group, _roster(admins=[ME.account, OTHER], invited=[BEN.public.uri]))
    group.does(ANN, EventType.MEMBER_REMOVED, BEN.public)
    assert _reasons(_planned(group, here)) == [("MEMBER_REMOVED", Fate.KEPT, Why.LAW)]


def test_an_account_does_not_leave_here_because_its_key_left_there() -> None:
    group = _founded(BEN)
    group.does(BEN, EventType.MEMBER_REMOVED, BEN.public)
    assert _reasons(_planned(group, own=BEN))[-1] == ("MEMBER_REMOVED", Fate.KEPT, Why.LEAVES_BY_HAND)


def test_an_account_of_ours_is_promoted_where_one_admin_may_decide() -> None:
    group = _founded(BEN)
    here = _here(group, _roster(members=[OTHER]), owners={BEN.public: OTHER})
    group.does(ANN, EventType.ADMINS_ADDED, BEN.public)
    assert _actions(_planned(group, here)) == [Promote(OTHER)]


def test_where_others_would_have_to_vote_a_promotion_is_kept() -> None:
    group = _founded(BEN)
    here = _here(group, _roster(admins=[ME.account, "c" * 40], members=[OTHER]), owners={BEN.public: OTHER})
    group.does(ANN, EventType.ADMINS_ADDED, BEN.public)
    assert _reasons(_planned(group, here)) == [("ADMINS_ADDED", Fate.KEPT, Why.LAW)]


def test_the_own_account_steps_down_unless_it_is_the_last_admin() -> None:
    for admins, wanted in (([ME.account, OTHER], Demote(ME.account)), ([ME.account], Other(notes.EVENT))):
        group = _founded(BEN)
        here = _here(group, _roster(admins=admins))
        group.does(ANN, EventType.ADMIN_REMOVED, ANN.public)
        assert _last(_planned(group, here, own=ANN)).action == wanted


def test_a_chat_that_everybody_left_and_that_is_made_anew_stays_one_conversation() -> None:
    group = _founded()
    group.does(ANN, EventType.MEMBER_REMOVED, ANN.public)
    group.does(ANN, EventType.CHAT_CREATED, name="Ships")
    found = _planned(group)
    assert [row.reason for row in found.rows] == [Why.NOT_HERE, Why.CREATED_ANEW]
    assert _last(found).status == {"of": group.events[-1].id}
    assert profiles.parse(_last(found).profile or b"").title == "Ships"


def test_an_event_that_may_not_be_makes_no_commit() -> None:
    group = _founded()
    group.does(CAT, EventType.NAME_CHANGED, name="Mine")
    found = _planned(group)
    assert _reasons(found) == [("NAME_CHANGED", Fate.IGNORED, "not-a-member")]
    assert len(found.steps) == 3


def test_what_comes_from_ahead_states_its_clock() -> None:
    group = _founded()
    group.does(ANN, EventType.NAME_CHANGED, name="Ships", clock=NOW_MS + 5)
    group.says(ANN, "ahoy", clock=NOW_MS)
    said, event = _planned(group).steps[-2:]
    assert (said.status["clock"], event.status["clock"]) == (str(NOW_MS), str(NOW_MS + 5))


# --- what is said


def test_a_text_is_a_message_and_its_answer_a_reply() -> None:
    group = _founded(BEN)
    first = group.says(ANN, "who?")
    group.says(BEN, "I", answers=first)
    one, two = _planned(group).steps[-2:]
    assert one.action == Post("who?")
    assert one.status == {"envelope": notes.encoded(first.raw), "id": first.id}
    assert (one.id, two.about) == (first.id, first.id)
    assert two.action == Post("I", CommitId(""))


def test_the_answer_to_what_is_not_here_is_a_message() -> None:
    group = _founded()
    lost = group.says(ANN, "lost")
    group.said.clear()
    group.says(ANN, "I", answers=lost)
    assert (_last(_planned(group)).action, _last(_planned(group)).about) == (Post("I"), "")


def test_who_is_no_member_says_nothing() -> None:
    group = _founded(BEN)
    said = group.says(BEN, "ahoy", clock=group.clock + 5_000)
    group.does(ANN, EventType.MEMBER_REMOVED, BEN.public)
    group.feels(ANN, said, 1, clock=group.clock + 9_000)
    found = _planned(group)
    assert _reasons(found) == [
        ("message", Fate.IGNORED, Why.NOT_A_MEMBER),
        ("reaction", Fate.IGNORED, Why.UNKNOWN_MESSAGE),
    ]


def test_a_picture_is_a_file_on_offer() -> None:
    group = _founded()
    group.shows(ANN)
    step = _last(_planned(group))
    assert isinstance(step.action, FileOffer)
    assert (step.action.name, step.action.size) == ("picture.png", len(PNG))
    assert step.more["mimeType"] == "image/png"


def test_other_content_is_named_in_brackets() -> None:
    group = _founded()
    group.says(ANN, "x", content_type=99)
    assert _last(_planned(group)).action == Post("[content of kind 99] x")


def test_a_picture_that_no_commit_can_hold_is_told() -> None:
    group = _founded()
    group.shows(ANN, PNG + bytes(limits.MESSAGE_BYTES_MAX * 3 // 4))
    assert _reasons(_planned(group)) == [("message", Fate.IGNORED, Why.TOO_BIG)]


def test_a_reaction_comes_after_its_message_whatever_the_clocks_say() -> None:
    group = _founded()
    said = group.says(ANN, "ahoy")
    group.feels(ANN, said, 1, clock=group.clock - 1)
    group.edits(ANN, said, "aye", clock=group.clock - 1)
    assert [type(one) for one in _actions(_planned(group))[-3:]] in ([Post, React, Edit], [Post, Edit, React])


@pytest.mark.parametrize(("later_ms", "counts"), [(-1, False), (0, False), (1, True)])
def test_11_a_reaction_counts_only_with_a_greater_clock_than_that_which_stands(later_ms: int, counts: bool) -> None:
    group = _founded()
    said = group.says(ANN, "ahoy")
    first = group.feels(ANN, said, 1)
    here = _here(group, _roster())
    group.feels(ANN, said, 1, retracted=True, clock=entity_clock(first) + later_ms)
    found = _planned(group, here)
    assert _actions(found) == ([Edit("", CommitId(""))] if counts else [])
    assert _reasons(found) == ([] if counts else [("end of a reaction", Fate.IGNORED, Why.SUPERSEDED)])


def test_11_a_reaction_ends_and_comes_back_as_its_clocks_say() -> None:
    group = _founded()
    said = group.says(ANN, "ahoy")
    first = group.feels(ANN, said, 1)
    group.feels(ANN, said, 1, retracted=True)
    group.feels(ANN, said, 1)
    group.feels(ANN, said, 1, retracted=True, clock=group.clock)
    steps = _planned(group).steps[-3:]
    assert [one.action for one in steps] == [
        React("\u2764", CommitId("")),
        Edit("", CommitId("")),
        Edit("\u2764", CommitId("")),
    ]
    assert [one.about for one in steps] == [said.id, first.id, first.id]
    assert _reasons(_planned(group)) == [("end of a reaction", Fate.IGNORED, Why.SUPERSEDED)]


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (1, False)])
def test_an_event_that_the_chat_has_no_room_for_is_told_and_never_written(spare: int, fits: bool) -> None:
    group = _founded()
    while sum(len(one.raw) for one in group.events) < limits.STATUS_BIG_EVENTS_BYTES_MAX - 400_000:
        group.does(ANN, EventType.IMAGE_CHANGED, image=bytes(200_000))
    here = _here(group, _roster())
    left = limits.STATUS_BIG_EVENTS_BYTES_MAX - sum(len(one.raw) for one in group.events)
    big = group.does(ANN, EventType.IMAGE_CHANGED, image=bytes(left - 100))
    over = sum(len(one.raw) for one in group.events) - limits.STATUS_BIG_EVENTS_BYTES_MAX
    group.events[-1:] = []
    big = group.does(ANN, EventType.IMAGE_CHANGED, image=bytes(left - 100 - over + spare))
    named = group.does(ANN, EventType.NAME_CHANGED, name="Rafts")
    found = _planned(group, here)
    written = [one.status["events"] for one in found.steps if "events" in one.status]
    assert ([notes.encoded(big.raw)] in written) == fits
    assert [notes.encoded(named.raw)] in written, "what is small has room still"
    assert (_reasons(found) == [("IMAGE_CHANGED", Fate.IGNORED, Why.TOO_BIG)]) == (not fits)


def test_a_feeling_that_nobody_knows_and_the_end_of_one_that_never_was_are_kept() -> None:
    group = _founded()
    said = group.says(ANN, "ahoy")
    group.feels(ANN, said, 77)
    group.feels(ANN, said, 1, retracted=True)
    assert [row.reason for row in _planned(group).rows] == [Why.NO_SUCH_EMOJI, Why.NOTHING_TO_RETRACT]


def test_only_the_author_edits_and_an_admin_deletes_too() -> None:
    group = _founded(BEN)
    said = group.says(BEN, "ahoy")
    group.edits(ANN, said, "mine")
    group.deletes(ANN, said)
    found = _planned(group)
    assert _reasons(found) == [("edit", Fate.IGNORED, "not-the-author")]
    assert _last(found).action == Edit("", CommitId(""))


def test_an_older_edit_that_comes_late_and_one_of_what_is_gone_are_kept() -> None:
    group = _founded()
    said, other = group.says(ANN, "one"), group.says(ANN, "two")
    newer = group.edits(ANN, said, "newer")
    group.deletes(ANN, other)
    here = _here(group, _roster())
    group.edits(ANN, said, "older", clock=entity_clock(newer) - 1)
    group.edits(ANN, other, "back")
    found = _planned(group, here)
    assert _actions(found) == [Other(notes.EVENT)] * 2
    assert [row.reason for row in found.rows] == [Why.SUPERSEDED] * 2
    assert _last(found).status["envelope"] == notes.encoded(group.said[-1].raw)


def entity_clock(envelope: Any) -> int:
    return int(envelope.message.clock)


def test_an_edit_without_words_takes_nothing_back() -> None:
    """Clients let the words of a picture go; here that would be a deletion, which it is not."""
    group = _founded()
    said = group.says(ANN, "one")
    group.edits(ANN, said, "", content_type=ContentType.IMAGE)
    found = _planned(group)
    assert _last(found).action == Other(notes.EVENT)
    assert _reasons(found) == [("edit", Fate.KEPT, Why.NOT_EDITABLE)]


def test_what_another_account_wrote_here_is_not_edited_by_us() -> None:
    group = _founded()
    said = group.says(ANN, "one")
    felt = group.feels(ANN, said, 1)
    here = _here(group, _roster(), account=OTHER)
    group.edits(ANN, said, "two")
    group.feels(ANN, said, 1, retracted=True)
    assert felt.id != said.id
    assert [row.reason for row in _planned(group, here).rows] == [Why.NOT_OURS] * 2


def test_a_picture_is_taken_back_and_never_edited() -> None:
    group = _founded()
    shown = group.shows(ANN)
    group.edits(ANN, shown, "x", clock=group.clock + 1)
    group.deletes(ANN, shown)
    found = _planned(group)
    assert _last(found).action == FileWithdrawal(CommitId(""))
    assert _reasons(found) == [("edit", Fate.KEPT, Why.NOT_EDITABLE)]


def test_an_emoji_alone_is_a_message() -> None:
    group = _founded()
    group.says(ANN, "\U0001f389", content_type=ContentType.EMOJI)
    assert _last(_planned(group)).action == Post("\U0001f389")


def test_who_was_an_admin_then_deletes_what_comes_later_in_the_file_order() -> None:
    group = _founded(BEN, CAT)
    group.does(ANN, EventType.ADMINS_ADDED, BEN.public)
    late, at = group.clock + 50_000, group.clock + 1_000
    said = group.says(CAT, "oh", clock=late)
    group.deletes(BEN, said, clock=at)
    group.does(BEN, EventType.ADMIN_REMOVED, BEN.public, clock=at + 1_000)
    group.deletes(BEN, said, clock=at + 2_000)
    found = _planned(group)
    assert [type(step.action) for step in found.steps if step.about == said.id] == [Edit]
    assert [row.reason for row in found.rows if row.what == "deletion"] == ["not-the-author"]


def test_what_waits_for_a_message_holds_no_copy_of_all_admins() -> None:
    group = _founded(BEN)
    said = group.says(BEN, "late", clock=group.clock + 900_000)
    edits = [group.edits(BEN, said, f"{number}") for number in range(200)]
    waiting = [Said(one, entity) for one in edits if (entity := entity_of(one.message)) is not None]
    admins = dict.fromkeys(f"0x04{number:0128x}" for number in range(5_000))
    sayings = Sayings(ME.account, NOW_MS, (), [said.id])
    tracemalloc.start()
    try:
        for one in waiting:
            sayings.take(one, admins)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not sayings.rows, "all of them wait"
    assert held < 1_000_000, "a copy for each would be 100 MB"
