"""`swarmchat log` and `swarmchat tail`: reading what was said, and what is being said. (SCP-08 §2.1)"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Final

import click

from swarmchat import limits
from swarmchat.cli.entries import EntryView
from swarmchat.cli.following import PAUSE_S, followed
from swarmchat.cli.session import CONV, Session, Verb, pass_session
from swarmchat.cli.terminal import Names, plain, short
from swarmchat.errors import NotFoundError, UnreachableError

_TAIL_FIRST: Final = 10
_SHOWN: Final = frozenset({"message.added", "message.updated", "message.hidden", "reaction.added", "reaction.removed"})


@click.command(cls=Verb)
@click.argument("conv", type=CONV)
@click.option(
    "-n", "--limit", type=click.IntRange(1, limits.API_LIST_MAX), metavar="N", help="the newest N (default 50)"
)
@click.option("--before", metavar="ID", help="only what stands before this message")
@click.option("--since", metavar="TIME", help="only from this ISO 8601 time on")
@click.option("--hidden", is_flag=True, help="the hidden messages instead")
@click.option("--local", is_flag=True, help="in JSON: with what only this node knows (status)")
@pass_session
def log(
    session: Session, conv: str, limit: int | None, before: str | None, since: str | None, hidden: bool, local: bool
) -> None:
    """Read a conversation, oldest first."""
    wants_status = local or not session.json
    entries = session.door.call(
        "message.list",
        conversation=conv,
        limit=limit,
        before=before,
        since=since,
        hidden=hidden or None,
        local=wants_status or None,
    )

    def text() -> list[str]:
        view = EntryView(session.names(conv), session.output.paint, me=session.door.call("account.show")["id"])
        view.expect(entries)
        return [line for entry in entries for line in view.lines(entry)]

    session.output.emit(entries, text)
    if not entries:
        session.output.note("nothing hidden" if hidden else "nothing here yet")


@click.command(cls=Verb)
@click.argument("conv", type=CONV, nargs=-1, metavar="[CONV...]")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(0, limits.API_LIST_MAX),
    metavar="N",
    help="begin with the last N (default 10; with --since: all)",
)
@click.option("--since", metavar="TIME", help="begin with what was said from this ISO 8601 time on")
@pass_session
def tail(session: Session, conv: tuple[str, ...], limit: int | None, since: str | None) -> None:
    """Follow conversations (default: all) until interrupted; over restarts of the daemon too.

    A message that is edited, deleted or reacted to is shown again.
    """
    stream = followed(session.door, None, pause=time.sleep, told=session.output.note)  # before the first page
    wanted = [session.door.call("conversation.show", conversation=one) for one in conv]
    follower = _Follower(session, [page["id"] for page in wanted])
    first = limit if limit is not None else _TAIL_FIRST if since is None else limits.API_LIST_MAX
    for page in wanted or session.door.call("conversation.list"):
        follower.begin(page, first, since)
    for event in stream:
        while not follower.take(event):
            time.sleep(PAUSE_S)


class _Follower:
    """Prints entries as they come; one view for each conversation, a heading whenever the conversation changes."""

    def __init__(self, session: Session, only: list[str]) -> None:
        self._session = session
        self._only = frozenset(only)
        self._me = session.door.call("account.show")["id"]
        self._names: dict[str, Names] = {}
        self._views: dict[str, EntryView] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self._last: str | None = None

    def begin(self, page: dict[str, Any], limit: int, since: str | None) -> None:
        asked = {"conversation": page["id"], "limit": limit, "since": since, "local": self._local}
        entries = self._session.door.call("message.list", **asked) if limit else []
        view = self._view(page["id"])
        if not self._session.json:
            view.expect(entries)
        for entry in entries:
            self._print(page["id"], entry)

    def take(self, event: dict[str, Any]) -> bool:
        """Print what an event brought; False when the daemon went away before it could be asked: then once more."""
        try:
            self._take(event)
        except UnreachableError:
            return False
        except NotFoundError:
            return True  # the conversation has gone since: there is nothing left to show
        return True

    def _take(self, event: dict[str, Any]) -> None:
        kind, data = str(event.get("type")), event.get("data") or {}
        if kind == "gap":
            self._session.output.note(f"events {data.get('from')}–{data.get('to')} are no longer kept; read the log")
            return
        if kind == "contact.changed":
            self._names.clear()
        conversation = data.get("conversation")
        if not isinstance(conversation, str) or (self._only and conversation not in self._only):
            return
        if kind in {"member.changed", "message.added"}:  # it may be the first under another name
            self._names.pop(conversation, None)  # asked for again when the next line is printed
        commit = _commit_of(kind, data)
        if commit is None:
            return
        entry = self._session.door.call("message.show", conversation=conversation, message=commit, local=self._local)
        self._print(conversation, entry)

    @property
    def _local(self) -> bool | None:
        return None if self._session.json else True

    def _print(self, conversation: str, entry: dict[str, Any]) -> None:
        if self._shown.get(entry["id"]) == entry:
            return
        self._shown[entry["id"]] = entry
        if len(self._shown) > limits.API_LIST_MAX:
            self._shown.pop(next(iter(self._shown)))
        if conversation != self._last and not self._session.json and len(self._views) > 1:
            title = self._session.door.call("conversation.show", conversation=conversation)["title"]
            self._session.output.emit(
                None, lambda: self._session.output.paint(f"── {plain(title) or short(conversation)}", "bold")
            )
        self._last = conversation
        self._session.output.emit(entry, lambda: self._view(conversation).lines(entry))

    def _view(self, conversation: str) -> EntryView:
        if conversation not in self._views:
            called = partial(self._called, conversation)
            self._views[conversation] = EntryView(called, self._session.output.paint, me=self._me)
        return self._views[conversation]

    def _called(self, conversation: str, account: str | None) -> str:
        if conversation not in self._names:
            self._names[conversation] = self._session.names(conversation)
        return self._names[conversation](account)


def _commit_of(kind: str, data: dict[str, Any]) -> str | None:
    """Which entry an event makes worth printing."""
    if kind not in _SHOWN:
        return None
    found = data.get("message") or data.get("id")
    return found if isinstance(found, str) else None
