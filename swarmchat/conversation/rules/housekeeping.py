"""What an author may keep in order beside the action: the own device, the own certificates, the own revocation list. (SCP-02 §4.4, §4.6)"""

from __future__ import annotations

from swarmchat import limits
from swarmchat.conversation import tree
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.crypto.certificates import Certificate, CertificateError, check_chain
from swarmchat.crypto.revocation import RevocationList


def housekeeping(
    own: Changes, author: Author, before: Roster, *, at: float, revoked: frozenset[bytes]
) -> frozenset[bytes] | Rejection:
    """Judge the changes that no action explains; gives what a new revocation list revokes, as device id prefixes.

    `at` and `revoked` are those of the author's chain check (§4.2): its time in seconds, and the revocations of the ancestry.
    """
    brought: frozenset[bytes] = frozenset()
    for path in sorted(own):
        content = own[path]
        if path == tree.device(author.device):
            fault = _device_fault(path, content, author, before)
        elif path in (tree.admin(author.account), tree.member(author.account)) and path in before.files:
            fault = _account_fault(path, content, author, before, at, revoked)
        elif path == tree.revocations(author.account):
            outcome = _revocations(path, content, author, before)
            if isinstance(outcome, Rejection):
                return outcome
            brought, fault = outcome, None
        else:
            fault = Rejection(Reason.UNEXPECTED_CHANGE, "the action does not explain this change", path)
        if fault is not None:
            return fault
    return brought


def _device_fault(path: str, content: bytes | None, author: Author, before: Roster) -> Rejection | None:
    assert content is not None, "authorship found the certificate of the writing device"
    former = before.files.get(path)
    if former is None:
        if len(before.devices_of(author.account)) >= limits.DEVICES_PER_ACCOUNT_MAX:
            return Rejection(
                Reason.GROUP_FULL, f"the account has {limits.DEVICES_PER_ACCOUNT_MAX} devices here already", path
            )
        return None  # key, name and chain are authorship's
    if Certificate.from_pem(content).not_after <= Certificate.from_pem(former).not_after:
        return Rejection(Reason.BAD_HOUSEKEEPING, "a certificate is replaced by one that expires later", path)
    return None


def _account_fault(
    path: str, content: bytes | None, author: Author, before: Roster, at: float, revoked: frozenset[bytes]
) -> Rejection | None:
    if content is None:
        return Rejection(Reason.BAD_HOUSEKEEPING, "an account takes itself away only by leaving", path)
    try:
        renewed = Certificate.from_pem(content)
    except CertificateError as fault:
        return Rejection(Reason.BAD_HOUSEKEEPING, str(fault), path)
    former = Certificate.from_pem(before.files[path])
    if renewed.key != former.key:
        return Rejection(Reason.BAD_HOUSEKEEPING, "a renewed certificate keeps its key", path)
    if renewed.not_after <= former.not_after:
        return Rejection(Reason.BAD_HOUSEKEEPING, "a certificate is replaced by one that expires later", path)
    broken = check_chain(Certificate.from_pem(author.device_certificate), renewed, at=at, revoked=revoked)
    if broken is not None:
        return Rejection(
            Reason.BAD_HOUSEKEEPING, f"with the renewed certificate the chain breaks: {broken.value}", path
        )
    return None


def _revocations(path: str, content: bytes | None, author: Author, before: Roster) -> frozenset[bytes] | Rejection:
    if content is None:
        return Rejection(Reason.BAD_REVOCATIONS, "a revocation list is never taken away", path)
    account = Certificate.from_pem(author.certificate)
    try:
        new = RevocationList.from_der(content, account)
    except CertificateError as fault:
        return Rejection(Reason.BAD_REVOCATIONS, str(fault), path)
    standing = before.files.get(path)
    if standing is not None:
        former = RevocationList.from_der(standing, account)
        if new.number <= former.number:
            return Rejection(Reason.BAD_REVOCATIONS, f"number {new.number} does not follow {former.number}", path)
        if not former.revoked <= new.revoked:
            return Rejection(Reason.BAD_REVOCATIONS, "an entry of the former list is missing", path)
    return new.revoked
