"""Two who are never linked keep in step over a file, and no file does harm. (SCP-04 §9)"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.api.jsonrpc import error_of, failure_of
from swarmchat.commitlog.carried import MAGIC
from swarmchat.commitlog.packs import encode, entry_header, header
from swarmchat.commitlog.trees import BLOB, COMMIT
from swarmchat.conversation.actions import Kick, Post
from swarmchat.errors import NotFoundError, ReadOnlyError, RefusedError, StorageError, UserError, VerificationError
from swarmchat.node.offline import Offline, open_commands
from tests.support import jami
from tests.support.builders import ALICE
from tests.support.commitlogs import forged, packed, raw_pack


@dataclass
class Person:
    """A node without a network."""

    node: Offline
    folder: Path

    def __getattr__(self, name: str) -> Any:
        return lambda **params: self.node.call(name.replace("_", ".", 1), params)

    @property
    def id(self) -> str:
        return str(self.account_show()["id"])

    @property
    def device(self) -> str:
        return str(self.account_show()["device"])

    def say(self, room: str, text: str) -> str:
        return str(self.message_send(conversation=room, text=text)["id"])

    def texts(self, room: str) -> list[str]:
        rows = self.message_list(conversation=room, limit=1_000)
        return [row["body"] for row in rows if row["type"] == "text/plain"]

    def out(self, room: str, *since: str) -> Path:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.bundle"
        self.bundle_export(conversation=room, path=str(path), **({"since": list(since)} if since else {}))
        return path

    def take(self, path: Path) -> dict[str, Any]:
        return dict(self.bundle_import(path=str(path)))

    def heads(self, room: str) -> list[str]:
        return list(self.conversation_show(conversation=room)["heads"])

    @property
    def left_over(self) -> list[str]:
        """What lies where conversations lie, and is none."""
        return [path.name for path in (self.folder / "home" / "conversations").iterdir() if path.suffix != ".git"]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[list[Person]]:
    with ExitStack() as stack:
        made = []
        for name in ("Ann", "Ben", "Cat"):
            folder = tmp_path / name
            folder.mkdir()
            home = Home.locate(folder / "home", {})
            with open_commands(home) as node:
                node.call("account.create", {"name": name})
            made.append(Person(stack.enter_context(open_commands(home)), folder))
            made[-1].conversation_list()
        yield made


@pytest.fixture
def ann(people: list[Person]) -> Person:
    return people[0]


@pytest.fixture
def ben(people: list[Person]) -> Person:
    return people[1]


@pytest.fixture
def room(ann: Person) -> str:
    return str(ann.conversation_create(title="Harbour")["id"])


def invited(ann: Person, ben: Person, room: str) -> None:
    ann.member_invite(conversation=room, accounts=[ben.id])
    assert ben.take(ann.out(room))["state"] == "ready"
    ann.take(ben.out(room, ann.device))


def test_an_invitation_an_answer_and_all_that_follows_go_by_file(ann: Person, ben: Person, room: str) -> None:
    ann.say(room, "who has the key?")
    ann.member_invite(conversation=room, accounts=[ben.id])
    assert ben.take(ann.out(room)) == {"conversation": room, "state": "ready", "new": 4, "refused": []}
    assert [row["title"] for row in ben.conversation_list()] == ["Harbour"]
    ben.say(room, "I have")
    assert ann.take(ben.out(room, ann.device))["new"] == 2
    assert ann.heads(room) == ben.heads(room)
    for number in range(3):
        ann.say(room, f"ann {number}")
        ben.say(room, f"ben {number}")
        ann.take(ben.out(room, ann.device))
        ben.take(ann.out(room, ben.device))
        assert ann.heads(room) == ben.heads(room)
    assert set(ann.texts(room)) == set(ben.texts(room))
    assert ann.verify(conversation=room)["valid"]
    assert [row["role"] for row in ann.member_list(conversation=room)] == ["admin", "member"]


def test_the_same_file_again_changes_nothing(ann: Person, ben: Person, room: str) -> None:
    invited(ann, ben, room)
    ann.say(room, "once")
    file = ann.out(room, ben.device)
    assert ben.take(file)["new"] == 1
    events = len(ben.events_list()["events"])
    assert ben.take(file) == {"conversation": room, "state": "ready", "new": 0, "refused": []}
    assert len(ben.events_list()["events"]) == events
    with pytest.raises(UserError, match="nothing here that is lacking"):
        ben.out(room, *ben.heads(room))


def test_events_tell_of_what_a_file_brought_and_search_finds_it(ann: Person, ben: Person, room: str) -> None:
    invited(ann, ben, room)
    said = ann.say(room, "the boats")
    ben.take(ann.out(room, ben.device))
    assert ben.events_list()["events"][-1]["data"]["id"] == said
    assert [hit["message"]["id"] for hit in ben.search(text="boats")["hits"]] == [said]


def test_since_a_commit_or_a_device(ann: Person, ben: Person, room: str) -> None:
    invited(ann, ben, room)
    first, second = ann.say(room, "one"), ann.say(room, "two")

    def exported(*since: str) -> dict[str, Any]:
        path = ann.folder / "-".join(["x", *since])
        return dict(ann.bundle_export(conversation=room, path=str(path), since=list(since)))

    told = exported(first[:8])
    assert (told["commits"], told["since"], told["heads"]) == (1, [first], [second])
    assert exported(ben.device[:8])["commits"] == 2
    with pytest.raises(NotFoundError, match="no commit and no device"):
        exported("feedface")


# --- what is not for us


def test_a_file_that_invites_nobody_is_refused_with_what_to_do(people: list[Person], room: str) -> None:
    ann, ben, cat = people
    invited(ann, ben, room)
    with pytest.raises(RefusedError, match="nothing in it invites you") as caught:
        cat.take(ann.out(room))
    assert cat.id in str(caught.value.hint)
    assert (cat.conversation_list(), cat.left_over) == ([], [])


def test_a_file_that_goes_on_from_elsewhere_is_refused_with_what_to_do(ann: Person, ben: Person, room: str) -> None:
    ann.member_invite(conversation=room, accounts=[ben.id])
    first = ann.heads(room)
    ann.say(room, "new")
    with pytest.raises(RefusedError, match="goes on from commits that are not here") as caught:
        ben.take(ann.out(room, *first))
    assert "bundle export" in str(caught.value.hint)
    assert (ben.conversation_list(), ben.left_over) == ([], [])
    assert ben.take(ann.out(room))["state"] == "ready"
    ann.take(ben.out(room, ann.device))
    ann.say(room, "one")
    middle = ann.heads(room)
    ann.say(room, "two")
    with pytest.raises(RefusedError) as caught:
        ben.take(ann.out(room, *middle))
    assert all(head in str(caught.value.hint) for head in ben.heads(room))
    assert "two" not in ben.texts(room)


def test_who_is_banned_is_told(ann: Person, ben: Person, room: str) -> None:
    invited(ann, ben, room)
    ann.member_ban(conversation=room, target=ben.id)
    ben.conversation_purge(conversation=room)
    with pytest.raises(RefusedError, match="banned"):
        ben.take(ann.out(room))


def test_a_public_conversation_is_joined_by_anybody_who_has_the_file(ann: Person, ben: Person) -> None:
    room = ann.conversation_create(title="Quay", mode="public")["id"]
    assert ben.take(ann.out(room))["state"] == "ready"


def test_a_ban_and_its_end_come_by_file_too(ann: Person, ben: Person, room: str) -> None:
    invited(ann, ben, room)
    ann.member_ban(conversation=room, target=ben.id)
    assert ben.take(ann.out(room, ben.device))["state"] == "closed"
    with pytest.raises(RefusedError):
        ben.say(room, "let me in")
    ann.member_unban(conversation=room, target=ben.id)
    assert ben.take(ann.out(room, ben.device))["state"] == "ready"
    ben.say(room, "thanks")
    assert ann.take(ben.out(room, ann.device))["refused"] == []
    assert ann.texts(room) == ["thanks"]


# --- what is hostile


def bundle(room: str, *packs: bytes, heads: tuple[str, ...] = ("f" * 40,), since: tuple[str, ...] = ()) -> bytes:
    told = {"conversation": room, "heads": heads, "since": since, "commits": 1}
    data = MAGIC + json.dumps(told).encode() + b"\n"
    for pack in packs:
        for start in range(0, len(pack), 200_000):
            piece = pack[start : start + 200_000]
            data += len(piece).to_bytes(4, "big") + piece
        data += bytes(4)
    data += bytes(4)
    return data + hashlib.sha256(data).digest()


def bomb() -> bytes:
    """A small entry that inflates to far more than it says."""
    return raw_pack(entry_header(BLOB, 100) + zlib.compress(bytes(50_000_000)))


HOSTILE = {
    "nothing": b"",
    "no pack": b"hello",
    "a bomb": bomb(),
    "a size beyond all bounds": raw_pack(entry_header(BLOB, 1 << 40) + b"x"),
    "no honest number of objects": header(4_000_000_000) + bytes(40),
    "an unused blob": raw_pack(encode(BLOB, b"stowaway")),
    "no commit": raw_pack(encode(COMMIT, b"tree " + b"0" * 40 + b"\n")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nothing(ann: Person, ben: Person, room: str, kind: str) -> None:
    path = ann.folder / "hostile"
    path.write_bytes(bundle(room, HOSTILE[kind]))
    files = sorted((ann.folder / "home").rglob("*.pack"))
    heads = ann.heads(room)
    if kind == "no commit":  # a commit that is judged, and refused
        assert ann.take(path)["refused"]
    elif kind != "nothing":
        with pytest.raises(VerificationError):
            ann.take(path)
    assert ann.heads(room) == heads
    assert sorted((ann.folder / "home").rglob("*.pack")) == files
    assert (ann.verify(conversation=room)["valid"], ann.left_over) == (True, [])
    with pytest.raises((VerificationError, RefusedError)):
        ben.take(path)
    assert (ben.conversation_list(), ben.left_over) == ([], [])


def test_a_file_writes_nothing_into_an_archive(ann: Person) -> None:
    old = ann.conversation_import(path=str(jami.group().save(ann.folder / "boats", bare=False)))["id"]
    (ann.folder / "file").write_bytes(bundle(old, bomb()))
    with pytest.raises(ReadOnlyError) as caught:
        ann.take(ann.folder / "file")
    assert (caught.value.data["conversation"], old[:12] in str(caught.value.hint)) == (old, True)


def test_no_file_passes_for_another_conversation(ann: Person, ben: Person, room: str) -> None:
    other = ann.conversation_create(title="Quay", mode="public")["id"]
    raw = ann.out(other).read_bytes()
    lying = raw[:-32].replace(other.encode(), room.encode(), 1)
    path = ann.folder / "lying"
    path.write_bytes(lying + hashlib.sha256(lying).digest())
    before = ann.heads(room)
    with pytest.raises(VerificationError):
        ben.take(path)
    assert (ben.conversation_list(), ben.left_over) == ([], [])
    done = ann.take(path)
    assert done["new"] == 0
    assert done["refused"]
    assert ann.heads(room) == before


def test_what_is_valid_of_a_file_enters_and_the_rest_is_told(ann: Person, ben: Person, room: str) -> None:
    invited(ann, ben, room)
    assert ann.node._node is not None
    log = ann.node._node.catalog.open(room)  # type: ignore[arg-type]
    ann.say(room, "honest")
    good = b"".join(log.pack(None, log.history.newest_of(ben.device)).chunks)  # type: ignore[union-attr,arg-type]
    bad, objects = forged(log, ALICE, Kick(ALICE.id), parent=log.heads[0])
    path = ann.folder / "mixed"
    path.write_bytes(bundle(room, good, packed(objects)))
    done = ben.take(path)
    assert done["new"] == 1
    assert [one["commit"] for one in done["refused"]] == [bad]
    assert "honest" in ben.texts(room)
    assert ben.verify(conversation=room)["valid"]
    _, objects = forged(log, ALICE, Post("by nobody we know"), parent=log.heads[0])
    path.write_bytes(bundle(room, packed(objects)))
    assert ben.take(path)["new"] == 0


def test_through_the_door_of_a_daemon_what_is_no_bundle_is_a_failed_verification_too(ann: Person) -> None:
    """Errors go by their word: one that the door does not know came out as any failure, with exit status 1."""
    path = ann.folder / "b"
    path.write_bytes(b"no bundle")
    with pytest.raises(VerificationError) as caught:
        ann.take(path)
    assert error_of(failure_of(1, caught.value)).exit_status == 7


def test_an_export_replaces_nothing_and_is_private(ann: Person, room: str) -> None:
    path = ann.folder / "b"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="exists already"):
        ann.bundle_export(conversation=room, path=str(path))
    assert path.read_bytes() == b"mine"
    ann.bundle_export(conversation=room, path=str(path), force=True)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StorageError):
        ann.bundle_export(conversation=room, path=str(ann.folder / "nowhere" / "b"))
    with pytest.raises(NotFoundError):
        ann.bundle_import(path=str(ann.folder / "nowhere" / "b"))
