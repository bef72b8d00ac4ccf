"""Compiled objects, loaded by a loader that is not ours: BTF, maps and line info are as libbpf wants them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bpfvm import bpf
from bpfvm.obj.elf_write import write_object
from bpfvm.program import Program, compile_object
from examples.proto import proto
from tests.programs.functions import CASES

LOADER = shutil.which("bpftool") or shutil.which("/usr/sbin/bpftool")


@pytest.mark.skipif(LOADER is None, reason="bpftool is not installed")
def test_bpftool_loads_what_is_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "bpffs"
    folder.mkdir()
    programs: list[Program] = [proto, *(bpf.function(function) for function, _ in CASES)]
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    try:
        for number, program in enumerate(programs):
            spec, _ = compile_object([program])
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
