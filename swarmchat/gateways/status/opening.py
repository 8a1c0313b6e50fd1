"""A conversation is opened for Status by one of its admins. (SCP-09 §3.7)"""

from __future__ import annotations

from swarmchat.errors import RefusedError
from swarmchat.gateways.status import notes, pairs, tending
from swarmchat.gateways.status.gateway import StatusGateway
from swarmchat.gateways.status.speaking import Note
from swarmchat.ids import CommitId, ConversationId
from swarmchat.node.node import Node


async def open_for(node: Node, gateway: StatusGateway, conversation: ConversationId) -> CommitId:
    """Open a conversation for Status: bind our key first, as events count only after it, then tell all that stands.

    A one-to-one is opened by either of the two. The commit that opened it. NotFoundError, StorageError; RefusedError where it is
    open, is one with oneself, or we are no admin of a group.
    """
    log = await node.swarm.log(conversation)
    me = node.account.id
    is_pair = log.mode == 0
    if is_pair and pairs.two_of(log.history) is None:
        raise RefusedError(pairs.ALONE[0], hint=pairs.ALONE[1], data={"reason": "alone"})
    if not is_pair and not log.roster.is_admin(me):
        raise RefusedError(
            "only an admin opens a conversation for Status",
            hint="ask one of its admins: `swarmchat member list CONV` names them",
            data={"reason": "not-an-admin"},
        )

    def looked() -> tuple[bool, bool]:
        with log.still():
            ledger = gateway.ledger(log)
            return bool(ledger.chats) or ledger.is_bridged, not ledger.has_claimed(me)

    is_open, must_bind = await node.runtime.offload(looked)
    if is_open:
        raise RefusedError(
            "this conversation is open for Status already",
            hint="`swarmchat status show CONV` names its chat",
            data={"reason": "open"},
        )
    if must_bind:
        await gateway.bind(conversation)
    secret = await node.swarm.own.ensure_status_key()

    def opened() -> tuple[CommitId, Note] | None:
        with log.still():
            ledger = gateway.ledger(log)
            places = tending.parents(log, log.main, log.heads)
            number = max(places, key=lambda place: (ledger.clock(place), log.history.id(place)))
            at = log.history.id(number)
            if not ledger.bindings.is_bound(me, secret.public, at):
                return None
            if is_pair:
                return at, {notes.KEY: {}}
            return at, tending.opening(ledger, log, number, me, secret, int(node.runtime.now() * 1000))

    found = await node.runtime.offload(opened)
    if found is None:
        raise RefusedError(
            "this account has bound another key in this conversation",
            hint="a conversation keeps the first key: `swarmchat status identity` shows which that is",
            data={"reason": "other-key"},
        )
    at, note = found
    return await gateway.write(conversation, notes.BRIDGE, note, at)
