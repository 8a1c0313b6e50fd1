from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from swarmchat.account import home as home_module
from swarmchat.account.home import Home
from swarmchat.errors import StorageError, UserError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def long_home(tmp_path: Path, socket_bytes: int) -> Path:
    """A home whose control socket would have a name of so many bytes."""
    room = socket_bytes - len(os.fsencode(tmp_path / "x" / "control.sock")) + 1
    return tmp_path / ("x" * room)


def test_an_explicit_home_holds_everything(tmp_path: Path) -> None:
    home = Home.locate(tmp_path, {"SWARMCHAT_HOME": "/elsewhere", "XDG_DATA_HOME": "/data"})
    assert home.data == tmp_path
    assert home.config_file == tmp_path / "config.toml"
    assert home.state == tmp_path / "log"
    assert home.socket == tmp_path / "control.sock"
    assert home.conversations == tmp_path / "conversations"


def test_the_environment_names_the_home_where_no_flag_does(tmp_path: Path) -> None:
    assert Home.locate(None, {"SWARMCHAT_HOME": str(tmp_path)}) == Home.locate(tmp_path, {})


def test_without_either_xdg_says_where_things_lie(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    home = Home.locate(
        None, {"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": str(runtime)}
    )
    assert home.data == Path("/d/swarmchat")
    assert home.config_file == Path("/c/swarmchat/config.toml")
    assert home.state == Path("/s/swarmchat")
    assert home.socket == runtime / "swarmchat" / "control.sock"


def test_xdg_defaults_lie_under_the_users_directory_and_relative_values_are_ignored() -> None:
    home = Home.locate(None, {"HOME": "/home/ann", "XDG_DATA_HOME": "relative/path"})
    assert home.data == Path("/home/ann/.local/share/swarmchat")
    assert home.config_file == Path("/home/ann/.config/swarmchat/config.toml")
    assert home.state == Path("/home/ann/.local/state/swarmchat")
    assert home.socket == Path(f"/tmp/swarmchat-{os.getuid()}/control.sock")


def test_a_runtime_directory_that_is_not_there_is_passed_over() -> None:
    home = Home.locate(None, {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/nonexistent/run"})
    assert home.socket.parent == Path(f"/tmp/swarmchat-{os.getuid()}")


def test_preparing_makes_private_directories_and_can_be_repeated(tmp_path: Path) -> None:
    home = Home.locate(tmp_path / "new" / "home", {})
    home.prepare()
    home.prepare()
    assert [mode(path) for path in (home.data, home.conversations, home.state)] == [0o700] * 3
    assert not home.socket_record.exists()


def test_a_home_that_nothing_came_to_lie_in_goes_again(tmp_path: Path) -> None:
    home = Home.locate(tmp_path / "home", {})
    made = home.absent()
    home.prepare()
    with home.lock("a test"):
        home.withdraw(made)
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_was_there_or_has_something_in_it_stays(tmp_path: Path) -> None:
    home = Home.locate(tmp_path / "home", {})
    made = home.absent()
    home.prepare()
    (home.data / "account.json").touch()
    home.withdraw(made)
    assert home.conversations.is_dir()
    (home.data / "account.json").unlink()
    assert home.absent() == ()
    home.withdraw(home.absent())
    assert home.conversations.is_dir()


def test_a_home_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    Home.locate(tmp_path / "home", {}).prepare()
    assert mode(tmp_path / "home") == 0o700


def test_a_home_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.locate(tmp_path, {})
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StorageError, match="belongs to another user") as caught:
        home.prepare()
    assert caught.value.hint


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a directory") as caught:
        Home.locate(tmp_path / "file" / "home", {}).prepare()
    assert caught.value.hint
    with pytest.raises(StorageError, match="not a directory"):
        Home.locate(tmp_path / "file", {}).prepare()


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_gives_a_sentence_and_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(path: Path, *args: object, **keywords: object) -> None:
        raise OSError(code, os.strerror(code))

    home = Home.locate(tmp_path / "home", {})
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError) as caught:
        home.prepare()
    assert caught.value.hint
    assert str(tmp_path / "home") in caught.value.message
    assert caught.value.exit_status == 1


def test_a_socket_name_of_107_bytes_stays_in_the_home_and_one_of_108_moves(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    fits = Home.locate(long_home(tmp_path, 107), environ)
    assert len(os.fsencode(fits.socket)) == 107
    assert fits.socket.parent == fits.data
    moved = Home.locate(long_home(tmp_path, 108), environ)
    assert moved.socket.parent == tmp_path / "swarmchat"
    assert len(os.fsencode(moved.socket)) <= 107


def test_a_moved_socket_is_recorded_so_that_another_environment_finds_it(tmp_path: Path) -> None:
    run = tmp_path / "r"
    run.mkdir(mode=0o700)
    directory = long_home(tmp_path, 150)
    home = Home.locate(directory, {"XDG_RUNTIME_DIR": str(run)})
    home.prepare()
    assert home.socket_record.read_text() == f"{home.socket}\n"
    assert mode(home.socket.parent) == 0o700
    assert mode(home.socket_record) == 0o600
    assert Home.locate(directory, {}).socket == home.socket


def test_two_long_homes_have_two_sockets(tmp_path: Path) -> None:
    one, two = Home.locate(long_home(tmp_path, 150), {}), Home.locate(long_home(tmp_path, 151), {})
    assert one.socket != two.socket


def test_a_record_that_points_to_a_directory_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    directory = long_home(tmp_path, 150)
    directory.mkdir()
    (directory / "socket").write_bytes(b"/nonexistent/swarmchat/a.sock\n")
    assert Home.locate(directory, {}).socket.parent == Path(f"/tmp/swarmchat-{os.getuid()}")


@pytest.mark.parametrize("content", [b"", b"relative\n", b"/a\0b\n", b"/" + b"x" * 5000, b"\xff\n"])
def test_a_damaged_record_is_passed_over(tmp_path: Path, content: bytes) -> None:
    directory = long_home(tmp_path, 150)
    directory.mkdir()
    (directory / "socket").write_bytes(content)
    assert Home.locate(directory, {}).socket.parent == Path(f"/tmp/swarmchat-{os.getuid()}")


def test_a_link_under_our_name_in_the_runtime_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "swarmchat").symlink_to(tmp_path / "theirs")
    home = Home.locate(long_home(tmp_path, 150), {"XDG_RUNTIME_DIR": str(tmp_path)})
    with pytest.raises(UserError, match="is a link") as caught:
        home.prepare()
    assert caught.value.hint


def test_a_runtime_directory_that_is_itself_too_long_is_an_error_with_a_hint(tmp_path: Path) -> None:
    run = tmp_path / ("r" * 120)
    run.mkdir(mode=0o700)
    with pytest.raises(UserError, match="too long") as caught:
        Home.locate(None, {"HOME": "/home/ann", "XDG_RUNTIME_DIR": str(run)})
    assert caught.value.hint


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home.locate(tmp_path, {})
    found.prepare()
    return found


def test_a_second_lock_names_the_holder(home: Home) -> None:
    with home.lock("daemon"):
        assert home.holder() == os.getpid()
        assert mode(home.lock_file) == 0o600
        with pytest.raises(UserError, match=f"process {os.getpid()} \\(daemon\\)") as caught, home.lock("send"):
            pass
        assert caught.value.exit_status == 1
        assert caught.value.data == {"pid": os.getpid()}
        assert home.holder() == os.getpid(), "a lock that failed leaves the holder's name"


def test_the_lock_is_free_again_afterwards_also_after_an_error(home: Home) -> None:
    with pytest.raises(ValueError, match="inside"), home.lock("one"):
        raise ValueError("inside")
    assert home.holder() is None
    with home.lock("two"):
        pass


def test_nobody_holds_a_lock_that_was_never_taken(home: Home) -> None:
    assert home.holder() is None


def test_the_name_of_a_dead_process_is_no_holder(home: Home) -> None:
    script = "import fcntl,os,sys; f=open(sys.argv[1],'w'); fcntl.flock(f,fcntl.LOCK_EX); f.write(f'{os.getpid()} daemon\\n'); f.flush(); os._exit(9)"
    subprocess.run([sys.executable, "-c", script, str(home.lock_file)], check=False)
    assert home.lock_file.read_text().endswith("daemon\n")
    assert home.holder() is None
    with home.lock("next"):
        assert home.holder() == os.getpid()


def test_the_name_of_a_living_process_without_the_lock_is_no_holder(home: Home) -> None:
    home.lock_file.write_text(f"{os.getpid()} daemon\n")
    assert home.holder() is None


@pytest.mark.parametrize("content", [b"", b"abc\n", b"-1 x\n", b"99999999999999999999 x\n", b"\xff\xfe", "²".encode()])
def test_a_damaged_lock_file_holds_nobody_up(home: Home, content: bytes) -> None:
    home.lock_file.write_bytes(content)
    assert home.holder() is None
    with home.lock("next"):
        assert home.holder() == os.getpid()


def test_a_lock_that_is_released_in_time_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = home.lock("first")
    first.__enter__()

    class Pause:
        def wait(self, timeout: float) -> None:
            first.__exit__(None, None, None)

    monkeypatch.setattr(home_module.threading, "Event", Pause)
    with home.lock("second", wait_s=1.0):
        assert home.holder() == os.getpid()


def test_a_lock_on_a_read_only_disk_is_a_storage_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **keywords: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match="read-only"), home.lock("daemon"):
        pass
