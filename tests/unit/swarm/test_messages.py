"""The maps of `sync` and `pack`: read back as written, and nothing else is taken. (SCP-04 §2.1, §3.1)"""

from __future__ import annotations

import random
from typing import Any

import pytest

from swarmchat.addresses import Address
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import (
    BAD_TEXT_CHARS_MAX,
    CARD_BYTES_MAX,
    CARDS_PER_HELLO_MAX,
    HAVES_MAX,
    PUSH_PACK_BYTES_MAX,
    SYNC_FRAME_BYTES_MAX,
    WANTED_HEADS_MAX,
)
from swarmchat.links.frames import FrameDecoder
from swarmchat.links.frames import encode as frame
from swarmchat.swarm.messages import (
    Bad,
    Bye,
    Got,
    Hello,
    MessageError,
    News,
    PackAnswer,
    PackRequest,
    Read,
    Shared,
    SyncMessage,
    Typing,
    announced,
    conversation_of,
    decode,
    encode,
    hellos,
    pack_answer_fields,
    pack_request_fields,
    read_pack_answer,
    read_pack_request,
)


def commit(number: int) -> CommitId:
    return CommitId(f"{number:040x}")


WHERE, A, B = ConversationId("c" * 40), commit(1), commit(2)
RAW = bytes.fromhex("c" * 40)
HEADS = tuple(map(commit, range(WANTED_HEADS_MAX)))

EACH: list[SyncMessage] = [
    Hello((), None),
    Hello((Shared(WHERE, (A, B)), Shared(ConversationId("d" * 40), ())), b"card", more=True),
    Hello((), b"card", addresses=(Address("192.0.2.7", 4000), Address("fd00::1", 1)), cards=(b"ben's", b"cem's")),
    Hello((), b"card", dht=1),
    Hello((), dht=65_535),
    Hello((), cards=(bytes(CARD_BYTES_MAX),) * CARDS_PER_HELLO_MAX),
    News(WHERE, (A,)),
    News(WHERE, (A, B), (B,), b"pack"),
    News(WHERE, HEADS, (), bytes(PUSH_PACK_BYTES_MAX)),
    Got(WHERE, ()),
    Bad(WHERE, A, "bad-signature", "SCP-02 §4.5"),
    Read(WHERE, A, 1_790_000_000_000),
    Typing(WHERE, on=True),
    Bye("closing"),
]


@pytest.mark.parametrize("message", EACH)
def test_a_message_is_read_as_it_was_written(message: SyncMessage) -> None:
    (read,) = FrameDecoder(SYNC_FRAME_BYTES_MAX).receive(frame(encode(message), SYNC_FRAME_BYTES_MAX))
    assert decode(read) == message


def test_a_type_of_a_later_version_is_no_error() -> None:
    assert decode({"t": "wave", "id": 7}) is None


def test_unknown_keys_are_ignored() -> None:
    assert decode({**encode(Got(WHERE, (A,))), "mood": "good"}) == Got(WHERE, (A,))


def test_since_without_a_pack_says_nothing() -> None:
    assert decode({"t": "news", "id": RAW, "heads": [RAW], "since": [RAW]}) == decode(
        {"t": "news", "id": RAW, "heads": [RAW]}
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"t": 3},
        {"t": "x" * 33},
        {"t": "news", "id": RAW},
        {"t": "news", "id": RAW[:-1], "heads": []},
        {"t": "news", "id": "c" * 40, "heads": []},
        {"t": "news", "id": RAW, "heads": [RAW, RAW]},
        {"t": "news", "id": RAW, "heads": [RAW + b"x"]},
        {"t": "news", "id": RAW, "heads": [bytes.fromhex(head) for head in (*HEADS, commit(9999))]},
        {"t": "news", "id": RAW, "heads": [], "pack": b"x"},
        {"t": "news", "id": RAW, "heads": [], "since": [], "pack": bytes(PUSH_PACK_BYTES_MAX + 1)},
        {"t": "got", "id": RAW, "heads": {}},
        {"t": "hello", "convs": {}},
        {"t": "hello", "convs": [RAW]},
        {"t": "hello", "convs": [{"id": RAW, "heads": []}, {"id": RAW, "heads": []}]},
        {"t": "hello", "convs": [], "card": bytes(CARD_BYTES_MAX + 1)},
        {"t": "hello", "convs": [], "more": 1},
        {"t": "hello", "convs": [], "cards": b"card"},
        {"t": "hello", "convs": [], "cards": ["card"]},
        {"t": "hello", "convs": [], "cards": [bytes(CARD_BYTES_MAX + 1)]},
        {"t": "hello", "convs": [], "cards": [b"card"] * (CARDS_PER_HELLO_MAX + 1)},
        {"t": "hello", "convs": [], "addr": "192.0.2.7:4000"},
        {"t": "hello", "convs": [], "addr": [4000]},
        {"t": "hello", "convs": [], "dht": 0},
        {"t": "hello", "convs": [], "dht": 65_536},
        {"t": "hello", "convs": [], "dht": "4222"},
        {"t": "hello", "convs": [], "dht": True},
        {"t": "hello", "convs": [], "addr": ["nowhere"]},
        {"t": "hello", "convs": [], "addr": ["192.0.2.7:4000"] * 9},
        {"t": "hello", "convs": [], "addr": ["h." * 150 + ":4000"]},
        {"t": "bad", "id": RAW, "commit": RAW, "code": "x" * (BAD_TEXT_CHARS_MAX + 1), "rule": ""},
        {"t": "read", "id": RAW, "commit": RAW, "at": -1},
        {"t": "read", "id": RAW, "commit": RAW, "at": True},
        {"t": "read", "id": RAW, "commit": RAW, "at": 2**53},
        {"t": "typing", "id": RAW, "on": 1},
        {"t": "bye"},
    ],
)
def test_what_is_no_message_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(MessageError) as caught:
        decode(fields)
    assert caught.value.peer_code == "bad-message"


def test_random_maps_are_read_or_refused_and_nothing_else() -> None:
    dice = random.Random(5)
    values: list[Any] = [None, True, 0, -1, 2**60, "news", "c" * 40, RAW, b"", [], [RAW], [[]], {}, {"id": RAW}, 1.5]
    keys = [
        "t",
        "id",
        "heads",
        "since",
        "pack",
        "convs",
        "card",
        "cards",
        "addr",
        "more",
        "commit",
        "code",
        "rule",
        "at",
        "on",
    ]
    for _ in range(3_000):
        fields = {key: dice.choice(values) for key in dice.sample(keys, dice.randrange(len(keys)))}
        fields["t"] = dice.choice(["hello", "news", "got", "bad", "read", "typing", "bye", "?", 3])
        try:
            decode(fields)
        except MessageError:
            continue


def test_a_hello_with_nothing_common_is_still_one() -> None:
    assert hellos([], b"card") == [Hello((), b"card")]


def test_a_hello_that_is_too_long_goes_on_in_the_next() -> None:
    shared = [Shared(ConversationId(f"{number:040x}"), HEADS) for number in range(60)]
    pages = hellos(reversed(shared), b"x" * CARD_BYTES_MAX)
    assert len(pages) == 2
    assert [page.more for page in pages] == [True, False]
    assert [page.card is not None for page in pages] == [True, False]
    assert tuple(each for page in pages for each in page.conversations) == tuple(shared)
    for page in pages:
        frame(encode(page), SYNC_FRAME_BYTES_MAX)  # raises when it is too long


def test_a_hello_with_all_that_it_may_carry_fits() -> None:
    shared = [Shared(ConversationId(f"{number:040x}"), (A,)) for number in range(30_000)]
    wide = Address("h" * 63 + ("." + "h" * 56) * 3, 65_535)
    cards = (bytes(CARD_BYTES_MAX),) * CARDS_PER_HELLO_MAX
    pages = hellos(shared, bytes(CARD_BYTES_MAX), addresses=(wide,) * 8, cards=cards)
    assert [len(page.cards) for page in pages] == [CARDS_PER_HELLO_MAX] + [0] * (len(pages) - 1)
    assert [len(page.addresses) for page in pages] == [8] + [0] * (len(pages) - 1)
    for page in pages:
        frame(encode(page), SYNC_FRAME_BYTES_MAX)
    assert sum(len(page.conversations) for page in pages) == len(shared)


def test_a_hello_of_many_small_conversations_fits() -> None:
    shared = [Shared(ConversationId(f"{number:040x}"), (A,)) for number in range(30_000)]
    for page in hellos(shared, None):
        frame(encode(page), SYNC_FRAME_BYTES_MAX)


def test_more_heads_than_a_message_holds_are_cut_by_id() -> None:
    many = [commit(number) for number in range(WANTED_HEADS_MAX + 1, 0, -1)]
    assert announced(many) == tuple(sorted(many))[:WANTED_HEADS_MAX]


@pytest.mark.parametrize(
    "request_",
    [
        PackRequest(WHERE, (), None, ()),
        PackRequest(WHERE, tuple(map(commit, range(HAVES_MAX))), (A,), ("deflate", "br")),
    ],
)
def test_a_pack_request_is_read_as_it_was_written(request_: PackRequest) -> None:
    assert read_pack_request({"c": "pack", "v": 1, **pack_request_fields(request_)}) == request_


@pytest.mark.parametrize("answer", [PackAnswer((A,), 3), PackAnswer((), 0), PackAnswer(HEADS, 2**32 - 1, "deflate")])
def test_a_pack_answer_is_read_as_it_was_written(answer: PackAnswer) -> None:
    assert read_pack_answer({"ok": True, **pack_answer_fields(answer)}) == answer


@pytest.mark.parametrize(
    "changes",
    [
        {"id": b""},
        {"have": [bytes.fromhex(commit(number)) for number in range(HAVES_MAX + 1)]},
        {"have": None},
        {"want": "all"},
        {"enc": "deflate"},
        {"enc": ["x"] * 9},
        {"enc": ["x" * 33]},
    ],
)
def test_what_is_no_pack_request_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        read_pack_request({**pack_request_fields(PackRequest(WHERE, (), None)), **changes})


@pytest.mark.parametrize("changes", [{"heads": 1}, {"objects": -1}, {"objects": 2**32}, {"enc": "br"}, {"enc": []}])
def test_what_is_no_pack_answer_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        read_pack_answer({**pack_answer_fields(PackAnswer((A,), 1)), **changes})


def test_an_opening_names_its_conversation_or_none() -> None:
    assert conversation_of({"id": RAW}) == WHERE
    assert conversation_of({}) is None
    with pytest.raises(MessageError):
        conversation_of({"id": None})
