"""What somebody did in a conversation, other than to say something, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from swarmchat.conversation.tree import MODE_WORDS
from swarmchat.harmless import plain, to_json

_MEMBER_WORDS: Final[Mapping[str, str]] = {
    "add": "invited {target}",
    "join": "joined",
    "remove": "left",
    "kick": "removed {target}",
    "promote": "made {target} an admin",
    "demote": "stepped down as admin",
    "ban": "banned {target}",
    "unban": "unbanned {target}",
}
OF_GATEWAYS: Final[Mapping[str, str]] = {  # what their devices write by themselves, mostly (SCP-09)
    "application/status-identity": "said by which key gateways know them",
    "application/status-bridge": "opened the conversation for Status",
    "application/status-event": "passed on what happened in Status",
    "application/mvds-bridge": "opened the conversation for data sync",
    "application/mvds-event": "passed on what happened in data sync",
}
_SHORT: Final = 8  # characters of an id


def deed(kind: str, content: Any, called: Callable[[str], str]) -> str:
    """One harmless line without its author: the type of a commit, the body that the API shows, and what accounts are called."""
    body = content if isinstance(content, Mapping) else {}
    target = called(str(body["uri"])) if body.get("uri") else "somebody"
    if body.get("uri") and len(str(body["uri"])) == 64:
        target = f"the device {plain(str(body['uri'])[:_SHORT])}"
    match kind:
        case "initial":
            mode = body.get("mode")
            word = MODE_WORDS[mode] if isinstance(mode, int) and 0 <= mode < len(MODE_WORDS) else plain(mode)
            return f"started the conversation ({word})"
        case "member":
            action = str(body.get("action"))
            return _MEMBER_WORDS.get(action, plain(action)).format(target=target)
        case "vote":
            return f"voted to {plain(body.get('kind'))} {target}"
        case "application/update-profile":
            return "changed the profile"
        case "application/update-device":
            return "updated their devices"
        case "application/data-transfer+json":
            return f"sent the file {plain(body.get('displayName'))} ({plain(body.get('totalSize'))} bytes)"
        case "application/call-history+json" if str(body.get("duration", "")).isdecimal():
            whom = f" {called(str(body['to']))}" if body.get("to") else ""
            length = int(str(body["duration"])[:12]) // 1000
            return f"called{whom} ({plain(body.get('reason') or f'{length} s')})"
        case gateway if gateway in OF_GATEWAYS:
            return OF_GATEWAYS[gateway]
        case other:
            return plain(f"{other} {to_json(content)}"[:400])
