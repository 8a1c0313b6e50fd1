"""A new laptop on the same cable: the code alone, without an address, leads to it. (SCP-01 §3.2, SCP-05 §2)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cables import NEEDS, available, one_cable
from tests.support.newcomers import newcomer
from tests.support.process import NodeProcess

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120), pytest.mark.skipif(not available(), reason=NEEDS)]


def test_the_new_device_is_found_on_the_cable_and_both_find_each_other_afterwards(tmp_path: Path) -> None:
    with one_cable(2) as (left, right):
        ann = NodeProcess(tmp_path / "ann", "Ann", left.prefix, options=())
        laptop = NodeProcess(tmp_path / "laptop", "laptop", right.prefix, options=())
        try:
            left.plug()
            right.plug()
            ann.did("account", "create", "--name", "Ann")
            ann.start()
            with newcomer(laptop.home, prefix=right.prefix) as process:
                code = process.code.partition("?")[0]
                assert ann.did("device", "add", code, "--yes")["state"] == "linked"
                assert process.end() == 0
            laptop.start()
            laptop.until(lambda: laptop.linked(ann))
        finally:
            for node in (ann, laptop):
                if node.process is not None:
                    node.kill()
