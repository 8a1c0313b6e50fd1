"""The verb that writes a conversation into a file, for people and other programs. (SCP-08 §2.9)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from swarmchat import disk
from swarmchat.conversation.tree import MODE_WORDS
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId
from swarmchat.node import views
from swarmchat.node.exports.document import Document, Line, written
from swarmchat.node.verbs import JsonObject, Verbs, absolute
from swarmchat.node.view import View

_AT_ONCE: Final = 64  # lines read while the log is held still


class ExportVerbs(Verbs):
    """Conversations as documents."""

    async def export(
        self,
        *,
        conversation: str,
        path: str,
        format: str | None = None,  # noqa: A002 - the parameter's name
        force: bool = False,
    ) -> JsonObject:
        """Write all lines that are shown into a new file, whole or not at all."""
        from swarmchat.node.exports.forms import FORMS  # noqa: PLC0415 - half a MB for who exports

        where = await self._readable(conversation)
        target, name = absolute(path), format or "text"
        view = await self._node.view(where)

        def work() -> JsonObject:
            document, commits = _opened(view)
            size = 0
            with disk.new_file(target, force=force) as file:
                for piece in written(FORMS[name](), document, _told(view, commits)):
                    size += file.write(piece)
            return {"messages": len(commits), "bytes": size}

        try:
            done = await self._node.runtime.offload(work)
        except StorageError as error:
            self._node.swarm.met(where, error)
            raise
        return {"id": where, "path": str(target), "format": name} | done


def _opened(view: View) -> tuple[Document, list[CommitId]]:
    """What stands at the head, and the lines to come, oldest first; hidden ones are none."""
    with view.log.still():
        history, roster, read = view.history, view.roster, view.log.commit
        shown = views.profile(roster)
        conversation = {
            "id": view.log.conversation,
            "title": shown.title,
            "description": shown.description,
            "mode": MODE_WORDS[roster.mode],
            "created": views.time(history.root.fact.time),
            "heads": list(history.heads),
        }
        members = views.members(roster, history, view.timeline, read)
        return Document(conversation, members), list(view.timeline.shown(view.hidden()))


def _told(view: View, commits: list[CommitId]) -> Iterator[Line]:
    for start in range(0, len(commits), _AT_ONCE):
        with view.log.still():
            hidden = view.hidden()
            page = [
                views.message(view.timeline.item(commit, hidden), view.history, view.log.commit, credit=view.credit)
                for commit in commits[start : start + _AT_ONCE]
            ]
        yield from page
