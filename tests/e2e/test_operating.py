"""What who runs a node has at hand: settings changed while it runs, and a debug bundle that gives nobody away. (SCP-08 §1.4, §2.7)"""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SECRET_TEXT = "the treasure lies under the third palm"


def test_a_setting_changed_under_a_running_daemon_holds_from_its_next_start(tmp_path: Path) -> None:
    ann = NodeProcess(tmp_path / "ann", "Ann", options=("--listen", "127.0.0.1:0", "--no-lan", "--no-dht"))
    ann.did("account", "create", "--name", "Ann")
    ann.start()
    try:
        row = ann.did("config", "set", "log.format", "json")
        assert (row["value"], row["running"], row["restart"]) == ("json", "text", True)
        told = ann.cli("config", "set", "name", "Captain Ann")
        assert "daemon stop" in told.err
        wrong = ann.cli("--json", "config", "set", "lan.enabld", "false")
        assert (wrong.status, wrong.error["hint"]) == (3, "did you mean lan.enabled?")
        assert ann.did("config", "get", "lan.enabled") | {"summary": ""} == {
            "key": "lan.enabled",
            "value": True,
            "default": True,
            "set": False,
            "summary": "",
            "running": False,
            "restart": True,
        }
        assert ann.stop() == 0
        ann.start()
        assert not ann.did("config", "get", "name")["restart"]
        assert ann.did("account", "show")["name"] == "Captain Ann"
        assert json.loads(ann.output().splitlines()[-1])["logger"] == "swarmchat"
    finally:
        ann.kill()


def test_who_follows_misses_nothing_when_the_daemon_is_killed_and_started_again(tmp_path: Path) -> None:
    with nodes(tmp_path / "homes", "Ann", options=("--listen", "127.0.0.1:0", "--no-lan", "--no-dht")) as (ann,):
        room = ann.call("conversation.create", title="Harbour")["id"]
        ann.call("message.send", conversation=room, text="one")
        command = [
            sys.executable,
            "-u",
            "-m",
            "swarmchat",
            "--home",
            str(ann.home),
            "--json",
            "tail",
            "Harbour",
            "-n",
            "1",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tail:
            try:
                assert tail.stdout is not None
                assert json.loads(tail.stdout.readline())["body"] == "one"
                for text in ("two", "three"):
                    ann.kill()
                    sent = ann.did("send", "Harbour", text)  # by itself: nobody told of it yet
                    ann.start()
                    assert json.loads(tail.stdout.readline())["id"] == sent["id"]
                ann.call("message.react", conversation=room, message=sent["id"], reaction="+1")
                again = json.loads(tail.stdout.readline())
                assert (again["id"], [one["reaction"] for one in again["reactions"]]) == (sent["id"], ["+1"])
            finally:
                tail.send_signal(signal.SIGINT)
        assert tail.returncode == 130


def test_no_secret_and_no_word_of_anybody_is_in_a_debug_bundle(tmp_path: Path) -> None:
    with nodes(
        tmp_path / "homes",
        "Annabel Lee",
        "Benedict",
        options=("--listen", "127.0.0.1:0", "--no-lan", "--log-level", "debug"),
    ) as (
        ann,
        ben,
    ):
        introduce(ann, ben)
        room = found_room(ann, ben, title="Smugglers of Penzance")
        ann.call("message.send", conversation=room, text=SECRET_TEXT)
        ann.call("contact.add", account=ben.account, name="Benedict the Brave")
        same(room, ann, ben)
        log = Home.locate(ann.home, {}).log_file
        log.write_text(ann.output() + f"swarmchat: Benedict said '{SECRET_TEXT}' at 192.0.2.77:4000\n")
        secrets = [
            ann.call("token.add", name="Peggotty")["token"],
            ann.call("web.link")["link"].partition("token=")[2],
        ]
        words = [*_words(ann, ben, room), b"Peggotty", *(secret.encode() for secret in secrets)]
        for name in ("b.zip", "b.tar.gz"):
            outcome = ann.cli("debug", "bundle", str(tmp_path / name))
            assert outcome.status == 0, outcome.err
            assert "log.txt" in outcome.out
            assert "nothing was sent" in outcome.err
            files = _unpacked(tmp_path / name)
            assert not [(word, file) for word in words for file, data in files.items() if word in data]
            assert json.loads(files["daemon.json"])["links"] == 1
            assert json.loads(files["counts.json"])["events"]["message.added"] >= 1
            assert {one["state"] for one in json.loads(files["peers.json"])} == {"linked"}
            assert json.loads(files["conversations.json"])[0]["members"] == 2
            assert json.loads(files["versions.json"])["swarmchat"]
            assert b"up: account <id " in files["log.txt"]
            assert b" at <" in files["log.txt"]
        again = ann.cli("--json", "debug", "bundle", str(tmp_path / "b.zip"))
        assert (again.status, again.error["message"]) == (1, f"{tmp_path / 'b.zip'} exists already")
        ann.stop()
        (ann.home / "state.json").write_text("{")
        outcome = ann.cli("--json", "debug", "bundle", str(tmp_path / "broken.zip"))
        assert outcome.status == 0, outcome.err
        files = _unpacked(tmp_path / "broken.zip")
        assert {one["check"] for one in json.loads(files["doctor.json"]) if one["state"] == "fault"} == {"state"}
        assert not [(word, file) for word in words for file, data in files.items() if word in data]


def _words(ann: NodeProcess, ben: NodeProcess, room: str) -> list[bytes]:
    """All that must not show, in every spelling that it could have."""
    store = AccountStore(Home.locate(ann.home, {}), bytes)
    account = store.load()
    keys = [account.device_key.seed, *([account.account_key.seed] if account.account_key else [])]
    spelled = [
        form for key in keys for form in (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key))
    ]
    ids = [ann.account, ben.account, room, account.device, *(line["id"] for line in ann.log(room))]
    texts = [
        SECRET_TEXT,
        "treasure",
        "Annabel",
        "Benedict",
        "Smugglers",
        "Penzance",
        "192.0.2.77",
        str(ann.home.parent),
    ]
    return [*spelled, *(one[:8].encode() for one in ids), *(text.encode() for text in texts)]


def _unpacked(path: Path) -> dict[str, bytes]:
    """The files of a bundle; and the bytes of the archive itself, which are somebody's to read too."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
    else:
        with tarfile.open(path) as archive:
            found = {one.name: file.read() for one in archive.getmembers() if (file := archive.extractfile(one))}
    return {name.partition("/")[2]: data for name, data in found.items()} | {"the archive": path.read_bytes()}
