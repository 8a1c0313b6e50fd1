"""Groups of Status clients for tests: who is who, and events that they sign."""

from __future__ import annotations

from typing import Final

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.status import chat_ids, events
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.wire import EventType, MembershipUpdateEvent
from tests.support.status_vectors import SECRETS

ANN, BOB, EVE = (SECRETS[name] for name in "ABC")
DAN: Final = Secret(b"\x33" * 32)
NOW_MS: Final = 1_700_000_000_000
CHAT: Final = chat_ids.made(b"a group of ours!", ANN.public)


def event(
    kind: EventType | int, by: Secret, clock: int, *members: Secret | str, chat: str = CHAT, **said: str | bytes
) -> SignedEvent:
    """An event by somebody about these members; `said` is a name, a color, an image."""
    spelt = tuple(each if isinstance(each, str) else each.public.legacy for each in members)
    return events.sign(MembershipUpdateEvent(clock=clock, type=kind, members=spelt, **said), chat, by)  # type: ignore[arg-type]


def founded() -> list[SignedEvent]:
    """Ann made the group (clock 1), let Bob and Dan in (2) and made Dan an admin (3). Eve is a stranger."""
    return [
        event(EventType.CHAT_CREATED, ANN, 1, name="Garden", color="#fa6565"),
        event(EventType.MEMBERS_ADDED, ANN, 2, BOB, DAN),
        event(EventType.ADMINS_ADDED, ANN, 3, DAN),
    ]
