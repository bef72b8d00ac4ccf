"""Damaged objects through the command line: a result, or one line and status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from bpfvm.cli import COMMANDS
from bpfvm.obj.captures.pcap import write_capture
from tests.pace import seconds
from tests.unit.obj.damage.changes import Damaged, damaged_objects

OBJECTS = Path(__file__).resolve().parents[3] / "objects"
COUNT = 40  # the tests that ask the kernel run more: kernel_tests/fuzz/test_damage.py
AT_ONCE = 2
SECONDS = 1.0  # of processor time, beyond what the same command takes on a whole object
PEAK = 1 << 30  # bytes resident
HUNG = 60  # seconds of the clock
PACKETS = [(number * 10**6, bytes((2, 0, 0, 0, 0, number)) * 10) for number in range(4)]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended. seconds: of processor time. peak: bytes resident, of it or of what started it."""

    status: int
    out: str
    err: str
    seconds: float
    peak: int


def ended(command: Sequence[str], folder: Path) -> Ended:
    """Run a command of bpfvm to its end, its output in files below `folder`."""
    folder.mkdir(exist_ok=True)
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        began = subprocess.Popen(
            [sys.executable, "-m", "bpfvm", *command], stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        alarm = Timer(HUNG, began.kill)
        alarm.start()
        _, status, usage = os.wait4(began.pid, 0)
        alarm.cancel()
        began.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        seconds = usage.ru_utime + usage.ru_stime
        return Ended(began.returncode, out.read(), err.read(), seconds, usage.ru_maxrss * 1024)


def wrong(one: Ended, seconds: float) -> str:
    """What is not as it should be, or ""."""
    lines = one.err.splitlines()
    if one.status not in (0, 1, 2):
        return f"status {one.status}: {one.err[-500:]}"
    if "Traceback" in one.err:
        return one.err
    if one.status == 2 and (
        one.out or len(lines) != 1 or not lines[0].startswith("bpfvm: ") or not lines[0].isprintable()
    ):
        return f"status 2 without exactly one line: {one.out[:200]!r} {one.err[:500]!r}"
    if one.status == 1 and not (one.out or lines):
        return "status 1 and not a word"
    if one.seconds > seconds:
        return f"{one.seconds:.2f} s of processor time"
    return f"{one.peak >> 20} MiB" if one.peak > PEAK else ""


def commands(path: Path, capture: Path, number: int) -> list[str]:
    """In turn what works on an object."""
    known = [["run", str(path), "--packet", str(capture), "--engine", "interp"]]
    if "disasm" in COMMANDS:
        known.append(["disasm", str(path)])
    return known[number % len(known)]


def run_all(files: Sequence[Path], count: int, seed: int, folder: Path) -> Counter[str]:
    """Statuses of `count` processes by kind of damage. Fails for the first that is wrong."""
    capture = folder / "packets.pcap"
    write_capture(capture, PACKETS)
    whole = max(ended(commands(files[0], capture, number), folder / "whole").seconds for number in (0, 1))

    def one(job: tuple[int, Damaged]) -> tuple[str, str, Ended]:
        number, broken = job
        path = folder / f"{number}.o"
        path.write_bytes(broken.data)
        command = commands(path, capture, number)
        return f"{broken.kind} {command[0]} {path.name}", broken.kind, ended(command, folder / f"{number}")

    statuses: Counter[str] = Counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for what, kind, found in pool.map(
            one, enumerate(damaged_objects([path.read_bytes() for path in files], count, seed))
        ):
            assert not (reason := wrong(found, whole + seconds(SECONDS))), f"{what}: {reason}"
            statuses[f"{kind} {found.status}"] += 1
    by_status = Counter({status: 0 for status in "012"})
    for name, number in sorted(statuses.items()):
        by_status[name[-1]] += number
        print(f"{name}: {number}")
    print(f"{count} processes, statuses {dict(by_status)}")
    return by_status


def single(files: Sequence[Path]) -> list[Path]:
    """The objects that `run` takes without --program."""
    from bpfvm.obj.reader.object import read_object

    return [path for path in files if len(read_object(path).programs) == 1]


def test_damaged_objects_in_processes(tmp_path: Path) -> None:
    files = single(sorted(OBJECTS.glob("xdp_*.o")))
    assert len(files) >= 4
    by_status = run_all(files, COUNT, seed=1, folder=tmp_path)
    assert by_status.total() == COUNT
    assert by_status["2"] >= COUNT // 4
    assert by_status["0"] + by_status["1"] >= COUNT // 20
