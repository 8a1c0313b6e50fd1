"""Who asks to be let into a chat, and who was answered: from what a file says to what waits. Pure. (SCP-09 §3.12)

An answer names nobody: clients send the request back to who asked, with another state and clock. So it is known by its text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from swarmchat import limits
from swarmchat.gateways.status import words
from swarmchat.gateways.status.aside import Asked, Ignored, State
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.steps import Fate, Row
from swarmchat.gateways.status.wire import ChatMessage, GroupChatInvitation, InvitationState

_AGAIN_MS: Final = int(limits.INVITATION_AGAIN_S * 1000)


def revised(
    known: Iterable[Asked],
    said: Iterable[Said],
    admins: Collection[str],
    is_in: Callable[[Asked], bool],
    now_ms: int,
) -> list[Asked]:
    """What is new or changed among the requests of a chat after these sayings, which were taken (§3.6).

    `admins` are those of the chat, as `0x04…`; `is_in` tells whether who asks takes part, or was let in since. However many
    ask, only as many are held as are kept.
    """
    before = {one.key: one for one in known}
    after, names = dict(before), dict[bytes, str]()
    for one in sorted(said, key=lambda one: one.order):
        match one.entity:
            case ChatMessage(display_name=name) if name:
                names[one.author.raw] = words.display_name(name)
            case GroupChatInvitation(state=InvitationState.REQUEST):
                asked = Asked(one.author.raw, "", _text(one.entity), one.entity.clock, now_ms)
                if asked.key in after or not is_in(asked):
                    _ask(after, asked)
            case GroupChatInvitation() if one.author.legacy in admins:
                _answer(after, one.entity)
            case _:
                pass
    changed = []
    for key, asked in after.items():
        old = before.get(key)
        if is_in(asked):
            new = None if old is None else settled(old, now_ms)
        else:
            new = replace(asked, name=names.get(key) or asked.name) if asked.state is State.WAITING else asked
        if new is not None and new != old:
            changed.append(new)
    return changed


def settled(asked: Asked, now_ms: int) -> Asked:
    """The same once who asked is in; what does not wait stays as it is."""
    return replace(asked, state=State.SETTLED, answered_ms=now_ms) if asked.state is State.WAITING else asked


def declined(asked: Asked, now_ms: int) -> Asked:
    """The same once our user said no."""
    return replace(asked, state=State.DECLINED, answered_ms=now_ms)


def ignored(rows: Iterable[Row], events: Iterable[SignedEvent], now_ms: int) -> tuple[list[Ignored], set[str]]:
    """The events of a file that had no effect, by the rows of its report; and the ids of all others, which are ignored no more."""
    known = {event.id: event for event in events}
    found = {
        row.id: Ignored(row.id, row.what, event.author.raw, str(row.reason), event.event.clock, now_ms)
        for row in rows
        if row.fate is Fate.IGNORED and (event := known.get(row.id)) is not None
    }
    return list(found.values()), known.keys() - found.keys()


def _ask(after: dict[bytes, Asked], asked: Asked) -> None:
    old = after.get(asked.key)
    if old is None:
        if _makes_room(after):
            after[asked.key] = asked
    elif asked.clock <= max(old.clock, old.answered_ms):
        return
    elif old.state is State.WAITING:
        after[asked.key] = replace(old, text=asked.text, clock=asked.clock)
    elif old.state is State.SETTLED or asked.received_ms >= old.received_ms + _AGAIN_MS:
        after[asked.key] = replace(asked, name=old.name)


def _makes_room(after: dict[bytes, Asked]) -> bool:
    """Whether one more finds a place. Who waits gives it to nobody, for fresh keys cost nothing; who was answered does."""
    if len(after) < limits.STATUS_REQUESTS_PER_CONVERSATION_MAX:
        return True
    answered = [one for one in after.values() if one.state is not State.WAITING]
    if not answered:
        return False
    del after[min(answered, key=lambda one: (one.state is State.DECLINED, one.answered_ms, one.key)).key]
    return True


def _answer(after: dict[bytes, Asked], answer: GroupChatInvitation) -> None:
    """Settle the one request that it can be the answer to; of several with one text nobody knows which."""
    text = _text(answer)
    fits = [one for one in after.values() if one.text == text and one.clock < answer.clock]
    if len(fits) == 1 and fits[0].state is State.WAITING:
        after[fits[0].key] = replace(fits[0], state=State.SETTLED, answered_ms=answer.clock)


def _text(request: GroupChatInvitation) -> str:
    return request.introduction_message.strip()[: limits.STATUS_REQUEST_CHARS_MAX]
