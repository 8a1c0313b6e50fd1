from __future__ import annotations

import pytest

from tests.support.vectors import FOLDER, SETS, render


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_vectors_on_disk_are_what_the_code_makes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == render(name)
