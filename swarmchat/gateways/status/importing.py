"""From a Status stream and what is here of its chat to the commits that are lacking: planned whole before any is written. Pure. (SCP-09 §3.9)

The law of the conversation is asked about every commit, by the very functions that judge it. What it refuses, and what the tree
has no form for, is kept in a commit that changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from swarmchat import limits
from swarmchat.conversation import profile as profiles
from swarmchat.conversation import roster as rosters
from swarmchat.conversation.actions import Action, Add, Demote, Initial, Kick, Other, Promote, UpdateProfile
from swarmchat.conversation.profile import Profile, ProfileError
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.effects import effects
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import events, importing_pairs, notes
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Fault, Fold, Group, Rules, fold
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.sayings import Sayings
from swarmchat.gateways.status.steps import Fate, Here, Plan, Row, Step, Why, event_note, told_bad
from swarmchat.gateways.status.streams import Stream
from swarmchat.gateways.status.wire import EventType, GroupChatInvitation, InvitationState
from swarmchat.ids import AccountId

MODE: Final = 2  # any member may add others, as in Status
_NONCE: Final = "0" * 32  # of a root that is only planned


def plan(
    stream: Stream, here: Here | None, me: Author, own: Key | None, now_ms: int, rules: Rules = Rules.STATUS_GO
) -> Plan | Refused:
    """The commits that `me` has to write so that all of the stream stands in the log; `here` None: there is no log yet.

    `own` is the key of that account. Refused where the events make no chat, or neither of a one-to-one is `me`.
    """
    if stream.pair is not None:
        return importing_pairs.plan(stream, stream.pair, here, me, own, now_ms)
    known = here.events if here is not None else ()
    folded = fold(stream.chat_id, [*known, *stream.events], rules)
    if not folded.events:
        return Refused(folded.ignored[0].reason if folded.ignored else Fault.NOT_CREATED)
    return _Planner(stream, here, me, own, now_ms, rules).plan(folded)


class _Planner:
    def __init__(
        self, stream: Stream, here: Here | None, me: Author, own: Key | None, now_ms: int, rules: Rules
    ) -> None:
        self._stream = stream
        self._founds = here is None
        self._here = here or Here(rosters.empty(MODE))
        self._me = me
        self._own = own
        self._now_ms = now_ms
        self._rules = rules
        self._roster = self._here.roster
        self._ever = set(self._here.ever)
        self._known_events = {event.raw for event in self._here.events}
        self._count = len(self._here.events)  # what they take of the chat's room
        self._bytes = sum(len(event.raw) for event in self._here.events)
        known = {placed.said.envelope.id for placed in self._here.said}
        self._new = [said for said in stream.said if said.envelope.id not in known]
        self._sayings = Sayings(me.account, now_ms, self._here.said, [said.envelope.id for said in self._new])
        self._steps = self._sayings.steps
        self._rows: list[Row] = []

    def plan(self, folded: Fold) -> Plan:
        rows = [told_bad(bad) for bad in self._stream.bad]
        new_raw = {event.raw for event in self._stream.events} - self._known_events
        rows += [
            Row(_name(one.event), one.event.id, Fate.IGNORED, one.reason)
            for one in folded.ignored
            if one.event.raw in new_raw
        ]
        group = Group(self._stream.chat_id)
        if not self._founds and not self._here.is_open:
            self._bind()
        for item in _in_order(folded.events, self._new):
            if isinstance(item, Said):
                self._say(item, group)
                continue
            if item.raw in self._known_events:
                self._finish(item)
            elif events.have_room(self._count, self._bytes, [item.raw]):
                self._count, self._bytes = self._count + 1, self._bytes + len(item.raw)
                self._event(item)
            else:
                self._rows.append(Row(_name(item), item.id, Fate.IGNORED, Why.TOO_BIG))
            group.apply(item, self._rules)
        known = len(self._stream.events) - len(new_raw) + len(self._stream.said) - len(self._new)
        rows += [*self._rows, *self._sayings.rows]
        return Plan(self._stream.chat_id, tuple(self._steps), tuple(rows), known, self._founds, folded.group)

    # --- who

    def _uri(self, key: Key) -> AccountId:
        return self._me.account if key == self._own else self._here.owners.get(key, key.uri)

    def _named(self, text: str) -> AccountId | None:
        """The account that stands for a member as an event spells it; None for what is no key, or is spelled as clients do not."""
        try:
            key = Key.parse(text)
        except ValueError:
            return None
        return self._uri(key) if key.legacy == text else None

    def _bind(self) -> None:
        """Own words of elsewhere are own words here, and who looks at the log sees by this that Status is told of it."""
        self._steps.append(Step(Other(BINDING), {}, binds=True))

    # --- what is said

    def _say(self, said: Said, group: Group) -> None:
        if said.author.legacy in group.members:
            self._sayings.take(said, group.admins)
        else:
            asks = isinstance(said.entity, GroupChatInvitation) and said.entity.state == InvitationState.REQUEST
            self._sayings.pass_over(said, Why.JOIN_REQUEST if asks else Why.NOT_A_MEMBER)

    # --- events

    def _event(self, signed: SignedEvent) -> None:
        event = signed.event
        match event.type:
            case EventType.CHAT_CREATED:
                self._created(signed)
            case EventType.NAME_CHANGED:
                self._profile(signed, [("title", event.name)])
            case EventType.COLOR_CHANGED:
                self._profile(signed, [("color", event.color)])
            case EventType.IMAGE_CHANGED:
                self._profile(signed, [("photo", event.image)])
            case EventType.MEMBERS_ADDED:
                self._added(signed)
            case EventType.MEMBER_REMOVED:
                self._removed(signed)
            case EventType.ADMINS_ADDED:
                self._promoted(signed)
            case EventType.ADMIN_REMOVED:
                self._demoted(signed)
            case _:
                self._keep(signed, Why.NOTHING_CHANGES)

    def _finish(self, signed: SignedEvent) -> None:
        """An import that was broken off may have written the first commit of an event and not the others."""
        event = signed.event
        if signed.id not in self._here.imported:
            return
        if event.type == EventType.CHAT_CREATED and self._roster.profile is None:
            self._profile(signed, [("title", event.name), ("color", event.color)], is_part=True)
        elif event.type == EventType.MEMBERS_ADDED:
            for uri in self._named_all(event.members):
                if uri not in self._ever:
                    self._add(uri, signed, is_part=True)

    def _created(self, signed: SignedEvent) -> None:
        event = signed.event
        if not self._founds or self._roster.files:
            self._keep(signed, Why.CREATED_ANEW)
            self._profile(signed, [("title", event.name), ("color", event.color)], is_part=True)
            return
        root = Initial(MODE, _NONCE)
        keys = {"chat": self._stream.chat_id} | event_note(signed, self._now_ms)
        self._steps.append(Step(root, keys))
        self._bind()
        self._attempt(root)
        self._ever.add(self._me.account)
        self._profile(signed, [("title", event.name), ("color", event.color)], is_part=True)

    def _profile(self, signed: SignedEvent, changes: list[tuple[str, str | bytes]], *, is_part: bool = False) -> None:
        """Change only that of the profile; of a part of an event only what the profile can hold."""
        content, faults = self._roster.profile, []
        for field, value in changes:
            if not value:
                continue
            try:
                content = profiles.write(_changed(profiles.shown(content), field, value))
            except ProfileError as error:
                faults.append(str(error))
        if is_part:
            self._rows += [Row(_name(signed), signed.id, Fate.KEPT, Why.BAD_PROFILE, fault) for fault in faults]
            if content is not None and content != self._roster.profile:
                self._do(UpdateProfile(), signed, profile=content, is_part=True)
        elif faults and content == self._roster.profile:
            self._keep(signed, Why.BAD_PROFILE, faults[0])
        elif content is None or content == self._roster.profile:
            self._keep(signed, Why.UNCHANGED)
        else:
            self._do(UpdateProfile(), signed, profile=content)

    def _added(self, signed: SignedEvent) -> None:
        is_part, refusal = False, None
        for uri in self._named_all(signed.event.members):
            if self._roster.place_of(uri) is not None:
                continue
            fault = self._add(uri, signed, is_part=is_part)
            is_part, refusal = is_part or fault is None, refusal or fault
        if is_part:
            return
        unnamed = any(self._named(one) is None for one in signed.event.members)
        if refusal is not None:
            self._keep(signed, Why.LAW, refusal.detail)
        else:
            self._keep(signed, Why.NO_KEY if unnamed else Why.NOBODY_NEW)

    def _add(self, uri: AccountId, signed: SignedEvent, *, is_part: bool) -> Rejection | None:
        self._ever.add(uri)
        return self._try(Add(uri), signed, is_part=is_part)

    def _removed(self, signed: SignedEvent) -> None:
        (target,) = signed.event.members
        uri = self._named(target)
        if uri is None:
            self._keep(signed, Why.NO_KEY)
        elif uri == self._me.account:
            self._keep(signed, Why.LEAVES_BY_HAND)
        elif self._roster.place_of(uri) is None:
            self._keep(signed, Why.NOT_HERE)
        else:
            self._do(Kick(uri), signed)

    def _promoted(self, signed: SignedEvent) -> None:
        is_part, why, about = False, Why.NO_KEY, ""
        for uri in self._named_all(signed.event.members):
            if self._roster.is_admin(uri):
                why = why if is_part else Why.UNCHANGED
            elif not self._roster.is_joined(uri):
                why = Why.FOREIGN_ADMIN if self._roster.is_invited(uri) else Why.NOT_HERE
            elif (fault := self._try(Promote(uri), signed, is_part=is_part)) is None:
                is_part = True
            else:
                why, about = Why.LAW, fault.detail
        if not is_part:
            self._keep(signed, why, about)

    def _demoted(self, signed: SignedEvent) -> None:
        uri = self._uri(signed.author)
        if uri == self._me.account:
            self._do(Demote(uri), signed)
        else:
            self._keep(signed, Why.NOT_OURS if self._roster.is_admin(uri) else Why.FOREIGN_ADMIN)

    def _named_all(self, members: Iterable[str]) -> list[AccountId]:
        """The accounts of members that are keys, each once, in the order of the event."""
        named = (self._named(member) for member in members)
        return list(dict.fromkeys(uri for uri in named if uri is not None))

    # --- steps

    def _do(self, action: Action, signed: SignedEvent, *, profile: bytes | None = None, is_part: bool = False) -> None:
        """A commit that does it, or, where the law says no, one that keeps it."""
        fault = self._try(action, signed, profile=profile, is_part=is_part)
        if fault is None:
            return
        if is_part:
            self._rows.append(Row(_name(signed), signed.id, Fate.KEPT, Why.LAW, fault.detail))
        else:
            self._keep(signed, Why.LAW, fault.detail)

    def _try(
        self, action: Action, signed: SignedEvent, *, profile: bytes | None = None, is_part: bool = False
    ) -> Rejection | None:
        """A commit that does it, unless the law says no."""
        fault = self._attempt(action, profile)
        if fault is None:
            keys = {"of": signed.id} if is_part else event_note(signed, self._now_ms)
            self._steps.append(Step(action, keys, profile))
        return fault

    def _attempt(self, action: Action, profile: bytes | None = None) -> Rejection | None:
        outcome = effects(action, self._me, self._roster, profile=profile)
        if isinstance(outcome, Rejection):
            return outcome
        self._roster = outcome.after
        return None

    def _keep(self, signed: SignedEvent, why: Why, about: str = "") -> None:
        row = Row(_name(signed), signed.id, Fate.KEPT, why, about)
        self._rows.append(row)
        self._steps.append(Step(Other(notes.EVENT), event_note(signed, self._now_ms), row=row))


def _changed(present: Profile, field: str, value: str | bytes) -> Profile:
    """The profile with another title, colour or picture; ProfileError for a picture of no kind that is shown, or too big."""
    match field, value:
        case "photo", bytes():
            if len(value) > limits.STATUS_IMAGE_BYTES_MAX:
                raise ProfileError(f"the picture is over {limits.STATUS_IMAGE_BYTES_MAX // 1024} KiB")
            return replace(present, photo=profiles.picture(value))
        case "color", str():
            return replace(present, color=value.lower())
        case _:
            return replace(present, title=str(value))


def _in_order(events: Iterable[SignedEvent], said: Iterable[Said]) -> list[SignedEvent | Said]:
    """Events and sayings as the chat saw them: by clock; at the same clock events first."""
    placed: list[tuple[tuple[int, int, bytes], SignedEvent | Said]] = []
    placed += [((one.event.clock, 0, one.raw), one) for one in events]
    placed += [((one.entity.clock, 1, one.envelope.raw), one) for one in said]
    return [one for _, one in sorted(placed, key=lambda each: each[0])]


def _name(signed: SignedEvent) -> str:
    kind = signed.event.type
    return EventType(kind).name if kind in set(EventType) else f"event of kind {kind}"
