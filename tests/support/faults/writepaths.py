"""Every way on which this program writes to its disk, and what must hold whatever becomes of it on the way.

Everything goes through what other parts call, so that none of it knows which system calls there are.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmchat import disk, limits
from swarmchat.account import account as accounts
from swarmchat.account import requests
from swarmchat.account.home import Home
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.conversation.actions import Action, Add, Initial, Kick, Post
from swarmchat.ids import CommitId, ConversationId
from swarmchat.index.events import EventLog
from swarmchat.index.receipts import Receipts
from swarmchat.node.accounts import AccountVerbs
from swarmchat.node.offline import open_commands
from swarmchat.node.settings import SettingsFile
from swarmchat.runtime import SystemRuntime
from tests.support import accounts as numbered
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import forged, group, must, packed, post, writer
from tests.support.faults import files

Say = Callable[[str], None]  # what is acknowledged is said, and must be found ever after

NAME = "a.git"
BATCH = limits.LOOSE_OBJECTS_PER_BATCH + 4
PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class WritePath:
    """One way of writing.

    `prepare` makes what is there before, `open` the living thing in its process, `act` is the step that meets the fault,
    `again` the next step of the same process once the fault is gone, `check` looks at the folder with fresh eyes: everything
    that was said is there, nothing half-written is, and it goes on from there.
    """

    name: str
    prepare: Callable[[Path], None]
    open: Callable[[Path], Any]
    act: Callable[[Any, Path, Say], None]
    again: Callable[[Any, Path, Say], None]
    check: Callable[[Path, Sequence[str]], None]
    dear: bool = False  # it stretches a password, or opens a whole node: a point costs a fifth of a second


def nothing(_folder: Path) -> None:
    """To prepare, or to open."""


# --- commit logs


def _conversation(folder: Path) -> ConversationId:
    return ConversationId((folder / "conversation").read_text())


def _prepare_log(folder: Path) -> None:
    """Two heads, so that `main` is a merge, and packs to be taken."""
    log = group(folder, BOB, name=NAME)
    base = log.heads[0]
    post(log, ALICE, "left", at=base)
    post(log, BOB, "right", at=base)
    (folder / "conversation").write_text(log.conversation)
    for name, count in (("few", 3), ("many", BATCH), ("part", BATCH)):
        objects, parent = [], base
        for n in range(count):
            parent, new = forged(log, BOB, Post(f"taken {n}"), parent=parent)
            objects += new
        if name == "part":
            objects += forged(log, BOB, Kick(ALICE.id))[1]
        (folder / f"{name}.pack").write_bytes(packed(objects))
    log.close()


def _open_log(folder: Path) -> CommitLog:
    return CommitLog.open(folder / NAME, _conversation(folder))


def _append(log: CommitLog, actions: Sequence[Action], say: Say) -> None:
    for result in log.append_all([Pending(action, writer(ALICE), NOW) for action in actions]):
        say(must(result).new[0])


def _again_log(log: CommitLog, _folder: Path, say: Say) -> None:
    _append(log, [Post("once more")], say)


def _taking(name: str) -> WritePath:
    """Take a pack that was read before."""

    def taken(folder: Path) -> tuple[CommitLog, bytes]:
        return _open_log(folder), (folder / f"{name}.pack").read_bytes()

    def act(subject: tuple[CommitLog, bytes], _folder: Path, say: Say) -> None:
        log, pack = subject
        for commit in log.admit(pack).new:
            say(commit)

    def again(subject: tuple[CommitLog, bytes], folder: Path, say: Say) -> None:
        _again_log(subject[0], folder, say)
        act(subject, folder, say)

    return WritePath(f"admit {name}", _prepare_log, taken, act, again, _check_log)


def _check_log(folder: Path, said: Sequence[str]) -> None:
    _sound(CommitLog.open(folder / NAME, _conversation(folder)), said)


def _sound(log: CommitLog, said: Sequence[str]) -> None:
    missing = [commit for commit in said if not log.knows(CommitId(commit))]
    assert not missing, f"acknowledged and gone: {missing}"
    report = log.verify()
    assert report.valid, report.rejections
    assert report.heads == log.heads
    _whole_objects(log.path)
    next_one = post(log, ALICE, "the next one")
    log.close()
    again = CommitLog.open(log.path, log.conversation)
    assert again.knows(next_one)
    assert (again.heads, again.main, again.roster) == (log.heads, log.main, log.roster)
    again.close()


def _whole_objects(path: Path) -> None:
    """What stands under an object's or a pack's final name is whole, whether anything refers to it or not."""
    for place in sorted((path / "objects").rglob("*")):
        if not place.is_file():
            continue
        data = place.read_bytes()
        if place.suffix in {".pack", ".idx"}:
            assert hashlib.sha1(data[:-20]).digest() == data[-20:], f"{place} is torn"
        elif len(place.name) == 38:
            try:
                content = zlib.decompress(data)
            except zlib.error as error:
                raise AssertionError(f"{place} is torn: {error}") from error
            assert hashlib.sha1(content).hexdigest() == place.parent.name + place.name, f"{place} holds something else"
    left = [place.name for place in (path / "incoming").iterdir()] if (path / "incoming").exists() else []
    assert not left, f"left in the quarantine: {left}"


def _prepare_scattered(folder: Path) -> None:
    """Loose objects, a pack that came in whole, and one with deltas."""
    _prepare_log(folder)
    log = _open_log(folder)
    log.admit((folder / "many.pack").read_bytes())
    before, limits.LOOSE_OBJECTS_MAX = limits.LOOSE_OBJECTS_MAX, 0  # type: ignore[misc]
    assert log.rollup()
    limits.LOOSE_OBJECTS_MAX = before  # type: ignore[misc]
    for count in (BATCH, 12):
        _append(log, [Post(f"{count} at once, {n}") for n in range(count)], lambda word: None)
        log.put_away()
    log.close()


def _open_scattered(folder: Path) -> CommitLog:
    """A roll-up is due at once in this process."""
    limits.LOOSE_OBJECTS_MAX = 2  # type: ignore[misc]
    return _open_log(folder)


def _roll_up(log: CommitLog, _folder: Path, say: Say) -> None:
    known = [entry.id for entry in log.history.entries]
    log.rollup()
    for commit in known:
        say(commit)


def _prepare_lost_rows(folder: Path) -> None:
    """Git is ahead of what the rows and refs say, as after a crash between them; the next opening has to mend it."""
    _prepare_log(folder)
    for place in (folder / NAME).glob("*.sqlite3*"):
        place.unlink()


def _recover(conversation: ConversationId, folder: Path, say: Say) -> None:
    log = CommitLog.open(folder / NAME, conversation)
    for entry in log.history.entries:
        say(entry.id)
    log.close()


def _create(catalog: Catalog, _folder: Path, say: Say) -> None:
    say(catalog.create(writer(ALICE), Initial(1, "0" * 32), now=NOW).conversation)


def _create_another(catalog: Catalog, _folder: Path, say: Say) -> None:
    say(catalog.create(writer(ALICE), Initial(1, "2" * 32), now=NOW).conversation)


def _prepare_catalog(folder: Path) -> None:
    (folder / "logs").mkdir()
    source = group(folder, BOB, name=NAME)
    (folder / "conversation").write_text(source.conversation)
    pack = source.pack(None, ())
    assert pack is not None
    (folder / "clone.pack").write_bytes(b"".join(pack.chunks))
    source.close()


def _open_catalog(folder: Path) -> Catalog:
    return Catalog(folder / "logs")


def _open_to_clone(folder: Path) -> tuple[Catalog, ConversationId, bytes]:
    return _open_catalog(folder), _conversation(folder), (folder / "clone.pack").read_bytes()


def _clone(subject: tuple[Catalog, ConversationId, bytes], _folder: Path, say: Say) -> None:
    catalog, conversation, pack = subject
    for commit in catalog.prepare(conversation).admit(pack).new:
        say(commit)


def _prepare_for_removal(folder: Path) -> None:
    _prepare_catalog(folder)
    subject = _open_to_clone(folder)
    _clone(subject, folder, lambda word: None)
    subject[0].close()


def _remove(subject: tuple[Catalog, ConversationId, bytes], _folder: Path, say: Say) -> None:
    catalog, conversation, _ = subject
    catalog.remove(conversation)
    say("removed")


def _check_catalog(folder: Path, said: Sequence[str]) -> None:
    """Each conversation that is there is whole, or empty and to be cloned."""
    catalog = _open_catalog(folder)
    found = catalog.list()
    made = {word for word in said if word in found}
    for conversation in found:
        log = catalog.open(conversation)
        if not log.is_empty:
            _sound(log, [word for word in said if word != "removed" and word not in made])
    if "removed" in said:
        assert not found
    elif said:
        assert found, "acknowledged and gone"
    catalog.close()
    catalog = _open_catalog(folder)
    assert not [place for place in (folder / "logs").iterdir() if place.name.startswith(".")]
    catalog.create(writer(BOB), Initial(1, "1" * 32), now=NOW)
    assert len(catalog.list()) == len(found) + 1
    catalog.close()


# --- index


def _prepare_events(folder: Path) -> None:
    log = EventLog(folder / "events")
    log.append_all([("before", {"n": n}) for n in range(5)], time_ms=1)
    log.close()


def _open_events(folder: Path) -> EventLog:
    return EventLog(folder / "events", kept_max=8)


def _record(log: EventLog, _folder: Path, say: Say) -> None:
    for event in log.append_all([("new", {"text": "x" * 3000, "n": n}) for n in range(4)], time_ms=2):
        say(str(event.id))


def _is_put_aside(folder: Path, log: EventLog | Receipts) -> bool:
    """A disk that could not be read made it put the file aside; by SCP-08 §3.3 it begins anew, and goes on."""
    if log.rebuilt is None and not list(folder.glob("*.damaged-*")):
        return False
    log.close()
    return True


def _check_events(folder: Path, said: Sequence[str]) -> None:
    log = EventLog(folder / "events")
    if _is_put_aside(folder, log):
        return
    found = log.read(0, 100)
    ids = [event.id for event in found] if isinstance(found, list) else []
    assert log.rebuilt is None
    assert ids == list(range(1, len(ids) + 1))
    assert {int(number) for number in said} <= set(ids), "acknowledged and gone"
    assert len(ids) in {5 + 4 * n for n in range(3)}, "half a batch"
    assert log.append("next", {}, time_ms=3).id == len(ids) + 1, "a number was given twice"
    log.close()


def _prune(log: EventLog, _folder: Path, say: Say) -> None:
    events = log.append_all([("new", {"n": n}) for n in range(6)], time_ms=2)
    log.prune(now_ms=2)
    for event in events:
        say(str(event.id))


def _check_pruned(folder: Path, said: Sequence[str]) -> None:
    log = EventLog(folder / "events")
    if _is_put_aside(folder, log):
        return
    last = log.last
    found = log.read(max(0, last - 8), 100)
    assert isinstance(found, list), "more was dropped than is old"
    assert [event.id for event in found] == list(range(max(0, last - 8) + 1, last + 1))
    assert not said or last >= max(map(int, said))
    assert log.append("next", {}, time_ms=3).id == last + 1
    log.close()


def _prepare_damaged(folder: Path) -> None:
    (folder / "events").write_bytes(b"no database at all " * 200)


def _begin_anew(_nobody: None, folder: Path, say: Say) -> None:
    log = EventLog(folder / "events")
    say(str(log.append("new", {}, time_ms=5_000_000).id))
    log.close()


def _check_anew(folder: Path, said: Sequence[str]) -> None:
    log = EventLog(folder / "events")
    last = log.last
    assert not said or last == int(said[-1])
    assert log.append("next", {}, time_ms=5_000_000).id == (last or 5_000) + 1
    log.close()
    kept = [place.read_bytes() for place in folder.iterdir() if "damaged" in place.name]
    assert kept, "what was damaged is kept aside"
    assert any(data.startswith(b"no database at all") for data in kept)


DEVICE, CONVERSATION = numbered.device(7), numbered.conversation(9)


def _receive(receipts: Receipts, _folder: Path, say: Say) -> None:
    receipts.set_heads(CONVERSATION, {DEVICE: [numbered.commit(n) for n in range(40)]}, time_ms=5)
    say("heads")
    receipts.mark_read(CONVERSATION, DEVICE, numbered.commit(3), position=3, time_ms=6)
    say("read")


def _check_receipts(folder: Path, said: Sequence[str]) -> None:
    receipts = Receipts(folder / "receipts")
    if _is_put_aside(folder, receipts):
        return
    held, mark = receipts.heads(CONVERSATION, DEVICE), receipts.read_mark(CONVERSATION, DEVICE)
    assert held is not None or "heads" not in said
    assert mark is not None or "read" not in said
    assert held is None or len(held.heads) == 40
    assert receipts.mark_read(CONVERSATION, DEVICE, numbered.commit(4), position=4, time_ms=7)
    receipts.close()


# --- the account, its state, the settings of the node


def _home(folder: Path) -> Home:
    return Home(data=folder, config_file=folder / "config.toml", state=folder / "log", socket=folder / "s")


def _verbs(folder: Path) -> AccountVerbs:
    _home(folder).prepare()
    return AccountVerbs(_home(folder), SystemRuntime())


def _make_account(verbs: AccountVerbs, _folder: Path, say: Say) -> None:
    if not verbs.store.exists():
        say(str(verbs.create("Alice", None)["id"]))


def _check_account(folder: Path, said: Sequence[str]) -> None:
    verbs = _verbs(folder)
    if said:
        assert verbs.store.load().id == said[-1]
    elif verbs.store.exists():
        verbs.store.load()
    else:
        verbs.create("Alice", None)
    verbs.store.load_state()


def _store(folder: Path) -> AccountStore:
    return AccountStore(_home(folder), numbered.seeded(2))


def _prepare_account(folder: Path) -> None:
    _home(folder).prepare()
    account = accounts.create(name="Alice", now=NOW, entropy=numbered.seeded(1))
    _store(folder).create(account, State())


def _save_state(store: AccountStore, _folder: Path, say: Say) -> None:
    state, _ = requests.receive(store.load_state(), numbered.invite(), shared=False, now_ms=10)
    store.save_state(state)
    say("state")


def _check_state(folder: Path, said: Sequence[str]) -> None:
    store = _store(folder)
    state = store.load_state()
    assert len(state.requests) == 1 or not said
    store.load()
    store.save_state(State())
    assert store.load_state() == State()


def _seal(store: AccountStore, _folder: Path, say: Say) -> None:
    store.set_password(store.load(), PASSWORD)
    say("sealed")


def _seal_again(store: AccountStore, _folder: Path, say: Say) -> None:
    store.set_password(store.load(PASSWORD), PASSWORD)
    say("sealed")


def _check_sealed(folder: Path, said: Sequence[str]) -> None:
    store = _store(folder)
    assert store.identity().sealed or not said
    store.load(PASSWORD if store.identity().sealed else None)


def _export(store: AccountStore, folder: Path, say: Say) -> None:
    target = folder / f"out {len(list(folder.glob('out *')))}"
    verbs = _verbs(folder)
    catalog = Catalog(_home(folder).conversations)
    verbs.export(str(target), PASSWORD, store.load(), store.load_state(), catalog, {})
    say(target.name)


def _check_exported(folder: Path, said: Sequence[str]) -> None:
    for name in said:
        assert _verbs(folder).import_(str(folder / name), PASSWORD, check=True)["name"] == "Alice"


def _prepare_archive(folder: Path) -> None:
    (folder / "old").mkdir()
    _prepare_account(folder / "old")
    _export(_store(folder / "old"), folder / "old", lambda word: None)


def _import(verbs: AccountVerbs, folder: Path, say: Say) -> None:
    if not verbs.store.exists():
        say(str(verbs.import_(str(folder / "old" / "out 0"), PASSWORD, check=False)["id"]))


def _check_imported(folder: Path, said: Sequence[str]) -> None:
    verbs = _verbs(folder)
    if said:
        assert verbs.store.load().id == said[-1]
    if not verbs.store.exists():
        _import(verbs, folder, lambda word: None)
    verbs.store.load()


def _write_whole(_nobody: None, folder: Path, say: Say) -> None:
    disk.write_whole(folder / "addresses.json", b"new " * 5000)
    say("new")


def _prepare_file(folder: Path) -> None:
    disk.write_whole(folder / "addresses.json", b"old " * 5000)


def _check_file(folder: Path, said: Sequence[str]) -> None:
    data = (folder / "addresses.json").read_bytes()
    assert data == b"new " * 5000 or (not said and data == b"old " * 5000)


_SETTINGS = '# mine\n[log]  # of the daemon\nlevel = "{}"  # how much\n'


def _prepare_settings(folder: Path) -> None:
    (folder / "config.toml").write_text(_SETTINGS.format("debug"))


def _set(_nobody: None, folder: Path, say: Say) -> None:
    SettingsFile(folder / "config.toml").set("log.level", ["error"])
    say("error")


def _check_settings(folder: Path, said: Sequence[str]) -> None:
    levels = said or ["debug", "error"]
    assert (folder / "config.toml").read_text() in {_SETTINGS.format(level) for level in levels}


# --- whole commands, as a person types them while no daemon runs


def _run(folder: Path, method: str, **arguments: Any) -> Any:
    with open_commands(_home(folder)) as commands:
        return commands.call(method, arguments)


def _prepare_home(folder: Path) -> None:
    _home(folder).prepare()
    _run(folder, "account.create", name="Alice")
    room = _run(folder, "conversation.create", title="Harbour", mode="admin-invites")["id"]
    _run(folder, "message.send", conversation=room, text="first")
    (folder / "room").write_text(room)


def _room(folder: Path) -> str:
    return (folder / "room").read_text()


def _send(room: str, folder: Path, say: Say) -> None:
    say(_run(folder, "message.send", conversation=room, text="a message")["id"])


def _invite(room: str, folder: Path, say: Say) -> None:
    _run(folder, "member.invite", conversation=room, accounts=[CAROL.id])
    say(CAROL.id)


def _invite_another(room: str, folder: Path, say: Say) -> None:
    _run(folder, "member.invite", conversation=room, accounts=[BOB.id])
    say(BOB.id)


def _found(_nobody: None, folder: Path, say: Say) -> None:
    say(_run(folder, "conversation.create", title="Quay", mode="private")["id"])


def _add_contact(_nobody: None, folder: Path, say: Say) -> None:
    _run(folder, "contact.add", account=BOB.id, name="Bob", addresses=["127.0.0.1:9"])
    say("Bob")


def _leave(room: str, folder: Path, say: Say) -> None:
    shown = [row["id"] for row in _run(folder, "conversation.list")]
    if room in shown:
        _run(folder, "conversation.leave", conversation=room)
    say("left")


def _check_home(folder: Path, said: Sequence[str]) -> None:
    with open_commands(_home(folder)) as commands:
        rooms = [row["id"] for row in commands.call("conversation.list", {})]
        everything: set[str] = {*rooms, *(row["name"] for row in commands.call("contact.list", {}))}
        for room in rooms:
            assert commands.call("verify", {"conversation": room})["valid"]
            everything |= {line["id"] for line in commands.call("message.list", {"conversation": room, "limit": 100})}
            everything |= {row["id"] for row in commands.call("member.list", {"conversation": room})}
        if "left" in said:
            assert _room(folder) not in rooms
        else:
            assert set(said) <= everything, f"acknowledged and gone: {sorted(set(said) - everything)}"
        room = commands.call("conversation.create", {"title": "next", "mode": "private"})["id"]
        sent = commands.call("message.send", {"conversation": room, "text": "the next one"})["id"]
    with open_commands(_home(folder)) as commands:
        assert sent in {line["id"] for line in commands.call("message.list", {"conversation": room})}


def _log(name: str, act: Callable[[Any, Path, Say], None]) -> WritePath:
    return WritePath(name, _prepare_log, _open_log, act, _again_log, _check_log)


WRITE_PATHS: tuple[WritePath, ...] = (
    _log("append", lambda log, _folder, say: _append(log, [Post("new")], say)),
    _log("append a control commit", lambda log, _folder, say: _append(log, [Add(CAROL.id)], say)),
    _log("append a batch", lambda log, _folder, say: _append(log, [Post(f"new {n}") for n in range(BATCH)], say)),
    _taking("few"),
    _taking("many"),
    _taking("part"),
    WritePath("roll-up", _prepare_scattered, _open_scattered, _roll_up, _again_log, _check_log),
    WritePath("recover", _prepare_lost_rows, _conversation, _recover, _recover, _check_log),
    WritePath("create a log", _prepare_catalog, _open_catalog, _create, _create_another, _check_catalog),
    WritePath("clone", _prepare_catalog, _open_to_clone, _clone, _clone, _check_catalog),
    WritePath("remove a log", _prepare_for_removal, _open_to_clone, _remove, _remove, _check_catalog),
    WritePath("events", _prepare_events, _open_events, _record, _record, _check_events),
    WritePath("prune events", _prepare_events, _open_events, _prune, _prune, _check_pruned),
    WritePath("events anew", _prepare_damaged, nothing, _begin_anew, _begin_anew, _check_anew),
    WritePath("receipts", nothing, lambda folder: Receipts(folder / "receipts"), _receive, _receive, _check_receipts),
    WritePath("search index", files.prepare_index, files.index, files.take, files.take, files.check_index),
    WritePath("search anew", files.prepare_old_index, nothing, files.take_anew, files.take_anew, files.check_index),
    WritePath("new file", nothing, nothing, files.write_new, files.write_new, files.check_new),
    WritePath("account create", nothing, _verbs, _make_account, _make_account, _check_account),
    WritePath("state file", _prepare_account, _store, _save_state, _save_state, _check_state),
    WritePath("hints file", _prepare_file, nothing, _write_whole, _write_whole, _check_file),
    WritePath("settings", _prepare_settings, nothing, _set, _set, _check_settings),
    WritePath("set-password", _prepare_account, _store, _seal, _seal_again, _check_sealed, dear=True),
    WritePath("archive export", _prepare_account, _store, _export, _export, _check_exported, dear=True),
    WritePath("archive import", _prepare_archive, _verbs, _import, _import, _check_imported, dear=True),
    WritePath("command: send", _prepare_home, _room, _send, _send, _check_home, dear=True),
    WritePath("command: invite", _prepare_home, _room, _invite, _invite_another, _check_home, dear=True),
    WritePath("command: create", _prepare_home, nothing, _found, _found, _check_home, dear=True),
    WritePath("command: contact add", _prepare_home, nothing, _add_contact, _add_contact, _check_home, dear=True),
    WritePath("command: leave", _prepare_home, _room, _leave, _leave, _check_home, dear=True),
)
