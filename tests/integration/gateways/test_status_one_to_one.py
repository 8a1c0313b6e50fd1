"""One-to-ones of whole nodes that are told to Status: signed between two, there and back as a file, and into whose conversation. (SCP-09 §3.11)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.errors import RefusedError, UserError
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.protobuf import undelimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import envelopes, importer, notes
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.wire import MessageType
from swarmchat.ids import CommitId, ConversationId
from tests.support.loopback import Living, Loopback, level, play
from tests.support.status_pairs import Between
from tests.support.status_streams import ANN, BEN, CAT, lively


async def pair(world: Loopback, one: str = "ann", other: str = "ben") -> tuple[ConversationId, Living, Living]:
    """Two contacts in their one-to-one."""
    ann, ben = await world.node(one), await world.node(other)
    await ann.swarm.people.add_contact(ben.account.id, addresses=[ben.address])
    await world.until(lambda: bool(ben.waiting()))
    (request,) = ben.waiting()
    await ben.swarm.people.accept(request.id)
    where = request.offer.conversation
    assert await ben.swarm.settled(where, 10.0) == "ready"
    await world.until(lambda: level(where, ann, ben) and len(ann.log(where).roster.joined) == 2)
    return where, ann, ben


async def opened(world: Loopback) -> tuple[ConversationId, Living, Living]:
    """The same, opened by Ann; Ben's node has said by itself which key is his."""
    where, ann, ben = await pair(world)
    done = await ann.door.status_bridge(conversation=where)
    assert done["chat"] is None
    await world.until(lambda: bool(chats(ann, where)) and level(where, ann, ben))
    return where, ann, ben


def chats(node: Living, where: ConversationId) -> list[str]:
    log = node.log(where)
    with log.still():
        return [chat.shown_to(node.account.id) for chat in node.door.status.ledger(log).chats]


def count(node: Living, where: ConversationId, kind: str) -> int:
    return sum(entry.fact.type == kind for entry in node.log(where).history.entries)


def key(node: Living) -> str:
    secret = node.swarm.own.status_key()
    assert secret is not None
    return secret.public.legacy


def envelope(node: Living, where: ConversationId, commit: str) -> Envelope:
    parsed = node.log(where).commit(CommitId(commit))
    assert isinstance(parsed, Commit)
    note = notes.read(parsed.body)
    assert note is not None
    found = envelopes.read(note.envelopes[0])
    assert isinstance(found, Envelope)
    return found


async def exported(node: Living, where: ConversationId, folder: Path) -> bytes:
    path = folder / f"{node.name}.status"
    await node.door.status_export(conversation=where, path=str(path), force=True)
    return path.read_bytes()


async def taken(node: Living, folder: Path, file: bytes | Between) -> dict[str, Any]:
    path = folder / "taken.status"
    path.write_bytes(file if isinstance(file, bytes) else file.file())
    done: dict[str, Any] = await node.door.status_import(path=str(path))
    return done


async def lines(node: Living, where: ConversationId) -> list[Any]:
    rows = await node.door.message_list(conversation=where, limit=10_000)
    said = [row for row in rows if row["type"] == "text/plain"]
    bodies = {row["id"]: row["body"] for row in said}
    return [
        (row["body"], bodies.get(row["reply_to"]), [one["reaction"] for one in row["reactions"]], len(row["edits"]))
        for row in said
    ]


async def talked(world: Loopback) -> tuple[ConversationId, Living, Living]:
    """A text, a reply, a reaction, an edit and a deletion between two."""
    where, ann, ben = await opened(world)
    asked = await ann.say(where, "who sails?")
    await world.until(lambda: level(where, ann, ben))
    answer = (await ben.door.message_send(conversation=where, text="I do ⛵", reply_to=asked))["id"]
    await world.until(lambda: level(where, ann, ben))
    await ann.door.message_react(conversation=where, message=answer, reaction="👍")
    await ben.door.message_edit(conversation=where, message=answer, text="we do ⛵")
    gone = await ben.say(where, "never mind")
    await ben.door.message_delete(conversation=where, message=gone)
    await world.until(lambda: level(where, ann, ben))
    return where, ann, ben


def test_either_of_the_two_opens_it_and_the_device_of_the_other_binds_its_key_by_itself(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await pair(world)
        await ann.say(where, "before")
        await world.until(lambda: level(where, ann, ben))
        await ben.door.status_bridge(conversation=where)  # who was invited into it
        await world.until(lambda: bool(chats(ben, where)) and level(where, ann, ben))
        assert (chats(ann, where), chats(ben, where)) == ([key(ben)], [key(ann)])
        assert count(ann, where, BINDING) == 2
        assert count(ann, where, notes.BRIDGE) == 1
        for node in (ann, ben):
            with pytest.raises(RefusedError, match="is open"):
                await node.door.status_bridge(conversation=where)

    play(tmp_path, story)


def test_what_is_said_names_the_other_and_nothing_of_a_group(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await opened(world)
        for me, other in ((ann, ben), (ben, ann)):
            text = envelope(me, where, await me.say(where, "moin"))
            assert text.author.legacy == key(me)
            assert text.message.chat_id == key(other)
            assert text.message.message_type == MessageType.ONE_TO_ONE  # type: ignore[union-attr]
            await world.until(lambda: level(where, ann, ben))
        rows: list[dict[str, Any]] = await ann.door.message_list(conversation=where)
        assert all("via" not in row for row in rows)

    play(tmp_path, story)


def test_it_goes_from_two_nodes_as_the_same_bytes_onto_a_third_home_with_one_of_the_keys(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await talked(world)
        data = await exported(ann, where, tmp_path)
        assert data == await exported(ben, where, tmp_path)
        eve = await world.node("eve")
        secret = ben.swarm.own.status_key()
        assert secret is not None
        await eve.swarm.own.set_status_key(secret.raw)
        done = await taken(eve, tmp_path, data)
        there = ConversationId(done["conversation"])
        assert (done["state"], done["chat"], done["told"]) == ("made", key(ann), [])
        assert await lines(eve, there) == await lines(ann, where)
        assert [line[0] for line in await lines(eve, there)] == ["who sails?", "we do ⛵", ""]
        size = len(eve.log(there).history)
        for node, here in ((eve, there), (ann, where), (ben, where)):
            again = await taken(node, tmp_path, data)
            assert (again["conversation"], again["state"], again["commits"]) == (here, "unchanged", 0)
        assert len(eve.log(there).history) == size
        assert await exported(eve, there, tmp_path) == data
        said = [row for row in await eve.door.message_list(conversation=there) if row["type"] == "text/plain"]
        rows = {row["body"]: row for row in said}
        assert rows["who sails?"]["via"]["key"] == key(ann)
        assert "via" not in rows["we do ⛵"]
        assert (await eve.door.verify(conversation=there))["valid"] is True

    play(tmp_path, story)


def test_it_is_shown_as_the_key_of_the_other_and_nobody_has_a_role(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await talked(world)
        shown = await ann.door.status_show(conversation=where)
        assert (shown["chat"], shown["rules"], shown["events"]) == (key(ben), None, 0)
        assert {(row["key"], row["role"], row["name"], row["bound"]) for row in shown["members"]} == {
            (key(ann), None, "ann", True),
            (key(ben), None, "ben", True),
        }
        assert {row["reason"] for row in shown["missing"]} == {"before-the-chat"}

    play(tmp_path, story)


def test_what_comes_from_a_client_goes_into_the_one_to_one_with_the_account_that_bound_the_key(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await opened(world)
        mine, his = ann.swarm.own.status_key(), ben.swarm.own.status_key()
        assert mine is not None
        assert his is not None
        chat = Between(his, mine)
        text = chat.says(his, "from my telephone")
        chat.edits(his, text, "from my phone")
        done = await taken(ann, tmp_path, chat)
        assert (done["conversation"], done["state"], done["commits"]) == (where, "grown", 2)
        await world.until(lambda: level(where, ann, ben))
        (row,) = [row for row in await ben.door.message_list(conversation=where) if row["type"] == "text/plain"]
        assert (row["body"], row["author"], row["via"]["account"]) == ("from my phone", ann.account.id, ben.account.id)
        assert await exported(ben, where, tmp_path) == await exported(ann, where, tmp_path)

    play(tmp_path, story)


def test_a_file_opens_the_one_to_one_of_a_contact_whose_key_is_bound_there(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await pair(world)
        await ben.door.status.bind(where)
        await world.until(lambda: level(where, ann, ben))
        his = ben.swarm.own.status_key()
        assert his is not None
        mine = await ann.swarm.own.ensure_status_key()
        chat = Between(his, mine)
        chat.says(his, "ahoy")
        done = await taken(ann, tmp_path, chat)
        assert (done["conversation"], done["state"], done["commits"]) == (where, "grown", 3)
        assert chats(ann, where) == [his.public.legacy]
        assert (await taken(ann, tmp_path, chat))["state"] == "unchanged"

    play(tmp_path, story)


def test_who_has_no_account_is_talked_to_in_a_conversation_of_its_own(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        await eve.swarm.own.set_status_key(ANN.raw)
        chat = Between(ANN, BEN)
        chat.says(BEN, "ahoy", display_name="Ben B")
        done = await taken(eve, tmp_path, chat)
        where = ConversationId(done["conversation"])
        assert eve.log(where).mode == 0
        assert eve.log(where).roster.invited == {BEN.public.uri}
        await world.until(lambda: eve.door.status.is_foreign(where, BEN.public.uri))
        answer = envelope(eve, where, await eve.say(where, "ahoy you"))
        assert (answer.author, answer.message.chat_id) == (ANN.public, BEN.public.legacy)
        chat.said.append(answer)
        chat.says(BEN, "later", answers=answer, clock=answer.message.clock + 1)  # type: ignore[union-attr]
        assert (await taken(eve, tmp_path, chat))["commits"] == 1
        assert [line[:2] for line in await lines(eve, where)] == [
            ("ahoy", None),
            ("ahoy you", None),
            ("later", "ahoy you"),
        ]
        shown = await eve.door.status_show(conversation=where)
        assert {(row["name"], row["bound"]) for row in shown["members"]} == {("eve", True), ("Ben B", False)}
        assert await exported(eve, where, tmp_path) == chat.file()
        assert len(await eve.door.conversation_list()) == 1

    play(tmp_path, story)


def test_an_import_that_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        await eve.swarm.own.set_status_key(ANN.raw)
        chat = Between(ANN, BEN)
        for number in range(4):
            chat.says(BEN, f"text {number}")
        whole = importer.Importer._write_all
        monkeypatch.setattr(importer, "_AT_ONCE", 1)
        left = 0

        async def broken(self: Any, where: Any, steps: Any, *more: Any) -> None:
            nonlocal left
            if left == 0:
                raise UserError("killed")
            left -= 1
            await whole(self, where, steps, *more)

        for written in (0, 1, 2):  # only the root; then more each time
            left = written
            monkeypatch.setattr(importer.Importer, "_write_all", broken)
            with pytest.raises(UserError, match="killed"):
                await taken(eve, tmp_path, chat)
        monkeypatch.setattr(importer.Importer, "_write_all", whole)
        done = await taken(eve, tmp_path, chat)
        assert done["state"] == "grown"
        where = ConversationId(done["conversation"])
        assert count(eve, where, BINDING) == 1
        assert len(await lines(eve, where)) == 4
        assert len(await eve.door.conversation_list()) == 1
        assert await exported(eve, where, tmp_path) == chat.file()

    play(tmp_path, story)


def test_a_one_to_one_of_others_is_refused_and_what_is_not_ours_is_named(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        chat = Between(ANN, BEN)
        chat.says(BEN, "between us")
        with pytest.raises(UserError, match="two others") as refused:
            await taken(eve, tmp_path, chat)
        assert refused.value.data == {"reason": "other-chat"}
        assert not await eve.door.conversation_list()
        await eve.swarm.own.set_status_key(CAT.raw)
        chat.between(CAT, BEN).says(BEN, "to Cat", clock=chat.clock + 1)
        done = await taken(eve, tmp_path, chat)
        assert [(row["what"], row["reason"]) for row in done["told"]] == [("message 1", "other-chat")]
        assert [line[0] for line in await lines(eve, ConversationId(done["conversation"]))] == ["to Cat"]

    play(tmp_path, story)


def test_a_conversation_with_oneself_is_not_told_to_status(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        for invited in (None, ann.account.id):
            where = await ann.swarm.create(0, invited=invited)
            with pytest.raises(RefusedError, match="to yourself") as refused:
                await ann.door.status_bridge(conversation=where)
            assert refused.value.hint
            await ann.door.status.bind(where)
            await ann.door.status.write(where, notes.BRIDGE, {notes.KEY: {}})
            said = ann.log(where).commit(CommitId(await ann.say(where, "to me")))
            assert isinstance(said, Commit)
            assert "status" not in said.body
            assert not chats(ann, where)

    play(tmp_path, story)


def test_before_the_other_is_known_nothing_is_exported_and_that_is_said(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        where = await ann.swarm.create(0, invited=Secret(b"\x01" * 32).public.uri)
        await ann.door.status_bridge(conversation=where)
        await ann.say(where, "anybody there?")
        with pytest.raises(RefusedError, match="before the key of the other is known"):
            await ann.door.status_show(conversation=where)
        with pytest.raises(RefusedError, match="is open"):
            await ann.door.status_bridge(conversation=where)

    play(tmp_path, story)


def test_where_nothing_was_said_no_file_is_told_of_that_is_not_there(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        where = (await ann.door.status_bridge(conversation=Secret(b"\x01" * 32).public.compressed))["conversation"]
        out = tmp_path / "chat.status"
        with pytest.raises(RefusedError, match="nothing was said there yet"):
            await ann.door.status_export(conversation=where, path=str(out))
        await ann.say(where, "anybody there?")
        assert (await ann.door.status_export(conversation=where, path=str(out)))["files"] == [str(out)]
        assert out.stat().st_size > 0

    play(tmp_path, story)


def test_a_bridge_that_names_no_party_binds_nobody(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await pair(world)
        await ann.door.status.bind(where)
        for body in (CAT.public.legacy, "0x04", f"uuid-{key(ann)}", key(ann).upper()):
            await ann.door.status.write(where, notes.BRIDGE, {"body": body, notes.KEY: {}})
        await world.until(lambda: level(where, ann, ben))
        await ben.door.status.tend(where)
        assert count(ben, where, BINDING) == 1
        said = ann.log(where).commit(CommitId(await ann.say(where, "between us")))
        assert isinstance(said, Commit)
        assert "status" not in said.body

    play(tmp_path, story)


def test_a_group_and_a_one_to_one_in_one_file_are_taken_one_at_a_time(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        await eve.swarm.own.set_status_key(ANN.raw)
        group, chat = lively(), Between(ANN, BEN)
        chat.says(BEN, "between us")
        done = await taken(eve, tmp_path, group.file() + chat.file())
        assert done["chat"] == group.id
        assert done["told"][0]["reason"] == "other-chat"
        assert (await taken(eve, tmp_path, chat))["state"] == "made"

    play(tmp_path, story)


def test_nothing_of_it_is_refused_as_status_reads_it(tmp_path: Path) -> None:
    """What goes out is what a client takes: bare, signed, in the order of clocks, each naming the other."""

    async def story(world: Loopback) -> None:
        where, ann, ben = await talked(world)
        wrappers = undelimited(await exported(ann, where, tmp_path), 100)
        assert not isinstance(wrappers, Refused)
        assert len(wrappers) == 6
        clocks = []
        for raw in wrappers:
            one = envelopes.read(raw)
            assert isinstance(one, Envelope)
            assert {one.author.legacy, one.message.chat_id} == {key(ann), key(ben)}
            clocks.append(one.message.clock)  # type: ignore[union-attr]
        assert clocks == sorted(clocks)

    play(tmp_path, story)


def test_a_key_is_talked_to_in_a_conversation_that_is_made_for_it_once(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, eve = await world.node("ann"), await world.node("eve")
        await eve.swarm.own.set_status_key(CAT.raw)
        done = await ann.door.status_bridge(conversation=CAT.public.compressed)
        where = ConversationId(done["conversation"])
        assert (done["chat"], done["commit"]) == (CAT.public.legacy, ann.log(where).main)
        await ann.say(where, "ahoy Cat")
        there = await taken(eve, tmp_path, await exported(ann, where, tmp_path))
        assert there["chat"] == key(ann)
        answered = ConversationId(there["conversation"])
        await eve.say(answered, "ahoy Ann")
        back = await taken(ann, tmp_path, await exported(eve, answered, tmp_path))
        assert (back["conversation"], back["commits"], back["known"]) == (where, 1, 1)
        for text in (CAT.public.compressed, CAT.public.legacy):
            with pytest.raises(RefusedError, match="is open for Status already") as refused:
                await ann.door.status_bridge(conversation=text)
            assert refused.value.data["conversation"] == where
        with pytest.raises(RefusedError, match="to yourself"):
            await ann.door.status_bridge(conversation=key(ann))

    play(tmp_path, story)


def test_a_key_that_a_contact_has_bound_is_talked_to_in_the_one_to_one_with_him(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        where, ann, ben = await pair(world)
        await ben.door.status.bind(where)
        await world.until(lambda: level(where, ann, ben))
        done = await ann.door.status_bridge(conversation=key(ben))
        assert (done["conversation"], done["chat"]) == (where, key(ben))
        await world.until(lambda: level(where, ann, ben))
        assert chats(ben, where) == [key(ann)]

    play(tmp_path, story)


def test_a_file_of_words_to_oneself_is_refused(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        await eve.swarm.own.set_status_key(ANN.raw)
        chat = Between(ANN, ANN)
        chat.says(ANN, "to me")
        with pytest.raises(UserError, match="no chat"):
            await taken(eve, tmp_path, chat)
        assert not await eve.door.conversation_list()

    play(tmp_path, story)


def test_a_conversation_that_holds_another_key_of_ours_is_not_taken_for_this_one_to_one(tmp_path: Path) -> None:
    """Its own stays as it is, and the new key has one beside it; both are taken to again without a commit."""

    async def story(world: Loopback) -> None:
        eve = await world.node("eve")
        await eve.swarm.own.set_status_key(ANN.raw)
        old, new = Between(ANN, BEN), Between(CAT, BEN)
        old.says(BEN, "to the old key")
        new.says(BEN, "to the new key")
        first = await taken(eve, tmp_path, old)
        await eve.swarm.own.set_status_key(CAT.raw)
        second = await taken(eve, tmp_path, new)
        assert first["conversation"] != second["conversation"]
        for chat, done in ((old, first), (new, second)):
            again = await taken(eve, tmp_path, chat)
            assert (again["conversation"], again["state"]) == (done["conversation"], "unchanged")
        said = eve.log(ConversationId(first["conversation"])).commit(
            CommitId(await eve.say(ConversationId(first["conversation"]), "signed by whom?"))
        )
        assert isinstance(said, Commit)
        assert "status" not in said.body

    play(tmp_path, story)
