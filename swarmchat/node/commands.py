"""All verbs of a node in one object: what the local door calls. (SCP-08 §3.1)"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from swarmchat import __version__, limits
from swarmchat.account.state import Setting
from swarmchat.commitlog import foreign
from swarmchat.errors import NotFoundError, SwarmchatError, UnreachableError, UsageError
from swarmchat.node import views
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.audit import AuditVerbs, is_path, verdict
from swarmchat.node.bundling import BundleVerbs
from swarmchat.node.devices import DeviceVerbs
from swarmchat.node.exporting import ExportVerbs
from swarmchat.node.members import MemberVerbs
from swarmchat.node.messages import MessageVerbs
from swarmchat.node.node import Node
from swarmchat.node.people import PeopleVerbs
from swarmchat.node.searching import SearchVerbs
from swarmchat.node.settings import SettingsVerbs
from swarmchat.node.verbs import JsonObject, absolute
from swarmchat.node.web import Web, WebVerbs


class NodeCommands(
    MessageVerbs,
    MemberVerbs,
    PeopleVerbs,
    DeviceVerbs,
    SearchVerbs,
    ExportVerbs,
    BundleVerbs,
    AuditVerbs,
    SettingsVerbs,
    WebVerbs,
):
    """The verbs of a node that has its account. `stop` ends the process; None where there is none to end."""

    def __init__(
        self, node: Node, accounts: AccountVerbs, pid: int, stop: Callable[[], None] | None, web: Web | None = None
    ) -> None:
        super().__init__(node)
        self._web = web
        self._accounts = accounts
        self._pid = pid
        self._stop = stop

    async def account_create(self, *, name: str | None = None, password: str | None = None) -> JsonObject:
        """There is one: RefusedError."""
        return await self._node.runtime.offload(self._accounts.create, name, password)

    async def account_show(self) -> JsonObject:
        """Who this node is, and what its user chose."""
        return await self._node.runtime.offload(self._accounts.show, self._node.config)

    async def account_set(
        self, *, name: str | None = None, read_receipts: str | None = None, typing: str | None = None
    ) -> JsonObject:
        """Name and settings of the account, on all its devices."""
        wanted: dict[str, Setting] = {} if name is None else {"name": name}
        told = (("send_read_receipts", read_receipts), ("send_typing", typing))
        wanted |= {setting: choice == "on" for setting, choice in told if choice is not None}
        if not wanted:
            raise UsageError("nothing to set", hint="give --name, --read-receipts or --typing")
        for setting, value in wanted.items():
            await self._node.swarm.own.set(setting, value)
        return await self.account_show()

    async def account_export(self, *, path: str, password: str) -> JsonObject:
        """Write the sealed archive into a new file."""
        node = self._node
        state, told = node.keeper.state, node.for_archive()
        return await node.runtime.offload(
            self._accounts.export, str(absolute(path)), password, node.account, state, node.catalog, told
        )

    async def account_import(self, *, path: str, password: str, check: bool = False) -> JsonObject:
        """There is an account: only `check` is possible."""
        file = str(absolute(path))
        return await self._node.runtime.offload(lambda: self._accounts.import_(file, password, check=check))

    async def account_set_password(self, *, password: str | None = None, old: str | None = None) -> JsonObject:
        """Seal the keys of this home with a password; without one they lie open. A sealed one wants the old one."""
        return await self._node.with_account(lambda account: self._accounts.set_password(account, password, old))

    async def daemon_status(self) -> JsonObject:
        """The running daemon."""
        node = self._node
        if self._stop is None:
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        return {
            "pid": self._pid,
            "version": __version__,
            "home": str(node.home.data),
            "account": node.account.id,
            "device": node.account.device,
            "name": node.account.name,
            "revoked": node.account.is_revoked,
            "started": views.time(node.started),
            "listen": [str(address) for address in node.listens],
            "links": len(node.swarm.links.links),
            "conversations": len(self._known()),
            "dht": asdict(node.dht.status),
        }

    async def dht_status(self) -> JsonObject:
        """How this node stands in the DHT."""
        if self._stop is None:
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        part, dht = self._node.dht, self._node.dht.dht
        metrics, nodes = {} if dht is None else dht.metrics(), part.nodes()
        return asdict(part.status) | {
            "id": None if dht is None else dht.id.hex(),
            "listen": [] if dht is None else [str(address) for address in dht.listens],
            "bootstrap": [str(one) for one in self._node.config.dht_bootstrap],
            "serves": dht is not None and dht.serves,
            "contacts": len({node.id for node in nodes}),
            "nodes": [
                {
                    "id": node.id,
                    "address": str(node.address),
                    "source": node.source,
                    "heard": views.time(self._node.runtime.now() - node.age_s),
                }
                for node in nodes[: limits.API_PARAM_ITEMS_MAX]
            ],
            "records": int(metrics.get("swarmchat_dht_records", 0)),
            "metrics": metrics,
        }

    async def debug_bundle(self, *, path: str) -> JsonObject:
        """How this node stands, in one file that can be shown to others."""
        from swarmchat.node import debugbundle  # noqa: PLC0415 - archives and platform, for who makes one

        node = self._node
        asked: debugbundle.Asked = {
            "doctor": self.doctor,
            "settings": self.config_show,
            "daemon": self.daemon_status,
            "dht": self.dht_status,
            "peers": self.peer_list,
            "sync": self.sync_status,
            "conversations": self.conversation_list,
            "counts": self._counts,
        }
        names = await self._own_words()
        found = await debugbundle.answers(asked)
        key, now = node.runtime.entropy(32), node.runtime.now()
        return await node.runtime.offload(debugbundle.write, absolute(path), node.home, key, now, found, names)

    async def _counts(self) -> JsonObject:
        state = self._node.keeper.state
        return {
            "contacts": sum(contact.active for contact in state.contacts.values()),
            "blocked": sum(contact.blocked for contact in state.contacts.values()),
            "requests": len(state.requests),
            "devices": len(state.devices),
            "events": await self._node.runtime.offload(self._node.journal.counts),
        }

    async def _own_words(self) -> set[str]:
        """What people called things: it must show nowhere."""
        from swarmchat.node import debugbundle  # noqa: PLC0415 - see above

        words = debugbundle.words(self._node.keeper.state) | {self._node.account.name, self._node.config.name or ""}
        with suppress(SwarmchatError):
            words |= {row["title"] for row in await self.conversation_list()}
        for known in self._known():
            with suppress(SwarmchatError):
                words |= {name for names in (await self._names_in(known.id)).values() for name in names}
        return words

    async def daemon_stop(self) -> JsonObject:
        """End the running daemon; answers first."""
        if self._stop is None:
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        self._stop()
        return {"pid": self._pid, "stopping": True}


class HomeCommands:
    """The verbs of a home that has no account yet: those of the account, and a hint for all others."""

    def __init__(self, accounts: AccountVerbs) -> None:
        self._accounts = accounts

    def call(self, method: str, arguments: JsonObject) -> JsonObject:
        """Do one of the few verbs that need no account; NotFoundError with a hint for the rest."""
        match method:
            case "account.create":
                return self._accounts.create(arguments.get("name"), arguments.get("password"))
            case "account.import":
                check = bool(arguments.get("check", False))
                return self._accounts.import_(str(absolute(arguments["path"])), arguments["password"], check=check)
            case "account.show":
                return self._accounts.show()
            case "verify" if is_path(arguments["conversation"]):
                report = foreign.verify(Path(arguments["conversation"]))
                return verdict(report, allowed_signers=bool(arguments.get("allowed_signers", False)))
            case _:
                raise NotFoundError(
                    "there is no account here yet",
                    hint="make one: swarmchat account create --name NAME; or become a device of one: swarmchat link",
                )
