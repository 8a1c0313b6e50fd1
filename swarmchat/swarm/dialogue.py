"""The `sync` channel of one link: hello, and everything after it. Dispatches, decides nothing. (SCP-04 §2.1)"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from swarmchat.addresses import Address
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import (
    CONVERSATIONS_KNOWN_MAX,
    FOREIGN_MESSAGES_PER_MINUTE,
    HELLO_HEADS_MAX,
    HELLO_INTERVAL_S,
    SYNC_OUTBOX_BYTES_MAX,
    SYNC_OUTBOX_MAX,
    SYNC_RETRY_MAX_S,
    SYNC_RETRY_MIN_S,
)
from swarmchat.links.channel import SYNC, Channel
from swarmchat.links.link import Link
from swarmchat.runtime import Runtime
from swarmchat.swarm.messages import Bye, Got, Hello, News, Shared, SyncMessage, decode, encode, hellos

_log = logging.getLogger(__name__)

_MINUTE_S = 60.0
_FLUSH_S = 1.0
_FLUSH_LOOK_S = 0.01
_MESSAGE_COST = 256  # what a message weighs in the outbox beside its heads and its pack
_HEAD_COST = 64

Heads = tuple[CommitId, ...]


class Host(Protocol):
    """What a dialogue asks of the swarm."""

    def greeting(self, dialogue: Dialogue) -> tuple[list[Shared], Introduction]:
        """What is common with this peer now, with our heads; and who is where."""
        ...

    def introduced(self, dialogue: Dialogue, said: Introduction) -> None:
        """The peer said who is where, in one page of a hello."""
        ...

    def greeted(self, dialogue: Dialogue) -> None:
        """The peer said hello: `dialogue.mentioned` is what it believes is common."""
        ...

    def may_talk(self, dialogue: Dialogue) -> bool:
        """Whether we have anything to do with the peer on `sync`."""
        ...

    def heard(self, dialogue: Dialogue, message: SyncMessage) -> bool:
        """A message that is no hello; False when it is about a conversation that is not common."""
        ...

    def silent(self, dialogue: Dialogue) -> None:
        """The channel is over."""
        ...

    def refused(self, dialogue: Dialogue) -> None:
        """The peer does not take the channel: to it we are nobody, yet."""
        ...


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a hello says of who is where. (SCP-05 §1.10, §1.12)"""

    card: bytes | None = None  # the speaker's
    addresses: tuple[Address, ...] = ()  # the speaker's, for the listener alone
    cards: tuple[bytes, ...] = ()  # of others
    dht: int | None = None  # UDP port of the speaker's node of the DHT (SCP-05 §1.8)


class Foreign:
    """Counts messages about what is not common: 100 in a minute are enough. (SCP-04 §2.1)"""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=FOREIGN_MESSAGES_PER_MINUTE)

    def is_enough(self, now: float) -> bool:
        """One more came."""
        self._times.append(now)
        return len(self._times) == FOREIGN_MESSAGES_PER_MINUTE and now - self._times[0] < _MINUTE_S


class Dialogue:
    """One link's `sync`. `run` lives as long as the link; who dialled opens the channel, again when it was refused."""

    def __init__(self, link: Link, runtime: Runtime, host: Host) -> None:
        self.link = link
        self.talked = False  # the peer has said hello on the channel that is open
        self.was_useful = False  # it did, once on this link
        self.said_bye = False  # it goes
        self.mentioned: Mapping[ConversationId, Heads] = {}  # what the peer believes is common, from its last hello
        self.told: dict[ConversationId, Heads] = {}  # our heads in our last hello
        self.asked: set[ConversationId] = set()  # about these, whether the peer knows that we left
        self._runtime = runtime
        self._host = host
        self._channel: Channel | None = None
        self._pages: dict[ConversationId, Heads] = {}
        self._foreign = Foreign()
        self._outbox: deque[SyncMessage] = deque()
        self._weight = 0
        self._wake = asyncio.Event()
        self._try = asyncio.Event()
        self._ended = False
        self._greet_at = 0.0

    @property
    def device(self) -> DeviceId:
        """Whom we talk with."""
        return self.link.peer.device

    @property
    def account(self) -> AccountId:
        """Whose device it is."""
        return self.link.peer.account

    # --- what the swarm says

    def post(self, message: SyncMessage) -> None:
        """Send when the channel allows; a peer that is too slow loses its link."""
        if self._channel is None:
            return
        self._outbox.append(message)
        self._weight += _weight(message)
        if len(self._outbox) > SYNC_OUTBOX_MAX or self._weight > SYNC_OUTBOX_BYTES_MAX:
            self._outbox.clear()
            self._weight = 0
            self.link.close("it is too slow: too many messages wait for it")
            return
        self._wake.set()

    async def flushed(self) -> None:
        """Wait until what was posted has reached the other end, at most 1 s."""
        try:
            async with asyncio.timeout(_FLUSH_S):
                while (channel := self._channel) is not None and (self._outbox or channel.unsent):
                    await self._runtime.sleep(_FLUSH_LOOK_S)
                await self.link.ping()  # it answers in turn: what went before has come
        except (TimeoutError, LinkError):
            pass

    def greet(self) -> None:
        """The common set grew: say hello again."""
        self._greet_at = self._runtime.monotonic()
        self._wake.set()
        self._try.set()

    def hush(self) -> None:
        """There is nothing more to be said to the peer: close the channel, whoever opened it."""
        if self._channel is not None:
            self._channel.close()

    def end(self) -> None:
        """The link is gone, or another takes its place: open nothing more on it."""
        self._ended = True
        self._try.set()

    def try_again(self) -> None:
        """There is reason to believe that the peer would take the channel now."""
        self._try.set()

    # --- its life

    async def run(self) -> None:
        """Open the channel if that is ours to do, as often as it takes; until cancelled or the link is over."""
        if not self.link.dialled:
            return
        wait_s = SYNC_RETRY_MIN_S
        while not self._ended:
            self._try.clear()
            if self.link.is_open and self._channel is None and self._host.may_talk(self):
                await self._open_and_talk()
            try:
                async with asyncio.timeout(wait_s):
                    await self._try.wait()
                wait_s = SYNC_RETRY_MIN_S
            except TimeoutError:
                wait_s = min(wait_s * 2, SYNC_RETRY_MAX_S)

    async def _open_and_talk(self) -> None:
        try:
            channel, _ = await self.link.open_channel(SYNC)
        except PeerError as error:
            _log.info("sync with %s: %s", self.device, error)
            self._host.refused(self)
            return
        except LinkError as error:
            _log.debug("sync with %s: %s", self.device, error)
            return
        try:
            await self.talk(channel)
        except (LinkError, PeerError) as error:
            _log.info("sync with %s: %s", self.device, error)
        finally:
            channel.close()

    async def serve(self, channel: Channel) -> None:
        """The peer opened the channel."""
        if self._channel is not None:
            await channel.refuse("busy", "sync is open")
            return
        self._channel = channel
        try:
            await channel.accept()
        except BaseException:
            self._channel = None
            raise
        await self.talk(channel)

    async def talk(self, channel: Channel) -> None:
        """Say hello, then both ways until the end of one."""
        self._channel, self.talked = channel, False
        self._outbox.clear()
        self._weight = 0
        self._greet_at = self._runtime.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(self._speak(channel))
                await self._listen(channel)
                speaking.cancel()
        except ExceptionGroup as group:
            expected, others = group.split((LinkError, PeerError))
            if expected is None or others is not None:
                raise
            raise _first(expected) from None
        finally:
            self._channel, self.talked, self.mentioned = None, False, {}
            self._host.silent(self)

    # --- inside

    async def _listen(self, channel: Channel) -> None:
        while (fields := await channel.receive()) is not None:
            try:
                message = decode(fields)
            except PeerError as error:
                self.link.break_off(f"sync: {error}")
                raise
            if isinstance(message, Hello):
                self._hello(message)
            elif not self._is_heard(message) and self._foreign.is_enough(self._runtime.monotonic()):
                self.link.break_off("too many messages about what is not common")
                raise PeerError("bad-message", "too many messages about what is not common")
            if isinstance(message, Bye):
                self.said_bye = True
                return

    def _is_heard(self, message: SyncMessage | None) -> bool:
        return message is not None and self.talked and self._host.heard(self, message)

    def _hello(self, hello: Hello) -> None:
        said = Introduction(hello.card, hello.addresses, hello.cards, hello.dht)
        if said != Introduction():
            self._host.introduced(self, said)
        self._pages.update({shared.id: shared.heads for shared in hello.conversations})
        if (
            len(self._pages) > CONVERSATIONS_KNOWN_MAX
            or sum(len(heads) for heads in self._pages.values()) > HELLO_HEADS_MAX
        ):
            self.link.break_off("a hello without end")
            raise PeerError("too-big", "a hello without end")
        if hello.more:
            return
        self.mentioned, self._pages = self._pages, {}
        self.talked = self.was_useful = True
        self._host.greeted(self)

    async def _speak(self, channel: Channel) -> None:
        while True:
            self._wake.clear()
            if self._runtime.monotonic() >= self._greet_at:
                await self._say_hello(channel)
            while self._outbox:
                message = self._outbox.popleft()
                self._weight -= _weight(message)
                await channel.send(encode(message))
            if not self._wake.is_set():
                await self._rest()

    async def _say_hello(self, channel: Channel) -> None:
        self._greet_at = self._runtime.monotonic() + HELLO_INTERVAL_S
        shared, said = self._host.greeting(self)
        self.told = {each.id: each.heads for each in shared}
        for page in hellos(shared, said.card, addresses=said.addresses, cards=said.cards, dht=said.dht):
            await channel.send(encode(page))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._greet_at - self._runtime.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass


def _weight(message: SyncMessage) -> int:
    match message:
        case News(heads=heads, pack=pack):
            return _MESSAGE_COST + _HEAD_COST * len(heads) + (0 if pack is None else len(pack))
        case Got(heads=heads):
            return _MESSAGE_COST + _HEAD_COST * len(heads)
        case _:
            return _MESSAGE_COST


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """One of the errors that a group stands for."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
