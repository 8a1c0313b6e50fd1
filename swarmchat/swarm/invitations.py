"""What a mail that came in means, and which mails of ours wait for whom. (SCP-06 §2–§6, §9; SCP-05 §1.11)

Pure: the account's State goes in and comes out changed; what is to be done besides is a wish. The sender learns nothing
from what happens here: the shell answers `{"ok":true}` whatever the outcome.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from swarmchat.account import requests
from swarmchat.account.records import ConversationState, Invitation, Offer, Request, RequestKind
from swarmchat.account.requests import Verdict
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import (
    ASKS_PER_PEER_MAX,
    MAIL_AGE_MAX_S,
    MAIL_AHEAD_MAX_S,
    MAIL_SEEN_MAX,
    MAIL_SEEN_S,
    REPUTATIONS_MAX,
    REQUEST_NAME_CHARS_MAX,
)
from swarmchat.swarm.access import MODE_PAIR, Access
from swarmchat.swarm.mail import (
    Ask,
    Here,
    Letter,
    Notice,
    Revoked,
    SwarmInvite,
    TrustAnswer,
    TrustRequest,
    Want,
    Withdrawal,
    fingerprint,
)

_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Sender:
    """The device that brought a mail, and its account: both proved."""

    account: AccountId
    device: DeviceId


@dataclass(frozen=True, slots=True)
class Tell:
    """A request waits for the user; `dropped`: older ones that had to go for it."""

    request: Request
    dropped: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A contact of ours offers a one-to-one: it is accepted, as if our user had said so. (SCP-06 §2)"""

    request: Request


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Who asked asks no more: a request that waited, or a conversation accepted and not here yet, is gone."""

    request: Request | None
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The sender takes up a 1:1 of ours that is no more: say so."""

    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class Turned:
    """The sender asks about a conversation that he is not of: if he was invited once, say that he is no more, else nothing."""

    conversation: ConversationId
    account: AccountId


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A contact accepted our trust request."""

    account: AccountId
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class Answer:
    """Send the asker an invitation to the conversation. (SCP-06 §6)"""

    conversation: ConversationId
    to: Sender


@dataclass(frozen=True, slots=True)
class AskFor:
    """Ask the sender about a conversation it spoke of that is not known here."""

    conversation: ConversationId
    to: Sender


@dataclass(frozen=True, slots=True)
class Known:
    """The sender offers what we have accepted already: it is a source for the clone, or told of our acceptance again."""

    conversation: ConversationId
    sender: Sender
    contact: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """The sender has news of a conversation of ours that it may speak of: pull from it."""

    conversation: ConversationId
    heads: tuple[CommitId, ...]
    sender: Sender


@dataclass(frozen=True, slots=True)
class Confirm:
    """The sender, with whom the conversation is not spoken of, names a commit: if it wrote that, say that it is here. (SCP-06 §7)"""

    conversation: ConversationId
    commit: CommitId
    sender: Sender


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sender asks where we listen; whether it is told is for the shell, which knows. (SCP-05 §1.12)"""

    sender: Sender


@dataclass(frozen=True, slots=True)
class Located:
    """The sender says where it listens; it counts for who was asked."""

    sender: Sender
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Outcast:
    """Somebody says that our account has revoked this device; the list proves it, or nothing does."""

    listed: bytes


Outcome = (
    Outcast
    | Fetch
    | Tell
    | TakenUp
    | Withdrawn
    | TakeBack
    | Turned
    | Confirmed
    | Answer
    | AskFor
    | Known
    | Confirm
    | Wanted
    | Located
)


class Mailroom:
    """Judges letters as they come. Times in seconds since 1970; `now` is the wall clock."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._seen: OrderedDict[tuple[DeviceId, bytes], float] = OrderedDict()
        self._asked: OrderedDict[DeviceId, deque[tuple[float, ConversationId]]] = OrderedDict()

    def receive(
        self, state: State, sender: Sender, letter: Letter, now: float, *, ahead: float = 0.0
    ) -> tuple[State, list[Outcome]]:
        """One letter: the next state, and what is to be done. Old, early, repeated and blocked ones change nothing.

        `ahead`: by how many seconds the sender's clock goes before ours, where that is known: his letters are as old as he
        says by his own clock.
        """
        if not self._is_fresh(sender.device, letter, now, ahead):
            return state, []
        if state.is_blocked(sender.account):
            return state, []
        mail = letter.mail
        match mail:
            case TrustRequest() | SwarmInvite():
                return self._offered(state, sender, mail, now)
            case TrustAnswer(conversation):
                return _answered(state, sender, conversation, now)
            case Withdrawal(conversation):
                return self._withdrawn(state, sender, conversation, now)
            case Ask(conversation):
                if self._access.may_ask(sender.account, conversation):
                    return state, [Answer(conversation, sender)]
                here = conversation in self._access.rosters
                return state, [Turned(conversation, sender.account)] if here else []
            case Notice(conversation, commit, heads, device):
                if device != sender.device:
                    return state, []  # SCP-05 §1.5: the signing device speaks of itself
                return state, self._noticed(state, sender, conversation, heads or (commit,), now)
            case Revoked(listed):
                return state, [Outcast(listed)]
            case Want():
                return state, [Wanted(sender)]
            case Here(addresses):
                return state, [Located(sender, addresses)]

    def forget(self, sender: Sender, letter: Letter) -> None:
        """What became of it could not be kept: the same letter is no repetition."""
        self._seen.pop((sender.device, fingerprint(letter)), None)

    def _noticed(
        self, state: State, sender: Sender, conversation: ConversationId, heads: tuple[CommitId, ...], now: float
    ) -> list[Outcome]:
        access, found = self._access, list[Outcome]()
        if conversation in access.rosters:
            found.append(Confirm(conversation, heads[0], sender))
        if access.may_tell(sender.account, sender.device, conversation):
            return [*found, Fetch(conversation, heads, sender)]
        return [*found, *self.mentioned(state, sender, conversation, now)]

    def mentioned(self, state: State, sender: Sender, conversation: ConversationId, now: float) -> list[Outcome]:
        """A peer spoke of a conversation; ask about it if it is not known here, or we were removed from it: we may be invited.

        At most 16 an hour of one device.
        """
        if (conversation in state.conversations or conversation in self._access.rosters) and not self._is_removed(
            state, conversation
        ):
            return []
        if any(request.offer.conversation == conversation for request in state.requests.values()):
            return []
        if state.is_blocked(sender.account) or any(
            record.conversation == conversation and record.sender == sender.account
            for record in state.declined.values()
        ):
            return []
        asked = self._asked.setdefault(sender.device, deque(maxlen=ASKS_PER_PEER_MAX))
        self._asked.move_to_end(sender.device)
        if len(self._asked) > REPUTATIONS_MAX:
            self._asked.popitem(last=False)
        if self.has_asked_enough(sender.device, now):
            return []
        if any(about == conversation for time, about in asked if now - time < _HOUR_S):
            return []
        asked.append((now, conversation))
        return [AskFor(conversation, sender)]

    def has_asked_enough(self, device: DeviceId, now: float) -> bool:
        """Whether the device was asked about as many conversations in the last hour as it may be."""
        asked = self._asked.get(device)
        return asked is not None and len(asked) >= ASKS_PER_PEER_MAX and now - asked[0][0] < _HOUR_S

    # --- inside

    def _is_removed(self, state: State, conversation: ConversationId) -> bool:
        known = state.conversations.get(conversation)
        is_active = known is not None and known.state is ConversationState.ACTIVE
        return is_active and self._access.is_outside(conversation)

    def _is_fresh(self, device: DeviceId, letter: Letter, now: float, ahead: float) -> bool:
        if not -MAIL_AGE_MAX_S <= letter.written_s - ahead - now <= MAIL_AHEAD_MAX_S:
            return False
        key = (device, fingerprint(letter))
        while self._seen and next(iter(self._seen.values())) <= now - MAIL_SEEN_S:
            self._seen.popitem(last=False)
        if key in self._seen:
            return False
        self._seen[key] = now
        if len(self._seen) > MAIL_SEEN_MAX:
            self._seen.popitem(last=False)
        return True

    def _withdrawn(
        self, state: State, sender: Sender, conversation: ConversationId, now: float
    ) -> tuple[State, list[Outcome]]:
        state, request = requests.take_back(state, sender.account, conversation)
        if request is not None:
            return state, [Withdrawn(request, conversation)]
        known = state.conversations.get(conversation)
        if known is None or known.state is not ConversationState.SYNCING or conversation in self._access.rosters:
            return state, []  # what is here is left by a commit
        if known.invited_by != sender.account:
            return state, []
        state, _ = state.remove_conversation(conversation, now_ms=int(now * 1000))
        return state, [Withdrawn(None, conversation)]

    def _offered(
        self, state: State, sender: Sender, mail: TrustRequest | SwarmInvite, now: float
    ) -> tuple[State, list[Outcome]]:
        try:
            offer = _offer(sender.account, mail)
        except ValueError:
            return state, []  # within the limits of the mail and not within those of a request: nobody writes that
        state, received = requests.receive(
            state,
            offer,
            shared=self._access.shares(sender.account),
            now_ms=int(now * 1000),
            outside=self._access.is_outside(offer.conversation),
        )
        match received.verdict:
            case Verdict.NEW | Verdict.UPDATED:
                assert received.request is not None, "a new request waits"
                return state, [Tell(received.request, received.dropped)]
            case Verdict.TAKEN_UP:
                assert received.request is not None, "it was one"
                return state, [TakenUp(received.request)]
            case Verdict.KNOWN:
                return state, [Known(offer.conversation, sender, contact=offer.kind is RequestKind.CONTACT)]
            case _:
                return state, []


def due(state: State, account: AccountId, now: float) -> tuple[Invitation, ...]:
    """Our invitations to an account that is linked now and are to be sent (again)."""
    return state.due_invitations(now_ms=int(now * 1000), account=account)


def joined(
    state: State, access: Access, knows: Callable[[ConversationId, CommitId], bool]
) -> tuple[State, list[Invitation]]:
    """Forget our invitations to those who have joined since, or cannot any more: not invited, or banned.

    Not those that another own device wrote and whose commit has not come here: `knows` nothing of it.
    """
    over = []
    for invitation in list(state.invitations.values()):
        roster = access.rosters.get(invitation.conversation)
        if roster is None or not knows(invitation.conversation, invitation.commit):
            continue
        if not roster.is_invited(invitation.account):
            state, settled = state.settle_invitation(invitation.account, invitation.conversation)
            if settled is not None:
                over.append(settled)
    return state, over


def _offer(sender: AccountId, mail: TrustRequest | SwarmInvite) -> Offer:
    match mail:
        case TrustRequest(conversation, commit, name, at_ms):
            return Offer(sender, RequestKind.CONTACT, conversation, commit, at_ms, name=name)
        case SwarmInvite(conversation, commit, mode, title, description, members, at_ms):
            if mode == MODE_PAIR:  # who left a 1:1 is invited again: to accept is to be contacts
                return Offer(
                    sender, RequestKind.CONTACT, conversation, commit, at_ms, name=title[:REQUEST_NAME_CHARS_MAX]
                )
            return Offer(
                sender,
                RequestKind.GROUP,
                conversation,
                commit,
                at_ms,
                title=title,
                description=description,
                mode=mode,
                members=members,
            )


def _answered(state: State, sender: Sender, conversation: ConversationId, now: float) -> tuple[State, list[Outcome]]:
    known = state.conversations.get(conversation)
    if known is not None and known.state is ConversationState.REMOVED and known.mode == MODE_PAIR:
        return state, [TakeBack(conversation)]
    contact = state.contacts.get(sender.account)
    if contact is None or not contact.active:
        return state, []
    state, confirmed = state.confirm_contact(sender.account, now_ms=int(now * 1000))
    return state, [Confirmed(sender.account, conversation)] if confirmed is not None else []
