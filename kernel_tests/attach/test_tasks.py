"""The same events on the kernel and on scripts: a uprobe on this process, its system calls, samples of it. The maps are
equal, call stacks with their numbers among them."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bpfvm.emulator.maps.jhash import jhash
from bpfvm.kernel.objects.install import install
from bpfvm.program import compile_object
from bpfvm.timeline import Task, Timeline
from kernel_tests.attach import tasks_programs as programs
from kernel_tests.attach.events_programs import ROOM

NOBODY = 4_000_000_000 & 0x7FFF_FFFF  # no process has this id


@pytest.fixture(autouse=True)
def only_this_process() -> None:
    programs.own.pid = os.getpid()


def me(found: Mapping[Any, Any], user: int = -1, kernel: int = -1, cpu: int = 0) -> Task:
    """This thread as a script has it, its stacks those that the kernel found."""
    name = Path("/proc/thread-self/comm").read_text().strip()
    stacks = {at: walked(at, ips) for at, ips in found.items()}
    return Task(os.getpid(), name, tid=threading.get_native_id(), uid=os.getuid(), gid=os.getgid(), cpu=cpu,
                stack=stacks.get(user), kernel_stack=stacks.get(kernel))  # fmt: skip


def walked(number: int, ips: Sequence[int]) -> tuple[int, ...]:
    """The frames that the kernel walked: those that make the number, a return address of 0 at their end among them."""
    least = max(at for at, one in enumerate([1, *ips]) if one)
    for count in range(max(least, 1), len(ips) + 1):
        if jhash(b"".join(int(one).to_bytes(8, "little") for one in ips[:count])) % ROOM == number:
            return tuple(int(one) for one in ips[:count])
    raise AssertionError(f"no count of frames makes the number {number}: {[f'{one:#x}' for one in ips]}")


def plain(value: Any) -> Any:
    """What maps of both kinds show, alike: fields by name, lists of numbers."""
    if hasattr(value, "_asdict"):
        return {name: plain(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return list(value) if isinstance(value, tuple | list) else value


def test_a_function_of_this_process() -> None:
    from bpfvm import bpf

    with bpf.attach(programs.called, programs.left) as on:
        os.getpgid(0)
        with pytest.raises(ProcessLookupError):
            os.getpgid(NOBODY)
        seen = {name: plain(dict(on.maps[name])) for name in ("noted", "stacks", "words")}
    assert sorted(seen["noted"]) == [0, NOBODY]
    script = Timeline(programs.called, programs.left)
    for who, ret in ((0, os.getpgid(0)), (NOBODY, -1)):
        one = seen["noted"][who]
        by = me(seen["stacks"], one["user"], one["kernel"], one["cpu"])
        script.at(0, "c:getpgid", who, by=by, ret=ret)
    offline = script.check()
    assert len(offline.engines) >= 3
    for name, held in seen.items():
        assert plain(dict(offline.maps[name])) == held, name
    stacked = [one["user"] for one in seen["noted"].values() if one["user"] >= 0]
    print(f"{len(stacked)} stacks of user space, engines {offline.engines}")
    assert stacked, "the kernel walks the stack of this process"


def test_frames_that_are_left_out() -> None:
    """Helpers with more frames to skip than there are, with less room than there are frames: answers and maps."""
    from bpfvm import bpf

    with bpf.attach(programs.skipping, programs.called) as on:
        os.getpgid(0)
        seen = {name: plain(dict(on.maps[name])) for name in ("answers", "words", "stacks", "shallow")}
        one = plain(dict(on.maps["noted"]))[0]
    by = me(seen["stacks"], one["user"], one["kernel"], one["cpu"])
    offline = Timeline(programs.skipping).at(0, "c:getpgid", by=by).check()
    for name, held in seen.items():
        assert plain(dict(offline.maps[name])) == held, name
    found = [seen["answers"][at] for at in range(16)]
    print(f"{sum(one >= 0 for one in found)} frames")
    assert found[-1] == -errno.EFAULT


def test_a_system_call_of_this_process(tmp_path: Path) -> None:
    from bpfvm import bpf

    path, flags = tmp_path / "there", os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with bpf.attach(programs.opening, programs.opened) as on:
        number = os.open(path, flags)
        os.close(number)
        first = {name: plain(dict(on.maps[name])) for name in ("noted", "words")}
        with pytest.raises(FileNotFoundError):
            os.open("/nowhere/at/all", os.O_EXCL)
        second = {name: plain(dict(on.maps[name])) for name in ("noted", "words")}
    text = os.fspath(path)
    script = Timeline(programs.opening, programs.opened, task=me({}))
    script.at(0, "openat", filename=text, flags=flags | os.O_CLOEXEC, ret=number, took="1us")
    assert _told(script) == first
    script.at(
        5_000, "openat", filename="/nowhere/at/all", flags=os.O_EXCL | os.O_CLOEXEC, ret=-errno.ENOENT, took="1us"
    )
    assert _told(script) == second


def _told(script: Timeline) -> dict[str, Any]:
    seen = script.check()
    return {name: plain(dict(seen.maps[name])) for name in ("noted", "words")}


def test_samples_of_this_process() -> None:
    period = 1_000_000
    with programs.sampled.attach(period=period, pid=os.getpid()) as on:
        end = time.monotonic() + 5
        while not dict(on.maps["noted"]) and time.monotonic() < end:
            sum(range(1000))
        on.links[0].close()
        seen = {name: plain(dict(on.maps[name])) for name in ("noted", "stacks", "words")}
    assert list(seen["noted"]) == [200], "a busy process is sampled"
    one = seen["noted"][200]
    script = Timeline(programs.sampled)
    by = me(seen["stacks"], one["user"], one["kernel"], one["cpu"])
    script.at(0, "cpu-clock", sample_period=seen["words"][4], regs={"ip": seen["words"][5]}, by=by)
    offline = script.check()
    assert seen["words"][4] == period
    assert plain(dict(offline.maps["noted"])) == seen["noted"]
    assert plain(dict(offline.maps["words"])) == seen["words"]
    kept = {one["user"], one["kernel"]} - {-errno.EFAULT}
    assert plain(dict(offline.maps["stacks"])) == {at: ips for at, ips in seen["stacks"].items() if at in kept}


def test_the_number_of_a_stack_is_its_hash() -> None:
    """Of many stacks: each that the kernel kept stands under the number that its frames make."""
    count = deepest = 0
    with programs.sampled.attach(period=100_000, pid=os.getpid()) as on:
        end = time.monotonic() + 5
        while len(dict(on.maps["stacks"])) < 12 and time.monotonic() < end:
            sorted(str(number) for number in range(200))
        on.links[0].close()
        for number, ips in on.maps["stacks"].items():
            deepest = max(deepest, len(walked(number, ips)))
            count += 1
    print(f"{count} stacks, up to {deepest} frames")
    assert count >= 3


def test_types_that_ship_are_those_of_this_kernel() -> None:
    """To the byte, or where another build of the version adds a member somewhere, all but a few."""
    from bpfvm.tables import linux
    from kernel_tests.tables import shipped

    if not shipped.is_theirs():
        pytest.skip(f"the types that ship are those of Linux {linux.VERSION} on {linux.MACHINE}")
    changed, count = shipped.changed()
    print(f"{count - len(changed)} of {count} are as in this kernel, not {', '.join(changed) or 'one'}")
    assert count >= 700
    assert len(changed) <= count // 100
    assert changed or linux.TYPES.read_bytes() == shipped.made()


def test_the_verifier_takes_the_tools() -> None:
    """Programs as scripts have them are those that the kernel loads."""
    made = compile_object([programs.called, programs.left, programs.opening, programs.opened, programs.sampled])
    with install(made.spec) as installed:
        assert len(installed.programs) == 5
