"""Pins: made last, shared by name, checked against what is declared, taken back when something fails."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.isa.insn import insn
from bpfvm.kernel.objects import pins
from bpfvm.kernel.objects.install import install
from bpfvm.kernel.objects.pins import pinned
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from kernel_tests.mounts import bpf_file_system

PASS = (insn("mov64_k", 0, imm=2), insn("exit"))
BAD = (insn("ldx64", 0, 1, 4096), insn("exit"))
COUNTS, DATA = MapSpec("counts", "hash", 4, 4, 16), MapSpec(".data", "array", 4, 8, 1, initial=bytes(8))
SHARED = MapSpec("shared", "array", 4, 4, 1, pin="by_name")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with bpf_file_system(tmp_path) as mounted:
        yield mounted


@contextmanager
def as_it_was(folder: Path) -> Iterator[None]:
    """Neither a pin nor a descriptor more than before."""
    before = (sorted(folder.rglob("*")), sorted(os.listdir("/proc/self/fd")))
    yield
    assert (sorted(folder.rglob("*")), sorted(os.listdir("/proc/self/fd"))) == before


def of(*maps: MapSpec, code: tuple[object, ...] = PASS, name: str = "pass") -> ObjectSpec:
    return ObjectSpec({name: ProgramSpec(name, "xdp", "xdp", code)}, {one.name: one for one in maps})  # type: ignore[arg-type]


def test_maps_and_programs_are_pinned_by_name(folder: Path) -> None:
    with install(of(COUNTS, DATA), pin=folder / "mine") as installed:
        installed.maps["counts"][b"abcd"] = b"efgh"
        assert sorted(one.name for one in installed.pins) == ["_data", "counts", "pass"]
    assert stat.S_IMODE((folder / "mine").stat().st_mode) == 0o700
    for name in ("_data", "counts", "pass"):
        pinned(folder / "mine" / name, name).close()
    with install(of(COUNTS), reuse={"counts": folder / "mine" / "counts"}) as again:
        assert again.maps["counts"][b"abcd"] == b"efgh"


def test_pins_are_removed_on_demand(folder: Path) -> None:
    with as_it_was(folder), install(of(COUNTS), pin=str(folder)) as installed:
        installed.pins[0].unlink()
        installed.unpin()
        installed.unpin()
        assert installed.pins == ()


def test_maps_that_are_declared_so_are_pinned_and_shared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpfvm.kernel.objects.install.ROOT", folder)
    with install(of(SHARED, COUNTS)) as first, install(of(SHARED, COUNTS)) as second:
        assert (first.pins, second.pins) == ((folder / "shared",), ())
        first.maps["shared"][0] = b"abcd"
        assert second.maps["shared"][0] == b"abcd"
    with install(of(SHARED), pin=folder) as third:
        assert third.maps["shared"][0] == b"abcd"
        assert third.pins == (folder / "pass",)
        third.unpin()
    with install(of(SHARED), pin=False) as alone:
        assert alone.maps["shared"][0] == bytes(4)
    with install(of(SHARED), reuse={"shared": folder / "shared"}) as given:
        assert given.maps["shared"][0] == b"abcd"


def test_a_pin_of_another_kind_of_map_is_not_taken(folder: Path) -> None:
    with install(of(SHARED), pin=folder) as first, as_it_was(folder):
        with pytest.raises(LoadError) as caught:
            install(of(replace(SHARED, value_size=8, max_entries=3)), pin=folder)
        assert str(caught.value) == (
            f"map shared: the one pinned at {folder}/shared is not what the object declares: value_size 4, declared 8, "
            "max_entries 1, declared 3; remove it, or declare the map as it is"
        )
        first.maps["shared"][0] = b"abcd"


def test_a_pin_of_a_program_is_no_map(folder: Path) -> None:
    with install(of(), pin=folder), pytest.raises(UsageError) as caught:
        install(of(COUNTS), reuse={"counts": folder / "pass"})
    assert str(caught.value) == f"map counts: the one pinned at {folder}/pass is no map"


def test_what_is_pinned_already_stays_and_nothing_else_does(folder: Path) -> None:
    with install(of(COUNTS), pin=folder / "mine"), as_it_was(folder):
        with pytest.raises(UsageError) as caught:
            install(of(SHARED, COUNTS, name="other"), pin=folder / "mine")
        assert str(caught.value) == (
            f"map counts: there is a pin {folder}/mine/counts already; remove it, pin in another folder, or share what "
            "it holds by reuse="
        )


def test_nothing_is_pinned_of_an_object_that_is_refused(folder: Path) -> None:
    with as_it_was(folder), pytest.raises(VerifierReject):
        install(of(SHARED, COUNTS, code=BAD), pin=folder / "mine")
    with as_it_was(folder), pytest.raises(UsageError) as caught:
        install(of(MapSpec("pass", "array", 4, 4, 1)), pin=folder / "mine")
    assert str(caught.value) == (
        f"pins in {folder}/mine: a map and a program are both called pass; pin them by yourself"
    )


def test_folders_that_are_no_bpf_file_system(tmp_path: Path) -> None:
    remedy = "mount one there (`mount -t bpf bpf {}`, as root), or name a folder that is in one"
    (tmp_path / "file").touch()
    for place, message in (
        (tmp_path, f"it is not in a BPF file system; {remedy.format(tmp_path)}"),
        (tmp_path / "new", f"it is not in a BPF file system; {remedy.format(tmp_path)}"),
        (tmp_path / "no" / "new", f"{tmp_path}/no: No such file or directory; make the folder, or name another"),
        (tmp_path / "file", f"{tmp_path}/file is a file, and pins stand in a folder"),
    ):
        for spec in (of(COUNTS), of(SHARED)):
            with as_it_was(tmp_path), pytest.raises(Unavailable) as caught:
                install(spec, pin=place)
            assert str(caught.value) == f"pins in {place}: {message}"


def test_maps_that_are_declared_so_need_the_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpfvm.kernel.objects.install.ROOT", tmp_path)
    with as_it_was(tmp_path), pytest.raises(Unavailable, match=f"^pins in {tmp_path}: it is not in a BPF file system"):
        install(of(SHARED))
    assert Path("/sys/fs/bpf") == pins.ROOT


def test_pins_that_are_not_there(folder: Path) -> None:
    (folder / "directory").mkdir()
    for name, kind, message in (
        ("none", UsageError, f"map counts: there is no pin {folder}/none"),
        ("directory", Unavailable, f"map counts: pin {folder}/directory cannot be opened (EACCES)"),
    ):
        with as_it_was(folder), pytest.raises(kind) as caught:
            install(of(COUNTS), reuse={"counts": folder / name})
        assert str(caught.value) == message


def test_a_name_that_the_file_system_does_not_take(folder: Path) -> None:
    """It has to be named which pin cannot be made; those made before are gone again."""
    long = MapSpec("x" * 300, "array", 4, 4, 1)
    with as_it_was(folder), pytest.raises(Unavailable) as caught:
        install(of(COUNTS, long), pin=folder / "mine")
    wanted = f"map {long.name}: {folder}/mine/{long.name} cannot be made: File name too long"
    assert str(caught.value).startswith(wanted)
