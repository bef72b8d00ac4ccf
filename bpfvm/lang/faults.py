"""Faults: the exceptions by which a program ends early, in CPython and in its compiled form alike."""

from __future__ import annotations


class PacketError(IndexError):
    """A read past the end of the packet."""


class ProbeError(OSError):
    """Memory behind a pointer that cannot be read, in a program that ends by it: `probe="fault"`."""


LOOP_TURNS = 1 << 23  # of one loop, on every machine: what the kernel allows bpf_loop and may_goto


class LoopLimit(RuntimeError):
    """A loop has made as many turns as one may make. file, line: of the loop's statement, where it is known."""

    file: str = ""
    line: int | None = None


OVERFLOW = "an exact integer does not fit in s64"  # an OverflowError of ints="checked"; CPython goes on there


class MapError(OSError):
    """A map has no room for what is stored in it, or cannot take it now."""


# What a run in CPython may raise as the language defines it; the compiled program leaves by its fault exit with the
# same kind at the same line. Anything else that a function raises is an error of the function.
FAULTS: tuple[type[Exception], ...] = (
    PacketError, IndexError, KeyError, MapError, ZeroDivisionError, ValueError, AssertionError, LoopLimit, ProbeError,
)  # fmt: skip

# The hidden map of one u32 in which a program compiled with fault records notes the site of a fault, plus one.
RECORD = "bpfvm.fault"
