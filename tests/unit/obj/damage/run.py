"""Use damaged objects in this process as users do, and report: `python -m tests.unit.obj.damage.run COUNT SEED FILE…`.

A process of its own, so that its memory is nobody else's. An object is used up to the first BpfvmError: read, its types
and map contents shown, relocated, disassembled, loaded by the reference tier and run, written. What may not happen is
noted with the object's number: another exception, an error of more than one line, more than a second, more memory than
the limit.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.disasm import listing
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.core.externs import resolved
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.reader.object import parse_object
from bpfvm.obj.values.contents import shape_of
from bpfvm.obj.writer.complete import completed
from bpfvm.obj.writer.object import write_object
from bpfvm.tables.progs import BY_NAME
from tests.pace import seconds
from tests.unit.obj.damage.changes import damaged_objects

SECONDS = 1.0  # of processor time, for one object, by tests.pace
WALL = 20  # times as many on a machine that is busy
PEAK = 1 << 30  # bytes resident
LARGEST_SHOWN = 1 << 16
BUDGET = 5000  # instructions that a program runs


class TooLong(BaseException):
    """The alarm went off."""


@lru_cache(maxsize=1)
def pace() -> float:
    """SECONDS of this machine."""
    return seconds(SECONDS)


@contextmanager
def alarm() -> Iterator[None]:
    """TooLong once this process has spent SECONDS on what is inside, or stood still in it."""
    most = pace()
    start, began = time.process_time(), time.monotonic()

    def ring(number: int, frame: FrameType | None) -> None:
        if time.process_time() - start >= most or time.monotonic() - began >= WALL * most:
            raise TooLong
        signal.setitimer(signal.ITIMER_REAL, most)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, most)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if time.process_time() - start >= most:
        raise TooLong


@lru_cache(maxsize=256)
def types_of(whole: bytes) -> Btf:
    """The types of an object, here those of the machine that damaged ones of its kind are to run on."""
    return parse_object(whole).btf or Btf()


def use(data: bytes, target: Btf) -> str:
    """How far the object came: "refused" or "used", or the first stage that ended with an error."""
    try:
        spec = parse_object(data, "damaged.o")
    except BpfvmError as error:
        one_line(error)
        return "refused"
    reached = "used"
    for stage in (show, disassemble, write, adapt, run):
        try:
            spec = stage(spec, target)
        except BpfvmError as error:
            one_line(error)
            reached = f"no {stage.__name__}" if reached == "used" else reached
    return reached


def one_line(error: BpfvmError) -> None:
    """Fails for an error that is not one clear line."""
    text = str(error)
    assert text.isprintable(), f"not one line: {text!r}"
    assert 10 < len(text) < 2000, f"{len(text)} characters: {text[:300]!r}"


def show(spec: ObjectSpec, target: Btf) -> ObjectSpec:
    """Types by name, and map contents of zeros both ways."""
    btf = spec.btf or Btf()
    for number in range(1, len(btf) + 1):
        btf.name_of(number)
    for one in spec.maps.values():
        for kind, size in ((one.key_type, one.key_size), (one.value_type, one.value_size)):
            if size <= LARGEST_SHOWN:
                shape = shape_of(btf, kind, size, spec.endian)
                assert shape.parse(shape.show(bytes(size)), one.name) == bytes(size)
    return spec


def disassemble(spec: ObjectSpec, target: Btf) -> ObjectSpec:
    for one in spec.programs.values():
        listing(one.insns, labels={each.slot: each.name for each in one.functions}, raw=spec.endian)
        for slot in range(0, one.slot_count, 7):
            one.source_of(slot)
    return spec


def write(spec: ObjectSpec, target: Btf) -> ObjectSpec:
    """What can be written is read again as the same object."""
    again = parse_object(write_object(spec), "written.o")
    assert again == completed(spec), difference(again, completed(spec))
    return spec


def difference(one: ObjectSpec, other: ObjectSpec) -> str:
    """The fields in which two objects differ."""
    pairs = (
        (name, getattr(one, name), getattr(other, name)) for name in ("programs", "maps", "btf", "externs", "sources")
    )
    return "; ".join(f"{name}: {mine!r:.600} against {theirs!r:.600}" for name, mine, theirs in pairs if mine != theirs)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that has some of what objects ask for."""

    types: Btf
    config: str = 'CONFIG_HZ=250\nCONFIG_BPF=y\nCONFIG_X86_64=m\nCONFIG_DEFAULT_HOSTNAME="(none)"\n'
    kallsyms: bytes = b"ffffffff81000000 T _stext\nffffffff82000000 D jiffies\nffffffff82001000 D bpf_prog_active\n"
    facts: Mapping[str, int] = field(default_factory=lambda: {"LINUX_KERNEL_VERSION": 0x061200})


def adapt(spec: ObjectSpec, target: Btf) -> ObjectSpec:
    """To a machine with these types and such a kernel; what it has not is an error of its own."""
    spec = relocate(spec, target)
    try:
        return resolved(spec, Kernel(target))
    except BpfvmError as error:
        one_line(error)
        return spec


def run(spec: ObjectSpec, target: Btf) -> ObjectSpec:
    """Each program on the reference tier, those that take packets on one."""
    machine, error = Emulator("interp", BUDGET), None
    for name, one in spec.programs.items():
        try:
            with machine.load(spec, name, {}) as loaded:
                if one.type in BY_NAME and BY_NAME[one.type].layer is not None:
                    loaded.run(Input(packet=bytes(range(128))))
        except BpfvmError as met:
            one_line(met)
            error = met
    if error is not None:
        raise error
    return spec


def peak() -> int:
    """The most bytes that this process ever had in memory (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def work(files: list[bytes], count: int, seed: int) -> dict[str, Any]:
    """The report as a document. Objects that went wrong are kept in the folder for temporary files."""
    outcomes: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    slowest = 0.0
    for number, broken in enumerate(damaged_objects(files, count, seed)):
        target = types_of(broken.whole)
        start, before = time.process_time(), peak()
        reason, reached = "", "wrong"
        try:
            with alarm():
                reached = use(broken.data, target)
        except (Exception, TooLong):
            reason = traceback.format_exc(limit=-4)
        slowest = max(slowest, time.process_time() - start)
        if before <= PEAK < peak():
            reason += f"{peak() >> 20} MiB resident"
        if reason:
            kept = Path(tempfile.gettempdir(), f"damaged-{seed}-{number}.o")
            kept.write_bytes(broken.data)
            wrong.append(f"{kept} ({broken.kind}): {reason}")
        outcomes.setdefault(broken.kind, Counter())[reached] += 1
    return {"outcomes": outcomes, "wrong": wrong, "slowest": round(slowest, 3), "peak": peak()}


if __name__ == "__main__":
    objects = [Path(name).read_bytes() for name in sys.argv[3:]]
    print(json.dumps(work(objects, int(sys.argv[1]), int(sys.argv[2]))))
