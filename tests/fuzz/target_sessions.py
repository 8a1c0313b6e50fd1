"""What a data-sync peer sends before and around its payloads: frames, hellos, and client messages on their way into a log. (SCP-09 §4.5, §4.6)"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from swarmchat.conversation import actions
from swarmchat.conversation.actions import Action, Add, Edit, FileOffer, FileWithdrawal, Kick, Other, Post, React
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync import mapping, messages
from swarmchat.gateways.datasync.carriage import carried
from swarmchat.gateways.datasync.frames import Frames, frame
from swarmchat.gateways.datasync.hello import BINDING_BYTES, NONCE_BYTES, Handshake, Hello
from swarmchat.gateways.datasync.mapping import EVENT, Plan, Unmappable
from swarmchat.gateways.datasync.payload import MessageId
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import AccountId, CommitId
from swarmchat.limits import BODY_BYTES_MAX, DATASYNC_FRAME_BYTES_MAX, DATASYNC_MESSAGE_BYTES_MAX
from tests.fuzz.recipe import Recipe, chunks, piece
from tests.support.datasync import ANNA, BERT, GROUP, SECRET_OF, SECRETS

TOKENS = (
    *(
        b"\x0a\x41\x04",
        b"\x12\x20",
        b"\x1a\x41",
        b"\x20\x01",
        b"\x28\xac\x02",
        b"\x00\x00\x00\x01",
        b"\x00\x10\x00\x00",
    ),
    *(b'{"type":"text/plain","body":', b'"edit":"', b'"react-to":"', b'"reply-to":"', b'"ts":"', b'"m":"', b'"tid":""'),
    *(b"application/mvds-event", b"application/status-identity", b"application/data-transfer+json", b"member"),
)
_STREAM, _HELLO, _BODY, _COMMIT = range(4)
_NONCE, _BINDING = b"n" * NONCE_BYTES, b"b" * BINDING_BYTES
_HERE, _THEIRS = CommitId("c1" * 20), CommitId("c2" * 20)
_KNOWN = MessageId(b"k" * 32)
_FAR = Key(BERT)


class _Scene:
    """One message is known, one commit is the sender's."""

    def commit_of(self, message: MessageId) -> CommitId | None:
        return _HERE if message == _KNOWN else None

    def account_of(self, key: Key) -> AccountId:
        return key.uri

    def is_theirs(self, commit: CommitId) -> bool:
        return commit == _THEIRS

    def may_add(self, account: AccountId) -> bool:
        return True

    def may_kick(self, account: AccountId) -> bool:
        return True


def seeds() -> Iterator[bytes]:
    """Frames, both hellos of a dialogue, every body, and every JSON that a POST may carry."""
    yield bytes((_STREAM, 3)) + frame(b"one") + frame(b"two" * 40) + (0).to_bytes(4)
    yield bytes((_STREAM, 9)) + frame(b"x") + (DATASYNC_FRAME_BYTES_MAX + 1).to_bytes(4) + b"rest"
    ours, theirs = _ours(), Handshake(SECRET_OF[BERT], b"m" * NONCE_BYTES, binding=_BINDING, mode=2, tick_ms=300)
    second = theirs.receive(ours.first())
    assert isinstance(second, bytes)
    yield bytes((_HELLO,)) + piece(theirs.first()) + piece(second)
    yield bytes((_HELLO,)) + piece(second)
    said: list[messages.Body] = [
        messages.text_post("hello"),
        messages.Post(messages.Content.EMOJI, _KNOWN + "👍".encode()),
        messages.Post(messages.Content.STICKER, b"s"),
        messages.Invite(_FAR, GROUP, "group"),
        messages.Join(_FAR, GROUP),
        messages.Leave(_FAR, GROUP),
        messages.Kick(_FAR, GROUP),
        messages.Ack(_KNOWN),
    ]
    jsons: list[Action] = [Post("x", _HERE), React("x", _HERE), Edit("x", _THEIRS), Edit("", _HERE)]
    jsons += [FileOffer("n", 1, "ab" * 64, "t"), FileWithdrawal(_THEIRS), Other(EVENT), Add(_FAR.uri)]
    said += [messages.commit_post(actions.message(action).decode()) for action in jsons]
    for body in said:
        client = messages.sign(body, None, SECRET_OF[BERT])
        yield bytes((_BODY, client.type)) + client.body
        text = base64.b64encode(messages.write_client(client)).decode()
        yield bytes((_COMMIT,)) + json.dumps({"ts": "1750000000", "m": text}).encode()


def run(data: bytes) -> None:
    """Any chunking gives the same frames; nobody is believed without a proof; what is written for a peer is his, and agrees with what he said."""
    recipe = Recipe(data)
    match recipe.u8() % 4:
        case 0:
            _stream(recipe.u8(), recipe.rest())
        case 1:
            _hello(recipe)
        case 2:
            _body(messages.Type(recipe.u8() % len(messages.Type)), recipe.rest())
        case _:
            _commit(recipe.rest())


def _stream(dice: int, data: bytes) -> None:
    outcomes = []
    for pieces in (iter((data,)), chunks(data, dice)):
        frames, found = Frames(), list[bytes]()
        refused = None
        for one in pieces:
            frames.feed(one)
            while isinstance(body := frames.next(), bytes):
                assert 1 <= len(body) <= DATASYNC_FRAME_BYTES_MAX
                found.append(body)
            refused = body
        outcomes.append((found, refused))
    assert outcomes[0] == outcomes[1]
    assert data.startswith(b"".join(map(frame, outcomes[0][0])))


def _ours() -> Handshake:
    return Handshake(SECRETS["anna"], _NONCE, binding=_BINDING, mode=1, tick_ms=300)


def _hello(recipe: Recipe) -> None:
    ours, proofs = _ours(), set[bytes]()
    for _ in range(3):
        body = recipe.piece()
        hello = Hello.decode(body)
        if not isinstance(hello, Refused):
            proofs.add(hello.proof)
        answer = ours.receive(body)
        if isinstance(answer, Refused):
            assert ours.peer is None
            return
        if ours.peer is not None:
            assert ours.peer.raw != ANNA
            assert any(proofs), "somebody was believed without a proof"
            return
        if answer is not None:
            assert not isinstance(Hello.decode(answer), Refused)


def _body(kind: messages.Type, data: bytes) -> None:
    client = messages.ClientMessage(kind, data, None, b"")  # unsigned: its sender is nobody
    body = messages.read_body(client)
    if not isinstance(body, Refused):
        _imported(body)


def _imported(body: messages.Body) -> None:
    scene = _Scene()
    plan = mapping.imported(body, scene)
    if isinstance(plan, Unmappable):
        assert isinstance(body, messages.Ack)
        return
    assert isinstance(plan, Plan)
    match plan.action:
        case Post(text) | React(text) | Edit(text, _):
            assert len(text.encode()) <= BODY_BYTES_MAX
        case Add() | Kick() | FileOffer() | FileWithdrawal():
            pass
        case Other(kind):
            assert kind == EVENT
        case other:
            raise AssertionError(f"a peer has us write {other}")
    if isinstance(plan.action, Edit | FileWithdrawal):
        assert plan.action.target == _THEIRS
    assert set(plan.extra) <= {"body", "reason"}
    written = actions.parse(actions.message(plan.action, plan.extra))
    assert isinstance(written, tuple), "what is written for a peer is a commit"
    assert written[0] == plan.action
    assert mapping.agrees(plan.action, written[1], body, scene, lambda key, account: key.uri == account)


def _commit(data: bytes) -> None:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return
    found = carried(GROUP, said, ())
    if found is None:
        return
    message, client = found
    assert message.size <= DATASYNC_MESSAGE_BYTES_MAX
    assert client.sender is not None
    body = messages.read_body(client)
    if not isinstance(body, Refused):
        _imported(body)
