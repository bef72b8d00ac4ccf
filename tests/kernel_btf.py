"""BTF of a small made-up kernel, for tests without one: names that programs use, at places of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bpfvm import vmlinux
from bpfvm.obj.btf.codec import encode
from bpfvm.obj.btf.index import open_index
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Enum, Func, FuncProto, Member, Struct
from bpfvm.obj.cursor import StringTable


class _Made:
    """The types, made in order."""

    def __init__(self) -> None:
        b = self.btf = Btf()
        self.void = b.add_ptr(0)
        self.char = b.add_int("char", 1, is_signed=True)
        self.u8, self.u16 = b.add_int("unsigned char", 1), b.add_int("short unsigned int", 2)
        self.u32, self.s32 = b.add_int("unsigned int", 4), b.add_int("int", 4, is_signed=True)
        self.u64, self.s64 = b.add_int("long unsigned int", 8), b.add_int("long int", 8, is_signed=True)
        self.bool = b.add_int("_Bool", 1, is_bool=True)
        self.task, self.sock, self.request = (b.reserve(name) for name in ("task_struct", "sock", "request"))
        self._task()
        self._sock()
        self._request()
        self._events()
        self._functions()

    def _task(self) -> None:
        b, parent = self.btf, self.btf.add_ptr(self.task)
        inner = b.add_struct("", 16, [("utime", self.u64, 0), ("stime", self.u64, 8)])
        tag = b.add_int("unsigned int", 4)
        cgroup = b.add_struct("cgroup", 16, [("level", self.s32, 0)])
        groups = b.add_struct("css_set", 8, [("dfl_cgrp", b.add_ptr(cgroup), 0)])
        members = (
            Member("cgroups", b.add_ptr(groups), 8 * 8),
            Member("__state", self.u32, 8 * 24), Member("pid", self.s32, 8 * 40), Member("tgid", self.s32, 8 * 44),
            Member("real_parent", parent, 8 * 48), Member("comm", b.add_array(self.char, 16), 8 * 56),
            Member("in_execve", tag, 8 * 76 + 3, 1), Member("jobctl", tag, 8 * 76 + 4, 5),
            Member("nice", self.s32, 8 * 80 + 2, 6), Member("", inner, 8 * 88),
            Member("flags", self.u32, 8 * 104), Member("start_time", self.u64, 8 * 112),
            Member("cpus", b.add_array(self.u32, 4), 8 * 120), Member("on_rq", self.bool, 8 * 136),
            Member("stack", self.void, 8 * 144),
        )  # fmt: skip
        b.define(self.task, Struct("task_struct", 152, members))

    def _sock(self) -> None:
        b = self.btf
        bytes16 = b.add_array(self.u8, 16)
        in6 = b.add_union("", 16, [("u6_addr8", bytes16, 0), ("u6_addr32", b.add_array(self.u32, 4), 0)])
        addr = b.add_struct("in6_addr", 16, [("in6_u", in6, 0)])
        pair = b.add_struct("", 8, [("skc_daddr", self.u32, 0), ("skc_rcv_saddr", self.u32, 4)])
        both = b.add_union("", 8, [("skc_addrpair", self.u64, 0), ("", pair, 0)])
        ports = b.add_struct("", 4, [("skc_dport", self.u16, 0), ("skc_num", self.u16, 2)])
        common = b.add_struct(
            "sock_common", 64,
            [("", both, 0), ("", ports, 12), ("skc_family", self.u16, 16), ("skc_state", b.add_volatile(self.u8), 18),
             ("skc_v6_daddr", addr, 24), ("skc_v6_rcv_saddr", addr, 40)],
        )  # fmt: skip
        members = (Member("__sk_common", common, 0), Member("sk_err", self.s32, 8 * 100))
        b.define(self.sock, Struct("sock", 128, members))

    def _request(self) -> None:
        b = self.btf
        disk = b.add_struct("gendisk", 16, [("major", self.s32, 0), ("first_minor", self.s32, 4)])
        queue = b.add_struct("request_queue", 32, [("disk", b.add_ptr(disk), 24)])
        b.define(self.request, Struct("request", 64, (Member("q", b.add_ptr(queue), 0),
                                                      Member("__sector", self.u64, 8 * 40))))  # fmt: skip

    def _events(self) -> None:
        b = self.btf
        states = (("TCP_ESTABLISHED", 1), ("TCP_SYN_SENT", 2), ("TCP_SYN_RECV", 3))
        b.add(Enum("", 4, states))
        entry = b.add_struct("trace_entry", 8, [("type", self.u16, 0), ("flags", self.u8, 2), ("pid", self.s32, 4)])
        text = b.add_array(self.char, 16)
        b.add_struct("trace_event_raw_sched_switch", 64, [
            ("ent", entry, 0), ("prev_comm", text, 8), ("prev_pid", self.s32, 24), ("prev_state", self.s64, 32),
            ("next_comm", text, 40), ("next_pid", self.s32, 56),
        ])  # fmt: skip
        task = b.add_ptr(self.task)
        b.add_struct("trace_event_raw_sched_process_exec", 24, [
            ("ent", entry, 0), ("__data_loc_filename", self.u32, 8), ("pid", self.s32, 12), ("old_pid", self.s32, 16),
            ("__data", b.add_array(self.char, 0), 20),
        ])  # fmt: skip
        self._trace("sched_wakeup", [("", self.void), ("p", task)])
        self._trace("sched_wakeup_new", [("", self.void), ("p", task)])
        self._trace("sched_switch", [("", self.void), ("preempt", self.bool), ("prev", task), ("next", task),
                                     ("prev_state", self.u32)])  # fmt: skip
        self._trace("sched_pi_setprio", [("", self.void), ("tsk", task), ("pi_task", task)])
        self._trace("block_rq_issue", [("", self.void), ("rq", b.add_ptr(self.request))])
        self._trace("block_rq_complete", [("", self.void), ("rq", b.add_ptr(self.request)), ("error", self.u8),
                                          ("nr_bytes", self.u32)])  # fmt: skip

    def _trace(self, name: str, params: Iterable[tuple[str, int]]) -> None:
        b = self.btf
        rows = list(params)
        b.add_typedef(f"btf_trace_{name}", b.add_ptr(b.add_func_proto(0, [("", kind) for _, kind in rows])))
        b.add_func(f"__traceiter_{name}", b.add_func_proto(self.s32, [("__data", rows[0][1]), *rows[1:]]))

    def _functions(self) -> None:
        b = self.btf
        sock, address = b.add_ptr(self.sock), b.add_ptr(b.add_fwd("sockaddr"))
        for name in ("tcp_v4_connect", "tcp_v6_connect"):
            self._function(name, self.s32, [("sk", sock), ("uaddr", address), ("addr_len", self.s32)])
        buffer = b.add_ptr(b.add_struct("sk_buff", 16, [("len", self.u32, 8)]))
        self._function("tcp_rcv_state_process", self.s32, [("sk", sock), ("skb", buffer)])
        inode = b.add_ptr(b.add_struct("inode", 16, [("i_ino", self.u64, 8)]))
        self._function(
            "bpf_lsm_file_open", self.s32, [("file", b.add_ptr(b.add_struct("file", 8, [("f_inode", inode, 0)])))]
        )
        task = b.add_ptr(self.task)
        self._function("finish_task_switch", task, [("prev", task)])
        self._function("bpf_task_weight", self.s32, [("p", task), ("by", self.u16), ("bytes", b.add_ptr(self.u8)),
                                                     ("bytes__sz", self.u32)])  # fmt: skip

    def _function(self, name: str, result: int, params: Iterable[tuple[str, int]]) -> None:
        self.btf.add(Func(name, self.btf.add(FuncProto(result, tuple(params)))))


def types() -> Btf:
    """The types."""
    return _Made().btf


@contextmanager
def in_use() -> Iterator[Any]:
    """`bpfvm.vmlinux`, whose types are these until the block ends. Types that were taken from it stay what they are."""
    before = vmlinux._kernel.path
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "vmlinux.btf")
        vmlinux._kernel.opened.setdefault(_NAME, open_index(path))
    vmlinux._kernel.path = _NAME
    try:
        yield vmlinux
    finally:
        vmlinux._kernel.path = before


@contextmanager
def in_use_offline() -> Iterator[None]:
    """The made-up kernel's types in offline tests; elsewhere those of the running kernel."""
    if os.environ.get("BPFVM_KERNEL") == "off":
        with in_use():
            yield
    else:
        yield


_NAME = "the made-up kernel"


def write(path: Path) -> Path:
    """The types as a file of raw BTF."""
    path.write_bytes(encode(types(), StringTable(), "little"))
    return path
