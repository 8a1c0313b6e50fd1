from __future__ import annotations

import segno

from swarmchat.cli.qr import drawn

CODE = f"swarm-link:{'0123456789abcdef' * 4}:acid-zoom-stew-oasis-crisp-cable"
LIGHT = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def test_the_blocks_are_the_light_modules_of_the_code() -> None:
    matrix = [
        [not dark for dark in row]
        for row in segno.make(CODE, error="l", micro=False, boost_error=False).matrix_iter(border=2)
    ]
    read: list[list[bool]] = []
    for line in drawn(CODE, coloured=False):
        read.append([bool(LIGHT[character][0]) for character in line])
        read.append([bool(LIGHT[character][1]) for character in line])
    assert read[: len(matrix)] == matrix
    assert not any(cell for row in read[len(matrix) :] for cell in row), "nothing is drawn below"


def test_it_fits_a_terminal_of_eighty_columns_and_is_as_wide_as_high() -> None:
    lines = drawn(CODE + "?at=[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", coloured=False)
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 64
    assert len(lines) == (len(lines[0]) + 1) // 2


def test_with_colour_it_is_light_on_dark_whatever_the_terminal() -> None:
    for plain, coloured in zip(drawn(CODE, coloured=False), drawn(CODE, coloured=True), strict=True):
        assert coloured == f"\x1b[97;40m{plain}\x1b[0m"
