"""Who has a message and who has read it: pure, from what devices told of themselves. (SCP-04 §6.1)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.index.receipt_rows import Held, Moment, ReadMark
from swarmchat.node.views import Status


@dataclass(frozen=True, slots=True)
class Arrival:
    """A device has a message: when that was known first, and when its user had read it (ms; None: not known, or not yet)."""

    device: DeviceId
    sent_ms: int | None
    read_ms: int | None


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a message came with one account; `state`: written, sent, read, or – for its author and for who has not joined."""

    account: AccountId
    state: str
    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True, slots=True)
class Moments:
    """Since when devices have what, and when they had read what, the oldest first."""

    held: Mapping[DeviceId, Sequence[Moment]] = field(default_factory=dict)
    read: Mapping[DeviceId, Sequence[Moment]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the devices of a conversation told: the heads each holds, and up to where each has read."""

    history: History
    roster: Roster
    me: AccountId
    held: Mapping[DeviceId, Held]
    read: Mapping[DeviceId, ReadMark]
    proved: Callable[[DeviceId], AccountId | None] = lambda device: None  # by a link; the roster knows who wrote

    def holders(self, commit: CommitId) -> dict[DeviceId, AccountId]:
        """The devices of others that have the commit: behind a head they told, or behind what they wrote themselves."""
        devices = self.held.keys() | self.roster.devices.keys()
        return self._reached(commit, {device: (*self._named(device), *self._wrote(device)) for device in devices})

    def status(self, commit: CommitId) -> Status:
        """The accounts that have the commit, and those that have read up to it."""
        read = self._reached(commit, {device: (mark.commit,) for device, mark in self.read.items()})
        return Status(frozenset(self.holders(commit).values()) | frozenset(read.values()), frozenset(read.values()))

    def furthest(self) -> dict[AccountId, ReadMark]:
        """How far each account has read, on whichever of its devices that was."""
        found: dict[AccountId, ReadMark] = {}
        for device, mark in self.read.items():
            owner = self._owner(device)
            if owner is not None and (owner not in found or self._place(found[owner]) < self._place(mark)):
                found[owner] = mark
        return found

    def reached(self, commit: CommitId, this: DeviceId, moments: Moments) -> list[Reached]:
        """How far a message came with each who is joined or invited, by account; `this` device is left out, it has it."""
        author, leads = self.history[commit].fact.account, _Leads(self.history, commit)
        devices: dict[AccountId | None, list[DeviceId]] = {}
        for device in sorted((self.held.keys() | self.read.keys() | self.roster.devices.keys()) - {this}):
            devices.setdefault(self._owner(device), []).append(device)
        rows = []
        for account in sorted({*self.roster.joined, *self.roster.invited}):
            arrivals = (self._arrival(device, leads, moments) for device in devices.get(account, ()))
            found = [arrival for arrival in arrivals if arrival is not None]
            is_read = any(arrival.read_ms is not None for arrival in found)
            if account == self.me:
                is_read = is_read or (this in self.read and leads(self.read[this].commit))
            state = "read" if is_read else "sent" if found or account == self.me else "written"
            if account == author or not self.roster.is_joined(account):
                state = "–"
            rows.append(Reached(account, state, tuple(found)))
        return rows

    # --- inside

    def _arrival(self, device: DeviceId, leads: _Leads, moments: Moments) -> Arrival | None:
        sent = [leads.first(moments.held.get(device, ())), self._written_on(device, leads)]
        if sent[0] is None and any(map(leads, self._named(device))):
            sent[0] = self.held[device].time_ms  # of before there were moments, or behind more heads than one names
        read, mark = leads.first(moments.read.get(device, ())), self.read.get(device)
        if read is None and mark is not None and leads(mark.commit):
            read = mark.time_ms
        known = [at for at in sent if at is not None]
        return None if not known and read is None else Arrival(device, min(known, default=None), read)

    def _written_on(self, device: DeviceId, leads: _Leads) -> int | None:
        """The time that its first commit on top of the wanted one claims (ms)."""
        numbers = self.history.numbers_of_device(device)
        if not any(map(leads, self._wrote(device))):
            return None
        low, high = 0, len(numbers) - 1
        while low < high:  # of one that forked wildly this is not the first, but one of the first
            middle = (low + high) // 2
            if leads(self.history.id(numbers[middle])):
                high = middle
            else:
                low = middle + 1
        return self.history.time(numbers[low]) * 1000

    def _owner(self, device: DeviceId) -> AccountId | None:
        """Whose a device is that counts here: of who never wrote the roster knows nothing, unless it is banned."""
        known = self.roster.owner(device)
        return known if known is not None or self.roster.is_banned(device) else self.proved(device)

    def _named(self, device: DeviceId) -> Iterable[CommitId]:
        return self.held[device].heads if device in self.held else ()

    def _wrote(self, device: DeviceId) -> Iterable[CommitId]:
        return self.history.newest_of(device)

    def _place(self, mark: ReadMark) -> int:
        """In the order of admission as it is now: a repair may have numbered anew."""
        number = self.history.find(mark.commit)
        return mark.position if number is None else number

    def _reached(self, commit: CommitId, heads: Mapping[DeviceId, Iterable[CommitId]]) -> dict[DeviceId, AccountId]:
        leads = _Leads(self.history, commit)
        found: dict[DeviceId, AccountId] = {}
        for device in sorted(heads):
            owner = self._owner(device)
            if owner is None or owner == self.me or not self.roster.is_joined(owner):
                continue
            if any(map(leads, heads[device])):
                found[device] = owner
        return found


class _Leads:
    """Whether a commit is the wanted one or has it behind it; each is looked at once."""

    def __init__(self, history: History, wanted: CommitId) -> None:
        self._history = history
        self._wanted = history[wanted]
        self._known: dict[CommitId, bool] = {}

    def __call__(self, commit: CommitId) -> bool:
        if commit not in self._known:
            entry = self._history.get(commit)
            self._known[commit] = entry is not None and self._history.reaches(entry, self._wanted)
        return self._known[commit]

    def first(self, moments: Sequence[Moment]) -> int | None:
        """When it was known first."""
        return next((moment.time_ms for moment in moments if any(map(self, moment.commits))), None)
