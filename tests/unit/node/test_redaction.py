"""What leaves a report and what stays readable in it. (SCP-08 §2.7)"""

from __future__ import annotations

import json

import pytest

from swarmchat.node.redaction import Redactor

KEY = b"k" * 32
ACCOUNT, DEVICE = "ab" * 20, "cd" * 32
NAMES = ["Ann Smith", "Harbour", 'say "hi"', "naïve", "", " "]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(KEY, NAMES, {"/home/ann smith/.local": "HOME", "/home": "~"})


@pytest.mark.parametrize(
    ("line", "gone", "stays"),
    [
        (f"up: account {ACCOUNT}, device {DEVICE}", [ACCOUNT, DEVICE, "abababab", "cdcd"], ["up: account <id ", "device <id "]),
        ("listening on 192.168.1.7:4000", ["192.168"], ["listening on <private-v4 ", ">:4000"]),
        ("at 8.8.4.4", ["8.8"], ["<public-v4 "]),
        ("[fe80::1%eth0]:400", ["fe80", "eth0"], ["<link-local-v6 ", "]:400"]),
        ("2001:db8::1 and ::ffff:10.0.0.1", ["2001", "10.0"], [" and "]),
        ("2001:db8:0:0:0:0:0:7: refused", ["db8"], [": refused"]),
        ("at 2001:db8::7.", ["db8"], ["at <private-v6 ", ">."]),
        ("add:2001:db8:0:0:0:0:0:7", ["db8"], ["add:<private-v6 "]),
        ("on [::]:0, 0.0.0.0:0, 127.0.0.1:5", [], ["on [::]:0, 0.0.0.0:0, 127.0.0.1:5"]),
        ("node.example:4222 is not found", ["example"], ["<host ", ">:4222 is not found"]),
        ("2026-11-21 21:28:19,123 INFO 12:34:56 10000000 bytes", [], ["2026-11-21 21:28:19,123 INFO 12:34:56 10000000 bytes"]),
        ("Ann Smith is in Harbour", ["Ann", "Harbour"], [" is in <name "]),
        ("Harbours and annSmith", [], ["Harbours and annSmith"]),
        ('she may say "hi" now', ["hi"], ["she may "]),
        ("a naïve one", ["naïve"], ["a <name "]),
        (f"/home/ann smith/.local/conversations/{ACCOUNT}.git is damaged", ["ann", ACCOUNT], ["HOME/conversations/<id ", " is damaged"]),
        ("/etc/ann/config: permission denied", ["etc", "ann"], ["<path ", ": permission denied"]),
        ("'words of somebody' and ‹words› and “words”", ["words"], ["'…' and '…' and '…'"]),
        ("token MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", ["MTI"], ["token <token "]),
        ("swarmchat daemon start: see swarmchat/node/dht.py:12", [], ["swarmchat daemon start: see swarmchat/node/dht.py:12"]),
    ],
)  # fmt: skip
def test_what_is_somebodys_own_goes_and_the_rest_stays(
    redactor: Redactor, line: str, gone: list[str], stays: list[str]
) -> None:
    said = redactor.said(line)
    assert not [text for text in gone if text in said], said
    assert all(text in said for text in stays), said


def test_the_same_thing_has_the_same_stand_in_and_another_one_under_another_key(redactor: Redactor) -> None:
    whole, short = redactor.text(f"{DEVICE}"), redactor.text(DEVICE[:8])
    assert whole == short == redactor.text(DEVICE.upper())
    assert whole != redactor.text("ce" * 32)
    assert whole != Redactor(b"x" * 32).text(DEVICE)


def test_a_stand_in_is_left_alone_when_it_comes_by_again(redactor: Redactor) -> None:
    for text in (ACCOUNT, "Ann Smith", "192.168.1.7", "/etc/x/y", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"):
        once = redactor.text(text)
        assert redactor.text(once) == once


def test_an_id_in_digits_only_is_an_id_and_a_number_a_number(redactor: Redactor) -> None:
    assert redactor.text("1" * 40).startswith("<id ")
    assert redactor.text("1" * 19) == "1" * 19


def test_of_a_traceback_the_places_stay_and_what_was_raised_loses_its_words(redactor: Redactor) -> None:
    told = redactor.log_lines(
        [
            "Traceback (most recent call last):",
            '  File "/home/ann/venv/lib/python3.11/site-packages/swarmchat/node/dht.py", line 7, in run',
            "    raise ValueError('secret')",
            "swarmchat.errors.UserError: no Boats here",
            "  | OSError: no Boats",
        ]
    )
    assert told == [
        "Traceback (most recent call last):",
        '  File "swarmchat/node/dht.py", line 7, in run',
        "    raise ValueError('…')",
        "swarmchat.errors.UserError: …",
        "  | OSError: …",
    ]


def test_a_log_of_json_stays_json(redactor: Redactor) -> None:
    line = {
        "time": "2026-11-20T12:00:00.000Z",
        "level": "error",
        "logger": "swarmchat",
        "message": "Ann Smith at 10.0.0.1:5",
        "exception": "Traceback (most recent call last):\nValueError: words",
    }
    (said,) = redactor.log_lines([json.dumps(line)])
    found = json.loads(said)
    assert {key: found[key] for key in ("time", "level", "logger")} == {
        key: line[key] for key in ("time", "level", "logger")
    }
    assert found["exception"] == "Traceback (most recent call last):\nValueError: …"
    assert "Ann" not in said
    assert "10.0" not in said
    (broken,) = redactor.log_lines(['{"message": "Ann Smith'])
    assert "Ann" not in broken


def test_json_is_redacted_to_its_depth_and_names_as_a_whole(redactor: Redactor) -> None:
    found = redactor.value(
        {"name": "Zed", "title": "", "note": None, "deep": [{"at": "10.0.0.1:5", "links": 3, "on": True}]}
    )
    assert found["name"].startswith("<name ")
    assert (found["title"], found["note"]) == ("", None)
    assert found["deep"][0] | {"at": ""} == {"at": "", "links": 3, "on": True}
    assert "10.0" not in found["deep"][0]["at"]
