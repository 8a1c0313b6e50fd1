"""Who has what, from heads that devices told; the roster stands in for a real one."""

from __future__ import annotations

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.node.delivery import Delivery

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
    return Delivery(HISTORY, _Group(), ANN, heads, read or {})


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
