"""Packs that peers ask for: two at a time for each device, of what is here. (SCP-04 §3.3)"""

from __future__ import annotations

from collections import Counter

from swarmchat.ids import DeviceId
from swarmchat.limits import SERVED_PACKS_PER_PEER_MAX
from swarmchat.links.channel import Channel
from swarmchat.swarm.messages import MessageError, read_pack_request
from swarmchat.swarm.rooms import Rooms


class Serving:
    """Answers `pack` channels; whether the peer may have the conversation was judged when the channel was opened."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._running: Counter[DeviceId] = Counter()

    @property
    def is_idle(self) -> bool:
        """Whether nobody is served now."""
        return not self._running

    async def serve(self, channel: Channel) -> bool:
        """Answer one request; whether it was served to its end. LinkError, PeerError, StorageError."""
        device = channel.link.peer.device
        try:
            request = read_pack_request(channel.opening)
        except MessageError as error:
            await channel.refuse(error.peer_code, str(error))
            return False
        replicator = self._rooms.get(request.conversation)
        if replicator is None or replicator.log.is_empty:
            await channel.refuse("unknown-conversation")
            return False
        if self._running[device] >= SERVED_PACKS_PER_PEER_MAX:
            await channel.refuse("busy", "two packs at a time")
            return False
        self._running[device] += 1
        try:
            await replicator.serve(channel, request)
        finally:
            self._running[device] -= 1
            if not self._running[device]:
                del self._running[device]
        return True
