"""`swarmchat verify`, `explain`, `graph`: what anybody can check. (SCP-02 §6.5, SCP-08 §2.5)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from swarmchat import limits
from swarmchat.cli import graphs
from swarmchat.cli.session import CONV, Session, Verb, pass_session
from swarmchat.cli.terminal import counted, plain, short
from swarmchat.errors import UsageError, UserError, VerificationError


@click.command(cls=Verb)
@click.argument("target", metavar="[CONV|PATH]", required=False)
@click.option("--allowed-signers", is_flag=True, help="print the lines that let stock git check the signatures")
@pass_session
def verify(session: Session, target: str | None, allowed_signers: bool) -> None:
    """Judge the whole history again, from nothing but the repository; all conversations without an argument.

    Exit status 7 when something is not valid.
    """
    if allowed_signers and target is None:
        raise UsageError("--allowed-signers needs a conversation")
    targets = [_path_or_name(target)] if target else [row["id"] for row in session.door.call("conversation.list")]
    verdicts = []
    for one in targets:
        with session.output.busy(f"verifying {plain(one)}"):
            verdicts.append(session.door.call("verify", conversation=one, allowed_signers=allowed_signers or None))
    if allowed_signers and not session.json:
        session.output.emit(None, lambda: [plain(line) for line in verdicts[0].get("allowed_signers", [])])
    else:
        session.output.emit(
            verdicts[0] if target else verdicts,
            lambda: [line for verdict in verdicts for line in _verdict(verdict, session)],
        )
    if not verdicts:
        session.output.note("no conversations yet, so nothing to verify")
    bad = [verdict for verdict in verdicts if not verdict["valid"]]
    if bad:
        named = ", ".join(short(verdict["id"]) for verdict in bad)
        raise VerificationError(f"not valid: {named}", data={"conversations": [verdict["id"] for verdict in bad]})


@click.command(cls=Verb)
@click.option("--repair", is_flag=True, help="put damaged files aside and have what is lost fetched again")
@pass_session
def doctor(session: Session, repair: bool) -> None:
    """Look at everything that can be wrong on this machine: files, histories, space, clock, network.

    Exit status 7 when a history is damaged or not valid, 1 for any other fault.
    """
    with session.output.busy("looking"):
        findings = session.door.call("doctor", repair=repair or None)
    colours = {"ok": "green", "warning": "yellow", "fault": "red"}

    def text() -> list[str]:
        told = []
        for one in findings:
            state = session.output.paint(one["state"].ljust(7), "bold", colours[one["state"]])
            told.append(f"{state}  {plain(one['check'])}  {plain(one['about'])}: {plain(one['found'])}")
            if one["hint"] and one["state"] != "ok":
                told.append(f"         {plain(one['hint'])}")
        return told

    session.output.emit(findings, text)
    faults = [one for one in findings if one["state"] == "fault"]
    if any(one["check"] == "history" for one in faults):
        raise VerificationError("a history is damaged", hint=None if repair else "swarmchat doctor --repair")
    if faults:
        found = f"{counted(len(faults), 'fault')} {'was' if len(faults) == 1 else 'were'} found"
        raise UserError(found, data={"checks": [one["check"] for one in faults]})


@click.command(cls=Verb)
@click.argument("commit")
@click.option("--in", "conversation", metavar="CONV", help="look in this conversation only")
@pass_session
def explain(session: Session, commit: str, conversation: str | None) -> None:
    """Say why a commit is valid or not, and whether what it did still counts."""
    told = session.door.call("explain", commit=commit, conversation=conversation)

    def text() -> list[str]:
        paint = session.output.paint
        verdict = paint("valid", "bold", "green") if told["valid"] else paint("not valid", "bold", "red")
        rule = f"  (rule {plain(told['rule'])})" if told["rule"] else ""
        return [
            f"{plain(told['commit'])}  {verdict}{rule}",
            *([f"  {plain(told['effect'])}"] if told["effect"] != "none" else []),  # the reasons say what it is
            *(f"  – {plain(reason)}" for reason in told["because"]),
        ]

    session.output.emit(told, text)


@click.command(cls=Verb)
@click.argument("conv", type=CONV)
@click.option(
    "--format", "form", type=click.Choice(["text", "dot", "svg"]), help="text (default), Graphviz, or a picture"
)
@click.option(
    "-n", "--limit", type=click.IntRange(1, limits.API_LIST_MAX), metavar="N", help="the newest N (default 1,000)"
)
@pass_session
def graph(session: Session, conv: str, form: str | None, limit: int | None) -> None:
    """Draw the commits with their parents."""
    drawn = session.door.call("graph", conversation=conv, limit=limit)
    if session.json and form is None:
        session.output.emit(drawn, lambda: "")
        return
    names = session.names(conv)
    commits = graphs.commits(drawn, names)
    match form:
        case "dot":
            text = graphs.to_dot(commits)
        case "svg":
            title = session.door.call("conversation.show", conversation=conv)["title"]
            text = graphs.to_svg(commits, title=plain(title) or short(conv))
        case _:
            text = graphs.to_text(commits, session.output.paint)
    session.output.write(text)


def _path_or_name(target: str) -> str:
    """A path is made absolute, for the daemon may stand elsewhere; ids and titles stay."""
    here = Path(target)
    names_one = (target.endswith(".git") and here.is_dir()) or (target.endswith(".bundle") and here.is_file())
    return str(here.absolute()) if "/" in target or names_one else target


def _verdict(verdict: dict[str, Any], session: Session) -> list[str]:
    paint = session.output.paint
    word = paint("valid", "bold", "green") if verdict["valid"] else paint("NOT VALID", "bold", "red")
    made = "" if verdict["format"] == "swarmchat" else f"  (made by {plain(verdict['format'])})"
    roster = ", ".join(f"{plain(role)} {len(who)}" for role, who in verdict["roster"].items() if isinstance(who, list))
    told = [
        f"{plain(verdict['id'])}  {word}{made}",
        f"  {counted(verdict['commits'], 'commit')}, {counted(verdict['merges'], 'merge')}, heads {' '.join(map(short, verdict['heads']))}",
        f"  {roster}",
    ]
    for rejection in verdict["rejections"]:
        where = f" ({plain(rejection['path'])})" if rejection["path"] else ""
        told.append(f"  {short(rejection['commit'])}  {plain(rejection['rule'])}: {plain(rejection['reason'])}{where}")
    return told
