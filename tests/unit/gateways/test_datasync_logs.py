"""Which conversations data sync looks into when it is asked for a message, and for whom it waits."""

from __future__ import annotations

import threading
from pathlib import Path

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Initial
from swarmchat.gateways.datasync.logs import Logs
from swarmchat.gateways.datasync.payload import MessageId
from tests.support.builders import ALICE, NOW
from tests.support.commitlogs import post, writer

_UNKNOWN = MessageId(bytes(32))


def looked_through(folder: Path, count: int) -> tuple[Logs, list[CommitLog]]:
    """Conversations that data sync has looked through to their ends."""
    logs = Logs(lambda: ())
    found = [
        CommitLog.create(folder / f"{number}.git", writer(ALICE), Initial(1, f"{number:032}"), now=NOW)
        for number in range(count)
    ]
    for log in found:
        with log.still():
            logs.ledger(log)
    return logs, found


def asked(logs: Logs) -> threading.Thread:
    """Somebody asks for a message that nobody has."""
    thread = threading.Thread(target=logs.has, args=(_UNKNOWN,), daemon=True)
    thread.start()
    return thread


def test_who_asks_for_a_message_waits_for_nobody_who_writes_elsewhere(tmp_path: Path) -> None:
    logs, found = looked_through(tmp_path, 3)
    with found[1].still():
        thread = asked(logs)
        thread.join(10)
        assert not thread.is_alive()


def test_a_conversation_that_went_on_is_looked_into_before_the_answer(tmp_path: Path) -> None:
    logs, found = looked_through(tmp_path, 2)
    with found[0].still():
        post(found[0], ALICE, "new")
        thread = asked(logs)
        thread.join(0.2)
        assert thread.is_alive(), "what was just written may be what was asked for"
    thread.join(10)
    assert not thread.is_alive()
    with found[0].still():
        assert logs.ledger(found[0]).size == len(found[0].history)
