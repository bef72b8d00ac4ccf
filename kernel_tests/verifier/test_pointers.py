"""Pointers on the kernel: a process's own memory read by programs, and programs on probes that the verifier takes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bpfvm import Array, Program, bpf, u64, vmlinux
from bpfvm.kernel.objects.install import install
from bpfvm.obj.writer.object import write_object
from kernel_tests.mounts import bpf_file_system
from tests.shipped_examples import example
from tests.tracing import parents
from tests.unit.compiler import argument_programs
from tests.unit.lang import test_pointers as offline

_LOADED = ("connect", "readline", "registers", "openat", "open_exit", "declared", "narrow")


def _placed() -> tuple[dict[int, bytes], list[Any]]:
    """The memory of the offline tests, in buffers of this process: addresses, and what keeps them."""
    name = ctypes.create_string_buffer(offline.MEMORY[offline.NAME], 16)
    words = ctypes.create_string_buffer(offline.MEMORY[offline.WORDS], 16)
    data = bytearray(offline.MEMORY[offline.INNER])
    data[8:16] = ctypes.addressof(name).to_bytes(8, "little")
    inner = ctypes.create_string_buffer(bytes(data), len(data))
    kept = [name, words, inner]
    return {ctypes.addressof(one): bytes(one) for one in kept}, kept


@pytest.mark.needs("probe_read_kernel")
def test_user_memory_is_read_as_everywhere() -> None:
    """The same reads by the kernel, of this process, as by CPython of the memory that it is given."""
    memory, kept = _placed()
    _, words, inner = (ctypes.addressof(one) for one in kept)
    cases = [
        (offline.elements, (words, 2)), (offline.elements, (1, 2)), (offline.fields, (inner, 1)),
        (offline.fields, (0, 1)),
        (offline.texts, (inner,)), (offline.texts, (0,)), (offline.kept, (inner,)), (offline.kept, (8,)),
        (offline.null, (5, 6)), (offline.casts, (words + 2,)), (offline.chain, (0,)),
    ]  # fmt: skip
    for program, given in cases:
        want = program.cpython(*given, memory=memory)
        assert program.kernel(*given).value == want.value, f"{program.name}{given}"
    print(f"{len(cases)} reads")
    assert len(cases) >= 11


@pytest.mark.parametrize("name", _LOADED)
@pytest.mark.needs("probe_read_kernel", "vmlinux_btf")
def test_the_verifier_takes_programs_on_probes(name: str) -> None:
    with install(getattr(argument_programs, name).object) as installed:
        assert name in installed.programs


def _of_this_kernel() -> dict[str, Program]:
    """Programs that read the running kernel's own structs."""
    space = {"out": Array(u64, 4, name="out"), "task_struct": vmlinux.task_struct, "sock": vmlinux.sock, "bpf": bpf}
    text = """
@bpf.tp_btf("sched_switch")
def trusted(next: task_struct, prev, preempt):
    if hasattr(task_struct, "__state") and prev.__state == 0:
        out[0] = prev.pid
    out[1] = next.real_parent.real_parent.tgid
    out[2] = next.comm[1] + preempt + next.in_execve + next.mm.owner.tgid
    if next.real_parent == prev:
        out[3] = next.group_leader.start_time

@bpf.tp_btf("sched_pi_setprio")
def nullable(tsk, pi_task):
    if pi_task:
        out[0] = tsk.pid + pi_task.pid

@bpf.raw_tracepoint("sched_switch")
def probed(next: task_struct):
    out[0] = next.real_parent.tgid + next.in_execve

@bpf.tracepoint("sched:sched_switch")
def event(prev_comm, next_pid):
    if prev_comm == "bash":
        out[0] = next_pid

@bpf.tracepoint("sched:sched_process_exec")
def located(filename, pid):
    if filename.str(8) == "/bin/ls":
        out[0] = pid

@bpf.tracepoint("sched:sched_switch")
def whole(args):
    out[0] = args.next_comm[0]

@bpf.kprobe("tcp_v4_connect")
def socket(sk: sock):
    c = sk.__sk_common
    out[0] = c.skc_dport + c.skc_v6_daddr.in6_u.u6_addr8[0:16][3]
"""
    made = bpf.exec(text, space)
    return {name: one for name, one in made.items() if isinstance(one, Program)}


@pytest.mark.needs("tp_btf", "probe_read_kernel")
def test_the_kernels_own_structs() -> None:
    """By this project's loader, and by libbpf's, which finds the fields by itself."""
    programs = _of_this_kernel()
    for name, one in programs.items():
        with install(one.object) as installed:
            assert name in installed.programs
    assert len(programs) == 7


@pytest.mark.needs("tp_btf", "probe_read_kernel")
def test_libbpf_takes_the_objects(tmp_path: Path) -> None:
    if shutil.which("bpftool") is None:
        pytest.skip("needs bpftool")
    (tmp_path / "bpf").mkdir()
    with bpf_file_system(tmp_path / "bpf") as folder:
        for name, one in _of_this_kernel().items():
            path = tmp_path / f"{name}.o"
            path.write_bytes(write_object(one.object))
            command = ["bpftool", "prog", "loadall", str(path), str(folder / name)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{name}: {done.stderr}"
            assert "BTF loading error" not in done.stderr


@pytest.mark.needs("tp_btf", "probe_read_kernel", "tracepoint_pmu")
def test_tools_of_tracing_load() -> None:
    runqlat, biolatency, opensnoop, execsnoop = map(example, ("runqlat", "biolatency", "opensnoop", "execsnoop"))
    memleak, offcputime, bashreadline = map(example, ("memleak", "offcputime", "bashreadline"))
    programs = [runqlat.wakeup, runqlat.wakeup_new, runqlat.switch, biolatency.issue, biolatency.complete]
    programs += [opensnoop.sys_open, opensnoop.sys_openat, opensnoop.sys_exit, execsnoop.enter, execsnoop.leave]
    programs += [memleak.malloc, memleak.malloc_ret, memleak.free, offcputime.oncpu]
    for one in (*programs, parents.opened, bashreadline.readline):
        with install(one.object) as installed:
            assert one.name in installed.programs
