"""Checksum helpers hold the laws of the Internet checksum (RFC 1071, RFC 1624), whatever the bytes."""

from __future__ import annotations

import struct
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.machine import Input
from bpfvm.emulator.helpers.checksums import add32, csum_diff, folded, partial
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from tests.engines import EMULATORS

words = st.integers(0, 16).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count))
sums = st.integers(0, (1 << 32) - 1)


def slow(data: bytes) -> int:
    """The checksum by the definition: the complement of the ones' complement sum of 16-bit words."""
    total: int = sum(struct.unpack(f"<{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def diff(old: bytes, new: bytes, seed: int) -> int:
    return csum_diff(None, old, len(old), new, len(new), seed)  # type: ignore[arg-type]


@given(words)
def test_a_sum_folds_to_the_checksum(data: bytes) -> None:
    assert folded(partial(data, 0)) == slow(data)


@given(words, words)
def test_bytes_may_be_summed_in_parts(first: bytes, second: bytes) -> None:
    assert folded(partial(second, partial(first, 0))) == slow(first + second)


@given(words, words, sums)
def test_a_difference_is_taken_back_by_its_opposite(old: bytes, new: bytes, seed: int) -> None:
    assert diff(new, old, diff(old, new, seed)) % 0xFFFF == seed % 0xFFFF


@given(words, words)
def test_a_difference_corrects_a_sum(old: bytes, new: bytes) -> None:
    before = partial(old, 0)
    assert folded(add32(before, diff(old, new, 0))) % 0xFFFF == slow(new) % 0xFFFF


def test_sizes_that_4_does_not_divide_are_refused() -> None:
    assert diff(b"abc", b"", 0) == -22


def test_an_ip_header_stays_right_when_a_field_is_replaced() -> None:
    header = bytearray.fromhex("450000280001000040060000c0a80001c0a80002")
    header[10:12] = slow(bytes(header)).to_bytes(2, "little")
    text = (
        "r6 = r1\nr2 = *(u32 *)(r1 +76)\nr3 = *(u32 *)(r1 +80)\nr4 = r2\nr4 += 34\nif r4 > r3 goto out\n"
        "r3 = *(u32 *)(r2 +26)\nr7 = 0x0100007f\n*(u32 *)(r2 +26) = r7\nr4 = r7\nr2 = 24\nr5 = 4\ncall 10\nexit\n"
        "out: r0 = 1\nexit"
    )
    spec = ObjectSpec({"p": ProgramSpec("p", "tc", "sched_cls", tuple(assemble(text)))}, {})
    for name in EMULATORS:
        with closing(engine(name).load(spec, "p", {})) as loaded:
            result = loaded.run(Input(packet=bytes(12) + b"\x08\x00" + bytes(header)))
        assert result.fault is None
        assert result.packet is not None
        assert result.packet[26:30] == bytes.fromhex("7f000001")
        assert slow(result.packet[14:34]) == 0
