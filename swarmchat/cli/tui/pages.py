"""The pages over the chat: members and votes, requests, contacts, search. Each is a list with keys, fetched anew after each deed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from swarmchat.cli.terminal import Names, plain, short
from swarmchat.cli.tui import words
from swarmchat.cli.tui.dialogs import Confirm, Prompt
from swarmchat.cli.tui.line import Line
from swarmchat.errors import SwarmchatError, UnreachableError

Ask = Callable[..., Awaitable[Any]]
Opened = tuple[str, str | None]  # a conversation to be opened, and the message to be shown in it


class Page(ModalScreen[Opened | None]):
    """A heading, a list, keys. `ask` calls a method of the daemon."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Back")]
    keys = ""
    empty = "nothing here"

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self.ask = ask
        self.rows: list[tuple[str, Any]] = []  # id of the option and what it stands for
        self.shown = OptionList(id="rows", markup=False)

    def compose(self) -> ComposeResult:
        """Heading, list, keys."""
        with Vertical(classes="page"):
            yield Static(self.heading(), classes="heading", markup=False)
            yield self.shown
            yield Static(f"{self.keys}   Escape: back", classes="keys", markup=False)

    def on_mount(self) -> None:
        """Begin."""
        self.begin()

    def begin(self) -> None:
        """Fetch what is to be shown."""
        self.shown.focus()
        self.work(self.fill())

    def heading(self) -> str:
        """What this page is."""
        raise NotImplementedError

    async def fetch(self) -> list[tuple[str, str, Any]]:
        """Id, text and value of each row."""
        raise NotImplementedError

    async def fill(self) -> None:
        """Fetch the rows and show them; the highlighted one stays so."""
        found = await self.fetch()
        was = self.chosen_id()
        self.rows = [(key, value) for key, _, value in found]
        self.shown.clear_options()
        self.shown.add_options(
            [Option(Text(text), id=key) for key, text, _ in found] or [Option(Text(self.empty), disabled=True)]
        )
        if self.rows:
            keys = [key for key, _ in self.rows]
            self.shown.highlighted = keys.index(was) if was in keys else 0

    def chosen_id(self) -> str | None:
        """The id of the highlighted row."""
        at = self.shown.highlighted
        return self.rows[at][0] if at is not None and at < len(self.rows) else None

    def chosen(self) -> Any:
        """What the highlighted row stands for; None without one."""
        return dict(self.rows).get(self.chosen_id() or "")

    def work(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Do something that takes its time, and say it when it fails."""

        async def guarded() -> None:
            try:
                await coroutine
            except SwarmchatError as error:
                self.notify(words.trouble(error), severity="error", markup=False)

        self.run_worker(guarded())

    async def prompted(self, question: str) -> str | None:
        """What was typed, or None."""
        return await self.app.push_screen_wait(Prompt(question))

    async def confirmed(self, question: str) -> bool:
        """Whether the answer was yes."""
        answer: bool = await self.app.push_screen_wait(Confirm(question))
        return answer


class MembersPage(Page):
    """Who is in a conversation, and what they vote on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("i", "invite", "Invite"),
        ("b", "vote('ban')", "Ban"),
        ("u", "vote('unban')", "Unban"),
        ("p", "vote('promote')", "Promote"),
        ("k", "kick", "Remove"),
        ("d", "demote", "Step down"),
    ]
    keys = "i: invite  b: ban  u: unban  p: promote  k: remove  d: step down"

    def __init__(self, ask: Ask, conversation: str, title: str, me: str) -> None:
        super().__init__(ask)
        self._conversation = conversation
        self._title = title
        self._me = me
        self._names = Names()

    def heading(self) -> str:
        return f"Members and votes of {plain(self._title) or short(self._conversation)}"

    async def fetch(self) -> list[tuple[str, str, Any]]:
        members = await self.ask("member.list", conversation=self._conversation)
        votes = await self.ask("member.votes", conversation=self._conversation)
        self._names = Names(members, await self.ask("contact.list"))
        rows = [(one["id"], words.member(one, self._names, self._me), one["id"]) for one in members]
        ballots = [(f"{one['kind']} {one['target']}", words.vote(one, self._names), one["target"]) for one in votes]
        return [*rows, *ballots]

    def action_invite(self) -> None:
        """Invite an account by its id or the name of a contact."""

        async def invite() -> None:
            if account := await self.prompted("Invite whom? Account id, or name of a contact"):
                await self.ask("member.invite", conversation=self._conversation, accounts=[account])
                await self.fill()

        self.work(invite())

    def action_vote(self, kind: str) -> None:
        """Vote about the highlighted member, after a look at what it would come to."""

        async def vote() -> None:
            target = self.chosen()
            if target is None:
                return
            asked: dict[str, Any] = {"conversation": self._conversation, "target": target}
            if len(target) == 64:
                asked["device"] = True
            plan = await self.ask(f"member.{kind}", dry_run=True, **asked)
            whom = self._names(target) if len(target) == 40 else f"the device {short(target)}"
            if await self.confirmed(
                f"Vote to {kind} {whom}? It would have {len(plan['voters'])} of {plan['needed']} votes."
            ):
                done = await self.ask(f"member.{kind}", **asked)
                self.notify(words.ballot(done, self._names), markup=False)
                await self.fill()

        self.work(vote())

    def action_kick(self) -> None:
        """Remove the highlighted member without a ballot, where that is allowed."""

        async def kick() -> None:
            target = self.chosen()
            if target is not None and await self.confirmed(f"Remove {self._names(target)}?"):
                await self.ask("member.kick", conversation=self._conversation, target=target)
                await self.fill()

        self.work(kick())

    def action_demote(self) -> None:
        """Step down from admin."""

        async def demote() -> None:
            if await self.confirmed("Step down as admin?"):
                await self.ask("member.demote", conversation=self._conversation)
                await self.fill()

        self.work(demote())


class RequestsPage(Page):
    """What waits for my word."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("a", "answer('accept')", "Accept"),
        ("d", "answer('decline')", "Decline"),
        ("b", "answer('block')", "Block"),
    ]
    keys = "a: accept  d: decline  b: decline and block the sender"
    empty = "nobody asks for anything"

    def heading(self) -> str:
        return "Requests"

    async def fetch(self) -> list[tuple[str, str, Any]]:
        return [(one["id"], words.request(one), one) for one in await self.ask("request.list")]

    def action_answer(self, word: str) -> None:
        """Accept, decline or block the highlighted one."""

        async def answer() -> None:
            row = self.chosen()
            if row is not None and (word != "block" or await self.confirmed("Block who sent it?")):
                await self.ask(f"request.{word}", request=row["id"])
                await self.fill()

        self.work(answer())


class ContactsPage(Page):
    """Whom I know, and who is there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("a", "add", "Add"),
        ("b", "turn('block')", "Block"),
        ("u", "turn('unblock')", "Unblock"),
        ("r", "turn('remove')", "Remove"),
    ]
    keys = "a: add  Enter: open  b: block  u: unblock  r: remove"
    empty = "no contacts yet"

    def heading(self) -> str:
        return "Contacts"

    async def fetch(self) -> list[tuple[str, str, Any]]:
        now = datetime.now(UTC)
        return [(one["id"], words.contact(one, now), one) for one in await self.ask("contact.list")]

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the conversation with the highlighted one."""
        event.stop()
        row = self.chosen()
        if row is not None and row["conversation"]:
            self.dismiss((row["conversation"], None))

    def action_add(self) -> None:
        """Ask somebody for a conversation of two."""

        async def add() -> None:
            if account := await self.prompted("Add whom? Account id, 40 digits"):
                name = await self.prompted("My name for them (may be left empty with Escape)")
                await self.ask("contact.add", account=account, name=name)
                await self.fill()

        self.work(add())

    def action_turn(self, word: str) -> None:
        """Block, unblock or remove the highlighted one."""

        async def turn() -> None:
            row = self.chosen()
            name = "" if row is None else plain(row["name"]) or short(row["id"])
            if row is not None and (word == "unblock" or await self.confirmed(f"{word.capitalize()} {name}?")):
                await self.ask(f"contact.{word}", contact=row["id"])
                await self.fill()

        self.work(turn())


class SearchPage(Page):
    """Messages with certain words; Enter on a hit shows it where it stands."""

    keys = "Enter: search, and on a hit: go there"
    empty = "no message has these words"

    def __init__(self, ask: Ask, titles: Mapping[str, str]) -> None:
        super().__init__(ask)
        self._titles = titles
        self._words = ""

    def heading(self) -> str:
        return "Search"

    def compose(self) -> ComposeResult:
        """Heading, a field, the hits, keys."""
        with Vertical(classes="page"):
            yield Static(self.heading(), classes="heading", markup=False)
            yield Input(placeholder='words, and "phrases" in quotes', id="words")
            yield self.shown
            yield Static(f"{self.keys}   Escape: back", classes="keys", markup=False)

    def begin(self) -> None:
        """Nothing is searched for yet."""
        self.query_one("#words").focus()

    async def fetch(self) -> list[tuple[str, str, Any]]:
        found = await self.ask("search", text=self._words)
        return [
            (f"{one['conversation']} {one['message']['id']}", "\n".join(words.hit(one, self._titles)), one)
            for one in found["hits"]
        ]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search for these words."""
        event.stop()
        self._words = event.value.strip()
        if self._words:
            self.work(self._search())

    async def _search(self) -> None:
        await self.fill()
        if self.rows:
            self.shown.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to the hit."""
        event.stop()
        row = self.chosen()
        if row is not None:
            self.dismiss((row["conversation"], row["message"]["id"]))


def on_thread(line: Line) -> Ask:
    """`ask`: a call of the daemon, awaited here and made on the line's thread."""

    async def ask(method: str, /, **params: Any) -> Any:
        try:
            calling = asyncio.get_running_loop().run_in_executor(line.caller, partial(line.call, method, params))
        except RuntimeError:  # the thread has ended: so has the client, which did not look up in time
            raise UnreachableError("hung up") from None
        return await calling

    return ask
