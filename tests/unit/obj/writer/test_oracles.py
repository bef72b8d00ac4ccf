"""What other readers make of the objects that are read and written here: LLVM's tools, bpftool, pyelftools."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.machine import Location
from bpfvm.isa.insn import insn
from bpfvm.obj.btf.codec import KINDS
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array
from bpfvm.obj.model import FaultSite, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.obj.writer.object import write_object
from tests.unit.obj.writer.listings import Facts, facts_of, functions

OBJECTS = sorted((Path(__file__).resolve().parents[3] / "objects").glob("*.o"))


LOADER = shutil.which("bpftool")


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def output(*command: str | Path) -> str:
    """What a tool prints, run where the sources are, whose places DWARF tells relative to that."""
    asked = [str(one) for one in command]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False, cwd=OBJECTS[0].parent)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    assert "warning" not in done.stderr, done.stderr
    return done.stdout


def compiled() -> ObjectSpec:
    """An object as a compiler makes it: with a BTF that declares no map and no function yet."""
    btf = Btf()
    word, wide = btf.add_int("unsigned int", 4), btf.add_int("unsigned long long", 8)
    code = (insn("lddw_map", 1, symbol="hits"), insn("mov64_k", 0, imm=2), insn("exit"))
    place = Location("proto.py", 9, 5)
    maps = {
        "hits": MapSpec("hits", "array", 4, 8, 256, key_type=word, value_type=wide),
        "bpfvm.fault": MapSpec("bpfvm.fault", "array", 4, 4, 1, hidden=True),
    }
    program = ProgramSpec(
        "count", "xdp", "xdp", code, {0: place, 2: Location("proto.py", 10)}, (FaultSite("E", "m", place),), 8
    )
    return ObjectSpec({"count": program}, maps, btf, sources={("proto.py", 9): "    hits[pkt.ip.proto] += 1"})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path | None]]:
    """Each written file with the committed one that it was read from."""
    folder = tmp_path_factory.mktemp("written")
    pairs: list[tuple[Path, Path | None]] = []
    for path in OBJECTS:
        (folder / path.name).write_bytes(write_object(read_object(path)))
        pairs.append((folder / path.name, path))
    (folder / "compiled.o").write_bytes(write_object(compiled()))
    return [*pairs, (folder / "compiled.o", None)]


@needs("clang-19")
@needs("llvm-strip-19")
@needs("bpf-gcc")
@needs("bpftool")
@needs("setarch")
@pytest.mark.skipif(
    not Path("/usr/include/bpf/bpf_helpers.h").exists(), reason="the headers of libbpf are not installed"
)
def test_committed_objects_are_what_their_sources_make(tmp_path: Path) -> None:
    folder = OBJECTS[0].parent
    output(folder / "build.sh", tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.o")}
    kept = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.o")}
    assert sorted(made) == sorted(kept)
    assert [path for path in made if made[path] != kept[path]] == []
    print(f"{len(made)} objects compared")
    assert len(made) >= 80


@needs("llvm-readelf-19")
@needs("llvm-objdump-19")
def test_llvm_sees_the_same_functions_symbols_and_relocations(written: list[tuple[Path, Path | None]]) -> None:
    compared = lines = symbols = 0
    for mine, theirs in written:
        # gcc's assembler put the symbols' values into the code as well; DWARF tells more lines than BTF
        if theirs is None or re.search("_gcc|_dwarf", mine.name):
            continue
        here, there = facts_of(mine, output), facts_of(theirs, output)
        found, wanted = functions(here), functions(there)
        names = {name for name, _ in found}
        wanted = Counter({one: count for one, count in wanted.items() if one[0] in names})  # the others nothing calls
        assert found == wanted, mine.name
        compared += found.total()
        lines += sum(len(text) * count for (_, text), count in found.items())
        assert not (extra := outside(here) - outside(there)), (mine.name, extra)
        symbols += len(outside(here))
    print(f"{compared} functions, {lines} lines and {symbols} symbols compared")
    assert compared >= 200
    assert lines >= 3000
    assert symbols >= 250


def outside(facts: Facts) -> set[tuple[str, ...]]:
    """The symbols that other objects see: variables and maps with place and size, undefined ones with their binding."""
    found: set[tuple[str, ...]] = set()
    for one in facts.symbols:
        if not one.section and one.name:
            found.add((one.name, one.binding))
        elif one.type == "FUNC" and one.binding != "LOCAL":
            found.add((one.name, one.section, str(one.size)))
        elif one.type == "OBJECT" and one.binding != "LOCAL":
            found.add((one.name, one.section, str(one.value), str(one.size)))
    return found


@needs("llvm-objdump-19")
def test_objdump_prints_what_the_compiler_made(written: list[tuple[Path, Path | None]]) -> None:
    text = output("llvm-objdump-19", "-d", "-S", "-r", written[-1][0])
    assert "r1 = 0x0 ll" in text
    assert re.search(r"^; +hits\[pkt.ip.proto\] \+= 1$", text, re.MULTILINE)


@needs("bpftool")
def test_bpftool_dumps_the_same_types(written: list[tuple[Path, Path | None]]) -> None:
    compared = without = 0
    for mine, theirs in written:
        if read_object(mine).btf is None:
            assert theirs is not None
            assert "_nobtf" in theirs.name
            without += 1
            continue
        text = output("bpftool", "btf", "dump", "file", mine)
        if theirs is None:
            assert re.search(r"DATASEC '\.maps' size=(56|64|72) vlen=2", text), text
            assert "FUNC 'count'" in text
        else:
            assert types(text, mine) == types(output("bpftool", "btf", "dump", "file", theirs), mine), mine.name
            compared += text.count("\n[")
    print(f"{compared} types compared, {without} objects have none")
    assert compared >= 2000
    assert without >= 6


def types(text: str, path: Path) -> list[str]:
    """A dump without what compilers leave to the section headers and symbols: sizes, places and order in a DATASEC.

    And without what is read of old gcc's as it was meant: dimensions of arrays.
    """
    found: list[str] = []
    for block in re.split(r"\n(?=\[)", text.strip()):
        head, *rows = block.split("\n")
        if " ARRAY " in head and "_gcc" in path.name:
            continue
        if " DATASEC " in head:
            head = re.sub(r"size=\d+", "", head)
            rows = sorted(re.sub(r"offset=\d+", "", row) for row in rows)
        found += [head, *rows]
    return found


@needs("bpftool")
def test_bpftool_names_every_kind_as_it_is_read() -> None:
    upper = {row.type.__name__.upper() for row in KINDS}
    compared = 0
    for path in OBJECTS:
        btf = read_object(path).btf
        if btf is None:
            continue  # test_bpftool_dumps_the_same_types counts them
        rows = re.findall(r"^\[(\d+)\] (\w+) '([^']*)'", output("bpftool", "btf", "dump", "file", path), re.MULTILINE)
        behind = {type(btf[number]) for number in range(len(rows) + 1, len(btf) + 1)}
        assert len(rows) <= len(btf)
        assert behind <= ({Array} if "_gcc" in path.name else set())
        for number, kind, name in rows:
            one = btf[int(number)]
            assert type(one).__name__.upper() == kind.replace("_", "")
            assert kind.replace("_", "") in upper
            assert getattr(one, "name", "") == ("" if name == "(anon)" else name)
            compared += 1
    print(f"{compared} types compared")
    assert compared >= 2000


@needs("bpftool")
def test_libbpf_opens_what_is_written_and_makes_the_same_skeleton(written: list[tuple[Path, Path | None]]) -> None:
    """Open is all of libbpf but the kernel: maps, data, externs, programs and what instructions refer to."""
    made, refused = 0, {}
    for mine, theirs in written:
        mine_done = skeleton(mine)
        if theirs is None:
            assert "*count;" in mine_done.stdout
            continue
        theirs_done = skeleton(theirs)
        if theirs_done.returncode:
            refused[mine.name] = theirs_done.stderr.strip().splitlines()[-2]
            continue
        assert mine_done.returncode == 0, (mine.name, mine_done.stderr)
        assert declarations(mine_done.stdout) == declarations(theirs_done.stdout), mine.name
        made += 1
    print(f"{made} skeletons; libbpf does not open {len(refused)} of the compiled objects: {refused}")
    assert made >= 55
    others = {one for one in refused if not re.search("_big|legacy|iproute2", one)}
    assert others <= {"calls_sections.o", "data_custom.o"}  # static functions among programs, .bss with a suffix


def skeleton(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LOADER), "gen", "skeleton", str(path), "name", "object"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def declarations(text: str) -> str:
    """A skeleton without the bytes of its object."""
    return re.sub(r"\\\n|\*sz = .*|[0-9a-fx\\ ]*\";", "", re.sub(r'"(\\x|\\\n)[^;]*;', "", text))


@pytest.mark.skipif(importlib.util.find_spec("elftools") is None, reason="pyelftools is not installed")
def test_pyelftools_reads_what_is_written(written: list[tuple[Path, Path | None]]) -> None:
    from elftools.elf.elffile import ELFFile

    for mine, _ in written:
        spec = read_object(mine)
        with mine.open("rb") as file:
            elf: Any = ELFFile(file)
            assert elf["e_machine"] == "EM_BPF"
            assert elf.little_endian == (spec.endian == "little")
            symbols = {one.name: one for one in elf.get_section_by_name(".symtab").iter_symbols()}
            for name, program in spec.programs.items():
                section = elf.get_section(symbols[name]["st_shndx"])
                assert section.name == program.section
                assert symbols[name]["st_info"]["type"] == "STT_FUNC"
            if spec.license:
                assert spec.license.encode() + b"\0" == elf.get_section_by_name("license").data()
            names = {name for name, one in spec.maps.items() if one.initial is None} | set(spec.externs)
            assert names <= set(symbols)
            sections = {one.name for one in elf.iter_sections()}
            assert {one.section for one in spec.maps.values()} - {".kconfig"} <= sections
    print(f"{len(written)} files read")
    assert len(written) >= 75
