"""From a method's name to the command that does it: `Commands` is what a node offers to the local door. (SCP-08 §3.1)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from swarmchat.api.schema import METHODS, OF_THE_DOOR, openrpc
from swarmchat.api.shapes import JsonObject, Method


class UnknownMethodError(LookupError):
    """No method of that name is in the table."""


class Commands(Protocol):
    """The verbs of a node, one coroutine for each method of `schema.METHODS`, named with underscores.

    Every one returns what its result shape in `schema` says (SCP-08 §2.5: times ISO 8601 UTC with milliseconds) and
    raises `swarmchat.errors.SwarmchatError` only. Parameters arrive checked against the schema (type, length, choice);
    what they name (id, unique prefix of ≥ `limits.ID_PREFIX_MIN`, name, title) is resolved here: NotFoundError,
    AmbiguousError with `data["candidates"]`. What the law refuses is a RefusedError with `data["rule"]`.
    """

    async def account_create(self, *, name: str | None = None, password: str | None = None) -> JsonObject:
        """Make the account of this home; RefusedError when there is one."""
        ...

    async def account_show(self) -> JsonObject: ...

    async def account_set(
        self, *, name: str | None = None, read_receipts: str | None = None, typing: str | None = None
    ) -> JsonObject:
        """None leaves a setting as it is; UsageError when nothing is set."""
        ...

    async def account_export(self, *, path: str, password: str) -> JsonObject:
        """Write a new file of mode 0600 at the absolute `path`; UserError when it exists."""
        ...

    async def account_import(self, *, path: str, password: str, check: bool = False) -> JsonObject:
        """With `check` nothing is installed and `device` is null."""
        ...

    async def account_set_password(self, *, password: str | None = None, old: str | None = None) -> JsonObject:
        """PasswordNeededError unless `old` opens what is sealed now."""
        ...

    async def status_identity(
        self,
        *,
        secret: str | None = None,
        phrase: str | None = None,
        passphrase: str | None = None,
        replace: bool = False,
    ) -> JsonObject:
        """RefusedError with `data["bound"]` where conversations know this account by another key, unless `replace`."""
        ...

    async def status_identity_export(self, *, path: str) -> JsonObject:
        """Write a new file of mode 0600 at the absolute `path`; UserError when it exists."""
        ...

    async def mvds_open(self, *, conversation: str) -> JsonObject:
        """One that is open stays as it is."""
        ...

    async def mvds_invite(self, *, conversation: str, key: str) -> JsonObject:
        """`key` is `0x04…` or `zQ3sh…`; RefusedError for who takes part already."""
        ...

    async def mvds_attest(self, *, conversation: str, limit: int | None = None) -> JsonObject:
        """What was passed on before is not again; RefusedError for who is not in the group."""
        ...

    async def mvds_serve(
        self, *, listen: str | None = None, stop: bool = False, tick_ms: int | None = None
    ) -> JsonObject:
        """RefusedError where it listens already; with `stop`, nothing happens where it does not."""
        ...

    async def mvds_status(self) -> JsonObject: ...

    async def status_bridge(self, *, conversation: str) -> JsonObject:
        """RefusedError where it is open already, in a one-to-one, and for who is no admin."""
        ...

    async def status_export(
        self, *, conversation: str, path: str, mode: str | None = None, force: bool = False
    ) -> JsonObject:
        """Appears under its name when it is whole; UserError when it exists, unless `force`."""
        ...

    async def status_import(self, *, path: str, dry_run: bool = False) -> JsonObject:
        """UserError for a file that holds no chat. Nothing is written twice: what was broken off goes on when it is called again."""
        ...

    async def status_show(self, *, conversation: str) -> JsonObject:
        """RefusedError for one that is not open for Status."""
        ...

    async def status_requests(self, *, conversation: str | None = None) -> list[JsonObject]: ...

    async def status_accept(self, *, conversation: str, key: str) -> JsonObject:
        """RefusedError where this account may add nobody, or the chat of Status would not hear of it."""
        ...

    async def status_decline(self, *, conversation: str, key: str) -> JsonObject:
        """NotFoundError where nobody like that asks."""
        ...

    async def daemon_status(self) -> JsonObject: ...

    async def daemon_stop(self) -> JsonObject:
        """Answers first, stops then."""
        ...

    async def dht_status(self) -> JsonObject: ...

    async def conversation_create(self, *, title: str | None = None, mode: str | None = None) -> JsonObject: ...

    async def conversation_list(self) -> list[JsonObject]: ...

    async def conversation_show(self, *, conversation: str) -> JsonObject: ...

    async def conversation_set(
        self,
        *,
        conversation: str,
        title: str | None = None,
        description: str | None = None,
        image: str | None = None,
        color: str | None = None,
    ) -> JsonObject:
        """None leaves a field as it is, an empty string removes it."""
        ...

    async def conversation_join(
        self, *, conversation: str, timeout: float | None = None, any_mode: bool = False
    ) -> JsonObject:
        """`conversation` is a `swarm:` link or an id. Returns at once with state `syncing`, or waits `timeout` seconds for `ready`.

        VerificationError or RefusedError with `data["cause"]` when it will not be joined as it is.
        """
        ...

    async def conversation_link(self, *, conversation: str) -> JsonObject:
        """RefusedError for one that we are not in. `addresses` are those that others may be told; perhaps none."""
        ...

    async def conversation_leave(
        self, *, conversation: str, promote: str | None = None, dissolve: bool = False
    ) -> JsonObject: ...

    async def conversation_merge_forks(self, *, conversation: str) -> JsonObject:
        """Merges what `conversation.show` lists as `held`."""
        ...

    async def conversation_import(self, *, path: str) -> JsonObject:
        """VerificationError with `data["rule"]` for an invalid history; nothing of it is kept then."""
        ...

    async def conversation_prefs(
        self, *, conversation: str, values: list[str] | None = None, unset: list[str] | None = None
    ) -> JsonObject:
        """Without `values` and `unset` nothing changes."""
        ...

    async def conversation_purge(self, *, conversation: str) -> JsonObject: ...

    async def member_list(self, *, conversation: str, local: bool = False) -> list[JsonObject]:
        """Equal on all nodes unless `local`."""
        ...

    async def member_invite(self, *, conversation: str, accounts: list[str]) -> list[JsonObject]:
        """All or none are added; the order of the answer is the order of `accounts`."""
        ...

    async def member_ban(
        self, *, conversation: str, target: str, device: bool = False, dry_run: bool = False, at: str | None = None
    ) -> JsonObject: ...

    async def member_unban(
        self, *, conversation: str, target: str, device: bool = False, dry_run: bool = False
    ) -> JsonObject: ...

    async def member_kick(self, *, conversation: str, target: str) -> JsonObject: ...

    async def member_promote(self, *, conversation: str, target: str, dry_run: bool = False) -> JsonObject: ...

    async def member_demote(self, *, conversation: str) -> JsonObject: ...

    async def member_votes(self, *, conversation: str) -> list[JsonObject]: ...

    async def message_send(
        self,
        *,
        conversation: str,
        text: str,
        reply_to: str | None = None,
        wait: str | None = None,
        timeout: float | None = None,
    ) -> JsonObject:
        """Durable here on return. With `wait` (`any`, `all`, or digits) DeliveryTimeout, `data` = the result, when it was not had in time."""
        ...

    async def message_edit(self, *, conversation: str, message: str, text: str) -> JsonObject: ...

    async def message_delete(self, *, conversation: str, message: str) -> JsonObject: ...

    async def message_react(
        self, *, conversation: str, message: str, reaction: str, remove: bool = False
    ) -> JsonObject: ...

    async def message_show(
        self, *, conversation: str, message: str, local: bool = False, delivery: bool = False
    ) -> JsonObject:
        """With `delivery` how far it came with each member; `sent_at` is when this node knew it first, so at the latest."""
        ...

    async def message_read(self, *, conversation: str, message: str | None = None) -> JsonObject:
        """Marks go forward only: one that is behind the last changes nothing."""
        ...

    async def message_typing(self, *, conversation: str, on: bool = True) -> JsonObject: ...

    async def message_history(self, *, conversation: str, message: str) -> list[JsonObject]: ...

    async def message_list(
        self,
        *,
        conversation: str,
        limit: int | None = None,
        before: str | None = None,
        since: str | None = None,
        hidden: bool = False,
        local: bool = False,
    ) -> list[JsonObject]:
        """Oldest first, the newest `limit` (default 50) of what fits; equal on all nodes unless `local`."""
        ...

    async def request_list(self) -> list[JsonObject]: ...

    async def request_accept(self, *, request: str, timeout: float | None = None, any_mode: bool = False) -> JsonObject:
        """Returns at once with state `syncing`, or waits `timeout` seconds for `ready`; errors as of `conversation_join`."""
        ...

    async def request_decline(self, *, request: str) -> JsonObject: ...

    async def request_block(self, *, request: str) -> JsonObject: ...

    async def contact_add(
        self, *, account: str, name: str | None = None, addresses: list[str] | None = None
    ) -> JsonObject: ...

    async def contact_list(self) -> list[JsonObject]: ...

    async def contact_show(self, *, contact: str) -> JsonObject: ...

    async def presence(self, *, contact: str | None = None) -> list[JsonObject]:
        """Of `contact`, which may be any account known here, else of all contacts that are not blocked."""
        ...

    async def contact_remove(self, *, contact: str) -> JsonObject: ...

    async def contact_block(self, *, contact: str) -> JsonObject: ...

    async def contact_unblock(self, *, contact: str) -> JsonObject: ...

    async def peer_list(self) -> list[JsonObject]: ...

    async def peer_add(self, *, account: str, address: str) -> JsonObject: ...

    async def peer_remove(self, *, account: str, address: str | None = None) -> JsonObject: ...

    async def device_list(self) -> list[JsonObject]: ...

    async def device_add(
        self,
        *,
        code: str,
        may_link: bool = False,
        addresses: list[str] | None = None,
        timeout: float | None = None,
    ) -> JsonObject:
        """Waits up to five minutes. RefusedError with `data["reason"]` (auth, refused, busy) and `data["left"]` tries, DeliveryTimeout."""
        ...

    async def device_confirm(self, *, pairing: str, accept: bool) -> JsonObject:
        """After `device_add`, within its five minutes; NotFoundError when nothing waits any more."""
        ...

    async def device_rename(self, *, name: str, device: str | None = None) -> JsonObject: ...

    async def device_revoke(self, *, device: str) -> JsonObject:
        """A device that never showed itself here is named by its whole id."""
        ...

    async def search(
        self,
        *,
        text: str,
        conversation: str | None = None,
        from_: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        context: int | None = None,
        case: bool = False,
        hidden: bool = False,
    ) -> JsonObject:
        """Newest first; `more` tells that older ones fit, to be asked for with `before` = the last message's id."""
        ...

    async def index_rebuild(self, *, conversation: str | None = None) -> JsonObject:
        """Returns when it is whole again."""
        ...

    async def export(
        self,
        *,
        conversation: str,
        path: str,
        format: str | None = None,  # noqa: A002 - the parameter's name
        force: bool = False,
    ) -> JsonObject:
        """Appears under its name when it is whole; UserError when it exists, unless `force`."""
        ...

    async def bundle_export(
        self, *, conversation: str, path: str, since: list[str] | None = None, force: bool = False
    ) -> JsonObject:
        """UserError when nothing is lacking there: then no file is written."""
        ...

    async def bundle_import(self, *, path: str) -> JsonObject:
        """VerificationError: damaged, or nothing of it is valid; RefusedError: it does not invite us, or goes on from what is not here."""
        ...

    async def verify(self, *, conversation: str, allowed_signers: bool = False) -> JsonObject:
        """An invalid history is an answer with `valid` false, not an error."""
        ...

    async def doctor(self, *, repair: bool = False) -> list[JsonObject]:
        """Never an error for what is wrong: that is the answer."""
        ...

    async def explain(self, *, commit: str, conversation: str | None = None) -> JsonObject: ...

    async def graph(self, *, conversation: str, limit: int | None = None) -> JsonObject: ...

    async def token_add(self, *, name: str, scope: str | None = None) -> JsonObject:
        """RefusedError for a name that is taken."""
        ...

    async def token_list(self) -> list[JsonObject]: ...

    async def token_remove(self, *, name: str) -> JsonObject: ...

    async def web_link(self) -> JsonObject: ...

    async def config_show(self) -> JsonObject: ...

    async def config_get(self, *, key: str) -> JsonObject: ...

    async def config_set(self, *, key: str, values: list[str]) -> JsonObject:
        """UsageError for a wrong value, and nothing is written."""
        ...

    async def config_unset(self, *, key: str) -> JsonObject:
        """One that is not there stays so."""
        ...

    async def config_path(self) -> JsonObject: ...

    async def config_schema(self) -> JsonObject: ...

    async def debug_bundle(self, *, path: str) -> JsonObject:
        """Writes a new file; UserError when it exists. Parts that cannot be asked for say why instead."""
        ...

    async def sync_status(self, *, conversation: str | None = None) -> list[JsonObject]: ...

    async def events_list(self, *, since: int | None = None, limit: int | None = None) -> JsonObject:
        """Events with id > `since`, oldest first; `last` is the newest id there is; `gap` tells what retention has dropped."""
        ...

    async def events_wait(self, *, after: int, passed: int | None = None) -> tuple[int, list[JsonObject]]:
        """Return when an event with an id > `after` exists, or one that is never stored has passed the place `passed` (None: now).

        The place now and what passed since. Not a method of the API: the door's subscriptions live on it.
        """
        ...


async def invoke(commands: Commands, name: str, params: Mapping[str, object]) -> Any:
    """Do one method: its result as JSON-able values. Raises UnknownMethodError, UsageError for wrong parameters, or what the command raises."""
    method = find(name)
    arguments = method.checked(params)
    if name == "rpc.discover":
        return openrpc()
    assert name not in OF_THE_DOOR, "a subscription belongs to a connection, not to a node"
    return await getattr(commands, method.function)(**method.arguments(arguments))


def find(name: str) -> Method:
    """The method of that name; raises UnknownMethodError."""
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownMethodError(name) from None
