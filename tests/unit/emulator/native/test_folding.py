"""No block of unoptimised code uses what it loaded in the turn before: LLVM would load it behind the next store.

FastISel follows the users of a load, six at most, without minding that one of them is a phi of the next turn, and puts
the load where it finds the store that stands behind it. So values that come round have a block of their own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.native.code.engine import missing
from bpfvm.fuzz.differ import compare
from bpfvm.fuzz.objects import objects
from bpfvm.fuzz.trace import BUDGET
from bpfvm.fuzz.unverified import CHECKED, SAFE, Mode, machines, made
from bpfvm.testing.datafile import NAME, load_cases

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

TESTS = Path(__file__).resolve().parents[3]
MOST = 6  # users of a load that FastISel follows
NAMED = re.compile(r"%[-\w.]+")


def blocks(ir: str) -> Iterator[list[str]]:
    """The instructions of each block of a function."""
    block: list[str] = []
    for line in ir.splitlines():
        text = line.partition(";")[0].strip()
        if text.endswith(":"):
            yield block
            block = []
        elif text:
            block.append(text)
    yield block


def carried(ir: str) -> list[str]:
    """Loads whose only users lead to a phi of their own block."""
    found = []
    for function in ir.split("\ndefine ")[1:]:
        users: dict[str, list[str]] = defaultdict(list)
        every = list(blocks(function.partition("\n")[2].partition("\n}")[0]))
        for text in (one for block in every for one in block):
            defined = text.partition(" = ")[0] if " = " in text else ""
            for name in dict.fromkeys(NAMED.findall(text)):
                if name != defined:
                    users[name].append(text)
        for block in every:
            for text in (one for one in block if " = load " in one):
                at = text
                for _ in range(MOST):
                    using = users[at.partition(" = ")[0]]
                    if len(using) != 1 or using[0] not in block:
                        break
                    at = using[0]
                    if " = phi " in at:
                        found.append(text)
                        break
    return found


def lowered(ir: str) -> str:
    """As code that may run once is compiled."""
    import llvmlite.binding as llvm

    from bpfvm.emulator.native.code.llvm import _machine

    module = llvm.parse_assembly(ir)
    builder = llvm.create_pass_builder(_machine(0), llvm.create_pipeline_tuning_options(speed_level=0))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)
    return str(module)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is compiled without optimisation from now on."""
    from bpfvm.emulator.native.code import llvm

    seen, whole = [], llvm.compiled

    def compiled(ir: str, optimises: int) -> bytes:
        if not optimises:
            seen.append(ir)
        return whole(ir, optimises)

    monkeypatch.setattr(llvm, "compiled", compiled)
    return seen


def test_what_it_looks_for() -> None:
    """A load that comes round to a phi of its block, and one whose phi has a block of its own."""
    loop = """
define i64 @f(ptr %p) {
entry:
  br label %head
head:
  %v = phi i32 [ 5, %entry ], [ %y, %BACK ]
  SPLIT
  %x = load i32, ptr %p
  store i32 %v, ptr %p
  %y = xor i32 %x, 7
  %c = icmp ult i32 %x, 9
  br i1 %c, label %head, label %out
out:
  ret i64 0
}
"""
    once = loop.replace("%c = icmp ult i32 %x, 9", "%c = icmp ult i64 0, 9")
    split = once.replace("SPLIT", "br label %inner\ninner:").replace("%BACK", "%inner")
    joined = once.replace("SPLIT", "").replace("%BACK", "%head")
    assert carried(joined) == ["%x = load i32, ptr %p"]
    assert carried(split) == []


@pytest.mark.parametrize("mode", [CHECKED, SAFE])
def test_no_load_comes_round_to_its_own_block(mode: str, modules: list[str]) -> None:
    for case in [*load_cases(TESTS / "isa")[::20], *load_cases(TESTS / "isa" / "bugs")]:
        if case.result is None or case.expect.refused is not None:
            continue
        try:
            with Mode(mode, case.budget or 100_000).load(case.spec(), NAME, {}) as loaded:
                loaded.run(case.input())
        except Unavailable:
            continue
    for number in range(150):
        program = made(9, number)
        if program is not None:
            compare([Mode(mode), Mode(mode)], program)
    objects(machines(BUDGET)[1:], TESTS.parent / "benchmarks" / "corpus", 1, (SAFE,))
    wrong = [(ir, found) for ir in dict.fromkeys(modules) for found in carried(lowered(ir))]
    print(f"{len(modules)} modules")
    assert not wrong, wrong[0]
    assert len(modules) >= 400
