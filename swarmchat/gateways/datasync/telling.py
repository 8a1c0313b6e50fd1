"""What a thin peer tells: of a message who said it and what an edit or reaction is about; why no node is there. Pure. (SCP-09 §4.7)"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from typing import Any, Final

from swarmchat.addresses import Address
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Edit, FileOffer, FileWithdrawal, Other, React, UpdateProfile
from swarmchat.conversation.rejection import Rejection
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync import attesting, messages
from swarmchat.gateways.datasync.mapping import ABOUT
from swarmchat.gateways.datasync.messages import ClientMessage, Content, Invite, Kick, Post, read_body, read_client
from swarmchat.gateways.datasync.payload import Message, MessageId
from swarmchat.gateways.refusal import Refused

Event = dict[str, Any]
Find = Callable[[MessageId], Message | None]

_ID: Final = re.compile("[0-9a-f]{64}")


def event(message: Message, said: ClientMessage, me: Key, find: Find) -> Event | None:
    """What is told of a message, None if nothing is; `find` has the other messages of the group."""
    body, sender = read_body(said), said.sender
    if isinstance(body, Refused) or sender is None:
        return None
    told: Event = {"id": message.id.hex(), "from": sender.legacy, "short": sender.compressed, "time": message.timestamp}
    match body:
        case Post(Content.COMMIT, data, text):
            claim = attesting.claim(body)  # a node gives out only those that its log bears out
            by = {} if claim is None else {"by": claim.by, "of": claim.commit}
            return {"event": "commit", **told, "commit": text, **_commit(data, sender, me, find), **by}
        case Post(content, _, text):
            return {"event": "message", **told, "content": content.name.lower(), "text": text}
        case messages.Ack(target):
            return {"event": "ack", **told, "of": target.hex()}
        case Invite(whom) if whom in {sender, me}:
            return None  # it founds the group, or was told as `invited`
        case Invite(whom) | Kick(whom):
            return {"event": said.type.name.lower(), **told, "who": whom.legacy, "who_short": whom.compressed}
        case _:
            return {"event": said.type.name.lower(), **told}


def why_away(fault: OSError, where: Address) -> str:
    """Why a connection came to nothing. What asyncio says instead is about Python; the number of a fault in a name is not the system's."""
    is_name = isinstance(fault, socket.gaierror)
    why = os.strerror(fault.errno) if fault.errno and not is_name else fault.strerror or str(fault)
    return f"{where}: {why}"


def _commit(data: bytes, sender: Key, me: Key, find: Find) -> Event:
    """`does`: what it does; `text`: its words; `about`: whose message of which words that is about, where it is here."""
    found = actions.parse(data)
    if isinstance(found, Rejection):
        return {"does": "other", "text": "", "about": None}
    action, said = found
    about = _about(said.get(ABOUT), me, find)
    match action:
        case actions.Post(text):
            return {"does": "text", "text": text, "about": about}
        case React(text):
            return {"does": "react", "text": text, "about": about}
        case Edit(text):
            does = "edit" if text else "delete"
            return {"does": _his(does, about, sender), "text": text, "about": about}
        case FileOffer(name, size):
            return {"does": "file", "text": name, "size": size, "about": about}
        case FileWithdrawal():
            return {"does": _his("withdraw", about, sender), "text": "", "about": about}
        case UpdateProfile():
            return {"does": "profile", "text": "", "about": about}
        case Other(kind):
            return {"does": "other", "text": kind, "about": about}
        case _:
            return {"does": "other", "text": actions.type_of(action), "about": about}


def _his(does: str, about: Event | None, sender: Key) -> str:
    """Nobody changes what somebody else said, whatever his client sends."""
    return does if about is None or about["from"] == sender.legacy else "not-his"


def _about(told: object, me: Key, find: Find) -> Event | None:
    if not isinstance(told, str) or not _ID.fullmatch(told):
        return None
    message = find(MessageId(bytes.fromhex(told)))
    said = None if message is None else read_client(message.body)
    if said is None or isinstance(said, Refused) or said.sender is None:
        return None
    return {
        "id": told,
        "from": said.sender.legacy,
        "short": said.sender.compressed,
        "mine": said.sender == me,
    } | _words(said)


def _words(said: ClientMessage) -> Event:
    """What to quote of it."""
    match read_body(said):
        case Post(Content.COMMIT, data):
            found = actions.parse(data)
            match None if isinstance(found, Rejection) else found[0]:
                case actions.Post(text) | Edit(text) | FileOffer(text):
                    return {"text": text, "reaction": False}
                case React(text):
                    return {"text": text, "reaction": True}
                case _:
                    pass
        case Post(_, _, str(text)):
            return {"text": text, "reaction": False}
        case _:
            pass
    return {"text": None, "reaction": False}
