"""Under which name the page of a listener is opened."""

from __future__ import annotations

import pytest

from swarmchat.addresses import Address
from swarmchat.api.httpdoor import called


@pytest.mark.parametrize(
    ("bound", "names", "base"),
    [
        ("127.0.0.1:7", (), "127.0.0.1:7"),
        ("[::1]:7", ("node.example",), "[::1]:7"),
        ("0.0.0.0:7", (), "127.0.0.1:7"),
        ("[::]:7", (), "[::1]:7"),
        ("0.0.0.0:7", ("node.example", "other.example"), "node.example:7"),
        ("192.0.2.1:7", ("node.example",), "node.example:7"),
        ("192.0.2.1:7", (), "192.0.2.1:7"),
    ],
)
def test_a_page_is_opened_by_a_name_that_is_let_in_where_there_is_one(
    bound: str, names: tuple[str, ...], base: str
) -> None:
    assert str(called(Address.parse(bound), names)) == base
