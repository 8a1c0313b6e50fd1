"""The program `swarmchat`: which commands there are, and how every run ends. (SCP-08 §2)

A command's module is imported only when it is run or its own help is asked for: `swarmchat --help` imports none.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import click

from swarmchat import __version__
from swarmchat.cli.output import abandon, standard_streams
from swarmchat.cli.session import DoorMaker, Session, everywhere, session_of
from swarmchat.errors import SwarmchatError, UsageError

INTERRUPTED: Final = 130


class Entry(NamedTuple):
    """A command without its module: `swarmchat.cli.<place>` is `module:attribute`."""

    place: str
    summary: str


SECTIONS: Final[Mapping[str, Mapping[str, Entry]]] = {
    "Daily": {
        "create": Entry("conversations:create", "start a conversation"),
        "invite": Entry("members:invite", "invite accounts to a conversation"),
        "accept": Entry("requests:accept", "accept an invitation or a contact request"),
        "send": Entry("messages:send", "write a message"),
        "log": Entry("log:log", "the messages of a conversation"),
        "tail": Entry("log:tail", "follow conversations live"),
        "search": Entry("search:search", "look for what was said"),
        "tui": Entry("tui.command:tui", "chat on the whole screen"),
        "edit": Entry("messages:edit", "change the text of an own message"),
        "delete": Entry("messages:delete", "empty an own message"),
        "react": Entry("messages:react", "react to a message"),
        "join": Entry("conversations:join", "join by link or id"),
        "leave": Entry("conversations:leave", "leave a conversation"),
        "link": Entry("link:link", "make this machine a device of an account that is on another one"),
    },
    "The group's decisions": {
        "votes": Entry("members:votes", "the open ballots"),
        "ban": Entry("members:ban", "vote to ban somebody"),
        "unban": Entry("members:unban", "vote to unban somebody"),
        "promote": Entry("members:promote", "make somebody an admin"),
        "demote": Entry("members:demote", "step down as admin"),
        "kick": Entry("members:kick", "remove somebody without a ballot, where that is allowed"),
    },
    "Things": {
        "account": Entry("accounts:account", "this account: create, show, export, import, set-password"),
        "conversation": Entry(
            "conversations:conversation", "conversations: create, list, show, set, join, leave, import, purge"
        ),
        "member": Entry("members:member", "members: list, invite, ban, unban, kick, promote, demote, votes"),
        "message": Entry("messages:message", "messages: send, edit, delete, react, show, history"),
        "request": Entry("requests:request", "requests that wait for me: list, accept, decline, block"),
        "contact": Entry("contacts:contact", "contacts: add, list, show, remove, block, unblock"),
        "device": Entry("devices:device", "my devices: list, add, link, rename, revoke"),
        "status": Entry("status:status", "the gateway to Status: identity, bridge, export, import, show, requests"),
        "gateway": Entry("gateways:gateway", "people without an account: mvds"),
        "peer": Entry("sync:peer", "where others listen: list, add, remove"),
    },
    "Proof": {
        "verify": Entry("audit:verify", "judge a whole history again"),
        "doctor": Entry("audit:doctor", "look at everything that can be wrong on this machine"),
        "debug": Entry("debug:debug", "a report for others to look at: bundle"),
        "explain": Entry("audit:explain", "why a commit is valid or not, and what it does"),
        "graph": Entry("audit:graph", "draw the commits: text, dot, svg"),
        "demo": Entry("demo:demo", "a tour on this machine alone"),
    },
    "The node": {
        "daemon": Entry("daemon:daemon", "the daemon: run, start, stop, status, logs, install-unit"),
        "config": Entry("config:config", "the settings of this home: show, get, set, unset, path, schema"),
        "dht": Entry("dht:dht", "the network in which nodes find each other: status, serve"),
        "sync": Entry("sync:sync", "who has what: status"),
        "peers": Entry("sync:peers", "the devices this node links with"),
        "presence": Entry("presence:presence", "who is there, as of when"),
        "web": Entry("web:web", "the web page in a browser"),
        "token": Entry("web:token", "tokens for programs that use HTTP: add, list, remove"),
        "events": Entry("events:events", "what happened, and what happens"),
        "rpc": Entry("rpc:rpc", "JSON-RPC on standard input and output"),
        "export": Entry("exports:export", "write a conversation into a file: text, json, html, mbox"),
        "bundle": Entry("bundles:bundle", "what somebody lacks as one file, to be carried by hand: export, import"),
        "index": Entry("search:index", "the search index: rebuild"),
        "completion": Entry("completion:completion", "a completion script for bash, zsh or fish"),
    },
}
_ENTRIES: Final = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Program(click.Group):
    """The root: loads a command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help."""
        return list(_ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        entry = _ENTRIES.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command: click.Command = getattr(importlib.import_module(f"swarmchat.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections with their one-line summaries, from the table alone."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.summary) for name, entry in section.items()])


def _version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        session = session_of(context)
        session.output.emit({"version": __version__}, lambda: f"swarmchat {__version__}")
        context.exit()


@click.pass_context
def _root(_context: click.Context) -> None:
    """Peer-to-peer swarm chat: every conversation is a git repository that each member holds whole.

    Conversations, accounts and messages are named by id, by a unique prefix of at least 4 digits, or by name.
    """


program: Final = Program(
    name="swarmchat",
    callback=_root,
    help=_root.__doc__,
    params=[
        *everywhere(),
        click.Option(
            ["--version"], is_flag=True, is_eager=False, expose_value=False, callback=_version, help="show the version"
        ),
    ],
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: swarmchat account create, swarmchat daemon start, swarmchat create Boats.",
)


def main() -> int:
    """The entry point: the exit status of this run."""
    if sys.stdin is None:  # closed by who called: without this the next file opened would be read as standard input
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    out, err = standard_streams()
    return run(sys.argv[1:], environ=os.environ, out=out, err=err)


def run(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    out: TextIO,
    err: TextIO,
    make_door: DoorMaker | None = None,
) -> int:
    """One run from its words to its exit status (SCP-08 §2.3); nothing is raised."""
    session = Session(environ=environ, out=out, err=err, make_door=make_door)
    session.json = _wants_json(arguments)  # an error in the words themselves is told in JSON too
    try:
        with session.stack:
            status = program.main(args=list(arguments), prog_name="swarmchat", standalone_mode=False, obj=session)
        return status if isinstance(status, int) else 0
    except SwarmchatError as error:
        session.output.error(error)
        return error.exit_status
    except click.exceptions.NoArgsIsHelpError as error:
        err.write(f"{error.format_message()}\n")
        return UsageError.exit_status
    except click.ClickException as error:
        session.output.error(_usage(error))
        return UsageError.exit_status
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as end:
        if not end.code:
            raise  # a completion is done
        abandon(out)  # what click makes of a pipe whose reader has gone
        return 0
    except Exception as trouble:  # noqa: BLE001 - the outermost frame: a bug ends in a sentence, and in a traceback with -v
        named = _named(trouble) or _bug(trouble, session)
        session.output.error(named)
        return named.exit_status


def _named(trouble: BaseException) -> SwarmchatError | None:
    """The error with a name that ended a group of tasks, if there is one."""
    if isinstance(trouble, BaseExceptionGroup):
        return next((error for inner in trouble.exceptions if (error := _named(inner))), None)
    return trouble if isinstance(trouble, SwarmchatError) else None


def _bug(trouble: Exception, session: Session) -> SwarmchatError:
    if session.verbose:
        import traceback  # noqa: PLC0415

        traceback.print_exception(trouble, file=session.err)
    sentence = f"a bug in swarmchat: {type(trouble).__name__}: {trouble}"
    return SwarmchatError(sentence, hint=None if session.verbose else "run it again with -v for the details")


def _usage(error: click.ClickException) -> UsageError:
    hint = None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"{error.ctx.command_path} --help"
    return UsageError(error.format_message(), hint=hint)


def _wants_json(arguments: Sequence[str]) -> bool:
    words: Any = list(arguments)
    return "--json" in (words[: words.index("--")] if "--" in words else words)
