"""What somebody lacks of a conversation as one file, to be carried by hand. (SCP-04 §9)

`# swarmchat bundle 1`, a line of JSON, strict packs in pieces, and a checksum: a file that came whole is told from one that did
not before anything in it is judged. It proves nothing; what it holds is judged like what a peer sends.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from swarmchat import disk, limits
from swarmchat.commitlog.files import refusals
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.history import History
from swarmchat.errors import NotFoundError, VerificationError
from swarmchat.ids import CommitId, ConversationId, commit_id, conversation_id

MAGIC: Final = b"# swarmchat bundle 1\n"
_GIT: Final = b"# v2 git bundle\n"
_LENGTH: Final = struct.Struct(">I")
_END: Final = _LENGTH.pack(0)
_CHECKSUM_BYTES: Final = 32  # SHA-256 of all before it
_AGAIN: Final = "copy it again, or export it again"
_KEYS: Final = {"conversation", "heads", "since", "commits"}


class CarriedError(VerificationError):
    """The file is no bundle, or not as it was written."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a bundle says of itself: what it ends in, what must be there already, how many ordinary commits it has."""

    conversation: ConversationId
    heads: tuple[CommitId, ...]
    since: tuple[CommitId, ...]
    commits: int

    def line(self) -> bytes:
        """As it stands in the file."""
        told = {"conversation": self.conversation, "heads": self.heads, "since": self.since, "commits": self.commits}
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def write(log: CommitLog, file: BinaryIO, haves: Iterable[CommitId]) -> Header | None:
    """Write what is here and not behind `haves`; None, and nothing written, if that is nothing. StorageError, OSError."""
    haves = [commit for commit in haves if log.knows(commit)]
    with log.still():
        heads, history = log.heads, log.history
        missing = history.numbers_missing(heads, haves)
        header = Header(
            log.conversation,
            heads[: limits.BUNDLE_COMMITS_NAMED_MAX],
            _prerequisites(history, missing),
            sum(not history.is_merge(number) for number in missing),
        )
    if not header.commits:  # merges alone are nothing that anybody lacks: every node makes them
        return None
    checksum = hashlib.sha256()

    def put(data: bytes) -> None:
        checksum.update(data)
        file.write(data)

    put(MAGIC + header.line())
    while (pack := log.pack(heads, haves)) is not None:
        for chunk in pack.chunks:
            for start in range(0, len(chunk), limits.PACK_PIECE_BYTES_MAX):
                piece = chunk[start : start + limits.PACK_PIECE_BYTES_MAX]
                put(_LENGTH.pack(len(piece)) + piece)
        put(_END)
        haves = [*haves, *pack.heads]
    put(_END)
    file.write(checksum.digest())
    return header


class Carried:
    """A bundle that somebody gave us, whole and with the right checksum. A context manager.

    CarriedError for anything else; UserError, StorageError when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _opened(path)
        try:
            self.header = self._read_header()
            self._start = self._file.tell()
            self._check()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def packs(self) -> Iterator[Iterator[bytes]]:
        """The packs in pieces, each to be read before the next is asked for."""
        self._file.seek(self._start)
        while (first := self._piece()) is not None:
            yield self._pack(first)

    # --- inside

    def _pack(self, piece: bytes | None) -> Iterator[bytes]:
        while piece is not None:
            yield piece
            piece = self._piece()

    def _piece(self) -> bytes | None:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > limits.PACK_PIECE_BYTES_MAX:
            raise CarriedError(f"{self._path} is damaged: a piece of {length} bytes", hint=_AGAIN)
        return self._read(length) if length else None

    def _read(self, size: int) -> bytes:
        with refusals(self._path, "read"):
            data = self._file.read(size)
        if len(data) < size:
            raise CarriedError(f"{self._path} ends early: it was not written, or not copied, to its end", hint=_AGAIN)
        return data

    def _read_header(self) -> Header:
        with refusals(self._path, "read"):
            magic = self._file.read(len(MAGIC))
            line = self._file.readline(limits.BUNDLE_HEADER_BYTES_MAX) if magic == MAGIC else b""
        if magic != MAGIC:
            hint = "a bundle of git, of what Jami made: swarmchat conversation import FILE"
            raise CarriedError(f"{self._path} is no bundle of swarmchat", hint=hint if magic.startswith(_GIT) else None)
        if not line.endswith(b"\n"):
            raise CarriedError(f"{self._path} is damaged: its head has no end", hint=_AGAIN)
        try:
            return _header(json.loads(line))
        except (ValueError, RecursionError) as fault:
            raise CarriedError(f"{self._path} is damaged: {fault}", hint=_AGAIN) from None

    def _check(self) -> None:
        """All is there, and as it was written."""
        checksum = hashlib.sha256()
        with refusals(self._path, "read"):
            left = os.fstat(self._file.fileno()).st_size - _CHECKSUM_BYTES
            self._file.seek(0)
            while left > 0:
                data = self._file.read(min(left, limits.MIB))
                if not data:
                    break
                checksum.update(data)
                left -= len(data)
            told = self._file.read()
        if left or told != checksum.digest():
            raise CarriedError(
                f"{self._path} is not as it was written: its checksum is wrong",
                hint=_AGAIN,
            )


def _opened(path: Path) -> BinaryIO:
    try:
        file = disk.open_file(path)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    if os.fstat(file.fileno()).st_size > limits.BUNDLE_BYTES_MAX:
        file.close()
        raise CarriedError(f"{path} is over {limits.BUNDLE_BYTES_MAX} bytes")
    return file


def _header(told: Any) -> Header:
    if not isinstance(told, dict) or told.keys() != _KEYS:
        raise ValueError("its head has other keys")
    commits = told["commits"]
    if not isinstance(told["conversation"], str) or type(commits) is not int or not 0 < commits < 2**53:
        raise ValueError("its head names no conversation, or no number of commits")
    return Header(conversation_id(told["conversation"]), _commits(told["heads"]), _commits(told["since"]), commits)


def _commits(told: Any) -> tuple[CommitId, ...]:
    if not isinstance(told, list) or len(told) > limits.BUNDLE_COMMITS_NAMED_MAX:
        raise ValueError("its head has no list of commits, or a long one")
    if not all(isinstance(one, str) for one in told):
        raise ValueError("its head names what is no commit")
    return tuple(commit_id(one) for one in told)


def _prerequisites(history: History, missing: list[int]) -> tuple[CommitId, ...]:
    """The ordinary commits that the others are built on, sorted."""
    inside = set(missing)
    found = {parent for number in missing for parent in history.ordinary_parents_of(number) if parent not in inside}
    return tuple(sorted(history.id(number) for number in found)[: limits.BUNDLE_COMMITS_NAMED_MAX])
