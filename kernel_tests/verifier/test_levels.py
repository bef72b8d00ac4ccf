"""The kernel takes every function at every -mcpu, and gives CPython's outcome."""

from __future__ import annotations

import pytest

from tests.contract.levels import compare


@pytest.mark.parametrize("cpu", [1, 2, 3, 4])
def test_every_level_means_the_same(cpu: int) -> None:
    found = compare(cpu, "kernel", every=2)
    print(f"v{cpu}: {dict(found.counts)}")
    assert not found.wrong, "\n".join(found.wrong[:20])
    assert found.counts["functions"] >= 80
    assert found.counts["runs"] >= 300
