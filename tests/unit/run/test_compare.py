"""Differences between outcomes: each kind is seen, and said in a line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.machine import Fault, Location
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ProgramSpec
from bpfvm.run.compare import differences, report
from bpfvm.run.outcome import Outcome

FAULT = Fault("PacketError", "read past the end", source=Location("f.py", 3), machine=False)
BASE = Outcome(value=2, action="XDP_PASS", packet=b"abc", maps={"hits": {0: 0, 1: 5}}, trace=["x"], insns=9)


def test_equal_outcomes_have_none_and_insns_do_not_count() -> None:
    assert differences("a", BASE, "b", replace(BASE, insns=1, engines=("b",))) == []
    assert differences("a", replace(BASE, packet=None), "b", BASE) == []
    same_place = replace(FAULT, message="other words", insn=7)
    assert differences("a", replace(BASE, fault=FAULT), "b", replace(BASE, fault=same_place)) == []


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (replace(BASE, value=1, action="XDP_DROP"), "value: a XDP_PASS (2), b XDP_DROP (1)"),
        (replace(BASE, value=-12, action=None), "value: a XDP_PASS (2), b -12 (-0xc)"),
        (replace(BASE, packet=b"abd"), "packet: from byte 2: a 63, b 64"),
        (replace(BASE, packet=b"ab"), "packet: a 3 bytes, b 2 bytes"),
        (replace(BASE, trace=[]), "trace: a ['x'], b []"),
        (replace(BASE, fault=FAULT), "fault: a none, b f.py:3: PacketError: read past the end"),
        (replace(BASE, maps={"hits": {0: 0, 1: 6}}), "map hits[1]: a 5, b 6"),
        (replace(BASE, maps={}), "map hits: only a has it"),
    ],
)
def test_each_difference_is_a_line(other: Outcome, line: str) -> None:
    assert differences("a", BASE, "b", other) == [line]


def test_many_map_differences_are_counted() -> None:
    one, two = ({"m": dict.fromkeys(range(9), n)} for n in (0, 1))
    lines = differences("a", replace(BASE, maps=one), "b", replace(BASE, maps=two))
    assert len(lines) == 6
    assert lines[-1] == "map m: 4 more entries differ"


def test_what_the_kernel_does_not_show_is_not_compared() -> None:
    """BPF_PROG_TEST_RUN gives back neither where a packet is sent nor what was printed; a verdict it does."""
    emulated = replace(BASE, redirect="ifindex 7")
    assert differences("interp", emulated, "kernel", replace(BASE, trace=[])) == []
    assert len(differences("interp", emulated, "portable", replace(BASE, trace=[]))) == 2
    assert len(differences("interp", emulated, "kernel", replace(BASE, trace=[], value=1))) == 1


def test_a_report_groups_machines_and_shows_the_lines_of_faults(tmp_path: Path) -> None:
    source = tmp_path / "f.py"
    source.write_text("def f(a):\n    b = a\n    return 8 // b\n")
    fault = replace(FAULT, source=Location(str(source), 3))
    outcomes = {
        "cpython": replace(BASE, action=None, value=True),
        "interp": replace(BASE, action=None, value=True, insns=3),
        "portable": replace(BASE, action=None, value=False, fault=fault),
        "kernel": replace(BASE, action=None, value=True, maps={"hits": {0: 0, 1: 6}}),
    }
    assert str(report("f(3)", outcomes, "bool")).replace(f"{tmp_path}/", "").splitlines() == [
        "f(3) is not the same on all machines",
        "  portable differs from cpython, interp:",
        "    value (bool): cpython True, portable False",
        "    fault: cpython none, portable f.py:3: PacketError: read past the end",
        "  kernel differs from cpython, interp:",
        "    map hits[1]: cpython 5, kernel 6",
        "  f.py:3:",
        "        3 |     return 8 // b",
    ]
    assert report("f(3)", {"a": BASE, "b": BASE}) is None


def test_machines_may_have_different_numbers_of_cpus() -> None:
    """What only one of them has must be zero; nothing else of different lengths is equal."""
    for zero in (0, [0, 0], {"a": 0, "b": [0, ""]}, "", b"\0\0", False, 0.0):
        one, two = ({"hits": {1: [7, *rest]}} for rest in ([], [zero, zero]))
        assert differences("interp", replace(BASE, maps=one), "kernel", replace(BASE, maps=two)) == []
        assert differences("kernel", replace(BASE, maps=two), "interp", replace(BASE, maps=one)) == []
    for wrong in ([7, 0, 1], [6, 0, 0], [], [0, 7]):
        few, many = ({"hits": {1: values}} for values in ([7], wrong))
        assert len(differences("interp", replace(BASE, maps=few), "kernel", replace(BASE, maps=many))) == 1


def test_why_the_kernel_alone_may_differ() -> None:
    outcomes = {"interp": BASE, "portable": BASE, "kernel": replace(BASE, value=7, action=None)}
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble("call 5\ncall 1\nr0 = 7\nexit")))
    told = report("p()", outcomes, program=program)
    assert told is not None
    assert told.endswith('to compare the others: check(…, helpers={"ktime_get_ns": lambda: 0})')
    for others, ran in (
        ({**outcomes, "portable": outcomes["kernel"]}, program),
        (outcomes, replace(program, insns=tuple(assemble("r0 = 7\nexit")))),
    ):
        without = report("p()", others, program=ran)
        assert without is not None
        assert "helpers" not in without
