"""Maps of several runs that began alike as the maps of one: counters are summed, and what is no counter is not guessed.

The rule, for each map:

- what no run changed is as it was;
- a map of COUNTED whose values are unsigned 64-bit integers and nothing else (one, an array or a struct of them by
  BTF; without BTF, 8 bytes) is a map of counters: each run's difference to the start is added, modulo 2**64, per CPU
  where values are. A key that only some runs have counts from the start's value, or from 0;
- any other map, one in which a key of the start was deleted, and one that the user names, is each run's own.

Sums need no order, so they are those of one run over all inputs, provided that the program only adds to its counters.
"""

from __future__ import annotations

from collections.abc import Sequence

from bpfvm.core.bits import M64
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, DataSec, Int, Struct, Var
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.contents import MAX_NESTING

COUNTED = ("array", "hash", "percpu_array", "percpu_hash")
WORD = 8


def merged(spec: MapSpec, btf: Btf | None, start: Entries, ends: Sequence[Entries]) -> Entries | None:
    """The contents after all runs together, in the order of keys; None where each run's are its own."""
    if all(one == start for one in ends):
        return start
    if not counts(spec, btf):
        return None
    before = {key: _words(value) for key, value in start}
    sums: dict[bytes, list[int]] = {key: list(words) for key, words in before.items()}
    for end in ends:
        found = dict(end)
        if any(key not in found for key in before):
            return None
        for key, value in found.items():
            _add(sums, before, key, _words(value))
    per_cpu = any(isinstance(value, list) for end in ends for _, value in end)
    made: Entries = [(key, _value(words, spec.value_size, per_cpu)) for key, words in sums.items()]
    if "array" in spec.type:
        return sorted(made, key=lambda one: int.from_bytes(one[0], "little"))
    return sorted(made, key=lambda one: one[0])


def counts(spec: MapSpec, btf: Btf | None) -> bool:
    """Whether all of a map's values are counters."""
    if spec.type not in COUNTED or spec.value_size % WORD:
        return False
    if btf is None or not spec.value_type:
        return spec.value_size == WORD
    try:
        return _is_counter(btf, spec.value_type, 0) and btf.size_of(spec.value_type) == spec.value_size
    except LoadError:
        return False  # a type without an end or a size


def _is_counter(btf: Btf, kind: int, depth: int) -> bool:
    if depth > MAX_NESTING:
        return False
    match btf[btf.strip(kind)]:
        case Int() as found:
            return found.size == WORD and found.bits == 8 * WORD and not found.is_signed
        case Array() as found:
            return _is_counter(btf, found.type, depth + 1)
        case Struct() as found:
            places = [(one.offset, one.type) for one in found.members]
            return not any(one.bits for one in found.members) and _are_counters(btf, places, found.size, depth)
        case DataSec() as found:
            variables = [(8 * one.offset, btf[one.type]) for one in found.vars]
            inner = [(at, one.type) for at, one in variables if isinstance(one, Var)]
            return len(inner) == len(variables) and _are_counters(btf, inner, found.size, depth)
    return False


def _are_counters(btf: Btf, places: list[tuple[int, int]], size: int, depth: int) -> bool:
    """Whether members at these bits fill `size` bytes with counters."""
    end = 0
    for at, kind in sorted(places):
        if at != 8 * end or not _is_counter(btf, kind, depth + 1):
            return False
        end += btf.size_of(kind)
    return end == size > 0


def _words(value: bytes | list[bytes]) -> list[int]:
    """The counters of a value, those of CPUs one behind the other."""
    data = value if isinstance(value, bytes) else b"".join(value)
    return [int.from_bytes(data[at : at + WORD], "little") for at in range(0, len(data), WORD)]


def _add(sums: dict[bytes, list[int]], before: dict[bytes, list[int]], key: bytes, words: list[int]) -> None:
    known = before.get(key) or [0] * len(words)
    total = sums.setdefault(key, [0] * len(words))
    for at, (now, then) in enumerate(zip(words, known, strict=True)):
        total[at] = (total[at] + now - then) & M64


def _value(words: list[int], size: int, per_cpu: bool) -> bytes | list[bytes]:
    data = b"".join(word.to_bytes(WORD, "little") for word in words)
    return [data[at : at + size] for at in range(0, len(data), size)] if per_cpu else data
