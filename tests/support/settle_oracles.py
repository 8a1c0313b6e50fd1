"""What no attack on settle may reach, each told precisely, and the check of one attack. (SCP-02 §6.4)

`before` is what the group's own tip came to, `after` the same beside the attack.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from swarmchat.conversation.entries import Entry
from swarmchat.conversation.rules.settled import BANNED_BESIDE
from swarmchat.conversation.rules.settling import Settler
from swarmchat.ids import CommitId
from tests.support.settle_group import Group
from tests.support.settle_lines import Line, Step, play
from tests.support.settle_model import Model, RefusedError, Standing, name

BAN_LOST = "a: a ban was lost"  # that votes of the honest alone had decided, and nobody unbanned
HONEST_ADMIN_LOST = "b: an honest admin is none"  # by a minority of the admins, at each place where it forks
UNBAN_UNDONE = "b: an unban was undone"  # decided by the honest alone; banned again by who has no majority
WORK_VOID = "b: work of the group became void"  # as if its author had been banned beside it
NEWCOMER_LOST = "b: an honest newcomer is out"  # in the modes where one admin of several cannot kick
ANSWER_FAILS = "b: the group's answer does not undo a fork"  # bans of all villains, from the group's own tip
TEXT_COUNTS = "c: a text changed the roster"
REFUSED = "d: nodes differ"  # judge, settle or the shape of merges: another order of arrival, another roster
SHORTCUT = "d: the replay from the root differs"
MODEL = "d: the model differs"
NO_WAY_OUT = "e: nobody is admin and nobody can be elected"
MALFORMED = "d: a roster holds what no judge lets in"  # an account in two places, a device of nobody, a vote of nobody

ORACLES = (
    BAN_LOST, HONEST_ADMIN_LOST, UNBAN_UNDONE, WORK_VOID, NEWCOMER_LOST, ANSWER_FAILS, TEXT_COUNTS, REFUSED, SHORTCUT,
    MODEL, NO_WAY_OUT, MALFORMED,
)  # fmt: skip


class FromTheRoot(Settler):
    """Without the shortcut of SCP-02 §6.4 f."""

    def _start(self, mask: int) -> Entry:
        return self.history.root


def finds(told: Line, steps: list[Step]) -> tuple[set[str], int]:
    """The oracles that an attack breaks, and how much it moved: the guide of the search."""
    group, before = told.group, told.roster(told.tip)
    written = play(told, steps)
    if not written:
        return set(), -1
    heads = group.history.ordinary_heads([told.tip, *written])
    settled = group.settler.settle(heads)
    after = group.standing(settled.roster)
    broken = _losses(told, before, after, heads)
    if not _well_formed(after):
        broken.add(MALFORMED)
    twin = FromTheRoot(group.history, group.rosters.__getitem__)
    if twin.settle(heads).roster != settled.roster:
        broken.add(SHORTCUT)
    keeps_it = before.admins - set(told.villains)  # where all admins are villains they may dissolve it by right
    if after.joined and not after.admins and not (told.mode == 1 and after.members) and keeps_it:
        broken.add(NO_WAY_OUT)
    if told.old_power and _answer_fails(told, before, heads):
        broken.add(ANSWER_FAILS)
    changed = group.settler.changed_fates(group.history.ordinary_heads([told.tip]), heads)
    moved = len(before.admins ^ after.admins) + len(before.out ^ after.out) + len(before.joined ^ after.joined)
    return broken, 3 * len(changed) + 2 * moved + len(written) + 2 * len(settled.accepted)


def _losses(told: Line, before: Standing, after: Standing, heads: Iterable[CommitId]) -> set[str]:
    broken = set()
    if any(("ban", target) in told.solid for target in before.out - after.out):
        broken.add(BAN_LOST)
    if told.old_power:
        return broken
    honest = set(told.honest)
    if honest & before.admins - after.admins:
        broken.add(HONEST_ADMIN_LOST)
    undone = (told.unbanned & before.joined & after.out) - told.open_bans
    if any(("unban", target) in told.solid for target in undone):
        broken.add(UNBAN_UNDONE)
    own_work = {target for target in told.unbanned if ("unban", target) not in told.solid}  # a villain's, and he may go
    shaky = {*told.villains, *told.open_bans}  # an invitation by one of these goes with him
    own_work |= {
        asked[2][1] for asked in told.group.asked if len(asked) > 1 and asked[2][0] == "add" and asked[1] in shaky
    }
    if told.mode != 1 and (honest & before.joined - after.joined) - own_work:
        broken.add(NEWCOMER_LOST)
    group = told.group
    changed = group.settler.changed_fates(group.history.ordinary_heads([told.tip]), heads)
    for commit, fate in changed.items():
        author = group.history[commit].fact.account
        assert author is not None
        counted = group.settler.fate(commit, group.history.ordinary_heads([told.tip])) is None
        banned_beside = fate is not None and fate.code == BANNED_BESIDE
        if counted and banned_beside and group.name_of(author) not in told.open_bans:
            broken.add(WORK_VOID)
    return broken


def _well_formed(after: Standing) -> bool:
    places = [*after.admins, *after.members, *after.invited, *(one for one in after.out if "." not in one)]
    owners = {device.partition(".")[0] for device in after.devices}
    voters = {vote[3] for vote in after.votes}
    return (
        len(places) == len(set(places)) and owners <= after.joined and voters <= after.joined
        and not after.devices & after.out
    )  # fmt: skip


def _answer_fails(told: Line, before: Standing, heads: tuple[CommitId, ...]) -> bool:
    """Whether bans of all villains, by the honest majority of the group's tip and from there, leave the fork any effect."""
    voters = sorted(before.admins - set(told.villains))
    wanted = sorted(set(told.villains) & before.joined)
    if not wanted or 2 * len(voters) <= len(before.admins):
        return False
    tip = told.tip
    for villain in wanted:
        now = told.roster(tip)
        needed = [
            one
            for one in voters
            if one in now.admins and ("ban", now_place(now, villain), villain, one) not in now.votes
        ]
        for voter in needed:
            tip = told.scene.write(tip, voter, "vote", "ban", villain, salt="answer")
        tip = told.scene.write(tip, voters[0], "ban", villain, salt="answer")
    after = told.group.settle(*told.group.history.ordinary_heads([tip, *heads]))
    return not set(wanted) <= after.out or not set(voters) <= after.admins


def now_place(now: Standing, who: str) -> str:
    return "admins" if who in now.admins else "members" if who in now.members else "invited"


def nodes_differ(told: Line, heads: tuple[CommitId, ...], dice: random.Random) -> set[str]:
    """Another order of arrival, texts of everybody beside it, merges pair by pair; and the model."""
    broken, group = set(), told.group
    after = group.settle(*heads)
    order = another_order(group, dice)
    try:
        twin = group.replayed(order)
    except RefusedError:
        return {REFUSED}
    if twin.rosters != group.rosters or twin.settle(*heads) != after:
        broken.add(REFUSED)
    merged = heads[0]
    for head in heads[1:]:
        merged = group.merge(merged, head)
    if group.settle(merged) != after:
        broken.add(REFUSED)
    if not agrees(group, heads):
        broken.add(MODEL)
    texts = []
    for point in dice.sample(told.points, min(4, len(told.points))):
        for device in sorted(told.roster(point).devices):
            who, _, number = device.partition(".")
            try:
                texts.append(group.write(point, who, ("text", "late"), int(number), "late"))
            except RefusedError:  # revoked in its past
                continue
    late = group.settle(*group.history.ordinary_heads([*heads, *texts]))
    if late != after:
        broken.add(TEXT_COUNTS)
    return broken


def another_order(group: Group, dice: random.Random) -> list[tuple[object, ...]]:
    """What was written and merged, in another order that has parents first."""
    left, here, order = list(group.asked), {group.root}, []
    while left:
        ready = [one for one in left if here.issuperset(one[0] if len(one) == 1 else one[:1])]
        chosen = dice.choice(ready)
        left.remove(chosen)
        order.append(chosen)
        here.add(CommitId(name(*_named(chosen))))
    return order


def _named(asked: tuple[object, ...]) -> tuple[object, ...]:
    if len(asked) == 1:
        return asked[0], "", 0, ("merge",), 0
    parent, who, act, device, salt = asked
    return (parent,), who, device, act, salt


def agrees(group: Group, heads: Iterable[CommitId]) -> bool:
    """Whether the model, told the same commits, holds the same roster."""
    model = Model(group.mode)
    for asked in group.asked:
        if len(asked) == 1:
            model.merge(*(model.by_id[head] for head in asked[0]))
        else:
            parent, who, act, device, salt = asked
            model.write(model.by_id[parent], who, act, device, salt)
    return model.settle(*(model.by_id[head] for head in heads)) == group.settle(*heads)
