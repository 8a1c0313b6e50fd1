"""The shim that stands before libc: built by the compiler of this machine, steered through ctypes. See shim.c."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("shim.c")
_VARIABLE = "SWARMCHAT_TEST_SHIM"


class Class(IntFlag):
    """What a call is."""

    READ = 1
    CHANGE = 2
    SPACE = 4  # it may find the disk full
    WRITE = 8  # it may be cut short


class Kind(IntEnum):
    """What the chosen call meets."""

    COUNT = 0
    KILL = 1  # the process dies before it
    REFUSE = 2
    REFUSE_ON = 3  # and so do all that follow
    SHORT = 4  # a write does half of its bytes, and says so
    TORN = 5  # a write does half of its bytes, and the process dies


def why_not() -> str | None:
    """Why there can be no shim on this machine; None where there can."""
    if os.uname().sysname != "Linux":
        return "the shim is written for Linux"
    if shutil.which("cc") is None:
        return "there is no C compiler (cc) to build the shim with"
    return None


def build() -> Path:
    """The shared object, built once for each version of its source."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    built = Path(tempfile.gettempdir()) / f"swarmchat-shim-{os.getuid()}-{digest}.so"
    if not built.exists():
        draft = built.with_name(f"{built.name}.{os.getpid()}")
        command = [
            "cc",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
            str(draft),
            str(SOURCE),
            "-ldl",
        ]
        subprocess.run(command, check=True)
        draft.replace(built)
    return built


def environment(shim: Path) -> dict[str, str]:
    """That of a process in which the shim stands before libc."""
    return {**os.environ, "LD_PRELOAD": str(shim), _VARIABLE: str(shim), "PYTHONDONTWRITEBYTECODE": "1"}


class Shim:
    """The shim of this process, which must have been started with `environment`."""

    def __init__(self, root: Path) -> None:
        self._library: Any = ctypes.CDLL(os.environ[_VARIABLE])
        self._library.faults_disarm.restype = ctypes.c_long
        self._library.faults_arm.argtypes = [ctypes.c_long, *[ctypes.c_int] * 4]
        self._library.faults_root(os.fsencode(root))

    @contextmanager
    def armed(
        self, number: int, kind: Kind, error: int = 0, *, classes: Class = Class.CHANGE, names: int = -1
    ) -> Iterator[None]:
        """Inside, the n-th call of these classes meets `kind`; `names` is a descriptor that is told of every call."""
        self._library.faults_arm(number, int(kind), error, int(classes), names)
        try:
            yield
        finally:
            self._library.faults_disarm()
