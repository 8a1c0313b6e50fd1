"""`swarmchat status …`: the gateway to Status. (SCP-09 §3)"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from swarmchat import limits
from swarmchat.cli.session import CONV, Noun, Session, pass_session
from swarmchat.cli.terminal import clock, counted, plain, short, table
from swarmchat.errors import RefusedError, UsageError, in_words

_BYTES_MAX: Final = 8 * limits.PHRASE_CHARS_MAX + 4  # two lines of what UTF-8 makes of so many characters
_KEY_BYTES_MAX: Final = 80
_KEY_HINT: Final = (
    "name a file with 64 hex digits on one line, with 0x before them or without; without --key-file a key is made"
)
_PHRASE_HINT: Final = "the words on one line, with spaces between; a passphrase on the second"


@click.group(cls=Noun)
def status() -> None:
    """Conversations with people who use Status."""


@status.command()
@click.option("--phrase", is_flag=True, help="ask for the recovery phrase of a Status account, whose key it is then")
@click.option("--passphrase", is_flag=True, help="ask for what that phrase was made with, too")
@click.option(
    "--key-file", type=click.Path(path_type=Path), metavar="FILE", help="the key is that in FILE: 64 hex digits"
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="write the secret half into FILE, which must not exist",
)
@click.option("--yes", is_flag=True, help="do not ask before another key is set than conversations know")
@pass_session
def identity(
    session: Session, phrase: bool, passphrase: bool, key_file: Path | None, export: Path | None, yes: bool
) -> None:
    """Show the key by which people on Status know this account; it is made when first asked for.

    It is one for all devices of the account, and in its archive. Words and secrets are asked for, or read from standard input or a file: never from the command line, where others on this machine see them.
    """
    if sum((phrase, key_file is not None, export is not None)) > 1:
        raise UsageError("--phrase, --key-file and --export exclude each other", hint="give one of them")
    if passphrase and not phrase:
        raise UsageError("--passphrase is nothing without --phrase", hint="give both")
    if export is not None:
        done = session.door.call("status.identity_export", path=str(export.absolute()))
        session.output.emit(done, lambda: plain(done["path"]))
        session.output.note("who has this file speaks as this account with Status")
        return
    wanted: dict[str, str] = {}
    if phrase:
        wanted = _words(session, passphrase=passphrase)
    elif key_file is not None:
        wanted = {"secret": _secret(key_file)}
    try:
        shown = session.door.call("status.identity", **wanted, replace=yes or None)
    except RefusedError as error:
        bound = error.data.get("bound")
        if not isinstance(bound, list) or not session.may_ask:
            raise
        known = counted(len(bound), "conversation")
        session.confirm(f"{known} will go on knowing this account by the old key. Set another one?", yes=False)
        shown = session.door.call("status.identity", **wanted, replace=True)
    session.output.emit(shown, lambda: _card(shown))
    if shown["state"] == "set":
        session.output.note("conversations that know another key of this account keep that one")


@status.command()
@click.argument("conv", type=CONV)
@pass_session
def bridge(session: Session, conv: str) -> None:
    """Open a conversation for Status: a group by an admin, a one-to-one by either of the two.

    CONV may be the key of somebody on Status, zQ3sh… or 0x04…: then it is the one-to-one with him, which is made.

    From now on each member's device signs what it writes for Status as well, so that any member can hand it on.
    """
    done = session.door.call("status.bridge", conversation=conv)
    told = (
        plain(done["chat"]) if done["chat"] else "what is said counts once the other's device has said which key is his"
    )
    session.output.emit(done, lambda: f"{done['conversation']}  is open for Status: {told}")


@status.command("export")
@click.argument("conv", type=CONV)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="the file (default: CHAT.status, after the chat's id)",
)
@click.option("--attest", is_flag=True, help="sign as an admin what nobody signed when it was written")
@click.option("--force", is_flag=True, help="replace FILE if it is there")
@pass_session
def export_(session: Session, conv: str, out: Path | None, attest: bool, force: bool) -> None:
    """Write what Status is told of a conversation into a file: its group events and what was said, each signed by who did it.

    Whoever has the file can read what is in it.
    """
    if out is None:
        chat = session.door.call("status.show", conversation=conv)["chat"]
        out = Path(f"{''.join(one for one in chat[:8] if one.isalnum())}.status")
    with session.output.busy("exporting"):
        done = session.door.call(
            "status.export",
            conversation=conv,
            path=str(out.absolute()),
            mode="attest" if attest else None,
            force=force or None,
        )
    told = f"{counted(done['messages'], 'message')}, {done['bytes']} bytes"
    if done["events"]:  # a one-to-one has none
        told = f"{counted(done['events'], 'group event')}, {told}"
    session.output.emit(done, lambda: f"{plain(done['path'])}: {told}")
    for file in done["files"][1:]:
        session.output.note(f"goes on in {plain(file)}: take them in one after the other")
    for line in _left_out(done):
        session.output.note(line)


@status.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="say what would be written, write nothing")
@pass_session
def import_(session: Session, file: Path, dry_run: bool) -> None:
    """Take in a file of signed Status messages: into the conversation of its chat, or into a new one.

    Of a one-to-one, that of this account's key with somebody: into the one-to-one with him, if his key is known there.

    Nothing is written twice. If it is broken off, run it again: it goes on.
    """
    with session.output.busy("importing"):
        done = session.door.call("status.import", path=str(file.absolute()), dry_run=dry_run or None)
    session.output.emit(done, lambda: _imported(done))
    for line in _alike(done["counts"], _FATES, [(row["fate"], row["reason"], _fate(row)) for row in done["told"]]):
        session.output.note(line)
    if not dry_run and not session.output.json and any(one["reason"] == "join-request" for one in done["counts"]):
        waiting = session.door.call("status.requests", conversation=done["conversation"])  # not who was declined before
        if waiting:
            session.output.note("who asks to be let in waits for an answer: swarmchat status requests")
        if len(waiting) >= limits.STATUS_REQUESTS_PER_CONVERSATION_MAX:
            session.output.note("no more can wait than do now: answer some, and take the file in again")
    for other in done["others"]:
        session.output.note(f"{other} holds the same chat, and stays as it is")


@status.command()
@click.argument("conv", type=CONV)
@click.option("--ignored", is_flag=True, help="with the events of imported files that had no effect, and why")
@pass_session
def show(session: Session, conv: str, ignored: bool) -> None:
    """Show a conversation as clients of Status see it, what they do not hear of, and who asks to be let in."""
    shown = session.door.call("status.show", conversation=conv)
    session.output.emit(shown, lambda: [*_chat(shown), *(_ignored(shown["ignored"]) if ignored else [])])


@status.command()
@click.argument("conv", type=CONV, required=False)
@pass_session
def requests(session: Session, conv: str | None) -> None:
    """List who on Status asks to be let in; of conversations that you may add people to."""
    rows = session.door.call("status.requests", conversation=conv)
    session.output.emit(rows, lambda: _asking(rows, with_conversation=True))
    if not rows:
        session.output.note("nobody on Status asks to be let in")


@status.command()
@click.argument("conv", type=CONV)
@click.argument("key")
@pass_session
def accept(session: Session, conv: str, key: str) -> None:
    """Let somebody in who asks.

    KEY is his key or his account, how one of them begins, or the name that he gives himself."""
    done = session.door.call("status.accept", conversation=conv, key=key)
    session.output.emit(done, lambda: f"{short(done['account'])} is added to {short(done['conversation'])}")


@status.command()
@click.argument("conv", type=CONV)
@click.argument("key")
@pass_session
def decline(session: Session, conv: str, key: str) -> None:
    """Decline what somebody asks. Nobody is told; who asks again is heard after a day."""
    done = session.door.call("status.decline", conversation=conv, key=key)
    session.output.emit(done, lambda: f"{short(done['account'])} is declined")


_FATES: Final = {"kept": "kept, without effect", "ignored": "left out", "bad": "not understood"}
_UNTOLD: Final = {"missing": "not told", "dropped": "dropped, for clients would refuse it"}


def _fate(row: dict[str, Any]) -> str:
    """A part of a file, and why it came to that."""
    about = f": {plain(row['about'])}" if row["about"] else ""
    return f"{plain(row['what'])} {short(row['id'])}: {plain(row['reason'])}{about}"


def _imported(done: dict[str, Any]) -> str:
    where = done["conversation"] or "a new conversation"
    return f"{where}  {plain(done['state'])}: {counted(done['commits'], 'commit')}, {done['known']} of the file known already"


def _chat(shown: dict[str, Any]) -> list[str]:
    rows = [
        [plain(one["name"]) or "–", plain(one["compressed"] or one["key"]), _account(one)] for one in shown["members"]
    ]
    head = [f"chat     {plain(shown['chat'])}"]
    columns: tuple[str, ...] = ("NAME", "KEY", "ACCOUNT")
    told = counted(shown["messages"], "message")
    if shown["rules"] is not None:  # a group
        rows = [[plain(one["role"]), *row] for one, row in zip(shown["members"], rows, strict=True)]
        columns, told = ("ROLE", *columns), f"{counted(shown['events'], 'group event')}, {told}"
        head.append(f"name     {plain(shown['name'])}")
        head.append(f"rules    {plain(shown['rules'])}, generation {shown['generation']}")
    return [
        *head,
        f"told     {told}",
        "",
        *table(rows, columns),
        *(["", "asking to be let in:", *_asking(shown["requests"])] if shown["requests"] else []),
        *(["", *_left_out(shown)] if shown["missing"] or shown["dropped"] else []),
    ]


def _asking(rows: list[dict[str, Any]], *, with_conversation: bool = False) -> list[str]:
    """Who asks, and with which words."""
    found = [
        [
            *([short(one["conversation"])] if with_conversation else []),
            plain(one["name"]) or "–",
            plain(one["compressed"]),
            _account(one),
            clock(one["at"]),
            plain(one["text"]) or "–",
        ]
        for one in rows
    ]
    return table(found, (*(["CONVERSATION"] if with_conversation else []), "NAME", "KEY", "ACCOUNT", "SINCE", "TEXT"))


def _ignored(rows: list[dict[str, Any]]) -> list[str]:
    """Events without effect."""
    found = [[plain(one["what"]), short(one["id"]), plain(one["author"])[:18], plain(one["reason"])] for one in rows]
    return ["", *(table(found, ("IGNORED", "ID", "BY", "REASON")) if rows else ["no event was ignored"])]


def _account(member: dict[str, Any]) -> str:
    return f"{short(member['account'])}{'' if member['bound'] else ' (on Status only)'}"


def _left_out(shown: dict[str, Any]) -> list[str]:
    """What is not told, by reason."""
    found = [
        (fate, one["reason"], f"{short(one['commit'])} {plain(one['reason'])}")
        for fate in ("missing", "dropped")
        for one in shown[fate]
    ]
    return _alike(shown["counts"], _UNTOLD, found)


def _alike(counts: list[dict[str, Any]], words: dict[str, str], found: list[tuple[str, str, str]]) -> list[str]:
    """A line for each fate and reason: what it is about where that is one thing, else how many; `found`: (fate, reason, what)."""
    rows = []
    for one in counts:
        fate, reason, count = words[one["fate"]], plain(one["reason"]), one["count"]
        about = [what for its_fate, its_reason, what in found if (its_fate, its_reason) == (one["fate"], one["reason"])]
        told = (about or [reason])[0] if count == 1 else f"{count} times {reason}"
        rows.append(f"{fate}: {told}")
    return rows


def _words(session: Session, *, passphrase: bool) -> dict[str, str]:
    """The phrase, and its passphrase: asked for, unseen; or two lines of standard input."""
    if sys.stdin.isatty():
        found = {"phrase": session.passwords.ask("Recovery phrase", instead="standard input")}
        if passphrase:
            found["passphrase"] = session.passwords.ask("Passphrase", instead="the second line of standard input")
        return found
    try:
        told = sys.stdin.buffer.read(_BYTES_MAX + 1).decode() if hasattr(sys.stdin, "buffer") else sys.stdin.read()
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8", hint=_PHRASE_HINT) from None
    if len(told) > _BYTES_MAX:
        raise UsageError("standard input is longer than any recovery phrase", hint=_PHRASE_HINT)
    lines = told.splitlines()
    if passphrase:
        if len(lines) < 2:
            raise UsageError("the passphrase is missing", hint="it stands on the second line of standard input")
        return {"phrase": lines[0], "passphrase": lines[1]}
    return {"phrase": " ".join(lines)}


def _secret(path: Path) -> str:
    """What a file says, as one word; whether it is a key is the node's to judge."""
    try:
        with path.open("rb") as file:
            data = file.read(_KEY_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read the key from {path}: {in_words(error)}", hint=_KEY_HINT) from None
    text = data.decode("ascii", "replace").strip()
    if len(data) > _KEY_BYTES_MAX or len(text) > 66:
        raise UsageError(f"{path} holds no key", hint=_KEY_HINT)
    return text


def _card(shown: dict[str, Any]) -> list[str]:
    rows = [
        f"key      {plain(shown['compressed'])}",
        f"in hex   {plain(shown['key'])}",
        f"uri      {plain(shown['account'])}  (where it is nobody's account)",
    ]
    others = [row for row in shown["bound"] if not row["current"]]
    known = len(shown["bound"]) - len(others)
    if known:
        rows.append(f"known    in {counted(known, 'conversation')}")
    rows += [f"other    {short(row['id'])} knows this account by {plain(row['key'])[:18]}…" for row in others]
    return rows
