"""Helpers on how a program goes on and what the system call that it watches returns."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32, M64, signed
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop

MOST_LOOPS = 1 << 23  # BPF_MAX_LOOPS


def loop(caller: Caller, count: int, function: int, context: Operand, flags: int) -> int:
    """How many times the callback ran; it ends the loop by 1."""
    if flags:
        return -errno.EINVAL
    count &= M32
    if count > MOST_LOOPS:
        return -errno.E2BIG
    for index in range(count):
        result = caller.call(function, (index, context))
        if result == 1:
            return index + 1
        if result:
            raise Stop("helper", f"argument 2 of bpf_loop#181, the callback, returned {result}, and must return 0 or 1")
    return count


def get_retval(caller: Caller) -> int:
    """What the system call will return: 0 at first, then what the run set."""
    return caller.system.retval & M64


def set_retval(caller: Caller, value: int) -> int:
    """Choose what the system call will return."""
    caller.system.retval = signed(value, 32)
    return 0


HELPERS: Mapping[str, Function] = {"loop": loop, "get_retval": get_retval, "set_retval": set_retval}
