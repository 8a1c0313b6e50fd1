"""Random scripts of simulated swarms: who is there, what goes wrong, who does what and when. All small numbers and words."""

from __future__ import annotations

import random
from typing import Any

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
VILLAIN = "mallory"
DEVICES_MAX = 12
DAY_S = 86_400

WEIGHTS = {
    # what people do
    "post": 20,
    "edit": 4,
    "react": 4,
    "invite": 6,
    "accept": 6,
    "contact": 2,
    "leave": 1,
    "dissolve": 0.7,
    "kick": 1,
    "promote": 7,
    "demote": 1,
    "vote": 4,
    "ban": 4,
    "ban device": 2,
    "unban": 3,
    "profile": 2,
    "revoke": 1,
    "read": 2,
    "typing": 2,
    "decline": 1,
    "forget": 0.7,
    "purge": 0.7,
    "block": 0.7,
    "unblock": 1,
    "setting": 1.5,
    "prefer": 1.5,
    # what goes wrong
    "partition": 4,
    "heal": 4,
    "crash": 2,
    "crash while writing": 2,
    "power cut": 2,
    "restart": 2,
    "boot": 7,
    "cut": 2,
    "stall": 2,
    "skew": 1,
    "clock": 2,
    "slow disk": 1.5,
    "full disk": 1,
    "room on disk": 2,
    "second line": 2,
}
VILLAINY = 14  # the weight of "rogue" where there is one
WAITS = (0.0, 0.001, 0.01, 0.05, 0.2, 1.0, 3.0, 12.0, 45.0)
CLOCKS_S = (
    -5 * 365 * DAY_S,
    -400 * DAY_S,
    -30 * DAY_S,
    -3_601,
    -301,
    -30,
    0,
    30,
    301,
    3_601,
    30 * DAY_S,
    400 * DAY_S,
    3 * 365 * DAY_S,
)
MADE_DAYS_AGO = 6 * 365  # so long ago that no clock of these is before the certificates

Step = dict[str, Any]
Script = dict[str, Any]


def swarm(seed: int) -> Script:
    """A quarter of an hour in which nothing is spared."""
    return _script(seed, "swarm", random.Random(f"swarm {seed}"), (25, 45))


def day(seed: int) -> Script:
    """24 hours: bursts, and hours of silence between them."""
    dice = random.Random(f"day {seed}")
    script = _script(seed, "day", dice, (40, 60))
    steps = script["steps"]
    pauses = sorted(dice.sample(range(len(steps)), 12))
    shares = [dice.expovariate(1.0) for _ in pauses]
    left_s = DAY_S - sum(step["wait"] for step in steps)
    for number, share in zip(pauses, shares, strict=True):
        steps[number]["wait"] += round(left_s * share / sum(shares), 3)
    return script


ABROAD_WITHOUT = {
    "clock",
    "skew",
}  # whose clock is wrong by a minute or two is not heard in the DHT, and nothing else leads to him


def abroad(seed: int) -> Script:
    """The same where nothing but a DHT leads people to each other: no LAN, no villain, and what was known of addresses goes with each start."""
    dice = random.Random(f"abroad {seed}")
    while (script := _script(seed, "abroad", dice, (25, 45)))["hostile"]:
        pass
    steps = [step for step in script["steps"] if step["do"] not in ABROAD_WITHOUT]
    return {**script, "clocks": [], "dht": True, "lan": False, "steps": steps}


def _script(seed: int, world: str, dice: random.Random, length: tuple[int, int]) -> Script:
    cast = _cast(dice)
    hostile = [number for number, (name, _) in enumerate(cast) if name == VILLAIN]
    weights = dict(WEIGHTS, rogue=VILLAINY if hostile else 0)
    kinds, shares = zip(*sorted(weights.items()), strict=True)
    steps: list[Step] = [
        {
            "do": dice.choices(kinds, shares)[0],
            "by": dice.randrange(60),
            "picks": [dice.randrange(1000), dice.randrange(1000)],
            "wait": dice.choice(WAITS),
        }
        for _ in range(dice.randint(*length))
    ]
    return {
        "world": world,
        "seed": seed,
        "mode": dice.choices((1, 2, 3), (5, 2, 1))[0],
        "late": int(dice.random() < 0.4),  # one account is not invited at first
        "stubborn": dice.choice((None, None, *(n for n in range(1, len(cast)) if n not in hostile))),
        "made": MADE_DAYS_AGO,
        "clocks": [dice.choice(CLOCKS_S) if dice.random() < 0.25 else 0 for _ in cast],
        "loss": dice.choice((0.0, 0.0, 0.01, 0.1, 0.3)),
        "slow": [number for number in range(len(cast)) if dice.random() < 0.08],
        "hostile": hostile,
        "dht": random.Random(f"dht {world} {seed}").random() < 0.4,
        "cast": cast,
        "steps": steps,
    }


def _cast(dice: random.Random) -> list[list[Any]]:
    """3 to 12 devices of 2 to 8 accounts, few more often than many; in two of five a villain among them."""
    devices = dice.choices(range(3, DEVICES_MAX + 1), (20, 16, 10, 5, 3, 2, 1, 1, 1, 1))[0]
    villain = dice.random() < 0.4 and devices > 3
    honest = devices - villain
    accounts = dice.randint(max(2, (honest + 1) // 2), min(honest, len(NAMES) - villain))
    names = NAMES[:accounts]
    cast: list[list[Any]] = [[name, 1] for name in names]
    while len(cast) < honest:
        name = dice.choice(names)
        cast.append([name, 1 + max(number for other, number in cast if other == name)])
    if villain:
        cast.insert(dice.randint(2, accounts), [VILLAIN, 1])
    return cast
