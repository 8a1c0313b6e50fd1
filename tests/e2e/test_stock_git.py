"""A conversation is a git repository that stock git reads, checks and verifies."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        shutil.which("git") is None or shutil.which("ssh-keygen") is None, reason="needs git and ssh-keygen"
    ),
]


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), "-c", "safe.directory=*", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_log_fsck_and_verify_commit(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        ben.stop()
        ann.did("send", room, "alone")
        ben.did("send", room, "alone too")  # no daemon: written in process, announced at the next start
        ben.start()
        ann.call("peer.add", account=ben.account, address=str(ben.listen))
        same(room, ann, ben)
        ann.did("send", room, "after the merge")
        same(room, ann, ben)
        for node in (ann, ben):
            check(node, room)


def check(node: NodeProcess, room: str) -> None:
    repository = node.home / "conversations" / f"{room}.git"
    node.until(lambda: "after the merge" in git(repository, "log", "main"))  # half a second of quiet (SCP-04 §4.3a)
    faults = git(repository, "fsck", "--strict", "--no-dangling")
    assert "error" not in faults
    assert "warning" not in faults
    signers = node.home / "signers"
    signers.write_text("\n".join(node.did("verify", room, "--allowed-signers")["allowed_signers"]) + "\n")
    ordinary = git(repository, "rev-list", "main", "--max-parents=1").split()
    merges = git(repository, "rev-list", "main", "--min-parents=2").split()
    assert len(merges) == 1
    assert len(ordinary) > 5
    ssh = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}")
    assert git(repository, *ssh, "verify-commit", *ordinary).count("Good") == len(ordinary)
