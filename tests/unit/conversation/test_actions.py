# ruff: noqa: UP031 - JSON reads better with % than with doubled braces
"""SCP-02 §2.2, §3: what a commit can say, and its JSON."""

from __future__ import annotations

import json

import pytest

from swarmchat import limits
from swarmchat.conversation import actions
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    FileOffer,
    FileWithdrawal,
    Initial,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import AccountId, CommitId, DeviceId

ACCOUNT, DEVICE, COMMIT = AccountId("a" * 40), DeviceId("c" * 64), CommitId("1" * 40)
NONCE = "0123456789abcdef" * 2

SPELLED: list[tuple[Action, str]] = [
    (Initial(0, NONCE), '{"mode":0,"nonce":"%s","rules":1,"type":"initial"}' % NONCE),
    (
        Initial(0, NONCE, ACCOUNT),
        '{"invited":"%s","mode":0,"nonce":"%s","rules":1,"type":"initial"}' % (ACCOUNT, NONCE),
    ),
    (Initial(3, NONCE), '{"mode":3,"nonce":"%s","rules":1,"type":"initial"}' % NONCE),
    (Add(ACCOUNT), '{"action":"add","type":"member","uri":"%s"}' % ACCOUNT),
    (Join(ACCOUNT), '{"action":"join","type":"member","uri":"%s"}' % ACCOUNT),
    (Leave(ACCOUNT), '{"action":"remove","type":"member","uri":"%s"}' % ACCOUNT),
    (Kick(ACCOUNT), '{"action":"kick","type":"member","uri":"%s"}' % ACCOUNT),
    (Promote(ACCOUNT), '{"action":"promote","type":"member","uri":"%s"}' % ACCOUNT),
    (Demote(ACCOUNT), '{"action":"demote","type":"member","uri":"%s"}' % ACCOUNT),
    (Ban(ACCOUNT), '{"action":"ban","type":"member","uri":"%s"}' % ACCOUNT),
    (Ban(DEVICE), '{"action":"ban","type":"member","uri":"%s"}' % DEVICE),
    (Unban(DEVICE), '{"action":"unban","type":"member","uri":"%s"}' % DEVICE),
    (CastVote("ban", DEVICE), '{"kind":"ban","type":"vote","uri":"%s"}' % DEVICE),
    (CastVote("unban", ACCOUNT), '{"kind":"unban","type":"vote","uri":"%s"}' % ACCOUNT),
    (CastVote("promote", ACCOUNT), '{"kind":"promote","type":"vote","uri":"%s"}' % ACCOUNT),
    (UpdateProfile(), '{"type":"application/update-profile"}'),
    (UpdateDevice(), '{"type":"application/update-device"}'),
    (Post("grüß 👋\n"), '{"body":"grüß 👋\\n","type":"text/plain"}'),
    (Post("", COMMIT), '{"body":"","reply-to":"%s","type":"text/plain"}' % COMMIT),
    (React("👍", COMMIT), '{"body":"👍","react-to":"%s","type":"text/plain"}' % COMMIT),
    (Edit("", COMMIT), '{"body":"","edit":"%s","type":"text/plain"}' % COMMIT),
    (
        FileOffer("a.txt", 0, "0" * 128, "t"),
        '{"displayName":"a.txt","sha3sum":"%s","tid":"t","totalSize":0,"type":"application/data-transfer+json"}'
        % ("0" * 128),
    ),
    (FileOffer("a.txt", 2**63 - 1, "f" * 128, "", COMMIT), ""),
    (FileWithdrawal(COMMIT), '{"edit":"%s","tid":"","type":"application/data-transfer+json"}' % COMMIT),
    (Other("application/zkitter"), '{"type":"application/zkitter"}'),
]


@pytest.mark.parametrize(("action", "text"), SPELLED)
def test_every_action_has_one_spelling_and_is_read_back(action: Action, text: str) -> None:
    """CM-01, CM-02"""
    written = actions.message(action)
    assert not text or written.decode() == text
    assert actions.parse(written) == (action, json.loads(written))
    assert actions.type_of(action) == json.loads(written)["type"]


def test_unknown_keys_are_kept_and_never_replace_known_ones() -> None:
    written = actions.message(Post("a"), {"zeta": [1, {"x": None}], "body": "b", "type": "c"})
    assert written == b'{"body":"a","type":"text/plain","zeta":[1,{"x":null}]}'
    outcome = actions.parse(written)
    assert not isinstance(outcome, Rejection)
    assert outcome[1]["zeta"] == [1, {"x": None}]


def test_what_json_has_not_is_not_written() -> None:
    with pytest.raises(ValueError):
        actions.message(Post("\ud800"))
    with pytest.raises(ValueError):
        actions.message(Post("a"), {"x": float("nan")})


def refused(text: str | bytes) -> Reason:
    outcome = actions.parse(text if isinstance(text, bytes) else text.encode())
    assert isinstance(outcome, Rejection), outcome
    assert outcome.detail
    return outcome.reason


def post(value: str, key: str = "extra") -> str:
    return '{"type":"text/plain","body":"","%s":%s}' % (key, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"{}"',
        '{"type":"text/plain","body":""',
        ' {"type":"text/plain","body":""}',
        '{"type":"text/plain","body":""}\n',
        '\ufeff{"type":"text/plain","body":""}',
        '{"type":"text/plain","body":""}{}',
        "{'type':'text/plain'}",
        '{"type":"text/plain","body":"",}',
        b'{"type":"text/plain","body":"\xff"}',
        b'{"type":"text/plain","body":"\xed\xa0\x80"}',
        b'{"type":"text/plain","body":"\xc0\x80"}',
        '{"type":"text/plain","body":"a\nb"}',
        '{"type":"text/plain","body":"\\x"}',
        post('"\\ud800"'),
        post('"\\udc00\\ud800"'),
        post('[{"\\uDFFF":1}]'),
        post('"b"', key="body"),
        post('"b"', key="\\u0062ody"),
        post('{"a":1,"a":1}'),
        post("NaN"),
        post("Infinity"),
        post("-Infinity"),
        post("1e999"),
        post("-1e999"),
        post("01"),
        post("+1"),
        post("1."),
        post(str(2**63)),
        post(str(-(2**63) - 1)),
        post("9" * 5_000),
        post("[" * 8 + "]" * 8),
        post('{"a":' * 8 + "1" + "}" * 8),
        post("[" * 50 + "]" * 50),
        post("[" * 100_000 + "]" * 100_000),
        post("[" * 900_000),
    ],
)
def test_what_is_no_strict_json_object_is_refused(text: str | bytes) -> None:
    """CM-03"""
    assert refused(text) is Reason.MALFORMED_MESSAGE


@pytest.mark.parametrize(
    "value",
    [
        "[" * 7 + "]" * 7,
        '{"a":' * 7 + "1" + "}" * 7,
        "[[],[],[],[],[],[],[],[],[],[],[]]",
        str(2**63 - 1),
        str(-(2**63)),
        "1e308",
        "0.1e-999999",
        '"\\ud83d\\udc4b"',
        '"\\\\ud800"',
        "[true,false,null]",
    ],
)
def test_what_stays_within_the_bounds_is_read(value: str) -> None:
    assert not isinstance(actions.parse(post(value).encode()), Rejection)


def test_a_message_is_a_mebibyte_at_most() -> None:
    room = limits.MESSAGE_BYTES_MAX - len(post('""'))
    assert not isinstance(actions.parse(post('"%s"' % ("x" * room)).encode()), Rejection)
    assert refused(post('"%s"' % ("x" * (room + 1)))) is Reason.TOO_BIG


@pytest.mark.parametrize("character", ["x", "é", "👋"])
def test_a_body_is_64_kib_of_utf8_at_most(character: str) -> None:
    fits = limits.BODY_BYTES_MAX // len(character.encode())
    assert not isinstance(actions.parse(actions.message(Post(character * fits))), Rejection)
    assert refused(actions.message(Post(character * (fits + 1)))) is Reason.TOO_BIG


FILE = '{"type":"application/data-transfer+json","displayName":"a","totalSize":%s,"sha3sum":"%s","tid":%s%s}'


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"type":1}',
        '{"type":""}',
        '{"type":"a b"}',
        '{"type":"ü"}',
        '{"type":"a\\n"}',
        '{"type":"%s"}' % ("a" * 129),
        '{"type":"member"}',
        '{"type":"member","action":"invite","uri":"%s"}' % ACCOUNT,
        '{"type":"member","action":["add"],"uri":"%s"}' % ACCOUNT,
        '{"type":"member","action":"add"}',
        '{"type":"member","action":"add","uri":null}',
        '{"type":"member","action":"add","uri":"%s"}' % ACCOUNT.upper(),
        '{"type":"member","action":"add","uri":"%s"}' % DEVICE,
        '{"type":"member","action":"add","uri":"jami:%s"}' % ACCOUNT,
        '{"type":"member","action":"join","uri":"jami:%s"}' % ACCOUNT,
        '{"type":"member","action":"join","uri":"garbage"}',
        '{"type":"member","action":"add","uri":"%s\\n"}' % ACCOUNT,
        '{"type":"member","action":"ban","uri":"%s"}' % ("a" * 41),
        '{"type":"member","action":"ban","uri":7}',
        '{"type":"vote","uri":"%s"}' % ACCOUNT,
        '{"type":"vote","kind":"kick","uri":"%s"}' % ACCOUNT,
        '{"type":"vote","kind":["ban"],"uri":"%s"}' % ACCOUNT,
        '{"type":"vote","kind":"ban"}',
        '{"type":"text/plain"}',
        '{"type":"text/plain","body":7}',
        '{"type":"text/plain","body":null}',
        post('"%s"' % COMMIT[1:], "edit"),
        post("null", "reply-to"),
        post("null", "react-to"),
        '{"type":"text/plain","body":"","edit":"%s","reply-to":"%s"}' % (COMMIT, COMMIT),
        '{"type":"text/plain","body":"","react-to":"%s","reply-to":"%s"}' % (COMMIT, COMMIT),
        '{"type":"application/data-transfer+json"}',
        FILE % ("-1", "0" * 128, '"t"', ""),
        FILE % ("true", "0" * 128, '"t"', ""),
        FILE % ("1.0", "0" * 128, '"t"', ""),
        FILE % ('"1"', "0" * 128, '"t"', ""),
        FILE % ("1", "0" * 127, '"t"', ""),
        FILE % ("1", "0" * 128, "null", ""),
        FILE % ("1", "0" * 128, '"t"', ',"react-to":"%s"' % COMMIT),
        FILE % ("1", "0" * 128, '"t"', ',"reply-to":"x"'),
        FILE % ("1", "0" * 128, '"t"', ',"edit":"%s"' % COMMIT),
        FILE % ("1", "0" * 128, '""', ',"edit":"x"'),
        FILE % ("1", "0" * 128, '""', ',"edit":"%s","reply-to":"%s"' % (COMMIT, COMMIT)),
    ],
)
def test_what_is_no_action_is_refused(text: str) -> None:
    """R-10, R-11"""
    assert refused(text) is Reason.MALFORMED_ACTION


def test_a_transfer_id_is_64_bytes_at_most() -> None:
    assert not isinstance(actions.parse((FILE % ("1", "0" * 128, '"%s"' % ("t" * 64), "")).encode()), Rejection)
    assert refused(FILE % ("1", "0" * 128, '"%s"' % ("t" * 65), "")) is Reason.TOO_BIG


@pytest.mark.parametrize(
    "fields",
    [
        '"rules":1,"nonce":"%s"' % NONCE,
        '"mode":4,"rules":1,"nonce":"%s"' % NONCE,
        '"mode":-1,"rules":1,"nonce":"%s"' % NONCE,
        '"mode":true,"rules":1,"nonce":"%s"' % NONCE,
        '"mode":"1","rules":1,"nonce":"%s"' % NONCE,
        '"mode":1.0,"rules":1,"nonce":"%s"' % NONCE,
        '"mode":1,"nonce":"%s"' % NONCE,
        '"mode":1,"rules":2,"nonce":"%s"' % NONCE,
        '"mode":1,"rules":true,"nonce":"%s"' % NONCE,
        '"mode":1,"rules":1',
        '"mode":1,"rules":1,"nonce":7',
        '"mode":1,"rules":1,"nonce":"%s"' % NONCE[1:],
        '"mode":1,"rules":1,"nonce":"%s"' % NONCE.upper(),
        '"mode":1,"rules":1,"nonce":"%s","invited":"%s"' % (NONCE, ACCOUNT),
    ],
)
def test_a_root_that_is_no_root_of_these_rules_is_refused(fields: str) -> None:
    """C-25"""
    assert refused('{"type":"initial",%s}' % fields) is Reason.BAD_INITIAL


def test_a_guest_is_an_account() -> None:
    text = '{"type":"initial","mode":0,"rules":1,"nonce":"%s","invited":"x"}' % NONCE
    assert refused(text) is Reason.MALFORMED_ACTION


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Post("a"), None),
        (Post("a", COMMIT), ("reply", COMMIT)),
        (FileOffer("a", 1, "0" * 128, "t", COMMIT), ("reply", COMMIT)),
        (FileOffer("a", 1, "0" * 128, "t"), None),
        (React("a", COMMIT), ("reaction", COMMIT)),
        (Edit("a", COMMIT), ("edit", COMMIT)),
        (FileWithdrawal(COMMIT), ("edit", COMMIT)),
        (Add(ACCOUNT), None),
    ],
)
def test_an_action_says_what_it_speaks_about(action: Action, expected: object) -> None:
    assert actions.relation(action) == expected
