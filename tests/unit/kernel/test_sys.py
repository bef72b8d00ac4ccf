"""What the kernel backend knows without asking a kernel."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import subprocess
import sys
import warnings

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.isa.insn import insn
from bpfvm.kernel import KERNEL, available
from bpfvm.kernel.maps.map import kernel_name
from bpfvm.kernel.sys import (
    Fd,
    MapBatch,
    MapCreate,
    MapElement,
    ProgLoad,
    TestRun,
    call_number,
    error_name,
    error_text,
)
from bpfvm.obj.model import ObjectSpec, ProgramSpec

NUMBERS = [
    ("x86_64", 8, 321), ("x86_64", 4, 357), ("i686", 4, 357), ("aarch64", 8, 280), ("aarch64", 4, 386),
    ("armv7l", 4, 386), ("riscv64", 8, 280), ("s390x", 8, 351), ("ppc64le", 8, 361), ("loongarch64", 8, 280),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "pointer", "number"), NUMBERS)
def test_call_numbers(machine: str, pointer: int, number: int) -> None:
    assert call_number("Linux", machine, pointer) == number


@pytest.mark.parametrize(
    ("system", "machine", "message"),
    [
        ("Darwin", "arm64", "bpf(2) is a system call of Linux, and this is Darwin"),
        ("", "", "bpf(2) is a system call of Linux, and this is an unknown system"),
        ("Linux", "vax", "the number of bpf(2) is not known for vax; it is known for x86_64, i386"),
    ],
)
def test_hosts_without_a_call_number(system: str, machine: str, message: str) -> None:
    with pytest.raises(Unavailable) as caught:
        call_number(system, machine, 8)
    assert str(caught.value).startswith(message)


# include/uapi/linux/bpf.h: union bpf_attr, offset of the last field of each command's part, and the part's size
LAYOUTS = [
    (MapCreate, "map_extra", 64, 80),
    (MapCreate, "map_token_fd", 76, 80),
    (MapElement, "flags", 24, 32),
    (MapBatch, "flags", 48, 56),
    (ProgLoad, "log_true_size", 140, 144),
    (ProgLoad, "line_info", 96, 144),
    (TestRun, "batch_size", 72, 80),
]


@pytest.mark.parametrize(("structure", "field", "offset", "size"), LAYOUTS)
def test_attribute_layouts(structure: type[ctypes.Structure], field: str, offset: int, size: int) -> None:
    assert getattr(structure, field).offset == offset
    assert ctypes.sizeof(structure) == size


def test_errors_have_names() -> None:
    assert (error_name(1), error_name(28), error_name(524), error_name(9999)) == (
        "EPERM", "ENOSPC", "ENOTSUPP", "errno 9999",
    )  # fmt: skip
    assert error_text(524) == "not supported by this kernel"


NAMES = [("count", b"count"), ("<lambda>", b"_lambda_"), ("a.b_C9", b"a.b_C9"), ("x" * 40, b"x" * 15), ("é", b"_"),
         ("", b"")]  # fmt: skip


@pytest.mark.parametrize(("name", "sanitised"), NAMES)
def test_names_as_the_kernel_takes_them(name: str, sanitised: bytes) -> None:
    assert kernel_name(name) == sanitised


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    reason = "bpf(2) is switched off by BPFVM_KERNEL=off"
    assert available() == reason
    program = ProgramSpec("p", "xdp", "xdp", (insn("mov64_k", 0), insn("exit")))
    with pytest.raises(Unavailable) as caught:
        KERNEL.load(ObjectSpec({"p": program}, {}), "p")
    assert str(caught.value) == reason


def test_a_descriptor_is_closed_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fd") / "file"
    path.write_text("x")
    with Fd(os.open(path, os.O_RDONLY)) as fd:
        number = fd.number
        os.fstat(number)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    fd.close()


def test_a_descriptor_that_was_never_made_is_none_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 to 2 are moved to a higher number first; where the process has no room for one, nothing is left to close."""
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OSError, match="Too many open files"):
            made_of_low(monkeypatch)
        gc.collect()
    assert not said


def made_of_low(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("bpfvm.kernel.sys._raised", full)
    Fd(0)


def test_no_descriptor_has_a_number_that_means_none() -> None:
    """In a process whose standard streams are closed, the next descriptor would be 0."""
    text = """
import os
from bpfvm.kernel.sys import Fd
out = os.dup(1)
for number in range(3):
    os.close(number)
made = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
fds = [Fd(number) for number in made]
low = [os.path.exists(f"/proc/self/fd/{number}") for number in range(3)]
inherited = [os.get_inheritable(fd.number) for fd in fds]
os.write(out, f"{made} {min(fd.number for fd in fds) >= 3} {low} {inherited}".encode())
for fd in fds:
    fd.close()
"""
    said = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    assert said == "[0, 1] True [False, False, False] [False, False]"
