"""The verbs of data sync. (SCP-08 §2.1, SCP-09 §4)"""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.conversation.actions import TEXT, Action, Add, Other
from swarmchat.errors import RefusedError, UnreachableError, UsageError
from swarmchat.gateways.datasync.gateway import BRIDGE, DatasyncGateway
from swarmchat.ids import ConversationId
from swarmchat.node.verbs import JsonObject, Verbs

if TYPE_CHECKING:
    from swarmchat.commitlog.log import CommitLog
    from swarmchat.conversation.entries import Entry
    from swarmchat.crypto.secp256k1 import Key
    from swarmchat.gateways.datasync.ledger import Ledger
    from swarmchat.gateways.datasync.payload import MessageId, PeerId
    from swarmchat.ids import CommitId
    from swarmchat.node.view import View

_NOT_OPEN = "open it first: swarmchat gateway mvds open CONV"
_ASK_ADMIN = "ask one of its admins to do it: swarmchat member list CONV"
_WHO_IS_IN = "swarmchat gateway mvds status says who is in"
_ADMINS_INVITE = (0, 1)  # modes
_log = logging.getLogger(__name__)


class DatasyncVerbs(Verbs):
    """Everything about data sync that is asked of a node."""

    _datasync: DatasyncGateway
    _serves: bool  # whether there is a daemon whose peers could call

    async def mvds_open(self, *, conversation: str) -> JsonObject:
        """Open a conversation for data sync; one that is open stays so."""
        from swarmchat.gateways.datasync import speaking  # noqa: PLC0415 - keys and codecs, for who uses them

        where = await self._conversation(conversation)
        node, gateway = self._node, self._datasync
        log = await node.swarm.log(where)
        if not gateway.is_open(log):
            if node.account.id not in log.roster.admins:
                raise RefusedError(
                    "only an admin opens a conversation for data sync", hint=_ASK_ADMIN, data={"rule": "SCP-09 §4.5"}
                )
            secret = await node.swarm.own.ensure_status_key()
            await gateway.bind(log)
            now = int(node.runtime.now())
            said = await gateway.look(log, lambda ledger: speaking.founding(ledger, secret, now))
            self._admitted(await node.swarm.append(where, Other(BRIDGE), extra=said))
        opening = await gateway.look(log, lambda ledger: ledger.opening)
        if opening is None:
            raise RefusedError("who opened it was no admin, or had no key", hint="an admin opens it again")
        return {"id": opening.commit, "conversation": where, "group": opening.message.group.hex()}

    async def mvds_invite(self, *, conversation: str, key: str) -> JsonObject:
        """Invite somebody who has no account, by his key."""
        from swarmchat.gateways.datasync.mapping import EVENT, intention  # noqa: PLC0415 - see above
        from swarmchat.gateways.keys import parsed  # noqa: PLC0415

        where = await self._conversation(conversation)
        whom = parsed(key, "`swarmchat gateway mvds peer` prints its own")
        log = await self._opened(where)
        roster = log.roster
        standing, account = await self._datasync.look(
            log, lambda ledger: (ledger.fold.standing, ledger.account_of(whom))
        )
        me = await self._node.swarm.own.ensure_status_key()
        if whom == me.public:
            raise RefusedError(
                "that is this account's own key", hint="a client prints its own: swarmchat gateway mvds peer"
            )
        if whom.raw in standing.members:
            raise RefusedError("whose key that is takes part already", hint=_WHO_IS_IN)
        if me.public.raw not in standing.members:
            raise RefusedError(
                "this account does not take part in data sync here yet",
                hint="it comes in by itself as soon as an admin's node has let it in",
            )
        if account != whom.uri and roster.is_joined(account):
            raise RefusedError(
                "that is the key of a member's account: its own node brings it in, with the next link", hint=_WHO_IS_IN
            )
        if roster.mode in _ADMINS_INVITE and self._node.account.id not in roster.admins:
            raise RefusedError("only an admin invites here", hint=_ASK_ADMIN, data={"rule": "SCP-09 §4.5"})
        action: Action = Add(account)
        said: dict[str, str] = {}
        if roster.is_invited(account):
            action, said = Other(EVENT), intention("invite", account)
        self._datasync.expect(where, whom)
        commit = self._admitted(await self._node.swarm.append(where, action, extra=said))
        return {"conversation": where, "key": whom.legacy, "account": account, "commit": commit}

    async def mvds_attest(self, *, conversation: str, limit: int | None = None) -> JsonObject:
        """Pass on, in our own name, the newest texts that carry no message: from before it was opened, and of members without a key."""
        from swarmchat.gateways.datasync import attesting  # noqa: PLC0415 - see above
        from swarmchat.gateways.datasync.mapping import EVENT  # noqa: PLC0415

        where = await self._conversation(conversation)
        log = await self._opened(where)
        me = await self._node.swarm.own.ensure_status_key()
        if me.public.raw not in (await self._datasync.look(log, lambda ledger: ledger.fold.standing)).members:
            raise RefusedError(
                "this account does not take part in data sync here yet",
                hint="it comes in by itself as soon as an admin's node has let it in",
            )
        count = limits.DATASYNC_ATTESTED_MAX if limit is None else limit
        async with self._datasync.attesting:
            found, left_out = await self._look(
                where, lambda view: _unsaid(self._datasync.logs.ledger(log), view, count)
            )
            for commit in found:
                self._admitted(await self._node.swarm.append(where, Other(EVENT), extra=attesting.intention(commit)))
        return {"conversation": where, "attested": len(found), "left_out": left_out}

    async def mvds_serve(
        self, *, listen: str | None = None, stop: bool = False, tick_ms: int | None = None
    ) -> JsonObject:
        """Accept data-sync peers over TCP, or stop that."""
        if not self._serves:
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        if stop:
            serving = self._datasync.serving
            stopped = serving is not None and serving.stop_listening()
            return {"listen": None, "stopped": stopped, "warning": None}
        if listen is None:
            raise UsageError("where is it to listen?", hint="--listen 127.0.0.1:0 takes any free port of this machine")
        where = _address(listen)
        service = await self._datasync.service()
        address = await service.listen(where, None if tick_ms is None else tick_ms / 1000)
        warning = None
        if not ipaddress.ip_address(where.host).is_loopback:
            warning = "whoever reaches this address can read along: there is no TLS"
            _log.warning("data sync on %s: %s", address, warning)
        return {"listen": str(address), "stopped": False, "warning": warning}

    async def mvds_status(self) -> JsonObject:
        """What is opened for data sync, who takes part, who is connected."""
        service = self._datasync.serving
        peers = () if service is None else service.peers
        key = self._node.swarm.own.status_key()
        rows = []
        for known in self._known():
            if self._node.swarm.state_of(known.id) != "ready":
                continue
            log = await self._node.swarm.log(known.id)
            if self._datasync.is_open(log):
                group = await self._datasync.look(log, lambda ledger: ledger.group)
                seen = [] if service is None else await service.receipts_of(group)
                rows.append(await self._datasync.look(log, lambda ledger, seen=seen: _row(ledger, peers, seen)))  # type: ignore[misc]
        return {
            "key": None if key is None else key.public.legacy,
            "listen": None if service is None or service.address is None else str(service.address),
            "tick_ms": None if service is None else round(service.tick_s * 1000, 3),
            "peers": [_legacy(peer) for peer in peers],
            "conversations": rows,
            "metrics": {} if service is None else service.metrics(),
        }

    async def _opened(self, where: ConversationId) -> CommitLog:
        log = await self._node.swarm.log(where)
        if not self._datasync.is_open(log):
            raise RefusedError("the conversation is not opened for data sync", hint=_NOT_OPEN)
        return log


def _unsaid(ledger: Ledger, view: View, count: int) -> tuple[list[CommitId], int]:
    """The newest texts that no message stands for, oldest first; and how many were left out: changed since, through a gateway, too long."""
    from swarmchat.gateways.datasync import attesting  # noqa: PLC0415 - see above

    log, unseen = view.log, view.hidden()
    passed_on, left_out = ledger.attested(), 0

    def is_wanted(entry: Entry) -> bool:
        nonlocal left_out
        if entry.fact.type != TEXT or entry.id in passed_on:
            return False
        found = ledger.unsaid(entry.id, log.commit)
        if found is None:
            return False
        fits = attesting.attested(*found) is not None and not view.timeline.item(entry.id, unseen).edits
        fits = fits and view.credit(found[0]) is None
        left_out += not fits
        return fits

    items = view.timeline.page(count, hidden=unseen, wanted=is_wanted)
    return [item.commit for item in items], left_out


def _row(ledger: Ledger, peers: tuple[PeerId, ...], seen: list[tuple[MessageId, PeerId]]) -> JsonObject:
    standing, opening = ledger.fold.standing, ledger.opening
    states = [("member", standing.members), ("invited", standing.invited), ("kicked", standing.kicked)]
    return {
        "conversation": ledger.conversation,
        "group": ledger.group.hex(),
        "owner": None if opening is None else _legacy(opening.sender),
        "messages": ledger.count,
        "over": standing.dissolved,
        "members": [
            {
                "key": _legacy(peer),
                "account": ledger.account_of(_key(peer)),
                "foreign": ledger.bindings.owner(_key(peer)) is None,
                "state": state,
                "connected": peer in peers,
            }
            for state, found in states
            for peer in sorted(found, key=lambda one: (ledger.bindings.owner(_key(one)) is None, one))
        ],
        "receipts": _receipts(ledger, seen),
    }


def _receipts(ledger: Ledger, seen: list[tuple[MessageId, PeerId]]) -> list[JsonObject]:
    """Who came in or went last, and who confirmed it; the newest first."""
    from swarmchat.gateways.datasync.messages import Kick  # noqa: PLC0415 - see above

    by: dict[MessageId, list[PeerId]] = {}
    for target, sender in seen:
        by.setdefault(target, []).append(sender)
    found = [one for one in map(ledger.said, by) if one is not None]  # what was damaged lacks for a while
    newest = sorted(found, key=lambda one: -one.number)[: limits.DATASYNC_RECEIPTS_SHOWN_MAX]
    return [
        {
            "message": one.message.id.hex(),
            "commit": one.commit,
            "kind": one.client.type.name.lower(),
            "who": one.body.target.legacy if isinstance(one.body, Kick) else _legacy(one.sender),
            "by": [_legacy(peer) for peer in by[one.message.id]],
        }
        for one in newest
    ]


def _key(peer: PeerId) -> Key:
    from swarmchat.crypto.secp256k1 import Key  # noqa: PLC0415 - see above

    return Key(peer)


def _legacy(peer: PeerId) -> str:
    return _key(peer).legacy


def _address(text: str) -> Address:
    try:
        address = Address.parse(text)
    except ValueError as fault:
        raise UsageError(str(fault), hint="for example 127.0.0.1:0") from None
    if not address.is_literal:
        raise UsageError(f"{address.host} is a name; an IP address is wanted", hint="for example 127.0.0.1:0")
    return address
