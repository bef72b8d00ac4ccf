"""What other readers make of the objects that are read and written here: LLVM's tools, bpftool, pyelftools."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.machine import Location
from bpfvm.isa.insn import insn
from bpfvm.obj.btf import Btf
from bpfvm.obj.btf_codec import KINDS
from bpfvm.obj.elf_read import read_object
from bpfvm.obj.elf_write import write_object
from bpfvm.obj.model import FaultSite, MapSpec, ObjectSpec, ProgramSpec

OBJECTS = sorted((Path(__file__).resolve().parents[2] / "objects").glob("*.o"))


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def output(*command: str | Path) -> str:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=60, check=False)
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
@pytest.mark.skipif(
    not Path("/usr/include/bpf/bpf_helpers.h").exists(), reason="the headers of libbpf are not installed"
)
def test_committed_objects_are_what_their_sources_make(tmp_path: Path) -> None:
    output(OBJECTS[0].parent / "build.sh", tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.o")}
    assert made == {path.name: path.read_bytes() for path in OBJECTS}
    print(f"{len(made)} objects compared")
    assert len(made) >= 9


@needs("llvm-readelf-19")
def test_readelf_sees_the_same_functions_maps_and_relocations(written: list[tuple[Path, Path | None]]) -> None:
    compared = 0
    for mine, theirs in written:
        text = output("llvm-readelf-19", "-S", "-s", "-r", "-n", "--wide", mine)
        if theirs is not None:
            assert readelf_facts(text) == readelf_facts(output("llvm-readelf-19", "-S", "-s", "-r", "--wide", theirs))
            compared += len(readelf_facts(text))
    print(f"{compared} symbols and relocations compared")
    assert compared >= 60


def readelf_facts(text: str) -> list[tuple[str, ...]]:
    """Functions, maps and relocations of programs, but for their order and what stands only in debug information."""
    names = dict(re.findall(r"^ *\[ *(\d+)\] (\S+)", text, re.MULTILINE))
    symbols = re.findall(
        r"^ +\d+: [0-9a-f]+ +(\d+) (FUNC|OBJECT) +(LOCAL|GLOBAL) +DEFAULT +(\d+) (\S+)", text, re.MULTILINE
    )
    facts = [(size, kind, binding, names[section], name) for size, kind, binding, section, name in symbols]
    for part in text.split("Relocation section '.rel")[1:]:
        section, _, rows = part.partition("'")
        if section not in (".BTF", ".BTF.ext"):
            facts += re.findall(
                r"^([0-9a-f]{16}) +[0-9a-f]+ +(R_BPF_64_64|R_BPF_64_32) +[0-9a-f]+ (\S+)", rows, re.MULTILINE
            )
    return sorted(facts, key=str)


@needs("llvm-objdump-19")
def test_objdump_prints_the_same_code_and_source_lines(written: list[tuple[Path, Path | None]]) -> None:
    compared = 0
    for mine, theirs in written:
        lines = disassembly(mine)
        if theirs is None:
            assert any("r1 = 0x0 ll" in line for line in lines)
            assert "; hits[pkt.ip.proto] += 1" in [re.sub(r"^; +", "; ", line) for line in lines]
        else:
            assert lines == disassembly(theirs), mine.name
            compared += len(lines)
    print(f"{compared} lines compared")
    assert compared >= 500


def disassembly(path: Path) -> list[str]:
    """Sections sorted by name, as they stand in another order."""
    text = output("llvm-objdump-19", "-d", "-S", "-r", "--no-show-raw-insn", path)
    parts = sorted(text.split("Disassembly of section ")[1:])
    return [line.strip() for part in parts for line in part.splitlines() if line.strip()]


@needs("bpftool")
def test_bpftool_dumps_the_same_types(written: list[tuple[Path, Path | None]]) -> None:
    compared = 0
    for mine, theirs in written:
        text = output("bpftool", "btf", "dump", "file", mine)
        if theirs is None:
            assert re.search(r"DATASEC '\.maps' size=(56|64|72) vlen=2", text), text
            assert "FUNC 'count'" in text
        else:
            assert text == output("bpftool", "btf", "dump", "file", theirs)
            compared += text.count("\n[")
    print(f"{compared} types compared")
    assert compared >= 200


@needs("bpftool")
def test_bpftool_names_every_kind_as_it_is_read() -> None:
    upper = {row.type.__name__.upper() for row in KINDS}
    compared = 0
    for path in OBJECTS:
        btf = read_object(path).btf
        assert btf is not None
        rows = re.findall(r"^\[(\d+)\] (\w+) '([^']*)'", output("bpftool", "btf", "dump", "file", path), re.MULTILINE)
        assert len(rows) == len(btf)
        for number, kind, name in rows:
            one = btf[int(number)]
            assert type(one).__name__.upper() == kind.replace("_", "")
            assert kind.replace("_", "") in upper
            assert getattr(one, "name", "") == ("" if name == "(anon)" else name)
            compared += 1
    print(f"{compared} types compared")
    assert compared >= 200


@needs("bpftool")
def test_bpftool_makes_a_skeleton(written: list[tuple[Path, Path | None]]) -> None:
    made = 0
    for mine, _ in written:
        if "big" not in mine.name:  # bpftool opens objects of its own byte order only
            text = output("bpftool", "gen", "skeleton", mine)
            spec = read_object(mine)
            assert all(f"*{name};" in text for name in spec.programs), text[:3000]
            made += 1
    print(f"{made} skeletons")
    assert made >= 7


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
            assert spec.license.encode() + b"\0" == elf.get_section_by_name("license").data()
            assert {name for name in spec.maps} <= set(symbols)
    print(f"{len(written)} files read")
    assert len(written) >= 10
