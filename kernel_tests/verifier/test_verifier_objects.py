"""The verifier model held against the kernel on whole objects: those of the tests, and those that Debian ships."""

from __future__ import annotations

import ctypes
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchmarks.corpus.halves import python_half
from benchmarks.corpus.manifest import ROWS
from bpfvm.core.errors import BpfvmError, VerifierReject
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.kernel.attr import inform
from bpfvm.kernel.host.names import adapted
from bpfvm.kernel.objects.install import install
from bpfvm.kernel.programs.rejection import read_log
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.program import Program
from bpfvm.verifier.program.object import verify
from kernel_tests.debian import packages as debian
from kernel_tests.libbpf.driver import STACK_BYTES, UNSIZED
from kernel_tests.loading import release
from kernel_tests.verifier.test_verifier import MODELLED
from kernel_tests.verifier.verdicts import kernel_types, possible_cpus

ROOT = Path(__file__).parents[2]
BUDGET = 200_000

pytestmark = pytest.mark.skipif(release() != MODELLED, reason="the model is of another version than this kernel")


@dataclass(slots=True)
class Tally:
    """counts: by kind of agreement. differing: verdicts; wrong: words. features: why nothing was decided."""

    counts: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def decided(self) -> int:
        return self.counts["accept"] + self.counts["reject"]


class Info(ctypes.Structure):
    """struct bpf_prog_info as far as it is read."""

    _fields_ = (("unread", ctypes.c_uint8 * 216), ("verified_insns", ctypes.c_uint32))


def walked(fd: int) -> int:
    """How many instructions the verifier walked of a loaded program."""
    info = Info()
    inform(fd, info)
    return int(info.verified_insns)


def compare(paths: Iterable[Path], wanted: Callable[[ObjectSpec, ProgramSpec], bool] | None = None) -> Tally:
    """Every program of the objects, or those that are wanted, each loaded alone; but for those that the kernel does not
    judge."""
    tally = Tally()
    for path in paths:
        try:
            spec = sized(read_object(path))
        except BpfvmError:
            tally.counts["unreadable object"] += 1
            continue
        for name, one in spec.programs.items():
            if wanted is not None and not wanted(spec, one):
                continue
            _compare_one(tally, path.name, spec, name)
    return tally


def _compare_one(tally: Tally, file: str, spec: ObjectSpec, name: str) -> None:
    log, count = None, 0
    try:
        with install(spec, [name], pin=False) as installed:
            count = walked(installed.programs[name].fd.number)
        ready, _ = adapted(spec, [name])
    except VerifierReject as error:
        log = error.log
        ready, _ = adapted(spec, [name])
    except BpfvmError:
        tally.counts["not judged by the kernel"] += 1
        return
    verdict = verify(ready, name, budget=BUDGET, cpus=possible_cpus(), resolved=True, types=kernel_types())
    if verdict.verdict == "undecided":
        tally.counts["undecided"] += 1
        tally.features[verdict.message] += 1
        return
    theirs = "accept" if log is None else "reject"
    if verdict.verdict != theirs:
        tally.differing.append(f"{file} {name}: kernel {theirs}, model {verdict.verdict} {verdict.message}")
        return
    tally.counts[theirs] += 1
    if log is None:
        tally.counts["walked equal"] += verdict.processed == count
        return
    reading = read_log(log)
    message = verdict.message.partition("; cur state:")[0]  # which the reading counts as progress
    if "; ".join(reading.reasons) != message or reading.slot != verdict.insn:
        tally.wrong.append(f"{file} {name}: kernel {reading.slot} {reading.reasons}, model {verdict.message}")


def sized(spec: ObjectSpec) -> ObjectSpec:
    """With a size for each map that has none, as its tool would give it."""
    return replace(spec, maps={name: _sized(one) for name, one in spec.maps.items()})


def _sized(one: MapSpec) -> MapSpec:
    from bpfvm.tables.maps import BY_NAME

    if one.type == "stack_trace" and not one.value_size:
        one = replace(one, value_size=STACK_BYTES)
    return replace(one, max_entries=1) if BY_NAME[one.type].number not in UNSIZED and not one.max_entries else one


def report(tally: Tally, least: int) -> None:
    print(f"{dict(tally.counts)}; undecided: {dict(tally.features.most_common(8))}")
    assert not tally.differing + tally.wrong, "\n".join(tally.differing + tally.wrong)
    assert tally.decided >= least
    assert tally.counts["walked equal"] >= tally.counts["accept"] * 98 // 100


def test_objects_of_the_tests() -> None:
    report(compare([*sorted(ROOT.glob("tests/packets/*.o")), *sorted(ROOT.glob("tests/objects/*.o"))]), 240)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_objects_that_debian_ships() -> None:
    try:
        shipped = [one.path for one in debian.objects()]
    except debian.Unavailable as reason:
        pytest.skip(str(reason))
    report(compare(shipped), 190)


def test_both_halves_of_the_corpus() -> None:
    """What clang makes of C, and what the compiler makes of Python, for the same maps."""
    tally = compare(sorted(ROOT.glob("benchmarks/corpus/c/*.o")))
    for row in ROWS:
        spec = sized(python_half(row))
        for name in spec.programs:
            _compare_one(tally, f"{row.name}.py", spec, name)
    report(tally, 120)


UNCHECKED = """
    r2 = *(u32 *)(r1 +0)
    r0 = *(u8 *)(r2 +14)
    exit
"""


def test_a_refusal_of_the_kernel_is_explained() -> None:
    """Where the model refuses the same, for the same reason; the kernel's words stand first."""
    program = ProgramSpec(
        "p", "xdp", "xdp", tuple(assemble(UNCHECKED)), {0: Location("p.py", 7), 1: Location("p.py", 8)}
    )
    with pytest.raises(VerifierReject) as refused:
        Program("p", "xdp", ObjectSpec({"p": program}, {})).kernel(bytes(64))
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("invalid access to packet, off=14 size=1")
    assert lines[1] == "Verification failed: Memory bounds: packet"
    assert refused.value.explanation == "\n".join(lines[1:])
    assert "At:           p.py:8, instruction 1" in refused.value.explanation
    assert "Holds:        R2 holds a pointer to the packet; no byte is known to be there" in refused.value.explanation
