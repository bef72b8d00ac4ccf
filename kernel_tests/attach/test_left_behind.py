"""A thousand loads, runs and failures leave nothing: no descriptor, program, map, types, link, pin or namespace.

Some of them are done by processes that are killed in the middle. Other processes of the machine may load things
meanwhile: what they hold is not counted, and what comes and goes is not, either.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpfvm.kernel.attr import (
    BTF_GET_NEXT_ID,
    LINK_GET_NEXT_ID,
    MAP_GET_FD_BY_ID,
    MAP_GET_NEXT_ID,
    PROG_GET_NEXT_ID,
    ById,
    MapInfo,
    ids,
    inform,
)
from bpfvm.kernel.sys import Fd, bpf
from kernel_tests.attach.left_behind import Actions
from kernel_tests.libbpf.whole import ProgramInfo
from kernel_tests.mounts import bpf_file_system

DONE, KILLED = 1000, 30  # least number of actions in all, and processes that are killed
PATIENCE = 30.0  # seconds for the kernel to free what it has let go
PROG_GET_FD_BY_ID = 13
KINDS = {"program": PROG_GET_NEXT_ID, "map": MAP_GET_NEXT_ID, "types": BTF_GET_NEXT_ID, "link": LINK_GET_NEXT_ID}
HELD = {"prog_id": "program", "map_id": "map", "btf_id": "types", "link_id": "link"}  # words of /proc/PID/fdinfo
OTHERS = "/pytest-of-"  # in the paths of what tests mount, also those that run at the same time
NAMED = re.compile(r"/netns/bpfvm(\d+)")  # by the process that makes it, in kernel_tests
OWN_BPFFS = ("unshare", "--mount", "sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class State:
    """What this process and the machine hold."""

    descriptors: frozenset[str]
    threads: int
    namespaces: tuple[str, ...]
    mounts: tuple[str, ...]
    pins: tuple[str, ...]
    objects: dict[str, frozenset[int]]


def state(folder: Path) -> State:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return State(
        descriptors=frozenset(os.listdir("/proc/self/fd")),
        threads=threading.active_count(),
        namespaces=(
            *(os.readlink(one) for one in sorted(Path("/proc/self/ns").iterdir())),
            *sorted(of_threads()),
            *(str(one) for place in ("/run/netns", "/var/run/netns") for one in sorted(Path(place).glob("*"))
              if not is_of_others(str(one))),
        ),
        mounts=tuple(one for one in mounts if str(folder) in one or (OTHERS not in one and not is_of_others(one))),
        pins=tuple(sorted(str(one) for one in folder.rglob("*"))),
        objects={kind: frozenset(ids(command)) for kind, command in KINDS.items()},
    )  # fmt: skip


def is_of_others(text: str) -> bool:
    """Whether it names a network namespace of a test that another process runs at the same time."""
    named = NAMED.search(text)
    return named is not None and int(named[1]) != os.getpid() and Path("/proc", named[1]).exists()


def of_threads() -> set[str]:
    """Network namespaces that threads of this process are in."""
    found = set()
    for one in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # ended by now
            found.add(os.readlink(one / "ns" / "net"))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with bpf_file_system(tmp_path) as mounted:
        yield mounted


def test_nothing_is_left_behind(folder: Path) -> None:
    actions, dice, done = Actions(folder), random.Random(1), Counter[str]()
    for act in actions.all.values():  # once, so that what is kept for good (types of the kernel, answers) is there
        act()
    before = state(folder)
    killed = [act_until_killed(dice) for _ in range(KILLED)]
    while sum(done.values()) + sum(killed) < DONE:
        name = actions.choose(dice)
        actions.all[name]()
        done[name] += 1
    left = what_is_left(before.objects)
    end = time.monotonic() + PATIENCE
    while len(of_threads()) > 1 and time.monotonic() < end:  # a thread is the kernel's a little longer than Python's
        time.sleep(0.01)
    after = state(folder)
    print(f"{dict(done)}; {sum(killed)} more in {KILLED} processes that were killed")
    assert left == {kind: set() for kind in KINDS}
    for name in ("descriptors", "threads", "namespaces", "mounts", "pins"):
        assert getattr(after, name) == getattr(before, name), name
    assert (min(done.values()) >= 1, set(done) == set(actions.all)) == (True, True)


def act_until_killed(dice: random.Random) -> int:
    """How many actions a process finished before it was killed, in a mount namespace and a BPF file system of its own,
    which end with it."""
    seed = str(dice.randrange(1 << 32))
    command = (*OWN_BPFFS, sys.executable, "-m", "kernel_tests.attach.left_behind", "/sys/fs/bpf", seed)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        done = len(process.stdout.read(1))
        assert done, "the process ended by itself"
        time.sleep(dice.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        done += len(process.stdout.read())
        assert process.wait(60) == -signal.SIGKILL
    return done


def what_is_left(before: dict[str, frozenset[int]]) -> dict[str, set[int]]:
    """New objects that stay though no other process holds them, after the kernel had time to free what it let go."""
    left = {kind: set(ids(command)) - before[kind] for kind, command in KINDS.items()}
    end = time.monotonic() + PATIENCE
    while any(left.values()) and time.monotonic() < end:
        time.sleep(0.2)
        held = held_by_others()
        left = {kind: (left[kind] & set(ids(command))) - held[kind] for kind, command in KINDS.items()}
    return left


def held_by_others() -> dict[str, set[int]]:
    """Objects that processes have open, and the types, and maps, that these objects use."""
    held: dict[str, set[int]] = {kind: set() for kind in KINDS}
    own = str(os.getpid())
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        if info.parts[2] == own:
            continue
        try:
            words = [line.split(":") for line in info.read_text().splitlines()]
        except OSError:  # gone, or not to be seen
            continue
        for one in words:
            if one[0] in HELD:
                held[HELD[one[0]]].add(int(one[1]))
    for number in held["map"]:
        if (fd := opened(MAP_GET_FD_BY_ID, number)) is not None:
            with fd:
                of_map = MapInfo()
                inform(fd.number, of_map)
                held["types"].add(of_map.btf_id)
    for number in held["program"]:
        if (fd := opened(PROG_GET_FD_BY_ID, number)) is not None:
            with fd:
                of_program = ProgramInfo()
                inform(fd.number, of_program)
                held["types"].add(of_program.btf)
    return held


def opened(command: int, number: int) -> Fd | None:
    try:
        return Fd(bpf(command, ById(id=number)))
    except OSError:
        return None


def test_a_leak_is_seen(folder: Path) -> None:
    """What the test above looks for it would find: each kind once, kept on purpose."""
    from bpfvm.kernel.objects.install import install
    from kernel_tests.attach.left_behind import made

    before = state(folder)
    with install(made(), pin=folder / "kept") as installed:
        after = state(folder)
        assert len(after.pins) == len(before.pins) + 10
        assert len(after.descriptors) > len(before.descriptors)
        for kind in ("program", "map", "types"):
            assert after.objects[kind] - before.objects[kind]
        installed.unpin()
    (folder / "kept").rmdir()
    assert state(folder).pins == before.pins
