"""People with fixed keys, and a room where they write real signed commits under the law, all in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from swarmchat.conversation import actions, roster
from swarmchat.conversation.actions import Action, Add, Initial, Join, Promote, UpdateProfile
from swarmchat.conversation.commit import Commit, Draft, parse, sealed
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.judge import Verdict, judge
from swarmchat.conversation.rules.planning import changes_for, plan_ban, plan_promote
from swarmchat.conversation.tree import Mode
from swarmchat.crypto import sshsig
from swarmchat.crypto.certificates import Certificate, issue_account, issue_device
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId, TreeId

NOW = 1_750_000_000
DAY = 86_400
NONCE = "0" * 32


@dataclass(frozen=True)
class Person:
    """An account by one of its devices; the same name (and number of the device) is the same person."""

    name: str
    account_key: PrivateKey
    certificate: Certificate
    device_key: PrivateKey
    device_certificate: Certificate

    @property
    def id(self) -> AccountId:
        return self.account_key.public.account_id

    @property
    def device(self) -> DeviceId:
        return self.device_key.public.device_id

    @property
    def author(self) -> Author:
        return Author(self.id, self.device, self.certificate.pem, self.device_certificate.pem)

    def on(self, number: int) -> Person:
        """The same account on another of its devices; `person` made device 1."""
        key = _key(f"{self.name} device {number}")
        return replace(self, device_key=key, device_certificate=self._certify(key, NOW, 0))

    def renewed(self, *, now: int = NOW + DAY, account: bool = False, device: bool = True) -> Person:
        """With certificates issued later for the same keys."""
        renewed = (
            issue_account(self.account_key, now=now, entropy=b"renewed".ljust(16)) if account else self.certificate
        )
        own = self._certify(self.device_key, now, 1) if device else self.device_certificate
        return replace(self, certificate=renewed, device_certificate=own)

    def revoking(self, *devices: Person, number: int = 1) -> bytes:
        """A revocation list of this account."""
        prefixes = [device_prefix(one.device) for one in devices]
        return issue_revocations(self.account_key, self.certificate, prefixes, number=number, now=NOW).der

    def _certify(self, key: PrivateKey, now: int, renewal: int) -> Certificate:
        return issue_device(self.account_key, self.certificate, key.public, now=now, renewal=renewal)


def _key(name: str) -> PrivateKey:
    return PrivateKey.from_seed(hashlib.sha256(name.encode()).digest())


@cache
def person(name: str, *, now: int = NOW) -> Person:
    """An account with one device, its certificates issued at `now`."""
    account_key, device_key = _key(f"{name} account"), _key(f"{name} device 1")
    account = issue_account(account_key, now=now, entropy=hashlib.md5(name.encode()).digest())
    device = issue_device(account_key, account, device_key.public, now=now)
    return Person(name, account_key, account, device_key, device)


ALICE, BOB, CAROL, DAVE, EVE, FRANK = map(person, ("alice", "bob", "carol", "dave", "eve", "frank"))


def object_id(kind: str, content: bytes) -> str:
    """Git's name of an object."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def tree_id(files: Mapping[str, bytes]) -> TreeId:
    """Git's name of the tree that holds these files."""
    entries: list[tuple[str, bytes]] = []
    folders: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        folder, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = content
        else:
            entries.append((path, b"100644 %s\0" % path.encode() + bytes.fromhex(object_id("blob", content))))
    for folder, inner in folders.items():
        entries.append((folder + "/", b"40000 %s\0" % folder.encode() + bytes.fromhex(tree_id(inner))))
    return TreeId(object_id("tree", b"".join(entry for _, entry in sorted(entries))))


def sign(who: Person, draft: Draft, tree: TreeId) -> bytes:
    """The commit object of a draft, signed by its device."""
    payload = draft.payload(tree)
    return sealed(payload, sshsig.sign(who.device_key, payload))


def read(raw: bytes) -> Commit:
    """Parse an ordinary commit that must be well-formed."""
    commit = parse(CommitId(object_id("commit", raw)), raw)
    assert isinstance(commit, Commit), commit
    return commit


# What planning cannot know: the time of the commit, and the form of what it is told to say.
_NOT_OF_PLANNING = (Reason.CLOCK_RAN_BACK, Reason.BAD_CHAIN, Reason.BAD_NAME, Reason.TOO_BIG)


class Offer(NamedTuple):
    """A commit that was judged: accepted (its id) or refused."""

    raw: bytes
    changes: Changes
    outcome: CommitId | Rejection


class Room:
    """One conversation and its accepted commits. `tip` is the last one written; `write(..., at=X)` branches off X."""

    def __init__(self, mode: Mode = 1, creator: Person = ALICE, *, invited: Person | None = None) -> None:
        self.mode: Mode = mode
        self.history = History()
        self.rosters: dict[CommitId, Roster] = {}
        self.commits: dict[CommitId, Commit] = {}
        self.raw: dict[CommitId, bytes] = {}
        self.changes: dict[CommitId, Changes] = {}
        self.tip: CommitId | None = None
        self.creator = creator
        self.offered: list[Offer] = []
        self.conversation: ConversationId | None = None
        root = self.write(creator, Initial(mode, NONCE, invited.id if invited else None))
        assert not isinstance(root, Rejection), root
        self.root = root
        self.conversation = ConversationId(root)

    @property
    def roster(self) -> Roster:
        """The roster at the tip."""
        assert self.tip is not None
        return self.rosters[self.tip]

    @property
    def past(self) -> Past:
        """The past of what would be written at the tip."""
        return Past(self.history, self.tip)

    def write(
        self,
        who: Person,
        action: Action,
        *,
        at: CommitId | None = None,
        time: int | None = None,
        name: str | None = None,
        profile: bytes | None = None,
        revocations: bytes | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> CommitId | Rejection:
        """Write as the node does: planned, signed, judged. What planning refuses the judge must refuse too."""
        parent = at or self.tip
        before = self._before(action, parent)
        planned = changes_for(
            action, who.author, before, Past(self.history, parent), profile=profile, revocations=revocations
        )
        if isinstance(planned, Rejection):
            guess: dict[str, bytes | None] = {"profile.vcf": profile} if isinstance(action, UpdateProfile) else {}
            path = f"devices/{who.device}.crt"
            if path not in before.files and parent is not None:
                guess[path] = who.device_certificate.pem
            if isinstance(action, Join):
                guess[f"members/{who.id}.crt"] = who.certificate.pem
            judged = self.present(who, action, guess, at=parent, time=time, name=name, extra=extra)
            assert isinstance(judged, Rejection), f"planning refuses ({planned}) what the judge accepts"
            return judged
        judged = self.present(who, action, planned, at=parent, time=time, name=name, extra=extra)
        assert not isinstance(judged, Rejection) or judged.reason in _NOT_OF_PLANNING, f"planned, and refused: {judged}"
        return judged

    def present(
        self,
        who: Person,
        action: Action,
        changes: Changes,
        *,
        at: CommitId | None = None,
        time: int | None = None,
        name: str | None = None,
        extra: Mapping[str, object] | None = None,
        message: bytes | None = None,
        signer: Person | None = None,
        root: bool = False,
    ) -> CommitId | Rejection:
        """Hand the judge a commit with any changes, honest or not; it enters the room when it is accepted."""
        parent = None if root else at or self.tip
        return self.offer(
            self.forge(
                who, action, changes, at=parent, time=time, name=name, extra=extra, message=message, signer=signer
            ),
            changes,
        )

    def offer(self, raw: bytes, changes: Changes) -> CommitId | Rejection:
        """Hand the law any bytes as a commit that makes these changes; all that was offered stands in `offered`."""
        outcome = self._offer(raw, changes)
        self.offered.append(Offer(raw, changes, outcome))
        return outcome

    def _offer(self, raw: bytes, changes: Changes) -> CommitId | Rejection:
        commit = parse(CommitId(object_id("commit", raw)), raw)
        if isinstance(commit, Rejection):
            return commit
        assert isinstance(commit, Commit), "merges are not judged here"
        before = None if commit.parent is None else self.rosters[commit.parent]
        verdict = judge(commit, changes, before, Past(self.history, commit.parent), conversation=self.conversation)
        if isinstance(verdict, Rejection):
            assert verdict.commit == commit.id
            return verdict
        return self.take(commit, raw, changes, verdict)

    def forge(
        self,
        who: Person,
        action: Action,
        changes: Changes,
        *,
        at: CommitId | None = None,
        time: int | None = None,
        name: str | None = None,
        extra: Mapping[str, object] | None = None,
        message: bytes | None = None,
        signer: Person | None = None,
    ) -> bytes:
        """The bytes of a commit, judged by nobody."""
        files = {**self._before(action, at).files, **changes}
        draft = Draft(
            at,
            who.name if name is None else name,
            who.device,
            NOW + len(self.history) if time is None else time,
            actions.message(action, extra) if message is None else message,
        )
        return sign(
            signer or who, draft, tree_id({path: content for path, content in files.items() if content is not None})
        )

    def take(self, commit: Commit, raw: bytes, changes: Changes, verdict: Verdict) -> CommitId:
        """An accepted commit enters; its tree must be what the law says stands after it."""
        assert commit.tree == tree_id(verdict.after.files)
        self.history.add(verdict.fact)
        self.rosters[commit.id] = verdict.after
        self.commits[commit.id] = commit
        self.raw[commit.id] = raw
        self.changes[commit.id] = changes
        self.tip = commit.id
        return commit.id

    def must(self, who: Person, action: Action, **options: object) -> CommitId:
        """Write what must be accepted."""
        outcome = self.write(who, action, **options)  # type: ignore[arg-type]
        assert not isinstance(outcome, Rejection), str(outcome)
        return outcome

    def refuses(self, reason: Reason, who: Person, action: Action, **options: object) -> Rejection:
        """Write what must be refused for this reason."""
        outcome = self.write(who, action, **options)  # type: ignore[arg-type]
        assert isinstance(outcome, Rejection), f"accepted: {action}"
        assert outcome.reason is reason, str(outcome)
        return outcome

    def refuses_changes(
        self, reason: Reason, who: Person, action: Action, changes: Changes, **options: object
    ) -> Rejection:
        """Present a commit with other changes than the action causes, to be refused for this reason."""
        outcome = self.present(who, action, changes, **options)  # type: ignore[arg-type]
        assert isinstance(outcome, Rejection), f"accepted: {action}"
        assert outcome.reason is reason, str(outcome)
        return outcome

    # --- whole stories

    def bring(self, *people: Person, by: Person | None = None, at: CommitId | None = None) -> CommitId:
        """Invite each and let each join; gives the last commit."""
        for one in people:
            added = self.must(by or self.creator, Add(one.id), at=at)
            at = self.must(one, Join(one.id), at=added)
        assert at is not None
        return at

    def bring_admins(self, *people: Person) -> CommitId:
        """Bring each in and promote each, with as many votes as it takes."""
        for one in people:
            self.bring(one)
            admins = [other for other in (self.creator, *people) if self.roster.is_admin(other.id)]
            for admin in admins:
                if self.roster.is_admin(one.id):
                    break
                plan = plan_promote(self.roster, admin.id, one.id)
                assert not isinstance(plan, Rejection), plan
                for action in plan:
                    self.must(admin, action)
            assert self.roster.is_admin(one.id), (Promote, one.name)
        assert self.tip is not None
        return self.tip

    def ban(self, target: AccountId | DeviceId, *admins: Person, at: CommitId | None = None) -> CommitId:
        """Ballot and ban: each admin does what he can; gives the ban."""
        for admin in admins:
            roster_now = self.rosters[at] if at else self.roster
            plan = plan_ban(roster_now, admin.id, target, device=admin.device)
            assert not isinstance(plan, Rejection), plan
            for action in plan:
                at = self.must(admin, action, at=at)
        assert at is not None
        assert self.rosters[at].is_banned(target)
        return at

    def _before(self, action: Action, parent: CommitId | None) -> Roster:
        if parent is not None:
            return self.rosters[parent]
        return roster.empty(action.mode if isinstance(action, Initial) else self.mode)
