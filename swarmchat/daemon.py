"""The process: lock, signals, logging, the node and its local door. (SCP-08 §1.1)"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable, Mapping
from typing import Any

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from swarmchat.api.httpdoor import HttpDoor
from swarmchat.api.server import serve
from swarmchat.gateways.commands import GatewayCommands
from swarmchat.links.tcp import TcpCarrier
from swarmchat.node import config as configs
from swarmchat.node import logs
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.node import Node, Parts
from swarmchat.node.tokens import Tokens
from swarmchat.node.web import Web
from swarmchat.runtime import SystemRuntime
from swarmchat.supervisor import Supervisor

_log = logging.getLogger("swarmchat")


def run(
    home: Home,
    settings: Mapping[str, object],
    *,
    password: Callable[[], str | None],
    supervisor: Supervisor = Supervisor(),  # noqa: B008 - a value
) -> int:
    """Run the daemon of a home until SIGTERM, SIGINT or `daemon.stop`; the exit status.

    `settings` are dotted keys of the configuration that were given as flags; they win over the file. `password` is asked
    only if the account is sealed; `supervisor` hears when it is up. Raises UserError (a second daemon, no account, nothing to listen on), StorageError.
    """
    home.prepare()
    with home.lock("daemon"):
        config = configs.load(home.config_file, settings)
        logs.configure(config.log_level, config.log_format)
        runtime = SystemRuntime()
        accounts = AccountVerbs(home, runtime)
        account = accounts.store.load(password() if _is_sealed(accounts.store) else None)
        _allow_many_files()
        node = Node(home, config, accounts.store, account, Parts(runtime, TcpCarrier()))
        try:
            asyncio.run(_run(node, accounts, supervisor))
        finally:
            node.close()
    return 0


async def _run(node: Node, accounts: AccountVerbs, supervisor: Supervisor) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tokens = Tokens(node.home, node.runtime.now, node.runtime.entropy)
    door = HttpDoor(node, tokens)
    commands = GatewayCommands(node, accounts, os.getpid(), stop.set, Web(tokens, door.base))
    up = asyncio.Event()
    running = loop.create_task(node.run(up.set))
    try:
        async with door.standing(commands, up.is_set):
            await _first(running, up.wait())
            if not running.done():
                held = supervisor.listener(node.home.socket)
                async with serve(commands, node.home.socket, held=held):
                    listens = ", ".join(str(address) for address in node.listens)
                    _log.info(
                        "up: account %s, device %s, listening on %s", node.account.id, node.account.device, listens
                    )
                    with supervisor.up(lambda: _standing(node)):
                        await _first(running, stop.wait())
                    _log.info("stopping")
                    door.finish()
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=limits.SHUTDOWN_S)
    if running.done() and not running.cancelled():
        _raise_as_one(running.exception())


def _raise_as_one(fault: BaseException | None) -> None:
    """What ended the node, without the groups of the tasks that it went through."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    if fault is not None:
        raise fault


async def _first(running: asyncio.Task[None], event: Any) -> None:
    """Wait for an event, or for the node to end before it comes."""
    waiting = asyncio.get_running_loop().create_task(event)
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def _standing(node: Node) -> str:
    """For who asks its supervisor: no name, no id."""
    links, known = len(node.swarm.links.links), len(node.keeper.state.conversations)
    return f"{links} links, {known} conversations, DHT {node.dht.status.state}"


def _is_sealed(store: AccountStore) -> bool:
    return store.identity().sealed


def _allow_many_files() -> None:
    """A full mesh of 128 devices and 32 open repositories want more than the usual 1,024 descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.OPEN_FILES if hard == resource.RLIM_INFINITY else min(limits.OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
