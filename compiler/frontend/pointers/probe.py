"""Reads through pointers: bytes and texts copied to the stack by a probe-read helper, or a load where a pointer is
trusted; places in the kernel's structs by CO-RE, so that an object runs on kernels that lay them out otherwise."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from bpfvm.compiler.frontend.memory import access
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, Number, Pointer, Reference, Value
from bpfvm.compiler.ir.function import CoreAccess
from bpfvm.lang.types.interval import U64, of_bits
from bpfvm.lang.types.kernel import Field
from bpfvm.lang.types.pointers import PointerType, pointer_to
from bpfvm.lang.types.scalars import Storage
from bpfvm.lang.types.structs import Member

WORD = 8
SCRATCH = "probe"  # the word of the stack that numbers are copied to
_FURTHEST = (1 << 15) - 1  # bytes of a load's offset


def address(f: Translation, one: Pointer) -> Register:
    """The word of a pointer's address."""
    word = f.register(f.state.known(one.number))
    if one.path:
        word = f.builder.op("core_add", word, imm=one.offset, named=_core(f, "field_byte_offset", one))
    return f.op("add", word, f.number(one.beyond)) if one.beyond else word


def value(f: Translation, one: Pointer) -> Number:
    """The address as a number."""
    if not one.path and not one.beyond:
        return one.number
    return Number(INT, U64, address(f, one))


def _core(f: Translation, kind: str, one: Pointer) -> str:
    """The relocation of an instruction that asks for a field of the kernel's: its name among the function's."""
    access = CoreAccess(kind, one.root.__name__, one.path, one.root)
    key = str(access)
    f.target.core[key] = access
    return key


def number(f: Translation, one: Pointer, kind: Storage, field: Field | Member | None, node: ast.AST) -> Value:
    """The number, or the pointer, that stands at a place."""
    if field is not None and field.bits:
        return _bits(f, one, field, node)
    if one.trusted and one.path and not one.beyond and one.offset <= _FURTHEST:
        return _loaded(f, one, kind)
    to = scratch(f, node)
    copied(f, one, to, kind.size, node)
    return made(f, access.load(f, _stack(to), kind), kind)


def made(f: Translation, number: Value, kind: Storage, trusted: bool = False) -> Value:
    """A number that was read, as the pointer that it is where its type says so."""
    if not isinstance(number, Number):
        return number
    return Pointer(kind, number, trusted=trusted) if isinstance(kind, PointerType) else replace(number, foreign=True)


def _loaded(f: Translation, one: Pointer, kind: Storage) -> Value:
    """By a load, which the kernel's verifier takes of pointers whose type it knows; zeros behind a null."""
    key = _core(f, "field_byte_offset", one)
    word = f.builder.op(f"core_load{kind.bits}", address(f, _rooted(one)), imm=one.offset, named=key)
    return made(f, access.extended(f, word, kind), kind, trusted=_is_struct(kind))


def _rooted(one: Pointer) -> Pointer:
    """The pointer to the struct that a place is of."""
    return Pointer(pointer_to("kernel", one.root), one.number, trusted=one.trusted)


def _is_struct(kind: Storage) -> bool:
    """Whether the verifier knows what a pointer of this type points to, which was loaded through a trusted one."""
    from bpfvm.lang.types.kernel import KernelStruct

    if not isinstance(kind, PointerType) or kind.__space__ != "kernel":
        return False
    return isinstance(kind.__target__, KernelStruct) and kind.__target__.__whole__


def _bits(f: Translation, one: Pointer, field: Field | Member, node: ast.AST) -> Value:
    """A bit-field: its unit, then the bits. Of the kernel's, where they are is told by CO-RE."""
    storage = field.type
    assert isinstance(storage, Storage), "bits are those of numbers"
    to = scratch(f, node)
    if not one.path:
        copied(f, one, to, storage.size, node)
        return access.load_bits(f, _stack(to), Member(field.name, 0, storage, field.bits, field.shift))
    f.store(to, f.number(0), 8 * WORD)
    size = f.builder.op("core", imm=storage.size, named=_core(f, "field_byte_size", one))
    _probe(f, one.kind.__space__, to, size, address(f, one), node)
    word = f.load(to, 8 * WORD)
    for op, kind, amount in (
        ("shl", "field_lshift_u64", 8 * WORD - field.bits - field.shift),
        ("ashr" if storage.is_signed else "lshr", "field_rshift_u64", 8 * WORD - field.bits),
    ):
        word = f.op(op, word, f.builder.op("core", imm=amount, named=_core(f, kind, one)))
    range = of_bits(field.bits, storage.is_signed)
    return Number(INT, range, f.typed(range, word))


def scratch(f: Translation, node: ast.AST) -> Register:
    """The address of the word of the stack for numbers: what is in it is loaded before the next one comes."""
    for place, one in enumerate(f.target.slots):
        if one.name == SCRATCH:
            return f.builder.slot_of(place)
    return f.stack(SCRATCH, WORD, node)


def _stack(to: Register) -> Reference:
    kind: Any = None
    return Reference(kind, "stack", to)


def copied(f: Translation, one: Pointer, to: Register, size: int, node: ast.AST) -> None:
    """Copy bytes to an address."""
    _probe(f, one.kind.__space__, to, f.number(size), address(f, one), node)


def _probe(f: Translation, space: str, to: Register, size: Register, at: Register, node: ast.AST) -> None:
    f.stored(to)
    result = f.builder.helper(f"probe_read_{space}", to, size, at)
    _tested(f, space, result, "ne", node)


def word_at(f: Translation, at: Register, node: ast.AST) -> Register:
    """The word that stands at an address of the kernel's, as a number of which the verifier knows nothing."""
    to = scratch(f, node)
    f.stored(to)
    f.builder.helper("probe_read_kernel", to, f.number(WORD), at)
    return f.load(to, 8 * WORD)


def text(f: Translation, one: Pointer, to: Reference, size: int, node: ast.AST) -> None:
    """Copy a text with its zero to `to`, and zeros behind it."""
    access.put(f, to, bytes(size))
    f.stored(to.base)
    space = one.kind.__space__
    result = f.builder.helper(f"probe_read_{space}_str", f.pointer(to), f.number(size), address(f, one))
    _tested(f, space, result, "slt", node)


def _tested(f: Translation, space: str, result: Register, condition: str, node: ast.AST) -> None:
    if f.hook.probe == "fault":
        f.fault_if(condition, result, f.number(0), "ProbeError", f"{space} memory cannot be read", node)
