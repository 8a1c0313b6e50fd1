"""The chat itself: conversations to the left, what is said to the right, what I write below. (SCP-08 §2.8)"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Footer, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from swarmchat import limits
from swarmchat.cli.entries import EntryView
from swarmchat.cli.terminal import Names, Palette, counted, plain, short
from swarmchat.cli.tui import words
from swarmchat.cli.tui.dialogs import Confirm, Prompt, Reading
from swarmchat.cli.tui.line import Line
from swarmchat.cli.tui.pages import ContactsPage, MembersPage, Opened, RequestsPage, SearchPage, on_thread
from swarmchat.cli.tui.parts import Composer, Entries, Happened, Told
from swarmchat.errors import SwarmchatError

_PAGE: Final = 100  # messages fetched at first, and more each time older ones are asked for
_GATHER_S: Final = 0.05  # news of a moment is fetched together
_TYPING_AGAIN_S: Final = 8.0  # others forget it after 12
_TYPING_SHOWN_S: Final = 12.0
_LOOKS_S: Final = (0.5, 2.0, 10.0, 60.0)  # after something was sent: that others have it is no event
_SHOWN: Final = frozenset(
    {"message", "reaction", "read", "member", "vote", "effect", "commit"}
)  # first words of events


class Chat(App[None]):
    """One run. `first`: the conversation to begin with, else the one where something was said last."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "swarmchat"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help"),
        Binding("f2", "members", "Members"),
        Binding("f3", "requests", "Requests"),
        Binding("f4", "contacts", "Contacts"),
        Binding("f5", "search", "Search"),
        Binding("f8", "state", "State"),
        Binding("ctrl+n", "create", "New", show=False),
        Binding("ctrl+r", "join", "Join", show=False),
        Binding("escape", "give_up", "Give up", show=False),
        Binding("ctrl+q", "quit", "End", priority=True, show=False),
    ]
    CSS = """
    #top { height: 1; background: $primary; color: $text; padding: 0 1; }
    #rooms { width: 28; scrollbar-gutter: stable; height: 100%; border: round $surface; }
    #entries { height: 1fr; border: round $surface; scrollbar-gutter: stable; }
    #rooms:focus, #entries:focus, #composer:focus { border: round $accent; }
    #standing, #mode { height: 1; padding: 0 1; color: $text-muted; }
    #composer { height: auto; min-height: 3; max-height: 8; border: round $surface; }
    Prompt, Confirm, Page, Reading { align: center middle; }
    .box { width: 70; max-width: 95%; height: auto; border: round $accent; background: $panel; padding: 1; }
    .page { width: 95%; height: 90%; border: round $accent; background: $panel; padding: 0 1; }
    .page OptionList { height: 1fr; border: none; }
    .heading { text-style: bold; } .keys { color: $text-muted; }
    """

    def __init__(self, line: Line, *, first: str | None = None) -> None:
        super().__init__()
        self._line = line
        self.ask = on_thread(line)
        self._me: dict[str, Any] = {}
        self._open: str | None = first
        self._rooms: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = []
        self._names = Names()
        self._limit = _PAGE
        self._stale: set[str] = set()
        self._freshening = False
        self._answers: str | None = None
        self._changes: str | None = None
        self._typed_s = -_TYPING_AGAIN_S
        self._typing: dict[str, float] = {}  # account -> until when
        self._requests = 0
        self._trouble = ""

    def compose(self) -> ComposeResult:
        """The parts of the screen; they are kept, for a page may lie over them when there is news."""
        self._top = Static("swarmchat", id="top", markup=False)
        self._rooms_shown = OptionList(id="rooms", markup=False)
        self._entries_shown = Entries(id="entries", markup=False)
        self._standing = Static("", id="standing", markup=False)
        self._mode = Static("", id="mode", markup=False)
        self._composer = Composer(id="composer", tab_behavior="focus", highlight_cursor_line=False)
        yield self._top
        with Horizontal():
            yield self._rooms_shown
            with Vertical():
                yield self._entries_shown
                yield self._standing
                yield self._mode
                yield self._composer
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Hear what happens, then show what is."""
        self._line.hear(lambda event: self._post(Happened(event)), lambda sentence: self._post(Told(sentence)))
        self._composer.focus()
        self._freshen("all")

    def on_unmount(self) -> None:
        """Hang up."""
        self._line.close()

    def _post(self, message: Message) -> None:
        if self.is_running:
            self.post_message(message)

    # --- news

    def on_happened(self, message: Happened) -> None:
        """Fetch what an event changed."""
        event = message.event
        kind, data = str(event.get("type")), event.get("data") or {}
        if kind == "typing":
            self._sees_typing(data)
        elif kind == "gap":
            self._freshen("all")
        elif kind.partition(".")[0] in _SHOWN:
            self._freshen("rooms", *(["entries"] if data.get("conversation") == self._open else []))
        else:
            self._freshen("rooms", "standing")

    def on_told(self, message: Told) -> None:
        """The daemon went or came."""
        self._trouble = "" if message.sentence == "the daemon is back" else message.sentence
        if self._trouble:
            self._show_top()  # at once: whatever else is to be fetched now cannot be
        else:
            self._freshen("all")

    def _freshen(self, *what: str) -> None:
        """Fetch these parts anew in a moment, once for all that happens until then."""
        self._stale.update(what)
        if not self._freshening:
            self._freshening = True
            self.set_timer(_GATHER_S, lambda: self._work(self._fetch()))

    async def _fetch(self) -> None:
        try:
            while self._stale:
                stale, self._stale = self._stale, set()
                if "all" in stale:
                    self._me = await self.ask("account.show")
                    stale = {"rooms", "entries", "standing"}
                if "rooms" in stale and await self._fetch_rooms():
                    stale.add("entries")
                if "entries" in stale:
                    await self._fetch_entries()
                if stale & {"entries", "standing"}:
                    await self._fetch_standing()
                self._show_top()
        finally:
            self._freshening = False
            if self._stale:
                self._freshen()  # something happened while the daemon refused

    async def _fetch_rooms(self) -> bool:
        """Whether another conversation is open now, since that one is gone."""
        rows = await self.ask("conversation.list")
        self._rooms = sorted(rows, key=lambda row: (row["last"] or "", row["id"]), reverse=True)
        self._requests = len(await self.ask("request.list"))
        other = self._open not in {row["id"] for row in self._rooms}
        if other:
            self._open = self._rooms[0]["id"] if self._rooms else None
        shown = self._rooms_shown
        shown.clear_options()
        shown.add_options(
            [Option(Text(words.room(row), no_wrap=True, overflow="ellipsis"), id=row["id"]) for row in self._rooms]
        )
        if self._open is not None:
            shown.highlighted = shown.get_option_index(self._open)
        return other

    async def _fetch_entries(self) -> None:
        shown = self._entries_shown
        if self._open is None:
            shown.clear_options()
            return
        opened = self._open
        entries = await self.ask("message.list", conversation=opened, limit=self._limit, local=True)
        names = Names(await self.ask("member.list", conversation=opened), await self.ask("contact.list"))
        if opened != self._open:
            return  # another one was opened meanwhile, and is fetched next
        self._names = names
        at_end = shown.highlighted is None or shown.highlighted >= len(self._entries) - 1
        was = self._chosen()
        view = EntryView(self._names, Palette(on=True), me=self._me.get("id"))
        view.expect(entries)
        self._entries = entries
        shown.clear_options()
        shown.add_options([Option(Text.from_ansi("\n".join(view.lines(one))), id=one["id"]) for one in entries])
        kept = [at for at, one in enumerate(entries) if was is not None and one["id"] == was["id"]]
        if entries:
            shown.highlighted = kept[0] if kept and not at_end else len(entries) - 1
        if any(row["id"] == opened and row["unread"] for row in self._rooms):
            await self.ask("message.read", conversation=opened)
            self._stale.add("rooms")

    async def _fetch_standing(self) -> None:
        if self._open is None:
            self._standing.update("")
            return
        sync = [row for row in await self.ask("sync.status") if row["conversation"] == self._open]
        linked = sum(peer["state"] == "linked" for peer in await self.ask("peer.list"))
        self._standing.update(words.summary(sync, linked))

    def _show_top(self) -> None:
        title = next((row["title"] for row in self._rooms if row["id"] == self._open), "")
        parts = [plain(self._me.get("name", "")) or "swarmchat", plain(title) or short(self._open)]
        parts += [f"{counted(self._requests, 'request')} (F3)"] if self._requests else []
        parts += [plain(self._trouble)] if self._trouble else []
        self._top.update("  |  ".join(parts))

    def _sees_typing(self, data: dict[str, Any]) -> None:
        account = str(data.get("account"))
        if data.get("conversation") != self._open or account == self._me.get("id"):
            return
        if data.get("on", True):
            self._typing[account] = self._now() + _TYPING_SHOWN_S
            self.set_timer(_TYPING_SHOWN_S + 0.1, self._show_mode)
        else:
            self._typing.pop(account, None)
        self._show_mode()

    def _show_mode(self) -> None:
        """What Enter will do, and who types."""
        told = [
            f"{self._names(account)} types…" for account, until in sorted(self._typing.items()) if until > self._now()
        ]
        for word, commit in (("answer to", self._answers), ("change", self._changes)):
            entry = next((one for one in self._entries if one["id"] == commit), None)
            if entry is not None:
                told.insert(0, f"{word}: {words.first_line(entry)}  (Escape gives up)")
        self._mode.update("   ".join(told))

    def _now(self) -> float:
        return datetime.now(UTC).timestamp()

    # --- doing

    def _work(self, coroutine: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await coroutine
            except SwarmchatError as error:
                self.notify(words.trouble(error), severity="error", markup=False)

        self.run_worker(guarded())

    def _chosen(self) -> dict[str, Any] | None:
        at = self._entries_shown.highlighted
        return self._entries[at] if at is not None and at < len(self._entries) else None

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter: open a conversation, or show all of a message."""
        if event.option_list.id == "rooms" and event.option_id is not None:
            self._show(event.option_id)
            self._composer.focus()
        elif event.option_list.id == "entries":
            self._work(self._read_closely())

    async def _read_closely(self) -> None:
        entry = self._chosen()
        if entry is not None:
            whole = await self.ask(
                "message.show", conversation=self._open, message=entry["id"], local=True, delivery=True
            )
            view = EntryView(self._names, Palette(on=False), me=self._me.get("id"))
            self.push_screen(Reading(f"Message {short(entry['id'])}", view.page(whole)))

    def _show(self, conversation: str) -> None:
        if conversation != self._open:
            self._open, self._limit, self._entries = conversation, _PAGE, []
            self._typing.clear()
            self.action_give_up()
        self._freshen("rooms", "entries")

    def on_composer_sent(self, message: Composer.Sent) -> None:
        """Send what was written, or put it in the place of what is changed."""
        if message.text.strip() and self._open is not None:
            self._work(self._send(self._open, message.text))

    async def _send(self, conversation: str, text: str) -> None:
        answers, changes = self._answers, self._changes
        if changes is not None:
            await self.ask("message.edit", conversation=conversation, message=changes, text=text)
        else:
            await self.ask("message.send", conversation=conversation, text=text, reply_to=answers)
        if self._composer.text == text:  # else something was added meanwhile
            self._composer.clear()
        self._typed_s = -_TYPING_AGAIN_S
        self.action_give_up()
        self._entries_shown.highlighted = None  # to the end, where it will stand
        self._freshen("rooms", "entries")
        for delay_s in _LOOKS_S:
            self.set_timer(delay_s, self._look_whether_sent)

    def _look_whether_sent(self) -> None:
        """Fetch again while something of mine has reached nobody yet."""
        if any(
            (one.get("status") or {}).get("state") == "written" and one["author"] == self._me.get("id")
            for one in self._entries
        ):
            self._freshen("entries")

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Tell that I type, now and then; the account says whether anybody is told."""
        now = self._now()
        if event.text_area.text and self._open is not None and now - self._typed_s > _TYPING_AGAIN_S:
            self._typed_s = now
            self._work(self._tell_typing(self._open))

    async def _tell_typing(self, conversation: str) -> None:
        await self.ask("message.typing", conversation=conversation)

    def action_give_up(self) -> None:
        """No answer and no change after all."""
        if self._changes is not None:
            self._composer.clear()
        self._answers = self._changes = None
        self._show_mode()

    def action_reply(self) -> None:
        """What is written next answers the highlighted message."""
        entry = self._chosen()
        if entry is not None:
            self._answers, self._changes = entry["id"], None
            self._show_mode()
            self._composer.focus()

    def action_edit(self) -> None:
        """Change the highlighted message, which must be mine."""
        entry = self._mine()
        if entry is not None:
            self._answers, self._changes = None, entry["id"]
            composer = self._composer
            composer.text = entry["body"]
            composer.move_cursor(composer.document.end)
            composer.focus()
            self._show_mode()

    def action_delete(self) -> None:
        """Delete the highlighted message, which must be mine, after a question."""

        async def delete() -> None:
            entry = self._mine()
            if entry is not None and await self.push_screen_wait(Confirm(f"Delete: {words.first_line(entry)}?")):
                await self.ask("message.delete", conversation=self._open, message=entry["id"])

        self._work(delete())

    def action_react(self, remove: bool) -> None:
        """React to the highlighted message, or take a reaction back."""

        async def react() -> None:
            entry = self._chosen()
            question = "Take back which reaction?" if remove else "React with (an emoji or a short word)"
            if entry is not None and (reaction := await self.push_screen_wait(Prompt(question))):
                asked = {"conversation": self._open, "message": entry["id"], "reaction": reaction}
                await self.ask("message.react", **asked, remove=remove or None)

        self._work(react())

    def _mine(self) -> dict[str, Any] | None:
        entry = self._chosen()
        if entry is None or entry["type"] != "text/plain" or not entry["body"]:
            return None
        if entry["author"] != self._me.get("id") or entry.get("via"):
            self.notify("that message is somebody else's", severity="warning", markup=False)
            return None
        return entry

    def action_older(self) -> None:
        """Fetch more of what was said before."""
        self._limit = min(self._limit * 4, limits.API_LIST_MAX)
        self._freshen("entries")

    # --- pages

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Reading("Keys", words.HELP.splitlines()))

    def action_members(self) -> None:
        """Members and votes of the open conversation."""
        if self._open is not None:
            title = next((row["title"] for row in self._rooms if row["id"] == self._open), "")
            self.push_screen(MembersPage(self.ask, self._open, title, self._me.get("id", "")), self._left)

    def action_requests(self) -> None:
        """What waits for my word."""
        self.push_screen(RequestsPage(self.ask), self._left)

    def action_contacts(self) -> None:
        """Whom I know."""
        self.push_screen(ContactsPage(self.ask), self._left)

    def action_search(self) -> None:
        """Look for words."""
        self.push_screen(SearchPage(self.ask, self._titles()), self._left)

    def action_state(self) -> None:
        """How the node stands."""

        async def look() -> None:
            status, peers = await self.ask("daemon.status"), await self.ask("peer.list")
            told = words.state(status, peers, await self.ask("sync.status"), self._titles(), datetime.now(UTC))
            self.push_screen(Reading("How the node stands", told))

        self._work(look())

    def action_create(self) -> None:
        """Begin a conversation."""

        async def create() -> None:
            if title := await self.push_screen_wait(Prompt("Title of the new conversation")):
                self._show((await self.ask("conversation.create", title=title))["id"])

        self._work(create())

    def action_join(self) -> None:
        """Join a conversation by its link."""

        async def join() -> None:
            if link := await self.push_screen_wait(Prompt("Link (swarm:…) or id")):
                self._show((await self.ask("conversation.join", conversation=link))["id"])

        self._work(join())

    def _titles(self) -> dict[str, str]:
        return {row["id"]: row["title"] for row in self._rooms}

    def _left(self, opened: Opened | None) -> None:
        """A page was left, perhaps for a conversation or a message in it."""
        if opened is None:
            self._freshen("rooms", "entries")
            return
        conversation, message = opened
        self._show(conversation)
        if message is not None:
            self._work(self._go_to(message))

    async def _go_to(self, message: str) -> None:
        """Highlight a message, and fetch as much as that takes."""
        while True:
            await self._fetch_entries()
            at = next((at for at, one in enumerate(self._entries) if one["id"] == message), None)
            if at is not None:
                shown = self._entries_shown
                shown.highlighted = at
                shown.focus()
                return
            if self._limit >= limits.API_LIST_MAX or len(self._entries) < self._limit:
                self.notify("it is further back than can be shown here", severity="warning", markup=False)
                return
            self._limit = min(self._limit * 4, limits.API_LIST_MAX)
