"""Conversations of whole nodes that are told to Status: who signs what, who writes what unasked, and what it comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swarmchat.conversation.commit import Commit
from swarmchat.errors import RefusedError
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes, reading
from swarmchat.gateways.status.fold import Group, fold
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.opening import open_for
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
        with pytest.raises(RefusedError, match="is open"):
            await open_for(ann.node, ann.door.status, where)

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

    play(tmp_path, story)
