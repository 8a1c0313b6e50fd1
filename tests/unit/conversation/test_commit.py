"""SCP-02 §2.1, §6.2 and SCP-01 §2.1: a commit has one spelling."""

from __future__ import annotations

import hashlib

import pytest

from swarmchat import limits
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Initial, Post
from swarmchat.conversation.commit import Commit, Draft, Merge, display_name, merge_bytes, parse, sealed
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.crypto import sshsig
from swarmchat.ids import CommitId, DeviceId, TreeId
from tests.support.builders import ALICE, NONCE, NOW, sign

TREE, PARENT, OTHER = TreeId("1" * 40), CommitId("2" * 40), CommitId("3" * 40)
DRAFT = Draft(PARENT, 'Dr. "X" a,b; ü', ALICE.device, NOW, actions.message(Post("hello\n\nworld")))
RAW = sign(ALICE, DRAFT, TREE)
MERGE = merge_bytes(TREE, (PARENT, OTHER), NOW)


def read(raw: bytes) -> Commit | Merge | Rejection:
    return parse(CommitId(hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()), raw)


def refused(raw: bytes) -> Reason:
    outcome = read(raw)
    assert isinstance(outcome, Rejection), outcome
    assert outcome.commit == hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()
    return outcome.reason


def test_what_is_written_is_read_back() -> None:
    commit = read(RAW)
    assert isinstance(commit, Commit)
    assert (commit.tree, commit.parent, commit.parents) == (TREE, PARENT, (PARENT,))
    assert (commit.name, commit.device, commit.time) == (DRAFT.name, ALICE.device, NOW)
    assert commit.action == Post("hello\n\nworld")
    assert commit.payload == DRAFT.payload(TREE)
    assert sshsig.verify(commit.armour, commit.payload, ALICE.device_key.public)
    assert sealed(commit.payload, commit.armour) == RAW


def test_a_root_has_no_parent() -> None:
    raw = sign(ALICE, Draft(None, "a", ALICE.device, 0, actions.message(Initial(1, NONCE))), TREE)
    commit = read(raw)
    assert isinstance(commit, Commit)
    assert (commit.parent, commit.parents, commit.time) == (None, (), 0)


def test_the_bytes_are_those_of_git() -> None:
    assert RAW.split(b"\ngpgsig ")[0].decode() == (
        f"tree {TREE}\nparent {PARENT}\n"
        f"author {DRAFT.name} <{ALICE.device}> {NOW} +0000\n"
        f"committer {DRAFT.name} <{ALICE.device}> {NOW} +0000"
    )
    assert RAW.endswith(b'\n -----END SSH SIGNATURE-----\n\n{"body":"hello\\n\\nworld","type":"text/plain"}')


HEADER, _, REST = RAW.partition(b"\ngpgsig ")
LINES = HEADER.split(b"\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n" + RAW,
        RAW.replace(b"tree ", b"Tree ", 1),
        RAW.replace(b"tree ", b"tree  ", 1),
        RAW.replace(b"\n", b"\r\n"),
        RAW.replace(TREE.encode(), TREE[1:].encode()),
        RAW.replace(TREE.encode(), b"A" * 40),
        RAW.replace(b"parent ", b"parents ", 1),
        RAW.replace(PARENT.encode(), PARENT[1:].encode(), 1),
        b"\n".join([LINES[1], LINES[0], *LINES[2:]]) + b"\ngpgsig " + REST,
        b"\n".join([LINES[0], LINES[1], LINES[3], LINES[2]]) + b"\ngpgsig " + REST,
        HEADER + b"\nencoding UTF-8\ngpgsig " + REST,
        HEADER + b"\nmergetag x\ngpgsig " + REST,
        HEADER + b"\ngpgsig-sha256 " + REST,
        HEADER + b"\ngpgsig " + REST.replace(b"\n -----END", b"\n-----END"),
        HEADER + b"\ngpgsig " + REST.replace(b"\n -----END", b"\n \n -----END"),
        HEADER + b"\ngpgsig \n\n{}",
        HEADER + b"\ngpgsig x\ngpgsig " + REST,
        RAW.replace(b"committer Dr.", b"committer Mr."),
        RAW.replace(b"+0000", b"+0100"),
        RAW.replace(b"+0000", b"-0000"),
        RAW.replace(b"%d +0000" % NOW, b"0%d +0000" % NOW),
        RAW.replace(b"%d +0000" % NOW, b"-1 +0000"),
        RAW.replace(b"%d +0000" % NOW, b"1000000000000 +0000"),
        RAW.replace(b"%d +0000" % NOW, b"1.5 +0000"),
        RAW.replace(ALICE.device.encode(), ALICE.device.upper().encode()),
        RAW.replace(ALICE.device.encode(), ALICE.id.encode()),
        RAW.replace(b"Dr.", b"D<r>"),
        RAW.replace(b"Dr.", b"D\0r"),
        RAW.replace(b"parent " + PARENT.encode(), b"\n".join(b"parent %040x" % n for n in range(33))),
        sign(ALICE, Draft(PARENT, "a", ALICE.device, NOW, b"{}"), TREE).replace(b"\nparent", b"\nparent " + PARENT.encode() + b"\nparent"),
    ],
)  # fmt: skip
def test_any_other_spelling_is_malformed(raw: bytes) -> None:
    assert refused(raw) is Reason.MALFORMED_COMMIT


@pytest.mark.parametrize("message", [b"", b"Merge", b"{}"])
def test_an_ordinary_commit_has_a_message_that_is_an_action(message: bytes) -> None:
    raw = sign(ALICE, Draft(PARENT, "a", ALICE.device, NOW, message), TREE)
    assert refused(raw) in (Reason.MALFORMED_MESSAGE, Reason.MALFORMED_ACTION)


@pytest.mark.parametrize(
    "name",
    ["", " alice", "alice ", "\u3000alice", "a\tb", "a\x7fb", "a\x85b", "a\u2028b", "a" * 129, "é" * 129],
)
def test_a_name_that_nobody_should_have_is_refused(name: str) -> None:
    raw = sign(ALICE, Draft(PARENT, name, ALICE.device, NOW, DRAFT.message), TREE)
    assert refused(raw) is Reason.BAD_NAME


def test_a_name_that_is_no_utf8_is_refused() -> None:
    assert refused(RAW.replace(b"Dr.", b"D\xff")) is Reason.BAD_NAME


@pytest.mark.parametrize("name", ["a", "a" * 128, "👋" * 128, 'a,b; "c" \\', "no break\u00a0space", ALICE.device])
def test_other_names_are_kept_to_the_byte(name: str) -> None:
    commit = read(sign(ALICE, Draft(PARENT, name, ALICE.device, NOW, DRAFT.message), TREE))
    assert isinstance(commit, Commit)
    assert commit.name == name


def test_a_name_is_made_fit_before_it_is_written() -> None:
    """C-03, C-08"""
    device = DeviceId("d" * 64)
    assert display_name("  Dr. <X>\n\x00\u2028 ", device) == "Dr. X"
    assert display_name(" \t<>", device) == device
    assert display_name("a" * 127 + " b", device) == "a" * 127
    assert display_name("\ud800half", device) == "half"


def test_an_unsigned_commit_is_refused() -> None:
    assert refused(DRAFT.payload(TREE)) is Reason.BAD_SIGNATURE


def test_a_signature_that_is_no_text_is_refused() -> None:
    assert refused(RAW.replace(b"BEGIN SSH", b"BEGIN SS\xc3")) is Reason.BAD_SIGNATURE


def test_a_commit_is_bounded_in_all() -> None:
    longest = MERGE + b" " * (limits.COMMIT_BYTES_MAX - len(MERGE))
    assert isinstance(read(longest), Merge)
    assert refused(longest + b" ") is Reason.TOO_BIG


def test_a_merge_is_nobodys() -> None:
    merge = read(MERGE)
    assert merge == Merge(
        CommitId(hashlib.sha1(b"commit %d\0" % len(MERGE) + MERGE).hexdigest()), TREE, (PARENT, OTHER), NOW, MERGE
    )
    assert MERGE.decode() == (
        f"tree {TREE}\nparent {PARENT}\nparent {OTHER}\nauthor swarmchat <merge@swarmchat> {NOW} +0000\n"
        f"committer swarmchat <merge@swarmchat> {NOW} +0000\n\nMerge\n{PARENT}\n{OTHER}"
    )


@pytest.mark.parametrize(
    "raw",
    [
        MERGE.replace(b"swarmchat <", b"alice <"),
        MERGE.replace(b"parent " + OTHER.encode() + b"\n", b""),
        MERGE.replace(b"\n\n", b"\ngpgsig x\n\n"),
    ],
)
def test_a_merge_with_a_name_a_signature_or_one_parent_is_none(raw: bytes) -> None:
    assert refused(raw) is Reason.BAD_MERGE
