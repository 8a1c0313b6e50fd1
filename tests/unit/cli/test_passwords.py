from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.cli.passwords import Passwords
from swarmchat.errors import PasswordNeededError, UsageError


def file_with(folder: Path, data: bytes) -> Path:
    path = folder / "password"
    path.write_bytes(data)
    return path


def given(data: bytes) -> str | None:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    try:
        return Passwords({}, descriptor=reader, may_ask=False).given()
    finally:
        os.close(reader)


def test_the_first_line_of_a_file_counts(tmp_path: Path) -> None:
    path = file_with(tmp_path, "schlüssel \r\nmore".encode())
    assert Passwords({}, file=path, may_ask=False).given() == "schlüssel "


def test_a_descriptor_wins_over_a_file_and_a_file_over_the_environment(tmp_path: Path) -> None:
    environ = {"SWARMCHAT_PASSPHRASE": "three"}
    path = file_with(tmp_path, b"two")
    assert given(b"one\n") == "one"
    assert Passwords(environ, file=path, may_ask=False).given() == "two"
    assert Passwords(environ, may_ask=False).given() == "three"
    assert Passwords({}, may_ask=False).given() is None


def test_a_descriptor_is_read_once(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"one")
    os.close(writer)
    passwords = Passwords({}, descriptor=reader, may_ask=False)
    assert [passwords.given(), passwords.given()] == ["one", "one"]
    os.close(reader)


def test_the_length_is_bounded_at_its_edge() -> None:
    longest = "ü" * limits.PASSWORD_CHARS_MAX
    assert given(longest.encode() + b"\n") == longest
    with pytest.raises(UsageError, match="at most"):
        given((longest + "u").encode())


@pytest.mark.parametrize("path", ["/nonexistent/file", "/"])
def test_what_cannot_be_read_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        Passwords({}, file=Path(path), may_ask=False).given()


def test_a_descriptor_that_is_not_open_or_not_utf_8_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="descriptor 999"):
        Passwords({}, descriptor=999, may_ask=False).given()
    with pytest.raises(UsageError, match="UTF-8"):
        given(b"\xff")


def test_nobody_is_asked_when_nobody_is_there() -> None:
    with pytest.raises(PasswordNeededError) as caught:
        Passwords({}, may_ask=False).need("Password")
    assert "the password is needed" in caught.value.message
    assert "--password-file" in str(caught.value.hint)


def test_where_nobody_is_there_the_option_that_is_missing_is_named() -> None:
    with pytest.raises(PasswordNeededError) as caught:
        Passwords({}, may_ask=False).ask("New password", instead="--new-password-file")
    assert caught.value.hint == "give it with --new-password-file"


def test_an_empty_password_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.prompt", lambda *_args, **_kwargs: "")
    with pytest.raises(PasswordNeededError, match="empty"):
        Passwords({}, file=file_with(tmp_path, b"\n"), may_ask=True).need("Password")
