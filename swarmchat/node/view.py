"""One conversation as it stands, for whoever shows something of it. (SCP-08 §2.5)"""

from __future__ import annotations

from collections.abc import Mapping

from swarmchat.commitlog.archives import ArchivedLog
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation import hiding
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.timeline import Timeline
from swarmchat.ids import AccountId, CommitId
from swarmchat.node import views
from swarmchat.node.gateways import Gateways
from swarmchat.node.unread import PassedOn
from swarmchat.node.views import JsonObject


class View:
    """To be read in a worker under the log's lock: then nothing changes while it is looked at."""

    def __init__(self, log: CommitLog | ArchivedLog, timeline: Timeline, gateways: Gateways | None = None) -> None:
        self.log = log
        self.timeline = timeline
        self._gateways = gateways

    def credit(self, commit: Commit) -> JsonObject | None:
        """Who really says what a commit says, where its author speaks for somebody who has no account. (SCP-09 §1)"""
        return None if self._gateways is None else self._gateways.credit(self.log, commit)

    def foreign(self) -> Mapping[AccountId, JsonObject]:
        """Who has no account and takes part through a gateway, and what they call themselves. (SCP-09 §1)"""
        return {} if self._gateways is None else self._gateways.foreign(self.log)

    def passed_on(self) -> PassedOn | None:
        """What counts commits whose author speaks for somebody else; None where nobody does."""
        return None if self._gateways is None else self._gateways.passed_on(self.log)

    @property
    def roster(self) -> Roster:
        """Who stands where now."""
        return self.log.roster

    @property
    def history(self) -> History:
        """All accepted commits."""
        return self.log.history

    def hidden(self) -> frozenset[CommitId]:
        """What is not shown. (SCP-02 §8.2)"""
        log = self.log
        return self.timeline.hidden(log.roster, lambda ban: log.fate(ban) is None, log.roster_at)

    def witnesses(self, commit: CommitId) -> dict[CommitId, CommitId | None]:
        """The removals of its author beside a commit, each with what vouches for it. (SCP-02 §8.2)"""
        log = self.log
        taken = hiding.removals(self.history, log.roster, lambda ban: log.fate(ban) is None)
        return hiding.witnesses(self.history, commit, log.roster, taken, log.roster_at)

    def names(self) -> dict[AccountId, list[str]]:
        """What the people of this conversation call themselves."""
        people = {*self.roster.joined, *self.roster.invited, *self.history.accounts}
        people.update(AccountId(target) for target, place in self.roster.banned.items() if place != "devices")
        return {who: [views.name(who, self.history, self.timeline, self.log.commit)] for who in people}
