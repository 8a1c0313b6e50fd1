"""Trees in one spelling: read strictly, compared and rebuilt by their folders."""

from __future__ import annotations

import random

import pytest

from swarmchat import limits
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.trees import (
    BLOB,
    EMPTY_TREE,
    TREE,
    Folder,
    TreeFaultError,
    additions,
    differences,
    encode,
    parse,
    rebuild,
)
from tests.support.builders import tree_id

A, B, C = (f"{n:040x}" for n in (1, 2, 0xFFF))
D = f"{5:064x}"
FILES = {
    f"admins/{A}.crt": b"alice",
    f"members/{B}.crt": b"bob",
    f"devices/{D}.crt": b"device",
    f"invited/{C}": b"",
    f"banned/members/{C}.crt": b"carol",
    f"votes/ban/members/{B}/{A}": b"",
    f"CRLs/{A}": b"list",
    "profile.vcf": b"BEGIN:VCARD",
}


class Objects:
    def __init__(self) -> None:
        self.found: dict[bytes, tuple[int, bytes]] = {}
        self.loaded: list[str] = []

    def put(self, kind: int, raw: bytes) -> bytes:
        oid = object_id(kind, raw)
        self.found[oid] = (kind, raw)
        return oid

    def load(self, oid: bytes, path: str) -> Folder:
        self.loaded.append(path)
        kind, raw = self.found[oid]
        assert kind == TREE
        return parse(raw, path)

    def tree(self, files: dict[str, bytes]) -> bytes:
        return rebuild(None, dict(files), self.load, self.put)

    def files(self, tree: bytes) -> dict[str, bytes]:
        return {path: self.found[blob][1] for path, blob in differences(None, tree, self.load) if blob is not None}


def row(mode: bytes, name: bytes, oid: bytes = b"o" * 20) -> bytes:
    return mode + b" " + name + b"\0" + oid


def test_a_tree_is_named_as_git_names_it() -> None:
    assert Objects().tree(FILES).hex() == tree_id(FILES)


def test_what_is_written_is_read_back() -> None:
    objects = Objects()
    assert objects.files(objects.tree(FILES)) == FILES


def test_a_rebuilt_tree_is_that_of_the_files_and_reads_only_folders_that_change() -> None:
    dice = random.Random(3)
    names = sorted(FILES)
    for _ in range(200):
        objects = Objects()
        before = {path: FILES[path] for path in dice.sample(names, dice.randint(0, len(names)))}
        changes: dict[str, bytes | None] = {
            path: dice.choice((None, b"new", FILES[path])) for path in dice.sample(names, dice.randint(0, len(names)))
        }
        after = {path: content for path, content in {**before, **changes}.items() if content is not None}
        base = objects.tree(before)
        objects.loaded.clear()
        assert rebuild(base, changes, objects.load, objects.put).hex() == tree_id(after)
        touched = {path.rsplit("/", 1)[0] for path in changes if "/" in path} | {""}
        assert all(any(path == t or t.startswith(path + "/") for t in touched) or not path for path in objects.loaded)


def test_the_difference_is_that_of_the_files() -> None:
    objects = Objects()
    other = {**FILES, "profile.vcf": b"other", f"members/{C}.crt": b"x"}
    del other[f"CRLs/{A}"]
    found = dict(differences(objects.tree(FILES), objects.tree(other), objects.load))
    assert found == {
        "profile.vcf": object_id(BLOB, b"other"),
        f"members/{C}.crt": object_id(BLOB, b"x"),
        f"CRLs/{A}": None,
    }


def test_equal_folders_are_not_read() -> None:
    objects = Objects()
    one, other = objects.tree(FILES), objects.tree({**FILES, "profile.vcf": b"other"})
    objects.loaded.clear()
    list(differences(one, other, objects.load))
    assert objects.loaded == ["", ""]


def test_additions_come_children_first_and_once() -> None:
    objects = Objects()
    one, other = objects.tree(FILES), objects.tree({**FILES, f"members/{C}.crt": b"x"})
    seen: set[bytes] = set()
    found = list(additions(one, other, objects.load, seen))
    assert [kind for kind, _ in found] == [BLOB, TREE, TREE]
    assert found[-1] == (TREE, other)
    assert list(additions(one, other, objects.load, seen)) == []
    assert list(additions(other, other, objects.load, set())) == []


def test_the_additions_of_a_first_tree_are_all_its_objects() -> None:
    objects = Objects()
    tree = objects.tree(FILES)
    assert {oid for _, oid in additions(None, tree, objects.load, set())} == set(objects.found)


def test_a_roster_without_files_is_the_empty_tree() -> None:
    assert Objects().tree({}) == EMPTY_TREE
    assert parse(b"", "") == {}


@pytest.mark.parametrize(
    ("raw", "path", "place"),
    [
        (row(b"100644", b".git"), "", ".git"),
        (row(b"40000", b".."), "", ".."),
        (row(b"40000", b"."), "", "."),
        (row(b"40000", b"strangers"), "", "strangers"),
        (row(b"100644", b"admins"), "", "admins"),
        (row(b"40000", b"profile.vcf"), "", "profile.vcf"),
        (row(b"100644", b"profile.vcf"), "admins", "admins/profile.vcf"),
        (row(b"100644", A.encode()), "admins", f"admins/{A}"),
        (row(b"100644", A.encode() + b".CRT"), "admins", f"admins/{A}.CRT"),
        (row(b"100644", C.upper().encode() + b".crt"), "members", f"members/{C.upper()}.crt"),
        (row(b"100644", D.encode() + b".crt"), "admins", f"admins/{D}.crt"),
        (row(b"40000", b"mute"), "votes", "votes/mute"),
        (row(b"100644", b"profile.vcf\n"), "", None),
        (row(b"100644", b"profile\xe2\x80\x8c.vcf"), "", None),
        (b"", "admins", "admins"),
    ],
)
def test_a_name_that_no_conversation_has_is_refused(raw: bytes, path: str, place: str | None) -> None:
    with pytest.raises(TreeFaultError) as fault:
        parse(raw, path)
    assert place is None or fault.value.path == place


@pytest.mark.parametrize("mode", [b"100755", b"120000", b"160000", b"040000", b"100664", b"0100644", b"", b"1006440"])
def test_every_other_mode_is_refused(mode: bytes) -> None:
    with pytest.raises(TreeFaultError):
        parse(row(mode, b"profile.vcf"), "")
    with pytest.raises(TreeFaultError):
        parse(row(mode, b"admins"), "")


def test_unsorted_and_double_entries_are_refused() -> None:
    one, two = row(b"40000", b"admins"), row(b"40000", b"members")
    assert list(parse(one + two, "")) == ["admins", "members"]
    for raw in (two + one, one + one):
        with pytest.raises(TreeFaultError, match="sorted"):
            parse(raw, "")


@pytest.mark.parametrize("junk", [b"x", b"\0", b"40000 admins\0short", b"40000 admins", b" "])
def test_bytes_that_are_no_entry_are_refused_wherever_they_stand(junk: bytes) -> None:
    good = row(b"40000", b"admins")
    for raw in (junk + good, good + junk, good + junk + row(b"40000", b"members")):
        with pytest.raises(TreeFaultError):
            parse(raw, "")


def test_entries_up_to_the_limit_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TREE_ENTRIES_MAX", 3)
    rows = [row(b"100644", f"{n:040x}".encode()) for n in range(4)]
    assert len(parse(b"".join(rows[:3]), "invited")) == 3
    with pytest.raises(TreeFaultError, match="over 3"):
        parse(b"".join(rows), "invited")


def test_an_encoded_folder_is_sorted_as_git_sorts() -> None:
    raw = row(b"40000", b"CRLs") + row(b"40000", b"admins") + row(b"100644", b"profile.vcf")
    assert encode(parse(raw, "")) == raw


def test_random_bytes_are_refused_or_one_spelling() -> None:
    dice = random.Random(5)
    base = encode(parse(row(b"40000", b"admins") + row(b"40000", b"members") + row(b"100644", b"profile.vcf"), ""))
    for _ in range(500):
        raw = bytearray(base)
        for _ in range(dice.randint(1, 3)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        try:
            nodes = parse(bytes(raw), "")
        except TreeFaultError:
            continue
        assert encode(nodes) == bytes(raw)
