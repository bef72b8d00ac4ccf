"""Small programs given to the kernel to hear what it says of them: the verdict and the log, and nothing kept open."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.isa.codec import encode
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel.maps.elements import BYTE_ORDER
from bpfvm.kernel.sys import PROG_LOAD, PROG_TEST_RUN, Fd, ProgLoad, TestRun, address, bpf
from bpfvm.tables import attach
from bpfvm.tables.progs import ProgramType
from kernel_tests.tables.vmlinux import vmlinux

LOG = 1 << 16
SLEEPABLE = 1 << 4  # BPF_F_SLEEPABLE


@dataclass(frozen=True, slots=True)
class Place:
    """A way to load programs: a type, an attach type or None, BTF of the target where the type needs one."""

    row: ProgramType
    attach_type: str | None = None
    btf: int = 0

    def __str__(self) -> str:
        return f"{self.row.name}:{self.attach_type}" if self.attach_type else self.row.name

    @property
    def exit(self) -> tuple[Insn, Insn]:
        """An end that the verifier takes here."""
        least = (self.row.return_range(self.attach_type) or (0, 0))[0]
        return insn("mov64_k", 0, imm=least), insn("exit")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the kernel said. errno: 0 where it took the program."""

    errno: int
    log: str


_BUFFER = ctypes.create_string_buffer(LOG)


def load(place: Place, code: Sequence[Insn], license: bytes = b"GPL", log: bool = True) -> Verdict:
    """Load and close. log: ask for the log, which costs time."""
    fd, verdict = _load(place, code, license, log)
    if fd is not None:
        fd.close()
    return verdict


def test_run(place: Place, code: Sequence[Insn], frame: bytes) -> int:
    """The errno of a run by BPF_PROG_TEST_RUN, first with a frame, then without."""
    fd, verdict = _load(place, code, b"GPL", False)
    assert fd is not None, (str(place), verdict)
    number = 0
    with fd:
        for size in (len(frame), 0):
            attr = TestRun(prog_fd=fd.number, data_in=address(frame) if size else 0, data_size_in=size)
            try:
                bpf(PROG_TEST_RUN, attr)
            except OSError as error:
                number = error.errno or 0
            else:
                return 0
    return number


test_run.__test__ = False  # type: ignore[attr-defined]


def _load(place: Place, code: Sequence[Insn], license: bytes, log: bool) -> tuple[Fd | None, Verdict]:
    words = encode(code, BYTE_ORDER)
    _BUFFER[0] = b"\0"
    attr = ProgLoad(
        prog_type=place.row.number, insn_cnt=len(words) // 8, insns=address(words), license=address(license),
        prog_flags=SLEEPABLE if place.row.sleepable else 0, attach_btf_id=place.btf,
        expected_attach_type=attach.BY_NAME[place.attach_type].number if place.attach_type else 0,
    )  # fmt: skip
    if log:
        attr.log_level, attr.log_size, attr.log_buf = 1, LOG, address(_BUFFER)
    try:
        return Fd(bpf(PROG_LOAD, attr)), Verdict(0, "")
    except OSError as error:
        return None, Verdict(error.errno or 0, _BUFFER.value.decode(errors="replace"))


def place_of(row: ProgramType, attach_type: str | None) -> Place:
    """Where programs of `row` load; with a target for the two kinds of tracing programs that any kernel has."""
    types = vmlinux()
    if attach_type == "trace_raw_tp":
        return Place(row, attach_type, types.typedef("btf_trace_sched_switch") or 0)
    if attach_type == "trace_iter":
        return Place(row, attach_type, types.function("bpf_iter_task") or 0)
    return Place(row, attach_type)


def release() -> tuple[int, int]:
    """The running kernel's version."""
    major, minor, *_ = os.uname().release.replace("-", ".").split(".")
    return int(major), int(minor)


def version(text: str) -> tuple[int, int]:
    """A version of the tables."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)
