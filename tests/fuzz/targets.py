"""The fuzz targets by name. A target has `run(data)`, which raises only when it found something, `seeds()`, and `TOKENS`."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
NAMES = tuple(sorted(path.stem.removeprefix("target_") for path in HERE.glob("target_*.py")))


class Target(Protocol):
    """What a module `target_<name>` offers."""

    TOKENS: Sequence[bytes]  # words of its language, for the fuzzer's dictionary

    def run(self, data: bytes) -> None:
        """Try one input; any exception is a finding."""

    def seeds(self) -> Iterator[bytes]:
        """Valid inputs of every kind, from which the fuzzer starts."""


def load(name: str) -> Target:
    """The target of this name."""
    return cast(Target, importlib.import_module(f"tests.fuzz.target_{name}"))


def kept(name: str) -> list[Path]:
    """The inputs that are kept for a target: seeds, and what a fuzzer found to lead elsewhere."""
    return sorted((CORPUS / name).glob("*"))


def label(data: bytes) -> str:
    """The file name of an input."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]
