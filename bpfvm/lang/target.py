"""What compiled code may rely on: the instructions of a -mcpu, and what the kernels that it is for can do.

The levels are those of compilers for BPF (LLVM's BPFTargetLowering; RFC 9669 section 2.4 groups the same instructions):

    v1  the first set
    v2  jlt, jle, jslt, jsle                          kernels from 4.14 on
    v3  32-bit operations and jumps                   from 5.1 on
    v4  signed division and moves, bswap, gotol       from 6.6 on
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.errors import UsageError

LEVELS = {"v1": 1, "v2": 2, "v3": 3, "v4": 4}


@dataclass(frozen=True, slots=True)
class Target:
    """cpu: 1 to 4. may_goto: loops may be bounded by the kernel's own count (kernels from 6.9 on). loop: they may be
    made by bpf_loop (from 5.17 on), which is done where may_goto is not there."""

    cpu: int = 3
    may_goto: bool = True
    loop: bool = True

    @classmethod
    def named(cls, level: str, may_goto: bool = True, loop: bool = True) -> Target:
        """The target of a level's name. Raises UsageError for another one."""
        if level not in LEVELS:
            raise UsageError(f"there is no -mcpu {level!r}; there are {', '.join(LEVELS)}")
        return cls(LEVELS[level], may_goto, loop)


DEFAULT = Target()
