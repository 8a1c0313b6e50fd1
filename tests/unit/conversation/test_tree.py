"""SCP-02 §1.1: where things lie, and that nothing else may lie there."""

from __future__ import annotations

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.tree import Vote
from swarmchat.ids import AccountId, DeviceId

ACCOUNT, VOTER, DEVICE = AccountId("a" * 40), AccountId("b" * 40), DeviceId("c" * 64)

FILES = [
    tree.PROFILE,
    tree.admin(ACCOUNT),
    tree.member(ACCOUNT),
    tree.invited(ACCOUNT),
    tree.device(DEVICE),
    tree.revocations(ACCOUNT),
    tree.banned("admins", ACCOUNT),
    tree.banned("members", ACCOUNT),
    tree.banned("invited", ACCOUNT),
    tree.banned("devices", DEVICE),
    *(tree.vote(Vote("ban", place, ACCOUNT, VOTER)) for place in ("admins", "members", "invited")),
    tree.vote(Vote("unban", "devices", DEVICE, VOTER)),
    tree.vote(Vote("promote", "members", ACCOUNT, VOTER)),
]


@pytest.mark.parametrize("path", FILES)
def test_every_file_the_law_writes_has_its_place(path: str) -> None:
    assert tree.is_file(path)
    folder = path
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        assert tree.is_folder(folder)
        assert not tree.is_file(folder)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "PROFILE.vcf",
        "profile.vcf ",
        "profile.vcf\n",
        "notes.txt",
        f"admins/{ACCOUNT}",
        f"admins/{ACCOUNT.upper()}.crt",
        f"admins/{ACCOUNT[1:]}.crt",
        f"admins/{DEVICE}.crt",
        f"devices/{ACCOUNT}.crt",
        f"invited/{ACCOUNT}.crt",
        f"banned/{ACCOUNT}.crt",
        f"banned/CRLs/{ACCOUNT}",
        f"CRLs/{DEVICE}",
        f"votes/kick/members/{ACCOUNT}/{VOTER}",
        f"votes/ban/devices/{ACCOUNT}/{VOTER}",
        f"votes/ban/members/{DEVICE}/{VOTER}",
        f"votes/ban/members/{ACCOUNT}/{DEVICE}",
        f"votes/ban/members/{ACCOUNT}",
        f"votes//ban/members/{ACCOUNT}/{VOTER}",
        f"members/../admins/{ACCOUNT}.crt",
        f"members/{ACCOUNT}.crt/x",
        f"./members/{ACCOUNT}.crt",
        f"MEMBERS/{ACCOUNT}.crt",
        ".git/config",
        ".gitmodules",
    ],
)  # fmt: skip
def test_anything_else_has_none(path: str) -> None:
    assert not tree.is_file(path)


@pytest.mark.parametrize("path", ["", "admins/x", "banned/CRLs", "votes/kick", f"votes/ban/devices/{ACCOUNT}", "vote"])
def test_other_folders_have_none(path: str) -> None:
    assert not tree.is_folder(path)


def test_a_vote_is_read_back_from_its_path() -> None:
    vote = Vote("unban", "devices", DEVICE, VOTER)
    assert tree.read_vote(tree.vote(vote)) == vote


def test_invitations_and_votes_say_all_by_their_name() -> None:
    assert [path for path in FILES if tree.is_empty_file(path)] == [
        path for path in FILES if path.startswith(("invited/", "banned/invited/", "votes/"))
    ]
