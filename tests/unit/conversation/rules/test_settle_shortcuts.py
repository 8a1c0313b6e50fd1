"""What settle remembers, how much of it, what it so need not do again, and where a replay may begin. (SCP-02 §6.4 f)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from swarmchat.conversation.entries import Entry
from swarmchat.conversation.rules import settled as codes
from swarmchat.conversation.rules import settling
from swarmchat.conversation.rules.replay import replay
from swarmchat.conversation.rules.settled import Fate, Precedence, Settled, Steps
from swarmchat.conversation.rules.settling import Settler
from swarmchat.ids import CommitId
from tests.support.settle_group import Group
from tests.support.settle_model import name
from tests.support.settle_scenes import Scene

Found = Callable[..., Scene]


class Counting(Settler):
    """Notes what it does."""

    def __init__(self, *known: Any) -> None:
        super().__init__(*known)
        self.begun: list[int] = []  # the sets that were settled
        self.compared: list[tuple[CommitId, CommitId]] = []
        self.asked: list[CommitId] = []  # whose fate
        self.looked_at = 0  # newest commits of sets

    def _steps(self, mask: int) -> Steps[Settled]:
        self.begun.append(mask)
        return super()._steps(mask)

    def _compared(self, one: Entry, other: Entry) -> Steps[Precedence]:
        self.compared.append((one.id, other.id))
        return super()._compared(one, other)

    def _newest(self, mask: int) -> Entry:
        self.looked_at += 1
        return super()._newest(mask)

    def fate(self, commit: CommitId, heads: Iterable[CommitId]) -> Fate | None:
        self.asked.append(commit)
        return super().fate(commit, heads)


@pytest.fixture
def group() -> Found:
    return lambda admins, members=0, mode=1: Scene(Group(mode), admins, members)


def cold(scene: Scene) -> Counting:
    return Counting(scene.world.history, scene.world.rosters.__getitem__)


def mask(scene: Scene, *heads: CommitId) -> int:
    found = 0
    for head in heads:
        found |= scene.world.history[head].control_mask
    return found


def bit(scene: Scene, commit: CommitId) -> int:
    index: int = scene.world.history[commit].control_index
    return 1 << index


# --- sets


def test_of_the_sets_that_were_settled_those_asked_for_last_are_kept(
    group: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_SETTLED_KEPT", 2)
    scene = group(4)
    adds = [scene.write(scene.tip, f"A{number}", "add", f"X{number}") for number in range(4)]
    pairs = [adds[:2], adds[1:3], adds[2:]]
    masks = [mask(scene, *pair) for pair in pairs]
    settler = cold(scene)
    first, second, third = (settler.settle(pair) for pair in (pairs[0], pairs[1], pairs[0]))
    assert third is first
    settler.settle(pairs[2])
    assert settler.begun == masks
    assert list(settler._settled) == [masks[0], masks[2]]
    assert settler.settle(pairs[0]) is first
    assert settler.settle(pairs[1]) == second
    assert settler.begun == [*masks, masks[1]]


def test_a_chronicle_goes_back_to_the_last_one_that_is_known(group: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "_SETTLED_KEPT", 2)
    scene = group(4, 3)
    settler = cold(scene)
    settler.bans([scene.tip])
    ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1", "A2"])
    settler.looked_at = 0
    assert settler.bans([ban]) == {ban}
    assert settler.looked_at == 4  # three votes and the ban
    assert settler.bans([ban]) == {ban}
    assert settler.looked_at == 4
    other = scene.ballot(ban, "ban", "M1", ["A0", "A1", "A2"])
    assert settler.bans([other]) == {ban, other}
    assert list(settler._chronicles) == [mask(scene, ban), mask(scene, other)]
    assert settler.begun == []


def test_the_fate_of_what_nothing_is_concurrent_with_is_told_without_settling(group: Found) -> None:
    scene = group(4)
    added = scene.write(scene.tip, "A0", "add", "X")
    beside = [scene.write(added, who, "add", "Y") for who in ("A1", "A2")]
    tip = scene.write(scene.world.merge(*beside), "A0", "add", "Z")
    settler = cold(scene)
    for commit in (scene.world.root, scene.tip, added, tip):
        assert settler.fate(commit, [tip]) is None
        assert settler.fate(commit, [tip, scene.tip]) is None
    assert settler.begun == []
    assert settler.fate(max(beside), [tip]) == Fate("bad-add", min(beside))
    assert settler.begun == [mask(scene, *beside)]


def test_a_fate_is_told_where_it_was_decided_and_not_of_all_that_came_after(group: Found) -> None:
    """Whatever other commits this node happened to take in between."""
    scene = group(4)
    aside = scene.write(scene.tip, "A3", "add", "N")
    beside = [scene.write(scene.tip, who, "add", "Y") for who in ("A1", "A2")]
    aside = scene.write(aside, "A3", "add", "O")
    middle = scene.write(scene.world.merge(*beside), "A0", "add", "Z")
    later = [scene.write(middle, who, "add", "V") for who in ("A1", "A2")]
    settler = cold(scene)
    assert settler.fate(max(beside), later) == Fate("bad-add", min(beside))
    assert settler.fate(min(beside), later) is None
    assert settler.begun == [mask(scene, *beside)]
    assert settler.fate(max(later), later) == Fate("bad-add", min(later))
    assert settler.fate(middle, later) is None
    assert settler.begun == [mask(scene, *beside), mask(scene, *later)]


def test_changed_fates_are_told_by_id_and_asked_only_of_what_is_still_open(group: Found) -> None:
    scene = group(4)
    first = scene.write(scene.tip, "A3", "add", "X")
    salt = next(salt for salt in range(99) if name((first,), "A3", 1, ("add", "Y"), salt) < first)
    second = scene.write(first, "A3", "add", "Y", salt=salt)
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    settler = cold(scene)
    changed = settler.changed_fates([second], [second, ban])
    assert list(changed) == [second, first]
    assert set(settler.asked) == {first, second}
    merged = scene.write(scene.world.merge(second, ban), "A0", "add", "Z")
    late = scene.write(merged, "A1", "add", "V")
    settler.asked.clear()
    assert settler.changed_fates([merged], [late]) == {}
    assert settler.asked == []


# --- comparisons


def test_two_bans_are_compared_once_whichever_is_asked_about_first(group: Found) -> None:
    scene = group(4)
    bans = [scene.ballot(scene.tip, "ban", f"A{number}", ["A1", "A2", f"A{3 - number}"]) for number in (0, 3)]
    for one, other in (bans, bans[::-1]):
        settler = cold(scene)
        a, b = (scene.world.history[ban] for ban in (one, other))
        assert settler._answer(settler.precedes(a, b)) is not settler._answer(settler.precedes(b, a))
        assert len(settler.compared) == 1
        assert settler._answer(settler.precedes(a, b)) is (settler.precedence(one, other).first == one)


def test_so_many_comparisons_are_remembered_and_no_more(group: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "_PRECEDENCES_KEPT", 2)
    scene = group(5)
    bans = [scene.ballot(scene.tip, "ban", "A4", ["A0", "A1", f"A{number}"], salt=number) for number in (2, 3)]
    bans.append(scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"]))
    a, b, c = (scene.world.history[ban] for ban in bans)
    settler = cold(scene)
    for pair, known in (((a, b), 1), ((a, c), 2), ((a, b), 2), ((b, c), 1)):
        settler._answer(settler.precedes(*pair))
        assert len(settler._precedences) == known
    assert len(settler.compared) == 3


def test_bans_that_the_most_senior_voter_voted_for_both_go_by_id(group: Found) -> None:
    for salt in range(3):
        scene = group(4, 1)
        one = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"], salt=salt)
        two = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1", "A2"], salt=salt)
        told = scene.world.settler.precedence(one, two)
        assert told == Precedence(min(one, two), codes.Edge.ID, frozenset(), frozenset())


def test_a_text_that_both_had_seen_is_none_that_a_voter_wrote_on_the_other_line(group: Found) -> None:
    scene = group(5)
    text = scene.write(scene.tip, "A0", "text", "before they parted")
    one = scene.ballot(text, "ban", "A4", ["A0", "A1", "A2", "A3"])
    two = scene.ballot(text, "ban", "A0", ["A4", "A2", "A3"])
    told = scene.world.settler.precedence(one, two)
    assert (told.first, told.edge) == (one, codes.Edge.VOTERS)
    names = [{scene.world.name_of(voter) for voter in side} for side in (told.ours, told.theirs)]
    assert names == [{"A0", "A1"}, {"A4"}]


def test_lines_are_compared_alike_whether_they_are_remembered_or_not(
    group: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = group(5)
    text = scene.write(scene.tip, "A3", "text", "elsewhere")
    aside = scene.write(scene.tip, "A1", "text", "and here")
    short = scene.ballot(scene.tip, "ban", "A4", ["A0", "A1", "A2"])
    long = scene.ballot(scene.world.merge(text, aside), "ban", "A0", ["A4", "A2", "A3"])
    wanted = scene.world.settler.precedence(short, long)
    assert (wanted.first, wanted.edge) == (long, codes.Edge.VOTERS)
    names = [{scene.world.name_of(voter) for voter in side} for side in (wanted.ours, wanted.theirs)]
    assert names == [{"A3", "A4"}, {"A0"}]  # A1 wrote behind the long line, A2 voted on both
    for limit in (1, 3, 4, 5, 6, 64):
        monkeypatch.setattr(settling, "_STRETCH_MAX", limit)
        for one, other in ((short, long), (long, short)):
            assert cold(scene).precedence(one, other) == wanted


@pytest.mark.parametrize(("limit", "walks"), [(3, 3), (2, 3 + 6)])
def test_a_line_is_walked_once_for_all_comparisons_unless_it_is_too_long(
    group: Found, monkeypatch: pytest.MonkeyPatch, limit: int, walks: int
) -> None:
    """A line: what is behind the ban itself since the last control commit that it shares."""
    monkeypatch.setattr(settling, "_STRETCH_MAX", limit)
    scene = group(4, 1)
    bans = [scene.ballot(scene.tip, "ban", "M0", ["A0", "A1", "A2"], salt=salt) for salt in range(3)]
    history, settler, walked = scene.world.history, cold(scene), []
    missing = history.missing

    def noted(wants: Any, haves: Any) -> Any:
        walked.append(wants)
        return missing(wants, haves)

    monkeypatch.setattr(history, "missing", noted)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        settler.precedence(bans[one], bans[other])
    assert len(walked) == walks


# --- replays of the past of a ban


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The masks that were replayed."""
    noted: list[int] = []

    def note(history: Any, start: Any, window: int, void: int) -> Any:
        noted.append(window)
        return replay(history, start, window, void)

    monkeypatch.setattr(settling, "replay", note)
    return noted


def admins(scene: Scene, settler: Settler, ban: CommitId, *void: CommitId, window: int) -> set[str]:
    found = settler.admins_before(scene.world.history[ban], sum(bit(scene, commit) for commit in void), window)
    return {scene.world.name_of(account) for account in found}


def test_the_admins_before_a_ban_whose_past_is_undisputed_are_those_of_its_parent(
    group: Found, replays: list[int]
) -> None:
    scene = group(4)
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    window = mask(scene, ban) & ~mask(scene, scene.tip)
    settler = cold(scene)
    replays.clear()
    assert admins(scene, settler, ban, window=window) == {"A0", "A1", "A2", "A3"}
    assert replays == []


def test_a_replay_begins_before_what_is_void_and_is_done_once(
    group: Found, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_REPLAYS_KEPT", 2)
    scene = group(4)
    adds = [scene.tip]
    for number in range(3):
        adds.append(scene.write(adds[-1], "A0", "add", f"X{number}"))
    ban = scene.ballot(adds[-1], "ban", "A3", ["A0", "A1", "A2"])
    past = mask(scene, ban) & ~bit(scene, ban)
    window = mask(scene, ban) & ~mask(scene, scene.tip)
    settler = cold(scene)
    replays.clear()
    for void, start, known in ((3, 2, 1), (2, 1, 2), (1, 0, 1)):
        replays.clear()
        for _ in range(2):
            assert admins(scene, settler, ban, adds[void], window=window) == {"A0", "A1", "A2", "A3"}
        assert replays == [past & ~mask(scene, adds[start])]
        assert len(settler._admins) == known


def test_the_ban_itself_is_no_part_of_its_past(group: Found, replays: list[int]) -> None:
    scene = group(4)
    add = scene.write(scene.tip, "A0", "add", "X")
    ban = scene.ballot(add, "ban", "A3", ["A0", "A1", "A2"])
    window = mask(scene, ban) & ~mask(scene, scene.tip)
    assert admins(scene, cold(scene), ban, add, window=window) == {"A0", "A1", "A2", "A3"}


def test_a_replay_begins_before_a_ban_that_had_company_and_after_one_that_had_none(
    group: Found, replays: list[int]
) -> None:
    for company in (False, True):
        scene = group(4, 2)
        lone = scene.write(scene.tip, "A1", "add", "U")
        first = scene.ballot(lone, "ban", "M0", ["A0", "A1", "A2"])
        beside = [scene.write(lone, "A3", "add", "V")] if company else []
        seen = scene.world.merge(first, *beside)
        third = scene.write(seen, "A1", "add", "W")
        void = scene.write(third, "A1", "add", "Z")
        ban = scene.ballot(void, "ban", "A3", ["A0", "A1", "A2"])
        window = mask(scene, ban) & ~mask(scene, scene.tip)
        past = mask(scene, ban) & ~bit(scene, ban)
        settler = cold(scene)
        for gone, start in (((void,), lone if company else third), ((), lone if company else None)):
            replays.clear()
            assert admins(scene, settler, ban, *gone, window=window) == {"A0", "A1", "A2", "A3"}
            assert replays == ([] if start is None else [past & ~mask(scene, start)])


def test_other_work_that_had_company_is_settled_and_so_is_what_lies_before_the_window(
    group: Found, replays: list[int]
) -> None:
    scene = group(4, 2)
    old = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1", "A2"])
    older = scene.write(scene.tip, "A3", "add", "U")
    begin = scene.write(scene.world.merge(old, older), "A0", "add", "V")
    work = [scene.write(begin, who, "add", "W") for who in ("A1", "A2")]
    third = scene.write(scene.world.merge(*work), "A1", "add", "Y")
    void = scene.write(third, "A1", "add", "Z")
    ban = scene.ballot(void, "ban", "A3", ["A0", "A1", "A2"])
    window = mask(scene, ban) & ~mask(scene, begin)
    past = mask(scene, ban) & ~bit(scene, ban)
    for gone, start in ((void, third), (third, None), (work[0], None)):
        replays.clear()
        assert admins(scene, cold(scene), ban, gone, window=window) == {"A0", "A1", "A2", "A3"}
        assert replays[-1] == past & ~mask(scene, start or begin)


def test_what_a_ban_made_void_when_it_was_judged_counts_where_that_ban_does_not(
    group: Found, replays: list[int]
) -> None:
    """A promotion beside the ban of who made it: with the ban void, its friend is among the admins."""
    scene = group(1, 4)
    tip = scene.promote(scene.tip, "M0", ["A0"])
    tip = scene.promote(tip, "M1", ["A0", "M0"])
    first = scene.ballot(tip, "ban", "A0", ["M0", "M1"])
    beside = scene.write(scene.tip, "A0", "promote", "M2", salt="fork")
    second = scene.ballot(scene.world.merge(first, beside), "ban", "M3", ["M0", "M1"])
    window = mask(scene, second) & ~mask(scene, scene.tip)
    assert admins(scene, cold(scene), second, window=window) == {"M0", "M1", "M2"}
    assert admins(scene, cold(scene), second, first, window=window) == {"A0", "M0", "M1", "M2"}
    assert admins(scene, cold(scene), second, first, beside, window=window) == {"A0", "M0", "M1"}
