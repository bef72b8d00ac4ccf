"""Slices of arrays; integers of bytes, and bytes of integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpfvm import s8, s16, s32, struct, u8, u16, u32, u64

M32, M64 = 2**32 - 1, 2**64 - 1


@struct
class Point:
    """An element of 12 bytes: no power of two."""

    x: u32 = 0
    y: u16 = 7
    z: s32 = -1


def slices(a: u8) -> u64:
    """Constant bounds."""
    values = u8[8](1, 2, 3, 4, 5, 6, 7, a)
    head, tail, middle, all_ = values[:3], values[-2:], values[2:-2], values[:]
    values[2] = 100
    return head[2] + tail[1] * 3 + middle[0] * 5 + middle[3] * 7 + all_[7] * 11 + len(middle)


def moving_slice(i: u8) -> u32:
    """A slice of constant length that starts anywhere inside."""
    values = u8[10](0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    part = values[i : i + 4]
    return part[0] + part[3] * 10 + part[1] * 100


def signed_slice(i: s8) -> u32:
    """Bounds that may be negative."""
    values = u8[10](0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    return values[i - 3 : i][2] * 10 + values[i - 3 : i][0]


def modular_slice(i: u64) -> u32:
    """Bounds that may go round."""
    values = u16[10](0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    return values[i : i + 2][1] * 10 + values[i + 1 : i + 2][0]


def twice_tested(i: u8, a: u32) -> u32:
    """The second index is tested more closely than the first: its address is one of its own."""
    values = u8[8](a & 255, 2, 3)
    values[i % 5 : i % 5 + 1] = b"w"
    wide, few = u32[8](1, 2, 3), u32[4](7)
    wide[a] = 5
    few[a] += 4
    for _ in range(i & 7):
        values[a % 8] = 9
        values[i % 5 : i % 5 + 3] = u8(a).to_bytes(3, "big")
    return values[i & 7] + values[0] + few[a]


def slice_of_slice(i: u8) -> u32:
    """Slices of slices."""
    values = u32[12](0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110)
    part = values[2:10]
    return part[i : i + 3][2] + part[4:][0]


def slice_store(i: u8, a: u8) -> u64:
    """A slice is stored as its bytes."""
    values, other = u8[12](1, 2, 3, 4, 5, 6, 7, 8), u8[4](a, a, 7, 9)
    values[0:4] = other
    values[i : i + 2] = b"xy"
    values[6:10] = values[0:4]
    total = u64(0)
    for value in values:
        total = total * 7 + value
    return total


def slice_overlap(i: u8) -> u64:
    """All is read before anything is written."""
    values = u8[16](0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    values[2:14] = values[0:12]
    values[i : i + 8] = values[4:12]
    total = u64(0)
    for value in values:
        total = total * 17 + value
    return total


def slice_of_words(i: u8, a: u32) -> u64:
    """Slices of wide elements, and of structs."""
    values, points = u32[6](1, 2, 3, 4, 5, 6), Point[4](Point(x=1), Point(x=2), Point(x=3))
    values[i : i + 2] = u32[2](a, 9)
    points[1:3] = points[0:2]
    return values[1] + values[2] * 3 + values[5] * 5 + points[1].x * 7 + points[2].x * 11


def from_bytes(i: u8, a: u64) -> u64:
    """Integers of the bytes of an array."""
    data = u8[12](0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF)
    data[8:12] = u32(a).to_bytes(4, "little")
    total = u64(int.from_bytes(data[0:8], "big")) ^ u64(int.from_bytes(data[4:12], "little"))
    total += int.from_bytes(data[i : i + 2], "big") + int.from_bytes(data[i : i + 4], "little")
    total += int.from_bytes(data[1:4], "big") * 3 + int.from_bytes(data[5:12], "little") + int.from_bytes(data[6:7])
    return (
        total
        + u64(int.from_bytes(data[7:9], "big", signed=True))
        + u64(int.from_bytes(data[5:8], byteorder="little", signed=True))
    )


def to_bytes(a: u32, b: u64) -> u64:
    """Bytes of integers."""
    data = u8[16]()
    data[0:4] = a.to_bytes(4, "big")
    data[4:6] = (a & 0xFFFF).to_bytes(2, "little")
    data[6:9] = (a >> 8).to_bytes(3, "big")
    data[8:16] = b.to_bytes(8, byteorder="big")
    total = u64(0)
    for value in data:
        total = total * 257 + value
    return total + (a.to_bytes(4, "big") == data[0:4]) + a.to_bytes(4, "little")[3]


def to_bytes_signed(a: s32) -> u64:
    """OverflowError where it does not fit."""
    short = a.to_bytes(2, "big", signed=True)
    return int.from_bytes(short, "big", signed=True) * 3 + (short == b"\xff\xff")


def to_bytes_negative(a: s16) -> u32:
    """A negative number fits no unsigned bytes."""
    return a.to_bytes(2, "little")[0]


def checksum(a: u32, b: u32) -> u32:
    """The Internet checksum of a header that the program builds."""
    header = u8[20](0x45)
    header[2:4] = (60).to_bytes(2, "big")
    header[8] = 64
    header[12:16] = a.to_bytes(4, "big")
    header[16:20] = b.to_bytes(4, "big")
    total = sum(int.from_bytes(header[i : i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    return u16(~(total + (total >> 16)))


BYTES: list[tuple[int, ...]] = [(0,), (1,), (2,), (3,), (4,), (5,), (9,), (13,), (127,), (128,), (255,)]
PAIRS: list[tuple[int, ...]] = [(0, 0), (1, 0), (3, 1), (2, 200), (4, 3), (7, 255), (255, 255), (0, 1)]
SIGNED: list[tuple[int, ...]] = [(0,), (4,), (5,), (251,), (250,), (255,), (128,), (127,), (3,), (253,), (10,)]
WORDS: list[tuple[int, ...]] = [(0, 0), (1, 255), (2, 0x8000), (3, M64), (2, 0x0123456789ABCDEF), (7, M32), (8, 1)]
CASES: list[tuple[Callable[..., Any], list[tuple[int, ...]]]] = [
    (slices, BYTES),
    (moving_slice, BYTES),
    (signed_slice, SIGNED),
    (modular_slice, [(0,), (7,), (8,), (9,), (M64,), (M64 - 1,), (2**63,)]),
    (twice_tested, PAIRS),
    (slice_of_slice, BYTES),
    (slice_store, PAIRS),
    (slice_overlap, BYTES),
    (slice_of_words, PAIRS),
    (from_bytes, WORDS),
    (to_bytes, [(0, 0), (1, 2), (65536, M64), (M32 >> 8, 0x0123456789ABCDEF), (M32, 1)]),
    (to_bytes_signed, [(0,), (32767,), (32768,), (M32,), (M32 - 32767,), (M32 - 32768,), (2**31,)]),
    (to_bytes_negative, [(0,), (1,), (255,), (32767,), (32768,), (65535,)]),
    (checksum, [(0, 0), (0x7F000001, 0x7F000001), (M32, M32), (0x0A000001, 0xC0A80101)]),
]
