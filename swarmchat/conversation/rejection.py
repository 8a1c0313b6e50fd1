"""Why a commit does not enter: stable codes, each with the rule it stands for. (SCP-02 §7.2)"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from swarmchat.ids import CommitId


class Reason(enum.Enum):
    """A stable code for programs and the rule it comes from. Members are never renamed or reused."""

    # --- the object (SCP-02 §1, §2)
    MALFORMED_COMMIT = ("malformed-commit", "SCP-02 §2.1")
    BAD_NAME = ("bad-name", "SCP-02 §2.1")
    TOO_BIG = ("too-big", "SCP-02 §10")
    MALFORMED_MESSAGE = ("malformed-message", "SCP-02 §2.2")
    MALFORMED_ACTION = ("malformed-action", "SCP-02 §3")
    MALFORMED_TREE = ("malformed-tree", "SCP-02 §1.1")
    MISSING_OBJECT = ("missing-object", "SCP-02 §7.1")
    UNKNOWN_PARENT = ("unknown-parent", "SCP-02 §7.1")
    REFUSED_PARENT = ("refused-parent", "SCP-02 §7.2")
    WRONG_ROOT = ("wrong-root", "SCP-02 §7.3")
    # --- the author (SCP-02 §4)
    NO_DEVICE = ("no-device", "SCP-02 §4.1")
    NOT_A_MEMBER = ("not-a-member", "SCP-02 §4.2")
    BAD_CHAIN = ("bad-chain", "SCP-02 §4.2")
    CLOCK_RAN_BACK = ("clock-ran-back", "SCP-02 §4.2")
    BANNED = ("banned", "SCP-02 §4.3")
    BAD_HOUSEKEEPING = ("bad-housekeeping", "SCP-02 §4.4")
    BAD_SIGNATURE = ("bad-signature", "SCP-02 §4.5")
    BAD_REVOCATIONS = ("bad-revocations", "SCP-02 §4.6")
    # --- the action (SCP-02 §3, §5)
    UNEXPECTED_CHANGE = ("unexpected-change", "SCP-02 §5")
    BAD_INITIAL = ("bad-initial", "SCP-02 §5.1")
    BAD_ADD = ("bad-add", "SCP-02 §5.2")
    BAD_JOIN = ("bad-join", "SCP-02 §5.3")
    BAD_REMOVAL = ("bad-removal", "SCP-02 §5.4")
    LAST_ADMIN = ("last-admin", "SCP-02 §5.4")
    NOT_IN_THIS_MODE = ("not-in-this-mode", "SCP-02 §5.4")
    BAD_PROMOTION = ("bad-promotion", "SCP-02 §5.4")
    BAD_VOTE = ("bad-vote", "SCP-02 §5.5")
    NO_QUORUM = ("no-quorum", "SCP-02 §5.6")
    BAD_BALLOT = ("bad-ballot", "SCP-02 §5.6")
    BAD_PROFILE = ("bad-profile", "SCP-02 §5.7")
    BAD_REFERENCE = ("bad-reference", "SCP-02 §3")
    GROUP_FULL = ("group-full", "SCP-02 §10")
    # --- merges (SCP-02 §6)
    BAD_MERGE = ("bad-merge", "SCP-02 §6.2")
    # --- repositories that Jami made (SCP-02 §9)
    JAMI_MALFORMED = ("jami-malformed", "SCP-02 §9.2")
    JAMI_TREE = ("jami-tree", "SCP-02 §9.3")
    JAMI_CHAIN = ("jami-chain", "SCP-02 §9.4")
    JAMI_AUTHOR = ("jami-author", "SCP-02 §9.5")
    JAMI_SIGNATURE = ("jami-signature", "SCP-02 §9.6")
    JAMI_CHANGE = ("jami-change", "SCP-02 §9.7")
    JAMI_ROOT = ("jami-root", "SCP-02 §9.8")
    JAMI_ADD = ("jami-add", "SCP-02 §9.9")
    JAMI_JOIN = ("jami-join", "SCP-02 §9.10")
    JAMI_REMOVAL = ("jami-removal", "SCP-02 §9.11")
    JAMI_VOTE = ("jami-vote", "SCP-02 §9.12")
    JAMI_BALLOT = ("jami-ballot", "SCP-02 §9.13")
    JAMI_PROFILE = ("jami-profile", "SCP-02 §9.14")
    JAMI_REFERENCE = ("jami-reference", "SCP-02 §9.15")
    JAMI_MERGE = ("jami-merge", "SCP-02 §9.16")
    JAMI_LIMIT = ("jami-limit", "SCP-02 §9.17")

    @property
    def code(self) -> str:
        """The stable code."""
        return self.value[0]

    @property
    def rule(self) -> str:
        """The rule of the spec, as `SCP-02 §5.2`."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A commit is refused: which, why (one sentence for people in `detail`), and at which path of its tree."""

    reason: Reason
    detail: str = ""
    path: str | None = None
    commit: CommitId | None = None

    @property
    def rule(self) -> str:
        """The rule that was broken."""
        return self.reason.rule

    def of(self, commit: CommitId) -> Rejection:
        """The same refusal, with the commit named."""
        return Rejection(self.reason, self.detail, self.path, commit)

    def __str__(self) -> str:
        place = f" ({self.path})" if self.path else ""
        return (
            f"{self.reason.rule} {self.reason.code}{place}: {self.detail}"
            if self.detail
            else f"{self.rule} {self.reason.code}{place}"
        )
