"""Files that are carried in or damaged: archives, the account's state, the address book, settings, ports. (SCP-01 §4, SCP-08 §1)"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

from swarmchat.account import requests, strict
from swarmchat.account.archive import Content
from swarmchat.account.records import ConversationState, Host, OwnDevice, RequestKind
from swarmchat.account.state import State
from swarmchat.account.statefile import state_from_json, state_to_json
from swarmchat.account.store import to_base64
from swarmchat.addresses import Address
from swarmchat.crypto import sealing
from swarmchat.crypto.sealing import SealError
from swarmchat.discovery.addressbook import AddressBook, Source
from swarmchat.errors import UserError
from swarmchat.ids import DeviceId
from swarmchat.node import config, ports
from tests.fuzz.recipe import Recipe
from tests.support.accounts import account, ask, commit, conversation, device, invite
from tests.support.builders import ALICE, BOB

TOKENS = (
    *(
        b'"version": 1',
        b'"account_key"',
        b'"certificate"',
        b'"revocations"',
        b'"settings"',
        b'"contacts"',
        b'"requests"',
    ),
    *(
        b'"declined"',
        b'"conversations"',
        b'"arrivals"',
        b'"invitations"',
        b'"devices"',
        b'"members"',
        b'"hosts"',
        b'"title"',
    ),
    *(b"swarmchat-archive-1\n", b'{"kdf":"argon2id","t":', b',"m":', b',"p":', b',"salt":"', b'","nonce":"', b'"}\n'),
    *(
        b"listen = ",
        b"[lan]\n",
        b"enabled = true\n",
        b"[log]\n",
        b"level = ",
        b'"addresses": ',
        b"NaN",
        b"1e999",
        b"\\ud800",
    ),
    *(b"true", b"null", b"[[[[[[", b"9007199254740992"),
)
_NOW_MS = 1_750_000_000_000
_ARCHIVE, _STATE, _BOOK, _SETTINGS, _PORTS, _SEALED = range(6)


def _archive() -> dict[str, object]:
    return {
        "version": 1,
        "account_key": "",
        "certificate": ALICE.certificate.pem.decode(),
        "revocations": None,
        "settings": {"name": "Alice"},
        "contacts": [],
        "requests": [],
        "declined": [],
        "conversations": [
            {
                "id": "ab" * 20,
                "title": "Lab",
                "mode": 2,
                "removed": 0,
                "members": [ALICE.id, BOB.id],
                "hosts": [{"device": ALICE.device, "address": "192.0.2.7:4000"}],
            }
        ],
    }


def seeds() -> Iterator[bytes]:
    """One file of every kind, with every kind of row in it."""
    yield bytes((_ARCHIVE,)) + strict.encode(_archive() | {"account_key": to_base64(ALICE.account_key.seed)})
    listed = to_base64(ALICE.revoking(ALICE.on(2)))
    yield bytes((_ARCHIVE,)) + strict.encode(
        _archive() | {"account_key": to_base64(ALICE.account_key.seed), "revocations": listed}
    )
    yield bytes((_STATE,)) + strict.encode(state_to_json(_state()))
    book = AddressBook()
    book.saw(ALICE.id, Address("192.0.2.7", 4000), Source.CARD, now=1_750_000_000, until=1_750_000_600)
    book.worked(DeviceId(ALICE.device), Address("2001:db8::7", 9), now=1_750_000_000)
    yield bytes((_BOOK,)) + book.to_json()
    yield bytes((_SETTINGS,)) + (
        b'listen = ["0.0.0.0:0", "[::]:7"]\nname = "Ann"\nsend_typing = false\naccept_old_forks = true\n'
        b'[lan]\nenabled = true\n[log]\nlevel = "debug"\nformat = "json"\n[dht]\naddresses = "members"\n'
    )
    yield bytes((_PORTS,)) + b'{"version": 1, "ports": {"0.0.0.0": [4000, 4001], "::": [4000]}}'
    salt, nonce = bytes(16), bytes(12)
    yield bytes((_SEALED,)) + sealing._header(3, 65_536, 4, salt, nonce) + bytes(40)
    yield bytes((_SEALED,)) + sealing._header(11, 2_000_000, 17, salt, nonce) + bytes(40)


def _state() -> State:
    """One of everything."""
    state, _ = State().add_contact(account(1), conversation=conversation(1), name="B\u00f3b", now_ms=_NOW_MS)
    state, _ = state.block(account(2), now_ms=_NOW_MS)
    state, _ = requests.receive(state, invite(3, conv=3), shared=True, now_ms=_NOW_MS)
    state, _ = requests.receive(state, ask(4, conv=4, at_ms=_NOW_MS), shared=False, now_ms=_NOW_MS)
    state, _ = requests.decline(state, state.pending()[1].id, now_ms=_NOW_MS)
    state, _ = state.add_conversation(
        conversation(5),
        title="Garden",
        mode=2,
        now_ms=_NOW_MS,
        state=ConversationState.SYNCING,
        members=[account(1)],
        hosts=[Host(device(1), Address("fe80::1%eth0", 4000))],
    )
    state, _ = state.invite(account(1), conversation(1), kind=RequestKind.CONTACT, commit=commit(1), now_ms=_NOW_MS)
    state, _ = state.add_device(OwnDevice(device(1), "laptop", _NOW_MS, may_link=True))
    return state


def run(data: bytes) -> None:
    """ValueError, or what the page of that file declares; what is read is written back the same."""
    recipe = Recipe(data)
    kind, rest = recipe.u8() % 6, recipe.rest()
    match kind:
        case 0:
            _read_archive(rest)
        case 1:
            _read_state(rest)
        case 2:
            _book(rest)
        case 3:
            _settings(rest)
        case 4:
            try:
                ports._ports(json.loads(rest))
            except (ValueError, RecursionError):
                return
        case _:
            _sealed(rest)


def _read_archive(data: bytes) -> None:
    try:
        content = Content(data)
    except ValueError as error:
        str(error)
        return
    assert content.account_key is None or content.certificate.key == content.account_key.public
    assert all(isinstance(host, Host) for one in content.conversations for host in one.hosts)


def _read_state(data: bytes) -> None:
    try:
        state = state_from_json(strict.decode(data))
    except ValueError as error:
        str(error)
        return
    document = state_to_json(state)
    assert state_from_json(document) == state
    assert strict.decode(strict.encode(document)) == document


def _book(data: bytes) -> None:
    try:
        book = AddressBook.from_json(data)
    except ValueError:
        return
    again = AddressBook.from_json(book.to_json())
    assert again.to_json() == book.to_json()
    again.candidates(ALICE.id, now=1_750_000_100)


def _settings(data: bytes) -> None:
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return
    try:
        config.parse(table, "config.toml")
    except UserError as error:
        str(error)


def _sealed(data: bytes) -> None:
    """The head of an archive, judged before its password costs anything."""
    match = sealing._PARAMETERS.match(data, len(sealing._MAGIC))
    derive = sealing._derive
    costs: list[int] = []

    def cheap(_password: str, _salt: bytes, time_cost: int, memory_kib: int, lanes: int) -> bytes:
        costs.append(time_cost * memory_kib * lanes)
        return bytes(32)

    sealing._derive = cheap  # type: ignore[assignment]
    try:
        sealing.open_archive(data, "password")
    except SealError as error:
        str(error)
    finally:
        sealing._derive = derive
    assert not costs or (match is not None and max(costs) <= 10 * 1_048_576 * 16)
