"""Helpers that read numbers out of text: strtol, strtoul. Measured on 6.18, compared in kernel_tests."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping

from bpfvm.core.bits import M64
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.memory import Pointer

BASES = (0, 8, 10, 16)
MOST = 63  # bytes behind blanks and sign that are looked at
BLANKS = b"\t\n\v\f\r \xa0"  # the kernel's are Latin-1
_DIGITS = {base: re.compile(b"[%s]*" % b"0123456789abcdefABCDEF"[: 22 if base == 16 else base]) for base in BASES[1:]}


def _parse(text: bytes, flags: int) -> tuple[bool, int, int]:
    """Whether there is a minus, the number, and how many bytes it has; or a negative errno in place of the bytes."""
    base = flags & 0x1F
    if base not in BASES or flags >> 5:
        return False, 0, -errno.EINVAL
    rest = text.lstrip(BLANKS)
    minus = rest.startswith(b"-")
    at = len(text) - len(rest) + minus
    rest = text[at : at + MOST].partition(b"\0")[0]
    base, prefix = _radix(rest, base)
    found = _DIGITS[base].match(rest, prefix)
    digits = found[0] if found is not None else b""
    if not digits:
        return minus, 0, -errno.EINVAL
    number = int(digits, base)
    return (minus, number, at + prefix + len(digits)) if number <= M64 else (minus, 0, -errno.ERANGE)


def _radix(text: bytes, base: int) -> tuple[int, int]:
    """The base, and bytes of the prefix that tells it."""
    hexadecimal = text[:2].lower() == b"0x"
    if base == 0:
        if not text.startswith(b"0"):
            return 10, 0
        if not hexadecimal or not re.match(b"[0-9a-fA-F]", text[2:]):
            return 8, 0
        return 16, 2
    return base, 2 if base == 16 and hexadecimal else 0


def strtol(caller: Caller, text: bytes, size: int, flags: int, to: Pointer) -> int:
    """A signed number at the start of text: how many bytes it has, or a negative errno, and then 0 is stored."""
    minus, number, result = _parse(text, flags)
    if result >= 0 and number > (1 << 63) - (not minus):
        result = -errno.ERANGE
    value = (-number if minus else number) if result >= 0 else 0
    caller.write(to, (value & M64).to_bytes(8, "little"), "argument 4 of bpf_strtol#105")
    return result


def strtoul(caller: Caller, text: bytes, size: int, flags: int, to: Pointer) -> int:
    """As strtol, for numbers without a sign."""
    minus, number, result = _parse(text, flags)
    if result >= 0 and minus:
        result = -errno.EINVAL
    caller.write(to, (number if result >= 0 else 0).to_bytes(8, "little"), "argument 4 of bpf_strtoul#106")
    return result


HELPERS: Mapping[str, Function] = {"strtol": strtol, "strtoul": strtoul}
