"""Man pages from the commands themselves: swarmchat(1), one page for each noun, swarmchat-config(5). Written by scripts/reference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import click

from swarmchat import __version__, errors
from swarmchat.cli.main import INTERRUPTED, SECTIONS, program
from swarmchat.cli.session import everywhere
from swarmchat.node.config import SETTINGS, Setting

_FILES = (
    (
        "$XDG_DATA_HOME/swarmchat",
        "account, conversations (bare git repositories), index; with --home DIR all of it lies in DIR",
    ),
    ("$XDG_CONFIG_HOME/swarmchat/config.toml", "settings, see swarmchat-config(5)"),
    ("$XDG_STATE_HOME/swarmchat/daemon.log", "log of a daemon that was started behind"),
    ("$XDG_RUNTIME_DIR/swarmchat/control.sock", "where the daemon answers commands"),
)
_SUMMARIES = {name: entry.summary for section in SECTIONS.values() for name, entry in section.items()}
_ENVIRONMENT = (
    ("SWARMCHAT_HOME", "as --home"),
    ("SWARMCHAT_PASSPHRASE", "the password of the account"),
    ("NO_COLOR", "no colours"),
    ("NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS", "set by systemd for the daemon"),
)


def pages() -> dict[str, str]:
    """Every page by its place under docs/man."""
    groups = {name: command for name, command in _commands() if isinstance(command, click.Group)}
    made = {f"man1/swarmchat-{name}.1": _noun(name, group) for name, group in groups.items()}
    return {"man1/swarmchat.1": _program(groups), **made, "man5/swarmchat-config.5": _config()}


def _commands() -> Iterable[tuple[str, click.Command]]:
    context = click.Context(program)
    for section in SECTIONS.values():
        for name in section:
            command = program.get_command(context, name)
            assert command is not None
            yield name, command


def _program(groups: dict[str, click.Group]) -> str:
    told = _begin("swarmchat", 1, "peer-to-peer swarm chat")
    told += [".SH SYNOPSIS", ".B swarmchat", "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]", ".SH DESCRIPTION"]
    told += _prose(program.help)
    for title, section in SECTIONS.items():
        told += [f".SH {_text(title).upper()}"]
        for name in section:
            command = program.get_command(click.Context(program), name)
            assert command is not None
            if name in groups:
                inner = ", ".join(groups[name].list_commands(click.Context(groups[name])))
                told += [".TP", f"\\fBswarmchat {_text(name)}\\fR \\fICOMMAND\\fR"]
                told += [
                    f"{_text(_first(command.help))} Commands: {_text(inner)}. See",
                    f".BR swarmchat\\-{_text(name)} (1).",
                ]
            else:
                told += _command(command, f"swarmchat {name}")
    told += [".SH OPTIONS", "These may stand before or after any command.", *_options(everywhere())]
    told += [".SH EXIT STATUS", ".TP", ".B 0", "it is done"]
    for family in _families():
        told += [".TP", f".B {family.exit_status}", _text(_first(family.__doc__))]
    told += [".TP", f".B {INTERRUPTED}", "interrupted, or the answer to a question was no"]
    told += [".SH ENVIRONMENT", *_list(_ENVIRONMENT), ".SH FILES", *_list(_FILES)]
    return _end(told, [*(f"swarmchat-{name}(1)" for name in groups), "swarmchat-config(5)"])


def _noun(name: str, group: click.Group) -> str:
    told = _begin(f"swarmchat-{name}", 1, _SUMMARIES[name].partition(":")[0])
    context = click.Context(group)
    told += [".SH SYNOPSIS"]
    inner = []
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        inner.append((verb, command))
        told += [f".B swarmchat {_text(name)} {_text(verb)}", _usage(command, f"swarmchat {name} {verb}"), ".br"]
    told += [".SH DESCRIPTION", *_prose(group.help), ".SH COMMANDS"]
    for verb, command in inner:
        told += _command(command, f"swarmchat {name} {verb}")
    told += [".PP", "The options of", ".BR swarmchat (1)", "may stand behind each of them."]
    return _end(told, ["swarmchat(1)", "swarmchat-config(5)"])


def _config() -> str:
    told = _begin("swarmchat-config", 5, "settings of a swarmchat node")
    told += [".SH DESCRIPTION"]
    told += _prose(
        "The file config.toml is TOML; swarmchat config path prints where it lies. A key a.b stands as b in the table [a]. It is read when a daemon "
        "starts, whose flags win over it. An unknown key or a wrong value is an error that names it; swarmchat config set KEY VALUE checks first "
        "and keeps comments."
    )
    told += [".SH KEYS"]
    for one in SETTINGS.values():
        default = "the account decides" if one.default is None else json.dumps(one.default)
        told += [".TP", f".B {_text(one.key)}", f"{_text(one.summary)}. {_kind(one)} Default: {_text(default)}."]
    return _end([*told, ".SH FILES", *_list(_FILES[1:2])], ["swarmchat(1)", "swarmchat-config(1)"])


def _kind(setting: Setting) -> str:
    if setting.takes_list:
        return "A list of texts."
    match setting.schema:
        case {"enum": choices}:
            return _text(f"One of {', '.join(choices)}.")
        case {"minimum": smallest, "maximum": largest}:
            return f"{smallest} to {largest}."
        case {"type": "boolean"}:
            return "true or false."
        case _:
            return "A text."


def _command(command: click.Command, path: str) -> list[str]:
    told = [".SS " + _text(path), f".B {_text(path)}", _usage(command, path), *_prose(command.help, ".PP")]
    return [*told, *_options(command.params)]


def _usage(command: click.Command, path: str) -> str:
    words = command.collect_usage_pieces(click.Context(command, info_name=path))
    return " ".join(f"\\fI{_text(word)}\\fR" for word in words) or "\\&"


def _options(params: Iterable[click.Parameter]) -> list[str]:
    told = []
    for option in params:
        if isinstance(option, click.Option) and not option.hidden and option.help != "Show this message and exit.":
            spelling = ", ".join(f"\\fB{_text(one)}\\fR" for one in [*option.opts, *option.secondary_opts])
            value = "" if option.is_flag or option.count else f" \\fI{_text(_metavar(option))}\\fR"
            told += [".TP", f"{spelling}{value}", _text(option.help or "see swarmchat-config(5)")]
    return told


def _metavar(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    return "|".join(option.type.choices) if isinstance(option.type, click.Choice) else str(option.type.name).upper()


def _families() -> list[type[errors.SwarmchatError]]:
    found: dict[int, type[errors.SwarmchatError]] = {}
    for family in (errors.SwarmchatError, *errors.UserError.__subclasses__()):
        if family.__module__ == errors.__name__:
            found.setdefault(family.exit_status, family)
    return [found[status] for status in sorted(found)]


def _begin(name: str, section: int, summary: str) -> list[str]:
    head = f'.TH {_text(name).upper()} {section} "" "swarmchat {__version__}" "swarmchat"'
    return [
        '.\\" written by scripts/reference from the code; do not edit',
        head,
        ".SH NAME",
        f"{_text(name)} \\- {_text(summary)}",
    ]


def _end(told: list[str], see: list[str]) -> str:
    told += [".SH SEE ALSO"]
    for at, one in enumerate(see):
        name, _, section = one.partition("(")
        told.append(f".BR {_text(name)} ({section}{',' if at < len(see) - 1 else ''}")
    return "\n".join(told) + "\n"


def _prose(text: str | None, between: str = ".PP") -> list[str]:
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", (text or "").strip())]
    return [line for part in parts for line in (between, _text(part))]


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _list(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [line for name, what in rows for line in (".TP", f".I {_text(name)}", _text(what))]


def _text(text: str) -> str:
    """A line of text as roff: nothing in it is a request or an escape, and a minus can be copied into a shell."""
    made = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + made if made[:1] in {".", "'"} else made
