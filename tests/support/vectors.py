"""The vector sets: what an implementation in another language can be tested against.

Each set is a function without arguments that returns plain JSON values, the same every time; `SETS` gives it its name.
`scripts/vectors` writes each to `tests/vectors/<name>.json`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from swarmchat.conversation.rejection import Rejection
from swarmchat.crypto import sealing, sshsig
from swarmchat.crypto.certificates import Certificate, CertificateError, check_chain, issue_account, issue_device
from swarmchat.crypto.exchange import exchange_public
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.letters import open_letter
from swarmchat.crypto.padding import pad
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from swarmchat.crypto.veil import unveil, veil
from swarmchat.discovery.blinding import DhtKey, Purpose, blinded_key, bucket, reading
from swarmchat.discovery.dht.identity import find_node_key, solves
from swarmchat.discovery.dht.records import Kind, owned_key, pseudonym, work, write
from tests.support import dht_wire, hpke, mail_vectors
from tests.support.builders import object_id
from tests.support.certs import ACCOUNT_FORGERY, ALICE, BOB, DAY, DEVICE_FORGERY, NOW
from tests.support.stories import STORIES

FOLDER = Path(__file__).parent.parent / "vectors"


def render(name: str) -> str:
    """The text of one set's file."""
    return json.dumps(SETS[name](), indent=1, ensure_ascii=False) + "\n"


def identity() -> object:
    """SCP-01: keys, ids, certificates, chains, revocation lists, commit signatures, archives."""
    renewed = issue_device(ALICE.account_key, ALICE.account, ALICE.device_key.public, now=NOW + DAY, renewal=3)
    return {
        "spec": "SCP-01",
        "keys": [_key(seed) for seed in (bytes(32), bytes(range(32)), ALICE.account_key.seed, ALICE.device_key.seed)],
        "accounts": [
            _account(ALICE.account_key, NOW, b"alice".ljust(16, b".")),
            _account(BOB.account_key, NOW, b"bob".ljust(16, b".")),
            _account(ALICE.account_key, 2_524_608_000, bytes(16)),  # dates from 2050 on take another form
        ],
        "devices": [
            {
                "account_seed": ALICE.account_key.seed.hex(),
                "account": ALICE.account.pem.decode(),
                "device_spki": ALICE.device_key.public.spki.hex(),
                "now": now,
                "renewal": renewal,
                "serial": f"{certificate.serial:x}",
                "pem": certificate.pem.decode(),
            }
            for certificate, now, renewal in ((ALICE.device, NOW, 0), (renewed, NOW + DAY, 3))
        ],
        "chains": _chains(renewed),
        "refused_certificates": _refused(),
        "revocation_lists": [_revocations(number, devices) for number, devices in _LISTS],
        "signatures": [_signature(payload) for payload in ("", "hello\n", "tree 4b825dc\n\n{\"body\":\"grüß dich\"}")],
        "archives": [_archive("correct horse battery staple"), _archive("café")],
    }  # fmt: skip


def commits() -> object:
    """SCP-02 §2–§5: conversations told commit by commit, each accepted or refused with its reason."""
    blobs: dict[str, str] = {}
    conversations = []
    for story in STORIES:
        room = story()
        told = []
        for raw, changes, outcome in room.offered:
            if len(raw) > _VECTOR_COMMIT_BYTES_MAX:
                continue
            for content in changes.values():
                if content is not None:
                    blobs[object_id("blob", content)] = base64.b64encode(content).decode()
            told.append(
                {
                    "id": object_id("commit", raw),
                    "commit": base64.b64encode(raw).decode(),
                    "changes": {
                        path: None if content is None else object_id("blob", content)
                        for path, content in sorted(changes.items())
                    },
                    "refused": None
                    if not isinstance(outcome, Rejection)
                    else {"reason": outcome.reason.code, "rule": outcome.rule, "path": outcome.path},
                }
            )
        conversations.append({"about": story.__doc__, "conversation": room.conversation, "commits": told})
    return {"spec": "SCP-02", "conversations": conversations, "blobs": dict(sorted(blobs.items()))}


def dht() -> object:
    """SCP-05 §1.2, §1.3, §1.7: blinded keys and their hours, nodes, records, veils and letters."""
    account, device = bytes.fromhex(ALICE.account.account_id), bytes.fromhex(ALICE.device.device_id)
    return {
        "spec": "SCP-05",
        "keys": [
            {"purpose": purpose, "id": id_bytes.hex(), "bucket": 483_333, "key": blinded_key(purpose, id_bytes, 483_333).hex()}
            for purpose, id_bytes in zip(Purpose, (account, account, device, device, bytes(range(20)), device), strict=True)
        ],
        "buckets": [
            {"now": now, "writing": bucket(now), "reading": list(reading(now))}
            for now in (0, *(483_333 * 3600 + second for second in (-181, -180, -1, 0, 719, 720)))
        ],
        "nodes": [_node(bytes(31) + bytes([number])) for number in range(3)],
        "records": _records(blinded_key(Purpose.MAILBOX, device, 483_333)),
        "veils": [_veil(payload) for payload in (b"", b"a card", bytes(254), bytes(255), bytes(3582))],
        "letters": [_letter(payload) for payload in (b"", b"a mail", bytes(254), bytes(255), bytes(3582))],
    }  # fmt: skip


_VECTOR_COMMIT_BYTES_MAX = 16_384  # one refused for its size would be most of the file

SETS: dict[str, Callable[[], object]] = {
    "identity": identity,
    "commits": commits,
    "dht": dht,
    "dht-wire": dht_wire.vectors,
    "mail": mail_vectors.vectors,
}


_LISTS = (
    (1, ()),
    (2, (device_prefix(ALICE.device.device_id),)),
    (9, (device_prefix(ALICE.device.device_id), device_prefix(BOB.device.device_id))),
)


def _key(seed: bytes) -> object:
    public = PrivateKey.from_seed(seed).public
    return {
        "seed": seed.hex(),
        "raw": public.raw.hex(),
        "spki": public.spki.hex(),
        "account_id": public.account_id,
        "device_id": public.device_id,
    }


def _account(key: PrivateKey, now: int, entropy: bytes) -> object:
    certificate = issue_account(key, now=now, entropy=entropy)
    return {"seed": key.seed.hex(), "now": now, "entropy": entropy.hex(), "pem": certificate.pem.decode()}


def _chains(renewed: Certificate) -> list[object]:
    mine = device_prefix(ALICE.device.device_id)
    cases: list[tuple[Certificate, Certificate, int, tuple[bytes, ...]]] = [
        (ALICE.device, ALICE.account, NOW, ()),
        (ALICE.device, ALICE.account, ALICE.device.not_before, ()),
        (ALICE.device, ALICE.account, ALICE.device.not_before - 1, ()),
        (ALICE.device, ALICE.account, ALICE.device.not_after, ()),
        (ALICE.device, ALICE.account, ALICE.device.not_after + 1, ()),
        (ALICE.device, ALICE.account, NOW, (mine,)),
        (renewed, ALICE.account, NOW, ()),
        (renewed, ALICE.account, NOW, (mine,)),
        (ALICE.device, BOB.account, NOW, ()),
        (ALICE.account, ALICE.account, NOW, ()),
        (ALICE.device, ALICE.device, NOW, ()),
        (replace(DEVICE_FORGERY, signer=BOB.account_key).make(), ALICE.account, NOW, ()),
        (replace(DEVICE_FORGERY, user_id=BOB.device.subject_id).make(), ALICE.account, NOW, ()),
        (replace(DEVICE_FORGERY, serial=5).make(), ALICE.account, NOW, ()),
        (ALICE.device, replace(ACCOUNT_FORGERY, signer=BOB.account_key).make(), NOW, ()),
    ]
    answers: list[object] = []
    for device, account, at, revoked in cases:
        fault = check_chain(device, account, at=at, revoked=frozenset(revoked))
        answers.append(
            {
                "device": device.pem.decode(),
                "account": account.pem.decode(),
                "at": at,
                "revoked": [prefix.hex() for prefix in revoked],
                "fault": fault.value if fault else None,
            }
        )
    return answers


def _refused() -> list[object]:
    pem = ALICE.device.pem
    cases = {
        "no final line feed": pem[:-1],
        "carriage returns": pem.replace(b"\n", b"\r\n"),
        "two certificates": pem + ALICE.account.pem,
        "text before it": b"CN = swarmchat device\n" + pem,
        "lines of 76 characters": b"-----BEGIN CERTIFICATE-----\n"
        + base64.encodebytes(ALICE.device.der)
        + b"-----END CERTIFICATE-----\n",
        "upper-case id": _pem(replace(DEVICE_FORGERY, user_id=ALICE.device.subject_id.upper()).der()),
        "another common name": _pem(replace(DEVICE_FORGERY, common_name="device").der()),
        "no extensions": _pem(replace(DEVICE_FORGERY, extensions=()).der()),
        "a byte after it": _pem(ALICE.device.der + b"\0"),
    }
    for why, data in cases.items():
        try:
            Certificate.from_pem(data)
        except CertificateError:
            continue
        raise AssertionError(f"accepted: {why}")
    return [{"why": why, "pem": data.decode()} for why, data in cases.items()]


def _pem(data: bytes) -> bytes:
    text = base64.b64encode(data)
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"


def _revocations(number: int, devices: tuple[bytes, ...]) -> object:
    made = issue_revocations(ALICE.account_key, ALICE.account, devices, number=number, now=NOW)
    return {
        "account_seed": ALICE.account_key.seed.hex(),
        "account": ALICE.account.pem.decode(),
        "number": number,
        "now": NOW,
        "revoked": sorted(prefix.hex() for prefix in made.revoked),
        "der": base64.b64encode(made.der).decode(),
    }


def _signature(payload: str) -> object:
    key = ALICE.device_key
    return {
        "seed": key.seed.hex(),
        "payload": payload,
        "signed_bytes": sshsig.signed_bytes(payload.encode()).hex(),
        "armour": sshsig.sign(key, payload.encode()),
        "allowed_signer": sshsig.allowed_signers_line(key.public.device_id, key.public),
    }


def _archive(password: str) -> object:
    document, salt, nonce = '{"swarmchat":"archive"}', bytes(range(16)), bytes(range(12))
    return {
        "password": password,
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "document": document,
        "sealed": base64.b64encode(sealing.seal_archive(document.encode(), password, salt=salt, nonce=nonce)).decode(),
    }


def _node(start: bytes) -> object:
    found = find_node_key(lambda count: start, lambda tries: None, 8)
    public = found.public
    return {"seed": found.private.seed.hex(), "public": public.hex(), "id": found.id.hex(), "solves_8_bits": solves(public, 8)}  # fmt: skip


def _records(key: DhtKey) -> list[object]:
    secret = bytes(range(32))
    mailbox, owner = pseudonym(secret, key), ALICE.device_key
    owned = owned_key(owner.public.raw, b"salt")
    made = [
        work(write(Kind.MAILBOX, key, mailbox, b"sealed", seq=7, created=NOW, ttl=600), 8),
        work(write(Kind.MAILBOX, key, mailbox, bytes(3840), seq=2**63 - 1, created=NOW, ttl=1, salt=bytes(16)), 4),
        write(Kind.OWNED, owned, owner, b"mine", seq=0, created=0, ttl=60, salt=b"salt"),
    ]
    return [
        {
            "kind": record.kind,
            "key": record.key.hex(),
            "writer": record.writer.hex(),
            "secret": secret.hex() if record.kind is Kind.MAILBOX else None,
            "salt": record.salt.hex(),
            "seq": record.seq,
            "created": record.created,
            "ttl": record.ttl,
            "data": record.data.hex(),
            "nonce": record.nonce,
            "bits": record.bits,
            "digest": record.digest.hex(),
            "encoded": base64.b64encode(record.encoded).decode(),
        }
        for record in made
    ]


def _veil(payload: bytes) -> object:
    account, nonce = bytes.fromhex(ALICE.account.account_id), bytes(range(12))
    key = blinded_key(Purpose.PRESENCE, account, 483_333)
    veiled = veil(payload, account, purpose=Purpose.PRESENCE, bucket=483_333, key=key, nonce=nonce)
    assert unveil(veiled, account, purpose=Purpose.PRESENCE, bucket=483_333, key=key) == payload
    return {
        "id": account.hex(),
        "purpose": Purpose.PRESENCE,
        "bucket": 483_333,
        "key": key.hex(),
        "nonce": nonce.hex(),
        "payload": payload.hex(),
        "veiled": base64.b64encode(veiled).decode(),
    }


def _letter(payload: bytes) -> object:
    """Sealed by the second opinion, which takes a given one-time key, and opened by ours, whose own dice cannot be held."""
    device, private, one_time = bytes.fromhex(ALICE.device.device_id), bytes(range(32)), bytes(range(32, 64))
    key = blinded_key(Purpose.MAILBOX, device, 483_333)
    info = b"swarmchat/seal/1mailbox\0" + device + key
    sealed = hpke.seal(pad(payload), exchange_public(private), one_time, info)
    assert open_letter(sealed, [private], purpose=Purpose.MAILBOX, device=device, key=key) == payload
    return {
        "recipient_private": private.hex(),
        "recipient": exchange_public(private).hex(),
        "one_time_private": one_time.hex(),
        "purpose": Purpose.MAILBOX,
        "device": device.hex(),
        "key": key.hex(),
        "payload": payload.hex(),
        "sealed": base64.b64encode(sealed).decode(),
    }
