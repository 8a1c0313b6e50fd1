"""A share of the crash points of every write path; `scripts/crash` plays them all. (SCP-04 §4.5, SCP-08 §1.1)"""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.faults import campaign, shim
from tests.support.faults.writepaths import WRITE_PATHS

SHARE, DEAR_SHARE = 9, 60  # every so many-th point: half a minute of computing in all
_REASON = shim.why_not()
pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(_REASON is not None, reason=_REASON or "")]

DEAR = [path.name for path in WRITE_PATHS if path.dear]
CHEAP = [path.name for path in WRITE_PATHS if not path.dear]
LOGS = CHEAP[: CHEAP.index("events")]


@pytest.mark.parametrize(
    ("names", "least"),
    [(LOGS, 200), (CHEAP[len(LOGS) :], 100), (DEAR, 50)],
    ids=["logs", "rows and files", "whole commands"],  # three, so that two workers share them
)
def test_whatever_call_fails_in_whatever_way_nothing_acknowledged_is_lost_and_it_goes_on(
    names: list[str], least: int
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    wanted = [word for name in names for word in ("--only", name)]
    wanted += ["--every", str(SHARE), "--every-dear", str(DEAR_SHARE), "--seed", str(seed)]
    print(f"seed {seed}: scripts/crash {shlex.join(wanted)}")
    rows = campaign.play(wanted)
    print(campaign.table(rows))
    assert {row["path"] for row in rows if "path" in row} == set(names)
    assert sum(row["tried"] for row in rows if "path" in row) > least
    lost = [campaign.story(row) for row in rows if "lost" in row]
    assert not lost, "\n\n".join(lost)


SPOILT = """
import os, sys
from pathlib import Path
from tests.support.faults.points import WAYS, Bench, chosen
from tests.support.faults.shim import Class
from tests.support.faults.writepaths import WritePath, nothing

def act(_nobody, folder, say):
    with (folder / "file").open("wb", buffering=0) as file:
        file.write(b"first half, ")
        file.write(b"second half")
    say("written")

def check(folder, said):
    data = (folder / "file").read_bytes() if (folder / "file").exists() else b""
    assert data in (b"", b"first half, second half"), data
    assert data or not said

path = WritePath("spoilt", nothing, nothing, act, act, check)
bench = Bench(Path(sys.argv[1]).resolve())
bench.prepare(path)
calls = bench.calls(path, Class.CHANGE)
for way in WAYS[:2]:
    for number in range(1, len(calls) + 1):
        if calls[number - 1].classes & way.fitting:
            print(way.name, number, calls[number - 1].name, bench.point(path, way, number) is None)
"""


def test_the_harness_finds_a_writer_that_leaves_halves(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPOILT, str(tmp_path)],
        cwd=campaign.ROOT,
        env=shim.environment(shim.build()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "kill 1 open True",
        "kill 2 write True",
        "kill 3 write False",
        "torn write 2 write False",
        "torn write 3 write False",
    ]


COUNTED = """
import os, sys
from pathlib import Path
from tests.support.faults.points import Bench
from tests.support.faults.shim import Class, Kind
from tests.support.faults.writepaths import WRITE_PATHS

folder = Path(sys.argv[1]).resolve()
bench = Bench(folder)
path = next(path for path in WRITE_PATHS if path.name == "create a log")
bench.prepare(path)
bench._fresh()
subject = path.open(bench.place)
told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT)
os.write(2, b"begin\\n")
with bench.shim.armed(0, Kind.COUNT, classes=Class.CHANGE, names=told):
    path.act(subject, bench.place, lambda word: None)
os.write(2, b"end\\n")
"""
CHANGING = "write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,truncate,fallocate,openat,open,creat,symlink,symlinkat,fchmod,chmod,copy_file_range,sendfile,sync_file_range,syncfs"


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace to count the calls once more")
def test_the_shim_sees_every_change_that_the_kernel_sees(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    place = tmp_path / "bench"
    place.mkdir()
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", str(trace), "-e", f"trace={CHANGING}", sys.executable, "-c", COUNTED, str(place)],
        cwd=campaign.ROOT,
        env={key: value for key, value in os.environ.items() if key != "LD_PRELOAD"} | _preloaded(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 and "ptrace" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    home = str(place.resolve() / "home")
    lines = trace.read_text(errors="replace").splitlines()
    begin = next(at for at, line in enumerate(lines) if '"begin\\n"' in line)
    end = next(at for at, line in enumerate(lines) if '"end\\n"' in line)
    seen = [line for line in lines[begin:end] if home in line and "bench/told" not in line]
    changes = [line for line in seen if "open" not in line.split("(")[0] or "O_CREAT" in line or "O_TRUNC" in line]
    told = (place / "told").read_text().splitlines()
    assert len(told) == len(changes) > 20, "\n".join(changes)


def _preloaded() -> dict[str, str]:
    return {key: value for key, value in shim.environment(shim.build()).items() if key not in os.environ}
