"""A thin data-sync peer on a terminal: its key file, its lines, what it tells. (SCP-09 §4.7)"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from swarmchat import disk
from swarmchat.addresses import Address
from swarmchat.cli import thinlines
from swarmchat.cli.output import Output
from swarmchat.cli.session import Session
from swarmchat.crypto.scalars import SECRET_BYTES
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.errors import UsageError, UserError
from swarmchat.gateways.datasync.payload import GroupId, group_of
from swarmchat.gateways.datasync.schedule import CHANNEL, Schedule, trial
from swarmchat.gateways.datasync.thin import ThinPeer
from swarmchat.gateways.datasync.thinstore import ThinStore
from swarmchat.gateways.datasync.wishes import Wishes
from swarmchat.ids import conversation_id
from swarmchat.limits import BODY_BYTES_MAX
from swarmchat.runtime import SystemRuntime

_SECRET_FILE_BYTES_MAX = 80
_KEY_FILE_HINT = "it is 64 hex digits on one line; a file that is not there is made, with a key of its own"
_GROUP_HEX = 64
_LINE_BYTES_MAX = 2 * BODY_BYTES_MAX  # without an end: it is refused as a text too long
_READ_BYTES = 64 * 1024


def run(session: Session, node: Address, key_file: Path, folder: Path | None, options: Mapping[str, Any]) -> None:
    """Be one until it leaves, is done, or is ended by SIGINT or SIGTERM. UsageError, UserError, StorageError."""
    secret = _secret(key_file, SystemRuntime().entropy)
    place = folder or key_file.with_name(f"{key_file.name}.state")
    if not place.exists():
        disk.make_directory(place)
    _tell_of_others(session.output, place, f"{secret.public.uri}.sqlite")
    with _held(place / f"{secret.public.uri}.lock"):
        _stay(session, secret, place / f"{secret.public.uri}.sqlite", node, options)


def _tell_of_others(output: Output, place: Path, mine: str) -> None:
    """Say it where a folder holds what another key said and heard, and nothing of this one."""
    kept = {one.name for one in place.glob("*.sqlite")}
    if kept and mine not in kept:
        output.note(f"what lies in {place} is of another key; this one begins anew, and fetches what it may have")


def _stay(session: Session, secret: Secret, file: Path, node: Address, options: Mapping[str, Any]) -> None:
    store = ThinStore(file)
    try:
        _choose(store, options["group"])
        wishes = Wishes(node, _schedule(options["tick_ms"]), options["loss"], options["seed"], once=options["once"])
        peer = ThinPeer(secret, store, SystemRuntime(), wishes, _Told(session.output))
        asyncio.run(_run(peer))
    finally:
        store.close()


async def _run(peer: ThinPeer) -> None:
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    asked = False

    def end() -> None:
        nonlocal asked
        asked = True
        running.cancel()

    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, end)
    try:
        await peer.run(_typed())
    except asyncio.CancelledError:
        if not asked:
            raise


async def _typed() -> AsyncIterator[str]:
    """The lines of standard input; a thread reads on when what it read was dealt with."""
    loop, wanted = asyncio.get_running_loop(), threading.Semaphore(0)
    read: asyncio.Queue[bytes] = asyncio.Queue()
    descriptor = (
        sys.stdin.fileno()
    )  # and no file on it: a thread that waits inside of one breaks the end of the process

    def follow() -> None:
        while True:
            wanted.acquire()
            data = os.read(descriptor, _READ_BYTES)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(read.put_nowait, data)

    threading.Thread(target=follow, name="standard input", daemon=True).start()
    rest = b""
    while True:
        wanted.release()
        data = await read.get()
        *whole, rest = (rest + data).split(b"\n")
        if len(rest) > _LINE_BYTES_MAX or not data:
            whole, rest = [*whole, *([rest] if rest else [])], b""
        for line in whole:
            yield line.decode(errors="replace").removesuffix("\r")
        if not data:
            return


class _Told:
    """What happens, as it happens."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._tried: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        if self._output.json:
            self._output.emit(event, list)
            return
        said = thinlines.said(event)
        if said:
            self._output.emit(event, lambda: said)
        notes = thinlines.note(event)
        if event["event"] == "disconnected":  # it tries again and again: what is the same is said once
            notes, self._tried = ([] if notes == self._tried else notes), notes
        elif event["event"] == "connected":
            self._tried = []
        for sentence in notes:
            self._output.note(sentence)


def _secret(path: Path, entropy: Callable[[int], bytes]) -> Secret:
    """The key in a file; a new one, of mode 0600, where there is no file."""
    data = disk.read_bounded(path, _SECRET_FILE_BYTES_MAX, hint=_KEY_FILE_HINT)
    if data is None:
        secret = Secret(entropy(SECRET_BYTES))
        disk.write_new(path, secret.raw.hex().encode() + b"\n")
        return secret
    try:
        raw = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:  # its own words are about Python
        raise UserError(f"{path} holds no key, but something else", hint=_KEY_FILE_HINT) from None
    try:
        return Secret(raw)
    except ValueError as fault:
        raise UserError(f"{path} holds no key: {fault}", hint=_KEY_FILE_HINT) from None


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Nobody else is this peer meanwhile: two would say different things as one. UserError, StorageError."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, disk.FILE_MODE)
    except OSError as fault:
        raise disk.refusal(fault, path, "lock") from fault
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(
            "another process is this peer", hint="end it, or start this one with a key of its own: --key-file"
        ) from None
    finally:
        os.close(handle)


def _schedule(tick_ms: int | None) -> Schedule:
    return CHANNEL if tick_ms is None else trial(tick_ms / 1000)


def _choose(store: ThinStore, text: str | None) -> None:
    """The group that was asked for; one that is known already stays."""
    if text is None:
        return
    wanted = text.strip().lower()
    if re.fullmatch(r"[0-9a-f]{64}", wanted):
        group = GroupId(bytes.fromhex(wanted))
    else:
        try:
            group = group_of(conversation_id(wanted))
        except ValueError:
            raise UsageError(
                f"{text!r} is neither a group (64 hex digits) nor a conversation (40)",
                hint="swarmchat gateway mvds open CONV says it; without --group it is the first that invites this key",
            ) from None
    if store.group not in {None, group}:
        raise UserError(
            "what is kept here is of another group",
            hint="leave --group out to go on there, or give another folder with --state",
        )
    store.set_group(group)
