"""Numbers, structs and arrays in memory: loads, stores, copies of what a Reference names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.control.flow import aligned_to
from bpfvm.compiler.frontend.memory import kept
from bpfvm.compiler.frontend.numbers import addresses, compare
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    INT,
    MODULAR,
    Bad,
    Kind,
    Maybe,
    Nullable,
    Number,
    Pointer,
    Reference,
    Static,
    Value,
)
from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import M64, S32_MAX, S32_MIN, signed
from bpfvm.lang.helpers.callables import Comm, Reading
from bpfvm.lang.types.arrays import ArrayType, is_bytes
from bpfvm.lang.types.interval import BOOL, of_bits
from bpfvm.lang.types.layout import Layout, leaves, size_of
from bpfvm.lang.types.scalars import Storage, bool8, char
from bpfvm.lang.types.structs import Member

_WORD = 64
_WIDTHS = (8, 4, 2, 1)
_FEW = 8  # words that a copy holds in registers at once, where source and target may overlap


def get_word(f: Translation, one: Reference, size: int) -> Register:
    """A word of so many bytes, in parts where its address is no multiple of its size: the stack takes no others."""
    found: Register | None = None
    for at, width in words(size, _align(one)):
        part = f.load(one.base, 8 * width, one.offset + at)
        part = f.op("shl", part, f.number(8 * at)) if at else part
        found = part if found is None else f.op("or", found, part)
    assert found is not None, "a number has bytes"
    return found


def put_word(f: Translation, one: Reference, word: Register, size: int) -> None:
    """Store the low bytes of a word, in parts where its address is no multiple of their number."""
    for at, width in words(size, _align(one)):
        part = f.op("lshr", word, f.number(8 * at)) if at else word
        f.store(one.base, part, 8 * width, one.offset + at)


def _align(one: Reference) -> int:
    """What an access may rely on. The kernel takes any address in other memory than the stack."""
    return aligned_to(one) if one.space == "stack" else _WORD // 8


def load(f: Translation, one: Reference, storage: Storage) -> Number:
    """The number that stands at a place."""
    return extended(f, get_word(f, one, storage.size), storage)


def extended(f: Translation, word: Register, storage: Storage) -> Number:
    """The number that a word is which was loaded from such storage."""
    if storage is bool8:
        some = f.op("or", word, f.op("neg", word))  # its top bit is set unless the byte is 0
        return Number(BOOLEAN, BOOL, f.typed(BOOL, f.op("lshr", some, f.number(_WORD - 1))))
    if storage.is_big:
        word = f.op(f"bswap{storage.bits}", word)
    elif storage.is_signed and storage.bits < _WORD:
        word = f.op(f"sext{storage.bits}", word)
    kinds = frozenset({MODULAR[storage]}) if storage.is_modular else INT
    return Number(kinds, storage.range, f.typed(storage.range, word))


def load_bits(f: Translation, one: Reference, member: Member) -> Number:
    """The value of a bit-field; `one` is the unit that it stands in."""
    storage = member.type
    assert isinstance(storage, Storage), "bits are those of numbers"
    word = get_word(f, one, storage.size)
    if storage.is_big:
        word = f.op(f"bswap{storage.bits}", word)
    range = of_bits(member.bits, storage.is_signed)
    if storage.is_signed:
        word = f.op("shl", word, f.number(_WORD - member.bits - member.shift))
        word = f.op("ashr", word, f.number(_WORD - member.bits))
    else:
        word = f.op("lshr", word, f.number(member.shift)) if member.shift else word
        word = f.op("and", word, f.number((1 << member.bits) - 1)) if member.bits < _WORD else word
    return Number(INT, range, f.typed(range, word))


def store(f: Translation, one: Reference, storage: Storage, number: Number, node: ast.expr) -> None:
    """Store a number mod 2**bits."""
    if storage is bool8:
        number = _truth(f, number, node)
    word = f.register(f.state.known(number))
    if storage.is_big and number.constant is None:
        word = f.op(f"bswap{storage.bits}", word)
    elif storage.is_big:
        word = f.number(storage.wrap(number.constant or 0))
    put_word(f, one, word, storage.size)


def _truth(f: Translation, number: Number, node: ast.expr) -> Number:
    if number.kinds == BOOLEAN:
        return number
    truth = flow.truth_value(f, compare.truth(f, number, node), node)
    return truth if isinstance(truth, Number) else f.constant(0, BOOLEAN)


def store_bits(f: Translation, one: Reference, member: Member, number: Number) -> None:
    """Store a number's low bits into a bit-field."""
    storage, whole = member.type, (1 << member.bits) - 1
    assert isinstance(storage, Storage), "bits are those of numbers"
    word = f.op("and", f.register(number), f.number(whole))
    word = f.op("shl", word, f.number(member.shift)) if member.shift else word
    if member.bits < storage.bits:
        kept = get_word(f, one, storage.size)
        kept = f.op(f"bswap{storage.bits}", kept) if storage.is_big else kept
        word = f.op("or", f.op("and", kept, f.number(M64 & ~(whole << member.shift))), word)
    word = f.op(f"bswap{storage.bits}", word) if storage.is_big else word
    put_word(f, one, word, storage.size)


def words(size: int, align: int, at: int = 0) -> Iterator[tuple[int, int]]:
    """Offset and bytes of the widest aligned words that cover `size` bytes, the first of which is `at`."""
    end = at + size
    while at < end:
        width = next(one for one in _WIDTHS if one <= align and at % one == 0 and at + one <= end)
        yield at, width
        at += width


def copy(f: Translation, to: Reference, source: Reference, size: int) -> None:
    """Copy bytes, as if all were read before one is written."""
    pieces = list(_pieces(to, source, size))
    apart = _apart(to, source, size)
    for group in _groups(pieces, 1 if apart else len(pieces)):
        read = [f.load(source.base, 8 * width, source.offset + at) for at, width in group]
        for (at, width), word in zip(group, read, strict=True):
            f.store(to.base, word, 8 * width, to.offset + at)


def _groups(pieces: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    return (pieces[at : at + size] for at in range(0, len(pieces), max(size, 1)))


def _pieces(to: Reference, source: Reference, size: int) -> Iterator[tuple[int, int]]:
    """The numbers of the value one by one, where that is few: then each can stay in a register. Else wide words.

    Padding is copied as well: CPython copies it, and what lies in a packet may have any bytes there.
    """
    found, align = list(leaves(to.type)), min(aligned_to(to), aligned_to(source))
    if to.type is not source.type or len(found) > _FEW:
        return words(size, align)
    parts = {at: storage.size for at, storage in found}
    gaps = set(range(size)) - set(covered(to.type))
    parts |= {at: 1 + next(n for n in range(size) if at + n + 1 not in gaps) for at in gaps if at - 1 not in gaps}
    return (piece for at in sorted(parts) for piece in words(parts[at], align, at))


def _apart(to: Reference, source: Reference, size: int) -> bool:
    """Whether two places of `size` bytes do not overlap, or are the same."""
    if to.base is source.base:
        return abs(to.offset - source.offset) >= size or to.offset == source.offset
    mine, other = (one.objects if one.space == "stack" else frozenset() for one in (to, source))
    return bool(mine or other) and not mine & other


def assign(f: Translation, to: Reference, value: Value, node: ast.expr, what: str) -> None:
    """`to = value` for a struct or an array in memory: its bytes are copied. what: the target, for messages."""
    if isinstance(value, Bad) or kept.is_refused(f, to, node):
        return
    if isinstance(value, Reference) and value.type is to.type:
        if kept.is_refused(f, value, node):
            return
        copy(f, to, value, size_of(to.type))
        return
    if isinstance(value, Pointer):
        from bpfvm.compiler.frontend.pointers import reads  # which make what they read in memory

        if reads.assign(f, to, value, node):
            return
    data = constant_bytes(value)
    if is_bytes(to.type) and data is not None:
        put(f, to, data[: size_of(to.type)].ljust(size_of(to.type), b"\0"))
        return
    if is_bytes(to.type) and isinstance(value, Reference) and is_bytes(value.type):
        size, given = size_of(to.type), size_of(value.type)
        copy(f, to, value, min(size, given))
        if given < size:
            put(f, replace(to, offset=to.offset + given), bytes(size - given))
        return
    wrong(f, to.type, value, node, what)


def wrong(f: Translation, kind: Any, value: Value, node: ast.expr, what: str) -> None:
    """E020: a value of another type than the place takes."""
    if isinstance(value, Maybe | Nullable):
        f.may_be_none(node, value)
        return
    if isinstance(value, Static) and isinstance(value.object, Comm | Reading):
        text = f"call it: {f.quoted(node)}()"
    elif is_text(kind) and isinstance(value, Number) and Kind.U64 in value.kinds:
        text = f"is it an address? UserPtr[char]({f.quoted(node)}) copies the text there, KernelPtr[char] the kernel's"
    elif is_bytes(kind):
        text = 'store bytes: b"..." or another array of bytes'
    elif isinstance(kind, ArrayType):
        text = f"store an array of the same type: {kind.__name__}(...)"
    else:
        number = addresses.number(f, value, node)
        text = f"store {an(kind.__name__)}" if isinstance(kind, Layout) else f"store {number or 'a number'}"
    size = f" ({octets(size_of(kind))})" if isinstance(kind, Layout) else ""
    f.error(
        "E020", f"{what} must be `{kind.__name__}`{size}, and `{f.quoted(node)}` is {value.described}", node, help=text
    )


def constant_bytes(value: Value) -> bytes | None:
    """The bytes of a text that is known."""
    if not isinstance(value, Static):
        return None
    return value.object.encode() if isinstance(value.object, str) else _bytes(value.object)


def _bytes(found: Any) -> bytes | None:
    return found if isinstance(found, bytes) else None


def put(f: Translation, to: Reference, data: bytes, skip: frozenset[int] = frozenset()) -> None:
    """Store bytes that are known, but for those at the offsets of `skip`."""
    for at, width in words(len(data), aligned_to(to)):
        _put(f, to, data, at, width, skip)


def _put(f: Translation, to: Reference, data: bytes, at: int, width: int, skip: frozenset[int]) -> None:
    left = [place for place in range(at, at + width) if place in skip]
    if len(left) == width:
        return
    word = int.from_bytes(data[at : at + width], "little")
    if left or (width == _WIDTHS[0] and not S32_MIN <= signed(word, _WORD) <= S32_MAX):  # no immediate holds it
        _put(f, to, data, at, width // 2, skip)
        _put(f, to, data, at + width // 2, width // 2, skip)
        return
    f.store(to.base, f.number(word), 8 * width, to.offset + at)


def covered(kind: Layout) -> Iterator[int]:
    """The bytes of a value that are no padding."""
    return (at + byte for at, storage in leaves(kind) for byte in range(storage.size))


def is_text(kind: Any) -> bool:
    """Whether a type is an array of char."""
    return isinstance(kind, ArrayType) and kind.__element__ is char
