"""The parts of libgit2 that pygit2 does not expose: object ids with collision detection, and limits on its own readers.

A lookup in pygit2's own extension module also finds what that module is linked with, so this reaches exactly the libgit2
that pygit2 has initialised: no second copy, no compiler, no path to guess. cffi releases the GIL around the calls.
"""

from __future__ import annotations

from typing import Any

import _cffi_backend
import pygit2
from pygit2 import _libgit2

from swarmchat import limits
from swarmchat.errors import StorageError

_LEAST_VERSION = (1, 9, 5)  # before: allocation by a delta's claim (CVE-2026-53585)
_OPT_SET_PACK_MAX_OBJECT_SIZE = 47

# What `cffi` makes of the declarations below, in its out-of-line form: parsed here they cost a daemon 1.3 MB, for a C parser.
#     typedef struct { unsigned char id[20]; } git_oid;
#     int git_odb_hash(git_oid *out, const void *data, size_t len, int type);
#     int git_libgit2_opts(int option, ...);
_ffi: Any = _cffi_backend.FFI(
    "libgit2",
    _version=0x2601,
    _types=(
        b"\x00\x00\x04\x0d\x00\x00\x09\x03\x00\x00\x0d\x03\x00\x00\x1c\x01\x00\x00\x07\x01\x00\x00\x00\x0f\x00\x00\x04\x0d"
        b"\x00\x00\x07\x01\x00\x00\x01\x0f\x00\x00\x00\x09\x00\x00\x04\x01\x00\x00\x0a\x05\x00\x00\x00\x14\x00\x00\x00\x01"
    ),
    _globals=(b"\x00\x00\x06\x23git_libgit2_opts", 0, b"\x00\x00\x00\x23git_odb_hash", 0),
    _struct_unions=((b"\x00\x00\x00\x09\x00\x00\x00\x02$git_oid", b"\x00\x00\x0b\x11id"),),
    _typenames=(b"\x00\x00\x00\x09git_oid",),
)
_library: Any = _ffi.dlopen(_libgit2.__file__)
_hash: Any = _library.git_odb_hash
_new: Any = _ffi.new
_buffer: Any = _ffi.buffer


class CollisionError(ValueError):
    """The bytes carry the marks of a SHA-1 collision attack."""


def object_id(kind: int, data: bytes) -> bytes:
    """Git's id of an object, 20 bytes; CollisionError where the bytes were made to share it with others."""
    oid = _new("git_oid *")
    if _hash(oid, data, len(data), kind) < 0:
        raise CollisionError("a SHA-1 collision attack")
    return bytes(_buffer(oid))


def harden() -> None:
    """Bound, for this process, what libgit2 itself does with objects and packs; StorageError when it is too old."""
    if tuple(int(part) for part in pygit2.LIBGIT2_VERSION.split(".")) < _LEAST_VERSION:
        raise StorageError(
            f"libgit2 {pygit2.LIBGIT2_VERSION} has known holes",
            hint="install pygit2 1.21 or newer with its own libgit2 (pip install -U pygit2)",
        )
    pygit2.settings.enable_strict_object_creation(True)
    pygit2.settings.enable_strict_hash_verification(True)
    pygit2.settings.pack_max_objects = limits.BATCH_OBJECTS_MAX
    # A commit is seldom read twice, for the history knows it: kept by libgit2 as well, all that were ever read grow to 256 MB.
    pygit2.settings.cache_object_limit(pygit2.enums.ObjectType.COMMIT, 0)
    pygit2.settings.cache_max_size(limits.OBJECT_CACHE_BYTES_MAX)
    _library.git_libgit2_opts(_OPT_SET_PACK_MAX_OBJECT_SIZE, _ffi.cast("size_t", limits.TREE_BYTES_MAX))
