"""What `doctor` says of the clock. (SCP-08 §2.6)"""

from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.node import checkup

NOW = float(limits.BUILT_S)
LINKS_S, DHT_S = float(limits.FUTURE_TOLERANCE_S), float(limits.DHT_AHEAD_MAX_S)


@pytest.mark.parametrize(
    ("now", "linked", "dht", "state", "words"),
    [
        (NOW - 1, [], [], "fault", "set before this program was made"),
        (NOW, [], [], "ok", "no linked device to compare with"),
        (NOW, [LINKS_S, -LINKS_S, 999.0], [], "ok", "agrees with 2 of 3 linked devices"),
        (NOW, [0.0, 999.0], [], "ok", "agrees with 1 of 2 linked devices"),
        (NOW, [-LINKS_S - 1], [], "fault", "1 of 1 linked devices are -301 s from this machine"),
        (NOW, [0.0], [DHT_S, -DHT_S, 0.0, 0.0, 0.0], "ok", "agrees with 1 of 1 linked devices"),
        (NOW, [], [DHT_S, DHT_S, 0.0, 200.0, 200.0], "ok", "no linked device"),
        (NOW, [0.0], [0.0, 0.0, 121.0, 130.0, 140.0], "warning", "3 of 5 networks of the DHT are +130 s from"),
        (NOW, [-999.0], [-999.0] * 5, "fault", "1 of 1 linked devices are -999 s"),
    ],
)
def test_a_clock_that_most_others_contradict_is_told_with_a_hint(
    now: float, linked: list[float], dht: list[float], state: str, words: str
) -> None:
    found = checkup.of_clock(now, linked, dht)
    assert (found.check, found.state, words in found.found) == ("clock", state, True), found
    assert (found.hint is None) is (state == "ok")
