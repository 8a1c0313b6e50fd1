"""`swarmchat demo`: a tour on this machine alone, with three real nodes, a partition, a ban, and the proof that all hold the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swarmchat.addresses import Address
from swarmchat.api.client import Client
from swarmchat.cli.cable import Cable, Switchboard
from swarmchat.cli.graphs import as_text
from swarmchat.errors import SwarmchatError, UserError

STEP_TIMEOUT_S = 20.0
POLL_S = 0.05
COLOURS = {"Ann": "cyan", "Ben": "green", "Cem": "magenta"}
FIRST_WORDS = (("Ann", "welcome aboard"), ("Ben", "glad to be here"), ("Cem", "is the pier still dry?"))


@dataclass(slots=True)
class Player:
    """One node: a process with its own home, and the door to it."""

    name: str
    home: Path
    process: subprocess.Popen[bytes]
    door: Client
    account: str
    listen: Address
    cables: dict[str, Cable] = field(default_factory=dict)  # by the name of whom it leads to

    def call(self, method: str, **params: Any) -> Any:
        """Do what a person would type."""
        return self.door.call(method, timeout_s=STEP_TIMEOUT_S, **params)


class Tour:
    """Tells what it does, does it, and fails at the first thing that does not hold."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._checks = 0

    def step(self, title: str) -> None:
        """Begin a new part."""
        self._console.print(f"\n[bold]{escape(title)}[/bold]  [dim]{time.monotonic() - self._began:.1f} s[/dim]")

    def typed(self, player: Player, command: str) -> None:
        """Show what the player types."""
        self._console.print(
            f"  [{COLOURS[player.name]}]{player.name}[/] $ swarmchat {escape(command)}", highlight=False
        )

    def told(self, text: str) -> None:
        """Say something."""
        self._console.print(f"  {escape(text)}", highlight=False)

    def holds(self, claim: str, proof: object) -> None:
        """Check a claim; the tour ends here when it does not hold."""
        if not proof:
            raise UserError(f"does not hold: {claim}", hint="run `swarmchat demo --keep` and look into the homes")
        self._checks += 1
        self._console.print(f"  [green]✓[/green] {escape(claim)}", highlight=False)

    def until(self, claim: str, proof: Callable[[], object]) -> float:
        """Wait for a claim to become true; answers with the seconds it took."""
        started = time.monotonic()
        while not proof():
            if time.monotonic() - started > STEP_TIMEOUT_S:
                raise UserError(f"did not come true within {STEP_TIMEOUT_S:g} s: {claim}")
            time.sleep(POLL_S)
        took = time.monotonic() - started
        self._checks += 1
        self._console.print(f"  [green]✓[/green] {escape(claim)} [dim]({took:.2f} s)[/dim]", highlight=False)
        return took

    def done(self) -> None:
        """The last line."""
        took = time.monotonic() - self._began
        self._console.print(f"\n[bold green]All {self._checks} claims held, in {took:.1f} s.[/bold green]")


@click.command()
@click.option("--keep", is_flag=True, help="Leave the three homes in place and say where they are.")
def demo(keep: bool) -> None:
    """A tour on this machine: three nodes, a partition, a ban, the same history everywhere."""
    console = Console(highlight=False, soft_wrap=True)
    tour = Tour(console)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="swarmchat-demo-"))
        if keep:
            stack.callback(lambda: console.print(f"[dim]homes: {folder}[/dim]"))
        else:
            stack.callback(_erase, folder)
        switchboard = stack.enter_context(Switchboard())
        tour.step("Three nodes on this machine: separate homes, separate processes, no server")
        players = [stack.enter_context(_player(name, folder / name.lower())) for name in COLOURS]
        _introduce(tour, switchboard, players)
        room = _found_a_room(tour, *players)
        _talk_in_two_halves(tour, room, *players)
        _edit_and_react(tour, room, *players)
        _vote_and_ban(tour, room, *players)
        _prove(tour, console, room, *players)
        tour.done()


def _introduce(tour: Tour, switchboard: Switchboard, players: list[Player]) -> None:
    for player in players:
        tour.told(f"{player.name}: account {player.account[:8]}, pid {player.process.pid}, listens on {player.listen}")
    for one, other in permutations(players, 2):
        one.cables[other.name] = switchboard.cable(other.listen)
        one.call("peer.add", account=other.account, address=str(one.cables[other.name].address))
    tour.told("every link runs through a cable of its own on loopback, so that it can be pulled")


def _found_a_room(tour: Tour, ann: Player, ben: Player, cem: Player) -> str:
    tour.step("Ann starts a conversation and invites the others")
    tour.typed(ann, "create --title Harbour --mode admin-invites")
    room: str = ann.call("conversation.create", title="Harbour", mode="admin-invites")["id"]
    tour.typed(ann, f"invite Harbour {ben.account[:8]} {cem.account[:8]}")
    ann.call("member.invite", conversation=room, accounts=[ben.account, cem.account])
    for guest in (ben, cem):
        tour.until(f"{guest.name} is asked", partial(guest.call, "request.list"))
        tour.typed(guest, "accept Harbour")
        guest.call("request.accept", request=room, timeout=STEP_TIMEOUT_S)
    tour.until("all three see three people", lambda: all(_joined(p, room) == 3 for p in (ann, ben, cem)))
    by_name = {player.name: player for player in (ann, ben, cem)}
    for name, text in FIRST_WORDS:
        _say(tour, by_name[name], room, text)
        _heard(room, text, ann, ben, cem)
    tour.until("everybody has everything", lambda: _same(room, ann, ben, cem))
    return room


def _talk_in_two_halves(tour: Tour, room: str, ann: Player, ben: Player, cem: Player) -> None:
    tour.step("The cables to Cem are pulled, while all three keep running")
    cables = [*cem.cables.values(), ann.cables["Cem"], ben.cables["Cem"]]
    for cable in cables:
        cable.cut()
    tour.until("Cem is alone", lambda: not _linked(cem))
    _say(tour, ann, room, "Cem, can you hear us?")
    _heard(room, "Cem, can you hear us?", ben)
    _say(tour, ben, room, "no answer. we go on")
    _say(tour, cem, room, "hello? I go on writing")
    _say(tour, cem, room, "somebody will read this")
    tour.until("Ann and Ben have the same", lambda: _same(room, ann, ben))
    tour.holds("Cem has another history: 2 of his own, none of theirs", not _same(room, ann, cem))
    tour.step("The cables are back")
    for cable in cables:
        cable.heal()
    tour.until("all three have all four messages, in the same order", lambda: _same(room, ann, ben, cem))
    _print_log(tour, ann, room, (ann, ben, cem), 4)


def _edit_and_react(tour: Tour, room: str, ann: Player, ben: Player, cem: Player) -> None:
    tour.step("An edit and a reaction")
    message = next(m for m in _log(cem, room) if m["body"] == "hello? I go on writing")
    tour.typed(cem, f'edit Harbour {message["id"][:8]} "hello! I went on writing"')
    cem.call("message.edit", conversation=room, message=message["id"], text="hello! I went on writing")
    tour.typed(ann, f"react Harbour {message['id'][:8]} 👋")
    ann.call("message.react", conversation=room, message=message["id"], reaction="👋")

    def folded(player: Player) -> bool:
        shown = player.call("message.show", conversation=room, message=message["id"])
        return shown["body"] == "hello! I went on writing" and [r["reaction"] for r in shown["reactions"]] == ["👋"]

    tour.until("all three see both", lambda: all(map(folded, (ann, ben, cem))) and _same(room, ann, ben, cem))


def _vote_and_ban(tour: Tour, room: str, ann: Player, ben: Player, cem: Player) -> None:
    tour.step("Ben becomes an admin; then Cem is banned, which takes more than half of the admins")
    tour.typed(ann, "promote Harbour Ben")
    ann.call("member.promote", conversation=room, target=ben.account)
    tour.until("Ben is an admin everywhere", lambda: all(_role(p, room, ben) == "admin" for p in (ann, ben, cem)))
    tour.typed(ann, "ban Harbour Cem")
    ballot = ann.call("member.ban", conversation=room, target=cem.account)
    tour.holds(
        f"one vote of two is not enough: {ballot['state']}, {ballot['needed']} needed", ballot["state"] == "voted"
    )
    tour.until("Ben sees the ballot", lambda: ben.call("member.votes", conversation=room))
    tour.typed(ben, "ban Harbour Cem")
    ballot = ben.call("member.ban", conversation=room, target=cem.account)
    tour.holds("the second vote resolves it", ballot["state"] == "resolved")
    tour.until("Cem is banned at Ann's and at Ben's", lambda: all(_role(p, room, cem) == "banned" for p in (ann, ben)))
    tour.until("their links to Cem are closed", lambda: not any(_is_linked(p, cem) for p in (ann, ben)))
    tour.typed(cem, 'send Harbour "you have not got rid of me"')
    try:
        cem.call("message.send", conversation=room, text="you have not got rid of me")
    except SwarmchatError as refusal:
        tour.told(f"Cem's own node refuses: {refusal}")
    _say(tour, ann, room, "quiet now")
    tour.until("Ann and Ben have the same", lambda: _same(room, ann, ben))
    unheard = not any("got rid" in str(message["body"]) for player in (ann, ben) for message in _log(player, room))
    tour.holds("nothing that Cem writes now comes through", unheard and not any(_is_linked(p, cem) for p in (ann, ben)))


def _prove(tour: Tour, console: Console, room: str, ann: Player, ben: Player, cem: Player) -> None:
    tour.step("Each judges the whole history again, from the first commit on")
    table = Table("node", "valid", "commits", "merges", "heads", "admins", "banned", box=None, pad_edge=True)
    verdicts = {}
    for player in (ann, ben, cem):
        tour.typed(player, "verify Harbour")
        verdict = verdicts[player.name] = player.call("verify", conversation=room)
        heads, roster = verdict["heads"], verdict["roster"]
        table.add_row(
            f"[{COLOURS[player.name]}]{player.name}[/]",
            "yes" if verdict["valid"] else "NO",
            str(verdict["commits"]),
            str(verdict["merges"]),
            " ".join(head[:10] for head in heads),
            str(len(roster["admins"])),
            str(len(roster["banned"])),
        )
    console.print(table)
    tour.holds("every history is valid", all(verdict["valid"] for verdict in verdicts.values()))
    tour.holds("Ann and Ben hold the same heads", verdicts["Ann"]["heads"] == verdicts["Ben"]["heads"])
    tour.holds("and the same roster", verdicts["Ann"]["roster"] == verdicts["Ben"]["roster"])
    tour.holds("`log --json` and `member list --json` are equal at both", _same(room, ann, ben))
    graph = ann.call("graph", conversation=room, limit=60)
    ban = next(commit["id"] for commit in graph["commits"] if commit["type"] == "member/ban")
    tour.typed(ben, f"explain {ban[:8]}")
    told = ben.call("explain", commit=ban)
    tour.told(f"  {'; '.join(told['because'])}")
    tour.holds("the ban is valid and in force", told["valid"] and told["effect"] == "in force")
    tour.step("The commits, newest first")
    names = {player.account: player.name for player in (ann, ben, cem)}
    for line in as_text(graph, names).splitlines():
        console.print(f"  {escape(line)}")


# --- what players see


def _say(tour: Tour, player: Player, room: str, text: str) -> None:
    tour.typed(player, f'send Harbour "{text}"')
    player.call("message.send", conversation=room, text=text)


def _heard(room: str, text: str, *players: Player) -> None:
    """Who answers has read what he answers to."""
    deadline = time.monotonic() + STEP_TIMEOUT_S
    while not all(any(message["body"] == text for message in _log(player, room)) for player in players):
        if time.monotonic() > deadline:
            raise UserError(f"did not arrive within {STEP_TIMEOUT_S:g} s: {text}")
        time.sleep(POLL_S)


def _log(player: Player, room: str) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = player.call("message.list", conversation=room, limit=1000)
    return log


def _same(room: str, *players: Player) -> bool:
    views = [(_log(player, room), player.call("member.list", conversation=room)) for player in players]
    return all(view == views[0] for view in views)


def _joined(player: Player, room: str) -> int:
    members = player.call("member.list", conversation=room)
    return sum(member["role"] in ("admin", "member") for member in members)


def _role(player: Player, room: str, whom: Player) -> str:
    members = player.call("member.list", conversation=room)
    return next((member["role"] for member in members if member["id"] == whom.account), "")


def _linked(player: Player) -> list[dict[str, Any]]:
    return [peer for peer in player.call("peer.list") if peer["state"] == "linked"]


def _is_linked(player: Player, whom: Player) -> bool:
    return any(peer["account"] == whom.account for peer in _linked(player))


def _print_log(tour: Tour, player: Player, room: str, people: tuple[Player, ...], count: int) -> None:
    names = {person.account: person.name for person in people}
    for message in [m for m in _log(player, room) if m["type"] == "text/plain"][-count:]:
        tour.told(f"    {message['id'][:8]}  {names[message['author']]}: {message['body']}")


# --- processes


@contextmanager
def _player(name: str, home: Path) -> Iterator[Player]:
    command = [sys.executable, "-m", "swarmchat", "--home", str(home)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SWARMCHAT_")}
    subprocess.run([*command, "account", "create", "--name", name], check=True, capture_output=True, env=environment)
    run = [*command, "daemon", "run", "--listen", "127.0.0.1:0", "--no-lan"]
    run += ["--addresses", "none"]  # nobody must learn of a way around the cables
    with (home / "daemon.out").open("wb") as output:
        process = subprocess.Popen(run, stdout=output, stderr=output, env=environment)
    try:
        door = _knock(process, home)
        status = door.call("daemon.status")
        yield Player(name, home, process, door, status["account"], Address.parse(status["listen"][0]))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STEP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _knock(process: subprocess.Popen[bytes], home: Path) -> Client:
    from swarmchat.account.home import Home  # noqa: PLC0415 - where its socket lies is for the home to say

    socket = Home.locate(home, {}).socket
    deadline = time.monotonic() + STEP_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UserError(f"a node ended at once: {(home / 'daemon.out').read_text(errors='replace').strip()}")
        try:
            return Client.connect(socket)
        except SwarmchatError:
            time.sleep(POLL_S)
    raise UserError(f"a node did not open its door within {STEP_TIMEOUT_S:g} s")


def _erase(folder: Path) -> None:
    import shutil  # noqa: PLC0415 - only needed at the very end

    shutil.rmtree(folder, ignore_errors=True)
