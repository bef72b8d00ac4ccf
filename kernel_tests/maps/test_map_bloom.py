"""Bloom filters in the kernel: the false positives that tests/unit/emulator/maps/bloom.txt states, and sizes in bits.

BPFVM_UPDATE=1 writes the file anew.
"""

from __future__ import annotations

import os
import re
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from bpfvm.emulator.maps.bloom import bit_count
from bpfvm.kernel.maps.calls import Calls
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import flag_bits
from kernel_tests.loading import release

PATH = Path(__file__).resolve().parents[2] / "tests/unit/emulator/maps/bloom.txt"
ROWS = ((4, 10, 0, 10), (4, 64, 2, 100), (8, 100, 3, 150), (3, 20, 1, 30), (13, 77, 15, 90), (16, 33, 5, 60),
        (2, 5, 7, 8), (260, 40, 4, 80), (12, 1000, 6, 900))  # fmt: skip
SIZES = ((1, 1), (10, 5), (1 << 20, 5), (12345, 15), (1 << 24, 0))

pytestmark = pytest.mark.skipif(release() != (6, 18), reason=f"measured on 6.18, and this is {os.uname().release}")


def spec_of(size: int, entries: int, functions: int) -> MapSpec:
    return MapSpec("m", "bloom_filter", 0, size, entries, flag_bits("zero_seed"), extra=functions)


def answers(size: int, entries: int, functions: int, pushed: int) -> bytes:
    with closing(KernelMap(spec_of(size, entries, functions))) as one:
        calls = Calls(one)
        for number in range(pushed):
            assert calls.sys_update(b"", (number * 7).to_bytes(size, "little")) == 0
        return bytes(calls.sys_lookup(number.to_bytes(size, "little")) == -2 for number in range(2000))


def test_the_kernel_errs_as_the_file_says() -> None:
    lines = []
    for row in ROWS:
        found = answers(*row)
        lines.append(f"{' '.join(map(str, row))} {found.count(0)} {zlib.crc32(found):08x}\n")
    if os.environ.get("BPFVM_UPDATE") == "1":
        PATH.write_text("".join(lines), encoding="ascii")
    assert PATH.read_text(encoding="ascii") == "".join(lines)
    print(f"{2000 * len(ROWS)} answers of {len(ROWS)} filters")


def test_the_kernel_makes_as_many_bits() -> None:
    for entries, functions in SIZES:
        with closing(KernelMap(spec_of(4, entries, functions))) as one:
            text = Path(f"/proc/self/fdinfo/{one.fd.number}").read_text(encoding="ascii")
        memory = int(re.findall(r"memlock:\s*(\d+)", text)[0])
        assert memory - bit_count(entries, functions or 5) // 8 in range(64, 1024), (entries, functions, memory)
