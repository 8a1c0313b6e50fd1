from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.account.account import SealingKeys, create, display_name, new_device
from swarmchat.account.statuskey import StatusKey
from swarmchat.crypto.revocation import device_prefix
from swarmchat.errors import RefusedError, UsageError
from tests.support.accounts import device, seeded

NOW = 1_750_000_000
WEEK = 7 * 86_400


def test_an_account_is_made_from_given_dice_and_clock_alone() -> None:
    one, two = (create(name="Ann", now=NOW, entropy=seeded()) for _ in range(2))
    assert one == two
    assert one.id == one.certificate.key.account_id
    assert one.device == one.device_certificate.device_id
    assert one.may_link
    assert create(name="Ann", now=NOW, entropy=seeded(1)).id != one.id


def test_no_key_shows_in_its_repr() -> None:
    account = create(name="Ann", now=NOW, entropy=seeded())
    assert account.account_key is not None
    for secret in (account.device_key.seed, account.account_key.seed, account.sealing.current):
        assert repr(secret) not in repr(account) + repr(account.sealing)
        assert secret.hex() not in repr(account) + repr(account.sealing)
    assert repr(b"\7" * 32) not in repr(replace(account, status_key=StatusKey.made(b"\7" * 32)))


def test_parts_that_do_not_fit_make_no_account() -> None:
    ann, bob = (create(name=name, now=NOW, entropy=seeded(seed)) for seed, name in enumerate(("Ann", "Bob")))
    other = new_device(
        name="Ann",
        certificate=ann.certificate,
        account_key=ann.account_key,
        revocations=None,
        now=NOW,
        entropy=seeded(7),  # type: ignore[arg-type]
    )
    assert (other.id, other.device == ann.device) == (ann.id, False)
    with pytest.raises(ValueError, match="device certificate is of another key"):
        replace(ann, device_key=other.device_key)
    with pytest.raises(ValueError, match="account certificate is of another key"):
        replace(ann, account_key=bob.account_key)
    with pytest.raises(ValueError, match="chain"):
        replace(ann, certificate=bob.certificate, account_key=None)
    with pytest.raises(ValueError, match="revocation list is of another account"):
        replace(ann, revocations=bob.revoke(device(1), now=NOW))


def test_revocation_lists_grow() -> None:
    account = create(name="Ann", now=NOW, entropy=seeded())
    first = account.revoke(device(1), now=NOW)
    account = account.with_revocations(first)
    second = account.revoke(device(2), now=NOW)
    assert (first.number, second.number) == (1, 2)
    account = account.with_revocations(second)
    assert account.revoked == {device_prefix(device(1)), device_prefix(device(2))}
    assert account.with_revocations(first) is account


def test_a_device_without_the_account_key_revokes_nothing_and_none_revokes_itself() -> None:
    account = create(name="Ann", now=NOW, entropy=seeded())
    with pytest.raises(UsageError, match="cannot revoke itself"):
        account.revoke(account.device, now=NOW)
    with pytest.raises(RefusedError, match="does not hold the account key") as caught:
        replace(account, account_key=None).revoke(device(1), now=NOW)
    assert caught.value.hint


def test_sealing_keys_change_weekly_and_the_previous_stays() -> None:
    keys = SealingKeys(current=bytes([1]) * 32, previous=None, made_s=NOW)
    assert keys.previous_public is None
    assert keys.rotated(now=NOW + WEEK - 1, entropy=seeded()) is keys
    fresh = keys.rotated(now=NOW + WEEK, entropy=seeded())
    assert (fresh.previous, fresh.made_s) == (keys.current, NOW + WEEK)
    assert fresh.previous_public == keys.public
    assert fresh.public != keys.public
    assert (keys.privates, fresh.privates) == ((keys.current,), (fresh.current, keys.current))


def test_a_clock_that_jumps_back_and_forth_costs_one_sealing_key_not_both() -> None:
    keys = SealingKeys(current=bytes([1]) * 32, previous=bytes([2]) * 32, made_s=NOW)
    ahead = keys.rotated(now=NOW + 10 * WEEK, entropy=seeded())
    back = ahead.rotated(now=NOW + 60, entropy=seeded())
    assert (back.current, back.previous, back.made_s) == (ahead.current, keys.current, NOW + 60)
    assert back.rotated(now=NOW + 60 + WEEK, entropy=seeded(3)).previous == ahead.current


def test_an_account_takes_fresh_sealing_keys_when_their_week_is_over() -> None:
    account = create(name="Ann", now=NOW, entropy=seeded())
    assert account.rekeyed(now=NOW + WEEK - 1, entropy=seeded(3)) is account
    fresh = account.rekeyed(now=NOW + WEEK, entropy=seeded(3))
    assert fresh.sealing.previous == account.sealing.current
    assert replace(fresh, sealing=account.sealing) == account


@pytest.mark.parametrize("name", ["x" * 129, "a\nb", "a\x7fb", "a\x85b", "\ud800"])
def test_a_name_that_would_break_a_line_or_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        display_name(name)


def test_a_name_is_trimmed() -> None:
    assert display_name("  Änn ☃ ") == "Änn ☃"
    assert len(display_name("x" * 128)) == 128
    assert create(name="Ann", now=NOW, entropy=seeded()).renamed(" Anna ").name == "Anna"
