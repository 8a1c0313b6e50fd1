"""What one message costs does not grow with the history that it stands in. (SCP-04 §5.2)"""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.conversation.history import History
from swarmchat.node.offline import open_commands
from tests.support import accounts


def test_a_message_that_is_named_whole_is_not_searched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = History.id
    monkeypatch.setattr(History, "id", lambda self, number: asked.append(number) or real(self, number))  # type: ignore[func-returns-value]
    with open_commands(accounts.home(tmp_path / "home")) as node:
        room = node.call("conversation.create", {"title": "Room"})["id"]
        sent = [node.call("message.send", {"conversation": room, "text": str(n)})["id"] for n in range(60)]
        cost = []
        for target in (sent[0], sent[-1]):
            asked.clear()
            node.call("message.react", {"conversation": room, "message": target, "reaction": "+"})
            cost.append(len(asked))
        assert max(cost) < 30
        asked.clear()
        node.call("message.react", {"conversation": room, "message": sent[0][:12].upper(), "reaction": "++"})
        assert len(asked) >= 60, "the same way counts what is searched"
