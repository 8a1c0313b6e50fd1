"""Tree objects in their one spelling, and trees that grow and shrink, held against a plain dict. (SCP-02 §1.1, SCP-04 §4.1)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.trees import (
    BLOB,
    EMPTY_TREE,
    TREE,
    Folder,
    Node,
    TreeFaultError,
    additions,
    differences,
    encode,
    parse,
    rebuild,
)
from swarmchat.conversation import tree as layout
from swarmchat.conversation.profile import ProfileError
from swarmchat.conversation.profile import parse as read_profile
from swarmchat.conversation.profile import write as write_profile
from tests.fuzz.recipe import Recipe

TOKENS = (
    *(b"100644 ", b"40000 ", b"040000 ", b"100755 ", b"120000 ", b"160000 ", b"profile.vcf\0", b"admins\0", b"CRLs\0"),
    *(b"members\0", b"devices\0", b"invited\0", b"banned\0", b"votes\0", b"ban\0", b"unban\0", b"promote\0", b".crt\0"),
    *(b"BEGIN:VCARD\r\n", b"END:VCARD\r\n", b"VERSION:4.0\r\n", b"VERSION:2.1\n", b"FN:", b"NOTE:", b"X-COLOR:#"),
    *(b"PHOTO:data:image/png;base64,", b"PHOTO;ENCODING=BASE64;TYPE=PNG:", b"\r\n ", b"\\n", b"\\,"),
)
_RAW, _CHANGES, _PROFILE = range(3)
_A, _B = "ab" * 20, "cd" * 20
_D = "ef" * 32
_PLACES = (
    *("", "admins", "members", "devices", "invited", "banned", "CRLs", "votes", "banned/devices", "banned/invited"),
    *("votes/ban", "votes/unban/members", f"votes/promote/members/{_A}", f"votes/ban/devices/{_D}"),
)
_FILES = (
    "profile.vcf",
    *(f"{ban}{place}/{name}.crt" for ban in ("", "banned/") for place in ("admins", "members") for name in (_A, _B)),
    *(f"{ban}devices/{_D}.crt" for ban in ("", "banned/")),
    *(f"{ban}invited/{_A}" for ban in ("", "banned/")),
    f"CRLs/{_B}",
    *(f"votes/{kind}/members/{_A}/{_B}" for kind in ("ban", "unban", "promote")),
    f"votes/ban/devices/{_D}/{_B}",
    f"votes/ban/invited/{_A}/{_B}",
)


def seeds() -> Iterator[bytes]:
    """The folders of a tree with every kind of file, changes in both directions, profiles of both versions."""
    store: dict[bytes, tuple[int, bytes]] = {}
    root = rebuild(None, dict.fromkeys(_FILES, b"x"), _loader(store), _putter(store))
    yield bytes((_RAW, 0)) + store[root][1]
    for name, node in parse(store[root][1], "").items():
        if node.is_folder and name in _PLACES:
            yield bytes((_RAW, _PLACES.index(name))) + store[node.oid][1]
    yield bytes((_RAW, _PLACES.index("banned/devices"))) + b"100644 " + _D.encode() + b".crt\0" + bytes(20)
    yield bytes((_CHANGES,)) + bytes(number for file in range(len(_FILES)) for number in (file, 1))
    yield bytes((_CHANGES,)) + bytes((0, 1, 3, 2, 255, 0, 0, 0, 9, 9, 255, 0, 9, 0, 3, 0))
    yield bytes((_PROFILE,)) + (
        b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\\, b\r\nNOTE:two\\nlines\r\nX-COLOR:#AAbbcc\r\n"
        b"PHOTO:data:image/png;base64,iVBORw0KGgo=\r\nEND:VCARD\r\n"
    )
    yield bytes((_PROFILE,)) + (
        b"BEGIN:VCARD\nVERSION:2.1\nFN:Old\nDESCRIPTION:of Jami\nPHOTO;ENCODING=BASE64;TYPE=PNG:iVBORw0KGgo=\n\nEND:VCARD"
    )


def run(data: bytes) -> None:
    """Only TreeFaultError (ProfileError) comes out; what is read is one spelling; changes do what a dict would."""
    recipe = Recipe(data)
    match recipe.u8() % 3:
        case 0:
            _raw(_PLACES[recipe.u8() % len(_PLACES)], recipe.rest())
        case 1:
            _changes(recipe)
        case _:
            _profile(recipe.rest())


def _raw(path: str, raw: bytes) -> None:
    try:
        nodes = parse(raw, path)
    except TreeFaultError as fault:
        str(fault)
        return
    assert encode(nodes) == raw, "a second spelling of a tree"
    for name, node in nodes.items():
        place = f"{path}/{name}" if path else name
        assert layout.is_folder(place) if node.is_folder else layout.is_file(place)
        if not node.is_folder and place.startswith("votes/"):
            assert layout.vote(layout.read_vote(place)) == place


def _loader(store: Mapping[bytes, tuple[int, bytes]]):  # type: ignore[no-untyped-def]
    def load(oid: bytes, path: str) -> Folder:
        kind, raw = store[oid]
        assert kind == TREE
        return parse(raw, path)

    return load


def _putter(store: dict[bytes, tuple[int, bytes]]):  # type: ignore[no-untyped-def]
    def put(kind: int, raw: bytes) -> bytes:
        oid = object_id(kind, raw)
        store[oid] = (kind, raw)
        return oid

    return put


def _changes(recipe: Recipe) -> None:
    store: dict[bytes, tuple[int, bytes]] = {EMPTY_TREE: (TREE, b"")}
    load, put = _loader(store), _putter(store)
    files: dict[str, bytes] = {}
    root: bytes | None = None
    for _ in range(6):
        if not recipe.more:
            break
        changes: dict[str, bytes | None] = {}
        while recipe.more and (file := recipe.u8()) != 255 and len(changes) < 30:
            content = recipe.u8()
            changes[_FILES[file % len(_FILES)]] = bytes((content,)) if content else None
        before, old = dict(files), root
        files = {path: one for path, one in {**files, **changes}.items() if one is not None}
        root = rebuild(root, changes, load, put)
        assert _walk(root, "", store) == files
        told = {path: oid and store[oid][1] for path, oid in differences(old, root, load)}
        assert told == {
            path: files.get(path) for path in before.keys() | files.keys() if before.get(path) != files.get(path)
        }
        assert root == rebuild(None, files, load, put), "one roster, two trees"
        brought = {oid for _, oid in additions(old, root, load, set())}
        assert _objects(root, store) - (_objects(old, store) if old else set()) <= brought <= _objects(root, store)


def _walk(root: bytes, path: str, store: Mapping[bytes, tuple[int, bytes]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, node in parse(store[root][1], path).items():
        place = f"{path}/{name}" if path else name
        found |= _walk(node.oid, place, store) if node.is_folder else {place: store[node.oid][1]}
    return found


def _objects(root: bytes, store: Mapping[bytes, tuple[int, bytes]], path: str = "") -> set[bytes]:
    found = {root}
    for name, node in parse(store[root][1], path).items():
        assert isinstance(node, Node)
        assert store[node.oid][0] == (TREE if node.is_folder else BLOB)
        found |= _objects(node.oid, store, f"{path}/{name}" if path else name) if node.is_folder else {node.oid}
    return found


def _profile(content: bytes) -> None:
    try:
        profile = read_profile(content)
    except ProfileError:
        return
    try:
        again = write_profile(profile)
    except ProfileError:
        return  # of a 2.1 that 4.0 cannot say
    assert read_profile(again) == profile
    assert write_profile(read_profile(again)) == again
