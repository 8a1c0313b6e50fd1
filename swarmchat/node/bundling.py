"""The verbs that carry conversations by hand. (SCP-04 §9)"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from swarmchat import disk
from swarmchat.commitlog import carried
from swarmchat.commitlog.carried import Carried, Header
from swarmchat.errors import NotFoundError, StorageError, UserError
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.node.naming import resolve
from swarmchat.node.verbs import JsonObject, Verbs, absolute
from swarmchat.node.view import View

_REFUSALS_TOLD: Final = 100


class BundleVerbs(Verbs):
    """What a peer lacks, as one file."""

    async def bundle_export(
        self, *, conversation: str, path: str, since: list[str] | None = None, force: bool = False
    ) -> JsonObject:
        """Write what is not behind `since`, each a device or a commit, into a new file; without it all there is."""
        where = await self._conversation(conversation)
        target = absolute(path)
        haves = [have for text in since or () for have in await self._had(where, text)]
        log = await self._node.swarm.log(where)

        def work() -> tuple[Header, int]:
            with disk.new_file(target, force=force) as file:
                header = carried.write(log, file, haves)
                if header is None:
                    raise UserError("there is nothing here that is lacking there", data={"conversation": where})
                return header, file.tell()

        try:
            header, size = await self._node.runtime.offload(work)
        except StorageError as error:
            self._node.swarm.met(where, error)
            raise
        return {
            "conversation": where,
            "path": str(target),
            "commits": header.commits,
            "bytes": size,
            "heads": list(header.heads),
            "since": list(header.since),
        }

    async def bundle_import(self, *, path: str) -> JsonObject:
        """Take a file in, judged like what a peer sends; a conversation that is not here is joined if it invites us."""
        found = await self._node.runtime.offload(Carried, absolute(path))
        with found:
            where = found.header.conversation
            self._must_be_writable(where)
            brought = await self._node.swarm.bring(found)
        return {
            "conversation": where,
            "state": self._node.swarm.state_of(where),
            "new": brought.new,
            "refused": [
                {"commit": one.commit, "rule": one.rule, "reason": str(one.detail or one.reason.code), "path": one.path}
                for one in brought.refused[:_REFUSALS_TOLD]
            ],
        }

    # --- inside

    async def _had(self, where: ConversationId, text: str) -> Sequence[CommitId]:
        """A commit; or what a device is known to have: the heads it named last, and what it wrote itself."""
        with suppress(NotFoundError):
            return [await self._message_in(where, text)]

        def devices(view: View) -> dict[DeviceId, list[str]]:
            return {device: [] for device in (*view.roster.devices, *view.history.devices)}  # those of the banned too

        try:
            device = resolve(text, await self._look(where, devices), "device")
        except NotFoundError as error:
            raise NotFoundError(f"no commit and no device {text!r} in this conversation", hint=error.hint) from None
        held = await self._node.runtime.offload(self._node.receipts.heads, where, device)
        written = (await self._node.view(where)).history.newest_of(device)
        return [*(held.heads if held is not None else ()), *written]
