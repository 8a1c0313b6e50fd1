"""A QR code on the screen, two modules in each character. The only importer of segno."""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

import segno

_QUIET: Final = 2  # modules of margin; readers of today need no more on a screen
_HALVES: Final = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
_WHITE_ON_BLACK: Final = "\x1b[97;40m"
_PLAIN: Final = "\x1b[0m"


def drawn(text: str, *, coloured: bool) -> list[str]:
    """The lines of its QR code: blocks are the light modules, as on a dark screen; `coloured` makes that so on any screen."""
    rows = list(segno.make(text, error="l", micro=False, boost_error=False).matrix_iter(border=_QUIET))
    lines = []
    for upper, lower in zip_longest(rows[::2], rows[1::2], fillvalue=()):
        pairs = zip_longest(upper, lower, fillvalue=1)  # below the last row there is nothing
        line = "".join(_HALVES[not above, not below] for above, below in pairs)
        lines.append(f"{_WHITE_ON_BLACK}{line}{_PLAIN}" if coloured else line)
    return lines
