"""Every object of tests/objects installed whole, by bpfvm and by libbpf: what libbpf takes is taken, the same stands in
the kernel, and what bpfvm takes besides is explained."""

from __future__ import annotations

import ctypes.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError, Unavailable
from bpfvm.kernel import features
from bpfvm.kernel.host import privilege
from bpfvm.kernel.objects.install import install
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import read_object
from kernel_tests.debian.test_debian_load import assert_equal, sized
from kernel_tests.libbpf.handed import NAME, section_of
from kernel_tests.libbpf.whole import Facts, Whole, asked, map_facts, program_facts

OBJECTS = Path(__file__).parents[2] / "tests" / "objects"
BOTH, COMPARED = 35, 30  # least numbers of objects
WITHOUT = 8  # most objects that want the address of a symbol
FUNCTIONS, TYPES = (4,), (6, 7)  # places among the facts of programs and of maps

_NAMES = "libbpf takes a section by its whole name only: not xdp/other, tc/ingress or uprobe.multi of later versions"
_MAPS = "libbpf 1.0 gave up maps declared in section maps"
_GCC = "the types that gcc writes are refused by the kernel as they are, and corrected here"
_TEXT = "libbpf wants the functions that a program calls in section .text"
BESIDES = {
    **dict.fromkeys(("calls_global", "calls_sections", "xdp_two", "data_mixed_nobtf", "data_mixed_dwarf"), _NAMES),
    **{f"{name}{cpu}": _NAMES for name in ("data_mixed", "xdp_calls") for cpu in ("", "_v1", "_v2", "_v4")},
    **dict.fromkeys(("maps_legacy", "maps_legacy_nobtf"), _MAPS),
    **dict.fromkeys(("data_data_gcc", "maps_inner_gcc", "data_mixed_gcc"), _GCC),
    "read_places_gcc": _TEXT,
    "insns_arena": "libbpf before 1.5 does not map arenas, which the kernel wants before it takes a program",
}  # fmt: skip
"""Objects that bpfvm takes and a libbpf does not -> why. A later libbpf may take them, too."""

BESIDES_OF_LESSER = {
    "core_types": "for a type that vmlinux does not have libbpf lists the BTF of modules by id: CAP_SYS_ADMIN",
}
"""The same of a process without CAP_SYS_ADMIN."""

pytestmark = pytest.mark.skipif(ctypes.util.find_library("bpf") is None, reason="libbpf is not installed")


@pytest.fixture(scope="module")
def theirs() -> dict[Path, Whole]:
    return asked(sorted(OBJECTS.glob("*.o")))


@pytest.fixture(scope="module")
def without_addresses(theirs: dict[Path, Whole]) -> set[Path]:
    """Objects that want an address which this process may not see: libbpf binds 0, bpfvm refuses them."""
    seen = features.probe("kernel_symbols")
    found = set[Path]()
    for path in theirs if not seen.have else ():
        error = verdict(sized(path))
        if isinstance(error, Unavailable) and "hides the addresses of its symbols" in str(error):
            assert any(one.kind == "ksym" and not one.type for one in read_object(path).externs.values()), path.stem
            found.add(path)
    if not seen.have:
        print(f"not compared, as {seen.reason}: {', '.join(sorted(one.stem for one in found))}")
        assert 0 < len(found) <= WITHOUT
    return found


def test_what_libbpf_takes_is_taken(theirs: dict[Path, Whole], without_addresses: set[Path]) -> None:
    both, neither, besides, lost = 0, 0, [], []
    for path, one in theirs.items():
        if path in without_addresses:
            continue
        ours = verdict(sized(path))
        taken = not one.error and not one.refused
        both, neither = both + (taken and ours is None), neither + (not taken and ours is not None)
        if taken and ours is not None:
            lost.append(f"{path.stem}: {ours}")
        if ours is None and not taken:
            besides.append(path.stem)
    print(f"{len(theirs)} objects: {both} taken by both, {neither} by none, {len(besides)} by bpfvm alone")
    assert not lost
    explained = set(BESIDES) | (set(BESIDES_OF_LESSER) if privilege.lacking(("CAP_SYS_ADMIN",)) else set())
    assert set(besides) <= explained, set(besides) - explained
    assert both >= BOTH


def verdict(spec: ObjectSpec) -> BpfvmError | None:
    try:
        install(spec, pin=False).close()
    except BpfvmError as error:
        return error
    return None


def test_what_stands_in_the_kernel_is_the_same(theirs: dict[Path, Whole], without_addresses: set[Path]) -> None:
    """But for types and functions of gcc's objects, of which libbpf loads no BTF (see BESIDES)."""
    objects, programs, maps = 0, 0, 0
    for path, one in theirs.items():
        if one.error or one.refused or path in without_addresses:
            continue
        spec = sized(path)
        with install(spec, tuple(one.programs), pin=False) as installed:
            ours = {name: program_facts(one.fd.number) for name, one in installed.programs.items()}
            assert_equal(path.stem, untyped(path, ours, FUNCTIONS), untyped(path, one.programs, FUNCTIONS))
            made = {name[:NAME]: map_facts(one.fd.number) for name, one in installed.maps.items()}
            theirs_made = {section_of(name)[:NAME]: facts for name, facts in one.maps.items()}
            assert_equal(path.stem, untyped(path, made, TYPES), untyped(path, theirs_made, TYPES))
        objects, programs, maps = objects + 1, programs + len(ours), maps + len(made)
    print(f"{programs} programs and {maps} maps of {objects} objects compared in the kernel")
    assert objects >= COMPARED


def untyped(path: Path, facts: Mapping[str, Facts], left_out: Sequence[int]) -> dict[str, Facts]:
    """The facts; of gcc's objects without those at `left_out`."""
    out = left_out if path.stem.endswith("_gcc") else ()
    return {name: [fact for at, fact in enumerate(one) if at not in out] for name, one in facts.items()}


def test_objects_of_the_repository_are_read_once(theirs: dict[Path, Whole]) -> None:
    """A spec is data: installing it changes nothing of it."""
    compared = 0
    for path in theirs:
        spec = read_object(path)
        verdict(spec)
        assert spec == read_object(path), path.stem
        compared += 1
    print(f"{compared} objects unchanged")
    assert compared >= BOTH
