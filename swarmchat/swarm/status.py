"""How far everybody is, and how it goes with the links: rows for people and programs. (SCP-08 §2.5)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from swarmchat.addresses import Address
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.index.receipt_rows import Held
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.link import Link
from swarmchat.links.peers import LinkClass
from swarmchat.swarm.connector import Connector
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.rooms import Rooms
from swarmchat.swarm.session import Missing, Reputation
from swarmchat.swarm.switchboard import Switchboard

_APART: Final = frozenset({LinkClass.STRANGER, LinkClass.PAIRING})  # linked, and nothing is shared


@dataclass(frozen=True, slots=True)
class SyncRow:
    """One device in one conversation, as far as is known: `behind` commits of ours it lacks, `ahead` heads of it we lack."""

    conversation: ConversationId
    device: DeviceId
    account: AccountId
    behind: int
    ahead: int
    as_of: float | None  # when it last told us or an own device, in seconds since 1970; None: never
    linked: bool
    barred: bool
    missing: tuple[Missing, ...]  # announced by it over a minute ago, not here yet


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One device, or an account without a known device, that we want to be linked with or are."""

    account: AccountId | None
    device: DeviceId | None
    state: str  # linked, stranger (linked, and nothing shared), pairing, dialing, waiting, unreachable
    address: Address | None
    path: str | None
    since: float | None
    last_error: str | None
    barred: bool = False


class Status:
    """What is asked of a swarm that runs, or not yet."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        seen: LastSeen,
        links: ConnectionManager,
        connector: Connector,
        board: Switchboard,
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._seen = seen
        self._links = links
        self._connector = connector
        self._board = board

    def owner(self, device: DeviceId) -> AccountId | None:
        """Whose a device is that a link ever stood with; for rosters do not know who never wrote."""
        return self._parts.account.id if device == self._parts.account.device else self._seen.owner(device)

    def sync(self, conversation: ConversationId | None = None) -> list[SyncRow]:
        """How far each other device is, by conversation and device. To be asked after `load`."""
        chosen = self._rooms.all() if conversation is None else [self._rooms.room(conversation)]
        now = self._parts.runtime.monotonic()
        rows = []
        for replicator in chosen:
            if self._rooms.state_of(replicator.conversation) != "closed":
                held = self._parts.receipts.all_heads(replicator.conversation)
                rows.extend(sync_rows(replicator, self._parts.account.device, held, self._rooms.reputation, now))
        return rows

    def peers(self) -> list[PeerRow]:
        """Who is linked, and who is wanted, by account and device."""
        owners = {
            device: owner
            for device in self._board.known_devices
            if (owner := self._board.account_of(device)) is not None
        }
        now = self._parts.runtime.monotonic()
        return peer_rows(self._links.links, self._connector, owners, self._rooms.reputation, now)


def sync_rows(
    replicator: Replicator, me: DeviceId, held: Mapping[DeviceId, Held], reputation: Reputation, now: float
) -> list[SyncRow]:
    """The other devices of a conversation, by device id; `now` is the clock of the session."""
    log = replicator.log
    if log.is_empty:
        return []
    roster, history, heads = log.roster, log.history, log.heads
    missing = replicator.session.missing(now)
    linked = set(replicator.session.linked)
    rows = []
    for device, account in sorted(roster.devices.items()):
        if device == me or not roster.is_joined(account):
            continue
        named: tuple[CommitId, ...] = replicator.session.heads_of(device)
        if not named and device in held:
            named = tuple(sorted(held[device].heads))
        wrote = history.newest_of(device)  # who wrote on top of it has it, whoever brought us that
        rows.append(
            SyncRow(
                replicator.conversation,
                device,
                account,
                behind=sum(1 for entry in history.missing(heads, (*named, *wrote)) if not entry.is_merge),
                ahead=sum(1 for head in named if not log.knows(head)),
                as_of=held[device].time_ms / 1000 if device in held else None,
                linked=device in linked,
                barred=reputation.barred(device, now),
                missing=tuple(each for each in missing if device in each.devices),
            )
        )
    return rows


def peer_rows(
    links: tuple[Link, ...],
    connector: Connector,
    owners: Mapping[DeviceId, AccountId],
    reputation: Reputation,
    now: float,
) -> list[PeerRow]:
    """Those linked, then those wanted, by account and device."""
    rows = [
        PeerRow(
            link.peer.account,
            link.peer.device,
            str(link.link_class) if link.link_class in _APART else "linked",
            link.address,
            link.path,
            link.since,
            None,
            reputation.barred(link.peer.device, now),
        )
        for link in links
    ]
    mesh = connector.mesh
    for target in sorted(mesh.targets):
        if target in mesh.linked or target in mesh.linked.values() or ":" in target:
            continue
        device = DeviceId(target) if len(target) == 64 else None
        account = AccountId(target) if device is None else owners.get(device)
        error = connector.last_error(target)
        state = "dialing" if mesh.is_dialing(target) else "unreachable" if error is not None else "waiting"
        barred = device is not None and reputation.barred(device, now)
        rows.append(PeerRow(account, device, state, None, None, None, error, barred))
    return sorted(rows, key=lambda row: (row.account or "", row.device or ""))
