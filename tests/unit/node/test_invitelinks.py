from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.errors import UsageError
from swarmchat.ids import AccountId, ConversationId
from swarmchat.node.invitelinks import InviteLink, parse_link

ROOM, ANN = ConversationId("c" * 40), AccountId("a" * 40)


@pytest.mark.parametrize(
    "link",
    [
        InviteLink(ROOM),
        InviteLink(ROOM, ANN),
        InviteLink(ROOM, ANN, (Address("192.0.2.7", 4000), Address("fe80::1%eth0", 4001), Address("a.example", 1))),
    ],
)
def test_a_link_is_read_as_it_was_written(link: InviteLink) -> None:
    assert parse_link(str(link)) == link


def test_unknown_parameters_are_ignored_and_addresses_bounded() -> None:
    many = "&".join(f"at=192.0.2.1:{port}" for port in range(1, 40))
    link = parse_link(f"swarm:{ROOM}?colour=red&{many}")
    assert link.inviter is None
    assert len(link.addresses) == limits.ADDRESSES_PER_DEVICE_MAX


@pytest.mark.parametrize(
    "text",
    [
        "http://x",
        "swarm:",
        "swarm:" + "c" * 39,
        f"swarm:{ROOM}?from=x",
        f"swarm:{ROOM}?from={ANN}&from={ANN}",
        f"swarm:{ROOM}?at=nonsense",
        f"swarm:{ROOM}?novalue",
        f"swarm:{ROOM}?" + "&".join("a=1" for _ in range(65)),
        f"swarm:{ROOM}?" + "x" * limits.LINK_CHARS_MAX,
    ],
)
def test_what_is_no_link_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="link"):
        parse_link(text)
