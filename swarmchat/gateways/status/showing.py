"""A conversation as clients of Status see it. Pure but for reading the log. (SCP-09 §3.10)"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.commit import Commit
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes, reading, words
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.fold import Rules
from swarmchat.gateways.status.ledger import Ledger
from swarmchat.gateways.status.wire import ChatMessage
from swarmchat.ids import AccountId
from swarmchat.limits import MIB
from swarmchat.node.view import View
from swarmchat.node.views import JsonObject

_LOOKED_BACK_MAX: Final = 1_000  # sayings among which it is looked what people call themselves
_LOOKED_AT_BYTES_MAX: Final = 16 * MIB  # of their wrappers: each may carry all events of its chat


def shown(ledger: Ledger, view: View, chat: Chat, called: Mapping[str, str], me: AccountId, now_ms: int) -> JsonObject:
    """The chat and who is in it, each by both forms of the key; `called`: the names of who has no account, by key. Under the log's lock; StorageError.

    In a one-to-one nobody has a role, no rules hold, and there is no group that would have a name.
    """
    rules = Rules.STATUS_GO
    folded = ledger.fold_of(chat, now_ms)
    group = folded.group
    names = view.names()
    members = []
    between = [] if chat.pair is None else sorted(key.legacy for key in chat.pair.keys)
    for text in (*between, *group.admins, *(one for one in group.members if one not in group.admins)):
        key = _key(text)
        account = None if key is None else ledger.account_of(key)
        is_bound = key is not None and ledger.bindings.owner(key) is not None
        name = names.get(account, [""])[0] if account is not None and is_bound else called.get(text, "")
        members.append(
            {
                "key": text,
                "compressed": None if key is None else key.compressed,
                "account": account,
                "name": name,
                "role": None if between else "admin" if text in group.admins else "member",
                "bound": is_bound,
            }
        )
    return {
        "chat": chat.shown_to(me),
        "generation": chat.generation,
        "rules": None if between else rules.value,
        "creator": None if between else chat.creator.legacy,
        "name": group.name,
        "color": group.color,
        "image": bool(group.image),
        "events": len(folded.events) + len(folded.ignored),
        "members": members,
    }


def _key(text: str) -> Key | None:
    """The key that an event spells; None for what is none: clients take any word for a member."""
    try:
        return Key.parse(text)
    except ValueError:
        return None


def called(ledger: Ledger, log: CommitLog, since: int = 0) -> dict[str, str]:
    """What people who have no account call themselves in what they said last, by key: in commits from number `since` on."""
    found: dict[str, str] = {}
    left = _LOOKED_AT_BYTES_MAX
    for number in islice(reversed([*ledger.speaking_from(since)]), _LOOKED_BACK_MAX):
        commit, account = log.commit(log.history.id(number)), log.history.entry(number).fact.account
        assert isinstance(commit, Commit), "what says something is no merge"
        assert account is not None, "nor nobody's"
        note = notes.read(commit.body)
        if note is None or not note.envelopes:
            continue  # by an account, whose name is known, and dear to rebuild
        left -= sum(map(len, note.envelopes))
        if left < 0:
            break
        said = reading.said(ledger, number, commit, account)
        for one in () if isinstance(said, Refused) else said:
            if isinstance(one.entity, ChatMessage) and (name := words.display_name(one.entity.display_name)):
                found.setdefault(one.author.legacy, name)
    return found
