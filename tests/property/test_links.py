"""The mux under any chunking and interleaving; two devices that dial each other in every order."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.ids import DeviceId
from swarmchat.links.mux import DataReceived, Mux, MuxError, StreamEnded, StreamOpened
from swarmchat.links.tiebreak import Claim, Verdict, decide


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_every_byte_of_every_stream_arrives_once_and_in_order(seed: int, streams: int) -> None:
    dice = random.Random(seed)
    ends = (Mux(client=True), Mux(client=False))
    sent: dict[tuple[int, int], bytearray] = {}
    got: dict[tuple[int, int], bytearray] = {}
    ended: Counter[tuple[int, int]] = Counter()
    wire = (bytearray(), bytearray())  # from each end
    for number in range(streams):
        who = number % 2
        stream = ends[who].open(bulk=dice.random() < 0.5)
        for side in (0, 1):
            sent[side, stream], got[side, stream] = bytearray(), bytearray()
    left = {key: dice.randrange(1, 700_000) for key in sent}
    known = {(side, stream) for side, stream in sent if stream % 2 == 1 - side}

    def receive(side: int, data: bytes) -> None:
        for event in ends[side].receive(data):
            match event:
                case StreamOpened(stream):
                    ends[side].accept(stream, bulk=dice.random() < 0.5)
                    known.add((side, stream))
                case DataReceived(stream, data):
                    got[side, stream] += data
                    ends[side].consumed(stream, len(data))
                case StreamEnded(stream):
                    ended[side, stream] += 1

    for _ in range(100_000):
        side = dice.randrange(2)
        ready = sorted(key for key in known if key[0] == side and left[key])
        if ready and dice.random() < 0.6:
            key = dice.choice(ready)
            piece = dice.randbytes(min(left[key], dice.choice((1, 100, 70_000))))
            ends[side].send(key[1], piece)
            sent[key] += piece
            left[key] -= len(piece)
            if not left[key]:
                ends[side].end(key[1])
        wire[side].extend(ends[side].pull(dice.choice((13, 1000, 65_536))))
        cut = dice.choice((1, 5, 12, 13, 1000, 100_000))
        receive(1 - side, bytes(wire[side][:cut]))
        del wire[side][:cut]
        if not any(left.values()) and not any(wire) and not any(end.wants_write for end in ends):
            break
    assert {(side, stream): bytes(data) for (side, stream), data in got.items()} == {
        (1 - side, stream): bytes(data) for (side, stream), data in sent.items()
    }
    assert set(ended.values()) == {1}
    assert [end.streams for end in ends] == [0, 0]


@settings(max_examples=300)
@given(st.binary(max_size=400), st.booleans())
def test_garbage_costs_the_link_and_nothing_else(data: bytes, client: bool) -> None:
    mux = Mux(client=client)
    mux.open()
    try:
        mux.receive(data)
    except MuxError:
        return
    while mux.wants_write and mux.pull():
        pass


@settings(max_examples=400)
@given(st.integers(0, 2**32))
def test_however_two_devices_dial_each_other_one_common_link_is_left(seed: int) -> None:
    dice = random.Random(seed)
    devices = (DeviceId("a" * 64), DeviceId("b" * 64))
    counters = [0, 0]
    news: list[tuple[float, int, str, Claim]] = []
    for start in sorted(dice.random() * 3 for _ in range(dice.randrange(1, 6))):
        who = dice.randrange(2)
        counters[who] += 1
        claim = Claim(devices[who], counters[who], b"boot")
        up = start + dice.random()
        news.append((up, who, "up", claim))
        news.append((up + dice.random(), 1 - who, "up", claim))  # the one who answers knows later
    standing: list[Claim | None] = [None, None]
    gone: list[set[Claim]] = [set(), set()]
    while news:
        news.sort(key=lambda item: item[:3])
        now, who, what, claim = news.pop(0)
        if what == "gone":
            gone[who].add(claim)
            if standing[who] == claim:
                standing[who] = None
            continue
        if claim in gone[who]:
            continue
        old = standing[who]
        loser = None
        if old is None:
            standing[who] = claim
        elif decide(old, claim, greater=devices[1]) is Verdict.NEW:
            standing[who], loser = claim, old
        else:
            loser = claim
        if loser is not None:
            gone[who].add(loser)
            news.append((now + dice.random() * 0.3, 1 - who, "gone", loser))
    assert standing[0] is not None
    assert standing[0] == standing[1]
