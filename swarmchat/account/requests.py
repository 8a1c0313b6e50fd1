"""What others ask: an offer that comes in is judged, waits for the user, and is answered by him. Pure. (SCP-06 §4)

Functions from one State to the next, as in `state`. Everything a stranger can make grow is bounded.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from swarmchat import limits
from swarmchat.account.mappings import frozen, with_item, without
from swarmchat.account.records import ConversationState, Offer, Request, RequestId, RequestKind, request_id
from swarmchat.account.state import State
from swarmchat.ids import AccountId, ConversationId

_HOUR_MS = 3_600_000


class Verdict(enum.StrEnum):
    """What became of an offer that came in."""

    NEW = "new"
    UPDATED = "updated"  # pending before; it names another commit or text now
    DUPLICATE = "duplicate"
    KNOWN = "known"  # the conversation is here already, or this very invitation was taken up before
    BLOCKED = "blocked"
    DECLINED = "declined"
    TOO_SOON = "too-soon"  # a new invitation, less than 24 h after the one declined
    TOO_MANY = "too-many"  # more than 10 an hour of this sender
    TAKEN_UP = "taken-up"  # by a contact: our user had asked for the same, so nobody is asked


@dataclass(frozen=True, slots=True)
class Received:
    """The verdict on an offer; `request` if it is pending or taken up now, `dropped`: older ones that had to go for it."""

    verdict: Verdict
    request: Request | None = None
    dropped: tuple[Request, ...] = ()


def receive(state: State, offer: Offer, *, shared: bool, now_ms: int, outside: bool = False) -> tuple[State, Received]:
    """Judge an offer that came in. The caller answers `{"ok":true}` whatever the verdict: a sender learns nothing.

    `outside`: the conversation is here and we are not in it any more, or not yet.
    """
    if state.is_blocked(offer.sender):
        return state, Received(Verdict.BLOCKED)
    verdict = _of_known(state, offer, outside=outside) or _of_declined(state, offer, now_ms)
    if verdict:
        return state, Received(verdict)
    key = request_id(offer.sender, offer.conversation)
    old, is_wanted = state.requests.get(key), _is_wanted(state, offer, now_ms)
    if not is_wanted and old is not None and (_is_repeated(old.offer, offer) or offer.at_ms < old.offer.at_ms):
        return state, Received(Verdict.DUPLICATE, old)
    recent = tuple(time for time in state.arrivals.get(offer.sender, ()) if now_ms - _HOUR_MS < time <= now_ms)
    if len(recent) >= limits.REQUESTS_PER_HOUR_PER_SENDER:
        return state, Received(Verdict.TOO_MANY)
    older = state.asking(offer.sender) if offer.kind is RequestKind.CONTACT and old is None else ()
    if any(offer.at_ms < each.offer.at_ms for each in older):
        return state, Received(Verdict.DUPLICATE)
    after = _counted(state, offer.sender, (*recent, now_ms), now_ms)
    new = Request(offer, received_ms=old.received_ms if old else now_ms, shared=shared)
    if is_wanted:
        taken, request = accept(replace(after, requests=with_item(after.requests, key, new)), key, now_ms=now_ms)
        if request is not None:
            return taken, Received(Verdict.TAKEN_UP, request)
    if old is not None:
        return with_request(after, new), Received(Verdict.UPDATED, new)
    for each in older:  # somebody asks once to be a contact: the newest counts
        after = replace(after, requests=without(after.requests, each.id))
    after = with_request(after, new)
    dropped = tuple(each for each in state.pending() if each.id not in after.requests)
    return after, Received(Verdict.NEW, new, dropped)


def with_request(state: State, request: Request) -> State:
    """The state in which this one waits too; the oldest of its half goes where that is full."""
    dropped = None if request.id in state.requests else _oldest_of_full_half(state, shared=request.shared)
    kept = state.requests if dropped is None else without(state.requests, dropped.id)
    return replace(state, requests=with_item(kept, request.id, request))


def answer_to(state: State, offer: Offer) -> Verdict | None:
    """What was answered to an offer, by whichever own device: BLOCKED, KNOWN, DECLINED; None while it is open."""
    if state.is_blocked(offer.sender):
        return Verdict.BLOCKED
    return _of_known(state, offer, outside=True) or _of_declined(state, offer, 0)


def accept(state: State, request: RequestId, *, now_ms: int) -> tuple[State, Request | None]:
    """The user accepts: the conversation is *syncing* from the inviter on; None when there is no such request.

    Other requests for the same conversation are settled by it too. Also None when there is no place for one more.
    """
    found = state.requests.get(request)
    if found is None or not _has_place(state, found.offer):
        return state, None
    offer = found.offer
    kept = {key: value for key, value in state.requests.items() if value.offer.conversation != offer.conversation}
    state = replace(state, requests=frozen(kept), declined=without(state.declined, request))
    state, _ = state.add_conversation(
        offer.conversation,
        title=offer.title,
        mode=offer.mode,
        state=ConversationState.SYNCING,
        invited_by=offer.sender,
        invitation=offer.commit,
        now_ms=now_ms,
    )
    if offer.kind is RequestKind.CONTACT:
        name = state.contact(offer.sender).name or offer.name  # the user's own word for somebody stands
        state, _ = state.add_contact(offer.sender, conversation=offer.conversation, name=name, now_ms=now_ms)
        state, _ = state.confirm_contact(offer.sender, now_ms=now_ms)
    return state, found


def take_wanted(state: State, *, now_ms: int) -> tuple[State, tuple[Request, ...]]:
    """Of what waits, that is taken up which need not be asked for any more: its sender has become a contact meanwhile."""
    taken = []
    for request in state.pending():
        if _is_wanted(state, request.offer, now_ms):
            state, found = accept(state, request.id, now_ms=now_ms)
            taken += [] if found is None else [found]
    return state, tuple(taken)


def decline(state: State, request: RequestId, *, now_ms: int) -> tuple[State, Request | None]:
    """The user declines: remembered for this invitation, also over a restart; None when there is no such request.

    Others who brought the same invitation, as its holders do (SCP-05 §1.11), are declined with it.
    """
    found = state.requests.get(request)
    if found is None:
        return state, None
    gone = (each for each in state.pending() if each.offer.invitation == found.offer.invitation)
    return state.refuse(gone, now_ms=now_ms), found


def take_back(state: State, sender: AccountId, conversation: ConversationId) -> tuple[State, Request | None]:
    """Who asked asks no more; what waited, if anything did. The same question may come again."""
    found = state.requests.get(request_id(sender, conversation))
    if found is None:
        return state, None
    return replace(state, requests=without(state.requests, found.id)), found


def _has_place(state: State, offer: Offer) -> bool:
    known = offer.conversation in state.conversations
    contact = offer.kind is RequestKind.GROUP or offer.sender in state.contacts
    return (known or len(state.conversations) < limits.CONVERSATIONS_KNOWN_MAX) and (
        contact or len(state.contacts) < limits.CONTACTS_MAX
    )


def _of_known(state: State, offer: Offer, *, outside: bool) -> Verdict | None:
    known = state.conversations.get(offer.conversation)
    if known is None:
        return None
    if known.state is ConversationState.ACTIVE and outside and offer.commit != known.invitation:
        return None  # removed by the others, and invited again
    if not known.is_gone:
        return Verdict.KNOWN
    since_ms = max(known.removed_ms, known.added_ms if known.state is ConversationState.ERASED else 0)
    news = offer.at_ms > since_ms if offer.kind is RequestKind.CONTACT else offer.commit != known.invitation
    return None if news else Verdict.KNOWN


def _of_declined(state: State, offer: Offer, now_ms: int) -> Verdict | None:
    record = state.declined.get(request_id(offer.sender, offer.conversation))
    records = () if record is None else (record,)
    if offer.kind is RequestKind.CONTACT:  # to be a contact is one question, in whatever conversation it is asked
        records = (*records, *state.declined_contact(offer.sender))
        news = all(offer.at_ms > each.declined_ms for each in records)
    else:
        news = all(offer.commit != each.commit for each in records)
    if not news:
        return Verdict.DECLINED
    again_ms = int(limits.INVITATION_AGAIN_S * 1000)
    is_soon = any(each.asked_ms <= now_ms < each.asked_ms + again_ms for each in records)
    return Verdict.TOO_SOON if is_soon else None


def _is_wanted(state: State, offer: Offer, now_ms: int) -> bool:
    """Whether nobody need be asked: a contact offers a one-to-one, and not one that we left since he is one. (SCP-06 §2)"""
    contact, known = state.contact(offer.sender), state.conversations.get(offer.conversation)
    if not (offer.kind is RequestKind.CONTACT and contact.active):
        return False
    if known is not None and not (known.state is ConversationState.REMOVED and known.removed_ms < contact.added_ms):
        return False
    day_ms = int(limits.INVITATION_AGAIN_S * 1000)
    taken = sum(
        each.invited_by == offer.sender and each.mode == 0 and now_ms - day_ms < each.added_ms
        for each in state.conversations.values()
    )
    return taken < limits.PAIRS_TAKEN_UP_MAX


def _is_repeated(old: Offer, offer: Offer) -> bool:
    """Whether it says what waits already. An invitation that was asked for bears the time of the answer, and is the same one."""
    return offer == (old if offer.kind is RequestKind.CONTACT else replace(old, at_ms=offer.at_ms))


def _oldest_of_full_half(state: State, *, shared: bool) -> Request | None:
    half = [request for request in state.pending() if request.shared == shared]
    places = limits.REQUESTS_FROM_SHARED if shared else limits.REQUESTS_MAX - limits.REQUESTS_FROM_SHARED
    return half[0] if len(half) >= places else None


def _counted(state: State, sender: AccountId, times: tuple[int, ...], now_ms: int) -> State:
    live = {who: when for who, when in state.arrivals.items() if now_ms - _HOUR_MS < when[-1] <= now_ms}
    live[sender] = times
    while len(live) > limits.REQUEST_SENDERS_MAX:
        del live[min(live.keys() - {sender}, key=lambda who: (live[who][-1], who))]
    return replace(state, arrivals=frozen(live))
