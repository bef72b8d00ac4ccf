"""Names of addresses in processes: tables of symbols, stripped files, JIT maps, processes that ended."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.emulator.executable import REFUSED, may_execute
from bpfvm.kernel.host import symbols
from bpfvm.kernel.host.symbols import Frame, kernel_frames, process_frames

LIBC = ctypes.CDLL(None)
GETPGID = ctypes.cast(LIBC.getpgid, ctypes.c_void_p).value or 0
SOURCE = "int deep(int n) { return n + 3; }\nint shallow(int n) { return deep(n) * 2; }\n"


def test_functions_of_a_library() -> None:
    first, inside = process_frames(os.getpid(), [GETPGID, GETPGID + 2])
    assert first.name in ("getpgid", "__getpgid")
    assert (first.offset, inside.offset, inside.name) == (0, 2, first.name)
    assert "libc" in first.module
    assert f"{first:>20}" == f"{first.name:>20}"


def test_a_library_that_is_loaded_meanwhile_and_one_without_names(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler to make a library with")
    (tmp_path / "a.c").write_text(SOURCE)
    before = process_frames(os.getpid(), [GETPGID])
    for name, flags in (("named", []), ("bare", ["-s", "-fvisibility=hidden"])):
        path = tmp_path / f"lib{name}.so"
        subprocess.run([compiler, "-shared", "-fPIC", *flags, "-o", str(path), str(tmp_path / "a.c")], check=True)
        library = ctypes.CDLL(str(path))
        start = next(
            int(line.split("-")[0], 16) for line in Path("/proc/self/maps").read_text().splitlines()
            if str(path) in line and " r-xp " in line
        )  # fmt: skip
        if name == "named":
            address = ctypes.cast(library.shallow, ctypes.c_void_p).value or 0
            assert [str(one) for one in process_frames(os.getpid(), [address + 1])] == ["shallow"]
            path.unlink()
            symbols._files.clear()
            (gone,) = process_frames(os.getpid(), [address + 1])
            assert str(gone) == "shallow" or gone.module == "libnamed.so", "by the mapping, where that may be opened"
        else:
            (one,) = process_frames(os.getpid(), [start + 0x10])
            assert (one.name, str(one)) == ("", f"[libbare.so+{one.offset:#x}]")
            assert one.offset >= 0x10
    assert process_frames(os.getpid(), [GETPGID]) == before


@pytest.mark.skipif(not may_execute(), reason=REFUSED)
def test_functions_that_a_compiler_made_at_run_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a root of its own: a /tmp/perf-PID.map may stand there that another user's process left behind."""
    told = tmp_path / str(os.getpid()) / "root" / "tmp" / f"perf-{os.getpid()}.map"
    told.parent.mkdir(parents=True)
    for name in ("maps", "stat"):
        (tmp_path / str(os.getpid()) / name).symlink_to(f"/proc/{os.getpid()}/{name}")
    monkeypatch.setattr(symbols, "_PROC", tmp_path)
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as code:
        start = ctypes.addressof(ctypes.c_char.from_buffer(code))
        told.write_text(f"{start + 0x20:x} 10 py::fast\nthis is no line\n")
        found = process_frames(os.getpid(), [start + 0x20, start + 0x2F, start + 0x30])
        assert [str(one) for one in found] == ["py::fast", "py::fast", f"{start + 0x30:#x} [/dev/zero]"]


def test_a_process_that_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as sleeper:  # fmt: skip
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        place = next(
            int(line.split("-")[0], 16) for line in Path(f"/proc/{sleeper.pid}/maps").read_text().splitlines()
            if " r-xp " in line and "/" in line
        )  # fmt: skip
        (alive,) = process_frames(sleeper.pid, [place + 0x400])
        sleeper.kill()
    assert process_frames(sleeper.pid, [place + 0x400]) == [alive], "what it mapped when it was read last"
    del symbols._last[sleeper.pid]
    (gone,) = process_frames(sleeper.pid, [place])
    assert str(gone) == f"{place:#x} [process {sleeper.pid} ended]"


def test_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kallsyms").write_text(
        "ffffffff81000000 T _stext\nffffffff81000100 t do_work\nffffffff82000000 D data\n"
        "ffffffffc0000000 t start\t[veth]\nffffffffc00010c0 t bpf_dispatcher_xdp\t[bpf]\n"
    )
    monkeypatch.setattr(symbols, "_PROC", tmp_path)
    symbols._kernel.cache_clear()
    try:
        found = kernel_frames([0xFFFFFFFF81000108, 0xFFFFFFFFC0000004, 0x10])
        assert [str(one) for one in found] == ["do_work", "start [veth]", "0x10 [kernel]"]
        assert found[0] == Frame(0xFFFFFFFF81000108, "do_work", 8, "")
        image, behind = kernel_frames([0xFFFFFFFFC00010D0, 0xFFFFFFFFC00021CA])
        assert str(image) == "bpf_dispatcher_xdp [bpf]"
        assert str(behind) == "0xffffffffc00021ca [kernel]", "a program that is detached has no name any more"
    finally:
        symbols._kernel.cache_clear()
