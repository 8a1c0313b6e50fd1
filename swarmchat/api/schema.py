"""The one table of methods: name, parameters, result, and what a call needs. (SCP-08 §2, §3)

The CLI, the server, the client, `rpc.discover` and the generated reference all read this table and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from swarmchat import __version__, limits
from swarmchat.api.results import (
    ACCOUNT,
    ACCOUNT_PAGE,
    ADDRESSES,
    ATTENDANCE,
    BALLOT,
    CONTACT,
    CONTACT_PAGE,
    CONVERSATION,
    CONVERSATION_PAGE,
    CONVERSATION_ROW,
    DATASYNC,
    DEVICE,
    DHT,
    EVENTS,
    EXPLANATION,
    FINDING,
    GRAPH,
    HIT,
    IMPORTED,
    INVITED,
    MEMBER,
    MESSAGE,
    PEER,
    PREFERENCES,
    REJECTION,
    REQUEST,
    ROLE_CHANGE,
    SENT,
    SETTING,
    STATE,
    STATUS,
    STATUS_ANSWER,
    STATUS_CHAT,
    STATUS_EXPORT,
    STATUS_IMPORT,
    STATUS_KEY,
    STATUS_REQUEST,
    SYNC,
    TOKEN,
    VERDICT,
    VERSION,
    VOTES,
)
from swarmchat.api.shapes import JsonObject, Method, Param, json_schema

API_VERSION: Final = 1

MODES: Final = ("private", "admin-invites", "public")  # what a creator may choose: modes 2, 1, 3
MODE_WORDS: Final = ("one-to-one", "admin-invites", "private", "public")  # by mode number (SCP-02 §1.4)
ON_OFF: Final = ("on", "off")
SCOPES: Final = ("read", "send", "admin")  # of a token; each includes those before it
EXPORT_FORMATS: Final = ("text", "json", "html", "mbox")
STATUS_MODES: Final = ("skip", "attest")
ROLES: Final = ("admin", "member", "invited", "banned", "left")

# --- parameters that many methods share
_CONVERSATION = Param("conversation", "string", "id, unique prefix (≥ 4) or title", required=True)
_CONVERSATION_MAYBE = Param("conversation", "string", "narrow to this conversation")
_TARGET = Param("target", "string", "account: id, unique prefix (≥ 4) or name", required=True)
_ACCOUNT = Param("account", "string", "account: id, unique prefix (≥ 4) or name", required=True)
_MESSAGE = Param("message", "string", "commit id of the message, or a unique prefix (≥ 4)", required=True)
_CONTACT = Param("contact", "string", "account: id, unique prefix (≥ 4) or name", required=True)
_TEXT = Param("text", "string", "the text", required=True, largest=limits.BODY_BYTES_MAX)
_REQUEST = Param(
    "request", "string", "id of the request, its conversation or its sender, a unique prefix, or a name", required=True
)
_WAIT = Param("wait", "string", "return when others have it: `any`, `all` or a number of accounts", needs_network=True)
_TIMEOUT = Param("timeout", "number", "seconds to wait at most", smallest=0, largest=86_400)
_ANY_MODE = Param("any_mode", "boolean", "join even if its mode is not the one that the invitation named")
_DRY_RUN = Param("dry_run", "boolean", "say what would be written, write nothing")
_SINCE = Param("since", "integer", "only events with a greater id", smallest=0, largest=2**53)
_PASSWORD = Param("password", "string", "the password", largest=limits.PASSWORD_CHARS_MAX)
_KEY = Param("key", "string", "dotted key, as in `lan.enabled`", required=True, largest=80)
_PATH = Param("path", "string", "absolute path of the file, on the machine of the node", required=True)
_ASKER = Param(
    "key", "string", "of who asks: key or account, a unique prefix of one (≥ 4), or name", required=True, largest=140
)

_TABLE: Final = (
    # --- account
    Method(
        "account.create",
        "make the account of this home and its first device",
        (
            Param("name", "string", "display name", largest=limits.DISPLAY_NAME_CHARS_MAX),
            Param("password", "string", "seal the keys with this", largest=limits.PASSWORD_CHARS_MAX),
        ),
        ACCOUNT,
    ),
    Method("account.show", "who this node is, and what its user chose", (), ACCOUNT_PAGE, read_only=True),
    Method(
        "account.set",
        "name and settings of the account, on all its devices",
        (
            Param("name", "string", "display name", largest=limits.DISPLAY_NAME_CHARS_MAX),
            Param("read_receipts", "string", "tell members how far I have read", choices=ON_OFF),
            Param("typing", "string", "tell members that I type", choices=ON_OFF),
        ),
        ACCOUNT_PAGE,
    ),
    Method(
        "account.export",
        "write the account, sealed with a password, into one file that must not exist yet",
        (_PATH, Param("password", "string", "seals the file", required=True, largest=limits.PASSWORD_CHARS_MAX)),
        {"id": "account", "path": "text", "bytes": "int", "conversations": "int"},
    ),
    Method(
        "account.import",
        "take over an exported account with a new device; `check` reads and reports only",
        (
            _PATH,
            Param("password", "string", "opens the file", required=True, largest=limits.PASSWORD_CHARS_MAX),
            Param("check", "boolean", "install nothing"),
        ),
        {"id": "account", "device": "device?", "name": "text", "conversations": "int", "contacts": "int"},
    ),
    Method(
        "account.set_password",
        "seal the keys of this home with a password; without one they lie open",
        (_PASSWORD, Param("old", "string", "the present password, if there is one", largest=limits.PASSWORD_CHARS_MAX)),
        {"id": "account", "sealed": "bool"},
    ),
    # --- daemon
    Method("daemon.status", "the running daemon", (), STATUS, needs_network=True, read_only=True),
    Method("daemon.stop", "end the running daemon", (), {"pid": "int", "stopping": "bool"}, needs_network=True),
    Method("dht.status", "how this node stands in the DHT", (), DHT, needs_network=True, read_only=True),
    # --- conversation
    Method(
        "conversation.create",
        "start a conversation with oneself as admin",
        (
            Param("title", "string", "title", largest=limits.TITLE_CHARS_MAX),
            Param("mode", "string", "who may invite; default private", choices=MODES),
        ),
        CONVERSATION,
    ),
    Method("conversation.list", "the conversations of this node", (), [CONVERSATION_ROW], read_only=True),
    Method("conversation.show", "one conversation", (_CONVERSATION,), CONVERSATION_PAGE, read_only=True),
    Method(
        "conversation.set",
        "change the profile; an empty string removes a field",
        (
            _CONVERSATION,
            Param("title", "string", "title", largest=limits.TITLE_CHARS_MAX),
            Param("description", "string", "description", largest=limits.DESCRIPTION_CHARS_MAX),
            Param("image", "string", "picture as a data URI (image/png, image/jpeg)", largest=limits.PROFILE_BYTES_MAX),
            Param("color", "string", "#rrggbb", largest=7),
        ),
        CONVERSATION_PAGE,
    ),
    Method(
        "conversation.join",
        "clone and join by link, or by the id of a conversation that was offered or is public",
        (
            Param(
                "conversation",
                "string",
                "swarm: link, or conversation id",
                required=True,
                largest=limits.LINK_CHARS_MAX,
            ),
            _TIMEOUT,
            _ANY_MODE,
        ),
        STATE,
        needs_network=True,
    ),
    Method(
        "conversation.link",
        "the link by which others find and join it: anybody where it is public, else who is invited",
        (_CONVERSATION,),
        {"id": "conversation", "link": "text", "public": "bool", "addresses": ["text"]},
        needs_network=True,
        read_only=True,
    ),
    Method(
        "conversation.leave",
        "leave; the last admin promotes somebody first or dissolves the group",
        (
            _CONVERSATION,
            Param("promote", "string", "account to promote before leaving"),
            Param("dissolve", "boolean", "remove everybody by the rules, then leave"),
        ),
        STATE,
    ),
    Method(
        "conversation.merge_forks",
        "let old forks that were held back into the conversation",
        (_CONVERSATION,),
        {"id": "conversation", "merged": ["commit"]},
    ),
    Method(
        "conversation.import",
        "keep the history of a repository or bundle that Jami made, as an archive to be read",
        (Param("path", "string", "absolute path, on the machine of the node", required=True),),
        IMPORTED,
    ),
    Method(
        "conversation.prefs",
        "what I want of a conversation, on all my devices, for programs to keep; shows all of it",
        (
            _CONVERSATION,
            Param("values", "strings", "KEY=VALUE", largest=limits.PREFERENCES_MAX),
            Param("unset", "strings", "keys to forget", largest=limits.PREFERENCES_MAX),
        ),
        PREFERENCES,
    ),
    Method("conversation.purge", "erase history and files of a conversation here", (_CONVERSATION,), STATE),
    # --- member
    Method(
        "member.list",
        "who is in it, by role then id",
        (_CONVERSATION, Param("local", "boolean", "with what only this node knows")),
        [MEMBER],
        read_only=True,
    ),
    Method(
        "member.invite",
        "add accounts and send them invitations",
        (_CONVERSATION, Param("accounts", "strings", "accounts to invite", required=True, largest=100)),
        [INVITED],
    ),
    Method(
        "member.ban",
        "vote to ban, and resolve the ballot when more than half agree",
        (
            _CONVERSATION,
            _TARGET,
            Param("device", "boolean", "the target is a device, not an account"),
            _DRY_RUN,
            Param("at", "string", "write the vote on top of this commit, not of main"),
        ),
        BALLOT,
    ),
    Method(
        "member.unban",
        "vote to unban, and resolve the ballot when more than half agree",
        (_CONVERSATION, _TARGET, Param("device", "boolean", "the target is a device"), _DRY_RUN),
        BALLOT,
    ),
    Method(
        "member.kick",
        "remove somebody without a ballot, where the mode allows it",
        (_CONVERSATION, _TARGET),
        ROLE_CHANGE,
    ),
    Method(
        "member.promote",
        "make somebody an admin: at once as sole admin, else by ballot",
        (_CONVERSATION, _TARGET, _DRY_RUN),
        BALLOT,
    ),
    Method("member.demote", "step down from admin", (_CONVERSATION,), ROLE_CHANGE),
    Method("member.votes", "the open ballots", (_CONVERSATION,), [VOTES], read_only=True),
    # --- message
    Method(
        "message.send",
        "write a message; returns when it is durable here",
        (_CONVERSATION, _TEXT, Param("reply_to", "string", "message answered"), _WAIT, _TIMEOUT),
        SENT,
    ),
    Method("message.edit", "replace the text of an own message", (_CONVERSATION, _MESSAGE, _TEXT), SENT),
    Method("message.delete", "empty an own message; the history stays", (_CONVERSATION, _MESSAGE), SENT),
    Method(
        "message.react",
        "react to a message; `remove` takes the same reaction back",
        (
            _CONVERSATION,
            _MESSAGE,
            Param("reaction", "string", "an emoji or a short word", required=True, largest=limits.REACTION_CHARS_MAX),
            Param("remove", "boolean", "take it back"),
        ),
        SENT,
    ),
    Method(
        "message.show",
        "one message",
        (
            _CONVERSATION,
            _MESSAGE,
            Param("local", "boolean", "with what only this node knows"),
            Param("delivery", "boolean", "with how far it came: for each member and device, and when"),
        ),
        MESSAGE,
        read_only=True,
    ),
    Method(
        "message.read",
        "say that the user has read up to a message, default the newest",
        (_CONVERSATION, Param("message", "string", "commit id of the message, or a unique prefix (≥ 4)")),
        {"id": "commit", "conversation": "conversation"},
    ),
    Method(
        "message.typing",
        "say that the user types, or stopped; off by itself after 12 s",
        (_CONVERSATION, Param("on", "boolean", "default true")),
        {"conversation": "conversation", "on": "bool"},
        needs_network=True,
    ),
    Method(
        "message.history",
        "all versions of a message, oldest first",
        (_CONVERSATION, _MESSAGE),
        [VERSION],
        read_only=True,
    ),
    Method(
        "message.list",
        "the messages of a conversation, oldest first",
        (
            _CONVERSATION,
            Param("limit", "integer", "the newest so many; default 50", smallest=1, largest=limits.API_LIST_MAX),
            Param("before", "string", "only older than this message"),
            Param("since", "string", "only from this ISO 8601 time on", largest=40),
            Param("hidden", "boolean", "the hidden ones instead"),
            Param("local", "boolean", "with what only this node knows"),
        ),
        [MESSAGE],
        read_only=True,
    ),
    # --- search
    Method(
        "search",
        "the newest messages in which all words occur, newest first",
        (
            Param(
                "text",
                "string",
                'words in any order, and "phrases" in quotes; case and accents do not count',
                required=True,
                largest=limits.SEARCH_TEXT_CHARS_MAX,
            ),
            _CONVERSATION_MAYBE,
            Param("from", "string", "only by this account: id, unique prefix (≥ 4) or name"),
            Param("since", "string", "only from this ISO 8601 time on", largest=40),
            Param("until", "string", "only before this ISO 8601 time", largest=40),
            Param("limit", "integer", "at most so many; default 20", smallest=1, largest=limits.SEARCH_HITS_MAX),
            Param("before", "string", "only what is further back than this message, the last of the page before"),
            Param(
                "context",
                "integer",
                "so many lines before and after each",
                smallest=0,
                largest=limits.SEARCH_CONTEXT_MAX,
            ),
            Param("case", "boolean", "case and accents count"),
            Param("hidden", "boolean", "hidden messages too"),
        ),
        {"hits": [HIT], "more": "bool"},
        read_only=True,
    ),
    Method(
        "index.rebuild",
        "make the search index anew, of one conversation or of all",
        (_CONVERSATION_MAYBE,),
        {"conversations": "int", "messages": "int"},
    ),
    # --- files of conversations
    Method(
        "export",
        "write what is shown of a conversation into a file: for people (text, html, mbox) or programs (json)",
        (
            _CONVERSATION,
            _PATH,
            Param("format", "string", "default text", choices=EXPORT_FORMATS),
            Param("force", "boolean", "replace a file that is there"),
        ),
        {"id": "conversation", "path": "text", "format": "text", "messages": "int", "bytes": "int"},
    ),
    Method(
        "bundle.export",
        "write what somebody lacks of a conversation into one file, to be carried by hand",
        (
            _CONVERSATION,
            _PATH,
            Param(
                "since", "strings", "what is there already: devices, or commits with all behind them; default: nothing"
            ),
            Param("force", "boolean", "replace a file that is there"),
        ),
        {
            "conversation": "conversation",
            "path": "text",
            "commits": "int",
            "bytes": "int",
            "heads": ["commit"],
            "since": ["commit"],  # what must be there already
        },
    ),
    Method(
        "bundle.import",
        "take in such a file, judged like what a peer sends; what is not here yet is joined if it invites us",
        (_PATH,),
        {"conversation": "conversation", "state": "text", "new": "int", "refused": [REJECTION]},
    ),
    # --- request
    Method("request.list", "invitations and contact requests that wait for me", (), [REQUEST], read_only=True),
    Method("request.accept", "accept: clone, check, join", (_REQUEST, _TIMEOUT, _ANY_MODE), STATE, needs_network=True),
    Method("request.decline", "decline this one", (_REQUEST,), STATE),
    Method("request.block", "decline and block the sender", (_REQUEST,), STATE),
    # --- contact
    Method(
        "contact.add",
        "make the one-to-one conversation and ask the other for trust",
        (
            Param("account", "string", "account id, 40 hex", required=True, largest=40),
            Param("name", "string", "my name for them", largest=limits.DISPLAY_NAME_CHARS_MAX),
            Param("addresses", "strings", "host:port where they listen", largest=limits.ADDRESSES_PER_DEVICE_MAX),
        ),
        CONTACT,
    ),
    Method("contact.list", "my contacts", (), [CONTACT], read_only=True),
    Method("contact.show", "one contact", (_CONTACT,), CONTACT_PAGE, read_only=True),
    Method(
        "presence",
        "who is there, as of when, and by what that is known: contacts, or one account",
        (Param("contact", "string", "account: id, unique prefix (≥ 4) or name"),),
        [ATTENDANCE],
        read_only=True,
    ),
    Method("contact.remove", "remove a contact and the conversation with it", (_CONTACT,), CONTACT),
    Method("contact.block", "block: they cannot tell", (_CONTACT,), CONTACT),
    Method("contact.unblock", "unblock", (_CONTACT,), CONTACT),
    # --- peer
    Method(
        "peer.list",
        "the devices this node wants links to, and how it goes",
        (),
        [PEER],
        needs_network=True,
        read_only=True,
    ),
    Method(
        "peer.add",
        "remember where an account listens",
        (_ACCOUNT, Param("address", "string", "host:port", required=True, largest=300)),
        ADDRESSES,
    ),
    Method(
        "peer.remove",
        "forget an address of an account, or all that were given by hand",
        (_ACCOUNT, Param("address", "string", "host:port", largest=300)),
        ADDRESSES,
    ),
    # --- device
    Method("device.list", "the devices of my account", (), [DEVICE], read_only=True),
    Method(
        "device.add",
        "find the new device that shows a code; returns when it has proved that it does and its user agrees",
        (
            Param("code", "string", "swarm-link: code", required=True, largest=limits.LINK_CHARS_MAX),
            Param("may_link", "boolean", "give it the account key: it can link and revoke devices too"),
            Param("addresses", "strings", "host:port where it listens", largest=limits.ADDRESSES_PER_DEVICE_MAX),
            Param(
                "timeout",
                "number",
                "seconds to look for it; default 60",
                smallest=0,
                largest=limits.PAIRING_LINK_S,
            ),
        ),
        {"pairing": "text", "device": "device", "name": "text", "address": "text"},
        needs_network=True,
    ),
    Method(
        "device.confirm",
        "make the device that waits one of my account, or refuse it",
        (
            Param("pairing", "string", "as `device.add` said", required=True, largest=16),
            Param("accept", "boolean", "whether it is mine", required=True),
        ),
        {"id": "device?", "name": "text", "state": "text"},  # state: linked, refused
        needs_network=True,
    ),
    Method(
        "device.rename",
        "call a device of mine otherwise; my other devices hear of it",
        (
            Param("name", "string", "the name", required=True, largest=limits.DISPLAY_NAME_CHARS_MAX),
            Param("device", "string", "device id, unique prefix or name; default: this one"),
        ),
        {"id": "device", "name": "text"},
    ),
    Method(
        "device.revoke",
        "declare a device of mine no longer mine, in every conversation",
        (Param("device", "string", "device id or unique prefix", required=True),),
        {"id": "device", "state": "text", "conversations": "int", "may_link": "bool?"},
    ),
    # --- gateways
    Method(
        "status.identity",
        "the account's key with Status, on all its devices: shown, and made on first use; with `secret` or `phrase` it is that one",
        (
            Param("secret", "string", "64 hex digits", largest=66),
            Param("phrase", "string", "the recovery phrase of a Status account", largest=limits.PHRASE_CHARS_MAX),
            Param("passphrase", "string", "what the phrase was made with", largest=limits.PHRASE_CHARS_MAX),
            Param("replace", "boolean", "though conversations know this account by another key, which they keep"),
        ),
        STATUS_KEY,
    ),
    Method(
        "status.identity_export",
        "write the secret half of that key into one file that must not exist yet",
        (_PATH,),
        {"path": "text", "key": "text"},
    ),
    Method(
        "mvds.open",
        "open a conversation for data sync: from then on what is said there reaches peers without account",
        (_CONVERSATION,),
        {"id": "commit", "conversation": "conversation", "group": "text"},
    ),
    Method(
        "mvds.invite",
        "invite somebody who has no account into a conversation that is opened for data sync",
        (_CONVERSATION, Param("key", "string", "his key, 0x04… or zQ3sh…", required=True, largest=140)),
        {"conversation": "conversation", "key": "text", "account": "account", "commit": "commit"},
    ),
    Method(
        "mvds.attest",
        "pass on in data sync, as relayed by this account, the newest texts that nobody's key stands for there",
        (
            _CONVERSATION,
            Param("limit", "integer", "so many at most", smallest=1, largest=limits.DATASYNC_ATTESTED_MAX),
        ),
        {"conversation": "conversation", "attested": "int", "left_out": "int"},
    ),
    Method(
        "mvds.serve",
        "accept data-sync peers over TCP until the daemon ends or `stop` is asked for",
        (
            Param("listen", "string", "HOST:PORT; port 0 is any", largest=80),
            Param("stop", "boolean", "accept nobody any more"),
            Param("tick_ms", "integer", "send what is due so often", smallest=1, largest=limits.DATASYNC_TICK_MS_MAX),
        ),
        {"listen": "text?", "stopped": "bool", "warning": "text?"},
        needs_network=True,
    ),
    Method("mvds.status", "what is opened for data sync, and who takes part", (), DATASYNC, read_only=True),
    Method(
        "status.bridge",
        "open a conversation for Status: what is written there is signed for it as well from now on",
        (
            Param(
                "conversation",
                "string",
                "id, unique prefix (≥ 4) or title; or a key, `zQ3sh…` or `0x04…`, with whom to have a one-to-one",
                required=True,
            ),
        ),
        {"conversation": "conversation", "commit": "commit", "chat": "text?", "generation": "int"},
    ),
    Method(
        "status.export",
        "write what Status is told of a conversation into a file: its group events and what was said, signed",
        (
            _CONVERSATION,
            _PATH,
            Param(
                "mode",
                "string",
                "what nobody signed when it was written: `skip` reports it (default), `attest` signs it as an admin now",
                choices=STATUS_MODES,
            ),
            Param("force", "boolean", "replace a file that is there"),
        ),
        STATUS_EXPORT,
    ),
    Method(
        "status.import",
        "take in a file of signed Status messages: into the conversation of its chat, or into a new one",
        (_PATH, _DRY_RUN),
        STATUS_IMPORT,
    ),
    Method(
        "status.show",
        "a conversation as clients of Status see it, and what they do not hear of",
        (_CONVERSATION,),
        STATUS_CHAT,
        read_only=True,
    ),
    Method(
        "status.requests",
        "who of Status asks to be let into conversations that this account may add people to",
        (_CONVERSATION_MAYBE,),
        [STATUS_REQUEST],
        read_only=True,
    ),
    Method(
        "status.accept",
        "let somebody in who asks on Status",
        (_CONVERSATION, _ASKER),
        STATUS_ANSWER,
    ),
    Method(
        "status.decline",
        "decline what somebody asks on Status; nobody is told",
        (_CONVERSATION, _ASKER),
        STATUS_ANSWER,
    ),
    # --- audit
    Method(
        "verify",
        "judge a whole history again, from nothing",
        (
            Param(
                "conversation",
                "string",
                "id, prefix or title; or the path of a repository or bundle",
                required=True,
                largest=4096,
                is_place=True,
            ),
            Param("allowed_signers", "boolean", "with the lines that let stock git check the signatures"),
        ),
        VERDICT,
        read_only=True,
    ),
    Method(
        "doctor",
        "look at everything that can be wrong on this machine",
        (Param("repair", "boolean", "set right what can be"),),
        [FINDING],
    ),
    Method(
        "explain",
        "why a commit is valid or not, and whether it still has an effect",
        (Param("commit", "string", "commit id or unique prefix", required=True), _CONVERSATION_MAYBE),
        EXPLANATION,
        read_only=True,
    ),
    Method(
        "graph",
        "the commits with their parents, newest first",
        (
            _CONVERSATION,
            Param("limit", "integer", "the newest so many; default 1,000", smallest=1, largest=limits.API_LIST_MAX),
        ),
        GRAPH,
        read_only=True,
    ),
    Method("sync.status", "how far each device is, by conversation", (_CONVERSATION_MAYBE,), [SYNC], read_only=True),
    # --- settings
    # --- the way in over HTTP
    Method(
        "token.add",
        "make a token for the API over HTTP; it is shown this once",
        (
            Param("name", "string", "what it is for", required=True, largest=limits.TOKEN_NAME_CHARS_MAX),
            Param("scope", "string", "what it is good for; default read", choices=SCOPES),
        ),
        {**TOKEN, "token": "text"},
    ),
    Method(
        "token.list",
        "the tokens for the API over HTTP, without their secrets",
        (),
        [TOKEN],
        read_only=True,
        owner=True,
    ),
    Method(
        "token.remove",
        "make a token good for nothing; `api-token` is the owner's, which is made anew when it is needed",
        (Param("name", "string", "its name", required=True, largest=limits.TOKEN_NAME_CHARS_MAX),),
        {"name": "text", "state": "text"},
    ),
    Method(
        "web.link",
        "the address of the web page, with the owner's token; begins to listen on a free port if nothing does yet",
        (),
        {"url": "text", "link": "text"},
        needs_network=True,
    ),
    Method("config.show", "all settings of this home", (), {"path": "text", "settings": [SETTING]}, read_only=True),
    Method("config.get", "one setting", (_KEY,), SETTING, read_only=True),
    Method(
        "config.set",
        "write one setting into the file; what else stands there stays",
        (_KEY, Param("values", "strings", "the value, as text; a list takes several", required=True)),
        SETTING,
    ),
    Method("config.unset", "take one setting out of the file", (_KEY,), SETTING),
    Method("config.path", "where the file of settings lies", (), {"path": "text", "exists": "bool"}, read_only=True),
    Method("config.schema", "the JSON Schema of the file of settings", (), "object", read_only=True),
    Method(
        "debug.bundle",
        "how this node stands, in one file that can be shown to others: no keys, texts, titles, names, ids, addresses",
        (Param("path", "string", "absolute path of a new file that ends in .zip or .tar.gz", required=True),),
        {"path": "text", "bytes": "int", "files": [{"name": "text", "bytes": "int", "about": "text"}]},
    ),
    # --- events
    Method(
        "events.list",
        "events after `since`, oldest first",
        (_SINCE, Param("limit", "integer", "at most so many; default 1,000", smallest=1, largest=limits.API_LIST_MAX)),
        EVENTS,
        read_only=True,
    ),
    Method(
        "events.subscribe",
        "push every event after `since` (default: the newest) as a notification `event`",
        (_SINCE,),
        {"since": "int"},
        needs_network=True,
        read_only=True,
    ),
    Method("rpc.discover", "this table as OpenRPC", (), "object", read_only=True),
)

METHODS: Final[Mapping[str, Method]] = MappingProxyType({method.name: method for method in _TABLE})
OF_THE_DOOR: Final = frozenset({"events.subscribe", "rpc.discover"})  # answered by the door itself, not by `Commands`


def openrpc() -> JsonObject:
    """The table as an OpenRPC 1.3 document. (SCP-08 §3.1)"""
    return {
        "openrpc": "1.3.2",
        "info": {"title": "swarmchat local API", "version": f"{API_VERSION}", "x-node-version": __version__},
        "methods": [
            {
                "name": method.name,
                "summary": method.summary,
                "paramStructure": "by-name",
                "params": [
                    {"name": p.name, "summary": p.summary, "required": p.required, "schema": p.json_schema()}
                    for p in method.params
                ],
                "result": {"name": "result", "schema": json_schema(method.result)},
                "x-needs-daemon": method.needs_network,
                "x-read-only": method.read_only,
                "x-scope": method.scope(),
            }
            for method in METHODS.values()
        ],
    }
