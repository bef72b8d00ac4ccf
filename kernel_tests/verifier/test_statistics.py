"""The verifier's statistics: of small programs that can be counted, of a refused one, of one that tail-calls."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import VerifierReject
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel.objects.statistics import statistics
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from tests.packets.machines import FOLDER

STRAIGHT = (insn("mov64_k", 1, imm=7), insn("stx64", 10, 1, -8), insn("ldx64", 0, 10, -8), insn("exit"))
LOOP = (insn("mov64_k", 0, imm=100), insn("sub64_k", 0, imm=1), insn("jne64_k", 0, off=-2), insn("exit"))


def program(code: tuple[Insn, ...]) -> ObjectSpec:
    return ObjectSpec({"one": ProgramSpec("one", "socket", "socket_filter", code)}, {}, license="GPL")


def test_a_straight_program_is_walked_once() -> None:
    found = statistics(program(STRAIGHT), "one")
    assert (found.processed, found.states, found.stack) == (4, 0, 8)


def test_a_loop_is_walked_as_often_as_it_turns() -> None:
    found = statistics(program(LOOP), "one")
    assert found.processed == 202
    assert found.states >= found.peak >= 1


def test_a_refused_program_is_refused_as_by_any_load() -> None:
    with pytest.raises(VerifierReject, match="R0 !read_ok"):
        statistics(program((insn("exit"),)), "one")


def test_functions_are_added_up() -> None:
    spec = read_object(FOLDER / "functions.o")
    for name in spec.programs:
        assert statistics(spec, name).processed >= 20
