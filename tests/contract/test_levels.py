"""Every function at every -mcpu: only its instructions, and CPython's outcome. All other tests compile for v3."""

from __future__ import annotations

import pytest

from tests.contract.levels import compare


@pytest.mark.parametrize("cpu", [1, 2, 4])
def test_every_level_means_the_same(cpu: int) -> None:
    found = compare(cpu, "interp", every=6)
    print(f"v{cpu}: {dict(found.counts)}")
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["functions"] >= 80
    assert found.counts["runs"] >= 150
