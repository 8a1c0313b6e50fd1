"""The web page: files that came with the package, and no others. (SCP-08 §4)

A path is looked up in the list of packaged files, never joined to a folder: there is nothing to traverse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from swarmchat import limits

_INDEX: Final = "index.html"
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "html": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "json": "application/json",
        "webmanifest": "application/manifest+json",
        "svg": "image/svg+xml",
        "png": "image/png",
        "ico": "image/x-icon",
        "woff2": "font/woff2",
        "txt": "text/plain; charset=utf-8",
    }
)


class Pages:
    """The packaged files by their paths under `/`."""

    def __init__(self, root: Traversable | None = None) -> None:
        place = resources.files("swarmchat") / "web" if root is None else root
        self._files = dict(_listed(place)) if place.is_dir() else {}

    @property
    def paths(self) -> frozenset[str]:
        """What is served."""
        return frozenset(self._files)

    def answer(self, request: Request) -> Response | None:
        """The file of a request's path, or None where there is none."""
        path = str(request.scope["path"]).removeprefix("/") or _INDEX
        file = self._files.get(path)
        if file is None:
            return None
        data = file.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        kept = {"etag": tag, "cache-control": "no-cache"}  # asked again each time, sent only where it changed
        if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=kept)
        return Response(data, media_type=_TYPES[path.rpartition(".")[2]], headers=kept)


def _listed(folder: Traversable, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.name.startswith((".", "_")):
            continue
        if one.is_dir():
            if depth < limits.WEB_DEPTH_MAX:
                yield from _listed(one, f"{prefix}{one.name}/", depth + 1)
        elif one.name.rpartition(".")[2] in _TYPES:
            yield f"{prefix}{one.name}", one
