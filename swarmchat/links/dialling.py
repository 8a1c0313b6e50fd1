"""Several ways to one device: try them a little after one another, take the first that works. (SCP-03 §6)"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from swarmchat.addresses import Address
from swarmchat.errors import LinkError, in_words
from swarmchat.limits import HAPPY_EYEBALLS_DELAY_S

T = TypeVar("T")


async def race(
    addresses: Sequence[Address],
    attempt: Callable[[Address], Awaitable[T]],
    *,
    stagger_s: float = HAPPY_EYEBALLS_DELAY_S,
) -> T:
    """The first result of `attempt`, in the order of `addresses`, the next one `stagger_s` later or as soon as one failed.

    The others are cancelled and awaited. LinkError with the reason of each address if none works.
    """
    reasons: dict[Address, str] = {}
    waiting: set[asyncio.Task[T | None]] = set()
    rest = list(reversed(addresses))

    async def tried(address: Address) -> T | None:
        try:
            return await attempt(address)
        except (LinkError, OSError) as error:
            reasons[address] = in_words(error)
            return None

    async with asyncio.TaskGroup() as group:
        while rest or waiting:
            if rest:
                waiting.add(group.create_task(tried(rest.pop())))
            done, waiting = await asyncio.wait(
                waiting, timeout=stagger_s if rest else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                won = task.result()
                if won is not None:
                    for other in waiting:
                        other.cancel()
                    return won
    told = "; ".join(f"{address}: {reasons[address]}" for address in addresses if address in reasons)
    raise LinkError(told or "no address is known", data={"addresses": {str(a): r for a, r in reasons.items()}})
