"""How a message stands in the JSON of the commit that carries it. Pure. (SCP-09 §4.5)"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from swarmchat.gateways.datasync.messages import ClientMessage, read_client
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Metadata
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_MESSAGE_BYTES_MAX

_TIME_CHARS_MAX: Final = 20


def field(timestamp: int, client: bytes) -> dict[str, str]:
    """What a commit has under `mvds`."""
    return {"ts": str(timestamp), "m": base64.b64encode(client).decode()}


def carried(group: GroupId, said: object, parents: tuple[MessageId, ...]) -> tuple[Message, ClientMessage] | None:
    """The message that stands under `mvds` in a commit's JSON, signed by somebody; None for anything else."""
    if not isinstance(said, Mapping):
        return None
    time, text = said.get("ts"), said.get("m")
    if not isinstance(time, str) or len(time) > _TIME_CHARS_MAX or not isinstance(text, str):
        return None
    try:
        seconds, data = int(time), base64.b64decode(text, validate=True)
        message = Message(group, seconds, data, Metadata(parents))
    except (ValueError, binascii.Error):
        return None
    if str(seconds) != time or message.size > DATASYNC_MESSAGE_BYTES_MAX:
        return None
    client = read_client(data)
    return None if isinstance(client, Refused) else (message, client)
