"""An export to be read as it stands. (SCP-08 §2.9)"""

from __future__ import annotations

from swarmchat.harmless import lines, plain
from swarmchat.node.exports.document import Document, Line, edited, is_text, reactions, said

_QUOTE_CHARS = 60


class Text:
    """Blocks: time, author and id in one line, what was said indented below. Times are UTC."""

    def __init__(self) -> None:
        self._document = Document({}, ())
        self._quotes: dict[str, str] = {}

    def begin(self, document: Document) -> str:
        self._document = document
        told = document.conversation
        rows = [
            document.title,
            "=" * min(len(document.title), 78),
            "",
            *lines(told["description"] or ""),
            f"conversation  {told['id']}  ({plain(told['mode'])})",
            f"created       {told['created']}",
            f"heads         {' '.join(told['heads'])}",
            *(
                f"{plain(one['role']):<12}  {one['id']}  {plain(one['name'] or '')}".rstrip()
                for one in document.members
            ),
        ]
        return "\n".join([*(row for number, row in enumerate(rows) if row or number == 2), "", ""])

    def line(self, line: Line) -> str:
        head = f"{line['time']}  {line['id'][:12]}  "
        if not is_text(line):
            return f"{head}· {self._document.deed(line)}\n"
        author, block = self._document.speaker(line), []
        if line["reply_to"]:
            block.append(f"> {self._quotes.get(line['reply_to'], line['reply_to'][:12])}")
        text = said(line)
        self._quotes[line["id"]] = f"{author}: {text[0][:_QUOTE_CHARS]}{'…' * (len(text[0]) > _QUOTE_CHARS)}"
        block += text
        if (at := edited(line)) is not None:
            block.append(f"(edited {at})")
        block += [f"[{kind} {', '.join(names)}]" for kind, names in reactions(self._document, line)]
        return "\n".join([f"{head}{author}", *(f"    {row}".rstrip() for row in block), ""])

    def end(self) -> str:
        return ""
