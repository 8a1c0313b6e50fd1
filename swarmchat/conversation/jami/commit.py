"""One commit as Jami writes it, as plain values: its spelling, its signed bytes, what it says. (SCP-02 §9.1–§9.2)"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from swarmchat import limits
from swarmchat.conversation import actions
from swarmchat.conversation.actions import (
    FILE,
    PROFILE,
    TEXT,
    Action,
    Add,
    Ban,
    Body,
    Edit,
    FileWithdrawal,
    Initial,
    Join,
    Leave,
    Other,
    Post,
    React,
    Relation,
    Unban,
    UpdateProfile,
)
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.tree import Mode
from swarmchat.ids import CommitId, DeviceId, TreeId, account_id, commit_id, target_id

EDITED: Final = "application/edited-message"  # how old versions spell an edit
VOTE: Final = "vote"
DOCUMENT: Final = "application/collab-doc+json"
EDITABLE: Final = frozenset({TEXT, FILE, DOCUMENT})

_NO_NONCE: Final = "0" * 32  # Jami's root has none
_ANY_HEADER: Final = re.compile(rb"tree [0-9a-f]{40}\n(?:parent [0-9a-f]{40}\n)*(?:[^\n]+\n)*?\n")
_HEADER: Final = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n){0,2})"
    rb"author (([^<>\n\x00]{0,%d}) <([0-9a-f]{64})> (0|[1-9][0-9]{0,11}) \+0000)\n"
    rb"committer \3\n"
    rb"signature ([A-Za-z0-9+/]{4,%d}={0,2})\n"
    rb"\n" % (limits.JAMI_NAME_BYTES_MAX, limits.JAMI_RSA_BITS_MAX // 8 * 4 // 3 + 4)
)
_TYPE: Final = re.compile(r"[!-~]{1,128}")
_MEMBER: Final[Mapping[str, type[Add | Join | Leave | Ban | Unban]]] = {
    "add": Add,
    "join": Join,
    "remove": Leave,
    "ban": Ban,
    "unban": Unban,
}


@dataclass(frozen=True, slots=True)
class JamiCommit:
    """One signed commit; with two parents it is a merge and says nothing. Not judged yet."""

    id: CommitId
    tree: TreeId
    parents: tuple[CommitId, ...]
    name: str
    device: DeviceId
    time: int
    type: str  # as written; "merge" for a merge
    action: Action
    relation: tuple[Relation, CommitId] | None
    body: Body
    signature: bytes
    payload: bytes  # what is signed: the object without its `signature` line
    raw: bytes

    @property
    def is_merge(self) -> bool:
        """Whether it has two parents."""
        return len(self.parents) == 2

    @property
    def shown(self) -> Commit | Merge:
        """The same as a commit of ours, for who displays histories; it would not be judged valid as one."""
        if self.is_merge:
            return Merge(self.id, self.tree, self.parents, self.time, self.raw)
        parent = self.parents[0] if self.parents else None
        body = {**self.body, "type": TEXT} if self.type == EDITED else self.body
        return Commit(
            self.id, self.tree, parent, self.name, self.device, self.time, self.action, body, "", self.payload
        )


def is_jami(root: bytes) -> bool:
    """Whether the first commit of a history is one of Jami's: `initial` without `rules`, or signed in a `signature` header."""
    found = _ANY_HEADER.match(root[: limits.COMMIT_BYTES_MAX])
    if found is None:
        return False
    if b"\ngpgsig " in found[0]:
        return False
    if b"\nsignature " in found[0]:
        return True
    body = actions.read_object(root[found.end() :])
    return not isinstance(body, Rejection) and body.get("type") == "initial" and "rules" not in body


def parse(commit: CommitId, raw: bytes) -> JamiCommit | Rejection:
    """Read a commit object whose id was computed by the caller."""
    if len(raw) > limits.COMMIT_BYTES_MAX:
        return Rejection(Reason.JAMI_LIMIT, f"the commit is over {limits.COMMIT_BYTES_MAX} bytes", commit=commit)
    found = _HEADER.match(raw)
    if found is None:
        return _malformed(commit, "not a commit as Jami writes it: at most two parents, author = committer, signature")
    parents = tuple(CommitId(line[7:].decode()) for line in found[2].splitlines())
    try:
        name = found[4].decode()
        signature = base64.b64decode(found[7], validate=True)
    except ValueError:
        return _malformed(commit, "the name is no UTF-8, or the signature no base64")
    at = found.start(7) - len(b"signature ")
    payload = raw[:at] + raw[found.end(7) + 1 :]
    said = _Said("merge", Other("merge"), None, {"type": "merge"}) if len(parents) == 2 else _read(raw[found.end() :])
    if isinstance(said, str):
        return _malformed(commit, said)
    return JamiCommit(
        commit,
        TreeId(found[1].decode()),
        parents,
        name,
        DeviceId(found[5].decode()),
        int(found[6]),
        said.type,
        said.action,
        said.relation,
        said.body,
        signature,
        payload,
        raw,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    type: str
    action: Action
    relation: tuple[Relation, CommitId] | None
    body: Body


def _read(message: bytes) -> _Said | str:
    """What a message says, or what is wrong with it."""
    body = actions.read_object(message)
    if isinstance(body, Rejection):
        return body.detail
    kind = body.get("type")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        return "`type` is missing or no printable ASCII of 1 to 128 characters"
    relations: list[tuple[Relation, CommitId]] = []
    for key, relation in (("reply-to", "reply"), ("react-to", "reaction"), ("edit", "edit")):
        if body.get(key, "") == "":
            continue
        try:
            relations.append((cast(Relation, relation), commit_id(body[key])))
        except ValueError:
            return f"`{key}` is no commit id"
    if len(relations) > 1:
        return "reply-to, react-to and edit exclude each other"
    about = relations[0] if relations else None
    if kind in (TEXT, EDITED) and not isinstance(body.get("body"), str):
        return "`body` is missing or no text"
    action = _action(kind, body, about)
    return action if isinstance(action, str) else _Said(kind, action, about, body)


def _action(kind: str, body: Body, about: tuple[Relation, CommitId] | None) -> Action | str:
    if kind == "initial":
        return _initial(body)
    if kind == "member":
        return _member(body)
    if kind == VOTE:
        return "`uri` of a vote is no account or device" if _target(body) is None else Other(VOTE)
    if kind == PROFILE:
        return UpdateProfile()
    if about is not None and about[0] == "edit":
        return FileWithdrawal(about[1]) if kind == FILE else Edit(str(body.get("body", "")), about[1])
    if kind == EDITED:
        return "an edited message names what it edits"
    if kind != TEXT:
        return Other(kind)
    if about is None:
        return Post(body["body"])
    return React(body["body"], about[1]) if about[0] == "reaction" else Post(body["body"], about[1])


def _initial(body: Body) -> Action | str:
    mode = body.get("mode")
    if mode == 4:
        return "a shared document (mode 4) is no conversation"
    if type(mode) is not int or mode not in (0, 1, 2, 3):
        return "`mode` is 0, 1, 2 or 3"
    if "rules" in body:
        return "a root with `rules` is not Jami's"
    if mode != 0:
        return Initial(cast(Mode, mode), _NO_NONCE)
    try:
        return Initial(0, _NO_NONCE, account_id(cast(str, body.get("invited"))))
    except ValueError:
        return "a one-to-one conversation names its guest in the root"


def _member(body: Body) -> Action | str:
    build = _MEMBER.get(body["action"]) if isinstance(body.get("action"), str) else None
    if build is None:
        return "`action` of a member commit is none that exists"
    uri = _target(body)
    if uri is None or (len(uri) != 40 and build not in (Ban, Unban)):
        return "`uri` is no account"
    return build(uri)  # type: ignore[arg-type]  # a device only where one may stand


def _target(body: Body) -> str | None:
    try:
        return target_id(cast(str, body.get("uri")) if isinstance(body.get("uri"), str) else "")
    except ValueError:
        return None


def _malformed(commit: CommitId, detail: str) -> Rejection:
    return Rejection(Reason.JAMI_MALFORMED, detail, commit=commit)
