"""What each peer is to us and what it may open, from rosters, contacts and requests. (SCP-03 §2b, SCP-06 §4)

Ban and revocation are judged for each conversation; an account that we block is a stranger in all it can observe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from swarmchat.account.records import ConversationState, KnownConversation
from swarmchat.account.state import State
from swarmchat.conversation import tree
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.certificates import Certificate, CertificateError
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.links.frames import Message
from swarmchat.links.link import Link
from swarmchat.links.peers import LinkClass, Peer
from swarmchat.swarm.messages import MessageError, conversation_of

MODE_PAIR: Final = 0
MODE_PUBLIC: Final = 3

_PROOFS_MAX: Final = 4  # lists of one account none of which contains another

_IN_STEP: Final = frozenset({LinkClass.OWN, LinkClass.MEMBER, LinkClass.INVITEE, LinkClass.CONTACT})


class Access:
    """The LinkPolicy of one account. Facts go in as they change; answers are quick and without I/O."""

    def __init__(self, me: AccountId, device: DeviceId, state: State) -> None:
        self.state = state
        self.heard_own_list: Callable[[RevocationList], None] = lambda listed: None  # of our account
        self._revoked_by_us: frozenset[bytes] = frozenset()
        self._is_revoked = False
        self.pairing: DeviceId | None = None  # the temporary device that is being linked, while it is (SCP-01 §3.2)
        self._me = me
        self._device = device
        self._rosters: dict[ConversationId, Roster] = {}
        self._accounts: dict[ConversationId, frozenset[AccountId]] = {}  # joined or invited, or a source of a clone
        self._related: dict[AccountId, set[ConversationId]] = {}  # the same, by account
        self._sources: dict[ConversationId, frozenset[AccountId]] = {}
        self._heirs: dict[ConversationId, dict[DeviceId, AccountId]] = {}
        self._parting: Counter[AccountId] = Counter()
        self._revoked: dict[AccountId, frozenset[bytes]] = {}
        self._proofs: dict[AccountId, list[RevocationList]] = {}  # the lists that say so
        self._lists: dict[tuple[ConversationId, AccountId], bytes] = {}

    # --- facts

    @property
    def rosters(self) -> Mapping[ConversationId, Roster]:
        """The settled roster of each conversation that is here."""
        return MappingProxyType(self._rosters)

    @property
    def sources(self) -> frozenset[AccountId]:
        """All accounts that something is to be cloned from."""
        return frozenset().union(*self._sources.values())

    @property
    def expected(self) -> tuple[ConversationId, ...]:
        """The conversations that are accepted and not ours yet, sorted."""
        return tuple(sorted(self._sources))

    def sources_of(self, conversation: ConversationId) -> frozenset[AccountId]:
        """Whom one of them may be fetched from."""
        return self._sources.get(conversation, frozenset())

    def is_expected(self, conversation: ConversationId) -> bool:
        """Whether it is accepted and not ours yet: to be cloned and joined."""
        return conversation in self._sources

    def is_ours(self, conversation: ConversationId) -> bool:
        """Whether we are of a conversation that is here, or are banned from it and may be unbanned any day."""
        roster = self._rosters.get(conversation)
        return roster is not None and (self._in_it(conversation, roster) or self._is_shut_out(conversation, roster))

    def is_outside(self, conversation: ConversationId) -> bool:
        """Whether it is here and we are not joined in it: kicked, or not yet joined."""
        roster = self._rosters.get(conversation)
        return roster is not None and not roster.is_joined(self._me)

    @property
    def is_revoked(self) -> bool:
        """Whether this device is no longer one of its account: it is nobody's peer."""
        return self._is_revoked

    def own_list(self, revoked: frozenset[bytes], *, is_revoked: bool) -> None:
        """The revocation list of our account that is in force; `is_revoked`: this device is on it."""
        self._revoked_by_us = revoked
        self._is_revoked = is_revoked

    def set_roster(self, conversation: ConversationId, roster: Roster) -> bool:
        """The roster of a conversation that is here; whether that changes who may do what."""
        before = self._rosters.get(conversation)
        self._rosters[conversation] = roster
        if before is roster or (before is not None and _standing(before) == _standing(roster)):
            return False
        self._read_revocations(conversation, roster)
        self._relate(conversation)
        return True

    def set_sources(self, conversation: ConversationId, accounts: Iterable[AccountId]) -> None:
        """Whom a conversation, accepted but not here yet, may be fetched from."""
        self._sources[conversation] = frozenset(accounts) - {self._me}
        self._relate(conversation)

    def add_source(self, conversation: ConversationId, account: AccountId) -> None:
        """One more account offers a conversation that is expected; nothing happens for another."""
        if conversation in self._sources:
            self.set_sources(conversation, self._sources[conversation] | {account})

    def clear_sources(self, conversation: ConversationId) -> None:
        """The conversation is ours; its roster alone says who is who."""
        self._sources.pop(conversation, None)
        self._relate(conversation)

    @property
    def heirs(self) -> Mapping[DeviceId, AccountId]:
        """Those of all conversations."""
        return {device: owner for heirs in self._heirs.values() for device, owner in heirs.items()}

    def heirs_of(self, conversation: ConversationId) -> Mapping[DeviceId, AccountId]:
        """The devices of those who are no members any more and are still to have the last of what we wrote."""
        return MappingProxyType(self._heirs.get(conversation, {}))

    def set_heirs(self, conversation: ConversationId, heirs: Mapping[DeviceId, AccountId] | None) -> None:
        """We go, and all of it is served to these, whom we removed before; None: we do not go after all. (SCP-06 §7)"""
        if heirs is None:
            self._heirs.pop(conversation, None)
        else:
            self._heirs[conversation] = dict(heirs)
        self._relate(conversation)

    def part(self, account: AccountId, *, over: bool) -> None:
        """A conversation is no longer spoken of with it: its links live until it has heard why, then it is `over`."""
        self._parting[account] += -1 if over else 1
        if not self._parting[account]:
            del self._parting[account]

    def is_parting(self, account: AccountId) -> bool:
        """Whether its links live just for that."""
        return account in self._parting

    def drop(self, conversation: ConversationId) -> None:
        """The conversation is neither here nor expected any more."""
        self._rosters.pop(conversation, None)
        self._sources.pop(conversation, None)
        self._heirs.pop(conversation, None)
        self._relate(conversation)

    # --- the policy of the links

    def classify(self, peer: Peer) -> LinkClass | None:
        """The highest class that fits; a stranger stays for an invitation, unless a conversation of ours has banned it."""
        if self._is_revoked:
            return None
        found = self.standing(peer.account, peer.device)
        return None if found is LinkClass.STRANGER and self.is_outlawed(peer.account, peer.device) else found

    def standing(self, account: AccountId, device: DeviceId) -> LinkClass:
        """What an account's device is to us."""
        if account == self._me:
            return LinkClass.OWN
        if self.state.is_blocked(account):
            return LinkClass.STRANGER
        found = {self._relation(account, device, conversation) for conversation in self._related.get(account, ())}
        for candidate in (LinkClass.MEMBER, LinkClass.INVITEE):
            if candidate in found:
                return candidate
        if account in self._parting:
            return LinkClass.INVITEE
        if self.state.is_contact(account):
            return LinkClass.CONTACT
        return LinkClass.PAIRING if device == self.pairing else LinkClass.STRANGER

    def is_outlawed(self, account: AccountId, device: DeviceId | None = None) -> bool:
        """Whether a conversation of ours has banned the account, or that device of it."""
        return any(
            roster.is_banned(account) or (device is not None and roster.is_banned(device))
            for conversation, roster in self._rosters.items()
            if self._in_it(conversation, roster)
        )

    def revoked(self, account: AccountId) -> Container[bytes]:
        """The 16-byte id prefixes of that account's revoked devices, from every roster that is here."""
        known = self._revoked.get(account, frozenset())
        return known | self._revoked_by_us if account == self._me else known

    def note_revoked(self, listed: RevocationList) -> bool:
        """An account's own list, read elsewhere than in a roster; whether that is news."""
        account = listed.issuer_id
        if account == self._me:
            self.heard_own_list(listed)
        known = self._revoked.get(account, frozenset())
        if listed.revoked <= known:
            return False
        self._revoked[account] = known | listed.revoked
        kept = [each for each in self._proofs.get(account, ()) if not each.revoked <= listed.revoked]
        self._proofs[account] = [*kept, listed][-_PROOFS_MAX:]
        return True

    def proof(self, account: AccountId, device: DeviceId) -> RevocationList | None:
        """A list of the account on which that device stands."""
        prefix = device_prefix(device)
        return next((each for each in self._proofs.get(account, ()) if prefix in each.revoked), None)

    def may_open(self, link: Link, opening: Message) -> str | None:
        """Judge the opening of a channel by the class and, where it names one, by the conversation's roster."""
        if self.standing(link.peer.account, link.peer.device) is LinkClass.PAIRING:
            return "forbidden"  # we open the one channel that there is
        match opening.get("c"):
            case "sync" | "mvds":
                return None if self.is_in_step(link.peer.account, link.peer.device) else "forbidden"
            case "invite":
                return None
            case "device":
                return None if link.peer.account == self._me else "forbidden"
            case "pack":
                try:
                    conversation = conversation_of(opening)
                except MessageError as error:
                    return error.peer_code
                if conversation is None:
                    return "bad-message"
                return (
                    None if self.may_pull(link.peer.account, link.peer.device, conversation) else "unknown-conversation"
                )
            case _:
                return "unknown-channel"

    # --- questions of the swarm

    def is_in_step(self, account: AccountId, device: DeviceId) -> bool:
        """Whether there is anything to be said to the device on `sync`."""
        return self.standing(account, device) in _IN_STEP

    def may_pull(self, account: AccountId, device: DeviceId, conversation: ConversationId) -> bool:
        """Whether the device is given the history: joined, invited, heir, own, or anybody not banned where all may join. (SCP-04 §3.3)"""
        roster = self._rosters.get(conversation)
        if roster is None:
            return False
        if account == self._me:
            return True
        if roster.is_banned(account) or roster.is_banned(device):
            return False
        if roster.mode == MODE_PUBLIC:
            return True
        if self.state.is_blocked(account):
            return False
        return roster.is_joined(account) or roster.is_invited(account) or self._is_heir(account, conversation)

    def is_common(self, account: AccountId, device: DeviceId, conversation: ConversationId) -> bool:
        """Whether the conversation is spoken of with that device. (SCP-04 §2.1)"""
        if account == self._me:
            return conversation in self._rosters or conversation in self._sources
        if self.state.is_blocked(account):
            return False
        return self._relation(account, device, conversation) is not None

    def common(self, account: AccountId, device: DeviceId) -> tuple[ConversationId, ...]:
        """All conversations that are spoken of with that device, sorted."""
        everything = self._rosters.keys() | self._sources.keys()
        candidates = everything if account == self._me else self._related.get(account, set())
        return tuple(sorted(each for each in candidates if self.is_common(account, device, each)))

    def is_member(self, account: AccountId, conversation: ConversationId) -> bool:
        """Whether the account is joined in a conversation that is here."""
        roster = self._rosters.get(conversation)
        return roster is not None and roster.is_joined(account)

    def joined_with(self, account: AccountId) -> list[Roster]:
        """The rosters of the conversations in which both we and the account are joined."""
        rosters = ((each, self._rosters.get(each)) for each in sorted(self._related.get(account, ())))
        return [
            roster
            for each, roster in rosters
            if roster is not None
            and roster.is_joined(account)
            and roster.is_joined(self._me)
            and self._in_it(each, roster)
        ]

    def shares(self, account: AccountId) -> bool:
        """Whether the account is joined in a conversation with us."""
        return any(self.is_member(account, conversation) for conversation in self._related.get(account, ()))

    def may_tell(self, account: AccountId, device: DeviceId, conversation: ConversationId) -> bool:
        """Whether news of the conversation is taken from that device: common, or from anybody where all may join."""
        if conversation not in self._rosters:
            return False
        return self.is_ours(conversation) and self.may_pull(account, device, conversation)

    def may_locate(self, account: AccountId, device: DeviceId) -> bool:
        """Whether one of a conversation with us asks where we are: joined or invited where we are joined, or a source of a clone."""
        if self.state.is_blocked(account):
            return False
        return any(self._meets_in(each, account, device) for each in self._related.get(account, ()))

    def is_located_by(self, account: AccountId) -> bool:
        """Whether there is any sense in asking the account where it is: what `may_locate` says on its side, as far as it is seen here."""
        if account == self._me or self.state.is_contact(account):
            return True
        if any(each.account == account for each in self.state.ours_to_send()):
            return True
        return any(self._locates_us(each, account) for each in self._related.get(account, ()))

    def may_ask(self, account: AccountId, conversation: ConversationId) -> bool:
        """Whether an asking account gets an invitation: it is joined or invited. (SCP-06 §9)"""
        roster = self._rosters.get(conversation)
        return roster is not None and (roster.is_joined(account) or roster.is_invited(account))

    # --- inside

    def _relation(self, account: AccountId, device: DeviceId, conversation: ConversationId) -> LinkClass | None:
        roster = self._rosters.get(conversation)
        if roster is None:
            return LinkClass.INVITEE if account in self._sources.get(conversation, ()) else None
        if roster.is_banned(account) or roster.is_banned(device):
            return None
        if not self._in_it(conversation, roster) and not self._is_shut_out(conversation, roster):
            return None
        if roster.is_joined(account):
            return LinkClass.MEMBER
        if roster.is_invited(account) or account in self._sources.get(conversation, ()):
            return LinkClass.INVITEE
        return LinkClass.INVITEE if self._is_heir(account, conversation) else None

    def _meets_in(self, conversation: ConversationId, account: AccountId, device: DeviceId) -> bool:
        if account in self._sources.get(conversation, ()):
            return True
        roster = self._rosters.get(conversation)
        if roster is None or not roster.is_joined(self._me) or not self._in_it(conversation, roster):
            return False
        if roster.is_banned(account) or roster.is_banned(device):
            return False
        return roster.is_joined(account) or roster.is_invited(account)

    def _locates_us(self, conversation: ConversationId, account: AccountId) -> bool:
        if account in self._sources.get(conversation, ()):
            return True
        roster = self._rosters.get(conversation)
        if roster is None or not roster.is_joined(account):
            return False
        return roster.is_joined(self._me) or roster.is_invited(self._me)

    def _is_heir(self, account: AccountId, conversation: ConversationId) -> bool:
        return account in self._heirs.get(conversation, {}).values()

    def _in_it(self, conversation: ConversationId, roster: Roster) -> bool:
        """Whether we are of it: joined, invited, left with something to hand over, or about to join."""
        if roster.is_banned(self._me) or roster.is_banned(self._device):
            return False
        if roster.is_joined(self._me) or roster.is_invited(self._me) or conversation in self._heirs:
            return True
        known = self.state.conversations.get(conversation)
        return known is not None and known.state in {ConversationState.REMOVED, ConversationState.SYNCING}

    def _is_shut_out(self, conversation: ConversationId, roster: Roster) -> bool:
        """Whether we are banned and did not leave: we go on listening, for only the others can tell us of an unban."""
        if not roster.is_banned(self._me) and not roster.is_banned(self._device):
            return False
        known = self.state.conversations.get(conversation)
        return known is not None and known.state is ConversationState.ACTIVE

    def _relate(self, conversation: ConversationId) -> None:
        roster = self._rosters.get(conversation)
        related = frozenset() if roster is None else roster.joined | roster.invited
        related |= self._sources.get(conversation, frozenset()) | set(self._heirs.get(conversation, {}).values())
        before = self._accounts.pop(conversation, frozenset())
        if related:
            self._accounts[conversation] = related
        for account in before - related:
            of_account = self._related[account]
            of_account.discard(conversation)
            if not of_account:
                del self._related[account]
        for account in related - before:
            self._related.setdefault(account, set()).add(conversation)

    def _read_revocations(self, conversation: ConversationId, roster: Roster) -> None:
        for account in roster.revocations:
            der, pem = roster.files[tree.revocations(account)], roster.certificate(account)
            if pem is None or self._lists.get((conversation, account)) == der:
                continue
            try:
                listed = RevocationList.from_der(der, Certificate.from_pem(pem))
            except CertificateError:
                continue  # the law refuses such a list; a foreign tree may hold one, and it revokes nothing
            self._lists[conversation, account] = der
            self.note_revoked(listed)


def candidates(known: KnownConversation) -> frozenset[AccountId]:
    """The accounts that a conversation not here yet may be fetched from."""
    inviter = () if known.invited_by is None else (known.invited_by,)
    return frozenset((*inviter, *known.members))


def _standing(roster: Roster) -> tuple[object, ...]:
    """All of a roster that decides who may do what, and whom we dial."""
    lists = {account: roster.files[tree.revocations(account)] for account in roster.revocations}
    return roster.joined, roster.invited, dict(roster.banned), dict(roster.devices), lists
