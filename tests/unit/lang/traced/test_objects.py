"""Objects of the kernel in memory: fields, bit-fields, arrays, unions, pointers; what does not fit, in words."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import KernelPtr, UserPtr, bpf, char, u64, vmlinux
from bpfvm.core.errors import UsageError
from bpfvm.timeline import Task
from bpfvm.vmlinux import new
from tests import kernel_btf

with kernel_btf.in_use():
    from bpfvm.vmlinux import sock, task_struct


def test_fields_of_every_kind() -> None:
    """The made-up kernel's structs: bit-fields that cross bytes, unnamed structs and unions."""
    other = new(task_struct, pid=1, comm="systemd")
    one = new(task_struct, pid=-7, comm=b"bash", real_parent=other, in_execve=1, jobctl=21, nice=-20, utime=5, stime=6,
              cpus=[1, 2, 3], on_rq=True, stack=0x1000)  # fmt: skip
    one["__state"] = 3
    assert [one[name] for name in ("pid", "comm", "in_execve", "jobctl", "nice", "utime", "stime", "__state")] == [
        -7, "bash", 1, 21, -20, 5, 6, 3,
    ]  # fmt: skip
    assert (one.cpus, one.on_rq, one.stack, one.flags) == ([1, 2, 3, 0], 1, 0x1000, 0)
    assert one.real_parent.comm == "systemd"
    assert int(one.real_parent) == int(other) != int(one)
    assert one.addr == int(one)
    data = bytes(one)
    assert data[24:28] + data[40:44] == b"\3\0\0\0" + (-7 & 0xFFFF_FFFF).to_bytes(4, "little")
    assert data[48:56] == int(other).to_bytes(8, "little")
    assert int.from_bytes(data[76:80], "little") == 1 << 3 | 21 << 4
    one.set(real_parent=None, nice=31)
    assert (one.real_parent, one.nice) == (0, 31)


def test_parts_of_an_object_share_its_memory() -> None:
    one = new(sock, __sk_common={"skc_family": 2, "skc_addrpair": 1 << 32 | 5, "skc_v6_daddr": {
        "in6_u": {"u6_addr32": [1, 2]}}})  # fmt: skip
    part = one["__sk_common"]
    assert (part.skc_daddr, part.skc_rcv_saddr) == (5, 1)
    part.skc_rcv_saddr = 9
    assert bytes(one)[:8] == b"\5\0\0\0\x09\0\0\0"
    assert part.skc_v6_daddr.in6_u.u6_addr8[:5] == [1, 0, 0, 0, 2]
    other = new(sock)
    other["__sk_common"] = part
    assert bytes(other)[:64] == bytes(one)[:64]


WRONG = (
    (lambda: new("nothing"), "the kernel's types have no 'nothing' (they are the part of Linux 6.18's that ships"),
    (lambda: new("gendisk", majr=8), "<struct gendisk of the kernel> has no field 'majr'; did you mean 'major'?"),
    (lambda: new("gendisk", major=1 << 40), "gendisk.major: 1099511627776 does not fit s32"),
    (lambda: new("gendisk", major="8"), "gendisk.major: s32 takes a number, not '8'"),
    (lambda: new(task_struct, jobctl=32), "task_struct.jobctl: 32 does not fit its 5 bits"),
    (lambda: new(task_struct, jobctl="x"), "task_struct.jobctl: a bit-field takes a number, not 'x'"),
    (lambda: new(task_struct, cpus=[0] * 5), "task_struct.cpus takes a list of up to 4 values"),
    (lambda: new(task_struct, cpus=["x"]), "task_struct.cpus[0]: u32 takes a number, not 'x'"),
    (lambda: new(task_struct, real_parent=1.5), "task_struct.real_parent: a pointer takes an address, a text, a list"),
    (lambda: new(sock, __sk_common=5), "sock.__sk_common is a sock_common: it takes a mapping of its fields, not 5"),
    (lambda: new("u64"), "u64 is no struct of the kernel's"),
    (lambda: new("bdi_writeback"), "have no 'bdi_writeback'"),
    (lambda: Task(-1), "Task: pid is a number of 32 bits, not -1"),
    (lambda: Task(1, 7), "Task: comm is a text, cgroup one id or several, cpu below 256"),
    (lambda: Task(1, stack=["a b"]).told(False), "a frame of a stack is a function"),
)


@pytest.mark.parametrize(("make", "words"), WRONG, ids=[words[:40] for _, words in WRONG])
def test_what_does_not_fit(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as wrong:
        make()
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


@bpf.function
def through(p: KernelPtr[task_struct], name: UserPtr[char]) -> u64:
    text = name.str(8)
    return u64(p.real_parent.pid * 1000 + p.jobctl * 10 + (text == "yes"))


@bpf.function
def row(names: UserPtr[UserPtr[char]]) -> u64:
    total = 0
    for i in range(4):
        if not names[i]:
            return u64(total)
        total += names[i][0]
    return u64(total)


def test_functions_take_objects_and_texts() -> None:
    with kernel_btf.in_use():
        parent = new(task_struct, pid=3)
        child = new(task_struct, real_parent=parent, jobctl=7)
        assert through.check(child, "yes").value == 3071
        assert through.check(child, "no").value == 3070
        assert through.check(None, None).value == 0
        outcome = row.check(["a", b"b", "c"])
    assert outcome.value == sum(b"abc")
    assert len(outcome.engines) >= 3


def test_objects_of_other_types_are_told_apart() -> None:
    with kernel_btf.in_use():
        text = "through: p: .* is laid out by other types than the program's task_struct"
        with pytest.raises(UsageError, match=text):
            through.check(vmlinux.new(_shipped()), None)


def _shipped() -> Any:
    before, vmlinux._kernel.path = vmlinux._kernel.path, vmlinux.SHIPPED
    try:
        return vmlinux.task_struct
    finally:
        vmlinux._kernel.path = before
