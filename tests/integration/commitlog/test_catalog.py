"""All logs of a node, each opened once."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.catalog import Catalog
from swarmchat.conversation.actions import Initial
from swarmchat.errors import NotFoundError, StorageError
from swarmchat.ids import ConversationId
from tests.support.builders import ALICE, BOB, NOW
from tests.support.commitlogs import FailingFiles, post, posts, pull, writer

NOWHERE = ConversationId("f" * 40)


def test_what_is_created_is_listed_under_its_id_and_opened_once(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "conversations")
    log = catalog.create(writer(ALICE), Initial(2, "1" * 32), now=NOW)
    other = catalog.create(writer(ALICE), Initial(2, "2" * 32), now=NOW)
    assert catalog.list() == tuple(sorted((log.conversation, other.conversation)))
    assert catalog.open(log.conversation) is log
    assert log.path == catalog.path(log.conversation) == tmp_path / "conversations" / f"{log.conversation}.git"
    post(log, ALICE, "hello")
    catalog.close()
    again = Catalog(tmp_path / "conversations")
    assert posts(again.open(log.conversation)) == ["hello"]


def test_a_prepared_one_is_cloned_into(tmp_path: Path) -> None:
    source = Catalog(tmp_path / "a").create(writer(ALICE), Initial(2, "1" * 32), now=NOW)
    catalog = Catalog(tmp_path / "b")
    log = catalog.prepare(source.conversation)
    assert log.is_empty
    assert catalog.list() == (source.conversation,)
    pull(log, source)
    assert catalog.prepare(source.conversation) is log
    assert Catalog(tmp_path / "b").prepare(source.conversation).heads == source.heads


def test_a_removed_one_is_gone(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    log = catalog.create(writer(ALICE), Initial(2, "1" * 32), now=NOW)
    catalog.remove(log.conversation)
    catalog.remove(log.conversation)
    assert (catalog.list(), list(tmp_path.iterdir())) == ((), [])
    for conversation in (log.conversation, NOWHERE):
        with pytest.raises(NotFoundError):
            catalog.open(conversation)
    with pytest.raises((NotFoundError, StorageError)):
        post(log, ALICE, "into nothing")


def test_halves_of_a_creation_or_removal_are_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".new" / "objects").mkdir(parents=True)
    (tmp_path / f".{NOWHERE}.removed").mkdir()
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / "strange.git").mkdir()
    assert Catalog(tmp_path).list() == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "strange.git"]


def test_a_creation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    files = FailingFiles()
    catalog = Catalog(tmp_path, files)
    files.count, files.fail_at = 0, 20
    with pytest.raises(StorageError):
        catalog.create(writer(ALICE), Initial(2, "1" * 32), now=NOW)
    files.fail_at = 0
    assert Catalog(tmp_path).list() == ()
    assert list(tmp_path.iterdir()) == []


def test_only_some_hold_files_open_and_all_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPEN_LOGS_MAX", 2)
    catalog = Catalog(tmp_path)
    logs = [catalog.create(writer(ALICE), Initial(2, str(n) * 32), now=NOW) for n in range(5)]
    assert all(log._store._verdicts._connection is None for log in logs)  # nobody has asked them for anything
    for log in logs:
        post(log, ALICE, "still works")
        assert catalog.open(log.conversation) is log
    assert [log for log in logs if log._store._steps._file is None] == logs[:3]


def test_old_forks_are_agreed_to_in_all_of_them(tmp_path: Path) -> None:
    for accept in (True, False):
        catalog = Catalog(tmp_path / str(accept), accept_old_forks=accept)
        created = catalog.create(writer(BOB), Initial(2, "1" * 32), now=NOW)
        prepared = catalog.prepare(NOWHERE)
        assert created._store.accept_old_forks is prepared._store.accept_old_forks is accept
        catalog.close()
        assert catalog.open(created.conversation)._store.accept_old_forks is accept
