"""Programs under emulation: entries and returns of functions, registers and memory there, crashes and damage."""

from __future__ import annotations

import platform
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable
from bpfvm.emulator.process import Process
from bpfvm.emulator.process import process as module
from bpfvm.tables.ctx import CONTEXTS

pytest.importorskip("unicorn", reason="Unicorn is not installed: pip install 'bpfvm[uprobes]'")
pytest.importorskip("elftools", reason="pyelftools is not installed: pip install 'bpfvm[uprobes]'")

REQUESTS = str(Path(__file__).parents[3] / "process" / "requests")
TOTAL = (100 + 200 + 300 + 0 + 10 + 20 + 120) & 0xFF
HELLO = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) long handle(const char *name) { return strlen(name); }
int main(int count, char **words)
{
    long total = 0;
    char *name = malloc(32);
    FILE *file = fopen("/proc/self/nothing", "r");
    for (int at = 0; at < atoi(words[1]); at++) {
        snprintf(name, 32, "request-%d", at);
        total += handle(name);
    }
    printf("%ld %d\n", total, file == NULL);
    return 7;
}
"""


def register(registers: bytes, name: str) -> int:
    field = CONTEXTS["pt_regs"].field(name)
    assert field is not None
    return int.from_bytes(registers[field.offset : field.offset + 8], "little")


def ended(path: str) -> str:
    """Why a program did not run to its end, "" when it did."""
    try:
        list(Process(path).hits("handle"))
    except BpfvmError as error:
        return str(error)
    return ""


def test_registers_and_memory_at_every_entry() -> None:
    process = Process(REQUESTS)
    seen = []
    for hit in process.hits("handle"):
        assert len(hit.registers) == 168
        number, _, size, name = struct.unpack("<iiQQ", hit.memory.read(register(hit.registers, "di"), 24))
        seen.append((number, size, hit.memory.text(name), register(hit.registers, "si")))
        assert register(hit.registers, "ip") == process.image.function("handle")
        assert register(hit.registers, "sp") % 16 == 8, "a call pushed its return address on an aligned stack"
    assert seen == [(1, 0, b"index", 100), (2, 10, b"login", 100), (3, 20, b"search", 100)]
    assert (process.status, process.calls.output) == (TOTAL, b"done\n")
    assert process.calls.unknown == {999: 1}


def test_returns_of_a_function_that_calls_itself() -> None:
    results = [register(hit.registers, "ax") for hit in Process(REQUESTS).hits("factorial", at_return=True)]
    assert results == [1, 2, 6, 24, 120]


def test_two_runs_are_the_same() -> None:
    first, second = ([hit.registers for hit in Process(REQUESTS).hits("factorial")] for _ in range(2))
    assert first == second
    assert len(first) == 5


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(LoadError, match="there is no function 'handel'; there are handle"):
        list(Process(REQUESTS).hits("handel"))


def test_a_crash_is_one_line() -> None:
    process = Process(REQUESTS, ["crash"])
    with pytest.raises(Unavailable, match=r"crashed at 0x[0-9a-f]+ while waiting for never: .*: none"):
        assert len(list(process.hits("never"))) == 1


def test_an_endless_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCKS", 100_000)
    with pytest.raises(Unavailable, match="without another call of never"):
        list(Process(REQUESTS, ["loop"]).hits("never"))


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    objects = Path(__file__).parents[3] / "objects"
    (tmp_path / "text").write_text("no program")
    for path, reason in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "text", "not an ELF file"),
        (objects / "xdp_count.o", "EM_BPF is not emulated"),
    ):
        with pytest.raises(LoadError, match=reason):
            Process(str(path))


def test_damaged_programs_are_a_result_or_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCKS", 100_000)
    whole, chance, ends = Path(REQUESTS).read_bytes(), random.Random(1), {"hits": 0, "errors": 0}
    path = tmp_path / "damaged"
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            data[chance.randrange(64 if chance.random() < 0.4 else len(data))] = chance.choice((0, 1, 0x7F, 0xFF))
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        message = ended(str(path))
        assert "\n" not in message
        ends["errors" if message else "hits"] += 1
    print(ends)
    assert min(ends.values()) >= 20


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the host's programs are others")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc to build a program of glibc with")
@pytest.mark.parametrize("link", ["-no-pie", "-pie", "-static"])
def test_programs_of_glibc(tmp_path: Path, link: str) -> None:
    path = tmp_path / "hello"
    built = subprocess.run(
        ["gcc", "-O1", link, "-o", path, "-x", "c", "-"], input=HELLO, text=True, capture_output=True, check=False
    )
    if built.returncode and link == "-static":
        pytest.skip(f"there is no static glibc: {built.stderr.splitlines()[-1]}")
    assert not built.returncode, built.stderr
    process = Process(str(path), ["4"])
    names = [hit.memory.text(register(hit.registers, "di")) for hit in process.hits("handle")]
    assert names == [b"request-%d" % number for number in range(4)]
    assert (process.status, process.calls.output) == (7, b"36 1\n")
