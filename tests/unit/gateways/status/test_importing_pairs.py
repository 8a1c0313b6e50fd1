"""From a file of a one-to-one to the commits that are lacking. (SCP-09 §3.11)"""

from __future__ import annotations

from typing import Any

from swarmchat import limits
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Edit, Initial, Other, Post, React
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes, streams
from swarmchat.gateways.status.importing import plan
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.sayings import NOWHERE
from swarmchat.gateways.status.steps import Fate, Here, Placed, Plan, Why
from swarmchat.gateways.status.wire import ContentType, ImageFormat, ImageMessage, ReactionType
from swarmchat.gateways.status.words import entity_of
from swarmchat.ids import AccountId, CommitId, DeviceId
from tests.support.status_pairs import Between
from tests.support.status_streams import ANN, BEGAN_MS, BEN, CAT, PNG

NOW_MS = BEGAN_MS + 3_600_000
ME = Author(AccountId("a" * 40), DeviceId("d" * 64), b"mine", b"device")
OTHER = AccountId("b" * 40)


def planned(chat: Between, here: Here | None = None, own: Secret | None = ANN) -> Plan:
    found = outcome(chat, here, own)
    assert isinstance(found, Plan), found
    return found


def outcome(chat: Between, here: Here | None, own: Secret | None) -> Plan | Refused:
    wrappers = streams.split(chat.file())
    assert not isinstance(wrappers, Refused)
    stream = streams.read(wrappers, NOW_MS, None if own is None else own.public)
    assert not isinstance(stream, Refused)
    return plan(stream, here, ME, None if own is None else own.public, NOW_MS)


def holding(chat: Between, *, account: AccountId = ME.account, invited: str = BEN.public.uri, **more: Any) -> Here:
    """As it is after all of it was imported by that account."""
    files = {tree.admin(ME.account): b"x", tree.invited(AccountId(invited)): b""}
    said = []
    for number, envelope in enumerate(chat.said):
        entity = entity_of(envelope.message)
        assert entity is not None
        said.append(Placed(Said(envelope, entity), CommitId(f"{number:040x}"), account))
    fields: dict[str, Any] = {"said": tuple(said), "is_open": True, "mine": ANN.public, **more}
    return Here(Roster(0, files), **fields)


def test_a_new_one_names_the_other_in_its_root_and_binds_our_key() -> None:
    chat = Between(ANN, BEN)
    chat.says(BEN, "ahoy")
    found = planned(chat)
    root, binding, said = found.steps
    assert isinstance(root.action, Initial)
    assert (root.action.mode, root.action.invited) == (0, BEN.public.uri)
    assert root.status == {"chat": BEN.public.legacy}
    assert binding.binds
    assert binding.action == Other(BINDING)
    assert said.action == Post("ahoy")
    assert notes.read({"status": said.status}).envelopes == (chat.said[0].raw,)  # type: ignore[union-attr]
    assert (found.chat_id, found.founds, found.known, found.rows) == (BEN.public.legacy, True, 0, ())


def test_all_that_is_said_becomes_what_it_is() -> None:
    chat = Between(ANN, BEN)
    asked = chat.says(ANN, "who sails?")
    answer = chat.says(BEN, "I do", answers=asked)
    chat.feels(ANN, answer, ReactionType.LOVE)
    chat.feels(ANN, answer, ReactionType.LOVE, retracted=True)
    chat.edits(BEN, answer, "we do")
    chat.deletes(BEN, answer)
    picture = ImageMessage(payload=PNG, format=ImageFormat.PNG)
    chat.says(BEN, content_type=ContentType.IMAGE, image=picture)
    steps = planned(chat).steps[2:]
    assert [step.action for step in steps[:6]] == [
        Post("who sails?"),
        Post("I do", NOWHERE),
        React("\u2764", NOWHERE),
        Edit("", NOWHERE),
        Edit("we do", NOWHERE),
        Edit("", NOWHERE),
    ]
    assert [step.about for step in steps[1:6]] == [asked.id, answer.id, chat.said[2].id, answer.id, answer.id]
    assert steps[6].more["mimeType"] == "image/png"


def test_what_is_here_makes_no_commit_and_a_broken_off_import_goes_on() -> None:
    chat = Between(ANN, BEN)
    chat.says(BEN, "one")
    here = holding(chat)
    assert planned(chat, here).steps == ()
    assert planned(chat, here).known == 1
    chat.says(BEN, "two")
    assert [step.action for step in planned(chat, here).steps] == [Post("two")]
    rest = planned(chat, holding(Between(ANN, BEN), mine=None))
    assert [step.action for step in rest.steps] == [Other(BINDING), Post("one"), Post("two")]


def test_one_that_was_not_opened_is_and_names_the_key_of_who_has_no_account() -> None:
    chat = Between(ANN, BEN)
    chat.says(BEN, "ahoy")
    foreign = planned(chat, holding(Between(ANN, BEN), is_open=False)).steps
    assert (foreign[0].action, foreign[0].more) == (Other(notes.BRIDGE), {"body": BEN.public.legacy})
    contact = planned(chat, holding(Between(ANN, BEN), is_open=False, invited=OTHER)).steps
    assert (contact[0].action, contact[0].more) == (Other(notes.BRIDGE), {})


def test_who_is_neither_of_the_two_takes_nothing() -> None:
    chat = Between(ANN, BEN)
    chat.says(BEN, "ahoy")
    for own in (None, CAT):
        assert outcome(chat, None, own) == Refused(Why.OTHERS)


def test_a_conversation_that_knows_us_by_an_older_key_goes_on_with_it() -> None:
    chat = Between(ANN, BEN)
    chat.says(BEN, "ahoy")
    assert planned(chat, holding(Between(ANN, BEN)), CAT).chat_id == BEN.public.legacy


def test_nobody_changes_what_the_other_said() -> None:
    chat = Between(ANN, BEN)
    text = chat.says(BEN, "mine")
    chat.edits(ANN, text, "yours")
    chat.deletes(ANN, text)
    found = planned(chat)
    assert [step.action for step in found.steps[2:]] == [Post("mine")]
    assert [(row.fate, row.reason) for row in found.rows] == [(Fate.IGNORED, "not-the-author")] * 2


def test_what_the_account_of_the_other_wrote_here_only_he_changes() -> None:
    chat = Between(ANN, BEN)
    text = chat.says(BEN, "mine")
    here = holding(chat, account=OTHER)
    chat.edits(BEN, text, "better")
    (step,) = planned(chat, here).steps
    assert step.action == Other(notes.EVENT)
    assert step.row is not None
    assert step.row.reason == Why.NOT_OURS


def test_what_no_commit_can_hold_is_left_out() -> None:
    chat = Between(ANN, BEN)
    big = ImageMessage(payload=bytes(limits.MESSAGE_BYTES_MAX), format=ImageFormat.PNG)
    chat.says(BEN, content_type=ContentType.IMAGE, image=big)
    found = planned(chat)
    assert len(found.steps) == 2
    assert [(row.fate, row.reason) for row in found.rows] == [(Fate.IGNORED, Why.TOO_BIG)]
