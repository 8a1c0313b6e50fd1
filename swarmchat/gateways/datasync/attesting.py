"""What a member said in a commit that carries no message, passed on by another member in his own name. Pure. (SCP-09 §4.5)

Peers without git cannot check whose words they are: so a node gives out only what its log bears out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from swarmchat.conversation import actions
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.rejection import Rejection
from swarmchat.gateways.datasync.mapping import FIELD
from swarmchat.gateways.datasync.messages import Body, Content, Post, commit_post
from swarmchat.ids import AccountId, CommitId, account_id, commit_id
from swarmchat.limits import DATASYNC_ATTESTED_BYTES_MAX

ATTEST: Final = "attest"  # the body of an event that passes on
BY: Final = "by"  # in the JSON of the message: whose words it says they are,
COMMIT: Final = "commit"  # in which commit they stand,
AT: Final = "at"  # and its time, seconds in decimal
_OF: Final = "of"  # in the JSON of the event: that commit
_GATEWAYS: Final = frozenset({FIELD, "status"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a message says of words that are not its sender's."""

    by: AccountId
    commit: CommitId


def intention(commit: CommitId) -> dict[str, str]:
    """What the JSON of an event says so that it passes on the text of a commit."""
    return {"body": ATTEST, _OF: commit}


def target(said: Mapping[str, Any]) -> CommitId | None:
    """The commit that an event passes on; None for another event."""
    wanted = said.get(_OF)
    if said.get("body") != ATTEST or not isinstance(wanted, str):
        return None
    try:
        return commit_id(wanted)
    except ValueError:
        return None


def attested(commit: Commit, author: AccountId) -> Post | None:
    """What is said of a commit; None unless it is a text, and short enough."""
    if not isinstance(commit.action, actions.Post):
        return None
    told = {key: value for key, value in commit.body.items() if key not in _GATEWAYS}
    text = _written(told | {BY: author, COMMIT: commit.id, AT: str(commit.time)})
    return commit_post(text) if len(text.encode()) <= DATASYNC_ATTESTED_BYTES_MAX else None


def claim(body: Body) -> Claim | None:
    """Whose words a message says it passes on; None for what speaks for its sender."""
    if not isinstance(body, Post) or body.content is not Content.COMMIT:
        return None
    told = actions.read_object(body.data)
    if isinstance(told, Rejection) or told.get("type") != actions.TEXT:
        return None
    by, commit = told.get(BY), told.get(COMMIT)
    if not isinstance(by, str) or not isinstance(commit, str):
        return None
    try:
        return Claim(account_id(by), commit_id(commit))
    except ValueError:
        return None


def bears_out(body: Body, commit: Commit, author: AccountId) -> bool:
    """Whether a message says what that commit says, and whose it is."""
    wanted = attested(commit, author)
    if wanted is None or not isinstance(body, Post) or body.content is not Content.COMMIT:
        return False
    told = actions.read_object(body.data)
    return not isinstance(told, Rejection) and _written(told) == wanted.text


def _written(told: Mapping[str, Any]) -> str:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
