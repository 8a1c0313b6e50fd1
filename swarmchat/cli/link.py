"""`swarmchat link`: this machine becomes a device of an account that is on another one. (SCP-01 §3.2)"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from swarmchat import limits
from swarmchat.cli.session import Session, Verb, pass_session
from swarmchat.cli.terminal import counted, plain
from swarmchat.errors import UserError

if TYPE_CHECKING:
    from swarmchat.swarm.pairing import Offer

JsonObject = dict[str, Any]

_FAILED: Final = {
    "auth": "somebody typed other words",
    "refused": "the other side gave up",
    "timeout": "the other side took too long",
    "busy": "the other side is busy",
    "bad-message": "the other side does not speak this protocol",
}


@click.command(cls=Verb)
@click.option("--name", help="what this device is to be called; default: the name of this machine")
@click.option("--listen", multiple=True, metavar="HOST:PORT", help="wait here; may be repeated")
@click.option("--lan/--no-lan", default=None, help="be found on the local network")
@click.option("--dht/--no-dht", default=None, help="be found over the DHT, if a node of it is named")
@click.option("--bootstrap", multiple=True, metavar="HOST:PORT[#ID]", help="a node of the DHT; may be repeated")
@click.option("--seal", is_flag=True, help="ask for a password and seal the keys with it")
@click.option("--no-qr", is_flag=True, help="draw no QR code")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def link(session: Session, name: str | None, seal: bool, no_qr: bool, yes: bool, **flags: Any) -> None:
    """Make this machine a device of an account that is on another one.

    Shows a code for `swarmchat device add` there, and waits five minutes. A password from a file, descriptor or SWARMCHAT_PASSPHRASE
    seals the keys. With --json one object for each thing that happens.
    """
    if not yes and not session.may_ask:
        raise UserError("this asks for confirmation and there is nobody to ask", hint="add --yes")
    password = session.passwords.need("Password for the keys", confirm=True) if seal else session.passwords.given()
    told = _Told(session, qr=not no_qr)

    async def ask(offer: Offer) -> bool:
        return yes or await _asked(session, f"Become a device of {plain(offer.name) or offer.account}?")

    from swarmchat.cli.daemon import settings_given  # noqa: PLC0415 - `device list` comes by here too

    done = _run(session, settings_given(flags), name or platform.node(), password, ask, told)
    session.output.emit({"event": "linked", **done}, lambda: _card(done))
    session.output.note("its conversations come from its other devices and their members: swarmchat daemon start")


def _run(
    session: Session,
    settings: dict[str, object],
    name: str,
    password: str | None,
    ask: Any,
    tell: Callable[[JsonObject], None],
) -> JsonObject:
    os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.sep)  # as `daemon run` does: 2 MB that nobody needs
    import asyncio  # noqa: PLC0415 - with half a node, that only this command needs

    from swarmchat.links.tcp import TcpCarrier  # noqa: PLC0415
    from swarmchat.node import config  # noqa: PLC0415
    from swarmchat.node.newcomer import Newcomer, Wishes  # noqa: PLC0415
    from swarmchat.runtime import SystemRuntime  # noqa: PLC0415

    home = session.home
    home.prepare()
    with home.lock("link"):
        chosen = config.load(home.config_file, settings)
        wishes = Wishes(name[: limits.DISPLAY_NAME_CHARS_MAX], password, ask, tell)

        async def newcomer() -> JsonObject:
            return await Newcomer(home, chosen, SystemRuntime(), TcpCarrier(), wishes).run()

        return asyncio.run(newcomer())


class _Told:
    """What happens, as it happens: on the screen, or as JSON."""

    def __init__(self, session: Session, *, qr: bool) -> None:
        self._output = session.output
        self._qr = qr

    def __call__(self, event: JsonObject) -> None:
        match event["event"]:
            case "waiting":
                self._output.emit(event, lambda: self._code(event))
                told = "good for five minutes and three tries"
                self._output.note(f"{told}; waiting at {', '.join(event['listen'])}")
            case "offer":
                self._output.emit(event, lambda: self._offer(event))
            case "proved":
                self._progress(event, f"a device at {event['address']} knows the words")
            case "agreed":
                self._progress(event, "now the other side is asked")
            case "failed":
                left = event.get("left")
                tries = "" if left is None else f"; {left} {'try is' if left == 1 else 'tries are'} left"
                self._progress(event, f"{_FAILED[event['reason']]}{tries}")
            case _:
                self._progress(event, "the other side is gone; the code is still good")

    def _progress(self, event: JsonObject, sentence: str) -> None:
        if self._output.json:
            self._output.emit(event, list)
        else:
            self._output.note(sentence)

    def _code(self, event: JsonObject) -> list[str]:
        lines = ["On a device that has the account:", "", f"  swarmchat device add '{event['code']}'", ""]
        if self._qr:
            from swarmchat.cli.qr import drawn  # noqa: PLC0415 - 10 ms for who looks at it

            lines += [*drawn(event["code"], coloured=self._output.paint.on), ""]
        return lines

    def _offer(self, event: JsonObject) -> list[str]:
        return [
            f"account  {plain(event['account'])}",
            f"name     {plain(event['name']) or '–'}",
            f"from     {plain(event['device_name']) or '–'}",
        ]


async def _asked(session: Session, question: str) -> bool:
    """Yes or no from the terminal, without holding up the link that waits for it."""
    import asyncio  # noqa: PLC0415 - it runs by now

    loop = asyncio.get_running_loop()
    while True:
        session.err.write(f"{question} [y/N]: ")
        session.err.flush()
        typed = asyncio.Event()
        descriptor = sys.stdin.fileno()
        loop.add_reader(descriptor, typed.set)
        try:
            await typed.wait()
        finally:
            loop.remove_reader(descriptor)
        answer = sys.stdin.readline().strip().lower()
        if answer in {"y", "yes"}:
            return True
        if answer in {"", "n", "no"}:
            return False


def _card(done: JsonObject) -> list[str]:
    return [
        f"account  {plain(done['id'])}",
        f"name     {plain(done['name']) or '–'}",
        f"device   {plain(done['device'])}  {plain(done['device_name'])}",
        f"{counted(done['conversations'], 'conversation')}, {counted(done['contacts'], 'contact')}",
    ]
