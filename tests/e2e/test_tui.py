"""The full-screen client before a real daemon: what is written reaches the other, what the other writes is shown, restarts included. (SCP-08 §2.8)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from swarmchat.account.home import Home
from swarmchat.cli.tui.app import Chat
from swarmchat.cli.tui.line import Line, SocketWay
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_two_people_talk_one_of_them_on_the_whole_screen_over_a_restart_of_the_daemon(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", options=("--listen", "127.0.0.1:0", "--no-lan", "--no-dht")) as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        asyncio.run(asyncio.wait_for(_talk(room, ann, ben), 100))


async def _talk(room: str, ann: NodeProcess, ben: NodeProcess) -> None:
    app = Chat(Line(lambda: SocketWay(Home.locate(ann.home, {}).socket)), first=room)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "Ben joined" in shown(app))
        await pilot.press(*"ahoy", "enter")
        await until(pilot, lambda: "ahoy ✓" in shown(app))  # Ben's device has it
        assert "ahoy" in ben.texts(room)
        await asyncio.to_thread(ben.call, "message.send", conversation=room, text="aye")
        await until(pilot, lambda: "aye" in shown(app))
        await asyncio.to_thread(ann.kill)
        await until(pilot, lambda: "waiting for it" in str(app._top.render()))
        await asyncio.to_thread(ben.call, "message.send", conversation=room, text="still there")
        await asyncio.to_thread(ann.start)
        await until(pilot, lambda: "still there" in shown(app))
        await until(pilot, lambda: "waiting for it" not in str(app._top.render()))
        await pilot.press(*"yes", "enter")
        await until(pilot, lambda: "yes ✓" in shown(app))
        await asyncio.to_thread(same, room, ann, ben)
        assert ben.texts(room) == ["ahoy", "aye", "still there", "yes"]


def shown(app: Chat) -> str:
    entries = app.query_one("#entries", OptionList)
    return "\n".join(str(entries.get_option_at_index(at).prompt) for at in range(entries.option_count))


async def until(pilot: Pilot[None], holds: Callable[[], Any]) -> None:
    for _ in range(600):
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"in vain; on the screen: {shown(pilot.app)}")  # type: ignore[arg-type]
