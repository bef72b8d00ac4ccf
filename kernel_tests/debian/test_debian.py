"""Objects that Debian ships: read as libbpf, LLVM and bpftool read them; instructions as libbpf hands them over."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpfvm.isa.codec import SLOT, decode, encode
from bpfvm.isa.insn import slots
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.index import open_index
from bpfvm.obj.btf.text import raw
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.elf import container as elf
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.obj.writer.complete import completed
from bpfvm.obj.writer.object import write_object
from bpfvm.tables.maps import BY_NAME as MAP_TYPES
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES
from kernel_tests.debian import packages as debian
from kernel_tests.libbpf import handed as libbpf
from kernel_tests.mounts import mounts
from tests.unit.isa.llvm_text import as_llvm

OBJECTS = 76  # of all packages; of them 52 stand inside the tools
VMLINUX = "/sys/kernel/btf/vmlinux"
COMPARED = 45  # objects whose instructions are compared
MMAPABLE = 1 << 10  # BPF_F_MMAPABLE, which libbpf asks for data sections that have variables for its skeletons
FOR_OTHERS = re.compile(r"section (features|xdp_metadata|\.xdp_run_config): variables for other tools, .*")
NEEDED = ("strace", "bpftool", "dpkg-deb", "apt-get", "llvm-objdump-19")

pytestmark = [
    pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed") for tool in NEEDED
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One object: read here, and what libbpf makes of it."""

    name: str
    path: Path
    spec: ObjectSpec
    theirs: libbpf.Object


@pytest.fixture(scope="module")
def shipped() -> list[debian.DebianObject]:
    try:
        return debian.objects()
    except debian.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def cases(shipped: list[debian.DebianObject], tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """The objects that libbpf opens. It refuses those of ir-keytable, whose maps stand in section lirc_mode2/maps."""
    before = mounts()
    theirs = libbpf.loaded([one.path for one in shipped], tmp_path_factory.mktemp("traces"))
    assert mounts() == before
    refused = {one.name: theirs[one.path].error for one in shipped if theirs[one.path].error}
    print(f"libbpf refuses {', '.join(refused)}")
    assert {name.partition("/")[0] for name in refused} <= {"ir-keytable"}
    return [
        Case(one.name, one.path, read_object(one.path), theirs[one.path]) for one in shipped if one.name not in refused
    ]


def test_every_object_is_read(shipped: list[debian.DebianObject]) -> None:
    """Whole, but for variables that libxdp reads by itself and no loader makes a map of."""
    inside, links = sum(one.name.startswith("libbpf-tools/") for one in shipped), debian.links("libbpf-tools")
    print(f"{len(shipped)} objects, {inside} inside the tools, whose {inside + links} names are {links} times links")
    programs, left_out = 0, Counter[str]()
    for one in shipped:
        spec = read_object(one.path)
        left_out.update(spec.skipped)
        programs += len(spec.programs)
    print(f"{programs} programs; left out: {dict(left_out)}")
    assert all(FOR_OTHERS.fullmatch(reason) for reason in left_out), left_out
    assert len(shipped) >= OBJECTS
    assert (inside, links) == (52, 9)
    assert programs >= 250


def test_maps_equal_those_of_libbpf(cases: list[Case]) -> None:
    compared = 0
    for case in cases:
        theirs = {libbpf.section_of(name): one for name, one in case.theirs.maps.items()}
        assert set(case.spec.maps) == set(theirs), case.name
        for name, one in case.spec.maps.items():
            known, hidden = theirs[name], 0 if one.initial is None else MMAPABLE
            flags = known.flags & ~hidden
            ours = (MAP_TYPES[one.type].number, one.key_size, one.value_size, one.max_entries, one.flags & ~hidden)
            assert ours == (known.type, known.key_size, known.value_size, known.max_entries, flags), (case.name, name)
            assert one.initial == known.initial, (case.name, name)
            if one.initial is None:
                assert (one.key_type, one.value_type) == (known.key_type, known.value_type), (case.name, name)
            compared += 1
    print(f"{compared} maps of {len(cases)} objects compared")
    assert compared >= 200


def test_programs_are_of_the_types_that_libbpf_finds(cases: list[Case]) -> None:
    compared = 0
    for case in cases:
        assert set(case.spec.programs) == set(case.theirs.programs), case.name
        for name, one in case.spec.programs.items():
            known = case.theirs.programs[name]
            number = PROGRAM_TYPES[one.type].number if one.type != "unspec" else 0
            assert (one.section, number) == (known.section, known.type), (case.name, name)
            compared += 1
    print(f"{compared} programs of {len(cases)} objects compared")
    assert compared >= 250


def handed_over(program: ProgramSpec) -> tuple[libbpf.Slot, ...]:
    """The program's slots as libbpf.Program has them: the name of a map beside each load of it."""
    code = encode(program.insns)
    names = {
        slot: one.symbol or ""
        for slot, one in zip(slots(program.insns), program.insns, strict=False)
        if one.op.name in ("lddw_map", "lddw_map_value")
    }
    cut = (code[at : at + SLOT] for at in range(0, len(code), SLOT))
    return tuple((one[:4] + bytes(4) if slot in names else one, names.get(slot, "")) for slot, one in enumerate(cut))


def test_instructions_equal_those_of_libbpf(cases: list[Case]) -> None:
    kernel = open_index(VMLINUX)
    different, adapted, programs, relocations = [], 0, 0, 0
    for case in cases:
        spec = relocate(case.spec, kernel)
        for name, one in spec.programs.items():
            known = case.theirs.programs[name]
            assert known.code is not None, f"libbpf handed over no instructions of {case.name} {name}"
            if handed_over(one) != known.code:
                different.append(f"{case.name} {name}")
            if known.functions:
                assert 1 + len(one.functions) == known.functions, (case.name, name)
            before = case.spec.programs[name]
            adapted += handed_over(before) != known.code
            relocations += len(before.core)
            programs += 1
    size = sum(len(one.code or ()) for case in cases for one in case.theirs.programs.values())
    print(f"{len(cases)} objects compared: {programs} programs, {size} instructions")
    print(f"{relocations} CO-RE relocations, which change {adapted} programs")
    assert not different
    assert len(cases) >= COMPARED
    assert (programs >= 250, relocations >= 600, adapted >= 50) == (True, True, True)


def test_written_they_are_the_same_to_libbpf(cases: list[Case], tmp_path: Path) -> None:
    written: dict[Path, Case] = {}
    for number, case in enumerate(cases):
        if case.spec.skipped:
            assert case.name.startswith(("libxdp1/", "xdp-tests/")), case.name
            continue
        path = tmp_path / f"{number}.o"
        path.write_bytes(write_object(case.spec))
        assert read_object(path) == completed(case.spec) == case.spec, case.name
        written[path] = case
    programs = 0
    for path, theirs in libbpf.loaded(list(written), tmp_path).items():
        case = written[path]
        assert not theirs.error, case.name
        for name, one in theirs.programs.items():
            assert (name, one.code) == (name, case.theirs.programs[name].code), case.name
            assert one.accepted == case.theirs.programs[name].accepted, (case.name, name)
            programs += 1
    left = len(cases) - len(written)
    print(f"{programs} programs of {len(written)} written objects compared; {left} cannot be written whole")
    assert len(written) >= COMPARED
    assert programs >= 240


def test_disassembly_equals_that_of_llvm(shipped: list[debian.DebianObject]) -> None:
    compared = 0
    for one in shipped:
        printed = dict(llvm_text(one.path))
        for section in elf.Elf(one.path.read_bytes()).sections:
            if section.flags & elf.EXEC and section.size:
                ours = [as_llvm(insn) for insn in decode(bytes(section.data.data))]
                assert ours == printed[section.name], (one.name, section.name)
                compared += len(ours)
    print(f"{compared} instructions of {len(shipped)} objects compared with llvm-objdump")
    assert compared >= 20000


def test_types_equal_those_of_bpftool(shipped: list[debian.DebianObject]) -> None:
    compared, files, without = 0, 0, []
    for one in shipped:
        section = elf.Elf(one.path.read_bytes()).section(".BTF")
        if section is None:
            without.append(one.name)
            continue
        command = ["bpftool", "btf", "dump", "file", str(one.path), "format", "raw"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        types, _ = btf_codec.decode(section.data)
        assert list(raw(types)) == printed.splitlines(), one.name
        compared, files = compared + len(types), files + 1
    print(f"{compared} types of {files} objects compared with bpftool; without BTF: {', '.join(without)}")
    assert files >= COMPARED
    assert compared >= 5000


def llvm_text(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each section of code with the text of its instructions, notes on symbols left out."""
    command = ["llvm-objdump-19", "-d", "--no-show-raw-insn", "--mcpu=v4", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for part in text.split("Disassembly of section ")[1:]:
        name, _, rest = part.partition(":\n")
        lines = re.findall(r"^ *\d+:\t(.*)$", rest, re.MULTILINE)
        yield name, [re.sub(r" <[^<>]*>$", "", line).replace("\t", " ") for line in lines]
