"""News for members who are not linked: one notice for each conversation and device, the newest. Pure. (SCP-05 §1.5)"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from swarmchat.ids import ConversationId, DeviceId
from swarmchat.limits import NOTICE_EVERY_S, NOTICES_WAITING_MAX
from swarmchat.swarm.mail import Notice

Name = tuple[ConversationId, DeviceId]


class Notices:
    """`now` is the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Name, Notice] = OrderedDict()
        self._sent: OrderedDict[Name, float] = OrderedDict()

    def news(self, notice: Notice, devices: Iterable[DeviceId]) -> None:
        """There is news; the oldest notice goes for what is too many."""
        for device in devices:
            name = notice.conversation, device
            self._waiting.pop(name, None)
            self._waiting[name] = notice
        while len(self._waiting) > NOTICES_WAITING_MAX:
            self._waiting.popitem(last=False)

    def over(self, device: DeviceId) -> None:
        """A device is linked, or nobody to us any more."""
        for name in [name for name in self._waiting if name[1] == device]:
            del self._waiting[name]

    def take(self, is_online: Callable[[DeviceId], bool], now: float) -> list[tuple[DeviceId, Notice]]:
        """The notices to be sent now: to who can be reached, to each at most once a minute about one conversation."""
        while self._sent and next(iter(self._sent.values())) <= now - NOTICE_EVERY_S:
            self._sent.popitem(last=False)
        ready = [name for name in self._waiting if name not in self._sent and is_online(name[1])]
        for name in ready:
            self._sent[name] = now
        return [(name[1], self._waiting.pop(name)) for name in ready]
