# mypy: disable-error-code="no-any-return, no-untyped-def, type-arg, valid-type, comparison-overlap"
"""Programs whose parameters are arguments of functions, fields of events, registers."""

from __future__ import annotations

from pathlib import Path

from bpfvm import Array, Counter, UserPtr, bpf, char, s16, s32, s64, struct, u8, u16, u32, u64
from tests import kernel_btf

with kernel_btf.in_use():
    from bpfvm.vmlinux import sock, task_struct

SHOP = Path(__file__).resolve().parents[2] / "process/shop"
out = Array(u64, 8)


@struct
class Switch:
    """The beginning of sched_switch's context."""

    common: u64
    prev_comm: char[16]
    prev_pid: s32


@bpf.kprobe("tcp_v4_connect")
def connect(sk: sock, uaddr: UserPtr[u16], n: s32):
    out[0] = sk.__sk_common.skc_family
    out[1] = uaddr[0]
    out[2] = u64(n)


@bpf.uretprobe("/bin/bash:readline")
def readline(ret: UserPtr[char]):
    if ret and ret.str(16) == "exit":
        out[0] = 1
    out[1] = ret.value


@bpf.kprobe
def registers(regs):
    out[0] = regs.parm1
    out[1] = regs.ret
    out[2] = regs.ip


@bpf.tp_btf("sched_switch")
def switch(next: task_struct, prev, preempt):
    if prev.__state == 2:
        out[0] = u64(prev.pid)
    out[1] = u64(next.pid)
    out[2] = u64(next.real_parent.real_parent.tgid)
    out[3] = next.comm[1] + preempt
    if next.real_parent == prev and prev:
        out[4] = 1
    out[5] = u64(next.nice)


@bpf.tp_btf("sched_pi_setprio")
def nullable(tsk, pi_task):
    out[0] = u64(tsk.pid)
    if pi_task:
        out[1] = u64(pi_task.real_parent.pid)


@bpf.fexit("tcp_v4_connect", "tcp_v6_connect")
def connected(sk, ret):
    out[0] = sk.__sk_common.skc_dport
    out[1] = u64(ret)


@bpf.lsm("file_open")
def opened(file):
    out[0] = file.value


@bpf.raw_tracepoint("sched_switch")
def raw(next: task_struct):
    out[0] = u64(next.pid)


@bpf.syscall("openat")
def openat(filename: UserPtr[char], flags: s32):
    out[0] = filename[0]
    out[1] = u64(flags)


@bpf.syscall_exit("open", "openat")
def open_exit(ret: s64):
    out[0] = u64(ret)


@bpf.tracepoint("sched:sched_switch")
def event(prev_comm, next_pid, prev_state):
    if prev_comm == "bash":
        out[0] = u64(next_pid)
    out[1] = u64(prev_state)


@bpf.tracepoint("sched:sched_switch")
def whole(args):
    out[0] = u64(args.next_pid)
    out[1] = args.next_comm[0]


@bpf.tracepoint("sched:sched_anything")
def declared(args: Switch):
    if args.prev_comm == "bash":
        out[0] = u64(args.prev_pid)


@bpf.tracepoint("sched:sched_process_exec")
def located(filename, pid):
    if filename.str(8) == "/bin/ls":
        out[0] = u64(pid)


@bpf.usdt(f"{SHOP}:shop:sale")
def sale(goods, at: UserPtr[char]):
    out[0] = u64(goods)
    if at.str(8) == "exit":
        out[1] = 1


@bpf.kprobe("narrow")
def narrow(a: u8, b: bool, c: s32, d: u16, e: u64, g: u32):
    out[0] = a
    out[1] = b
    out[2] = u64(c)
    out[3] = d
    out[4] = e
    out[5] = g


signs, halves, wide = Counter(u32), Counter(s16), Counter(s64)


@bpf.kprobe("keyed")
def keyed(n: s32, h: u16, w: u64):
    signs[n] += 1
    same = n
    if same in signs:
        halves[h] += signs[same]
    if n < 0:
        wide[w] += 1
    elif signs.pop(n, None) is not None:
        halves[5] += 1
