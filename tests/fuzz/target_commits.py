"""Commit objects and their JSON: one spelling each, read back to what was written. (SCP-02 §2, §3; SCP-01 §2)"""

from __future__ import annotations

import json
from collections.abc import Iterator

from swarmchat.conversation import actions
from swarmchat.conversation.actions import (
    Action,
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
from swarmchat.conversation.commit import Commit, Draft, Merge, display_name, merge_bytes, parse, sealed
from swarmchat.conversation.rejection import Rejection
from swarmchat.crypto import sshsig
from swarmchat.ids import CommitId, DeviceId, TreeId
from tests.fuzz.recipe import Recipe, piece
from tests.support.builders import ALICE, BOB, NOW, object_id, sign

TOKENS = (
    *(
        b"tree ",
        b"parent ",
        b"author ",
        b"committer ",
        b"gpgsig ",
        b" +0000\n",
        b"\n\n",
        b"merge@swarmchat",
        b"\nMerge\n",
    ),
    *(b'"type":"', b'"member"', b'"vote"', b'"text/plain"', b'"initial"', b'"action":"', b'"uri":"', b'"kind":"'),
    *(
        b'"reply-to":"',
        b'"react-to":"',
        b'"edit":"',
        b'"body":"',
        b'"mode":',
        b'"nonce":"',
        b'"rules":1',
        b'"invited":"',
    ),
    *(b'"application/data-transfer+json"', b'"totalSize":', b'"sha3sum":"', b'"tid":"', b'"displayName":"'),
    *(b"\\ud800", b"\\u0000", b"1e999", b"-0", b"9223372036854775808", b"NaN", b"\xe2\x80\xa8", b"[[[[", b'{"a":{"a":'),
    *(
        b"add",
        b"join",
        b"remove",
        b"kick",
        b"promote",
        b"demote",
        b"ban",
        b"unban",
        ALICE.id.encode(),
        ALICE.device.encode(),
    ),
)
_RAW, _FIELDS, _MESSAGE, _MERGE, _NAME = range(5)
_TREE = TreeId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
_PARENT = CommitId("01" * 20)
_ARMOUR = sshsig.sign(ALICE.device_key, b"anything")
_ACTIONS: tuple[Action, ...] = (
    Initial(2, "0" * 32),
    Initial(0, "ab" * 16, BOB.id),
    *(kind(BOB.id) for kind in (Add, Join, Leave, Kick, Promote, Demote, Ban, Unban)),
    *(kind(BOB.device) for kind in (Ban, Unban)),
    CastVote("ban", BOB.id),
    CastVote("promote", BOB.device),
    UpdateProfile(),
    UpdateDevice(),
    Post("words \u2028 \U0001f600"),
    Post("an answer", _PARENT),
    React("+1", _PARENT),
    Edit("", _PARENT),
    FileOffer("a.txt", 7, "ab" * 64, "1", _PARENT),
    FileWithdrawal(_PARENT),
    Other("application/call-history+json"),
)


def seeds() -> Iterator[bytes]:
    """Every action, alone and in a signed commit; merges; names that need care."""
    for action in _ACTIONS:
        yield bytes((_MESSAGE,)) + actions.message(action, {"x": [1, {"y": None}], "z": 1.5})
    for parent, action in ((None, _ACTIONS[0]), (_PARENT, _ACTIONS[2]), (_PARENT, _ACTIONS[17])):
        raw = sign(ALICE, Draft(parent, "alice", ALICE.device, NOW, actions.message(action)), _TREE)
        yield bytes((_RAW,)) + raw
        yield bytes((_FIELDS, 1)) + piece(b"alice") + piece(b"1750000000") + piece(actions.message(action)) + piece(b"")
    yield bytes((_RAW,)) + merge_bytes(_TREE, (_PARENT, CommitId("02" * 20)), NOW)
    yield bytes((_MERGE, 3)) + NOW.to_bytes(8, "big")
    for name in ("Ann", " x ", "a<b>\n", "\u2028", "\u00e9" * 200, "\U0001f600\x85"):
        yield bytes((_NAME,)) + name.encode()


def run(data: bytes) -> None:
    """A Rejection or a value, never an exception; a value is written back to the very bytes it was read from."""
    recipe = Recipe(data)
    match recipe.u8() % 5:
        case 0:
            _commit(recipe.rest())
        case 1:
            _fields(recipe)
        case 2:
            _message(recipe.rest())
        case 3:
            parents = tuple(CommitId(f"{number:040x}") for number in range(recipe.u8() % 40))
            _commit(merge_bytes(_TREE, parents, int.from_bytes(recipe.take(8), "big") % 10**13))
        case _:
            _name(
                recipe.rest().decode("utf-8", "surrogatepass" if len(data) & 1 else "replace")
                if _legible(data[1:])
                else ""
            )


def _legible(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _fields(recipe: Recipe) -> None:
    """A commit whose every field is fuzzed and whose form is right."""
    parents = recipe.u8() % 4
    name, time, message, armour = recipe.piece(), recipe.piece(), recipe.piece(), recipe.piece()
    who = b"%s <%s> %s +0000" % (name, ALICE.device.encode(), time)
    payload = b"tree %s\n%sauthor %s\ncommitter %s\n\n%s" % (
        _TREE.encode(),
        b"parent %s\n" % _PARENT.encode() * parents,
        who,
        who,
        message,
    )
    head, _, text = payload.partition(b"\n\n")
    signature = armour or _ARMOUR.replace("\n", "\n ").encode()
    _commit(b"%s\ngpgsig %s\n\n%s" % (head, signature, text))


def _commit(raw: bytes) -> None:
    name = CommitId(object_id("commit", raw))
    found = parse(name, raw)
    if isinstance(found, Rejection):
        assert found.commit == name
        str(found)
        return
    headers = _headers(raw)
    assert headers["tree"] == [found.tree]
    assert headers.get("parent", []) == list(found.parents)
    assert headers["author"] == headers["committer"]
    assert headers["author"][0].endswith(f"> {found.time} +0000")
    if isinstance(found, Merge):
        assert found.raw == raw
        return
    assert isinstance(found, Commit)
    assert sealed(found.payload, found.armour) == raw
    assert headers["gpgsig"] == [found.armour]
    message = raw.partition(b"\n\n")[2]
    draft = Draft(found.parent, found.name, found.device, found.time, message)
    assert draft.payload(found.tree) == found.payload
    assert actions.parse(message) == (found.action, found.body) or _has_nan(found.body)
    try:
        key, signature = sshsig.parse(found.armour)
    except ValueError:
        return
    assert len(signature) == 64
    assert key.device_id


def _headers(raw: bytes) -> dict[str, list[str]]:
    """The headers as git reads them: names, values, and lines that go on after a blank."""
    found: dict[str, list[str]] = {}
    last = ""
    for line in raw.partition(b"\n\n")[0].decode().split("\n"):
        if line.startswith(" "):
            found[last][-1] += "\n" + line[1:]
            continue
        last, _, value = line.partition(" ")
        found.setdefault(last, []).append(value)
    return found


def _has_nan(value: object) -> bool:
    return "NaN" in json.dumps(value)


def _message(message: bytes) -> None:
    found = actions.parse(message)
    if isinstance(found, Rejection):
        str(found)
        return
    action, body = found
    hash(action)
    assert json.loads(message) == body
    again = actions.message(action, body)
    assert actions.parse(again) == found, "written again it says something else"
    assert actions.message(action, body) == again
    assert actions.type_of(action) == body["type"]
    actions.relation(action)


def _name(name: str) -> None:
    device = DeviceId("ab" * 32)
    shown = display_name(name, device)
    assert display_name(shown, device) == shown
    draft = Draft(_PARENT, shown, device, NOW, actions.message(Post("x")))
    found = parse(_PARENT, sealed(draft.payload(_TREE), _ARMOUR))
    assert isinstance(found, Commit), f"a name that we would write is refused: {found}"
    assert found.name == shown
