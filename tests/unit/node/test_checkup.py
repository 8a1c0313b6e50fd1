"""What `doctor` says of the clock. (SCP-08 §2.6)"""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.node import checkup
from swarmchat.node.config import Config

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


LAN, ONLY_HERE = Address("192.168.1.7", 4000), Address("127.0.0.1", 4000)


@pytest.mark.parametrize(
    ("listens", "told", "refused", "state", "words"),
    [
        ([Address("0.0.0.0", 4000)], [LAN], {}, "ok", "answers at 192.168.1.7:4000"),
        ([Address("0.0.0.0", 4000)], [], {}, "warning", "no network now"),
        ([Address("0.0.0.0", 4000)], [ONLY_HERE], {}, "warning", "no network now"),
        ([ONLY_HERE], [ONLY_HERE], {}, "warning", "programs on this machine alone"),
        ([LAN], [LAN], {LAN: "no answer"}, "warning", "does not answer at 192.168.1.7:4000: no answer"),
    ],
)
def test_where_others_may_dial(
    listens: list[Address], told: list[Address], refused: dict[Address, str], state: str, words: str
) -> None:
    found = checkup.of_ports(listens, told, refused)
    assert (found.check, found.state, words in found.found) == ("ports", state, True), found
    assert (found.hint is None) is (state == "ok")


def test_a_router_in_between_is_named_with_the_ports_to_forward() -> None:
    assert checkup.of_reach(None, 4222, [4000]) is None
    assert checkup.of_reach(True, 4222, [4000]).state == "ok"
    found = checkup.of_reach(False, 4222, [4001, 4000, 4000])
    assert (found.check, found.state) == ("nat", "warning")
    assert "forward UDP 4222 and TCP 4000, TCP 4001 to this machine" in found.hint


def test_http_is_looked_at_where_it_is_wanted(tmp_path: Path) -> None:
    here, everywhere = Address("127.0.0.1", 8080), Address("0.0.0.0", 8080)
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    for path in (key, certificate):
        path.write_text("x")
        path.chmod(0o600)
    files = {"api_tls_certificate": str(certificate), "api_tls_key": str(key)}
    assert checkup.of_http(Config()) is None
    assert checkup.of_http(Config(api_http=here)).state == "ok"
    assert "without TLS" in checkup.of_http(Config(api_http=everywhere)).found
    assert checkup.of_http(Config(api_http=everywhere, **files)).found.startswith("with TLS")
    for name, path in files.items():
        alone = checkup.of_http(Config(api_http=here, **{name: path}))
        assert (alone.state, "is of no use without" in alone.found) == ("fault", True)
    key.chmod(0o640)
    assert checkup.of_http(Config(api_http=everywhere, **files)).hint == f"chmod 600 {key}"
    key.unlink()
    assert "api.tls_key" in checkup.of_http(Config(api_http=everywhere, **files)).found
