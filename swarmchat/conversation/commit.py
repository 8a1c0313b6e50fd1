"""One git commit as plain values, and its one spelling in bytes. (SCP-02 §2, §6.2; SCP-01 §2)"""

from __future__ import annotations

import re
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Action, Body
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import CommitId, DeviceId, TreeId

MERGE_AUTHOR = "swarmchat <merge@swarmchat>"

_HEADER = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n){0,32})"
    rb"author (([^<>\n\x00]{0,512}) <([0-9a-f]{64}|merge@swarmchat)> (0|[1-9][0-9]{0,11}) \+0000)\n"
    rb"committer \3\n"
    rb"(?:gpgsig ((?:[^\n]+\n )*[^\n]+)\n)?"
    rb"\n"
)


@dataclass(frozen=True, slots=True)
class Commit:
    """An ordinary commit: signed by one device, with at most one parent. What it says is not judged yet."""

    id: CommitId
    tree: TreeId
    parent: CommitId | None
    name: str
    device: DeviceId
    time: int
    action: Action
    body: Body
    armour: str  # the SSHSIG signature, parsed by who checks it (SCP-01 §2.1)
    payload: bytes  # what is signed: the commit without its gpgsig header

    @property
    def parents(self) -> tuple[CommitId, ...]:
        """No parent for the root, else one."""
        return () if self.parent is None else (self.parent,)


@dataclass(frozen=True, slots=True)
class Merge:
    """A commit that claims to be a canonical merge: nobody's, signed by nobody, and recomputed by who receives it."""

    id: CommitId
    tree: TreeId
    parents: tuple[CommitId, ...]
    time: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """All of an ordinary commit but its signature and the name of its tree."""

    parent: CommitId | None
    name: str
    device: DeviceId
    time: int
    message: bytes

    def payload(self, tree: TreeId) -> bytes:
        """The bytes to be signed."""
        parents = b"" if self.parent is None else b"parent %s\n" % self.parent.encode()
        who = b"%s <%s> %d +0000" % (self.name.encode(), self.device.encode(), self.time)
        return b"tree %s\n%sauthor %s\ncommitter %s\n\n%s" % (tree.encode(), parents, who, who, self.message)


def sealed(payload: bytes, armour: str) -> bytes:
    """The commit object: the signed bytes with the signature in their header."""
    header, _, text = payload.partition(b"\n\n")
    return b"%s\ngpgsig %s\n\n%s" % (header, armour.replace("\n", "\n ").encode(), text)


def merge_bytes(tree: TreeId, parents: tuple[CommitId, ...], time: int) -> bytes:
    """The one spelling of a merge of these parents with this tree. (SCP-02 §6.2)"""
    who = f"{MERGE_AUTHOR} {time} +0000"
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {who}",
        f"committer {who}",
        "",
        "Merge",
        *parents,
    ]
    return "\n".join(lines).encode()


def parse(commit: CommitId, raw: bytes) -> Commit | Merge | Rejection:
    """Read a commit object whose id was computed by the caller; anything but the one spelling is refused."""
    fault = _parse(commit, raw)
    return fault.of(commit) if isinstance(fault, Rejection) else fault


def display_name(name: str, device: DeviceId) -> str:
    """A name as it may stand in a commit: refused characters dropped, cut to 128; the device id when nothing is left. (SCP-02 §2.1)"""
    kept = (
        "".join(character for character in name if _printable(character))
        .strip()[: limits.DISPLAY_NAME_CHARS_MAX]
        .strip()
    )
    return kept or device


def _parse(commit: CommitId, raw: bytes) -> Commit | Merge | Rejection:
    if len(raw) > limits.COMMIT_BYTES_MAX:
        return Rejection(Reason.TOO_BIG, f"the commit is over {limits.COMMIT_BYTES_MAX} bytes")
    found = _HEADER.match(raw)
    if not found:
        return Rejection(
            Reason.MALFORMED_COMMIT, "not the one spelling of a commit: headers, author = committer, +0000"
        )
    tree = TreeId(found[1].decode())
    parents = tuple(CommitId(line[7:].decode()) for line in found[2].splitlines())
    author, time, armour = found[5], int(found[6]), found[7]
    if author == b"merge@swarmchat":
        if armour is not None or len(parents) < 2 or found[4] != b"swarmchat":
            return Rejection(Reason.BAD_MERGE, "a merge has two parents or more, no signature and nobody's name")
        return Merge(commit, tree, parents, time, raw)
    if armour is None:
        return Rejection(Reason.BAD_SIGNATURE, "not signed")
    if len(parents) > 1:
        return Rejection(Reason.MALFORMED_COMMIT, "an ordinary commit has one parent")
    try:
        name = found[4].decode()
    except UnicodeDecodeError:
        return Rejection(Reason.BAD_NAME, "the name is no UTF-8")
    device = DeviceId(author.decode())
    if display_name(name, device) != (name or device):
        return Rejection(Reason.BAD_NAME, "control characters, blanks at an end, or over 128 characters")
    if not name:
        return Rejection(Reason.BAD_NAME, "who has no name is named by the device id")
    outcome = actions.parse(raw[found.end() :])
    if isinstance(outcome, Rejection):
        return outcome
    action, body = outcome
    if not armour.isascii():
        return Rejection(Reason.BAD_SIGNATURE, "the signature is no armour")
    signature_end = found.end(7) + 1
    payload = raw[: found.start(7) - len(b"gpgsig ")] + raw[signature_end:]
    signature = armour.decode().replace("\n ", "\n")
    return Commit(commit, tree, parents[0] if parents else None, name, device, time, action, body, signature, payload)


def _printable(character: str) -> bool:
    return (
        character not in "<>"
        and not (character < " " or "\x7f" <= character < "\xa0")
        and character not in "\u2028\u2029"
        and not "\ud800" <= character < "\ue000"  # half a character
    )
