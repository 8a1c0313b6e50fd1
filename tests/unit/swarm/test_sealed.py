"""Letters in a mailbox: read as written by who is meant, and by nobody who was lied to. (SCP-06 §9)"""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import msgpack
import pytest

from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.crypto.padding import PAYLOAD_BYTES_MAX
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import DESCRIPTION_CHARS_MAX, TITLE_CHARS_MAX
from swarmchat.swarm import sealed
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Ask, Letter, Mail, Notice, SwarmInvite
from swarmchat.swarm.sealed import LetterFault, Opened

NOW = 1_790_000_000
WHERE = ConversationId("c" * 40)
ASK = Letter(Ask(WHERE), NOW)


def made(name: str) -> Account:
    return accounts.create(name=name, now=NOW - 86_400, entropy=random.Random(name).randbytes)


ALICE, BOB, EVE = made("alice"), made("bob"), made("eve")


def written(mail: Mail = ASK.mail, by: Account = ALICE, to: DeviceId = BOB.device) -> bytes:
    return sealed.write(
        Letter(mail, NOW), account=by.certificate, device=by.device_certificate, key=by.device_key, to=to
    )


def read(plain: bytes, to: DeviceId = BOB.device, revoked: frozenset[bytes] = frozenset()) -> Opened | LetterFault:
    return sealed.read(plain, to=to, now=NOW, revoked=lambda _: revoked)


def rewritten(plain: bytes, **changes: Any) -> bytes:
    names = ("mimetype", "body", "chain", "ts", "sig")
    packed: bytes = msgpack.packb(
        [changes.get(name, old) for name, old in zip(names, msgpack.unpackb(plain), strict=True)]
    )
    return packed


def test_a_letter_names_its_writer_by_the_chain_alone() -> None:
    assert read(written()) == Opened(Sender(ALICE.id, ALICE.device), ASK)
    assert "from" not in str(msgpack.unpackb(written())[1])


def test_the_longest_letters_fit_in_a_record() -> None:
    notice = Notice(WHERE, CommitId("a" * 40), (CommitId("a" * 40),) * 8, ALICE.device)
    invite = SwarmInvite(
        WHERE, CommitId("a" * 40), 1, "字" * TITLE_CHARS_MAX, "🌳" * DESCRIPTION_CHARS_MAX, 5_000, NOW * 1000
    )
    for mail in (notice, invite):
        plain = written(mail)
        assert len(plain) <= PAYLOAD_BYTES_MAX
        assert isinstance(read(plain), Opened)


def test_a_letter_to_another_device_is_not_ours() -> None:
    assert read(written(to=EVE.device)) is LetterFault.SIGNATURE


def test_what_was_changed_or_signed_by_another_is_refused() -> None:
    plain = written()
    other = msgpack.unpackb(written(by=EVE))
    assert read(rewritten(plain, ts=NOW + 1)) is LetterFault.SIGNATURE
    assert read(rewritten(plain, body={"conversation": "d" * 40})) is LetterFault.SIGNATURE
    assert read(
        rewritten(plain, mimetype="application/trust-answer", body={"conversation": WHERE, "accepted": True})
    ) is (LetterFault.SIGNATURE)
    assert read(rewritten(plain, chain=other[2])) is LetterFault.SIGNATURE
    assert read(rewritten(plain, sig=other[4])) is LetterFault.SIGNATURE


def test_a_device_that_its_account_did_not_sign_speaks_for_nobody() -> None:
    chain = [ALICE.certificate.der, EVE.device_certificate.der]
    assert read(rewritten(written(by=EVE), chain=chain)) is LetterFault.CHAIN


def test_a_revoked_device_speaks_for_nobody() -> None:
    assert read(written(), revoked=frozenset({device_prefix(ALICE.device)})) is LetterFault.CHAIN


def test_the_certificates_of_an_account_are_looked_up_by_its_id() -> None:
    asked: list[AccountId] = []

    def revoked(account: AccountId) -> frozenset[bytes]:
        asked.append(account)
        return frozenset()

    sealed.read(written(), to=BOB.device, now=NOW, revoked=revoked)
    assert asked == [ALICE.id]


def signed(mimetype: bytes, body: bytes, written: bytes, chain: bytes | None = None) -> bytes:
    """A letter of these three, whatever they are, signed as it should be."""
    signature = ALICE.device_key.sign(
        b"swarmchat/mail/1" + bytes.fromhex(BOB.device) + b"\x93" + mimetype + body + written
    )
    chain = msgpack.packb([ALICE.certificate.der, ALICE.device_certificate.der]) if chain is None else chain
    return b"\x95" + mimetype + body + chain + written + msgpack.packb(signature)


def test_a_body_with_a_key_twice_or_with_numbers_for_keys_is_none_though_it_is_signed() -> None:
    mimetype, written = msgpack.packb(Ask.mimetype), msgpack.packb(NOW)
    one = msgpack.packb("conversation") + msgpack.packb(WHERE)
    assert isinstance(read(signed(mimetype, b"\x81" + one, written)), Opened)
    assert read(signed(mimetype, b"\x82" + one + one, written)) is LetterFault.FORM
    assert read(signed(mimetype, b"\x82" + one + b"\x07\x07", written)) is LetterFault.FORM


def test_a_chain_is_two_certificates_in_their_order_though_it_is_signed() -> None:
    parts = msgpack.packb(Ask.mimetype), msgpack.packb({"conversation": WHERE}), msgpack.packb(NOW)
    account, device = ALICE.certificate.der, ALICE.device_certificate.der
    chains: list[object] = [
        [account, device, device],
        [account],
        {account: 1, device: 2},
        [account, account],
        [device, device],
        [account, "x"],
        ["x", device],
        None,
    ]
    assert isinstance(read(signed(*parts, msgpack.packb([account, device]))), Opened)
    for chain in chains:
        assert read(signed(*parts, msgpack.packb(chain))) is LetterFault.FORM, chain


def test_a_list_that_claims_to_be_long_makes_no_room() -> None:
    tracemalloc.start()
    try:
        assert read(b"\x95\xdd\x01\x00\x00\x00" + bytes(100)) is LetterFault.FORM
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_mail_of_a_later_version_is_proved_and_says_nothing() -> None:
    plain = msgpack.unpackb(written())
    parts = [msgpack.packb(each) for each in ("application/wave", {"x": 1}, NOW)]
    signature = ALICE.device_key.sign(b"swarmchat/mail/1" + bytes.fromhex(BOB.device) + b"\x93" + b"".join(parts))
    found = read(msgpack.packb(["application/wave", {"x": 1}, plain[2], NOW, signature]))
    assert found == Opened(Sender(ALICE.id, ALICE.device), None)


def test_the_signature_covers_the_bytes_as_they_came() -> None:
    """Another implementation may write numbers longer than need be."""
    plain = msgpack.unpackb(written())
    parts = [msgpack.packb(Ask.mimetype), msgpack.packb(plain[1]), b"\xcf" + NOW.to_bytes(8, "big")]
    signature = ALICE.device_key.sign(b"swarmchat/mail/1" + bytes.fromhex(BOB.device) + b"\x93" + b"".join(parts))
    raw = b"\x95" + parts[0] + parts[1] + msgpack.packb(plain[2]) + parts[2] + msgpack.packb(signature)
    assert read(raw) == Opened(Sender(ALICE.id, ALICE.device), ASK)


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no array": msgpack.packb({"mimetype": 1}),
    "four fields": msgpack.packb(msgpack.unpackb(written())[:4]),
    "cut off": written()[:-1],
    "something follows": written() + b"\x00",
    "no text": rewritten(written(), mimetype=7),
    "no body": rewritten(written(), body=[1]),
    "body of another type": rewritten(written(), body={"conversation": "zz"}),
    "no time": rewritten(written(), ts=-1),
    "a time that is none": rewritten(written(), ts=1.5),
    "no chain": rewritten(written(), chain=b"x"),
    "a chain of one": rewritten(written(), chain=[ALICE.certificate.der]),
    "no certificates": rewritten(written(), chain=[b"x", b"y"]),
    "certificates the wrong way round": rewritten(
        written(), chain=[ALICE.device_certificate.der, ALICE.certificate.der]
    ),
    "a short signature": rewritten(written(), sig=b"x" * 63),
    "a signature of text": rewritten(written(), sig="x" * 64),
    "nested deeply": b"\x95" + b"\x91" * 3_000,
    "a key twice": b"\x95\xa1m\x82\xa1a\x01\xa1a\x02",
    "no utf-8": b"\x95\xa2\xff\xfe",
    "a reserved byte": b"\x95\xc1",
}


@pytest.mark.parametrize("name", BROKEN)
def test_whatever_is_no_letter_is_refused_by_its_form(name: str) -> None:
    assert read(BROKEN[name]) is LetterFault.FORM


def test_no_cut_and_no_flipped_bit_raises_or_is_believed() -> None:
    plain = written()
    for at in range(0, len(plain), 7):
        assert isinstance(read(plain[:at]), LetterFault)
        flipped = bytearray(plain)
        flipped[at] ^= 1 << at % 8
        assert isinstance(read(bytes(flipped)), LetterFault)
