"""Constant texts as arguments: where they may lie, and what a format of bpf_snprintf may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.core.bits import signed
from bpfvm.verifier.domain.regs import Reg
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.access import check_map_value

if TYPE_CHECKING:
    from bpfvm.verifier.callees.arguments import Call

_FLAGS, _DIGITS = frozenset("-+ #0"), frozenset("0123456789")
_NUMBERS = frozenset("diuxX")
_POINTERS = frozenset("KxsSB")  # kinds of %p


def check_text(walk: Walk, call: Call, at: int, reg: Reg) -> None:
    """Text in a map that nobody can write, ended by a zero."""
    assert reg.map is not None
    if reg.map.frozen is None:
        walk.refuse(f"R{at} does not point to a readonly map'")
    if reg.m:
        walk.refuse(f"R{at} is not a constant address'")
    if reg.map.spec.type != "array":
        walk.refuse("no direct value access support for this map type")
    start = reg.off + signed(reg.v, 64)
    size = reg.map.spec.value_size
    check_map_value(walk, at, reg, reg.off, max(size - start, 1))
    text, zero, _ = reg.map.frozen[start:size].partition(b"\0")
    if not zero:
        walk.refuse("string is not zero-terminated")
    call.text = text


def check_format(walk: Walk, call: Call) -> None:
    """bpf_snprintf: the format's arguments are as many as are given."""
    reg = walk.state.regs[5]
    if reg.m:
        return
    if not good_format(call.text or b"", reg.v // 8):
        walk.refuse("Invalid format string")


def good_format(text: bytes, count: int) -> bool:
    """Whether the kernel takes a format for so many arguments."""
    at, used = 0, 0
    if any(not (32 <= byte < 127 or byte in b"\t\n\v\f\r") for byte in text):
        return False
    characters = text.decode("ascii")
    while (at := characters.find("%", at)) >= 0:
        at += 1
        if characters[at : at + 1] == "%":
            at += 1
            continue
        if used >= count:
            return False
        found = _specifier(characters, at)
        if not found:
            return False
        used, at = used + 1, found
    return True


def _specifier(text: str, at: int) -> int:
    """The place behind a specifier that begins at `at`, 0 for none that is known."""
    while text[at : at + 1] in _FLAGS and at < len(text):
        at += 1
    while text[at : at + 1] in _DIGITS and at < len(text):
        at += 1
    kind = text[at : at + 1]
    if kind == "p":
        return _pointer(text, at + 1)
    if kind in ("s", "c"):
        return at + 1
    while text[at : at + 1] == "l" and at < len(text):
        at += 1
    return at + 1 if text[at : at + 1] in _NUMBERS and at < len(text) else 0


def _pointer(text: str, at: int) -> int:
    rest = text[at : at + 2]
    if rest[:1] in ("k", "u") and rest[1:] == "s":
        return at + 2
    if rest in ("i4", "i6", "I4", "I6"):
        return at + 2
    if not rest or not (rest[0].isalnum()) or rest[0] in _POINTERS:
        return at + (1 if rest[:1] in _POINTERS and rest else 0)
    return 0
