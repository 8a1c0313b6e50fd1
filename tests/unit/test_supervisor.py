"""What is read from the environment of who started us. (SCP-08 §1.5)"""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.supervisor import Supervisor

US = 4711


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, Supervisor()),
        ({"NOTIFY_SOCKET": "/run/n"}, Supervisor("/run/n")),
        ({"NOTIFY_SOCKET": "@n"}, Supervisor("@n")),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, Supervisor()),
        ({"NOTIFY_SOCKET": ""}, Supervisor()),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1500000"}, Supervisor("/n", 1.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "4711"}, Supervisor("/n", 1.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, Supervisor("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, Supervisor("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "-5"}, Supervisor("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "9" * 30}, Supervisor("/n")),
        ({"WATCHDOG_USEC": "1500000"}, Supervisor()),
        ({"LISTEN_FDS": "2", "LISTEN_PID": "4711"}, Supervisor(descriptors=(3, 4))),
        ({"LISTEN_FDS": "2", "LISTEN_PID": "1"}, Supervisor()),
        ({"LISTEN_FDS": "2"}, Supervisor()),
        ({"LISTEN_FDS": "1000000", "LISTEN_PID": "4711"}, Supervisor(descriptors=tuple(range(3, 19)))),
    ],
)
def test_only_what_is_meant_for_this_process_and_makes_sense_counts(
    environ: dict[str, str], wanted: Supervisor
) -> None:
    assert Supervisor.of(environ, US) == wanted


def test_a_descriptor_that_is_no_socket_or_not_there_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert Supervisor(descriptors=(file.fileno(), 10_000)).listener(tmp_path / "control.sock") is None
        file.write(b"still open")


def test_that_nobody_listens_is_no_error(tmp_path: Path) -> None:
    Supervisor(str(tmp_path / "nobody")).tell(READY="1")
    Supervisor("@swarmchat-nobody-is-here").tell(READY="1")
    Supervisor().tell(READY="1")
