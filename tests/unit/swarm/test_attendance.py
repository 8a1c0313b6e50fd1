"""Who is there, as of when, and by what that is known. (SCP-04 §6.4)"""

from __future__ import annotations

from swarmchat.discovery.addressbook import Source
from swarmchat.index.receipt_rows import How, Seen
from swarmchat.swarm.attendance import Attested, Clues, Presence, There, best, presence
from tests.support.accounts import account

NOW = 10_000.0


def seen(at_s: float, how: How) -> Seen:
    return Seen(account(1), int(at_s * 1000), how)


def card(made: int, until: int, source: Source = Source.CARD) -> Attested:
    return Attested(made, until, source)


def of(clues: Clues) -> Presence:
    return presence(clues, NOW)


def test_nothing_is_known_of_who_was_never_heard_of() -> None:
    assert of(Clues()) == Presence(There.UNKNOWN, None, None)


def test_a_link_comes_before_all_else_then_the_lan() -> None:
    clues = Clues(True, True, seen(9_000, How.BYE), card(9_900, 10_500), 8_000)
    assert of(clues) == Presence(There.LINKED, NOW, Source.LINK)
    assert of(Clues(on_lan=True, seen=clues.seen, card=clues.card)) == Presence(There.THERE, NOW, Source.LAN)


def test_a_card_says_that_it_is_there_until_its_time_is_over() -> None:
    assert of(Clues(card=card(9_500, 10_001))) == Presence(There.THERE, 9_500, Source.CARD)
    assert of(Clues(card=card(9_500, 10_000, Source.DHT))) == Presence(There.AWAY, 9_500, Source.DHT)
    assert of(Clues(card=card(10_200, 10_800, Source.DHT))).as_of == NOW, "its clock is ahead"


def test_a_card_outlives_a_link_that_broke_and_not_a_bye_said_after_it() -> None:
    fresh = card(9_500, 10_100)
    assert of(Clues(seen=seen(9_900, How.LOST), card=fresh)).state is There.THERE
    assert of(Clues(seen=seen(9_900, How.BYE), card=fresh)) == Presence(There.AWAY, 9_900, Source.LINK)
    assert of(Clues(seen=seen(9_500, How.BYE), card=fresh)).state is There.AWAY
    assert of(Clues(seen=seen(9_499, How.BYE), card=fresh)) == Presence(There.THERE, 9_500, Source.CARD)


def test_who_is_away_is_away_since_the_last_that_was_heard() -> None:
    assert of(Clues(seen=seen(5_000, How.LOST))) == Presence(There.AWAY, 5_000, Source.LINK)
    assert of(Clues(seen=seen(5_000, How.LINKED), good_s=6_000)) == Presence(There.AWAY, 6_000, Source.LINK)
    assert of(Clues(good_s=6_000)) == Presence(There.AWAY, 6_000, Source.LINK)
    assert of(Clues(seen=seen(5_000, How.LOST), card=card(7_000, 7_600))) == Presence(There.AWAY, 7_000, Source.CARD)
    assert of(Clues(seen=seen(8_000, How.LOST), card=card(7_000, 7_600))) == Presence(There.AWAY, 8_000, Source.LINK)


def test_somebody_with_several_devices_is_where_the_likeliest_is() -> None:
    away, later = Presence(There.AWAY, 5, Source.LINK), Presence(There.AWAY, 9, Source.CARD)
    there, linked = Presence(There.THERE, 3, Source.LAN), Presence(There.LINKED, 10, Source.LINK)
    assert best([]) == Presence()
    assert best([Presence(), away, later]) == later
    assert best([later, there]) == there
    assert best([linked, there, later]) == linked
