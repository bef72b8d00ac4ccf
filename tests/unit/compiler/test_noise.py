"""Rule R2 stays as quiet as it is on plain Python: see benchmarks/noise.py, which counts the tests' functions too."""

from __future__ import annotations

from pathlib import Path

from benchmarks.noise import CUTS, GOAL, PLAIN, PROGRAMS, Noise, files, measure


def test_plain_python_is_refused_seldom() -> None:
    found = measure(PLAIN)
    print(f"{found.functions} functions, {found.lines} lines, {len(found.places)} refused, {len(found.right)} rightly")
    for line in (*found.places, *found.right):
        print(line)
    assert (found.functions, found.lines) >= (38, 200)
    assert 100 * len(found.places) / found.lines <= GOAL
    assert len(found.right) >= 2


def test_programs_need_few_casts() -> None:
    found = Noise()
    for path in files(PROGRAMS):
        found += measure(path, CUTS)
    asked = [*found.wanted, *found.places]
    print(f"{found.functions} functions, {found.lines} lines, {found.casts} casts, {len(asked)} asked for")
    for line in asked:
        print(line)
    assert found.functions >= 75
    assert found.lines >= 700
    assert found.casts >= 5
    assert 100 * len(asked) / found.lines <= GOAL


def test_inputs_are_tried_where_a_module_has_more_than_functions(tmp_path: Path) -> None:
    """What its test makes of its own is left out, and functions of user space are none to compile."""
    path = tmp_path / "more.py"
    path.write_text(
        "from tests.contract.inputs import Corpus\nfrom bpfvm import u32, u64\n\na = Corpus()\nb = a.cases\n\n"
        "def power(a: u32) -> u64:\n    return a * a * a // 3\n\ndef text(a: bytes) -> bytes:\n    return a\n"
    )
    found = measure(path)
    assert (len(found.right), found.places, found.functions, found.besides) == (1, [], 1, {})
