"""Context structures as programs see them (include/uapi/linux/bpf.h): fields, offsets, who may read and write what.

Facts are those of Linux 6.18 on x86_64: accesses were measured one by one, defaults with BPF_PROG_TEST_RUN.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.tables.ctx import packets, registers, sockets
from bpfvm.tables.ctx.field import Context, CtxField

__all__ = ["CONTEXTS", "REGISTERS", "STRUCTURES", "Context", "CtxField"]

_ALL = (
    packets.XDP_MD, packets.SK_BUFF, sockets.SOCK, sockets.SOCK_ADDR, sockets.SOCK_OPS, sockets.SK_MSG,
    sockets.SK_REUSEPORT, sockets.SK_LOOKUP, sockets.SOCKOPT, sockets.SYSCTL, sockets.DEVICE, sockets.NETFILTER,
    registers.PT_REGS, registers.PERF_EVENT, registers.RAW_TRACEPOINT,
)  # fmt: skip

CONTEXTS: Mapping[str, Context] = {row.name: row for row in _ALL}

# What contexts point to, beside sockets, which are bpf_sock.
STRUCTURES: Mapping[str, Context] = {packets.FLOW_KEYS.name: packets.FLOW_KEYS}

# By the architecture's name in platform.machine(): the registers that a kprobe program gets.
REGISTERS: Mapping[str, Context] = {"x86_64": registers.PT_REGS, "aarch64": registers.USER_PT_REGS}
