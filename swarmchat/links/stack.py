"""TLS, the preface and the mux on one another, as one machine without I/O: cipher bytes in, mux events out. (SCP-03 §1, §2a)"""

from __future__ import annotations

from swarmchat.limits import YAMUX_FRAME_BYTES_MAX
from swarmchat.links.frames import FrameError, Preface, PrefaceDecoder, encode_preface
from swarmchat.links.mux import Event, Mux, MuxError
from swarmchat.links.peers import Peer
from swarmchat.links.streams import Endpoint


class Stack:
    """One end of a link. The dialler is TLS client and mux client; the server's preface comes first."""

    def __init__(self, endpoint: Endpoint, preface: Preface, *, client: bool) -> None:
        self.mux = Mux(client=client)
        self.heard: Preface | None = None  # the other end's preface
        self.up = False
        self.fault: str | None = None
        self.finished = False
        self._endpoint = endpoint
        self._preface = preface
        self._client = client
        self._greeted = False
        self._reader = PrefaceDecoder(client=not client)

    @property
    def peer(self) -> Peer | None:
        """Who the other end has proved to be."""
        return self._endpoint.peer

    def exporter(self, label: bytes) -> bytes:
        """See `Endpoint.exporter`."""
        return self._endpoint.exporter(label)

    def start(self) -> None:
        """Begin; then `pull`."""
        self._endpoint.start()

    def receive(self, data: bytes | memoryview) -> list[Event]:
        """Cipher bytes in; then look at `fault`, `finished` and `up`, and `pull`."""
        plain = self._endpoint.receive(data)
        self.fault = self._endpoint.fault
        self.finished = self._endpoint.finished
        if self.fault is None and self.peer is not None:
            if not self._greeted and not self._client:
                self._greet()
            try:
                return self._read(plain)
            except FrameError as error:
                self.fault = f"preface: {error}"
            except MuxError as error:
                self.fault = f"mux: {error}"
        return []

    def pull(self) -> bytes:
        """What is to be sent next: at most one turn of the mux, so that the owner can stop when its stream is congested."""
        if self.up and self.mux.wants_write:
            self._endpoint.send(self.mux.pull(YAMUX_FRAME_BYTES_MAX))
            self.fault = self.fault or self._endpoint.fault
        return self._endpoint.pull()

    def end(self, code: int) -> bytes:
        """The last bytes: GOAWAY with `code`, close_notify; what the channels still had is dropped."""
        if self.up and self.fault is None:
            self._endpoint.send(self.mux.farewell(code))
        self._endpoint.end()
        return self._endpoint.pull()

    def _read(self, plain: bytes) -> list[Event]:
        if self.up:
            return self.mux.receive(plain) if plain else []
        self.heard = self._reader.receive(plain)
        if self.heard is None:
            return []
        if self._client:
            self._greet()
        self.up = True
        return self.mux.receive(self._reader.rest)

    def _greet(self) -> None:
        self._greeted = True
        self._endpoint.send(encode_preface(self._preface))
