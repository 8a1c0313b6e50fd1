"""An export for programs: one JSON document, one message a line. (SCP-08 §2.9)"""

from __future__ import annotations

from swarmchat.harmless import to_json
from swarmchat.node.exports.document import Document, Line

FORMAT = "swarmchat-export/1"


class Json:
    """`{"format","conversation","members":[…],"messages":[…]}`, messages as `message.list` has them."""

    def __init__(self) -> None:
        self._separator = ""

    def begin(self, document: Document) -> str:
        members = ",\n".join(to_json(one) for one in document.members)
        head = f'{{"format":{to_json(FORMAT)},\n"conversation":{to_json(document.conversation)},\n'
        return f'{head}"members":[\n{members}\n],\n"messages":[\n'

    def line(self, line: Line) -> str:
        before, self._separator = self._separator, ",\n"
        return before + to_json(line)

    def end(self) -> str:
        return "\n]}\n"
