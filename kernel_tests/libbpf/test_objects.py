"""Compiled objects, loaded by a loader that is not ours: BTF, maps and line info are as libbpf wants them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm import bpf
from bpfvm.obj.reader.object import read_object
from bpfvm.obj.writer.object import write_object
from bpfvm.program import Program, compile_object
from examples.proto import proto
from tests.programs.functions import CASES

LOADER = shutil.which("bpftool") or shutil.which("/usr/sbin/bpftool")
OBJECTS = sorted((Path(__file__).resolve().parents[2] / "tests" / "objects").glob("*.o"))
PINNED = "maps_attributes"  # pins a map by name, in the one folder that all of the machine shares


@pytest.mark.skipif(LOADER is None, reason="bpftool is not installed")
def test_bpftool_loads_what_is_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "bpffs"
    folder.mkdir()
    programs: list[Program] = [proto, *(bpf.function(function) for function, _ in CASES)]
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    try:
        for number, program in enumerate(programs):
            spec = compile_object([program]).spec
            path = tmp_path / f"{program.name}.o"
            path.write_bytes(write_object(spec))
            asked = [str(LOADER), "prog", "load", str(path), str(folder / f"p{number}")]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{program.name}: {done.stderr}"
            asked = [str(LOADER), "prog", "dump", "xlated", "pinned", str(folder / f"p{number}"), "linum"]
            listing = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
            assert f"{program.name}(" in listing
            assert "[file:" in listing, "the kernel knows the source lines"
    finally:
        subprocess.run(["umount", folder], check=True)
    print(f"{len(programs)} objects loaded")
    assert len(programs) >= 20


@pytest.fixture
def bpffs(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own to pin to."""
    folder = tmp_path / "pins"
    folder.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def loaded(path: Path, folder: Path, *kind: str) -> dict[str, object] | str:
    """Name -> the kernel's tag, which is a hash of the instructions, of each program; what libbpf says on failure.

    kind: the type of all programs, where their sections do not tell it to libbpf.
    """
    asked = [str(LOADER), "prog", "loadall", str(path), str(folder), *kind]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        said = (line for line in done.stderr.splitlines() if re.match(r"libbpf: (prog|extern|map|elf|sec) ?'?", line))
        return next((line[8:100] for line in said if not re.search("BEGIN|skipping", line)), "nothing said")
    found = {}
    for pin in folder.iterdir():
        shown = [str(LOADER), "--json", "prog", "show", "pinned", str(pin)]
        found[pin.name] = json.loads(subprocess.run(shown, capture_output=True, text=True, check=True).stdout)["tag"]
        pin.unlink()
    return found


@pytest.mark.skipif(LOADER is None, reason="bpftool is not installed")
def test_bpftool_loads_of_what_is_written_again_what_it_loads_of_the_original(tmp_path: Path, bpffs: Path) -> None:
    objects = programs = 0
    refused: dict[str, str] = {}
    for path in OBJECTS:
        if path.name.startswith(PINNED) or "_big" in path.name:
            continue
        spec = read_object(path)
        again = tmp_path / path.name
        again.write_bytes(write_object(spec))
        kind = ("type", "xdp") if {one.type for one in spec.programs.values()} == {"xdp"} else ()
        wanted = loaded(path, bpffs / f"{path.stem}_theirs", *kind)
        found = loaded(again, bpffs / f"{path.stem}_mine", *kind)
        if isinstance(wanted, str):
            refused[path.name] = wanted
            continue
        assert found == wanted, path.name
        objects, programs = objects + 1, programs + len(wanted)
    print(f"{programs} programs of {objects} objects loaded twice; {len(refused)} originals are not taken:")
    print("\n".join(f"    {name}: {reason}" for name, reason in refused.items()))
    assert objects >= 45
    assert programs >= 110
