"""The kept inputs of the fuzzer, played again without it."""

from __future__ import annotations

import pytest

from tests.fuzz import targets


@pytest.mark.parametrize("name", targets.NAMES)
def test_what_strangers_send_is_refused_as_a_value_and_read_in_one_way(name: str) -> None:
    target = targets.load(name)
    kept = targets.kept(name)
    assert kept, f"no corpus of {name}: scripts/fuzz {name} --keep"
    for data in [*target.seeds(), *(path.read_bytes() for path in kept)]:
        try:
            target.run(data)
        except Exception as found:
            raise AssertionError(f"{name} breaks on {targets.label(data)}: {data[:200]!r}") from found
