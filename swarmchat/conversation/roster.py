"""Who is admin, member, invited, banned, on which devices, with which votes pending, at one commit. (SCP-02 §1)

A roster *is* the tree of a commit, with the mode that the root fixed: what a commit changes in the roster and what it
changes in its tree are the same facts. Frozen; a text message shares the very object of its parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import cast

from swarmchat.conversation import tree
from swarmchat.conversation.tree import BallotKind, Mode, Place, Vote
from swarmchat.crypto import jami
from swarmchat.crypto.certificates import Certificate, CertificateError
from swarmchat.ids import AccountId, DeviceId, is_device

Changes = Mapping[str, bytes | None]  # path -> content after, None where the file goes


class _Index:
    """The files, looked at by what they mean. Derived from the files; carried over and updated with each change."""

    __slots__ = ("admins", "banned", "devices", "invited", "members", "revocations", "votes")

    def __init__(self) -> None:
        self.admins: set[AccountId] = set()
        self.members: set[AccountId] = set()
        self.invited: set[AccountId] = set()
        self.devices: dict[DeviceId, AccountId] = {}
        self.banned: dict[AccountId | DeviceId, Place] = {}
        self.votes: set[Vote] = set()
        self.revocations: set[AccountId] = set()

    def copy(self) -> _Index:
        twin = _Index()
        for name in self.__slots__:
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def put(self, path: str, content: bytes) -> None:
        folder, _, rest = path.partition("/")
        match folder:
            case "admins":
                self.admins.add(AccountId(rest[:40]))
            case "members":
                self.members.add(AccountId(rest[:40]))
            case "invited":
                self.invited.add(AccountId(rest))
            case "devices":
                self.devices[DeviceId(rest[:64])] = _owner(content)
            case "banned":
                place, _, name = rest.partition("/")
                self.banned[cast(AccountId | DeviceId, name.removesuffix(".crt"))] = cast(Place, place)
            case "votes":
                self.votes.add(tree.read_vote(path))
            case "CRLs":
                self.revocations.add(AccountId(rest))
            case _:
                pass  # the profile has no index

    def drop(self, path: str) -> None:
        folder, _, rest = path.partition("/")
        match folder:
            case "admins":
                self.admins.discard(AccountId(rest[:40]))
            case "members":
                self.members.discard(AccountId(rest[:40]))
            case "invited":
                self.invited.discard(AccountId(rest))
            case "devices":
                self.devices.pop(DeviceId(rest[:64]), None)
            case "banned":
                place, _, name = rest.partition("/")
                target = cast(AccountId | DeviceId, name.removesuffix(".crt"))
                if self.banned.get(target) == place:
                    del self.banned[target]
            case "votes":
                self.votes.discard(tree.read_vote(path))
            case "CRLs":
                self.revocations.discard(AccountId(rest))
            case _:
                pass


class Roster:
    """The tree of one commit as plain values: `mode` and `files` (path -> content). Equal when both are equal."""

    __slots__ = ("_index", "files", "mode")

    def __init__(self, mode: Mode, files: Mapping[str, bytes], _index: _Index | None = None) -> None:
        self.mode: Mode = mode
        self.files: Mapping[str, bytes] = (
            MappingProxyType(dict(files)) if not isinstance(files, MappingProxyType) else files
        )
        self._index = _index

    # --- who is who

    @property
    def admins(self) -> frozenset[AccountId]:
        """Accounts that stand in `admins/`."""
        return frozenset(self._looked_at.admins)

    @property
    def members(self) -> frozenset[AccountId]:
        """Accounts that stand in `members/`: joined, and no admins."""
        return frozenset(self._looked_at.members)

    @property
    def joined(self) -> frozenset[AccountId]:
        """Admins and members."""
        return frozenset(self._looked_at.admins | self._looked_at.members)

    @property
    def invited(self) -> frozenset[AccountId]:
        """Accounts that were added and have not joined."""
        return frozenset(self._looked_at.invited)

    @property
    def banned(self) -> Mapping[AccountId | DeviceId, Place]:
        """Banned accounts and devices, each with the place it was banned from."""
        return MappingProxyType(self._looked_at.banned)

    @property
    def devices(self) -> Mapping[DeviceId, AccountId]:
        """Devices with a certificate here, each with its owner."""
        return MappingProxyType(self._looked_at.devices)

    @property
    def votes(self) -> frozenset[Vote]:
        """All pending votes."""
        return frozenset(self._looked_at.votes)

    @property
    def revocations(self) -> frozenset[AccountId]:
        """Accounts with a revocation list here."""
        return frozenset(self._looked_at.revocations)

    @property
    def profile(self) -> bytes | None:
        """The vCard of the conversation."""
        return self.files.get(tree.PROFILE)

    def is_admin(self, account: AccountId) -> bool:
        """Whether the account stands in `admins/`."""
        return account in self._looked_at.admins

    def is_joined(self, account: AccountId) -> bool:
        """Whether the account is admin or member."""
        return account in self._looked_at.admins or account in self._looked_at.members

    def is_invited(self, account: AccountId) -> bool:
        """Whether the account is invited and has not joined."""
        return account in self._looked_at.invited

    def is_banned(self, target: AccountId | DeviceId) -> bool:
        """Whether the account or device stands under `banned/`."""
        return target in self._looked_at.banned

    def certificate(self, account: AccountId) -> bytes | None:
        """The PEM certificate of a joined account."""
        return self.files.get(tree.admin(account)) or self.files.get(tree.member(account))

    def owner(self, device: DeviceId) -> AccountId | None:
        """The account of a device that has its certificate here."""
        return self._looked_at.devices.get(device)

    def devices_of(self, account: AccountId) -> tuple[DeviceId, ...]:
        """The devices of an account, sorted."""
        return tuple(sorted(device for device, owner in self._looked_at.devices.items() if owner == account))

    def place_of(self, target: AccountId | DeviceId) -> Place | None:
        """Where the target stands, banned ones nowhere: `type` of a ballot about it (SCP-02 §5.5)."""
        index = self._looked_at
        if is_device(target):
            return "devices" if target in index.devices else None
        if target in index.admins:
            return "admins"
        if target in index.members:
            return "members"
        return "invited" if target in index.invited else None

    def votes_for(self, kind: BallotKind, target: AccountId | DeviceId) -> frozenset[Vote]:
        """The pending votes of one ballot, whoever cast them."""
        return frozenset(vote for vote in self._looked_at.votes if vote.kind == kind and vote.target == target)

    # --- changing

    def with_changes(self, changes: Changes) -> Roster:
        """The roster after these changes; the very same object when there are none."""
        if not changes:
            return self
        files = dict(self.files)
        index = self._looked_at.copy()
        _change(files, index, changes)
        return Roster(self.mode, MappingProxyType(files), index)

    def difference(self, after: Roster) -> dict[str, bytes | None]:
        """The changes that lead from here to `after`."""
        gone: dict[str, bytes | None] = {path: None for path in self.files if path not in after.files}
        return gone | {path: content for path, content in after.files.items() if self.files.get(path) != content}

    # --- inside

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Roster) and self.mode == other.mode and self.files == other.files

    __hash__ = None  # type: ignore[assignment]  # compared by content, kept by commit or tree id

    def __repr__(self) -> str:
        index = self._looked_at
        return (
            f"Roster(mode={self.mode}, admins={sorted(index.admins)}, members={sorted(index.members)}, "
            f"invited={sorted(index.invited)}, banned={sorted(index.banned)}, devices={len(index.devices)}, votes={len(index.votes)})"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    @property
    def _looked_at(self) -> _Index:
        if self._index is None:
            self._index = _looked_at(self.files.items())
        return self._index


class Sketch(Roster):
    """A roster that a replay works on: `with_changes` changes this very object and returns it. (SCP-02 §6.4 e)"""

    __slots__ = ("_own",)

    def __init__(self, roster: Roster) -> None:
        self._own = dict(roster.files)
        super().__init__(roster.mode, MappingProxyType(self._own), roster._looked_at.copy())  # noqa: SLF001

    def with_changes(self, changes: Changes) -> Sketch:
        """This roster, changed."""
        _change(self._own, self._looked_at, changes)
        return self

    def fixed(self) -> Roster:
        """What stands now, as a roster that does not change."""
        return Roster(self.mode, dict(self._own), self._looked_at.copy())


def empty(mode: Mode) -> Roster:
    """The roster before the root."""
    return Roster(mode, {})


def _change(files: dict[str, bytes], index: _Index, changes: Changes) -> None:
    for path in sorted(changes):
        content = changes[path]
        if path in files:
            index.drop(path)
        if content is None:
            files.pop(path, None)
        else:
            files[path] = content
            index.put(path, content)


def _looked_at(files: Iterable[tuple[str, bytes]]) -> _Index:
    index = _Index()
    for path, content in files:
        index.put(path, content)
    return index


def _owner(certificate: bytes) -> AccountId:
    for read in (_issuer, _issuer_of_jami):
        with suppress(CertificateError):
            return read(certificate)
    return AccountId("")  # the law refuses such a file before it stands anywhere; only a foreign tree can hold one


def _issuer(certificate: bytes) -> AccountId:
    return AccountId(Certificate.from_pem(certificate).issuer_id)


def _issuer_of_jami(certificate: bytes) -> AccountId:
    """Of a tree that Jami made, which only an archive holds. (SCP-02 §9)"""
    return AccountId(jami.read_file(certificate)[0].issuer_id)
