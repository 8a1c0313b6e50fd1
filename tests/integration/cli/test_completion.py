"""Completion of what only a running node knows."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from swarmchat.api.server import serve
from tests.support.fake_commands import FakeCommands


def test_conversations_are_completed_from_a_running_daemon(tmp_path: Path) -> None:
    node = FakeCommands()
    words = f"swarmchat --home {tmp_path} log "

    async def complete(incomplete: str) -> list[str]:
        asked = {"_SWARMCHAT_COMPLETE": "bash_complete", "COMP_WORDS": words + incomplete, "COMP_CWORD": "4"}
        command = [sys.executable, "-m", "swarmchat"]
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **asked}, stdout=-1)
        out, _ = await process.communicate()
        return out.decode().split()

    async def with_daemon() -> tuple[list[str], list[str]]:
        async with serve(node, tmp_path / "control.sock"):
            return await complete(""), await complete("Bo")

    assert asyncio.run(with_daemon()) == (["plain,c0ffee33", "plain,Boats"], ["plain,Boats"])
    assert asyncio.run(complete("")) == []
