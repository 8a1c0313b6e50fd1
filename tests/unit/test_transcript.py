"""A guide is compared with a screen as strictly as its marks say."""

from __future__ import annotations

import pytest

from tests.support.transcript import Done, PageError, Saved, Screen, Seen, Typed, steps

PAGE = """
Words.

```sh ann
$ one
shown
$ two \\
> more
```
```text
$ not run
```
```python ben bot.py
print(1)
```
```sh ann-2 running
$ tail
begun
```
```sh ann-2
later
^C
```
```hands
unplug Ben
```
"""


def test_a_page_is_read_as_steps_in_its_order() -> None:
    assert steps(PAGE) == [
        Typed(5, "ann", "one", ("shown",)),
        Typed(7, "ann", "two \\\nmore", ()),
        Saved(13, "ben", "bot.py", "print(1)\n"),
        Typed(17, "ann-2", "tail", ("begun",), running=True),
        Seen(21, "ann-2", ("later",), interrupted=True),
        Done(25, "unplug Ben"),
    ]


@pytest.mark.parametrize("page", ["```sh\n$ x\n```", "```sh ann\n$ x"])
def test_a_block_of_nobody_and_a_block_without_end_are_faults(page: str) -> None:
    with pytest.raises(PageError):
        steps(page)


@pytest.mark.parametrize(
    ("output", "lines", "same"),
    [
        ("a\nb\n", ("a", "b"), True),
        ("a \nb", ("a", "b"), True),
        ("a\nb\n", ("a",), False),
        ("a\n", ("a", "b"), False),
        ("a.c\n", ("a.c",), True),
        ("abc\n", ("a.c",), False),
        ("abc\n", ("a…c",), True),
        ("ab\nc\n", ("a…c",), False),
        ("a\nx\ny\nb\n", ("a", "…", "b"), True),
        ("a\nb\n", ("a", "…", "b"), True),
        ("a\nb\n", ("…", "a"), False),
        ("", (), True),
        ("", ("…",), True),
        ("said\n", (), False),
    ],
)
def test_the_whole_screen_is_compared(output: str, lines: tuple[str, ...], same: bool) -> None:
    assert Screen().shows(output, lines) is same


def test_a_name_is_what_stood_there_first_and_the_same_ever_after() -> None:
    screen = Screen()
    assert screen.shows("id 12ab\n12ab again\n", ("id ‹Ann's id›", "‹Ann's id› again"))
    assert screen.command("show ‹Ann's id›") == "show 12ab"
    assert screen.shows("12ab\n", ("‹Ann's id›",))
    assert not screen.shows("12ac\n", ("‹Ann's id›",))
    assert not Screen().shows("id 1\n2 again\n", ("id ‹x›", "‹x› again"))


def test_a_name_is_not_learnt_from_a_screen_that_differs() -> None:
    screen = Screen()
    assert not screen.shows("id 1\nno\n", ("id ‹x›", "yes"))
    with pytest.raises(PageError):
        screen.command("show ‹x›")


def test_what_runs_is_compared_up_to_the_end_of_a_line() -> None:
    screen = Screen()
    assert screen.begins("beg", ("begun",)) is None
    assert screen.begins("begun", ("begun",)) is None
    assert screen.begins("begun\nnext\n", ("begun",)) == len("begun\n")
