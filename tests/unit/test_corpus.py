"""The corpus of benchmarks/corpus: its manifest is true of the objects, and its C halves compute what they say."""

from __future__ import annotations

import base64
import datetime
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from benchmarks.corpus.halves import arguments, c_half, compare, contents, inputs, python_half
from benchmarks.corpus.manifest import ROWS, Row
from benchmarks.corpus.measure import TABLE, refused_names
from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.values import shapes
from bpfvm.obj.values.contents import shape_of
from bpfvm.obj.values.shapes import Shape
from bpfvm.tables.helpers import BY_ID

PACKETS = [row for row in ROWS if row.inputs]


def test_there_are_enough_programs() -> None:
    groups = Counter(row.group for row in ROWS)
    print(dict(groups))
    assert len(ROWS) >= 65
    assert len(PACKETS) >= 45
    assert len({row.name for row in ROWS}) == len(ROWS)


def check_manifest(row: Row, spec: ObjectSpec) -> None:
    entry = spec.programs[row.entry]
    assert (entry.type, entry.section) == (row.type, row.section)
    declared = {
        f"{one.name} {one.type} {one.key_size} {one.value_size} {one.max_entries}"
        for one in spec.maps.values()
        if not one.name.startswith(".")
    }
    assert declared == set(row.maps)
    assert set(row.contents) <= set(spec.maps)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_manifest_is_true_of_the_c_half(row: Row) -> None:
    spec = c_half(row)
    check_manifest(row, spec)
    assert set(spec.programs) == set(row.functions or (row.name,))


COMPILED = [row for row in ROWS if row.name not in refused_names()]


def leaves(shape: Shape, at: int = 0) -> Iterator[tuple[int, int]]:
    """Offset and size of each number and text of a type, those called `unused` left out: C writes its padding."""
    if isinstance(shape, shapes.Record):
        for member in shape.members:
            if isinstance(member, shapes.Field) and member.name != "unused":
                yield from leaves(member.shape, at + member.offset)
    elif isinstance(shape, shapes.Row):
        for index in range(shape.count):
            yield from leaves(shape.element, at + index * shape.element.size)
    else:
        yield at, shape.size


def layouts(spec: ObjectSpec) -> dict[str, list[tuple[int, int]]]:
    """Of each map's key and value, where BTF tells them."""
    found = {}
    for one in spec.maps.values():
        for role, kind, size in (("key", one.key_type, one.key_size), ("value", one.value_type, one.value_size)):
            if kind and not one.name.startswith("."):
                found[f"{one.name} {role}"] = list(leaves(shape_of(spec.btf, kind, size, "little")))
    return found


@pytest.mark.parametrize("row", COMPILED, ids=lambda row: row.name)
def test_the_manifest_is_true_of_the_python_half(row: Row) -> None:
    spec = python_half(row)
    check_manifest(row, spec)
    ours, theirs = layouts(spec), layouts(c_half(row))
    both = ours.keys() & theirs.keys()
    assert {name: ours[name] for name in both} == {name: theirs[name] for name in both}
    typed = ("array", "hash", "lru_hash", "percpu_array", "percpu_hash", "lpm_trie")
    assert {f"{one.split()[0]} value" for one in row.maps if one.split()[1] in typed} <= both


@pytest.mark.parametrize("row", PACKETS, ids=lambda row: row.name)
def test_a_half_that_does_something_else_is_seen(row: Row) -> None:
    """Each C half against itself with one constant changed, of the first that decides something: compare must tell."""
    spec = c_half(row)
    assert compare(row, spec, spec, INTERP).found == []
    entry = spec.programs[row.entry]
    seen = 0
    for at, one in enumerate(entry.insns):
        if one.op.name not in ("mov32_k", "mov64_k", "jne32_k", "jne64_k", "jeq32_k", "jeq64_k", "ldx8", "ldabs8"):
            continue
        changed = replace(one, imm=one.imm ^ 1) if one.op.name.endswith("_k") else replace(one, off=one.off ^ 1)
        other = replace(entry, insns=(*entry.insns[:at], changed, *entry.insns[at + 1 :]))
        found = compare(row, replace(spec, programs={**spec.programs, row.entry: other}), spec, INTERP)
        seen += bool(found.found)
        if seen >= 2:
            return
    raise AssertionError(f"{row.name}: {seen} changes seen")


def test_the_table_is_that_of_these_objects() -> None:
    """Its rows are the manifest's, and clang's slots those of the C halves."""
    shown = {}
    for line in TABLE.read_text().splitlines():
        if found := re.match(r"(\w+) +(?:\d+|-) / (\d+) ", line):
            shown[found[1]] = int(found[2])
    assert shown == {row.name: sum(one.slot_count for one in c_half(row).programs.values()) for row in ROWS}


def test_every_object_has_its_source_and_its_row() -> None:
    folder = ROWS[0].c.parent
    assert {path.stem for path in folder.glob("*.o")} == {path.stem for path in folder.glob("*.c")}
    assert {path.stem for path in folder.glob("*.c")} == {row.name for row in ROWS}


def test_the_header_numbers_helpers_as_the_table_does() -> None:
    seen = 0
    for line in (ROWS[0].c.parent / "corpus.h").read_text().splitlines():
        if line.startswith("HELPER("):
            number, _, name, *_ = (part.strip(" )") for part in line.partition("(")[2].split(","))
            known = BY_ID[int(number)].name
            assert known in (name, f"{name}_elem"), line
            seen += 1
    assert seen >= 25


@pytest.mark.parametrize("row", PACKETS, ids=lambda row: row.name)
def test_made_packets_take_several_ways(row: Row) -> None:
    spec = c_half(row)
    lengths, faults = Counter[int](), 0
    with INTERP.load(spec, row.entry, contents(row, spec)) as loaded:
        for given in inputs(row):
            result = loaded.run(given)
            lengths[result.insns] += 1
            faults += result.fault is not None
    assert faults == 0
    assert len(lengths) >= 2, lengths


def sorted_bytes(word: int) -> int:
    return int.from_bytes(bytes(sorted(word.to_bytes(8, "little"))), "little")


def digits(word: int) -> int:
    return int.from_bytes(base64.b64encode((word & 0xFFFFFF).to_bytes(3, "big")), "little")


def civil(days: int) -> int:
    """What `calendar` gives, by the standard library; 400 years have 146097 days."""
    eras, rest = divmod(days, 146097)
    day = datetime.date(1970, 1, 1) + datetime.timedelta(rest)
    year = day.year + 400 * eras
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return year << 32 | day.month << 16 | day.day << 8 | leap


def mean(mean: int, deviation: int, sample: int) -> int:
    mean, deviation, error = mean & 0xFFFFFF, deviation & 0xFFFFFF, 0
    error = ((sample & 0xFFFF) << 8) - mean
    return (mean + (error >> 3)) << 32 | (deviation + ((abs(error) - deviation) >> 2))


EXPECTED: dict[str, Callable[..., int]] = {
    "crc32": lambda word, size: zlib.crc32(word.to_bytes(8, "little")[:size]),
    "isqrt": math.isqrt,
    "gcd": math.gcd,
    "popcount": lambda a, b: (a ^ b).bit_length() << 8 | (a ^ b).bit_count(),
    "sort8": sorted_bytes,
    "base64": digits,
    "calendar": civil,
    "modpow": lambda base, exponent, modulus: pow(base, exponent, modulus) if modulus else 0,
    "ewma": mean,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_c_halves_compute_what_the_standard_library_does(name: str) -> None:
    row = next(one for one in ROWS if one.name == name)
    with INTERP.load(c_half(row), row.entry, {}) as loaded:
        for given, run in zip(arguments(row), inputs(row), strict=True):
            found = int.from_bytes((loaded.run(run).ctx or b"")[:8], "little")
            assert found == EXPECTED[name](*given), given


def test_siphash_is_that_of_its_paper() -> None:
    """The vector of 8 bytes in the reference's table: key 00 01 … 0f, input 00 … 07."""
    row = next(one for one in ROWS if one.name == "siphash")
    words = [int.from_bytes(bytes(range(at, at + 8)), "little") for at in (0, 8, 0)]
    given = Input(ctx=b"".join(one.to_bytes(8, "little") for one in (0, *words)))
    with INTERP.load(c_half(row), row.entry, {}) as loaded:
        assert (loaded.run(given).ctx or b"")[:8] == bytes.fromhex("6224939a79f5f593")
