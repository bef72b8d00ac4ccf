"""The task that a run is in: what an input tells of it, on every engine; without one this process, or what to do."""

from __future__ import annotations

import os
import threading

import pytest

from bpfvm.core.machine import Input, Result, Task
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

TASK = Task(8, 7, 1000, 100, b"a name that is long", (1, 20, 300), 0xFFFF_8880_0000_1000)


def _number(name: str) -> int | None:
    return BY_NAME[name].id if name in BY_NAME else None


def run(text: str, task: Task | None, engine: str, function: int | None = None, cookie: int = 0) -> Result:
    """A kprobe program, whose result is r0 in 32 bits and 8 bytes of stack in r0 of the machine."""
    spec = ObjectSpec({"p": ProgramSpec("p", "kprobe/f", "kprobe", tuple(assemble(text, helper=_number)))}, {})
    with Emulator(engine).load(spec, "p", {}) as loaded:
        return loaded.run(Input(task=task, function=function, cookie=cookie, memory={TASK.address: b"\x2a" * 8}))


COMM = "r1 = r10\nr1 += -16\nr2 = {size}\ncall get_current_comm\nr0 = *(u64 *)(r10 -16)\nexit"
TOLD = (
    ("call get_current_pid_tgid\nexit", 7 << 32 | 8),
    ("call get_current_uid_gid\nexit", 100 << 32 | 1000),
    ("call get_current_task\nexit", TASK.address),
    ("call get_current_cgroup_id\nexit", 300),
    ("r1 = 1\ncall get_current_ancestor_cgroup_id\nexit", 20),
    ("r1 = 2\ncall get_current_ancestor_cgroup_id\nexit", 300),
    ("r1 = 3\ncall get_current_ancestor_cgroup_id\nexit", 0),
    ("r1 = -1\ncall get_current_ancestor_cgroup_id\nexit", 0),
    (COMM.format(size=8), int.from_bytes(b"a name \0", "little")),
    ("call get_func_ip\nexit", 0x81000000),
    ("call get_attach_cookie\nexit", 77),
    ("call get_current_task\nr3 = r0\nr1 = r10\nr1 += -8\nr2 = 8\ncall probe_read_kernel\nr0 = *(u64 *)(r10 -8)\nexit",
     0x2A2A_2A2A_2A2A_2A2A),
)  # fmt: skip


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize(("text", "want"), TOLD)
def test_what_is_told(text: str, want: int, engine: str) -> None:
    result = run(text, TASK, engine, 0x81000000, 77)
    assert result.fault is None
    assert result.r0 == want


def test_without_a_task_it_is_this_process() -> None:
    assert run(TOLD[0][0], None, "interp").r0 == os.getpid() << 32 | threading.get_native_id()
    assert run(TOLD[1][0], None, "interp").r0 == os.getgid() << 32 | os.getuid()


@pytest.mark.parametrize("name", ["get_current_task", "get_current_cgroup_id", "get_func_ip"])
def test_what_nobody_tells(name: str) -> None:
    fault = run(f"call {name}\nexit", None, "interp").fault
    assert fault is not None
    assert f"bpf_{name}#" in fault.message
    assert f"helpers={{'{name}': function}}" in fault.message
