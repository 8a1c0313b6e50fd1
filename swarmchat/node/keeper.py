"""The account's state, kept on disk before anybody sees it changed. (SCP-08 §1.1)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from swarmchat.account.account import Account
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.runtime import Runtime

T = TypeVar("T")


class Keeper:
    """One writer of `state.json`: a change is durable when it returns, or has not happened."""

    def __init__(self, store: AccountStore, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._state = store.load_state()
        self._turn = asyncio.Lock()

    @property
    def state(self) -> State:
        """What is on the disk."""
        return self._state

    async def change(self, step: Callable[[State], tuple[State, T]]) -> T:
        """Take one step from the present state; raises StorageError, and then the old state stands."""
        async with self._turn:
            state, outcome = step(self._state)
            if state is not self._state:
                await self._runtime.offload(self._store.save_state, state)
                self._state = state
            return outcome

    async def save_account(self, account: Account) -> None:
        """Write the account itself; raises StorageError, and then the old file stands."""
        async with self._turn:
            await self._runtime.offload(self._store.save, account)
