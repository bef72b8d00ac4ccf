"""Compiled objects of every kind of relocation, section and BTF: read, written and read again they are the same."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn
from bpfvm.obj.btf.codec import KINDS
from bpfvm.obj.btf.ext import CORE_KINDS
from bpfvm.obj.elf import container as elf
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import parse_object, read_object
from bpfvm.obj.writer.complete import completed
from bpfvm.obj.writer.object import write_object

OBJECTS = Path(__file__).parents[3] / "objects"
FLOOR = 75


def instructions(spec: ObjectSpec) -> list[Insn]:
    return [one for program in spec.programs.values() for one in program.insns]


def symbols(spec: ObjectSpec) -> list[str | None]:
    """What instructions name, which comparison of instructions leaves out."""
    return [one.symbol for one in instructions(spec)]


def test_read_write_read_is_the_identity() -> None:
    files = sorted(OBJECTS.glob("*.o"))
    for path in files:
        spec = read_object(path)
        assert not spec.skipped, path
        data = write_object(spec)
        back = parse_object(data)
        assert back == completed(spec) == spec, path
        assert symbols(back) == symbols(spec), path
        assert write_object(back) == data, path
    print(f"{len(files)} objects compared")
    assert len(files) >= FLOOR


def test_objects_hold_every_kind_of_what_is_read() -> None:
    """So that the identity says something."""
    met: Counter[str] = Counter()
    for path in sorted(OBJECTS.glob("*.o")):
        spec = read_object(path)
        met.update(f"BTF {type(one).__name__}" for one in spec.btf or ())
        met.update(f"CO-RE {one.kind}" for program in spec.programs.values() for one in program.core)
        met.update(f"extern {one.kind}{' typed' * bool(one.type)}{' weak' * one.weak}" for one in spec.externs.values())
        met.update(f"op {one.op.name}" for one in instructions(spec))
        met.update(f"type {one.type}" for one in spec.programs.values())
        met[f"endian {spec.endian}"] += 1
        for one in spec.maps.values():
            met.update((f"map {one.type}", "section " + re.sub(r"^(.[a-z]+)[.].*", r"\1.*", one.section)))
            met.update(f"attribute {name}" for name in ("pin", "numa_node", "extra", "inner", "contents")
                       if getattr(one, name))  # fmt: skip
        met.update(f"relocation {kind}" for kind in relocation_types(path))
    print(f"{met.total()} things of {len(met)} kinds: {', '.join(sorted(met))}")
    wanted = {f"BTF {row.type.__name__}" for row in KINDS} | {f"CO-RE {kind}" for kind in CORE_KINDS}
    wanted |= {f"relocation {kind}" for kind in elf.RELOCATIONS.values() if kind.startswith("R_BPF_64")}
    wanted |= {f"extern {one}" for one in ("kconfig typed", "kconfig typed weak", "ksym", "ksym weak", "ksym typed",
                                           "ksym typed weak", "kfunc typed", "kfunc typed weak")}  # fmt: skip
    wanted |= {f"section {one}" for one in (".maps", "maps", ".rodata", ".rodata.*", ".data", ".data.*", ".bss",
                                            ".bss.*", ".kconfig")}  # fmt: skip
    wanted |= {f"attribute {one}" for one in ("pin", "numa_node", "extra", "inner", "contents")}
    wanted |= {f"op {one}" for one in ("lddw_map", "lddw_map_value", "lddw_btf_id", "lddw_func", "call_local",
                                       "call_kfunc", "callx", "addr_space_cast")}  # fmt: skip
    assert not wanted - set(met)
    assert sum(one.startswith("map ") for one in met) >= 25
    assert sum(one.startswith("type ") for one in met) >= 25


def relocation_types(path: Path) -> list[str]:
    """Of all sections, also of those whose relocations are not needed to read the object."""
    file = elf.Elf(path.read_bytes())
    return [
        elf.RELOCATIONS.get(info & 0xFFFF_FFFF, str(info & 0xFFFF_FFFF))
        for one in file.sections
        if one.type == elf.REL
        for _, info in one.data.table("QQ", 0, one.size // elf.REL_SIZE, "entries")
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("data_pointers.o", "section .data: the pointer at offset 0x8"),
    ],
)
def test_what_no_spec_can_say_is_named_and_not_written(name: str, reason: str) -> None:
    spec = read_object(OBJECTS / "refused" / name)
    assert spec.skipped[0].startswith(reason)
    with pytest.raises(LoadError, match="this object cannot be written whole: section"):
        write_object(spec)


def test_static_functions_of_one_name_stay_two() -> None:
    """In an object linked of two: `helper` differs in both, `doubled` is the same, from a header."""
    spec = read_object(OBJECTS / "linked.o")
    names = Counter(one.name for one in spec.programs["first"].functions)
    assert names == {"helper": 2, "doubled": 2, "give": 1}
    whole = write_object(spec)
    assert parse_object(whole).programs == spec.programs
    found = Counter(one.name for one in elf.Elf(whole).symbols if one.type == elf.FUNC)
    assert found == {"helper": 2, "doubled": 2, "give": 1, "first": 1, "second": 1}
