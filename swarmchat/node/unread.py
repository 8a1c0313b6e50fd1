"""How many messages of others came after what the user has read: pure. (SCP-04 §6.1)"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from swarmchat.conversation.history import History
from swarmchat.ids import AccountId, CommitId
from swarmchat.limits import UNREAD_MAX, UNREAD_PASSED_ON_MAX
from swarmchat.node.deeds import OF_GATEWAYS

_DEEDS: Final = frozenset(
    {"initial", "member", "vote", "application/update-profile", "application/update-device"}
)  # what people did to the conversation, not in it


PassedOn = Callable[[Sequence[CommitId]], int]
"""How many of these commits say what their author only passed on. (SCP-09 §1.5)"""


def unread(
    history: History,
    me: AccountId,
    mark: CommitId | None,
    hidden: Collection[CommitId],
    passed_on: PassedOn | None = None,
) -> int:
    """Messages by others admitted after the mark, at most 1,000; without a mark after our first commit here.

    Of our own last 100 commits those count that we only passed on. Costs a search for each device that writes here, and a
    look at the edits, deeds and hidden messages after the mark.
    """
    read_to = _read_to(history, me, mark)
    others = [device for device in sorted(history.devices) if _author(history, history.numbers_of_device(device)) != me]
    columns = [history.numbers_of_device(device) for device in others]
    count = sum(len(column) - bisect_right(column, read_to) for column in columns)
    left_out = set(_no_messages(history, read_to))
    for commit in hidden:
        number = history.find(commit)
        if number is not None and number > read_to:
            left_out.add(number)
    count -= sum(history.entry(number).fact.account != me for number in left_out)
    if passed_on is not None:
        mine = history.numbers_of_account(me)[-UNREAD_PASSED_ON_MAX:]
        count += passed_on([history.id(number) for number in mine if number > read_to and number not in left_out])
    return min(count, UNREAD_MAX)


def _read_to(history: History, me: AccountId, mark: CommitId | None) -> int:
    number = None if mark is None else history.find(mark)
    if number is not None:
        return number
    mine = history.numbers_of_account(me)
    return mine[0] if mine else -1


def _author(history: History, numbers: Collection[int]) -> AccountId | None:
    return history.entry(next(iter(numbers))).fact.account


def _no_messages(history: History, read_to: int) -> Iterator[int]:
    """The edits, reactions and deeds after a place."""
    for number in history.latest_relations(read_to):
        relation = history.relation(number)
        if relation is not None and relation[0] != "reply":
            yield number
    for entry in reversed(history.controls):
        if entry.seq <= read_to:
            break
        if entry.fact.type in _DEEDS:
            yield entry.seq
    for kind in OF_GATEWAYS:
        yield from history.numbers_of_type(kind, read_to)
