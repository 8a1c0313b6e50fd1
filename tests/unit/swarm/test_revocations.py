"""Which revocation list of our account is in force. (SCP-01 §3.3)"""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.account.account import Account
from swarmchat.crypto.revocation import RevocationList, device_prefix, issue_revocations
from swarmchat.ids import DeviceId
from tests.support.swarms import account_of

NOW = 1_790_000_000
ONE, TWO, THREE = (DeviceId(f"{number:02x}" * 32) for number in (1, 2, 3))


def listed(number: int, *devices: DeviceId, now: int = NOW) -> RevocationList:
    key = account_of("bob").account_key
    assert key is not None
    return issue_revocations(key, account_of("bob").certificate, map(device_prefix, devices), number=number, now=now)


def having(mine: RevocationList | None, *, key: bool = True) -> Account:
    account = replace(account_of("bob"), revocations=mine)
    return account if key else replace(account, account_key=None)


def names(*devices: DeviceId) -> frozenset[bytes]:
    return frozenset(map(device_prefix, devices))


@pytest.mark.parametrize("key", [True, False])
def test_who_has_none_takes_what_he_hears(*, key: bool) -> None:
    assert having(None, key=key).reconciled(listed(1, ONE), now=NOW) == listed(1, ONE)


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize("heard", [listed(2, ONE, TWO), listed(2, ONE)])
def test_a_list_that_contains_ours_and_is_newer_is_taken(heard: RevocationList, *, key: bool) -> None:
    assert having(listed(1, ONE), key=key).reconciled(heard, now=NOW) == heard


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize(
    "heard", [listed(1, ONE), listed(1), listed(2, ONE, TWO, now=NOW + 5), listed(1, ONE, TWO), listed(2, ONE, TWO)]
)
def test_what_is_older_or_says_the_same_changes_nothing(heard: RevocationList, *, key: bool) -> None:
    mine = listed(2, ONE, TWO)
    assert having(mine, key=key).reconciled(heard, now=NOW) is mine or heard == mine


@pytest.mark.parametrize(
    "heard", [listed(2, TWO), listed(1, TWO), listed(9, TWO), listed(2, ONE, TWO), listed(1, ONE, TWO)]
)
def test_of_two_that_differ_who_holds_the_account_key_issues_both(heard: RevocationList) -> None:
    found = having(listed(2, ONE)).reconciled(heard, now=NOW)
    assert found.revoked == names(ONE, TWO)
    assert found.number == max(2, heard.number) + 1
    assert having(listed(2, ONE), key=False).reconciled(heard, now=NOW) == listed(2, ONE)


def test_two_that_issue_it_at_once_agree_and_rest() -> None:
    mine, theirs = listed(2, ONE), listed(2, TWO)
    one = having(mine).reconciled(theirs, now=NOW)
    two = having(theirs).reconciled(mine, now=NOW + 7)
    assert (one.revoked, one.number) == (two.revoked, two.number)
    assert having(one).reconciled(two, now=NOW) is one
    assert having(two).reconciled(one, now=NOW) is two


@pytest.mark.parametrize("number", [1, 9])
def test_who_finds_itself_on_a_list_takes_it_whatever_it_has(number: int) -> None:
    mine = account_of("bob").device
    heard = listed(number, mine, THREE)
    account = having(listed(5, ONE))
    assert account.reconciled(heard, now=NOW) == heard
    after = replace(account, revocations=heard)
    assert after.is_revoked
    assert after.reconciled(listed(7, TWO), now=NOW) == heard, "and issues nothing any more"
