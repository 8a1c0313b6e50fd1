"""The account's key with Status and data-sync peers: one for all its devices. (SCP-09 §2.1)"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from swarmchat import limits
from swarmchat.crypto.scalars import is_secret
from swarmchat.errors import RefusedError

_MADE = 1


@dataclass(frozen=True, slots=True, order=True)
class StatusKey:
    """Of two the greater one is the account's, by generation and then by the bytes: devices that know the same agree.

    ValueError for a generation that is not 1 … 2^53 - 1, and for bytes that are no secret of the curve.
    """

    generation: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """See the class."""
        if type(self.generation) is not int or not _MADE <= self.generation <= limits.STATUS_KEY_GENERATION_MAX:
            raise ValueError("a Status key has a generation of 1 … 2^53 - 1")
        if type(self.secret) is not bytes or not is_secret(self.secret):
            raise ValueError("a Status key is 32 bytes, more than 0 and less than the order of the curve")

    @classmethod
    def made(cls, secret: bytes) -> Self:
        """The first key, drawn here."""
        return cls(_MADE, secret)

    @classmethod
    def set(cls, secret: bytes, held: StatusKey | None) -> StatusKey:
        """The key that its user wants; the very same when he has it already.

        It is greater than `held`, and than any that another device may draw meanwhile. RefusedError where no number is left.
        """
        if held is not None and held.secret == secret:
            return held
        last = _MADE if held is None else held.generation
        if last >= limits.STATUS_KEY_GENERATION_MAX:
            raise RefusedError("the account's Status key was replaced as often as it can be")
        return cls(last + 1, secret)

    def merged(self, held: StatusKey | None) -> StatusKey:
        """Which of both is the account's; `held` itself when they are equal."""
        return self if held is None or held < self else held
