"""The compiler on any function whatever: an object or a diagnostic, soon; never a traceback, never a hang.

A part of the standard library and some changed sources here; all of it where the property tests run with many examples
(tox -e fuzz).
"""

from __future__ import annotations

import ast
import functools
import os
import random
import textwrap
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from bpfvm.fuzz.python import robust
from bpfvm.fuzz.python.case import Case
from bpfvm.fuzz.python.mutate import Donors, mutated
from bpfvm.fuzz.python.robust import SLOW, Found, all_of, of_file, of_text, standard_library
from bpfvm.fuzz.python.run import compare, machines
from tests import shipped_examples
from tests.pace import seconds

ROOT = Path(__file__).resolve().parents[3]
WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
EVERY = 1 if WHOLE else 150  # of the files of the standard library one is taken
MUTANTS = 20_000 if WHOLE else 120
AT_ONCE = 20  # changed sources that a process takes at a time
JOBS = len(os.sched_getaffinity(0)) if WHOLE else 1
SEED = 1


@pytest.fixture(autouse=True)
def _by_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robust, "SLOW", seconds(SLOW))


def _file(path: Path) -> Found:
    return of_file(path, random.Random(path.name))


def test_functions_of_the_standard_library() -> None:
    files = standard_library()[3::EVERY]
    found = all_of(_file, files, JOBS)
    print(f"{len(files)} files; {found}")
    assert found.wrong == []
    assert found.functions >= 30 * len(files) // 4
    assert len(found.refused) >= 5


def modules() -> list[ModuleType]:
    """Those whose functions are changed."""
    names = sorted(path.stem for path in (ROOT / "tests/programs").glob("*.py") if path.stem != "__init__")
    return [*(import_module(f"tests.programs.{name}") for name in names), *shipped_examples.modules()]


@functools.cache
def sources() -> tuple[list[tuple[ModuleType, str]], Donors]:
    """The functions that are changed, each with its module, and what is put into them."""
    found = []
    for module in modules():
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        found += [(module, ast.unparse(one) + "\n") for one in tree.body if isinstance(one, ast.FunctionDef)]
    return found, Donors.of([*(text for _, text in found), Path(textwrap.__file__).read_text(encoding="utf-8")])


def _changed(first: int) -> Found:
    """Changed sources from this number on, AT_ONCE of them."""
    texts, donors = sources()
    found = Found()
    for number in range(first, first + AT_ONCE):
        rng = random.Random(f"{SEED}:{number}")
        module, text = rng.choice(texts)
        found.add(of_text(mutated(rng, text, donors), f"fuzz/mutant-{number}.py", vars(module), rng))
    return found


def test_changed_sources() -> None:
    found = all_of(_changed, range(0, MUTANTS, AT_ONCE), JOBS)
    print(f"{MUTANTS} changes of {len(sources()[0])} functions, seed {SEED}; {found}")
    assert found.wrong == []
    assert found.functions >= MUTANTS // 2
    assert found.objects >= MUTANTS // 20


HEAD = "from bpfvm import bpf, u8, u64\n@bpf.function\ndef f(a: u8, b: u64) -> u64:\n"
DEEP = {
    "a sum": lambda n: f"    return u64({' + '.join(['b'] * n)})",
    "conditional expressions": lambda n: f"    return u64({'b if a else ' * n}b)",
    "signs": lambda n: f"    return u64({'-' * n}b)",
    "a chain of comparisons": lambda n: f"    return u64({' < '.join(['b'] * n)})",
    "attributes": lambda n: f"    return b{'.x' * n}",
    "powers": lambda n: f"    return u64({'**'.join(['2'] * n)})",
    "elif": lambda n: "    if a == 0:\n        return 1\n"
    + "".join(f"    elif a == {i % 256}:\n        return {i}\n" for i in range(n)) + "    return 0",
    "loops": lambda n: "".join(f"{'    ' * (i + 1)}for i{i} in range(a):\n" for i in range(min(n, 18)))
    + f"{'    ' * (min(n, 18) + 1)}b += 1\n    return b",
}  # fmt: skip


@pytest.mark.parametrize("what", DEEP)
def test_what_is_nested_deeply(what: str) -> None:
    ends = []
    for depth in (2, 400, 1500) if WHOLE else (2, 400):
        text = f"{HEAD}{DEEP[what](depth)}\n"
        found = of_text(text, f"fuzz/deep-{depth}.py", {}, random.Random(1))
        assert found.wrong == [], what
        verdict = compare(("interp",), machines(("interp",)), Case("deep", text, ()), "v3")
        assert verdict.difference is None, f"{what}, {depth}: {verdict.difference}"
        ends.append(verdict.rejected)
    print(f"{what}: {ends}")
    assert ends[0] is None or what in ("attributes",)
    assert ends[1] is None or what not in ("elif", "loops")
    assert SLOW == 2
