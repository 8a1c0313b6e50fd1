from __future__ import annotations

import pytest

from swarmchat.errors import AmbiguousError, NotFoundError, UsageError
from swarmchat.node.naming import resolve

KNOWN = {"aabbccdd": ["Harbour"], "aabbccee": ["harbour", "Pier"], "ffee0011": []}


def test_the_id_itself_wins() -> None:
    assert resolve("AABBCCDD", KNOWN, "conversation") == "aabbccdd"


def test_an_exact_name_wins_over_one_in_another_case() -> None:
    assert resolve("Harbour", KNOWN, "conversation") == "aabbccdd"
    assert resolve("harbour", KNOWN, "conversation") == "aabbccee"
    assert resolve("PIER", KNOWN, "conversation") == "aabbccee"


def test_a_unique_prefix_of_four_is_enough_and_three_is_not() -> None:
    assert resolve("ffee", KNOWN, "conversation") == "ffee0011"
    with pytest.raises(NotFoundError) as caught:
        resolve("ffe", KNOWN, "conversation")
    assert caught.value.hint == "a prefix has 4 characters or more"


def test_what_fits_twice_lists_the_candidates() -> None:
    with pytest.raises(AmbiguousError) as caught:
        resolve("aabb", KNOWN, "conversation")
    assert caught.value.data == {"candidates": ["aabbccdd", "aabbccee"]}
    with pytest.raises(AmbiguousError):
        resolve("HARBOUR", KNOWN, "conversation")


def test_a_slip_of_the_finger_gets_the_nearest_name() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve("Harbor", KNOWN, "conversation")
    assert caught.value.hint == "did you mean Harbour?"


def test_nothing_and_nonsense_are_told() -> None:
    with pytest.raises(UsageError, match="which account"):
        resolve("  ", KNOWN, "account")
    with pytest.raises(NotFoundError, match="no account 'zz' here"):
        resolve("zz", KNOWN, "account")


def test_a_name_that_looks_like_the_id_of_another_fits_both() -> None:
    known = {"aabbccdd": ["ffee"], "ffee0011": ["Bob"]}
    with pytest.raises(AmbiguousError) as caught:
        resolve("ffee", known, "account")
    assert caught.value.data == {"candidates": ["aabbccdd", "ffee0011"]}
    assert resolve("ffee0011", {"aabbccdd": ["ffee0011"], "ffee0011": []}, "account") == "ffee0011", "a whole id is one"


def test_what_is_not_here_leads_to_the_list_of_what_is() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve("Zzz", KNOWN, "conversation")
    assert caught.value.hint == "swarmchat conversation list"
    with pytest.raises(NotFoundError) as caught:
        resolve("Zzz", KNOWN, "message")
    assert caught.value.hint is None
