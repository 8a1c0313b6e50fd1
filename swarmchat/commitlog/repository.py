"""The bare git repository of one conversation: objects read as values and written durably, refs moved in one step. (SCP-02 §1)

Reads go through libgit2 (so packs that somebody's `git gc` made are readable); writes are our own files, each synced
before anything refers to it. All refs stand in `packed-refs`, so that `main` and the heads move together or not at all.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pygit2

from swarmchat import limits
from swarmchat.commitlog import libgit2
from swarmchat.commitlog.files import DamageError, Files, NewFile, refusals
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.packs import STORED_MORE_BYTES, Packed, Writer, encode, encode_stored, index
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from swarmchat.errors import NotFoundError, StorageError
from swarmchat.ids import CommitId

MAIN: Final = "refs/heads/main"
HEADS: Final = "refs/swarm/heads/"
INCOMING: Final = "incoming"

_HINT = "run `swarmchat verify` on the conversation, or remove it and clone it again"
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
_HEAD = "ref: refs/heads/main\n"
_REF_LINE = re.compile(r"([0-9a-f]{40}) (refs/\S+)")
_KIND_NAMES: Final = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
_KINDS: Final = {name: kind for kind, name in _KIND_NAMES.items()}
_LOOSE_HEAD_BYTES_MAX = 32  # "commit 1048576\0"
_CHUNK_BYTES = 1 << 20

libgit2.harden()


class MissingObjectError(DamageError):
    """An object that something refers to is not here, or is of another kind than its place."""

    code = "missing_object"


class DamagedObjectError(DamageError):
    """An object is here and cannot be read: the disk's fault, nobody else's."""

    code = "damaged_object"


def damaged_object(oid: bytes, path: Path) -> DamagedObjectError:
    """The object with this id, in the repository or pack at `path`, is damaged."""
    return DamagedObjectError(f"object {oid.hex()} of {path} is damaged", hint=_HINT)


class Located(NamedTuple):
    """An object and where it lies: in a pack of ours from `start` to `end`, else loose, in memory or as somebody's delta."""

    kind: int
    oid: bytes
    pack: PackFile | None
    start: int
    end: int
    size: int  # bytes of its entry when it is sent; about, when it is in no pack of ours


class Draft(NamedTuple):
    """A pack and its index, durable in the quarantine."""

    pack: Path
    rows: Path
    trailer: bytes


class Repository:
    """One bare repository. Not for two threads at once."""

    def __init__(self, path: Path, files: Files, *, git_folder: Path | None = None) -> None:
        self.path = path if git_folder is None else git_folder
        self.incoming = self.path / INCOMING
        self._files = files
        self._objects = self.path / "objects"
        self._folders: set[str] = set()
        self._serial = 0
        self._packs: list[PackFile] | None = None
        self._held: dict[bytes, tuple[int, bytes]] = {}
        if not (self._objects.is_dir() and (self.path / "HEAD").is_file()):
            raise NotFoundError(f"{path} is no git repository")
        self._odb: pygit2.Odb | None = None

    @classmethod
    def create(cls, path: Path, files: Files) -> Repository:
        """A new, empty bare repository; it appears under its name only when it is whole."""
        draft = path.with_name(f".{path.name}.new")
        files.remove_tree(draft)
        for folder in ("objects/pack", "objects/info", "refs/heads", INCOMING):
            files.make_folder(draft / folder)
        for name, text in (("HEAD", _HEAD), ("config", _CONFIG)):
            files.write(draft / name, text.encode(), mode=0o600)
        for folder in ("objects", "refs", "."):
            files.sync_folder(draft / folder)
        files.rename(draft, path)
        files.sync_folder(path.parent)
        return cls(path, files)

    @classmethod
    def foreign(cls, path: Path, files: Files) -> Repository:
        """Somebody's repository, bare or with a work tree, to be read only; NotFoundError when there is none."""
        for folder in (path, path / ".git"):
            if (folder / "objects").is_dir() and (folder / "HEAD").is_file():
                config = folder / "config"
                if config.is_file() and re.search(r"objectformat\s*=\s*sha256", config.read_text("utf-8", "replace")):
                    raise NotFoundError(f"{path} is a SHA-256 repository; conversations are SHA-1")
                return cls(path, files, git_folder=folder)
        raise NotFoundError(f"{path} is no git repository")

    def rest(self) -> None:
        """Let go of all files until the next use."""
        self._forget_packs()
        self._odb = None  # libgit2 closes its files with it

    # --- reading

    def read(self, kind: int, oid: bytes) -> bytes:
        """The content of an object; MissingObjectError when it is not here or of another kind, DamagedObjectError."""
        found, data = self.read_any(oid)
        if found != kind:
            raise MissingObjectError(f"object {oid.hex()} of {self.path} is no {_KIND_NAMES[kind].decode()}")
        return data

    def read_any(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object; MissingObjectError, DamagedObjectError."""
        try:
            kind, data = self._held.get(oid) or self._read_loose(oid) or self._store.read(pygit2.Oid(raw=oid))
        except KeyError:
            raise MissingObjectError(f"object {oid.hex()} is not in {self.path}", hint=_HINT) from None
        except (ValueError, OSError, zlib.error, pygit2.GitError) as error:
            raise damaged_object(oid, self.path) from error
        return int(kind), bytes(data)

    def has(self, oid: bytes) -> bool:
        """Whether the object is here."""
        return oid in self._held or self._is_stored(oid)

    def size(self, oid: bytes) -> int:
        """How many bytes the object has, without reading it; MissingObjectError, DamagedObjectError."""
        try:
            loose = self._read_loose(oid)
            return len(loose[1]) if loose else int(self._store.read_header(pygit2.Oid(raw=oid))[1])
        except KeyError:
            raise MissingObjectError(f"object {oid.hex()} is not in {self.path}", hint=_HINT) from None
        except (ValueError, OSError, zlib.error, pygit2.GitError) as error:
            raise damaged_object(oid, self.path) from error

    def locate(self, kind: int, oid: bytes, *, stored: bool = False) -> Located:
        """Where the object lies, to be sent from there by `entry`, `stored` or not. MissingObjectError, DamagedObjectError."""
        if (held := self._held.get(oid)) is not None:
            return Located(kind, oid, None, 0, 0, len(held[1]))
        for pack in self._pack_files():
            span = pack.span(oid)
            if span is None:
                continue
            if not stored and pack.is_whole(span[0]):
                return Located(kind, oid, pack, *span, span[1] - span[0])
            try:
                length = pack.length(span[0])
            except ValueError as error:
                raise damaged_object(oid, pack.path) from error
            if length is not None:
                return Located(kind, oid, pack, *span, length + STORED_MORE_BYTES)
        try:
            size = self.size(oid) if stored else self._loose(oid).stat().st_size
        except OSError:
            size = self.size(oid)
        return Located(kind, oid, None, 0, 0, size)

    def entry(self, place: Located, *, stored: bool = False) -> bytes:
        """The object as an entry of a pack that travels: copied from our own packs, or made; all uncompressed if `stored`. DamagedObjectError.

        What lies there as a delta is never compressed: that would take more than all else that serving costs.
        """
        if place.pack is None:
            content = self.read(place.kind, place.oid)
            return encode_stored(place.kind, content) if stored else encode(place.kind, content)
        if not stored and place.pack.is_whole(place.start):
            return place.pack.slice(place.start, place.end)
        try:
            return encode_stored(*place.pack.read(place.start, place.end))
        except ValueError as error:
            raise damaged_object(place.oid, place.pack.path) from error

    def refs(self) -> dict[str, CommitId]:
        """All refs under `refs/`, loose ones before packed ones, as git has it."""
        found: dict[str, CommitId] = {}
        with refusals(self.path, "read"):
            packed = self.path / "packed-refs"
            if packed.is_file():
                for line in packed.read_text("utf-8", "replace").splitlines():
                    match = _REF_LINE.fullmatch(line)
                    if match:
                        found[match[2]] = CommitId(match[1])
            for place in self._loose_refs():
                text = place.read_text("ascii", "replace").strip()
                if re.fullmatch("[0-9a-f]{40}", text):
                    found[place.relative_to(self.path).as_posix()] = CommitId(text)
        return found

    # --- writing

    def write(self, objects: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Store (kind, id, content) durably: few objects loose, more as one pack. StorageError; nothing then refers to them."""
        new = [item for item in objects if not self._is_stored(item[1])]
        if len(new) < limits.LOOSE_OBJECTS_PER_BATCH:
            self._write_loose(new)
        elif new:
            self.write_pack(len(new), ((kind, oid, encode(kind, raw)) for kind, oid, raw in new))

    def hold(self, objects: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Have these (kind, id, content), which are durable elsewhere, from here on; `store_held` writes them."""
        self._held.update((oid, (kind, raw)) for kind, oid, raw in objects)

    def holds(self, oid: bytes) -> bool:
        """Whether the object is among them."""
        return oid in self._held

    def store_held(self, more: Sequence[tuple[int, bytes, bytes]] = ()) -> None:
        """Store what is held, and `more`, durably. StorageError: all of it is held as before."""
        self.write([*((kind, oid, raw) for oid, (kind, raw) in self._held.items()), *more])

    def let_go(self) -> None:
        """Hold nothing more: it was stored."""
        self._held.clear()

    def write_pack(self, count: int, entries: Iterable[tuple[int, bytes, bytes]]) -> Path:
        """Store `count` entries (kind, id, entry) durably as one pack; gives its place."""
        return self.place(self.draft(self.quarantine(), count, entries))

    def draft(self, path: Path, count: int, entries: Iterable[tuple[int, bytes, bytes]]) -> Draft:
        """Write `count` entries (kind, id, entry) as a pack to `path` in the quarantine, durably, with its index."""
        file = self._files.create(path)
        try:
            writer = Writer(count)
            for _, oid, entry in entries:
                writer.add(oid, entry)
                if writer.waiting >= _CHUNK_BYTES:
                    file.write(writer.take())
            file.write(writer.end())
            return self._sealed(file, writer.rows, writer.trailer)
        except BaseException:
            file.close()
            self.discard(path)
            raise

    def adopt(self, file: NewFile, table: Sequence[Packed], trailer: bytes) -> Path:
        """A pack that was written under `incoming/` becomes part of the object store, durably; gives its new place."""
        return self.place(self._sealed(file, [packed.row for packed in table], trailer))

    def place(self, draft: Draft) -> Path:
        """A draft becomes part of the object store, durably; gives its new place. StorageError: it is gone."""
        folder = self._objects / "pack"
        final = folder / f"pack-{draft.trailer.hex()}.pack"
        try:
            self._files.rename(draft.pack, final)  # before the index: readers look for the index
            self._files.rename(draft.rows, final.with_suffix(".idx"))
            self._files.sync_folder(folder)
        except BaseException:
            self.drop(draft)
            raise
        self._forget_packs()
        return final

    def drop(self, draft: Draft) -> None:
        """Remove a draft that is not wanted any more."""
        self.discard(draft.pack)
        self.discard(draft.rows)

    def _sealed(self, file: NewFile, rows: Sequence[bytes], trailer: bytes) -> Draft:
        file.sync()
        file.close()
        place = file.path.with_suffix(".idx")
        try:
            self._files.write(place, index(rows, trailer))
        except BaseException:
            self.discard(place)
            raise
        return Draft(file.path, place, trailer)

    def quarantine(self) -> Path:
        """A name for a new file that git never looks at."""
        self._serial += 1
        return self.incoming / f"{self._serial}.pack"

    def discard(self, path: Path) -> None:
        """Remove a file of the quarantine; what cannot be removed now is removed when the log is opened next."""
        try:
            self._files.remove(path)
        except StorageError:
            return

    def empty_quarantine(self) -> None:
        """Remove what a crash left behind."""
        self._files.make_folder(self.incoming)
        with refusals(self.incoming, "read"):
            left = sorted(self.incoming.iterdir())
        for path in left:
            self._files.remove(path)

    def move_refs(self, refs: Mapping[str, CommitId]) -> None:
        """Exactly these refs stand from here on, durably, all at once."""
        lines = [
            "# pack-refs with: peeled fully-peeled sorted ",
            *(f"{refs[name]} {name}" for name in sorted(refs)),
            "",
        ]
        draft = self.path / "packed-refs.new"
        self._files.remove(draft)
        try:
            self._files.write(draft, "\n".join(lines).encode(), mode=0o600)
            self._files.rename(draft, self.path / "packed-refs")
        except BaseException:
            self.discard(draft)
            raise
        self._files.sync_folder(self.path)
        for place in self._loose_refs():
            self._files.remove(place)  # one made by hand would hide ours

    # --- keeping house (SCP-04 §4.7)

    def loose_objects(self) -> list[bytes]:
        """The ids of all loose objects, sorted."""
        found: list[bytes] = []
        with refusals(self._objects, "read"):
            for folder in sorted(self._objects.iterdir()):
                if re.fullmatch("[0-9a-f]{2}", folder.name):
                    names = sorted(entry.name for entry in folder.iterdir())
                    found.extend(
                        bytes.fromhex(folder.name + name) for name in names if re.fullmatch("[0-9a-f]{38}", name)
                    )
        return found

    def kind_of(self, oid: bytes) -> int:
        """What kind of object this is, of one that is here; DamagedObjectError."""
        try:
            loose = self._read_loose(oid)
            return loose[0] if loose else int(self._store.read_header(pygit2.Oid(raw=oid))[0])
        except (KeyError, ValueError, OSError, zlib.error, pygit2.GitError) as error:
            raise damaged_object(oid, self.path) from error

    def pack_files(self) -> list[PackFile]:
        """The packs of the object store, the biggest first."""
        return sorted(self._pack_files(), key=lambda pack: (-pack.count, pack.path.name))

    def replace(self, draft: Draft | None, packs: Sequence[PackFile], loose: Iterable[bytes]) -> Path | None:
        """Put a draft into the place of the packs and loose objects that it holds; the old files go when it is there. Gives its place."""
        new = None if draft is None else self.place(draft)
        if packs:
            self._files.remove(self._objects / "pack" / "multi-pack-index")  # it would name packs that go
        for path in sorted(pack.path for pack in packs if pack.path != new):
            for suffix in (".idx", ".pack", ".rev", ".bitmap"):  # the index first: a pack without one is nothing
                self._files.remove(path.with_suffix(suffix))
        for oid in sorted(loose):
            self._files.remove(self._loose(oid))
        self._forget_packs()
        self._odb = None  # lets go of the old files
        return new

    # --- inside

    def _read_loose(self, oid: bytes) -> tuple[int, bytes] | None:
        """A loose object, None where it is not loose; ValueError, zlib.error. By ourselves: libgit2 1.9 never returns from one that is cut off."""
        try:
            data = self._loose(oid).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        inflate = zlib.decompressobj()
        head, _, raw = inflate.decompress(data, limits.TREE_BYTES_MAX + _LOOSE_HEAD_BYTES_MAX).partition(b"\0")
        name, _, size = head.partition(b" ")
        if not inflate.eof or name not in _KINDS or size != b"%d" % len(raw) or object_id(_KINDS[name], raw) != oid:
            raise ValueError("it is cut off, or holds something else than its name says")
        return _KINDS[name], raw

    def _is_stored(self, oid: bytes) -> bool:
        return bool(self._store.exists(pygit2.Oid(raw=oid)))

    @property
    def _store(self) -> pygit2.Odb:
        if self._odb is None:
            try:
                self._odb = pygit2.Odb(str(self._objects))
            except (OSError, pygit2.GitError) as error:
                raise StorageError(
                    f"cannot read {self._objects}: {error}", hint="see what is wrong there with: swarmchat doctor"
                ) from error
        return self._odb

    def _write_loose(self, objects: Sequence[tuple[int, bytes, bytes]]) -> None:
        drafts: list[tuple[Path, Path]] = []
        try:
            for kind, oid, raw in objects:
                self._serial += 1
                draft = self.incoming / f"{self._serial}.object"
                drafts.append((draft, self._loose(oid)))
                content = b"%s %d\0%s" % (_KIND_NAMES[kind], len(raw), raw)
                self._files.write(draft, zlib.compress(content, 1))
            folders = {place.parent for _, place in drafts}
            fresh = [folder for folder in sorted(folders) if folder.name not in self._folders]
            for folder in fresh:
                self._files.make_folder(folder)
            for draft, place in drafts:
                self._files.rename(draft, place)
        except BaseException:
            for draft, _ in drafts:
                self.discard(draft)
            raise
        for folder in sorted(folders):
            self._files.sync_folder(folder)
        if fresh:
            self._files.sync_folder(self._objects)
        self._folders.update(folder.name for folder in folders)

    def _loose(self, oid: bytes) -> Path:
        name = oid.hex()
        return self._objects / name[:2] / name[2:]

    def _loose_refs(self) -> list[Path]:
        return sorted(path for path in (self.path / "refs").rglob("*") if path.is_file())

    def _pack_files(self) -> list[PackFile]:
        if self._packs is None:
            with refusals(self._objects, "read"):
                indexes = sorted((self._objects / "pack").glob("*.idx"))
            self._packs = [PackFile(place) for place in indexes if place.with_suffix(".pack").is_file()]
        return self._packs

    def _forget_packs(self) -> None:
        self._packs = None  # unmapped when the last who copies from them has let go
