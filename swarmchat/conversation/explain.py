"""Why a commit is valid or not, and whether it still counts, in words for people. (SCP-02 §6.5, §7.2)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Initial,
    Join,
    Kick,
    Leave,
    Promote,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.entries import Control, Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules import ballots, settled
from swarmchat.conversation.rules.settled import Edge, Fate, Precedence, Tally
from swarmchat.ids import AccountId, CommitId, DeviceId

Called = Callable[[AccountId | DeviceId], str]  # what people call an account or device

_NAMED_MAX: Final = 4  # bans told of in one explanation: who provokes hundreds gets no longer one


class Law(Protocol):
    """What settle says of a history as it stands; a CommitLog answers."""

    def fate(self, commit: CommitId) -> Fate | None:
        """Why an accepted commit does not count; None when it does, or changes no file."""
        ...

    def precedence(self, one: CommitId, other: CommitId) -> Precedence:
        """Which of two concurrent bans goes first, and by what."""
        ...

    def roster_at(self, commit: CommitId) -> Roster:
        """The roster after an accepted commit."""
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """The two answers, and the reasons as sentences."""

    commit: CommitId
    valid: bool
    rule: str | None
    effect: str  # in force, void, without effect, hidden, none, refused
    because: tuple[str, ...]


def refused(commit: CommitId, rejection: Rejection) -> Explanation:
    """Why a commit was not let in."""
    place = f" at {rejection.path}" if rejection.path else ""
    sentence = (
        f"refused ({rejection.reason.code}{place}): {rejection.detail or rejection.reason.code.replace('-', ' ')}"
    )
    return Explanation(commit, False, rejection.rule, "refused", (sentence, "nothing of it was kept"))


def archived(history: History, commit: CommitId) -> Explanation:
    """What a commit of an imported history is: it was judged by the rules for Jami, and nothing is settled anew. (SCP-02 §9)"""
    entry = history[commit]
    if entry.is_merge:
        sentence = "a merge by Jami: signed by who made it, and every file is as one of its parents has it"
        return Explanation(commit, True, "SCP-02 §9.16", "none", (sentence,))
    effect = "none" if entry.fact.control is None else "in force"
    kept = "its history is archived: nothing is merged or decided there any more"
    return Explanation(commit, True, None, effect, (f"made by Jami, and valid by SCP-02 §9 ({entry.fact.type})", kept))


def accepted(
    history: History, commit: CommitId, law: Law, *, beside: Mapping[CommitId, CommitId | None], called: Called
) -> Explanation:
    """What an accepted commit does, as the history stands now.

    `beside` holds the concurrent removals of its author, each with a commit that vouches for it (SCP-02 §8.2), if any.
    """
    return _Told(history, law, called).of(history[commit], beside)


class _Told:
    def __init__(self, history: History, law: Law, called: Called) -> None:
        self._history = history
        self._law = law
        self._called = called

    def of(self, entry: Entry, beside: Mapping[CommitId, CommitId | None]) -> Explanation:
        if entry.is_merge:
            sentence = "a canonical merge: every node computes the same one, so it carries nobody's authority"
            return Explanation(entry.id, True, "SCP-02 §6.2", "none", (sentence,))
        said = [self._said(entry)]
        hidden = any(witness is None for witness in beside.values())
        if entry.fact.control is None:
            seen = list(self._seen(beside))
            said += seen or ["it changes no file, so nothing can take its effect away"]
            return Explanation(
                entry.id, True, "SCP-02 §8.2" if seen else None, "hidden" if hidden else "none", tuple(said)
            )
        said.append(self._company(entry))
        fate = self._law.fate(entry.id)
        if fate is not None:
            effect, rule, sentences = self._fate(entry, entry.fact.control, fate)
            return Explanation(entry.id, True, rule, effect, (*said, *sentences))
        if hidden:
            return Explanation(entry.id, True, "SCP-02 §8.2", "hidden", (*said, *self._seen(beside)))
        won = list(self._won(entry, entry.fact.control))
        return Explanation(entry.id, True, "SCP-02 §6.4 (c)" if won else None, "in force", (*said, *won))

    # --- messages beside the removal of their author (SCP-02 §8.2)

    def _seen(self, beside: Mapping[CommitId, CommitId | None]) -> Iterator[str]:
        for removal, witness in sorted(beside.items())[:_NAMED_MAX]:
            what = "ban" if isinstance(self._control(removal).action, Ban) else "revocation"
            yield f"at the same time {self._cited(removal)}"
            if witness is None:
                yield f"it is not shown: nobody else had seen it before that {what}, so it may be new and dated back"
            else:
                who = self._account(self._history[witness])
                yield f"it is shown: {who} had seen it and not that {what} when writing {witness[:12]}"

    # --- what settle decided (SCP-02 §6.4)

    def _company(self, entry: Entry) -> str:
        beside = sum(
            1 for other in self._history.controls if other is not entry and self._history.concurrent(other.id, entry.id)
        )
        if not beside:
            return "nothing happened to the roster at the same time"
        return f"{beside} {'change' if beside == 1 else 'changes'} to the roster happened at the same time"

    def _fate(self, entry: Entry, control: Control, fate: Fate) -> tuple[str, str, Iterable[str]]:
        author, target = self._account(entry), self._target(control.action)
        cited = [] if fate.by is None or fate.by not in self._history else [f"because of {self._cited(fate.by)}"]
        match fate.code:
            case settled.NOT_AUTHORISED if fate.tally is not None:
                return "void", "SCP-02 §6.4 (b)", self._short(entry, control, fate.tally)
            case settled.BANNED_BESIDE:
                banned = self._banned_by(fate.by) or author
                return "void", "SCP-02 §6.4 (d)", [f"{banned} was banned at the same time, and that ban counts", *cited]
            case settled.AUTHOR_BANNED:
                banned = self._banned_by(fate.by) or author
                sentence = f"{banned} is banned by the time its turn comes"
            case settled.AUTHOR_NOT_JOINED:
                sentence = f"{author} is not in the conversation when its turn comes"
                cited = cited or self._arrivals(entry, entry.fact.account)
            case settled.ALREADY_BANNED:
                sentence = f"{target} is banned already when its turn comes: one ban is enough"
            case settled.AUTHOR_NO_ADMIN:
                sentence = f"{author} is no admin when its turn comes"
            case settled.TARGET_PROMOTED:
                sentence = f"{target} was made an admin at the same time: that outweighs a kick"
            case settled.VOTES_FELL:
                sentence = "none of the votes it rests on stood when its turn came"
            case settled.VOTES_SPENT:
                sentence = "its votes were spent by another resolution at the same time: a vote counts once"
            case settled.DEVICE_REVOKED:
                sentence = f"{author} revoked the device it brought at the same time, so that does not enter"
            case settled.PROFILE_OUTBID:
                sentence = "the profile was changed at the same time elsewhere: of such changes the one with the highest id stands"
            case code:
                sentence = "it was possible where it was written, and no longer is when its turn comes"
                sentence += f": {fate.detail}" if fate.detail else ""
                rule = next((reason.rule for reason in Reason if reason.code == code), "SCP-02 §6.4 (e)")
                cited = cited or self._arrivals(entry, entry.fact.account)
                return "without effect", rule, [sentence, *cited]
        return "without effect", "SCP-02 §6.4 (e)", [sentence, *cited]

    def _short(self, entry: Entry, control: Control, tally: Tally) -> Iterator[str]:
        """Which votes for a ban are left, and what took each of the others."""
        of, needed = len(tally.electorate), len(tally.electorate) // 2 + 1
        yield (
            f"of its votes {len(tally.left)} {'is' if len(tally.left) == 1 else 'are'} left"
            + (f" ({self._names(tally.left)})" if tally.left else "")
            + f", and of {of} {'admin' if of == 1 else 'admins'} it takes {needed}"
        )
        told: set[CommitId] = set()
        for voter, by in tally.lost[:_NAMED_MAX]:
            who = self._called(voter)
            if by is None:
                yield f"{who} is no admin where it was written, once what is void is left out"
                continue
            action = self._control(by).action
            if isinstance(action, Promote):
                yield f"the vote of {who} does not count: with it {self._cited(by)}"
                continue
            yield f"the vote of {who} does not count: at the same time {self._cited(by)}"
            if by not in told:
                told.add(by)
                first = self._law.precedence(by, entry.id)
                yield (
                    self._edge(first, "that ban")
                    if first.first == by
                    else (
                        "each of several bans would take the votes for the next, in a circle:"
                        " of them the one with the fewest bans before it, then the lowest id, was decided first"
                    )
                )

    def _won(self, entry: Entry, control: Control) -> Iterator[str]:
        """For a ban that counts: which others it took votes from, and why it and not they."""
        if not isinstance(control.action, Ban):
            return
        beaten = [
            other.id
            for other in self._history.controls
            if isinstance(self._control(other.id).action, Ban) and self._took_votes(entry, other)
        ]
        for ban in sorted(beaten)[:_NAMED_MAX]:
            yield f"at the same time {self._cited(ban)}; that ban is void"
            first = self._law.precedence(entry.id, ban)
            if first.first == entry.id:
                yield self._edge(first, "this ban")

    def _took_votes(self, ban: Entry, other: Entry) -> bool:
        if not self._history.concurrent(ban.id, other.id):
            return False
        fate = self._law.fate(other.id)
        return fate is not None and fate.tally is not None and any(by == ban.id for _, by in fate.tally.lost)

    def _edge(self, first: Precedence, what: str) -> str:
        ours, theirs = self._names(first.ours), self._names(first.theirs)
        match first.edge:
            case Edge.VOTERS:
                against = f"{len(first.theirs)} ({theirs})" if theirs else "none"
                why = (
                    "more of its voters were admins where the two lines parted and wrote nothing on the other line:"
                    f" {len(first.ours)} ({ours}) against {against}"
                )
            case Edge.UNDIVIDED:
                why = f"as many of its voters count, and none of them wrote on both lines, as {theirs} did"
            case Edge.SENIORITY:
                why = "the voters of both weigh the same, and of them all its voter " + (
                    f"{ours} has been an admin for longest" + (f", longer than {theirs}" if theirs else "")
                )
            case _:
                why = "nothing else tells the two apart, and its id is the lower one"
        return f"{what} goes first: {why}"

    def _arrivals(self, entry: Entry, who: AccountId | DeviceId | None) -> list[str]:
        """What had brought somebody in, and does not count."""
        brought = [
            other
            for other in self._history.controls
            if isinstance(action := self._control(other.id).action, Add | Join)
            and action.uri == who
            and self._history.is_ancestor(other.id, entry.id)
            and self._law.fate(other.id) is not None
        ]
        newest = max(brought, key=lambda other: (other.fact.time, other.id), default=None)
        return [] if newest is None else [f"because this does not count: {self._cited(newest.id)}"]

    # --- who did what

    def _said(self, entry: Entry) -> str:
        return f"{self._account(entry)} {self._deed(entry)}"

    def _cited(self, commit: CommitId) -> str:
        return f"{commit[:12]}: {self._said(self._history[commit])}"

    def _account(self, entry: Entry) -> str:
        return self._called(entry.fact.account) if entry.fact.account is not None else "nobody"

    def _control(self, commit: CommitId) -> Control:
        control = self._history[commit].fact.control
        assert control is not None
        return control

    def _target(self, action: Action) -> str:
        match action:
            case Add(uri) | Kick(uri) | Promote(uri) | Ban(uri) | Unban(uri):
                return self._called(uri)
            case _:
                return "its target"

    def _banned_by(self, ban: CommitId | None) -> str | None:
        if ban is None or not isinstance(self._control(ban).action, Ban):
            return None
        return self._target(self._control(ban).action)

    def _names(self, accounts: Iterable[AccountId]) -> str:
        return ", ".join(sorted(map(self._called, accounts)))

    def _deed(self, entry: Entry) -> str:
        control, called = entry.fact.control, self._called
        if control is None:
            return _written(entry)
        match control.action:
            case Initial():
                return "began the conversation"
            case Add(uri):
                return f"invited {called(uri)}"
            case Join():
                return "joined"
            case Leave():
                return "left"
            case Kick(uri):
                return f"removed {called(uri)}"
            case Promote(uri):
                return f"made {called(uri)} an admin, {self._votes(entry, control)}"
            case Demote():
                return "stepped down from admin"
            case Ban(uri):
                return f"banned {called(uri)}, {self._votes(entry, control)}"
            case Unban(uri):
                return f"unbanned {called(uri)}, {self._votes(entry, control)}"
            case CastVote(kind, uri):
                after = self._law.roster_at(entry.id)
                cast, needed = len(ballots.voters(kind, uri, after)), len(ballots.electorate(kind, uri, after)) // 2 + 1
                return f"voted to {kind} {called(uri)}: {cast} of {needed} {'vote' if needed == 1 else 'votes'} then"
            case UpdateProfile():
                return "changed the profile"
            case UpdateDevice():
                return "renewed certificates or revocations"
            case _:
                return f"{_written(entry)} and brought a device or a certificate with it"

    def _votes(self, entry: Entry, control: Control) -> str:
        if not control.votes:
            return "as the only admin" if control.admins else "as the only one left"
        whose, number = ("admins", len(control.admins)) if control.admins else ("other members", self._electors(entry))
        return f"with the votes of {self._names(control.voters)} ({len(control.voters)} of {number} {whose})"

    def _electors(self, entry: Entry) -> int:
        control = self._control(entry.id)
        assert isinstance(control.action, Promote)
        before = self._law.roster_at(entry.fact.parents[0])
        return len(ballots.electorate("promote", control.action.uri, before))


def _written(entry: Entry) -> str:
    match entry.fact.type, entry.fact.relation:
        case "text/plain", ("edit", _):
            return "edited a message"
        case "text/plain", ("reaction", _):
            return "reacted to a message"
        case "text/plain", _:
            return "wrote a message"
        case kind, _:
            return f"wrote a commit of type {kind}"
