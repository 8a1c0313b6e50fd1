"""The identity of this node: the account, this device, their keys. (SCP-01 §1, §3.3)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from swarmchat import limits
from swarmchat.account.statuskey import StatusKey
from swarmchat.crypto.certificates import Certificate, check_chain, issue_account, issue_device
from swarmchat.crypto.exchange import exchange_public
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import RevocationList, device_prefix, issue_revocations
from swarmchat.errors import RefusedError, UsageError
from swarmchat.ids import AccountId, DeviceId

Entropy = Callable[[int], bytes]  # count -> that many unpredictable bytes


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """The X25519 keys that letters to this device are sealed to: the present and the previous one. (SCP-05 §1.3)"""

    current: bytes = field(repr=False)
    previous: bytes | None = field(repr=False)
    made_s: int

    @property
    def public(self) -> bytes:
        """The 32 bytes that a card calls `seal`."""
        return exchange_public(self.current)

    @property
    def previous_public(self) -> bytes | None:
        """What a card calls `seal_prev`."""
        return None if self.previous is None else exchange_public(self.previous)

    @property
    def privates(self) -> tuple[bytes, ...]:
        """What a letter is tried with: the present key, then the previous one."""
        return (self.current,) if self.previous is None else (self.current, self.previous)

    def rotated(self, *, now: int, entropy: Entropy) -> Self:
        """A week old: a fresh key, and this one becomes the previous; else itself.

        Made in the future (the clock was wrong, then or now): the same keys, and their week begins now. A clock that jumps
        back and forth costs one key at most, not both.
        """
        if now < self.made_s:
            return replace(self, made_s=now)
        if now < self.made_s + limits.SEALING_KEY_AGE_S:
            return self
        return replace(self, current=entropy(32), previous=self.current, made_s=now)


@dataclass(frozen=True, slots=True)
class Account:
    """Who this node is. A device that may not link others has no account key. Making one checks that its parts fit."""

    name: str
    certificate: Certificate  # the account's
    device_certificate: Certificate
    device_key: PrivateKey = field(repr=False)
    account_key: PrivateKey | None = field(repr=False)
    sealing: SealingKeys = field(repr=False)
    revocations: RevocationList | None = None
    status_key: StatusKey | None = None  # made on first use

    def __post_init__(self) -> None:
        """Raises ValueError where certificates and keys do not belong together."""
        if self.device_certificate.key != self.device_key.public:
            raise ValueError("the device certificate is of another key")
        if self.account_key is not None and self.account_key.public != self.certificate.key:
            raise ValueError("the account certificate is of another key")
        begin = max(self.certificate.not_before, self.device_certificate.not_before)
        fault = check_chain(self.device_certificate, self.certificate, at=begin)
        if fault is not None:
            raise ValueError(f"the chain of certificates does not hold: {fault.value}")
        if self.revocations is not None and self.revocations.issuer_id != self.id:
            raise ValueError("the revocation list is of another account")

    @property
    def id(self) -> AccountId:
        """The account id."""
        return self.certificate.account_id

    @property
    def device(self) -> DeviceId:
        """The device id."""
        return self.device_key.public.device_id

    @property
    def may_link(self) -> bool:
        """Whether this device holds the account key: it can add and revoke devices, and export the archive."""
        return self.account_key is not None

    @property
    def revoked(self) -> frozenset[bytes]:
        """16-byte prefixes of the device ids that this account revoked."""
        return self.revocations.revoked if self.revocations else frozenset()

    def revoke(self, device: DeviceId, *, now: int) -> RevocationList:
        """The next revocation list, with this device on it; RefusedError without the account key, UsageError for this device."""
        if self.account_key is None:
            raise RefusedError(
                "this device does not hold the account key, so it cannot revoke devices",
                hint="revoke it on a device that `swarmchat device list` shows as holding the account key",
            )
        if device == self.device:
            raise UsageError("this device cannot revoke itself", hint="revoke it on another device of the account")
        number = self.revocations.number + 1 if self.revocations else 1
        prefixes = self.revoked | {device_prefix(device)}
        return issue_revocations(self.account_key, self.certificate, prefixes, number=number, now=now)

    @property
    def is_revoked(self) -> bool:
        """Whether this very device is on the list: the account has other devices, and this is none of them any more."""
        return device_prefix(self.device) in self.revoked

    def reconciled(self, listed: RevocationList, *, now: int) -> RevocationList:
        """Which list is in force once `listed` was heard, a list that the account signed.

        The one that contains the other and has the greater number. Of two that differ, a device that holds the account key
        issues one of both with the next number, so that all who do so issue the same devices under the same number; others
        wait for it.
        """
        mine = self.revocations
        if mine is None or mine == listed:
            return listed
        prefix = device_prefix(self.device)
        if (listed.revoked >= mine.revoked and listed.number > mine.number) or prefix in listed.revoked - mine.revoked:
            return listed
        is_same = listed.revoked == mine.revoked
        if is_same or (mine.revoked >= listed.revoked and mine.number > listed.number):
            return mine
        if self.account_key is None or self.is_revoked:
            return mine
        number = max(mine.number, listed.number) + 1
        return issue_revocations(
            self.account_key, self.certificate, mine.revoked | listed.revoked, number=number, now=now
        )

    def with_revocations(self, revocations: RevocationList) -> Self:
        """The account under a newer list; itself when the list is not newer. ValueError if it is of another account."""
        if self.revocations is not None and revocations.number <= self.revocations.number:
            return self
        return replace(self, revocations=revocations)

    def rekeyed(self, *, now: int, entropy: Entropy) -> Self:
        """The account with fresh sealing keys where their week is over; itself when they stay."""
        sealing = self.sealing.rotated(now=now, entropy=entropy)
        return self if sealing is self.sealing else replace(self, sealing=sealing)

    def renamed(self, name: str) -> Self:
        """The account under another display name; UsageError for one that is too long or has line breaks."""
        return replace(self, name=display_name(name))


def create(*, name: str, now: int, entropy: Entropy) -> Account:
    """A new account with this device as its first; `now` in seconds since 1970. UsageError for a bad name."""
    account_key = PrivateKey.from_seed(entropy(32))
    certificate = issue_account(account_key, now=now, entropy=entropy(16))
    return new_device(
        name=name, certificate=certificate, account_key=account_key, revocations=None, now=now, entropy=entropy
    )


def new_device(
    *,
    name: str,
    certificate: Certificate,
    account_key: PrivateKey,
    revocations: RevocationList | None,
    now: int,
    entropy: Entropy,
    status_key: StatusKey | None = None,
) -> Account:
    """An account that exists, on a new device (SCP-01 §4.4); UsageError for a bad name, ValueError if the parts do not fit."""
    name = display_name(name)
    device_key = PrivateKey.from_seed(entropy(32))
    return Account(
        name=name,
        certificate=certificate,
        device_certificate=issue_device(account_key, certificate, device_key.public, now=now),
        device_key=device_key,
        account_key=account_key,
        sealing=SealingKeys(current=entropy(32), previous=None, made_s=now),
        revocations=revocations,
        status_key=status_key,
    )


def display_name(text: str) -> str:
    """A name as people see it: trimmed, at most 128 characters, no control characters; UsageError otherwise."""
    name = text.strip()
    if len(name) > limits.DISPLAY_NAME_CHARS_MAX:
        raise UsageError(f"a name has at most {limits.DISPLAY_NAME_CHARS_MAX} characters")
    if any(
        ord(character) < 32 or 127 <= ord(character) < 160 or 0xD800 <= ord(character) < 0xE000 for character in name
    ):
        raise UsageError("a name has no line breaks or other control characters")
    return name
