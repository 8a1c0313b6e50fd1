"""What the removed wrote beside their removal (SCP-02 §8.2), on graphs drawn by hand."""

from __future__ import annotations

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.hiding import removals, witnesses
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.timeline import Timeline
from swarmchat.ids import DeviceId
from tests.support.graphs import ANN, BEN, CEM, fact, letter, named

BENS = DeviceId("b" * 64)


class _Banned(Roster):
    """A roster in which three accounts are joined and some banned; the rest of it does not matter here."""

    def __init__(self, *gone: str) -> None:
        super().__init__(1, {})
        self.gone = gone

    @property
    def banned(self) -> dict[str, str]:  # type: ignore[override]
        return dict.fromkeys(self.gone, "members")

    def is_banned(self, target: str) -> bool:
        return target in self.gone

    def is_joined(self, account: str) -> bool:
        return account in (ANN, BEN, CEM) and account not in self.gone


def hidden_of(history: History, *banned: str) -> str:
    found = Timeline(history).hidden(_Banned(*banned), lambda ban: True, lambda commit: _Banned())
    return "".join(sorted(letter(commit) for commit in found))


def test_what_the_banned_wrote_before_the_ban_is_shown() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "x", ban=BEN)])
    assert hidden_of(history, BEN) == ""


def test_what_the_banned_wrote_beside_the_ban_is_hidden() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("y", "x", by=BEN), fact("!", "r", ban=BEN)])
    assert hidden_of(history, BEN) == "xy"
    gone = {named("x"), named("y")}
    assert "".join(letter(item.commit) for item in Timeline(history).page(9, hidden=gone)) == "r!"
    everything = Timeline(history).page(9, hidden=gone, with_hidden=True)
    assert "".join(letter(item.commit) for item in everything) == "r!xy"


def test_a_member_who_had_seen_it_vouches_for_it_and_all_before() -> None:
    history = History(
        [
            fact("r"),
            fact("x", "r", by=BEN),
            fact("y", "x", by=BEN),
            fact("v", "y", by=CEM),
            fact("z", "v", by=BEN),
            fact("!", "r", ban=BEN),
        ]
    )
    assert hidden_of(history, BEN) == "z"


def test_who_writes_after_the_ban_vouches_for_nothing() -> None:
    history = History(
        [fact("r"), fact("x", "r", by=BEN), fact("!", "r", ban=BEN), fact("m", "x!", by=None), fact("v", "m", by=CEM)]
    )
    assert hidden_of(history, BEN) == "x"


def test_an_accomplice_who_is_banned_beside_it_vouches_for_nothing() -> None:
    history = History(
        [fact("r"), fact("x", "r", by=BEN), fact("v", "x", by=CEM), fact("!", "r", ban=BEN), fact("?", "r", ban=CEM)]
    )
    found = Timeline(history).hidden(_Banned(BEN, CEM), lambda ban: True, lambda commit: _Banned())
    assert {letter(commit) for commit in found} == {"x", "v"}


def test_a_banned_device_is_hidden_and_its_owner_does_not_vouch() -> None:
    phone = DeviceId("b" * 64)
    other = fact("o", "x", by=BEN)
    history = History(
        [
            fact("r"),
            fact("x", "r", by=BEN),
            Fact(other.id, other.parents, BEN, DeviceId("e" * 64), 0, "text/plain"),
            fact("!", "r", ban=phone),
        ]
    )
    assert hidden_of(history, phone) == "x"


def test_whoever_is_unbanned_is_shown_again() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "r", ban=BEN)])
    assert hidden_of(history) == ""


def test_a_ban_that_does_not_count_hides_nothing() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "r", ban=BEN)])
    assert [each.entry.id for each in removals(history, _Banned(BEN), lambda ban: True)] == [named("!")]
    assert Timeline(history).hidden(_Banned(BEN), lambda ban: False, lambda commit: _Banned()) == frozenset()


# --- revoked devices


def test_what_a_revoked_device_wrote_beside_the_list_is_hidden_whoever_is_unbanned() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("y", "x", by=BEN), _listed("!", "x")])
    assert hidden_of(history) == "y"  # x was known to who revoked it


def test_somebody_else_vouches_for_what_a_revoked_device_wrote() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("v", "x", by=CEM), _listed("!", "r")])
    assert hidden_of(history) == ""
    (removal,) = removals(history, _Banned(), lambda ban: False)
    assert witnesses(history, named("x"), _Banned(), [removal], lambda commit: _Banned()) == {named("!"): named("v")}


def test_the_own_account_does_not_vouch_for_its_revoked_device() -> None:
    other = fact("o", "x", by=BEN)
    mine = Fact(other.id, other.parents, BEN, DeviceId("e" * 64), 0, "text/plain")
    history = History([fact("r"), fact("x", "r", by=BEN), mine, _listed("!", "r")])
    assert hidden_of(history) == "x"


def test_a_list_hides_the_devices_of_its_own_account_alone() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "r", by=ANN, revoked=[BENS])])
    assert hidden_of(history) == ""


def test_who_is_revoked_beside_it_vouches_for_nothing() -> None:
    cems = DeviceId("c" * 64)
    gone = fact("?", "r", by=CEM, revoked=[cems])
    listed = Fact(gone.id, gone.parents, CEM, DeviceId("f" * 64), 0, "text/plain", None, gone.control)
    history = History([fact("r"), fact("x", "r", by=BEN), fact("v", "x", by=CEM), fact("!", "r", ban=BEN), listed])
    assert hidden_of(history, BEN) == "vx"


def _listed(name: str, parents: str) -> Fact:
    """Ben revokes his device `b…` from another one."""
    made = fact(name, parents, by=BEN, revoked=[BENS])
    return Fact(made.id, made.parents, BEN, DeviceId("d" * 64), 0, "text/plain", None, made.control)
