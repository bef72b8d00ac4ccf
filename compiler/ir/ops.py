"""The IR op table: one row an operation, with what passes may assume of it.

All operations are total, as BPF's are: shift counts are masked to 6 bits, division by zero gives 0, modulo by zero the
dividend. Words are computed modulo 2**64. `fold` is the instruction table's own function: one semantics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.core.bits import M64, mask, signed, swapped
from bpfvm.isa.ops import BY_NAME as ISA

MOST_ARGUMENTS = 5  # of a call: r1 to r5 (RFC 9669 section 2)
CALLS = ("call", "function")  # what names a function that is then part of the program


@dataclass(frozen=True, slots=True)
class IrOp:
    """One row. args: the number of operands, None for up to MOST_ARGUMENTS. imm: whether it carries a number.

    named: what its name is of, "map", "helper", "kfunc", "function" or "core"; "" for none. pure: it depends on its
    operands alone. reads, writes: memory. insn: the ALU instruction that computes it, without its width and operand
    form. bits: of the access or of the conversion. cpu: the first level of lang.target that has it.
    """

    name: str
    args: int | None
    pure: bool = False
    reads: bool = False
    writes: bool = False
    commutes: bool = False
    imm: bool = False
    named: str = ""
    insn: str = ""
    bits: int = 64
    cpu: int = 1
    fold: Callable[..., int] | None = None


def _isa(insn: str) -> Callable[..., int]:
    value = ISA[f"{insn}64_x"].value
    assert value is not None, insn
    return lambda a, b: value(a, b, 64) & M64


def _binary(name: str, insn: str, commutes: bool = False, cpu: int = 1) -> IrOp:
    return IrOp(name, 2, pure=True, commutes=commutes, insn=insn, cpu=cpu, fold=_isa(insn))


_UPDATES = ("add", "or", "and", "xor")


def _memory() -> list[IrOp]:
    rows = []
    for bits in (8, 16, 32, 64):
        rows += [
            IrOp(f"load{bits}", 1, reads=True, imm=True, bits=bits),
            IrOp(f"store{bits}", 2, writes=True, imm=True, bits=bits),
        ]
    for bits in (32, 64):
        rows += [
            IrOp(f"atomic_{name}{bits}", 2, reads=True, writes=True, imm=True, bits=bits)
            for name in (*_UPDATES, *(f"fetch_{name}" for name in _UPDATES), "xchg")
        ]
        rows.append(IrOp(f"atomic_cmpxchg{bits}", 3, reads=True, writes=True, imm=True, bits=bits))
    return rows


def _core() -> list[IrOp]:
    """What CO-RE decides when an object is loaded; imm is what it is by the types that the program is compiled with."""
    return [
        IrOp("core", 0, pure=True, imm=True, named="core"),  # a number
        IrOp("core_add", 1, pure=True, imm=True, named="core"),  # the operand and so many bytes
        *(IrOp(f"core_load{bits}", 1, reads=True, imm=True, named="core", bits=bits) for bits in (8, 16, 32, 64)),
    ]


def _legacy() -> list[IrOp]:
    """A number of the packet behind an skb, big-endian, at imm plus the operand, where there is one. Past the packet's
    end it ends the program with 0 (RFC 9669 section 5.5)."""
    return [IrOp(f"skb{bits}", None, reads=True, writes=True, imm=True, bits=bits) for bits in (8, 16, 32)]


def _conversions() -> list[IrOp]:
    rows = []
    for bits in (8, 16, 32):
        rows += [
            IrOp(f"zext{bits}", 1, pure=True, bits=bits, fold=lambda a, bits=bits: a & mask(bits)),
            IrOp(f"sext{bits}", 1, pure=True, bits=bits, fold=lambda a, bits=bits: signed(a, bits) & M64),
        ]
    for bits in (16, 32, 64):  # the low bits in the opposite byte order, zero-extended
        rows.append(IrOp(f"bswap{bits}", 1, pure=True, bits=bits, fold=lambda a, bits=bits: swapped(a, bits)))
    return rows


_ROWS: tuple[IrOp, ...] = (
    IrOp("const", 0, pure=True, imm=True),
    _binary("add", "add", commutes=True),
    _binary("sub", "sub"),
    _binary("mul", "mul", commutes=True),
    _binary("udiv", "div"),
    _binary("umod", "mod"),
    _binary("sdiv", "sdiv", cpu=4),  # towards zero
    _binary("smod", "smod", cpu=4),
    _binary("and", "and", commutes=True),
    _binary("or", "or", commutes=True),
    _binary("xor", "xor", commutes=True),
    _binary("shl", "lsh"),
    _binary("lshr", "rsh"),
    _binary("ashr", "arsh"),
    IrOp("neg", 1, pure=True, fold=lambda a: -a & M64),
    *_conversions(),
    IrOp("ctx", 0, pure=True),  # the context pointer
    IrOp("forget", 1, reads=True),  # the operand, of which the kernel's verifier shall know nothing
    IrOp("slot", 0, pure=True, imm=True),  # the address of stack object imm; its bytes are undefined until stored
    IrOp("map", 0, pure=True, named="map"),  # a map itself
    IrOp("map_value", 0, pure=True, imm=True, named="map"),  # byte imm of the value of a map of one entry
    IrOp("lookup", 2, reads=True),  # map, key (a word, cut to the key's size) -> map_value pointer or 0
    IrOp("update", 3, reads=True, writes=True),  # map, key, value (words, cut to their sizes) -> 0 or -errno
    IrOp("helper", None, reads=True, writes=True, named="helper"),  # a row of tables.helpers, its arguments as they are
    IrOp("kfunc", None, reads=True, writes=True, named="kfunc"),  # a row of tables.kfuncs
    IrOp("call", None, reads=True, writes=True, named="function"),  # a subprogram: one of Function.callees
    IrOp("function", 0, pure=True, named="function"),  # the address of a subprogram
    # At the head of a loop, not 0 where the helper that is named goes on: it calls the loop's body, and takes the
    # operands, without the function and what that gets. passes.outline makes the call of it.
    IrOp("again", None, reads=True, writes=True, named="helper"),
    IrOp("given", 1, pure=True, imm=True),  # of an `again`: argument imm that the helper calls the body with
    IrOp("outcome", 1, pure=True),  # of an `again`, behind the loop: r0 of the helper
    *_memory(),  # atomic_fetch_* and atomic_xchg* give the old value, as atomic_cmpxchg* (address, expected, new) does
    *_core(),
    *_legacy(),
)

IR_OPS: Mapping[str, IrOp] = {row.name: row for row in _ROWS}


def accepts(row: IrOp, count: int) -> bool:
    """Whether an operation of `row` may have so many operands."""
    return count <= MOST_ARGUMENTS if row.args is None else count == row.args


def operands(row: IrOp) -> str:
    """How many operands a row has, in words."""
    return f"up to {MOST_ARGUMENTS}" if row.args is None else str(row.args)


# Conditions of a branch, with the jump instruction for each and its opposite.
CONDITIONS: Mapping[str, str] = {
    "eq": "jeq", "ne": "jne", "ult": "jlt", "ule": "jle", "ugt": "jgt", "uge": "jge",
    "slt": "jslt", "sle": "jsle", "sgt": "jsgt", "sge": "jsge", "set": "jset",
}  # fmt: skip

OPPOSITES: Mapping[str, str] = {
    "eq": "ne", "ne": "eq", "ult": "uge", "uge": "ult", "ule": "ugt", "ugt": "ule",
    "slt": "sge", "sge": "slt", "sle": "sgt", "sgt": "sle",
}  # fmt: skip


def holds(condition: str, a: int, b: int) -> bool:
    """Whether a branch on two unsigned 64-bit words is taken."""
    test = ISA[f"{CONDITIONS[condition]}64_x"].test
    assert test is not None, condition
    return test(a & M64, b & M64, 64)
