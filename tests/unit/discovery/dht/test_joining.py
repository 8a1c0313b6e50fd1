from __future__ import annotations

import pytest

from swarmchat.addresses import Address
from swarmchat.discovery.dht.joining import Entrance

ID = "0123456789" * 4


@pytest.mark.parametrize("text", ["host.example:4222", f"192.0.2.7:4222#{ID}", f"[2001:db8::1]:1#{ID}"])
def test_an_entrance_is_written_as_it_is_read(text: str) -> None:
    assert str(Entrance.parse(text)) == text


def test_an_entrance_may_name_its_node() -> None:
    assert Entrance.parse(f"192.0.2.7:4222#{ID}") == Entrance(Address("192.0.2.7", 4222), bytes.fromhex(ID))  # type: ignore[arg-type]
    assert Entrance.parse("192.0.2.7:4222").id is None


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:0", "host:4222#", "host:4222#12", f"host:4222#{ID}00", "host:4222#" + "zz" * 20, "#" + ID],
)
def test_what_is_no_entrance_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Entrance.parse(text)
