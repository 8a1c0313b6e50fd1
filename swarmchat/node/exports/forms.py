"""The forms a conversation can be written in, by name. (SCP-08 §2.9)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from swarmchat.node.exports.data import Json
from swarmchat.node.exports.document import Form
from swarmchat.node.exports.mbox import Mbox
from swarmchat.node.exports.page import Html
from swarmchat.node.exports.plaintext import Text

FORMS: Final[Mapping[str, Callable[[], Form]]] = {"text": Text, "json": Json, "html": Html, "mbox": Mbox}
