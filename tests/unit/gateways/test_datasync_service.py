"""What a node says of an address at which it cannot be called."""

from __future__ import annotations

import errno
import os

import pytest

from swarmchat.addresses import Address
from swarmchat.gateways.datasync.service import unbound

WHERE = Address("192.0.2.1", 80)


@pytest.mark.parametrize(
    ("code", "why", "hint"),
    [
        (errno.EADDRINUSE, "Address already in use", "another port"),
        (errno.EACCES, "Permission denied", "above 1023"),
        (errno.EADDRNOTAVAIL, "no such address", "127.0.0.1"),
    ],
)
def test_who_cannot_listen_is_told_why_and_what_to_choose_instead(code: int, why: str, hint: str) -> None:
    """It said to choose another port where the address is not this machine's."""
    refused = unbound(WHERE, OSError(code, f"error while attempting to bind: {os.strerror(code)}"))
    assert str(refused).startswith("cannot listen on 192.0.2.1:80: ")
    assert why in str(refused)
    assert "attempting" not in str(refused)
    assert hint in str(refused.hint)


def test_an_address_of_another_machine_is_told_without_a_number_too() -> None:
    refused = unbound(WHERE, OSError("could not bind on any address out of [('192.0.2.1', 80)]"))
    assert str(refused) == "cannot listen on 192.0.2.1:80: this machine has no such address"
    assert "0.0.0.0" in str(refused.hint)
