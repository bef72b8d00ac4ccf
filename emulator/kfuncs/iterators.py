"""Loops with a body in place: numbers, and set bits. What is counted stands in the program's stack, as in the kernel.

struct bpf_iter_num     s32 last number given, s32 end
struct bpf_iter_bits    u64 the words, where there is one, s32 bits in all, s32 last bit given
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping

from bpfvm.core.bits import M32, signed
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.helpers.memory import Reader
from bpfvm.emulator.memory import Pointer

MOST_NUMBERS = 1 << 23  # BPF_MAX_LOOPS
MOST_WORDS = 511  # BITS_ITER_NR_WORDS_MAX
_NUMBERS, _BITS = struct.Struct("<ii"), struct.Struct("<Qii")


def _begin(caller: Caller, it: Pointer, words: bytes, kind: str, data: bytes = b"") -> None:
    caller.write(it, words, "the iterator")
    caller.system.iterators[it.address] = kind, data
    caller.system.owned[it.address] = f"an iterator of {kind}, never destroyed"


def _known(caller: Caller, it: Pointer, kind: str, size: int) -> tuple[bytes, bytes]:
    """The iterator's bytes, and the words that it goes through. Stop for what is none."""
    found, data = caller.system.iterators.get(it.address, ("", b""))
    if found != kind:
        place = f"{it.region.name}+{it.offset}"
        raise Stop("helper", f"argument 1 of an iterator of {kind} points to {place}, where none was begun")
    return caller.read(it, size, "the iterator"), data


def _end(caller: Caller, it: Pointer, kind: str, size: int) -> None:
    _known(caller, it, kind, size)
    del caller.system.iterators[it.address], caller.system.owned[it.address]


def iter_num_new(caller: Caller, it: Pointer, start: int, end: int) -> int:
    """0, or -EINVAL, -E2BIG, and nothing to count."""
    first, last = signed(start & M32, 32), signed(end & M32, 32)
    result = -errno.EINVAL if first > last else -errno.E2BIG if last - first > MOST_NUMBERS else 0
    before = signed(first - 1 & M32, 32)
    _begin(caller, it, _NUMBERS.pack(0, 0) if result else _NUMBERS.pack(before, last), "numbers")
    return result


def iter_num_next(caller: Caller, it: Pointer) -> Operand:
    """The iterator's own first bytes, which hold the number."""
    words, _ = _known(caller, it, "numbers", _NUMBERS.size)
    last, end = _NUMBERS.unpack(words)
    number = signed(last + 1 & M32, 32)
    if number >= end:
        caller.write(it, _NUMBERS.pack(0, 0), "the iterator")
        return 0
    caller.write(it, _NUMBERS.pack(number, end), "the iterator")
    return it


def iter_num_destroy(caller: Caller, it: Pointer) -> None:
    """The iterator is none from now on."""
    _end(caller, it, "numbers", _NUMBERS.size)
    caller.write(it, bytes(_NUMBERS.size), "the iterator")


def iter_bits_new(caller: Caller, it: Pointer, address: int, count: int) -> int:
    """0, or a negative errno and no bits."""
    count &= M32
    data: bytes | None = b""
    result = -errno.EINVAL if not address or not count else -errno.E2BIG if count > MOST_WORDS else 0
    if not result:
        data = Reader(caller.system.arena).peek(address, 8 * count)
        result = -errno.EFAULT if data is None else 0
    data = data or b""
    word = int.from_bytes(data, "little") if len(data) == 8 else 0
    _begin(caller, it, _BITS.pack(word, 8 * len(data), -1 if data else 0), "bits", data)
    return result


def iter_bits_next(caller: Caller, it: Pointer) -> Operand:
    """Where the iterator holds the bit's number."""
    words, data = _known(caller, it, "bits", _BITS.size)
    word, count, last = _BITS.unpack(words)
    if last >= count:
        return 0
    rest = int.from_bytes(data, "little") >> last + 1
    bit = last + 1 + ((rest & -rest).bit_length() - 1) if rest else count
    caller.write(it, _BITS.pack(word, count, bit), "the iterator")
    return it.moved(12) if bit < count else 0


def iter_bits_destroy(caller: Caller, it: Pointer) -> None:
    """The iterator is none from now on."""
    _end(caller, it, "bits", _BITS.size)


FUNCTIONS: Mapping[str, Function] = {
    "bpf_iter_num_new": iter_num_new,
    "bpf_iter_num_next": iter_num_next,
    "bpf_iter_num_destroy": iter_num_destroy,
    "bpf_iter_bits_new": iter_bits_new,
    "bpf_iter_bits_next": iter_bits_next,
    "bpf_iter_bits_destroy": iter_bits_destroy,
}
