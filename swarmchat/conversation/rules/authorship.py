"""May this device write here: its certificate, its account's, the chain between them, and its clock. (SCP-02 §4.1–§4.3, §4.5)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat import limits
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Initial, Join, Leave
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.crypto import sshsig
from swarmchat.crypto.certificates import Certificate, CertificateError, check_chain
from swarmchat.ids import AccountId, DeviceId


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote: an account by one of its devices, each with the PEM certificate it acts under."""

    account: AccountId
    device: DeviceId
    certificate: bytes
    device_certificate: bytes


def authorship(commit: Commit, changes: Changes, before: Roster, past: Past) -> Author | Rejection:
    """Who wrote the commit, all of §4 but its signature and its housekeeping. For the root, `before` is the empty roster."""
    device_path = tree.device(commit.device)
    standing = before.files.get(device_path)
    # Who leaves takes the own device out of the tree; everybody else stands in the tree that the commit makes.
    device_pem = standing if isinstance(commit.action, Leave) else changes.get(device_path, standing)
    if device_pem is None:
        return Rejection(Reason.NO_DEVICE, "the writing device has no certificate in the tree", device_path)
    try:
        device = Certificate.from_pem(device_pem)
    except CertificateError as fault:
        return Rejection(Reason.BAD_CHAIN, str(fault), device_path)
    if device.device_id != commit.device:
        return Rejection(Reason.NO_DEVICE, "the file name is not the id of the key in the file", device_path)
    account = AccountId(device.issuer_id)
    if before.is_banned(commit.device):
        return Rejection(Reason.BANNED, "the writing device is banned", tree.banned("devices", commit.device))
    if before.is_banned(account):
        return Rejection(Reason.BANNED, "the writing account is banned", tree.banned(before.banned[account], account))
    account_path, account_pem = _account_file(commit, account, changes, before)
    if account_pem is None:
        return Rejection(Reason.NOT_A_MEMBER, "the writing account is not joined", account_path)
    try:
        certificate = Certificate.from_pem(account_pem)
    except CertificateError as fault:
        return Rejection(Reason.BAD_CHAIN, str(fault), account_path)
    moment = acting_time(commit.time, commit.device, past)
    if commit.time < moment - limits.DEVICE_CLOCK_BACK_S:
        return Rejection(Reason.CLOCK_RAN_BACK, f"{moment - commit.time} s before what this device claimed already")
    broken = check_chain(device, certificate, at=moment, revoked=past.revoked(account))
    if broken is not None:
        return Rejection(Reason.BAD_CHAIN, f"from the device to its account: {broken.value}", device_path)
    return Author(account, commit.device, account_pem, device_pem)


def acting_time(time: int, device: DeviceId, past: Past) -> int:
    """The time at which a commit's certificates must hold: its own, or the greatest that its device claimed before. (§4.2)"""
    latest = past.latest_time(device)
    return time if latest is None else max(time, latest)


def signature_fault(commit: Commit, author: Author) -> Rejection | None:
    """Why the signature is not that of the device. (SCP-02 §4.5)"""
    key = Certificate.from_pem(author.device_certificate).key
    if sshsig.verify(commit.armour, commit.payload, key):
        return None
    return Rejection(Reason.BAD_SIGNATURE, "not signed, in the one spelling, by the device that it names")


def _account_file(commit: Commit, account: AccountId, changes: Changes, before: Roster) -> tuple[str, bytes | None]:
    match commit.action:
        case Initial():
            path = tree.admin(account)
        case Join():
            path = tree.member(account)
        case _:
            return tree.member(account), before.certificate(account)
    return path, changes.get(path, before.files.get(path))
