"""The real law with the interface of the model: names and tuples in, real certificates, rosters and facts inside, no signatures."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, cast

from swarmchat.conversation import actions, tree
from swarmchat.conversation import roster as rosters
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
    Post,
    Promote,
    Unban,
    UpdateDevice,
    UpdateProfile,
)  # fmt: skip
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.judge import judge
from swarmchat.conversation.rules.planning import changes_for
from swarmchat.conversation.rules.settling import Settler
from swarmchat.conversation.tree import Mode
from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.revocation import RevocationList
from swarmchat.ids import AccountId, CommitId, DeviceId, TreeId
from tests.support.builders import DAY, NONCE, NOW, Person, person
from tests.support.settle_model import Act, RefusedError, Standing, name, owner

LATER = NOW + 300 * DAY


class Group:
    """All commits of one conversation, judged and settled by swarmchat."""

    def __init__(
        self, mode: int = 1, creator: str = "A0", guest: str | None = None, *, settler: type[Settler] = Settler
    ) -> None:
        self.mode = cast(Mode, mode)
        self.history = History()
        self.rosters: dict[CommitId, Roster] = {}
        self.settler = settler(self.history, self.rosters.__getitem__)
        self.asked: list[tuple[Any, ...]] = []  # what was written and merged, parents first
        self._names: dict[str, str] = {}
        act = ("initial", mode, guest)
        self.root = self._enter(None, creator, act, 1, CommitId(name((), creator, 1, act, 0)))

    def write(self, parent: CommitId, who: str, act: Act, device: int = 1, salt: object = 0) -> CommitId:
        """Judge and take in; raises RefusedError."""
        commit = CommitId(name((parent,), who, device, act, salt))
        if commit not in self.history:
            self._enter(parent, who, act, device, commit)
            self.asked.append((parent, who, act, device, salt))
        return commit

    def merge(self, *heads: CommitId) -> CommitId:
        """The canonical merge; one head is itself. Its id is not git's: only its place in the graph matters here."""
        chosen = tuple(sorted(set(heads)))
        if len(chosen) == 1:
            return chosen[0]
        commit = CommitId(name(chosen, "", 0, ("merge",), 0))
        if commit not in self.history:
            self.rosters[commit] = self.settler.settle(chosen).roster
            self.history.add(Fact(commit, chosen, None, None, 0, "merge"))
            self.asked.append((chosen,))
        return commit

    def heads(self) -> tuple[CommitId, ...]:
        return self.history.heads

    def settle(self, *heads: CommitId) -> Standing:
        return self.standing(self.settler.settle(heads).roster)

    def replayed(self, order: list[tuple[Any, ...]], *, settler: type[Settler] = Settler) -> Group:
        """The same commits in another order of arrival."""
        root = self.history.root.fact
        assert root.control is not None
        action = root.control.action
        assert isinstance(action, Initial)
        guest = None if action.invited is None else self._names[action.invited]
        twin = Group(self.mode, self._names[cast(str, root.account)], guest, settler=settler)
        for asked in order:
            if len(asked) == 1:
                twin.merge(*asked[0])
            else:
                twin.write(*asked)
        return twin

    # --- names

    def standing(self, roster: Roster) -> Standing:
        """A roster in names."""
        files = roster.files
        renewals = {self.name_of(account): _renewal(roster.certificate(account)) for account in roster.joined}
        renewals |= {
            self.name_of(target): _renewal(files[tree.banned(place, target)]) for target, place in roster.banned.items()
        }
        renewals |= {self.name_of(device): _renewal(files[tree.device(device)]) for device in roster.devices}
        return Standing(
            frozenset(map(self.name_of, roster.admins)),
            frozenset(map(self.name_of, roster.members)),
            frozenset(map(self.name_of, roster.invited)),
            frozenset((self.name_of(target), place) for target, place in roster.banned.items()),
            frozenset(map(self.name_of, roster.devices)),
            frozenset((v.kind, v.place, self.name_of(v.target), self.name_of(v.voter)) for v in roster.votes),
            None if roster.profile is None else _profile_name(roster.profile),
            frozenset(renewals.items()),
            frozenset(
                (self.name_of(one), self._number(one, files[tree.revocations(one)])) for one in roster.revocations
            ),
        )

    def name_of(self, known: str) -> str:
        """The account or device, as the scenes call it."""
        return self._names[known]

    def _number(self, account: AccountId, content: bytes) -> int:
        return RevocationList.from_der(content, one(self._names[account]).certificate).number

    def account(self, who: str) -> AccountId:
        found = one(who).id
        self._names[found] = who
        return found

    def target(self, who: str) -> AccountId | DeviceId:
        if "." not in who:
            return self.account(who)
        found = one(owner(who), int(who.partition(".")[2])).device
        self._names[found] = who
        return found

    # --- writing

    def _enter(self, parent: CommitId | None, who: str, act: Act, device: int, commit: CommitId) -> CommitId:
        action = self._action(who, act)
        self.account(who)
        self.target(f"{who}.{device}")
        before = rosters.empty(self.mode) if parent is None else self.rosters[parent]
        past = Past(self.history, parent)
        author = self._author(who, act, device, before)
        profile = _profile(act[1]) if act[0] == "profile" else None
        revocations = revocation_list(who, act[1], act[2]) if act[0] == "revoke" else None
        changes = changes_for(action, author, before, past, profile=profile, revocations=revocations)
        if isinstance(changes, Rejection):
            raise RefusedError(str(changes))
        promised = {
            "revoke": (tree.revocations(author.account),),
            "renew": (tree.device(author.device),),
            "renew-account": (tree.admin(author.account), tree.member(author.account)),
        }.get(act[0])
        if promised and not any(path in changes for path in promised):
            raise RefusedError("nothing newer")
        message = {"type": actions.type_of(action)}
        value = Commit(commit, TreeId(""), parent, who, author.device, LATER, action, message, "", b"")
        verdict = judge(value, changes, None if parent is None else before, past, check_signature=False)
        if isinstance(verdict, Rejection):
            raise RefusedError(str(verdict))
        self.history.add(verdict.fact)
        self.rosters[commit] = verdict.after
        return commit

    def _author(self, who: str, act: Act, device: int, before: Roster) -> Author:
        writer = one(who, device)
        account = before.certificate(writer.id) or writer.certificate.pem
        own = before.files.get(tree.device(writer.device)) or writer.device_certificate.pem
        if act[0] == "renew":
            own = renewed(who, device, act[1]).device_certificate.pem
        if act[0] == "renew-account":
            account = renewed(who, device, act[1]).certificate.pem
        return Author(writer.id, writer.device, account, own)

    def _action(self, who: str, act: Act) -> Action:
        match act:
            case ("initial", _, guest):
                return Initial(self.mode, NONCE, None if guest is None else self.account(guest))
            case ("join",):
                return Join(self.account(who))
            case ("leave",):
                return Leave(self.account(who))
            case ("demote",):
                return Demote(self.account(who))
            case ("vote", kind, target):
                return CastVote(kind, self.target(target))
            case ("profile", _):
                return UpdateProfile()
            case ("renew" | "renew-account" | "revoke", *_):
                return UpdateDevice()
            case ("text", body):
                return Post(str(body))
            case ("ban" | "unban" as word, target):
                return (Ban if word == "ban" else Unban)(self.target(target))
            case ("add" | "kick" | "promote" as word, target):
                return {"add": Add, "kick": Kick, "promote": Promote}[word](self.account(target))
            case _:
                raise AssertionError(act)


@cache
def one(who: str, device: int = 1) -> Person:
    """A person on one of its devices."""
    return person(who).on(device)


@cache
def renewed(who: str, device: int, renewal: int) -> Person:
    return one(who, device).renewed(now=NOW + renewal * DAY, account=True)


@cache
def revocation_list(who: str, number: int, devices: frozenset[str]) -> bytes:
    return one(who).revoking(*(one(who, int(device.partition(".")[2])) for device in devices), number=number)


def list_digest(who: str, number: int, devices: frozenset[str]) -> bytes:
    """What the model asks of a revocation list: how its bytes rank among those of the same number."""
    return hashlib.sha256(revocation_list(who, number, devices)).digest()


def _profile(text: object) -> bytes:
    return f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{text}\r\nEND:VCARD\r\n".encode()


def _profile_name(content: bytes) -> str:
    return content.decode().partition("FN:")[2].partition("\r")[0]


@cache
def _renewal(content: bytes | None) -> int:
    if not content:
        return 0
    certificate = Certificate.from_pem(content)
    base = one_year_base(is_device_certificate=not certificate.names_account)
    return (certificate.not_after - base) // DAY


@cache
def one_year_base(*, is_device_certificate: bool) -> int:
    somebody = one("A0")
    return (somebody.device_certificate if is_device_certificate else somebody.certificate).not_after
