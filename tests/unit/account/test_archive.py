from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.account import preferences, requests, sharing, strict
from swarmchat.account.account import Account, create
from swarmchat.account.archive import (
    ArchivedConversation,
    ArchiveSummary,
    Content,
    check,
    document,
    export_archive,
    import_archive,
)
from swarmchat.account.records import ConversationState, Host, OwnDevice, RequestKind
from swarmchat.account.state import State
from swarmchat.account.statuskey import StatusKey
from swarmchat.addresses import Address
from swarmchat.crypto.sealing import open_archive, seal_archive
from swarmchat.errors import PasswordNeededError, RefusedError, UsageError, VerificationError
from tests.support.accounts import account, ask, commit, conversation, device, invite, seeded

NOW = 1_750_000_000
NOW_MS = NOW * 1000
WORDS = "correct horse"


@pytest.fixture
def ann() -> Account:
    made = create(name="Ann", now=NOW, entropy=seeded())
    return made.with_revocations(made.revoke(device(9), now=NOW))


@pytest.fixture
def state() -> State:
    state, _ = State().add_contact(account(1), conversation=conversation(1), name="Bob", now_ms=NOW_MS)
    state, _ = state.add_conversation(conversation(1), title="", mode=0, members=[account(1)], now_ms=NOW_MS)
    state, _ = state.add_conversation(conversation(2), title="Garden", mode=2, now_ms=NOW_MS)
    state, _ = state.add_conversation(conversation(3), title="Left", mode=2, now_ms=NOW_MS)
    state, _ = state.remove_conversation(conversation(3), now_ms=NOW_MS + 5)
    state, _ = requests.receive(state, invite(4, conv=4), shared=False, now_ms=NOW_MS)
    state, _ = requests.receive(state, ask(5, conv=5), shared=False, now_ms=NOW_MS)
    state, _ = requests.decline(state, state.pending()[0].id, now_ms=NOW_MS)
    return state


def exported(ann: Account, state: State, *conversations: ArchivedConversation) -> bytes:
    return export_archive(ann, state, conversations, WORDS, entropy=os.urandom)


def restored(data: bytes) -> tuple[Account, State]:
    return import_archive(data, WORDS, now=NOW + 100, entropy=seeded(5))


def test_an_imported_account_is_the_same_on_a_new_device(ann: Account, state: State) -> None:
    account_, _ = restored(exported(ann, state))
    assert (account_.id, account_.name, account_.certificate, account_.revocations) == (
        ann.id,
        "Ann",
        ann.certificate,
        ann.revocations,
    )
    assert account_.account_key == ann.account_key
    assert account_.device != ann.device
    assert account_.sealing.current != ann.sealing.current
    assert account_.device_certificate.not_before <= NOW + 100


def test_the_archive_has_no_device_key(ann: Account, state: State) -> None:
    text = open_archive(exported(ann, state), WORDS)
    assert base64.b64encode(ann.device_key.seed) not in text
    assert base64.b64encode(ann.sealing.current) not in text


def test_contacts_requests_and_refusals_come_along_and_conversations_wait_to_be_cloned(
    ann: Account, state: State
) -> None:
    account_, after = restored(exported(ann, state))
    assert (after.contacts, after.requests, after.declined) == (state.contacts, state.requests, state.declined)
    assert {known.id: known.state for known in after.conversations.values()} == {
        conversation(1): ConversationState.SYNCING,
        conversation(2): ConversationState.SYNCING,
        conversation(3): ConversationState.REMOVED,
    }
    assert after.conversations[conversation(1)].members == (account(1),)
    assert after.conversations[conversation(3)].removed_ms == NOW_MS + 5
    assert [(one.id, one.may_link) for one in after.devices.values()] == [(account_.device, True)]


def test_who_restores_an_account_was_away_since_it_was_exported(ann: Account, state: State) -> None:
    """The stamps come along, so what other devices did since counts, and what the archive says does not come back."""
    state, _ = preferences.prefer(state, conversation(1), "colour", "red")
    state, _ = state.invite(account(1), conversation(1), kind=RequestKind.CONTACT, commit=commit(1), now_ms=NOW_MS)
    state, _ = state.add_device(OwnDevice(ann.device, "laptop", NOW_MS, may_link=True))
    state = sharing.completed(preferences.with_setting(state, "send_typing", False), device=ann.device)
    mine, after = restored(exported(ann, state))
    assert (after.stamps, after.seen) == (state.stamps, state.seen)
    assert (after.settings, after.preferences) == (state.settings, state.preferences)
    assert after.invitations == state.invitations
    assert after.devices.keys() == {ann.device, mine.device}
    values = {entry.key: entry.value for entry in sharing.delta(after, {})}
    assert values == {entry.key: entry.value for entry in sharing.delta(state, {})}
    gone, _ = state.remove_conversation(conversation(2), now_ms=NOW_MS + 9)
    later = sharing.stamped(state, gone, device=ann.device, now_ms=NOW_MS + 9)
    news = sharing.delta(later, after.seen, asker=mine.device)
    assert [entry.key for entry in news] == [f"conversation/{conversation(2)}"]
    known = sharing.merged(after, news, device=mine.device, now_ms=NOW_MS).conversations[conversation(2)]
    assert known.state is ConversationState.REMOVED


def test_what_was_left_and_taken_up_again_is_not_left(ann: Account, state: State) -> None:
    state, _ = state.add_conversation(conversation(3), title="Left", mode=2, now_ms=NOW_MS + 9)
    _, after = restored(exported(ann, state))
    known = after.conversations[conversation(3)]
    assert known.state is ConversationState.SYNCING
    assert (known.added_ms, known.removed_ms) == (NOW_MS + 9, NOW_MS + 5)


def test_what_the_caller_says_of_a_conversation_counts_and_is_cut_to_its_bounds(ann: Account, state: State) -> None:
    members = tuple(account(number) for number in range(65))
    hosts = tuple(Host(device(number), Address("192.0.2.7", 4000)) for number in range(9))
    said = ArchivedConversation(conversation(2), "Garden club", 2, members=members, hosts=hosts)
    unknown = ArchivedConversation(conversation(7), "New", 3)
    _, after = restored(exported(ann, state, said, unknown))
    known = after.conversations[conversation(2)]
    assert (known.title, known.members, known.hosts) == ("Garden club", members[:64], hosts[:8])
    assert after.conversations[conversation(7)].title == "New"


def test_checking_says_what_is_in_it(ann: Account, state: State) -> None:
    assert check(exported(ann, state), WORDS) == ArchiveSummary(ann.id, "Ann", contacts=1, requests=1, conversations=2)


def test_a_wrong_password_says_so(ann: Account, state: State) -> None:
    data = exported(ann, state)
    for read in (lambda: check(data, "wrong"), lambda: import_archive(data, "wrong", now=NOW, entropy=seeded())):
        with pytest.raises(PasswordNeededError, match="password is wrong") as caught:
            read()
        assert caught.value.hint
        assert caught.value.exit_status == 1


def test_no_password_and_no_account_key_give_no_archive(ann: Account, state: State) -> None:
    with pytest.raises(UsageError, match="empty"):
        export_archive(ann, state, (), "", entropy=os.urandom)
    with pytest.raises(RefusedError, match="account key") as caught:
        exported(replace(ann, account_key=None), state)
    assert caught.value.hint


@pytest.mark.parametrize("cut", [0, 1, 19, 60, 200])
def test_a_file_that_is_no_whole_archive_is_not_opened(ann: Account, state: State, cut: int) -> None:
    data = exported(ann, state)
    with pytest.raises((VerificationError, PasswordNeededError)):
        check(data[:cut], WORDS)


NEW = {"added": 5, "removed": 0, "invited_by": None, "invitation": None}


def resealed(data: bytes, **changes: object) -> bytes:
    document: dict[str, Any] = json.loads(open_archive(data, WORDS))
    return seal_archive(strict.encode(document | changes), WORDS, salt=bytes(16), nonce=bytes(12))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1}, {"account_key": "AAAA"}, {"account_key": None}, {"certificate": ""}, {"revocations": "AAAA"},
        {"settings": []}, {"name": "a\nb"}, {"name": 1}, {"settings": {"colour": "red"}}, {"sharing": {}}, {"devices": [1]}, {"contacts": {}}, {"requests": [1]},
        {"conversations": [{}]}, {"surprise": 1},
        {"conversations": [{"id": "1" * 40, "title": "", "mode": 2, **NEW, "members": [], "hosts": []}] * 2},
        {"conversations": [{"id": "1" * 40, "title": "", "mode": 2, **NEW, "members": ["1" * 40] * 65, "hosts": []}]},
        {"conversations": [{"id": "1" * 40, "title": "", "mode": 4, **NEW, "members": [], "hosts": []}]},
        {"conversations": [{"id": "1" * 40, "title": "t" * 129, "mode": 2, **NEW, "members": [], "hosts": []}]},
    ],
)  # fmt: skip
def test_a_document_that_is_not_exactly_an_archive_is_refused(
    ann: Account, state: State, changes: dict[str, object]
) -> None:
    """C-36"""
    with pytest.raises(VerificationError, match="damaged") as caught:
        restored(resealed(exported(ann, state), **changes))
    assert caught.value.hint == "nothing was written"


KEY = StatusKey(3, b"\7" * 32)


def test_the_key_with_status_comes_along(ann: Account, state: State) -> None:
    assert restored(exported(replace(ann, status_key=KEY), state))[0].status_key == KEY
    assert restored(exported(ann, state))[0].status_key is None


def test_an_archive_of_version_2_is_read_as_one_without_that_key(ann: Account, state: State) -> None:
    data = exported(replace(ann, status_key=KEY), state)
    old: dict[str, Any] = json.loads(open_archive(data, WORDS))
    assert (old.pop("status_key"), old.pop("version")) == ({"generation": 3, "secret": "Bw" + "cHBw" * 10 + "c="}, 3)
    sealed = seal_archive(strict.encode(old | {"version": 2}), WORDS, salt=bytes(16), nonce=bytes(12))
    assert restored(sealed) == restored(exported(ann, state))


@pytest.mark.parametrize(
    "changes",
    [{"version": 2}, {"status_key": {}}, {"status_key": {"generation": 0, "secret": base64.b64encode(KEY.secret).decode()}},
     {"status_key": {"generation": 1, "secret": base64.b64encode(bytes(32)).decode()}}, {"status_key": "7"}],
)  # fmt: skip
def test_an_archive_with_a_wrong_status_key_is_refused(ann: Account, state: State, changes: dict[str, object]) -> None:
    with pytest.raises(VerificationError, match="damaged") as caught:
        restored(resealed(exported(ann, state), **changes))
    assert caught.value.hint == "nothing was written"


def test_a_key_that_is_not_the_certificates_is_refused(ann: Account, state: State) -> None:
    eve = create(name="Eve", now=NOW, entropy=seeded(8))
    assert eve.account_key is not None
    key = base64.b64encode(eve.account_key.seed).decode()
    with pytest.raises(VerificationError, match="not that of the account key"):
        check(resealed(exported(ann, state), account_key=key), WORDS)
    device_pem = ann.device_certificate.pem.decode()
    with pytest.raises(VerificationError, match="not that of an account"):
        check(resealed(exported(ann, state), certificate=device_pem), WORDS)


def test_a_title_at_the_bound_survives(ann: Account) -> None:
    said = ArchivedConversation(conversation(1), "t" * (limits.TITLE_CHARS_MAX + 5), 2)
    _, after = restored(exported(ann, State(), said))
    assert after.conversations[conversation(1)].title == "t" * limits.TITLE_CHARS_MAX


def test_an_archive_without_the_account_key_is_none(ann: Account, state: State) -> None:
    with pytest.raises(VerificationError, match="an archive has the account key"):
        check(resealed(exported(ann, state), account_key=None), WORDS)


def test_what_a_new_device_is_given_is_what_an_archive_holds_and_the_account_key_only_if_asked_for(
    ann: Account, state: State
) -> None:
    plain, keyed = (document(ann, state, (), with_key=with_key) for with_key in (False, True))
    assert keyed == open_archive(exported(ann, state), WORDS)
    assert ann.account_key is not None
    assert base64.b64encode(ann.account_key.seed) not in plain
    given = Content(plain)
    assert given.account_key is None
    assert (given.certificate, given.revocations, given.name) == (ann.certificate, ann.revocations, "Ann")
    after = given.state([OwnDevice(device(3), "laptop", NOW_MS)], now_ms=NOW_MS)
    assert after.contacts == state.contacts
    assert after.conversations[conversation(1)].state is ConversationState.SYNCING
    assert [one.name for one in after.devices.values()] == ["laptop"]


def test_a_device_without_the_account_key_gives_none_away(ann: Account, state: State) -> None:
    assert Content(document(replace(ann, account_key=None), state, (), with_key=True)).account_key is None
