"""Who asks on Status to be let in, what was ignored, and what people without account are called: on whole nodes. (SCP-09 §3.12)"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.errors import AmbiguousError, NotFoundError, RefusedError, StorageError, UserError
from swarmchat.gateways.protobuf import delimited
from swarmchat.gateways.status import showing
from swarmchat.gateways.status.store import Store
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    EventType,
    GroupChatInvitation,
    InvitationState,
    PayloadType,
)
from swarmchat.ids import ConversationId
from tests.support.loopback import Living, Loopback, level, play
from tests.support.status_streams import ANN, BEN, CAT, Group

EVE = Secret(bytes(31) + b"\x07")


def chat() -> Group:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
    group.says(BEN, "hello", display_name="Benjamin")
    return group


async def taken(node: Living, folder: Path, data: bytes, **more: Any) -> tuple[ConversationId, dict[str, Any]]:
    path = folder / "group.status"
    path.write_bytes(data)
    done = await node.door.status_import(path=str(path), **more)
    return done["conversation"], done


async def asking(node: Living, where: ConversationId | None = None) -> list[str]:
    return [row["text"] for row in await node.door.status_requests(conversation=where)]


async def opened(world: Loopback, *guests: str) -> tuple[ConversationId, str, list[Living]]:
    """A conversation of accounts that is open for Status, and its chat."""
    nodes = [await world.node(name) for name in ("ann", *guests)]
    where = await world.room(nodes[0])
    chat_id = (await nodes[0].door.status_bridge(conversation=where))["chat"]
    for guest in nodes[1:]:
        await world.bring(nodes[0], guest, where)
    await world.until(lambda: level(where, *nodes))
    return where, chat_id, nodes


def request(chat_id: str, who: Secret, text: str, clock: int) -> bytes:
    return Group().asks(who, text, clock=clock, chat=chat_id).raw


def test_who_asks_is_shown_with_his_words_and_is_on_the_disk(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        group.asks(CAT, "may I sail?")
        where, done = await taken(dan, tmp_path, group.file())
        assert {"fate": "ignored", "reason": "join-request", "count": 1} in done["counts"]
        (row,) = await dan.door.status_requests()
        assert row["text"] == "may I sail?"
        assert (row["conversation"], row["key"], row["account"]) == (where, CAT.public.legacy, CAT.public.uri)
        assert (row["bound"], row["may_add"]) == (False, True)
        assert (await dan.door.status_show(conversation=where))["requests"] == [row]
        dan.door.status.store.close()
        again = Store(dan.node.home.data / "status.sqlite")
        assert [one.text for one in again.requests(where)] == ["may I sail?"]
        again.close()

    play(tmp_path, story)


def test_an_import_adds_nobody_and_accepting_tells_status_and_every_node(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, chat_id, (ann, ben) = await opened(world, "ben")
        now = int(ann.node.runtime.now() * 1000)
        await taken(ann, tmp_path, request(chat_id, CAT, "may I sail?", now))
        assert not ann.log(where).roster.is_invited(CAT.public.uri)
        assert (await asking(ann), await asking(ben)) == (["may I sail?"], []), "what stands in no log is not handed on"
        done = await ann.door.status_accept(conversation=where, key=CAT.public.compressed)
        assert (done["account"], done["state"]) == (CAT.public.uri, "invited")
        assert await asking(ann) == []
        await world.until(lambda: level(where, ann, ben))
        for node in (ann, ben):
            shown = await node.door.status_show(conversation=where)
            assert CAT.public.legacy in [row["key"] for row in shown["members"]]
            (row,) = [one for one in await node.door.member_list(conversation=where) if one["id"] == CAT.public.uri]
            assert (row["role"], row["gateway"], row["name"]) == ("invited", "status", "")
        await taken(ann, tmp_path, request(chat_id, CAT, "again", now + 1))
        assert await asking(ann) == [], "he is in"

    play(tmp_path, story)


def test_who_is_invited_by_his_uri_is_let_in_like_who_is_accepted(tmp_path: Path) -> None:
    """Nobody but the request names his key."""

    async def story(world: Loopback) -> None:
        where, chat_id, (ann,) = await opened(world)
        now = int(ann.node.runtime.now() * 1000)
        await taken(ann, tmp_path, request(chat_id, CAT, "may I sail?", now))
        await ann.door.member_invite(conversation=where, accounts=[CAT.public.uri])
        shown = await ann.door.status_show(conversation=where)
        assert CAT.public.legacy in [row["key"] for row in shown["members"]]
        assert await asking(ann) == []
        await ann.door.member_kick(conversation=where, target=CAT.public.uri)
        assert await asking(ann) == [], "that request is settled"
        await taken(ann, tmp_path, request(chat_id, CAT, "once more", int(ann.node.runtime.now() * 1000) + 5_000))
        assert await asking(ann) == ["once more"]

    play(tmp_path, story)


def test_a_newer_file_beside_the_log_keeps_nothing_from_being_written_in_the_log(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, _, (ann,) = await opened(world)
        ben = await world.node("ben")
        for node in (ann, ben):
            with closing(sqlite3.connect(node.node.home.data / "status.sqlite")) as file:
                file.execute("PRAGMA user_version = 99")
        await world.bring(ann, ben, where)
        await world.until(lambda: has_claimed(ann, where, ben))
        await ann.door.member_invite(conversation=where, accounts=[CAT.public.uri])
        assert ann.log(where).roster.is_invited(CAT.public.uri)
        with pytest.raises(StorageError, match="newer swarmchat"):
            await asking(ann)

    play(tmp_path, story)


def has_claimed(node: Living, where: ConversationId, who: Living) -> bool:
    with node.log(where).still():
        return node.door.status.ledger(node.log(where)).has_claimed(who.node.account.id)


def test_a_declined_request_is_forgotten_and_the_same_one_does_not_come_back(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, chat_id, (ann,) = await opened(world)
        now = int(ann.node.runtime.now() * 1000)
        first = request(chat_id, CAT, "may I sail?", now)
        await taken(ann, tmp_path, first)
        done = await ann.door.status_decline(conversation=where, key=CAT.public.uri[:6])
        assert (done["state"], done["commit"]) == ("declined", None)
        assert await asking(ann) == []
        for again in (first, request(chat_id, CAT, "please", now + 60_000)):
            await taken(ann, tmp_path, again)
            assert await asking(ann) == []
        with pytest.raises(NotFoundError, match="nobody") as caught:
            await ann.door.status_accept(conversation=where, key=CAT.public.legacy)
        assert caught.value.hint

    play(tmp_path, story)


def test_who_may_add_nobody_is_asked_nothing_and_sees_who_waits(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        where = await world.room(ann, mode=1)
        chat_id = (await ann.door.status_bridge(conversation=where))["chat"]
        await world.bring(ann, ben, where)
        await world.until(lambda: level(where, ann, ben))
        now = int(ben.node.runtime.now() * 1000)
        await taken(ben, tmp_path, request(chat_id, CAT, "may I sail?", now))
        assert await asking(ben, where) == []
        (row,) = (await ben.door.status_show(conversation=where))["requests"]
        assert row["may_add"] is False
        with pytest.raises(RefusedError):
            await ben.door.status_accept(conversation=where, key=CAT.public.legacy)
        assert not ben.log(where).roster.is_invited(CAT.public.uri)

    play(tmp_path, story)


def test_whom_the_chat_would_not_hear_of_is_not_added(tmp_path: Path) -> None:
    """The importer's own key is no member of a chat that came from Status: nobody could tell whom he added."""

    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        group.asks(CAT, "may I sail?")
        where, _ = await taken(dan, tmp_path, group.file())
        with pytest.raises(RefusedError, match="not-a-member") as caught:
            await dan.door.status_accept(conversation=where, key=CAT.public.legacy)
        assert caught.value.hint
        assert not dan.log(where).roster.is_invited(CAT.public.uri)
        assert await asking(dan) == ["may I sail?"]
        group.does(BEN, EventType.MEMBERS_ADDED, CAT.public)
        await taken(dan, tmp_path, group.file())
        assert await asking(dan) == [], "let in on Status"

    play(tmp_path, story)


def test_two_who_go_by_one_name_are_told_apart(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        for who in (CAT, EVE):
            group.says(who, "hm", display_name="Sailor")
            group.asks(who, who.public.legacy)
        where, _ = await taken(dan, tmp_path, group.file())
        assert {row["name"] for row in await dan.door.status_requests()} == {"Sailor"}
        with pytest.raises(AmbiguousError):
            await dan.door.status_decline(conversation=where, key="Sailor")
        await dan.door.status_decline(conversation=where, key=EVE.public.legacy)
        assert await asking(dan) == [CAT.public.legacy]

    play(tmp_path, story)


def test_who_takes_the_beginning_of_anothers_key_for_a_name_is_not_let_in_for_him(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        begun = CAT.public.compressed[:20]
        group.asks(CAT, "may I sail?")
        group.says(EVE, "hm", display_name=begun)
        group.asks(EVE, "may I sail for her?")
        where, _ = await taken(dan, tmp_path, group.file())
        with pytest.raises(AmbiguousError):
            await dan.door.status_accept(conversation=where, key=begun)
        done = await dan.door.status_decline(conversation=where, key=CAT.public.legacy[:20])
        assert done["key"] == CAT.public.legacy, "a key is named by how it begins"
        done = await dan.door.status_decline(conversation=where, key=begun)
        assert done["key"] == EVE.public.legacy

    play(tmp_path, story)


def test_a_hostile_file_leaves_no_request_that_nobody_signed_and_no_more_than_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STATUS_REQUESTS_PER_CONVERSATION_MAX", 10)

    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        honest = group.asks(CAT, "may I sail?")
        payload = GroupChatInvitation(clock=group.clock, chat_id=group.id, state=InvitationState.REQUEST).encode()
        kind = PayloadType.GROUP_CHAT_INVITATION
        flipped = bytearray(honest.raw)
        flipped[-1] ^= 1
        bad = [
            ApplicationMetadataMessage(payload=payload, type=kind).encode(),
            ApplicationMetadataMessage(signature=bytes(65), payload=payload, type=kind).encode(),
            ApplicationMetadataMessage(signature=b"\xff" * 65, payload=payload, type=kind).encode(),
            group.asks(CAT, "of another chat", chat=group.id + "0").raw,
            group.asks(CAT, "without a chat", chat="").raw,
            group.asks(CAT, "at no time", clock=0).raw,
            group.asks(CAT, "from 2100", clock=4_102_444_800_000).raw,
            group.asks(CAT, "in no state", state=0).raw,
            group.asks(CAT, "in another state", state=9).raw,
            group.asks(CAT, "answered", state=InvitationState.REJECTED).raw,
            bytes(flipped[:-3]),
        ]
        del group.said[1:]
        where, _ = await taken(dan, tmp_path, delimited([*group.wrappers(), *bad, honest.raw]))
        assert await asking(dan) == ["may I sail?"]
        strangers = [Secret(number.to_bytes(32)) for number in range(1_000, 1_030)]
        many = [group.asks(who, f"{number} \x1b[2J" + "x" * 10_000).raw for number, who in enumerate(strangers)]
        before = len(dan.log(where).history)
        await taken(dan, tmp_path, delimited(many))
        first, *rows = await dan.door.status_requests()
        assert first["text"] == "may I sail?", "who waits is put out by nobody"
        assert len(rows) == 9
        assert {len(row["text"]) for row in rows} == {limits.STATUS_REQUEST_CHARS_MAX}
        assert len(dan.log(where).history) == before, "no commit is made of them"
        assert (await dan.door.verify(conversation=where))["valid"] is True

    play(tmp_path, story)


def test_what_was_ignored_is_shown_with_its_reason_until_it_counts(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        stranger = group.does(EVE, EventType.NAME_CHANGED, name="mine")
        early = group.does(CAT, EventType.COLOR_CHANGED, color="#7cda00", clock=group.clock + 5_000)
        where, _ = await taken(dan, tmp_path, group.update().raw)
        found = (await dan.door.status_show(conversation=where))["ignored"]
        assert [(one["id"], one["what"], one["author"], one["reason"]) for one in found] == [
            (stranger.id, "NAME_CHANGED", EVE.public.legacy, "not-a-member"),
            (early.id, "COLOR_CHANGED", CAT.public.legacy, "not-a-member"),
        ]
        await taken(dan, tmp_path, group.update().raw)
        assert (await dan.door.status_show(conversation=where))["ignored"] == found
        group.does(ANN, EventType.MEMBERS_ADDED, CAT.public)
        await taken(dan, tmp_path, group.update().raw)
        left = (await dan.door.status_show(conversation=where))["ignored"]
        assert [one["id"] for one in left] == [stranger.id]

    play(tmp_path, story)


def test_a_dry_run_keeps_nothing(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        where, _ = await taken(dan, tmp_path, group.file())
        group.asks(CAT, "may I sail?")
        group.does(EVE, EventType.NAME_CHANGED, name="mine")
        await taken(dan, tmp_path, group.file(), dry_run=True)
        assert await asking(dan) == []
        assert (await dan.door.status_show(conversation=where))["ignored"] == []
        assert not dan.door.status.store.requests(where)

    play(tmp_path, story)


def test_with_the_conversation_goes_what_was_kept_beside_it(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        group.asks(CAT, "may I sail?")
        where, _ = await taken(dan, tmp_path, group.file())
        store = dan.door.status.store
        assert store.requests(where)
        await dan.door.conversation_purge(conversation=where)
        await world.until(lambda: not store.requests(where))
        assert await asking(dan) == []

    play(tmp_path, story)


def test_members_without_account_are_listed_by_the_name_that_they_last_went_by(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        where, _ = await taken(dan, tmp_path, group.file())

        async def named() -> dict[str, str]:
            rows = await dan.door.member_list(conversation=where)
            return {row["name"]: row["gateway"] for row in rows if "gateway" in row}

        assert await named() == {"Benjamin": "status"}
        group.does(ANN, EventType.MEMBERS_ADDED, CAT.public)
        await taken(dan, tmp_path, group.file())
        assert await named() == {"": "status", "Benjamin": "status"}
        group.says(BEN, "it is me", display_name="Benji B")
        group.says(CAT, "hi", display_name="Catherine")
        group.says(BEN, "without a name")
        await taken(dan, tmp_path, group.file())
        assert await named() == {"Catherine": "status", "Benji B": "status"}
        mine = [row for row in await dan.door.member_list(conversation=where) if row["role"] == "admin"]
        assert ["gateway" in row for row in mine] == [False]

    play(tmp_path, story)


def test_a_file_that_cannot_be_taken_in_is_refused_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: Loopback) -> None:
        dan = await world.node("dan")
        with pytest.raises(NotFoundError) as missing:
            await dan.door.status_import(path=str(tmp_path / "nothing"))
        orphan = Group()
        orphan.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
        with pytest.raises(UserError, match="make no chat: not-created") as without:
            await taken(dan, tmp_path, orphan.update().raw)
        usurped = Group()
        usurped.does(BEN, EventType.CHAT_CREATED, name="mine")
        with pytest.raises(UserError, match="make no chat: wrong-creator") as wrong:
            await taken(dan, tmp_path, usurped.update().raw)
        monkeypatch.setattr(limits, "STATUS_STREAM_BYTES_MAX", 9)
        with pytest.raises(StorageError, match="larger than") as large:
            await taken(dan, tmp_path, chat().file())
        hints = [one.value.hint for one in (missing, without, wrong, large)]
        assert all(hints)
        assert len(set(hints)) == 4

    play(tmp_path, story)


def test_names_are_looked_for_in_so_many_bytes_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message may carry all events of its chat, and the list of members is asked for often."""

    async def story(world: Loopback) -> None:
        group, dan = chat(), await world.node("dan")
        last = group.says(BEN, "last", display_name="Benji B")
        monkeypatch.setattr(showing, "_LOOKED_AT_BYTES_MAX", len(last.raw) - 1)
        where, _ = await taken(dan, tmp_path, group.file())
        named = [row["name"] for row in await dan.door.member_list(conversation=where) if "gateway" in row]
        assert named == [""]
        log = dan.log(where)
        monkeypatch.setattr(showing, "_LOOKED_AT_BYTES_MAX", len(last.raw))
        with log.still():
            assert showing.called(dan.door.status.ledger(log), log) == {BEN.public.legacy: "Benji B"}

    play(tmp_path, story)


def test_the_other_of_a_one_to_one_without_account_is_listed_as_foreign(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        dan = await world.node("dan")
        where = (await dan.door.status_bridge(conversation=CAT.public.compressed))["conversation"]
        rows = {row["id"]: row.get("gateway") for row in await dan.door.member_list(conversation=where)}
        assert rows == {dan.account.id: None, CAT.public.uri: "status"}
        shown = await dan.door.status_show(conversation=where)
        assert (shown["requests"], shown["ignored"]) == ([], [])
        assert await asking(dan) == []

    play(tmp_path, story)
