"""Histories of other programs, taken in whole and kept to be read: `<conversation id>.git` each, never written to again. (SCP-02 §9.18)

What is kept is a copy of the objects that were judged, in one pack with one ref, and beside it a note for lists. A history
appears under its name only when it is whole and valid; opening it trusts the signatures that were checked then.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

from swarmchat import limits
from swarmchat.commitlog import foreign, jami
from swarmchat.commitlog.audit import Progress, Report
from swarmchat.commitlog.files import Files, refusals
from swarmchat.commitlog.jami import Audited
from swarmchat.commitlog.packs import encode
from swarmchat.commitlog.repository import MAIN, Repository
from swarmchat.commitlog.shelf import Recent
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation import profile as profiles
from swarmchat.conversation.actions import CastVote
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.history import History
from swarmchat.conversation.jami.commit import parse
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.settled import Fate
from swarmchat.conversation.timeline import Timeline
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UserError, VerificationError
from swarmchat.ids import CommitId, ConversationId, conversation_id

_SUFFIX: Final = ".git"
_ASIDE: Final = ".replaced"
_NOTE: Final = "archive.json"
_OPEN_MAX: Final = 4  # histories held in memory
_PACK_ORDER: Final = {1: 0, 2: 1, 3: 2}
_HINT: Final = "remove it with `swarmchat conversation purge`, and import it again"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list says of an archived conversation."""

    id: ConversationId
    title: str
    mode: int
    members: int
    commits: int
    merges: int
    created: int  # seconds since 1970, by its creator's clock
    last: int | None  # of the newest message


class Imported(NamedTuple):
    """An archived conversation, and whether it came or grew by this import."""

    summary: Summary
    new: bool


class ArchivedLog:
    """One archived history, to be read. Thread-safe."""

    def __init__(self, path: Path, audited: Audited, tip: CommitId) -> None:
        assert audited.report.conversation is not None
        self.path = path
        self.conversation: ConversationId = audited.report.conversation
        self._here = audited.here
        self._tip = tip
        self._lock = threading.RLock()
        self._commits: Recent[CommitId, Commit | Merge] = Recent(limits.COMMITS_KEPT_MAX, lambda commit: 1)

    @property
    def history(self) -> History:
        """All its commits. Not to be changed."""
        return self._here.history

    @property
    def roster(self) -> Roster:
        """Who stood where at the end."""
        return self.roster_at(self._tip)

    @property
    def held(self) -> tuple[CommitId, ...]:
        """Nothing is held back in an archive."""
        return ()

    @contextmanager
    def still(self) -> Iterator[None]:
        """For who reads several things, as with a log that grows."""
        with self._lock:
            yield

    def refusals(self) -> tuple[Rejection, ...]:
        """Nothing invalid was let in."""
        return ()

    def refusal(self, commit: CommitId) -> Rejection | None:
        """Nothing invalid was let in."""
        return None

    def fate(self, commit: CommitId) -> Fate | None:
        """An archive is not settled anew: what its commits did stands."""
        return None

    def roster_at(self, commit: CommitId) -> Roster:
        """The roster after a commit. NotFoundError, StorageError."""
        with self._lock:
            if commit not in self.history:
                raise NotFoundError(f"no commit {commit} in this conversation")
            return self._here.roster_at(commit)

    def commit(self, commit: CommitId) -> Commit | Merge:
        """A commit, in the shape of ours. NotFoundError, StorageError."""
        with self._lock:
            known = self._commits.get(commit)
            if known is None:
                known = self._read(commit)
                self._commits.put(commit, known)
            return known

    def verify(self, progress: Progress | None = None) -> Report:
        """Judge all again, signatures included, from the objects on the disk."""
        repository = Repository(self.path, Files())
        try:
            return jami.audit(repository, self._tip, self.conversation, progress).report
        finally:
            repository.rest()

    def _read(self, commit: CommitId) -> Commit | Merge:
        entry = self.history.get(commit)
        if entry is None:
            raise NotFoundError(f"no commit {commit} in this conversation")
        parsed = parse(commit, self._here.objects.read(COMMIT, bytes.fromhex(commit)))
        if isinstance(parsed, Rejection):
            raise StorageError(f"commit {commit} of {self.path} is damaged", hint=_HINT)
        shown = parsed.shown
        control = entry.fact.control
        if isinstance(shown, Commit) and control is not None and isinstance(control.action, CastVote):
            body = {**shown.body, "kind": control.action.kind}  # Jami says it by the place of the file alone
            return Commit(
                shown.id,
                shown.tree,
                shown.parent,
                shown.name,
                shown.device,
                shown.time,
                control.action,
                body,
                shown.armour,
                shown.payload,
            )
        return shown


class Archives:
    """All archived histories of this node, in one folder. Thread-safe. Opening waits for the disk, so callers off-load."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder = folder
        self._files = files or Files()
        self._lock = threading.RLock()
        self._open: OrderedDict[ConversationId, tuple[ArchivedLog, Repository]] = OrderedDict()
        self._summaries: dict[ConversationId, Summary] = {}
        if folder.is_dir():
            with refusals(folder, "read"):
                left = sorted(path for path in folder.iterdir() if path.name.startswith("."))
            for path in left:  # halves of an import or removal that a crash ended
                self._tidy(path)

    def __contains__(self, conversation: object) -> bool:
        return isinstance(conversation, str) and (self._folder / f"{conversation}{_SUFFIX}").is_dir()

    def ids(self) -> tuple[ConversationId, ...]:
        """Of all of them, sorted, whether they can be read or not. StorageError."""
        if not self._folder.is_dir():
            return ()
        with self._lock, refusals(self._folder, "read"):
            names = sorted(path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return tuple(name for name in map(_parsed, names) if name is not None)

    def list(self) -> tuple[Summary, ...]:
        """What a list says of all of them, by id. StorageError."""
        return tuple(self.summary(one) for one in self.ids())

    def summary(self, conversation: ConversationId) -> Summary:
        """What a list says of one. NotFoundError, StorageError."""
        with self._lock:
            found = self._summaries.get(conversation) or _read_note(self._path(conversation) / _NOTE, conversation)
            if found is None:
                found = _summarised(self.open(conversation))
            self._summaries[conversation] = found
            return found

    def open(self, conversation: ConversationId) -> ArchivedLog:
        """The history of one. NotFoundError, StorageError."""
        with self._lock:
            known = self._open.get(conversation)
            if known is None:
                if conversation not in self:
                    raise NotFoundError(f"no archived conversation {conversation} here")
                known = self._opened(self._path(conversation), conversation)
                self._open[conversation] = known
            self._open.move_to_end(conversation)
            while len(self._open) > _OPEN_MAX:
                self._open.popitem(last=False)[1][1].rest()
            return known[0]

    def bring(self, path: Path, progress: Progress | None = None) -> Imported:
        """Judge the history at `path` and keep a copy of it; the same again changes nothing.

        VerificationError with the rule when it is not valid, UserError when it is none of Jami's, RefusedError when another
        history of this conversation is here; nothing of it is kept then.
        """
        with foreign.opened(path) as source:
            tip = foreign.jami_tip(source)
            if tip is None:
                raise UserError(
                    f"{path} is no repository that Jami made, or has no branch `main`",
                    hint="a conversation of swarmchat is joined: swarmchat join LINK",
                )
            audited = jami.audit(source, tip, foreign.claimed(path), progress)
            report = audited.report
            if not report.valid or report.conversation is None:
                raise _invalid(report)
            with self._lock:
                if not self._grows(report.conversation, audited, tip):
                    return Imported(self.summary(report.conversation), new=False)
                self._keep(report.conversation, audited, tip)
                return Imported(self.summary(report.conversation), new=True)

    def remove(self, conversation: ConversationId) -> None:
        """Erase one; one that is not here is no fault. StorageError."""
        with self._lock:
            self._forget(conversation)
            path = self._path(conversation)
            if path.exists():
                going = self._folder / f".{conversation}.removed"
                self._files.remove_tree(going)
                self._files.rename(path, going)  # gone in one step, whatever happens to the rest
                self._files.sync_folder(self._folder)
                self._files.remove_tree(going)

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for _, repository in self._open.values():
                repository.rest()

    # --- inside

    def _path(self, conversation: ConversationId) -> Path:
        return self._folder / f"{conversation}{_SUFFIX}"

    def _opened(self, path: Path, conversation: ConversationId) -> tuple[ArchivedLog, Repository]:
        repository = Repository(path, self._files)
        tip = repository.refs().get(MAIN)
        if tip is None:
            raise StorageError(f"{path} is damaged: it has no branch", hint=_HINT)
        audited = jami.audit(repository, tip, conversation, check_signatures=False)
        if not audited.report.valid:
            repository.rest()
            raise StorageError(f"{path} is damaged: {audited.report.rejections[0]}", hint=_HINT)
        return ArchivedLog(path, audited, tip), repository

    def _grows(self, conversation: ConversationId, audited: Audited, tip: CommitId) -> bool:
        """Whether the copy is new, or holds all that is here and more."""
        if conversation not in self:
            return True
        here = self.open(conversation)
        if tip in here.history:
            return False
        with suppress(NotFoundError):
            if all(head in audited.here.history for head in here.history.heads):
                return True
        raise RefusedError(
            "another copy of this conversation is archived, and each has commits that the other lacks",
            hint=f"keep one: swarmchat conversation purge {conversation[:12]}, then import this one",
            data={"conversation": conversation},
        )

    def _keep(self, conversation: ConversationId, audited: Audited, tip: CommitId) -> None:
        self._files.make_folder(self._folder)
        draft = self._folder / ".new"
        self._files.remove_tree(draft)
        try:
            repository = Repository.create(draft, self._files)
            objects = audited.here.objects
            named = sorted(audited.objects.items(), key=lambda item: (_PACK_ORDER[item[1]], item[0]))
            repository.write_pack(
                len(named), ((kind, oid, encode(kind, objects.read(kind, oid))) for oid, kind in named)
            )
            repository.move_refs({MAIN: tip})
            repository.rest()
            summary = _summarised(ArchivedLog(draft, audited, tip))
            self._files.write(draft / _NOTE, json.dumps(asdict(summary)).encode(), mode=0o600)
            self._files.sync_folder(draft)
            self._forget(conversation)
            self._put(draft, self._path(conversation))
        except BaseException:
            with suppress(StorageError):
                self._files.remove_tree(draft)
            raise

    def _put(self, draft: Path, path: Path) -> None:
        """Give the new copy its name, in place of a shorter one if there is one: at any moment one of them is whole."""
        if not path.exists():
            self._files.rename(draft, path)
            self._files.sync_folder(self._folder)
            return
        aside = self._folder / f".{path.name}{_ASIDE}"
        self._files.remove_tree(aside)
        self._files.rename(path, aside)
        try:
            self._files.rename(draft, path)
        except StorageError:
            self._files.rename(aside, path)
            raise
        self._files.sync_folder(self._folder)
        self._files.remove_tree(aside)

    def _tidy(self, path: Path) -> None:
        place = self._folder / path.name.removeprefix(".").removesuffix(_ASIDE)
        if path.name.endswith(_ASIDE) and not place.exists():
            self._files.rename(path, place)  # its successor never got the name
        else:
            self._files.remove_tree(path)

    def _forget(self, conversation: ConversationId) -> None:
        known = self._open.pop(conversation, None)
        self._summaries.pop(conversation, None)
        if known is not None:
            known[1].rest()


def _summarised(log: ArchivedLog) -> Summary:
    history, roster = log.history, log.roster
    newest = Timeline(history).page(1)
    merges = sum(1 for entry in history.entries if entry.is_merge)
    return Summary(
        log.conversation,
        _title(log),
        roster.mode,
        len(roster.joined),
        len(history) - merges,
        merges,
        history.root.fact.time,
        history[newest[0].commit].fact.time if newest else None,
    )


def _title(log: ArchivedLog) -> str:
    """Its title; a one-to-one without one is called as its two sides called themselves last."""
    roster = log.roster
    title = "" if roster.profile is None else profiles.read_loosely(roster.profile).title
    if title or roster.mode != 0:
        return title
    names = []
    for account in sorted(log.history.accounts):
        newest = log.commit(log.history.by_account(account)[-1].id)
        if isinstance(newest, Commit) and newest.name != newest.device:
            names.append(newest.name)
    return ", ".join(names)[: limits.TITLE_CHARS_MAX]


def _read_note(path: Path, conversation: ConversationId) -> Summary | None:
    """The note beside a history; None where it is damaged, and to be made anew."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(limits.JAMI_SUMMARY_BYTES_MAX))
        found = Summary(**told)
    except (OSError, ValueError, TypeError):
        return None
    numbers = (found.members, found.commits, found.merges, found.created, found.last or 0)
    whole = all(type(number) is int and number >= 0 for number in numbers)
    if found.id != conversation or not isinstance(found.title, str) or not whole or found.mode not in (0, 1, 2, 3):
        return None
    return found


def _invalid(report: Report) -> VerificationError:
    if not report.rejections:
        return VerificationError("it holds no commit")
    first = report.rejections[0]
    blamed = f"commit {first.commit[:12]}" if first.commit else "it"
    return VerificationError(
        f"not valid, so nothing of it was kept: {blamed} breaks {first}",
        hint="`swarmchat verify PATH` lists all that is wrong with it",
        data={
            "conversation": report.conversation,
            "rule": first.rule,
            "reason": first.reason.code,
            "commit": first.commit,
            "path": first.path,
            "refused": len(report.rejections),
        },
    )


def _parsed(name: str) -> ConversationId | None:
    try:
        return conversation_id(name)
    except ValueError:
        return None
