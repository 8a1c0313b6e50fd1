"""Fuzz one target with atheris: `python -m tests.fuzz.run TARGET [libFuzzer options and corpus folders]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["swarmchat"]):
    from tests.fuzz import targets

    target = targets.load(sys.argv[1])

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
    atheris.Fuzz()
