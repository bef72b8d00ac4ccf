"""Kernel functions (kfuncs) that the emulator has: the same objects on its tiers and in the kernel give the same."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bpfvm.core.machine import Entries, Input
from bpfvm.kernel.features import kfunc
from bpfvm.obj.reader.object import read_object
from bpfvm.run.backend import engine
from bpfvm.tables.kfuncs import KFUNCS
from kernel_tests.loading import release

OBJECTS = Path(__file__).resolve().parents[2] / "tests" / "objects"
ENGINES = ("interp", "portable", "kernel")
NOWHERE = 0xFFFF_8000_0000_0000  # of the kernel's half, and nothing is mapped there

pytestmark = pytest.mark.skipif(release() < (6, 18), reason=f"functions are those of 6.18, and this is {release()}")


def compared(file: str, program: str, contexts: Sequence[bytes]) -> int:
    """Every context in turn, maps kept, on all engines; what came of them, and the maps at the end, are equal. How many
    outcomes there were.
    """
    spec, found = read_object(OBJECTS / file), []
    for name in ENGINES:
        with closing(engine(name).load(spec, program, {})) as loaded:
            after = [loaded.run(Input(ctx=one)) for one in contexts]
            assert not [one.fault for one in after if one.fault is not None], name
            contents = [loaded.read_map(one) for one in spec.maps_of(program)]
            found.append(([(one.r0, one.ctx) for one in after], contents))
    wanted, maps = found[-1]
    for name, (runs, contents) in zip(ENGINES, found, strict=True):
        pairs = zip(contexts, runs, wanted, strict=True)
        wrong = [(given.hex(), got, want) for given, got, want in pairs if got != want]
        assert wrong == [], f"{name}: {len(wrong)} of {len(contexts)}, {wrong[:3]}"
        assert contents == maps, name
    return len(set(wanted))


def test_texts() -> None:
    source, contexts = random.Random(1), []
    words = [b"", b"a", b"ab", b"abc", b"ABC", b"aBc", b"bca", b"abcabd", b"\xc4\xe4\xd7\xf7", b"\xe4", b"x" * 31]
    for what in range(12):
        for _ in range(120):
            first, second = b"".join(source.choices(words, k=2))[:63], source.choice(words)
            if source.random() < 0.3:
                first = second + source.choice([b"", b"b", b"\xe4"])
            count = source.choice([0, 1, 2, 3, 31, 64, 97, 98, 228, 65_536, 1 << 40, (2 << 8) + 98, (1 << 64) - 28])
            address = source.choice([0] * 9 + [5, (1 << 47) - 1, NOWHERE, 1 << 63])
            contexts.append(struct.pack("<QQQQ64s32s", what, address, count, 0, first, second))
    print(f"{compared('kfuncs_texts.o', 'texts', contexts)} outcomes of {len(contexts)}")
    assert len(contexts) >= 1_400


def test_numbers() -> None:
    source, contexts = random.Random(2), []
    edges = [0, 1, 2, 5, -1, -3, (1 << 31) - 1, -(1 << 31), 1 << 23, (1 << 23) + 1, 40]
    for start in edges:
        for end in edges:
            contexts.append(struct.pack("<4q4q128s", start, end, source.choice([1, 3, 50]), 0, 0, 0, 0, 0, b""))
    print(f"{compared('kfuncs_loops.o', 'numbers', contexts)} outcomes of {len(contexts)}")


def test_bits() -> None:
    source, contexts = random.Random(3), []
    for count in (0, 1, 1, 2, 3, 16, 511, 512, 1 << 31):
        for _ in range(20):
            words = [source.choice([0, 1, 1 << 63, source.getrandbits(64)]) for _ in range(16)]
            if count == 511:  # past the context: only where it lies is the kernel's own
                contexts.append(struct.pack("<4q4q16Q", 1, 0, 5, count, 0, 0, 0, 0, *words))
                continue
            most = source.choice([1, 5, 200, 2000])
            contexts.append(struct.pack("<4q4q16Q", 0, 0, most, count, 0, 0, 0, 0, *words))
    for address in (0, 8, NOWHERE):
        contexts.append(struct.pack("<4Q4q128s", 1, address, 5, 1, 0, 0, 0, 0, b""))
    print(f"{compared('kfuncs_loops.o', 'bits', contexts)} outcomes of {len(contexts)}")


def test_sections_and_counts() -> None:
    source = random.Random(4)
    contexts = [struct.pack("<4q4q128s", source.randrange(12), 0, source.random() < 0.4, n, 0, 0, 0, 0, b"")
                for n in range(200)]  # fmt: skip
    assert compared("kfuncs_loops.o", "sections", contexts) > 50


def test_dynptrs_to_memory() -> None:
    source, asks = random.Random(5), []
    for _ in range(1_500):
        start, end = sorted(source.choice([0, 1, 8, 16, 33, 63, 64, 65, 1 << 31]) for _ in range(2))
        start, end = (end, start) if source.random() < 0.1 else (start, end)
        offset, size = (source.choice([0, 0, 1, 3, 8, 40, 56, 64, 1 << 24]) for _ in range(2))
        flags, to = source.random() < 0.05, source.choice([0, 5, 32, 64, 1 << 30])
        asks.append(struct.pack("<6Q12q", flags, start, end, offset, size, to, *[0] * 12))
    blocks: Entries = [(n.to_bytes(4, "little"), source.randbytes(64)) for n in range(2)]
    spec = read_object(OBJECTS / "kfuncs_dynptrs.o")
    found: list[list[tuple[Entries, Entries]]] = []
    for name in ENGINES:
        with closing(engine(name).load(spec, "dynptrs", {"blocks": blocks})) as loaded:
            found.append([])
            for one in asks:
                loaded.write_map("asks", [(bytes(4), one)])
                result = loaded.run(Input(packet=bytes(64)))
                assert (result.r0, result.fault) == (2, None), name
                found[-1].append((loaded.read_map("asks"), loaded.read_map("blocks")))
    pairs = zip(asks, *found, strict=True)
    wrong = [struct.unpack("<6Q96x", one) for one, *results in pairs if results != [results[-1]] * len(ENGINES)]
    assert wrong == []
    ways = len({bytes(asked[0][1])[48:] for asked, _ in found[-1] if isinstance(asked[0][1], bytes)})
    print(f"{ways} outcomes of {len(asks)}")
    assert ways >= 100


def test_the_kernel_has_all_of_them() -> None:
    missing = [row.name for row in KFUNCS if not kfunc(row.name)]
    assert missing == []
    print(f"{len(KFUNCS)} kernel functions")
    assert len(KFUNCS) >= 40
