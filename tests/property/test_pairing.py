"""Whatever a stranger sends where a device is linked: a value comes back, and never more than the protocol allows. (SCP-01 §3.2)"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.account.account import create
from swarmchat.errors import UsageError
from swarmchat.ids import DeviceId
from swarmchat.links.frames import FrameDecoder, FrameError
from swarmchat.swarm.pairing import ExistingDevice, Failed, Fault, Grant, NewDevice, Offer, Say
from swarmchat.swarm.pairing_code import PairingCode, parse_code
from tests.support.accounts import seeded

WORDS, WALL, EXPORTER = "acid-zoom-stew-oasis-crisp-cable", 1_750_000_000, bytes(32)
ANN, T = create(name="Ann", now=WALL, entropy=seeded()), DeviceId("ee" * 32)

LEAVES = st.none() | st.booleans() | st.integers() | st.binary(max_size=70) | st.text(max_size=140)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
KNOWN = {
    "n": st.integers(0, 7) | VALUES,
    "spake": st.binary(min_size=33, max_size=33).map(lambda data: b"AB"[data[0] % 2 : data[0] % 2 + 1] + data[1:])
    | VALUES,
    "confirm": st.binary(min_size=32, max_size=32) | VALUES,
    "account": st.binary(min_size=20, max_size=20) | VALUES,
    "name": VALUES,
    "device": VALUES,
    "spki": st.binary(min_size=32, max_size=32).map(lambda key: ANN.device_key.public.spki[:12] + key) | VALUES,
    "proof": st.binary(min_size=64, max_size=64) | VALUES,
    "cert": st.just(ANN.device_certificate.der) | VALUES,
    "archive": st.integers(-1, 2**27) | VALUES,
    "at": st.lists(st.just("192.0.2.7:4000") | st.text(max_size=20), max_size=18) | VALUES,
    "ok": st.booleans() | VALUES,
    "error": st.sampled_from([*Fault, "other"]) | VALUES,
    "left": VALUES,
}
MESSAGES = st.fixed_dictionaries({}, optional=KNOWN)


def side_at(stage: int, *, new_one: bool) -> ExistingDevice | NewDevice:
    """A side at a stage that a stranger can bring about (0: nothing was said), or that needs the words."""
    old = ExistingDevice(
        WORDS, us=ANN.device, other=T, exporter=EXPORTER, offer=Offer(ANN.id, "Ann", ""), now=0, entropy=seeded(1)
    )
    new = NewDevice(WORDS, us=T, now=0, entropy=seeded(2))
    first = new.open(ANN.device, EXPORTER, 0)
    assert isinstance(first, Say)
    begin, move = old.begin(), None
    if stage >= 1:
        new.receive(begin, 0)
        move = old.receive(first.message, 0)
    if stage >= 2:
        for hearer in (new, old):
            assert isinstance(move, Say)
            move = hearer.receive(move.message, 0)
    if stage >= 3:
        assert isinstance(move, Say)
        assert isinstance(new.receive(move.message, 0), Offer)
        new.agree("laptop")
    return new if new_one else old


@settings(max_examples=60)
@given(st.lists(MESSAGES, min_size=1, max_size=3), st.integers(0, 3), st.booleans())
def test_no_message_makes_a_side_raise_or_grants_what_it_should_not(
    said: list[dict[str, Any]], stage: int, new_one: bool
) -> None:
    side = side_at(stage, new_one=new_one)
    for message in said:
        move = side.receive(message, 1)
        if isinstance(side, NewDevice):
            assert side.tries_left in {2, 3}, "one try at most is spent on one caller"
            assert not isinstance(move, Grant) or stage == 3, "there is no grant before the user has agreed"
        if isinstance(move, Failed):
            later = side.receive(message, 1)
            assert isinstance(later, Failed)
            break


@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_no_bytes_on_the_channel_make_a_side_raise(data: bytes) -> None:
    decoder = FrameDecoder()
    side = NewDevice(WORDS, us=T, now=0, entropy=seeded(2))
    side.open(ANN.device, EXPORTER, 0)
    try:
        messages = decoder.receive(len(data).to_bytes(4, "big") + data)
    except FrameError:
        return  # costs the link
    for message in messages:
        assert isinstance(side.receive(message, 1), Failed)


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=3_000))
def test_no_document_makes_the_new_device_raise(data: bytes) -> None:
    side = side_at(3, new_one=True)
    assert isinstance(side, NewDevice)
    grant = {"n": 5, "cert": ANN.device_certificate.der, "archive": len(data), "at": []}
    assert isinstance(side.receive(grant, 1), Grant)
    assert side.install(data, WALL) == Failed(Fault.BAD_MESSAGE, {"error": "bad-message"})


@settings(max_examples=300)
@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: f"swarm-link:{'e' * 64}:{WORDS}{text}"))
def test_any_text_is_a_code_or_a_usage_error(text: str) -> None:
    try:
        code = parse_code(text)
    except UsageError:
        return
    assert isinstance(code, PairingCode)
    assert parse_code(str(code)) == code
