"""How a fault of the system is said."""

from __future__ import annotations

import errno
import socket

from swarmchat.errors import LinkError, in_words


def test_a_fault_of_the_system_is_said_by_its_name_alone() -> None:
    assert in_words(OSError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 4000)")) == "Connection refused"
    assert in_words(ConnectionResetError(errno.ECONNRESET, "reset")) == "Connection reset by peer"


def test_what_has_no_number_of_the_system_is_said_as_it_is() -> None:
    assert in_words(socket.gaierror(socket.EAI_NONAME, "Name or service not known")).endswith("not known")
    assert in_words(OSError("multiple exceptions")) == "multiple exceptions"
    assert in_words(LinkError("another device answers")) == "another device answers"
    assert in_words(TimeoutError()) == "TimeoutError"
