"""Commands without a daemon: the same verbs in this process, under the home's lock. (SCP-08 §1.3)"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from swarmchat.account.home import Home
from swarmchat.errors import SwarmchatError
from swarmchat.links.tcp import TcpCarrier
from swarmchat.node import checkup
from swarmchat.node import config as configs
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.checkup import Finding
from swarmchat.node.commands import HomeCommands, NodeCommands
from swarmchat.node.node import Node, Parts
from swarmchat.node.settings import SettingsFile
from swarmchat.node.verbs import absolute
from swarmchat.runtime import SystemRuntime

MakeCommands = Callable[[Node, AccountVerbs, int, None], NodeCommands]

_LOCK_WAIT_S = 2.0  # another command is over in a moment; a daemon is not


class Offline:
    """A node that no link leads to: `call` does one verb."""

    def __init__(self, home: Home, password: str | None, runner: asyncio.Runner, commands: MakeCommands) -> None:
        self._commands = commands
        self._home = home
        self._password = password
        self._runner = runner
        self._runtime = SystemRuntime()
        self._accounts = AccountVerbs(home, self._runtime)
        self._node: Node | None = None
        self._verbs: NodeCommands | None = None

    def call(self, method: str, arguments: dict[str, Any]) -> Any:
        """The result of one method whose parameters are checked; raises what the verb raises."""
        if method == "doctor" and (findings := self._unopened(**arguments)):
            return findings
        if method == "debug.bundle" and (findings := self._unopened() or self._without_account()):
            return self._bundle(findings, **arguments)
        if method.startswith("config."):
            return SettingsFile(self._home.config_file).call(method, arguments)
        if method in {"account.create", "account.show"} or not self._accounts.store.exists():
            return HomeCommands(self._accounts).call(method, arguments)
        return self._runner.run(self._do(method, arguments))

    def _unopened(self, *, repair: bool = False) -> list[dict[str, Any]]:
        """What keeps the node from being opened, beside all else about the home; empty when nothing does."""
        store = self._accounts.store
        findings = self._looked()
        if repair and checkup.is_fault(findings, "state"):
            store.put_state_aside()
            findings = self._looked()
        if checkup.is_fault(findings, "settings", "account", "state"):
            return [asdict(one) for one in findings]
        return []

    def _looked(self) -> list[Finding]:
        return list(checkup.of_home(self._home, self._accounts.store))

    def _without_account(self) -> list[dict[str, Any]]:
        return [] if self._accounts.store.exists() else [asdict(one) for one in self._looked()]

    def _bundle(self, findings: list[dict[str, Any]], *, path: str) -> dict[str, Any]:
        """What can be said of a home whose node cannot be opened."""
        from swarmchat.node import debugbundle  # noqa: PLC0415 - archives and platform, for who makes one

        found: dict[str, Any] = {"doctor": findings}
        with contextlib.suppress(SwarmchatError):
            found["settings"] = SettingsFile(self._home.config_file).show()
        key, now = self._runtime.entropy(32), self._runtime.now()
        return debugbundle.write(absolute(path), self._home, key, now, found, self._names())

    def _names(self) -> set[str] | None:
        """What an account that cannot be opened calls people and things by; None when that cannot be read either."""
        from swarmchat.node import debugbundle  # noqa: PLC0415 - see above

        store = self._accounts.store
        try:
            return debugbundle.words(store.load_state()) | {store.identity().name} if store.exists() else set()
        except SwarmchatError:
            return None

    async def _do(self, method: str, arguments: dict[str, Any]) -> Any:
        if self._node is None:
            account = await self._runtime.offload(self._accounts.store.load, self._password)
            parts = Parts(self._runtime, TcpCarrier())
            self._node = Node(self._home, configs.load(self._home.config_file), self._accounts.store, account, parts)
            self._verbs = self._commands(self._node, self._accounts, os.getpid(), None)
            await self._node.swarm.load()
            self._node.journal.flush()  # what the last run had not told
        assert self._verbs is not None
        try:
            return await getattr(self._verbs, method.replace(".", "_"))(**arguments)
        finally:
            self._node.journal.flush()

    def close(self) -> None:
        """Close every file."""
        if self._node is not None:
            self._node.close()


@contextmanager
def open_commands(
    home: Home, *, password: str | None = None, commands: MakeCommands = NodeCommands
) -> Iterator[Offline]:
    """The verbs of a home while no daemon runs, as `commands` makes them of its node. Raises UserError when somebody else holds the home."""
    made = home.absent()
    home.prepare()
    with home.lock("a command", wait_s=_LOCK_WAIT_S), asyncio.Runner() as runner:
        offline = Offline(home, password, runner, commands)
        try:
            yield offline
        finally:
            offline.close()
            home.withdraw(made)
