"""Bloom filters: what was pushed is found, and what else is found is what a kernel's finds (BPF_F_ZERO_SEED)."""

from __future__ import annotations

import errno
import zlib
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.bloom import bit_count
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.maps import flag_bits

SEEDED = flag_bits("zero_seed")


def system_of(size: int = 4, entries: int = 10, functions: int = 0) -> System:
    return System(ObjectSpec({}, {"m": MapSpec("m", "bloom_filter", 0, size, entries, SEEDED, extra=functions)}), ["m"])


def made(size: int = 4, entries: int = 10, functions: int = 0) -> MapStore:
    return system_of(size, entries, functions).maps["m"]


def value(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")


@pytest.mark.parametrize(
    ("entries", "functions", "bits"),
    [
        (1, 1, 64),
        (4, 1, 64),
        (10, 5, 128),
        (9, 5, 64),
        (33, 2, 128),
        (1 << 20, 5, 1 << 23),
        ((1 << 32) - 1, 1, 1 << 32),
        (1 << 31, 2, 1 << 32),
        (1_533_916_891, 1, 1 << 31),
        (1_533_916_900, 1, 1 << 32),
    ],
)
def test_how_many_bits(entries: int, functions: int, bits: int) -> None:
    assert bit_count(entries, functions) == bits


def test_what_was_pushed_is_found() -> None:
    store = made(entries=50)
    for number in range(100):
        assert store.push(value(number, 4), 0) == 0
        assert store.contains(value(number, 4)) == 0
        assert store.sys_lookup(value(number, 4)) == value(number, 4)
    assert sum(store.contains(value(number, 4)) == -errno.ENOENT for number in range(1000, 1100)) > 20


def test_what_else_is_found_is_what_the_kernel_finds() -> None:
    """Sums of 2000 answers after some pushes, measured on 6.18 (kernel_tests/maps/test_map_bloom.py asks again)."""
    rows = [line.split() for line in Path(__file__).with_name("bloom.txt").read_text().splitlines()]
    for size, entries, functions, pushed, found, sum_ in rows:
        answers = asked(made(int(size), int(entries), int(functions)), int(size), int(pushed))
        assert (answers.count(0), zlib.crc32(answers)) == (int(found), int(sum_, 16)), (size, entries, functions)
    assert len(rows) >= 8


def asked(store: MapStore, size: int, pushed: int) -> bytes:
    """One byte an answer, 0 where the value is found."""
    for number in range(pushed):
        assert store.sys_update(b"", value(number * 7, size)) == 0
    return bytes(store.sys_lookup(value(number, size)) == -errno.ENOENT for number in range(2000))


@pytest.mark.parametrize("flags", [1, 2, 3, 4, 8, 1 << 63])
def test_flags_that_are_refused(flags: int) -> None:
    store = made()
    assert store.push(bytes(4), flags) == store.sys_update(b"", bytes(4), flags) == -errno.EINVAL
    assert store.sys_lookup(bytes(4), flags) == -errno.EINVAL
    assert store.contains(bytes(4)) == -errno.ENOENT


def test_nothing_is_taken_out() -> None:
    store = made()
    assert store.push(bytes(4), 0) == 0
    assert store.sys_delete(b"") == store.next_key(None) == -errno.EOPNOTSUPP
    assert store.sys_lookup_and_delete(b"") == -524
    assert store.entries() == []
    with pytest.raises(Stop, match="map_lookup_elem does not take a bloom_filter map"):
        store.lookup(b"")
    with pytest.raises(Stop, match="map_pop_elem does not take a bloom_filter map"):
        store.pop()


def test_the_arena_is_the_filter() -> None:
    system = system_of()
    store = system.maps["m"]
    kept = system.snapshot()
    assert store.push(b"abcd", 0) == 0
    system.restore(kept)
    assert store.contains(b"abcd") == -errno.ENOENT


def test_declarations_that_no_kernel_takes() -> None:
    with pytest.raises(LoadError, match="map_extra 16 is not a number of hash functions, 0 to 15"):
        made(functions=16)
    with pytest.raises(LoadError, match="bloom_filter"):
        made(size=0)
    with pytest.raises(LoadError, match="bloom_filter"):
        made(entries=0)
