"""A settings file is changed where it is meant, and nowhere else; a wrong word leaves it as it was. (SCP-08 §1.4)"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from swarmchat.addresses import Address
from swarmchat.errors import NotFoundError, StorageError, UsageError, UserError
from swarmchat.node.config import Config, load
from swarmchat.node.settings import SettingsFile, edited

WRITTEN = """# what I think of it
listen = [  # for tests
    "127.0.0.1:0",
]
log.level = "debug"  # loud

[lan]  # at home
enabled = false
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "config.toml"
    place.write_text(WRITTEN)
    return place


def test_a_value_is_exchanged_and_every_other_character_stays(path: Path) -> None:
    row = SettingsFile(path).set("log.level", ["error"])
    assert (row["value"], row["set"], row["default"], row["restart"]) == ("error", True, "info", False)
    assert path.read_text() == WRITTEN.replace('"debug"', '"error"')
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "key", "value", "after"),
    [
        ("", "log.level", "debug", '[log]\nlevel = "debug"\n'),
        ("", "name", "Ann", 'name = "Ann"\n'),
        ("[lan]\nenabled = true\n", "name", "Ann", 'name = "Ann"\n\n[lan]\nenabled = true\n'),
        ("lan = {enabled = true} # x\r\n", "lan.enabled", False, "lan = {enabled = false} # x\r\n"),
        ("[dht]\nport = 1\n[log]\n[lan]\n", "dht.port", 2, "[dht]\nport = 2\n[log]\n[lan]\n"),
        ('name = "a"\n# end\n', "name", None, "# end\n"),
        ("[log]\n", "log.level", None, "[log]\n"),
        ("", "log.level", None, ""),
        ("'log.level' = 3\n", "log.level", None, ""),
        ("lan = 3\n", "lan.enabled", None, "lan = 3\n"),
    ],
)
def test_where_a_key_stands_in_the_text(before: str, key: str, value: object, after: str) -> None:
    assert edited(before, key, value) == after


@pytest.mark.parametrize(
    ("key", "values", "kind"),
    [
        ("log.level", ["loud"], UsageError),
        ("log.level", ["debug", "info"], UsageError),
        ("lan.enabled", ["maybe"], UsageError),
        ("dht.port", ["65536"], UsageError),
        ("dht.port", ["-1"], UsageError),
        ("dht.port", ["1" * 5000], UsageError),
        ("listen", ["nonsense"], UsageError),
        ("dht.bootstrap", ["h:1"] * 65, UsageError),
        ("name", ["  "], UsageError),
        ("log", ["info"], NotFoundError),
        ("lan.enable", ["true"], NotFoundError),
    ],
)
def test_a_wrong_word_changes_nothing(path: Path, key: str, values: list[str], kind: type[UserError]) -> None:
    with pytest.raises(kind):
        SettingsFile(path).set(key, values)
    assert path.read_text() == WRITTEN


def test_the_nearest_key_is_named(path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        SettingsFile(path).get("lan.enable")
    assert caught.value.hint == "did you mean lan.enabled?"


@pytest.mark.parametrize("broken", [b"listen = [\n", b"\xff", b"log = 3\nlog = 4\n"])
def test_what_is_no_toml_is_left_to_its_author(path: Path, broken: bytes) -> None:
    path.write_bytes(broken)
    for change in (lambda file: file.set("name", ["Ann"]), lambda file: file.unset("name")):
        with pytest.raises(UserError, match="TOML"):
            change(SettingsFile(path))
    assert path.read_bytes() == broken


@pytest.mark.parametrize("odd", ["log = 3\n", "log = [1]\n", "[[log]]\nlevel = 'info'\n", "'log.level' = 'info'\n"])
def test_a_key_that_stands_where_a_table_should_be_is_told_and_kept(path: Path, odd: str) -> None:
    path.write_text(odd)
    with pytest.raises(UserError, match=r"config.toml is written in a way"):
        SettingsFile(path).set("log.level", ["error"])
    assert path.read_text() == odd


def test_one_of_two_wrong_values_can_be_set_right(path: Path) -> None:
    path.write_text('dht.port = "x"\nlan.enabled = 3\n')
    file = SettingsFile(path)
    with pytest.raises(UserError, match=r"dht.port"):
        file.show()
    with pytest.raises(UserError, match="true or false"):
        file.get("lan.enabled")
    assert file.set("lan.enabled", ["TRUE"])["value"] is True
    file.unset("dht.port")
    assert load(path) == Config()


def test_a_key_that_there_is_not_can_be_taken_out_and_only_then(path: Path) -> None:
    path.write_text("listn = 3\n[lan]\nenable = 4\n")
    file = SettingsFile(path)
    assert file.unset("listn")["set"] is False
    file.unset("lan.enable")
    assert load(path) == Config()
    assert file.unset("name")["set"] is False
    with pytest.raises(NotFoundError):
        file.unset("listn")


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "config.toml")
    assert file.path() == {"path": str(tmp_path / "config.toml"), "exists": False}
    assert {one["set"] for one in file.show()["settings"]} == {False}
    assert file.unset("name")["set"] is False
    assert not file.path()["exists"]
    file.set("listen", ["127.0.0.1:0", "[::1]:0"])
    assert load(tmp_path / "config.toml").listen == (Address("127.0.0.1", 0), Address("::1", 0))


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    SettingsFile(link).set("name", ["Ann"])
    assert link.is_symlink()
    assert load(path).name == "Ann"


def test_a_folder_that_refuses_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("swarmchat.disk.os.fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        SettingsFile(path).set("name", ["Ann"])
    assert path.read_text() == WRITTEN
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_a_running_daemon_keeps_what_it_was_started_with(path: Path) -> None:
    file = SettingsFile(path, load(path, {"log.level": "warning"}))
    row = file.get("log.level")
    assert (row["value"], row["running"], row["restart"]) == ("debug", "warning", True)
    row = file.set("log.level", ["warning"])
    assert (row["value"], row["restart"]) == ("warning", False)
    row = file.set("listen", ["127.0.0.1:1"])
    assert (row["running"], row["restart"]) == (["127.0.0.1:0"], True)


def test_two_changes_at_once_are_both_there(path: Path) -> None:
    keys = {"dht.port": "7", "lan.enabled": "true", "name": "Ann", "log.format": "json", "accept_old_forks": "true"}
    for _ in range(5):
        path.write_text(WRITTEN)
        threads = [threading.Thread(target=SettingsFile(path).set, args=(key, [value])) for key, value in keys.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = load(path)
        assert (found.dht_port, found.lan_enabled, found.name, found.log_format) == (7, True, "Ann", "json")
        assert found.accept_old_forks


def test_a_disk_that_does_not_answer_is_said_so_and_nothing_changes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by scripts/crash: the text was read a second time, unguarded."""
    reads = 0

    def broken(_self: Path) -> bytes:
        nonlocal reads
        reads += 1
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", broken)
        with pytest.raises(StorageError, match="the disk does not answer"):
            SettingsFile(path).set("name", ["Ann"])
    assert (reads, path.read_text()) == (1, WRITTEN)
