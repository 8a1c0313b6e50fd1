"""How two data-sync peers prove to each other whose keys they hold, before anything else is said. Sans-IO. (SCP-09 §4.6)"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from swarmchat.crypto.secp256k1 import Key, Secret, recover
from swarmchat.gateways import protobuf
from swarmchat.gateways.protobuf import BYTES, UINT32, Field
from swarmchat.gateways.refusal import Refused

NONCE_BYTES: Final = 32
BINDING_BYTES: Final = 32
UNBOUND: Final = bytes(BINDING_BYTES)  # there is no TLS that the proof could be tied to
_CONTEXT: Final = b"swarmchat-mvds-hello\0"


class Fault(StrEnum):
    """Why a peer is not spoken with."""

    BAD_HELLO = "bad-hello"  # no key, no nonce, or other ones than before
    BAD_PROOF = "bad-proof"
    OWN_KEY = "own-key"  # it claims to be us: our own proofs could be shown to us
    NO_HELLO = "no-hello"  # in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(protobuf.Message):
    """The first frames each way; the one with the proof answers the other's nonce."""

    peer_id: Annotated[bytes, Field(1, BYTES)] = b""
    nonce: Annotated[bytes, Field(2, BYTES)] = b""
    proof: Annotated[bytes, Field(3, BYTES)] = b""
    mode: Annotated[int, Field(4, UINT32)] = 0  # 1 interactive, 2 batch
    tick_ms: Annotated[int, Field(5, UINT32)] = 0


class Handshake:
    """One side of it. `nonce`: 32 fresh random bytes; `binding`: 32 bytes that both ends of the connection know and nobody else."""

    def __init__(self, secret: Secret, nonce: bytes, *, binding: bytes = UNBOUND, mode: int, tick_ms: int) -> None:
        self._secret = secret
        self._binding = binding
        self._mine = Hello(peer_id=secret.public.raw, nonce=nonce, mode=mode, tick_ms=tick_ms)
        self._claimed: Key | None = None
        self._their_nonce = b""
        self.peer: Key | None = None  # once it has proved whose key it holds

    def first(self) -> bytes:
        """What is sent at once."""
        return self._mine.encode()

    def receive(self, body: bytes) -> bytes | Refused | None:
        """One of the other's frames: what is to be answered, nothing, or why it ends here. Over once `peer` is known."""
        hello = Hello.decode(body)
        if isinstance(hello, Refused):
            return Refused(Fault.BAD_HELLO, hello.reason)
        answer = None
        if self._claimed is None:
            try:
                claimed = Key.read(hello.peer_id)
            except ValueError as fault:
                return Refused(Fault.BAD_HELLO, str(fault))
            if claimed == self._secret.public:
                return Refused(Fault.OWN_KEY)
            if len(hello.nonce) != NONCE_BYTES:
                return Refused(Fault.BAD_HELLO, "a nonce has 32 bytes")
            self._claimed, self._their_nonce = claimed, hello.nonce
            answer = self._proof()
        elif hello.peer_id not in {b"", self._claimed.raw} or hello.nonce not in {b"", self._their_nonce}:
            return Refused(Fault.BAD_HELLO, "another key or nonce than before")
        elif not hello.proof:
            return Refused(Fault.BAD_PROOF, "there is none")
        if hello.proof:
            digest = _digest(self._mine.nonce, self._claimed.raw, self._mine.peer_id, self._binding)
            if recover(digest, hello.proof) != self._claimed:
                return Refused(Fault.BAD_PROOF)
            self.peer = self._claimed
        return answer

    def _proof(self) -> bytes:
        assert self._claimed is not None
        digest = _digest(self._their_nonce, self._mine.peer_id, self._claimed.raw, self._binding)
        mine = self._mine
        return Hello(
            peer_id=mine.peer_id,
            nonce=mine.nonce,
            proof=self._secret.sign(digest),
            mode=mine.mode,
            tick_ms=mine.tick_ms,
        ).encode()


def _digest(nonce: bytes, prover: bytes, verifier: bytes, binding: bytes) -> bytes:
    """Over the nonce of who verifies: nobody can have heard it before."""
    return hashlib.sha256(_CONTEXT + nonce + prover + verifier + binding).digest()
