"""Channel `invite` in bad hands: floods, lies, replays, and the blocked who must not be able to tell. (SCP-06 §4, §5, §9)"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.packs import Scanner
from swarmchat.conversation.actions import Add, Initial, Post, message
from swarmchat.conversation.commit import Commit, Draft, sealed
from swarmchat.crypto import sshsig
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import (
    MAIL_AGE_MAX_S,
    MAIL_AHEAD_MAX_S,
    MAIL_BODY_BYTES_MAX,
    REJECTIONS_REMEMBERED_MAX,
    REQUESTS_FROM_SHARED,
    REQUESTS_MAX,
    REQUESTS_PER_HOUR_PER_SENDER,
)
from swarmchat.links import link as links
from swarmchat.links.link import Link
from swarmchat.swarm.mail import Ask, Mail, Notice, SwarmInvite, TrustAnswer, TrustRequest
from swarmchat.swarm.messages import News, Shared, encode
from tests.support.builders import EVE
from tests.support.commitlogs import COMMIT as COMMIT_KIND
from tests.support.commitlogs import Object, forged, must, objects_of, packed, writer
from tests.support.loopback import Living, Loopback, play
from tests.support.rogue import Rogue, giving

COMMIT = CommitId("a" * 40)


def room_number(number: int) -> ConversationId:
    return ConversationId(f"{number:040x}")


def invitation(where: ConversationId, *, mode: int = 1, commit: CommitId = COMMIT, at_ms: int = 1) -> SwarmInvite:
    return SwarmInvite(where, commit, mode, "Harbour", "boats", 3, at_ms)


def titles(node: Living) -> list[str]:
    return [request.offer.title or request.offer.name for request in node.state.pending()]


async def refusal(link: Link, **fields: Any) -> str:
    with pytest.raises(PeerError) as caught:
        await link.open_channel("invite", **fields)
    return caught.value.peer_code


async def letters_until_hung_up(rogue: Rogue, link: Link) -> int:
    """How many are answered before the link is closed."""
    number = 0
    with contextlib.suppress(LinkError):
        while number < 1_000:
            assert (await rogue.write(link, invitation(room_number(number))))["ok"] is True
            number += 1
    async with asyncio.timeout(5):
        await link.closed
    return number


def test_mail_that_is_none_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        where = await world.room(alice, carol)
        eve = await world.rogue("eve")
        now, room = int(alice.node.runtime.now()), "1" * 40
        ok = {"conversation": room, "commit": COMMIT, "name": "Eve", "at": 1}
        group = {**ok, "mode": 1, "title": "", "description": "", "members": 1}
        trust, invite = "application/trust-request", "application/swarm-invite"
        async with eve.linked(alice.address) as link:
            for mimetype, body in (
                (None, ok),
                (7, ok),
                ("x" * 65, ok),
                (trust, None),
                (trust, [ok]),
                (trust, {**ok, "x": "y" * MAIL_BODY_BYTES_MAX}),
                *(
                    (trust, {**ok, key: wrong})
                    for key in ok
                    for wrong in (None, 7.5, b"x", "", "x" * 99, [])
                    if not (key == "name" and wrong == "")
                ),
                *((invite, {**group, key: -1}) for key in ("mode", "members", "at", "title", "description")),
                (invite, {**group, "mode": 4}),
                (invite, {**group, "title": "x" * 129}),
                (invite, {**group, "description": "x" * 513}),
                (invite, {**group, "conversation": room.replace("1", "A")}),
                ("application/trust-answer", {"conversation": room, "accepted": 1}),
                ("application/trust-answer", {"conversation": room}),
                ("application/ice", {"x": 1}),
                ("application/ice", {"kind": "here", "addr": "192.0.2.1:4000"}),
                ("application/im-gitmessage-id", {"id": room, "commit": COMMIT, "deviceId": "x"}),
                ("application/im-gitmessage-id", {"id": room, "commit": COMMIT, "deviceId": "0" * 64, "heads": [7]}),
            ):
                assert await refusal(link, mimetype=mimetype, body=body, ts=now) == "bad-message", (mimetype, body)
            for ts in (None, "now", -1, 1.5, True, 2**60):
                assert await refusal(link, mimetype=trust, body=ok, ts=ts) == "bad-message"
            for later, body in (
                ("application/ice", {"kind": "offer"}),
                ("text/html", {"x": 1}),
                ("application/of-tomorrow", {"x": 1}),
            ):  # of a later version: read, no more
                channel, _ = await link.open_channel("invite", mimetype=later, body=body, ts=now)
                channel.close()
            for ts in (now - MAIL_AGE_MAX_S - 60, now + MAIL_AHEAD_MAX_S + 60):
                await eve.write(link, TrustRequest(room_number(1), COMMIT, "Eve", 1), written_s=int(ts))
            assert not link.is_over
        assert (alice.state.pending(), alice.state.contacts, alice.state.arrivals) == ((), {}, {})
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_a_stranger_who_sends_more_than_a_stranger_may_loses_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "STRANGER_BYTES_MAX", 16_384)

    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        where = await world.room(alice, carol)
        eve = await world.rogue("eve")
        async with eve.linked(alice.address) as link:
            assert await letters_until_hung_up(eve, link) > REQUESTS_PER_HOUR_PER_SENDER
        await world.until(lambda: len(alice.waiting()) >= REQUESTS_PER_HOUR_PER_SENDER)
        await asyncio.sleep(0.05)
        assert len(alice.waiting()) == REQUESTS_PER_HOUR_PER_SENDER
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_floods_of_requests_push_out_strangers_only_and_ten_an_hour_of_each(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        async with bob.linked(alice.address) as link:
            for number in range(30):
                await bob.write(link, invitation(room_number(5_000 + number)))
        await world.until(lambda: len(alice.waiting()) >= REQUESTS_PER_HOUR_PER_SENDER)
        for sender in range(8):
            eve = await world.rogue(f"eve{sender}")
            async with eve.linked(alice.address) as link:
                for number in range(REQUESTS_PER_HOUR_PER_SENDER + 2):
                    await eve.write(link, invitation(room_number(100 * sender + number)))
        await world.until(lambda: len(alice.state.pending()) == 60)
        shared = [request for request in alice.state.pending() if request.shared]
        assert [len(shared), len(alice.state.pending()) - len(shared)] == [10, REQUESTS_MAX - REQUESTS_FROM_SHARED]
        assert {request.offer.sender for request in shared} == {bob.account.id}
        rows = await alice.door.request_list()
        assert len(rows) == 60
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_a_replayed_letter_is_read_once(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        eve = await world.rogue("eve")
        now = int(alice.node.runtime.now())
        mail = invitation(room_number(1))
        async with eve.linked(alice.address) as link:
            for _ in range(20):
                assert (await eve.write(link, mail, written_s=now))["ok"] is True
            await world.until(alice.waiting)
            (request,) = alice.state.pending()
            await alice.swarm.people.decline(request.id)
            for _ in range(20):
                await eve.write(link, mail, written_s=now)
            for number in range(20):  # the same again, as if written later
                await eve.write(link, mail, written_s=now - number)
        assert alice.state.pending() == ()
        assert len(await alice.events("request.added")) == 1

    play(tmp_path, story)


def test_who_is_blocked_sees_what_one_sees_whose_request_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "STRANGER_BYTES_MAX", 8_192)

    async def seen(
        world: Loopback, alice: Living, rogue: Rogue, private: ConversationId, public: ConversationId
    ) -> list[Any]:
        """All that a sender can observe, in order."""
        diary: list[Any] = []
        async with rogue.linked(alice.address) as link:
            diary.append(link.agent)
            letters: list[Mail] = [
                TrustRequest(room_number(1), COMMIT, "me", 1),
                invitation(room_number(2)),
                Ask(private),
                Ask(public),
                TrustAnswer(room_number(1)),
                Notice(private, COMMIT, (COMMIT,), rogue.account.device),
                TrustRequest(room_number(1), COMMIT, "me again", 2),
            ]
            diary.extend([sorted(await rogue.write(link, mail)) for mail in letters])
            for name, fields in (
                ("sync", {}),
                ("pack", {"id": bytes.fromhex(private), "have": [], "want": None}),
                ("pack", {"id": bytes.fromhex(public), "have": [], "want": None}),
                ("pack", {"id": bytes(20), "have": [], "want": None}),
                ("signal", {}),
                ("nonsense", {}),
            ):
                try:
                    channel, answer = await link.open_channel(name, **fields)
                    diary.append(sorted(answer))
                    channel.close()
                except PeerError as error:
                    diary.append((error.peer_code, str(error)))
            await link.ping()
            await asyncio.sleep(0.05)
            diary.append([type(mail) for mail in rogue.mail])
            diary.append(len(rogue.asked))
            diary.append(await letters_until_hung_up(rogue, link))
        return diary

    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        private, public = await alice.swarm.create(1), await alice.swarm.create(3)
        waiting, blocked = await world.rogue("waiting"), await world.rogue("blocked")
        await alice.swarm.people.block(blocked.account.id)
        first = await seen(world, alice, waiting, private, public)
        second = await seen(world, alice, blocked, private, public)
        assert first == second
        assert {request.offer.sender for request in alice.state.pending()} == {waiting.account.id}

    play(tmp_path, story)


def test_an_invitation_that_lies_about_the_mode_asks_the_user_before_joining(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        bob = await world.rogue("bob")
        where = ConversationId(await _own_room(bob, alice, mode=2))
        async with bob.linked(alice.address) as link:
            await bob.write(link, invitation(where, mode=1, commit=bob.log(where).heads[0]))
            await world.until(alice.waiting)
            (request,) = alice.state.pending()
            await alice.swarm.people.accept(request.id)
            await bob.sync(link, Shared(where, bob.log(where).heads))
            assert await alice.swarm.settled(where, 5.0) == "refused"
            assert not alice.log(where).roster.is_joined(alice.account.id)
            (told,) = await alice.events("conversation.refused")
            assert "it is private, and the invitation said admin-invites" in told["detail"]
            await alice.swarm.confirm_mode(where)
            assert await alice.swarm.settled(where, 5.0) == "ready"

    play(tmp_path, story)


async def _own_room(bob: Rogue, guest: Living, *, mode: Any) -> str:
    """A conversation of the rogue's own to which `guest` is invited."""
    folder, now = bob._folder / "own.git", int(guest.node.runtime.now())
    log = CommitLog.create(folder, writer(bob.person), Initial(mode, "0" * 32), now=now)
    must(log.append(Add(guest.account.id), writer(bob.person), now=now))
    bob.logs[log.conversation] = log
    return log.conversation


def _bad_root(bob: Rogue, guest: Living) -> tuple[ConversationId, bytes, CommitId]:
    """A conversation whose first commit says that it is bob's and is signed by somebody else, and one commit on it."""
    now = int(guest.node.runtime.now())
    log = CommitLog.create(bob._folder / "model.git", writer(bob.person), Initial(1, "1" * 32), now=now)
    pack = log.pack(None, ())
    model = log.commit(log.heads[0])
    assert pack is not None
    assert isinstance(model, Commit)
    payload = Draft(None, bob.person.name, bob.person.device, now, message(Initial(1, "1" * 32))).payload(model.tree)
    ((_, oid, raw),) = objects_of((COMMIT_KIND, sealed(payload, sshsig.sign(EVE.device_key, payload))))
    root = CommitId(oid.hex())
    _, ((_, _, text),) = forged(log, bob.person, Post("hello"), time=now)
    objects = [*_objects(b"".join(pack.chunks))[:-1], (COMMIT_KIND, oid, raw)]
    objects += objects_of((COMMIT_KIND, text.replace(b"parent " + model.id.encode(), b"parent " + root.encode())))
    log.close()
    return ConversationId(root), packed(objects), CommitId(objects[-1][1].hex())


def _objects(pack: bytes) -> list[Object]:
    """What an honest pack holds."""
    return [(each.packed.kind, each.packed.oid, each.raw) for each in Scanner().feed(pack)]


def test_an_invalid_history_is_named_not_kept_and_not_fetched_again(tmp_path: Path) -> None:
    """C-19"""

    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        bob = await world.rogue("bob")
        where, pack, head = _bad_root(bob, alice)
        bob.serve_pack = giving(pack, [head])
        async with bob.linked(alice.address) as link:
            await bob.write(link, invitation(where, commit=head))
            await world.until(alice.waiting)
            (request,) = alice.state.pending()
            await alice.swarm.people.accept(request.id)
            channel = await bob.sync(link, Shared(where, (head,)))
            await world.until(lambda: alice.swarm.state_of(where) == "refused")
            (told,) = await alice.events("conversation.refused")
            assert (told["commit"], told["rule"]) == (where, "SCP-02 §4.5")
            asked = len(bob.asked)
            for _ in range(5):
                await channel.send(encode(News(where, (head,))))
            await link.ping()
            await asyncio.sleep(0.1)
            assert len(bob.asked) == asked == 1
            assert alice.log(where).is_empty
            assert alice.state.conversations[where].refused == (head,)

    play(tmp_path, story)


async def _offered(
    world: Loopback, alice: Living, bob: Rogue, link: Link, where: ConversationId, head: CommitId
) -> None:
    """Alice accepts the invitation, and bob says that he has it up to this head."""
    await bob.write(link, invitation(where, commit=head))
    await world.until(alice.waiting)
    await alice.swarm.people.accept(alice.waiting()[0].id)
    await bob.sync(link, Shared(where, (head,)))


def test_a_history_of_more_invalid_commits_than_are_remembered_is_named_and_not_fetched_again(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        bob = await world.rogue("bob")
        where, pack, head = _bad_root(bob, alice)
        objects = _objects(pack)
        last, top = objects[-1][2], head
        for _ in range(REJECTIONS_REMEMBERED_MAX + 100):
            objects += objects_of((COMMIT_KIND, last.replace(b"parent " + where.encode(), b"parent " + top.encode())))
            top = CommitId(objects[-1][1].hex())
        bob.serve_pack = giving(packed(objects), [top])
        async with bob.linked(alice.address) as link:
            await _offered(world, alice, bob, link, where, top)
            await world.until(lambda: alice.swarm.state_of(where) == "refused")
            (told,) = await alice.events("conversation.refused")
            assert (told["commit"], told["rule"]) == (where, "SCP-02 §4.5")
            await world.until(lambda: alice.state.conversations[where].refused == (top,))
            assert len(alice.log(where).refusals()) == REJECTIONS_REMEMBERED_MAX + 1
            await asyncio.sleep(1.2)  # a pull that failed would be tried again by now
            assert len(bob.asked) == 1
            assert alice.log(where).is_empty

    play(tmp_path, story)


def test_of_an_invalid_history_the_valid_part_is_kept_and_what_broke_the_rest_is_told(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        now = int(alice.node.runtime.now())
        log = CommitLog.create(bob._folder / "own.git", writer(bob.person), Initial(1, "0" * 32), now=now)
        bob.logs[log.conversation] = log
        where = log.conversation
        fine = must(log.append(Add(carol.account.id), writer(bob.person), now=now)).new[0]
        whole = log.pack(None, ())
        assert whole is not None
        bad, objects = forged(log, bob.person, Post("never said"), time=now, damaged=True)
        bob.serve_pack = giving(packed([*_objects(b"".join(whole.chunks)), *objects]), [bad])
        async with bob.linked(alice.address) as link:
            await _offered(world, alice, bob, link, where, bad)
            await world.until(lambda: alice.swarm.state_of(where) == "refused")
            (told,) = await alice.events("conversation.refused")
            assert (told["commit"], told["rule"]) == (bad, "SCP-02 §4.5")
            assert alice.log(where).heads == (fine,)
            assert [each.commit for each in alice.log(where).refusals()] == [bad]
            assert (await alice.door.verify(conversation=where))["valid"] is True
            await asyncio.sleep(1.2)
            assert len(bob.asked) == 1
            # Who tells the truth later completes it.
            bob.serve_pack = None
            add = must(log.append(Add(alice.account.id), writer(bob.person), now=now)).new[0]
        async with bob.linked(alice.address) as link:
            await bob.sync(link, Shared(where, (add,)))
            await world.until(lambda: alice.swarm.state_of(where) == "ready")
            assert alice.log(where).roster.is_joined(alice.account.id)

    play(tmp_path, story)


def test_a_liar_among_the_sources_of_a_clone_blacks_out_no_honest_head(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, rogues=[bob])
        await alice.swarm.invite(where, [carol.account.id])
        honest = alice.log(where).heads
        _, pack, head = _bad_root(bob, alice)
        bob.serve_pack = giving(pack, [head])
        await carol.swarm.people.join(where, mode=1, inviter=bob.account.id)
        async with bob.linked(carol.address) as link:
            await bob.sync(link, Shared(where, (*honest, head)))
            await world.until(lambda: carol.swarm.state_of(where) == "refused")
            await alice.node.add_address(carol.account.id, carol.address)
            await world.until(lambda: carol.swarm.state_of(where) == "ready")
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)
