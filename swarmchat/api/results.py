"""What methods answer: the shapes of their results. (SCP-08 §2.5)

A key that ends in "?" may be absent, a kind that ends in "?" may be null. Readers ignore keys that they do not know.
"""

from __future__ import annotations

from typing import Final

from swarmchat.api.shapes import ObjectShape

ACCOUNT: Final[ObjectShape] = {"id": "account", "device": "device", "name": "text"}
ACCOUNT_PAGE: Final[ObjectShape] = {
    **ACCOUNT,
    "revoked": "bool",  # this device is no longer one of the account
    "read_receipts": "bool",  # members are told how far I have read
    "typing": "bool",  # and that I type
}
PREFERENCES: Final[ObjectShape] = {"id": "conversation", "prefs": "object"}
CONVERSATION: Final[ObjectShape] = {"id": "conversation", "title": "text", "mode": "text"}
CONVERSATION_ROW: Final[ObjectShape] = {
    **CONVERSATION,
    "state": "text",  # ready, syncing, refused, closed; archived: an imported history
    "members": "int",
    "last": "time?",
    "unread": "int",  # messages by others after what I have read; 1,000 stands for more
}
CONVERSATION_PAGE: Final[ObjectShape] = {
    **CONVERSATION_ROW,
    "description": "text",
    "color": "text?",
    "image": "bool",
    "role": "text?",  # mine
    "created": "time",
    "heads": ["commit"],
    "held": ["commit"],  # heads of old forks that wait for consent (SCP-02 §6.4 g)
    "read": [
        {"account": "account", "commit": "commit", "time": "time"}
    ],  # up to where members have read, as far as they told
    "refused": "object?",  # why it does not become ours: {"cause", "text", "rule", "commit", "hint"} (SCP-06 §5)
}
IMPORTED: Final[ObjectShape] = {
    **CONVERSATION,
    "members": "int",
    "state": "text",
    "commits": "int",
    "merges": "int",
    "new": "bool",  # false: it was here already
}
STATE: Final[ObjectShape] = {"id": "text", "state": "text"}
MEMBER: Final[ObjectShape] = {
    "id": "account",
    "name": "text",
    "role": "text",
    "devices": ["device"],
    "revoked": ["device"],  # those of them that the account has withdrawn
    "gateway?": "text",  # only of who has no account and takes part through it: status, mvds; the name is a stranger's word then
    "read?": "object?",  # only with `local`: {"commit", "time"}, null where nothing was told
}
INVITED: Final[ObjectShape] = {"id": "account", "state": "text", "commit": "commit"}
VOTES: Final[ObjectShape] = {"kind": "text", "target": "target", "type": "text", "voters": ["account"], "needed": "int"}
BALLOT: Final[ObjectShape] = {
    **VOTES,
    "state": "text",
    "commits": ["commit"],
}  # state: voted, resolved, planned (dry run)
ROLE_CHANGE: Final[ObjectShape] = {"target": "account", "state": "text", "commits": ["commit"]}
SENT: Final[ObjectShape] = {
    "id": "commit",
    "conversation": "conversation",
    "time": "time",
    "received?": [{"account": "account", "device": "device"}],
}
VERSION: Final[ObjectShape] = {"id": "commit", "time": "time", "body": "text"}
VIA: Final[ObjectShape] = {
    "gateway": "text",  # status, mvds
    "account": "account",  # under which the conversation keeps them
    "key": "text",  # 0x04…
    "name": "text",  # as they call themselves; empty where they do not say
    "time?": "time",  # when they say that they said it; nobody checks it
}
STATUS_KEY: Final[ObjectShape] = {
    "state": "text",  # held; made or set by this very call
    "key": "text",  # 0x04…
    "compressed": "text",  # zQ3sh…
    "account": "account",  # under which the key stands in conversations where it is nobody's account
    "bound": [{"id": "conversation", "key": "text", "current": "bool"}],  # those that know this account by a key
}
DATASYNC: Final[ObjectShape] = {
    "key": "text?",  # this account's, 0x04…; null: none was made yet
    "listen": "text?",  # where it is served over TCP
    "tick_ms": "any",  # how often is sent what is due; null while nothing is served
    "peers": ["text"],  # keys of those that are connected
    "conversations": [
        {
            "conversation": "conversation",
            "group": "text",  # 64 hex digits
            "owner": "text?",  # key of who opened it
            "messages": "int",
            "over": "bool",  # the owner left: nothing more can be said there
            "members": [
                {
                    "key": "text",
                    "account": "account",
                    "foreign": "bool",  # has no account: the conversation keeps the key under this id
                    "state": "text",  # member, invited, kicked
                    "connected": "bool",
                }
            ],
            "receipts": [  # of the 20 that came in or went last and somebody confirmed, the newest first
                {
                    "message": "text",
                    "commit": "commit",
                    "kind": "text",  # join, leave, kick
                    "who": "text",  # the key of who came in or went
                    "by": ["text"],  # the keys of who confirmed it, this account's among them
                }
            ],
        }
    ],
    "metrics": "any",  # numbers since the daemon started, by name
}
_LEFT_OUT: Final[ObjectShape] = {
    "missing": [{"commit": "commit", "reason": "text", "about": "text"}],  # what Status does not hear of
    "dropped": [{"commit": "commit", "id": "text", "reason": "text"}],  # signed events that clients would refuse
    "more": "int",  # lines beyond 1,000 of each
    "counts": [{"fate": "text", "reason": "text", "count": "int"}],  # of all; fate: missing, dropped
}
STATUS_EXPORT: Final[ObjectShape] = {
    "conversation": "conversation",
    "path": "text",
    "files": ["text"],  # several where one would be larger than one may be that is imported
    "mode": "text",  # skip, attest
    "bytes": "int",
    "chat": "text",
    "generation": "int",
    "events": "int",
    "attested": "int",  # of these, signed by this very export
    "messages": "int",  # messages, reactions, edits, deletions
    **_LEFT_OUT,
}
STATUS_IMPORT: Final[ObjectShape] = {
    "conversation": "conversation?",  # null: it would be made (dry run)
    "chat": "text",
    "state": "text",  # made, grown, unchanged; planned (dry run)
    "commits": "int",
    "known": "int",  # events and messages of the file that stand here already
    "told": [  # fate: kept (in the log, without effect there), ignored (not in the log), bad (not even understood)
        {"what": "text", "id": "text?", "fate": "text", "reason": "text", "about": "text"}
    ],
    "more": "int",  # lines beyond 1,000
    "counts": [{"fate": "text", "reason": "text", "count": "int"}],  # of all
    "others": ["conversation"],  # that hold the same chat, and stay as they are
}
STATUS_REQUEST: Final[ObjectShape] = {
    "conversation": "conversation",
    "key": "text",  # 0x04…
    "compressed": "text",  # zQ3sh…
    "account": "account",  # which would be added
    "bound": "bool",  # an account of ours has said that it is its key; else only Status knows them
    "name": "text",  # as they call themselves; empty where they do not say
    "text": "text",  # with which they ask
    "at": "time",  # when it came here
    "may_add": "bool",  # this account may add them
}
STATUS_ANSWER: Final[ObjectShape] = {
    "conversation": "conversation",
    "key": "text",
    "account": "account",
    "state": "text",  # invited, declined
    "commit": "commit?",  # that adds them
}
STATUS_CHAT: Final[ObjectShape] = {
    "conversation": "conversation",
    "chat": "text",
    "generation": "int",
    "rules": "text?",  # status-go; null in a one-to-one
    "creator": "text?",  # null in a one-to-one
    "name": "text",
    "color": "text",
    "image": "bool",
    "events": "int",
    "messages": "int",
    "members": [
        {
            "key": "text",  # 0x04…
            "compressed": "text?",  # zQ3sh…; null for what is no key: clients take any word
            "account": "account?",  # under which the conversation keeps them
            "name": "text",
            "role": "text?",  # admin, member; null in a one-to-one
            "bound": "bool",  # an account of ours has said that it is its key
        }
    ],
    **_LEFT_OUT,
    "requests": [STATUS_REQUEST],  # who asks to be let in
    "ignored": [
        {"id": "text", "what": "text", "author": "text", "reason": "text", "at": "time"}
    ],  # events without effect
}
MESSAGE: Final[ObjectShape] = {
    "id": "commit",
    "type": "text",
    "author": "account",
    "device": "device",
    "time": "time",
    "body": "any",  # text/plain: the newest text, "" when deleted; else an object with the commit's other keys
    "reply_to": "commit?",
    "edits": [VERSION],
    "reactions": [{"id": "commit", "author": "account", "reaction": "text", "time": "time", "via?": VIA}],
    "hidden": "bool",
    "via?": VIA,  # where the author speaks for somebody who has no account (SCP-09)
    "status?": {"state": "text", "sent": ["account"], "read": ["account"]},  # only with `local`
    "delivery?": [  # only with `delivery`: who is joined or invited; state: written, sent, read, – (the author, or not joined)
        {
            "account": "account",
            "name": "text",
            "state": "text",
            "devices": [{"device": "device", "sent_at": "time?", "read_at": "time?"}],  # those that have it
        }
    ],
}
HIT: Final[ObjectShape] = {
    "conversation": "conversation",
    "message": MESSAGE,
    "snippet": [
        {"text": "text", "match": "bool"}
    ],  # in order; about 240 characters from shortly before the first match
    "before": [MESSAGE],  # with `context`: so many lines around it
    "after": [MESSAGE],
}
REQUEST: Final[ObjectShape] = {
    "id": "text",
    "kind": "text",  # contact, conversation
    "conversation": "conversation",
    "from": "account",
    "title": "text",
    "at": "time",
}
PRESENCE: Final[ObjectShape] = {
    "state": "text",  # linked, there, away, unknown
    "as_of": "time?",  # null: unknown
    "source": "text?",  # link, lan, card, dht
}
CONTACT: Final[ObjectShape] = {
    "id": "account",
    "name": "text",
    "state": "text",
    "conversation": "conversation?",
    "presence": PRESENCE,
}
ATTENDANCE: Final[ObjectShape] = {
    "id": "account",
    "name": "text",
    **PRESENCE,  # of the likeliest of its devices
    "devices": [{"id": "device", **PRESENCE}],
}
CONTACT_PAGE: Final[ObjectShape] = {
    **CONTACT,
    "added": "time?",
    "note": "text",
    "addresses": ["text"],
    "devices": ["device"],
}
PEER: Final[ObjectShape] = {
    "account": "account?",  # null: a device that an archive names as holding a conversation
    "device": "device?",
    "state": "text",
    "address": "text?",
    "path": "text?",
    "since": "time?",
    "last_error": "text?",
    "known": [  # where it was heard to be, the likeliest first
        {"address": "text", "source": "text", "heard": "time?", "good": "time?"}  # source: static, lan, link, card, dht
    ],
    "presence": PRESENCE,
    "barred": "bool",  # it sent invalid commits three times in an hour: nothing is fetched from it for a day
}
ADDRESSES: Final[ObjectShape] = {"account": "account", "addresses": ["text"]}
DEVICE: Final[ObjectShape] = {
    "id": "device",
    "name": "text",
    "this": "bool",
    "revoked": "bool",
    "may_link": "bool?",  # it holds the account key: it can link and revoke others; null: not known
    "since": "time?",
}
REJECTION: Final[ObjectShape] = {"commit": "commit?", "rule": "text", "reason": "text", "path": "text?"}
FINDING: Final[ObjectShape] = {
    "check": "text",  # permissions, space, settings, account, state, index, clock, listening, lan, dht, ports, nat, http, history
    "about": "text",
    "state": "text",  # ok, warning, fault
    "found": "text",
    "hint": "text?",
}
VERDICT: Final[ObjectShape] = {
    "id": "conversation",
    "format": "text",  # whose rules it was judged by: swarmchat, jami
    "valid": "bool",
    "commits": "int",
    "merges": "int",
    "heads": ["commit"],
    "roster": "object",  # {"admins": [...], "members": [...], "invited": [...], "banned": [...]}
    "rejections": [REJECTION],
    "allowed_signers?": ["text"],
}
EXPLANATION: Final[ObjectShape] = {
    "commit": "commit",
    "valid": "bool",
    "rule": "text?",
    "effect": "text",
    "because": ["text"],
}
GRAPH: Final[ObjectShape] = {
    "commits": [{"id": "commit", "parents": ["commit"], "type": "text", "author": "account?"}],
}
SYNC: Final[ObjectShape] = {
    "conversation": "conversation",
    "device": "device",
    "behind": "int",
    "ahead": "int",
    "as_of": "time?",
    "missing": [{"head": "commit", "devices": ["device"], "for_s": "int"}],  # announced over a minute ago, not here yet
}
EVENT: Final[ObjectShape] = {"id": "int", "time": "time", "type": "text", "data": "object"}
EVENTS: Final[ObjectShape] = {"events": [EVENT], "gap": "object?", "last": "int"}  # gap: {"from", "to"}, both lost
STATUS: Final[ObjectShape] = {
    "pid": "int",
    "version": "text",
    "home": "text",
    "account": "account",
    "device": "device",
    "name": "text",
    "revoked": "bool",  # this device is no longer one of the account
    "started": "time",
    "listen": ["text"],
    "links": "int",
    "conversations": "int",
    "dht": {"state": "text", "found": "text", "hint": "text?"},
}
DHT: Final[ObjectShape] = {
    "state": "text",  # off, waiting, making-key, joining, connected
    "found": "text",
    "hint": "text?",
    "id": "text?",  # of this node, 40 hex digits; null: it does not run
    "listen": ["text"],
    "bootstrap": ["text"],  # as the settings name them
    "serves": "bool",  # it keeps records for others
    "contacts": "int",
    # the latest heard of first, at most 100; source: bootstrap, lan, link, kept (from the last run), dht (from other nodes)
    "nodes": [{"id": "text", "address": "text", "source": "text", "heard": "time"}],
    "records": "int",
    "metrics": "object",  # Prometheus name -> number
}

SETTING: Final[ObjectShape] = {
    "key": "text",
    "value": "any",  # as in the file, else the default; null: nothing is set and something else decides
    "default": "any",
    "set": "bool",  # it stands in the file
    "summary": "text",
    "running?": "any",  # what the running daemon has, from the file or a flag when it started
    "restart": "bool",  # the running daemon has another value until it is started again
}

TOKEN: Final[ObjectShape] = {"name": "text", "scope": "text", "created": "time?"}  # null: the owner's
