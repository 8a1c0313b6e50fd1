"""What the process that started us wants to hear, and the socket it holds for us: systemd's protocols, without a library. (SCP-08 §1.5)

NOTIFY_SOCKET names a datagram socket that takes lines `FIELD=value` (sd_notify(3)); WATCHDOG_USEC is how long it waits for
`WATCHDOG=1` before it believes that we hang (sd_watchdog_enabled(3)); LISTEN_FDS tells how many sockets were handed over, from
descriptor 3 on (sd_listen_fds(3)). All of it may be absent: then everything here does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_FIRST_DESCRIPTOR: Final = 3
_DESCRIPTORS_MAX: Final = 16
_STATUS_EVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Who started us, as the environment says; made without any means nobody did."""

    address: str | None = None  # of the datagram socket; "@…" is an abstract one
    watchdog_s: float | None = None
    descriptors: tuple[int, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> Self:
        """What the environment says, where it means the process `pid`; what makes no sense there counts as absent."""
        address = environ.get("NOTIFY_SOCKET", "")
        watchdog_us = _number(environ.get("WATCHDOG_USEC", ""))
        if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not address:
            watchdog_us = 0
        count = _number(environ.get("LISTEN_FDS", "")) if environ.get("LISTEN_PID") == str(pid) else 0
        return cls(
            address if address[:1] in {"/", "@"} else None,
            watchdog_us / 1_000_000 if watchdog_us else None,
            tuple(range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + min(count, _DESCRIPTORS_MAX))),
        )

    def tell(self, **fields: str) -> None:
        """Say `FIELD=value` lines; that nobody listens is no error of ours."""
        if self.address is None:
            return
        said = "\n".join(f"{name}={' '.join(value.split())}" for name, value in fields.items())
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker,
            contextlib.suppress(OSError),
        ):
            speaker.setblocking(False)
            speaker.sendto(said.encode(errors="replace"), address)

    @contextlib.contextmanager
    def up(self, status: Callable[[], str]) -> Iterator[None]:
        """We are ready now, and stopping at the end; meanwhile the watchdog hears of us as long as the event loop turns.

        `status`: a sentence for people, said at the beginning and every half minute.
        """
        if self.address is None:
            yield
            return
        loop = asyncio.get_running_loop()
        pause_s = min(_STATUS_EVERY_S, (self.watchdog_s or _STATUS_EVERY_S * 2) / 2)

        timers: list[asyncio.TimerHandle] = []

        def beat() -> None:
            self.tell(STATUS=status(), **({"WATCHDOG": "1"} if self.watchdog_s else {}))
            timers[:] = [loop.call_later(pause_s, beat)]

        self.tell(READY="1")
        beat()
        try:
            yield
        finally:
            timers[0].cancel()
            self.tell(STOPPING="1", STATUS="stopping")

    def listener(self, path: Path) -> socket.socket | None:
        """The listening UNIX socket `path` that was handed over, or None; any other is left alone."""
        for descriptor in self.descriptors:
            try:
                held = socket.socket(fileno=os.dup(descriptor))
            except OSError:
                continue
            with contextlib.suppress(OSError):
                is_stream = held.family == socket.AF_UNIX and held.type == socket.SOCK_STREAM
                if (
                    is_stream
                    and held.getsockname() == str(path)
                    and held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                ):
                    held.setblocking(False)
                    return held
            held.close()
        return None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
