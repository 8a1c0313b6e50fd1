from __future__ import annotations

from swarmchat.discovery.dht.counters import Counters


def test_sums_stand_under_their_full_names_beside_present_values() -> None:
    counters = Counters()
    counters.add("rpc_sent_total", 1, "ping")
    counters.add("rpc_sent_total", 1, "ping")
    counters.add("rpc_rtt_seconds_sum", 0.5)
    assert counters.total("rpc_sent_total", "ping") == 2
    assert counters.rendered({("contacts", "ipv4"): 7.0}) == {
        'swarmchat_dht_contacts{family="ipv4"}': 7.0,
        "swarmchat_dht_rpc_rtt_seconds_sum": 0.5,
        'swarmchat_dht_rpc_sent_total{method="ping"}': 2,
    }
