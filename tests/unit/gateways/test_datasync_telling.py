"""What a thin peer tells of edits, reactions and files; nobody changes what somebody else said."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from swarmchat.addresses import Address
from swarmchat.cli import thinlines
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Action, Edit, FileOffer, FileWithdrawal, Post, React, UpdateProfile
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync import messages, telling
from swarmchat.gateways.datasync.messages import Content, read_client, sign, write_client
from swarmchat.gateways.datasync.payload import GroupId, Message, Metadata
from swarmchat.ids import CommitId

ME, ANN, BEN = (Secret(number.to_bytes(32)) for number in (1, 2, 3))
GROUP = GroupId(bytes(32))
COMMIT = CommitId("c1" * 20)
ANN_, BEN_ = (one.public.compressed[-12:] for one in (ANN, BEN))


class Held:
    """The messages of a group."""

    def __init__(self) -> None:
        self.by_id: dict[Any, Message] = {}

    def add(self, secret: Secret, body: messages.Body) -> Message:
        message = Message(GROUP, len(self.by_id), write_client(sign(body, None, secret)), Metadata())
        self.by_id[message.id] = message
        return message

    def lines(self, message: Message) -> list[str]:
        said = read_client(message.body)
        assert isinstance(said, messages.ClientMessage)
        event = telling.event(message, said, ME.public, self.by_id.get)
        assert event is not None
        return thinlines.said(event) or thinlines.note(event)


def commit(action: Action, about: Message | None = None, extra: Mapping[str, object] | None = None) -> messages.Body:
    told = extra if about is None else {"of": about.id.hex()}
    return messages.commit_post(actions.message(action, told).decode())


OFFER = FileOffer("plan.pdf", 12, "ab" * 64, "7")


def test_what_changes_a_message_is_said_in_words() -> None:
    held = Held()
    mine, anns = held.add(ME, messages.text_post("hello")), held.add(ANN, messages.text_post("good\nmorning"))
    for body, wanted in (
        (commit(Edit("good day", COMMIT), anns), f"{ANN_} (edited):  good day"),
        (commit(Edit("", COMMIT), anns), f'{ANN_} deleted: "good morning"'),
        (commit(React("👍", COMMIT), mine), f'{ANN_} 👍 your "hello"'),
        (commit(React("👍", COMMIT), anns), f'{ANN_} 👍 "good morning"'),
        (commit(Post("so say I", COMMIT), mine), f'{ANN_}, to your "hello":  so say I'),
        (commit(Post("so say I", COMMIT)), f"{ANN_}  so say I"),
        (commit(OFFER), f"{ANN_} offers a file: plan.pdf (12 bytes)"),
        (commit(UpdateProfile()), f"{ANN_} changed the name or picture of the conversation"),
        (messages.commit_post("{"), f"{ANN_}  [opaque]"),
        (messages.commit_post('{"type":""}'), f"{ANN_} did something that this program has no words for"),
        (
            messages.commit_post('{"type":"application/x"}'),
            f"{ANN_} did something that this program has no words for: application/x",
        ),
    ):
        assert held.lines(held.add(ANN, body)) == [wanted]
    reaction, file = held.add(ANN, commit(React("🎉", COMMIT), mine)), held.add(ANN, commit(OFFER))
    assert held.lines(held.add(ANN, commit(Edit("", COMMIT), reaction))) == [f"{ANN_} took back 🎉"]
    assert held.lines(held.add(ANN, commit(FileWithdrawal(COMMIT), file))) == [f'{ANN_} took back a file: "plan.pdf"']
    assert held.lines(held.add(BEN, commit(React("👍", COMMIT), anns))) == [f'{BEN_} 👍 {ANN_}\'s "good morning"']
    sticker = held.add(ANN, messages.Post(Content.STICKER, b"", None))
    assert held.lines(held.add(BEN, commit(React("👍", COMMIT), sticker))) == [f"{BEN_} 👍 {ANN_}'s message"]


@pytest.mark.parametrize("of", [None, "", "zz", "00" * 32, "00" * 31, 7, ["00" * 32], "00" * 33])
def test_what_it_is_about_may_be_unknown(of: object) -> None:
    held = Held()
    extra = {} if of is None else {"of": of}
    assert held.lines(held.add(ANN, commit(React("👍", COMMIT), extra=extra))) == [f"{ANN_} 👍 an earlier message"]
    assert held.lines(held.add(ANN, commit(Edit("new", COMMIT), extra=extra))) == [f"{ANN_} (edited):  new"]
    assert held.lines(held.add(ANN, commit(Edit("", COMMIT), extra=extra))) == [f"{ANN_} deleted: an earlier message"]


def test_nobody_changes_what_somebody_else_said() -> None:
    held = Held()
    mine = held.add(ME, messages.text_post("hello"))
    for action in (Edit("I owe Ann 5", COMMIT), Edit("", COMMIT), FileWithdrawal(COMMIT)):
        assert held.lines(held.add(ANN, commit(action, mine))) == [f'{ANN_} cannot change your "hello"']


def test_hostile_words_are_harmless_and_short() -> None:
    held = Held()
    evil = "\x1b[2Jgone\r\n\u202eturned" + "x" * 100
    mine = held.add(ME, messages.text_post(evil))
    for body in (
        commit(React(evil, COMMIT), mine),
        commit(Edit("", COMMIT), held.add(ANN, messages.text_post(evil))),
        commit(FileOffer(evil.replace("\r\n", ""), 1, "ab" * 64, "7")),
        commit(FileWithdrawal(COMMIT), held.add(ANN, messages.text_post(evil))),
    ):
        (line,) = held.lines(held.add(ANN, body))
        assert line.isprintable()
        assert "\\x1b[2J" in line
        assert len(line) < 160
    for body in (messages.text_post(evil), commit(Edit(evil, COMMIT))):
        lines = held.lines(held.add(ANN, body))
        assert len(lines) == 2, "its own line ends stay"
        assert all(line.isprintable() for line in lines)
        assert lines[1].startswith("    "), "nobody else can seem to say it"


def test_what_somebody_relays_is_told_as_the_others_words_and_as_relayed() -> None:
    held = Held()
    relay = {"type": "text/plain", "body": "from before\nand more", "by": "ab" * 20, "commit": "cd" * 20, "at": "5"}
    message = held.add(ANN, messages.commit_post(json.dumps(relay)))
    assert held.lines(message) == [f"{'ab' * 6} relayed by {ANN_}  from before", "    and more"]
    said = read_client(message.body)
    assert isinstance(said, messages.ClientMessage)
    event = telling.event(message, said, ME.public, held.by_id.get)
    assert event is not None
    assert (event["by"], event["of"], event["from"]) == ("ab" * 20, "cd" * 20, ANN.public.legacy)
    claims = messages.commit_post(json.dumps(relay | {"by": "\x1b[2J"}))
    assert held.lines(held.add(ANN, claims))[0] == f"{ANN_}  from before", "no account is called that"


def test_what_our_own_client_or_a_receipt_says_is_told_or_not() -> None:
    held = Held()
    leave = held.add(ANN, messages.Leave(ANN.public, GROUP))
    assert held.lines(leave) == [f"{ANN_}: leave"]
    assert held.lines(held.add(ANN, messages.Kick(BEN.public, GROUP))) == [f"{ANN_}: kick of {BEN_}"]
    assert held.lines(held.add(ANN, messages.Ack(leave.id))) == [], "for programs alone"
    founding = held.add(ANN, messages.Invite(ANN.public, GROUP, "group"))
    said = read_client(founding.body)
    assert isinstance(said, messages.ClientMessage)
    assert telling.event(founding, said, ME.public, held.by_id.get) is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("Multiple exceptions"), "Multiple exceptions"),
    ],
)
def test_why_nobody_is_there_is_said_in_the_words_of_the_system_and_with_the_address(
    fault: OSError, words: str
) -> None:
    assert telling.why_away(fault, Address("localhost", 1)) == f"localhost:1: {words}"
