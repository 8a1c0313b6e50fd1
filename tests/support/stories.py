"""Rooms in which the law was asked about everything: each refusal once, beside what is accepted. Vectors are printed from them."""

from __future__ import annotations

from swarmchat.conversation.actions import (
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
from swarmchat.conversation.profile import Profile, write
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, NONCE, NOW, Room

TITLE = write(Profile("Friends", "Who we are", color="#12ab9f"))
OFFER = FileOffer("cat.png", 9, "0" * 128, "1")


def _raw_refused(room: Room, reason: Reason, raw: bytes) -> None:
    outcome = room.offer(raw, {})
    assert isinstance(outcome, Rejection)
    assert outcome.reason is reason, str(outcome)


def the_object() -> Room:
    """The form of a commit and of its message. (SCP-02 §2, §3)"""
    room = Room()
    good = room.forge(ALICE, Post("hello"), {}, at=room.root)
    for reason, raw in (
        (Reason.MALFORMED_COMMIT, good.replace(b"+0000", b"+0100")),
        (Reason.MALFORMED_COMMIT, good.replace(b"committer alice", b"committer bob")),
        (Reason.MALFORMED_COMMIT, good.replace(b"author", b"encoding UTF-8\nauthor", 1)),
        (Reason.BAD_MERGE, good.replace(ALICE.device.encode(), b"merge@swarmchat")),
        (Reason.BAD_NAME, room.forge(ALICE, Post("hello"), {}, at=room.root, name=" alice")),
        (Reason.BAD_NAME, room.forge(ALICE, Post("hello"), {}, at=room.root, name="")),
        (Reason.TOO_BIG, room.forge(ALICE, Post("é" * 32_769), {}, at=room.root)),
    ):
        _raw_refused(room, reason, raw)
    for reason, message in (
        (Reason.MALFORMED_MESSAGE, b'{"type":"text/plain","body":"a","body":"b"}'),
        (Reason.MALFORMED_MESSAGE, b'{"type":"text/plain","body":"\\ud800"}'),
        (Reason.MALFORMED_MESSAGE, b'{"type":"text/plain","body":"a"}\n'),
        (Reason.MALFORMED_ACTION, b'{"type":"text/plain"}'),
        (Reason.MALFORMED_ACTION, b'{"type":"member","action":"invite","uri":"%s"}' % BOB.id.encode()),
        (Reason.BAD_INITIAL, b'{"type":"initial","mode":1,"rules":2,"nonce":"%s"}' % NONCE.encode()),
    ):
        _raw_refused(room, reason, room.forge(ALICE, Post(""), {}, at=room.root, message=message))
    unknown = room.must(ALICE, Other("application/zkitter"), extra={"any": ["thing", 1, None]})
    room.must(ALICE, Post("answered", reply_to=unknown))
    return room


def the_root() -> Room:
    """One root, and what stands in it. (SCP-02 §5.1, §7.3)"""
    room = Room(3)
    again = Initial(2, "1" * 32)
    files = {f"admins/{BOB.id}.crt": BOB.certificate.pem, f"devices/{BOB.device}.crt": BOB.device_certificate.pem}
    room.refuses_changes(Reason.WRONG_ROOT, BOB, again, files, root=True)
    room.refuses_changes(Reason.BAD_INITIAL, ALICE, again, {})
    room.must(BOB, Join(BOB.id))
    return room


def the_author() -> Room:
    """Who may write: device, account, chain, clock, housekeeping, signature. (SCP-02 §4)"""
    room = Room()
    room.bring(BOB)
    room.refuses(Reason.NOT_A_MEMBER, CAROL, Post("let me in"))
    room.refuses_changes(Reason.NO_DEVICE, BOB.on(2), Post("from nowhere"), {})
    second = room.must(BOB.on(2), Post("from my second device"))
    room.refuses(Reason.CLOCK_RAN_BACK, BOB.on(2), Post("earlier"), time=NOW + len(room.history) - 303)
    room.refuses_changes(Reason.BAD_SIGNATURE, BOB, Post("forged"), {}, signer=ALICE)
    room.refuses_changes(Reason.BAD_HOUSEKEEPING, BOB, UpdateDevice(), {})
    path = f"CRLs/{BOB.id}"
    room.must(BOB, UpdateDevice(), revocations=BOB.revoking(BOB.on(2), number=4))
    room.refuses_changes(Reason.BAD_REVOCATIONS, BOB, UpdateDevice(), {path: BOB.revoking(BOB.on(3), number=5)})
    room.refuses(Reason.BAD_CHAIN, BOB.on(2), Edit("edited", second))
    renewed = BOB.renewed(account=True)
    room.must(renewed, Post("with new certificates"))
    old = {f"devices/{BOB.device}.crt": BOB.device_certificate.pem}
    room.refuses_changes(Reason.BAD_HOUSEKEEPING, BOB, UpdateDevice(), old)
    for number in range(3, 17):
        room.must(BOB.on(number), Post(f"device {number}"))
    room.refuses(Reason.GROUP_FULL, BOB.on(17), Post("one device too many"))
    return room


def the_members() -> Room:
    """Add, join, remove, kick, promote, demote. (SCP-02 §5.2–§5.4)"""
    room = Room(1)
    room.bring(BOB)
    room.refuses(Reason.BAD_ADD, BOB, Add(CAROL.id))
    room.refuses(Reason.BAD_JOIN, CAROL, Join(CAROL.id))
    room.bring(CAROL)
    room.refuses(Reason.BAD_REMOVAL, CAROL, Kick(BOB.id))
    room.refuses(Reason.LAST_ADMIN, ALICE, Leave(ALICE.id))
    room.refuses(Reason.LAST_ADMIN, ALICE, Demote(ALICE.id))
    room.must(ALICE, Kick(CAROL.id))
    room.bring(CAROL)
    room.refuses(Reason.BAD_PROMOTION, BOB, Promote(CAROL.id))
    room.must(ALICE, Promote(BOB.id))
    room.refuses(Reason.NO_QUORUM, ALICE, Promote(CAROL.id))
    room.must(BOB, Demote(BOB.id))
    room.must(BOB, Leave(BOB.id))
    return room


def the_ballots() -> Room:
    """Votes, bans, unbans. (SCP-02 §5.5, §5.6)"""
    room = Room(2)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    room.refuses(Reason.NOT_IN_THIS_MODE, ALICE, Kick(DAVE.id))
    room.refuses(Reason.BAD_VOTE, DAVE, CastVote("ban", ALICE.id))
    room.must(ALICE, CastVote("ban", DAVE.id))
    room.refuses(Reason.NO_QUORUM, ALICE, Ban(DAVE.id))
    room.must(CAROL, CastVote("ban", DAVE.id))
    wanted = room.present(CAROL, Ban(DAVE.id), {f"members/{DAVE.id}.crt": None})
    assert isinstance(wanted, Rejection)
    assert wanted.reason is Reason.UNEXPECTED_CHANGE
    room.must(ALICE, Ban(DAVE.id))
    room.refuses(Reason.BANNED, DAVE, Post("still here"))
    room.refuses(Reason.BAD_BALLOT, ALICE, Ban(DAVE.id))
    room.must(ALICE, CastVote("unban", DAVE.id))
    room.must(BOB, CastVote("unban", DAVE.id))
    room.must(BOB, Unban(DAVE.id))
    room.must(DAVE, Post("back, with my device"))
    room.ban(DAVE.device, ALICE, BOB)
    room.must(DAVE.on(2), Post("from my other device"))
    return room


def the_contents() -> Room:
    """What messages name, and the profile. (SCP-02 §3, §5.7)"""
    room = Room(0, ALICE, invited=BOB)
    room.must(BOB, Join(BOB.id))
    post = room.must(BOB, Post("hello"))
    offer = room.must(ALICE, OFFER)
    room.must(ALICE, React("👍", post))
    edit = room.must(BOB, Edit("hello!", post))
    room.refuses(Reason.BAD_REFERENCE, ALICE, Edit("not mine", post))
    room.refuses(Reason.BAD_REFERENCE, BOB, Edit("an edit", edit))
    room.refuses(Reason.BAD_REFERENCE, BOB, React("?", CommitId("0" * 40)))
    room.must(ALICE, FileWithdrawal(offer))
    room.must(BOB, UpdateProfile(), profile=TITLE)
    room.refuses(Reason.BAD_PROFILE, BOB, UpdateProfile(), profile=b"no vCard")
    room.refuses(Reason.BAD_ADD, ALICE, Add(EVE.id))
    room.must(ALICE, Leave(ALICE.id))
    room.must(BOB, Add(ALICE.id))
    refused = room.present(BOB, Post("with a file"), {"notes.txt": b""})
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.MALFORMED_TREE
    return room


STORIES = (the_object, the_root, the_author, the_members, the_ballots, the_contents)
