"""CO-RE and externs: the instructions and values that libbpf hands to this kernel, and ours, are the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError
from bpfvm.isa.codec import SLOT, encode
from bpfvm.kernel.host.names import BTF, RunningKernel, adapted
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.index import open_index
from bpfvm.obj.btf.text import raw
from bpfvm.obj.core.externs import resolved
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.obj.writer.object import write_object
from kernel_tests.libbpf.core_cases import cases
from kernel_tests.libbpf.strace import Event, MapCreated, ProgramLoaded, traced

OBJECTS = Path(__file__).resolve().parents[2] / "tests" / "objects"
DRIVER = Path(__file__).with_name("core_driver.py")
VMLINUX = BTF / "vmlinux"
CASES, SEED = 2000, 1
CONFIG = """CONFIG_LONG=-5
CONFIG_LOADABLE=m
CONFIG_LETTER=y
CONFIG_WORDS="abcdefghijk"
CONFIG_MODULES=y
CONFIG_VETH=m
"""
LDDW, MAPS = 0x18, (1, 2)  # opcode of a wide load; its selectors that take a map's descriptor

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(not VMLINUX.exists(), reason=f"{VMLINUX} is not there"),
]


@dataclass(frozen=True, slots=True)
class Theirs:
    """What libbpf did with an object: programs by name as they reached the kernel, the value of map .kconfig."""

    programs: dict[str, tuple[bytes, ...]]
    kconfig: bytes
    said: list[str]


def by_libbpf(asked: Sequence[tuple[Path, Path | None, str | None]], folder: Path) -> list[Theirs]:
    """Each of `asked`: an object, BTF in place of the kernel's, lines that override the kernel's configuration."""
    script = folder / "script.json"
    script.write_text(json.dumps([[str(path), btf and str(btf), config] for path, btf, config in asked]))
    found, programs = [], dict[str, tuple[bytes, ...]]()
    for event in events(script, folder):
        if isinstance(event, ProgramLoaded):
            if event.name and not event.name.startswith("libbpf_"):
                programs[event.name] = event.slots
        elif not isinstance(event, MapCreated):
            found.append(Theirs(programs, bytes.fromhex(event["kconfig"]), event["said"]))
            programs = {}
    assert len(found) == len(asked), "the driver did not come to its end"
    return found


def events(script: Path, folder: Path) -> list[Event]:
    return traced((sys.executable, DRIVER, script), folder / "core.strace", marks=True)


def ours(spec: ObjectSpec, name: str) -> tuple[bytes, ...]:
    code = encode(spec.programs[name].insns)
    return tuple(code[at : at + SLOT] for at in range(0, len(code), SLOT))


def without_maps(slots: tuple[bytes, ...]) -> list[bytes]:
    """Descriptors of maps cut out."""
    return [one[:4] + bytes(4) if one[0] == LDDW and one[1] >> 4 in MAPS else one for one in slots]


def test_compiled_programs_equal_those_of_libbpf(tmp_path: Path) -> None:
    pairs = [(OBJECTS / f"{name}.o", VMLINUX) for name in ("core_fields", "core_types", "core_enums", "core_access")]
    pairs += [(path, path) for path, _ in pairs]
    pairs += [(OBJECTS / "core_access_gcc.o", VMLINUX), (OBJECTS / "core_layout.o", OBJECTS / "core_target.o")]
    pairs += [(OBJECTS / "core_layout.o", VMLINUX), (OBJECTS / "core_layout.o", OBJECTS / "core_layout.o")]
    theirs = by_libbpf([(path, btf, None) for path, btf in pairs], tmp_path)
    compared = 0
    for (path, btf), known in zip(pairs, theirs, strict=True):
        spec = relocate(read_object(path), open_index(btf))
        assert known.programs, (path.name, known.said)
        for name, slots in known.programs.items():
            assert without_maps(ours(spec, name)) == without_maps(slots), (path.name, btf.name, name)
            compared += len(read_object(path).programs[name].core)
    print(f"{compared} relocations of {len(pairs)} pairs of object and target compared")
    assert compared >= 120


def test_random_types_are_matched_as_libbpf_does(tmp_path: Path) -> None:
    made = list(cases(SEED, CASES))
    asked: list[tuple[Path, Path | None, str | None]] = []
    for number, case in enumerate(made):
        path, btf = tmp_path / f"{number}.o", tmp_path / f"{number}.btf"
        path.write_bytes(write_object(case.spec))
        btf.write_bytes(btf_codec.encode(case.target, StringTable(), "little"))
        asked.append((path, btf, None))
    seen = {"refused": 0, "same": 0, "changed": 0, "poisoned": 0, "cut": 0}
    for (path, target, _), case, known in zip(asked, made, by_libbpf(asked, tmp_path), strict=True):
        assert target is not None
        slots = known.programs.get("p")
        try:
            mine, error = ours(relocate(read_object(path), open_index(target)), "p"), ""
        except BpfvmError as refused:
            mine, error = None, str(refused)
        if error.endswith("the immediate takes 32 bits"):
            seen["cut"] += 1  # libbpf writes the lower half
            continue
        assert mine == slots, (path.name, case.spec.programs["p"].core, error, known.said)
        seen[kind_of(slots, ours(case.spec, "p"))] += 1
    print(f"{len(made)} programs compared: {', '.join(f'{count} {what}' for what, count in seen.items())}")
    assert min(seen["refused"], seen["same"], seen["changed"], seen["poisoned"]) >= CASES // 20
    assert seen["cut"] <= CASES // 200


def kind_of(slots: tuple[bytes, ...] | None, before: tuple[bytes, ...]) -> str:
    if slots is None:
        return "refused"
    if any(one[0] == 0x85 for one in slots):
        return "poisoned"
    return "same" if slots == before else "changed"


def test_externs_are_bound_as_libbpf_does(tmp_path: Path) -> None:
    names = ("core_externs", "core_variables", "extern_kconfig", "extern_kfuncs", "extern_ksyms", "insns_arena")
    theirs = by_libbpf([(OBJECTS / f"{name}.o", None, CONFIG) for name in names], tmp_path)
    kernel = RunningKernel()
    kernel.__dict__["config"] = CONFIG + kernel.config  # libbpf takes what it is given before the kernel's own
    compared, values = 0, 0
    for name, known in zip(names, theirs, strict=True):
        try:
            spec = resolved(relocate(read_object(OBJECTS / f"{name}.o"), kernel.types), kernel)
        except BpfvmError as error:
            print(f"{name}: {error}; libbpf: {known.said[0] if known.said else 'loaded'}")
            assert not known.programs, name
            continue
        assert known.programs, (name, known.said)
        for program, slots in known.programs.items():
            assert without_maps(ours(spec, program)) == without_maps(slots), (name, program)
            compared += 1
        if known.kconfig:
            assert spec.maps[".kconfig"].initial == known.kconfig
            values += 1
    print(f"{compared} programs, {values} maps of configuration compared")
    assert (compared >= 3, values >= 1) == (True, True)


def test_this_kernel_describes_itself() -> None:
    kernel = RunningKernel()
    assert kernel.facts["LINUX_KERNEL_VERSION"] >> 16 == int(kernel.release.split(".")[0])
    assert len(kernel.types) > 10_000
    assert kernel.types is kernel.types
    assert [len(one) for one in kernel.modules()] == [len(open_index(path, kernel.types)) for path in modules()]
    spec = read_object(OBJECTS / "core_layout.o")
    found = adapted(spec, ["questions"])[0]
    assert [bool(found.programs[name].core) for name in ("questions", "accesses")] == [False, True]


def modules() -> list[Path]:
    return [path for path in sorted(BTF.iterdir()) if path.name != "vmlinux"]


@pytest.mark.skipif(shutil.which("bpftool") is None, reason="bpftool is not installed")
def test_the_raw_text_of_the_kernel_is_that_of_bpftool() -> None:
    command = ["bpftool", "btf", "dump", "file", str(VMLINUX), "format", "raw"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    types = RunningKernel().types
    assert [*raw(types)] == printed
    print(f"{len(types)} types, {len(printed)} lines compared")
    assert len(types) > 10_000
