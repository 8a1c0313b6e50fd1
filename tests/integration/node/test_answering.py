"""Whether this machine's own addresses take a connection. (SCP-08 §2.6)"""

from __future__ import annotations

import socket

from swarmchat.addresses import Address
from swarmchat.node.checkup import unanswered


def test_only_what_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken and not listened on
        answers, silent = (Address("127.0.0.1", one.getsockname()[1]) for one in (open_, closed))
        assert unanswered([answers, silent], 1.0) == {silent: "Connection refused"}
