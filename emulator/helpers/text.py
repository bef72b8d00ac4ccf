"""Helpers that make, print and compare text."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Stop, Value
from bpfvm.emulator.helpers.memory import Reader
from bpfvm.emulator.memory import Pointer
from bpfvm.emulator.printf import render, valid

LINE = 1024  # bytes of a line of the trace, with its zero
MOST = 12  # values of one format
PRINTK = 3  # values that trace_printk has in registers
_SNPRINTF, _PRINTK = "bpf_snprintf#165", "bpf_trace_printk#6"


class _Unwritten(Sequence[int]):
    """The values of trace_printk: one in a register that was never written may be there, and not be used."""

    def __init__(self, caller: Caller, values: list[Value]) -> None:
        self._caller, self._values = caller, values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        value = self._values[index]
        if value is None:
            raise Stop("helper", f"argument {index + 3} of {_PRINTK} is in a register that was never written")
        return self._caller.number(None, value)


def trace_printk(caller: Caller, form: bytes, size: int, values: list[Value]) -> int:
    """A line of the trace with up to three values: its length, or a negative errno."""
    return _line(caller, form, _Unwritten(caller, values[:PRINTK]))


def trace_vprintk(caller: Caller, form: bytes, size: int, data: bytes | None, length: int) -> int:
    """A line of the trace: its length, or a negative errno."""
    values = _values(data, length)
    return -errno.EINVAL if values is None else _line(caller, form, values)


def _line(caller: Caller, form: bytes, values: Sequence[int]) -> int:
    text, zero, _ = form.partition(b"\0")
    if not zero:
        return -errno.EINVAL
    made = render(text, values, Reader(caller.system.arena), LINE)
    if isinstance(made, int):
        return made
    shown = made[0].partition(b"\0")[0].decode("utf-8", "backslashreplace")
    caller.system.trace.append(shown.removesuffix("\n"))
    return made[1]


def _values(data: bytes | None, length: int) -> list[int] | None:
    """An array of u64; None for what cannot be one."""
    if length % 8 or length > 8 * MOST or (length and data is None):
        return None
    words = data or b""
    return [int.from_bytes(words[at : at + 8], "little") for at in range(0, length, 8)]


def snprintf(
    caller: Caller, to: Pointer | None, size: int, form: bytes, data: bytes | None, length: int
) -> int:  # fmt: skip
    """Text into memory: its whole length with the zero, or a negative errno. The verifier reads the format."""
    values = _values(data, length)
    if values is None:
        return -errno.EINVAL
    if not valid(form, len(values)):
        raise Stop("helper", f"argument 3 of {_SNPRINTF} is {form!r}, no format of {len(values)} values")
    made = render(form, values, Reader(caller.system.arena), size)
    if isinstance(made, int):
        return made
    if to is not None and size:
        caller.write(to, made[0] + b"\0", f"argument 1 of {_SNPRINTF}")
    return made[1] + 1


def strncmp(caller: Caller, one: bytes, size: int, other: bytes) -> int:
    """-1, 0 or 1."""
    a, b = one.partition(b"\0")[0], other[:size]
    a, b = a + b"\0" * (len(a) < size), b + b"\0" * (len(b) < size)
    return (a > b) - (a < b)


HELPERS: Mapping[str, Function] = {
    "trace_printk": trace_printk,
    "trace_vprintk": trace_vprintk,
    "snprintf": snprintf,
    "strncmp": strncmp,
}
