"""What a register holds, in words for who wrote the program."""

from __future__ import annotations

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32, M64, S64_MAX, S64_MIN
from bpfvm.verifier.domain.regs import (
    AT_END,
    BUFFER,
    COMMON,
    CTX,
    END,
    FLOW,
    FUNC,
    KEY,
    MAP,
    MEM,
    META,
    NONE,
    PACKET,
    SCALAR,
    SOCK,
    STACK,
    TCP,
    VALUE,
    Reg,
    text,
)

_NAMES = {
    CTX: "the context", MAP: "a map", VALUE: "a map value", KEY: "a map key", PACKET: "the packet",
    META: "the packet's metadata", END: "the packet's end", FLOW: "the flow keys", FUNC: "a function",
    SOCK: "a socket", COMMON: "a socket", TCP: "a TCP socket", BUFFER: "a tracepoint's buffer", MEM: "memory",
}  # fmt: skip
_SHORT = 1 << 16  # numbers below are shown in decimal


def held(reg: Reg) -> str:
    """In words; as the kernel shows it where there are none."""
    if reg.kind == NONE:
        return "nothing: it was not set on this path, or a call took it away"
    if reg.kind == SCALAR:
        return _number(reg)
    if reg.kind == STACK:
        fixed = not (reg.off or reg.v or reg.m)
        return "r10, the end of the stack" if fixed else f"a pointer to the stack, {_place(reg)} from r10"
    what = _NAMES.get(reg.kind)
    if what is None:
        return text(reg)
    words = f"a pointer to {what}"
    if reg.map is not None and reg.kind in (MAP, VALUE, KEY):
        words += f" of {reg.map.spec.name or 'a map without a name'}" if reg.kind != MAP else f" ({reg.map.spec.name})"
        words += f", {octets(reg.map.spec.value_size)}" if reg.kind == VALUE else ""
    elif reg.kind == MEM:
        words = f"a pointer to {octets(reg.size)} of {'a record' if reg.prefix == 'ringbuf_' else 'memory'}"
    if reg.off or reg.v or reg.m:
        words += f", {_place(reg)} from its start"
    if reg.kind in (PACKET, META):
        words += f"; {_known(reg)}"
    if reg.null:
        words += ", or null"
    return words


def _known(reg: Reg) -> str:
    if reg.range < 0:
        return f"it is {'at or ' if reg.range == AT_END else ''}behind the packet's end"
    start = "there" if not reg.m else "where the variable part of the offset leads"
    return f"{reg.range} bytes are known to be {start}" if reg.range else "no byte is known to be there"


def _place(reg: Reg) -> str:
    """An offset from where the pointer began."""
    low, high = reg.smin + reg.off, reg.smax + reg.off
    if not reg.m:
        return f"{low:+d} bytes"
    return f"{_end(low, S64_MIN + reg.off)} to {_end(high, S64_MAX + reg.off)} bytes"


def _end(value: int, anything: int) -> str:
    return "any number of" if value == anything else f"{value:+d}" if abs(value) < _SHORT else f"{value:+#x}"


def _number(reg: Reg) -> str:
    if not reg.m:
        return f"the number {_shown(reg.smin)}"
    if (reg.smin, reg.smax, reg.umin, reg.umax) == (S64_MIN, S64_MAX, 0, M64):
        halves = reg.umin32, reg.umax32
        part = f", whose low 32 bits are from {halves[0]} to {_shown(halves[1])}" if halves != (0, M32) else ""
        return f"a number of which nothing is known{part}"
    if reg.smin >= 0:
        return f"a number from {_shown(reg.umin)} to {_shown(reg.umax)}{_steps(reg)}"
    if reg.smin == S64_MIN and reg.smax == S64_MAX:
        return f"an unsigned number from {_shown(reg.umin)} to {_shown(reg.umax)}"
    low, high = (_shown(reg.smin) if reg.smin != S64_MIN else "the least"), _shown(reg.smax)
    return f"a signed number from {low} to {high if reg.smax != S64_MAX else 'the greatest'}{_steps(reg)}"


def _steps(reg: Reg) -> str:
    """That the low bits are known to be 0."""
    zeros = ((reg.v | reg.m) & -(reg.v | reg.m)).bit_length() - 1
    return f", a multiple of {1 << zeros}" if zeros > 0 else ""


def _shown(value: int) -> str:
    return str(value) if abs(value) < _SHORT else f"{value:#x}"
