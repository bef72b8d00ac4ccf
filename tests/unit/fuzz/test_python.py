"""Random functions of Python on CPython and the emulators: what is generated, compared, counted and made smaller."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.fuzz.python import files
from bpfvm.fuzz.python.case import Case
from bpfvm.fuzz.python.constructs import CONSTRUCTS, UNMADE, count
from bpfvm.fuzz.python.differ import differ
from bpfvm.fuzz.python.generate import INPUTS, generated
from bpfvm.fuzz.python.run import Difference, compare, machines
from bpfvm.fuzz.python.shrink import shrink
from bpfvm.fuzz.python.witness import witness
from bpfvm.lang.target import LEVELS

ENGINES = ("cpython", "interp", "portable")
SEED = 1
PROGRAMS = 75
ACCEPTED = 0.9  # the part of the functions that is compared
MISSING = 3  # constructs that the compiler may learn before the generator
FOUND = Path(__file__).parents[2] / "python"
HEAD = "from bpfvm import Array, bpf, u8, u32, u64, s64\n"


def case(text: str, *inputs: tuple[int, ...]) -> Case:
    return Case("test", HEAD + text, inputs)


def test_random_functions_agree() -> None:
    report = differ(ENGINES, SEED, PROGRAMS)
    print(report)
    assert report.differences == []
    assert report.compared >= PROGRAMS
    assert report.runs >= (INPUTS - 1) * PROGRAMS
    assert report.acceptance >= ACCEPTED
    assert set(report.levels) == set(LEVELS)
    assert len(report.faults) >= 4
    assert all(reason.startswith("compiler: E0") for reason in report.rejected)


def test_every_construct_of_the_tables_is_generated() -> None:
    counts: Counter[str] = Counter()
    for number in range(600):
        counts += count(generated(SEED, number).text)
    rare = sorted((counts[name], name) for name in CONSTRUCTS if name not in UNMADE)
    print(f"{len(CONSTRUCTS)} constructs, the rarest {rare[:5]}; {len(UNMADE)} are not generated")
    missing = [name for times, name in rare if not times]
    assert len(missing) <= MISSING, f"nothing in bpfvm/fuzz/python writes {', '.join(missing)}"
    assert all(counts[name] == 0 and name in CONSTRUCTS for name in UNMADE)


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    first = [generated(7, number) for number in range(40)]
    assert first == [generated(7, number) for number in range(40)]
    assert len({one.text for one in first}) == 40
    assert first != [generated(8, number) for number in range(40)]


def test_processes_give_the_same_report() -> None:
    one, two = (differ(("cpython", "interp"), 3, 26, jobs=jobs) for jobs in (1, 2))
    one.seconds = two.seconds = 0
    assert one == two


def test_what_cpython_refuses_and_the_compiler_takes_is_a_difference() -> None:
    wrong = case("class Odd(int):\n    def __add__(self, other): raise TypeError\n"
                 "K = Odd(3)\n@bpf.function\ndef f(a: u8) -> u32:\n    return int(K) + a\n", (1,))  # fmt: skip
    assert compare(ENGINES, machines(ENGINES), wrong, "v3").difference is None  # int() makes it a plain 3
    broken = case("def g(a):\n    return a\n@bpf.function\ndef f(a: u8) -> u32:\n    return g(a)\n"
                  "g.__defaults__ = None\ng.__code__ = (lambda: 1).__code__\n", (1,))  # fmt: skip
    verdict = compare(ENGINES, machines(ENGINES), broken, "v3")
    assert verdict.rejected is not None
    assert verdict.rejected.startswith("compiler: E0")


SUM = """
@bpf.function
def f(a: u8, b: u32, c: u64) -> u64:
    total = u64(0)
    for i in range(9):
        if b > 100:
            total += i * 2
        else:
            total ^= c
    if a == 77:
        total = total // (b + 1)
    return total + a
"""


def test_a_case_is_reduced_to_what_matters() -> None:
    def holds(one: Case) -> bool:
        tree = ast.parse(one.text)
        return any(isinstance(node, ast.FloorDiv) for node in ast.walk(tree)) and any(
            row and row[0] == 77 for row in one.inputs
        )

    small = shrink(case(SUM, (1, 2, 3), (77, 5, 6), (0, 0, 0)), holds)
    print(small.text)
    assert small.inputs == ((77,),) or small.inputs == ((77, 0, 0),)
    assert small.text.count("\n") <= 6


@pytest.mark.parametrize(
    ("text", "has_one"),
    [
        ("@bpf.function\ndef f(a: u64, b: u64) -> u64:\n    return u64(int(a) * int(b) > 5)\n", True),
        ("@bpf.function\ndef f(a: u8, b: u32) -> u64:\n    return u64(a << b > 9)\n", True),
        ("@bpf.function\ndef f(a: u32) -> u64:\n    return u64((a * a * a - a * a * a) // 2)\n", False),
        (
            "@bpf.function\ndef f(a: u8) -> u64:\n    x = a\n    for i in range(99):\n        x *= x\n    return x\n",
            True,
        ),
    ],
)  # fmt: skip
def test_a_refusal_has_a_witness_or_none(text: str, has_one: bool) -> None:
    verdict = compare(("interp",), machines(("interp",)), case(text), "v3")
    assert verdict.error is not None, "the compiler takes it"
    (diag, *_) = [one for one in verdict.error.diags if one.code == "E040"]
    found = witness(HEAD + text, diag, "1")
    print(diag.message, found)
    assert (found is not None) is has_one


def test_files_are_written_and_read(tmp_path: Path) -> None:
    one = case(SUM.lstrip("\n"), (1, 2, 3), (4, 5, 6))
    path = files.write(tmp_path, Difference(one, "value", ("r0: cpython 1, interp 2",), "v2", 1))
    again = files.read(path)
    assert again.inputs == one.inputs
    assert compare(ENGINES, machines(ENGINES), again, "v2").runs == 2
    path.write_text("INPUTS = 1\n")
    with pytest.raises(LoadError, match="a tuple of tuples"):
        files.read(path)
    with pytest.raises(LoadError, match="cannot be read"):
        files.read(tmp_path / "none.py")


def found_files() -> Iterator[Path]:
    yield from sorted(FOUND.glob("*.py"))


def test_what_was_found_stays_right() -> None:
    backends, runs = machines(ENGINES), 0
    paths = list(found_files())
    for path in paths:
        one = files.read(path)
        for level, recorded in itertools.product(LEVELS, (True, False)):
            verdict = compare(ENGINES, backends, one, level, recorded)
            assert verdict.difference is None, f"{path.name}: {verdict.difference}"
            assert verdict.rejected is None or path.name.startswith("refused_"), f"{path.name}: {verdict.rejected}"
            runs += verdict.runs
    print(f"{len(paths)} files, {runs} runs")
    assert paths
    assert runs >= len(paths)
