"""The verbs of the account's key with Status and data sync: shown, set, written into a file. (SCP-09 §2.1, §2.5)"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from swarmchat import disk
from swarmchat.account.records import ConversationState
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.scalars import is_secret
from swarmchat.errors import RefusedError, SwarmchatError, UsageError
from swarmchat.node.verbs import JsonObject, Verbs, absolute
from swarmchat.node.view import View

_SECRET = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})")
_WRITTEN_BY = "`swarmchat status identity --export FILE` writes one into a file"
_AS_SHOWN = "the English words of the Status account, in their order, with spaces between; a passphrase is none of them"


class IdentityVerbs(Verbs):
    """One key for the account, on all its devices; no answer holds its secret half."""

    async def status_identity(
        self,
        *,
        secret: str | None = None,
        phrase: str | None = None,
        passphrase: str | None = None,
        replace: bool = False,
    ) -> JsonObject:
        """The key of the account, made now if there is none; with `secret` or `phrase` it is that one from now on.

        RefusedError with `data["bound"]` where conversations know the account by another key already, unless `replace`.
        """
        wanted = await self._wanted(secret, phrase, passphrase)
        own = self._node.swarm.own
        held, state = own.status_key(), "held"
        bound = await self._bound()
        if wanted is None:
            if held is None:
                held, state = await own.ensure_status_key(), "made"
        elif held is None or held.raw != wanted:
            if bound and not replace:
                raise RefusedError(
                    "conversations know this account by the key that it has, and keep that",
                    hint="`--yes` (`replace`) sets another one all the same, for conversations that know none yet",
                    data={"bound": [row["id"] for row in bound]},
                )
            held, state = await own.set_status_key(wanted), "set"
        key = held.public
        return {
            "state": state,
            "key": key.legacy,
            "compressed": key.compressed,
            "account": key.uri,
            "bound": [{**row, "current": row["key"] == key.legacy} for row in bound],
        }

    async def status_identity_export(self, *, path: str) -> JsonObject:
        """Write the secret half into a new file of mode 0600, as 64 hex digits: who has it speaks as this account with Status."""
        target = absolute(path)
        held = self._node.swarm.own.status_key() or await self._node.swarm.own.ensure_status_key()
        await self._node.runtime.offload(disk.write_new, target, f"{held.raw.hex()}\n".encode())
        return {"path": str(target), "key": held.public.legacy}

    async def _wanted(self, secret: str | None, phrase: str | None, passphrase: str | None) -> bytes | None:
        if phrase is not None:
            if secret is not None:
                raise UsageError(
                    "a key is set from its secret or from a recovery phrase, not from both", hint="name one"
                )
            return await self._node.runtime.offload(_of_phrase, phrase, passphrase or "")
        if passphrase is not None:
            raise UsageError(
                "a passphrase is nothing without its recovery phrase", hint="give the phrase that it belongs to as well"
            )
        if secret is None:
            return None
        found = _SECRET.fullmatch(secret)
        if found is None:
            raise UsageError("a secret key is 64 hex digits, with 0x before them or without", hint=_WRITTEN_BY)
        raw = bytes.fromhex(found[1])
        if not is_secret(raw):
            raise UsageError("these 64 digits are no key: 0, or beyond the order of the curve", hint=_WRITTEN_BY)
        return raw

    async def _bound(self) -> list[JsonObject]:
        """Our conversations that know this account by a key; one that cannot be read tells nothing."""
        told = []
        for known in self._known():
            if known.state is ConversationState.SYNCING:
                continue
            with contextlib.suppress(SwarmchatError):
                key = await self._look(known.id, self._bound_in())
                if key is not None:
                    told.append({"id": known.id, "key": key})
        return told

    def _bound_in(self) -> Callable[[View], str | None]:
        from swarmchat.gateways.bindings import BINDING, Bindings  # noqa: PLC0415 - the curve's library is for who bridges

        me = self._node.account.id

        def read(view: View) -> str | None:
            history = view.history
            known = Bindings(view.log.conversation, history.is_ancestor)
            for number in history.numbers_of_type(BINDING):
                fact = history.entry(number).fact
                commit = view.log.commit(fact.id)
                assert isinstance(commit, Commit), "a merge has no type"
                assert fact.account is not None, "and only merges are nobody's"
                known.take(fact.id, fact.account, commit.body)
            binding = known.of(me)
            return None if binding is None else binding.key.legacy

        return read


def _of_phrase(phrase: str, passphrase: str) -> bytes:
    from swarmchat.crypto.phrase import secret_of  # noqa: PLC0415 - a list of words for who types one

    try:
        return secret_of(phrase, passphrase).raw
    except ValueError as error:
        raise UsageError(str(error), hint=_AS_SHOWN) from None
