"""A group of data sync: what replays, re-timing, forged parents and lateness can and cannot do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync import group as groups
from swarmchat.gateways.datasync.group import Fault, Group
from swarmchat.gateways.datasync.messages import Ack, Invite, Join, Kick, Leave, text_post
from swarmchat.gateways.datasync.messages import Fault as ClientFault
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Metadata, PeerId
from swarmchat.gateways.datasync.standing import Fault as StandingFault
from swarmchat.gateways.datasync.standing import Kind, Law
from swarmchat.gateways.refusal import Refused
from tests.support.datasync import ANNA, BERT, CARL, DORA, GROUP, Chain


def invite(who: PeerId, text: str = "") -> Invite:
    return Invite(Key(who), GROUP, text)


def join(who: PeerId) -> Join:
    return Join(Key(who), GROUP)


def kick(who: PeerId) -> Kick:
    return Kick(Key(who), GROUP)


def three(kind: Kind = Kind.MEMBERS) -> tuple[Chain, Group]:
    """A group of Anna's that Bert and Carl are in."""
    chain, group = Chain(), Group(GROUP, Law(kind))
    messages = [chain.write(ANNA, invite(ANNA))]
    for member in (BERT, CARL):
        messages += [chain.write(ANNA, invite(member)), chain.write(member, join(member))]
    take(group, *messages)
    assert group.standing.members == {ANNA, BERT, CARL}
    return chain, group


def take(group: Group, *messages: Message) -> None:
    for message in messages:
        assert group.add(message, BERT) is None


def fault(group: Group, message: Message) -> str | None:
    verdict = group.verdict(message.id)
    return verdict and verdict.reason


def texts(group: Group) -> list[str | None]:
    return [getattr(entry.body, "text", None) for entry in group.shown()]


# --- what is not kept


def test_what_is_no_message_of_the_group_is_not_kept() -> None:
    group = Group(GROUP, Law())
    assert group.add(Message(GroupId(bytes(32)), 1, b"")) == Refused(Fault.WRONG_GROUP)
    assert group.add(Message(GROUP, 1, b"", Metadata(ephemeral=True))) == Refused(Fault.EPHEMERAL)
    assert group.add(Message(GROUP, 1, b"")) == Refused(ClientFault.BAD_SIGNATURE)
    unsound = replace(Chain().write(ANNA, Ack(MessageId(b"short"))), metadata=None)
    assert group.add(unsound) == Refused(ClientFault.BAD_BODY, "5 bytes")
    assert group.entries() == []
    with pytest.raises(KeyError):
        group.verdict(unsound.id)


def test_a_message_is_kept_once() -> None:
    chain, group = three()
    post = chain.write(BERT, text_post("hello"))
    take(group, post, replace(post, metadata=None), post)
    assert texts(group) == ["hello"]


def test_of_what_does_not_count_one_peer_brings_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "DATASYNC_IDLE_MESSAGES_PER_PEER_MAX", 3)
    chain, group = three()
    parents = [chain.messages[each] for each in chain.heads()]
    strange = [Chain().write(DORA, text_post(f"{index}"), parents=parents) for index in range(4)]
    assert [group.add(message, CARL) for message in strange] == [None] * 3 + [Refused(Fault.TOO_MANY)]
    assert group.add(chain.write(CARL, text_post("mine"), parents=parents), CARL) is None, "what counts goes on"
    assert group.add(strange[3], BERT) is None, "it is nobody else's loss"
    assert texts(group) == ["mine"]
    missing = chain.write(DORA, text_post("missing"), parents=parents)
    assert group.add(chain.write(DORA, text_post("late"), parents=[missing]), BERT) is None
    assert group.add(missing, CARL) == Refused(Fault.TOO_MANY)
    kept = len(group._signatures)
    assert group.add(Chain().write(DORA, text_post("one too many"), parents=parents), CARL) == Refused(Fault.TOO_MANY)
    assert len(group._signatures) == kept == len(group.entries()), "nothing is left of it"


def test_of_what_does_not_count_one_peer_brings_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "DATASYNC_IDLE_BYTES_PER_PEER_MAX", 1_000)
    _, group = three()
    assert group.add(Chain().write(DORA, text_post("x" * 600)), CARL) is None
    assert group.add(Chain().write(DORA, text_post("y" * 600)), CARL) == Refused(Fault.TOO_MANY)
    assert group.add(Chain().write(DORA, text_post("y" * 600))) is None, "our own are not counted"


# --- replays


def test_the_same_signature_under_two_ids_counts_once_and_the_sender_says_which() -> None:
    chain, group = three()
    post = chain.write(BERT, text_post("hello"))
    copies = [replace(post, timestamp=post.timestamp + index) for index in range(1, 6)]
    take(group, *copies, post)
    assert texts(group) == ["hello"]
    take(group, chain.write(BERT, text_post("and more"), parents=[post]))
    assert texts(group) == ["hello", "and more"]
    assert fault(group, post) is None
    assert {fault(group, copy) for copy in copies} == {Fault.REPLAYED}


def test_a_kick_that_is_replayed_after_the_return_has_no_effect() -> None:
    chain, group = three()
    first = chain.write(ANNA, kick(BERT))
    take(group, first, chain.write(ANNA, invite(BERT)), chain.write(BERT, join(BERT)))
    again = replace(first, timestamp=first.timestamp + 9, metadata=Metadata(chain.heads()))
    take(group, again)
    assert fault(group, again) == Fault.REPLAYED
    assert BERT in group.standing.members


def test_a_join_that_is_moved_before_its_invitation_does_not_use_it_up() -> None:
    chain, group = three()
    asked = chain.write(ANNA, invite(DORA))
    real = chain.write(DORA, join(DORA))
    early = replace(real, timestamp=1, metadata=Metadata())
    take(group, early, asked, real)
    assert (fault(group, early), fault(group, real)) == (StandingFault.NOT_FOUNDED, None)
    assert DORA in group.standing.members


# --- order and effect


@pytest.mark.parametrize("seconds", range(6))
def test_a_kick_beside_a_join_wins_whatever_their_ids(seconds: int) -> None:
    chain, group = three()
    chain.time += seconds
    asked = chain.write(ANNA, invite(DORA))
    out = chain.write(ANNA, kick(DORA), parents=[asked])
    into = chain.write(DORA, join(DORA), parents=[asked])
    take(group, asked, into, out)
    assert fault(group, into) is fault(group, out) is None, "each is right where it stands"
    assert DORA not in group.standing.members
    assert DORA in group.standing.kicked


def test_a_message_does_not_count_before_what_it_follows_is_here() -> None:
    chain, group = three()
    asked = chain.write(ANNA, invite(DORA))
    joined = chain.write(DORA, join(DORA))
    post = chain.write(DORA, text_post("hello"))
    take(group, post)
    assert fault(group, post) == Fault.PREVIOUS_MISSING
    take(group, joined)
    assert fault(group, joined) == StandingFault.NOT_FOUNDED, "without what it follows it stands at the beginning"
    assert fault(group, post) == StandingFault.NOT_FOUNDED
    take(group, asked)
    assert texts(group) == ["hello"]


def test_of_two_who_found_it_the_pinned_one_does() -> None:
    mine, theirs = Chain().write(ANNA, invite(ANNA)), Chain().write(DORA, invite(DORA))
    for founder in (ANNA, DORA):
        group = Group(GROUP, Law(founder=founder))
        take(group, mine, theirs)
        assert group.standing.owner == founder
    anybodys = Group(GROUP, Law())
    take(anybodys, mine, theirs)
    assert anybodys.standing.owner == (ANNA if mine.id < theirs.id else DORA)


def test_parents_that_somebody_forged_into_a_circle_are_left_out() -> None:
    chain, group = three()
    heads = Metadata(chain.heads())
    one, other = chain.write(BERT, text_post("one")), chain.write(CARL, text_post("other"))
    take(group, replace(one, metadata=Metadata((*heads.parents, other.id))))
    take(group, replace(other, metadata=Metadata((*heads.parents, one.id))))
    assert sorted(filter(None, texts(group))) == ["one", "other"]
    take(group, chain.write(ANNA, text_post("after")))
    assert texts(group)[-1] == "after"


def test_a_message_that_names_itself_follows_what_else_it_names() -> None:
    chain, group = three()
    post = chain.write(BERT, text_post("me"))
    take(group, replace(post, metadata=Metadata((*post.parents, post.id))))
    assert texts(group) == ["me"]
    assert group.heads() == (post.id,)


def test_without_metadata_a_message_follows_all_that_is_here() -> None:
    chain, group = three()
    out = chain.write(ANNA, kick(BERT))
    post = replace(chain.write(BERT, text_post("hello"), parents=[]), metadata=None)
    take(group, out, post)
    assert fault(group, post) == StandingFault.NOT_A_MEMBER
    with_it = replace(post, metadata=Metadata())
    _, other = three()
    take(other, with_it, replace(out, metadata=Metadata(out.parents)))
    assert fault(other, with_it) == Fault.KICKED, "it stands beside the KICK"


# --- ACK


def test_an_ack_is_for_a_join_leave_or_kick_that_counts() -> None:
    chain, group = three()
    joined = next(entry.id for entry in group.entries() if entry.sender == BERT)
    good = chain.write(CARL, Ack(joined))
    post = chain.write(BERT, text_post("hello"))
    of_post = chain.write(CARL, Ack(post.id))
    of_nothing = chain.write(CARL, Ack(MessageId(bytes(32))))
    take(group, good, post, of_post, of_nothing)
    assert [fault(group, each) for each in (good, of_post, of_nothing)] == [
        None,
        Fault.ACK_OF_NOTHING,
        Fault.PREVIOUS_MISSING,
    ]


def test_who_just_went_may_still_acknowledge_it() -> None:
    chain, group = three()
    out = chain.write(ANNA, kick(BERT))
    seen = chain.write(BERT, Ack(out.id))
    gone = chain.write(CARL, Leave(None, None))
    own = chain.write(CARL, Ack(gone.id))
    late = chain.write(CARL, Ack(out.id))
    take(group, out, seen, gone, own, late)
    assert [fault(group, each) for each in (seen, own, late)] == [None, None, StandingFault.NOT_A_MEMBER]


# --- who was put out


def test_two_who_are_put_out_cannot_vouch_for_each_other() -> None:
    chain, group = three()
    last = [chain.messages[each] for each in chain.heads()]
    outs = [chain.write(ANNA, kick(BERT), parents=last)]
    outs.append(chain.write(ANNA, kick(CARL), parents=outs))
    of_bert = chain.write(BERT, text_post("I was here"), parents=last)
    of_carl = chain.write(CARL, text_post("he was"), parents=[of_bert])
    again = chain.write(BERT, text_post("he was too"), parents=[of_carl])
    take(group, *outs, of_bert, of_carl, again)
    assert texts(group) == []


def test_a_stranger_cannot_vouch() -> None:
    chain, group = three()
    last = [chain.messages[each] for each in chain.heads()]
    out = chain.write(ANNA, kick(BERT), parents=last)
    post = chain.write(BERT, text_post("I was here"), parents=last)
    stranger = chain.write(DORA, text_post("he was"), parents=[post])
    take(group, out, post, stranger)
    assert texts(group) == []


def test_what_came_before_the_kick_is_shown_though_its_author_is_put_out_himself_beside_it() -> None:
    chain, group = Chain(), Group(GROUP, Law(admins=frozenset({BERT, CARL})))
    take(group, chain.write(ANNA, invite(ANNA)))
    for member in (BERT, CARL):
        take(group, chain.write(ANNA, invite(member)), chain.write(member, join(member)))
    post = chain.write(BERT, text_post("before"))
    out = chain.write(CARL, kick(BERT), parents=[post])
    back = chain.write(BERT, kick(CARL), parents=[post])
    take(group, post, out, back)
    assert texts(group) == ["before"]


# --- what the next message names


def test_the_next_message_names_all_heads_that_count() -> None:
    chain, group = three()
    heads = group.heads()
    assert heads == chain.heads()
    left = chain.write(BERT, text_post("left"))
    right = chain.write(CARL, text_post("right"), parents=[chain.messages[each] for each in heads])
    take(group, left, right)
    assert group.heads() == tuple(sorted((left.id, right.id)))
    take(group, Chain().write(DORA, text_post("noise"), parents=[left, right]))
    assert group.heads() == tuple(sorted((left.id, right.id))), "what does not count is nobody's parent"


def test_heads_are_the_same_when_the_last_comes_first() -> None:
    chain, group = three()
    first = chain.write(BERT, text_post("first"))
    second = chain.write(BERT, text_post("second"))
    take(group, second, first)
    assert group.heads() == (second.id,)
    assert texts(group) == ["first", "second"]
