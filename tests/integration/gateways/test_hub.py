"""What a node does for its gateways: asks them when it writes, shows whom they name, tells them what is new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.log import Admission, CommitLog, Pending
from swarmchat.conversation.actions import Add, Other, Post, React
from swarmchat.conversation.commit import Commit
from swarmchat.errors import PeerError, RefusedError, StorageError
from swarmchat.gateways.hub import Contents, Hub
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.links.channel import Channel
from swarmchat.node.views import JsonObject
from swarmchat.swarm.write_queue import Intent
from tests.support.loopback import Living, Loopback, play

OPENED = "application/test-bridge"
WHO: JsonObject = {"gateway": "test", "account": "f0" * 20, "key": "0x04", "name": "Far"}


class Test:
    """A gateway that notes what it is asked."""

    __test__ = False

    def __init__(self, fault: Exception | None = None, name: str = "test", called: str = "") -> None:
        self.name = name
        self.called = called
        self.tended: list[ConversationId] = []
        self.forgotten: list[ConversationId] = []
        self.served = 0
        self.credited = 0
        self.refuses: StorageError | None = None
        self.closed = False
        self._fault = fault

    def is_open(self, log: Contents) -> bool:
        return log.history.has_type(OPENED)

    def annotate(self, log: CommitLog, here: Provisional, item: Pending, parent: CommitId) -> Mapping[str, object]:
        return {"test": parent}

    def is_foreign(self, conversation: ConversationId, account: AccountId) -> bool:
        return account == WHO["account"]

    def credit(self, log: CommitLog | ArchivedLog, commit: Commit) -> JsonObject | None:
        self.credited += 1
        if self.refuses is not None:
            raise self.refuses
        return WHO if commit.body.get("far") else None

    def foreign(self, log: CommitLog) -> Mapping[AccountId, str]:
        return {AccountId(str(WHO["account"])): self.called}

    async def tend(self, conversation: ConversationId) -> None:
        self.tended.append(conversation)
        if self._fault is not None:
            raise self._fault

    async def serve(self, channel: Channel) -> bool:
        self.served += 1
        return False

    def forget(self, conversation: ConversationId) -> None:
        self.forgotten.append(conversation)

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self.closed = True


async def with_gateways(world: Loopback, name: str, *gateways: Test) -> Living:
    node = Living(world.folder / name, name)
    node.node.attach(Hub(node.node, gateways))
    world.nodes.append(await node.up())
    return node


def body(node: Living, where: ConversationId, commit: str) -> Mapping[str, object]:
    found = node.log(where).commit(CommitId(commit))
    assert isinstance(found, Commit)
    return found.body


def test_commits_are_annotated_in_conversations_that_a_gateway_is_opened_for_and_in_no_others(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        gateway = Test()
        ann = await with_gateways(world, "ann", gateway)
        plain, opened = await ann.swarm.create(1), await ann.swarm.create(1)
        assert "test" not in body(ann, plain, await ann.say(plain, "one"))
        await ann.swarm.append(opened, Other(OPENED))
        before = ann.log(opened).main
        assert body(ann, opened, await ann.say(opened, "two"))["test"] == before
        assert "test" not in body(ann, plain, await ann.say(plain, "three"))

    play(tmp_path, story)


def test_what_is_written_along_with_the_opening_is_annotated_too(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await with_gateways(world, "ann", Test())
        where = await ann.swarm.create(1)
        outcomes = await ann.swarm.append_at_once(
            where, [Intent(Post("before")), Intent(Other(OPENED)), Intent(Post("after"))]
        )
        commits = [outcome.new[0] for outcome in outcomes if isinstance(outcome, Admission)]
        assert ["test" in body(ann, where, commit) for commit in commits] == [False, False, True]

    play(tmp_path, story)


def test_members_without_account_are_listed_by_the_first_gateway_that_has_a_name_for_them(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        first, second, third = Test(name="one"), Test(name="two", called="Far"), Test(name="three", called="Other")
        ann = await with_gateways(world, "ann", first, second, third)
        where = await ann.swarm.create(2)
        far = AccountId(str(WHO["account"]))
        await ann.swarm.append(where, Add(far))

        async def row() -> JsonObject:
            (found,) = [one for one in await ann.door.member_list(conversation=where) if one["id"] == far]
            return found

        assert "gateway" not in await row(), "open for none"
        await ann.swarm.append(where, Other(OPENED))
        assert ((await row())["gateway"], (await row())["name"]) == ("two", "Far")
        second.called = third.called = ""
        assert ((await row())["gateway"], (await row())["name"]) == ("one", "")

    play(tmp_path, story)


def test_what_comes_through_one_gateway_is_said_in_no_other(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await with_gateways(world, "ann", Test())
        where = await ann.swarm.create(1)
        await ann.swarm.append(where, Other(OPENED))
        for extra, is_told in (({"mvds": {}}, False), ({"status": {}}, False), ({"else": {}}, True)):
            outcome = await ann.swarm.append(where, Post("from afar"), extra=extra)
            assert isinstance(outcome, Admission)
            assert ("test" in body(ann, where, outcome.new[0])) is is_told
        outcome = await ann.swarm.append(where, Other("application/x-else"), extra={"status": {}})
        assert isinstance(outcome, Admission)
        assert "test" in body(ann, where, outcome.new[0]), "only words are somebody's"

    play(tmp_path, story)


def test_who_speaks_through_somebody_is_shown_with_messages_and_reactions(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await with_gateways(world, "ann", Test())
        where = await ann.swarm.create(1)
        mine = CommitId(await ann.say(where, "mine"))
        await ann.swarm.append(where, React("👍", mine), extra={"far": True})
        row = (await ann.door.message_list(conversation=where))[-1]
        assert "via" not in row
        assert row["reactions"][0]["via"] == WHO
        shown = await ann.door.message_show(conversation=where, message=mine)
        assert shown["reactions"][0]["via"] == WHO
        found = await ann.door.search(text="mine")
        assert "via" not in found["hits"][0]["message"]

    play(tmp_path, story)


def test_what_my_device_wrote_for_somebody_else_is_unread_to_me(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        gateway = Test()
        ann = await with_gateways(world, "ann", gateway)
        where = await ann.swarm.create(1)

        async def unread() -> int:
            (row,) = await ann.door.conversation_list()
            return int(row["unread"])

        await ann.swarm.append(where, Other(OPENED))
        mine = CommitId(await ann.say(where, "mine"))
        for action in (Post("from afar"), Post("and more"), React("👍", mine)):
            await ann.swarm.append(where, action, extra={"far": True})
        asked = gateway.credited
        assert await unread() == 2
        assert await unread() == 2
        assert gateway.credited == asked + len({"opened", "mine", "from afar", "and more"}), "each of them once"
        await ann.door.message_read(conversation=where)
        assert await unread() == 0
        gateway.refuses = StorageError("the disk is gone")
        await ann.swarm.append(where, Post("unheard"), extra={"far": True})
        assert await unread() == 0, "the list is shown all the same"

    play(tmp_path, story)


@pytest.mark.parametrize("fault", [RefusedError("not now"), ZeroDivisionError("a mistake")])
def test_what_stops_one_gateway_stops_no_other_and_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(logging.getLogger(Hub.__module__), "disabled", True)  # a fault in the log fails a test

    async def story(world: Loopback) -> None:
        broken, other = Test(fault), Test()
        ann = await with_gateways(world, "ann", broken, other)
        where = await ann.swarm.create(1)
        await ann.swarm.append(where, Other(OPENED))
        for text in ("one", "two"):
            times = len(other.tended)
            await ann.say(where, text)
            await world.until(lambda times=times: len(other.tended) > times)  # type: ignore[misc]
        assert len(broken.tended) >= 2

    play(tmp_path, story)


def test_news_is_tended_where_a_gateway_is_open_and_a_refusal_costs_that_conversation_alone(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        refuses, other = Test(RefusedError("not now")), Test()
        ann = await with_gateways(world, "ann", refuses, other)
        plain, opened = await ann.swarm.create(1), await ann.swarm.create(1)
        await ann.swarm.append(opened, Other(OPENED))
        await world.until(lambda: opened in refuses.tended)
        times = len(refuses.tended)
        await ann.say(opened, "more")
        await world.until(lambda: len(refuses.tended) > times)
        assert plain not in refuses.tended
        await ann.swarm.purge(opened)
        assert opened in other.forgotten

    play(tmp_path, story)


def test_a_peer_whose_channel_no_gateway_takes_is_refused_and_the_link_lives_on(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        gateway = Test()
        ann, ben = await with_gateways(world, "ann", gateway), await world.node("ben")
        where = await world.room(ann, ben)
        link = ben.swarm.links.links[0]
        with pytest.raises(PeerError) as refused:
            await link.open_channel("mvds")
        assert refused.value.peer_code == "unknown-channel"
        assert gateway.served == 1
        text = await ann.say(where, "still linked")
        await world.until(lambda: ben.log(where).knows(CommitId(text)))

    play(tmp_path, story)
