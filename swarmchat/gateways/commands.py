"""The verbs of a node and of its gateways in one object. (SCP-09 §1.2)"""

from __future__ import annotations

from collections.abc import Callable

from swarmchat.gateways.datasync.gateway import DatasyncGateway
from swarmchat.gateways.datasync.verbs import DatasyncVerbs
from swarmchat.gateways.hub import Hub
from swarmchat.gateways.identity import IdentityVerbs
from swarmchat.gateways.status.gateway import StatusGateway
from swarmchat.gateways.status.verbs import StatusVerbs
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.commands import NodeCommands
from swarmchat.node.node import Node
from swarmchat.node.web import Web


class GatewayCommands(NodeCommands, IdentityVerbs, StatusVerbs, DatasyncVerbs):
    """All verbs; made once for a node, and before that runs."""

    def __init__(
        self, node: Node, accounts: AccountVerbs, pid: int, stop: Callable[[], None] | None, web: Web | None = None
    ) -> None:
        super().__init__(node, accounts, pid, stop, web)
        self.status = StatusGateway(node)
        self._datasync, self._serves = DatasyncGateway(node), stop is not None
        node.attach(Hub(node, (self.status, self._datasync)))
