"""What stands in our mailbox, once opened: anybody can have sealed it. (SCP-06 §9)"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgpack

from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import CARD_ADDRESSES_MAX
from swarmchat.swarm import sealed
from swarmchat.swarm.access import Access
from swarmchat.swarm.invitations import Located, Mailroom
from swarmchat.swarm.mail import (
    Ask,
    Here,
    Letter,
    Mail,
    Notice,
    SwarmInvite,
    TrustAnswer,
    TrustRequest,
    Want,
    Withdrawal,
)
from swarmchat.swarm.sealed import Opened
from tests.fuzz.recipe import Recipe
from tests.support.builders import ALICE, BOB, NOW, Person

TOKENS = (
    b"\x95",
    b"\x93",
    b"\xbfapplication/trust-request",
    b"\xd9\x1aapplication/im-gitmessage-id",
    b"application/swarm-invite",
    b"application/ice",
    b"\xa4kind",
    b"\xa4want",
    b"\xa4here",
    b"\xa4addr",
    b"\xacconversation",
    b"\xa6commit",
    b"\xa5heads",
    b"\xa8deviceId",
    b"\xc4\x40",
    b"\xce",
    b"\xd6\xff",
)
_RAW, _SIGNED = range(2)
_WHERE, _COMMIT = ConversationId("c" * 40), CommitId("a" * 40)
_MAILS: tuple[Mail, ...] = (
    TrustRequest(_WHERE, CommitId(_WHERE), "Alice", NOW * 1000),
    TrustAnswer(_WHERE),
    Withdrawal(_WHERE),
    SwarmInvite(_WHERE, _COMMIT, 1, "Garden", "who waters when", 3, NOW * 1000),
    Ask(_WHERE),
    Notice(_WHERE, _COMMIT, (_COMMIT, CommitId("b" * 40)), ALICE.device),
    Want(),
    Here((Address("192.0.2.7", 4000), Address("2001:db8::7", 1))),
)


def _written(mail: Mail, by: Person = ALICE) -> bytes:
    return sealed.write(
        Letter(mail, NOW), account=by.certificate, device=by.device_certificate, key=by.device_key, to=BOB.device
    )


def seeds() -> Iterator[bytes]:
    """A letter of each kind, whole and without what the target signs for it."""
    for mail in _MAILS:
        plain = _written(mail)
        yield bytes((_RAW,)) + plain
        mimetype, body, _, written, _ = msgpack.unpackb(plain)
        yield bytes((_SIGNED,)) + b"".join(map(msgpack.packb, (mimetype, body, written)))


def run(data: bytes) -> None:
    """A letter or the declared refusal; what is believed is bounded, and a repetition leads to nothing."""
    recipe = Recipe(data)
    plain = recipe.rest() if recipe.u8() % 2 == _RAW else _signed(recipe.rest())
    opened = sealed.read(plain, to=BOB.device, now=NOW, revoked=lambda _: frozenset())
    if not isinstance(opened, Opened):
        return
    assert opened.sender.account in (ALICE.id, BOB.id), "a letter of somebody whose keys nobody has"
    assert not isinstance(sealed.read(plain, to=ALICE.device, now=NOW, revoked=lambda _: frozenset()), Opened)
    if opened.letter is None:
        return
    room, state = Mailroom(Access(BOB.id, BOB.device, State())), State()
    state, outcomes = room.receive(state, opened.sender, opened.letter, NOW)
    assert room.receive(state, opened.sender, opened.letter, NOW) == (state, [])
    for outcome in outcomes:
        if isinstance(outcome, Located):
            assert len(outcome.addresses) <= CARD_ADDRESSES_MAX
            assert all(address.may_travel for address in outcome.addresses)


def _signed(triple: bytes) -> bytes:
    """The letter of which these bytes are type, body and time, if they are three values."""
    reader = msgpack.Unpacker(raw=False, strict_map_key=False)
    reader.feed(triple)
    ends = [0]
    try:
        for _ in range(3):
            reader.skip()
            ends.append(reader.tell())
    except (msgpack.UnpackException, ValueError, RecursionError):
        return triple
    mimetype, body, written = (triple[begin:end] for begin, end in pairwise(ends))
    signed = b"swarmchat/mail/1" + bytes.fromhex(BOB.device) + b"\x93" + mimetype + body + written
    chain = msgpack.packb([ALICE.certificate.der, ALICE.device_certificate.der])
    return b"\x95" + mimetype + body + chain + written + msgpack.packb(ALICE.device_key.sign(signed))
