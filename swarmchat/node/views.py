"""What the local door shows, in the shapes of SCP-08 §2.5: pure functions from histories and rosters to JSON-able values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from swarmchat.conversation import profile as profiles
from swarmchat.conversation import tree
from swarmchat.conversation.actions import CastVote, FileWithdrawal
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.history import History
from swarmchat.conversation.profile import Profile
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules import ballots
from swarmchat.conversation.timeline import Item, Reaction, Timeline
from swarmchat.conversation.tree import MODE_WORDS, BallotKind
from swarmchat.crypto.certificates import Certificate, CertificateError
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.index.receipt_rows import ReadMark

JsonObject = dict[str, Any]
Read = Callable[[CommitId], Commit | Merge]
Credit = Callable[[Commit], JsonObject | None]

MODE_NUMBERS = {word: number for number, word in enumerate(MODE_WORDS)}
ROLES = ("admin", "member", "invited", "banned", "left")  # the order of `member list`
_MESSAGE_KEYS = frozenset({"type", "body", "reply-to", "react-to", "edit"})


def time(seconds: float) -> str:
    """ISO 8601 UTC with milliseconds."""
    moment = datetime.fromtimestamp(min(max(seconds, 0.0), 253402300799.0), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_time(seconds: float | None) -> str | None:
    """The same, or null."""
    return None if seconds is None else time(seconds)


def from_ms(milliseconds: int) -> str | None:
    """A time kept in milliseconds, null for never."""
    return time(milliseconds / 1000) if milliseconds else None


def profile(roster: Roster) -> Profile:
    """The profile of a conversation; empty where there is none."""
    if roster.profile is None:
        return Profile()
    return profiles.read_loosely(roster.profile)  # what the law refuses can stand in an archive only


# --- people


def role(roster: Roster, history: History, account: AccountId) -> str | None:
    """What an account is in a conversation; None for who never was in it."""
    if roster.is_admin(account):
        return "admin"
    if roster.is_joined(account):
        return "member"
    if roster.is_banned(account):
        return "banned"
    if roster.is_invited(account):
        return "invited"
    return "left" if history.by_account(account) else None


def members(roster: Roster, history: History, timeline: Timeline, read: Read) -> list[JsonObject]:
    """Everybody who is or was in it, by role then id: equal on all nodes."""
    banned = {target for target, place in roster.banned.items() if place != "devices"}
    everybody = {*roster.joined, *roster.invited, *banned, *history.accounts}
    rows = []
    for account in everybody:
        what = role(roster, history, AccountId(account))
        assert what is not None
        rows.append(
            {
                "id": account,
                "name": name(AccountId(account), history, timeline, read),
                "role": what,
                "devices": list(roster.devices_of(AccountId(account))),
                "revoked": revoked(roster, AccountId(account)),
            }
        )
    return sorted(rows, key=lambda row: (ROLES.index(row["role"]), row["id"]))


def revoked(roster: Roster, account: AccountId) -> list[DeviceId]:
    """The devices of an account in a conversation that stand on its list there."""
    der, pem = roster.files.get(tree.revocations(account)), roster.certificate(account)
    if der is None or pem is None:
        return []
    try:
        listed = RevocationList.from_der(der, Certificate.from_pem(pem)).revoked
    except CertificateError:
        return []  # a foreign tree may hold what is none
    return [device for device in roster.devices_of(account) if device_prefix(device) in listed]


def read_mark(mark: ReadMark) -> JsonObject:
    """Up to where somebody has read, and when he said so."""
    return {"commit": mark.commit, "time": time(mark.time_ms / 1000)}


def name(account: AccountId, history: History, timeline: Timeline, read: Read) -> str:
    """The name an account last wrote under; empty for who never wrote."""
    written = timeline.newest_by(account)
    if written is None:
        return ""
    newest = read(written)
    assert isinstance(newest, Commit)
    return "" if newest.name == newest.device else newest.name


def open_ballots(roster: Roster) -> list[JsonObject]:
    """The ballots with pending votes, and how many votes each needs."""
    return [
        ballot(roster, kind, target) for kind, target in sorted({(vote.kind, vote.target) for vote in roster.votes})
    ]


def ballot(roster: Roster, kind: BallotKind, target: AccountId | DeviceId) -> JsonObject:
    """One ballot as it stands."""
    place = ballots.place(kind, target, roster)
    return {
        "kind": kind,
        "target": target,
        "type": place or "",
        "voters": sorted(ballots.voters(kind, target, roster)),
        "needed": len(ballots.electorate(kind, target, roster)) // 2 + 1,
    }


# --- messages


@dataclass(frozen=True, slots=True)
class Status:
    """Who has a message and who has read it, among the others."""

    sent: frozenset[AccountId]
    read: frozenset[AccountId]

    def shown(self) -> JsonObject:
        """As it stands in a message."""
        state = "read" if self.read else "sent" if self.sent else "written"
        return {"state": state, "sent": sorted(self.sent), "read": sorted(self.read)}


def message(
    item: Item, history: History, read: Read, status: Status | None = None, credit: Credit = lambda commit: None
) -> JsonObject:
    """One line of `log`, with its edits and reactions folded; `via` where its author speaks for somebody else."""
    commit = _ordinary(read(item.commit))
    relation = history[item.commit].fact.relation
    versions = [_version(_ordinary(read(edit))) for edit in item.edits]
    reactions = () if versions and not versions[-1]["body"] else item.reactions  # nobody reacts to what is deleted
    return {
        "id": commit.id,
        "type": history[item.commit].fact.type,
        "author": history[item.commit].fact.account,
        "device": commit.device,
        "time": time(commit.time),
        "body": versions[-1]["body"] if versions else _body(commit),
        "reply_to": relation[1] if relation is not None and relation[0] == "reply" else None,
        "edits": versions,
        "reactions": [
            shown for reaction in reactions if (shown := _reaction(reaction, history, read, credit)) is not None
        ],
        "hidden": item.hidden,
        **_via(commit, read, item.edits if versions and versions[-1]["body"] else (), credit),
    } | ({} if status is None else {"status": status.shown()})


def versions(item: Item, read: Read) -> list[JsonObject]:
    """All versions of a message, oldest first."""
    return [_version(_ordinary(read(commit))) for commit in (item.commit, *item.edits)]


def text_of(item: Item, read: Read) -> str:
    """What people read of a text message: the newest text, empty where it is deleted."""
    body = _body(_ordinary(read(item.edits[-1] if item.edits else item.commit)))
    return body if isinstance(body, str) else ""


def _reaction(reaction: Reaction, history: History, read: Read, credit: Credit) -> JsonObject | None:
    newest = _ordinary(read(reaction.edits[-1] if reaction.edits else reaction.commit))
    if not _body(newest):
        return None  # taken back
    return {
        "id": reaction.commit,
        "author": history[reaction.commit].fact.account,
        "reaction": _body(newest),
        "time": time(newest.time),
        **_via(_ordinary(read(reaction.commit)), read, reaction.edits, credit),
    }


def _via(commit: Commit, read: Read, edits: Sequence[CommitId], credit: Credit) -> JsonObject:
    """Who really said what stands there now: nobody is credited with words that another put into his mouth by an edit."""
    who = credit(commit)
    if who is None or (edits and (credit(_ordinary(read(edits[-1]))) or {}).get("key") != who["key"]):
        return {}
    return {"via": who}


def _version(commit: Commit) -> JsonObject:
    return {"id": commit.id, "time": time(commit.time), "body": _body(commit)}


def _body(commit: Commit) -> Any:
    if isinstance(commit.action, FileWithdrawal):
        return ""
    if isinstance(commit.body.get("body"), str) and commit.body["type"] == "text/plain":
        return commit.body["body"]
    return {key: value for key, value in sorted(commit.body.items()) if key not in _MESSAGE_KEYS}


def _ordinary(commit: Commit | Merge) -> Commit:
    assert isinstance(commit, Commit)
    return commit


# --- the graph


def graph(history: History, limit: int) -> JsonObject:
    """The newest commits with their parents, children first."""
    commits: list[JsonObject] = []
    for entry in reversed(history.entries):
        if len(commits) >= limit:
            break
        fact = entry.fact
        kind = "merge" if entry.is_merge else _kind(fact.type, fact.control.action if fact.control else None)
        commits.append({"id": fact.id, "parents": list(fact.parents), "type": kind, "author": fact.account})
    return {"commits": commits}


def _kind(kind: str, action: object) -> str:
    match action:
        case CastVote(ballot_kind, _):
            return f"vote/{ballot_kind}"
        case _ if kind == "member" and action is not None:
            return f"member/{type(action).__name__.lower()}"
        case _:
            return kind


def standing(roster: Roster) -> JsonObject:
    """A roster as lists of ids."""
    return {
        "admins": sorted(roster.admins),
        "members": sorted(roster.members),
        "invited": sorted(roster.invited),
        "banned": sorted(roster.banned),
    }
