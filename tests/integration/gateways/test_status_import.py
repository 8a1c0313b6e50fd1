"""Status files into the logs of whole nodes and out again: nothing lost, nothing twice, nothing half done. (SCP-09 §3.9, §3.10)"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.conversation.actions import Edit
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UserError
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.protobuf import delimited, undelimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import importer, notes
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.fold import Group as Folded
from swarmchat.gateways.status.fold import fold
from swarmchat.gateways.status.wire import ApplicationMetadataMessage, EventType, MembershipUpdateMessage
from swarmchat.ids import CommitId, ConversationId
from swarmchat.swarm.swarm import Swarm
from tests.support.loopback import Living, Loopback, level, play
from tests.support.status_streams import ANN, BEN, CAT, PNG, Group, lively


def _saved(folder: Path, group: Group | bytes, name: str = "group.status") -> str:
    path = folder / name
    path.write_bytes(group if isinstance(group, bytes) else group.file())
    return str(path)


async def _taken(node: Living, folder: Path, group: Group | bytes) -> tuple[ConversationId, dict[str, Any]]:
    done = await node.door.status_import(path=_saved(folder, group))
    return ConversationId(done["conversation"]), done


async def _exported(node: Living, where: ConversationId, folder: Path) -> bytes:
    path = folder / f"{node.name}.status"
    await node.door.status_export(conversation=where, path=str(path), force=True)
    return path.read_bytes()


def _wrappers(data: bytes) -> tuple[bytes, ...]:
    found = undelimited(data, 10_000)
    assert not isinstance(found, Refused)
    return found


def _elements(data: bytes) -> Counter[bytes]:
    wrapper = ApplicationMetadataMessage.decode(_wrappers(data)[0])
    assert not isinstance(wrapper, Refused)
    update = MembershipUpdateMessage.decode(wrapper.payload)
    assert not isinstance(update, Refused)
    return Counter(update.events)


def _newest(node: Living, where: ConversationId) -> Chat:
    log = node.log(where)
    with log.still():
        return node.door.status.ledger(log).chats[0]


def _group(node: Living, where: ConversationId) -> Folded:
    log = node.log(where)
    with log.still():
        found = node.door.status.ledger(log)
        return fold(found.chats[0].id, [told.signed for told in found.told if told.chat is found.chats[0]]).group


async def _lines(node: Living, where: ConversationId) -> list[Any]:
    """What is read there, without who carried it and when."""
    rows = await node.door.message_list(conversation=where, limit=10_000)
    said = [row for row in rows if row["type"] == "text/plain"]
    bodies = {row["id"]: row["body"] for row in said}
    return [
        (
            row["body"],
            bodies.get(row["reply_to"]),
            sorted(one["reaction"] for one in row["reactions"]),
            [one["body"] for one in row["edits"]],
        )
        for row in said
    ]


def _size(node: Living, where: ConversationId) -> int:
    return len(node.log(where).history)


def _bound(node: Living, where: ConversationId) -> int:
    return sum(entry.fact.type == BINDING for entry in node.log(where).history.entries)


async def _conversations(node: Living) -> list[str]:
    return [row["id"] for row in await node.door.conversation_list()]


def _key(node: Living) -> str:
    secret = node.swarm.own.status_key()
    assert secret is not None
    return secret.public.legacy


async def _eventful(world: Loopback) -> tuple[ConversationId, Living, Living]:
    """A conversation of swarmchat nodes, open for Status, in which all has happened that can."""
    ann, ben, cid, dan = [await world.node(name) for name in ("ann", "ben", "cid", "dan")]
    where = await world.room(ann, ben)
    await ann.door.status_bridge(conversation=where)
    await world.until(lambda: len(_group(ann, where).members) == 2)
    for guest in (cid, dan):
        await world.bring(ann, guest, where)
        await world.until(lambda: _has(ann, where, guest))  # noqa: B023
    everybody = (ann, ben, cid, dan)
    await world.until(lambda: level(where, *everybody))
    await ann.door.conversation_set(conversation=where, title="Ships", color="#7cda00")
    picture = "data:image/png;base64," + notes.encoded(PNG)
    await ann.door.conversation_set(conversation=where, image=picture)
    asked = await ann.say(where, "who sails?")
    await world.until(lambda: level(where, *everybody))
    answer = (await ben.door.message_send(conversation=where, text="I do ⛵", reply_to=asked))["id"]
    await world.until(lambda: level(where, *everybody))
    await ann.door.message_react(conversation=where, message=answer, reaction="👍")
    await cid.door.message_react(conversation=where, message=answer, reaction="❤")
    await world.until(lambda: level(where, *everybody))
    await cid.door.message_react(conversation=where, message=answer, reaction="❤", remove=True)
    await ben.door.message_edit(conversation=where, message=answer, text="we do ⛵")
    gone = await cid.say(where, "never mind")
    await cid.door.message_delete(conversation=where, message=gone)
    await world.until(lambda: level(where, *everybody))
    await ann.door.member_promote(conversation=where, target=ben.account.id)
    await world.until(lambda: level(where, *everybody))
    await ben.door.member_kick(conversation=where, target=cid.account.id)
    await world.until(lambda: level(where, ann, ben, dan))
    await dan.door.conversation_leave(conversation=where)
    await world.until(lambda: not ann.log(where).roster.is_joined(dan.account.id))
    await world.until(lambda: level(where, ann, ben))
    await ben.say(where, "last word")
    await world.until(lambda: level(where, ann, ben))
    return where, ann, ben


def _has(node: Living, where: ConversationId, guest: Living) -> bool:
    secret = guest.swarm.own.status_key()
    return secret is not None and secret.public.legacy in _group(node, where).members


def test_12_a_conversation_goes_to_status_and_back_onto_an_empty_node(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await _eventful(world)
        data = await _exported(ann, where, tmp_path)
        assert data == await _exported(ben, where, tmp_path), "nobody's key is needed"
        eve = await world.node("eve")
        there, done = await _taken(eve, tmp_path, data)
        assert done["state"] == "made"
        assert not [row for row in done["told"] if row["fate"] != "kept"]
        assert _group(eve, there) == _group(ann, where)
        assert await _lines(eve, there) == await _lines(ann, where)
        assert len(await _lines(eve, there)) == 4
        page = await eve.door.conversation_show(conversation=there)
        assert (page["title"], page["color"], page["image"]) == ("Ships", "#7cda00", True)
        before = _size(eve, there)
        _, again = await _taken(eve, tmp_path, data)
        assert (again["state"], again["commits"], _size(eve, there)) == ("unchanged", 0, before)
        assert await _exported(eve, there, tmp_path) == data
        for node in (ann, ben):
            before = _size(node, where)
            same, done = await _taken(node, tmp_path, data)
            assert (same, done["state"], _size(node, where)) == (where, "unchanged", before)

    play(tmp_path, story)


def test_what_is_too_much_for_one_file_goes_into_several_that_are_taken_in_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text carries all events of its group: of a large group one file would be written that no import takes."""

    async def story(world: Loopback) -> None:
        where, ann, _ = await _eventful(world)
        whole = await _exported(ann, where, tmp_path)
        monkeypatch.setattr(limits, "STATUS_STREAM_BYTES_MAX", len(whole) // 2)
        out = tmp_path / "parts" / "ships.status"
        out.parent.mkdir()
        done = await ann.door.status_export(conversation=where, path=str(out))
        files = [Path(file) for file in done["files"]]
        assert [file.name for file in files] == [
            "ships.status",
            *(f"ships.{n}.status" for n in range(2, len(files) + 1)),
        ]
        assert len(files) > 2
        assert sorted(out.parent.iterdir()) == sorted(files)
        assert done["bytes"] == sum(file.stat().st_size for file in files)
        eve = await world.node("eve")
        states = [(await eve.door.status_import(path=str(file)))["state"] for file in files]
        assert states == ["made"] + ["grown"] * (len(files) - 1)
        (there,) = [ConversationId(one) for one in await _conversations(eve)]
        assert await _lines(eve, there) == await _lines(ann, where)
        monkeypatch.undo()
        assert await _exported(eve, there, tmp_path) == whole

    play(tmp_path, story)


def test_of_an_export_into_several_files_none_is_left_when_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        where, _ = await _taken(ann, tmp_path, lively())
        monkeypatch.setattr(limits, "STATUS_STREAM_MESSAGES_MAX", 2)
        out = tmp_path / "ships.status"
        (tmp_path / "ships.3.status").write_bytes(b"mine")
        with pytest.raises(UserError, match=r"ships\.3\.status"):
            await ann.door.status_export(conversation=where, path=str(out))
        assert (tmp_path / "ships.3.status").read_bytes() == b"mine"
        assert not out.exists()
        assert not (tmp_path / "ships.2.status").exists()

    play(tmp_path, story)


def test_an_export_that_replaces_several_files_leaves_them_as_they_are_when_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        where, _ = await _taken(ann, tmp_path, lively())
        monkeypatch.setattr(limits, "STATUS_STREAM_MESSAGES_MAX", 2)
        out, second = tmp_path / "ships.status", tmp_path / "ships.2.status"
        for file in (out, second):
            file.write_bytes(b"older")
        (tmp_path / "ships.3.status").mkdir()
        with pytest.raises(UserError, match=r"ships\.3\.status"):
            await ann.door.status_export(conversation=where, path=str(out), force=True)
        assert [file.read_bytes() for file in (out, second)] == [b"older"] * 2
        (tmp_path / "ships.3.status").rmdir()
        done = await ann.door.status_export(conversation=where, path=str(out), force=True)
        assert done["files"][:2] == [str(out), str(second)]
        files = [Path(file) for file in done["files"]]
        assert done["bytes"] == sum(file.stat().st_size for file in files)

    play(tmp_path, story)


def test_13_a_status_stream_comes_out_as_it_went_in(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        there, _ = await _taken(eve, tmp_path, group)
        data = await _exported(eve, there, tmp_path)
        assert _elements(data) == Counter(one.raw for one in group.events)
        assert Counter(_wrappers(data)[1:]) == Counter(one.raw for one in group.said)
        done = await eve.door.status_show(conversation=there)
        assert [row["role"] for row in done["members"]] == ["admin", "member"]
        assert done["members"][0]["key"] == BEN.public.legacy
        assert done["members"][0]["compressed"] == BEN.public.compressed
        assert not done["members"][0]["bound"]
        assert not done["dropped"]

    play(tmp_path, story)


def test_who_has_no_account_is_shown_by_the_name_that_the_last_message_says(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = Group(), await world.node("eve")
        group.does(ANN, EventType.CHAT_CREATED, name="Boats")
        group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
        group.says(BEN, "one", display_name="Benny")
        group.says(BEN, "two", display_name="Benjamin")
        group.says(BEN, "three")
        there, _ = await _taken(eve, tmp_path, group)
        shown = await eve.door.status_show(conversation=there)
        assert [row["name"] for row in shown["members"]] == ["", "Benjamin"]

    play(tmp_path, story)


def test_what_comes_later_goes_into_the_same_conversation(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        there, _ = await _taken(eve, tmp_path, group)
        before = _size(eve, there)
        late = group.says(BEN, "one more", answers=group.said[0])
        group.feels(BEN, late, 4)
        group.does(BEN, EventType.NAME_CHANGED, name="Rafts")
        same, done = await _taken(eve, tmp_path, delimited([late.raw, group.said[-1].raw, group.update().raw]))
        assert (same, done["state"], done["commits"]) == (there, "grown", 3)
        assert _size(eve, there) == before + 3
        assert (await _lines(eve, there))[-1] == ("one more", "who sails?", ["😂"], [])
        assert (await eve.door.conversation_show(conversation=there))["title"] == "Rafts"
        edit = group.edits(BEN, late, "one less")
        _, done = await _taken(eve, tmp_path, edit.raw)
        assert (done["state"], done["commits"]) == ("grown", 1)
        assert (await _lines(eve, there))[-1][0] == "one less"

    play(tmp_path, story)


def test_hostile_messages_cost_themselves_alone(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        other = Group(uuid=bytes(16))
        other.does(ANN, EventType.CHAT_CREATED, name="Elsewhere")
        bad: list[bytes] = [
            b"\xff\xff",
            b"",
            group.said[0].raw[:-3],
            ApplicationMetadataMessage(signature=bytes(65), payload=bytes(9), type=3).encode(),
            other.update().raw,
            other.says(ANN, "hello").raw,
            group.says(ANN, "from 2100", clock=4_102_444_800_000).raw,
            group.says(ANN, " ").raw,
            group.says(ANN, "x" * 4_097).raw,
        ]
        stranger = group.says(CAT, "I left long ago")
        forged = group.edits(CAT, group.said[0], "forged")
        del group.said[-5:]
        wrappers: Sequence[bytes] = [each for good in group.wrappers() for each in (*bad, good)]
        there, done = await _taken(eve, tmp_path, delimited([*wrappers, stranger.raw, forged.raw]))
        told = Counter(row["fate"] for row in done["told"])
        assert told["bad"] == len(bad) * len(group.wrappers())
        assert told["ignored"] == 2
        data = await _exported(eve, there, tmp_path)
        assert _elements(data) == Counter(one.raw for one in group.events)
        assert Counter(_wrappers(data)[1:]) == Counter(one.raw for one in group.said)
        assert (await eve.door.verify(conversation=there))["valid"] is True

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (delimited([b"\xff"]), "no message in it says of which chat it is"),
        (delimited([bytes(8)])[:-1], r"it is cut short \(message 1\)"),
        (b"\xff\xff\xff\xff\x0f", "it names a message larger than any may be"),
        (b"\xff" * 12, "where the length of a message has to stand is none"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path, data: bytes, why: str) -> None:
    """People read `message-cut-short`."""

    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        with pytest.raises(UserError, match=why):
            await eve.door.status_import(path=_saved(tmp_path, data))

    play(tmp_path, story)


@pytest.mark.parametrize("data", [b"", b"\x00", b"no protocol buffer", delimited([b"\xff"])])
def test_a_file_that_holds_no_chat_is_refused_and_nothing_is_made(tmp_path: Path, data: bytes) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        with pytest.raises(UserError, match="holds no chat"):
            await eve.door.status_import(path=_saved(tmp_path, data))
        with pytest.raises(NotFoundError):
            await eve.door.status_import(path=str(tmp_path / "nothing"))
        assert not await _conversations(eve)
        assert eve.swarm.own.status_key() is None

    play(tmp_path, story)


def test_a_pipe_that_nobody_writes_into_does_not_keep_the_node(tmp_path: Path) -> None:
    """The daemon waited for ever, and could not even be stopped."""

    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
            with pytest.raises(UserError, match="is no file"):
                await asyncio.wait_for(eve.door.status_import(path=str(path)), 10)
        assert not await _conversations(eve)

    play(tmp_path, story)


@pytest.mark.parametrize("over", [0, 1])
def test_a_file_has_so_many_bytes_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: int) -> None:
    async def story(world: Loopback) -> None:
        data, eve = lively().file(), await world.node("eve")
        monkeypatch.setattr(limits, "STATUS_STREAM_BYTES_MAX", len(data) - over)
        if over:
            with pytest.raises(StorageError, match="larger than"):
                await _taken(eve, tmp_path, data)
            assert not await _conversations(eve)
        else:
            await _taken(eve, tmp_path, data)

    play(tmp_path, story)


def test_a_message_of_a_chat_that_nobody_brought_is_refused(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        with pytest.raises(UserError, match="make no chat"):
            await eve.door.status_import(path=_saved(tmp_path, group.edits(BEN, group.said[0], "x").raw))
        assert not await _conversations(eve)

    play(tmp_path, story)


def test_a_dry_run_says_all_and_writes_nothing(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        done = await eve.door.status_import(path=_saved(tmp_path, group), dry_run=True)
        assert (done["state"], done["conversation"], done["commits"]) == ("planned", None, 25)
        assert not await _conversations(eve)
        assert eve.swarm.own.status_key() is None
        real = await eve.door.status_import(path=_saved(tmp_path, group))
        assert real["commits"] == done["commits"]
        assert real["told"] == done["told"]

    play(tmp_path, story)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 9, 16, 24])
def test_an_import_that_was_broken_off_goes_on_wherever_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        left = after
        whole = Swarm.append_at_once

        async def broken(*arguments: Any) -> Any:
            nonlocal left
            if not left:
                raise StorageError("the disk is full")
            left -= 1
            return await whole(*arguments)

        monkeypatch.setattr(importer, "_AT_ONCE", 1)
        monkeypatch.setattr(Swarm, "append_at_once", broken)
        if after < 24:
            with pytest.raises(StorageError):
                await _taken(eve, tmp_path, group)
        left = 10**9
        there, done = await _taken(eve, tmp_path, group)
        assert await _conversations(eve) == [there]
        assert _size(eve, there) == 25
        data = await _exported(eve, there, tmp_path)
        assert _elements(data) == Counter(one.raw for one in group.events)
        assert Counter(_wrappers(data)[1:]) == Counter(one.raw for one in group.said)
        assert (await _taken(eve, tmp_path, group))[1]["state"] == "unchanged"
        rows = await eve.door.message_list(conversation=there)
        assert [row["type"] for row in rows].count("member") == 5
        assert done["state"] != "made" or after >= 24

    play(tmp_path, story)


def test_a_third_node_reads_what_was_imported_alike(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        there, _ = await _taken(eve, tmp_path, group)
        fay = await world.node("fay")
        await world.bring(eve, fay, there)
        await world.until(lambda: _bound(eve, there) == 2)  # unasked
        await world.until(lambda: level(there, eve, fay))
        for verb in ("message_list", "status_show", "member_list"):
            assert await getattr(eve.door, verb)(conversation=there) == await getattr(fay.door, verb)(
                conversation=there
            )
        assert await _exported(eve, there, tmp_path) == await _exported(fay, there, tmp_path)
        credited = [row["via"]["account"] for row in await fay.door.message_list(conversation=there) if "via" in row]
        assert credited.count(BEN.public.uri) == 3
        before = _size(fay, there)
        _, done = await _taken(fay, tmp_path, group)
        assert (done["conversation"], done["state"], _size(fay, there)) == (there, "unchanged", before)
        group.edits(BEN, group.said[-1], "no, this")
        _, done = await _taken(fay, tmp_path, group)
        assert [(row["what"], row["fate"], row["reason"]) for row in done["told"]] == [("edit", "kept", "not-ours")]

    play(tmp_path, story)


def test_nobody_puts_words_into_the_mouth_of_who_has_no_account(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        there, _ = await _taken(eve, tmp_path, group)
        rows = await eve.door.message_list(conversation=there)
        said = next(row for row in rows if row["body"] == "we do ⛵")
        with pytest.raises(RefusedError, match="without an account"):
            await eve.door.message_edit(conversation=there, message=said["id"], text="we do not")
        with pytest.raises(UserError, match="not reacted"):
            await eve.door.message_react(conversation=there, message=said["id"], reaction="❤", remove=True)
        await eve.swarm.append(there, Edit("we do not", CommitId(said["id"])))
        shown = await eve.door.message_show(conversation=there, message=said["id"])
        assert (shown["body"], "via" in shown) == ("we do not", False), "who wrote it answers for it"
        await eve.door.message_delete(conversation=there, message=said["id"])
        shown = await eve.door.message_show(conversation=there, message=said["id"])
        assert (shown["body"], shown["via"]["key"]) == ("", BEN.public.legacy)

    play(tmp_path, story)


def test_a_chat_that_a_newer_one_has_closed_takes_nothing(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben, cid = [await world.node(name) for name in ("ann", "ben", "cid")]
        where = await world.room(ann, ben, cid)
        await ann.door.status_bridge(conversation=where)
        await world.until(lambda: len(_group(ann, where).members) == 3 and level(where, ann, ben, cid))
        await ann.door.member_promote(conversation=where, target=ben.account.id)
        await world.until(lambda: level(where, ann, ben, cid))
        closed = await _exported(ann, where, tmp_path)
        for one in (ann, ben):
            await one.door.member_promote(conversation=where, target=cid.account.id)
            await world.until(lambda: level(where, ann, ben, cid))
        for one in (ann, cid):
            await one.door.member_ban(conversation=where, target=ben.account.id)
            await world.until(lambda: level(where, ann, cid))
        await world.until(lambda: _group(ann, where).members.keys() == {_key(ann), _key(cid)})
        with pytest.raises(RefusedError, match="chat is closed"):
            await _taken(ann, tmp_path, closed)
        shown = await ann.door.status_show(conversation=where)
        assert shown["generation"] == 1
        data = await _exported(ann, where, tmp_path)
        assert (await _taken(ann, tmp_path, data))[1]["state"] == "unchanged"
        eve = await world.node("eve")
        there, _ = await _taken(eve, tmp_path, data)
        assert _group(eve, there) == _group(ann, where)

    play(tmp_path, story)


def test_two_imports_at_once_make_one_conversation(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = lively(), await world.node("eve")
        path = _saved(tmp_path, group)
        one, two = await asyncio.gather(eve.door.status_import(path=path), eve.door.status_import(path=path))
        assert one["conversation"] == two["conversation"]
        assert {one["state"], two["state"]} == {"made", "unchanged"}

    play(tmp_path, story)


def test_of_two_conversations_with_one_chat_the_lesser_takes_what_is_new(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group = lively()
        eve, fay = await world.node("eve"), await world.node("fay")
        one, _ = await _taken(eve, tmp_path, group)
        two, _ = await _taken(fay, tmp_path, group)
        await world.bring(fay, eve, two)
        await world.until(lambda: level(two, eve, fay))
        group.says(BEN, "one more")
        where, done = await _taken(eve, tmp_path, group)
        assert where == min(one, two)
        assert done["others"] == [max(one, two)]

    play(tmp_path, story)


def test_own_words_of_elsewhere_are_own_words_here(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group, eve = Group(), await world.node("eve")
        await eve.swarm.own.set_status_key(ANN.raw)
        group.does(ANN, EventType.CHAT_CREATED, name="Mine")
        group.does(ANN, EventType.MEMBERS_ADDED, BEN.public)
        group.says(ANN, "by me")
        group.says(BEN, "by Ben")
        there, _ = await _taken(eve, tmp_path, group)
        rows = {
            row["body"]: row for row in await eve.door.message_list(conversation=there) if row["type"] == "text/plain"
        }
        assert "via" not in rows["by me"]
        assert rows["by Ben"]["via"]["key"] == BEN.public.legacy
        shown = await eve.door.status_show(conversation=there)
        assert [(row["account"], row["bound"]) for row in shown["members"]] == [
            (eve.account.id, True),
            (BEN.public.uri, False),
        ]
        await eve.say(there, "and from here")
        data = await _exported(eve, there, tmp_path)
        assert len(_wrappers(data)) == 4, "what is said here goes there"
        fay = await world.node("fay")
        other, _ = await _taken(fay, tmp_path, data)
        assert [line[0] for line in await _lines(fay, other)] == ["by me", "by Ben", "and from here"]

    play(tmp_path, story)


def test_a_conversation_that_is_not_open_is_neither_shown_nor_exported(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        where = await eve.swarm.create(2)
        for verb in (
            eve.door.status_show(conversation=where),
            eve.door.status_export(conversation=where, path=str(tmp_path / "x")),
        ):
            with pytest.raises(RefusedError, match="not open for Status"):
                await verb
        assert not (tmp_path / "x").exists()

    play(tmp_path, story)


def test_an_export_names_what_status_does_not_hear_of_and_an_admin_may_vouch(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        where = await world.room(ann, ben)
        await ann.say(where, "before it was open")
        opened = await ann.door.status_bridge(conversation=where)
        assert opened["chat"].endswith(_key(ann))
        await world.until(lambda: _has(ann, where, ben))
        path = str(tmp_path / "x")
        done = await ann.door.status_export(conversation=where, path=path)
        assert "before-the-chat" in {row["reason"] for row in done["missing"]}
        with pytest.raises(UserError, match="exists"):
            await ann.door.status_export(conversation=where, path=path)
        done = await ann.door.status_export(conversation=where, path=path, mode="attest", force=True)
        assert done["bytes"] == (tmp_path / "x").stat().st_size
        assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
        with pytest.raises(RefusedError, match="only an admin"):
            await ben.door.status_export(conversation=where, path=path, mode="attest", force=True)

    play(tmp_path, story)


def test_who_founded_an_imported_chat_stays_in_it_when_the_next_one_begins(tmp_path: Path) -> None:
    """He stands in no tree, since no event added him: the next chat was made without a word to him."""

    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        where, _ = await _taken(eve, tmp_path, lively())
        await eve.door.member_ban(conversation=where, target=BEN.public.uri)
        await world.until(lambda: _newest(eve, where).generation == 1)
        assert set(_group(eve, where).members) == {_key(eve), ANN.public.legacy}
        assert set(_group(eve, where).admins) == {_key(eve)}, "he stepped down before"

    play(tmp_path, story)


def test_nothing_is_too_old(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        group = Group(clock=0)
        group.does(ANN, EventType.CHAT_CREATED, clock=1)
        eve = await world.node("eve")
        there, done = await _taken(eve, tmp_path, group)
        assert done["commits"] == 2
        assert _elements(await _exported(eve, there, tmp_path)) == Counter([group.events[0].raw])

    play(tmp_path, story)
