from __future__ import annotations

import pytest

from swarmchat.errors import UsageError
from swarmchat.index.folding import exact, fold, places
from swarmchat.index.query import Query, parse


def marked(text: str, looked_for: str, *, case: bool = False) -> str:
    pieces = parse(looked_for, case=case).marked(text)
    return "".join(f"[{part}]" if match else part for part, match in pieces)


# --- what counts as alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Möwe", "mowe"),
        ("Mo\u0308we", "MÖWE"),  # composed or not
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("Ὀδυσσεύς", "οδυσσευσ"),
        ("ёлка", "ЕЛКА"),
        ("ﬁn ｆｕｌｌ", "fin full"),
        ("soft\u00adhyphen", "softhyphen"),
        ("❤\ufe0f", "❤"),
        ("a\0b", "ab"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_case_accents_and_ways_of_writing_do_not_count(one: str, other: str) -> None:
    assert fold(exact(one)) == fold(exact(other))
    assert parse(one).fits(f"x {other} y")
    assert parse(other).fits(f"x {one} y")


@pytest.mark.parametrize(
    ("one", "other"), [("Mueller", "Müller"), ("か", "が"), ("कि", "क"), ("øre", "ore"), ("שָׁ", "ש")]
)
def test_other_letters_are_other_letters(one: str, other: str) -> None:
    assert fold(exact(one)) != fold(exact(other))


def test_with_case_every_letter_counts_as_it_stands() -> None:
    assert parse("Möwe", case=True).fits("die Mo\u0308we")
    assert not parse("möwe", case=True).fits("die Möwe")
    assert not parse("Mowe", case=True).fits("die Möwe")


@pytest.mark.parametrize("text", ["", "abc", "aß\u00adb", "Möwe ﷺ", "각"])
def test_places_lead_back_from_the_folded_text(text: str) -> None:
    ends = places(text)
    assert len(ends) == len(text)
    assert (ends[-1] if ends else 0) == len(fold(text))


# --- what is asked


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("two words", ("two", "words")),
        ('"two  words" three', ("two words", "three")),
        ('not "closed here', ("not", "closed here")),
        ('a"b c"d', ("a", "b c", "d")),
        ("twice Twice TWICE", ("twice",)),
        ("NEAR(a b) -c d* {e}: ^f AND OR", ("near(a", "b)", "-c", "d*", "{e}:", "^f", "and", "or")),
        ('"" x ""', ("x",)),
        ("a\tb\u3000c", ("a", "b", "c")),
    ],
)
def test_words_and_phrases(text: str, terms: tuple[str, ...]) -> None:
    assert parse(text).terms == terms


@pytest.mark.parametrize("text", ["", "   ", '""', '" "', "\u0301", "\0"])
def test_nothing_cannot_be_looked_for(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_all_terms_must_occur_in_any_order_and_a_phrase_as_it_stands() -> None:
    text = "the boats come in\n at four"
    assert parse("four boat").fits(text)
    assert parse('"in at four"').fits(text)
    assert not parse('"boats in"').fits(text)
    assert not parse("boats five").fits(text)


def test_grams_are_of_the_folded_terms_that_are_long_enough() -> None:
    assert parse("Öl Boote").grams == ("boo", "oot", "ote")
    assert parse("Öl").grams == ()
    assert parse("Boot", case=True).grams == ("boo", "oot")
    assert len(parse("".join(map(chr, range(0x4E00, 0x4F00)))).grams) == 64


# --- what is shown


def test_what_fits_is_marked_in_the_text_as_it_was_written() -> None:
    assert marked("Die Straße zur MÖWE", "mowe STRASSE") == "Die [Straße] zur [MÖWE]"
    assert marked("aaaa", "aa") == "[aaaa]"
    assert marked("abcabc", "ab bc") == "[abcabc]"
    assert marked("ab ab", "ab") == "[ab] [ab]"
    assert marked("Weiß", "s") == "Wei[ß]"
    assert marked("one\n\n two", '"one two"') == "[one two]"
    assert marked("x ¨ y", '"x y"') == "[x ¨ y]"
    assert marked("Aa", "A", case=True) == "[A]a"


def test_of_a_long_text_the_part_around_the_first_is_shown() -> None:
    long = "x" * 1_000 + " needle " + "y" * 1_000
    shown = marked(long, "needle")
    assert shown.startswith("…x")
    assert shown.endswith("y…")
    assert "[needle]" in shown
    assert len(shown) < 250
    assert marked("needle" + " z" * 500, "needle").startswith("[needle] z")
    assert marked("z " * 500 + "needle", "needle").endswith("[needle]")


def test_a_match_that_is_longer_than_what_is_shown_is_cut() -> None:
    phrase = "w" * 400
    assert Query((phrase,)).marked(phrase) == [("w" * 240, True), ("…", False)]


def test_a_text_that_does_not_fit_is_shown_from_its_beginning() -> None:
    assert parse("nothing").marked("some text") == [("some text", False)]
    assert parse("nothing").marked("") == []
