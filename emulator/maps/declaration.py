"""What BPF_MAP_CREATE takes of a declaration, measured on 6.18: sizes and flags by the table of map types, and limits.

The kernel's answer to the rest is -EINVAL or -E2BIG; here it is one line that says what is wrong and what would do.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, FLAGS, MapType, flag_bits

LARGEST = 4 << 20  # bytes of one piece of the kernel's memory (KMALLOC_MAX_SIZE)
PER_CPU = 32 << 10  # bytes of one CPU's piece (PCPU_MIN_UNIT_SIZE)
BUCKETS = 1 << 31  # entries from which on a table has no room for its buckets
HASHES = 15  # functions of a bloom filter, which map_extra counts
TOGETHER = (("rdonly", "wronly"), ("rdonly_prog", "wronly_prog"), ("no_common_lru", "numa_node"))

# type -> bytes that key and value together may have; of a trie the value alone
_TABLE = LARGEST - 49
ROOM: Mapping[str, int] = {
    "hash": _TABLE, "percpu_hash": _TABLE, "lru_hash": _TABLE, "lru_percpu_hash": _TABLE, "hash_of_maps": _TABLE,
    "queue": LARGEST, "stack": LARGEST, "bloom_filter": LARGEST, "lpm_trie": LARGEST - 280,
}  # fmt: skip


def check(spec: MapSpec) -> None:
    """LoadError for a declaration that the kernel refuses."""
    row = BY_NAME[spec.type]
    _check_sizes(spec, row)
    _check_entries(spec, row)
    _check_flags(spec, row)
    if row.inner and spec.inner is None:
        raise LoadError(f"map {spec.name}: {_kind(row)} needs a declaration of the maps inside it, and it has none")
    if row.name == "bloom_filter" and not 0 <= spec.extra <= HASHES:
        raise LoadError(f"map {spec.name}: map_extra {spec.extra} is not a number of hash functions, 0 to {HASHES}")
    if spec.extra and row.name not in ("bloom_filter", "arena"):
        raise LoadError(f"map {spec.name}: map_extra is {spec.extra}, and {_kind(row)} takes none")


def _check_sizes(spec: MapSpec, row: MapType) -> None:
    for what, sizes, size in (("keys", row.keys, spec.key_size), ("values", row.values, spec.value_size)):
        if size not in sizes:
            raise LoadError(f"map {spec.name}: {_kind(row)} has {what} of {_range(sizes)}, not {size}")
    room = ROOM.get(row.name)
    size = spec.value_size + (spec.key_size if room == _TABLE else 0)
    if room is not None and size > room:
        whole = "keys and values together" if room == _TABLE else "values"
        raise LoadError(f"map {spec.name}: {_kind(row)} has {whole} of at most {octets(room)}, not {size}")
    if row.per_cpu and spec.value_size > PER_CPU:
        raise LoadError(f"map {spec.name}: {_kind(row)} has values of at most {PER_CPU} bytes, not {spec.value_size}")


def _check_entries(spec: MapSpec, row: MapType) -> None:
    entries = spec.max_entries
    if row.entries == "any" and entries < 1:
        raise LoadError(f"map {spec.name}: {_kind(row)} has at least 1 entry, not {entries}")
    if row.entries == "any" and entries >= 1 << 32:
        raise LoadError(f"map {spec.name}: {_kind(row)} has less than 2**32 entries, not {entries}")
    if ROOM.get(row.name) == _TABLE and entries >= BUCKETS:
        raise LoadError(f"map {spec.name}: {_kind(row)} has less than {BUCKETS} entries, not {entries}")
    if row.entries == "none" and entries:
        raise LoadError(f"map {spec.name}: {_kind(row)} is declared with 0 entries, not {entries}")
    if row.entries == "one" and entries != 1:
        raise LoadError(f"map {spec.name}: {_kind(row)} has 1 entry, not {entries}")


def _check_flags(spec: MapSpec, row: MapType) -> None:
    other = spec.flags & ~row.allowed_flags
    if other:
        raise LoadError(f"map {spec.name}: {_kind(row)} does not take the flags {_flags(other)}")
    missing = row.required_flags & ~spec.flags
    if missing:
        raise LoadError(f"map {spec.name}: {_kind(row)} needs the flags {_flags(missing)}")
    for pair in TOGETHER:
        if flag_bits(" ".join(pair)) & ~spec.flags == 0:
            raise LoadError(f"map {spec.name}: the flags {pair[0]} and {pair[1]} exclude each other")


def _kind(row: MapType) -> str:
    return f"{'an' if row.name[0] in 'aeiou' else 'a'} {row.name}"


def _range(sizes: range | tuple[int, ...]) -> str:
    if isinstance(sizes, tuple):
        return f"{' or '.join(map(str, sizes))} bytes"
    if sizes.step > 1:
        return f"{sizes.start} bytes or more, a multiple of {sizes.step}"
    return f"at least {sizes.start}" if sizes.stop >= 1 << 32 else f"{sizes.start} to {octets(sizes.stop - 1)}"


def _flags(bits: int) -> str:
    names = [name for name, bit in FLAGS.items() if bits & bit]
    rest = bits & ~flag_bits(" ".join(FLAGS))
    return ", ".join(names + ([hex(rest)] if rest else []))
