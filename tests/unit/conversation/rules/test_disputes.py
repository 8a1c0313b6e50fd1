"""Which of the bans beside each other count, round by round, and what it takes to find out. (SCP-02 §6.4 b–d)

The histories are real; which of two bans goes first, and who is admin after a replay, is as a test says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from swarmchat.conversation.entries import Entry
from swarmchat.conversation.rules import settled as codes
from swarmchat.conversation.rules.disputes import Dispute, Ruling
from swarmchat.conversation.rules.settled import Fate, Steps
from swarmchat.ids import AccountId, CommitId
from tests.support.settle_group import Group
from tests.support.settle_model import name
from tests.support.settle_scenes import Scene

Found = Callable[..., Scene]
FIVE = ("A0", "A1", "A2", "A3", "A4")


@pytest.fixture
def group() -> Found:
    return lambda admins, members=0, mode=1: Scene(Group(mode), admins, members)


class Feud:
    """Bans with names, each with an id above that of the one before it, and the answers to what is asked about them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ids: dict[str, CommitId] = {}
        self.first: set[tuple[str, str]] = set()  # of two bans, in this order; else the one with the lower id
        self.admins: dict[tuple[str, int], frozenset[AccountId]] = {}  # before a ban, without these; else at its parent
        self.asked: list[tuple[str, str]] = []
        self.replayed: list[tuple[str, int]] = []

    def ban(self, called: str, target: str, voters: str, *, at: CommitId | None = None) -> CommitId:
        """Voted for by the admins of these numbers (hexadecimal), the last of whom resolves it."""
        names = [f"A{int(number, 16)}" for number in voters]
        tip = self.scene.votes(self.scene.tip if at is None else at, "ban", target, names, salt=called)
        return self.resolve(called, tip, names[-1], "ban", target)

    def resolve(self, called: str, tip: CommitId, who: str, *act: Any) -> CommitId:
        place = len(self.ids)
        salt = next(salt for salt in range(999) if name((tip,), who, 1, act, salt).startswith(f"{place:x}"))
        self.ids[called] = self.scene.write(tip, who, *act, salt=salt)
        return self.ids[called]

    def called(self, commit: CommitId) -> str:
        return next((name for name, one in self.ids.items() if one == commit), commit)

    # --- the answers

    def precedes(self, one: Entry, other: Entry) -> Steps[bool]:
        pair = self.called(one.id), self.called(other.id)
        self.asked.append(pair)
        yield from ()
        return pair in self.first or (pair[::-1] not in self.first and one.id < other.id)

    def admins_before(self, ban: Entry, void: int, window: int) -> frozenset[AccountId]:
        assert not void & ~ban.control_mask
        question = self.called(ban.id), void
        self.replayed.append(question)
        assert ban.fact.control is not None
        return self.admins.get(question, ban.fact.control.admins)

    # --- the outcome

    def dispute(self, elders: str = "", since: CommitId | None = None) -> Dispute:
        history = self.scene.world.history
        window = 0
        for head in history.heads:
            window |= history[head].control_mask
        window &= ~history[self.scene.tip if since is None else since].control_mask
        return Dispute(history, window, self, [self.scene.world.account(f"A{number}") for number in elders])

    def ruling(self, elders: str = "", since: CommitId | None = None) -> Ruling:
        steps = self.dispute(elders, since).decide()
        try:
            next(steps)
        except StopIteration as done:
            ruling: Ruling = done.value
            return ruling
        raise AssertionError("nothing here needs another set")

    def accepted(self, since: CommitId | None = None) -> str:
        return "".join(sorted(self.called(ban) for ban in self.ruling(since=since).accepted))

    def mask(self, *commits: CommitId) -> int:
        found: int = sum(1 << self.scene.world.history[commit].control_index for commit in commits)
        return found

    def accounts(self, *names: str) -> frozenset[AccountId]:
        return frozenset(self.scene.world.account(one) for one in names)


def lost(feud: Feud, ruling: Ruling, called: str) -> dict[str, str | None]:
    tally = ruling.fates[feud.ids[called]].tally
    assert tally is not None
    assert list(tally.lost) == sorted(tally.lost)
    return {feud.scene.world.name_of(one): by and feud.called(by) for one, by in tally.lost}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[CommitId]:
    """The bans in the order in which it was asked how they stand."""
    noted: list[CommitId] = []
    standing = Dispute._standing

    def note(self: Dispute, case: Any) -> Any:
        noted.append(case.ban.id)
        return standing(self, case)

    monkeypatch.setattr(Dispute, "_standing", note)
    return noted


# --- groups


def grouped(feud: Feud) -> list[str]:
    return ["".join(sorted(feud.called(case.ban.id) for case in group)) for group in feud.dispute()._groups()]


def test_bans_that_a_chain_of_concurrent_ones_connects_are_one_group_and_the_oldest_group_comes_first(
    group: Found,
) -> None:
    feud = Feud(group(3, 8))
    scene = feud.scene
    a, b = feud.ban("a", "M0", "01"), feud.ban("b", "M1", "12")
    aside = scene.write(scene.tip, "A0", "add", "X")  # beside all that follows, but no ban
    c = feud.ban("c", "M2", "01", at=scene.world.merge(a, b))
    d = feud.ban("d", "M3", "01", at=scene.write(c, "A0", "add", "Y"))
    e = feud.ban("e", "M4", "02", at=d)
    f = feud.ban("f", "M5", "02", at=d)
    g = feud.ban("g", "M6", "12", at=e)
    assert aside
    assert grouped(feud) == ["ab", "c", "d", "efg"]
    feud.ban("h", "M7", "12", at=scene.world.merge(f, g))
    assert grouped(feud) == ["ab", "c", "d", "efg", "h"]


def test_a_ban_beside_an_old_one_and_all_that_came_after_makes_one_group_of_them(group: Found) -> None:
    feud = Feud(group(3, 4))
    b = feud.ban("b", "M1", "01", at=feud.ban("a", "M0", "01"))
    feud.ban("c", "M2", "01", at=b)
    assert grouped(feud) == ["a", "b", "c"]
    feud.ban("d", "M3", "12")
    assert grouped(feud) == ["abcd"]


def test_an_older_group_is_decided_before_a_newer_one_whatever_would_be_decided_of_both(group: Found) -> None:
    """A majority of the later ban was admin only because of what the older group decided."""
    feud = Feud(group(5, 1))
    a = feud.ban("a", "A0", "123")
    b = feud.ban("b", "A1", "023")
    feud.ban("c", "M0", "234", at=feud.scene.world.merge(a, b))
    ruling = feud.ruling()
    assert {feud.called(ban) for ban in ruling.accepted} == {"a", "c"}
    assert feud.replayed.index(("c", feud.mask(feud.ids["b"]))) > max(
        place for place, (called, _) in enumerate(feud.replayed) if called in "ab"
    )


# --- who is taken from whom


def test_the_target_of_an_accepted_ban_that_goes_before_is_no_voter_any_more(group: Found) -> None:
    feud = Feud(group(5))
    feud.ban("a", "A0", "123")
    feud.ban("b", "A1", "034")
    ruling = feud.ruling()
    assert ruling.accepted == {feud.ids["a"]}
    assert ruling.fates[feud.ids["b"]] == Fate(codes.NOT_AUTHORISED, feud.ids["a"])
    assert lost(feud, ruling, "b") == {"A0": "a"}


def test_and_takes_none_from_a_ban_that_goes_before_it_although_it_was_decided_first(group: Found) -> None:
    feud = Feud(group(5))
    feud.ban("a", "A0", "123")
    feud.ban("b", "A4", "023")
    feud.first = {("b", "a")}
    assert feud.accepted() == "ab"


def test_of_several_that_take_a_voter_the_first_that_was_accepted_is_named(group: Found) -> None:
    feud = Feud(group(5))
    feud.ban("a", "A0", "123")
    feud.ban("b", "A0", "234")
    feud.ban("c", "A1", "034")
    ruling = feud.ruling()
    assert ruling.accepted == {feud.ids["a"], feud.ids["b"]}
    assert lost(feud, ruling, "c") == {"A0": "a"}


def by_account(feud: Feud, *numbers: str) -> list[str]:
    return sorted(numbers, key=lambda number: feud.scene.world.account(f"A{number}"))


def test_of_several_voters_that_were_taken_each_is_told_and_the_least_ban_is_to_blame(group: Found) -> None:
    feud = Feud(group(5))
    second, first = by_account(feud, "0", "1")
    feud.ban("a", f"A{first}", "234")
    feud.ban("b", f"A{second}", "234")
    feud.ban("c", "A4", "012")
    ruling = feud.ruling()
    assert ruling.accepted == {feud.ids["a"], feud.ids["b"]}
    assert ruling.fates[feud.ids["c"]].by == feud.ids["a"]
    assert lost(feud, ruling, "c") == {f"A{first}": "a", f"A{second}": "b"}


def test_a_ban_behind_another_takes_nothing_from_it_and_loses_nothing_to_it(group: Found) -> None:
    feud = Feud(group(5))
    a = feud.ban("a", "A4", "012")
    feud.ban("b", "A0", "123", at=a)
    assert feud.accepted() == "ab"
    assert feud.asked == []


def test_nor_when_a_third_that_is_beside_both_makes_one_group_of_them(group: Found) -> None:
    feud = Feud(group(5, 1))
    x = feud.ban("x", "M0", "012")
    feud.ban("y", "A0", "123", at=x)
    feud.ban("w", "A4", "123")
    feud.first = {("y", "x")}
    assert feud.accepted() == "wxy"
    assert ("y", "x") not in feud.asked


def test_a_ban_that_loses_to_one_that_is_refused_itself_counts(group: Found) -> None:
    feud = Feud(group(5))
    feud.ban("a", "A0", "123")
    feud.ban("b", "A1", "034")  # a takes A0
    feud.ban("c", "A2", "134")  # b would take A1
    assert feud.accepted() == "ac"


def test_a_ban_waits_for_those_it_hangs_on_and_is_free_again_before_any_is_forced(group: Found) -> None:
    """a and d wait for b, b for c: when b falls both are free, and so a takes nothing from d, which goes before it."""
    feud = Feud(group(5, 2))
    feud.ban("a", "A4", "023")
    feud.ban("b", "A0", "123")
    feud.ban("c", "A1", "234")
    feud.ban("d", "M0", "034")
    feud.first = {("b", "a"), ("c", "b"), ("c", "a"), ("d", "a"), ("b", "d"), ("c", "d")}
    assert feud.accepted() == "acd"


# --- where none is free


def circle(feud: Feud) -> None:
    """Each takes a voter that the next cannot spare; c goes before a, and the target of a votes for c as well."""
    feud.ban("a", "A0", "234")
    feud.ban("b", "A1", "034")
    feud.ban("c", "A2", "013")
    feud.first = {("a", "b"), ("b", "c"), ("c", "a")}


def test_where_none_is_free_the_first_is_decided_and_takes_voters_even_from_bans_that_go_before_it(
    group: Found,
) -> None:
    feud = Feud(group(5))
    circle(feud)
    ruling = feud.ruling()
    assert ruling.accepted == {feud.ids["a"]}
    assert lost(feud, ruling, "b") == {"A0": "a"}
    assert lost(feud, ruling, "c") == {"A0": "a"}


def test_what_is_accepted_when_it_is_free_takes_none_from_what_goes_before_it(group: Found) -> None:
    feud = Feud(group(5))
    feud.ban("a", "A0", "234")
    feud.ban("b", "A1", "034")
    feud.ban("c", "A2", "013")
    feud.first = {("c", "a"), ("c", "b")}
    assert feud.accepted() == "bc"


def test_the_first_is_the_one_with_the_fewest_bans_behind_it_whatever_else_is_behind_it(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    k = feud.ban("k", "M0", "234")
    work = scene.chain(scene.tip, *(("M1", ("renew", number)) for number in (1, 2, 3)))
    feud.ban("a", "A0", "234", at=k)
    feud.ban("b", "A1", "034", at=work)
    feud.ban("c", "A2", "013")
    feud.first = {("c", "a")}
    assert feud.accepted() == "abk"


NEUTRAL = "6789ab"  # six of twelve admins: with one more they are a majority


def test_what_a_forced_one_took_is_seen_at_once_and_frees_the_others(group: Found) -> None:
    """Two circles. a breaks the first and takes A0 from f, which goes before it: so f falls, and e counts, not d."""
    feud = Feud(group(12))
    for called, target, voters in (
        ("a", "A0", "2"),
        ("b", "A1", "0"),
        ("c", "A2", "1"),
        ("d", "A3", "4"),
        ("e", "A4", "5"),
    ):
        feud.ban(called, target, voters + NEUTRAL)
    feud.ban("f", "A5", "03" + NEUTRAL[1:])
    feud.first = {("c", "a"), ("e", "d"), ("f", "e"), ("f", "a")}
    assert feud.accepted() == "ace"


def test_who_has_fallen_frees_those_that_wait_for_it_although_it_did_not_wait_for_what_it_fell_to(group: Found) -> None:
    """a, b and c are a circle; b hangs on a, which is enough to know, and falls to d: so c counts, and a falls to c."""
    feud = Feud(group(12))
    one, other = by_account(feud, "0", "1")
    feud.ban("a", f"A{one}", "2" + NEUTRAL)
    feud.ban("b", "A3", "01" + NEUTRAL[1:])
    feud.ban("c", "A2", "3" + NEUTRAL)
    feud.ban("d", f"A{other}", "4" + NEUTRAL)
    feud.first = {("c", "a"), ("d", "b")}
    assert feud.accepted() == "cd"


def test_what_was_decided_in_the_past_of_one_is_seen_at_once_and_frees_the_others(group: Found) -> None:
    """z, x and c are a circle; b, behind c, falls, and without it c needs no voter of those that x may take."""
    feud = Feud(group(12, 1))
    feud.ban("a", "A3", "4" + NEUTRAL)
    b = feud.ban("b", "M0", "3" + NEUTRAL)
    feud.ban("z", "A1", "2" + NEUTRAL)
    feud.ban("x", "A0", "1" + NEUTRAL)
    feud.ban("c", "A2", "0" + NEUTRAL, at=b)
    feud.first = {("c", "z")}
    feud.admins["c", feud.mask(b)] = feud.accounts("A5", "A6", "A7", "A8", "A9")
    assert feud.accepted() == "acx"


def test_who_could_spare_each_of_two_voters_but_not_both_hangs_on_both(group: Found) -> None:
    feud = Feud(group(12, 1))
    feud.ban("x", "M0", "01" + NEUTRAL)
    feud.ban("p", "A0", "2" + NEUTRAL)
    feud.ban("q", "A1", "2" + NEUTRAL)
    feud.first = {("p", "x"), ("q", "x")}
    assert feud.accepted() == "pq"


def test_of_several_that_might_take_a_voter_each_is_asked_until_one_does(group: Found) -> None:
    """x goes before p, not before q; q falls to v, and then p is not asked again."""
    for falls in (False, True):
        feud = Feud(group(12, 1))
        feud.ban("x", "M0", "0" + NEUTRAL)
        feud.ban("v", "A2", "3" + NEUTRAL)
        feud.ban("q", "A0", ("2" if falls else "4") + NEUTRAL)
        feud.ban("p", "A0", "14" + NEUTRAL)  # more voters: asked about first
        feud.first = {("q", "x"), ("x", "p")}
        assert feud.accepted() == ("pvx" if falls else "pqv")
        assert feud.asked.count(("p", "x")) == 1


def test_who_has_no_majority_beside_none_and_beside_all_waits_for_nobody(group: Found, looks: list[CommitId]) -> None:
    """What b may make void would give a its majority, but c takes a voter of it."""
    feud = Feud(group(5, 2))
    work = feud.scene.write(feud.scene.tip, "A4", "add", "X")
    a = feud.ban("a", "M0", "012", at=work)
    feud.ban("b", "A4", "123")
    feud.ban("c", "A0", "123")
    feud.first = {("b", "a"), ("c", "a")}
    feud.admins["a", 0] = feud.accounts(*FIVE, "M1")
    assert feud.accepted() == "bc"
    assert looks.count(a) == 2  # at first, and to decide it


def test_a_ban_is_looked_at_again_when_one_that_it_hangs_on_is_decided_or_took_a_voter(
    group: Found, looks: list[CommitId]
) -> None:
    """x hangs on y and y on z. What else is decided concerns x only where a voter goes: A3, and him once."""
    feud = Feud(group(12, 3))
    b = feud.ban("b", "M1", "5" + NEUTRAL)
    feud.ban("c", "A4", "5" + NEUTRAL)  # nobody's voter
    feud.ban("d", "A3", "5" + NEUTRAL)  # takes one that x can spare
    feud.ban("e", "A6", "35" + NEUTRAL[1:])  # falls, for d takes A3
    feud.ban("f", "A3", "2" + NEUTRAL)  # again
    feud.ban("z", "A1", "2" + NEUTRAL)
    feud.ban("y", "A0", "1" + NEUTRAL)
    feud.ban("x", "M0", "03" + NEUTRAL, at=b)
    feud.first = {(one, "e") for one in "bcdfzyx"}
    feud.first.remove(("d", "e"))
    assert feud.accepted() == "bcdfxz"
    assert looks.count(feud.ids["x"]) == 5  # at first, with b behind it, without A3, without y, and to decide it


# --- what others make void


def test_a_ban_is_judged_beside_what_accepted_ones_that_go_before_it_make_void(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    work = scene.write(scene.tip, "A4", "add", "X")
    feud.ban("a", "A4", "012")
    feud.ban("b", "M0", "012", at=work)
    feud.admins["b", feud.mask(work)] = feud.accounts("A0", "A3", "A4")
    assert feud.accepted() == "a"
    feud.first = {("b", "a")}
    assert feud.accepted() == "ab"


def test_and_so_is_one_that_only_what_is_void_there_kept_from_a_majority(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    work = scene.write(scene.tip, "A4", "add", "X")
    feud.ban("b", "M0", "012", at=work)
    feud.ban("a", "A4", "012")
    feud.first = {("a", "b")}
    feud.admins["b", 0] = feud.accounts(*FIVE, "M1")
    assert feud.accepted() == "ab"


def test_a_refused_ban_voids_nothing_and_is_no_part_of_the_past_of_others(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    work = scene.write(scene.tip, "A4", "add", "X")
    feud.ban("a", "A0", "123")
    refused = feud.ban("b", "A4", "012")  # a takes A0
    feud.ban("c", "M0", "123", at=work)
    feud.admins["c", feud.mask(work)] = frozenset()
    feud.ban("d", "M1", "123", at=refused)
    feud.admins["d", 0] = frozenset()
    assert feud.accepted() == "acd"
    assert ("d", feud.mask(refused)) in feud.replayed


def test_what_was_decided_since_makes_a_free_one_wait_again(group: Found) -> None:
    """x has its majority beside nobody and beside both a and y, but not beside a alone."""
    feud = Feud(group(5, 2))
    scene = feud.scene
    one = scene.write(scene.tip, "A3", "add", "X")
    both = scene.write(one, "A4", "add", "Y")
    feud.ban("a", "A3", "012")
    feud.ban("x", "M0", "012", at=both)
    feud.ban("y", "A4", "012")
    feud.first = {("y", "x")}
    feud.admins["x", feud.mask(one)] = feud.accounts(*FIVE, "M1")
    assert feud.accepted() == "axy"


def test_a_ban_waits_for_what_may_void_a_part_of_its_past(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    work = scene.write(scene.tip, "A4", "add", "X")
    feud.ban("a", "M0", "012", at=work)
    feud.ban("b", "A4", "012")
    feud.first = {("b", "a")}
    feud.admins["a", feud.mask(work)] = frozenset()
    ruling = feud.ruling()
    assert ruling.accepted == {feud.ids["b"]}
    assert ruling.void & feud.mask(work, feud.ids["a"]) == feud.mask(work, feud.ids["a"])
    assert ruling.fates[work] == Fate(codes.BANNED_BESIDE, feud.ids["b"])


def test_what_may_void_a_part_of_its_past_may_fall_first(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    work = scene.write(scene.tip, "A4", "add", "X")
    feud.ban("a", "M0", "123", at=work)
    feud.ban("b", "A4", "012")
    feud.ban("c", "A0", "123")
    feud.first = {("b", "a"), ("c", "b")}
    feud.admins["a", feud.mask(work)] = frozenset()
    assert feud.accepted() == "ac"


def test_one_that_was_forced_voids_even_what_is_behind_a_ban_that_goes_before_it(group: Found) -> None:
    """a is the first of a circle; x hangs on b, goes before a, and has no majority without what a makes void."""
    feud = Feud(group(12, 1))
    work = feud.scene.write(feud.scene.tip, "A0", "add", "X")
    feud.ban("a", "A0", "2" + NEUTRAL)
    feud.ban("b", "A1", "0" + NEUTRAL)
    feud.ban("c", "A2", "1" + NEUTRAL)
    feud.ban("x", "M0", "1" + NEUTRAL, at=work)
    feud.first = {("c", "a"), ("x", "a")}
    feud.admins["x", feud.mask(work)] = frozenset()
    assert feud.accepted() == "ac"
    feud.admins.clear()
    assert feud.accepted() == "acx"


def test_a_ban_in_its_past_is_decided_before_it_and_where_it_falls_is_void_there(group: Found) -> None:
    feud = Feud(group(5, 3))
    feud.ban("a", "A0", "123")
    b = feud.ban("b", "M0", "012")
    feud.ban("c", "M1", "012", at=b)
    feud.admins["c", feud.mask(b)] = feud.accounts("A1", "A2", "A3")
    assert feud.accepted() == "ac"


def test_the_least_of_the_accepted_bans_is_named_for_what_several_make_void(group: Found) -> None:
    feud = Feud(group(5))
    work = feud.scene.write(feud.scene.tip, "A4", "add", "X")
    feud.ban("a", "A4", "012")
    feud.ban("b", "A4", "123")
    ruling = feud.ruling()
    assert ruling.fates[work] == Fate(codes.BANNED_BESIDE, feud.ids["a"])


@pytest.mark.parametrize("act", [("leave",), ("demote",)])
def test_leaving_and_stepping_back_are_never_void(group: Found, act: tuple[Any, ...]) -> None:
    feud = Feud(group(5))
    done = feud.scene.write(feud.scene.tip, "A4", *act)
    feud.ban("a", "A4", "012")
    assert feud.ruling() == Ruling(frozenset({feud.ids["a"]}), 0, {})
    assert done


def test_nor_is_a_ban_or_what_rests_on_votes(group: Found) -> None:
    feud = Feud(group(5, 2))
    scene = feud.scene
    voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1", "A2"])
    feud.resolve("a", voted, "A4", "promote", "M0")
    feud.ban("b", "M1", "013", at=voted)
    late = scene.votes(scene.tip, "ban", "M1", ["A0", "A1", "A2"])
    feud.resolve("c", late, "A4", "ban", "M1")
    feud.ban("d", "A4", "012")
    assert feud.ruling().void == 0


def test_the_votes_of_the_banned_are_void_and_so_is_what_his_banned_device_did(group: Found) -> None:
    feud = Feud(group(5, 1))
    scene = feud.scene
    vote = scene.write(scene.tip, "A4", "vote", "ban", "M0")
    add = scene.write(scene.tip, "A3", "add", "X")
    other = scene.write(scene.tip, "A3", "add", "Y", device=2)
    feud.ban("a", "A4", "012")
    feud.ban("b", "A3.1", "012")
    ruling = feud.ruling()
    assert ruling.void == feud.mask(vote, add)
    assert other not in ruling.fates


# --- promotions beside a ban of their target


def test_the_backers_of_a_promotion_are_no_voters_and_its_electorate_joins_that_of_the_ban(group: Found) -> None:
    """Of two promotions that a voter backs the least is to blame; who did not vote for the ban is not told of."""
    feud = Feud(group(5, 1))
    scene = feud.scene
    voted = scene.votes(scene.tip, "promote", "M0", ["A1", "A2", "A4"])
    for called, who in (("p", "A1"), ("q", "A2")):
        feud.resolve(called, voted, who, "promote", "M0")
    feud.ban("r", "M0", "012")
    ruling = feud.ruling()
    assert ruling.accepted == frozenset()
    assert lost(feud, ruling, "r") == {"A1": "p", "A2": "p"}
    tally = ruling.fates[feud.ids["r"]].tally
    assert tally is not None
    assert tally.left == feud.accounts("A0")
    assert tally.electorate == feud.accounts(*FIVE)


def promoted_alone(group: Found) -> Feud:
    """The sole admin promotes M0; in a fork M0 is banned by him and his later friends."""
    scene = group(1, 4)
    feud = Feud(scene)
    feud.resolve("p", scene.tip, "A0", "promote", "M0")
    tip = scene.promote(scene.tip, "M1", ["A0"], salt="fork")
    tip = scene.promote(tip, "M2", ["A0", "M1"], salt="fork")
    tip = scene.votes(tip, "ban", "M0", ["M1", "A0"])
    feud.resolve("r", tip, "M1", "ban", "M0")
    return feud


def test_of_a_promotion_without_a_ballot_the_author_is_the_backer(group: Found) -> None:
    feud = promoted_alone(group)
    ruling = feud.ruling()
    assert lost(feud, ruling, "r") == {"A0": "p"}


def test_a_promotion_that_is_void_weighs_nothing(group: Found) -> None:
    """A sole admin unknown to r makes M0 an admin: that makes the vote of A0 one of two, unless a ban that precedes r voids it."""
    for void in (False, True):
        scene = group(1, 2)
        feud = Feud(scene)
        alone = scene.chain(scene.tip, ("A0", ("promote", "M1")), ("A0", ("demote",)))
        p = feud.resolve("p", alone, "M1", "promote", "M0")
        if void:
            tip = scene.promote(scene.enter(scene.tip, "A1"), "A1", ["A0"])
            tip = scene.promote(scene.enter(tip, "A2"), "A2", ["A0", "A1"])
            feud.ban("s", "M1", "12", at=tip)
        feud.ban("r", "M0", "0")
        assert feud.accepted() == ("rs" if void else "")
        assert (p in feud.ruling().fates) is void


def test_a_promotion_all_of_whose_votes_are_void_weighs_nothing_and_one_with_a_vote_left_does(group: Found) -> None:
    """By three admins of five; the ban is by two of three, at a time when the others were none."""
    for banned, accepted in (("23", "qr"), ("234", "qrst")):
        scene = group(5, 1)
        feud = Feud(scene)
        old = scene.at["promote A2"]
        feud.resolve("p", scene.votes(scene.tip, "promote", "M0", ["A2", "A3", "A4"]), "A0", "promote", "M0")
        for called, number in zip("qrs", banned, strict=False):
            feud.ban(called, f"A{number}", "01" + ("2" if number != "2" else "3"))
            feud.admins[called, 0] = feud.accounts("A0", "A1")
        feud.ban("t", "M0", "01", at=old)
        assert feud.accepted(old) == accepted


def test_a_promotion_of_who_is_admin_where_he_is_banned_weighs_nothing(group: Found) -> None:
    scene = group(3, 1)
    feud = Feud(scene)
    promoted = scene.ballot(scene.tip, "promote", "M0", ["A0", "A1"])
    twin = scene.votes(scene.tip, "promote", "M0", ["A1", "A2"], salt="twin")
    feud.resolve("p", twin, "A2", "promote", "M0")
    feud.ban("r", "M0", "012", at=promoted)
    assert feud.accepted() == "r"
    assert feud.ruling().fates == {}


def test_nor_does_one_that_is_behind_the_ban(group: Found) -> None:
    scene = group(1, 1)
    feud = Feud(scene)
    tip = scene.chain(scene.tip, ("A0", ("promote", "M0")), ("M0", ("demote",)))
    feud.ban("r", "M0", "0", at=tip)
    assert feud.accepted() == "r"


def unknown_admin(group: Found, admins: int) -> tuple[Feud, CommitId]:
    """M1, whom one line knows as a member alone, makes M0 an admin on another; `admins` stand where the first ends."""
    scene = group(1, 2)
    feud = Feud(scene)
    other = scene.chain(scene.tip, ("A0", ("promote", "M1")), ("A0", ("demote",)))
    feud.resolve("p", other, "M1", "promote", "M0")
    tip = scene.tip
    for number in range(1, admins):
        tip = scene.enter(tip, f"A{number}")
        tip = scene.promote(tip, f"A{number}", [f"A{n}" for n in range(number)])
    return feud, tip


def test_a_promotion_whose_author_was_banned_behind_the_ban_weighs_nothing(group: Found) -> None:
    for order in ("behind", "beside", "never"):
        feud, tip = unknown_admin(group, 3)
        if order != "never":
            banned = feud.ban("s", "M1", "12", at=tip)
            tip = banned if order == "behind" else tip
        feud.ban("t", "M0", "01", at=tip)  # two of three; with M1 two of four
        feud.first = {("t", "s")}
        assert feud.accepted() == {"behind": "st", "beside": "s", "never": ""}[order]


@pytest.mark.parametrize(("order", "accepted"), [("yxz", "styz"), ("xyz", "xy")])
def test_and_while_that_ban_is_undecided_the_other_waits_for_it(group: Found, order: str, accepted: str) -> None:
    """x, y and z are a circle, and x may take a voter of s, which is behind t."""
    feud, tip = unknown_admin(group, 11)
    five = "6789a"
    bans = {"y": ("A2", "3"), "x": ("A1", "2"), "z": ("A3", "1")}
    for called in order:
        target, voter = bans[called]
        feud.ban(called, target, voter + five, at=tip)
    banned = feud.ban("s", "M1", "1" + five, at=tip)
    feud.ban("t", "M0", "4" + five, at=banned)  # six of eleven; with M1 six of twelve
    feud.first = {("y", "x"), ("x", "z"), ("z", "y")}
    assert feud.accepted() == accepted


def test_but_it_waits_for_none_that_is_beside_it(group: Found, looks: list[CommitId]) -> None:
    feud, tip = unknown_admin(group, 6)
    behind = feud.ban("b", "A5", "0123", at=tip)
    feud.ban("s", "M1", "1234", at=tip)
    t = feud.ban("t", "M0", "012", at=behind)  # three of five; with M1 three of six
    feud.first = {("t", "s")}
    assert feud.accepted() == "bs"
    assert looks.count(t) == 2  # at first, and to decide it


def test_nor_for_one_behind_it_that_helps_no_more_than_another_harms(group: Found, looks: list[CommitId]) -> None:
    feud, tip = unknown_admin(group, 3)
    feud.ban("r", "A1", "02", at=tip)
    behind = feud.ban("s", "M1", "12", at=tip)
    t = feud.ban("t", "M0", "01", at=behind)
    feud.first = {("s", "r")}
    assert feud.accepted() == "rs"
    assert looks.count(t) == 3  # at first, without A1, and to decide it


# --- bans that were used up


def test_a_stale_resolution_takes_nobody_from_who_knew_of_the_first_and_of_the_unban(group: Found) -> None:
    scene = group(4, 1)
    feud = Feud(scene)
    voted = scene.votes(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    a = feud.resolve("a", voted, "A0", "ban", "A3")
    unban = scene.ballot(a, "unban", "A3", ["A0", "A1"])
    add = scene.write(unban, "A3", "add", "X")
    feud.resolve("b", voted, "A2", "ban", "A3")
    feud.ban("m", "M0", "013", at=add)
    feud.first = {("b", "m")}
    assert feud.accepted() == "abm"
    assert feud.ruling().void == 0


def test_two_resolutions_of_one_ballot_both_take_from_who_knew_of_neither(group: Found) -> None:
    scene = group(5, 1)
    feud = Feud(scene)
    voted = scene.votes(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    for called, who in (("a", "A0"), ("b", "A1")):
        feud.resolve(called, voted, who, "ban", "A3")
    feud.ban("x", "M0", "034")
    assert feud.accepted() == "ab"


def test_it_does_when_half_of_the_admins_and_one_more_voted_anew(group: Found) -> None:
    """Of four admins two with votes of their own are not enough, three are; what A3 did since the unban is void or not."""
    for fresh, is_void in (("12", False), ("012", True)):
        scene = group(4, 1)
        feud = Feud(scene)
        shared = scene.votes(scene.tip, "ban", "A3", ["A0"])
        a = feud.resolve("a", scene.votes(shared, "ban", "A3", ["A1", "A2"]), "A0", "ban", "A3")
        add = scene.write(scene.ballot(a, "unban", "A3", ["A0", "A1"]), "A3", "add", "X")
        feud.ban("b", "A3", fresh, at=scene.tip if "0" in fresh else shared)
        assert feud.accepted() == "ab"
        assert (add in feud.ruling().fates) is is_void


def test_only_work_that_knew_of_a_ban_of_its_author_is_asked_whether_that_was_used_up(
    group: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    is_spent = Dispute._is_spent

    def noted(self: Dispute, ban: Entry, behind: Entry) -> bool:
        asked.append(behind.id)
        return is_spent(self, ban, behind)

    monkeypatch.setattr(Dispute, "_is_spent", noted)
    feud = Feud(group(4))
    scene = feud.scene
    scene.chain(scene.tip, ("A3", ("add", "X")), ("A3", ("add", "Y")))
    unban = scene.ballot(feud.ban("a", "A3", "012"), "unban", "A3", ["A0", "A1"])
    knowing = scene.write(unban, "A3", "add", "Z")
    feud.ban("b", "A3", "012", at=unban)
    feud.dispute()
    assert asked == [knowing]


# --- what is asked


def test_each_question_about_two_bans_is_asked_once(group: Found) -> None:
    feud = Feud(group(5, 3))
    scene = feud.scene
    work = scene.chain(scene.tip, ("A3", ("add", "X")), ("A4", ("add", "Y")))
    for called, target, voters in (("a", "A0", "234"), ("b", "A1", "034"), ("c", "A2", "013"), ("d", "A3", "012")):
        feud.ban(called, target, voters)
    feud.ban("e", "M0", "123", at=work)
    feud.ban("f", "A0", "123")
    feud.first = {("b", "c"), ("c", "a"), ("d", "a"), ("f", "a"), ("e", "a")}
    feud.ruling()
    assert max(feud.asked.count(pair) for pair in feud.asked if pair != ("d", "e")) == 2  # may it take a voter, does it
    assert feud.asked.count(("d", "e")) == 3  # and is that void what it voids
    assert len(feud.asked) == 16


def test_of_the_bans_of_a_voter_those_of_many_and_then_of_the_most_senior_voters_are_asked_about_first(
    group: Found,
) -> None:
    feud = Feud(group(5))
    feud.ban("a", "A1", "034")
    feud.ban("b", "A0", "234")
    feud.ban("c", "A0", "134")
    feud.ban("d", "A0", "1234")
    feud.first = {(one, "a") for one in "bcd"}
    for elders, wanted in (("21340", ["d", "b", "c"]), ("12340", ["d", "c", "b"])):
        against = feud.dispute(elders)._against[feud.scene.world.account("A0")]
        assert [feud.called(case.ban.id) for case in against] == wanted
    feud.ruling("21340")
    assert next(pair for pair in feud.asked if pair[1] == "a") == ("d", "a")


def test_a_ban_that_hangs_on_enough_others_and_one_that_has_fallen_ask_no_more(group: Found) -> None:
    feud = Feud(group(5))
    one, other = by_account(feud, "0", "1")
    feud.ban("a", f"A{one}", "234")
    feud.ban("x", "A4", "012")
    feud.ban("b", f"A{other}", "234")
    feud.first = {("b", "x")}
    assert feud.accepted() == "ab"
    assert ("b", "x") not in feud.asked
    assert feud.asked.count(("a", "x")) == 2  # that it may, that it did


def test_votes_alone_make_nobody_ask_what_a_ban_makes_void(group: Found) -> None:
    feud = Feud(group(5, 1))
    feud.ban("a", "A0", "123")
    feud.ban("b", "M0", "012")
    feud.ban("c", "M0", "034")
    feud.ruling()
    assert {pair for pair in feud.asked if "b" in pair} == {("a", "b")}


def test_nor_does_work_that_is_not_behind_the_other(group: Found) -> None:
    feud = Feud(group(5, 1))
    feud.scene.write(feud.scene.tip, "A4", "add", "X")
    feud.ban("a", "A4", "012")
    feud.ban("b", "M0", "012")
    feud.ruling()
    assert feud.asked == []


def test_nor_a_ban_that_is_behind_the_other(group: Found) -> None:
    feud = Feud(group(5, 1))
    scene = feud.scene
    work = scene.write(scene.tip, "A4", "add", "X")
    a = feud.ban("a", "A4", "012")
    feud.ban("b", "M0", "012", at=scene.world.merge(work, a))
    assert feud.accepted() == "ab"
    assert feud.asked == []
