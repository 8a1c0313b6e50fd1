"""An export for mail programs: each line of the conversation a mail, answers as threads. (SCP-08 §2.9)

Bodies are quoted-printable, so that a line of a body that begins with `From ` is none in the file, and comes back as it was.
"""

from __future__ import annotations

import quopri
import re
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final

from swarmchat.harmless import lines, plain
from swarmchat.node.exports.document import Document, Line, edited, is_text, reactions, said

_HOST: Final = "swarmchat.invalid"  # a name that no mail can be sent to (RFC 2606)
_SUBJECT_CHARS: Final = 70
_PHRASE_CHARS: Final = 128
_PLAIN_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~ -]+")
_FROM: Final = re.compile(rb"^From ", re.MULTILINE)


class Mbox:
    """One mail after the other; the first one tells who is in the conversation."""

    def __init__(self) -> None:
        self._document = Document({}, ())
        self._subjects: dict[str, str] = {}
        self._is_first = True

    def begin(self, document: Document) -> str:
        self._document = document
        return ""

    def line(self, line: Line) -> str:
        document, answered = self._document, line["reply_to"]
        if is_text(line):
            body = said(line)
            if (at := edited(line)) is not None:
                body.append(f"(edited {at})")
            body += [f"[{kind} {', '.join(names)}]" for kind, names in reactions(document, line)]
            subject = f"Re: {self._subjects.get(answered, answered[:12])}" if answered else said(line)[0]
        else:
            subject = document.deed(line)
            body = [subject]
        if self._is_first:
            self._is_first = False
            body += ["", *lines(document.conversation["description"] or "")]
            body += [f"{plain(one['role'])}: {document.called(one['id'])} {one['id']}" for one in document.members]
        self._subjects[line["id"]] = subject.removeprefix("Re: ")[:_SUBJECT_CHARS]
        when = datetime.fromisoformat(line["time"])
        conversation = document.conversation["id"]
        headers = [
            ("From", f"{_phrase(document.speaker(line))} <{line['author']}@account.{_HOST}>"),
            ("To", f"{_phrase(document.title)} <{conversation}@conversation.{_HOST}>"),
            ("Date", format_datetime(when)),
            ("Message-ID", f"<{line['id']}@{conversation}.{_HOST}>"),
            ("Subject", _words(subject[:_SUBJECT_CHARS].strip())),
        ]
        if answered:
            target = f"<{answered}@{conversation}.{_HOST}>"
            headers += [("In-Reply-To", target), ("References", target)]
        headers += [
            ("X-Swarmchat-Type", _words(plain(line["type"])[:_SUBJECT_CHARS])),
            ("X-Swarmchat-Device", line["device"]),
        ]
        if not is_text(line):
            headers.append(("Auto-Submitted", "auto-generated"))
        headers += [
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "quoted-printable"),
        ]
        top = f"From {line['author']}@account.{_HOST} {when:%a} {when:%b} {when.day:2} {when:%H:%M:%S} {when.year:04}"
        head = "\n".join([top, *(f"{name}: {value}" for name, value in headers)])
        encoded = quopri.encodestring(("\n".join(body) + "\n").encode())
        return f"{head}\n\n{_FROM.sub(b'=46rom ', encoded).decode('ascii')}\n"

    def end(self) -> str:
        return ""


def _phrase(text: str) -> str:
    """A display name: quoted where it is plain, in encoded words where it is not."""
    text = text[:_PHRASE_CHARS]
    return f'"{text}"' if _PLAIN_PHRASE.fullmatch(text) else _encoded(text)


def _words(text: str) -> str:
    return text if text.isascii() and "=?" not in text else _encoded(text)


def _encoded(text: str) -> str:
    return Header(text, "utf-8").encode(linesep="\n")
