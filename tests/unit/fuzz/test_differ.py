"""The differ: equal machines agree, wrong ones are found, what is refused is counted by its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Entries, Fault, Input, Result
from bpfvm.fuzz.case import PROGRAM, Case, generated, make
from bpfvm.fuzz.differ import compare, differ, machine, results_differ
from bpfvm.fuzz.generate import program
from bpfvm.fuzz.known import known
from bpfvm.fuzz.mutate import mutant
from bpfvm.fuzz.report import Report
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.run.backend import Loaded
from tests.unit.fuzz.plants import RIGHT, Rewritten, row

FIRST = make("one", "syscall", assemble("r0 = 5\nexit"), (Input(ctx=bytes(8)), Input(ctx=bytes(8))))


@dataclass
class Puppet:
    """A machine that gives what it is told to."""

    name: str
    error: Exception | None = None
    results: list[Result] = field(default_factory=list)
    entries: Entries = field(default_factory=list)
    late: Exception | None = None
    opened: int = 0

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        if self.error is not None:
            raise self.error
        self._left = list(self.results)
        self.opened += 1
        return self

    def run(self, given: Input) -> Result:
        if self.late is not None:
            raise self.late
        return self._left.pop(0) if self._left else Result(r0=5, ctx=given.ctx)

    def read_map(self, name: str) -> Entries:
        return self.entries

    def write_map(self, name: str, entries: Entries) -> None:
        raise AssertionError("nothing is written to maps between runs")

    def close(self) -> None:
        self.opened -= 1


def lines(*machines: Puppet, case: Case = FIRST) -> tuple[str, ...] | str | None:
    """What differs, or why the case was not compared."""
    verdict = compare(machines, case)
    assert all(one.opened == 0 for one in machines), "what was loaded is closed"
    return verdict.difference.lines if verdict.difference else verdict.rejected


def test_equal_machines_agree_on_programs_and_mutants() -> None:
    for generator in (None, mutant):
        kind = {} if generator is None else {"generator": generator}
        report = differ((machine("interp"), RIGHT), 1, 200, **kind)  # type: ignore[arg-type]
        print(report)
        assert report.compared == 200
        assert report.differences == []
        assert report.runs >= 350


def test_one_bug_is_found_and_the_run_stops() -> None:
    wrong = Rewritten("wrong", row("jsgt64_k", "jgt64_k"))
    report = differ((RIGHT, wrong), 1, 3000, most=3)
    assert len(report.differences) == 3
    assert report.generated < 3000
    assert report.compared == report.generated - 3 - report.rejected.total()
    assert set(report.rejected) <= {"wrong: budget: it runs for too long", "interp: budget: it runs for too long"}
    assert {one.kind for one in report.differences} <= {"value", "fault"}
    assert str(report.differences[0]) in str(report)
    assert report.document()["differences"][0]["case"] == report.differences[0].case.name


def test_a_run_is_the_same_again_and_stops_by_time() -> None:
    wrong = Rewritten("wrong", row("mov32_x", "mov64_x"))
    first, again = (differ((RIGHT, wrong), 3, 500, most=2) for _ in range(2))
    assert [str(one) for one in first.differences] == [str(one) for one in again.differences]
    timed = differ((RIGHT, RIGHT), 3, seconds=0.2)
    assert timed.compared > 0
    assert 0.2 <= timed.seconds < 5


def test_a_report_goes_on_where_it_was_left() -> None:
    report = Report(("interp", "interp"), 1)
    differ((RIGHT, RIGHT), 1, 10, report=report)
    differ((RIGHT, RIGHT), 1, 25, report=report)
    assert (report.generated, report.compared) == (25, 25)


def test_results() -> None:
    a = Puppet("a")
    assert lines(a, Puppet("b")) is None
    assert lines(a, Puppet("b", results=[Result(r0=6, ctx=bytes(8))])) == ("r0: a 0x5, b 0x6 (64 bits)",)
    assert lines(a, Puppet("b", results=[Result(r0=5 | 1 << 40, ctx=bytes(8), r0_bits=32)])) is None
    found = lines(a, Puppet("b", results=[Result(r0=5, ctx=bytes(3) + b"\1" + bytes(4))]))
    assert found == ("context: from byte 3: a 0000000000, b 0100000000",)
    shorter = lines(a, Puppet("b", results=[Result(r0=5, ctx=bytes(4))]))
    assert shorter == ("context: a 8 bytes, b 4 bytes",)
    second = [Result(r0=5, ctx=bytes(8)), Result(r0=5, ctx=bytes(8), trace=("hello",), redirect="ifindex 7")]
    verdict = compare([a, Puppet("b", results=second)], FIRST)
    assert verdict.difference is not None
    assert verdict.difference.input == 1
    assert verdict.difference.lines == ("trace: a (), b ('hello',)", "redirect: a None, b 'ifindex 7'")


def test_packets_and_what_a_machine_cannot_tell() -> None:
    one = Result(packet=b"ab")
    assert results_differ("a", one, "b", Result(packet=b"ac")) == ("value", ["packet: from byte 1: a 62, b 63"])
    assert results_differ("a", one, "b", Result(packet=None)) == ("value", [])


def test_faults() -> None:
    fault = Result(fault=Fault("access", "nothing there", 3))
    a = Puppet("a", results=[fault])
    assert lines(a, Puppet("b")) == ("a access: nothing there (instruction 3), b ends",)
    assert lines(a, Puppet("b", results=[Result(fault=Fault("access", "in other words", 3))])) is None
    other = lines(a, Puppet("b", results=[Result(fault=Fault("uninit", "r3", 3))]))
    assert other == ("a access: nothing there (instruction 3), b uninit: r3 (instruction 3)",)
    endless = Puppet("b", results=[Result(fault=Fault("budget", "too long", 9))])
    assert lines(a, endless) == "b: budget: it runs for too long"


def test_maps() -> None:
    insns = assemble("r1 = map[m]\nr0 = 5\nexit")
    case = make("one", "syscall", insns, (Input(ctx=b""),), (MapSpec("m", "array", 4, 4, 1),))
    key = bytes(4)
    found = lines(Puppet("a", entries=[(key, b"abcd")]), Puppet("b", entries=[(key, b"abxd")]), case=case)
    assert found == ("map m[00000000]: from byte 2: a 6364, b 7864",)
    found = lines(Puppet("a", entries=[(key, b"abcd")]), Puppet("b"), case=case)
    assert found == ("map m: a has 1 entries, b 0",)
    per_cpu: Entries = [(key, [b"abcd", b"efgh"])]
    assert lines(Puppet("a", entries=per_cpu), Puppet("b", entries=per_cpu), case=case) is None


@pytest.mark.parametrize(
    ("errors", "wanted"),
    [
        ((None, VerifierReject("R3 !read_ok, at instruction 7: r0 = r3")), "b: RN !read_ok"),
        ((LoadError("bad"), VerifierReject("no")), "b: no"),
        ((None, Unavailable("fuzz: instruction 3 (callx): not here")), "b: not here"),
        ((LoadError("jumps to 40"), LoadError("jumps to 40")), "a: jumps to N"),
        ((LoadError("jumps to 40"), None), ("a does not load it: jumps to 40",)),
        ((None, ValueError("x")), ("b at load raised ValueError: x",)),
    ],
)
def test_refusals(errors: tuple[BpfvmError | None, Exception | None], wanted: object) -> None:
    assert lines(*(Puppet(name, error) for name, error in zip("ab", errors, strict=True))) == wanted


def test_what_is_raised_in_a_run() -> None:
    assert lines(Puppet("a"), Puppet("b", late=Unavailable("no frame of 7 bytes"))) == "b: no frame of N bytes"
    assert lines(Puppet("a"), Puppet("b", late=IndexError("i"))) == ("b at run raised IndexError: i",)


def test_engines_by_name() -> None:
    with pytest.raises(UsageError, match="takes two engines"):
        differ(("interp",), 1, 1)
    with pytest.raises(UsageError, match="there is no engine 'fast'"):
        differ(("interp", "fast"), 1, 1)


def test_what_the_kernel_is_known_to_do_wrong_is_not_a_difference() -> None:
    text = "*(u64 *)(r10 -8) = 0\nr0 = 0\nr2 = 1\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)\nr0 = 5\nexit"
    case = make("one", "syscall", assemble(text), (Input(ctx=bytes(8)),))
    assert known(case, lambda changed: True) is not None
    assert known(replace(case, spec=FIRST.spec), lambda changed: True) is None
    wrong = Puppet("kernel", results=[Result(r0=9, ctx=bytes(8))])
    report = differ((Puppet("a"), wrong), 1, 1, generator=lambda rng, name: case)
    assert report.differences == []
    assert [reason[:13] for reason in report.rejected] == ["known: kernel"]
    wrong.name = "b"
    assert len(differ((Puppet("a"), wrong), 1, 1, generator=lambda rng, name: case, most=1).differences) == 1


def test_generated_programs_keep_clear_of_what_is_known() -> None:

    exchanges = 0
    for number in range(400):
        case = generated(program, 1, number)
        exchanges += sum(one.op.name == "atomic_cmpxchg32" for one in case.program.insns)
        assert known(case, lambda changed: True) is None, case.name
    print(f"{exchanges} exchanges of 32 bits")
    assert exchanges >= 30


def test_what_is_fetched_is_forgotten_for_a_second_look() -> None:
    """The changed program means the same: it differs only where something else is wrong."""
    text = "*(u64 *)(r10 -8) = 3\nr2 = 1\nif r2 == 1 goto f\nr2 = 2\nf: r2 = atomic64_fetch_add((u64 *)(r10 -8), r2)\n"
    case = make("one", "syscall", assemble(text + "r0 = *(u64 *)(r10 -8)\nr0 += r2\nexit"), (Input(ctx=bytes(8)),))
    tried: list[Case] = []

    def differs(changed: Case) -> bool:
        tried.append(changed)
        return len(tried) < 2

    assert known(case, differs) is None
    assert "fetched from the stack" in (known(case, differs) or "")
    assert tried[0] == tried[1] != case
    names = [one.op.name for one in tried[0].program.insns]
    assert names[4:7] == ["atomic_xor64", "atomic_xor64", "atomic_fetch_add64"]
    assert tried[0].program.insns[2].off == 1
    results = []
    for one in (case, tried[0]):
        with RIGHT.load(one.spec, PROGRAM, {}) as loaded:
            results.append(loaded.run(one.inputs[0]).r0)
    assert results == [7, 7]


def test_loops_of_too_many_rounds_are_known() -> None:
    text = "r1 = {} ll\nr2 = func f\n*(u64 *)(r10 -8) = 0\nr3 = r10\nr3 += -8\nr4 = 0\ncall helper#181\nexit\n"
    text += "f: r0 = 0\nexit"
    for count, excused in ((3, False), (1 << 23, False), ((1 << 23) + 1, True), (1 << 32, True)):
        case = make("one", "syscall", assemble(text.format(count)), (Input(ctx=b""),))
        assert (known(case, lambda changed: True) is not None) == excused, count
