"""`swarmchat search`: what was said where; and the index that makes it quick. (SCP-08 §2.1, §3.4)"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import click

from swarmchat import limits
from swarmchat.cli.entries import EntryView
from swarmchat.cli.session import CONV, Noun, Session, Verb, pass_session
from swarmchat.cli.terminal import clock, counted, plain, short


@click.command(cls=Verb)
@click.argument("text", nargs=-1, required=True)
@click.option("--in", "conversation", type=CONV, metavar="CONV", help="only in this conversation")
@click.option("--from", "author", metavar="WHO", help="only by this account")
@click.option("--since", metavar="TIME", help="only from this ISO 8601 time on")
@click.option("--until", metavar="TIME", help="only before this ISO 8601 time")
@click.option(
    "-n", "--limit", type=click.IntRange(1, limits.SEARCH_HITS_MAX), metavar="N", help="at most N (default 20)"
)
@click.option(
    "-C",
    "--context",
    type=click.IntRange(0, limits.SEARCH_CONTEXT_MAX),
    metavar="N",
    help="with N lines before and after",
)
@click.option("--before", metavar="ID", help="only what is further back than this message")
@click.option("--case", is_flag=True, help="upper and lower case, and accents, count")
@click.option("--hidden", is_flag=True, help="hidden messages too")
@pass_session
def search(
    session: Session,
    text: tuple[str, ...],
    conversation: str | None,
    author: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    context: int | None,
    before: str | None,
    case: bool,
    hidden: bool,
) -> None:
    """Look for messages in which all words occur, the newest first.

    A word may be a part of a longer one; words in quotes are looked for as they stand: swarmchat search '"four o clock" boat'.
    """
    with session.output.busy("searching"):
        found = session.door.call(
            "search",
            text=" ".join(text),
            conversation=conversation,
            since=since,
            until=until,
            limit=limit,
            before=before,
            context=context,
            case=case or None,
            hidden=hidden or None,
            **{"from": author},
        )
    session.output.emit(found, lambda: _Listing(session).lines(found["hits"]))
    if not found["hits"]:
        session.output.note("nothing found")
    elif found["more"]:
        session.output.note(f"there is more: --before {short(found['hits'][-1]['message']['id'])}, or -n N")


@click.group(cls=Noun)
def index() -> None:
    """The index of what was said; it is made from the histories, and can be made anew."""


@index.command()
@click.argument("conv", type=CONV, required=False)
@pass_session
def rebuild(session: Session, conv: str | None) -> None:
    """Make the search index anew: all of it, or that of one conversation."""
    with session.output.busy("reading the histories"):
        done = session.door.call("index.rebuild", conversation=conv)
    session.output.emit(done, lambda: f"{counted(done['messages'], 'message')} of all conversations can be found")


class _Listing:
    """Hits for people: a heading for each conversation, in it the lines."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._paint = session.output.paint
        self._titles = {row["id"]: row["title"] for row in session.door.call("conversation.list")}

    def lines(self, hits: list[dict[str, Any]]) -> list[str]:
        told: list[str] = []
        for conversation, here in groupby(hits, key=lambda hit: str(hit["conversation"])):
            if len({hit["conversation"] for hit in hits}) > 1:
                title = plain(self._titles.get(conversation) or short(conversation))
                told.append(self._paint(f"── {title}", "bold"))
            names = self._session.names(conversation)
            around = EntryView(names, self._paint)
            for number, hit in enumerate(here):
                has_context = bool(hit["before"] or hit["after"])
                told += [self._paint("--", "dim")] if has_context and number else []
                told += [line for entry in hit["before"] for line in around.lines(entry)]
                told.append(self._hit(hit, around.speaker(hit["message"])))
                told += [line for entry in hit["after"] for line in around.lines(entry)]
        return told

    def _hit(self, hit: dict[str, Any], author: str) -> str:
        message = hit["message"]
        snippet = "".join(
            self._paint(plain(piece["text"]), "bold", "yellow") if piece["match"] else plain(piece["text"])
            for piece in hit["snippet"]
        )
        marks = self._paint(" (hidden)", "dim") if message["hidden"] else ""
        head = f"{clock(message['time'])} {self._paint(short(message['id']), 'dim')}  {self._paint(author, 'bold')}"
        return f"{head}  {snippet}{marks}"
