"""The table of program types and places on this kernel: what is attached counts right, and every no has its reason."""

from __future__ import annotations

import dataclasses

from kernel_tests.attach.places import ROWS, YES, printed, table

COUNTED = 15  # rows that count on the oldest kernel of the matrix


def test_every_cell_is_yes_or_has_a_reason() -> None:
    rows = table()
    print(printed(rows))
    assert [one.name for one in rows] == [one.name for one in ROWS]
    wrong = [f"{one.name}: {one.counted}" for one in rows if one.counted not in (YES, "-")]
    assert not wrong, wrong
    for one in rows:
        for said in dataclasses.astuple(one):
            assert said
            assert "\n" not in said
    assert sum(one.counted == YES for one in rows) >= COUNTED
