"""Where each thing lies in the tree of a conversation, and nothing else may lie there. (SCP-02 §1.1)"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, cast

from swarmchat.ids import AccountId, DeviceId

Mode = Literal[0, 1, 2, 3]
MODE_WORDS = ("one-to-one", "admin-invites", "private", "public")  # by number (SCP-02 §1.4)
BallotKind = Literal["ban", "unban", "promote"]
Place = Literal["admins", "members", "invited", "devices"]

PROFILE = "profile.vcf"
_ACCOUNT = "[0-9a-f]{40}"
_DEVICE = "[0-9a-f]{64}"
_FILE = re.compile(
    rf"profile\.vcf|(?:banned/)?(?:admins|members)/{_ACCOUNT}\.crt|(?:banned/)?devices/{_DEVICE}\.crt"
    rf"|(?:banned/)?invited/{_ACCOUNT}|CRLs/{_ACCOUNT}"
    rf"|votes/(?:ban|unban|promote)/(?:(?:admins|members|invited)/{_ACCOUNT}|devices/{_DEVICE})/{_ACCOUNT}"
)
_FOLDER = re.compile(
    rf"(?:banned/)?(?:admins|members|devices|invited)|banned|CRLs|votes|votes/(?:ban|unban|promote)"
    rf"|votes/(?:ban|unban|promote)/(?:(?:admins|members|invited)(?:/{_ACCOUNT})?|devices(?:/{_DEVICE})?)"
)
FOLDER_DEPTH_MAX = 4  # votes/<kind>/<type>/<target>


class Vote(NamedTuple):
    """One vote: `votes/<kind>/<place>/<target>/<voter>`."""

    kind: BallotKind
    place: Place
    target: AccountId | DeviceId
    voter: AccountId


def is_file(path: str) -> bool:
    """Whether a conversation may have a file of this name."""
    return _FILE.fullmatch(path) is not None


def is_folder(path: str) -> bool:
    """Whether a conversation may have a folder of this name."""
    return _FOLDER.fullmatch(path) is not None


def is_empty_file(path: str) -> bool:
    """Whether the file says all by its name, so that its content is empty: invitations and votes."""
    return path.startswith(("invited/", "banned/invited/", "votes/"))


def admin(account: AccountId) -> str:
    """The certificate of an admin."""
    return f"admins/{account}.crt"


def member(account: AccountId) -> str:
    """The certificate of a member who is no admin."""
    return f"members/{account}.crt"


def invited(account: AccountId) -> str:
    """The mark of an invitation."""
    return f"invited/{account}"


def device(name: DeviceId) -> str:
    """The certificate of a device."""
    return f"devices/{name}.crt"


def revocations(account: AccountId) -> str:
    """The revocation list of an account."""
    return f"CRLs/{account}"


def standing(place: Place, target: AccountId | DeviceId) -> str:
    """The file of a target where it stands: an invitation has no certificate, all else has."""
    return f"{place}/{target}" if place == "invited" else f"{place}/{target}.crt"


def banned(place: Place, target: AccountId | DeviceId) -> str:
    """The file of a target once it is banned from where it stood."""
    return "banned/" + standing(place, target)


def vote(cast_vote: Vote) -> str:
    """The file of a vote."""
    return f"votes/{cast_vote.kind}/{cast_vote.place}/{cast_vote.target}/{cast_vote.voter}"


def read_vote(path: str) -> Vote:
    """The vote that a path under `votes/` stands for; the path is one that `is_file` allows."""
    _, kind, place, target, voter = path.split("/")
    return Vote(cast(BallotKind, kind), cast(Place, place), cast(AccountId | DeviceId, target), AccountId(voter))
