from __future__ import annotations

import pytest

from swarmchat.errors import RefusedError, VerificationError
from swarmchat.ids import CommitId, ConversationId
from swarmchat.node.conversations import refusal
from swarmchat.swarm.objections import Cause, Objection

ROOM, TOP = ConversationId("c" * 40), CommitId("d" * 40)


def test_an_invalid_history_is_told_with_its_commit_and_rule() -> None:
    told = refusal(ROOM, Objection(Cause.INVALID, "SCP-02 §5.2 bad-add: not invited", "SCP-02 §5.2", TOP))
    assert isinstance(told, VerificationError)
    assert told.message == (
        "its history is invalid, and nothing valid of it invites you: "
        "commit dddddddddddd breaks SCP-02 §5.2 bad-add: not invited"
    )
    assert told.data == {"conversation": ROOM, "cause": "invalid", "rule": "SCP-02 §5.2", "commit": TOP}
    assert "purge cccccccc" in str(told.hint)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.INVALID])
def test_what_is_valid_and_not_joined_is_refused_with_what_can_be_done(cause: Cause) -> None:
    told = refusal(ROOM, Objection(cause, "so it is", "SCP-06 §5"))
    assert isinstance(told, RefusedError)
    assert told.message == "it was not joined: so it is"
    assert told.data["cause"] == cause.value
    assert told.hint
