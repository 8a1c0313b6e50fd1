from __future__ import annotations

import base64
import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.account import Account, create
from swarmchat.account.home import Home
from swarmchat.account.state import State
from swarmchat.account.statuskey import StatusKey
from swarmchat.account.store import AccountStore, Identity
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from swarmchat.errors import NotFoundError, PasswordNeededError, StorageError, UserError
from tests.support.accounts import account as account_number
from tests.support.accounts import device, seeded

NOW = 1_750_000_000
SEALED = "correct horse"
B64 = base64.b64encode(b"\7" * 32).decode()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home.locate(tmp_path, {})
    found.prepare()
    return found


@pytest.fixture
def ann() -> Account:
    account = create(name="Ann", now=NOW, entropy=seeded())
    account = account.with_revocations(account.revoke(device(1), now=NOW))
    status = StatusKey(2, b"\7" * 32)
    return replace(account, sealing=account.sealing.rotated(now=NOW * 2, entropy=seeded(3)), status_key=status)


def store(home: Home) -> AccountStore:
    return AccountStore(home, os.urandom)


def a_state() -> State:
    state, _ = State().add_contact(account_number(1), conversation=None, now_ms=NOW)
    return state


def test_an_account_and_its_state_are_read_back(home: Home, ann: Account) -> None:
    assert not store(home).exists()
    store(home).create(ann, a_state())
    assert store(home).exists()
    assert store(home).load() == ann
    assert store(home).load_state() == a_state()
    assert store(home).identity() == Identity(ann.id, ann.device, "Ann", sealed=False, revoked=False)
    for name in ("account.json", "state.json"):
        assert stat.S_IMODE((home.data / name).stat().st_mode) == 0o600


def test_a_device_without_the_account_key_is_read_back(home: Home, ann: Account) -> None:
    plain = replace(ann, account_key=None, revocations=None, status_key=None)
    store(home).create(plain, State())
    assert store(home).load() == plain


def test_the_file_of_an_earlier_version_is_read_and_written_as_one_of_today(home: Home, ann: Account) -> None:
    """It knew no key with Status."""
    store(home).create(ann, State())
    old: Any = document(home) | {"version": 1}
    del old["secrets"]["status_key"]
    (home.data / "account.json").write_text(json.dumps(old))
    read = store(home).load()
    assert read == replace(ann, status_key=None)
    store(home).save(read)
    assert (document(home)["version"], store(home).load()) == (2, read)


@pytest.mark.parametrize(
    "told",
    [{}, [], 5, {"generation": 1}, {"generation": 0, "secret": B64}, {"generation": True, "secret": B64}, {"generation": 2**53, "secret": B64},
     {"generation": 1, "secret": "BwcH"}, {"generation": 1, "secret": "A" * 43 + "="}, {"generation": 1, "secret": B64 + " "},
     {"generation": 1, "secret": B64, "more": 1}],
)  # fmt: skip
def test_a_status_key_that_is_none_is_damage(home: Home, ann: Account, told: object) -> None:
    store(home).create(ann, State())
    broken: Any = document(home)
    broken["secrets"]["status_key"] = told
    (home.data / "account.json").write_text(json.dumps(broken))
    with pytest.raises(StorageError, match=r"account\.json is damaged: secrets\.status_key"):
        store(home).load()


def test_an_empty_home_says_how_to_make_an_account(home: Home) -> None:
    for read in (store(home).load, store(home).identity):
        with pytest.raises(NotFoundError) as caught:
            read()
        assert caught.value.hint
    assert store(home).load_state() == State()


def test_an_account_is_never_overwritten(home: Home, ann: Account) -> None:
    store(home).create(ann, a_state())
    other = create(name="Eve", now=NOW, entropy=seeded(9))
    with pytest.raises(UserError, match="already") as caught:
        store(home).create(other, State())
    assert caught.value.hint
    assert (store(home).load(), store(home).load_state()) == (ann, a_state())


def test_under_a_password_no_key_lies_open_and_only_the_password_opens(home: Home, ann: Account) -> None:
    store(home).create(ann, State(), SEALED)
    text = (home.data / "account.json").read_text()
    assert json.loads(text)["secrets"] is None
    assert B64 not in text
    assert store(home).identity().sealed
    with pytest.raises(PasswordNeededError, match="is sealed") as caught:
        store(home).load()
    assert caught.value.hint
    with pytest.raises(PasswordNeededError, match="is wrong"):
        store(home).load("wrong")
    assert store(home).load(SEALED) == ann
    assert (home.data / "account.json").read_text() == text


def test_that_its_account_revoked_it_can_be_read_without_the_password(home: Home, ann: Account) -> None:
    assert ann.account_key is not None
    listed = issue_revocations(
        ann.account_key, ann.certificate, [device_prefix(ann.device)], number=1, now=ann.certificate.not_before
    )
    store(home).create(replace(ann, revocations=listed), State(), SEALED)
    assert store(home).identity().revoked


def test_later_saves_seal_with_the_password_of_the_load(home: Home, ann: Account) -> None:
    store(home).create(ann, State(), SEALED)
    opened = store(home)
    opened.save(opened.load(SEALED).renamed("Anna"))
    assert store(home).identity() == Identity(ann.id, ann.device, "Anna", sealed=True, revoked=False)
    assert store(home).load(SEALED).name == "Anna"


def test_a_password_is_set_changed_and_taken_away(home: Home, ann: Account) -> None:
    opened = store(home)
    opened.create(ann, State())
    opened.set_password(ann, SEALED)
    assert store(home).load(SEALED) == ann
    opened.set_password(ann, "another")
    with pytest.raises(PasswordNeededError):
        store(home).load(SEALED)
    assert store(home).load("another") == ann
    opened.set_password(ann, None)
    assert store(home).load() == ann
    opened.save(ann)
    assert not store(home).identity().sealed


def test_a_disk_that_refuses_leaves_account_state_and_password_as_they_were(
    home: Home, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = store(home)
    opened.create(ann, a_state(), SEALED)

    def refuse(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="no space left") as caught:
            opened.set_password(ann, None)
        assert caught.value.hint
        with pytest.raises(StorageError):
            opened.save_state(State())
        with pytest.raises(StorageError):
            opened.save(ann.renamed("Anna"))
    assert (store(home).load(SEALED), store(home).load_state()) == (ann, a_state())
    opened.save(ann)
    assert store(home).identity().sealed, "the password that could not be taken away is still in force"
    assert {path.name for path in home.data.iterdir()} == {"account.json", "state.json", "conversations", "log"}


def test_creating_on_a_full_disk_leaves_no_account(home: Home, ann: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = os.fsync

    def full_at_the_third(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:  # state file, its directory, account file
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full_at_the_third)
    with pytest.raises(StorageError):
        store(home).create(ann, a_state())
    assert not store(home).exists()
    assert {path.name for path in home.data.iterdir()} == {"conversations", "log"}, "nor whom the account knows"
    store(home).create(ann, a_state())
    assert store(home).load() == ann


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"version": 1}', b"x" * 100, b"[" * 100_000])
def test_a_damaged_file_is_named_and_left_alone(home: Home, ann: Account, content: bytes) -> None:
    store(home).create(ann, a_state())
    for name, read in (("account.json", store(home).load), ("state.json", store(home).load_state)):
        (home.data / name).write_bytes(content)
        with pytest.raises(StorageError, match=name) as caught:
            read()
        assert caught.value.hint
        assert (home.data / name).read_bytes() == content


def document(home: Home) -> dict[str, object]:
    found = json.loads((home.data / "account.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", 0), ("version", 1), ("version", 3), ("version", True), ("name", 1), ("certificate", "x"), ("device_certificate", "x"), ("revocations", "AAAA"), ("secrets", None),
     ("secrets", {}), ("sealed", "AAAA"), ("revocations", "é"), ("secrets", {"device_key": "AA==", "account_key": None, "sealing": {}})],
)  # fmt: skip
def test_an_account_file_with_a_wrong_field_is_damaged(home: Home, ann: Account, key: str, value: object) -> None:
    store(home).create(ann, State())
    (home.data / "account.json").write_text(json.dumps(document(home) | {key: value}))
    with pytest.raises(StorageError, match=r"account\.json is damaged"):
        store(home).load()


def test_keys_of_another_account_are_damage(home: Home, ann: Account, tmp_path: Path) -> None:
    store(home).create(ann, State())
    elsewhere = Home.locate(tmp_path / "other", {})
    elsewhere.prepare()
    store(elsewhere).create(create(name="Eve", now=NOW, entropy=seeded(9)), State())
    mixed = document(home) | {"secrets": document(elsewhere)["secrets"]}
    (home.data / "account.json").write_text(json.dumps(mixed))
    with pytest.raises(StorageError, match="another key"):
        store(home).load()


def test_sealed_keys_that_are_no_archive_are_damage_not_a_wrong_password(home: Home, ann: Account) -> None:
    store(home).create(ann, State(), SEALED)
    (home.data / "account.json").write_text(json.dumps(document(home) | {"sealed": "AAAA"}))
    with pytest.raises(StorageError, match="damaged"):
        store(home).load(SEALED)


def test_a_state_that_could_not_be_read_again_is_not_written(home: Home, ann: Account) -> None:
    store(home).create(ann, a_state())
    broken, _ = a_state().add_conversation(account_number(1), title="x", mode=9, now_ms=NOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode"):
        store(home).save_state(broken)
    assert store(home).load_state() == a_state()
