"""Conversations of whole nodes that are told to Status: who signs what, who writes what unasked, and what it comes to."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swarmchat.conversation.actions import Add, Other, Post
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UsageError
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import envelopes, events, notes, reading
from swarmchat.gateways.status.fold import Group, fold
from swarmchat.gateways.status.gateway import StatusGateway
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.opening import open_for
from swarmchat.gateways.status.wire import ChatMessage, ContentType, EventType, MembershipUpdateEvent, MessageType
from swarmchat.ids import CommitId, ConversationId
from tests.support.loopback import Living, Loopback, level, play


def ledger(node: Living, where: ConversationId) -> Ledger:
    log = node.log(where)
    with log.still():
        return node.door.status.ledger(log)


def group(node: Living, where: ConversationId) -> Group:
    """What Status makes of all that is here."""
    log = node.log(where)
    with log.still():
        found = node.door.status.ledger(log)
        chat = found.chats[0]
        return fold(chat.id, [told.signed for told in found.told if told.chat is chat]).group


def key(node: Living) -> str:
    secret = node.swarm.own.status_key()
    assert secret is not None
    return secret.public.legacy


def said(node: Living, where: ConversationId, commit: str) -> tuple[reading.Said, ...]:
    log = node.log(where)
    with log.still():
        found = node.door.status.ledger(log)
        entry = log.history[CommitId(commit)]
        parsed = log.commit(entry.id)
        assert isinstance(parsed, Commit)
        assert entry.fact.account is not None
        read = reading.said(found, entry.seq, parsed, entry.fact.account)
        assert not isinstance(read, Refused), read
        return read


def count(node: Living, where: ConversationId, kind: str) -> int:
    return sum(entry.fact.type == kind for entry in node.log(where).history.entries)


async def opened(world: Loopback, *names: str) -> tuple[ConversationId, list[Living]]:
    """A conversation of these that the first has opened, in which everybody has bound a key and is a member for Status."""
    nodes = [await world.node(name) for name in names]
    where = await world.room(*nodes)
    await open_for(nodes[0].node, nodes[0].door.status, where)
    await world.until(lambda: len(group(nodes[0], where).members) == len(nodes))
    await world.until(lambda: level(where, *nodes))
    return where, nodes


def test_who_was_there_before_becomes_a_member_for_status_once_its_key_is_bound(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann, ben, cid) = await opened(world, "ann", "ben", "cid")
        assert set(group(ann, where).members) == {key(ann), key(ben), key(cid)}
        assert list(group(ann, where).admins) == [key(ann)]
        assert count(ann, where, BINDING) == 3
        assert count(ann, where, notes.BRIDGE) == 1
        assert group(ben, where) == group(ann, where)

    play(tmp_path, story)


def test_what_is_said_is_signed_by_who_says_it_and_rebuilt_by_everybody(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann, ben) = await opened(world, "ann", "ben")
        text = await ben.say(where, "moin")
        reply = str((await ben.door.message_send(conversation=where, text="too", reply_to=text))["id"])
        await world.until(lambda: level(where, ann, ben))
        (one,), (two,) = said(ann, where, text), said(ann, where, reply)
        assert one.author.legacy == key(ben)
        assert one.envelope.raw == said(ben, where, text)[0].envelope.raw
        assert two.entity.response_to == one.envelope.id  # type: ignore[union-attr]
        rows: list[dict[str, Any]] = await ann.door.message_list(conversation=where)
        assert all("via" not in row for row in rows)

    play(tmp_path, story)


def test_a_conversation_is_opened_once_and_by_an_admin(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        where = await world.room(ann, ben)
        with pytest.raises(RefusedError, match="only an admin"):
            await open_for(ben.node, ben.door.status, where)
        await open_for(ann.node, ann.door.status, where)
        with pytest.raises(RefusedError, match="is open for Status already"):
            await open_for(ann.node, ann.door.status, where)

    play(tmp_path, story)


def test_what_was_to_be_a_key_is_no_conversation_that_is_missing(tmp_path: Path) -> None:
    """It said that there is no conversation of that name here."""

    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        for text in ("zQ3shfoo", "0x0412", " 0x04"):
            with pytest.raises(UsageError, match="a key ") as refused:
                await ann.door.status_bridge(conversation=text)
            assert repr(text) in str(refused.value)
            assert refused.value.hint
        with pytest.raises(NotFoundError):
            await ann.door.status_bridge(conversation="zebra")

    play(tmp_path, story)


def test_what_is_due_and_could_not_be_written_is_written_with_the_next_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: Loopback) -> None:
        where, (ann, ben) = await opened(world, "ann", "ben")
        whole = StatusGateway.write
        failed: list[StatusGateway] = []

        async def broken(gateway: StatusGateway, conversation: ConversationId, kind: str, *more: Any) -> Any:
            if kind == notes.EVENT and not failed:
                failed.append(gateway)
                raise StorageError("the disk is full")
            return await whole(gateway, conversation, kind, *more)

        monkeypatch.setattr(StatusGateway, "write", broken)
        cid = await world.node("cid")
        await world.bring(ann, cid, where)
        await world.until(lambda: bool(failed))
        assert len(group(ann, where).members) == 2
        await ben.say(where, "news")
        await world.until(lambda: len(group(ann, where).members) == 3)

    play(tmp_path, story)


def test_15_a_banned_admin_leads_to_a_chat_anew_without_him(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann, ben, cid) = await opened(world, "ann", "ben", "cid")
        await ann.door.member_promote(conversation=where, target=ben.account.id)
        await world.until(lambda: key(ben) in group(ben, where).admins)
        for one in (ann, ben):
            await world.until(lambda: level(where, ann, ben, cid))
            await one.door.member_promote(conversation=where, target=cid.account.id)
        await world.until(lambda: level(where, ann, ben, cid) and key(cid) in group(ann, where).admins)
        before = ledger(ann, where).chats[0]
        await ann.say(where, "before")
        for one in (ann, cid):
            await world.until(lambda: level(where, ann, cid))
            await one.door.member_ban(conversation=where, target=ben.account.id)
        await world.until(lambda: ledger(ann, where).chats[0].generation == 1)
        assert ledger(ann, where).chats[0].id != before.id
        assert ledger(ann, where).chats[0].account == cid.account.id, "who banned opens the next one"
        await world.until(lambda: level(where, ann, cid))
        assert set(group(cid, where).members) == set(group(cid, where).admins) == {key(ann), key(cid)}
        text = await ann.say(where, "after")
        assert said(ann, where, text)[0].entity.chat_id == ledger(cid, where).chats[0].id
        assert count(ann, where, notes.BRIDGE) == 2
        assert (await ann.door.status_show(conversation=where))["messages"] == 1, "of the new chat alone"

    play(tmp_path, story)


def foreign(where: Ledger, text: str, at_ms: int, timestamp: int) -> tuple[Secret, envelopes.Envelope]:
    """What somebody says in the chat who has no account here."""
    secret = Secret(b"\x0f" * 32)
    message = ChatMessage(
        clock=at_ms,
        timestamp=timestamp,
        text=text,
        chat_id=where.chats[0].id,
        message_type=MessageType.PRIVATE_GROUP,
        content_type=ContentType.TEXT_PLAIN,
        display_name="Far Away",
    )
    return secret, envelopes.sign(message, secret)


def test_who_speaks_through_a_bridge_is_shown_unless_the_bridge_changed_his_words(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        secret, envelope = foreign(
            ledger(ann, where), "from afar", int(ann.node.runtime.now() * 1000), 1_700_000_000_123
        )
        note = {"status": notes.of_envelopes([envelope])}
        for text in ("from afar", "put into his mouth"):
            await ann.swarm.append(where, Post(text), extra=note)
        await ann.say(where, "mine")
        rows = [row for row in await ann.door.message_list(conversation=where) if row["type"] == "text/plain"]
        assert [row.get("via") for row in rows] == [
            {
                "gateway": "status",
                "account": secret.public.uri,
                "key": secret.public.legacy,
                "name": "Far Away",
                "time": "2023-11-14T22:13:20.123Z",
            },
            None,
            None,
        ]

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("said_ms", "told"), [(1, "1970-01-01T00:00:00.001Z"), (2**64 - 1, "9999-12-31T23:59:59.000Z")]
)
def test_when_somebody_says_that_he_said_it_is_shown_whatever_that_is(tmp_path: Path, said_ms: int, told: str) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        _, envelope = foreign(ledger(ann, where), "from afar", int(ann.node.runtime.now() * 1000), said_ms)
        await ann.swarm.append(where, Post("from afar"), extra={"status": notes.of_envelopes([envelope])})
        *_, row = await ann.door.message_list(conversation=where)
        assert row["via"]["time"] == told

    play(tmp_path, story)


def test_who_has_no_account_is_known_as_such_where_an_event_names_the_key(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        far = Secret(b"\x0f" * 32).public
        assert not ann.door.status.is_foreign(where, far.uri)
        mine = ann.swarm.own.status_key()
        assert mine is not None
        event = events.sign(
            MembershipUpdateEvent(clock=5, type=EventType.MEMBERS_ADDED, members=(far.legacy,)),
            ledger(ann, where).chats[0].id,
            mine,
        )
        await ann.swarm.append(where, Add(far.uri), extra={"status": notes.of_events([event])})
        ledger(ann, where)
        assert ann.door.status.is_foreign(where, far.uri)
        assert not ann.door.status.is_foreign(where, ann.account.id)

    play(tmp_path, story)


@pytest.mark.parametrize(("ahead_ms", "is_taken"), [(60_000, True), (3_600_000, False)])
def test_what_is_too_far_ahead_for_clients_is_not_shown_as_what_they_see(
    tmp_path: Path, ahead_ms: int, is_taken: bool
) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        mine, now_ms = ann.swarm.own.status_key(), int(ann.node.runtime.now() * 1000)
        assert mine is not None
        event = MembershipUpdateEvent(clock=now_ms + ahead_ms, type=EventType.NAME_CHANGED, name="Tomorrow")
        signed = events.sign(event, ledger(ann, where).chats[0].id, mine)
        await ann.swarm.append(where, Other(notes.EVENT), extra={"status": notes.of_events([signed])})
        shown = await ann.door.status_show(conversation=where)
        assert (shown["name"], shown["events"]) == (("Tomorrow", 2) if is_taken else ("", 1))
        assert [row["reason"] for row in shown["dropped"]] == ([] if is_taken else ["bad-clock"])

    play(tmp_path, story)


def test_commits_written_in_one_batch_see_each_other(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        texts = await asyncio.gather(*[ann.say(where, str(number)) for number in range(12)])
        clocks = [said(ann, where, text)[0].entity.clock for text in texts]
        assert len(set(clocks)) == len(clocks)
        found = ledger(ann, where)
        history = ann.log(where).history
        assert all(
            found.clock(number) > max((found.clock(parent) for parent in history.parents(number)), default=0)
            for number in range(len(history))
        )

    play(tmp_path, story)


def test_after_a_repair_the_ledger_is_read_anew(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        text = await ann.say(where, "before")
        before, history = ledger(ann, where), ann.log(where).history
        ann.log(where).repair()
        assert ann.log(where).history is not history
        assert ledger(ann, where) is not before
        assert ledger(ann, where).clock(1) == before.clock(1)
        assert said(ann, where, text)[0].author.legacy == key(ann)

    play(tmp_path, story)


def test_a_conversation_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, (ann,) = await opened(world, "ann")
        far = Secret(b"\x0f" * 32).public
        await ann.swarm.purge(where)
        assert not ann.door.status.is_foreign(where, far.uri)
        assert where not in ann.door.status._ledgers

    play(tmp_path, story)


def test_a_node_without_such_conversations_loads_nothing_of_keys(tmp_path: Path) -> None:
    """Neither to write nor to show, as idle memory is what many of them share."""
    script = f"""
import asyncio, sys
from pathlib import Path
from tests.support.loopback import play
async def story(world):
    ann = await world.node("ann")
    where = await ann.swarm.create(1)
    await ann.say(where, "plain")
    assert (await ann.door.message_list(conversation=where))[-1]["body"] == "plain"
    await asyncio.sleep(0.3)
play(Path({str(tmp_path)!r}), story)
heavy = [name for name in sys.modules if name.split(".")[0] in ("coincurve", "Crypto", "mnemonic")]
print(heavy, "swarmchat.gateways.status.gateway" in sys.modules)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[] True"


def test_of_two_devices_of_an_account_one_makes_the_key_and_writes_what_is_due(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        where = await world.room(ann, ben)
        second = await world.twin(ben)
        await world.until(lambda: second.swarm.state_of(where) == "ready")
        await world.until(lambda: len(ben.node.keeper.state.devices) == len(second.node.keeper.state.devices) == 2)
        await open_for(ann.node, ann.door.status, where)
        await world.until(lambda: len(group(ann, where).members) == 2)
        await world.until(lambda: key(ben) == key(second))
        await world.until(lambda: level(where, ann, ben, second))
        assert key(ben) in group(ann, where).members
        assert count(ann, where, BINDING) == 2, "one of the two devices bound it"
        for device in (ben, second):
            assert said(ann, where, await shared(world, ann, device, where))[0].author.legacy == key(ben)

    play(tmp_path, story)


async def shared(world: Loopback, ann: Living, device: Living, where: ConversationId) -> str:
    """What a device says, once Ann has it."""
    text = await device.say(where, "from one of two")
    await world.until(lambda: ann.log(where).knows(CommitId(text)))
    return text
