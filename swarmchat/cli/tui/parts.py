"""The parts of the screen that have keys of their own, and what reaches the client from outside of it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList, TextArea


class Entries(OptionList):
    """The messages; keys for the highlighted one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.reply", "Answer"),
        Binding("e", "app.edit", "Change"),
        Binding("d", "app.delete", "Delete"),
        Binding("plus", "app.react(False)", "React"),
        Binding("minus", "app.react(True)", "Take back", show=False),
        Binding("o", "app.older", "Older"),
    ]


class Composer(TextArea):
    """What I write: Enter sends it, Ctrl+J begins a new line."""

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent(self.text))
        elif event.key in {"ctrl+j", "shift+enter", "alt+enter"}:
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)


class Happened(Message):
    """An event of the daemon."""

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__()
        self.event = event


class Told(Message):
    """Something about the line to the daemon."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence
