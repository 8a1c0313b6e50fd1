"""What the rows of the full-screen client say, as pure functions from the API's answers to one line or a few.

Everything a stranger wrote goes through `plain` or `lines`: it can neither steer the terminal nor, being no markup, the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from swarmchat.cli.presence import attendance
from swarmchat.cli.terminal import Names, Palette, age, clock, counted, lines, plain, short
from swarmchat.errors import SwarmchatError

Row = Mapping[str, Any]
_PLAIN = Palette(on=False)
_UNREAD_MOST = 1_000


def room(row: Row) -> str:
    """A conversation in the list."""
    unread = int(row["unread"])
    count = f" ({unread}{'+' * (unread >= _UNREAD_MOST)})" if unread else ""
    state = "" if row["state"] == "ready" else f" – {plain(row['state'])}"
    return f"{plain(row['title']) or short(row['id'])}{count}{state}"


def member(row: Row, names: Names, me: str) -> str:
    """A member: role, name, id, devices, or the gateway of who has no account."""
    devices = len(row["devices"]) - len(row["revoked"])
    mine = " (me)" if row["id"] == me else ""
    equipped = f"on {plain(row['gateway'])}" if "gateway" in row else counted(devices, "device")
    called, bare = names(row["id"]), short(row["id"])
    who = "–" if called == bare else called.removesuffix(f" ({bare})")
    return f"{plain(row['role']):8} {who}{mine}  {bare}  {equipped}"


def vote(row: Row, names: Names) -> str:
    """An open ballot."""
    target = names(row["target"]) if row["type"] != "devices" else f"the device {short(row['target'])}"
    voters = ", ".join(names(one) for one in row["voters"]) or "nobody"
    return f"ballot to {plain(row['kind'])} {target}: {len(row['voters'])} of {row['needed']} votes ({voters})"


def ballot(done: Row, names: Names) -> str:
    """What came of a vote."""
    target = names(done["target"]) if len(done["target"]) == 40 else short(done["target"])
    if done["state"] == "resolved":
        return f"{plain(done['kind'])} {target}: decided"
    return f"voted to {plain(done['kind'])} {target}: {len(done['voters'])} of {done['needed']} votes"


def request(row: Row) -> str:
    """A request that waits."""
    what = "wants to be a contact" if row["kind"] == "contact" else "invites to"
    return f"{short(row['from'])} {what} {plain(row['title']) or '–'}  {clock(row['at'])}"


def contact(row: Row, now: datetime) -> str:
    """A contact with its presence."""
    return f"{plain(row['name']) or short(row['id'])}  {plain(row['state'])}  {attendance(dict(row['presence']), now, _PLAIN)}"


def hit(row: Row, titles: Mapping[str, str]) -> list[str]:
    """A hit of a search: where and when, and the words around it."""
    where = titles.get(row["conversation"], "") or short(row["conversation"])
    said = "".join(plain(piece["text"]) for piece in row["snippet"])
    return [f"{plain(where)}  {clock(row['message']['time'])}", f"  {said}"]


def state(
    status: Row, peers: Sequence[Row], sync: Sequence[Row], titles: Mapping[str, str], now: datetime
) -> list[str]:
    """How the node stands: the daemon, each device, each conversation that is not in step."""
    told = [
        f"swarmchat {plain(status['version'])}, process {status['pid']}, listening on {plain(' '.join(status['listen'])) or '–'}",
        f"DHT: {plain(status['dht']['found'])}",
        "",
        "Devices",
    ]
    for peer in peers:
        heard = f", {age(peer['since'], now)}" if peer["since"] else ""
        error = f" – {plain(peer['last_error'])}" if peer["last_error"] and peer["state"] != "linked" else ""
        told.append(f"  {short(peer['device'])} of {short(peer['account'])}: {plain(peer['state'])}{heard}{error}")
    told += ["  nobody to link with yet"] if not peers else []
    told += ["", "Conversations"]
    for row in sync:
        title = plain(titles.get(row["conversation"], "")) or short(row["conversation"])
        as_of = f"as of {age(row['as_of'], now)} ago" if row["as_of"] else "never heard"
        told.append(f"  {title}, {short(row['device'])}: {standing(row)} ({as_of})")
    return told + (["  no other device is known yet"] if not sync else [])


def standing(row: Row) -> str:
    """How far a device is."""
    parts = [f"{row['behind']} behind"] if row["behind"] else []
    parts += [f"{row['ahead']} ahead of us"] if row["ahead"] else []
    parts += [f"{len(row['missing'])} announced and missing here"] if row["missing"] else []
    return ", ".join(parts) or "in step"


def summary(sync: Iterable[Row], linked: int) -> str:
    """One line under a conversation."""
    rows = list(sync)
    missing = max((len(row["missing"]) for row in rows), default=0)
    behind = sum(1 for row in rows if row["behind"])
    parts = [f"{linked} linked"]
    parts += [f"{behind} of {len(rows)} devices behind"] if behind else ["all in step"] if rows else []
    parts += [f"{missing} announced and missing here"] if missing else []
    return ", ".join(parts)


def trouble(error: SwarmchatError) -> str:
    """An error with its hint."""
    return "\n".join(plain(said) for said in (error.message, error.hint) if said)


def first_line(entry: Row) -> str:
    """A message in a few words, as what is answered or changed."""
    body = entry["body"] if isinstance(entry["body"], str) else entry["type"]
    first = lines(body)[0]
    return first if len(first) <= 60 else first[:60] + "…"


HELP = """\
Move          Tab, Shift+Tab: conversations, messages, what I write.  Arrows, Page Up, Page Down, Home, End
Write         Enter sends, Ctrl+J begins a new line, Escape gives up an answer or a change
On a message  r answers it, e changes mine, d deletes mine, + reacts, - takes my reaction back, Enter shows all of it, o older ones
Pages         F2 members and votes   F3 requests   F4 contacts   F5 search   F8 how the node stands
              Escape leaves a page
Others        Ctrl+N begins a conversation   Ctrl+R joins by link   Ctrl+Q ends

Members       i invites, b votes to ban, u to unban, p to promote, k removes, d steps down
Requests      a accepts, d declines, b declines and blocks
Contacts      a adds, Enter opens, b blocks, u unblocks, r removes
"""
