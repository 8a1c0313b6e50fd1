"""The order of messages that name each other, where some of the names cannot be trusted. (SCP-09 §4.4)

What a message names under its signature is older than it is: the id of a message is a digest. The parents in its metadata are
under no signature and no digest, so whoever passes a message on can make circles of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from swarmchat.gateways.datasync.payload import MessageId

Links = Mapping[MessageId, Collection[MessageId]]


def arranged(signed: Links, claimed: Links) -> dict[MessageId, frozenset[MessageId]]:
    """Each message with those that it follows, whoever is followed first; both maps have the same messages, and
    none names itself.

    A claim that lies on a circle does not count; what it is about does not depend on which message came first. Names of
    messages that are not here are left out.
    """
    links = {each: frozenset({*signed[each], *claimed[each]} & signed.keys()) for each in signed}
    ordered = _ordered(links)
    if len(ordered) < len(links):
        stuck = {each: links[each] - ordered.keys() for each in links.keys() - ordered.keys()}
        for circle in _circles(stuck):
            for each in circle:
                links[each] -= circle - set(signed[each])
        ordered = _ordered(links)
    return {each: links[each] for each in ordered}


def _ordered(links: Links) -> dict[MessageId, None]:
    """As many as can come after all that they follow, in such an order."""
    followers: defaultdict[MessageId, list[MessageId]] = defaultdict(list)
    open_links = {each: len(followed) for each, followed in links.items()}
    for each, followed in links.items():
        for one in followed:
            followers[one].append(each)
    ready = sorted(each for each, count in open_links.items() if not count)
    ordered: dict[MessageId, None] = {}
    while ready:
        each = ready.pop()
        ordered[each] = None
        for follower in followers[each]:
            open_links[follower] -= 1
            if not open_links[follower]:
                ready.append(follower)
    return ordered


def _circles(links: Links) -> Iterator[frozenset[MessageId]]:
    """The largest sets of several in which everything follows everything else (Tarjan)."""
    number: dict[MessageId, int] = {}
    lowest: dict[MessageId, int] = {}
    path: dict[MessageId, None] = {}
    for root in links:
        if root in number:
            continue
        number[root] = lowest[root] = len(number)
        path[root] = None
        work = [(root, iter(links[root]))]
        while work:
            each, followed = work[-1]
            for one in followed:
                if one not in number:
                    number[one] = lowest[one] = len(number)
                    path[one] = None
                    work.append((one, iter(links[one])))
                    break
                if one in path:
                    lowest[each] = min(lowest[each], number[one])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[each])
                if lowest[each] == number[each]:
                    circle = {each}
                    while (one := path.popitem()[0]) != each:
                        circle.add(one)
                    if len(circle) > 1:
                        yield frozenset(circle)
