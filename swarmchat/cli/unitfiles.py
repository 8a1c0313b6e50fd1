"""`swarmchat daemon install-unit`: files for systemd, made for this very installation. (SCP-08 §1.5)"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from swarmchat import disk
from swarmchat.cli.session import Session, Verb, pass_session
from swarmchat.cli.terminal import plain
from swarmchat.errors import UserError

_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - ProtectHome and PrivateTmp of the unit
_MODE: Final = 0o644  # systemd and people read them; there is no secret in it


@click.command("install-unit", cls=Verb)
@click.option("--system", is_flag=True, help="a service of the machine with a user of its own, in /etc; needs root")
@click.option("--socket", is_flag=True, help="also a socket unit: the first command starts the daemon")
@click.option("--print", "show", is_flag=True, help="print the files instead of writing them")
@click.option("--force", is_flag=True, help="replace files that say something else")
@pass_session
def install_unit(session: Session, system: bool, socket: bool, show: bool, force: bool) -> None:
    """Write systemd units that run this program, and say what to type next. Nothing is started or enabled."""
    if system and socket:
        raise UserError("--socket is for the unit of a user", hint="a service of the machine runs all the time")
    files = system_files() if system else user_files(session, socket=socket)
    after = _next(session, system=system, socket=socket)
    if show:
        for path, text in files.items():
            session.output.write(f"# {path}\n{text}" if len(files) > 1 else text)
        return
    if system and (hidden := _hidden(sys.executable) or _hidden(f"{sys.base_prefix}/")):
        raise UserError(
            f"the service could not run this installation: it sees nothing under {hidden}",
            hint="install swarmchat outside of homes, say with `python3 -m venv /opt/swarmchat`, and run this from there",
        )
    for path, text in files.items():
        _must_be_free(path, text, force=force)
    for path, text in files.items():
        _write(path, text)
    made = {"files": [str(path) for path in files], "next": after}
    session.output.emit(made, lambda: [plain(path) for path in made["files"]])
    for command in after:
        session.output.note(f"next: {command}")


def user_files(session: Session, *, socket: bool) -> dict[Path, str]:
    """The units of one user, by where they go."""
    home = session.home
    own = session.home_option or session.environ.get("SWARMCHAT_HOME")
    environment = f"Environment={_quoted(f'SWARMCHAT_HOME={home.data}')}\n" if own else ""
    given = session.environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given.startswith("/") else Path(session.environ.get("HOME") or Path.home()) / ".config"
    folder = base / "systemd" / "user"
    files = {folder / "swarmchat.service": _filled("user.service", PROGRAM=_program(), ENVIRONMENT=environment)}
    if socket:
        files[folder / "swarmchat.socket"] = _filled("user.socket", SOCKET=_escaped(str(home.socket)))
    return files


def system_files() -> dict[Path, str]:
    """The unit of the machine and its user, by where they go."""
    return {
        Path("/etc/systemd/system/swarmchat.service"): _filled("system.service", PROGRAM=_program()),
        Path("/etc/sysusers.d/swarmchat.conf"): _filled("sysusers.conf"),
    }


def _next(session: Session, *, system: bool, socket: bool) -> list[str]:
    if system:
        return [
            "systemd-sysusers",
            "install -d -o swarmchat -g swarmchat -m 0700 /var/lib/swarmchat",
            "sudo -u swarmchat swarmchat --home /var/lib/swarmchat account create --name NAME",
            "systemctl daemon-reload",
            "systemctl enable --now swarmchat",
        ]
    unit = "swarmchat.socket" if socket else "swarmchat"
    made = ["systemctl --user daemon-reload", f"systemctl --user enable --now {unit}"]
    return [
        *made,
        f"loginctl enable-linger {session.environ.get('USER', '')}".rstrip() + "  (to run while nobody is logged in)",
    ]


def _filled(name: str, **values: str) -> str:
    from importlib import resources  # noqa: PLC0415 - a daemon, which has this module too, does without

    text = (resources.files("swarmchat.cli") / "units" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _program() -> str:
    """The words that run this installation, whatever the path of the service is."""
    beside = Path(sys.executable).with_name("swarmchat")
    return _quoted(str(beside)) if beside.exists() else f"{_quoted(sys.executable)} -m swarmchat"


def _hidden(program: str) -> str | None:
    """Which folder that the unit of the machine cannot see this lies in."""
    return next((folder for folder in _HIDDEN if program.startswith(f"{folder}/")), None)


def _quoted(text: str) -> str:
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != text or not text.isprintable() or " " in text else text


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _must_be_free(path: Path, text: str, *, force: bool) -> None:
    try:
        there = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk.refusal(error, path, "read") from None
    if there != text and not force:
        raise UserError(f"{path} is there and says something else", hint="look with --print, then add --force")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_whole(path, text.encode())
        path.chmod(_MODE)
    except OSError as error:
        raise disk.refusal(error, path, "write") from None
