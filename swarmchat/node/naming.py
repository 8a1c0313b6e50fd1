"""What people call things, resolved to ids: full ids, unique prefixes of four and more, names. (SCP-08 §2.1)"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, TypeVar

from swarmchat import limits
from swarmchat.errors import AmbiguousError, NotFoundError, UsageError

Id = TypeVar("Id", bound=str)

_HEX = re.compile(r"[0-9a-f]+")
_LISTED: Final = frozenset({"contact", "conversation", "request"})  # each has a `list`


def resolve(text: str, known: Mapping[Id, Collection[str]], kind: str) -> Id:
    """The one id that `text` means: the id itself, a name (any case) or a prefix of at least four characters of the id.

    `known` maps ids to their names. Names are what strangers chose: one that looks like the prefix of another's id is told
    as ambiguous. Raises NotFoundError, or AmbiguousError whose `data["candidates"]` lists the ids that fit.
    """
    wanted = text.strip()
    if not wanted:
        raise UsageError(f"which {kind}? an empty name fits nothing")
    lower = wanted.lower()
    begun = {name for name in known if len(lower) >= limits.ID_PREFIX_MIN and name.startswith(lower)}
    for found in (
        {name for name in known if name == lower},
        {name for name, called in known.items() if wanted in called},
        {name for name, called in known.items() if lower in {one.lower() for one in called}},
        begun,
    ):
        fits = sorted(found | begun if found and lower not in found else found)
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise AmbiguousError(
                f"{text!r} fits {len(fits)} {kind}s",
                hint=f"write more of the id: {', '.join(short(name) for name in fits[:4])}",
                data={"candidates": fits},
            )
    names = [one for called in known.values() for one in called]
    import difflib  # noqa: PLC0415 - for who mistyped

    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"swarmchat {kind} list" if kind in _LISTED else None
    if _HEX.fullmatch(lower) and len(lower) < limits.ID_PREFIX_MIN:
        hint = f"a prefix has {limits.ID_PREFIX_MIN} characters or more"
    raise NotFoundError(f"no {kind} {text!r} here", hint=hint)


def short(name: str) -> str:
    """The first characters of an id, enough for people to tell things apart."""
    return name[:12]
