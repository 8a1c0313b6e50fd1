"""A node that is only pretended: canned answers of the right shape, and a record of what was asked."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from swarmchat.errors import UserError

ALICE = "a11ce" + "0" * 35
BOB = "b0b" + "1" * 37
CAROL = "ca201" + "2" * 35
PHONE = "d1" * 32
LAPTOP = "d2" * 32
ROOM = "c0ffee" + "3" * 34
ROOT = ROOM
FIRST = "f1" * 20
SECOND = "f2" * 20
THIRD = "f3" * 20
NOON = "2026-11-20T12:00:00.000Z"
LATER = "2026-11-20T12:05:00.000Z"

_STATE = {"id": ROOM, "state": "ready"}
_PRESENCE = {"state": "away", "as_of": NOON, "source": "link"}
_CONTACT = {"id": BOB, "name": "Bob", "state": "confirmed", "conversation": ROOM, "presence": _PRESENCE}
_BALLOT = {
    "kind": "ban",
    "target": BOB,
    "type": "members",
    "voters": [ALICE],
    "needed": 2,
    "state": "voted",
    "commits": [THIRD],
}
_SENT = {"id": FIRST, "conversation": ROOM, "time": NOON}
_ROW = {"id": ROOM, "title": "Boats", "mode": "private", "state": "ready", "members": 3, "last": LATER, "unread": 0}
_PAGE = {
    **_ROW,
    "description": "about boats",
    "color": "#336699",
    "image": False,
    "role": "admin",
    "created": NOON,
    "heads": [THIRD],
    "held": [],
    "read": [],
    "refused": None,
}


def message(commit: str = FIRST, **other: Any) -> dict[str, Any]:
    """One entry of a log."""
    return {
        "id": commit,
        "type": "text/plain",
        "author": ALICE,
        "device": PHONE,
        "time": NOON,
        "body": "hello",
        "reply_to": None,
        "edits": [],
        "reactions": [],
        "hidden": False,
    } | other


_SETTING = {
    "key": "log.level",
    "value": "debug",
    "default": "info",
    "set": True,
    "summary": "the least that is logged",
    "running": "info",
    "restart": True,
}
_ACCOUNT = {
    "id": ALICE,
    "device": PHONE,
    "name": "Alice",
    "revoked": False,
    "read_receipts": True,
    "typing": False,
}

_CHAT = "00010203-0405-4607-8809-0a0b0c0d0e0f-0x04" + "5e" * 64
_LEFT_OUT: Mapping[str, Any] = {
    "missing": [{"commit": FIRST, "reason": "vote", "about": ""}],
    "dropped": [{"commit": FIRST, "id": "0x" + "cd" * 32, "reason": "not-a-member"}],
    "more": 0,
    "counts": [
        {"fate": "missing", "reason": "vote", "count": 1},
        {"fate": "missing", "reason": "before-the-chat", "count": 1_200},
        {"fate": "dropped", "reason": "not-a-member", "count": 1},
    ],
}
_ASKING: Mapping[str, Any] = {
    "conversation": ROOM,
    "key": "0x04" + "6d" * 64,
    "compressed": "zQ3sh" + "w" * 44,
    "account": CAROL,
    "bound": False,
    "name": "Carol",
    "text": "may I sail?",
    "at": NOON,
    "may_add": True,
}

ANSWERS: Mapping[str, Any] = {
    "account.create": {"id": ALICE, "device": PHONE, "name": "Alice"},
    "account.set": _ACCOUNT,
    "account.show": _ACCOUNT,
    "account.export": {"id": ALICE, "path": "/tmp/a", "bytes": 812, "conversations": 1},
    "account.import": {"id": ALICE, "device": LAPTOP, "name": "Alice", "conversations": 1, "contacts": 2},
    "account.set_password": {"id": ALICE, "sealed": True},
    "status.identity": {
        "state": "held",
        "key": "0x04" + "5e" * 64,
        "compressed": "zQ3sh" + "y" * 44,
        "account": CAROL,
        "bound": [
            {"id": ROOM, "key": "0x04" + "5e" * 64, "current": True},
            {"id": FIRST, "key": "0x04ab" + "5e" * 63, "current": False},
        ],
    },
    "status.identity_export": {"path": "/tmp/key", "key": "0x04" + "5e" * 64},
    "mvds.open": {"id": FIRST, "conversation": ROOM, "group": "9a" * 32},
    "mvds.invite": {"conversation": ROOM, "key": "0x04" + "5e" * 64, "account": CAROL, "commit": FIRST},
    "mvds.attest": {"conversation": ROOM, "attested": 3, "left_out": 1},
    "mvds.serve": {"listen": "127.0.0.1:4100", "stopped": False, "warning": None},
    "mvds.status": {
        "key": "0x04" + "5e" * 64,
        "listen": "127.0.0.1:4100",
        "tick_ms": 300,
        "peers": ["0x04" + "ca" * 64],
        "conversations": [
            {
                "conversation": ROOM,
                "group": "9a" * 32,
                "owner": "0x04" + "5e" * 64,
                "messages": 12,
                "over": False,
                "members": [
                    {
                        "key": "0x04" + "ca" * 64,
                        "account": CAROL,
                        "foreign": True,
                        "state": "member",
                        "connected": True,
                    }
                ],
                "receipts": [
                    {
                        "message": "7e" * 32,
                        "commit": FIRST,
                        "kind": "join",
                        "who": "0x04" + "ca" * 64,
                        "by": ["0x04" + "5e" * 64],
                    }
                ],
            }
        ],
        "metrics": {"swarmchat_datasync_relayed_total": 3},
    },
    "status.bridge": {"conversation": ROOM, "commit": FIRST, "chat": _CHAT, "generation": 0},
    "status.export": {
        "conversation": ROOM,
        "path": "/tmp/boats.status",
        "files": ["/tmp/boats.status", "/tmp/boats.2.status"],
        "mode": "skip",
        "bytes": 4_096,
        "chat": _CHAT,
        "generation": 0,
        "events": 3,
        "attested": 0,
        "messages": 7,
        **_LEFT_OUT,
    },
    "status.import": {
        "conversation": ROOM,
        "chat": _CHAT,
        "state": "grown",
        "commits": 4,
        "known": 6,
        "told": [
            {
                "what": "MEMBER_JOINED",
                "id": "0x" + "ab" * 32,
                "fate": "kept",
                "reason": "nothing-changes-here",
                "about": "",
            },
            {"what": "message 3", "id": None, "fate": "bad", "reason": "bad-clock", "about": "0"},
        ],
        "more": 1,
        "counts": [
            {"fate": "kept", "reason": "nothing-changes-here", "count": 2},
            {"fate": "bad", "reason": "bad-clock", "count": 1},
        ],
        "others": [FIRST],
    },
    "status.requests": [_ASKING],
    "status.accept": {
        "conversation": ROOM,
        "key": _ASKING["key"],
        "account": CAROL,
        "state": "invited",
        "commit": FIRST,
    },
    "status.decline": {
        "conversation": ROOM,
        "key": _ASKING["key"],
        "account": CAROL,
        "state": "declined",
        "commit": None,
    },
    "status.show": {
        "conversation": ROOM,
        "chat": _CHAT,
        "generation": 0,
        "rules": "status-go",
        "creator": "0x04" + "5e" * 64,
        "name": "Boats",
        "color": "#887af9",
        "image": False,
        "events": 3,
        "messages": 7,
        "members": [
            {
                "key": "0x04" + "5e" * 64,
                "compressed": "zQ3sh" + "y" * 44,
                "account": ALICE,
                "name": "Alice",
                "role": "admin",
                "bound": True,
            },
            {"key": "Ben", "compressed": None, "account": None, "name": "", "role": "member", "bound": False},
        ],
        **_LEFT_OUT,
        "requests": [_ASKING],
        "ignored": [
            {
                "id": "0x" + "cd" * 32,
                "what": "NAME_CHANGED",
                "author": "0x04" + "7e" * 64,
                "reason": "not-a-member",
                "at": NOON,
            }
        ],
    },
    "daemon.status": {
        "pid": 4711,
        "version": "0.1.0",
        "home": "/home/alice/.local/share/swarmchat",
        "account": ALICE,
        "device": PHONE,
        "name": "Alice",
        "revoked": False,
        "started": NOON,
        "listen": ["0.0.0.0:4000", "[::]:4000"],
        "links": 2,
        "conversations": 1,
        "dht": {"state": "joining", "found": "no bootstrap node has answered yet: h:1", "hint": "see whether it runs"},
    },
    "dht.status": {
        "state": "connected",
        "found": "3 nodes known, on UDP port 4222",
        "hint": None,
        "id": "ab" * 20,
        "listen": ["0.0.0.0:4222"],
        "bootstrap": ["node.example:4222"],
        "serves": True,
        "contacts": 3,
        "nodes": [{"id": "cd" * 20, "address": "192.0.2.9:4222", "source": "bootstrap", "heard": NOON}],
        "records": 12,
        "metrics": {"swarmchat_dht_records": 12.0},
    },
    "daemon.stop": {"pid": 4711, "stopping": True},
    "conversation.create": {"id": ROOM, "title": "Boats", "mode": "private"},
    "conversation.list": [_ROW],
    "conversation.show": _PAGE,
    "conversation.set": _PAGE,
    "conversation.join": _STATE,
    "conversation.link": {
        "id": ROOM,
        "link": f"swarm:{ROOM}?from={ALICE}&at=192.0.2.7:4000",
        "public": False,
        "addresses": ["192.0.2.7:4000"],
    },
    "conversation.leave": {"id": ROOM, "state": "closed"},
    "conversation.merge_forks": {"id": ROOM, "merged": []},
    "conversation.import": {
        "id": ROOM,
        "title": "Boats",
        "mode": "one-to-one",
        "members": 2,
        "state": "archived",
        "commits": 8,
        "merges": 1,
        "new": True,
    },
    "conversation.prefs": {"id": ROOM, "prefs": {"colour": "#336699", "bell": "off"}},
    "conversation.purge": {"id": ROOM, "state": "purged"},
    "member.list": [
        {"id": ALICE, "name": "Alice", "role": "admin", "devices": [PHONE], "revoked": []},
        {"id": BOB, "name": "Bob", "role": "member", "devices": [LAPTOP], "revoked": [LAPTOP]},
        {"id": CAROL, "name": "", "role": "invited", "devices": [], "revoked": []},
    ],
    "member.invite": [{"id": CAROL, "state": "invited", "commit": SECOND}],
    "member.ban": _BALLOT,
    "member.unban": {**_BALLOT, "kind": "unban", "state": "resolved", "commits": [SECOND, THIRD]},
    "member.promote": {**_BALLOT, "kind": "promote"},
    "member.kick": {"target": BOB, "state": "kicked", "commits": [THIRD]},
    "member.demote": {"target": ALICE, "state": "demoted", "commits": [THIRD]},
    "member.votes": [{"kind": "ban", "target": BOB, "type": "members", "voters": [ALICE], "needed": 2}],
    "message.send": _SENT,
    "message.edit": _SENT,
    "message.delete": _SENT,
    "message.react": _SENT,
    "message.show": message(),
    "message.read": {"id": FIRST, "conversation": ROOM},
    "message.typing": {"conversation": ROOM, "on": True},
    "message.history": [{"id": FIRST, "time": NOON, "body": "helo"}, {"id": SECOND, "time": LATER, "body": "hello"}],
    "message.list": [
        message(ROOT, type="initial", body={"mode": 2}),
        message(FIRST, edits=[{"id": SECOND, "time": LATER, "body": "hello"}]),
        message(
            THIRD,
            author=BOB,
            device=LAPTOP,
            reply_to=FIRST,
            body="hi\nthere",
            reactions=[{"id": SECOND, "author": ALICE, "reaction": "👍", "time": LATER}],
        ),
    ],
    "search": {
        "hits": [
            {
                "conversation": ROOM,
                "message": message(),
                "snippet": [{"text": "hel", "match": True}, {"text": "lo", "match": False}],
                "before": [message(ROOT, type="initial", body={"mode": 2})],
                "after": [message(THIRD, author=BOB, device=LAPTOP, body="hi")],
            }
        ],
        "more": True,
    },
    "export": {"id": ROOM, "path": "/x/boats.html", "format": "html", "messages": 12, "bytes": 4_096},
    "bundle.export": {
        "conversation": ROOM,
        "path": "/x/boats.bundle",
        "commits": 12,
        "bytes": 4_096,
        "heads": [THIRD],
        "since": [FIRST],
    },
    "bundle.import": {
        "conversation": ROOM,
        "state": "ready",
        "new": 3,
        "refused": [{"commit": THIRD, "rule": "SCP-02 §4.2", "reason": "no signature", "path": None}],
    },
    "index.rebuild": {"conversations": 2, "messages": 812},
    "request.list": [
        {"id": "abcd1234", "kind": "conversation", "conversation": ROOM, "from": BOB, "title": "Boats", "at": NOON}
    ],
    "request.accept": {"id": ROOM, "state": "syncing"},
    "request.decline": {"id": "abcd1234", "state": "declined"},
    "request.block": {"id": "abcd1234", "state": "blocked"},
    "contact.add": _CONTACT,
    "contact.list": [_CONTACT],
    "contact.show": {**_CONTACT, "added": NOON, "note": "", "addresses": ["192.0.2.7:4000"], "devices": [LAPTOP]},
    "presence": [{"id": BOB, "name": "Bob", **_PRESENCE, "devices": [{"id": LAPTOP, **_PRESENCE}]}],
    "contact.remove": {**_CONTACT, "state": "removed"},
    "contact.block": {**_CONTACT, "state": "blocked"},
    "contact.unblock": _CONTACT,
    "peer.list": [
        {
            "account": BOB,
            "device": LAPTOP,
            "state": "linked",
            "address": "192.0.2.7:4000",
            "path": "lan",
            "since": NOON,
            "last_error": None,
            "presence": {"state": "linked", "as_of": NOON, "source": "link"},
            "known": [
                {"address": "192.0.2.7:4000", "source": "lan", "heard": NOON, "good": NOON},
                {"address": "192.0.2.8:4000", "source": "static", "heard": None, "good": None},
            ],
            "barred": False,
        },
        {
            "account": CAROL,
            "device": None,
            "state": "unreachable",
            "address": None,
            "path": None,
            "since": None,
            "last_error": "no address is known",
            "presence": {"state": "unknown", "as_of": None, "source": None},
            "known": [],
            "barred": True,
        },
    ],
    "peer.add": {"account": BOB, "addresses": ["192.0.2.7:4000"]},
    "peer.remove": {"account": BOB, "addresses": []},
    "device.list": [{"id": PHONE, "name": "phone", "this": True, "revoked": False, "may_link": True, "since": NOON}],
    "device.add": {"pairing": "0123456789abcdef", "device": LAPTOP, "name": "laptop", "address": "192.0.2.7:4000"},
    "device.confirm": {"id": LAPTOP, "name": "laptop", "state": "linked"},
    "device.rename": {"id": PHONE, "name": "pocket"},
    "device.revoke": {"id": LAPTOP, "state": "revoked", "conversations": 1, "may_link": True},
    "token.add": {"name": "bot", "scope": "send", "created": NOON, "token": "c2VjcmV0"},
    "token.list": [
        {"name": "api-token", "scope": "admin", "created": None},
        {"name": "bot", "scope": "send", "created": NOON},
    ],
    "token.remove": {"name": "bot", "state": "removed"},
    "web.link": {"url": "http://127.0.0.1:7777", "link": "http://127.0.0.1:7777/#token=c2VjcmV0"},
    "config.show": {"path": "/home/a/config.toml", "settings": [_SETTING]},
    "config.get": _SETTING,
    "config.set": _SETTING,
    "config.unset": _SETTING,
    "config.path": {"path": "/home/a/config.toml", "exists": True},
    "config.schema": {"type": "object", "properties": {}},
    "debug.bundle": {
        "path": "/x/b.zip",
        "bytes": 4711,
        "files": [{"name": "log.txt", "bytes": 812, "about": "the last lines of the daemon's log"}],
    },
    "doctor": [{"check": "space", "about": "/home/a", "state": "ok", "found": "900 MiB free", "hint": None}],
    "verify": {
        "id": ROOM,
        "format": "swarmchat",
        "valid": True,
        "commits": 3,
        "merges": 0,
        "heads": [THIRD],
        "roster": {"admins": [ALICE], "members": [BOB], "invited": [CAROL], "banned": []},
        "rejections": [],
        "allowed_signers": ["d1d1 ssh-ed25519 AAAA"],
    },
    "explain": {
        "commit": THIRD,
        "valid": True,
        "rule": None,
        "effect": "a message by Bob",
        "because": ["Bob is a member at its parent", "the signature is good"],
    },
    "graph": {
        "commits": [
            {"id": THIRD, "parents": [FIRST], "type": "text/plain", "author": BOB},
            {"id": FIRST, "parents": [ROOT], "type": "text/plain", "author": ALICE},
            {"id": ROOT, "parents": [], "type": "initial", "author": ALICE},
        ]
    },
    "sync.status": [{"conversation": ROOM, "device": LAPTOP, "behind": 0, "ahead": 2, "as_of": NOON, "missing": []}],
}


class FakeCommands:
    """Satisfies `swarmchat.api.methods.Commands`. Set `answers[method]` to a value, an exception to raise, or a coroutine function."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = dict(copy.deepcopy(dict(ANSWERS)))
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.log: list[dict[str, Any]] = []
        self.passing: list[dict[str, Any]] = []  # events that are never stored
        self.live: list[dict[str, Any]] = []  # what a follower of events is told before the stream ends
        self.dropped = 0  # events that retention has taken away
        self._news = asyncio.Condition()

    async def happen(self, kind: str, **data: Any) -> None:
        """Something happened."""
        async with self._news:
            number = self.dropped + len(self.log) + 1
            self.log.append({"id": number, "time": NOON, "type": kind, "data": data})
            self._news.notify_all()

    async def events_list(self, *, since: int | None = None, limit: int | None = None) -> dict[str, Any]:
        after = since or 0
        gap = {"from": after + 1, "to": self.dropped} if after < self.dropped else None
        later = [event for event in self.log if event["id"] > after]
        return {"events": later[: limit or 1000], "gap": gap, "last": self.dropped + len(self.log)}

    async def pass_by(self, kind: str, **data: Any) -> None:
        """Something happened that is never stored."""
        async with self._news:
            self.passing.append({"id": None, "time": NOON, "type": kind, "data": data})
            self._news.notify_all()

    async def events_wait(self, *, after: int, passed: int | None = None) -> tuple[int, list[dict[str, Any]]]:
        place = len(self.passing) if passed is None else passed
        async with self._news:
            await self._news.wait_for(lambda: self.dropped + len(self.log) > after or len(self.passing) > place)
        return len(self.passing), self.passing[place:]

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = name if name in self.answers else name.replace("_", ".", 1)
        if method not in self.answers:
            raise AttributeError(name)

        async def command(**params: Any) -> Any:
            self.calls.append((method, params))
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return await answer(**params) if callable(answer) else copy.deepcopy(answer)

        return command


REFUSAL = UserError("no", hint="try something else", data={"rule": "SCP-02 §5.4"})
