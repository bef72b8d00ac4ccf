"""Where the arguments of a USDT probe are: "-4@%edi 8@%rsi 4@$7 8@-8(%rbp)", a text in the note of the probe.

Each has its size in bytes, below 0 for a signed one, and an operand of the assembler: a register, a constant, memory
(sourceware.org/systemtap/wiki/UserSpaceProbeImplementation; operands of x86-64 in AT&T syntax).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.bits import M64
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.lang.types.pointers import fetch
from bpfvm.lang.types.scalars import Storage, s8, s16, s32, s64, u8, u16, u32, u64
from bpfvm.obj.executables import libraries
from bpfvm.obj.executables.symbols import Executable
from bpfvm.tables.ctx import CONTEXTS

_TYPES = {(one.size, one.is_signed): one for one in (u8, u16, u32, u64, s8, s16, s32, s64)}
_ONE = re.compile(r"(-?)([1248])@(\S+(?:\([^)]*\))?)")
_MEMORY = re.compile(r"(-?(?:0x)?[0-9a-fA-F]*)\(%(\w+)(?:,%(\w+)(?:,([1248]))?)?\)")
_WORD = 8


def _names() -> Mapping[str, str]:
    """The registers' names, of every width, to those of pt_regs."""
    found = {f"r{number}{end}": f"r{number}" for number in range(8, 16) for end in ("", "d", "w", "b")}
    for one in ("ax", "bx", "cx", "dx"):
        found |= dict.fromkeys((f"r{one}", f"e{one}", one, f"{one[0]}l"), one)
    for one in ("si", "di", "bp", "sp"):
        found |= dict.fromkeys((f"r{one}", f"e{one}", one, f"{one}l"), one)
    return found


_REGISTERS = _names()


@dataclass(frozen=True, slots=True)
class Operand:
    """type: how it is read. base, index: offsets of registers in pt_regs, None for none. A register alone is the value;
    with `in_memory` what lies at base + index * scale + plus of the process; without a register `plus` is it.
    """

    type: Storage
    base: int | None = None
    index: int | None = None
    scale: int = 1
    plus: int = 0
    in_memory: bool = False

    def stored(self, context: bytes) -> bytes:
        """The bytes that the type reads, in CPython; `context` is pt_regs."""
        words = [0 if at is None else int.from_bytes(context[at : at + _WORD], "little") for at in
                 (self.base, self.index)]  # fmt: skip
        number = words[0] + words[1] * self.scale + self.plus & M64
        if self.in_memory:
            return fetch("user", number, self.type.size)
        return number.to_bytes(_WORD, "little")[: self.type.size]


def of_probe(target: str) -> list[Operand]:
    """The arguments of `file:provider:name`. UsageError, LoadError for a file or a probe that is not there, and for a
    probe whose places have them in different ones."""
    file, provider, name = target.split(":")
    path = libraries.find(file, None)
    texts = {one.arguments for one in Executable(path).probes(provider, name)}
    if not texts:
        raise LoadError(f"{path} has no USDT probe {provider}:{name}")
    if len(texts) > 1:
        raise UsageError(f"the probe {provider}:{name} has its arguments elsewhere at each of its {len(texts)} places")
    return parse(texts.pop())


def parse(text: str) -> list[Operand]:
    """The operands of a probe's text. UsageError for one that cannot be read."""
    found = []
    for one in text.split():
        matched = _ONE.fullmatch(one)
        operand = _operand(matched) if matched is not None else None
        if operand is None:
            raise UsageError(f"the argument {one!r} of a USDT probe is no register, constant or memory of x86-64")
        found.append(operand)
    return found


def _operand(one: re.Match[str]) -> Operand | None:
    kind, text = _TYPES[int(one[2]), bool(one[1])], one[3]
    if text.startswith("$"):
        try:
            return Operand(kind, plus=int(text[1:], 0))
        except ValueError:
            return None
    if text.startswith("%"):
        register = _register(text[1:])
        return None if register is None else Operand(kind, register)
    memory = _MEMORY.fullmatch(text)
    if memory is None:
        return None
    base, index = (None if name is None else _register(name) for name in (memory[2], memory[3]))
    if base is None or (index is None) != (memory[3] is None):
        return None
    plus = int(memory[1], 0) if memory[1] not in ("", "-") else 0
    return Operand(kind, base, index, int(memory[4] or 1), plus, in_memory=True)


def _register(name: str) -> int | None:
    field = CONTEXTS["pt_regs"].field(_REGISTERS.get(name, ""))
    return None if field is None else field.offset
