"""The verbs of my own devices: list, link another one, rename, revoke. (SCP-01 §3, SCP-08 §2.1)"""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING, Final

from swarmchat import limits
from swarmchat.account.account import display_name
from swarmchat.account.records import OwnDevice
from swarmchat.crypto.revocation import device_prefix
from swarmchat.errors import NotFoundError, RefusedError, UnreachableError, UsageError
from swarmchat.ids import DeviceId
from swarmchat.node import views
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, Verbs, peer_address

if TYPE_CHECKING:
    from swarmchat.swarm.linking import Linking

_WHOLE_ID: Final = re.compile(r"[0-9a-f]{64}")


class DeviceVerbs(Verbs):
    """Everything about own devices."""

    _accounts: AccountVerbs

    async def device_list(self) -> list[JsonObject]:
        """The devices of my account, this one first."""
        return [self._device(device) for device in await self._node.own_devices()]

    async def device_add(
        self,
        *,
        code: str,
        may_link: bool = False,
        addresses: list[str] | None = None,
        timeout: float | None = None,
    ) -> JsonObject:
        """Find the new device that shows the code, and wait until it and its user agree."""
        from swarmchat.swarm.pairing_code import PairingCode, parse_code  # noqa: PLC0415 - as SPAKE2: for who links a device

        read = parse_code(code)
        named = tuple(peer_address(text) for text in addresses or ())
        read = PairingCode(read.device, read.words, (*named, *read.addresses)[: limits.ADDRESSES_PER_DEVICE_MAX])
        noted = self._node.keeper.state.devices.get(self._node.account.device)
        name = (noted.name if noted else "") or display_name(platform.node()[: limits.DISPLAY_NAME_CHARS_MAX])
        known = await self._node.own_devices()
        in_use = frozenset(one.id for one in known if not self._device(one)["revoked"])
        asked = await self._linking().add(read, may_link=may_link, name=name, in_use=in_use, timeout_s=timeout)
        return {"pairing": asked.id, "device": asked.device, "name": asked.name, "address": str(asked.address)}

    async def device_confirm(self, *, pairing: str, accept: bool) -> JsonObject:
        """Hand the account over to the device that waits, or refuse it."""
        node = self._node
        told = node.for_archive()

        def document(with_key: bool) -> bytes:
            return self._accounts.document(node.account, node.keeper.state, node.catalog, told, with_key=with_key)

        device = await self._linking().confirm(pairing, document if accept else None)
        if device is None:
            return {"id": None, "name": "", "state": "refused"}
        return {"id": device.id, "name": device.name, "state": "linked"}

    async def device_rename(self, *, name: str, device: str | None = None) -> JsonObject:
        """Call this device, or another one, `name`."""
        called = display_name(name)
        if not called:
            raise UsageError("a device has a name of at least one character")
        known = {one.id: one for one in await self._node.own_devices()}
        which = self._node.account.device if device is None else self._resolved(device, known)

        if which not in known:
            raise NotFoundError("this account has no such device", hint="swarmchat device list")
        if not await self._node.swarm.own.rename_device(known[which], called):
            raise RefusedError(f"{limits.OWN_DEVICES_MAX} devices of this account are known already")
        return {"id": which, "name": called}

    async def device_revoke(self, *, device: str) -> JsonObject:
        """Declare a device of mine no longer mine, in every conversation."""
        known = {one.id: one for one in await self._node.own_devices()}
        which = self._resolved(device, known)
        may_link = self._device(known[which])["may_link"] if which in known else None
        count = await self._node.revoke(which)
        return {"id": which, "state": "revoked", "conversations": count, "may_link": may_link}

    # --- inside

    def _linking(self) -> Linking:
        if not self._node.listens:
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        self._node.swarm.own.must_be_ours()
        return self._node.swarm.own.linking

    def _device(self, device: OwnDevice) -> JsonObject:
        mine, noted = self._node.account, self._node.keeper.state.devices
        this = device.id == mine.device
        return {
            "id": device.id,
            "name": device.name,
            "this": this,
            "revoked": device.revoked_ms > 0 or device_prefix(device.id) in mine.revoked,
            "may_link": device.may_link if this or device.id in noted else None,
            "since": views.from_ms(device.added_ms),
        }

    def _resolved(self, text: str, known: dict[DeviceId, OwnDevice]) -> DeviceId:
        """A device by prefix or name; by its whole id also one that never showed itself here (SCP-01 §3.2)."""
        try:
            return resolve(text, {one.id: [one.name] for one in known.values()}, "device")
        except NotFoundError as error:
            if _WHOLE_ID.fullmatch(text.strip().lower()):
                return DeviceId(text.strip().lower())
            raise NotFoundError(error.message, hint=error.hint or "swarmchat device list") from None
