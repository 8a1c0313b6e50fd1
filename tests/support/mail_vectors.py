"""SCP-06 §9 and SCP-05 §1.11: mail as it is signed before it is sealed, and who holds an invitation."""

from __future__ import annotations

from swarmchat.addresses import Address
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.swarm import sealed
from swarmchat.swarm.holders import holders
from swarmchat.swarm.mail import (
    Ask,
    Here,
    Letter,
    Mail,
    Notice,
    SwarmInvite,
    TrustAnswer,
    TrustRequest,
    Want,
    Withdrawal,
    encode,
)
from tests.support.certs import ALICE, BOB, NOW

_WHERE, _COMMIT = ConversationId("c0" * 20), CommitId("a1" * 20)
_MAILS: tuple[Mail, ...] = (
    TrustRequest(_WHERE, CommitId(_WHERE), "Alice", NOW * 1000),
    TrustAnswer(_WHERE),
    SwarmInvite(_WHERE, _COMMIT, 1, "Garden", "who waters when", 3, NOW * 1000),
    Withdrawal(_WHERE),
    Ask(_WHERE),
    Notice(_WHERE, _COMMIT, (_COMMIT, CommitId("b2" * 20)), ALICE.device.device_id),
    Want(),
    Here((Address("192.0.2.7", 4000), Address("2001:db8::7", 4001))),
)


def vectors() -> object:
    """Each kind of mail from Alice's device to Bob's, and the holders of one invitation among sixteen devices."""
    devices = [DeviceId(f"{number * 0x1111_1111:08x}" * 8) for number in range(16)]
    invitees = (ALICE.account.account_id, BOB.account.account_id, AccountId("9" * 40))
    return {
        "spec": "SCP-06",
        "mails": [_mail(mail) for mail in _MAILS],
        "holders": [
            {
                "conversation": _WHERE,
                "invitee": each,
                "devices": devices,
                "nearest": list(holders(_WHERE, each, devices)),
            }
            for each in invitees
        ],
    }


def _mail(mail: Mail) -> object:
    plain = sealed.write(
        Letter(mail, NOW),
        account=ALICE.account,
        device=ALICE.device,
        key=ALICE.device_key,
        to=BOB.device.device_id,
    )
    assert isinstance(
        sealed.read(plain, to=BOB.device.device_id, now=NOW, revoked=lambda _: frozenset()), sealed.Opened
    )
    return {
        "mimetype": mail.mimetype,
        "body": dict(encode(mail)),
        "ts": NOW,
        "device_seed": ALICE.device_key.seed.hex(),
        "to": BOB.device.device_id,
        "plain": plain.hex(),
    }
