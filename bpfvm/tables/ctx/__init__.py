"""Context structures as programs see them (include/uapi/linux/bpf.h): fields, offsets, who may read and write what.

Facts are those of Linux 6.18 on x86_64: accesses were measured one by one, defaults with BPF_PROG_TEST_RUN.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.tables.ctx import packets, registers, sockets
from bpfvm.tables.ctx.field import Context, CtxField
from bpfvm.tables.progs import ProgramType

__all__ = ["CONTEXTS", "REGISTERS", "STRUCTURES", "Context", "CtxField", "context_of"]

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


def context_of(kind: ProgramType, arch: str = "x86_64") -> Context | None:
    """The context of programs of a type; of those that get registers, the architecture's. None for a plain buffer."""
    if kind.context is None:
        return None
    return REGISTERS[arch] if kind.context == registers.PT_REGS.name else CONTEXTS[kind.context]
