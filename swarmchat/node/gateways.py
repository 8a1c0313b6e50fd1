"""What a node asks of gateways: foreign forms of what is written, and who speaks through whom. (SCP-09)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.commit import Commit
from swarmchat.ids import AccountId
from swarmchat.node.unread import PassedOn
from swarmchat.node.views import JsonObject
from swarmchat.swarm.events import Event
from swarmchat.swarm.parts import Bridge


class Gateways(Bridge, Protocol):
    """All gateways of one node."""

    def credit(self, log: CommitLog | ArchivedLog, commit: Commit) -> JsonObject | None:
        """Who really says what a commit says, as `via` of a message shows it; None for its author. Under the log's lock."""
        ...

    def foreign(self, log: CommitLog | ArchivedLog) -> Mapping[AccountId, JsonObject]:
        """Who takes part through which gateway alone, and what they call themselves: `{"gateway","name"}`. Under the log's lock; StorageError."""
        ...

    def passed_on(self, log: CommitLog | ArchivedLog) -> PassedOn | None:
        """Counts what somebody else is credited with; None where no gateway is open. To be called under the log's lock."""
        ...

    def note(self, event: Event) -> None:
        """Something happened. Quick: in the loop."""
        ...

    async def run(self) -> None:
        """Do what is due until cancelled."""
        ...

    def close(self) -> None:
        """Close every file."""
        ...
