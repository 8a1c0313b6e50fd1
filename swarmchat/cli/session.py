"""What every command is given: the options that stand anywhere, the door, the output. (SCP-08 §2.1)"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import click
from click.shell_completion import CompletionItem

from swarmchat.cli.output import Output
from swarmchat.cli.passwords import Passwords
from swarmchat.cli.terminal import Names, plain, short
from swarmchat.errors import SwarmchatError, UsageError, UserError

if TYPE_CHECKING:  # loaded when a command asks for them: the help must not wait
    from swarmchat.account.home import Home
    from swarmchat.cli.door import Door

_COMPLETION_TIMEOUT_S: Final = 1.0  # a person waits for it between two keys

DoorMaker = Callable[["Home", Passwords], contextlib.AbstractContextManager["Door"]]


@dataclass
class Session:
    """One run of the program."""

    environ: Mapping[str, str]
    out: TextIO
    err: TextIO
    make_door: DoorMaker | None = None  # None: the door of the home
    home_option: Path | None = None
    json: bool = False
    no_input: bool = False
    color: str = "auto"
    verbose: int = 0
    password_file: Path | None = None
    password_fd: int | None = None
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @cached_property
    def home(self) -> Home:
        """Where the node lives."""
        from swarmchat.account.home import Home  # noqa: PLC0415

        return Home.locate(self.home_option, self.environ)

    @cached_property
    def output(self) -> Output:
        """Where words go."""
        return Output(json=self.json, color=self.color, environ=self.environ, out=self.out, err=self.err)

    @cached_property
    def passwords(self) -> Passwords:
        """Where passwords come from."""
        return Passwords(self.environ, file=self.password_file, descriptor=self.password_fd, may_ask=self.may_ask)

    @property
    def may_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return not self.no_input and sys.stdin.isatty() and self.err.isatty()

    @cached_property
    def door(self) -> Door:
        """The node."""
        if self.make_door is not None:
            return self.stack.enter_context(self.make_door(self.home, self.passwords))
        from swarmchat.cli.door import HomeDoor  # noqa: PLC0415

        return self.stack.enter_context(HomeDoor(self.home, self.passwords))

    def names(self, conversation: str) -> Names:
        """What the people of a conversation are called."""
        return Names(self.door.call("member.list", conversation=conversation), self.door.call("contact.list"))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only when the person agrees; `yes` is agreement given on the command line."""
        if yes:
            return
        if not self.may_ask:
            raise UserError("this asks for confirmation and there is nobody to ask", hint="add --yes")
        if not click.confirm(question, err=True):
            raise click.Abort


def text_from(argument: str | None) -> str:
    """The text of a message: the argument, or standard input for `-` or nothing; one line end at the end is dropped."""
    if argument is not None and argument != "-":
        return argument
    if argument is None and sys.stdin.isatty():
        raise UsageError("the text is missing", hint="give it as argument, or - to read it from standard input")
    try:
        text = sys.stdin.buffer.read().decode() if hasattr(sys.stdin, "buffer") else sys.stdin.read()
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def session_of(context: click.Context) -> Session:
    """The run that a click context belongs to."""
    session = context.find_root().obj
    assert isinstance(session, Session)
    return session


class ConversationName(click.ParamType[str, str]):
    """A conversation as people name it; completes to what a running daemon has."""

    name = "conversation"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Ids with their titles, and titles without blanks."""
        from swarmchat.api.client import Client  # noqa: PLC0415

        try:
            with Client.connect(session_of(ctx).home.socket) as client:
                rows = client.call("conversation.list", timeout_s=_COMPLETION_TIMEOUT_S)
        except SwarmchatError:
            return []
        found = [CompletionItem(short(row["id"]), help=plain(row["title"])) for row in rows]
        found += [CompletionItem(row["title"]) for row in rows if re.fullmatch(r"[\w.-]+", row["title"])]
        return [item for item in found if item.value.startswith(incomplete)]


CONV: Final = ConversationName()


def pass_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the session to a command as its first argument."""
    return click.make_pass_decorator(Session)(function)


def everywhere() -> list[click.Parameter]:
    """The options that may stand before or after any command."""
    return [
        _option(["--home"], "home_option", "keep everything under DIR", type=click.Path(path_type=Path), metavar="DIR"),
        _option(["--json"], "json", "print JSON; streams one object a line", is_flag=True),
        _option(["--no-input"], "no_input", "never ask anything", is_flag=True),
        _option(
            ["--color"], "color", "colour the output", type=click.Choice(["auto", "always", "never"]), metavar="WHEN"
        ),
        _option(
            ["--password-file"],
            "password_file",
            "read the password from FILE",
            type=click.Path(path_type=Path),
            metavar="FILE",
        ),
        _option(["--password-fd"], "password_fd", "read the password from file descriptor N", type=int, metavar="N"),
        _option(["-v", "--verbose"], "verbose", "show where a bug was met", count=True),
    ]


def _option(spellings: Sequence[str], name: str, help_text: str, **kind: Any) -> click.Option:
    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value or (name == "password_fd" and value is not None):  # 0 is a file descriptor
            setattr(session_of(context), name, value)

    return click.Option([*spellings, name], expose_value=False, callback=keep, is_eager=True, help=help_text, **kind)


_FOOTER = "Everywhere: --json, --home DIR, --no-input, --color WHEN, --password-file FILE, --password-fd N, -v."


class Verb(click.Command):
    """A command that takes the options of everywhere too, without listing them in its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _hidden(self.params)
        self.epilog = self.epilog or _FOOTER


class Noun(click.Group):
    """A group of commands about one thing."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _hidden(self.params)


def _hidden(own: list[click.Parameter]) -> list[click.Parameter]:
    """The options of everywhere, unlisted; what a command spells the same is its own (`conversation set --color`)."""
    taken = {spelling for parameter in own for spelling in parameter.opts}
    options = [option for option in everywhere() if not taken.intersection(option.opts)]
    for option in options:
        assert isinstance(option, click.Option)
        option.hidden = True
    return options
