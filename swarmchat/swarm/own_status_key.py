"""The account's key with Status: made on first use, the same on all own devices. The `status-key` of channel `device`. (SCP-04 §7.8)"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from swarmchat.account.statuskey import StatusKey
from swarmchat.crypto.revocation import device_prefix
from swarmchat.crypto.scalars import SECRET_BYTES
from swarmchat.ids import DeviceId
from swarmchat.links.frames import Message
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.own_devices import OwnDevices
from swarmchat.swarm.parts import AccountKeeper, Parts

if TYPE_CHECKING:
    from swarmchat.crypto.secp256k1 import Secret

KIND: Final = "status-key"

_log = logging.getLogger(__name__)


def encode(key: StatusKey) -> Message:
    """The map that travels."""
    return {"t": KIND, "generation": key.generation, "secret": key.secret}


def decode(fields: Message) -> StatusKey:
    """The key of a map; MessageError for one that is none. Unknown keys are left out."""
    match fields:
        case {"generation": int(generation), "secret": bytes(secret)}:
            try:
                return StatusKey(generation, secret)
            except ValueError as error:
                raise MessageError(f"{KIND}: {error}") from None
        case _:
            raise MessageError(f"{KIND}: no key")


class OwnStatusKey:
    """The key as the account's file has it: of two that devices hold the greater one is it, on all of them."""

    def __init__(self, parts: Parts, keeper: AccountKeeper, own: OwnDevices) -> None:
        self._parts = parts
        self._keeper = keeper
        self._own = own
        self._last: tuple[StatusKey, Secret] | None = None  # computing the public half takes a while
        own.add(KIND, self)

    def now(self) -> Secret | None:
        """The key in force, None where none was made yet; from any thread, a look at two attributes mostly."""
        key = self._parts.account.status_key
        return None if key is None else self._secret(key)

    async def ensure(self) -> Secret:
        """The key in force, made now if there was none, durable. StorageError."""
        held = self.now()
        if held is not None:
            return held
        drawn = self._drawn()
        return self._secret(await self._changed(lambda key: drawn if key is None else key))

    async def set(self, secret: bytes) -> Secret:
        """The key is this one from now on, on all own devices. ValueError for bytes that are none, RefusedError, StorageError."""
        return self._secret(await self._changed(lambda key: StatusKey.set(secret, key)))

    # --- Kind

    def opening(self, device: DeviceId) -> Iterable[Message]:
        """The key, if there is one and the device is still one of the account."""
        key = self._parts.account.status_key
        return [] if key is None or self._is_revoked(device) else [encode(key)]

    async def heard(self, device: DeviceId, fields: Message) -> None:
        """Another device's key; whoever is linked is told if it is the account's now. MessageError, StorageError."""
        theirs, held = decode(fields), self._parts.account.status_key
        if theirs.merged(held) == held:
            return
        await self._keeper.rekey_status(theirs.merged)
        level = logging.INFO if held is None else logging.WARNING
        _log.log(level, "the account's Status key is that of %s now, generation %d", device, theirs.generation)
        self._tell(but=device)

    # --- inside

    async def _changed(self, step: Callable[[StatusKey | None], StatusKey]) -> StatusKey:
        before = self._parts.account.status_key
        key = await self._keeper.rekey_status(step)
        if key != before:
            self._tell()
        return key

    def _tell(self, but: DeviceId | None = None) -> None:
        key = self._parts.account.status_key
        if key is None:
            return
        for device in self._own.linked:
            if device != but and not self._is_revoked(device):
                self._own.post(device, encode(key))

    def _is_revoked(self, device: DeviceId) -> bool:
        prefix, mine = device_prefix(device), self._parts.account
        return prefix in mine.revoked or prefix in self._parts.access.revoked(mine.id)  # in force, or heard of

    def _drawn(self) -> StatusKey:
        while True:  # one in 2^128 draws is no number of the curve
            try:
                return StatusKey.made(self._parts.runtime.entropy(SECRET_BYTES))
            except ValueError:
                continue

    def _secret(self, key: StatusKey) -> Secret:
        from swarmchat.crypto.secp256k1 import Secret  # noqa: PLC0415 - the curve's library is for who bridges

        last = self._last
        if last is None or last[0] != key:
            last = self._last = key, Secret(key.secret)
        return last[1]
