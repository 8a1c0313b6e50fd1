from __future__ import annotations

import pytest

from swarmchat.account import strict
from swarmchat.account.strict import Fields
from swarmchat.ids import account_id


def test_what_is_written_is_read_back_and_equal_values_give_equal_bytes() -> None:
    value = {"b": [1, "ä"], "a": None}
    assert strict.decode(strict.encode(value)) == value
    assert strict.encode({"a": 1, "b": 2}) == strict.encode({"b": 2, "a": 1})
    assert strict.encode({}).endswith(b"\n")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[NaN]", b"[Infinity]", b'{"a":1,"a":2}', b"[" * 100_000, b"1 2", b"[" + b"9" * 5000 + b"]"],
)
def test_what_is_not_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        strict.decode(data)


@pytest.mark.parametrize("value", [None, [], "x", {}, {"a": 1, "b": 2, "c": 3}, {"a": 1}])
def test_an_object_has_exactly_its_keys(value: object) -> None:
    with pytest.raises(ValueError, match="place"):
        Fields(value, "place", ("a", "b"))


def fields(value: object) -> Fields:
    return Fields({"x": value}, "place", ("x",))


def test_fields_within_their_bounds_are_read() -> None:
    assert fields("abc").text("x", 3) == "abc"
    assert fields(7).number("x", 7) == 7
    assert fields(2**53 - 1).number("x") == 2**53 - 1
    assert fields(True).flag("x") is True
    assert fields("a" * 40).parsed("x", account_id) == "a" * 40
    assert fields(None).optional("x", account_id) is None
    assert fields(["a", "b"]).each("x", 2, lambda item, where: (item, where)) == [
        ("a", "place.x[0]"),
        ("b", "place.x[1]"),
    ]


@pytest.mark.parametrize("value", ["abcd", 1, None, b"x", "\ud800"])
def test_a_text_out_of_bounds_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=r"place\.x"):
        fields(value).text("x", 3)


@pytest.mark.parametrize("value", [8, -1, True, 1.0, "1", None])
def test_a_number_out_of_bounds_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=r"place\.x"):
        fields(value).number("x", 7)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_only_true_and_false_are_flags(value: object) -> None:
    with pytest.raises(ValueError, match=r"place\.x"):
        fields(value).flag("x")


def test_a_string_that_does_not_parse_is_named() -> None:
    with pytest.raises(ValueError, match=r"place\.x: an account id"):
        fields("abc").parsed("x", account_id)
    with pytest.raises(ValueError, match=r"list\[3\]"):
        strict.string("abc", "list[3]", account_id)
    with pytest.raises(ValueError, match="not a string"):
        strict.string(3, "list[3]", account_id)


@pytest.mark.parametrize("value", [["a", "b", "c"], "ab", None, {}])
def test_an_array_out_of_bounds_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=r"place\.x"):
        fields(value).items("x", 2)
