"""Who stands at the two ends of a link. (SCP-03 §2)"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.keys import PrivateKey
from swarmchat.ids import AccountId, DeviceId


class LinkClass(StrEnum):
    """What a peer is to us; the highest that fits. Judged by the policy, never here. (SCP-03 §2b)"""

    OWN = "own"
    MEMBER = "member"
    INVITEE = "invitee"
    CONTACT = "contact"
    STRANGER = "stranger"
    PAIRING = "pairing"
    REVOKED = "revoked"  # it called, and is told why it gets no link


@dataclass(frozen=True, slots=True)
class Peer:
    """A device that has proved that it holds its key, and the account that vouches for it."""

    device: DeviceId
    account: AccountId
    certificate: Certificate = field(repr=False)
    account_certificate: Certificate = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Ourselves. `boot`: 8 bytes, new at each start of the node, so that peers see a crash. (SCP-03 §2a)"""

    device_key: PrivateKey
    device: Certificate
    account: Certificate
    boot: bytes

    @property
    def peer(self) -> Peer:
        """How the other end sees us."""
        return Peer(self.device.device_id, self.account.account_id, self.device, self.account)
