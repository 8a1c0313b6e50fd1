"""Where passwords come from: a file, a file descriptor, SWARMCHAT_PASSPHRASE, a prompt; never the command line. (SCP-01 §4.3)"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from swarmchat import limits
from swarmchat.errors import PasswordNeededError, UsageError

_VARIABLE = "SWARMCHAT_PASSPHRASE"
_INSTEAD = f"--password-file, --password-fd or in {_VARIABLE}"
_BYTES_MAX = 4 * limits.PASSWORD_CHARS_MAX + 2


class Passwords:
    """The sources that one run was given."""

    def __init__(
        self, environ: Mapping[str, str], *, file: Path | None = None, descriptor: int | None = None, may_ask: bool
    ) -> None:
        self._environ = environ
        self._file = file
        self._descriptor = descriptor
        self._may_ask = may_ask
        self._read: str | None = None

    def given(self) -> str | None:
        """What was given without asking, or None."""
        if self._read is None:
            if self._descriptor is not None:
                self._read = _from_descriptor(self._descriptor)
            elif self._file is not None:
                self._read = from_file(self._file)
            else:
                self._read = self._environ.get(_VARIABLE) or None
        return self._read

    @property
    def may_ask(self) -> bool:
        """Whether there is somebody at a terminal to ask."""
        return self._may_ask

    def ask(self, prompt: str, *, confirm: bool = False, instead: str = _INSTEAD) -> str:
        """Ask at the terminal; twice with `confirm`. PasswordNeededError when nobody is there; `instead`: what to give then."""
        if not self._may_ask:
            raise PasswordNeededError(
                f"the {prompt[0].lower()}{prompt[1:]} is needed and there is nobody to ask",
                hint=f"give it with {instead}",
            )
        answer: str = click.prompt(
            prompt, hide_input=True, confirmation_prompt=confirm, default="", show_default=False, err=True
        )
        return _checked(answer)

    def need(self, prompt: str, *, confirm: bool = False) -> str:
        """What was given, else what is answered; PasswordNeededError when it is empty."""
        password = self.given() or self.ask(prompt, confirm=confirm)
        if not password:
            raise PasswordNeededError("the password must not be empty")
        return password


def from_file(path: Path) -> str:
    """The first line of a file; UsageError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return _first_line(file.read(_BYTES_MAX))
    except OSError as error:
        raise UsageError(f"cannot read the password from {path}: {error.strerror}") from None


def _from_descriptor(descriptor: int) -> str:
    data = b""
    try:
        while len(data) < _BYTES_MAX and b"\n" not in data and (more := os.read(descriptor, _BYTES_MAX)):
            data += more
    except OSError as error:
        raise UsageError(f"cannot read the password from file descriptor {descriptor}: {error.strerror}") from None
    return _first_line(data)


def _first_line(data: bytes) -> str:
    try:
        return _checked(data.partition(b"\n")[0].rstrip(b"\r").decode())
    except UnicodeDecodeError:
        raise UsageError("the password is not UTF-8") from None


def _checked(password: str) -> str:
    if len(password) > limits.PASSWORD_CHARS_MAX:
        raise UsageError(f"a password has at most {limits.PASSWORD_CHARS_MAX} characters")
    return password
