"""`swarmchat daemon …`: the running node, in the foreground or behind. (SCP-08 §1.1)"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from swarmchat import disk
from swarmchat.account.home import Home
from swarmchat.api.client import Client
from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import clock, plain, short, table
from swarmchat.cli.unitfiles import install_unit
from swarmchat.errors import NotFoundError, SwarmchatError, UnreachableError, UserError
from swarmchat.supervisor import Supervisor

_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.05
_FOLLOW_S: Final = 0.3
_LOG_BYTES_MAX: Final = 10 * 1024 * 1024  # then the next start begins a new file and keeps this one beside it

_settings = (
    click.option("--listen", multiple=True, metavar="HOST:PORT", help="listen here; may be repeated"),
    click.option("--lan/--no-lan", default=None, help="find others on the local network"),
    click.option("--dht/--no-dht", default=None, help="find others over the DHT"),
    click.option(
        "--bootstrap", multiple=True, metavar="HOST:PORT[#ID]", help="a node of the DHT to begin with; may be repeated"
    ),
    click.option(
        "--addresses",
        type=click.Choice(["contacts", "members", "all", "none"]),
        help="who is told where this node listens",
    ),
    click.option("--http", metavar="HOST:PORT", help="answer the API and the web page here"),
    click.option("--name", help="display name written into commits"),
    click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"])),
    click.option("--log-format", type=click.Choice(["text", "json"])),
)


def _with_settings(command: Any) -> Any:
    for option in reversed(_settings):
        command = option(command)
    return command


@click.group(cls=Noun)
def daemon() -> None:
    """The running node."""


daemon.add_command(install_unit)


@daemon.command()
@_with_settings
@click.pass_context
@pass_session
def run(session: Session, context: click.Context, **flags: Any) -> None:
    """Run in the foreground until SIGTERM or SIGINT; logs to standard error."""
    # pygit2 reads all certificates of the system when it is imported, 2 MB, for fetches that nobody makes here.
    os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.sep)
    from swarmchat import daemon as process  # noqa: PLC0415 - the whole node; only this command needs it

    def password() -> str | None:
        return session.passwords.given() or session.passwords.ask("Password of the account")

    supervisor = Supervisor.of(session.environ, os.getpid())
    context.exit(process.run(session.home, settings_given(flags), password=password, supervisor=supervisor))


@daemon.command()
@_with_settings
@pass_session
def start(session: Session, **flags: Any) -> None:
    """Start it behind and return when it answers; fine when it runs already."""
    status = _status(session.home)
    if status is not None:
        session.output.note(f"already running as process {status['pid']}")
    else:
        with session.output.busy("starting"):
            status = _spawn(session, settings_given(flags))
    session.output.emit(status, lambda: _card(status))


@daemon.command()
@pass_session
def stop(session: Session) -> None:
    """End it and return when it is gone; fine when none runs."""
    try:
        with Client.connect(session.home.socket) as client:
            answer = client.call("daemon.stop", timeout_s=_STOP_TIMEOUT_S)
    except UnreachableError:
        holder = session.home.holder()
        if holder is not None:
            raise UserError(
                f"process {holder} holds {session.home.data} but does not answer",
                hint=f"kill {holder}",
                data={"pid": holder},
            ) from None
        session.output.note("no daemon is running")
        session.output.emit({"pid": None, "stopping": False}, list)
        return
    if not _wait(lambda: session.home.holder() != answer["pid"], _STOP_TIMEOUT_S):
        raise UserError(f"process {answer['pid']} is still ending", hint=f"kill {answer['pid']}")
    session.output.emit(answer, lambda: f"stopped process {answer['pid']}")


@daemon.command()
@pass_session
def status(session: Session) -> None:
    """Say whether it runs, and how."""
    found = session.door.call("daemon.status")
    session.output.emit(found, lambda: _card(found))


@daemon.command()
@click.option("-n", "--lines", "count", type=click.IntRange(min=0), default=50, show_default=True, metavar="N")
@click.option("--follow", "-f", is_flag=True, help="go on until interrupted")
@pass_session
def logs(session: Session, count: int, follow: bool) -> None:
    """Show the log of the daemon that `daemon start` started."""
    path = session.home.log_file
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES_MAX))
            for line in file.read().decode("utf-8", "replace").splitlines()[-count:] if count else []:
                session.output.write(plain(line))
            while follow:
                line = file.readline().decode("utf-8", "replace")
                if line:
                    session.output.write(plain(line.rstrip("\n")))
                else:
                    time.sleep(_FOLLOW_S)
    except FileNotFoundError:
        raise NotFoundError(f"there is no log at {path}", hint="swarmchat daemon start makes one") from None


def settings_given(flags: dict[str, Any]) -> dict[str, object]:
    """The settings that stood on the command line, by their names in config.toml."""
    names = {"lan": "lan.enabled", "dht": "dht.enabled", "bootstrap": "dht.bootstrap", "addresses": "dht.addresses"}
    names |= {"log_level": "log.level", "log_format": "log.format", "http": "api.http"}
    given = {names.get(name, name): value for name, value in flags.items() if value is not None and value != ()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def _arguments(settings: dict[str, object]) -> list[str]:
    """The same settings as words for `daemon run`."""
    words: list[str] = []
    for name, value in settings.items():
        match name, value:
            case "listen", list():
                words += [word for address in value for word in ("--listen", str(address))]
            case "dht.bootstrap", list():
                words += [word for node in value for word in ("--bootstrap", str(node))]
            case "lan.enabled", bool():
                words.append("--lan" if value else "--no-lan")
            case "dht.enabled", bool():
                words.append("--dht" if value else "--no-dht")
            case "api.http", str():
                words += ["--http", value]
            case "dht.addresses", str():
                words += ["--addresses", value]
            case _:
                words += [f"--{name.replace('.', '-')}", str(value)]
    return words


def _status(home: Home) -> dict[str, Any] | None:
    try:
        with Client.connect(home.socket) as client:
            found: dict[str, Any] = client.call("daemon.status", timeout_s=5.0)
    except SwarmchatError:
        return None
    return found


def _spawn(session: Session, settings: dict[str, object]) -> dict[str, Any]:
    home = session.home
    home.prepare()
    password = _password(session)
    begin = _rotate(home.log_file)
    # "--json" makes its last words, should it fail, an error that we can tell as our own
    command = [sys.executable, "-m", "swarmchat", "--json", "--no-input"]
    # it runs in /, so a home that was given relative to this directory must be said whole
    command += ["--home", str(home.data)] if session.home_option or session.environ.get("SWARMCHAT_HOME") else []
    command += ["daemon", "run", *_arguments(settings)]
    with contextlib.ExitStack() as stack:
        pipe: tuple[int, ...] = ()
        if password is not None:
            reader, writer = os.pipe()
            stack.callback(os.close, reader)
            os.write(writer, password.encode() + b"\n")
            os.close(writer)
            command += ["--password-fd", str(reader)]
            pipe = (reader,)
        log = stack.enter_context(
            os.fdopen(os.open(home.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        )
        child = subprocess.Popen(  # noqa: S603 - this very program
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=pipe,
            start_new_session=True,
            cwd=_neutral_folder(),
            env=dict(session.environ),
        )
    found: dict[str, Any] = {}

    def ready() -> bool:
        found.update(_status(home) or {})
        return bool(found) or child.poll() is not None

    try:
        answered = _wait(ready, _START_TIMEOUT_S)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        raise
    if found:
        child.returncode = 0  # it lives on without us: nobody waits for it
        return found
    if not answered:
        child.send_signal(signal.SIGTERM)
        raise UserError(f"the daemon did not answer within {_START_TIMEOUT_S:g} s", hint="swarmchat daemon logs")
    raise _last_words(home.log_file, begin, child.returncode)


def _neutral_folder() -> str:
    """Where the daemon stands: in / so that it keeps no disk busy, unless the program is only found from its own folder."""
    program = str(Path(__file__).parents[2])
    return "/" if program in sys.path[1:] else program


def _password(session: Session) -> str | None:
    """The password, asked for now if the keys are sealed: the daemon has no terminal."""
    from swarmchat.account.store import AccountStore  # noqa: PLC0415 - only a start needs it

    given = session.passwords.given()
    if given is None and AccountStore(session.home, os.urandom).identity().sealed:
        return session.passwords.ask("Password of the account")
    return given


def _rotate(path: Path) -> int:
    """Begin a new log when the old one is large; where its end is now."""
    try:
        size = path.stat().st_size
        if size > _LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
            return 0
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise disk.refusal(error, path, "write") from None
    return size


def _last_words(path: Path, begin: int, status: int) -> SwarmchatError:
    """What a daemon that did not start said last, as the error it was."""
    from swarmchat.api.jsonrpc import error_of  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            file.seek(begin)
            written = file.read(_LOG_BYTES_MAX).decode("utf-8", "replace").split("\n")
    except OSError:
        written = []
    for line in reversed(written):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = json.loads(line)["error"]
            data = {**said["data"], "code": said["code"], "hint": said["hint"]}
            return error_of({"error": {"message": said["message"], "data": data}})
    last = next((line.strip()[:200] for line in reversed(written) if line.strip()), "and said nothing")
    return UserError(f"the daemon ended at once with status {status}: {last}", hint="swarmchat daemon logs")


def _wait(is_so: Any, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _card(found: dict[str, Any]) -> list[str]:
    rows = [
        ("running", f"process {found['pid']}, version {found['version']}, since {clock(found['started'])}"),
        ("account", f"{found['account']}  {found['name']}"),
        ("device", short(found["device"])),
        ("home", found["home"]),
        ("listens", "  ".join(found["listen"]) or "–"),
        ("links", found["links"]),
        ("conversations", found["conversations"]),
        ("dht", found["dht"]["found"]),
    ]
    if found["revoked"]:
        rows.insert(1, ("revoked", "this device, by its account: what is here can be read, and nothing written"))
    if found["dht"]["hint"]:
        rows.append(("", f"hint: {found['dht']['hint']}"))
    return table([(name, plain(value)) for name, value in rows])
