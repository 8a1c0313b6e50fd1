"""The verbs of the account itself, which work before there is one. (SCP-01 §4, SCP-08 §2.1)"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from swarmchat import disk, limits
from swarmchat.account import account as accounts
from swarmchat.account import archive
from swarmchat.account.archive import ArchivedConversation
from swarmchat.account.home import Home
from swarmchat.account.records import KnownConversation
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.commitlog.catalog import Catalog
from swarmchat.discovery.addressbook import Candidate
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UserError
from swarmchat.ids import AccountId, DeviceId
from swarmchat.node import config as configs
from swarmchat.node.config import Config
from swarmchat.node.hosts import hosts
from swarmchat.runtime import Runtime
from swarmchat.swarm.parts import Fixed, Settings

JsonObject = dict[str, object]


class AccountVerbs:
    """Making, showing, exporting, importing and sealing the account of one home. Blocking: offload."""

    def __init__(self, home: Home, runtime: Runtime) -> None:
        self._home = home
        self._runtime = runtime
        self.store = AccountStore(home, runtime.entropy)

    def create(self, name: str | None, password: str | None) -> JsonObject:
        """Make the account of this home and its first device."""
        self._none_yet()
        account = accounts.create(name=name or "", now=int(self._runtime.now()), entropy=self._runtime.entropy)
        self.store.create(account, State(), password)
        return {"id": account.id, "device": account.device, "name": account.name}

    def show(self, config: Config | None = None) -> JsonObject:
        """Who this node is, and what its user chose, as its settings and the account say; needs no password."""
        identity = self.store.identity()
        config = config or configs.load(self._home.config_file)
        fixed = Fixed(config.name, config.send_read_receipts, config.send_typing)
        settings = Settings().chosen(self.store.load_state(), fixed)
        return {
            "id": identity.id,
            "device": identity.device,
            "name": config.name or identity.name,
            "revoked": identity.revoked,
            "read_receipts": settings.send_read_receipts,
            "typing": settings.send_typing,
        }

    def export(
        self,
        path: str,
        password: str,
        loaded: accounts.Account,
        state: State,
        catalog: Catalog,
        told: Mapping[DeviceId, Sequence[Candidate]],
    ) -> JsonObject:
        """Write the sealed archive into a file that must not exist yet; `told`: where devices may be found."""
        target = Path(path)
        if target.exists():
            raise UserError(f"{target} exists already", hint="choose another name; nothing is overwritten")
        known = self._archived_all(state, catalog, told)
        data = archive.export_archive(loaded, state, known, password, entropy=self._runtime.entropy)
        disk.write_new(target, data)
        shown = sum(not one.is_removed for one in known)
        return {"id": loaded.id, "path": str(target), "bytes": len(data)} | {"conversations": shown}

    def document(
        self,
        loaded: accounts.Account,
        state: State,
        catalog: Catalog,
        told: Mapping[DeviceId, Sequence[Candidate]],
        *,
        with_key: bool,
    ) -> bytes:
        """What a new device of the account is given over its link. (SCP-01 §3.2)"""
        return archive.document(loaded, state, self._archived_all(state, catalog, told), with_key=with_key)

    def import_(self, path: str, password: str, *, check: bool) -> JsonObject:
        """Take over an exported account with a new device; with `check` nothing is installed."""
        data = disk.read_bounded(Path(path), limits.ARCHIVE_BYTES_MAX)
        if data is None:
            raise NotFoundError(f"there is no file {path}")
        if check:
            found = archive.check(data, password)
            seen: JsonObject = {"id": found.id, "device": None, "name": found.name}
            return seen | {"conversations": found.conversations, "contacts": found.contacts}
        self._none_yet()
        now = int(self._runtime.now())
        machine = accounts.display_name(platform.node()[: limits.DISPLAY_NAME_CHARS_MAX])  # as `swarmchat link` does
        account, state = archive.import_archive(
            data, password, now=now, entropy=self._runtime.entropy, device_name=machine
        )
        self.store.create(account, state)
        return {"id": account.id, "device": account.device, "name": account.name} | counted(state)

    def set_password(self, account: accounts.Account, password: str | None, old: str | None) -> JsonObject:
        """Seal the keys of this home with a password; without one they lie open. PasswordNeededError unless `old` opens them."""
        self.store.load(old)
        self.store.set_password(account, password or None)
        return {"id": account.id, "sealed": bool(password)}

    def _none_yet(self) -> None:
        if self.store.exists():
            raise RefusedError(
                "there is an account in this home already",
                hint="`swarmchat account show` prints it; use --home DIR for another one",
            )

    def _archived_all(
        self, state: State, catalog: Catalog, told: Mapping[DeviceId, Sequence[Candidate]]
    ) -> list[ArchivedConversation]:
        return [self._archived(one, catalog, told) for one in state.conversations.values()]

    def _archived(
        self, known: KnownConversation, catalog: Catalog, told: Mapping[DeviceId, Sequence[Candidate]]
    ) -> ArchivedConversation:
        kept = ArchivedConversation.of(known)
        try:
            roster = catalog.open(known.id).roster
        except (NotFoundError, StorageError):
            return kept  # not cloned yet, left, or damaged: what the state knows must do
        members: tuple[AccountId, ...] = (*sorted(roster.admins), *sorted(roster.members))
        devices = [device for device, owner in roster.devices.items() if roster.is_joined(owner)]
        found = hosts(devices, told) or kept.hosts
        return replace(kept, mode=roster.mode, members=members[: limits.CLONE_MEMBERS_MAX], hosts=found)


def counted(state: State) -> JsonObject:
    """How much an account has, without what was left and removed."""
    return {
        "conversations": sum(not one.is_gone for one in state.conversations.values()),
        "contacts": sum(one.active for one in state.contacts.values()),
    }
