"""Whatever stands around it, what is somebody's own does not come through a redaction. (SCP-08 §2.7)"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from swarmchat.node.redaction import Redactor

_HEX = st.text("0123456789abcdef", min_size=40, max_size=40) | st.text("0123456789abcdef", min_size=64, max_size=64)
_V4 = (
    st.tuples(*[st.integers(1, 223)] * 4)
    .map(lambda parts: ".".join(map(str, parts)))
    .filter(lambda one: not one.startswith("127."))
)
_V6 = st.integers(2**125, 2**126).map(
    lambda number: ":".join(f"{(number >> shift) & 0xFFFF:x}" for shift in range(112, -1, -16))
)
_NAME = st.text("ABCDEFGHJKLMNÄÖé ", min_size=3, max_size=12).map(str.strip).filter(lambda name: len(name) > 2)
_AROUND = st.sampled_from(
    ["", " ", ": ", " (", ") ", ", ", "=", "\n", " - ", " device ", " add:", "[", "]:4000 ", "<", ">", "; ", "'", "…"]
)


@given(st.binary(min_size=32, max_size=32), _HEX, _V4, _V6, _NAME, st.lists(_AROUND, min_size=5, max_size=5))
def test_no_id_address_or_name_comes_through(
    key: bytes, name: str, v4: str, v6: str, called: str, around: list[str]
) -> None:
    a, b, c, d, e = around
    text = f"{a}{name}{b or ' '}{v4}{c or ' '}{v6}{d or ' '}{called}{e}"
    redactor = Redactor(key, [called])
    for made in (
        redactor.text(text),
        redactor.said(text),
        *redactor.log_lines([text]),
        json.dumps(redactor.value({"x": [text]}), ensure_ascii=False),
    ):
        assert name[:8] not in made
        assert v4 not in made
        assert v6 not in made
        assert called not in made
