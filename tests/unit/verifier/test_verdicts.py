"""The verifier model on the data files of verdicts, which kernel_tests/verifier holds against the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.testing.verdicts import VerdictCase, judged, load_verdicts, read_verdicts

FOLDER = Path(__file__).parents[2] / "verifier"
CASES = load_verdicts(FOLDER)
REFUSED, TWINS, TEMPLATES = 560, 560, 190  # least numbers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: VerdictCase) -> None:
    verdict = judged(case)
    wanted = ("accept", "", None) if case.accepted else ("reject", "; ".join(case.words), case.insn)
    assert (verdict.verdict, verdict.message, verdict.insn) == wanted, case.place


def test_there_are_enough_of_them() -> None:
    refused = [case for case in CASES if not case.accepted]
    twins = [case for case in CASES if case.name.endswith("(twin)")]
    templates = {template(case.words) for case in refused}
    print(f"{len(refused)} refusals in {len(templates)} templates, {len(twins)} twins, {len(CASES)} programs")
    assert [case.name for case in refused if f"{case.name} (twin)" not in {twin.name for twin in twins}] == []
    assert len(refused) >= REFUSED
    assert len(twins) >= TWINS
    assert len(templates) >= TEMPLATES


def template(words: Iterable[str]) -> str:
    """The words without their numbers and states."""
    return re.sub(r"-?\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b|R\d+", "N", "; ".join(words).partition("; cur state")[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-- case a\n-- asm\nexit\n", "one of the sections accept and reject"),
        ("-- case a\n-- accept\n", "one of the sections asm and code"),
        ("-- case a\n-- type\nnone\n-- asm\nexit\n-- accept\n", "no program type 'none'"),
        ("-- case a\n-- asm\nexit\n-- reject 0\n", "wanted are the instruction"),
        ("-- case a\n-- asm\nexit\n-- reject here\nR0 !read_ok\n", "wanted are the instruction"),
        ("-- case a\n-- flags\nloud\n-- asm\nexit\n-- accept\n", "no flag 'loud'"),
        ("-- case a\n-- asm\nexit\n-- accept\n-- twin\nr0 = 0 => exit\n", "wanted is a line of asm"),
        ("-- asm\nexit\n-- accept\n", "needs a name"),
        ("-- case a\n-- functions\np outer int\n-- asm\nexit\n-- accept\n", "where a function is wanted"),
        ("-- case a\n-- functions\np global int long\n-- asm\nexit\n-- accept\n", "met 'long' where int, ctx"),
        ("-- case a\n-- functions\np global int\nf static int\n-- asm\nexit\n-- accept\n", "2 functions are told"),
        ("-- case a\n-- locks\nm 0\n-- asm\nexit\n-- accept\n", "where a map and an offset are wanted"),
        ("-- case a\n-- asm\nexit\n-- accept\n-- case a\n-- asm\nexit\n-- accept\n", "another case"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "wrong.data"
    path.write_text(text)
    with pytest.raises(LoadError, match=re.escape(words)) as error:
        read_verdicts(path)
    assert f"{path}:" in str(error.value)
