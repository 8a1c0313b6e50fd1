"""Whom this node wants to be linked with: members, own devices, contacts, sources of clones, the invited. Pure. (SCP-04 §1, SCP-05 §2)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from swarmchat.account.records import ConversationState
from swarmchat.account.state import State
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import AccountId, DeviceId
from swarmchat.swarm.access import Access
from swarmchat.swarm.mesh import Target, wanted


@dataclass(frozen=True, slots=True)
class Aims:
    """`targets` for the mesh; `sought`: whose unknown devices are tried too: nobody's of it is known, or they may have what is to be cloned."""

    targets: frozenset[Target]
    sought: frozenset[AccountId]


def aims(
    me: tuple[AccountId, DeviceId],
    access: Access,
    state: State,
    *,
    carded: Callable[[AccountId], Iterable[DeviceId]],
    linked: Mapping[DeviceId, AccountId],
    listed: Iterable[AccountId],
) -> Aims:
    """`carded`: devices known by their cards; `linked`: links that stand; `listed`: accounts with an address given by hand."""
    account, device = me
    if access.is_revoked:
        return Aims(frozenset(), frozenset())  # nobody takes us for what we say we are
    by_account: dict[AccountId, set[DeviceId]] = {}
    for name, owner in linked.items():
        by_account.setdefault(owner, set()).add(name)

    def devices_of(who: AccountId) -> set[DeviceId]:
        found = {*carded(who), *by_account.get(who, ()), *in_rosters.get(who, ())} - {device}
        if who == account:
            found |= {name for name, own in state.devices.items() if name != device and not own.revoked_ms}
        return {name for name in found if not revoked(name, who)}

    def revoked(name: DeviceId, owner: AccountId) -> bool:
        return device_prefix(name) in access.revoked(owner)  # no handshake with it would come to an end

    in_rosters: dict[AccountId, set[DeviceId]] = {}
    targets: set[Target] = set()
    for conversation, roster in sorted(access.rosters.items()):
        if not access.is_ours(conversation):
            continue
        for name, owner in roster.devices.items():
            in_rosters.setdefault(owner, set()).add(name)
        elsewhere = {name: who for who in roster.joined for name in (*carded(who), *by_account.get(who, ()))}
        for name in wanted(device, roster, elsewhere, seed=bytes.fromhex(device)):
            owner = roster.owner(name) or elsewhere[name]
            if not state.is_blocked(owner) and not revoked(name, owner):
                targets.add(name)

    for name, owner in access.heirs.items():
        in_rosters.setdefault(owner, set()).add(name)
    people = {contact.account for contact in state.contacts.values() if contact.active}
    people |= set(access.heirs.values()) | access.sources | {invitation.account for invitation in state.ours_to_send()}
    sought: set[AccountId] = set()
    for who in sorted(people | {account}):
        if state.is_blocked(who):
            continue
        known = devices_of(who)
        targets |= known
        if not known and (who != account or who in access.sources):  # of our own only while something is to be cloned
            targets.add(who)
            sought.add(who)
        elif who in access.sources:
            sought.add(who)  # the device that has it may be one that nobody here knows
    for who in listed:
        banned_and_nothing_else = access.is_outlawed(who) and who not in people and not access.shares(who)
        if not state.is_blocked(who) and not banned_and_nothing_else:
            targets.add(who)
    targets |= {name for name in _hosts(state) if name != device and not revoked(name, account)}
    targets |= {name for name, owner in linked.items() if access.is_parting(owner)}  # not hung up on in mid-sentence
    return Aims(frozenset(targets), frozenset(sought))


def _hosts(state: State) -> set[DeviceId]:
    """The devices that had, when the account was exported, what is to be cloned now; whose they are is not known. (SCP-01 §4.4)"""
    coming = [known for known in state.conversations.values() if known.state is ConversationState.SYNCING]
    return {host.device for known in coming for host in known.hosts}
