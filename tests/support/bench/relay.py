"""A port that passes bytes on to another one and counts them."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from typing import Any

from swarmchat.addresses import Address

_CHUNK_BYTES = 256 * 1024


class Relay:
    """Stands before `target` while the context lasts; `total` counts TCP payload in both directions."""

    def __init__(self, target: Address) -> None:
        self._target = (target.host, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listener.getsockname())
        self.total = 0
        self._lines: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: Any) -> None:
        for line in (self._listener, *self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for line in (self._listener, *self._lines):
            line.close()

    def cut(self) -> None:
        """Break all that goes through it; new connections are taken."""
        for line in self._lines:
            with suppress(OSError):  # cut before
                line.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        passing: list[threading.Thread] = []
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:  # the context is over, or the target is down: then nobody is to be reached here
                break
            for line in (near, far):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines += [near, far]
            passing.append(threading.Thread(target=self._pass, args=(near, far), daemon=True))
            passing[-1].start()
        for thread in passing:
            thread.join()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        """One thread for both directions, so that the count has one writer for each line."""
        other = {near: far, far: near}
        with selectors.DefaultSelector() as waiting, suppress(OSError):
            for line in other:
                waiting.register(line, selectors.EVENT_READ, line)
            while True:
                for key, _ in waiting.select():
                    line = key.data
                    data = line.recv(_CHUNK_BYTES)
                    if not data:
                        for each in other:
                            each.shutdown(socket.SHUT_RDWR)
                        return
                    other[line].sendall(data)
                    self.total += len(data)
