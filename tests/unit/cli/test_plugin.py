"""`bpfvm plugin`: the protocol of conformance runners, on every emulator; what it says of a program that cannot run."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time

import pytest

from bpfvm.cli import status
from bpfvm.isa.asm_ubpf import assemble_ubpf
from bpfvm.isa.codec import encode
from tests.engines import EMULATORS

Captured = pytest.CaptureFixture[str]


def given(monkeypatch: pytest.MonkeyPatch, words: str | bytes) -> None:
    """Put `words` on standard input."""
    data = words if isinstance(words, bytes) else words.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def code(text: str) -> str:
    """A program as runners write it: every byte with blanks behind it."""
    return "".join(f"{byte:02x}  " for byte in encode(assemble_ubpf(text))) + "\n"


# program, memory, r0
PROGRAMS = [
    ("mov %r0, 7\nexit", "", "7"),
    ("mov %r0, -1\nexit", "", "ffffffffffffffff"),
    ("mov %r0, %r2\nexit", "01 02 03", "3"),
    ("mov %r0, %r2\nor %r0, %r1\nexit", "", "0"),
    ("mov %r0, %r1\nadd %r0, %r2\nsub %r0, %r1\nexit", "aabb", "2"),
    ("add %r1, 2\nldxh %r0, [%r1+1]\nbe16 %r0\nexit", "01 02 03 04 05 06", "405"),
    ("stxdw [%r1+2], %r2\nldxdw %r0, [%r1+2]\nexit", "00" * 16, "10"),
    ("mov32 %r0, 8\nlsh32 %r0, 33\nexit", "", "10"),
    ("mov %r1, 5\ncall local f\nadd %r0, 1\nexit\nf: mov %r0, %r1\nexit", "", "6"),
    ("stdw [%r10-8], 5\nmov %r1, 3\nlock fetch xor [%r10-8], %r1\nldxb %r0, [%r10-8]\nlsh %r0, 8\nor %r0, %r1\nexit",
     "", "605"),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["auto", *EMULATORS])
def test_r0_is_printed_in_hex(engine: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    ran = 0
    for text, memory, r0 in PROGRAMS:
        given(monkeypatch, code(text))
        assert status(["plugin", *([memory] if memory else []), "--engine", engine]) == 0
        assert capsys.readouterr() == (f"{r0}\n", ""), text
        ran += 1
    print(f"{ran} programs on {engine}")
    assert ran >= 10


def test_in_a_process_of_its_own() -> None:
    """As a runner does it: memory first, the program on standard input."""
    words = "71 10 01 00 00 00 00 00  95 00 00 00 00 00 00 00"  # r0 = mem[1]; exit
    command = [sys.executable, "-m", "bpfvm", "plugin", "01  02 "]
    start = time.perf_counter()
    done = subprocess.run(command, input=words, capture_output=True, text=True, timeout=60, check=False)
    print(f"{time.perf_counter() - start:.2f} s")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_it_starts_without_what_it_does_not_need() -> None:
    names = ["bpfvm.compiler", "bpfvm.program", "bpfvm.lang", "numpy", "rich", "llvmlite", "ctypes"]
    program = "import sys; from bpfvm.cli import status; status(['plugin']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program], input=code("mov %r0, 7\nexit"), capture_output=True, text=True, check=True
    )
    assert done.stdout == "7\n"
    assert [name for name in names if name in done.stderr.split()] == []


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    given(monkeypatch, code("stb [%r1+1], 9\nmov %r0, -1\nexit"))
    assert status(["plugin", "01 02", "--json", "--engine", "interp"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "engine": "interp", "r0": "f" * 16, "memory": "0109", "insns": 3, "fault": None,
    }  # fmt: skip
    given(monkeypatch, code("ldxdw %r0, [%r1+1]\nexit"))
    assert status(["plugin", "01 02", "--json"]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["r0"], document["fault"]["insn"], document["fault"]["kind"]) == (None, 0, "access")
    assert document["fault"]["message"] in err


@pytest.mark.parametrize(
    ("words", "memory", "exit_status", "message"),
    [
        (code("ldxb %r0, [%r1+0]\nexit"), "", 1, "access at address 0x0, which is the null pointer (instruction 0)"),
        (code("ldxw %r0, [%r1+0]\nexit"), "010203", 1, "access: read of 4 bytes at context+0, context is 3 bytes"),
        (code("mov %r0, %r3\nexit"), "", 1, "uninit: r3 is read before it is written (instruction 0)"),
        (code("call 5000\nexit"), "", 1, "is not emulated in this version (instruction 0)"),
        (code("ja -2\nexit"), "", 2, "instruction 0 jumps to -1, outside of the 2 slots"),
        (code("mov %r10, 1\nexit"), "", 2, "instruction 0 (mov64_k) writes to r10, the frame pointer"),
        (code("mov %r0, 0"), "", 2, "instruction 0 is the last one"),
        ("9d" + "00" * 7, "", 2, "instruction 0: unknown opcode 0x9d: this jump has no register form"),
        ("95 00", "", 2, "code of 2 bytes is not a whole number of 8-byte instructions"),
        ("18" + "00" * 7, "", 2, "instruction 0: the second half of this 64-bit load is missing"),
        ("95 0", "", 2, "the program on standard input is '950', which is not bytes in hex"),
        (b"\xff\xfe", "", 2, "which is not bytes in hex"),
        ("x" * 1000, "", 2, f"the program on standard input is '{'x' * 40}…', which is not bytes in hex"),
        ("", "", 2, "the program on standard input is empty"),
        (code("exit"), "0x01", 2, "the memory is '0x01', which is not bytes in hex"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_one_line(
    words: str | bytes, memory: str, exit_status: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given(monkeypatch, words)
    assert status(["plugin", memory, "--engine", "interp"]) == exit_status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bpfvm: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    given(monkeypatch, code("exit"))
    assert status(["plugin", "--engine", "steam"]) == 2
    assert "there is no engine 'steam'" in capsys.readouterr().err
