"""Helpers on time, chance and the CPU that runs.

All clocks show the one virtual time, which each reading moves on by a step; its tick is that of a kernel with 250 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller

HZ = 250
TICK = 1_000_000_000 // HZ  # ns
FIRST_JIFFIES = -300 * HZ & M32  # a kernel starts so that 32 bits overflow after five minutes


def ktime(caller: Caller) -> int:
    """The virtual time in ns, of whichever clock."""
    return caller.system.clock()


def ktime_get_coarse_ns(caller: Caller) -> int:
    """The virtual time in ns, as of the last tick."""
    return caller.system.clock() // TICK * TICK


def jiffies64(caller: Caller) -> int:
    """Ticks."""
    return FIRST_JIFFIES + caller.system.clock() // TICK


def get_prandom_u32(caller: Caller) -> int:
    """32 bits of chance, from the input's seed."""
    return caller.system.random.getrandbits(32)


def get_smp_processor_id(caller: Caller) -> int:
    """The virtual CPU that runs."""
    return caller.system.cpu


def get_numa_node_id(caller: Caller) -> int:
    """There is one node."""
    return 0


HELPERS: Mapping[str, Function] = {
    "ktime_get_ns": ktime,
    "ktime_get_boot_ns": ktime,
    "ktime_get_tai_ns": ktime,
    "ktime_get_coarse_ns": ktime_get_coarse_ns,
    "jiffies64": jiffies64,
    "get_prandom_u32": get_prandom_u32,
    "get_smp_processor_id": get_smp_processor_id,
    "get_numa_node_id": get_numa_node_id,
}
