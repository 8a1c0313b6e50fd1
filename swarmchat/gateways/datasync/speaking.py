"""What this device says in a group of data sync: with each commit that it writes, and when it is its turn. Pure. (SCP-09 §4.5)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.writing import Pending
from swarmchat.conversation.actions import Other
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.datasync import attesting, mapping
from swarmchat.gateways.datasync.carriage import field
from swarmchat.gateways.datasync.ledger import Ledger
from swarmchat.gateways.datasync.mapping import BRIDGE, EVENT, FIELD, Unmappable, Why, intention
from swarmchat.gateways.datasync.messages import Invite, Join, sign, write_client
from swarmchat.gateways.datasync.payload import MessageId, PeerId
from swarmchat.ids import AccountId, CommitId
from swarmchat.limits import DATASYNC_MESSAGE_BYTES_MAX

_ENVELOPE_BYTES: Final = 16 * 1024  # group, time and parents of a message, with room to spare

__all__ = ["EVENT", "Due", "due", "founding", "spoken"]


@dataclass(frozen=True, slots=True)
class Due:
    """What the JSON of events says that are to be written: our own coming in, and invitations once our turn of `rank` has come."""

    own: tuple[Mapping[str, str], ...]
    invitations: tuple[Mapping[str, str], ...]
    rank: int


def spoken(
    ledger: Ledger, here: Provisional, item: Pending, parent: CommitId, secret: Secret, invitee: Key | None
) -> Mapping[str, object]:
    """What a commit of ours on top of `parent` has for data sync; nothing where it says nothing there, or must not. StorageError.

    `invitee`: the key of the account that it adds, where that is known from elsewhere.
    """
    if isinstance(item.action, Other) and item.action.type in {BINDING, BRIDGE}:
        return {}
    standing = None if ledger.opening is None else ledger.fold.standing
    me = PeerId(secret.public.raw)
    with ledger.staged(here.history, here.commit, here.roster_at):
        if not ledger.is_open_at(parent) or not ledger.bindings.is_bound(item.writer.account, secret.public, parent):
            return {}

        if standing is None:  # it is opened by what is written along with this
            standing = ledger.fold.standing

        def key_of(account: AccountId) -> Key | None:
            return invitee if invitee is not None and invitee.uri == account else ledger.key_of(account)

        def message_of(commit: CommitId) -> MessageId | None:
            found = ledger.said_by(commit)
            return None if found is None else found.message.id

        mine, extra = secret.public, item.extra or {}
        wanted = attesting.target(extra) if item.action == Other(EVENT) else None
        if wanted is None:
            body = mapping.exported(item.action, extra, ledger.group, mine, key_of, item.profile, message_of)
        else:
            found = ledger.unsaid(wanted, here.commit)
            body = (None if found is None else attesting.attested(*found)) or Unmappable(Why.NO_COUNTERPART)
        if isinstance(body, Unmappable) or standing.dissolved:
            return {}
        if me not in standing.members and not isinstance(body, Join):
            return {}
        client = write_client(sign(body, ledger.previous(me, parent), secret))
    if len(client) > DATASYNC_MESSAGE_BYTES_MAX - _ENVELOPE_BYTES:
        return {}
    return {FIELD: field(item.now, client)}


def founding(ledger: Ledger, secret: Secret, now: int) -> Mapping[str, object]:
    """What the commit that opens a conversation has: who writes it asks himself in."""
    body = Invite(secret.public, ledger.group, ledger.kind.value)
    return {FIELD: field(now, write_client(sign(body, None, secret)))}


def due(ledger: Ledger, roster: Roster, me: AccountId) -> Due:
    """What our account is to say without being asked. Whoever opened the group lets others in, then its admins by id."""
    standing = ledger.fold.standing
    opening, keys = ledger.opening, ledger.bindings.all()
    mine = keys.get(me)
    if opening is None or mine is None or standing.dissolved:
        return Due((), (), 0)
    own: tuple[Mapping[str, str], ...] = ()
    is_in = mine.raw in standing.members
    if not is_in and (mine.raw in standing.invited or (ledger.is_public and mine.raw not in standing.kicked)):
        own = (intention("join"),)
    founder = ledger.bindings.owner(Key(opening.sender))
    hosts = sorted(
        (one for one in roster.admins if one in keys and keys[one].raw in standing.members),
        key=lambda one: (one != founder, one),
    )
    if me not in hosts:
        return Due(own, (), 0)
    there = standing.members | standing.invited
    waiting = [account for account in sorted(keys) if account in roster.joined and keys[account].raw not in there]
    if ledger.is_public:
        waiting = [account for account in waiting if keys[account].raw in standing.kicked]
    return Due(own, tuple(intention("invite", account) for account in waiting), hosts.index(me))
