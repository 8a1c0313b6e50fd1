"""Carries sealed mail: ours into the mailboxes of others, and out of our own what is meant for us. (SCP-05 §1.6, SCP-06 §9)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from swarmchat.crypto.letters import LetterError, open_letter, seal_letter
from swarmchat.discovery.blinding import DhtKey, Purpose, blinded_key, reading, writing
from swarmchat.discovery.cards import Card
from swarmchat.discovery.directory import Directory, Entry, Found
from swarmchat.errors import SwarmchatError
from swarmchat.ids import DeviceId
from swarmchat.limits import LETTER_RETRY_S, LETTER_TRIES_MAX, LETTERS_WAITING_MAX, POSTED_RETRY_S
from swarmchat.links.peers import LinkClass
from swarmchat.swarm import sealed
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Letter
from swarmchat.swarm.mailbox import Mailbox
from swarmchat.swarm.outbox import Outbox, Posting
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.sealed import LetterFault

_log = logging.getLogger(__name__)

Deliver = Callable[[Sender, Letter], Awaitable[None]]


class Courier:
    """`deliver` gets each letter that is for us, proved and within bounds, one after the other."""

    def __init__(self, parts: Parts, directory: Directory, deliver: Deliver) -> None:
        self._parts = parts
        self._directory = directory
        self._deliver = deliver
        self._outbox = Outbox()
        self._mailbox = Mailbox()
        self._letters: asyncio.Queue[tuple[Sender, Letter, int]] = asyncio.Queue(LETTERS_WAITING_MAX)
        self._stops: dict[int, Callable[[], None]] = {}
        self._wake = asyncio.Event()

    # --- out

    def post(self, posting: Posting) -> None:
        """Put a letter as soon as its turn comes; what is too much is dropped, for all mail is sent again or asked for."""
        if not self._outbox.post(posting):
            _log.info("too much mail waits: one letter to %s is dropped", posting.to.device)
        self._wake.set()

    def withdraw(self, device: DeviceId) -> None:
        """The device is linked."""
        self._outbox.withdraw(device)

    async def run(self) -> None:
        """Put, read and deliver, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                while True:
                    self._wake.clear()
                    if self._directory.connected:
                        for posting in self._outbox.take(self._parts.runtime.monotonic()):
                            tasks.create_task(self._put(posting))
                    await self._sleep()
        finally:
            for stop in self._stops.values():
                stop()
            self._stops.clear()

    async def _put(self, posting: Posting) -> None:
        stored = True  # what cannot be written is not tried again
        try:
            entry = self._sealed(posting)
            if entry is not None:
                stored = await self._directory.put(entry) > 0
        finally:
            self._outbox.done(posting, self._parts.runtime.monotonic(), stored=stored)
            self._wake.set()

    def _sealed(self, posting: Posting) -> Entry | None:
        """None for a device without a card."""
        card = self._card(posting.to)
        if card is None:
            return None
        mine, now, device = self._parts.account, self._parts.runtime.now(), bytes.fromhex(posting.to.device)
        key = blinded_key(Purpose.MAILBOX, device, writing(now))
        try:
            plain = sealed.write(
                Letter(posting.mail, int(now)),
                account=mine.certificate,
                device=mine.device_certificate,
                key=mine.device_key,
                to=posting.to.device,
            )
            data = seal_letter(plain, card.seal, purpose=Purpose.MAILBOX, device=device, key=key)
        except ValueError as error:  # a mail that is too long, or a card with a key that is none
            _log.warning("mail to %s cannot be sealed: %s", posting.to.device, error)
            return None
        return Entry(key, bytes([posting.slot]), data, ttl_s=posting.ttl_s)

    def _card(self, whose: Sender) -> Card | None:
        known = self._parts.finder.devices(whose.account)
        return next((card for card in known if card.device_id == whose.device), None)

    async def _sleep(self) -> None:
        wake_at = self._outbox.wake_at()
        delay_s = None if wake_at is None else max(0.0, wake_at - self._parts.runtime.monotonic())
        if wake_at is not None and not self._directory.connected:
            delay_s = POSTED_RETRY_S
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    # --- in

    def look(self) -> None:
        """Watch our mailbox in the buckets of now."""
        device = bytes.fromhex(self._parts.account.device)
        buckets = reading(self._parts.runtime.now())
        for number in sorted(self._stops.keys() - set(buckets)):
            self._stops.pop(number)()
        for number in buckets:
            if number not in self._stops:
                key = blinded_key(Purpose.MAILBOX, device, number)
                self._stops[number] = self._directory.watch(key, partial(self._found, key))

    def _found(self, key: DhtKey, found: Found) -> None:
        now = self._parts.runtime.monotonic()
        if not self._mailbox.admits(found, now):
            return
        opened = self._opened(key, found)
        if opened is None:
            self._mailbox.rubbish(found, now)
            return
        sender, letter = opened.sender, opened.letter
        standing = self._parts.access.standing(sender.account, sender.device)
        if not self._mailbox.counts(sender.account, now, is_stranger=standing is LinkClass.STRANGER):
            _log.debug("too much mail of %s", sender.account)
        elif letter is not None and not self._letters.full():
            self._letters.put_nowait((sender, letter, 0))

    def _opened(self, key: DhtKey, found: Found) -> sealed.Opened | None:
        mine = self._parts.account
        privates, device = mine.sealing.privates, bytes.fromhex(mine.device)
        try:
            plain = open_letter(found.data, privates, purpose=Purpose.MAILBOX, device=device, key=key)
        except LetterError:
            return None
        opened = sealed.read(plain, to=mine.device, now=self._parts.runtime.now(), revoked=self._parts.access.revoked)
        return None if isinstance(opened, LetterFault) else opened

    async def _read(self) -> None:
        while True:
            sender, letter, tries = await self._letters.get()
            try:
                await self._deliver(sender, letter)
            except SwarmchatError as error:
                _log.warning("mail of %s: %s", sender.account, error)
                await self._parts.runtime.sleep(LETTER_RETRY_S)
                if tries < LETTER_TRIES_MAX and not self._letters.full():  # a full disk may have room soon
                    self._letters.put_nowait((sender, letter, tries + 1))
