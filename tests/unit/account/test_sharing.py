"""What own devices share: stamps, deltas, merging. (SCP-04 §7)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.account import preferences, requests, sharing
from swarmchat.account.records import ConversationState, OwnDevice, RequestKind, Stamp
from swarmchat.account.sharing import Entry
from swarmchat.account.state import State
from swarmchat.ids import DeviceId
from tests.support.accounts import account, ask, commit, conversation, device, invite

NOW = 1_750_000_000_000
ONE, TWO, THREE = device(1), device(2), device(3)
BESIDE_STATE: dict[str, Callable[..., Any]] = {
    "receive": requests.receive,
    "accept": requests.accept,
    "decline": requests.decline,
    "set": preferences.with_setting,
    "prefer": preferences.prefer,
}


class Machine:
    """One device: its state, changed by its user and by what the others tell."""

    def __init__(self, device: DeviceId, *, ahead_ms: int = 0) -> None:
        self.device = device
        self.state = State()
        self.ahead_ms = ahead_ms

    def do(self, change: str, /, *arguments: object, at: int = 0, **options: object) -> None:
        """The user changes something, `at` ms after NOW."""
        now_ms = NOW + at + self.ahead_ms
        if change not in {"set", "prefer", "describe_contact", "unblock", "add_device", "rename_device"}:
            options["now_ms"] = now_ms
        step = BESIDE_STATE.get(change) or getattr(State, change)
        outcome = step(self.state, *arguments, **options)
        after = outcome[0] if isinstance(outcome, tuple) else outcome
        self.state = sharing.stamped(self.state, after, device=self.device, now_ms=now_ms)

    def hears(self, other: Machine, *, at: int = 0) -> list[Entry]:
        """Take what the other has that is not here; what came."""
        entries = sharing.delta(other.state, self.state.seen, asker=self.device)
        taken = sharing.merged(self.state, entries, device=self.device, now_ms=NOW + at + self.ahead_ms)
        self.state = sharing.adopted(taken, other.state.seen, device=self.device)
        return entries


def met(*machines: Machine) -> None:
    """All of them tell each other, until nobody has news."""
    for _ in machines:
        for one in machines:
            for other in machines:
                if one is not other:
                    one.hears(other)
    assert not any(one.hears(other) for one in machines for other in machines if one is not other)


def shared(machine: Machine) -> State:
    """What must be the same on all devices."""
    return replace(machine.state, arrivals=MappingProxyType({}), seen=MappingProxyType({}))


@pytest.fixture
def pair() -> tuple[Machine, Machine]:
    return Machine(ONE), Machine(TWO)


def test_what_one_device_did_the_other_has(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("add_contact", account(1), conversation=conversation(1), name="Bob")
    one.do("describe_contact", account(1), note="from work")
    one.do("block", account(2))
    one.do("add_conversation", conversation(5), title="Garden", mode=2, invited_by=account(1), invitation=commit(5))
    one.do("invite", account(3), conversation(5), kind=RequestKind.GROUP, commit=commit(6))
    one.do("receive", invite(3, conv=3), shared=True)
    one.do("receive", ask(4, conv=4, at_ms=NOW), shared=False)
    one.do("decline", one.state.pending()[1].id)
    one.do("add_device", OwnDevice(ONE, "laptop", NOW, may_link=True))
    one.do("set", "send_typing", False)
    one.do("prefer", conversation(5), "colour", "#aabbcc")
    two.hears(one)
    there = two.state.conversations[conversation(5)]
    assert there.state is ConversationState.SYNCING
    assert there.title == "Garden"
    assert replace(there, state=ConversationState.ACTIVE) == one.state.conversations[conversation(5)]
    for name in (
        "contacts",
        "requests",
        "declined",
        "invitations",
        "devices",
        "settings",
        "preferences",
        "stamps",
        "seen",
    ):
        assert getattr(two.state, name) == getattr(one.state, name), name
    assert sharing.delta(two.state, one.state.seen) == []


def test_only_what_is_new_travels(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    for number in range(1, 50):
        one.do("add_contact", account(number), conversation=None)
    met(one, two)
    one.do("describe_contact", account(7), name="Seven")
    assert [entry.key for entry in two.hears(one)] == [f"name/{account(7)}"]


def test_a_change_that_was_replaced_does_not_travel(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    for number in range(30):
        one.do("set", "name", f"name {number}", at=number)
    assert [entry.value for entry in two.hears(one)] == ["name 29"]
    assert two.state.seen == one.state.seen


def test_the_later_word_counts_wherever_it_was_said(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("set", "name", "early", at=1)
    two.do("set", "name", "late", at=2)
    met(one, two)
    assert one.state.settings == two.state.settings == {"name": "late"}


def test_at_the_same_moment_the_greater_device_counts(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("set", "name", "one")
    two.do("set", "name", "two")
    met(one, two)
    assert one.state.settings == two.state.settings == {"name": "two" if TWO > ONE else "one"}


def test_who_has_heard_of_a_change_overrides_it_whatever_his_clock_says(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.ahead_ms = 86_400_000
    one.do("set", "name", "from a clock a day ahead")
    two.hears(one)
    two.do("set", "name", "said later")
    met(one, two)
    assert one.state.settings == {"name": "said later"}


def test_two_words_about_one_contact_are_both_kept(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("add_contact", account(1), conversation=conversation(1))
    met(one, two)
    one.do("describe_contact", account(1), name="Bob", at=5)
    two.do("describe_contact", account(1), note="owes me a book", at=6)
    two.do("confirm_contact", account(1), at=7)
    met(one, two)
    assert shared(one) == shared(two)
    found = one.state.contact(account(1))
    assert (found.name, found.note, found.confirmed_ms > 0) == ("Bob", "owes me a book", True)


def test_a_request_that_was_declined_waits_nowhere_however_late_its_mail_comes(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("receive", invite(3, conv=3), shared=True)
    one.do("decline", one.state.pending()[0].id, at=10)
    two.do("receive", invite(3, conv=3), shared=True, at=60_000)  # its own copy of the mail, and it knows nothing yet
    met(one, two)
    assert one.state.pending() == two.state.pending() == ()
    assert shared(one) == shared(two)


def test_a_request_that_was_taken_up_waits_nowhere(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    for machine in pair:
        machine.do("receive", invite(3, conv=3), shared=True)
    two.do("accept", two.state.pending()[0].id, at=10)
    one.do("receive", invite(4, conv=3), shared=True, at=60_000)  # who holds it for the inviter brings it once more
    met(one, two)
    assert one.state.pending() == ()
    assert one.state.conversations[conversation(3)].state is ConversationState.SYNCING


def test_who_was_declined_and_invites_anew_is_heard(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("receive", invite(3, conv=3), shared=True)
    one.do("decline", one.state.pending()[0].id)
    met(one, two)
    two.do("receive", invite(3, conv=3, add=9), shared=True, at=25 * 3_600_000)
    met(one, two)
    assert [request.offer.commit for request in one.state.pending()] == [commit(9)]


def test_what_was_left_on_one_device_is_gone_on_the_other_with_all_that_hangs_on_it(
    pair: tuple[Machine, Machine],
) -> None:
    one, two = pair
    one.do("add_conversation", conversation(5), title="Garden", mode=2)
    one.do("prefer", conversation(5), "colour", "red")
    one.do("invite", account(3), conversation(5), kind=RequestKind.GROUP, commit=commit(6))
    met(one, two)
    two.do("remove_conversation", conversation(5), at=10)
    met(one, two)
    assert shared(one) == shared(two)
    assert one.state.conversations[conversation(5)].state is ConversationState.REMOVED
    assert not one.state.preferences
    assert not one.state.invitations
    two.do("add_conversation", conversation(5), title="Garden", mode=2, at=20)
    met(one, two)
    assert one.state.conversations[conversation(5)].state is ConversationState.SYNCING


def test_a_revoked_device_stays_so_whoever_renames_it_meanwhile(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("add_device", OwnDevice(THREE, "phone", NOW))
    met(one, two)
    one.do("revoke_device", THREE, at=1)
    two.do("rename_device", THREE, "old phone", at=2)
    met(one, two)
    assert one.state.devices == two.state.devices
    assert (one.state.devices[THREE].revoked_ms, one.state.devices[THREE].name) == (NOW + 1, "old phone")


def test_who_comes_back_after_a_month_gets_what_happened_and_tells_what_he_did(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    three = Machine(THREE)
    one.do("add_conversation", conversation(5), title="Garden", mode=2)
    met(one, two, three)
    month = 30 * 86_400_000
    three.do("add_contact", account(9), conversation=conversation(9))
    for number in range(20, 60):
        one.do("add_contact", account(number), conversation=None, at=month)
    two.do("remove_conversation", conversation(5), at=month)
    met(one, two)
    came = three.hears(two)
    assert len(came) == 41
    met(one, two, three)
    assert shared(one) == shared(two) == shared(three)
    assert one.state.is_contact(account(9))


def test_a_disk_put_back_to_an_older_state_loses_nothing(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("add_contact", account(1), conversation=None)
    backup = one.state
    one.do("add_contact", account(2), conversation=None)
    one.do("remove_contact", account(1))
    met(one, two)
    one.state = backup
    one.do("add_contact", account(3), conversation=None)  # under a number that `two` holds for known
    claimed = two.state.seen[ONE]
    assert claimed > one.state.seen[ONE]
    one.hears(two)
    assert all(stamp.number > claimed for stamp in one.state.stamps.values() if stamp.device == ONE)
    met(one, two)
    assert shared(one) == shared(two)
    assert [two.state.is_contact(account(number)) for number in (1, 2, 3)] == [False, True, True]


def test_who_holds_the_same_has_the_same_digest_in_whatever_order_it_came(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.do("block", account(1))
    two.do("set", "name", "Bob")
    met(one, two)
    assert sharing.digest(one.state) == sharing.digest(two.state) != sharing.digest(State())
    one.do("block", account(2), at=5)
    one.do("unblock", account(2), at=6)
    assert sharing.digest(one.state) == sharing.digest(two.state), "what is no more may be forgotten"
    two.do("set", "name", "Bob", at=7)
    two.do("set", "name", "Rob", at=8)
    assert sharing.digest(one.state) != sharing.digest(two.state)


def test_what_was_here_before_stamps_were_gives_way_to_any_change(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    one.state, _ = State().add_contact(account(1), conversation=None, name="Old", now_ms=NOW)
    one.state = sharing.completed(one.state, device=ONE)
    assert sharing.completed(one.state, device=ONE) is one.state
    two.do("add_contact", account(1), conversation=None, name="New", at=-1_000_000)
    met(one, two)
    assert shared(one) == shared(two)
    assert one.state.contact(account(1)).name == "New"


def test_a_topic_of_a_later_version_is_left_out(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    future = Entry("weather/today", "sunny", Stamp(NOW, TWO, 1))
    assert sharing.merged(one.state, [future], device=ONE, now_ms=NOW) == one.state


def test_a_setting_of_a_later_version_is_left_out_and_what_came_with_it_is_taken() -> None:
    """Else two versions of one program on the devices of one user would never be in step again."""
    pieces = [
        Entry("setting/colour", ["red"], Stamp(NOW, TWO, 1)),
        Entry("setting/send_typing", False, Stamp(NOW, TWO, 2)),
    ]
    after = sharing.merged(State(), pieces, device=ONE, now_ms=NOW)
    assert (dict(after.settings), set(after.stamps)) == ({"send_typing": False}, {"setting/send_typing"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"contact/{account(1)}", [1, 2, 3]),
        (f"contact/{account(1)}", [1, 2, 3, "x"]),
        (f"contact/{account(1)}", {"added": 1}),
        ("contact/xyz", None),
        (f"block/{account(1)}", -1),
        (f"name/{account(1)}", "x" * 129),
        (f"name/{account(1)}", "\ud800"),
        (f"note/{account(1)}", 5),
        ("request/0", []),
        ("declined/0", {}),
        ("invitation/0", "no"),
        (f"conversation/{conversation(1)}", [False, 1, 0, None, None, "t", 9, []]),
        ("conversation/x", [False, 1, 0, None, None, "t", 2, []]),
        (f"device/{device(9)}", [1]),
        ("setting/send_typing", "yes"),
        ("setting/name", "x" * 129),
        ("preference/colour", "red"),
        (f"preference/{conversation(1)}/colour", "x" * 257),
    ],
)
def test_what_is_no_value_is_refused_and_changes_nothing(key: str, value: object) -> None:
    state = State()
    with pytest.raises(ValueError):
        sharing.merged(state, [Entry(key, value, Stamp(NOW, TWO, 1))], device=ONE, now_ms=NOW)


def test_what_asks_for_something_under_the_name_of_another_is_refused(pair: tuple[Machine, Machine]) -> None:
    one, _ = pair
    one.do("receive", invite(3, conv=3), shared=True)
    one.do("receive", invite(4, conv=4), shared=True)
    one.do("decline", one.state.pending()[0].id)
    one.do("invite", account(5), conversation(5), kind=RequestKind.GROUP, commit=commit(5))
    told = {entry.key.partition("/")[0]: entry for entry in sharing.delta(one.state, {}) if entry.value is not None}
    assert told.keys() == {"request", "declined", "invitation"}
    for topic, entry in told.items():
        assert sharing.merged(State(), [entry], device=TWO, now_ms=NOW).stamps
        with pytest.raises(ValueError, match=f"{topic}/.*another"):
            sharing.merged(State(), [replace(entry, key=f"{topic}/" + "0" * 40)], device=TWO, now_ms=NOW)


def test_a_vector_has_bounds() -> None:
    many = {device(number): 1 for number in range(1, limits.OWN_DEVICES_MAX + 2)}
    with pytest.raises(ValueError, match="too many"):
        sharing.adopted(State(), many, device=ONE)
    del many[device(1)]
    assert sharing.adopted(State(), many, device=ONE).seen == many


def test_more_than_can_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STAMPS_MAX", 3)
    many = [Entry(f"name/{account(n)}", "x", Stamp(NOW, TWO, n)) for n in range(1, 5)]
    assert len(sharing.merged(State(), many[:3], device=ONE, now_ms=NOW).stamps) == 3
    with pytest.raises(ValueError, match="more is shared"):
        sharing.merged(State(), many, device=ONE, now_ms=NOW)


def test_stamps_of_what_is_no_more_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STAMPS_EMPTY_MAX", 5)
    monkeypatch.setattr(limits, "STAMPS_EMPTY_LOOK", 1)
    one = Machine(ONE)
    one.do("add_contact", account(1), conversation=None)
    for number in range(10, 30):
        one.do("receive", invite(number, conv=number), shared=False, at=number)
        one.do("accept", one.state.pending()[0].id, at=number)
    empty = [key for key in one.state.stamps if key.startswith("request/")]
    assert len(empty) == 5
    assert f"contact/{account(1)}" in one.state.stamps


def test_whether_too_many_are_no_more_is_looked_at_after_so_many_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STAMPS_EMPTY_MAX", 5)
    one, half = Machine(ONE), limits.STAMPS_EMPTY_LOOK // 2
    for number in range(1, half + 1):
        one.do("block", account(number))
        assert len(one.state.stamps) == number
        one.do("unblock", account(number))
    assert one.state.seen[ONE] == limits.STAMPS_EMPTY_LOOK
    assert len(one.state.stamps) == 5
