"""The arena: regions far apart at the same addresses in every run, and pointers that keep their region."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.memory import GAP, SIZE, Arena, Pointer


def test_addresses_are_the_same_in_every_run_and_regions_lie_apart() -> None:
    layouts = []
    for _ in range(2):
        arena = Arena()
        layouts.append([arena.allocate(f"r{size}", size, "test") for size in (1, 4096, 100_000, 1)])
    first, second = layouts
    assert [region.base for region in first] == [region.base for region in second]
    for one, two in itertools.pairwise(first):
        assert two.base - (one.base + one.size) >= GAP
    assert first[0].base >= GAP, "address 0 is never mapped"


def test_what_is_written_is_read_and_fresh_memory_is_zero() -> None:
    arena = Arena()
    region = arena.allocate("a", 64, "test")
    assert arena.read(region.base, 64) == bytes(64)
    arena.write(region.base + 8, b"abc")
    assert bytes(region.data[8:11]) == b"abc"


@given(st.integers(0, 1 << 33))
def test_every_address_is_found_in_its_region_or_nowhere(address: int) -> None:
    arena = Arena()
    regions = [arena.allocate(f"r{index}", 1 << (10 + index), "test") for index in range(6)]
    found = arena.find(address)
    inside = [region for region in regions if region.base <= address < region.base + region.size]
    assert [found] == inside if inside else True
    if found is not None and not inside:
        assert -GAP // 2 <= address - found.base < found.size + GAP // 2


def test_a_full_arena_says_what_did_not_fit() -> None:
    arena = Arena()
    arena.allocate("large", arena.size // 2, "test")
    with pytest.raises(Unavailable, match="second needs"):
        arena.allocate("second", arena.size // 2, "test")
    assert arena.size <= SIZE


def test_a_pointer_before_its_region_has_a_64_bit_number() -> None:
    region = Arena().allocate("a", 8, "test")
    assert Pointer(region, 4).address == region.base + 4
    assert Pointer(region, -region.base - 1).address == (1 << 64) - 1
