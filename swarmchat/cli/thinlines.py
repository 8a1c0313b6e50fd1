"""What a thin data-sync peer tells, as lines for people. Pure. (SCP-09 §4.7)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from swarmchat.cli.terminal import lines as cleaned
from swarmchat.cli.terminal import plain

Event = Mapping[str, Any]

_SHORT: Final = 12
_QUOTED_CHARS: Final = 40
_SERVED: Final = "on the node: swarmchat gateway mvds serve --listen HOST:PORT"
_WAITS: Final = "waiting to be let in; who may invite: swarmchat gateway mvds invite CONV KEY"
_HINTS: Final[Mapping[str, str]] = {
    "unreachable": f"it is tried again until a node serves there; {_SERVED}",
    **dict.fromkeys(
        ("no-hello", "bad-hello", "bad-frame", "bad-proof"),
        f"that is no port of data sync, but perhaps one of links or of the web page; {_SERVED}",
    ),
}


def said(event: Event) -> list[str]:
    """What somebody said or changed: for standard output. One line, and further ones for the further lines of a text."""
    if event["event"] == "message":
        return _lines(f"{_name(event)}  ", event["text"] if event["text"] is not None else f"[{event['content']}]")
    return _changed(event) if event["event"] == "commit" else []


def note(event: Event) -> list[str]:
    """What is to be known beside that, in a sentence each."""
    match event["event"]:
        case "invite" | "kick":
            return [f"{_name(event)}: {event['event']} of {event['who_short'][-_SHORT:]}"]
        case "join" | "leave":
            return [f"{_name(event)}: {event['event']}"]
        case "key":
            return [f"my key is {event['short']}", f"          {event['key']}"]
        case "invited" | "joined":
            return [f"{event['event']}: group {event['group']}"]
        case "connected":
            return [f"connected to the node of {event['node']}", *([] if event["in"] else [_WAITS])]
        case "disconnected":
            hint = _HINTS.get(event["code"])
            return [f"disconnected: {event['reason']}", *([] if hint is None else [f"hint: {hint}"])]
        case "refused":
            return [f"refused: {event['reason']}"]
        case "kicked" | "left":
            return [f"{event['event']}: nothing more can be said"]
        case "found":
            return [
                "found: this key has spoken in the group before; its messages are fetched, and what you say follows them"
            ]
        case "shared":
            return ["another client speaks with this key right now: end one of the two, or give it a key of its own"]
        case _:
            return []  # posted, delivered, ignored: for programs


def _changed(event: Event) -> list[str]:
    who, text, about = _name(event), event["text"], event["about"]
    what = _quoted(about, event)
    match event["does"]:
        case "text":
            if "by" in event:
                who = f"{plain(event['by'][:_SHORT])} relayed by {who}"
            return _lines(f"{who}  " if about is None else f"{who}, to {what}:  ", text)
        case "edit":
            return _lines(f"{who} (edited):  ", text)
        case "delete" if about is not None and about["reaction"]:
            return [f"{who} took back {_one_line(about['text'])}"]
        case "delete":
            return [f"{who} deleted: {what}"]
        case "react":
            return [f"{who} {_one_line(text)} {what}"]
        case "file":
            return [f"{who} offers a file: {_one_line(text)} ({event['size']} bytes)"]
        case "withdraw":
            return [f"{who} took back a file: {what}"]
        case "not-his":
            return [f"{who} cannot change {what}"]
        case "profile":
            return [f"{who} changed the name or picture of the conversation"]
        case _:
            return [f"{who} did something that this program has no words for: {_one_line(text)}".rstrip(": ")]


def _quoted(about: Event | None, event: Event) -> str:
    """What it is about: whose, and how it begins."""
    if about is None:
        return "an earlier message"
    begins = f'"{_one_line(about["text"])}"' if about["text"] else "message"
    if about["mine"]:
        return f"your {begins}"
    return begins if about["from"] == event["from"] else f"{_name(about)}'s {begins}"


def _one_line(text: str) -> str:
    """The beginning of a stranger's text, on one line."""
    words = " ".join(text.split())
    return plain(words if len(words) <= _QUOTED_CHARS else f"{words[: _QUOTED_CHARS - 1]}…")


def _lines(before: str, text: str) -> list[str]:
    first, *rest = cleaned(text)
    return [f"{before}{first}", *(f"    {line}" for line in rest)]


def _name(event: Event) -> str:
    return plain(event["short"][-_SHORT:])
