"""Rejections in words: the reason, the place, the path, and repairs that the model judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.datafile import helper_number
from bpfvm.testing.verdicts import load_verdicts
from bpfvm.verifier.program.object import verify
from bpfvm.verifier.report.explain import explain
from bpfvm.verifier.report.reasons import ROWS, reason_of

CASES = load_verdicts(Path(__file__).parents[2] / "verifier")
LOOKUP = "*(u32 *)(r10 -4) = 0\nr1 = map[m]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"


def explained(text: str, kind: str = "socket_filter") -> str:
    insns = tuple(assemble(text, helper=helper_number))
    lines = {0: Location("p.c", 1), 4: Location("p.c", 2)}
    program = ProgramSpec("p", kind, kind, insns, lines)
    spec = ObjectSpec({"p": program}, {"m": MapSpec("m", "hash", 4, 8, 4)}, sources={("p.c", 2): "  return *value;"})
    return str(explain(spec, "p", verify(spec, "p")))


def test_where_a_pointer_came_from_and_what_cures_it() -> None:
    words = explained(f"{LOOKUP}r0 = *(u64 *)(r0 +0)\nexit")
    assert words.splitlines()[0] == "Verification failed: Invalid access: map value that may be null"
    assert "At:           p.c:2 `return *value;`, instruction 6: r0 = *(u64 *)(r0 +0)" in words
    assert "R0 comes from instruction 5: call bpf_map_lookup_elem#1 (p.c:2)" in words
    assert "(checked: with `if r0 == 0` leaving the program before it the model takes the program)" in words


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("r0 = r7\nexit", "with `r7 = 0` before it the model takes the program"),
        ("r2 = *(u32 *)(r1 +0)\nr1 = r10\nr1 += -8\ncall bpf_get_current_comm\nr0 = 0\nexit",
         "with `if r2 == 0` leaving the program before it the model gets past this place"),
        ("r2 = *(u64 *)(r10 -8)\nr1 = r10\nr1 += -8\ncall bpf_get_current_comm\nr0 = 0\nexit",
         "the model gets past this place"),
    ],
)  # fmt: skip
def test_repairs_are_judged_first(text: str, repair: str) -> None:
    assert repair in explained(text)


def test_a_repair_that_does_not_help_is_not_offered() -> None:
    words = explained("r0 = *(u32 *)(r1 +76)\nexit")
    assert "checked" not in words
    assert "Suggestion:   use the field with the width that it has" in words


def test_a_return_value() -> None:
    words = explained("r0 = 7\nexit", "cgroup_skb")
    assert "Verification failed: Return value" in words
    assert "with `r0 = 0` before the exit the model takes the program" in words


def test_every_refusal_of_the_data_files_has_a_row_of_its_own() -> None:
    """The last row says nothing; few messages may come to it."""
    refused = [case for case in CASES if not case.accepted]
    bare = [case.words for case in refused if reason_of("; ".join(case.words)) is ROWS[-1]]
    used = {reason_of("; ".join(case.words)).title for case in refused}
    print(f"{len(refused)} refusals, {len(used)} kinds, {len(bare)} without words of their own")
    assert len(bare) <= len(refused) // 8, bare
    assert len(used) >= 30
