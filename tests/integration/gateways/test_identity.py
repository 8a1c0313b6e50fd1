"""The account's key with Status as its user meets it, on a whole node. (SCP-09 §2.5)"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.api.methods import invoke
from swarmchat.conversation.actions import Other
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.errors import RefusedError, UsageError, UserError
from swarmchat.gateways import bindings
from swarmchat.gateways.commands import GatewayCommands
from swarmchat.ids import ConversationId
from swarmchat.node.offline import open_commands
from tests.support.loopback import Living, Loopback, play

WORDS = "destroy end torch puzzle develop note wise island disease chaos kind bus"
OURS = "0x048fdd18301a2f88f0e41610c96918561cc0fddb6d075c603a1f5f05804c0979d3b637941917fd351b78963d2cafbf3cf8d8852aa0b9bd684cc5083590b4b02411"
SEVEN, EIGHT = "07" * 32, "08" * 32


def call(home: Path, method: str, opened_with: str | None = None, **params: Any) -> Any:
    with open_commands(Home.locate(home, {}), password=opened_with, commands=GatewayCommands) as node:
        return node.call(method, params)


async def ask(node: Living, **params: Any) -> Any:
    return await invoke(node.door, "status.identity", params)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    call(tmp_path / "home", "account.create", name="Ann")
    return tmp_path / "home"


def secrets_of(home: Path) -> Any:
    return json.loads(Home.locate(home, {}).data.joinpath("account.json").read_text())["secrets"]


def test_a_key_is_made_when_it_is_first_asked_for_and_then_it_stays(home: Path) -> None:
    assert secrets_of(home)["status_key"] is None
    made = call(home, "status.identity")
    assert made == {
        "state": "made",
        "key": made["key"],
        "compressed": Key.parse(made["key"]).compressed,
        "account": Key.parse(made["key"]).uri,
        "bound": [],
    }
    assert call(home, "status.identity") == made | {"state": "held"}
    assert secrets_of(home)["status_key"]["generation"] == 1


def test_the_key_of_a_phrase_or_a_secret_takes_the_place_of_the_one_there_was(home: Path) -> None:
    call(home, "status.identity")
    done = call(home, "status.identity", phrase=f" {WORDS.upper()} ")
    assert (done["state"], done["key"]) == ("set", OURS)
    assert call(home, "status.identity", phrase=WORDS)["state"] == "held"
    other = call(home, "status.identity", phrase=WORDS, passphrase="né")
    assert other["key"] != OURS
    for written in (SEVEN, f"0x{SEVEN}", f"0X{SEVEN.upper()}"):
        assert call(home, "status.identity", secret=written)["key"] == Secret(bytes.fromhex(SEVEN)).public.legacy
    assert secrets_of(home)["status_key"]["generation"] == 4


def test_a_key_is_set_where_none_was_made_before(home: Path) -> None:
    assert call(home, "status.identity", phrase=WORDS)["key"] == OURS
    assert secrets_of(home)["status_key"]["generation"] == 2, "so that it beats what another device draws meanwhile"


@pytest.mark.parametrize(
    "params",
    [{"secret": ""}, {"secret": "0x"}, {"secret": SEVEN[:-1]}, {"secret": SEVEN + "0"}, {"secret": " " + SEVEN[:-1]}, {"secret": "00" * 32},
     {"secret": "ff" * 32}, {"secret": SEVEN[:-2] + "٧٧"}, {"phrase": ""}, {"phrase": "zoo " * 12}, {"phrase": WORDS.replace("bus", "busz")},
     {"phrase": WORDS, "secret": SEVEN}, {"passphrase": "x"}, {"secret": SEVEN, "passphrase": "x"}, {"phrase": WORDS, "passphrase": "\ud800"}],
)  # fmt: skip
def test_what_is_no_key_changes_nothing_and_is_not_repeated(home: Path, params: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        call(home, "status.identity", **params)
    for said in params.values():
        assert len(said) < 9 or said not in str(caught.value) + str(caught.value.hint)
    assert caught.value.hint, "each says what would be right"
    assert secrets_of(home)["status_key"] is None


@pytest.mark.parametrize(
    "params",
    [{"secret": "0" * 67}, {"phrase": "z" * 1025}, {"phrase": WORDS, "passphrase": "z" * 1025}, {"secret": 7}, {"replace": "yes"}, {"words": WORDS}],
)  # fmt: skip
def test_parameters_are_judged_before_anybody_is_asked(tmp_path: Path, params: dict[str, Any]) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        with pytest.raises(UsageError, match=r"status\.identity"):
            await ask(node, **params)
        assert node.swarm.own.status_key() is None

    play(tmp_path, story)


def test_the_secret_half_goes_into_a_new_file_of_its_owner_and_comes_back_from_it(home: Path, tmp_path: Path) -> None:
    shown, file = call(home, "status.identity"), tmp_path / "key"
    told = call(home, "status.identity_export", path=str(file))
    assert told == {"path": str(file), "key": shown["key"]}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = file.read_text()
    assert Secret(bytes.fromhex(secret)).public.legacy == shown["key"]
    assert (len(secret), secret[-1]) == (65, "\n")
    with pytest.raises(UserError, match="exists already"):
        call(home, "status.identity_export", path=str(file))
    with pytest.raises(UsageError, match="absolute path"):
        call(home, "status.identity_export", path="key")
    assert file.read_text() == secret
    call(tmp_path / "other", "account.create", name="Ben")
    assert call(tmp_path / "other", "status.identity", secret=secret.strip())["key"] == shown["key"]


def test_under_a_password_the_key_lies_sealed(home: Path) -> None:
    call(home, "account.set_password", password="words")
    made = call(home, "status.identity", "words")
    file = Home.locate(home, {}).data / "account.json"
    assert secrets_of(home) is None
    secret = call(home, "status.identity_export", "words", path=str(home / "key"))
    assert secret["key"] == made["key"]
    assert (home / "key").read_text().strip() not in file.read_text()


def test_who_restores_an_account_has_its_key(home: Path, tmp_path: Path) -> None:
    made, file = call(home, "status.identity"), str(tmp_path / "archive")
    call(home, "account.export", path=file, password="secret")
    call(tmp_path / "new", "account.import", path=file, password="secret")
    assert call(tmp_path / "new", "status.identity") == made | {"state": "held"}


async def bind(node: Living, where: ConversationId, secret: Secret) -> None:
    extra = bindings.body(where, node.account.id, secret)
    await node.swarm.append(where, Other(bindings.BINDING), extra=extra)


def test_conversations_that_know_the_account_by_its_key_have_to_be_overruled(tmp_path: Path) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        old = await node.swarm.own.ensure_status_key()
        where, other = await node.swarm.create(2, title="Pier"), await node.swarm.create(2, title="Reef")
        await bind(node, where, old)
        row = {"id": where, "key": old.public.legacy, "current": True}
        assert (await ask(node))["bound"] == [row]
        with pytest.raises(RefusedError, match="know this account") as caught:
            await ask(node, secret=SEVEN)
        assert caught.value.data == {"bound": [where]}
        assert "--yes" in str(caught.value.hint)
        assert node.swarm.own.status_key() is old
        assert (await ask(node, secret=old.raw.hex()))["state"] == "held"
        done = await ask(node, secret=SEVEN, replace=True)
        assert (done["state"], done["bound"]) == ("set", [row | {"current": False}])
        new = node.swarm.own.status_key()
        assert new is not None
        await bind(node, where, new)  # the first one counts
        await bind(node, other, new)
        told = {row["id"]: (row["key"], row["current"]) for row in (await ask(node))["bound"]}
        assert told == {where: (old.public.legacy, False), other: (new.public.legacy, True)}

    play(tmp_path, story)


def test_a_proof_that_does_not_hold_binds_nothing(tmp_path: Path) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        where = await node.swarm.create(2)
        mine = await node.swarm.own.ensure_status_key()
        said = bindings.body(where, node.account.id, mine) | {"body": Secret(bytes.fromhex(EIGHT)).public.legacy}
        await node.swarm.append(where, Other(bindings.BINDING), extra=said)
        assert (await ask(node, secret=SEVEN))["bound"] == []

    play(tmp_path, story)


def test_a_device_that_was_revoked_shows_its_key_and_neither_makes_nor_sets_one(tmp_path: Path) -> None:
    async def story(place: Loopback) -> None:
        held, none = await place.node("ann"), await place.node("ben")
        shown = await ask(held)
        for node in (held, none):
            mine = node.node.account
            assert isinstance(mine.account_key, PrivateKey)
            now = int(node.node.runtime.now())
            listed = issue_revocations(
                mine.account_key, mine.certificate, [device_prefix(mine.device)], number=1, now=now
            )
            await node.node.relist(listed)
        assert await ask(held) == shown | {"state": "held"}
        for node, params in ((held, {"secret": SEVEN}), (none, {}), (none, {"secret": SEVEN})):
            with pytest.raises(RefusedError, match="revoked"):
                await ask(node, **params)
        assert none.swarm.own.status_key() is None

    play(tmp_path, story)


def test_what_is_written_in_conversations_is_not_touched_by_asking(tmp_path: Path) -> None:
    async def story(place: Loopback) -> None:
        node = await place.node("ann")
        where = await node.swarm.create(2)
        before = node.log(where).heads
        await ask(node)
        await ask(node, phrase=WORDS)
        assert node.log(where).heads == before

    play(tmp_path, story)
