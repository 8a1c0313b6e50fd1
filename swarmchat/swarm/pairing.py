"""Two devices prove to each other that they know the same six words; then one becomes a device of the other's account. Pure.

`ExistingDevice` holds the account key and dialled; `NewDevice` shows the words. Messages go in and moves come out, `now` is
given (seconds, monotonic). The words are worth one guess for each try and nothing afterwards, and the proof holds for this
very TLS session only, so nobody can sit in between. (SCP-01 §3.2)
"""

from __future__ import annotations

import enum
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, NoReturn, TypeVar

from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from swarmchat import limits
from swarmchat.account.account import Account, SealingKeys, display_name
from swarmchat.account.archive import Content
from swarmchat.account.records import OwnDevice
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.crypto.certificates import Certificate, check_chain
from swarmchat.crypto.keys import SIGNATURE_BYTES, PrivateKey, PublicKey
from swarmchat.crypto.revocation import device_prefix
from swarmchat.errors import UsageError
from swarmchat.ids import AccountId, DeviceId, raw

Message = dict[str, Any]
Entropy = Callable[[int], bytes]
M = TypeVar("M")

EXPORTER_LABEL: Final = b"EXPORTER-swarmchat-pairing"
_PROOF_CONTEXT: Final = b"swarmchat/pairing/1"


class Fault(enum.StrEnum):
    """Why a pairing ends; the first four and `bad-message` are told to the other side."""

    AUTH = "auth"  # the words differ, or somebody sits in between
    REFUSED = "refused"  # one of the two users said no, or the code is not good any more
    TIMEOUT = "timeout"
    BUSY = "busy"
    BAD_MESSAGE = "bad-message"


@dataclass(frozen=True, slots=True)
class Failed:
    """It is over. `tell`: what to say before hanging up; `tries_left`: as the new device says, of three."""

    fault: Fault
    tell: Message | None = None
    tries_left: int | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Send this, and go on listening."""

    message: Message


@dataclass(frozen=True, slots=True)
class Offer:
    """Message 3: whose device the new one would become, and what the existing one is called."""

    account: AccountId
    name: str
    device: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Message 4, proved: the key of the new device and what it wants to be called. Its user has agreed."""

    key: PublicKey
    name: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Message 5: the certificate, the bytes of the document that follow raw, and where the existing device listens."""

    certificate: Certificate
    document_bytes: int
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Linked:
    """Message 6: the new device has it all on its disk."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the new device is to write: who it is, what it knows, and where the existing device may be found."""

    account: Account = field(repr=False)
    state: State = field(repr=False)
    existing: DeviceId
    addresses: tuple[Address, ...]


class _BrokenError(ValueError):
    """A message that is not what stands in the protocol at this place."""


class _Side(ABC, Generic[M]):
    """What both sides do with a message: in time, no error, and then what stands in the protocol at this place."""

    def __init__(self) -> None:
        self._next: Callable[[Message], M | Failed | None] = self._on_early

    @abstractmethod
    def expired(self, now: float) -> Failed | None:
        """Whether it has taken too long."""

    def receive(self, message: Mapping[str, Any], now: float) -> M | Failed | None:
        """The other side said something; None: go on listening."""
        move = self.expired(now) or _told(message) or self._read(dict(message))
        if isinstance(move, Failed):
            self._next = self._on_early
        return move

    def _read(self, message: Message) -> M | Failed | None:
        try:
            return self._next(message)
        except ValueError:
            return Failed(Fault.BAD_MESSAGE, _error(Fault.BAD_MESSAGE))

    def _on_early(self, _message: Message) -> NoReturn:
        raise _BrokenError("nothing is to be said now")


class ExistingDevice(_Side["Say | Candidate | Linked"]):
    """The side that holds the account key: `begin`, then `receive` each message, `grant` or `refuse` the candidate."""

    def __init__(
        self, words: str, *, us: DeviceId, other: DeviceId, exporter: bytes, offer: Offer, now: float, entropy: Entropy
    ) -> None:
        super().__init__()
        self._exporter = exporter
        self._offer = offer
        self._until = now + limits.PAIRING_LINK_S
        self._spake = SPAKE2_A(words.encode(), idA=raw(us), idB=raw(other), entropy_f=entropy)
        self._key = b""
        self._next = self._on_spake

    def begin(self) -> Message:
        """What to say first."""
        return {"n": 1, "spake": self._spake.start()}

    def expired(self, now: float) -> Failed | None:
        """Whether the five minutes are over."""
        return _timeout() if now >= self._until else None

    def grant(self, certificate: Certificate, document_bytes: int, addresses: tuple[Address, ...] = ()) -> Message:
        """Our user agrees too: this, then the bytes of the document."""
        assert self._next == self._on_early, "there is a candidate"
        self._next = self._on_done
        at = [str(address) for address in addresses[: limits.ADDRESSES_PER_DEVICE_MAX]]
        return {"n": 5, "cert": certificate.der, "archive": document_bytes, "at": at}

    def refuse(self) -> Message:
        """Our user does not want it."""
        self._next = self._on_early
        return _error(Fault.REFUSED)

    # --- in the order in which the messages come

    def _on_spake(self, message: Message) -> Say:
        self._key = _finished(self._spake, message)
        self._next = self._on_confirm
        return Say({"n": 2, "confirm": _confirmation(self._key, b"E", self._exporter)})

    def _on_confirm(self, message: Message) -> Say | Failed:
        if not hmac.compare_digest(_confirm(message), _confirmation(self._key, b"N", self._exporter)):
            return Failed(Fault.AUTH, _error(Fault.AUTH))
        self._next = self._on_key
        offer = self._offer
        return Say({"n": 3, "account": raw(offer.account), "name": offer.name, "device": offer.device})

    def _on_key(self, message: Message) -> Candidate:
        match message:
            case {"n": 4, "spki": bytes(spki), "proof": bytes(proof)} if len(proof) == SIGNATURE_BYTES:
                key = PublicKey.from_spki(spki)
            case _:
                raise _BrokenError("no message 4")
        if not key.verify(proof, _PROOF_CONTEXT + self._exporter):
            raise _BrokenError("the new device does not hold its key")
        self._next = self._on_early
        return Candidate(key, _name(message.get("name", "")))

    def _on_done(self, message: Message) -> Linked:
        if message.get("n") != 6 or message.get("ok") is not True:
            raise _BrokenError("no message 6")
        self._next = self._on_early
        return Linked()


class NewDevice(_Side["Say | Offer | Grant"]):
    """The side that shows the words: `open` for each caller, then `receive`; `agree`, `install` and `done` when it is time.

    One caller at a time. Three wrong ones, or five minutes, and the words are worth nothing any more (`is_over`).
    """

    def __init__(self, words: str, *, us: DeviceId, now: float, entropy: Entropy) -> None:
        super().__init__()
        self.tries_left = limits.PAIRING_TRIES_MAX
        self._words = words
        self._us = us
        self._entropy = entropy
        self._until = now + limits.PAIRING_LINK_S
        self.callers_left = limits.PAIRING_CALLERS_MAX  # whatever comes of them
        self._other: DeviceId | None = None  # who is being talked with
        self._proved = False
        self._prove_until = 0.0
        self._exporter = b""
        self._spake: SPAKE2_B | None = None
        self._key = b""
        self._offer: Offer | None = None
        self._device_key: PrivateKey | None = None
        self._name = ""
        self._grant: Grant | None = None

    @property
    def is_busy(self) -> bool:
        """Whether somebody is being talked with."""
        return self._other is not None

    @property
    def is_proved(self) -> bool:
        """Whether who is being talked with has shown that he knows the words."""
        return self._proved

    def is_over(self, now: float) -> bool:
        """Whether the words are worth nothing any more."""
        return self.tries_left <= 0 or self.callers_left <= 0 or now >= self._until

    def open(self, other: DeviceId, exporter: bytes, now: float) -> Say | Failed:
        """A device wants to pair on a link with this exporter: the first thing to say to it."""
        if self.is_busy:
            return Failed(Fault.BUSY, _error(Fault.BUSY))
        if self.is_over(now):
            return Failed(Fault.REFUSED, _error(Fault.REFUSED))
        self.callers_left -= 1
        self._other, self._exporter, self._proved = other, exporter, False
        self._prove_until = now + limits.PAIRING_PROOF_S
        self._spake = SPAKE2_B(self._words.encode(), idA=raw(other), idB=raw(self._us), entropy_f=self._entropy)
        self._offer = self._device_key = self._grant = None
        self._next = self._on_spake
        return Say({"n": 1, "spake": self._spake.start()})

    def closed(self) -> None:
        """Nobody is talked with any more; the next may try."""
        self._other, self._proved, self._key = None, False, b""
        self._next = self._on_early

    def expired(self, now: float) -> Failed | None:
        """Whether whoever is talked with has taken too long: 20 s to show the words, five minutes in all."""
        late = now >= self._until or (self.is_busy and not self._proved and now >= self._prove_until)
        return _timeout() if late else None

    def agree(self, name: str) -> Message:
        """Our user takes the offer; the new device is to be called `name`."""
        assert self._offer is not None, "there is an offer"
        self._device_key = PrivateKey.from_seed(self._entropy(32))
        self._name = name
        self._next = self._on_grant
        proof = self._device_key.sign(_PROOF_CONTEXT + self._exporter)
        return {"n": 4, "spki": self._device_key.public.spki, "proof": proof, "name": name}

    def refuse(self) -> Message:
        """Our user does not take it: the words are not good any more."""
        self.tries_left = 0
        return _error(Fault.REFUSED)

    def install(self, document: bytes, wall_s: int) -> Installation | Failed:
        """The document of message 5 is here; `wall_s`: seconds since 1970. Nothing is written before this has judged it."""
        try:
            return self._installation(document, wall_s)
        except ValueError:
            return Failed(Fault.BAD_MESSAGE, _error(Fault.BAD_MESSAGE))

    def done(self) -> Message:
        """It is on the disk."""
        self.tries_left = 0
        return {"n": 6, "ok": True}

    # --- in the order in which the messages come

    def _on_spake(self, message: Message) -> None:
        assert self._spake is not None, "somebody is talked with"
        self._key = _finished(self._spake, message)
        self._next = self._on_confirm

    def _on_confirm(self, message: Message) -> Say | Failed:
        if not hmac.compare_digest(_confirm(message), _confirmation(self._key, b"E", self._exporter)):
            self.tries_left -= 1
            return Failed(Fault.AUTH, _error(Fault.AUTH, left=self.tries_left), self.tries_left)
        self._proved = True
        self._next = self._on_offer
        return Say({"n": 2, "confirm": _confirmation(self._key, b"N", self._exporter)})

    def _on_offer(self, message: Message) -> Offer:
        match message:
            case {"n": 3, "account": bytes(account), "name": name, "device": device} if len(account) == 20:
                self._offer = Offer(AccountId(account.hex()), _name(name), _name(device))
            case _:
                raise _BrokenError("no message 3")
        self._next = self._on_early  # until our user has answered
        return self._offer

    def _on_grant(self, message: Message) -> Grant:
        match message:
            case {"n": 5, "cert": bytes(der), "archive": int(size)} if (
                type(size) is int and 0 < size <= limits.PAIRING_DOCUMENT_BYTES_MAX
            ):
                self._grant = Grant(Certificate.from_der(der), size, _addresses(message.get("at", [])))
            case _:
                raise _BrokenError("no message 5")
        self._next = self._on_early
        return self._grant

    def _installation(self, document: bytes, wall_s: int) -> Installation:
        offer, grant, key, existing = self._offer, self._grant, self._device_key, self._other
        assert offer is not None, "message 3 was read"
        assert grant is not None, "message 5 was read"
        assert key is not None, "message 4 was sent"
        assert existing is not None, "somebody is talked with"
        content = Content(document)
        if content.certificate.account_id != offer.account:
            raise _BrokenError("the account is another than was shown")
        revoked = content.revocations.revoked if content.revocations else frozenset[bytes]()
        fault = check_chain(grant.certificate, content.certificate, at=wall_s, revoked=revoked)
        if fault is not None:
            raise _BrokenError(f"the certificate does not hold: {fault.value}")
        account = Account(
            name=content.name,
            certificate=content.certificate,
            device_certificate=grant.certificate,
            device_key=key,
            account_key=content.account_key,
            sealing=SealingKeys(current=self._entropy(32), previous=None, made_s=wall_s),
            revocations=content.revocations,
            status_key=content.status_key,
        )
        now_ms = wall_s * 1000
        known = content.devices.get(existing) or OwnDevice(existing, "", 0, may_link=True)
        devices = [
            OwnDevice(account.device, self._name, now_ms, may_link=account.may_link),
            replace(known, name=known.name or offer.device),
        ]
        return Installation(account, content.state(devices, now_ms=now_ms), existing, grant.addresses)


def is_known(candidate: Candidate, account: Account) -> bool:
    """Whether the key is one that the account has, or has withdrawn: no honest device offers it."""
    device = candidate.key.device_id
    return device == account.device or device_prefix(device) in account.revoked


def _finished(spake: Any, message: Message) -> bytes:
    """The key that both have if both know the words."""
    match message:
        case {"n": 1, "spake": bytes(said)} if len(said) == limits.PAIRING_SPAKE_BYTES:
            pass
        case _:
            raise _BrokenError("no message 1")
    try:
        key: bytes = spake.finish(said)
    except (SPAKEError, NotOnCurve, ValueError, AssertionError):  # what the package says of bytes that it cannot use
        raise _BrokenError("message 1 holds no point of the curve") from None
    return key


def _confirmation(key: bytes, side: bytes, exporter: bytes) -> bytes:
    return hmac.digest(key, side + exporter, "sha256")


def _confirm(message: Message) -> bytes:
    match message:
        case {"n": 2, "confirm": bytes(said)} if len(said) == limits.PAIRING_CONFIRM_BYTES:
            return said
        case _:
            raise _BrokenError("no message 2")


def _told(message: Mapping[str, Any]) -> Failed | None:
    """The error that the other side names, if it does."""
    if "error" not in message:
        return None
    code, left = message["error"], message.get("left")
    fault = Fault(code) if isinstance(code, str) and code in set(Fault) else Fault.REFUSED
    is_count = type(left) is int and 0 <= left <= limits.PAIRING_TRIES_MAX
    return Failed(fault, tries_left=left if is_count else None)


def _error(fault: Fault, left: int | None = None) -> Message:
    return {"error": str(fault)} if left is None else {"error": str(fault), "left": left}


def _timeout() -> Failed:
    return Failed(Fault.TIMEOUT, _error(Fault.TIMEOUT))


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > limits.DISPLAY_NAME_CHARS_MAX:
        raise _BrokenError("a name has at most 128 characters")
    try:
        return display_name(value)
    except UsageError as error:
        raise _BrokenError(error.message) from None


def _addresses(value: object) -> tuple[Address, ...]:
    if not isinstance(value, list) or len(value) > limits.ADDRESSES_PER_DEVICE_MAX:
        raise _BrokenError("too many addresses")
    if not all(isinstance(text, str) and len(text) <= limits.ADDRESS_CHARS_MAX for text in value):
        raise _BrokenError("an address that is none")
    found = [Address.parse(text) for text in value]
    return tuple(address for address in found if address.may_travel and address.port)
