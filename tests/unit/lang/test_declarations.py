"""Maps, packets and signatures as users write them: what is refused, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import bpf
from bpfvm.core.errors import UsageError
from bpfvm.lang.functions.callee import callee
from bpfvm.lang.functions.signature import signature
from bpfvm.lang.maps import Array, ArrayOf, Hash, ProgArray, Queue
from bpfvm.lang.packets.headers import HEADERS, ROOTS
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.scalars import be16, s8, u8, u32, u64


def test_outside_of_a_run_maps_and_packets_say_so() -> None:
    hits = Array(u64, 4, name="hits")
    with pytest.raises(UsageError, match=r"map hits has a meaning only while a program runs"):
        hits[0]
    with pytest.raises(UsageError, match=r"pkt.ip.proto has a meaning only while"):
        _ = pkt.ip.proto
    with pytest.raises(IndexError, match=r"index 4 is outside of hits \(4 entries\)"):
        hits[4]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Array(int, 4), "the value type must be a storage type"),
        (lambda: Hash(u32, str), "the value type must be a storage type"),
        (lambda: Hash(int, u32), "the key type must be a storage type"),
        (lambda: Hash(u32, u8[4], default=0), "a default is a number"),
        (lambda: Array(u64, 0), "max_entries must be from 1"),
        (lambda: Array(u64, 1 << 32), "max_entries must be from 1"),
        (lambda: len(Array(u64, 4)), r"map Array\(u32, u64\) has a meaning only while"),
        (lambda: iter(Hash(u32, u64)), r"map Hash\(u32, u64\) has a meaning only while"),
        (lambda: iter(Queue(u64, 4)), "not iterated"),
    ],
)
def test_bad_declarations(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_unknown_header_fields_are_named() -> None:
    with pytest.raises(AttributeError, match=r"ip has no layer or field 'tcpp'; it offers layers icmp .* fields ver"):
        _ = pkt.ip.tcpp


def test_header_fields_lie_in_their_headers() -> None:
    for header in HEADERS.values():
        for field in header.members:
            assert field.offset + field.size <= header.size or header.name in ROOTS.values()
            assert field.shift + field.bits <= 8 * field.size
        for name, layer in header.layers.items():
            assert layer.header in HEADERS
            assert header.field(name) is None
            assert not layer.when or header.field(layer.when) is not None
            for part in layer.parts:
                assert part.offset < header.size
                assert part.scale & part.scale - 1 == 0


def test_signatures() -> None:
    def good(a: u32, b: s8, c: bool, d: int) -> u64:
        return u64(a)

    found = signature(callee(good))
    assert [(name, str(scalar.range)) for name, scalar in found.params] == [
        ("a", "[0, 4294967295]"),
        ("b", "[-128, 127]"),
        ("c", "[0, 1]"),
        ("d", "[-9223372036854775808, 9223372036854775807]"),
    ]
    assert found.context_size == 40
    b = found.params[1][1]
    assert b.word(-1) == (1 << 64) - 1
    assert b.value(b.word(200)) == -56
    assert type(found.result.value(7)) is u64


def no_result(a: u32):  # type: ignore[no-untyped-def]
    return a


def no_type(a) -> u32:  # type: ignore[no-untyped-def]
    return u32(a)


def odd_type(a: str) -> u32:
    return u32(0)


def a_default(a: u32 = 3) -> u32:
    return a


def starred(*a: u32) -> u32:
    return u32(0)


def lost_name(a: nowhere) -> u32:  # type: ignore[name-defined]  # noqa: F821
    return u32(0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_result, "the result needs a type"),
        (no_type, "parameter a needs a type"),
        (odd_type, "a must have a scalar type"),
        (a_default, "no defaults"),
        (starred, "no defaults"),
        (lost_name, "the annotation 'nowhere' of a fails"),
    ],
)
def test_bad_signatures(function: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        signature(callee(function))


def test_big_endian_scalars_are_plain_numbers() -> None:
    def f(a: be16) -> u8:
        return u8(a)

    (_, scalar), *_ = signature(callee(f)).params
    assert scalar.value(scalar.word(0x1234)) == 0x1234


def test_programs_and_maps_in_arrays_are_given_as_lists() -> None:
    def passed() -> int:
        return 2

    program, one, other = bpf.xdp(passed), Array(u64, 1), Array(u64, 1)
    assert ProgArray(4, [program, program]).contents == {0: program, 1: program}
    assert ArrayOf(Array(u64, 1), 4, [one, other]).contents == {0: one, 1: other}
    with pytest.raises(UsageError, match="2 contents, and max_entries is 1"):
        ArrayOf(Array(u64, 1), 1, [one, other])
    with pytest.raises(UsageError, match="index 1 is outside of it"):
        ProgArray(1, [program, program])
