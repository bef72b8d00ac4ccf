"""The container: what newer and rarer files do that clang's do not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import insn
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewSection
from bpfvm.obj.elf.datasec import placed
from bpfvm.obj.reader.object import parse_object, read_object
from tests.unit.obj.made import CALL, OBJECTS, RETURN, built, function, header_of, patched, section, symbol_at

CALLING = built(CALL, (0, elf.R_64_32, function("callee", ".text")), [section(".text")])


def test_numbers_too_large_for_the_header_stand_in_section_0() -> None:
    (start,) = struct.unpack_from("<Q", CALLING, 40)
    count, names = struct.unpack_from("<HH", CALLING, 60)
    extended = patched(
        CALLING,
        (60, struct.pack("<HH", 0, 0xFFFF)),
        (start + 32, struct.pack("<QI", count, names)),
    )
    assert parse_object(extended) == parse_object(CALLING)


def test_section_numbers_of_symbols_may_stand_in_a_table_of_their_own() -> None:
    table = NewSection(".symtab_shndx", elf.SYMTAB_SHNDX, bytes(4 * len(elf.Elf(CALLING).symbols)))
    moved = built(CALL, (0, elf.R_64_32, function("callee", ".text")), [section(".text"), table])
    whole = elf.Elf(moved)
    by_name = {one.name: one for one in whole.sections}
    index = struct.pack(f"<{len(whole.symbols)}I", *(max(one.section, 0) for one in whole.symbols))
    (content,) = struct.unpack_from("<Q", moved, header_of(moved, ".symtab_shndx") + 24)
    extended = patched(
        moved,
        (content, index),
        (header_of(moved, ".symtab_shndx") + 40, struct.pack("<I", by_name[".symtab"].index)),
        (symbol_at(moved, "callee") + 6, b"\xff\xff"),
        (symbol_at(moved, "main") + 6, b"\xff\xff"),
    )
    assert parse_object(extended).programs == parse_object(CALLING).programs


def test_a_file_without_a_machine_is_old_and_read() -> None:
    assert parse_object(patched(built(), (18, b"\0\0"))).programs == parse_object(built()).programs


def with_addends(offset: int, addend: int) -> bytes:
    """CALLING with its relocation in a section of entries with addends."""
    table = NewSection(".relaxdp", elf.RELA, bytes(elf.RELA_SIZE))
    more = [section(".text", [*RETURN, *RETURN]), table]
    symbols = [function("callee", ".text"), function("behind", ".text", 2)]
    file = built([insn("call_local", imm=77), *RETURN], None, more, symbols)
    index = {one.name: one.index for one in elf.Elf(file).sections}
    place = struct.pack("<II", index[".symtab"], index["xdp"])
    numbers = {one.name: number for number, one in enumerate(elf.Elf(file).symbols)}
    (content,) = struct.unpack_from("<Q", file, header_of(file, ".relaxdp") + 24)
    entry = struct.pack("<QQq", offset, numbers["callee"] << 32 | elf.R_64_32, addend)
    return patched(file, (header_of(file, ".relaxdp") + 40, place), (content, entry))


@pytest.mark.parametrize(("addend", "name"), [(0, "callee"), (16, "behind")])
def test_an_addend_of_its_own_counts_instead_of_what_stands_in_the_code(addend: int, name: str) -> None:
    (main,) = parse_object(with_addends(0, addend)).programs.values()
    assert [one.name for one in main.functions] == [name]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (with_addends(0, 4), "calls callee +0x4, where no instruction starts"),
        (patched(CALLING, (header_of(CALLING, ".relxdp") + 4, struct.pack("<I", elf.CREL))),
         "section .relxdp: offset 0x0: compact relocations (SHT_CREL) are not read"),
        (patched(CALLING, (header_of(CALLING, "xdp") + 8, struct.pack("<Q", elf.ALLOC | elf.EXEC | elf.COMPRESSED))),
         "section xdp: offset 0x0: compressed sections are not read"),
        (patched(CALLING, (header_of(CALLING, ".symtab") + 8, struct.pack("<Q", elf.COMPRESSED))),
         "section .symtab: offset 0x0: compressed sections are not read"),
        (patched(CALLING, (40, bytes(8))), "the file has no section headers"),
        (patched(CALLING, (60, b"\0\0"), (struct.unpack_from("<Q", CALLING, 40)[0] + 32, struct.pack("<Q", 1 << 40))),
         "1099511627776 sections, and at most 131072 are read"),
        (patched(CALLING, (header_of(CALLING, ".relxdp") + 32, struct.pack("<Q", 15))),
         "section .relxdp: offset 0x0: 15 bytes are not a whole number of 16-byte entries"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(file: bytes, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        parse_object(file)
    assert reason in str(caught.value)


def test_sections_that_overlap_end_at_the_size_of_the_file() -> None:
    code = [insn("mov64_k", 0, imm=2)] * 199 + [insn("exit")]
    again = [section(f"xdp/{number}", RETURN) for number in range(60)]
    file = built(code, None, again)
    (start, size) = struct.unpack_from("<QQ", file, header_of(file, "xdp") + 24)
    changes = [(header_of(file, one.name) + 24, struct.pack("<QQ", start, size)) for one in again]
    with pytest.raises(LoadError, match="sections of code overlap"):
        parse_object(patched(file, *changes))


def places(path: Path) -> dict[str, set[str]]:
    """Program -> the variables that its code names, by the places that the object's own BTF gives them."""
    spec = read_object(path)
    assert spec.btf is not None
    found: dict[str, set[str]] = {}
    for program in spec.programs.values():
        names = found.setdefault(program.name, set())
        for one in program.insns:
            for var in placed(spec.btf, one.symbol or "", 1 << 16) if one.op.name == "lddw_map_value" else ():
                if var.offset <= one.imm >> 32 < var.offset + var.size:
                    names.add(var.name)
        names |= {one.name for one in program.functions}
    return found


@pytest.mark.parametrize("name", ["read_places.o", "read_places_gcc.o"])
def test_both_compilers_mean_the_same_places(name: str) -> None:
    """gcc's assembler before 2.41 adds a symbol's value to the place that the linker adds it to again."""
    every = {"first", "second", "third", "low", "high", "own", "other", "twice", "thrice", "fourfold"}
    assert places(OBJECTS / name) == {
        "places": every,
        "places_again": {"own", "other", "twice", "thrice", "fourfold"},
    }
