"""What the first compiler made of tasks, stacks, probes and records: programs that this kernel's verifier takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpfvm import Counter, Hash, PerfEvents, Program, Ring, StackTrace, UserPtr, bpf, char, comm, cpu, ktime, log2

from bpfvm import pid_tgid, rand, struct, tid, u32, u64, uid_gid  # isort: skip
from bpfvm.kernel.objects.load import load_object

LIBC = next(one for one in ("/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/libc.so.6") if Path(one).exists())


@struct
class Key:
    """A task with its stacks."""

    pid: u32
    user: u32
    kernel: u32
    name: char[16]  # type: ignore[type-arg, valid-type]


@struct
class Record:
    """What happened."""

    at: u64
    who: u64
    owner: u64
    cpu: u32
    chance: u32
    name: char[16]  # type: ignore[type-arg, valid-type]
    text: char[32] = ""  # type: ignore[type-arg, valid-type, assignment]


start, sums = Hash(u32, u64, 1024), Counter(Key)
slots = Counter(u32)
stacks = StackTrace(1024)
old, rings = PerfEvents(Record), Ring(Record)


@bpf.tracepoint("sched:sched_switch")
def off_cpu(prev_pid: u32, next_pid: u32) -> None:
    """Time off the CPU by task and stacks."""
    start[prev_pid] = ktime()
    began = start.pop(next_pid, None)
    if began is not None:
        key = Key(pid=next_pid, user=u32(stacks.id(user=True)), kernel=u32(stacks.id(skip=1)), name=comm())
        sums[key] += (ktime() - began) // 1000
        slots[log2(u32(ktime() - began) | 1) * 3] += 1


@bpf.kprobe("vfs_write")
def written(file: u64, buffer: UserPtr[char], count: u64) -> None:
    """A record of a call, through both kinds of buffers."""
    made = Record(at=ktime(), who=pid_tgid(), owner=uid_gid(), cpu=cpu(), chance=rand(), name=comm())
    made.text = buffer.str(32)
    old.submit(made)
    rings.submit(made)
    slots[u32(count & 7)] += 1


@bpf.kretprobe("vfs_write")
def returned(ret: u64) -> None:
    """How long, by the bucket of a logarithm."""
    began = start.get(tid())
    if began is not None and ret < 1 << 31:
        slots[min(log2((ktime() - began) | 1), 99)] += 1


@bpf.uprobe(f"{LIBC}:malloc")
def allocated(size: u64) -> None:
    """Bytes by stack."""
    found = stacks.id(user=True)
    if found >= 0:
        slots[u32(found)] += size


@bpf.perf_event
def sampled(ctx: Any) -> None:
    """Samples by stack."""
    slots[u32(stacks.id() & 0xFFFF)] += 1


@pytest.mark.parametrize("program", [off_cpu, written, returned, allocated, sampled], ids=lambda one: one.name)
def test_programs_of_tracers_load(program: Program) -> None:
    load_object(program.object, program.name, {}).close()
