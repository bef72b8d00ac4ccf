"""Storage types: casts, bytes, ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.lang.types.scalars import SCALARS, Storage, be16, be32, s8, u8, u32, u64


@given(st.sampled_from(SCALARS), st.integers(-(1 << 70), 1 << 70))
def test_a_cast_is_what_memory_gives_back(cls: Storage, number: int) -> None:
    stored = cls.pack(number)
    assert len(stored) == cls.size
    assert cls.unpack(stored) in cls.range
    if not cls.is_big:
        assert cls(number) == cls.unpack(stored)
        assert (int(cls(number)) - number) % (1 << cls.bits) == 0


@given(st.integers(0, 0xFFFF))
def test_big_endian_types_read_network_order(number: int) -> None:
    assert be16(number) == int.from_bytes(number.to_bytes(2, "little"), "big")
    assert be16.unpack(number.to_bytes(2, "big")) == number
    assert be32(be32(number)) == number


def test_narrow_casts_give_plain_ints() -> None:
    assert type(u32(-1)) is int
    assert u32(-1) == u32.max == 0xFFFF_FFFF
    assert s8(200) == -56
    assert type(u64(3)) is u64
    assert (u8.min, s8.min, s8.max) == (0, -128, 127)


def test_a_cast_of_no_integer_says_so() -> None:
    with pytest.raises(TypeError, match="u32 takes an integer, not str"):
        u32("7")
