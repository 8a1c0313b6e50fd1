"""Who has what, from heads that devices told; the roster stands in for a real one."""

from __future__ import annotations

from collections.abc import Mapping

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.index.receipt_rows import Held, Moment, ReadMark
from swarmchat.node.delivery import Arrival, Delivery, Moments, Reached

ANN, BEN, CEM = (AccountId(letter * 40) for letter in "abc")
MINE, BENS, CEMS, LOST = (DeviceId(letter * 64) for letter in "abcd")
ONE, TWO, BESIDE = (CommitId(digit * 40) for digit in "123")
OWNERS = {MINE: ANN, BENS: BEN, CEMS: CEM}


class _Group(Roster):
    def __init__(self) -> None:
        super().__init__(1, {})

    def owner(self, device: DeviceId) -> AccountId | None:
        return OWNERS.get(device)

    def is_joined(self, account: AccountId) -> bool:
        return account != CEM


HISTORY = History(
    [
        Fact(ONE, (), ANN, MINE, 0, "text/plain"),
        Fact(TWO, (ONE,), ANN, MINE, 0, "text/plain"),
        Fact(BESIDE, (ONE,), BEN, BENS, 0, "text/plain"),
    ]
)


def told(heads: dict[DeviceId, tuple[CommitId, ...]], read: dict[DeviceId, CommitId] | None = None) -> Delivery:
    marks = {device: ReadMark(commit, HISTORY.number(commit), 7) for device, commit in (read or {}).items()}
    return Delivery(HISTORY, _Group(), ANN, held(heads), marks)


def held(heads: dict[DeviceId, tuple[CommitId, ...]]) -> dict[DeviceId, Held]:
    return {device: Held(frozenset(named), 9) for device, named in heads.items()}


def test_an_ancestor_of_a_head_is_there_and_what_is_beside_it_is_not() -> None:
    delivery = told({BENS: (BESIDE,)})
    assert delivery.holders(ONE) == {BENS: BEN}
    assert delivery.holders(BESIDE) == {BENS: BEN}
    assert delivery.holders(TWO) == {}


def test_own_devices_strangers_and_those_who_left_do_not_count() -> None:
    assert told({MINE: (TWO,), CEMS: (TWO,), LOST: (TWO,)}).holders(ONE) == {}


def test_unknown_heads_are_skipped() -> None:
    assert told({BENS: (CommitId("9" * 40), ONE)}).holders(ONE) == {BENS: BEN}


def test_written_sent_read() -> None:
    assert told({}).status(TWO).shown() == {"state": "written", "sent": [], "read": []}
    assert told({BENS: (TWO,)}).status(TWO).shown() == {"state": "sent", "sent": [BEN], "read": []}
    assert told({BENS: (TWO,)}, {BENS: TWO}).status(ONE).shown() == {"state": "read", "sent": [BEN], "read": [BEN]}
    assert told({}, {BENS: ONE}).status(TWO).shown()["state"] == "written"


def test_who_wrote_has_what_is_behind_it_though_it_never_told() -> None:
    class Known(_Group):
        @property
        def devices(self) -> dict[DeviceId, AccountId]:
            return OWNERS

    delivery = Delivery(HISTORY, Known(), ANN, {}, {})
    assert delivery.holders(ONE) == {BENS: BEN}
    assert delivery.holders(TWO) == {}
    assert delivery.status(ONE).shown() == {"state": "sent", "sent": [BEN], "read": []}


class _Pair(Roster):
    """Ann with two devices, Ben with two, Cem invited."""

    def __init__(self) -> None:
        super().__init__(1, {})

    joined = frozenset({ANN, BEN})
    invited = frozenset({CEM})
    devices: Mapping[DeviceId, AccountId] = {MINE: ANN, LOST: ANN, BENS: BEN, CEMS: BEN}

    def owner(self, device: DeviceId) -> AccountId | None:
        return self.devices.get(device)

    def devices_of(self, account: AccountId) -> list[DeviceId]:
        return [device for device, owner in self.devices.items() if owner == account]

    def is_joined(self, account: AccountId) -> bool:
        return account in self.joined


def chain(*authors: tuple[AccountId, DeviceId]) -> tuple[History, list[CommitId]]:
    """A history of one message after the other, at 1 s, 2 s …"""
    ids = [CommitId(f"{number:040x}") for number in range(1, len(authors) + 1)]
    facts = [
        Fact(ids[at], tuple(ids[at - 1 : at]) if at else (), account, device, at + 1, "text/plain")
        for at, (account, device) in enumerate(authors)
    ]
    return History(facts), ids


def moments(*rows: tuple[int, CommitId]) -> list[Moment]:
    return [Moment(at, frozenset({commit})) for at, commit in rows]


def test_each_device_has_a_message_since_the_first_moment_that_covers_it() -> None:
    history, ids = chain(*[(ANN, MINE)] * 4)
    told = Moments({BENS: moments((10, ids[1]), (20, ids[3]))}, {BENS: moments((30, ids[1]))})
    marks = {BENS: ReadMark(ids[1], 1, 30)}
    delivery = Delivery(history, _Pair(), ANN, {BENS: Held(frozenset({ids[3]}), 20)}, marks)
    rows = {commit: delivery.reached(commit, MINE, told) for commit in ids}
    assert [row.account for row in rows[ids[0]]] == [ANN, BEN, CEM]
    assert rows[ids[0]] == [
        Reached(ANN, "–", ()),
        Reached(BEN, "read", (Arrival(BENS, 10, 30),)),
        Reached(CEM, "–", ()),
    ]
    assert rows[ids[1]][1] == Reached(BEN, "read", (Arrival(BENS, 10, 30),))
    assert rows[ids[2]][1] == rows[ids[3]][1] == Reached(BEN, "sent", (Arrival(BENS, 20, None),))


def test_without_moments_the_time_of_the_last_word_stands_for_it() -> None:
    history, ids = chain(*[(ANN, MINE)] * 2)
    marks = {CEMS: ReadMark(ids[0], 0, 40)}
    delivery = Delivery(history, _Pair(), ANN, {BENS: Held(frozenset({ids[1]}), 20)}, marks)
    assert delivery.reached(ids[0], MINE, Moments())[1].arrivals == (Arrival(BENS, 20, None), Arrival(CEMS, None, 40))
    assert delivery.reached(ids[1], MINE, Moments())[1] == Reached(BEN, "sent", (Arrival(BENS, 20, None),))


def test_who_wrote_on_top_of_it_had_it_by_then() -> None:
    history, ids = chain((ANN, MINE), (BEN, BENS), (ANN, MINE), (BEN, BENS), (BEN, BENS))
    delivery = Delivery(history, _Pair(), ANN, {}, {})
    assert delivery.reached(ids[0], MINE, Moments())[1].arrivals == (Arrival(BENS, 2_000, None),)
    assert delivery.reached(ids[2], MINE, Moments())[1].arrivals == (Arrival(BENS, 4_000, None),)
    late = Moments({BENS: moments((1_500, ids[0]))}, {})
    assert delivery.reached(ids[0], MINE, late)[1].arrivals == (Arrival(BENS, 1_500, None),)


def test_what_nobody_else_has_is_written_and_what_others_wrote_is_ours() -> None:
    history, ids = chain((BEN, BENS), (ANN, MINE))
    delivery = Delivery(history, _Pair(), ANN, {LOST: Held(frozenset({ids[1]}), 5)}, {MINE: ReadMark(ids[0], 0, 6)})
    assert delivery.reached(ids[1], MINE, Moments()) == [
        Reached(ANN, "–", (Arrival(LOST, 5, None),)),
        Reached(BEN, "written", ()),
        Reached(CEM, "–", ()),
    ]
    assert [row.state for row in delivery.reached(ids[0], MINE, Moments())] == ["read", "–", "–"]
    unread = Delivery(history, _Pair(), ANN, {}, {})
    assert [row.state for row in unread.reached(ids[0], MINE, Moments())] == ["sent", "–", "–"]


def test_an_account_has_read_as_far_as_the_furthest_of_its_devices() -> None:
    history, ids = chain(*[(ANN, MINE)] * 3)
    marks = {MINE: ReadMark(ids[0], 9, 1), LOST: ReadMark(ids[2], 2, 1), BENS: ReadMark(ids[1], 1, 1)}
    delivery = Delivery(history, _Pair(), ANN, {}, marks)
    found = delivery.furthest()
    assert found[ANN] == marks[LOST], "by the order as it is now, whatever was written once"
    assert found == {ANN: marks[LOST], BEN: marks[BENS]}
