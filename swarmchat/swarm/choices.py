"""What our user chose for the account and for single conversations, on all his devices. (SCP-04 §7, SCP-08 §1.4)"""

from __future__ import annotations

import logging

from swarmchat.account import preferences
from swarmchat.account.account import display_name
from swarmchat.account.state import Setting, State
from swarmchat.errors import UsageError, UserError
from swarmchat.ids import ConversationId
from swarmchat.swarm.events import AccountChanged, PreferenceChanged
from swarmchat.swarm.parts import AccountKeeper, Fixed, Parts, Settings

_log = logging.getLogger(__name__)


class Choices:
    """Settings and preferences; `usual` is in force where neither this device nor the account says anything."""

    def __init__(self, parts: Parts, keeper: AccountKeeper, usual: Settings, fixed: Fixed) -> None:
        self._parts = parts
        self._keeper = keeper
        self._usual = usual
        self._fixed = fixed

    async def set(self, name: str, value: Setting) -> None:
        """A setting of the account is this from now on. UsageError, StorageError."""
        try:
            changed = await self._parts.change(lambda state: _set(state, name, value))
        except ValueError as error:
            raise UsageError(str(error)) from None
        if changed:
            await self.follow()
            self._parts.tell(AccountChanged(self._parts.account.id))

    async def prefer(self, conversation: ConversationId, name: str, value: str | None) -> None:
        """A preference of one conversation; None takes it back. UsageError, UserError where there is no place, StorageError."""
        parts = self._parts
        if preferences.of(parts.state, conversation).get(name) == value:
            return
        try:
            taken = await parts.change(lambda state: preferences.prefer(state, conversation, name, value))
        except ValueError as error:
            raise UsageError(str(error)) from None
        if not taken:
            raise UserError("a conversation that is here has at most 32 preferences")
        parts.tell(PreferenceChanged(conversation, name, value))

    async def follow(self) -> None:
        """Act by what the account says now; its name is put into its file too. StorageError."""
        parts = self._parts
        parts.settings = self._usual.chosen(parts.state, self._fixed)
        told = parts.state.settings.get("name")
        if not isinstance(told, str):
            return
        try:
            name = display_name(told)
        except UsageError as error:
            _log.warning("the name that another device gave this account cannot be shown: %s", error)
            return
        await self._keeper.rename(name)

    def followed(self) -> None:
        """Another own device changed a setting."""
        self._parts.chores.add("settings", self.follow)
        self._parts.tell(AccountChanged(self._parts.account.id))


def _set(state: State, name: str, value: Setting) -> tuple[State, bool]:
    if isinstance(value, str):
        value = display_name(value)
    if state.settings.get(name) == value:
        return state, False
    return preferences.with_setting(state, name, value), True
