"""Tokens: made, known, removed; secrets nowhere but in the answer."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UserError
from swarmchat.node.tokens import OWNER, Scope, Tokens


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.locate(tmp_path / "home", {})
    home.prepare()
    return home


_dice: Iterator[int] = count(1)


def entropy(size: int) -> bytes:
    return next(_dice).to_bytes(size, "big")


def tokens(home: Home) -> Tokens:
    return Tokens(home, lambda: 1_795_297_400.0, entropy)


def test_the_owners_is_made_once_lies_in_its_file_and_may_everything(home: Home) -> None:
    box = tokens(home)
    token = box.owner()
    file = home.data / "api-token"
    assert file.read_text() == f"{token}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (box.owner(), tokens(home).owner()) == (token, token)
    found = box.credential(token)
    assert found is not None
    assert (found.name, found.scope) == (OWNER, Scope.ADMIN)


def test_another_one_is_known_after_a_restart_and_only_its_hash_is_kept(home: Home) -> None:
    made = tokens(home).add("bot", "send")
    assert made["created"] == "2026-11-21T21:43:20.000Z"
    kept = (home.data / "tokens.json").read_text()
    assert str(made["token"]) not in kept
    assert stat.S_IMODE((home.data / "tokens.json").stat().st_mode) == 0o600
    again = tokens(home)
    again.open()
    found = again.credential(str(made["token"]))
    assert found is not None
    assert (found.name, found.scope) == ("bot", Scope.SEND)
    assert again.credential(str(made["token"])[:-1]) is None
    assert again.credential("") is None
    assert again.credential(json.loads(kept)["tokens"][0]["sha256"]) is None


def test_a_removed_one_is_good_for_nothing_at_once(home: Home) -> None:
    box = tokens(home)
    token = str(box.add("bot", "read")["token"])
    held = box.credential(token)
    assert held is not None
    assert box.holds(held)
    box.remove("bot")
    assert not box.holds(held)
    assert box.credential(token) is None
    new = str(box.add("bot", "read")["token"])
    assert not box.holds(held), "the name is taken again, the secret is another"
    assert box.credential(new) is not None
    with pytest.raises(NotFoundError):
        box.remove("nobody")


def test_the_owners_is_made_anew_after_it_was_removed(home: Home) -> None:
    box = tokens(home)
    with pytest.raises(NotFoundError):
        box.remove(OWNER)
    old = box.owner()
    box.remove(OWNER)
    assert box.credential(old) is None
    assert not (home.data / OWNER).exists()
    assert box.owner() != old


def test_they_are_listed_by_name_without_secrets(home: Home) -> None:
    box = tokens(home)
    assert box.listed() == []
    box.owner()
    box.add("bot", "send")
    assert box.listed() == [
        {"name": "api-token", "scope": "admin", "created": None},
        {"name": "bot", "scope": "send", "created": "2026-11-21T21:43:20.000Z"},
    ]


@pytest.mark.parametrize("name", ["", ".x", "a b", "a/b", "ä", "a\n", "x" * (limits.TOKEN_NAME_CHARS_MAX + 1)])
def test_a_name_that_is_none_is_refused(home: Home, name: str) -> None:
    with pytest.raises(UserError, match="is no name"):
        tokens(home).add(name, "read")


def test_a_name_is_given_once_and_there_are_not_too_many(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOKENS_MAX", 2)
    box = tokens(home)
    box.add("x" * limits.TOKEN_NAME_CHARS_MAX, "read")
    for name in ("x" * limits.TOKEN_NAME_CHARS_MAX, OWNER):
        with pytest.raises(RefusedError, match="already"):
            box.add(name, "read")
    box.add("b", "read")
    with pytest.raises(RefusedError, match="2 tokens already"):
        box.add("c", "read")


def test_a_damaged_file_is_told_and_no_door_opens_with_it(home: Home) -> None:
    for text in (
        "rubbish",
        "[]",
        '{"tokens": [{"name": "a"}]}',
        '{"tokens": [{"name":"a","scope":"god","sha256":"","created":""}]}',
    ):
        (home.data / "tokens.json").write_text(text)
        with pytest.raises(StorageError, match="is damaged"):
            tokens(home).open()
    (home.data / "tokens.json").unlink()
    (home.data / "api-token").write_text("short\n")
    with pytest.raises(UserError, match="holds no token"):
        tokens(home).open()


def test_files_longer_than_ours_can_be_are_not_read(home: Home) -> None:
    token = tokens(home).owner()
    full = tokens(home)
    for number in range(limits.TOKENS_MAX):
        full.add(f"{number:0{limits.TOKEN_NAME_CHARS_MAX}}", "admin")
    for name, most in (("tokens.json", limits.TOKENS_FILE_BYTES_MAX), ("api-token", limits.TOKEN_FILE_BYTES_MAX)):
        file = home.data / name
        kept = file.read_bytes()
        file.write_bytes(kept.ljust(most))
        assert tokens(home).owner() == token
        file.write_bytes(kept.ljust(most + 1))
        with pytest.raises(StorageError, match="is larger"):
            tokens(home).open()
        file.write_bytes(kept)
    assert len(tokens(home).listed()) == limits.TOKENS_MAX + 1, "and the owner's"


def test_a_scope_covers_itself_and_those_before_it() -> None:
    assert [[one.covers(other) for other in Scope] for one in Scope] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_two_made_at_once_are_both_kept(home: Home) -> None:
    box = tokens(home)
    names = [f"bot{number}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: box.add(name, "read"), names))
    assert sorted(str(one["name"]) for one in tokens(home).listed()) == sorted(names)
