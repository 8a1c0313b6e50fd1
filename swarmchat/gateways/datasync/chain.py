"""What one sender said, each message after the one before it, as far as it is known. Pure. (SCP-09 §4.3, §4.7)"""

from __future__ import annotations

from swarmchat.gateways.datasync.payload import MessageId


class Chain:
    """The messages of one sender; those that he composed here, and those that are found, in any order."""

    def __init__(self) -> None:
        self._said: dict[MessageId, tuple[int, MessageId | None]] = {}  # when, in seconds, and after which
        self.last: MessageId | None = None  # the next one follows it

    def compose(self, message: MessageId, time: int, previous: MessageId | None) -> None:
        """It is said here and now."""
        self._said[message] = time, previous
        self.last = message

    def find(self, message: MessageId, time: int, previous: MessageId | None) -> bool:
        """It was said before, or elsewhere; whether another one is the last now."""
        before = self.last
        self._said[message] = time, previous
        self._choose()
        return self.last != before

    def take_back(self, message: MessageId) -> None:
        """It was never said."""
        del self._said[message]
        self._choose()

    def _choose(self) -> None:
        """Of what nothing follows, the latest."""
        followed = {previous for _, previous in self._said.values()}
        ends = [each for each in self._said if each not in followed]
        self.last = max(ends, key=lambda each: self._said[each][0], default=None)
