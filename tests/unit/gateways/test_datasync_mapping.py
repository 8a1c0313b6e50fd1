"""Every row of what a client message is as a commit, and a commit as a client message."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pytest

from swarmchat.conversation import actions
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    FileOffer,
    FileWithdrawal,
    Initial,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.datasync import mapping, messages
from swarmchat.gateways.datasync.mapping import BRIDGE, EVENT, Plan, Unmappable, Why
from swarmchat.gateways.datasync.messages import Content
from swarmchat.gateways.datasync.payload import GroupId, MessageId
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.limits import BODY_BYTES_MAX

ME, FAR = (Secret(bytes((each,)) * 32).public for each in (1, 2))
ANN = AccountId("a1" * 20)
HERE, MINE = CommitId("c1" * 20), CommitId("c2" * 20)
KNOWN = MessageId(b"k" * 32)
GROUP = GroupId(b"g" * 32)
OFFER = FileOffer("a.txt", 5, "ab" * 64, "7")


@dataclass
class Scene:
    """HERE is the message KNOWN, and the sender's own."""

    allowed: bool = True

    def commit_of(self, message: MessageId) -> CommitId | None:
        return HERE if message == KNOWN else None

    def account_of(self, key: Key) -> AccountId:
        return ANN if key == ME else key.uri

    def is_theirs(self, commit: CommitId) -> bool:
        return commit == HERE

    def may_add(self, account: AccountId) -> bool:
        return self.allowed

    def may_kick(self, account: AccountId) -> bool:
        return self.allowed


def exported(action: Action, profile: bytes | None = None, **said: object) -> messages.Body | Unmappable:
    return mapping.exported(action, said, GROUP, ME, {ANN: ME, FAR.uri: FAR}.get, profile)


def read(body: messages.Body) -> messages.Body:
    """As whoever receives it reads it."""
    found = messages.read_body(messages.sign(body, None, Secret(b"\1" * 32)))
    assert not hasattr(found, "reason"), found
    return found  # type: ignore[return-value]


JSONS = [
    React("👍", HERE),
    Edit("new", HERE),
    Edit("", HERE),
    OFFER,
    FileWithdrawal(HERE),
    Post("in reply", HERE),
]


def test_a_text_is_a_post_of_text_and_back() -> None:
    body = exported(Post("hé\n", HERE))
    assert body == messages.text_post("hé\n")
    assert mapping.imported(read(messages.text_post("hé\n")), Scene()) == Plan(Post("hé\n"), {})


@pytest.mark.parametrize("action", JSONS)
def test_what_has_no_word_there_travels_as_the_json_of_its_commit(action: Action) -> None:
    if not isinstance(action, Post):
        assert exported(action) == messages.commit_post(actions.message(action).decode())
    plan = mapping.imported(read(messages.commit_post(actions.message(action).decode())), Scene())
    assert plan == Plan(action, {})


@pytest.mark.parametrize(
    ("action", "body"),
    [
        (Add(ANN), messages.Invite(ME, GROUP)),
        (Add(FAR.uri), messages.Invite(FAR, GROUP)),
        (Join(ANN), messages.Join(ME, GROUP)),
        (Leave(ANN), messages.Leave(ME, GROUP)),
        (Kick(FAR.uri), messages.Kick(FAR, GROUP)),
        (Ban(FAR.uri), messages.Kick(FAR, GROUP)),
    ],
)
def test_membership_is_said_in_keys(action: Action, body: messages.Body) -> None:
    assert exported(action) == body


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (Add(AccountId("b2" * 20)), Why.NO_KEY),
        (Kick(AccountId("b2" * 20)), Why.NO_KEY),
        (Ban(DeviceId("d1" * 32)), Why.NO_COUNTERPART),
        (Unban(ANN), Why.NO_COUNTERPART),
        (Promote(ANN), Why.NO_COUNTERPART),
        (Demote(ANN), Why.NO_COUNTERPART),
        (CastVote("ban", ANN), Why.NO_COUNTERPART),
        (UpdateDevice(), Why.NO_COUNTERPART),
        (Initial(1, "0" * 32), Why.NO_COUNTERPART),
        (UpdateProfile(), Why.NO_COUNTERPART),
        (Other(BINDING), Why.OF_A_GATEWAY),
        (Other(BRIDGE), Why.OF_A_GATEWAY),
        (Other(EVENT), Why.NO_KEY),
    ],
)
def test_what_cannot_be_said_there_says_why(action: Action, why: Why) -> None:
    assert exported(action) == Unmappable(why)


def test_a_profile_goes_along_whole() -> None:
    body = exported(UpdateProfile(), b"BEGIN:VCARD")
    assert isinstance(body, messages.Post)
    assert body.text is not None
    assert json.loads(body.text) == {"type": actions.PROFILE, "vcf": base64.b64encode(b"BEGIN:VCARD").decode()}


def test_events_of_ours_are_what_they_intend() -> None:
    assert exported(Other(EVENT), **mapping.intention("join")) == messages.Join(ME, GROUP)
    assert exported(Other(EVENT), **mapping.intention("invite", FAR.uri)) == messages.Invite(FAR, GROUP)


def test_kinds_of_posts_become_texts() -> None:
    for content, data, text in (
        (Content.STICKER, b"s:1", "[sticker] s:1"),
        (Content.STATUS, b"\xff", "[status]"),
        (Content.COMMAND, b"", "[command]"),
        (Content.EMOJI, "👍".encode(), "👍"),
        (Content.EMOJI, b"u" * 32 + "👍".encode(), "u" * 32 + "👍"),
    ):
        assert mapping.imported(read(messages.Post(content, data)), Scene()) == Plan(Post(text), {})
    reaction = messages.Post(Content.EMOJI, KNOWN + "👍".encode())
    assert mapping.imported(read(reaction), Scene()) == Plan(React("👍", HERE), {})


def test_what_is_too_long_or_not_readable_is_kept_and_not_shown() -> None:
    longest = "x" * BODY_BYTES_MAX
    assert mapping.imported(messages.text_post(longest), Scene()) == Plan(Post(longest), {})
    assert mapping.imported(messages.text_post(longest + "x"), Scene()) == mapping.event("post", Why.TOO_BIG)
    assert mapping.imported(messages.Post(Content.OPAQUE, b"\xff"), Scene()) == mapping.event("post", Why.NOT_READABLE)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"type":"text/plain","body":"x","edit":"%s"}' % MINE, Why.NOT_THEIRS),  # noqa: UP031 - braces
        ('{"type":"application/data-transfer+json","tid":"","edit":"%s"}' % MINE, Why.NOT_THEIRS),  # noqa: UP031
        ('{"type":"application/status-identity","uri":"x"}', Why.NO_COUNTERPART),
        ('{"type":"application/mvds-bridge"}', Why.NO_COUNTERPART),
        ('{"type":"member","action":"add","uri":"%s"}' % ANN, Why.NO_COUNTERPART),  # noqa: UP031
        ('{"type":"application/update-profile","vcf":"QQ=="}', Why.NO_COUNTERPART),
        ('{"type":"text/plain"}', Why.NOT_READABLE),
    ],
)
def test_nothing_is_written_in_the_name_of_who_takes_it_in(said: str, why: Why) -> None:
    assert mapping.imported(messages.commit_post(said), Scene()) == mapping.event("post", why)


def test_decisions_become_commits_where_the_law_lets_us() -> None:
    invite, kick = messages.Invite(FAR, GROUP), messages.Kick(ME, GROUP)
    assert mapping.imported(invite, Scene()) == Plan(Add(FAR.uri), {})
    assert mapping.imported(kick, Scene()) == Plan(Kick(ANN), {})
    barred = Scene(allowed=False)
    assert mapping.imported(invite, barred) == mapping.event("invite", Why.NOT_ALLOWED)
    assert mapping.imported(kick, barred) == mapping.event("kick", Why.NOT_ALLOWED)
    assert mapping.imported(messages.Join(FAR, GROUP), Scene()) == mapping.event("join")
    assert mapping.imported(messages.Leave(FAR, GROUP), Scene()) == mapping.event("leave")
    assert mapping.imported(messages.Ack(KNOWN), Scene()) == Unmappable(Why.RECEIPT)


def agrees(action: Action, message: messages.Body, /, **said: object) -> bool:
    owned = {(ME, ANN), (FAR, FAR.uri)}
    full = {"type": actions.type_of(action), **said}
    return mapping.agrees(action, full, message, Scene(), lambda key, account: (key, account) in owned)


def test_what_was_made_of_each_other_agrees() -> None:
    everything = [Post("a", HERE), *JSONS[:-1], Add(ANN), Kick(FAR.uri), Join(ANN), Leave(ANN), Ban(ANN)]
    for action in everything:
        body = exported(action)
        assert not isinstance(body, Unmappable)
        assert agrees(action, read(body)), action
    other = exported(Other("application/zoo"), body="x")
    assert not isinstance(other, Unmappable)
    assert agrees(Other("application/zoo"), read(other), body="x", mvds={}, status={})
    event = exported(Other("application/status-event"), status={"events": ["QQ=="]})
    assert not isinstance(event, Unmappable)
    assert agrees(Other("application/status-event"), read(event), status={"events": ["QQ=="]}, mvds={})
    assert not agrees(Other("application/status-event"), read(event), status={"events": []}, mvds={})
    profile = exported(UpdateProfile(), b"x")
    assert not isinstance(profile, Unmappable)
    assert agrees(UpdateProfile(), read(profile))


def test_who_puts_words_into_anothers_mouth_is_found_out() -> None:
    text = messages.text_post("what he said")
    for action in (Post("what he never said"), Edit("what he said", HERE), React("what he said", HERE), Add(ANN)):
        assert not agrees(action, text)
    assert not agrees(Post("x"), messages.Join(FAR, GROUP))
    assert not agrees(Add(ANN), messages.Invite(FAR, GROUP))
    assert not agrees(Kick(ANN), messages.Kick(FAR, GROUP))
    assert not agrees(Edit("x", MINE), messages.commit_post(actions.message(Edit("x", HERE)).decode()))
    assert not agrees(Other("application/zoo"), messages.commit_post('{"type":"application/zoo"}'), body="more")
    assert not agrees(Other(BRIDGE), messages.Join(FAR, GROUP))


def test_what_an_edit_or_reaction_is_about_is_named_for_who_knows_no_commits() -> None:
    for action in (React("👍", HERE), Edit("new", HERE), FileWithdrawal(HERE)):
        of = {HERE: KNOWN}.get
        body = mapping.exported(action, {}, GROUP, ME, {}.get, message_of=of)
        assert isinstance(body, messages.Post)
        assert json.loads(body.data)["of"] == KNOWN.hex()
        assert mapping.imported(read(body), Scene()) == Plan(action, {})
        assert mapping.agrees(action, {}, read(body), Scene(), lambda key, account: True)
        elsewhere = mapping.exported(action, {}, GROUP, ME, {}.get, message_of={}.get)
        assert isinstance(elsewhere, messages.Post)
        assert "of" not in json.loads(elsewhere.data)
