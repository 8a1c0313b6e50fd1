"""An export for a browser: one file, nothing loaded from anywhere, nothing executed. (SCP-08 §2.9)"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from swarmchat.harmless import plain
from swarmchat.node.exports.document import Document, Line, edited, is_text, reactions, said

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
article { margin: 0.75rem 0; padding-left: 0.75rem; border-left: 3px solid color-mix(in srgb, currentColor 25%, transparent); }
article.deed { border-left-style: dotted; font-style: italic; }
header, footer, blockquote { font-size: 0.875rem; opacity: 0.8; }
blockquote { margin: 0; }
article header b { font-size: 1rem; }
p { margin: 0; white-space: pre-wrap; }
ul { list-style: none; margin: 0; padding: 0; font-size: 0.875rem; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_QUOTE_CHARS: Final = 60


class Html:
    """Every text of a stranger stands in it as text; each message is an anchor that its answers link to."""

    def __init__(self) -> None:
        self._document = Document({}, ())
        self._quotes: dict[str, str] = {}

    def begin(self, document: Document) -> str:
        self._document = document
        told = document.conversation
        members = "".join(
            f"<li>{_text(one['role'])}: {_text(document.called(one['id']))} <code>{_text(one['id'])}</code></li>\n"
            for one in document.members
        )
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
            '<meta name="referrer" content="no-referrer">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{_text(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            f"<header>\n<h1>{_text(document.title)}</h1>\n<p>{_block(told['description'] or '')}</p>\n"
            f"<p>{_text(told['mode'])} conversation <code>{_text(told['id'])}</code>, created {_time(told['created'])}</p>\n"
            f"<ul>\n{members}</ul>\n</header>\n<main>\n"
        )

    def line(self, line: Line) -> str:
        document, anchor = self._document, f"m-{line['id']}"
        if not is_text(line):
            return f'<article class="deed" id="{_text(anchor)}">{_time(line["time"])} {_text(document.deed(line))}</article>\n'
        author, text = document.speaker(line), said(line)
        self._quotes[line["id"]] = f"{author}: {text[0][:_QUOTE_CHARS]}{'…' * (len(text[0]) > _QUOTE_CHARS)}"
        quote, at = line["reply_to"], edited(line)
        marks = [f"<li>{_text(kind)} {_text(', '.join(names))}</li>" for kind, names in reactions(document, line)]
        return "".join(
            [
                f'<article id="{_text(anchor)}">\n',
                f'<header><b><bdi>{_text(author)}</bdi></b> <a href="#{_text(anchor)}">{_time(line["time"])}</a></header>\n',
                f'<blockquote><a href="#m-{_text(quote)}">{_text(self._quotes.get(quote, quote[:12]))}</a></blockquote>\n'
                if quote
                else "",
                f'<p dir="auto">{escape(chr(10).join(text))}</p>\n',
                f"<footer>edited {_time(at)}</footer>\n" if at is not None else "",
                f"<ul>{''.join(marks)}</ul>\n" if marks else "",
                "</article>\n",
            ]
        )

    def end(self) -> str:
        heads = " ".join(self._document.conversation["heads"])
        return f"</main>\n<footer>up to <code>{_text(heads)}</code></footer>\n</body>\n</html>\n"


def _text(text: object) -> str:
    return escape(plain(text))


def _block(text: str) -> str:
    return escape("\n".join(plain(row) for row in text.split("\n")))


def _time(stamp: object) -> str:
    return f'<time datetime="{_text(stamp)}">{_text(str(stamp)[:19].replace("T", " "))} UTC</time>'
