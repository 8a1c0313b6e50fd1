from __future__ import annotations

import asyncio

import pytest

from swarmchat.addresses import Address
from swarmchat.errors import LinkError
from swarmchat.links.dialling import race

ONE, TWO, THREE = (Address("10.0.0.1", port) for port in (1, 2, 3))


def test_the_first_that_works_wins_and_the_others_are_cancelled() -> None:
    async def scenario() -> None:
        cancelled = []

        async def attempt(address: Address) -> str:
            if address == TWO:
                return "two"
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(address)
            raise AssertionError

        assert await race([ONE, TWO, THREE], attempt, stagger_s=0.0) == "two"
        assert ONE in cancelled

    asyncio.run(scenario())


def test_the_next_is_tried_at_once_when_one_failed() -> None:
    async def scenario() -> None:
        tried = []

        async def attempt(address: Address) -> str:
            tried.append(address)
            if address != THREE:
                raise ConnectionRefusedError("refused")
            return "three"

        assert await race([ONE, TWO, THREE], attempt, stagger_s=1000.0) == "three"
        assert tried == [ONE, TWO, THREE]

    asyncio.run(scenario())


def test_a_dial_that_fails_says_why_for_each_address() -> None:
    async def attempt(address: Address) -> str:
        raise (LinkError("another device answers") if address == TWO else OSError("refused"))

    with pytest.raises(LinkError) as caught:
        asyncio.run(race([ONE, TWO], attempt))
    assert str(caught.value) == "10.0.0.1:1: refused; 10.0.0.1:2: another device answers"
    assert caught.value.data == {"addresses": {"10.0.0.1:1": "refused", "10.0.0.1:2": "another device answers"}}


def test_no_address_is_no_link() -> None:
    async def attempt(address: Address) -> str:
        raise AssertionError(address)

    with pytest.raises(LinkError, match="no address"):
        asyncio.run(race([], attempt))


def test_a_cancelled_race_leaves_nobody_running() -> None:
    async def scenario() -> None:
        ended = []

        async def attempt(address: Address) -> str:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(address)
            raise AssertionError

        racing = asyncio.get_running_loop().create_task(race([ONE, TWO], attempt, stagger_s=0.0))
        for _ in range(10):
            await asyncio.sleep(0.001)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        assert sorted(ended) == [ONE, TWO]

    asyncio.run(scenario())
