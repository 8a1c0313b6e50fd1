"""From what was said in a chat to commits: messages, reactions, edits, deletions. Pure. (SCP-09 §3.9)"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from swarmchat.conversation.actions import Action, Edit, FileOffer, FileWithdrawal, Other, Post, React
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.status import entities, notes, words
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.steps import Fate, Placed, Row, Step, Why, fits, said_note
from swarmchat.gateways.status.wire import (
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    GroupChatInvitation,
    ImageFormat,
)
from swarmchat.ids import AccountId, CommitId

NOWHERE: Final = CommitId("")  # stands where the commit of `Step.about` comes
_KINDS: Final[Mapping[int, str]] = {
    ImageFormat.PNG: "png",
    ImageFormat.JPEG: "jpeg",
    ImageFormat.WEBP: "webp",
    ImageFormat.GIF: "gif",
}


@dataclass(slots=True)
class _Line:
    """A message that is in the conversation, or will be: who said it, whose commit it is, what it became."""

    author: Key
    account: AccountId
    is_file: bool
    clock: int = 0  # of the edit that stands
    is_gone: bool = False


@dataclass(slots=True)
class _Feeling:
    """A reaction: the message that made it first, the clock it stands by, and whose commit it is."""

    first: str
    account: AccountId
    clock: int


class Sayings:
    """What is said, one after the other, in the order of the chat; gives the steps and the rows of the report.

    `ahead`: ids that are still to come.
    """

    def __init__(self, me: AccountId, now_ms: int, placed: Collection[Placed], ahead: Collection[str]) -> None:
        self._me = me
        self._now_ms = now_ms
        self._ahead = set(ahead)
        self._lines: dict[str, _Line] = {}
        self._feelings: dict[str, _Feeling] = {}
        self._waiting: dict[str, list[tuple[Said, tuple[str, ...]]]] = {}
        self.steps: list[Step] = []
        self.rows: list[Row] = []
        for one in sorted(placed, key=lambda one: one.said.order):
            if one.counts:
                self._note(one.said, one.account)

    def take(self, said: Said, admins: Collection[str]) -> None:
        """The next thing said, by a member; `admins` are those of that moment, as `0x04…`."""
        author = said.author.legacy
        ready: list[tuple[Said, tuple[str, ...]]] = [
            (said, (author,) if author in admins else ())
        ]  # nobody else is asked
        while ready:
            said, those = ready.pop()
            self._ahead.discard(said.envelope.id)
            target = _target(said)
            if target and target not in self._lines and target in self._ahead:
                self._waiting.setdefault(target, []).append((said, those))
                continue
            self._place(said, those)
            ready += reversed(self._waiting.pop(said.envelope.id, []))

    def pass_over(self, said: Said, reason: Why) -> None:
        """What is not taken; whoever waited for it waits in vain."""
        self._ahead.discard(said.envelope.id)
        self._tell(said, Fate.IGNORED, reason)
        for waiting, admins in self._waiting.pop(said.envelope.id, []):
            self.take(waiting, admins)

    # --- inside

    def _place(self, said: Said, admins: tuple[str, ...]) -> None:
        if not fits(said):
            self._tell(said, Fate.IGNORED, Why.TOO_BIG)
            return
        match said.entity:
            case ChatMessage():
                self._message(said, said.entity)
            case EmojiReaction():
                self._reaction(said, said.entity)
            case EditMessage() | DeleteMessage():
                self._change(said, said.entity, admins)
            case GroupChatInvitation():
                self._tell(said, Fate.IGNORED, Why.JOIN_REQUEST)

    def _message(self, said: Said, message: ChatMessage) -> None:
        answered = message.response_to if message.response_to in self._lines else ""
        offered = _offer(message)
        if offered is None:
            self._write(said, Post(words.text_of(message), NOWHERE if answered else None), about=answered)
        else:
            action, more = offered
            self._write(said, action, about="", more=more)
        self._note(said, self._me)

    def _reaction(self, said: Said, reaction: EmojiReaction) -> None:
        name = entities.reaction_id(said.author, reaction)
        before = self._feelings.get(name)
        emoji = words.emoji_of(reaction.type)
        if reaction.message_id not in self._lines:
            self._tell(said, Fate.IGNORED, Why.UNKNOWN_MESSAGE)
        elif before is not None and reaction.clock <= before.clock:
            self._tell(said, Fate.IGNORED, Why.SUPERSEDED)
        elif emoji is None:
            self._keep(said, Why.NO_SUCH_EMOJI, str(reaction.type))
        elif before is not None and before.account != self._me:
            self._keep(said, Why.NOT_OURS)
        elif before is None and reaction.retracted:
            self._keep(said, Why.NOTHING_TO_RETRACT)
        elif before is None:
            self._write(said, React(emoji, NOWHERE), about=reaction.message_id)
            self._note(said, self._me)
        else:
            self._write(said, Edit("" if reaction.retracted else emoji, NOWHERE), about=before.first)
            before.clock = reaction.clock

    def _change(self, said: Said, change: EditMessage | DeleteMessage, admins: tuple[str, ...]) -> None:
        line = self._lines.get(change.message_id)
        if line is None:
            self._tell(said, Fate.IGNORED, Why.UNKNOWN_MESSAGE)
            return
        fault = entities.change_fault(change, said.author, line.author, admins)
        if fault is not None:
            self._tell(said, Fate.IGNORED, fault.reason, fault.about)
        elif line.account != self._me:
            self._keep(said, Why.NOT_OURS)
        elif line.is_gone or (isinstance(change, EditMessage) and change.clock <= line.clock):
            self._keep(said, Why.SUPERSEDED)
        elif isinstance(change, DeleteMessage):
            gone: Action = FileWithdrawal(NOWHERE) if line.is_file else Edit("", NOWHERE)
            self._write(said, gone, about=change.message_id)
            line.is_gone = True
        elif line.is_file or not change.text:  # here a text without words is one taken back
            self._keep(said, Why.NOT_EDITABLE)
        else:
            self._write(said, Edit(change.text, NOWHERE), about=change.message_id)
            line.clock = change.clock

    def _note(self, said: Said, account: AccountId) -> None:
        """Something that has its effect, from now on."""
        match said.entity:
            case ChatMessage() as message:
                self._lines[said.envelope.id] = _Line(said.author, account, _offer(message) is not None)
            case EmojiReaction() as reaction:
                name = entities.reaction_id(said.author, reaction)
                known = self._feelings.setdefault(name, _Feeling(said.envelope.id, account, 0))
                known.clock = max(known.clock, reaction.clock)
            case EditMessage() | DeleteMessage() as change if change.message_id in self._lines:
                line = self._lines[change.message_id]
                line.clock = max(line.clock, change.clock)
                line.is_gone = line.is_gone or isinstance(change, DeleteMessage)
            case _:
                pass

    def _write(self, said: Said, action: Action, *, about: str, more: dict[str, object] | None = None) -> None:
        self.steps.append(
            Step(action, said_note(said, self._now_ms), more=more or {}, about=about, id=said.envelope.id)
        )

    def _keep(self, said: Said, reason: Why, about: str = "") -> None:
        row = Row(what(said), said.envelope.id, Fate.KEPT, reason, about)
        self.steps.append(Step(Other(notes.EVENT), said_note(said, self._now_ms), id=said.envelope.id, row=row))
        self.rows.append(row)

    def _tell(self, said: Said, fate: Fate, reason: str, about: str = "") -> None:
        self.rows.append(Row(what(said), said.envelope.id, fate, reason, about))


def what(said: Said) -> str:
    """What it is, in a word or two."""
    match said.entity:
        case ChatMessage():
            return "message"
        case EmojiReaction(retracted=True):
            return "end of a reaction"
        case EmojiReaction():
            return "reaction"
        case EditMessage():
            return "edit"
        case DeleteMessage():
            return "deletion"
        case GroupChatInvitation():
            return "request to be let in"


def _offer(message: ChatMessage) -> tuple[FileOffer, dict[str, object]] | None:
    """The file that a picture is, and what stands in its commit beside; None for all that is no picture."""
    image = message.image
    if message.content_type != ContentType.IMAGE or image is None or image.format not in _KINDS:
        return None
    kind, content = _KINDS[image.format], image.payload
    digest = hashlib.sha3_512(content).hexdigest()
    pieces = hashlib.sha256(hashlib.sha256(content).digest()).hexdigest()  # one of 1 MiB holds it all (SCP-07 §1)
    number = str(int(digest[:13], 16))  # below 2^53
    return FileOffer(f"picture.{kind}", len(content), digest, number), {"mimeType": f"image/{kind}", "chunks": pieces}


def _target(said: Said) -> str:
    """The message without which this one is nothing."""
    match said.entity:
        case EmojiReaction(message_id=target) | EditMessage(message_id=target) | DeleteMessage(message_id=target):
            return target
        case _:
            return ""
